/* SPDX-License-Identifier: Apache-2.0
 *
 * core/admit: tokens, turns, and when to come again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/admit.h"

enum { NOW = 1000000, PLACES = 200 };

static struct admit_gate gate;
static struct admit_place places[PLACES];

static int setup(void **state)
{
	(void)state;
	admit_gate_init(&gate);
	for (int i = 0; i < PLACES; i++)
		admit_place_init(&places[i]);
	return 0;
}

/* A gate of so many tokens, all taken, whose downloads take so long. */
static void full(int64_t tokens, int64_t hold_ms)
{
	gate.tokens = tokens;
	admit_take(&gate);
	if (hold_ms)
		admit_give(&gate, hold_ms);
	while (gate.active < tokens)
		admit_take(&gate);
}

static void wait_all(int64_t again_s)
{
	for (int i = 0; i < PLACES; i++)
		admit_wait(&gate, &places[i], again_s, NOW);
}

static void test_admit_tokens_are_no_more_than_the_rate_can_feed(void **state)
{
	(void)state;
	assert_int_equal(admit_tokens(0, 0), 0);
	assert_int_equal(admit_tokens(7, 0), 7);
	assert_int_equal(admit_tokens(0, 20480), 10);
	assert_int_equal(admit_tokens(7, 20480), 7);
	assert_int_equal(admit_tokens(70, 20480), 10);
	assert_int_equal(admit_tokens(70, 100), 1); /* 0 would be any */
}

static void test_admit_without_a_limit_all_may(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++) {
		assert_true(admit_may(&gate, NULL, NOW));
		admit_take(&gate);
	}
	assert_null(admit_next(&gate, NOW));
}

static void test_admit_as_many_as_there_are_tokens_and_no_more(void **state)
{
	(void)state;
	gate.tokens = 3;
	for (int i = 0; i < 3; i++) {
		assert_true(admit_may(&gate, NULL, NOW));
		admit_take(&gate);
	}
	assert_false(admit_may(&gate, NULL, NOW));
	admit_take(&gate); /* one that goes on: as many have to end before there is room */
	admit_give(&gate, 1000);
	assert_false(admit_may(&gate, NULL, NOW));
	admit_give(&gate, -1);
	assert_true(admit_may(&gate, NULL, NOW));
	assert_int_equal(gate.hold_ms, 1000);
}

static void test_admit_a_token_is_for_him_who_is_about_to_come(void **state)
{
	(void)state;
	full(1, 40000); /* 2 s are soon */
	admit_wait(&gate, &places[0], 10, NOW);
	admit_wait(&gate, &places[1], 10, NOW);
	admit_give(&gate, 40000);
	assert_true(admit_may(&gate, &places[1], NOW + 5000)); /* the first is not to come yet */
	assert_true(admit_may(&gate, NULL, NOW + 5000));
	assert_false(admit_may(&gate, &places[1], NOW + 9000));
	assert_false(admit_may(&gate, NULL, NOW + 9000));
	assert_true(admit_may(&gate, &places[0], NOW + 9000));
	assert_false(admit_may(&gate, NULL, NOW + 13000)); /* a little late, both of them */
	assert_true(admit_may(&gate, NULL, NOW + 15000));  /* neither came */
}

static void test_admit_who_has_been_next_for_long_is_waited_for_longer(void **state)
{
	(void)state;
	full(1, 40000);
	admit_wait(&gate, &places[0], 20, NOW);
	admit_give(&gate, -1);
	assert_true(admit_may(&gate, NULL, NOW + 5000));
	admit_wait(&gate, &places[0], 20, NOW + 400000); /* turned away again and again */
	assert_false(admit_may(&gate, NULL, NOW + 400000));
	assert_true(admit_may(&gate, NULL, NOW + 425000)); /* and not for ever */
}

