# SPDX-License-Identifier: Apache-2.0
"""Random devices and operators against a running postbootd, judged by a model of TRUTH.md.

usage: outside.py SEED COUNT [ACTS [DEVICE...]]

The output is TAP. SEED and COUNT name a run; with DEVICE (c17) only those scripts are played, and
told whole. While it runs, the server is killed and stopped at random, unless OUTSIDE_CALM is set.
"""

import asyncio
import collections
import hashlib
import os
import random
import re
import shutil
import signal
import sys
import time
import traceback

import wire
from cell import Disagreement
from link import Link
from script import Script
from server import Lost, Server, Stream
from world import Release, TooMany

PARALLEL = 60
BATCH = 50
PULSE_S = 0.3


class Rig:
    """What all cells share."""

    def __init__(self, seed):
        rng = random.Random("%d images" % seed)
        self.server = Server(os.environ["POSTBOOTD"])
        self.stream = Stream(self.server)
        self.images = [rng.randbytes(rng.randrange(1500, 5000)) for _ in range(8)]
        self.rng = random.Random("%d trouble" % seed)

    async def release(self, cell, version, image):
        sha = hashlib.sha256(image).digest()
        running, query = {0: sha}, ""
        if cell.rng.random() < 0.7:
            running[1] = hashlib.sha256(b"mcuboot" + image).digest()
            query += "&running=mcuboot:" + running[1].hex()
        reports = [w for w in ("no-digest", "no-confirm") if cell.rng.random() < 0.08]
        if reports:
            query += "&reports=" + ",".join(reports)
        await cell.must("POST", "products/p-%s/releases?version=%s%s" % (cell.name, version, query),
                        binary=image)
        return Release(version, image, sha, running, reports)

    @staticmethod
    def describe(product):
        return "%s hardware=%r %s; %s" % (
            product["name"], product["hardware"], product["policy"],
            ", ".join("%s: %d bytes, kinds %s %s" % (v, r.size, sorted(r.running), r.reports)
                      for v, r in product["releases"].items()))

    async def pulse(self):
        """A device that is never silent: so the fleet is not, however the others wait."""
        await self.server.http.call("POST", "products", {"name": "pulse"})
        await self.server.http.call("POST", "devices", {"id": "pulse", "product": "pulse",
                                                        "plain": True})
        while True:
            await self.server.up.wait()
            link = Link(self.server, "pulse", None, None)
            try:
                while True:
                    await link.request(wire.POST, "report", wire.cbor({1: 1, 2: "1", 15: 60}))
                    await asyncio.sleep(PULSE_S)
            except Lost:
                link.close()

    async def trouble(self):
        """kill -9 and orderly stops, whatever is under way."""
        while True:
            await asyncio.sleep(self.rng.uniform(2, 7))
            await self.server.stop(self.rng.choice((signal.SIGKILL, signal.SIGKILL,
                                                    signal.SIGTERM)))
            await asyncio.sleep(self.rng.choice((0, 0, 0.3)))
            await self.server.start()


