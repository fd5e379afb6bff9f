/* SPDX-License-Identifier: Apache-2.0
 *
 * core/window: the window by what is seen of a link.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/window.h"

static unsigned hint(unsigned window, struct link_facts link)
{
	struct policy p;

	policy_init(&p);
	p.window = window;
	return window_hint(&p, &link, 0);
}

static void test_window_of_each_row_and_just_below_it(void **state)
{
	static const struct {
		uint32_t messages, repeats, rtt_ms;
		unsigned hint; /* of 16 */
	} rows[] = {
		{0, 0, 0, 16}, /* nothing is known */
		{1000, 0, 0, 16},
		{1000, 9, 0, 16},
		{1000, 10, 0, 12},
		{1000, 22, 0, 12},
		{1000, 23, 0, 8},
		{1000, 40, 0, 8},
		{1000, 41, 0, 6},
		{1000, 92, 0, 6},
		{1000, 93, 0, 4},
		{1000, 164, 0, 4},
		{1000, 165, 0, 3},
		{1000, 249, 0, 3},
		{1000, 250, 0, 2},
		{1000, 399, 0, 2},
		{1000, 400, 0, 1},
		{1000, 5000, 0, 1}, /* each several times */
		{0, 0, 1, 16},
		{0, 0, 999, 16},
		{0, 0, 1000, 8},
		{0, 0, 1499, 8},
		{0, 0, 1500, 4},
		{0, 0, 1999, 4},
		{0, 0, 2000, 2},
		{0, 0, 65535, 2},
		/* the smaller of both */
		{1000, 100, 1000, 4},
		{1000, 5, 1500, 4},
		/* slower than the time-out: what is repeated was not lost */
		{1000, 1000, 2000, 2},
		{1000, 1000, 1999, 1},
		/* of few messages a share says nothing */
		{49, 49, 0, 16},
		{50, 50, 0, 1},
		{UINT32_MAX, UINT32_MAX, 0, 1},
		{UINT32_MAX, 0, 0, 16},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(hint(16, (struct link_facts){rows[i].messages, rows[i].repeats,
							      rows[i].rtt_ms}),
				 rows[i].hint);
}

static void test_window_is_never_above_the_products_and_never_none(void **state)
{
	(void)state;
	for (unsigned window = 1; window <= WINDOW_MAX; window++) {
		for (uint32_t repeats = 0; repeats <= 1000; repeats += 7) {
			for (uint32_t rtt = 0; rtt < 4000; rtt += 250) {
				unsigned h = hint(window, (struct link_facts){1000, repeats, rtt});

				assert_in_range(h, 1, window);
			}
		}
	}
}

static void test_window_forgets_a_place_the_device_has_left(void **state)
{
	struct link_facts bad = {400, 200, 1200}, good = {400, 0, 80}, none = {0}, sum;

	(void)state;
	assert_int_equal(hint(16, bad), 1);
	sum = window_link_add(&bad, &none); /* a new session: what was is all there is */
	assert_int_equal(hint(16, sum), 1);
	assert_int_equal(sum.rtt_ms, 1200);
	for (int i = 0; i < 6; i++)
		sum = window_link_add(&sum, &good);
	assert_int_equal(hint(16, sum), 16);
	assert_int_equal(sum.rtt_ms, 80);
}

static void test_window_counts_do_not_wrap(void **state)
{
	struct link_facts much = {UINT32_MAX, UINT32_MAX, 5}, sum;

	(void)state;
	sum = window_link_add(&much, &much);
	assert_int_equal(sum.messages, UINT32_MAX);
	assert_int_equal(sum.repeats, UINT32_MAX);
}

/* No more than is served or held back (core/pace.h): the rest would be refused. */
static void test_window_is_what_a_rate_lets_out(void **state)
{
	static const struct {
		int64_t rate, block;
		unsigned hint; /* of 16 */
	} rows[] = {
		{1, 1024, 1},	       {2559, 1024, 1},	  {2560, 1024, 2},   {3839, 1024, 2},
		{3840, 1024, 3},       {19199, 1024, 14}, {19200, 1024, 15}, {20480, 1024, 16},
		{INT64_MAX, 1024, 16}, {2048, 256, 6},
	};
	struct link_facts link = {0};
	struct policy p;

	(void)state;
	policy_init(&p);
	p.window = 16;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		p.block_bytes = rows[i].block;
		assert_int_equal(window_hint(&p, &link, rows[i].rate), rows[i].hint);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_window_of_each_row_and_just_below_it),
		cmocka_unit_test(test_window_is_never_above_the_products_and_never_none),
		cmocka_unit_test(test_window_forgets_a_place_the_device_has_left),
		cmocka_unit_test(test_window_counts_do_not_wrap),
		cmocka_unit_test(test_window_is_what_a_rate_lets_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
