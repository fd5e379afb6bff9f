/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/admin_http.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/admin_actor.h"
#include "daemon/admin_args.h"
#include "daemon/admin_match.h"
#include "daemon/admin_routes.h"
#include "daemon/view.h"

/* ---- life ---- */

static struct request *request_new(struct admin *a, struct MHD_Connection *connection)
{
	struct request *rq = calloc(1, sizeof(*rq));

	if (!rq)
		return NULL;
	rq->admin = a;
	rq->connection = connection;
	rq->refs = 1;
	list_append(&a->requests, &rq->link);
	return rq;
}

static void request_unref(struct request *rq)
{
	if (--rq->refs)
		return;
	list_remove(&rq->link);
	release_upload_free(rq->upload);
	follower_free(rq->follower);
	backup_free(rq->backup);
	import_upload_free(rq->import);
	verification_free(rq->verification);
	survey_free(rq->survey);
	listing_free(rq->listing);
	if (rq->response)
		MHD_destroy_response(rq->response);
	json_decref(rq->json);
	if (rq->body)
		explicit_bzero(rq->body, rq->body_cap); /* it may hold a key */
	free(rq->body);
	free(rq->path);
	explicit_bzero(rq, sizeof(*rq));
	free(rq);
}

void request_owed(struct request *rq)
{
	rq->refs++;
	rq->admin->owed++;
}

bool request_paid(struct request *rq)
{
	struct admin *a = rq->admin;
	bool last = rq->refs == 1;

	request_unref(rq);
	a->owed--;
	admin_settle(a);
	return !last;
}

void request_suspend(struct request *rq)
{
	if (rq->suspended || !rq->connection)
		return;
	rq->suspended = true;
	MHD_suspend_connection(rq->connection);
}

void request_resume(struct request *rq)
{
	if (!rq->suspended || !rq->connection)
		return;
	rq->suspended = false;
	MHD_resume_connection(rq->connection);
	admin_again(rq->admin);
}

/* ---- answers ---- */

const char *const problem_words[] = {"forbidden", "gone", "length", "method", "stopping", NULL};

unsigned status_of_err(int err)
{
	switch (err) {
	case ERR_INVAL:
	case ERR_SYNTAX:
	case ERR_RANGE:
	case ERR_TRUNC:
	case ERR_EXTRA:
		return 400;
	case ERR_DENIED:
		return 403;
	case ERR_NOENT:
		return 404;
	case ERR_EXIST:
	case ERR_BUSY:
	case ERR_CONFLICT:
		return 409;
	case ERR_STALE:
		return 412;
	case ERR_UNSUPPORTED:
	case ERR_CRITICAL:
	case ERR_VERSION:
		return 422;
	case ERR_FULL:
		return 507;
	default: /* the store, the disk or the memory fails, or we shed load */
		return 503;
	}
}

void reply_response(struct request *rq, unsigned status, struct MHD_Response *response)
{
	if (rq->response || !response) {
		if (response)
			MHD_destroy_response(response);
		return;
	}
	rq->response = response;
	rq->status = status;
	reply_header(rq, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (status == 503)
		reply_header(rq, MHD_HTTP_HEADER_RETRY_AFTER, "5");
}

void reply_header(struct request *rq, const char *key, const char *value)
{
	if (rq->response)
		(void)MHD_add_response_header(rq->response, key, value);
}

static void reply_text(struct request *rq, unsigned status, json_t *json, const char *type)
{
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	size_t len = text ? strlen(text) : 0;
	char *line = text ? realloc(text, len + 2) : NULL;

	json_decref(json);
	if (!line) {
		free(text);
		line = strdup(
			"{\"type\":\"about:blank\",\"title\":\"Service Unavailable\","
			"\"status\":503,\"detail\":\"out of memory\",\"code\":\"no-memory\"}");
		len = line ? strlen(line) : 0;
		status = 503;
		type = "application/problem+json";
	} else {
		line[len++] = '\n'; /* kind to terminals */
	}
	struct MHD_Response *r = MHD_create_response_from_buffer(len, line, MHD_RESPMEM_MUST_FREE);
	if (!r)
		free(line);
	else
		(void)MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	reply_response(rq, status, r);
}

void reply_made(struct request *rq, char *text, size_t len)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);

	if (!r) {
		free(text);
		reply_error(rq, ERR_NOMEM, "out of memory");
		return;
	}
	(void)MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	reply_response(rq, 200, r);
}

void reply_json(struct request *rq, unsigned status, json_t *json)
{
	reply_text(rq, status, json, "application/json");
}

void reply_problem_json(struct request *rq, unsigned status, json_t *problem)
{
	reply_text(rq, status, problem, "application/problem+json");
}

void reply_empty(struct request *rq, unsigned status)
{
	reply_response(rq, status,
		       MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT));
}

