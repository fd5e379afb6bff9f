/* SPDX-License-Identifier: Apache-2.0
 *
 * core/way, core/requires: stepping stones, and what a release asks of a device.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/plan.h"
#include "core/way.h"

enum { MANY = LIMIT_WAY + 4, NOW = 1000 };

static struct release releases[MANY];
static unsigned count;
static struct device device;

static const struct release *find(void *ctx, int64_t product, const char *version)
{
	(void)ctx;
	for (unsigned i = 0; i < count; i++)
		if (releases[i].product == product && strcmp(releases[i].version, version) == 0)
			return &releases[i];
	return NULL;
}

static struct release *add(const char *version, const char *must_pass)
{
	struct release *r = &releases[count++];

	*r = (struct release){.id = count, .product = 1, .size_bytes = 100};
	strcpy(r->version, version);
	strcpy(r->requires.must_pass, must_pass);
	r->running[0] = (struct digest){.kind = DIGEST_FILE, .len = 32};
	r->running[0].value[0] = (uint8_t)count;
	r->running_count = 1;
	return r;
}

static int setup(void **state)
{
	(void)state;
	count = 0;
	device = (struct device){.online = true, .has_report = true};
	report_init(&device.report);
	return 0;
}

static const char *next(const char *runs, const struct release *goal)
{
	struct way way;

	way_find(goal, find, NULL, &way);
	assert_false(way.broken);
	strcpy(device.report.version, runs);
	return way_next(&way, goal, &device, NULL)->version;
}

static void test_way_goes_over_the_stones_one_by_one(void **state)
{
	(void)state;
	add("1.2", "");
	add("1.5", "1.2");
	add("1.8", "");
	const struct release *goal = add("2.0", "1.5\n1.8");
	assert_string_equal(next("1.0", goal), "1.2");
	assert_string_equal(next("1.2", goal), "1.5");
	assert_string_equal(next("1.3", goal), "1.5");
	assert_string_equal(next("1.5", goal), "1.8");
	assert_string_equal(next("1.7.9", goal), "1.8");
	assert_string_equal(next("1.8", goal), "2.0");
	assert_string_equal(next("1.9", goal), "2.0");
	assert_string_equal(next("2.0", goal), "2.0");
	assert_string_equal(next("3.0", goal), "2.0"); /* whether it may go back is another rule */
	device.has_report = false; /* nothing is known: nothing is said of the way */
	assert_string_equal(next("", goal), "2.0");
}

/* Labels without an order: what a device runs is all that counts, and it never goes back. */
static void test_way_without_an_order_never_turns_round(void **state)
{
	(void)state;
	add("bridge-b", "");
	add("bridge-a", "bridge-b");
	const struct release *goal = add("final", "bridge-a");
	assert_string_equal(next("nightly", goal), "bridge-b");
	assert_string_equal(next("bridge-b", goal), "bridge-a");
	assert_string_equal(next("bridge-a", goal), "final");
	assert_string_equal(next("final", goal), "final");
}

/* A digest says what runs, whatever it is called. */
static void test_way_believes_the_digest(void **state)
{
	(void)state;
	const struct release *stone = add("1.5", "");
	const struct release *goal = add("2.0", "1.5");
	device.report.running = stone->running[0];
	assert_string_equal(next("1.5-dirty", goal), "2.0");
	device.report.running.value[0] = 99;
	assert_string_equal(next("1.5-dirty", goal), "1.5");
}

static void test_way_stays_with_an_open_attempt(void **state)
{
	struct attempt open = {0};
	struct way way;

	(void)state;
	const struct release *stone = add("1.5", "");
	const struct release *goal = add("2.0", "1.5");
	way_find(goal, find, NULL, &way);
	strcpy(device.report.version, "1.5"); /* in probation, say */
	open.release = stone->id;
	assert_ptr_equal(way_next(&way, goal, &device, &open), stone);
	open.release = goal->id;
	strcpy(device.report.version, "1.0");
	assert_ptr_equal(way_next(&way, goal, &device, &open), goal);
	open.release = 99; /* to a target that it had before */
	assert_ptr_equal(way_next(&way, goal, &device, &open), stone);
}

