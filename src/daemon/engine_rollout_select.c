/* SPDX-License-Identifier: Apache-2.0
 *
 * Whom a rollout selects.
 */
#include <stdio.h>
#include <string.h>

#include "core/filter.h"
#include "daemon/engine_filter.h"
#include "daemon/engine_rollout.h"

static const char *product_name(void *ctx, int64_t id)
{
	const struct product *p = catalog_product(ctx, id);

	return p ? p->name : "";
}

static const char *group_name(void *ctx, int64_t id)
{
	const struct device_group *g = group_of(ctx, id);

	return g ? g->name : "";
}

int rollout_filter(const char *text, struct filter *ret, char ret_why[FILTER_WHY])
{
	struct filter f = {0};
	int err = filter_parse(&f, text, ret_why);

	if (err)
		return err;
	/* A state is moved by the rollout itself: who is selected would depend on when one looks.
	 */
	for (unsigned i = 0; i < f.count; i++) {
		if (f.terms[i].key != FILTER_STATE)
			continue;
		(void)snprintf(ret_why, FILTER_WHY,
			       "a rollout does not select by state: it moves the states itself");
		return ERR_INVAL;
	}
	*ret = f;
	return 0;
}

int rollout_rows(struct engine *e, const struct live *l, const char *after, unsigned limit,
		 store_device_row *row, void *ctx)
{
	const struct filter_term *name = filter_find(&l->filter, FILTER_GROUP);
	const struct device_group *g = name ? group_named(e, l->r.product, name->value) : NULL;

	const struct filter_term *tag = filter_find(&l->filter, FILTER_TAG);

	if (tag)
		return store_devices_tagged(e->conf.store, tag->value, after, limit, row, ctx);
	if (g) /* "none" is no group's name */
		return store_devices_in_group(e->conf.store, g->id, after, limit, row, ctx);
	return store_devices(e->conf.store, l->r.product, after, limit, row, ctx);
}

int rollout_filter_names(struct engine *e, const struct filter *f, int64_t product,
			 char why[FILTER_WHY])
{
	for (unsigned i = 0; i < f->count; i++) {
		const struct filter_term *t = &f->terms[i];

		if (t->key != FILTER_GROUP || strcmp(t->value, "none") == 0 ||
		    group_named(e, product, t->value))
			continue;
		(void)snprintf(why, FILTER_WHY, "the product has no group \"%s\"", t->value);
		return ERR_NOENT;
	}
	return 0;
}

bool rollout_selects(struct engine *e, const struct filter *f, const struct rollout *r,
		     const struct device *d)
{
	const struct filter_asks asks = {.product = product_name, .group = group_name, .ctx = e};

	return d->product == r->product && filter_fits(f, d, &asks);
}

int64_t rollout_return(struct engine *e, const struct rollout *r, const struct device *d)
{
	const struct rollout *left = rollout_of(e, d->rollout);

	if (d->rollout == r->id)
		return d->rollout_return;
	int64_t id = plan_rollout_return(
		d, left, catalog_release_named(e, r->product, d->report.version), r->release);
	/* Its label may be another one, where the digest is the release's. */
	return id ? id : plan_rollout_return(d, left, catalog_release(e, d->settled), r->release);
}
