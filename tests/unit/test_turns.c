/* SPDX-License-Identifier: Apache-2.0
 *
 * When a step of work is to end, by clocks that are numbers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/turns.h"

/* A turn that began at 1 s of the clock, of which the loop had waited 400 ms, and at 300 ms of the
 * thread's time. */
static const struct turns turn = {.began_ns = 1000000000, .idle_ns = 400000000, .began_us = 300000};

/* So long after that it is asked: by the clock, by what the loop has waited, by the thread. */
static bool is_over(int64_t step_began_us, uint64_t lasts_us, uint64_t waits_us, int64_t uses_us)
{
	const struct turn_clock now = {.now_ns = turn.began_ns + lasts_us * 1000,
				       .idle_ns = turn.idle_ns + waits_us * 1000,
				       .thread_us = turn.began_us + uses_us};

	return turn_is_over_at(&turn, turn.began_us + step_began_us, &now);
}

static void test_budget(void **state)
{
	(void)state;
	assert_false(is_over(0, 0, 0, 0));
	assert_false(is_over(0, TURN_STEP_US - 1, 0, TURN_STEP_US - 1));
	assert_true(is_over(0, TURN_STEP_US, 0, TURN_STEP_US));
}

/* What was done before it in the turn counts, but for the least that it gets. */
static void test_least(void **state)
{
	(void)state;
	for (int64_t before_us = TURN_STEP_US; before_us <= 100000; before_us *= 2) {
		int64_t us = before_us + TURN_LEAST_US;
		assert_false(is_over(before_us, (uint64_t)us, 0, us - 1));
		assert_true(is_over(before_us, (uint64_t)us, 0, us));
	}
}

/* Others have the processor: the step goes on, or each turn would do next to nothing. */
static void test_busy_machine(void **state)
{
	(void)state;
	assert_false(is_over(0, TURN_LONG_US - 1, 0, TURN_LEAST_US));
	assert_false(is_over(0, TURN_LONG_US - 1, 0, TURN_STEP_US - 1));
	assert_true(is_over(0, TURN_LONG_US - 1, 0, TURN_STEP_US));
}

/* But not for ever; and not without the least. */
static void test_long(void **state)
{
	(void)state;
	assert_false(is_over(0, TURN_LONG_US, 0, TURN_LEAST_US - 1));
	assert_true(is_over(0, TURN_LONG_US, 0, TURN_LEAST_US));
	assert_false(is_over(0, (uint64_t)100 * TURN_LONG_US, 0, TURN_LEAST_US - 1));
}

/* What the loop waited for events is not of the turn. */
static void test_waiting(void **state)
{
	(void)state;
	assert_false(is_over(0, (uint64_t)1000 * TURN_LONG_US, (uint64_t)1000 * TURN_LONG_US,
			     TURN_LEAST_US));
	assert_true(is_over(0, (uint64_t)1001 * TURN_LONG_US, (uint64_t)1000 * TURN_LONG_US,
			    TURN_LEAST_US));
}

static void test_without_loop(void **state)
{
	struct turns hasty = {.hasty = true}, still = {0};

	(void)state;
	assert_false(turn_is_over(NULL, 0));
	assert_false(turn_is_over(&still, 0));
	assert_true(turn_is_over(&hasty, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_budget),	     cmocka_unit_test(test_least),
		cmocka_unit_test(test_busy_machine), cmocka_unit_test(test_long),
		cmocka_unit_test(test_waiting),	     cmocka_unit_test(test_without_loop),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
