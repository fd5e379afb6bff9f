/* SPDX-License-Identifier: Apache-2.0
 *
 * Group commit, the thread, and what is left after a fault at each operation. */
#include "store_rows.h"

#include <pthread.h>
#include <semaphore.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/private.h"

/* ---- hooks ---- */

/* Fails (or ends the process at) one operation; or waits at the first. */
struct hook {
	unsigned long at; /* 0: never */
	int err;	  /* 0: _exit(0), as kill -9 would */
	sem_t *gate;	  /* posted when the first operation may go on */
	sem_t *entered;	  /* posted when it waits */
};

static int hook(void *ctx, unsigned long operation)
{
	struct hook *h = ctx;

	if (h->gate && operation == 1) {
		sem_post(h->entered);
		sem_wait(h->gate);
	}
	if (operation != h->at)
		return 0;
	if (!h->err)
		_exit(0);
	return h->err;
}

static struct store *open_with(const char *path, bool inline_commit, struct hook *h)
{
	struct store_conf conf = {
		.path = path, .inline_commit = inline_commit, .fault = hook, .fault_ctx = h};
	struct store *s = NULL;

	assert_int_equal(store_open(&conf, &s), 0);
	return s;
}

/* ---- the events are 1..head, and nothing else ---- */

struct order {
	uint64_t next;
};

static bool in_order(void *ctx, const struct store_event_row *e)
{
	struct order *order = ctx;

	assert_int_equal(e->seq, order->next);
	order->next++;
	return true;
}

static uint64_t assert_no_gaps(struct store *s)
{
	struct order order = {1};
	struct store_info info;

	assert_int_equal(store_events(s, 0, "", 100000, in_order, &order), 0);
	store_info(s, &info);
	assert_int_equal(info.head, order.next - 1);
	return info.head;
}

/* ---- group commit ---- */

static struct store_set *event_set(struct store_result *result, unsigned events)
{
	struct store_set *set = rows_set(result);

	while (events--)
		rows_add_event(set, "dev", "{}");
	return set;
}

static void test_bad_set_does_not_take_others_with_it(void **state)
{
	(void)state;
	sem_t gate, entered;
	sem_init(&gate, 0, 0);
	sem_init(&entered, 0, 0);
	struct hook h = {.gate = &gate, .entered = &entered};
	struct store *s = open_with(":memory:", false, &h);
	struct store_result r[6];
	struct store_set *set;
	struct store_stats stats;
	struct product p;

	store_submit(s, event_set(&r[0], 1)); /* keeps the thread in its first batch */
	sem_wait(&entered);
	store_submit(s, event_set(&r[1], 2));
	set = event_set(&r[2], 2); /* fails after its events were numbered */
	store_set_device_delete(set, "nobody", 1);
	store_submit(s, set);
	store_submit(s, event_set(&r[3], 1));
	rows_product(0, &p);
	set = event_set(&r[4], 1);
	p.name[0] = 'x';
	store_set_product(set, &p);
	p.rev = 9;
	store_set_product(set, &p);
	store_submit(s, set);
	store_submit(s, event_set(&r[5], 3));
	assert_int_equal(store_deliver(s), 0);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(r[i].err, 1);
	sem_post(&gate);
	store_flush(s);
	assert_int_equal(store_deliver(s), 6);

	const int errs[6] = {0, 0, ERR_CONFLICT, 0, ERR_CONFLICT, 0};
	const uint64_t firsts[6] = {1, 2, 0, 4, 0, 5};
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(r[i].err, errs[i]);
		assert_int_equal(r[i].first_event, firsts[i]);
		assert_int_equal(r[i].id_count, 0);
	}
	store_stats(s, &stats);
	assert_int_equal(stats.sets, 6);
	assert_int_equal(stats.failed_sets, 2);
	assert_int_equal(stats.commits, 2);
	assert_int_equal(assert_no_gaps(s), 7);
	assert_int_equal(store_product_by_name(s, p.name, &p), ERR_NOENT);
	assert_int_equal(store_deliver(s), 0);
	store_close(s);
	sem_destroy(&gate);
	sem_destroy(&entered);
}

