/* SPDX-License-Identifier: Apache-2.0
 *
 * POST /v1/imports: devices as JSON lines, all or none. The body is taken whole; then the import
 * (engine_import.h) has a step in each turn of the loop.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/admin_args.h"
#include "daemon/admin_routes.h"
#include "daemon/engine_import.h"
#include "daemon/turns.h"
#include "daemon/view.h"

struct import_upload {
	struct request *rq;
	char *text;
	size_t len, cap;
	bool dry_run, skip_existing;
	struct import *im; /* under way */
};

/* ---- the head ---- */

static bool body_length(struct request *rq, size_t *ret_len)
{
	const char *type = MHD_lookup_connection_value(rq->connection, MHD_HEADER_KIND,
						       MHD_HTTP_HEADER_CONTENT_TYPE);
	const char *length = MHD_lookup_connection_value(rq->connection, MHD_HEADER_KIND,
							 MHD_HTTP_HEADER_CONTENT_LENGTH);
	uint64_t n = 0;

	if (!type || strcasecmp(type, "application/x-ndjson") != 0) {
		reply_problem(rq, 415, "unsupported",
			      "the body is \"%.64s\"; send application/x-ndjson: a JSON object in "
			      "each line",
			      type ? type : "");
		return false;
	}
	if (!length || !number_parse(length, &n)) {
		reply_problem(rq, 411, "length", "send the devices with Content-Length");
		return false;
	}
	if (n > LIMIT_IMPORT_BYTES) {
		reply_problem(rq, 413, "limit", "the devices have %llu bytes; at most %d are taken",
			      (unsigned long long)n, LIMIT_IMPORT_BYTES);
		return false;
	}
	*ret_len = (size_t)n;
	return true;
}

void devices_import_head(struct request *rq)
{
	struct admin *a = rq->admin;
	struct import_upload *up;
	bool dry_run, skip_existing;
	size_t len;

	if (!query_flag(rq, "dry_run", &dry_run) ||
	    !query_flag(rq, "skip_existing", &skip_existing) || !body_length(rq, &len))
		return;
	if (a->importing || engine_import_runs(a->conf.engine)) {
		reply_problem(rq, 409, "busy", "another import is under way; try again later");
		return;
	}
	up = calloc(1, sizeof(*up));
	if (up)
		up->text = calloc(1, len + 1);
	if (!up || !up->text) {
		free(up);
		reply_error(rq, ERR_NOMEM, "out of memory");
		return;
	}
	up->rq = rq;
	up->cap = len;
	up->dry_run = dry_run;
	up->skip_existing = skip_existing;
	rq->import = a->importing = up;
}

/* ---- the body ---- */

void import_upload_write(struct request *rq, const char *ptr, size_t len)
{
	struct import_upload *up = rq->import;

	if (len > up->cap - up->len)
		len = up->cap - up->len; /* libmicrohttpd ends it there */
	memcpy(up->text + up->len, ptr, len);
	up->len += len;
}

/* ---- the end ---- */

static void reply_wrong(struct request *rq, const struct import_result *r)
{
	char detail[160];

	(void)snprintf(detail, sizeof(detail), "%llu %s wrong; nothing was imported",
		       (unsigned long long)r->bad, r->bad == 1 ? "thing is" : "things are");
	json_t *o = view_problem(400, "invalid", detail);
	view_put(&o, "wrong", json_integer((json_int_t)r->bad));
	view_put(&o, "errors", json_incref((json_t *)(uintptr_t)r->errors));
	reply_problem_json(rq, 400, o);
}

static void reply_imported(struct request *rq, const struct import_result *r)
{
	json_t *o = json_object();

	view_put(&o, "devices", json_integer((json_int_t)r->devices));
	view_put(&o, "skipped", json_integer((json_int_t)r->skipped));
	view_put_text(&o, "skipped_lines", r->skipped_lines);
	if (rq->import->dry_run)
		view_put(&o, "dry_run", json_true());
	reply_json(rq, 200, o);
}

static void imported(void *ctx, const struct import *im)
{
	struct import_upload *up = ctx;
	struct request *rq = up->rq;
	struct import_result r = import_result(im);

	up->im = NULL;
	if (!r.err)
		reply_imported(rq, &r);
	else if (r.err == ERR_INVAL)
		reply_wrong(rq, &r);
	else
		reply_problem(rq, r.err == ERR_FULL ? 507 : 503, err_word(r.err), "%s", r.why);
	request_resume(rq);
	(void)request_paid(rq);
}

/* ---- steps ---- */

static void step(uv_idle_t *idle)
{
	struct admin *a = idle->data;
	struct import_upload *up = a->importing;
	struct turn_mark began = turn_part_begin(a->conf.turns);

	if (!up || !up->im || !import_step(up->im))
		(void)uv_idle_stop(idle);
	turn_part_end(a->conf.turns, TURN_IMPORT, began);
}

static void wake(void *ctx)
{
	const struct import_upload *up = ctx;
	struct admin *a = up->rq->admin;

	if (!a->stopping)
		(void)uv_idle_start(&a->import, step);
}

void devices_import(struct request *rq)
{
	struct import_upload *up = rq->import;
	struct import_conf conf = {.by = rq->actor,
				   .dry_run = up->dry_run,
				   .skip_existing = up->skip_existing,
				   .wake = wake,
				   .done = imported,
				   .ctx = up};
	char *text = up->text;
	int err;

	up->text = NULL;
	err = engine_import(rq->admin->conf.engine, &conf, text, up->len, &up->im);
	if (err) {
		reply_error(rq, err, "%s",
			    err == ERR_BUSY ? "another import is under way; try again later"
					    : err_text(err));
		return;
	}
	request_owed(rq);
	wake(up);
}

void import_upload_abort(struct import_upload *up)
{
	struct import *im = up ? up->im : NULL;

	if (!im)
		return;
	up->im = NULL;
	import_leave(im);
	(void)request_paid(up->rq);
}

void import_upload_free(struct import_upload *up)
{
	if (!up)
		return;
	if (up->rq->admin->importing == up)
		up->rq->admin->importing = NULL;
	if (up->text)
		explicit_bzero(up->text, up->len);
	free(up->text);
	free(up);
}
