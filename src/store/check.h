/* SPDX-License-Identifier: Apache-2.0
 *
 * Is this database sound? SQLite's own checks, whether each row can be read, and what must hold
 * between rows (I1 to I5 of ARCHITECTURE.md, as far as they live in rows). Changes nothing, and
 * may run beside a running daemon: it looks at one moment of the database.
 */
#ifndef STORE_CHECK_H
#define STORE_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "core/release.h"
#include "store/store.h"

struct store_finding {
	const char *where; /* "attempt 123 of desk-1" */
	const char *what;
	const char *todo;
};

struct store_check {
	const char *path;
	const char *vfs;  /* tests; NULL: the usual one */
	bool alone;	  /* nobody else has it open, and nobody will while it is checked */
	store_hash *hash; /* of the audit log; NULL: its chain is not followed */
	void (*finding)(void *ctx, const struct store_finding *f);
	void (*release)(void *ctx, const struct release *r); /* each one, for its image; or NULL */
	void *ctx;
};

/* Of one kind not more are told; all are counted. */
enum { STORE_CHECK_TOLD = 20 };

/* 0 when the check was made, whatever it has found. ERR_NOENT: no such file or an empty one;
 * ERR_INVAL, ERR_VERSION: another program's, or a newer one's; ERR_CORRUPT, ERR_IO, ...: it cannot
 * be read at all. With an error `error` says more. */
int store_check(const struct store_check *c, unsigned *ret_problems, char error[200]) ERR_CHECK;

#endif
