/* SPDX-License-Identifier: Apache-2.0
 *
 * Limits of groups: the gate before that of all (core/admit.h), and the bucket of bytes that its
 * transfers share (engine_pace.c). A limiter is there from the first limit of its group on, and as
 * long as the group is; without a limit it lets everybody through.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "daemon/engine_internal.h"

struct limiter *limiter_of(const struct engine *e, int64_t group)
{
	const struct engine_group *g = group ? group_at(e, group) : NULL;

	return g ? g->limiter : NULL;
}

static struct limiter *limiter_new(struct engine *e)
{
	struct limiter *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	admit_gate_init(&l->admits.gate);
	l->admits.gate.above = &e->admitter.all.gate;
	list_append(&e->admitter.limiters, &l->link);
	return l;
}

int limiter_set(struct engine *e, struct engine_group *g)
{
	int64_t tokens = admit_tokens(g->group.max_downloads, g->group.image_rate);
	int64_t before = g->limiter ? g->limiter->admits.gate.tokens : 0;

	if (!tokens && !g->limiter)
		return 0;
	if (!g->limiter)
		g->limiter = limiter_new(e);
	if (!g->limiter)
		return ERR_NOMEM;
	struct limiter *l = g->limiter;
	l->rate = g->group.image_rate;
	l->admits.gate.tokens = tokens;
	/* What is open is known by its number, if it has not paid here already. */
	if (tokens && !before)
		admit_carry(&l->admits, g->downloads);
	return 0;
}

void limiter_drop(struct engine *e, struct engine_group *g)
{
	struct limiter *l = g->limiter;

	g->limiter = NULL;
	if (!l)
		return;
	list_remove(&l->link);
	admit_forget(e, l);
	l->gone = true;
	l->rate = 0;
	if (!l->lanes)
		free(l);
}

void limiter_lane(struct limiter *l, bool more)
{
	l->lanes += more ? 1u : -1u;
	if (l->gone && !l->lanes)
		free(l);
}

void limits_step(struct engine *e, int64_t at_ms)
{
	struct list *all = &e->admitter.limiters;

	if (list_empty(all))
		return;
	LIST_EACH(it, next, all)
	{
		admit_gate_step(e, &LIST_ENTRY(it, struct limiter, link)->admits, at_ms);
	}
	struct list *first = all->next; /* another one's bells are rung first next time */
	list_remove(first);
	list_append(all, first);
}

static bool is_download(const struct update *u)
{
	return u && u->has_attempt &&
	       (u->attempt.state == ATTEMPT_OFFERED || u->attempt.state == ATTEMPT_TRANSFERRING);
}

void limits_count_moved(struct engine *e, const struct update *before, const struct update *after)
{
	struct engine_group *from = group_at(e, before->device.group);
	struct engine_group *to = after ? group_at(e, after->device.group) : NULL;

	if (from && is_download(before))
		from->downloads--;
	if (to && is_download(after))
		to->downloads++;
}

void engine_group_load(const struct engine_group *g, struct engine_group_load *ret)
{
	const struct admit_gate *gate = g->limiter ? &g->limiter->admits.gate : NULL;

	*ret = (struct engine_group_load){.downloads = g->downloads};
	if (!gate || !gate->tokens)
		return;
	ret->limit = (uint64_t)gate->tokens;
	ret->downloads = (uint64_t)gate->active;
	ret->waiting = gate->waiting + (uint64_t)gate->kept;
}
