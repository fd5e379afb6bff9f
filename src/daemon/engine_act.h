/* SPDX-License-Identifier: Apache-2.0
 *
 * An operator's act on the catalogue, or on a device's row as a whole: what it writes and its row
 * in the audit log are one write-set; after its commit the memory follows, then the answer goes
 * out. Use: look (refusals by act_answer()), act_new(), fill it, act_submit(). Acts on one device
 * are jobs (engine_job.c).
 */
#ifndef DAEMON_ENGINE_ACT_H
#define DAEMON_ENGINE_ACT_H

#include "daemon/engine_internal.h"

struct act;

/* The store has it; now the memory. */
typedef int act_adopt(struct act *act, const struct store_result *result);
/* What it writes besides its row in the audit log; `what` as given to act_submit(). */
typedef void act_put(struct store_set *set, const void *what);

struct act {
	struct engine *e;
	act_adopt *adopt;
	const char *name; /* in the audit log: "product set" */
	char object[LIMIT_PRODUCT_NAME + 1 + LIMIT_VERSION + 1];
	struct actor by;
	/* what it is about, as it is to be */
	struct product product;
	struct release release;
	struct device_group group;
	const char *busy; /* what ERR_BUSY means for it; NULL: the database is locked */
	const char *gone; /* the same of ERR_NOENT */
	bool rings; /* the product's devices are to hear of it, with a group only the group's */
	engine_done *done;
	void *ctx;
};

/* NULL after it was answered. */
struct act *act_new(struct engine *e, act_adopt *adopt, const char *name, const struct actor *by,
		    engine_done *done, void *ctx);
/* Names have no spaces: "blinky 1.1.0" is one release. `name` may be "". */
void act_object(struct act *act, const char *product, const char *name);
/* Takes the act and the facts; json_null(): there was, is nothing. */
void act_submit(struct act *act, act_put *put, const void *what, json_t *before, json_t *after);
/* The same of a row that may be as wanted already; only what differs is told. */
void act_submit_change(struct act *act, act_put *put, const void *what, json_t *before,
		       json_t *after);
/* The same of a target; `overruled`: it is news also if it is the one that was set before. */
void act_submit_target(struct act *act, act_put *put, const void *what, json_t *before,
		       json_t *after, bool overruled);

/* Submits the job; `arg` is that of update_operator(). */
void act_on_device(struct engine *e, const struct actor *by, const char *id, enum operator_act act,
		   int64_t arg, engine_done *done, void *ctx);

void act_answer(engine_done *done, void *ctx, int err, const char *why);
void act_answer_unchanged(engine_done *done, void *ctx);
extern const char act_stale_why[];
/* True, and answered: it is not active, so it cannot become a target. NULL: none. */
bool release_refuses(const struct release *r, engine_done *done, void *ctx);
enum { RELEASE_WHY = 384 };
/* The same without an answer: true, and why. */
bool release_is_no_target(const struct release *r, char why[RELEASE_WHY]);
/* An error, and why: its product wants a signature, and it has none by a signer that there is. */
int release_unsigned(struct engine *e, const struct product *p, const struct release *r,
		     char why[RELEASE_WHY]) ERR_CHECK;
/* The server's own act: an active release becomes quarantined, for what happened in a rollout, or,
 * NULL, with so many devices. In two halves: into a set of the caller's, and, with `release` as
 * put, after its commit. */
int release_quarantine_put(struct engine *e, struct store_set *set, const struct rollout *r,
			   int64_t devices, struct release *release) ERR_CHECK;
void release_quarantine_adopt(struct engine *e, const struct release *release,
			      const struct store_result *result);
/* What an error of the store means, in a sentence. */
const char *act_store_why(int err);

#endif
