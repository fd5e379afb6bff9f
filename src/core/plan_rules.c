/* SPDX-License-Identifier: Apache-2.0 */
#include "core/plan_rules.h"

#include <string.h>

#include "core/version.h"

#define BIT(block) (1u << (block))

/* What would be an older release than the present one, or not surely a newer one. */
static bool is_downgrade(const struct device *d, const struct release *target)
{
	enum order order = version_order(target->version, d->report.version);

	return order == ORDER_BEFORE || order == ORDER_NONE;
}

static bool has_no_space(const struct device *d, const struct product *p,
			 const struct release *target)
{
	const struct report *r = &d->report;

	if (r->slot_bytes >= 0 && release_slot_bytes(target) > r->slot_bytes)
		return true;
	if (!p->policy.need_file_space ||
	    (r->fs_free_bytes < 0 && !(r->troubles & TROUBLE_MEMORY_LOW)))
		return false;
	if (r->has_cached && memcmp(r->cached, target->sha256, DIGEST_SHA256) == 0)
		return false; /* it has it already */
	return (r->troubles & TROUBLE_MEMORY_LOW) ||
	       r->fs_free_bytes < target->size_bytes + p->policy.space_margin_bytes;
}

static uint32_t plan_required(const struct device *d, const struct release *target)
{
	const struct requires *q = &target->requires;
	const struct report *r = &d->report;
	uint32_t blocked = 0;

	if (q->hardware[0] && !lines_have(q->hardware, r->hardware))
		blocked |= BIT(BLOCK_HARDWARE);
	if (q->boot_loader[0] && !boot_loader_at_least(r->boot_loader, q->boot_loader))
		blocked |= BIT(BLOCK_BOOT_LOADER);
	if (q->min_version[0] && !version_at_least(r->version, q->min_version))
		blocked |= BIT(BLOCK_MUST_PASS);
	if (q->has_security_counter && r->security_counter > q->security_counter)
		blocked |= BIT(BLOCK_ROLLBACK);
	return blocked;
}

bool plan_power_is_low(const struct report *r, const struct policy *p)
{
	if (p->min_battery_percent &&
	    ((r->battery_percent >= 0 && r->battery_percent < p->min_battery_percent) ||
	     (r->troubles & TROUBLE_POWER_LOW)))
		return true;
	return r->supply_mv >= 0 && r->supply_mv < p->min_supply_mv;
}

uint32_t plan_fitness_blocks(const struct device *d, const struct product *p,
			     const struct release *target)
{
	(void)target;
	return plan_power_is_low(&d->report, &p->policy) ? BIT(BLOCK_POWER) : 0;
}

bool plan_is_forced(const struct device *d, const struct product *p, int64_t now_ms)
{
	return d->force || (p->policy.force_after_s && d->pending_ms &&
			    now_ms - d->pending_ms >= p->policy.force_after_s * 1000);
}

/* Whole seconds: a window opens at one. */
static int64_t seconds_up(int64_t ms)
{
	return ms / 1000 + (ms % 1000 > 0);
}

bool plan_is_closed(const struct plan_around *around, int64_t from_ms, int64_t now_ms,
		    int64_t *ret_opens_ms)
{
	if (!around || !around->schedule || !around->schedule->count ||
	    schedule_is_open(around->schedule, around->zone, now_ms / 1000))
		return false;
	*ret_opens_ms = 1000 * schedule_opens(around->schedule, around->zone,
					      seconds_up(from_ms > now_ms ? from_ms : now_ms));
	return true;
}

uint32_t plan_gate(const struct device *d, const struct product *p, const struct release *target,
		   const struct plan_around *around, int64_t now_ms, int64_t *ret_clear_ms)
{
	uint32_t blocked = plan_fitness_blocks(d, p, target);

	*ret_clear_ms = 0;
	if (p->policy.window_apply && !plan_is_forced(d, p, now_ms) &&
	    plan_is_closed(around, now_ms, now_ms, ret_clear_ms))
		blocked |= BIT(BLOCK_WINDOW);
	return blocked;
}

uint32_t plan_rule_blocks(const struct device *d, const struct product *p,
			  const struct release *target)
{
	uint32_t blocked = plan_fitness_blocks(d, p, target) | plan_required(d, target);

	if (has_no_space(d, p, target))
		blocked |= BIT(BLOCK_SPACE);
	if (!p->policy.allow_downgrade && !d->lock && is_downgrade(d, target))
		blocked |= BIT(BLOCK_DOWNGRADE);
	return blocked;
}
