/* SPDX-License-Identifier: Apache-2.0
 *
 * A rollout's dry run over devices with maintenance windows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/admin_fixture.h"

static void stored(void *ctx, const struct store_result *result)
{
	assert_int_equal(result->err, 0);
	*(bool *)ctx = true;
}

static void put(struct fixture *f, const struct device *d)
{
	bool done = false;
	struct store_set *set = store_set_new(stored, &done);

	assert_non_null(set);
	store_set_device(set, d);
	store_submit(f->store, set);
	while (!done)
		turn(f);
}

static struct device device(unsigned n, const char *windows)
{
	struct device d = {.product = 1, .certified = true, .has_report = true, .online = true};

	(void)snprintf(d.id, sizeof(d.id), "d%03u", n);
	(void)snprintf(d.windows, sizeof(d.windows), "%s", windows);
	(void)snprintf(d.report.version, sizeof(d.report.version), "1.0");
	d.report.slot_bytes = d.report.fs_free_bytes = d.report.battery_percent = -1;
	d.report.supply_mv = d.report.updates_enabled = -1;
	return d;
}

/* Windows that are not open in the next days: a day of the week, four to come. */
static const char *closed_window(char dst[64], unsigned minute)
{
	static const char *const days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
	int64_t day = clock_read().wall_ms / 86400000 + 4; /* 1970-01-01 was a Thursday */

	(void)snprintf(dst, 64, "%s %02u:%02u-23:59", days[(day + 3) % 7], minute / 60,
		       minute % 60);
	return dst;
}

static void begin(struct fixture *f)
{
	product_p(f);
	assert_int_equal(ask_upload(f, "2.0", "abc", 3), 201);
}

static void plan(struct fixture *f, const char *query)
{
	char path[128];

	assert_int_equal(ask(f, "POST", "/v1/products/p/rollouts",
			     "{\"name\":\"r\",\"release\":\"2.0\",\"waves\":\"100%\"}"),
			 201);
	(void)snprintf(path, sizeof(path), "/v1/products/p/rollouts/r/plan%s", query);
	assert_int_equal(ask(f, "GET", path, NULL), 200);
}

static void test_plan_waits_for_windows(void **state)
{
	struct fixture *f = *state;
	char text[64];
	struct device d[] = {device(0, ""), device(1, closed_window(text, 0)), device(2, text),
			     device(3, text)};

	begin(f);
	d[2].force = true; /* it does not wait for a window */
	d[3].hold = HOLD_OPERATOR;
	for (size_t i = 0; i < sizeof(d) / sizeof(d[0]); i++)
		put(f, &d[i]);
	plan(f, "?days=2");
	assert_says(f, "\"selected\":4,\"elsewhere\":0,\"offers\":2,\"later\":1,");
	assert_says(f, "\"held\":1");
	assert_says(f, "\"outside-window\":2");
	assert_says(f, "\"devices\":1,\"opens\":");
	assert_says(f, "\"no_window\":{\"days\":2,\"devices\":1,\"named\":[\"d001\"]}");
	assert_int_equal(ask(f, "GET", "/v1/products/p/rollouts/r/plan?days=5", NULL), 200);
	assert_says(f, "\"no_window\":{\"days\":5,\"devices\":0,\"named\":[]}");
	/* A product that does not look at windows. */
	assert_int_equal(ask(f, "PATCH", "/v1/products/p",
			     "{\"policy\":{\"window_download\":0,\"window_apply\":0}}"),
			 200);
	assert_int_equal(ask(f, "GET", "/v1/products/p/rollouts/r/plan?days=1", NULL), 200);
	assert_says(f, "\"offers\":3,\"later\":0,");
	assert_says(f, "\"windows\":[],\"no_window\":{\"days\":1,\"devices\":0,");
}

/* More windows than are reckoned apart, more devices than are named (LIMIT_PLAN_NAMED). */
static void test_plan_is_bounded(void **state)
{
	struct fixture *f = *state;
	struct device d;
	char text[64];

	begin(f);
	for (unsigned i = 0; i < LIMIT_PLAN_SITES + 1; i++) {
		d = device(i, closed_window(text, i));
		put(f, &d);
		if (i != LIMIT_PLAN_SITES - 1)
			continue;
		plan(f, "");
		assert_null(strstr(f->answer, "windows_unlisted"));
		assert_int_equal(ask(f, "DELETE", "/v1/products/p/rollouts/r", NULL), 204);
	}
	plan(f, "?days=1");
	assert_says(f, "\"later\":65,");
	assert_says(f, "\"windows_unlisted\":1,");
	assert_says(f, "\"devices\":64,\"named\":[\"d000\",\"d001\",\"d002\",\"d003\",\"d004\","
		       "\"d005\",\"d006\",\"d007\",\"d008\",\"d009\"]}");
}

/* Devices are looked at in turns: one more than there are in a turn. */
static void test_turns_see_every_device(void **state)
{
	struct fixture *f = *state;

	begin(f);
	for (unsigned i = 0; i < LIMIT_SURVEY_ROWS; i++) {
		struct device d = device(i, "");
		put(f, &d);
	}
	plan(f, "");
	assert_says(f, "\"selected\":100,");
	struct device d = device(LIMIT_SURVEY_ROWS, "");
	put(f, &d);
	assert_int_equal(ask(f, "GET", "/v1/products/p/rollouts/r/plan", NULL), 200);
	assert_says(f, "\"selected\":101,");
	assert_says(f, "\"offers\":101,");
	assert_int_equal(ask(f, "GET", "/v1/products/p/releases/2.0/explain", NULL), 200);
	assert_says(f, "\"devices\":{\"of_product\":101,\"running\":0,");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_CASE(test_plan_waits_for_windows),
		FIXTURE_CASE(test_plan_is_bounded),
		FIXTURE_CASE(test_turns_see_every_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
