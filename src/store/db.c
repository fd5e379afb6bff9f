/* SPDX-License-Identifier: Apache-2.0 */
#include "store/db.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

int err_from_sqlite(int rc)
{
	if (rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY ||
	    rc == SQLITE_CONSTRAINT_ROWID)
		return ERR_EXIST;
	if (rc == SQLITE_IOERR_NOMEM)
		return ERR_NOMEM;
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_FULL:
		return ERR_FULL;
	case SQLITE_READONLY:
		return ERR_READONLY;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return ERR_DENIED;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return ERR_CORRUPT;
	case SQLITE_NOMEM:
		return ERR_NOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ERR_BUSY;
	case SQLITE_TOOBIG:
		return ERR_LIMIT;
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH:
		return ERR_INVAL;
	default:
		return ERR_IO;
	}
}

/* The errno of the last operation that failed; sqlite3_system_errno() has what came after it. */
static int system_errno(struct db *db)
{
	sqlite3_file *wal = NULL;
	int number = 0;

	(void)sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal);
	if (wal && wal->pMethods)
		(void)wal->pMethods->xFileControl(wal, SQLITE_FCNTL_LAST_ERRNO, &number);
	if (number == 0)
		(void)sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_LAST_ERRNO, &number);
	return number ? number : sqlite3_system_errno(db->handle);
}

/* What sqlite calls an I/O error may be a full quota or a file system that turned read-only. */
static int err_from_system(struct db *db, int rc)
{
	int err = err_from_sqlite(rc);

	if ((rc & 0xff) != SQLITE_IOERR || err == ERR_NOMEM || !db->handle)
		return err;
	switch (system_errno(db)) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG: /* RLIMIT_FSIZE */
		return ERR_FULL;
	case EROFS:
	case EPERM:
	case EACCES:
		return ERR_READONLY;
	default:
		return err;
	}
}

static int note(struct db *db, const char *what, int rc)
{
	int err = err_from_system(db, rc);

	snprintf(db->error, sizeof(db->error), "%s: %s", what,
		 db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(rc));
	if (err_is_fault(err)) {
		db->fault_err = err;
		db->fault_count++;
	}
	return err;
}

int db_note(struct db *db, enum stmt_id id, int err, const char *what)
{
	snprintf(db->error, sizeof(db->error), "%s: %s", stmt_rows[id].name, what);
	return err;
}

int db_init(struct db *db, const char *name, int flags, const char *vfs)
{
	*db = (struct db){0};
	int rc = sqlite3_open_v2(name, &db->handle, flags | SQLITE_OPEN_NOMUTEX, vfs);
	if (rc)
		return note(db, "open", rc);
	sqlite3_extended_result_codes(db->handle, 1);
	sqlite3_busy_timeout(db->handle, 5000);
	return 0;
}

int db_prepare(struct db *db, bool writes)
{
	for (int id = 0; id < STMT_COUNT; id++) {
		const struct stmt_row *row = &stmt_rows[id];

		if (row->writes != writes)
			continue;
		int rc = sqlite3_prepare_v3(db->handle, row->sql, -1, SQLITE_PREPARE_PERSISTENT,
					    &db->stmt[id], NULL);
		if (rc)
			return note(db, row->name, rc);
	}
	return 0;
}

void db_done(struct db *db)
{
	for (int id = 0; id < STMT_COUNT; id++)
		sqlite3_finalize(db->stmt[id]);
	sqlite3_close(db->handle);
	*db = (struct db){0};
}

int db_exec(struct db *db, const char *sql)
{
	int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);

	return rc ? note(db, "schema", rc) : 0;
}

/* The first row of `sql`, to be finalised by the caller. */
static int query(struct db *db, const char *sql, sqlite3_stmt **ret)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db->handle, sql, -1, &stmt, NULL);

	if (!rc)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		*ret = stmt;
		return 0;
	}
	int err = rc == SQLITE_DONE ? ERR_NOENT : note(db, sql, rc);
	sqlite3_finalize(stmt);
	return err;
}

int db_query_number(struct db *db, const char *sql, long long *ret)
{
	sqlite3_stmt *stmt = NULL;
	int err = query(db, sql, &stmt);

	if (err)
		return err;
	*ret = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return 0;
}

int db_query_text(struct db *db, const char *sql, char *dst, size_t cap)
{
	sqlite3_stmt *stmt = NULL;
	int err = query(db, sql, &stmt);

	if (err)
		return err;
	const char *text = (const char *)sqlite3_column_text(stmt, 0);
	if (!text || !buf_copy_str(dst, cap, text))
		err = ERR_CORRUPT;
	sqlite3_finalize(stmt);
	return err;
}

int db_run(struct db *db, enum stmt_id id, int *ret_changes)
{
	db->operations++;
	if (db->fault) {
		int err = db->fault(db->fault_ctx, db->operations);
		if (err)
			return db_note(db, id, err, "fault hook");
	}
	int err = db_undo(db, id);
	if (!err && ret_changes)
		*ret_changes = sqlite3_changes(db->handle);
	return err;
}

int db_undo(struct db *db, enum stmt_id id)
{
	int step = db_step(db, id);

	db_reset(db, id);
	return step < 0 ? step : 0;
}

int db_step(struct db *db, enum stmt_id id)
{
	int rc = sqlite3_step(db->stmt[id]);

	if (rc == SQLITE_ROW)
		return 1;
	return rc == SQLITE_DONE ? 0 : note(db, stmt_rows[id].name, rc);
}

void db_reset(struct db *db, enum stmt_id id)
{
	sqlite3_reset(db->stmt[id]); /* repeats the error of the last step, which was told */
}
