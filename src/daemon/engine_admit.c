/* SPDX-License-Identifier: Apache-2.0
 *
 * Admission (core/admit.h): who waits, who downloads, and the bell for those whose turn has come.
 *
 * All of it is in memory. A token is counted from the decision to offer until a commit takes the
 * attempt out of `offered` and `transferring`, whatever does that: engine_count_moved() sees each.
 * Of attempts that were open before the start nothing is known but their number; they have tokens
 * for ADMIT_IDLE_MS, and each that is heard of in that time gets one of its own. All of that holds
 * for the gate of a group (engine_limit.c) as well as for that of all; who passes pays at both.
 */
#include "base/clock.h"
#include "daemon/engine_internal.h"

enum {
	SIGN_MS = 1000, /* a sign is noted no more often */
	BELLS = 16,	/* rung in a tick */
};

/* What is remembered of one device: it waits, or it has a token. */
struct turn {
	struct list bucket;
	uint64_t key; /* dev_hash() of its id */
	struct admit_place place;
	int64_t begun_ms, sign_ms; /* with a token */
	bool has_token;
	struct limiter *paid; /* has a token of its group's, too; NULL: none */
};

static int64_t now_ms(void)
{
	return clock_read().now_ms;
}

static bool is_download(const struct update *u)
{
	return u && u->has_attempt &&
	       (u->attempt.state == ATTEMPT_OFFERED || u->attempt.state == ATTEMPT_TRANSFERRING);
}

static bool is_limited(const struct engine *e, const struct limiter *l)
{
	return e->admitter.all.gate.tokens || (l && l->admits.gate.tokens);
}

/* ---- the table ---- */

static struct turn *turn_by_key(struct engine *e, uint64_t key)
{
	LIST_EACH(it, next, &e->admitter.turns[key % ENGINE_TURNS])
	{
		struct turn *t = LIST_ENTRY(it, struct turn, bucket);
		if (t->key == key)
			return t;
	}
	return NULL;
}

static struct turn *turn_find(struct engine *e, const char *id)
{
	return e->admitter.turn_count ? turn_by_key(e, dev_hash(e, id)) : NULL;
}

/* NULL where there are too many, or no memory: it is turned away without a place, and downloads
 * without being counted. */
static struct turn *turn_of(struct engine *e, const char *id)
{
	struct turn *t = turn_find(e, id);

	if (t || e->admitter.turn_count >= e->admitter.turn_max)
		return t;
	t = slab_take(&e->session_slab, sizeof(*t));
	if (!t)
		return NULL;
	t->key = dev_hash(e, id);
	admit_place_init(&t->place);
	list_append(&e->admitter.turns[t->key % ENGINE_TURNS], &t->bucket);
	e->admitter.turn_count++;
	return t;
}

static void turn_free(struct engine *e, struct turn *t)
{
	admit_leave(&t->place);
	list_remove(&t->place.link);
	list_remove(&t->bucket);
	slab_give(&e->session_slab, t, sizeof(*t));
	e->admitter.turn_count--;
}

/* ---- tokens ---- */

static void sign(struct engine *e, struct turn *t, int64_t at_ms)
{
	t->sign_ms = at_ms;
	list_remove(&t->place.link);
	list_append(&e->admitter.downloads, &t->place.link);
}

static void pay(struct turn *t, struct limiter *l)
{
	if (t->paid == l)
		return;
	if (t->paid)
		admit_give(&t->paid->admits.gate, -1);
	if (l)
		admit_take(&l->admits.gate);
	t->paid = l;
}

static void token_take(struct engine *e, struct turn *t, struct limiter *l, int64_t at_ms)
{
	if (!t->has_token) {
		admit_leave(&t->place);
		t->has_token = true;
		t->begun_ms = at_ms;
		admit_take(&e->admitter.all.gate);
	}
	pay(t, l);
	sign(e, t, at_ms);
}

/* `through`: what it took tells what others will take. */
static void token_give(struct engine *e, struct turn *t, bool through)
{
	int64_t held_ms = through ? now_ms() - t->begun_ms : -1;

	if (!t->has_token)
		return;
	t->has_token = false;
	list_remove(&t->place.link);
	if (t->paid)
		admit_give(&t->paid->admits.gate, held_ms);
	t->paid = NULL;
	admit_give(&e->admitter.all.gate, held_ms);
}

