/* SPDX-License-Identifier: Apache-2.0
 *
 * LwM2M: what was saved and cannot be read, or is of an older version; our clock that is set back;
 * what stock clients do.
 */
#include "lwm2m_rig.h"

#include <stdio.h>
#include <string.h>

#define UPTIME "lwm2m-uptime=/33605/0/0\n"
#define COUNT "lwm2m-boot-count=/33605/0/1\n"

static struct rig rig;

/* A fault of a good device: SCRIPT(.delivery = DELIVERS_PUSH) */
#define SCRIPT(...) (&(const struct rig_script){__VA_ARGS__})

static const char *const proofs[] = {"", UPTIME, COUNT};
enum { PROOFS = sizeof(proofs) / sizeof(proofs[0]) };

static void until_applying(const struct rig_script *s, const char *options)
{
	rig_init(&rig, s, options);
	rig_boot(&rig);
	for (int i = 0; i < 1000 && !(rig.u.has_attempt && rig.u.attempt.state == ATTEMPT_APPLYING);
	     i++)
		rig_run(&rig, 1);
	assert_true(rig.u.has_attempt);
	assert_int_equal(rig.u.attempt.state, ATTEMPT_APPLYING);
}

/* ---- a talk that is lost ---- */

/* The device registers anew, and has not restarted. */
static void test_lost_talk_is_no_boot(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PROOFS; i++) {
		until_applying(SCRIPT(.version = "1.1", .apply = APPLY_NEVER), proofs[i]);
		rig_run(&rig, 30);
		struct boot_id before = rig.u.device.report.boot;
		rig_lose(&rig);
		rig_run(&rig, 100);
		assert_true(boot_id_equal(&before, &rig.u.device.report.boot));
		assert_int_equal(before.inferred, rig.u.device.report.boot.inferred);
		assert_false(rig.closed);
		assert_int_equal(rig.u.attempt.state, ATTEMPT_APPLYING);
		/* and not afterwards, either */
		rig_until_closed(&rig, 300000);
		assert_true(rig.closed);
		assert_string_equal(verdict_name(rig.ended.verdict), "never-rebooted");
	}
}

/* Execute may have got lost: it is sent again, and the boot after it is as good as any. */
static void test_boot_after_a_lost_talk(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PROOFS; i++) {
		until_applying(SCRIPT(.version = "1.1"), proofs[i]);
		rig_lose(&rig);
		rig_until_closed(&rig, 300000);
		assert_true(rig.closed);
		assert_string_equal(verdict_name(rig.ended.verdict), "updated");
		assert_int_equal(rig.ended.grade, i == 0 ? GRADE_WEAK : GRADE_STANDARD);
	}
}

/* The gate was passed in the name of another protocol: a first counter proves nothing. */
static void test_boot_of_another_protocol(void **state)
{
	struct boot_id native = {.len = 16, .bytes = {1, 2, 3}};

	(void)state;
	for (unsigned i = 0; i < PROOFS; i++) {
		until_applying(SCRIPT(.version = "1.1", .apply = APPLY_LIE), proofs[i]);
		rig_lose(&rig);
		rig.named = RIG_TARGET;
		rig.u.device.report.boot = native;
		rig_until_closed(&rig, 300000);
		assert_true(rig.closed);
		assert_int_equal(rig.ended.grade, GRADE_WEAK);
	}
}

/* ---- a talk of an older version ---- */

static size_t unhex(const char *text, uint8_t *dst)
{
	size_t len = strlen(text) / 2;

	for (size_t i = 0; i < len; i++) {
		unsigned byte;
		assert_int_equal(sscanf(text + 2 * i, "%2x", &byte), 1);
		dst[i] = (uint8_t)byte;
	}
	return len;
}

/* In the middle of a download. Such rows are in databases: they must be read for ever. */
static void test_version_2_is_read(void **state)
{
	static const char version_2[] =
		"02010001010b015500083261656537343639000000000000012c000001a3185c638800000001a6b08c"
		"368c48b8f30100"
		"040000000000000001000001a3185c53e805312e302e30030005789041c98cbb00000000000186a0f1"
		"f1f1f1f1f1f1f1"
		"00000400000000010001000000000000000000000001a3185c7ee00000000000000000000000010000"
		"00000000000000"
		"00000000000005312e302e30000000ffffffffffffffff0000000000000002ffffffffffffffffffff"
		"ffffffffffff00"
		"00000000002d16000000000000000017000000000000006b49d2060000000000000008000000000000"
		"00010000000000"
		"000000000000000000005000000000000003840000000000000fa00000000000000008000000000000"
		"0001000001a318"
		"5c732800000001a3185c9a380000000000000000000001a3185ce858000000000000001403";
	_Alignas(16) uint8_t talk[sizeof(struct lwm2m_talk)];
	const struct lwm2m_talk *t = (void *)talk;
	uint8_t bytes[TALK_SAVED];
	size_t len = unhex(version_2, bytes);

	(void)state;
	assert_int_equal(talk_lwm2m.load(talk, (struct bytes){bytes, len}), 0);
	assert_true(t->reg.registered);
	assert_int_equal(t->reg.lifetime_s, 300);
	assert_true(t->boots.known);
	assert_int_equal(t->boots.count, 1);
	assert_string_equal(t->boots.version, "1.0.0");
	assert_int_equal(t->fw.step, FW_WRITTEN);
	assert_int_equal(t->fw.attempt, 1539935857904827);
	assert_int_equal(t->check_ms, 1800000039000);
	assert_int_equal(t->check_set_ms, 0);
	assert_int_equal(t->told.errors, -1);
	assert_int_equal(t->told.supply_mv, -1);
	/* and is stored as the present one */
	struct buf b = buf_writer(bytes, sizeof(bytes));
	assert_int_equal(talk_lwm2m.save(talk, &b), 0);
	assert_int_equal(b.pos, len + 42);
	assert_int_equal(bytes[0], 4);
}

