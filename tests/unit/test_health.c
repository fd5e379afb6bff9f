/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of what is wrong, and its JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "daemon/health.h"

static void changed(void *ctx)
{
	++*(unsigned *)ctx;
}

static void test_begins_and_ends_once(void **state)
{
	struct health h;
	unsigned changes = 0;

	(void)state;
	health_init(&h);
	h.on_change = changed;
	h.ctx = &changes;
	assert_string_equal(health_word(&h), "ok");
	health_clear(&h, HEALTH_DATABASE_WRITE);
	assert_int_equal(changes, 0);
	for (int i = 0; i < 3; i++)
		health_set(&h, HEALTH_DATABASE_WRITE, "free space", "failure %d", i);
	assert_int_equal(changes, 1);
	assert_string_equal(h.list[HEALTH_DATABASE_WRITE].what, "failure 2");
	assert_true(h.list[HEALTH_DATABASE_WRITE].since_ms > 0);
	assert_string_equal(health_word(&h), "degraded");
	health_clear(&h, HEALTH_DATABASE_WRITE);
	assert_int_equal(changes, 2);
	assert_int_equal(health_count(&h), 0);
}

static void test_a_warning_does_not_degrade(void **state)
{
	struct health h;

	(void)state;
	health_init(&h);
	for (int id = 0; id < HEALTH_COUNT; id++)
		if (!health_degrades((enum health_id)id))
			health_set(&h, (enum health_id)id, "do", "what");
	assert_true(health_count(&h) > 0);
	assert_false(health_is_degraded(&h));
	for (int id = 0; id < HEALTH_COUNT; id++) {
		if (!health_degrades((enum health_id)id))
			continue;
		health_set(&h, (enum health_id)id, "do", "what");
		assert_true(health_is_degraded(&h));
		health_clear(&h, (enum health_id)id);
		assert_false(health_is_degraded(&h));
	}
}

/* What comes from elsewhere must not end the quotes that it stands in, nor be cut in two. */
static void test_long_and_quoted_words_are_made_safe(void **state)
{
	struct health h;
	char longer[600];

	(void)state;
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = 0;
	health_init(&h);
	health_set(&h, HEALTH_CLOCK, longer, "a \"quoted\" %s", longer);
	assert_null(strchr(h.list[HEALTH_CLOCK].what, '"'));
	assert_int_equal(strlen(h.list[HEALTH_CLOCK].what), sizeof(h.list[0].what) - 1);
	assert_int_equal(strlen(h.list[HEALTH_CLOCK].todo), sizeof(h.list[0].todo) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_begins_and_ends_once),
		cmocka_unit_test(test_a_warning_does_not_degrade),
		cmocka_unit_test(test_long_and_quoted_words_are_made_safe),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
