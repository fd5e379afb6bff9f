/* SPDX-License-Identifier: Apache-2.0
 *
 * The catalogue: products and releases, all in memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/engine_internal.h"

enum { CATALOG_PAGE = 500 };

struct product *catalog_product(struct engine *e, int64_t id)
{
	for (size_t i = 0; i < e->product_count; i++)
		if (e->products[i]->id == id)
			return e->products[i];
	return NULL;
}

struct product *catalog_product_named(struct engine *e, const char *name)
{
	for (size_t i = 0; i < e->product_count; i++)
		if (strcmp(e->products[i]->name, name) == 0)
			return e->products[i];
	return NULL;
}

/* Ids rise with every insert, so the array is sorted. */
struct release *catalog_release(struct engine *e, int64_t id)
{
	size_t low = 0, high = e->release_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (e->releases[mid]->id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low < e->release_count && e->releases[low]->id == id ? e->releases[low] : NULL;
}

struct release *catalog_release_now(struct engine *e, int64_t id)
{
	struct release *r = catalog_release(e, id);

	if (r)
		r->unavailable = images_is_bad(e->conf.images, r->sha256);
	return r;
}

struct release *catalog_release_named(struct engine *e, int64_t product, const char *version)
{
	for (size_t i = 0; i < e->release_count; i++)
		if (e->releases[i]->product == product &&
		    strcmp(e->releases[i]->version, version) == 0)
			return e->releases[i];
	return NULL;
}

const struct release *catalog_stone(void *ctx, int64_t product, const char *version)
{
	struct release *r = catalog_release_named(ctx, product, version);

	return r ? catalog_release_now(ctx, r->id) : NULL;
}

void catalog_leads_through(struct engine *e, const struct release *stone, struct store_use *ret)
{
	for (size_t i = 0; i < e->release_count; i++) {
		const struct release *r = e->releases[i];
		if (r->product != stone->product ||
		    !lines_have(r->requires.must_pass, stone->version))
			continue;
		ret->used = true;
		(void)snprintf(ret->by, sizeof(ret->by), "the way to release %s leads through it",
			       r->version);
		return;
	}
}

bool catalog_no_way(struct engine *e, const struct product *p, const struct release *r,
		    char why[256])
{
	struct way way;

	way_find(r, catalog_stone, e, &way);
	if (!way.broken)
		return false;
	if (way.missing[0])
		(void)snprintf(why, 256, "must_pass: product %s has no release %s: add that first",
			       p->name, way.missing);
	else
		(void)snprintf(why, 256, "must_pass: the way to it has more than %d releases",
			       LIMIT_WAY);
	return true;
}

int catalog_add_product(struct engine *e, const struct product *p)
{
	struct product **grown =
		reallocarray(e->products, e->product_count + 1, sizeof(struct product *));
	struct product *copy = malloc(sizeof(*copy));

	if (grown)
		e->products = grown;
	if (!grown || !copy) {
		free(copy);
		return ERR_NOMEM;
	}
	*copy = *p;
	e->products[e->product_count++] = copy;
	return 0;
}

int catalog_add_release(struct engine *e, const struct release *r)
{
	struct release **grown =
		reallocarray(e->releases, e->release_count + 1, sizeof(struct release *));
	struct release *copy = malloc(sizeof(*copy));
	size_t at;

	if (grown)
		e->releases = grown;
	if (!grown || !copy) {
		free(copy);
		return ERR_NOMEM;
	}
	*copy = *r;
	for (at = e->release_count; at > 0 && e->releases[at - 1]->id > r->id; at--)
		e->releases[at] = e->releases[at - 1];
	e->releases[at] = copy;
	e->release_count++;
	return 0;
}

void catalog_drop_release(struct engine *e, int64_t id)
{
	for (size_t i = 0; i < e->release_count; i++) {
		if (e->releases[i]->id != id)
			continue;
		free(e->releases[i]);
		memmove(&e->releases[i], &e->releases[i + 1],
			(e->release_count - i - 1) * sizeof(struct release *));
		e->release_count--;
		return;
	}
}

int engine_cas(struct engine *e, int (*fn)(void *ctx, const struct product *p, const char *pem),
	       void *ctx)
{
	char pem[LIMIT_CA_BUNDLE + 1];
	int err = 0;

	for (size_t i = 0; !err && i < e->product_count; i++) {
		const struct product *p = e->products[i];

		if (p->ca_count == 0)
			continue;
		err = store_ca(e->conf.store, p->id, pem, sizeof(pem));
		if (!err)
			err = fn(ctx, p, pem);
	}
	return err;
}

struct loading {
	struct engine *e;
	int err;
	unsigned rows;
	int64_t last_id;
	char last_name[LIMIT_PRODUCT_NAME + 1];
};

static bool load_product(void *ctx, const struct product *p)
{
	struct loading *l = ctx;

	l->err = catalog_add_product(l->e, p);
	l->rows++;
	memcpy(l->last_name, p->name, sizeof(l->last_name));
	return l->err == 0;
}

static bool load_release(void *ctx, const struct release *r)
{
	struct loading *l = ctx;

	l->err = catalog_add_release(l->e, r);
	l->rows++;
	l->last_id = r->id;
	return l->err == 0;
}

int catalog_load(struct engine *e)
{
	struct loading l = {.e = e};
	int err;

	do {
		l.rows = 0;
		err = store_products(e->conf.store, l.last_name, CATALOG_PAGE, load_product, &l);
	} while (!err && !l.err && l.rows == CATALOG_PAGE);
	while (!err && !l.err) {
		l.rows = 0;
		err = store_releases(e->conf.store, 0, l.last_id, CATALOG_PAGE, load_release, &l);
		if (l.rows < CATALOG_PAGE)
			break;
	}
	if (!err)
		err = l.err;
	if (!err)
		err = groups_load(e);
	return err ? err : rollouts_load(e);
}

void catalog_free(struct engine *e)
{
	for (size_t i = 0; i < e->release_count; i++)
		free(e->releases[i]);
	for (size_t i = 0; i < e->product_count; i++)
		free(e->products[i]);
	groups_free(e);
	rollouts_free(e);
	free(e->releases);
	free(e->products);
	e->releases = NULL;
	e->products = NULL;
	e->release_count = e->product_count = 0;
}
