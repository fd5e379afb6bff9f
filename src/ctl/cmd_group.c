/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/field.h"
#include "ctl/table.h"
#include "ctl/show.h"
#include "ctl/view.h"

static const struct field group_fields[] = {
	{"name", FIELD_TEXT},		{"windows", FIELD_TEXT},    {"time_zone", FIELD_TEXT},
	{"max_downloads", FIELD_COUNT}, {"image_rate", FIELD_RATE}, {NULL, FIELD_TEXT}};

static void url_groups(struct url *u, const char *product)
{
	url_init(u, "/v1/products");
	url_segment(u, product);
	url_segment(u, "groups");
}

static void url_group(struct url *u, const struct args *a)
{
	url_groups(u, a->pos[0]);
	url_segment(u, a->pos[1]);
}

static int finish(struct ctl *c, json_t *g, const char *done)
{
	if (g == NULL)
		return CTL_FAILED;
	if (c->out.json) {
		out_json(&c->out, g);
	} else {
		const char *target = get_str(g, "target");

		out_printf(&c->out, "Group %s of product %s %s; target %s.", get_str(g, "name"),
			   get_str(g, "product"), done, target[0] ? target : "the product's");
		out_nl(&c->out);
	}
	json_decref(g);
	return CTL_DONE;
}

int group_add(struct ctl *c, const struct args *a)
{
	const char *target = args_option(a, "target");
	json_t *body = json_pack("{s:s}", "name", a->pos[1]);
	struct url u;

	if (body == NULL)
		return ctl_fail(c, "the name is not text");
	if (target != NULL)
		(void)json_object_set_new(body, "version", json_string(target));
	url_groups(&u, a->pos[0]);
	return finish(c, ctl_call(c, "POST", &u, body), "created");
}

int group_set(struct ctl *c, const struct args *a)
{
	json_t *body = field_take(c, a, 2, group_fields);
	struct url u;

	if (body == NULL)
		return CTL_USAGE;
	url_group(&u, a);
	return finish(c, ctl_call(c, "PATCH", &u, body), "changed");
}

int group_target(struct ctl *c, const struct args *a)
{
	bool none = strcmp(a->pos[2], "none") == 0;
	struct url u;

	url_group(&u, a);
	url_segment(&u, "target");
	return finish(c,
		      ctl_call(c, "PUT", &u,
			       json_pack("{s:o}", "version",
					 none ? json_null() : json_string(a->pos[2]))),
		      "changed");
}

int group_remove(struct ctl *c, const struct args *a)
{
	struct url u;

	url_group(&u, a);
	return ctl_remove(c, &u, "Group", "group", a->pos[1], a->pos[0]);
}

static void limits(const struct output *o, const json_t *g)
{
	const json_t *d = json_object_get(g, "downloads");
	int64_t limit = get_int(d, "limit"), rate = get_int(g, "image_rate");
	char text[64];

	if (get_int(d, "active") == 0 && limit == 0)
		return;
	view_label(o, "downloads");
	out_printf(o, "%" PRId64, get_int(d, "active"));
	if (limit > 0)
		out_printf(o, " of %" PRId64, limit);
	out_text(o, " under way");
	if (limit > 0)
		out_printf(o, ", %" PRId64 " waiting", get_int(d, "waiting"));
	if (rate > 0)
		out_printf(o, "; %s a second", bytes_text(rate, text));
	out_nl(o);
}

static void view_group(const struct output *o, const json_t *g)
{
	const char *target = get_str(g, "target");
	int64_t created = get_time(g, "created");
	char when[32], ago[64];

	out_style(o, STYLE_BOLD);
	out_printf(o, "Group %s of product %s", get_str(g, "name"), get_str(g, "product"));
	out_style(o, STYLE_PLAIN);
	out_nl(o);
	view_label(o, "target");
	out_text(o, target[0] ? target : "none of its own: that of the product");
	out_nl(o);
	if (get_str(g, "windows")[0] != '\0' || get_str(g, "time_zone")[0] != '\0') {
		view_label(o, "windows");
		out_printf(o, "%s, by the clock of %s",
			   get_str(g, "windows")[0] ? get_str(g, "windows") : "the product's",
			   get_str(g, "time_zone")[0] ? get_str(g, "time_zone")
						      : "the product's place");
		out_nl(o);
	}
	limits(o, g);
	view_label(o, "devices");
	out_printf(o, "%" PRId64, get_int(g, "devices"));
	out_nl(o);
	view_label(o, "created");
	out_printf(o, "%s, %s", out_when(created, when), out_ago(o, created, ago));
	out_nl(o);
	view_label(o, "revision");
	out_printf(o, "%" PRId64, get_int(g, "rev"));
	out_nl(o);
}

int group_show(struct ctl *c, const struct args *a)
{
	struct url u;

	url_group(&u, a);
	return ctl_show(c, ctl_get(c, &u), view_group);
}

static void group_row(struct table *t, const struct output *o, const json_t *g)
{
	const char *target = get_str(g, "target");
	char ago[64], count[24];

	(void)snprintf(count, sizeof(count), "%" PRId64, get_int(g, "devices"));
	table_cell(t, STYLE_PLAIN, get_str(g, "product"));
	table_cell(t, STYLE_BOLD, get_str(g, "name"));
	table_cell(t, target[0] ? STYLE_PLAIN : STYLE_DIM, target[0] ? target : "the product's");
	table_cell(t, STYLE_PLAIN, count);
	table_cell(t, STYLE_DIM, out_ago(o, get_time(g, "created"), ago));
}

int group_list(struct ctl *c, const struct args *a)
{
	static const struct rows_view rows = {
		"groups",
		{"PRODUCT", "GROUP", "TARGET", "DEVICES", "CREATED", NULL},
		group_row,
		"No groups yet: postbootctl group add PRODUCT GROUP",
	};
	struct url u;

	if (a->count > 0)
		url_groups(&u, a->pos[0]);
	else
		url_init(&u, "/v1/groups");
	return ctl_show_rows(c, ctl_list(c, &u, "groups", "after", 0), &rows);
}
