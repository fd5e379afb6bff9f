/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/images.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mbedtls/sha256.h>

#include "base/limits.h"
#include "base/list.h"
#include "base/log.h"
#include "daemon/images_inner.h"

enum { CHUNK_BYTES = 128 * 1024 };

enum job { JOB_NONE, JOB_WRITE, JOB_SYNC, JOB_RENAME, JOB_ABORT };

/* Loop and pool never touch it at the same time: while `job` runs, the loop only fills
 * chunk[filling] and sets the flags. */
struct images_upload {
	struct images *im;
	uv_work_t work;
	enum job job; /* running on the pool */
	bool wants_room, finishing, aborted, pinned;
	void (*room)(void *ctx);
	void *room_ctx;
	images_done *done;
	void *done_ctx;
	int64_t expected_bytes, limit_bytes;
	int64_t taken_bytes; /* from the caller */
	int err;	     /* first error, as seen by the loop */

	/* the pool's */
	int job_err;
	int fd; /* -1: not made yet */
	char tmp[NAME_CAP];
	uint8_t sha256[DIGEST_SHA256];
	mbedtls_sha256_context hash;

	unsigned filling; /* the loop's chunk; the other one is the pool's */
	size_t fill[2];
	uint8_t chunk[2][CHUNK_BYTES];
};

char *image_name(const uint8_t sha256[DIGEST_SHA256], char dst[NAME_CAP])
{
	struct buf b = buf_writer(dst, NAME_CAP);

	buf_put_hex(&b, sha256, DIGEST_SHA256);
	return buf_cstr(&b);
}

static bool image_from_name(const char *name, uint8_t sha256[DIGEST_SHA256])
{
	char ours[NAME_CAP];
	size_t len = 0;

	if (strlen(name) != 2 * (size_t)DIGEST_SHA256 ||
	    buf_from_hex(name, strlen(name), sha256, DIGEST_SHA256, &len))
		return false;
	return strcmp(image_name(sha256, ours), name) == 0; /* capitals are not ours to remove */
}

void images_unref(struct images *im)
{
	assert(im->refs > 0);
	if (--im->refs)
		return;
	close(im->dir);
	free(im->path);
	free(im);
}

/* ---- folder ---- */

/* Calls `each` for every name, which may remove it. */
static int images_walk(struct images *im, void (*each)(void *ctx, const char *name), void *ctx)
{
	int fd = openat(im->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d) {
		int err = err_from_errno(errno);
		if (fd >= 0)
			close(fd);
		return err;
	}
	for (struct dirent *e = readdir(d); e; e = readdir(d))
		each(ctx, e->d_name);
	closedir(d);
	return 0;
}

static void remove_leftover(void *ctx, const char *name)
{
	const struct images *im = ctx;

	if (strncmp(name, TMP_PREFIX, strlen(TMP_PREFIX)) != 0)
		return;
	if (unlinkat(im->dir, name, 0))
		log_warn("images leftover=%s error=\"%s\"", name, strerror(errno));
	else
		log_info("images leftover=%s removed=1", name);
}

int images_new(uv_loop_t *loop, const char *dir, int64_t limit_bytes, struct images **ret_images)
{
	if (mkdir(dir, 0750) && errno != EEXIST)
		return err_from_errno(errno);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_from_errno(errno);
	struct images *im = calloc(1, sizeof(*im));
	char *path = strdup(dir);
	if (!im || !path) {
		close(fd);
		free(path);
		free(im);
		return ERR_NOMEM;
	}
	im->path = path;
	im->loop = loop;
	im->dir = fd;
	im->limit_bytes = limit_bytes;
	im->refs = 1;
	image_reader_init(&im->reader);
	int err = images_walk(im, remove_leftover, im);
	if (err) {
		images_free(im);
		return err;
	}
	*ret_images = im;
	return 0;
}

void images_free(struct images *im)
{
	if (!im)
		return;
	image_reader_done(&im->reader);
	images_unref(im);
}

void images_limit_set(struct images *im, int64_t limit_bytes)
{
	im->limit_bytes = limit_bytes;
}

