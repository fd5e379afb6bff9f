/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole updates of LwM2M devices, good and bad: each ends in the verdict that is true, within
 * core's deadlines.
 */
#include "lwm2m_rig.h"

#include <string.h>

#define UPTIME "lwm2m-uptime=/33605/0/0\n"
#define COUNT "lwm2m-boot-count=/33605/0/1\n"
#define DIGEST "lwm2m-digest=/33605/0/2\n"

static struct rig rig;

/* A fault of a good device: SCRIPT(.delivery = DELIVERS_PUSH) */
#define SCRIPT(...) (&(const struct rig_script){__VA_ARGS__})

static void go(const struct rig_script *s, const char *options)
{
	rig_init(&rig, s, options);
	rig_boot(&rig);
	rig_until_closed(&rig, 300000);
	assert_true(rig.closed);
}

#define assert_ended(v) assert_string_equal(verdict_name(rig.ended.verdict), verdict_name(v))
#define assert_grade(g) assert_string_equal(grade_name(rig.ended.grade), grade_name(g))
#define assert_reason(r) assert_string_equal(reason_name(rig.ended.reason), reason_name(r))

static void assert_updated(enum grade grade)
{
	assert_ended(VERDICT_UPDATED);
	assert_grade(grade);
	assert_int_equal(rig.ended.via, VIA_OTA);
	assert_int_equal(rig.events_started, 1);
}

static void assert_diagnosed(enum diagnosis_kind kind)
{
	bool found = false;

	for (unsigned i = 0; i < rig.diagnoses.count; i++)
		found = found || rig.diagnoses.list[i].kind == kind;
	assert_true(found);
}

static void assert_fact(enum diagnosis_kind kind, const char *words)
{
	bool found = false;

	for (unsigned i = 0; i < rig.diagnoses.count; i++)
		found = found || (rig.diagnoses.list[i].kind == kind &&
				  strstr(rig.diagnoses.list[i].facts, words));
	assert_true(found);
}

/* ---- good devices ---- */

static void test_pull(void **state)
{
	(void)state;
	go(SCRIPT(.version = "1.1"), "");
	assert_updated(GRADE_WEAK); /* a registration is all that speaks for a boot */
	assert_int_equal(rig.written, 1);
	assert_int_equal(rig.pushed, 0);
	assert_int_equal(rig.executed, 1);
	assert_string_equal(rig.uri, "coaps://192.0.2.1:5684/fw/f1f1f1f1f1f1f1f1");
	for (enum rung i = RUNG_OFFERED; i <= RUNG_RUNNING; i++)
		assert_int_not_equal(rig.ended.rung_ms[i], 0);
	/* and then there is peace: nothing is asked of a device that says it is alive */
	rig_run(&rig, 20000);
	assert_int_equal(rig.executed, 1);
	assert_false(rig.u.has_attempt);
	assert_int_equal(rig.offline, 0);
	assert_int_equal(rig.u.device.resets, 1);
}

static void test_better_proof(void **state)
{
	(void)state;
	go(SCRIPT(.version = "1.1"), UPTIME);
	assert_updated(GRADE_STANDARD);
	go(SCRIPT(.version = "1.1"), COUNT);
	assert_updated(GRADE_STANDARD);
	go(SCRIPT(.clock_restarts = true), "");
	assert_updated(GRADE_WEAK); /* it has hardly been up before: the clock shows nothing */
	rig_init(&rig, SCRIPT(.clock_restarts = true), "");
	rig.u.target = NULL;
	rig_boot(&rig);
	rig_run(&rig, 1000);
	rig.u.target = &rig.releases[RIG_TARGET];
	rig_ring(&rig);
	rig_until_closed(&rig, 1000);
	assert_updated(GRADE_STANDARD);
}

/* Our own clock jumps: no device has restarted because of that. */
static void test_our_clock_jumps(void **state)
{
	static const int64_t jumps_s[] = {3600, -3600, 20, -20, 100000};

	(void)state;
	for (size_t i = 0; i < sizeof(jumps_s) / sizeof(jumps_s[0]); i++) {
		rig_init(&rig, SCRIPT(.lifetime_s = 60), UPTIME);
		rig.u.target = NULL;
		rig_boot(&rig);
		rig_run(&rig, 4000);
		struct boot_id before = rig.u.device.report.boot;
		rig_jump(&rig, jumps_s[i]);
		rig_run(&rig, 8000);
		assert_true(boot_id_equal(&before, &rig.u.device.report.boot));
		/* and the next boot is seen */
		rig.u.target = &rig.releases[RIG_TARGET];
		rig_ring(&rig);
		rig_until_closed(&rig, 3000);
		assert_true(rig.closed);
		assert_updated(GRADE_STANDARD);
	}
}

static void test_digest_makes_it_strong(void **state)
{
	(void)state;
	rig_init(&rig, SCRIPT(.version = "1.1"), UPTIME DIGEST);
	rig.product.policy.probation_s = 600;
	rig_boot(&rig);
	rig_until_closed(&rig, 300000);
	assert_updated(GRADE_STRONG);
	assert_int_not_equal(rig.ended.evidence & EV_DIGEST, 0);
	assert_int_not_equal(rig.ended.evidence & EV_STABLE, 0);
	assert_in_range(rig.ended.closed_ms - rig.ended.rung_ms[RUNG_RUNNING], 500000, 900000);
}

