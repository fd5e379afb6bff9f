/* SPDX-License-Identifier: Apache-2.0
 *
 * What the store refuses, and what it works out: revisions, I3, I4, references, keys, history. */
#include "store_rows.h"

static int64_t add_release(struct store *s, unsigned seed, int64_t product)
{
	struct release r;
	int64_t id = 0;

	rows_release(seed, product, &r);
	assert_int_equal(rows_put_release(s, &r, &id), 0);
	return id;
}

static void test_nothing_found_is_noent_and_leaves_ret_alone(void **state)
{
	struct store *s = *state;
	struct device d = {.rev = 77};
	struct product p = {.rev = 77};
	struct release r = {.id = 77};
	struct attempt a = {.number = 77};

	assert_int_equal(store_device(s, "nobody", &d), ERR_NOENT);
	assert_int_equal(store_product(s, 1, &p), ERR_NOENT);
	assert_int_equal(store_product_by_name(s, "nothing", &p), ERR_NOENT);
	assert_int_equal(store_release(s, 1, &r), ERR_NOENT);
	assert_int_equal(store_release_by_version(s, 1, "1", &r), ERR_NOENT);
	assert_int_equal(store_attempt(s, 1, &a), ERR_NOENT);
	assert_int_equal(store_attempt(s, UINT64_MAX, &a), ERR_NOENT);
	assert_true(d.rev == 77 && p.rev == 77 && r.id == 77 && a.number == 77);
}

static void test_device_with_old_rev_is_conflict(void **state)
{
	struct store *s = *state;
	int64_t product = rows_add_product(s, 0);
	struct device d, got;

	rows_device(0, product, &d);
	assert_int_equal(rows_put_device(s, &d), 0);
	assert_int_equal(rows_put_device(s, &d), ERR_EXIST); /* rev 0 inserts */
	assert_non_null(strstr(store_error(s), "device"));
	d.rev = 2;
	assert_int_equal(rows_put_device(s, &d), ERR_CONFLICT);
	d.rev = 1;
	d.resets = 5;
	assert_int_equal(rows_put_device(s, &d), 0);
	assert_int_equal(rows_put_device(s, &d), ERR_CONFLICT);
	assert_int_equal(store_device(s, d.id, &got), 0);
	assert_int_equal(got.rev, 2);
	assert_int_equal(got.resets, 5);
}

static void test_product_with_old_rev_is_conflict(void **state)
{
	struct store *s = *state;
	struct product p, got;

	rows_product(0, &p);
	assert_int_equal(rows_put_product(s, &p, &p.id), 0);
	assert_int_equal(rows_put_product(s, &p, NULL), ERR_EXIST); /* the name */
	p.rev = 1;
	p.policy.max_reverts = 9;
	assert_int_equal(rows_put_product(s, &p, NULL), 0);
	assert_int_equal(rows_put_product(s, &p, NULL), ERR_CONFLICT);
	assert_int_equal(store_product(s, p.id, &got), 0);
	assert_int_equal(got.rev, 2);
	assert_int_equal(got.policy.max_reverts, 9);
}

static void test_release_version_is_unique_in_product(void **state)
{
	struct store *s = *state;
	int64_t one = rows_add_product(s, 0), two = rows_add_product(s, 1);
	struct release r;

	rows_release(2, one, &r);
	assert_int_equal(rows_put_release(s, &r, NULL), 0);
	assert_int_equal(rows_put_release(s, &r, NULL), ERR_EXIST);
	r.product = two;
	assert_int_equal(rows_put_release(s, &r, NULL), 0);
	r.product = 99;
	assert_int_equal(rows_put_release(s, &r, NULL), ERR_INVAL);
}

static void test_release_with_a_digest_kind_twice_leaves_nothing(void **state)
{
	struct store *s = *state;
	int64_t product = rows_add_product(s, 0);
	struct release r;

	rows_release(4, product, &r);
	assert_int_equal(r.running_count, LIMIT_DIGEST_KINDS);
	r.running[1].kind = r.running[0].kind;
	assert_int_equal(rows_put_release(s, &r, NULL), ERR_EXIST);
	assert_int_equal(store_release_by_version(s, product, r.version, &r), ERR_NOENT);
	r.running_count = LIMIT_DIGEST_KINDS + 1;
	assert_int_equal(rows_put_release(s, &r, NULL), ERR_INVAL);
}

