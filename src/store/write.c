/* SPDX-License-Identifier: Apache-2.0 */
#include "store/write.h"

#include <string.h>

#include "store/audit.h"
#include "store/hooks.h"
#include "store/retire.h"
#include "store/row.h"
#include "store/signers.h"
#include "store/write_bind.h"
#include "store/write_meta.h"
#include "store/write_rollout.h"

static int write_product(struct db *db, struct store_set *set, const struct product *p)
{
	enum stmt_id id = p->rev ? STMT_PRODUCT_UPDATE : STMT_PRODUCT_INSERT;
	sqlite3_stmt *stmt = db->stmt[id];
	int next = 0;
	int err = row_bind_product(stmt, p, &next);

	if (!err && p->rev)
		err = bind_int(stmt, next, p->id);
	if (!err && p->rev)
		err = bind_int(stmt, next + 1, p->rev);
	if (!err)
		err = run_one(db, id, ERR_CONFLICT);
	if (!err && !p->rev)
		put_id(db, set);
	return err;
}

static int write_ca(struct db *db, const struct op_ca *op)
{
	enum stmt_id id = op->pem[0] ? STMT_CA_PUT : STMT_CA_DELETE;
	int err = bind_int(db->stmt[id], 1, op->product);

	if (!err && op->pem[0])
		err = bind_str(db->stmt[id], 2, op->pem);
	return err ? err : db_run(db, id, NULL);
}

static int write_group(struct db *db, struct store_set *set, const struct device_group *g)
{
	enum stmt_id id = g->rev ? STMT_GROUP_UPDATE : STMT_GROUP_INSERT;
	sqlite3_stmt *stmt = db->stmt[id];
	int next = 0;
	int err = row_bind_group(stmt, g, &next);

	if (!err && g->rev)
		err = bind_int(stmt, next, g->id);
	if (!err && g->rev)
		err = bind_int(stmt, next + 1, g->rev);
	if (!err)
		err = run_one(db, id, ERR_CONFLICT);
	if (!err && !g->rev)
		put_id(db, set);
	return err;
}

/* A row that another one refers to, or one that refers to nothing. */
static int refers(struct db *db, enum stmt_id id, int err, int meaning, const char *what)
{
	if (err == ERR_INVAL &&
	    sqlite3_extended_errcode(db->handle) == SQLITE_CONSTRAINT_FOREIGNKEY)
		return db_note(db, id, meaning, what);
	return err;
}

static int write_group_delete(struct db *db, const struct device_group *g)
{
	sqlite3_stmt *stmt = db->stmt[STMT_GROUP_DELETE];
	int err = bind_int(stmt, 1, g->id);

	if (!err)
		err = bind_int(stmt, 2, g->rev);
	if (!err)
		err = run_one(db, STMT_GROUP_DELETE, ERR_CONFLICT);
	return refers(db, STMT_GROUP_DELETE, err, ERR_BUSY, "in use");
}

static int write_device_group(struct db *db, const struct op_device_group *op)
{
	sqlite3_stmt *stmt = db->stmt[STMT_DEVICE_GROUP];
	int err = op->group		       ? bind_int(stmt, 1, op->group)
		  : sqlite3_bind_null(stmt, 1) ? ERR_NOMEM
					       : 0;

	if (!err)
		err = bind_int(stmt, 2, op->at_ms);
	if (!err)
		err = bind_str(stmt, 3, op->device);
	if (!err)
		err = run_one(db, STMT_DEVICE_GROUP, ERR_CONFLICT);
	return refers(db, STMT_DEVICE_GROUP, err, ERR_CONFLICT, "no such group");
}

static int write_tag(struct db *db, const struct op_tag *op)
{
	enum stmt_id id = op->on ? STMT_TAG_PUT : STMT_TAG_DELETE;
	int err = bind_str(db->stmt[id], 1, op->device);

	if (!err)
		err = bind_str(db->stmt[id], 2, op->tag);
	if (!err)
		err = db_run(db, id, NULL);
	return refers(db, id, err, ERR_CONFLICT, "no such device");
}

