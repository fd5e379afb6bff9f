/* SPDX-License-Identifier: Apache-2.0
 *
 * Devices that a filter means: what the filter asks beyond a device's row, and the walk over rows
 * by the best of the indexes.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/engine_filter.h"
#include "daemon/engine_internal.h"

/* ---- what is asked ---- */

static const char *ask_product(void *ctx, int64_t product)
{
	const struct product *p = catalog_product(ctx, product);

	return p ? p->name : NULL;
}

static const char *ask_group(void *ctx, int64_t group)
{
	const struct device_group *g = group_of(ctx, group);

	return g ? g->name : NULL;
}

/* From memory alone: it is asked of each of many rows. */
static enum device_state ask_state(void *ctx, const struct device *d)
{
	struct engine *e = ctx;
	const struct product *p = catalog_product(e, d->product);
	enum target_why why;

	if (!p)
		return device_state(d, d->attempt != 0, false, false);
	const struct release *target = catalog_release(
		e, plan_target(d, p, group_of(e, d->group), rollout_of(e, d->rollout),
			       rollout_of(e, d->rollout_before), &why));
	struct plan plan = plan_device(d, p, target, NULL, NULL, e->last_tick.wall_ms);
	return device_state(d, d->attempt != 0, target != NULL, plan.on_target);
}

bool engine_filter_row(struct engine *e, const struct filter *f, const struct device *d)
{
	const struct filter_asks asks = {ask_product, ask_group, ask_state, NULL, e};

	return filter_fits(f, d, &asks);
}

int engine_filter_tags(struct engine *e, const struct filter *f, const char *device, bool *ret_fits)
{
	bool fits = true, has = false;
	int err = 0;

	for (unsigned i = 0; i < f->count && fits && !err; i++) {
		const struct filter_term *t = &f->terms[i];

		if (t->key != FILTER_TAG)
			continue;
		err = store_has_tag(e->conf.store, device, t->value, &has);
		fits = has != t->differs;
	}
	if (!err)
		*ret_fits = fits;
	return err;
}

/* ---- names ---- */

/* A group of this name, in the product or, without one, in any. */
static bool group_known(struct engine *e, const struct product *p, const char *name)
{
	if (p)
		return group_named(e, p->id, name) != NULL;
	for (size_t i = 0; i < e->group_count; i++)
		if (strcmp(e->groups[i]->group.name, name) == 0)
			return true;
	return false;
}

int engine_filter_check(struct engine *e, const struct filter *f, char why[FILTER_WHY])
{
	const struct filter_term *of = filter_find(f, FILTER_PRODUCT);
	const struct product *p = of ? catalog_product_named(e, of->value) : NULL;

	for (unsigned i = 0; i < f->count; i++) {
		const struct filter_term *t = &f->terms[i];

		if (t->key == FILTER_PRODUCT && !catalog_product_named(e, t->value)) {
			(void)snprintf(why, FILTER_WHY, "there is no product \"%s\"", t->value);
			return ERR_NOENT;
		}
		if (t->key == FILTER_GROUP && strcmp(t->value, "none") != 0 &&
		    !group_known(e, p, t->value)) {
			(void)snprintf(why, FILTER_WHY, "there is no group \"%s\"", t->value);
			return ERR_NOENT;
		}
	}
	return 0;
}

/* ---- the walk ---- */

/* The only group that can be meant; 0: none, or several of this name. */
static int64_t one_group(struct engine *e, const struct filter *f)
{
	const struct filter_term *name = filter_find(f, FILTER_GROUP);
	const struct filter_term *of = filter_find(f, FILTER_PRODUCT);
	const struct product *p = of ? catalog_product_named(e, of->value) : NULL;
	int64_t found = 0;

	if (!name || strcmp(name->value, "none") == 0)
		return 0;
	for (size_t i = 0; i < e->group_count; i++) {
		const struct device_group *g = &e->groups[i]->group;

		if (strcmp(g->name, name->value) != 0 || (p && g->product != p->id))
			continue;
		if (found)
			return 0;
		found = g->id;
	}
	return found;
}

struct walk {
	store_device_row *row;
	void *ctx;
	unsigned limit;
	struct filter_page *page;
};

static bool walk_row(void *ctx, const struct device *d)
{
	struct walk *w = ctx;
	bool on = w->row(w->ctx, d); /* the last one, too */

	(void)buf_copy_str(w->page->last, sizeof(w->page->last), d->id);
	w->page->more = ++w->page->looked == w->limit || !on;
	return !w->page->more;
}

int engine_filter_walk(struct engine *e, const struct filter *f, const char *after, unsigned limit,
		       store_device_row *row, void *ctx, struct filter_page *ret)
{
	const struct filter_term *tag = filter_find(f, FILTER_TAG);
	const struct filter_term *development = filter_find(f, FILTER_DEVELOPMENT);
	const struct filter_term *of = filter_find(f, FILTER_PRODUCT);
	const struct product *p = of ? catalog_product_named(e, of->value) : NULL;
	struct walk w = {row, ctx, limit, ret};
	int64_t group = one_group(e, f);

	if (engine_roster_helps(e, f))
		return engine_roster_walk(e, f, after, limit, row, ctx, ret);
	if (tag)
		return store_devices_tagged(e->conf.store, tag->value, after, limit, walk_row, &w);
	if (group)
		return store_devices_in_group(e->conf.store, group, after, limit, walk_row, &w);
	if (development && development->number)
		return store_devices_development(e->conf.store, after, limit, walk_row, &w);
	return store_devices(e->conf.store, p ? p->id : 0, after, limit, walk_row, &w);
}