int64_t images_limit(const struct images *im)
{
	return im->limit_bytes;
}

struct sweep {
	struct images *im;
	bool (*used)(void *ctx, const uint8_t sha256[DIGEST_SHA256]);
	void *ctx;
};

static void sweep_one(void *ctx, const char *name)
{
	struct sweep *s = ctx;
	uint8_t sha256[DIGEST_SHA256];

	if (!image_from_name(name, sha256) || s->used(s->ctx, sha256))
		return;
	log_info("images unused=%s removed=1", name);
	(void)unlinkat(s->im->dir, name, 0);
}

int images_sweep(struct images *im, bool (*used)(void *ctx, const uint8_t sha256[DIGEST_SHA256]),
		 void *ctx)
{
	struct sweep s = {im, used, ctx};

	return images_walk(im, sweep_one, &s);
}

/* ---- pins ---- */

static bool images_pinned(const struct images *im, const uint8_t sha256[DIGEST_SHA256])
{
	for (unsigned i = 0; i < im->pins; i++)
		if (memcmp(im->pin[i].sha256, sha256, DIGEST_SHA256) == 0)
			return true;
	return false;
}

void images_unpin(struct images *im, const uint8_t sha256[DIGEST_SHA256])
{
	for (unsigned i = 0; i < im->pins; i++) {
		if (memcmp(im->pin[i].sha256, sha256, DIGEST_SHA256) != 0)
			continue;
		im->pin[i] = im->pin[--im->pins];
		im->uploads--;
		return;
	}
}

/* ---- the pool's side of an upload ---- */

