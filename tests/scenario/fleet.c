/* SPDX-License-Identifier: Apache-2.0
 *
 * Two rollouts on a fleet: the real engine, store and protocol on a fake network and clock.
 * The first brings a bad release: of a hundred devices three go back to their old image, two are
 * never heard of again, and one lies about it in one of three ways. It halts itself in its first
 * wave and is aborted, and the devices go back. The second brings a good one, which fails with a
 * few, and goes through all its waves.
 *
 * FLEET_DEVICES and FLEET_SEED in the environment; 5,000 devices otherwise.
 */
#include "fleet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	INTERVAL_S = 21600,
	LIAR_INTERVAL_S = 600,
	LISTEN = 95 /* of a hundred */,
	LOOK_MS = 20000,
	COMMIT_MS = 1000
};

static int64_t rtt_ms(void)
{
	return 20 + (int64_t)chance(180);
}

bool lies(enum kind k)
{
	return k == NO_REBOOT || k == OTHER_IMAGE || k == NO_PROOF;
}

enum kind kind_for(const struct unit *u, char release)
{
	/* Two decimal digits each: of release 2, and, out of ten thousand, of release 3. */
	unsigned n = (unsigned)(u->lot % 100), m = (unsigned)(u->lot / 100 % 10000);

	if (release == '2')
		return n < 3 ? REVERTS : n < 5 ? DIES : n > 5 ? HONEST : NO_REBOOT + m % 3;
	if (release == '3')
		return m < 10 ? REVERTS : m < 30 ? FLAKY : HONEST;
	return HONEST;
}

/* ---- what a device does ---- */

static void boots(struct unit *u, char says, char shows)
{
	u->boot++;
	u->says = says;
	u->shows = shows;
}

static void come_again(struct unit *u, int64_t in_s)
{
	int64_t ms = in_s * 1000;

	later(u, COME, ms - ms / 50 + (int64_t)chance((uint64_t)ms / 50 + 1) + rtt_ms());
}

static void apply(struct unit *u)
{
	char goal = u->goal[0];

	switch (kind_for(u, goal)) {
	case DIES:
		u->step = LOST;
		return;
	case REVERTS:
		boots(u, u->runs, u->runs);
		break;
	case NO_REBOOT:
		u->says = u->shows = goal;
		break;
	case OTHER_IMAGE:
		boots(u, goal, u->runs);
		break;
	case NO_PROOF:
		boots(u, goal, 0);
		break;
	case HONEST:
	case FLAKY:
	case KINDS:
		u->runs = goal;
		boots(u, goal, goal);
		break;
	}
	later(u, BACK, 3000 + (int64_t)chance(4000));
}

static void run(struct unit *u)
{
	heap_remove(u);
	if (u->step == COME || u->step == BACK) {
		say_report(u);
	} else if (u->step == FETCH) {
		say_fetch(u);
	} else if (u->step == VERIFIED && kind_for(u, u->goal[0]) == FLAKY && !u->polls++) {
		u->step = DONE;
		say_status(u, STATUS_FAILED, REASON_STORAGE_IO);
	} else {
		say_status(u, u->step == VERIFIED ? STATUS_VERIFIED : STATUS_APPLYING, REASON_NONE);
	}
}

static void directed(struct unit *u, struct bytes payload)
{
	struct told told = on_directive(u, payload);

	if (told.action != DIRECTIVE_UPDATE) {
		come_again(u, told.wait_s);
		return;
	}
	u->offset = 0;
	later(u, FETCH, rtt_ms());
}

static void on_reply(struct net_exchange exchange, const struct net_reply *reply)
{
	struct unit *u = &w.units[exchange.slot - 1];

	u->waits = false;
	if (reply->code == NET_CODE(5, 3)) {
		later(u, u->step, 1000 * (reply->max_age_s + 1) + (int64_t)chance(1000));
	} else if (reply->code >> 5 != 2 && u->step != COME && u->step != BACK) {
		come_again(u, 60); /* its attempt is over */
	} else if (reply->code >> 5 != 2) {
		printf("# a report was answered %u.%02u\n", reply->code >> 5u, reply->code & 31u);
		w.failed++;
	} else if (u->step == COME || u->step == BACK) {
		directed(u, reply->payload);
	} else if (u->step == FETCH) {
		u->offset += w.conf.block;
		later(u, u->offset < w.conf.image ? FETCH : VERIFIED, rtt_ms());
	} else if (u->step == VERIFIED) {
		later(u, APPLYING, rtt_ms());
	} else if (u->step == APPLYING) {
		apply(u);
	} else {
		come_again(u, 60);
	}
}

