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
		    "charge it, or: postbootctl product set blinky min-battery-percent=N (or "
		    "min-supply-mv=N)");
	now.product.policy.min_battery_percent = 1;
	assert_says("blocked_by", "the device says that its battery is low");
	now.product.policy.min_battery_percent = 0;
	assert_says("summary", "It says that its battery is low, which keeps no update from it: "
			       "min_battery_percent of its product is 0.");
	now.product.policy.min_supply_mv = 3301;
	assert_says("blocked_by", "it reports 3300 mV, and an update wants 3301 mV");
}

/* It does report a digest: to advise one would mislead. */
static void test_view_rules_digest_of_another_kind(void **state)
{
	(void)state;
	now.device.report.running.kind = DIGEST_ESP_APPENDED;
	now.device.report.running.len = DIGEST_SHA256;
	assert_says("blocked_by", "it reports a digest of kind esp-appended, and release 1.1.0 has "
				  "those of kind file");
	assert_says("next_steps",
		    "release add --running esp-appended:HEX, or let the device report "
		    "a digest of a kind that the release names");
	assert_says("next_steps", "postbootctl product set blinky require-digest=0");
}

static void test_view_rules_slot(void **state)
{
	(void)state;
	now.device.report.slot_bytes = 1000;
	now.target.size_bytes = 3000;
	now.target.image.slot_bytes = 1500;
	assert_says("blocked_by", "the image takes 1500 bytes, the slot has 1000");
	now.target.image.slot_bytes = 0;
	assert_says("blocked_by", "the image has 3000 bytes, the slot has 1000");
}

/* In its place, but on a release that nobody shall run. */
static void test_view_rules_bad_release(void **state)
{
	(void)state;
	strcpy(now.device.report.version, now.target.version);
	now.device.report.running = now.target.running[0];
	now.target.state = RELEASE_WITHDRAWN;
	now.runs_known = true;
	strcpy(now.runs, now.target.version);
	now.runs_state = RELEASE_WITHDRAWN;
	now.runs_state_ms = T0;
	now.goal_why = TARGET_LOCK;
	assert_says("runs", "{\"version\": \"1.1.0\", \"state\": \"withdrawn\"}");
	assert_says("summary", "The release that it runs, 1.1.0, was withdrawn ");
	assert_says("next_steps", "bring it to another release: postbootctl device lock");
	now.goal_why = TARGET_PRODUCT;
	now.target.state = now.runs_state = RELEASE_QUARANTINED;
	assert_says("next_steps",
		    "bring it to another release: postbootctl product target blinky VERSION, or, "
		    "if it is good after all: postbootctl release activate blinky 1.1.0");
}