static int pool_open(struct images_upload *up)
{
	if (up->fd >= 0)
		return 0;
	up->fd = openat(up->im->dir, up->tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (up->fd < 0)
		return errno == ENOENT ? ERR_MOVED : err_from_errno(errno);
	return 0;
}

static int pool_write(struct images_upload *up)
{
	const uint8_t *ptr = up->chunk[1 - up->filling];
	size_t left = up->fill[1 - up->filling];
	int err = pool_open(up);

	if (err)
		return err;
	if (mbedtls_sha256_update(&up->hash, ptr, left))
		return ERR_CRYPTO;
	while (left) {
		ssize_t n = write(up->fd, ptr, left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? err_from_errno(errno) : ERR_IO;
		ptr += n;
		left -= (size_t)n;
	}
	return 0;
}

static int pool_sync(struct images_upload *up)
{
	int err = pool_write(up);

	if (err)
		return err;
	if (mbedtls_sha256_finish(&up->hash, up->sha256))
		return ERR_CRYPTO;
	return fsync(up->fd) ? err_from_errno(errno) : 0;
}

static int pool_rename(struct images_upload *up)
{
	char name[NAME_CAP];

	/* Over a file of the same name, too: the same bytes, but these are known to be whole. */
	if (renameat(up->im->dir, up->tmp, up->im->dir, image_name(up->sha256, name)))
		return errno == ENOENT ? ERR_MOVED : err_from_errno(errno);
	up->tmp[0] = 0;
	return fsync(up->im->dir) ? err_from_errno(errno) : 0;
}

static void pool_work(uv_work_t *work)
{
	struct images_upload *up = work->data;

	switch (up->job) {
	case JOB_WRITE:
		up->job_err = pool_write(up);
		break;
	case JOB_SYNC:
		up->job_err = pool_sync(up);
		break;
	case JOB_RENAME:
		up->job_err = pool_rename(up);
		break;
	case JOB_ABORT:
		if (up->fd >= 0 && up->tmp[0])
			(void)unlinkat(up->im->dir, up->tmp, 0);
		if (up->fd >= 0)
			close(up->fd);
		up->fd = -1;
		break;
	case JOB_NONE:
		break;
	}
}

/* ---- the loop's side ---- */

static void upload_free(struct images_upload *up)
{
	struct images *im = up->im;

	if (!up->pinned)
		im->uploads--;
	mbedtls_sha256_free(&up->hash);
	free(up);
	images_unref(im);
}

static void upload_next(struct images_upload *up);

/* How long the image is, as far as it is known. */
static int64_t up_bytes(const struct images_upload *up)
{
	return up->expected_bytes > up->taken_bytes ? up->expected_bytes : up->taken_bytes;
}

static void after_work(uv_work_t *work, int status)
{
	struct images_upload *up = work->data;
	enum job job = up->job;

	up->job = JOB_NONE;
	if (status) /* cancelled: nobody does, but then the job has not run */
		up->job_err = ERR_IO;
	if (!up->err && up->job_err) {
		up->err = up->job_err;
		image_write_note(&up->im->faults, up->err, up_bytes(up));
	}
	if (job == JOB_ABORT) {
		if (up->done)
			up->done(up->done_ctx, up->err, up->sha256, up->taken_bytes);
		upload_free(up);
		return;
	}
	up->fill[1 - up->filling] = 0;
	if (job == JOB_SYNC && !up->err && !up->aborted) {
		struct images *im = up->im;
		assert(im->pins < LIMIT_UPLOADS); /* each pin holds one of the uploads' places */
		memcpy(im->pin[im->pins++].sha256, up->sha256, DIGEST_SHA256);
		up->pinned = true;
		up->job = JOB_RENAME;
	} else if (job == JOB_RENAME && !up->err) {
		image_reader_forget(&up->im->reader,
				    up->sha256); /* the name may lead to another file now */
		image_bad_drop(&up->im->faults, up->sha256);
		image_write_note(&up->im->faults, 0, 0);
	} else if (job == JOB_RENAME && up->err) {
		images_unpin(up->im, up->sha256);
		up->im->uploads++; /* the place is the upload's again */
		up->pinned = false;
	}
	if (job == JOB_RENAME || up->aborted || (up->finishing && up->err))
		up->job = JOB_ABORT; /* closes the file, and removes it unless it was renamed */
	upload_next(up);
}

static void upload_queue(struct images_upload *up)
{
	if (uv_queue_work(up->im->loop, &up->work, pool_work, after_work))
		abort(); /* only for a NULL callback */
}

static void upload_next(struct images_upload *up)
{
	if (up->job == JOB_NONE && !up->err) {
		if (up->finishing)
			up->job = JOB_SYNC;
		else if (up->fill[up->filling] == CHUNK_BYTES)
			up->job = JOB_WRITE;
		if (up->job != JOB_NONE)
			up->filling = 1 - up->filling;
	}
	if (up->job != JOB_NONE)
		upload_queue(up);
	if (up->wants_room && !up->aborted && !up->finishing) {
		up->wants_room = false;
		up->room(up->room_ctx);
	}
}

int images_upload_new(struct images *im, int64_t expected_bytes, void (*room)(void *ctx), void *ctx,
		      struct images_upload **ret_upload)
{
	if (expected_bytes > im->limit_bytes)
		return ERR_LIMIT;
	if (im->uploads >= LIMIT_UPLOADS)
		return ERR_BUSY;
	struct images_upload *up = calloc(1, sizeof(*up));
	if (!up)
		return ERR_NOMEM;
	mbedtls_sha256_init(&up->hash);
	if (mbedtls_sha256_starts(&up->hash, 0)) {
		mbedtls_sha256_free(&up->hash);
		free(up);
		return ERR_CRYPTO;
	}
	up->im = im;
	up->work.data = up;
	up->expected_bytes = expected_bytes;
	up->limit_bytes = im->limit_bytes;
	up->room = room;
	up->room_ctx = ctx;
	up->fd = -1;
	(void)snprintf(up->tmp, sizeof(up->tmp), TMP_PREFIX "%ld-%llu", (long)getpid(),
		       (unsigned long long)++im->serial);
	im->uploads++;
	im->refs++;
	*ret_upload = up;
	return 0;
}

int images_upload_write(struct images_upload *up, const void *ptr, size_t len, size_t *ret_taken)
{
	const uint8_t *src = ptr;
	size_t taken = 0;

	up->wants_room = false;
	if (!up->err && (uint64_t)len > (uint64_t)(up->limit_bytes - up->taken_bytes))
		up->err = ERR_LIMIT;
	if (!up->err && up->expected_bytes >= 0 &&
	    (uint64_t)len > (uint64_t)(up->expected_bytes - up->taken_bytes))
		up->err = ERR_EXTRA;
	while (!up->err && taken < len) {
		size_t *fill = &up->fill[up->filling];
		size_t n = CHUNK_BYTES - *fill;
		if (n > len - taken)
			n = len - taken;
		if (n == 0)
			break; /* both chunks are full */
		memcpy(up->chunk[up->filling] + *fill, src + taken, n);
		*fill += n;
		taken += n;
		if (*fill == CHUNK_BYTES && up->job == JOB_NONE)
			upload_next(up);
	}
	if (up->err)
		return up->err;
	up->taken_bytes += (int64_t)taken;
	up->wants_room = taken == 0 && len > 0;
	*ret_taken = taken;
	return 0;
}

void images_upload_finish_take(struct images_upload *up, images_done *done, void *ctx)
{
	up->done = done;
	up->done_ctx = ctx;
	up->finishing = true;
	if (!up->err && up->taken_bytes == 0)
		up->err = ERR_INVAL;
	if (!up->err && up->taken_bytes < up->expected_bytes)
		up->err = ERR_TRUNC;
	if (up->job != JOB_NONE)
		return;
	if (up->err)
		up->job = JOB_ABORT;
	upload_next(up);
}

void images_upload_abort(struct images_upload *up)
{
	if (!up)
		return;
	up->aborted = true;
	if (up->job != JOB_NONE)
		return;
	up->job = JOB_ABORT;
	upload_next(up);
}

/* ---- reading ---- */

int images_read(struct images *im, const uint8_t sha256[DIGEST_SHA256], int64_t offset, void *dst,
		size_t len)
{
	char name[NAME_CAP];

	if (offset < 0)
		return ERR_RANGE;
	int err = image_reader_read(&im->reader, im->dir, image_name(sha256, name), sha256, offset,
				    dst, len);
	if (err && len)
		image_bad_note(&im->faults, sha256, err, offset + (int64_t)len - 1);
	return err;
}

bool images_has(struct images *im, const uint8_t sha256[DIGEST_SHA256])
{
	char name[NAME_CAP];

	return faccessat(im->dir, image_name(sha256, name), R_OK, 0) == 0;
}

/* ---- removal ---- */

struct removal {
	uv_work_t work;
	struct images *im;
	char tmp[NAME_CAP];
};

static void removal_work(uv_work_t *work)
{
	struct removal *r = work->data;

	(void)unlinkat(r->im->dir, r->tmp, 0);
}

static void removal_done(uv_work_t *work, int status)
{
	struct removal *r = work->data;

	(void)status;
	images_unref(r->im);
	free(r);
}

/* The name goes at once, so that a new upload of the same bytes never meets a file that is
 * about to go; freeing the blocks, which takes long, is left to the pool. */
void images_remove(struct images *im, const uint8_t sha256[DIGEST_SHA256])
{
	char name[NAME_CAP];
	struct removal *r;

	image_name(sha256, name);
	if (images_pinned(im, sha256))
		return;
	image_bad_drop(&im->faults, sha256);
	image_reader_forget(&im->reader, sha256);
	r = calloc(1, sizeof(*r));
	if (!r) {
		(void)unlinkat(im->dir, name, 0);
		return;
	}
	r->im = im;
	r->work.data = r;
	(void)snprintf(r->tmp, sizeof(r->tmp), TMP_PREFIX "%ld-%llu", (long)getpid(),
		       (unsigned long long)++im->serial);
	if (renameat(im->dir, name, im->dir, r->tmp)) {
		if (errno != ENOENT)
			log_warn("images remove=%s error=\"%s\"", name, strerror(errno));
		free(r);
		return;
	}
	im->refs++;
	if (uv_queue_work(im->loop, &r->work, removal_work, removal_done))
		abort(); /* only for a NULL callback */
}
