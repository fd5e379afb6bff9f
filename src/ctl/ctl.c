/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ctl.h"

#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/near.h"
#include "ctl/text.h"

#define SOCKET_DEFAULT RUNSTATEDIR "/postboot/admin.sock"

static const struct option_row global_options[] = {
	{"socket", "PATH", "the daemon's socket [" SOCKET_DEFAULT "]"},
	{"output", "FORMAT", "table or json; -o for short"},
	{"no-color", NULL, "no colours, as NO_COLOR in the environment"},
	{"help", NULL, "this text, also of a noun and of a command; -h for short"},
	{"version", NULL, "the version of this program"},
	{NULL, NULL, NULL},
};

enum { GLOBALS = sizeof(global_options) / sizeof(global_options[0]) - 1 };

__attribute__((format(printf, 2, 0))) static void say(const struct ctl *c, const char *fmt,
						      va_list ap)
{
	char *text = NULL;

	if (vasprintf(&text, fmt, ap) >= 0) {
		char *safe = text_safe(text, c->out.utf8);

		(void)fflush(stdout);
		if (c->topic[0] != '\0')
			fprintf(stderr, "postbootctl: %s: %s\n", c->topic, safe);
		else
			fprintf(stderr, "postbootctl: %s\n", safe);
		free(safe);
		free(text);
	}
}

int ctl_fail(const struct ctl *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(c, fmt, ap);
	va_end(ap);
	return CTL_FAILED;
}

void ctl_note(const struct ctl *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(c, fmt, ap);
	va_end(ap);
}

int ctl_usage(const struct ctl *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(c, fmt, ap);
	va_end(ap);
	if (c->command != NULL) {
		fprintf(stderr, "usage: postbootctl %s", c->topic);
		help_words(stderr, strlen("usage: postbootctl ") + strlen(c->topic),
			   c->command->words);
	}
	return CTL_USAGE;
}

const char *get_str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

