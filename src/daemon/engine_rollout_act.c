/* SPDX-License-Identifier: Apache-2.0
 *
 * The acts of operators on rollouts.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/engine_act.h"
#include "daemon/engine_rollout.h"
#include "daemon/view.h"

enum kind { KIND_ADD, KIND_ACT, KIND_REMOVE };

struct rollout_job {
	struct list link;
	struct engine *e;
	struct live *l; /* NULL: it is added */
	enum kind kind;
	enum rollout_cause cause;
	char act[32];
	char object[LIMIT_PRODUCT_NAME + 1 + LIMIT_ROLLOUT_NAME + 1];
	struct rollout r; /* as it is to be */
	struct actor by;
	bool anyway;	       /* it is removed although devices have their target from it */
	char why[RELEASE_WHY]; /* it is refused, if that is no fixed text */
	engine_done *done;
	void *ctx;
};

static void finish(struct rollout_job *job, int err, const char *why)
{
	act_answer(job->done, job->ctx, err, why);
	free(job);
}

static int adopt_new(struct rollout_job *job, const struct store_result *result)
{
	job->r.id = result->ids[0];
	job->r.rev = 1;
	return live_add(job->e, &job->r, &job->l);
}

static void adopt_removed(struct rollout_job *job)
{
	bool target = rollout_is_target(&job->r) || job->r.state == ROLLOUT_ABORTED;

	assert(job->l);			     /* only a new one has none */
	while (!list_empty(&job->l->acts)) { /* came meanwhile, to what is gone now */
		struct list *late = list_pop(&job->l->acts);
		finish(LIST_ENTRY(late, struct rollout_job, link), ERR_NOENT, "no such rollout");
	}
	live_drop(job->e, job->l);
	job->l = NULL;
	if (!target)
		return;
	sweep_target(job->e, job->r.product, 0);
	sessions_ring(job->e, job->r.product, 0);
}

static void job_committed(void *ctx, const struct store_result *result)
{
	struct rollout_job *job = ctx;
	struct engine *e = job->e;
	int err = result->err;

	if (job->l)
		job->l->busy = false;
	if (err_is_fault(err))
		engine_store_failed(e, "-", err);
	if (!err) {
		audit_log(&job->by, job->act, job->object, result);
		if (job->kind == KIND_ADD)
			err = adopt_new(job, result);
		else if (job->kind == KIND_REMOVE)
			adopt_removed(job);
		else
			live_adopt(e, job->l, &job->r);
		engine_events_told(e, result);
	}
	struct live *l = job->l;
	finish(job, err, err ? act_store_why(err) : NULL);
	if (l)
		live_step(e, l);
}

/* Takes the job and the facts. */
static void job_put_set(struct rollout_job *job, json_t *before, json_t *after)
{
	struct store_set *set = store_set_new(job_committed, job);
	int err = set ? 0 : ERR_NOMEM;

	if (set && job->kind == KIND_REMOVE)
		store_set_rollout_delete(set, &job->r);
	else if (set)
		store_set_rollout(set, &job->r);
	if (!err && job->l && job->r.state != job->l->r.state)
		err = live_put_event(job->e, set, &job->r);
	if (err) {
		json_decref(before);
		json_decref(after);
	} else {
		if (json_is_object(before) && json_is_object(after))
			(void)audit_differ(before, after);
		err = audit_put(set, &job->by, job->act, job->object, before, after);
	}
	if (err) {
		store_set_free(set);
		finish(job, err, "out of memory");
		return;
	}
	if (job->l)
		job->l->busy = true;
	store_submit(job->e->conf.store, set);
}

static struct rollout_job *job_make(struct engine *e, enum kind kind, const char *act,
				    const struct actor *by, engine_done *done, void *ctx)
{
	struct rollout_job *job = calloc(1, sizeof(*job));

	if (!job) {
		act_answer(done, ctx, ERR_NOMEM, "out of memory");
		return NULL;
	}
	job->e = e;
	job->kind = kind;
	(void)snprintf(job->act, sizeof(job->act), "rollout %s", act);
	job->by = *by;
	job->done = done;
	job->ctx = ctx;
	list_init(&job->link);
	return job;
}

static void job_object(struct rollout_job *job, const char *product, const char *name)
{
	(void)snprintf(job->object, sizeof(job->object), "%s %s", product, name);
}

/* ---- one that waited ---- */

static size_t open_count(const struct engine *e)
{
	size_t n = 0;

	for (size_t i = 0; i < e->rollout_count; i++)
		n += rollout_is_open(&e->rollouts[i]->r);
	return n;
}

static int act_check(struct rollout_job *job, const char **ret_why)
{
	struct engine *e = job->e;
	enum rollout_cause cause = job->cause;

	if (!actor_matches(&job->by, job->l->r.rev)) {
		*ret_why = act_stale_why;
		return ERR_STALE;
	}
	if (cause == ROLLOUT_START || cause == ROLLOUT_RESUME) {
		const struct release *release = catalog_release(e, job->r.release);

		*ret_why = release ? job->why : "its release is not there any more";
		if (!release || release_is_no_target(release, job->why))
			return ERR_BUSY;
	}
	if (cause == ROLLOUT_START && !rollout_is_open(&job->r) &&
	    open_count(e) >= LIMIT_ROLLOUTS_OPEN) {
		*ret_why = "32 rollouts are open; finish or abort one";
		return ERR_BUSY;
	}
	int err = rollout_act(&job->r, cause, job->by.name, &job->l->counts, clock_read().wall_ms,
			      ret_why);
	if (!err)
		live_end(e, &job->r);
	return err;
}

