/* SPDX-License-Identifier: Apache-2.0
 *
 * /v1/hooks
 */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "daemon/admin_args.h"
#include "daemon/admin_match.h"
#include "daemon/admin_routes.h"
#include "daemon/hooks.h"
#include "daemon/view.h"

enum { SECRET_GENERATED = 32, DEAD_BYTES = 1 << 20 /* of the messages of one page */ };

/* False after an answer. */
static bool find_hook(struct request *rq, const char *name, struct hook_view *ret)
{
	if (rq->admin->conf.hooks && hooks_find(rq->admin->conf.hooks, name, ret) == 0)
		return true;
	reply_error(rq, ERR_NOENT, "there is no hook \"%.80s\"", name);
	return false;
}

static void reply_hook(struct request *rq, unsigned status, const char *name)
{
	char location[16 + 3 * LIMIT_HOOK_NAME + 1] = "/v1/hooks/";
	json_t *extra = json_object();
	struct hook_view v;

	if (rq->hook_secret[0])
		view_put(&extra, "secret", json_string(rq->hook_secret));
	if (rq->unchanged)
		view_put(&extra, "unchanged", json_true());
	if (!find_hook(rq, name, &v)) {
		json_decref(extra);
		return;
	}
	reply_row(rq, status, v.hook.rev, view_hook(&v), extra);
	if (status != 201)
		return;
	size_t len = strlen(location);
	(void)percent_encode(name, location + len, sizeof(location) - len);
	reply_header(rq, MHD_HTTP_HEADER_LOCATION, location);
}

void hooks_list(struct request *rq)
{
	const struct hooks *hooks = rq->admin->conf.hooks;
	json_t *list, *o;
	struct hook_view v;

	if (!body_keys(rq, rq->json, "", ""))
		return;
	list = json_array();
	for (unsigned i = 0; hooks && hooks_at(hooks, i, &v); i++)
		view_append(&list, view_hook(&v));
	o = json_object();
	view_put(&o, "hooks", list);
	reply_json(rq, 200, o);
}

void hook_get(struct request *rq)
{
	if (body_keys(rq, rq->json, "", ""))
		reply_hook(rq, 200, rq->name[0]);
}

/* ---- what it is to be ---- */

typedef bool word_check(struct request *rq, const char *word);

static bool check_topic(struct request *rq, const char *word)
{
	if (hook_topic_is_known(word))
		return true;
	reply_problem(rq, 400, "invalid",
		      "topics: \"%.80s\" begins no topic such as flash/status or device/boot",
		      word);
	return false;
}

static bool check_product(struct request *rq, const char *word)
{
	struct product p;

	return find_product(rq, word, &p);
}

/* An array of words; absent: as it is. */
static bool body_words(struct request *rq, const char *key, size_t max, word_check *check,
		       char *words)
{
	const json_t *list = json_object_get(rq->json, key);
	char text[LIMIT_HOOK_PRODUCTS + 1] = "";
	size_t len = 0, i;
	const json_t *item;

	if (!list)
		return true;
	if (!json_is_array(list)) {
		reply_problem(rq, 400, "invalid", "%s: not an array of strings", key);
		return false;
	}
	json_array_foreach(list, i, item)
	{
		const char *word = json_string_value(item);
		if (!word || !*word || strchr(word, ' ')) {
			reply_problem(rq, 400, "invalid", "%s: not an array of strings", key);
			return false;
		}
		if (!check(rq, word))
			return false;
		if (len + (len > 0) + strlen(word) > max) {
			reply_problem(rq, 400, "limit", "%s: all together longer than %zu bytes",
				      key, max);
			return false;
		}
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", len ? " " : "",
					word);
	}
	memcpy(words, text, len + 1);
	return true;
}

static bool body_url(struct request *rq, bool needed, struct hook *h)
{
	const char *url;

	if (!body_text(rq, "url", needed, &url))
		return false;
	if (!url)
		return true;
	const char *fault =
		strlen(url) > LIMIT_HOOK_URL ? "it is longer than 512 bytes" : hook_url_fault(url);
	if (fault) {
		reply_problem(rq, 400, "invalid", "url: %s", fault);
		return false;
	}
	(void)buf_copy_str(h->url, sizeof(h->url), url);
	return true;
}

