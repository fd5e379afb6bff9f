/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/engine_audit.h"
#include "daemon/hooks_inner.h"
#include "daemon/view.h"

enum {
	LOOK_ROWS = 256, /* events that one hook looks at in one turn */
	SAVE_MS = 250,	 /* a place that has moved is saved so much later */
	FAULT_MS = 1000, /* pause after a fault of the store */
};

static uint64_t chance(void)
{
	uint64_t bits = 0;

	(void)!getrandom(&bits, sizeof(bits), 0);
	return bits;
}

/* ---- saving ---- */

static void flight_end(struct hooked *k)
{
	k->request = NULL;
	k->dead_id = 0;
	hook_message_free(&k->message);
}

void hooks_free_one(struct hooked *k)
{
	explicit_bzero(&k->secret, sizeof(k->secret));
	free(k);
}

/* The store has answered; it may have been removed meanwhile. */
static bool hooked_paid(struct hooked *k)
{
	k->all->owed--;
	if (!k->removed)
		return true;
	if (!k->saving && !k->deciding)
		hooks_free_one(k);
	return false;
}

static void touch(struct hooked *k)
{
	if (!k->dirty)
		k->save_at_ms = clock_read().now_ms + SAVE_MS;
	k->dirty = true;
}

static void saved(void *ctx, const struct store_result *result)
{
	struct hooked *k = ctx;

	k->saving = false;
	if (!hooked_paid(k))
		return;
	if (result->err) {
		k->dirty = true;
		k->save_at_ms = clock_read().now_ms + FAULT_MS;
	}
	hooks_soon(k->all);
}

void hooks_save(struct hooked *k)
{
	struct store_set *set = store_set_new(saved, k);

	if (!set) {
		k->save_at_ms = clock_read().now_ms + FAULT_MS;
		return;
	}
	store_set_hook_place(set, k->hook.id, &k->place);
	k->dirty = false;
	k->saving = true;
	k->all->owed++;
	store_submit(k->all->conf.store, set);
}

void hooks_recount(struct hooked *k)
{
	if (store_dead_count(k->all->conf.store, k->hook.id, &k->dead, &k->due))
		k->wait_ms = clock_read().now_ms + FAULT_MS; /* as it was before; it goes on */
}

/* ---- what must be in the store before it goes on ---- */

struct decision {
	struct hooked *k;
	bool dead; /* the message was put aside */
	bool disables;
	struct hook hook; /* as it is to be */
	bool retried;	  /* one that was put aside before */
};

static void decision_failed(struct hooked *k)
{
	k->place = k->was;
	k->wait_ms = clock_read().now_ms + FAULT_MS;
	hooks_soon(k->all);
}

static void decision_adopt(struct hooked *k, const struct decision *d)
{
	struct hooks *h = k->all;

	k->dirty = false;
	if (d->dead) {
		k->dead++;
		h->stats.put_aside++;
	}
	if (d->retried)
		hooks_recount(k);
	if (!d->disables)
		return;
	k->hook = d->hook;
	k->hook.rev++;
	h->stats.disabled++;
	log_warn("hook=%s disabled=%s error=\"%s\" do=\"postbootctl hook show %s\"", k->hook.name,
		 hook_why_name(k->hook.why), k->place.error, k->hook.name);
}

static void decided(void *ctx, const struct store_result *result)
{
	struct decision *d = ctx;
	struct hooked *k = d->k;
	struct hooks *h = k->all;

	k->deciding = false;
	if (!hooked_paid(k)) {
		free(d);
		return;
	}
	/* One that was retried may have been dropped meanwhile. */
	if (result->err && !(d->retried && result->err == ERR_NOENT)) {
		decision_failed(k); /* it is sent again, and decided again */
	} else {
		decision_adopt(k, d);
		engine_events_told(h->conf.engine, result);
		hooks_soon(h);
	}
	free(d);
}

static struct store_set *decision_new(struct hooked *k, struct decision **ret)
{
	struct decision *d = calloc(1, sizeof(*d));
	struct store_set *set = d ? store_set_new(decided, d) : NULL;

	if (!set) {
		free(d);
		decision_failed(k);
		return NULL;
	}
	d->k = k;
	d->hook = k->hook;
	*ret = d;
	return set;
}

