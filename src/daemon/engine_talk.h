/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files that carry out agents (proto/talk.h): engine_talk.c has what comes in and
 * what leaves, engine_talk_step.c the transaction between, engine_talk_keep.c what is remembered.
 */
#ifndef DAEMON_ENGINE_TALK_H
#define DAEMON_ENGINE_TALK_H

#include "daemon/engine_internal.h"

/* What core decided in one step, for the log, the counters and the history. */
struct talk_decided {
	struct outcome out;
	struct attempt attempt;
	enum attempt_state before;
};

struct talk_job {
	enum talk_event event;
	const struct talk_proto *proto; /* NULL: the device's own */
	struct talk_request request;
	struct bytes path[LIMIT_COAP_PATH], query[8];
	struct talk_answer answer;
	/* the work */
	struct talk *next; /* what becomes the device's talk */
	bool differs;	   /* from what it was */
	unsigned count;
	struct talk_decided *decided[TALK_STEPS];
	struct talk_out sum; /* of all steps */
	uint8_t data[];	     /* what request and answer borrow */
};

/* engine_talk.c */
/* The session on which it talks; NULL: it has none. */
struct session *talk_session(const struct dev *d);
/* An answer that waits for its turn comes, too. */
bool talk_answer_waits(const struct dev *d);

/* engine_talk_keep.c */
/* A copy to work on: the device's own, or a new one for a protocol it has not spoken yet.
 * ERR_UNSUPPORTED: it speaks none; ERR_NOMEM, ERR_IO. */
int talk_copy(struct engine *e, struct dev *d, const struct talk_proto *proto,
	      struct talk **ret) ERR_CHECK;
/* Puts it into the set, to go on by itself at that time (wall; 0: never). ERR_LIMIT. */
int talk_put(struct store_set *set, const char *id, struct talk *t, int64_t at_ms);

#endif
