/* SPDX-License-Identifier: Apache-2.0
 *
 * TRUTH.md sections 4 and 7 as cases: statuses and the gate, blocks, deadlines, operators,
 * back-off and hold, outages.
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

static void test_status_first_of_any_kind_starts_once(void **state)
{
	BEGIN;
	for (int s = STATUS_DOWNLOADING; s <= STATUS_APPLYING; s++) {
		world_init(&w);
		world_offer(&w);
		assert_true(world_say(&w, (enum status_state)s));
		assert_true(world_event(EVENT_FLASH_STARTED));
		assert_true(world_say(&w, (enum status_state)s));
		assert_false(world_event(EVENT_FLASH_STARTED));
	}
	world_init(&w);
	world_offer(&w);
	world_block(&w, 0, 1024);
	assert_true(world_event(EVENT_FLASH_STARTED));
	assert_state(&w, ATTEMPT_TRANSFERRING);
}

/* The first block's own job waits behind others: the counters come with whichever is next. */
static void test_status_after_a_block_not_told_of_yet_starts_first(void **state)
{
	BEGIN;
	world_offer(&w);
	w.u.attempt.served_bytes = w.u.attempt.served_high = 1024;
	assert_true(world_fail(&w, STATUS_FAILED, REASON_OTHER));
	assert_true(world_event(EVENT_FLASH_STARTED));
	assert_true(world_event(EVENT_FLASH_FAILED));
	assert_true(world_out.closed.rung_ms[RUNG_STARTED] > 0);
}

static void test_status_applying_opens_the_gate_and_moves_the_base(void **state)
{
	BEGIN;
	world_go(&w, ATTEMPT_VERIFIED);
	struct status s = world_status(&w, STATUS_APPLYING);
	assert_true(world_send_status(&w, BOOT_IS_NEW, &s));
	assert_state(&w, ATTEMPT_APPLYING);
	assert_int_equal(w.u.attempt.base_boot, w.u.device.boots.seq);
	world_again(&w, IMAGE_TARGET); /* the boot that asked is not a new one */
	assert_state(&w, ATTEMPT_APPLYING);
}

static void test_status_after_applying_moves_the_base_no_more(void **state)
{
	BEGIN;
	world_go(&w, ATTEMPT_APPLYING);
	struct status s = world_status(&w, STATUS_DOWNLOADING);
	assert_true(world_send_status(&w, BOOT_IS_NEW, &s));
	assert_true(w.u.attempt.base_boot < w.u.device.boots.seq);
	world_again(&w, IMAGE_TARGET);
	assert_verdict(VERDICT_UPDATED);
}

static void test_status_repeated_seq_is_ignored_and_never_opens_the_gate(void **state)
{
	BEGIN;
	world_go(&w, ATTEMPT_VERIFIED);
	struct status s = world_status(&w, STATUS_APPLYING);
	s.seq = 1;
	assert_false(world_send_status(&w, BOOT_IS_SAME, &s));
	assert_state(&w, ATTEMPT_VERIFIED);
	s.state = STATUS_FAILED;
	assert_true(world_send_status(&w, BOOT_IS_SAME, &s));
	assert_state(&w, ATTEMPT_VERIFIED);
	assert_true(world_say(&w, STATUS_APPLYING));
	w.status_seq--;
	assert_true(world_say(&w, STATUS_APPLYING)); /* the same question, the same answer */
}

static void test_status_applying_in_probation_is_refused(void **state)
{
	BEGIN;
	policy()->probation_s = 600;
	world_go(&w, ATTEMPT_PROBATION);
	assert_false(world_say(&w, STATUS_APPLYING));
	assert_state(&w, ATTEMPT_PROBATION);
}

