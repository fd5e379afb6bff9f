/* SPDX-License-Identifier: Apache-2.0
 *
 * /v1/releases and /v1/products/NAME/releases, with the upload of an image.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/admin_args.h"
#include "daemon/admin_lint.h"
#include "daemon/admin_match.h"
#include "daemon/admin_requires.h"
#include "daemon/admin_routes.h"
#include "daemon/images_inspect.h"
#include "daemon/view.h"

/* ---- GET ---- */

static void reply_release(struct request *rq, unsigned status, const struct product *p,
			  const char *version)
{
	char name[3 * LIMIT_PRODUCT_NAME + 1], label[3 * LIMIT_VERSION + 1];
	char location[sizeof(name) + sizeof(label) + 32];
	struct release r;

	if (!find_release(rq, p, version, &r))
		return;
	reply_row(rq, status, r.rev, view_release(&r, p->name, p->target == r.id), NULL);
	if (status != 201)
		return;
	(void)snprintf(location, sizeof(location), "/v1/products/%s/releases/%s",
		       percent_encode(p->name, name, sizeof(name)),
		       percent_encode(r.version, label, sizeof(label)));
	reply_header(rq, MHD_HTTP_HEADER_LOCATION, location);
}

struct rows {
	struct release *list;
	unsigned count;
};

static bool releases_row(void *ctx, const struct release *r)
{
	struct rows *rows = ctx;

	rows->list[rows->count++] = *r;
	return true;
}

static void reply_releases(struct request *rq, const struct rows *rows, uint64_t limit,
			   struct product *p)
{
	json_t *o = json_object();
	json_t *list = json_array();

	for (unsigned i = 0; i < rows->count; i++) {
		const struct release *r = &rows->list[i];
		if (p->id != r->product &&
		    !read_ok(rq, store_product(rq->admin->conf.store, r->product, p)))
			break;
		view_append(&list, view_release(r, p->name, p->target == r->id));
	}
	view_put(&o, "releases", list);
	if (rows->count == limit)
		view_put(&o, "next", json_integer(rows->list[rows->count - 1].id));
	reply_json(rq, 200, o);
}

void releases_list(struct request *rq)
{
	struct product p = {0};
	struct rows rows = {0};
	uint64_t after, limit;

	if (!query_number(rq, "after", 0, INT64_MAX, 0, &after) ||
	    !query_number(rq, "limit", 1, LIMIT_PAGE, 100, &limit) ||
	    !body_keys(rq, rq->json, "", "") || (rq->name[0] && !find_product(rq, rq->name[0], &p)))
		return;
	rows.list = calloc(limit, sizeof(*rows.list));
	if (!rows.list) {
		reply_error(rq, ERR_NOMEM, "out of memory");
		return;
	}
	if (read_ok(rq, store_releases(rq->admin->conf.store, p.id, (int64_t)after, (unsigned)limit,
				       releases_row, &rows)))
		reply_releases(rq, &rows, limit, &p);
	free(rows.list);
}

void release_get(struct request *rq)
{
	struct product p;

	if (body_keys(rq, rq->json, "", "") && find_product(rq, rq->name[0], &p))
		reply_release(rq, 200, &p, rq->name[1]);
}

/* ---- DELETE ---- */

static void release_removed(struct request *rq)
{
	reply_empty(rq, 204);
}

void release_remove(struct request *rq)
{
	struct product p;
	struct release r;

	if (!body_keys(rq, rq->json, "", "") || !find_product(rq, rq->name[0], &p) ||
	    !find_release(rq, &p, rq->name[1], &r))
		return;
	rq->after = release_removed;
	rq->show = release_get;
	request_owed(rq);
	engine_release_remove(rq->admin->conf.engine, &rq->actor, p.name, rq->name[1], request_done,
			      rq);
}

/* ---- POST: another state ---- */

static void release_changed(struct request *rq)
{
	struct product p;

	if (find_product(rq, rq->name[0], &p))
		reply_release(rq, 200, &p, rq->name[1]);
}

static void release_state(struct request *rq, enum release_state state)
{
	struct product p;
	struct release r;

	if (!body_keys(rq, rq->json, "", "") || !find_product(rq, rq->name[0], &p) ||
	    !find_release(rq, &p, rq->name[1], &r))
		return;
	rq->after = release_changed;
	rq->show = release_get;
	request_owed(rq);
	engine_release_state(rq->admin->conf.engine, &rq->actor, p.name, rq->name[1], state,
			     request_done, rq);
}

