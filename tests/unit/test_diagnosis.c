/* SPDX-License-Identifier: Apache-2.0
 *
 * core/diagnosis: which cause is named for which story (TRUTH.md sections 1 and 6). Others are
 * asserted where their story is told (test_update_report, _boots, _status).
 */
#include "core_world.h"

#include <string.h>

#define BEGIN                                                                                      \
	struct world w;                                                                            \
	(void)state;                                                                               \
	world_init(&w)

/* The thread that started it all: nothing served, accepted at once, the old firmware again. */
static void test_diagnosis_cached_image_and_full_file_system(void **state)
{
	BEGIN;
	struct report r = world_report(&w, IMAGE_BASE);
	world_go(&w, ATTEMPT_APPLYING);
	r.fs_free_bytes = 512;
	r.fs_total_bytes = 2000000;
	world_send(&w, BOOT_IS_NEW, &r);
	assert_verdict(VERDICT_REVERTED);
	assert_true(world_diagnosed(DIAG_CACHED_IMAGE));
	assert_true(world_diagnosed(DIAG_STORAGE_FULL));
	assert_false(world_diagnosed(DIAG_REFLASH_LOOP));
	assert_int_equal(world_out.diagnoses.list[0].kind, DIAG_STORAGE_FULL); /* ranked */
	assert_non_null(strstr(world_out.diagnoses.list[0].facts, "512 bytes free of 2000000"));
}

/* Reverted or lost, with little power: that is said first of what no other rule explains. */
static void test_diagnosis_low_power(void **state)
{
	static const uint32_t troubles[] = {TROUBLE_POWER_LOW, TROUBLE_POWER_LOST};

	BEGIN;
	for (unsigned i = 0; i < 2; i++) {
		world_init(&w);
		world_go(&w, ATTEMPT_APPLYING);
		w.u.device.report.troubles = troubles[i];
		w.u.device.report.battery_percent = 7;
		world_deadline(&w);
		assert_verdict(VERDICT_NEVER_CAME_BACK);
		assert_int_equal(world_out.diagnoses.list[0].kind, DIAG_LOW_POWER);
		assert_string_equal(world_out.diagnoses.list[0].facts,
				    i ? "the device says that its external power is off; it "
					"reports 7 % of its battery"
				      : "the device says that its battery is low; it reports 7 % "
					"of its battery");
	}
	/* by what the product asks for */
	world_init(&w);
	world_go(&w, ATTEMPT_APPLYING);
	world_product.policy.min_supply_mv = 3000;
	w.u.device.report.supply_mv = 2999;
	world_deadline(&w);
	assert_true(world_diagnosed(DIAG_LOW_POWER));
	/* it says nothing of what runs, and of an image that is no good */
	world_init(&w);
	world_go(&w, ATTEMPT_VERIFIED);
	w.u.device.report.troubles = TROUBLE_POWER_LOW;
	world_fail(&w, STATUS_FAILED, REASON_BAD_SIGNATURE);
	assert_verdict(VERDICT_DEVICE_FAILED);
	assert_false(world_diagnosed(DIAG_LOW_POWER));
	/* but where the device gives it as its reason */
	world_init(&w);
	world_offer(&w);
	world_fail(&w, STATUS_REFUSED, REASON_LOW_POWER);
	assert_verdict(VERDICT_REFUSED);
	assert_string_equal(world_out.diagnoses.list[0].facts,
			    "the device gave low-power as its reason");
	/* and a success needs no cause */
	world_init(&w);
	world_go(&w, ATTEMPT_APPLYING);
	struct report r = world_report(&w, IMAGE_TARGET);
	r.troubles = TROUBLE_POWER_LOW | TROUBLE_MEMORY_LOW | TROUBLE_NETWORK;
	world_send(&w, BOOT_IS_NEW, &r);
	assert_verdict(VERDICT_UPDATED);
	assert_false(world_diagnosed(DIAG_LOW_POWER));
	assert_false(world_diagnosed(DIAG_STORAGE_FULL));
	assert_false(world_diagnosed(DIAG_WEAK_LINK));
}

