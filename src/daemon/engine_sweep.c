/* SPDX-License-Identifier: Apache-2.0
 *
 * Walks over many devices: a new target of a product or a group, our outages, a clock that was set.
 * A job that fails is run again until it succeeds: nobody else would repeat it.
 */
#include <stdlib.h>

#include "daemon/engine_internal.h"

enum {
	SWEEP_ROWS = 200,     /* looked at per tick and sweep, ... */
	SWEEP_STEP_ROWS = 10, /* ... so many at once; each may be a job, of up to 80 us */
};

struct sweep {
	struct list link;
	enum job_kind kind; /* JOB_TALK_TIMER: our clock was set back, and agents wait by it;
			     * JOB_OPERATOR: the target has changed ... */
	int64_t product;    /* ... of this product, ... */
	int64_t group;	    /* ... or, if not 0, of this group */
	int64_t release;    /* or, if not 0, a release is not active any more: its attempts */
	int64_t gap_ms;
	unsigned left; /* rows of this tick */
	char after[LIMIT_DEVICE_ID + 1];
	uint64_t before_number; /* open attempts, newest first */
	struct dev *only;	/* just this one, again; it is kept by dev->owes */
};

struct names {
	struct engine *e;
	int64_t release;	/* only attempts to this one; 0: all */
	enum target_why source; /* of the target that has changed */
	unsigned count, rows;
	char id[SWEEP_STEP_ROWS][LIMIT_DEVICE_ID + 1];
	char last[LIMIT_DEVICE_ID + 1];
	uint64_t last_number;
};

static void names_add(struct names *n, const char *id)
{
	if (n->count < SWEEP_STEP_ROWS)
		(void)buf_copy_str(n->id[n->count++], sizeof(n->id[0]), id);
}

static struct sweep *sweep_new(struct engine *e, enum job_kind kind, int64_t gap_ms)
{
	struct sweep *s = calloc(1, sizeof(*s));

	if (!s) {
		log_err("sweep error=no-memory");
		return NULL;
	}
	s->kind = kind;
	s->gap_ms = gap_ms;
	list_append(&e->sweeps, &s->link);
	return s;
}

void sweep_target(struct engine *e, int64_t product, int64_t group)
{
	struct sweep *s = sweep_new(e, JOB_OPERATOR, 0);

	if (!s)
		return;
	s->product = product;
	s->group = group;
}

void sweep_release(struct engine *e, int64_t release)
{
	struct sweep *s = sweep_new(e, JOB_OPERATOR, 0);

	if (s)
		s->release = release;
}

void sweep_outage(struct engine *e, enum job_kind kind, int64_t gap_ms)
{
	(void)sweep_new(e, kind, gap_ms);
	if (kind == JOB_CLOCK_STEP && gap_ms < 0)
		(void)sweep_new(e, JOB_TALK_TIMER, gap_ms);
}

static void owe(struct engine *e, struct dev *d, enum job_kind kind, int64_t gap_ms)
{
	struct sweep *s = sweep_new(e, kind, gap_ms);

	if (!s)
		return;
	s->only = d;
	d->owes++;
}

void sweep_again(const struct job *job, int err)
{
	if (err != ERR_NOENT && err != ERR_CORRUPT && !job->out.err)
		owe(job->e, job->dev, job->kind, job->in.gap_ms);
}

void sweep_job(struct engine *e, struct dev *d, enum job_kind kind, int64_t gap_ms)
{
	struct job *job = kind == JOB_TALK	   ? talk_ring_job(e, d)
			  : kind == JOB_TALK_TIMER ? talk_timer_job(e, d)
						   : job_new(e, d, kind);

	if (!job)
		return;
	if (kind == JOB_OPERATOR)
		job->in.op.act = OPERATOR_TARGET_CHANGED;
	else if (kind != JOB_TALK && kind != JOB_TALK_TIMER)
		job->in.gap_ms = gap_ms;
	if (job_submit(job))
		owe(e, d, kind, gap_ms); /* its queue is full, so it is still held */
}

/* The target of a device may come from elsewhere, and one with nothing to change needs no write. */
static bool device_concerned(void *ctx, const struct device *d)
{
	struct names *n = ctx;

	n->rows++;
	(void)buf_copy_str(n->last, sizeof(n->last), d->id);
	const struct product *p = catalog_product(n->e, d->product);
	if (p &&
	    plan_target_concerns(d, p, group_of(n->e, d->group), rollout_of(n->e, d->rollout),
				 rollout_of(n->e, d->rollout_before), n->source) &&
	    (d->attempt || d->retry_at_ms || d->backoff_count || d->failed_attempt ||
	     d->defer_since_ms || d->want_fresh))
		names_add(n, d->id);
	return true;
}

