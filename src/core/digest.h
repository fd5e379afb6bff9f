/* SPDX-License-Identifier: Apache-2.0
 *
 * A digest of an image and what it was computed over. Two digests can only be compared
 * when their kinds are equal (TRUTH 3, DIGEST).
 */
#ifndef CORE_DIGEST_H
#define CORE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"

enum digest_kind {
	DIGEST_FILE = 0,	 /* SHA-256 of the file as transferred */
	DIGEST_MCUBOOT = 1,	 /* the hash TLV: header and body */
	DIGEST_ESP_APPENDED = 2, /* the hash ESP-IDF appends */
	DIGEST_VENDOR = 16,	 /* vendor-N is DIGEST_VENDOR + N, N 0..239 */
	DIGEST_KIND_MAX = 255,
};

enum { DIGEST_SHA256 = 32 };

struct digest {
	uint8_t kind;
	uint8_t len; /* 0: none */
	uint8_t value[LIMIT_DIGEST];
};

/* Same kind, same bytes, not empty. */
bool digest_equal(const struct digest *a, const struct digest *b);

/* "file", "mcuboot", "esp-appended", "vendor-N" into dst (16 bytes are enough), or
 * "kind-N" for a number without a name. Returns dst. */
char *digest_kind_name(unsigned kind, char dst[16]);

/* The reverse of the four named forms; ERR_INVAL otherwise. */
int digest_kind_from_name(const char *name, unsigned *ret_kind) ERR_CHECK;

/* "KIND:HEX"; HEX is 4..64 bytes, 32 for `file`. ERR_SYNTAX, ERR_INVAL (unknown kind),
 * ERR_RANGE (length). */
int digest_from_text(const char *text, struct digest *ret_digest) ERR_CHECK;

/* "KIND:hex" into dst; 160 bytes are enough. Returns dst. */
char *digest_text(const struct digest *d, char dst[160]);

#endif
