# SPDX-License-Identifier: Apache-2.0
"""The other messages of a device, and the acts of operators."""

import datetime

import words
from ends import SWEEP_S
from report import Reports
from world import Mismatch


class Acts(Reports):
    # -- image blocks

    def get(self, sha16, offset, length, answer):
        """answer: (code, payload is the image's)."""
        code, right = answer
        a = self.attempt
        if a is not None or not self.online and self.choose("block-for-none-is-heard") == 0:
            self.heard()
        if a is None or a.release.sha.hex()[:16] != sha16:
            if code is not None:
                self.answered(code, "4.03", "I7")
            return
        if a.served >= a.release.most() and (a.served_surely >= a.release.most() + 1024 or
                                               self.choose("at-three-times-the-size") == 0):
            if code is not None:
                self.answered(code, "4.03", "4: served all that it may be")
            if a.state == "transferring":
                self.close("transfer-stalled", "4, man: served all that it may be", late=True)
            return
        if code is not None:
            self.answered(code, "2.05", "PROTOCOL")
            if not right:
                raise Mismatch("the block is not the image's")
        self.heard_of_attempt(block=True)
        a.served += length
        a.served_surely += length
        self.start(late=True)
        if a.served >= a.release.most() and a.state in ("offered", "transferring") and \
                self.choose("ends-at-three-times-the-size"):
            self.close("transfer-stalled", "4, man: served all that it may be", late=True)
            return
        further, maybe = offset + length > a.served_top, offset + length > a.top_surely
        a.served_top = max(a.served_top, offset + length)
        a.top_surely = max(a.top_surely, offset + length)
        if a.state == "offered":
            a.stall_before = a.stall
            self.enter("transferring")
            a.stall_surely = a.stall_before[0]
        elif a.state == "transferring" and maybe:
            self.arm(keep=not further or offset + length <= a.received, block=True)

    # -- status

    def status(self, s, session_at, answer):
        code = answer
        a = self.attempt
        known = a is not None and (self.ids[a.index] is None or self.ids[a.index] == s[0])
        if not known and not self.online and self.choose("status-of-none-is-heard") == 0:
            self.heard()
        key = s[7] if isinstance(s[7], bytes) else None
        count = None if key is not None else s[7]
        if not known:
            if code is not None:
                self.answered(code, "4.09", "I3")
            return
        kind = self.boot_of(key, count, session_at)
        if self.attempt is None:        # two units, one identity
            return
        if kind == "stale":
            return
        self.heard()
        if kind == "new":
            self._rise(key, count, 0, None)
            self.boot["gap"] = 1
            self.tell("device/boot", cite="3 Boots, man: before its report", boot_seq=self.boot_seq,
                      reset=None, running=None)
        want = self._step(a, s)
        if code is not None:
            self.answered(code, want, "PROTOCOL status")

    def _step(self, a, s):
        """The accepted status; its answer."""
        if 8 in s:
            if s[8] <= self.seqs.get((a.index, s[7]), -1):
                if s[1] == words.APPLYING and a.state != "applying":
                    return "4.09"       # 2.04 would be the leave to apply
                return "2.04"
            self.seqs[a.index, s[7]] = s[8]
        self.heard_of_attempt()         # what is ignored is not heard
        state = s[1]
        if state in (words.DOWNLOADING, words.VERIFIED, words.APPLYING):
            return self._forward(a, s, state)
        reason = words.REASONS[s.get(9, 0)] if s.get(9, 0) < len(words.REASONS) else "other"
        if reason == "none" and state != words.DEFERRED:
            reason = "other"
        if state == words.FAILED:
            self.close("device-failed", "5", reason=reason)
            return "2.04"
        if state == words.DEFERRED and reason == "none":
            reason = "deferred"
        self._refused(a, reason, s)
        return "2.04"

    def _refused(self, a, reason, s):
        policy = self.product["policy"]
        soft = reason in words.SOFT
        charged = not soft
        if soft:
            if self.deferring_since is None:
                self.deferring_since = self.now
            since = self.deferring_since
            if self.reached("defer-max", (since[0] + policy["defer_max_s"],
                                          since[1] + policy["defer_max_s"])):
                charged = True
        self.close("refused", "4 refusals", reason=reason, charged=charged)
        if soft and s.get(6):
            least = min(s[6], policy["defer_max_s"])
            until = (self.now[0] + least, self.now[1] + least)
            if self.wait is None:
                self.wait = until
            else:
                self.wait = (max(self.wait[0], until[0]), max(self.wait[1], until[1]))

    def _forward(self, a, s, state):
        if a.state == "verified" and a.cancelling and state != words.VERIFIED:
            self.close("cancelled", "4 cancel of verified acts at the gate")
            return "4.09"
        if a.state in ("offered", "transferring", "verified"):
            a.base_boot = max(a.base_boot, self.boot_seq)
            a.judged_boot = max(a.judged_boot, self.boot_seq)
            first = a.state == "offered"
            self.start()
            got = s.get(4, 0)
            if got > a.received and state == words.DOWNLOADING and a.state != "verified":
                quarter = min(4 * got // a.release.size, 4)
                if quarter > a.quarter:
                    a.quarter = quarter
                    if not first and not (self._start_is_late(a) and
                                          self.choose("progress-before-the-block-was-committed")):
                        self.tell("flash/progress", cite="man EVENTS", attempt=a)
        if state == words.DOWNLOADING:
            if a.state == "offered" or a.state == "verified":
                self.enter("transferring")
            elif a.state == "transferring" and s.get(4, 0) > a.received:
                self.arm(keep=s[4] <= a.served_top)
        elif state == words.VERIFIED:
            if a.state in ("offered", "transferring"):
                self.enter("verified")
        elif a.state in ("offered", "transferring", "verified"):
            a.handed_over = True
            self.enter("applying")
        elif a.state == "probation":
            return "4.09"               # 2.04 would be the leave to apply
        a.received = max(a.received, s.get(4, 0))
        return "2.04"

    # -- operators

    def retarget(self, change):
        """change: function that sets lock or target."""
        before = self.target()
        change(self)
        after = self.target()
        if before is after:
            return
        self.aimed = self.now
        self._begin_anew(after)
        self.unseen_target = True
        if self.attempt and not self.choose("supersede-later"):
            self.supersede()
            self.supersedes = False
        else:
            self.supersedes = True

    def supersede(self):
        a = self.attempt
        if a and a.state in ("offered", "transferring") and self.target() is not a.release:
            self.close("superseded", "4 a target change supersedes")

    def _begin_anew(self, after):
        """Another target forgets what was with the one before, except perhaps where it is the
        same again before the device came back."""
        now = (self.in_a_row, self.wait, self.fresh_next, self.failed_attempt)
        if self.aside is None:
            self.aside = now
        kept = self.choose("there-and-back-again", 3) if after is self.told else 0
        self.in_a_row, self.wait, self.fresh_next, self.failed_attempt = \
            ((0, None, False, None), now, self.aside)[kept]

    def lock_to(self, version):
        def change(w):
            w.lock = version
        self.drifted = False
        self.retarget(change)

    def aim(self, version):
        def change(w):
            w.product["target"] = version
        self.retarget(change)

    def operator_hold(self):
        if self.hold is None:
            self.hold_for("operator", "man: an operator holds it")

    def unhold(self):
        if self.hold is not None:
            self.hold = None
            self.tell("device/held", "none", cite="man EVENTS")
        elif not self.drifted:
            return
        self.wait = None
        self.failures, self.reverts, self.in_a_row = {}, {}, 0
        self.drifted, self.strikes, self.base_changes = False, 0, 0

    def force(self):
        if not self.forced:
            self.forced = True
            self.tell("updates/forced", "true", cite="8")
        self.wait, self.drifted = None, False

    def unforce(self):
        if self.forced:
            self.forced = False
            self.tell("updates/forced", "false", cite="8")

    def cancel(self, number, status):
        """status: of the HTTP answer."""
        a = self.attempt
        if a is None or not self.bind(a.index, number):
            self.answered(status and status // 100, status and 4, "a closed attempt never changes (I4)")
        elif a.state in ("offered", "transferring"):
            self.answered(status or 200, 200, "man cancel")
            self.close("cancelled", "4 cancel")
        elif a.state == "verified":
            self.answered(status or 200, 200, "man cancel")
            a.cancelling = True
        else:
            self.answered(status or 409, 409, "4 cancel of applying is refused")

    def disable(self, status):
        """status: of the HTTP answer."""
        self.answered(status or 200, 200, "man disable: again it changes nothing")
        if self.disabled:
            return
        self.disabled = True
        if self.attempt:
            self.close("cancelled", "4: nothing more is heard of it")
        self.tell("device/disabled", "true", cite="man EVENTS")
        if self.online:
            self.online = False
            self.tell("device/offline", cite="8: its silence is the operator's doing")

    def enable(self, status):
        self.answered(status or 200, 200, "man enable: again it changes nothing")
        if self.disabled:
            self.disabled = False
            self.tell("device/disabled", "false", cite="man EVENTS")

    def came(self, refused):
        """A device that tried to come. A disabled one is refused, whatever else is so."""
        self.answered(refused, self.disabled, "man disable")

    def set_policy(self, changes):
        self.product["policy"].update(changes)

    def look(self, seen):
        """seen: the device as the API shows it."""
        want = {"held": self.hold is not None, "force": self.forced, "drifted": self.drifted,
                "lock": self.lock, "online": self.online, "disabled": self.disabled,
                "running": self.shown_image and self.shown_image[0]}
        have = {"held": "hold" in seen, "force": seen.get("force", False),
                "drifted": seen.get("drifted", False), "lock": seen.get("lock"),
                "online": seen["online"], "disabled": "disabled" in seen, "running": seen.get("running", {}).get("version")}
        self.answered(have, want, "man postboot-api")
        if self.hold:
            self.answered(seen["hold"]["reason"], self.hold, "7 held")
        attempt = seen.get("attempt")
        if attempt is None or self.attempt is None:
            self.answered(attempt is None, self.attempt is None, "3 at most one open attempt")
            return
        a = self.attempt
        if not self.bind(a.index, attempt["id"]):
            raise Mismatch("another attempt is open")
        if not self._start_is_late(a):
            self.answered(attempt["state"], a.state, "4 states")
            self.answered(attempt["interruptions"], a.interruptions, "4 interrupted")
            self._armed(attempt["deadline"])
        self.answered(set(attempt["required"]), set(a.required), "3 required")

    def _armed(self, text):
        """I5: one deadline, and the right one."""
        at = datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
        lo, hi = self.deadline()
        if self.now[0] < self.back[0] + SWEEP_S:    # the gap may not have been added yet
            lo -= self.back[1][0] + self.product["policy"]["outage_grace_s"]
        if not lo - 0.1 <= at <= hi + 0.1:
            raise Mismatch("the deadline is %.3f, not %.3f to %.3f" % (at % 1e5, lo % 1e5, hi % 1e5))

    def restarted(self, gap, back, killed):
        """The server was away for gap = (least, most) seconds."""
        self.back = (back, gap)
        self.aimed = (back, back)       # it looks at a changed target when it is back
        if self.attempt is None:
            return
        if killed:
            self._forget()
        grace = self.product["policy"]["outage_grace_s"]
        lo, hi = self.attempt.stall
        lo = self.attempt.stall_surely or lo
        self.attempt.stall = (lo + gap[0] + grace, hi + gap[1] + grace)

    def _forget(self):
        """What a kill may take away: what blocks did, as they are answered before the commit."""
        a = self.attempt
        a.served_surely = a.top_surely = 0
        if a.heard and not a.heard_surely:
            a.heard = self.choose("kill-forgets-that-a-block-was-heard") == 0
        if a.stall_before and self._start_is_late(a) and \
                self.choose("kill-forgets-the-first-block"):
            self._forget_start(a)
            a.started, a.state = False, "offered"
            a.stall, a.stall_surely = a.stall_before, None

    def remove(self):
        if self.attempt:
            self.close("cancelled", "man: removed the device")
        self.removed = True
