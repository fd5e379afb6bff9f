# SPDX-License-Identifier: Apache-2.0
"""A report: judged, and answered with a directive (TRUTH sections 3 and 4)."""

import words
from ends import Ends
from world import Attempt, Mismatch


class Reports(Ends):
    # -- what a report says about a release

    @staticmethod
    def comparable(release, image):
        return image[1] is not None and image[1][0] in release.running

    def is_on(self, release, image):
        """on_target: comparable digests decide if known, else the version."""
        if self.comparable(release, image):
            return release.running[image[1][0]] == image[1][1]
        return image[0] == release.version

    def target(self):
        version = self.lock or self.product["target"]
        return self.product["releases"].get(version) if version else None

    # -- the report

    def report(self, r, session_at, answer):
        """r: the map as it was sent; answer: (code, directive)."""
        kind = self.boot_of(r.get(0), r.get(1), session_at)
        if kind == "stale":             # a late one changes nothing, not even "online" (3 Boots)
            self.directive_of_stale(answer)
            return
        self.heard()
        fresh_boot = kind == "new"
        if fresh_boot:
            self.new_boot(r)
        self._facts(r)
        image = (r[2], tuple(r[3]) if 3 in r else None)
        mode = r.get(16, words.APPLICATION)
        if self.boot["first"] in (None, image):
            self.shown_image = image
        believed = mode != words.UPDATER
        if believed:
            if self.boot["first"] is None:
                self.boot["first"] = image
                self.running = image
            elif self.boot["first"] != image:
                believed = False        # claim-without-reboot
                image = self.boot["first"]
        if self.attempt:
            self.heard_of_attempt()
        if self.unseen_target and (self.wait or self.in_a_row) and self.choose("target-seen-now"):
            self.in_a_row, self.wait, self.fresh_next, self.failed_attempt = 0, None, False, None
        self.supersede()
        had_attempt = self.attempt is not None
        if believed and self.attempt:
            self._judge(r, image, mode)
        if mode != words.UPDATER and self.boot["first"] is not None:
            self._settle(image, had_attempt)
        self._plan(r, image, mode, believed, had_attempt, answer)

    def _facts(self, r):
        if 7 in r and r[7] != self.enabled:
            if self.enabled is not None or not r[7]:
                self.tell("updates/enabled", "true" if r[7] else "false", cite="8")
            self.enabled = r[7]
        self.facts = r

    # -- evidence

    def _items(self, a, r, image):
        """What this report shows of the attempt's evidence (the table of section 3)."""
        items = []
        if self.boot_seq > a.base_boot:
            items.append("new-boot")
        if image[0] == a.release.version:
            items.append("version")
        if self.comparable(a.release, image) and a.release.running[image[1][0]] == image[1][1]:
            items.append("digest")
        if r.get(4) is True:
            items.append("confirmed")
        if "stable" in a.required and self._stable(a, r):
            items.append("stable")
        return items

    def _stable(self, a, r):
        probation = self.product["policy"]["probation_s"]
        if 18 in r:
            return r[18] >= probation
        if a.on_target_at is None:
            return probation == 0
        return self.reached("probation", (a.on_target_at[0] + probation,
                                          a.on_target_at[1] + probation))

    def _judge(self, r, image, mode):
        a = self.attempt
        if self.boot_seq <= a.base_boot:
            return
        newer = self.boot_seq > a.judged_boot
        a.judged_boot = self.boot_seq
        on_target = self.is_on(a.release, image)
        base = (a.baseline["version"], a.baseline["digest"])
        a.external = not a.handed_over
        if on_target:
            self._on_target(a, r, image, mode, newer)
        elif a.state == "probation":
            self.close("rolled-back", "5 rolled-back")
        elif image == base:
            if newer:
                self._on_baseline(a, r)
            else:
                a.external = False
        elif not a.handed_over:
            self.close("base-changed", "5 earlier it is base-changed")
        elif image[0] == a.release.version:
            self.close("digest-mismatch", "5 right label, other bytes")
        else:
            self.close("unexpected-version", "5 after hand-over")

    def _on_target(self, a, r, image, mode, newer):
        if image[0] != a.release.version:
            if a.handed_over or a.state == "probation":
                self.close("label-mismatch", "5 the digest is the target's, the label differs")
            else:
                self.close("base-changed", "5 earlier it is base-changed")
            return
        was = a.state
        if was == "probation":
            a.heard = a.heard_surely = True
        if newer and was == "probation" and r.get(5) in words.UNCLEAN:
            a.unclean += 1              # the resets of a gap are counted, but why they were is unknown
            a.on_target_at = None
        if a.on_target_at is None:
            a.on_target_at = self.now
        a.shown = self._items(a, r, image)
        a.confirm_said = r.get(4)
        if a.unclean >= self.product["policy"]["unstable_resets"]:
            self.close("unstable", "5 k unclean resets in probation")
            return
        grade = self._grade(a)
        weak_refused = grade == "weak" and not self.product["policy"]["allow_weak"]
        if mode == words.APPLICATION and all(item in a.shown for item in a.required):
            self.close("unproven" if weak_refused else "updated",
                       "3 one report shows every required item", grade=grade)
            return
        self.enter("probation")

    def _grade(self, a):
        if a.external or self.plain or self.backwards:
            return "weak"
        if "digest" in a.shown and ("confirmed" in a.shown or "stable" in a.required and
                                    "stable" in a.shown):
            return "strong"
        return "standard"

    def _on_baseline(self, a, r):
        record = r.get(6)
        named = record and record[0] == self.ids[a.index]
        reason = words.REASONS[record[2]] if named else "none"
        stage = record[1] if named else 0
        a.external = False
        if reason != "none" and a.handed_over:
            self.close("device-failed", "4 if it names a failure, that reason is the verdict's",
                       reason=reason)
            return
        if a.handed_over and stage not in (1, 2):
            self.close("reverted", "4 boot on baseline in applying")
            return
        a.interruptions += 1
        if a.interruptions > self.product["policy"]["max_interruptions"]:
            self.close("interrupted", "4 interrupted, at most 3 times")
            return
        if a.handed_over:
            a.handed_over = False
            self.enter("verified")

    # -- after the verdict

    def _settle(self, image, had_attempt):
        """On the target without an attempt: converged, home. Away from home: drift."""
        target = self.target()
        if had_attempt and self.attempt is not None:
            return
        at_home = target is not None and self.is_on(target, image)
        if self.failed_attempt:
            index, sha = self.failed_attempt
            if at_home and target.sha == sha and not had_attempt:
                self.failed_attempt = None
                self.in_a_row, self.wait = 0, None
                self.batches[-1].append(dict(
                    topic="device/converged", data="", cite="5 converged", late=False,
                    attempt=index, fields={}))
        if at_home:
            self.home, self.drifted = target.sha, False
            return
        if self.home is None or self.drifted or had_attempt:
            return
        home = [x for x in self.product["releases"].values() if x.sha == self.home]
        if not self.is_on(home[0], image):
            self.home, self.drifted = None, True
            self.tell("device/drift", cite="5 leaves its release without an attempt",
                      running=image[0])

    # -- the directive

    def _blocks(self, r, image, believed):
        target = self.target()
        if not believed and self.boot["first"] is None:
            return ["no-baseline"]
        if target is None:
            return ["no-target"]
        out = []
        if self.is_on(target, image):
            return ["in-sync"]
        if self.hold:
            out.append("held")
        if self.drifted and not self.product["policy"]["on_drift_reapply"]:
            out.append("drifted")
        if self.product["hardware"] and r.get(12) not in (None, "", self.product["hardware"]):
            out.append("hardware-mismatch")
        if 10 in r and r[10] < target.size:
            out.append("preflight-space")
        if self._unprovable(target, image):
            out.append("unprovable")
        if self.enabled is False and not self.forced:
            out.append("updates-disabled")
        if out in ([], ["updates-disabled"]) and not self.reached("back-off", self.wait):
            out.append("deferred-by-device" if self.deferred else "retry-backoff")
        return out

    def _needs_digest(self, target, image):
        policy = self.product["policy"]["require_digest"]
        if policy == 1 or image[0] == target.version:
            return True
        return policy == -1 and image[1] is not None and "no-digest" not in target.reports

    def _unprovable(self, target, image):
        if image[0] == target.version and (not self.comparable(target, image) or
                                           "no-digest" in target.reports):
            return True
        return self._needs_digest(target, image) and image[1] is not None and \
            image[1][0] not in target.running

    def _plan(self, r, image, mode, believed, had_attempt, answer):
        self.told, self.aside = self.target(), None
        self.unseen_target = False
        code, directive = answer
        if code is None:                # the answer was lost
            directive = None
        elif code != "2.04":
            raise Mismatch("a report is answered %s" % code)
        if self.attempt is None and had_attempt and not self._replans():
            blocks = self._blocks(r, image, believed)
            self._pend(blocks == ["updates-disabled"])
        elif self.attempt is None:
            blocks = self._blocks(r, image, believed)
            if not blocks:
                self._offer(r, image)
            self._pend(bool(blocks) and set(blocks) <= {"updates-disabled", "deferred-by-device"})
        if directive is not None:
            self._check_directive(directive)

    def _replans(self):
        """Nothing but the end of the attempt stood in the way of another one. After a failure
        that is charged it is the next report that is answered with the next offer."""
        return not self.closed[-1][2]

    def _pend(self, pending):
        if pending != self.pending:
            self.pending = pending
            self.tell("updates/pending", "true" if pending else "false", cite="7 pending")

    def _offer(self, r, image):
        target, policy = self.target(), self.product["policy"]
        baseline = {"version": image[0], "digest": image[1], "boot_seq": self.boot_seq}
        self.ids.append(None)
        a = self.attempt = Attempt(len(self.ids) - 1, target, baseline)
        a.required = ["new-boot", "version"]
        if self._needs_digest(target, image):
            a.required.append("digest")
        if policy["require_confirm"] == 1 or (
                policy["require_confirm"] == -1 and 4 in r and "no-confirm" not in target.reports):
            a.required.append("confirmed")
        if policy["probation_s"]:
            a.required.append("stable")
        a.fresh = self.fresh_next and bool(r.get(17, 0) & words.CAN_FRESH)
        self.arm()
        a.total = (self.now[0] + policy["total_s"], self.now[1] + policy["total_s"])

    def _check_directive(self, d):
        want = 2 if self.attempt else 1 if self.pending else 0
        if self.attempt and self.attempt.state == "probation":
            want = 0                    # it has done what it was told
        if d.get(0) != want:
            raise Mismatch("directive %d, expected %d" % (d.get(0), want))
        if want == 0:
            return
        release = self.attempt.release if self.attempt else self.target()
        if release is None:
            raise Mismatch("directive %d without a target" % d[0])
        if d[2] != release.version:
            raise Mismatch("directive for %s, expected %s" % (d[2], release.version))
        if want == 1:
            return
        a = self.attempt
        if not self.bind(a.index, d[1]):
            raise Mismatch("directive of attempt %d, expected %d" % (d[1], self.ids[a.index]))
        if (d[3], d[4], d[5]) != (release.size, release.sha, "/fw/" + release.sha.hex()[:16]):
            raise Mismatch("directive of another image")
        flags = d.get(6, 0)
        if bool(flags & words.FLAG_FRESH) != a.fresh:
            raise Mismatch("flag fresh is %d, expected %d (7)" % (flags & 1, a.fresh))
        if bool(flags & words.FLAG_FORCE) != self.forced:
            raise Mismatch("flag force is %d, expected %d (7)" % (flags >> 1 & 1, self.forced))

    def directive_of_stale(self, answer):
        """A late report changes nothing; what it is answered is not fixed, but never an update
        that is not open."""
        code, directive = answer
        if code is None:
            return
        if directive and directive.get(0) == 2:
            self._check_directive(directive)
