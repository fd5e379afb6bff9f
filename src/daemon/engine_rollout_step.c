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
	/* A step has so many rows, or as many as its turn of the loop has time for. */
	WALK_ROWS = 500,     /* devices looked at */
	WALK_TAG_ROWS = 200, /* the same, if tags are asked for, too */
	JOIN_ROWS = 50,	     /* that join: each is put between those that are there */
	LOAD_ROWS = 500,     /* members read */
	TELL_STEP_ROWS = 20, /* devices told */
	TELL_ROWS = 100,     /* the same in one tick */
	AGAIN_MS = 1,	     /* until the next turn, while there is more */
	JOIN_MS = 60000,     /* between two looks for those who join */
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
	return release_quarantine_put(s->e, set, &s->r, 0, &s->release);
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
	int64_t began_us;
	unsigned rows, limit, count;
	bool more; /* rows behind `last` */
	char last[LIMIT_DEVICE_ID + 1];
	struct {
		char id[LIMIT_DEVICE_ID + 1];
		int64_t place, before; /* before: the rollout that it leaves */
		int64_t before_place;
		int64_t keeps;	   /* device.rollout_before, as it is to be */
		int64_t goes_back; /* the same of device.rollout_return */
		struct member_facts facts;
	} list[WALK_ROWS];
};

/* It is not taken from another one that is not over. */
static void walk_look(struct batch *b, const struct device *d)
{
	const struct rollout *r = &b->l->r;
	const struct live *other = live_of(b->e, d->rollout);

	if (d->rollout == r->id || (other && rollout_is_open(&other->r)) ||
	    !rollout_selects(b->e, &b->l->filter, r, d))
		return;
	(void)buf_copy_str(b->list[b->count].id, sizeof(b->list[0].id), d->id);
	b->list[b->count].place = rollout_place(r->seed, d->id);
	b->list[b->count].before = d->rollout;
	b->list[b->count].before_place = d->rollout_place;
	b->list[b->count].keeps = plan_rollout_before(d, other ? &other->r : NULL);
	b->list[b->count].goes_back = rollout_return(b->e, r, d);
	b->list[b->count++].facts = member_facts(d, r->id);
}

