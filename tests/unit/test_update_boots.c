/* SPDX-License-Identifier: Apache-2.0
 *
 * TRUTH.md section 3, boots and modes, and section 5, what a device does between attempts.
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

static void test_report_safe_mode_on_target_is_never_success(void **state)
{
	BEGIN;
	struct report r;
	world_go(&w, ATTEMPT_APPLYING);
	r = world_report(&w, IMAGE_TARGET);
	r.mode = MODE_SAFE;
	world_send(&w, BOOT_IS_NEW, &r);
	assert_state(&w, ATTEMPT_PROBATION);
	world_send(&w, BOOT_IS_SAME, &r);
	world_deadline(&w);
	assert_verdict(VERDICT_UNPROVEN);
	assert_true(world_diagnosed(DIAG_DEPENDENCY_MISSING));
}

static void test_report_updater_mode_is_no_evidence_no_end_no_baseline(void **state)
{
	BEGIN;
	struct report r = world_report(&w, IMAGE_BASE);
	r.mode = MODE_UPDATER;
	world_send(&w, BOOT_IS_NEW, &r);
	assert_false(w.u.has_attempt);
	assert_true(world_blocked(&w, BLOCK_NO_BASELINE));
	world_go(&w, ATTEMPT_APPLYING);
	world_send(&w, BOOT_IS_NEW, &r);
	assert_state(&w, ATTEMPT_APPLYING);
	world_boot(&w, IMAGE_TARGET);
	assert_verdict(VERDICT_UPDATED);
}

static void test_report_wake_with_same_image_is_the_same_boot(void **state)
{
	BEGIN;
	struct report r;
	world_go(&w, ATTEMPT_APPLYING);
	r = world_report(&w, IMAGE_BASE);
	world_send(&w, BOOT_IS_WAKE, &r);
	assert_state(&w, ATTEMPT_APPLYING);
	r = world_report(&w, IMAGE_BASE);
	world_send(&w, BOOT_IS_LATE, &r); /* the old name is remembered */
	assert_true(world_out.late);
	r = world_report(&w, IMAGE_TARGET);
	world_send(&w, BOOT_IS_WAKE, &r); /* the image has changed: a new boot */
	assert_verdict(VERDICT_UPDATED);
}

static void test_report_late_datagram_of_a_replaced_boot_changes_nothing(void **state)
{
	BEGIN;
	struct report r;
	world_go(&w, ATTEMPT_APPLYING);
	world_boot(&w, IMAGE_TARGET_BARE);
	r = world_report(&w, IMAGE_BASE);
	world_send(&w, BOOT_IS_LATE, &r);
	assert_true(world_out.late);
	assert_state(&w, ATTEMPT_PROBATION);
	assert_false(world_out.device_changed);
}

static void test_report_cloned_identity_twice_a_day_is_held_uncharged(void **state)
{
	BEGIN;
	struct report r = world_report(&w, IMAGE_BASE);
	world_offer(&w);
	world_boot(&w, IMAGE_BASE);
	world_send(&w, BOOT_IS_CLONE, &r);
	assert_int_equal(w.u.device.hold, HOLD_NONE);
	world_pass(&w, 23 * 3600);
	world_send(&w, BOOT_IS_CLONE, &r);
	assert_verdict(VERDICT_IDENTITY_CONFLICT);
	assert_false(world_out.closed.charged);
	assert_int_equal(w.u.device.hold, HOLD_IDENTITY_CONFLICT);
	assert_true(world_diagnosed(DIAG_IDENTITY_CONFLICT));
}

static void test_report_cloned_identity_once_a_day_is_not_held(void **state)
{
	BEGIN;
	struct report r = world_report(&w, IMAGE_TARGET);
	world_boot(&w, IMAGE_TARGET);
	world_boot(&w, IMAGE_TARGET);
	for (int i = 0; i < 4; i++) {
		world_send(&w, BOOT_IS_CLONE, &r);
		world_pass(&w, 25 * 3600);
	}
	assert_int_equal(w.u.device.hold, HOLD_NONE);
}

