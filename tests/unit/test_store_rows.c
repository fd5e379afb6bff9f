/* SPDX-License-Identifier: Apache-2.0 */
#include "store_rows.h"

static void test_product_round_trip(void **state)
{
	struct store *s = *state;
	struct product want, got;

	for (unsigned seed = 0; seed < ROWS_SEEDS; seed++) {
		rows_product(seed, &want);
		assert_int_equal(rows_put_product(s, &want, &want.id), 0);
		want.rev = 1;
		assert_int_equal(store_product(s, want.id, &got), 0);
		rows_assert_equal(product, &got, &want);
		assert_int_equal(store_product_by_name(s, want.name, &got), 0);
		rows_assert_equal(product, &got, &want);
	}
}

static void test_release_round_trip(void **state)
{
	struct store *s = *state;
	int64_t product = rows_add_product(s, 0);
	struct release want, got;

	for (unsigned seed = 0; seed < ROWS_SEEDS; seed++) {
		rows_release(seed, product, &want);
		assert_int_equal(rows_put_release(s, &want, &want.id), 0);
		assert_int_equal(store_release(s, want.id, &got), 0);
		rows_assert_equal(release, &got, &want);
		assert_int_equal(store_release_by_version(s, product, want.version, &got), 0);
		rows_assert_equal(release, &got, &want);
	}
}

static void test_device_round_trip(void **state)
{
	struct store *s = *state;
	int64_t product = rows_add_product(s, 0);
	struct device want, got;

	for (unsigned seed = 0; seed < ROWS_SEEDS; seed++) {
		rows_device(seed, product, &want);
		assert_int_equal(rows_put_device(s, &want), 0);
		want.rev = 1;
		assert_int_equal(store_device(s, want.id, &got), 0);
		rows_assert_equal(device, &got, &want);
	}
}

static void test_device_update_round_trip(void **state)
{
	struct store *s = *state;
	int64_t product = rows_add_product(s, 0), lock = 0;
	struct device first, want, got;
	struct release r;

	rows_release(0, product, &r);
	assert_int_equal(rows_put_release(s, &r, &lock), 0);
	rows_device(0, product, &first);
	assert_int_equal(rows_put_device(s, &first), 0);
	for (unsigned seed = 1; seed < ROWS_SEEDS; seed++) {
		rows_device(seed, product, &want);
		memcpy(want.id, first.id, sizeof(want.id));
		want.created_ms = first.created_ms;
		memcpy(want.protocol, first.protocol, sizeof(want.protocol));
		want.group_ms = first.group_ms;
		want.rollout = first.rollout; /* by store_set_member() */
		want.rollout_place = first.rollout_place;
		want.rollout_before = first.rollout_before;
		want.rollout_return = first.rollout_return;
		want.lock = seed % 2 ? lock : 0;
		want.rev = seed;
		assert_int_equal(rows_put_device(s, &want), 0);
		want.rev = seed + 1;
		assert_int_equal(store_device(s, want.id, &got), 0);
		rows_assert_equal(device, &got, &want);
	}
}

static void test_attempt_round_trip(void **state)
{
	struct store *s = *state;
	struct attempt want, got;
	const char *names[ROWS_SEEDS] = {"a", "b", "c", "d", "e", "f", "g", "h"};

	for (unsigned seed = 0; seed < ROWS_SEEDS; seed++) {
		int64_t number = 0;
		rows_attempt(seed, names[seed], &want);
		assert_int_equal(rows_put_attempt(s, &want, &number), 0);
		want.number = (uint64_t)number;
		assert_int_equal(number, seed + 1);
		assert_int_equal(store_attempt(s, want.id, &got), 0);
		rows_assert_equal(attempt, &got, &want);
	}
}

static void test_attempt_update_round_trip(void **state)
{
	struct store *s = *state;
	struct attempt first, want, got;
	int64_t number = 0;

	rows_attempt(0, "dev", &first);
	assert_int_equal(rows_put_attempt(s, &first, &number), 0);
	for (unsigned seed = 1; seed < ROWS_SEEDS; seed++) {
		rows_attempt(seed, "dev", &want);
		want.id = first.id;
		want.number = (uint64_t)number;
		want.product = first.product;
		want.release = first.release;
		want.rollout = first.rollout;
		memcpy(want.version, first.version, sizeof(want.version));
		want.size_bytes = first.size_bytes;
		memcpy(want.sha256, first.sha256, sizeof(want.sha256));
		assert_int_equal(rows_put_attempt(s, &want, NULL), 0);
		assert_int_equal(store_attempt(s, want.id, &got), 0);
		rows_assert_equal(attempt, &got, &want);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rows_setup, rows_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_product_round_trip), TEST(test_release_round_trip),
		TEST(test_device_round_trip),  TEST(test_device_update_round_trip),
		TEST(test_attempt_round_trip), TEST(test_attempt_update_round_trip),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
