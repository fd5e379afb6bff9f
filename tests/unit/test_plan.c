/* SPDX-License-Identifier: Apache-2.0
 *
 * core/plan: what blocks an offer, all of it at once (TRUTH.md sections 3 and 4).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/plan.h"

enum { NOW = 1000000 };

static struct product product;
static struct release target;
static struct device device;

static void set_digest(struct digest *d, unsigned kind, uint8_t fill)
{
	*d = (struct digest){.kind = (uint8_t)kind, .len = 32};
	memset(d->value, fill, 32);
}

static int setup(void **state)
{
	(void)state;
	product = (struct product){.id = 1, .target = 2};
	policy_init(&product.policy);
	target = (struct release){.id = 2, .version = "2.0.0", .size_bytes = 1000};
	set_digest(&target.running[target.running_count++], DIGEST_FILE, 0xf2);
	set_digest(&target.running[target.running_count++], DIGEST_MCUBOOT, 0xa2);
	device = (struct device){.online = true, .has_report = true};
	report_init(&device.report);
	strcpy(device.report.version, "1.0.0");
	return 0;
}

static struct plan plan_now(const struct attempt *open)
{
	return plan_device(&device, &product, &target, open, NULL, NOW);
}

static void assert_blocked(uint32_t want)
{
	struct plan plan = plan_now(NULL);

	assert_int_equal(plan.blocked, want);
	assert_int_equal(plan.offer, (want & ~(1u << BLOCK_OFFLINE)) == 0);
}

static void test_plan_no_offer_of_an_image_that_cannot_be_read(void **state)
{
	(void)state;
	target.unavailable = true;
	assert_blocked(1u << BLOCK_IMAGE);
	strcpy(device.report.version, "2.0.0"); /* who runs it needs no copy of ours */
	device.report.running = target.running[0];
	assert_blocked(1u << BLOCK_IN_SYNC);
}

static void test_wait_until_moves_the_stall_deadline_forward_and_never_the_total(void **state)
{
	struct attempt a = {.state = ATTEMPT_TRANSFERRING, .stall_at_ms = 10, .total_at_ms = 20};

	(void)state;
	attempt_wait_until(&a, 15);
	assert_int_equal(a.stall_at_ms, 15);
	assert_int_equal(a.total_at_ms, 20);
	attempt_wait_until(&a, 30);
	assert_int_equal(a.stall_at_ms, 30);
	assert_int_equal(a.total_at_ms, 20);
	attempt_wait_until(&a, 5);
	assert_int_equal(a.stall_at_ms, 30);
	assert_int_equal(attempt_deadline_ms(&a), 20);
	a.state = ATTEMPT_CLOSED;
	attempt_wait_until(&a, 99);
	assert_int_equal(a.stall_at_ms, 30);
}

static void test_plan_nothing_blocks_an_old_image(void **state)
{
	(void)state;
	assert_blocked(0);
	device.online = false;
	assert_blocked(1u << BLOCK_OFFLINE);
}

static void test_plan_lock_goes_before_the_products_target(void **state)
{
	enum target_why why;

	(void)state;
	assert_int_equal(plan_target(&device, &product, NULL, NULL, NULL, &why), 2);
	assert_int_equal(why, TARGET_PRODUCT);
	device.lock = 9;
	assert_int_equal(plan_target(&device, &product, NULL, NULL, NULL, &why), 9);
	assert_int_equal(why, TARGET_LOCK);
	device.lock = product.target = 0;
	assert_int_equal(plan_target(&device, &product, NULL, NULL, NULL, &why), 0);
	assert_int_equal(why, TARGET_NONE);
}

static void test_plan_a_groups_target_goes_before_the_products(void **state)
{
	struct device_group group = {.id = 5, .product = 1, .target = 7};
	enum target_why why;

	(void)state;
	assert_int_equal(plan_target(&device, &product, &group, NULL, NULL, &why), 7);
	assert_int_equal(why, TARGET_GROUP);
	device.lock = 9;
	assert_int_equal(plan_target(&device, &product, &group, NULL, NULL, &why), 9);
	assert_int_equal(why, TARGET_LOCK);
	device.lock = group.target = 0;
	assert_int_equal(plan_target(&device, &product, &group, NULL, NULL, &why), 2);
	assert_int_equal(why, TARGET_PRODUCT);
	group.target = 7;
	product.target = 0;
	assert_int_equal(plan_target(&device, &product, &group, NULL, NULL, &why), 7);
	assert_int_equal(why, TARGET_GROUP);
}

