/* SPDX-License-Identifier: Apache-2.0
 *
 * TRUTH.md sections 3 to 5 as cases: what a report of which boot does to an attempt.
 */
#include "core_world.h"

#include <string.h>

#define BEGIN                                                                                      \
	struct world w;                                                                            \
	(void)state;                                                                               \
	world_init(&w)

static struct policy *policy(void)
{
	return &world_product.policy;
}

static void test_report_of_baseline_is_offered_the_target(void **state)
{
	BEGIN;
	world_offer(&w);
	assert_state(&w, ATTEMPT_OFFERED);
	assert_int_equal(world_out.directive.action, DIRECTIVE_UPDATE);
	assert_string_equal(world_out.directive.version, "2.0.0");
	assert_int_equal(w.u.attempt.required, EV_NEW_BOOT | EV_VERSION | EV_DIGEST | EV_CONFIRMED);
	assert_false(world_event(EVENT_FLASH_STARTED));
}

static void test_report_target_in_new_boot_after_applying_is_a_strong_success(void **state)
{
	BEGIN;
	world_go(&w, ATTEMPT_APPLYING);
	world_boot(&w, IMAGE_TARGET);
	assert_verdict(VERDICT_UPDATED);
	assert_true(world_event(EVENT_FLASH_SUCCESS));
	assert_int_equal(world_out.closed.grade, GRADE_STRONG);
	assert_int_equal(world_out.closed.via, VIA_OTA);
	assert_int_equal(w.u.device.settled, world_out.closed.release);
	world_again(&w, IMAGE_TARGET);
	assert_true(world_blocked(&w, BLOCK_IN_SYNC));
}

static void test_report_target_without_new_boot_proves_nothing(void **state)
{
	BEGIN;
	world_go(&w, ATTEMPT_APPLYING);
	world_again(&w, IMAGE_TARGET);
	assert_verdict(VERDICT_NONE);
	assert_state(&w, ATTEMPT_APPLYING);
}

static void test_report_constant_boot_id_with_young_uptime_is_diagnosed(void **state)
{
	BEGIN;
	world_go(&w, ATTEMPT_APPLYING);
	world_pass(&w, 600);
	struct report r = world_report(&w, IMAGE_TARGET);
	r.uptime_s = 20;
	world_send(&w, BOOT_IS_SAME, &r);
	assert_verdict(VERDICT_NONE);
	assert_true(w.u.attempt.boot_id_constant);
	world_deadline(&w);
	assert_verdict(VERDICT_NEVER_REBOOTED);
	assert_true(world_diagnosed(DIAG_BOOT_ID_CONSTANT));
}

static void test_report_baseline_in_new_boot_after_applying_is_reverted(void **state)
{
	BEGIN;
	world_go(&w, ATTEMPT_APPLYING);
	world_boot(&w, IMAGE_BASE);
	assert_verdict(VERDICT_REVERTED);
	assert_true(world_out.closed.charged);
	assert_true(world_event(EVENT_FLASH_FAILED));
	assert_true(w.u.device.want_fresh);
	assert_true(world_blocked(&w, BLOCK_BACKOFF));
}

static void test_report_same_label_other_digest_is_digest_mismatch_and_held(void **state)
{
	BEGIN;
	world_go(&w, ATTEMPT_APPLYING);
	world_boot(&w, IMAGE_TARGET_LABEL);
	assert_verdict(VERDICT_DIGEST_MISMATCH);
	assert_int_equal(w.u.device.hold, HOLD_DIGEST_MISMATCH);
}

static void test_report_same_digest_other_label_is_label_mismatch_and_held(void **state)
{
	BEGIN;
	world_go(&w, ATTEMPT_APPLYING);
	world_boot(&w, IMAGE_TARGET_BYTES);
	assert_verdict(VERDICT_LABEL_MISMATCH);
	assert_int_equal(w.u.device.hold, HOLD_LABEL_MISMATCH);
	assert_true(world_diagnosed(DIAG_LABEL_IMAGE));
}

