/* SPDX-License-Identifier: Apache-2.0
 *
 * core/rollout with a small fleet that answers: whom a bad release reaches, and whom it does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/rollout.h"

enum { FLEET = 2000, MINUTE = 60000 };
#define NOW INT64_C(1700000000000)

struct unit {
	int64_t place, answers_ms; /* 0: not offered yet */
	struct member_facts facts;
};

struct fleet {
	struct rollout r;
	struct unit units[FLEET]; /* in the order of their places */
	uint64_t random;
	int64_t reverting, dying; /* of 1000 */
	int64_t now_ms;
};

static uint64_t next_random(struct fleet *f)
{
	f->random = f->random * 6364136223846793005u + 1442695040888963407u;
	return f->random >> 33;
}

static int by_place(const void *a, const void *b)
{
	const struct unit *x = a, *y = b;

	return x->place < y->place ? -1 : x->place > y->place;
}

static struct fleet *fleet_new(const char *waves, uint64_t seed)
{
	struct fleet *f = calloc(1, sizeof(*f));
	const struct rollout_counts c = {0};
	int64_t cuts[LIMIT_ROLLOUT_WAVES];
	const char *why;
	char id[32];

	assert_non_null(f);
	f->random = seed;
	f->now_ms = NOW;
	f->r = (struct rollout){.id = 1, .seed = seed};
	rollout_rules_init(&f->r.rules);
	f->r.rules.soak_s = 0;
	f->r.rules.silent_wait_s = 600;
	assert_int_equal(rollout_waves_parse(&f->r, waves, &why), 0);
	for (int i = 0; i < FLEET; i++) {
		(void)snprintf(id, sizeof(id), "unit-%d", i);
		f->units[i].place = rollout_place(seed, id);
		f->units[i].facts.silent = next_random(f) % 100 == 0; /* 1 % are always away */
	}
	qsort(f->units, FLEET, sizeof(f->units[0]), by_place);
	assert_int_equal(rollout_act(&f->r, ROLLOUT_START, "alice", &c, NOW, &why), 0);
	for (unsigned i = 0; i < f->r.wave_count; i++) {
		int64_t size = rollout_wave_size(&f->r, i, FLEET);
		cuts[i] = size < FLEET ? f->units[size].place : ROLLOUT_PLACE_END;
	}
	rollout_enlisted(&f->r, cuts, FLEET, FLEET / 100);
	return f;
}

static struct rollout_counts fleet_counts(const struct fleet *f)
{
	struct rollout_counts c = {0};

	for (int i = 0; i < FLEET; i++)
		wave_count(&c.waves[rollout_wave_of(&f->r, f->units[i].place)], &f->units[i].facts,
			   f->units[i].place < f->r.reached, 1);
	return c;
}

/* Each that was released answers some minutes later. */
static void fleet_answers(struct fleet *f)
{
	bool offers = !rollout_stops(&f->r) && f->r.state != ROLLOUT_ABORTED;

	for (int i = 0; i < FLEET; i++) {
		struct unit *u = &f->units[i];
		if (u->facts.silent || u->facts.result != MEMBER_NONE)
			continue;
		if (!u->answers_ms && offers && u->place < f->r.reached)
			u->answers_ms =
				f->now_ms + MINUTE + (int64_t)(next_random(f) % 10) * MINUTE;
		if (!u->answers_ms || u->answers_ms > f->now_ms)
			continue;
		int64_t luck = (int64_t)(next_random(f) % 1000);
		u->facts.applied = true;
		if (luck < f->reverting)
			u->facts.result = MEMBER_REVERTED;
		else if (luck < f->reverting + f->dying)
			u->facts.silent = true;
		else
			u->facts.result = MEMBER_UPDATED;
	}
}

