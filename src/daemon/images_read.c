/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/images_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STRETCH_BYTES = 65536 };

/* An aligned piece of an image. */
struct image_stretch {
	int64_t number; /* offset / STRETCH_BYTES; -1: empty */
	size_t len;	/* shorter at the end of the file */
	uint8_t sha256[DIGEST_SHA256];
	uint8_t bytes[STRETCH_BYTES];
};

void image_reader_init(struct image_reader *r)
{
	*r = (struct image_reader){0};
	for (size_t i = 0; i < LIMIT_IMAGES_OPEN; i++)
		r->open[i].fd = -1;
}

void image_reader_done(struct image_reader *r)
{
	for (size_t i = 0; i < LIMIT_IMAGES_OPEN; i++)
		if (r->open[i].fd >= 0)
			close(r->open[i].fd);
	for (size_t i = 0; i < LIMIT_IMAGE_STRETCHES; i++)
		free(r->stretch[i]);
	image_reader_init(r);
}

void image_reader_forget(struct image_reader *r, const uint8_t sha256[DIGEST_SHA256])
{
	for (size_t i = 0; i < LIMIT_IMAGES_OPEN; i++) {
		struct image_fd *f = &r->open[i];
		if (f->fd < 0 || memcmp(f->sha256, sha256, DIGEST_SHA256) != 0)
			continue;
		close(f->fd);
		f->fd = -1;
	}
	for (size_t i = 0; i < LIMIT_IMAGE_STRETCHES; i++)
		if (r->stretch[i] && memcmp(r->stretch[i]->sha256, sha256, DIGEST_SHA256) == 0)
			r->stretch[i]->number = -1;
}

static int image_open(struct image_reader *r, int dir, const char *name,
		      const uint8_t sha256[DIGEST_SHA256], int *ret_fd)
{
	struct image_fd *oldest = &r->open[0];

	for (size_t i = 0; i < LIMIT_IMAGES_OPEN; i++) {
		struct image_fd *f = &r->open[i];
		if (f->fd >= 0 && memcmp(f->sha256, sha256, DIGEST_SHA256) == 0) {
			f->used = ++r->serial;
			*ret_fd = f->fd;
			return 0;
		}
		if (f->fd < 0 || (oldest->fd >= 0 && f->used < oldest->used))
			oldest = f;
	}
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? ERR_NOENT : ERR_IO;
	if (oldest->fd >= 0)
		close(oldest->fd);
	oldest->fd = fd;
	oldest->used = ++r->serial;
	memcpy(oldest->sha256, sha256, DIGEST_SHA256);
	*ret_fd = fd;
	return 0;
}

/* Reads up to `len` bytes, fewer only at the end of the file. */
static int image_pread(int fd, int64_t offset, uint8_t *to, size_t len, size_t *ret_len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, to + done, len - done, offset + (int64_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ERR_IO;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	*ret_len = done;
	return 0;
}

/* The place of a stretch; NULL when there is no memory for it (then it is read directly). */
static struct image_stretch *stretch_place(struct image_reader *r,
					   const uint8_t sha256[DIGEST_SHA256], int64_t number)
{
	/* A digest is as good as random; neighbours go to neighbouring places. */
	size_t at = ((size_t)sha256[0] << 8 | sha256[1]) + (size_t)number;
	struct image_stretch **place = &r->stretch[at % LIMIT_IMAGE_STRETCHES];

	if (!*place) {
		*place = malloc(sizeof(**place));
		if (*place) {
			(*place)->number = -1;
			(*place)->len = 0;
		}
	}
	return *place;
}

static bool stretch_is(const struct image_stretch *s, const uint8_t sha256[DIGEST_SHA256],
		       int64_t number)
{
	return s->number == number && memcmp(s->sha256, sha256, DIGEST_SHA256) == 0;
}

static int stretch_fill(struct image_stretch *s, int fd, const uint8_t sha256[DIGEST_SHA256],
			int64_t number)
{
	s->number = -1;
	int err = image_pread(fd, number * STRETCH_BYTES, s->bytes, sizeof(s->bytes), &s->len);
	if (err)
		return err;
	s->number = number;
	memcpy(s->sha256, sha256, DIGEST_SHA256);
	return 0;
}

int image_reader_read(struct image_reader *r, int dir, const char *name,
		      const uint8_t sha256[DIGEST_SHA256], int64_t offset, void *dst, size_t len)
{
	int64_t number = offset / STRETCH_BYTES;
	size_t from = (size_t)(offset % STRETCH_BYTES);
	struct image_stretch *s =
		from + len <= STRETCH_BYTES ? stretch_place(r, sha256, number) : NULL;
	size_t got = 0;
	int fd, err;

	r->reads++;
	if (s && stretch_is(s, sha256, number) && from + len <= s->len) {
		r->hits++;
		memcpy(dst, s->bytes + from, len);
		return 0;
	}
	err = image_open(r, dir, name, sha256, &fd);
	if (!err && s) {
		err = stretch_fill(s, fd, sha256, number);
		if (!err && from + len <= s->len) {
			memcpy(dst, s->bytes + from, len);
			return 0;
		}
	} else if (!err) {
		err = image_pread(fd, offset, dst, len, &got);
		if (!err && got == len)
			return 0;
	}
	image_reader_forget(r, sha256); /* look again next time: it may be replaced */
	return err ? err : ERR_TRUNC;
}
