/* SPDX-License-Identifier: Apache-2.0
 *
 * What is kept and what goes (retention), whether an old copy is noticed (the mark), and whether
 * the checker finds what is wrong. */
#include "store_rows.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "store/backup.h"
#include "store/check.h"
#include "store/mark.h"
#include "store/private.h"

static const int64_t T0 = 1700000000000;

/* ---- retention ---- */

static struct store_result retire(struct store *s, struct store_retire what)
{
	struct store_result r;
	struct store_set *set = rows_set(&r);

	store_set_retire(set, &what);
	assert_int_equal(rows_commit(s, set, &r), 0);
	return r;
}

static void add_events(struct store *s, unsigned count, int64_t at_ms)
{
	struct store_result r;
	struct store_set *set = rows_set(&r);
	struct store_event e = {
		.topic = "device/boot", .data = "", .device = "", .json = "{}", .at_ms = at_ms};

	while (count--)
		store_set_event(set, &e);
	assert_int_equal(rows_commit(s, set, &r), 0);
}

static uint64_t first(struct store *s)
{
	uint64_t seq = 0;

	assert_int_equal(store_events_first(s, &seq), 0);
	return seq;
}

static void test_old_events_go_from_the_oldest_on(void **state)
{
	struct store *s = *state;
	struct store_info info;

	assert_int_equal(first(s), 1); /* head 0 */
	add_events(s, 3, T0);
	add_events(s, 1, T0 + 5000); /* the clock was ahead, or is behind now */
	add_events(s, 2, T0);
	add_events(s, 2, T0 + 9000);
	assert_int_equal(retire(s, (struct store_retire){.events_before_ms = T0}).retired, 0);
	assert_int_equal(first(s), 1);
	/* up to the first one that is too young, and no hole behind it */
	assert_int_equal(retire(s, (struct store_retire){.events_before_ms = T0 + 1}).retired, 3);
	assert_int_equal(first(s), 4);
	assert_int_equal(retire(s, (struct store_retire){.events_before_ms = T0 + 6000}).retired,
			 3);
	assert_int_equal(first(s), 7);
	/* all: the head stays, and numbers go on */
	assert_int_equal(retire(s, (struct store_retire){.events_before_ms = INT64_MAX}).retired,
			 2);
	assert_int_equal(first(s), 9);
	store_info(s, &info);
	assert_int_equal(info.head, 8);
	add_events(s, 1, T0);
	assert_int_equal(first(s), 9);
}

static void test_more_events_than_may_be_go_in_steps(void **state)
{
	struct store *s = *state;
	const struct store_retire what = {.events_max = 10};

	add_events(s, LIMIT_RETIRE + 11, T0);
	struct store_result r = retire(s, what); /* one more than a step looks at */
	assert_int_equal(r.retired, LIMIT_RETIRE);
	assert_true(r.retire_more);
	r = retire(s, what);
	assert_int_equal(r.retired, 1);
	assert_false(r.retire_more);
	assert_int_equal(first(s), LIMIT_RETIRE + 2);
	r = retire(s, what);
	assert_int_equal(r.retired, 0);
	assert_false(r.retire_more);
}

/* A closed attempt of "dev" or another, with a diagnosis; its number. */
static uint64_t close_attempt(struct store *s, const char *device, uint64_t id, bool charged,
			      uint8_t image, int64_t closed_ms)
{
	const struct diagnoses why = {.count = 1};
	struct store_result r;
	struct attempt a;

	rows_attempt(0, device, &a);
	a.id = id;
	a.state = ATTEMPT_CLOSED;
	a.verdict = charged ? VERDICT_REVERTED : VERDICT_UPDATED;
	a.charged = charged;
	a.closed_ms = closed_ms;
	memset(a.sha256, image, sizeof(a.sha256));
	struct store_set *set = rows_set(&r);
	store_set_attempt(set, &a);
	store_set_diagnoses(set, id, &why);
	assert_int_equal(rows_commit(s, set, &r), 0);
	return (uint64_t)r.ids[0];
}

