/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection to the database with its prepared statements. The store has two: one that
 * writes, on its thread, and one that only reads, on the caller's. Never shared.
 */
#ifndef STORE_DB_H
#define STORE_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/stmt.h"

struct db {
	sqlite3 *handle;
	sqlite3_stmt *stmt[STMT_COUNT];
	int (*fault)(void *fault_ctx, unsigned long operation);
	void *fault_ctx;
	unsigned long operations; /* db_run() since it was opened */
	char error[200];	  /* what failed last, for the log */
	int fault_err; /* the newest error that is the machine's, not a statement's; 0: none */
	uint64_t fault_count; /* how many, ever */
};

/* An sqlite result, extended or not; 0 for OK, ROW and DONE. */
int err_from_sqlite(int rc);

/* `name` is a path, or a URI with SQLITE_OPEN_URI among the flags; `vfs` NULL: the usual one. On
 * failure db->error says what; db_done() is right in any case. */
int db_init(struct db *db, const char *name, int flags, const char *vfs) ERR_CHECK;
int db_prepare(struct db *db, bool writes) ERR_CHECK;
void db_done(struct db *db);

/* Runs text that has no parameters: migrations and pragmas. */
int db_exec(struct db *db, const char *sql) ERR_CHECK;
/* First column of the first row of such a text, as a number or as text. */
int db_query_number(struct db *db, const char *sql, long long *ret) ERR_CHECK;
int db_query_text(struct db *db, const char *sql, char *dst, size_t cap) ERR_CHECK;

/* Runs a bound statement of a write to its end and resets it: one operation for the fault
 * hook. ret_changes (may be NULL): rows changed. */
int db_run(struct db *db, enum stmt_id id, int *ret_changes) ERR_CHECK;
/* The same for taking a transaction back: the hook is not asked. */
int db_undo(struct db *db, enum stmt_id id) ERR_CHECK;

/* Steps a bound statement: 1 for a row, 0 at its end, or an error. Reset it in any case. */
int db_step(struct db *db, enum stmt_id id) ERR_CHECK;
void db_reset(struct db *db, enum stmt_id id);

/* Notes `what` for the log and gives err back. */
int db_note(struct db *db, enum stmt_id id, int err, const char *what);

#endif
