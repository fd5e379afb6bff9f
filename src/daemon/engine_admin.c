/* SPDX-License-Identifier: Apache-2.0
 *
 * The acts of operators.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/audit.h"
#include "daemon/engine_internal.h"

/* ---- on the catalogue and on device rows as a whole ---- */

enum act_kind {
	ACT_PRODUCT_PUT,
	ACT_CA,
	ACT_TARGET,
	ACT_RELEASE_ADD,
	ACT_RELEASE_REMOVE,
	ACT_DEVICE_ADD
};

struct act {
	struct engine *e;
	enum act_kind kind;
	const char *name; /* in the audit log: "product set" */
	char object[LIMIT_PRODUCT_NAME + 1 + LIMIT_VERSION + 1];
	struct actor by;
	struct product product;
	struct release release;
	bool rings; /* its devices are to hear of it */
	engine_done *done;
	void *ctx;
};

static void answer(engine_done *done, void *ctx, int err, const char *why)
{
	const struct engine_result result = {.err = err, .why = why};

	done(ctx, &result);
}

static void answer_unchanged(engine_done *done, void *ctx)
{
	const struct engine_result result = {.unchanged = true};

	done(ctx, &result);
}

static const char stale_why[] = "it is not as it was when you looked: it was changed meanwhile";

static const char *store_why(int err)
{
	switch (err) {
	case ERR_STALE:
		return stale_why;
	case ERR_EXIST:
		return "it exists already";
	case ERR_CONFLICT:
		return "somebody else changed it meanwhile; look again";
	case ERR_FULL:
		return "the disk of the database is full; nothing was changed. Free space there, "
		       "and try again";
	case ERR_READONLY:
	case ERR_DENIED:
		return "the database may not be written; nothing was changed. Let the daemon's "
		       "user write it (mount, permissions, chattr), and try again";
	case ERR_MOVED:
		return "the database file was moved, replaced or removed; nothing was changed. Put "
		       "it back, or restart postbootd on what is to count";
	case ERR_CORRUPT:
		return "the database is damaged; nothing was changed. Stop postbootd and restore a "
		       "backup";
	case ERR_BUSY:
		return "another program holds the database locked; nothing was changed. Try again "
		       "when it has ended";
	case ERR_NOMEM:
		return "out of memory; nothing was changed";
	default:
		return "the database could not be written; nothing was changed. See "
		       "\"postbootctl status\"";
	}
}

const char *engine_store_why(int err)
{
	return store_why(err);
}

/* The store has it; now the memory. */
static int act_adopt(struct act *act, const struct store_result *result)
{
	struct engine *e = act->e;
	struct product *p;
	bool used = true;

	switch (act->kind) {
	case ACT_PRODUCT_PUT:
	case ACT_CA:
	case ACT_TARGET:
		p = catalog_product(e, act->product.id);
		if (!p) {
			act->product.id = result->ids[0];
			act->product.rev = 1;
			return catalog_add_product(e, &act->product);
		}
		act->product.rev++;
		*p = act->product;
		if (act->kind == ACT_TARGET)
			sweep_target(e, p->id);
		if (act->kind == ACT_CA && e->on_ca)
			e->on_ca(e->on_ca_ctx);
		break;
	case ACT_RELEASE_ADD:
		act->release.id = result->ids[0];
		return catalog_add_release(e, &act->release);
	case ACT_RELEASE_REMOVE:
		catalog_drop_release(e, act->release.id);
		if (store_image_used(e->conf.store, act->release.sha256, &used) == 0 && !used)
			images_remove(e->conf.images, act->release.sha256);
		break;
	case ACT_DEVICE_ADD:
		e->stats.devices++;
		engine_count_protocol(e, "")->devices++;
		break;
	}
	return 0;
}

static void act_done(void *ctx, const struct store_result *result)
{
	struct act *act = ctx;
	int err = result->err;

	if (err_is_fault(err))
		engine_store_failed(act->e, "-", err);
	if (err == ERR_CONFLICT && act->by.conditional)
		err = ERR_STALE; /* a set was on its way when we looked */
	if (!err) {
		audit_log(&act->by, act->name, act->object, result);
		err = act_adopt(act, result);
	}
	answer(act->done, act->ctx, err, err ? store_why(err) : NULL);
	if (!err && act->rings)
		sessions_ring(act->e, act->product.id);
	free(act);
}

static struct act *act_new(struct engine *e, enum act_kind kind, const char *name,
			   const struct actor *by, engine_done *done, void *ctx)
{
	struct act *act = calloc(1, sizeof(*act));

	if (!act) {
		answer(done, ctx, ERR_NOMEM, "out of memory");
		return NULL;
	}
	*act = (struct act){
		.e = e, .kind = kind, .name = name, .by = *by, .done = done, .ctx = ctx};
	return act;
}

