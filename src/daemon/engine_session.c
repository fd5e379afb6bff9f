/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions of devices. One that is used holds its device in the cache. One that sleeps (its peer
 * has given up its memory) does not: it waits in a table of its own, 64 bytes in a slab, and
 * joins its device whenever that is loaded for some reason. So the list of a cached device's
 * sessions is always whole, and who has a device needs not know which of them sleep.
 */
#include <string.h>

#include "base/clock.h"
#include "daemon/engine_internal.h"

enum { RINGS_PER_TICK = 200 };

/* ---- one session ---- */

static bool session_id(const struct session *s, char id[LIMIT_DEVICE_ID + 1])
{
	struct bytes identity = net_peer_identity(s->peer);

	if (identity.len == 0 || identity.len > LIMIT_DEVICE_ID)
		return false;
	memcpy(id, identity.ptr, identity.len);
	id[identity.len] = 0;
	return true;
}

/* By their beginning: the last of the list is the newest. */
static void join(struct dev *d, struct session *s)
{
	struct list *after = d->sessions.prev;

	while (after != &d->sessions &&
	       LIST_ENTRY(after, struct session, link)->since_ms > s->since_ms)
		after = after->prev;
	list_append(after->next, &s->link); /* before the next one */
	s->dev = d;
}

struct session *session_begin(struct engine *e, struct dev *d, struct net_peer *peer)
{
	struct session *s = slab_take(&e->session_slab, sizeof(*s));
	struct clock now = clock_read();

	if (!s)
		return NULL;
	s->dev = d;
	s->peer = peer;
	if (net_peer_secure(peer))
		s->since_ms = now.wall_ms - (now.now_ms - net_peer_since_ms(peer));
	list_append(&d->sessions, &s->link);
	d->awake++;
	net_peer_set_user(peer, s);
	e->session_count++;
	return s;
}

struct link_facts session_link(const struct session *s)
{
	struct net_link link;

	net_peer_link(s->peer, &link);
	const struct link_facts now = {link.messages, link.repeats, link.rtt_ms};
	return window_link_add(&s->dev->link_before, &now);
}

void session_end(struct engine *e, struct session *s)
{
	struct dev *d = s->dev;

	if (d) {
		d->link_before = session_link(s);
		pace_forget(e, s);
	}
	uint32_t asked = s->asked;
	net_peer_set_user(s->peer, NULL);
	list_remove(&s->link);
	if (d && !s->asleep)
		d->awake--;
	slab_give(&e->session_slab, s, sizeof(*s));
	e->session_count--;
	if (d && asked)
		talk_session_over(e, d, asked);
	else if (d)
		dev_release(e, d);
}

/* ---- sleep ---- */

static struct list *sleepers(struct engine *e, const char *id)
{
	return &e->asleep[dev_hash(e, id) % ENGINE_SLEEPERS];
}

static void ring_one(struct engine *e, struct dev *d, struct session *s)
{
	s->ring_due = false;
	(void)dev_ring_session(e, d, s);
}

void sessions_attach(struct engine *e, struct dev *d)
{
	struct list *bucket = sleepers(e, d->u.device.id);
	char id[LIMIT_DEVICE_ID + 1];

	LIST_EACH(it, next, bucket)
	{
		struct session *s = LIST_ENTRY(it, struct session, link);
		if (!session_id(s, id) || strcmp(id, d->u.device.id) != 0)
			continue;
		list_remove(&s->link);
		join(d, s);
		if (s->ring_due)
			ring_one(e, d, s);
	}
}

/* What is asked of those whose device is not at hand. */
static void note_device(struct session *s)
{
	const struct update *u = &s->dev->u;

	s->product = u->device.product;
	s->group = u->device.group;
	s->interval_s = (uint32_t)device_interval_s(&u->device);
	s->applying = u->has_attempt && u->attempt.state >= ATTEMPT_APPLYING;
}

void sessions_detach(struct engine *e, struct dev *d)
{
	LIST_EACH(it, next, &d->sessions)
	{
		struct session *s = LIST_ENTRY(it, struct session, link);
		list_remove(&s->link);
		note_device(s);
		s->dev = NULL;
		list_append(sleepers(e, d->u.device.id), &s->link);
	}
}

void engine_peer_sleeps(void *ctx, struct net_peer *peer)
{
	struct engine *e = ctx;
	struct session *s = net_peer_user(peer);

	if (!s || s->asleep || !s->since_ms)
		return;
	s->asleep = true;
	s->dev->awake--;
	dev_release(e, s->dev);
}

static int wake(struct engine *e, struct session *s)
{
	char id[LIMIT_DEVICE_ID + 1];
	struct dev *d;
	int err = session_id(s, id) ? 0 : ERR_NOENT;

	if (!err)
		err = dev_get(e, id, &d); /* and it is one of its sessions then */
	if (err)
		return err;
	s->asleep = false;
	d->awake++;
	err = s->unproved ? engine_proof_still(e, d, s) : 0;
	if (!err) {
		s->unproved = false;
		return 0;
	}
	s->asleep = true;
	d->awake--;
	dev_release(e, d);
	return err;
}

int session_wake(struct engine *e, struct session *s)
{
	int err = s->asleep ? wake(e, s) : 0;

	if (err == ERR_NOENT)
		net_peer_close(e->net, s->peer);
	return err;
}

