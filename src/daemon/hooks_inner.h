/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by hooks.c, which keeps them, hooks_send.c, which sends, and hooks_act.c, which changes.
 */
#ifndef DAEMON_HOOKS_INNER_H
#define DAEMON_HOOKS_INNER_H

#include "daemon/hook_message.h"
#include "daemon/hooks.h"

/* A hook in memory. */
struct hooked {
	struct hooks *all;
	struct hook hook;
	struct hook_place place;
	struct store_key secret;
	uint64_t dead, due; /* put aside; of them to be tried again */
	/* what is in flight */
	struct hook_request *request;
	struct hook_message message;
	int64_t dead_id;       /* it was put aside before, 0: no */
	uint64_t single_until; /* events up to it go one by one: their batch was refused */
	/* saving */
	bool dirty;	       /* the place has moved since */
	bool saving;	       /* the lazy way */
	bool deciding;	       /* a set that must be there before it goes on */
	bool removed;	       /* goes when the store owes it nothing */
	struct hook_place was; /* before that set */
	int64_t save_at_ms;    /* monotonic */
	int64_t wait_ms;       /* monotonic; after a fault of the store */
	/* a ping */
	struct hook_request *ping;
	struct hook_message ping_message;
	hook_answered_fn *ping_done;
	void *ping_ctx;
};

struct hooks {
	struct hooks_conf conf;
	struct hook_http *http;
	uv_timer_t timer;
	struct hooked *list[LIMIT_HOOKS]; /* by name */
	unsigned count;
	unsigned adding; /* acts on their way that will need a place */
	unsigned owed;	 /* answers of the store to come */
	struct hooks_stats stats;
	bool stopping;
	void (*stopped)(void *ctx);
	void *stopped_ctx;
};

struct hooked *hooks_named(const struct hooks *h, const char *name);
/* Looks at all of them in the loop's next turn. */
void hooks_soon(struct hooks *h);
/* Its place, to the store. */
void hooks_save(struct hooked *k);
/* Cancels its message and its ping. */
void hooks_end_sending(struct hooked *k);
/* When the store owes it nothing, and it has nothing in flight. */
void hooks_free_one(struct hooked *k);
/* How many are put aside, from the store. */
void hooks_recount(struct hooked *k);
/* A row that was read or has just been committed. ERR_NOMEM. */
int hooks_take(struct hooks *h, const struct store_hook *row) ERR_CHECK;
/* Ends what it has in flight, and frees it as soon as the store owes it nothing. */
void hooks_drop(struct hooked *k);

#endif
