/* SPDX-License-Identifier: Apache-2.0
 *
 * Signers of a product, and keys and signatures in files.
 */
#include "ctl/commands.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "ctl/show.h"
#include "ctl/view.h"

enum { RELEASES_TOLD = 10 };

/* ---- files ---- */

/* Up to `cap` bytes of a small file and one more, if it has more; -1 after a message. */
static long file_bytes(const struct ctl *c, const char *name, uint8_t *dst, size_t cap)
{
	bool in = strcmp(name, "-") == 0;
	FILE *f = in ? stdin : fopen(name, "rbe");
	size_t len = f ? fread(dst, 1, cap + 1, f) : 0;
	bool bad = !f || ferror(f);

	if (bad)
		(void)ctl_fail(c, "%s: %s", name, strerror(errno));
	if (f && !in)
		(void)fclose(f);
	return bad ? -1 : (long)len;
}

bool signer_key_file(const struct ctl *c, const char *name, struct signer *ret_key)
{
	uint8_t text[LIMIT_SIGNER_PEM + 1];
	char why[SIGN_WHY];
	long len = file_bytes(c, name, text, LIMIT_SIGNER_PEM);
	bool ok = false;

	if (len >= 0) {
		ok = sign_key_read((struct bytes){text, (size_t)len}, ret_key, why) == 0;
		if (!ok)
			(void)ctl_fail(c, "%s: %s", name, why);
	}
	explicit_bzero(text, sizeof(text)); /* somebody may have given a private key */
	return ok;
}

bool signature_file(const struct ctl *c, const char *name, struct sign_raw *ret)
{
	uint8_t text[2 * SIGN_BASE64];
	long len = file_bytes(c, name, text, sizeof(text) - 1);

	if (len < 0)
		return false;
	if (sign_from_file((struct bytes){text, (size_t)len}, ret)) {
		(void)ctl_fail(c,
			       "%s: it is no signature: 1 to %d bytes, or these in base64, are "
			       "needed, and no PEM",
			       name, LIMIT_SIGNATURE);
		return false;
	}
	return true;
}

/* ---- commands ---- */

static void url_signers(struct url *u, const struct args *a)
{
	url_init(u, "/v1/products");
	url_segment(u, a->pos[0]);
	url_segment(u, "signers");
}

static void url_signer(struct url *u, const struct args *a)
{
	url_signers(u, a);
	url_segment(u, a->pos[1]);
}

/* "1.2.0, 1.1.0 and 3 more" */
static void releases_line(const struct output *o, const json_t *s)
{
	const json_t *list = json_object_get(s, "releases"), *v;
	size_t i;

	json_array_foreach(list, i, v)
	{
		if (i == RELEASES_TOLD) {
			out_printf(o, " and %zu more", json_array_size(list) - i);
			break;
		}
		out_printf(o, "%s%s", i ? ", " : "", json_string_value(v));
	}
	if (i == 0)
		out_text(o, "none");
}

int signer_add(struct ctl *c, const struct args *a)
{
	char pem[LIMIT_SIGNER_PEM];
	struct signer key;
	struct url u;

	/* What is sent is what was read: never a private key, whatever else is in the file. */
	if (!signer_key_file(c, a->pos[2], &key))
		return CTL_FAILED;
	url_signers(&u, a);
	json_t *s =
		ctl_call(c, "POST", &u,
			 json_pack("{s:s,s:s}", "name", a->pos[1], "pem", sign_key_pem(&key, pem)));
	if (s == NULL)
		return CTL_FAILED;
	if (c->out.json) {
		out_json(&c->out, s);
	} else {
		out_printf(&c->out, "Signer %s of product %s added: %s, key %s.",
			   get_str(s, "name"), get_str(s, "product"), get_str(s, "kind"),
			   get_str(s, "key"));
		out_nl(&c->out);
	}
	json_decref(s);
	return CTL_DONE;
}

static void view_signer(const struct output *o, const json_t *s)
{
	int64_t created = get_time(s, "created");
	char when[32], ago[64];

	out_style(o, STYLE_BOLD);
	out_printf(o, "Signer %s of product %s", get_str(s, "name"), get_str(s, "product"));
	out_style(o, STYLE_PLAIN);
	out_nl(o);
	view_label(o, "key");
	out_printf(o, "%s, %s", get_str(s, "key"), get_str(s, "kind"));
	out_nl(o);
	view_label(o, "signed");
	releases_line(o, s);
	out_nl(o);
	view_label(o, "created");
	out_printf(o, "%s, %s", out_when(created, when), out_ago(o, created, ago));
	out_nl(o);
	/* as it can be given to openssl */
	for (const char *line = get_str(s, "pem"); *line;) {
		size_t len = strcspn(line, "\n");
		out_printf(o, "%.*s", (int)len, line);
		out_nl(o);
		line += len + (line[len] == '\n');
	}
}

int signer_show(struct ctl *c, const struct args *a)
{
	struct url u;

	url_signer(&u, a);
	return ctl_show(c, ctl_get(c, &u), view_signer);
}

int signer_remove(struct ctl *c, const struct args *a)
{
	struct url u;

	url_signer(&u, a);
	json_t *s = ctl_get(c, &u);
	if (s == NULL)
		return CTL_FAILED;
	int code = ctl_remove(c, &u, "Signer", "signer", a->pos[1], a->pos[0]);
	if (code == CTL_DONE && json_array_size(json_object_get(s, "releases")) > 0 &&
	    !c->out.json) {
		out_text(&c->out, "What it has signed stays as it is: ");
		releases_line(&c->out, s);
		out_text(&c->out, ".");
		out_nl(&c->out);
	}
	json_decref(s);
	return code;
}

static void signer_row(struct table *t, const struct output *o, const json_t *s)
{
	char ago[64];

	table_cell(t, STYLE_BOLD, get_str(s, "name"));
	table_cell(t, STYLE_PLAIN, get_str(s, "kind"));
	table_cell(t, STYLE_PLAIN, get_str(s, "key"));
	table_cell(t, STYLE_DIM, out_ago(o, get_time(s, "created"), ago));
}

int signer_list(struct ctl *c, const struct args *a)
{
	static const struct rows_view rows = {
		"signers",
		{"SIGNER", "KIND", "KEY", "CREATED", NULL},
		signer_row,
		"No signers yet: postbootctl signer add PRODUCT NAME FILE",
	};
	struct url u;

	url_signers(&u, a);
	return ctl_show_rows(c, ctl_get(c, &u), &rows);
}