/* What it is answered 2.04 for is kept: a "no" ends the attempt in every open state. */
static void test_status_no_in_probation_ends_the_attempt(void **state)
{
	BEGIN;
	policy()->probation_s = 600;
	world_go(&w, ATTEMPT_PROBATION);
	assert_true(world_fail(&w, STATUS_FAILED, REASON_STORAGE_IO));
	assert_verdict(VERDICT_DEVICE_FAILED);
	assert_int_equal(world_out.closed.reason, REASON_STORAGE_IO);
	assert_true(world_out.closed.charged);
	assert_true(w.u.device.want_fresh);
	uint64_t failed = world_out.closed.id;
	world_again(&w, IMAGE_TARGET);
	assert_int_equal(world_out.events[0].kind, EVENT_DEVICE_CONVERGED);
	assert_int_equal(world_out.events[0].attempt, failed);

	world_init(&w);
	policy()->probation_s = 600;
	world_go(&w, ATTEMPT_PROBATION);
	assert_true(world_fail(&w, STATUS_REFUSED, REASON_WRONG_HARDWARE));
	assert_verdict(VERDICT_REFUSED);
	assert_int_equal(w.u.device.hold, HOLD_WRONG_HARDWARE);

	world_init(&w);
	policy()->probation_s = 600;
	world_go(&w, ATTEMPT_PROBATION);
	assert_true(world_fail(&w, STATUS_DEFERRED, REASON_NONE));
	assert_verdict(VERDICT_REFUSED);
	assert_false(world_out.closed.charged);
	world_again(&w, IMAGE_TARGET);
	assert_true(world_blocked(&w, BLOCK_IN_SYNC));
}

static void test_status_without_edge_is_answered_and_its_seq_taken(void **state)
{
	BEGIN;
	policy()->probation_s = 600;
	world_go(&w, ATTEMPT_PROBATION);
	struct status s = world_status(&w, STATUS_VERIFIED);
	s.reason = REASON_WRONG_HARDWARE;
	s.seq = 9;
	assert_true(world_send_status(&w, BOOT_IS_SAME, &s));
	assert_true(world_out.attempt_changed);
	assert_state(&w, ATTEMPT_PROBATION);
	assert_int_equal(w.u.attempt.reason, REASON_NONE);
	s.state = STATUS_FAILED;
	s.seq = 8; /* older than what was answered */
	assert_true(world_send_status(&w, BOOT_IS_SAME, &s));
	assert_state(&w, ATTEMPT_PROBATION);
}

static void test_status_of_a_foreign_attempt_is_refused(void **state)
{
	BEGIN;
	world_offer(&w);
	struct status s = world_status(&w, STATUS_APPLYING);
	s.attempt ^= 1;
	assert_false(world_send_status(&w, BOOT_IS_SAME, &s));
}

static void test_status_downloading_after_verified_goes_back(void **state)
{
	BEGIN;
	world_go(&w, ATTEMPT_VERIFIED);
	assert_true(world_say(&w, STATUS_DOWNLOADING));
	assert_state(&w, ATTEMPT_TRANSFERRING);
}

static void test_status_refused_softly_is_uncharged_and_waits(void **state)
{
	static const enum reason soft[] = {REASON_BUSY, REASON_LOW_POWER, REASON_UPDATES_DISABLED,
					   REASON_DEFERRED};
	BEGIN;
	for (int i = 0; i < 4; i++) {
		world_init(&w);
		world_offer(&w);
		world_fail(&w, STATUS_REFUSED, soft[i]);
		assert_verdict(VERDICT_REFUSED);
		assert_false(world_out.closed.charged);
		assert_true(world_blocked(&w, BLOCK_DEFERRED));
	}
}

static void test_status_deferred_until_is_kept_within_the_cap(void **state)
{
	BEGIN;
	policy()->defer_max_s = 1000;
	world_offer(&w);
	struct status s = world_status(&w, STATUS_DEFERRED);
	s.defer_until_s = INT64_MAX;
	world_send_status(&w, BOOT_IS_SAME, &s);
	assert_int_equal(w.u.device.retry_at_ms, w.u.now_ms + 1000 * 1000);
}

static void test_status_deferred_beyond_the_cap_is_charged(void **state)
{
	BEGIN;
	policy()->defer_max_s = 1000;
	world_offer(&w);
	world_fail(&w, STATUS_DEFERRED, REASON_NONE);
	world_pass(&w, 1001);
	world_again(&w, IMAGE_BASE);
	world_fail(&w, STATUS_DEFERRED, REASON_NONE);
	assert_verdict(VERDICT_REFUSED);
	assert_true(world_out.closed.charged);
}

static void test_status_refused_for_cause_is_charged(void **state)
{
	BEGIN;
	world_offer(&w);
	world_fail(&w, STATUS_REFUSED, REASON_NO_SPACE);
	assert_verdict(VERDICT_REFUSED);
	assert_true(world_out.closed.charged);
	assert_true(world_diagnosed(DIAG_STORAGE_FULL));
}