static int write_query(struct db *db, const struct store_query *q)
{
	enum stmt_id id = q->rev ? STMT_QUERY_UPDATE : STMT_QUERY_INSERT;
	sqlite3_stmt *stmt = db->stmt[id];
	int err = bind_str(stmt, q->rev ? 2 : 1, q->name);

	if (!err)
		err = bind_str(stmt, q->rev ? 1 : 2, q->filter);
	if (!err)
		err = bind_int(stmt, 3, q->rev ? q->rev : q->created_ms);
	return err ? err : run_one(db, id, ERR_CONFLICT);
}

static int write_query_delete(struct db *db, const struct store_query *q)
{
	sqlite3_stmt *stmt = db->stmt[STMT_QUERY_DELETE];
	int err = bind_str(stmt, 1, q->name);

	if (!err)
		err = bind_int(stmt, 2, q->rev);
	return err ? err : run_one(db, STMT_QUERY_DELETE, ERR_CONFLICT);
}

static int write_release_digest(struct db *db, int64_t release, unsigned position,
				const struct digest *d)
{
	sqlite3_stmt *stmt = db->stmt[STMT_RELEASE_DIGEST_INSERT];
	int err = bind_int(stmt, 1, release);

	if (!err)
		err = bind_int(stmt, 2, position);
	if (!err)
		err = row_bind_digest(stmt, 3, d);
	return err ? err : db_run(db, STMT_RELEASE_DIGEST_INSERT, NULL);
}

static int write_release(struct db *db, struct store_set *set, const struct release *r)
{
	if (r->running_count > LIMIT_DIGEST_KINDS)
		return ERR_INVAL;
	int err = row_bind_release(db->stmt[STMT_RELEASE_INSERT], r);
	if (!err)
		err = db_run(db, STMT_RELEASE_INSERT, NULL);
	if (err)
		return err;
	put_id(db, set);
	int64_t release = sqlite3_last_insert_rowid(db->handle);
	for (unsigned i = 0; !err && i < r->running_count; i++)
		err = write_release_digest(db, release, i, &r->running[i]);
	return err;
}

static int write_release_state(struct db *db, const struct release *r)
{
	sqlite3_stmt *stmt = db->stmt[STMT_RELEASE_STATE];
	int err = bind_str(stmt, 1, release_state_name(r->state));

	if (!err)
		err = bind_int(stmt, 2, r->state_ms);
	if (!err)
		err = bind_int(stmt, 3, r->id);
	if (!err)
		err = bind_int(stmt, 4, r->rev);
	return err ? err : run_one(db, STMT_RELEASE_STATE, ERR_CONFLICT);
}

/* The statement leaves a release alone that is in use. */
static int write_release_delete(struct db *db, int64_t release)
{
	int changes = 0;
	int err = bind_int(db->stmt[STMT_RELEASE_DELETE], 1, release);

	if (!err)
		err = db_run(db, STMT_RELEASE_DELETE, &changes);
	if (err || changes)
		return err;
	err = bind_int(db->stmt[STMT_RELEASE_EXISTS], 1, release);
	if (err)
		return err;
	int found = db_step(db, STMT_RELEASE_EXISTS);
	db_reset(db, STMT_RELEASE_EXISTS);
	if (found < 0)
		return found;
	return db_note(db, STMT_RELEASE_DELETE, found ? ERR_BUSY : ERR_NOENT,
		       found ? "in use" : "no such release");
}

static int write_device(struct db *db, const struct device *d)
{
	uint8_t packed[ROW_BOOTS_MAX];
	sqlite3_stmt *stmt = db->stmt[d->rev ? STMT_DEVICE_UPDATE : STMT_DEVICE_INSERT];
	int next = 0;
	int err = 0;

	if (d->rev) {
		err = row_bind_device(stmt, 1, d, packed, &next);
		if (!err)
			err = bind_str(stmt, next, d->id);
		if (!err)
			err = bind_int(stmt, next + 1, d->rev);
		return err ? err : run_one(db, STMT_DEVICE_UPDATE, ERR_CONFLICT);
	}
	err = bind_str(stmt, 1, d->id);
	if (!err)
		err = bind_int(stmt, 2, d->created_ms);
	if (!err)
		err = row_bind_device_fixed(stmt, 3, d, &next);
	if (!err)
		err = row_bind_device(stmt, next, d, packed, &next);
	if (err)
		return err;
	err = db_run(db, STMT_DEVICE_INSERT, NULL);
	return refers(db, STMT_DEVICE_INSERT, err, ERR_CONFLICT, "what it refers to is gone");
}