static void test_admit_who_comes_late_has_kept_his_place_until_he_is_forgotten(void **state)
{
	(void)state;
	full(1, 40000);
	wait_all(10);
	assert_int_equal(gate.waiting, PLACES);
	for (int i = 0; i < PLACES / ADMIT_LOOK + 1; i++)
		assert_null(admit_late(&gate, NOW + 60000));
	assert_int_equal(gate.away, PLACES);
	assert_int_equal(admit_ahead(&gate, NULL), 0); /* nobody is waited for */
	admit_give(&gate, -1);
	assert_true(admit_may(&gate, &places[5], NOW + 60000));
	admit_take(&gate);
	admit_wait(&gate, &places[5], 10, NOW + 60000);
	admit_wait(&gate, &places[9], 10, NOW + 60000);
	admit_wait(&gate, &places[3], 10, NOW + 60000);
	assert_int_equal(gate.waiting, PLACES);
	assert_int_equal(gate.away, PLACES - 3);
	assert_int_equal(admit_ahead(&gate, &places[3]), 0); /* as they were once */
	assert_int_equal(admit_ahead(&gate, &places[9]), 2);
	assert_int_equal(places[3].since_ms, NOW);
	unsigned forgotten = 0;
	for (struct admit_place *p; (p = admit_late(&gate, NOW + 20000 + ADMIT_FORGET_MS));) {
		admit_leave(p);
		forgotten++;
	}
	assert_int_equal(forgotten, PLACES - 3);
	assert_int_equal(gate.waiting, 3);
	for (int i = 0; i < PLACES; i++)
		admit_leave(&places[i]);
	assert_int_equal(gate.waiting, 0);
	assert_int_equal(gate.away, 0);
	assert_true(list_empty(&gate.queue) && list_empty(&gate.late));
}

static void test_admit_the_next_ones_come_often_and_the_others_at_three_quarters(void **state)
{
	(void)state;
	full(10, 80000);
	wait_all(10);
	for (uint32_t random = 0; random < 1000; random++) {
		assert_in_range(admit_again_s(&gate, &places[0], random), 8, 12);
		assert_in_range(admit_again_s(&gate, &places[9], random), 8, 12);
		/* 100 before it, 8 s for each */
		assert_in_range(admit_again_s(&gate, &places[100], random), 530, 682);
	}
	assert_int_equal(admit_expect_ms(&gate, &places[100]), 808000);
	assert_int_equal(admit_expect_ms(&gate, NULL), 1608000);
	gate.hold_ms = INT64_MAX / 1000;
	for (uint32_t random = 0; random < 1000; random++)
		assert_in_range(admit_again_s(&gate, NULL, random * 4294967), 3000,
				ADMIT_AGAIN_MAX_S);
	gate.hold_ms = 1;
	assert_int_equal(admit_again_s(&gate, &places[0], 0), 1);
}

static void test_admit_while_nothing_is_known_a_crowd_is_spread(void **state)
{
	int64_t least = INT64_MAX, most = 0;

	(void)state;
	full(10, 0);
	assert_int_equal(admit_expect_ms(&gate, NULL), -1);
	assert_in_range(admit_again_s(&gate, NULL, 0), 2, 8);
	gate.waiting = 100000;
	for (uint32_t random = 0; random < 100000; random += 10) {
		int64_t s = admit_again_s(&gate, NULL, random);
		least = s < least ? s : least;
		most = s > most ? s : most;
	}
	assert_int_equal(least, 50);
	assert_int_equal(most, 150);
	gate.waiting = 0;
}

static void test_admit_calls_one_for_each_token_and_once(void **state)
{
	(void)state;
	full(2, 40000);
	wait_all(100);
	assert_null(admit_next(&gate, NOW));
	admit_give(&gate, -1);
	places[0].deaf = true;
	assert_ptr_equal(admit_next(&gate, NOW), &places[1]);
	admit_called(&places[1], NOW);
	assert_null(admit_next(&gate, NOW + 1000)); /* it may be on its way */
	assert_false(admit_may(&gate, NULL, NOW + 1000));
	assert_true(admit_may(&gate, &places[1], NOW + 1000));
	assert_ptr_equal(admit_next(&gate, NOW + 10000), &places[2]); /* it does not come */
	admit_give(&gate, -1);
	assert_null(admit_late(&gate, NOW + 10000));
	assert_true(places[1].late);
	admit_called(&places[2], NOW + 10000);
	assert_ptr_equal(admit_next(&gate, NOW + 10000), &places[3]);
	/* one that was late, and has asked since, is called before all others */
	assert_null(admit_late(&gate, NOW + 110000));
	places[1].deaf = false;
	assert_ptr_equal(admit_next(&gate, NOW + 110000), &places[1]);
	admit_called(&places[1], NOW + 110000);
	assert_false(places[1].late);
}

