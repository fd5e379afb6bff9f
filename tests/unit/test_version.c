/* SPDX-License-Identifier: Apache-2.0
 *
 * core/version: the order of labels.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/version.h"

static void assert_order(const char *a, const char *b, enum order want)
{
	enum order back = want == ORDER_BEFORE	? ORDER_AFTER
			  : want == ORDER_AFTER ? ORDER_BEFORE
						: want;

	if (version_order(a, b) != want)
		fail_msg("%s as seen from %s: %d, not %d", a, b, version_order(a, b), want);
	if (version_order(b, a) != back)
		fail_msg("%s as seen from %s: %d, not %d", b, a, version_order(b, a), back);
}

/* Each goes before all that come after it. */
static void test_version_order_is_total_among_those_that_have_one(void **state)
{
	static const char *const rising[] = {
		"0",
		"0.0.1",
		"0.9.9",
		"v1.0.0-0",
		"1.0.0-1",
		"1.0.0-9",
		"1.0.0-10",
		"1.0.0-18446744073709551616",
		"1.0.0-alpha",
		"1.0-alpha.1",
		"V1.0.0-alpha.2",
		"1.0.0-alpha.10",
		"1-alpha.b",
		"1-alpha.b.0",
		"1.0.0-beta",
		"1.0.0-rc.1+5",
		"1.0.0",
		"1.0.0.1",
		"1.0.2",
		"1.0.10",
		"1.2",
		"2",
		"20251123",
		"20251124-1",
		"20251124",
		"99999999999999999999999999999.0",
		"100000000000000000000000000000",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rising) / sizeof(rising[0]); i++)
		for (size_t j = 0; j < sizeof(rising) / sizeof(rising[0]); j++)
			assert_order(rising[i], rising[j],
				     i < j   ? ORDER_BEFORE
				     : i > j ? ORDER_AFTER
					     : ORDER_SAME);
}

static void test_version_same_place_under_other_names(void **state)
{
	static const char *const same[][2] = {
		{"1.2", "1.2.0"},	   {"1", "1.0.0.0"},	   {"v1.2.3", "1.2.3"},
		{"01.002", "1.2"},	   {"1.2.3+5", "1.2.3+6"}, {"1.2.3+5", "1.2.3"},
		{"1.0-rc.01", "1.0-rc.1"}, {"1.0+a-b.c", "1.0.0"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		assert_order(same[i][0], same[i][1], ORDER_SAME);
}

static void test_version_labels_without_an_order(void **state)
{
	static const char *const none[] = {
		"nightly",  "v",       "1.",   ".1",	      "1..2", "1.2-",
		"1.2-a..b", "1.2+",    "1.2a", "1.2_3",	      "-1.2", "1.2-a_b",
		"vv1.2",    "1.2+a+b", "1.x",  "release-1.2",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		assert_order(none[i], none[i], ORDER_SAME);
		assert_order(none[i], "1.2.0", ORDER_NONE);
		assert_false(version_at_least(none[i], "0"));
		assert_false(version_at_least("99", none[i]));
		assert_true(version_at_least(none[i], none[i]));
		if (i)
			assert_order(none[i], none[i - 1], ORDER_NONE);
	}
}

static void test_version_at_least(void **state)
{
	(void)state;
	assert_true(version_at_least("1.5.0", "1.5"));
	assert_true(version_at_least("1.10", "1.9.9"));
	assert_false(version_at_least("1.5.0-rc1", "1.5"));
	assert_false(version_at_least("1.4.99", "1.5"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_version_order_is_total_among_those_that_have_one),
		cmocka_unit_test(test_version_same_place_under_other_names),
		cmocka_unit_test(test_version_labels_without_an_order),
		cmocka_unit_test(test_version_at_least),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
