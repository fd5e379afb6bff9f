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

/* "stall-s=10m" into {"stall_s": 600}. */
static int policy_take(const struct ctl *c, const char *word, json_t *body, json_t *policy)
{
	const char *eq = strchr(word, '=');
	char key[64];
	int64_t value = 0;
	size_t len;
	int err;

	if (eq == NULL || eq == word)
		return ctl_usage(c, "\"%s\" is not KEY=VALUE", word);
	len = (size_t)(eq - word);
	if (len >= sizeof(key))
		return ctl_usage(c, "there is no policy key so long as \"%s\"", word);
	memcpy(key, word, len);
	key[len] = '\0';
	for (char *p = strchr(key, '-'); p != NULL; p = strchr(p, '-'))
		*p = '_';
	if (json_object_get(body, key) != NULL || json_object_get(policy, key) != NULL)
		return ctl_usage(c, "%.*s is given twice", (int)len, word);
	if (strcmp(key, "hardware") == 0 || strcmp(key, "windows") == 0 ||
	    strcmp(key, "time_zone") == 0) {
		(void)json_object_set_new(body, key, json_string(eq + 1));
		return CTL_DONE;
	}
	err = len > 2 && strcmp(key + len - 2, "_s") == 0 ? text_duration(eq + 1, &value)
							  : text_integer(eq + 1, &value);
	if (err == ERR_RANGE)
		return ctl_usage(c, "%s: the number is too large", word);
	if (err)
		return ctl_usage(c, "%s: \"%s\" is not a %s", word, eq + 1,
				 key[len - 1] == 's' && key[len - 2] == '_'
					 ? "time (90, 90s, 15m, 2h, 7d)"
					 : "number");
	(void)json_object_set_new(policy, key, json_integer(value));
	return CTL_DONE;
}

/* "--protocol-option O=V" into {"O": "V"}; without a value: null. */
static int option_take(const struct ctl *c, const char *word, json_t *options)
{
	const char *eq = strchr(word, '=');
	char name[64];
	size_t len = eq ? (size_t)(eq - word) : 0;

	if (len == 0 || len >= sizeof(name))
		return ctl_usage(c, "--protocol-option \"%s\" is not O=V", word);
	memcpy(name, word, len);
	name[len] = '\0';
	if (json_object_get(options, name) != NULL)
		return ctl_usage(c, "--protocol-option %s is given twice", name);
	if (json_object_set_new(options, name, eq[1] ? json_string(eq + 1) : json_null()))
		return ctl_usage(c, "--protocol-option %s: its value is no UTF-8", name);
	return CTL_DONE;
}

static int protocol_take(const struct ctl *c, const struct args *a, json_t *body)
{
	const char *protocol = args_option(a, "protocol");
	json_t *options = json_object();
	int done = CTL_DONE;

	if (protocol != NULL && json_object_set_new(body, "protocol", json_string(protocol)))
		done = ctl_usage(c, "--protocol: it is no UTF-8");
	for (unsigned i = 0; i < a->option_count && done == CTL_DONE; i++)
		if (strcmp(a->option[i].row->name, "protocol-option") == 0)
			done = option_take(c, a->option[i].value, options);
	if (done == CTL_DONE && json_object_size(options) > 0)
		(void)json_object_set(body, "protocol_options", options);
	json_decref(options);
	return done;
}

/* Words from the second one on; NULL after a usage message. */
static json_t *settings(const struct ctl *c, const struct args *a)
{
	json_t *body = json_object(), *policy = json_object();
	const char *hardware = args_option(a, "hardware");

	if (hardware != NULL)
		(void)json_object_set_new(body, "hardware", json_string(hardware));
	for (unsigned i = 1; i < a->count; i++) {
		if (policy_take(c, a->pos[i], body, policy) != CTL_DONE) {
			json_decref(body);
			json_decref(policy);
			return NULL;
		}
	}
	if (protocol_take(c, a, body) != CTL_DONE) {
		json_decref(body);
		json_decref(policy);
		return NULL;
	}
	if (json_object_size(policy) > 0)
		(void)json_object_set(body, "policy", policy);
	json_decref(policy);
	return body;
}

static void view_product(const struct output *o, const json_t *p)
{
	const char *target = get_str(p, "target"), *hardware = get_str(p, "hardware");
	int64_t created = get_time(p, "created");
	const char *key;
	json_t *value;
	char when[32], ago[64];

	out_style(o, STYLE_BOLD);
	out_printf(o, "Product %s", get_str(p, "name"));
	out_style(o, STYLE_PLAIN);
	out_nl(o);
	view_label(o, "target");
	out_text(o, target[0] ? target : "none: its devices are offered nothing unless locked");
	out_nl(o);
	view_label(o, "hardware");
	out_text(o, hardware[0] ? hardware : "any");
	out_nl(o);
	if (get_str(p, "windows")[0] != '\0') {
		view_label(o, "windows");
		out_printf(o, "%s, by the clock of %s", get_str(p, "windows"),
			   get_str(p, "time_zone")[0] ? get_str(p, "time_zone") : "UTC");
		out_nl(o);
	}
	if (json_object_get(p, "ca") != NULL) {
		const json_t *ca = json_object_get(p, "ca");

		view_label(o, "ca");
		out_printf(o, "%" PRId64 " certificates, SHA-256 %.16s...",
			   get_int(ca, "certificates"), get_str(ca, "sha256"));
		out_nl(o);
	}
	view_protocol(o, p);
	view_label(o, "created");
	out_printf(o, "%s, %s", out_when(created, when), out_ago(o, created, ago));
	out_nl(o);
	view_label(o, "revision");
	out_printf(o, "%" PRId64, get_int(p, "rev"));
	out_nl(o);
	out_heading(o, "Policy");
	json_object_foreach(json_object_get(p, "policy"), key, value)
	{
		char name[64], age[TEXT_SHORT];
		size_t len = strlen(key);
		int64_t n = json_integer_value(value);

		(void)snprintf(name, sizeof(name), "%s", key);
		for (char *q = strchr(name, '_'); q != NULL; q = strchr(q, '_'))
			*q = '-';
		out_text(o, "  ");
		out_cell(o, STYLE_PLAIN, name, 20);
		out_printf(o, "%12" PRId64, n);
		if (len > 2 && strcmp(key + len - 2, "_s") == 0 && n >= 60)
			out_printf(o, "  %s", text_age(n * 1000, age));
		out_nl(o);
	}
}