static void test_admit_only_an_offer_can_find_no_token(void **state)
{
	const struct admission admission = {.full = true, .again_s = 5}, none = {0};
	struct plan plan = {.offer = true};

	(void)state;
	admit_plan(&none, &plan);
	assert_true(plan.offer);
	admit_plan(&admission, &plan);
	assert_false(plan.offer);
	assert_int_equal(plan.blocked, 1u << BLOCK_ADMISSION);
	plan = (struct plan){.blocked = 1u << BLOCK_HELD};
	admit_plan(&admission, &plan);
	assert_int_equal(plan.blocked, 1u << BLOCK_HELD);
}

static void test_admit_a_tenth_of_the_fleet_in_ten_seconds_is_a_crowd(void **state)
{
	struct admit_crowd c = {0};
	int64_t now = NOW;

	(void)state;
	for (unsigned i = 0; i < 2000; i++) /* a hundred a second, of 5,000 */
		assert_false(admit_crowd(&c, 5000, now += 10));
	now += 100000;
	for (unsigned i = 0; i < 1000; i++)
		assert_false(admit_crowd(&c, 5000, now));
	assert_true(admit_crowd(&c, 5000, now));
	assert_true(admit_crowd(&c, 5000, now + 15000)); /* the rest of it */
	assert_false(admit_crowd(&c, 5000, now + 60000));
	now += 100000;
	for (unsigned i = 0; i < 10000; i++)
		assert_false(admit_crowd(&c, 100000, now));
	assert_true(admit_crowd(&c, 100000, now));
}

static void test_admit_spreads_over_all_of_an_interval(void **state)
{
	unsigned tenths[11] = {0};

	(void)state;
	for (uint32_t random = 0; random < 11000; random++) {
		int64_t s = admit_spread_s(1000, random);
		assert_in_range(s, 1, 1100);
		tenths[(s - 1) / 100]++;
	}
	for (int i = 0; i < 11; i++)
		assert_int_equal(tenths[i], 1000);
	assert_int_equal(admit_spread_s(1, 0), 1);
}

/* ---- a group's gate before that of all ---- */

static struct admit_gate own;

static void two_gates(int64_t of_group, int64_t of_all)
{
	admit_gate_init(&own);
	own.above = &gate;
	own.tokens = of_group;
	gate.tokens = of_all;
	for (int i = 0; i < PLACES; i++)
		places[i].own = i % 2 ? &own : NULL; /* the odd ones are the group's */
}

static void test_admit_of_a_full_group_nobody_waits_before_others(void **state)
{
	(void)state;
	two_gates(1, 2);
	admit_take(&own);
	admit_take(&gate);
	for (int i = 1; i < PLACES; i += 2) {
		assert_false(admit_may(&own, &places[i], NOW));
		admit_wait(&own, &places[i], 1, NOW);
	}
	/* a hundred of them are about to come, and there is a token of all */
	assert_true(admit_may(&gate, &places[0], NOW + 1000));
	assert_int_equal(admit_ahead(&gate, NULL), 0);
	assert_int_equal(own.waiting, 100);
}