static bool kept(struct store *s, uint64_t id)
{
	struct diagnoses d = {.count = 9};
	struct attempt a;
	int err = store_attempt(s, id, &a);

	assert_int_equal(store_diagnoses(s, id, &d), 0);
	assert_int_equal(d.count, err ? 0 : 1); /* they go with it */
	return err == 0;
}

static void test_attempts_that_decide_stay(void **state)
{
	struct store *s = *state;
	const struct store_retire what = {.attempts_before_ms = T0 + 100};
	int64_t product = rows_add_product(s, 0);
	struct store_counts counts;
	struct release r;
	struct device d;
	struct attempt a;

	rows_release(1, product, &r);
	memset(r.sha256, 7, sizeof(r.sha256));
	assert_int_equal(rows_put_release(s, &r, NULL), 0);
	uint64_t forgiven = close_attempt(s, "dev", 100, true, 7, T0);
	(void)close_attempt(s, "dev", 101, true, 7, T0);	/* counts towards a hold */
	(void)close_attempt(s, "dev", 102, true, 8, T0);	/* its image is gone */
	(void)close_attempt(s, "dev", 103, false, 7, T0);	/* does not count */
	(void)close_attempt(s, "dev", 104, false, 8, T0);	/* the last one */
	(void)close_attempt(s, "dev", 105, true, 8, T0);	/* the last failed one */
	(void)close_attempt(s, "dev", 106, false, 8, T0 + 100); /* young */
	(void)close_attempt(s, "gone", 107, true, 7, T0);	/* nobody's */
	rows_attempt(1, "dev", &a);
	a.id = 108;
	assert_int_equal(rows_put_attempt(s, &a, NULL), 0); /* open */
	rows_device(0, product, &d);
	memset(d.id, 0, sizeof(d.id));
	strcpy(d.id, "dev");
	d.rev = 0;
	d.fail_mark = forgiven;
	d.last_attempt = 104;
	d.failed_attempt = 105;
	assert_int_equal(rows_put_device(s, &d), 0);

	struct store_result res = retire(s, what);
	assert_int_equal(res.retired, 4);
	assert_false(kept(s, 100));
	assert_true(kept(s, 101));
	assert_false(kept(s, 102));
	assert_false(kept(s, 103));
	assert_true(kept(s, 104));
	assert_true(kept(s, 105));
	assert_true(kept(s, 106));
	assert_false(kept(s, 107));
	assert_int_equal(store_attempt(s, 108, &a), 0);
	assert_int_equal(retire(s, what).retired, 0);
	/* what was counted stays counted */
	assert_int_equal(store_counts(s, &counts), 0);
	assert_int_equal(counts.failed, 5);
	assert_int_equal(counts.updated, 3);
}

static void test_attempts_go_in_steps_and_what_stays_is_passed(void **state)
{
	struct store *s = *state;
	const struct store_retire what = {.attempts_before_ms = T0 + 100};
	int64_t product = rows_add_product(s, 0);
	struct store_result res;
	struct release r;

	rows_release(1, product, &r);
	memset(r.sha256, 7, sizeof(r.sha256));
	assert_int_equal(rows_put_release(s, &r, NULL), 0);
	rows_add_device(s, 0, product, "dev");
	/* the oldest ones count and stay: one step passes them, the next one finds the other */
	for (unsigned i = 0; i < LIMIT_RETIRE; i++)
		(void)close_attempt(s, "dev", 1000 + i, true, 7, T0);
	(void)close_attempt(s, "dev", 9999, false, 7, T0);
	struct device d;
	assert_int_equal(store_device(s, "dev", &d), 0);
	d.fail_mark = 0;
	assert_int_equal(rows_put_device(s, &d), 0);
	res = retire(s, what);
	assert_int_equal(res.retired, 0);
	assert_true(res.retire_more);
	res = retire(s, what);
	assert_int_equal(res.retired, 1);
	assert_false(res.retire_more);
	assert_false(kept(s, 9999));
	assert_true(kept(s, 1000));
}

