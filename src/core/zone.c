/* SPDX-License-Identifier: Apache-2.0
 *
 * POSIX TZ rules (POSIX.1-2017 XBD 8.3, RFC 9636 3.3.2).
 */
#include <string.h>

#include "core/schedule.h"

enum { DAY_S = 86400, HOUR_S = 3600, OFFSET_HOURS = 24, TIME_HOURS = 167, RULE_TIME_S = 7200 };

/* ---- the calendar ---- */

/* Days since 1970-01-01 (proleptic Gregorian; H. Hinnant's days_from_civil in other words). */
static int64_t days_of(int64_t year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int64_t year_of(int64_t utc_s)
{
	int64_t days = utc_s / DAY_S - (utc_s % DAY_S < 0);
	int64_t year = 1970 + days / 366;

	while (days_of(year + 1, 1, 1) <= days)
		year++;
	while (days_of(year, 1, 1) > days)
		year--;
	return year;
}

/* 0: Sunday; 1970-01-01 was a Thursday. */
static int weekday(int64_t days)
{
	return (int)(((days + 4) % 7 + 7) % 7);
}

/* By the clock of the place, as if it were UTC. */
static int64_t date_s(const struct zone_date *d, int64_t year)
{
	int64_t first = days_of(year, 1, 1), days;

	if (d->form == 'M') {
		int64_t month = days_of(year, d->month, 1);
		int64_t next =
			d->month == 12 ? days_of(year + 1, 1, 1) : days_of(year, d->month + 1, 1);
		days = month + (d->day - weekday(month) + 7) % 7 + (int64_t)7 * (d->week - 1);
		if (days >= next)
			days -= 7;
	} else if (d->form == 'J') {
		days = first + d->day - 1;
		if (days_of(year, 3, 1) - first == 60 && d->day >= 60)
			days++;
	} else {
		days = first + d->day;
	}
	return days * DAY_S + d->time_s;
}

static bool is_dst(const struct zone *z, int64_t utc_s)
{
	int64_t year = year_of(utc_s + z->std_s);
	bool dst = false;
	int64_t newest = INT64_MIN;

	/* The last change before now; a time of day may carry one into the next year. */
	for (int64_t y = year - 1; y <= year + 1; y++) {
		int64_t on_s = date_s(&z->begins, y) - z->std_s;
		int64_t off_s = date_s(&z->ends, y) - z->dst_s;
		if (on_s <= utc_s && on_s >= newest) {
			newest = on_s;
			dst = true;
		}
		if (off_s <= utc_s && off_s > newest) {
			newest = off_s;
			dst = false;
		}
	}
	return dst;
}

int zone_offset_s(const struct zone *z, int64_t utc_s)
{
	return z->has_dst && is_dst(z, utc_s) ? z->dst_s : z->std_s;
}

/* ---- reading a rule ---- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool read_number(const char **at, int max, int *ret)
{
	int n = 0;

	if (!is_digit(**at))
		return false;
	for (; is_digit(**at); (*at)++) {
		n = n * 10 + (**at - '0');
		if (n > max)
			return false;
	}
	*ret = n;
	return true;
}

/* "CET" or "<+1030>" */
static bool read_name(const char **at)
{
	bool quoted = **at == '<';
	size_t len = 0;

	*at += quoted;
	while (is_letter((*at)[len]) ||
	       (quoted && (is_digit((*at)[len]) || (*at)[len] == '+' || (*at)[len] == '-')))
		len++;
	*at += len;
	if (quoted && **at != '>')
		return false;
	*at += quoted;
	return len >= 3;
}

/* "-1", "+10:30", "2:00:01" in seconds. */
static bool read_time(const char **at, int hours, int *ret_s)
{
	int sign = **at == '-' ? -1 : 1, part, total;

	*at += **at == '-' || **at == '+';
	if (!read_number(at, hours, &part))
		return false;
	total = part * HOUR_S;
	for (int unit = 60; unit && **at == ':'; unit /= 60) {
		(*at)++;
		if (!read_number(at, 59, &part))
			return false;
		total += part * unit;
	}
	*ret_s = sign * total;
	return true;
}

static bool read_date(const char **at, struct zone_date *ret)
{
	*ret = (struct zone_date){.form = 'D', .time_s = RULE_TIME_S};
	if (**at == 'M') {
		ret->form = 'M';
		(*at)++;
		if (!read_number(at, 12, &ret->month) || ret->month < 1 || *(*at)++ != '.' ||
		    !read_number(at, 5, &ret->week) || ret->week < 1 || *(*at)++ != '.' ||
		    !read_number(at, 6, &ret->day))
			return false;
	} else {
		if (**at == 'J')
			ret->form = *(*at)++;
		if (!read_number(at, 365, &ret->day) || (ret->form == 'J' && ret->day < 1))
			return false;
	}
	if (**at != '/')
		return true;
	(*at)++;
	return read_time(at, TIME_HOURS, &ret->time_s);
}

static bool read_dst(const char **at, struct zone *z)
{
	const char *usual = ",M3.2.0,M11.1.0"; /* POSIX leaves it open; the C libraries agree */

	z->has_dst = true;
	z->dst_s = z->std_s + HOUR_S;
	if (!read_name(at))
		return false;
	if (**at && **at != ',') {
		if (!read_time(at, OFFSET_HOURS, &z->dst_s))
			return false;
		z->dst_s = -z->dst_s;
	}
	const char **rule = **at ? at : &usual;
	if (*(*rule)++ != ',' || !read_date(rule, &z->begins) || *(*rule)++ != ',')
		return false;
	return read_date(rule, &z->ends);
}

int zone_parse(const char *rule, struct zone *ret)
{
	struct zone z = {0};
	const char *at = rule;

	if (*at) {
		if (!read_name(&at) || !read_time(&at, OFFSET_HOURS, &z.std_s))
			return ERR_SYNTAX;
		z.std_s = -z.std_s; /* POSIX counts to the west */
		if (*at && !read_dst(&at, &z))
			return ERR_SYNTAX;
		if (*at)
			return ERR_SYNTAX;
	}
	*ret = z;
	return 0;
}
