/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/commands.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/bar.h"
#include "ctl/show.h"
#include "ctl/text.h"
#include "ctl/view.h"

static void view_words(const struct output *o, const char *label, const json_t *list)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
	{
		view_label(o, i == 0 ? label : "");
		out_text(o, json_string_value(v));
		out_nl(o);
	}
}

static void view_requires(const struct output *o, const json_t *q)
{
	const json_t *counter = json_object_get(q, "security_counter");

	if (get_str(q, "min_version")[0]) {
		view_label(o, "for devices");
		out_printf(o, "that run %s or newer", get_str(q, "min_version"));
		out_nl(o);
	}
	view_words(o, "comes after", json_object_get(q, "must_pass"));
	view_words(o, "hardware", json_object_get(q, "hardware"));
	if (get_str(q, "boot_loader")[0]) {
		view_label(o, "boot loader");
		out_printf(o, "%s or newer", get_str(q, "boot_loader"));
		out_nl(o);
	}
	if (counter) {
		view_label(o, "counter");
		out_printf(o, "%lld", (long long)json_integer_value(counter));
		out_nl(o);
	}
}

static void view_release(const struct output *o, const json_t *r)
{
	const json_t *reports = json_object_get(r, "reports");
	int64_t created = get_time(r, "created");
	char when[32], ago[64], size[64];
	json_t *v;
	size_t i;

	out_style(o, STYLE_BOLD);
	out_printf(o, "Release %s of product %s", get_str(r, "version"), get_str(r, "product"));
	out_style(o, STYLE_PLAIN);
	out_nl(o);
	view_label(o, "size");
	out_text(o, bytes_text(get_int(r, "size"), size));
	out_nl(o);
	view_label(o, "sha256");
	out_text(o, get_str(r, "sha256"));
	out_nl(o);
	json_array_foreach(json_object_get(r, "running"), i, v)
	{
		view_label(o, i == 0 ? "reports as" : "");
		out_text(o, json_is_string(v) ? json_string_value(v) : "");
		out_nl(o);
	}
	json_array_foreach(reports, i, v)
	{
		view_label(o, i == 0 ? "cannot tell" : "");
		out_text(o, json_is_string(v) ? json_string_value(v) : "");
		out_nl(o);
	}
	view_label(o, "state");
	out_text(o, get_str(r, "state"));
	out_nl(o);
	if (get_bool(r, "label_anyway")) {
		view_label(o, "label");
		out_text(o, "not what the image says, and meant so");
		out_nl(o);
	}
	if (json_is_object(json_object_get(r, "image")))
		view_image(o, json_object_get(r, "image"));
	if (get_str(r, "signed_by")[0]) {
		view_label(o, "signed by");
		out_printf(o, "%s, key %s", get_str(r, "signed_by"), get_str(r, "signed_key"));
		out_nl(o);
	}
	view_requires(o, json_object_get(r, "requires"));
	view_label(o, "target");
	out_text(o, get_bool(r, "target") ? "yes, of its product" : "no");
	out_nl(o);
	view_label(o, "created");
	out_printf(o, "%s, %s", out_when(created, when), out_ago(o, created, ago));
	out_nl(o);
}

static int upload(struct ctl *c, const struct args *a, struct url *u, FILE *f)
{
	const char *base = strrchr(a->pos[1], '/');
	char *name = text_safe(base ? base + 1 : a->pos[1], c->out.utf8);
	struct bar bar = {.name = name, .shown = -1, .utf8 = c->out.utf8};
	bool draw = isatty(STDERR_FILENO) == 1 && !c->out.json;
	const char *path = url_text(u);
	json_t *r = NULL;
	struct stat st;
	int64_t size;
	int err;

	size = fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode) ? (int64_t)st.st_size : -1;
	err = path ? http_upload(c->http, path, f, size, draw ? bar_draw : NULL, &bar, &r)
		   : ERR_LIMIT;
	if (draw && bar.shown >= 0)
		fputs("\r\033[K", stderr);
	free(name);
	if (err)
		return ctl_fail(c, "%s", path ? http_error(c->http) : "an argument is too long");
	if (c->out.json) {
		out_json(&c->out, r);
	} else {
		char bytes[64];

		out_printf(&c->out, "Release %s of product %s added: %s, sha256 %.16s...",
			   get_str(r, "version"), get_str(r, "product"),
			   bytes_text(get_int(r, "size"), bytes), get_str(r, "sha256"));
		if (get_str(r, "signed_by")[0])
			out_printf(&c->out, ", signed by %s", get_str(r, "signed_by"));
		out_nl(&c->out);
	}
	json_decref(r);
	return CTL_DONE;
}

