/* SPDX-License-Identifier: Apache-2.0
 *
 * A signer: a public key under a name, whose signature a product's releases may or must have.
 * Room sign reads keys and verifies; here is only what is kept.
 */
#ifndef CORE_SIGNER_H
#define CORE_SIGNER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"

/* X(name, word) */
#define SIGNER_KIND_LIST(X)                                                                        \
	X(SIGNER_ECDSA_P256, "ecdsa-p256")                                                         \
	X(SIGNER_RSA2048, "rsa-2048")                                                              \
	X(SIGNER_RSA3072, "rsa-3072")                                                              \
	X(SIGNER_RSA4096, "rsa-4096")                                                              \
	X(SIGNER_ED25519, "ed25519")

enum signer_kind {
#define SIGNER_KIND_ENUM(name, word) name,
	SIGNER_KIND_LIST(SIGNER_KIND_ENUM)
#undef SIGNER_KIND_ENUM
};

struct signer {
	char name[LIMIT_SIGNER_NAME + 1];
	char id[LIMIT_KEY_ID + 1]; /* the first hex digits of the SHA-256 of `key` */
	enum signer_kind kind;
	size_t key_len;
	uint8_t key[LIMIT_SIGNER_KEY]; /* SubjectPublicKeyInfo as DER, in its one form */
	int64_t created_ms;
};

struct signers {
	unsigned count;
	struct signer list[LIMIT_SIGNERS];
};

const char *signer_kind_name(enum signer_kind kind);
int signer_kind_from_name(const char *name, enum signer_kind *ret_kind) ERR_CHECK;

#endif
