/* SPDX-License-Identifier: Apache-2.0
 *
 * What a database is when it is opened: its stream, how far it has come, and whether it is what
 * we left or an older copy that was put in its place (enum store_restored). Keeps the mark.
 */
#ifndef STORE_BEGIN_H
#define STORE_BEGIN_H

#include "store/private.h"

/* Both connections are open. `path` NULL: in memory, without a mark. */
int begin(struct store *s, const char *path) ERR_CHECK;

/* After a commit, on the store's thread: the mark follows, at most once a second unless `now`.
 * A mark that cannot be written is logged once; the database is right without it. */
void begin_mark(struct store *s, bool now);

/* `digits` random hex digits and NUL. */
int begin_random_hex(char *dst, size_t digits) ERR_CHECK;

#endif
