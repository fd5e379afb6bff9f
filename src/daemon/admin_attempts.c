/* SPDX-License-Identifier: Apache-2.0
 *
 * /v1/attempts, /v1/openapi.json and /v1/status
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/admin_args.h"
#include "daemon/admin_match.h"
#include "daemon/admin_routes.h"
#include "daemon/contract.h"
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

static json_t *attempt_json(struct request *rq, const struct attempt *at)
{
	struct attempt now = *at;
	struct diagnoses dg;
	struct product p;

	if (store_product(rq->admin->conf.store, at->product, &p))
		p.name[0] = 0;
	attempt_diagnoses(rq->admin, &now, &dg);
	return view_attempt(&now, p.name, &dg, NULL);
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

struct rows {
	struct attempt *list;
	unsigned count;
};

static bool attempts_row(void *ctx, const struct attempt *a)
{
	struct rows *rows = ctx;

	rows->list[rows->count++] = *a;
	return true;
}

static void reply_attempts(struct request *rq, const struct rows *rows, uint64_t limit)
{
	json_t *o = json_object();
	json_t *list = json_array();

	for (unsigned i = 0; i < rows->count; i++)
		view_append(&list, attempt_json(rq, &rows->list[i]));
	view_put(&o, "attempts", list);
	if (rows->count == limit)
		view_put(&o, "next", json_integer((json_int_t)rows->list[rows->count - 1].number));
	reply_json(rq, 200, o);
}

static bool device_exists(struct request *rq, const char *id)
{
	struct engine_device now;
	bool found = find_device(rq, id, &now);

	explicit_bzero(&now, sizeof(now)); /* it holds a key */
	return found;
}

void attempts_list(struct request *rq)
{
	char device[LIMIT_DEVICE_ID + 1];
	struct rows rows = {0};
	uint64_t before, limit;
	bool open_only;

	if (!query_text(rq, "device", sizeof(device), device) ||
	    !query_flag(rq, "open", &open_only) ||
	    !query_number(rq, "before", 0, INT64_MAX, 0, &before) ||
	    !query_number(rq, "limit", 1, LIMIT_PAGE, 100, &limit) ||
	    !body_keys(rq, rq->json, "", ""))
		return;
	rows.list = calloc(limit, sizeof(*rows.list));
	if (!rows.list) {
		reply_error(rq, ERR_NOMEM, "out of memory");
		return;
	}
	if (read_ok(rq, store_attempts(rq->admin->conf.store, device, open_only, before,
				       (unsigned)limit, attempts_row, &rows)) &&
	    (rows.count || !device[0] || device_exists(rq, device)))
		reply_attempts(rq, &rows, limit);
	free(rows.list);
}

/* ---- the contract ---- */

void contract_get(struct request *rq)
{
	if (!body_keys(rq, rq->json, "", ""))
		return;
	/* libmicrohttpd has no const here; it only reads. */
	reply_response(rq, 200,
		       MHD_create_response_from_buffer(contract_json_len,
						       (void *)(uintptr_t)contract_json,
						       MHD_RESPMEM_PERSISTENT));
	reply_header(rq, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
}

/* ---- status ---- */

enum { STORE_QUEUE_LONG = 1000 };

static void put_counts(json_t **o, const struct store_counts *c)
{
	view_put(o, "products", json_integer((json_int_t)c->products));
	view_put(o, "releases", json_integer((json_int_t)c->releases));
	view_put(o, "devices", json_integer((json_int_t)c->devices));
	view_put(o, "online", json_integer((json_int_t)c->online));
	view_put(o, "held", json_integer((json_int_t)c->held));
	view_put(o, "open_attempts", json_integer((json_int_t)c->open_attempts));
	view_put(o, "updated", json_integer((json_int_t)c->updated));
	view_put(o, "failed", json_integer((json_int_t)c->failed));
}

static void put_traffic(json_t **o, struct admin *a)
{
	struct net_stats net = {0};
	struct engine_stats es = {0};
	json_t *handshakes = json_object();
	json_t *coap = json_object();

	engine_stats(a->conf.engine, &es);
	if (a->conf.net)
		net_stats_read(a->conf.net, &net);
	view_put(o, "sessions", json_integer((json_int_t)es.sessions));
	view_put(&handshakes, "ok", json_integer((json_int_t)net.handshakes_ok));
	view_put(&handshakes, "failed", json_integer((json_int_t)net.handshakes_failed));
	view_put(o, "handshakes", handshakes);
	view_put(&coap, "requests", json_integer((json_int_t)net.requests));
	view_put(&coap, "blocks", json_integer((json_int_t)es.blocks));
	view_put(&coap, "bytes", json_integer((json_int_t)es.bytes));
	view_put(&coap, "retransmissions", json_integer((json_int_t)net.retransmissions));
	view_put(&coap, "duplicates", json_integer((json_int_t)net.duplicates));
	view_put(o, "coap", coap);
}

static void put_store(json_t **o, struct admin *a)
{
	struct store_stats st = {0};
	json_t *store = json_object();
	json_t *problems = json_array();

	store_stats(a->conf.store, &st);
	view_put(&store, "commits", json_integer((json_int_t)st.commits));
	view_put(&store, "sets", json_integer((json_int_t)st.sets));
	view_put(&store, "failed_sets", json_integer((json_int_t)st.failed_sets));
	view_put(&store, "queued", json_integer((json_int_t)st.queued));
	view_put(o, "store", store);
	if (st.queued >= STORE_QUEUE_LONG)
		view_append(&problems,
			    json_sprintf("%llu changes wait for the disk: it is slow or full",
					 (unsigned long long)st.queued));
	view_put(o, "health", json_string(json_array_size(problems) ? "degraded" : "ok"));
	view_put(o, "problems", problems);
}

void status_get(struct request *rq)
{
	struct admin *a = rq->admin;
	const struct admin_conf *conf = &a->conf;
	struct store_counts counts;
	struct store_info info;

	if (!body_keys(rq, rq->json, "", "") || !read_ok(rq, store_counts(conf->store, &counts)))
		return;
	store_info(conf->store, &info);
	json_t *o = json_object();
	json_t *listen = json_array();
	view_put(&o, "version", json_string(conf->version));
	view_put(&o, "stream", json_string(info.stream));
	view_put(&o, "head", json_integer((json_int_t)info.head));
	view_put(&o, "uptime_s", json_integer((clock_read().wall_ms - conf->started_ms) / 1000));
	view_put_time(&o, "started", conf->started_ms);
	put_counts(&o, &counts);
	put_traffic(&o, a);
	put_store(&o, a);
	view_put(&o, "keys", json_string(conf->keys_sealed ? "sealed" : "clear"));
	for (const char *const *l = conf->listen; l && *l; l++)
		view_append(&listen, view_text(*l));
	view_put(&o, "listen", listen);
	reply_json(rq, 200, o);
}