static void test_status_some_reasons_hold_at_once(void **state)
{
	static const struct {
		enum reason reason;
		enum hold hold;
	} rows[] = {{REASON_WRONG_HARDWARE, HOLD_WRONG_HARDWARE},
		    {REASON_BAD_SIGNATURE, HOLD_BAD_SIGNATURE},
		    {REASON_UNSUPPORTED, HOLD_UNSUPPORTED},
		    {REASON_STORAGE_IO, HOLD_NONE}};
	BEGIN;
	for (int i = 0; i < 4; i++) {
		world_init(&w);
		world_go(&w, ATTEMPT_VERIFIED);
		world_fail(&w, STATUS_FAILED, rows[i].reason);
		assert_verdict(VERDICT_DEVICE_FAILED);
		assert_int_equal(w.u.device.hold, rows[i].hold);
	}
}

/* ---- deadlines ---- */

static void test_deadline_verdict_by_state_silent(void **state)
{
	static const enum verdict verdicts[] = {VERDICT_NEVER_STARTED, VERDICT_TRANSFER_STALLED,
						VERDICT_NEVER_CAME_BACK, VERDICT_NEVER_CAME_BACK};
	BEGIN;
	for (int s = ATTEMPT_OFFERED; s <= ATTEMPT_APPLYING; s++) {
		world_init(&w);
		world_go(&w, (enum attempt_state)s);
		world_deadline(&w);
		assert_verdict(verdicts[s]);
		assert_true(world_out.closed.charged);
		assert_int_equal(world_event(EVENT_FLASH_FAILED), s > ATTEMPT_OFFERED);
	}
}

static void test_deadline_verdict_by_state_heard(void **state)
{
	static const enum verdict verdicts[] = {VERDICT_NEVER_STARTED, VERDICT_TRANSFER_STALLED,
						VERDICT_NEVER_APPLIED, VERDICT_NEVER_REBOOTED};
	BEGIN;
	for (int s = ATTEMPT_OFFERED; s <= ATTEMPT_APPLYING; s++) {
		world_init(&w);
		world_go(&w, (enum attempt_state)s);
		world_again(&w, IMAGE_BASE);
		world_deadline(&w);
		assert_verdict(verdicts[s]);
	}
}

static void test_deadline_applying_after_another_boot_is_never_came_back(void **state)
{
	BEGIN;
	world_go(&w, ATTEMPT_APPLYING);
	world_again(&w, IMAGE_BASE);
	struct status s = world_status(&w, STATUS_DOWNLOADING);
	world_send_status(&w, BOOT_IS_NEW, &s);
	world_deadline(&w);
	assert_verdict(VERDICT_NEVER_CAME_BACK);
}

static void test_deadline_moves_only_with_a_new_highest_offset(void **state)
{
	BEGIN;
	world_offer(&w);
	world_block(&w, 0, 1024);
	int64_t before = w.u.attempt.stall_at_ms;
	world_pass(&w, 60);
	world_block(&w, 0, 1024);
	assert_int_equal(w.u.attempt.stall_at_ms, before);
	world_block(&w, 1024, 1024);
	assert_int_equal(w.u.attempt.stall_at_ms, before + 60000);
}

static void test_deadline_total_ends_an_attempt_that_makes_progress(void **state)
{
	BEGIN;
	policy()->total_s = 7200;
	world_offer(&w);
	for (int i = 0; w.u.has_attempt; i++) {
		assert_true(i < 10);
		world_block(&w, i * 1024, 1024);
		world_pass(&w, 1800);
		world_deadline_now(&w);
	}
	assert_verdict(VERDICT_TRANSFER_STALLED);
}

static void test_outage_extends_by_gap_and_grace_up_to_six_hours(void **state)
{
	BEGIN;
	world_go(&w, ATTEMPT_TRANSFERRING);
	int64_t before = w.u.attempt.stall_at_ms;
	world_outage(&w, 600);
	assert_int_equal(w.u.attempt.stall_at_ms, before + (600 + 900) * 1000);
	world_outage(&w, 100000);
	assert_int_equal(w.u.attempt.stall_at_ms, before + 6 * 3600 * 1000);
}

static void test_outage_grace_is_told_or_learned_from_the_interval(void **state)
{
	BEGIN;
	struct report r = world_report(&w, IMAGE_BASE);
	r.interval_s = 6000;
	world_send(&w, BOOT_IS_NEW, &r);
	world_outage(&w, 10);
	assert_int_equal(w.u.attempt.extended_ms, (10 + 9000) * 1000);
	policy()->outage_grace_s = 5;
	world_outage(&w, 10);
	assert_int_equal(w.u.attempt.extended_ms, (10 + 9000 + 15) * 1000);
}

