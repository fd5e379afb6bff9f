/* SPDX-License-Identifier: Apache-2.0
 *
 * The high-water mark: a small file beside the database, PATH-mark, that says how far it had
 * come. It is written after a commit, never before, about once a second and at the end. So a
 * database that is behind its mark is an older copy that somebody has put in its place.
 */
#ifndef STORE_MARK_H
#define STORE_MARK_H

#include <stdint.h>

#include "base/err.h"

struct mark {
	char stream[33];
	uint64_t serial; /* of the last transaction */
	uint64_t head;	 /* of its events */
};

/* ERR_NOENT: there is none, or it was never filled; ERR_CORRUPT: it makes no sense. */
int mark_read(const char *db_path, struct mark *ret) ERR_CHECK;

/* Makes the file if it is missing; the descriptor is the caller's. */
int mark_open(const char *db_path, int *ret_fd) ERR_CHECK;

/* In place, and on the disk when it returns. */
int mark_write(int fd, const struct mark *m) ERR_CHECK;

/* The entries of the folder of a file, on the disk when it returns. */
int mark_sync_folder(const char *path) ERR_CHECK;

#endif