void release_activate(struct request *rq)
{
	release_state(rq, RELEASE_ACTIVE);
}

void release_quarantine(struct request *rq)
{
	release_state(rq, RELEASE_QUARANTINED);
}

void release_withdraw(struct request *rq)
{
	release_state(rq, RELEASE_WITHDRAWN);
}

/* ---- POST: the head ---- */

struct release_upload {
	struct images_upload *up; /* NULL once it is taken or given up */
	struct product product;
	struct release release;
	bool label_anyway;
	struct digest file; /* what the operator says it is; len 0: nothing */
	struct images_signing signing;
};

struct running_args {
	struct request *rq;
	struct release_upload *ru;
};

static enum MHD_Result running_arg(void *cls, enum MHD_ValueKind kind, const char *key,
				   const char *value)
{
	struct running_args *args = cls;
	struct release_upload *ru = args->ru;
	struct digest d;
	char text[160];
	int err = ERR_SYNTAX;

	(void)kind;
	if (strcmp(key, "running") != 0)
		return MHD_YES;
	bool whole = buf_copy_str(text, sizeof(text), value);
	if (percent_decode(text))
		(void)buf_copy_str(text, sizeof(text), "?");
	else if (whole)
		err = digest_from_text(text, &d);
	if (err) {
		reply_problem(args->rq, 400, err_word(err),
			      "running: \"%.80s\" is not KIND:HEX (file, mcuboot, esp-appended or "
			      "vendor-N; 4 to 64 bytes, file 32)",
			      text);
		return MHD_NO;
	}
	if (d.kind == DIGEST_FILE && (!ru->file.len || digest_equal(&ru->file, &d))) {
		ru->file = d;
		return MHD_YES;
	}
	if (d.kind == DIGEST_FILE)
		err = ERR_EXIST;
	else if (ru->release.running_count == LIMIT_DIGEST_KINDS - 1 &&
		 !release_digest(&ru->release, d.kind))
		err = ERR_LIMIT; /* one place is for `file` */
	else
		err = release_add_digest(&ru->release, &d);
	if (err)
		reply_problem(args->rq, 400, err_word(err), "running: %.80s: %s", text,
			      err == ERR_LIMIT ? "too many kinds" : "a kind is given twice");
	return err ? MHD_NO : MHD_YES;
}

