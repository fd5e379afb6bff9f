/* SPDX-License-Identifier: Apache-2.0
 *
 * For acts on what is not the engine's own (hooks_act.c): the same rows in the audit log, the same
 * words, the same events as its own acts have.
 */
#ifndef DAEMON_ENGINE_AUDIT_H
#define DAEMON_ENGINE_AUDIT_H

#include <jansson.h>

#include "core/event.h"
#include "daemon/engine.h"

/* Removes from both what is equal; true if something is left. */
bool audit_differ(json_t *before, json_t *after);
/* Takes the facts; json_null(): there was, is nothing. */
int audit_put(struct store_set *set, const struct actor *by, const char *act, const char *object,
	      json_t *before, json_t *after) ERR_CHECK;
/* The journal keeps the head of the log, too: once it is committed. */
void audit_log(const struct actor *by, const char *act, const char *object,
	       const struct store_result *result);
/* Is this the row that he has seen? */
bool actor_matches(const struct actor *by, int64_t rev);
/* What an error of the store means to an operator. */
const char *act_store_why(int err);

/* An event of no device, with the server's prefix. Takes the payload. */
int engine_event_put(struct engine *e, struct store_set *set, enum event_kind kind,
		     json_t *payload) ERR_CHECK;
/* A set with events has been committed: whoever follows them is told. */
void engine_events_told(struct engine *e, const struct store_result *result);

/* Takes the rows up to this one out of the log: at most LIMIT_AUDIT_PRUNE, and only if the row has
 * this hash. */
void engine_audit_prune(struct engine *e, const struct actor *by,
			const struct store_audit_head *through, engine_done *done, void *ctx);

#endif
