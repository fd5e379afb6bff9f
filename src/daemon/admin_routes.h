/* SPDX-License-Identifier: Apache-2.0
 *
 * The resources of the admin API and who serves them: one table.
 */
#ifndef DAEMON_ADMIN_ROUTES_H
#define DAEMON_ADMIN_ROUTES_H

#include "daemon/admin_http.h"
#include "daemon/engine_filter.h"
#include "daemon/health.h"

/* Finds rq's route by method and segments and sets rq->route and rq->name; or answers 404, or
 * 405 with Allow. */
void route_find(struct request *rq, const char *method);

/* The table, for whoever compares it. */
size_t route_count(void);
const struct route *route_at(size_t i);

route_fn contract_get, health_get, metrics_get, status_get;
route_fn products_list, products_add, product_get, product_patch, product_target;
route_fn product_ca_get, product_ca_put, product_ca_drop;
route_fn signers_list, signers_add, signer_get, signer_remove;
route_fn releases_list, release_get, release_remove, release_add_head, release_add;
route_fn release_activate, release_quarantine, release_withdraw;
route_fn release_explain, rollout_explain;
route_fn devices_list, devices_add, device_get, device_remove, device_explain;
route_fn device_lock, device_unlock, device_force, device_unforce, device_hold, device_unhold;
route_fn device_disable, device_enable, device_key_next, device_key_drop, device_certificate;
route_fn rollouts_list, rollouts_add, rollout_get, rollout_remove, rollout_members;
route_fn rollout_plan_get;
route_fn rollout_approve, rollout_start, rollout_pause, rollout_resume, rollout_next_wave;
route_fn rollout_finish, rollout_abort;
route_fn groups_list, groups_add, group_get, group_patch, group_remove, group_target;
route_fn queries_list, query_get, query_put, query_remove, device_tag, device_untag;
route_fn device_patch, device_group, device_development, device_production;
route_fn attempts_list, attempt_get, attempt_cancel;
route_fn events_get;
route_fn hooks_list, hooks_post, hook_get, hook_patch, hook_delete, hook_pause, hook_resume;
route_fn hook_test, hook_dead, hook_dead_retry, hook_dead_drop;
route_fn devices_import_head, devices_import;
route_fn backup_make;
route_fn audit_list, audit_verify, audit_prune;

/* Bytes of an image have come: how many were taken; 0 with rq suspended: none at present. */
size_t release_upload_write(struct request *rq, const char *ptr, size_t len);
void release_upload_abort(struct release_upload *up); /* the client is gone */
void release_upload_free(struct release_upload *up);  /* NULL is fine */

/* Bytes of an import have come. */
void import_upload_write(struct request *rq, const char *ptr, size_t len);
void import_upload_abort(struct import_upload *up); /* the client is gone; NULL is fine */
void import_upload_free(struct import_upload *up);  /* NULL is fine */

/* Answers with the row named by rq, as it is now; `status` 201 adds its Location. */
void reply_device(struct request *rq, unsigned status, const char *id);
void reply_attempt(struct request *rq, uint64_t id);
/* The devices that a request means: a parameter for each key of a filter, a filter as text, and a
 * saved query, all of which must hold. */
bool query_filter(struct request *rq, struct filter *ret);
/* "group" of the body, by name, in the product: its id, 0 if none is given. */
bool body_group(struct request *rq, const struct product *p, int64_t *ret_group);
/* The rollout that the path names, or 404. */
bool find_rollout(struct request *rq, struct engine_rollout *ret);
/* A name as one segment of a path. dst: 3 bytes for each of the name's, and 1. */
char *percent_encode(const char *name, char *dst, size_t cap);
/* The diagnoses of an attempt, open or closed; none if they cannot be read. */
json_t *attempt_json(struct request *rq, const struct attempt *at);
void attempt_diagnoses(struct admin *a, struct attempt *at, struct diagnoses *ret);

const struct health *health_of(const struct admin *a);
void backup_stop(struct backup *b); /* its request has ended; NULL is fine */
void backup_free(struct backup *b); /* NULL is fine */

void follower_free(struct follower *f);		/* NULL is fine */
void verification_free(struct verification *v); /* NULL is fine */
void survey_free(struct survey *v);		/* NULL is fine */
void listing_free(struct listing *l);		/* NULL is fine */
void followers_wake(struct admin *a, bool keep_alive);
/* How many follow, and how many events the slowest one has not been sent. */
unsigned followers_count(const struct admin *a, uint64_t *ret_lag);
/* The client of this connection is gone: a follower that sleeps on it ends. */
void follower_cut(struct admin *a, const struct MHD_Connection *connection);

#endif
