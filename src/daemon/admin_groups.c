/* SPDX-License-Identifier: Apache-2.0
 *
 * /v1/groups, /v1/products/NAME/groups, which group a device is in and where it stands. Groups are
 * in the engine's memory, so that these need no query.
 */
#include <stdio.h>
#include <string.h>

#include "core/filter.h"
#include "daemon/admin_args.h"
#include "daemon/admin_match.h"
#include "daemon/admin_routes.h"
#include "daemon/admin_windows.h"
#include "daemon/view.h"

static const struct engine_group *find_group(struct request *rq, const char *product,
					     const char *name)
{
	const struct engine_group *g = engine_group_named(rq->admin->conf.engine, product, name);
	struct product p;

	if (!g && find_product(rq, product, &p))
		reply_error(rq, ERR_NOENT, "product \"%.80s\" has no group \"%.80s\"", p.name,
			    name);
	return g;
}

static json_t *group_json(struct request *rq, const struct engine_group *g, const char *product)
{
	struct release target = {0};

	if (g->group.target && store_release(rq->admin->conf.store, g->group.target, &target))
		target.version[0] = 0;
	return view_group(g, product, target.version);
}

static void reply_group(struct request *rq, unsigned status, const char *product, const char *name)
{
	char one[3 * LIMIT_PRODUCT_NAME + 1], two[3 * LIMIT_GROUP_NAME + 1];
	char location[sizeof(one) + sizeof(two) + 32];
	const struct engine_group *g = find_group(rq, product, name);

	if (!g)
		return;
	reply_row(rq, status, g->group.rev, group_json(rq, g, product), NULL);
	if (status != 201)
		return;
	(void)snprintf(location, sizeof(location), "/v1/products/%s/groups/%s",
		       percent_encode(product, one, sizeof(one)),
		       percent_encode(name, two, sizeof(two)));
	reply_header(rq, MHD_HTTP_HEADER_LOCATION, location);
}

/* ---- GET ---- */

void groups_list(struct request *rq)
{
	struct engine *e = rq->admin->conf.engine;
	const struct engine_group *g;
	struct product p = {0};
	uint64_t after, limit;
	unsigned count = 0;

	if (!query_number(rq, "after", 0, INT64_MAX, 0, &after) ||
	    !query_number(rq, "limit", 1, LIMIT_PAGE, 100, &limit) ||
	    !body_keys(rq, rq->json, "", "") || (rq->name[0] && !find_product(rq, rq->name[0], &p)))
		return;
	int64_t only = p.id, last = 0;
	json_t *o = json_object();
	json_t *list = json_array();
	for (size_t i = 0; count < limit && (g = engine_group_at(e, i)); i++) {
		if (g->group.id <= (int64_t)after || (only && g->group.product != only))
			continue;
		if (p.id != g->group.product &&
		    !read_ok(rq, store_product(rq->admin->conf.store, g->group.product, &p)))
			break;
		view_append(&list, group_json(rq, g, p.name));
		last = g->group.id;
		count++;
	}
	view_put(&o, "groups", list);
	if (count == limit)
		view_put(&o, "next", json_integer(last));
	reply_json(rq, 200, o);
}

void group_get(struct request *rq)
{
	if (body_keys(rq, rq->json, "", ""))
		reply_group(rq, 200, rq->name[0], rq->name[1]);
}

/* ---- changes ---- */

/* What the path names; in a PATCH the group may have another name now. */
static struct group_name which(const struct request *rq)
{
	return (struct group_name){rq->name[0], rq->name[1]};
}

static bool check_group_name(struct request *rq, const char *name)
{
	if (!check_name(rq, "name", name, LIMIT_GROUP_NAME))
		return false;
	if (group_name_valid(name))
		return true;
	reply_problem(rq, 400, "invalid", "name: \"%s\" has a meaning of its own", name);
	return false;
}

static void group_added(struct request *rq)
{
	reply_group(rq, 201, rq->name[0], json_string_value(json_object_get(rq->json, "name")));
}

static void group_changed(struct request *rq)
{
	const char *name = json_string_value(json_object_get(rq->json, "name"));

	reply_group(rq, 200, rq->name[0], name ? name : rq->name[1]);
}

static void group_now(struct request *rq)
{
	reply_group(rq, 200, rq->name[0], rq->name[1]);
}

static void group_gone(struct request *rq)
{
	reply_empty(rq, 204);
}

/* "version" of the body: a release of the product, or null. */
static bool body_version(struct request *rq, const struct product *p, bool needed,
			 const char **ret_version)
{
	const json_t *value = json_object_get(rq->json, "version");
	struct release r;

	*ret_version = "";
	if (json_is_null(value) || (!value && !needed))
		return true;
	return body_text(rq, "version", true, ret_version) &&
	       check_version(rq, "version", *ret_version) && find_release(rq, p, *ret_version, &r);
}

