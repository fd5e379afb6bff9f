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

void rollout_explain(struct request *rq)
{
	struct engine_rollout v;

	if (body_keys(rq, rq->json, "", "") && find_rollout(rq, &v))
		reply_json(rq, 200, view_explain_rollout(&v, clock_read().wall_ms));
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
	if (made.found)
		view.who = made.who;
	view.rollout = json_string_value(json_object_get(made.after, "rollout"));
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
