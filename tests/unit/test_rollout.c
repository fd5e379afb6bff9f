/* SPDX-License-Identifier: Apache-2.0
 *
 * core/rollout: its states under every cause, its waves, its rate, and what halts it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/rollout.h"

#define NOW INT64_C(1700000000000)

static struct rollout made(const char *waves)
{
	struct rollout r = {.id = 1, .seed = 7, .author = "alice"};
	const char *why;

	assert_int_equal(rollout_waves_parse(&r, waves, &why), 0);
	rollout_defaults(&r);
	return r;
}

/* As it is in a state, by the acts that lead there. */
static struct rollout in_state(enum rollout_state state, enum rollout_wait wait)
{
	struct rollout r = made("10%,100%");
	const int64_t cuts[] = {1000, 0};
	const struct rollout_counts c = {0};
	const char *why;

	r.rules.approval = wait == WAIT_APPROVAL;
	if (state == ROLLOUT_DRAFT)
		return r;
	if (state == ROLLOUT_SCHEDULED)
		r.start_at_ms = NOW + 1000;
	assert_int_equal(rollout_act(&r, ROLLOUT_START, "alice", &c, NOW, &why), 0);
	if (state == ROLLOUT_SCHEDULED || wait == WAIT_APPROVAL)
		return r;
	rollout_enlisted(&r, cuts, 0, 0);
	if (state == ROLLOUT_WAITING)
		rollout_do(&r, &(struct rollout_next){.what = ROLLOUT_DO_WAIT}, 0, NOW);
	if (state == ROLLOUT_HALTED)
		rollout_do(&r,
			   &(struct rollout_next){.what = ROLLOUT_DO_HALT, .why = HALT_FAILURES}, 0,
			   NOW);
	if (state == ROLLOUT_PAUSED)
		assert_int_equal(rollout_act(&r, ROLLOUT_PAUSE, "alice", &c, NOW, &why), 0);
	if (state == ROLLOUT_DONE)
		assert_int_equal(rollout_act(&r, ROLLOUT_FINISH, "alice", &c, NOW, &why), 0);
	if (state == ROLLOUT_ABORTED)
		assert_int_equal(rollout_act(&r, ROLLOUT_ABORT, "alice", &c, NOW, &why), 0);
	assert_int_equal(r.state, state);
	return r;
}

/* What holds of any rollout, whatever happened. */
static void check(const struct rollout *before, const struct rollout *r)
{
	bool over = r->state == ROLLOUT_DONE || r->state == ROLLOUT_ABORTED;

	assert_true(over == (r->ended_ms != 0));
	assert_true((r->wait != WAIT_NONE) <= (r->state == ROLLOUT_WAITING || rollout_stops(r)));
	assert_true((r->state == ROLLOUT_WAITING) <= (r->wait != WAIT_NONE));
	assert_true((r->state == ROLLOUT_HALTED) <= (r->why != HALT_NONE));
	assert_true((r->why != HALT_NONE) <= (r->state == ROLLOUT_HALTED || over));
	assert_true((r->why != HALT_NONE) == (r->halted_ms != 0));
	assert_true((r->ended_by[0] != 0) <= over);
	assert_true(r->reached >= before->reached); /* nobody is taken back but by its end */
	assert_true(r->opened >= before->opened);
	if (r->state == ROLLOUT_RUNNING)
		assert_true(r->started_ms && (!r->rules.approval || r->approver[0]));
}

