/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing rollouts and who is their member; a part of store/write.h.
 */
#ifndef STORE_WRITE_ROLLOUT_H
#define STORE_WRITE_ROLLOUT_H

#include "store/db.h"
#include "store/set.h"

/* With all its waves. */
int write_rollout(struct db *db, struct store_set *set, const struct rollout *r) ERR_CHECK;
int write_rollout_delete(struct db *db, const struct rollout *r) ERR_CHECK;
/* A device that was removed meanwhile is nobody's error. */
int write_member(struct db *db, const struct op_member *op) ERR_CHECK;
/* A device goes to another rollout, or, with 0, for good: the one that it was in and that is over
 * keeps what it came to. */
int write_rollout_left(struct db *db, const char *device, int64_t to) ERR_CHECK;

#endif
