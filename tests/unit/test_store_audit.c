/* SPDX-License-Identifier: Apache-2.0
 *
 * The audit log: its chain, its bounds, and what verifying it finds.
 */
#include "store_rows.h"

#include <stdio.h>

#include "store/audit.h"
#include "store/private.h"

static int add(struct store *s, const struct store_audit *a, struct store_result *r)
{
	struct store_set *set = rows_set(r);

	store_set_audit(set, a);
	return rows_commit(s, set, r);
}

static void add_many(struct store *s, unsigned count)
{
	struct store_result r;

	for (unsigned i = 0; i < count; i++) {
		struct store_set *set = rows_set(&r);
		rows_add_audit(set, i % 2 ? "odd" : "even");
		assert_int_equal(rows_commit(s, set, &r), 0);
	}
}

/* ---- rows ---- */

static void test_hash_is_of_eight_lines(void **state)
{
	static const char first[] =
		"0000000000000000000000000000000000000000000000000000000000000000\n1\n"
		"1700000000123\nuid 7\ndevice lock\ndesk-1\n{}\n{\"lock\":\"1.0.0\"}\n";
	const struct store_audit a = {.at_ms = 1700000000123,
				      .who = "uid 7",
				      .act = "device lock",
				      .object = "desk-1",
				      .before = "{}",
				      .after = "{\"lock\":\"1.0.0\"}"};
	const struct store_audit b = {
		.at_ms = -1, .who = "", .act = "x", .object = "", .before = "", .after = ""};
	char second[2 * STORE_HASH + 32];
	uint8_t want[STORE_HASH];
	struct store_result r;

	assert_int_equal(rows_hash(first, strlen(first), want), 0);
	assert_int_equal(add(*state, &a, &r), 0);
	assert_int_equal(r.audit.seq, 1);
	assert_memory_equal(r.audit.hash, want, STORE_HASH);

	struct buf line = buf_writer(second, sizeof(second));
	buf_put_hex(&line, want, STORE_HASH);
	buf_put_str(&line, "\n2\n-1\n\nx\n\n\n\n");
	assert_int_equal(rows_hash(second, line.pos, want), 0);
	assert_int_equal(add(*state, &b, &r), 0);
	assert_int_equal(r.audit.seq, 2);
	assert_memory_equal(r.audit.hash, want, STORE_HASH);
	assert_int_equal(rows_assert_audit(*state), 2);
}

static void test_head_is_text_of_one_length(void **state)
{
	struct store_audit_head head = {.seq = 42, .hash = {0xab}};
	char text[AUDIT_HEAD_TEXT + 1];

	(void)state;
	assert_string_equal(audit_head_text(&head, text),
			    "00000000000000000042:"
			    "ab00000000000000000000000000000000000000000000000000000000000000");
	head.seq = UINT64_MAX;
	assert_int_equal(strlen(audit_head_text(&head, text)), AUDIT_HEAD_TEXT);
}

/* Each text may have LIMIT_AUDIT_TEXT bytes and no control character. */
static void test_texts_are_bounded_and_of_one_line(void **state)
{
	static char text[LIMIT_AUDIT_TEXT + 2];
	struct store_result r;

	for (unsigned which = 0; which < 5; which++) {
		struct store_audit a = {
			.who = "w", .act = "a", .object = "o", .before = "{}", .after = "{}"};
		const char **field[] = {&a.who, &a.act, &a.object, &a.before, &a.after};
		memset(text, 'x', LIMIT_AUDIT_TEXT);
		text[LIMIT_AUDIT_TEXT] = 0;
		*field[which] = text;
		assert_int_equal(add(*state, &a, &r), 0);
		assert_int_equal(r.audit.seq, which + 1);
		text[LIMIT_AUDIT_TEXT] = 'x';
		assert_int_equal(add(*state, &a, &r), ERR_LIMIT);
		assert_int_equal(r.audit.seq, 0);
		*field[which] = "a\nb";
		assert_int_equal(add(*state, &a, &r), ERR_INVAL);
		*field[which] = "\x1f";
		assert_int_equal(add(*state, &a, &r), ERR_INVAL);
	}
	assert_int_equal(rows_assert_audit(*state), 5);
}