/* One of those from before is known by its name now, or is over. */
static void carried_less(struct admits *a)
{
	if (!a->carried)
		return;
	a->carried--;
	admit_give(&a->gate, -1);
}

static void carried_gone(struct admits *a)
{
	while (a->carried)
		carried_less(a);
}

/* What is open already was not counted. */
void admit_carry(struct admits *a, uint64_t open)
{
	uint64_t paid = (uint64_t)a->gate.active;

	for (a->carried = 0; paid + a->carried < open; a->carried++)
		admit_take(&a->gate);
	a->carried_until_ms = now_ms() + ADMIT_IDLE_MS;
}

/* ---- a device asks ---- */

void admit_ask(struct engine *e, struct update *u)
{
	struct admitter *a = &e->admitter;
	const struct limiter *l = limiter_of(e, u->device.group);
	const struct admit_gate *full;

	u->admission = (struct admission){0};
	if (!is_limited(e, l))
		return;
	const struct turn *t = turn_find(e, u->device.id);
	if (t && t->has_token)
		return;
	const struct admit_place *p = t ? &t->place : NULL;
	if (l && !admit_may(&l->admits.gate, p, now_ms()))
		full = &l->admits.gate;
	else if (!admit_may(&a->all.gate, p, now_ms()))
		full = &a->all.gate;
	else
		return;
	u->admission.full = true;
	u->admission.own = full != &a->all.gate;
	u->admission.again_s = admit_again_s(full, p, (uint32_t)engine_random());
}

void admit_report(struct engine *e, struct update *u)
{
	admit_ask(e, u);
	u->crowd = admit_crowd(&e->admitter.crowd, e->stats.devices, now_ms());
}

static void wait_at(struct engine *e, struct turn *t, bool own, struct limiter *l, int64_t again_s)
{
	struct admit_gate *gate = l ? &l->admits.gate : NULL;

	if (t->place.own != gate) {
		admit_leave(&t->place);
		t->place.own = gate;
	}
	admit_wait(own && l ? gate : &e->admitter.all.gate, &t->place, again_s, now_ms());
}

void admit_decided(struct job *job, const struct outcome *out)
{
	struct engine *e = job->e;
	const struct update *u = &job->u;
	struct limiter *l = limiter_of(e, u->device.group);
	struct turn *t;

	e->stats.turned_away += out->turned_away;
	if (!is_limited(e, l))
		return;
	if (out->turned_away) {
		t = turn_of(e, u->device.id);
		if (t)
			wait_at(e, t, u->admission.own, l, u->admission.again_s);
		else
			e->stats.turned_away_unnamed++;
	} else if (is_download(u) && u->attempt.number == 0) {
		t = turn_of(e, u->device.id);
		if (t)
			token_take(e, t, l, now_ms());
		job->admitted = t != NULL;
	} else if (!out->late) {
		t = turn_find(e, u->device.id);
		if (t && !t->has_token) /* it wants nothing any more */
			turn_free(e, t);
	}
}

void admit_failed(struct job *job)
{
	struct engine *e = job->e;
	struct limiter *l = limiter_of(e, job->dev->u.device.group);
	struct turn *t = turn_find(e, job->u.device.id);

	if (!t || is_download(&job->dev->u))
		return;
	token_give(e, t, false);
	/* As one that was turned away: its place is what it was. */
	if (is_limited(e, l))
		wait_at(e, t, !e->admitter.all.gate.tokens, l, engine_shed_age_s(e));
	else
		turn_free(e, t);
}

/* ---- it downloads ---- */

/* It is in another group now. */
static void turn_moved(struct turn *t, struct limiter *l)
{
	if (t->has_token) {
		pay(t, l);
		return;
	}
	admit_leave(&t->place); /* it keeps its number */
	t->place.own = NULL;
}

static void download_ended(struct engine *e, const struct update *before)
{
	struct turn *t = turn_find(e, before->device.id);
	struct limiter *l = limiter_of(e, before->device.group);

	if (is_download(before) && l && !(t && t->paid))
		carried_less(&l->admits);
	if (t) {
		token_give(e, t, true);
		turn_free(e, t);
	} else if (is_download(before)) {
		carried_less(&e->admitter.all);
	}
}

