/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/commands.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "ctl/show.h"
#include "ctl/text.h"
#include "ctl/view.h"

static void url_attempt(struct url *u, const char *id)
{
	url_init(u, "/v1/attempts");
	url_segment(u, id);
}

/* A time as it is, or a duration as so long ago; false after a usage message. */
static bool url_query_time(const struct ctl *c, struct url *u, const struct args *a,
			   const char *name)
{
	const char *value = args_option(a, name);
	char when[25];
	int64_t s = 0;

	if (value != NULL && text_duration(value, &s) == 0)
		value = clock_format(clock_read().wall_ms - s * 1000, when);
	else if (value != NULL && value[strspn(value, "0123456789")] != '-') {
		(void)ctl_usage(c,
				"--%s wants a time such as 2026-11-22T23:51:07Z, or a duration "
				"such as 24h for so long ago, not \"%s\"",
				name, value);
		return false;
	}
	url_query(u, name, value); /* a time is checked by the server */
	return true;
}

static void attempt_row(struct table *t, const struct output *o, const json_t *one)
{
	char id[24], update[160], ago[64];

	(void)snprintf(id, sizeof(id), "%" PRId64, get_int(one, "id"));
	(void)snprintf(update, sizeof(update), "%.64s %s %.64s",
		       get_str(json_object_get(one, "from"), "version"), out_sign(o, SIGN_ARROW),
		       get_str(one, "version"));
	table_cell(t, STYLE_PLAIN, id);
	table_cell(t, STYLE_BOLD, get_str(one, "device"));
	table_cell(t, STYLE_PLAIN, update);
	table_cell(t, style_attempt(one), attempt_word(one));
	table_cell(t, STYLE_DIM, get_str(one, "via"));
	table_cell(t, STYLE_DIM, out_ago(o, get_time(one, "created"), ago));
}

int attempt_list(struct ctl *c, const struct args *a)
{
	static const struct rows_view rows = {
		"attempts",
		{"ATTEMPT", "DEVICE", "UPDATE", "STATE", "VIA", "OFFERED", NULL},
		attempt_row,
		"No attempts.",
	};
	struct url u;
	int64_t limit = 0;

	if (!ctl_number(c, a, "limit", 50, &limit))
		return CTL_USAGE;
	url_init(&u, "/v1/attempts");
	url_query(&u, "device", args_option(a, "device"));
	url_query(&u, "product", args_option(a, "product"));
	url_query(&u, "release", args_option(a, "release"));
	url_query(&u, "verdict", args_option(a, "verdict"));
	url_query(&u, "charged", args_option(a, "charged") ? "1" : NULL);
	url_query(&u, "open", args_option(a, "open") ? "1" : NULL);
	if (!url_query_time(c, &u, a, "since") || !url_query_time(c, &u, a, "until"))
		return CTL_USAGE;
	return ctl_show_rows(c, ctl_list(c, &u, "attempts", "before", limit), &rows);
}

/* An attempt's id is a number; the server would say only that there is none. */
static bool id_given(const struct ctl *c, const char *word)
{
	int64_t n = 0;

	if (text_integer(word, &n) == 0 && n > 0)
		return true;
	(void)ctl_usage(c, "an attempt is named by its number, not \"%s\"", word);
	return false;
}

int attempt_show(struct ctl *c, const struct args *a)
{
	struct url u;

	if (!id_given(c, a->pos[0]))
		return CTL_USAGE;
	url_attempt(&u, a->pos[0]);
	return ctl_show(c, ctl_get(c, &u), view_attempt);
}

int attempt_cancel(struct ctl *c, const struct args *a)
{
	struct url u;
	json_t *one;

	if (!id_given(c, a->pos[0]))
		return CTL_USAGE;
	url_attempt(&u, a->pos[0]);
	url_segment(&u, "cancel");
	one = ctl_call(c, "POST", &u, NULL);
	if (one == NULL)
		return CTL_FAILED;
	if (c->out.json) {
		out_json(&c->out, one);
	} else {
		bool closed = strcmp(get_str(one, "state"), "closed") == 0;

		out_printf(&c->out,
			   closed ? "Attempt %s is cancelled."
				  : "Attempt %s will end when its device asks to apply.",
			   a->pos[0]);
		out_nl(&c->out);
	}
	json_decref(one);
	return CTL_DONE;
}

static void pause_ms(long ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	(void)nanosleep(&t, NULL);
}

