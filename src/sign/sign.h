/* SPDX-License-Identifier: Apache-2.0
 *
 * Public keys of signers, and the signatures of images: those inside of it (wire/image.h tells
 * where), and one that came beside it. ECDSA on P-256, RSA of 2048, 3072 and 4096 bits, Ed25519.
 * Pure; all of it is done with bytes that an operator may have from anywhere.
 *
 * Inside an image, a signature is of what its format says: of the hash that is in it, or, where
 * MCUboot's "pure" is set, of the bytes themselves. RSA there is PSS with a salt of 32 bytes.
 *
 * Beside an image, it is of the SHA-256 of the whole file: ECDSA (DER, or r and s of 32 bytes
 * each), RSA with PKCS#1 v1.5, and Ed25519, whose message are the 32 bytes of that SHA-256.
 */
#ifndef SIGN_SIGN_H
#define SIGN_SIGN_H

#include "base/buf.h"
#include "core/signer.h"
#include "wire/image.h"

enum { SIGN_WHY = 640 }; /* bytes of a sentence */

/* ---- keys ---- */

/* Reads a public key in PEM ("PUBLIC KEY", as openssl pkey -pubout and imgtool getpub write it, or
 * "RSA PUBLIC KEY"); the name stays empty. ERR_INVAL, and why: it says of a private key that it is
 * one, and keeps nothing of it. */
int sign_key_read(struct bytes pem, struct signer *ret_key, char why[SIGN_WHY]) ERR_CHECK;
/* As text again, for people and openssl. dst: LIMIT_SIGNER_PEM. */
char *sign_key_pem(const struct signer *key, char dst[LIMIT_SIGNER_PEM]);

/* ---- signatures ---- */

struct sign_raw {
	size_t len;
	uint8_t bytes[LIMIT_SIGNATURE];
};
/* Base64 (RFC 4648 4) with white space in it. ERR_SYNTAX; ERR_LIMIT: too long. */
int sign_from_base64(struct bytes text, struct sign_raw *ret) ERR_CHECK;
/* A file: base64, or the bytes themselves. ERR_LIMIT; ERR_INVAL: nothing in it, or PEM, which may
 * be somebody's private key. */
int sign_from_file(struct bytes content, struct sign_raw *ret) ERR_CHECK;
enum { SIGN_BASE64 = (LIMIT_SIGNATURE + 2) / 3 * 4 + 1 };
char *sign_to_base64(const struct sign_raw *raw, char dst[SIGN_BASE64]);

enum sign_verdict {
	SIGN_NONE,    /* nothing that could be checked */
	SIGN_STRANGE, /* signed, but by none of these keys */
	SIGN_BAD,     /* signed by one of these keys, but not these bytes; or what came beside it
			 is of none of them */
	SIGN_GOOD,
};

struct sign_result {
	enum sign_verdict verdict;
	unsigned key;	    /* of SIGN_GOOD: which */
	char why[SIGN_WHY]; /* of the others: what is so, which keys were tried, what to do */
};

/* `beside` len 0: there is none. The image was parsed from `f` and is whole. An error of reading,
 * or ERR_NOMEM. */
int sign_check(const struct image_file *f, const struct image *im, const struct sign_raw *beside,
	       const struct signers *keys, struct sign_result *ret) ERR_CHECK;

#endif