static void decision_submit(struct hooked *k, struct store_set *set)
{
	k->deciding = true;
	k->all->owed++;
	store_submit(k->all->conf.store, set);
}

/* The place is that after the message, or as it was where the hook ends. */
static int put_disabled(struct hooked *k, struct store_set *set, struct decision *d,
			enum hook_why why)
{
	d->disables = true;
	d->hook.state = HOOK_DISABLED;
	d->hook.why = why;
	store_set_hook(set, &d->hook, &k->place, NULL);
	json_t *payload = json_object();
	view_put(&payload, "hook", json_string(k->hook.name));
	view_put(&payload, "reason", json_string(hook_why_name(why)));
	view_put_text(&payload, "error", k->place.error);
	return engine_event_put(k->all->conf.engine, set, EVENT_HOOK_DISABLED, payload);
}

static void disable(struct hooked *k, enum hook_why why)
{
	struct decision *d;
	struct store_set *set = decision_new(k, &d);

	if (!set)
		return;
	if (put_disabled(k, set, d, why)) {
		store_set_free(set);
		free(d);
		decision_failed(k);
		return;
	}
	decision_submit(k, set);
}

static void put_aside(struct hooked *k)
{
	struct decision *d;

	if (k->dead >= LIMIT_HOOK_DEAD) { /* nothing is thrown away */
		k->place.position = k->was.position;
		k->place.tries = 0;
		disable(k, HOOK_FULL);
		return;
	}
	struct store_set *set = decision_new(k, &d);
	if (!set)
		return;
	const struct store_dead dead = {.hook = k->hook.id,
					.seq = k->message.first,
					.cursor = k->message.id,
					.topic = k->message.topic,
					.device = k->message.device,
					.at_ms = clock_read().wall_ms,
					.tries = k->was.tries + 1,
					.error = k->place.error,
					.body = k->message.body};
	d->dead = true;
	k->place.position = k->message.looked;
	store_set_dead(set, &dead);
	store_set_hook_place(set, k->hook.id, &k->place);
	log_warn("hook=%s put-aside=%s error=\"%s\" do=\"postbootctl hook dead %s\"", k->hook.name,
		 k->message.id, k->place.error, k->hook.name);
	decision_submit(k, set);
}

/* ---- answers ---- */

static void count(struct hooks *h, enum hook_outcome outcome)
{
	switch (outcome) {
	case HOOK_TAKEN:
		h->stats.taken++;
		return;
	case HOOK_LATER:
		h->stats.later++;
		return;
	case HOOK_REFUSED:
		h->stats.refused++;
		return;
	case HOOK_ENDED:
		h->stats.ended++;
		return;
	}
}

/* Of a message that was put aside before: once for each wish. */
static void retried(struct hooked *k, enum hook_outcome outcome, const struct hook_answer *a)
{
	struct decision *d;
	struct store_set *set = decision_new(k, &d);

	if (!set)
		return;
	d->retried = true;
	if (outcome == HOOK_TAKEN) {
		store_set_dead_delete(set, k->hook.id, k->dead_id);
		k->place.taken_ms = clock_read().wall_ms;
	} else {
		store_set_dead_failed(set, k->hook.id, k->dead_id, a->error);
	}
	store_set_hook_place(set, k->hook.id, &k->place);
	decision_submit(k, set);
}

static void decide(struct hooked *k, enum hook_outcome outcome, const struct hook_answer *a)
{
	struct hooks *h = k->all;
	enum hook_why why = HOOK_FINE;
	bool failed = k->place.failing_ms != 0;
	enum hook_next next = hook_answered(&k->place, &h->conf.rules, outcome, a->after_s,
					    clock_read().wall_ms, chance(), &why);

	switch (next) {
	case HOOK_GO_ON:
		k->place.position = k->message.looked;
		k->place.delivered += k->message.count;
		if (failed)
			log_info("hook=%s works=yes", k->hook.name);
		touch(k);
		break;
	case HOOK_WAIT:
		if (k->message.count > 1)
			k->single_until = k->message.last;
		if (!failed)
			log_warn("hook=%s error=\"%s\" do=\"look at its receiver; nothing is lost, "
				 "it "
				 "is tried again\"",
				 k->hook.name, k->place.error);
		touch(k);
		break;
	case HOOK_PUT_ASIDE:
		put_aside(k);
		break;
	case HOOK_STOP:
		disable(k, why);
		break;
	}
}