static void test_report_other_image_after_applying_is_unexpected_and_held(void **state)
{
	BEGIN;
	world_go(&w, ATTEMPT_APPLYING);
	world_boot(&w, IMAGE_OTHER);
	assert_verdict(VERDICT_UNEXPECTED_VERSION);
	assert_int_equal(w.u.device.hold, HOLD_UNEXPECTED_VERSION);
}

static void test_report_other_image_before_hand_over_is_base_changed_uncharged(void **state)
{
	BEGIN;
	world_go(&w, ATTEMPT_VERIFIED);
	world_boot(&w, IMAGE_OTHER);
	assert_verdict(VERDICT_BASE_CHANGED);
	assert_false(world_out.closed.charged);
	assert_int_equal(w.u.device.hold, HOLD_NONE);
}

static void test_report_fifth_base_change_in_a_row_is_held(void **state)
{
	BEGIN;
	world_offer(&w);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(w.u.device.hold, HOLD_NONE);
		world_boot(&w, i % 2 ? IMAGE_BASE : IMAGE_OTHER);
		assert_verdict(VERDICT_BASE_CHANGED);
		world_again(&w, i % 2 ? IMAGE_BASE : IMAGE_OTHER);
	}
	assert_int_equal(w.u.device.hold, HOLD_RESTARTS);
	assert_false(w.u.has_attempt);
}

static void test_report_baseline_boots_before_hand_over_interrupt_three_times(void **state)
{
	BEGIN;
	world_go(&w, ATTEMPT_TRANSFERRING);
	for (int i = 0; i < 3; i++) {
		world_boot(&w, IMAGE_BASE);
		assert_state(&w, ATTEMPT_TRANSFERRING);
		world_again(&w, IMAGE_BASE); /* counted once per boot */
	}
	assert_int_equal(w.u.attempt.interruptions, 3);
	world_boot(&w, IMAGE_BASE);
	assert_verdict(VERDICT_INTERRUPTED);
}

static void send_last(struct world *w, enum last_stage stage, enum reason reason)
{
	struct report r = world_report(w, IMAGE_BASE);

	r.last.attempt = w->open_id;
	r.last.stage = stage;
	r.last.reason = reason;
	strcpy(r.last.detail, "the record was lost");
	world_send(w, BOOT_IS_NEW, &r);
}

static void test_report_last_attempt_before_hand_over_goes_back_to_verified(void **state)
{
	BEGIN;
	world_go(&w, ATTEMPT_APPLYING);
	send_last(&w, STAGE_VERIFIED, REASON_NONE);
	assert_state(&w, ATTEMPT_VERIFIED);
	assert_int_equal(w.u.attempt.interruptions, 1);
	assert_int_equal(w.u.attempt.rung_ms[RUNG_APPLYING], 0);
	assert_int_equal(w.u.attempt.rung_ms[RUNG_REBOOTED], 0);
	world_boot(&w, IMAGE_TARGET); /* nobody allowed this one */
	assert_verdict(VERDICT_UPDATED);
	assert_int_equal(world_out.closed.via, VIA_EXTERNAL);
}

static void test_report_last_attempt_handed_over_is_reverted(void **state)
{
	BEGIN;
	world_go(&w, ATTEMPT_APPLYING);
	send_last(&w, STAGE_BOOT_LOADER, REASON_NONE);
	assert_verdict(VERDICT_REVERTED);
	assert_true(world_diagnosed(DIAG_BOOT_LOADER_REJECTED));
}

static void test_report_last_attempt_with_reason_is_device_failed(void **state)
{
	BEGIN;
	world_go(&w, ATTEMPT_APPLYING);
	send_last(&w, STAGE_VERIFIED, REASON_STORAGE_IO);
	assert_verdict(VERDICT_DEVICE_FAILED);
	assert_int_equal(world_out.closed.reason, REASON_STORAGE_IO);
	assert_string_equal(world_out.closed.detail, "the record was lost");
}

static void test_report_target_without_applying_is_external_weak_uncharged(void **state)
{
	BEGIN;
	world_go(&w, ATTEMPT_VERIFIED);
	world_boot(&w, IMAGE_TARGET);
	assert_verdict(VERDICT_UPDATED);
	assert_int_equal(world_out.closed.via, VIA_EXTERNAL);
	assert_int_equal(world_out.closed.grade, GRADE_WEAK);
	assert_false(world_out.closed.charged);
}

