/* SPDX-License-Identifier: Apache-2.0
 *
 * Webhooks: writing and reading their rows. */
#include "store/hooks.h"

#include <string.h>

#include "store/columns.h"
#include "store/private.h"
#include "store/row.h"
#include "store/write_bind.h"

/* ---- writing ---- */

static int write_new(struct db *db, struct store_set *set, const struct op_hook *op)
{
	sqlite3_stmt *stmt = db->stmt[STMT_HOOK_INSERT];
	int next = 0;
	int err = op->has_place && op->has_secret ? 0 : ERR_INVAL;

	if (!err)
		err = row_bind_hook(stmt, &op->hook, &next);
	if (!err)
		err = row_bind_place(stmt, next, &op->place, &next);
	if (!err)
		err = row_bind_secret(stmt, next, &op->secret);
	if (!err)
		err = db_run(db, STMT_HOOK_INSERT, NULL);
	if (!err)
		put_id(db, set);
	return err;
}

static int write_place(struct db *db, const struct op_hook *op)
{
	sqlite3_stmt *stmt = db->stmt[STMT_HOOK_PLACE];
	int next = 0;
	int err = row_bind_place(stmt, 1, &op->place, &next);

	if (!err)
		err = bind_int(stmt, next, op->hook.id);
	return err ? err : db_run(db, STMT_HOOK_PLACE, NULL);
}

static int write_secret(struct db *db, const struct op_hook *op)
{
	sqlite3_stmt *stmt = db->stmt[STMT_HOOK_SECRET_PUT];
	int err = row_bind_secret(stmt, 1, &op->secret);

	if (!err)
		err = bind_str(stmt, 1 + SECRET_COLUMN_COUNT, op->hook.name);
	return err ? err : run_one(db, STMT_HOOK_SECRET_PUT, ERR_CONFLICT);
}

static int write_hook(struct db *db, struct store_set *set, const struct op_hook *op)
{
	sqlite3_stmt *stmt = db->stmt[STMT_HOOK_UPDATE];
	int next = 0;
	int err = 0;

	if (!op->hook.rev)
		return write_new(db, set, op);
	err = row_bind_hook(stmt, &op->hook, &next);
	if (!err)
		err = bind_int(stmt, next, op->hook.id);
	if (!err)
		err = bind_int(stmt, next + 1, op->hook.rev);
	if (!err)
		err = run_one(db, STMT_HOOK_UPDATE, ERR_CONFLICT);
	if (!err && op->has_place)
		err = write_place(db, op);
	if (!err && op->has_secret)
		err = write_secret(db, op);
	return err;
}

static int write_delete(struct db *db, const struct op_hook *op)
{
	sqlite3_stmt *stmt = db->stmt[STMT_HOOK_DELETE];
	int err = bind_int(stmt, 1, op->hook.id);

	if (!err)
		err = bind_int(stmt, 2, op->hook.rev);
	return err ? err : run_one(db, STMT_HOOK_DELETE, ERR_CONFLICT);
}

static int write_dead(struct db *db, struct store_set *set, const struct store_dead *d)
{
	sqlite3_stmt *stmt = db->stmt[STMT_DEAD_INSERT];
	int err = d->seq > INT64_MAX ? ERR_RANGE : bind_int(stmt, 1, d->hook);

	if (!err)
		err = bind_int(stmt, 2, (int64_t)d->seq);
	if (!err)
		err = bind_str(stmt, 3, d->cursor);
	if (!err)
		err = bind_str(stmt, 4, d->topic);
	if (!err)
		err = bind_str(stmt, 5, d->device);
	if (!err)
		err = bind_int(stmt, 6, d->at_ms);
	if (!err)
		err = bind_int(stmt, 7, d->tries);
	if (!err)
		err = bind_str(stmt, 8, d->error);
	if (!err)
		err = bind_str(stmt, 9, d->body);
	if (!err)
		err = db_run(db, STMT_DEAD_INSERT, NULL);
	if (err == ERR_INVAL &&
	    sqlite3_extended_errcode(db->handle) == SQLITE_CONSTRAINT_FOREIGNKEY)
		err = db_note(db, STMT_DEAD_INSERT, ERR_NOENT, "no such hook");
	if (!err)
		put_id(db, set);
	return err;
}

/* The statement for one, or for all. */
static int write_dead_op(struct db *db, enum stmt_id one, enum stmt_id all,
			 const struct op_dead *op)
{
	enum stmt_id id = op->id ? one : all;
	int err = bind_int(db->stmt[id], 1, op->hook);

	if (!err && op->id)
		err = bind_int(db->stmt[id], 2, op->id);
	if (err)
		return err;
	return op->id ? run_one(db, id, ERR_NOENT) : db_run(db, id, NULL);
}

