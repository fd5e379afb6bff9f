/* SPDX-License-Identifier: Apache-2.0
 *
 * The JSON shapes against tests/golden/view-*.json. After a wanted change:
 * UPDATE_GOLDEN=1 tests/unit/test_view, and read the diff.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/view.h"

static const int64_t T0 = 1795391467123; /* 2026-11-22T23:51:07.123Z */

/* Takes `json`. */
static void assert_golden(const char *name, json_t *json)
{
	const char *top = getenv("TOP_SRCDIR");
	char path[512];
	char *text = json_dumps(json, JSON_INDENT(2));

	json_decref(json);
	assert_non_null(text);
	(void)snprintf(path, sizeof(path), "%s/tests/golden/view-%s.json", top ? top : ".", name);
	if (getenv("UPDATE_GOLDEN")) {
		FILE *out = fopen(path, "w");
		assert_non_null(out);
		(void)fprintf(out, "%s\n", text);
		assert_int_equal(fclose(out), 0);
	}
	FILE *in = fopen(path, "r");
	assert_non_null(in);
	char *want = calloc(1, 65536);
	size_t len = fread(want, 1, 65535, in);
	(void)fclose(in);
	assert_true(len > 0);
	want[len - 1] = 0; /* the last newline */
	assert_string_equal(text, want);
	free(want);
	free(text);
}

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

static struct digest digest_of(unsigned kind, uint8_t first, uint8_t len)
{
	struct digest d = {.kind = (uint8_t)kind, .len = len};

	for (uint8_t i = 0; i < len; i++)
		d.value[i] = (uint8_t)(first + i);
	return d;
}

static struct product product_full(void)
{
	struct product p = {.id = 1, .rev = 3, .target = 2, .created_ms = T0};

	policy_init(&p.policy);
	strcpy(p.name, "blinky");
	strcpy(p.hardware, "nrf52840");
	return p;
}

static struct release release_full(void)
{
	struct release r = {.id = 2, .product = 1, .size_bytes = 245760, .created_ms = T0 + 1000};

	strcpy(r.version, "1.1.0");
	memset(r.sha256, 0xab, sizeof(r.sha256));
	r.running[0] = digest_of(DIGEST_FILE, 0, 32);
	r.running[1] = digest_of(DIGEST_MCUBOOT, 16, 32);
	r.running_count = 2;
	r.no_confirm = true;
	return r;
}

static struct attempt attempt_open(void)
{
	struct attempt a = {.id = 4503599627370497,
			    .number = 7,
			    .product = 1,
			    .release = 2,
			    .size_bytes = 245760,
			    .state = ATTEMPT_TRANSFERRING,
			    .base_boot = 3,
			    .required = EV_NEW_BOOT | EV_VERSION | EV_DIGEST,
			    .created_ms = T0 + 5000,
			    .state_ms = T0 + 6000,
			    .stall_at_ms = T0 + 3600000,
			    .total_at_ms = T0 + 7200000,
			    .received_bytes = 100000,
			    .served_bytes = 122880,
			    .served_high = 122880,
			    .start_offset = 0};

	strcpy(a.device, "dev-1");
	strcpy(a.version, "1.1.0");
	strcpy(a.base_version, "1.0.0");
	memset(a.sha256, 0xab, sizeof(a.sha256));
	a.base_digest = digest_of(DIGEST_MCUBOOT, 1, 32);
	a.rung_ms[RUNG_OFFERED] = T0 + 5000;
	a.rung_ms[RUNG_STARTED] = T0 + 6000;
	return a;
}

static struct attempt attempt_updated(void)
{
	struct attempt a = attempt_open();

	a.state = ATTEMPT_CLOSED;
	a.verdict = VERDICT_UPDATED;
	a.via = VIA_OTA;
	a.grade = GRADE_STANDARD;
	a.evidence = a.required;
	for (unsigned i = 0; i < 3; i++)
		a.evidence_ms[i] = T0 + 60000;
	for (unsigned i = 0; i <= RUNG_RUNNING; i++)
		a.rung_ms[i] = T0 + 5000 + 8000 * (int64_t)i;
	a.served_bytes = a.received_bytes = 245760;
	a.closed_ms = T0 + 61000;
	a.stall_at_ms = a.total_at_ms = 0;
	return a;
}

static struct attempt attempt_reverted(void)
{
	struct attempt a = attempt_updated();

