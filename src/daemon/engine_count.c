/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers of the fleet. All state is written by the engine, so they are counted once at the
 * start and then moved along with each commit: whoever asks waits for no query.
 */
#include "daemon/engine_internal.h"

int engine_count_load(struct engine *e)
{
	struct engine_stats *st = &e->stats;
	struct store_counts counts;
	int err = store_counts(e->conf.store, &counts);

	if (!err)
		err = store_open_states(e->conf.store, st->open);
	if (err)
		return err;
	st->devices = counts.devices;
	st->online = counts.online;
	st->held = counts.held;
	st->disabled = counts.disabled;
	return 0;
}

static bool is_held(const struct device *d)
{
	return d->hold != HOLD_NONE;
}

void engine_count_moved(struct engine *e, const struct update *before, const struct update *after)
{
	struct engine_stats *st = &e->stats;

	st->online += (uint64_t)(after && after->device.online) - (uint64_t)before->device.online;
	st->held +=
		(uint64_t)(after && is_held(&after->device)) - (uint64_t)is_held(&before->device);
	st->disabled += (uint64_t)(after && after->device.disabled_ms) -
			(uint64_t)(before->device.disabled_ms != 0);
	if (before->has_attempt)
		st->open[before->attempt.state]--;
	if (after && after->has_attempt)
		st->open[after->attempt.state]++;
	if (!after)
		st->devices--;
}

void engine_stats(const struct engine *e, struct engine_stats *ret_stats)
{
	*ret_stats = e->stats;
	ret_stats->cached_devices = e->dev_count;
	ret_stats->sessions = e->session_count;
	ret_stats->products = e->product_count;
	ret_stats->releases = e->release_count;
	ret_stats->store_down = e->store_down_ms != 0;
	ret_stats->fleet_silent = e->silence == SILENCE_OURS;
}

const struct release *engine_release_at(const struct engine *e, size_t index)
{
	return index < e->release_count ? e->releases[index] : NULL;
}