static void test_report_external_before_started_is_no_flash_status(void **state)
{
	BEGIN;
	world_offer(&w);
	world_boot(&w, IMAGE_TARGET);
	assert_verdict(VERDICT_UPDATED);
	assert_true(world_event(EVENT_ATTEMPT_CLOSED));
	assert_false(world_event(EVENT_FLASH_SUCCESS));
}

static void test_report_weak_proof_refused_by_policy_is_unproven(void **state)
{
	BEGIN;
	policy()->allow_weak = 0;
	w.u.device.plain = true;
	world_go(&w, ATTEMPT_APPLYING);
	world_boot(&w, IMAGE_TARGET);
	assert_verdict(VERDICT_UNPROVEN);
	assert_true(world_out.closed.charged);
}

static void test_report_weak_external_refused_settles_the_device(void **state)
{
	BEGIN;
	policy()->allow_weak = 0;
	world_offer(&w);
	world_boot(&w, IMAGE_TARGET);
	assert_verdict(VERDICT_UNPROVEN);
	assert_false(world_out.closed.charged);
	world_boot(&w, IMAGE_BASE); /* left again at once: a drift, no new offer */
	assert_true(world_event(EVENT_DEVICE_DRIFT));
	assert_false(w.u.has_attempt);
}

static void test_report_count_that_fell_is_weak(void **state)
{
	BEGIN;
	w.count_only = true;
	world_go(&w, ATTEMPT_APPLYING);
	struct report r = world_report(&w, IMAGE_TARGET);
	world_send(&w, BOOT_IS_BACK, &r);
	assert_verdict(VERDICT_UPDATED);
	assert_int_equal(world_out.closed.grade, GRADE_WEAK);
}

static void test_report_count_that_fell_before_applying_is_forgotten(void **state)
{
	BEGIN;
	w.count_only = true;
	world_offer(&w);
	struct report r = world_report(&w, IMAGE_BASE);
	world_send(&w, BOOT_IS_BACK, &r);
	assert_true(w.u.attempt.boot_weak);
	assert_true(world_say(&w, STATUS_VERIFIED));
	assert_true(world_say(&w, STATUS_APPLYING));
	world_boot(&w, IMAGE_TARGET);
	assert_verdict(VERDICT_UPDATED);
	assert_int_equal(world_out.closed.grade, GRADE_STRONG);
}

static void test_report_without_digest_is_a_standard_success(void **state)
{
	BEGIN;
	w.silent_about_digest = true;
	world_go(&w, ATTEMPT_APPLYING);
	world_boot(&w, IMAGE_TARGET);
	assert_verdict(VERDICT_UPDATED);
	assert_int_equal(world_out.closed.grade, GRADE_STANDARD);
}

static void test_report_in_a_crowd_spreads_the_next_check_in_over_the_interval(void **state)
{
	BEGIN;
	int64_t least = INT64_MAX, most = 0;

	world_go(&w, ATTEMPT_APPLYING);
	world_boot(&w, IMAGE_TARGET);
	assert_verdict(VERDICT_UPDATED);
	policy()->check_in_s = 1000;
	for (int i = 0; i < 2000; i++) {
		w.u.crowd = i >= 1000;
		world_again(&w, IMAGE_TARGET);
		int64_t s = world_out.directive.next_check_in_s;
		if (!w.u.crowd) {
			assert_in_range(s, 900, 1100);
			continue;
		}
		assert_in_range(s, 1, 1100);
		least = s < least ? s : least;
		most = s > most ? s : most;
	}
	assert_in_range(least, 1, 50);
	assert_in_range(most, 1050, 1100);
	policy()->check_in_s = 30; /* so short that it does not matter */
	world_again(&w, IMAGE_TARGET);
	assert_in_range(world_out.directive.next_check_in_s, 27, 33);
}

