/* SPDX-License-Identifier: Apache-2.0
 *
 * One request of the admin API, from its head to its answer; between libmicrohttpd and the
 * routes. A route function answers at once (reply_*), or starts something and returns: the
 * connection then sleeps until an answer is set (request_wait, request_wake).
 */
#ifndef DAEMON_ADMIN_HTTP_H
#define DAEMON_ADMIN_HTTP_H

#include <jansson.h>
#include <microhttpd.h>

#include "base/list.h"
#include "daemon/admin.h"
#include "daemon/admin_conns.h"
#include "daemon/hook_message.h"

enum {
	LIMIT_ADMIN_PATH = 2048,    /* bytes of a path */
	LIMIT_ADMIN_SEGMENTS = 6,   /* of a path */
	LIMIT_ADMIN_DRAIN = 1 << 20 /* bytes of a refused body read before the line is cut */
};

struct admin {
	struct admin_conf conf;
	char *socket_path; /* "" if inherited */
	struct MHD_Daemon *mhd;
	struct conns conns;
	uv_poll_t poll;
	uv_timer_t timer;		 /* libmicrohttpd's */
	uv_idle_t soon;			 /* the same, due at once */
	uv_timer_t keep_alive;		 /* the event stream's */
	uv_idle_t step;			 /* verifications of the audit log go on, once a turn */
	struct list verifying;		 /* these */
	uv_idle_t list;			 /* the same of long lists */
	struct list listings;		 /* these */
	uv_idle_t survey;		 /* the same of explanations that look at many devices */
	struct list surveying;		 /* these */
	uv_idle_t import;		 /* the same of an import of devices */
	struct import_upload *importing; /* the one there is; NULL: none */
	uv_timer_t drain;		 /* the end of patience in admin_stop() */
	unsigned handles;		 /* open ones of these */
	bool polls;
	struct list requests; /* all */
	bool again;	      /* libmicrohttpd has work that its epoll descriptor does not show */
	bool draining;	      /* no new work, what is under way may end */
	bool stopping;
	uint64_t answered[ADMIN_STATUSES]; /* by status - 100 */
	struct backup *backup;		   /* the one being made or sent */
	unsigned owed;			   /* answers of engine and images to come */
	void (*stopped)(void *ctx);
	void *stopped_ctx;
};

struct request;
typedef void route_fn(struct request *rq);

enum route_body { BODY_JSON, BODY_IMAGE, BODY_LINES };
struct route {
	const char *method;
	const char *path;  /* "/v1/products/ * /target", a star (without spaces) is a name */
	const char *query; /* allowed keys, each with a space before and behind: " after limit " */
	enum route_body body;
	route_fn *head; /* called when the head is there, before any body; NULL: nothing */
	route_fn *run;	/* called when all of the request is there */
	bool matches;	/* a change that honours If-Match */
};

/* State of the routes that need some; freed with the request. */
struct follower;
struct release_upload;
struct backup;
struct import_upload;
struct verification;
struct survey;
struct listing;

struct request {
	struct list link;
	struct admin *admin;
	struct MHD_Connection *connection; /* NULL: the client is gone */
	const struct route *route;
	unsigned refs; /* connection, and whoever owes an answer */
	bool head_done, suspended, ran;

	char *path; /* decoded segments lie here */
	unsigned segments;
	char *segment[LIMIT_ADMIN_SEGMENTS];
	char *name[2]; /* the segments that matched a star */

	char *body;
	size_t body_len, body_cap;
	int64_t drained;
	json_t *json; /* the parsed body: an object, or NULL if it was empty */

	unsigned status; /* of the answer; 0: none yet */
	struct MHD_Response *response;

	struct actor actor; /* who asks, of a request that changes something */
	route_fn *show;	    /* answers with the row as it is now, for the tag of a 412 */

	bool unchanged;	 /* the act found its work done */
	route_fn *after; /* builds the answer once the engine has done its part */
	union {
		uint64_t attempt;
		char psk_hex[2 * LIMIT_PSK + 1];	/* shown once */
		char hook_secret[HOOK_SECRET_TEXT + 1]; /* likewise */
	};
	struct release_upload *upload;
	struct follower *follower;
	struct backup *backup;
	struct import_upload *import;
	struct verification *verification;
	struct survey *survey;
	struct listing *listing;
};

/* ---- answers: the first one counts ---- */

void reply_json(struct request *rq, unsigned status, json_t *json); /* takes it; NULL: no memory */
void reply_made(struct request *rq, char *text, size_t len);	    /* JSON as text; takes it */
void reply_empty(struct request *rq, unsigned status);
/* Takes the response. */
void reply_response(struct request *rq, unsigned status, struct MHD_Response *response);
/* RFC 9457; the detail is a sentence. */
void reply_problem(struct request *rq, unsigned status, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* A problem with more in it than that; takes it. */
void reply_problem_json(struct request *rq, unsigned status, json_t *problem);
/* The same with the status and the code of an error. */
void reply_error(struct request *rq, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The machine fails, nobody's mistake: 507 or 503, and what to do. */
void reply_fault(struct request *rq, int err, const char *todo, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Adds a header to the answer that is set. */
void reply_header(struct request *rq, const char *key, const char *value);
unsigned status_of_err(int err);
/* The codes of problems that are no words of errors; ends with NULL. */
extern const char *const problem_words[];

/* ---- sleeping ---- */

/* The engine (or the pool) owes an answer to `rq`: one more reference. */
void request_owed(struct request *rq);
/* It has come: drops the reference; false if that was the last and rq is gone. */
bool request_paid(struct request *rq);
void request_suspend(struct request *rq);
void request_resume(struct request *rq); /* harmless unless suspended */
/* engine_done for all acts: on success `rq->after`, else a problem with the engine's words. */
void request_done(void *ctx, const struct engine_result *result);

/* ---- the rim, for admin.c ---- */

enum MHD_Result request_handle(void *cls, struct MHD_Connection *connection, const char *url,
			       const char *method, const char *version, const char *upload_data,
			       size_t *upload_data_size, void **con_cls);
void request_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
		       enum MHD_RequestTerminationCode toe);
/* Percent-decoding is ours, segment by segment. */
size_t request_unescape(void *cls, struct MHD_Connection *connection, char *str);
void admin_again(struct admin *a);  /* a connection was resumed: turn soon */
void admin_settle(struct admin *a); /* tells `stopped` when nothing is left */

#endif
