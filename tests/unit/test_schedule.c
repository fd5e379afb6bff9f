/* SPDX-License-Identifier: Apache-2.0
 *
 * core/schedule: time zones and maintenance windows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/schedule.h"

static const char BERLIN[] = "CET-1CEST,M3.5.0,M10.5.0/3";
static const char NEW_YORK[] = "EST5EDT,M3.2.0,M11.1.0";
static const char LORD_HOWE[] = "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0";

static const char *const rules[] = {
	"",
	"UTC0",
	BERLIN,
	NEW_YORK,
	LORD_HOWE,
	"<-02>2<-01>,M3.5.0/-1,M10.5.0/0",  /* Nuuk: a change on the day before */
	"IST-2IDT,M3.4.4/26,M10.5.0",	    /* Jerusalem: and on the day after */
	"<+00>0<+02>-2,M3.5.0/1,M10.5.0/3", /* Troll: two hours */
	"IST-1GMT0,M10.5.0,M3.5.0/1",	    /* Dublin: its winter is the exception */
	"EET-2EEST,J60,J300/0",
	"AAA3BBB,59/1,299/23:59:59",
	"<+0545>-5:45",
	"NZST-12NZDT,M9.5.0,M4.1.0/3",
};

enum { RULES = sizeof(rules) / sizeof(rules[0]), HOUR = 3600 };

static struct zone zone_of(const char *rule)
{
	struct zone z;

	if (zone_parse(rule, &z))
		fail_msg("%s: not read", rule);
	return z;
}

static struct schedule schedule_of(const char *text)
{
	struct schedule s;
	char fault[64];

	if (schedule_parse(text, &s, fault))
		fail_msg("%s: %s", text, fault);
	return s;
}

static uint64_t seed = 88172645463325252;

static uint64_t chance(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* The C library reads the same rules. */
static void test_zone_as_the_c_library_has_it(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RULES; i++) {
		struct zone z = zone_of(rules[i]);
		assert_int_equal(setenv("TZ", rules[i][0] ? rules[i] : "UTC0", 1), 0);
		tzset();
		for (unsigned n = 0; n < 20000; n++) {
			time_t at = (time_t)(chance() % 4102444800u); /* until 2100 */
			struct tm tm;
			assert_non_null(localtime_r(&at, &tm));
			if (zone_offset_s(&z, at) != tm.tm_gmtoff)
				fail_msg("%s at %lld: %d, not %ld", rules[i], (long long)at,
					 zone_offset_s(&z, at), tm.tm_gmtoff);
		}
	}
}

/* The seconds before and at a change. */
static void test_zone_at_the_changes(void **state)
{
	static const struct {
		const char *rule;
		int64_t change_s; /* UTC */
		int before_s, after_s;
	} rows[] = {
		{BERLIN, 1774746000, HOUR, 2 * HOUR},			 /* 2026-03-29 01:00 */
		{BERLIN, 1792890000, 2 * HOUR, HOUR},			 /* 2026-10-25 01:00 */
		{NEW_YORK, 1772953200, -5 * HOUR, -4 * HOUR},		 /* 2026-03-08 07:00 */
		{NEW_YORK, 1793512800, -4 * HOUR, -5 * HOUR},		 /* 2026-11-01 06:00 */
		{LORD_HOWE, 1775314800, 11 * HOUR, 37800},		 /* 2026-04-04 15:00 */
		{LORD_HOWE, 1791041400, 37800, 11 * HOUR},		 /* 2026-10-03 15:30 */
		{BERLIN, 951782400 + 26 * 86400 + HOUR, HOUR, 2 * HOUR}, /* 2000-03-26 01:00 */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct zone z = zone_of(rows[i].rule);
		assert_int_equal(zone_offset_s(&z, rows[i].change_s - 1), rows[i].before_s);
		assert_int_equal(zone_offset_s(&z, rows[i].change_s), rows[i].after_s);
	}
}