static int no_hash(const void *ptr, size_t len, uint8_t ret_hash[STORE_HASH])
{
	(void)ptr;
	(void)len;
	(void)ret_hash;
	return ERR_CRYPTO;
}

/* Nothing is done that cannot be told. */
static void test_without_a_hash_the_whole_set_fails(void **state)
{
	static store_hash *const hashes[] = {NULL, no_hash};
	static const int errs[] = {ERR_UNSUPPORTED, ERR_CRYPTO};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct store_conf conf = {
			.path = ":memory:", .inline_commit = true, .hash = hashes[i]};
		struct store_result r;
		struct store *s = NULL;
		assert_int_equal(store_open(&conf, &s), 0);
		struct store_set *set = rows_event_set(&r, 2);
		rows_add_audit(set, "x");
		assert_int_equal(rows_commit(s, set, &r), errs[i]);
		assert_int_equal(rows_assert_no_gaps(s), 0);
		store_close(s);
	}
}

/* ---- lists ---- */

struct seen {
	unsigned count;
	uint64_t seq[8];
};

static bool see(void *ctx, const struct store_audit_row *row)
{
	struct seen *seen = ctx;

	assert_string_equal(row->what.who, "alice");
	assert_string_equal(row->what.object, row->seq % 2 ? "even" : "odd");
	seen->seq[seen->count++] = row->seq;
	return seen->count < 8;
}

static void assert_seen(struct seen *seen, int err, unsigned count, const uint64_t *want)
{
	assert_int_equal(err, 0);
	assert_int_equal(seen->count, count);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(seen->seq[i], want[i]);
	seen->count = 0;
}

static void test_lists_both_ways_and_by_object(void **state)
{
	struct seen n = {0};

	add_many(*state, 9);
	assert_seen(&n, store_audits(*state, "", 0, 2, see, &n), 2, (uint64_t[]){1, 2});
	assert_seen(&n, store_audits(*state, "", 7, 5, see, &n), 2, (uint64_t[]){8, 9});
	assert_seen(&n, store_audits(*state, "", UINT64_MAX, 5, see, &n), 0, NULL);
	assert_seen(&n, store_audits(*state, "odd", 2, 2, see, &n), 2, (uint64_t[]){4, 6});
	assert_seen(&n, store_audits(*state, "none", 0, 2, see, &n), 0, NULL);
	assert_seen(&n, store_audits_before(*state, "", 0, 3, see, &n), 3, (uint64_t[]){9, 8, 7});
	assert_seen(&n, store_audits_before(*state, "", 3, 9, see, &n), 2, (uint64_t[]){2, 1});
	assert_seen(&n, store_audits_before(*state, "even", 9, 2, see, &n), 2, (uint64_t[]){7, 5});
	assert_seen(&n, store_audits(*state, "", 0, 100, see, &n), 8,
		    (uint64_t[]){1, 2, 3, 4, 5, 6, 7, 8});
}

/* ---- group commit ---- */

static void test_a_bad_set_leaves_no_number_unused(void **state)
{
	(void)state;
	sem_t gate, entered;
	sem_init(&gate, 0, 0);
	sem_init(&entered, 0, 0);
	struct rows_hook h = {.gate = &gate, .entered = &entered};
	struct store *s = rows_open(":memory:", false, &h);
	struct store_result r[6];

	store_submit(s, rows_event_set(&r[0], 1)); /* keeps the thread in its first batch */
	sem_wait(&entered);
	for (unsigned i = 1; i < 6; i++) {
		struct store_set *set = rows_event_set(&r[i], 1);
		rows_add_audit(set, "x");
		if (i == 3)
			store_set_device_delete(set, "nobody", 1); /* fails after its row */
		store_submit(s, set);
	}
	sem_post(&gate);
	store_flush(s);
	assert_int_equal(store_deliver(s), 6);
	const uint64_t seqs[6] = {0, 1, 2, 0, 3, 4};
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(r[i].err, i == 3 ? ERR_CONFLICT : 0);
		assert_int_equal(r[i].audit.seq, seqs[i]);
	}
	assert_int_equal(rows_assert_audit(s), 4);
	store_close(s);
	sem_destroy(&gate);
	sem_destroy(&entered);
}

/* ---- verifying ---- */

static void by_hand(struct store *s, const char *sql)
{
	assert_int_equal(db_exec(&s->writer, sql), 0);
}