	a.verdict = VERDICT_REVERTED;
	a.charged = true;
	a.grade = GRADE_NONE;
	a.evidence = EV_NEW_BOOT;
	a.evidence_ms[1] = a.evidence_ms[2] = 0;
	a.rung_ms[RUNG_RUNNING] = 0;
	a.served_bytes = 0;
	a.start_offset = 245760;
	a.fresh = true;
	a.reason = REASON_STORAGE_IO;
	a.code = -28;
	strcpy(a.detail, "staged record \xff lost"); /* not UTF-8: shown as ? */
	return a;
}

static struct diagnoses diagnoses_full(void)
{
	struct diagnoses dg = {.count = 2};

	dg.list[0].kind = DIAG_STORAGE_FULL;
	strcpy(dg.list[0].facts,
	       "the device reports 1024 bytes free of 65536; the product's margin "
	       "is 65536");
	dg.list[1].kind = DIAG_CACHED_IMAGE;
	strcpy(dg.list[1].facts, "verified after 0 bytes served of 245760");
	return dg;
}

static struct engine_device device_new(void)
{
	struct engine_device now = {.product = product_full(),
				    .has_target = true,
				    .target = release_full(),
				    .why = TARGET_PRODUCT};
	struct device *d = &now.device;

	strcpy(d->id, "dev-1");
	d->rev = 1;
	d->product = 1;
	d->created_ms = T0 + 2000;
	report_init(&d->report);
	now.plan = plan_device(d, &now.product, &now.target, NULL, T0 + 90000);
	return now;
}

static struct engine_device device_full(void)
{
	struct engine_device now = device_new();
	struct device *d = &now.device;
	struct report *r = &d->report;

	d->has_report = d->online = true;
	d->report_ms = d->seen_ms = T0 + 80000;
	d->boots.seq = 4;
	d->boots.count = 1;
	d->boots.slot[0] = (struct boot_slot){
		.id = {.len = 8, .bytes = {1, 2, 3, 4, 5, 6, 7, 8}, .has_count = true, .count = 12},
		.seq = 4,
		.seen_ms = T0 + 60000};
	d->resets = 4;
	d->unclean_resets = 1;
	strcpy(r->version, "1.0.0");
	r->running = digest_of(DIGEST_MCUBOOT, 1, 32);
	r->confirmed = 1;
	r->updates_enabled = 1;
	r->reset = RESET_SOFTWARE;
	r->fs_free_bytes = 1024;
	r->fs_total_bytes = 65536;
	r->slot_bytes = 524288;
	r->battery_percent = 80;
	r->interval_s = 60;
	r->uptime_s = 12;
	r->security_counter = 5;
	r->capabilities = CAP_RESUME | CAP_FRESH | CAP_GATE;
	r->has_capabilities = r->has_cached = true;
	memset(r->cached, 0xab, sizeof(r->cached));
	strcpy(r->hardware, "nrf52840");
	strcpy(r->boot_loader, "mcuboot 2.1");
	r->last = (struct last_attempt){.attempt = 4503599627370497,
					.stage = STAGE_HANDED_OVER,
					.reason = REASON_STORAGE_IO,
					.code = -28};
	strcpy(now.address, "192.0.2.1:40000");
	now.sessions = 1;
	return now;
}

static void replan(struct engine_device *now)
{
	now->plan = plan_device(&now->device, &now->product, now->has_target ? &now->target : NULL,
				now->has_attempt ? &now->attempt : NULL, T0 + 90000);
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
	assert_golden("event-restored", view_event("0123456789abcdef0123456789abcdef", &restored));
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

static void test_view_explain(void **state)
{
	struct engine_device now = device_new();
	struct attempt last = attempt_reverted();
	struct diagnoses dg = diagnoses_full();
	struct view_device v = {.now = &now};

	(void)state;
	assert_golden("explain-new", view_explain(&v, T0 + 90000));
	now = device_full();
	now.device.hold = HOLD_REVERTS;
	now.device.held_ms = T0 + 61000;
	now.device.retry_at_ms = T0 + 95000;
	replan(&now);
	v = (struct view_device){.now = &now,
				 .has_last = true,
				 .last = &last,
				 .last_diagnoses = &dg,
				 .history = {.failures = 2, .reverts = 2}};
	assert_golden("explain-held", view_explain(&v, T0 + 90000));
}

/* Only the summaries: each on its line. */
static void summarize(json_t *list, const struct view_device *v)
{
	json_t *o = view_explain(v, T0 + 90000);

	json_array_append(list, json_object_get(o, "summary"));
	json_array_append(list, json_object_get(o, "next_steps"));
	json_decref(o);
}

static void summarize_attempts(json_t *list, struct view_device *v, struct engine_device *now)
{
	static const enum attempt_state states[] = {ATTEMPT_OFFERED, ATTEMPT_TRANSFERRING,
						    ATTEMPT_VERIFIED, ATTEMPT_APPLYING,
						    ATTEMPT_PROBATION};

	now->has_attempt = true;
	now->attempt = attempt_open();
	now->attempt.target_ms = T0 + 70000;
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		now->attempt.state = states[i];
		replan(now);
		summarize(list, v);
	}
	now->attempt.release = 99;
	now->attempt.cancel_requested = true;
	replan(now);
	summarize(list, v);
	now->has_attempt = false;
}

