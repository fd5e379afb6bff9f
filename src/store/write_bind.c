/* SPDX-License-Identifier: Apache-2.0 */
#include "store/write_bind.h"

int bind_int(sqlite3_stmt *stmt, int index, int64_t value)
{
	return sqlite3_bind_int64(stmt, index, value) ? ERR_NOMEM : 0;
}

int bind_u64(sqlite3_stmt *stmt, int index, uint64_t value)
{
	return value > INT64_MAX ? ERR_RANGE : bind_int(stmt, index, (int64_t)value);
}

int bind_str(sqlite3_stmt *stmt, int index, const char *value)
{
	return sqlite3_bind_text(stmt, index, value, -1, SQLITE_STATIC) ? ERR_NOMEM : 0;
}

int run_one(struct db *db, enum stmt_id id, int missing)
{
	int changes = 0;
	int err = db_run(db, id, &changes);

	if (!err && changes == 0)
		err = db_note(db, id, missing, "no such row in that state");
	return err;
}

void put_id(struct db *db, struct store_set *set)
{
	set->result.ids[set->result.id_count++] = sqlite3_last_insert_rowid(db->handle);
}