/* ---- the mark ---- */

static struct store *open_file(const char *path)
{
	static struct rows_hook none;

	return rows_open(path, true, &none);
}

/* What store_open() makes of the file; its stream and then its end. */
static enum store_restored opened(const char *path, char stream[33], bool settle)
{
	struct store *s = open_file(path);
	struct store_info info;
	struct store_result r;

	store_info(s, &info);
	memcpy(stream, info.stream, 33);
	if (settle) {
		struct store_set *set = rows_set(&r);
		store_set_restored(set, STORE_NOT_RESTORED);
		assert_int_equal(rows_commit(s, set, &r), 0);
	}
	store_close(s);
	return info.restored;
}

static void copy_file(const char *from, const char *to)
{
	static char block[1 << 20];
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ssize_t n = read(in, block, sizeof(block));
	assert_int_equal(write(out, block, (size_t)n), n);
	close(in);
	close(out);
}

static void test_an_older_copy_is_noticed_once(void **state)
{
	(void)state;
	char path[64], mark[80], one[33], two[33], three[33];
	struct store_info info;

	log_set_level(LOG_LEVEL_ERR);
	rows_tmp(path);
	snprintf(mark, sizeof(mark), "%s-mark", path);
	rows_make_base(path);
	assert_int_equal(opened(path, one, true), STORE_NOT_RESTORED);
	assert_int_equal(opened(path, two, false), STORE_NOT_RESTORED);
	assert_string_equal(one, two);
	copy_file(path, mark);					      /* aside, as it were */
	assert_int_equal(opened(path, two, false), STORE_NEW_STREAM); /* a mark that is none */
	assert_string_not_equal(one, two);
	/* not settled: it goes on where it was, and makes no third stream */
	assert_int_equal(opened(path, three, true), STORE_NEW_STREAM);
	assert_string_equal(two, three);
	assert_int_equal(opened(path, three, false), STORE_NOT_RESTORED);
	/* the mark is gone */
	assert_int_equal(unlink(mark), 0);
	struct store *s = open_file(path);
	store_info(s, &info);
	assert_int_equal(info.restored, STORE_NEW_STREAM);
	assert_string_equal(info.stream_before, three);
	assert_string_not_equal(info.stream, three);
	assert_int_equal(rows_assert_no_gaps(s), info.head); /* old events are in it */
	store_close(s);
	rows_tmp_remove(path);
}

static void test_the_mark_follows_each_commit_and_tells_streams_apart(void **state)
{
	(void)state;
	struct mark m;
	char path[64], stream[33];
	struct store_info info;

	log_set_level(LOG_LEVEL_ERR);
	rows_tmp(path);
	rows_make_base(path);
	assert_int_equal(mark_read(path, &m), 0);
	struct store *s = open_file(path);
	store_info(s, &info);
	assert_string_equal(m.stream, info.stream);
	assert_int_equal(m.head, info.head);
	uint64_t serial = m.serial;
	add_events(s, 1, T0);
	store_close(s);
	assert_int_equal(mark_read(path, &m), 0);
	assert_int_equal(m.serial, serial + 1);
	assert_int_equal(m.head, info.head + 1);

	int fd = -1;
	assert_int_equal(mark_open(path, &fd), 0);
	m.serial++; /* one commit that this database does not have */
	assert_int_equal(mark_write(fd, &m), 0);
	assert_int_equal(opened(path, stream, true), STORE_NEW_STREAM);
	assert_int_equal(mark_read(path, &m), 0);
	m.serial = 0;
	m.stream[0] ^= 1; /* of another database */
	assert_int_equal(mark_write(fd, &m), 0);
	assert_int_equal(opened(path, stream, true), STORE_NEW_STREAM);
	close(fd);
	rows_tmp_remove(path);
}

