/* SPDX-License-Identifier: Apache-2.0
 *
 * POST by libcurl on the loop: its sockets are watched by uv, its time-outs are uv's. Nothing
 * blocks: names are resolved on libcurl's own threads, and one that hangs there is left behind.
 * HTTP and HTTPS only, no redirect, no proxy, no cookie; certificates are verified. Of an answer
 * only its status and Retry-After are kept.
 */
#ifndef DAEMON_HOOK_HTTP_H
#define DAEMON_HOOK_HTTP_H

#include <uv.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"

struct hook_http;
struct hook_request;

struct hook_http_conf {
	const char *version; /* of the program; borrowed for its life */
	char ca_file[513];   /* "": the system's */
	int64_t timeout_ms;  /* of a request, all in all */
};

struct hook_answer {
	long status;	 /* 0: none came */
	bool sent;	 /* the whole request had gone out */
	int64_t after_s; /* Retry-After, 0: none */
	int64_t took_ms;
	char error[LIMIT_HOOK_ERROR + 1]; /* "" of a 2xx */
};
typedef void hook_answered_fn(void *ctx, const struct hook_answer *answer);

struct hook_post {
	const char *url;
	const char *content_type, *id, *signature, *name;
	int64_t wall_s;
	struct bytes body; /* borrowed until it is answered */
	hook_answered_fn *done;
	void *ctx;
};

int hook_http_new(uv_loop_t *loop, const struct hook_http_conf *conf,
		  struct hook_http **ret) ERR_CHECK;
/* For requests from now on. */
void hook_http_conf_set(struct hook_http *h, const struct hook_http_conf *conf);
/* Ends what is under way without a word, then tells `stopped` and is freed. */
void hook_http_stop(struct hook_http *h, void (*stopped)(void *ctx), void *ctx);
/* `done` is called once, from the loop, unless it is cancelled. */
int hook_http_post(struct hook_http *h, const struct hook_post *post,
		   struct hook_request **ret) ERR_CHECK;
void hook_http_cancel(struct hook_request *rq); /* NULL is fine */

/* An http:// or https:// URL with a host, and without user, password or fragment? NULL: yes; else
 * what is wrong with it. */
const char *hook_url_fault(const char *url);

#endif
