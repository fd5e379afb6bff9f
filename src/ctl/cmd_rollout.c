/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/table.h"
#include "ctl/text.h"
#include "ctl/view.h"

void rollout_url(struct url *u, const char *product, const char *name)
{
	url_init(u, "/v1/products");
	url_segment(u, product);
	url_segment(u, "rollouts");
	if (name)
		url_segment(u, name);
}

/* "soak-s=10m" into {"soak_s": 600}. */
static int rule_take(const struct ctl *c, const char *word, json_t *settings)
{
	const char *eq = strchr(word, '=');
	char key[64];
	int64_t value = 0;
	size_t len = eq ? (size_t)(eq - word) : 0;

	if (len == 0 || len >= sizeof(key))
		return ctl_usage(c, "\"%s\" is not KEY=VALUE", word);
	memcpy(key, word, len);
	key[len] = '\0';
	for (char *p = strchr(key, '-'); p != NULL; p = strchr(p, '-'))
		*p = '_';
	if (json_object_get(settings, key) != NULL)
		return ctl_usage(c, "%.*s is given twice", (int)len, word);
	bool time = len > 2 && strcmp(key + len - 2, "_s") == 0;
	int err = time ? text_duration(eq + 1, &value) : text_integer(eq + 1, &value);
	if (err)
		return ctl_usage(c, "%s: \"%s\" is not a %s", word, eq + 1,
				 time ? "time (90, 90s, 15m, 2h, 7d)" : "number");
	(void)json_object_set_new(settings, key, json_integer(value));
	return CTL_DONE;
}

static json_t *rollout_body(const struct ctl *c, const struct args *a)
{
	static const char *const texts[][2] = {{"name", "name"},
					       {"waves", "waves"},
					       {"filter", "filter"},
					       {"start_at", "start-at"}};
	json_t *body = json_pack("{s:s}", "release", a->pos[1]), *settings = json_object();
	int done = CTL_DONE;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const char *value = args_option(a, texts[i][1]);
		if (value != NULL && json_object_set_new(body, texts[i][0], json_string(value)))
			done = ctl_usage(c, "--%s: it is no UTF-8", texts[i][1]);
	}
	for (unsigned i = 2; i < a->count && done == CTL_DONE; i++)
		done = rule_take(c, a->pos[i], settings);
	if (done == CTL_DONE && json_object_size(settings) > 0)
		(void)json_object_set(body, "settings", settings);
	json_decref(settings);
	if (done == CTL_DONE)
		return body;
	json_decref(body);
	return NULL;
}

static enum style style_rollout(const char *state)
{
	if (strcmp(state, "halted") == 0)
		return STYLE_BAD;
	if (strcmp(state, "done") == 0)
		return STYLE_GOOD;
	return strcmp(state, "running") == 0 ? STYLE_BOLD : STYLE_PLAIN;
}

/* "halted: failures", "waiting: approval", "aborted by alice" */
static const char *state_text(const json_t *r, char dst[64])
{
	const char *why = get_str(r, "why"), *by = get_str(r, "ended_by");
	const char *more = why[0] ? why : get_str(r, "wait");

	if (by[0])
		(void)snprintf(dst, 64, "%.20s by %.38s", get_str(r, "state"), by);
	else
		(void)snprintf(dst, 64, "%.20s%s%.38s", get_str(r, "state"), more[0] ? ": " : "",
			       more);
	return dst;
}

static int finish(struct ctl *c, json_t *r, const char *product)
{
	char state[64];

	if (r == NULL)
		return CTL_FAILED;
	if (c->out.json) {
		out_json(&c->out, r);
	} else {
		out_printf(&c->out, "Rollout %s of product %s is %s.", get_str(r, "name"), product,
			   state_text(r, state));
		out_nl(&c->out);
	}
	json_decref(r);
	return CTL_DONE;
}

int rollout_add(struct ctl *c, const struct args *a)
{
	json_t *body = rollout_body(c, a);
	struct url u;

	if (body == NULL)
		return CTL_USAGE;
	rollout_url(&u, a->pos[0], NULL);
	return finish(c, ctl_call(c, "POST", &u, body), a->pos[0]);
}

int rollout_act(struct ctl *c, const struct args *a)
{
	struct url u;

	rollout_url(&u, a->pos[0], a->pos[1]);
	url_segment(&u, c->command->verb);
	return finish(c, ctl_call(c, "POST", &u, NULL), a->pos[0]);
}