static void test_each_state_takes_its_acts_and_refuses_all_others_with_a_sentence(void **state)
{
	/* which states each act leads to; -1: refused */
	static const struct {
		enum rollout_state state;
		enum rollout_wait wait;
		int next[7]; /* approve start pause resume next finish abort */
	} rows[] = {
		{ROLLOUT_DRAFT, WAIT_NONE, {-1, ROLLOUT_RUNNING, -1, -1, -1, -1, ROLLOUT_ABORTED}},
		{ROLLOUT_SCHEDULED,
		 WAIT_NONE,
		 {-1, ROLLOUT_RUNNING, ROLLOUT_PAUSED, -1, -1, -1, ROLLOUT_ABORTED}},
		{ROLLOUT_RUNNING,
		 WAIT_NONE,
		 {-1, -1, ROLLOUT_PAUSED, -1, ROLLOUT_RUNNING, ROLLOUT_DONE, ROLLOUT_ABORTED}},
		{ROLLOUT_WAITING,
		 WAIT_GATE,
		 {-1, -1, ROLLOUT_PAUSED, -1, ROLLOUT_RUNNING, ROLLOUT_DONE, ROLLOUT_ABORTED}},
		{ROLLOUT_WAITING,
		 WAIT_APPROVAL,
		 {ROLLOUT_RUNNING, -1, ROLLOUT_PAUSED, -1, -1, -1, ROLLOUT_ABORTED}},
		{ROLLOUT_PAUSED,
		 WAIT_NONE,
		 {-1, -1, -1, ROLLOUT_RUNNING, -1, ROLLOUT_DONE, ROLLOUT_ABORTED}},
		{ROLLOUT_HALTED,
		 WAIT_NONE,
		 {-1, -1, -1, ROLLOUT_RUNNING, -1, ROLLOUT_DONE, ROLLOUT_ABORTED}},
		{ROLLOUT_DONE, WAIT_NONE, {-1, -1, -1, -1, -1, -1, -1}},
		{ROLLOUT_ABORTED, WAIT_NONE, {-1, -1, -1, -1, -1, -1, -1}},
	};
	static const char *const acts[] = {"approve", "start",	"pause", "resume",
					   "next",    "finish", "abort"};
	const struct rollout_counts c = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (unsigned act = 0; act < 7; act++) {
			struct rollout r = in_state(rows[i].state, rows[i].wait), before = r;
			const char *why = NULL;
			enum rollout_cause cause = ROLLOUT_APPROVE + act;
			assert_string_equal(rollout_cause_name(cause), acts[act]);
			int err = rollout_act(&r, cause, "bob", &c, NOW + 5, &why);
			if (rows[i].next[act] < 0) {
				assert_int_equal(err, ERR_BUSY);
				assert_non_null(why);
				assert_memory_equal(&r, &before, sizeof(r));
				continue;
			}
			assert_int_equal(err, 0);
			assert_int_equal(r.state, rows[i].next[act]);
			assert_string_equal(r.ended_by, r.ended_ms ? "bob" : "");
			check(&before, &r);
		}
	}
}

static void test_whatever_it_does_by_itself_keeps_the_rules(void **state)
{
	(void)state;
	for (int s = 0; s < ROLLOUT_STATE_COUNT; s++) {
		for (int what = 0; what <= ROLLOUT_DO_END; what++) {
			struct rollout r = in_state((enum rollout_state)s,
						    s == ROLLOUT_WAITING ? WAIT_GATE : WAIT_NONE);
			struct rollout before = r;
			struct rollout_counts c = {.waves[0] = {.members = 3, .released = 3}};
			struct rollout_next next;
			for (int i = 0; i < 4; i++) {
				next = rollout_next(&r, &c, NOW + i);
				rollout_do(&r, &next, 500, NOW + i);
				check(&before, &r);
			}
			if (rollout_stops(&r) || !rollout_is_open(&r))
				assert_int_equal(next.what, ROLLOUT_DO_NOTHING);
		}
	}
}

static void test_only_somebody_else_than_its_author_approves_it(void **state)
{
	struct rollout r = made("100%");
	const struct rollout_counts c = {0};
	const char *why;

	(void)state;
	r.rules.approval = 1;
	assert_int_equal(rollout_act(&r, ROLLOUT_APPROVE, "alice", &c, NOW, &why), ERR_BUSY);
	assert_int_equal(rollout_act(&r, ROLLOUT_START, "alice", &c, NOW, &why), 0);
	assert_int_equal(r.state, ROLLOUT_WAITING);
	assert_int_equal(rollout_act(&r, ROLLOUT_APPROVE, "alice", &c, NOW, &why), ERR_BUSY);
	r.start_at_ms = NOW + 9000;
	assert_int_equal(rollout_act(&r, ROLLOUT_APPROVE, "bob", &c, NOW, &why), 0);
	assert_string_equal(r.approver, "bob");
	assert_int_equal(r.state, ROLLOUT_SCHEDULED); /* approved, and its time has not come */
	assert_int_equal(rollout_next(&r, &c, NOW).wake_ms, NOW + 9000);
	assert_int_equal(rollout_next(&r, &c, NOW + 9000).what, ROLLOUT_DO_BEGIN);

	struct rollout early = made("100%"); /* also before it is started */
	early.rules.approval = 1;
	assert_int_equal(rollout_act(&early, ROLLOUT_APPROVE, "bob", &c, NOW, &why), 0);
	assert_int_equal(early.state, ROLLOUT_DRAFT);
	assert_int_equal(rollout_act(&early, ROLLOUT_APPROVE, "carol", &c, NOW, &why), ERR_BUSY);
	assert_int_equal(rollout_act(&early, ROLLOUT_START, "alice", &c, NOW, &why), 0);
	assert_int_equal(early.state, ROLLOUT_RUNNING);
}