static void test_report_without_a_token_is_told_when_to_come_and_nothing_else(void **state)
{
	BEGIN;
	w.u.admission = (struct admission){.full = true, .again_s = 77};
	world_boot(&w, IMAGE_BASE);
	assert_false(w.u.has_attempt);
	assert_true(world_out.turned_away);
	assert_int_equal(world_out.directive.action, DIRECTIVE_NONE);
	assert_int_equal(world_out.directive.retry_after_s, 77);
	assert_int_equal(w.u.device.backoff_count, 0);
	assert_int_equal(w.u.device.retry_at_ms, 0);
	assert_false(w.u.device.pending_told);
	world_again(&w, IMAGE_BASE); /* again, and not even a row has to be written for it */
	assert_true(world_out.turned_away);
	assert_false(world_out.device_changed);
	assert_int_equal(world_out.event_count, 0);
	w.u.admission = (struct admission){0};
	world_again(&w, IMAGE_BASE);
	assert_true(w.u.has_attempt);
	assert_false(world_out.turned_away);
}

static void test_report_digest_withheld_after_the_update_is_unproven(void **state)
{
	BEGIN;
	world_go(&w, ATTEMPT_APPLYING);
	world_boot(&w, IMAGE_TARGET_BARE);
	assert_state(&w, ATTEMPT_PROBATION);
	assert_int_equal(world_out.directive.action, DIRECTIVE_NONE);
	assert_in_range(world_out.directive.next_check_in_s, 1, 60);
	world_again(&w, IMAGE_TARGET_BARE);
	world_deadline(&w);
	assert_verdict(VERDICT_UNPROVEN);
}

static void test_report_digest_of_unknown_kind_is_neither_mismatch_nor_proof(void **state)
{
	BEGIN;
	world_go(&w, ATTEMPT_APPLYING);
	world_boot(&w, IMAGE_TARGET_KIND);
	assert_state(&w, ATTEMPT_PROBATION);
}

static void test_report_unconfirmed_waits_and_then_is_not_confirmed(void **state)
{
	BEGIN;
	struct report r;
	world_go(&w, ATTEMPT_APPLYING);
	r = world_report(&w, IMAGE_TARGET);
	r.confirmed = 0;
	world_send(&w, BOOT_IS_NEW, &r);
	assert_state(&w, ATTEMPT_PROBATION);
	world_send(&w, BOOT_IS_SAME, &r);
	world_deadline(&w);
	assert_verdict(VERDICT_NOT_CONFIRMED);
}

static void test_report_confirmed_later_in_the_same_boot_succeeds(void **state)
{
	BEGIN;
	struct report r;
	world_go(&w, ATTEMPT_APPLYING);
	r = world_report(&w, IMAGE_TARGET);
	r.confirmed = 0;
	world_send(&w, BOOT_IS_NEW, &r);
	world_again(&w, IMAGE_TARGET);
	assert_verdict(VERDICT_UPDATED);
}

static void test_report_silence_in_probation_is_lost(void **state)
{
	BEGIN;
	policy()->probation_s = 600;
	world_go(&w, ATTEMPT_PROBATION);
	world_deadline(&w);
	assert_verdict(VERDICT_LOST_IN_PROBATION);
	assert_true(world_diagnosed(DIAG_SILENT));
}

static void test_report_probation_without_uptime_needs_a_check_in_after_it(void **state)
{
	BEGIN;
	policy()->probation_s = 600;
	world_go(&w, ATTEMPT_PROBATION);
	assert_int_equal(world_out.directive.next_check_in_s, 600);
	world_pass(&w, 599);
	world_again(&w, IMAGE_TARGET);
	assert_state(&w, ATTEMPT_PROBATION);
	world_pass(&w, 1);
	world_boot(&w, IMAGE_TARGET); /* a clean reset does not matter */
	assert_verdict(VERDICT_UPDATED);
}

static void test_report_probation_with_uptime_goes_by_uptime(void **state)
{
	BEGIN;
	struct report r;
	policy()->probation_s = 600;
	world_go(&w, ATTEMPT_PROBATION);
	world_pass(&w, 700);
	r = world_report(&w, IMAGE_TARGET);
	r.uptime_s = 100;
	world_send(&w, BOOT_IS_NEW, &r);
	assert_state(&w, ATTEMPT_PROBATION);
	assert_int_equal(world_out.directive.next_check_in_s, 500);
	r.uptime_s = 600;
	world_send(&w, BOOT_IS_SAME, &r);
	assert_verdict(VERDICT_UPDATED);
	assert_int_equal(world_out.closed.grade, GRADE_STRONG);
}

