# SPDX-License-Identifier: Apache-2.0
"""A device's way to the server: CoAP requests over DTLS, or over plain UDP."""

import asyncio
import itertools
import socket

import dtls
import wire
from server import Lost

ANSWER_S = 30


class Link:
    """One session. A request is repeated until it is answered, or Lost is raised."""

    def __init__(self, server, device, key, cipher):
        self.server, self.device, self.key, self.cipher = server, device, key, cipher
        self.loop = asyncio.get_running_loop()
        self.waiting = {}
        self.mids = itertools.count(1)
        self.closed = None
        self.dtls = None
        self.opened = None
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.connect(("127.0.0.1", server.secure if key else server.plain))
        self.loop.add_reader(self.socket, self._readable)
        server.links.add(self)

    async def open(self):
        if self.key is None:
            return self
        self.dtls = dtls.Dtls(self.device, self.key, self.cipher, self._send)
        self.opened = self.loop.create_future()
        self.dtls.handshake()
        for _ in range(ANSWER_S * 2):
            try:
                await asyncio.wait_for(asyncio.shield(self.opened), 0.5)
                return self
            except asyncio.TimeoutError:
                if self.closed:     # in the same turn of the loop
                    raise Lost(self.closed) from None
                self.dtls.tick()
        self.lost("no handshake")
        raise Lost("no handshake")

    def _send(self, data):
        try:
            self.socket.send(data)
        except OSError:
            pass            # a full buffer or a server that is away: like a lost datagram

    def _readable(self):
        try:
            data = self.socket.recv(65536)
        except OSError:
            return
        if self.dtls is None:
            self._message(data)
            return
        for payload in self.dtls.fed(data):
            self._message(payload)
        if self.dtls.up and not self.opened.done():
            self.opened.set_result(True)
        if self.dtls.failed:
            self.lost(self.dtls.failed)

    def _message(self, data):
        answer = wire.Message.decode(data)
        if answer.kind == wire.CON:
            self._out(wire.Message(wire.ACK, 0, answer.mid))
        if answer.code == 0 and answer.kind == wire.ACK:
            return          # the answer comes apart
        future = self.waiting.pop(answer.token, None)
        if future and not future.done():
            future.set_result(answer)

    def _out(self, message):
        if self.dtls:
            self.dtls.send(message.encode())
        else:
            self._send(message.encode())

    def lost(self, why):
        """Ends the link; whoever waits is told."""
        if self.closed:
            return
        self.closed = why
        self.server.links.discard(self)
        self.loop.remove_reader(self.socket)
        for future in [*self.waiting.values(), *([self.opened] if self.opened else [])]:
            if not future.done():
                future.set_exception(Lost(why))
                future.exception()
        self.waiting = {}
        if self.dtls:
            self.dtls.close(politely=False)
        self.socket.close()

    def close(self):
        if not self.closed:
            if self.dtls:
                self.dtls.close()
            self.lost("closed")

    async def request(self, code, path, payload=b"", options=()):
        if self.closed:
            raise Lost(self.closed)
        token = next(self.mids).to_bytes(3, "big")
        options = [(wire.URI_PATH, part.encode()) for part in path.split("/")] + list(options)
        if payload:
            options.append((wire.CONTENT_FORMAT, b"\x3c"))
        if self.key is None:
            options.append((wire.URI_QUERY, b"ep=" + self.device.encode()))
        message = wire.Message(wire.CON, code, int.from_bytes(token[1:], "big"), token, options,
                               payload)
        future = self.waiting[token] = self.loop.create_future()
        for _ in range(ANSWER_S // 2):
            if self.closed:
                raise Lost(self.closed)
            self._out(message)
            try:
                return await asyncio.wait_for(asyncio.shield(future), 2)
            except asyncio.TimeoutError:
                continue
        self.waiting.pop(token, None)
        raise Lost("no answer")
