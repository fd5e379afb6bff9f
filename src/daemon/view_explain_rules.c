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

	if (r->slot_bytes >= 0 && release_slot_bytes(&now->target) > r->slot_bytes)
		view_say(b, "the image %s %lld bytes, the slot has %lld",
			 release_slot_bytes(&now->target) == size ? "has" : "takes",
			 (long long)release_slot_bytes(&now->target), (long long)r->slot_bytes);
	else if (r->troubles & TROUBLE_MEMORY_LOW)
		view_say(b, "the device says that %s", trouble_means(TROUBLE_MEMORY_LOW_BIT));
	else
		view_say(b,
			 "the image has %lld bytes, %lld are free, and %lld of them must stay so",
			 size, (long long)r->fs_free_bytes,
			 (long long)now->product.policy.space_margin_bytes);
}

static void say_unprovable(struct buf *b, const struct engine_device *now)
{
	const struct report *r = &now->device.report;
	const struct release *target = &now->target;
	char kind[16];

	if (!r->running.len) {
		view_say(b, "it reports %s already, and no digest to tell two images apart",
			 r->version);
		return;
	}
	view_say(b, "it reports a digest of kind %s, and release %s ",
		 digest_kind_name(r->running.kind, kind), target->version);
	if (release_digest(target, r->running.kind)) {
		view_say(b, "has another one");
		return;
	}
	view_say(b, "has those of kind ");
	for (unsigned i = 0; i < target->running_count; i++)
		view_say(b, "%s%s", i ? ", " : "", digest_kind_name(target->running[i].kind, kind));
}

/* What the general advice leaves out: the device does report a digest, of the wrong kind. */
bool view_say_digest_clear(struct buf *b, const struct engine_device *now)
{
	const struct report *r = &now->device.report;
	char kind[16];

	if (!r->running.len || release_digest(&now->target, r->running.kind))
		return false;
	(void)digest_kind_name(r->running.kind, kind);
	view_say(b,
		 "release add --running %s:HEX, or let the device report a digest of a kind that "
		 "the release names (an option of its product may say which it is), or: "
		 "postbootctl product set %s require-digest=0",
		 kind, now->product.name);
	return true;
}

static void say_power(struct buf *b, const struct engine_device *now)
{
	const struct report *r = &now->device.report;
	const struct policy *p = &now->product.policy;

	if (r->battery_percent >= 0 && r->battery_percent < p->min_battery_percent)
		view_say(b, "it reports %lld %%, and an update wants %lld %%",
			 (long long)r->battery_percent, (long long)p->min_battery_percent);
	else if (r->supply_mv >= 0 && r->supply_mv < p->min_supply_mv)
		view_say(b, "it reports %lld mV, and an update wants %lld mV",
			 (long long)r->supply_mv, (long long)p->min_supply_mv);
	else
		view_say(b, "the device says that %s", trouble_means(TROUBLE_POWER_LOW_BIT));
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

/* "a, b or c" */
static void say_one_of(struct buf *b, const char *list)
{
	char line[LIMIT_HARDWARE + 1];
	unsigned left = lines_count(list);

	while (lines_next(&list, line, sizeof(line))) {
		left--;
		view_say(b, "%s%s", line, left > 1 ? ", " : left ? " or " : "");
	}
}

static const char *told(const char *text)
{
	return text[0] ? text : "nothing";
}

static void say_hardware(struct buf *b, const struct engine_device *now)
{
	const char *says = now->device.report.hardware;
	const struct requires *q = &now->target.requires;

	if (q->hardware[0] && !lines_have(q->hardware, says)) {
		view_say(b, "the device says %s, the release is for ", told(says));
		say_one_of(b, q->hardware);
	} else {
		view_say(b, "the device says %s, the product says %s", says, now->product.hardware);
	}
}

static void say_no_way(struct buf *b, const struct engine_device *now)
{
	if (now->no_way && now->missing[0])
		view_say(b, "release %s, which must come before %s, is gone", now->missing,
			 now->goal);
	else if (now->no_way)
		view_say(b, "more than %d releases must come before %s", LIMIT_WAY, now->goal);
	else
		view_say(b, "%s asks for %s or newer, and the device runs %s", now->target.version,
			 now->target.requires.min_version, now->device.report.version);
}

void view_say_rule(struct buf *b, enum block block, const struct engine_device *now)
{
	const struct report *r = &now->device.report;

	if (block == BLOCK_UNPROVABLE)
		say_unprovable(b, now);
	else if (block == BLOCK_SPACE)
		say_space(b, now);
	else if (block == BLOCK_POWER)
		say_power(b, now);
	else if (block == BLOCK_DOWNGRADE)
		say_downgrade(b, now);
	else if (block == BLOCK_HARDWARE)
		say_hardware(b, now);
	else if (block == BLOCK_BOOT_LOADER)
		view_say(b, "%s asks for %s, and the device says %s", now->target.version,
			 now->target.requires.boot_loader, told(r->boot_loader));
	else if (block == BLOCK_MUST_PASS)
		say_no_way(b, now);
	else if (block == BLOCK_WINDOW)
		view_say_windows(b, now);
	else if (block == BLOCK_ROLLBACK)
		view_say(b, "%s has security counter %lld, and the device has %lld",
			 now->target.version, (long long)now->target.requires.security_counter,
			 (long long)r->security_counter);
}

static void say_no_rule(struct buf *b, unsigned trouble, const char *setting)
{
	view_say(b, " It says that %s, which keeps no update from it: %s of its product is 0.",
		 trouble_means(trouble), setting);
}

void view_say_no_rule(struct buf *b, const struct engine_device *now)
{
	const struct policy *p = &now->product.policy;
	uint32_t troubles = now->device.has_report ? now->device.report.troubles : 0;

	if (!now->has_target || now->plan.on_target)
		return;
	if ((troubles & TROUBLE_POWER_LOW) && !p->min_battery_percent)
		say_no_rule(b, TROUBLE_POWER_LOW_BIT, "min_battery_percent");
	if ((troubles & TROUBLE_MEMORY_LOW) && !p->need_file_space)
		say_no_rule(b, TROUBLE_MEMORY_LOW_BIT, "need_file_space");
}
