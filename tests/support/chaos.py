#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kills postbootd with SIGKILL at random instants under a fleet of emulated devices.

chaos.py --dir DIR [--devices N] [--seconds S] [--fleets N] [--seed N] [--pace S]

Around it go: fleets of postboot-device with faults and power cuts, each with a journal of what
really runs; an operator who changes targets, locks, adds, removes and cancels; a follower of the
event stream that resumes by its cursor. All that they were told is written down in DIR. At the
end the chaos stops, all devices become healthy, and must come to the target by themselves.
What was told is judged by chaos_check.py, from the files alone.

Needs POSTBOOTD and POSTBOOT_DEVICE in the environment. Exits with 1 and says why if anything
does not end as it should.
"""
import argparse
import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time

from free_port import free_port

VERSIONS = ["1.0.0", "1.1.0", "1.2.0", "1.3.0"]
IMAGE_BYTES = 30000
FAULTS = [
    "bootloader-reject", "cached", "liar:old-image", "liar:no-reboot", "updates-disabled",
    "defer:4", "never-reboot", "never-return", "crash-loop:2", "crash-loop:3,revert",
    "rollback-after:3", "wrong-label", "wrong-digest", "brown-out:before", "brown-out:after",
    "bad-flash:100", "old-boot", "no-gate-answer:2", "no-confirm", "loss:10", "dup:10",
    "reorder:20", "rebind:3", "fs-full:1", "fs-full:2", "power-loss:6", "power-cut:3000",
]


class Failure(Exception):
    pass


class Unix(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Lines:
    """A file of JSON lines that several threads append to."""

    def __init__(self, path):
        self.file = open(path, "a", encoding="utf-8", buffering=1)
        self.lock = threading.Lock()

    def put(self, **what):
        with self.lock:
            self.file.write(json.dumps({"at_ms": int(time.time() * 1000), **what}) + "\n")


class Daemon:
    def __init__(self, folder, rng, kills):
        self.dir, self.rng, self.kills = folder, rng, kills
        self.socket = folder + "/admin.sock"
        self.process = None
        self.killed = 0
        self.conf = folder + "/postbootd.conf"
        self.port = str(free_port())
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(f"state-dir = {folder}/state\nadmin-socket = {self.socket}\n"
                    f"listen = coaps://127.0.0.1:{self.port}\nhandshakes-per-second = 1000000\n")
        self.log = open(folder + "/postbootd.log", "ab")

    def start(self):
        self.process = subprocess.Popen([os.environ["POSTBOOTD"], "-c", self.conf],
                                        stdout=self.log, stderr=self.log)

    def api(self, method, path, body=None, raw=None, timeout=30):
        """Status and object; OSError or HTTPException if there is no answer."""
        c = Unix(self.socket, timeout)
        try:
            data, kind = raw, "application/octet-stream"
            if body is not None:
                data, kind = json.dumps(body).encode(), "application/json"
            c.request(method, path, data, {"Content-Type": kind} if data is not None else {})
            r = c.getresponse()
            text = r.read()
            return r.status, json.loads(text) if text else None
        finally:
            c.close()

    def ready(self, seconds=30):
        end = time.time() + seconds
        while time.time() < end:
            try:
                return self.api("GET", "/v1/status")[1]
            except (OSError, http.client.HTTPException):
                if self.process.poll() not in (None, -signal.SIGKILL):
                    raise Failure(f"postbootd ended by itself with {self.process.returncode}")
                time.sleep(0.02)
        raise Failure("postbootd does not answer")

    def kill(self):
        if self.process.poll() is not None:
            raise Failure(f"postbootd ended by itself with {self.process.returncode}")
        self.process.kill()
        self.process.wait()
        self.killed += 1
        self.kills.put(kill=self.killed)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired as late:
                self.process.kill()
                raise Failure("postbootd does not stop") from late
            if self.process.returncode:
                raise Failure(f"postbootd stopped with {self.process.returncode}")


class Told:
    """What an operator was told, and what may have happened besides.

    Each thing has the value that was acknowledged last, and the values that were asked for
    since and got no answer: they may hold or not, but only until the next look."""

    def __init__(self):
        self.value, self.perhaps = {}, {}

    def asked(self, key, value):
        self.value.setdefault(key, False if key[0] in ("device", "release") else None)
        self.perhaps.setdefault(key, []).append(value)

    def answered(self, key, value):
        self.value[key] = value
        self.perhaps.pop(key, None)

    def seen(self, key, value):
        allowed = [self.value[key]] + self.perhaps.get(key, [])
        if value not in allowed:
            raise Failure(f"{key} is {value!r}, told was {allowed}")
        self.answered(key, value)


class Operator(threading.Thread):
    """One act after the other; what is not answered is looked at before the next."""

    def __init__(self, daemon, ids, images, rng, acts, pace):
        super().__init__(name="operator")
        self.daemon_, self.ids, self.images, self.rng, self.acts = daemon, ids, images, rng, acts
        self.pace = pace
        self.told = Told()
        self.count = 0
        self.until = threading.Event()
        self.error = None

    def act(self, method, path, body=None, raw=None, key=None, value=None):
        """One act; True if it was acknowledged, None if there was no answer."""
        self.count += 1
        if key:
            self.told.asked(key, value)
        try:
            status, obj = self.daemon_.api(method, path, body, raw)
        except (OSError, http.client.HTTPException):
            self.acts.put(method=method, path=path, body=body, status=None)
            return None
        self.acts.put(method=method, path=path, body=body, status=status,
                      unchanged=bool(isinstance(obj, dict) and obj.get("unchanged")))
        if key and status // 100 == 2:
            self.told.answered(key, value)
        elif key and status != 503:  # refused: it did not happen, and nobody else acts
            self.told.perhaps[key].remove(value)
        return status // 100 == 2

    def look(self):
        """After a kill: everything told must be there."""
        self.daemon_.ready()
        for key in list(self.told.value):
            kind, name = key
            try:
                if kind == "target":
                    obj = self.daemon_.api("GET", "/v1/products/argon")[1]
                    self.told.seen(key, obj.get("target"))
                elif kind == "lock":
                    obj = self.daemon_.api("GET", f"/v1/devices/{name}")[1]
                    self.told.seen(key, obj.get("lock"))
                else:
                    path = (f"/v1/devices/{name}" if kind == "device" else
                            f"/v1/products/argon/releases/{name}")
                    self.told.seen(key, self.daemon_.api("GET", path)[0] == 200)
            except (OSError, http.client.HTTPException):
                return  # killed again; the next look sees it

    def target(self, version):
        return self.act("PUT", "/v1/products/argon/target", {"version": version},
                        key=("target", ""), value=version)

    def lock(self, device, version):
        if version:
            return self.act("POST", f"/v1/devices/{device}/lock", {"version": version},
                            key=("lock", device), value=version)
        return self.act("POST", f"/v1/devices/{device}/unlock", key=("lock", device), value=None)

    def release(self, version, there):
        if there:
            return self.act("POST", f"/v1/products/argon/releases?version={version}",
                            raw=os.urandom(self.rng.randrange(1, 200000)),
                            key=("release", version), value=True)
        return self.act("DELETE", f"/v1/products/argon/releases/{version}",
                        key=("release", version), value=False)

    def cancel_one(self):
        try:
            attempts = self.daemon_.api("GET", "/v1/attempts?open=1&limit=20")[1]["attempts"]
        except (OSError, http.client.HTTPException):
            return None
        if not attempts:
            return True
        return self.act("POST", f"/v1/attempts/{self.rng.choice(attempts)['id']}/cancel")

    def one(self):
        device = self.rng.choice(self.ids)
        what = self.rng.randrange(10)
        if what < 2:
            return self.target(self.rng.choice(VERSIONS[1:]))
        if what == 2:
            return self.lock(device, self.rng.choice(VERSIONS + [None]))
        if what == 3:
            return self.act("POST", f"/v1/devices/{device}/unhold")
        if what == 4:
            return self.act("POST", f"/v1/devices/{device}/" +
                            self.rng.choice(["force", "unforce", "hold", "unhold"]))
        if what == 5:
            return self.cancel_one()
        name = f"extra-{self.rng.randrange(6)}"
        if what < 8:
            there = self.told.value.get(("release", name), False)
            return self.release(name, not there)
        if self.told.value.get(("device", name), False):
            return self.act("DELETE", f"/v1/devices/{name}", key=("device", name), value=False)
        return self.act("POST", "/v1/devices",
                        {"id": name, "product": "argon", "psk_generate": True},
                        key=("device", name), value=True)

    def run(self):
        try:
            killed = self.daemon_.killed
            while not self.until.is_set():
                answered = self.one()
                if answered is None or self.daemon_.killed != killed:
                    killed = self.daemon_.killed
                    self.look()
                self.until.wait(self.rng.expovariate(1 / self.pace))
        except Exception as e:  # pylint: disable=broad-except
            self.error = e


class Follower(threading.Thread):
    """Writes down every whole line of the event stream, and resumes by its cursor."""

    def __init__(self, daemon, path):
        super().__init__(name="follower", daemon=True)
        self.daemon_ = daemon
        self.file = open(path, "a", encoding="utf-8")
        self.cursor = "0"
        self.resumed = 0
        self.until = None
        self.error = None

    def read(self, reply):
        rest = b""
        while True:
            got = reply.read1(65536)
            if not got:
                return
            *lines, rest = (rest + got).split(b"\n")
            for line in lines:
                if not line.strip():
                    continue
                event = json.loads(line)
                self.cursor = event["cursor"]
                self.file.write(line.decode() + "\n")
                self.file.flush()
                if self.until is not None and event["seq"] >= self.until:
                    return

    def follow(self):
        c = Unix(self.daemon_.socket, 60)
        try:
            c.request("GET", f"/v1/events?follow=1&after={self.cursor}")
            reply = c.getresponse()
            if reply.status != 200:
                raise Failure(f"events after {self.cursor}: {reply.status} {reply.read()}")
            self.resumed += 1
            self.read(reply)
        finally:
            c.close()

    def done(self):
        return self.until is not None and int(self.cursor.split(":")[-1]) >= self.until

    def run(self):
        while not self.done():
            try:
                self.follow()
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)
            except Failure as e:
                self.error = e
                return


class Fleet:
    """A process of devices that share their faults. Its end by SIGKILL is a power cut."""

    def __init__(self, folder, name, count, port, rng, wild):
        self.name, self.count, self.port, self.rng, self.wild = name, count, port, rng, wild
        self.dir = folder
        self.ids = [f"{name}-{i:05}" for i in range(1, count + 1)]
        self.process = None
        self.runs = 0
        with open(f"{folder}/{name}.psk", "w", encoding="utf-8") as f:
            self.keys = {i: "%032x" % rng.getrandbits(128) for i in self.ids}
            f.writelines(f"{i}:{k}\n" for i, k in self.keys.items())

    def start(self, faults):
        self.runs += 1
        self.process = subprocess.Popen(
            [os.environ["POSTBOOT_DEVICE"], "--server", f"coaps://127.0.0.1:{self.port}",
             "--id", self.name, "--count", str(self.count),
             "--psk-list", f"{self.dir}/{self.name}.psk", "--state", f"{self.dir}/{self.name}",
             "--image", f"{self.dir}/1.0.0.bin", "--hardware", "argon", "--interval", "2",
             "--ack-timeout", "1000", "--max-retransmit", "1", "--boot-time", "200",
             "--seed", str(self.runs), "--journal", f"{self.dir}/{self.name}.journal", "--quiet",
             *[a for f in faults for a in ("--fault", f)]],
            stderr=open(f"{self.dir}/{self.name}.err", "ab"))

    def draw(self):
        faults = []
        while self.wild and (not faults or self.rng.random() < 0.4):
            fault = self.rng.choice(FAULTS)
            if fault.split(":")[0] not in [f.split(":")[0] for f in faults]:
                faults.append(fault)
        return faults

    def power_cut(self, faults):
        self.kill()
        self.start(faults)

    def kill(self):
        if self.process:
            if self.process.poll() is not None:
                raise Failure(f"fleet {self.name} ended by itself: see {self.name}.err")
            self.process.kill()
            self.process.wait()


def image(path, version, rng):
    stamp = f"POSTBOOT-VERSION:{version}".encode() + b"\0"
    body = rng.randbytes(IMAGE_BYTES - 64)
    with open(path, "wb") as f:
        f.write(body + stamp + b"\xff" * (64 - len(stamp)))


def must(result, what):
    if result[0] // 100 != 2:
        raise Failure(f"{what}: {result}")
    return result[1]


def set_up(daemon, folder, fleets, rng):
    # Long enough that a healthy device on a busy machine gets on meanwhile.
    policy = {"backoff_s": 1, "backoff_max_s": 3, "stall_s": 120, "outage_grace_s": 5}
    must(daemon.api("POST", "/v1/products",
                    {"name": "argon", "hardware": "argon", "policy": policy}), "product")
    for version in VERSIONS:
        path = f"{folder}/{version}.bin"
        image(path, version, rng)
        with open(path, "rb") as f:
            must(daemon.api("POST", f"/v1/products/argon/releases?version={version}",
                            raw=f.read()), "release")
    for fleet in fleets:
        for device, key in fleet.keys.items():
            must(daemon.api("POST", "/v1/devices",
                            {"id": device, "product": "argon", "psk": key}), device)


def all_devices(daemon):
    rows, after = [], ""
    while True:
        page = daemon.api("GET", f"/v1/devices?limit=200{after}")[1]
        rows += page["devices"]
        if "next" not in page:
            return rows
        after = f"&after={page['next']}"


def converge(daemon, fleets, operator, version, seconds):
    """All devices of the fleets come to the version. An operator takes back what only an
    operator can: a hold, and the leave of a device that drifted."""
    ids = {i for f in fleets for i in f.ids}
    end = time.time() + seconds
    left = {}
    while time.time() < end:
        rows = {d["id"]: d for d in all_devices(daemon) if d["id"] in ids}
        left = {i: d for i, d in rows.items()
                if d["state"] != "in-sync" or d["running"]["version"] != version}
        if len(rows) == len(ids) and not left:
            return
        for i, d in left.items():
            if d["state"] == "held":
                operator.act("POST", f"/v1/devices/{i}/unhold")
            elif "drifted" in [b["name"] for b in d["blocked_by"]]:
                operator.act("POST", f"/v1/devices/{i}/force")
        time.sleep(0.5)
    some = [f"{i}: {d['state']} {[b['name'] for b in d['blocked_by']]}"
            for i, d in sorted(left.items())[:5]]
    raise Failure(f"{len(left)} devices have not come to {version}: {some}")


def chaos(daemon, fleets, operator, follower, rng, seconds, pace):
    """Kills until the time is over. A third of the kills hit the start."""
    end = time.time() + seconds
    next_cut = time.time() + seconds / 20
    while time.time() < end:
        if rng.random() < 0.33:
            wait = rng.uniform(0, 0.3)
        else:
            wait = rng.expovariate(1 / (pace * 1.5))
        time.sleep(min(wait, pace * 5))
        daemon.kill()
        for thread in (operator, follower):
            if thread.error:
                raise thread.error
        time.sleep(rng.uniform(0, 0.2))
        daemon.start()
        if time.time() > next_cut:
            fleet = rng.choice([f for f in fleets if f.wild])
            fleet.power_cut(fleet.draw())
            next_cut = time.time() + seconds / 20


def calm(daemon, fleets, operator, seconds):
    """Chaos is over: nothing is wrong with any device any more."""
    daemon.ready()
    operator.look()
    for row in all_devices(daemon):
        if row.get("lock"):
            operator.lock(row["id"], None)
        if row.get("force"):
            operator.act("POST", f"/v1/devices/{row['id']}/unforce")
    if not operator.target("1.3.0"):
        raise Failure("the last target was not accepted")
    for fleet in fleets:
        if fleet.wild:
            fleet.power_cut([])
    converge(daemon, fleets, operator, "1.3.0", seconds)


def finish(daemon, follower):
    """The follower reads to the end; back with the last status."""
    status = daemon.ready()
    follower.until = status["head"]
    if follower.until and not follower.done():
        follower.join(60)
    if follower.error:
        raise follower.error
    if not follower.done():
        raise Failure(f"the follower is at {follower.cursor}, the head at {follower.until}")
    return status


def run(args):
    folder, rng = args.dir, random.Random(args.seed)
    daemon = Daemon(folder, rng, Lines(folder + "/kills"))
    fleets, follower, status = [], None, {}
    operator = None
    try:
        daemon.start()
        daemon.ready()
        port = daemon.port
        share = args.devices // args.fleets
        # Every other fleet is never touched: its devices see only the daemon die.
        fleets = [Fleet(folder, f"f{n}", share, port, random.Random(args.seed * 1000 + n), n % 2)
                  for n in range(args.fleets)]
        set_up(daemon, folder, fleets, rng)
        ids = [i for f in fleets for i in f.ids]
        operator = Operator(daemon, ids, VERSIONS, random.Random(args.seed + 1),
                            Lines(folder + "/acts"), args.pace / 4)
        follower = Follower(daemon, folder + "/events")
        follower.start()
        operator.acts.put(begin=True)
        operator.target("1.1.0")
        for fleet in fleets:
            fleet.start(fleet.draw())
        operator.start()
        chaos(daemon, fleets, operator, follower, rng, args.seconds, args.pace)
        operator.until.set()
        operator.join()
        if operator.error:
            raise operator.error
        began = time.time()
        calm(daemon, fleets, operator, args.converge)
        print(f"converged in {time.time() - began:.1f} s")
        for fleet in fleets:
            fleet.process.send_signal(signal.SIGTERM)
            fleet.process.wait()
            fleet.process = None
        status = finish(daemon, follower)
        daemon.stop()
    finally:
        if operator:
            operator.until.set()
        for fleet in fleets:
            if fleet.process and fleet.process.poll() is None:
                fleet.process.kill()
                fleet.process.wait()
        if daemon.process and daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.wait()
    print(f"kills={daemon.killed} acts={operator.count} resumed={follower.resumed} "
          f"events={status['head']} updated={status['updated']} failed={status['failed']} "
          f"fleet_restarts={sum(f.runs - 1 for f in fleets)}")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--dir", required=True)
    p.add_argument("--devices", type=int, default=160)
    p.add_argument("--fleets", type=int, default=8)
    p.add_argument("--seconds", type=float, default=20)
    p.add_argument("--pace", type=float, default=2, help="seconds between kills, on average")
    p.add_argument("--converge", type=float, default=120)
    p.add_argument("--seed", type=int, default=int(time.time()))
    args = p.parse_args()
    print(f"seed={args.seed}", flush=True)
    try:
        run(args)
    except Failure as e:
        with open(args.dir + "/postbootd.log", encoding="utf-8", errors="replace") as f:
            tail = [line for line in f if re.match(r"<[0-4]>", line)][-10:]
        print(f"chaos: {e}\n{''.join(tail)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
