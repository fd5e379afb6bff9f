/* SPDX-License-Identifier: Apache-2.0
 *
 * A fleet that comes back all at once, after an outage in which its target was changed: the real
 * engine, store, protocol and quotas on a fake network and clock. Nothing grows without a bound,
 * all are done within 1.2 of the time that is possible, nobody waits much longer than the others,
 * and nothing is counted against anybody.
 *
 * STAMPEDE_DEVICES and STAMPEDE_SEED in the environment; 5,000 devices otherwise.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stampede.h"
#include "wire/cbor.h"

static void expect(bool good, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void expect(bool good, const char *fmt, ...)
{
	va_list ap;

	printf("%s %u - %s: ", good ? "ok" : "not ok", ++w.told, w.trial->name);
	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	w.failed += !good;
}

static int64_t rtt_ms(void)
{
	return 20 + (int64_t)chance(180);
}

/* ---- what devices say ---- */

static void say(struct unit *u, uint8_t method, const char *path, struct bytes payload)
{
	struct net_request q = {.method = method,
				.confirmable = true,
				.content_format = method == 1 ? -1 : 60,
				.accept = -1,
				.observe = -1,
				.payload = payload};
	const char *slash = strchr(path, '/');
	uint64_t key = (uint64_t)(u - w.units) + 1;
	unsigned wait_s = 0;

	q.path[0] = (struct bytes){(const uint8_t *)path,
				   slash ? (size_t)(slash - path) : strlen(path)};
	q.path_count = 1;
	if (slash)
		q.path[q.path_count++] =
			(struct bytes){(const uint8_t *)slash + 1, strlen(slash + 1)};
	if (method == 1) {
		q.has_block2 = true;
		q.block2_num = u->offset / BLOCK;
		q.block2_szx = 6;
	}
	enum net_admission a =
		net_quota_take(&w.quota, key, method == 1 ? NET_WORK_BLOCK : NET_WORK_REQUEST,
			       fake_now_ms, &wait_s);
	if (a != NET_ADMIT) { /* 5.03 with Max-Age, or as lost */
		w.shed++;
		later(u, u->step,
		      a == NET_ADMIT_SILENT
			      ? 2000 + (int64_t)chance(2000)
			      : 1000 * (int64_t)net_quota_age_s(wait_s, (uint32_t)chance(1000)));
		return;
	}
	u->waits = true;
	engine_net_callbacks()->request(w.engine, &u->peer, &q,
					(struct net_exchange){(uint32_t)key, 1});
	while (store_deliver(w.store) > 0)
		;
	if (!u->waits)
		engine_net_callbacks()->peer_sleeps(w.engine, &u->peer);
}

static void say_report(struct unit *u)
{
	uint8_t payload[128], boot[8];
	struct buf out = buf_writer(payload, sizeof(payload));
	struct wire_writer m = wire_writer(WIRE_CBOR, &out);

	boot_of(u, boot);
	wire_put_map(&m, 4);
	wire_put_key(&m, 0);
	wire_put_bytes(&m, boot, sizeof(boot));
	wire_put_key(&m, 2);
	wire_put_text(&m, u->step == BACK ? "2" : "1");
	wire_put_key(&m, 15);
	wire_put_int(&m, INTERVAL_S);
	wire_put_key(&m, 17);
	wire_put_int(&m, CAP_RESUME);
	if (wire_writer_end(&m))
		abort();
	u->polls++;
	if (fake_now_ms - w.window_ms >= WINDOW_MS) {
		/* while they come back for the first time it is what they do */
		if (w.window_ms - w.begin_ms > ARRIVE_MS && w.window > w.most_window)
			w.most_window = w.window;
		w.window = 0;
		w.window_ms = fake_now_ms;
	}
	w.window++;
	say(u, 2, "report", buf_bytes(&out));
}

static void say_status(struct unit *u)
{
	uint8_t payload[128], boot[8];
	struct buf out = buf_writer(payload, sizeof(payload));
	struct wire_writer m = wire_writer(WIRE_CBOR, &out);

	boot_of(u, boot);
	wire_put_map(&m, 3);
	wire_put_key(&m, 0);
	wire_put_uint(&m, u->attempt);
	wire_put_key(&m, 1);
	wire_put_uint(&m, u->step == VERIFIED ? STATUS_VERIFIED : STATUS_APPLYING);
	wire_put_key(&m, 7);
	wire_put_bytes(&m, boot, sizeof(boot));
	if (wire_writer_end(&m))
		abort();
	say(u, 2, "status", buf_bytes(&out));
}