static void test_report_target_after_a_failed_attempt_is_converged(void **state)
{
	BEGIN;
	world_go(&w, ATTEMPT_APPLYING);
	world_deadline(&w);
	assert_verdict(VERDICT_NEVER_CAME_BACK);
	uint64_t failed = world_out.closed.id;
	world_boot(&w, IMAGE_TARGET);
	assert_true(world_event(EVENT_DEVICE_CONVERGED));
	assert_false(world_event(EVENT_DEVICE_DRIFT));
	for (unsigned i = 0; i < world_out.event_count; i++)
		if (world_out.events[i].kind == EVENT_DEVICE_CONVERGED)
			assert_int_equal(world_out.events[i].attempt, failed);
	assert_int_equal(w.u.device.retry_at_ms, 0);
}

/* Its rollout has brought it there, its attempt has failed, and it is on target all the same. */
static void world_fail_member(struct world *w, enum hold hold)
{
	world_go(w, ATTEMPT_APPLYING);
	world_deadline(w);
	assert_verdict(VERDICT_NEVER_CAME_BACK);
	w->u.device.rollout = w->u.device.rollout_about = 7;
	w->u.device.rollout_result = MEMBER_FAILED;
	w->u.device.hold = hold;
	w->u.goal = w->u.target;
	w->u.why = TARGET_ROLLOUT;
}

static void test_report_member_that_may_still_go_back_has_failed(void **state)
{
	BEGIN;
	world_fail_member(&w, HOLD_NONE);
	struct report r = world_report(&w, IMAGE_TARGET);
	r.confirmed = 0;
	world_send(&w, BOOT_IS_NEW, &r);
	assert_int_equal(w.u.device.rollout_result, MEMBER_FAILED);
	r.confirmed = 1;
	world_send(&w, BOOT_IS_SAME, &r);
	assert_int_equal(w.u.device.rollout_result, MEMBER_CONVERGED);
}

static void test_report_member_under_a_wrong_label_has_failed(void **state)
{
	BEGIN;
	world_fail_member(&w, HOLD_LABEL_MISMATCH);
	world_boot(&w, IMAGE_TARGET);
	assert_int_equal(w.u.device.rollout_result, MEMBER_FAILED);
	w.u.device.hold = HOLD_NONE; /* by an operator, who has seen it */
	world_boot(&w, IMAGE_TARGET);
	assert_int_equal(w.u.device.rollout_result, MEMBER_CONVERGED);
}

/* It shows no digest any more, for want of which its attempt failed. */
static void test_report_member_that_keeps_its_proof_back_has_failed(void **state)
{
	BEGIN;
	world_fail_member(&w, HOLD_NONE);
	struct report r = world_report(&w, IMAGE_TARGET);
	r.running.len = 0;
	w.u.failed_required = EV_NEW_BOOT | EV_VERSION | EV_DIGEST;
	world_send(&w, BOOT_IS_NEW, &r);
	assert_int_equal(w.u.device.rollout_result, MEMBER_FAILED);
	w.u.failed_required = EV_NEW_BOOT | EV_VERSION | EV_CONFIRMED;
	r.confirmed = -1;
	world_send(&w, BOOT_IS_SAME, &r);
	assert_int_equal(w.u.device.rollout_result, MEMBER_FAILED);
	w.u.failed_required = EV_NEW_BOOT | EV_VERSION;
	world_send(&w, BOOT_IS_SAME, &r);
	assert_int_equal(w.u.device.rollout_result, MEMBER_CONVERGED);
}

static void test_report_leaving_the_release_without_attempt_is_drift(void **state)
{
	BEGIN;
	world_boot(&w, IMAGE_TARGET);
	world_boot(&w, IMAGE_OTHER);
	assert_true(world_event(EVENT_DEVICE_DRIFT));
	assert_false(w.u.has_attempt);
	assert_true(world_blocked(&w, BLOCK_DRIFTED));
	assert_int_equal(world_operator(&w, OPERATOR_FORCE, 0), 0);
	world_again(&w, IMAGE_OTHER);
	assert_true(w.u.has_attempt);
}

static void test_report_drift_is_seen_through_a_recovery_image(void **state)
{
	BEGIN;
	struct report r = world_report(&w, IMAGE_BASE);
	world_boot(&w, IMAGE_TARGET);
	r.mode = MODE_UPDATER;
	world_send(&w, BOOT_IS_NEW, &r);
	world_boot(&w, IMAGE_BASE);
	assert_true(world_event(EVENT_DEVICE_DRIFT));
	assert_false(w.u.has_attempt);
}

