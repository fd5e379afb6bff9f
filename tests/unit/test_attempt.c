/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of core/attempt and the vocabulary against tests/golden (a change of behaviour shows
 * in the diff; UPDATE_GOLDEN=1 writes them anew), and what carrying out a step does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/diagnosis.h"
#include "core/event.h"
#include "core/plan.h"

enum { TEXT_MAX = 32768 };
static char text[TEXT_MAX], wanted[TEXT_MAX];
static const int64_t NOW = INT64_C(1700000000000);

static size_t put(size_t at, const char *before, const char *word)
{
	int n = snprintf(text + at, sizeof(text) - at, "%s%s", before, word);

	assert_true(n >= 0 && at + (size_t)n < sizeof(text));
	return at + (size_t)n;
}

static FILE *golden_open(const char *name, const char *mode)
{
	const char *top = getenv("TOP_SRCDIR");
	char path[512];

	snprintf(path, sizeof(path), "%s/tests/golden/%s", top ? top : ".", name);
	FILE *f = fopen(path, mode);
	if (!f)
		fail_msg("%s: cannot be opened", path);
	return f;
}

static void golden(const char *name, size_t length)
{
	if (getenv("UPDATE_GOLDEN")) {
		FILE *f = golden_open(name, "w");
		fwrite(text, 1, length, f);
		fclose(f);
	}
	FILE *f = golden_open(name, "r");
	size_t n = fread(wanted, 1, sizeof(wanted) - 1, f);
	fclose(f);
	wanted[n] = 0;
	assert_string_equal(text, wanted);
}

static size_t put_step(size_t at, const struct attempt_step *s)
{
	static const char *const acts[] = {"start", "close", "arm", "heard", "interrupt"};
	bool charged = false;

#define CHARGED(name, word, c, hold, help)                                                         \
	if (s->verdict == name)                                                                    \
		charged = (c) && !(s->actions & ACT_UNCHARGED);
	VERDICT_LIST(CHARGED)
#undef CHARGED
	at = put(at, " -> ", attempt_state_name(s->next));
	if (s->verdict != VERDICT_NONE) {
		at = put(at, " ", verdict_name(s->verdict));
		at = put(at, " ", charged ? "charged" : "uncharged");
	}
	for (unsigned i = 0; i < 5; i++)
		if (s->actions & 1u << i)
			at = put(at, " +", acts[i]);
	return put(at, "", "\n");
}

static void test_attempt_table_is_the_golden_one(void **state)
{
	size_t at = put(0, "", "# state: cause -> next [verdict charged|uncharged] +actions\n");

	(void)state;
	for (int s = 0; s < ATTEMPT_STATE_COUNT; s++) {
		for (int c = 0; c < CAUSE_COUNT; c++) {
			struct attempt_step step =
				attempt_step((enum attempt_state)s, (enum cause)c);
			if (!step.known)
				continue;
			at = put(at, attempt_state_name((enum attempt_state)s), ": ");
			at = put(at, cause_name((enum cause)c), "");
			at = put_step(at, &step);
		}
	}
	golden("attempt.txt", at);
}

static void test_attempt_words_are_the_golden_ones(void **state)
{
	size_t at = 0;

	(void)state;
	for (int i = 0; i < VERDICT_COUNT; i++) {
		at = put(at, "verdict ", verdict_name((enum verdict)i));
		at = put(at, " hold=", hold_name(verdict_hold((enum verdict)i)));
		at = put(at, "", "\n");
	}
	for (int i = 0; i < DIAGNOSIS_COUNT; i++)
		at = put(put(at, "diagnosis ", diagnosis_name((enum diagnosis_kind)i)), "\n", "");
	for (int i = 0; i < BLOCK_COUNT; i++)
		at = put(put(at, "blocked_by ", block_name((enum block)i)), "\n", "");
	for (int i = 0; i <= HOLD_RESTARTS; i++)
		at = put(put(at, "hold ", hold_name((enum hold)i)), "\n", "");
	for (int i = REASON_NONE; i <= REASON_DEFERRED; i++) {
		at = put(at, "reason ", reason_name((enum reason)i));
		at = put(at, reason_is_soft((enum reason)i) ? " soft" : "", "");
		at = put(at, reason_holds((enum reason)i) ? " holds" : "", "\n");
	}
	for (int i = 0; i <= EVENT_STORE_RESTORED; i++) {
		at = put(at, "event ", event_topic((enum event_kind)i));
		at = put(at, " ", event_data((enum event_kind)i));
		at = put(at, "", "\n");
	}
	golden("words.txt", at);
}