class Run:
    def __init__(self, seed, count, acts, only):
        self.seed, self.count, self.acts, self.only = seed, count, acts, only
        self.rig = Rig(seed)
        self.cells = []
        self.bad = {}
        self.given_up = []
        self.tests = 0

    async def one(self, gate, number):
        async with gate:
            cell = Script(self.rig, number, random.Random("%d %d" % (self.seed, number)))
            self.cells.append(cell)
            try:
                await cell.run(self.acts)
            except TooMany:
                self.given_up.append(cell.name)
                self.cells.remove(cell)
            except Disagreement as e:
                await asyncio.sleep(0.3)
                self.bad[number] = "%s\n%s" % (e, await cell.aftermath())
            except Exception:       # a mistake of the test's own is a failure, too
                self.bad[number] = "%s: %s\n%s" % (cell.name, traceback.format_exc(),
                                                   "\n".join(cell.script[-40:]))
            if self.only:
                print("\n".join("# " + line for line in cell.script))

    async def play(self):
        numbers = [int(name[1:]) for name in self.only] or range(self.count)
        await self.rig.server.start()
        tasks = [asyncio.create_task(self.rig.stream.follow()),
                 asyncio.create_task(self.rig.pulse())]
        if not os.environ.get("OUTSIDE_CALM"):
            tasks.append(asyncio.create_task(self.rig.trouble()))
        gate = asyncio.Semaphore(PARALLEL)
        scripts = asyncio.gather(*(self.one(gate, n) for n in numbers))
        # None of the tasks ends by itself: without its server a script would wait for ever.
        await asyncio.wait([scripts, *tasks], return_when=asyncio.FIRST_COMPLETED)
        broken = [t for t in tasks if t.done()]
        if not broken:
            await scripts
        scripts.cancel()
        for task in tasks[1:]:
            task.cancel()
        await asyncio.gather(scripts, *tasks[1:], return_exceptions=True)
        if broken:
            broken[0].result()
        if not self.rig.server.up.is_set():
            await self.rig.server.start()

    async def history(self):
        """I4: after another restart the closed attempts are what they were told to be."""
        await self.rig.server.stop(signal.SIGTERM)
        await self.rig.server.start()
        wrong = []
        for cell in self.cells:
            if int(cell.name[1:]) in self.bad:
                continue
            rows = (await self.rig.server.http.call(
                "GET", "attempts?limit=1000&device=" + cell.name))[1]["attempts"]
            have = {r["id"]: (r["verdict"], r["charged"]) for r in rows if "verdict" in r}
            wants = [{w.ids[i]: (verdict, charged) for i, verdict, charged in w.closed}
                     for w in cell.worlds]
            if not any(have.items() >= want.items() and len(have) <= len(want) + 1
                       for want in wants):
                wrong.append("%s: %s, not %s" % (cell.name, have, wants))
        return wrong

    def tap(self, name, faults):
        self.tests += 1
        for text in faults:
            print("\n".join("# " + line for line in text.split("\n")))
        print("%sok %d - outside: %s" % ("not " if faults else "", self.tests, name))
        return not faults

    async def report(self):
        good = True
        kinds = collections.Counter()
        for low in range(0, self.count, BATCH):
            faults = []
            for number in range(low, min(low + BATCH, self.count)):
                if number in self.bad:
                    text = self.bad[number]
                    kind = re.sub("[0-9]+", "0", text[:200].split("\n  product")[0])
                    kinds[kind] += 1
                    if kinds[kind] <= 2:
                        faults.append(text)
                    else:
                        faults.append("the same with device c%d" % number)
            good &= self.tap("seed %d, devices c%d to c%d" % (
                self.seed, low, min(low + BATCH, self.count) - 1), faults)
        stream = self.rig.stream
        good &= self.tap("the event stream has no gap and nothing twice", stream.faults[:5])
        good &= self.tap("closed attempts never change", await self.history())
        few = len(self.given_up) <= 1 + self.count // 50
        good &= self.tap("hardly a script is too near the edges to be judged",
                         [] if few else [" ".join(self.given_up)])
        print("1..%d" % self.tests)
        return good


async def main(seed, count, acts, only):
    print("# seed %d, %d devices, %d acts each" % (seed, count, acts))
    start = time.time()
    run = Run(seed, count, acts, only)
    try:
        await run.play()
        good = await run.report()
        if os.environ.get("OUTSIDE_CHOICES"):
            choices = collections.Counter((n, p) for c in run.cells for w in c.worlds[:1]
                                          for n, p, _ in getattr(w, "history", []))
            for (name, pick), n in sorted(choices.items()):
                print("# choice %s: %d, %d times" % (name, pick, n))
        print("# %d acts, %d events, %d stops of the server, %.1f s" % (
            sum(c.acts for c in run.cells), run.rig.stream.seq, len(run.rig.server.outages),
            time.time() - start))
    finally:
        if run.rig.server.process and run.rig.server.process.returncode is None:
            run.rig.server.process.kill()
            await run.rig.server.process.wait()
        shutil.rmtree(run.rig.server.folder, ignore_errors=True)
    return good

if __name__ == "__main__":
    sys.exit(0 if asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]),
                                   int(sys.argv[3]) if len(sys.argv) > 3 else 40,
                                   sys.argv[4:])) else 1)
