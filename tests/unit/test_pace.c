/* SPDX-License-Identifier: Apache-2.0
 *
 * core/pace: when a block may go out, who waits and who is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/pace.h"

enum { SECOND = 1000000, BURST = PACE_BURST_MS * 1000 };

static void test_bucket_lets_out_the_rate_and_a_burst_after_a_rest(void **state)
{
	struct bucket b = {0};
	int64_t now = 5 * (int64_t)SECOND, bytes = 0;

	(void)state;
	while (bucket_wait_us(&b, 102400, now) == 0) {
		bucket_take(&b, 102400, 1024, now);
		bytes += 1024;
	}
	assert_int_equal(bytes, 11264); /* a tenth of a second's worth, and the one that ends it */
	for (int64_t end = now + 10 * (int64_t)SECOND; now < end;) {
		int64_t wait = bucket_wait_us(&b, 102400, now);
		now += wait;
		if (!wait) {
			bucket_take(&b, 102400, 1024, now);
			bytes += 1024;
		}
	}
	assert_in_range(bytes, 1024000, 1024000 + 2 * 11264);
	now += 1000 * (int64_t)SECOND; /* a long rest is worth no more than a short one */
	for (bytes = 0; bucket_wait_us(&b, 102400, now) == 0; bytes += 1024)
		bucket_take(&b, 102400, 1024, now);
	assert_int_equal(bytes, 11264);
}

static void test_bucket_without_a_rate_never_waits_and_owes_nothing_later(void **state)
{
	struct bucket b = {0};

	(void)state;
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(bucket_wait_us(&b, 0, SECOND), 0);
		bucket_take(&b, 0, INT32_MAX, SECOND);
	}
	assert_int_equal(bucket_wait_us(&b, 2048, SECOND), 0);
	bucket_take(&b, 2048, 20480, SECOND);
	assert_int_equal(bucket_wait_us(&b, 2048, SECOND), 10 * SECOND - BURST);
	assert_int_equal(bucket_wait_us(&b, 0, SECOND), 0); /* the limit was lifted */
}

static void test_pace_expects_the_longer_of_both_rates(void **state)
{
	static const struct {
		struct pace_ask ask;
		int64_t us;
	} rows[] = {
		{{.bytes = 1024}, 0},
		/* its own rate */
		{{.device_rate = 1000, .device_wait_us = 5, .bytes = 1024}, 5},
		{{.device_rate = 1000,
		  .device_wait_us = 5,
		  .device_held_bytes = 1000,
		  .all_held_bytes = 1000,
		  .bytes = 1024},
		 SECOND + 5},
		/* the rate of all: alone */
		{{.all_rate = 1000, .all_wait_us = 7, .bytes = 1000}, 7},
		{{.all_rate = 1000,
		  .device_held_bytes = 2000,
		  .all_held_bytes = 2000,
		  .bytes = 1000},
		 2 * SECOND},
		/* 9 others with much: one turn of each of them, not all that they wait for */
		{{.all_rate = 1000, .all_held_bytes = 90000, .devices = 9, .bytes = 1000},
		 9 * SECOND},
		/* and with little: what there is */
		{{.all_rate = 1000, .all_held_bytes = 3000, .devices = 9, .bytes = 1000},
		 3 * SECOND},
		/* its group's rate, in turns with the others of the group only */
		{{.group_rate = 1000, .group_wait_us = 9, .bytes = 1000}, 9},
		{{.group_rate = 1000,
		  .group_held_bytes = 90000,
		  .group_devices = 2,
		  .all_rate = 1000000,
		  .all_held_bytes = 900000,
		  .devices = 99,
		  .bytes = 1000},
		 2 * SECOND},
		{{.all_held_bytes = 5000, .group_held_bytes = 5000, .bytes = 1000}, 0},
		{{.all_rate = 1000,
		  .device_rate = 1000,
		  .device_wait_us = 4 * SECOND,
		  .all_held_bytes = 3000,
		  .devices = 9,
		  .bytes = 1000},
		 4 * SECOND},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(pace_expect_us(&rows[i].ask), rows[i].us);
}

static void test_pace_age_is_at_least_the_wait_spread_and_bounded(void **state)
{
	(void)state;
	assert_int_equal(pace_age_s(0, 0), 1);
	assert_int_equal(pace_age_s(900000, 0), 1);
	assert_int_equal(pace_age_s(900000, 1), 2);
	assert_int_equal(pace_age_s(4 * SECOND, 0), 5);
	assert_int_equal(pace_age_s(4 * SECOND, 5), 10);
	for (uint32_t random = 0; random < 1000; random++)
		assert_in_range(pace_age_s(INT64_MAX, random), PACE_AGE_MAX_S / 2, PACE_AGE_MAX_S);
}

static void test_pace_share_is_the_smaller_of_the_own_rate_and_an_equal_part(void **state)
{
	(void)state;
	assert_int_equal(pace_share(0, 0, 5), 0);
	assert_int_equal(pace_share(1000, 0, 5), 1000);
	assert_int_equal(pace_share(0, 6000, 5), 1000);
	assert_int_equal(pace_share(500, 6000, 5), 500);
	assert_int_equal(pace_share(5000, 6000, 5), 1000);
	assert_int_equal(pace_share(0, 3, 5), 1); /* 0 would be any */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bucket_lets_out_the_rate_and_a_burst_after_a_rest),
		cmocka_unit_test(test_bucket_without_a_rate_never_waits_and_owes_nothing_later),
		cmocka_unit_test(test_pace_expects_the_longer_of_both_rates),
		cmocka_unit_test(test_pace_age_is_at_least_the_wait_spread_and_bounded),
		cmocka_unit_test(test_pace_share_is_the_smaller_of_the_own_rate_and_an_equal_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
