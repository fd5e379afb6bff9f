/* SPDX-License-Identifier: Apache-2.0
 *
 * What rollouts do by themselves, in steps that never hold the loop.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/engine_act.h"
#include "daemon/engine_filter.h"
#include "daemon/engine_rollout.h"

enum {
	WALK_ROWS = 500, /* devices looked at in one step */
	LOAD_ROWS = 500, /* members read in one step */
	TELL_ROWS = 100, /* devices told in one tick */
	TURN_MS = 3,	 /* of one turn of the loop */
	AGAIN_MS = 2,	 /* until the next one, while members are being found or read */
	JOIN_MS = 60000, /* between two looks for those who join */
};

/* ---- a step of the rollout itself ---- */

struct step {
	struct engine *e;
	struct live *l;
	struct rollout r; /* as it is to be */
	bool quarantines;
	struct release release; /* then */
};

static void step_done(void *ctx, const struct store_result *result)
{
	struct step *s = ctx;
	struct engine *e = s->e;
	struct live *l = s->l;

	l->busy = false;
	if (result->err) {
		/* An act on the release was under way: the next tick looks again. */
		if (!s->quarantines || result->err != ERR_CONFLICT)
			engine_store_failed(e, "(rollout)", result->err);
	} else {
		live_adopt(e, l, &s->r);
		engine_events_told(e, result);
		if (s->quarantines)
			release_quarantine_adopt(e, &s->release, result);
		else
			live_step(e, l);
	}
	free(s);
}

/* It halts for what its release did. */
static int step_blames(struct step *s, struct store_set *set)
{
	const struct release *release = catalog_release(s->e, s->r.release);

	s->quarantines = s->r.why != s->l->r.why && rollout_blames_release(&s->r) && release &&
			 release->state == RELEASE_ACTIVE;
	if (!s->quarantines)
		return 0;
	s->release = *release;
	return release_quarantine_put(s->e, set, &s->r, &s->release);
}

static void step_submit(struct engine *e, struct live *l, const struct rollout *r)
{
	struct step *s = calloc(1, sizeof(*s));
	struct store_set *set = s ? store_set_new(step_done, s) : NULL;
	bool news = r->state != l->r.state || r->opened != l->r.opened;

	if (set)
		*s = (struct step){.e = e, .l = l, .r = *r};
	if (!set || (news && live_put_event(e, set, r)) || step_blames(s, set)) {
		store_set_free(set);
		free(s);
		return; /* the next tick tries again */
	}
	store_set_rollout(set, r);
	l->busy = true;
	store_submit(e->conf.store, set);
}

/* ---- its members are found ---- */

struct batch {
	struct engine *e;
	struct live *l;
	unsigned rows, count;
	char last[LIMIT_DEVICE_ID + 1];
	struct {
		char id[LIMIT_DEVICE_ID + 1];
		int64_t place, before; /* before: the rollout that it leaves */
		int64_t before_place;
		struct member_facts facts;
	} list[WALK_ROWS];
};

/* It is not taken from another one that is not over. */
static bool walk_row(void *ctx, const struct device *d)
{
	struct batch *b = ctx;
	const struct rollout *r = &b->l->r;
	const struct live *other = live_of(b->e, d->rollout);

	b->rows++;
	(void)buf_copy_str(b->last, sizeof(b->last), d->id);
	if (d->rollout == r->id || (other && rollout_is_open(&other->r)) ||
	    !rollout_selects(b->e, &b->l->filter, r, d))
		return true;
	(void)buf_copy_str(b->list[b->count].id, sizeof(b->list[0].id), d->id);
	b->list[b->count].place = rollout_place(r->seed, d->id);
	b->list[b->count].before = d->rollout;
	b->list[b->count].before_place = d->rollout_place;
	b->list[b->count++].facts = member_facts(d, r->id);
	return true;
}

/* Those stay whose tags are as wanted. */
static int walk_tags(struct batch *b)
{
	unsigned kept = 0;
	int err = 0;

	for (unsigned i = 0; i < b->count && !err; i++) {
		bool fits = false;

		err = engine_filter_tags(b->e, &b->l->filter, b->list[i].id, &fits);
		if (fits)
			b->list[kept++] = b->list[i];
	}
	b->count = kept;
	return err;
}

/* The columns are written by no job, so the copies in memory follow by themselves. */
static void patch(struct device *d, const struct rollout *r, int64_t place)
{
	d->rollout = r->id;
	d->rollout_place = place;
}

