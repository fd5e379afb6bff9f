/* SPDX-License-Identifier: Apache-2.0
 *
 * /metrics: numbers that are counted anyway, so that no query holds the loop. Each family is in
 * postboot-metrics(7).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/attempt.h"
#include "daemon/admin_args.h"
#include "daemon/admin_routes.h"
#include "daemon/hooks.h"
#include "daemon/metrics.h"
#include "daemon/monitor.h"

/* Of LIMIT_OUTCOMES most, then of LIMIT_GROUPS with limits, then of open rollouts. */
enum { PAGE_MAX = 1216 * 1024 };

enum group_series { GROUP_ACTIVE, GROUP_LIMIT, GROUP_WAITING };

#define COUNTER METRICS_COUNTER
#define GAUGE METRICS_GAUGE

/* ---- the process ---- */

static void put_memory(struct metrics *m)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long size = 0, resident = 0;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	if (!f)
		return;
	/* The kernel writes it, and no number of pages is too large. */
	if (fscanf(f, "%lu %lu", &size, &resident) == 2) { // NOLINT(cert-err34-c)
		metrics_one(m, GAUGE, "process_resident_memory_bytes", "Memory in use.",
			    resident * page);
		metrics_one(m, GAUGE, "process_virtual_memory_bytes", "Addresses in use.",
			    size * page);
	}
	(void)fclose(f);
}

