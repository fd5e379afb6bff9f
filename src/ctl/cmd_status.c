/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/commands.h"

#include <inttypes.h>
#include <string.h>

#include "ctl/text.h"
#include "ctl/view.h"

static void counts(const struct output *o, const json_t *s)
{
	view_label(o, "devices");
	out_printf(o, "%" PRId64 ", %" PRId64 " online, %" PRId64 " held", get_int(s, "devices"),
		   get_int(s, "online"), get_int(s, "held"));
	if (get_int(s, "disabled") > 0)
		out_printf(o, ", %" PRId64 " disabled", get_int(s, "disabled"));
	out_nl(o);
	view_label(o, "releases");
	out_printf(o, "%" PRId64 " of %" PRId64 " product%s", get_int(s, "releases"),
		   get_int(s, "products"), get_int(s, "products") == 1 ? "" : "s");
	out_nl(o);
	view_label(o, "attempts");
	out_printf(o, "%" PRId64 " open", get_int(s, "open_attempts"));
	if (json_object_get(s, "updated")) /* not known while the database cannot be read */
		out_printf(o, ", %" PRId64 " updated, %" PRId64 " failed", get_int(s, "updated"),
			   get_int(s, "failed"));
	out_nl(o);
}

static void rollouts(const struct output *o, const json_t *r)
{
	if (get_int(r, "open") == 0)
		return;
	view_label(o, "rollouts");
	out_printf(o, "%" PRId64 " open", get_int(r, "open"));
	if (get_int(r, "stopped") > 0)
		out_printf(o, ", %" PRId64 " stopped", get_int(r, "stopped"));
	out_nl(o);
}

/* What waits for an operator. */
static void stopped(const struct output *o, const json_t *rollouts)
{
	const json_t *list = json_object_get(rollouts, "list");
	int64_t more = get_int(rollouts, "stopped") - (int64_t)json_array_size(list);
	size_t i;
	json_t *r;

	json_array_foreach(list, i, r)
	{
		const char *since = get_str(r, "since");
		bool has_time = strlen(since) >= 16;
		json_t *text = json_sprintf("rollout %s/%s, since %.10s %.5s UTC: %s",
					    get_str(r, "product"), get_str(r, "name"), since,
					    has_time ? since + 11 : "", get_str(r, "summary"));
		out_styled(o, strcmp(get_str(r, "state"), "halted") == 0 ? STYLE_BAD : STYLE_WARN,
			   "  - ");
		out_wrap(o, 4, text ? json_string_value(text) : get_str(r, "name"));
		json_decref(text);
		out_text(o, "    do: ");
		out_wrap(o, 8, get_str(r, "advice"));
	}
	if (more > 0) {
		out_printf(o, "    and %" PRId64 " more: postbootctl rollout list PRODUCT", more);
		out_nl(o);
	}
}

static void keys(const struct output *o, const json_t *s)
{
	const char *form = get_str(s, "keys");

	if (form[0] == '\0')
		return;
	view_label(o, "keys");
	if (strcmp(form, "sealed") == 0) {
		out_text(o, "sealed");
		out_nl(o);
		return;
	}
	out_style(o, STYLE_WARN);
	out_wrap(o, VIEW_INDENT, "in clear: give the service a key, see postbootd(8)");
	out_style(o, STYLE_PLAIN);
}

static void downloads(const struct output *o, const json_t *d)
{
	char span[TEXT_SHORT];

	if (!d)
		return;
	view_label(o, "downloads");
	out_printf(o, "%" PRId64, get_int(d, "active"));
	if (get_int(d, "limit") > 0)
		out_printf(o, " of %" PRId64, get_int(d, "limit"));
	out_printf(o, " under way, %" PRId64 " waiting", get_int(d, "waiting"));
	if (get_int(d, "waiting") > 0)
		out_printf(o, ", the first for %s",
			   text_span(get_int(d, "oldest_wait_s") * 1000, span));
	out_nl(o);
}

