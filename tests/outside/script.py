# SPDX-License-Identifier: Apache-2.0
"""The random script of a cell: which act comes next, in what state of the device."""

import asyncio
import time

import wire
import words
from cell import Play
from device import Device
from link import Link
from server import Lost

POLICIES = {
    "probation_s": ((0, 70), (1, 20), (2, 10)),
    "require_digest": ((-1, 70), (0, 10), (1, 20)),
    "require_confirm": ((-1, 70), (0, 15), (1, 15)),
    "allow_weak": ((1, 85), (0, 15)),
    "on_drift_reapply": ((0, 70), (1, 30)),
    "max_reverts": ((1, 20), (2, 50), (3, 30)),
    "max_failures": ((1, 10), (2, 30), (3, 40), (5, 20)),
    "max_interruptions": ((0, 15), (1, 35), (3, 50)),
    "unstable_resets": ((1, 30), (2, 50), (3, 20)),
    "backoff_s": ((0, 60), (1, 40)),
    "backoff_max_s": ((1, 30), (2, 70)),
    "stall_s": ((1, 12), (2, 20), (3, 8), (3600, 60)),
    "total_s": ((4, 10), (86400, 90)),
    "outage_grace_s": ((0, 50), (1, 50)),
    "defer_max_s": ((0, 10), (86400, 90)),
}


