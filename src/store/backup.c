/* SPDX-License-Identifier: Apache-2.0 */
#include "store/backup.h"

#include <stdio.h>

#include "store/migrate.h"
#include "store/store.h"

enum { STEP_PAGES = 1024 };

static int copy_pages(struct db *from, struct db *to, atomic_bool *stop)
{
	sqlite3_backup *b = sqlite3_backup_init(to->handle, "main", from->handle, "main");
	int rc = b ? SQLITE_OK : sqlite3_extended_errcode(to->handle);
	bool stopped = false;

	while (rc == SQLITE_OK && !(stopped = stop && atomic_load(stop)))
		rc = sqlite3_backup_step(b, STEP_PAGES);
	int end = b ? sqlite3_backup_finish(b) : rc;
	if (stopped)
		return ERR_CLOSED;
	if (rc == SQLITE_DONE)
		rc = end;
	if (rc)
		(void)snprintf(to->error, sizeof(to->error), "copy: %s", sqlite3_errstr(rc));
	return err_from_sqlite(rc);
}

static int open_both(const struct store_backup *b, struct db *from, struct db *to)
{
	int err = migrate_open_quietly(from, b->from, b->vfs, b->alone);

	if (!err)
		err = db_init(to, b->to, SQLITE_OPEN_READWRITE, b->vfs);
	/* A transaction that reads holds the moment, whatever is written meanwhile. */
	if (!err)
		err = db_exec(from, "BEGIN; SELECT COUNT(*) FROM sqlite_schema");
	if (!err)
		err = migrate_check(from);
	return err;
}

int store_backup(const struct store_backup *b, char error[200])
{
	struct db from = {0}, to = {0};
	char mark[128];
	int err = open_both(b, &from, &to);

	(void)snprintf(mark, sizeof(mark),
		       "INSERT INTO meta (key, value) VALUES ('restored', %d) "
		       "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
		       STORE_IS_BACKUP);
	if (!err)
		err = copy_pages(&from, &to, b->stop);
	if (!err) /* one file: what it says of itself goes into it, not beside it */
		err = db_exec(&to, "PRAGMA journal_mode = MEMORY");
	if (!err)
		err = db_exec(&to, mark);
	error[0] = 0;
	if (err)
		(void)snprintf(error, 200, "%s", to.error[0] ? to.error : from.error);
	db_done(&to);
	db_done(&from);
	return err;
}
