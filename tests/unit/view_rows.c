/* SPDX-License-Identifier: Apache-2.0 */
#include "view_rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void assert_golden(const char *name, json_t *json)
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

static struct digest digest_of(unsigned kind, uint8_t first, uint8_t len)
{
	struct digest d = {.kind = (uint8_t)kind, .len = len};

	for (uint8_t i = 0; i < len; i++)
		d.value[i] = (uint8_t)(first + i);
	return d;
}

struct product product_full(void)
{
	struct product p = {.id = 1, .rev = 3, .target = 2, .created_ms = T0};

	policy_init(&p.policy);
	strcpy(p.name, "blinky");
	strcpy(p.hardware, "nrf52840");
	return p;
}

struct release release_full(void)
{
	struct release r = {.id = 2, .product = 1, .size_bytes = 245760, .created_ms = T0 + 1000};

	strcpy(r.version, "1.1.0");
	memset(r.sha256, 0xab, sizeof(r.sha256));
	r.running[0] = digest_of(DIGEST_FILE, 0, 32);
	r.running[1] = digest_of(DIGEST_MCUBOOT, 16, 32);
	r.running_count = 2;
	r.no_confirm = true;
	r.rev = 1;
	strcpy(r.signed_by, "ci");
	strcpy(r.signed_key, "0123456789abcdef");
	r.label_anyway = true;
	r.image = (struct image_facts){.format = IMAGE_MCUBOOT,
				       .signatures = IMAGE_SIG_ECDSA,
				       .security_counter = 3,
				       .slot_bytes = 245760,
				       .version = "1.1.1",
				       .detail = "header 512 bytes, body 244900 bytes, SHA-256"};
	return r;
}

struct attempt attempt_open(void)
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

struct attempt attempt_updated(void)
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

struct attempt attempt_reverted(void)
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

struct diagnoses diagnoses_full(void)
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

struct engine_device device_new(void)
{
	struct engine_device now = {.product = product_full(),
				    .has_target = true,
				    .target = release_full(),
				    .why = TARGET_PRODUCT,
				    .goal = "1.1.0",
				    .goal_why = TARGET_PRODUCT};
	struct device *d = &now.device;

	strcpy(d->id, "dev-1");
	d->rev = 1;
	d->product = 1;
	d->created_ms = T0 + 2000;
	report_init(&d->report);
	now.plan = plan_device(d, &now.product, &now.target, NULL, NULL, T0 + 90000);
	return now;
}

struct engine_device device_full(void)
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
	r->supply_mv = 3300;
	r->troubles = TROUBLE_POWER_LOW | TROUBLE_SIGNAL_LOW;
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

void replan(struct engine_device *now)
{
	struct schedule schedule;
	const struct site site = view_site(now);
	struct zone zone;
	char fault[64];
	const struct plan_around around = {
		.no_way = now->no_way, .schedule = &schedule, .zone = &zone};

	assert_int_equal(schedule_parse(site.windows, &schedule, fault), 0);
	assert_int_equal(zone_parse(site.time_zone, &zone), 0);
	now->window = (struct engine_window){
		.open = schedule_is_open(&schedule, &zone, (T0 + 90000) / 1000), .zone = zone};
	if (!now->window.open)
		now->window.opens_ms = 1000 * schedule_opens(&schedule, &zone, (T0 + 90000) / 1000);

	now->plan = plan_device(&now->device, &now->product, now->has_target ? &now->target : NULL,
				now->has_attempt ? &now->attempt : NULL, &around, T0 + 90000);
}

struct rollout rollout_full(void)
{
	struct rollout r = {.id = 5,
			    .rev = 9,
			    .product = 1,
			    .release = 2,
			    .name = "spring",
			    .filter = "group=lab online=yes",
			    .author = "alice",
			    .approver = "bob",
			    .start_at_ms = T0,
			    .state = ROLLOUT_HALTED,
			    .resume_to = ROLLOUT_RUNNING,
			    .why = HALT_FAILURES,
			    .enlisted = true,
			    .opened = 1,
			    .reached = 1000,
			    .created_ms = T0,
			    .started_ms = T0 + 1000,
			    .state_ms = T0 + 5000,
			    .halted_ms = T0 + 5000};
	const char *why;

	assert_int_equal(rollout_waves_parse(&r, "5,gate,10%,100%", &why), 0);
	rollout_defaults(&r);
	const int64_t cuts[] = {1000, 2000, 0};
	rollout_enlisted(&r, cuts, 100, 1);
	r.waves[0].opened_ms = T0 + 1000;
	r.waves[0].complete_ms = T0 + 3000;
	return r;
}