static void test_diagnosis_out_of_memory(void **state)
{
	BEGIN;
	struct report r = world_report(&w, IMAGE_BASE);
	world_go(&w, ATTEMPT_APPLYING);
	r.troubles = TROUBLE_MEMORY_LOW;
	world_send(&w, BOOT_IS_NEW, &r);
	assert_verdict(VERDICT_REVERTED);
	assert_int_equal(world_out.diagnoses.list[0].kind, DIAG_STORAGE_FULL);
	assert_string_equal(world_out.diagnoses.list[0].facts,
			    "the device says that it is out of memory");
	world_init(&w);
	world_go(&w, ATTEMPT_APPLYING);
	r = world_report(&w, IMAGE_BASE);
	r.fs_free_bytes = 512;
	r.troubles = TROUBLE_MEMORY_LOW;
	world_send(&w, BOOT_IS_NEW, &r);
	assert_non_null(strstr(world_out.diagnoses.list[0].facts,
			       "512 bytes free; the product's margin is 65536; it says that it is "
			       "out of memory"));
}

static void test_diagnosis_weak_signal(void **state)
{
	BEGIN;
	world_offer(&w);
	world_block(&w, 0, 1000);
	w.u.device.report.troubles = TROUBLE_SIGNAL_LOW | TROUBLE_NETWORK;
	world_fail(&w, STATUS_FAILED, REASON_OTHER);
	assert_verdict(VERDICT_DEVICE_FAILED);
	assert_int_equal(world_out.diagnoses.list[0].kind, DIAG_WEAK_LINK);
	assert_string_equal(world_out.diagnoses.list[0].facts,
			    "the device says that its signal is weak; it says that its network "
			    "link fails");
	world_init(&w); /* that does not explain bad bytes */
	world_go(&w, ATTEMPT_VERIFIED);
	w.u.device.report.troubles = TROUBLE_SIGNAL_LOW;
	world_fail(&w, STATUS_FAILED, REASON_BAD_DIGEST);
	assert_false(world_diagnosed(DIAG_WEAK_LINK));
}

static void test_diagnosis_no_cached_image_when_it_was_fetched(void **state)
{
	BEGIN;
	world_offer(&w);
	world_block(&w, 0, 100000);
	world_say(&w, STATUS_APPLYING);
	world_boot(&w, IMAGE_BASE);
	assert_false(world_diagnosed(DIAG_CACHED_IMAGE));
	assert_false(world_diagnosed(DIAG_STORAGE_FULL));
}

static void test_diagnosis_failure_before_hand_over_is_no_reflash_loop(void **state)
{
	BEGIN;
	world_go(&w, ATTEMPT_APPLYING);
	world_boot(&w, IMAGE_BASE);
	world_pass(&w, 1000);
	world_boot(&w, IMAGE_BASE);
	world_fail(&w, STATUS_FAILED, REASON_STORAGE_IO);
	assert_verdict(VERDICT_DEVICE_FAILED);
	assert_false(world_diagnosed(DIAG_REFLASH_LOOP));
}

static void test_diagnosis_never_asked_and_reset_blocked(void **state)
{
	BEGIN;
	world_go(&w, ATTEMPT_VERIFIED);
	world_again(&w, IMAGE_BASE);
	world_deadline(&w);
	assert_true(world_diagnosed(DIAG_NEVER_ASKED));
	world_init(&w);
	world_go(&w, ATTEMPT_APPLYING);
	world_again(&w, IMAGE_BASE);
	world_deadline(&w);
	assert_true(world_diagnosed(DIAG_RESET_BLOCKED));
	/* Not a byte was served: what it would have flashed is not why it did not restart. */
	assert_true(world_diagnosed(DIAG_CACHED_IMAGE));
	assert_int_equal(world_out.diagnoses.list[0].kind, DIAG_RESET_BLOCKED);
	assert_null(strstr(world_out.diagnoses.list[0].facts, "it says"));
	/* what it says that it is at, if it says so of this attempt */
	for (unsigned other = 0; other < 2; other++) {
		world_init(&w);
		world_go(&w, ATTEMPT_APPLYING);
		world_again(&w, IMAGE_BASE);
		w.u.device.report.last = (struct last_attempt){.attempt = w.u.attempt.id + other,
							       .detail = "waits for the meter"};
		world_deadline(&w);
		bool told =
			strstr(world_out.diagnoses.list[0].facts, "; it says: waits for the meter");
		assert_int_equal(told, other == 0);
	}
}