static void test_plan_a_target_set_after_the_end_of_a_rollout_decides(void **state)
{
	struct device_group group = {.id = 5, .product = 1, .target = 7, .target_ms = 900};
	struct rollout r = {
		.id = 3, .release = 8, .state = ROLLOUT_RUNNING, .reached = ROLLOUT_PLACE_END};
	enum target_why why;

	(void)state;
	device.rollout = 3;
	product.target_ms = 2000;
	assert_int_equal(plan_target(&device, &product, NULL, &r, NULL, &why), 8); /* it is open */
	r.state = ROLLOUT_DONE;
	r.ended_ms = 1000;
	assert_int_equal(plan_target(&device, &product, NULL, &r, NULL, &why), 2);
	assert_int_equal(why, TARGET_PRODUCT);
	/* The group's target hides the product's, and is older. */
	assert_int_equal(plan_target(&device, &product, &group, &r, NULL, &why), 8);
	assert_int_equal(why, TARGET_ROLLOUT);
	/* It came into the group after the end: a newer act, if the group has a target. */
	device.group_ms = 1001;
	assert_int_equal(plan_target(&device, &product, &group, &r, NULL, &why), 7);
	assert_int_equal(why, TARGET_GROUP);
	group.target = 0;
	product.target_ms = 1000;
	assert_int_equal(plan_target(&device, &product, &group, &r, NULL, &why), 8);
	group.target = 7;
	device.group_ms = 1000;
	assert_int_equal(plan_target(&device, &product, &group, &r, NULL, &why), 8);
	device.group_ms = 0;
	group.target_ms = 1001;
	assert_int_equal(plan_target(&device, &product, &group, &r, NULL, &why), 7);
	product.target_ms = 1000;
	assert_int_equal(plan_target(&device, &product, NULL, &r, NULL, &why), 8);
	assert_true(plan_target_concerns(&device, &product, NULL, &r, NULL, TARGET_PRODUCT));
	device.rollout = 0;
	product.target_ms = 0;
}

static void test_plan_the_rollout_before_decides_where_the_present_one_does_not(void **state)
{
	struct device_group group = {.id = 5, .product = 1, .target = 7, .target_ms = 900};
	struct rollout before = {.id = 2, .release = 6, .state = ROLLOUT_DONE, .ended_ms = 1000};
	struct rollout r = {.id = 3, .release = 8, .state = ROLLOUT_RUNNING, .reached = 500};
	enum target_why why;

	(void)state;
	before.reached = ROLLOUT_PLACE_END;
	device.rollout = 2;
	assert_int_equal(plan_rollout_before(&device, &before), 2);
	assert_int_equal(plan_rollout_before(&device, NULL), 0);
	device.rollout = 3;
	device.rollout_before = 2;
	device.rollout_place = 500; /* not reached */
	assert_int_equal(plan_target(&device, &product, &group, &r, &before, &why), 6);
	assert_int_equal(why, TARGET_EARLIER);
	assert_int_equal(plan_rollout_before(&device, &r), 2);
	/* It is told of targets that may become newer, and of those that are taken away. */
	assert_true(plan_target_concerns(&device, &product, &group, &r, &before, TARGET_GROUP));
	device.rollout_place = 499;
	assert_int_equal(plan_target(&device, &product, &group, &r, &before, &why), 8);
	assert_int_equal(plan_rollout_before(&device, &r), 3);
	r.state = ROLLOUT_ABORTED;
	assert_int_equal(plan_target(&device, &product, &group, &r, &before, &why), 6);
	assert_int_equal(plan_rollout_before(&device, &r), 2);
	group.target_ms = 1001;
	assert_int_equal(plan_target(&device, &product, &group, &r, &before, &why), 7);
	group.target_ms = 900;
	assert_int_equal(plan_target(&device, &product, &group, &r, NULL, &why), 7); /* gone */
	device.development = true;
	assert_int_equal(plan_target(&device, &product, &group, &r, &before, &why), 0);
	device.development = false;
}

