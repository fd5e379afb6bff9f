/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/watchdog.h"

enum { LIMIT_MS = 1000, START_MS = 5000 };

static void test_an_idle_store_is_no_stuck_one(void **state)
{
	struct watchdog w = watchdog_init(LIMIT_MS, START_MS);

	(void)state;
	assert_true(watchdog_may_feed(&w, 0, 0, START_MS));
	assert_true(watchdog_may_feed(&w, 0, 0, START_MS + 100 * LIMIT_MS));
	/* The first work after a long rest has its own time. */
	assert_true(watchdog_may_feed(&w, 1, 0, START_MS + 100 * LIMIT_MS + LIMIT_MS - 1));
}

static void test_a_slow_store_is_fed_while_it_moves(void **state)
{
	struct watchdog w = watchdog_init(LIMIT_MS, START_MS);

	(void)state;
	for (uint64_t i = 1; i < 50; i++)
		assert_true(watchdog_may_feed(&w, 500, i, START_MS + (int64_t)i * (LIMIT_MS - 1)));
}

static void test_a_stuck_store_starves_until_it_moves(void **state)
{
	struct watchdog w = watchdog_init(LIMIT_MS, START_MS);

	(void)state;
	assert_true(watchdog_may_feed(&w, 3, 7, START_MS));
	assert_true(watchdog_may_feed(&w, 4, 7, START_MS + LIMIT_MS - 1));
	assert_false(watchdog_may_feed(&w, 5, 7, START_MS + LIMIT_MS));
	assert_true(w.starving);
	assert_false(watchdog_may_feed(&w, 5, 7, START_MS + 2 * LIMIT_MS));
	assert_true(watchdog_may_feed(&w, 4, 8, START_MS + 2 * LIMIT_MS + 1));
	assert_false(w.starving);
	assert_false(watchdog_may_feed(&w, 4, 8, START_MS + 3 * LIMIT_MS + 1));
	assert_true(watchdog_may_feed(&w, 0, 8, START_MS + 3 * LIMIT_MS + 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_idle_store_is_no_stuck_one),
		cmocka_unit_test(test_a_slow_store_is_fed_while_it_moves),
		cmocka_unit_test(test_a_stuck_store_starves_until_it_moves),
	};

	return cmocka_run_group_tests_name("watchdog", tests, NULL, NULL);
}
