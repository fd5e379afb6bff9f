/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/admin_routes.h"

#include <string.h>

/* clang-format off */
static const struct route routes[] = {
	{"GET",    "/metrics", "", BODY_JSON, NULL, metrics_get, false},
	{"GET",    "/v1/health", "", BODY_JSON, NULL, health_get, false},
	{"GET",    "/v1/openapi.json", "", BODY_JSON, NULL, contract_get, false},
	{"GET",    "/v1/status", "", BODY_JSON, NULL, status_get, false},

	{"GET",    "/v1/products", " after limit ", BODY_JSON, NULL, products_list, false},
	{"POST",   "/v1/products", "", BODY_JSON, NULL, products_add, false},
	{"GET",    "/v1/products/*", "", BODY_JSON, NULL, product_get, false},
	{"PATCH",  "/v1/products/*", "", BODY_JSON, NULL, product_patch, true},
	{"PUT",    "/v1/products/*/target", "", BODY_JSON, NULL, product_target, true},
	{"GET",    "/v1/products/*/ca", "", BODY_JSON, NULL, product_ca_get, false},
	{"PUT",    "/v1/products/*/ca", "", BODY_JSON, NULL, product_ca_put, true},
	{"DELETE", "/v1/products/*/ca", "", BODY_JSON, NULL, product_ca_drop, true},

	{"GET",    "/v1/products/*/signers", "", BODY_JSON, NULL, signers_list, false},
	{"POST",   "/v1/products/*/signers", "", BODY_JSON, NULL, signers_add, false},
	{"GET",    "/v1/products/*/signers/*", "", BODY_JSON, NULL, signer_get, false},
	{"DELETE", "/v1/products/*/signers/*", "", BODY_JSON, NULL, signer_remove, true},

	{"GET",    "/v1/releases", " after limit ", BODY_JSON, NULL, releases_list, false},
	{"GET",    "/v1/products/*/releases", " after limit ", BODY_JSON, NULL, releases_list, false},
	{"POST",   "/v1/products/*/releases", 
	 " version running reports min_version must_pass hardware boot_loader security_counter"
	 " draft label_anyway signature ", BODY_IMAGE,
	 release_add_head, release_add, false},
	{"GET",    "/v1/products/*/releases/*", "", BODY_JSON, NULL, release_get, false},
	{"DELETE", "/v1/products/*/releases/*", "", BODY_JSON, NULL, release_remove, true},
	{"GET",    "/v1/products/*/releases/*/explain", "", BODY_JSON, NULL, release_explain, false},
	{"POST",   "/v1/products/*/releases/*/activate", "", BODY_JSON, NULL, release_activate, true},
	{"POST",   "/v1/products/*/releases/*/quarantine", "", BODY_JSON, NULL, release_quarantine,
	 true},
	{"POST",   "/v1/products/*/releases/*/withdraw", "", BODY_JSON, NULL, release_withdraw, true},

	{"GET",    "/v1/products/*/rollouts", " after limit ", BODY_JSON, NULL, rollouts_list, false},
	{"POST",   "/v1/products/*/rollouts", "", BODY_JSON, NULL, rollouts_add, false},
	{"GET",    "/v1/products/*/rollouts/*", "", BODY_JSON, NULL, rollout_get, false},
	{"DELETE", "/v1/products/*/rollouts/*", " yes ", BODY_JSON, NULL, rollout_remove, true},
	{"GET",    "/v1/products/*/rollouts/*/devices", " after limit ", BODY_JSON, NULL,
	 rollout_members, false},
	{"GET",    "/v1/products/*/rollouts/*/plan", " days ", BODY_JSON, NULL, rollout_plan_get,
	 false},
	{"GET",    "/v1/products/*/rollouts/*/explain", "", BODY_JSON, NULL, rollout_explain, false},
	{"POST",   "/v1/products/*/rollouts/*/approve", "", BODY_JSON, NULL, rollout_approve, true},
	{"POST",   "/v1/products/*/rollouts/*/start", "", BODY_JSON, NULL, rollout_start, true},
	{"POST",   "/v1/products/*/rollouts/*/pause", "", BODY_JSON, NULL, rollout_pause, true},
	{"POST",   "/v1/products/*/rollouts/*/resume", "", BODY_JSON, NULL, rollout_resume, true},
	{"POST",   "/v1/products/*/rollouts/*/next", "", BODY_JSON, NULL, rollout_next_wave, true},
	{"POST",   "/v1/products/*/rollouts/*/finish", "", BODY_JSON, NULL, rollout_finish, true},
	{"POST",   "/v1/products/*/rollouts/*/abort", "", BODY_JSON, NULL, rollout_abort, true},

	{"GET",    "/v1/groups", " after limit ", BODY_JSON, NULL, groups_list, false},
	{"GET",    "/v1/products/*/groups", " after limit ", BODY_JSON, NULL, groups_list, false},
	{"POST",   "/v1/products/*/groups", "", BODY_JSON, NULL, groups_add, false},
	{"GET",    "/v1/products/*/groups/*", "", BODY_JSON, NULL, group_get, false},
	{"PATCH",  "/v1/products/*/groups/*", "", BODY_JSON, NULL, group_patch, true},
	{"DELETE", "/v1/products/*/groups/*", "", BODY_JSON, NULL, group_remove, true},
	{"PUT",    "/v1/products/*/groups/*/target", "", BODY_JSON, NULL, group_target, true},

	{"GET",    "/v1/devices", " product group tag development state hold online version drifted"
	 " locked hardware protocol filter query after limit ",
	 BODY_JSON, NULL, devices_list, false},
	{"POST",   "/v1/devices", "", BODY_JSON, NULL, devices_add, false},
	{"GET",    "/v1/devices/*", "", BODY_JSON, NULL, device_get, false},
	{"PATCH",  "/v1/devices/*", "", BODY_JSON, NULL, device_patch, true},
	{"DELETE", "/v1/devices/*", "", BODY_JSON, NULL, device_remove, true},
	{"GET",    "/v1/devices/*/explain", "", BODY_JSON, NULL, device_explain, false},
	{"POST",   "/v1/devices/*/key", "", BODY_JSON, NULL, device_key_next, true},
	{"DELETE", "/v1/devices/*/key", "", BODY_JSON, NULL, device_key_drop, true},
	{"POST",   "/v1/devices/*/certificate", "", BODY_JSON, NULL, device_certificate, true},
	{"POST",   "/v1/devices/*/lock", "", BODY_JSON, NULL, device_lock, true},
	{"POST",   "/v1/devices/*/unlock", "", BODY_JSON, NULL, device_unlock, true},
	{"POST",   "/v1/devices/*/group", "", BODY_JSON, NULL, device_group, true},
	{"POST",   "/v1/devices/*/tag", "", BODY_JSON, NULL, device_tag, true},
	{"POST",   "/v1/devices/*/untag", "", BODY_JSON, NULL, device_untag, true},
	{"POST",   "/v1/devices/*/development", "", BODY_JSON, NULL, device_development, true},
	{"POST",   "/v1/devices/*/production", "", BODY_JSON, NULL, device_production, true},
	{"POST",   "/v1/devices/*/force", "", BODY_JSON, NULL, device_force, true},
	{"POST",   "/v1/devices/*/unforce", "", BODY_JSON, NULL, device_unforce, true},
	{"POST",   "/v1/devices/*/hold", "", BODY_JSON, NULL, device_hold, true},
	{"POST",   "/v1/devices/*/unhold", "", BODY_JSON, NULL, device_unhold, true},
	{"POST",   "/v1/devices/*/disable", "", BODY_JSON, NULL, device_disable, true},
	{"POST",   "/v1/devices/*/enable", "", BODY_JSON, NULL, device_enable, true},

	{"POST",   "/v1/imports", " dry_run skip_existing ", BODY_LINES, devices_import_head,
	 devices_import, false},

	{"GET",    "/v1/queries", " after limit ", BODY_JSON, NULL, queries_list, false},
	{"GET",    "/v1/queries/*", "", BODY_JSON, NULL, query_get, false},
	{"PUT",    "/v1/queries/*", "", BODY_JSON, NULL, query_put, true},
	{"DELETE", "/v1/queries/*", "", BODY_JSON, NULL, query_remove, true},

	{"GET",    "/v1/attempts",
	 " device product release verdict charged since until open before limit ", BODY_JSON, NULL,
	 attempts_list, false},
	{"GET",    "/v1/attempts/*", "", BODY_JSON, NULL, attempt_get, false},
	{"POST",   "/v1/attempts/*/cancel", "", BODY_JSON, NULL, attempt_cancel, true},

	{"GET",    "/v1/events", " after device topic attempt format follow limit ", BODY_JSON,
	 NULL, events_get, false},

	{"GET",    "/v1/hooks", "", BODY_JSON, NULL, hooks_list, false},
	{"POST",   "/v1/hooks", "", BODY_JSON, NULL, hooks_post, false},
	{"GET",    "/v1/hooks/*", "", BODY_JSON, NULL, hook_get, false},
	{"PATCH",  "/v1/hooks/*", "", BODY_JSON, NULL, hook_patch, true},
	{"DELETE", "/v1/hooks/*", "", BODY_JSON, NULL, hook_delete, true},
	{"POST",   "/v1/hooks/*/pause", "", BODY_JSON, NULL, hook_pause, true},
	{"POST",   "/v1/hooks/*/resume", "", BODY_JSON, NULL, hook_resume, true},
	{"POST",   "/v1/hooks/*/test", "", BODY_JSON, NULL, hook_test, false},
	{"GET",    "/v1/hooks/*/dead", " after limit ", BODY_JSON, NULL, hook_dead, false},
	{"POST",   "/v1/hooks/*/retry", "", BODY_JSON, NULL, hook_dead_retry, true},
	{"DELETE", "/v1/hooks/*/dead", "", BODY_JSON, NULL, hook_dead_drop, true},
	{"DELETE", "/v1/hooks/*/dead/*", "", BODY_JSON, NULL, hook_dead_drop, true},

	{"GET",    "/v1/audit", " after before object limit ", BODY_JSON, NULL, audit_list, false},
	{"GET",    "/v1/audit/verify", "", BODY_JSON, NULL, audit_verify, false},
	{"POST",   "/v1/audit/prune", "", BODY_JSON, NULL, audit_prune, false},

	{"POST",   "/v1/backup", "", BODY_JSON, NULL, backup_make, false},
};
/* clang-format on */
enum { ROUTE_COUNT = sizeof(routes) / sizeof(routes[0]) };

