/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/commands.h"

#include <string.h>

#include "base/limits.h"
#include "ctl/show.h"
#include "ctl/view.h"

static void url_query_name(struct url *u, const char *name)
{
	url_init(u, "/v1/queries");
	url_segment(u, name);
}

bool filter_words(const struct ctl *c, const struct args *a, unsigned first, char dst[FILTER_WORDS])
{
	size_t used = 0;

	dst[0] = '\0';
	for (unsigned i = first; i < a->count; i++) {
		size_t len = strlen(a->pos[i]);

		if (strchr(a->pos[i], ' ') != NULL || len == 0) {
			(void)ctl_usage(c, "\"%s\" is not KEY=VALUE", a->pos[i]);
			return false;
		}
		if (used + len + 2 > FILTER_WORDS) {
			(void)ctl_usage(c, "the filter is longer than %d bytes", LIMIT_FILTER_TEXT);
			return false;
		}
		if (i > first)
			dst[used++] = ' ';
		memcpy(dst + used, a->pos[i], len + 1);
		used += len;
	}
	return true;
}

static int finish(struct ctl *c, json_t *q, const char *done)
{
	if (q == NULL)
		return CTL_FAILED;
	if (c->out.json) {
		out_json(&c->out, q);
	} else {
		out_printf(&c->out, "Query %s%s: %s", get_str(q, "name"), done,
			   get_str(q, "filter"));
		out_nl(&c->out);
	}
	json_decref(q);
	return CTL_DONE;
}

int query_save(struct ctl *c, const struct args *a)
{
	char text[FILTER_WORDS];
	struct url u;

	if (!filter_words(c, a, 1, text))
		return CTL_USAGE;
	url_query_name(&u, a->pos[0]);
	return finish(c, ctl_call(c, "PUT", &u, json_pack("{s:s}", "filter", text)), " saved");
}

int query_show(struct ctl *c, const struct args *a)
{
	struct url u;

	url_query_name(&u, a->pos[0]);
	return finish(c, ctl_get(c, &u), "");
}

int query_remove(struct ctl *c, const struct args *a)
{
	struct url u;

	url_query_name(&u, a->pos[0]);
	return ctl_remove(c, &u, "Query", "query", a->pos[0], NULL);
}

static void query_row(struct table *t, const struct output *o, const json_t *q)
{
	char ago[64];

	table_cell(t, STYLE_BOLD, get_str(q, "name"));
	table_cell(t, STYLE_PLAIN, get_str(q, "filter"));
	table_cell(t, STYLE_DIM, out_ago(o, get_time(q, "created"), ago));
}

int query_list(struct ctl *c, const struct args *a)
{
	static const struct rows_view rows = {
		"queries",
		{"QUERY", "FILTER", "CREATED", NULL},
		query_row,
		"No saved queries yet: postbootctl query save NAME KEY=VALUE...",
	};
	struct url u;

	(void)a;
	url_init(&u, "/v1/queries");
	return ctl_show_rows(c, ctl_list(c, &u, "queries", "after", 0), &rows);
}