static void test_attempt_edges_keep_their_promises(void **state)
{
	(void)state;
	for (int s = 0; s < ATTEMPT_STATE_COUNT; s++)
		for (int c = 0; c < CAUSE_COUNT; c++) {
			struct attempt_step t = attempt_step((enum attempt_state)s, (enum cause)c);
			bool closes = t.known && t.next == ATTEMPT_CLOSED;
			assert_true(!t.known || s != ATTEMPT_CLOSED); /* I4 */
			assert_int_equal(closes, t.known && (t.actions & ACT_CLOSE) != 0);
			assert_int_equal(closes, t.verdict != VERDICT_NONE);
			assert_false(closes && (t.actions & ACT_ARM));
			if (t.verdict == VERDICT_UPDATED)
				assert_int_equal(c, CAUSE_PROVEN);
			if (t.known && !closes && (int)t.next != s)
				assert_true(t.actions & ACT_ARM); /* I5: a state has its own */
			if (c == CAUSE_PROVEN && s != ATTEMPT_CLOSED)
				assert_true(closes && t.verdict == VERDICT_UPDATED);
		}
}

/* TRUTH 5, the table of deadlines. */
static void test_attempt_deadline_verdict_by_state_and_heard(void **state)
{
	static const struct {
		enum attempt_state state;
		enum verdict heard, silent;
	} rows[] = {
		{ATTEMPT_OFFERED, VERDICT_NEVER_STARTED, VERDICT_NEVER_STARTED},
		{ATTEMPT_TRANSFERRING, VERDICT_TRANSFER_STALLED, VERDICT_TRANSFER_STALLED},
		{ATTEMPT_VERIFIED, VERDICT_NEVER_APPLIED, VERDICT_NEVER_CAME_BACK},
		{ATTEMPT_APPLYING, VERDICT_NEVER_REBOOTED, VERDICT_NEVER_CAME_BACK},
		{ATTEMPT_PROBATION, VERDICT_UNPROVEN, VERDICT_LOST_IN_PROBATION},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(attempt_step(rows[i].state, CAUSE_DEADLINE_HEARD).verdict,
				 rows[i].heard);
		assert_int_equal(attempt_step(rows[i].state, CAUSE_DEADLINE_SILENT).verdict,
				 rows[i].silent);
	}
}

static void test_attempt_names_read_back_and_unknown_words_are_refused(void **state)
{
	enum attempt_state s;
	enum verdict v;
	enum grade g;
	enum via via;
	enum hold h;
	enum diagnosis_kind d;

	(void)state;
	for (int i = 0; i < VERDICT_COUNT; i++) {
		assert_int_equal(verdict_from_name(verdict_name((enum verdict)i), &v), 0);
		assert_int_equal((int)v, i);
	}
	for (int i = 0; i < ATTEMPT_STATE_COUNT; i++) {
		assert_int_equal(
			attempt_state_from_name(attempt_state_name((enum attempt_state)i), &s), 0);
		assert_int_equal((int)s, i);
	}
	assert_int_equal(verdict_from_name("success", &v), ERR_INVAL);
	assert_int_equal(attempt_state_from_name("", &s), ERR_INVAL);
	assert_int_equal(grade_from_name("x", &g), ERR_INVAL);
	assert_int_equal(via_from_name("x", &via), ERR_INVAL);
	assert_int_equal(hold_from_name("x", &h), ERR_INVAL);
	assert_int_equal(diagnosis_from_name("x", &d), ERR_INVAL);
	assert_string_equal(verdict_name((enum verdict)99), "unknown");
	for (unsigned i = 0; i < EV_COUNT; i++)
		assert_string_not_equal(evidence_name((enum evidence)(1u << i)), "unknown");
}

static void test_attempt_serve_max_has_a_floor_for_tiny_images(void **state)
{
	static const struct {
		int64_t size, most;
	} rows[] = {
		{1, 65537},	{2048, 67584},	{32767, 98303},
		{32768, 98304}, {32769, 98307}, {1000000, 3000000},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct attempt a = {.size_bytes = rows[i].size, .served_bytes = rows[i].most};
		assert_int_equal(attempt_serve_max(&a), rows[i].most);
		assert_false(attempt_overserved(&a));
		a.served_bytes++;
		assert_true(attempt_overserved(&a));
	}
}

