/* SPDX-License-Identifier: Apache-2.0
 *
 * Protocols in which the server asks and the device answers (OMA LwM2M), as the engine sees them.
 *
 * An agent speaks for each such device. What the device says goes in; what comes out are boot
 * reports and statuses in its name, as a native device would send them itself (core/report.h),
 * and replies and requests to the device. So nothing behind this header knows the protocol: not
 * the engine, which carries out what talk_out says; not the store, which keeps the talk as bytes;
 * not the API, which shows the agent's facts.
 *
 * Pure. One step: the engine copies the device's talk, calls `step`, and while that gave a report
 * or a status, decides it (update_report, update_status) and steps again with the answer. All of
 * it is one transaction. After its commit the copy becomes the truth, and the replies and requests
 * leave. If the commit fails, all is as before: the device gets 5.03, and an agent that waited for
 * something has a timer.
 */
#ifndef PROTO_TALK_H
#define PROTO_TALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "core/report.h"

enum {
	TALK_STEPS = 8,			       /* steps in one transaction */
	TALK_PATH = 64,			       /* bytes of a path or a query with NUL */
	TALK_PAYLOAD = 512,		       /* bytes of a reply's or a request's payload */
	TALK_SAVED = LIMIT_TALK_SAVED,	       /* bytes of a talk as it is stored */
	TALK_OPTIONS = LIMIT_TALK_OPTIONS + 1, /* bytes of a product's options, with NUL */
	TALK_FAULT = 128,		       /* bytes of a fault with NUL */
	TALK_LOCAL = 64,		       /* bytes of an address with NUL */
};

/* What a device sent. Memory is borrowed for the step. */
struct talk_request {
	uint8_t method; /* as struct net_request */
	const struct bytes *path, *query;
	unsigned path_count, query_count;
	int content_format, accept; /* -1: none */
	struct bytes payload;
	bool duplicate; /* it was answered before: the same again, and nothing else */
};

/* The answer to a request of ours, or a notification. */
struct talk_answer {
	int err;      /* 0; ERR_TIMEOUT: none came; ERR_CLOSED: it was reset; ERR_NOENT: there is no
		       * session to send on, until the device is heard again; ERR_LIMIT: the body of the
		       * answer is too long; ERR_IO: the image cannot be read */
	uint32_t tag; /* of the request */
	bool observed;	    /* and more will come: an observation of that tag stands */
	uint8_t code;	    /* as on the wire */
	int content_format; /* -1: none */
	struct bytes payload;
};

enum talk_event {
	TALK_REQUEST,	/* owes a reply */
	TALK_ANSWER,	/* to the one request of ours */
	TALK_NOTIFIED,	/* by an observation of ours (RFC 7641), tag is that of its request */
	TALK_TIMER,	/* timer_ms has come, perhaps while we were away */
	TALK_RING,	/* the device's target, lock, force or options may have changed, or its
			 * open attempt was ended by somebody else; only while it has a session */
	TALK_DIRECTIVE, /* the answer to the report of the step before */
	TALK_ACCEPTED,	/* the answer to the status of the step before */
};

struct talk_in {
	enum talk_event event;
	int64_t now_ms;		/* wall */
	uint64_t random;	/* fresh */
	const char *device;	/* its id: its authenticated identity */
	struct bytes options;	/* of its product, those of this protocol; checked */
	bool secure;		/* DTLS */
	char local[TALK_LOCAL]; /* where its datagrams come in: "192.0.2.1:5684", "[::1]:5684" */
	const struct talk_request *request;
	const struct talk_answer *answer;
	const struct directive *directive;
	bool asking;	 /* a request of ours is out, and its answer will come as TALK_ANSWER; false
			  * after a restart, and where the device's session has gone */
	bool accepted;	 /* 2.04 of a native device's status; false: 4.09 */
	int64_t later_s; /* not accepted, but to be said again after that, and the image is kept */
	uint64_t attempt; /* the open one, as committed or decided in this transaction; 0: none */
	bool attempt_applying;	/* and its gate was passed */
	int64_t attempt_served; /* bytes of its image that the device has been given */
	/* The newest report in the device's name that was accepted; NULL: there is none, or not by
	 * this protocol. So a talk that was lost knows which boot the device was in. */
	const struct report *known;
};

/* A request of ours. One is outstanding: a new one takes the place of the old, whose answer is
 * not told any more. */
