/* SPDX-License-Identifier: Apache-2.0 */
#include "store/write_meta.h"

#include "store/audit.h"

static int bind_key(sqlite3_stmt *stmt, const char *key)
{
	return sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC) ? ERR_NOMEM : 0;
}

int write_meta_number(struct db *db, const char *key, int64_t value)
{
	sqlite3_stmt *stmt = db->stmt[STMT_META_PUT];
	int err = bind_key(stmt, key);

	if (!err && sqlite3_bind_int64(stmt, 2, value))
		err = ERR_NOMEM;
	return err ? err : db_run(db, STMT_META_PUT, NULL);
}

int write_meta_text(struct db *db, const char *key, const char *value)
{
	sqlite3_stmt *stmt = db->stmt[STMT_META_PUT];
	int err = bind_key(stmt, key);

	if (!err && sqlite3_bind_text(stmt, 2, value, -1, SQLITE_STATIC))
		err = ERR_NOMEM;
	return err ? err : db_run(db, STMT_META_PUT, NULL);
}

int write_meta_delete(struct db *db, const char *key)
{
	int err = bind_key(db->stmt[STMT_META_DELETE], key);

	return err ? err : db_run(db, STMT_META_DELETE, NULL);
}

static int number_changed(struct db *db, const char *key, uint64_t before, uint64_t now)
{
	return before == now ? 0 : write_meta_number(db, key, (int64_t)now);
}

int write_heads(struct db *db, const struct write_state *before, const struct write_state *now)
{
	char text[AUDIT_HEAD_TEXT + 1];
	int err = number_changed(db, "head", before->head, now->head);

	if (!err)
		err = number_changed(db, "serial", before->serial, now->serial);
	if (!err)
		err = number_changed(db, "updated", before->updated, now->updated);
	if (!err)
		err = number_changed(db, "failed", before->failed, now->failed);
	if (!err && now->audit.seq != before->audit.seq)
		err = write_meta_text(db, "audit_head", audit_head_text(&now->audit, text));
	return err;
}

int write_restored(struct db *db, enum store_restored step)
{
	if (step == STORE_NOT_RESTORED)
		return write_meta_delete(db, "restored");
	return write_meta_number(db, "restored", step);
}
