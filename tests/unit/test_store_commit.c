/* SPDX-License-Identifier: Apache-2.0
 *
 * Group commit and the thread. */
#include "store_rows.h"

/* ---- group commit ---- */

static void test_bad_set_does_not_take_others_with_it(void **state)
{
	(void)state;
	sem_t gate, entered;
	sem_init(&gate, 0, 0);
	sem_init(&entered, 0, 0);
	struct rows_hook h = {.gate = &gate, .entered = &entered};
	struct store *s = rows_open(":memory:", false, &h);
	struct store_result r[6];
	struct store_set *set;
	struct store_stats stats;
	struct product p;

	store_submit(s, rows_event_set(&r[0], 1)); /* keeps the thread in its first batch */
	sem_wait(&entered);
	store_submit(s, rows_event_set(&r[1], 2));
	set = rows_event_set(&r[2], 2); /* fails after its events were numbered */
	store_set_device_delete(set, "nobody", 1);
	store_submit(s, set);
	store_submit(s, rows_event_set(&r[3], 1));
	rows_product(0, &p);
	set = rows_event_set(&r[4], 1);
	p.name[0] = 'x';
	store_set_product(set, &p);
	p.rev = 9;
	store_set_product(set, &p);
	store_submit(s, set);
	store_submit(s, rows_event_set(&r[5], 3));
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
	assert_int_equal(rows_assert_no_gaps(s), 7);
	assert_int_equal(store_product_by_name(s, p.name, &p), ERR_NOENT);
	assert_int_equal(store_deliver(s), 0);
	store_close(s);
	sem_destroy(&gate);
	sem_destroy(&entered);
}

/* Three sets in one transaction with a fault at operation n of it; whether there was one. */
static bool fault_in_batch(unsigned long n)
{
	enum { FIRST_BATCH = 7 }; /* BEGIN, SAVEPOINT, event, RELEASE, head, serial, COMMIT */
	sem_t gate, entered;
	sem_init(&gate, 0, 0);
	sem_init(&entered, 0, 0);
	struct rows_hook h = {
		.gate = &gate, .entered = &entered, .at = FIRST_BATCH + n, .err = ERR_FULL};
	struct store *s = rows_open(":memory:", false, &h);
	struct store_result r[4], after;
	uint64_t want = 2;
	bool failed = false;

	store_submit(s, rows_event_set(&r[0], 1));
	sem_wait(&entered);
	for (unsigned i = 1; i < 4; i++)
		store_submit(s, rows_event_set(&r[i], i));
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
	assert_int_equal(rows_commit(s, rows_event_set(&after, 1), &after), 0);
	assert_int_equal(after.first_event, want);
	assert_int_equal(rows_assert_no_gaps(s), want);
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
	/* BEGIN, savepoints, events, head, serial, COMMIT, and one that did not fail */
	assert_int_equal(n, 1 + 2 * 3 + 6 + 2 + 1 + 1);
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
	assert_int_equal(rows_assert_no_gaps(s), SETS - SETS / 10);
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
	struct rows_hook none = {0};
	struct waker w = {0};
	char path[64];

	rows_tmp(path);
	struct store *s = rows_open(path, false, &none);
	for (unsigned i = 0; i < 100; i++) {
		struct store_set *set = store_set_new(on_done, &w);
		rows_add_event(set, "", "{}");
		store_submit(s, set);
	}
	store_close(s);
	assert_int_equal(w.done, 0); /* nobody is called who may be gone */
	s = rows_open(path, true, &none);
	assert_int_equal(rows_assert_no_gaps(s), 100);
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
	assert_int_equal(rows_assert_no_gaps(s), 2);
}

static void test_reads_during_a_batch_see_what_was_before(void **state)
{
	(void)state;
	sem_t gate, entered;
	sem_init(&gate, 0, 0);
	sem_init(&entered, 0, 0);
	struct rows_hook h = {0};
	char path[64];
	struct store_result r;

	rows_tmp(path);
	rows_make_base(path);
	h.gate = &gate;
	h.entered = &entered;
	struct store *s = rows_open(path, false, &h);
	store_submit(s, rows_event_set(&r, 5));
	assert_int_equal(rows_assert_no_gaps(s), 2);
	sem_post(&gate);
	store_flush(s);
	assert_int_equal(r.err, 1); /* not delivered yet */
	assert_int_equal(store_deliver(s), 1);
	assert_int_equal(r.err, 0);
	assert_int_equal(rows_assert_no_gaps(s), 7);
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
		cmocka_unit_test(test_thread_wakes_and_delivers_in_order),
		cmocka_unit_test(test_close_commits_what_was_submitted),
		cmocka_unit_test_setup_teardown(test_done_may_submit, rows_setup, rows_teardown),
		cmocka_unit_test(test_reads_during_a_batch_see_what_was_before),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