static void assert_bad(struct store *s, unsigned step, uint64_t row, const char *why)
{
	struct store_audit_check c = {0};

	while (!c.done)
		assert_int_equal(store_audit_check(s, step, &c), 0);
	assert_int_equal(c.bad, row);
	assert_string_equal(c.why, why);
}

static void test_check_finds_the_first_wrong_row_at_any_step(void **state)
{
	for (unsigned step = 1; step <= 12; step++) {
		struct store *s = rows_store();
		add_many(s, 10);
		assert_int_equal(rows_assert_audit(s), 10);
		by_hand(s, "UPDATE audit SET who = 'mallory' WHERE seq IN (6, 9)");
		assert_bad(s, step, 6,
			   "row 6 was changed, or is not the one that was written after row 5");
		by_hand(s, "DELETE FROM audit WHERE seq IN (2, 3, 4)");
		assert_bad(s, step, 2, "row 2 is missing: after row 1 comes row 5");
		by_hand(s, "DELETE FROM audit WHERE seq > 1");
		assert_bad(s, step, 2, "the end was cut off: row 10 was the last, row 1 is");
		store_close(s);
	}
	(void)state;
}

/* A row changed with a hash that fits it is found by the one after it. */
static void test_check_finds_a_row_that_was_hashed_anew(void **state)
{
	const struct store_audit forged = {.at_ms = 1,
					   .who = "mallory",
					   .act = "device lock",
					   .object = "x",
					   .before = "{}",
					   .after = "{}"};
	uint8_t before[STORE_HASH], fits[STORE_HASH];
	char sql[256], hex[2 * STORE_HASH + 1];
	struct buf b = buf_writer(hex, sizeof(hex));
	struct store_result r;
	struct store_set *set = rows_set(&r);

	rows_add_audit(set, "x");
	assert_int_equal(rows_commit(*state, set, &r), 0);
	memcpy(before, r.audit.hash, STORE_HASH);
	add_many(*state, 3);
	assert_int_equal(audit_hash(rows_hash, before, 2, &forged, fits), 0);
	buf_put_hex(&b, fits, STORE_HASH);
	snprintf(sql, sizeof(sql),
		 "UPDATE audit SET at_ms = 1, who = 'mallory', object = 'x', after = '{}', "
		 "hash = x'%s' WHERE seq = 2",
		 buf_cstr(&b));
	by_hand(*state, sql);
	assert_bad(*state, 100, 3,
		   "row 3 was changed, or is not the one that was written after row 2");
}

/* Acts go on while it is verified: neither new rows nor a new head are an error. */
static void test_check_goes_on_while_rows_are_written(void **state)
{
	struct store_audit_check c = {0};
	unsigned steps = 0;

	add_many(*state, 4);
	while (!c.done && steps < 1000) {
		if (steps++ < 20)
			add_many(*state, 1 + steps % 3);
		assert_int_equal(store_audit_check(*state, 2, &c), 0);
	}
	assert_true(c.done);
	assert_int_equal(c.bad, 0);
	assert_int_equal(c.at.seq, rows_assert_audit(*state));
	assert_int_equal(c.at.seq, 4 + 41);
}

/* The act that tells of it, too. */
static int prune(struct store *s, uint64_t through, const uint8_t hash[STORE_HASH])
{
	struct store_audit_head head = {.seq = through};
	char after[160], hex[2 * STORE_HASH + 1];
	struct buf b = buf_writer(hex, sizeof(hex));
	struct store_audit a = {.at_ms = 1,
				.who = "u",
				.act = AUDIT_PRUNE,
				.object = "audit",
				.before = "",
				.after = after};
	struct store_set *set;
	struct store_result r;

	memcpy(head.hash, hash, STORE_HASH);
	buf_put_hex(&b, hash, STORE_HASH);
	snprintf(after, sizeof(after), "{\"through\":%u,\"hash\":\"%s\"}", (unsigned)through,
		 buf_cstr(&b));
	set = rows_set(&r);
	store_set_audit_prune(set, &head);
	store_set_audit(set, &a);
	return rows_commit(s, set, &r);
}

static bool hash_take(void *ctx, const struct store_audit_row *row)
{
	memcpy(ctx, row->hash, STORE_HASH);
	return false;
}

