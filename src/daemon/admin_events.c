/* SPDX-License-Identifier: Apache-2.0
 *
 * /v1/events: the outbox, page by page, as JSON lines or Server-Sent Events. A follower holds
 * at most one page of text; it sleeps when nothing is new, and a reader that does not read is
 * not read for.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/event.h"
#include "daemon/admin_args.h"
#include "daemon/admin_routes.h"
#include "daemon/view.h"

enum {
	PAGE_ROWS = 64,
	PAGE_LOOKED = 512, /* rows looked at in one turn where a filter skips most of them */
	TOPIC_MAX = 64,
	PAGE_BYTES = 64 * 1024,	    /* a page ends after the event that reaches it */
	FOLLOWER_BLOCK = 16 * 1024, /* libmicrohttpd's buffer per follower */
	FOLLOWER_IDLE_S = 300,	    /* a follower that takes nothing for so long is let go */
};

struct follower {
	struct request *rq;
	bool follow, sse, waiting, keep_alive, failed;
	bool limited;
	uint64_t left; /* events still to send, if limited */
	uint64_t next; /* the last event sent or skipped */
	uint64_t last; /* without follow: where it ends */
	char stream[33];
	char device[LIMIT_DEVICE_ID + 1];
	char topic[TOPIC_MAX + 1]; /* "": all */
	uint64_t attempt;	   /* 0: all */
	bool cloudevents;
	bool more;	 /* the page ended at its rows: look on */
	unsigned looked; /* rows of this page, sent or skipped */
	char *text;	 /* the page: [pos, len) is to be sent */
	size_t pos, len, cap;
};

void follower_free(struct follower *f)
{
	if (!f)
		return;
	free(f->text);
	free(f);
}

static void page_put(struct follower *f, const char *text, size_t len)
{
	if (f->failed)
		return;
	if (f->len + len > f->cap) {
		size_t cap = (f->len + len) * 2;
		char *more = realloc(f->text, cap);
		if (!more) {
			f->failed = true;
			return;
		}
		f->text = more;
		f->cap = cap;
	}
	memcpy(f->text + f->len, text, len);
	f->len += len;
}

static void page_puts(struct follower *f, const char *text)
{
	page_put(f, text, strlen(text));
}

/* "flash/status" also where the server says "spark/flash/status". */
static bool topic_is(const char *topic, const char *wanted)
{
	size_t lt = strlen(topic), lw = strlen(wanted);

	return lt >= lw && strcmp(topic + lt - lw, wanted) == 0 &&
	       (lt == lw || topic[lt - lw - 1] == '/');
}

static bool event_fits(const struct follower *f, const struct store_event_row *e)
{
	return (!f->topic[0] || topic_is(e->topic, f->topic)) &&
	       (!f->attempt || e->attempt == f->attempt);
}

static bool page_row(void *ctx, const struct store_event_row *e)
{
	struct follower *f = ctx;

	if (!f->follow && e->seq > f->last)
		return false;
	f->looked++;
	if (!event_fits(f, e)) {
		f->next = e->seq;
		return true;
	}
	json_t *o = view_event(f->stream, e);
	if (f->cloudevents)
		o = view_cloudevent(f->stream, o);
	char *json = o ? json_dumps(o, JSON_COMPACT) : NULL;
	if (!json)
		f->failed = true;
	else if (f->sse) {
		page_puts(f, "id: ");
		page_puts(f,
			  json_string_value(json_object_get(o, f->cloudevents ? "id" : "cursor")));
		page_puts(f, "\nevent: ");
		page_puts(f,
			  json_string_value(json_object_get(o, f->cloudevents ? "type" : "topic")));
		page_puts(f, "\ndata: ");
		page_puts(f, json);
		page_puts(f, "\n\n");
	} else {
		page_puts(f, json);
		page_puts(f, "\n");
	}
	free(json);
	json_decref(o);
	if (f->failed)
		return false;
	f->next = e->seq;
	if (f->limited)
		f->left--;
	return f->len < PAGE_BYTES && (!f->limited || f->left > 0);
}

/* Have events between the last one sent and this page gone meanwhile (retention)? Asked after
 * the page was read: what was there then, was there before. */
static bool page_has_gap(struct follower *f, uint64_t before)
{
	uint64_t first = 0;

	return store_events_first(f->rq->admin->conf.store, &first) || before + 1 < first;
}

/* Reads the next page; empty when there is nothing (more) to tell. */
static void page_read(struct follower *f)
{
	struct store *store = f->rq->admin->conf.store;
	bool filtered = f->topic[0] || f->attempt;
	unsigned rows = filtered ? PAGE_LOOKED : PAGE_ROWS;
	struct store_info info;

	f->pos = f->len = 0;
	f->looked = 0;
	f->more = false;
	if (!filtered && f->limited && f->left < rows)
		rows = (unsigned)f->left;
	if ((f->limited && f->left == 0) || (!f->follow && f->next >= f->last))
		return;
	uint64_t before = f->next;
	store_info(store, &info); /* before the page: what is not in it by then is not for us */
	if (strcmp(info.stream, f->stream) != 0 ||
	    store_events(store, f->next, f->device, rows, page_row, f) || page_has_gap(f, before))
		f->failed = true;
	else if (f->looked == rows)
		f->more = true;
	else if (f->looked == 0 && f->device[0] && f->next < info.head)
		f->next = info.head;
}

