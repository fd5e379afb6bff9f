/* SPDX-License-Identifier: Apache-2.0
 *
 * A device as it is shown.
 */
#include <string.h>

#include "base/clock.h"
#include "daemon/engine_internal.h"

static void device_address(const struct dev *d, struct engine_device *v)
{
	v->address[0] = 0;
	v->sessions = 0;
	LIST_EACH(it, next, &d->sessions)
	{
		/* the last of the list is the newest */
		(void)net_peer_address(LIST_ENTRY(it, struct session, link)->peer, v->address);
		v->sessions++;
	}
}

static void device_window(const struct update *u, struct engine_window *ret)
{
	int64_t now_s = u->now_ms / 1000;

	*ret = (struct engine_window){.zone = u->zone, .open = true};
	if (!u->schedule.count || schedule_is_open(&u->schedule, &u->zone, now_s))
		return;
	ret->open = false;
	ret->opens_ms = 1000 * schedule_opens(&u->schedule, &u->zone, now_s);
}

/* `u` is a copy of what is known, with its context. */
static bool runs(const struct device *d, const struct release *r)
{
	return r && match_release(d->report.version, &d->report.running, r).on_target;
}

/* Mostly it is one of two, and the label needs no search. */
static void device_runs(struct engine *e, const struct update *u, struct engine_device *v)
{
	const struct device *d = &u->device;
	const struct release *r = NULL;

	v->runs_known = false;
	if (!d->has_report || d->report.mode == MODE_UPDATER)
		return;
	if (runs(d, u->target))
		r = u->target;
	else if (runs(d, u->home))
		r = u->home;
	else
		r = catalog_release_named(e, d->product, d->report.version);
	if (!r || !runs(d, r))
		return;
	v->runs_known = true;
	memcpy(v->runs, r->version, sizeof(v->runs));
	v->runs_state = r->state;
	v->runs_state_ms = r->state_ms;
}

static void device_tell(struct engine *e, const struct dev *d, struct update *u,
			struct engine_device *v)
{
	u->now_ms = clock_read().wall_ms;
	v->device = u->device;
	v->product = *u->product;
	v->has_group = u->group != NULL;
	if (u->group)
		v->group = *u->group;
	v->has_rollout = u->rollout != NULL;
	if (u->rollout)
		v->rollout = *u->rollout;
	v->earlier[0] = 0;
	if (u->why == TARGET_EARLIER)
		(void)buf_copy_str(v->earlier, sizeof(v->earlier), u->before->name);
	v->goal_why = u->why;
	v->why = u->target == u->goal ? v->goal_why : TARGET_STONE;
	v->has_target = u->target != NULL;
	if (u->target)
		v->target = *u->target;
	memset(v->goal, 0, sizeof(v->goal));
	if (u->goal)
		memcpy(v->goal, u->goal->version, sizeof(v->goal));
	device_runs(e, u, v);
	memcpy(v->missing, u->way.missing, sizeof(v->missing));
	v->no_way = u->way.broken;
	v->has_attempt = u->has_attempt;
	v->diagnoses = (struct diagnoses){0};
	if (u->has_attempt) {
		v->attempt = u->attempt;
		v->release = *u->release;
		diagnose(&u->attempt, &u->device, &u->product->policy, &u->attempt_history,
			 &u->link, u->now_ms, &v->diagnoses);
	}
	v->plan = update_plan(u);
	device_window(u, &v->window);
	admit_ask(e, u);
	admit_plan(&u->admission, &v->plan);
	admit_view(e, u, &v->admission);
	device_address(d, v);
	v->key_fail = key_fails_of(&e->key_fails, dev_hash(e, v->device.id));
}

static int device_of(struct engine *e, struct dev *d, struct engine_device *ret)
{
	struct update u = d->u;
	int err = dev_context(e, d, &u);

	if (!err)
		device_tell(e, d, &u, ret);
	return err;
}

const char *engine_product_name(struct engine *e, int64_t product)
{
	const struct product *p = catalog_product(e, product);

	return p ? p->name : "";
}

int engine_device(struct engine *e, const char *id, struct engine_device *ret)
{
	struct dev *d;
	int err = dev_get(e, id, &d);

	if (err)
		return err;
	err = device_of(e, d, ret);
	dev_release(e, d);
	return err;
}

/* A list would turn the cache over: what is not there is shown without it. */
int engine_device_row(struct engine *e, const struct device *row, struct engine_device *ret)
{
	struct dev d = {.u = {.device = *row}};
	char asleep[LIMIT_DEVICE_ID + 1];

	if (dev_find(e, row->id) || session_asleep_id(e, dev_hash(e, row->id), asleep))
		return engine_device(e, row->id, ret);
	if (row->attempt) {
		int err = store_attempt(e->conf.store, row->attempt, &d.u.attempt);
		if (err == ERR_NOENT || (!err && d.u.attempt.state == ATTEMPT_CLOSED))
			return engine_device(e, row->id, ret); /* it has gone on since */
		if (err)
			return err;
		d.u.has_attempt = true;
		dev_reset_served(&d);
	}
	list_init(&d.sessions);
	return device_of(e, &d, ret);
}