int rollout_start(struct ctl *c, const struct args *a)
{
	int done = rollout_act(c, a);
	struct url u;

	if (done != CTL_DONE || c->out.json)
		return done;
	rollout_url(&u, a->pos[0], a->pos[1]);
	url_segment(&u, "plan");
	http_if_rev(c->http, 0); /* that was of the act */
	json_t *plan = ctl_get(c, &u);
	rollout_view_return(&c->out, plan, a->pos[0]);
	json_decref(plan);
	return done;
}

int rollout_remove(struct ctl *c, const struct args *a)
{
	struct url u;

	rollout_url(&u, a->pos[0], a->pos[1]);
	url_query(&u, "yes", args_option(a, "yes") ? "1" : NULL);
	json_t *r = ctl_call(c, "DELETE", &u, NULL);
	if (r == NULL)
		return CTL_FAILED;
	json_decref(r);
	if (!c->out.json) {
		out_printf(&c->out, "Rollout %s of product %s is removed.", a->pos[1], a->pos[0]);
		out_nl(&c->out);
	}
	return CTL_DONE;
}

/* ---- lists ---- */

static int64_t failures(const json_t *counts)
{
	const json_t *results = json_object_get(counts, "results");

	return get_int(results, "failed") + get_int(results, "reverted");
}

static int64_t successes(const json_t *counts)
{
	const json_t *results = json_object_get(counts, "results");

	return get_int(results, "updated") + get_int(results, "converged");
}

int rollout_list(struct ctl *c, const struct args *a)
{
	static const char *const heads[] = {"ROLLOUT", "RELEASE", "STATE",  "WAVE", "MEMBERS",
					    "REACHED", "UPDATED", "FAILED", NULL};
	struct table t;
	struct url u;
	json_t *list, *r;
	size_t i;
	char text[64];

	rollout_url(&u, a->pos[0], NULL);
	list = ctl_list(c, &u, "rollouts", "after", 0);
	if (list == NULL)
		return CTL_FAILED;
	if (c->out.json) {
		out_json(&c->out, list);
		json_decref(list);
		return CTL_DONE;
	}
	table_init(&t, heads);
	json_array_foreach(json_object_get(list, "rollouts"), i, r)
	{
		table_cell(&t, STYLE_BOLD, get_str(r, "name"));
		table_cell(&t, STYLE_PLAIN, get_str(r, "release"));
		table_cell(&t, style_rollout(get_str(r, "state")), state_text(r, text));
		(void)snprintf(text, sizeof(text), "%" PRId64 " of %zu", get_int(r, "open_waves"),
			       json_array_size(json_object_get(r, "wave_list")));
		table_cell(&t, STYLE_PLAIN, text);
		table_number(&t, get_int(r, "members"));
		table_number(&t, get_int(r, "released"));
		table_number(&t, successes(r));
		table_number(&t, failures(r));
	}
	table_print(&t, &c->out, "No rollouts yet: postbootctl rollout add PRODUCT VERSION");
	json_decref(list);
	return CTL_DONE;
}

int rollout_devices(struct ctl *c, const struct args *a)
{
	static const char *const heads[] = {"DEVICE", "RUNS",	"WAVE", "REACHED",
					    "RESULT", "ONLINE", NULL};
	struct table t;
	struct url u;
	bool reverted = false;
	json_t *list, *d;
	size_t i;
	char text[TEXT_SHORT];

	rollout_url(&u, a->pos[0], a->pos[1]);
	url_segment(&u, "devices");
	list = ctl_list(c, &u, "devices", "after", 0);
	if (list == NULL)
		return CTL_FAILED;
	if (c->out.json) {
		out_json(&c->out, list);
		json_decref(list);
		return CTL_DONE;
	}
	table_init(&t, heads);
	json_array_foreach(json_object_get(list, "devices"), i, d)
	{
		table_cell(&t, STYLE_BOLD, get_str(d, "device"));
		table_cell(&t, STYLE_PLAIN, get_str(d, "version"));
		table_cell(&t, STYLE_PLAIN, text_count(get_int(d, "wave"), text));
		table_cell(&t, STYLE_PLAIN, get_bool(d, "released") ? "yes" : "no");
		table_cell(&t, STYLE_PLAIN, get_str(d, "result"));
		reverted = reverted || strcmp(get_str(d, "result"), "reverted") == 0;
		table_cell(&t, STYLE_PLAIN, get_bool(d, "online") ? "yes" : "no");
	}
	table_print(&t, &c->out, "No device is its member now.");
	if (reverted)
		out_wrap(&c->out, 0,
			 "reverted: it took the image and went back to the old one; the verdict of "
			 "its attempt is reverted, rolled-back or device-failed.");
	json_decref(list);
	return CTL_DONE;
}