static void test_values_out_of_range_are_refused(void **state)
{
	struct store *s = *state;
	int64_t product = rows_add_product(s, 0);
	struct device d;
	struct attempt a;
	struct product p;

	rows_product(1, &p);
	p.policy.max_reverts = 0;
	assert_int_equal(rows_put_product(s, &p, NULL), ERR_RANGE);
	rows_device(0, product, &d);
	d.boots.count = LIMIT_BOOTS_KEPT + 1;
	assert_int_equal(rows_put_device(s, &d), ERR_INVAL);
	rows_device(0, product, &d);
	d.boots.slot[0].id.len = LIMIT_BOOT_ID + 1;
	assert_int_equal(rows_put_device(s, &d), ERR_INVAL);
	rows_device(0, product, &d);
	d.hold = HOLD_RESTARTS + 1;
	assert_int_equal(rows_put_device(s, &d), ERR_INVAL);
	rows_device(0, product, &d);
	d.attempt = (uint64_t)INT64_MAX + 1;
	assert_int_equal(rows_put_device(s, &d), ERR_RANGE);
	rows_attempt(0, "x", &a);
	a.required = 32;
	assert_int_equal(rows_put_attempt(s, &a, NULL), ERR_INVAL);
}

/* I3 */
static void test_second_open_attempt_of_a_device_is_exist(void **state)
{
	struct store *s = *state;
	struct attempt a, b;
	int64_t number = 0;

	rows_attempt(0, "dev", &a);
	rows_attempt(1, "dev", &b);
	assert_int_equal(rows_put_attempt(s, &a, &number), 0);
	a.number = (uint64_t)number;
	assert_int_equal(rows_put_attempt(s, &b, NULL), ERR_EXIST);
	a.state = ATTEMPT_CLOSED;
	assert_int_equal(rows_put_attempt(s, &a, NULL), 0);
	assert_int_equal(rows_put_attempt(s, &b, &number), 0);
	rows_attempt(1, "other", &b);
	assert_int_equal(rows_put_attempt(s, &b, NULL), ERR_EXIST); /* its id is taken */
}

/* I4 */
static void test_closed_attempt_never_changes(void **state)
{
	struct store *s = *state;
	struct attempt a, got;
	int64_t number = 0;

	rows_attempt(0, "dev", &a);
	assert_int_equal(rows_put_attempt(s, &a, &number), 0);
	a.number = (uint64_t)number;
	a.state = ATTEMPT_CLOSED;
	a.verdict = VERDICT_REVERTED;
	assert_int_equal(rows_put_attempt(s, &a, NULL), 0);
	for (enum attempt_state state_ = ATTEMPT_OFFERED; state_ < ATTEMPT_STATE_COUNT; state_++) {
		struct attempt b = a;
		b.state = state_;
		b.verdict = VERDICT_UPDATED;
		assert_int_equal(rows_put_attempt(s, &b, NULL), ERR_CONFLICT);
	}
	assert_int_equal(store_attempt(s, a.id, &got), 0);
	rows_assert_equal(attempt, &got, &a);
}

static void test_attempt_update_needs_its_own_id(void **state)
{
	struct store *s = *state;
	struct attempt a;
	int64_t number = 0;

	rows_attempt(0, "dev", &a);
	assert_int_equal(rows_put_attempt(s, &a, &number), 0);
	a.number = (uint64_t)number;
	a.id ^= 1;
	assert_int_equal(rows_put_attempt(s, &a, NULL), ERR_CONFLICT);
	a.id ^= 1;
	a.number++;
	assert_int_equal(rows_put_attempt(s, &a, NULL), ERR_CONFLICT);
}

static void test_attempt_history_survives_its_device(void **state)
{
	struct store *s = *state;
	int64_t product = rows_add_product(s, 0);
	struct store_result result;
	struct attempt a, got;

	rows_add_device(s, 0, product, "dev");
	rows_attempt(0, "dev", &a);
	a.state = ATTEMPT_CLOSED;
	assert_int_equal(rows_put_attempt(s, &a, NULL), 0);
	struct store_set *set = rows_set(&result);
	store_set_device_delete(set, "dev", 2);
	assert_int_equal(rows_commit(s, set, &result), ERR_CONFLICT);
	set = rows_set(&result);
	store_set_device_delete(set, "dev", 1);
	assert_int_equal(rows_commit(s, set, &result), 0);
	assert_int_equal(store_device(s, "dev", &(struct device){0}), ERR_NOENT);
	assert_int_equal(store_attempt(s, a.id, &got), 0);
}

static int delete_release(struct store *s, int64_t release)
{
	struct store_result result;
	struct store_set *set = rows_set(&result);

	store_set_release_delete(set, release);
	return rows_commit(s, set, &result);
}

