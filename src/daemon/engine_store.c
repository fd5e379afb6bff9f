/* SPDX-License-Identifier: Apache-2.0
 *
 * The store fails, and comes back. While it fails nothing is decided by time, and the gap is one
 * in which we were deaf: reports were refused, and silence proves nothing.
 */
#include "base/clock.h"
#include "daemon/engine_internal.h"

enum {
	QUIET_MS = 10000, /* between two lines about statements that fail */
	SHED_S = 5,
	SHED_MOST_S = 60,
};

void engine_store_failed(struct engine *e, const char *id, int err)
{
	int64_t now_ms = clock_read().now_ms;

	e->store_retry_ms = now_ms + STORE_RETRY_MS;
	if (err_is_fault(err) || err == ERR_BUSY) { /* a condition of health, told once */
		if (!e->store_down_ms)
			e->store_down_ms = now_ms;
		e->store_full = err == ERR_FULL;
		e->store_works = false;
		e->store_probe_ms = e->store_retry_ms;
		log_debug("store dev=%s error=%s what=\"%s\"", id, err_word(err),
			  store_error(e->conf.store));
		return;
	}
	e->store_failures++;
	if (now_ms < e->store_log_ms)
		return;
	log_err("store dev=%s error=%s failures=%u what=\"%s\"", id, err_word(err),
		e->store_failures, store_error(e->conf.store));
	e->store_log_ms = now_ms + QUIET_MS;
	e->store_failures = 0;
}

static void probe_done(void *ctx, const struct store_result *result)
{
	struct engine *e = ctx;

	if (result->err)
		engine_store_failed(e, "-", result->err);
	else
		e->store_works = true;
}

/* Writes when we were last alive once more: not now, as a crash must find this absence, too. */
static void probe(struct engine *e, const struct clock *now)
{
	struct store_set *set = store_set_new(probe_done, e);
	struct store_info info;

	e->store_probe_ms = now->now_ms + STORE_RETRY_MS;
	if (!set)
		return;
	store_info(e->conf.store, &info);
	store_set_alive(set, info.alive_ms);
	store_submit(e->conf.store, set);
}

static void is_back(struct engine *e, const struct clock *now)
{
	int64_t gap_ms = now->now_ms - e->store_down_ms;

	e->store_down_ms = 0;
	e->store_works = e->store_full = false;
	e->alive_at_ms = 0;
	if (gap_ms < STORE_GAP_MS)
		return;
	engine_was_deaf(e, gap_ms);
	sweep_outage(e, JOB_OUTAGE, gap_ms);
}

bool engine_store_look(struct engine *e, const struct clock *now)
{
	int err = store_probe(e->conf.store); /* of what is read */

	if (err && !e->store_down_ms)
		e->store_down_ms = now->now_ms;
	if (!e->store_down_ms)
		return false;
	if (e->store_works && !err && !(e->store_full && !store_has_room(e->conf.store))) {
		is_back(e, now);
		return false;
	}
	if (now->now_ms >= e->store_probe_ms)
		probe(e, now);
	return true;
}

int64_t engine_shed_age_s(const struct engine *e)
{
	int64_t down_s = e->store_down_ms ? (clock_read().now_ms - e->store_down_ms) / 2000 : 0;

	return down_s < SHED_S ? SHED_S : down_s > SHED_MOST_S ? SHED_MOST_S : down_s;
}

const char *engine_shed_text(int err)
{
	switch (err) {
	case ERR_FULL:
		return "the server's disk is full";
	case ERR_READONLY:
	case ERR_DENIED:
		return "the server's database is read-only";
	case ERR_NOMEM:
		return "the server is out of memory";
	case ERR_BUSY:
	case ERR_LIMIT:
		return "the server is busy";
	default:
		return "the server's database fails";
	}
}