static void test_other_versions_are_refused(void **state)
{
	_Alignas(16) uint8_t talk[sizeof(struct lwm2m_talk)];
	uint8_t bytes[TALK_SAVED];
	struct buf b = buf_writer(bytes, sizeof(bytes));

	(void)state;
	rig_init(&rig, SCRIPT(.version = "1.1"), "");
	assert_int_equal(talk_lwm2m.save(rig.talk, &b), 0);
	for (unsigned version = 0; version < 256; version++) {
		bytes[0] = (uint8_t)version;
		int err = talk_lwm2m.load(talk, buf_bytes(&b));
		if (version == 4)
			assert_int_equal(err, 0);
		else
			assert_int_equal(err,
					 version == 2 || version == 3 ? ERR_CORRUPT : ERR_VERSION);
	}
}

/* ---- our clock is set back ---- */

static int64_t lasts(const struct rig_script *s, const char *options, int second, int64_t jump_s)
{
	rig_init(&rig, s, options);
	rig_boot(&rig);
	int64_t at = 0;
	while (!rig.closed && at < 100000) {
		rig_run(&rig, 1);
		if (++at == second)
			rig_jump(&rig, jump_s);
	}
	assert_true(rig.closed);
	if (rig.ended.verdict != VERDICT_UPDATED)
		fail_msg("clock set by %d s at second %d: %s", (int)jump_s, second,
			 verdict_name(rig.ended.verdict));
	return at;
}

/* Only polls tell how far the device is. */
static void test_polls_go_on_when_our_clock_is_set_back(void **state)
{
	static const struct rig_script scripts[] = {
		{.version = "1.1", .lost_notifications = true, .lifetime_s = 86400},
		{.version = "1.1", .queue = true, .lost_notifications = true, .lifetime_s = 60},
		{.version = "1.1", .delivery = DELIVERS_PUSH, .lifetime_s = 86400},
	};

	(void)state;
	for (size_t k = 0; k < sizeof(scripts) / sizeof(scripts[0]); k++) {
		int64_t usual = lasts(&scripts[k], UPTIME, 0, 0);
		for (int second = 1; second < usual; second++) {
			/* a wait that begins anew, at most, and the next word of one that sleeps */
			assert_in_range(lasts(&scripts[k], UPTIME, second, -100000), 1,
					usual + 200);
			assert_in_range(lasts(&scripts[k], UPTIME, second, -20), 1, usual + 200);
		}
	}
}

/* ---- what stock clients do ---- */

static void go(const struct rig_script *s, const char *options)
{
	rig_init(&rig, s, options);
	rig_boot(&rig);
	rig_until_closed(&rig, 300000);
	assert_true(rig.closed);
}

/* lwm2m-node-lib 1.4.0: instances are 4.04, and what asks for SenML is not answered. */
static void test_instances_are_not_found(void **state)
{
	static const char *const versions[] = {"1.0", "1.1"};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		go(SCRIPT(.version = versions[i], .no_instances = true, .instance_code = 404,
			  .senml_silent = true),
		   "");
		assert_string_equal(verdict_name(rig.ended.verdict), "updated");
		assert_string_equal(rig_fact(&rig, "format"), "single resources");
		assert_int_equal(rig_talk(&rig)->ask.failures, 0);
	}
	/* SenML came with 1.1 */
	go(SCRIPT(.version = "1.0", .no_instances = true, .senml_silent = true), "");
	assert_string_equal(verdict_name(rig.ended.verdict), "updated");
	assert_in_range(rig.ended.closed_ms - rig.ended.rung_ms[RUNG_OFFERED], 1, 100000);
}

/* It takes the URI, and does not get there. */
static void test_push_where_the_uri_leads_nowhere(void **state)
{
	(void)state;
	go(SCRIPT(.version = "1.1", .unreachable = true), "");
	assert_string_equal(verdict_name(rig.ended.verdict), "updated");
	assert_int_equal(rig.written, 1);
	assert_int_equal(rig.pushed, 1);
	assert_int_equal(rig.attempts_closed, 1);
	/* unless the product, or the device, says otherwise */
	go(SCRIPT(.version = "1.1", .unreachable = true), "lwm2m-transfer=pull");
	assert_string_equal(verdict_name(rig.ended.verdict), "device-failed");
	assert_int_equal(rig.ended.code, 4);
	go(SCRIPT(.version = "1.1", .unreachable = true, .delivery = DELIVERS_PULL), "");
	assert_int_equal(rig.ended.code, 4);
	/* nor after a block */
	go(SCRIPT(.version = "1.1", .fails_with = 4), "");
	assert_int_equal(rig.ended.code, 4);
	assert_int_equal(rig.pushed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lost_talk_is_no_boot),
		cmocka_unit_test(test_boot_after_a_lost_talk),
		cmocka_unit_test(test_boot_of_another_protocol),
		cmocka_unit_test(test_version_2_is_read),
		cmocka_unit_test(test_other_versions_are_refused),
		cmocka_unit_test(test_polls_go_on_when_our_clock_is_set_back),
		cmocka_unit_test(test_instances_are_not_found),
		cmocka_unit_test(test_push_where_the_uri_leads_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