static void test_push(void **state)
{
	(void)state;
	go(SCRIPT(.delivery = DELIVERS_PUSH), "lwm2m-block=256\n");
	assert_updated(GRADE_WEAK);
	assert_int_equal(rig.pushed, 1);
	assert_int_equal(rig.written, 0);
	go(SCRIPT(.version = "1.1"), "lwm2m-transfer=push");
	assert_updated(GRADE_WEAK);
	assert_int_equal(rig.pushed, 1);
	/* it does not say what it can, and cannot pull */
	go(SCRIPT(.delivery = DELIVERS_UNTOLD, .uri_code = 405), "");
	assert_updated(GRADE_WEAK);
	assert_int_equal(rig.pushed, 1);
}

static void test_transfer_that_cannot_be(void **state)
{
	(void)state;
	go(SCRIPT(.delivery = DELIVERS_PULL), "lwm2m-transfer=push");
	assert_ended(VERDICT_REFUSED);
	assert_reason(REASON_UNSUPPORTED);
	assert_int_equal(rig.u.device.hold, HOLD_UNSUPPORTED);
	go(SCRIPT(.delivery = DELIVERS_PUSH), "lwm2m-transfer=pull");
	assert_ended(VERDICT_REFUSED);
	assert_string_equal(rig.ended.detail, "the device cannot pull (/5/0/8, /5/0/9)");
	go(SCRIPT(.no_firmware = true), "");
	assert_ended(VERDICT_REFUSED);
	assert_string_equal(rig.ended.detail,
			    "the device shows no Firmware Update object (/5/0/3)");
	go(SCRIPT(.no_firmware = true, .no_links = true), "");
	assert_ended(VERDICT_REFUSED);
	assert_reason(REASON_UNSUPPORTED);
}

static void test_formats(void **state)
{
	static const int formats[] = {LWM2M_TLV, LWM2M_SENML_CBOR, LWM2M_SENML_JSON};
	static const char *const versions[] = {"1.0", "1.1", "1.2"};

	(void)state;
	for (size_t i = 0; i < 3; i++)
		for (size_t k = 0; k < 3; k++) {
			go(SCRIPT(.version = versions[k], .format = formats[i]), UPTIME);
			assert_updated(GRADE_STANDARD);
			assert_int_equal(rig_talk(&rig)->reads.format, formats[i]);
		}
	/* one of them only */
	for (unsigned refuses = 1; refuses < 7; refuses++) {
		go(SCRIPT(.format = LWM2M_SENML_CBOR, .refuses = refuses), UPTIME);
		assert_updated(GRADE_STANDARD);
	}
	/* nothing but single resources */
	go(SCRIPT(.no_instances = true), UPTIME DIGEST);
	assert_updated(GRADE_STANDARD);
	assert_string_equal(rig_fact(&rig, "format"), "single resources");
	assert_int_equal(rig.u.device.report.battery_percent, 80);
}

static void test_facts_of_the_device(void **state)
{
	(void)state;
	go(SCRIPT(.version = "1.1"), "lwm2m-hardware=/3/0/3");
	assert_int_equal(rig.u.device.report.fs_free_bytes, 900000);
	assert_int_equal(rig.u.device.report.fs_total_bytes, 4000000);
	assert_int_equal(rig.u.device.report.battery_percent, 80);
	assert_string_equal(rig.u.device.report.hardware, "2.0.0");
}

/* /3/0/11: all of them, in core's words; numbers without a word are the vendor's. */
static void test_error_codes(void **state)
{
	static const uint32_t troubles[] = {
		[1] = TROUBLE_POWER_LOW,  [2] = TROUBLE_POWER_LOST, [3] = TROUBLE_POSITION,
		[4] = TROUBLE_SIGNAL_LOW, [5] = TROUBLE_MEMORY_LOW, [6] = TROUBLE_MESSAGES,
		[7] = TROUBLE_NETWORK,	  [8] = TROUBLE_PERIPHERAL, [9] = TROUBLE_OTHER,
		[32] = TROUBLE_OTHER,
	};
	static const int codes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 32};

	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		go(SCRIPT(.errors = {codes[i]}), "");
		assert_updated(GRADE_WEAK);
		assert_int_equal(rig.u.device.report.troubles, troubles[codes[i]]);
		go(SCRIPT(.errors = {codes[i]}, .no_instances = true), "");
		assert_int_equal(rig.u.device.report.troubles, troubles[codes[i]]);
	}
	go(SCRIPT(.errors = {5, 4}, .format = LWM2M_SENML_CBOR), "");
	assert_int_equal(rig.u.device.report.troubles, TROUBLE_MEMORY_LOW | TROUBLE_SIGNAL_LOW);
	assert_string_equal(rig_fact(&rig, "error code"), "4 (weak signal), 5 (out of memory)");
	go(SCRIPT(.errors = {20}), "");
	assert_string_equal(rig_fact(&rig, "error code"), "20");
	go(SCRIPT(.version = "1.1"), "");
	assert_null(rig_fact(&rig, "error code"));
	assert_int_equal(rig.u.device.report.troubles, 0);
}