static void answered(void *ctx, const struct hook_answer *a)
{
	struct hooked *k = ctx;
	enum hook_outcome outcome = hook_outcome(a->status, a->sent);

	count(k->all, outcome);
	k->was = k->place;
	if (outcome != HOOK_TAKEN)
		(void)buf_copy_str(k->place.error, sizeof(k->place.error), a->error);
	if (k->dead_id)
		retried(k, outcome, a);
	else
		decide(k, outcome, a);
	flight_end(k);
	hooks_soon(k->all);
}

/* ---- sending ---- */

static int post(struct hooked *k, const struct hook_message *m, hook_answered_fn *done,
		struct hook_request **ret)
{
	char signature[HOOK_SIGNATURE_MAX + 1];
	const struct bytes body = {(const uint8_t *)m->body, m->len};
	int64_t wall_s = clock_read().wall_ms / 1000;
	struct psk secret;
	int err = keys_unwrap(k->all->conf.keys, &k->secret, &secret);

	if (!err)
		err = hook_sign(&secret, m->id, wall_s, body, signature);
	explicit_bzero(&secret, sizeof(secret));
	if (err)
		return err;
	const struct hook_post p = {
		.url = k->hook.url,
		.content_type = m->batch ? "application/cloudevents-batch+json; charset=utf-8"
					 : "application/cloudevents+json; charset=utf-8",
		.id = m->id,
		.signature = signature,
		.name = k->hook.name,
		.wall_s = wall_s,
		.body = body,
		.done = done,
		.ctx = k,
	};
	return hook_http_post(k->all->http, &p, ret);
}

static void wait_after(struct hooked *k, int err)
{
	log_err("hook=%s error=\"%s\" do=\"nothing is lost, it is tried again\"", k->hook.name,
		err_text(err));
	flight_end(k);
	k->wait_ms = clock_read().now_ms + FAULT_MS;
}

static void send_message(struct hooked *k)
{
	int err = post(k, &k->message, answered, &k->request);

	if (err)
		wait_after(k, err);
}

struct due {
	struct hook_message m;
	int64_t id;
};

static bool due_row(void *ctx, const struct store_dead *d)
{
	struct due *due = ctx;

	due->id = d->id;
	due->m = (struct hook_message){.count = 1, .first = d->seq, .len = strlen(d->body)};
	due->m.batch = d->body[0] == '[';
	(void)buf_copy_str(due->m.id, sizeof(due->m.id), d->cursor);
	due->m.body = strdup(d->body);
	return false;
}

/* True if one of those put aside is on its way now. */
static bool send_due(struct hooked *k)
{
	struct due due = {.id = 0};
	int err = store_deads(k->all->conf.store, k->hook.id, true, 0, 1, due_row, &due);

	if (!err && due.id && !due.m.body)
		err = ERR_NOMEM;
	if (err) {
		wait_after(k, err);
		return true;
	}
	if (!due.id) {
		k->due = 0;
		return false;
	}
	k->message = due.m;
	k->dead_id = due.id;
	send_message(k);
	return true;
}

/* Retention was faster: on with the oldest there is, and it says so. */
static void skip_missed(struct hooked *k, uint64_t first)
{
	uint64_t missed = first - 1 - k->place.position;
	struct decision *d;
	struct store_set *set;
	json_t *payload = json_object();

	k->was = k->place;
	k->place.missed += missed;
	k->place.position = first - 1;
	k->place.tries = 0;
	view_put(&payload, "hook", json_string(k->hook.name));
	view_put(&payload, "missed", json_integer((json_int_t)missed));
	set = decision_new(k, &d);
	if (!set) {
		json_decref(payload);
		return;
	}
	store_set_hook_place(set, k->hook.id, &k->place);
	if (engine_event_put(k->all->conf.engine, set, EVENT_HOOK_MISSED, payload)) {
		store_set_free(set);
		free(d);
		decision_failed(k);
		return;
	}
	k->all->stats.missed += missed;
	log_warn("hook=%s missed=%" PRIu64 " error=\"these events went by retention before they "
		 "were sent\" do=\"see to its receiver, or keep-events\"",
		 k->hook.name, missed);
	decision_submit(k, set);
}

