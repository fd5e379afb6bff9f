/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys: which one a handshake is given, what its end means for them, and the acts of operators.
 *
 * A device has its current key and perhaps the next one. The first handshake that is completed
 * with the next one retires the other, so that a device is never without a key that works. Rows
 * are read from the store at each handshake: no key stays in memory. A device may have a
 * certificate in their place; an act that changes the one for the other changes it at once.
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
	rows_wipe(&rows);
	return len;
}

void engine_psk_failed(void *ctx, const struct net_claim *claim)
{
	struct engine *e = ctx;
	char id[LIMIT_DEVICE_ID + 1];

	if (!claim->tag || !claim_id(claim, id))
		return; /* no device of ours has that name and a key */
	uint64_t hash = dev_hash(e, id);
	key_fails_note(&e->key_fails, hash, clock_read().wall_ms);
	if (claim->tag & TAG_CHOICE)
		key_tries_failed(&e->tries, claim->print, hash,
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

/* Of one who has proved who he is: whether he may come, and as what, is in our records. */
static enum net_refused judge(const struct dev *d, struct net_peer *peer)
{
	if (d->u.device.disabled_ms)
		return NET_REFUSED_DISABLED;
	if (!net_peer_certified(peer))
		return NET_REFUSED_NONE;
	return d->u.device.certified ? net_peer_judge(peer, d->u.device.product)
				     : NET_REFUSED_KEY_DEVICE;
}

static bool key_proved(struct engine *e, struct dev *d, struct session *s)
{
	const struct store_key *used = NULL;
	struct key_rows rows;
	struct net_claim claim;

	net_peer_claim(s->peer, &claim);
	s->key_set_ms = tag_set_ms(claim.tag);
	key_fails_forget(&e->key_fails, dev_hash(e, d->u.device.id));
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

bool engine_proved(struct engine *e, struct dev *d, struct session *s)
{
	enum net_refused why = judge(d, s->peer);

	if (why != NET_REFUSED_NONE)
		net_peer_refuse(s->peer, why);
	return why == NET_REFUSED_NONE && (net_peer_certified(s->peer) || key_proved(e, d, s));
}

int engine_proof_still(struct engine *e, struct dev *d, const struct session *s)
{
	struct key_rows rows;
	bool found = false;

	if (judge(d, s->peer) != NET_REFUSED_NONE)
		return ERR_NOENT;
	if (net_peer_certified(s->peer))
		return 0;
	int err = rows_read(e, d->u.device.id, &rows);
	for (unsigned i = 0; i < rows.count && !err; i++)
		found = found || rows.list[i].set_ms == s->key_set_ms;
	rows_wipe(&rows);
	return !err && !found ? ERR_NOENT : err;
}

/* ---- acts ---- */

const char *engine_key_why(int err)
{
	switch (err) {
	case ERR_EXIST:
		return "another device has this key; every device needs its own";
	case ERR_CONFLICT:
		return "its keys changed meanwhile; look again";
	default:
		return NULL;
	}
}

/* An act on its way through the device's queue, so that it raises the row's revision like any
 * other; it is the ctx of OPERATOR_KEY. */
enum key_what {
	KEY_CHANGE_NEXT, /* a key beside the current one */
	KEY_CHANGE_DROP, /* no longer */
	KEY_CHANGE_NOW,	 /* a key in the place of all else */
	KEY_CHANGE_CERTIFICATE,
};

struct key_change {
	enum key_what what;
	bool decided; /* what `after` and `row` say is to be */
	struct psk psk;
	struct store_key row; /* to put; of KEY_CHANGE_DROP to delete */
	struct key_rows before;
	engine_done *done;
	void *ctx;
};

static void change_done(void *ctx, const struct engine_result *result)
{
	struct key_change *k = ctx;

	k->done(k->ctx, result);
	explicit_bzero(k, sizeof(*k));
	free(k);
}

static bool ends_proofs(const struct key_change *k)
{
	return k->what == KEY_CHANGE_NOW || k->what == KEY_CHANGE_CERTIFICATE;
}

static bool puts_key(const struct key_change *k)
{
	return k->what == KEY_CHANGE_NEXT || k->what == KEY_CHANGE_NOW;
}

const char *engine_key_act(const struct job *job)
{
	const struct key_change *k = job->in.op.ctx;

	return k->what == KEY_CHANGE_CERTIFICATE ? "device certificate" : "device key";
}

bool engine_key_shuts_out(const struct job *job)
{
	const struct key_change *k = job->in.op.ctx;

	return ends_proofs(k) && k->decided;
}

/* Who has which keys since when, or what else. */
static json_t *facts(const struct key_rows *rows, const struct device *d)
{
	const struct store_key *current = rows_slot(rows, KEY_CURRENT);
	const struct store_key *next = rows_slot(rows, KEY_NEXT);
	json_t *o = json_object();

	if (current)
		view_put_time(&o, "current", current->set_ms);
	if (next)
		view_put_time(&o, "next", next->set_ms);
	if (d->certified)
		view_put(&o, "certificate", json_true());
	if (d->plain)
		view_put(&o, "plain", json_true());
	return o;
}

/* Whether a row goes. */
static bool replaces(const struct key_change *k, const struct store_key *row)
{
	return ends_proofs(k) || row->slot == k->row.slot;
}

json_t *engine_key_facts(const struct job *job, bool after)
{
	const struct key_change *k = job->in.op.ctx;
	const struct device *d = after ? &job->u.device : &job->dev->u.device;
	struct key_rows rows = k->before;

	if (after && k->decided) {
		rows.count = 0;
		for (unsigned i = 0; i < k->before.count; i++)
			if (!replaces(k, &k->before.list[i]))
				rows.list[rows.count++] = k->before.list[i];
		if (puts_key(k))
			rows.list[rows.count++] = k->row;
	}
	json_t *o = facts(&rows, d);
	rows_wipe(&rows);
	return o;
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
							 : engine_key_why(ERR_EXIST);
		explicit_bzero(&other, sizeof(other));
	} else {
		*ret_why = "the keys could not be read; nothing was changed";
	}
	if (err == ERR_NOENT)
		err = 0;
	explicit_bzero(&row, sizeof(row));
	return err;
}

static int key_decide(struct engine *e, const char *id, struct key_change *k, const char **ret_why)
{
	/* Where there is no current one, there is nothing to wait for. */
	enum key_slot slot = k->what == KEY_CHANGE_NEXT && rows_slot(&k->before, KEY_CURRENT)
				     ? KEY_NEXT
				     : KEY_CURRENT;
	int64_t set_ms = clock_read().wall_ms;

	*ret_why = import_bars(e);
	if (*ret_why)
		return ERR_BUSY;
	for (unsigned i = 0; i < k->before.count; i++)
		if (set_ms <= k->before.list[i].set_ms)
			set_ms = k->before.list[i].set_ms + 1;
	int err = engine_key_make(e, id, slot, set_ms, &k->psk, &k->row, ret_why);
	k->decided = err == 0;
	return err;
}

static const char *decide_refused(const struct key_change *k, const struct device *d)
{
	if (ends_proofs(k))
		return NULL;
	if (d->certified)
		return "it has a certificate, which its CA renews, and no key. One that takes the "
		       "place of the certificate: device key --now";
	if (d->plain)
		return "it is a plain device, which has no key. One that ends that: device key "
		       "--now";
	return NULL;
}

void engine_key_decide(struct job *job)
{
	struct key_change *k = job->in.op.ctx;
	struct device *d = &job->u.device;

	job->out.why = decide_refused(k, d);
	job->out.err = job->out.why ? ERR_BUSY : rows_read(job->e, d->id, &k->before);
	if (job->out.err)
		return;
	const struct store_key *next = rows_slot(&k->before, KEY_NEXT);
	switch (k->what) {
	case KEY_CHANGE_NEXT:
	case KEY_CHANGE_NOW:
		job->out.err = key_decide(job->e, d->id, k, &job->out.why);
		break;
	case KEY_CHANGE_DROP:
		k->decided = next != NULL;
		if (next)
			k->row = *next;
		break;
	case KEY_CHANGE_CERTIFICATE:
		k->decided = !d->certified;
		break;
	}
	if (k->decided && ends_proofs(k)) {
		d->certified = k->what == KEY_CHANGE_CERTIFICATE;
		d->plain = false;
	}
	job->out.device_changed = k->decided; /* by its revision at least */
}

void engine_key_store(const struct job *job, struct store_set *set)
{
	const struct key_change *k = job->in.op.ctx;

	/* First: no two rows have the same key. */
	for (unsigned i = 0; i < k->before.count; i++)
		if (ends_proofs(k) ||
		    (k->what == KEY_CHANGE_DROP && replaces(k, &k->before.list[i])))
			store_set_key_delete(set, &k->before.list[i]);
	if (puts_key(k))
		store_set_key(set, &k->row);
}

static void change_submit(struct engine *e, const struct actor *by, const char *id,
			  enum key_what what, const struct psk *psk, engine_done *done, void *ctx)
{
	const struct engine_result no_memory = {.err = ERR_NOMEM, .why = "out of memory"};
	struct key_change *k = calloc(1, sizeof(*k));

	if (!k) {
		done(ctx, &no_memory);
		return;
	}
	k->done = done;
	k->ctx = ctx;
	k->what = what;
	if (psk)
		k->psk = *psk;
	engine_device_act(e, by, id, OPERATOR_KEY, change_done, k);
}

void engine_device_key_next(struct engine *e, const struct actor *by, const char *id,
			    const struct psk *psk, engine_done *done, void *ctx)
{
	change_submit(e, by, id, KEY_CHANGE_NEXT, psk, done, ctx);
}

void engine_device_key_drop(struct engine *e, const struct actor *by, const char *id,
			    engine_done *done, void *ctx)
{
	change_submit(e, by, id, KEY_CHANGE_DROP, NULL, done, ctx);
}

void engine_device_key_now(struct engine *e, const struct actor *by, const char *id,
			   const struct psk *psk, engine_done *done, void *ctx)
{
	change_submit(e, by, id, KEY_CHANGE_NOW, psk, done, ctx);
}

void engine_device_certificate(struct engine *e, const struct actor *by, const char *id,
			       engine_done *done, void *ctx)
{
	change_submit(e, by, id, KEY_CHANGE_CERTIFICATE, NULL, done, ctx);
}