static void test_power_of_the_device(void **state)
{
	const struct report *r = &rig.u.device.report;

	(void)state;
	/* /3/0/7 of the battery, wherever that is: 5 USB, 1 internal, 2 external battery */
	go(SCRIPT(.sources = {6, 2}, .supply_mv = {5000, 3700}), "");
	assert_int_equal(r->supply_mv, 3700);
	go(SCRIPT(.sources = {3, 6}, .supply_mv = {3600, 5000}), "");
	assert_int_equal(r->supply_mv, 3600);
	assert_int_equal(r->battery_percent, 80);
	/* of several batteries, and without one, the first; which is told of single resources */
	go(SCRIPT(.sources = {3, 2}, .supply_mv = {3600, 3000}), "");
	assert_int_equal(r->supply_mv, 3600);
	go(SCRIPT(.sources = {6, 2}, .supply_mv = {5000, 3700}, .no_instances = true), "");
	assert_int_equal(r->supply_mv, 5000);
	/* where there is no battery, /3/0/9 means nothing */
	go(SCRIPT(.sources = {6}, .supply_mv = {5000}), "");
	assert_int_equal(r->supply_mv, 5000);
	assert_int_equal(r->battery_percent, -1);
	go(SCRIPT(.battery_status = 5), "");
	assert_int_equal(r->battery_percent, -1);
	/* /3/0/20: low */
	go(SCRIPT(.battery_status = 4), "");
	assert_int_equal(r->troubles, TROUBLE_POWER_LOW);
	go(SCRIPT(.version = "1.1"), "");
	assert_int_equal(r->supply_mv, -1);
}

/* A low battery holds the offer up, and one that is charged is offered to when it says so, by a
 * Send, too. The gate is asked again with what the device says then. */
static void test_preflight(void **state)
{
	static const char fine[] = "[{\"n\":\"/3/0/11/0\",\"v\":0}]";
	static const char charged[] = "[{\"n\":\"/3/0/9\",\"v\":60}]";

	(void)state;
	rig_init(&rig, SCRIPT(.errors = {1}, .lifetime_s = 3600), "");
	rig.product.policy.min_battery_percent = 50;
	rig_boot(&rig);
	rig_run(&rig, 1000);
	assert_false(rig.u.has_attempt);
	rig.s.errors[0] = 0;
	rig_request(&rig, 2, "dp", "", LWM2M_SENML_JSON, fine, sizeof(fine) - 1);
	rig_until_closed(&rig, 1000);
	assert_updated(GRADE_WEAK);

	rig_init(&rig, SCRIPT(.battery_percent = 20, .lifetime_s = 3600), "");
	rig.product.policy.min_battery_percent = 50;
	rig_boot(&rig);
	rig_run(&rig, 100);
	assert_false(rig.u.has_attempt);
	rig.s.battery_percent = 60;
	rig_request(&rig, 2, "dp", "", LWM2M_SENML_JSON, charged, sizeof(charged) - 1);
	rig_run(&rig, 10);
	assert_true(rig.u.has_attempt);
	rig.s.battery_percent = 20;
	rig_register(&rig);
	rig_run(&rig, 900);
	assert_int_equal(rig.u.attempt.state, ATTEMPT_VERIFIED);
	assert_int_equal(rig.executed, 0);
	rig.s.battery_percent = 60;
	rig_until_closed(&rig, 1500); /* the gate, asked again, not the lifetime's half */
	assert_updated(GRADE_WEAK);

	rig_init(&rig, SCRIPT(.errors = {5}), "");
	rig.product.policy.need_file_space = 1;
	rig_boot(&rig);
	rig_run(&rig, 1000);
	assert_false(rig.u.has_attempt);
	rig_init(&rig, SCRIPT(.sources = {2}, .supply_mv = {3100}), "");
	rig.product.policy.min_supply_mv = 3300;
	rig_boot(&rig);
	rig_run(&rig, 1000);
	assert_false(rig.u.has_attempt);
}

static void test_trouble_explains_a_failure(void **state)
{
	(void)state;
	go(SCRIPT(.fails_with = 4, .errors = {4}), "lwm2m-transfer=pull");
	assert_ended(VERDICT_DEVICE_FAILED);
	assert_diagnosed(DIAG_WEAK_LINK);
	go(SCRIPT(.apply = APPLY_SILENT, .errors = {1}), "");
	assert_ended(VERDICT_NEVER_CAME_BACK);
	assert_diagnosed(DIAG_LOW_POWER);
	go(SCRIPT(.apply = APPLY_OLD, .errors = {5}), "");
	assert_ended(VERDICT_REVERTED);
	assert_diagnosed(DIAG_STORAGE_FULL);
}