static void test_way_stones_in_common_are_passed_once(void **state)
{
	struct way way;

	(void)state;
	add("1", "");
	add("2", "1");
	add("3", "1");
	way_find(add("4", "2\n3"), find, NULL, &way);
	assert_int_equal(way.count, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_ptr_equal(way.stone[i], &releases[i]);
}

static void test_way_breaks_where_a_stone_is_gone_or_leads_back(void **state)
{
	struct way way;

	(void)state;
	add("1", "");
	struct release *goal = add("2", "1\n1.5");
	way_find(goal, find, NULL, &way);
	assert_true(way.broken);
	assert_int_equal(way.count, 0);
	assert_string_equal(way.missing, "1.5");
	add("1.5", "2"); /* under a label that came after: it might lead round in a ring */
	way_find(goal, find, NULL, &way);
	assert_true(way.broken);
	strcpy(goal->requires.must_pass, "2");
	way_find(goal, find, NULL, &way);
	assert_true(way.broken);
	releases[0].product = 2; /* another product's is none */
	strcpy(goal->requires.must_pass, "1");
	way_find(goal, find, NULL, &way);
	assert_true(way.broken);
	goal->id = 0; /* a new one, not stored yet, may lead over all that are there */
	strcpy(goal->requires.must_pass, "1.5");
	releases[2].requires.must_pass[0] = 0;
	way_find(goal, find, NULL, &way);
	assert_false(way.broken);
}

static void test_way_has_a_limit(void **state)
{
	struct way way;
	char label[8], before[8] = "";

	(void)state;
	for (unsigned i = 0; i < LIMIT_WAY + 2; i++) {
		(void)snprintf(label, sizeof(label), "%u", i);
		way_find(add(label, before), find, NULL, &way);
		assert_int_equal(way.broken, i > LIMIT_WAY);
		assert_int_equal(way.count, i > LIMIT_WAY ? 0 : i);
		memcpy(before, label, sizeof(before));
	}
	assert_string_equal(way.missing, "");
	count = 0; /* and in breadth */
	for (unsigned i = 0; i < LIMIT_WAY - 1; i++) {
		(void)snprintf(label, sizeof(label), "%u", i);
		add(label, i ? before : "");
		memcpy(before, label, sizeof(before));
	}
	add("a", "");
	add("b", "");
	(void)snprintf(label, sizeof(label), "%s\na", before);
	way_find(add("goal", label), find, NULL, &way);
	assert_int_equal(way.count, LIMIT_WAY);
	strcat(releases[count - 1].requires.must_pass, "\nb");
	way_find(&releases[count - 1], find, NULL, &way);
	assert_true(way.broken);
}

static void test_lines(void **state)
{
	char list[24] = "", line[8];
	const char *at = list;

	(void)state;
	assert_int_equal(lines_count(list), 0);
	assert_false(lines_have(list, "a"));
	assert_int_equal(lines_add(list, sizeof(list), 3, "ab"), 0);
	assert_int_equal(lines_add(list, sizeof(list), 3, "a"), 0);
	assert_int_equal(lines_add(list, sizeof(list), 3, "a"), ERR_EXIST);
	assert_int_equal(lines_add(list, sizeof(list), 3, "b c"), 0);
	assert_int_equal(lines_add(list, sizeof(list), 3, "d"), ERR_LIMIT);
	assert_string_equal(list, "ab\na\nb c");
	assert_true(lines_have(list, "ab"));
	assert_true(lines_have(list, "b c"));
	assert_false(lines_have(list, "b"));
	assert_true(lines_next(&at, line, sizeof(line)));
	assert_string_equal(line, "ab");
	assert_true(lines_next(&at, line, sizeof(line)));
	assert_true(lines_next(&at, line, 2)); /* cut */
	assert_string_equal(line, "b");
	assert_false(lines_next(&at, line, sizeof(line)));
	assert_int_equal(lines_add(list, sizeof(list), 9, "0123456789abcd"), 0);
	assert_int_equal(strlen(list), sizeof(list) - 1);
	assert_int_equal(lines_add(list, sizeof(list), 9, "x"), ERR_LIMIT);
}

static void test_boot_loader_at_least(void **state)
{
	(void)state;
	assert_true(boot_loader_at_least("anything at all", "anything at all"));
	assert_true(boot_loader_at_least("mcuboot 2.1.0", "mcuboot 2.0.9"));
	assert_true(boot_loader_at_least("7", "6"));
	assert_false(boot_loader_at_least("mcuboot 1.9", "mcuboot 1.10"));
	assert_false(boot_loader_at_least("other 9.9", "mcuboot 1.10"));
	assert_false(boot_loader_at_least("mcuboot", "mcuboot 1"));
	assert_false(boot_loader_at_least("", "1"));
	assert_false(boot_loader_at_least("mcuboot x", "mcuboot y"));
}

static uint32_t blocked(const struct release *target)
{
	struct product product = {.id = 1};

	policy_init(&product.policy);
	return plan_device(&device, &product, target, NULL, NULL, NOW).blocked;
}

static void test_plan_of_what_a_release_asks(void **state)
{
	struct release *r = add("2.0", "");
	struct report *says = &device.report;

	(void)state;
	strcpy(says->version, "1.0");
	strcpy(r->requires.hardware, "rev-b\nrev c");
	assert_int_equal(blocked(r), 1u << BLOCK_HARDWARE); /* it does not tell */
	strcpy(says->hardware, "rev-a");
	assert_int_equal(blocked(r), 1u << BLOCK_HARDWARE);
	strcpy(says->hardware, "rev c");
	assert_int_equal(blocked(r), 0);
	strcpy(r->requires.boot_loader, "mcuboot 2.0");
	assert_int_equal(blocked(r), 1u << BLOCK_BOOT_LOADER);
	strcpy(says->boot_loader, "mcuboot 1.9");
	assert_int_equal(blocked(r), 1u << BLOCK_BOOT_LOADER);
	strcpy(says->boot_loader, "mcuboot 2.0.1");
	assert_int_equal(blocked(r), 0);
	strcpy(r->requires.min_version, "1.0.1");
	assert_int_equal(blocked(r), 1u << BLOCK_MUST_PASS);
	strcpy(says->version, "whatever");
	assert_int_equal(blocked(r), 1u << BLOCK_MUST_PASS);
	strcpy(says->version, "1.1");
	assert_int_equal(blocked(r), 0);
	r->requires.has_security_counter = true;
	r->requires.security_counter = 4;
	assert_int_equal(blocked(r), 0); /* it does not tell: it guards it by itself */
	says->security_counter = 4;
	assert_int_equal(blocked(r), 0);
	says->security_counter = 5;
	assert_int_equal(blocked(r), 1u << BLOCK_ROLLBACK);
	device.lock = r->id; /* nobody can want that */
	assert_int_equal(blocked(r), 1u << BLOCK_ROLLBACK);
	device.force = true;
	assert_int_equal(blocked(r), 1u << BLOCK_ROLLBACK);
	strcpy(says->version, "2.0"); /* what it runs, it runs */
	strcpy(says->boot_loader, "");
	strcpy(r->requires.min_version, "3");
	assert_int_equal(blocked(r), 1u << BLOCK_IN_SYNC);
}

static void test_plan_no_way(void **state)
{
	const struct plan_around around = {.no_way = true};
	struct product product = {.id = 1};
	struct release *r = add("2.0", "");

	(void)state;
	policy_init(&product.policy);
	strcpy(device.report.version, "1.0");
	struct plan plan = plan_device(&device, &product, r, NULL, &around, NOW);
	assert_int_equal(plan.blocked, 1u << BLOCK_MUST_PASS);
	plan = plan_device(&device, &product, NULL, NULL, &around, NOW);
	assert_int_equal(plan.blocked, 1u << BLOCK_NO_TARGET);
}

#define T(name) cmocka_unit_test_setup(test_##name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(way_goes_over_the_stones_one_by_one),
		T(way_without_an_order_never_turns_round),
		T(way_believes_the_digest),
		T(way_stays_with_an_open_attempt),
		T(way_stones_in_common_are_passed_once),
		T(way_breaks_where_a_stone_is_gone_or_leads_back),
		T(way_has_a_limit),
		T(lines),
		T(boot_loader_at_least),
		T(plan_of_what_a_release_asks),
		T(plan_no_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
