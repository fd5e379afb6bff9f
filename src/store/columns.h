/* SPDX-License-Identifier: Apache-2.0
 *
 * Which field is which column: X(column, how it is stored, field, argument of how).
 * The schema has the same columns (a test holds them against each other).
 */
#ifndef STORE_COLUMNS_H
#define STORE_COLUMNS_H

/* clang-format off */

/* struct product, without id, rev and the policy (POLICY_LIST) */
#define PRODUCT_COLUMNS(X)                                                                         \
	X(name, PLAIN, name, )                                                                     \
	X(hardware, PLAIN, hardware, )                                                             \
	X(windows, PLAIN, windows, )                                                               \
	X(time_zone, PLAIN, time_zone, )                                                           \
	X(target, REF, target, )                                                                   \
	X(target_ms, PLAIN, target_ms, )                                                           \
	X(created_ms, PLAIN, created_ms, )                                                         \
	X(ca_count, PLAIN, ca_count, )                                                             \
	X(ca_sha256, PLAIN, ca_sha256, )                                                           \
	X(protocol, PLAIN, protocol, )                                                             \
	X(protocol_options, PLAIN, protocol_options, )

/* struct device_group, without id and rev */
#define GROUP_COLUMNS(X)                                                                           \
	X(product, PLAIN, product, )                                                               \
	X(name, PLAIN, name, )                                                                     \
	X(target, REF, target, )                                                                   \
	X(target_ms, PLAIN, target_ms, )                                                           \
	X(windows, PLAIN, windows, )                                                               \
	X(time_zone, PLAIN, time_zone, )                                                           \
	X(max_downloads, PLAIN, max_downloads, )                                                   \
	X(image_rate, PLAIN, image_rate, )                                                         \
	X(created_ms, PLAIN, created_ms, )

/* struct rollout, without id, rev, its settings (ROLLOUT_RULE_LIST) and waves */
#define ROLLOUT_COLUMNS(X)                                                                         \
	X(product, PLAIN, product, )                                                               \
	X(release, PLAIN, release, )                                                               \
	X(name, PLAIN, name, )                                                                     \
	X(filter, PLAIN, filter, )                                                                 \
	X(author, PLAIN, author, )                                                                 \
	X(approver, PLAIN, approver, )                                                             \
	X(start_at_ms, PLAIN, start_at_ms, )                                                       \
	X(state, WORD, state, rollout_state)                                                       \
	X(resume_to, WORD, resume_to, rollout_state)                                               \
	X(wait, WORD, wait, rollout_wait)                                                          \
	X(why, WORD, why, rollout_why)                                                             \
	X(seed, PLAIN, seed, )                                                                     \
	X(enlisted, PLAIN, enlisted, )                                                             \
	X(gate_open, PLAIN, gate_open, )                                                           \
	X(opened, PLAIN, opened, )                                                                 \
	X(reached, PLAIN, reached, )                                                               \
	X(released_ms, PLAIN, released_ms, )                                                       \
	X(ramp_ms, PLAIN, ramp_ms, )                                                               \
	X(base_members, PLAIN, base_members, )                                                     \
	X(base_silent, PLAIN, base_silent, )                                                       \
	X(created_ms, PLAIN, created_ms, )                                                         \
	X(started_ms, PLAIN, started_ms, )                                                         \
	X(state_ms, PLAIN, state_ms, )                                                             \
	X(ended_ms, PLAIN, ended_ms, )                                                             \
	X(halted_ms, PLAIN, halted_ms, )                                                           \
	X(ended_by, PLAIN, ended_by, )

/* struct wave, without its place in a rollout */
#define WAVE_COLUMNS(X)                                                                            \
	X(percent, PLAIN, percent, )                                                               \
	X(gate, PLAIN, gate, )                                                                     \
	X(size, PLAIN, size, )                                                                     \
	X(cut, PLAIN, cut, )                                                                       \
	X(opened_ms, PLAIN, opened_ms, )                                                           \
	X(complete_ms, PLAIN, complete_ms, )                                                       \
	X(forgiven_failed, PLAIN, forgiven_failed, )                                               \
	X(forgiven_reverted, PLAIN, forgiven_reverted, )                                           \
	X(forgiven_silent, PLAIN, forgiven_silent, )                                               \
	X(forgiven_verdicts, PLAIN, forgiven_verdicts, )

