/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole updates of LwM2M devices, good and bad: each ends in the verdict that is true, within
 * core's deadlines.
 */
#include "lwm2m_rig.h"

#include <string.h>

#define UPTIME "lwm2m-uptime=/33605/0/0\n"
#define COUNT "lwm2m-boot-count=/33605/0/1\n"
#define DIGEST "lwm2m-digest=/33605/0/2\n"

static struct rig rig;

static const struct rig_script good = {.delivery = 2, .result_after = -1};

static void go(const struct rig_script *s, const char *options)
{
	rig_init(&rig, s, options);
	rig_boot(&rig);
	rig_until_closed(&rig, 300000);
	assert_true(rig.closed);
}

#define assert_ended(v) assert_string_equal(verdict_name(rig.ended.verdict), verdict_name(v))
#define assert_grade(g) assert_string_equal(grade_name(rig.ended.grade), grade_name(g))

static void test_pull(void **state)
{
	(void)state;
	go(&good, "");
	assert_ended(VERDICT_UPDATED);
	assert_grade(GRADE_WEAK);
	assert_int_equal(rig.ended.via, VIA_OTA);
	assert_int_equal(rig.written, 1);
	assert_int_equal(rig.pushed, 0);
	assert_int_equal(rig.executed, 1);
	assert_string_equal(rig.uri, "coaps://192.0.2.1:5684/fw/f1f1f1f1f1f1f1f1");
	for (enum rung i = RUNG_OFFERED; i <= RUNG_RUNNING; i++)
		assert_int_not_equal(rig.ended.rung_ms[i], 0);
	assert_int_equal(rig.events_started, 1);
	/* and nothing more is done */
	rig_run(&rig, 20000);
	assert_int_equal(rig.executed, 1);
	assert_false(rig.u.has_attempt);
	assert_int_equal(rig.offline, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pull),
	};

	return cmocka_run_group_tests_name("lwm2m_update", tests, NULL, NULL);
}
