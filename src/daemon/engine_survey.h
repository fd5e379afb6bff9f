/* SPDX-License-Identifier: Apache-2.0
 *
 * How it stands with a release and the devices of its product.
 */
#ifndef DAEMON_ENGINE_SURVEY_H
#define DAEMON_ENGINE_SURVEY_H

#include "daemon/engine.h"

/* Of all devices of the product that were looked at, in the order of their ids. */
struct engine_survey {
	char after[LIMIT_DEVICE_ID + 1]; /* the last one */
	bool done;			 /* there are no more */
	int64_t devices;
	int64_t running;	      /* run it, as they say */
	int64_t unconfirmed, silent;  /* of those */
	int64_t targeted;	      /* it is where they are to go in the end */
	int64_t by[TARGET_STONE + 1]; /* of those, by what says so */
	int64_t passing;	      /* it is on their way to another one */
	/* of those targeted: run it, have an open attempt, are offered it at their next check-in,
	 * wait */
	int64_t arrived, updating, offers, waiting;
	int64_t blocked[BLOCK_COUNT]; /* of those that wait, by every reason that applies */
};
/* The next `limit` devices; all zero to begin with, until it is done. ERR_NOENT: there is no such
 * release (any more). */
int engine_survey(struct engine *e, int64_t release, unsigned limit,
		  struct engine_survey *s) ERR_CHECK;

/* What leads to a release, but for locks. X(name, word) */
#define USE_LIST(X)                                                                                \
	X(USE_PRODUCT, "product")                                                                  \
	X(USE_GROUP, "group")                                                                      \
	X(USE_ROLLOUT, "rollout")                                                                  \
	X(USE_RELEASE, "release")
enum use {
#define USE_ENUM(name, word) name,
	USE_LIST(USE_ENUM)
#undef USE_ENUM
};
/* `state`: of a rollout or a release; "". */
typedef void engine_use(void *ctx, enum use kind, const char *name, const char *state);
void engine_release_uses(struct engine *e, int64_t release, engine_use *use, void *ctx);

/* How attempts to it ended since the start (engine_outcome.c). */
void engine_release_ends(const struct engine *e, int64_t release, uint64_t ret[VERDICT_COUNT]);

#endif