static void test_root_elsewhere(void **state)
{
	(void)state;
	go(SCRIPT(.root = "/lwm2m"), "");
	assert_updated(GRADE_WEAK);
	go(SCRIPT(.no_links = true, .no_ep = true), "");
	assert_updated(GRADE_WEAK);
}

static void test_queue_mode(void **state)
{
	(void)state;
	go(SCRIPT(.queue = true, .lifetime_s = 1200), "");
	assert_updated(GRADE_WEAK);
	go(SCRIPT(.queue = true, .lifetime_s = 1200, .version = "1.0"), "");
	assert_updated(GRADE_WEAK);
	/* it sleeps when its target changes: that waits for its next word */
	rig_init(&rig, SCRIPT(.queue = true, .lifetime_s = 1200), UPTIME);
	rig.u.target = NULL;
	rig_boot(&rig);
	rig_run(&rig, 300);
	rig.u.target = &rig.releases[RIG_TARGET];
	rig_ring(&rig);
	assert_false(rig.has_ask);
	rig_run(&rig, 250);
	assert_false(rig.u.has_attempt);
	rig_until_closed(&rig, 3000);
	assert_updated(GRADE_STANDARD);
	/* nobody tells it of the end of the download: it is looked for when it speaks */
	go(SCRIPT(.queue = true, .lifetime_s = 1200, .lost_notifications = true), "");
	assert_updated(GRADE_WEAK);
}

/* Once for each registration, before the observations they are meant for; nothing rests on them. */
static void test_write_attributes(void **state)
{
	static const int codes[] = {0, 400, 404, 405, 500, RIG_NONE};

	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		go(SCRIPT(.attributes_code = codes[i], .lifetime_s = 60), "");
		assert_updated(GRADE_WEAK);
		assert_int_equal(rig.attributes, 1);
		assert_int_equal(rig.observed, 2);
		/* those of the registration before are gone with it; updates of it keep them */
		rig_run(&rig, 600);
		rig.u.target = &rig.releases[RIG_BASE];
		rig.closed = false;
		rig_ring(&rig);
		rig_until_closed(&rig, 300000);
		assert_true(rig.closed);
		assert_int_equal(rig.attributes, 2);
		assert_int_equal(rig.observed, 4);
	}
}

static void test_notifications_are_not_needed(void **state)
{
	(void)state;
	go(SCRIPT(.no_observe = true), "");
	assert_updated(GRADE_WEAK);
	go(SCRIPT(.lost_notifications = true), "");
	assert_updated(GRADE_WEAK);
}

/* ---- devices that are not what they say ---- */

static void test_result_1_without_reboot(void **state)
{
	(void)state;
	/* first the word, then the reboot */
	go(SCRIPT(.result_first = 1), "");
	assert_updated(GRADE_WEAK);
	/* the word only */
	go(SCRIPT(.result_first = 1, .apply = APPLY_NEVER), "");
	assert_ended(VERDICT_NEVER_REBOOTED);
	assert_diagnosed(DIAG_RESET_BLOCKED);
}

static void test_result_1_on_the_old_image(void **state)
{
	(void)state;
	go(SCRIPT(.apply = APPLY_OLD), "");
	assert_ended(VERDICT_REVERTED);
	assert_int_equal(rig.ended.code, 1);
	assert_string_equal(rig.ended.detail, "LwM2M result 1: firmware updated successfully");
	go(SCRIPT(.apply = APPLY_OLD, .result_after = RIG_NONE), "");
	assert_ended(VERDICT_REVERTED);
	assert_int_equal(rig.ended.code, 0);
}

static void test_result_8(void **state)
{
	(void)state;
	go(SCRIPT(.apply = APPLY_OLD, .result_after = 8), "");
	assert_ended(VERDICT_DEVICE_FAILED);
	assert_int_equal(rig.ended.code, 8);
	assert_reason(REASON_OTHER);
	assert_string_equal(rig.ended.detail, "LwM2M result 8: firmware update failed");
	assert_int_not_equal(rig.ended.rung_ms[RUNG_REBOOTED], 0);
	/* on the new image it is a lie */
	go(SCRIPT(.apply = APPLY_REBOOT, .result_after = 8), "");
	assert_updated(GRADE_WEAK);
	/* without a reboot */
	go(SCRIPT(.apply = APPLY_FAILS, .fails_with = 8), "");
	assert_ended(VERDICT_DEVICE_FAILED);
	assert_int_equal(rig.ended.code, 8);
	assert_int_equal(rig.ended.rung_ms[RUNG_REBOOTED], 0);
}

