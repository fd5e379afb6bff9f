/* SPDX-License-Identifier: Apache-2.0
 *
 * Webhooks: each follows the events from its own place on and sends them to one receiver, in their
 * order, one message in flight. What an answer means is decided in core/hook.h; how far each hook
 * is stands in the store, so that nothing is lost by a crash: at worst something is sent again.
 * A place is saved a moment after it has moved, once for many messages.
 *
 * Bounded: LIMIT_HOOKS hooks, of each one message in memory and only while it is in flight.
 */
#ifndef DAEMON_HOOKS_H
#define DAEMON_HOOKS_H

#include <uv.h>

#include "core/hook.h"
#include "daemon/engine.h"
#include "daemon/health.h"
#include "daemon/hook_http.h"
#include "daemon/keys.h"

struct hooks;

struct hooks_conf {
	uv_loop_t *loop; /* all borrowed */
	struct store *store;
	struct engine *engine;
	const struct keys *keys; /* NULL: secrets are kept in clear */
	struct hook_http_conf http;
	struct hook_rules rules;
};

int hooks_new(const struct hooks_conf *conf, struct hooks **ret) ERR_CHECK;
/* Takes http and rules, and nothing else. */
void hooks_conf_set(struct hooks *h, const struct hooks_conf *conf);
/* Ends what is under way; places are submitted to the store. Once. */
void hooks_stop(struct hooks *h, void (*stopped)(void *ctx), void *ctx);
void hooks_free(
	struct hooks *h); /* after `stopped`, and when the store owes nothing; NULL is fine */
/* Once a second: keeps its row of the table of health. */
void hooks_look(struct hooks *h, struct health *health);

/* ---- for views ---- */

struct hook_view {
	struct hook hook;
	struct hook_place place;
	uint64_t lag;  /* events that it has not looked at */
	uint64_t dead; /* messages put aside */
	bool in_flight;
};
/* By name; false beyond the last. */
bool hooks_at(const struct hooks *h, unsigned index, struct hook_view *ret);
int hooks_find(const struct hooks *h, const char *name, struct hook_view *ret) ERR_CHECK;

struct hooks_stats {
	uint64_t taken, later, refused, ended; /* messages, by outcome */
	uint64_t put_aside, missed, disabled;
};
void hooks_stats(const struct hooks *h, struct hooks_stats *ret);

/* ---- acts of operators: as those of engine.h ---- */

/* `after`: begin after this event, UINT64_MAX: with the next one. ERR_BUSY: there are LIMIT_HOOKS.
 */
void hooks_add(struct hooks *h, const struct actor *by, const struct hook *hook,
	       const struct psk *secret, uint64_t after, engine_done *done, void *ctx);
/* URL, filters and batch of `hook`; secret NULL: as it is. */
void hooks_set(struct hooks *h, const struct actor *by, const struct hook *hook,
	       const struct psk *secret, engine_done *done, void *ctx);
/* To HOOK_PAUSED, or to HOOK_ACTIVE from whatever state. */
void hooks_state_set(struct hooks *h, const struct actor *by, const char *name,
		     enum hook_state state, engine_done *done, void *ctx);
void hooks_remove(struct hooks *h, const struct actor *by, const char *name, engine_done *done,
		  void *ctx);
/* What was put aside: one, or all with id 0. */
void hooks_dead_retry(struct hooks *h, const struct actor *by, const char *name, int64_t id,
		      engine_done *done, void *ctx);
void hooks_dead_drop(struct hooks *h, const struct actor *by, const char *name, int64_t id,
		     engine_done *done, void *ctx);
/* Sends a ping, whatever its state. ERR_BUSY: one is on its way. */
int hooks_ping(struct hooks *h, const char *name, hook_answered_fn *done, void *ctx) ERR_CHECK;

#endif
