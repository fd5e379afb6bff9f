#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A small LwM2M server without DTLS, for tests of the emulated device alone.

lwm2m_server.py CASE DEVICE-PROGRAM IMAGE FOLDER: starts a device, asks it what the case says,
and exits with 0 if all of it was as it should be.
"""
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time

CON, NON, ACK, RST = 0, 1, 2, 3
GET, POST, PUT, DELETE = 1, 2, 3, 4
OBSERVE, LOCATION, PATH, FORMAT, QUERY, ACCEPT, BLOCK2, BLOCK1, SIZE2, SIZE1 = (
    6, 8, 11, 12, 15, 17, 23, 27, 28, 60)
ETAG = 4
TEXT, LINK, OPAQUE, CBOR, SENML_JSON, SENML_CBOR, TLV = 0, 40, 42, 60, 110, 112, 11542
PATIENCE = 30 if os.environ.get("SANITIZED", "no") == "no" else 90


def number(value):
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def code(text):
    return int(text[0]) << 5 | int(text[2:])


class Message:
    def __init__(self, kind, what, mid, token=b"", options=(), payload=b""):
        self.kind, self.code, self.mid, self.token = kind, what, mid, token
        self.options, self.payload = list(options), payload

    def encode(self):
        out = bytes([0x40 | self.kind << 4 | len(self.token), self.code])
        out += struct.pack(">H", self.mid) + self.token
        last = 0
        for name, value in sorted(self.options, key=lambda o: o[0]):
            out += self._head(name - last, len(value)) + value
            last = name
        return out + (b"\xff" + self.payload if self.payload else b"")

    @staticmethod
    def _head(delta, length):
        def nibble(n):
            return (n, b"") if n < 13 else (13, bytes([n - 13])) if n < 269 else (
                14, struct.pack(">H", n - 269))
        (a, x), (b, y) = nibble(delta), nibble(length)
        return bytes([a << 4 | b]) + x + y

    @staticmethod
    def decode(data):
        assert data[0] >> 6 == 1, "version"
        length = data[0] & 15
        m = Message(data[0] >> 4 & 3, data[1], struct.unpack(">H", data[2:4])[0],
                    data[4:4 + length])
        at, name = 4 + length, 0
        while at < len(data) and data[at] != 0xff:
            delta, size = data[at] >> 4, data[at] & 15
            at += 1
            parts = []
            for n in (delta, size):
                if n == 13:
                    n, at = data[at] + 13, at + 1
                elif n == 14:
                    n, at = struct.unpack(">H", data[at:at + 2])[0] + 269, at + 2
                parts.append(n)
            name += parts[0]
            m.options.append((name, data[at:at + parts[1]]))
            at += parts[1]
        m.payload = data[at + 1:] if at < len(data) else b""
        return m

    def all(self, name):
        return [v for n, v in self.options if n == name]

    def one(self, name):
        values = self.all(name)
        return int.from_bytes(values[0], "big") if values else None

    def text(self):
        return f"{self.code >> 5}.{self.code & 31:02d}"


class Server:
    """One device at a time: what it sends is answered, what it is asked waits for the answer."""

    def __init__(self, image):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.image = image
        self.mid = 1
        self.peer = None
        self.peers = []        # addresses of registrations
        self.registrations = []
        self.updates = 0
        self.gone = 0
        self.gets = []         # what was asked of the image: (token, block2, size2)
        self.notes = []        # notifications: (token, message)
        self.etag = b"12345678"
        self.etag_at = {}      # offset: another ETag from there on
        self.serve = True      # blocks of the image
        self.largest = 6
        self.answers = {}

    def send(self, message, peer):
        self.sock.sendto(message.encode(), peer)

    def reply(self, request, what, options=(), payload=b""):
        kind = ACK if request.kind == CON else NON
        return Message(kind, code(what), request.mid, request.token, options, payload)

    def block(self, request, peer):
        self.gets.append((request.token, request.one(BLOCK2), request.one(SIZE2)))
        if not self.serve:
            return
        value = request.one(BLOCK2)
        szx = self.largest if value is None else min(value & 7, self.largest)
        at = (0 if value is None else value >> 4) << ((value & 7 if value is not None else szx) + 4)
        part = self.image[at:at + (16 << szx)]
        more = at + len(part) < len(self.image)
        etag = self.etag
        for offset, other in self.etag_at.items():
            etag = other if at >= offset else etag
        self.send(self.reply(request, "2.05", [
            (ETAG, etag), (SIZE2, number(len(self.image))), (FORMAT, number(OPAQUE)),
            (BLOCK2, number((at >> (szx + 4)) << 4 | (8 if more else 0) | szx))], part), peer)

    def asked(self, request, peer):
        path = [p.decode() for p in request.all(PATH)]
        if request.code == POST and path == ["rd"]:
            self.peer = peer
            self.peers.append(peer)
            self.registrations.append(
                ([q.decode() for q in request.all(QUERY)], request.payload.decode(),
                 request.one(FORMAT)))
            self.send(self.reply(request, "2.01", [
                (LOCATION, b"rd"), (LOCATION, str(len(self.peers)).encode())]), peer)
        elif request.code == POST and path[:1] == ["rd"]:
            self.updates += 1
            known = path[1] == str(len(self.peers))
            self.send(self.reply(request, "2.04" if known else "4.04"), peer)
        elif request.code == DELETE:
            self.gone += 1
            self.send(self.reply(request, "2.02"), peer)
        elif request.code == GET and path[:1] == ["fw"]:
            self.block(request, peer)
        else:
            self.send(self.reply(request, "4.04"), peer)

    def turn(self, wait=0.2):
        """Takes what is there."""
        if not select.select([self.sock], [], [], wait)[0]:
            return
        data, peer = self.sock.recvfrom(2048)
        message = Message.decode(data)
        if 1 <= message.code <= 31:
            self.asked(message, peer)
        elif message.kind in (ACK, RST):
            self.answers[message.mid] = message
        else:
            self.notes.append((message.token, message))
            if message.kind == CON:
                self.send(Message(ACK, 0, message.mid), peer)

    def until(self, what, why):
        end = time.monotonic() + PATIENCE
        while not what():
            assert time.monotonic() < end, f"not in time: {why}"
            self.turn()

    def ask(self, method, path, options=(), payload=b"", query=(), token=None, mid=None):
        self.mid = (self.mid + 1) & 0xffff
        mid = mid or self.mid
        options = [(PATH, p.encode()) for p in path.strip("/").split("/")] + list(options)
        options += [(QUERY, q.encode()) for q in query]
        request = Message(CON, method, mid, token or struct.pack(">H", mid), options, payload)
        end = time.monotonic() + PATIENCE
        self.answers.pop(mid, None)
        while mid not in self.answers:
            assert time.monotonic() < end, f"no answer: {path}"
            self.send(request, self.peer)
            again = time.monotonic() + 2
            while mid not in self.answers and time.monotonic() < again:
                self.turn(0.1)
        return self.answers.pop(mid)

    def read(self, path, accept=None):
        return self.ask(GET, path, [] if accept is None else [(ACCEPT, number(accept))])

    def text_of(self, path):
        answer = self.read(path, TEXT)
        assert answer.text() == "2.05", f"{path}: {answer.text()}"
        return answer.payload.decode()

    def write(self, path, text):
        return self.ask(PUT, path, [(FORMAT, number(TEXT))], text.encode()).text()

    def registered(self, count=1):
        self.until(lambda: len(self.registrations) >= count, f"registration {count}")

    def state(self):
        return int(self.text_of("/5/0/3")), int(self.text_of("/5/0/5"))

    def until_state(self, *states):
        self.until(lambda: self.state() in states, f"State and Result {states}")

    def uri(self, query=""):
        return f"coap://127.0.0.1:{self.port}/fw/0123456789abcdef{query}"


class Lab:
    def __init__(self, program, image, folder):
        self.program, self.folder = program, folder
        with open(image, "rb") as f:
            self.image = f.read()
        self.server = Server(self.image)
        self.device = None

    def start(self, *options, version="1.0.0"):
        self.device = subprocess.Popen([
            self.program, "--protocol", "lwm2m", "--server",
            f"coap://127.0.0.1:{self.server.port}", "--id", "lw-1", "--state",
            os.path.join(self.folder, "lw-1"), "--version", version, "--ack-timeout", "1000",
            "--boot-time", "100", *options], close_fds=True)
        self.server.registered()
        return self.server

    def stop(self):
        if self.device and self.device.poll() is None:
            self.device.kill()
        if self.device:
            self.device.wait()


def same(what, got, wanted):
    assert got == wanted, f"{what}: {got!r}, not {wanted!r}"


def case_register(lab):
    s = lab.start("--lwm2m", "1.1", "--lifetime", "3")
    query, links, form = s.registrations[0]
    same("query", query, ["lwm2m=1.1", "ep=lw-1", "b=U", "lt=3"])
    same("links", links, "</1/0>,</3/0>,</5/0>")
    same("format", form, LINK)
    s.until(lambda: s.updates >= 2, "updates")
    same("lifetime", s.write("/1/0/1", "600"), "2.04")
    same("lifetime", s.text_of("/1/0/1"), "600")
    before = s.updates
    same("trigger", s.ask(POST, "/1/0/8").text(), "2.04")
    s.until(lambda: s.updates > before, "an update on demand")
    lab.device.terminate()
    s.until(lambda: s.gone == 1, "the end of the registration")


def case_formats(lab):
    s = lab.start("--battery", "77", "--hardware", "argon", "--vendor-object", "33000",
                  "--lifetime", "600")
    same("text", s.text_of("/3/0/3"), "1.0.0")
    same("battery", s.text_of("/3/0/9"), "77")
    a = s.read("/3/0/3", TLV)
    same("TLV", (a.one(FORMAT), a.payload), (TLV, b"\xc5\x031.0.0"))
    same("TLV of a number", s.read("/3/0/9", TLV).payload, b"\xc1\x09\x4d")
    same("TLV of instances", s.read("/3/0/11", TLV).payload, b"\x83\x0b\x41\x00\x00")
    same("TLV of object 5's protocols", s.read("/5/0/8", TLV).payload,
         b"\x86\x08\x41\x00\x00\x41\x01\x01")
    whole = s.read("/3/0", TLV).payload
    same("TLV of an instance", whole[:10], b"\xc8\x00\x08Postboo")
    assert s.read("/3", TLV).payload.endswith(whole), "TLV of an object"
    same("SenML-CBOR", s.read("/3/0/3", SENML_CBOR).payload,
         b"\x81\xa2\x21\x66/3/0/3\x03\x651.0.0")
    same("no Accept", s.read("/3/0/9").payload, b"\x81\xa2\x21\x66/3/0/9\x02\x18\x4d")
    same("CBOR", s.read("/3/0/9", CBOR).payload, b"\x18\x4d")
    records = json.loads(s.read("/3/0", SENML_JSON).payload)
    same("SenML-JSON base", records[0]["bn"], "/3/0")
    same("SenML-JSON", [r["vs"] for r in records if r["n"] == "/3"], ["1.0.0"])
    same("opaque", len(s.read("/33000/0/2", OPAQUE).payload) if lab.image else 0, 0)
    same("text of an instance", s.read("/3/0", TEXT).text(), "4.06")
    same("nothing there", s.read("/3/0/99").text(), "4.04")
    same("not readable", s.read("/5/0/2").text(), "4.05")
    same("root", s.ask(GET, "", []).text(), "4.05")
    links = s.read("/5/0", LINK).payload.decode()
    assert links.startswith("</5/0>,</5/0/0>,</5/0/1>"), links
    block = s.ask(GET, "/3/0", [(ACCEPT, number(SENML_CBOR)), (BLOCK2, number(1 << 4 | 1))])
    same("a block of an answer", (len(block.payload), block.one(BLOCK2)), (32, 1 << 4 | 9))


def case_observe(lab):
    s = lab.start("--lifetime", "600")
    for path, token in (("/5/0/3", b"st"), ("/5/0/5", b"re")):
        a = s.ask(GET, path, [(OBSERVE, b""), (ACCEPT, number(TEXT))], token=token)
        same("first", (a.text(), a.one(OBSERVE) is not None), ("2.05", True))
    same("attributes", s.ask(PUT, "/5/0", query=["pmin=0", "pmax=2"]).text(), "2.04")
    assert ";pmin=0;pmax=2" in s.read("/5/0", LINK).payload.decode(), "attributes shown"
    s.until(lambda: {t for t, _ in s.notes} == {b"st", b"re"}, "pmax")
    s.write("/5/0/1", s.uri())
    s.until(lambda: any(t == b"st" and m.payload == b"2" for t, m in s.notes), "State 2")
    assert all(m.kind == NON for _, m in s.notes), "notifications are NON"
    order = [m.one(OBSERVE) for t, m in s.notes if t == b"st"]
    same("order", order, sorted(order))
    s.ask(GET, "/5/0/3", [(OBSERVE, number(1))], token=b"st")
    s.ask(GET, "/5/0/5", [(OBSERVE, number(1))], token=b"re")
    s.turn(0)
    before = len(s.notes)
    time.sleep(3)
    s.turn(0)
    same("cancelled", len(s.notes), before)


def update(lab, s, begin):
    begin()
    s.until_state((2, 0))
    same("not yet", s.text_of("/3/0/3"), "1.0.0")
    same("package", s.text_of("/5/0/7"), "1.1.0")
    same("execute", s.ask(POST, "/5/0/2").text(), "2.04")
    s.registered(2)
    assert s.peers[0] != s.peers[1], "a new port after the reset"


def case_pull(lab):
    s = lab.start("--lifetime", "600")
    update(lab, s, lambda: same("URI", s.write("/5/0/1", s.uri("?x=1")), "2.04"))
    same("after", (s.text_of("/3/0/3"), s.state()), ("1.1.0", (0, 1)))
    same("blocks", len(s.gets), (len(lab.image) + 1023) // 1024)
    same("first block without an option", s.gets[0][1], None)
    assert len({t for t, _, _ in s.gets}) > 1, "a token for each block"


def push(s, image, szx=6, end=None):
    at, number_ = 0, 0
    while at < len(image):
        part = image[at:at + (16 << szx)]
        more = at + len(part) < len(image)
        options = [(FORMAT, number(OPAQUE)), (BLOCK1, number(number_ << 4 | (8 if more else 0) | szx))]
        a = s.ask(PUT, "/5/0/0", options, part)
        if a.text() not in ("2.31", "2.04") or (end and at >= end):
            return a
        again = s.ask(PUT, "/5/0/0", options, part, mid=a.mid)
        same("said twice", again.text(), a.text())
        at += len(part)
        taken = a.one(BLOCK1) & 7
        number_ = at >> (taken + 4)
        szx = min(szx, taken)
    return a


def case_push(lab):
    s = lab.start("--lifetime", "600", "--delivery", "push", "--block", "512")
    same("delivery", s.text_of("/5/0/9"), "1")
    same("no URI", s.write("/5/0/1", s.uri()), "4.04")
    same("a hole", s.ask(PUT, "/5/0/0", [(FORMAT, number(OPAQUE)), (BLOCK1, number(9 << 4 | 8 | 6))],
                         b"x" * 1024).text(), "4.08")
    same("other format", s.ask(PUT, "/5/0/0", [(FORMAT, number(TLV))], b"x").text(), "4.15")
    update(lab, s, lambda: same("push", push(s, lab.image).text(), "2.04"))
    same("after", (s.text_of("/3/0/3"), s.state()), ("1.1.0", (0, 1)))


def case_cancel(lab):
    s = lab.start("--lifetime", "600")
    same("execute in State 0", s.ask(POST, "/5/0/2").text(), "4.05")
    s.serve = False
    s.write("/5/0/1", s.uri())
    s.until(lambda: s.gets, "the first block")
    same("busy", (s.state(), s.write("/5/0/1", s.uri())), ((1, 0), "4.05"))
    same("cancel", (s.write("/5/0/1", ""), s.state()), ("2.04", (0, 0)))
    s.serve = True
    s.write("/5/0/1", "http://127.0.0.1/x")
    s.until_state((0, 9))
    s.write("/5/0/1", "nonsense")
    s.until_state((0, 7))
    s.write("/5/0/1", s.uri())
    s.until_state((2, 0))
    same("cancel", (s.write("/5/0/1", ""), s.state()), ("2.04", (0, 0)))


def case_resume(lab):
    s = lab.start("--lifetime", "600", "--fault", "power-cut:100000", "--style", "anjay")
    s.write("/5/0/1", s.uri())
    s.registered(2)
    s.until_state((2, 0))
    # Where it was at its last record, and from a session of its own.
    asked = [b >> 4 for _, b, _ in s.gets if b is not None]
    assert asked.index(96) < len(asked), "goes on at a record"
    same("once from the beginning", [b for _, b, _ in s.gets].count(None), 1)


def case_etag(lab):
    s = lab.start("--lifetime", "600")
    s.etag_at = {100 * 1024: b"another!"}
    s.write("/5/0/1", s.uri())
    s.until(lambda: len(s.gets) > 105, "it begins anew")
    s.etag_at = {0: b"another!"}
    s.until_state((2, 0))


def case_space(lab):
    s = lab.start("--lifetime", "600", "--slot-size", "100000")
    s.write("/5/0/1", s.uri())
    s.until_state((0, 2))
    same("told by Size2", len(s.gets), 1)
    a = push(s, lab.image)
    same("push", (a.text(), s.state()), ("4.13", (0, 2)))


def case_smaller(lab):
    s = lab.start("--lifetime", "600")
    s.largest = 4
    s.write("/5/0/1", s.uri())
    s.until_state((2, 0))
    same("follows a smaller block", len(s.gets), (len(lab.image) + 255) // 256)


def case_anjay(lab):
    s = lab.start("--style", "anjay", "--queue")
    same("query", s.registrations[0][0], ["lwm2m=1.2", "ep=lw-1", "lt=60", "Q"])
    assert "</5>;ver=1.0,</5/0>" in s.registrations[0][1], s.registrations[0][1]
    same("its favourite", s.read("/3/0/3").one(FORMAT), SENML_CBOR)


def case_wakaama(lab):
    s = lab.start("--style", "wakaama")
    same("query", s.registrations[0][0], ["lwm2m=1.1", "ep=lw-1", "b=U", "lt=300"])
    assert s.registrations[0][1].startswith('</>;rt="oma.lwm2m";ct=110,</1>;ver=1.1,</1/0>')
    same("its favourite", s.read("/3/0/3").one(FORMAT), TLV)
    same("Discover", s.read("/5", LINK).text(), "5.01")
    same("State at boot", s.state(), (1, 0))
    same("push", push(s, lab.image).text(), "2.04")
    s.ask(POST, "/5/0/2")
    s.registered(2)
    same("after", (s.text_of("/3/0/3"), s.state()), ("1.1.0", (1, 0)))


def case_zephyr(lab):
    s = lab.start("--style", "zephyr", "--lwm2m", "1.0", "--queue")
    same("query", s.registrations[0][0], ["lwm2m=1.0", "ep=lw-1", "b=UQ", "lt=30"])
    same("its favourite", s.read("/3/0/3").one(FORMAT), TLV)
    s.ask(GET, "/5/0/3", [(OBSERVE, b"")], token=b"st")
    s.write("/5/0/1", s.uri("?x=1"))
    s.until_state((2, 0))
    same("first block", s.gets[0][1:], (4, 0))
    same("one token", len({t for t, _, _ in s.gets}), 1)
    same("blocks", len(s.gets), (len(lab.image) + 255) // 256)
    assert s.notes and all(m.kind == CON for _, m in s.notes), "notifications are CON"
    s.ask(POST, "/5/0/2")
    s.registered(2)
    same("after", (s.text_of("/3/0/3"), s.state()), ("1.1.0", (0, 0)))


def case_queue(lab):
    s = lab.start("--queue", "--awake", "2", "--lifetime", "16")
    assert "Q" in s.registrations[0][0], s.registrations[0][0]
    same("awake", s.text_of("/3/0/3"), "1.0.0")
    time.sleep(4)
    s.send(Message(CON, GET, 7, b"d", [(PATH, b"3"), (PATH, b"0"), (PATH, b"3")]), s.peer)
    s.turn(1)
    assert 7 not in s.answers, "it hears although it sleeps"
    before = s.updates
    s.until(lambda: s.updates > before, "it wakes")
    same("awake again", s.text_of("/3/0/3"), "1.0.0")


def executed(lab, s, count=2):
    s.write("/5/0/1", s.uri())
    s.until_state((2, 0))
    same("execute", s.ask(POST, "/5/0/2").text(), "2.04")
    s.registered(count)
    return s.text_of("/3/0/3"), s.state()


def fault(wanted, *options):
    def case(lab):
        s = lab.start("--lifetime", "600", *options)
        same("after", executed(lab, s), wanted)
    return case


def case_fault_early_result(lab):
    s = lab.start("--lifetime", "600", "--fault", "early-result")
    same("after", executed(lab, s, 1), ("1.0.0", (0, 1)))


def case_fault_liar_no_reboot(lab):
    s = lab.start("--lifetime", "600", "--fault", "liar:no-reboot", "--vendor-object", "33000")
    same("after", executed(lab, s), ("1.1.0", (0, 1)))
    same("boots", s.text_of("/33000/0/0"), "1")


def case_fault_stuck_1(lab):
    s = lab.start("--lifetime", "600", "--fault", "stuck-state:1")
    s.write("/5/0/1", s.uri())
    s.until(lambda: len(s.gets) >= len(lab.image) // 1024, "blocks")
    time.sleep(1)
    s.turn(0)
    same("stuck", s.state(), (1, 0))


def case_fault_stuck_3(lab):
    s = lab.start("--lifetime", "600", "--fault", "stuck-state:3")
    same("stuck", executed(lab, s, 1), ("1.0.0", (3, 0)))


def case_fault_boot_state(lab):
    s = lab.start("--lifetime", "600", "--fault", "boot-state:1")
    same("boot", s.state(), (1, 0))
    same("busy", s.write("/5/0/1", s.uri()), "4.05")


def case_fault_no_fetch(lab):
    s = lab.start("--lifetime", "600", "--fault", "no-fetch")
    same("after", executed(lab, s), ("1.0.0", (0, 8)))
    same("fetched", s.gets, [])


def failing(wanted, *options):
    def case(lab):
        s = lab.start("--lifetime", "600", *options)
        s.write("/5/0/1", s.uri())
        s.until_state(wanted)
    return case


def case_fault_no_notify(lab):
    s = lab.start("--lifetime", "600", "--fault", "no-notify")
    s.ask(GET, "/5/0/3", [(OBSERVE, b"")], token=b"st")
    s.write("/5/0/1", s.uri())
    s.until_state((2, 0))
    same("notifications", s.notes, [])


def case_fault_registers(lab):
    s = lab.start("--lifetime", "600", "--fault", "double-register", "--fault", "re-register:2",
                  "--vendor-object", "33000")
    s.registered(3)
    same("the same port", s.peers[0], s.peers[1])
    assert s.peers[2] != s.peers[1], "another session"
    same("boots", s.text_of("/33000/0/0"), "1")


CASES = {
    "fault-old-image": fault(("1.0.0", (0, 1)), "--fault", "liar:old-image"),
    "fault-wrong-result": fault(("1.1.0", (0, 8)), "--fault", "wrong-result:8"),
    "fault-record-lost": fault(("1.0.0", (0, 8)), "--fault", "fs-full:1"),
    "fault-record-lost-anjay": fault(("1.0.0", (0, 1)), "--fault", "fs-full:1", "--style", "anjay"),
    "fault-rejected": fault(("1.0.0", (0, 8)), "--fault", "bootloader-reject", "--style", "anjay"),
    "fault-wrong-label": fault(("other", (0, 1)), "--fault", "wrong-label:other"),
    "fault-digest": failing((0, 5), "--fault", "bad-flash:70000"),
    "fault-protocol": failing((0, 9), "--fault", "fail-download:9"),
}
CASES.update({name[5:].replace("_", "-"): value for name, value in globals().items()
              if name.startswith("case_")})


def main():
    if len(sys.argv) != 5 or sys.argv[1] not in CASES:
        print("usage: lwm2m_server.py CASE PROGRAM IMAGE FOLDER, CASE one of:",
              " ".join(sorted(CASES)), file=sys.stderr)
        return 2
    lab = Lab(*sys.argv[2:])
    try:
        CASES[sys.argv[1]](lab)
    finally:
        lab.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
