/* SPDX-License-Identifier: Apache-2.0
 *
 * The small values of core: digests, releases, policy, boots, reports.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/evidence.h"

/* ---- digests ---- */

static void test_digest_kinds_have_names_that_read_back(void **state)
{
	char name[16];
	unsigned back;

	(void)state;
	for (unsigned kind = 0; kind <= DIGEST_KIND_MAX; kind++) {
		int err = digest_kind_from_name(digest_kind_name(kind, name), &back);
		bool named = kind <= DIGEST_ESP_APPENDED || kind >= DIGEST_VENDOR;
		assert_int_equal(err, named ? 0 : ERR_INVAL);
		if (named)
			assert_int_equal(back, kind);
	}
	assert_string_equal(digest_kind_name(255, name), "vendor-239");
	assert_int_equal(digest_kind_from_name("vendor-240", &back), ERR_INVAL);
	assert_int_equal(digest_kind_from_name("vendor-", &back), ERR_INVAL);
	assert_int_equal(digest_kind_from_name("vendor-99999999999", &back), ERR_INVAL);
	assert_int_equal(digest_kind_from_name("vendor-1x", &back), ERR_INVAL);
}

static void test_digest_text_reads_back_and_bad_text_is_refused(void **state)
{
	struct digest d = {0}, untouched = {.kind = 9, .len = 1};
	char text[160];

	(void)state;
	assert_int_equal(digest_from_text("mcuboot:00112233", &d), 0);
	assert_int_equal(d.len, 4);
	assert_string_equal(digest_text(&d, text), "mcuboot:00112233");
	d = untouched;
	assert_int_equal(digest_from_text("mcuboot", &d), ERR_SYNTAX);
	assert_int_equal(digest_from_text("mcuboot:001122", &d), ERR_RANGE);
	assert_int_equal(digest_from_text("mcuboot:0011223", &d), ERR_SYNTAX);
	assert_int_equal(digest_from_text("mcuboot:0011223g", &d), ERR_SYNTAX);
	assert_int_equal(digest_from_text("file:00112233", &d), ERR_RANGE);
	assert_int_equal(digest_from_text("kind-7:00112233", &d), ERR_INVAL);
	assert_int_equal(digest_from_text("a-very-long-kind-name:00112233", &d), ERR_SYNTAX);
	char big[9 + 2 * (LIMIT_DIGEST + 1)] = "mcuboot:";
	memset(big + 8, 'a', 2 * LIMIT_DIGEST);
	assert_int_equal(digest_from_text(big, &d), 0);
	d = untouched;
	memset(big + 8, 'a', 2 * (LIMIT_DIGEST + 1));
	assert_int_equal(digest_from_text(big, &d), ERR_RANGE);
	assert_int_equal(d.kind, 9);
}

static void test_digest_equal_needs_kind_and_bytes(void **state)
{
	struct digest a = {.kind = 1, .len = 4, .value = {1, 2, 3, 4}}, b = a, none = {.kind = 1};

	(void)state;
	assert_true(digest_equal(&a, &b));
	b.kind = 2;
	assert_false(digest_equal(&a, &b));
	b = a;
	b.len = 3;
	assert_false(digest_equal(&a, &b));
	assert_false(digest_equal(&none, &none));
}

/* ---- releases and policy ---- */

static void test_release_takes_one_digest_of_each_kind_up_to_the_limit(void **state)
{
	struct release r = {0};
	struct digest d = {.len = 4};

	(void)state;
	for (uint8_t i = 0; i < LIMIT_DIGEST_KINDS; i++) {
		d.kind = (uint8_t)(DIGEST_VENDOR + i);
		assert_int_equal(release_add_digest(&r, &d), 0);
	}
	assert_int_equal(release_add_digest(&r, &d), 0); /* the same again */
	d.value[0] = 1;
	assert_int_equal(release_add_digest(&r, &d), ERR_EXIST);
	d.kind = DIGEST_MCUBOOT;
	assert_int_equal(release_add_digest(&r, &d), ERR_LIMIT);
	assert_null(release_digest(&r, DIGEST_MCUBOOT));
	assert_non_null(release_digest(&r, DIGEST_VENDOR));
}

static void test_names_are_printable_words_within_their_limit(void **state)
{
	char name[LIMIT_DEVICE_ID + 2];

	(void)state;
	memset(name, 'x', sizeof(name));
	name[LIMIT_DEVICE_ID] = 0;
	assert_true(name_valid(name, LIMIT_DEVICE_ID));
	name[LIMIT_DEVICE_ID] = 'x';
	name[LIMIT_DEVICE_ID + 1] = 0;
	assert_false(name_valid(name, LIMIT_DEVICE_ID));
	static const char *const bad[] = {"",	  "-x",	  ".x",	 "a b",	 "a/b",
					  "a\\b", "a\"b", "a'b", "a\nb", "\xc3\xa4"};
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(name_valid(bad[i], 64));
	assert_true(version_valid("-1.0"));
	assert_false(version_valid(""));
}

