/* SPDX-License-Identifier: Apache-2.0
 *
 * core/plan_rules: which device may have which release, and whether it is fit for it now.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/plan.h"

enum { NOW = 1000000 };

static struct product product;
static struct release target;
static struct device device;

static int setup(void **state)
{
	(void)state;
	product = (struct product){.id = 1, .target = 2};
	policy_init(&product.policy);
	target = (struct release){.id = 2, .version = "2.0.0", .size_bytes = 1000};
	device = (struct device){.online = true, .has_report = true};
	report_init(&device.report);
	strcpy(device.report.version, "1.0.0");
	return 0;
}

static void assert_blocked(uint32_t want)
{
	struct plan plan = plan_device(&device, &product, &target, NULL, NULL, NOW);

	assert_int_equal(plan.blocked, want);
	assert_int_equal(plan.offer, want == 0);
	assert_false(plan.pending);
}

static void test_plan_battery(void **state)
{
	(void)state;
	device.report.battery_percent = 0;
	assert_blocked(0); /* nobody asks */
	product.policy.min_battery_percent = 30;
	assert_blocked(1u << BLOCK_POWER);
	device.report.battery_percent = 29;
	assert_blocked(1u << BLOCK_POWER);
	device.force = true; /* no operator charges a battery */
	assert_blocked(1u << BLOCK_POWER);
	device.report.battery_percent = 30;
	assert_blocked(0);
	device.report.battery_percent = -1; /* it has none, or does not tell */
	assert_blocked(0);
	device.report.battery_percent = 5;
	strcpy(device.report.version, "2.0.0");
	assert_blocked(1u << BLOCK_IN_SYNC);
}

/* A device knows its battery; whether that matters, the product says. */
static void test_plan_battery_by_its_own_word(void **state)
{
	(void)state;
	device.report.troubles = TROUBLE_POWER_LOW;
	assert_blocked(0);
	product.policy.min_battery_percent = 1;
	assert_blocked(1u << BLOCK_POWER);
	device.report.battery_percent = 100;
	assert_blocked(1u << BLOCK_POWER);
	device.report.troubles = ~(uint32_t)TROUBLE_POWER_LOW;
	assert_blocked(0);
}

static void test_plan_supply(void **state)
{
	(void)state;
	device.report.supply_mv = 0;
	assert_blocked(0);
	product.policy.min_supply_mv = 3300;
	assert_blocked(1u << BLOCK_POWER);
	device.report.supply_mv = 3299;
	assert_blocked(1u << BLOCK_POWER);
	device.report.supply_mv = 3300;
	assert_blocked(0);
	device.report.supply_mv = -1;
	assert_blocked(0);
}

static void test_plan_out_of_memory(void **state)
{
	(void)state;
	device.report.troubles = TROUBLE_MEMORY_LOW;
	assert_blocked(0); /* the image goes to its slot */
	product.policy.need_file_space = 1;
	assert_blocked(1u << BLOCK_SPACE);
	device.report.fs_free_bytes = 1 << 30;
	assert_blocked(1u << BLOCK_SPACE);
	device.report.has_cached = true; /* it has it already */
	assert_blocked(0);
	device.report.has_cached = false;
	device.report.troubles = TROUBLE_POWER_LOW;
	assert_blocked(0);
}

static void test_plan_free_space(void **state)
{
	(void)state;
	device.report.fs_free_bytes = 0;
	assert_blocked(0); /* the image goes to its slot */
	product.policy.need_file_space = 1;
	product.policy.space_margin_bytes = 500;
	assert_blocked(1u << BLOCK_SPACE);
	device.report.fs_free_bytes = 1499;
	assert_blocked(1u << BLOCK_SPACE);
	device.report.fs_free_bytes = 1500;
	assert_blocked(0);
	device.report.slot_bytes = 999; /* one does not make up for the other */
	assert_blocked(1u << BLOCK_SPACE);
	device.report.slot_bytes = 1000;
	device.report.fs_free_bytes = 0;
	device.report.has_cached = true; /* another image */
	device.report.cached[0] = 1;
	assert_blocked(1u << BLOCK_SPACE);
	device.report.cached[0] = 0; /* this one: it has it already */
	assert_blocked(0);
	device.report.has_cached = false;
	device.report.fs_free_bytes = -1;
	assert_blocked(0);
}

/* A container is larger than what the device gets out of it, and may need more than its size. */
static void test_plan_slot(void **state)
{
	(void)state;
	device.report.slot_bytes = 999;
	assert_blocked(1u << BLOCK_SPACE);
	target.image.slot_bytes = 500;
	assert_blocked(0);
	device.report.slot_bytes = 499;
	assert_blocked(1u << BLOCK_SPACE);
	device.report.slot_bytes = 1000;
	target.image.slot_bytes = 1001;
	assert_blocked(1u << BLOCK_SPACE);
}

static void test_plan_downgrade(void **state)
{
	static const struct {
		const char *runs;
		bool blocked;
	} rows[] =
		{
			{"1.9.9", false},	{"2.0.0-rc1", false}, {"2.0", false},
			{"2.0.0+dirty", false}, {"2.0.1", true},      {"10", true},
			{"nightly", true}, /* nothing tells: not surely newer */
		};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		strcpy(device.report.version, rows[i].runs);
		product.policy.allow_downgrade = 1;
		device.lock = 0;
		assert_blocked(0);
		product.policy.allow_downgrade = 0;
		assert_blocked(rows[i].blocked ? 1u << BLOCK_DOWNGRADE : 0);
		device.lock = 2; /* an operator's own act */
		assert_blocked(0);
	}
	device.lock = 0;
	strcpy(device.report.version, "2.0.0");
	assert_blocked(1u << BLOCK_IN_SYNC);
}

#define T(name) cmocka_unit_test_setup(test_##name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(plan_battery),    T(plan_battery_by_its_own_word),
		T(plan_supply),	    T(plan_out_of_memory),
		T(plan_free_space), T(plan_slot),
		T(plan_downgrade),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
