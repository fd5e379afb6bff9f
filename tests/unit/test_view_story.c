/* SPDX-License-Identifier: Apache-2.0
 *
 * What `explain` says of a release and of a rollout.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/view_release_story.h"
#include "view_rows.h"

static struct product product;
static struct release release;
static struct engine_survey survey;
static struct view_uses uses;
static struct view_release v;
static struct engine_rollout rollout;
static struct rollout_common cause;

static int setup(void **state)
{
	(void)state;
	product = product_full();
	release = release_full();
	product.target = 0;
	survey = (struct engine_survey){.done = true, .devices = 10};
	uses = (struct view_uses){0};
	cause = (struct rollout_common){0};
	v = (struct view_release){
		.release = &release, .product = &product, .survey = &survey, .uses = &uses};
	rollout = (struct engine_rollout){.rollout = rollout_full(),
					  .product = "blinky",
					  .version = "1.1.0",
					  .members = 100,
					  .counted = true};
	return 0;
}

static json_t *release_told(void)
{
	return view_explain_release(&v, T0 + 90000);
}

static json_t *rollout_told(void)
{
	return view_explain_rollout(&rollout, &cause, T0 + 90000);
}

static void says(json_t *e, const char *key, const char *words, bool want)
{
	char *text = json_dumps(json_object_get(e, key), JSON_ENCODE_ANY);

	if ((text && strstr(text, words)) != want)
		fail_msg("%s \"%s\" in %s", want ? "no" : "a", words, text);
	free(text);
	json_decref(e);
}

#define RELEASE_SAYS(key, words) says(release_told(), key, words, true)
#define RELEASE_SAYS_NOT(key, words) says(release_told(), key, words, false)
#define ROLLOUT_SAYS(key, words) says(rollout_told(), key, words, true)
#define ROLLOUT_SAYS_NOT(key, words) says(rollout_told(), key, words, false)

/* ---- a release ---- */

static void busy(void)
{
	struct requires *q = &release.requires;

	product.target = release.id;
	strcpy(q->min_version, "1.0.0");
	strcpy(q->must_pass, "1.0.5");
	strcpy(q->hardware, "nrf52840\nnrf5340");
	strcpy(q->boot_loader, "mcuboot 2");
	q->has_security_counter = true;
	q->security_counter = 3;
	survey.running = 4;
	survey.unconfirmed = 1;
	survey.silent = 2;
	survey.targeted = 9;
	survey.by[TARGET_LOCK] = 1;
	survey.by[TARGET_PRODUCT] = 8;
	survey.passing = 1;
	survey.arrived = 4;
	survey.updating = 1;
	survey.offers = 1;
	survey.waiting = 3;
	survey.blocked[BLOCK_HELD] = 2;
	survey.blocked[BLOCK_OFFLINE] = 3;
	v.ends[VERDICT_UPDATED] = 4;
	v.ends[VERDICT_REVERTED] = 2;
	view_uses_add(&uses, USE_PRODUCT, "blinky", "");
	view_uses_add(&uses, USE_ROLLOUT, "spring", "running");
	view_uses_add(&uses, USE_RELEASE, "2.0.0", "active");
	uses.more = 2;
}

static void test_release_is_the_golden_one(void **state)
{
	(void)state;
	busy();
	assert_golden("explain-release", release_told());
}

static void test_release_each_finding_is_told_and_nothing_else(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FINDING_COUNT; i++) {
		release = release_full();
		release.label_anyway = release.no_confirm = false;
		switch ((enum finding)i) {
		case FINDING_LABEL:
			release.label_anyway = true;
			break;
		case FINDING_UNREADABLE:
			release.unavailable = true;
			break;
		case FINDING_PLAIN:
			release.image.format = IMAGE_PLAIN;
			break;
		case FINDING_ENCRYPTED:
			release.image.encrypted = true;
			break;
		case FINDING_UNSIGNED:
			release.image.signatures = 0;
			break;
		case FINDING_NO_DIGEST:
			release.no_digest = true;
			break;
		case FINDING_NO_CONFIRM:
			release.no_confirm = true;
			break;
		case FINDING_COUNT:
			break;
		}
		json_t *e = release_told();
		const json_t *list = json_object_get(e, "findings");
		assert_int_equal(json_array_size(list), 1);
		const json_t *one = json_array_get(list, 0);
		assert_string_equal(json_string_value(json_object_get(one, "name")),
				    finding_name((enum finding)i));
		json_decref(e);
	}
	release.unavailable = true;
	RELEASE_SAYS("next_steps", "put the image file back");
}

