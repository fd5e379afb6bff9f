/* SPDX-License-Identifier: Apache-2.0 */
#include "core/schedule.h"

#include <string.h>

enum { DAY_MIN = 1440, WEEK_MIN = 7 * DAY_MIN, ALL_DAYS = 127 };

static const int64_t WEEK_S = (int64_t)WEEK_MIN * 60;

/* ---- reading ---- */

static void skip_spaces(const char **at)
{
	while (**at == ' ')
		(*at)++;
}

static bool read_day(const char **at, unsigned *ret)
{
	static const char days[7][4] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};

	for (unsigned i = 0; i < 7; i++) {
		if (strncmp(*at, days[i], 3) != 0)
			continue;
		*at += 3;
		*ret = i;
		return true;
	}
	return false;
}

/* "Mon-Fri,Sun", "Sat-Mon", or nothing: every day. */
static bool read_days(const char **at, uint8_t *ret)
{
	unsigned from, to;

	*ret = 0;
	if (**at >= '0' && **at <= '9') {
		*ret = ALL_DAYS;
		return true;
	}
	do {
		if (*ret)
			(*at)++; /* the comma */
		if (!read_day(at, &from))
			return false;
		to = from;
		if (**at == '-') {
			(*at)++;
			if (!read_day(at, &to))
				return false;
		}
		for (unsigned day = from;; day = (day + 1) % 7) {
			*ret |= (uint8_t)(1u << day);
			if (day == to)
				break;
		}
	} while (**at == ',');
	return **at == ' ';
}

/* "05:00" up to "24:00" */
static bool read_clock(const char **at, uint16_t *ret)
{
	const char *c = *at;

	for (unsigned i = 0; i < 5; i++)
		if (i == 2 ? c[i] != ':' : c[i] < '0' || c[i] > '9')
			return false;
	int hour = (c[0] - '0') * 10 + c[1] - '0', minute = (c[3] - '0') * 10 + c[4] - '0';
	*at += 5;
	*ret = (uint16_t)(hour * 60 + minute);
	return minute < 60 && *ret <= DAY_MIN;
}

static bool read_window(const char **at, struct window *ret)
{
	if (!read_days(at, &ret->days))
		return false;
	skip_spaces(at);
	if (!read_clock(at, &ret->from_min) || *(*at)++ != '-' || !read_clock(at, &ret->to_min))
		return false;
	skip_spaces(at);
	return ret->from_min < DAY_MIN && ret->from_min != ret->to_min && ret->to_min > 0 &&
	       (**at == 0 || **at == ';');
}

static void tell_part(const char *from, char fault[64])
{
	size_t len = strcspn(from, ";");

	len = len < 63 ? len : 63;
	memcpy(fault, from, len);
	fault[len] = 0;
}

int schedule_parse(const char *text, struct schedule *ret, char fault[64])
{
	struct schedule s = {0};
	const char *at = text;

	while (*at) {
		const char *part;
		skip_spaces(&at);
		part = at;
		if (s.count == LIMIT_WINDOWS) {
			tell_part(part, fault);
			return ERR_LIMIT;
		}
		if (!read_window(&at, &s.list[s.count])) {
			tell_part(part, fault);
			return ERR_SYNTAX;
		}
		s.count++;
		at += *at == ';';
	}
	*ret = s;
	return 0;
}

/* ---- asking ---- */

static unsigned length_min(const struct window *w)
{
	return w->to_min > w->from_min ? w->to_min - w->from_min
				       : DAY_MIN - w->from_min + w->to_min;
}

/* Second of the week by the clock of the place; 0: Monday 00:00. */
static int64_t week_s(int64_t local_s)
{
	/* 1970-01-01 was a Thursday. */
	return ((local_s + (int64_t)3 * DAY_MIN * 60) % WEEK_S + WEEK_S) % WEEK_S;
}

/* How long from that second of the week until one of the windows is open; 0: it is. */
static int64_t wait_s(const struct schedule *s, int64_t now_s)
{
	int64_t least = s->count ? WEEK_S : 0;

	for (unsigned i = 0; i < s->count; i++) {
		const struct window *w = &s->list[i];
		for (unsigned day = 0; day < 7; day++) {
			if (!(w->days & 1u << day))
				continue;
			int64_t from = ((int64_t)day * DAY_MIN + w->from_min) * 60;
			int64_t since = ((now_s - from) % WEEK_S + WEEK_S) % WEEK_S;
			int64_t wait = since < (int64_t)length_min(w) * 60 ? 0 : WEEK_S - since;
			if (wait < least)
				least = wait;
		}
	}
	return least;
}

bool schedule_is_open(const struct schedule *s, const struct zone *z, int64_t utc_s)
{
	return wait_s(s, week_s(utc_s + zone_offset_s(z, utc_s))) == 0;
}

/* The first second of (from, to] at which the clock is another; `to` has another one. */
static int64_t change_s(const struct zone *z, int64_t from, int64_t to)
{
	int offset = zone_offset_s(z, from);

	while (to - from > 1) {
		int64_t mid = from + (to - from) / 2;
		if (zone_offset_s(z, mid) == offset)
			from = mid;
		else
			to = mid;
	}
	return to;
}

/* By the present offset; where the clock is changed before that, from there on again. A window in
 * the hour that is skipped waits for the next one: so up to a few weeks, and never for ever, as
 * there are two changes a year. */
int64_t schedule_opens(const struct schedule *s, const struct zone *z, int64_t utc_s)
{
	for (unsigned i = 0; i < 8; i++) {
		int offset = zone_offset_s(z, utc_s);
		int64_t opens = utc_s + wait_s(s, week_s(utc_s + offset));
		if (opens == utc_s)
			return opens;
		if (zone_offset_s(z, opens) == offset)
			return opens;
		utc_s = change_s(z, utc_s, opens);
	}
	return utc_s;
}