static void test_admit_of_a_group_as_many_wait_at_the_last_gate_as_may_begin(void **state)
{
	(void)state;
	two_gates(2, 1);
	admit_take(&gate);
	admit_wait(&gate, &places[0], 1, NOW);
	for (int i = 1; i < 4; i += 2) {
		assert_true(admit_may(&own, &places[i], NOW));
		assert_false(admit_may(&gate, &places[i], NOW));
		admit_wait(&gate, &places[i], 1, NOW);
	}
	assert_int_equal(own.kept, 2);
	assert_false(admit_may(&own, &places[5], NOW));
	admit_wait(&own, &places[5], 1, NOW);
	/* theirs is kept for them, also when they ask again; and it is the others' turn first */
	assert_true(admit_may(&own, &places[1], NOW + 1000));
	admit_wait(&gate, &places[1], 1, NOW + 1000);
	assert_int_equal(own.kept, 2);
	admit_give(&gate, 1000);
	assert_true(admit_may(&gate, &places[0], NOW + 1000));
	assert_false(admit_may(&gate, &places[1], NOW + 1000));
	/* who does not come keeps nothing from the others of his group */
	assert_null(admit_late(&gate, NOW + 60000));
	assert_int_equal(own.kept, 0);
	assert_true(admit_may(&own, &places[5], NOW + 60000));
	admit_wait(&gate, &places[5], 1, NOW + 60000);
	assert_int_equal(own.kept, 1);
	/* one that comes late is asked again at its own gate, and has its old place */
	assert_true(admit_may(&own, &places[1], NOW + 60000));
	admit_wait(&gate, &places[1], 1, NOW + 60000);
	assert_int_equal(own.kept, 2);
	assert_ptr_equal(gate.queue.next, &places[1].link);
	assert_false(admit_may(&own, &places[3], NOW + 60000));
	admit_wait(&own, &places[3], 1, NOW + 60000);
	assert_int_equal(own.kept, 2);
	assert_int_equal(gate.waiting, 3);
	assert_int_equal(gate.away, 1); /* places[0] */
	for (int i = 0; i < 6; i++)
		admit_leave(&places[i]);
	assert_int_equal(own.kept, 0);
	assert_int_equal(own.waiting, 0);
	assert_int_equal(gate.waiting, 0);
}

/* Who has waited for his group comes among those of his time, not behind all. */
static void test_admit_a_place_keeps_its_time_from_gate_to_gate(void **state)
{
	(void)state;
	two_gates(1, 1);
	admit_take(&gate);
	admit_take(&own);
	for (int i = 0; i < PLACES; i++)
		admit_wait(i % 2 ? &own : &gate, &places[i], 1, NOW);
	admit_give(&own, -1);
	admit_wait(&gate, &places[7], 1, NOW); /* near the beginning */
	assert_ptr_equal(places[7].link.next, &places[8].link);
	admit_leave(&places[7]);
	admit_wait(&gate, &places[191], 1, NOW); /* near the end */
	assert_ptr_equal(places[191].link.next, &places[192].link);
	assert_int_equal(own.kept, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_admit_tokens_are_no_more_than_the_rate_can_feed, setup),
		cmocka_unit_test_setup(test_admit_without_a_limit_all_may, setup),
		cmocka_unit_test_setup(test_admit_as_many_as_there_are_tokens_and_no_more, setup),
		cmocka_unit_test_setup(test_admit_a_token_is_for_him_who_is_about_to_come, setup),
		cmocka_unit_test_setup(test_admit_who_has_been_next_for_long_is_waited_for_longer,
				       setup),
		cmocka_unit_test_setup(
			test_admit_who_comes_late_has_kept_his_place_until_he_is_forgotten, setup),
		cmocka_unit_test_setup(
			test_admit_the_next_ones_come_often_and_the_others_at_three_quarters,
			setup),
		cmocka_unit_test_setup(test_admit_while_nothing_is_known_a_crowd_is_spread, setup),
		cmocka_unit_test_setup(test_admit_calls_one_for_each_token_and_once, setup),
		cmocka_unit_test_setup(test_admit_only_an_offer_can_find_no_token, setup),
		cmocka_unit_test_setup(test_admit_a_tenth_of_the_fleet_in_ten_seconds_is_a_crowd,
				       setup),
		cmocka_unit_test_setup(test_admit_spreads_over_all_of_an_interval, setup),
		cmocka_unit_test_setup(test_admit_of_a_full_group_nobody_waits_before_others,
				       setup),
		cmocka_unit_test_setup(
			test_admit_of_a_group_as_many_wait_at_the_last_gate_as_may_begin, setup),
		cmocka_unit_test_setup(test_admit_a_place_keeps_its_time_from_gate_to_gate, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
