/* SPDX-License-Identifier: Apache-2.0
 *
 * /v1/audit
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/admin_args.h"
#include "daemon/admin_routes.h"
#include "daemon/engine_audit.h"
#include "daemon/view.h"

enum { OBJECT_MAX = LIMIT_PRODUCT_NAME + 1 + LIMIT_VERSION };

/* ---- the list ---- */

struct rows {
	json_t *list;
	uint64_t last;
	unsigned count;
};

static bool audit_row(void *ctx, const struct store_audit_row *row)
{
	struct rows *rows = ctx;

	view_append(&rows->list, view_audit(row));
	rows->last = row->seq;
	rows->count++;
	return true;
}

/* Where the log begins, if rows were taken out. */
static bool put_removed(struct request *rq, json_t **o)
{
	struct store_audit_head removed;

	if (!read_ok(rq, store_audit_removed(rq->admin->conf.store, &removed)))
		return false;
	if (removed.seq)
		view_put(o, "removed", view_removed(&removed));
	return true;
}

void audit_list(struct request *rq)
{
	struct store *store = rq->admin->conf.store;
	bool down = MHD_lookup_connection_value(rq->connection, MHD_GET_ARGUMENT_KIND, "before");
	bool up = MHD_lookup_connection_value(rq->connection, MHD_GET_ARGUMENT_KIND, "after");
	char object[OBJECT_MAX + 1];
	struct rows rows = {0};
	uint64_t after, before, limit;

	if (!query_number(rq, "after", 0, INT64_MAX, 0, &after) ||
	    !query_number(rq, "before", 0, INT64_MAX, 0, &before) ||
	    !query_number(rq, "limit", 1, LIMIT_PAGE, 100, &limit) ||
	    !query_text(rq, "object", sizeof(object), object) || !body_keys(rq, rq->json, "", ""))
		return;
	if (up && down) {
		reply_problem(rq, 400, "invalid",
			      "query: \"after\" is for oldest first, \"before\" for newest first: "
			      "give one");
		return;
	}
	rows.list = json_array();
	int err =
		down ? store_audits_before(store, object, before, (unsigned)limit, audit_row, &rows)
		     : store_audits(store, object, after, (unsigned)limit, audit_row, &rows);
	if (!read_ok(rq, err)) {
		json_decref(rows.list);
		return;
	}
	json_t *o = json_object();
	view_put(&o, "audit", rows.list);
	if (rows.count == limit)
		view_put(&o, "next", json_integer((json_int_t)rows.last));
	if (put_removed(rq, &o))
		reply_json(rq, 200, o);
	else
		json_decref(o);
}

/* ---- verifying: a page in each turn of the loop, one request after the other ---- */

struct verification {
	struct list link; /* in admin->verifying */
	struct request *rq;
	struct store_audit_check check;
};

static void verified(struct request *rq, const struct store_audit_check *c)
{
	json_t *o = json_object();

	view_put(&o, "ok", json_boolean(c->bad == 0));
	view_put(&o, "rows", json_integer((json_int_t)c->at.seq));
	if (c->removed.seq)
		view_put(&o, "removed", view_removed(&c->removed));
	if (c->bad) {
		view_put(&o, "bad", json_integer((json_int_t)c->bad));
		view_put_text(&o, "why", c->why);
	}
	view_put(&o, "hash", view_hex(c->at.hash, STORE_HASH));
	reply_json(rq, 200, o);
}

static void verify_step(uv_idle_t *idle)
{
	struct admin *a = idle->data;

	if (list_empty(&a->verifying)) {
		(void)uv_idle_stop(idle);
		return;
	}
	struct verification *v = LIST_ENTRY(a->verifying.next, struct verification, link);
	struct request *rq = v->rq;
	list_remove(&v->link);
	if (read_ok(rq, store_audit_check(a->conf.store, LIMIT_AUDIT_STEP, &v->check))) {
		if (v->check.done)
			verified(rq, &v->check);
		else
			list_append(&a->verifying, &v->link);
	}
	if (rq->response)
		request_resume(rq);
}

void audit_verify(struct request *rq)
{
	struct admin *a = rq->admin;

	if (!body_keys(rq, rq->json, "", ""))
		return;
	rq->verification = calloc(1, sizeof(*rq->verification));
	if (!rq->verification) {
		reply_error(rq, ERR_NOMEM, "out of memory");
		return;
	}
	rq->verification->rq = rq;
	list_append(&a->verifying, &rq->verification->link);
	(void)uv_idle_start(&a->step, verify_step);
}

void verification_free(struct verification *v)
{
	if (v)
		list_remove(&v->link);
	free(v);
}

/* ---- taking rows out ---- */

static void audit_pruned(struct request *rq)
{
	json_t *o = json_object();

	if (put_removed(rq, &o))
		reply_json(rq, 200, json_incref(json_object_get(o, "removed")));
	json_decref(o);
}

void audit_prune(struct request *rq)
{
	struct store_audit_head through = {0};
	json_int_t seq = 0;
	const char *hash;
	size_t len = 0;
	bool given;

	if (!body_keys(rq, rq->json, "", " through hash ") ||
	    !body_number(rq, "through", 1, INT64_MAX, &given, &seq) ||
	    !body_text(rq, "hash", true, &hash))
		return;
	if (!given || buf_from_hex(hash, strlen(hash), through.hash, STORE_HASH, &len) ||
	    len != STORE_HASH) {
		reply_problem(rq, 400, "invalid",
			      given ? "hash: not 64 hex digits" : "through: missing");
		return;
	}
	through.seq = (uint64_t)seq;
	rq->after = audit_pruned;
	request_owed(rq);
	engine_audit_prune(rq->admin->conf.engine, &rq->actor, &through, request_done, rq);
}