static void test_state_stuck_at_3(void **state)
{
	(void)state;
	go(SCRIPT(.apply = APPLY_NEVER), "");
	assert_ended(VERDICT_NEVER_REBOOTED);
	assert_fact(DIAG_RESET_BLOCKED, "; it says: LwM2M State 3 (updating)");
	/* over the reboot: the new image counts, the old one does not */
	go(SCRIPT(.apply = APPLY_REBOOT, .state_after = 3, .result_after = RIG_NONE), "");
	assert_updated(GRADE_WEAK);
	go(SCRIPT(.apply = APPLY_OLD, .state_after = 3, .result_after = RIG_NONE), "");
	assert_ended(VERDICT_NEVER_REBOOTED);
	assert_fact(DIAG_RESET_BLOCKED, "; it says: LwM2M State 3 (updating)");
	go(SCRIPT(.apply = APPLY_OLD, .state_after = 3, .result_after = RIG_NONE), UPTIME);
	assert_ended(VERDICT_REVERTED);
	assert_string_equal(rig.ended.detail, "LwM2M State 3 (updating)");
}

/* Is it said to who asks while there is time to do something? */
static void test_state_3_is_explained_while_it_lasts(void **state)
{
	(void)state;
	rig_init(&rig, SCRIPT(.version = "1.1", .apply = APPLY_NEVER), "");
	rig_boot(&rig);
	for (int i = 0; i < 1000 && rig_talk(&rig)->fw.step != FW_EXECUTED; i++)
		rig_run(&rig, 1);
	assert_int_equal(rig_talk(&rig)->fw.step, FW_EXECUTED);
	rig_run(&rig, 30);
	assert_false(rig_says(&rig, "says State 3 (updating) ever since"));
	rig_run(&rig, 100);
	assert_false(rig.closed);
	assert_true(rig_says(&rig, "says State 3 (updating) ever since"));
	assert_true(rig_says(&rig, "Restart it; if that does not help"));
}

static void test_nothing_left_of_it_after_the_reboot(void **state)
{
	(void)state;
	go(SCRIPT(.result_after = RIG_NONE), "");
	assert_updated(GRADE_WEAK);
}

static void test_state_1_at_boot(void **state)
{
	(void)state;
	go(SCRIPT(.state_at_boot = 1), "");
	assert_updated(GRADE_WEAK);
	go(SCRIPT(.state_at_boot = 2), "");
	assert_updated(GRADE_WEAK);
	assert_int_equal(rig.written, 1);
	go(SCRIPT(.state_at_boot = 1, .no_reset = true), "");
	assert_ended(VERDICT_REFUSED);
	assert_string_equal(rig.ended.detail, "LwM2M State 1 (downloading) before anything was "
					      "written, and a reset does not end it");
	assert_int_equal(rig.written + rig.pushed, 0);
	go(SCRIPT(.state_at_boot = 3), "");
	assert_ended(VERDICT_REFUSED);
	assert_reason(REASON_BUSY);
	assert_false(rig.ended.charged);
	/* also the new image does so */
	go(SCRIPT(.state_at_boot = 1, .state_after = 1, .result_after = RIG_NONE), "");
	assert_updated(GRADE_WEAK);
}

static void test_registers_without_reboot(void **state)
{
	(void)state;
	go(SCRIPT(.registers_first = true), "");
	assert_updated(GRADE_WEAK);
	go(SCRIPT(.registers_first = true, .apply = APPLY_NEVER), "");
	assert_ended(VERDICT_NEVER_REBOOTED);
	/* one that says it runs the new image: nothing of LwM2M can tell, an uptime can */
	go(SCRIPT(.apply = APPLY_LIE), "");
	assert_updated(GRADE_WEAK);
	go(SCRIPT(.apply = APPLY_LIE), UPTIME);
	assert_ended(VERDICT_NEVER_REBOOTED);
	assert_diagnosed(DIAG_UNBOOTED);
	go(SCRIPT(.apply = APPLY_LIE), COUNT);
	assert_ended(VERDICT_NEVER_REBOOTED);
	rig_init(&rig, SCRIPT(.apply = APPLY_LIE), "");
	rig.product.policy.allow_weak = 0;
	rig_boot(&rig);
	rig_until_closed(&rig, 300000);
	assert_ended(VERDICT_UNPROVEN);
}

static void test_state_2_without_a_block(void **state)
{
	(void)state;
	go(SCRIPT(.cached = true, .apply = APPLY_OLD), "");
	assert_ended(VERDICT_REVERTED);
	assert_diagnosed(DIAG_CACHED_IMAGE);
	/* the next one drops what it has kept */
	rig_run(&rig, 200);
	assert_true(rig.attempts_closed > 1 || rig.u.attempt.fresh);
}

static void test_applies_by_itself(void **state)
{
	(void)state;
	go(SCRIPT(.self_applies = true), "");
	assert_updated(GRADE_WEAK);
	assert_int_equal(rig.executed, 0);
	go(SCRIPT(.self_applies = true, .apply = APPLY_NEVER), "");
	assert_ended(VERDICT_NEVER_REBOOTED);
}

static void test_never_comes_back(void **state)
{
	(void)state;
	go(SCRIPT(.apply = APPLY_SILENT), "");
	assert_ended(VERDICT_NEVER_CAME_BACK);
	assert_int_equal(rig.offline, 1);
	/* 60 s after its lifetime */
	assert_in_range(rig.ended.closed_ms, rig.ended.rung_ms[RUNG_APPLYING] + 3590000,
			rig.ended.rung_ms[RUNG_APPLYING] + 3700000);
}

