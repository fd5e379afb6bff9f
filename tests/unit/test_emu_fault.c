/* SPDX-License-Identifier: Apache-2.0
 *
 * Faults as they are asked for, and who of a fleet has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "emu/fault.h"

enum { FLEET = 200 };

static struct emu_faults faults;
static uint32_t masks[FLEET];

static int begin(void **state)
{
	(void)state;
	memset(&faults, 0, sizeof(faults));
	return 0;
}

static const struct emu_fault *add(const char *spec)
{
	assert_int_equal(emu_fault_add(&faults, spec), 0);
	return &faults.list[faults.len - 1];
}

static void deal(uint64_t seed, uint32_t count)
{
	uint32_t order[FLEET];

	assert_true(count <= FLEET);
	emu_fault_order(order, count, seed);
	for (uint32_t i = 0; i < count; i++)
		masks[i] = emu_fault_deal(&faults, i, order[i], count);
}

static unsigned with(uint32_t count, uint32_t mask)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < count; i++)
		n += (masks[i] & mask) == mask;
	return n;
}

static const struct emu_fault *find(enum emu_fault_kind kind)
{
	return emu_fault_find(&faults, UINT32_MAX, kind);
}

static void test_a_fault_is_found_by_its_kind(void **state)
{
	(void)state;
	(void)add("crash-loop:2,revert");
	(void)add("liar:no-reboot");
	(void)add("wrong-label");
	(void)add("no-gate-answer");
	assert_int_equal(find(EMU_FAULT_CRASH_LOOP)->value, 2);
	assert_int_equal(find(EMU_FAULT_CRASH_LOOP)->word, 1);
	assert_int_equal(find(EMU_FAULT_LIAR)->value, EMU_LIAR_NO_REBOOT);
	assert_string_equal(find(EMU_FAULT_WRONG_LABEL)->text, "mislabelled");
	assert_int_equal(find(EMU_FAULT_NO_GATE_ANSWER)->value, 1);
	assert_null(find(EMU_FAULT_CLONE));
	assert_null(emu_fault_find(&faults, 1, EMU_FAULT_LIAR));
	assert_non_null(emu_fault_find(&faults, 2, EMU_FAULT_LIAR));
}

static void test_a_fault_has_an_argument_and_somebody(void **state)
{
	const struct emu_fault *f = add("power-cut:4096@7");

	(void)state;
	assert_int_equal(f->kind, EMU_FAULT_POWER_CUT);
	assert_int_equal(f->value, 4096);
	assert_int_equal(f->from, 7);
	assert_int_equal(f->to, 7);
	f = add("never-return@3%");
	assert_int_equal(f->percent, 3);
	assert_int_equal(f->from, 0);
	f = add("crash-loop:2,revert@1-20");
	assert_int_equal(f->value, 2);
	assert_int_equal(f->word, 1);
	assert_int_equal(f->to, 20);
	f = add("wrong-label:v1@home");
	assert_string_equal(f->text, "v1@home");
	assert_int_equal(f->from, 0);
	f = add("wrong-label:v1@home@100%");
	assert_string_equal(f->text, "v1@home");
	assert_int_equal(f->percent, 100);
	f = add("wrong-label@2");
	assert_string_equal(f->text, "mislabelled");
	f = add("no-confirm");
	assert_int_equal(f->from, 0);
	assert_int_equal(f->percent, 0);
}

static void test_a_bad_fault_is_refused(void **state)
{
	static const char *const bad[] = {
		"power-cut@7",
		"power-cut:@7",
		"no-confirm@",
		"no-confirm@0",
		"no-confirm@0%",
		"no-confirm@101%",
		"no-confirm@5-4",
		"no-confirm@1-",
		"no-confirm@-4",
		"no-confirm@3%%",
		"no-confirm@a",
		"no-confirm@1@2",
		"fs-full",
		"fs-full:",
		"fs-full:-1",
		"loss:101",
		"cached:1",
		"liar",
		"liar:maybe",
		"crash-loop:2,stay",
		"brown-out:",
		"wrong-label:",
		"power-cut:4294967296",
		"delay:1x",
		"no-confirm@3%-4%",
		"no-confirm:@1-2-3",
		"no-confirm:x@1",
		"wrong-label:@1",
		"wrong-label@x",
		"no-confirm@12345678901234567890",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(emu_fault_add(&faults, bad[i]), ERR_INVAL);
	assert_int_equal(emu_fault_add(&faults, "no-such@1"), ERR_NOENT);
	assert_int_equal(emu_fault_add(&faults, "fs-ful"), ERR_NOENT);
	assert_int_equal(emu_fault_add(&faults, ""), ERR_NOENT);
	assert_int_equal(faults.len, 0);
	for (int i = 0; i < EMU_FAULTS_MAX; i++)
		(void)add("no-confirm@1");
	assert_int_equal(emu_fault_add(&faults, "no-confirm@1"), ERR_LIMIT);
}

static void test_percents_are_exact_and_of_different_devices(void **state)
{
	uint32_t first[FLEET];

	(void)state;
	(void)add("never-return@3%");
	(void)add("no-confirm@10-12");
	(void)add("liar:old-image@2%");
	(void)add("loss:5");
	deal(1, FLEET);
	assert_int_equal(with(FLEET, 1 << 0), 6);
	assert_int_equal(with(FLEET, 1 << 1), 3);
	assert_int_equal(with(FLEET, 1 << 2), 4);
	assert_int_equal(with(FLEET, 1 << 3), FLEET);
	assert_int_equal(with(FLEET, 1 << 0 | 1 << 2), 0);
	assert_int_equal(masks[8] & 2, 0);
	assert_int_equal(masks[9] & 2, 2);
	assert_int_equal(masks[11] & 2, 2);
	assert_int_equal(masks[12] & 2, 0);
	/* By the seed, and by it alone. */
	memcpy(first, masks, sizeof(first));
	deal(1, FLEET);
	assert_memory_equal(first, masks, sizeof(first));
	deal(2, FLEET);
	assert_memory_not_equal(first, masks, sizeof(first));
	assert_int_equal(with(FLEET, 1 << 0), 6);
}

static void test_few_percent_of_few_are_one(void **state)
{
	(void)state;
	(void)add("never-return@1%");
	(void)add("no-confirm@60%");
	(void)add("cached@60%");
	deal(5, 1);
	assert_int_equal(masks[0], 7);
	deal(5, 10);
	assert_int_equal(with(10, 1), 1);
	assert_int_equal(with(10, 2), 6);
	assert_int_equal(with(10, 4), 6);
	/* The rest of the third goes round to the first devices again. */
	assert_int_equal(with(10, 2 | 4) + with(10, 1 | 4), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_a_fault_is_found_by_its_kind, begin),
		cmocka_unit_test_setup(test_a_fault_has_an_argument_and_somebody, begin),
		cmocka_unit_test_setup(test_a_bad_fault_is_refused, begin),
		cmocka_unit_test_setup(test_percents_are_exact_and_of_different_devices, begin),
		cmocka_unit_test_setup(test_few_percent_of_few_are_one, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
