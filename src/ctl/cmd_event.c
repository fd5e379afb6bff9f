/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/commands.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl/text.h"
#include "ctl/view.h"

enum { CURSOR_MAX = 160, PAGE = 500 };

/* Where the stream stands: "stream:seq", so that a stream begun anew is noticed. */
static int head_cursor(struct ctl *c, char dst[CURSOR_MAX], int64_t *ret_head)
{
	struct url u;
	json_t *s;

	url_init(&u, "/v1/status");
	s = ctl_get(c, &u);
	if (s == NULL)
		return CTL_FAILED;
	*ret_head = get_int(s, "head");
	(void)snprintf(dst, CURSOR_MAX, "%.100s:%" PRId64, get_str(s, "stream"), *ret_head);
	json_decref(s);
	return CTL_DONE;
}

static bool ignore(const json_t *e, void *arg)
{
	(void)e;
	(void)arg;
	return false;
}

/* The server knows its topics: each that was named, asked of a stream that has ended. */
static bool topics_good(struct ctl *c, const struct args *a, const char *head)
{
	for (unsigned i = 0; i < a->option_count; i++) {
		struct url u;

		if (strcmp(a->option[i].row->name, "topic") != 0)
			continue;
		url_init(&u, "/v1/events");
		url_query(&u, "after", head);
		url_query(&u, "topic", a->option[i].value);
		if (url_text(&u) == NULL || (http_stream(c->http, url_text(&u), ignore, NULL) &&
					     http_status(c->http) == 400)) {
			(void)ctl_fail(c, "%s", http_error(c->http));
			return false;
		}
	}
	return true;
}

/* Events are kept of a device that was removed, so it is no mistake; but perhaps a slip. */
static void device_note(struct ctl *c, const char *device)
{
	json_t *d = NULL;
	struct url u;

	if (device == NULL)
		return;
	url_init(&u, "/v1/devices");
	url_segment(&u, device);
	if (url_text(&u) != NULL && http_call(c->http, "GET", url_text(&u), NULL, &d) &&
	    http_status(c->http) == 404)
		ctl_note(c, "there is no device \"%s\" now", device);
	json_decref(d);
}

/* A page of the list. */
struct page {
	json_t *all;
	int64_t keep; /* rows to keep, 0: all */
	bool newest;  /* keep the newest of them, else the oldest */
	size_t got;   /* rows of this page */
	char cursor[CURSOR_MAX];
};

static bool on_page(const json_t *e, void *arg)
{
	struct page *p = arg;

	p->got++;
	(void)snprintf(p->cursor, sizeof(p->cursor), "%s", get_str(e, "cursor"));
	(void)json_array_append_new(p->all, json_deep_copy(e));
	if (p->keep > 0 && json_array_size(p->all) > (size_t)p->keep)
		(void)json_array_remove(p->all, p->newest ? 0 : (size_t)p->keep);
	return true;
}

static bool page_full(const struct page *p)
{
	return !p->newest && p->keep > 0 && json_array_size(p->all) >= (size_t)p->keep;
}

int event_list(struct ctl *c, const struct args *a)
{
	const char *after = args_option(a, "after"), *device = args_option(a, "device");
	struct page p = {.newest = after == NULL};
	json_t *e, *whole;
	int64_t head = 0;
	size_t i;

	if (!ctl_number(c, a, "limit", after ? 0 : 50, &p.keep))
		return CTL_USAGE;
	(void)snprintf(p.cursor, sizeof(p.cursor), "%s", after ? after : "0");
	bool all = device == NULL && args_option(a, "attempt") == NULL &&
		   args_option(a, "topic") == NULL;
	if (after == NULL && all && p.keep > 0) {
		/* the newest of all: no need to read what lies before them */
		if (head_cursor(c, p.cursor, &head) != CTL_DONE)
			return CTL_FAILED;
		(void)snprintf(p.cursor, sizeof(p.cursor), "%" PRId64,
			       head > p.keep ? head - p.keep : 0);
	}
	p.all = json_array();
	do {
		struct url u;

		p.got = 0;
		url_init(&u, "/v1/events");
		url_query(&u, "after", p.cursor);
		url_query(&u, "device", device);
		url_query(&u, "attempt", args_option(a, "attempt"));
		url_query(&u, "topic", args_option(a, "topic"));
		url_query_number(&u, "limit", PAGE);
		if (url_text(&u) == NULL || http_stream(c->http, url_text(&u), on_page, &p)) {
			json_decref(p.all);
			return ctl_fail(c, "%s", http_error(c->http));
		}
	} while (p.got >= PAGE && !page_full(&p));
	if (json_array_size(p.all) == 0)
		device_note(c, device);

	if (c->out.json) {
		whole = json_pack("{s:O}", "events", p.all);
		out_json(&c->out, whole);
		json_decref(whole);
	} else {
		json_array_foreach(p.all, i, e)
		{
			view_event(&c->out, e);
		}
		if (json_array_size(p.all) == 0) {
			out_styled(&c->out, STYLE_DIM, "No events.");
			out_nl(&c->out);
		}
	}
	json_decref(p.all);
	return CTL_DONE;
}