static void test_report_drift_is_reapplied_where_policy_says_so(void **state)
{
	BEGIN;
	policy()->on_drift_reapply = 1;
	world_boot(&w, IMAGE_TARGET);
	world_boot(&w, IMAGE_BASE);
	assert_true(world_event(EVENT_DEVICE_DRIFT));
	assert_true(w.u.has_attempt);
}

/* It is not believed, so nothing in it proves anything: least of all its uptime. */
static void test_report_of_a_claim_is_no_proof(void **state)
{
	BEGIN;
	policy()->probation_s = 600;
	world_go(&w, ATTEMPT_PROBATION);
	struct report r = world_report(&w, IMAGE_OTHER);
	r.uptime_s = 100000;
	world_send(&w, BOOT_IS_SAME, &r);
	assert_true(w.u.device.unbooted_claim);
	assert_verdict(VERDICT_NONE);
	assert_state(&w, ATTEMPT_PROBATION);
	r = world_report(&w, IMAGE_TARGET);
	r.uptime_s = 600;
	world_send(&w, BOOT_IS_SAME, &r);
	assert_verdict(VERDICT_UPDATED);
}

static void test_report_drift_ends_with_the_report_that_closes_on_target(void **state)
{
	BEGIN;
	policy()->on_drift_reapply = 1;
	world_boot(&w, IMAGE_TARGET);
	world_go(&w, ATTEMPT_APPLYING);
	assert_true(w.u.device.drifted);
	world_boot(&w, IMAGE_TARGET_BYTES);
	assert_verdict(VERDICT_LABEL_MISMATCH);
	assert_false(w.u.device.drifted);
	assert_false(world_event(EVENT_DEVICE_CONVERGED));
	assert_int_equal(w.u.device.settled, w.u.target->id);
	world_boot(&w, IMAGE_OTHER); /* left without an attempt */
	assert_true(world_event(EVENT_DEVICE_DRIFT));
}

static void test_report_drift_is_judged_by_the_release_that_was_left(void **state)
{
	BEGIN;
	struct report r = world_report(&w, IMAGE_TARGET_KIND);
	world_send(&w, BOOT_IS_NEW, &r);
	assert_true(world_blocked(&w, BLOCK_IN_SYNC));
	for (int target = -1; target <= RELEASE_OTHER; target += 3) {
		world_operator(&w, OPERATOR_TARGET_CHANGED, target);
		r.running.value[0]++; /* of a kind that no release knows: never a mismatch */
		world_send(&w, BOOT_IS_NEW, &r);
		assert_false(world_event(EVENT_DEVICE_DRIFT));
		if (w.u.has_attempt)
			world_operator(&w, OPERATOR_CANCEL, 0);
	}
	world_operator(&w, OPERATOR_TARGET_CHANGED, -1);
	r = world_report(&w, IMAGE_TARGET_LABEL);
	world_send(&w, BOOT_IS_NEW, &r);
	assert_true(world_event(EVENT_DEVICE_DRIFT));
}

/* Only that the image is another one is known then. */
static void test_report_drift_from_a_removed_release(void **state)
{
	BEGIN;
	struct report r = world_report(&w, IMAGE_TARGET_KIND);
	world_send(&w, BOOT_IS_NEW, &r);
	world_operator(&w, OPERATOR_TARGET_CHANGED, -1);
	w.u.home = NULL;
	world_send(&w, BOOT_IS_NEW, &r);
	assert_false(world_event(EVENT_DEVICE_DRIFT));
	w.u.home = NULL;
	r.running.value[0]++;
	world_send(&w, BOOT_IS_NEW, &r);
	assert_true(world_event(EVENT_DEVICE_DRIFT));
}

static void test_report_after_an_attempt_that_left_the_release_is_no_drift(void **state)
{
	BEGIN;
	world_boot(&w, IMAGE_TARGET);
	world_operator(&w, OPERATOR_TARGET_CHANGED, RELEASE_OTHER);
	world_again(&w, IMAGE_TARGET);
	assert_true(w.u.has_attempt);
	world_boot(&w, IMAGE_BASE);
	assert_verdict(VERDICT_BASE_CHANGED);
	world_operator(&w, OPERATOR_CANCEL, 0);
	world_again(&w, IMAGE_BASE);
	assert_false(world_event(EVENT_DEVICE_DRIFT));
	assert_false(w.u.device.drifted);
}

