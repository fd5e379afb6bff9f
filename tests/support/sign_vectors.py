#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/unit/sign_vectors.h with openssl: public keys, and what they have signed. The private
keys are thrown away, so all of it is other bytes each time, and the tests hold for any.

usage: sign_vectors.py >tests/unit/sign_vectors.h
"""

import hashlib
import os
import subprocess
import tempfile

MESSAGE = b"what an image is to a signature: bytes" * 3


def openssl(*words):
    return subprocess.run(("openssl",) + words, check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).stdout


def text(name, data):
    print("static const char %s[] UNUSED =" % name)
    lines = data.decode().splitlines()
    print("\n".join('\t"%s\\n"' % line for line in lines) + ";")


def raw(name, data):
    print("static const uint8_t %s[] UNUSED = {" % name)
    for i in range(0, len(data), 12):
        print("\t" + " ".join("0x%02x," % b for b in data[i:i + 12]))
    print("};")


def main():
    print("/* SPDX-License-Identifier: Apache-2.0\n *\n * Made by tests/support/sign_vectors.py "
          "with openssl.\n */\n/* clang-format off */\n#define UNUSED __attribute__((unused))")
    print('static const char vector_message[] = "%s";' % MESSAGE.decode())
    with tempfile.TemporaryDirectory() as t:
        message, digest = os.path.join(t, "m"), os.path.join(t, "d")
        with open(message, "wb") as f:
            f.write(MESSAGE)
        with open(digest, "wb") as f:
            f.write(hashlib.sha256(MESSAGE).digest())
        kinds = {"p256": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
                 "p384": ["EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
                 "other": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
                 "ed25519": ["ED25519"], "x25519": ["X25519"], "ed448": ["ED448"]}
        for bits in (1024, 2048, 3072, 4096):
            kinds["rsa%d" % bits] = ["RSA", "-pkeyopt", "rsa_keygen_bits:%d" % bits]
        for name, words in kinds.items():
            key = os.path.join(t, name)
            openssl("genpkey", "-algorithm", *words, "-out", key)
            text("key_" + name, openssl("pkey", "-in", key, "-pubout"))
            dgst = ["dgst", "-sha256", "-sign", key]
            if name == "p256":
                raw("sig_p256", openssl(*dgst, message))
                text("key_p256_point", openssl("ec", "-in", key, "-pubout", "-conv_form",
                                               "compressed"))
            if name == "ed25519":
                for what, file in (("hash", digest), ("whole", message)):
                    raw("sig_ed25519_" + what, openssl("pkeyutl", "-sign", "-rawin", "-inkey", key,
                                                       "-in", file))
            if name.startswith("rsa") and name != "rsa1024":
                raw("sig_%s_pkcs1" % name, openssl(*dgst, message))
                pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"]
                raw("sig_%s_pss" % name, openssl(*dgst, *pss, message))
            if name == "rsa2048":
                text("key_rsa2048_pkcs1", openssl("rsa", "-in", key, "-RSAPublicKey_out"))
        openssl("req", "-x509", "-key", os.path.join(t, "p256"), "-subj", "/CN=x", "-out",
                os.path.join(t, "c"))
        with open(os.path.join(t, "c"), "rb") as f:
            text("key_certificate", f.read())
    print("/* clang-format on */")


if __name__ == "__main__":
    main()