struct follow {
	struct ctl *c;
	const struct args *a;
	char cursor[CURSOR_MAX];
	bool lost;
};

/* "flash/status" also where the server says "spark/flash/status". */
static bool topic_is(const char *topic, const char *wanted)
{
	size_t lt = strlen(topic), lw = strlen(wanted);

	if (strcmp(topic, wanted) == 0)
		return true;
	return lt > lw && topic[lt - lw - 1] == '/' && strcmp(topic + lt - lw, wanted) == 0;
}

/* One of the topics that were named, or any where none was. */
static bool topic_wanted(const struct args *a, const char *topic)
{
	bool any = true;

	for (unsigned i = 0; i < a->option_count; i++) {
		if (strcmp(a->option[i].row->name, "topic") != 0)
			continue;
		if (topic_is(topic, a->option[i].value))
			return true;
		any = false;
	}
	return any;
}

static bool on_event(const json_t *e, void *arg)
{
	struct follow *f = arg;

	if (f->lost)
		ctl_note(f->c, "connected again");
	f->lost = false;
	(void)snprintf(f->cursor, sizeof(f->cursor), "%s", get_str(e, "cursor"));
	if (!topic_wanted(f->a, get_str(e, "topic")))
		return true;
	if (f->c->out.json)
		out_json_line(&f->c->out, e);
	else
		view_event(&f->c->out, e);
	return out_flush() == 0;
}

/* Whether to try again: the daemon is away, restarting or shedding load. */
static bool worth_again(const struct http *h)
{
	return http_status(h) == 0 || http_status(h) == 503 ||
	       (http_status(h) >= 200 && http_status(h) < 300);
}

int event_follow(struct ctl *c, const struct args *a)
{
	const char *after = args_option(a, "after");
	struct follow f = {.c = c, .a = a};
	struct timespec second = {.tv_sec = 1};
	int64_t head = 0;

	if (head_cursor(c, f.cursor, &head) != CTL_DONE)
		return CTL_FAILED;
	if (!topics_good(c, a, f.cursor))
		return CTL_FAILED;
	device_note(c, args_option(a, "device"));
	if (after != NULL)
		(void)snprintf(f.cursor, sizeof(f.cursor), "%s", after);
	for (;;) {
		struct url u;
		int err;

		url_init(&u, "/v1/events");
		url_query(&u, "follow", "1");
		url_query(&u, "after", f.cursor);
		url_query(&u, "device", args_option(a, "device"));
		url_query(&u, "attempt", args_option(a, "attempt"));
		if (url_text(&u) == NULL)
			return ctl_fail(c, "an argument is too long");
		err = http_stream(c->http, url_text(&u), on_event, &f);
		if (out_flush())
			return CTL_FAILED;
		if (err == ERR_SYNTAX || !worth_again(c->http))
			return ctl_fail(c, "%s", http_error(c->http));
		if (!f.lost)
			ctl_note(c, "%s; trying again",
				 err ? http_error(c->http) : "postbootd closed the stream");
		f.lost = true;
		(void)nanosleep(&second, NULL);
	}
}