static int write_device_delete(struct db *db, const struct op_device_delete *op)
{
	sqlite3_stmt *stmt = db->stmt[STMT_DEVICE_DELETE];
	int err = write_rollout_left(db, op->device, 0);

	if (!err)
		err = bind_str(stmt, 1, op->device);
	if (!err)
		err = bind_int(stmt, 2, op->rev);
	return err ? err : run_one(db, STMT_DEVICE_DELETE, ERR_CONFLICT);
}

static int write_key(struct db *db, const struct store_key *k)
{
	int err = row_bind_key(db->stmt[STMT_KEY_PUT], k);

	if (err)
		return err;
	err = db_run(db, STMT_KEY_PUT, NULL);
	return refers(db, STMT_KEY_PUT, err, ERR_NOENT, "no such device");
}

static int write_key_delete(struct db *db, const struct store_key *k)
{
	sqlite3_stmt *stmt = db->stmt[STMT_KEY_DELETE];
	const char *slot = words_text(&words_key_slot, k->slot);
	int err = slot ? bind_str(stmt, 1, k->device) : ERR_INVAL;

	if (!err)
		err = bind_str(stmt, 2, slot);
	if (!err && sqlite3_bind_blob(stmt, 3, k->mac, k->mac_len, SQLITE_STATIC))
		err = ERR_NOMEM;
	return err ? err : run_one(db, STMT_KEY_DELETE, ERR_CONFLICT);
}

/* A closed row never changes, so each is counted once: when it closes. */
static void count_closed(const struct attempt *a, struct write_state *state)
{
	if (a->state != ATTEMPT_CLOSED)
		return;
	if (a->charged)
		state->failed++;
	else if (a->verdict == VERDICT_UPDATED)
		state->updated++;
}

static int write_attempt_new(struct db *db, struct store_set *set, const struct attempt *a)
{
	sqlite3_stmt *stmt = db->stmt[STMT_ATTEMPT_INSERT];
	int next = 0;
	int err = row_bind_attempt_fixed(stmt, a, &next);

	if (!err)
		err = row_bind_attempt(stmt, next, a, &next);
	if (!err)
		err = db_run(db, STMT_ATTEMPT_INSERT, NULL);
	if (!err)
		put_id(db, set);
	return err;
}

static int write_attempt_change(struct db *db, const struct attempt *a)
{
	sqlite3_stmt *stmt = db->stmt[STMT_ATTEMPT_UPDATE];
	int next = 0;
	int err = row_bind_attempt(stmt, 1, a, &next);

	if (!err)
		err = bind_u64(stmt, next, a->number);
	if (!err)
		err = bind_u64(stmt, next + 1, a->id);
	return err ? err : run_one(db, STMT_ATTEMPT_UPDATE, ERR_CONFLICT);
}

static int write_attempt(struct db *db, struct store_set *set, const struct attempt *a,
			 struct write_state *state)
{
	int err = a->number ? write_attempt_change(db, a) : write_attempt_new(db, set, a);

	if (!err)
		count_closed(a, state);
	return err;
}

static int write_diagnosis(struct db *db, uint64_t attempt, unsigned position,
			   const struct diagnosis *d)
{
	sqlite3_stmt *stmt = db->stmt[STMT_DIAGNOSIS_INSERT];
	const char *word = words_text(&words_diagnosis, d->kind);
	int err = word ? bind_u64(stmt, 1, attempt) : ERR_INVAL;

	if (!err)
		err = bind_int(stmt, 2, position);
	if (!err)
		err = bind_str(stmt, 3, word);
	if (!err)
		err = bind_str(stmt, 4, d->facts);
	return err ? err : db_run(db, STMT_DIAGNOSIS_INSERT, NULL);
}

static int write_diagnoses(struct db *db, const struct op_diagnoses *op)
{
	int err = bind_u64(db->stmt[STMT_DIAGNOSES_DELETE], 1, op->attempt);

	if (op->list.count > LIMIT_DIAGNOSES)
		return ERR_INVAL;
	if (!err)
		err = db_run(db, STMT_DIAGNOSES_DELETE, NULL);
	for (unsigned i = 0; !err && i < op->list.count; i++)
		err = write_diagnosis(db, op->attempt, i, &op->list.list[i]);
	return err;
}

