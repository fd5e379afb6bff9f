/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/commands.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "ctl/show.h"
#include "ctl/text.h"
#include "ctl/view.h"

static void url_hook(struct url *u, const struct args *a, const char *rest)
{
	url_init(u, "/v1/hooks");
	url_segment(u, a->pos[0]);
	if (rest)
		url_segment(u, rest);
}

/* ---- what it is to be ---- */

/* The first line of a file; false after a message. */
static bool secret_read(const struct ctl *c, const char *name, char dst[LIMIT_HOOK_SECRET * 2 + 1])
{
	bool in = strcmp(name, "-") == 0, good;
	FILE *f = in ? stdin : fopen(name, "re");

	if (f == NULL) {
		(void)ctl_fail(c, "%s: %s", name, strerror(errno));
		return false;
	}
	size_t len = fread(dst, 1, (size_t)LIMIT_HOOK_SECRET * 2, f);
	dst[len] = '\0';
	good = !ferror(f) && feof(f);
	if (!in)
		(void)fclose(f);
	while (len > 0 && (dst[len - 1] == '\n' || dst[len - 1] == '\r'))
		dst[--len] = '\0';
	if (!good || len == 0 || strlen(dst) != len || strpbrk(dst, "\r\n")) {
		(void)ctl_fail(c, "%s: not one line of text of at most %d bytes", name,
			       LIMIT_HOOK_SECRET * 2);
		return false;
	}
	return true;
}

/* An option that may be repeated, as an array; "all" alone: an empty one. */
static int words_take(const struct ctl *c, const struct args *a, const char *option,
		      const char *key, json_t *body)
{
	json_t *list = json_array();
	unsigned given = 0;
	bool all = false;

	for (unsigned i = 0; i < a->option_count; i++) {
		if (strcmp(a->option[i].row->name, option) != 0)
			continue;
		given++;
		if (strcmp(a->option[i].value, "all") == 0)
			all = true;
		else if (json_array_append_new(list, json_string(a->option[i].value))) {
			json_decref(list);
			return ctl_usage(c, "--%s: it is no UTF-8", option);
		}
	}
	if (all && given > 1) {
		json_decref(list);
		return ctl_usage(c, "--%s all says it for itself", option);
	}
	if (given)
		(void)json_object_set(body, key, list);
	json_decref(list);
	return CTL_DONE;
}

static int number_take(const struct ctl *c, const struct args *a, const char *option, json_t *body)
{
	const char *text = args_option(a, option);
	int64_t n;

	if (text == NULL)
		return CTL_DONE;
	if (text_integer(text, &n) || n < 0)
		return ctl_usage(c, "--%s %s: not a number", option, text);
	(void)json_object_set_new(body, option, json_integer(n));
	return CTL_DONE;
}

/* NULL with *ret_code. */
static json_t *settings(const struct ctl *c, const struct args *a, int *ret_code)
{
	char secret[LIMIT_HOOK_SECRET * 2 + 1];
	const char *file = args_option(a, "secret-file");
	json_t *body = json_object();
	int code = words_take(c, a, "topic", "topics", body);

	if (code == CTL_DONE)
		code = words_take(c, a, "product", "products", body);
	if (code == CTL_DONE)
		code = number_take(c, a, "batch", body);
	if (code == CTL_DONE)
		code = number_take(c, a, "after", body);
	if (code == CTL_DONE && file) {
		if (!secret_read(c, file, secret))
			code = CTL_FAILED;
		else if (json_object_set_new(body, "secret", json_string(secret)))
			code = ctl_fail(c, "%s: it is no UTF-8", file);
		explicit_bzero(secret, sizeof(secret));
	}
	*ret_code = code;
	if (code == CTL_DONE)
		return body;
	json_decref(body);
	return NULL;
}

static int finish(struct ctl *c, json_t *h, const char *done)
{
	const char *secret = get_str(h, "secret");

	if (h == NULL)
		return CTL_FAILED;
	if (c->out.json) {
		out_json(&c->out, h);
	} else {
		out_printf(&c->out, "Hook %s %s.", get_str(h, "name"), done);
		out_nl(&c->out);
		if (secret[0]) {
			out_printf(&c->out, "Its secret, shown only now: %s", secret);
			out_nl(&c->out);
		}
	}
	json_decref(h);
	return CTL_DONE;
}

