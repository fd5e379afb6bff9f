/* SPDX-License-Identifier: Apache-2.0
 *
 * What `explain` says: a device's story, its causes and the next steps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "view_rows.h"

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
	now.device.online = false;
	now.device.offline_at_ms = T0 + 85000;
	replan(&now);
	v = (struct view_device){.now = &now,
				 .has_last = true,
				 .last = &last,
				 .last_diagnoses = &dg,
				 .history = {.failures = 2, .reverts = 2}};
	assert_golden("explain-held", view_explain(&v, T0 + 90000));
}

/* What a protocol leaves open in its sentences; a name that looks like that stays. */
static void test_view_note_names_the_device_and_its_product(void **state)
{
	json_t *note = view_note("set \"ID\", or product set PRODUCT x=1, PRODUCT", "d-1", "lamp");

	(void)state;
	assert_string_equal(json_string_value(note),
			    "set \"d-1\", or product set lamp x=1, PRODUCT");
	json_decref(note);
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

/* Its silence keeps a device that runs its target from nothing. */
static void test_view_explain_in_sync_and_offline(void **state)
{
	struct engine_device now = device_full();
	struct view_device v = {.now = &now};

	(void)state;
	now.device.online = false;
	replan(&now);
	assert_true(now.plan.blocked & 1u << BLOCK_OFFLINE);
	assert_says(&v, "blocked_by", "it said good-bye 10 s ago", true);
	assert_says(&v, "next_steps", "wait until it comes back", true);
	assert_says(&v, "next_steps", "check its power", false);
	now.device.offline_at_ms = T0 + 85000; /* it said nothing */
	assert_says(&v, "blocked_by", "last heard of 10 s ago", true);
	assert_says(&v, "next_steps", "check its power", true);
	assert_says(&v, "status", "\"offline\": \"silent\"", true);
	(void)snprintf(now.device.report.version, sizeof(now.device.report.version), "%s",
		       now.target.version);
	now.device.report.running = now.target.running[0];
	replan(&now);
	assert_true(now.plan.blocked & 1u << BLOCK_OFFLINE);
	assert_says(&v, "blocked_by", "in-sync", true);
	assert_says(&v, "blocked_by", "offline", false);
	assert_says(&v, "summary", "last heard of 10 s ago, and used to come every 60 s: it fell",
		    true);
	assert_says(&v, "next_steps", "it fell silent, and should have come by now", true);
	now.device.offline_at_ms = 0;
	assert_says(&v, "next_steps", "nothing to do", true);
	assert_says(&v, "next_steps", "check its power", false);
	assert_says(&v, "summary", "It said good-bye 10 s ago", true);
	assert_says(&v, "status", "\"offline\": \"good-bye\"", true);
	now.device.disabled_ms = T0;
	assert_says(&v, "status", "\"offline\": \"disabled\"", true);
	now.device.online = true;
	assert_says(&v, "status", "\"offline\"", false);
}

/* What runs its target and may still go back is told so. */
static void test_view_explain_in_sync_and_unconfirmed(void **state)
{
	struct engine_device now = device_full();
	struct view_device v = {.now = &now};

	(void)state;
	strcpy(now.device.report.version, now.target.version);
	now.device.report.running = now.target.running[1];
	replan(&now);
	assert_true(now.plan.on_target);
	assert_says(&v, "summary", "has not confirmed that image", false);
	assert_says(&v, "next_steps", "nothing to do", true);
	now.device.report.confirmed = 0;
	assert_says(&v, "summary", "It has not confirmed that image: until it does, a reset may",
		    true);
	assert_says(&v, "next_steps", "let its application confirm the image", true);
	assert_says(&v, "next_steps", "nothing to do", false);
	now.device.report.confirmed = -1; /* it does not know of such a thing */
	assert_says(&v, "next_steps", "nothing to do", true);
	now.device.report.confirmed = 0; /* the attempt's probation tells it */
	now.has_attempt = true;
	now.attempt = attempt_open();
	now.attempt.state = ATTEMPT_PROBATION;
	now.attempt.required |= EV_CONFIRMED;
	now.attempt.evidence = EV_NEW_BOOT | EV_VERSION | EV_DIGEST;
	assert_says(&v, "summary", "the proof is not complete yet, missing: confirmed.", true);
	assert_says(&v, "summary", "has not confirmed that image", false);
}

static void test_view_explain_after_the_hand_over(void **state)
{
	struct engine_device now = device_full();
	struct view_device v = {.now = &now};

	(void)state;
	now.has_attempt = true;
	now.attempt = attempt_open();
	now.attempt.state = ATTEMPT_APPLYING;
	now.attempt.base_boot = now.device.boots.seq;
	replan(&now);
	assert_says(&v, "summary", "and has not come back yet", true);
	now.attempt.heard = true;
	assert_says(&v, "summary", "and checks in, but has not restarted since", true);
	assert_says(&v, "summary", "has not come back", false);
	now.device.boots.seq++;
	assert_says(&v, "summary", "and has restarted; its application has not reported", true);
}

/* What is withdrawn does not come back, and nobody is told to activate it. */
static void test_view_explain_of_a_release_that_ended(void **state)
{
	static const struct {
		enum target_why why;
		const char *next;
	} rows[] = {
		{TARGET_LOCK, "postbootctl device unlock dev-1"},
		{TARGET_ROLLOUT, "postbootctl rollout abort blinky spring"},
		{TARGET_GROUP, "postbootctl group target blinky lab VERSION"},
		{TARGET_PRODUCT, "postbootctl product target blinky VERSION"},
	};
	struct engine_device now = device_full();
	struct view_device v = {.now = &now};

	(void)state;
	strcpy(now.group.name, "lab");
	strcpy(now.rollout.name, "spring");
	now.rollout.state = ROLLOUT_HALTED;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		now.goal_why = now.why = rows[i].why;
		now.target.state = RELEASE_WITHDRAWN;
		replan(&now);
		assert_says(&v, "next_steps", rows[i].next, true);
		assert_says(&v, "next_steps", "release activate", false);
		assert_says(&v, "blocked_by", "release activate", false);
		now.target.state = RELEASE_QUARANTINED;
		assert_says(&v, "next_steps", rows[i].next, true);
		assert_says(&v, "next_steps", "postbootctl release activate blinky 1.1.0", true);
	}
	now.goal_why = now.why = TARGET_ROLLOUT;
	now.rollout.state = ROLLOUT_DONE; /* which cannot be aborted any more */
	assert_says(&v, "next_steps", "rollout abort", false);
	assert_says(&v, "next_steps", "postbootctl product target blinky VERSION", true);
}

