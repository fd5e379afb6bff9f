/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/images_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
	TRY_BYTES = 4096,
	ROOM_BYTES = 1 << 20, /* with so much free, an image that found no room was too large */
};

struct image_bad *image_bad_find(struct image_faults *f, const uint8_t sha256[DIGEST_SHA256])
{
	for (unsigned i = 0; i < f->count; i++)
		if (memcmp(f->bad[i].sha256, sha256, DIGEST_SHA256) == 0)
			return &f->bad[i];
	return NULL;
}

void image_bad_note(struct image_faults *f, const uint8_t sha256[DIGEST_SHA256], int err,
		    int64_t offset)
{
	struct image_bad *bad = image_bad_find(f, sha256);

	if (!bad && f->count == LIMIT_IMAGES_BAD)
		return;
	if (!bad) {
		bad = &f->bad[f->count++];
		memcpy(bad->sha256, sha256, DIGEST_SHA256);
	}
	bad->err = err;
	bad->offset = offset;
}

void image_bad_drop(struct image_faults *f, const uint8_t sha256[DIGEST_SHA256])
{
	struct image_bad *bad = image_bad_find(f, sha256);

	if (bad)
		*bad = f->bad[--f->count];
}

void image_write_note(struct image_faults *f, int err, int64_t bytes)
{
	if (err && !err_is_fault(err))
		return; /* the operator's */
	f->need_bytes = err != ERR_FULL ? 0 : bytes < ROOM_BYTES ? bytes : ROOM_BYTES;
	f->was_full = err == ERR_FULL;
	if (!f->was_full)
		f->write_err = err; /* else the probe says, when the rest of the upload is gone */
}

static bool is_same(int dir, const char *path)
{
	struct stat open, there;

	return fstat(dir, &open) == 0 && stat(path, &there) == 0 && open.st_dev == there.st_dev &&
	       open.st_ino == there.st_ino;
}

/* Makes the folder that `dir` stands for the one at `path` again, if that was moved or removed. */
static int folder_mend(int dir, const char *path)
{
	if (is_same(dir, path))
		return 0;
	if (mkdir(path, 0750) && errno != EEXIST)
		return ERR_MOVED;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return ERR_MOVED;
	/* In place: the pool may be using the number. */
	int err = dup3(fd, dir, O_CLOEXEC) < 0 ? ERR_IO : 0;
	(void)close(fd);
	return err;
}

/* On the pool: writes a small file and removes it; ERR_FULL unless need_bytes are free. */
static int folder_try(int dir, const char *name, int64_t need_bytes)
{
	static const char zeros[TRY_BYTES];
	struct statvfs vfs;
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);

	if (fd < 0)
		return errno == ENOENT ? ERR_MOVED : err_from_errno(errno);
	ssize_t n = write(fd, zeros, sizeof(zeros));
	int err = n < 0 ? err_from_errno(errno) : n < TRY_BYTES ? ERR_FULL : 0;
	if (!err && fsync(fd))
		err = err_from_errno(errno);
	(void)close(fd);
	(void)unlinkat(dir, name, 0);
	if (!err && fstatvfs(dir, &vfs) == 0 && (int64_t)(vfs.f_bavail * vfs.f_frsize) < need_bytes)
		err = ERR_FULL;
	return err;
}

bool images_is_bad(struct images *im, const uint8_t sha256[DIGEST_SHA256])
{
	return image_bad_find(&im->faults, sha256) != NULL;
}

void images_check(struct images *im, const uint8_t sha256[DIGEST_SHA256], int64_t size_bytes)
{
	char name[NAME_CAP];
	struct stat st;
	int err = 0;

	if (fstatat(im->dir, image_name(sha256, name), &st, AT_SYMLINK_NOFOLLOW))
		err = errno == ENOENT ? ERR_NOENT : ERR_IO;
	else if (!S_ISREG(st.st_mode))
		err = ERR_INVAL;
	else if (st.st_size != size_bytes)
		err = st.st_size < size_bytes ? ERR_TRUNC : ERR_EXTRA;
	struct image_bad *bad = image_bad_find(&im->faults, sha256);
	if (err)
		image_bad_note(&im->faults, sha256, err, size_bytes - 1);
	else if (bad && bad->err == ERR_EXTRA)
		image_bad_drop(&im->faults, sha256);
}

/* True when the file is there again and the byte that failed can be read. */
static bool bad_is_good(struct images *im, const struct image_bad *bad)
{
	char name[NAME_CAP];
	uint8_t byte;

	if (bad->err == ERR_EXTRA)
		return false; /* images_check() tells */
	image_name(bad->sha256, name);
	if (faccessat(im->dir, name, R_OK, 0))
		return false;
	image_reader_forget(&im->reader, bad->sha256);
	return image_reader_read(&im->reader, im->dir, name, bad->sha256, bad->offset, &byte, 1) ==
	       0;
}

struct probe {
	uv_work_t work;
	struct images *im;
	int64_t need_bytes;
	int err;
	char tmp[NAME_CAP];
};

static void probe_work(uv_work_t *work)
{
	struct probe *p = work->data;

	p->err = folder_try(p->im->dir, p->tmp, p->need_bytes);
}

static void probe_done(uv_work_t *work, int status)
{
	struct probe *p = work->data;

	p->im->faults.probing = false;
	if (!status && p->err)
		p->im->faults.write_err = p->err;
	else if (!status)
		image_write_note(&p->im->faults, 0, 0);
	images_unref(p->im);
	free(p);
}

static void probe(struct images *im)
{
	struct probe *p = im->faults.probing ? NULL : calloc(1, sizeof(*p));

	if (!p)
		return;
	p->im = im;
	p->work.data = p;
	p->need_bytes = im->faults.need_bytes;
	(void)snprintf(p->tmp, sizeof(p->tmp), TMP_PREFIX "%ld-probe", (long)getpid());
	im->refs++;
	im->faults.probing = true;
	if (uv_queue_work(im->loop, &p->work, probe_work, probe_done))
		abort(); /* only for a NULL callback */
}

void images_look(struct images *im, struct images_faults *ret_faults)
{
	struct image_faults *f = &im->faults;
	int err = folder_mend(im->dir, im->path);

	if (err)
		f->write_err = err;
	else if (f->write_err || f->was_full)
		probe(im);
	for (unsigned i = f->count; i-- > 0;)
		if (bad_is_good(im, &f->bad[i]))
			f->bad[i] = f->bad[--f->count];
	*ret_faults = (struct images_faults){.unreadable = f->count, .write_err = f->write_err};
	if (f->count) {
		ret_faults->read_err = f->bad[0].err;
		memcpy(ret_faults->sha256, f->bad[0].sha256, DIGEST_SHA256);
	}
}

void images_stats(const struct images *im, struct images_stats *ret_stats)
{
	*ret_stats = (struct images_stats){im->reader.reads, im->reader.hits};
}