static void test_plan_an_aborted_rollout_leads_back_to_what_ran_before(void **state)
{
	struct rollout r = {.id = 3, .release = 8, .state = ROLLOUT_ABORTED, .reached = 500};
	struct release runs = {.id = 6, .state = RELEASE_ACTIVE, .version = "1.0.0"};
	struct device d = {.product = 1, .has_report = true, .report = {.version = "1.0.0"}};
	struct product p = {.id = 1};
	enum target_why why;

	(void)state;
	assert_int_equal(plan_rollout_return(&d, NULL, &runs, 8), 6);
	assert_int_equal(plan_rollout_return(&d, NULL, NULL, 8), 0);
	assert_int_equal(plan_rollout_return(&d, NULL, &runs, 6), 0); /* it runs it already */
	runs.state = RELEASE_QUARANTINED;
	assert_int_equal(plan_rollout_return(&d, NULL, &runs, 8), 0);
	runs.state = RELEASE_ACTIVE;
	d.report.mode = MODE_UPDATER;
	assert_int_equal(plan_rollout_return(&d, NULL, &runs, 8), 0);
	d.report.mode = MODE_APPLICATION;
	memcpy(d.report.version, "1.0.1", 6);
	assert_int_equal(plan_rollout_return(&d, NULL, &runs, 8), 0);
	d.rollout = 3;
	d.rollout_place = 499;
	d.rollout_return = 5;
	assert_int_equal(plan_target(&d, &p, NULL, &r, NULL, &why), 5);
	assert_int_equal(why, TARGET_RETURN);
	assert_true(plan_target_concerns(&d, &p, NULL, &r, NULL, TARGET_PRODUCT));
	/* It is on its way back there. */
	memcpy(d.report.version, "1.0.0", 6);
	assert_int_equal(plan_rollout_return(&d, &r, &runs, 8), 5);
	assert_int_equal(plan_rollout_return(&d, &r, &runs, 5), 6);
	p.target = 9;
	assert_int_equal(plan_target(&d, &p, NULL, &r, NULL, &why), 9);
	p.target = 0;
	d.rollout_place = 500; /* never reached */
	assert_int_equal(plan_target(&d, &p, NULL, &r, NULL, &why), 0);
	d.rollout_place = 0;
	r.state = ROLLOUT_HALTED;
	assert_int_equal(plan_target(&d, &p, NULL, &r, NULL, &why), 8);
	r.state = ROLLOUT_ABORTED;
	d.development = true;
	assert_int_equal(plan_target(&d, &p, NULL, &r, NULL, &why), 0);
}

static void test_plan_only_a_lock_reaches_a_development_device(void **state)
{
	struct device_group group = {.id = 5, .product = 1, .target = 7};
	enum target_why why;

	(void)state;
	device.development = true;
	assert_int_equal(plan_target(&device, &product, &group, NULL, NULL, &why), 0);
	assert_int_equal(why, TARGET_NONE);
	device.lock = 9;
	assert_int_equal(plan_target(&device, &product, &group, NULL, NULL, &why), 9);
	assert_int_equal(why, TARGET_LOCK);
}