/* struct release, without id and its digests */
#define RELEASE_COLUMNS(X)                                                                         \
	X(product, PLAIN, product, )                                                               \
	X(version, PLAIN, version, )                                                               \
	X(size_bytes, PLAIN, size_bytes, )                                                         \
	X(sha256, PLAIN, sha256, )                                                                 \
	X(no_digest, PLAIN, no_digest, )                                                           \
	X(no_confirm, PLAIN, no_confirm, )                                                         \
	X(rev, PLAIN, rev, )                                                                       \
	X(state, WORD, state, release_state)                                                       \
	X(state_ms, PLAIN, state_ms, )                                                             \
	X(image_format, WORD, image.format, image_format)                                          \
	X(image_encrypted, PLAIN, image.encrypted, )                                               \
	X(image_signatures, BITS, image.signatures, signature)                                     \
	X(image_counter, PLAIN, image.security_counter, )                                          \
	X(image_slot_bytes, PLAIN, image.slot_bytes, )                                             \
	X(image_version, PLAIN, image.version, )                                                   \
	X(image_hardware, PLAIN, image.hardware, )                                                 \
	X(image_project, PLAIN, image.project, )                                                   \
	X(image_detail, PLAIN, image.detail, )                                                     \
	X(signed_by, PLAIN, signed_by, )                                                           \
	X(signed_key, PLAIN, signed_key, )                                                         \
	X(label_anyway, PLAIN, label_anyway, )                                                     \
	X(min_version, PLAIN, requires.min_version, )                                              \
	X(must_pass, PLAIN, requires.must_pass, )                                                  \
	X(hardware, PLAIN, requires.hardware, )                                                    \
	X(boot_loader, PLAIN, requires.boot_loader, )                                              \
	X(security_counter, OPTION, requires.security_counter, requires.has_security_counter)      \
	X(created_ms, PLAIN, created_ms, )

/* struct digest */
#define DIGEST_COLUMNS(X)                                                                          \
	X(kind, PLAIN, kind, )                                                                     \
	X(value, SIZED, value, len)

/* struct store_key */
#define KEY_COLUMNS(X)                                                                             \
	X(device, PLAIN, device, )                                                                 \
	X(slot, WORD, slot, key_slot)                                                              \
	X(form, WORD, form, key_form)                                                              \
	X(value, SIZED, value, value_len)                                                          \
	X(mac, SIZED, mac, mac_len)                                                                \
	X(set_ms, PLAIN, set_ms, )

/* struct device, without id, rev, created_ms and the packed boots: what hardly ever changes (an
 * index costs nothing where the update does not name its columns) ... */
#define DEVICE_FIXED(X)                                                                            \
	X(product, PLAIN, product, )                                                               \
	X(protocol, PLAIN, protocol, ) /* these by a statement of their own */                     \
	X(group_id, REF, group, )                                                                  \
	X(group_ms, PLAIN, group_ms, )                                                             \
	X(rollout, PLAIN, rollout, )                                                               \
	X(rollout_place, PLAIN, rollout_place, )                                                   \
	X(rollout_before, PLAIN, rollout_before, )                                                 \
	X(rollout_return, PLAIN, rollout_return, )