static void reply_vproblem(struct request *rq, unsigned status, const char *code, const char *fmt,
			   va_list ap) __attribute__((format(printf, 4, 0)));
static void reply_vproblem(struct request *rq, unsigned status, const char *code, const char *fmt,
			   va_list ap)
{
	char detail[640];

	(void)vsnprintf(detail, sizeof(detail), fmt, ap);
	for (char *c = detail; *c; c++) /* names in it come from outside */
		if ((unsigned char)*c < ' ' || (unsigned char)*c >= 0x7f)
			*c = '?';
	reply_text(rq, status, view_problem(status, code, detail), "application/problem+json");
}

void reply_problem(struct request *rq, unsigned status, const char *code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	reply_vproblem(rq, status, code, fmt, ap);
	va_end(ap);
}

void reply_error(struct request *rq, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	reply_vproblem(rq, status_of_err(err), err_word(err), fmt, ap);
	va_end(ap);
}

void reply_fault(struct request *rq, int err, const char *todo, const char *fmt, ...)
{
	char what[320];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	reply_problem(rq, err == ERR_FULL ? 507 : 503, err_word(err), "%s. %s", what, todo);
}

void request_done(void *ctx, const struct engine_result *result)
{
	struct request *rq = ctx;

	if (!rq->connection) {
		(void)request_paid(rq);
		return;
	}
	rq->unchanged = result->unchanged;
	if (result->err == ERR_STALE)
		reply_stale(rq, result->why);
	else if (err_is_fault(result->err))
		reply_problem(rq, result->err == ERR_FULL ? 507 : 503, err_word(result->err), "%s",
			      result->why && *result->why ? result->why : err_text(result->err));
	else if (result->err)
		reply_error(rq, result->err, "%s",
			    result->why && *result->why ? result->why : err_text(result->err));
	else
		rq->after(rq);
	request_resume(rq);
	(void)request_paid(rq);
}

/* ---- the body ---- */

static void body_take(struct request *rq, const char *ptr, size_t len)
{
	if (rq->response)
		return;
	if (len > LIMIT_ADMIN_BODY - rq->body_len) {
		reply_problem(rq, 413, "limit", "the body is larger than %d bytes",
			      LIMIT_ADMIN_BODY);
		return;
	}
	if (rq->body_len + len > rq->body_cap) {
		size_t cap = rq->body_cap ? rq->body_cap : 1024;
		while (cap < rq->body_len + len)
			cap *= 2;
		char *body = calloc(1, cap); /* no realloc: the old copy is wiped */
		if (!body) {
			reply_error(rq, ERR_NOMEM, "out of memory");
			return;
		}
		if (rq->body_len)
			memcpy(body, rq->body, rq->body_len);
		if (rq->body)
			explicit_bzero(rq->body, rq->body_cap);
		free(rq->body);
		rq->body = body;
		rq->body_cap = cap;
	}
	memcpy(rq->body + rq->body_len, ptr, len);
	rq->body_len += len;
}

/* A body whose answer is known is read on for a while, so that a client that writes first and
 * reads later gets to see the answer. */
static enum MHD_Result body_drain(struct request *rq, size_t *len)
{
	int64_t most = LIMIT_ADMIN_DRAIN;

	if (rq->upload)
		most += images_limit(rq->admin->conf.images);
	rq->drained += (int64_t)*len;
	*len = 0;
	return rq->drained > most ? MHD_NO : MHD_YES;
}

static enum MHD_Result request_body(struct request *rq, const char *ptr, size_t *len)
{
	if (rq->response)
		return body_drain(rq, len);
	if (rq->route->body == BODY_JSON) {
		body_take(rq, ptr, *len);
		*len = 0;
		return MHD_YES;
	}
	if (rq->route->body == BODY_LINES) {
		import_upload_write(rq, ptr, *len);
		conns_image_came(rq->connection, *len, false);
		*len = 0;
		return MHD_YES;
	}
	size_t taken = release_upload_write(rq, ptr, *len);
	conns_image_came(rq->connection, taken, rq->suspended);
	if (rq->response)
		return body_drain(rq, len);
	*len -= taken;
	return MHD_YES;
}

/* ---- libmicrohttpd's calls ---- */

size_t request_unescape(void *cls, struct MHD_Connection *connection, char *str)
{
	(void)cls;
	(void)connection;
	return strlen(str);
}

static const char *request_header(struct request *rq, const char *key)
{
	return MHD_lookup_connection_value(rq->connection, MHD_HEADER_KIND, key);
}

