/* SPDX-License-Identifier: Apache-2.0
 *
 * The JSON shapes of rows and events.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/hooks.h"
#include "view_rows.h"

static void test_health(void **state)
{
	static struct health h;

	(void)state;
	h.list[HEALTH_DATABASE_WRITE] = (struct health_condition){
		.is_set = true,
		.since_ms = T0,
		.what = "the database cannot be written: no space left on the device",
		.todo = "free space on its file system; postbootd goes on by itself",
	};
	h.list[HEALTH_CLOCK] = (struct health_condition){.is_set = true,
							 .since_ms = T0 + 1000,
							 .what = "the clock was set by 7 s",
							 .todo = "see"};
	assert_golden("health", view_health(&h));
}

static void test_view_product(void **state)
{
	struct product p = product_full();

	(void)state;
	assert_golden("product", view_product(&p, "1.1.0"));
	p.hardware[0] = 0;
	assert_golden("product-bare", view_product(&p, ""));
}

static void test_view_release(void **state)
{
	struct release r = release_full();

	(void)state;
	assert_golden("release", view_release(&r, "blinky", true));
	r.no_confirm = false;
	assert_golden("release-bare", view_release(&r, "blinky", false));
}

static void test_view_attempt(void **state)
{
	struct attempt open = attempt_open(), good = attempt_updated(), bad = attempt_reverted();
	struct diagnoses dg = diagnoses_full();

	(void)state;
	assert_golden("attempt-open", view_attempt(&open, "blinky", NULL, NULL));
	assert_golden("attempt-updated", view_attempt(&good, "blinky", NULL, NULL));
	assert_golden("attempt-reverted", view_attempt(&bad, "blinky", &dg, NULL));
	bad.verdict = VERDICT_REFUSED;
	bad.reason = REASON_LOW_POWER;
	bad.charged = false;
	bad.served_bytes = 3 * bad.size_bytes + 1;
	assert_golden("attempt-deferred", view_attempt(&bad, "blinky", NULL, NULL));
}

static void test_view_device(void **state)
{
	struct engine_device now = device_new();
	struct view_device v = {.now = &now};
	struct attempt last = attempt_reverted();
	struct diagnoses dg = diagnoses_full();

	(void)state;
	assert_golden("device-new", view_device(&v));
	now = device_full();
	now.has_attempt = true;
	now.attempt = attempt_open();
	now.release = now.target;
	now.device.attempt = now.attempt.id;
	now.device.last_attempt = last.id;
	now.device.force = now.device.drifted = true;
	now.device.lock = 2;
	now.why = TARGET_LOCK;
	now.plan.clear_at_ms = T0 + 100000;
	v = (struct view_device){.now = &now,
				 .has_last = true,
				 .last = &last,
				 .last_diagnoses = &dg,
				 .key_set_ms = {T0 + 2000, T0 + 70000}};
	assert_golden("device", view_device(&v));
	assert_golden("device-row", view_device_row(&now));
	now.device.unbooted_claim = true;
	strcpy(now.device.claimed, "1.1.0");
	strcpy(now.device.report.last.detail, "flash is worn out");
	now.device.online = false;
	now.device.offline_at_ms = T0 + 85000;
	assert_golden("device-claims", view_device_row(&now));
}

static void test_view_device_never_shows_the_key(void **state)
{
	struct engine_device now = device_full();
	struct view_device v = {.now = &now};
	json_t *o = view_device(&v);
	char *text = json_dumps(o, 0);

	(void)state;
	assert_null(strstr(text, "5a5a"));
	assert_null(strstr(text, "psk"));
	free(text);
	json_decref(o);
}

static void test_view_device_state_words(void **state)
{
	struct engine_device now = device_new();

	(void)state;
	assert_string_equal(view_device_state(&now), "new");
	now = device_full();
	replan(&now);
	assert_string_equal(view_device_state(&now), "waiting");
	now.has_attempt = true;
	assert_string_equal(view_device_state(&now), "updating");
	now.device.disabled_ms = T0;
	assert_string_equal(view_device_state(&now), "disabled");
	now.device.disabled_ms = 0;
	now.has_attempt = false;
	now.device.hold = HOLD_REVERTS;
	assert_string_equal(view_device_state(&now), "held");
	now.device.hold = HOLD_NONE;
	now.device.report.running = now.target.running[1];
	replan(&now);
	assert_string_equal(view_device_state(&now), "in-sync");
	now.has_target = false;
	replan(&now);
	assert_string_equal(view_device_state(&now), "no-target");
}

static bool boot_is_unreported;

static json_t *event_of(enum event_kind kind, const struct device *d, const struct attempt *a,
			const struct diagnoses *dg)
{
	struct product p = product_full();
	json_t *payload = view_event_payload(kind, d, &p, a, dg);
	if (kind == EVENT_DEVICE_DRIFT)
		view_event_expected(&payload, "1.1.0");
	if (boot_is_unreported)
		view_event_unreported(payload);
	char *json = json_dumps(payload, JSON_COMPACT);
	struct store_event_row row = {.seq = 12,
				      .at_ms = T0,
				      .topic = event_topic(kind),
				      .data = event_data(kind),
				      .device = d->id,
				      .attempt = a ? a->id
						 : kind == EVENT_DEVICE_CONVERGED
							 ? attempt_open().id
							 : 0,
				      .json = json};
	json_t *o = view_event("0123456789abcdef0123456789abcdef", &row);

	free(json);
	json_decref(payload);
	return o;
}

static void test_view_event(void **state)
{
	struct engine_device now = device_full();
	struct attempt open = attempt_open(), good = attempt_updated(), bad = attempt_reverted();
	struct diagnoses dg = diagnoses_full();
	struct device *d = &now.device;

	(void)state;
	assert_golden("event-started", event_of(EVENT_FLASH_STARTED, d, &open, NULL));
	assert_golden("event-success", event_of(EVENT_FLASH_SUCCESS, d, &good, NULL));
	assert_golden("event-failed", event_of(EVENT_FLASH_FAILED, d, &bad, &dg));
	assert_golden("event-boot", event_of(EVENT_DEVICE_BOOT, d, NULL, NULL));
	boot_is_unreported = true;
	assert_golden("event-boot-status", event_of(EVENT_DEVICE_BOOT, d, NULL, NULL));
	boot_is_unreported = false;
	d->hold = HOLD_REVERTS;
	assert_golden("event-held", event_of(EVENT_DEVICE_HELD, d, NULL, NULL));
	assert_golden("event-drift", event_of(EVENT_DEVICE_DRIFT, d, NULL, NULL));
}

/* As the engine calls it: postboot-events(7) shows each of these. */
static void test_view_event_of_every_kind(void **state)
{
	static const struct {
		enum event_kind kind;
		const char *name;
	} rows[] = {
		{EVENT_UPDATES_PENDING, "event-pending"},
		{EVENT_UPDATES_NOT_PENDING, "event-not-pending"},
		{EVENT_UPDATES_ENABLED, "event-enabled"},
		{EVENT_UPDATES_DISABLED, "event-disabled"},
		{EVENT_UPDATES_FORCED, "event-forced"},
		{EVENT_UPDATES_NOT_FORCED, "event-not-forced"},
		{EVENT_DEVICE_ONLINE, "event-online"},
		{EVENT_DEVICE_OFFLINE, "event-offline"},
		{EVENT_DEVICE_UNHELD, "event-unheld"},
		{EVENT_DEVICE_DISABLED, "event-device-disabled"},
		{EVENT_DEVICE_ENABLED, "event-device-enabled"},
		{EVENT_DEVICE_CONVERGED, "event-converged"},
	};
	struct engine_device now = device_full();
	struct attempt open = attempt_open(), closed = attempt_open();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_golden(rows[i].name, event_of(rows[i].kind, &now.device, NULL, NULL));
	assert_golden("event-progress", event_of(EVENT_FLASH_PROGRESS, &now.device, &open, NULL));
	closed.state = ATTEMPT_CLOSED;
	closed.verdict = VERDICT_SUPERSEDED;
	closed.closed_ms = closed.created_ms + 4000;
	closed.received_bytes = closed.served_bytes = 0;
	assert_golden("event-closed", event_of(EVENT_ATTEMPT_CLOSED, &now.device, &closed, NULL));
	const struct store_event_row restored = {
		.seq = 1,
		.at_ms = T0,
		.topic = event_topic(EVENT_STORE_RESTORED),
		.data = "",
		.device = "",
		.json = "{\"stream_before\":\"fedcba9876543210fedcba9876543210\"}"};
	const struct store_event_row quarantined = {
		.seq = 12,
		.at_ms = T0,
		.topic = event_topic(EVENT_RELEASE_QUARANTINED),
		.data = event_data(EVENT_RELEASE_QUARANTINED),
		.device = "",
		.json = "{\"product\":\"blinky\",\"version\":\"1.1.0\",\"state\":\"quarantined\"}"};
	assert_golden("event-quarantined",
		      view_event("0123456789abcdef0123456789abcdef", &quarantined));
	const struct store_event_row again = {
		.seq = 13,
		.at_ms = T0,
		.topic = event_topic(EVENT_RELEASE_NOT_QUARANTINED),
		.data = event_data(EVENT_RELEASE_NOT_QUARANTINED),
		.device = "",
		.json = "{\"product\":\"blinky\",\"version\":\"1.1.0\",\"state\":\"active\"}"};
	assert_golden("event-not-quarantined",
		      view_event("0123456789abcdef0123456789abcdef", &again));
	assert_golden("event-restored", view_event("0123456789abcdef0123456789abcdef", &restored));
	const struct store_event_row off = {
		.seq = 12,
		.at_ms = T0,
		.topic = event_topic(EVENT_HOOK_DISABLED),
		.data = "",
		.device = "",
		.json = "{\"hook\":\"crm\",\"reason\":\"gone\",\"error\":\"it answered 410\"}"};
	assert_golden("event-hook-disabled", view_event("0123456789abcdef0123456789abcdef", &off));
	const struct store_event_row missed = {.seq = 12,
					       .at_ms = T0,
					       .topic = event_topic(EVENT_HOOK_MISSED),
					       .data = "",
					       .device = "",
					       .json = "{\"hook\":\"crm\",\"missed\":42}"};
	assert_golden("event-hook-missed", view_event("0123456789abcdef0123456789abcdef", &missed));
}