int hook_add(struct ctl *c, const struct args *a)
{
	int code;
	json_t *body = settings(c, a, &code);
	struct url u;

	if (body == NULL)
		return code;
	if (json_object_set_new(body, "name", json_string(a->pos[0])) ||
	    json_object_set_new(body, "url", json_string(a->pos[1]))) {
		json_decref(body);
		return ctl_fail(c, "the name or the URL is not text");
	}
	url_init(&u, "/v1/hooks");
	return finish(c, ctl_call(c, "POST", &u, body), "added");
}

int hook_set(struct ctl *c, const struct args *a)
{
	int code;
	json_t *body = settings(c, a, &code);
	const char *url = args_option(a, "url");
	struct url u;

	if (body == NULL)
		return code;
	if (url && json_object_set_new(body, "url", json_string(url))) {
		json_decref(body);
		return ctl_fail(c, "--url: it is not text");
	}
	if (args_option(a, "new-secret"))
		(void)json_object_set_new(body, "secret_generate", json_true());
	if (json_object_size(body) == 0) {
		json_decref(body);
		return ctl_usage(c, "say what is to change");
	}
	url_hook(&u, a, NULL);
	return finish(c, ctl_call(c, "PATCH", &u, body), "changed");
}

int hook_state(struct ctl *c, const struct args *a)
{
	struct url u;

	url_hook(&u, a, c->command->verb);
	return finish(c, ctl_call(c, "POST", &u, NULL),
		      strcmp(c->command->verb, "pause") == 0 ? "paused" : "resumed");
}

int hook_remove(struct ctl *c, const struct args *a)
{
	struct url u;

	url_hook(&u, a, NULL);
	return ctl_remove(c, &u, "Hook", "name", a->pos[0], NULL);
}

int hook_test(struct ctl *c, const struct args *a)
{
	struct url u;
	json_t *r;
	int code;

	url_hook(&u, a, "test");
	r = ctl_call(c, "POST", &u, NULL);
	if (r == NULL)
		return CTL_FAILED;
	code = get_bool(r, "taken") ? CTL_DONE : CTL_FAILED;
	if (c->out.json) {
		out_json(&c->out, r);
	} else if (code == CTL_DONE) {
		out_printf(&c->out, "Taken: %" PRId64 " in %" PRId64 " ms.", get_int(r, "status"),
			   get_int(r, "took_ms"));
		out_nl(&c->out);
	} else {
		(void)ctl_fail(c, "not taken: %s", get_str(r, "error"));
	}
	json_decref(r);
	return code;
}

/* ---- views ---- */

static enum style style_state(const char *state)
{
	return strcmp(state, "active") == 0	? STYLE_GOOD
	       : strcmp(state, "disabled") == 0 ? STYLE_BAD
						: STYLE_WARN;
}

static void view_words(const struct output *o, const char *label, const json_t *list)
{
	const json_t *word;
	size_t i;

	view_label(o, label);
	if (json_array_size(list) == 0)
		out_text(o, "all");
	json_array_foreach(list, i, word)
	{
		out_text(o, i ? ", " : "");
		out_text(o, json_string_value(word));
	}
	out_nl(o);
}

static void view_time(const struct output *o, const json_t *h, const char *label, const char *key)
{
	int64_t ms = get_time(h, key);
	char when[32], ago[64];

	if (!ms)
		return;
	view_label(o, label);
	out_printf(o, "%s, %s", out_when(ms, when), out_ago(o, ms, ago));
	out_nl(o);
}

static void view_count(const struct output *o, const json_t *h, const char *label, const char *key)
{
	view_label(o, label);
	out_printf(o, "%" PRId64, get_int(h, key));
	out_nl(o);
}

static void view_hook(const struct output *o, const json_t *h)
{
	const char *reason = get_str(h, "reason"), *error = get_str(h, "error");

	out_style(o, STYLE_BOLD);
	out_printf(o, "Hook %s", get_str(h, "name"));
	out_style(o, STYLE_PLAIN);
	out_nl(o);
	view_label(o, "url");
	out_text(o, get_str(h, "url"));
	out_nl(o);
	view_label(o, "state");
	out_styled(o, style_state(get_str(h, "state")), get_str(h, "state"));
	if (reason[0])
		out_printf(o, " (%s)", reason);
	out_nl(o);
	if (error[0]) {
		view_label(o, "error");
		out_styled(o, STYLE_BAD, error);
		out_nl(o);
	}
	view_words(o, "topics", json_object_get(h, "topics"));
	view_words(o, "products", json_object_get(h, "products"));
	view_count(o, h, "batch", "batch");
	view_count(o, h, "position", "position");
	view_count(o, h, "lag", "lag");
	view_count(o, h, "delivered", "delivered");
	view_count(o, h, "put aside", "dead");
	view_count(o, h, "missed", "missed");
	view_time(o, h, "last taken", "taken");
	view_time(o, h, "failing", "failing_since");
	view_time(o, h, "next try", "retry_at");
	view_time(o, h, "created", "created");
	view_count(o, h, "revision", "rev");
}

