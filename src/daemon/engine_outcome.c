/* SPDX-License-Identifier: Apache-2.0
 *
 * How updates ended, by release and group: counted since the start, in a table that never grows.
 * A release or a group that is removed takes its cells with it; where the table is full, the cells
 * of the oldest release make room.
 */
#include <string.h>

#include "daemon/engine_internal.h"

const unsigned engine_confirm_s[ENGINE_CONFIRMS] = {10,	  30,	60,    120,   300,   600,
						    1800, 3600, 10800, 43200, 86400, 604800};

static struct outcome_cell *cell_free(struct engine *e)
{
	struct outcome_cell *oldest = &e->outcomes[0];

	for (unsigned i = 0; i < LIMIT_OUTCOMES; i++) {
		struct outcome_cell *c = &e->outcomes[i];
		if (!c->release || !catalog_release(e, c->release))
			return c;
		if (c->release < oldest->release)
			oldest = c;
	}
	return oldest;
}

static struct outcome_cell *cell_of(struct engine *e, int64_t release, int64_t group)
{
	struct outcome_cell *c;

	for (unsigned i = 0; i < LIMIT_OUTCOMES; i++)
		if (e->outcomes[i].release == release && e->outcomes[i].group == group)
			return &e->outcomes[i];
	c = cell_free(e);
	*c = (struct outcome_cell){.release = release, .group = group};
	return c;
}

void engine_outcome_count(struct engine *e, const struct attempt *closed, int64_t group)
{
	int64_t took_s = (closed->closed_ms - closed->created_ms) / 1000;
	unsigned i = 0;

	cell_of(e, closed->release, group)->closed[closed->verdict]++;
	if (closed->verdict != VERDICT_UPDATED || took_s < 0)
		return;
	while (i < ENGINE_CONFIRMS && took_s > engine_confirm_s[i])
		i++;
	e->stats.confirms[i]++;
	e->stats.confirms_sum_s += (uint64_t)took_s;
}

bool engine_outcome_at(const struct engine *e, unsigned index, struct engine_outcome *ret)
{
	const struct release *r = NULL;
	const struct product *p = NULL;
	const struct engine_group *g = NULL;

	if (index >= LIMIT_OUTCOMES)
		return false;
	const struct outcome_cell *c = &e->outcomes[index];
	for (size_t i = 0; c->release && i < e->release_count && !r; i++)
		r = e->releases[i]->id == c->release ? e->releases[i] : NULL;
	for (size_t i = 0; r && i < e->product_count && !p; i++)
		p = e->products[i]->id == r->product ? e->products[i] : NULL;
	for (size_t i = 0; c->group && i < e->group_count && !g; i++)
		g = e->groups[i]->group.id == c->group ? e->groups[i] : NULL;
	*ret = (struct engine_outcome){.closed = NULL};
	if (!p || (c->group && !g))
		return true;
	*ret = (struct engine_outcome){.product = p->name,
				       .release = r->version,
				       .group = g ? g->group.name : "",
				       .closed = c->closed};
	return true;
}