void groups_add(struct request *rq)
{
	struct group_name n = {.product = rq->name[0]};
	const char *version;
	struct product p;

	if (!body_keys(rq, rq->json, "", " name version ") || !find_product(rq, n.product, &p) ||
	    !body_text(rq, "name", true, &n.group) || !check_group_name(rq, n.group) ||
	    !body_version(rq, &p, false, &version))
		return;
	rq->after = group_added;
	request_owed(rq);
	engine_group_add(rq->admin->conf.engine, &rq->actor, &n, version, request_done, rq);
}

/* 0: none. */
static bool body_limit(struct request *rq, const char *key, json_int_t min, json_int_t max,
		       int64_t *ret)
{
	json_int_t value = 0;
	bool given;

	if (json_is_integer(json_object_get(rq->json, key)) &&
	    json_integer_value(json_object_get(rq->json, key)) == 0)
		min = 0;
	if (!body_number(rq, key, min, max, &given, &value))
		return false;
	if (given)
		*ret = value;
	return true;
}

static bool body_limits(struct request *rq, struct device_group *g)
{
	return body_limit(rq, "max_downloads", 1, LIMIT_GROUP_DOWNLOADS, &g->max_downloads) &&
	       body_limit(rq, "image_rate", LIMIT_GROUP_RATE_MIN, LIMIT_GROUP_RATE, &g->image_rate);
}

void group_patch(struct request *rq)
{
	const struct group_name n = which(rq);
	const struct engine_group *g;
	struct device_group to;
	const char *name;

	if (!body_keys(rq, rq->json, "", " name windows time_zone max_downloads image_rate "))
		return;
	g = find_group(rq, n.product, n.group);
	if (!g)
		return;
	to = g->group;
	if (!body_text(rq, "name", false, &name) || (name && !check_group_name(rq, name)) ||
	    !body_windows(rq, to.windows, to.time_zone) || !body_limits(rq, &to))
		return;
	if (name)
		(void)buf_copy_str(to.name, sizeof(to.name), name);
	rq->after = group_changed;
	rq->show = group_now;
	request_owed(rq);
	engine_group_set(rq->admin->conf.engine, &rq->actor, &n, &to, request_done, rq);
}

void group_target(struct request *rq)
{
	const struct group_name n = which(rq);
	const char *version;
	struct product p;

	if (!body_keys(rq, rq->json, "", " version ") || !find_group(rq, n.product, n.group) ||
	    !find_product(rq, n.product, &p) || !body_version(rq, &p, true, &version))
		return;
	rq->after = rq->show = group_now;
	request_owed(rq);
	engine_group_target(rq->admin->conf.engine, &rq->actor, &n, version, request_done, rq);
}

void group_remove(struct request *rq)
{
	const struct group_name n = which(rq);

	if (!body_keys(rq, rq->json, "", "") || !find_group(rq, n.product, n.group))
		return;
	rq->after = group_gone;
	rq->show = group_now;
	request_owed(rq);
	engine_group_remove(rq->admin->conf.engine, &rq->actor, &n, request_done, rq);
}

/* ---- devices ---- */

static void device_moved(struct request *rq)
{
	reply_device(rq, 200, rq->name[0]);
}

/* Where it stands. */
void device_patch(struct request *rq)
{
	char windows[LIMIT_WINDOWS_TEXT + 1] = "", time_zone[LIMIT_ZONE + 1] = "";
	struct engine_device now;

	if (!body_keys(rq, rq->json, "", " windows time_zone ") ||
	    !find_device(rq, rq->name[0], &now) || !body_windows(rq, windows, time_zone))
		return;
	rq->after = rq->show = device_moved;
	request_owed(rq);
	engine_device_site(rq->admin->conf.engine, &rq->actor, rq->name[0],
			   json_object_get(rq->json, "windows") ? windows : NULL,
			   json_object_get(rq->json, "time_zone") ? time_zone : NULL, request_done,
			   rq);
}

void device_group(struct request *rq)
{
	const json_t *value = json_object_get(rq->json, "group");
	struct engine_device now;
	const char *name = "";

	if (!body_keys(rq, rq->json, "", " group ") || !find_device(rq, rq->name[0], &now))
		return;
	if (!json_is_null(value) &&
	    (!body_text(rq, "group", true, &name) || !find_group(rq, now.product.name, name)))
		return;
	rq->after = rq->show = device_moved;
	request_owed(rq);
	engine_device_group(rq->admin->conf.engine, &rq->actor, rq->name[0], name, request_done,
			    rq);
}

static void development(struct request *rq, bool on)
{
	struct engine_device now;

	if (!body_keys(rq, rq->json, "", "") || !find_device(rq, rq->name[0], &now))
		return;
	rq->after = rq->show = device_moved;
	request_owed(rq);
	engine_device_development(rq->admin->conf.engine, &rq->actor, rq->name[0], on, request_done,
				  rq);
}

void device_development(struct request *rq)
{
	development(rq, true);
}

void device_production(struct request *rq)
{
	development(rq, false);
}

bool body_group(struct request *rq, const struct product *p, int64_t *ret_group)
{
	const struct engine_group *g;
	const char *name;

	*ret_group = 0;
	if (!body_text(rq, "group", false, &name))
		return false;
	if (!name)
		return true;
	g = find_group(rq, p->name, name);
	if (g)
		*ret_group = g->group.id;
	return g != NULL;
}
