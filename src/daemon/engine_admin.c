/* SPDX-License-Identifier: Apache-2.0
 *
 * The acts of operators.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/audit.h"
#include "daemon/engine_act.h"

/* ---- on the catalogue and on device rows as a whole ---- */

/* The store has it; now the memory. */
static int adopt_product(struct act *act, const struct store_result *result)
{
	struct product *p = catalog_product(act->e, act->product.id);

	if (!p) {
		act->product.id = result->ids[0];
		act->product.rev = 1;
		return catalog_add_product(act->e, &act->product);
	}
	act->product.rev++;
	*p = act->product;
	return 0;
}

static int adopt_target(struct act *act, const struct store_result *result)
{
	int err = adopt_product(act, result);

	sweep_target(act->e, act->product.id, 0);
	return err;
}

static int adopt_ca(struct act *act, const struct store_result *result)
{
	int err = adopt_product(act, result);

	if (act->e->on_ca)
		act->e->on_ca(act->e->on_ca_ctx);
	return err;
}

static int adopt_release(struct act *act, const struct store_result *result)
{
	act->release.id = result->ids[0];
	return catalog_add_release(act->e, &act->release);
}

static int adopt_release_removed(struct act *act, const struct store_result *result)
{
	struct engine *e = act->e;
	bool used = true;

	(void)result;
	catalog_drop_release(e, act->release.id);
	if (store_image_used(e->conf.store, act->release.sha256, &used) == 0 && !used)
		images_remove(e->conf.images, act->release.sha256);
	return 0;
}

static int adopt_device(struct act *act, const struct store_result *result)
{
	(void)result;
	act->e->stats.devices++;
	engine_roster_added(act->e, act->object);
	group_count_moved(act->e, 0, act->group.id);
	engine_count_protocol(act->e, "")->devices++;
	return 0;
}

static void put_product(struct store_set *set, const void *what)
{
	store_set_product(set, what);
}

struct ca_put {
	const struct product *product;
	const char *pem;
};

static void put_ca(struct store_set *set, const void *what)
{
	const struct ca_put *put = what;

	store_set_product(set, put->product);
	store_set_ca(set, put->product->id, put->pem);
}

static void put_release(struct store_set *set, const void *what)
{
	store_set_release(set, what);
}

static void put_release_delete(struct store_set *set, const void *what)
{
	store_set_release_delete(set, ((const struct release *)what)->id);
}

struct device_put {
	struct device device;
	bool has_key;
	struct store_key key;
};

static void put_device(struct store_set *set, const void *what)
{
	const struct device_put *put = what;

	store_set_device(set, &put->device);
	if (put->has_key)
		store_set_key(set, &put->key);
}

void engine_product_add(struct engine *e, const struct actor *by, const struct product *p,
			engine_done *done, void *ctx)
{
	struct act *act;

	if (catalog_product_named(e, p->name)) {
		act_answer(done, ctx, ERR_EXIST, "a product of this name exists already");
		return;
	}
	act = act_new(e, adopt_product, "product add", by, done, ctx);
	if (!act)
		return;
	act->product = *p;
	act->product.id = 0;
	act->product.rev = 0;
	act->product.target = 0;
	act->product.created_ms = clock_read().wall_ms;
	act_object(act, p->name, "");
	act_submit(act, put_product, &act->product, json_null(), audit_product(e, &act->product));
}

/* The product as it is to be is act->product, which is put by `put`; only what differs is told. */
static void product_submit(struct act *act, const struct product *old, act_put *put,
			   const void *what)
{
	act_object(act, old->name, "");
	act_submit_change(act, put, what, audit_product(act->e, old),
			  audit_product(act->e, &act->product));
}