/* Names have no spaces: "blinky 1.1.0" is one release. */
static void act_object(struct act *act, const char *product, const char *version)
{
	(void)snprintf(act->object, sizeof(act->object), "%s%s%s", product, version[0] ? " " : "",
		       version);
}

/* What an act writes besides its row in the audit log. */
typedef void act_put(struct store_set *set, const void *what);

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

/* Takes the act and the facts. */
static void act_submit(struct act *act, act_put *put, const void *what, json_t *before,
		       json_t *after)
{
	struct store_set *set = store_set_new(act_done, act);

	if (set)
		put(set, what);
	if (!set || audit_put(set, &act->by, act->name, act->object, before, after)) {
		store_set_free(set);
		answer(act->done, act->ctx, ERR_NOMEM, "out of memory");
		free(act);
		return;
	}
	store_submit(act->e->conf.store, set);
}

void engine_product_add(struct engine *e, const struct actor *by, const struct product *p,
			engine_done *done, void *ctx)
{
	struct act *act;

	if (catalog_product_named(e, p->name)) {
		answer(done, ctx, ERR_EXIST, "a product of this name exists already");
		return;
	}
	act = act_new(e, ACT_PRODUCT_PUT, "product add", by, done, ctx);
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
	json_t *before = audit_product(act->e, old);
	json_t *after = audit_product(act->e, &act->product);

	act_object(act, old->name, "");
	if (before && after && !audit_differ(before, after)) {
		json_decref(before);
		json_decref(after);
		answer_unchanged(act->done, act->ctx);
		free(act);
		return;
	}
	act_submit(act, put, what, before, after);
}

void engine_product_set(struct engine *e, const struct actor *by, const struct product *p,
			engine_done *done, void *ctx)
{
	const struct product *old = catalog_product_named(e, p->name);
	struct act *act;

	if (!old) {
		answer(done, ctx, ERR_NOENT, "no such product");
		return;
	}
	if (!actor_matches(by, old->rev) || (p->rev && p->rev != old->rev)) {
		int err = by->conditional ? ERR_STALE : ERR_CONFLICT;
		answer(done, ctx, err, store_why(err));
		return;
	}
	act = act_new(e, ACT_PRODUCT_PUT, "product set", by, done, ctx);
	if (!act)
		return;
	act->product = *old;
	memcpy(act->product.hardware, p->hardware, sizeof(p->hardware));
	act->product.policy = p->policy;
	memcpy(act->product.protocol, p->protocol, sizeof(p->protocol));
	memcpy(act->product.protocol_options, p->protocol_options, sizeof(p->protocol_options));
	act->rings = strcmp(old->protocol_options, p->protocol_options) != 0;
	product_submit(act, old, put_product, &act->product);
}

void engine_product_ca(struct engine *e, const struct actor *by, const char *product,
		       const char *pem, unsigned count, engine_done *done, void *ctx)
{
	const struct product *p = catalog_product_named(e, product);
	struct act *act;

	if (!p) {
		answer(done, ctx, ERR_NOENT, "no such product");
		return;
	}
	if (!actor_matches(by, p->rev)) {
		answer(done, ctx, ERR_STALE, stale_why);
		return;
	}
	act = act_new(e, ACT_CA, "product ca", by, done, ctx);
	if (!act)
		return;
	struct ca_put put = {&act->product, pem};
	act->product = *p;
	act->product.ca_count = count;
	memset(act->product.ca_sha256, 0, sizeof(act->product.ca_sha256));
	if (pem[0] && audit_sha256(pem, strlen(pem), act->product.ca_sha256)) {
		free(act);
		answer(done, ctx, ERR_CRYPTO, "its hash could not be computed");
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
		answer(done, ctx, ERR_NOENT,
		       p ? "the product has no release of this version" : "no such product");
		return;
	}
	if (!actor_matches(by, p->rev)) {
		answer(done, ctx, ERR_STALE, stale_why);
		return;
	}
	act = act_new(e, ACT_TARGET, "product target", by, done, ctx);
	if (!act)
		return;
	act->product = *p;
	act->product.target = r ? r->id : 0;
	act->rings = true;
	product_submit(act, p, put_product, &act->product);
}

