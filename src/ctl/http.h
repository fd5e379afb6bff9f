/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP to the daemon's UNIX socket: one request at a time on one connection. Nothing is
 * printed here: what went wrong stands in http_error(), as a sentence for people.
 */
#ifndef CTL_HTTP_H
#define CTL_HTTP_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

struct http;

struct http *http_new(const char *socket);
void http_free(struct http *h);

/* One request. `body` NULL: none. On 2xx: 0 and a new reference in *ret (an empty object
 * for an answer without a body). ERR_CLOSED: no connection, or it was lost; ERR_DENIED: the
 * daemon refused, see http_status(); ERR_SYNTAX: an answer that makes no sense. */
int http_call(struct http *h, const char *method, const char *path, const json_t *body,
	      json_t **ret) ERR_CHECK;

/* Changes asked for from now on are refused by the daemon unless what they change has this
 * revision (If-Match). */
void http_if_rev(struct http *h, int64_t rev);

/* How an upload comes along; `total` -1: unknown. */
typedef void (*http_progress_fn)(int64_t done, int64_t total, void *arg);

/* POST of a file's bytes; `size` -1: until its end. */
int http_upload(struct http *h, const char *path, FILE *file, int64_t size,
		http_progress_fn progress, void *arg, json_t **ret) ERR_CHECK;

/* POST of a text of the media type; the answer may take long. */
int http_post(struct http *h, const char *path, const char *type, const char *text, size_t len,
	      http_progress_fn progress, void *arg, json_t **ret) ERR_CHECK;

/* POST without a body; what comes is written to `fd`, its first `cap` bytes to `first`, too. */
int http_download(struct http *h, const char *path, int fd, char *first, size_t cap,
		  int64_t *ret_bytes) ERR_CHECK;

/* One object of a stream, borrowed; false ends the stream. */
typedef bool (*http_object_fn)(const json_t *object, void *arg);

/* GET of JSON lines, as they come. 0 when `fn` ended it or the stream ended. */
int http_stream(struct http *h, const char *path, http_object_fn fn, void *arg) ERR_CHECK;

/* Of the last request: status (0: no answer), the problem's code word ("" if none), text. */
long http_status(const struct http *h);
const char *http_code(const struct http *h);
const char *http_error(const struct http *h);
/* The problem (RFC 9457) that the last request was refused with, a new reference; NULL: none. */
json_t *http_problem(const struct http *h);

#endif
