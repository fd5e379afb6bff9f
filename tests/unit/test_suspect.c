/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/suspect.h"

static void test_suspect_counts_each_device_once(void **state)
{
	struct suspects s = {0};

	(void)state;
	assert_int_equal(suspects_count(&s, 1, 0, 7), 1);
	assert_int_equal(suspects_count(&s, 1, 0, 7), 1);
	assert_int_equal(suspects_count(&s, 1, 0, 8), 2);
	assert_int_equal(suspects_count(&s, 2, 0, 9), 1);
	suspects_clear(&s, 1);
	assert_int_equal(suspects_count(&s, 1, 0, 8), 1);
	assert_int_equal(suspects_count(&s, 2, 0, 10), 2);
	assert_int_equal(suspects_count(&s, 2, 5, 11), 1); /* it was activated again */
}

static void test_suspect_keeps_the_newest_and_no_more(void **state)
{
	struct suspects s = {0};

	(void)state;
	for (unsigned i = 1; i <= SUSPECTS; i++)
		assert_int_equal(suspects_count(&s, i, 0, 1), 1);
	assert_int_equal(suspects_count(&s, 1, 0, 2), 2);
	assert_int_equal(suspects_count(&s, SUSPECTS + 1, 0, 1), 1); /* for the second */
	assert_int_equal(suspects_count(&s, 1, 0, 3), 3);
	assert_int_equal(suspects_count(&s, 2, 0, 2), 1);
	for (unsigned i = 1; i <= SUSPECT_DEVICES; i++)
		assert_int_equal(suspects_count(&s, 9, 1, i), i);
	assert_int_equal(suspects_count(&s, 9, 1, SUSPECT_DEVICES + 1), SUSPECT_DEVICES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_suspect_counts_each_device_once),
		cmocka_unit_test(test_suspect_keeps_the_newest_and_no_more),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