/* It may have been dropped meanwhile. */
static int write_dead_failed(struct db *db, const struct op_dead *op)
{
	sqlite3_stmt *stmt = db->stmt[STMT_DEAD_FAILED];
	int err = bind_str(stmt, 1, op->error);

	if (!err)
		err = bind_int(stmt, 2, op->hook);
	if (!err)
		err = bind_int(stmt, 3, op->id);
	return err ? err : db_run(db, STMT_DEAD_FAILED, NULL);
}

int hooks_write(struct db *db, struct store_set *set, const struct op *op)
{
	const void *data = op->data;

	if (op->kind == OP_HOOK)
		return write_hook(db, set, data);
	if (op->kind == OP_HOOK_DELETE)
		return write_delete(db, data);
	if (op->kind == OP_HOOK_PLACE)
		return write_place(db, data);
	if (op->kind == OP_DEAD)
		return write_dead(db, set, data);
	if (op->kind == OP_DEAD_DUE)
		return write_dead_op(db, STMT_DEAD_DUE, STMT_DEAD_DUE_ALL, data);
	if (op->kind == OP_DEAD_FAILED)
		return write_dead_failed(db, data);
	if (op->kind == OP_DEAD_DELETE)
		return write_dead_op(db, STMT_DEAD_DELETE, STMT_DEAD_DELETE_ALL, data);
	return ERR_INVAL;
}

/* ---- reading ---- */

static int step(struct store *s, enum stmt_id id)
{
	int found = db_step(&s->reader, id);

	if (found < 0)
		memcpy(s->error, s->reader.error, sizeof(s->error));
	return found;
}

static int end(struct store *s, enum stmt_id id, int err)
{
	db_reset(&s->reader, id);
	return err;
}

int store_hooks(struct store *s, const char *after_name, unsigned limit, store_hook_row *row,
		void *ctx)
{
	sqlite3_stmt *stmt = s->reader.stmt[STMT_HOOKS];
	struct store_hook h;
	int found = 0;
	int err = bind_str(stmt, 1, after_name);

	if (!err)
		err = bind_int(stmt, 2, limit);
	while (!err && (found = step(s, STMT_HOOKS)) > 0) {
		err = row_read_hook(stmt, &h);
		if (!err && !row(ctx, &h))
			break;
	}
	explicit_bzero(&h.secret, sizeof(h.secret));
	return end(s, STMT_HOOKS, err ? err : found < 0 ? found : 0);
}

static const char *text(sqlite3_stmt *stmt, int column)
{
	const char *str = (const char *)sqlite3_column_text(stmt, column);

	return str ? str : "";
}

int store_deads(struct store *s, int64_t hook, bool due, int64_t after_id, unsigned limit,
		store_dead_row *row, void *ctx)
{
	enum stmt_id id = due ? STMT_DEADS_DUE : STMT_DEADS;
	sqlite3_stmt *stmt = s->reader.stmt[id];
	int found = 0;
	int err = bind_int(stmt, 1, hook);

	if (!err)
		err = bind_int(stmt, 2, after_id);
	if (!err)
		err = bind_int(stmt, 3, limit);
	while (!err && (found = step(s, id)) > 0) {
		const struct store_dead d = {
			.id = sqlite3_column_int64(stmt, 0),
			.hook = sqlite3_column_int64(stmt, 1),
			.seq = (uint64_t)sqlite3_column_int64(stmt, 2),
			.cursor = text(stmt, 3),
			.topic = text(stmt, 4),
			.device = text(stmt, 5),
			.at_ms = sqlite3_column_int64(stmt, 6),
			.tries = (uint32_t)sqlite3_column_int64(stmt, 7),
			.error = text(stmt, 8),
			.due = sqlite3_column_int64(stmt, 9) != 0,
			.body = text(stmt, 10),
		};
		if (!row(ctx, &d))
			break;
	}
	return end(s, id, err ? err : found < 0 ? found : 0);
}

int store_dead_count(struct store *s, int64_t hook, uint64_t *ret_count, uint64_t *ret_due)
{
	sqlite3_stmt *stmt = s->reader.stmt[STMT_DEAD_COUNT];
	int err = bind_int(stmt, 1, hook);
	int found = err ? err : step(s, STMT_DEAD_COUNT);

	if (found > 0) {
		*ret_count = (uint64_t)sqlite3_column_int64(stmt, 0);
		*ret_due = (uint64_t)sqlite3_column_int64(stmt, 1);
	}
	return end(s, STMT_DEAD_COUNT, found < 0 ? found : 0);
}