void admit_moved(struct engine *e, const struct update *before, const struct update *after)
{
	bool was = is_download(before), is = is_download(after);
	struct turn *t;

	if (was == is && after) {
		t = before->device.group != after->device.group ? turn_find(e, before->device.id)
								: NULL;
		if (t)
			turn_moved(t, limiter_of(e, after->device.group));
		return;
	}
	if (!is) {
		download_ended(e, before);
		return;
	}
	struct limiter *l = limiter_of(e, after->device.group);
	t = is_limited(e, l) ? turn_of(e, before->device.id) : NULL;
	if (t)
		token_take(e, t, l, now_ms());
}

void admit_sign(struct engine *e, struct dev *d)
{
	int64_t at_ms = now_ms();

	if (at_ms - d->sign_ms < SIGN_MS || !is_download(&d->u))
		return;
	struct limiter *l = limiter_of(e, d->u.device.group);
	if (!is_limited(e, l))
		return;
	d->sign_ms = at_ms;
	struct turn *t = turn_of(e, d->u.device.id);
	if (!t)
		return;
	if (!t->has_token)
		carried_less(&e->admitter.all);
	if (l && t->paid != l)
		carried_less(&l->admits);
	token_take(e, t, l, at_ms);
}

/* ---- what is told of it ---- */

static int64_t oldest_of(const struct admit_gate *g, int64_t oldest)
{
	const struct list *heads[] = {&g->queue, &g->late};

	for (unsigned i = 0; i < 2; i++) {
		if (list_empty(heads[i]))
			continue;
		int64_t since = LIST_ENTRY(heads[i]->next, struct admit_place, link)->since_ms;
		oldest = oldest && oldest < since ? oldest : since;
	}
	return oldest;
}

void admit_stats(const struct engine *e, struct engine_stats *ret)
{
	const struct admit_gate *g = &e->admitter.all.gate;
	const struct list *limiters = &e->admitter.limiters;
	int64_t oldest = oldest_of(g, 0);

	ret->downloads_limit = (uint64_t)g->tokens;
	ret->downloads = g->tokens ? (uint64_t)g->active
				   : ret->open[ATTEMPT_OFFERED] + ret->open[ATTEMPT_TRANSFERRING];
	ret->downloads_waiting = g->waiting;
	for (struct list *it = limiters->next; it != limiters; it = it->next) {
		const struct limiter *l = LIST_ENTRY(it, struct limiter, link);
		ret->downloads_waiting += l->admits.gate.waiting;
		oldest = oldest_of(&l->admits.gate, oldest);
	}
	ret->downloads_oldest_wait_ms = oldest ? now_ms() - oldest : 0;
}

void admit_view(struct engine *e, const struct update *u, struct engine_admission *ret)
{
	const struct limiter *l = limiter_of(e, u->device.group);
	const struct admit_gate *g =
		u->admission.own && l ? &l->admits.gate : &e->admitter.all.gate;
	const struct turn *t = turn_find(e, u->device.id);
	const struct admit_place *p = t && t->place.gate ? &t->place : NULL;
	struct clock now = clock_read();

	*ret = (struct engine_admission){.expect_ms = -1};
	if (!u->admission.full)
		return;
	ret->full = true;
	ret->own = u->admission.own;
	ret->limit = (uint64_t)g->tokens;
	ret->ahead = admit_ahead(g, p);
	ret->expect_ms = admit_expect_ms(g, p);
	if (!p)
		return;
	ret->since_ms = now.wall_ms - (now.now_ms - p->since_ms);
	ret->again_ms = now.wall_ms + p->again_ms - now.now_ms;
}

/* ---- by itself ---- */

static void idle_step(struct engine *e, int64_t at_ms)
{
	struct admitter *a = &e->admitter;

	LIST_EACH(it, next, &a->downloads)
	{
		struct turn *t =
			LIST_ENTRY(LIST_ENTRY(it, struct admit_place, link), struct turn, place);
		if (at_ms - t->sign_ms < ADMIT_IDLE_MS)
			return;
		token_give(e, t, true);
		turn_free(e, t);
	}
}