/* ... and what does */
#define DEVICE_COLUMNS(X)                                                                          \
	X(plain, PLAIN, plain, )                                                                   \
	X(certified, PLAIN, certified, )                                                           \
	X(disabled_ms, PLAIN, disabled_ms, )                                                       \
	X(lock, REF, lock, )                                                                       \
	X(development, PLAIN, development, )                                                       \
	X(force, PLAIN, force, )                                                                   \
	X(windows, PLAIN, windows, )                                                               \
	X(time_zone, PLAIN, time_zone, )                                                           \
	X(hold, WORD, hold, hold)                                                                  \
	X(held_ms, PLAIN, held_ms, )                                                               \
	X(fail_mark, PLAIN, fail_mark, )                                                           \
	X(has_report, PLAIN, has_report, )                                                         \
	X(report_boot_id, SIZED, report.boot.bytes, report.boot.len)                               \
	X(report_boot_count, OPTION, report.boot.count, report.boot.has_count)                     \
	X(report_version, PLAIN, report.version, )                                                 \
	X(report_digest_kind, PLAIN, report.running.kind, )                                        \
	X(report_digest, SIZED, report.running.value, report.running.len)                          \
	X(report_confirmed, PLAIN, report.confirmed, )                                             \
	X(report_updates_enabled, PLAIN, report.updates_enabled, )                                 \
	X(report_reset, WORD, report.reset, reset)                                                 \
	X(report_mode, WORD, report.mode, mode)                                                    \
	X(report_last_attempt, PLAIN, report.last.attempt, )                                       \
	X(report_last_stage, WORD, report.last.stage, stage)                                       \
	X(report_last_reason, WORD, report.last.reason, reason)                                    \
	X(report_last_code, PLAIN, report.last.code, )                                             \
	X(report_last_detail, PLAIN, report.last.detail, )                                         \
	X(report_fs_free_bytes, PLAIN, report.fs_free_bytes, )                                     \
	X(report_fs_total_bytes, PLAIN, report.fs_total_bytes, )                                   \
	X(report_slot_bytes, PLAIN, report.slot_bytes, )                                           \
	X(report_battery_percent, PLAIN, report.battery_percent, )                                 \
	X(report_supply_mv, PLAIN, report.supply_mv, )                                             \
	X(report_troubles, BITS, report.troubles, trouble)                                         \
	X(report_interval_s, PLAIN, report.interval_s, )                                           \
	X(report_uptime_s, PLAIN, report.uptime_s, )                                               \
	X(report_security_counter, PLAIN, report.security_counter, )                               \
	X(report_capabilities, OPTION, report.capabilities, report.has_capabilities)               \
	X(report_hardware, PLAIN, report.hardware, )                                               \
	X(report_boot_loader, PLAIN, report.boot_loader, )                                         \
	X(report_cached, OPTION, report.cached, report.has_cached)                                 \
	X(report_ms, PLAIN, report_ms, )                                                           \
	X(seen_ms, PLAIN, seen_ms, )                                                               \
	X(online, PLAIN, online, )                                                                 \
	X(offline_at_ms, PLAIN, offline_at_ms, )                                                   \
	X(interval_learned_s, PLAIN, interval_learned_s, )                                         \
	X(boot_seq, PLAIN, boots.seq, )                                                            \
	X(boot_backwards, PLAIN, boots.backwards, )                                                \
	X(boot_conflicts, PLAIN, boots.conflicts, )                                                \
	X(boot_conflict_ms, PLAIN, boots.conflict_ms, )                                            \
	X(resets, PLAIN, resets, )                                                                 \
	X(unclean_resets, PLAIN, unclean_resets, )                                                 \
	X(unclean_row, PLAIN, unclean_row, )                                                       \
	X(attempt, PLAIN, attempt, )                                                               \
	X(last_attempt, PLAIN, last_attempt, )                                                     \
	X(planned, PLAIN, planned, )                                                               \
	X(failed_attempt, PLAIN, failed_attempt, )                                                 \
	X(settled, PLAIN, settled, )                                                               \
	X(unbooted_claim, PLAIN, unbooted_claim, )                                                 \
	X(claimed, PLAIN, claimed, )                                                               \
	X(drifted, PLAIN, drifted, )                                                               \
	X(want_fresh, PLAIN, want_fresh, )                                                         \
	X(pending_told, PLAIN, pending_told, )                                                     \
	X(backoff_count, PLAIN, backoff_count, )                                                   \
	X(retry_at_ms, PLAIN, retry_at_ms, )                                                       \
	X(defer_since_ms, PLAIN, defer_since_ms, )                                                 \
	X(pending_ms, PLAIN, pending_ms, )                                                         \
	X(base_changes, PLAIN, base_changes, )                                                     \
	X(rollout_about, PLAIN, rollout_about, )                                                   \
	X(rollout_result, WORD, rollout_result, member)                                            \
	X(rollout_applied, PLAIN, rollout_applied, )

