/* SPDX-License-Identifier: Apache-2.0
 *
 * Webhooks: which events are for one, and what the answer of its receiver means. Pure: time and
 * chance are arguments. daemon/hooks.c carries it out.
 *
 * Events go out in their order, one message in flight; the next one follows when the one before
 * was taken or put aside. So a receiver gets every event at least once.
 */
#ifndef CORE_HOOK_H
#define CORE_HOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"

/* X(name, word) */
#define HOOK_STATE_LIST(X)                                                                         \
	X(HOOK_ACTIVE, "active")                                                                   \
	X(HOOK_PAUSED, "paused")                                                                   \
	X(HOOK_DISABLED, "disabled")

enum hook_state {
#define HOOK_STATE_ENUM(name, word) name,
	HOOK_STATE_LIST(HOOK_STATE_ENUM)
#undef HOOK_STATE_ENUM
};

/* X(name, word, what it means): why one is disabled */
#define HOOK_WHY_LIST(X)                                                                           \
	X(HOOK_FINE, "none", "")                                                                   \
	X(HOOK_GONE, "gone", "its receiver answered 410: it wants no more")                        \
	X(HOOK_FAILING, "failing", "its receiver has taken nothing for too long")                  \
	X(HOOK_FULL, "dead-full", "too many messages were put aside")

enum hook_why {
#define HOOK_WHY_ENUM(name, word, help) name,
	HOOK_WHY_LIST(HOOK_WHY_ENUM)
#undef HOOK_WHY_ENUM
};

const char *hook_state_name(enum hook_state state);
const char *hook_why_name(enum hook_why why);
const char *hook_why_help(enum hook_why why);
int hook_state_from_name(const char *word, enum hook_state *ret) ERR_CHECK;
int hook_why_from_name(const char *word, enum hook_why *ret) ERR_CHECK;

/* What operators have said of it; and its state. */
struct hook {
	int64_t id, rev;
	char name[LIMIT_HOOK_NAME + 1];
	char url[LIMIT_HOOK_URL + 1];
	/* words with a space between them; "": all */
	char topics[LIMIT_HOOK_TOPICS + 1];
	char products[LIMIT_HOOK_PRODUCTS + 1];
	uint32_t batch; /* events in one message at most */
	enum hook_state state;
	enum hook_why why; /* of a disabled one */
	int64_t created_ms;
};

/* How far it is. */
struct hook_place {
	uint64_t position;  /* the last event that was taken, put aside, or not for it */
	uint32_t tries;	    /* of the next message, those that count */
	uint32_t failures;  /* in a row, of whatever kind */
	int64_t retry_ms;   /* wall; not before that, 0: at once */
	int64_t failing_ms; /* wall; since when all has failed, 0: it works */
	int64_t taken_ms;   /* wall; when something was taken last, 0: never */
	uint64_t delivered; /* events, ever */
	uint64_t missed;    /* events that retention took before they were sent, ever */
	char error[LIMIT_HOOK_ERROR + 1]; /* of the last try; "": it was taken */
};

/* ---- what is for it ---- */

/* The topic without the server's prefix, if it is one; else the topic itself. */
const char *hook_topic_bare(const char *topic);
/* "flash" and "flash/status" name flash/status, "flas" does not. */
bool hook_topic_fits(const char *topics, const char *topic);
/* Is `name` one of the words? An empty list has all. */
bool hook_product_fits(const char *products, const char *name);
/* Can anything that is ever told fit this word? */
bool hook_topic_is_known(const char *word);

/* ---- what an answer means ---- */

enum hook_outcome {
	HOOK_TAKEN,   /* 2xx */
	HOOK_LATER,   /* nobody there, or not now: it counts for nothing, but time */
	HOOK_REFUSED, /* this message: too many of them, and it is put aside */
	HOOK_ENDED,   /* 410: no more */
};

/* `status` 0: there was no answer; `sent`: although the message had gone out. */
enum hook_outcome hook_outcome(long status, bool sent);

struct hook_rules {
	int64_t retry_max_ms; /* the longest pause between two tries */
	uint32_t tries;	      /* that count, until a message is put aside */
	int64_t give_up_ms;   /* so long nothing was taken: it is disabled */
};

/* What comes next. */
enum hook_next {
	HOOK_GO_ON,	/* with the next message */
	HOOK_WAIT,	/* until place->retry_ms, then the same again */
	HOOK_PUT_ASIDE, /* the message; then on */
	HOOK_STOP,	/* disabled, *ret_why says why */
};

/* Moves the place, but for `position`, after an answer. `after_s`: what it asked for (Retry-After),
 * 0: nothing; `chance` any number. */
enum hook_next hook_answered(struct hook_place *place, const struct hook_rules *rules,
			     enum hook_outcome outcome, int64_t after_s, int64_t wall_ms,
			     uint64_t chance, enum hook_why *ret_why);

/* The pause before the try after so many failures, with jitter: half of it to all of it. */
int64_t hook_pause_ms(uint32_t failures, int64_t max_ms, uint64_t chance);

#endif