static void hash_of(struct store *s, uint64_t seq, uint8_t ret[STORE_HASH])
{
	assert_int_equal(store_audits(s, "", seq - 1, 1, hash_take, ret), 0);
}

static void test_rows_that_were_taken_out_are_told(void **state)
{
	(void)state;
	for (unsigned step = 1; step <= 12; step++) {
		struct store *s = rows_store();
		struct store_audit_head removed;
		struct store_audit_check c = {0};
		uint8_t hash[STORE_HASH] = {0};

		add_many(s, 10);
		assert_int_equal(prune(s, 4, hash), ERR_CONFLICT);
		hash_of(s, 4, hash);
		assert_int_equal(prune(s, 5, hash), ERR_CONFLICT);
		assert_int_equal(prune(s, 11, hash), ERR_NOENT);
		assert_int_equal(store_audit_removed(s, &removed), 0);
		assert_int_equal(removed.seq, 0);
		/* in the middle of a walk */
		assert_int_equal(store_audit_check(s, step, &c), 0);
		if (c.done)
			c = (struct store_audit_check){0};
		assert_int_equal(prune(s, 4, hash), 0);
		assert_int_equal(prune(s, 4, hash), ERR_NOENT);
		while (!c.done)
			assert_int_equal(store_audit_check(s, step, &c), 0);
		assert_int_equal(c.bad, 0);
		assert_int_equal(c.at.seq, 11);
		assert_int_equal(c.removed.seq, 4);
		assert_int_equal(store_audit_removed(s, &removed), 0);
		assert_memory_equal(removed.hash, hash, STORE_HASH);
		/* all there is, with the act before */
		hash_of(s, 11, hash);
		assert_int_equal(prune(s, 11, hash), 0);
		c = (struct store_audit_check){0};
		while (!c.done)
			assert_int_equal(store_audit_check(s, step, &c), 0);
		assert_int_equal(c.bad, 0);
		assert_int_equal(c.at.seq, 12);
		store_close(s);
	}
}

/* Who takes rows out by hand and writes where the log begins has no act of it in the chain. */
static void test_rows_that_are_gone_without_an_act_are_missed(void **state)
{
	struct store *s = rows_store();

	(void)state;
	add_many(s, 10);
	by_hand(s, "INSERT INTO meta (key, value) SELECT 'audit_removed', "
		   "'00000000000000000004:' || lower(hex(hash)) FROM audit WHERE seq = 4");
	by_hand(s, "DELETE FROM audit WHERE seq <= 4");
	assert_bad(s, 3, 4, "rows up to 4 are gone, and the log has no act that took them out");
	by_hand(s, "UPDATE meta SET value = '4' WHERE key = 'audit_removed'");
	assert_bad(s, 3, 1, "the record of the rows that were taken out is damaged");
	store_close(s);
}

static void test_empty_log_is_whole(void **state)
{
	assert_int_equal(rows_assert_audit(*state), 0);
	by_hand(*state, "PRAGMA ignore_check_constraints = 1;"
			"INSERT INTO audit VALUES (-1, 0, 'w', 'a', 'o', '', '', x'00')");
	assert_int_equal(rows_assert_audit(*state), 0); /* not of the log, and never shown */
	struct seen n = {0};
	assert_seen(&n, store_audits_before(*state, "", 0, 3, see, &n), 0, NULL);
	assert_seen(&n, store_audits_before(*state, "o", 0, 3, see, &n), 0, NULL);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, rows_setup, rows_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_hash_is_of_eight_lines),
		cmocka_unit_test(test_head_is_text_of_one_length),
		CASE(test_texts_are_bounded_and_of_one_line),
		cmocka_unit_test(test_without_a_hash_the_whole_set_fails),
		CASE(test_lists_both_ways_and_by_object),
		cmocka_unit_test(test_a_bad_set_leaves_no_number_unused),
		cmocka_unit_test(test_check_finds_the_first_wrong_row_at_any_step),
		CASE(test_check_finds_a_row_that_was_hashed_anew),
		CASE(test_check_goes_on_while_rows_are_written),
		CASE(test_empty_log_is_whole),
		CASE(test_rows_that_were_taken_out_are_told),
		CASE(test_rows_that_are_gone_without_an_act_are_missed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
