#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""free_port.py: prints a port that no UDP or TCP socket has, and that the kernel gives to nobody
who asks for any: a server that is stopped finds it free again when it comes back."""

import errno
import random
import socket


def _is_free(family, host, kind, port):
    try:
        with socket.socket(family, kind) as s:
            s.bind((host, port))
    except OSError as e:
        return e.errno != errno.EADDRINUSE      # a machine may have no IPv6
    return True


def free_port():
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as f:
            low, high = map(int, f.read().split())
    except OSError:
        low, high = 32768, 60999
    outside = [p for p in range(10000, 65000) if not low <= p <= high] or range(10000, 65000)
    port = random.choice(outside)
    while not all(_is_free(*where, port) for where in (
            (socket.AF_INET, "127.0.0.1", socket.SOCK_DGRAM),
            (socket.AF_INET, "127.0.0.1", socket.SOCK_STREAM),
            (socket.AF_INET6, "::1", socket.SOCK_DGRAM),
            (socket.AF_INET6, "::1", socket.SOCK_STREAM))):
        port = random.choice(outside)
    return port


if __name__ == "__main__":
    print(free_port())