size_t route_count(void)
{
	return ROUTE_COUNT;
}

const struct route *route_at(size_t i)
{
	return &routes[i];
}

/* Compares segment by segment; notes where the stars are. */
static bool path_matches(struct request *rq, const char *pattern, char *names[2])
{
	unsigned stars = 0;

	for (unsigned i = 0; i < rq->segments; i++) {
		if (*pattern++ != '/')
			return false;
		size_t len = strcspn(pattern, "/");
		if (len == 1 && *pattern == '*') {
			if (!*rq->segment[i])
				return false;
			names[stars++] = rq->segment[i];
		} else if (strlen(rq->segment[i]) != len ||
			   memcmp(rq->segment[i], pattern, len) != 0) {
			return false;
		}
		pattern += len;
	}
	return rq->segments > 0 && !*pattern;
}

/* Anybody may ask for it who reaches the address of metrics-listen. */
static bool is_open(const struct route *route)
{
	return route->run == metrics_get || route->run == health_get;
}

void route_find(struct request *rq, const char *method)
{
	const char *want = strcmp(method, "HEAD") == 0 ? "GET" : method;
	char allow[64];
	struct buf b = buf_writer(allow, sizeof(allow));

	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		char *names[2] = {NULL, NULL};
		if (rq->admin->conf.main && !is_open(&routes[i]))
			continue;
		if (!path_matches(rq, routes[i].path, names))
			continue;
		if (strcmp(want, routes[i].method) == 0) {
			rq->route = &routes[i];
			rq->name[0] = names[0];
			rq->name[1] = names[1];
			return;
		}
		if (b.pos)
			buf_put_str(&b, ", ");
		buf_put_str(&b, routes[i].method);
	}
	if (!b.pos) {
		reply_problem(rq, 404, "not-found",
			      "there is no such resource; see postboot-api(7)");
		return;
	}
	reply_problem(rq, 405, "method", "%.16s is not for this resource; it takes %s", method,
		      buf_cstr(&b));
	reply_header(rq, MHD_HTTP_HEADER_ALLOW, buf_cstr(&b));
}