int64_t get_int(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

bool get_bool(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

int64_t get_time(const json_t *o, const char *key)
{
	int64_t ms = 0;

	return text_time(get_str(o, key), &ms) == 0 ? ms : 0;
}

bool ctl_number(const struct ctl *c, const struct args *a, const char *name, int64_t fallback,
		int64_t *ret)
{
	const char *s = args_option(a, name);

	*ret = fallback;
	if (s == NULL)
		return true;
	if (text_integer(s, ret) == 0 && *ret >= 1)
		return true;
	(void)ctl_usage(c, "--%s wants a number from 1 on, not \"%s\"", name, s);
	return false;
}

json_t *ctl_call(struct ctl *c, const char *method, struct url *u, json_t *body)
{
	const char *path = url_text(u);
	json_t *answer = NULL;

	if (path == NULL)
		(void)ctl_fail(c, "an argument is too long");
	else if (http_call(c->http, method, path, body, &answer))
		(void)ctl_fail(c, "%s", http_error(c->http));
	json_decref(body);
	return answer;
}

int ctl_remove(struct ctl *c, struct url *u, const char *kind, const char *key, const char *name,
	       const char *product)
{
	json_t *r = ctl_call(c, "DELETE", u, NULL);

	if (r == NULL)
		return CTL_FAILED;
	json_decref(r);
	if (c->out.json) {
		r = json_pack("{s:b,s:s*,s:s}", "removed", 1, "product", product, key, name);
		out_json(&c->out, r);
		json_decref(r);
		return CTL_DONE;
	}
	out_printf(&c->out, "%s %s", kind, name);
	if (product != NULL)
		out_printf(&c->out, " of product %s", product);
	out_text(&c->out, " removed.");
	out_nl(&c->out);
	return CTL_DONE;
}

json_t *ctl_get(struct ctl *c, struct url *u)
{
	return ctl_call(c, "GET", u, NULL);
}

/* One page's rows into `all`; whether there may be more, after *ret_next. */
static bool page_take(const json_t *page, const char *key, json_t *all, int64_t limit,
		      char ret_next[160])
{
	const json_t *next = json_object_get(page, "next");
	char old[160];
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(page, key), i, row)
	{
		if (limit <= 0 || json_array_size(all) < (size_t)limit)
			(void)json_array_append(all, row);
	}
	memcpy(old, ret_next, sizeof(old));
	if (json_is_string(next))
		(void)snprintf(ret_next, 160, "%s", json_string_value(next));
	else if (json_is_integer(next))
		(void)snprintf(ret_next, 160, "%" JSON_INTEGER_FORMAT, json_integer_value(next));
	else
		return false;
	/* a filter may leave a page empty; one that leads nowhere would go on for ever */
	return strcmp(ret_next, old) != 0 && (limit <= 0 || json_array_size(all) < (size_t)limit);
}

json_t *ctl_list(struct ctl *c, const struct url *base, const char *key, const char *from,
		 int64_t limit)
{
	json_t *all = json_array();
	char next[160] = "";
	bool more = true;

	while (more) {
		struct url u = *base;
		json_t *page;

		u.b.ptr = u.space;
		url_query_number(&u, "limit", limit > 0 && limit < 500 ? limit : 500);
		url_query(&u, from, next[0] ? next : NULL);
		page = ctl_get(c, &u);
		if (page == NULL) {
			json_decref(all);
			return NULL;
		}
		more = page_take(page, key, all, limit, next);
		json_decref(page);
	}
	return json_pack("{s:o}", key, all);
}

/* Unknown noun or verb, with the nearest one. */
static int unknown_word(struct ctl *c, const char *noun, const char *word)
{
	const char *words[ARGS_MAX] = {NULL};
	const char *near;
	size_t n = 0;

	for (const struct command *cmd = commands; cmd->noun != NULL && n + 1 < ARGS_MAX; cmd++) {
		const char *candidate = noun == NULL		       ? cmd->noun
					: strcmp(noun, cmd->noun) == 0 ? cmd->verb
								       : NULL;

		if (candidate != NULL && cmd->help != NULL)
			words[n++] = candidate;
	}
	near = near_word(word, words);
	(void)snprintf(c->topic, sizeof(c->topic), "%s", noun ? noun : "");
	ctl_note(c, "unknown %s \"%s\"%s%s%s", noun ? "verb" : "command", word,
		 near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	if (noun != NULL)
		help_noun(stderr, noun);
	else
		fputs("usage: postbootctl [OPTION...] NOUN VERB ...\n"
		      "All commands: postbootctl help\n",
		      stderr);
	return CTL_USAGE;
}

static bool noun_known(const char *noun)
{
	for (const struct command *cmd = commands; cmd->noun != NULL; cmd++) {
		if (strcmp(cmd->noun, noun) == 0)
			return true;
	}
	return false;
}

/* What has been said on the command line beside the command's own words. */
struct globals {
	const char *socket;
	bool json, no_color, help, version;
};

static int globals_take(struct ctl *c, struct globals *g, const struct args *a)
{
	const char *output = args_option(a, "output"), *socket = args_option(a, "socket");

	if (socket != NULL)
		g->socket = socket;
	g->no_color |= args_option(a, "no-color") != NULL;
	g->help |= args_option(a, "help") != NULL;
	g->version |= args_option(a, "version") != NULL;
	if (output == NULL)
		return CTL_DONE;
	g->json = strcmp(output, "json") == 0;
	if (!g->json && strcmp(output, "table") != 0)
		return ctl_usage(c, "the output format is table or json, not \"%s\"", output);
	return CTL_DONE;
}

/* Reads options up to the next word. */
static int globals_parse(struct ctl *c, struct globals *g, int argc, char **argv, int *at)
{
	struct args a;
	char error[200];
	int used = 0;

	if (args_parse(argc - *at, argv + *at, global_options, true, &a, &used, error))
		return ctl_usage(c, "%s", error);
	*at += used;
	return globals_take(c, g, &a);
}

static int run(struct ctl *c, const struct globals *g, const struct args *a)
{
	const char *socket = g->socket, *env = getenv("POSTBOOT_SOCKET");
	int64_t rev = 0;
	int code;

	if (!ctl_number(c, a, "if-rev", 0, &rev))
		return CTL_USAGE;
	if (socket == NULL)
		socket = env != NULL && env[0] != '\0' ? env : SOCKET_DEFAULT;
	out_init(&c->out, g->no_color);
	c->out.json = g->json;
	c->http = http_new(socket);
	if (rev > 0)
		http_if_rev(c->http, rev);
	code = c->command->run(c, a);
	http_free(c->http);
	if (out_flush()) {
		fputs("postbootctl: the output could not be written\n", stderr);
		return code == CTL_DONE ? CTL_FAILED : code;
	}
	return code;
}

/* The first argument that is not there, by its name in the usage. */
static int missing(const struct ctl *c, unsigned have)
{
	const char *word = c->command->words;

	for (; have > 0; have--) {
		word += strcspn(word, " ");
		word += strspn(word, " ");
	}
	return ctl_usage(c, "%.*s is missing", (int)strcspn(word, " "), word);
}

/* The command's own words, with the global options among them. */
static int command_run(struct ctl *c, struct globals *g, int argc, char **argv)
{
	struct option_row rows[GLOBALS + 1 + ARGS_MAX] = {{NULL, NULL, NULL}};
	const struct option_row *own = c->command->options;
	char error[200];
	struct args a;
	size_t n = 0;
	int used = 0, code;

	/* a command's own option comes before a global one of that name (--version) */
	for (; own != NULL && own->name != NULL && n < ARGS_MAX; own++)
		rows[n++] = *own;
	memcpy(rows + n, global_options, sizeof(global_options));
	if (args_parse(argc, argv, rows, false, &a, &used, error))
		return ctl_usage(c, "%s", error);
	code = globals_take(c, g, &a);
	if (code != CTL_DONE)
		return code;
	if (g->help) {
		help_command(stdout, c->command);
		return CTL_DONE;
	}
	if (a.count < c->command->min)
		return missing(c, a.count);
	if (a.count > c->command->max)
		return ctl_usage(c, "\"%s\" is one word too many", a.pos[c->command->max]);
	return run(c, g, &a);
}

/* From argv[at] on: the noun and the verb are still to be read. */
static int dispatch(struct ctl *c, struct globals *g, int argc, char **argv, int at)
{
	const char *noun = argv[at++];
	int code;

	if (!noun_known(noun))
		return unknown_word(c, NULL, noun);
	c->command = command_find(noun, NULL);
	(void)snprintf(c->topic, sizeof(c->topic), "%s", noun);
	if (c->command == NULL) {
		code = globals_parse(c, g, argc, argv, &at);
		if (code != CTL_DONE)
			return code;
		if (at == argc) {
			help_noun(g->help ? stdout : stderr, noun);
			return g->help ? CTL_DONE : CTL_USAGE;
		}
		c->command = command_find(noun, argv[at]);
		if (c->command == NULL)
			return unknown_word(c, noun, argv[at]);
		(void)snprintf(c->topic, sizeof(c->topic), "%s %s", noun, argv[at++]);
	}
	return command_run(c, g, argc - at, argv + at);
}

int ctl_main(int argc, char **argv)
{
	struct globals g = {0};
	struct ctl c = {0};
	int at = 1, code;

	out_init(&c.out, false);
	code = globals_parse(&c, &g, argc, argv, &at);
	if (code != CTL_DONE)
		return code;
	if (g.version) {
		puts("postbootctl " PACKAGE_VERSION);
		return CTL_DONE;
	}
	if (at == argc) {
		help_overview(g.help ? stdout : stderr);
		return g.help ? CTL_DONE : CTL_USAGE;
	}
	return dispatch(&c, &g, argc, argv, at);
}
