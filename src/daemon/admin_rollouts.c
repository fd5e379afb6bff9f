/* SPDX-License-Identifier: Apache-2.0
 *
 * /v1/products/NAME/rollouts
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/admin_args.h"
#include "daemon/admin_match.h"
#include "daemon/admin_routes.h"
#include "daemon/view.h"

bool find_rollout(struct request *rq, struct engine_rollout *ret)
{
	struct product p;

	if (!find_product(rq, rq->name[0], &p))
		return false;
	if (engine_rollout(rq->admin->conf.engine, p.name, rq->name[1], ret) == 0)
		return true;
	reply_error(rq, ERR_NOENT, "product \"%.80s\" has no rollout \"%.80s\"", p.name,
		    rq->name[1]);
	return false;
}

static void reply_rollout(struct request *rq, unsigned status, const char *name)
{
	char product[3 * LIMIT_PRODUCT_NAME + 1], label[3 * LIMIT_ROLLOUT_NAME + 1];
	char location[sizeof(product) + sizeof(label) + 32];
	struct engine_rollout v;

	if (engine_rollout(rq->admin->conf.engine, rq->name[0], name, &v)) {
		reply_error(rq, ERR_NOENT, "the rollout was removed meanwhile");
		return;
	}
	reply_row(rq, status, v.rollout.rev, view_rollout(&v), NULL);
	if (status != 201)
		return;
	(void)snprintf(location, sizeof(location), "/v1/products/%s/rollouts/%s",
		       percent_encode(v.product, product, sizeof(product)),
		       percent_encode(v.rollout.name, label, sizeof(label)));
	reply_header(rq, MHD_HTTP_HEADER_LOCATION, location);
}

/* ---- GET ---- */

void rollouts_list(struct request *rq)
{
	struct engine_rollout v;
	uint64_t after, limit, count = 0;
	struct product p;
	int64_t last = 0;

	if (!query_number(rq, "after", 0, INT64_MAX, 0, &after) ||
	    !query_number(rq, "limit", 1, LIMIT_PAGE, 100, &limit) ||
	    !body_keys(rq, rq->json, "", "") || !find_product(rq, rq->name[0], &p))
		return;
	json_t *o = json_object();
	json_t *list = json_array();
	for (size_t i = 0; count < limit && engine_rollout_at(rq->admin->conf.engine, i, &v); i++) {
		if (v.rollout.product != p.id || v.rollout.id <= (int64_t)after)
			continue;
		view_append(&list, view_rollout(&v));
		last = v.rollout.id;
		count++;
	}
	view_put(&o, "rollouts", list);
	if (count == limit)
		view_put(&o, "next", json_integer(last));
	reply_json(rq, 200, o);
}

void rollout_get(struct request *rq)
{
	struct engine_rollout v;

	if (body_keys(rq, rq->json, "", "") && find_rollout(rq, &v))
		reply_rollout(rq, 200, v.rollout.name);
}

struct members {
	const struct engine_rollout *v;
	json_t *list;
	uint64_t rows;
	int64_t last;
};

static bool members_row(void *ctx, const struct device *d)
{
	struct members *m = ctx;

	view_append(&m->list, view_member(m->v, d));
	m->rows++;
	m->last = d->rollout_place;
	return true;
}

void rollout_members(struct request *rq)
{
	struct engine_rollout v;
	uint64_t after, limit;

	if (!query_number(rq, "after", 0, (uint64_t)ROLLOUT_PLACE_END, 0, &after) ||
	    !query_number(rq, "limit", 1, LIMIT_PAGE, 100, &limit) ||
	    !body_keys(rq, rq->json, "", "") || !find_rollout(rq, &v))
		return;
	struct members m = {.v = &v, .list = json_array()};
	int err = store_members(rq->admin->conf.store, v.rollout.id, after ? (int64_t)after + 1 : 0,
				ROLLOUT_PLACE_END, (unsigned)limit, members_row, &m);
	if (!read_ok(rq, err)) {
		json_decref(m.list);
		return;
	}
	json_t *o = json_object();
	view_put(&o, "devices", m.list);
	if (m.rows == limit)
		view_put(&o, "next", json_integer(m.last));
	reply_json(rq, 200, o);
}

/* ---- POST ---- */

static bool invalid(struct request *rq, const char *key, const char *why)
{
	reply_problem(rq, 400, "invalid", "%s: %s", key, why);
	return false;
}

