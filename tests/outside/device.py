# SPDX-License-Identifier: Apache-2.0
"""What a device does: mostly sensible, often not. All chance comes from the cell's generator."""

import dtls
import words
from cell import Cell


class Device(Cell):
    def draw_traits(self):
        rng = self.rng
        self.key = None if rng.random() < 0.25 else rng.randbytes(16)
        self.naming = rng.choices(("id", "both", "count"), (70, 15, 15))[0]
        self.digest_kind = rng.choices((None, 0, 1, 2), (30, 35, 25, 10))[0]
        self.confirms = rng.random() < 0.5
        self.uptimes = rng.random() < 0.5
        self.interval = rng.choice((None, 1, 1, 2, 5))
        self.caps = rng.choice((None, 0, 2, 7, 63))
        self.hardware = rng.choices((None, "board", "other"), (40, 55, 5))[0]
        self.space = rng.choice((None, 1000, 10000000))
        self.slot = rng.choices((None, 1 << 20, 100), (60, 36, 4))[0]
        self.tells_enabled = rng.random() < 0.7
        self.enabled = rng.random() < 0.85
        self.links = []
        self.old_boots = []
        self.old_reports = []
        self.boot_id, self.count = None, rng.randrange(1, 1000)
        self.image = ("v0", None)
        self.run_release(self.releases["v0"])
        self.confirmed = True
        self.mode, self.reset, self.record = words.APPLICATION, None, None
        self.directive = None
        self.past = []                  # ids of earlier attempts
        self.phase = "idle"
        self.seq = 0
        self.new_boot_id()

    def cipher(self):
        return self.rng.choice(dtls.CIPHERS)

    # -- state

    def new_boot_id(self):
        if self.boot_id is not None:
            self.old_boots.append(self.boot_id)
            del self.old_boots[:-5]
        self.boot_id = self.rng.randbytes(self.rng.choice((8, 8, 16)))
        self.seq = 0
        self.booted = self.clock()

    def clock(self):
        import time
        return time.time()

    def digest_of(self, release):
        kind = self.digest_kind
        if kind is None:
            return None
        if kind in release.running:
            return [kind, release.running[kind]]
        return [kind, bytes([kind]) + release.sha[1:]]

    def run_release(self, release):
        self.image = (release.version, self.digest_of(release))
        self.on = release

    def boot_name(self):
        return self.count if self.naming == "count" else self.boot_id

    def facts(self):
        r = {}
        if self.naming != "count":
            r[0] = self.boot_id
        if self.naming != "id":
            r[1] = self.count
        r[2] = self.image[0]
        if self.image[1]:
            r[3] = self.image[1]
        if self.confirms:
            r[4] = self.confirmed
        if self.reset is not None:
            r[5] = self.reset
        if self.record:
            r[6] = self.record
        if self.tells_enabled:
            r[7] = self.enabled
        if self.space is not None:
            r[8] = self.space
        if self.slot:
            r[10] = self.slot
        if self.hardware:
            r[12] = self.hardware
        if self.interval:
            r[15] = self.interval
        if self.mode != words.APPLICATION or self.rng.random() < 0.1:
            r[16] = self.mode
        if self.caps is not None:
            r[17] = self.caps
        if self.uptimes:
            r[18] = max(0, int(self.clock() - self.booted))
        return r

    # -- acts

    async def reconnect(self, keep=False):
        if self.links and not keep:
            self.links.pop().close()
        del self.links[:-2]
        self.links.append(await self.connect())

    async def current(self):
        if not self.links or self.links[-1].closed:
            self.links = [l for l in self.links if not l.closed]
            self.links.append(await self.connect())
        return self.links[-1]

    async def check_in(self, what="check-in"):
        r = self.facts()
        self.last_report = r
        directive = await self.report(await self.current(), r, what)
        if directive is None:
            return
        if directive.get(0) != 2:
            if self.phase == "new" and self.rng.random() < 0.85:
                return                  # in probation, as far as it knows
            if self.directive:
                self.past.append(self.directive[1])
            self.directive = None
            self.phase = "idle"
        elif self.directive is None or self.directive[1] != directive[1]:
            if self.directive:
                self.past.append(self.directive[1])
            self.directive = directive
            self.release = next(x for x in self.releases.values() if x.sha == directive[4])
            self.phase, self.offset = "offered", 0

    async def tell(self, state, what, **more):
        s = {0: self.directive[1], 1: state}
        s.update({int(k[1:]): v for k, v in more.items()})
        s.setdefault(7, self.boot_name())
        if self.rng.random() < 0.8 and 8 not in s:
            self.seq += 1
            s[8] = self.seq
        answer = await self.status(await self.current(), s, what)
        if answer == "4.09" and s[0] == self.directive[1] and s[7] == self.boot_name():
            self.past.append(self.directive[1])
            self.directive, self.phase = None, "idle"
        return answer

    async def download(self):
        """Some blocks; the first missing ones, or others."""
        release = self.release
        blocks = (release.size + 1023) // 1024
        how = self.rng.choice(("one", "all", "next", "any", "cached"))
        if self.rng.random() < 0.02:
            for _ in range(release.most() // 1024 // 2):    # often enough twice
                await self.get(await self.current(), release, 0, "fetch again and again")
        elif how == "cached":
            self.offset = release.size
        elif how == "all":
            for i in range(blocks):
                await self.get(await self.current(), release, i * 1024, "download")
            self.offset = release.size
        else:
            at = self.rng.randrange(blocks) * 1024
            if how == "next" and self.offset < release.size:
                at = self.offset // 1024 * 1024
            await self.get(await self.current(), release, at, "download")
            self.offset = min(release.size, max(self.offset, at + 1024))

    async def say_downloading(self):
        got = self.rng.choice((0, self.offset, self.rng.randrange(self.release.size + 1)))
        more = {} if got == 0 and self.rng.random() < 0.5 else {"k4": got}
        await self.tell(words.DOWNLOADING, "downloading", **more)

    async def say_verified(self):
        more = {"k4": self.release.size} if self.rng.random() < 0.8 else {}
        if await self.tell(words.VERIFIED, "verified", **more) == "2.04":
            self.phase = "verified"

    async def say_applying(self):
        if await self.tell(words.APPLYING, "asks to apply") == "2.04":
            self.phase = "applying"

    async def say_no(self):
        kind = self.rng.choices(("hard", "soft", "defer", "fail"), (25, 30, 20, 25))[0]
        if kind == "hard":
            await self.tell(words.REFUSED, "refuses", k9=self.rng.randrange(0, 11))
        elif kind == "soft":
            await self.tell(words.REFUSED, "not now", k9=self.rng.randrange(11, 15))
        elif kind == "defer":
            more = {"k6": self.rng.choice((1, 2))} if self.rng.random() < 0.5 else {}
            await self.tell(words.DEFERRED, "defers", k9=14, **more)
        else:
            await self.tell(words.FAILED, "failed", k9=self.rng.randrange(0, 11))
        self.phase = "told"

    async def say_wrongly(self):
        """A status that must change nothing."""
        what = self.rng.choice(("foreign", "past", "seq", "old-boot"))
        if what == "foreign":
            await self.tell(self.rng.randrange(1, 7), "of a foreign attempt",
                            k0=self.rng.randrange(1, 1 << 53))
        elif what == "past" and self.past:
            await self.tell(self.rng.randrange(1, 7), "of a past attempt", k0=self.past[-1])
        elif what == "seq" and self.seq > 0:
            await self.tell(self.rng.randrange(1, 7), "a repeated seq",
                            k8=self.rng.randrange(1, self.seq + 1))
        elif what == "old-boot" and self.old_boots and self.naming != "count" and \
                len(self.links) > 1:
            await self.tell(self.rng.randrange(1, 7), "of an old boot",
                            k7=self.rng.choice(self.old_boots))

    def reboot(self, into, reset=None, mode=words.APPLICATION, unlisted=None):
        if self.boot_id and self.naming != "count" and hasattr(self, "last_report"):
            self.old_reports.append(self.last_report)
            del self.old_reports[:-3]
        self.new_boot_id()
        self.count += 1
        self.mode = mode
        self.reset = reset if reset is not None else self.rng.choice((None, 1, 2, 3, 4, 9))
        if unlisted:
            self.image, self.on = unlisted, None
        elif into is not self.on:
            self.run_release(into)
            self.confirmed = self.rng.random() < 0.4
        self.note("reboots: %s %s, reset %s, mode %s" % (self.image[0], "confirmed" if
                                                         self.confirmed else "", self.reset, mode))