static void test_a_backup_knows_that_it_is_one(void **state)
{
	(void)state;
	char path[64], copy[64], stream[33], error[200];
	const struct store_backup b = {.from = path, .to = copy};

	log_set_level(LOG_LEVEL_ERR);
	rows_tmp(path);
	rows_tmp(copy);
	rows_make_base(path);
	close(open(copy, O_WRONLY | O_CREAT, 0600));
	assert_int_equal(store_backup(&b, error), 0);
	assert_int_equal(rename(copy, path), 0);
	assert_int_equal(opened(path, stream, false), STORE_NEW_STREAM);
	rows_tmp_remove(copy);
	rows_tmp_remove(path);
}

static void test_a_backup_can_be_stopped(void **state)
{
	(void)state;
	char path[64], copy[64], error[200];
	atomic_bool stop = true;
	const struct store_backup b = {.from = path, .to = copy, .stop = &stop};

	rows_tmp(path);
	rows_tmp(copy);
	rows_make_base(path);
	close(open(copy, O_WRONLY | O_CREAT, 0600));
	assert_int_equal(store_backup(&b, error), ERR_CLOSED);
	rows_tmp_remove(copy);
	rows_tmp_remove(path);
}

/* ---- the checker: each kind of damage is found, and nothing else ---- */

/* A device with an open attempt, and one that has ended well. */
static void make_sound(const char *path)
{
	struct store *s = open_file(path);
	int64_t product = rows_add_product(s, 0);
	struct store_result r;
	struct release rel;
	struct device d;
	struct attempt a;

	rows_release(3, product, &rel);
	assert_int_equal(rows_put_release(s, &rel, NULL), 0);
	for (unsigned i = 0; i < 2; i++) {
		const struct diagnoses why = {.count = i ? 0 : 1};
		struct store_set *set = rows_set(&r);
		struct store_event e = {.topic = "spark/flash/status",
					.data = "started",
					.device = i ? "open" : "done",
					.attempt = 50 + i,
					.json = "{}",
					.at_ms = T0};
		rows_device(i, product, &d);
		memset(d.id, 0, sizeof(d.id));
		strcpy(d.id, e.device);
		d.plain = true;
		d.certified = false;
		strcpy(d.protocol, "native");
		d.lock = d.planned = d.settled = d.disabled_ms = 0;
		d.attempt = i ? 51 : 0;
		d.last_attempt = i ? 0 : 50;
		d.failed_attempt = 0;
		store_set_device(set, &d);
		rows_attempt(i, e.device, &a);
		a.id = 50 + i;
		a.product = product;
		a.release = 1;
		memcpy(a.sha256, rel.sha256, sizeof(a.sha256));
		a.started = true;
		a.state = i ? ATTEMPT_APPLYING : ATTEMPT_CLOSED;
		a.verdict = i ? VERDICT_NONE : VERDICT_UPDATED;
		a.charged = false;
		a.via = VIA_OTA;
		a.required = a.evidence = EV_NEW_BOOT;
		a.closed_ms = i ? 0 : T0;
		a.stall_at_ms = i ? T0 + 1 : 0;
		a.total_at_ms = i ? T0 + 2 : 0;
		store_set_attempt(set, &a);
		store_set_diagnoses(set, a.id, &why);
		store_set_event(set, &e);
		e.data = "success";
		if (i == 0)
			store_set_event(set, &e);
		assert_int_equal(rows_commit(s, set, &r), 0);
	}
	store_close(s);
}

struct told {
	unsigned count;
	char text[4096];
};

static void on_finding(void *ctx, const struct store_finding *f)
{
	struct told *t = ctx;
	size_t len = strlen(t->text);

	t->count++;
	assert_true(f->where[0] && f->what[0] && f->todo[0]);
	snprintf(t->text + len, sizeof(t->text) - len, "%s: %s\n", f->where, f->what);
}

