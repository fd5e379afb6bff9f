/* SPDX-License-Identifier: Apache-2.0
 *
 * Puts a backup (or any sound database of ours) in the place of the database, which is kept
 * beside it under another name. Nobody may have the database open. The next store_open() finds
 * that it is a backup, see enum store_restored.
 */
#ifndef STORE_RESTORE_H
#define STORE_RESTORE_H

#include "store/check.h"

struct store_restore {
	const char *file;  /* the backup; it is only read */
	const char *db;	   /* the database's path; there may be none yet */
	const char *aside; /* the name under which the present one is kept; must be free */
	const char *vfs;   /* tests; NULL: the usual one */
	void (*finding)(void *ctx, const struct store_finding *f); /* of the backup */
	void (*release)(void *ctx, const struct release *r);	   /* of the backup */
	void *ctx;
	/* tests: called before each step that changes files, counted from 1; non-zero is the
	 * error of that step (or it does not return). NULL: none */
	int (*fault)(void *fault_ctx, unsigned step);
	void *fault_ctx;
};

/* Whatever goes wrong, and whenever it is cut off: the database is either the old one or the new
 * one. ERR_INVAL, ERR_VERSION, ERR_CORRUPT (with findings), ERR_NOENT: the file is not one to
 * restore. ERR_EXIST: `aside` is taken. ret_kept: there was a database, and it is now `aside`. */
int store_restore(const struct store_restore *r, bool *ret_kept, char error[200]) ERR_CHECK;

#endif