static void fleet_runs(struct fleet *f, int minutes)
{
	for (int i = 0; i < minutes; i++, f->now_ms += MINUTE) {
		struct rollout_next next;
		do {
			struct rollout_counts c = fleet_counts(f);
			next = rollout_next(&f->r, &c, f->now_ms);
			int64_t at = c.waves[0].released, reached = 0;
			for (unsigned w = 1; w < f->r.wave_count; w++)
				at += c.waves[w].released;
			if (next.what == ROLLOUT_DO_RELEASE)
				reached = at + next.count < FLEET ? f->units[at + next.count].place
								  : ROLLOUT_PLACE_END;
			rollout_do(&f->r, &next, reached, f->now_ms);
		} while (next.what != ROLLOUT_DO_NOTHING);
		fleet_answers(f);
	}
}

static int64_t fleet_reached(const struct fleet *f)
{
	int64_t n = 0;

	for (int i = 0; i < FLEET; i++)
		n += f->units[i].place < f->r.reached;
	return n;
}

static void test_a_good_release_reaches_everybody(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct fleet *f = fleet_new("5,1%,10%,100%", seed);
		f->reverting = 5; /* half a percent: no reason to stop */
		f->r.rules.rate = 60;
		f->r.rules.ramp_percent = 200;
		f->r.rules.ramp_s = 600;
		fleet_runs(f, 400);
		assert_int_equal(f->r.state, ROLLOUT_DONE);
		struct rollout_counts c = fleet_counts(f);
		struct wave_counts all = rollout_total(&c, f->r.wave_count);
		assert_int_equal(all.released, FLEET);
		assert_int_equal(all.through, FLEET);
		assert_true(all.results[MEMBER_UPDATED] > FLEET * 95 / 100);
		free(f);
	}
}

static void test_a_release_that_reverts_is_halted_before_the_second_wave(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct fleet *f = fleet_new("10%,100%", seed);
		f->reverting = 150;
		fleet_runs(f, 400);
		assert_int_equal(f->r.state, ROLLOUT_HALTED);
		assert_int_equal(f->r.why, HALT_FAILURES);
		assert_int_equal(fleet_reached(f), FLEET / 10);
		free(f);
	}
}

static void test_a_release_that_kills_devices_is_halted_by_their_silence(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct fleet *f = fleet_new("10%,100%", seed);
		f->dying = 200;
		fleet_runs(f, 400);
		assert_int_equal(f->r.state, ROLLOUT_HALTED);
		assert_int_equal(f->r.why, HALT_SILENCE);
		assert_int_equal(fleet_reached(f), FLEET / 10);
		free(f);
	}
}

static void test_a_fleet_that_goes_to_sleep_does_not_halt_it(void **state)
{
	struct fleet *f = fleet_new("10%,100%", 3);

	(void)state;
	fleet_runs(f, 10);
	for (int i = 0; i < FLEET; i++) /* half of it, updated or not */
		f->units[i].facts.silent = i % 2;
	fleet_runs(f, 60);
	assert_int_equal(f->r.state, ROLLOUT_DONE);
	free(f);
}

static void test_halted_then_resumed_goes_on_where_it_was(void **state)
{
	struct fleet *f = fleet_new("10%,100%", 9);
	const char *why;

	(void)state;
	f->reverting = 150;
	fleet_runs(f, 100);
	assert_int_equal(f->r.state, ROLLOUT_HALTED);
	f->reverting = 0; /* a cause outside of the release: somebody has seen to it */
	struct rollout_counts c = fleet_counts(f);
	assert_int_equal(rollout_act(&f->r, ROLLOUT_RESUME, "bob", &c, f->now_ms, &why), 0);
	fleet_runs(f, 100);
	assert_int_equal(f->r.state, ROLLOUT_DONE);
	assert_int_equal(fleet_reached(f), FLEET);
	free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_good_release_reaches_everybody),
		cmocka_unit_test(test_a_release_that_reverts_is_halted_before_the_second_wave),
		cmocka_unit_test(test_a_release_that_kills_devices_is_halted_by_their_silence),
		cmocka_unit_test(test_a_fleet_that_goes_to_sleep_does_not_halt_it),
		cmocka_unit_test(test_halted_then_resumed_goes_on_where_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