class Script(Device):
    def draw(self, table):
        return self.rng.choices([v for v, _ in table], [w for _, w in table])[0]

    async def set_up(self):
        rng = self.rng
        policy = {name: self.draw(table) for name, table in POLICIES.items()}
        if policy["probation_s"]:
            policy["total_s"] = 86400
        self.product = {"name": "p-" + self.name, "hardware": rng.choice(("", "board")),
                        "policy": policy, "releases": {}, "target": None}
        body = {"name": self.product["name"], "policy": policy}
        if self.product["hardware"]:
            body["hardware"] = self.product["hardware"]
        await self.must("POST", "products", body)
        self.releases = {}
        for i, image in enumerate(rng.sample(self.rig.images, 3)):
            self.releases["v%d" % i] = await self.rig.release(self, "v%d" % i, image)
        self.product["releases"] = self.releases
        self.draw_traits()
        body = {"id": self.name, "product": self.product["name"]}
        body.update({"psk": self.key.hex()} if self.key else {"plain": True})
        await self.must("POST", "devices", body)
        product = dict(self.product, policy=dict(policy), releases={
            v: r.light() for v, r in self.releases.items()})
        self.worlds = [Play(self.name, self.key is None, product)]

    async def must(self, method, path, body=None, binary=None):
        """Setting up: repeated over restarts; what exists already exists by us."""
        while True:
            await self.server.up.wait()
            try:
                status, answer = await self.http.call(method, path, body, binary)
            except Lost:
                await asyncio.sleep(0.05)
                continue
            if status in (200, 201, 409):
                return answer
            if status != 503:
                self.disagree("set-up: %s %s: %d %s" % (method, path, status, answer), [])
            await asyncio.sleep(0.1)

    # -- the script

    async def run(self, acts):
        await self.set_up()
        await self.operator_aim("v1" if self.rng.random() < 0.9 else None)
        await self.check_in("first report")
        while self.acts < acts:
            before = self.acts
            name = self.draw(self.menu())
            await getattr(self, "do_" + name)()
            if self.acts == before:
                self.acts += 0.2
            if self.rng.random() < 0.1:
                await self.sync()
        await self.end()

    async def end(self):
        await self.keep_off_deadlines()
        await self.sync()
        for link in self.links:
            link.close()

    def menu(self):
        common = (("check_in", 6), ("operator", 9), ("session", 2), ("wrong", 3), ("pause", 2),
                  ("reboot_same", 3), ("late", 2), ("clone", 2), ("wake", 1), ("foreign_get", 1),
                  ("toggle", 1), ("cable", 1))
        if self.directive is None:
            return common + (("check_in", 25), ("leave", 2))
        if self.phase in ("offered", "told"):
            return common + (("download", 30), ("downloading", 8), ("verified", 14),
                             ("applying", 5), ("no", 6), ("silence", 3), ("claim", 1))
        if self.phase == "verified":
            return common + (("applying", 45), ("download", 3), ("verified", 2), ("no", 4),
                             ("silence", 3), ("downloading", 2))
        if self.phase == "applying":
            return common + (("boot_new", 50), ("boot_old", 16), ("boot_odd", 10),
                             ("boot_mode", 6), ("no", 3), ("silence", 3), ("claim", 2),
                             ("applying", 2))
        return common + (("check_in", 20), ("confirm", 20), ("boot_old", 6), ("unclean", 12),
                         ("silence", 5), ("pause", 5), ("boot_odd", 3))

    async def do_check_in(self):
        await self.check_in()

    async def do_session(self):
        await self.reconnect(keep=self.rng.random() < 0.5)

    async def do_pause(self):
        await asyncio.sleep(self.rng.choice((0.2, 0.6, 1.3)))

    async def do_silence(self):
        """Past a deadline, if there is one soon."""
        due = self.deadlines()
        if due and max(d[1] for d in due) < time.time() + 6:
            self.note("is silent until the deadline")
            until = max(d[1] for d in due)
            while self.deadlines() and time.time() < until + 0.1:
                await self.stream.more(0.1)
                await self.catch_up()
            await self.keep_off_deadlines()
            await self.check_in("after the silence")

    async def do_wrong(self):
        if self.directive:
            await self.say_wrongly()

    async def do_reboot_same(self):
        self.reboot(self.on, unlisted=None if self.on else self.image)
        if self.rng.random() < 0.9:
            await self.check_in("boot")

    async def do_unclean(self):
        self.reboot(self.on, reset=self.rng.choice(words.UNCLEAN),
                    unlisted=None if self.on else self.image)
        await self.check_in("boot after a crash")

    async def do_late(self):
        """A late copy of a report of an earlier boot, on the session of then."""
        if self.old_reports and self.key and self.links and not self.links[0].closed and \
                self.links[0].opened_at[1] < self.booted:
            await self.report(self.links[0], self.rng.choice(self.old_reports), "late copy")

    async def do_clone(self):
        """A second unit with the same key."""
        if self.old_reports and self.key:
            for _ in range(self.rng.choice((1, 2, 3))):
                await self.reconnect()
                await self.report(await self.current(), self.rng.choice(self.old_reports), "clone")
                await self.check_in("the first unit")

    async def do_wake(self):
        if self.naming == "count":
            return
        self.reboot(self.on, reset=words.WAKE, unlisted=None if self.on else self.image)
        self.old_reports.pop() if self.old_reports else None
        self.old_boots.pop()
        await self.check_in("wakes")

    async def do_foreign_get(self):
        release = self.rng.choice(list(self.releases.values()))
        await self.get(await self.current(), release, 0, "whichever image")

    async def do_toggle(self):
        if self.tells_enabled:
            self.enabled = not self.enabled
            await self.check_in("updates %s" % ("enabled" if self.enabled else "disabled"))

    async def do_cable(self):
        """Flashed by cable, with anything."""
        self.reboot(self.rng.choice(list(self.releases.values())))
        await self.check_in("flashed by cable")

    async def do_leave(self):
        self.reboot(None, unlisted=("x%d" % self.rng.randrange(3), None if self.digest_kind is None
                                    else [self.digest_kind, self.rng.randbytes(32)]))
        await self.check_in("runs something of its own")

    async def do_download(self):
        await self.download()

    async def do_downloading(self):
        await self.say_downloading()

    async def do_verified(self):
        await self.say_verified()

    async def do_applying(self):
        await self.say_applying()

    async def do_no(self):
        await self.say_no()

    async def do_boot_new(self):
        self.record = None
        self.before = (self.on, self.image)
        self.reboot(self.release)
        self.phase = "new"
        await self.check_in("boots the new image")

    async def do_boot_old(self):
        rng = self.rng
        if self.phase == "new":
            self.on, self.image = self.before
        if rng.random() < 0.4:
            stage = rng.randrange(0, 5)
            reason = 0 if rng.random() < 0.6 else rng.randrange(1, 11)
            self.record = [self.directive[1], stage, reason, 0, ""]
        self.reboot(self.on, unlisted=None if self.on else self.image)
        await self.check_in("boots the old image")

    async def do_boot_odd(self):
        """Right label and other bytes, right bytes and another label, or neither."""
        self.before = (self.on, self.image)
        digest = self.digest_of(self.release)
        what = self.rng.choice(("label", "bytes", "neither"))
        if what == "label":
            self.reboot(None, unlisted=("label", digest))
        elif what == "bytes":
            self.reboot(None, unlisted=(self.release.version, digest and
                                        [digest[0], self.rng.randbytes(32)]))
        else:
            self.reboot(None, unlisted=("neither", digest and
                                        [digest[0], self.rng.randbytes(32)]))
        await self.check_in("boots something odd")

    async def do_boot_mode(self):
        self.before = (self.on, self.image)
        mode = self.rng.choice((words.UPDATER, words.SAFE))
        self.reboot(self.release, mode=mode)
        self.phase = "new"
        await self.check_in("boots in mode %d" % mode)

    async def do_confirm(self):
        self.confirmed = True
        await self.check_in("confirmed")

    async def do_claim(self):
        """Names the new image in the same boot."""
        r = self.facts()
        r[2] = self.release.version
        digest = self.digest_of(self.release)
        if digest:
            r[3] = digest
        if 18 in r:
            r[18] = 1000000
        await self.report(await self.current(), r, "claims without a reboot")

    # -- operators

    async def do_operator(self):
        acts = (("aim", 25), ("lock", 12), ("unlock", 8), ("hold", 8), ("unhold", 20),
                ("force", 6), ("unforce", 5), ("cancel", 12), ("look", 14), ("disable", 5))
        name = self.draw(acts)
        await getattr(self, "operator_" + name)()

    async def operator_aim(self, version=0):
        if version == 0:
            version = self.rng.choice(("v0", "v1", "v1", "v2", None))
        await self.operate("target %s" % version, "PUT", "products/%s/target" % self.product["name"],
                           {"version": version}, lambda w, a: w.aim(version))

    async def device_act(self, act, do, body=None):
        await self.operate(act, "POST", "devices/%s/%s" % (self.name, act.split()[0]), body,
                           lambda w, a: do(w))

    async def operator_lock(self):
        version = self.rng.choice(("v0", "v1", "v2"))
        await self.device_act("lock %s" % version, lambda w: w.lock_to(version),
                              {"version": version})

    async def operator_unlock(self):
        await self.device_act("unlock", lambda w: w.lock_to(None))

    async def operator_hold(self):
        await self.device_act("hold", lambda w: w.operator_hold())

    async def operator_unhold(self):
        await self.device_act("unhold", lambda w: w.unhold())

    async def operator_force(self):
        await self.device_act("force", lambda w: w.force())

    async def operator_unforce(self):
        await self.device_act("unforce", lambda w: w.unforce())

    async def operator_disable(self):
        """It is refused on its sessions and on a new one, until it is enabled again."""
        while not await self.switch("disable", lambda w, a: w.disable(a and a[0])):
            pass
        for _ in range(self.rng.choice((0, 1, 2))):
            await self.operator_look()
            await self.knock()
        while not await self.switch("enable", lambda w, a: w.enable(a and a[0])):
            pass
        for link in self.links:
            link.close()
        self.links = []

    async def switch(self, act, do):
        answer = await self.operate(act, "POST", "devices/%s/%s" % (self.name, act), None, do,
                                    expect=())
        return answer is not None

    async def knock(self):
        """Comes, and says nothing of itself."""
        async def call():
            link = Link(self.server, self.name, self.key, self.cipher())
            try:
                await link.open()
                answer = await link.request(wire.GET, "desired")
                return wire.code_text(answer.code) == "4.03"
            except Lost:
                if self.key and self.server.up.is_set():
                    return True
                raise
            finally:
                link.close()

        await self.act("knocks", lambda w, a: a is None or w.came(a), call,
                       lambda a: "refused" if a else "let in")

    async def operator_look(self):
        async def call():
            status, seen = await self.http.call("GET", "devices/" + self.name)
            if status != 200:
                raise Lost(str(status))
            return seen

        await self.act("operator: looks", lambda w, a: w.look(a) if a else None, call,
                       lambda a: {k: a.get(k) for k in ("state", "hold", "drifted", "attempt")
                                  if k in a and k != "attempt"})

    async def operator_cancel(self):
        number = self.directive[1] if self.directive else self.past[-1] if self.past else None
        if number:
            await self.operate("cancel %d" % number, "POST", "attempts/%d/cancel" % number, None,
                               lambda w, a: w.cancel(number, a[0] if a else None), expect=())
