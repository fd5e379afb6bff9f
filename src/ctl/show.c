/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/show.h"

static void print_rows(const struct output *o, const json_t *list, const struct rows_view *v)
{
	struct table t;
	const json_t *row;
	size_t i;

	table_init(&t, v->heads);
	json_array_foreach(json_object_get(list, v->key), i, row)
	{
		v->row(&t, o, row);
	}
	table_print(&t, o, v->none);
}

int ctl_show(struct ctl *c, json_t *one, show_view *view)
{
	if (one == NULL)
		return CTL_FAILED;
	if (c->out.json)
		out_json(&c->out, one);
	else
		view(&c->out, one);
	json_decref(one);
	return CTL_DONE;
}

int ctl_show_rows(struct ctl *c, json_t *list, const struct rows_view *v)
{
	if (list == NULL)
		return CTL_FAILED;
	if (c->out.json)
		out_json(&c->out, list);
	else
		print_rows(&c->out, list, v);
	json_decref(list);
	return CTL_DONE;
}
