# SPDX-License-Identifier: Apache-2.0
"""Which boot a message comes from (TRUTH section 3, "Boots")."""

import words
from world import World

KEPT = 8


class Boots(World):
    def heard(self):
        if not self.online:
            self.online = True
            self.tell("device/online", cite="8")

    def heard_of_attempt(self, block=False):
        """Heard of since its state began; of one that is to apply, in the same boot. A kill may
        forget it where it was but a block."""
        a = self.attempt
        a.heard_surely = a.heard_surely or not block
        if (a.state in ("offered", "transferring", "verified") or
                  a.state == "applying" and self.boot_seq <= a.base_boot):
            a.heard = True

    def _rise(self, key, count, reset, version):
        """A boot never seen."""
        if self.boot is not None:
            if isinstance(self.boot["key"], bytes):
                self.replaced[self.boot["key"]] = self.now
                while len(self.replaced) > KEPT - 1:
                    del self.replaced[next(iter(self.replaced))]
        self.boot_seq += 1
        self.boot = {"key": key, "count": count, "first": None, "seq": self.boot_seq,
                     "reset": reset}

    def boot_of(self, key, count, session_at):
        """"same", "new", "stale", of the boot id or count of a message."""
        if key is None:
            if self.boot is not None and count == self.boot["count"]:
                return "same"
            return "new"
        if self.boot is not None and key == self.boot["key"]:
            return "same"
        if key in self.replaced:
            self.replaced_again(key, session_at)
            return "stale"
        return "new"

    def replaced_again(self, key, session_at):
        """A replaced id never becomes current again; on a session handshaken after its
        replacement it is a clone or a restored snapshot, if it happens twice."""
        if self.plain or session_at[1] < self.replaced[key][0]:
            return
        # The server counts in ms, and a session's beginning by another clock than a boot's.
        if session_at[0] <= self.replaced[key][1] + 0.002 and \
                self.choose("session-or-replacement-first"):
            return
        self.strikes += 1
        if self.strikes >= 2:
            if self.attempt:
                self.close("identity-conflict", "3 Boots")
            if self.hold is None:
                self.hold_for("identity-conflict", "3 Boots")

    def hold_for(self, reason, cite, late=False):
        self.hold = reason
        self.tell("device/held", reason=reason, cite=cite, late=late)

    def new_boot(self, report):
        """A report of a boot never seen. Deep sleep of a device that cannot keep its boot id is
        a boot only if the image changed."""
        key, count = report.get(0), report.get(1)
        image = (report[2], tuple(report[3]) if 3 in report else None)
        if report.get(5) == words.WAKE and self.boot and self.shown_image == image:
            self.replaced[self.boot["key"]] = self.now
            self.boot["key"], self.boot["count"] = key, count
            return
        if key is None and self.boot and count < self.boot["count"]:
            self.backwards = True
        gap = 1
        if key is None and self.boot and count > self.boot["count"]:
            gap = count - self.boot["count"]
        self._rise(key, count, report.get(5, 0), report[2])
        self.boot["gap"] = gap
        self.tell("device/boot", cite="3 Boots", boot_seq=self.boot_seq,
                  reset=words.RESETS[report.get(5, 0)], running=report[2])
