/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mbedtls/sha256.h>

#include "base/limits.h"
#include "daemon/images.h"

enum { LIMIT = 1 << 20 };

struct fixture {
	uv_loop_t loop;
	char dir[64];
	char sub[80];
	struct images *im;

	unsigned done, rooms;
	int err;
	uint8_t sha256[DIGEST_SHA256];
	int64_t size_bytes;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/postboot-images-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->sub, sizeof(f->sub), "%s/images", f->dir);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	assert_int_equal(images_new(&f->loop, f->sub, LIMIT, &f->im), 0);
	*state = f;
	return 0;
}

static unsigned each_file(const char *dir, bool remove)
{
	DIR *d = opendir(dir);
	unsigned count = 0;

	assert_non_null(d);
	for (struct dirent *e = readdir(d); e; e = readdir(d)) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		count++;
		if (remove)
			(void)unlinkat(dirfd(d), e->d_name, 0);
	}
	closedir(d);
	return count;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	images_free(f->im);
	(void)uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	(void)each_file(f->sub, true);
	(void)rmdir(f->sub);
	(void)rmdir(f->dir);
	free(f);
	return 0;
}

static void on_done(void *ctx, int err, const uint8_t sha256[DIGEST_SHA256], int64_t size_bytes)
{
	struct fixture *f = ctx;

	f->done++;
	f->err = err;
	f->size_bytes = size_bytes;
	memcpy(f->sha256, sha256, DIGEST_SHA256);
}

static void on_room(void *ctx)
{
	struct fixture *f = ctx;

	f->rooms++;
}

static uint8_t *bytes_new(size_t len, unsigned seed)
{
	uint8_t *p = malloc(len ? len : 1);

	assert_non_null(p);
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1103515245u + 12345u;
		p[i] = (uint8_t)(seed >> 16);
	}
	return p;
}

/* Writes all of it, waiting for room as a caller must. */
static int write_all(struct fixture *f, struct images_upload *up, const uint8_t *p, size_t len,
		     size_t step)
{
	for (size_t at = 0; at < len;) {
		size_t n = len - at < step ? len - at : step, taken = 0;
		int err = images_upload_write(up, p + at, n, &taken);
		if (err)
			return err;
		at += taken;
		if (taken)
			continue;
		for (unsigned rooms = f->rooms; rooms == f->rooms;)
			(void)uv_run(&f->loop, UV_RUN_ONCE);
	}
	return 0;
}

static int upload(struct fixture *f, const uint8_t *p, size_t len, int64_t expected, size_t step)
{
	struct images_upload *up = NULL;
	int err = images_upload_new(f->im, expected, on_room, f, &up);

	if (err)
		return err;
	err = write_all(f, up, p, len, step);
	if (err) {
		images_upload_abort(up);
		(void)uv_run(&f->loop, UV_RUN_DEFAULT);
		return err;
	}
	f->done = 0;
	images_upload_finish_take(up, on_done, f);
	assert_int_equal(f->done, 0); /* never before it returns */
	(void)uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(f->done, 1);
	return f->err;
}

static void test_upload_is_stored_under_its_hash_and_read_back(void **state)
{
	struct fixture *f = *state;
	static const size_t sizes[] = {1,	   1000,       128 * 1024 - 1, 128 * 1024,
				       256 * 1024, 300 * 1000, LIMIT};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint8_t *p = bytes_new(sizes[i], (unsigned)i), want[DIGEST_SHA256];
		uint8_t *back = malloc(sizes[i]);
		assert_int_equal(mbedtls_sha256(p, sizes[i], want, 0), 0);
		assert_int_equal(upload(f, p, sizes[i], (int64_t)sizes[i], 7777), 0);
		assert_memory_equal(f->sha256, want, sizeof(want));
		assert_int_equal(f->size_bytes, sizes[i]);
		assert_true(images_has(f->im, want));
		assert_int_equal(images_read(f->im, want, 0, back, sizes[i]), 0);
		assert_memory_equal(back, p, sizes[i]);
		images_unpin(f->im, want);
		free(p);
		free(back);
	}
	assert_int_equal(each_file(f->sub, false), sizeof(sizes) / sizeof(sizes[0]));
}

static void test_write_larger_than_both_chunks_waits_for_room(void **state)
{
	struct fixture *f = *state;
	uint8_t *p = bytes_new(LIMIT, 1);

	assert_int_equal(upload(f, p, LIMIT, -1, LIMIT), 0);
	assert_true(f->rooms > 0);
	free(p);
}

static void test_same_bytes_are_kept_once(void **state)
{
	struct fixture *f = *state;
	uint8_t *p = bytes_new(5000, 3);

	assert_int_equal(upload(f, p, 5000, 5000, 5000), 0);
	assert_int_equal(upload(f, p, 5000, -1, 100), 0);
	assert_int_equal(each_file(f->sub, false), 1);
	free(p);
}