/* The open attempt of a device; 0 and a message when there is none. */
static int64_t open_attempt(struct ctl *c, const char *device, bool wait)
{
	bool told = false;

	for (;;) {
		struct url u;
		json_t *d;
		int64_t id;
		char why[80];

		url_init(&u, "/v1/devices");
		url_segment(&u, device);
		d = ctl_get(c, &u);
		if (d == NULL)
			return 0;
		id = get_int(json_object_get(d, "attempt"), "id");
		(void)snprintf(why, sizeof(why), "%s", get_str(d, "state"));
		json_decref(d);
		if (id != 0)
			return id;
		if (!wait) {
			(void)ctl_fail(c,
				       "no attempt of %s is open (it is %s): see explain %s, "
				       "attempt list --device %s, or watch with --wait",
				       device, why, device, device);
			return 0;
		}
		if (!told)
			ctl_note(c, "waiting until an attempt of %s opens (it is %s)", device, why);
		told = true;
		pause_ms(500);
	}
}

/* What `watch` has shown so far. */
struct watched {
	size_t rungs;
	int64_t received;
	char *line; /* last JSON line */
};

static void progress(const struct ctl *c, struct watched *w, const json_t *one)
{
	int64_t size = get_int(one, "size"), got = get_int(one, "received_bytes");

	if (!c->out.tty || size <= 0 || got == w->received)
		return;
	w->received = got;
	printf("\r    %3d %%", (int)(got * 100 / size));
	(void)fflush(stdout);
}

/* A rung may be skipped where a message was lost: all up to the highest are shown. */
static void new_rungs(const struct ctl *c, struct watched *w, const json_t *one)
{
	const json_t *ladder = json_object_get(one, "ladder");
	size_t reached = w->rungs;

	for (size_t i = 0; i < json_array_size(ladder); i++) {
		if (get_time(json_array_get(ladder, i), "at") > 0 && i + 1 > reached)
			reached = i + 1;
	}
	for (; w->rungs < reached; w->rungs++) {
		const json_t *rung = json_array_get(ladder, w->rungs);

		if (get_time(rung, "at") == 0)
			continue;
		if (c->out.tty)
			fputs("\r\033[K", stdout);
		view_rung(&c->out, one, rung);
	}
	(void)fflush(stdout);
}

/* Prints what is new; whether it is closed. */
static bool watch_step(struct ctl *c, struct watched *w, const json_t *one)
{
	bool closed = strcmp(get_str(one, "state"), "closed") == 0;

	c->out.now_ms = clock_read().wall_ms;
	if (c->out.json) {
		char *line = json_dumps(one, JSON_COMPACT | JSON_ENSURE_ASCII);

		if (line != NULL && (w->line == NULL || strcmp(line, w->line) != 0))
			out_json_line(&c->out, one);
		free(w->line);
		w->line = line;
		return closed;
	}
	new_rungs(c, w, one);
	if (closed) {
		if (c->out.tty)
			fputs("\r\033[K", stdout);
		view_verdict(&c->out, one);
	} else {
		progress(c, w, one);
	}
	return closed;
}

static int watch(struct ctl *c, int64_t id)
{
	struct watched w = {0};
	char word[24];
	bool lost = false, closed = false, success = false;

	(void)snprintf(word, sizeof(word), "%" PRId64, id);
	while (!closed && out_flush() == 0) {
		struct url u;
		json_t *one = NULL;

		url_attempt(&u, word);
		if (http_call(c->http, "GET", url_text(&u), NULL, &one) == 0) {
			if (lost)
				ctl_note(c, "connected again");
			lost = false;
			closed = watch_step(c, &w, one);
			success = get_bool(one, "success");
			json_decref(one);
		} else if (http_status(c->http) == 0 || http_status(c->http) == 503) {
			if (!lost)
				ctl_note(c, "%s; trying again", http_error(c->http));
			lost = true;
		} else {
			free(w.line);
			return ctl_fail(c, "%s", http_error(c->http));
		}
		if (!closed)
			pause_ms(lost ? 1000 : 250);
	}
	free(w.line);
	return success ? CTL_DONE : CTL_FAILED;
}

int attempt_watch(struct ctl *c, const struct args *a)
{
	struct url u;
	json_t *one = NULL;
	int64_t id = 0;

	/* a number may be a device's name too: attempts come first */
	if (text_integer(a->pos[0], &id) == 0 && id > 0) {
		url_attempt(&u, a->pos[0]);
		if (url_text(&u) && http_call(c->http, "GET", url_text(&u), NULL, &one) != 0 &&
		    http_status(c->http) == 404)
			id = 0;
		else if (one == NULL)
			return ctl_fail(c, "%s", http_error(c->http));
	}
	json_decref(one);
	if (id <= 0)
		id = open_attempt(c, a->pos[0], args_option(a, "wait") != NULL);
	if (id == 0)
		return CTL_FAILED;
	if (!c->out.json) {
		out_printf(&c->out, "Attempt %" PRId64, id);
		out_nl(&c->out);
	}
	return watch(c, id);
}