static void test_clock_step_ends_nothing_and_starts_nothing(void **state)
{
	BEGIN;
	world_go(&w, ATTEMPT_TRANSFERRING);
	world_clock_step(&w, 86400);
	world_deadline_now(&w);
	assert_state(&w, ATTEMPT_TRANSFERRING);
	world_fail(&w, STATUS_FAILED, REASON_OTHER);
	assert_true(world_blocked(&w, BLOCK_BACKOFF));
	world_clock_step(&w, 86400);
	assert_true(world_blocked(&w, BLOCK_BACKOFF));
}

/* ---- back-off and hold ---- */

static void test_backoff_doubles_is_capped_and_jittered_by_a_tenth(void **state)
{
	BEGIN;
	int64_t want_s = 60;
	policy()->max_failures = 100;
	policy()->backoff_max_s = 1000;
	for (int i = 0; i < 8; i++) {
		world_boot(&w, IMAGE_BASE);
		world_fail(&w, STATUS_FAILED, REASON_OTHER);
		int64_t wait_ms = w.u.device.retry_at_ms - w.u.now_ms;
		assert_in_range(wait_ms, want_s * 900, want_s * 1100);
		want_s = want_s * 2 < 1000 ? want_s * 2 : 1000;
		world_again(&w, IMAGE_BASE);
		assert_false(w.u.has_attempt);
		assert_true(world_out.directive.retry_after_s >= 0);
		world_pass(&w, wait_ms / 1000 + 1);
	}
}

static void test_hold_after_max_reverts_and_fresh_only_if_capable(void **state)
{
	BEGIN;
	for (int i = 0; i < 2; i++) {
		struct report r = world_report(&w, IMAGE_BASE);
		r.has_capabilities = true;
		r.capabilities = i ? CAP_FRESH | CAP_RESUME : CAP_RESUME;
		assert_int_equal(w.u.device.hold, HOLD_NONE);
		world_send(&w, BOOT_IS_NEW, &r);
		assert_int_equal(world_out.directive.flags, i ? DIRECTIVE_FRESH : DIRECTIVE_RESUME);
		world_say(&w, STATUS_APPLYING);
		world_boot(&w, IMAGE_BASE);
		assert_verdict(VERDICT_REVERTED);
		world_pass(&w, 100000);
	}
	assert_int_equal(w.u.device.hold, HOLD_REVERTS);
	assert_true(world_event(EVENT_DEVICE_HELD));
	assert_true(world_diagnosed(DIAG_REFLASH_LOOP));
	world_boot(&w, IMAGE_BASE);
	assert_false(w.u.has_attempt);
	assert_int_equal(world_operator(&w, OPERATOR_UNHOLD, 0), 0);
	world_boot(&w, IMAGE_BASE);
	assert_true(w.u.has_attempt);
}

static void test_fresh_is_not_offered_to_a_device_that_cannot(void **state)
{
	BEGIN;
	world_go(&w, ATTEMPT_APPLYING);
	world_boot(&w, IMAGE_BASE);
	world_pass(&w, 1000);
	world_boot(&w, IMAGE_BASE);
	assert_true(w.u.has_attempt);
	assert_false(w.u.attempt.fresh);
}

static void test_hold_after_max_failures_of_any_kind(void **state)
{
	BEGIN;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(w.u.device.hold, HOLD_NONE);
		world_boot(&w, IMAGE_BASE);
		world_deadline(&w);
		assert_verdict(VERDICT_NEVER_STARTED);
		world_pass(&w, 100000);
	}
	assert_int_equal(w.u.device.hold, HOLD_FAILURES);
}

/* ---- operator ---- */

static void test_cancel_by_state(void **state)
{
	BEGIN;
	for (int s = ATTEMPT_OFFERED; s <= ATTEMPT_TRANSFERRING; s++) {
		world_init(&w);
		world_go(&w, (enum attempt_state)s);
		assert_int_equal(world_operator(&w, OPERATOR_CANCEL, 0), 0);
		assert_verdict(VERDICT_CANCELLED);
		assert_false(world_out.closed.charged);
	}
	world_init(&w);
	world_go(&w, ATTEMPT_APPLYING);
	assert_int_equal(world_operator(&w, OPERATOR_CANCEL, 0), ERR_BUSY);
	assert_state(&w, ATTEMPT_APPLYING);
}

static void test_cancel_of_verified_acts_at_the_gate(void **state)
{
	BEGIN;
	world_go(&w, ATTEMPT_VERIFIED);
	assert_int_equal(world_operator(&w, OPERATOR_CANCEL, 0), 0);
	assert_state(&w, ATTEMPT_VERIFIED);
	assert_false(world_say(&w, STATUS_APPLYING));
	assert_verdict(VERDICT_CANCELLED);
}

