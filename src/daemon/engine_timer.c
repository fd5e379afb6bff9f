/* SPDX-License-Identifier: Apache-2.0
 *
 * What happens by itself: deadlines, silences, our own outages, last contacts.
 *
 * Deadlines live in the store, indexed; a due one is found by query. So a deadline whose
 * commit failed stays armed, and none is lost in a crash.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "daemon/engine_internal.h"

enum {
	TICK_MS = 200,
	MORE_MS = 1,	       /* until the next turn, for what a tick has had no time for */
	TICK_ROWS = 64,	       /* due rows taken per tick */
	FLUSH_ROWS = 2000,     /* last contacts written per tick */
	ALIVE_MS = 10000,      /* how exactly our absence is known afterwards */
	FLUSH_MS = 30000,      /* ARCHITECTURE 2: a last contact is stored within 60 s */
	STEP_MS = 5000,	       /* a clock that jumps further has been set */
	LOOK_MS = 60000,       /* between two looks at a silent fleet */
	DEAF_SUM_MS = 3600000, /* absences that follow each other so closely add up */
};
static const int64_t SILENCE_MAX_MS = 6LL * 3600 * 1000; /* TRUTH 7: no longer than this */

struct due {
	unsigned count;
	char id[TICK_ROWS][LIMIT_DEVICE_ID + 1];
};

static bool due_add(struct due *due, const char *id)
{
	(void)buf_copy_str(due->id[due->count++], sizeof(due->id[0]), id);
	return due->count < TICK_ROWS;
}

static bool attempt_due(void *ctx, const struct attempt *a)
{
	return due_add(ctx, a->device);
}

static bool device_silent(void *ctx, const struct device *d)
{
	return due_add(ctx, d->id);
}

static bool talk_due(void *ctx, const char *device)
{
	return due_add(ctx, device);
}

static void due_start_one(struct engine *e, const char *id, enum job_kind kind)
{
	struct dev *d;

	if (dev_get(e, id, &d))
		return;
	if ((d->due_waits & 1u << kind) || d->owes) {
		dev_release(e, d);
		return; /* a later tick sees it again, if it is still due */
	}
	struct job *job = kind == JOB_TALK_TIMER ? talk_timer_job(e, d) : job_new(e, d, kind);
	if (!job)
		return;
	d->due_waits |= 1u << kind;
	if (job_submit(job)) /* frees it; the device is held by what is in flight */
		d->due_waits &= ~(1u << kind);
}

/* True: there was no time for all of them. They are found again, as they are still due. */
static bool due_start(struct engine *e, const struct due *due, enum job_kind kind)
{
	int64_t began_us = turn_step_begin(e->conf.turns);

	for (unsigned i = 0; i < due->count; i++) {
		if (i > 0 && turn_is_over(e->conf.turns, began_us))
			return true;
		due_start_one(e, due->id[i], kind);
	}
	return false;
}

/* ---- absences ---- */

void engine_was_deaf(struct engine *e, int64_t gap_ms)
{
	const struct clock *now = &e->last_tick;
	bool sums = e->listening_ms && now->wall_ms - gap_ms - e->listening_ms < DEAF_SUM_MS;

	e->deaf_ms = (sums ? e->deaf_ms : 0) + gap_ms;
	e->listening_ms = now->wall_ms;
}

static void tick_clock(struct engine *e, const struct clock *now)
{
	int64_t step_ms =
		(now->wall_ms - e->last_tick.wall_ms) - (now->now_ms - e->last_tick.now_ms);

	e->last_tick = *now;
	if (step_ms <= -STEP_MS || step_ms >= STEP_MS)
		keep_clock_set(e);
	if (step_ms > -STEP_MS && step_ms < STEP_MS)
		return;
	e->stats.clock_step_s = step_ms / 1000;
	e->stats.clock_step_at = now->now_ms;
	log_warn("clock step_s=%lld deadlines=moved", (long long)step_ms / 1000);
	if (step_ms > 0)
		engine_was_deaf(e, step_ms);
	sweep_outage(e, JOB_CLOCK_STEP, step_ms);
}

static void fleet_count(const struct engine *e, struct fleet *f)
{
	for (size_t i = 0; i < ENGINE_BUCKETS; i++) {
		LIST_EACH(it, next, &e->buckets[i])
		{
			const struct dev *d = LIST_ENTRY(it, struct dev, link);
			if (!list_empty(&d->sessions))
				fleet_add(f, &d->u.device, d->u.has_attempt ? &d->u.attempt : NULL);
		}
	}
	sessions_count_fleet(e, f);
}