static void test_bad_uploads_leave_nothing(void **state)
{
	struct fixture *f = *state;
	uint8_t *p = bytes_new(LIMIT + 1, 4);

	assert_int_equal(upload(f, p, 0, -1, 1), ERR_INVAL);
	assert_int_equal(upload(f, p, 0, 0, 1), ERR_INVAL);
	assert_int_equal(upload(f, p, 299999, 300000, 4096), ERR_TRUNC);
	assert_int_equal(upload(f, p, 300001, 300000, 4096), ERR_EXTRA);
	assert_int_equal(upload(f, p, 10, LIMIT + 1, 10), ERR_LIMIT);
	assert_int_equal(upload(f, p, LIMIT + 1, -1, 4096), ERR_LIMIT);
	assert_int_equal(each_file(f->sub, false), 0);
	free(p);
}

static void test_abort_at_any_point_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	uint8_t *p = bytes_new(300000, 5);

	for (size_t cut = 0; cut <= 300000; cut += 50000) {
		struct images_upload *up = NULL;
		assert_int_equal(images_upload_new(f->im, 300001, on_room, f, &up), 0);
		assert_int_equal(write_all(f, up, p, cut, 4096), 0);
		images_upload_abort(up);
		(void)uv_run(&f->loop, UV_RUN_DEFAULT);
		assert_int_equal(each_file(f->sub, false), 0);
	}
	images_upload_abort(NULL);
	free(p);
}

static void test_uploads_at_once_are_bounded(void **state)
{
	struct fixture *f = *state;
	struct images_upload *up[LIMIT_UPLOADS], *more = NULL;

	for (unsigned i = 0; i < LIMIT_UPLOADS; i++)
		assert_int_equal(images_upload_new(f->im, -1, on_room, f, &up[i]), 0);
	assert_int_equal(images_upload_new(f->im, -1, on_room, f, &more), ERR_BUSY);
	for (unsigned i = 0; i < LIMIT_UPLOADS; i++)
		images_upload_abort(up[i]);
	(void)uv_run(&f->loop, UV_RUN_DEFAULT);
	for (unsigned i = 0; i < 3 * LIMIT_UPLOADS; i++) { /* places come back, pinned or not */
		uint8_t *p = bytes_new(10, i);
		assert_int_equal(upload(f, p, 10, 10, 10), 0);
		images_unpin(f->im, f->sha256);
		assert_int_equal(upload(f, p, 10, 11, 10), ERR_TRUNC);
		free(p);
	}
}

static void test_pinned_image_is_not_removed(void **state)
{
	struct fixture *f = *state;
	uint8_t *p = bytes_new(100, 7);

	assert_int_equal(upload(f, p, 100, 100, 100), 0);
	images_remove(f->im, f->sha256);
	assert_true(images_has(f->im, f->sha256));
	images_unpin(f->im, f->sha256);
	images_remove(f->im, f->sha256);
	assert_false(images_has(f->im, f->sha256));
	(void)uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(each_file(f->sub, false), 0);
	images_remove(f->im, f->sha256); /* gone already: fine */
	free(p);
}

static void test_read_says_what_is_wrong(void **state)
{
	struct fixture *f = *state;
	uint8_t *p = bytes_new(100, 8), back[101], none[DIGEST_SHA256] = {1};

	assert_int_equal(upload(f, p, 100, 100, 100), 0);
	images_unpin(f->im, f->sha256);
	assert_int_equal(images_read(f->im, f->sha256, 40, back, 60), 0);
	assert_memory_equal(back, p + 40, 60);
	assert_int_equal(images_read(f->im, f->sha256, 0, back, 101), ERR_TRUNC);
	assert_int_equal(images_read(f->im, f->sha256, -1, back, 1), ERR_RANGE);
	assert_int_equal(images_read(f->im, none, 0, back, 1), ERR_NOENT);
	images_remove(f->im, f->sha256); /* its descriptor is open: it must not be read on */
	assert_int_equal(images_read(f->im, f->sha256, 0, back, 1), ERR_NOENT);
	free(p);
}

static void test_more_images_than_descriptors_are_all_read(void **state)
{
	struct fixture *f = *state;
	uint8_t sha[LIMIT_IMAGES_OPEN + 4][DIGEST_SHA256], back[10];

	for (unsigned i = 0; i < LIMIT_IMAGES_OPEN + 4; i++) {
		uint8_t *p = bytes_new(10, 100 + i);
		assert_int_equal(upload(f, p, 10, 10, 10), 0);
		memcpy(sha[i], f->sha256, sizeof(sha[i]));
		images_unpin(f->im, f->sha256);
		free(p);
	}
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < LIMIT_IMAGES_OPEN + 4; i++) {
			uint8_t *p = bytes_new(10, 100 + i);
			assert_int_equal(images_read(f->im, sha[i], 0, back, 10), 0);
			assert_memory_equal(back, p, 10);
			free(p);
		}
	}
}

