/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/offline.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mbedtls/sha256.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/audit.h"
#include "daemon/statedir.h"
#include "store/check.h"
#include "store/restore.h"

#define DB_NAME "postboot.db"
#define KEPT ".before-restore-"

enum { PATH_BYTES = CONF_PATH_MAX + 160, READ_BYTES = 65536 };

struct tally {
	const char *state_dir;
	bool deep;
	unsigned images;   /* looked at */
	unsigned problems; /* of images */
	unsigned missing;
};

static void say(const char *where, const char *what, const char *todo)
{
	(void)printf("%s: %s; do: %s\n", where, what, todo);
}

static void on_finding(void *ctx, const struct store_finding *f)
{
	(void)ctx;
	say(f->where, f->what, f->todo);
}

/* ---- images ---- */

static const char *image_path(const struct tally *r, const uint8_t sha256[DIGEST_SHA256],
			      char dst[PATH_BYTES])
{
	char hex[2 * DIGEST_SHA256 + 1];
	struct buf b = buf_writer(hex, sizeof(hex));

	buf_put_hex(&b, sha256, DIGEST_SHA256);
	(void)snprintf(dst, PATH_BYTES, "%s/images/%s", r->state_dir, buf_cstr(&b));
	return dst;
}

/* 0 and the digest of a whole file. */
static int image_hash(const char *path, uint8_t ret[DIGEST_SHA256])
{
	static uint8_t block[READ_BYTES];
	mbedtls_sha256_context sha;
	ssize_t n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_from_errno(errno);
	mbedtls_sha256_init(&sha);
	int err = mbedtls_sha256_starts(&sha, 0) ? ERR_CRYPTO : 0;
	while (!err && (n = read(fd, block, sizeof(block))) > 0)
		err = mbedtls_sha256_update(&sha, block, (size_t)n) ? ERR_CRYPTO : 0;
	if (n < 0)
		err = err_from_errno(errno);
	if (!err)
		err = mbedtls_sha256_finish(&sha, ret) ? ERR_CRYPTO : 0;
	mbedtls_sha256_free(&sha);
	(void)close(fd);
	return err;
}

/* What is wrong with the image of a release; NULL: nothing. */
static const char *image_wrong(const struct tally *r, const struct release *rel, const char *path)
{
	uint8_t sha256[DIGEST_SHA256];
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOENT ? "its image file is missing" : strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "its image is not a file";
	if (st.st_size != rel->size_bytes)
		return "its image file has another size";
	if (!r->deep)
		return NULL;
	int err = image_hash(path, sha256);
	if (err)
		return err_text(err);
	return memcmp(sha256, rel->sha256, sizeof(sha256)) == 0 ? NULL
								: "its image file has other bytes";
}

static void on_release(void *ctx, const struct release *rel)
{
	struct tally *r = ctx;
	char path[PATH_BYTES], where[128], todo[PATH_BYTES + 160];
	const char *what = image_wrong(r, rel, image_path(r, rel->sha256, path));

	r->images++;
	if (!what)
		return;
	r->problems++;
	(void)snprintf(where, sizeof(where), "release %s (%lld)", rel->version, (long long)rel->id);
	(void)snprintf(todo, sizeof(todo),
		       "copy %s from a backup of the images folder, or upload the same file as "
		       "another release",
		       path);
	say(where, what, todo);
}

/* ---- the state folder's lock ---- */

/* Shared: a daemon that starts meanwhile has to wait, so the file may be read as if nobody could
 * write it. -1: one is running, or there is no lock to take. */
static int lock_shared(const char *state_dir)
{
	char path[PATH_BYTES];

	(void)snprintf(path, sizeof(path), "%s/lock", state_dir);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0) {
		(void)close(fd);
		fd = -1;
	}
	return fd;
}

/* Root may have made the file, and the daemon is another user. */
static void lock_give(const char *state_dir, int lock)
{
	struct stat st;

	if (geteuid() == 0 && stat(state_dir, &st) == 0 && fchown(lock, st.st_uid, st.st_gid))
		perror("postbootd: lock");
}

/* ---- --check-db ---- */

static int end(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	perror("postbootd: standard output");
	return ERR_IO;
}