/* Three sets in one transaction with a fault at operation n of it; whether there was one. */
static bool fault_in_batch(unsigned long n)
{
	enum { FIRST_BATCH = 6 }; /* BEGIN, SAVEPOINT, event, RELEASE, head, COMMIT */
	sem_t gate, entered;
	sem_init(&gate, 0, 0);
	sem_init(&entered, 0, 0);
	struct hook h = {
		.gate = &gate, .entered = &entered, .at = FIRST_BATCH + n, .err = ERR_FULL};
	struct store *s = open_with(":memory:", false, &h);
	struct store_result r[4], after;
	uint64_t want = 2;
	bool failed = false;

	store_submit(s, event_set(&r[0], 1));
	sem_wait(&entered);
	for (unsigned i = 1; i < 4; i++)
		store_submit(s, event_set(&r[i], i));
	sem_post(&gate);
	store_flush(s);
	assert_int_equal(store_deliver(s), 4);
	assert_int_equal(r[0].err, 0);
	for (unsigned i = 1; i < 4; i++) {
		if (r[i].err) {
			assert_int_equal(r[i].err, ERR_FULL);
			assert_int_equal(r[i].first_event, 0);
			failed = true;
		} else {
			assert_int_equal(r[i].first_event, want);
			assert_int_equal(r[i].event_count, i);
			want += i;
		}
	}
	h.at = 0;
	/* the numbers that were taken back are given again */
	assert_int_equal(rows_commit(s, event_set(&after, 1), &after), 0);
	assert_int_equal(after.first_event, want);
	assert_int_equal(assert_no_gaps(s), want);
	store_close(s);
	sem_destroy(&gate);
	sem_destroy(&entered);
	return failed;
}

static void test_fault_in_a_batch_leaves_no_gap(void **state)
{
	(void)state;
	unsigned long n = 1;

	while (fault_in_batch(n))
		n++;
	assert_int_equal(n, 1 + 2 * 3 + 6 + 2 + 1); /* BEGIN, savepoints, events, head, COMMIT */
}

/* ---- every operation of every kind of set ---- */

static void base(struct store *s)
{
	int64_t product = rows_add_product(s, 0);
	struct store_result result;
	struct release r;
	struct attempt a;

	for (unsigned i = 0; i < 2; i++) {
		rows_release(3 + i, product, &r);
		assert_int_equal(rows_put_release(s, &r, NULL), 0);
	}
	rows_add_device(s, 0, product, "dev");
	rows_attempt(0, "dev", &a);
	assert_int_equal(rows_put_attempt(s, &a, NULL), 0);
	assert_int_equal(rows_commit(s, event_set(&result, 2), &result), 0);
}

static void change_product(struct store_set *set)
{
	struct product p;

	rows_product(1, &p);
	store_set_product(set, &p);
	p.id = p.rev = 1;
	p.name[0] ^= 1;
	store_set_product(set, &p);
}

static void change_release(struct store_set *set)
{
	struct release r;

	rows_release(2, 1, &r);
	store_set_release(set, &r);
	store_set_release_delete(set, 2);
}

static void change_device(struct store_set *set)
{
	struct device d;

	rows_device(2, 1, &d);
	store_set_device(set, &d);
	rows_device(3, 1, &d);
	memset(d.id, 0, sizeof(d.id));
	strcpy(d.id, "dev");
	d.rev = 1;
	store_set_device(set, &d);
	store_set_device_delete(set, "dev", 2);
}

static void change_attempt(struct store_set *set)
{
	struct diagnoses diagnoses = {.count = 3};
	struct attempt a;

	rows_attempt(0, "dev", &a);
	a.number = 1;
	a.state = ATTEMPT_CLOSED;
	store_set_attempt(set, &a);
	store_set_diagnoses(set, a.id, &diagnoses);
	rows_attempt(1, "dev", &a);
	store_set_attempt(set, &a);
}