static bool walk_row(void *ctx, const struct device *d)
{
	struct batch *b = ctx;

	b->rows++;
	(void)buf_copy_str(b->last, sizeof(b->last), d->id);
	walk_look(b, d);
	b->more = b->rows == b->limit || turn_is_over(b->e->conf.turns, b->began_us) ||
		  (b->l->phase == LIVE_READY && b->count == JOIN_ROWS);
	return !b->more;
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
static void patch(struct device *d, const struct batch *b, unsigned i)
{
	d->rollout = b->l->r.id;
	d->rollout_place = b->list[i].place;
	d->rollout_before = b->list[i].keeps;
	d->rollout_return = b->list[i].goes_back;
}

static void walk_adopt(struct batch *b)
{
	struct live *l = b->l;

	for (unsigned i = 0; i < b->count; i++) {
		struct dev *d = dev_find(b->e, b->list[i].id);
		struct live *before = live_of(b->e, b->list[i].before);
		engine_roster_member(b->e, b->list[i].id, l->r.id, b->list[i].place,
				     b->list[i].keeps, b->list[i].goes_back);
		if (before)
			live_left(before, b->list[i].before_place);
		if (d) {
			patch(&d->u.device, b, i);
			if (d->flight)
				patch(&d->flight->u.device, b, i);
			b->list[i].facts = member_facts(&d->u.device, l->r.id);
		}
		if (l->phase == LIVE_READY && live_insert(l, b->list[i].place, &b->list[i].facts))
			l->phase = LIVE_LOAD; /* no memory: from the store, later */
	}
	lives_close_up(b->e);
}

static void walk_on(struct batch *b)
{
	struct live *l = b->l;

	memcpy(l->after, b->last, sizeof(l->after));
	if (b->more)
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
	b->began_us = turn_step_begin(e->conf.turns);
	b->limit = filter_find(&l->filter, FILTER_TAG) ? WALK_TAG_ROWS : WALK_ROWS;
	store_reads_begin(e->conf.store);
	int err = rollout_rows(e, l, l->after, b->limit, walk_row, b);
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
		store_set_member(set, b->list[i].id, l->r.id, b->list[i].place, b->list[i].keeps,
				 b->list[i].goes_back);
	if (!set) {
		free(b);
		return;
	}
	l->busy = l->walking = true;
	store_submit(e->conf.store, set);
}

/* ---- they are read ---- */

struct reading_members {
	struct engine *e;
	struct live *l;
	int64_t began_us;
	unsigned rows;
	bool more;
	int err;
};

static bool load_row(void *ctx, const struct device *d)
{
	struct reading_members *m = ctx;
	struct member_facts facts = member_facts(d, m->l->r.id);

	m->rows++;
	m->err = live_insert(m->l, d->rollout_place, &facts);
	m->l->load_from = d->rollout_place + 1;
	m->more = m->rows == LOAD_ROWS || turn_is_over(m->e->conf.turns, m->began_us);
	return !m->err && !m->more;
}

static void load_rows(struct engine *e, struct live *l)
{
	struct reading_members m = {.e = e, .l = l, .began_us = turn_step_begin(e->conf.turns)};
	int err = store_members(e->conf.store, l->r.id, l->load_from, ROLLOUT_PLACE_END, LOAD_ROWS,
				load_row, &m);

	if (err || m.err)
		engine_store_failed(e, "(rollout)", err ? err : m.err);
	else if (!m.more)
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
	unsigned rows, limit;
	char id[TELL_STEP_ROWS][LIMIT_DEVICE_ID + 1];
	int64_t place[TELL_STEP_ROWS];
};

static bool tell_row(void *ctx, const struct device *d)
{
	struct told *t = ctx;

	t->place[t->rows] = d->rollout_place;
	(void)buf_copy_str(t->id[t->rows++], sizeof(t->id[0]), d->id);
	return t->rows < t->limit;
}

/* What it remembers is about another target, or its attempt may have to end. */
static bool concerned(const struct device *d)
{
	return d->attempt || d->retry_at_ms || d->backoff_count || d->failed_attempt ||
	       d->defer_since_ms || d->want_fresh;
}

static void tell_device(struct engine *e, const char *id)
{
	struct dev *d;

	if (dev_get(e, id, &d))
		return;
	if (!list_empty(&d->sessions))
		dev_ring(e, d);
	if (concerned(&d->u.device))
		sweep_job(e, d, JOB_OPERATOR, 0);
	else
		dev_release(e, d);
}

/* False: there is no time for more in this turn. */
static bool tell_rows(struct engine *e, struct live *l, int64_t began_us)
{
	struct told t = {.limit = l->tell_left < TELL_STEP_ROWS ? l->tell_left : TELL_STEP_ROWS};
	int err = store_members(e->conf.store, l->r.id, l->tell_from, l->tell_to, t.limit, tell_row,
				&t);

	l->tell_left -= t.limit;
	if (err) {
		engine_store_failed(e, "(rollout)", err);
		return true;
	}
	for (unsigned i = 0; i < t.rows; i++) {
		tell_device(e, t.id[i]);
		l->tell_from = t.place[i] + 1;
		if (turn_is_over(e->conf.turns, began_us)) {
			l->tell_left += t.limit - i - 1;
			return false;
		}
	}
	if (t.rows < t.limit)
		l->tell_from = l->tell_to;
	return true;
}

static bool tells(const struct live *l)
{
	return l->tell_left && l->tell_from < l->tell_to;
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

static void step(struct engine *e, struct live *l)
{
	struct clock now = clock_read();

	if (l->busy || paused(e) || live_act(e, l))
		return;
	if (l->phase == LIVE_LOAD)
		load_rows(e, l);
	if (l->phase == LIVE_LOAD || !rollout_is_open(&l->r))
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

static void turn_again(struct engine *e)
{
	if (!paused(e) && !uv_is_active((uv_handle_t *)&e->rollout_timer))
		(void)uv_timer_start(&e->rollout_timer, again, AGAIN_MS, 0);
}

void live_step(struct engine *e, struct live *l)
{
	step(e, l);
	if (has_more(l))
		turn_again(e);
}

/* Each in its turn: who is looked at last is so only once. */
static bool turn_steps(struct engine *e, int64_t began_us)
{
	for (size_t i = 0; i < e->rollout_count && !paused(e); i++) {
		live_step(e, e->rollouts[e->rollout_turn++ % e->rollout_count]);
		if (turn_is_over(e->conf.turns, began_us))
			return false;
	}
	return true;
}

static bool turn_tells(struct engine *e, int64_t began_us)
{
	for (size_t i = 0; i < e->rollout_count && !paused(e); i++)
		while (tells(e->rollouts[i]) && !paused(e))
			if (!tell_rows(e, e->rollouts[i], began_us))
				return false;
	return true;
}

void rollouts_turn(struct engine *e)
{
	struct turn_mark began = turn_part_begin(e->conf.turns);
	int64_t began_us = turn_step_begin(e->conf.turns);

	if (!turn_steps(e, began_us) || !turn_tells(e, began_us))
		turn_again(e);
	turn_part_end(e->conf.turns, TURN_ROLLOUTS, began);
}

void rollouts_tick(struct engine *e)
{
	for (size_t i = 0; i < e->rollout_count; i++)
		e->rollouts[i]->tell_left = TELL_ROWS;
	rollouts_turn(e);
}
