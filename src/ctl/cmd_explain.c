/* SPDX-License-Identifier: Apache-2.0
 *
 * explain: why a device, a rollout or a release stands where it stands. One word is a device,
 * whatever it is called; the others are named by three.
 */
#include <inttypes.h>
#include <string.h>

#include "ctl/commands.h"
#include "ctl/show.h"
#include "ctl/table.h"
#include "ctl/text.h"
#include "ctl/view.h"

/* ---- parts ---- */

static void lines(const struct output *o, const char *heading, const json_t *list)
{
	size_t i;
	json_t *line;

	if (json_array_size(list) == 0)
		return;
	out_heading(o, heading);
	json_array_foreach(list, i, line)
	{
		out_text(o, "  ");
		out_wrap(o, 2, json_is_string(line) ? json_string_value(line) : "");
	}
}

/* A name, and what it means, in lines of their own. */
static void named(const struct output *o, const char *heading, const json_t *list)
{
	size_t i;
	json_t *one;

	if (json_array_size(list) == 0)
		return;
	out_heading(o, heading);
	json_array_foreach(list, i, one)
	{
		const char *facts = get_str(one, "facts");

		out_text(o, "  ");
		out_styled(o, STYLE_WARN, get_str(one, "name"));
		out_nl(o);
		out_text(o, "      ");
		out_wrap(o, 6, get_str(one, "means"));
		if (facts[0] != '\0') {
			out_text(o, "      ");
			out_wrap(o, 6, facts);
		}
	}
}

static void steps(const struct output *o, const json_t *list)
{
	size_t i;
	json_t *step;

	if (json_array_size(list) == 0)
		return;
	out_heading(o, "What to do");
	json_array_foreach(list, i, step)
	{
		out_printf(o, "  %zu. ", i + 1);
		out_wrap(o, 5, json_is_string(step) ? json_string_value(step) : "");
	}
}

/* ---- a rollout ---- */

static void view_rollout(const struct output *o, const json_t *e)
{
	const json_t *acts = json_object_get(e, "acts"), *act;
	size_t i;

	out_wrap(o, 0, get_str(e, "summary"));
	lines(o, "Its waves", json_object_get(e, "waves"));
	named(o, "What halts it", json_object_get(e, "halts"));
	if (json_array_size(acts) > 0)
		out_heading(o, "What you can do");
	json_array_foreach(acts, i, act)
	{
		out_printf(o, "  %s", get_str(act, "command"));
		out_nl(o);
		out_text(o, "      ");
		out_wrap(o, 6, get_str(act, "effect"));
	}
	steps(o, json_object_get(e, "next_steps"));
}

/* ---- a release ---- */

static void view_needs(const struct output *o, const json_t *e)
{
	const json_t *uses = json_object_get(e, "needed_by"), *use;
	size_t i;

	if (json_array_size(uses) == 0)
		return;
	out_heading(o, "Needed by");
	json_array_foreach(uses, i, use)
	{
		const char *state = get_str(use, "state");

		out_printf(o, "  %s %s%s%s%s", get_str(use, "kind"), get_str(use, "name"),
			   state[0] ? " (" : "", state, state[0] ? ")" : "");
		out_nl(o);
	}
	if (get_int(e, "needed_by_more") > 0) {
		out_printf(o, "  and %" PRId64 " more", get_int(e, "needed_by_more"));
		out_nl(o);
	}
}

static void view_blocks(const struct output *o, const json_t *e)
{
	static const char *const heads[] = {"DEVICES", "KEPT BY", "WHICH MEANS", NULL};
	const json_t *list = json_object_get(e, "blocked_by"), *block;
	struct table t;
	size_t i;
	char text[TEXT_SHORT];

	if (json_array_size(list) == 0)
		return;
	out_heading(o, "What keeps devices from it");
	table_init(&t, heads);
	t.wrap_last = true;
	json_array_foreach(list, i, block)
	{
		table_cell(&t, STYLE_PLAIN, text_count(get_int(block, "devices"), text));
		table_cell(&t, STYLE_WARN, get_str(block, "name"));
		table_cell(&t, STYLE_PLAIN, get_str(block, "means"));
	}
	table_print(&t, o, "");
}

static void view_ends(const struct output *o, const json_t *e)
{
	const char *word;
	json_t *count;

	if (json_object_size(json_object_get(e, "verdicts")) == 0)
		return;
	out_heading(o, "How attempts ended, since the server started");
	json_object_foreach(json_object_get(e, "verdicts"), word, count)
	{
		char text[TEXT_SHORT];

		out_text(o, "  ");
		out_cell(o, STYLE_PLAIN, word, 22);
		out_printf(o, "%9s", text_count((int64_t)json_integer_value(count), text));
		out_nl(o);
	}
}

static void view_release(const struct output *o, const json_t *e)
{
	out_wrap(o, 0, get_str(e, "summary"));
	out_nl(o);
	out_cell(o, STYLE_DIM, "signatures", 12);
	out_wrap(o, 12, get_str(e, "signatures"));
	named(o, "What was found in it", json_object_get(e, "findings"));
	lines(o, "What it asks of a device", json_object_get(e, "asks"));
	view_needs(o, e);
	view_blocks(o, e);
	view_ends(o, e);
	steps(o, json_object_get(e, "next_steps"));
}

/* ---- the command ---- */

int explain(struct ctl *c, const struct args *a)
{
	bool rollout = strcmp(a->pos[0], "rollout") == 0;
	bool release = strcmp(a->pos[0], "release") == 0;
	struct url u;

	if (a->count == 1) {
		url_init(&u, "/v1/devices");
		url_segment(&u, a->pos[0]);
		url_segment(&u, "explain");
		return ctl_show(c, ctl_get(c, &u), view_explain);
	}
	if (a->count != 3 || (!rollout && !release))
		return ctl_usage(c, "explain DEVICE, explain rollout PRODUCT ROLLOUT, or explain "
				    "release PRODUCT VERSION");
	url_init(&u, "/v1/products");
	url_segment(&u, a->pos[1]);
	url_segment(&u, rollout ? "rollouts" : "releases");
	url_segment(&u, a->pos[2]);
	url_segment(&u, "explain");
	return ctl_show(c, ctl_get(c, &u), rollout ? view_rollout : view_release);
}
