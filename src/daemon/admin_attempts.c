/* SPDX-License-Identifier: Apache-2.0
 *
 * /v1/attempts/ID
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/admin_args.h"
#include "daemon/admin_match.h"
#include "daemon/admin_routes.h"
#include "daemon/view.h"

void attempt_diagnoses(struct admin *a, struct attempt *at, struct diagnoses *ret)
{
	struct engine_device now;

	memset(ret, 0, sizeof(*ret));
	if (at->state == ATTEMPT_CLOSED) {
		if (store_diagnoses(a->conf.store, at->id, ret))
			ret->count = 0;
		return;
	}
	if (engine_device(a->conf.engine, at->device, &now))
		return;
	if (now.has_attempt && now.attempt.id == at->id) {
		*ret = now.diagnoses;
		*at = now.attempt; /* the engine counts blocks without a commit */
	}
	explicit_bzero(&now, sizeof(now));
}

json_t *attempt_json(struct request *rq, const struct attempt *at)
{
	struct attempt now = *at;
	struct diagnoses dg;

	attempt_diagnoses(rq->admin, &now, &dg);
	return view_attempt(&now, engine_product_name(rq->admin->conf.engine, at->product), &dg,
			    NULL);
}

static bool attempt_id(struct request *rq, uint64_t *ret_id)
{
	if (number_parse(rq->name[0], ret_id) && *ret_id >= 1 && *ret_id <= ATTEMPT_ID_MAX)
		return true;
	reply_problem(rq, 404, "not-found", "\"%.40s\" is not the id of an attempt", rq->name[0]);
	return false;
}

static bool find_attempt(struct request *rq, uint64_t id, struct attempt *ret)
{
	int err = store_attempt(rq->admin->conf.store, id, ret);

	if (err == ERR_NOENT) {
		reply_error(rq, err, "there is no attempt %llu", (unsigned long long)id);
		return false;
	}
	return read_ok(rq, err);
}

void reply_attempt(struct request *rq, uint64_t id)
{
	struct attempt at;
	struct device d;

	if (!find_attempt(rq, id, &at))
		return;
	/* An open attempt changes with its device, a closed one never. */
	if (at.state == ATTEMPT_CLOSED || store_device(rq->admin->conf.store, at.device, &d))
		d.rev = 0;
	reply_row(rq, 200, d.rev, attempt_json(rq, &at), NULL);
	explicit_bzero(&d, sizeof(d)); /* it holds the key */
}

void attempt_get(struct request *rq)
{
	uint64_t id;

	if (body_keys(rq, rq->json, "", "") && attempt_id(rq, &id))
		reply_attempt(rq, id);
}

static void attempt_cancelled(struct request *rq)
{
	reply_attempt(rq, rq->attempt);
}

void attempt_cancel(struct request *rq)
{
	struct attempt at;

	if (!body_keys(rq, rq->json, "", "") || !attempt_id(rq, &rq->attempt) ||
	    !find_attempt(rq, rq->attempt, &at))
		return;
	rq->after = rq->show = attempt_cancelled;
	request_owed(rq);
	engine_attempt_cancel(rq->admin->conf.engine, &rq->actor, rq->attempt, request_done, rq);
}
