/* SPDX-License-Identifier: Apache-2.0
 *
 * Groups as rows, which devices are in them, and what may not go while it is in use. */
#include "store_rows.h"

#include <string.h>

static int drop(struct store *s, int64_t id, int64_t rev)
{
	const struct device_group g = {.id = id, .rev = rev};
	struct store_result result;
	struct store_set *set = rows_set(&result);

	store_set_group_delete(set, &g);
	return rows_commit(s, set, &result);
}

static int join(struct store *s, const char *device, int64_t group)
{
	struct store_result result;
	struct store_set *set = rows_set(&result);

	store_set_device_group(set, device, group, 0);
	return rows_commit(s, set, &result);
}

static int64_t add(struct store *s, int64_t product, const char *name, int64_t target)
{
	struct device_group g = {.product = product, .target = target, .created_ms = 5};
	int64_t id = 0;

	assert_true(buf_copy_str(g.name, sizeof(g.name), name));
	assert_int_equal(rows_put_group(s, &g, &id), 0);
	return id;
}

struct seen {
	unsigned count;
	struct device_group last;
	char names[ROWS_NAMES];
};

static bool see_group(void *ctx, const struct device_group *g)
{
	struct seen *seen = ctx;

	seen->last = *g;
	seen->count++;
	return true;
}

static void test_group_round_trip(void **state)
{
	struct store *s = *state;
	int64_t product = rows_add_product(s, 0), target = 0;
	struct device_group want;
	struct release r;

	rows_release(0, product, &r);
	assert_int_equal(rows_put_release(s, &r, &target), 0);
	for (unsigned seed = 0; seed < ROWS_SEEDS; seed++) {
		struct seen seen = {0};
		int64_t id = 0;

		rows_group(seed, product, &want);
		want.target = seed % 2 ? target : 0;
		assert_int_equal(rows_put_group(s, &want, &id), 0);
		want.id = id;
		want.rev = 1;
		assert_int_equal(store_groups(s, id - 1, 10, see_group, &seen), 0);
		assert_int_equal(seen.count, 1);
		rows_assert_equal(device_group, &seen.last, &want);
		want.target = seed % 2 ? 0 : target;
		want.name[0]++;
		assert_int_equal(rows_put_group(s, &want, NULL), 0);
		assert_int_equal(rows_put_group(s, &want, NULL),
				 ERR_CONFLICT); /* of an older rev */
		want.rev = 2;
		assert_int_equal(store_groups(s, id - 1, 10, see_group, &seen), 0);
		rows_assert_equal(device_group, &seen.last, &want);
	}
}

static void test_group_has_its_name_alone_in_its_product(void **state)
{
	struct store *s = *state;
	int64_t one = rows_add_product(s, 0), other = rows_add_product(s, 1), id = 0;
	struct device_group g = {.product = one, .name = "pilot"};

	add(s, one, "pilot", 0);
	assert_int_equal(rows_put_group(s, &g, &id), ERR_EXIST);
	g.product = other;
	assert_int_equal(rows_put_group(s, &g, &id), 0);
}

static void test_devices_are_found_by_their_group(void **state)
{
	struct store *s = *state;
	int64_t product = rows_add_product(s, 0);
	int64_t a = add(s, product, "a", 0), b = add(s, product, "b", 0);
	struct seen seen = {0};
	struct device d;

	for (char id[] = "d0"; id[1] < '6'; id[1]++) {
		rows_add_device(s, 1, product, id);
		assert_int_equal(join(s, id, id[1] % 2 ? a : b), 0);
	}
	assert_int_equal(store_devices_in_group(s, a, "", 2, rows_name_device, seen.names), 0);
	assert_string_equal(seen.names, "d1 d3 ");
	assert_int_equal(store_devices_in_group(s, a, "d3", 2, rows_name_device, seen.names), 0);
	assert_string_equal(seen.names, "d1 d3 d5 ");
	assert_int_equal(join(s, "d3", 0), 0);
	assert_int_equal(store_device(s, "d3", &d), 0);
	assert_int_equal(d.group, 0);
	assert_int_equal(store_device(s, "d5", &d), 0);
	assert_int_equal(d.group, a);
	/* a change of the device leaves it where it is */
	d.group = 0;
	assert_int_equal(rows_put_device(s, &d), 0);
	assert_int_equal(store_device(s, "d5", &d), 0);
	assert_int_equal(d.group, a);
	seen.names[0] = 0;
	assert_int_equal(store_devices_in_group(s, a, "", 9, rows_name_device, seen.names), 0);
	assert_string_equal(seen.names, "d1 d5 ");
}

static void test_group_and_device_must_be_there(void **state)
{
	struct store *s = *state;
	int64_t product = rows_add_product(s, 0), a = add(s, product, "a", 0);

	rows_add_device(s, 1, product, "d");
	assert_int_equal(join(s, "d", a + 1), ERR_CONFLICT);
	assert_int_equal(join(s, "nobody", a), ERR_CONFLICT);
	assert_int_equal(join(s, "d", a), 0);
}

static void test_group_stays_while_devices_are_in_it(void **state)
{
	struct store *s = *state;
	int64_t product = rows_add_product(s, 0), a = add(s, product, "a", 0);

	rows_add_device(s, 1, product, "d");
	assert_int_equal(join(s, "d", a), 0);
	assert_int_equal(drop(s, a, 1), ERR_BUSY);
	assert_int_equal(join(s, "d", 0), 0);
	assert_int_equal(drop(s, a, 2), ERR_CONFLICT);
	assert_int_equal(drop(s, a, 1), 0);
	assert_int_equal(drop(s, a, 1), ERR_CONFLICT);
}

