/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/image.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <nettle/sha2.h>

#include "wire/image_inner.h"

enum { CHUNK_BYTES = 8192 };

bool image_holds(const struct image_in *in, uint64_t offset, uint64_t len)
{
	return offset <= in->f->size && len <= in->f->size - offset;
}

bool image_get(struct image_in *in, uint64_t offset, void *dst, size_t len)
{
	if (in->err || !image_holds(in, offset, len))
		return false;
	in->err = in->f->read(in->f->ctx, offset, dst, len);
	return in->err == 0;
}

union hash {
	struct sha256_ctx sha256;
	struct sha512_ctx sha512; /* SHA-384, too */
};

static void hash_begin(union hash *h, unsigned bits)
{
	if (bits == 256)
		sha256_init(&h->sha256);
	else if (bits == 384)
		sha384_init(&h->sha512);
	else
		sha512_init(&h->sha512);
}

static void hash_end(union hash *h, unsigned bits, uint8_t dst[LIMIT_DIGEST])
{
	if (bits == 256)
		sha256_digest(&h->sha256, SHA256_DIGEST_SIZE, dst);
	else if (bits == 384)
		sha384_digest(&h->sha512, SHA384_DIGEST_SIZE, dst);
	else
		sha512_digest(&h->sha512, SHA512_DIGEST_SIZE, dst);
}

bool image_hash(struct image_in *in, unsigned bits, uint64_t len, uint8_t dst[LIMIT_DIGEST])
{
	uint8_t chunk[CHUNK_BYTES];
	union hash h;

	hash_begin(&h, bits);
	for (uint64_t at = 0; at < len;) {
		size_t n = len - at < sizeof(chunk) ? (size_t)(len - at) : sizeof(chunk);
		if (!image_get(in, at, chunk, n))
			return false;
		if (bits == 256)
			sha256_update(&h.sha256, n, chunk);
		else
			sha512_update(&h.sha512, n, chunk);
		at += n;
	}
	hash_end(&h, bits, dst);
	return true;
}

void image_sha256(const void *ptr, size_t len, uint8_t dst[DIGEST_SHA256])
{
	struct sha256_ctx sha;

	sha256_init(&sha);
	sha256_update(&sha, len, ptr);
	sha256_digest(&sha, SHA256_DIGEST_SIZE, dst);
}

void image_damaged(struct image_in *in, const char *format, ...)
{
	va_list args;

	if (in->im->fault[0])
		return;
	va_start(args, format);
	(void)vsnprintf(in->im->fault, sizeof(in->im->fault), format, args);
	va_end(args);
}

void image_tell(struct image_in *in, const char *format, ...)
{
	char part[2 + LIMIT_IMAGE_DETAIL + 1] = ", ";
	va_list args;

	va_start(args, format);
	(void)vsnprintf(part + 2, sizeof(part) - 2, format, args);
	va_end(args);
	const char *text = in->detail.pos ? part : part + 2;
	if (strlen(text) < buf_left(&in->detail)) /* all of it and a NUL, or nothing */
		buf_put_str(&in->detail, text);
}

void image_text(char *dst, size_t cap, const uint8_t *src, size_t len)
{
	size_t n = 0;

	while (n < len && n + 1 < cap && src[n]) {
		dst[n] = (char)(src[n] >= ' ' && src[n] <= '~' ? src[n] : '?');
		n++;
	}
	dst[n] = 0;
}

void image_digest(struct image_in *in, enum digest_kind kind, const uint8_t *value, size_t len)
{
	struct image *im = in->im;
	struct digest *d = &im->digest[im->digest_count];

	if (im->digest_count == LIMIT_IMAGE_DIGESTS)
		return;
	d->kind = (uint8_t)kind;
	d->len = (uint8_t)len;
	memcpy(d->value, value, len);
	im->digest_count++;
}

int image_parse(const struct image_file *f, struct image *ret_image)
{
	static bool (*const formats[])(struct image_in * in) = {
		image_mcuboot, image_uf2, image_elf, image_esp, image_particle,
	};
	struct image im = {.facts = {.format = IMAGE_PLAIN, .security_counter = -1}};
	struct image_in in = {.f = f, .im = &im};

	in.detail = buf_writer(im.facts.detail, sizeof(im.facts.detail));
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]) && !in.err; i++)
		if (formats[i](&in))
			break;
	if (in.err)
		return in.err;
	(void)buf_cstr(&in.detail);
	if (!im.facts.slot_bytes)
		im.facts.slot_bytes = (int64_t)f->size;
	*ret_image = im;
	return 0;
}