static bool on_ring(struct net_peer *peer)
{
	struct unit *u = LIST_ENTRY(peer, struct unit, peer);

	if (!u->listens || u->step == LOST)
		return false;
	if (u->step == COME && !u->waits)
		later(u, COME, rtt_ms());
	return true;
}

/* ---- the course of it ---- */

static const char *rollout_name = "";
static bool (*wanted)(const struct rollout *r);

static bool finished;

/* Now and then: some of what is wanted takes a walk over all. */
static void look(void)
{
	static int64_t next_ms;
	struct engine_rollout v;

	if (fake_now_ms < next_ms)
		return;
	next_ms = fake_now_ms + LOOK_MS;
	finished = engine_rollout(w.engine, "p", rollout_name, &v) == 0 && wanted(&v.rollout);
}

static bool over(void)
{
	return finished;
}

static bool settled(const struct rollout *r)
{
	struct engine_stats st;
	uint64_t open = 0;

	engine_stats(w.engine, &st);
	for (int s = 0; s < ATTEMPT_CLOSED; s++)
		open += st.open[s];
	return !open && (r->state == ROLLOUT_HALTED || r->state == ROLLOUT_DONE);
}

/* All who can have come back to what they ran before. */
static bool returned(const struct rollout *r)
{
	for (unsigned i = 0; i < w.conf.count; i++)
		if (w.units[i].runs == '2' && w.units[i].step != LOST)
			return false;
	return r->state == ROLLOUT_ABORTED;
}

static void act(const char *name, enum rollout_cause cause)
{
	engine_rollout_act(w.engine, &crowd_operator, "p", name, cause, crowd_acted, NULL);
	deliver();
}

static void begin(const char *name, char release, uint64_t seed)
{
	const char version[] = {release, 0}, *why;
	struct rollout r = {.product = w.product,
			    .release = catalog_release_named(w.engine, w.product, version)->id};

	rollout_rules_init(&r.rules);
	r.rules.soak_s = 7200;
	r.rules.fail_percent = 3; /* half of what the bad one does to a small wave */
	(void)snprintf(r.name, sizeof(r.name), "%s", name);
	if (rollout_waves_parse(&r, "500,20%,100%", &why))
		abort();
	w.engine->rollout_seed = seed;
	engine_rollout_add(w.engine, &crowd_operator, &r, crowd_acted, NULL);
	deliver();
	rollout_name = name;
	expect_about = name;
	act(name, ROLLOUT_START);
}

static void pass(bool (*until)(const struct rollout *r))
{
	wanted = until;
	finished = false;
	crowd_pass(fake_now_ms + (int64_t)30 * 86400 * 1000, over, run, look);
}

static void make_fleet(void)
{
	crowd_release('1');
	crowd_release('2');
	crowd_release('3');
	crowd_target("1");
	crowd_devices();
	crowd_sessions();
	for (unsigned i = 0; i < w.conf.count; i++) {
		struct unit *u = &w.units[i];
		u->lot = chance(1000000);
		u->listens = chance(100) < LISTEN;
		u->interval_s = lies(kind_for(u, '2')) ? LIAR_INTERVAL_S : INTERVAL_S;
		later(u, COME, 1000 * (int64_t)chance((uint64_t)u->interval_s));
	}
}

int main(void)
{
	const char *devices = getenv("FLEET_DEVICES"), *seed = getenv("FLEET_SEED");
	const struct crowd_conf conf = {
		.count = devices ? (unsigned)strtoul(devices, NULL, 10) : 5000,
		.seed = seed ? strtoull(seed, NULL, 10) : 1,
		.interval_s = INTERVAL_S,
		.image = 1024,
		.block = 1024,
		.tick_ms = 2000, /* days go by: fewer of them */
		.commit_ms = COMMIT_MS,
		.offline_s = (int64_t)3 * INTERVAL_S,
		.digests = true,
	};

	log_set_level(LOG_LEVEL_ERR);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	fake_on_reply = on_reply;
	fake_on_ring = on_ring;
	crowd_begin(&conf);
	make_fleet();
	begin("bad", '2', conf.seed);
	pass(settled);
	judge_rollout("bad", '2', true);
	act("bad", ROLLOUT_ABORT);
	pass(returned);
	expect(fake_now_ms > 0, "whoever it had reached and could has gone back");
	begin("good", '3', conf.seed + 1);
	pass(settled);
	judge_rollout("good", '3', false);
	printf("# the longest tick took %lld us\n", (long long)w.slowest_us);
	crowd_end();
	printf("1..%u\n", w.told);
	return w.failed ? 1 : 0;
}
