#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A hostile client of the admin socket.

admin_flood.py SOCKET hold N SECONDS
    opens N connections, says nothing on a third of them, half a head on another, and a whole
    request without reading the answer on the rest; keeps them all open. Prints "open" when all were
    tried, then how many the server keeps when the time is over.
admin_flood.py SOCKET follow N SECONDS
    N followers of the event stream that never read; prints how many were let in.
admin_flood.py SOCKET slow head|body
    sends a request byte by byte, for ever; prints the seconds until it is cut off.
"""
import resource
import select
import socket
import sys
import time

HALF = b"GET /v1/status HTTP/1.1\r\nHost: x\r\nX-Slow: "
WHOLE = b"GET /v1/devices HTTP/1.1\r\nHost: x\r\n\r\n"
FOLLOW = b"GET /v1/events?follow=1&after=0 HTTP/1.1\r\nHost: x\r\n\r\n"
BODY = b"POST /v1/products HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n"


def connect(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(path)  # waits while the queue of the socket is full
    sock.settimeout(10)
    return sock


def say(sock, text):
    try:
        sock.sendall(text)
    except OSError:
        pass  # refused: the other side is gone


def closed(sock):
    """Whether the server has closed it (what it sent before is read)."""
    sock.setblocking(False)
    try:
        while True:
            if not sock.recv(65536):
                return True
    except BlockingIOError:
        return False
    except OSError:
        return True


def hold(path, count, seconds):
    end = time.monotonic() + seconds
    socks = []
    for i in range(count):
        sock = connect(path)
        if i % 3:
            say(sock, HALF if i % 3 == 1 else WHOLE)
        socks.append(sock)
    print("open", flush=True)
    time.sleep(max(0, end - time.monotonic()))
    print(sum(not closed(sock) for sock in socks), flush=True)


def follow(path, count, seconds):
    socks = []
    let_in = 0
    for _ in range(count):
        sock = connect(path)
        say(sock, FOLLOW)
        let_in += b" 200 " in sock.recv(64)
        socks.append(sock)
    print(let_in, flush=True)
    time.sleep(seconds)


def slow(path, what):
    sock = connect(path)
    begun = time.monotonic()
    say(sock, BODY if what == "body" else HALF)
    while time.monotonic() - begun < 120:
        if select.select([sock], [], [], 0.5)[0]:
            break
        say(sock, b"x")
    print(int(time.monotonic() - begun))


def main(args):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if len(args) == 4 and args[1] == "hold":
        hold(args[0], int(args[2]), float(args[3]))
    elif len(args) == 4 and args[1] == "follow":
        follow(args[0], int(args[2]), float(args[3]))
    elif len(args) == 3 and args[1] == "slow":
        slow(args[0], args[2])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