/* More of an image than is kept: the first stretch goes for the last, and comes again. */
static void test_stretches_kept_at_the_limit_and_one_more(void **state)
{
	enum { STRETCH = 65536, SIZE = (LIMIT_IMAGE_STRETCHES + 1) * STRETCH };
	struct fixture *f = *state;
	uint8_t *p = bytes_new(SIZE, 11), back[100];
	struct images_stats stats;
	struct {
		unsigned from, to, hits;
	} rounds[] = {
		{0, LIMIT_IMAGE_STRETCHES, 0},
		{0, LIMIT_IMAGE_STRETCHES, LIMIT_IMAGE_STRETCHES},
		{LIMIT_IMAGE_STRETCHES, LIMIT_IMAGE_STRETCHES + 1, 0},
		{1, LIMIT_IMAGE_STRETCHES + 1, LIMIT_IMAGE_STRETCHES},
		{0, 1, 0},
		{0, LIMIT_IMAGE_STRETCHES, LIMIT_IMAGE_STRETCHES},
	};
	uint64_t hits = 0;

	images_limit_set(f->im, SIZE);
	assert_int_equal(upload(f, p, SIZE, SIZE, STRETCH), 0);
	images_unpin(f->im, f->sha256);
	for (size_t i = 0; i < sizeof(rounds) / sizeof(rounds[0]); i++) {
		for (unsigned k = rounds[i].from; k < rounds[i].to; k++) {
			int64_t at = (int64_t)k * STRETCH + 7;
			assert_int_equal(images_read(f->im, f->sha256, at, back, 100), 0);
			assert_memory_equal(back, p + at, 100);
		}
		hits += rounds[i].hits;
		images_stats(f->im, &stats);
		assert_int_equal(stats.hits, hits);
	}
	free(p);
}

static void put_file(struct fixture *f, const char *name)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", f->sub, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
}

static bool used_none(void *ctx, const uint8_t sha256[DIGEST_SHA256])
{
	return memcmp(sha256, ctx, DIGEST_SHA256) == 0;
}

static void test_start_removes_leftovers_and_sweep_removes_orphans(void **state)
{
	struct fixture *f = *state;
	uint8_t *p = bytes_new(10, 9);

	assert_int_equal(upload(f, p, 10, 10, 10), 0);
	images_unpin(f->im, f->sha256);
	put_file(f, ".tmp-1-1");
	put_file(f, "README"); /* not ours: stays */
	put_file(f, "0000000000000000000000000000000000000000000000000000000000000000");
	images_free(f->im);
	assert_int_equal(images_new(&f->loop, f->sub, LIMIT, &f->im), 0);
	assert_int_equal(each_file(f->sub, false), 3);
	assert_int_equal(images_sweep(f->im, used_none, f->sha256), 0);
	assert_int_equal(each_file(f->sub, false), 2);
	assert_true(images_has(f->im, f->sha256));
	free(p);
}

static void test_folder_that_cannot_be_made_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct images *im = NULL;

	assert_int_equal(images_new(&f->loop, "/dev/null/images", LIMIT, &im), ERR_NOENT);
	assert_null(im);
	images_free(NULL);
}

/* The folder is gone under a running upload: an error, and nothing else. */
static void test_lost_folder_is_an_error_at_the_end(void **state)
{
	struct fixture *f = *state;
	uint8_t *p = bytes_new(10, 10);

	assert_int_equal(rmdir(f->sub), 0);
	assert_int_equal(upload(f, p, 10, 10, 10), ERR_MOVED);
	assert_int_equal(mkdir(f->sub, 0700), 0);
	free(p);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_upload_is_stored_under_its_hash_and_read_back),
		CASE(test_write_larger_than_both_chunks_waits_for_room),
		CASE(test_same_bytes_are_kept_once),
		CASE(test_bad_uploads_leave_nothing),
		CASE(test_abort_at_any_point_leaves_nothing),
		CASE(test_uploads_at_once_are_bounded),
		CASE(test_pinned_image_is_not_removed),
		CASE(test_read_says_what_is_wrong),
		CASE(test_more_images_than_descriptors_are_all_read),
		CASE(test_stretches_kept_at_the_limit_and_one_more),
		CASE(test_start_removes_leftovers_and_sweep_removes_orphans),
		CASE(test_folder_that_cannot_be_made_is_an_error),
		CASE(test_lost_folder_is_an_error_at_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