void engine_release_add(struct engine *e, const struct actor *by, const struct release *r,
			engine_done *done, void *ctx)
{
	const struct product *p = catalog_product(e, r->product);
	struct act *act;

	if (!p || catalog_release_named(e, r->product, r->version)) {
		answer(done, ctx, p ? ERR_EXIST : ERR_NOENT,
		       p ? "the product has a release of this version already" : "no such product");
		return;
	}
	act = act_new(e, ACT_RELEASE_ADD, "release add", by, done, ctx);
	if (!act)
		return;
	act->release = *r;
	act->release.id = 0;
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
		answer(done, ctx, ERR_NOENT, p ? "no such release" : "no such product");
		return;
	}
	if (!actor_matches(by, r->id)) {
		answer(done, ctx, ERR_STALE, stale_why);
		return;
	}
	int err = store_release_use(e->conf.store, r->id, &use);
	if (err) {
		answer(done, ctx, err, store_why(err));
		return;
	}
	if (!use.used && release_in_flight(e, r->id)) {
		use.used = true;
		(void)snprintf(use.by, sizeof(use.by),
			       "a lock or an attempt that begins right now");
	}
	if (use.used) {
		(void)snprintf(why, sizeof(why), "release %s %s is in use: %s", product, version,
			       use.by);
		answer(done, ctx, ERR_BUSY, why);
		return;
	}
	act = act_new(e, ACT_RELEASE_REMOVE, "release remove", by, done, ctx);
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

	if (!catalog_product(e, d->product)) {
		answer(done, ctx, ERR_NOENT, "no such product");
		return;
	}
	put.device.rev = 0;
	put.device.created_ms = clock_read().wall_ms;
	put.has_key = psk != NULL;
	if (psk)
		err = engine_key_make(e, d->id, KEY_CURRENT, put.device.created_ms, psk, &put.key,
				      &why);
	if (err) {
		answer(done, ctx, err, why);
		return;
	}
	act = act_new(e, ACT_DEVICE_ADD, "device add", by, done, ctx);
	if (act) {
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
		why = job->out.why ? job->out.why : store_why(err);
	if (err && !job->out.why && job->in.op.act == OPERATOR_KEY && engine_key_why(err))
		why = engine_key_why(err);
	if (err == ERR_NOENT)
		why = "no such device";
	if (!job->in.op.done)
		return; /* a sweep */
	if (job->unchanged && !err) {
		answer_unchanged(job->in.op.done, job->in.op.ctx);
		return;
	}
	enum operator_act act = job->in.op.act;
	if (!err && act != OPERATOR_REMOVE && act != OPERATOR_KEY && act != OPERATOR_DISABLE)
		dev_ring(job->e, job->dev);
	answer(job->in.op.done, job->in.op.ctx, err, why);
}

static void device_act(struct engine *e, const struct actor *by, const char *id,
		       enum operator_act act, int64_t arg, uint64_t attempt, engine_done *done,
		       void *ctx)
{
	struct dev *d;
	struct job *job;
	int err = dev_get(e, id, &d);

	if (err) {
		answer(done, ctx, err, err == ERR_NOENT ? "no such device" : store_why(err));
		return;
	}
	job = job_new(e, d, JOB_OPERATOR);
	if (!job) {
		answer(done, ctx, ERR_NOMEM, "out of memory");
		return;
	}
	job->in.op.act = act;
	job->in.op.arg = arg;
	job->in.op.attempt = attempt;
	job->in.op.by = *by;
	job->in.op.done = done;
	job->in.op.ctx = ctx;
	if (job_submit(job))
		answer(done, ctx, ERR_BUSY, "too many requests for this device wait; try again");
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
			answer(done, ctx, err, store_why(err));
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
		answer(done, ctx, err, err == ERR_NOENT ? "no such device" : store_why(err));
		return;
	}
	if (version[0])
		r = catalog_release_named(e, d->u.device.product, version);
	dev_release(e, d);
	if (version[0] && !r) {
		answer(done, ctx, ERR_NOENT, "the device's product has no release of this version");
		return;
	}
	device_act(e, by, id, OPERATOR_LOCK, r ? r->id : 0, 0, done, ctx);
}

void engine_attempt_cancel(struct engine *e, const struct actor *by, uint64_t attempt,
			   engine_done *done, void *ctx)
{
	struct attempt a;
	int err = store_attempt(e->conf.store, attempt, &a);

	if (err) {
		answer(done, ctx, err, err == ERR_NOENT ? "no such attempt" : store_why(err));
		return;
	}
	if (a.state == ATTEMPT_CLOSED) {
		answer(done, ctx, ERR_BUSY, "the attempt is closed already");
		return;
	}
	device_act(e, by, a.device, OPERATOR_CANCEL, 0, attempt, done, ctx);
}