static void walk_adopt(struct batch *b)
{
	struct live *l = b->l;

	for (unsigned i = 0; i < b->count; i++) {
		struct dev *d = dev_find(b->e, b->list[i].id);
		struct live *before = live_of(b->e, b->list[i].before);
		engine_roster_member(b->e, b->list[i].id, l->r.id, b->list[i].place);
		if (before)
			live_leave(before, b->list[i].before_place);
		if (d) {
			patch(&d->u.device, &l->r, b->list[i].place);
			if (d->flight)
				patch(&d->flight->u.device, &l->r, b->list[i].place);
			b->list[i].facts = member_facts(&d->u.device, l->r.id);
		}
		if (l->phase == LIVE_READY && live_insert(l, b->list[i].place, &b->list[i].facts))
			l->phase = LIVE_LOAD; /* no memory: from the store, later */
	}
}

static void walk_on(struct batch *b)
{
	struct live *l = b->l;

	memcpy(l->after, b->last, sizeof(l->after));
	if (b->rows == WALK_ROWS)
		return;
	l->after[0] = 0;
	l->joining = false;
	l->join_ms = clock_read().now_ms + JOIN_MS;
	if (l->phase == LIVE_WALK) {
		l->phase = LIVE_LOAD;
		l->load_from = 0;
		l->count = 0;
	}
}

static void walk_done(void *ctx, const struct store_result *result)
{
	struct batch *b = ctx;

	b->l->busy = b->l->walking = false;
	if (result->err) {
		engine_store_failed(b->e, "(rollout)", result->err);
	} else {
		walk_adopt(b);
		walk_on(b);
		live_step(b->e, b->l);
	}
	free(b);
}

/* Two would find the same devices; and whom one that is over loses it must have counted. */
static bool walk_waits(const struct engine *e, const struct live *l)
{
	for (size_t i = 0; i < e->rollout_count; i++) {
		const struct live *other = e->rollouts[i];
		if (other->r.product == l->r.product &&
		    (other->walking || (other->phase == LIVE_LOAD && rollout_is_over(&other->r))))
			return true;
	}
	return false;
}

static void walk_rows(struct engine *e, struct live *l)
{
	struct batch *b = walk_waits(e, l) ? NULL : calloc(1, sizeof(*b));
	struct store_set *set = NULL;

	if (!b)
		return;
	b->e = e;
	b->l = l;
	store_reads_begin(e->conf.store);
	int err = rollout_rows(e, l, l->after, WALK_ROWS, walk_row, b);
	if (!err)
		err = walk_tags(b);
	store_reads_end(e->conf.store);
	if (err) {
		engine_store_failed(e, "(rollout)", err);
	} else if (b->count == 0) {
		walk_on(b);
	} else {
		set = store_set_new(walk_done, b);
	}
	for (unsigned i = 0; set && i < b->count; i++)
		store_set_member(set, b->list[i].id, l->r.id, b->list[i].place);
	if (!set) {
		free(b);
		return;
	}
	l->busy = l->walking = true;
	store_submit(e->conf.store, set);
}

/* ---- they are read ---- */

struct reading_members {
	struct live *l;
	unsigned rows;
	int err;
};

static bool load_row(void *ctx, const struct device *d)
{
	struct reading_members *m = ctx;
	struct member_facts facts = member_facts(d, m->l->r.id);

	m->rows++;
	m->err = live_insert(m->l, d->rollout_place, &facts);
	m->l->load_from = d->rollout_place + 1;
	return m->err == 0;
}

static void load_rows(struct engine *e, struct live *l)
{
	struct reading_members m = {.l = l};
	int err = store_members(e->conf.store, l->r.id, l->load_from, ROLLOUT_PLACE_END, LOAD_ROWS,
				load_row, &m);

	if (err || m.err)
		engine_store_failed(e, "(rollout)", err ? err : m.err);
	else if (m.rows < LOAD_ROWS)
		l->phase = LIVE_READY;
}

/* ---- and its waves known ---- */

static void enlist(struct engine *e, struct live *l)
{
	int64_t cuts[LIMIT_ROLLOUT_WAVES], silent = 0, count = (int64_t)l->count;
	struct rollout r = l->r;

	if (!count && !r.rules.join) {
		l->phase = LIVE_WALK; /* it looks again, should it be resumed */
		rollout_found_nobody(&r, clock_read().wall_ms);
		step_submit(e, l, &r);
		return;
	}
	for (size_t i = 0; i < l->count; i++)
		silent += l->list[i].silent;
	for (unsigned i = 0; i < r.wave_count; i++) {
		int64_t size = rollout_wave_size(&r, i, count);
		cuts[i] = size < count ? l->list[size].place : ROLLOUT_PLACE_END;
	}
	rollout_enlisted(&r, cuts, count, silent);
	step_submit(e, l, &r);
}

/* ---- devices hear of it ---- */

struct told {
	unsigned rows, count;
	int64_t last;
	char id[TELL_ROWS][LIMIT_DEVICE_ID + 1];
};