static int write_event(struct db *db, struct store_set *set, const struct store_event *e,
		       struct write_state *state)
{
	sqlite3_stmt *stmt = db->stmt[STMT_EVENT_INSERT];
	int err = bind_u64(stmt, 1, state->head + 1);

	if (!err)
		err = bind_int(stmt, 2, e->at_ms);
	if (!err)
		err = bind_str(stmt, 3, e->topic);
	if (!err)
		err = bind_str(stmt, 4, e->data);
	if (!err)
		err = bind_str(stmt, 5, e->device);
	if (!err)
		err = bind_u64(stmt, 6, e->attempt);
	if (!err)
		err = bind_str(stmt, 7, e->json);
	if (!err)
		err = db_run(db, STMT_EVENT_INSERT, NULL);
	if (err)
		return err;
	state->head++;
	if (set->result.event_count++ == 0)
		set->result.first_event = state->head;
	return 0;
}

static int write_audit(struct db *db, store_hash *hash, struct store_set *set,
		       const struct store_audit *a, struct write_state *state)
{
	sqlite3_stmt *stmt = db->stmt[STMT_AUDIT_INSERT];
	struct store_audit_head next = {.seq = state->audit.seq + 1};
	int err = audit_hash(hash, state->audit.hash, next.seq, a, next.hash);

	if (err)
		return db_note(db, STMT_AUDIT_INSERT, err, "the hash of the row");
	err = bind_u64(stmt, 1, next.seq);
	if (!err)
		err = bind_int(stmt, 2, a->at_ms);
	if (!err)
		err = bind_str(stmt, 3, a->who);
	if (!err)
		err = bind_str(stmt, 4, a->act);
	if (!err)
		err = bind_str(stmt, 5, a->object);
	if (!err)
		err = bind_str(stmt, 6, a->before);
	if (!err)
		err = bind_str(stmt, 7, a->after);
	if (!err && sqlite3_bind_blob(stmt, 8, next.hash, STORE_HASH, SQLITE_TRANSIENT))
		err = ERR_NOMEM;
	if (!err)
		err = db_run(db, STMT_AUDIT_INSERT, NULL);
	if (err)
		return err;
	state->audit = next;
	set->result.audit = next;
	return 0;
}

static int write_audit_prune(struct db *db, const struct store_audit_head *through)
{
	sqlite3_stmt *stmt = db->stmt[STMT_AUDIT_HASH];
	char text[AUDIT_HEAD_TEXT + 1];
	int err = bind_u64(stmt, 1, through->seq), found;

	if (err)
		return err;
	found = db_step(db, STMT_AUDIT_HASH);
	if (found > 0 && (sqlite3_column_bytes(stmt, 0) != STORE_HASH ||
			  memcmp(sqlite3_column_blob(stmt, 0), through->hash, STORE_HASH) != 0))
		err = ERR_CONFLICT;
	db_reset(db, STMT_AUDIT_HASH);
	if (found <= 0 || err)
		return found < 0 ? found : found == 0 ? ERR_NOENT : err;
	err = bind_u64(db->stmt[STMT_AUDIT_PRUNE], 1, through->seq);
	if (!err)
		err = db_run(db, STMT_AUDIT_PRUNE, NULL);
	return err ? err : write_meta_text(db, "audit_removed", audit_head_text(through, text));
}

static int write_import(struct db *db, const struct op_import *op)
{
	enum stmt_id id = op->rows[0] ? STMT_IMPORT_PUT : STMT_IMPORT_DELETE;
	int err = bind_int(db->stmt[id], 1, op->part);

	if (!err && op->rows[0])
		err = bind_str(db->stmt[id], 2, op->rows);
	return err ? err : run_one(db, id, ERR_NOENT);
}

/* A device that was removed meanwhile is nobody's error. */
static int write_seen(struct db *db, const struct op_seen *op)
{
	sqlite3_stmt *stmt = db->stmt[STMT_DEVICE_SEEN];
	int err = bind_int(stmt, 1, op->seen_ms);

	if (!err)
		err = bind_int(stmt, 2, op->offline_at_ms);
	if (!err)
		err = bind_str(stmt, 3, op->device);
	return err ? err : db_run(db, STMT_DEVICE_SEEN, NULL);
}

