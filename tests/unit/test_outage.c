/* SPDX-License-Identifier: Apache-2.0
 *
 * core/outage, and what our deafness does to a device's silence and back-off (TRUTH.md 7).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/outage.h"
#include "core/plan.h"
#include "core/update.h"

static struct fleet fleet_of(unsigned devices, unsigned applying, int64_t interval_s)
{
	struct fleet f = {0};
	struct device d = {.interval_learned_s = interval_s};
	struct attempt a = {.state = ATTEMPT_APPLYING};

	for (unsigned i = 0; i < devices; i++)
		fleet_add(&f, &d, i < applying ? &a : NULL);
	return f;
}

static void test_fleet_silence(void **state)
{
	static const struct {
		unsigned devices, applying;
		int64_t interval_s, silent_s;
		enum silence want;
	} cases[] = {
		{21, 0, 60, 301, SILENCE_OURS},
		{20, 0, 60, 301, SILENCE_UNKNOWN},   /* no fleet */
		{21, 0, 60, 300, SILENCE_UNKNOWN},   /* too short */
		{21, 0, 3600, 301, SILENCE_UNKNOWN}, /* two contacts expected */
		{21, 0, 3600, 3600, SILENCE_OURS},
		{25, 0, 86400, 43200, SILENCE_UNKNOWN},
		{25, 0, 0, 3600, SILENCE_OURS}, /* unknown intervals: hourly */
		{30, 15, 60, 60, SILENCE_THEIRS},
		{30, 14, 60, 301, SILENCE_OURS},
		{30, 30, 60, 59, SILENCE_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fleet f = fleet_of(cases[i].devices, cases[i].applying, cases[i].interval_s);
		assert_int_equal(fleet_silence(&f, cases[i].silent_s * 1000), cases[i].want);
	}
}

/* Seen at 0, checks in every 100 s: silent after 280 s of listening. */
static void test_silent_in_our_absence_is_listened_for_again(void **state)
{
	struct update u = {.device = {.online = true,
				      .seen_ms = 1000,
				      .offline_at_ms = 281000,
				      .interval_learned_s = 100}};
	struct outcome out;

	(void)state;
	u.deaf_ms = 500000;
	u.listening_ms = 600000;
	u.now_ms = 600000;
	update_silent(&u, &out);
	assert_true(u.device.online && out.device_changed && out.event_count == 0);
	assert_int_equal(u.device.offline_at_ms, 781000);
	u.now_ms = 781000;
	update_silent(&u, &out);
	assert_true(!u.device.online && out.event_count == 1);
}

static void test_silent_since_we_listen_is_silent(void **state)
{
	struct update u = {.device = {.online = true, .seen_ms = 1000, .offline_at_ms = 281000},
			   .deaf_ms = 500000,
			   .listening_ms = 900,
			   .now_ms = 281000};
	struct outcome out;

	(void)state;
	update_silent(&u, &out);
	assert_false(u.device.online);
}

static void test_silence_that_moved_is_stored(void **state)
{
	struct update u = {.device = {.online = true, .seen_ms = 1000, .offline_at_ms = 281000},
			   .now_ms = 280999};
	struct outcome out;

	(void)state;
	update_silent(&u, &out);
	assert_true(u.device.online && out.device_changed && out.event_count == 0);
}

static void test_back_off_beyond_its_cap_does_not_hold(void **state)
{
	struct product p = {.id = 1};
	struct device d = {.online = true, .has_report = true};

	(void)state;
	policy_init(&p.policy);
	p.policy.backoff_max_s = 800;
	p.policy.defer_max_s = 8000;
	report_init(&d.report);
	d.retry_at_ms = 901000; /* the cap and an eighth, for the jitter */
	assert_true(plan_device(&d, &p, NULL, NULL, NULL, 0).blocked & 1u << BLOCK_BACKOFF);
	d.retry_at_ms = 901001;
	assert_false(plan_device(&d, &p, NULL, NULL, NULL, 0).blocked & 1u << BLOCK_BACKOFF);
	d.defer_since_ms = 1;
	assert_true(plan_device(&d, &p, NULL, NULL, NULL, 0).blocked & 1u << BLOCK_DEFERRED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fleet_silence),
		cmocka_unit_test(test_silent_in_our_absence_is_listened_for_again),
		cmocka_unit_test(test_silent_since_we_listen_is_silent),
		cmocka_unit_test(test_silence_that_moved_is_stored),
		cmocka_unit_test(test_back_off_beyond_its_cap_does_not_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
