# SPDX-License-Identifier: Apache-2.0
"""CBOR maps (RFC 8949) and CoAP messages (RFC 7252, RFC 7959), as far as a device needs them.

Written for this test alone, so that a mistake of the server's codecs is not repeated here.
"""

import struct

CON, NON, ACK, RST = 0, 1, 2, 3
GET, POST = 1, 2
URI_PATH, CONTENT_FORMAT, URI_QUERY, BLOCK2, SIZE2 = 11, 12, 15, 23, 28


def _head(major, n):
    if n < 24:
        return bytes([major << 5 | n])
    for code, fmt, limit in ((24, ">B", 1 << 8), (25, ">H", 1 << 16), (26, ">I", 1 << 32)):
        if n < limit:
            return bytes([major << 5 | code]) + struct.pack(fmt, n)
    return bytes([major << 5 | 27]) + struct.pack(">Q", n)


def cbor(value):
    if value is True or value is False:
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        text = value.encode()
        return _head(3, len(text)) + text
    if isinstance(value, (list, tuple)):
        return _head(4, len(value)) + b"".join(cbor(v) for v in value)
    return _head(5, len(value)) + b"".join(cbor(k) + cbor(v) for k, v in value.items())


def _item(data, at):
    major, info = data[at] >> 5, data[at] & 31
    at += 1
    if info < 24:
        n = info
    else:
        width = 1 << (info - 24)
        n = int.from_bytes(data[at:at + width], "big")
        at += width
    if major == 0:
        return n, at
    if major == 1:
        return -1 - n, at
    if major in (2, 3):
        raw = data[at:at + n]
        return (raw if major == 2 else raw.decode()), at + n
    if major == 4:
        out = []
        for _ in range(n):
            value, at = _item(data, at)
            out.append(value)
        return out, at
    if major == 5:
        out = {}
        for _ in range(n):
            key, at = _item(data, at)
            out[key], at = _item(data, at)
        return out, at
    return {20: False, 21: True}[n], at


def uncbor(data):
    value, at = _item(data, 0)
    if at != len(data):
        raise ValueError("bytes after the CBOR item")
    return value


def _uint(n):
    return n.to_bytes((n.bit_length() + 7) // 8, "big")


def block(num, szx):
    return _uint(num << 4 | szx)


class Message:
    """One CoAP message; options are (number, bytes) in any order."""

    def __init__(self, kind, code, mid, token=b"", options=(), payload=b""):
        self.kind, self.code, self.mid, self.token = kind, code, mid, token
        self.options, self.payload = list(options), payload

    def option(self, number):
        for n, value in self.options:
            if n == number:
                return value
        return None

    def encode(self):
        out = bytearray(struct.pack(">BBH", 0x40 | self.kind << 4 | len(self.token), self.code,
                                    self.mid))
        out += self.token
        last = 0
        for number, value in sorted(self.options, key=lambda o: o[0]):
            parts = []
            for n in (number - last, len(value)):
                if n < 13:
                    parts.append((n, b""))
                elif n < 269:
                    parts.append((13, bytes([n - 13])))
                else:
                    parts.append((14, struct.pack(">H", n - 269)))
            out.append(parts[0][0] << 4 | parts[1][0])
            out += parts[0][1] + parts[1][1] + value
            last = number
        if self.payload:
            out += b"\xff" + self.payload
        return bytes(out)

    @staticmethod
    def decode(data):
        first, code, mid = struct.unpack_from(">BBH", data)
        length = first & 15
        token, at, number, options = data[4:4 + length], 4 + length, 0, []
        while at < len(data) and data[at] != 0xFF:
            pair = [data[at] >> 4, data[at] & 15]
            at += 1
            for i, n in enumerate(pair):
                if n == 13:
                    pair[i] = data[at] + 13
                    at += 1
                elif n == 14:
                    pair[i] = struct.unpack_from(">H", data, at)[0] + 269
                    at += 2
            number += pair[0]
            options.append((number, data[at:at + pair[1]]))
            at += pair[1]
        return Message(first >> 4 & 3, code, mid, token, options, data[at + 1:])


def code_text(code):
    return "%d.%02d" % (code >> 5, code & 31)