static bool follower_ended(const struct follower *f)
{
	if (f->limited && f->left == 0)
		return true;
	return !f->follow || f->rq->admin->draining;
}

static ssize_t follower_read(void *cls, uint64_t pos, char *dst, size_t max)
{
	struct follower *f = cls;

	(void)pos;
	f->waiting = false;
	if (f->pos == f->len && !f->failed)
		page_read(f);
	if (f->failed) /* cut, not ended: the client asks again from its cursor */
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (f->pos == f->len && f->more) {
		/* Nothing here was wanted: let others have a turn, then look on. */
		request_suspend(f->rq);
		request_resume(f->rq);
		return 0;
	}
	if (f->pos == f->len) {
		if (follower_ended(f))
			return MHD_CONTENT_READER_END_OF_STREAM;
		if (!f->keep_alive) {
			f->waiting = true;
			request_suspend(f->rq);
			return 0;
		}
		page_puts(f, f->sse ? ": keep-alive\n\n" : "\n");
	}
	f->keep_alive = false;
	size_t n = f->len - f->pos;
	if (n > max)
		n = max;
	if (n)
		memcpy(dst, f->text + f->pos, n);
	f->pos += n;
	return (ssize_t)n;
}

void followers_wake(struct admin *a, bool keep_alive)
{
	LIST_EACH(it, next, &a->requests)
	{
		struct request *rq = LIST_ENTRY(it, struct request, link);
		if (!rq->follower || !rq->follower->waiting)
			continue;
		rq->follower->keep_alive = keep_alive;
		rq->follower->waiting = false;
		request_resume(rq);
	}
}

unsigned followers_count(const struct admin *a, uint64_t *ret_lag)
{
	struct store_info info;
	unsigned count = 0;

	store_info(a->conf.store, &info);
	*ret_lag = 0;
	LIST_EACH(it, next, &a->requests)
	{
		const struct follower *f = LIST_ENTRY(it, struct request, link)->follower;
		if (!f || !f->follow)
			continue;
		count++;
		if (info.head > f->next && info.head - f->next > *ret_lag)
			*ret_lag = info.head - f->next;
	}
	return count;
}

void follower_cut(struct admin *a, const struct MHD_Connection *connection)
{
	LIST_EACH(it, next, &a->requests)
	{
		struct request *rq = LIST_ENTRY(it, struct request, link);
		if (rq->connection != connection || !rq->follower || !rq->follower->waiting)
			continue;
		rq->follower->failed = true;
		rq->follower->waiting = false;
		request_resume(rq);
	}
}

/* ---- where to begin ---- */

/* 410 with the ends of what there is. */
static void reply_gone(struct request *rq, const struct store_info *info, uint64_t first,
		       const char *detail)
{
	json_t *o = view_problem(410, "gone", detail);

	view_put(&o, "head", json_sprintf("%s:%llu", info->stream, (unsigned long long)info->head));
	view_put(&o, "oldest", json_sprintf("%s:%llu", info->stream, (unsigned long long)first));
	char *body = o ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	struct MHD_Response *r =
		body ? MHD_create_response_from_buffer(strlen(body), body, MHD_RESPMEM_MUST_FREE)
		     : NULL;
	if (!r)
		free(body);
	reply_response(rq, 410, r);
	reply_header(rq, MHD_HTTP_HEADER_CONTENT_TYPE, "application/problem+json");
}

/* "stream:seq" or "seq"; 0 is before the oldest event there is. False after a problem. */
static bool cursor_parse(struct request *rq, const char *text, const struct store_info *info,
			 uint64_t first, uint64_t *ret_seq)
{
	const char *colon = strrchr(text, ':');
	const char *number = colon ? colon + 1 : text;
	uint64_t seq;

	if (!number_parse(number, &seq)) {
		reply_problem(rq, 400, "invalid", "after: \"%.80s\" is not STREAM:NUMBER or NUMBER",
			      text);
		return false;
	}
	if (colon && (strlen(info->stream) != (size_t)(colon - text) ||
		      memcmp(text, info->stream, (size_t)(colon - text)) != 0))
		reply_gone(rq, info, first, "the cursor is of another event stream");
	else if (seq > info->head)
		reply_gone(rq, info, first, "the cursor is past the newest event");
	else if (seq && seq + 1 < first)
		reply_gone(rq, info, first, "events after the cursor are no longer kept");
	else
		*ret_seq = seq ? seq : first - 1;
	return rq->response == NULL;
}