void engine_product_set(struct engine *e, const struct actor *by, const struct product *p,
			engine_done *done, void *ctx)
{
	const struct product *old = catalog_product_named(e, p->name);
	struct act *act;

	if (!old) {
		act_answer(done, ctx, ERR_NOENT, "no such product");
		return;
	}
	if (!actor_matches(by, old->rev) || (p->rev && p->rev != old->rev)) {
		int err = by->conditional ? ERR_STALE : ERR_CONFLICT;
		act_answer(done, ctx, err, act_store_why(err));
		return;
	}
	act = act_new(e, adopt_product, "product set", by, done, ctx);
	if (!act)
		return;
	act->product = *old;
	memcpy(act->product.hardware, p->hardware, sizeof(p->hardware));
	act->product.policy = p->policy;
	memcpy(act->product.protocol, p->protocol, sizeof(p->protocol));
	memcpy(act->product.protocol_options, p->protocol_options, sizeof(p->protocol_options));
	memcpy(act->product.windows, p->windows, sizeof(p->windows));
	memcpy(act->product.time_zone, p->time_zone, sizeof(p->time_zone));
	act->rings = strcmp(old->protocol_options, p->protocol_options) != 0 ||
		     strcmp(old->windows, p->windows) != 0 ||
		     strcmp(old->time_zone, p->time_zone) != 0;
	product_submit(act, old, put_product, &act->product);
}

void engine_product_ca(struct engine *e, const struct actor *by, const char *product,
		       const char *pem, unsigned count, engine_done *done, void *ctx)
{
	const struct product *p = catalog_product_named(e, product);
	struct act *act;

	if (!p) {
		act_answer(done, ctx, ERR_NOENT, "no such product");
		return;
	}
	if (!actor_matches(by, p->rev)) {
		act_answer(done, ctx, ERR_STALE, act_stale_why);
		return;
	}
	act = act_new(e, adopt_ca, "product ca", by, done, ctx);
	if (!act)
		return;
	struct ca_put put = {&act->product, pem};
	act->product = *p;
	act->product.ca_count = count;
	memset(act->product.ca_sha256, 0, sizeof(act->product.ca_sha256));
	if (pem[0] && audit_sha256(pem, strlen(pem), act->product.ca_sha256)) {
		free(act);
		act_answer(done, ctx, ERR_CRYPTO, "its hash could not be computed");
		return;
	}
	product_submit(act, p, put_ca, &put);
}

void engine_product_target(struct engine *e, const struct actor *by, const char *product,
			   const char *version, engine_done *done, void *ctx)
{
	const struct product *p = catalog_product_named(e, product);
	const struct release *r = NULL;
	struct act *act;

	if (p && version[0])
		r = catalog_release_named(e, p->id, version);
	if (!p || (version[0] && !r)) {
		act_answer(done, ctx, ERR_NOENT,
			   p ? "the product has no release of this version" : "no such product");
		return;
	}
	if (!actor_matches(by, p->rev)) {
		act_answer(done, ctx, ERR_STALE, act_stale_why);
		return;
	}
	if (release_refuses(r, done, ctx))
		return;
	act = act_new(e, adopt_target, "product target", by, done, ctx);
	if (!act)
		return;
	act->product = *p;
	act->product.target = r ? r->id : 0;
	act->product.target_ms = rollouts_target_ms(e, p->id, clock_read().wall_ms);
	act->rings = true;
	act_object(act, p->name, "");
	act_submit_target(act, put_product, &act->product, audit_product(e, p),
			  audit_product(e, &act->product),
			  r && rollouts_overrule(e, p->id, p->target_ms));
}

void engine_release_add(struct engine *e, const struct actor *by, const struct release *r,
			engine_done *done, void *ctx)
{
	const struct product *p = catalog_product(e, r->product);
	struct act *act;
	char why[RELEASE_WHY];

	if (!p || catalog_release_named(e, r->product, r->version)) {
		act_answer(done, ctx, p ? ERR_EXIST : ERR_NOENT,
			   p ? "the product has a release of this version already"
			     : "no such product");
		return;
	}
	if (catalog_no_way(e, p, r, why)) {
		act_answer(done, ctx, ERR_INVAL, why);
		return;
	}
	int err = release_unsigned(e, p, r, why);
	if (err) {
		act_answer(done, ctx, err, why);
		return;
	}
	act = act_new(e, adopt_release, "release add", by, done, ctx);
	if (!act)
		return;
	act->release = *r;
	act->release.id = 0;
	act->release.rev = 1;
	act->release.created_ms = clock_read().wall_ms;
	act_object(act, p->name, r->version);
	act_submit(act, put_release, &act->release, json_null(), audit_release(&act->release));
}