/* That it is disabled is all that matters; what else blocks would come after it. */
static void test_view_explain_disabled(void **state)
{
	struct engine_device now = device_full();
	struct view_device v = {.now = &now};

	(void)state;
	now.device.disabled_ms = T0;
	now.device.online = false;
	now.device.drifted = true;
	replan(&now);
	assert_says(&v, "summary", "It is disabled: an operator shut it out", true);
	assert_says(&v, "summary", "It waits", false);
	assert_says(&v, "blocked_by", "disabled", true);
	assert_says(&v, "blocked_by", "offline", false);
	assert_says(&v, "blocked_by", "drifted", false);
	assert_says(&v, "next_steps", "postbootctl device enable dev-1", true);
	now.device.hold = HOLD_OPERATOR; /* which would be left */
	replan(&now);
	assert_says(&v, "blocked_by", "held", true);
	assert_says(&v, "next_steps", "postbootctl device unhold dev-1", true);
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
	last.verdict = VERDICT_UNPROVEN;
	assert_says(&v, "summary", "came back as after a restart, and did not tell what", true);
	assert_says(&v, "next_steps", "let it stay after a restart", true);
	last.rung_ms[RUNG_RUNNING] = last.rung_ms[RUNG_APPLYING];
	assert_says(&v, "summary", "it may run the new image, but the proof is incomplete", true);
	assert_says(&v, "next_steps", "let it stay after a restart", false);
	strcpy(last.detail, "LwM2M result 1: firmware updated successfully");
	assert_says(&v, "summary", ", LwM2M result 1: firmware updated successfully.", true);
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
	now.attempt.state = ATTEMPT_APPLYING;
	now.device.boots.seq = now.attempt.base_boot;
	now.attempt.rung_ms[RUNG_REBOOTED] = T0;
	assert_says(&v, "summary", "came back as after a restart, but what it runs now", true);
	now.attempt = attempt_open();
	now.device.unbooted_claim = true;
	strcpy(now.device.claimed, "1.1.0");
	assert_says(&v, "summary",
		    "; it reports 1.1.0 in the boot in which it ran 1.0.0: not believed", true);
	assert_says(&v, "status", "\"claims\": \"1.1.0\"", true);
	v.plain_unserved = true;
	assert_says(&v, "summary", "plain-devices", true);
	assert_says(&v, "status", "does not serve plain devices", true);
}

/* Whoever failed under its name: with when, and what to do. */
static void test_view_explain_tells_of_wrong_keys(void **state)
{
	struct engine_device now = device_full();
	struct view_device v = {.now = &now};

	(void)state;
	replan(&now);
	assert_says(&v, "summary", "under its name", false);
	assert_says(&v, "next_steps", "device key", false);
	now.key_fail = (struct key_fail){.count = 1, .last_ms = T0 + 78000};
	assert_says(&v, "summary",
		    "A handshake under its name failed 12 s ago: the key was not its own.", true);
	assert_says(&v, "next_steps", "postbootctl device key dev-1 --psk-file", true);
	now.key_fail.count = 7;
	assert_says(&v, "summary", "The last 7 handshakes under its name failed, the newest 12 s",
		    true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_view_note_names_the_device_and_its_product),
		cmocka_unit_test(test_view_explain),
		cmocka_unit_test(test_view_explain_in_sync_and_offline),
		cmocka_unit_test(test_view_explain_in_sync_and_unconfirmed),
		cmocka_unit_test(test_view_explain_after_the_hand_over),
		cmocka_unit_test(test_view_explain_of_a_release_that_ended),
		cmocka_unit_test(test_view_explain_disabled),
		cmocka_unit_test(test_view_explain_summaries),
		cmocka_unit_test(test_view_explain_held_on_target),
		cmocka_unit_test(test_view_explain_advises_what_applies),
		cmocka_unit_test(test_view_explain_reads_the_verdict),
		cmocka_unit_test(test_view_explain_tells_of_wrong_keys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
