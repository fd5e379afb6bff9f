/* SPDX-License-Identifier: Apache-2.0
 *
 * A rollout's dry run: whom it would select, who would be offered the release now or when his
 * windows open, and what that costs. Nothing is changed.
 */
#ifndef DAEMON_ENGINE_PLAN_H
#define DAEMON_ENGINE_PLAN_H

#include "core/rollout_forecast.h"
#include "daemon/engine.h"

/* Windows and clock of a site, as they were set. */
struct engine_plan_site {
	char windows[LIMIT_WINDOWS_TEXT + 1];
	char time_zone[LIMIT_ZONE + 1];
	int64_t opens_ms; /* wall; next, the time of the walk's beginning if they are open */
};

struct engine_plan {
	int64_t now_ms;	   /* wall; when the walk began */
	int64_t days;	   /* whose windows do not open for so long is named */
	int64_t selected;  /* of the devices looked at */
	int64_t elsewhere; /* selected, but in another rollout that is not over */
	int64_t offers;	   /* the others: offered when they next check in */
	int64_t later;	   /* they wait for nothing but their windows */
	int64_t locked;	   /* locked or development devices: a rollout does not reach them */
	/* They do not run the release, and if the rollout were aborted they had no target. */
	int64_t no_return;
	int64_t blocked[BLOCK_COUNT]; /* not offered, by every reason that applies */

	/* Of those offered now or later. */
	struct engine_plan_site site_texts[LIMIT_PLAN_SITES];
	struct forecast_site sites[LIMIT_PLAN_SITES];
	unsigned site_count;
	int64_t unlisted; /* their windows are of yet other sites: not reckoned with */
	int64_t closed;	  /* their windows do not open within `days` */
	char closed_named[LIMIT_PLAN_NAMED][LIMIT_DEVICE_ID + 1]; /* the first of them */

	char last[LIMIT_DEVICE_ID + 1];
	bool done; /* there are no more */
};

/* The next `limit` devices; now_ms, days and zeros to begin with, until it is done. ERR_NOENT:
 * there is no such rollout (any more). */
int engine_rollout_plan(struct engine *e, const char *product, const char *name, unsigned limit,
			struct engine_plan *plan) ERR_CHECK;
/* Of one that is done, at the limits of now. */
int engine_rollout_forecast(struct engine *e, const char *product, const char *name,
			    const struct engine_plan *plan, struct rollout_forecast *ret) ERR_CHECK;

#endif