static void test_release_stays_while_a_group_targets_it(void **state)
{
	struct store *s = *state;
	int64_t product = rows_add_product(s, 0), target = 0;
	struct store_result result;
	struct store_use use;
	struct release r;

	rows_release(0, product, &r);
	assert_int_equal(rows_put_release(s, &r, &target), 0);
	int64_t a = add(s, product, "a", target);
	assert_int_equal(store_release_use(s, target, &use), 0);
	assert_true(use.used);
	assert_string_equal(use.by, "group a targets it");
	struct store_set *set = rows_set(&result);
	store_set_release_delete(set, target);
	assert_int_equal(rows_commit(s, set, &result), ERR_BUSY);
	assert_int_equal(drop(s, a, 1), 0);
	set = rows_set(&result);
	store_set_release_delete(set, target);
	assert_int_equal(rows_commit(s, set, &result), 0);
}

static int tag(struct store *s, const char *device, const char *word, bool on)
{
	struct store_result result;
	struct store_set *set = rows_set(&result);

	store_set_tag(set, device, word, on);
	return rows_commit(s, set, &result);
}

static void test_tags_find_their_devices(void **state)
{
	struct store *s = *state;
	int64_t product = rows_add_product(s, 0);
	struct seen seen = {0};
	struct store_tags tags;
	struct device d;
	bool has = true;

	for (char id[] = "d0"; id[1] < '4'; id[1]++) {
		rows_add_device(s, 1, product, id);
		assert_int_equal(tag(s, id, "lab", true), 0);
	}
	assert_int_equal(tag(s, "d1", "lab", true), 0); /* again */
	assert_int_equal(tag(s, "d1", "a", true), 0);
	assert_int_equal(tag(s, "nobody", "lab", true), ERR_CONFLICT);
	assert_int_equal(store_tags(s, "d1", &tags), 0);
	assert_int_equal(tags.count, 2);
	assert_string_equal(tags.list[0], "a");
	assert_string_equal(tags.list[1], "lab");
	assert_int_equal(store_devices_tagged(s, "lab", "d0", 2, rows_name_device, seen.names), 0);
	assert_string_equal(seen.names, "d1 d2 ");
	assert_int_equal(tag(s, "d2", "lab", false), 0);
	assert_int_equal(store_has_tag(s, "d2", "lab", &has), 0);
	assert_false(has);
	assert_int_equal(store_has_tag(s, "d3", "lab", &has), 0);
	assert_true(has);
	/* they go with their device */
	struct store_result result;
	struct store_set *set = rows_set(&result);
	assert_int_equal(store_device(s, "d3", &d), 0);
	store_set_device_delete(set, "d3", d.rev);
	assert_int_equal(rows_commit(s, set, &result), 0);
	assert_int_equal(store_has_tag(s, "d3", "lab", &has), 0);
	assert_false(has);
}

static void test_development_devices_are_found(void **state)
{
	struct store *s = *state;
	int64_t product = rows_add_product(s, 0);
	struct seen seen = {0};
	struct device d;

	for (char id[] = "d0"; id[1] < '6'; id[1]++) {
		rows_add_device(s, 1, product, id);
		assert_int_equal(store_device(s, id, &d), 0);
		d.development = id[1] % 2;
		assert_int_equal(rows_put_device(s, &d), 0);
	}
	assert_int_equal(store_devices_development(s, "d1", 9, rows_name_device, seen.names), 0);
	assert_string_equal(seen.names, "d3 d5 ");
}

static bool see_query(void *ctx, const struct store_query *q)
{
	struct seen *seen = ctx;

	strcat(seen->names, q->name);
	strcat(seen->names, " ");
	return true;
}

static int query_do(struct store *s, const struct store_query *q,
		    void (*fn)(struct store_set *set, const struct store_query *q))
{
	struct store_result result;
	struct store_set *set = rows_set(&result);

	fn(set, q);
	return rows_commit(s, set, &result);
}

static void test_saved_queries(void **state)
{
	struct store *s = *state;
	struct store_query q = {.name = "b", .filter = "tag=x", .created_ms = 7}, got;
	struct seen seen = {0};

	assert_int_equal(store_query(s, "b", &got), ERR_NOENT);
	assert_int_equal(query_do(s, &q, store_set_query), 0);
	assert_int_equal(query_do(s, &q, store_set_query), ERR_EXIST);
	q.rev = 1;
	strcpy(q.filter, "tag=y");
	assert_int_equal(query_do(s, &q, store_set_query), 0);
	assert_int_equal(query_do(s, &q, store_set_query), ERR_CONFLICT);
	assert_int_equal(store_query(s, "b", &got), 0);
	assert_string_equal(got.filter, "tag=y");
	assert_int_equal(got.rev, 2);
	assert_int_equal(got.created_ms, 7);
	struct store_query a = {.name = "a"};
	assert_int_equal(query_do(s, &a, store_set_query), 0);
	assert_int_equal(store_queries(s, "", 9, see_query, &seen), 0);
	assert_string_equal(seen.names, "a b ");
	assert_int_equal(query_do(s, &q, store_set_query_delete), ERR_CONFLICT);
	q.rev = 2;
	assert_int_equal(query_do(s, &q, store_set_query_delete), 0);
	assert_int_equal(store_query(s, "b", &got), ERR_NOENT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rows_setup, rows_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_group_round_trip),
		TEST(test_group_has_its_name_alone_in_its_product),
		TEST(test_devices_are_found_by_their_group),
		TEST(test_group_and_device_must_be_there),
		TEST(test_group_stays_while_devices_are_in_it),
		TEST(test_release_stays_while_a_group_targets_it),
		TEST(test_tags_find_their_devices),
		TEST(test_development_devices_are_found),
		TEST(test_saved_queries),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
