/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys: which one a handshake is given, what its end means for them, and the acts of operators.
 *
 * A device has its current key and perhaps the next one. The first handshake that is completed
 * with the next one retires the other, so that a device is never without a key that works. Rows
 * are read from the store at each handshake: no key stays in memory.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/engine_internal.h"
#include "daemon/view.h"

/* ---- what a device has ---- */

struct key_rows {
	struct store_key list[KEY_SLOTS];
	unsigned count;
};

static int rows_read(struct engine *e, const char *id, struct key_rows *ret)
{
	ret->count = 0;
	return store_keys(e->conf.store, id, ret->list, &ret->count);
}

static void rows_wipe(struct key_rows *rows)
{
	explicit_bzero(rows, sizeof(*rows));
}

static const struct store_key *rows_slot(const struct key_rows *rows, enum key_slot slot)
{
	for (unsigned i = 0; i < rows->count; i++)
		if (rows->list[i].slot == slot)
			return &rows->list[i];
	return NULL;
}

int engine_device_keys(struct engine *e, const char *id, int64_t ret_set_ms[KEY_SLOTS])
{
	struct key_rows rows;
	int err = rows_read(e, id, &rows);

	for (unsigned slot = 0; !err && slot < KEY_SLOTS; slot++) {
		const struct store_key *k = rows_slot(&rows, (enum key_slot)slot);
		ret_set_ms[slot] = k ? k->set_ms : 0;
	}
	rows_wipe(&rows);
	return err;
}

/* ---- handshakes ---- */

/* A claim's tag: the row by its time, which no other row of the device has; its slot; whether
 * there were two to choose from. */
enum { TAG_CHOICE = 1, TAG_NEXT = 2, TAG_BITS = 2 };

static uint64_t tag_of(const struct store_key *k, bool choice)
{
	return (uint64_t)k->set_ms << TAG_BITS | (k->slot == KEY_NEXT ? TAG_NEXT : 0) |
	       (choice ? TAG_CHOICE : 0);
}

static int64_t tag_set_ms(uint64_t tag)
{
	return (int64_t)(tag >> TAG_BITS);
}

static bool claim_id(const struct net_claim *claim, char id[LIMIT_DEVICE_ID + 1])
{
	size_t len = claim->identity.len;

	if (len == 0 || len > LIMIT_DEVICE_ID || memchr(claim->identity.ptr, 0, len))
		return false;
	memcpy(id, claim->identity.ptr, len);
	id[len] = 0;
	return true;
}

static size_t psk_of(struct engine *e, struct net_claim *claim, const char *id,
		     const struct key_rows *rows, uint8_t *key, size_t cap)
{
	bool choice = rows->count == KEY_SLOTS;
	const struct store_key *row = rows->count ? &rows->list[0] : NULL;
	struct psk psk = {0};

	if (choice)
		row = rows_slot(rows, key_tries_choose(&e->tries, claim->print, dev_hash(e, id),
						       engine_random() & 1));
	if (!row)
		return 0;
	int err = keys_unwrap(e->conf.keys, row, &psk);
	if (err) { /* somebody changed the row */
		log_peer(e->last_tick.now_ms, "dev=%s key=%s error=%s", id,
			 row->slot == KEY_NEXT ? "next" : "current", err_word(err));
		return 0;
	}
	size_t len = psk.len <= cap ? psk.len : 0;
	memcpy(key, psk.bytes, len);
	explicit_bzero(&psk, sizeof(psk));
	claim->tag = tag_of(row, choice);
	return len;
}

size_t engine_psk(void *ctx, struct net_claim *claim, uint8_t *key, size_t cap)
{
	struct engine *e = ctx;
	char id[LIMIT_DEVICE_ID + 1];
	struct key_rows rows = {.count = 0};
	size_t len = 0;

	if (claim_id(claim, id)) {
		if (rows_read(e, id, &rows))
			return NET_PSK_LATER;
		len = psk_of(e, claim, id, &rows, key, cap);
	}
	if (len == 0) { /* the peer never learns this; the operator should */
		char identity[LIMIT_PSK_IDENTITY + 1];
		log_peer(e->last_tick.now_ms, "psk=none identity=\"%s\"",
			 log_quoted(identity, sizeof(identity), claim->identity.ptr,
				    claim->identity.len));
	}
	rows_wipe(&rows);
	return len;
}

void engine_psk_failed(void *ctx, const struct net_claim *claim)
{
	struct engine *e = ctx;
	char id[LIMIT_DEVICE_ID + 1];

	if ((claim->tag & TAG_CHOICE) && claim_id(claim, id))
		key_tries_failed(&e->tries, claim->print, dev_hash(e, id),
				 claim->tag & TAG_NEXT ? KEY_NEXT : KEY_CURRENT);
}

