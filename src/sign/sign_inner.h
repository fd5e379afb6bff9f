/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the files of room sign.
 */
#ifndef SIGN_SIGN_INNER_H
#define SIGN_SIGN_INNER_H

#include <stdbool.h>

#include "sign/sign.h"

enum {
	ED25519_KEY = 32,
	ED25519_HEAD = 12, /* of its SubjectPublicKeyInfo, before the key */
	ED25519_SIGNATURE = 64,
};

/* May a signature of this kind in an image be of such a key? */
bool sign_kind_fits(enum image_signature in_image, enum signer_kind kind);
/* The SHA-256 by which an image names the key; false: the format has no name for such a key. */
bool sign_key_hash(const struct signer *key, enum image_signature in_image,
		   uint8_t ret[DIGEST_SHA256]);

/* How RSA is padded. */
enum sign_padding { SIGN_PSS, SIGN_PKCS1 };
/* Is it the key's signature of this hash? Of Ed25519 the hash, or anything else, is the message. */
bool sign_verify(const struct signer *key, enum sign_padding padding, struct bytes hash,
		 struct bytes signature);

#endif