static void test_view_explain_summaries(void **state)
{
	struct engine_device now = device_full();
	struct view_device v = {.now = &now};
	struct attempt last = attempt_updated();
	struct diagnoses none = {0};
	json_t *list = json_array();

	(void)state;
	replan(&now);
	summarize(list, &v); /* about to be offered */
	summarize_attempts(list, &v, &now);
	now.device.retry_at_ms = T0 + 3690000;
	now.device.report.updates_enabled = 0;
	replan(&now);
	summarize(list, &v); /* two reasons to wait */
	now.device.report.updates_enabled = 1;
	now.device.retry_at_ms = 0;
	strcpy(now.device.report.hardware, "esp32");
	now.device.report.slot_bytes = 1000;
	now.device.drifted = true;
	replan(&now);
	summarize(list, &v);
	now = device_full();
	strcpy(now.device.report.version, "1.1.0");
	replan(&now);
	summarize(list, &v); /* right label, other image */
	now.device.report.running = now.target.running[1];
	replan(&now);
	v = (struct view_device){
		.now = &now, .has_last = true, .last = &last, .last_diagnoses = &none};
	summarize(list, &v); /* in sync, updated */
	strcpy(now.device.report.version, "1.1.0-dirty");
	now.device.online = false;
	now.device.seen_ms = T0 - 200000000;
	summarize(list, &v); /* right image, other label; silent for days */
	now.has_target = false;
	now.why = TARGET_NONE;
	replan(&now);
	summarize(list, &v);
	assert_golden("explain-summaries", list);
}

static bool says(json_t *o, const char *key, const char *words)
{
	char *text = json_dumps(json_object_get(o, key), JSON_ENCODE_ANY);
	bool found = strstr(text, words) != NULL;

	free(text);
	return found;
}

static void assert_says(const struct view_device *v, const char *key, const char *words, bool want)
{
	json_t *o = view_explain(v, T0 + 90000);

	if (says(o, key, words) != want)
		fail_msg("%s \"%s\" in %s", want ? "no" : "there is", words, key);
	json_decref(o);
}

/* A device on target by its digest, held because it calls the image otherwise. */
static void test_view_explain_held_on_target(void **state)
{
	struct engine_device now = device_full();
	struct attempt last = attempt_reverted();
	struct diagnoses dg = {.count = 1, .list = {{.kind = DIAG_LABEL_IMAGE, .facts = "x"}}};
	struct view_device v = {
		.now = &now, .has_last = true, .last = &last, .last_diagnoses = &dg};

	(void)state;
	last.verdict = VERDICT_LABEL_MISMATCH;
	now.device.report.running = now.target.running[1];
	now.device.hold = HOLD_LABEL_MISMATCH;
	replan(&now);
	assert_true(now.plan.on_target);
	assert_says(&v, "diagnoses", "label-is-not-image", true);
	assert_says(&v, "next_steps", "build the image with the label", true);
	assert_says(&v, "next_steps", "then: postbootctl device unhold dev-1", true);
	assert_says(&v, "blocked_by", "in-sync", false);
	assert_says(&v, "blocked_by", "held", true);
	now.device.hold = HOLD_NONE; /* and it converged */
	replan(&now);
	assert_says(&v, "diagnoses", "label-is-not-image", false);
	now.device.failed_attempt = last.id; /* or did not */
	assert_says(&v, "diagnoses", "label-is-not-image", true);
}