static double seconds_of(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

static void put_process(struct metrics *m, const struct admin *a)
{
	struct rusage use;
	struct rlimit limit;

	metrics_family(m, GAUGE, "postboot_build_info", "The version of the program.");
	metrics_count(m, "version", a->conf.version, 1);
	metrics_family(m, GAUGE, "process_start_time_seconds", "When it was started, Unix time.");
	metrics_seconds(m, (double)a->conf.started_ms / 1e3);
	if (getrusage(RUSAGE_SELF, &use) == 0) {
		metrics_family(m, COUNTER, "process_cpu_seconds_total", "Processor time used.");
		metrics_seconds(m, seconds_of(&use.ru_utime) + seconds_of(&use.ru_stime));
	}
	put_memory(m);
	metrics_one(m, GAUGE, "process_open_fds", "Open files and sockets.", monitor_open_files());
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		metrics_one(m, GAUGE, "process_max_fds", "How many there may be.", limit.rlim_cur);
}

static void put_turns(struct metrics *m, const struct turns *t)
{
	if (!t)
		return;
	metrics_family(m, METRICS_HISTOGRAM, "postboot_loop_turn_seconds",
		       "What turns of the loop took, without waiting.");
	metrics_histogram(m, turn_bound_us, TURN_BOUNDS, t->counts, t->sum_us);
	metrics_family(m, GAUGE, "postboot_loop_turn_longest_seconds", "The longest of them.");
	metrics_seconds(m, (double)t->longest_us / 1e6);
	metrics_family(m, GAUGE, "postboot_loop_part_longest_seconds",
		       "What took longest in a turn, by part.");
	for (int i = 0; i < TURN_PARTS; i++)
		metrics_seconds_of(m, "part", turn_part_words[i], (double)t->part_us[i] / 1e6);
	metrics_family(m, GAUGE, "postboot_loop_part_processor_seconds",
		       "The most processor time in a turn, by part.");
	for (int i = 0; i < TURN_PARTS; i++)
		metrics_seconds_of(m, "part", turn_part_words[i], (double)t->part_cpu_us[i] / 1e6);
}

/* ---- the fleet ---- */

static void put_fleet(struct metrics *m, const struct engine_stats *es)
{
	metrics_one(m, GAUGE, "postboot_products", "Products.", es->products);
	metrics_one(m, GAUGE, "postboot_releases", "Releases.", es->releases);
	metrics_one(m, GAUGE, "postboot_devices", "Devices.", es->devices);
	metrics_one(m, GAUGE, "postboot_devices_online", "Devices heard in time.", es->online);
	metrics_one(m, GAUGE, "postboot_devices_held", "Devices that are offered nothing.",
		    es->held);
	metrics_one(m, GAUGE, "postboot_devices_disabled", "Devices that may not come.",
		    es->disabled);
	metrics_family(m, GAUGE, "postboot_attempts_open", "Open attempts, by state.");
	for (int i = 0; i < ATTEMPT_STATE_COUNT; i++)
		if (i != ATTEMPT_CLOSED)
			metrics_count(m, "state", attempt_state_name((enum attempt_state)i),
				      es->open[i]);
	metrics_family(m, COUNTER, "postboot_attempts_closed_total",
		       "Attempts closed since the start, by verdict.");
	for (int i = 0; i < VERDICT_COUNT; i++)
		if (i != VERDICT_NONE)
			metrics_count(m, "verdict", verdict_name((enum verdict)i), es->closed[i]);
	metrics_one(m, COUNTER, "postboot_reports_total", "Reports of devices.", es->reports);
	metrics_one(m, COUNTER, "postboot_statuses_total", "Statuses of devices.", es->statuses);
	metrics_one(m, COUNTER, "postboot_causes_ignored_total",
		    "Causes that changed nothing in the state they came in.", es->causes_absent);
	metrics_family(m, COUNTER, "postboot_shed_total",
		       "Requests refused with 5.03 because too much waited.");
	metrics_count(m, "reason", "device-queue", es->shed);
}

/* Names are those of operators; never a device's. */
static void put_outcomes(struct metrics *m, const struct engine *e, const struct engine_stats *es)
{
	struct engine_outcome o;

	metrics_family(m, COUNTER, "postboot_outcomes_total",
		       "Attempts closed since the start, by product, release, group and verdict.");
	for (unsigned i = 0; engine_outcome_at(e, i, &o); i++) {
		for (int v = 0; o.closed && v < VERDICT_COUNT; v++) {
			const char *const pairs[] = {
				"product", o.product, "release", o.release,
				"group",   o.group,   "verdict", verdict_name((enum verdict)v),
				NULL};
			if (o.closed[v])
				metrics_labels(m, pairs, o.closed[v]);
		}
	}
	metrics_family(m, METRICS_HISTOGRAM, "postboot_update_seconds",
		       "Time from an offer to a proved update.");
	metrics_histogram_s(m, engine_confirm_s, ENGINE_CONFIRMS, es->confirms, es->confirms_sum_s);
}

/* Those that are open: so many series and no more. */
static void put_rollouts(struct metrics *m, struct engine *e)
{
	struct engine_rollout v;
	const char *pairs[] = {"product", v.product, "rollout", v.rollout.name, NULL, NULL, NULL};

	metrics_family(m, GAUGE, "postboot_rollout_state", "1 of the state of each open rollout.");
	pairs[4] = "state";
	for (size_t i = 0; engine_rollout_open(e, &i, &v);) {
		pairs[5] = rollout_state_name(v.rollout.state);
		metrics_labels(m, pairs, 1);
	}
	metrics_family(m, GAUGE, "postboot_rollout_members",
		       "Members of open rollouts, by what came of it.");
	pairs[4] = "result";
	for (size_t i = 0; engine_rollout_open(e, &i, &v);) {
		struct wave_counts all = rollout_total(&v.counts, v.rollout.wave_count);
		for (int r = 0; r < MEMBER_COUNT; r++) {
			pairs[5] = member_name((enum member)r);
			metrics_labels(m, pairs, (uint64_t)all.results[r]);
		}
	}
	metrics_family(m, GAUGE, "postboot_rollout_members_reached",
		       "Members of open rollouts whose target it is.");
	pairs[4] = NULL;
	for (size_t i = 0; engine_rollout_open(e, &i, &v);) {
		struct wave_counts all = rollout_total(&v.counts, v.rollout.wave_count);
		metrics_labels(m, pairs, (uint64_t)all.released);
	}
}

/* Label values are names of ours. */
static void put_protocols(struct metrics *m, const struct engine_stats *es)
{
	const struct engine_protocol *list = es->protocols;

	metrics_family(m, GAUGE, "postboot_protocol_devices",
		       "Devices, by the protocol that they speak.");
	for (unsigned i = 0; i < es->protocol_count; i++)
		metrics_count(m, "protocol", list[i].name[0] ? list[i].name : "unknown",
			      list[i].devices);
	metrics_family(m, COUNTER, "postboot_protocol_requests_total",
		       "Requests of devices, by protocol; those for images not counted.");
	for (unsigned i = 1; i < es->protocol_count; i++)
		metrics_count(m, "protocol", list[i].name, list[i].requests);
	metrics_family(m, COUNTER, "postboot_protocol_asks_total",
		       "Requests to devices, by protocol.");
	for (unsigned i = 1; i < es->protocol_count; i++)
		metrics_count(m, "protocol", list[i].name, list[i].asks);
	metrics_family(m, COUNTER, "postboot_protocol_attempts_closed_total",
		       "Attempts closed since the start, by protocol and verdict.");
	for (unsigned i = 0; i < es->protocol_count; i++)
		for (int v = 0; v < VERDICT_COUNT; v++)
			if (list[i].closed[v])
				metrics_count2(m, "protocol",
					       list[i].name[0] ? list[i].name : "unknown",
					       "verdict", verdict_name((enum verdict)v),
					       list[i].closed[v]);
}

static void put_downloads(struct metrics *m, const struct engine_stats *es)
{
	metrics_one(m, GAUGE, "postboot_downloads", "Downloads under way that made a sign lately.",
		    es->downloads);
	metrics_one(m, GAUGE, "postboot_downloads_limit",
		    "How many there may be at the same time; 0: any number.", es->downloads_limit);
	metrics_one(m, GAUGE, "postboot_downloads_waiting",
		    "Devices that wait for their turn to download.", es->downloads_waiting);
	metrics_family(m, GAUGE, "postboot_downloads_oldest_wait_seconds",
		       "How long the first of them has waited.");
	metrics_seconds(m, (double)es->downloads_oldest_wait_ms / 1e3);
	metrics_one(m, COUNTER, "postboot_downloads_turned_away_total",
		    "Offers that were not made because as many as may downloaded.",
		    es->turned_away);
}

/* Of groups that have limits: their names are the operator's. */
static void put_group_loads(struct metrics *m, struct engine *e, enum group_series which)
{
	const struct engine_group *g;
	struct engine_group_load load;

	for (size_t i = 0; (g = engine_group_at(e, i)); i++) {
		engine_group_load(g, &load);
		if (load.limit) {
			const char *const pairs[] = {"product",
						     engine_product_name(e, g->group.product),
						     "group", g->group.name, NULL};
			metrics_labels(m, pairs,
				       which == GROUP_LIMIT	? load.limit
				       : which == GROUP_WAITING ? load.waiting
								: load.downloads);
		}
	}
}

static void put_groups(struct metrics *m, struct engine *e)
{
	metrics_family(m, GAUGE, "postboot_group_downloads",
		       "Downloads under way of each group that has limits.");
	put_group_loads(m, e, GROUP_ACTIVE);
	metrics_family(m, GAUGE, "postboot_group_downloads_limit",
		       "How many of them there may be at the same time.");
	put_group_loads(m, e, GROUP_LIMIT);
	metrics_family(m, GAUGE, "postboot_group_downloads_waiting",
		       "Devices of the group that wait for their turn.");
	put_group_loads(m, e, GROUP_WAITING);
}

static void put_images(struct metrics *m, const struct admin *a, const struct engine_stats *es)
{
	struct images_stats images;

	images_stats(a->conf.images, &images);
	metrics_one(m, COUNTER, "postboot_image_blocks_total", "Image blocks served.", es->blocks);
	metrics_one(m, COUNTER, "postboot_image_bytes_total", "Bytes of images served.", es->bytes);
	metrics_family(m, COUNTER, "postboot_image_blocks_late_total",
		       "Image blocks that went beyond a rate: held back for a moment, or refused.");
	metrics_count(m, "how", "held", es->blocks_held);
	metrics_count(m, "how", "refused", es->blocks_refused);
	metrics_family(m, COUNTER, "postboot_image_reads_total",
		       "Image blocks read, from memory or from the file.");
	metrics_count(m, "from", "memory", images.hits);
	metrics_count(m, "from", "file", images.reads - images.hits);
}

/* ---- the network ---- */

static void put_handshakes(struct metrics *m, const struct net_stats *net)
{
	static const char *const results[NET_GONE_COUNT] = {
		[NET_GONE_CLOSED] = "rejected",	   [NET_GONE_IDLE] = "timeout",
		[NET_GONE_REPLACED] = "restarted", [NET_GONE_EVICTED] = "evicted",
		[NET_GONE_LOCAL] = "stopped",
	};

	metrics_family(m, COUNTER, "postboot_handshakes_total", "DTLS handshakes, by their end.");
	metrics_count(m, "result", "ok", net->handshakes_ok);
	for (int i = 0; i < NET_GONE_COUNT; i++)
		metrics_count(m, "result", results[i], net->handshakes_gone[i]);
	metrics_family(m, COUNTER, "postboot_handshakes_shed_total",
		       "Datagrams of handshakes dropped: too many without cookie, too many with "
		       "one, or no place.");
	metrics_count(m, "reason", "cookie", net->hellos_shed);
	metrics_count(m, "reason", "rate", net->handshakes_shed);
	metrics_count(m, "reason", "room", net->half_open_shed);
	metrics_one(m, GAUGE, "postboot_handshakes_open", "Handshakes under way.", net->half_open);
	metrics_one(m, COUNTER, "postboot_handshakes_resumed_total",
		    "Handshakes of certificates that a session ticket made cheap.",
		    net->handshakes_resumed);
}

static void put_refused(struct metrics *m, const struct net_stats *net)
{
	metrics_family(m, COUNTER, "postboot_certificates_refused_total",
		       "Handshakes and sessions with certificates that were refused, by reason.");
	for (int i = NET_REFUSED_NONE + 1; i < NET_REFUSED_COUNT; i++)
		metrics_count(m, "reason", net_refused_name((enum net_refused)i),
			      net->certificates_refused[i]);
	metrics_one(m, COUNTER, "postboot_disabled_refused_total",
		    "Handshakes of disabled devices, with keys or certificates, that were refused.",
		    net->disabled_refused);
}

static void put_sleep(struct metrics *m, const struct net_stats *net)
{
	metrics_one(m, GAUGE, "postboot_sessions_hibernated",
		    "Sessions that are idle and have given up their memory.", net->asleep);
	metrics_family(
		m, COUNTER, "postboot_wakes_total",
		"Hibernated sessions that were looked at, by what for and with what result.");
	metrics_count(m, "result", "received", net->wakes);
	metrics_count(m, "result", "sent", net->wakes_to_send);
	metrics_count(m, "result", "forged", net->wakes_failed);
	metrics_count(m, "result", "shed", net->wakes_shed);
	metrics_one(m, COUNTER, "postboot_sessions_restored_total",
		    "Sessions of the process before that went on.", net->restored);
}

static void put_shed(struct metrics *m, const struct net_stats *net)
{
	static const char *const reasons[NET_SHED_COUNT] = {
		[NET_SHED_DEVICE] = "device", [NET_SHED_ADDRESS] = "address",
		[NET_SHED_ALL] = "all",	      [NET_SHED_SILENT] = "silent",
		[NET_SHED_UNREAD] = "unread",
	};

	metrics_family(m, COUNTER, "postboot_messages_shed_total",
		       "Messages of devices and addresses refused or dropped for their quotas.");
	for (int i = 0; i < NET_SHED_COUNT; i++)
		metrics_count(m, "reason", reasons[i], net->shed[i]);
	metrics_one(m, GAUGE, "postboot_limited",
		    "Devices and addresses that were refused something just now.", net->limited);
}

static void put_connection_ids(struct metrics *m, const struct net_stats *net)
{
	metrics_one(m, GAUGE, "postboot_connection_ids",
		    "Sessions that have a connection ID (RFC 9146).", net->cid_peers);
	metrics_one(m, COUNTER, "postboot_address_changes_total",
		    "Sessions that followed their device to another address.",
		    net->address_changes);
	metrics_family(m, COUNTER, "postboot_connection_id_records_dropped_total",
		       "Records with a connection ID of no session, or forged or repeated from "
		       "another address.");
	metrics_count(m, "reason", "unknown", net->cid_unknown);
	metrics_count(m, "reason", "forged", net->cid_refused);
}

static void put_coap(struct metrics *m, const struct net_stats *net)
{
	metrics_one(m, COUNTER, "postboot_coap_requests_total", "CoAP requests.", net->requests);
	metrics_one(m, COUNTER, "postboot_coap_duplicates_total", "Requests that came again.",
		    net->duplicates);
	metrics_one(m, COUNTER, "postboot_coap_retransmissions_total", "Messages sent again.",
		    net->retransmissions);
	metrics_one(m, COUNTER, "postboot_coap_notifications_total", "Notifications sent.",
		    net->notifications);
	metrics_family(m, COUNTER, "postboot_coap_responses_total", "CoAP responses, by code.");
	for (unsigned code = NET_CODE(2, 0); code < 256; code++) {
		char word[8];
		(void)snprintf(word, sizeof(word), "%u.%02u", code >> 5, code & 31);
		if (net->responses[code])
			metrics_count(m, "code", word, net->responses[code]);
	}
}

static void put_net(struct metrics *m, const struct admin *a, const struct engine_stats *es)
{
	struct net_stats net = {0};

	if (a->conf.net)
		net_stats_read(a->conf.net, &net);
	metrics_one(m, GAUGE, "postboot_sessions", "Sessions of devices.", es->sessions);
	put_sleep(m, &net);
	put_connection_ids(m, &net);
	put_handshakes(m, &net);
	put_refused(m, &net);
	metrics_one(m, COUNTER, "postboot_datagrams_received_total", "Datagrams received.",
		    net.datagrams_in);
	metrics_one(m, COUNTER, "postboot_datagrams_sent_total", "Datagrams sent.",
		    net.datagrams_out);
	metrics_one(m, COUNTER, "postboot_datagrams_dropped_total",
		    "Datagrams that belong to nothing or were too many.", net.dropped);
	metrics_one(m, GAUGE, "postboot_receive_buffer_bytes",
		    "The smallest receive buffer of a socket.", net.receive_buffer_bytes);
	put_coap(m, &net);
	put_shed(m, &net);
}

/* ---- the store ---- */

static void put_store(struct metrics *m, struct admin *a)
{
	struct store_fault write, read;
	struct store_stats st;

	store_stats(a->conf.store, &st);
	store_faults(a->conf.store, &write, &read);
	metrics_family(m, COUNTER, "postboot_store_changes_total",
		       "Changes of the database, each all or nothing.");
	metrics_count(m, "result", "ok", st.sets - st.failed_sets);
	metrics_count(m, "result", "failed", st.failed_sets);
	metrics_one(m, GAUGE, "postboot_store_queue", "Changes that wait for the disk.", st.queued);
	metrics_family(m, METRICS_HISTOGRAM, "postboot_store_commit_seconds",
		       "What commits took, each of one or more changes.");
	metrics_histogram(m, store_latency_us, STORE_LATENCIES, st.latency_count,
			  st.latency_sum_us);
	metrics_family(m, COUNTER, "postboot_store_failures_total",
		       "Commits and reads that the machine made fail.");
	metrics_count(m, "operation", "write", write.failures);
	metrics_count(m, "operation", "read", read.failures);
}

static bool first_event(void *ctx, const struct store_event_row *e)
{
	*(uint64_t *)ctx = e->seq;
	return false;
}

static void put_events(struct metrics *m, struct admin *a, const struct admin_stats *as)
{
	struct store_info info;
	uint64_t oldest = 0;

	store_info(a->conf.store, &info);
	metrics_one(m, GAUGE, "postboot_event_head", "Number of the newest event.", info.head);
	if (store_events(a->conf.store, 0, "", 1, first_event, &oldest) == 0)
		metrics_one(m, GAUGE, "postboot_event_oldest",
			    "Number of the oldest event that is kept; 0: none.", oldest);
	metrics_one(m, GAUGE, "postboot_event_readers", "Connections that follow the events.",
		    as->followers);
	metrics_one(m, GAUGE, "postboot_event_reader_lag",
		    "Events that the slowest of them has not been sent.", as->follower_lag);
}

/* ---- webhooks ---- */

static uint64_t hook_lag(const struct hook_view *v)
{
	return v->lag;
}

static uint64_t hook_dead_count(const struct hook_view *v)
{
	return v->dead;
}

static uint64_t hook_delivered(const struct hook_view *v)
{
	return v->place.delivered;
}

static uint64_t hook_missed(const struct hook_view *v)
{
	return v->place.missed;
}

static uint64_t hook_failing(const struct hook_view *v)
{
	int64_t since = v->place.failing_ms, now = clock_read().wall_ms;

	return since && now > since ? (uint64_t)((now - since) / 1000) : 0;
}

static void put_hook_family(struct metrics *m, const struct hooks *hooks, enum metrics_type type,
			    const char *name, const char *help,
			    uint64_t (*of)(const struct hook_view *v))
{
	struct hook_view v;

	metrics_family(m, type, name, help);
	for (unsigned i = 0; hooks_at(hooks, i, &v); i++)
		metrics_count(m, "hook", v.hook.name, of(&v));
}

static void put_hook_states(struct metrics *m, const struct hooks *hooks)
{
	struct hook_view v;

	metrics_family(m, GAUGE, "postboot_hook_state", "1 of the state of each webhook.");
	for (unsigned i = 0; hooks_at(hooks, i, &v); i++)
		metrics_count2(m, "hook", v.hook.name, "state", hook_state_name(v.hook.state), 1);
}

static void put_hooks(struct metrics *m, const struct hooks *hooks)
{
	struct hooks_stats st;

	if (!hooks)
		return;
	hooks_stats(hooks, &st);
	put_hook_states(m, hooks);
	put_hook_family(m, hooks, GAUGE, "postboot_hook_lag",
			"Events that a webhook has not looked at.", hook_lag);
	put_hook_family(m, hooks, GAUGE, "postboot_hook_failing_seconds",
			"For how long its receiver has taken nothing; 0: it works.", hook_failing);
	put_hook_family(m, hooks, GAUGE, "postboot_hook_put_aside",
			"Messages of a webhook that are put aside.", hook_dead_count);
	put_hook_family(m, hooks, COUNTER, "postboot_hook_delivered_total",
			"Events of a webhook that were taken, ever.", hook_delivered);
	put_hook_family(m, hooks, COUNTER, "postboot_hook_missed_total",
			"Events deleted before a webhook had sent them, ever.", hook_missed);
	metrics_family(m, COUNTER, "postboot_hook_messages_total",
		       "Messages of webhooks since the start, by what came of them.");
	metrics_count(m, "result", "taken", st.taken);
	metrics_count(m, "result", "refused", st.refused);
	metrics_count(m, "result", "later", st.later);
	metrics_count(m, "result", "gone", st.ended);
}

/* ---- the admin API, and health ---- */

static void put_admin(struct metrics *m, const struct admin_stats *as)
{
	metrics_one(m, GAUGE, "postboot_admin_connections", "Connections to the admin API.",
		    as->connections);
	metrics_family(m, COUNTER, "postboot_admin_requests_total",
		       "Requests of the admin API, by the status of the answer.");
	for (unsigned i = 0; i < ADMIN_STATUSES; i++) {
		char word[8];
		(void)snprintf(word, sizeof(word), "%u", i + 100);
		if (as->requests[i])
			metrics_count(m, "code", word, as->requests[i]);
	}
}

static void put_health(struct metrics *m, const struct health *h)
{
	metrics_one(m, GAUGE, "postboot_health_degraded", "1 while something is refused.",
		    health_is_degraded(h));
	metrics_family(m, GAUGE, "postboot_health_condition", "1 while the condition holds.");
	for (int id = 0; id < HEALTH_COUNT; id++)
		metrics_count(m, "name", health_name((enum health_id)id), h->list[id].is_set);
}

/* ---- GET ---- */

static void put_all(struct metrics *m, struct admin *a)
{
	struct engine_stats es;
	struct admin_stats as;

	engine_stats(a->conf.engine, &es);
	admin_stats(a, &as);
	put_process(m, a);
	put_turns(m, a->conf.turns);
	put_health(m, health_of(a));
	put_fleet(m, &es);
	put_outcomes(m, a->conf.engine, &es);
	put_rollouts(m, a->conf.engine);
	put_protocols(m, &es);
	put_downloads(m, &es);
	put_groups(m, a->conf.engine);
	put_images(m, a, &es);
	put_net(m, a, &es);
	put_store(m, a);
	put_events(m, a, &as);
	put_hooks(m, a->conf.hooks);
	put_admin(m, &as);
	metrics_end(m);
}

void metrics_get(struct request *rq)
{
	const char *accept = MHD_lookup_connection_value(rq->connection, MHD_HEADER_KIND,
							 MHD_HTTP_HEADER_ACCEPT);
	struct metrics m = {.open_metrics =
				    accept && strstr(accept, "application/openmetrics-text")};

	if (!body_keys(rq, rq->json, "", ""))
		return;
	char *page = malloc(PAGE_MAX);
	if (!page) {
		reply_error(rq, ERR_NOMEM, "out of memory");
		return;
	}
	m.out = buf_writer(page, PAGE_MAX);
	put_all(&m, rq->admin->conf.main ? rq->admin->conf.main : rq->admin);
	struct MHD_Response *r = NULL;
	if (buf_ok(&m.out))
		r = MHD_create_response_from_buffer(m.out.pos, page, MHD_RESPMEM_MUST_FREE);
	if (!r) {
		free(page);
		reply_error(rq, ERR_NOMEM, "the page cannot be made");
		return;
	}
	reply_response(rq, 200, r);
	reply_header(rq, MHD_HTTP_HEADER_CONTENT_TYPE,
		     m.open_metrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
				    : "text/plain; version=0.0.4; charset=utf-8");
}