static unsigned check(const char *path, struct told *t)
{
	const struct store_check c = {.path = path, .alone = true, .finding = on_finding, .ctx = t};
	char error[200];
	unsigned problems = 0;

	*t = (struct told){.count = 0};
	int err = store_check(&c, &problems, error);
	if (err)
		fail_msg("%s: %s", err_text(err), error);
	return problems;
}

static void damage(const char *path, const char *sql)
{
	sqlite3 *db = NULL;
	char *error = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &error))
		fail_msg("%s: %s", sql, error);
	sqlite3_close(db);
}

/* A copy of the product, whatever columns there are. */
#define OTHER_PRODUCT                                                                              \
	"CREATE TEMP TABLE other AS SELECT * FROM product; "                                       \
	"UPDATE other SET id = 9, name = 'other', target = NULL; "                                 \
	"INSERT INTO product SELECT * FROM other; "

static void test_checker_finds_each_kind_of_damage(void **state)
{
	(void)state;
	static const struct {
		const char *sql, *told;
	} all[] = {
		{"DELETE FROM meta WHERE key = 'stream'", "no name of its event stream"},
		{"UPDATE meta SET value = 2 WHERE key = 'head'", "below the newest"},
		{"UPDATE meta SET value = 9 WHERE key = 'head'", "newest events are missing"},
		{"UPDATE meta SET value = 0 WHERE key = 'updated'", "fewer attempts are counted"},
		{"DELETE FROM event WHERE seq = 2", "event 2: it is missing"},
		{"DELETE FROM event WHERE seq = 2", "attempt 50: its start was told, it is not"},
		{"UPDATE event SET attempt = 50 WHERE seq = 3", "started was told more than once"},
		{"UPDATE event SET attempt = 50 WHERE seq = 3",
		 "attempt 51 of open: it has started"},
		{"UPDATE event SET data = 'failed' WHERE seq = 1",
		 "failed was told more than once"},
		{"UPDATE event SET data = 'failed' WHERE seq = 1",
		 "its end was told and its start"},
		{"UPDATE event SET seq = 7 WHERE seq = 1; UPDATE event SET seq = 1 WHERE seq = 2; "
		 "UPDATE event SET seq = 2 WHERE seq = 7",
		 "its end was told before its start"},
		{"UPDATE event SET attempt = 51, device = 'open' WHERE seq = 2",
		 "attempt 51: its end was told and it is still open"},
		{"UPDATE event SET data = 'failed' WHERE seq = 2", "differ about whether"},
		{"UPDATE event SET topic = 'x' WHERE seq = 2",
		 "it is closed and no event tells so"},
		{"UPDATE attempt SET closed_ms = 1 WHERE id = 51", "it is open and has a verdict"},
		{"UPDATE attempt SET deadline_at_ms = 0 WHERE id = 51", "the earlier of its two"},
		{"UPDATE attempt SET closed_ms = 0 WHERE id = 50",
		 "it is closed and has no verdict"},
		{"UPDATE attempt SET stall_at_ms = 5 WHERE id = 50", "still has a deadline"},
		{"UPDATE attempt SET charged = 1 WHERE id = 50", "never charged"},
		{"DROP INDEX attempt_open; UPDATE attempt SET state = 'applying', device = 'open', "
		 "verdict = 'none' WHERE id = 50",
		 "device open: it has more than one"},
		{"UPDATE device SET attempt = 0 WHERE id = 'open'",
		 "its device does not know of it"},
		{"UPDATE attempt SET release = 77 WHERE id = 51", "its release is missing"},
		{"UPDATE device SET attempt = 3 WHERE id = 'done'",
		 "device done: its open attempt"},
		{"UPDATE device SET last_attempt = 51 WHERE id = 'done'", "its last attempt is"},
		{"UPDATE device SET failed_attempt = 9 WHERE id = 'done'",
		 "its last failed attempt"},
		{"UPDATE attempt SET evidence = '' WHERE id = 50", "without all of the required"},
		{"UPDATE attempt SET state = 'lost' WHERE id = 51",
		 "attempt 51 of open: the row holds"},
		{"UPDATE device SET hold = 'x' WHERE id = 'done'", "device done: the row holds"},
		{"UPDATE device SET disabled_ms = 1 WHERE id = 'open'",
		 "device open: it is disabled, and online or in an attempt"},
		{"UPDATE device SET disabled_ms = 1, online = 1 WHERE id = 'done'",
		 "device done: it is disabled"},
		{"UPDATE diagnosis SET kind = 'x'", "attempt 50: a diagnosis of it"},
		{"UPDATE release_digest SET value = zeroblob(65)", "a digest of it cannot be read"},
		{"INSERT INTO diagnosis VALUES (77, 0, 'cached-image', '')", "table diagnosis"},
		{OTHER_PRODUCT "UPDATE product SET target = 1 WHERE id = 9",
		 "product other: its target is another product's"},
		{OTHER_PRODUCT "INSERT INTO device_group (id, rev, product, name, target, "
			       "created_ms) VALUES (3, 1, 9, 'pilot', 1, 0)",
		 "group pilot: its target is another product's"},
		{"INSERT INTO audit SELECT 1, 1, 'a', 'b', 'c', '', '', x'00'; INSERT INTO audit "
		 "SELECT 3, 1, 'a', 'b', 'c', '', '', x'00'",
		 "audit entry 2: it is missing"},
	};
	struct told t;
	char path[64];

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		rows_tmp(path);
		make_sound(path);
		if (check(path, &t))
			fail_msg("sound, and told:\n%s", t.text);
		damage(path, all[i].sql);
		if (!check(path, &t) || !strstr(t.text, all[i].told))
			fail_msg("%s: told is not \"%s\" but:\n%s", all[i].sql, all[i].told,
				 t.text);
		rows_tmp_remove(path);
	}
}