static void test_report_unclean_resets_in_probation_are_unstable(void **state)
{
	BEGIN;
	policy()->probation_s = 600;
	world_go(&w, ATTEMPT_PROBATION);
	for (int i = 0; i < 3; i++) {
		struct report r = world_report(&w, IMAGE_TARGET);
		struct status s = world_status(&w, STATUS_DOWNLOADING);
		assert_state(&w, ATTEMPT_PROBATION);
		world_send_status(&w, BOOT_IS_NEW, &s); /* a status tells of the boot first */
		r.reset = RESET_WATCHDOG;
		world_send(&w, BOOT_IS_SAME, &r);
	}
	assert_verdict(VERDICT_UNSTABLE);
	assert_true(world_diagnosed(DIAG_CRASH_LOOP));
	assert_int_equal(w.u.device.unclean_row, 3);
}

static void test_report_unclean_reset_starts_stability_anew(void **state)
{
	BEGIN;
	struct report r;
	policy()->probation_s = 600;
	world_go(&w, ATTEMPT_PROBATION);
	world_pass(&w, 400);
	r = world_report(&w, IMAGE_TARGET);
	r.reset = RESET_PANIC;
	world_send(&w, BOOT_IS_NEW, &r);
	world_pass(&w, 400);
	world_again(&w, IMAGE_TARGET);
	assert_state(&w, ATTEMPT_PROBATION);
	world_pass(&w, 200);
	world_again(&w, IMAGE_TARGET);
	assert_verdict(VERDICT_UPDATED);
}

static void test_report_leaving_target_in_probation_is_rolled_back(void **state)
{
	BEGIN;
	policy()->probation_s = 600;
	world_go(&w, ATTEMPT_PROBATION);
	world_boot(&w, IMAGE_BASE);
	assert_verdict(VERDICT_ROLLED_BACK);
}

#define T(name) cmocka_unit_test(test_report_##name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(of_baseline_is_offered_the_target),
		T(target_in_new_boot_after_applying_is_a_strong_success),
		T(target_without_new_boot_proves_nothing),
		T(constant_boot_id_with_young_uptime_is_diagnosed),
		T(baseline_in_new_boot_after_applying_is_reverted),
		T(same_label_other_digest_is_digest_mismatch_and_held),
		T(same_digest_other_label_is_label_mismatch_and_held),
		T(other_image_after_applying_is_unexpected_and_held),
		T(other_image_before_hand_over_is_base_changed_uncharged),
		T(fifth_base_change_in_a_row_is_held),
		T(baseline_boots_before_hand_over_interrupt_three_times),
		T(last_attempt_before_hand_over_goes_back_to_verified),
		T(last_attempt_handed_over_is_reverted),
		T(last_attempt_with_reason_is_device_failed),
		T(target_without_applying_is_external_weak_uncharged),
		T(external_before_started_is_no_flash_status),
		T(weak_proof_refused_by_policy_is_unproven),
		T(weak_external_refused_settles_the_device),
		T(count_that_fell_is_weak),
		T(count_that_fell_before_applying_is_forgotten),
		T(without_digest_is_a_standard_success),
		T(in_a_crowd_spreads_the_next_check_in_over_the_interval),
		T(without_a_token_is_told_when_to_come_and_nothing_else),
		T(digest_withheld_after_the_update_is_unproven),
		T(digest_of_unknown_kind_is_neither_mismatch_nor_proof),
		T(unconfirmed_waits_and_then_is_not_confirmed),
		T(confirmed_later_in_the_same_boot_succeeds),
		T(silence_in_probation_is_lost),
		T(probation_without_uptime_needs_a_check_in_after_it),
		T(probation_with_uptime_goes_by_uptime),
		T(unclean_resets_in_probation_are_unstable),
		T(unclean_reset_starts_stability_anew),
		T(leaving_target_in_probation_is_rolled_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
