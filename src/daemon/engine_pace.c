/* SPDX-License-Identifier: Apache-2.0
 *
 * The byte rates of downloads: blocks that have to wait, device after device (core/pace.h tells
 * who waits and who is refused).
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "core/pace.h"
#include "daemon/engine_internal.h"

enum { TURN_BLOCKS = 128 }; /* served in one turn of the loop */

/* A request that waits, with all that its answer needs. */
struct held {
	struct list link; /* in its lane */
	struct session *session;
	struct net_exchange exchange;
	struct net_request request; /* without what is borrowed */
	uint8_t digest16[NATIVE_DIGEST16];
	int64_t bytes;
};

struct lane {
	struct list ring; /* in the pacer, while something is held */
	struct list held;
	unsigned count;
	int64_t bytes;
	struct bucket bucket;
	struct limiter *limiter; /* of its group, while something is held; NULL: none */
};

static int64_t now_us(void)
{
	return clock_read().now_ms * 1000;
}

static struct lane *lane_of(struct dev *d)
{
	if (!d->lane) {
		d->lane = calloc(1, sizeof(*d->lane));
		if (d->lane) {
			list_init(&d->lane->ring);
			list_init(&d->lane->held);
		}
	}
	return d->lane;
}

static void held_free(struct engine *e, struct lane *lane, struct held *h)
{
	list_remove(&h->link);
	lane->count--;
	lane->bytes -= h->bytes;
	e->pacer.held--;
	e->pacer.bytes -= h->bytes;
	if (lane->limiter)
		lane->limiter->bytes -= h->bytes;
	free(h);
	if (lane->count)
		return;
	list_remove(&lane->ring);
	e->pacer.lanes--;
	if (lane->limiter)
		limiter_lane(lane->limiter, false);
	lane->limiter = NULL;
}

void pace_forget(struct engine *e, const struct session *s)
{
	struct lane *lane = s->dev->lane;

	if (!lane)
		return;
	LIST_EACH(it, next, &lane->held)
	{
		struct held *h = LIST_ENTRY(it, struct held, link);
		if (h->session == s)
			held_free(e, lane, h);
	}
}

void pace_dev_free(struct dev *d)
{
	free(d->lane); /* without a session nothing is held */
	d->lane = NULL;
}

int64_t pace_share_now(const struct engine *e, int64_t group)
{
	const struct limiter *l = limiter_of(e, group);
	int64_t share = pace_share(e->conf.device_rate, e->conf.image_rate, e->pacer.lanes);

	return l ? pace_share(share, l->rate, l->lanes) : share;
}

/* It goes out now: whoever has a rate is paid. */
static void take(struct engine *e, struct lane *lane, struct limiter *l, int64_t bytes,
		 int64_t at_us)
{
	bucket_take(&lane->bucket, e->conf.device_rate, bytes, at_us);
	bucket_take(&e->pacer.bucket, e->conf.image_rate, bytes, at_us);
	if (l)
		bucket_take(&l->bucket, l->rate, bytes, at_us);
}

static int64_t group_wait_us(const struct limiter *l, int64_t at_us)
{
	return l ? bucket_wait_us(&l->bucket, l->rate, at_us) : 0;
}

/* ---- out ---- */

static void serve_first(struct engine *e, struct lane *lane, int64_t at_us)
{
	struct held *h = LIST_ENTRY(lane->held.next, struct held, link);
	struct held now = *h;

	take(e, lane, lane->limiter, h->bytes, at_us);
	held_free(e, lane, h);
	e->pacer.releasing = true;
	engine_block(e, now.session, &now.request, now.exchange, now.digest16,
		     clock_read().wall_ms);
	e->pacer.releasing = false;
}

/* Whose turn it is and who may: one block each. The ms until it is worth looking again; 0: at
 * once. */
static int64_t serve_turn(struct engine *e, int64_t at_us)
{
	int64_t next_us = INT64_MAX;
	unsigned waiting = 0;

	for (unsigned served = 0; e->pacer.lanes && waiting < e->pacer.lanes;) {
		struct lane *lane = LIST_ENTRY(e->pacer.ring.next, struct lane, ring);
		int64_t all_us = bucket_wait_us(&e->pacer.bucket, e->conf.image_rate, at_us);
		int64_t own_us = bucket_wait_us(&lane->bucket, e->conf.device_rate, at_us);
		int64_t group_us = group_wait_us(lane->limiter, at_us);

		if (all_us)
			return all_us / 1000 + 1;
		if (served == TURN_BLOCKS)
			return 0;
		list_remove(&lane->ring);
		list_append(&e->pacer.ring, &lane->ring);
		own_us = own_us > group_us ? own_us : group_us;
		if (own_us) {
			next_us = own_us < next_us ? own_us : next_us;
			waiting++;
			continue;
		}
		serve_first(e, lane, at_us);
		served++;
		waiting = 0;
	}
	return next_us / 1000 + 1;
}

static void on_time(uv_timer_t *timer)
{
	struct engine *e = timer->data;
	int64_t next_ms = serve_turn(e, now_us());

	if (e->pacer.lanes)
		(void)uv_timer_start(timer, on_time, (uint64_t)next_ms, 0);
}

void pace_step(struct engine *e)
{
	(void)serve_turn(e, now_us());
}

/* ---- in ---- */

