/* SPDX-License-Identifier: Apache-2.0
 *
 * What happens by itself: deadlines, silences, our own outages, and walks over many devices
 * in steps that never hold the loop.
 *
 * Deadlines live in the store, indexed; a due one is found by query. So a deadline whose
 * commit failed stays armed, and none is lost in a crash.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/engine_internal.h"

enum {
	TICK_MS = 200,
	TICK_ROWS = 64,	  /* due rows taken per tick */
	SWEEP_ROWS = 200, /* devices looked at per tick and sweep */
	ALIVE_MS = 10000,
	FLUSH_MS = 30000,
	STEP_MS = 5000, /* a clock that jumps further has been set */
	AWAY_MAX_MS = 900000,
};

struct sweep {
	struct list link;
	enum job_kind kind; /* JOB_OPERATOR: the product's target has changed */
	int64_t product;
	int64_t gap_ms;
	char after[LIMIT_DEVICE_ID + 1];
	uint64_t before_number; /* outages: open attempts, newest first */
};

struct names {
	unsigned count;
	char id[SWEEP_ROWS][LIMIT_DEVICE_ID + 1];
	char last[LIMIT_DEVICE_ID + 1];
	uint64_t last_number;
	unsigned rows;
};

static void names_add(struct names *n, const char *id)
{
	if (n->count < SWEEP_ROWS)
		(void)buf_copy_str(n->id[n->count++], sizeof(n->id[0]), id);
}

static bool attempt_due(void *ctx, const struct attempt *a)
{
	names_add(ctx, a->device);
	return true;
}

static bool device_silent(void *ctx, const struct device *d)
{
	names_add(ctx, d->id);
	return true;
}

static void job_start(struct engine *e, const char *id, enum job_kind kind, int64_t gap_ms)
{
	struct dev *d;

	if (dev_get(e, id, &d))
		return;
	if ((kind == JOB_DEADLINE || kind == JOB_SILENT) && d->flight) {
		dev_release(e, d);
		return; /* the next tick sees it again, if it is still due */
	}
	struct job *job = job_new(e, d, kind);
	if (!job)
		return;
	if (kind == JOB_OPERATOR)
		job->in.op.act = OPERATOR_TARGET_CHANGED;
	else
		job->in.gap_ms = gap_ms;
	if (job_submit(job))
		log_warn("dev=%s queue=full cause skipped", id);
}

/* ---- sweeps ---- */

static struct sweep *sweep_new(struct engine *e, enum job_kind kind)
{
	struct sweep *s = calloc(1, sizeof(*s));

	if (!s) {
		log_err("sweep error=no-memory");
		return NULL;
	}
	s->kind = kind;
	list_append(&e->sweeps, &s->link);
	return s;
}

void sweep_target(struct engine *e, int64_t product)
{
	struct sweep *s = sweep_new(e, JOB_OPERATOR);

	if (s)
		s->product = product;
}

void sweep_outage(struct engine *e, enum job_kind kind, int64_t gap_ms)
{
	struct sweep *s = sweep_new(e, kind);

	if (s)
		s->gap_ms = gap_ms;
}

/* A locked device has its own target, and one with nothing to change needs no write. */
static bool device_concerned(void *ctx, const struct device *d)
{
	struct names *n = ctx;

	n->rows++;
	(void)buf_copy_str(n->last, sizeof(n->last), d->id);
	if (!d->lock && (d->attempt || d->retry_at_ms || d->backoff_count || d->failed_attempt ||
			 d->defer_since_ms || d->want_fresh))
		names_add(n, d->id);
	return true;
}

static bool attempt_open(void *ctx, const struct attempt *a)
{
	struct names *n = ctx;

	n->rows++;
	n->last_number = a->number;
	names_add(n, a->device);
	return true;
}

static void sweep_step(struct engine *e, struct sweep *s)
{
	struct names *n = calloc(1, sizeof(*n));
	int err = n ? 0 : ERR_NOMEM;

	if (!err && s->kind == JOB_OPERATOR)
		err = store_devices(e->conf.store, s->product, s->after, SWEEP_ROWS,
				    device_concerned, n);
	else if (!err)
		err = store_attempts(e->conf.store, "", true, s->before_number, SWEEP_ROWS,
				     attempt_open, n);
	if (err) {
		log_err("sweep store error=%s", err_word(err));
		free(n);
		return; /* again at the next tick */
	}
	for (unsigned i = 0; i < n->count; i++)
		job_start(e, n->id[i], s->kind, s->gap_ms);
	(void)buf_copy_str(s->after, sizeof(s->after), n->last);
	s->before_number = n->last_number;
	if (n->rows < SWEEP_ROWS) {
		list_remove(&s->link);
		free(s);
	}
	free(n);
}