static int write_protocol(struct db *db, const struct op_protocol *op)
{
	sqlite3_stmt *stmt = db->stmt[STMT_DEVICE_PROTOCOL];
	int err = bind_str(stmt, 1, op->protocol);

	if (!err)
		err = bind_str(stmt, 2, op->device);
	return err ? err : run_one(db, STMT_DEVICE_PROTOCOL, ERR_CONFLICT);
}

static int write_talk(struct db *db, const struct op_talk *op)
{
	enum stmt_id id = op->len ? STMT_TALK_PUT : STMT_TALK_DELETE;
	sqlite3_stmt *stmt = db->stmt[id];
	int err = bind_str(stmt, 1, op->device);

	if (!err && op->len)
		err = bind_int(stmt, 2, op->at_ms);
	if (!err && op->len && sqlite3_bind_blob64(stmt, 3, op->bytes, op->len, SQLITE_STATIC))
		err = ERR_NOMEM;
	if (err)
		return err;
	err = db_run(db, id, NULL);
	return refers(db, id, err, ERR_CONFLICT, "no such device");
}

/* One line or two for each kind. NOLINTNEXTLINE(readability-function-size) */
static int write_op(struct db *db, store_hash *hash, struct store_set *set, const struct op *op,
		    struct write_state *state)
{
	const void *data = op->data;
	int err = 0;

	switch (op->kind) {
	case OP_PRODUCT:
		return write_product(db, set, data);
	case OP_CA:
		return write_ca(db, data);
	case OP_RELEASE_STATE:
		return write_release_state(db, data);
	case OP_GROUP:
		return write_group(db, set, data);
	case OP_ROLLOUT:
		return write_rollout(db, set, data);
	case OP_ROLLOUT_DELETE:
		return write_rollout_delete(db, data);
	case OP_MEMBER:
		return write_member(db, data);
	case OP_GROUP_DELETE:
		return write_group_delete(db, data);
	case OP_DEVICE_GROUP:
		return write_device_group(db, data);
	case OP_TAG:
		return write_tag(db, data);
	case OP_SIGNER:
		return write_signer(db, data);
	case OP_SIGNER_DELETE:
		return write_signer_delete(db, data);
	case OP_QUERY:
		return write_query(db, data);
	case OP_QUERY_DELETE:
		return write_query_delete(db, data);
	case OP_RELEASE:
		return write_release(db, set, data);
	case OP_RELEASE_DELETE:
		return write_release_delete(db, *(const int64_t *)data);
	case OP_DEVICE:
		return write_device(db, data);
	case OP_DEVICE_DELETE:
		return write_device_delete(db, data);
	case OP_KEY:
		return write_key(db, data);
	case OP_KEY_DELETE:
		return write_key_delete(db, data);
	case OP_ATTEMPT:
		return write_attempt(db, set, data, state);
	case OP_DIAGNOSES:
		return write_diagnoses(db, data);
	case OP_EVENT:
		return write_event(db, set, data, state);
	case OP_SEEN:
		return write_seen(db, data);
	case OP_PROTOCOL:
		return write_protocol(db, data);
	case OP_TALK:
		return write_talk(db, data);
	case OP_ALIVE:
		err = write_meta_number(db, "alive_ms", *(const int64_t *)data);
		if (!err)
			state->alive_ms = *(const int64_t *)data;
		return err;
	case OP_RETIRE:
		return retire(db, set, data, state);
	case OP_RESTORED:
		return write_restored(db, *(const enum store_restored *)data);
	case OP_AUDIT:
		return write_audit(db, hash, set, data, state);
	case OP_AUDIT_PRUNE:
		return write_audit_prune(db, data);
	case OP_HOOK:
	case OP_HOOK_DELETE:
	case OP_HOOK_PLACE:
	case OP_DEAD:
	case OP_DEAD_DUE:
	case OP_DEAD_FAILED:
	case OP_DEAD_DELETE:
		return hooks_write(db, set, op);
	case OP_IMPORT:
		return write_import(db, data);
	}
	return ERR_INVAL;
}

int write_set(struct db *db, store_hash *hash, struct store_set *set, struct write_state *state)
{
	int err = 0;

	for (const struct op *op = set->first; op && !err; op = op->next)
		err = write_op(db, hash, set, op, state);
	return err;
}
