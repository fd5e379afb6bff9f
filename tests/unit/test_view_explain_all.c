/* SPDX-License-Identifier: Apache-2.0
 *
 * `explain` has words for all that may keep a device, for each verdict and for each diagnosis. A
 * new name in one of these lists does not compile here before it has a case.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "view_rows.h"

static struct engine_device now;
static struct attempt last;
static struct history history;
static struct link_facts link_facts;
static struct diagnoses found;
static struct view_device v;

static void setup(void)
{
	now = device_full();
	last = attempt_reverted();
	last.reason = REASON_NONE;
	history = (struct history){0};
	link_facts = (struct link_facts){0};
	found = (struct diagnoses){0};
	v = (struct view_device){.now = &now};
}

static const json_t *named(const json_t *list, const char *name)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		if (strcmp(json_string_value(json_object_get(one, "name")), name) == 0)
			return one;
	}
	fail_msg("no \"%s\" in the list", name);
	return NULL;
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

/* One of the steps has it. */
static bool step_has(const json_t *e, const char *words)
{
	const json_t *steps = json_object_get(e, "next_steps"), *step;
	size_t i;

	json_array_foreach(steps, i, step)
	{
		if (strstr(json_string_value(step), words))
			return true;
	}
	return false;
}

/* ---- what blocks ---- */

static void block_rollout(bool reached)
{
	now.has_rollout = true;
	now.rollout = rollout_full();
	now.device.rollout = now.rollout.id;
	now.device.rollout_place = reached ? 500 : 1500;
	if (reached)
		now.why = TARGET_ROLLOUT;
}

/* A device of which this holds. No default: a new name is missed by the compiler. */
static void block_make(enum block block)
{
	struct report *r = &now.device.report;
	struct requires *q = &now.target.requires;

	switch (block) {
	case BLOCK_NO_TARGET:
		now.has_target = false;
		break;
	case BLOCK_OFFLINE:
		now.device.online = false;
		break;
	case BLOCK_NO_BASELINE:
		r->mode = MODE_UPDATER;
		break;
	case BLOCK_IN_SYNC:
		strcpy(r->version, now.target.version);
		r->running = now.target.running[1];
		break;
	case BLOCK_UNPROVABLE:
		r->running.kind = DIGEST_ESP_APPENDED;
		break;
	case BLOCK_UPDATES_DISABLED:
		r->updates_enabled = 0;
		break;
	case BLOCK_DEFERRED:
		now.device.defer_since_ms = T0;
		now.device.retry_at_ms = T0 + 95000;
		break;
	case BLOCK_HARDWARE:
		strcpy(r->hardware, "esp32");
		break;
	case BLOCK_SPACE:
		r->slot_bytes = 10;
		break;
	case BLOCK_POWER:
		now.product.policy.min_battery_percent = 81;
		break;
	case BLOCK_BOOT_LOADER:
		strcpy(q->boot_loader, "mcuboot 3");
		break;
	case BLOCK_MUST_PASS:
		now.no_way = true;
		break;
	case BLOCK_ROLLBACK:
		q->has_security_counter = true;
		q->security_counter = 4;
		break;
	case BLOCK_WINDOW:
		strcpy(now.product.windows, "01:00-05:00");
		break;
	case BLOCK_DOWNGRADE:
		now.product.policy.allow_downgrade = 0;
		strcpy(r->version, "1.2.0");
		break;
	case BLOCK_IMAGE:
		now.target.unavailable = true;
		break;
	case BLOCK_RELEASE:
		now.target.state = RELEASE_QUARANTINED;
		break;
	case BLOCK_BACKOFF:
		now.device.retry_at_ms = T0 + 95000;
		break;
	case BLOCK_HELD:
		now.device.hold = HOLD_OPERATOR;
		break;
	case BLOCK_DISABLED:
		now.device.disabled_ms = T0;
		break;
	case BLOCK_DRIFTED:
		now.device.drifted = true;
		break;
	case BLOCK_ROLLOUT_PAUSED:
	case BLOCK_WAVE:
		block_rollout(block == BLOCK_ROLLOUT_PAUSED);
		break;
	case BLOCK_FINISHING:
		now.has_attempt = true;
		now.attempt = attempt_open();
		now.attempt.release = 99;
		break;
	case BLOCK_ADMISSION:
		now.admission = (struct engine_admission){.full = true, .limit = 2, .ahead = 3};
		break;
	case BLOCK_COUNT:
		break;
	}
}

static void assert_block_told(enum block block)
{
	json_t *e = view_explain(&v, T0 + 90000);
	const json_t *one = named(json_object_get(e, "blocked_by"), block_name(block));

	assert_string_equal(text_of(one, "means"), block_means(block));
	assert_true(text_of(one, "clear")[0]);
	if (block == BLOCK_IN_SYNC || block == BLOCK_NO_TARGET)
		assert_false(text_of(one, "facts")[0]); /* the summary tells them */
	else
		assert_true(text_of(one, "facts")[0]);
	assert_true(step_has(e, block == BLOCK_IN_SYNC ? "nothing to do" : text_of(one, "clear")));
	json_decref(e);
}

