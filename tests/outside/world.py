# SPDX-License-Identifier: Apache-2.0
"""What one device, its attempt and its product are, as TRUTH.md tells it; and the set of worlds
that are still possible.

A world is a value: it is copied before each act. Where the text leaves two outcomes (an act that
meets a deadline, a request whose answer was lost, a jittered wait) the act is tried both ways,
and what the server answers and tells decides which of them is kept. When none is left, model and
server disagree.
"""

import pickle


class Mismatch(Exception):
    """This world cannot be the one that was seen."""


class Release:
    def __init__(self, version, image, sha, running, reports):
        self.version, self.image, self.sha = version, image, sha
        self.size = len(image)
        self.running, self.reports = running, reports

    def most(self):
        """What one attempt may be served of it (PROTOCOL, man)."""
        return max(3 * self.size, self.size + 65536)

    def light(self):
        """As worlds keep it: without its bytes."""
        out = Release(self.version, b"", self.sha, self.running, self.reports)
        out.size = self.size
        return out


class Attempt:
    """TRUTH section 4."""

    def __init__(self, index, release, baseline):
        self.index, self.release, self.baseline = index, release, baseline
        self.state = "offered"
        self.base_boot = baseline["boot_seq"]
        self.required = []
        self.started = False
        self.handed_over = False        # "applying" was committed, and not taken back
        self.external = False
        self.fresh = False
        self.cancelling = False
        self.served = self.served_surely = 0    # a kill may forget some
        self.served_top = self.top_surely = 0
        self.received = 0
        self.quarter = 0
        self.interruptions = 0
        self.judged_boot = baseline["boot_seq"]
        self.heard = self.heard_surely = False
        self.stall = self.total = self.stall_surely = self.stall_before = None
        self.shown = []
        self.confirm_said = None
        self.on_target_at = None
        self.unclean = 0


