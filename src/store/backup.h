/* SPDX-License-Identifier: Apache-2.0
 *
 * A copy of a database, of one moment, while others write: commits do not wait for it. The copy
 * is one file, says of itself that it is a backup (STORE_IS_BACKUP), and holds all that the
 * database holds, so keys of devices, too; never the key of the service.
 */
#ifndef STORE_BACKUP_H
#define STORE_BACKUP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct store_backup {
	const char *from;
	const char *to;	   /* an empty file that exists, its mode set */
	bool alone;	   /* nobody else has `from` open */
	const char *vfs;   /* tests; NULL: the usual one */
	atomic_bool *stop; /* set by another thread: give up; NULL: never */
};

/* Touches nothing of an open store, so it may run on any thread. ERR_CLOSED: `stop` was set.
 * ERR_FULL, ERR_IO, ERR_CORRUPT, ...: the copy is not one; `error` says more. The copy is not yet
 * on the disk for sure. */
int store_backup(const struct store_backup *b, char error[200]) ERR_CHECK;

#endif
