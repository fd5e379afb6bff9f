/* SPDX-License-Identifier: Apache-2.0
 *
 * Signers of products, written and read, and which releases one has signed. */
#include "store/signers.h"

#include <string.h>

#include "store/reading.h"
#include "store/write_bind.h"

int write_signer(struct db *db, const struct op_signer *op)
{
	sqlite3_stmt *stmt = db->stmt[STMT_SIGNER_INSERT];
	const struct signer *s = &op->signer;
	int err = bind_int(stmt, 1, op->product);

	if (!err)
		err = bind_str(stmt, 2, s->name);
	if (!err)
		err = bind_str(stmt, 3, s->id);
	if (!err)
		err = bind_str(stmt, 4, signer_kind_name(s->kind));
	if (!err && sqlite3_bind_blob(stmt, 5, s->key, (int)s->key_len, SQLITE_STATIC))
		err = ERR_NOMEM;
	if (!err)
		err = bind_int(stmt, 6, s->created_ms);
	return err ? err : db_run(db, STMT_SIGNER_INSERT, NULL);
}

int write_signer_delete(struct db *db, const struct op_signer *op)
{
	sqlite3_stmt *stmt = db->stmt[STMT_SIGNER_DELETE];
	int err = bind_int(stmt, 1, op->product);

	if (!err)
		err = bind_str(stmt, 2, op->signer.name);
	return err ? err : run_one(db, STMT_SIGNER_DELETE, ERR_CONFLICT);
}

static int read_signer(struct reading *q, struct signer *ret)
{
	struct signer s = {.created_ms = sqlite3_column_int64(q->stmt, 4)};
	const void *key = sqlite3_column_blob(q->stmt, 3);
	int len = sqlite3_column_bytes(q->stmt, 3);

	if (!buf_copy_str(s.name, sizeof(s.name), reading_column(q, 0)) ||
	    !buf_copy_str(s.id, sizeof(s.id), reading_column(q, 1)) ||
	    signer_kind_from_name(reading_column(q, 2), &s.kind) || !key || len <= 0 ||
	    (size_t)len > sizeof(s.key))
		return ERR_CORRUPT;
	memcpy(s.key, key, (size_t)len);
	s.key_len = (size_t)len;
	*ret = s;
	return 0;
}

int store_signers(struct store *s, int64_t product, struct signers *ret)
{
	struct reading q = reading_new(s, STMT_SIGNERS);
	int err = 0, found;
	unsigned count = 0;

	reading_int(&q, product);
	while ((found = reading_step(&q)) > 0) {
		err = count == LIMIT_SIGNERS ? ERR_CORRUPT : read_signer(&q, &ret->list[count]);
		if (err)
			break;
		count++;
	}
	ret->count = found < 0 || err ? 0 : count;
	return reading_end(&q, err ? reading_bad_row(&q, err) : found < 0 ? found : 0);
}

int store_signed(struct store *s, int64_t product, const char *key, unsigned limit,
		 store_signed_row *row, void *ctx)
{
	struct reading q = reading_new(s, STMT_SIGNED);
	int found;

	reading_int(&q, product);
	reading_str(&q, key);
	reading_int(&q, limit);
	while ((found = reading_step(&q)) > 0)
		row(ctx, reading_column(&q, 0));
	return reading_end(&q, found < 0 ? found : 0);
}
