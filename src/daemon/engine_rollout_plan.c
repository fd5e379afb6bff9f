/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/engine_plan.h"

#include <stdlib.h>
#include <string.h>

#include "core/plan_rules.h"
#include "core/site.h"
#include "daemon/engine_filter.h"
#include "daemon/engine_rollout.h"
#include "daemon/zones.h"

enum { DAY_MS = 86400000, SITE_UNLISTED = LIMIT_PLAN_SITES };

/* A device that is selected, but for its tags. */
struct candidate {
	char id[LIMIT_DEVICE_ID + 1];
	bool elsewhere, locked;
	bool no_return;
	unsigned site;
	struct plan plan;
};

struct planning {
	struct engine *e;
	const struct live *l;
	struct engine_plan *plan;
	struct update u; /* of the device that is looked at */
	struct candidate *list;
	unsigned rows, count;
	unsigned site; /* of the device before: mostly this one's, too */
};

/* ---- sites ---- */

static bool site_is(const struct engine_plan *plan, unsigned i, const struct site *s)
{
	return strcmp(plan->site_texts[i].windows, s->windows) == 0 &&
	       strcmp(plan->site_texts[i].time_zone, s->time_zone) == 0;
}

static void site_add(struct planning *p, const struct site *s)
{
	struct engine_plan *plan = p->plan;
	struct forecast_site *site = &plan->sites[plan->site_count];
	struct engine_plan_site *text = &plan->site_texts[plan->site_count++];
	char fault[64];

	(void)buf_copy_str(text->windows, sizeof(text->windows), s->windows);
	(void)buf_copy_str(text->time_zone, sizeof(text->time_zone), s->time_zone);
	/* Both were checked when they were set; dev_windows() does the same. */
	if (schedule_parse(s->windows, &site->schedule, fault))
		site->schedule = (struct schedule){0};
	if (zones_find(&p->e->zones, s->time_zone, &site->zone))
		site->zone = (struct zone){0};
	text->opens_ms = forecast_opens_ms(site, plan->now_ms);
}

/* Of the device in p->u; SITE_UNLISTED: there are too many. */
static unsigned site_find(struct planning *p)
{
	const struct update *u = &p->u;
	const struct policy *policy = &u->product->policy;
	struct site s = site_of(&u->device, u->product, u->group);

	if ((!policy->window_download && !policy->window_apply) || !s.windows[0] ||
	    plan_is_forced(&u->device, u->product, u->now_ms))
		s.windows = s.time_zone = ""; /* any time is right for it */
	if (p->site < p->plan->site_count && site_is(p->plan, p->site, &s))
		return p->site;
	for (unsigned i = 0; i < p->plan->site_count; i++)
		if (site_is(p->plan, i, &s))
			return i;
	if (p->plan->site_count == LIMIT_PLAN_SITES)
		return SITE_UNLISTED;
	site_add(p, &s);
	return p->plan->site_count - 1;
}

static void site_count(struct engine_plan *plan, const struct candidate *c)
{
	if (c->site == SITE_UNLISTED) {
		plan->unlisted++;
		return;
	}
	plan->sites[c->site].devices++;
	if (plan->site_texts[c->site].opens_ms <= plan->now_ms + plan->days * DAY_MS)
		return;
	if (plan->closed < LIMIT_PLAN_NAMED)
		memcpy(plan->closed_named[plan->closed], c->id, sizeof(c->id));
	plan->closed++;
}

/* ---- devices ---- */

/* As if the rollout had reached it. */
static struct plan plan_as_reached(struct planning *p, const struct device *d, unsigned *ret_site)
{
	struct update *u = &p->u;

	u->device = *d;
	u->group = group_of(p->e, d->group);
	update_aim(u);
	*ret_site = p->site = site_find(p);
	if (p->site == SITE_UNLISTED) {
		dev_windows(p->e, u);
	} else {
		u->schedule = p->plan->sites[p->site].schedule;
		u->zone = p->plan->sites[p->site].zone;
	}
	return update_plan(u);
}