static void change_small(struct store_set *set)
{
	store_set_seen(set, "dev", 1, 2);
	store_set_alive(set, 3);
}

static void (*const changes[])(struct store_set *set) = {
	change_product, change_release, change_device, change_attempt, change_small,
};
enum { CHANGE_COUNT = sizeof(changes) / sizeof(changes[0]) };

static struct store_set *change_set(struct store_result *result, unsigned kind)
{
	struct store_set *set = event_set(result, 1);

	changes[kind](set);
	rows_add_event(set, "", "{}");
	return set;
}

static uint64_t hash(uint64_t h, const void *ptr, int len)
{
	for (int i = 0; i < len; i++)
		h = (h ^ ((const uint8_t *)ptr)[i]) * 1099511628211U;
	return (h ^ 0xff) * 1099511628211U;
}

static uint64_t hash_table(sqlite3 *db, const char *table, uint64_t h)
{
	sqlite3_stmt *stmt = NULL;
	char sql[128];

	snprintf(sql, sizeof(sql), "SELECT * FROM \"%s\"", table);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW)
		for (int i = 0; i < sqlite3_column_count(stmt); i++) {
			const void *blob = sqlite3_column_blob(stmt, i);
			h = hash(h, blob, sqlite3_column_bytes(stmt, i));
		}
	sqlite3_finalize(stmt);
	return h;
}

/* Of all rows of all tables; also that sqlite finds nothing wrong. */
static uint64_t fingerprint(const char *path)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *stmt = NULL;
	uint64_t h = 14695981039346656037U;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &stmt, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(stmt, 0), "ok");
	sqlite3_finalize(stmt);
	assert_int_equal(sqlite3_prepare_v2(db,
					    "SELECT name FROM sqlite_schema WHERE type = 'table'",
					    -1, &stmt, NULL),
			 SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW)
		h = hash_table(db, (const char *)sqlite3_column_text(stmt, 0), h);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return h;
}

static void make_base(const char *path)
{
	struct hook none = {0};
	struct store *s = open_with(path, true, &none);

	base(s);
	store_close(s);
}

/* The store fails at operation n and goes on; whether there was such an operation. */
static bool fault_at(unsigned kind, unsigned long n)
{
	struct hook h = {.at = n, .err = n % 2 ? ERR_FULL : ERR_IO};
	struct store_result result, after;
	char path[64];

	rows_tmp(path);
	make_base(path);
	uint64_t before = fingerprint(path);
	struct store *s = open_with(path, true, &h);
	int err = rows_commit(s, change_set(&result, kind), &result);
	assert_int_equal(err, err ? h.err : 0);
	assert_int_equal(assert_no_gaps(s), err ? 2 : 4);
	assert_true((fingerprint(path) == before) == (err != 0));
	if (err) { /* it works once the fault is over */
		assert_int_equal(rows_commit(s, change_set(&after, kind), &after), 0);
		assert_int_equal(after.first_event, 3);
	}
	store_close(s);
	s = open_with(path, true, &h);
	assert_int_equal(assert_no_gaps(s), 4);
	store_close(s);
	rows_tmp_remove(path);
	return err != 0;
}

static void test_fault_at_each_operation_leaves_all_or_nothing(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < CHANGE_COUNT; kind++) {
		unsigned long n = 1;
		while (fault_at(kind, n))
			n++;
		assert_true(n > 8);
	}
}

