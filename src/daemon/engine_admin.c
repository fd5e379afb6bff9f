/* SPDX-License-Identifier: Apache-2.0
 *
 * The catalogue (products and releases, all in memory) and the acts of operators.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/engine_internal.h"

enum { CATALOG_PAGE = 500 };

/* ---- catalogue ---- */

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

struct release *catalog_release_named(struct engine *e, int64_t product, const char *version)
{
	for (size_t i = 0; i < e->release_count; i++)
		if (e->releases[i]->product == product &&
		    strcmp(e->releases[i]->version, version) == 0)
			return e->releases[i];
	return NULL;
}

static int catalog_add_product(struct engine *e, const struct product *p)
{
	struct product **grown =
		reallocarray(e->products, e->product_count + 1, sizeof(*e->products));
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

static int catalog_add_release(struct engine *e, const struct release *r)
{
	struct release **grown =
		reallocarray(e->releases, e->release_count + 1, sizeof(*e->releases));
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

static void catalog_drop_release(struct engine *e, int64_t id)
{
	for (size_t i = 0; i < e->release_count; i++) {
		if (e->releases[i]->id != id)
			continue;
		free(e->releases[i]);
		memmove(&e->releases[i], &e->releases[i + 1],
			(e->release_count - i - 1) * sizeof(e->releases[0]));
		e->release_count--;
		return;
	}
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
	return err ? err : l.err;
}

void catalog_free(struct engine *e)
{
	for (size_t i = 0; i < e->release_count; i++)
		free(e->releases[i]);
	for (size_t i = 0; i < e->product_count; i++)
		free(e->products[i]);
	free(e->releases);
	free(e->products);
	e->releases = NULL;
	e->products = NULL;
	e->release_count = e->product_count = 0;
}

/* ---- acts on the catalogue and on device rows as a whole ---- */

enum act_kind { ACT_PRODUCT_PUT, ACT_TARGET, ACT_RELEASE_ADD, ACT_RELEASE_REMOVE, ACT_DEVICE_ADD };

struct act {
	struct engine *e;
	enum act_kind kind;
	struct product product;
	struct release release;
	engine_done *done;
	void *ctx;
};

static void answer(engine_done *done, void *ctx, int err, const char *why)
{
	const struct engine_result result = {.err = err, .why = why};

	done(ctx, &result);
}

static const char *store_why(int err)
{
	switch (err) {
	case ERR_EXIST:
		return "it exists already";
	case ERR_CONFLICT:
		return "somebody else changed it meanwhile; look again";
	case ERR_FULL:
		return "the disk of the database is full; nothing was changed";
	default:
		return "the database could not store it; nothing was changed";
	}
}

/* The store has it; now the memory. */
static int act_adopt(struct act *act, const struct store_result *result)
{
	struct engine *e = act->e;
	struct product *p;
	bool used = true;

	switch (act->kind) {
	case ACT_PRODUCT_PUT:
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
		break;
	}
	return 0;
}

static void ring_product(struct engine *e, int64_t product)
{
	for (size_t i = 0; i < ENGINE_BUCKETS; i++) {
		LIST_EACH(it, next, &e->buckets[i])
		{
			struct dev *d = LIST_ENTRY(it, struct dev, link);
			if (d->u.device.product == product && !list_empty(&d->sessions))
				dev_ring(e, d);
		}
	}
}

static void act_done(void *ctx, const struct store_result *result)
{
	struct act *act = ctx;
	int err = result->err;

	if (!err)
		err = act_adopt(act, result);
	answer(act->done, act->ctx, err, err ? store_why(err) : NULL);
	if (!err && act->kind == ACT_TARGET)
		ring_product(act->e, act->product.id);
	free(act);
}

static struct act *act_new(struct engine *e, enum act_kind kind, engine_done *done, void *ctx,
			   struct store_set **ret_set)
{
	struct act *act = calloc(1, sizeof(*act));
	struct store_set *set = act ? store_set_new(act_done, act) : NULL;

	if (!set) {
		free(act);
		answer(done, ctx, ERR_NOMEM, "out of memory");
		return NULL;
	}
	*act = (struct act){.e = e, .kind = kind, .done = done, .ctx = ctx};
	*ret_set = set;
	return act;
}

void engine_product_add(struct engine *e, const struct product *p, engine_done *done, void *ctx)
{
	struct store_set *set;
	struct act *act;

	if (catalog_product_named(e, p->name)) {
		answer(done, ctx, ERR_EXIST, "a product of this name exists already");
		return;
	}
	act = act_new(e, ACT_PRODUCT_PUT, done, ctx, &set);
	if (!act)
		return;
	act->product = *p;
	act->product.id = 0;
	act->product.rev = 0;
	act->product.target = 0;
	act->product.created_ms = clock_read().wall_ms;
	store_set_product(set, &act->product);
	store_submit(e->conf.store, set);
}

void engine_product_set(struct engine *e, const struct product *p, engine_done *done, void *ctx)
{
	const struct product *old = catalog_product_named(e, p->name);
	struct store_set *set;
	struct act *act;

	if (!old) {
		answer(done, ctx, ERR_NOENT, "no such product");
		return;
	}
	if (p->rev && p->rev != old->rev) {
		answer(done, ctx, ERR_CONFLICT, store_why(ERR_CONFLICT));
		return;
	}
	act = act_new(e, ACT_PRODUCT_PUT, done, ctx, &set);
	if (!act)
		return;
	act->product = *old;
	memcpy(act->product.hardware, p->hardware, sizeof(p->hardware));
	act->product.policy = p->policy;
	store_set_product(set, &act->product);
	store_submit(e->conf.store, set);
}

void engine_product_target(struct engine *e, const char *product, const char *version,
			   engine_done *done, void *ctx)
{
	const struct product *p = catalog_product_named(e, product);
	const struct release *r = NULL;
	struct store_set *set;
	struct act *act;

	if (p && version[0])
		r = catalog_release_named(e, p->id, version);
	if (!p || (version[0] && !r)) {
		answer(done, ctx, ERR_NOENT,
		       p ? "the product has no release of this version" : "no such product");
		return;
	}
	if (p->target == (r ? r->id : 0)) {
		answer(done, ctx, 0, NULL);
		return;
	}
	act = act_new(e, ACT_TARGET, done, ctx, &set);
	if (!act)
		return;
	act->product = *p;
	act->product.target = r ? r->id : 0;
	store_set_product(set, &act->product);
	store_submit(e->conf.store, set);
}

void engine_release_add(struct engine *e, const struct release *r, engine_done *done, void *ctx)
{
	struct store_set *set;
	struct act *act;

	if (catalog_release_named(e, r->product, r->version)) {
		answer(done, ctx, ERR_EXIST, "the product has a release of this version already");
		return;
	}
	act = act_new(e, ACT_RELEASE_ADD, done, ctx, &set);
	if (!act)
		return;
	act->release = *r;
	act->release.id = 0;
	act->release.created_ms = clock_read().wall_ms;
	store_set_release(set, &act->release);
	store_submit(e->conf.store, set);
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

void engine_release_remove(struct engine *e, const char *product, const char *version,
			   engine_done *done, void *ctx)
{
	const struct product *p = catalog_product_named(e, product);
	const struct release *r = p ? catalog_release_named(e, p->id, version) : NULL;
	struct store_use use = {0};
	struct store_set *set;
	struct act *act;
	char why[256];

	if (!r) {
		answer(done, ctx, ERR_NOENT, p ? "no such release" : "no such product");
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
	act = act_new(e, ACT_RELEASE_REMOVE, done, ctx, &set);
	if (!act)
		return;
	act->release = *r;
	store_set_release_delete(set, r->id);
	store_submit(e->conf.store, set);
}

void engine_device_add(struct engine *e, const struct device *d, const struct psk *psk,
		       engine_done *done, void *ctx)
{
	struct store_key key = {.device = ""};
	struct store_set *set;
	struct device fresh = *d;
	const char *why = NULL;
	int err = 0;

	if (!catalog_product(e, d->product)) {
		answer(done, ctx, ERR_NOENT, "no such product");
		return;
	}
	fresh.rev = 0;
	fresh.created_ms = clock_read().wall_ms;
	if (psk)
		err = engine_key_make(e, d->id, KEY_CURRENT, fresh.created_ms, psk, &key, &why);
	if (err) {
		answer(done, ctx, err, why);
		return;
	}
	if (act_new(e, ACT_DEVICE_ADD, done, ctx, &set)) {
		store_set_device(set, &fresh);
		if (psk)
			store_set_key(set, &key);
		store_submit(e->conf.store, set);
	}
	explicit_bzero(&key, sizeof(key));
}

/* ---- acts on one device: causes like any other ---- */

void job_answer_operator(struct job *job, int err)
{
	const char *why = NULL;

	if (err)
		why = job->out.why ? job->out.why : store_why(err);
	if (err == ERR_NOENT)
		why = "no such device";
	if (!job->in.op.done)
		return; /* a sweep */
	if (!err && job->in.op.act != OPERATOR_REMOVE)
		dev_ring(job->e, job->dev);
	answer(job->in.op.done, job->in.op.ctx, err, why);
}

static void device_act(struct engine *e, const char *id, enum operator_act act, int64_t arg,
		       uint64_t attempt, engine_done *done, void *ctx)
{
	struct dev *d;
	struct job *job;
	int err = dev_get(e, id, &d);

	if (err) {
		answer(done, ctx, err, err == ERR_NOENT ? "no such device" : err_text(err));
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
	job->in.op.done = done;
	job->in.op.ctx = ctx;
	if (job_submit(job))
		answer(done, ctx, ERR_BUSY, "too many requests for this device wait; try again");
}

void engine_device_remove(struct engine *e, const char *id, engine_done *done, void *ctx)
{
	device_act(e, id, OPERATOR_REMOVE, 0, 0, done, ctx);
}

static bool newest_number(void *ctx, const struct attempt *a)
{
	*(int64_t *)ctx = (int64_t)a->number;
	return false;
}

void engine_device_act(struct engine *e, const char *id, enum operator_act act, engine_done *done,
		       void *ctx)
{
	int64_t number = 0;

	if (act == OPERATOR_UNHOLD) {
		int err = store_attempts(e->conf.store, id, false, 0, 1, newest_number, &number);
		if (err) {
			answer(done, ctx, err, store_why(err));
			return;
		}
	}
	device_act(e, id, act, number, 0, done, ctx);
}

void engine_device_lock(struct engine *e, const char *id, const char *version, engine_done *done,
			void *ctx)
{
	const struct release *r = NULL;
	struct dev *d;
	int err = dev_get(e, id, &d);

	if (err) {
		answer(done, ctx, err, err == ERR_NOENT ? "no such device" : err_text(err));
		return;
	}
	if (version[0])
		r = catalog_release_named(e, d->u.device.product, version);
	dev_release(e, d);
	if (version[0] && !r) {
		answer(done, ctx, ERR_NOENT, "the device's product has no release of this version");
		return;
	}
	device_act(e, id, OPERATOR_LOCK, r ? r->id : 0, 0, done, ctx);
}

void engine_attempt_cancel(struct engine *e, uint64_t attempt, engine_done *done, void *ctx)
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
	device_act(e, a.device, OPERATOR_CANCEL, 0, attempt, done, ctx);
}