static int remove_check(struct rollout_job *job, const char **ret_why)
{
	if (!actor_matches(&job->by, job->l->r.rev)) {
		*ret_why = act_stale_why;
		return ERR_STALE;
	}
	if (rollout_is_open(&job->l->r)) {
		*ret_why = "it is not over: finish or abort it first";
		return ERR_BUSY;
	}
	int64_t devices = job->anyway ? 0 : engine_roster_targeted(job->e, &job->l->r);
	if (!devices)
		return 0;
	if (devices < 0) {
		*ret_why = "whose target it is, is still being read after the start: try again in "
			   "some seconds";
		return ERR_BUSY;
	}
	(void)snprintf(job->why, sizeof(job->why),
		       "%lld device%s their target from it, and would lose that: set another "
		       "target first, or remove it with yes=1 (postbootctl: --yes)",
		       (long long)devices, devices == 1 ? " has" : "s have");
	*ret_why = job->why;
	return ERR_BUSY;
}

static void run(struct rollout_job *job)
{
	const char *why = NULL;

	job->r = job->l->r;
	int err = job->kind == KIND_REMOVE ? remove_check(job, &why) : act_check(job, &why);
	if (err) {
		finish(job, err, why);
		return;
	}
	job_put_set(job, audit_rollout(job->e, &job->l->r),
		    job->kind == KIND_REMOVE ? json_null() : audit_rollout(job->e, &job->r));
}

bool live_act(struct engine *e, struct live *l)
{
	(void)e;
	if (l->busy || list_empty(&l->acts))
		return false;
	struct rollout_job *job = LIST_ENTRY(list_pop(&l->acts), struct rollout_job, link);
	run(job);
	return true;
}

static void wait_turn(struct engine *e, struct rollout_job *job)
{
	struct live *l = job->l;

	list_append(&l->acts, &job->link);
	(void)live_act(e, l);
}

/* ---- acts ---- */

void engine_rollout_add(struct engine *e, const struct actor *by, const struct rollout *r,
			engine_done *done, void *ctx)
{
	const struct product *p = catalog_product(e, r->product);
	struct filter filter;
	char why[FILTER_WHY];

	if (rollout_filter(r->filter, &filter, why)) {
		act_answer(done, ctx, ERR_INVAL, why);
		return;
	}
	if (!p || !catalog_release(e, r->release)) {
		act_answer(done, ctx, ERR_NOENT, p ? "no such release" : "no such product");
		return;
	}
	if (rollout_filter_names(e, &filter, p->id, why)) {
		act_answer(done, ctx, ERR_NOENT, why);
		return;
	}
	if (live_named(e, p->name, r->name)) {
		act_answer(done, ctx, ERR_EXIST,
			   "the product has a rollout of this name; give it another one");
		return;
	}
	if (e->rollout_count >= LIMIT_ROLLOUTS) {
		act_answer(done, ctx, ERR_BUSY,
			   "there are 1024 rollouts; remove some that are over");
		return;
	}
	struct rollout_job *job = job_make(e, KIND_ADD, "add", by, done, ctx);
	if (!job)
		return;
	job->r = *r;
	job->r.id = job->r.rev = 0;
	job->r.seed = e->rollout_seed ? e->rollout_seed : engine_random() >> 11;
	job->r.created_ms = job->r.state_ms = clock_read().wall_ms;
	(void)buf_copy_str(job->r.author, sizeof(job->r.author), by->name);
	if (p->policy.rollout_approval)
		job->r.rules.approval = 1;
	job_object(job, p->name, r->name);
	job_put_set(job, json_null(), audit_rollout(e, &job->r));
}

static void on_rollout(struct engine *e, const struct actor *by, const char *product,
		       const char *name, enum kind kind, enum rollout_cause cause, bool anyway,
		       engine_done *done, void *ctx)
{
	struct live *l = live_named(e, product, name);

	if (!l) {
		act_answer(done, ctx, ERR_NOENT, "no such rollout");
		return;
	}
	struct rollout_job *job = job_make(
		e, kind, kind == KIND_REMOVE ? "remove" : rollout_cause_name(cause), by, done, ctx);
	if (!job)
		return;
	job->l = l;
	job->cause = cause;
	job->anyway = anyway;
	job_object(job, product, name);
	wait_turn(e, job);
}

void engine_rollout_act(struct engine *e, const struct actor *by, const char *product,
			const char *name, enum rollout_cause cause, engine_done *done, void *ctx)
{
	on_rollout(e, by, product, name, KIND_ACT, cause, false, done, ctx);
}

void engine_rollout_remove(struct engine *e, const struct actor *by, const char *product,
			   const char *name, bool anyway, engine_done *done, void *ctx)
{
	on_rollout(e, by, product, name, KIND_REMOVE, ROLLOUT_ABORT, anyway, done, ctx);
}

json_t *audit_rollout(struct engine *e, const struct rollout *r)
{
	const struct release *release = catalog_release(e, r->release);

	return view_rollout_facts(release ? release->version : "", r);
}
