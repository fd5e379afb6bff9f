/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing the facts of the database (meta); a part of store/write.h.
 */
#ifndef STORE_WRITE_META_H
#define STORE_WRITE_META_H

#include "store/write.h"

int write_meta_number(struct db *db, const char *key, int64_t value) ERR_CHECK;
int write_meta_text(struct db *db, const char *key, const char *value) ERR_CHECK;
int write_meta_delete(struct db *db, const char *key) ERR_CHECK;

/* The database's own facts of a batch, before COMMIT: what has changed since `before`. */
int write_heads(struct db *db, const struct write_state *before,
		const struct write_state *now) ERR_CHECK;

int write_restored(struct db *db, enum store_restored step) ERR_CHECK;

#endif