static void refuse(struct engine *e, struct session *s, struct net_exchange x, int64_t expect_us)
{
	static const char text[] = "too many downloads now";
	struct net_reply reply = NET_REPLY(NET_CODE(5, 3));

	reply.max_age_s = pace_age_s(expect_us, (uint32_t)engine_random());
	reply.payload = (struct bytes){(const uint8_t *)text, sizeof(text) - 1};
	net_reply(e->net, x, &reply);
	e->stats.blocks_refused++;
	s->dev->shed_ms = clock_read().wall_ms;
	admit_sign(e, s->dev);
}

static bool hold(struct engine *e, struct session *s, const struct net_request *q,
		 struct net_exchange x, const uint8_t digest16[NATIVE_DIGEST16], int64_t bytes)
{
	struct lane *lane = s->dev->lane;
	struct held *h = lane->count < LIMIT_DEVICE_HELD && e->pacer.held < LIMIT_BLOCKS_HELD
				 ? calloc(1, sizeof(*h))
				 : NULL;

	if (!h)
		return false;
	h->session = s;
	h->exchange = x;
	h->request = (struct net_request){.method = q->method,
					  .confirmable = q->confirmable,
					  .content_format = -1,
					  .accept = -1,
					  .observe = -1,
					  .has_block2 = q->has_block2,
					  .block2_num = q->block2_num,
					  .block2_szx = q->block2_szx,
					  .wants_size2 = q->wants_size2};
	memcpy(h->digest16, digest16, NATIVE_DIGEST16);
	h->bytes = bytes;
	list_append(&lane->held, &h->link);
	if (lane->count++ == 0) {
		list_append(&e->pacer.ring, &lane->ring);
		e->pacer.lanes++;
		lane->limiter = limiter_of(e, s->dev->u.device.group);
		if (lane->limiter)
			limiter_lane(lane->limiter, true);
	}
	lane->bytes += bytes;
	if (lane->limiter)
		lane->limiter->bytes += bytes;
	e->pacer.held++;
	e->pacer.bytes += bytes;
	e->stats.blocks_held++;
	if (!uv_is_active((uv_handle_t *)&e->pacer.timer))
		(void)uv_timer_start(&e->pacer.timer, on_time, 1, 0);
	return true;
}

bool pace_block(struct engine *e, struct session *s, const struct net_request *q,
		struct net_exchange x, const uint8_t digest16[NATIVE_DIGEST16], int64_t bytes)
{
	const struct engine_conf *c = &e->conf;
	struct limiter *l = limiter_of(e, s->dev->u.device.group);

	if ((!c->device_rate && !c->image_rate && !(l && l->rate)) || e->pacer.releasing)
		return false;
	struct lane *lane = lane_of(s->dev);
	if (!lane)
		return false;

	int64_t at_us = now_us();
	const struct pace_ask ask = {
		.device_rate = c->device_rate,
		.all_rate = c->image_rate,
		.device_wait_us = bucket_wait_us(&lane->bucket, c->device_rate, at_us),
		.all_wait_us = bucket_wait_us(&e->pacer.bucket, c->image_rate, at_us),
		.device_held_bytes = lane->bytes,
		.all_held_bytes = e->pacer.bytes,
		.devices = e->pacer.lanes - (lane->count > 0),
		.group_rate = l ? l->rate : 0,
		.group_wait_us = group_wait_us(l, at_us),
		.group_held_bytes = l ? l->bytes : 0,
		.group_devices = l ? l->lanes - (lane->count > 0 && l->lanes > 0) : 0,
		.bytes = bytes,
	};
	int64_t expect_us = pace_expect_us(&ask);

	if (expect_us == 0 && lane->count == 0) {
		take(e, lane, l, bytes, at_us);
		return false;
	}
	if (expect_us > (int64_t)PACE_HOLD_MS * 1000 || !hold(e, s, q, x, digest16, bytes))
		refuse(e, s, x, expect_us);
	return true;
}

/* While something is held, pushes together get half of the rate: neither waits for ever. */
struct share {
	struct bucket *bucket;
	int64_t rate;
};

static struct share push_share(struct bucket *all, struct bucket *pushed, int64_t rate, bool held)
{
	return held && rate ? (struct share){pushed, (rate + 1) / 2} : (struct share){all, rate};
}

/* Nothing of it is held: it is tried again. */
bool pace_push(struct engine *e, struct dev *d, int64_t bytes)
{
	const struct engine_conf *c = &e->conf;
	struct limiter *l = limiter_of(e, d->u.device.group);
	bool paced = c->device_rate || c->image_rate || (l && l->rate);
	struct lane *lane = paced ? lane_of(d) : NULL;
	int64_t at_us = now_us();

	if (!lane)
		return true;
	const struct share all =
		push_share(&e->pacer.bucket, &e->pacer.pushed, c->image_rate, e->pacer.lanes > 0);
	const struct share group = l ? push_share(&l->bucket, &l->pushed, l->rate, l->lanes > 0)
				     : (struct share){&lane->bucket, 0};
	if (bucket_wait_us(&lane->bucket, c->device_rate, at_us) ||
	    bucket_wait_us(all.bucket, all.rate, at_us) ||
	    bucket_wait_us(group.bucket, group.rate, at_us)) {
		d->shed_ms = clock_read().wall_ms;
		admit_sign(e, d);
		return false;
	}
	take(e, lane, l, bytes, at_us);
	if (all.bucket == &e->pacer.pushed)
		bucket_take(all.bucket, all.rate, bytes, at_us);
	if (l && group.bucket == &l->pushed)
		bucket_take(group.bucket, group.rate, bytes, at_us);
	return true;
}
