#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes images of known formats for tests and for the seeds of fuzz_image.

usage: image.py mcuboot|esp|uf2|particle|elf FILE [NAME=VALUE...]
       image.py corpus FOLDER

mcuboot: version=1.2.3+4 body=600 counter=N flags=N bits=256 key=PEM [pure=1] [over=TEXT]; the key
signs with openssl, as MCUboot's own tool does: ECDSA on P-256, RSA-2048 and -3072 with PSS, Ed25519.
esp: version= project= chip=5 counter=0 key=PEM, an RSA-3072 one, for Secure Boot V2. uf2: blocks=4 family=0xe48bff56 version=.
particle: platform=12 product=17.
"""

import hashlib
import os
import struct
import subprocess
import sys
import tempfile
import zlib


def body(size):
    return bytes((i * 7 + (i >> 8)) & 0xFF for i in range(size))


def tlv(kind, value):
    return struct.pack("<HH", kind, len(value)) + value


def openssl(*words):
    return subprocess.run(("openssl",) + words, check=True, stdout=subprocess.PIPE).stdout


def key_hash(key, text):
    """The TLV that names a key: RSA by its PKCS#1 form, the others by SubjectPublicKeyInfo."""
    words = ["rsa", "-RSAPublicKey_out"] if "publicExponent" in text else ["pkey", "-pubout"]
    public = openssl(words[0], "-in", key, words[1], "-outform", "DER")
    return tlv(0x01, hashlib.sha256(public).digest())


def sign(key, message, digest):
    """The TLVs of a signature: Ed25519 is of these bytes, the others of their SHA-256."""
    text = openssl("pkey", "-in", key, "-noout", "-text").decode()
    return key_hash(key, text) + signature(key, text, message, digest)


def signature(key, text, message, digest):
    with tempfile.NamedTemporaryFile() as f:
        f.write(digest if "ED25519" in text else message)
        f.flush()
        if "ED25519" in text:
            return tlv(0x24, openssl("pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", f.name))
        words = ["dgst", "-sha256", "-sign", key]
        if "prime256v1" in text:
            return tlv(0x22, openssl(*words, f.name))
        words += ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"]
        return tlv(0x23 if "3072 bit" in text else 0x20, openssl(*words, f.name))


def mcuboot(o):
    numbers, _, build = o.get("version", "1.2.3").partition("+")
    major, minor, revision = (int(n) for n in numbers.split("."))
    data, bits = body(int(o.get("body", 600))), int(o.get("bits", 256))
    protected = b""
    if "counter" in o:
        protected = tlv(0x50, struct.pack("<I", int(o["counter"])))
        protected = struct.pack("<HH", 0x6908, len(protected) + 4) + protected
    image = struct.pack("<IIHHIIBBHII", 0x96F3B83D, 0, 32, len(protected), len(data),
                        int(o.get("flags", 0)), major, minor, revision, int(build or 0), 0)
    image += data + protected
    digest = hashlib.new("sha%d" % bits, image).digest()
    area = tlv({256: 0x10, 384: 0x11, 512: 0x12}[bits], digest)
    if "pure" in o:
        area += tlv(0x25, b"\1")
    if "key" in o and "over" in o:  # not of this image
        area += sign(o["key"], o["over"].encode(), hashlib.sha256(o["over"].encode()).digest())
    elif "key" in o:
        area += sign(o["key"], image, image if "pure" in o else digest)
    return image + struct.pack("<HH", 0x6907, len(area) + 4) + area


def esp(o):
    descriptor = struct.pack("<II8x32s32s32x32s32s80x", 0xABCD5432, int(o.get("counter", 0)),
                             o.get("version", "1.0.0").encode(),
                             o.get("project", "lamp").encode(), b"v5.2", body(32))
    image = struct.pack("<BBBBIB3xHBHH4xB", 0xE9, 2, 2, 0, 0x40080000, 0, int(o.get("chip", 5)),
                        0, 0, 0, 1)
    checksum = 0xEF
    for data in (descriptor + body(256), body(100)):
        image += struct.pack("<II", 0x3F400020, len(data)) + data
        for byte in data:
            checksum ^= byte
    image += bytes(15 - len(image) % 16) + bytes([checksum])
    image += hashlib.sha256(image).digest()
    return image + secure_boot(o["key"], image) if "key" in o else image