static void test_policy_rows_take_their_limits_and_not_one_more(void **state)
{
	struct policy p;

	(void)state;
	policy_init(&p);
	for (unsigned i = 0; i < POLICY_COUNT; i++) {
		const struct policy_row *row = &policy_rows[i];
		assert_ptr_equal(policy_find(row->name), row);
		assert_int_equal(policy_get(&p, row), row->def);
		assert_int_equal(policy_set(&p, row, row->max), 0);
		assert_int_equal(policy_get(&p, row), row->max);
		assert_int_equal(policy_set(&p, row, row->max + 1), ERR_RANGE);
		assert_int_equal(policy_set(&p, row, row->min), 0);
		assert_int_equal(policy_set(&p, row, row->min - 1), ERR_RANGE);
		assert_int_equal(policy_get(&p, row), row->min);
	}
	assert_int_equal(policy_set(&p, policy_find("block-bytes"), 100), ERR_RANGE);
	assert_null(policy_find("block-byte"));
	assert_null(policy_find("block-bytess"));
	assert_null(policy_find(""));
}

/* ---- boots ---- */

static struct boot_id id_of(uint32_t n)
{
	return (struct boot_id){.len = 8, .bytes = {(uint8_t)n, (uint8_t)(n >> 8)}};
}

static struct boot_id count_of(uint32_t n)
{
	return (struct boot_id){.has_count = true, .count = n};
}

static enum boot_seen note(struct boots *b, struct boot_id id, bool wake, int64_t session_ms,
			   int64_t now_ms)
{
	uint32_t resets;

	return boots_note(b, &id, wake, session_ms, now_ms, &resets);
}

static void test_boots_replaced_id_of_the_last_eight_never_becomes_current(void **state)
{
	struct boots b = {0};

	(void)state;
	assert_int_equal(note(&b, id_of(1), false, 0, 1), BOOT_FIRST);
	for (uint32_t i = 2; i <= LIMIT_BOOTS_KEPT; i++)
		assert_int_equal(note(&b, id_of(i), false, 0, i), BOOT_NEW);
	assert_int_equal(b.count, LIMIT_BOOTS_KEPT);
	for (uint32_t i = 1; i < LIMIT_BOOTS_KEPT; i++)
		assert_int_equal(note(&b, id_of(i), false, 0, 100), BOOT_LATE);
	assert_int_equal(note(&b, id_of(LIMIT_BOOTS_KEPT), false, 0, 100), BOOT_SAME);
	assert_int_equal(b.seq, LIMIT_BOOTS_KEPT);
	assert_int_equal(note(&b, id_of(9), false, 0, 101), BOOT_NEW);
	struct boot_id oldest = id_of(1);
	assert_int_equal(boots_find(&b, &oldest), 0); /* the ninth pushed it out */
	assert_int_equal(b.count, LIMIT_BOOTS_KEPT);
}

static void test_boots_conflict_needs_a_session_made_after_the_replacement(void **state)
{
	struct boots b = {0};
	const int64_t day_ms = 24LL * 3600 * 1000;

	(void)state;
	note(&b, id_of(1), false, 0, 1000);
	note(&b, id_of(2), false, 0, 2000);
	assert_int_equal(note(&b, id_of(1), false, 1500, 3000), BOOT_LATE);
	assert_int_equal(note(&b, id_of(1), false, 2000, 3000), BOOT_LATE);
	assert_int_equal(b.conflicts, 0);
	assert_int_equal(note(&b, id_of(1), false, 2001, 3000), BOOT_LATE);
	assert_int_equal(b.conflicts, 1);
	assert_int_equal(note(&b, id_of(1), false, 2001, 3001 + day_ms), BOOT_LATE);
	assert_int_equal(note(&b, id_of(1), false, 2001, 3002 + day_ms), BOOT_CONFLICT);
}

static void test_boots_wake_keeps_the_boot_and_both_names(void **state)
{
	struct boots b = {0};

	(void)state;
	note(&b, id_of(1), false, 0, 1);
	assert_int_equal(note(&b, id_of(2), true, 0, 2), BOOT_SAME);
	assert_int_equal(b.seq, 1);
	assert_int_equal(note(&b, id_of(2), false, 0, 3), BOOT_SAME);
	assert_int_equal(note(&b, id_of(1), false, 0, 4), BOOT_LATE);
	assert_int_equal(note(&b, id_of(3), false, 0, 5), BOOT_NEW);
	assert_int_equal(b.seq, 2);
}