static void look_at_silence(struct engine *e, int64_t now_ms)
{
	struct fleet f = {0};
	int64_t silent_ms = e->heard_ms ? now_ms - e->heard_ms : 0;

	if (silent_ms < SILENCE_LOOK_MS || e->silence != SILENCE_UNKNOWN ||
	    now_ms < e->silence_look_ms)
		return;
	e->silence_look_ms = now_ms + LOOK_MS;
	fleet_count(e, &f);
	e->silence = fleet_silence(&f, silent_ms);
	if (e->silence == SILENCE_OURS)
		log_warn("silence=begin devices=%u since_s=%lld deadlines=wait", f.devices,
			 (long long)silent_ms / 1000);
}

struct clock engine_heard(struct engine *e)
{
	struct clock now = clock_read();
	int64_t gap_ms = e->heard_ms ? now.now_ms - e->heard_ms : 0;

	e->silence_look_ms = 0;
	look_at_silence(e, now.now_ms);
	e->heard_ms = now.now_ms;
	if (e->silence == SILENCE_OURS) {
		log_warn("silence=end gap_s=%lld deadlines=extended", (long long)gap_ms / 1000);
		engine_was_deaf(e, gap_ms);
		sweep_outage(e, JOB_OUTAGE, gap_ms);
	}
	e->silence = SILENCE_UNKNOWN;
	return now;
}

/* ---- ticks ---- */

/* Also while all are silent: they may have to be asked. These return true if there is more that
 * had no time. */
static bool tick_talks(struct engine *e, const struct clock *now)
{
	struct due due = {0};

	if (now->now_ms < e->store_retry_ms)
		return false;
	int err = store_talks_due(e->conf.store, now->wall_ms, TICK_ROWS, talk_due, &due);
	bool more = due_start(e, &due, JOB_TALK_TIMER);
	if (err)
		engine_store_failed(e, "(due)", err);
	return more && !err;
}

static bool tick_due(struct engine *e, const struct clock *now)
{
	struct due due = {0};

	if (now->now_ms < e->store_retry_ms || sweeps_move_deadlines(e))
		return false;
	if (e->silence == SILENCE_OURS && now->now_ms - e->heard_ms < SILENCE_MAX_MS)
		return false; /* nobody is judged by what we cannot hear */
	int err = store_attempts_due(e->conf.store, now->wall_ms, TICK_ROWS, attempt_due, &due);
	bool more = due_start(e, &due, JOB_DEADLINE);
	due.count = 0;
	if (!err)
		err = store_devices_silent(e->conf.store, now->wall_ms, TICK_ROWS, device_silent,
					   &due);
	more = due_start(e, &due, JOB_SILENT) || more;
	if (err)
		engine_store_failed(e, "(due)", err);
	return more && !err;
}

/* Whose contacts were lost is not known any more: all are written again. */
static void flush_done(void *ctx, const struct store_result *result)
{
	struct engine *e = ctx;

	if (!result->err)
		return;
	engine_store_failed(e, "(last-seen)", result->err);
	for (size_t i = 0; i < ENGINE_BUCKETS; i++)
		LIST_EACH(it, next, &e->buckets[i])
		{
			struct dev *d = LIST_ENTRY(it, struct dev, link);
			d->seen_dirty = true;
			if (d->talk)
				d->talk->dirty = true;
		}
}

static void flush_dev(struct store_set *set, struct dev *d)
{
	d->seen_dirty = false;
	store_set_seen(set, d->u.device.id, d->u.device.seen_ms, d->u.device.offline_at_ms);
	talk_flush(set, d);
}

void timer_flush_one(struct engine *e, struct dev *d)
{
	struct store_set *set = store_set_new(flush_done, e);

	if (!set)
		return;
	flush_dev(set, d);
	store_submit(e->conf.store, set);
}

/* Returns how many were put, at most about `most`: UINT32_MAX are all, however long it takes. */
static unsigned flush_buckets(struct engine *e, struct store_set *set, unsigned most)
{
	const struct turns *turns = most < UINT32_MAX ? e->conf.turns : NULL;
	int64_t began_us = turn_step_begin(turns);
	unsigned count = 0;

	for (; e->flush_bucket < ENGINE_BUCKETS && count < most; e->flush_bucket++) {
		if (count > 0 && turn_is_over(turns, began_us))
			break;
		LIST_EACH(it, next, &e->buckets[e->flush_bucket])
		{
			struct dev *d = LIST_ENTRY(it, struct dev, link);
			if (!d->seen_dirty || d->removed)
				continue;
			flush_dev(set, d);
			count++;
			dev_drop_asleep(e, d);
		}
	}
	return count;
}

/* Last contacts of cached devices, some at a time, and that we are alive. While deadlines are
 * still to be moved by our last absence, a crash must find it again: then we are not. */