static void test_explain_has_words_for_all_that_blocks(void **state)
{
	(void)state;
	for (unsigned i = 0; i < BLOCK_COUNT; i++) {
		const enum block block = (enum block)i;
		setup();
		block_make(block);
		replan(&now);
		if (now.has_rollout)
			plan_rollout(&now.plan, &now.device, &now.rollout, now.why, NULL);
		if (block == BLOCK_ADMISSION)
			now.plan.blocked |= 1u << BLOCK_ADMISSION;
		if (!(now.plan.blocked & 1u << i))
			fail_msg("%s does not come about", block_name(block));
		if (block != BLOCK_NO_BASELINE || now.device.has_report)
			assert_block_told(block);
	}
}

/* ---- verdicts ---- */

static void test_explain_has_words_for_each_verdict(void **state)
{
	(void)state;
	for (unsigned i = VERDICT_NONE + 1; i < VERDICT_COUNT; i++) {
		setup();
		last.verdict = (enum verdict)i;
		last.reason = REASON_STORAGE_IO;
		if (i == VERDICT_UPDATED)
			block_make(BLOCK_IN_SYNC);
		replan(&now);
		v.has_last = true;
		v.last = &last;
		v.last_diagnoses = &found;
		json_t *e = view_explain(&v, T0 + 90000);
		const char *summary = text_of(e, "summary");
		const char *means = verdict_help((enum verdict)i);
		assert_true(means[0]);
		if (i == VERDICT_UPDATED) {
			assert_non_null(strstr(summary, "It was updated"));
		} else if (!strstr(summary, verdict_name((enum verdict)i)) ||
			   !strstr(summary, view_attempt_means(&last))) {
			fail_msg("%s is not told in: %s", verdict_name((enum verdict)i), summary);
		}
		json_decref(e);
	}
}

/* ---- diagnoses ---- */

/* An attempt of which a rule says this. No default here, either. */
static void diagnosis_make(enum diagnosis_kind kind)
{
	switch (kind) {
	case DIAG_IDENTITY_CONFLICT:
		now.device.hold = HOLD_IDENTITY_CONFLICT;
		break;
	case DIAG_BOOT_LOADER_REJECTED:
		last.reason = REASON_BOOT_LOADER;
		break;
	case DIAG_STORAGE_FULL: /* and what else device_full() and attempt_reverted() are */
	case DIAG_CACHED_IMAGE:
		break;
	case DIAG_LOW_POWER:
		last.reason = REASON_LOW_POWER;
		break;
	case DIAG_NEVER_ASKED:
		last.verdict = VERDICT_NEVER_APPLIED;
		break;
	case DIAG_UNBOOTED:
		now.device.unbooted_claim = true;
		strcpy(now.device.claimed, "1.1.0");
		break;
	case DIAG_BOOT_ID_CONSTANT:
		last.boot_id_constant = true;
		break;
	case DIAG_RESET_BLOCKED:
		last.verdict = VERDICT_NEVER_REBOOTED;
		break;
	case DIAG_REFLASH_LOOP:
		history.reverts = 1;
		break;
	case DIAG_DEPENDENCY_MISSING:
		last.reason = REASON_DEPENDENCY;
		break;
	case DIAG_LABEL_IMAGE:
		last.verdict = VERDICT_LABEL_MISMATCH;
		break;
	case DIAG_CRASH_LOOP:
		now.device.unclean_row = 2;
		break;
	case DIAG_RESUME_LOOP:
		last.rung_ms[RUNG_VERIFIED] = 0;
		last.served_high = last.size_bytes;
		last.interruptions = 2;
		break;
	case DIAG_STUCK_BLOCK:
		last.rung_ms[RUNG_VERIFIED] = 0;
		last.served_repeats = 16;
		last.served_high = 1024;
		break;
	case DIAG_UPDATES_DISABLED:
		last.reason = REASON_UPDATES_DISABLED;
		break;
	case DIAG_WEAK_LINK:
		link_facts = (struct link_facts){.messages = 100, .repeats = 10};
		break;
	case DIAG_SILENT:
		last.verdict = VERDICT_NEVER_CAME_BACK;
		break;
	case DIAGNOSIS_COUNT:
		break;
	}
}

static void test_explain_has_words_for_each_diagnosis(void **state)
{
	(void)state;
	for (unsigned i = 0; i < DIAGNOSIS_COUNT; i++) {
		const enum diagnosis_kind kind = (enum diagnosis_kind)i;
		setup();
		diagnosis_make(kind);
		replan(&now);
		diagnose(&last, &now.device, &now.product.policy, &history, &link_facts, T0 + 90000,
			 &found);
		v.has_last = true;
		v.last = &last;
		v.last_diagnoses = &found;
		json_t *e = view_explain(&v, T0 + 90000);
		const json_t *one = named(json_object_get(e, "diagnoses"), diagnosis_name(kind));
		assert_true(text_of(one, "facts")[0]);
		assert_memory_equal(text_of(one, "means"), diagnosis_means(kind),
				    strlen(diagnosis_means(kind)));
		if (!step_has(e, text_of(one, "next")))
			fail_msg("%s: no step says \"%s\"", diagnosis_name(kind),
				 text_of(one, "next"));
		json_decref(e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_explain_has_words_for_all_that_blocks),
		cmocka_unit_test(test_explain_has_words_for_each_verdict),
		cmocka_unit_test(test_explain_has_words_for_each_diagnosis),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