static void test_downloads_that_fail(void **state)
{
	static const struct {
		int result;
		enum verdict verdict;
		enum reason reason;
		bool charged;
	} rows[] = {
		{2, VERDICT_DEVICE_FAILED, REASON_NO_SPACE, true},
		{3, VERDICT_DEVICE_FAILED, REASON_OTHER, true},
		{4, VERDICT_DEVICE_FAILED, REASON_OTHER, true},
		{5, VERDICT_DEVICE_FAILED, REASON_BAD_DIGEST, true},
		{6, VERDICT_DEVICE_FAILED, REASON_UNSUPPORTED, true},
		{8, VERDICT_DEVICE_FAILED, REASON_OTHER, true},
		{10, VERDICT_REFUSED, REASON_DEFERRED, false},
		{11, VERDICT_REFUSED, REASON_DEFERRED, false},
		{77, VERDICT_DEVICE_FAILED, REASON_OTHER, true},
	};
	char words[LIMIT_DETAIL + 1];

	(void)state;
	for (size_t k = 0; k < 2 * sizeof(rows) / sizeof(rows[0]); k++) {
		size_t i = k / 2;
		go(SCRIPT(.delivery = k % 2 ? DELIVERS_PUSH : DELIVERS_PULL,
			  .fails_with = rows[i].result),
		   "");
		assert_ended(rows[i].verdict);
		assert_reason(rows[i].reason);
		assert_int_equal(rig.ended.charged, rows[i].charged);
		assert_int_equal(rig.ended.code, rows[i].result);
		lwm2m_result_text(rows[i].result, words);
		assert_string_equal(rig.ended.detail, words);
		assert_int_equal(rig.executed, 0);
	}
	/* no way to pull from here, but it can be pushed to */
	go(SCRIPT(.fails_with = 9), "");
	assert_int_equal(rig.pushed, 1);
	assert_ended(VERDICT_DEVICE_FAILED);
	assert_int_equal(rig.ended.code, 9);
	go(SCRIPT(.stalls = true), "");
	assert_ended(VERDICT_TRANSFER_STALLED);
	assert_int_equal(rig.written, 1);
}

/* It is polled, and answers State 1 for ever, or nothing: that it is heard puts no end off. */
static void test_download_that_stands_still_unnoticed(void **state)
{
	(void)state;
	for (unsigned silent = 0; silent < 2; silent++) {
		rig_init(&rig, SCRIPT(.stalls = true, .lost_notifications = true), "lwm2m-poll=20");
		rig_boot(&rig);
		for (int i = 0; i < 1000 && rig_talk(&rig)->told.state != 1; i++)
			rig_run(&rig, 1);
		assert_int_equal(rig_talk(&rig)->told.state, 1);
		rig.on = !silent;
		rig_until_closed(&rig, 300000);
		assert_true(rig.closed);
		assert_ended(VERDICT_TRANSFER_STALLED);
		assert_int_equal(rig.events_started, 1);
		assert_in_range(rig.ended.closed_ms - rig.ended.rung_ms[RUNG_STARTED], 1,
				(rig.product.policy.stall_s + 5) * 1000);
	}
}

static void test_writes_that_are_refused(void **state)
{
	(void)state;
	go(SCRIPT(.delivery = DELIVERS_PULL, .uri_code = 400), "");
	assert_ended(VERDICT_DEVICE_FAILED);
	assert_int_equal(rig.ended.code, 400);
	assert_string_equal(rig.ended.detail, "the URI (/5/0/1) was answered 4.00");
	go(SCRIPT(.delivery = DELIVERS_PUSH, .push_code = 413), "");
	assert_reason(REASON_NO_SPACE);
	assert_string_equal(rig.ended.detail, "the package (/5/0/0) was answered 4.13");
	go(SCRIPT(.delivery = DELIVERS_PUSH, .push_code = 503), "");
	assert_int_equal(rig.ended.code, 503);
}

/* ---- Execute ---- */

static void test_execute_lost(void **state)
{
	(void)state;
	go(SCRIPT(.execute_lost = 1), "");
	assert_updated(GRADE_WEAK);
	assert_int_equal(rig.executed, 1);
	go(SCRIPT(.execute_unanswered = true), "");
	assert_updated(GRADE_WEAK);
	assert_int_equal(rig.executed, 1);
	go(SCRIPT(.execute_lost = 99), "");
	assert_ended(VERDICT_NEVER_REBOOTED);
	go(SCRIPT(.execute_code = 405), "");
	assert_ended(VERDICT_DEVICE_FAILED);
	assert_string_equal(rig.ended.detail, "Execute of /5/0/2 was answered 4.05");
}

static void test_cancel(void **state)
{
	(void)state;
	rig_init(&rig, SCRIPT(.version = "1.1"), "");
	rig_boot(&rig);
	rig_run(&rig, 16);
	assert_int_equal(rig.state, 1);
	rig.u.target = NULL;
	assert_int_equal(rig_operator(&rig, OPERATOR_CANCEL, 0), 0);
	assert_true(rig.closed);
	assert_ended(VERDICT_CANCELLED);
	rig_run(&rig, 60);
	assert_int_equal(rig.state, 0); /* told to stop */
	assert_int_equal(rig_talk(&rig)->fw.step, FW_IDLE);
	assert_int_equal(rig.executed, 0);
}

