/* SPDX-License-Identifier: Apache-2.0
 *
 * Rollouts as rows with their waves, who their members are, and what may not go meanwhile. */
#include "store_rows.h"

#include <string.h>

static int drop(struct store *s, const struct rollout *r)
{
	struct store_result result;
	struct store_set *set = rows_set(&result);

	store_set_rollout_delete(set, r);
	return rows_commit(s, set, &result);
}

static void join(struct store *s, const char *device, int64_t rollout, int64_t place)
{
	struct store_result result;
	struct store_set *set = rows_set(&result);

	store_set_member(set, device, rollout, place, place + 1, place + 2);
	assert_int_equal(rows_commit(s, set, &result), 0);
}

struct seen {
	unsigned count;
	struct rollout last;
	char names[ROWS_NAMES];
};

static bool see_rollout(void *ctx, const struct rollout *r)
{
	struct seen *seen = ctx;

	seen->last = *r;
	seen->count++;
	return true;
}

static const char *members(struct store *s, int64_t rollout, int64_t from, int64_t to,
			   unsigned limit)
{
	static struct seen seen;

	memset(&seen, 0, sizeof(seen));
	assert_int_equal(store_members(s, rollout, from, to, limit, rows_name_device, seen.names),
			 0);
	return seen.names;
}

static void test_rollout_round_trip(void **state)
{
	struct store *s = *state;
	int64_t product = rows_add_product(s, 0), after = 0;

	for (unsigned seed = 0; seed < ROWS_SEEDS; seed++) {
		struct rollout want, next;
		struct seen seen = {0};
		rows_rollout(seed, product, &want);
		assert_int_equal(rows_put_rollout(s, &want, &want.id), 0);
		want.rev = 1;
		assert_int_equal(store_rollouts(s, after, 10, see_rollout, &seen), 0);
		assert_int_equal(seen.count, 1);
		rows_assert_equal(rollout, &seen.last, &want);
		/* ... and changed */
		rows_rollout((seed + 2) % ROWS_SEEDS, product, &next);
		next.id = want.id;
		next.rev = 1;
		memcpy(next.name, want.name, sizeof(next.name));
		assert_int_equal(rows_put_rollout(s, &next, NULL), 0);
		next.rev = 2;
		assert_int_equal(store_rollouts(s, after, 10, see_rollout, &seen), 0);
		rows_assert_equal(rollout, &seen.last, &next);
		after = want.id;
	}
}

static void test_rollout_with_old_rev_or_a_taken_name_is_refused(void **state)
{
	struct store *s = *state;
	int64_t product = rows_add_product(s, 0), id = 0;
	struct rollout r;

	rows_rollout(1, product, &r);
	assert_int_equal(rows_put_rollout(s, &r, &r.id), 0);
	struct rollout twin = r;
	twin.id = 0;
	assert_int_equal(rows_put_rollout(s, &twin, &id), ERR_EXIST);
	r.rev = 2;
	assert_int_equal(rows_put_rollout(s, &r, NULL), ERR_CONFLICT);
	assert_int_equal(drop(s, &r), ERR_CONFLICT);
	r.rev = 1;
	assert_int_equal(drop(s, &r), 0);
	struct seen seen = {0};
	assert_int_equal(store_rollouts(s, 0, 10, see_rollout, &seen), 0);
	assert_int_equal(seen.count, 0);
}

static void test_members_stand_in_the_order_of_their_places(void **state)
{
	struct store *s = *state;
	int64_t product = rows_add_product(s, 0);
	struct device d;

	rows_add_device(s, 0, product, "a");
	rows_add_device(s, 1, product, "b");
	rows_add_device(s, 2, product, "c");
	rows_add_device(s, 3, product, "d");
	join(s, "a", 7, 300);
	join(s, "b", 7, 100);
	join(s, "c", 7, 200);
	join(s, "d", 8, 0);
	join(s, "gone", 7, 50); /* nobody's error */
	assert_string_equal(members(s, 7, 0, ROLLOUT_PLACE_END, 10), "b c a ");
	assert_string_equal(members(s, 7, 100, 300, 10), "b c ");
	assert_string_equal(members(s, 7, 101, ROLLOUT_PLACE_END, 1), "c ");
	assert_string_equal(members(s, 9, 0, ROLLOUT_PLACE_END, 10), "");
	join(s, "c", 8, 5);
	assert_string_equal(members(s, 7, 0, ROLLOUT_PLACE_END, 10), "b a ");
	/* Nothing else of the row has changed, its rev neither. */
	assert_int_equal(store_device(s, "a", &d), 0);
	assert_int_equal(d.rev, 1);
	assert_int_equal(d.rollout, 7);
	assert_int_equal(d.rollout_place, 300);
	assert_int_equal(d.rollout_before, 301);
	assert_int_equal(d.rollout_return, 302);
}

struct left {
	int64_t rows, members;
	unsigned wave;
	bool released;
	struct member_facts facts;
};