/* ---- the next key becomes the current one ---- */

struct key_move {
	struct engine *e;
	char id[LIMIT_DEVICE_ID + 1];
	int64_t set_ms; /* of the key */
};

/* Closes the sessions that were not made (or, `made`, that were) with this key. */
static void close_sessions(struct engine *e, struct dev *d, int64_t set_ms, bool made)
{
	LIST_EACH(it, next, &d->sessions)
	{
		struct session *s = LIST_ENTRY(it, struct session, link);
		if (s->since_ms && (s->key_set_ms == set_ms) == made)
			net_peer_close(e->net, s->peer);
	}
}

static void moved(void *ctx, const struct store_result *result)
{
	struct key_move *m = ctx;
	struct engine *e = m->e;
	struct dev *d = dev_find(e, m->id);
	int err = result->err;

	if (d)
		d->key_moves = false;
	if (!err)
		log_info("dev=%s key=next->current", m->id);
	else if (err != ERR_CONFLICT && err != ERR_NOENT) /* the next handshake tries again */
		engine_store_failed(e, m->id, err);
	if (d && !err)
		close_sessions(e, d, m->set_ms, false);
	else if (d && (err == ERR_CONFLICT || err == ERR_NOENT)) /* withdrawn meanwhile */
		close_sessions(e, d, m->set_ms, true);
	free(m);
}

static void move(struct engine *e, struct dev *d, const struct store_key *next)
{
	struct store_key current = *next; /* its time, too: so a session finds its row again */
	struct key_move *m = calloc(1, sizeof(*m));
	struct store_set *set = m ? store_set_new(moved, m) : NULL;
	struct psk psk = {0};

	current.slot = KEY_CURRENT;
	int err = set ? keys_unwrap(e->conf.keys, next, &psk) : ERR_NOMEM;
	if (!err)
		err = keys_wrap(e->conf.keys, &psk, &current);
	explicit_bzero(&psk, sizeof(psk));
	if (err) {
		store_set_free(set);
		free(m);
		engine_store_failed(e, d->u.device.id, err);
	} else {
		*m = (struct key_move){.e = e, .set_ms = next->set_ms};
		memcpy(m->id, next->device, sizeof(m->id));
		store_set_key_delete(set, next); /* first: no two rows have the same key */
		store_set_key(set, &current);
		d->key_moves = true;
		store_submit(e->conf.store, set);
	}
	explicit_bzero(&current, sizeof(current));
}

bool engine_key_proved(struct engine *e, struct dev *d, struct session *s)
{
	const struct store_key *used = NULL;
	struct key_rows rows;
	struct net_claim claim;

	net_peer_claim(s->peer, &claim);
	s->key_set_ms = tag_set_ms(claim.tag);
	if (claim.tag & TAG_CHOICE)
		key_tries_succeeded(&e->tries, claim.print, dev_hash(e, d->u.device.id));
	if (rows_read(e, d->u.device.id, &rows))
		return true; /* a moment ago it was there */
	for (unsigned i = 0; i < rows.count; i++)
		if (rows.list[i].set_ms == s->key_set_ms)
			used = &rows.list[i];
	if (used && used->slot == KEY_NEXT && !d->key_moves)
		move(e, d, used);
	rows_wipe(&rows);
	return used != NULL; /* else it was withdrawn while they shook hands */
}

/* ---- acts ---- */

static void answer(engine_done *done, void *ctx, int err, const char *why)
{
	const struct engine_result result = {.err = err, .why = why};

	done(ctx, &result);
}

static const char *key_why(int err)
{
	switch (err) {
	case ERR_NOENT:
		return "no such device";
	case ERR_EXIST:
		return "another device has this key; every device needs its own";
	case ERR_STALE:
		return "somebody else changed the device since you looked; look again";
	case ERR_CONFLICT:
		return "its keys changed meanwhile; look again";
	case ERR_FULL:
		return "the disk of the database is full; nothing was changed";
	default:
		return "the database could not store it; nothing was changed";
	}
}

struct key_act {
	struct actor by;
	char id[LIMIT_DEVICE_ID + 1];
	engine_done *done;
	void *ctx;
};

static const char act_name[] = "device key";

static void key_done(void *ctx, const struct store_result *result)
{
	struct key_act *act = ctx;
	int err = result->err;

	if (!err)
		audit_log(&act->by, act_name, act->id, result);
	answer(act->done, act->ctx, err, err ? key_why(err) : NULL);
	free(act);
}

/* Who has which keys since when. */
static json_t *facts(const struct key_rows *rows)
{
	const struct store_key *current = rows_slot(rows, KEY_CURRENT);
	const struct store_key *next = rows_slot(rows, KEY_NEXT);
	json_t *o = json_object();

	if (current)
		view_put_time(&o, "current", current->set_ms);
	if (next)
		view_put_time(&o, "next", next->set_ms);
	return o;
}

