/* SPDX-License-Identifier: Apache-2.0 */
#include "store/write_rollout.h"

#include "store/row.h"
#include "store/write_bind.h"

static int write_wave(struct db *db, int64_t rollout, unsigned position, const struct wave *w)
{
	sqlite3_stmt *stmt = db->stmt[STMT_WAVE_PUT];
	int err = bind_int(stmt, 1, rollout);

	if (!err)
		err = bind_int(stmt, 2, position);
	if (!err)
		err = row_bind_wave(stmt, 3, w);
	return err ? err : run_one(db, STMT_WAVE_PUT, ERR_CONFLICT);
}

int write_rollout(struct db *db, struct store_set *set, const struct rollout *r)
{
	enum stmt_id id = r->rev ? STMT_ROLLOUT_UPDATE : STMT_ROLLOUT_INSERT;
	sqlite3_stmt *stmt = db->stmt[id];
	int next = 0;
	int err = row_bind_rollout(stmt, r, &next);

	if (!err && r->rev)
		err = bind_int(stmt, next, r->id);
	if (!err && r->rev)
		err = bind_int(stmt, next + 1, r->rev);
	if (!err)
		err = run_one(db, id, ERR_CONFLICT);
	if (err)
		return err;
	int64_t rollout = r->id;
	if (!r->rev) {
		rollout = sqlite3_last_insert_rowid(db->handle);
		set->result.ids[set->result.id_count++] = rollout;
	}
	for (unsigned i = 0; !err && i < r->wave_count; i++)
		err = write_wave(db, rollout, i, &r->waves[i]);
	return err;
}

int write_rollout_delete(struct db *db, const struct rollout *r)
{
	sqlite3_stmt *stmt = db->stmt[STMT_ROLLOUT_DELETE];
	int err = bind_int(stmt, 1, r->id);

	if (!err)
		err = bind_int(stmt, 2, r->rev);
	return err ? err : run_one(db, STMT_ROLLOUT_DELETE, ERR_CONFLICT);
}

int write_rollout_left(struct db *db, const char *device, int64_t to)
{
	sqlite3_stmt *stmt = db->stmt[STMT_ROLLOUT_LEFT];
	int err = bind_int(stmt, 2, to);

	if (!err && sqlite3_bind_text(stmt, 1, device, -1, SQLITE_STATIC))
		err = ERR_NOMEM;
	return err ? err : db_run(db, STMT_ROLLOUT_LEFT, NULL);
}

int write_member(struct db *db, const struct op_member *op)
{
	sqlite3_stmt *stmt = db->stmt[STMT_MEMBER];
	int err = write_rollout_left(db, op->device, op->rollout);

	if (!err)
		err = bind_int(stmt, 1, op->rollout);
	if (!err)
		err = bind_int(stmt, 2, op->place);
	if (!err)
		err = bind_int(stmt, 3, op->before);
	if (!err)
		err = bind_int(stmt, 4, op->goes_back);
	if (!err && sqlite3_bind_text(stmt, 5, op->device, -1, SQLITE_STATIC))
		err = ERR_NOMEM;
	return err ? err : db_run(db, STMT_MEMBER, NULL);
}