static void test_boots_counts_gaps_and_falls(void **state)
{
	struct boots b = {0};
	struct boot_id id = count_of(5);
	uint32_t resets = 9;

	(void)state;
	assert_int_equal(boots_note(&b, &id, false, 0, 1, &resets), BOOT_FIRST);
	assert_int_equal(resets, 0);
	id.count = 8;
	assert_int_equal(boots_note(&b, &id, false, 0, 2, &resets), BOOT_NEW);
	assert_int_equal(resets, 3);
	assert_false(b.backwards);
	id.count = 2;
	assert_int_equal(boots_note(&b, &id, false, 0, 3, &resets), BOOT_NEW);
	assert_int_equal(resets, 1);
	assert_true(b.backwards);
	id.count = 3;
	assert_int_equal(boots_note(&b, &id, false, 0, 4, &resets), BOOT_NEW);
	assert_false(b.backwards);
	id.count = 14;
	id.inferred = true; /* a new boot, but nobody told of it */
	assert_int_equal(boots_note(&b, &id, false, 0, 5, &resets), BOOT_NEW);
	assert_true(b.backwards);
	id.count = 15;
	id.inferred = false;
	assert_int_equal(boots_note(&b, &id, false, 0, 6, &resets), BOOT_NEW);
	assert_false(b.backwards);
}

static void test_boots_id_and_bare_count_are_no_news_to_each_other(void **state)
{
	struct boots b = {0};
	struct boot_id both = id_of(2);

	(void)state;
	note(&b, id_of(1), false, 0, 1);
	assert_int_equal(note(&b, count_of(7), false, 0, 2), BOOT_SAME);
	assert_int_equal(note(&b, count_of(7), false, 0, 3), BOOT_SAME);
	assert_int_equal(note(&b, count_of(8), false, 0, 4), BOOT_NEW);
	assert_int_equal(note(&b, id_of(1), false, 0, 5), BOOT_LATE);
	both.has_count = true;
	both.count = 8;
	assert_int_equal(note(&b, both, false, 0, 6), BOOT_SAME);
	assert_int_equal(note(&b, id_of(2), false, 0, 7), BOOT_SAME);
	assert_int_equal(b.seq, 2);
}

/* ---- reports, evidence ---- */

static void test_report_same_ignores_uptime_and_sees_each_other_field(void **state)
{
	struct report a, b;

	(void)state;
	report_init(&a);
	memset(&b, 0xee, sizeof(b)); /* what stands behind a string does not matter */
	report_init(&b);
	b.uptime_s = 5;
	strcpy(b.version, "1.0.0");
	b.version[0] = 0;
	assert_true(report_same(&a, &b));
#define DIFFERS(set)                                                                               \
	b = a;                                                                                     \
	set;                                                                                       \
	assert_false(report_same(&a, &b))
	DIFFERS(b.version[0] = '1');
	DIFFERS(b.running.len = 4);
	DIFFERS(b.confirmed = 1);
	DIFFERS(b.updates_enabled = 0);
	DIFFERS(b.reset = RESET_PANIC);
	DIFFERS(b.mode = MODE_SAFE);
	DIFFERS(b.last.attempt = 1);
	DIFFERS(b.last.code = 1);
	DIFFERS(b.fs_free_bytes = 1);
	DIFFERS(b.battery_percent = 1);
	DIFFERS(b.supply_mv = 1);
	DIFFERS(b.troubles = TROUBLE_OTHER);
	DIFFERS(b.interval_s = 1);
	DIFFERS(b.capabilities = 1);
	DIFFERS(b.hardware[0] = 'x');
	DIFFERS(b.has_cached = true);
	DIFFERS(b.boot.has_count = true);
#undef DIFFERS
}

static void test_reset_unclean_is_watchdog_panic_brown_out(void **state)
{
	(void)state;
	for (int r = RESET_UNKNOWN; r <= RESET_OTHER; r++)
		assert_int_equal(reset_is_unclean((enum reset_reason)r),
				 r == RESET_WATCHDOG || r == RESET_PANIC || r == RESET_BROWN_OUT);
}

