/* SPDX-License-Identifier: Apache-2.0
 *
 * Carries out a write-set on the writing connection, one function per operation. Knows
 * nothing of threads; the transaction around it is the caller's.
 */
#ifndef STORE_WRITE_H
#define STORE_WRITE_H

#include "store/db.h"
#include "store/set.h"

/* What the transaction changes besides rows; the caller keeps a copy to go back to. */
struct write_state {
	uint64_t head;	 /* sequence of the last event */
	uint64_t serial; /* of the last transaction that changed anything */
	uint64_t updated, failed;
	int64_t alive_ms;
	struct store_audit_head audit;
	/* the attempt that retention looked at last, not stored */
	int64_t old_closed_ms, old_number;
};

/* All operations of `set` until one fails; fills set->result on the way. */
int write_set(struct db *db, store_hash *hash, struct store_set *set,
	      struct write_state *state) ERR_CHECK;

#endif