static void tick_flush(struct engine *e, const struct clock *now, unsigned most)
{
	bool alive = now->now_ms >= e->alive_at_ms && !sweeps_move_deadlines(e) &&
		     (!e->store_down_ms || now->now_ms - e->store_down_ms < STORE_GAP_MS);

	if (now->now_ms >= e->flush_at_ms) {
		e->flush_at_ms = now->now_ms + FLUSH_MS;
		e->flush_bucket = 0;
	}
	if ((!alive && e->flush_bucket == ENGINE_BUCKETS) || now->now_ms < e->store_retry_ms)
		return;
	struct store_set *set = store_set_new(flush_done, e);
	if (!set)
		return;
	if (alive) {
		e->alive_at_ms = now->now_ms + ALIVE_MS;
		store_set_alive(set, now->wall_ms);
	}
	if (flush_buckets(e, set, most) || alive)
		store_submit(e->conf.store, set);
	else
		store_set_free(set);
}

static void more(uv_timer_t *timer);

static void more_later(struct engine *e, bool wanted)
{
	if (wanted && e->more_timer.data)
		(void)uv_timer_start(&e->more_timer, more, MORE_MS, 0);
}

void engine_tick(struct engine *e)
{
	struct clock now = clock_read();
	bool left;

	tick_clock(e, &now);
	look_at_silence(e, now.now_ms);
	if (engine_store_look(e, &now))
		return; /* nobody is judged by what we cannot take down */
	import_tick(e, now.now_ms);
	left = sweeps_tick(e);
	rollouts_tick(e);
	sessions_ring_step(e);
	admit_step(e);
	left = tick_talks(e, &now) || left;
	left = tick_due(e, &now) || left;
	tick_flush(e, &now, FLUSH_ROWS);
	keep_step(e, &now);
	more_later(e, left);
}

static void tick(uv_timer_t *timer)
{
	struct engine *e = timer->data;
	struct turn_mark began = turn_part_begin(e->conf.turns);

	engine_tick(e);
	turn_part_end(e->conf.turns, TURN_TICK, began);
}

/* By the clock of the last tick: whether it jumps is looked at there. */
static void more(uv_timer_t *timer)
{
	struct engine *e = timer->data;
	struct turn_mark began = turn_part_begin(e->conf.turns);
	bool left;

	if (e->store_down_ms)
		return;
	left = sweeps_step(e);
	left = tick_talks(e, &e->last_tick) || left;
	left = tick_due(e, &e->last_tick) || left;
	more_later(e, left);
	turn_part_end(e->conf.turns, TURN_TICK, began);
}

int timer_start(struct engine *e)
{
	struct store_info info;
	struct clock now = clock_read();

	store_info(e->conf.store, &info);
	e->last_tick = now;
	keep_clock_set(e);
	e->flush_at_ms = now.now_ms + FLUSH_MS;
	e->flush_bucket = ENGINE_BUCKETS;
	if (info.alive_ms && info.alive_ms < now.wall_ms) {
		engine_was_deaf(e, now.wall_ms - info.alive_ms);
		sweep_outage(e, JOB_OUTAGE, now.wall_ms - info.alive_ms);
	} else if (info.alive_ms) {
		sweep_outage(e, JOB_CLOCK_STEP, now.wall_ms - info.alive_ms);
	}
	int err = uv_timer_init(e->conf.loop, &e->tick);
	if (!err)
		err = uv_timer_init(e->conf.loop, &e->pacer.timer);
	if (!err)
		err = uv_timer_init(e->conf.loop, &e->rollout_timer);
	if (!err)
		err = uv_timer_init(e->conf.loop, &e->more_timer);
	if (!err)
		err = uv_timer_init(e->conf.loop, &e->roster.timer);
	if (!err) {
		e->tick.data = e->pacer.timer.data = e->rollout_timer.data = e;
		e->more_timer.data = e->roster.timer.data = e;
		e->roster.runs = true;
		(void)uv_timer_start(&e->roster.timer, engine_roster_step, 0, 0);
		err = uv_timer_start(&e->tick, tick, 0, TICK_MS);
	}
	return err ? ERR_NOMEM : 0;
}

static void timer_closed(uv_handle_t *handle)
{
	struct engine *e = handle->data;

	if (++e->timers_closed == 5 && e->stopped)
		e->stopped(e->stopped_ctx);
}

void timer_stop(struct engine *e)
{
	struct clock now = clock_read();

	(void)uv_timer_stop(&e->tick);
	e->alive_at_ms = 0;
	e->flush_at_ms = 0;
	e->store_retry_ms = 0;
	tick_flush(e, &now, UINT32_MAX);
	uv_close((uv_handle_t *)&e->tick, timer_closed);
	uv_close((uv_handle_t *)&e->pacer.timer, timer_closed);
	uv_close((uv_handle_t *)&e->rollout_timer, timer_closed);
	uv_close((uv_handle_t *)&e->more_timer, timer_closed);
	uv_close((uv_handle_t *)&e->roster.timer, timer_closed);
	e->roster.runs = false;
}