static bool attempt_open(void *ctx, const struct attempt *a)
{
	struct names *n = ctx;

	n->rows++;
	n->last_number = a->number;
	if (!n->release || n->release == a->release)
		names_add(n, a->device);
	return true;
}

static bool talk_waits(void *ctx, const char *device)
{
	struct names *n = ctx;

	n->rows++;
	(void)buf_copy_str(n->last, sizeof(n->last), device);
	names_add(n, device);
	return true;
}

/* Returns true when the sweep has come to its end. */
static bool sweep_rows(struct engine *e, struct sweep *s)
{
	struct names n = {
		.e = e, .release = s->release, .source = s->group ? TARGET_GROUP : TARGET_PRODUCT};
	int err;

	if (s->kind == JOB_OPERATOR && s->group)
		err = store_devices_in_group(e->conf.store, s->group, s->after, SWEEP_STEP_ROWS,
					     device_concerned, &n);
	else if (s->kind == JOB_OPERATOR && !s->release)
		err = store_devices(e->conf.store, s->product, s->after, SWEEP_STEP_ROWS,
				    device_concerned, &n);
	else if (s->kind == JOB_TALK_TIMER)
		err = store_talks_ahead(e->conf.store, s->after, e->last_tick.wall_ms,
					SWEEP_STEP_ROWS, talk_waits, &n);
	else
		err = store_attempts(e->conf.store, "", true, s->before_number, SWEEP_STEP_ROWS,
				     attempt_open, &n);
	if (err) {
		engine_store_failed(e, "(sweep)", err);
		s->left = 0;
		return false; /* again later */
	}
	for (unsigned i = 0; i < n.count; i++) {
		struct dev *d;
		if (dev_get(e, n.id[i], &d) == 0)
			sweep_job(e, d, s->kind, s->gap_ms);
	}
	(void)buf_copy_str(s->after, sizeof(s->after), n.last);
	s->before_number = n.last_number;
	s->left -= n.rows < s->left ? n.rows : s->left;
	return n.rows < SWEEP_STEP_ROWS;
}

static void sweep_one(struct engine *e, struct sweep *s)
{
	struct dev *d = s->only;

	d->owes--;
	if (d->removed)
		dev_release(e, d);
	else
		sweep_job(e, d, s->kind, s->gap_ms);
}

/* After a failed commit the rest waits. */
static bool paused(const struct engine *e)
{
	return e->last_tick.now_ms < e->store_retry_ms;
}

/* Returns true when the sweep has come to its end. */
static bool sweep_step(struct engine *e, struct sweep *s, int64_t began_us)
{
	bool all = s->kind ==
		   JOB_CLOCK_STEP; /* at once: what is armed meanwhile is by the new clock */
	bool end = false;

	if (s->only) {
		sweep_one(e, s);
		return true;
	}
	while (!end && (all || s->left) && !paused(e)) {
		end = sweep_rows(e, s);
		if (!all && turn_is_over(e->conf.turns, began_us))
			break;
	}
	return end;
}

bool sweeps_step(struct engine *e)
{
	int64_t began_us = turn_step_begin(e->conf.turns);
	bool over = false, more = false;

	LIST_EACH(it, next, &e->sweeps)
	{
		struct sweep *s = LIST_ENTRY(it, struct sweep, link);
		if (!s->left)
			continue;
		if (over || paused(e)) {
			more = true;
			break;
		}
		if (sweep_step(e, s, began_us)) {
			list_remove(&s->link);
			free(s);
		} else {
			more = more || s->left;
		}
		over = turn_is_over(e->conf.turns, began_us);
	}
	return more && !paused(e);
}

bool sweeps_tick(struct engine *e)
{
	LIST_EACH(it, next, &e->sweeps)
	LIST_ENTRY(it, struct sweep, link)->left = SWEEP_ROWS;
	return sweeps_step(e);
}

bool sweeps_move_deadlines(const struct engine *e)
{
	LIST_EACH(it, next, &e->sweeps)
	{
		const struct sweep *s = LIST_ENTRY(it, struct sweep, link);
		if (s->kind != JOB_OPERATOR && s->kind != JOB_TALK_TIMER && !s->only)
			return true;
	}
	return false;
}

void sweeps_free(struct engine *e)
{
	LIST_EACH(it, next, &e->sweeps)
	{
		list_remove(it);
		free(LIST_ENTRY(it, struct sweep, link));
	}
}
