/* SPDX-License-Identifier: Apache-2.0
 *
 * /v1/queries: filters under a name; the filter of a request; and tags of devices.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/admin_args.h"
#include "daemon/admin_match.h"
#include "daemon/admin_routes.h"
#include "daemon/view.h"

/* ---- the filter of a request ---- */

static bool refuse(struct request *rq, int err, const char *why)
{
	if (err)
		reply_problem(rq, err == ERR_NOENT ? 404 : 400,
			      err == ERR_NOENT ? "not-found" : "invalid", "%s", why);
	return !err;
}

static bool find_query(struct request *rq, const char *name, struct store_query *ret)
{
	int err = store_query(rq->admin->conf.store, name, ret);

	if (err == ERR_NOENT) {
		reply_error(rq, err, "there is no saved query \"%.80s\"", name);
		return false;
	}
	return read_ok(rq, err);
}

static bool is_given(const struct request *rq, const char *key)
{
	return MHD_lookup_connection_value(rq->connection, MHD_GET_ARGUMENT_KIND, key) != NULL;
}

static bool filter_words(struct request *rq, const char *text, struct filter *f)
{
	char why[FILTER_WHY];
	int err = filter_parse(f, text, why);

	return refuse(rq, err ? ERR_INVAL : 0, why);
}

bool query_filter(struct request *rq, struct filter *ret)
{
	char text[LIMIT_FILTER_TEXT + 1], why[FILTER_WHY] = "query: ";
	const size_t at = strlen(why);
	struct store_query saved;
	struct filter f = {0};

	for (unsigned i = 0; i < FILTER_KEYS; i++) {
		const char *key = filter_key_name((enum filter_key)i);
		char word[FILTER_WHY];

		if (!is_given(rq, key))
			continue;
		if (!query_text(rq, key, sizeof(text), text))
			return false;
		int err = filter_add_pair(&f, key, text, word);
		(void)buf_copy_str(why + at, sizeof(why) - at, word);
		if (!refuse(rq, err ? ERR_INVAL : 0, why))
			return false;
	}
	if (!query_text(rq, "filter", sizeof(text), text) || !filter_words(rq, text, &f) ||
	    !query_text(rq, "query", LIMIT_QUERY_NAME + 1, text))
		return false;
	if (text[0] && (!find_query(rq, text, &saved) || !filter_words(rq, saved.filter, &f)))
		return false;
	if (!refuse(rq, engine_filter_check(rq->admin->conf.engine, &f, why), why))
		return false;
	*ret = f;
	return true;
}

/* ---- saved queries ---- */

static void reply_query(struct request *rq)
{
	struct store_query q;

	if (find_query(rq, rq->name[0], &q))
		reply_row(rq, 200, q.rev, view_query(&q), NULL);
}

static void query_gone(struct request *rq)
{
	reply_empty(rq, 204);
}

struct rows {
	json_t *list;
	unsigned count;
	char last[LIMIT_QUERY_NAME + 1];
};

static bool query_row(void *ctx, const struct store_query *q)
{
	struct rows *rows = ctx;

	view_append(&rows->list, view_query(q));
	rows->count++;
	(void)buf_copy_str(rows->last, sizeof(rows->last), q->name);
	return true;
}

void queries_list(struct request *rq)
{
	char after[LIMIT_QUERY_NAME + 1];
	struct rows rows = {0};
	uint64_t limit;

	if (!query_text(rq, "after", sizeof(after), after) ||
	    !query_number(rq, "limit", 1, LIMIT_PAGE, 100, &limit) ||
	    !body_keys(rq, rq->json, "", ""))
		return;
	rows.list = json_array();
	if (!read_ok(rq, store_queries(rq->admin->conf.store, after, (unsigned)limit, query_row,
				       &rows))) {
		json_decref(rows.list);
		return;
	}
	json_t *o = json_object();
	view_put(&o, "queries", rows.list);
	if (rows.count == limit)
		view_put(&o, "next", json_string(rows.last));
	reply_json(rq, 200, o);
}

void query_get(struct request *rq)
{
	if (body_keys(rq, rq->json, "", ""))
		reply_query(rq);
}

void query_put(struct request *rq)
{
	struct filter f = {0};
	char why[FILTER_WHY];
	const char *text;

	if (!body_keys(rq, rq->json, "", " filter ") ||
	    !check_name(rq, "name", rq->name[0], LIMIT_QUERY_NAME) ||
	    !body_text(rq, "filter", true, &text) || !filter_words(rq, text, &f) ||
	    !refuse(rq, engine_filter_check(rq->admin->conf.engine, &f, why), why))
		return;
	rq->after = rq->show = reply_query;
	request_owed(rq);
	engine_query_save(rq->admin->conf.engine, &rq->actor, rq->name[0], &f, request_done, rq);
}

void query_remove(struct request *rq)
{
	struct store_query q;

	if (!body_keys(rq, rq->json, "", "") || !find_query(rq, rq->name[0], &q))
		return;
	rq->after = query_gone;
	rq->show = reply_query;
	request_owed(rq);
	engine_query_remove(rq->admin->conf.engine, &rq->actor, rq->name[0], request_done, rq);
}

/* ---- tags ---- */

static bool body_tags(struct request *rq, struct store_tags *ret)
{
	const json_t *list = json_object_get(rq->json, "tags");
	json_t *value;
	size_t i;

	ret->count = 0;
	if (!json_is_array(list) || !json_array_size(list) || json_array_size(list) > LIMIT_TAGS) {
		reply_problem(rq, 400, "invalid", "tags: not an array of 1 to %d tags", LIMIT_TAGS);
		return false;
	}
	json_array_foreach(list, i, value)
	{
		const char *tag = json_string_value(value);

		if (!tag || !tag_valid(tag)) {
			reply_problem(rq, 400, "invalid",
				      "tags: \"%.80s\" is not a tag: 1 to %d printable ASCII "
				      "characters without spaces, quotes, commas, / and \\, not "
				      "beginning with - or .",
				      tag ? tag : "?", LIMIT_TAG);
			return false;
		}
		(void)buf_copy_str(ret->list[ret->count++], sizeof(ret->list[0]), tag);
	}
	return true;
}

static void device_tagged(struct request *rq)
{
	reply_device(rq, 200, rq->name[0]);
}

static void change_tags(struct request *rq, bool on)
{
	struct engine_device now;
	struct store_tags tags;

	if (!body_keys(rq, rq->json, "", " tags ") || !find_device(rq, rq->name[0], &now) ||
	    !body_tags(rq, &tags))
		return;
	rq->after = rq->show = device_tagged;
	request_owed(rq);
	engine_device_tag(rq->admin->conf.engine, &rq->actor, rq->name[0], on, &tags, request_done,
			  rq);
}

void device_tag(struct request *rq)
{
	change_tags(rq, true);
}

void device_untag(struct request *rq)
{
	change_tags(rq, false);
}
