/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/schema.h"

static void test_schema_steps_count_up_from_one(void **state)
{
	(void)state;
	int want = 1;
	for (const struct schema_step *s = schema_steps; s->sql; s++, want++) {
		assert_int_equal(s->version, want);
		assert_non_null(s->name);
		assert_true(strlen(s->sql) > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_schema_steps_count_up_from_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
