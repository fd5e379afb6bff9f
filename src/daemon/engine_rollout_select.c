/* SPDX-License-Identifier: Apache-2.0
 *
 * Whom a rollout selects.
 */
#include <string.h>

#include "daemon/engine_rollout.h"

bool rollout_selects(struct engine *e, const struct rollout *r, const struct device *d)
{
	const struct device_group *g = group_of(e, d->group);

	return d->product == r->product &&
	       (!r->filter[0] || (g && strcmp(g->name, r->filter) == 0));
}
