#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""pipe_device.py [OPTION...] IMAGE -- COMMAND...: a device's life through somebody else's DTLS
client that carries standard input to the server and back, such as "openssl s_client -quiet".

Report, download, the gate, a reboot, and the doorbell until it rings; prints what it does, one
word a line, and writes what it downloaded to IMAGE. Every message is one packet of a socket, so
that COMMAND joins no two. Requests are repeated after RFC 7252; who gets no answer at all
starts COMMAND anew, which is a new handshake, and goes on where it was."""
import argparse
import json
import select
import signal
import socket
import subprocess
import sys
import time

GET, POST = 1, 2
CON, NON, ACK, RST = 0, 1, 2, 3
ETAG, OBSERVE, URI_PATH, CONTENT_FORMAT, ACCEPT, BLOCK2, SIZE2 = 4, 6, 11, 12, 17, 23, 28
JSON = 50
BOOTS = ("a1a1a1a1a1a1a1a1", "b2b2b2b2b2b2b2b2")


def say(*words):
    print(*words, flush=True)


def uint(value):
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def encode(kind, code, mid, token, options=(), payload=b""):
    out = bytearray([0x40 | kind << 4 | len(token), code]) + mid.to_bytes(2, "big") + token
    last = 0
    for number, value in options:
        delta, head, extra = number - last, [], b""
        for n in (delta, len(value)):
            if n < 13:
                head.append(n)
            else:
                head.append(13)
                extra += bytes([n - 13])
        out += bytes([head[0] << 4 | head[1]]) + extra + value
        last = number
    return bytes(out + (b"\xff" + payload if payload else b""))


def decode(raw, bare):
    """The message at the beginning of `raw` and its length, or None when it is not whole. Some
    clients write byte by byte, some cut long messages; but every answer tells its own end: by the
    block, by the JSON, or by having no payload, as one with a token in `bare`."""
    if len(raw) < 4 or len(raw) < 4 + (raw[0] & 15):
        return None
    at, number, options = 4 + (raw[0] & 15), 0, {}
    head = raw[0] >> 4 & 3, raw[1], raw[2] << 8 | raw[3], bytes(raw[4:at])
    if head[1] == 0 or (head[1] >> 5 == 2 and head[3] in bare):
        return head + ({}, b""), at
    try:
        while raw[at] != 0xFF:
            nibbles, at = [raw[at] >> 4, raw[at] & 15], at + 1
            for i, n in enumerate(nibbles):
                if n == 13:
                    nibbles[i], at = raw[at] + 13, at + 1
                elif n == 14:
                    nibbles[i], at = (raw[at] << 8 | raw[at + 1]) + 269, at + 2
            number += nibbles[0]
            options[number] = bytes(raw[at : at + nibbles[1]])
            at += nibbles[1]
    except IndexError:
        return None
    payload, block = raw[at + 1 :], options.get(BLOCK2)
    if block is not None:
        value, whole = int.from_bytes(block, "big"), int.from_bytes(options[SIZE2], "big")
        size = 16 << (value & 7)
        size = size if value & 8 else whole - (value >> 4) * size
    elif head[1] >> 5 == 2:
        size = payload.find(b"}") + 1 or len(payload) + 1
    else:
        size = len(payload)
    if len(payload) < size:
        return None
    return head + (options, bytes(payload[:size])), at + 1 + size


class Pipe:
    """COMMAND and the socket that is its standard input and output."""

    def __init__(self, args):
        self.args = args
        self.child = None
        self.sessions = 0
        self.start()

    def start(self):
        self.stop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.child = subprocess.Popen(
            self.args.command, stdin=theirs, stdout=theirs, stderr=self.args.log, start_new_session=True
        )
        theirs.close()
        self.socket = ours
        self.sessions += 1

    def stop(self):
        if self.child:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(10)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
            self.socket.close()
            self.child = None

    def send(self, raw):
        try:
            self.socket.send(raw)
        except OSError:
            pass

    def receive(self, until):
        """Bytes, or None when it is `until` or COMMAND has ended."""
        left = until - time.monotonic()
        if left <= 0 or not select.select([self.socket], [], [], left)[0]:
            return None
        try:
            raw = self.socket.recv(65536)
        except OSError:
            raw = b""
        if raw == b"":
            time.sleep(min(1, max(0, until - time.monotonic())))
            return None
        return raw


class Device:
    def __init__(self, args):
        self.args = args
        self.pipe = Pipe(args)
        self.mid = 0x2101
        self.token = 0x2121
        self.rings = []
        self.bare = set()
        self.got = bytearray()

    def start(self):
        self.pipe.start()
        self.got.clear()

    def receive(self, until):
        """A message, or None."""
        while True:
            found = decode(self.got, self.bare) if self.got else None
            if found:
                del self.got[: found[1]]
                return found[0]
            raw = self.pipe.receive(until)
            if not raw:
                return None
            self.got += raw

    def next(self, number):
        """No zero byte and no line feed: some clients take text."""
        number += 1
        while number & 0xFF in (0, 10) or number >> 8 in (0, 10):
            number += 1
        return number

    def ring(self, message):
        """A notification, or a repeated answer: acknowledged, whatever it is."""
        kind, _, mid, _, options, payload = message
        if kind == CON and not self.args.text:
            self.pipe.send(encode(ACK, 0, mid, b""))
        if OBSERVE in options:
            self.rings.append(payload)

    def ask(self, method, path, body=None, options=()):
        payload = json.dumps(body).encode() + b"\n" if body else b"\n" if self.args.text else b""
        every = [(URI_PATH, p.encode()) for p in path.split("/")] + list(options)
        if body:
            every += [(CONTENT_FORMAT, uint(JSON)), (ACCEPT, uint(JSON))]
        every.sort(key=lambda o: o[0])
        for _ in range(8):
            self.mid, self.token = self.next(self.mid), self.next(self.token)
            token = self.token.to_bytes(2, "big")
            if path == "status":
                self.bare.add(token)
            answer = self.exchange(encode(CON, method, self.mid, token, every, payload), token)
            if answer:
                return answer
            say("# again", path)
            self.start()
        sys.exit(f"failed: no answer to {path}")

    def exchange(self, raw, token):
        wait = self.args.first
        for _ in range(5):
            self.pipe.send(raw)
            until = time.monotonic() + wait
            while True:
                message = self.receive(until)
                if not message:
                    break
                kind, code, mid, got_token = message[:4]
                if got_token == token and code:
                    if kind == CON:
                        self.pipe.send(encode(ACK, 0, mid, b""))
                    return message
                if code:
                    self.ring(message)
                elif kind == ACK:
                    until = time.monotonic() + 30  # a separate response comes
            if self.pipe.child.poll() is not None:
                return None
            wait *= 2
        return None

    def report(self, boot, version):
        body = {"0": boot, "2": version, "12": "argon", "17": 7}
        _, code, _, _, _, payload = self.ask(POST, "report", body)
        assert code == 0x44, f"report: {code:#x} {payload}"
        return json.loads(payload)

    def status(self, attempt, state, seq):
        body = {"0": attempt, "1": state, "7": BOOTS[0], "8": seq}
        _, code, _, _, _, payload = self.ask(POST, "status", body)
        assert code == 0x44, f"status: {code:#x} {payload}"

    def download(self, path):
        image, num, szx, etag = b"", 0, self.args.szx, None
        while True:
            options = [(BLOCK2, uint(num << 4 | szx)), (SIZE2, b"")]
            _, code, _, _, values, payload = self.ask(GET, path.lstrip("/"), options=options)
            assert code == 0x45, f"block {num}: {code:#x} {payload}"
            block = int.from_bytes(values[BLOCK2], "big")
            assert etag in (None, values[ETAG]), "another image"
            etag = values[ETAG]
            assert block >> 4 << (block & 7) == num << szx, "another block"
            num, szx = block >> 4, block & 7
            image += payload
            if not block & 8:
                return image
            assert len(payload) == 16 << szx, "a short block"
            num += 1

    def life(self):
        offer = self.report(BOOTS[0], "1.0.0")
        assert offer["0"] == 2, f"no update is offered: {offer}"
        say("offered")
        with open(self.args.image, "wb") as f:
            f.write(self.download(offer["5"]))
        say("downloaded")
        self.status(offer["1"], 2, 1)
        self.status(offer["1"], 3, 2)
        say("applying")
        self.report(BOOTS[1], "1.1.0")
        say("attempt", offer["1"])

    def doorbell(self):
        """Asks anew when it heard nothing for some time, as a device does after Max-Age."""
        observe = [(OBSERVE, b""), (ACCEPT, uint(JSON))]
        first, end = None, time.monotonic() + self.args.patience
        while time.monotonic() < end:
            _, code, _, _, options, payload = self.ask(GET, "desired", options=observe)
            assert code == 0x45, f"desired: {code:#x} {payload}"
            assert OBSERVE in options, "not observed"
            if first is None:
                first = payload
                say("observing")
            elif payload != first:
                return say("rung")
            until = time.monotonic() + self.args.again
            while time.monotonic() < until:
                if any(payload != first for payload in self.rings):
                    return say("rung")
                message = self.receive(until)
                if message and message[1]:
                    self.ring(message)
        sys.exit("failed: the bell did not ring")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--szx", type=int, default=6, help="of the blocks asked for")
    p.add_argument("--text", action="store_true", help="COMMAND takes lines of text only")
    p.add_argument("--first", type=float, default=2, help="seconds until a request is repeated")
    p.add_argument("--again", type=float, default=60, help="seconds of silence until it asks anew")
    p.add_argument("--patience", type=float, default=150, help="seconds for the bell to ring")
    p.add_argument("--log", type=argparse.FileType("ab"), default=subprocess.DEVNULL)
    p.add_argument("image")
    p.add_argument("command", nargs="+")
    device = Device(p.parse_args())
    try:
        device.life()
        device.doorbell()
        say("sessions", device.pipe.sessions)
    finally:
        device.pipe.stop()


if __name__ == "__main__":
    main()