static void test_release_in_use_stays(void **state)
{
	struct store *s = *state;
	int64_t product = rows_add_product(s, 0);
	struct store_use use;
	struct product p;
	struct device d;
	struct attempt a;
	int64_t number = 0;

	int64_t release = add_release(s, 0, product);
	assert_int_equal(store_release_use(s, release, &use), 0);
	assert_false(use.used);

	rows_attempt(0, "dev", &a);
	a.release = release;
	assert_int_equal(rows_put_attempt(s, &a, &number), 0);
	assert_int_equal(store_release_use(s, release, &use), 0);
	assert_true(use.used);
	assert_string_equal(use.by, "device dev is being updated to it");
	assert_int_equal(delete_release(s, release), ERR_BUSY);

	rows_device(0, product, &d);
	strcpy(d.id, "locked");
	d.lock = release;
	assert_int_equal(rows_put_device(s, &d), 0);
	assert_int_equal(store_release_use(s, release, &use), 0);
	assert_string_equal(use.by, "device locked is locked to it");

	assert_int_equal(store_product(s, product, &p), 0);
	p.target = release;
	assert_int_equal(rows_put_product(s, &p, NULL), 0);
	assert_int_equal(store_release_use(s, release, &use), 0);
	assert_non_null(strstr(use.by, " targets it"));

	/* one after the other they let go of it */
	a.number = (uint64_t)number;
	a.state = ATTEMPT_CLOSED;
	assert_int_equal(rows_put_attempt(s, &a, NULL), 0);
	assert_int_equal(delete_release(s, release), ERR_BUSY);
	d.rev = 1;
	d.lock = 0;
	assert_int_equal(rows_put_device(s, &d), 0);
	assert_int_equal(delete_release(s, release), ERR_BUSY);
	p.rev = 2;
	p.target = 0;
	assert_int_equal(rows_put_product(s, &p, NULL), 0);
	assert_int_equal(delete_release(s, release), 0);
	assert_int_equal(delete_release(s, release), ERR_NOENT);
	assert_true(add_release(s, 0, product) > release); /* ids are not used again */
}

static void test_image_is_used_until_its_last_release_goes(void **state)
{
	struct store *s = *state;
	int64_t product = rows_add_product(s, 0);
	struct release one, two;
	bool used = true;

	rows_release(0, product, &one);
	rows_release(1, product, &two);
	memcpy(two.sha256, one.sha256, sizeof(two.sha256));
	assert_int_equal(store_image_used(s, one.sha256, &used), 0);
	assert_false(used);
	assert_int_equal(rows_put_release(s, &one, &one.id), 0);
	assert_int_equal(rows_put_release(s, &two, &two.id), 0);
	assert_int_equal(delete_release(s, one.id), 0);
	assert_int_equal(store_image_used(s, one.sha256, &used), 0);
	assert_true(used);
	assert_int_equal(delete_release(s, two.id), 0);
	assert_int_equal(store_image_used(s, one.sha256, &used), 0);
	assert_false(used);
}

static void test_diagnoses_are_replaced(void **state)
{
	struct store *s = *state;
	struct diagnoses want = {0}, got;
	struct store_result result;
	struct attempt a;

	rows_attempt(0, "dev", &a);
	assert_int_equal(rows_put_attempt(s, &a, NULL), 0);
	for (unsigned round = 0; round <= DIAGNOSIS_COUNT - LIMIT_DIAGNOSES; round++) {
		want.count = round % (LIMIT_DIAGNOSES + 1);
		for (unsigned i = 0; i < want.count; i++) {
			want.list[i].kind = (enum diagnosis_kind)(round + i);
			memset(want.list[i].facts, 'a' + (int)(round + i), round + i + 1);
		}
		struct store_set *set = rows_set(&result);
		store_set_diagnoses(set, a.id, &want);
		assert_int_equal(rows_commit(s, set, &result), 0);
		assert_int_equal(store_diagnoses(s, a.id, &got), 0);
		assert_int_equal(got.count, want.count);
		for (unsigned i = 0; i < want.count; i++) {
			assert_int_equal(got.list[i].kind, want.list[i].kind);
			assert_string_equal(got.list[i].facts, want.list[i].facts);
		}
	}
	struct store_set *set = rows_set(&result);
	want.count = 1;
	store_set_diagnoses(set, a.id + 1, &want); /* no such attempt */
	assert_int_equal(rows_commit(s, set, &result), ERR_INVAL);
}

static void add_closed(struct store *s, enum verdict verdict, bool charged, bool applying)
{
	static uint64_t id = 1000;
	struct attempt a;

	rows_attempt(0, "dev", &a);
	a.id = id++;
	a.state = ATTEMPT_CLOSED;
	a.verdict = verdict;
	a.charged = charged;
	a.rung_ms[RUNG_APPLYING] = applying ? 5 : 0;
	assert_int_equal(rows_put_attempt(s, &a, NULL), 0);
}

static void assert_history(struct store *s, const char *device, const uint8_t *sha256,
			   uint64_t after, uint32_t failures, uint32_t reverts)
{
	struct history h = {99, 99};

	assert_int_equal(store_history(s, device, sha256, after, &h), 0);
	assert_int_equal(h.failures, failures);
	assert_int_equal(h.reverts, reverts);
}

