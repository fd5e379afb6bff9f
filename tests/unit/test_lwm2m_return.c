/* SPDX-License-Identifier: Apache-2.0
 *
 * LwM2M after Execute: a device that comes back and leaves before it was read, one that stays and
 * must be asked before it is called silent, one that says good-bye before it restarts.
 */
#include "lwm2m_rig.h"

#include <stdio.h>
#include <string.h>

#define UPTIME "lwm2m-uptime=/33605/0/0\n"

enum { DELETE = 4, MANY_S = 300000 };

static struct rig rig;

#define SCRIPT(...) (&(const struct rig_script){.version = "1.1", __VA_ARGS__})

static void begin(const struct rig_script *s, const char *options, int64_t stall_s)
{
	rig_init(&rig, s, options);
	rig_boot(&rig);
	for (int i = 0; i < 1000 && !rig_talk(&rig)->fw.execute_ms; i++)
		rig_run(&rig, 1);
	assert_true(rig.u.has_attempt);
	assert_int_equal(rig.u.attempt.state, ATTEMPT_APPLYING);
	rig.u.attempt.stall_at_ms = rig.u.now_ms + stall_s * 1000;
	rig_run(&rig, 1); /* Execute is answered */
}

static void good_bye(void)
{
	char path[32];

	snprintf(path, sizeof(path), "rd/%s", rig_talk(&rig)->reg.location);
	rig_request(&rig, DELETE, path, "", -1, NULL, 0);
	rig.registered = false;
}

#define assert_ended(v) assert_string_equal(verdict_name(rig.ended.verdict), verdict_name(v))

static bool diagnosed(enum diagnosis_kind kind)
{
	for (unsigned i = 0; i < rig.diagnoses.count; i++)
		if (rig.diagnoses.list[i].kind == kind)
			return true;
	return false;
}

/* It registers after its boot, and is gone before an answer could come. */
static void returns_and_leaves(enum rig_apply apply, const char *options)
{
	begin(SCRIPT(.apply = apply), options, 3600);
	for (int i = 0; i < 100 && rig.boots == 1; i++)
		rig_run(&rig, 1);
	rig.on = false; /* so that it does nothing by itself */
	rig_register(&rig);
	assert_string_equal(rig.ask.path, "3/0"); /* first of all */
	assert_true(attempt_returned(&rig.u.attempt));
	rig.u.now_ms += 500;
	good_bye();
	assert_false(rig.u.device.online);
	assert_int_equal(rig.u.device.seen_ms, rig.u.now_ms);
	assert_int_equal(rig.u.device.offline_at_ms, 0);
}

static void test_left_before_it_was_read(void **state)
{
	(void)state;
	returns_and_leaves(APPLY_OLD, "");
	rig_until_closed(&rig, MANY_S);
	assert_ended(VERDICT_UNPROVEN);
	assert_true(rig.ended.charged);
	assert_int_not_equal(rig.ended.rung_ms[RUNG_REBOOTED], 0);
	assert_false(diagnosed(DIAG_RESET_BLOCKED));
	/* it is there again before the deadline: what it runs decides */
	static const enum rig_apply applies[] = {APPLY_OLD, APPLY_REBOOT};
	static const enum verdict verdicts[] = {VERDICT_REVERTED, VERDICT_UPDATED};
	for (unsigned i = 0; i < 2; i++) {
		returns_and_leaves(applies[i], "");
		rig_run(&rig, 600);
		assert_false(rig.closed);
		rig.on = true;
		rig_register(&rig);
		rig_until_closed(&rig, 100);
		assert_ended(verdicts[i]);
	}
}

/* A registration only looked like a boot: the uptime tells, or State 3 does. */
static void test_return_is_taken_back(void **state)
{
	static const char *const proofs[] = {"", UPTIME};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		begin(SCRIPT(.apply = APPLY_NEVER), proofs[i], 3600);
		rig_run(&rig, 5);
		rig_register(&rig);
		assert_true(attempt_returned(&rig.u.attempt));
		rig_run(&rig, 10);
		assert_false(attempt_returned(&rig.u.attempt));
		rig_until_closed(&rig, MANY_S);
		assert_ended(VERDICT_NEVER_REBOOTED);
		assert_int_equal(rig.ended.rung_ms[RUNG_REBOOTED], 0);
	}
}

/* However short the time, and whatever else makes it look at the device meanwhile. */
static void test_asked_before_it_is_silent(void **state)
{
	static const int64_t stalls_s[] = {5, 14, 16, 20, 60}, lives_s[] = {300, 22, 16, 6};

	(void)state;
	for (unsigned i = 0; i < sizeof(stalls_s) / sizeof(stalls_s[0]); i++)
		for (unsigned k = 0; k < sizeof(lives_s) / sizeof(lives_s[0]); k++) {
			begin(SCRIPT(.apply = k % 2 ? APPLY_IDLE : APPLY_NEVER,
				     .lifetime_s = lives_s[k]),
			      "", stalls_s[i]);
			rig_until_closed(&rig, 100);
			assert_ended(VERDICT_NEVER_REBOOTED);
			assert_true(diagnosed(DIAG_RESET_BLOCKED));
		}
}

static void test_silent_is_told_soon(void **state)
{
	(void)state;
	begin(SCRIPT(.apply = APPLY_SILENT), "", 5);
	rig_until_closed(&rig, 27);
	assert_ended(VERDICT_NEVER_CAME_BACK);
	/* not longer than it has to be */
	begin(SCRIPT(.apply = APPLY_SILENT), "", 60);
	rig_until_closed(&rig, 61);
	assert_ended(VERDICT_NEVER_CAME_BACK);
	/* one that sleeps cannot be asked */
	begin(SCRIPT(.apply = APPLY_SILENT, .queue = true), "", 5);
	rig_until_closed(&rig, 6);
	assert_ended(VERDICT_NEVER_CAME_BACK);
}

/* A good-bye before the restart: the last word, and no sign of life after Execute. */
static void test_good_bye_before_the_restart(void **state)
{
	(void)state;
	begin(SCRIPT(.apply = APPLY_SILENT), "", 3600);
	int64_t before_ms = rig.u.device.seen_ms;
	rig_run(&rig, 3);
	assert_int_equal(rig.u.device.seen_ms, before_ms);
	good_bye();
	assert_int_equal(rig.u.device.seen_ms, rig.u.now_ms);
	assert_false(rig.u.device.online);
	assert_int_equal(rig.offline, 1);
	assert_false(rig.u.attempt.heard);
	rig_until_closed(&rig, MANY_S);
	assert_ended(VERDICT_NEVER_CAME_BACK);
	/* and one that restarts, registers, and is a good one */
	begin(SCRIPT(.apply = APPLY_REBOOT), "", 3600);
	good_bye();
	rig_until_closed(&rig, 100);
	assert_ended(VERDICT_UPDATED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_left_before_it_was_read),
		cmocka_unit_test(test_return_is_taken_back),
		cmocka_unit_test(test_asked_before_it_is_silent),
		cmocka_unit_test(test_silent_is_told_soon),
		cmocka_unit_test(test_good_bye_before_the_restart),
	};

	return cmocka_run_group_tests_name("lwm2m_return", tests, NULL, NULL);
}
