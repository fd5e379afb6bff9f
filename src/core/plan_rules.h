/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules that say whether a device may have a release at all: what the release asks of it, what it
 * would lose by it, and whether it is fit for it now. Each gives a block of core/plan.h.
 *
 * A device that says nothing of a fact which a release asks for does not meet it; of one that
 * only a product's policy looks at (battery, free space), it is not asked.
 */
#ifndef CORE_PLAN_RULES_H
#define CORE_PLAN_RULES_H

#include "core/plan.h"

/* 1 << enum block each. */
uint32_t plan_rule_blocks(const struct device *d, const struct product *p,
			  const struct release *target);

/* The device may be made to update now, whatever it or a window says: an operator forces it, or
 * product policy does as it has waited for so long. */
bool plan_is_forced(const struct device *d, const struct product *p, int64_t now_ms);

/* Outside its windows; ret_opens_ms is set then: from from_ms on. */
bool plan_is_closed(const struct plan_around *around, int64_t from_ms, int64_t now_ms,
		    int64_t *ret_opens_ms);

/* By the level or the voltage that it reports, or, where the product looks at the level at all, by
 * its own word: a device knows its battery. */
bool plan_power_is_low(const struct report *r, const struct policy *p);

/* Those of them that may end by themselves, asked again before the hand-over. */
uint32_t plan_fitness_blocks(const struct device *d, const struct product *p,
			     const struct release *target);

#endif