static void test_report_same_label_needs_the_digest_whatever_policy_says(void **state)
{
	BEGIN;
	policy()->require_digest = 0;
	strcpy(world_releases[RELEASE_TARGET].version, "1.0.0");
	world_go(&w, ATTEMPT_APPLYING);
	assert_true(w.u.attempt.required & EV_DIGEST);
	world_boot(&w, IMAGE_BASE_BARE);
	assert_verdict(VERDICT_NONE);
	world_boot(&w, IMAGE_TARGET);
	assert_verdict(VERDICT_UPDATED);
}

static void test_report_newer_boot_clears_what_an_older_one_showed(void **state)
{
	BEGIN;
	policy()->probation_s = 600;
	world_go(&w, ATTEMPT_PROBATION);
	assert_true(w.u.attempt.evidence & EV_CONFIRMED);
	struct status s = world_status(&w, STATUS_DOWNLOADING);
	world_send_status(&w, BOOT_IS_NEW, &s);
	assert_int_equal(w.u.attempt.evidence, 0);
	assert_true(world_out.attempt_changed);
}

static void test_report_of_long_probation_fits_into_the_total_limit(void **state)
{
	BEGIN;
	policy()->probation_s = 7 * 86400;
	world_go(&w, ATTEMPT_PROBATION);
	world_pass(&w, 7 * 86400);
	assert_true(w.u.now_ms < attempt_deadline_ms(&w.u.attempt));
	world_again(&w, IMAGE_TARGET);
	assert_verdict(VERDICT_UPDATED);
}

static void test_report_resets_count_the_gap_of_a_boot_count(void **state)
{
	BEGIN;
	w.count_only = true;
	world_boot(&w, IMAGE_TARGET);
	w.boot_next += 2;
	world_boot(&w, IMAGE_TARGET);
	assert_int_equal(w.u.device.resets, 3);
	assert_int_equal(w.u.device.boots.seq, 2);
}

static void test_report_updates_enabled_changes_are_events(void **state)
{
	BEGIN;
	struct report r = world_report(&w, IMAGE_BASE);
	r.updates_enabled = 0;
	world_send(&w, BOOT_IS_NEW, &r);
	assert_true(world_event(EVENT_UPDATES_DISABLED));
	assert_true(world_event(EVENT_UPDATES_PENDING));
	assert_int_equal(world_out.directive.action, DIRECTIVE_PENDING);
	assert_true(world_blocked(&w, BLOCK_UPDATES_DISABLED));
	world_operator(&w, OPERATOR_FORCE, 0);
	world_send(&w, BOOT_IS_SAME, &r);
	assert_true(w.u.has_attempt);
	assert_true(world_out.directive.flags & DIRECTIVE_FORCE);
	assert_true(world_event(EVENT_UPDATES_NOT_PENDING));
	world_send(&w, BOOT_IS_SAME, &r); /* repeated at every check-in */
	assert_true(world_out.directive.flags & DIRECTIVE_FORCE);
	r.updates_enabled = 1;
	world_send(&w, BOOT_IS_SAME, &r);
	assert_true(world_event(EVENT_UPDATES_ENABLED));
}

#define T(name) cmocka_unit_test(test_report_##name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(safe_mode_on_target_is_never_success),
		T(updater_mode_is_no_evidence_no_end_no_baseline),
		T(wake_with_same_image_is_the_same_boot),
		T(late_datagram_of_a_replaced_boot_changes_nothing),
		T(cloned_identity_twice_a_day_is_held_uncharged),
		T(cloned_identity_once_a_day_is_not_held),
		T(target_after_a_failed_attempt_is_converged),
		T(member_that_may_still_go_back_has_failed),
		T(member_under_a_wrong_label_has_failed),
		T(member_that_keeps_its_proof_back_has_failed),
		T(leaving_the_release_without_attempt_is_drift),
		T(drift_is_seen_through_a_recovery_image),
		T(drift_is_reapplied_where_policy_says_so),
		T(of_a_claim_is_no_proof),
		T(drift_ends_with_the_report_that_closes_on_target),
		T(drift_is_judged_by_the_release_that_was_left),
		T(drift_from_a_removed_release),
		T(after_an_attempt_that_left_the_release_is_no_drift),
		T(same_label_needs_the_digest_whatever_policy_says),
		T(newer_boot_clears_what_an_older_one_showed),
		T(of_long_probation_fits_into_the_total_limit),
		T(resets_count_the_gap_of_a_boot_count),
		T(updates_enabled_changes_are_events),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
