/* SPDX-License-Identifier: Apache-2.0
 *
 * What `explain` says of the rules that keep a release from a device.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "view_rows.h"

static struct engine_device now;

static int setup(void **state)
{
	(void)state;
	now = device_full();
	return 0;
}

static void assert_says(const char *key, const char *words)
{
	const struct view_device v = {.now = &now};
	json_t *o;

	replan(&now);
	o = view_explain(&v, T0 + 90000);
	char *text = json_dumps(json_object_get(o, key), JSON_ENCODE_ANY);
	if (!strstr(text, words))
		fail_msg("no \"%s\" in %s", words, text);
	free(text);
	json_decref(o);
}

static void test_view_rules_battery(void **state)
{
	(void)state;
	now.product.policy.min_battery_percent = 81;
	assert_says("blocked_by", "preflight-power");
	assert_says("blocked_by", "it reports 80 %, and an update wants 81 %");
	assert_says("summary", "It waits: the device's battery is too low for an update.");
	assert_says("next_steps",
		    "charge it, or: postbootctl product set blinky min-battery-percent=N");
}

static void test_view_rules_space(void **state)
{
	(void)state;
	now.product.policy.need_file_space = 1;
	now.product.policy.space_margin_bytes = 4096;
	now.device.report.has_cached = false;
	assert_says("blocked_by", "are free, and 4096 of them must stay so");
	now.device.report.slot_bytes = 10;
	assert_says("blocked_by", "bytes, the slot 10");
	assert_says("summary", "It waits: the device has no room for the image.");
}

static void test_view_rules_downgrade(void **state)
{
	(void)state;
	now.product.policy.allow_downgrade = 0;
	strcpy(now.device.report.version, "1.2.0");
	assert_says("blocked_by", "1.1.0 is older than 1.2.0, which it runs");
	assert_says("next_steps", "postbootctl device lock dev-1 VERSION, or: postbootctl product "
				  "set blinky allow-downgrade=1");
	strcpy(now.device.report.version, "tuesday");
	assert_says("blocked_by", "nothing tells whether 1.1.0 is newer than tuesday");
	now.device.lock = now.target.id;
	assert_says("summary", "It will be offered the image");
}

#define T(name) cmocka_unit_test_setup(test_##name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(view_rules_battery),
		T(view_rules_space),
		T(view_rules_downgrade),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