/* Commands only where they would do something. */
static void test_view_explain_advises_what_applies(void **state)
{
	struct engine_device now = device_full();
	struct attempt last = attempt_reverted();
	struct diagnoses dg = diagnoses_full();
	struct view_device v = {
		.now = &now, .has_last = true, .last = &last, .last_diagnoses = &dg};

	(void)state;
	now.device.retry_at_ms = T0 + 3690000;
	replan(&now);
	assert_says(&v, "next_steps", "unhold", false);
	assert_says(&v, "next_steps",
		    "old files); it is tried again by itself at 2026-11-23 00:52 UTC", true);
	assert_says(&v, "next_steps", "to try at once: postbootctl device force dev-1", true);
	now.device.force = true;
	replan(&now);
	assert_says(&v, "next_steps", "device force", false);
	assert_says(&v, "blocked_by", "device force", false);
	now.device.force = false;
	now.device.hold = HOLD_REVERTS;
	now.device.drifted = true;
	now.device.report.updates_enabled = 0;
	replan(&now);
	assert_says(&v, "status", "device force", false);
	assert_says(&v, "next_steps", "device force", false);
	assert_says(&v, "status", "clear_at", false);
	assert_says(&v, "next_steps", "old files), then: postbootctl device unhold dev-1", true);
	now.device.report.fs_free_bytes = 1 << 20;
	assert_says(&v, "next_steps", "free space on the device", false);
	assert_says(&v, "next_steps", "1048576 bytes free now, which is above the margin", true);
	assert_says(&v, "next_steps", "cause: postbootctl device unhold dev-1", true);
}

static void test_view_explain_reads_the_verdict(void **state)
{
	struct engine_device now = device_full();
	struct attempt last = attempt_reverted();
	struct diagnoses dg = diagnoses_full();
	struct view_device v = {
		.now = &now, .has_last = true, .last = &last, .last_diagnoses = &dg};

	(void)state;
	replan(&now);
	assert_says(&v, "summary", "record that tells the boot loader to flash is likely", true);
	last.rung_ms[RUNG_VERIFIED] = 0; /* it came too late for that: nothing was lost */
	assert_says(&v, "summary", "is likely lost", false);
	last.verdict = VERDICT_CANCELLED;
	assert_says(&v, "summary", "Likely cause", false);
	assert_says(&v, "status", "storage-full", false);
	last.verdict = VERDICT_REFUSED;
	last.reason = REASON_LOW_POWER;
	last.charged = false;
	assert_says(&v, "summary", "put the last attempt, to 1.1.0, off", true);
	assert_says(&v, "summary", "refused", false);
	assert_says(&v, "status", "\"deferred\": true", true);
	last.verdict = VERDICT_UNEXPECTED_VERSION;
	assert_says(&v, "summary", "It was to come back as 1.1.0", true);
	assert_says(&v, "next_steps", "does the file carry the label", true);
	last.served_bytes = 3 * last.size_bytes;
	assert_says(&v, "summary", "all that one attempt may get", false);
	last.served_bytes++;
	assert_says(&v, "summary", "all that one attempt may get", true);
	assert_says(&v, "summary", "4.03", false);
	now.has_attempt = true;
	now.attempt = attempt_open();
	now.attempt.served_bytes = last.served_bytes;
	replan(&now);
	assert_says(&v, "summary", "refused with 4.03", true);
	now.device.unbooted_claim = true;
	strcpy(now.device.claimed, "1.1.0");
	assert_says(&v, "summary",
		    "; it reports 1.1.0 in the boot in which it ran 1.0.0: not believed", true);
	assert_says(&v, "status", "\"claims\": \"1.1.0\"", true);
	v.plain_unserved = true;
	assert_says(&v, "summary", "plain-devices", true);
	assert_says(&v, "status", "does not serve plain devices", true);
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
		cmocka_unit_test(test_view_event_survives_a_damaged_payload),
		cmocka_unit_test(test_view_problem),
		cmocka_unit_test(test_view_explain),
		cmocka_unit_test(test_view_explain_summaries),
		cmocka_unit_test(test_view_explain_held_on_target),
		cmocka_unit_test(test_view_explain_advises_what_applies),
		cmocka_unit_test(test_view_explain_reads_the_verdict),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