static int finish(struct ctl *c, json_t *p, const char *done)
{
	if (p == NULL)
		return CTL_FAILED;
	if (c->out.json) {
		out_json(&c->out, p);
	} else {
		const char *target = get_str(p, "target");

		out_printf(&c->out, "Product %s %s; target %s.", get_str(p, "name"), done,
			   target[0] ? target : "none");
		out_nl(&c->out);
	}
	json_decref(p);
	return CTL_DONE;
}

int product_add(struct ctl *c, const struct args *a)
{
	json_t *body = settings(c, a);
	struct url u;

	if (body == NULL)
		return CTL_USAGE;
	(void)json_object_set_new(body, "name", json_string(a->pos[0]));
	url_init(&u, "/v1/products");
	return finish(c, ctl_call(c, "POST", &u, body), "created");
}

int product_set(struct ctl *c, const struct args *a)
{
	json_t *body = settings(c, a);
	struct url u;

	if (body == NULL)
		return CTL_USAGE;
	if (json_object_size(body) == 0) {
		json_decref(body);
		return ctl_usage(c, "KEY=VALUE... is missing, or --protocol, --protocol-option");
	}
	url_init(&u, "/v1/products");
	url_segment(&u, a->pos[0]);
	return finish(c, ctl_call(c, "PATCH", &u, body), "changed");
}

int product_target(struct ctl *c, const struct args *a)
{
	bool none = strcmp(a->pos[1], "none") == 0;
	struct url u;

	url_init(&u, "/v1/products");
	url_segment(&u, a->pos[0]);
	url_segment(&u, "target");
	return finish(c,
		      ctl_call(c, "PUT", &u,
			       json_pack("{s:o}", "version",
					 none ? json_null() : json_string(a->pos[1]))),
		      "changed");
}

/* The text of a file of certificates; NULL after a message. */
static char *ca_read(const struct ctl *c, const char *name)
{
	bool in = strcmp(name, "-") == 0;
	FILE *f = in ? stdin : fopen(name, "re");
	char *text = f ? malloc(LIMIT_CA_BUNDLE + 2) : NULL;
	size_t len;

	if (!text) {
		(void)ctl_fail(c, "%s: %s", name, strerror(errno));
		if (f && !in)
			(void)fclose(f);
		return NULL;
	}
	len = fread(text, 1, LIMIT_CA_BUNDLE + 1, f);
	if (ferror(f) || len > LIMIT_CA_BUNDLE || memchr(text, 0, len)) {
		(void)ctl_fail(c, "%s: %s", name,
			       ferror(f)	       ? strerror(errno)
			       : len > LIMIT_CA_BUNDLE ? "larger than 16 KiB"
						       : "not text: a PEM file is needed");
		free(text);
		text = NULL;
	} else {
		text[len] = '\0';
	}
	if (!in)
		(void)fclose(f);
	return text;
}

int product_ca(struct ctl *c, const struct args *a)
{
	bool none = strcmp(a->pos[1], "none") == 0;
	json_t *body = NULL, *p;
	char *text = NULL, done[64];
	struct url u;

	if (!none) {
		text = ca_read(c, a->pos[1]);
		if (!text)
			return CTL_FAILED;
		body = json_pack("{s:s}", "pem", text);
		free(text);
		if (!body)
			return ctl_fail(c, "%s: not a PEM file", a->pos[1]);
	}
	url_init(&u, "/v1/products");
	url_segment(&u, a->pos[0]);
	url_segment(&u, "ca");
	p = ctl_call(c, none ? "DELETE" : "PUT", &u, body);
	(void)snprintf(done, sizeof(done), "has %" PRId64 " CA certificates",
		       p ? get_int(json_object_get(p, "ca"), "certificates") : 0);
	return finish(c, p, done);
}

int product_show(struct ctl *c, const struct args *a)
{
	struct url u;

	url_init(&u, "/v1/products");
	url_segment(&u, a->pos[0]);
	return ctl_show(c, ctl_get(c, &u), view_product);
}

static void product_row(struct table *t, const struct output *o, const json_t *p)
{
	const char *target = get_str(p, "target"), *hardware = get_str(p, "hardware");
	char ago[64];

	table_cell(t, STYLE_BOLD, get_str(p, "name"));
	table_cell(t, STYLE_PLAIN, target[0] ? target : "none");
	table_cell(t, STYLE_PLAIN, hardware[0] ? hardware : "any");
	table_cell(t, STYLE_DIM, out_ago(o, get_time(p, "created"), ago));
}

int product_list(struct ctl *c, const struct args *a)
{
	static const struct rows_view rows = {
		"products",
		{"PRODUCT", "TARGET", "HARDWARE", "CREATED", NULL},
		product_row,
		"No products yet: postbootctl product add NAME",
	};
	struct url u;

	(void)a;
	url_init(&u, "/v1/products");
	return ctl_show_rows(c, ctl_list(c, &u, "products", "after", 0), &rows);
}