static void test_history_counts_charged_failures_and_reverts(void **state)
{
	struct store *s = *state;
	struct attempt a;
	uint8_t other[DIGEST_SHA256] = {0};

	rows_attempt(0, "dev", &a);
	assert_history(s, "dev", a.sha256, 0, 0, 0);
	add_closed(s, VERDICT_REVERTED, true, true);	      /* 1 */
	add_closed(s, VERDICT_ROLLED_BACK, true, true);	      /* 2 */
	add_closed(s, VERDICT_DEVICE_FAILED, true, true);     /* 3 */
	add_closed(s, VERDICT_DEVICE_FAILED, true, false);    /* 4: a failure, not a revert */
	add_closed(s, VERDICT_TRANSFER_STALLED, true, false); /* 5 */
	add_closed(s, VERDICT_UPDATED, false, true);
	add_closed(s, VERDICT_CANCELLED, false, false);
	assert_int_equal(rows_put_attempt(s, &a, NULL), 0); /* an open one */
	assert_history(s, "dev", a.sha256, 0, 5, 3);
	assert_history(s, "dev", a.sha256, 1, 4, 2);
	assert_history(s, "dev", a.sha256, 4, 1, 0);
	assert_history(s, "dev", a.sha256, 5, 0, 0);
	assert_history(s, "dev", other, 0, 0, 0);
	assert_history(s, "ved", a.sha256, 0, 0, 0);
}

static void test_seen_touches_nothing_else(void **state)
{
	struct store *s = *state;
	int64_t product = rows_add_product(s, 0);
	struct store_result result;
	struct device want, got;

	rows_add_device(s, 0, product, "dev");
	assert_int_equal(store_device(s, "dev", &want), 0);
	struct store_set *set = rows_set(&result);
	store_set_seen(set, "gone", 1, 2);
	store_set_seen(set, "dev", 123, 456);
	store_set_alive(set, 789);
	assert_int_equal(rows_commit(s, set, &result), 0);
	assert_int_equal(store_device(s, "dev", &got), 0);
	want.seen_ms = 123;
	want.offline_at_ms = 456;
	rows_assert_equal(device, &got, &want);
	struct store_info info;
	store_info(s, &info);
	assert_int_equal(info.alive_ms, 789);
	assert_int_equal(info.head, 0);
}

static void test_sets_that_were_wrong_before_submitting(void **state)
{
	struct store *s = *state;
	struct store_result result;
	struct store_stats stats;
	char id[LIMIT_DEVICE_ID + 2];

	memset(id, 'x', sizeof(id));
	id[LIMIT_DEVICE_ID + 1] = 0;
	struct store_set *set = rows_set(&result);
	store_set_seen(set, id, 1, 2);
	assert_int_equal(rows_commit(s, set, &result), ERR_LIMIT);

	struct product p;
	set = rows_set(&result);
	for (unsigned i = 0; i < 9; i++) { /* one more than a result has room for */
		rows_product(0, &p);
		p.name[0] = (char)('a' + i);
		store_set_product(set, &p);
	}
	assert_int_equal(rows_commit(s, set, &result), ERR_LIMIT);
	assert_int_equal(store_product_by_name(s, p.name, &p), ERR_NOENT);
	set = rows_set(&result);
	for (unsigned i = 0; i < 8; i++) {
		p.name[0] = (char)('a' + i);
		store_set_product(set, &p);
	}
	assert_int_equal(rows_commit(s, set, &result), 0);
	assert_int_equal(result.id_count, 8);
	assert_int_equal(result.ids[7], result.ids[0] + 7);

	set = rows_set(&result);
	store_set_free(set); /* not submitted: nobody is told */
	store_set_free(NULL);
	store_stats(s, &stats);
	assert_int_equal(stats.sets, 3);
	assert_int_equal(stats.failed_sets, 2);
	assert_int_equal(stats.queued, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rows_setup, rows_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_found_is_noent_and_leaves_ret_alone),
		TEST(test_device_with_old_rev_is_conflict),
		TEST(test_product_with_old_rev_is_conflict),
		TEST(test_release_version_is_unique_in_product),
		TEST(test_release_with_a_digest_kind_twice_leaves_nothing),
		TEST(test_values_out_of_range_are_refused),
		TEST(test_second_open_attempt_of_a_device_is_exist),
		TEST(test_closed_attempt_never_changes),
		TEST(test_attempt_update_needs_its_own_id),
		TEST(test_attempt_history_survives_its_device),
		TEST(test_release_in_use_stays),
		TEST(test_image_is_used_until_its_last_release_goes),
		TEST(test_diagnoses_are_replaced),
		TEST(test_history_counts_charged_failures_and_reverts),
		TEST(test_seen_touches_nothing_else),
		TEST(test_sets_that_were_wrong_before_submitting),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