static void test_view_rules_space(void **state)
{
	(void)state;
	now.product.policy.need_file_space = 1;
	now.product.policy.space_margin_bytes = 4096;
	now.device.report.has_cached = false;
	assert_says("blocked_by", "are free, and 4096 of them must stay so");
	now.device.report.troubles = TROUBLE_MEMORY_LOW;
	assert_says("blocked_by", "the device says that it is out of memory");
	now.device.report.slot_bytes = 10;
	assert_says("blocked_by", "bytes, the slot has 10");
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

static void test_view_rules_requirements(void **state)
{
	struct requires *q = &now.target.requires;

	(void)state;
	strcpy(q->hardware, "nrf9160\nnrf5340\nnrf91");
	strcpy(q->boot_loader, "mcuboot 3");
	strcpy(q->min_version, "1.0.5");
	q->has_security_counter = true;
	q->security_counter = 4;
	assert_says("blocked_by",
		    "the device says nrf52840, the release is for nrf9160, nrf5340 or nrf91");
	assert_says("blocked_by", "1.1.0 asks for mcuboot 3, and the device says mcuboot 2.1");
	assert_says("blocked_by", "1.1.0 asks for 1.0.5 or newer, and the device runs 1.0.0");
	assert_says("blocked_by", "1.1.0 has security counter 4, and the device has 5");
	now.device.report.boot_loader[0] = 0;
	assert_says("blocked_by", "and the device says nothing");
	now.no_way = true;
	strcpy(now.missing, "1.0.9");
	assert_says("blocked_by", "release 1.0.9, which must come before 1.1.0, is gone");
	now.missing[0] = 0;
	assert_says("blocked_by", "more than 16 releases must come before 1.1.0");
	assert_says("next_steps", "postbootctl device lock dev-1 VERSION");
}

static void test_view_rules_stepping_stone(void **state)
{
	(void)state;
	now.why = TARGET_STONE;
	strcpy(now.goal, "2.0");
	assert_says("summary",
		    "it should run 1.1.0 (the update to 2.0 goes through 1.1.0; target of product");
	assert_says("status", "\"why\": \"stepping-stone\", \"goal\": \"2.0\"");
	now.goal_why = TARGET_LOCK;
	now.device.lock = 9;
	assert_says("summary", "goes through 1.1.0; an operator locked it to that)");
	assert_says("status", "\"lock\": \"2.0\"");
}

/* It is 23:52 UTC, 00:52 of the next day one hour to the east. */
static void test_view_rules_window(void **state)
{
	(void)state;
	strcpy(now.product.windows, "01:00-05:00");
	strcpy(now.product.time_zone, "CET-1CEST,M3.5.0,M10.5.0/3");
	assert_says("blocked_by", "outside-window");
	assert_says("blocked_by", "it may be updated 01:00-05:00, by the clock of CET-1CEST");
	assert_says("blocked_by", "that is next at 2026-11-23 00:00 UTC");
	assert_says("summary", "no maintenance window is open until 2026-11-23 00:00 UTC (in ");
	assert_says("next_steps",
		    "wait until 2026-11-23 00:00 UTC, or: postbootctl device force dev-1");
	now.has_attempt = true;
	now.attempt = attempt_open();
	now.attempt.state = ATTEMPT_VERIFIED;
	assert_says("summary", "it has verified the image, and keeps it: no maintenance window is "
			       "open until 2026-11-23 00:00 UTC");
	now.product.policy.window_apply = 0;
	assert_says("summary", "has not asked to apply it yet");
	now.device.force = true;
	now.has_attempt = false;
	assert_says("summary", "It will be offered the image");
}

/* The group's windows by the clock of the device, which is in New York: 18:52. */
static void test_view_rules_window_of_a_site(void **state)
{
	(void)state;
	strcpy(now.product.windows, "23:00-24:00");
	now.has_group = true;
	strcpy(now.group.name, "pilot");
	strcpy(now.group.windows, "19:30-20:00");
	assert_says("blocked_by", "it may be updated 19:30-20:00, by the clock of UTC (windows of "
				  "group pilot); that is next at 2026-11-23 19:30 UTC\"");
	strcpy(now.device.time_zone, "EST5EDT,M3.2.0,M11.1.0");
	assert_says("blocked_by",
		    "by the clock of EST5EDT,M3.2.0,M11.1.0 (windows of group pilot, clock of the "
		    "device); that is next at 2026-11-23 00:30 UTC, 2026-11-22T19:30 there");
	assert_says("status", "\"opens\": \"2026-11-22T19:30:00-05:00\"");
	assert_says("status", "\"windows_from\": \"group\"");
	assert_says("status", "\"time_zone_from\": \"device\"");
	strcpy(now.device.windows, "18:00-19:00");
	assert_says("status", "\"windows\": \"18:00-19:00\", \"windows_from\": \"device\"");
	assert_says("status", "\"open\": true");
	assert_says("summary", "It will be offered the image");
	strcpy(now.device.windows, "");
	strcpy(now.device.time_zone, "<+0530>-5:30");
	assert_says("status", "\"opens\": \"2026-11-23T19:30:00+05:30\"");
	now.has_group = false;
	strcpy(now.product.windows, "");
	assert_says("status", "\"maintenance\": {\"time_zone\": \"<+0530>-5:30\", "
			      "\"time_zone_from\": \"device\", \"open\": true}");
}

#define T(name) cmocka_unit_test_setup(test_##name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(view_rules_digest_of_another_kind),
		T(view_rules_battery),
		T(view_rules_slot),
		T(view_rules_bad_release),
		T(view_rules_space),
		T(view_rules_downgrade),
		T(view_rules_requirements),
		T(view_rules_stepping_stone),
		T(view_rules_window),
		T(view_rules_window_of_a_site),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
