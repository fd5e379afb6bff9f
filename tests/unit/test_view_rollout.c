/* SPDX-License-Identifier: Apache-2.0
 *
 * A rollout as JSON, and what `explain` says of a device's rollout.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/view_plan.h"
#include "view_rows.h"

static struct engine_device now;

static int setup(void **state)
{
	(void)state;
	now = device_full();
	now.has_rollout = true;
	now.rollout = rollout_full();
	now.device.rollout = 5;
	now.device.rollout_place = 1500;
	return 0;
}

static void says(const char *key, const char *words, bool want)
{
	const struct view_device v = {.now = &now};

	replan(&now);
	plan_rollout(&now.plan, &now.device, &now.rollout, now.why, NULL);
	json_t *o = view_explain(&v, T0 + 90000);
	char *text = json_dumps(json_object_get(o, key), JSON_ENCODE_ANY);
	if (!strstr(text, words) == want)
		fail_msg("%s \"%s\" in %s", want ? "no" : "a", words, text);
	free(text);
	json_decref(o);
}

static void assert_says(const char *key, const char *words)
{
	says(key, words, true);
}

static void assert_says_not(const char *key, const char *words)
{
	says(key, words, false);
}

static void test_view_rollout_is_the_golden_one(void **state)
{
	struct engine_rollout v = {.rollout = rollout_full(),
				   .product = "blinky",
				   .version = "1.1.0",
				   .members = 100,
				   .counted = true};
	struct wave_counts *first = &v.counts.waves[0];

	(void)state;
	*first = (struct wave_counts){
		.members = 5, .released = 5, .through = 5, .applied = 4, .applied_silent = 1};
	first->results[MEMBER_UPDATED] = 1;
	first->results[MEMBER_REVERTED] = 3;
	first->results[MEMBER_FAILED] = 1;
	v.counts.waves[1] = (struct wave_counts){.members = 5, .control = 5};
	v.counts.waves[2] = (struct wave_counts){.members = 90, .control = 90, .control_silent = 2};
	assert_golden("rollout", view_rollout(&v));
}

static void assert_stands(const struct engine_rollout *v, const char *summary, const char *advice)
{
	json_t *o = view_rollout(v);
	const char *is = json_string_value(json_object_get(o, "advice"));

	assert_string_equal(json_string_value(json_object_get(o, "summary")), summary);
	assert_string_equal(is ? is : "", advice);
	json_decref(o);
}

static void test_view_rollout_tells_where_it_stands_and_what_to_do(void **state)
{
	struct engine_rollout v = {
		.rollout = rollout_full(), .product = "p", .version = "1.1.0", .counted = true};
	struct rollout *r = &v.rollout;
	struct wave_counts *c = v.counts.waves;

	(void)state;
	r->why = HALT_RELEASE;
	v.release_state = RELEASE_QUARANTINED;
	assert_stands(&v, "it has halted: its release is not active any more",
		      "once the cause is clear: postbootctl release activate p 1.1.0, then "
		      "postbootctl rollout resume p spring; to bring its devices back: postbootctl "
		      "rollout abort p spring");
	v.release_state = RELEASE_WITHDRAWN; /* which is for good */
	assert_stands(
		&v, "it has halted: its release is not active any more",
		"its release is withdrawn for good, so it cannot go on: postbootctl rollout "
		"abort p spring, then bring another release: postbootctl rollout add p VERSION");
	v.release_state = RELEASE_ACTIVE;
	r->why = HALT_SILENCE;
	assert_stands(&v,
		      "it has halted: more of the updated devices are silent than of the others",
		      "postbootctl rollout devices p spring tells which; once the cause is clear: "
		      "postbootctl rollout resume p spring; to bring its devices back: postbootctl "
		      "rollout abort p spring");
	r->why = HALT_NONE;
	r->state = ROLLOUT_DRAFT;
	assert_stands(&v, "it has not been started", "postbootctl rollout start p spring");
	r->state = ROLLOUT_SCHEDULED;
	assert_stands(&v, "it begins at 2026-11-22 23:51 UTC",
		      "postbootctl rollout start p spring");
	r->state = ROLLOUT_PAUSED;
	assert_stands(&v, "an operator has paused it: nothing new is offered",
		      "postbootctl rollout resume p spring");
	r->state = ROLLOUT_WAITING;
	r->wait = WAIT_APPROVAL;
	assert_stands(&v, "somebody else than alice must approve it",
		      "postbootctl rollout approve p spring");
	r->wait = WAIT_GATE;
	assert_stands(&v, "wave 2 opens on an operator's word",
		      "postbootctl rollout next p spring");
	r->state = ROLLOUT_RUNNING;
	r->wait = WAIT_NONE;
	r->rules.soak_s = 60;
	assert_stands(&v, "wave 1 is complete, and is watched until 2026-11-22 23:52 UTC", "");
	r->waves[0].complete_ms = 0;
	c[0] = (struct wave_counts){.members = 5, .released = 3, .through = 2};
	assert_stands(&v, "it releases wave 1: 3 of 5 devices are reached", "");
	c[0].released = 5;
	assert_stands(&v,
		      "2 of the 5 devices of wave 1 are through; the next wave opens at 90 % and a "
		      "soak of 60 s",
		      "");
	r->rules.soak_s = 0;
	assert_stands(&v,
		      "2 of the 5 devices of wave 1 are through; the next wave opens at 90 %, "
		      "without a soak",
		      "");
	r->opened = r->wave_count;
	assert_stands(&v, "all waves are open; 2 of 5 devices are through", "");
	c[0].away = 1;
	c[0].results[MEMBER_NONE] = 4;
	r->released_ms = T0 - 86400000;
	assert_stands(&v,
		      "all waves are open; 1 of 5 devices are through; it waits for 1 that is "
		      "silent until 2026-11-22 23:51 UTC",
		      "");
	c[0].through = c[0].away = c[0].results[MEMBER_NONE] = 5;
	assert_stands(&v,
		      "all waves are open; 0 of 5 devices are through; it waits for 5 that are "
		      "silent: nobody has come, so nothing is known",
		      "");
	r->rules.join = 1;
	assert_stands(&v, "all are reached; it waits for devices that match later",
		      "postbootctl rollout finish p spring");
	v.counted = false;
	assert_stands(&v, "its members are being found", "postbootctl rollout finish p spring");
	r->state = ROLLOUT_DONE;
	assert_stands(
		&v,
		"it is over; whom it reached keeps the release as target until a newer one is "
		"set",
		"");
	v.counted = true;
	memset(v.counts.waves, 0, sizeof(v.counts.waves));
	c[0] = (struct wave_counts){.members = 20, .released = 18, .through = 18};
	c[0].results[MEMBER_UPDATED] = 9;
	c[0].results[MEMBER_REVERTED] = 5;
	c[0].results[MEMBER_FAILED] = 2;
	assert_stands(&v,
		      "9 of 20 devices run the release, 7 failed, 2 have no verdict, 2 were not "
		      "reached; it is over; whom it reached keeps the release as target until a "
		      "newer one is set",
		      "postbootctl rollout devices p spring tells which failed; they try again by "
		      "themselves; one that is held: postbootctl device unhold ID");
	r->why = HALT_FAILURES;
	r->state = ROLLOUT_ABORTED;
	assert_stands(&v,
		      "it has halted and aborted itself: too many devices failed; it is over and "
		      "counts for nobody any more",
		      "");
	strcpy(r->ended_by, "carol");
	r->halted_ms = T0;
	assert_stands(&v,
		      "carol has aborted it, after it had halted at 2026-11-22 23:51 UTC (too many "
		      "devices failed); it is over and counts for nobody any more",
		      "");
	json_t *o = view_rollout(&v);
	assert_null(json_object_get(o, "why")); /* that is the operator's */
	assert_string_equal(json_string_value(json_object_get(o, "ended_by")), "carol");
	assert_string_equal(json_string_value(json_object_get(o, "halted_why")), "failures");
	json_decref(o);
	r->why = HALT_NONE;
	assert_stands(&v, "carol has aborted it; it is over and counts for nobody any more", "");
	memset(c, 0, sizeof(v.counts.waves));
	r->state = ROLLOUT_DONE;
	assert_stands(&v,
		      "0 of 0 devices run the release; carol has finished it: it is over; whom it "
		      "reached keeps the release as target until a newer one is set",
		      "");
}