def secure_boot(key, image):
    """What has to come behind the image: padding, and a sector with one block of RSA-3072."""
    pad = b"\xff" * (-len(image) % 4096)
    text = openssl("rsa", "-in", key, "-noout", "-modulus").decode()
    modulus = int(text.strip().split("=")[1], 16)
    block = struct.pack("<BB2x", 0xE7, 2) + hashlib.sha256(image + pad).digest()
    block += modulus.to_bytes(384, "little") + struct.pack("<I", 65537)
    block += pow(2, 6144, modulus).to_bytes(384, "little")
    block += struct.pack("<I", -pow(modulus, -1, 1 << 32) & 0xFFFFFFFF)
    with tempfile.NamedTemporaryFile() as f:
        f.write(image + pad)
        f.flush()
        block += openssl("dgst", "-sha256", "-sign", key, "-sigopt", "rsa_padding_mode:pss",
                         "-sigopt", "rsa_pss_saltlen:32", f.name)[::-1]
    block += struct.pack("<I", zlib.crc32(block)) + bytes(16)
    return pad + block + b"\xff" * (4096 - len(block))


def uf2(o):
    count, family, image = int(o.get("blocks", 4)), int(o.get("family", "0xe48bff56"), 0), b""
    for i in range(count):
        data, flags = body(256), 0x2000
        if "version" in o and i == 0:
            flags |= 0x8000
            text = o["version"].encode()
            data += struct.pack("<I", 4 + len(text) | 0x9FC7BC << 8) + text
        image += struct.pack("<IIIIIIII476sI", 0x0A324655, 0x9E5D5157, flags,
                             0x10000000 + 256 * i, 256, i, count, family, data, 0x0AB16F30)
    return image


def particle(o):
    suffix = struct.pack("<HHIHH", 1, 10, 1234, int(o.get("product", 17)), 0)
    size = 24 + 1000 + len(suffix) + 34
    image = struct.pack("<IIBBHHBBBBHI", 0xD4000, 0xD4000 + size, 0, 0, 6,
                        int(o.get("platform", 12)), 5, 1, 4, 1, 4002, 0)
    image += body(1000) + suffix
    image += hashlib.sha256(image).digest() + struct.pack("<H", len(suffix) + 34)
    return image + struct.pack(">I", zlib.crc32(image))


def elf(_):
    head = struct.pack("<4sBBB9xHHIIIIIHHHHHH", b"\177ELF", 1, 1, 1, 2, 40, 1, 0x8000, 52, 0, 0,
                       52, 32, 1, 0, 0, 0)
    return head + struct.pack("<IIIIIIII", 1, 84, 0x8000, 0x8000, 300, 300, 5, 4) + body(300)


FORMATS = {"mcuboot": mcuboot, "esp": esp, "uf2": uf2, "particle": particle, "elf": elf}


def corpus(folder):
    seeds = {
        "mcuboot": mcuboot({"body": 100}),
        "mcuboot-protected": mcuboot({"body": 100, "counter": 7, "bits": 512}),
        "mcuboot-encrypted": mcuboot({"body": 50, "flags": 4, "bits": 384}),
        "esp": esp({}),
        "uf2": uf2({"blocks": 2, "version": "1.0"}),
        "particle": particle({}),
        "elf": elf({}),
        "plain": body(100),
    }
    os.makedirs(folder, exist_ok=True)
    for name, image in seeds.items():
        for end, data in (("", image), ("-cut", image[: len(image) * 2 // 3])):
            with open(os.path.join(folder, name + end), "wb") as f:
                f.write(data)


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "corpus":
        return corpus(sys.argv[2])
    if len(sys.argv) < 3 or sys.argv[1] not in FORMATS:
        sys.exit(__doc__)
    options = dict(word.split("=", 1) for word in sys.argv[3:])
    with open(sys.argv[2], "wb") as f:
        f.write(FORMATS[sys.argv[1]](options))


if __name__ == "__main__":
    main()