static bool body_rules(struct request *rq, struct rollout_rules *rules)
{
	json_t *settings = json_object_get(rq->json, "settings");
	const char *name;
	json_t *value;

	if (settings && !json_is_object(settings))
		return invalid(rq, "settings", "must be an object");
	json_object_foreach(settings, name, value)
	{
		const struct rollout_rule *row = rollout_rule_find(name);
		if (!row) {
			reply_problem(rq, 400, "invalid",
				      "settings: there is no \"%.40s\"; see postboot-rollout(7)",
				      name);
			return false;
		}
		if (json_is_integer(value) &&
		    rollout_rule_set(rules, row, json_integer_value(value)) == 0)
			continue;
		reply_problem(rq, 400, "invalid",
			      "settings: %s must be a whole number from %lld to %lld", row->name,
			      (long long)row->min, (long long)row->max);
		return false;
	}
	return true;
}

static bool body_start_at(struct request *rq, int64_t *ret_ms)
{
	const char *text;

	if (!body_text(rq, "start_at", false, &text))
		return false;
	if (text && !time_parse(text, ret_ms))
		return invalid(rq, "start_at", "must be a time such as 2026-11-22T23:51:07Z");
	return true;
}

/* Name, waves, filter and settings. */
static bool body_rollout(struct request *rq, struct rollout *r)
{
	const char *name, *version, *waves, *filter, *why;

	if (!body_text(rq, "release", true, &version) || !check_version(rq, "release", version) ||
	    !body_text(rq, "name", false, &name) || !body_text(rq, "waves", false, &waves) ||
	    !body_text(rq, "filter", false, &filter) || !body_start_at(rq, &r->start_at_ms))
		return false;
	name = name ? name : version;
	if (!check_name(rq, "name", name, LIMIT_ROLLOUT_NAME))
		return false;
	(void)buf_copy_str(r->name, sizeof(r->name), name);
	if (rollout_waves_parse(r, waves ? waves : "1%,10%,100%", &why))
		return invalid(rq, "waves", why);
	if (filter && !buf_copy_str(r->filter, sizeof(r->filter), filter))
		return invalid(rq, "filter", "is longer than 1023 bytes");
	rollout_defaults(r);
	return body_rules(rq, &r->rules);
}

static void rollout_added(struct request *rq)
{
	const char *name = json_string_value(json_object_get(rq->json, "name"));

	reply_rollout(rq, 201,
		      name ? name : json_string_value(json_object_get(rq->json, "release")));
}

void rollouts_add(struct request *rq)
{
	struct rollout r = {0};
	struct product p;
	struct release release;

	if (!body_keys(rq, rq->json, "", " name release filter waves start_at settings ") ||
	    !find_product(rq, rq->name[0], &p) || !body_rollout(rq, &r) ||
	    !find_release(rq, &p, json_string_value(json_object_get(rq->json, "release")),
			  &release))
		return;
	r.product = p.id;
	r.release = release.id;
	rq->after = rollout_added;
	request_owed(rq);
	engine_rollout_add(rq->admin->conf.engine, &rq->actor, &r, request_done, rq);
}

static void rollout_acted(struct request *rq)
{
	reply_rollout(rq, 200, rq->name[1]);
}

static void act(struct request *rq, enum rollout_cause cause)
{
	struct engine_rollout v;

	if (!body_keys(rq, rq->json, "", "") || !find_rollout(rq, &v))
		return;
	rq->after = rq->show = rollout_acted;
	request_owed(rq);
	engine_rollout_act(rq->admin->conf.engine, &rq->actor, rq->name[0], rq->name[1], cause,
			   request_done, rq);
}

void rollout_approve(struct request *rq)
{
	act(rq, ROLLOUT_APPROVE);
}

void rollout_start(struct request *rq)
{
	act(rq, ROLLOUT_START);
}

void rollout_pause(struct request *rq)
{
	act(rq, ROLLOUT_PAUSE);
}

void rollout_resume(struct request *rq)
{
	act(rq, ROLLOUT_RESUME);
}

void rollout_next_wave(struct request *rq)
{
	act(rq, ROLLOUT_NEXT);
}

void rollout_finish(struct request *rq)
{
	act(rq, ROLLOUT_FINISH);
}

void rollout_abort(struct request *rq)
{
	act(rq, ROLLOUT_ABORT);
}

static void rollout_removed(struct request *rq)
{
	reply_empty(rq, 204);
}

void rollout_remove(struct request *rq)
{
	struct engine_rollout v;
	bool anyway;

	if (!query_flag(rq, "yes", &anyway) || !body_keys(rq, rq->json, "", "") ||
	    !find_rollout(rq, &v))
		return;
	rq->after = rollout_removed;
	rq->show = rollout_get;
	request_owed(rq);
	engine_rollout_remove(rq->admin->conf.engine, &rq->actor, rq->name[0], rq->name[1], anyway,
			      request_done, rq);
}