static void test_view_rollout_waits_in_short(void **state)
{
	static const struct {
		enum rollout_state state;
		unsigned rank;
	} rows[] = {
		{ROLLOUT_DRAFT, 0},   {ROLLOUT_SCHEDULED, 0}, {ROLLOUT_RUNNING, 0},
		{ROLLOUT_WAITING, 2}, {ROLLOUT_PAUSED, 3},    {ROLLOUT_HALTED, 1},
		{ROLLOUT_DONE, 0},    {ROLLOUT_ABORTED, 0},
	};
	struct engine_rollout v = {
		.rollout = rollout_full(), .product = "p", .version = "1.1.0", .counted = true};

	(void)state;
	assert_golden("rollout-waits", view_rollout_waits(&v));
	v.rollout.state = ROLLOUT_WAITING;
	v.rollout.wait = WAIT_GATE;
	v.rollout.why = HALT_NONE;
	assert_golden("rollout-waits-gate", view_rollout_waits(&v));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		v.rollout.state = rows[i].state;
		assert_int_equal(rollout_needs_word(&v.rollout), rows[i].rank);
		/* Whoever must say a word is told which. */
		json_t *o = view_rollout_waits(&v);
		if (rows[i].rank)
			assert_non_null(strstr(json_string_value(json_object_get(o, "advice")),
					       "postbootctl rollout "));
		json_decref(o);
	}
}