static void traffic(const struct output *o, const json_t *s)
{
	const json_t *coap = json_object_get(s, "coap"), *h = json_object_get(s, "handshakes");
	const json_t *store = json_object_get(s, "store");
	char one[TEXT_SHORT], two[TEXT_SHORT], three[64];

	view_label(o, "sessions");
	out_printf(o, "%" PRId64 ", with connection ID %" PRId64 ", handshakes %s, refused %s",
		   get_int(s, "sessions"), get_int(s, "connection_ids"),
		   text_count(get_int(h, "ok"), one), text_count(get_int(h, "failed"), two));
	out_nl(o);
	view_label(o, "CoAP");
	out_printf(o, "%s requests, %s blocks, %s; %" PRId64 " sent again",
		   text_count(get_int(coap, "requests"), one),
		   text_count(get_int(coap, "blocks"), two),
		   bytes_text(get_int(coap, "bytes"), three), get_int(coap, "retransmissions"));
	out_nl(o);
	downloads(o, json_object_get(s, "downloads"));
	view_label(o, "store");
	out_printf(o, "%s commits of %s changes, %" PRId64 " failed, %" PRId64 " waiting",
		   text_count(get_int(store, "commits"), one),
		   text_count(get_int(store, "sets"), two), get_int(store, "failed_sets"),
		   get_int(store, "queued"));
	out_nl(o);
	view_label(o, "events");
	out_printf(o, "%" PRId64 " in stream %s", get_int(s, "head"), get_str(s, "stream"));
	out_nl(o);
}

static void sentences(const struct output *o, enum style style, const char *mark,
		      const json_t *list)
{
	size_t i;
	json_t *v;

	json_array_foreach(list, i, v)
	{
		out_style(o, style);
		out_text(o, mark);
		out_style(o, STYLE_PLAIN);
		out_wrap(o, 4, json_is_string(v) ? json_string_value(v) : "");
	}
}

static void view_status(const struct output *o, const json_t *s)
{
	const char *health = get_str(s, "health");
	char span[TEXT_SHORT];
	size_t i;
	json_t *v;

	out_style(o, STYLE_BOLD);
	out_printf(o, "postbootd %s: ", get_str(s, "version"));
	out_style(o, STYLE_PLAIN);
	out_styled(o, strcmp(health, "ok") == 0 ? STYLE_GOOD : STYLE_BAD, health);
	out_printf(o, ", up for %s", text_span(get_int(s, "uptime_s") * 1000, span));
	out_nl(o);
	sentences(o, STYLE_BAD, "  ! ", json_object_get(s, "problems"));
	sentences(o, STYLE_WARN, "  - ", json_object_get(s, "warnings"));
	stopped(o, json_object_get(s, "rollouts"));
	out_nl(o);
	json_array_foreach(json_object_get(s, "listen"), i, v)
	{
		view_label(o, i == 0 ? "listens on" : "");
		out_text(o, json_is_string(v) ? json_string_value(v) : "");
		out_nl(o);
	}
	keys(o, s);
	counts(o, s);
	rollouts(o, json_object_get(s, "rollouts"));
	traffic(o, s);
}

int server_status(struct ctl *c, const struct args *a)
{
	struct url u;
	json_t *s;

	(void)a;
	url_init(&u, "/v1/status");
	s = ctl_get(c, &u);
	if (s == NULL)
		return CTL_FAILED;
	if (c->out.json)
		out_json(&c->out, s);
	else
		view_status(&c->out, s);
	int code = strcmp(get_str(s, "health"), "ok") == 0 ? CTL_DONE : CTL_DEGRADED;
	json_decref(s);
	return code;
}

int show_version(struct ctl *c, const struct args *a)
{
	json_t *s = NULL, *v;
	const char *server;

	(void)a;
	/* without a server it is not an error to ask for the version */
	if (http_call(c->http, "GET", "/v1/status", NULL, &s))
		s = NULL;
	server = get_str(s, "version");
	if (c->out.json) {
		v = json_pack("{s:s}", "postbootctl", PACKAGE_VERSION);
		if (server[0] != '\0')
			(void)json_object_set_new(v, "postbootd", json_string(server));
		out_json(&c->out, v);
		json_decref(v);
	} else {
		out_text(&c->out, "postbootctl " PACKAGE_VERSION);
		out_nl(&c->out);
		out_printf(&c->out, "postbootd %s", server[0] ? server : "does not answer");
		out_nl(&c->out);
	}
	json_decref(s);
	return CTL_DONE;
}

int show_help(struct ctl *c, const struct args *a)
{
	const struct command *cmd;

	if (a->count == 0) {
		help_overview(stdout);
		return CTL_DONE;
	}
	cmd = command_find(a->pos[0], a->count > 1 ? a->pos[1] : NULL);
	if (cmd != NULL) {
		help_command(stdout, cmd);
		return CTL_DONE;
	}
	for (cmd = commands; cmd->noun != NULL; cmd++) {
		if (strcmp(cmd->noun, a->pos[0]) == 0 && a->count == 1) {
			help_noun(stdout, cmd->noun);
			return CTL_DONE;
		}
	}
	return ctl_usage(c, "there is no command \"%s%s%s\"", a->pos[0], a->count > 1 ? " " : "",
			 a->count > 1 ? a->pos[1] : "");
}