struct talk_ask {
	uint8_t method;			     /* 1 GET, 2 POST, 3 PUT, 4 DELETE */
	char path[TALK_PATH];		     /* "5/0/1" */
	char query[TALK_PATH];		     /* "pmin=0&pmax=300", "": none */
	int content_format, accept, observe; /* -1: none */
	uint32_t tag;			     /* the agent's own, never 0; an observation keeps it */
	bool image; /* its body is the image of the open attempt (Block1), in place of payload */
	unsigned block_szx; /* of a body or an answer of several blocks: at most that; 6: 1024 bytes
			     */
	size_t payload_len;
	uint8_t payload[TALK_PAYLOAD];
};

struct talk_reply {
	uint8_t code;
	int content_format;   /* -1: none */
	char location[2][16]; /* Location-Path segments; "": none */
	size_t payload_len;
	uint8_t payload[TALK_PAYLOAD];
};

struct talk_out {
	/* Must be stored before anything leaves. What changes without is kept in memory, and stored
	 * with the last contact, at the latest when the device leaves the cache. The first change
	 * of a device makes this its protocol. */
	bool changed;
	bool has_reply;
	bool has_ask;
	bool cancels;	 /* the outstanding ask, without a new one */
	bool has_report; /* steps again with TALK_DIRECTIVE */
	bool has_status; /* steps again with TALK_ACCEPTED; never together with a report */
	bool contact;	 /* genuine word of the device: it counts as heard */
	bool returned; /* as after a restart, and what it runs is still to be asked; contact, too */
	bool gone;     /* it said good-bye, or its registration is over: it counts as offline */
	struct talk_reply reply;
	struct talk_ask ask;
	struct report report;
	struct status status;
	char log[TALK_FAULT]; /* a line for the log, "": none */
};

/* Sets all to "nothing": no content formats, and what report_init and status_init say. */
void talk_out_init(struct talk_out *out);

/* One of a product's options, for --help, man pages and completion. */
struct talk_option {
	const char *name;   /* "lwm2m-transfer" */
	const char *values; /* "pull|push|auto" */
	const char *help;
};

struct talk_proto {
	const char *name;	/* a label, as the device's row and a metric have it */
	const char *well_known; /* its links (RFC 6690) */
	const struct talk_option *options;
	size_t option_count;
	size_t size; /* of a talk in memory; plain data without pointers: copied by memcpy */

	/* Whether a request is for this protocol. */
	bool (*owns)(uint8_t method, const struct bytes *path, unsigned path_count);
	/* On plain coap a request that does not say who sends it may be of a device that we knew
	 * before our restart: what tells it to begin anew. As on the wire; 0, or NULL: 4.00. */
	uint8_t (*nobody)(uint8_t method, const struct bytes *path, unsigned path_count);
	/* A product's options: "name=value" separated by newlines. ERR_INVAL and words for people.
	 */
	int (*options_check)(struct bytes options, char fault[TALK_FAULT]);

	/* A device of which nothing is known. */
	void (*init)(void *talk);
	/* ERR_CORRUPT, ERR_VERSION: begin with init. */
	int (*load)(void *talk, struct bytes saved);
	/* ERR_LIMIT is a bug: TALK_SAVED is enough. */
	int (*save)(const void *talk, struct buf *out);
	/* `out` is as talk_out_init leaves it. */
	void (*step)(void *talk, const struct talk_in *in, struct talk_out *out);
	/* Wall time of the next TALK_TIMER; 0: none. */
	int64_t (*timer_ms)(const void *talk);
	/* Wall time until which a device that was allowed to apply its image may still be asked, or
	 * answer: before, its silence means nothing. 0, or NULL: it means what it is. */
	int64_t (*due_ms)(const void *talk);
	/* For people: facts in a fixed order ("lifetime", "300 s"), sentences of `explain`
	 * (name NULL). In a sentence the two words of `product set PRODUCT` and "ID", in its
	 * quotes, are replaced by the names of the device's product and of the device. */
	void (*facts)(const void *talk, int64_t now_ms,
		      void (*tell)(void *ctx, const char *name, const char *value), void *ctx);
};

/* The table (talk_table.c; tests have one of their own), NULL at its end. A row is all that a new
 * protocol needs. */
extern const struct talk_proto *const talk_protos[];

/* All of them; NULL beyond the last. */
const struct talk_proto *talk_proto_at(size_t index);
/* By its name; NULL: none. */
const struct talk_proto *talk_proto_named(const char *name);
/* That has this option; NULL: none. */
const struct talk_proto *talk_proto_with(const char *option, size_t len);
/* Of a product's options those of one protocol. */
struct bytes talk_options_of(const struct talk_proto *proto, const char *options,
			     char dst[TALK_OPTIONS]);
/* That owns a request; NULL: none. */
const struct talk_proto *talk_proto_of(uint8_t method, const struct bytes *path,
				       unsigned path_count);

#endif