/* The process dies at operation n; whether it did. */
static bool crash_at(unsigned kind, unsigned long n)
{
	struct hook h = {.at = n}, none = {0};
	struct store_result result;
	char path[64];
	int status = 0;

	rows_tmp(path);
	make_base(path);
	uint64_t before = fingerprint(path);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct store *s = open_with(path, true, &h);
		store_submit(s, change_set(&result, kind));
		_exit(7); /* committed, and not closed */
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	bool died = WEXITSTATUS(status) == 0;
	struct store *s = open_with(path, true, &none);
	assert_int_equal(assert_no_gaps(s), died ? 2 : 4);
	assert_true((fingerprint(path) == before) == died);
	if (died)
		assert_int_equal(rows_commit(s, change_set(&result, kind), &result), 0);
	assert_int_equal(assert_no_gaps(s), 4);
	store_close(s);
	rows_tmp_remove(path);
	return died;
}

static void test_crash_at_each_operation_leaves_all_or_nothing(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < CHANGE_COUNT; kind++) {
		unsigned long n = 1;
		while (crash_at(kind, n))
			n++;
		assert_true(n > 8);
	}
}

/* ---- a disk that is full ---- */

static void limit_pages(struct store *s, long long more)
{
	long long pages = 0;
	char sql[64];

	assert_int_equal(db_query_number(&s->writer, "PRAGMA page_count", &pages), 0);
	snprintf(sql, sizeof(sql), "PRAGMA max_page_count = %lld", pages + more);
	assert_int_equal(db_exec(&s->writer, sql), 0);
}

static void test_full_disk_is_an_error_of_the_set_and_passes(void **state)
{
	(void)state;
	static char json[20000];
	struct hook none = {0};
	struct store_result r;
	char path[64];
	uint64_t head = 2;

	memset(json, 'x', sizeof(json) - 1);
	rows_tmp(path);
	make_base(path);
	struct store *s = open_with(path, true, &none);
	limit_pages(s, 8);
	for (unsigned i = 0; i < 4; i++) { /* two fit into what is left, then none */
		struct store_set *set = event_set(&r, 1);
		rows_add_event(set, "dev", i % 2 ? "{}" : json);
		int err = rows_commit(s, set, &r);
		assert_true(err == 0 || err == ERR_FULL);
		assert_int_equal(err, i == 2 ? ERR_FULL : 0);
		head += err ? 0 : 2;
		assert_int_equal(assert_no_gaps(s), head);
	}
	assert_non_null(strstr(store_error(s), "full"));
	limit_pages(s, 100);
	struct store_set *set = event_set(&r, 1);
	rows_add_event(set, "dev", json);
	assert_int_equal(rows_commit(s, set, &r), 0);
	assert_int_equal(assert_no_gaps(s), head + 2);
	store_close(s);
	fingerprint(path); /* sqlite finds nothing wrong */
	rows_tmp_remove(path);
}

/* ---- the thread ---- */

struct waker {
	sem_t sem;
	unsigned done, failed;
	uint64_t last_event;
};

static void on_wake(void *ctx)
{
	struct waker *w = ctx;

	sem_post(&w->sem);
}

static void on_done(void *ctx, const struct store_result *result)
{
	struct waker *w = ctx;

	w->done++;
	w->failed += result->err != 0;
	if (result->first_event) { /* in the order of submission */
		assert_true(result->first_event > w->last_event);
		w->last_event = result->first_event;
	}
}

static void submit_many(const char *path)
{
	enum { SETS = 3000 };
	struct waker w = {0};
	struct store_conf conf = {.path = path, .wake = on_wake, .wake_ctx = &w};
	struct store *s = NULL;
	struct store_stats stats;

	sem_init(&w.sem, 0, 0);
	assert_int_equal(store_open(&conf, &s), 0);
	int64_t product = rows_add_product(s, 0);
	rows_add_device(s, 0, product, "dev");
	for (unsigned i = 0; i < SETS; i++) {
		struct store_set *set = store_set_new(on_done, &w);
		struct product p;
		rows_add_event(set, "dev", "{\"n\":1}");
		store_set_seen(set, "dev", i, i + 1);
		if (i % 10 == 0)
			store_set_device_delete(set, "nobody", 1);
		store_submit(s, set);
		if (i % 16 == 0)
			assert_int_equal(store_product(s, product, &p), 0);
		if (i % 64 == 0)
			store_deliver(s);
	}
	while (w.done < SETS) {
		sem_wait(&w.sem);
		store_deliver(s);
	}
	assert_int_equal(w.failed, SETS / 10);
	struct device d;
	assert_int_equal(store_device(s, "dev", &d), 0); /* delivered is visible */
	assert_int_equal(d.seen_ms, SETS - 1);
	assert_int_equal(assert_no_gaps(s), SETS - SETS / 10);
	store_stats(s, &stats);
	assert_int_equal(stats.sets, SETS + 2);
	assert_true(stats.commits < stats.sets);
	store_close(s);
	sem_destroy(&w.sem);
}

