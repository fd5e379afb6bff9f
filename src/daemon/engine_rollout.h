/* SPDX-License-Identifier: Apache-2.0
 *
 * Rollouts in the engine: the rows, who their members are and how it goes with them, in memory;
 * shared by the files engine_rollout*.c.
 *
 * One commit of a rollout is on its way at a time (`busy`); acts of operators wait their turn. All
 * is done in steps: finding the members, loading them, telling devices that they were reached. What
 * a crash leaves undone the next tick finds undone.
 */
#ifndef DAEMON_ENGINE_ROLLOUT_H
#define DAEMON_ENGINE_ROLLOUT_H

#include "core/filter.h"
#include "daemon/engine_internal.h"

/* A member, in the order of the places. */
struct entry {
	int64_t place;
	uint8_t result; /* enum member */
	bool applied, silent, out, trying;
	bool left; /* not counted any more, and gone soon: lives_close_up() */
};

enum live_phase {
	LIVE_WALK, /* its members are not found yet */
	LIVE_LOAD, /* they are being read */
	LIVE_READY,
};

struct live {
	struct rollout r; /* as committed; stable address */
	struct filter filter;
	struct rollout_counts counts; /* of the list and `left` */
	struct rollout_counts left;   /* it is over: what came of members it has no more */
	int64_t left_count;
	struct entry *list;
	size_t count, cap;
	enum live_phase phase;
	int64_t load_from;		 /* place; members below it are in the list */
	char after[LIMIT_DEVICE_ID + 1]; /* the walk goes on behind this device */
	int64_t join_ms;		 /* monotonic; when it walks again for those who join */
	bool busy, joining;
	bool walking;		    /* those that it has found are being written */
	int64_t tell_from, tell_to; /* places whose devices are to hear of a change */
	unsigned tell_left;	    /* devices, in this tick */
	bool gaps;		    /* some have left */
	struct list acts;	    /* waiting */
};

/* engine_rollout.c */
struct live *live_of(struct engine *e, int64_t id);
struct live *live_named(struct engine *e, const char *product, const char *name);
int live_add(struct engine *e, const struct rollout *r, struct live **ret_live) ERR_CHECK;
void live_drop(struct engine *e, struct live *l);
/* The first member at or behind a place. */
size_t live_find(const struct live *l, int64_t place);
int live_insert(struct live *l, int64_t place, const struct member_facts *m) ERR_CHECK;
/* A member leaves, and a rollout that is over goes on to count it; of many, each by live_left(),
 * and then all rollouts close up at once. */
void live_leave(struct live *l, int64_t place);
void live_left(struct live *l, int64_t place);
void lives_close_up(struct engine *e);
void live_recount(struct live *l);
/* `r` was committed. */
void live_adopt(struct engine *e, struct live *l, const struct rollout *r);
/* Of one that is done now: it ended after every target that was set before. */
void live_end(struct engine *e, struct rollout *r);
/* The event that tells of it. */
int live_put_event(struct engine *e, struct store_set *set, const struct rollout *r) ERR_CHECK;

/* engine_rollout_step.c */
/* Something may be to be done; what commits goes on by itself. */
void live_step(struct engine *e, struct live *l);

/* engine_rollout_select.c: the filter of a rollout, which does not take all conditions; ret_why as
 * filter_parse() has it. */
int rollout_filter(const char *text, struct filter *ret, char ret_why[FILTER_WHY]) ERR_CHECK;
/* Rows by rising id, among them all that are selected. */
int rollout_rows(struct engine *e, const struct live *l, const char *after, unsigned limit,
		 store_device_row *row, void *ctx) ERR_CHECK;
/* ERR_NOENT: it names a group that the product has not; why is filled in. */
int rollout_filter_names(struct engine *e, const struct filter *f, int64_t product,
			 char why[FILTER_WHY]) ERR_CHECK;
/* All conditions but those on tags, which engine_filter_tags() reads afterwards. */
bool rollout_selects(struct engine *e, const struct filter *f, const struct rollout *r,
		     const struct device *d);
/* The release that this device is to go back to if it becomes a member, or is one, and the rollout
 * is aborted; 0: nobody knows. */
int64_t rollout_return(struct engine *e, const struct rollout *r, const struct device *d);

/* engine_rollout_act.c: the next act that waits; false: there is none. */
bool live_act(struct engine *e, struct live *l);

#endif