/* ---- ticks ---- */

static void tick_clock(struct engine *e, const struct clock *now)
{
	int64_t step_ms =
		(now->wall_ms - e->last_tick.wall_ms) - (now->now_ms - e->last_tick.now_ms);

	e->last_tick = *now;
	if (step_ms > -STEP_MS && step_ms < STEP_MS)
		return;
	log_warn("clock step_s=%lld: deadlines move with it", (long long)step_ms / 1000);
	sweep_outage(e, JOB_CLOCK_STEP, step_ms);
}

static void tick_due(struct engine *e, const struct clock *now)
{
	struct names *n = calloc(1, sizeof(*n));

	if (!n || now->now_ms < e->store_retry_ms) {
		free(n);
		return;
	}
	if (store_attempts_due(e->conf.store, now->wall_ms, TICK_ROWS, attempt_due, n) == 0)
		for (unsigned i = 0; i < n->count; i++)
			job_start(e, n->id[i], JOB_DEADLINE, 0);
	n->count = 0;
	if (store_devices_silent(e->conf.store, now->wall_ms - e->away_ms, TICK_ROWS, device_silent,
				 n) == 0)
		for (unsigned i = 0; i < n->count; i++)
			job_start(e, n->id[i], JOB_SILENT, 0);
	free(n);
}

static void tick_done(void *ctx, const struct store_result *result)
{
	struct engine *e = ctx;

	if (result->err)
		e->store_retry_ms = clock_read().now_ms + 1000;
}

/* Last contacts of cached devices, and that we are alive, in one set. */
static void tick_flush(struct engine *e, const struct clock *now)
{
	struct store_set *set;
	bool seen = now->now_ms >= e->flush_at_ms;

	if (now->now_ms < e->alive_at_ms)
		return;
	e->alive_at_ms = now->now_ms + ALIVE_MS;
	set = store_set_new(tick_done, e);
	if (!set)
		return;
	store_set_alive(set, now->wall_ms);
	if (seen) {
		e->flush_at_ms = now->now_ms + FLUSH_MS;
		for (size_t i = 0; i < ENGINE_BUCKETS; i++) {
			LIST_EACH(it, next, &e->buckets[i])
			{
				struct dev *d = LIST_ENTRY(it, struct dev, link);
				if (!d->seen_dirty || d->removed)
					continue;
				d->seen_dirty = false;
				store_set_seen(set, d->u.device.id, d->u.device.seen_ms,
					       d->u.device.offline_at_ms);
			}
		}
	}
	store_submit(e->conf.store, set);
}

static void tick(uv_timer_t *timer)
{
	struct engine *e = timer->data;
	struct clock now = clock_read();

	tick_clock(e, &now);
	LIST_EACH(it, next, &e->sweeps)
	{
		sweep_step(e, LIST_ENTRY(it, struct sweep, link));
	}
	tick_due(e, &now);
	tick_flush(e, &now);
}

int timer_start(struct engine *e)
{
	struct store_info info;
	struct clock now = clock_read();

	store_info(e->conf.store, &info);
	e->last_tick = now;
	e->started_wall_ms = now.wall_ms;
	e->flush_at_ms = now.now_ms + FLUSH_MS;
	if (info.alive_ms && info.alive_ms < now.wall_ms) {
		int64_t away_ms = now.wall_ms - info.alive_ms;
		e->away_ms = away_ms < AWAY_MAX_MS ? away_ms : AWAY_MAX_MS;
		sweep_outage(e, JOB_OUTAGE, away_ms);
	} else if (info.alive_ms) {
		sweep_outage(e, JOB_CLOCK_STEP, now.wall_ms - info.alive_ms);
	}
	int err = uv_timer_init(e->conf.loop, &e->tick);
	if (!err) {
		e->tick.data = e;
		err = uv_timer_start(&e->tick, tick, 0, TICK_MS);
	}
	return err ? ERR_NOMEM : 0;
}

static void tick_closed(uv_handle_t *handle)
{
	struct engine *e = handle->data;

	if (e->stopped)
		e->stopped(e->stopped_ctx);
}

void timer_stop(struct engine *e)
{
	(void)uv_timer_stop(&e->tick);
	e->alive_at_ms = 0;
	struct clock now = clock_read();
	tick_flush(e, &now);
	uv_close((uv_handle_t *)&e->tick, tick_closed);
}

void sweeps_free(struct engine *e)
{
	LIST_EACH(it, next, &e->sweeps)
	{
		list_remove(it);
		free(LIST_ENTRY(it, struct sweep, link));
	}
}