static void test_checker_finds_bytes_that_were_overwritten(void **state)
{
	(void)state;
	struct told t;
	char path[64];

	rows_tmp(path);
	make_sound(path);
	int fd = open(path, O_WRONLY);
	for (int page = 4; page < 20; page++)
		assert_int_equal(pwrite(fd, "rubbish, rubbish", 16, page * 4096 + 8), 16);
	close(fd);
	assert_true(check(path, &t) > 0);
	rows_tmp_remove(path);
}

static void test_checker_tells_so_many_of_a_kind_and_counts_all(void **state)
{
	(void)state;
	struct told t;
	char path[64];

	rows_tmp(path);
	struct store *s = open_file(path);
	add_events(s, 2 * (STORE_CHECK_TOLD + 1) + 1, T0);
	store_close(s);
	damage(path, "DELETE FROM event WHERE seq % 2 = 0");
	assert_int_equal(check(path, &t), STORE_CHECK_TOLD + 1);
	assert_int_equal(t.count, STORE_CHECK_TOLD);
	rows_tmp_remove(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_old_events_go_from_the_oldest_on, rows_setup,
						rows_teardown),
		cmocka_unit_test_setup_teardown(test_more_events_than_may_be_go_in_steps,
						rows_setup, rows_teardown),
		cmocka_unit_test_setup_teardown(test_attempts_that_decide_stay, rows_setup,
						rows_teardown),
		cmocka_unit_test_setup_teardown(test_attempts_go_in_steps_and_what_stays_is_passed,
						rows_setup, rows_teardown),
		cmocka_unit_test(test_an_older_copy_is_noticed_once),
		cmocka_unit_test(test_the_mark_follows_each_commit_and_tells_streams_apart),
		cmocka_unit_test(test_a_backup_knows_that_it_is_one),
		cmocka_unit_test(test_a_backup_can_be_stopped),
		cmocka_unit_test(test_checker_finds_each_kind_of_damage),
		cmocka_unit_test(test_checker_finds_bytes_that_were_overwritten),
		cmocka_unit_test(test_checker_tells_so_many_of_a_kind_and_counts_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