static void test_view_hook(void **state)
{
	struct hook_view v = {
		.hook = {.id = 1,
			 .rev = 3,
			 .name = "crm",
			 .url = "https://crm.example/in",
			 .topics = "flash device/held",
			 .products = "blinky",
			 .batch = 10,
			 .state = HOOK_DISABLED,
			 .why = HOOK_GONE,
			 .created_ms = T0},
		.place = {.position = 12,
			  .tries = 2,
			  .failures = 2,
			  .retry_ms = T0 + 2000,
			  .failing_ms = T0 + 1000,
			  .taken_ms = T0 + 500,
			  .delivered = 10,
			  .missed = 1,
			  .error = "it answered 410"},
		.lag = 30,
		.dead = 4,
		.in_flight = true,
	};
	const struct store_dead d = {.id = 7,
				     .hook = 1,
				     .seq = 12,
				     .cursor = "0123456789abcdef0123456789abcdef:12",
				     .topic = "device/boot",
				     .device = "dev-1",
				     .at_ms = T0,
				     .tries = 10,
				     .error = "it answered 500",
				     .due = true,
				     .body = "{\"specversion\":\"1.0\"}"};

	(void)state;
	assert_golden("hook", view_hook(&v));
	v = (struct hook_view){
		.hook = {.rev = 1, .name = "n", .url = "http://n/", .batch = 1, .created_ms = T0}};
	assert_golden("hook-bare", view_hook(&v));
	assert_golden("dead", view_dead(&d));
}