/* struct attempt, without number: what never changes ... */
#define ATTEMPT_FIXED(X)                                                                           \
	X(id, PLAIN, id, )                                                                         \
	X(device, PLAIN, device, )                                                                 \
	X(product, PLAIN, product, )                                                               \
	X(release, PLAIN, release, )                                                               \
	X(rollout, PLAIN, rollout, )                                                               \
	X(version, PLAIN, version, )                                                               \
	X(size_bytes, PLAIN, size_bytes, )                                                         \
	X(sha256, PLAIN, sha256, )

/* ... and what does */
#define ATTEMPT_COLUMNS(X)                                                                         \
	X(state, WORD, state, state)                                                               \
	X(verdict, WORD, verdict, verdict)                                                         \
	X(charged, PLAIN, charged, )                                                               \
	X(via, WORD, via, via)                                                                     \
	X(grade, WORD, grade, grade)                                                               \
	X(reason, WORD, reason, reason)                                                            \
	X(code, PLAIN, code, )                                                                     \
	X(detail, PLAIN, detail, )                                                                 \
	X(base_boot, PLAIN, base_boot, )                                                           \
	X(base_version, PLAIN, base_version, )                                                     \
	X(base_digest_kind, PLAIN, base_digest.kind, )                                             \
	X(base_digest, SIZED, base_digest.value, base_digest.len)                                  \
	X(capabilities, PLAIN, capabilities, )                                                     \
	X(required, BITS, required, evidence)                                                      \
	X(evidence, BITS, evidence, evidence)                                                      \
	X(evidence_new_boot_ms, PLAIN, evidence_ms[0], )                                           \
	X(evidence_version_ms, PLAIN, evidence_ms[1], )                                            \
	X(evidence_digest_ms, PLAIN, evidence_ms[2], )                                             \
	X(evidence_confirmed_ms, PLAIN, evidence_ms[3], )                                          \
	X(evidence_stable_ms, PLAIN, evidence_ms[4], )                                             \
	X(rung_offered_ms, PLAIN, rung_ms[RUNG_OFFERED], )                                         \
	X(rung_started_ms, PLAIN, rung_ms[RUNG_STARTED], )                                         \
	X(rung_transferred_ms, PLAIN, rung_ms[RUNG_TRANSFERRED], )                                 \
	X(rung_verified_ms, PLAIN, rung_ms[RUNG_VERIFIED], )                                       \
	X(rung_applying_ms, PLAIN, rung_ms[RUNG_APPLYING], )                                       \
	X(rung_rebooted_ms, PLAIN, rung_ms[RUNG_REBOOTED], )                                       \
	X(rung_running_target_ms, PLAIN, rung_ms[RUNG_RUNNING], )                                  \
	X(rung_confirmed_ms, PLAIN, rung_ms[RUNG_CONFIRMED], )                                     \
	X(rung_stable_ms, PLAIN, rung_ms[RUNG_STABLE], )                                           \
	X(fresh, PLAIN, fresh, )                                                                   \
	X(forced, PLAIN, forced, )                                                                 \
	X(started, PLAIN, started, )                                                               \
	X(cancel_requested, PLAIN, cancel_requested, )                                             \
	X(boot_weak, PLAIN, boot_weak, )                                                           \
	X(created_ms, PLAIN, created_ms, )                                                         \
	X(closed_ms, PLAIN, closed_ms, )                                                           \
	X(state_ms, PLAIN, state_ms, )                                                             \
	X(stall_at_ms, PLAIN, stall_at_ms, )                                                       \
	X(total_at_ms, PLAIN, total_at_ms, )                                                       \
	X(extended_ms, PLAIN, extended_ms, )                                                       \
	X(heard, PLAIN, heard, )                                                                   \
	X(interruptions, PLAIN, interruptions, )                                                   \
	X(judged_boot, PLAIN, judged_boot, )                                                       \
	X(status_boot, PLAIN, status_boot, )                                                       \
	X(status_seq, PLAIN, status_seq, )                                                         \
	X(received_bytes, PLAIN, received_bytes, )                                                 \
	X(start_offset, PLAIN, start_offset, )                                                     \
	X(served_bytes, PLAIN, served_bytes, )                                                     \
	X(served_high, PLAIN, served_high, )                                                       \
	X(served_repeats, PLAIN, served_repeats, )                                                 \
	X(target_boot, PLAIN, target_boot, )                                                       \
	X(target_ms, PLAIN, target_ms, )                                                           \
	X(unclean, PLAIN, unclean, )                                                               \
	X(boot_id_constant, PLAIN, boot_id_constant, )