static void test_cancel_of_verified_also_ends_a_new_download(void **state)
{
	BEGIN;
	world_go(&w, ATTEMPT_VERIFIED);
	assert_int_equal(world_operator(&w, OPERATOR_CANCEL, 0), 0);
	assert_false(world_say(&w, STATUS_DOWNLOADING));
	assert_verdict(VERDICT_CANCELLED);
}

static void test_target_change_supersedes_only_before_verified(void **state)
{
	BEGIN;
	for (int s = ATTEMPT_OFFERED; s <= ATTEMPT_APPLYING; s++) {
		world_init(&w);
		world_go(&w, (enum attempt_state)s);
		world_operator(&w, OPERATOR_TARGET_CHANGED, RELEASE_OTHER);
		if (s <= ATTEMPT_TRANSFERRING) {
			assert_verdict(VERDICT_SUPERSEDED);
		} else {
			assert_state(&w, (enum attempt_state)s);
			assert_true(world_blocked(&w, BLOCK_FINISHING));
		}
	}
}

static void test_restored_store_closes_uncharged(void **state)
{
	BEGIN;
	world_go(&w, ATTEMPT_APPLYING);
	world_operator(&w, OPERATOR_RESTORED, 0);
	assert_verdict(VERDICT_STORE_RESTORED);
	assert_false(world_out.closed.charged);
	assert_true(world_event(EVENT_FLASH_FAILED));
}

static void test_lock_is_stored_even_if_the_target_stays(void **state)
{
	BEGIN;
	world_boot(&w, IMAGE_BASE);
	world_operator(&w, OPERATOR_LOCK, RELEASE_TARGET);
	assert_true(world_out.device_changed);
	assert_int_equal(w.u.device.lock, RELEASE_TARGET + 1);
}

static void test_silence_is_offline_and_a_block_alone_is_not_online(void **state)
{
	BEGIN;
	world_go(&w, ATTEMPT_TRANSFERRING);
	world_silent(&w);
	assert_true(world_event(EVENT_DEVICE_OFFLINE));
	world_block(&w, 0, 1024);
	assert_false(w.u.device.online);
	world_say(&w, STATUS_DOWNLOADING);
	assert_true(world_event(EVENT_DEVICE_ONLINE));
}

#define T(name) cmocka_unit_test(test_##name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(status_first_of_any_kind_starts_once),
		T(status_after_a_block_not_told_of_yet_starts_first),
		T(status_applying_opens_the_gate_and_moves_the_base),
		T(status_after_applying_moves_the_base_no_more),
		T(status_repeated_seq_is_ignored_and_never_opens_the_gate),
		T(status_applying_in_probation_is_refused),
		T(status_no_in_probation_ends_the_attempt),
		T(status_without_edge_is_answered_and_its_seq_taken),
		T(status_of_a_foreign_attempt_is_refused),
		T(status_downloading_after_verified_goes_back),
		T(status_refused_softly_is_uncharged_and_waits),
		T(status_deferred_until_is_kept_within_the_cap),
		T(status_deferred_beyond_the_cap_is_charged),
		T(status_refused_for_cause_is_charged),
		T(status_some_reasons_hold_at_once),
		T(deadline_verdict_by_state_silent),
		T(deadline_verdict_by_state_heard),
		T(deadline_applying_after_another_boot_is_never_came_back),
		T(deadline_moves_only_with_a_new_highest_offset),
		T(deadline_total_ends_an_attempt_that_makes_progress),
		T(outage_extends_by_gap_and_grace_up_to_six_hours),
		T(outage_grace_is_told_or_learned_from_the_interval),
		T(clock_step_ends_nothing_and_starts_nothing),
		T(backoff_doubles_is_capped_and_jittered_by_a_tenth),
		T(hold_after_max_reverts_and_fresh_only_if_capable),
		T(fresh_is_not_offered_to_a_device_that_cannot),
		T(hold_after_max_failures_of_any_kind),
		T(cancel_by_state),
		T(cancel_of_verified_acts_at_the_gate),
		T(cancel_of_verified_also_ends_a_new_download),
		T(target_change_supersedes_only_before_verified),
		T(restored_store_closes_uncharged),
		T(lock_is_stored_even_if_the_target_stays),
		T(silence_is_offline_and_a_block_alone_is_not_online),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