static struct attempt armed(void)
{
	return (struct attempt){.state = ATTEMPT_TRANSFERRING,
				.stall_at_ms = NOW + 1000,
				.total_at_ms = NOW + 100000000};
}

static void test_attempt_outage_moves_stall_by_gap_and_grace_never_the_total(void **state)
{
	struct attempt a = armed();

	(void)state;
	attempt_extend(&a, 60000, 900000);
	assert_int_equal(a.stall_at_ms, NOW + 1000 + 960000);
	assert_int_equal(a.total_at_ms, NOW + 100000000);
}

static void test_attempt_outages_add_up_to_six_hours_at_most(void **state)
{
	struct attempt a = armed();

	(void)state;
	for (int i = 0; i < 100; i++)
		attempt_extend(&a, 3600000, 900000);
	assert_int_equal(a.extended_ms, 6 * 3600000);
	assert_int_equal(a.stall_at_ms, NOW + 1000 + 6 * 3600000);
	attempt_extend(&a, -5, 0);
	assert_int_equal(a.extended_ms, 6 * 3600000);
}

static void test_attempt_clock_step_keeps_deadlines_in_real_time(void **state)
{
	struct attempt a = armed();

	(void)state;
	attempt_rebase(&a, -7200000);
	assert_int_equal(a.stall_at_ms, NOW + 1000 - 7200000);
	assert_int_equal(a.total_at_ms, NOW + 100000000 - 7200000);
	assert_int_equal(a.target_ms, 0); /* never on target stays never */
}

static void test_attempt_deadline_is_the_earlier_one_and_none_when_closed(void **state)
{
	struct attempt a = armed();

	(void)state;
	assert_int_equal(attempt_deadline_ms(&a), NOW + 1000);
	a.total_at_ms = NOW + 500;
	assert_int_equal(attempt_deadline_ms(&a), NOW + 500);
	a.state = ATTEMPT_CLOSED;
	assert_int_equal(attempt_deadline_ms(&a), 0);
	attempt_extend(&a, 1000, 1000);
	attempt_rebase(&a, 1000);
	assert_int_equal(a.stall_at_ms, NOW + 1000);
}

static void test_attempt_probation_deadline_has_room_for_two_check_ins(void **state)
{
	struct attempt a = armed();
	struct policy p;
	struct attempt_step step = attempt_step(ATTEMPT_TRANSFERRING, CAUSE_TARGET);

	(void)state;
	policy_init(&p);
	p.probation_s = 86400;
	attempt_apply(&a, &step, &p, 6000, NOW);
	assert_int_equal(a.state, ATTEMPT_PROBATION);
	assert_int_equal(a.stall_at_ms, NOW + (86400 + 12000) * 1000);
	a.state = ATTEMPT_TRANSFERRING;
	attempt_apply(&a, &step, &p, 0, NOW); /* interval not known */
	assert_int_equal(a.stall_at_ms, NOW + (86400 + p.stall_s) * 1000);
}

static void test_attempt_rung_keeps_its_first_time(void **state)
{
	struct attempt a = armed();

	(void)state;
	attempt_rung(&a, RUNG_VERIFIED, 5);
	attempt_rung(&a, RUNG_VERIFIED, 6);
	assert_int_equal(a.rung_ms[RUNG_VERIFIED], 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attempt_table_is_the_golden_one),
		cmocka_unit_test(test_attempt_words_are_the_golden_ones),
		cmocka_unit_test(test_attempt_edges_keep_their_promises),
		cmocka_unit_test(test_attempt_serve_max_has_a_floor_for_tiny_images),
		cmocka_unit_test(test_attempt_deadline_verdict_by_state_and_heard),
		cmocka_unit_test(test_attempt_names_read_back_and_unknown_words_are_refused),
		cmocka_unit_test(test_attempt_outage_moves_stall_by_gap_and_grace_never_the_total),
		cmocka_unit_test(test_attempt_outages_add_up_to_six_hours_at_most),
		cmocka_unit_test(test_attempt_clock_step_keeps_deadlines_in_real_time),
		cmocka_unit_test(test_attempt_deadline_is_the_earlier_one_and_none_when_closed),
		cmocka_unit_test(test_attempt_probation_deadline_has_room_for_two_check_ins),
		cmocka_unit_test(test_attempt_rung_keeps_its_first_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