static void test_thread_wakes_and_delivers_in_order(void **state)
{
	(void)state;
	char path[64];

	submit_many(":memory:");
	rows_tmp(path);
	submit_many(path);
	rows_tmp_remove(path);
}

static void test_close_commits_what_was_submitted(void **state)
{
	(void)state;
	struct hook none = {0};
	struct waker w = {0};
	char path[64];

	rows_tmp(path);
	struct store *s = open_with(path, false, &none);
	for (unsigned i = 0; i < 100; i++) {
		struct store_set *set = store_set_new(on_done, &w);
		rows_add_event(set, "", "{}");
		store_submit(s, set);
	}
	store_close(s);
	assert_int_equal(w.done, 0); /* nobody is called who may be gone */
	s = open_with(path, true, &none);
	assert_int_equal(assert_no_gaps(s), 100);
	store_close(s);
	rows_tmp_remove(path);
}

static void submit_again(void *ctx, const struct store_result *result)
{
	struct store *s = ctx;
	struct store_set *set = store_set_new(NULL, NULL);

	assert_int_equal(result->err, 0);
	rows_add_event(set, "", "{}");
	store_submit(s, set);
}

static void test_done_may_submit(void **state)
{
	struct store *s = *state;
	struct store_set *set = store_set_new(submit_again, s);

	rows_add_event(set, "", "{}");
	store_submit(s, set);
	assert_int_equal(store_deliver(s), 1);
	assert_int_equal(store_deliver(s), 1);
	assert_int_equal(store_deliver(s), 0);
	assert_int_equal(assert_no_gaps(s), 2);
}

static void test_reads_during_a_batch_see_what_was_before(void **state)
{
	(void)state;
	sem_t gate, entered;
	sem_init(&gate, 0, 0);
	sem_init(&entered, 0, 0);
	struct hook h = {0};
	char path[64];
	struct store_result r;

	rows_tmp(path);
	make_base(path);
	h.gate = &gate;
	h.entered = &entered;
	struct store *s = open_with(path, false, &h);
	store_submit(s, event_set(&r, 5));
	assert_int_equal(assert_no_gaps(s), 2);
	sem_post(&gate);
	store_flush(s);
	assert_int_equal(r.err, 1); /* not delivered yet */
	assert_int_equal(store_deliver(s), 1);
	assert_int_equal(r.err, 0);
	assert_int_equal(assert_no_gaps(s), 7);
	store_close(s);
	rows_tmp_remove(path);
	sem_destroy(&gate);
	sem_destroy(&entered);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_set_does_not_take_others_with_it),
		cmocka_unit_test(test_fault_in_a_batch_leaves_no_gap),
		cmocka_unit_test(test_fault_at_each_operation_leaves_all_or_nothing),
		cmocka_unit_test(test_crash_at_each_operation_leaves_all_or_nothing),
		cmocka_unit_test(test_full_disk_is_an_error_of_the_set_and_passes),
		cmocka_unit_test(test_thread_wakes_and_delivers_in_order),
		cmocka_unit_test(test_close_commits_what_was_submitted),
		cmocka_unit_test_setup_teardown(test_done_may_submit, rows_setup, rows_teardown),
		cmocka_unit_test(test_reads_during_a_batch_see_what_was_before),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
