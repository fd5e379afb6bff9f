# SPDX-License-Identifier: Apache-2.0
"""How an attempt ends, and what follows from it: charge, hold, wait, deadlines (TRUTH sections 5
and 7)."""

import words
from boots import Boots
from world import Mismatch

SWEEP_S = 10            # so long after it is back the server may still add the gap


class Ends(Boots):
    # -- deadlines

    def arm(self, seconds=None, keep=False, block=False):
        """The stall deadline begins anew; with keep it may as well have stayed as it was. What
        a block moved need not be on the disk when the server is killed."""
        a, policy = self.attempt, self.product["policy"]
        if seconds is None:
            seconds = (policy["stall_s"], policy["stall_s"])
        lo, hi = self.now[0] + seconds[0], self.now[1] + seconds[1]
        if self.now[0] < self.back[0] + SWEEP_S:    # or the gap was added after this
            hi += self.back[1][1] + policy["outage_grace_s"]
        if keep and a.stall:
            lo, hi = min(lo, a.stall[0]), max(hi, a.stall[1])
        if block and a.stall_surely is None:
            a.stall_surely = a.stall[0]
        elif not block:
            a.stall_surely = None
        a.stall = (lo, hi)

    def deadline(self):
        a = self.attempt
        if a is None:
            return None
        return min(a.stall[0], a.total[0]), min(a.stall[1], a.total[1])

    def enter(self, state):
        a = self.attempt
        if a.state == state:
            return
        a.state = state
        a.heard = a.heard_surely = False
        if state == "probation":
            policy = self.product["policy"]
            longest = max(policy["stall_s"], 2 * self.interval())
            self.arm((policy["probation_s"] + max(policy["stall_s"], 2 * self.facts.get(15, 0)),
                      policy["probation_s"] + longest))
        else:
            self.arm()

    def interval(self):
        """Where the device tells none, the server has learned one, or takes an hour."""
        return self.facts.get(15, 3600)

    def deadline_verdict(self):
        """The table of section 5."""
        a = self.attempt
        if a.state == "offered":
            return "never-started"
        if a.state == "transferring":
            return "transfer-stalled"
        if a.state == "verified":
            if a.cancelling:
                return "cancelled"
            return "never-applied" if a.heard else "never-came-back"
        if a.state == "applying":
            return "never-rebooted" if a.heard and self.boot_seq <= a.base_boot else "never-came-back"
        if not a.heard:
            return "lost-in-probation"
        if "confirmed" in a.required and "confirmed" not in a.shown and a.confirm_said is False:
            return "not-confirmed"
        return "unproven"

    def expire(self, when):
        """The deadline has passed: a commit of its own, between this act and the last."""
        act = self.batches.pop()
        now, self.now = self.now, when
        self.batches.append([])
        a = self.attempt
        a.by_deadline = when
        self.close(self.deadline_verdict(), "5 by deadline")
        self.now = now
        self.batches.append(act)

    def pass_time(self, lateness):
        """Whether a deadline came before this act, or the server has looked at a target that was
        changed. It may be late by `lateness`."""
        if self.supersedes and self.attempt and (self.now[0] > self.aimed[1] + lateness or
                                                 self.choose("superseded-meanwhile") == 0):
            self.batches.insert(-1, [])
            last = self.batches.pop()
            self.supersede()
            self.batches.append(last)
            self.supersedes = False
        when = self.deadline()
        if when is None or when[0] > self.now[1]:
            return
        if when[1] + lateness < self.now[0] or self.choose("deadline-or-act") == 0:
            self.expire((when[0], min(when[1] + lateness, self.now[1])))

    # -- the end

    def start(self, late=False):
        a = self.attempt
        if not a.started:
            a.started = True
            self.tell("flash/status", "started", cite="4 started", attempt=a, late=late,
                      version=a.release.version, fresh=a.fresh,
                      **{"from": a.baseline["version"]})

    def _start_is_late(self, a):
        """Takes back a "started" that nobody has seen."""
        for batch in self.batches:
            for want in batch:
                if want["late"] and want["attempt"] == a.index:
                    return True
        return False

    def _forget_start(self, a):
        for batch in self.batches:
            batch[:] = [w for w in batch if not (w["late"] and w["attempt"] == a.index)]

    def close(self, verdict, cite, reason=None, charged=None, grade=None, late=False):
        a = self.attempt
        after = a.handed_over
        if charged is None:
            charged = verdict not in words.UNCHARGED and not (a.external and grade)
            if reason in words.SOFT:
                charged = False
        fields = dict(verdict=verdict, charged=charged, version=a.release.version,
                      size=a.release.size, fresh=a.fresh)
        fields["from"] = a.baseline["version"]
        fields["reason"] = reason if reason not in (None, "none") else None
        fields["grade"] = grade
        if grade:
            fields["via"] = "external" if a.external else "ota"
            fields["evidence"] = list(a.shown)
        if a.started and self._start_is_late(a) and verdict != "updated" and \
                self.choose("closed-before-the-block-was-committed"):
            a.started = False
            self._forget_start(a)
        if a.started:
            self.tell("flash/status", "success" if verdict == "updated" else "failed", cite=cite,
                      attempt=a, late=late, **fields)
        else:
            self.tell("attempt/closed", cite=cite, attempt=a, **fields)
        self.closed.append((a.index, verdict, charged))
        self.attempt = None
        self.last = (a, verdict)
        self._consequences(a, verdict, reason, charged, after, late, grade)

    def _consequences(self, a, verdict, reason, charged, after, late, grade):
        sha, policy = a.release.sha, self.product["policy"]
        if verdict == "updated":
            self.failed_attempt = None
        elif charged:
            self.failed_attempt = (a.index, sha)
        if verdict == "updated":
            self.fresh_next = False
        if verdict == "updated":
            self.in_a_row, self.wait, self.base_changes = 0, None, 0
            self.home, self.drifted = sha, False
            return
        if a.external and grade:
            self.home = sha             # that it runs it is sure
        elif verdict in ("base-changed", "rolled-back") or \
                after and verdict not in ("reverted", "interrupted"):   # those ran it last
            self.home = None            # what an attempt did is no drift
        if verdict in ("reverted", "rolled-back") or reason == "bad-digest" or \
                (verdict == "device-failed" and after):
            self.fresh_next = True
        if verdict == "base-changed":
            self.base_changes += 1
            if self.base_changes >= 5 and self.hold is None:
                self.hold_for("base-changes", "man VERDICTS")
        if charged or verdict == "refused":
            self.back_off(policy)
            self.deferred = not charged
        if charged:
            self._count(sha, verdict, reason, after, policy, late)

    def back_off(self, policy, until=None):
        wait = min(policy["backoff_s"] * 2 ** min(self.in_a_row, 30), policy["backoff_max_s"])
        self.in_a_row += 1
        self.wait = (self.now[0] + wait * 0.9, self.now[1] + wait * 1.1)
        if wait == 0:
            self.wait = None

    def _count(self, sha, verdict, reason, after, policy, late):
        self.failures[sha] = self.failures.get(sha, 0) + 1
        if verdict in ("reverted", "rolled-back") or (verdict == "device-failed" and after):
            self.reverts[sha] = self.reverts.get(sha, 0) + 1
        hold = None
        if verdict in words.VERDICT_HOLDS:
            hold = verdict
        elif reason in words.HOLDS_AT_ONCE:
            hold = reason
        elif self.reverts.get(sha, 0) >= policy["max_reverts"]:
            hold = "reverts"
        elif self.failures[sha] >= policy["max_failures"]:
            hold = "failures"
        if hold and self.hold is None:
            self.hold_for(hold, "7 held", late)

    # -- answers

    def answered(self, seen, want, cite):
        if seen != want:
            raise Mismatch("answer %s, expected %s (%s)" % (seen, want, cite))
