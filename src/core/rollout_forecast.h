/* SPDX-License-Identifier: Apache-2.0
 *
 * What a rollout will cost and when each of its waves could end, as far as that can be known
 * before it begins. Pure.
 */
#ifndef CORE_ROLLOUT_FORECAST_H
#define CORE_ROLLOUT_FORECAST_H

#include "core/rollout.h"
#include "core/schedule.h"

/* Devices that have the same windows by the same clock. */
struct forecast_site {
	struct schedule schedule; /* without a window: always open */
	struct zone zone;
	int64_t devices;
};

struct forecast_facts {
	int64_t members, offers;	   /* of the members, who will be offered the release */
	int64_t size_bytes;		   /* of its image */
	int64_t image_rate;		   /* bytes a second of all downloads together, 0: any */
	const struct forecast_site *sites; /* of those who will be offered it */
	unsigned site_count;		   /* <= LIMIT_PLAN_SITES */
	int64_t now_ms;
};

struct rollout_forecast {
	struct {
		int64_t members, offers, bytes;
		int64_t opens_ms; /* wall; if nobody lets a gate or an approval wait */
		int64_t ends_ms;  /* wall; released, bytes out, windows were open, watched */
	} waves[LIMIT_ROLLOUT_WAVES];
	int64_t offers, bytes;
	int64_t begins_ms, ends_ms; /* wall */
};

/* What devices take by themselves is not in it. In each wave the sites have the share that they
 * have in all; the wave is through when as many devices as complete_percent wants had an open
 * window after their release. */
struct rollout_forecast rollout_forecast(const struct rollout *r, const struct forecast_facts *f);

/* When the site's windows are next open: wall ms, from_ms if they are. */
int64_t forecast_opens_ms(const struct forecast_site *s, int64_t from_ms);

#endif