static void test_plan_a_change_concerns_whom_nothing_else_goes_before(void **state)
{
	static const struct {
		int64_t lock, group, product;
		bool development, by_group, by_product;
	} rows[] = {
		{0, 0, 0, false, true, true},	{0, 0, 2, false, true, true},
		{0, 7, 0, false, true, false},	{0, 7, 2, false, true, false},
		{9, 7, 2, false, false, false}, {9, 0, 0, false, false, false},
		{0, 7, 2, true, false, false},	{0, 0, 0, true, false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct device_group group = {.id = 5, .product = 1, .target = rows[i].group};

		device.lock = rows[i].lock;
		product.target = rows[i].product;
		device.development = rows[i].development;
		assert_true(plan_target_concerns(&device, &product, &group, NULL, NULL,
						 TARGET_LOCK) == true);
		assert_true(plan_target_concerns(&device, &product, &group, NULL, NULL,
						 TARGET_GROUP) == rows[i].by_group);
		assert_true(plan_target_concerns(&device, &product, &group, NULL, NULL,
						 TARGET_PRODUCT) == rows[i].by_product);
	}
}

static void test_plan_no_report_and_no_target(void **state)
{
	(void)state;
	device.has_report = false;
	struct plan plan = plan_device(&device, &product, NULL, NULL, NULL, NOW);
	assert_int_equal(plan.blocked, 1u << BLOCK_NO_BASELINE | 1u << BLOCK_NO_TARGET);
	assert_false(plan.offer);
}

static void test_plan_same_label_is_in_sync(void **state)
{
	(void)state;
	strcpy(device.report.version, "2.0.0");
	assert_blocked(1u << BLOCK_IN_SYNC);
	set_digest(&device.report.running, DIGEST_VENDOR, 1); /* a kind nobody knows */
	assert_blocked(1u << BLOCK_IN_SYNC);
	set_digest(&device.report.running, DIGEST_MCUBOOT, 0xa2);
	assert_blocked(1u << BLOCK_IN_SYNC);
}

static void test_plan_label_is_compared_byte_for_byte(void **state)
{
	static const char *const others[] = {"2.0.0 ", "2.0.00", "2.0", "v2.0.0", "2.0.0-rc1"};

	(void)state;
	for (int i = 0; i < 5; i++) {
		strcpy(device.report.version, others[i]);
		assert_blocked(0);
	}
}

static void test_plan_digest_decides_over_the_label(void **state)
{
	(void)state;
	set_digest(&device.report.running, DIGEST_MCUBOOT, 0xa2);
	assert_blocked(1u << BLOCK_IN_SYNC); /* label-is-not-image, never a re-flash */
	strcpy(device.report.version, "2.0.0");
	set_digest(&device.report.running, DIGEST_MCUBOOT, 0x33);
	assert_blocked(0);
}

static void test_plan_unprovable(void **state)
{
	(void)state;
	set_digest(&device.report.running, DIGEST_VENDOR, 1);
	assert_blocked(1u << BLOCK_UNPROVABLE); /* DIGEST required, kind unknown */
	product.policy.require_digest = 0;
	assert_blocked(0);
	setup(NULL);
	device.settled = 1; /* same label, known to run another release */
	strcpy(device.report.version, "2.0.0");
	assert_blocked(1u << BLOCK_UNPROVABLE);
	setup(NULL);
	target.no_digest = true; /* same label, and the new one could not show its digest */
	strcpy(device.report.version, "2.0.0");
	set_digest(&device.report.running, DIGEST_MCUBOOT, 0x33);
	assert_blocked(1u << BLOCK_UNPROVABLE);
}

static void test_plan_all_that_block_are_told(void **state)
{
	(void)state;
	strcpy(product.hardware, "argon");
	strcpy(device.report.hardware, "p2");
	device.report.slot_bytes = 999;
	device.report.updates_enabled = 0;
	device.retry_at_ms = NOW + 1;
	device.hold = HOLD_OPERATOR;
	device.drifted = true;
	assert_blocked(1u << BLOCK_HARDWARE | 1u << BLOCK_SPACE | 1u << BLOCK_UPDATES_DISABLED |
		       1u << BLOCK_BACKOFF | 1u << BLOCK_HELD | 1u << BLOCK_DRIFTED);
	assert_int_equal(plan_now(NULL).clear_at_ms, NOW + 1);
	device.force = true;
	assert_false(plan_now(NULL).blocked & 1u << BLOCK_UPDATES_DISABLED);
	product.policy.on_drift_reapply = 1;
	assert_false(plan_now(NULL).blocked & 1u << BLOCK_DRIFTED);
}

static void test_plan_pending_only_where_the_device_itself_is_in_the_way(void **state)
{
	(void)state;
	assert_false(plan_now(NULL).pending);
	device.report.updates_enabled = 0;
	assert_true(plan_now(NULL).pending);
	struct attempt open = {.release = 2};
	assert_false(plan_now(&open).pending);
	device.hold = HOLD_OPERATOR;
	assert_false(plan_now(NULL).pending);
	device.hold = HOLD_NONE;
	device.report.updates_enabled = 1;
	device.defer_since_ms = 1;
	device.retry_at_ms = NOW + 1;
	assert_true(plan_now(NULL).pending);
	assert_true(plan_now(NULL).blocked & 1u << BLOCK_DEFERRED);
}

static void test_plan_attempt_to_an_earlier_target_finishes_first(void **state)
{
	struct attempt open = {.release = 1};

	(void)state;
	assert_int_equal(plan_now(&open).blocked, 1u << BLOCK_FINISHING);
	open.release = 2;
	assert_int_equal(plan_now(&open).blocked, 0);
	assert_false(plan_now(&open).offer);
}

#define T(name) cmocka_unit_test_setup(test_##name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(plan_nothing_blocks_an_old_image),
		T(plan_no_offer_of_an_image_that_cannot_be_read),
		T(wait_until_moves_the_stall_deadline_forward_and_never_the_total),
		T(plan_lock_goes_before_the_products_target),
		T(plan_a_groups_target_goes_before_the_products),
		T(plan_a_target_set_after_the_end_of_a_rollout_decides),
		T(plan_the_rollout_before_decides_where_the_present_one_does_not),
		T(plan_an_aborted_rollout_leads_back_to_what_ran_before),
		T(plan_only_a_lock_reaches_a_development_device),
		T(plan_a_change_concerns_whom_nothing_else_goes_before),
		T(plan_no_report_and_no_target),
		T(plan_same_label_is_in_sync),
		T(plan_label_is_compared_byte_for_byte),
		T(plan_digest_decides_over_the_label),
		T(plan_unprovable),
		T(plan_all_that_block_are_told),
		T(plan_pending_only_where_the_device_itself_is_in_the_way),
		T(plan_attempt_to_an_earlier_target_finishes_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
