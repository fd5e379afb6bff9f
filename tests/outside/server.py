# SPDX-License-Identifier: Apache-2.0
"""The server under test: its process, its operators' API, and its event stream."""

import asyncio
import json
import os
import signal
import sys
import tempfile
import time

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from free_port import free_port  # noqa: E402


class Lost(Exception):
    """No answer came: what was asked for has happened or not."""


class Http:
    """HTTP/1.1 on the UNIX socket, a few connections kept open."""

    def __init__(self, path):
        self.path = path
        self.idle = []
        self.limit = asyncio.Semaphore(16)

    def forget(self):
        for _, writer in self.idle:
            writer.close()
        self.idle = []

    async def _read(self, reader):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        status = int(head[0].split()[1])
        fields = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = b""
        if fields.get("transfer-encoding") == "chunked":
            while True:
                size = int(await reader.readline(), 16)
                body += (await reader.readexactly(size + 2))[:-2]
                if size == 0:
                    break
        elif "content-length" in fields:
            body = await reader.readexactly(int(fields["content-length"]))
        return status, body, fields.get("connection") == "close"

    async def call(self, method, path, body=None, binary=None):
        payload = binary if binary is not None else b"" if body is None else json.dumps(body).encode()
        kind = "application/octet-stream" if binary is not None else "application/json"
        head = "%s /v1/%s HTTP/1.1\r\nHost: localhost\r\n" % (method, path)
        if body is not None or binary is not None:
            head += "Content-Type: %s\r\n" % kind
        if method != "GET":
            head += "Content-Length: %d\r\n" % len(payload)
        async with self.limit:
            try:
                if self.idle:
                    reader, writer = self.idle.pop()
                else:
                    reader, writer = await asyncio.open_unix_connection(self.path, limit=1 << 24)
                writer.write(head.encode() + b"\r\n" + payload)
                status, answer, close = await asyncio.wait_for(self._read(reader), 60)
            except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError) as e:
                raise Lost("%s %s: %s" % (method, path, e)) from e
            if close:
                writer.close()
            else:
                self.idle.append((reader, writer))
        return status, json.loads(answer) if answer else None


class Server:
    """start() and kill() may follow one another; the port stays the same."""

    def __init__(self, binary):
        self.folder = tempfile.mkdtemp(prefix="postboot-outside.")
        self.binary = binary
        self.http = Http(self.folder + "/admin.sock")
        self.secure, self.plain = free_port(), free_port()
        self.process = None
        self.up = asyncio.Event()
        self.links = set()
        self.outages = []       # (signal, end, ready again, by SIGKILL) of each stop
        self.lines = open(self.folder + "/log", "ab")

    async def start(self):
        with open(self.folder + "/conf", "w") as f:
            f.write("state-dir = %s/state\nadmin-socket = %s/admin.sock\n"
                    "listen = coaps://127.0.0.1:%d\nlisten = coap://127.0.0.1:%d\n"
                    "plain-devices = yes\nlog-level = warn\n"
                    % (self.folder, self.folder, self.secure, self.plain))
        self.process = await asyncio.create_subprocess_exec(
            self.binary, "-c", self.folder + "/conf", stdout=self.lines, stderr=self.lines)
        for _ in range(1200):
            if self.process.returncode is not None:
                break
            try:
                code, status = await self.http.call("GET", "status")
            except Lost:
                code = 0
            if code != 200:
                await asyncio.sleep(0.025)
                continue
            if self.outages and self.outages[-1][2] is None:
                self.outages[-1] = (*self.outages[-1][:2], time.time(), self.outages[-1][3])
            self.up.set()
            return status
        raise RuntimeError("the server does not start:\n" + self.log())

    async def stop(self, how):
        """SIGKILL or SIGTERM, at once, whatever is under way."""
        self.up.clear()
        start = time.time()
        killed = how == signal.SIGKILL
        self.outages.append((start, start, None, killed))
        if self.process.returncode is not None:
            raise RuntimeError("ended by itself with %d:\n%s" % (self.process.returncode,
                                                                self.log()))
        self.process.send_signal(how)
        try:
            code = await asyncio.wait_for(self.process.wait(), 120)
        except asyncio.TimeoutError:
            raise RuntimeError("does not end:\n" + self.log()) from None
        self.outages[-1] = (start, time.time(), None, killed)
        for link in list(self.links):
            link.lost("the server stopped")
        self.http.forget()
        if how == signal.SIGTERM and code != 0:
            raise RuntimeError("ended with %d:\n%s" % (code, self.log()))

    def log(self):
        with open(self.folder + "/log") as f:
            return "".join(f.readlines()[-30:])


class Stream:
    """Follows the event stream over restarts by its cursor, and checks that it has no gap
    and nothing twice (TRUTH section 8)."""

    def __init__(self, server):
        self.server = server
        self.stream = None
        self.seq = 0
        self.wake = asyncio.Event()
        self.by_device = {}
        self.faults = []

    def _take(self, line):
        event = json.loads(line)
        if self.stream not in (None, event["stream"]):
            self.faults.append("another stream: %s" % line)
        self.stream = event["stream"]
        if event["seq"] != self.seq + 1:
            self.faults.append("event %d follows event %d" % (event["seq"], self.seq))
        self.seq = event["seq"]
        self.by_device.setdefault(event["device"], []).append(event)

    async def _once(self):
        reader, writer = await asyncio.open_unix_connection(self.server.http.path, limit=1 << 20)
        try:
            after = "%s:%d" % (self.stream, self.seq) if self.stream else "0"
            writer.write(("GET /v1/events?follow=1&after=%s HTTP/1.1\r\nHost: localhost\r\n\r\n"
                          % after).encode())
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in head.split(b"\r\n")[0]:
                self.faults.append("the stream answers %s" % head.decode())
                return
            rest = b""
            while True:
                size = int(await reader.readline(), 16)
                rest += (await reader.readexactly(size + 2))[:-2]
                *lines, rest = rest.split(b"\n")
                for line in lines:
                    if line.strip():
                        self._take(line)
                self.wake.set()
                if size == 0:
                    return
        finally:
            writer.close()

    async def follow(self):
        while True:
            await self.server.up.wait()
            try:
                await self._once()
            except (OSError, asyncio.IncompleteReadError, ValueError):
                pass
            await asyncio.sleep(0.02)

    async def more(self, seconds):
        """Until something new has come, at most so long."""
        self.wake.clear()
        try:
            await asyncio.wait_for(self.wake.wait(), max(seconds, 0.001))
        except asyncio.TimeoutError:
            pass
