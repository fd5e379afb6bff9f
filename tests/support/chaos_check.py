#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Judges a run of chaos.py from outside: chaos_check.py DIR.

Reads the database with its own SQLite, what the follower of the events got, what the operator
was told, and the devices' journals of what really ran. Prints every contradiction; exits with 1
if there is any, or if too little happened to say anything.
"""
import bisect
import datetime
import glob
import hashlib
import json
import re
import sqlite3
import sys

# The device writes its journal after the answer, the server its time before the commit, and a
# report may wait behind a commit.
SLACK_MS = 3000
ANSWER_MS = 30000
TEXT_MAX = 500
# What a device's journal says right after a boot, if there was a hand-over before it.
HANDED_OVER = (["updated"], ["reverted"])


class Judge:
    def __init__(self, folder):
        self.dir = folder
        self.wrong = []
        self.db = sqlite3.connect(f"file:{folder}/state/postboot.db?mode=ro", uri=True)
        self.db.row_factory = sqlite3.Row
        self.events = [json.loads(line) for line in open(folder + "/events", encoding="utf-8")]
        self.attempts = {r["id"]: r for r in self.db.execute("SELECT * FROM attempt")}
        self.journal = {}
        for path in glob.glob(folder + "/*.journal"):
            for line in open(path, encoding="utf-8"):
                if line.endswith("}\n"):  # the last one may have met a power cut
                    entry = json.loads(line)
                    self.journal.setdefault(entry["device"], []).append(entry)

    def say(self, text):
        self.wrong.append(text)

    def same(self, what, a, b):
        if a != b:
            self.say(f"{what}: {a!r}, should be {b!r}")

    def database(self):
        for pragma in ("integrity_check", "foreign_key_check"):
            rows = [tuple(r) for r in self.db.execute(f"PRAGMA {pragma}")]
            self.same(pragma, rows, [("ok",)] if pragma == "integrity_check" else [])

    def sequence(self):
        """No gap, no double; what was followed is what is stored."""
        stored = list(self.db.execute("SELECT * FROM event ORDER BY seq"))
        head = self.db.execute("SELECT value FROM meta WHERE key = 'head'").fetchone()[0]
        self.same("stored events", [r["seq"] for r in stored], list(range(1, head + 1)))
        self.same("followed events", [e["seq"] for e in self.events], list(range(1, head + 1)))
        self.same("streams", len({e["stream"] for e in self.events}), 1)
        for row, e in zip(stored, self.events):
            told = (e["topic"], e["data"], e.get("device", ""), e.get("attempt", 0))
            kept = (row["topic"], row["data"], row["device"], row["attempt"])
            self.same(f"event {row['seq']}", told, kept)
            for key, value in json.loads(row["json"]).items():
                self.same(f"event {row['seq']} {key}", e.get(key), value)

    def verdicts(self):
        """Every started is followed by exactly one end of its attempt, and one at a time."""
        started, ended, open_of = {}, {}, {}
        for e in self.events:
            if e["topic"] not in ("flash/status", "attempt/closed"):
                continue
            a, d = e["attempt"], e["device"]
            if e["data"] == "started":
                if a in started or a in ended:
                    self.say(f"attempt {a} started twice, or after its end")
                if d in open_of:
                    self.say(f"{d}: attempt {a} started while {open_of[d]} was open")
                started[a] = e
                open_of[d] = a
                continue
            if a in ended:
                self.say(f"attempt {a} has two ends")
            if (e["topic"] == "flash/status") != (a in started):
                self.say(f"attempt {a} ended as {e['topic']}, started: {a in started}")
            ended[a] = e
            open_of.pop(d, None)
        for a, row in self.attempts.items():
            end = ended.get(a)
            self.same(f"attempt {a} closed", row["state"] == "closed", end is not None)
            if end:
                self.same(f"attempt {a} verdict", end["verdict"], row["verdict"])
                # Found on target before anything began: somebody else's work, no flash/status.
                self.same(f"attempt {a} success", end["data"] == "success",
                          row["verdict"] == "updated" and a in started)
                if row["verdict"] == "updated" and a not in started:
                    self.same(f"attempt {a} via", row["via"], "external")
        for a in ended:
            if a not in self.attempts:
                self.say(f"attempt {a} has an end and no row")
        return started, ended

    def taken_back(self, entries, row):
        """Each leave to apply that the device got ended in a boot before its hand-over, and the
        server has heard so: it went back to verified, as an interruption (TRUTH 4)."""
        opened = [i for i, e in enumerate(entries)
                  if e["event"] == "applying" and e["attempt"] == row["id"]]
        heard = row["interruptions"] + (row["verdict"] == "interrupted")
        for i in opened:
            after = [e["event"] for e in entries[i + 1:]]
            boot = after.index("boot") if "boot" in after else len(after)
            if after[boot:boot + 1] != ["boot"] or after[boot + 1:boot + 2] in HANDED_OVER:
                return False
        return heard >= len(opened)

    def answers(self):
        """What a device was told is in the database."""
        count = 0
        for device, entries in self.journal.items():
            for e in entries:
                a, row = e.get("attempt"), self.attempts.get(e.get("attempt"))
                if e["event"] not in ("offered", "applying", "refused", "deferred", "failed"):
                    continue
                count += 1
                if not row or row["device"] != device:
                    self.say(f"{device}: {e['event']} of attempt {a}, which is not there")
                elif e["event"] == "applying" and not row["rung_applying_ms"]:
                    if not self.taken_back(entries, row):
                        self.say(f"{device}: the gate opened for {a}, and nobody knows")
                elif e["event"] in ("refused", "deferred", "failed") and row["state"] != "closed":
                    self.say(f"{device}: {a} was {e['event']}, and is {row['state']}")
        return count

    def successes(self):
        """No success but of an image that really ran then, in a boot after the offer."""
        boots, offers, count = {}, {}, 0
        for device, entries in self.journal.items():
            boots[device] = [e for e in entries if e["event"] == "boot"]
            offers.update({e["attempt"]: e for e in entries if e["event"] == "offered"})
        for e in self.events:
            if e["topic"] != "flash/status" or e["data"] != "success":
                continue
            count += 1
            device, a = e["device"], e["attempt"]
            if a not in self.attempts:
                continue  # verdicts() has said so
            at = millis(e["time"])
            mine = boots.get(device, [])
            last = bisect.bisect_right([b["at_ms"] for b in mine], at) - 1
            near = mine[max(last, 0):last + 1]
            if last > 0 and mine[last]["at_ms"] > at - SLACK_MS:
                near = mine[last - 1:last + 1]  # it rebooted while its report was judged
            sha256 = self.attempts[a]["sha256"].hex()
            offered = offers[a]["at_ms"] if a in offers else 0
            if not any(b.get("sha256") == sha256 and b["at_ms"] > offered for b in near):
                self.say(f"{device}: success of {a} at {at}, but there ran " +
                         str([(b["version"], b["at_ms"]) for b in near]))
        return count

    def running(self):
        """At the end the server knows of each device what it really runs."""
        for row in self.db.execute("SELECT * FROM device WHERE has_report = 1"):
            last = [e for e in self.journal.get(row["id"], []) if e["event"] == "boot"][-1:]
            if not last:
                self.say(f"{row['id']} has reported, and never booted")
                continue
            self.same(f"{row['id']} runs", row["report_version"], last[0]["version"])
            self.same(f"{row['id']} boot id", row["report_boot_id"].hex(), last[0]["boot_id"])
            self.same(f"{row['id']} image", row["report_digest"].hex(), last[0]["sha256"])

    def healthy(self, ended):
        """Devices that saw only the server die were never blamed for it."""
        count = 0
        for a, e in ended.items():
            fleet = int(e["device"][1:].split("-")[0]) if e["device"][0] == "f" else 1
            count += fleet % 2 == 0
            if fleet % 2 == 0 and e["charged"]:
                self.say(f"{e['device']}: healthy, and {a} ended as {e['verdict']}")
        return count

    def images(self):
        for row in self.db.execute("SELECT version, sha256 FROM release"):
            path = f"{self.dir}/state/images/{row['sha256'].hex()}"
            with open(path, "rb") as f:
                self.same(f"image of {row['version']}",
                          hashlib.sha256(f.read()).hexdigest(), row["sha256"].hex())

    def proved(self):
        """The service itself says of each success, once, what has proved it."""
        rows = [dict(r) for r in self.db.execute("SELECT * FROM audit WHERE act = 'update proved'")]
        self.same("who tells proofs", {r["who"] for r in rows} - {"postbootd"}, set())
        self.same("proofs", sorted(json.loads(r["after"])["attempt"] for r in rows),
                  sorted(i for i, a in self.attempts.items() if a["verdict"] == "updated"))

    def acts(self):
        """Every act that was acknowledged is in the audit log, once; and nothing else is."""
        acts = [json.loads(line) for line in open(self.dir + "/acts", encoding="utf-8")]
        begin, acts = acts[0]["at_ms"], acts[1:]
        rows = [dict(r) for r in self.db.execute("SELECT * FROM audit ORDER BY seq")]
        self.same("audit", [r["seq"] for r in rows], list(range(1, len(rows) + 1)))
        rows = [r for r in rows if r["at_ms"] >= begin]
        for act in acts:
            act["name"], act["object"] = named(act)
        for act in acts:
            if act["status"] is None or act["status"] // 100 != 2:
                continue
            mine = [r for r in rows if r["object"] == act["object"] and r["at_ms"] <= act["at_ms"]]
            new = [r for r in mine if r["act"] == act["name"] and "used" not in r and
                   r["at_ms"] > act["at_ms"] - ANSWER_MS]
            if new:
                new[-1]["used"] = True
            elif not act["unchanged"] and not (mine and repeats(act, mine[-1])):
                self.say(f"{act['name']} {act['object']} was acknowledged, and is not in the audit")
        for row in rows:
            if "used" in row or row["act"] == "update proved":
                continue
            asked = [a for a in acts if (a["name"], a["object"]) == (row["act"], row["object"]) and
                     a["status"] is None and row["at_ms"] <= a["at_ms"]]
            if not asked:
                self.say(f"audit {row['seq']}: nobody asked for {row['act']} {row['object']}")
        self.proved()
        return acts


    def story(self, attempt):
        """What the device and the server wrote of it, for whoever looks into a complaint."""
        row = self.attempts[attempt]
        print(f"-- attempt {attempt}: {dict(row)}")
        for e in self.journal.get(row["device"], []):
            if e.get("attempt") == attempt or e["event"] in ("boot", "reset"):
                if e["event"] not in ("reported", "confirmed"):
                    print(f"-- device {json.dumps(e)}")
        with open(self.dir + "/postbootd.log", encoding="utf-8", errors="replace") as f:
            for line in f:
                if f"attempt={attempt} " in line:
                    print(f"-- server {line.rstrip()}")


def named(act):
    """The act and its object, as the audit log calls them."""
    path = act["path"].replace("?version=", "/").split("/")[2:]
    if path[0] == "attempts":
        return "attempt cancel", path[1]
    if path[0] == "products" and path[2] == "target":
        return "product target", path[1]
    if path[0] == "products":
        what = "remove" if act["method"] == "DELETE" else "add"
        return f"release {what}", f"{path[1]} {path[3]}"
    if len(path) == 1:
        return "device add", act["body"]["id"]
    return f"device {path[2] if len(path) > 2 else 'remove'}", path[1]


def repeats(act, row):
    """An act that found its work done by the row leaves no row of its own."""
    after = json.loads(row["after"]) if row["after"] else {}
    body = act.get("body") or {}
    return row["act"] == act["name"] and all(v in after.values() for v in body.values())


def millis(text):
    t = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return round(t.timestamp() * 1000)


def main():
    j = Judge(sys.argv[1])
    j.database()
    j.sequence()
    started, ended = j.verdicts()
    answers = j.answers()
    successes = j.successes()
    j.running()
    healthy = j.healthy(ended)
    j.images()
    acts = j.acts()
    for text in j.wrong[:20]:
        print(f"wrong: {text[:TEXT_MAX]}")
    if len(j.wrong) > 20:
        print(f"... and {len(j.wrong) - 20} more")
    told = [int(n) for text in j.wrong for n in re.findall(r"\b\d+\b", text)]
    for attempt in [n for n in dict.fromkeys(told) if n in j.attempts][:3]:
        j.story(attempt)
    kinds = {}
    for e in ended.values():
        kinds[e["verdict"]] = kinds.get(e["verdict"], 0) + 1
    print(f"events={len(j.events)} started={len(started)} ended={len(ended)} "
          f"successes={successes} healthy_ends={healthy} answers={answers} "
          f"acts={sum(a['status'] is not None for a in acts)} "
          f"acts_unanswered={sum(a['status'] is None for a in acts)} wrong={len(j.wrong)}")
    print(" ".join(f"{k}={v}" for k, v in sorted(kinds.items(), key=lambda kv: -kv[1])))
    if not (started and successes and answers and healthy):
        print("wrong: too little happened")
        return 1
    return 1 if j.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
