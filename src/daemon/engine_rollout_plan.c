/* SPDX-License-Identifier: Apache-2.0
 *
 * A rollout's dry run.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/engine_filter.h"
#include "daemon/engine_rollout.h"

/* A device that is selected, but for its tags. */
struct candidate {
	char id[LIMIT_DEVICE_ID + 1];
	bool elsewhere, locked;
	struct plan plan;
};

struct planning {
	struct engine *e;
	const struct live *l;
	struct engine_plan *plan;
	struct update u; /* of the device that is looked at */
	struct candidate *list;
	unsigned rows, count;
	char last[LIMIT_DEVICE_ID + 1];
};

/* As if the rollout had reached it. */
static struct plan plan_as_reached(struct planning *p, const struct device *d)
{
	struct update *u = &p->u;

	u->device = *d;
	u->group = group_of(p->e, d->group);
	update_aim(u);
	return update_plan(u);
}

static void count_plan(struct engine_plan *sum, const struct plan *plan)
{
	const uint32_t shown = 1u << BLOCK_OFFLINE; /* it does not keep a device from an offer */

	if (plan->offer) {
		sum->offers++;
		sum->blocked[BLOCK_OFFLINE] += (plan->blocked & shown) != 0;
		return;
	}
	for (unsigned i = 0; i < BLOCK_COUNT; i++)
		sum->blocked[i] += plan->blocked >> i & 1;
}

static bool plan_row(void *ctx, const struct device *d)
{
	struct planning *p = ctx;
	const struct live *other = live_of(p->e, d->rollout);

	p->rows++;
	(void)buf_copy_str(p->last, sizeof(p->last), d->id);
	if (!rollout_selects(p->e, &p->l->filter, &p->l->r, d))
		return true;
	struct candidate *c = &p->list[p->count++];
	memcpy(c->id, p->last, sizeof(c->id));
	c->elsewhere = other && other != p->l && rollout_is_open(&other->r);
	c->locked = d->lock || d->development;
	if (!c->elsewhere && !c->locked)
		c->plan = plan_as_reached(p, d);
	return true;
}

static int plan_count(struct planning *p)
{
	int err = 0;

	for (unsigned i = 0; i < p->count && !err; i++) {
		const struct candidate *c = &p->list[i];
		bool fits = false;

		err = engine_filter_tags(p->e, &p->l->filter, c->id, &fits);
		if (!fits)
			continue;
		p->plan->selected++;
		if (c->elsewhere)
			p->plan->elsewhere++;
		else if (c->locked)
			p->plan->locked++;
		else
			count_plan(p->plan, &c->plan);
	}
	return err;
}

int engine_rollout_plan(struct engine *e, const char *product, const char *name, const char *after,
			unsigned limit, struct engine_plan *ret)
{
	const struct live *l = live_named(e, product, name);
	struct planning *p = l ? calloc(1, sizeof(*p)) : NULL;
	struct candidate *list = p ? calloc(limit, sizeof(*list)) : NULL;

	if (!list) {
		free(p);
		return l ? ERR_NOMEM : ERR_NOENT;
	}
	*ret = (struct engine_plan){0};
	p->e = e;
	p->l = l;
	p->plan = ret;
	p->list = list;
	p->u.product = catalog_product(e, l->r.product);
	p->u.goal = catalog_release_now(e, l->r.release);
	p->u.why = TARGET_ROLLOUT;
	p->u.now_ms = clock_read().wall_ms;
	if (p->u.goal)
		way_find(p->u.goal, catalog_stone, e, &p->u.way);
	int err = rollout_rows(e, l, after, limit, plan_row, p);
	if (!err)
		err = plan_count(p);
	if (!err && p->rows == limit)
		(void)buf_copy_str(ret->last, sizeof(ret->last), p->last);
	free(list);
	free(p);
	return err;
}

int engine_rollout_forecast(struct engine *e, const char *product, const char *name,
			    int64_t members, int64_t offers, struct rollout_forecast *ret)
{
	const struct live *l = live_named(e, product, name);
	const struct release *release = l ? catalog_release(e, l->r.release) : NULL;

	if (!l)
		return ERR_NOENT;
	*ret = rollout_forecast(&l->r, members, offers, release ? release->size_bytes : 0,
				e->conf.image_rate, clock_read().wall_ms);
	return 0;
}
