/* SPDX-License-Identifier: Apache-2.0
 *
 * What the engine does about the age of its database: an old one that was put in place
 * (enum store_restored) before anybody is served, and old rows that go (retention) meanwhile.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "daemon/engine_internal.h"

/* ---- after a restore ---- */

enum { CLOSE_ROWS = 64 };

/* Waits for commits: nobody is served yet, and nobody may be. */
static void settle(struct engine *e)
{
	do {
		store_flush(e->conf.store);
	} while (store_deliver(e->conf.store) > 0);
}

static void told(void *ctx, const struct store_result *result)
{
	*(int *)ctx = result->err;
}

static int tell_restored(struct engine *e, const struct store_info *info)
{
	char topic[128], json[128];
	struct buf name = buf_writer(topic, sizeof(topic));
	struct buf text = buf_writer(json, sizeof(json));
	int err = 0;
	struct store_set *set = store_set_new(told, &err);

	if (!set)
		return ERR_NOMEM;
	buf_put_str(&name, e->conf.event_prefix ? e->conf.event_prefix : "");
	buf_put_str(&name, event_topic(EVENT_STORE_RESTORED));
	buf_put_str(&text, "{\"stream_before\":\"");
	buf_put_str(&text, info->stream_before);
	buf_put_str(&text, "\"}");
	const struct store_event ev = {.topic = buf_cstr(&name),
				       .data = event_data(EVENT_STORE_RESTORED),
				       .device = "",
				       .json = buf_cstr(&text),
				       .at_ms = clock_read().wall_ms};
	store_set_event(set, &ev);
	store_set_restored(set, STORE_TOLD);
	store_submit(e->conf.store, set);
	settle(e);
	return err;
}

struct closing {
	unsigned rows;
	uint64_t last_number;
	char device[CLOSE_ROWS][LIMIT_DEVICE_ID + 1];
	/* of all rounds */
	unsigned closed, damaged;
	int err;
};

static bool closing_add(void *ctx, const struct attempt *a)
{
	struct closing *c = ctx;

	(void)buf_copy_str(c->device[c->rows++], sizeof(c->device[0]), a->device);
	c->last_number = a->number;
	return true;
}

static void closing_done(void *ctx, const struct engine_result *result)
{
	struct closing *c = ctx;

	if (!result->err)
		c->closed++;
	else if (result->err == ERR_CORRUPT || result->err == ERR_NOENT)
		c->damaged++;
	else
		c->err = result->err;
}

static void close_one(struct engine *e, struct closing *c, const char *id)
{
	struct engine_result failed = {.err = 0};
	struct dev *d;
	struct job *job;

	failed.err = dev_get(e, id, &d);
	if (failed.err) {
		closing_done(c, &failed);
		return;
	}
	job = job_new(e, d, JOB_OPERATOR);
	if (!job) {
		c->err = ERR_NOMEM;
		return;
	}
	job->in.op.act = OPERATOR_RESTORED;
	job->in.op.done = closing_done;
	job->in.op.ctx = c;
	if (job_submit(job))
		c->err = ERR_BUSY;
}

/* One that cannot be read stays: postbootd --check-db tells of it. */
static int close_open_attempts(struct engine *e)
{
	struct closing *c = calloc(1, sizeof(*c));

	if (!c)
		return ERR_NOMEM;
	do {
		c->rows = 0;
		c->err = store_attempts(e->conf.store, "", true, c->last_number, CLOSE_ROWS,
					closing_add, c);
		for (unsigned i = 0; i < c->rows && !c->err; i++)
			close_one(e, c, c->device[i]);
		settle(e);
	} while (c->rows == CLOSE_ROWS && !c->err);
	int err = c->err;
	if (!err)
		log_warn("restored attempts_closed=%u damaged=%u", c->closed, c->damaged);
	free(c);
	return err;
}

static int end_restored(struct engine *e)
{
	int err = 0;
	struct store_set *set = store_set_new(told, &err);

	if (!set)
		return ERR_NOMEM;
	store_set_restored(set, STORE_NOT_RESTORED);
	store_submit(e->conf.store, set);
	settle(e);
	return err;
}

int keep_restored(struct engine *e)
{
	struct store_info info;
	int err = 0;

	store_info(e->conf.store, &info);
	if (info.restored == STORE_NOT_RESTORED)
		return 0;
	if (info.restored != STORE_TOLD)
		err = tell_restored(e, &info);
	if (!err)
		err = close_open_attempts(e);
	return err ? err : end_restored(e);
}

/* ---- backups are acts, as they carry keys away ---- */

struct handing_out {
	struct actor by;
	engine_done *done;
	void *ctx;
};

static void handed_out(void *ctx, const struct store_result *result)
{
	struct handing_out *h = ctx;
	const struct engine_result r = {.err = result->err,
					.why = result->err ? err_text(result->err) : NULL};

	if (!result->err)
		audit_log(&h->by, "backup", "", result);
	h->done(h->ctx, &r);
	free(h);
}

void engine_backup(struct engine *e, const struct actor *by, engine_done *done, void *ctx)
{
	struct engine_result failed = {.err = ERR_NOMEM, .why = err_text(ERR_NOMEM)};
	struct handing_out *h = calloc(1, sizeof(*h));
	struct store_set *set = h ? store_set_new(handed_out, h) : NULL;

	if (!set || audit_put(set, by, "backup", "", json_null(), json_null())) {
		store_set_free(set);
		free(h);
		done(ctx, &failed);
		return;
	}
	*h = (struct handing_out){.by = *by, .done = done, .ctx = ctx};
	store_submit(e->conf.store, set);
}

/* ---- retention ---- */

enum {
	RETIRE_MS = 60000,	/* between two looks */
	RETIRE_AGE_MS = 600000, /* a clock that was set is believed for the age of rows after it */
	RETIRE_QUEUE = 64,	/* with more sets waiting for a commit it waits, too */
};

static void retired(void *ctx, const struct store_result *result)
{
	struct engine *e = ctx;

	e->retire_waits = false;
	if (result->err) {
		engine_store_failed(e, "(retention)", result->err);
		return;
	}
	e->retired += result->retired;
	if (result->retire_more) {
		e->retire_at_ms = 0; /* the next tick goes on */
		return;
	}
	if (e->retired)
		log_info("retention rows=%llu", (unsigned long long)e->retired);
	e->retired = 0;
}

void keep_clock_set(struct engine *e)
{
	e->retire_age_ms = e->last_tick.now_ms + RETIRE_AGE_MS;
}

void keep_step(struct engine *e, const struct clock *now)
{
	const struct engine_conf *conf = &e->conf;
	struct store_retire what = {.events_max = conf->max_events};
	struct store_stats stats;

	if (e->retire_waits || now->now_ms < e->retire_at_ms || now->now_ms < e->store_retry_ms)
		return;
	if (now->now_ms >= e->retire_age_ms) {
		if (conf->keep_events_ms)
			what.events_before_ms = now->wall_ms - conf->keep_events_ms;
		if (conf->keep_attempts_ms)
			what.attempts_before_ms = now->wall_ms - conf->keep_attempts_ms;
	}
	store_stats(conf->store, &stats);
	if (stats.queued > RETIRE_QUEUE ||
	    (!what.events_max && what.events_before_ms <= 0 && what.attempts_before_ms <= 0))
		return;
	struct store_set *set = store_set_new(retired, e);
	if (!set)
		return;
	e->retire_at_ms = now->now_ms + RETIRE_MS;
	e->retire_waits = true;
	store_set_retire(set, &what);
	store_submit(conf->store, set);
}