/* URL, filters and batch of the body over what it has. */
static bool hook_fields(struct request *rq, bool is_new, struct hook *h)
{
	json_int_t batch = 0;
	bool given;

	if (!body_url(rq, is_new, h) ||
	    !body_words(rq, "topics", LIMIT_HOOK_TOPICS, check_topic, h->topics) ||
	    !body_words(rq, "products", LIMIT_HOOK_PRODUCTS, check_product, h->products) ||
	    !body_number(rq, "batch", 1, LIMIT_HOOK_BATCH, &given, &batch))
		return false;
	if (given)
		h->batch = (uint32_t)batch;
	return true;
}

static bool secret_draw(struct request *rq, struct psk *secret)
{
	if (getrandom(secret->bytes, SECRET_GENERATED, 0) != SECRET_GENERATED) {
		reply_problem(rq, 503, "crypto", "the system gives no random bytes");
		return false;
	}
	secret->len = SECRET_GENERATED;
	hook_secret_text(secret, rq->hook_secret);
	return true;
}

/* "secret" as text, or "secret_generate": true; neither: *ret_given is false. */
static bool secret_wanted(struct request *rq, struct psk *secret, bool *ret_given)
{
	const char *text;
	bool draw;

	if (!body_text(rq, "secret", false, &text) || !body_flag(rq, "secret_generate", &draw))
		return false;
	*ret_given = text || draw;
	if (text && draw) {
		reply_problem(rq, 400, "invalid",
			      "give one of \"secret\": \"TEXT\" and \"secret_generate\": true");
		return false;
	}
	if (draw)
		return secret_draw(rq, secret);
	if (text && hook_secret_parse(text, secret)) {
		reply_problem(rq, 400, "invalid",
			      "secret: not whsec_ and %d to %d bytes in base64, nor so many bytes "
			      "of text",
			      LIMIT_HOOK_SECRET_MIN, LIMIT_HOOK_SECRET);
		return false;
	}
	return true;
}

/* ---- changes ---- */

static void hook_added(struct request *rq)
{
	reply_hook(rq, 201, json_string_value(json_object_get(rq->json, "name")));
}

static void hook_changed(struct request *rq)
{
	reply_hook(rq, 200, rq->name[0]);
}

static void hook_removed(struct request *rq)
{
	reply_empty(rq, 204);
}

void hooks_post(struct request *rq)
{
	struct hook h = {.batch = 1, .state = HOOK_ACTIVE};
	struct psk secret = {0};
	json_int_t after = 0;
	const char *name;
	bool given, begins;

	if (!body_keys(rq, rq->json, "",
		       " name url topics products batch secret secret_generate after ") ||
	    !body_text(rq, "name", true, &name) || !check_name(rq, "name", name, LIMIT_HOOK_NAME) ||
	    !hook_fields(rq, true, &h) ||
	    !body_number(rq, "after", 0, INT64_MAX, &begins, &after) ||
	    !secret_wanted(rq, &secret, &given))
		return;
	if (!rq->admin->conf.hooks) {
		reply_error(rq, ERR_UNSUPPORTED, "this server sends no webhooks");
		return;
	}
	if (!given && !secret_draw(rq, &secret))
		return;
	(void)buf_copy_str(h.name, sizeof(h.name), name);
	rq->after = hook_added;
	request_owed(rq);
	hooks_add(rq->admin->conf.hooks, &rq->actor, &h, &secret,
		  begins ? (uint64_t)after : UINT64_MAX, request_done, rq);
	explicit_bzero(&secret, sizeof(secret));
}

void hook_patch(struct request *rq)
{
	struct psk secret = {0};
	struct hook_view v;
	bool given;

	if (!body_keys(rq, rq->json, "", " url topics products batch secret secret_generate ") ||
	    !find_hook(rq, rq->name[0], &v) || !hook_fields(rq, false, &v.hook) ||
	    !secret_wanted(rq, &secret, &given))
		return;
	rq->after = rq->show = hook_changed;
	request_owed(rq);
	hooks_set(rq->admin->conf.hooks, &rq->actor, &v.hook, given ? &secret : NULL, request_done,
		  rq);
	explicit_bzero(&secret, sizeof(secret));
}

void hook_delete(struct request *rq)
{
	struct hook_view v;

	if (!body_keys(rq, rq->json, "", "") || !find_hook(rq, rq->name[0], &v))
		return;
	rq->after = hook_removed;
	rq->show = hook_changed;
	request_owed(rq);
	hooks_remove(rq->admin->conf.hooks, &rq->actor, rq->name[0], request_done, rq);
}

