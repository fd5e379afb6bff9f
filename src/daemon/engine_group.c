/* SPDX-License-Identifier: Apache-2.0
 *
 * Groups: in memory as part of the catalogue, with how many devices are in each, and the acts on
 * them.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/engine_act.h"
#include "daemon/view.h"

/* ---- the catalogue ---- */

enum { GROUP_PAGE = 500 };

/* Where it is, or would be. */
static size_t group_place(const struct engine *e, int64_t id)
{
	size_t low = 0, high = e->group_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (e->groups[mid]->group.id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct engine_group *group_at(const struct engine *e, int64_t id)
{
	size_t at = id ? group_place(e, id) : e->group_count;

	return at < e->group_count && e->groups[at]->group.id == id ? e->groups[at] : NULL;
}

struct device_group *group_of(struct engine *e, int64_t id)
{
	struct engine_group *g = group_at(e, id);

	return g ? &g->group : NULL;
}

struct device_group *group_named(struct engine *e, int64_t product, const char *name)
{
	for (size_t i = 0; i < e->group_count; i++)
		if (e->groups[i]->group.product == product &&
		    strcmp(e->groups[i]->group.name, name) == 0)
			return &e->groups[i]->group;
	return NULL;
}

int group_add(struct engine *e, const struct device_group *g)
{
	struct engine_group **grown =
		reallocarray(e->groups, e->group_count + 1, sizeof(struct engine_group *));
	struct engine_group *copy = calloc(1, sizeof(*copy));

	if (grown)
		e->groups = grown;
	if (!grown || !copy) {
		free(copy);
		return ERR_NOMEM;
	}
	copy->group = *g;
	size_t at = group_place(e, g->id);
	memmove(&e->groups[at + 1], &e->groups[at],
		(e->group_count - at) * sizeof(struct engine_group *));
	e->groups[at] = copy;
	e->group_count++;
	return 0;
}

void group_drop(struct engine *e, int64_t id)
{
	size_t at = group_place(e, id);

	if (at == e->group_count || e->groups[at]->group.id != id)
		return;
	limiter_drop(e, e->groups[at]);
	free(e->groups[at]);
	memmove(&e->groups[at], &e->groups[at + 1],
		(e->group_count - at - 1) * sizeof(struct engine_group *));
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

static void count_group(void *ctx, int64_t id, uint64_t devices)
{
	struct engine *e = ctx;
	size_t at = group_place(e, id);

	if (group_of(e, id))
		e->groups[at]->devices = devices;
}

static void count_downloads(void *ctx, int64_t id, uint64_t downloads)
{
	struct engine_group *g = group_at(ctx, id);

	if (g)
		g->downloads = downloads;
}

void group_count_moved(struct engine *e, int64_t from, int64_t to)
{
	if (group_of(e, from))
		e->groups[group_place(e, from)]->devices--;
	if (group_of(e, to))
		e->groups[group_place(e, to)]->devices++;
}

const struct engine_group *engine_group_at(const struct engine *e, size_t index)
{
	return index < e->group_count ? e->groups[index] : NULL;
}

const struct engine_group *engine_group_named(struct engine *e, const char *product,
					      const char *name)
{
	const struct product *p = catalog_product_named(e, product);
	const struct device_group *g = p ? group_named(e, p->id, name) : NULL;

	return g ? e->groups[group_place(e, g->id)] : NULL;
}

int groups_load(struct engine *e)
{
	struct loading l = {.e = e};
	int err;

	do {
		l.rows = 0;
		err = store_groups(e->conf.store, l.last, GROUP_PAGE, load_group, &l);
	} while (!err && !l.err && l.rows == GROUP_PAGE);
	if (!err)
		err = l.err;
	if (!err)
		err = store_group_counts(e->conf.store, count_group, e);
	if (!err)
		err = store_group_downloads(e->conf.store, count_downloads, e);
	for (size_t i = 0; i < e->group_count && !err; i++)
		err = limiter_set(e, e->groups[i]);
	return err;
}

void groups_free(struct engine *e)
{
	for (size_t i = 0; i < e->group_count; i++) {
		limiter_drop(e, e->groups[i]);
		free(e->groups[i]);
	}
	free(e->groups);
	e->groups = NULL;
	e->group_count = 0;
}

/* ---- acts ---- */

json_t *audit_group(struct engine *e, const struct device_group *g)
{
	const struct release *target = g->target ? catalog_release(e, g->target) : NULL;
	json_t *o = json_object();

	view_put_text(&o, "name", g->name);
	if (target)
		view_put_text(&o, "target", target->version);
	view_put_text(&o, "windows", g->windows);
	view_put_text(&o, "time_zone", g->time_zone);
	if (g->max_downloads)
		view_put(&o, "max_downloads", json_integer(g->max_downloads));
	if (g->image_rate)
		view_put(&o, "image_rate", json_integer(g->image_rate));
	return o;
}

static int adopt_group(struct act *act, const struct store_result *result)
{
	struct device_group *g = group_of(act->e, act->group.id);

	if (!g) {
		act->group.id = result->ids[0];
		act->group.rev = 1;
		return group_add(act->e, &act->group);
	}
	act->group.rev++;
	*g = act->group;
	return limiter_set(act->e, group_at(act->e, act->group.id));
}

static int adopt_target(struct act *act, const struct store_result *result)
{
	int err = adopt_group(act, result);

	sweep_target(act->e, act->group.product, act->group.id);
	return err;
}

static int adopt_removed(struct act *act, const struct store_result *result)
{
	(void)result;
	group_drop(act->e, act->group.id);
	return 0;
}

static void put_group(struct store_set *set, const void *what)
{
	store_set_group(set, what);
}

static void put_group_delete(struct store_set *set, const void *what)
{
	store_set_group_delete(set, what);
}

/* A new act on the group that is there; NULL after it was answered. */
static struct act *group_act(struct engine *e, act_adopt *adopt, const char *name,
			     const struct group_name *which, const struct actor *by,
			     engine_done *done, void *ctx)
{
	const struct product *p = catalog_product_named(e, which->product);
	const struct device_group *g = p ? group_named(e, p->id, which->group) : NULL;
	struct act *act;

	if (!g) {
		act_answer(done, ctx, ERR_NOENT,
			   p ? "the product has no such group" : "no such product");
		return NULL;
	}
	if (!actor_matches(by, g->rev)) {
		act_answer(done, ctx, ERR_STALE, act_stale_why);
		return NULL;
	}
	act = act_new(e, adopt, name, by, done, ctx);
	if (act) {
		act->product = *p;
		act->group = *g;
		act_object(act, p->name, g->name);
	}
	return act;
}

/* False after it was answered. "": no release, 0. */
static bool version_of(struct engine *e, int64_t product, const char *version, int64_t *ret,
		       engine_done *done, void *ctx)
{
	const struct release *r = version[0] ? catalog_release_named(e, product, version) : NULL;

	if (version[0] && !r) {
		act_answer(done, ctx, ERR_NOENT, "the product has no release of this version");
		return false;
	}
	if (release_refuses(r, done, ctx))
		return false;
	*ret = r ? r->id : 0;
	return true;
}

void engine_group_add(struct engine *e, const struct actor *by, const struct group_name *which,
		      const char *version, engine_done *done, void *ctx)
{
	const struct product *p = catalog_product_named(e, which->product);
	int64_t target = 0;
	struct act *act;

	if (!p || group_named(e, p->id, which->group)) {
		act_answer(done, ctx, p ? ERR_EXIST : ERR_NOENT,
			   p ? "the product has a group of this name already" : "no such product");
		return;
	}
	if (e->group_count >= LIMIT_GROUPS) {
		act_answer(done, ctx, ERR_BUSY,
			   "there are as many groups as there may be; remove "
			   "one first");
		return;
	}
	if (!version_of(e, p->id, version, &target, done, ctx))
		return;
	act = act_new(e, adopt_group, "group add", by, done, ctx);
	if (!act)
		return;
	act->group = (struct device_group){
		.product = p->id, .target = target, .created_ms = clock_read().wall_ms};
	act->group.target_ms = rollouts_target_ms(e, p->id, act->group.created_ms);
	(void)buf_copy_str(act->group.name, sizeof(act->group.name), which->group);
	act_object(act, p->name, which->group);
	act_submit(act, put_group, &act->group, json_null(), audit_group(e, &act->group));
}

void engine_group_set(struct engine *e, const struct actor *by, const struct group_name *which,
		      const struct device_group *to, engine_done *done, void *ctx)
{
	struct act *act = group_act(e, adopt_group, "group set", which, by, done, ctx);

	if (!act)
		return;
	const struct device_group *old = group_of(e, act->group.id);
	const struct device_group *other = group_named(e, old->product, to->name);
	if (other && other != old) {
		free(act);
		act_answer(done, ctx, ERR_EXIST, "the product has a group of this name already");
		return;
	}
	memcpy(act->group.name, to->name, sizeof(act->group.name));
	memcpy(act->group.windows, to->windows, sizeof(act->group.windows));
	memcpy(act->group.time_zone, to->time_zone, sizeof(act->group.time_zone));
	act->group.max_downloads = to->max_downloads;
	act->group.image_rate = to->image_rate;
	act->rings = strcmp(old->windows, to->windows) != 0 ||
		     strcmp(old->time_zone, to->time_zone) != 0;
	act_submit_change(act, put_group, &act->group, audit_group(e, old),
			  audit_group(e, &act->group));
}

void engine_group_target(struct engine *e, const struct actor *by, const struct group_name *which,
			 const char *version, engine_done *done, void *ctx)
{
	struct act *act = group_act(e, adopt_target, "group target", which, by, done, ctx);

	if (!act)
		return;
	if (!version_of(e, act->group.product, version, &act->group.target, done, ctx)) {
		free(act);
		return;
	}
	const struct device_group *old = group_of(e, act->group.id);
	act->group.target_ms = rollouts_target_ms(e, act->group.product, clock_read().wall_ms);
	act->rings = true;
	act_submit_target(
		act, put_group, &act->group, audit_group(e, old), audit_group(e, &act->group),
		act->group.target && rollouts_overrule(e, act->group.product, old->target_ms));
}

void engine_group_remove(struct engine *e, const struct actor *by, const struct group_name *which,
			 engine_done *done, void *ctx)
{
	struct act *act = group_act(e, adopt_removed, "group remove", which, by, done, ctx);

	if (!act)
		return;
	act->busy = "devices are in the group; move them, or take them out of it";
	if (import_bars(e))
		act->busy = import_bars(e);
	if (import_bars(e) || e->groups[group_place(e, act->group.id)]->devices) {
		act_answer(done, ctx, ERR_BUSY, act->busy);
		free(act);
		return;
	}
	act_submit(act, put_group_delete, &act->group, audit_group(e, &act->group), json_null());
}

/* ---- devices ---- */

void engine_device_group(struct engine *e, const struct actor *by, const char *id, const char *name,
			 engine_done *done, void *ctx)
{
	const struct device_group *g = NULL;
	struct dev *d;
	int err = dev_get(e, id, &d);

	if (err) {
		act_answer(done, ctx, err,
			   err == ERR_NOENT ? "no such device" : act_store_why(err));
		return;
	}
	if (name[0])
		g = group_named(e, d->u.device.product, name);
	dev_release(e, d);
	if (name[0] && !g) {
		act_answer(done, ctx, ERR_NOENT, "the device's product has no such group");
		return;
	}
	act_on_device(e, by, id, OPERATOR_GROUP, g ? g->id : 0, done, ctx);
}

void engine_device_development(struct engine *e, const struct actor *by, const char *id, bool on,
			       engine_done *done, void *ctx)
{
	act_on_device(e, by, id, OPERATOR_DEVELOPMENT, on, done, ctx);
}