/* Is there nothing that it would go back to? */
static bool no_return(struct planning *p, const struct device *d)
{
	const struct rollout *r = &p->l->r;
	struct device member = *d;
	enum target_why why;

	member.rollout_before = d->rollout == r->id
					? d->rollout_before
					: plan_rollout_before(d, rollout_of(p->e, d->rollout));
	return !plan_target(&member, p->u.product, p->u.group, NULL,
			    rollout_of(p->e, member.rollout_before), &why) &&
	       !rollout_return(p->e, r, d);
}

static void count_plan(struct engine_plan *sum, const struct candidate *c)
{
	const uint32_t shown = 1u << BLOCK_OFFLINE; /* it does not keep a device from an offer */
	const struct plan *plan = &c->plan;

	sum->no_return += c->no_return;
	if (plan->offer) {
		sum->offers++;
		sum->blocked[BLOCK_OFFLINE] += (plan->blocked & shown) != 0;
		site_count(sum, c);
		return;
	}
	if ((plan->blocked & ~shown) == 1u << BLOCK_WINDOW) {
		sum->later++;
		site_count(sum, c);
	}
	for (unsigned i = 0; i < BLOCK_COUNT; i++)
		sum->blocked[i] += plan->blocked >> i & 1;
}

static bool plan_row(void *ctx, const struct device *d)
{
	struct planning *p = ctx;
	const struct live *other = live_of(p->e, d->rollout);

	p->rows++;
	(void)buf_copy_str(p->plan->last, sizeof(p->plan->last), d->id);
	if (!rollout_selects(p->e, &p->l->filter, &p->l->r, d))
		return true;
	struct candidate *c = &p->list[p->count++];
	memcpy(c->id, p->plan->last, sizeof(c->id));
	c->elsewhere = other && other != p->l && rollout_is_open(&other->r);
	c->locked = d->lock || d->development;
	if (c->elsewhere || c->locked)
		return true;
	c->plan = plan_as_reached(p, d, &c->site);
	c->no_return = !c->plan.on_target && no_return(p, d);
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
			count_plan(p->plan, c);
	}
	return err;
}

int engine_rollout_plan(struct engine *e, const char *product, const char *name, unsigned limit,
			struct engine_plan *plan)
{
	const struct live *l = live_named(e, product, name);
	struct planning *p = l ? calloc(1, sizeof(*p)) : NULL;
	struct candidate *list = p ? calloc(limit, sizeof(*list)) : NULL;
	char after[LIMIT_DEVICE_ID + 1];

	if (!list) {
		free(p);
		return l ? ERR_NOMEM : ERR_NOENT;
	}
	memcpy(after, plan->last, sizeof(after));
	p->e = e;
	p->l = l;
	p->plan = plan;
	p->list = list;
	p->u.product = catalog_product(e, l->r.product);
	p->u.goal = catalog_release_now(e, l->r.release);
	p->u.why = TARGET_ROLLOUT;
	p->u.now_ms = plan->now_ms;
	if (p->u.goal)
		way_find(p->u.goal, catalog_stone, e, &p->u.way);
	int err = rollout_rows(e, l, after, limit, plan_row, p);
	if (!err)
		err = plan_count(p);
	plan->done = !err && p->rows < limit;
	free(list);
	free(p);
	return err;
}

/* Of all its downloads together: the server's limit, or that of the one group that it selects. */
static int64_t image_rate(struct engine *e, const struct live *l)
{
	const struct filter_term *name = filter_find(&l->filter, FILTER_GROUP);
	const struct device_group *g = name ? group_named(e, l->r.product, name->value) : NULL;
	int64_t all = e->conf.image_rate, own = g ? g->image_rate : 0;

	return own && (!all || own < all) ? own : all;
}

int engine_rollout_forecast(struct engine *e, const char *product, const char *name,
			    const struct engine_plan *plan, struct rollout_forecast *ret)
{
	const struct live *l = live_named(e, product, name);
	const struct release *release = l ? catalog_release(e, l->r.release) : NULL;

	if (!l)
		return ERR_NOENT;
	const struct forecast_facts facts = {.members = plan->selected - plan->elsewhere,
					     .offers = plan->offers + plan->later,
					     .size_bytes = release ? release->size_bytes : 0,
					     .image_rate = image_rate(e, l),
					     .sites = plan->sites,
					     .site_count = plan->site_count,
					     .now_ms = plan->now_ms};
	*ret = rollout_forecast(&l->r, &facts);
	return 0;
}