/* The next target comes while the package of the attempt before is dropped. */
static void test_next_attempt_after_a_drop(void **state)
{
	(void)state;
	rig_init(&rig, SCRIPT(.version = "1.1"), "");
	rig_boot(&rig);
	rig_run(&rig, 16);
	assert_int_equal(rig.state, 1);
	assert_int_equal(rig_operator(&rig, OPERATOR_CANCEL, 0), 0);
	assert_ended(VERDICT_CANCELLED);
	rig.u.target = NULL;
	rig_run(&rig, 1);
	assert_int_equal(rig_talk(&rig)->fw.step, FW_DROP);
	rig.u.target = &rig.releases[RIG_TARGET];
	rig_operator(&rig, OPERATOR_TARGET_CHANGED, 0);
	rig.closed = false;
	rig_run(&rig, 20); /* before its next update of the registration */
	assert_int_equal(rig_talk(&rig)->fw.step, FW_WRITTEN);
	rig_until_closed(&rig, 3000);
	assert_ended(VERDICT_UPDATED);
	assert_int_equal(rig.attempts_closed, 2);
}

/* It registers anew while its package is to be dropped: dropped all the same. */
static void test_drop_over_a_registration(void **state)
{
	(void)state;
	rig_init(&rig, SCRIPT(.version = "1.1"), "");
	rig_boot(&rig);
	rig_run(&rig, 16);
	assert_int_equal(rig.state, 1);
	rig.u.target = NULL;
	assert_int_equal(rig_operator(&rig, OPERATOR_CANCEL, 0), 0);
	rig_register(&rig);
	rig_run(&rig, 60);
	assert_int_equal(rig.state, 0);
	assert_int_equal(rig_talk(&rig)->fw.step, FW_IDLE);
}

/* A product whose option is taken away: nothing of it is reported any more. */
static void test_option_taken_away(void **state)
{
	(void)state;
	rig_init(&rig, SCRIPT(.version = "1.1"), DIGEST "lwm2m-confirmed=/33605/0/1\n");
	rig.u.target = NULL;
	rig_boot(&rig);
	rig_run(&rig, 30);
	assert_int_equal(rig.u.device.report.running.len, 32);
	assert_int_equal(rig.u.device.report.confirmed, 1);
	rig.options[0] = 0;
	rig_run(&rig, 200); /* also by what needs no read */
	assert_int_equal(rig.u.device.report.running.len, 0);
	assert_int_equal(rig.u.device.report.confirmed, -1);
}

/* "Not now" is no "never". */
static void test_busy(void **state)
{
	static const int codes[] = {503, 429, 401, 500};

	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		go(SCRIPT(.busy = 2, .busy_code = codes[i]), "");
		assert_updated(GRADE_WEAK);
		go(SCRIPT(.busy = 2, .busy_code = codes[i], .no_links = true), UPTIME);
		assert_updated(GRADE_STANDARD);
		go(SCRIPT(.busy = 20, .busy_code = codes[i]), "");
		assert_updated(GRADE_WEAK);
		go(SCRIPT(.queue = true, .lifetime_s = 1200, .busy = 3, .busy_code = codes[i]), "");
		assert_updated(GRADE_WEAK);
	}
}

/* ---- restarts ---- */

static void test_interrupted_download(void **state)
{
	(void)state;
	rig_init(&rig, SCRIPT(.version = "1.1"), "");
	rig_boot(&rig);
	rig_run(&rig, 20);
	assert_int_equal(rig.state, 1);
	rig_boot(&rig);
	rig_until_closed(&rig, 3000);
	assert_updated(GRADE_WEAK);
	assert_int_equal(rig.written, 2);
	rig_init(&rig, SCRIPT(.version = "1.1"), UPTIME);
	rig_boot(&rig);
	rig_run(&rig, 20);
	rig_boot(&rig);
	rig_until_closed(&rig, 3000);
	assert_updated(GRADE_STANDARD);
	assert_int_equal(rig.ended.interruptions, 1);
}

static void test_server_restarts_after_commits(void **state)
{
	static const char *const options[] = {"", UPTIME, COUNT DIGEST, "lwm2m-transfer=push"};

	(void)state;
	for (unsigned seed = 0; seed < 100; seed++) {
		rig_init(&rig, SCRIPT(.version = "1.1"), options[seed % 4]);
		rig.random += seed;
		rig.restarts = true;
		rig_boot(&rig);
		rig_until_closed(&rig, 30000);
		assert_true(rig.closed);
		assert_updated(seed % 4 == 1 || seed % 4 == 2 ? GRADE_STANDARD : GRADE_WEAK);
		assert_int_equal(rig.executed, 1);
	}
}