/* True: look again at once, as there may be more. */
static bool send_next(struct hooked *k)
{
	struct store *store = k->all->conf.store;
	struct store_info info;
	uint64_t first = 0;
	bool single = k->place.tries > 0 || k->place.position < k->single_until;

	store_info(store, &info);
	if (k->place.position > info.head)
		k->place.position = info.head; /* a row that somebody has changed by hand */
	if (k->place.position == info.head)
		return false;
	int err = store_events_first(store, &first);
	if (!err && k->place.position + 1 < first) {
		skip_missed(k, first);
		return false;
	}
	if (!err)
		err = hook_message_read(store, &k->hook, info.stream, k->place.position, LOOK_ROWS,
					single, &k->message);
	if (err) {
		wait_after(k, err);
		return false;
	}
	if (k->message.count) {
		send_message(k);
		return false;
	}
	bool moved = k->message.looked != k->place.position;
	k->place.position = k->message.looked;
	if (moved)
		touch(k);
	hook_message_free(&k->message);
	return moved;
}

/* Sends what is due. Returns when to look again, monotonic; 0: at once, INT64_MAX: when something
 * happens. */
static int64_t hooked_turn(struct hooked *k, const struct clock *now)
{
	int64_t retry_max = k->all->conf.rules.retry_max_ms;

	if (k->hook.state != HOOK_ACTIVE || k->request || k->deciding)
		return INT64_MAX;
	if (k->wait_ms > now->now_ms)
		return k->wait_ms;
	if (k->place.retry_ms > now->wall_ms + retry_max) /* the clock was set back */
		k->place.retry_ms = now->wall_ms + retry_max;
	if (k->place.retry_ms > now->wall_ms)
		return now->now_ms + (k->place.retry_ms - now->wall_ms);
	if (k->due && send_due(k))
		return k->wait_ms > now->now_ms ? k->wait_ms : INT64_MAX;
	if (send_next(k))
		return 0;
	return k->wait_ms > now->now_ms ? k->wait_ms : INT64_MAX;
}

static void turn(uv_timer_t *timer)
{
	struct hooks *h = timer->data;
	const struct clock now = clock_read();
	int64_t next = INT64_MAX;

	for (unsigned i = 0; i < h->count; i++) {
		struct hooked *k = h->list[i];
		int64_t at = hooked_turn(k, &now);
		if (k->dirty && !k->saving && !k->deciding && k->save_at_ms <= now.now_ms)
			hooks_save(k);
		else if (k->dirty && !k->saving && !k->deciding && k->save_at_ms < at)
			at = k->save_at_ms;
		if (at < next)
			next = at;
	}
	if (next != INT64_MAX && !h->stopping)
		(void)uv_timer_start(&h->timer, turn,
				     next > now.now_ms ? (uint64_t)(next - now.now_ms) : 0, 0);
}

void hooks_soon(struct hooks *h)
{
	if (!h->stopping)
		(void)uv_timer_start(&h->timer, turn, 0, 0);
}

/* ---- ping ---- */

static void ping_answered(void *ctx, const struct hook_answer *a)
{
	struct hooked *k = ctx;
	hook_answered_fn *done = k->ping_done;

	k->ping = NULL;
	hook_message_free(&k->ping_message);
	done(k->ping_ctx, a);
}

int hooks_ping(struct hooks *h, const char *name, hook_answered_fn *done, void *ctx)
{
	struct hooked *k = hooks_named(h, name);
	struct store_info info;

	if (!k)
		return ERR_NOENT;
	if (k->ping || h->stopping)
		return ERR_BUSY;
	store_info(h->conf.store, &info);
	int err = hook_message_ping(&k->hook, info.stream, chance(), clock_read().wall_ms,
				    &k->ping_message);
	if (!err)
		err = post(k, &k->ping_message, ping_answered, &k->ping);
	if (err)
		hook_message_free(&k->ping_message);
	k->ping_done = done;
	k->ping_ctx = ctx;
	return err;
}

/* Whoever waits for it is told that nobody knows. */
static void ping_end(struct hooked *k)
{
	const struct hook_answer none = {.error = "it ended before there was an answer"};

	if (!k->ping)
		return;
	hook_http_cancel(k->ping);
	ping_answered(k, &none);
}

void hooks_end_sending(struct hooked *k)
{
	ping_end(k);
	hook_http_cancel(k->request);
	flight_end(k);
}
