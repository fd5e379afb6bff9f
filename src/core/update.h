/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything that can happen to a device's update comes in here as one call, and goes out
 * as changed values, events and an answer. Pure: the caller loads, stores, commits, and
 * only then speaks (TRUTH 4; invariants I1-I8).
 *
 * Use: fill struct update (all of it), call one update_*(), store what the outcome says has
 * changed in one transaction together with its events, then answer.
 */
#ifndef CORE_UPDATE_H
#define CORE_UPDATE_H

#include "core/admit.h"
#include "core/attempt.h"
#include "core/diagnosis.h"
#include "core/event.h"
#include "core/plan.h"
#include "core/site.h"
#include "core/way.h"

/* In and out: the device and its open attempt. In: what is known around them. */
struct update {
	struct device device;
	bool has_attempt;
	struct attempt attempt; /* open, if has_attempt */

	const struct product *product;
	const struct device_group *group; /* the device's, NULL: none */
	const struct rollout *rollout;	  /* the same */
	const struct rollout *before;	  /* of device.rollout_before, the same */
	enum target_why why;		  /* where the goal comes from */
	const struct release *goal;	  /* per plan_target(), NULL: none */
	struct way way;			  /* to the goal */
	struct schedule schedule;	  /* its windows (core/site.h) */
	struct zone zone;		  /* and by which clock */
	const struct release *target;	  /* per update_aim(), NULL: none */
	const struct release *release;	  /* of the open attempt; NULL without one */
	const struct release *home;	  /* device.settled; NULL: none, or it was removed */
	struct history attempt_history;	  /* of (device, the open attempt's image) */
	unsigned failed_required; /* EV_* of the failed attempt that a member's result is of */
	struct link_facts link;
	int64_t now_ms;	    /* wall */
	int64_t session_ms; /* wall time of the session's handshake, 0: none */
	uint64_t random;    /* fresh random bits: attempt id, jitter */
	/* Our newest absence: deaf for so long, until then (wall). 0: none since the start. */
	int64_t deaf_ms, listening_ms;
	int64_t shed_ms;	    /* wall; when a block was last refused for load, 0: never */
	int64_t rate;		    /* bytes a second that a download can count on, 0: any */
	struct admission admission; /* of a download that would begin now */
	bool crowd;		    /* very many report at once */
	int64_t answer_due_ms;	    /* wall; until then an answer of the device may come, 0: none */
};

enum { UPDATE_EVENTS = 12 };
enum event_about {
	ABOUT_DEVICE,
	ABOUT_BOOT, /* the device, of whose present boot there is no report yet */
	ABOUT_CLOSED,
	ABOUT_OPEN
};

struct outcome {
	bool device_changed;  /* more than last contact: store u->device */
	bool seen_changed;    /* only last contact */
	bool attempt_changed; /* store u->attempt (open; number 0: insert it) */
	bool has_closed;      /* store `closed` (its last change) and its diagnoses, before that */
	struct attempt closed;
	struct diagnoses diagnoses;
	unsigned event_count;
	struct {
		enum event_kind kind;
		enum event_about about;
		uint64_t attempt; /* named where the attempt itself is not at hand, else 0 */
	} events[UPDATE_EVENTS];
	enum cause cause; /* the last classified one, for the log */
	bool cause_known; /* the table had an edge for it */
	bool stepped;	  /* `cause` is valid */
	bool new_boot;	  /* sessions of earlier boots are stale */
	bool late;	  /* the report was of a replaced boot and changed nothing */
	bool turned_away; /* the report found no token: there is no offer, and no harm */

	struct directive directive; /* answer to a report */
	bool accepted;		    /* answer to a status: 2.04, else 4.09 */
	/* Not accepted, but to be asked again after so many seconds: 5.03, and the image is kept.
	 * 0: 4.09. */
	int64_t later_s;
	int err;	 /* answer to an operator: 0, ERR_BUSY, ... */
	const char *why; /* words for err; static */
};

/* Sets u->target by the goal and the way to it: the goal, or a stone that comes before it; without
 * a goal it stays. For whoever has filled the rest; core does it again when what the device runs
 * has changed. */
void update_aim(struct update *u);

/* What plan_device() says of it now. */
struct plan update_plan(const struct update *u);

/* A boot report; out->directive is the answer. */
void update_report(struct update *u, const struct report *r, struct outcome *out);

/* A status; out->accepted. Only for the open attempt (I3); `applying` is the gate. */
void update_status(struct update *u, const struct status *s, struct outcome *out);

/* Any other genuine word of the device: it is there, and that is all. */
void update_heard(struct update *u, struct outcome *out);
/* It came back in a way that a restart explains, and what it runs is still to be asked: a weak boot
 * into an image that nobody knows, until a report tells better. */
void update_returned(struct update *u, struct outcome *out);
/* Offline from now on: it said good-bye, or (not `said`) what it had promised is over. */
void update_gone(struct update *u, bool said, struct outcome *out);

/* An image block [offset, offset + len) was served. `repeat`: these bytes went out before.
 * out->attempt_changed only where a commit is due (the first block); the counters in
 * u->attempt change always and may be stored with the next commit. */
void update_block(struct update *u, int64_t offset, int64_t len, bool repeat, struct outcome *out);

/* The attempt's deadline has passed (checked here again). */
void update_deadline(struct update *u, struct outcome *out);

/* The device's silence deadline has passed (checked here again). Time in which we were deaf is
 * no silence of a device that was last heard before. */
void update_silent(struct update *u, struct outcome *out);

/* We were away, or the clock jumped (TRUTH 7). A target that changed just before we went away
 * supersedes now. */
void update_outage(struct update *u, int64_t gap_ms, struct outcome *out);
void update_clock_step(struct update *u, int64_t step_ms, struct outcome *out);

enum operator_act {
	OPERATOR_TARGET_CHANGED, /* of its group or product: u->target is the new one */
	OPERATOR_LOCK,		 /* u->device.lock is set by this: argument release id, 0 unlocks */
	OPERATOR_GROUP,		 /* argument group id, 0: none */
	OPERATOR_DEVELOPMENT,	 /* argument 1, 0: not any more */
	OPERATOR_FORCE,
	OPERATOR_UNFORCE,
	OPERATOR_HOLD,
	OPERATOR_UNHOLD,
	OPERATOR_CANCEL,
	OPERATOR_DISABLE, /* the caller refuses it and ends its sessions from then on */
	OPERATOR_ENABLE,
	OPERATOR_REMOVE, /* the caller deletes the device in the same transaction */
	OPERATOR_RESTORED,
	OPERATOR_KEY, /* of its keys, which are the caller's; core knows nothing of it */
	OPERATOR_TAG, /* of its tags: the same */
	/* Its windows, its time zone: the caller has set them. Nothing follows before it next asks.
	 */
	OPERATOR_SITE,
};
/* out->err and out->why tell a refusal. For OPERATOR_LOCK, _GROUP and _DEVELOPMENT the caller has
 * looked up the new target already. */
void update_operator(struct update *u, enum operator_act act, int64_t arg, struct outcome *out);

#endif