static void test_release_states_and_what_to_do(void **state)
{
	(void)state;
	RELEASE_SAYS("summary", "Release 1.1.0 of product blinky is active.");
	RELEASE_SAYS("summary", "It is the target of no device.");
	RELEASE_SAYS("next_steps", "postbootctl rollout add blinky 1.1.0");
	release.state = RELEASE_DRAFT;
	RELEASE_SAYS("summary", "is a draft: it can be nobody's target yet");
	RELEASE_SAYS("next_steps", "postbootctl release activate blinky 1.1.0");
	release.state = RELEASE_QUARANTINED;
	release.state_ms = T0 + 30000;
	v.who = "postbootd";
	v.rollout = "spring";
	v.why = "reverts";
	view_uses_add(&uses, USE_PRODUCT, "blinky", "");
	view_uses_add(&uses, USE_GROUP, "lab", "");
	view_uses_add(&uses, USE_ROLLOUT, "spring", "halted");
	survey.running = 1;
	RELEASE_SAYS("summary", "was quarantined 60 s ago by postbootd, as rollout spring halted: "
				"too many devices went back to their old image. It is offered");
	RELEASE_SAYS("next_steps", "if it is good after all: postbootctl release activate blinky");
	RELEASE_SAYS("next_steps", "postbootctl product target blinky VERSION");
	RELEASE_SAYS("next_steps", "postbootctl group target blinky lab VERSION");
	RELEASE_SAYS("next_steps", "postbootctl rollout abort blinky spring");
	RELEASE_SAYS("next_steps", "1 device runs it: aim it at another release");
	release.state = RELEASE_WITHDRAWN;
	v.who = v.rollout = v.why = NULL;
	RELEASE_SAYS_NOT("next_steps", "release activate");
	RELEASE_SAYS("next_steps", "it cannot be activated again");
	RELEASE_SAYS_NOT("next_steps", "release remove");
	uses.count = 0;
	survey.running = 0;
	RELEASE_SAYS("next_steps", "nothing uses it any more: postbootctl release remove blinky");
}

static void test_release_signatures_and_suspicion(void **state)
{
	(void)state;
	RELEASE_SAYS("signatures",
		     "signer ci of its product has signed it, with key 0123456789abcdef; the image "
		     "carries: ecdsa");
	v.signer_gone = true;
	RELEASE_SAYS("signatures",
		     "signer ci had signed it, with key 0123456789abcdef, and has been "
		     "removed since: no signer of its product stands for it now; the");
	RELEASE_SAYS_NOT("signatures", "has signed it, with");
	product.policy.require_signature = 1;
	RELEASE_SAYS("signatures", "stands for it now, which asks that of each release; the");
	product.policy.require_signature = 0;
	release.signed_by[0] = 0;
	RELEASE_SAYS("signatures", "no signer of its product has signed it; the image");
	product.policy.require_signature = 1;
	RELEASE_SAYS("signatures", "signed it, which now asks that of each release");
	v.ends[VERDICT_REVERTED] = 2;
	v.ends[VERDICT_CANCELLED] = 1;
	RELEASE_SAYS("summary", "3 attempts to it ended, 2 of them as failures: it is suspect.");
	RELEASE_SAYS("next_steps", "attempt list --product blinky --release 1.1.0 --charged");
	v.ends[VERDICT_UPDATED] = 5;
	RELEASE_SAYS_NOT("summary", "suspect");
}

/* One use more than are named is counted. */
static void test_release_names_so_many_uses(void **state)
{
	(void)state;
	for (unsigned i = 0; i < LIMIT_EXPLAIN_USES; i++)
		view_uses_add(&uses, USE_GROUP, "g", "");
	RELEASE_SAYS_NOT("needed_by_more", "1");
	view_uses_add(&uses, USE_GROUP, "one-more", "");
	RELEASE_SAYS("needed_by_more", "1");
	RELEASE_SAYS_NOT("needed_by", "one-more");
}

/* ---- a rollout ---- */

static void test_rollout_is_the_golden_one(void **state)
{
	struct wave_counts *first = &rollout.counts.waves[0];

	(void)state;
	*first = (struct wave_counts){
		.members = 5, .released = 5, .through = 5, .applied = 4, .applied_silent = 1};
	first->results[MEMBER_UPDATED] = 1;
	first->results[MEMBER_REVERTED] = 3;
	first->results[MEMBER_FAILED] = 1;
	rollout.counts.waves[2] =
		(struct wave_counts){.members = 95, .control = 95, .control_silent = 2};
	cause = (struct rollout_common){.failed = 3,
					.count = 2,
					.verdict = VERDICT_DEVICE_FAILED,
					.reason = REASON_BAD_DIGEST,
					.diagnosis = DIAG_WEAK_LINK,
					.device = "dev-7"};
	assert_golden("explain-rollout", rollout_told());
}

