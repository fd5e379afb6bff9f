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

/* The database's own facts of a batch, before COMMIT: what has changed since `before`. */
int write_heads(struct db *db, const struct write_state *before,
		const struct write_state *now) ERR_CHECK;

/* All operations of `set` until one fails; fills set->result on the way. */
int write_set(struct db *db, store_hash *hash, struct store_set *set,
	      struct write_state *state) ERR_CHECK;

/* Facts of the database (meta). */
int write_meta_number(struct db *db, const char *key, int64_t value) ERR_CHECK;
int write_meta_text(struct db *db, const char *key, const char *value) ERR_CHECK;
int write_meta_delete(struct db *db, const char *key) ERR_CHECK;

#endif
