/* SPDX-License-Identifier: Apache-2.0
 *
 * Admission: so many downloads at a time, and whose turn it is. Pure: the caller has the memory,
 * the time and the chance; times are milliseconds of a clock that does not jump.
 *
 * A gate has a number of tokens. Who may begin a download takes one and gives it back at its end;
 * who finds none is turned away, is told when to come again, and gets a place in the queue that it
 * keeps until it is admitted. Most devices cannot be called: they come when they were told to, so
 * the queue is an order of precedence and not a line that stands there.
 *
 * - Who is far behind is told three quarters of what it will likely take: he comes early rather
 *   than late, and anew with a better guess. Who is next comes an eighth of a download apart. So a
 *   free token finds somebody soon, and a device asks some ten times at most, however long it
 * waits.
 * - A token goes to whoever comes, unless as many of those before him are about to come. For whom
 *   it has been the turn for longer it is kept for longer, so nobody starves; who does not come
 * when he was to is no longer waited for, so no token is kept for ever.
 *
 * A gate may stand before another one, that of a group before that of all: who passes the first
 * waits at the second with a token of the first that is kept for him. So of a group there are never
 * more in the queue of all than could begin: a full group holds up nobody else, and its others wait
 * among themselves. A place has its number when it is first turned away, wherever that is, and
 * comes into the other queue among those of its time.
 *
 * A download that makes no sign gives its token back and may go on all the same: what has begun is
 * finished first. Until such ones are through, there are more downloads than tokens, and no new
 * ones.
 */
#ifndef CORE_ADMIT_H
#define CORE_ADMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "core/plan.h"

enum {
	ADMIT_IDLE_MS = 60000,	   /* without a sign of the device a download has no token */
	ADMIT_AGAIN_MAX_S = 3600,  /* nobody is told to stay away for longer */
	ADMIT_FORGET_MS = 7200000, /* who is so late has lost his place */
	ADMIT_LOOK = 64,	   /* places that one decision looks at */
	ADMIT_NEAR = 8,		   /* at least so many count as next */
	ADMIT_RATE_LEAST = 2048,   /* bytes a second of a download that is worth beginning */
};

struct admit_gate {
	struct admit_gate *above; /* the one behind it; NULL: none */
	int64_t kept;		  /* for those who wait there */
	int64_t tokens;		  /* 0: any number */
	int64_t active;	 /* taken, with those of downloads that were open before the start */
	int64_t hold_ms; /* what a download takes; 0: not known yet */
	unsigned holds;	 /* that this was learned from, up to 16 */
	struct list queue, late; /* places by number; those who did not come, longest ago first */
	unsigned waiting, away;	 /* in both; of them in the second */
	uint64_t number;	 /* of the newest place */
};

/* Of a device that waits. */
struct admit_place {
	struct list link;	 /* in the gate's queue; its caller's while it waits nowhere */
	struct admit_gate *gate; /* at which it waits; NULL: it does not */
	struct admit_gate *own;	 /* the first one it has to pass, if there are two; its caller sets
				    it  while it waits nowhere */
	uint64_t number;	 /* 0: it never waited */
	int64_t since_ms;	 /* turned away first */
	int64_t again_ms;	 /* when it was told to come */
	int64_t ripe_ms;	 /* since when it is one of the next; 0: it is not */
	bool late;
	bool deaf; /* it cannot be called, or was called already */
};

/* Tokens for a limit of downloads and a rate of all of them, each 0 for any: more at a time than
 * the rate can feed would only time out. */
int64_t admit_tokens(int64_t downloads, int64_t rate);

void admit_gate_init(struct admit_gate *g);

/* May it begin now? `p` is its place, NULL if it has none. */
bool admit_may(const struct admit_gate *g, const struct admit_place *p, int64_t now_ms);
/* About how many are before it. */
unsigned admit_ahead(const struct admit_gate *g, const struct admit_place *p);
/* How long it will likely wait; -1: not known. */
int64_t admit_expect_ms(const struct admit_gate *g, const struct admit_place *p);
/* After how many seconds it should ask again. */
int64_t admit_again_s(const struct admit_gate *g, const struct admit_place *p, uint32_t random);

/* Of zeros, not in use yet. */
void admit_place_init(struct admit_place *p);
/* It was turned away, and told to come again after so many seconds: puts a new place at the end,
 * or keeps its place, also one that it had left. */
void admit_wait(struct admit_gate *g, struct admit_place *p, int64_t again_s, int64_t now_ms);
/* It waits no more. */
void admit_leave(struct admit_place *p);
/* Who did not come is set aside; returns a place that is to be forgotten, or NULL. */
struct admit_place *admit_late(struct admit_gate *g, int64_t now_ms);
/* Of those who can be called the next one that would not come by itself soon, if a token is there
 * for it; else NULL. */
struct admit_place *admit_next(const struct admit_gate *g, int64_t now_ms);
/* It is called: it may come at once, and is not called again before it has asked. */
void admit_called(struct admit_place *p, int64_t now_ms);

/* A token taken, and given back after so long; < 0: that tells nothing. */
void admit_take(struct admit_gate *g);
void admit_give(struct admit_gate *g, int64_t held_ms);

/* ---- what core/update is told ---- */

struct admission {
	bool full;	 /* a new download may not begin now */
	bool own;	 /* as its group has as many as it may */
	int64_t again_s; /* come again after it */
};

/* An offer that finds no token is none. */
void admit_plan(const struct admission *a, struct plan *plan);

/* ---- crowds ---- */

/* Reports, counted in stretches of time. */
struct admit_crowd {
	int64_t start_ms;
	unsigned count, before; /* in this stretch, in the one before */
};

enum { ADMIT_CROWD_MS = 10000, ADMIT_CROWD = 1000 /* reports in that time are no crowd */ };

/* One report more, of a fleet of so many. True while a tenth of it comes at once: after an outage,
 * mostly. Who is answered then should not come at one time again. */
bool admit_crowd(struct admit_crowd *c, uint64_t fleet, int64_t now_ms);
/* A check-in interval for it: any time up to the interval and a tenth. */
int64_t admit_spread_s(int64_t interval_s, uint32_t random);

#endif