static void test_diagnosis_resume_loop_at_the_end_of_the_image(void **state)
{
	BEGIN;
	world_offer(&w);
	world_block(&w, 0, 1000);
	world_block(&w, 99000, 1000);
	for (int i = 0; i < 4; i++)
		world_boot(&w, IMAGE_BASE);
	assert_verdict(VERDICT_INTERRUPTED);
	assert_true(world_diagnosed(DIAG_RESUME_LOOP));
}

static void test_diagnosis_stuck_block_is_read_again_and_again(void **state)
{
	BEGIN;
	world_offer(&w);
	world_block(&w, 0, 1000);
	w.u.attempt.served_repeats = 16;
	world_deadline(&w);
	assert_true(world_diagnosed(DIAG_STUCK_BLOCK));
}

static void test_diagnosis_weak_link_and_updates_disabled(void **state)
{
	BEGIN;
	struct report r = world_report(&w, IMAGE_BASE);
	w.u.link = (struct link_facts){.messages = 100, .repeats = 10};
	world_offer(&w);
	r.updates_enabled = 0;
	world_send(&w, BOOT_IS_SAME, &r);
	world_fail(&w, STATUS_REFUSED, REASON_UPDATES_DISABLED);
	assert_true(world_diagnosed(DIAG_WEAK_LINK));
	assert_true(world_diagnosed(DIAG_UPDATES_DISABLED));
}

static void test_diagnosis_long_facts_are_cut_not_lost(void **state)
{
	BEGIN;
	struct report r = world_report(&w, IMAGE_BASE);
	world_go(&w, ATTEMPT_APPLYING);
	r.last.attempt = w.open_id;
	r.last.reason = REASON_BOOT_LOADER;
	r.last.code = INT32_MIN;
	memset(r.last.detail, 'x', LIMIT_DETAIL);
	world_send(&w, BOOT_IS_NEW, &r);
	assert_int_equal(world_out.diagnoses.list[0].kind, DIAG_BOOT_LOADER_REJECTED);
	assert_non_null(strstr(world_out.diagnoses.list[0].facts, "code -2147483648"));
	assert_true(strlen(world_out.diagnoses.list[0].facts) < 200);
}

static void test_diagnosis_success_of_a_sound_device_has_none(void **state)
{
	BEGIN;
	world_offer(&w);
	world_block(&w, 0, 100000);
	world_say(&w, STATUS_APPLYING);
	world_boot(&w, IMAGE_TARGET);
	assert_verdict(VERDICT_UPDATED);
	assert_int_equal(world_out.diagnoses.count, 0);
}

static void test_history_counts_charged_closes_of_the_image(void **state)
{
	const uint8_t other[DIGEST_SHA256] = {2};
	struct attempt a = {.sha256 = {1}, .charged = true, .verdict = VERDICT_NEVER_STARTED};
	struct history h = {0};

	(void)state;
	history_add(&h, &a, other);
	assert_int_equal(h.failures, 0);
	history_add(&h, &a, a.sha256);
	assert_int_equal(h.failures, 1);
	assert_int_equal(h.reverts, 0);
	a.verdict = VERDICT_REVERTED;
	history_add(&h, &a, a.sha256);
	assert_int_equal(h.failures, 2);
	assert_int_equal(h.reverts, 1);
	a.verdict = VERDICT_DEVICE_FAILED;
	history_add(&h, &a, a.sha256);
	assert_int_equal(h.reverts, 1); /* before the hand-over */
	a.rung_ms[RUNG_APPLYING] = 1;
	history_add(&h, &a, a.sha256);
	assert_int_equal(h.reverts, 2);
	a.charged = false;
	history_add(&h, &a, a.sha256);
	assert_int_equal(h.failures, 4);
	assert_int_equal(h.reverts, 2);
}

#define T(name) cmocka_unit_test(test_##name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(diagnosis_cached_image_and_full_file_system),
		T(diagnosis_low_power),
		T(diagnosis_out_of_memory),
		T(diagnosis_weak_signal),
		T(diagnosis_no_cached_image_when_it_was_fetched),
		T(diagnosis_failure_before_hand_over_is_no_reflash_loop),
		T(diagnosis_never_asked_and_reset_blocked),
		T(diagnosis_resume_loop_at_the_end_of_the_image),
		T(diagnosis_stuck_block_is_read_again_and_again),
		T(diagnosis_weak_link_and_updates_disabled),
		T(diagnosis_long_facts_are_cut_not_lost),
		T(diagnosis_success_of_a_sound_device_has_none),
		T(history_counts_charged_closes_of_the_image),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