static void test_waves_are_read_and_written_alike(void **state)
{
	static const char *const good[] = {"100%", "1,100%", "5,20,1%,gate,10%,gate,100%",
					   "gate,100%", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,100%"};
	static const char *const bad[] = {"",
					  "0",
					  "50%",
					  "10%,5%,100%",
					  "100%,100%",
					  "5,5,100%",
					  "101%",
					  "1,,100%",
					  "100%,",
					  "gate,gate,100%",
					  "gate",
					  "-5,100%",
					  "5 ,100%",
					  "x",
					  "100%x",
					  "1000001,100%",
					  "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,100%"};
	char text[LIMIT_WAVES_TEXT + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct rollout r = made(good[i]);
		assert_string_equal(rollout_waves_text(&r, text), good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct rollout r = {.wave_count = 3};
		const char *why = NULL;
		assert_int_not_equal(rollout_waves_parse(&r, bad[i], &why), 0);
		assert_non_null(why);
		assert_int_equal(r.wave_count, 3);
	}
}

static void test_a_wave_has_at_least_one_member_and_never_more_than_there_are(void **state)
{
	struct rollout r = made("5,1%,10%,100%");

	(void)state;
	assert_int_equal(rollout_wave_size(&r, 0, 1000), 5);
	assert_int_equal(rollout_wave_size(&r, 1, 1000), 10);
	assert_int_equal(rollout_wave_size(&r, 1, 100), 5); /* 1 % is less than the 5 before */
	assert_int_equal(rollout_wave_size(&r, 2, 1001), 101);
	assert_int_equal(rollout_wave_size(&r, 0, 3), 3);
	assert_int_equal(rollout_wave_size(&r, 3, 3), 3);
	assert_int_equal(rollout_wave_size(&r, 3, 0), 0);
}

static void test_places_are_spread_and_depend_on_the_seed(void **state)
{
	unsigned tenth = 0, same = 0;
	char id[16] = "device-00000";

	(void)state;
	for (int i = 0; i < 10000; i++) {
		for (int n = i, at = 11; at > 6; at--, n /= 10)
			id[at] = (char)('0' + n % 10);
		int64_t place = rollout_place(42, id);
		assert_in_range(place, 0, ROLLOUT_PLACE_END - 1);
		assert_int_equal(place, rollout_place(42, id));
		tenth += place < ROLLOUT_PLACE_END / 10;
		same += place == rollout_place(43, id);
	}
	assert_in_range(tenth, 850, 1150);
	assert_int_equal(same, 0);
	/* Never another one: who is in which wave must not change with the program. */
	assert_int_equal(rollout_place(0, ""), INT64_C(1075637845389024));
}

/* Runs it for a while on a clock; nobody answers. */
static int64_t released_in(struct rollout *r, int64_t members, int64_t from_ms, int64_t span_ms)
{
	struct rollout_counts c = {.waves[0] = {.members = members}};
	int64_t end_ms = from_ms + span_ms;

	for (int64_t now = from_ms; now <= end_ms;) {
		struct rollout_next next = rollout_next(r, &c, now);
		if (next.what == ROLLOUT_DO_NOTHING) {
			if (!next.wake_ms)
				break;
			assert_true(next.wake_ms > now);
			now = next.wake_ms;
			continue;
		}
		rollout_do(r, &next, r->reached + next.count, now);
		if (next.what == ROLLOUT_DO_RELEASE) {
			assert_true(next.count > 0);
			c.waves[0].released += next.count;
		}
	}
	return c.waves[0].released;
}

static struct rollout running(const char *waves, int64_t rate)
{
	struct rollout r = made(waves);
	const int64_t cuts[LIMIT_ROLLOUT_WAVES] = {100};
	const struct rollout_counts c = {0};
	const char *why;

	r.rules.rate = rate;
	assert_int_equal(rollout_act(&r, ROLLOUT_START, "alice", &c, NOW, &why), 0);
	rollout_enlisted(&r, cuts, 1000, 0);
	return r;
}

static void test_the_rate_is_kept_and_a_ramp_makes_it_grow(void **state)
{
	struct rollout r = running("100%", 0);

	(void)state;
	assert_int_equal(released_in(&r, 5000, NOW, 0), 5000); /* no rate: at once */
	r = running("100%", 60);
	assert_int_equal(released_in(&r, 5000, NOW, 0), 1); /* one goes at once */
	r = running("100%", 60);
	assert_in_range(released_in(&r, 5000, NOW, 600000), 600, 602);
	r = running("100%", 1);
	assert_in_range(released_in(&r, 5000, NOW, 600000), 11, 12);
	r = running("100%", 60);
	r.rules.ramp_percent = 200;
	r.rules.ramp_s = 60;
	assert_in_range(released_in(&r, 50000, NOW, 300000), 60 * 31, 60 * 33);
	r = running("100%", 60);
	r.rules.ramp_percent = 200;
	r.rules.ramp_s = 60;
	r.rules.rate_max = 120;
	assert_in_range(released_in(&r, 50000, NOW, 300000), 60 + 4 * 120 - 1, 60 + 4 * 120 + 4);
	r.rules.ramp_percent = 1000; /* no overflow, however long it runs */
	r.rules.rate_max = 0;
	assert_int_equal(rollout_rate(&r, NOW + 1000 * 86400000LL), 1000000000);
}

static void test_what_an_outage_left_undone_is_not_made_up_for_at_once(void **state)
{
	struct rollout r = running("100%", 60);
	struct rollout_counts c = {.waves[0] = {.members = 5000}};
	struct rollout_next next = rollout_next(&r, &c, NOW);

	(void)state;
	rollout_do(&r, &next, 0, NOW);
	next = rollout_next(&r, &c, NOW + 7200000);
	assert_int_equal(next.what, ROLLOUT_DO_RELEASE);
	assert_int_equal(next.count, 60);
	next = rollout_next(&r, &c, NOW - 7200000); /* the clock was set back */
	assert_int_equal(next.count, 1);
}

static void test_a_wave_opens_when_the_one_before_is_complete_and_was_watched(void **state)
{
	struct rollout r = running("10%,100%", 0);
	struct rollout_counts c = {.waves = {{.members = 10}, {.members = 90}}};
	struct rollout_next next;

	(void)state;
	r.rules.soak_s = 600;
	next = rollout_next(&r, &c, NOW);
	assert_int_equal(next.what, ROLLOUT_DO_OPEN);
	rollout_do(&r, &next, 0, NOW);
	next = rollout_next(&r, &c, NOW);
	assert_int_equal(next.what, ROLLOUT_DO_RELEASE);
	assert_int_equal(next.count, 10);
	rollout_do(&r, &next, 100, NOW);
	c.waves[0].released = c.waves[0].results[MEMBER_NONE] = 10;
	assert_int_equal(rollout_next(&r, &c, NOW).what, ROLLOUT_DO_NOTHING);
	c.waves[0].through = 10; /* all are silent: nothing is known */
	assert_int_equal(rollout_next(&r, &c, NOW).what, ROLLOUT_DO_NOTHING);
	c.waves[0].results[MEMBER_UPDATED] = 8;
	c.waves[0].results[MEMBER_NONE] = 2;
	c.waves[0].through = 8; /* 80 %, and 90 are wanted */
	assert_int_equal(rollout_next(&r, &c, NOW).what, ROLLOUT_DO_NOTHING);
	c.waves[0].through = 9; /* one more is long silent */
	next = rollout_next(&r, &c, NOW + 5);
	assert_int_equal(next.what, ROLLOUT_DO_NOTE);
	rollout_do(&r, &next, 0, NOW + 5);
	assert_int_equal(rollout_next(&r, &c, NOW + 5).wake_ms, NOW + 600005);
	next = rollout_next(&r, &c, NOW + 600005);
	assert_int_equal(next.what, ROLLOUT_DO_OPEN);
	r.waves[1].gate = true;
	next = rollout_next(&r, &c, NOW + 600005);
	assert_int_equal(next.what, ROLLOUT_DO_WAIT);
	rollout_do(&r, &next, 0, NOW + 600005);
	assert_int_equal(r.wait, WAIT_GATE);
	assert_int_equal(rollout_next(&r, &c, NOW + 900000).what, ROLLOUT_DO_NOTHING);
	const char *why;
	assert_int_equal(rollout_act(&r, ROLLOUT_NEXT, "alice", &c, NOW + 900000, &why), 0);
	next = rollout_next(&r, &c, NOW + 900000);
	assert_int_equal(next.what, ROLLOUT_DO_OPEN);
	rollout_do(&r, &next, 0, NOW + 900000);
	assert_false(r.gate_open); /* one word, one wave */
	assert_int_equal(rollout_act(&r, ROLLOUT_NEXT, "alice", &c, NOW + 900000, &why), ERR_BUSY);
	c.waves[1].released = c.waves[1].results[MEMBER_UPDATED] = c.waves[1].through = 90;
	assert_int_equal(rollout_next(&r, &c, NOW + 900000).what, ROLLOUT_DO_NOTHING);
	c.waves[0].through = 10;
	r.rules.soak_s = 0;
	for (int i = 0; i < 2; i++) {
		next = rollout_next(&r, &c, NOW + 900000);
		rollout_do(&r, &next, 0, NOW + 900000);
	}
	assert_int_equal(r.state, ROLLOUT_DONE);
}

static void test_a_wave_is_watched_for_an_hour_unless_it_is_the_only_one_or_empty(void **state)
{
	struct rollout r = running("1,50%,gate,100%", 0), one = made("100%");
	struct rollout_counts c = {.waves = {{.members = 0}, {.members = 2}, {.members = 0}}};

	(void)state;
	assert_int_equal(r.rules.soak_s, 3600);
	assert_int_equal(one.rules.soak_s, 0);
	for (int i = 0; i < 3; i++) { /* it opens, is complete, and the next one opens */
		const enum rollout_doing want[] = {ROLLOUT_DO_OPEN, ROLLOUT_DO_NOTE,
						   ROLLOUT_DO_OPEN};
		struct rollout_next next = rollout_next(&r, &c, NOW);
		assert_int_equal(next.what, want[i]);
		rollout_do(&r, &next, 0, NOW);
	}
	assert_int_equal(r.opened, 2);
	c.waves[1].released = c.waves[1].through = c.waves[1].results[MEMBER_UPDATED] = 2;
	struct rollout_next next = rollout_next(&r, &c, NOW);
	assert_int_equal(next.what, ROLLOUT_DO_NOTE);
	rollout_do(&r, &next, 0, NOW);
	next = rollout_next(&r, &c, NOW + 3599999);
	assert_int_equal(next.what, ROLLOUT_DO_NOTHING);
	assert_int_equal(next.wake_ms, NOW + 3600000);
	assert_int_equal(rollout_next(&r, &c, NOW + 3600000).what, ROLLOUT_DO_WAIT);
}

static void test_silence_is_no_end_before_its_time_and_never_if_nobody_came(void **state)
{
	struct rollout r = running("100%", 0);
	struct rollout_counts c = {0};
	struct wave_counts *w = &c.waves[0];
	const int64_t end = NOW + 7200000;

	(void)state;
	r.rules.silent_wait_s = 7200;
	r.opened = 1;
	r.reached = ROLLOUT_PLACE_END;
	r.released_ms = NOW;
	*w = (struct wave_counts){.members = 4, .released = 4, .through = 4, .away = 4};
	w->results[MEMBER_NONE] = 4;
	assert_int_equal(rollout_next(&r, &c, NOW).what, ROLLOUT_DO_NOTHING);
	assert_int_equal(rollout_next(&r, &c, end + 1).what, ROLLOUT_DO_NOTHING);
	w->results[MEMBER_NONE] = w->away = 3;
	w->results[MEMBER_FAILED] = 1;
	r.rules.fail_percent = 0;
	struct rollout_next next = rollout_next(&r, &c, end - 1);
	assert_int_equal(next.what, ROLLOUT_DO_NOTHING);
	assert_int_equal(next.wake_ms, end);
	assert_int_equal(rollout_next(&r, &c, end).what, ROLLOUT_DO_NOTE);
	w->through = 3; /* one is silent with an attempt: that has its verdict to come */
	w->away = 2;
	assert_int_equal(rollout_next(&r, &c, end).what, ROLLOUT_DO_NOTHING);
	w->through = 4;
	w->away = 0;
	assert_int_equal(rollout_next(&r, &c, NOW).what, ROLLOUT_DO_NOTE);
}

static void test_an_operators_end_is_his_and_keeps_the_halt_beside(void **state)
{
	const struct rollout_counts c = {0};
	const enum rollout_cause acts[] = {ROLLOUT_ABORT, ROLLOUT_FINISH};
	const char *why;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct rollout r = in_state(ROLLOUT_HALTED, WAIT_NONE);
		assert_int_equal(r.halted_ms, NOW);
		assert_int_equal(rollout_act(&r, acts[i], "carol", &c, NOW + 9, &why), 0);
		assert_string_equal(r.ended_by, "carol");
		assert_int_equal(r.ended_ms, NOW + 9);
		assert_int_equal(r.why, HALT_FAILURES);
		assert_int_equal(r.halted_ms, NOW);
	}
	struct rollout r = in_state(ROLLOUT_HALTED, WAIT_NONE);
	assert_int_equal(rollout_act(&r, ROLLOUT_RESUME, "carol", &c, NOW + 9, &why), 0);
	assert_int_equal(r.why, HALT_NONE);
	assert_int_equal(r.halted_ms, 0);
	assert_string_equal(r.ended_by, "");
}

/* A rollout with both waves open. */
static struct rollout judged(struct rollout_counts *c, int64_t first, int64_t rest)
{
	struct rollout r = running("10%,100%", 0);

	r.opened = 2;
	r.reached = ROLLOUT_PLACE_END;
	*c = (struct rollout_counts){.waves = {{.members = first, .released = first},
					       {.members = rest, .released = rest}}};
	return r;
}

static enum rollout_why halted(const struct rollout *r, const struct rollout_counts *c)
{
	struct rollout_next next = rollout_next(r, c, NOW);

	return next.what == ROLLOUT_DO_HALT ? next.why : HALT_NONE;
}

static void test_failures_halt_it_by_share_with_a_least_number(void **state)
{
	struct rollout_counts c;
	struct rollout r = judged(&c, 100, 900);
	int64_t *first = c.waves[0].results, *rest = c.waves[1].results;

	(void)state;
	first[MEMBER_FAILED] = 2; /* 2 of 2, but fewer than 3 */
	assert_int_equal(halted(&r, &c), HALT_NONE);
	first[MEMBER_REVERTED] = 1;
	assert_int_equal(halted(&r, &c), HALT_FAILURES);
	first[MEMBER_UPDATED] = 57; /* 3 of 60 are 5 % */
	assert_int_equal(halted(&r, &c), HALT_FAILURES);
	first[MEMBER_UPDATED] = 58;
	assert_int_equal(halted(&r, &c), HALT_NONE);
	first[MEMBER_EXTERNAL] = 30; /* what came by cable proves nothing */
	assert_int_equal(halted(&r, &c), HALT_NONE);
	rest[MEMBER_FAILED] = 2; /* 5 of 63, in no wave enough */
	assert_int_equal(halted(&r, &c), HALT_FAILURES);
	rest[MEMBER_UPDATED] = 400;
	rest[MEMBER_FAILED] = 0;
	first[MEMBER_UPDATED] = 10; /* a bad wave is not hidden by a good one */
	assert_int_equal(halted(&r, &c), HALT_FAILURES);
	r.rules.fail_percent = 0;
	assert_int_equal(halted(&r, &c), HALT_NONE);
	r.rules.max_reverts = 1;
	assert_int_equal(halted(&r, &c), HALT_REVERTS);

	r = judged(&c, 1, 99); /* a wave of one that fails is a wave that failed */
	c.waves[0].results[MEMBER_FAILED] = 1;
	assert_int_equal(halted(&r, &c), HALT_FAILURES);
	r.state = ROLLOUT_PAUSED;
	assert_int_equal(halted(&r, &c), HALT_FAILURES);
}

/* Who fails is often done before who succeeds. */
static void test_failures_are_a_share_of_what_is_under_way_too(void **state)
{
	struct rollout_counts c;
	struct rollout r = judged(&c, 1000, 0);

	(void)state;
	c.waves[0].results[MEMBER_FAILED] = 3; /* the first three, of some hundred that began */
	c.waves[0].trying = 58;
	assert_int_equal(halted(&r, &c), HALT_NONE);
	c.waves[0].trying = 57;
	assert_int_equal(halted(&r, &c), HALT_FAILURES);
}

static void test_silence_after_the_update_is_compared_with_the_others(void **state)
{
	struct rollout_counts c;
	struct rollout r = judged(&c, 100, 900);

	(void)state;
	c.waves[0].applied = 100;
	c.waves[0].applied_silent = 15;
	c.waves[1].control = 900;
	c.waves[1].control_silent = 90; /* 10 % are always silent: 15 is no 10 % more */
	assert_int_equal(halted(&r, &c), HALT_NONE);
	c.waves[0].applied_silent = 20;
	assert_int_equal(halted(&r, &c), HALT_SILENCE);
	c.waves[1].control_silent = 900; /* a fleet that is away altogether */
	assert_int_equal(halted(&r, &c), HALT_NONE);
	c.waves[1].control = 9; /* too few to compare: as it was when they were enlisted */
	c.waves[1].control_silent = 9;
	assert_int_equal(halted(&r, &c), HALT_SILENCE);
	r.base_silent = 101;
	assert_int_equal(halted(&r, &c), HALT_NONE);
	r.base_silent = 0;
	c.waves[0].applied = 4;
	c.waves[0].applied_silent = 2; /* half of them, but fewer than 3 */
	assert_int_equal(halted(&r, &c), HALT_NONE);
	r.rules.silent_min = 2;
	assert_int_equal(halted(&r, &c), HALT_SILENCE);
	r.rules.silent_percent = 0;
	assert_int_equal(halted(&r, &c), HALT_NONE);
}

static void test_what_was_seen_at_the_resume_does_not_halt_it_again(void **state)
{
	struct rollout_counts c;
	struct rollout r = judged(&c, 100, 900);
	const char *why;

	(void)state;
	c.waves[0].results[MEMBER_FAILED] = 5;
	c.waves[0].applied = 5;
	c.waves[0].applied_silent = 5;
	struct rollout_next next = rollout_next(&r, &c, NOW);
	rollout_do(&r, &next, 0, NOW);
	assert_int_equal(r.state, ROLLOUT_HALTED);
	assert_int_equal(r.why, HALT_FAILURES);
	assert_int_equal(rollout_act(&r, ROLLOUT_RESUME, "alice", &c, NOW, &why), 0);
	assert_int_equal(halted(&r, &c), HALT_NONE);
	c.waves[0].results[MEMBER_FAILED] = 7;
	assert_int_equal(halted(&r, &c), HALT_NONE);
	c.waves[0].results[MEMBER_FAILED] = 8;
	assert_int_equal(halted(&r, &c), HALT_FAILURES);
}

static void test_halt_return_aborts_it_and_its_release_is_nobodys_target(void **state)
{
	struct rollout_counts c;
	struct rollout r = judged(&c, 100, 900);
	struct device d = {.rollout = 1, .rollout_place = 5};
	struct rollout_next next;

	(void)state;
	assert_true(rollout_reaches(&r, &d));
	r.rules.halt_return = 1;
	c.waves[0].results[MEMBER_REVERTED] = 5;
	next = rollout_next(&r, &c, NOW);
	rollout_do(&r, &next, 0, NOW);
	assert_int_equal(r.state, ROLLOUT_ABORTED);
	assert_int_equal(r.why, HALT_FAILURES);
	assert_false(rollout_reaches(&r, &d));
	assert_false(rollout_lost_release(&r, NOW)); /* it has ended */
	assert_false(rollout_blames_release(&r));
	r.rules.halt_quarantine = 1;
	assert_true(rollout_blames_release(&r));
	r = judged(&c, 1, 1);
	r.rules.halt_quarantine = 1;
	assert_false(rollout_blames_release(&r));
	assert_true(rollout_lost_release(&r, NOW));
	assert_int_equal(r.why, HALT_RELEASE);
	assert_false(rollout_blames_release(&r));
	r.why = HALT_SILENCE;
	assert_false(rollout_blames_release(&r));
	r.why = HALT_REVERTS;
	assert_true(rollout_blames_release(&r));
}

static void test_a_member_counts_once_and_goes_without_a_trace(void **state)
{
	struct wave_counts c = {0}, zero = {0};

	(void)state;
	for (int result = 0; result < MEMBER_COUNT; result++)
		for (unsigned bits = 0; bits < 32; bits++) {
			struct member_facts m = {.result = (enum member)result,
						 .applied = bits & 1,
						 .silent = bits & 2,
						 .out = bits & 4,
						 .trying = bits & 16};
			wave_count(&c, &m, bits & 8, 1);
			assert_int_equal(c.trying, bits == 24 + (bits & 1) && !result);
			assert_int_equal(c.away, (bits & ~1u) == 10 && !result);
			assert_int_equal(c.through, (bits & 8) && (c.away || result || (bits & 4)));
			assert_int_equal(c.members, 1);
			assert_true(c.control == 0 || c.released == 0);
			if (result == MEMBER_EXTERNAL)
				assert_int_equal(wave_verdicts(&c) + c.applied, 0);
			wave_count(&c, &m, bits & 8, -1);
			assert_memory_equal(&c, &zero, sizeof(c));
		}
	/* What an earlier rollout came to says nothing. */
	struct device d = {.rollout_about = 1, .rollout_result = MEMBER_FAILED, .online = true};
	assert_int_equal(member_facts(&d, 1).result, MEMBER_FAILED);
	assert_int_equal(member_facts(&d, 2).result, MEMBER_NONE);
}

static void test_settings_have_names_and_bounds(void **state)
{
	struct rollout_rules rules;

	(void)state;
	rollout_rules_init(&rules);
	for (size_t i = 0; i < ROLLOUT_RULE_COUNT; i++) {
		const struct rollout_rule *row = &rollout_rule_rows[i];
		assert_ptr_equal(rollout_rule_find(row->name), row);
		assert_int_equal(rollout_rule_get(&rules, row), row->def);
		assert_int_equal(rollout_rule_set(&rules, row, row->min - 1), ERR_RANGE);
		assert_int_equal(rollout_rule_set(&rules, row, row->max + 1), ERR_RANGE);
		assert_int_equal(rollout_rule_set(&rules, row, row->max), 0);
		assert_int_equal(rollout_rule_get(&rules, row), row->max);
	}
	assert_non_null(rollout_rule_find("fail-percent"));
	assert_null(rollout_rule_find("fail"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_each_state_takes_its_acts_and_refuses_all_others_with_a_sentence),
		cmocka_unit_test(test_whatever_it_does_by_itself_keeps_the_rules),
		cmocka_unit_test(test_only_somebody_else_than_its_author_approves_it),
		cmocka_unit_test(test_waves_are_read_and_written_alike),
		cmocka_unit_test(test_a_wave_has_at_least_one_member_and_never_more_than_there_are),
		cmocka_unit_test(test_places_are_spread_and_depend_on_the_seed),
		cmocka_unit_test(test_the_rate_is_kept_and_a_ramp_makes_it_grow),
		cmocka_unit_test(test_what_an_outage_left_undone_is_not_made_up_for_at_once),
		cmocka_unit_test(test_a_wave_opens_when_the_one_before_is_complete_and_was_watched),
		cmocka_unit_test(
			test_a_wave_is_watched_for_an_hour_unless_it_is_the_only_one_or_empty),
		cmocka_unit_test(test_silence_is_no_end_before_its_time_and_never_if_nobody_came),
		cmocka_unit_test(test_an_operators_end_is_his_and_keeps_the_halt_beside),
		cmocka_unit_test(test_failures_halt_it_by_share_with_a_least_number),
		cmocka_unit_test(test_failures_are_a_share_of_what_is_under_way_too),
		cmocka_unit_test(test_silence_after_the_update_is_compared_with_the_others),
		cmocka_unit_test(test_what_was_seen_at_the_resume_does_not_halt_it_again),
		cmocka_unit_test(test_halt_return_aborts_it_and_its_release_is_nobodys_target),
		cmocka_unit_test(test_a_member_counts_once_and_goes_without_a_trace),
		cmocka_unit_test(test_settings_have_names_and_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
