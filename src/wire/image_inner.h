/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the readers of image formats.
 */
#ifndef WIRE_IMAGE_INNER_H
#define WIRE_IMAGE_INNER_H

#include "wire/image.h"

/* One parse: a sticky error of the caller's read function, and the image as it is found. */
struct image_in {
	const struct image_file *f;
	struct image *im;
	struct buf detail; /* writes im->facts.detail */
	int err;
};

static inline uint16_t image_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t image_u32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Is [offset, offset + len) inside the file? */
bool image_holds(const struct image_in *in, uint64_t offset, uint64_t len);
/* False beyond the end of the file, and once reading has failed. */
bool image_get(struct image_in *in, uint64_t offset, void *dst, size_t len);
/* SHA-256, -384 or -512 (by `bits`) of [0, len); false as image_get(). */
bool image_hash(struct image_in *in, unsigned bits, uint64_t len, uint8_t dst[LIMIT_DIGEST]);
/* SHA-256 of a few bytes. */
void image_sha256(const void *ptr, size_t len, uint8_t dst[DIGEST_SHA256]);

/* What is wrong with it; the first fault stays. */
void image_damaged(struct image_in *in, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Another part of the line for people, with a comma before it unless it is the first. */
void image_tell(struct image_in *in, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* `cap` - 1 bytes at most, up to a NUL; what is not printable ASCII becomes '?'. */
void image_text(char *dst, size_t cap, const uint8_t *src, size_t len);
/* A running digest; more than there is room for are left out. */
void image_digest(struct image_in *in, enum digest_kind kind, const uint8_t *value, size_t len);

/* Each: is it this format at all? If so, im is filled, or damaged. */
bool image_mcuboot(struct image_in *in);
bool image_esp(struct image_in *in);
bool image_uf2(struct image_in *in);
bool image_particle(struct image_in *in);
bool image_elf(struct image_in *in);

#endif