static bool reports_arg(struct request *rq, struct release *r)
{
	char text[64], *save = NULL;

	if (!query_text(rq, "reports", sizeof(text), text))
		return false;
	for (char *word = strtok_r(text, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		if (strcmp(word, "no-digest") == 0) {
			r->no_digest = true;
		} else if (strcmp(word, "no-confirm") == 0) {
			r->no_confirm = true;
		} else {
			reply_problem(rq, 400, "invalid",
				      "reports: \"%s\" is not no-digest or no-confirm", word);
			return false;
		}
	}
	return true;
}

/* Is there a body, of which type, and how long? -1: not told (chunked). */
static bool upload_body(struct request *rq, int64_t *ret_expected)
{
	const char *type = MHD_lookup_connection_value(rq->connection, MHD_HEADER_KIND,
						       MHD_HTTP_HEADER_CONTENT_TYPE);
	const char *length = MHD_lookup_connection_value(rq->connection, MHD_HEADER_KIND,
							 MHD_HTTP_HEADER_CONTENT_LENGTH);
	int64_t limit = images_limit(rq->admin->conf.images);
	uint64_t n = 0;

	if (type && strcasecmp(type, "application/octet-stream") != 0) {
		reply_problem(rq, 415, "unsupported",
			      "the body is \"%.64s\"; send the image itself as "
			      "application/octet-stream",
			      type);
		return false;
	}
	*ret_expected = -1;
	if (MHD_lookup_connection_value(rq->connection, MHD_HEADER_KIND,
					MHD_HTTP_HEADER_TRANSFER_ENCODING))
		return true;
	if (!length || !number_parse(length, &n)) {
		reply_problem(rq, 411, "length", "send the image with Content-Length or chunked");
		return false;
	}
	if (n == 0)
		reply_problem(rq, 400, "invalid", "the image is empty");
	else if (n > (uint64_t)limit)
		reply_problem(rq, 413, "limit",
			      "the image has %llu bytes; at most %lld are accepted",
			      (unsigned long long)n, (long long)limit);
	*ret_expected = (int64_t)n;
	return !rq->response;
}

/* A signature beside the image. */
static bool signature_arg(struct request *rq, struct sign_raw *ret)
{
	char text[2 * SIGN_BASE64];

	if (!query_text(rq, "signature", sizeof(text), text))
		return false;
	if (!text[0])
		return true;
	int err = sign_from_base64((struct bytes){(const uint8_t *)text, strlen(text)}, ret);
	if (err)
		reply_problem(rq, 400, err_word(err),
			      "signature: it is not base64 of up to %d bytes", LIMIT_SIGNATURE);
	return !err;
}

static void upload_room(void *ctx)
{
	request_resume(ctx);
}

static bool release_is_new(struct request *rq, const struct product *p, const char *version)
{
	struct release r;
	int err = store_release_by_version(rq->admin->conf.store, p->id, version, &r);

	if (err == ERR_NOENT)
		return true;
	if (read_ok(rq, err))
		reply_problem(rq, 409, "exists",
			      "product \"%s\" has a release \"%s\" already; a label is "
			      "never given to other bytes",
			      p->name, version);
	return false;
}

void release_add_head(struct request *rq)
{
	struct release_upload *ru = calloc(1, sizeof(*ru));
	struct running_args args = {rq, ru};
	char version[LIMIT_VERSION + 2];
	int64_t expected;
	bool draft = false;

	rq->upload = ru;
	if (!ru) {
		reply_error(rq, ERR_NOMEM, "out of memory");
		return;
	}
	if (!find_product(rq, rq->name[0], &ru->product) ||
	    !query_text(rq, "version", sizeof(version), version) ||
	    !check_version(rq, "version", version) || !release_is_new(rq, &ru->product, version) ||
	    !reports_arg(rq, &ru->release) || !requires_args(rq, version, &ru->release.requires) ||
	    !signature_arg(rq, &ru->signing.beside) || !query_flag(rq, "draft", &draft) ||
	    !query_flag(rq, "label_anyway", &ru->label_anyway))
		return;
	if (draft)
		ru->release.state = RELEASE_DRAFT;
	(void)MHD_get_connection_values(rq->connection, MHD_GET_ARGUMENT_KIND, running_arg, &args);
	if (rq->response || !upload_body(rq, &expected))
		return;
	if (!conns_image_place(rq->connection)) {
		reply_problem(rq, 503, "busy", "your user has %d uploads under way; try again",
			      LIMIT_UPLOADS_PER_USER);
		return;
	}
	(void)buf_copy_str(ru->release.version, sizeof(ru->release.version), version);
	ru->release.product = ru->product.id;
	int err = images_upload_new(rq->admin->conf.images, expected, upload_room, rq, &ru->up);
	if (err == ERR_BUSY)
		reply_problem(rq, 503, "busy", "%d uploads are under way; try again",
			      LIMIT_UPLOADS);
	else if (err)
		reply_error(rq, err, "the upload cannot begin: %s", err_text(err));
}

/* ---- POST: the body ---- */

static void reply_upload_error(struct request *rq, int err)
{
	struct release_upload *ru = rq->upload;

	images_upload_abort(ru->up);
	ru->up = NULL;
	if (err == ERR_LIMIT)
		reply_problem(rq, 413, "limit", "the image is larger than %lld bytes",
			      (long long)images_limit(rq->admin->conf.images));
	else if (err == ERR_INVAL)
		reply_problem(rq, 400, "invalid", "the image is empty");
	else if (err == ERR_TRUNC)
		reply_problem(rq, 400, "truncated", "the image ended before its Content-Length");
	else
		reply_fault(rq, err,
			    err == ERR_FULL ? "Free space on the file system of the image folder, "
					      "and try again"
					    : "See that the daemon's user can write the image "
					      "folder, and try again",
			    "the image cannot be stored: %s; nothing is left of it", err_text(err));
}

size_t release_upload_write(struct request *rq, const char *ptr, size_t len)
{
	struct release_upload *ru = rq->upload;
	size_t done = 0;

	while (done < len) {
		size_t taken = 0;
		int err = images_upload_write(ru->up, ptr + done, len - done, &taken);
		if (err) {
			reply_upload_error(rq, err);
			return done;
		}
		if (taken == 0) {
			request_suspend(rq); /* until upload_room() */
			return done;
		}
		done += taken;
	}
	return done;
}

/* The file stays only if some release names these bytes. */
static void upload_unpin(struct request *rq, bool keep)
{
	const uint8_t *sha256 = rq->upload->release.sha256;
	struct admin *a = rq->admin;
	bool used = true;

	images_unpin(a->conf.images, sha256);
	if (!keep && !store_image_used(a->conf.store, sha256, &used) && !used)
		images_remove(a->conf.images, sha256);
}

static void release_added(struct request *rq)
{
	reply_release(rq, 201, &rq->upload->product, rq->upload->release.version);
}

static void release_done(void *ctx, const struct engine_result *result)
{
	struct request *rq = ctx;

	upload_unpin(rq, result->err == 0);
	request_done(rq, result);
}

static int upload_release(struct release_upload *ru, const uint8_t sha256[DIGEST_SHA256],
			  int64_t size_bytes)
{
	struct release *r = &ru->release;
	struct digest file = {.kind = DIGEST_FILE, .len = DIGEST_SHA256};

	memcpy(r->sha256, sha256, DIGEST_SHA256);
	memcpy(file.value, sha256, DIGEST_SHA256);
	if (ru->file.len && !digest_equal(&ru->file, &file))
		return ERR_INVAL;
	r->size_bytes = size_bytes;
	r->created_ms = clock_read().wall_ms;
	/* `file` goes first; its place was kept free. */
	memmove(&r->running[1], &r->running[0], r->running_count * sizeof(r->running[0]));
	r->running[0] = file;
	r->running_count++;
	return 0;
}

static void upload_looked(void *ctx, int err, const struct image *im,
			  const struct sign_result *signing)
{
	struct request *rq = ctx;
	struct release_upload *ru = rq->upload;

	if (err && rq->connection)
		reply_upload_error(rq, err);
	if (!err && rq->connection &&
	    lint_release(rq, &ru->product, im, ru->label_anyway, &ru->release) &&
	    lint_signature(rq, &ru->product, &ru->signing.signers, signing, &ru->release)) {
		/* The debt passes from the pool to the engine. */
		engine_release_add(rq->admin->conf.engine, &rq->actor, &ru->release, release_done,
				   rq);
		return;
	}
	upload_unpin(rq, false);
	request_resume(rq);
	(void)request_paid(rq);
}

static void upload_done(void *ctx, int err, const uint8_t sha256[DIGEST_SHA256], int64_t size_bytes)
{
	struct request *rq = ctx;
	struct release_upload *ru = rq->upload;
	struct signers *signers = &ru->signing.signers;

	if (err) {
		if (rq->connection)
			reply_upload_error(rq, err);
	} else if (upload_release(ru, sha256, size_bytes) || !rq->connection) {
		upload_unpin(rq, false);
		if (rq->connection)
			reply_problem(rq, 400, "invalid",
				      "running: the image's SHA-256 is not the given file:HEX");
	} else if (!read_ok(rq, store_signers(rq->admin->conf.store, ru->product.id, signers))) {
		upload_unpin(rq, false);
	} else if (images_inspect(rq->admin->conf.images, sha256, size_bytes, &ru->signing,
				  upload_looked, rq) == 0) {
		return;
	} else {
		upload_unpin(rq, false);
		reply_error(rq, ERR_NOMEM, "out of memory");
	}
	request_resume(rq);
	(void)request_paid(rq);
}

void release_add(struct request *rq)
{
	struct images_upload *up = rq->upload->up;

	rq->upload->up = NULL;
	rq->after = release_added;
	request_owed(rq);
	images_upload_finish_take(up, upload_done, rq);
}

void release_upload_abort(struct release_upload *ru)
{
	images_upload_abort(ru->up);
	ru->up = NULL;
}

void release_upload_free(struct release_upload *ru)
{
	if (!ru)
		return;
	release_upload_abort(ru);
	free(ru);
}