static void test_zone_rules_that_are_none(void **state)
{
	static const char *const bad[] = {
		"CET",
		"C-1",
		"CET-1CEST,M3.5.0",
		"CET-1CEST,M3.5.0,M10.5.0/3x",
		"CET-25",
		"CET-1CEST,M0.5.0,M10.5.0",
		"CET-1CEST,M13.5.0,M10.5.0",
		"CET-1CEST,M3.6.0,M10.5.0",
		"CET-1CEST,M3.0.0,M10.5.0",
		"CET-1CEST,M3.5.7,M10.5.0",
		"CET-1CEST,J0,J300",
		"CET-1CEST,J366,J300",
		"CET-1CEST,366,1",
		"<+1-1",
		"<>1",
		"CET-1CEST,M3.5.0/168,M1.1.1",
		"CET-1:60",
		"Europe/Berlin",
		" CET-1",
		"CET-1CEST-99999999999",
		"CET-1CEST,",
	};
	struct zone z;

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (zone_parse(bad[i], &z) != ERR_SYNTAX)
			fail_msg("%s: read", bad[i]);
}

static void test_schedule_parse(void **state)
{
	struct schedule s = schedule_of("Mon-Fri 01:00-05:00; Sat,Sun 22:00-06:00;00:00-24:00");

	(void)state;
	assert_int_equal(s.count, 3);
	assert_int_equal(s.list[0].days, 31);
	assert_int_equal(s.list[0].from_min, 60);
	assert_int_equal(s.list[0].to_min, 300);
	assert_int_equal(s.list[1].days, 96);
	assert_int_equal(s.list[2].days, 127);
	assert_int_equal(schedule_of("Sat-Mon,Wed 01:00-02:00").list[0].days, 1 | 4 | 32 | 64);
	assert_int_equal(schedule_of("").count, 0);
}

static void test_schedule_texts_that_are_none(void **state)
{
	static const char *const bad[] = {
		"Mon",
		"Mon 1:00-2:00",
		"Mon 01:00-25:00",
		"Mon 01:60-02:00",
		"mon 01:00-02:00",
		"Mon01:00-02:00",
		"Mon- 01:00-02:00",
		"Mon, 01:00-02:00",
		"Mon 01:00",
		"Mon 01:00-",
		"01:00-01:00",
		"24:00-01:00",
		"01:00-00:00",
		"01:00-02:00 x",
		"01:00-02:00,",
		"; ",
		"Mon 01:00-24:01",
		"01:00 -02:00",
		"always",
	};
	struct schedule s;
	char fault[64], many[256] = "";

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (schedule_parse(bad[i], &s, fault) != ERR_SYNTAX)
			fail_msg("%s: read", bad[i]);
	assert_int_equal(schedule_parse("01:00-02:00; Tue 5:00-6:00; x", &s, fault), ERR_SYNTAX);
	assert_string_equal(fault, "Tue 5:00-6:00");
	for (unsigned i = 0; i < LIMIT_WINDOWS; i++)
		strcat(many, "01:00-02:00; ");
	many[strlen(many) - 2] = 0;
	assert_int_equal(schedule_parse(many, &s, fault), 0);
	strcat(many, "; 03:00-04:00");
	assert_int_equal(schedule_parse(many, &s, fault), ERR_LIMIT);
	assert_string_equal(fault, "03:00-04:00");
}

