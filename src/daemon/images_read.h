/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading of image files, for images.c alone: a few open descriptors, and the stretches of
 * image that were read last. A wave of devices downloads the same image, so most blocks are a
 * copy from memory.
 */
#ifndef DAEMON_IMAGES_READ_H
#define DAEMON_IMAGES_READ_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"
#include "core/digest.h"

struct image_stretch;

struct image_fd {
	int fd; /* -1: free */
	uint64_t used;
	uint8_t sha256[DIGEST_SHA256];
};

struct image_reader {
	uint64_t serial; /* age of the descriptors */
	uint64_t reads, hits;
	struct image_fd open[LIMIT_IMAGES_OPEN];
	struct image_stretch *stretch[LIMIT_IMAGE_STRETCHES]; /* by hash; NULL: never used */
};

void image_reader_init(struct image_reader *r);
void image_reader_done(struct image_reader *r);

/* As images_read(), with the folder and the name of the file in it. */
int image_reader_read(struct image_reader *r, int dir, const char *name,
		      const uint8_t sha256[DIGEST_SHA256], int64_t offset, void *dst,
		      size_t len) ERR_CHECK;

/* The file of this name is about to be another one, or none. */
void image_reader_forget(struct image_reader *r, const uint8_t sha256[DIGEST_SHA256]);

#endif
