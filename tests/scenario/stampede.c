/* SPDX-License-Identifier: Apache-2.0
 *
 * A fleet that comes back all at once, after an outage in which its target was changed: the real
 * engine, store, protocol and quotas on a fake network and clock. Nothing grows without a bound,
 * all are done within 1.2 of the time that is possible, nobody waits much longer than the others,
 * and nothing is counted against anybody.
 *
 * STAMPEDE_DEVICES and STAMPEDE_SEED in the environment; 5,000 devices otherwise.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crowd.h"
#include "net/net_quota.h"

enum {
	IMAGE = 4096,
	BLOCK = 1024,
	COMMIT_MS = 50,
	INTERVAL_S = 600,
	ARRIVE_MS = 5000, /* all come in this time */
	REQUESTS_PER_S = 20000,
	WINDOW_MS = 10000, /* in which reports are counted */
};

/* What is tried. */
struct trial {
	const char *name;
	unsigned tokens_of;  /* one token for so many devices; 0: any number */
	int64_t rate;	     /* of images, bytes a second and device of the fleet; 0: any */
	unsigned listen;     /* so many of a hundred listen at the doorbell */
	unsigned lost;	     /* so many of a thousand never come again once turned away */
	int64_t block_ms[2]; /* a block takes from .. to */
};

static struct stampede {
	const struct trial *trial;
	struct net_quota quota;
	int64_t begin_ms;
	unsigned done, lost;
	/* high-water marks */
	unsigned most_turns, most_held, most_cached, most_window, window, shed;
	uint64_t most_downloads, most_waiting;
	int64_t window_ms;
} st;

static int64_t rtt_ms(void)
{
	return 20 + (int64_t)chance(180);
}

/* ---- what devices say ---- */

/* The account of its requests. */
static bool line(struct unit *u, bool block)
{
	uint64_t key = (uint64_t)(u - w.units) + 1;
	unsigned wait_s = 0;
	enum net_admission a = net_quota_take(
		&st.quota, key, block ? NET_WORK_BLOCK : NET_WORK_REQUEST, fake_now_ms, &wait_s);

	if (a == NET_ADMIT)
		return true;
	st.shed++; /* 5.03 with Max-Age, or as lost */
	later(u, u->step,
	      a == NET_ADMIT_SILENT
		      ? 2000 + (int64_t)chance(2000)
		      : 1000 * (int64_t)net_quota_age_s(wait_s, (uint32_t)chance(1000)));
	return false;
}

static void count_report(struct unit *u)
{
	u->polls++;
	if (fake_now_ms - st.window_ms >= WINDOW_MS) {
		/* while they come back for the first time it is what they do */
		if (st.window_ms - st.begin_ms > ARRIVE_MS && st.window > st.most_window)
			st.most_window = st.window;
		st.window = 0;
		st.window_ms = fake_now_ms;
	}
	st.window++;
}

static void run(struct unit *u)
{
	heap_remove(u);
	if (u->step == COME && !u->come_ms)
		u->come_ms = fake_now_ms;
	if (u->step == COME || u->step == BACK) {
		count_report(u);
		say_report(u);
	} else if (u->step == FETCH) {
		say_fetch(u);
	} else {
		say_status(u, u->step == VERIFIED ? STATUS_VERIFIED : STATUS_APPLYING, REASON_NONE);
	}
}

/* ---- what they are told ---- */

static void directed(struct unit *u, struct bytes payload)
{
	struct told told = on_directive(u, payload);

	if (u->step == BACK) {
		u->step = DONE;
		st.done++;
	} else if (told.action == DIRECTIVE_UPDATE) {
		u->admitted_ms = fake_now_ms;
		later(u, FETCH, rtt_ms());
	} else if (chance(1000) < st.trial->lost) {
		u->step = LOST;
		st.lost++;
	} else {
		int64_t told_ms = 1000 * told.wait_s; /* by its own clock */
		later(u, COME,
		      told_ms - told_ms / 50 + (int64_t)chance((uint64_t)told_ms / 20 + 1) +
			      rtt_ms());
	}
}

