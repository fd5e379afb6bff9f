/* SPDX-License-Identifier: Apache-2.0
 *
 * The facts behind the rules of core/plan_rules.h, in plain words.
 */
#include <string.h>

#include "core/version.h"
#include "daemon/view.h"

static void say_space(struct buf *b, const struct engine_device *now)
{
	const struct report *r = &now->device.report;
	long long size = now->target.size_bytes;

	if (r->slot_bytes >= 0 && now->target.size_bytes > r->slot_bytes)
		view_say(b, "the image has %lld bytes, the slot %lld", size,
			 (long long)r->slot_bytes);
	else
		view_say(b,
			 "the image has %lld bytes, %lld are free, and %lld of them must stay so",
			 size, (long long)r->fs_free_bytes,
			 (long long)now->product.policy.space_margin_bytes);
}

static void say_downgrade(struct buf *b, const struct engine_device *now)
{
	const char *runs = now->device.report.version, *target = now->target.version;

	if (version_order(target, runs) == ORDER_NONE)
		view_say(b, "nothing tells whether %s is newer than %s, which it runs", target,
			 runs);
	else
		view_say(b, "%s is older than %s, which it runs", target, runs);
}

void view_say_rule(struct buf *b, enum block block, const struct engine_device *now)
{
	const struct report *r = &now->device.report;

	if (block == BLOCK_SPACE)
		say_space(b, now);
	else if (block == BLOCK_POWER)
		view_say(b, "it reports %lld %%, and an update wants %lld %%",
			 (long long)r->battery_percent,
			 (long long)now->product.policy.min_battery_percent);
	else if (block == BLOCK_DOWNGRADE)
		say_downgrade(b, now);
}