static void see_left(void *ctx, unsigned wave, bool released, const struct member_facts *m,
		     int64_t members)
{
	struct left *l = ctx;

	l->rows++;
	l->members += members;
	l->wave = wave;
	l->released = released;
	l->facts = *m;
}

static struct left left_of(struct store *s, int64_t rollout)
{
	struct left l = {0};

	assert_int_equal(store_rollout_left(s, rollout, see_left, &l), 0);
	return l;
}

static void add_member(struct store *s, int64_t product, const char *id, int64_t rollout,
		       int64_t place)
{
	struct device d = {.product = product,
			   .rollout = rollout,
			   .rollout_place = place,
			   .rollout_about = rollout,
			   .rollout_result = MEMBER_REVERTED,
			   .rollout_applied = true};

	strcpy(d.id, id);
	assert_int_equal(rows_put_device(s, &d), 0);
}

static void test_one_that_is_over_keeps_what_came_of_those_who_go(void **state)
{
	struct store *s = *state;
	int64_t product = rows_add_product(s, 0);
	struct store_result result;
	struct rollout o, open;

	rows_rollout(1, product, &o); /* gate,5,10%,100% */
	strcpy(o.name, "spring");
	o.state = ROLLOUT_DONE;
	o.enlisted = true;
	o.reached = 150;
	o.waves[0].cut = 100;
	o.waves[1].cut = 200;
	o.waves[2].cut = ROLLOUT_PLACE_END;
	assert_int_equal(rows_put_rollout(s, &o, &o.id), 0);
	open = o;
	open.id = 0;
	open.state = ROLLOUT_RUNNING;
	strcpy(open.name, "autumn");
	assert_int_equal(rows_put_rollout(s, &open, &open.id), 0);
	add_member(s, product, "a", o.id, 99);
	add_member(s, product, "b", o.id, 50);
	add_member(s, product, "c", o.id, 150);
	add_member(s, product, "d", open.id, 5);
	join(s, "a", o.id, 99); /* nowhere else */
	assert_int_equal(left_of(s, o.id).rows, 0);
	join(s, "a", open.id, 7);
	struct left l = left_of(s, o.id);
	assert_int_equal(l.rows, 1);
	assert_int_equal(l.wave, 0);
	assert_true(l.released);
	assert_int_equal(l.facts.result, MEMBER_REVERTED);
	assert_true(l.facts.applied && l.facts.silent && !l.facts.out);
	struct store_set *set = rows_set(&result);
	store_set_device_delete(set, "b", 1);
	assert_int_equal(rows_commit(s, set, &result), 0);
	l = left_of(s, o.id);
	assert_int_equal(l.rows, 1); /* they are alike */
	assert_int_equal(l.members, 2);
	join(s, "c", open.id, 8); /* of the next wave, and not reached */
	l = left_of(s, o.id);
	assert_int_equal(l.rows, 2);
	assert_int_equal(l.wave, 1);
	assert_false(l.released);
	/* One that is open loses them without a trace, and so does nobody's. */
	set = rows_set(&result);
	store_set_device_delete(set, "d", 1);
	assert_int_equal(rows_commit(s, set, &result), 0);
	assert_int_equal(left_of(s, open.id).rows, 0);
	o.rev = 1;
	assert_int_equal(drop(s, &o), 0);
	assert_int_equal(left_of(s, o.id).rows, 0);
}

static void test_release_of_a_rollout_stays_unless_that_was_aborted(void **state)
{
	struct store *s = *state;
	int64_t product = rows_add_product(s, 0), release = 0;
	struct release r;
	struct rollout o;
	struct store_use use;
	struct store_result result;

	rows_release(0, product, &r);
	assert_int_equal(rows_put_release(s, &r, &release), 0);
	rows_rollout(0, product, &o);
	strcpy(o.name, "spring");
	o.release = release;
	o.state = ROLLOUT_DONE;
	assert_int_equal(rows_put_rollout(s, &o, &o.id), 0);
	assert_int_equal(store_release_use(s, release, &use), 0);
	assert_true(use.used);
	assert_string_equal(use.by, "rollout spring brings it");
	struct store_set *set = rows_set(&result);
	store_set_release_delete(set, release);
	assert_int_equal(rows_commit(s, set, &result), ERR_BUSY);
	o.rev = 1;
	o.state = ROLLOUT_ABORTED;
	assert_int_equal(rows_put_rollout(s, &o, NULL), 0);
	set = rows_set(&result);
	store_set_release_delete(set, release);
	assert_int_equal(rows_commit(s, set, &result), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rows_setup, rows_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_rollout_round_trip),
		TEST(test_rollout_with_old_rev_or_a_taken_name_is_refused),
		TEST(test_members_stand_in_the_order_of_their_places),
		TEST(test_one_that_is_over_keeps_what_came_of_those_who_go),
		TEST(test_release_of_a_rollout_stays_unless_that_was_aborted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
