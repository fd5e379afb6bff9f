#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""fdstore.py FOLDER COMMAND...: a service manager with a store of file descriptors, as far as
sessions go, and with a UDP socket of its own for devices. Runs COMMAND with both, forwards SIGTERM
to it, keeps what it stores, and runs it once more when it has ended and FOLDER/again is there. Its
messages go to FOLDER/told, one a line. With STORE=no it keeps none."""
import array
import os
import signal
import socket
import sys
import time

folder, command = sys.argv[1], sys.argv[2:]
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.bind(folder + "/notify")
sock.settimeout(0.05)
devices = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
devices.bind(("127.0.0.1", 0))
try:  # as a socket unit has it; a user gets what net.core.rmem_max allows
    devices.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
except PermissionError:
    devices.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
store = []
child = 0


def tell(text):
    with open(folder + "/told", "a", encoding="ascii") as told:
        told.write(text + "\n")


def receive():
    data, ancillary, _, _ = sock.recvmsg(4096, socket.CMSG_LEN(64))
    fds = []
    for _, kind, content in ancillary:
        if kind == socket.SCM_RIGHTS:
            numbers = array.array("i")
            numbers.frombytes(content[: len(content) - len(content) % 4])
            fds += numbers
    lines = data.decode().split("\n")
    for line in lines:
        if not line.startswith(("STATUS=", "WATCHDOG=")):
            tell(line)
    if "FDSTORE=1" in lines and os.environ.get("STORE") != "no":
        store.extend(fds)
        return
    if "FDSTOREREMOVE=1" in lines:
        while store:
            os.close(store.pop())
    for fd in fds:  # BARRIER=1: whoever waits sees it closed
        os.close(fd)


def run():
    pid = os.fork()
    if pid:
        return pid
    env = dict(os.environ, NOTIFY_SOCKET=folder + "/notify")
    passed = [devices.fileno()] + store
    for i, fd in enumerate(passed):
        os.dup2(fd, 100 + i)
    for i in range(len(passed)):
        os.dup2(100 + i, 3 + i)
        os.close(100 + i)
    env.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(passed)),
               LISTEN_FDNAMES=":".join(["coaps"] + ["postboot-sessions"] * len(store)))
    os.execve(command[0], command, env)


signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
while True:
    tell(f"start with={len(store)}")
    child = run()
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        try:
            receive()
        except socket.timeout:
            pass
    try:
        while True:
            receive()
    except socket.timeout:
        pass
    tell(f"end stored={len(store)} bytes={sum(os.fstat(fd).st_size for fd in store)}")
    if not os.path.exists(folder + "/again"):
        break
    os.remove(folder + "/again")
    time.sleep(0.1)