static bool tell_row(void *ctx, const struct device *d)
{
	struct told *t = ctx;

	t->rows++;
	t->last = d->rollout_place;
	(void)buf_copy_str(t->id[t->count++], sizeof(t->id[0]), d->id);
	return true;
}

/* What it remembers is about another target, or its attempt may have to end. */
static bool concerned(const struct device *d)
{
	return d->attempt || d->retry_at_ms || d->backoff_count || d->failed_attempt ||
	       d->defer_since_ms || d->want_fresh;
}

static void tell_rows(struct engine *e, struct live *l)
{
	struct told t = {0};
	int err = store_members(e->conf.store, l->r.id, l->tell_from, l->tell_to, TELL_ROWS,
				tell_row, &t);

	if (err) {
		engine_store_failed(e, "(rollout)", err);
		return;
	}
	l->tell_from = t.rows < TELL_ROWS ? l->tell_to : t.last + 1;
	for (unsigned i = 0; i < t.count; i++) {
		struct dev *d;
		if (dev_get(e, t.id[i], &d))
			continue;
		if (!list_empty(&d->sessions))
			dev_ring(e, d);
		if (concerned(&d->u.device))
			sweep_job(e, d, JOB_OPERATOR, 0);
		else
			dev_release(e, d);
	}
}

/* ---- ticks ---- */

static int64_t reach_of(const struct live *l, int64_t count)
{
	int64_t cut = l->r.waves[l->r.opened - 1].cut;
	size_t end = live_find(l, l->r.reached) + (size_t)count;

	return end < live_find(l, cut) ? l->list[end].place : cut;
}

static void go_on(struct engine *e, struct live *l, const struct rollout_next *next, int64_t now_ms)
{
	struct rollout r = l->r;
	int64_t reached = next->what == ROLLOUT_DO_RELEASE ? reach_of(l, next->count) : 0;

	rollout_do(&r, next, reached, now_ms);
	live_end(e, &r);
	step_submit(e, l, &r);
}

static bool paused(const struct engine *e)
{
	return e->stopped || e->store_down_ms || e->last_tick.now_ms < e->store_retry_ms;
}

void live_step(struct engine *e, struct live *l)
{
	struct clock now = clock_read();

	if (l->busy || paused(e) || live_act(e, l))
		return;
	if (l->phase == LIVE_LOAD) {
		load_rows(e, l);
		return;
	}
	if (!rollout_is_open(&l->r))
		return;
	const struct release *release = catalog_release(e, l->r.release);
	if (!release || release->state != RELEASE_ACTIVE) {
		struct rollout r = l->r;
		if (rollout_lost_release(&r, now.wall_ms))
			step_submit(e, l, &r);
		return;
	}
	struct rollout_next next = rollout_next(&l->r, &l->counts, now.wall_ms);
	if (next.what == ROLLOUT_DO_ENLIST) {
		if (l->phase == LIVE_WALK)
			walk_rows(e, l);
		else
			enlist(e, l);
		return;
	}
	if (next.what != ROLLOUT_DO_NOTHING) {
		go_on(e, l, &next, now.wall_ms);
		return;
	}
	if (!l->r.rules.join || l->r.state != ROLLOUT_RUNNING)
		return;
	l->joining = l->joining || now.now_ms >= l->join_ms;
	if (l->joining)
		walk_rows(e, l);
}

/* More that needs no commit to go on. */
static bool has_more(const struct live *l)
{
	return !l->busy && (l->phase == LIVE_LOAD || l->joining ||
			    (l->phase == LIVE_WALK && l->r.state == ROLLOUT_RUNNING));
}

static void again(uv_timer_t *timer)
{
	rollouts_turn(timer->data);
}

void rollouts_turn(struct engine *e)
{
	int64_t began_ms = clock_read().now_ms;
	uint64_t began_ns = turn_part_begin(e->conf.turns);
	bool more = false;

	for (size_t i = 0; i < e->rollout_count && !paused(e); i++) {
		struct live *l = e->rollouts[e->rollout_turn++ % e->rollout_count];
		live_step(e, l);
		more = more || has_more(l);
		if (clock_read().now_ms - began_ms >= TURN_MS) {
			more = true; /* the others have the next turns */
			break;
		}
	}
	if (more && !paused(e))
		(void)uv_timer_start(&e->rollout_timer, again, AGAIN_MS, 0);
	turn_part_end(e->conf.turns, TURN_ROLLOUTS, began_ns);
}

void rollouts_tick(struct engine *e)
{
	rollouts_turn(e);
	for (size_t i = 0; i < e->rollout_count && !paused(e); i++)
		if (e->rollouts[i]->tell_from < e->rollouts[i]->tell_to)
			tell_rows(e, e->rollouts[i]);
}