/* Wave 2 has a gate; it is watched for an hour. */
static void test_view_rollout_forecast_tells_what_stands_between_waves(void **state)
{
	struct engine_rollout v = {.rollout = rollout_full(),
				   .product = "p",
				   .version = "1.1.0",
				   .release_bytes = 1000};
	struct rollout *r = &v.rollout;

	(void)state;
	r->rules.soak_s = 3600;
	r->rules.approval = 1;
	const struct forecast_facts facts = {
		.members = 100, .offers = 90, .size_bytes = 1000, .now_ms = T0};
	struct rollout_forecast f = rollout_forecast(r, &facts);
	json_t *o = view_rollout_forecast(&v, &f);
	assert_false(json_is_true(json_object_get(o, "approval"))); /* bob has approved it */
	json_decref(o);
	r->approver[0] = '\0';
	assert_golden("rollout-forecast", view_rollout_forecast(&v, &f));
}

static void test_view_rollout_plan_tells_whose_windows_open_when(void **state)
{
	struct engine_rollout v = {.rollout = rollout_full(),
				   .product = "p",
				   .version = "1.1.0",
				   .release_bytes = 1000};
	static const struct engine_plan plan = {
		.now_ms = T0,
		.days = 7,
		.selected = 100,
		.elsewhere = 1,
		.offers = 60,
		.later = 30,
		.locked = 9,
		.blocked = {[BLOCK_WINDOW] = 30},
		.site_texts = {{.opens_ms = T0},
			       {"Sun 01:00-02:00", "Europe/Berlin", T0 + 8 * 86400000LL},
			       {"Mon 01:00-02:00", "", T0}},
		.sites = {{.devices = 60},
			  {.schedule = {.count = 1}, .devices = 11},
			  {.schedule = {.count = 1}, .devices = 18}},
		.site_count = 3,
		.unlisted = 1,
		.closed = 11,
		.closed_named = {"d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9"},
	};
	const struct forecast_facts facts = {.members = 99,
					     .offers = 90,
					     .size_bytes = 1000,
					     .sites = plan.sites,
					     .site_count = plan.site_count,
					     .now_ms = T0};
	const struct rollout_forecast f = rollout_forecast(&v.rollout, &facts);

	(void)state;
	assert_golden("rollout-plan", view_rollout_plan(&v, &plan, &f));
}

static void test_view_rollout_names_as_long_as_may_be_fit(void **state)
{
	struct engine_rollout v = {.rollout = rollout_full(), .counted = true};

	(void)state;
	memset(v.product, 'p', sizeof(v.product) - 1);
	memset(v.version, 'v', sizeof(v.version) - 1);
	memset(v.rollout.name, 'r', sizeof(v.rollout.name) - 1);
	v.rollout.rules.halt_quarantine = 1;
	json_t *o = view_rollout(&v);
	const char *advice = json_string_value(json_object_get(o, "advice"));
	assert_non_null(strstr(advice, "rollout abort ppp"));
	assert_string_equal(advice + strlen(advice) - LIMIT_ROLLOUT_NAME, v.rollout.name);
	json_decref(o);
}

