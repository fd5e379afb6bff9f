/* SPDX-License-Identifier: Apache-2.0
 *
 * What an image says of itself, read from its bytes: MCUboot, ESP-IDF, UF2, Particle modules and
 * ELF; everything else is plain. Pure: bytes come from a function of the caller's, a few at a
 * time, and each is read at most a few times. Hashes and checksums that the format has are
 * verified; signatures are not, but where they are is told.
 *
 * Which format it is follows from its first bytes (a Particle module's may stand behind a table of
 * interrupts). What begins like one and is not whole is *damaged*, which is a finding, no error.
 */
#ifndef WIRE_IMAGE_H
#define WIRE_IMAGE_H

#include <stddef.h>

#include "base/err.h"
#include "core/image.h"

/* Reads [offset, offset + len), which is inside the file. 0, or an error that ends the parse. */
typedef int image_read_fn(void *ctx, uint64_t offset, void *dst, size_t len);

struct image_file {
	image_read_fn *read;
	void *ctx;
	uint64_t size;
};

enum { IMAGE_SIGNATURES = 4, IMAGE_FAULT = 160 };

/* A signature that the image brings along, and that we could verify. */
struct image_signature_at {
	enum image_signature kind;
	uint64_t offset;
	uint32_t len;
	bool has_key;		    /* it names the key that made it: */
	uint8_t key[DIGEST_SHA256]; /* SHA-256 of the public key, in the form of the format */
};

struct image {
	struct image_facts facts;
	char fault[IMAGE_FAULT]; /* "": whole; otherwise what is wrong, and where */
	unsigned digest_count;	 /* of those that devices report */
	struct digest digest[LIMIT_IMAGE_DIGESTS];
	/* what the signatures are of: the hash, or (pure) the first signed_bytes themselves */
	struct digest hash; /* verified; len 0: there is none */
	bool pure;
	uint64_t signed_bytes;
	unsigned signature_count;
	struct image_signature_at signature[IMAGE_SIGNATURES];
};

/* 0 (damaged ones, too), or what `read` has returned. */
int image_parse(const struct image_file *f, struct image *ret_image) ERR_CHECK;

#endif