static void test_view_cloudevent(void **state)
{
	struct engine_device now = device_full();

	(void)state;
	assert_golden("cloudevent",
		      view_cloudevent("0123456789abcdef0123456789abcdef",
				      event_of(EVENT_DEVICE_BOOT, &now.device, NULL, NULL)));
	assert_null(view_cloudevent("s", NULL));
}

static void test_view_event_survives_a_damaged_payload(void **state)
{
	struct store_event_row row = {.seq = 1, .topic = "t", .data = "", .device = ""};
	static const char *const bad[] = {"", "[]", "{", "{\"seq\":99,\"x\":1}", "nul"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		row.json = bad[i];
		json_t *o = view_event("s", &row);
		assert_non_null(o);
		assert_int_equal(json_integer_value(json_object_get(o, "seq")), 1);
		json_decref(o);
	}
}

static void test_view_problem(void **state)
{
	(void)state;
	assert_golden("problem", view_problem(409, err_word(ERR_BUSY), "the release is in use"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_health),
		cmocka_unit_test(test_view_product),
		cmocka_unit_test(test_view_release),
		cmocka_unit_test(test_view_attempt),
		cmocka_unit_test(test_view_device),
		cmocka_unit_test(test_view_device_never_shows_the_key),
		cmocka_unit_test(test_view_device_state_words),
		cmocka_unit_test(test_view_event),
		cmocka_unit_test(test_view_event_of_every_kind),
		cmocka_unit_test(test_view_cloudevent),
		cmocka_unit_test(test_view_hook),
		cmocka_unit_test(test_view_event_survives_a_damaged_payload),
		cmocka_unit_test(test_view_problem),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
