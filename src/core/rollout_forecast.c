/* SPDX-License-Identifier: Apache-2.0
 *
 * What a rollout will cost, before it begins.
 */
#include "core/rollout_forecast.h"

enum { MINUTE_MS = 60000 };

int64_t rollout_wave_ms(const struct rollout *r, int64_t devices, int64_t at_ms)
{
	int64_t now_ms = at_ms, left = (devices - 1) * 1000; /* the first one goes at once */

	if (devices <= 0 || !r->rules.rate)
		return 0;
	while (left > 0) {
		int64_t rate = rollout_rate(r, now_ms);
		int64_t step_ms = r->rules.ramp_s * 1000; /* it is the same for so long */
		int64_t most = rate * step_ms / MINUTE_MS;
		if (r->rules.ramp_percent == 100 || most >= left || rate >= 1000000000)
			return now_ms - at_ms + left * MINUTE_MS / rate;
		left -= most;
		now_ms += step_ms;
	}
	return now_ms - at_ms;
}

/* ---- windows ---- */

struct opening {
	int64_t ms, devices;
};

int64_t forecast_opens_ms(const struct forecast_site *s, int64_t from_ms)
{
	int64_t up_s = from_ms / 1000 + (from_ms % 1000 > 0); /* a window opens at a whole second */

	if (!s->schedule.count || schedule_is_open(&s->schedule, &s->zone, from_ms / 1000))
		return from_ms;
	return schedule_opens(&s->schedule, &s->zone, up_s) * 1000;
}

/* There are few; qsort() may ask for memory. */
static void insert(struct opening *list, unsigned count, struct opening one)
{
	for (; count && list[count - 1].ms > one.ms; count--)
		list[count] = list[count - 1];
	list[count] = one;
}

/* When the windows of so many of 100 devices have been open since from_ms. */
static int64_t windows_opened_ms(const struct forecast_facts *f, int64_t percent, int64_t from_ms)
{
	struct opening list[LIMIT_PLAN_SITES];
	int64_t all = 0, seen = 0;

	for (unsigned i = 0; i < f->site_count; i++) {
		const struct opening one = {forecast_opens_ms(&f->sites[i], from_ms),
					    f->sites[i].devices};
		insert(list, i, one);
		all += one.devices;
	}
	if (!all)
		return from_ms;
	for (unsigned i = 0; i < f->site_count; i++) {
		seen += list[i].devices;
		if (seen * 100 >= all * percent)
			return list[i].ms;
	}
	return list[f->site_count - 1].ms;
}

/* ---- all of it ---- */

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* When a wave that opens then is through. */
static int64_t wave_through_ms(const struct rollout *r, const struct forecast_facts *f,
			       int64_t devices, int64_t bytes, int64_t opens_ms)
{
	int64_t release_ms = rollout_wave_ms(r, devices, opens_ms);
	int64_t rate = f->image_rate;
	int64_t bytes_ms = rate ? bytes / rate * 1000 + bytes % rate * 1000 / rate : 0;
	int64_t share_ms = release_ms / 100 * r->rules.complete_percent;

	return later(opens_ms + later(release_ms, bytes_ms),
		     bytes ? windows_opened_ms(f, r->rules.complete_percent, opens_ms + share_ms)
			   : 0);
}

struct rollout_forecast rollout_forecast(const struct rollout *r, const struct forecast_facts *f)
{
	struct rollout_forecast ret = {.offers = f->offers, .bytes = f->offers * f->size_bytes};
	int64_t at_ms = later(f->now_ms, r->start_at_ms), before = 0;
	struct rollout at = *r;

	ret.begins_ms = at.ramp_ms = at_ms;
	for (unsigned i = 0; i < r->wave_count; i++) {
		int64_t size = rollout_wave_size(r, i, f->members);
		int64_t part = size - before;
		int64_t mine = f->members ? (f->offers * size / f->members) -
						    (f->offers * before / f->members)
					  : 0;
		ret.waves[i].members = part;
		ret.waves[i].offers = mine;
		ret.waves[i].bytes = mine * f->size_bytes;
		ret.waves[i].opens_ms = at_ms;
		at_ms = wave_through_ms(&at, f, part, ret.waves[i].bytes, at_ms);
		if (part) /* of a wave of nobody there is nothing to watch */
			at_ms += r->rules.soak_s * 1000;
		ret.waves[i].ends_ms = at_ms;
		before = size;
	}
	ret.ends_ms = at_ms;
	return ret;
}