bool session_asleep_id(const struct engine *e, uint64_t hash, char id[LIMIT_DEVICE_ID + 1])
{
	LIST_EACH(it, next, &e->asleep[hash % ENGINE_SLEEPERS])
	{
		if (session_id(LIST_ENTRY(it, struct session, link), id) && dev_hash(e, id) == hash)
			return true;
	}
	return false;
}

/* ---- over a restart ---- */

size_t engine_peer_note(void *ctx, struct net_peer *peer, uint8_t note[NET_NOTE])
{
	struct session *s = net_peer_user(peer);
	struct buf w = buf_writer(note, NET_NOTE);

	(void)ctx;
	if (!s)
		return 0;
	if (s->dev)
		note_device(s);
	buf_put_u64(&w, (uint64_t)s->since_ms);
	buf_put_u64(&w, (uint64_t)s->key_set_ms);
	buf_put_u64(&w, (uint64_t)s->product);
	buf_put_u64(&w, (uint64_t)s->group);
	buf_put_u32(&w, s->interval_s);
	buf_put_u8(&w, (uint8_t)(s->applying | s->talks << 1));
	buf_put_u8(&w, s->ring_due);
	buf_put_u8(&w, s->desired_format);
	return w.pos;
}

/* Its device is looked at when there is something to do: there may be 100,000 of them. */
bool engine_peer_back(void *ctx, struct net_peer *peer, struct bytes note, bool unheard)
{
	struct engine *e = ctx;
	struct buf r = buf_reader(note.ptr, note.len);
	struct session *s = slab_take(&e->session_slab, sizeof(*s));
	char id[LIMIT_DEVICE_ID + 1];

	if (!s)
		return false;
	s->peer = peer;
	s->asleep = s->unproved = true;
	s->since_ms = (int64_t)buf_get_u64(&r);
	s->key_set_ms = (int64_t)buf_get_u64(&r);
	s->product = (int64_t)buf_get_u64(&r);
	s->group = (int64_t)buf_get_u64(&r);
	s->interval_s = buf_get_u32(&r);
	uint8_t flags = buf_get_u8(&r);
	s->applying = flags & 1;
	s->talks = flags & 2;
	s->ring_due = buf_get_u8(&r) || unheard;
	s->desired_format = buf_get_u8(&r);
	if (!buf_ok(&r) || buf_left(&r) > 0 || s->desired_format > WIRE_JSON ||
	    !session_id(s, id)) {
		slab_give(&e->session_slab, s, sizeof(*s));
		return false;
	}
	struct dev *d = dev_find(e, id);
	if (d)
		join(d, s);
	else
		list_append(sleepers(e, id), &s->link);
	if (s->ring_due)
		e->ring_bucket = 0;
	net_peer_set_user(peer, s);
	e->session_count++;
	return true;
}

/* ---- the doorbell of many ---- */

/* Loading its device makes it ring, and all others of this device. */
static void ring_sleeper(struct engine *e, struct session *s)
{
	char id[LIMIT_DEVICE_ID + 1];
	struct dev *d;

	if (session_id(s, id) && dev_get(e, id, &d) == 0)
		dev_release(e, d);
	else
		s->ring_due = false; /* it hears of it with its next report */
}

static struct session *ring_next(const struct list *bucket)
{
	LIST_EACH(it, next, bucket)
	{
		struct session *s = LIST_ENTRY(it, struct session, link);
		if (s->ring_due)
			return s;
	}
	return NULL;
}

void sessions_ring_step(struct engine *e)
{
	unsigned rung = 0;

	for (; e->ring_bucket < ENGINE_SLEEPERS; e->ring_bucket++) {
		struct session *s = ring_next(&e->asleep[e->ring_bucket]);
		for (; s; s = ring_next(&e->asleep[e->ring_bucket])) {
			if (rung++ == RINGS_PER_TICK)
				return;
			ring_sleeper(e, s);
		}
	}
}

/* 100,000 rings at once would be seconds in which nobody else is served. */
void sessions_ring(struct engine *e, int64_t product, int64_t group)
{
	for (size_t i = 0; i < ENGINE_BUCKETS; i++) {
		LIST_EACH(it, next, &e->buckets[i])
		{
			struct dev *d = LIST_ENTRY(it, struct dev, link);
			if (d->u.device.product == product &&
			    (!group || d->u.device.group == group) && !list_empty(&d->sessions))
				(void)dev_ring(e, d);
		}
	}
	for (size_t i = 0; i < ENGINE_SLEEPERS; i++) {
		LIST_EACH(it, next, &e->asleep[i])
		{
			struct session *s = LIST_ENTRY(it, struct session, link);
			s->ring_due = s->ring_due ||
				      (s->product == product && (!group || s->group == group));
		}
	}
	e->ring_bucket = 0;
	sessions_ring_step(e);
}

/* ---- all of them ---- */

void sessions_count_fleet(const struct engine *e, struct fleet *f)
{
	for (size_t i = 0; i < ENGINE_SLEEPERS; i++) {
		LIST_EACH(it, next, &e->asleep[i])
		{
			const struct session *s = LIST_ENTRY(it, struct session, link);
			fleet_add_known(f, s->interval_s, s->applying);
		}
	}
}

void sessions_init(struct engine *e)
{
	slab_init(&e->session_slab);
	for (size_t i = 0; i < ENGINE_SLEEPERS; i++)
		list_init(&e->asleep[i]);
	e->ring_bucket = ENGINE_SLEEPERS;
}