static void test_server_restarts_at_each_second(void **state)
{
	(void)state;
	for (int second = 1; second < 60; second++) {
		rig_init(&rig, SCRIPT(.version = "1.1"), UPTIME);
		rig_boot(&rig);
		rig_run(&rig, second);
		rig_restart(&rig);
		rig_until_closed(&rig, 5000);
		assert_true(rig.closed);
		assert_updated(GRADE_STANDARD);
		assert_int_equal(rig.executed, 1);
	}
}

/* What it has tried counts also over restarts: it comes to an end. */
static void test_restarts_between_looks(void **state)
{
	static const int states[] = {1, 3};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		rig_init(&rig, SCRIPT(.state_at_boot = states[i], .no_reset = true), "");
		rig_boot(&rig);
		for (int n = 0; n < 100 && !rig.closed; n++) {
			rig_run(&rig, 10);
			rig_restart(&rig);
		}
		assert_true(rig.closed);
		assert_ended(VERDICT_REFUSED);
	}
	rig_init(&rig, SCRIPT(.delivery = DELIVERS_PUSH, .push_code = 503), "");
	rig_boot(&rig);
	for (int n = 0; n < 100 && !rig.closed; n++) {
		rig_run(&rig, 10);
		rig_restart(&rig);
	}
	assert_true(rig.closed);
	assert_int_equal(rig.ended.code, 503);
}

/* A ring that met a sleeping device, and then a restart. */
static void test_ring_is_kept(void **state)
{
	(void)state;
	rig_init(&rig, SCRIPT(.queue = true, .lifetime_s = 1200), UPTIME);
	rig.u.target = NULL;
	rig_boot(&rig);
	rig_run(&rig, 300);
	rig.u.target = &rig.releases[RIG_TARGET];
	rig_ring(&rig);
	rig_restart(&rig);
	assert_true(rig_talk(&rig)->resume);
	rig_until_closed(&rig, 3000);
	assert_updated(GRADE_STANDARD);
}

/* The talk of a device is lost (another version of it, a damaged row) in the middle. */
static void test_talk_is_lost(void **state)
{
	(void)state;
	for (int second = 1; second < 48; second++) {
		rig_init(&rig, SCRIPT(.version = "1.1"), "");
		rig_boot(&rig);
		rig_run(&rig, second);
		rig_lose(&rig);
		rig_until_closed(&rig, 300000);
		assert_true(rig.closed);
		assert_updated(GRADE_WEAK);
	}
}

static void test_no_version_no_offer(void **state)
{
	(void)state;
	rig_init(&rig, SCRIPT(.no_version = true), "");
	rig_boot(&rig);
	rig_run(&rig, 5000);
	assert_false(rig.u.has_attempt);
	assert_int_equal(rig.attempts_closed, 0);
	assert_string_equal(rig.log,
			    "gives no firmware version (/3/0/3), so nothing can be proved");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pull),
		cmocka_unit_test(test_better_proof),
		cmocka_unit_test(test_our_clock_jumps),
		cmocka_unit_test(test_digest_makes_it_strong),
		cmocka_unit_test(test_push),
		cmocka_unit_test(test_transfer_that_cannot_be),
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_facts_of_the_device),
		cmocka_unit_test(test_error_codes),
		cmocka_unit_test(test_power_of_the_device),
		cmocka_unit_test(test_preflight),
		cmocka_unit_test(test_trouble_explains_a_failure),
		cmocka_unit_test(test_root_elsewhere),
		cmocka_unit_test(test_queue_mode),
		cmocka_unit_test(test_write_attributes),
		cmocka_unit_test(test_notifications_are_not_needed),
		cmocka_unit_test(test_result_1_without_reboot),
		cmocka_unit_test(test_result_1_on_the_old_image),
		cmocka_unit_test(test_result_8),
		cmocka_unit_test(test_state_stuck_at_3),
		cmocka_unit_test(test_state_3_is_explained_while_it_lasts),
		cmocka_unit_test(test_nothing_left_of_it_after_the_reboot),
		cmocka_unit_test(test_state_1_at_boot),
		cmocka_unit_test(test_registers_without_reboot),
		cmocka_unit_test(test_state_2_without_a_block),
		cmocka_unit_test(test_applies_by_itself),
		cmocka_unit_test(test_never_comes_back),
		cmocka_unit_test(test_downloads_that_fail),
		cmocka_unit_test(test_download_that_stands_still_unnoticed),
		cmocka_unit_test(test_writes_that_are_refused),
		cmocka_unit_test(test_execute_lost),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_next_attempt_after_a_drop),
		cmocka_unit_test(test_drop_over_a_registration),
		cmocka_unit_test(test_option_taken_away),
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_interrupted_download),
		cmocka_unit_test(test_restarts_between_looks),
		cmocka_unit_test(test_ring_is_kept),
		cmocka_unit_test(test_server_restarts_after_commits),
		cmocka_unit_test(test_server_restarts_at_each_second),
		cmocka_unit_test(test_talk_is_lost),
		cmocka_unit_test(test_no_version_no_offer),
	};

	return cmocka_run_group_tests_name("lwm2m_update", tests, NULL, NULL);
}