static void test_grade_by_evidence(void **state)
{
	(void)state;
	assert_int_equal(evidence_grade(EV_VERSION | EV_DIGEST), GRADE_NONE);
	assert_int_equal(evidence_grade(EV_NEW_BOOT), GRADE_NONE);
	assert_int_equal(evidence_grade(EV_NEW_BOOT | EV_VERSION | EV_CONFIRMED), GRADE_STANDARD);
	assert_int_equal(evidence_grade(EV_NEW_BOOT | EV_DIGEST), GRADE_STANDARD);
	assert_int_equal(evidence_grade(EV_NEW_BOOT | EV_DIGEST | EV_CONFIRMED), GRADE_STRONG);
	assert_int_equal(evidence_grade(EV_NEW_BOOT | EV_DIGEST | EV_STABLE), GRADE_STRONG);
}

/* Required = policy; by default what the baseline carried, unless the release says not. */
static void test_required_follows_policy_baseline_and_release(void **state)
{
	const unsigned least = EV_NEW_BOOT | EV_VERSION;
	struct policy p;
	struct report base;
	struct release r = {.version = "2"};

	(void)state;
	policy_init(&p);
	report_init(&base);
	assert_int_equal(evidence_required(&p, &base, &r), least);
	base.running.len = 32;
	base.confirmed = 0;
	assert_int_equal(evidence_required(&p, &base, &r), least | EV_DIGEST | EV_CONFIRMED);
	r.no_digest = r.no_confirm = true;
	assert_int_equal(evidence_required(&p, &base, &r), least);
	p.require_digest = p.require_confirm = 1;
	p.probation_s = 1;
	assert_int_equal(evidence_required(&p, &base, &r),
			 least | EV_DIGEST | EV_CONFIRMED | EV_STABLE);
	r.no_digest = r.no_confirm = false;
	p.require_digest = p.require_confirm = 0;
	assert_int_equal(evidence_required(&p, &base, &r), least | EV_STABLE);
	strcpy(base.version, "2");
	assert_int_equal(evidence_required(&p, &base, &r), least | EV_STABLE | EV_DIGEST);
}

/* ---- base/buf ---- */

static void test_buf_keeps_its_first_error_and_stays_in_bounds(void **state)
{
	uint8_t mem[4] = {1, 2, 3, 4};
	struct buf b = buf_reader(mem, sizeof(mem));

	(void)state;
	assert_int_equal(buf_get_u16(&b), 0x0102);
	assert_int_equal(buf_get_u32(&b), 0);
	assert_int_equal(b.err, ERR_TRUNC);
	assert_int_equal(buf_get_u8(&b), 0);
	assert_int_equal(buf_left(&b), 0);
	char text[4];
	b = buf_writer(text, sizeof(text));
	buf_put_str(&b, "abc");
	buf_put_str(&b, "de");
	assert_int_equal(b.err, ERR_LIMIT);
	assert_string_equal(buf_cstr(&b), "abc");
	b = buf_writer(text, sizeof(text));
	buf_put_str(&b, "abcd");
	assert_string_equal(buf_cstr(&b), "abc"); /* the last byte is the NUL's */
	size_t len = 77;
	assert_int_equal(buf_from_hex("0aF", 3, mem, sizeof(mem), &len), ERR_SYNTAX);
	assert_int_equal(buf_from_hex("0001020304", 10, mem, sizeof(mem), &len), ERR_LIMIT);
	assert_int_equal(len, 77);
	assert_int_equal(buf_from_hex("0aFf", 4, mem, sizeof(mem), &len), 0);
	assert_int_equal(len, 2);
	char number[21];
	b = buf_writer(number, sizeof(number));
	buf_put_dec(&b, UINT64_MAX);
	assert_string_equal(buf_cstr(&b), "18446744073709551615");
}

#define T(name) cmocka_unit_test(test_##name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(digest_kinds_have_names_that_read_back),
		T(digest_text_reads_back_and_bad_text_is_refused),
		T(digest_equal_needs_kind_and_bytes),
		T(release_takes_one_digest_of_each_kind_up_to_the_limit),
		T(names_are_printable_words_within_their_limit),
		T(policy_rows_take_their_limits_and_not_one_more),
		T(boots_replaced_id_of_the_last_eight_never_becomes_current),
		T(boots_conflict_needs_a_session_made_after_the_replacement),
		T(boots_wake_keeps_the_boot_and_both_names),
		T(boots_counts_gaps_and_falls),
		T(boots_id_and_bare_count_are_no_news_to_each_other),
		T(report_same_ignores_uptime_and_sees_each_other_field),
		T(reset_unclean_is_watchdog_panic_brown_out),
		T(grade_by_evidence),
		T(required_follows_policy_baseline_and_release),
		T(buf_keeps_its_first_error_and_stays_in_bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