static bool lock_waits(const struct dev *d, int64_t release)
{
	LIST_EACH(it, next, &d->queue)
	{
		const struct job *job = LIST_ENTRY(it, struct job, link);
		if (job->kind == JOB_OPERATOR && job->in.op.act == OPERATOR_LOCK &&
		    job->in.op.arg == release)
			return true;
	}
	return false;
}

/* What the store cannot know yet: offers and locks on their way. */
static bool release_in_flight(struct engine *e, int64_t release)
{
	for (size_t i = 0; i < ENGINE_BUCKETS; i++) {
		LIST_EACH(it, next, &e->buckets[i])
		{
			const struct dev *d = LIST_ENTRY(it, struct dev, link);
			if ((d->u.has_attempt && d->u.attempt.release == release) ||
			    lock_waits(d, release))
				return true;
			if (!d->flight)
				continue;
			const struct update *u = &d->flight->u;
			if (u->device.lock == release ||
			    (u->has_attempt && u->attempt.release == release))
				return true;
		}
	}
	return false;
}

void engine_release_remove(struct engine *e, const struct actor *by, const char *product,
			   const char *version, engine_done *done, void *ctx)
{
	const struct product *p = catalog_product_named(e, product);
	const struct release *r = p ? catalog_release_named(e, p->id, version) : NULL;
	struct store_use use = {0};
	struct act *act;
	char why[256];

	if (!r) {
		act_answer(done, ctx, ERR_NOENT, p ? "no such release" : "no such product");
		return;
	}
	if (!actor_matches(by, r->rev)) {
		act_answer(done, ctx, ERR_STALE, act_stale_why);
		return;
	}
	if (import_bars(e)) {
		act_answer(done, ctx, ERR_BUSY, import_bars(e));
		return;
	}
	int err = store_release_use(e->conf.store, r->id, &use);
	if (err) {
		act_answer(done, ctx, err, act_store_why(err));
		return;
	}
	if (!use.used && release_in_flight(e, r->id)) {
		use.used = true;
		(void)snprintf(use.by, sizeof(use.by),
			       "a lock or an attempt that begins right now");
	}
	if (!use.used)
		catalog_leads_through(e, r, &use);
	if (use.used) {
		(void)snprintf(why, sizeof(why), "release %s %s is in use: %s", product, version,
			       use.by);
		act_answer(done, ctx, ERR_BUSY, why);
		return;
	}
	act = act_new(e, adopt_release_removed, "release remove", by, done, ctx);
	if (!act)
		return;
	act->release = *r;
	act_object(act, product, version);
	act_submit(act, put_release_delete, &act->release, audit_release(r), json_null());
}

void engine_device_add(struct engine *e, const struct actor *by, const struct device *d,
		       const struct psk *psk, engine_done *done, void *ctx)
{
	struct device_put put = {.device = *d};
	struct act *act;
	const char *why = NULL;
	int err = 0;

	const struct device_group *g = group_of(e, d->group);

	if (!catalog_product(e, d->product) || (d->group && (!g || g->product != d->product))) {
		act_answer(done, ctx, ERR_NOENT,
			   d->group ? "the product has no such group" : "no such product");
		return;
	}
	if (import_bars(e)) {
		act_answer(done, ctx, ERR_BUSY, import_bars(e));
		return;
	}
	put.device.rev = 0;
	put.device.created_ms = clock_read().wall_ms;
	put.has_key = psk != NULL;
	if (psk)
		err = engine_key_make(e, d->id, KEY_CURRENT, put.device.created_ms, psk, &put.key,
				      &why);
	if (err) {
		act_answer(done, ctx, err, why);
		return;
	}
	act = act_new(e, adopt_device, "device add", by, done, ctx);
	if (act) {
		act->group.id = d->group;
		act_object(act, d->id, "");
		act_submit(act, put_device, &put, json_null(), audit_device(e, &put.device, NULL));
	}
	explicit_bzero(&put, sizeof(put)); /* it holds the key */
}

/* ---- acts on one device: causes like any other ---- */