/* ---- one ---- */

static void time_line(const struct output *o, const json_t *r, const char *key)
{
	int64_t at = get_time(r, key);
	char when[32], ago[64];

	if (json_object_get(r, key) == NULL)
		return;
	view_label(o, key);
	out_printf(o, "%s, %s", out_when(at, when), out_ago(o, at, ago));
	out_nl(o);
}

static void text_line(const struct output *o, const char *label, const char *text)
{
	if (!text[0])
		return;
	view_label(o, label);
	out_text(o, text);
	out_nl(o);
}

static void wave_rows(const struct output *o, const json_t *r)
{
	static const char *const heads[] = {"WAVE",    "MEMBERS", "REACHED", "THROUGH",
					    "UPDATED", "FAILED",  "SILENT",  NULL};
	struct table t;
	json_t *w;
	size_t i;
	char text[96];

	table_init(&t, heads);
	json_array_foreach(json_object_get(r, "wave_list"), i, w)
	{
		(void)snprintf(text, sizeof(text), "%zu: %s%s", i + 1, get_str(w, "size"),
			       get_bool(w, "gate") ? " (gate)" : "");
		table_cell(&t, json_object_get(w, "opened") ? STYLE_BOLD : STYLE_DIM, text);
		table_number(&t, get_int(w, "members"));
		table_number(&t, get_int(w, "released"));
		table_number(&t, get_int(w, "through"));
		table_number(&t, successes(w));
		table_number(&t, failures(w));
		table_number(&t, get_int(w, "silent"));
	}
	table_print(&t, o, "");
}

static void view_rollout(const struct output *o, const json_t *r)
{
	const char *key;
	json_t *value;
	char text[64];

	out_hang(o, 2);
	out_style(o, STYLE_BOLD);
	out_printf(o, "Rollout %s of product %s", get_str(r, "name"), get_str(r, "product"));
	out_style(o, STYLE_PLAIN);
	out_nl(o);
	text_line(o, "release", get_str(r, "release"));
	view_label(o, "state");
	out_styled(o, style_rollout(get_str(r, "state")), state_text(r, text));
	out_nl(o);
	text_line(o, "why", get_str(r, "summary"));
	text_line(o, "do", get_str(r, "advice"));
	text_line(o, "devices", get_str(r, "filter"));
	text_line(o, "author", get_str(r, "author"));
	text_line(o, "approver", get_str(r, "approver"));
	time_line(o, r, "start_at");
	time_line(o, r, "created");
	time_line(o, r, "started");
	time_line(o, r, "halted");
	text_line(o, "halted why", get_str(r, "halted_why"));
	time_line(o, r, "ended");
	view_label(o, "revision");
	out_printf(o, "%" PRId64, get_int(r, "rev"));
	out_nl(o);
	out_heading(o, "Waves");
	wave_rows(o, r);
	if (get_int(r, "left") > 0) {
		out_printf(o, "Of them in a later rollout now, or removed: %" PRId64 ".",
			   get_int(r, "left"));
		out_nl(o);
	}
	if (get_int(r, "control") > 0 && json_object_get(r, "ended") == NULL) {
		out_printf(o, "Not reached yet: %" PRId64 ", of them silent: %" PRId64 ".",
			   get_int(r, "control"), get_int(r, "control_silent"));
		out_nl(o);
	}
	out_heading(o, "Settings");
	json_object_foreach(json_object_get(r, "settings"), key, value)
	{
		char name[64];

		(void)snprintf(name, sizeof(name), "%s", key);
		for (char *q = strchr(name, '_'); q != NULL; q = strchr(q, '_'))
			*q = '-';
		out_text(o, "  ");
		out_cell(o, STYLE_PLAIN, name, 20);
		out_printf(o, "%12" PRId64, (int64_t)json_integer_value(value));
		out_nl(o);
	}
}

int rollout_show(struct ctl *c, const struct args *a)
{
	struct url u;

	rollout_url(&u, a->pos[0], a->pos[1]);
	json_t *r = ctl_get(c, &u);
	if (r == NULL)
		return CTL_FAILED;
	if (c->out.json)
		out_json(&c->out, r);
	else
		view_rollout(&c->out, r);
	json_decref(r);
	return CTL_DONE;
}
