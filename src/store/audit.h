/* SPDX-License-Identifier: Apache-2.0
 *
 * The audit log inside the store: a chain of hashes. A row's hash is the SHA-256 of eight lines,
 * each ended by a newline: the hash of the row before in hex digits (of the first one 64 zeros),
 * seq, at_ms, who, act, object, before, after. postboot-api(7) tells auditors the same.
 *
 * meta has the head, so that rows cut off at the end are missed. Rows that somebody changed by
 * hand never keep the daemon from working: they are for store_audit_check() to find.
 */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

#include "store/private.h"

enum { AUDIT_HEAD_TEXT = 20 + 1 + 2 * STORE_HASH };

/* ERR_UNSUPPORTED without a hash function. */
int audit_hash(store_hash *hash, const uint8_t before[STORE_HASH], uint64_t seq,
	       const struct store_audit *a, uint8_t ret_hash[STORE_HASH]) ERR_CHECK;

/* "00000000000000000042:9f86...", always that long: one value of meta, so that it is read whole. */
char *audit_head_text(const struct store_audit_head *head, char dst[AUDIT_HEAD_TEXT + 1]);

/* ERR_CORRUPT: it is something else. */
int audit_head_parse(const char *text, struct store_audit_head *ret_head) ERR_CHECK;

/* One of STMT_AUDITS; its texts are the statement's. */
void audit_row_read(sqlite3_stmt *stmt, struct store_audit_row *ret);

/* Verifying, for whoever has the rows: from `removed` on (zeros: from the beginning), each row,
 * and when there are no more the head that meta has (err: what came of reading it). */
void audit_check_from(struct store_audit_check *c, const struct store_audit_head *removed);
int audit_check_row(struct store_audit_check *c, store_hash *hash,
		    const struct store_audit_row *row) ERR_CHECK;
void audit_check_head(struct store_audit_check *c, const struct store_audit_head *head, int err);
void audit_check_removed(struct store_audit_check *c);

/* What the next row follows on, when the database is opened. */
int audit_load(struct store *s, struct store_audit_head *ret_head) ERR_CHECK;

#endif