/* Rows of: a time, is it open, and how long until it opens. */
static void test_schedule_over_the_year(void **state)
{
	static const struct {
		const char *rule, *windows;
		int64_t utc_s;
		int64_t wait_s;
	} rows[] = {
		{"", "", 0, 0},
		{"", "01:00-05:00", 3600, 0},
		{"", "01:00-05:00", 3599, 1},
		{"", "01:00-05:00", 5 * HOUR - 1, 0},
		{"", "01:00-05:00", 5 * HOUR, 20 * HOUR},
		/* 1970-01-01 was a Thursday */
		{"", "Thu 00:00-24:00", 0, 0},
		{"", "Fri 00:00-01:00", 0, 24 * HOUR},
		{"", "Wed 00:00-01:00", 0, 6 * 24 * HOUR},
		/* over midnight, of the day on which it began; over the end of the week */
		{"", "Wed 22:00-02:00", 2 * HOUR - 1, 0},
		{"", "Wed 22:00-02:00", 2 * HOUR, (6 * 24 + 20) * HOUR},
		{"", "Thu 22:00-02:00", HOUR, 21 * HOUR},
		{"", "Sun 23:00-01:00", 4 * 24 * HOUR, 0},
		{"", "Sun 23:00-01:00", 4 * 24 * HOUR + HOUR, (7 * 24 - 2) * HOUR},
		/* Berlin, forward on 2026-03-29 at 01:00 UTC: 02:00 to 03:00 is skipped */
		{BERLIN, "02:00-03:00", 1774746000 - 1, 1 + 23 * HOUR},
		{BERLIN, "02:30-04:00", 1774746000 - 600, 600},
		{BERLIN, "Sun 02:15-02:45", 1774746000 - HOUR, (7 * 24 + 1) * HOUR - HOUR + 900},
		{BERLIN, "03:00-04:00", 1774746000, 0},
		{BERLIN, "03:30-04:00", 1774746000 - 1, 1 + 1800},
		/* back on 2026-10-25 at 01:00 UTC: 02:00 to 03:00 comes twice */
		{BERLIN, "02:00-03:00", 1792890000 - 1, 0},
		{BERLIN, "02:00-03:00", 1792890000, 0},
		{BERLIN, "02:30-03:00", 1792890000, 1800},
		{BERLIN, "03:00-04:00", 1792890000 - 1, HOUR + 1},
		/* New York */
		{NEW_YORK, "Sun 02:00-04:00", 1772953200, 0},
		{NEW_YORK, "Sun 03:00-04:00", 1772953200 - 60, 60},
		{NEW_YORK, "Sun 01:00-02:00", 1793512800, 0},
		{NEW_YORK, "Sun 02:00-03:00", 1793512800 - 60, 60 + HOUR},
		/* Lord Howe: half an hour */
		{LORD_HOWE, "Sun 01:45-02:00", 1775314800 - 1, 0},
		{LORD_HOWE, "Sun 01:45-02:00", 1775314800, 900},
		{LORD_HOWE, "Sun 02:00-02:30", 1791041400 - 1, 1 + 7 * 24 * HOUR - 1800},
		{LORD_HOWE, "Sun 02:15-03:00", 1791041400 - 1, 1},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct zone z = zone_of(rows[i].rule);
		struct schedule s = schedule_of(rows[i].windows);
		int64_t wait = schedule_opens(&s, &z, rows[i].utc_s) - rows[i].utc_s;
		if (wait != rows[i].wait_s)
			fail_msg("row %u, %s: %lld, not %lld", i, rows[i].windows, (long long)wait,
				 (long long)rows[i].wait_s);
		assert_int_equal(schedule_is_open(&s, &z, rows[i].utc_s), rows[i].wait_s == 0);
	}
}

static struct schedule any_schedule(void)
{
	struct schedule s = {.count = 1 + (unsigned)(chance() % 3)};

	for (unsigned i = 0; i < s.count; i++) {
		struct window *w = &s.list[i];
		w->days = (uint8_t)(1 + chance() % 127);
		w->from_min = (uint16_t)(chance() % 1440);
		do
			w->to_min = (uint16_t)(1 + chance() % 1440);
		while (w->to_min == w->from_min);
	}
	return s;
}

/* The opening is never in a closed minute, and none of those before it is open. Around changes of
 * the clock, where it is hard. */
static void test_schedule_opens_in_no_closed_minute(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 600; n++) {
		struct zone z = zone_of(rules[n % RULES]);
		struct schedule s = any_schedule();
		int64_t at = (int64_t)(1735689600 + chance() % (4u * 366 * 86400));
		if (n % 3 == 0) { /* near a change: walk on to it by days */
			int offset = zone_offset_s(&z, at);
			for (int i = 0; i < 366 && zone_offset_s(&z, at) == offset; i++)
				at += 86400;
			at -= (int64_t)(chance() % 172800);
		}
		int64_t opens = schedule_opens(&s, &z, at);
		assert_true(opens >= at);
		assert_true(schedule_is_open(&s, &z, opens));
		assert_int_equal(opens == at, schedule_is_open(&s, &z, at));
		for (int64_t t = at; t < opens; t += 60)
			if (schedule_is_open(&s, &z, t))
				fail_msg("%s: open at %lld, told %lld", rules[n % RULES],
					 (long long)t, (long long)opens);
		if (opens > at)
			assert_false(schedule_is_open(&s, &z, opens - 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zone_as_the_c_library_has_it),
		cmocka_unit_test(test_zone_at_the_changes),
		cmocka_unit_test(test_zone_rules_that_are_none),
		cmocka_unit_test(test_schedule_parse),
		cmocka_unit_test(test_schedule_texts_that_are_none),
		cmocka_unit_test(test_schedule_over_the_year),
		cmocka_unit_test(test_schedule_opens_in_no_closed_minute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
