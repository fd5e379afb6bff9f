/* SPDX-License-Identifier: Apache-2.0
 *
 * /v1/status, /v1/health and /v1/openapi.json: answered whatever fails.
 */
#include "base/clock.h"
#include "daemon/admin_args.h"
#include "daemon/admin_routes.h"
#include "daemon/contract.h"
#include "daemon/view.h"

/* ---- health ---- */

const struct health *health_of(const struct admin *a)
{
	static const struct health fine;
	const struct health *h = a->conf.health;

	if (h && h->look) /* what was refused a moment ago is known to whoever asks why */
		h->look(h->look_ctx);
	return a->conf.health ? a->conf.health : &fine;
}

void health_get(struct request *rq)
{
	if (body_keys(rq, rq->json, "", ""))
		reply_json(rq, 200, view_health(health_of(rq->admin)));
}

/* ---- status ---- */

static void put_counts(json_t **o, const struct store_info *info, const struct engine_stats *es)
{
	uint64_t open = 0;

	for (int state = 0; state < ATTEMPT_STATE_COUNT; state++)
		open += es->open[state];
	view_put(o, "products", json_integer((json_int_t)es->products));
	view_put(o, "releases", json_integer((json_int_t)es->releases));
	view_put(o, "devices", json_integer((json_int_t)es->devices));
	view_put(o, "online", json_integer((json_int_t)es->online));
	view_put(o, "held", json_integer((json_int_t)es->held));
	view_put(o, "disabled", json_integer((json_int_t)es->disabled));
	view_put(o, "open_attempts", json_integer((json_int_t)open));
	view_put(o, "updated", json_integer((json_int_t)info->updated));
	view_put(o, "failed", json_integer((json_int_t)info->failed));
}

static void put_traffic(json_t **o, struct admin *a, const struct engine_stats *es)
{
	struct net_stats net = {0};
	json_t *handshakes = json_object();
	json_t *coap = json_object();

	if (a->conf.net)
		net_stats_read(a->conf.net, &net);
	view_put(o, "sessions", json_integer((json_int_t)es->sessions));
	view_put(o, "connection_ids", json_integer((json_int_t)net.cid_peers));
	view_put(&handshakes, "ok", json_integer((json_int_t)net.handshakes_ok));
	view_put(&handshakes, "failed", json_integer((json_int_t)net.handshakes_failed));
	view_put(o, "handshakes", handshakes);
	view_put(&coap, "requests", json_integer((json_int_t)net.requests));
	view_put(&coap, "blocks", json_integer((json_int_t)es->blocks));
	view_put(&coap, "bytes", json_integer((json_int_t)es->bytes));
	view_put(&coap, "retransmissions", json_integer((json_int_t)net.retransmissions));
	view_put(&coap, "duplicates", json_integer((json_int_t)net.duplicates));
	view_put(o, "coap", coap);
}

static void put_downloads(json_t **o, const struct engine_stats *es)
{
	json_t *d = json_object();

	view_put(&d, "active", json_integer((json_int_t)es->downloads));
	view_put(&d, "limit", json_integer((json_int_t)es->downloads_limit));
	view_put(&d, "waiting", json_integer((json_int_t)es->downloads_waiting));
	view_put(&d, "turned_away", json_integer((json_int_t)es->turned_away));
	view_put(&d, "oldest_wait_s", json_integer(es->downloads_oldest_wait_ms / 1000));
	view_put(o, "downloads", d);
}

static void put_store(json_t **o, struct admin *a)
{
	struct store_stats st = {0};
	json_t *store = json_object();

	store_stats(a->conf.store, &st);
	view_put(&store, "commits", json_integer((json_int_t)st.commits));
	view_put(&store, "sets", json_integer((json_int_t)st.sets));
	view_put(&store, "failed_sets", json_integer((json_int_t)st.failed_sets));
	view_put(&store, "queued", json_integer((json_int_t)st.queued));
	view_put(o, "store", store);
}

/* Those that wait for an operator, the halted ones first; all of this is in memory. */
static void put_rollouts(json_t **o, struct engine *e)
{
	json_t *all = json_object();
	json_t *list = json_array();
	json_int_t open = 0, stopped = 0;
	struct engine_rollout v;

	for (unsigned rank = 1; rank <= ROLLOUT_RANKS; rank++) {
		size_t at = 0;
		for (open = 0; engine_rollout_open(e, &at, &v); open++) {
			if (rollout_needs_word(&v.rollout) != rank)
				continue;
			if (stopped++ < LIMIT_ROLLOUTS_TOLD)
				view_append(&list, view_rollout_waits(&v));
		}
	}
	view_put(&all, "open", json_integer(open));
	view_put(&all, "stopped", json_integer(stopped));
	view_put(&all, "list", list);
	view_put(o, "rollouts", all);
}

static void put_health(json_t **o, const struct health *h)
{
	json_t *problems = json_array(), *warnings = json_array();

	for (int id = 0; id < HEALTH_COUNT; id++) {
		const struct health_condition *c = &h->list[id];
		char since[32];

		if (c->is_set)
			view_append(health_degrades((enum health_id)id) ? &problems : &warnings,
				    json_sprintf("%s, since %s: %s", c->what,
						 view_when(c->since_ms, since), c->todo));
	}
	view_put(o, "health", json_string(health_word(h)));
	view_put(o, "problems", problems);
	view_put(o, "warnings", warnings);
}

void status_get(struct request *rq)
{
	struct admin *a = rq->admin;
	const struct admin_conf *conf = &a->conf;
	struct engine_stats es;
	struct store_info info;

	if (!body_keys(rq, rq->json, "", ""))
		return;
	engine_stats(conf->engine, &es);
	store_info(conf->store, &info);
	json_t *o = json_object();
	json_t *listen = json_array();
	view_put(&o, "version", json_string(conf->version));
	view_put(&o, "stream", json_string(info.stream));
	view_put(&o, "head", json_integer((json_int_t)info.head));
	view_put(&o, "uptime_s", json_integer((clock_read().wall_ms - conf->started_ms) / 1000));
	view_put_time(&o, "started", conf->started_ms);
	put_counts(&o, &info, &es);
	put_rollouts(&o, conf->engine);
	put_traffic(&o, a, &es);
	put_downloads(&o, &es);
	put_store(&o, a);
	put_health(&o, health_of(a));
	view_put(&o, "keys", json_string(conf->keys_sealed ? "sealed" : "clear"));
	for (const char *const *l = conf->listen; l && *l; l++)
		view_append(&listen, view_text(*l));
	view_put(&o, "listen", listen);
	reply_json(rq, 200, o);
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
