/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers of the fleet. All state is written by the engine, so they are counted once at the
 * start and then moved along with each commit: whoever asks waits for no query.
 */
#include <string.h>

#include "daemon/engine_internal.h"

struct engine_protocol *engine_count_protocol(struct engine *e, const char *name)
{
	struct engine_stats *st = &e->stats;

	for (unsigned i = 0; i < st->protocol_count; i++)
		if (strcmp(st->protocols[i].name, name) == 0)
			return &st->protocols[i];
	return &st->protocols[0]; /* a name that this program does not know */
}

static void count_devices(void *ctx, const char *protocol, uint64_t devices)
{
	engine_count_protocol(ctx, protocol)->devices += devices;
}

static int count_protocols(struct engine *e)
{
	struct engine_stats *st = &e->stats;

	st->protocols[st->protocol_count++].name = "";
	st->protocols[st->protocol_count++].name = NATIVE_NAME;
	for (size_t i = 0; talk_proto_at(i) && st->protocol_count < ENGINE_PROTOCOLS; i++)
		st->protocols[st->protocol_count++].name = talk_proto_at(i)->name;
	return store_protocols(e->conf.store, count_devices, e);
}

int engine_count_load(struct engine *e)
{
	struct engine_stats *st = &e->stats;
	struct store_counts counts;
	int err = store_counts(e->conf.store, &counts);

	if (!err)
		err = store_open_states(e->conf.store, st->open);
	if (!err)
		err = count_protocols(e);
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

	rollouts_moved(e, before, after);
	st->online += (uint64_t)(after && after->device.online) - (uint64_t)before->device.online;
	st->held +=
		(uint64_t)(after && is_held(&after->device)) - (uint64_t)is_held(&before->device);
	st->disabled += (uint64_t)(after && after->device.disabled_ms) -
			(uint64_t)(before->device.disabled_ms != 0);
	group_count_moved(e, before->device.group, after ? after->device.group : 0);
	if (before->has_attempt)
		st->open[before->attempt.state]--;
	if (after && after->has_attempt)
		st->open[after->attempt.state]++;
	engine_count_protocol(e, before->device.protocol)->devices--;
	if (after)
		engine_count_protocol(e, after->device.protocol)->devices++;
	else
		st->devices--;
	limits_count_moved(e, before, after);
	admit_moved(e, before, after);
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
	admit_stats(e, ret_stats);
}

const struct release *engine_release_at(const struct engine *e, size_t index)
{
	return index < e->release_count ? e->releases[index] : NULL;
}