static void on_reply(struct net_exchange exchange, const struct net_reply *reply)
{
	struct unit *u = &w.units[exchange.slot - 1];

	u->waits = false;
	if (reply->code == NET_CODE(5, 3)) {
		later(u, u->step,
		      1000 * (int64_t)net_quota_age_s((unsigned)reply->max_age_s,
						      (uint32_t)chance(1000)));
	} else if (reply->code >> 5 != 2) {
		printf("# device %u in step %d was answered %u.%02u\n", exchange.slot, (int)u->step,
		       reply->code >> 5u, reply->code & 31u);
		w.failed++;
	} else if (u->step == COME || u->step == BACK) {
		directed(u, reply->payload);
	} else if (u->step == FETCH) {
		u->offset += BLOCK;
		later(u, u->offset < IMAGE ? FETCH : VERIFIED, u->block_ms);
	} else if (u->step == VERIFIED) {
		u->verified_ms = fake_now_ms;
		later(u, APPLYING, rtt_ms());
	} else {
		u->boot++;
		u->runs = u->says = '2';
		later(u, BACK, 3000 + (int64_t)chance(4000));
	}
}

static bool on_ring(struct net_peer *peer)
{
	struct unit *u = LIST_ENTRY(peer, struct unit, peer);

	if (!u->listens || u->step == LOST)
		return u->listens;
	if (u->step == COME && !u->waits && u->come_ms)
		later(u, COME, rtt_ms());
	return true;
}

/* ---- the course of it ---- */

static void look(void)
{
	const struct engine *e = w.engine;
	struct engine_stats stats;

	engine_stats(e, &stats);
	if (e->admitter.turn_count > st.most_turns)
		st.most_turns = e->admitter.turn_count;
	if (e->pacer.held > st.most_held)
		st.most_held = e->pacer.held;
	if (e->dev_count > st.most_cached)
		st.most_cached = e->dev_count;
	if (stats.downloads > st.most_downloads)
		st.most_downloads = stats.downloads;
	if (stats.downloads_waiting > st.most_waiting)
		st.most_waiting = stats.downloads_waiting;
}

static bool over(void)
{
	return st.done + st.lost == w.conf.count;
}

static int by_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* The time that it takes if no token and no byte of the rate is ever idle, in ms. */
static int64_t ideal_ms(void)
{
	const int64_t tokens = w.engine->admitter.all.gate.tokens;
	int64_t work_ms = 0, bytes = 0;

	for (unsigned i = 0; i < w.conf.count; i++) {
		const struct unit *u = &w.units[i];
		if (u->step != DONE)
			continue;
		bytes += IMAGE;
		work_ms += IMAGE / BLOCK * u->block_ms + 110;
	}
	int64_t by_tokens = st.trial->tokens_of ? work_ms / tokens : 0;
	int64_t by_rate = st.trial->rate ? bytes * 1000 / (st.trial->rate * w.conf.count) : 0;
	return by_tokens > by_rate ? by_tokens : by_rate;
}

struct rows {
	unsigned all, harmed;
};

static bool look_at_device(void *ctx, const struct device *d)
{
	struct rows *rows = ctx;

	rows->all++;
	rows->harmed += d->backoff_count || d->hold != HOLD_NONE || d->failed_attempt;
	return true;
}