static bool split_path(struct request *rq, const char *url)
{
	rq->path = strdup(url);
	if (!rq->path) {
		reply_error(rq, ERR_NOMEM, "out of memory");
		return false;
	}
	for (char *at = rq->path; at && *at == '/';) {
		*at++ = 0;
		if (rq->segments == LIMIT_ADMIN_SEGMENTS) {
			reply_problem(rq, 404, "not-found", "no resource has so long a path");
			return false;
		}
		rq->segment[rq->segments++] = at;
		at = strchr(at, '/');
	}
	for (unsigned i = 0; i < rq->segments; i++) {
		if (percent_decode(rq->segment[i])) {
			reply_problem(rq, 400, "syntax",
				      "the path is not well-formed: after '%%' "
				      "come two hex digits, not 00");
			return false;
		}
	}
	return true;
}

/* Everything that can be refused before the body comes. */
static void request_head(struct request *rq, const char *url, const char *method)
{
	if (strlen(url) > LIMIT_ADMIN_PATH) {
		reply_problem(rq, 414, "limit", "the path is longer than %d bytes",
			      LIMIT_ADMIN_PATH);
		return;
	}
	if (!split_path(rq, url))
		return;
	route_find(rq, method);
	if (!rq->response && strcmp(rq->route->method, "GET") != 0)
		(void)actor_take(rq); /* first: what is refused is told with who asked */
	if (!rq->response)
		(void)query_check(rq);
	if (!rq->response && rq->route->head)
		rq->route->head(rq);
}

/* Is the body small enough to be read although its answer is known? */
static bool body_is_small(struct request *rq)
{
	const char *length = request_header(rq, MHD_HTTP_HEADER_CONTENT_LENGTH);
	uint64_t n = 0;

	if (length)
		return number_parse(length, &n) && n <= LIMIT_ADMIN_BODY;
	return !request_header(rq, MHD_HTTP_HEADER_TRANSFER_ENCODING);
}

/* What is done has a line of the engine's with its place in the audit log. */
static void log_refused(const struct request *rq)
{
	log_info("admin refused=%u act=%s:%s name=\"%s\" sub=\"%s\" who=\"%s\" uid=%ld pid=%ld",
		 rq->status, rq->route->method, rq->route->path, rq->name[0] ? rq->name[0] : "",
		 rq->name[1] ? rq->name[1] : "", rq->actor.name, (long)rq->actor.uid,
		 (long)rq->actor.pid);
}

static enum MHD_Result request_answer(struct request *rq)
{
	if (rq->status >= 400 && rq->route && strcmp(rq->route->method, "GET") != 0)
		log_refused(rq);
	struct admin *main = rq->admin->conf.main ? rq->admin->conf.main : rq->admin;

	if (rq->status >= 100 && rq->status < 100 + ADMIN_STATUSES)
		main->answered[rq->status - 100]++;
	if (rq->admin->draining)
		reply_header(rq, MHD_HTTP_HEADER_CONNECTION, "close");
	conns_at(rq->connection, CONN_WORKS);
	/* The response stays ours, too, until the request is completed. */
	return MHD_queue_response(rq->connection, rq->status, rq->response);
}

static void request_run(struct request *rq)
{
	rq->ran = true;
	conns_at(rq->connection, CONN_WORKS);
	if (rq->route->body == BODY_JSON && !body_parse(rq))
		return;
	rq->route->run(rq);
}

enum MHD_Result request_handle(void *cls, struct MHD_Connection *connection, const char *url,
			       const char *method, const char *version, const char *upload_data,
			       size_t *upload_data_size, void **con_cls)
{
	struct admin *a = cls;
	struct request *rq = *con_cls;

	(void)version;
	if (!rq) {
		rq = request_new(a, connection);
		if (!rq)
			return MHD_NO;
		*con_cls = rq;
		if (a->draining) /* a connection that was kept open */
			reply_problem(rq, 503, "stopping", "the server is stopping");
		else
			request_head(rq, url, method);
		conns_at(connection,
			 (rq->upload || rq->import) && !rq->response ? CONN_IMAGE : CONN_BODY);
		return rq->response && !body_is_small(rq) ? request_answer(rq) : MHD_YES;
	}
	if (*upload_data_size)
		return request_body(rq, upload_data, upload_data_size);
	if (!rq->response && !rq->ran) {
		request_run(rq);
		if (!rq->response)
			request_suspend(rq);
	}
	if (rq->response && !rq->suspended)
		return request_answer(rq);
	return MHD_YES;
}

void request_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
		       enum MHD_RequestTerminationCode toe)
{
	struct request *rq = *con_cls;

	(void)cls;
	(void)toe;
	*con_cls = NULL;
	conns_at(connection, CONN_WAITS);
	if (!rq)
		return;
	rq->connection = NULL;
	rq->suspended = false;
	if (rq->upload)
		release_upload_abort(rq->upload);
	backup_stop(rq->backup);
	import_upload_abort(rq->import);
	request_unref(rq);
}
