/* SPDX-License-Identifier: Apache-2.0
 *
 * /v1/products/NAME/rollouts/NAME/explain and /v1/products/NAME/releases/VERSION/explain. For a
 * release all devices of its product are looked at.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/admin_args.h"
#include "daemon/admin_routes.h"
#include "daemon/admin_survey.h"
#include "daemon/view_release_story.h"

/* ---- a rollout ---- */

/* Members that are looked at, failures whose attempts are read, and how many kinds of them. */
enum { COMMON_MEMBERS = 500, COMMON_FAILED = 64, COMMON_KINDS = 16 };

struct failed {
	int64_t rollout;
	unsigned count;
	uint64_t attempt[COMMON_FAILED];
};

static bool failed_row(void *ctx, const struct device *d)
{
	struct failed *f = ctx;
	bool failed = d->rollout_result == MEMBER_FAILED || d->rollout_result == MEMBER_REVERTED;

	if (failed && d->rollout_about == f->rollout)
		f->attempt[f->count++] = d->failed_attempt ? d->failed_attempt : d->last_attempt;
	return f->count < COMMON_FAILED;
}

/* Joins those of its kind; the first of each kind gives the device. */
static void cause_add(struct rollout_common kinds[COMMON_KINDS], const struct attempt *a,
		      const struct diagnoses *dg)
{
	enum diagnosis_kind first = dg->count ? dg->list[0].kind : DIAGNOSIS_COUNT;

	for (unsigned i = 0; i < COMMON_KINDS; i++) {
		struct rollout_common *k = &kinds[i];
		if (k->count &&
		    (k->verdict != a->verdict || k->reason != a->reason || k->diagnosis != first))
			continue;
		if (!k->count) {
			k->verdict = a->verdict;
			k->reason = a->reason;
			k->diagnosis = first;
			(void)buf_copy_str(k->device, sizeof(k->device), a->device);
		}
		k->count++;
		return;
	}
}

/* False: answered with a problem. */
static bool cause_find(struct request *rq, const struct engine_rollout *v,
		       struct rollout_common *ret)
{
	struct store *store = rq->admin->conf.store;
	struct rollout_common kinds[COMMON_KINDS] = {{0}};
	struct failed failed = {.rollout = v->rollout.id};
	struct attempt a;
	struct diagnoses dg;

	*ret = kinds[0];
	if (!read_ok(rq, store_members(store, v->rollout.id, 0, ROLLOUT_PLACE_END, COMMON_MEMBERS,
				       failed_row, &failed)))
		return false;
	for (unsigned i = 0; i < failed.count; i++) {
		int err =
			failed.attempt[i] ? store_attempt(store, failed.attempt[i], &a) : ERR_NOENT;
		if (err == ERR_NOENT)
			continue; /* retention took it */
		if (!read_ok(rq, err))
			return false;
		attempt_diagnoses(rq->admin, &a, &dg);
		if (a.charged && a.rollout == v->rollout.id)
			cause_add(kinds, &a, &dg);
	}
	for (unsigned i = 0; i < COMMON_KINDS; i++)
		if (kinds[i].count > ret->count)
			*ret = kinds[i];
	ret->failed = failed.count;
	return true;
}

void rollout_explain(struct request *rq)
{
	struct engine_rollout v;
	struct rollout_common cause;

	if (body_keys(rq, rq->json, "", "") && find_rollout(rq, &v) && cause_find(rq, &v, &cause))
		reply_json(rq, 200, view_explain_rollout(&v, &cause, clock_read().wall_ms));
}

/* ---- a release ---- */

struct release_survey {
	struct survey survey;
	struct product product;
	struct release release;
	struct engine_survey found;
};

/* The newest act on it that made it what it is; facts are of the audit log. */
struct made {
	const char *act;
	bool found;
	char who[LIMIT_ACTOR + 1];
	json_t *after;
};

static bool made_row(void *ctx, const struct store_audit_row *row)
{
	struct made *m = ctx;

	if (strcmp(row->what.act, m->act) != 0)
		return true;
	m->found = true;
	(void)buf_copy_str(m->who, sizeof(m->who), row->what.who);
	m->after = json_loads(row->what.after, 0, NULL);
	return false;
}

static void made_find(struct request *rq, const struct release_survey *v, struct made *ret)
{
	enum { LOOK_BACK = 50 }; /* acts on one release are few */
	char object[LIMIT_PRODUCT_NAME + 1 + LIMIT_VERSION + 1];
	struct buf b = buf_writer(object, sizeof(object));

	ret->act =
		v->release.state == RELEASE_WITHDRAWN ? "release withdraw" : "release quarantine";
	if (v->release.state != RELEASE_QUARANTINED && v->release.state != RELEASE_WITHDRAWN)
		return;
	buf_put_str(&b, v->product.name);
	buf_put_str(&b, " ");
	buf_put_str(&b, v->release.version);
	(void)read_ok(rq, store_audits_before(rq->admin->conf.store, buf_cstr(&b), 0, LOOK_BACK,
					      made_row, ret));
}

/* A name that got another key does not stand for it either. */
static bool signer_is_gone(struct request *rq, const struct release_survey *v)
{
	struct signers *list = calloc(1, sizeof(*list));
	bool found = false;

	if (!list || !read_ok(rq, store_signers(rq->admin->conf.store, v->product.id, list)))
		found = true; /* it is not known */
	for (unsigned i = 0; list && i < list->count; i++)
		found = found || strcmp(list->list[i].id, v->release.signed_key) == 0;
	free(list);
	return !found;
}

static void surveyed(struct request *rq, struct release_survey *v)
{
	struct engine *e = rq->admin->conf.engine;
	struct view_uses *uses = calloc(1, sizeof(*uses));
	struct made made = {0};
	struct view_release view = {
		.release = &v->release, .product = &v->product, .survey = &v->found, .uses = uses};

	if (!uses) {
		reply_error(rq, ERR_NOMEM, "out of memory");
		return;
	}
	v->release.unavailable = images_is_bad(rq->admin->conf.images, v->release.sha256);
	engine_release_uses(e, v->release.id, view_uses_add, uses);
	engine_release_ends(e, v->release.id, view.ends);
	made_find(rq, v, &made);
	view.signer_gone = v->release.signed_by[0] && signer_is_gone(rq, v);
	if (made.found)
		view.who = made.who;
	view.rollout = json_string_value(json_object_get(made.after, "rollout"));
	view.devices = json_integer_value(json_object_get(made.after, "devices"));
	view.why = json_string_value(json_object_get(made.after, "why"));
	if (!rq->response)
		reply_json(rq, 200, view_explain_release(&view, clock_read().wall_ms));
	json_decref(made.after);
	free(uses);
}

static void release_step(struct survey *s)
{
	struct release_survey *v = (struct release_survey *)s;
	struct request *rq = s->rq;
	int err =
		engine_survey(rq->admin->conf.engine, v->release.id, LIMIT_SURVEY_ROWS, &v->found);

	if (err == ERR_NOENT)
		reply_error(rq, err, "the release was removed meanwhile");
	else if (read_ok(rq, err) && v->found.done)
		surveyed(rq, v);
}

void release_explain(struct request *rq)
{
	struct survey *s = survey_new(rq, sizeof(struct release_survey), release_step);
	struct release_survey *v = (struct release_survey *)s;

	if (s && body_keys(rq, rq->json, "", "") && find_product(rq, rq->name[0], &v->product) &&
	    find_release(rq, &v->product, rq->name[1], &v->release))
		survey_begin(s);
}