static void judge(void)
{
	int64_t *waits = calloc(w.conf.count, sizeof(*waits)), end_ms = 0;
	unsigned n = 0, polls = 0, most_polls = 0;
	struct rows rows = {0};
	struct engine_stats stats;

	engine_stats(w.engine, &stats);
	for (unsigned i = 0; waits && i < w.conf.count; i++) {
		const struct unit *u = &w.units[i];
		if (u->step != DONE)
			continue;
		waits[n++] = u->admitted_ms - u->come_ms;
		end_ms = u->verified_ms > end_ms ? u->verified_ms : end_ms;
		polls += u->polls;
		most_polls = u->polls > most_polls ? u->polls : most_polls;
	}
	if (!n)
		abort();
	qsort(waits, n, sizeof(*waits), by_number);
	/* While nobody knows how long a download takes, 1,000 a second are told to come again. */
	unsigned guess = w.conf.count > WINDOW_MS ? (unsigned)WINDOW_MS : w.conf.count / 4;
	int64_t ideal = ideal_ms(), took = end_ms - st.begin_ms;
	/* Beside those as many as there are if all reports are spread evenly, and not a share of
	 * the fleet: a queue that is served five times as fast hears as many reports in a fifth of
	 * the time. A crowd that comes again at once is several times that. */
	unsigned even = (unsigned)((int64_t)polls * WINDOW_MS / took);
	expect(st.done + st.lost == w.conf.count && stats.closed[VERDICT_UPDATED] == st.done,
	       "%u devices, %u updated, %u never came again", w.conf.count, st.done, st.lost);
	expect(took * 10 <= ideal * 12, "done in %lld s, %lld %% of the ideal",
	       (long long)took / 1000, (long long)(took * 100 / ideal));
	expect(waits[n - 1] <= 3 * waits[n / 2] + 10000,
	       "waits: median %lld s, 99 of 100 %lld s, most %lld s",
	       (long long)waits[n / 2] / 1000, (long long)waits[n - 1 - n / 100] / 1000,
	       (long long)waits[n - 1] / 1000);
	expect(stats.downloads_limit == 0 || st.most_downloads <= stats.downloads_limit,
	       "at most %llu downloads of %llu", (unsigned long long)st.most_downloads,
	       (unsigned long long)stats.downloads_limit);
	expect(st.most_turns <= w.conf.count && st.most_held <= LIMIT_BLOCKS_HELD &&
		       st.most_cached <= ENGINE_IDLE_DEVICES + 1 + 2 * st.most_downloads,
	       "at most %u places, %llu waiting, %u blocks held, %u devices cached", st.most_turns,
	       (unsigned long long)st.most_waiting, st.most_held, st.most_cached);
	expect(polls <= 20 * n && st.most_window <= guess + even + 1000,
	       "%u reports each, at most %u; %u in %d s, evenly %u; %u requests were shed",
	       polls / n, most_polls, st.most_window, WINDOW_MS / 1000, even, st.shed);
	uint64_t failed = 0;
	for (int v = 0; v < VERDICT_COUNT; v++)
		failed += v != VERDICT_UPDATED ? stats.closed[v] : 0;
	if (store_devices(w.store, 0, "", w.conf.count, look_at_device, &rows))
		abort();
	expect(failed == 0 && rows.harmed == 0 && rows.all == w.conf.count,
	       "nothing is counted against anybody");
	free(waits);
}

static void try(const struct trial *trial, unsigned count, uint64_t seed)
{
	const struct crowd_conf conf = {.count = count,
					.seed = seed,
					.interval_s = INTERVAL_S,
					.check_in_s = INTERVAL_S,
					.image = IMAGE,
					.block = BLOCK,
					.tick_ms = 200,
					.commit_ms = COMMIT_MS,
					.max_downloads =
						trial->tokens_of ? count / trial->tokens_of : 0,
					.image_rate = trial->rate * count,
					.offline_s = (int64_t)7 * 86400};

	st = (struct stampede){.trial = trial};
	expect_about = trial->name;
	if (net_quota_init(&st.quota))
		abort();
	net_quota_set(&st.quota, 50, REQUESTS_PER_S);
	crowd_begin(&conf);
	crowd_release('2');
	crowd_target("2");
	crowd_devices();
	crowd_server_end(); /* for an hour */
	fake_now_ms += 3600000;
	fake_wall_ms += 3600000;
	crowd_server_begin();
	crowd_sessions();
	st.begin_ms = st.window_ms = fake_now_ms;
	for (unsigned i = 0; i < count; i++) {
		struct unit *u = &w.units[i];
		u->block_ms =
			trial->block_ms[0] +
			(int64_t)chance((uint64_t)(trial->block_ms[1] - trial->block_ms[0] + 1));
		u->listens = chance(100) < trial->listen;
		later(u, COME, (int64_t)chance(ARRIVE_MS));
	}
	crowd_pass(fake_now_ms + (int64_t)86400 * 1000, over, run, look);
	judge();
	crowd_end();
	net_quota_done(&st.quota);
}

int main(void)
{
	static const struct trial trials[] = {
		{"tokens, nobody listens", 100, 0, 0, 20, {1000, 4000}},
		{"tokens, half of them listen", 100, 0, 50, 20, {1000, 4000}},
		{"a rate", 0, 20, 0, 0, {50, 200}},
	};
	const char *devices = getenv("STAMPEDE_DEVICES"), *seed = getenv("STAMPEDE_SEED");

	log_set_level(LOG_LEVEL_ERR);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	fake_on_reply = on_reply;
	fake_on_ring = on_ring;
	crowd_line = line;
	for (size_t i = 0; i < sizeof(trials) / sizeof(trials[0]); i++)
		try(&trials[i], devices ? (unsigned)strtoul(devices, NULL, 10) : 5000,
		    seed ? strtoull(seed, NULL, 10) : 1);
	printf("1..%u\n", w.told);
	return w.failed ? 1 : 0;
}