static void test_view_rollout_event_is_the_golden_one(void **state)
{
	const struct rollout r = rollout_full();
	json_t *o = view_rollout_event("blinky", "1.1.0", &r);
	char *text = json_dumps(o, JSON_COMPACT);
	const struct store_event_row row = {.seq = 42,
					    .at_ms = T0,
					    .topic = event_topic(EVENT_ROLLOUT_STATE),
					    .data = "",
					    .device = "",
					    .json = text};

	(void)state;
	assert_golden("event-rollout", view_event("0123456789abcdef0123456789abcdef", &row));
	free(text);
	json_decref(o);
}

static void test_view_rollout_paused(void **state)
{
	(void)state;
	now.why = TARGET_ROLLOUT;
	now.device.rollout_place = 500;
	assert_says("blocked_by", "rollout-paused");
	assert_says("blocked_by", "rollout spring has halted: too many devices failed");
	assert_says("summary", "(rollout spring of product blinky)");
	assert_says("summary", "It waits: its rollout stands still");
	assert_says("next_steps", "then postbootctl rollout resume blinky spring, or: postbootctl "
				  "rollout abort blinky spring");
	now.rollout.state = ROLLOUT_PAUSED;
	assert_says("blocked_by", "rollout spring is paused");
	now.rollout.state = ROLLOUT_RUNNING;
	assert_says("summary", "It will be offered the image");
}

static void test_view_rollout_wave_not_reached(void **state)
{
	static const struct {
		enum rollout_state state;
		enum rollout_wait wait;
		const char *facts, *next;
	} rows[] = {
		{ROLLOUT_HALTED, WAIT_NONE, "wave 2 of 3 of rollout spring, which is halted",
		 "rollout resume blinky spring"},
		{ROLLOUT_RUNNING, WAIT_NONE, "; wave 2 opens on an operator's word",
		 "or: postbootctl rollout next blinky spring"},
		{ROLLOUT_SCHEDULED, WAIT_NONE, ", which begins at 2026-11-22 23:51 UTC",
		 "wait until the rollout comes to it"},
		{ROLLOUT_WAITING, WAIT_GATE, "opens on an operator's word",
		 "rollout next blinky spring"},
		{ROLLOUT_WAITING, WAIT_APPROVAL, "somebody else than its author must approve it",
		 "rollout approve blinky spring"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		now.rollout.state = rows[i].state;
		now.rollout.wait = rows[i].wait;
		assert_says("blocked_by", "wave-not-reached");
		assert_says("blocked_by", rows[i].facts);
		assert_says("next_steps", rows[i].next);
	}
	/* Without another target the advice is still the rollout's: a target would overtake it. */
	now.has_target = false;
	now.why = TARGET_NONE;
	assert_says("blocked_by", "no-target");
	assert_says("next_steps", "rollout approve blinky spring");
	assert_says_not("blocked_by", "product target");
	assert_says_not("next_steps", "product target");
	now.has_target = true;
	now.why = TARGET_PRODUCT;
	now.rollout.state = ROLLOUT_RUNNING;
	now.rollout.waves[1].gate = false;
	assert_says("blocked_by", "wave 2 opens when 90 % of wave 1 are through");
	now.rollout.opened = 2;
	now.rollout.rules.rate = 7;
	assert_says("blocked_by", "which is open and releases 7 devices a minute");
	/* It does not keep it from its other target meanwhile. */
	assert_true(now.plan.offer);
	now.device.lock = 2;
	now.why = TARGET_LOCK;
	replan(&now);
	plan_rollout(&now.plan, &now.device, &now.rollout, now.why, NULL);
	assert_false(now.plan.blocked & 1u << BLOCK_WAVE);
}

#define T(name) cmocka_unit_test_setup(test_##name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(view_rollout_is_the_golden_one),
		T(view_rollout_tells_where_it_stands_and_what_to_do),
		T(view_rollout_waits_in_short),
		T(view_rollout_forecast_tells_what_stands_between_waves),
		T(view_rollout_plan_tells_whose_windows_open_when),
		T(view_rollout_names_as_long_as_may_be_fit),
		T(view_rollout_event_is_the_golden_one),
		T(view_rollout_paused),
		T(view_rollout_wave_not_reached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