static void run(struct unit *u)
{
	heap_remove(u);
	if (u->step == COME && !u->come_ms)
		u->come_ms = fake_now_ms;
	if (u->step == COME || u->step == BACK)
		say_report(u);
	else if (u->step == FETCH)
		say(u, 1, w.fw, (struct bytes){0});
	else
		say_status(u);
}

/* ---- what they are told ---- */

static void on_directive(struct unit *u, struct bytes payload)
{
	int64_t action = 0, retry_s = 0, next_s = INTERVAL_S;
	struct wire_msg msg;

	if (wire_cbor_decode(payload, &msg))
		abort();
	WIRE_EACH(n, &msg)
	{
		if (n->key == 0)
			action = (int64_t)n->number;
		else if (n->key == 1)
			u->attempt = n->number;
		else if (n->key == 7)
			retry_s = (int64_t)n->number;
		else if (n->key == 8)
			next_s = (int64_t)n->number;
	}
	if (u->step == BACK) {
		u->step = DONE;
		w.done++;
	} else if (action == DIRECTIVE_UPDATE) {
		u->admitted_ms = fake_now_ms;
		later(u, FETCH, rtt_ms());
	} else if (chance(1000) < w.trial->lost) {
		u->step = LOST;
		w.lost++;
	} else {
		int64_t told_ms = 1000 * (retry_s ? retry_s : next_s); /* by its own clock */
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
		on_directive(u, reply->payload);
	} else if (u->step == FETCH) {
		u->offset += BLOCK;
		later(u, u->offset < IMAGE ? FETCH : VERIFIED, u->block_ms);
	} else if (u->step == VERIFIED) {
		u->verified_ms = fake_now_ms;
		later(u, APPLYING, rtt_ms());
	} else {
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
	struct engine_stats st;

	engine_stats(e, &st);
	if (e->admitter.turn_count > w.most_turns)
		w.most_turns = e->admitter.turn_count;
	if (e->pacer.held > w.most_held)
		w.most_held = e->pacer.held;
	if (e->dev_count > w.most_cached)
		w.most_cached = e->dev_count;
	if (st.downloads > w.most_downloads)
		w.most_downloads = st.downloads;
	if (st.downloads_waiting > w.most_waiting)
		w.most_waiting = st.downloads_waiting;
}

static void pass(int64_t end_ms)
{
	int64_t tick_ms = fake_now_ms, pace_ms = fake_now_ms;

	while (w.done + w.lost < w.count && fake_now_ms < end_ms) {
		int64_t next = w.heap_count ? w.heap[0]->at_ms : tick_ms;
		next = next < tick_ms ? next : tick_ms;
		if (w.engine->pacer.held && pace_ms < next)
			next = pace_ms;
		if (next > fake_now_ms) {
			fake_wall_ms += next - fake_now_ms;
			fake_now_ms = next;
		}
		if (w.engine->pacer.held && fake_now_ms >= pace_ms) {
			pace_step(w.engine);
			deliver();
			pace_ms = fake_now_ms + PACE_MS;
		}
		if (fake_now_ms >= tick_ms) {
			engine_tick(w.engine);
			deliver();
			look();
			tick_ms = fake_now_ms + TICK_MS;
		}
		while (w.heap_count && w.heap[0]->at_ms <= fake_now_ms)
			run(w.heap[0]);
	}
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

	for (unsigned i = 0; i < w.count; i++) {
		const struct unit *u = &w.units[i];
		if (u->step != DONE)
			continue;
		bytes += IMAGE;
		work_ms += IMAGE / BLOCK * u->block_ms + 110;
	}
	int64_t by_tokens = w.trial->tokens_of ? work_ms / tokens : 0;
	int64_t by_rate = w.trial->rate ? bytes * 1000 / (w.trial->rate * w.count) : 0;
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
	int64_t *waits = calloc(w.count, sizeof(*waits)), end_ms = 0;
	unsigned n = 0, polls = 0, most_polls = 0;
	struct rows rows = {0};
	struct engine_stats st;

	engine_stats(w.engine, &st);
	for (unsigned i = 0; waits && i < w.count; i++) {
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
	int64_t ideal = ideal_ms(), took = end_ms - w.begin_ms;
	expect(w.done + w.lost == w.count && st.closed[VERDICT_UPDATED] == w.done,
	       "%u devices, %u updated, %u never came again", w.count, w.done, w.lost);
	expect(took * 10 <= ideal * 12, "done in %lld s, %lld %% of the ideal",
	       (long long)took / 1000, (long long)(took * 100 / ideal));
	expect(waits[n - 1] <= 3 * waits[n / 2] + 10000,
	       "waits: median %lld s, 99 of 100 %lld s, most %lld s",
	       (long long)waits[n / 2] / 1000, (long long)waits[n - 1 - n / 100] / 1000,
	       (long long)waits[n - 1] / 1000);
	expect(st.downloads_limit == 0 || w.most_downloads <= st.downloads_limit,
	       "at most %llu downloads of %llu", (unsigned long long)w.most_downloads,
	       (unsigned long long)st.downloads_limit);
	expect(w.most_turns <= w.count && w.most_held <= LIMIT_BLOCKS_HELD &&
		       w.most_cached <= ENGINE_IDLE_DEVICES + 1 + 2 * w.most_downloads,
	       "at most %u places, %llu waiting, %u blocks held, %u devices cached", w.most_turns,
	       (unsigned long long)w.most_waiting, w.most_held, w.most_cached);
	expect(polls <= 20 * n && w.most_window <= w.count / 4 + 1000,
	       "%u reports each, at most %u; %u in %d s; %u requests were shed", polls / n,
	       most_polls, w.most_window, WINDOW_MS / 1000, w.shed);
	uint64_t failed = 0;
	for (int v = 0; v < VERDICT_COUNT; v++)
		failed += v != VERDICT_UPDATED ? st.closed[v] : 0;
	if (store_devices(w.store, 0, "", w.count, look_at_device, &rows))
		abort();
	expect(failed == 0 && rows.harmed == 0 && rows.all == w.count,
	       "nothing is counted against anybody");
	free(waits);
}

static void remove_dir(void)
{
	char command[100];

	(void)snprintf(command, sizeof(command), "rm -rf '%s'", w.dir);
	if (system(command) != 0) // NOLINT(cert-env33-c,concurrency-mt-unsafe)
		printf("# could not remove %s\n", w.dir);
}

static void try(const struct trial *trial, unsigned count, uint64_t seed)
{
	const char *tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	unsigned told = w.told, failed = w.failed;

	memset(&w, 0, sizeof(w));
	w.trial = trial;
	w.count = count;
	w.seed = seed;
	w.told = told;
	w.failed = failed;
	(void)snprintf(w.dir, sizeof(w.dir), "%s/postboot-stampede-XXXXXX", tmp);
	w.units = calloc(count, sizeof(*w.units));
	w.heap = calloc(count, sizeof(*w.heap));
	if (!mkdtemp(w.dir) || !w.units || !w.heap || net_quota_init(&w.quota))
		abort();
	net_quota_set(&w.quota, 50, REQUESTS_PER_S);
	fake_on_reply = on_reply;
	fake_on_ring = on_ring;
	make_world();
	w.begin_ms = w.window_ms = fake_now_ms;
	for (unsigned i = 0; i < count; i++) {
		struct unit *u = &w.units[i];
		u->block_ms =
			trial->block_ms[0] +
			(int64_t)chance((uint64_t)(trial->block_ms[1] - trial->block_ms[0] + 1));
		u->listens = chance(100) < trial->listen;
		later(u, COME, (int64_t)chance(ARRIVE_MS));
	}
	pass(fake_now_ms + (int64_t)86400 * 1000);
	judge();
	engine_end();
	net_quota_done(&w.quota);
	free(w.units);
	free(w.heap);
	remove_dir();
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

	for (size_t i = 0; i < sizeof(trials) / sizeof(trials[0]); i++)
		try(&trials[i], devices ? (unsigned)strtoul(devices, NULL, 10) : 5000,
		    seed ? strtoull(seed, NULL, 10) : 1);
	printf("1..%u\n", w.told);
	return w.failed ? 1 : 0;
}
