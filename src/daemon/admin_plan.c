/* SPDX-License-Identifier: Apache-2.0
 *
 * /v1/products/NAME/rollouts/NAME/plan
 */
#include <string.h>

#include "base/clock.h"
#include "daemon/admin_args.h"
#include "daemon/admin_routes.h"
#include "daemon/admin_survey.h"
#include "daemon/view_plan.h"

struct plan_survey {
	struct survey survey;
	struct engine_plan plan;
};

static void planned(struct request *rq, const struct engine_plan *plan)
{
	struct rollout_forecast f;
	struct engine_rollout v;

	if (find_rollout(rq, &v) &&
	    read_ok(rq, engine_rollout_forecast(rq->admin->conf.engine, v.product, v.rollout.name,
						plan, &f)))
		reply_json(rq, 200, view_rollout_plan(&v, plan, &f));
}

static void plan_step(struct survey *s)
{
	struct plan_survey *p = (struct plan_survey *)s;
	struct request *rq = s->rq;
	int err = engine_rollout_plan(rq->admin->conf.engine, rq->name[0], rq->name[1],
				      LIMIT_SURVEY_ROWS, &p->plan);

	if (err == ERR_NOENT)
		reply_error(rq, err, "the rollout was removed meanwhile");
	else if (read_ok(rq, err) && p->plan.done)
		planned(rq, &p->plan);
}

void rollout_plan_get(struct request *rq)
{
	struct survey *s = survey_new(rq, sizeof(struct plan_survey), plan_step);
	struct plan_survey *p = (struct plan_survey *)s;
	struct engine_rollout v;
	uint64_t days;

	if (!s || !query_number(rq, "days", 1, 366, 7, &days) || !body_keys(rq, rq->json, "", "") ||
	    !find_rollout(rq, &v))
		return;
	p->plan.days = (int64_t)days;
	p->plan.now_ms = clock_read().wall_ms;
	survey_begin(s);
}