static void query_repeated(struct url *u, const struct args *a, const char *option, const char *key)
{
	for (unsigned i = 0; i < a->option_count; i++)
		if (strcmp(a->option[i].row->name, option) == 0)
			url_query(u, key, a->option[i].value);
}

int release_add(struct ctl *c, const struct args *a)
{
	const char *version = args_option(a, "version");
	const char *signature = args_option(a, "signature");
	char base64[SIGN_BASE64];
	struct sign_raw raw;
	struct stat st;
	struct url u;
	FILE *f;
	int code;

	if (version == NULL)
		return ctl_usage(c, "say its version with --version");
	if (signature && strcmp(signature, "-") == 0 && strcmp(a->pos[1], "-") == 0)
		return ctl_usage(c, "image and signature cannot both be read from standard input");
	if (signature && !signature_file(c, signature, &raw))
		return CTL_FAILED;
	url_init(&u, "/v1/products");
	url_segment(&u, a->pos[0]);
	buf_put_str(&u.b, "/releases");
	url_query(&u, "version", version);
	url_query(&u, "signature", signature ? sign_to_base64(&raw, base64) : NULL);
	query_repeated(&u, a, "running", "running");
	url_query(&u, "reports", args_option(a, "reports"));
	url_query(&u, "draft", args_option(a, "draft") ? "1" : NULL);
	url_query(&u, "label_anyway", args_option(a, "label-anyway") ? "1" : NULL);
	url_query(&u, "min_version", args_option(a, "min-version"));
	query_repeated(&u, a, "must-pass", "must_pass");
	query_repeated(&u, a, "hardware", "hardware");
	url_query(&u, "boot_loader", args_option(a, "boot-loader"));
	url_query(&u, "security_counter", args_option(a, "security-counter"));

	f = strcmp(a->pos[1], "-") == 0 ? stdin : fopen(a->pos[1], "rb");
	if (f == NULL)
		return ctl_fail(c, "%s: %s", a->pos[1], strerror(errno));
	if (fstat(fileno(f), &st) == 0 && S_ISDIR(st.st_mode))
		code = ctl_fail(c, "%s: is a directory", a->pos[1]);
	else
		code = upload(c, a, &u, f);
	if (f != stdin)
		(void)fclose(f);
	return code;
}

static void url_release(struct url *u, const struct args *a)
{
	url_init(u, "/v1/products");
	url_segment(u, a->pos[0]);
	buf_put_str(&u->b, "/releases");
	url_segment(u, a->pos[1]);
}

int release_show(struct ctl *c, const struct args *a)
{
	struct url u;

	url_release(&u, a);
	return ctl_show(c, ctl_get(c, &u), view_release);
}

int release_state(struct ctl *c, const struct args *a)
{
	struct url u;

	url_release(&u, a);
	buf_put_str(&u.b, "/");
	buf_put_str(&u.b, c->command->verb);
	json_t *r = ctl_call(c, "POST", &u, NULL);
	if (r == NULL)
		return CTL_FAILED;
	if (c->out.json) {
		out_json(&c->out, r);
	} else {
		out_printf(&c->out, "Release %s of product %s is %s.", a->pos[1], a->pos[0],
			   get_str(r, "state"));
		out_nl(&c->out);
	}
	json_decref(r);
	return CTL_DONE;
}

int release_remove(struct ctl *c, const struct args *a)
{
	struct url u;

	url_release(&u, a);
	return ctl_remove(c, &u, "Release", "version", a->pos[1], a->pos[0]);
}

static void release_row(struct table *t, const struct output *o, const json_t *r)
{
	char ago[64], sha[20];

	(void)snprintf(sha, sizeof(sha), "%.12s", get_str(r, "sha256"));
	table_cell(t, STYLE_PLAIN, get_str(r, "product"));
	table_cell(t, STYLE_BOLD, get_str(r, "version"));
	table_number(t, get_int(r, "size"));
	table_cell(t, STYLE_DIM, sha);
	table_cell(t, STYLE_PLAIN, get_str(r, "state"));
	table_cell(t, STYLE_PLAIN, get_bool(r, "target") ? "yes" : "");
	table_cell(t, STYLE_DIM, out_ago(o, get_time(r, "created"), ago));
}

int release_list(struct ctl *c, const struct args *a)
{
	static const struct rows_view rows = {
		"releases",
		{"PRODUCT", "VERSION", "SIZE", "SHA256", "STATE", "TARGET", "CREATED", NULL},
		release_row,
		"No releases yet: postbootctl release add PRODUCT FILE --version V",
	};
	struct url u;

	url_init(&u, a->count ? "/v1/products" : "/v1/releases");
	if (a->count) {
		url_segment(&u, a->pos[0]);
		buf_put_str(&u.b, "/releases");
	}
	return ctl_show_rows(c, ctl_list(c, &u, "releases", "after", 0), &rows);
}
