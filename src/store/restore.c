/* SPDX-License-Identifier: Apache-2.0 */
#include "store/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/backup.h"
#include "store/db.h"
#include "store/mark.h"

struct restore {
	const struct store_restore *conf;
	char fresh[PATH_MAX]; /* the copy, until it gets the database's name */
	unsigned step;
	char *error; /* 200 bytes */
};

static int step(struct restore *r)
{
	r->step++;
	return r->conf->fault ? r->conf->fault(r->conf->fault_ctx, r->step) : 0;
}

static int failed(struct restore *r, const char *path)
{
	int saved = errno;

	(void)snprintf(r->error, 200, "%.150s: %s", path, strerror(saved));
	return err_from_errno(saved);
}

static int check_file(struct restore *r)
{
	const struct store_check c = {.path = r->conf->file,
				      .vfs = r->conf->vfs,
				      .alone = true,
				      .finding = r->conf->finding,
				      .release = r->conf->release,
				      .ctx = r->conf->ctx};
	unsigned problems = 0;
	int err = store_check(&c, &problems, r->error);

	if (err || !problems)
		return err;
	(void)snprintf(r->error, 200, "it is damaged: %u problem%s", problems,
		       problems == 1 ? "" : "s");
	return ERR_CORRUPT;
}

/* Whoever restores is often root; the daemon is not. */
static int give_to_owner(struct restore *r, int fd)
{
	char folder[PATH_MAX];
	struct stat st;

	if (geteuid() != 0)
		return 0;
	(void)snprintf(folder, sizeof(folder), "%s", r->conf->db);
	char *slash = strrchr(folder, '/');
	if (slash)
		slash[slash == folder] = 0;
	if (stat(slash ? folder : ".", &st) < 0 || fchown(fd, st.st_uid, st.st_gid) < 0)
		return failed(r, folder);
	return 0;
}

static int copy(struct restore *r)
{
	const struct store_backup b = {
		.from = r->conf->file, .to = r->fresh, .alone = true, .vfs = r->conf->vfs};
	int err = step(r);

	if (err)
		return err;
	if (unlink(r->fresh) < 0 && errno != ENOENT)
		return failed(r, r->fresh);
	int fd = open(r->fresh, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return failed(r, r->fresh);
	err = give_to_owner(r, fd);
	if (!err)
		err = step(r);
	if (!err)
		err = store_backup(&b, r->error);
	if (!err)
		err = step(r);
	if (!err && fsync(fd) < 0)
		err = failed(r, r->fresh);
	(void)close(fd);
	return err;
}

/* Folds what lies beside the old database into it, so that one file is all of it. A damaged one
 * may refuse; then its files go aside as they are. */
static int fold(struct restore *r)
{
	struct db db = {0};
	int err = step(r);

	if (err)
		return err;
	if (access(r->conf->db, F_OK) == 0 &&
	    db_init(&db, r->conf->db, SQLITE_OPEN_READWRITE, r->conf->vfs) == 0)
		sqlite3_exec(db.handle, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL);
	db_done(&db);
	return 0;
}

static int move_tail(struct restore *r, const char *tail)
{
	char from[PATH_MAX], to[PATH_MAX];
	int err = step(r);

	if (err)
		return err;
	if ((size_t)snprintf(from, sizeof(from), "%s%s", r->conf->db, tail) >= sizeof(from) ||
	    (size_t)snprintf(to, sizeof(to), "%s%s", r->conf->aside, tail) >= sizeof(to))
		return ERR_LIMIT;
	if (rename(from, to) < 0 && errno != ENOENT)
		return failed(r, from);
	return 0;
}

/* First a second name for the old one, then its own for the new one: at no time is there no
 * database. */
static int exchange(struct restore *r, bool *ret_kept)
{
	int err = step(r);

	if (err)
		return err;
	*ret_kept = link(r->conf->db, r->conf->aside) == 0;
	if (!*ret_kept && errno != ENOENT)
		return failed(r, r->conf->aside);
	err = step(r);
	if (!err && rename(r->fresh, r->conf->db) < 0)
		err = failed(r, r->conf->db);
	if (err && *ret_kept)
		(void)unlink(r->conf->aside);
	if (!err)
		err = step(r);
	return err ? err : mark_sync_folder(r->conf->db);
}

int store_restore(const struct store_restore *conf, bool *ret_kept, char error[200])
{
	static const char *const tails[] = {"-wal", "-shm", "-journal"};
	struct restore r = {.conf = conf, .error = error};
	bool kept = false;

	error[0] = 0;
	if ((size_t)snprintf(r.fresh, sizeof(r.fresh), "%s-restore", conf->db) >= sizeof(r.fresh))
		return ERR_LIMIT;
	int err = check_file(&r);
	if (err)
		return err;
	if (access(conf->aside, F_OK) == 0)
		return ERR_EXIST;
	err = copy(&r);
	if (!err)
		err = fold(&r);
	for (unsigned i = 0; i < 3 && !err; i++)
		err = move_tail(&r, tails[i]);
	if (!err)
		err = exchange(&r, &kept);
	if (err)
		(void)unlink(r.fresh);
	else
		*ret_kept = kept;
	return err;
}
