/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by images.c and images_fault.c; nobody else includes it. Faults are files that could not
 * be read when somebody asked, and whether the last upload could be stored.
 */
#ifndef DAEMON_IMAGES_INNER_H
#define DAEMON_IMAGES_INNER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/err.h"
#include "base/limits.h"
#include "core/digest.h"
#include "daemon/images.h"
#include "daemon/images_read.h"

enum { NAME_CAP = 80 };
#define TMP_PREFIX ".tmp-"

struct image_bad {
	uint8_t sha256[DIGEST_SHA256];
	int err;
	int64_t offset; /* of a byte that could not be read */
};

struct image_faults {
	unsigned count;
	struct image_bad bad[LIMIT_IMAGES_BAD]; /* further ones are not remembered */
	int write_err;
	int64_t need_bytes; /* free space that must be there */
	bool was_full;	    /* an upload found no room */
	bool probing;
};

struct images {
	uv_loop_t *loop;
	int dir; /* folder's descriptor */
	int64_t limit_bytes;
	unsigned refs; /* owner and work on the pool */
	unsigned uploads;
	uint64_t serial; /* of temporary names */
	struct image_reader reader;
	struct image_faults faults;
	char *path; /* of the folder */
	unsigned pins;
	struct {
		uint8_t sha256[DIGEST_SHA256];
	} pin[LIMIT_UPLOADS];
};

/* images.c */
char *image_name(const uint8_t sha256[DIGEST_SHA256], char dst[NAME_CAP]);
void images_unref(struct images *im);

/* images_fault.c */
struct image_bad *image_bad_find(struct image_faults *f, const uint8_t sha256[DIGEST_SHA256]);
void image_bad_note(struct image_faults *f, const uint8_t sha256[DIGEST_SHA256], int err,
		    int64_t offset);
void image_bad_drop(struct image_faults *f, const uint8_t sha256[DIGEST_SHA256]);

/* An upload of so many bytes has come to its end. */
void image_write_note(struct image_faults *f, int err, int64_t bytes);

#endif