int hook_show(struct ctl *c, const struct args *a)
{
	struct url u;

	url_hook(&u, a, NULL);
	return ctl_show(c, ctl_get(c, &u), view_hook);
}

static void hook_row(struct table *t, const struct output *o, const json_t *h)
{
	const char *state = get_str(h, "state");
	char lag[TEXT_SHORT], dead[TEXT_SHORT], missed[TEXT_SHORT];

	(void)o;
	if (strcmp(state, "active") == 0 && get_time(h, "failing_since"))
		state = "failing";
	table_cell(t, STYLE_BOLD, get_str(h, "name"));
	table_cell(t, style_state(state), state);
	table_cell(t, STYLE_PLAIN, text_count(get_int(h, "lag"), lag));
	table_cell(t, STYLE_PLAIN, text_count(get_int(h, "dead"), dead));
	table_cell(t, STYLE_PLAIN, text_count(get_int(h, "missed"), missed));
	table_cell(t, STYLE_DIM, get_str(h, "url"));
}

int hook_list(struct ctl *c, const struct args *a)
{
	static const struct rows_view rows = {
		"hooks",
		{"HOOK", "STATE", "LAG", "PUT ASIDE", "MISSED", "URL", NULL},
		hook_row,
		"No hooks yet: postbootctl hook add NAME URL",
	};
	struct url u;

	(void)a;
	url_init(&u, "/v1/hooks");
	return ctl_show_rows(c, ctl_get(c, &u), &rows);
}

/* ---- what was put aside ---- */

static void hook_dead_row(struct table *t, const struct output *o, const json_t *d)
{
	char ago[64], id[24];

	(void)snprintf(id, sizeof(id), "%" PRId64, get_int(d, "id"));
	table_cell(t, STYLE_BOLD, id);
	table_cell(t, STYLE_PLAIN, get_str(d, "topic"));
	table_cell(t, STYLE_PLAIN, get_str(d, "device"));
	table_cell(t, STYLE_DIM, out_ago(o, get_time(d, "time"), ago));
	table_cell(t, get_bool(d, "due") ? STYLE_DIM : STYLE_BAD,
		   get_bool(d, "due") ? "to be tried again" : get_str(d, "error"));
}

int hook_dead(struct ctl *c, const struct args *a)
{
	static const struct rows_view rows = {
		"dead",
		{"ID", "TOPIC", "DEVICE", "PUT ASIDE", "ERROR", NULL},
		hook_dead_row,
		"Nothing was put aside.",
	};
	struct url u;

	url_hook(&u, a, "dead");
	return ctl_show_rows(c, ctl_list(c, &u, "dead", "after", 0), &rows);
}

static bool is_all(const struct args *a)
{
	return strcmp(a->pos[1], "all") == 0;
}

int hook_retry(struct ctl *c, const struct args *a)
{
	struct url u;
	int64_t id = 0;

	if (!is_all(a) && (text_integer(a->pos[1], &id) || id < 1))
		return ctl_usage(c, "\"%s\" is neither a number nor all", a->pos[1]);
	url_hook(&u, a, "retry");
	return finish(c,
		      ctl_call(c, "POST", &u,
			       is_all(a) ? NULL : json_pack("{s:I}", "id", (json_int_t)id)),
		      "tries them again");
}

int hook_drop(struct ctl *c, const struct args *a)
{
	struct url u;
	int64_t id = 0;

	if (!is_all(a) && (text_integer(a->pos[1], &id) || id < 1))
		return ctl_usage(c, "\"%s\" is neither a number nor all", a->pos[1]);
	url_hook(&u, a, "dead");
	if (!is_all(a))
		url_segment(&u, a->pos[1]);
	return finish(c, ctl_call(c, "DELETE", &u, NULL), "has dropped them");
}