/* The device of a turn that waits, rung if it is there and listens. */
static bool ring_key(struct engine *e, uint64_t key)
{
	char id[LIMIT_DEVICE_ID + 1];

	LIST_EACH(it, next, &e->buckets[key % ENGINE_BUCKETS])
	{
		struct dev *d = LIST_ENTRY(it, struct dev, link);
		if (dev_hash(e, d->u.device.id) == key)
			return dev_ring(e, d);
	}
	if (!session_asleep_id(e, key, id))
		return false;
	struct dev *d;
	if (dev_get(e, id, &d))
		return false;
	bool heard = dev_ring(e, d);
	dev_release(e, d);
	return heard;
}

static void bell_step(struct engine *e, struct admit_gate *g, int64_t at_ms)
{
	while (e->admitter.bells) {
		struct admit_place *p = admit_next(g, at_ms);
		if (!p)
			return;
		e->admitter.bells--;
		uint64_t key = LIST_ENTRY(p, struct turn, place)->key;
		int64_t told_ms = p->again_ms;
		admit_called(p, at_ms); /* one that is asked may have had its turn at once */
		if (ring_key(e, key))
			continue;
		struct turn *t = turn_by_key(e, key);
		if (t && !t->has_token)
			t->place.again_ms = told_ms;
	}
}

void admit_gate_step(struct engine *e, struct admits *a, int64_t at_ms)
{
	if (a->carried && at_ms >= a->carried_until_ms)
		carried_gone(a);
	if (!a->gate.waiting)
		return;
	for (struct admit_place *p; (p = admit_late(&a->gate, at_ms));)
		turn_free(e, LIST_ENTRY(p, struct turn, place));
	bell_step(e, &a->gate, at_ms);
}

void admit_step(struct engine *e)
{
	int64_t at_ms = now_ms();

	idle_step(e, at_ms);
	e->admitter.bells = BELLS;
	admit_gate_step(e, &e->admitter.all, at_ms);
	e->admitter.bells = BELLS;
	limits_step(e, at_ms);
}

/* ---- life ---- */

/* Without a limit of all, only those are remembered that a group's concerns. */
static void all_unlimited(struct engine *e)
{
	struct admitter *a = &e->admitter;

	carried_gone(&a->all);
	for (size_t i = 0; i < ENGINE_TURNS; i++) {
		LIST_EACH(it, next, &a->turns[i])
		{
			struct turn *t = LIST_ENTRY(it, struct turn, bucket);
			if (t->paid || (t->place.gate && t->place.gate != &a->all.gate))
				continue;
			token_give(e, t, false);
			turn_free(e, t);
		}
	}
}

void admit_forget(struct engine *e, struct limiter *l)
{
	struct admitter *a = &e->admitter;

	if (!l->admits.gate.active && !l->admits.gate.waiting && !l->admits.gate.kept)
		return;
	for (size_t i = 0; i < ENGINE_TURNS; i++) {
		LIST_EACH(it, next, &a->turns[i])
		{
			struct turn *t = LIST_ENTRY(it, struct turn, bucket);
			if (t->paid == l)
				t->paid = NULL;
			if (t->place.gate && t->place.own == &l->admits.gate) {
				admit_leave(&t->place);
				t->place.own = NULL;
			}
		}
	}
}

void admit_conf(struct engine *e)
{
	struct admits *a = &e->admitter.all;
	int64_t before = a->gate.tokens;

	a->gate.tokens = admit_tokens(e->conf.max_downloads, e->conf.image_rate);
	if (a->gate.tokens && !before)
		admit_carry(a,
			    e->stats.open[ATTEMPT_OFFERED] + e->stats.open[ATTEMPT_TRANSFERRING]);
	else if (!a->gate.tokens && before)
		all_unlimited(e);
}

void admit_init(struct engine *e)
{
	struct admitter *a = &e->admitter;

	a->turn_max = LIMIT_TURNS;
	admit_gate_init(&a->all.gate);
	list_init(&a->limiters);
	list_init(&a->downloads);
	for (size_t i = 0; i < ENGINE_TURNS; i++)
		list_init(&a->turns[i]);
}

void admit_done(struct engine *e)
{
	struct admitter *a = &e->admitter;

	carried_gone(&a->all);
	for (size_t i = 0; i < ENGINE_TURNS; i++) {
		LIST_EACH(it, next, &a->turns[i])
		{
			struct turn *t = LIST_ENTRY(it, struct turn, bucket);
			token_give(e, t, false);
			turn_free(e, t);
		}
	}
}