static void state_change(struct request *rq, enum hook_state state)
{
	struct hook_view v;

	if (!body_keys(rq, rq->json, "", "") || !find_hook(rq, rq->name[0], &v))
		return;
	rq->after = rq->show = hook_changed;
	request_owed(rq);
	hooks_state_set(rq->admin->conf.hooks, &rq->actor, rq->name[0], state, request_done, rq);
}

void hook_pause(struct request *rq)
{
	state_change(rq, HOOK_PAUSED);
}

void hook_resume(struct request *rq)
{
	state_change(rq, HOOK_ACTIVE);
}

/* ---- a ping ---- */

static void pinged(void *ctx, const struct hook_answer *a)
{
	struct request *rq = ctx;
	json_t *o = json_object();

	view_put(&o, "taken", json_boolean(a->status >= 200 && a->status < 300));
	if (a->status)
		view_put(&o, "status", json_integer(a->status));
	view_put_text(&o, "error", a->error);
	view_put(&o, "took_ms", json_integer(a->took_ms));
	if (rq->connection) {
		reply_json(rq, 200, o);
		request_resume(rq);
	} else {
		json_decref(o);
	}
	(void)request_paid(rq);
}

void hook_test(struct request *rq)
{
	struct hook_view v;

	if (!body_keys(rq, rq->json, "", "") || !find_hook(rq, rq->name[0], &v))
		return;
	request_owed(rq);
	int err = hooks_ping(rq->admin->conf.hooks, rq->name[0], pinged, rq);
	if (!err)
		return;
	if (err == ERR_BUSY)
		reply_error(rq, err, "a ping to it is on its way already");
	else
		reply_error(rq, err, "%s", err_text(err));
	request_resume(rq);
	(void)request_paid(rq);
}

/* ---- what was put aside ---- */

struct dead_rows {
	json_t *list;
	int64_t last;
	size_t bytes;
	unsigned left;
};

static bool dead_row(void *ctx, const struct store_dead *d)
{
	struct dead_rows *rows = ctx;

	view_append(&rows->list, view_dead(d));
	rows->last = d->id;
	rows->bytes += strlen(d->body);
	rows->left--;
	return rows->bytes < DEAD_BYTES;
}

void hook_dead(struct request *rq)
{
	struct dead_rows rows = {0};
	uint64_t after, limit;
	struct hook_view v;

	if (!query_number(rq, "after", 0, INT64_MAX, 0, &after) ||
	    !query_number(rq, "limit", 1, LIMIT_PAGE, 100, &limit) ||
	    !body_keys(rq, rq->json, "", "") || !find_hook(rq, rq->name[0], &v))
		return;
	rows.list = json_array();
	rows.left = (unsigned)limit;
	if (!read_ok(rq, store_deads(rq->admin->conf.store, v.hook.id, false, (int64_t)after,
				     (unsigned)limit, dead_row, &rows))) {
		json_decref(rows.list);
		return;
	}
	json_t *o = json_object();
	view_put(&o, "dead", rows.list);
	if (rows.left == 0 || rows.bytes >= DEAD_BYTES)
		view_put(&o, "next", json_integer(rows.last));
	reply_json(rq, 200, o);
}

void hook_dead_retry(struct request *rq)
{
	struct hook_view v;
	json_int_t id = 0;
	bool given;

	if (!body_keys(rq, rq->json, "", " id ") || !find_hook(rq, rq->name[0], &v) ||
	    !body_number(rq, "id", 1, INT64_MAX, &given, &id))
		return;
	rq->after = rq->show = hook_changed;
	request_owed(rq);
	hooks_dead_retry(rq->admin->conf.hooks, &rq->actor, rq->name[0], id, request_done, rq);
}

void hook_dead_drop(struct request *rq)
{
	struct hook_view v;
	uint64_t id = 0;

	if (!body_keys(rq, rq->json, "", "") || !find_hook(rq, rq->name[0], &v))
		return;
	if (rq->name[1] && (!number_parse(rq->name[1], &id) || id < 1 || id > INT64_MAX)) {
		reply_error(rq, ERR_NOENT, "\"%.40s\" is no number of a message put aside",
			    rq->name[1]);
		return;
	}
	rq->after = rq->show = hook_changed;
	request_owed(rq);
	hooks_dead_drop(rq->admin->conf.hooks, &rq->actor, rq->name[0], (int64_t)id, request_done,
			rq);
}
