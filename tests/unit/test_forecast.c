/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/rollout_forecast.h"

#define HOUR_MS INT64_C(3600000)
#define DAY_MS (24 * HOUR_MS)
#define MONDAY_MS INT64_C(1769990400000) /* 2026-02-02T00:00:00Z */

#define T(name) cmocka_unit_test(test_forecast_##name)

static struct rollout rollout_with(const char *waves)
{
	struct rollout r = {0};
	const char *why = NULL;

	rollout_rules_init(&r.rules);
	r.rules.soak_s = 3600;
	assert_int_equal(rollout_waves_parse(&r, waves, &why), 0);
	return r;
}

static struct forecast_site site(const char *windows, const char *zone, int64_t devices)
{
	struct forecast_site s = {.devices = devices};
	char fault[64];

	assert_int_equal(schedule_parse(windows, &s.schedule, fault), 0);
	assert_int_equal(zone_parse(zone, &s.zone), 0);
	return s;
}

static struct rollout_forecast forecast(const struct rollout *r, const struct forecast_site *sites,
					unsigned count, int64_t now_ms)
{
	struct forecast_facts f = {
		.size_bytes = 1000, .sites = sites, .site_count = count, .now_ms = now_ms};

	for (unsigned i = 0; i < count; i++)
		f.offers += sites[i].devices;
	f.members = f.offers;
	return rollout_forecast(r, &f);
}

static void test_forecast_waits_for_the_windows_of_each_wave(void **state)
{
	const struct rollout r = rollout_with("50%,100%");
	const struct forecast_site s = site("02:00-04:00", "", 100);
	struct rollout_forecast f = forecast(&r, &s, 1, MONDAY_MS);

	(void)state;
	/* The first one waits until 2, is watched until 3; the second one begins in the window. */
	assert_int_equal(f.waves[0].opens_ms, MONDAY_MS);
	assert_int_equal(f.waves[0].ends_ms, MONDAY_MS + 3 * HOUR_MS);
	assert_int_equal(f.waves[1].opens_ms, MONDAY_MS + 3 * HOUR_MS);
	assert_int_equal(f.waves[1].ends_ms, MONDAY_MS + 4 * HOUR_MS);
	assert_int_equal(f.ends_ms, f.waves[1].ends_ms);
	/* From 3 on: the second one is a day later. */
	f = forecast(&r, &s, 1, MONDAY_MS + 3 * HOUR_MS);
	assert_int_equal(f.waves[0].ends_ms, MONDAY_MS + 4 * HOUR_MS);
	assert_int_equal(f.waves[1].ends_ms, MONDAY_MS + DAY_MS + 3 * HOUR_MS);
}

static void test_forecast_goes_by_the_clock_of_the_place(void **state)
{
	const struct rollout r = rollout_with("100%");
	const struct forecast_site s = site("Mon 02:00-04:00", "JST-9", 1);
	struct rollout_forecast f = forecast(&r, &s, 1, MONDAY_MS);

	(void)state; /* it is Monday 9:00 there */
	assert_int_equal(f.ends_ms, MONDAY_MS + 7 * DAY_MS - 7 * HOUR_MS + HOUR_MS);
}

/* A tenth has its window only on Sunday: by default a wave does not wait for them. */
static void test_forecast_needs_no_more_than_complete_percent(void **state)
{
	struct rollout r = rollout_with("100%");
	struct forecast_site s[] = {site("Sun 01:00-02:00", "", 10), site("", "", 60),
				    site("05:00-06:00", "", 30)};
	struct rollout_forecast f = forecast(&r, s, 3, MONDAY_MS);

	(void)state;
	assert_int_equal(r.rules.complete_percent, 90);
	assert_int_equal(f.ends_ms, MONDAY_MS + 6 * HOUR_MS);
	r.rules.complete_percent = 60;
	f = forecast(&r, s, 3, MONDAY_MS);
	assert_int_equal(f.ends_ms, MONDAY_MS + HOUR_MS);
	r.rules.complete_percent = 91;
	f = forecast(&r, s, 3, MONDAY_MS);
	assert_int_equal(f.ends_ms, MONDAY_MS + 6 * DAY_MS + 2 * HOUR_MS);
	s[0].devices = 11; /* one more than they may be */
	r.rules.complete_percent = 90;
	f = forecast(&r, s, 3, MONDAY_MS);
	assert_int_equal(f.ends_ms, MONDAY_MS + 6 * DAY_MS + 2 * HOUR_MS);
}

/* 600 in ten hours: the nine tenths that count are released after nine, when the window is over. */
static void test_forecast_reckons_the_rate_before_the_windows(void **state)
{
	struct rollout r = rollout_with("100%");
	struct forecast_site s = site("00:00-08:00", "", 601);

	(void)state;
	r.rules.rate = 1;
	struct rollout_forecast f = forecast(&r, &s, 1, MONDAY_MS);
	assert_int_equal(f.ends_ms, MONDAY_MS + DAY_MS + HOUR_MS);
	s = site("00:00-09:30", "", 601);
	f = forecast(&r, &s, 1, MONDAY_MS);
	assert_int_equal(f.ends_ms, MONDAY_MS + 11 * HOUR_MS);
}

static void test_forecast_reckons_bytes_to_the_millisecond(void **state)
{
	const struct rollout r = rollout_with("100%");
	struct forecast_facts f = {
		.members = 3, .offers = 3, .size_bytes = 500, .image_rate = 1000};

	(void)state;
	const int64_t soak_ms = r.rules.soak_s * 1000;
	assert_int_equal(rollout_forecast(&r, &f).ends_ms, 1500 + soak_ms);
	f.offers = f.members = 100000;
	f.size_bytes = INT64_C(1) << 40;
	f.image_rate = INT64_C(1) << 30;
	assert_int_equal(rollout_forecast(&r, &f).ends_ms, INT64_C(102400000000) + soak_ms);
	f.image_rate = 0;
	assert_int_equal(rollout_forecast(&r, &f).ends_ms, soak_ms);
}

static void test_forecast_begins_at_its_time(void **state)
{
	struct rollout r = rollout_with("100%");
	const struct forecast_site s = site("02:00-04:00", "", 1);

	(void)state;
	r.start_at_ms = MONDAY_MS + 5 * HOUR_MS;
	struct rollout_forecast f = forecast(&r, &s, 1, MONDAY_MS);
	assert_int_equal(f.begins_ms, r.start_at_ms);
	assert_int_equal(f.ends_ms, MONDAY_MS + DAY_MS + 3 * HOUR_MS);
}

/* In the hour that is skipped there is none: 2026-03-29 in Berlin. */
static void test_forecast_knows_an_hour_that_does_not_come(void **state)
{
	const struct forecast_site s = site("Sun 02:10-02:50", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	const int64_t march_23_ms = MONDAY_MS + 49 * DAY_MS;

	(void)state;
	assert_int_equal(forecast_opens_ms(&s, march_23_ms),
			 march_23_ms + 13 * DAY_MS + 10 * 60000);
	/* A part of a second before the end of the window is inside of it. */
	assert_int_equal(forecast_opens_ms(&s, MONDAY_MS - DAY_MS + HOUR_MS + 50 * 60000 - 1),
			 MONDAY_MS - DAY_MS + HOUR_MS + 50 * 60000 - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(waits_for_the_windows_of_each_wave),	T(goes_by_the_clock_of_the_place),
		T(needs_no_more_than_complete_percent), T(reckons_the_rate_before_the_windows),
		T(reckons_bytes_to_the_millisecond),	T(begins_at_its_time),
		T(knows_an_hour_that_does_not_come),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
