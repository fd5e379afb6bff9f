/* SPDX-License-Identifier: Apache-2.0
 *
 * What every writer of rows needs: parameters of a statement, and that it changed a row. Text is
 * borrowed until the statement has run.
 */
#ifndef STORE_WRITE_BIND_H
#define STORE_WRITE_BIND_H

#include "store/db.h"
#include "store/set.h"

/* ERR_NOMEM; ERR_RANGE for a number that SQLite cannot hold. */
int bind_int(sqlite3_stmt *stmt, int index, int64_t value) ERR_CHECK;
int bind_u64(sqlite3_stmt *stmt, int index, uint64_t value) ERR_CHECK;
int bind_str(sqlite3_stmt *stmt, int index, const char *value) ERR_CHECK;
/* Runs a statement that must change one row, else `missing`. */
int run_one(struct db *db, enum stmt_id id, int missing) ERR_CHECK;
/* The id of the row just inserted, into the set's result. */
void put_id(struct db *db, struct store_set *set);

#endif
