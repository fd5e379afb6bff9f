/* SPDX-License-Identifier: Apache-2.0
 *
 * Maintenance windows: times of the week, by the clock of a place, in which a device may be
 * updated. Pure: the place is a POSIX TZ rule, whoever has files turns names into such rules.
 *
 * A window is open while the clock on the wall of that place shows a time in it: when clocks go
 * forward, what they skip never comes; when they go back, it comes twice. One that ends at or
 * before its beginning goes over midnight, and its days are those on which it begins.
 */
#ifndef CORE_SCHEDULE_H
#define CORE_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"

/* ---- the clock of a place ---- */

struct zone_date {
	char form; /* 'M' month.week.day, 'J' day without the 29th of February, 'D' with it */
	int month, week, day;
	int time_s; /* by the clock that is left */
};

struct zone {
	int std_s, dst_s; /* to be added to UTC */
	bool has_dst;
	struct zone_date begins, ends; /* of dst */
};

/* "CET-1CEST,M3.5.0,M10.5.0/3" (POSIX, with times of RFC 9636 from -167 to 167 hours). ERR_SYNTAX
 * otherwise. "" is UTC. */
int zone_parse(const char *rule, struct zone *ret) ERR_CHECK;
/* What to add to UTC at that time. */
int zone_offset_s(const struct zone *z, int64_t utc_s);

/* ---- windows ---- */

struct window {
	uint8_t days; /* 1: Monday ... 64: Sunday, on which it begins */
	uint16_t from_min, to_min;
};

struct schedule {
	unsigned count; /* 0: always open */
	struct window list[LIMIT_WINDOWS];
};

/* "Mon-Fri 01:00-05:00; Sat,Sun 22:00-06:00"; without days: every day; "": always open. ERR_SYNTAX,
 * ERR_LIMIT; `fault` (64 bytes) is then the part that is wrong. */
int schedule_parse(const char *text, struct schedule *ret, char fault[64]) ERR_CHECK;

bool schedule_is_open(const struct schedule *s, const struct zone *z, int64_t utc_s);
/* The first second from utc_s on in which it is open; utc_s if it is. */
int64_t schedule_opens(const struct schedule *s, const struct zone *z, int64_t utc_s);

#endif
