/* SPDX-License-Identifier: Apache-2.0
 *
 * Brings a database to this program's schema (store/schema.h), or refuses it untouched.
 */
#ifndef STORE_MIGRATE_H
#define STORE_MIGRATE_H

#include "store/db.h"

/* The version this program knows. */
int migrate_version(void);

/* Looks at a file before it is opened for writing: 0 if it is ours to open (or absent or
 * empty), ERR_VERSION if a newer program made it, ERR_INVAL if it is another program's
 * database, ERR_CORRUPT if it is none. Leaves file and folder as they were. `error` is a
 * text for the log. */
int migrate_look(const char *path, const char *vfs, char *error, size_t error_cap) ERR_CHECK;

/* The same look at an open database. */
int migrate_check(struct db *db) ERR_CHECK;

/* Opens a database of which nothing may be written, not even files beside it: `alone` says that
 * nobody else has it open, and then a file without a WAL needs none. */
int migrate_open_quietly(struct db *db, const char *path, const char *vfs, bool alone) ERR_CHECK;

/* Applies the steps that are missing, each in a transaction of its own. */
int migrate_run(struct db *db) ERR_CHECK;

#endif