bool offline_check(const struct conf *conf, bool deep)
{
	char path[PATH_BYTES], error[200];
	struct tally r = {.state_dir = conf->state_dir, .deep = deep};
	unsigned problems = 0;
	int lock = lock_shared(conf->state_dir);
	struct store_check c = {.path = path,
				.alone = lock >= 0,
				.hash = audit_sha256,
				.finding = on_finding,
				.release = on_release,
				.ctx = &r};

	(void)snprintf(path, sizeof(path), "%s/%s", conf->state_dir, DB_NAME);
	int err = store_check(&c, &problems, error);
	if (lock >= 0)
		(void)close(lock);
	if (err) {
		say(path, error[0] ? error : err_text(err),
		    err == ERR_VERSION ? "use the postbootd that wrote it, or a newer one"
		    : err == ERR_NOENT ? "look at state-dir: postbootd -T prints it"
		    : err == ERR_DENIED
			    ? "run it as root or as the daemon's user"
			    : "restore a backup: postbootd --restore FILE, see postbootd(8)");
		problems = 1;
	}
	problems += r.problems;
	(void)printf("%u problem%s (images of %u release%s%s)\n", problems,
		     problems == 1 ? "" : "s", r.images, r.images == 1 ? "" : "s",
		     deep ? ", read" : "");
	return end() == 0 && problems == 0;
}

/* ---- --restore ---- */

static const char *restore_todo(int err)
{
	switch (err) {
	case ERR_VERSION:
		return "use the postbootd that wrote it, or a newer one";
	case ERR_INVAL:
	case ERR_NOENT:
	case ERR_CORRUPT:
		return "name a file that postbootctl backup wrote; nothing was changed";
	case ERR_FULL:
		return "free space on the file system of state-dir; nothing was changed";
	case ERR_EXIST:
		return "wait a second and try again";
	default:
		return "nothing was changed; run it as root or as the daemon's user";
	}
}

static void on_restored_release(void *ctx, const struct release *rel)
{
	struct tally *r = ctx;
	char path[PATH_BYTES];

	r->images++;
	if (!image_wrong(r, rel, image_path(r, rel->sha256, path)))
		return;
	if (r->missing++ < STORE_CHECK_TOLD)
		(void)printf("missing: %s (%s)\n", path, rel->version);
}

static void restored(const struct conf *conf, const struct tally *r, bool kept, const char *aside)
{
	(void)printf("restored: %s/%s\n", conf->state_dir, DB_NAME);
	if (kept)
		(void)printf("kept: %s\n", aside);
	if (r->missing)
		(void)printf("next: copy %u missing image%s to %s/images before you start "
			     "postbootd\n",
			     r->missing, r->missing == 1 ? "" : "s", conf->state_dir);
	(void)printf("next: start postbootd; it begins a new event stream and closes open attempts "
		     "store-restored\n");
}

bool offline_restore(const struct conf *conf, const char *file)
{
	char path[PATH_BYTES], aside[2 * PATH_BYTES], error[200];
	struct tally r = {.state_dir = conf->state_dir};
	struct store_restore what = {.file = file,
				     .db = path,
				     .aside = aside,
				     .finding = on_finding,
				     .release = on_restored_release,
				     .ctx = &r};
	time_t now = time(NULL);
	struct tm utc;
	char stamp[32];
	bool kept = false;
	int lock = -1;

	if (statedir_open(conf->state_dir, &lock)) /* it has said why */
		return false;
	lock_give(conf->state_dir, lock);
	(void)strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
	(void)snprintf(path, sizeof(path), "%s/%s", conf->state_dir, DB_NAME);
	(void)snprintf(aside, sizeof(aside), "%s%s%s", path, KEPT, stamp);
	int err = store_restore(&what, &kept, error);
	(void)close(lock);
	if (err)
		(void)fprintf(stderr, "postbootd: %s: %s; do: %s\n", file,
			      error[0] ? error : err_text(err), restore_todo(err));
	else
		restored(conf, &r, kept, aside);
	return end() == 0 && !err;
}

bool offline_kept(const char *state_dir)
{
	DIR *dir = opendir(state_dir);
	bool found = false;

	for (struct dirent *e = dir ? readdir(dir) : NULL; e && !found; e = readdir(dir))
		found = strncmp(e->d_name, DB_NAME KEPT, strlen(DB_NAME KEPT)) == 0;
	if (dir)
		(void)closedir(dir);
	return found;
}
