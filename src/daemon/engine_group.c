/* SPDX-License-Identifier: Apache-2.0
 *
 * Groups in memory, as part of the catalogue.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/engine_internal.h"

enum { GROUP_PAGE = 500 };

/* Where it is, or would be. */
static size_t group_place(const struct engine *e, int64_t id)
{
	size_t low = 0, high = e->group_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (e->groups[mid]->id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct device_group *group_of(struct engine *e, int64_t id)
{
	size_t at = id ? group_place(e, id) : e->group_count;

	return at < e->group_count && e->groups[at]->id == id ? e->groups[at] : NULL;
}

struct device_group *group_named(struct engine *e, int64_t product, const char *name)
{
	for (size_t i = 0; i < e->group_count; i++)
		if (e->groups[i]->product == product && strcmp(e->groups[i]->name, name) == 0)
			return e->groups[i];
	return NULL;
}

int group_add(struct engine *e, const struct device_group *g)
{
	struct device_group **grown =
		reallocarray(e->groups, e->group_count + 1, sizeof(struct device_group *));
	struct device_group *copy = malloc(sizeof(*copy));

	if (grown)
		e->groups = grown;
	if (!grown || !copy) {
		free(copy);
		return ERR_NOMEM;
	}
	*copy = *g;
	size_t at = group_place(e, g->id);
	memmove(&e->groups[at + 1], &e->groups[at],
		(e->group_count - at) * sizeof(struct device_group *));
	e->groups[at] = copy;
	e->group_count++;
	return 0;
}

void group_drop(struct engine *e, int64_t id)
{
	size_t at = group_place(e, id);

	if (at == e->group_count || e->groups[at]->id != id)
		return;
	free(e->groups[at]);
	memmove(&e->groups[at], &e->groups[at + 1],
		(e->group_count - at - 1) * sizeof(struct device_group *));
	e->group_count--;
}

struct loading {
	struct engine *e;
	int err;
	unsigned rows;
	int64_t last;
};

static bool load_group(void *ctx, const struct device_group *g)
{
	struct loading *l = ctx;

	l->err = group_add(l->e, g);
	l->rows++;
	l->last = g->id;
	return l->err == 0;
}

int groups_load(struct engine *e)
{
	struct loading l = {.e = e};
	int err;

	do {
		l.rows = 0;
		err = store_groups(e->conf.store, l.last, GROUP_PAGE, load_group, &l);
	} while (!err && !l.err && l.rows == GROUP_PAGE);
	return err ? err : l.err;
}

void groups_free(struct engine *e)
{
	for (size_t i = 0; i < e->group_count; i++)
		free(e->groups[i]);
	free(e->groups);
	e->groups = NULL;
	e->group_count = 0;
}