void job_answer_operator(struct job *job, int err)
{
	const char *why = NULL;

	if (err)
		why = job->out.why ? job->out.why : act_store_why(err);
	if (err && !job->out.why && job->in.op.act == OPERATOR_KEY && engine_key_why(err))
		why = engine_key_why(err);
	if (err == ERR_NOENT)
		why = "no such device";
	if (!job->in.op.done)
		return; /* a sweep */
	if (job->unchanged && !err) {
		act_answer_unchanged(job->in.op.done, job->in.op.ctx);
		return;
	}
	enum operator_act act = job->in.op.act;
	if (!err && act != OPERATOR_REMOVE && act != OPERATOR_KEY && act != OPERATOR_TAG &&
	    act != OPERATOR_DISABLE)
		(void)dev_ring(job->e, job->dev);
	act_answer(job->in.op.done, job->in.op.ctx, err, why);
}

static void device_act(struct engine *e, const struct actor *by, const char *id,
		       enum operator_act act, int64_t arg, uint64_t attempt, engine_done *done,
		       void *ctx)
{
	struct dev *d;
	struct job *job;
	int err = dev_get(e, id, &d);

	if (err) {
		act_answer(done, ctx, err,
			   err == ERR_NOENT ? "no such device" : act_store_why(err));
		return;
	}
	job = job_new(e, d, JOB_OPERATOR);
	if (!job) {
		act_answer(done, ctx, ERR_NOMEM, "out of memory");
		return;
	}
	job->in.op.act = act;
	job->in.op.arg = arg;
	job->in.op.attempt = attempt;
	job->in.op.by = *by;
	job->in.op.done = done;
	job->in.op.ctx = ctx;
	if (job_submit(job))
		act_answer(done, ctx, ERR_BUSY,
			   "too many requests for this device wait; try again");
}

void act_on_device(struct engine *e, const struct actor *by, const char *id, enum operator_act act,
		   int64_t arg, engine_done *done, void *ctx)
{
	device_act(e, by, id, act, arg, 0, done, ctx);
}

void engine_device_remove(struct engine *e, const struct actor *by, const char *id,
			  engine_done *done, void *ctx)
{
	device_act(e, by, id, OPERATOR_REMOVE, 0, 0, done, ctx);
}

static bool newest_number(void *ctx, const struct attempt *a)
{
	*(int64_t *)ctx = (int64_t)a->number;
	return false;
}

void engine_device_act(struct engine *e, const struct actor *by, const char *id,
		       enum operator_act act, engine_done *done, void *ctx)
{
	int64_t number = 0;

	if (act == OPERATOR_UNHOLD) {
		int err = store_attempts(e->conf.store, id, false, 0, 1, newest_number, &number);
		if (err) {
			act_answer(done, ctx, err, act_store_why(err));
			return;
		}
	}
	device_act(e, by, id, act, number, 0, done, ctx);
}

void engine_device_lock(struct engine *e, const struct actor *by, const char *id,
			const char *version, engine_done *done, void *ctx)
{
	const struct release *r = NULL;
	struct dev *d;
	int err = dev_get(e, id, &d);

	if (err) {
		act_answer(done, ctx, err,
			   err == ERR_NOENT ? "no such device" : act_store_why(err));
		return;
	}
	if (version[0])
		r = catalog_release_named(e, d->u.device.product, version);
	dev_release(e, d);
	if (version[0] && !r) {
		act_answer(done, ctx, ERR_NOENT,
			   "the device's product has no release of this version");
		return;
	}
	if (release_refuses(r, done, ctx))
		return;
	device_act(e, by, id, OPERATOR_LOCK, r ? r->id : 0, 0, done, ctx);
}

void engine_attempt_cancel(struct engine *e, const struct actor *by, uint64_t attempt,
			   engine_done *done, void *ctx)
{
	struct attempt a;
	int err = store_attempt(e->conf.store, attempt, &a);

	if (err) {
		act_answer(done, ctx, err,
			   err == ERR_NOENT ? "no such attempt" : act_store_why(err));
		return;
	}
	if (a.state == ATTEMPT_CLOSED) {
		act_answer(done, ctx, ERR_BUSY, "the attempt is closed already");
		return;
	}
	device_act(e, by, a.device, OPERATOR_CANCEL, 0, attempt, done, ctx);
}