static bool follower_begin(struct request *rq, struct follower *f)
{
	const char *last_id =
		MHD_lookup_connection_value(rq->connection, MHD_HEADER_KIND, "Last-Event-ID");
	struct store_info info;
	uint64_t first = 0;
	char after[96];

	/* the head after the first: it is not below it then */
	int err = store_events_first(rq->admin->conf.store, &first);
	if (err) {
		reply_error(rq, err, "%s", err_text(err));
		return false;
	}
	store_info(rq->admin->conf.store, &info);
	(void)buf_copy_str(f->stream, sizeof(f->stream), info.stream);
	f->last = info.head;
	if (!query_text(rq, "after", sizeof(after), after))
		return false;
	if (last_id && *last_id) /* a browser that comes back repeats the first query, too */
		return cursor_parse(rq, last_id, &info, first, &f->next);
	/* An empty one is a cursor that was lost, and no wish to miss what was. */
	if (after[0] || MHD_lookup_connection_value(rq->connection, MHD_GET_ARGUMENT_KIND, "after"))
		return cursor_parse(rq, after, &info, first, &f->next);
	f->next = f->follow ? info.head : first - 1;
	return true;
}

static bool query_format(struct request *rq, bool *ret_cloudevents)
{
	char text[32];

	if (!query_text(rq, "format", sizeof(text), text))
		return false;
	*ret_cloudevents = strcmp(text, "cloudevents") == 0;
	if (*ret_cloudevents || !text[0] || strcmp(text, "plain") == 0)
		return true;
	reply_problem(rq, 400, "invalid", "query: format: \"%s\" is not plain or cloudevents",
		      text);
	return false;
}

/* Kinds of the same topic stand beside each other. */
static void say_topics(struct buf *b)
{
	const char *before = "";

	for (enum event_kind k = EVENT_FLASH_STARTED; k <= EVENT_STORE_RESTORED; k++) {
		if (strcmp(event_topic(k), before) == 0)
			continue;
		buf_put_str(b, before[0] ? ", " : "");
		before = event_topic(k);
		buf_put_str(b, before);
	}
}

/* One that there is, with the prefix or without it: a slip would wait for ever. */
static bool query_topic(struct request *rq, struct follower *f)
{
	const char *prefix = engine_event_prefix(rq->admin->conf.engine);
	size_t len = strlen(prefix);
	enum event_kind kind;

	if (!query_text(rq, "topic", sizeof(f->topic), f->topic))
		return false;
	if (!f->topic[0] || event_from_topic(f->topic, &kind) == 0)
		return true;
	if (strncmp(f->topic, prefix, len) == 0 && event_from_topic(f->topic + len, &kind) == 0)
		return true;
	char topics[512];
	struct buf b = buf_writer(topics, sizeof(topics));
	say_topics(&b);
	reply_problem(rq, 400, "invalid", "query: topic: \"%s\" is not a topic: %s", f->topic,
		      buf_cstr(&b));
	return false;
}

/* The events of an attempt are among those of its device. */
static bool query_attempt(struct request *rq, struct follower *f)
{
	struct attempt a;

	if (!query_number(rq, "attempt", 1, ATTEMPT_ID_MAX, 0, &f->attempt))
		return false;
	if (!f->attempt)
		return true;
	int err = store_attempt(rq->admin->conf.store, f->attempt, &a);
	if (err == ERR_NOENT) {
		reply_error(rq, err, "there is no attempt %llu", (unsigned long long)f->attempt);
		return false;
	}
	if (read_ok(rq, err) && !f->device[0])
		(void)buf_copy_str(f->device, sizeof(f->device), a.device);
	return !rq->response;
}

void events_get(struct request *rq)
{
	const char *accept = MHD_lookup_connection_value(rq->connection, MHD_HEADER_KIND,
							 MHD_HTTP_HEADER_ACCEPT);
	struct follower *f = calloc(1, sizeof(*f));

	rq->follower = f;
	if (!f) {
		reply_error(rq, ERR_NOMEM, "out of memory");
		return;
	}
	f->rq = rq;
	f->sse = accept && strstr(accept, "text/event-stream");
	if (!body_keys(rq, rq->json, "", "") || !query_flag(rq, "follow", &f->follow) ||
	    !query_text(rq, "device", sizeof(f->device), f->device) || !query_topic(rq, f) ||
	    !query_format(rq, &f->cloudevents) || !query_attempt(rq, f) ||
	    !query_number(rq, "limit", 1, INT64_MAX, 0, &f->left) || !follower_begin(rq, f))
		return;
	f->limited = f->left > 0;
	struct MHD_Response *r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, FOLLOWER_BLOCK,
								   follower_read, f, NULL);
	if (!r) {
		reply_error(rq, ERR_NOMEM, "out of memory");
		return;
	}
	reply_response(rq, 200, r);
	reply_header(rq, MHD_HTTP_HEADER_CONTENT_TYPE,
		     f->sse ? "text/event-stream" : "application/x-ndjson");
	if (f->follow)
		(void)MHD_set_connection_option(rq->connection, MHD_CONNECTION_OPTION_TIMEOUT,
						(unsigned)FOLLOWER_IDLE_S);
}
