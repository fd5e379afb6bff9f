/* SPDX-License-Identifier: Apache-2.0
 *
 * POST /v1/backup: a copy of the database is made on the thread pool, in a file beside it that
 * has lost its name before its first byte is sent. One at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/admin_args.h"
#include "daemon/admin_routes.h"
#include "store/backup.h"

struct backup {
	uv_work_t work;
	struct request *rq;
	char *from, *to;
	atomic_bool stop;
	int64_t begun_ms;
	/* by the pool */
	int err, fd;
	int64_t size;
	char error[200];
};

void backup_free(struct backup *b)
{
	if (!b)
		return;
	if (b->rq->admin->backup == b)
		b->rq->admin->backup = NULL;
	if (b->fd >= 0)
		(void)close(b->fd);
	free(b->from);
	free(b->to);
	free(b);
}

void backup_stop(struct backup *b)
{
	if (b)
		atomic_store(&b->stop, true);
}

static int failed(struct backup *b)
{
	(void)snprintf(b->error, sizeof(b->error), "%s", strerror(errno));
	return err_from_errno(errno);
}

/* On the pool. */
static int copy(struct backup *b)
{
	const struct store_backup what = {.from = b->from, .to = b->to, .stop = &b->stop};
	struct stat st;

	(void)unlink(b->to); /* of one that a crash cut off */
	b->fd = open(b->to, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (b->fd < 0)
		return failed(b);
	int err = store_backup(&what, b->error);
	(void)unlink(b->to);
	if (!err && fstat(b->fd, &st) < 0)
		err = failed(b);
	if (!err)
		b->size = st.st_size;
	return err;
}

static void work(uv_work_t *w)
{
	struct backup *b = w->data;

	b->err = copy(b);
}

static void answer(struct request *rq, struct backup *b)
{
	struct MHD_Response *r;

	if (b->err) {
		log_err("backup error=%s what=\"%s\"", err_word(b->err), b->error);
		reply_error(rq, b->err, "the database could not be copied: %s%s",
			    b->error[0] ? b->error : err_text(b->err),
			    b->err == ERR_FULL ? "; its folder needs room for a copy of it" : "");
		return;
	}
	r = MHD_create_response_from_fd64((uint64_t)b->size, b->fd);
	if (!r) {
		reply_error(rq, ERR_NOMEM, "out of memory");
		return;
	}
	b->fd = -1; /* the response closes it */
	reply_response(rq, 200, r);
	reply_header(rq, MHD_HTTP_HEADER_CONTENT_TYPE, "application/vnd.sqlite3");
	log_info("backup bytes=%lld ms=%lld", (long long)b->size,
		 (long long)(clock_read().now_ms - b->begun_ms));
}

static void worked(uv_work_t *w, int status)
{
	struct backup *b = w->data;
	struct request *rq = b->rq;

	if (status && !b->err)
		b->err = ERR_CLOSED;
	if (rq->connection && !rq->response)
		answer(rq, b);
	request_resume(rq);
	(void)request_paid(rq);
}

/* It stands in the audit log: now it may be made. */
static void noted(void *ctx, const struct engine_result *result)
{
	struct backup *b = ctx;
	struct request *rq = b->rq;

	if (result->err)
		reply_error(rq, result->err, "the server cannot enter it in its audit log: %s",
			    result->why);
	else if (uv_queue_work(rq->admin->conf.loop, &b->work, work, worked))
		reply_error(rq, ERR_NOMEM, "out of memory");
	else
		return;
	request_resume(rq);
	(void)request_paid(rq);
}

void backup_make(struct request *rq)
{
	struct admin *a = rq->admin;
	const char *db = a->conf.database;

	if (!body_keys(rq, rq->json, "", ""))
		return;
	if (!db) {
		reply_error(rq, ERR_UNSUPPORTED, "this database is not in a file");
		return;
	}
	if (a->backup) {
		reply_error(rq, ERR_BUSY, "another backup is being made: try again after it");
		return;
	}
	struct backup *b = calloc(1, sizeof(*b));
	if (!b) {
		reply_error(rq, ERR_NOMEM, "out of memory");
		return;
	}
	b->fd = -1;
	b->rq = rq;
	b->begun_ms = clock_read().now_ms;
	b->work.data = b;
	rq->backup = b;
	a->backup = b;
	b->from = strdup(db);
	if (!b->from || asprintf(&b->to, "%s-backup", db) < 0) {
		b->to = NULL;
		reply_error(rq, ERR_NOMEM, "out of memory");
		return;
	}
	request_owed(rq);
	engine_backup(a->conf.engine, &rq->actor, noted, b);
}