/* Puts `row` (`put`), or takes it out. */
static void key_submit(struct engine *e, const struct actor *by, const struct key_rows *rows,
		       const struct store_key *row, bool put, engine_done *done, void *ctx)
{
	struct key_act *act = calloc(1, sizeof(*act));
	struct store_set *set = act ? store_set_new(key_done, act) : NULL;
	struct key_rows after = {.count = 0};
	int err = set ? 0 : ERR_NOMEM;

	for (unsigned i = 0; i < rows->count; i++)
		if (rows->list[i].slot != row->slot)
			after.list[after.count++] = rows->list[i];
	if (put)
		after.list[after.count++] = *row;
	if (!err) {
		*act = (struct key_act){.by = *by, .done = done, .ctx = ctx};
		memcpy(act->id, row->device, sizeof(act->id));
		if (put)
			store_set_key(set, row);
		else
			store_set_key_delete(set, row);
		err = audit_put(set, by, act_name, act->id, facts(rows), facts(&after));
	}
	rows_wipe(&after);
	if (err) {
		store_set_free(set);
		free(act);
		answer(done, ctx, err, "out of memory");
		return;
	}
	store_submit(e->conf.store, set);
}

int engine_key_make(struct engine *e, const char *id, enum key_slot slot, int64_t set_ms,
		    const struct psk *psk, struct store_key *ret, const char **ret_why)
{
	struct store_key row = {.slot = slot, .set_ms = set_ms}, other;
	int err = buf_copy_str(row.device, sizeof(row.device), id) ? 0 : ERR_LIMIT;

	if (!err)
		err = keys_wrap(e->conf.keys, psk, &row);
	if (err) {
		*ret_why = err == ERR_LIMIT ? "a key has 16 to 64 bytes"
					    : "the key could not be sealed";
		return err;
	}
	err = store_key_by_mac(e->conf.store, (struct bytes){row.mac, row.mac_len}, &other);
	if (err == ERR_NOENT) {
		*ret = row;
	} else if (err == 0) {
		err = ERR_EXIST;
		*ret_why = strcmp(other.device, id) == 0 ? "the device has this key already"
							 : key_why(ERR_EXIST);
		explicit_bzero(&other, sizeof(other));
	} else {
		*ret_why = key_why(err);
	}
	if (err == ERR_NOENT)
		err = 0;
	explicit_bzero(&row, sizeof(row));
	return err;
}

/* The device's rows; or the refusal is out. */
static bool key_rows_for(struct engine *e, const struct actor *by, const char *id,
			 struct key_rows *ret, engine_done *done, void *ctx)
{
	struct dev *d;
	int err = dev_get(e, id, &d);
	const char *why = NULL;

	if (!err) {
		if (d->u.device.plain) {
			err = ERR_BUSY;
			why = "it is a plain device, which has no key: remove it, and add it with "
			      "one";
		} else if (!actor_matches(by, d->u.device.rev)) {
			err = ERR_STALE;
		}
		dev_release(e, d);
	}
	if (!err)
		err = rows_read(e, id, ret);
	if (err)
		answer(done, ctx, err, why ? why : key_why(err));
	return !err;
}

void engine_device_key_next(struct engine *e, const struct actor *by, const char *id,
			    const struct psk *psk, engine_done *done, void *ctx)
{
	int64_t set_ms = clock_read().wall_ms;
	struct store_key row = {.device = ""};
	struct key_rows rows;
	const char *why = NULL;

	if (!key_rows_for(e, by, id, &rows, done, ctx))
		return;
	/* Where there is no current one, there is nothing to wait for. */
	enum key_slot slot = rows_slot(&rows, KEY_CURRENT) ? KEY_NEXT : KEY_CURRENT;
	for (unsigned i = 0; i < rows.count; i++)
		if (set_ms <= rows.list[i].set_ms)
			set_ms = rows.list[i].set_ms + 1;
	int err = engine_key_make(e, id, slot, set_ms, psk, &row, &why);
	if (err)
		answer(done, ctx, err, why);
	else
		key_submit(e, by, &rows, &row, true, done, ctx);
	rows_wipe(&rows);
	explicit_bzero(&row, sizeof(row));
}

void engine_device_key_drop(struct engine *e, const struct actor *by, const char *id,
			    engine_done *done, void *ctx)
{
	const struct engine_result unchanged = {.unchanged = true};
	struct key_rows rows;

	if (!key_rows_for(e, by, id, &rows, done, ctx))
		return;
	const struct store_key *next = rows_slot(&rows, KEY_NEXT);
	if (next)
		key_submit(e, by, &rows, next, false, done, ctx);
	else
		done(ctx, &unchanged);
	rows_wipe(&rows);
}