class World:
    """The facts of one device. Handlers of acts are in the classes that inherit this one."""

    def __init__(self, name, plain, product):
        self.name, self.plain = name, plain
        self.product = product          # name, hardware, policy, releases by version, target
        self.lock = None
        self.removed = False
        self.disabled = False
        # the device
        self.online = False
        self.boot = None                # {"key", "count", "first": the image, "at"}
        self.boot_seq = 0
        self.replaced = {}              # boot id -> time of its replacement, [lo, hi]
        self.strikes = 0
        self.backwards = False
        self.running = None
        self.shown_image = None
        self.enabled = None
        self.forced = False
        self.pending = False
        self.drifted = False
        self.home = None                # the SHA-256 of the release it was last seen on as target
        self.hold = None
        self.failures, self.reverts = {}, {}
        self.in_a_row = 0
        self.wait = None                # no offer before: [lo, hi]
        self.base_changes = 0
        self.fresh_next = False
        self.deferred = False
        self.told = None                # the target at its last report
        self.aside = None
        self.unseen_target = False
        self.failed_attempt = None      # (index, sha): "converged" may follow
        self.deferring_since = None
        self.seqs = {}
        self.attempt = None
        self.ids = []                   # attempt ids by index; None: not known yet
        self.closed = []                # (index, verdict, charged)
        self.back = (0, (0, 0))         # the server came back then, after such a gap
        self.supersedes, self.aimed = False, None
        # the act under way
        self.now = (0, 0)
        self.batches = []
        self.prefix, self.taken = [], []
        self.why = ""

    # -- choices

    def choose(self, name, count=2):
        """A number below count; the other ones are tried, too."""
        at = len(self.taken)
        pick = self.prefix[at] if at < len(self.prefix) else 0
        self.taken.append((name, pick, count))
        return pick

    def reached(self, name, when):
        """Whether the moment [lo, hi] has come at this act."""
        if when is None or when[1] <= self.now[0]:
            return True
        if when[0] > self.now[1]:
            return False
        return self.choose(name) == 0

    def choices(self):
        return "".join(" [%s: %d]" % t[:2] for t in self.taken if t[2] > 1)

    # -- events

    def tell(self, topic, data="", cite="", attempt=None, late=False, **fields):
        """late: it need not be committed when the device is answered."""
        self.batches[-1].append(dict(topic=topic, data=data, cite=cite, late=late,
                                     attempt=attempt.index if attempt else None, fields=fields))

    def _next_batch(self):
        """What is late may come with a later batch."""
        first = self.batches.pop(0)
        self.batches[0][:0] = first

    def bind(self, index, number):
        if self.ids[index] is None:
            if number in self.ids:
                raise Mismatch("attempt %d is told twice" % number)
            self.ids[index] = number
        return self.ids[index] == number

    def _fits(self, want, event):
        if (want["topic"], want["data"]) != (event["topic"], event["data"]):
            return "topic"
        if want["attempt"] is None:
            if "attempt" in event:
                return "names an attempt"
        elif self.ids[want["attempt"]] not in (None, event.get("attempt")):
            return "names another attempt than %s" % self.ids[want["attempt"]]
        for key, value in want["fields"].items():
            seen = event.get(key)
            if isinstance(value, frozenset):
                if seen not in value:
                    return "%s is %r, not one of %r" % (key, seen, sorted(map(str, value)))
            elif seen != value:
                return "%s is %r, not %r" % (key, seen, value)
        return None

    def saw(self, event):
        """Takes the next event of the stream, or raises Mismatch."""
        reasons = []
        while self.batches and not self.batches[0]:
            self.batches.pop(0)
        if not self.batches:
            raise Mismatch("nothing more was expected, seen %s %s" % (event["topic"], event["data"]))
        for want in list(self.batches[0]):
            problem = self._fits(want, event)
            if problem is None:
                self._in_order(want, self.batches[0])
                if want["attempt"] is not None:
                    self.bind(want["attempt"], event["attempt"])
                self.batches[0].remove(want)
                return
            if problem != "topic":
                reasons.append("%s %s (%s): %s" % (want["topic"], want["data"], want["cite"], problem))
        if len(self.batches) > 1 and all(want["late"] for want in self.batches[0]):
            self._next_batch()
            self.saw(event)
            return
        raise Mismatch("seen %s %s %s; expected now: %s" % (
            event["topic"], event["data"], "; ".join(reasons),
            ", ".join("%s %s (%s)" % (w["topic"], w["data"], w["cite"]) for w in self.batches[0])))

    @staticmethod
    def _in_order(want, batch):
        """I1, I2: within one commit, too, the proof stands before what it proves."""
        if want["topic"] == "flash/status" and want["data"] in ("success", "failed"):
            for other in batch:
                if other["topic"] == "device/boot" or other["data"] == "started":
                    raise Mismatch("%s stands before %s %s" % (want["data"], other["topic"],
                                                               other["data"]))

    def owed(self, late=True):
        return [want for batch in self.batches for want in batch if late or not want["late"]]


class TooMany(Exception):
    """The script is too near the edges: nothing more can be said of it."""


def explore(worlds, act, limit=200):
    """All worlds that the act may lead to, and why the others are impossible."""
    out, reasons, seen = [], [], set()
    for world in worlds:
        frozen = pickle.dumps(world, -1)
        pending = [[]]
        while pending:
            prefix = pending.pop()
            w = pickle.loads(frozen)
            w.prefix, w.taken = prefix, []
            w.batches.append([])
            problem = None
            try:
                act(w)
            except Mismatch as e:
                problem = "%s%s" % (e, w.choices())
            for i in range(len(prefix), len(w.taken)):
                for other in range(1, w.taken[i][2]):
                    pending.append([t[1] for t in w.taken[:i]] + [other])
            if problem:
                reasons.append(problem)
                continue
            w.history = getattr(w, "history", []) + [t for t in w.taken if t[2] > 1]
            w.prefix, w.taken = [], []
            key = pickle.dumps({k: v for k, v in vars(w).items() if k not in ("history", "now")},
                               -1)
            if key not in seen:
                seen.add(key)
                out.append(w)
    if len(out) > limit:
        raise TooMany("%d worlds" % len(out))
    return out, reasons