/* struct hook, without id and rev */
#define HOOK_COLUMNS(X)                                                                            \
	X(name, PLAIN, name, )                                                                     \
	X(url, PLAIN, url, )                                                                       \
	X(topics, PLAIN, topics, )                                                                 \
	X(products, PLAIN, products, )                                                             \
	X(batch, PLAIN, batch, )                                                                   \
	X(state, WORD, state, hook_state)                                                          \
	X(why, WORD, why, hook_why)                                                                \
	X(created_ms, PLAIN, created_ms, )

/* struct hook_place */
#define PLACE_COLUMNS(X)                                                                           \
	X(position, PLAIN, position, )                                                             \
	X(tries, PLAIN, tries, )                                                                   \
	X(failures, PLAIN, failures, )                                                             \
	X(retry_ms, PLAIN, retry_ms, )                                                             \
	X(failing_ms, PLAIN, failing_ms, )                                                         \
	X(taken_ms, PLAIN, taken_ms, )                                                             \
	X(delivered, PLAIN, delivered, )                                                           \
	X(missed, PLAIN, missed, )                                                                 \
	X(error, PLAIN, error, )

/* struct store_key, of a webhook */
#define SECRET_COLUMNS(X)                                                                          \
	X(secret_form, WORD, form, key_form)                                                       \
	X(secret, SIZED, value, value_len)

/* clang-format on */

#define COLUMN_ONE(column, how, field, arg) +1
enum {
	PRODUCT_COLUMN_COUNT = 0 PRODUCT_COLUMNS(COLUMN_ONE),
	ROLLOUT_COLUMN_COUNT = 0 ROLLOUT_COLUMNS(COLUMN_ONE),
	WAVE_COLUMN_COUNT = 0 WAVE_COLUMNS(COLUMN_ONE),
	GROUP_COLUMN_COUNT = 0 GROUP_COLUMNS(COLUMN_ONE),
	RELEASE_COLUMN_COUNT = 0 RELEASE_COLUMNS(COLUMN_ONE),
	DIGEST_COLUMN_COUNT = 0 DIGEST_COLUMNS(COLUMN_ONE),
	KEY_COLUMN_COUNT = 0 KEY_COLUMNS(COLUMN_ONE),
	HOOK_COLUMN_COUNT = 0 HOOK_COLUMNS(COLUMN_ONE),
	PLACE_COLUMN_COUNT = 0 PLACE_COLUMNS(COLUMN_ONE),
	SECRET_COLUMN_COUNT = 0 SECRET_COLUMNS(COLUMN_ONE),
	DEVICE_FIXED_COUNT = 0 DEVICE_FIXED(COLUMN_ONE),
	DEVICE_COLUMN_COUNT = 0 DEVICE_COLUMNS(COLUMN_ONE),
	ATTEMPT_FIXED_COUNT = 0 ATTEMPT_FIXED(COLUMN_ONE),
	ATTEMPT_COLUMN_COUNT = 0 ATTEMPT_COLUMNS(COLUMN_ONE),
};
#undef COLUMN_ONE

#endif
