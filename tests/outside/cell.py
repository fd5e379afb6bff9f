# SPDX-License-Identifier: Apache-2.0
"""One product and its device, driven at random; after each act the server's answer and events are
held against the worlds that the model thinks possible."""

import asyncio
import time

import wire
from acts import Acts
from link import Link
from server import Lost
from world import Mismatch, explore

LATE_S = 1.5            # how late the server may notice a deadline
EDGE_S = 0.25           # no act so shortly before a deadline
WIDE_S = 30             # a deadline that is known less well is not waited for
HEARTBEAT_S = 15        # how coarsely a server that was killed knows when it last lived


class Disagreement(Exception):
    """Model and server; the text tells the whole story."""


class Cell:
    def __init__(self, rig, number, rng):
        self.rig, self.server, self.stream = rig, rig.server, rig.stream
        self.http = rig.server.http
        self.rng = rng
        self.name = "c%d" % number
        self.script = []
        self.worlds = []
        self.outages = len(self.server.outages)
        self.place = 0                  # events of this device that were taken
        self.acts = 0

    # -- the story

    def note(self, text):
        self.script.append("%12.3f  %s" % (time.time() % 100000, text))

    def disagree(self, what, reasons):
        lines = ["device %s: %s" % (self.name, what)]
        lines += ["    " + r for r in list(dict.fromkeys(reasons))[:12]]
        lines += ["  product: %s" % self.rig.describe(self.product), "  script:"]
        lines += ["    " + line for line in self.script]
        raise Disagreement("\n".join(lines))

    async def aftermath(self):
        """What the server says of the device, for whoever has to decide who is right."""
        out = ["  afterwards:"]
        for event in self.stream.by_device.get(self.name, [])[self.place:]:
            out.append("    event %s" % event)
        try:
            out.append("    %s" % (await self.http.call("GET", "devices/" + self.name))[1])
        except Lost:
            pass
        return "\n".join(out)

    # -- worlds

    async def act(self, text, do, call, judge=None):
        """call: coroutine function that asks the server; do(world, answer): what the model makes
        of it, with an answer of None when none came."""
        await self.catch_up()
        await self.keep_off_deadlines()
        start = time.time()
        try:
            answer = await call()
            lost = False
        except Lost as e:
            answer, lost = None, str(e)
        span = (start, time.time())
        self.acts += 1
        self.note("%s -> %s" % (text, "no answer: " + lost if lost else judge(answer) if judge
                                else answer))

        def step(world):
            world.now = span
            world.pass_time(LATE_S)
            if lost:
                world.lost = True
            do(world, answer)

        worlds, reasons = explore(self.worlds, step)
        if lost:
            worlds += self.worlds
        if not worlds:
            self.disagree("the answer is not what the text asks for", reasons)
        self.worlds = worlds
        self.absorb()
        if len(self.worlds) > 1:
            await self.sync()
        return None if lost else answer

    def tick(self, now):
        def step(world):
            world.now = now
            world.pass_time(LATE_S)
        self.worlds = explore(self.worlds, step)[0]

    def absorb(self):
        """Takes the events that have come."""
        events = self.stream.by_device.get(self.name, [])
        while self.place < len(events):
            event = events[self.place]
            if event["topic"] == "device/offline" and not self.worlds:
                return
            kept, reasons = self._take(event)
            self.note("    event %d %s %s %s" % (event["seq"], event["topic"], event["data"],
                                                 {k: v for k, v in event.items() if k in (
                                                     "attempt", "verdict", "charged", "via",
                                                     "grade", "evidence", "reason", "boot_seq",
                                                     "running", "version", "from", "fresh")}))
            if not kept:
                self.disagree("an event is not what the text asks for", reasons)
            self.worlds = kept
            self.place += 1

    def _take(self, event):
        """The worlds that can have told it: for what was asked of them, or by a deadline."""
        def step(world):
            if world.choose("told-by-itself"):
                world.now = (time.time(), time.time())
                before = len(world.batches)
                world.pass_time(LATE_S)
                if len(world.batches) == before:
                    raise Mismatch("and nothing happens by itself")
            else:
                world.batches.pop()
            world.saw(event)

        worlds, reasons = explore(self.worlds, step)
        return worlds, reasons

    async def sync(self):
        """Everything that was committed has been taken; worlds that expect more are none."""
        while True:
            try:
                code, status = await self.http.call("GET", "status")
                if code == 200:
                    break
            except Lost:
                pass
            await self.server.up.wait()     # it is stopping, or has stopped
            await asyncio.sleep(0.05)
        await self.catch_up()
        limit = time.time() + 30
        while self.stream.seq < status["head"] and time.time() < limit:
            await self.stream.more(1)
        self.absorb()
        kept = [w for w in self.worlds if not w.owed(late=False)]
        if not kept:
            self.disagree("events are missing", [
                "expected %s %s %s (%s)" % (e["topic"], e["data"], e["fields"], e["cite"])
                for w in self.worlds for e in w.owed()])
        self.worlds = kept

    async def catch_up(self):
        """A stop of the server is an act like others, of nobody's."""
        await self.server.up.wait()
        while self.outages < len(self.server.outages):
            if self.server.outages[self.outages][2] is None:
                await asyncio.sleep(0.02)
                continue
            gone, dead, back, killed = self.server.outages[self.outages]
            self.outages += 1
            self.note("the server %s, and was back %.3f s later" % (
                "was killed" if killed else "stopped", back - gone))

            def step(world, gone=gone, dead=dead, back=back, killed=killed):
                world.now = (gone, dead)
                world.pass_time(LATE_S)
                world.restarted((0, back - gone + HEARTBEAT_S), back, killed)
            self.worlds = explore(self.worlds, step)[0]
        self.absorb()

    def deadlines(self):
        """Those that can be waited for."""
        due = [w.deadline() for w in self.worlds if w.attempt]
        return [d for d in due if d[1] - d[0] < WIDE_S]

    async def keep_off_deadlines(self):
        while True:
            due = self.deadlines()
            now = time.time()
            if not due or min(d[0] for d in due) > now + EDGE_S:
                return
            if now > max(d[1] for d in due) + LATE_S:
                self.tick((now, now))
                await self.sync()
                continue
            await self.stream.more(0.1)
            await self.catch_up()

    # -- calls

    def session(self):
        return self.link

    async def connect(self):
        """A new session; its opening is a fact of its own."""
        start = time.time()
        for _ in range(50):
            await self.server.up.wait()
            link = Link(self.server, self.name, self.key, self.cipher())
            try:
                await link.open()
                break
            except Lost:
                await asyncio.sleep(0.05)
        else:
            self.disagree("no session in 50 tries", [])
        link.opened_at = (start, time.time())
        return link

    async def send(self, link, code, path, payload=b"", options=()):
        if link.closed:
            raise Lost(link.closed)
        answer = await link.request(code, path, payload, options)
        if wire.code_text(answer.code) in ("5.03", "4.29"):
            raise Lost(wire.code_text(answer.code))
        return answer

    async def report(self, link, r, what):
        async def call():
            answer = await self.send(link, wire.POST, "report", wire.cbor(r))
            code = wire.code_text(answer.code)
            return code, wire.uncbor(answer.payload) if code == "2.04" else answer.payload

        answer = await self.act(
            "%s: report %s" % (what, self.show(r)),
            lambda w, a: w.report(r, link.opened_at, a or (None, None)), call,
            lambda a: "%s %s" % (a[0], self.show(a[1])))
        return answer[1] if answer and answer[0] == "2.04" else None

    async def status(self, link, s, what):
        async def call():
            return wire.code_text((await self.send(link, wire.POST, "status", wire.cbor(s))).code)

        return await self.act("%s: status %s" % (what, self.show(s)),
                              lambda w, a: w.status(s, link.opened_at, a), call)

    async def get(self, link, release, offset, what):
        sha16 = release.sha.hex()[:16]
        length = min(1024, release.size - offset)

        async def call():
            answer = await self.send(link, wire.GET, "fw/" + sha16,
                                     options=[(wire.BLOCK2, wire.block(offset // 1024, 6))])
            code = wire.code_text(answer.code)
            right = code != "2.05" or (
                answer.payload == release.image[offset:offset + 1024] and
                answer.option(4) == release.sha[:8])
            return code, right

        return await self.act("%s: block at %d of %s" % (what, offset, release.version),
                              lambda w, a: w.get(sha16, offset, length, a or (None, True)), call)

    async def operate(self, text, method, path, body, do, expect=(200, 201, 204)):
        async def call():
            status, answer = await self.http.call(method, path, body)
            if status == 503:
                raise Lost("503")
            return status, answer

        def check(world, answer):
            if answer is not None and expect and answer[0] not in expect:
                raise Mismatch("the operator is answered %s" % (answer,))
            do(world, answer)

        return await self.act("operator: " + text, check, call, lambda a: a[0])

    @staticmethod
    def show(fields):
        if not isinstance(fields, dict):
            return fields
        return "{%s}" % ", ".join("%s:%s" % (k, v.hex()[:12] if isinstance(v, bytes) else
                                             "[%s]" % ",".join(x.hex()[:8] if isinstance(x, bytes)
                                                               else str(x) for x in v)
                                             if isinstance(v, (list, tuple)) else v)
                                  for k, v in fields.items())


class Play(Acts):
    """The model, under the name by which worlds are copied."""