/* Each act is one that its state takes. */
static void test_rollout_acts_are_taken(void **state)
{
	static const struct {
		const char *verb;
		enum rollout_cause cause;
	} verbs[] = {{"approve", ROLLOUT_APPROVE}, {"start", ROLLOUT_START},
		     {"pause", ROLLOUT_PAUSE},	   {"resume", ROLLOUT_RESUME},
		     {"next", ROLLOUT_NEXT},	   {"finish", ROLLOUT_FINISH},
		     {"abort", ROLLOUT_ABORT}};

	(void)state;
	for (unsigned s = 0; s < 2 * ROLLOUT_STATE_COUNT; s++) {
		struct rollout *r = &rollout.rollout;
		setup(state);
		r->state = (enum rollout_state)(s / 2);
		r->why = r->state == ROLLOUT_HALTED ? HALT_FAILURES : HALT_NONE;
		r->approver[0] = 0;
		r->rules.approval = r->state == ROLLOUT_WAITING && s % 2 == 0;
		r->wait = r->state != ROLLOUT_WAITING ? WAIT_NONE
			  : s % 2		      ? WAIT_GATE
						      : WAIT_APPROVAL;
		for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
			struct rollout copy = *r;
			char command[80];
			const char *why;
			(void)snprintf(command, sizeof(command),
				       "postbootctl rollout %s blinky spring\"", verbs[i].verb);
			json_t *e = rollout_told();
			char *acts = json_dumps(json_object_get(e, "acts"), JSON_ENCODE_ANY);
			bool told = strstr(acts, command) != NULL;
			bool taken = rollout_act(&copy, verbs[i].cause, "bob", &rollout.counts,
						 T0 + 90000, &why) == 0;
			if (told && !taken)
				fail_msg("%s of a rollout that is %s: %s", verbs[i].verb,
					 rollout_state_name(r->state), why);
			if (taken && !told && verbs[i].cause != ROLLOUT_APPROVE)
				fail_msg("%s of a rollout that is %s is not told", verbs[i].verb,
					 rollout_state_name(r->state));
			free(acts);
			json_decref(e);
		}
	}
}

static void test_rollout_whose_release_ended_cannot_be_resumed(void **state)
{
	(void)state;
	rollout.rollout.why = HALT_RELEASE;
	ROLLOUT_SAYS("acts", "rollout resume");
	rollout.release_state = RELEASE_WITHDRAWN;
	ROLLOUT_SAYS_NOT("acts", "rollout resume");
	ROLLOUT_SAYS_NOT("next_steps", "rollout resume");
	ROLLOUT_SAYS_NOT("next_steps", "release activate");
	ROLLOUT_SAYS("next_steps", "withdrawn for good");
	rollout.version[0] = 0;
	ROLLOUT_SAYS("summary", "a release that is gone");
	ROLLOUT_SAYS("next_steps", "is gone for good");
}

static void test_rollout_tells_what_its_failures_have_in_common(void **state)
{
	(void)state;
	ROLLOUT_SAYS_NOT("summary", "failed ended");
	cause = (struct rollout_common){
		.failed = 4,
		.count = 3,
		.verdict = VERDICT_DEVICE_FAILED,
		.reason = REASON_BAD_DIGEST,
		.diagnosis = DIAG_STORAGE_FULL,
		.device = "dev-7",
	};
	ROLLOUT_SAYS("summary",
		     "Of 4 that failed most, 3, ended as device-failed (bad-digest), storage-full: "
		     "the device says it failed; likely cause: the device's file system is "
		     "(nearly) full. One of them is dev-7.");
	ROLLOUT_SAYS("next_steps", "why dev-7 failed, and what helps: postbootctl explain dev-7");
	ROLLOUT_SAYS("cause", "\"diagnosis\": \"storage-full\"");
	cause.count = 4;
	ROLLOUT_SAYS("summary", "All 4 that failed ended as device-failed");
	cause = (struct rollout_common){.failed = 1,
					.count = 1,
					.verdict = VERDICT_REVERTED,
					.diagnosis = DIAGNOSIS_COUNT,
					.device = "dev-7"};
	ROLLOUT_SAYS("summary", "The one that failed ended as reverted: it took the image, "
				"restarted, and runs the old one. It is dev-7.");
	ROLLOUT_SAYS_NOT("cause", "diagnosis");
}

static void test_rollout_what_is_not_known_is_not_told(void **state)
{
	(void)state;
	rollout.counted = false;
	ROLLOUT_SAYS("summary", "Its members are being read.");
	ROLLOUT_SAYS_NOT("waves", "through");
	rollout.rollout.state = ROLLOUT_DRAFT;
	rollout.rollout.enlisted = false;
	ROLLOUT_SAYS_NOT("summary", "members");
	ROLLOUT_SAYS("next_steps", "postbootctl rollout start blinky spring");
	rollout.rollout.rules.fail_percent = rollout.rollout.rules.silent_percent = 0;
	ROLLOUT_SAYS_NOT("halts", "failures");
	ROLLOUT_SAYS_NOT("halts", "silence");
	ROLLOUT_SAYS("halts", "when 1.1.0 is quarantined or withdrawn; now active");
}

#define T(name) cmocka_unit_test_setup(test_##name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(release_is_the_golden_one),
		T(release_each_finding_is_told_and_nothing_else),
		T(release_states_and_what_to_do),
		T(release_signatures_and_suspicion),
		T(release_names_so_many_uses),
		T(rollout_is_the_golden_one),
		T(rollout_acts_are_taken),
		T(rollout_whose_release_ended_cannot_be_resumed),
		T(rollout_tells_what_its_failures_have_in_common),
		T(rollout_what_is_not_known_is_not_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
