/* SPDX-License-Identifier: Apache-2.0
 *
 * rollout plan
 */
#include "ctl/commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/table.h"
#include "ctl/text.h"
#include "ctl/view.h"

static void minute_cell(struct table *t, int64_t ms)
{
	char when[32];

	out_when(ms, when)[16] = '\0';
	table_cell(t, STYLE_PLAIN, when);
}

/* "soak 1 h 0 min, gate", "no soak, wave 2" */
static void then_cell(struct table *t, const json_t *wave)
{
	int64_t soak_s = get_int(wave, "soak_seconds");
	char span[TEXT_SHORT], soak[TEXT_SHORT + 8] = "", then[32], text[128];

	if (soak_s == 0 && get_int(wave, "members") > 0)
		(void)snprintf(soak, sizeof(soak), "no soak, ");
	else if (soak_s > 0)
		(void)snprintf(soak, sizeof(soak), "soak %s, ", text_span(soak_s * 1000, span));
	(void)snprintf(then, sizeof(then), "%.20s", get_str(wave, "then"));
	if (strcmp(then, "wave") == 0)
		(void)snprintf(then, sizeof(then), "wave %" PRId64, get_int(wave, "wave") + 1);
	(void)snprintf(text, sizeof(text), "%s%s", soak, then);
	table_cell(t, STYLE_PLAIN, text);
}

/* What it costs, wave by wave, and what stands between them. */
static void view_waves(const struct output *o, const json_t *forecast)
{
	static const char *const heads[] = {"WAVE",	 "MEMBERS",  "OFFERED", "BYTES",
					    "COULD END", "AT LEAST", "THEN",	NULL};
	json_t *waves = json_object_get(forecast, "waves"), *w;
	struct table t;
	size_t i;
	char text[TEXT_SHORT + 48], bytes[TEXT_SHORT], span[TEXT_SHORT];

	out_heading(o, "Waves");
	if (get_bool(forecast, "approval"))
		out_wrap(o, 0, "Before wave 1 somebody else than its author must approve it.");
	if (get_bool(json_array_get(waves, 0), "gate"))
		out_wrap(o, 0, "Wave 1 opens on an operator's word.");
	table_init(&t, heads);
	t.wrap_last = true;
	json_array_foreach(waves, i, w)
	{
		(void)snprintf(text, sizeof(text), "%" PRId64 ": %.20s", get_int(w, "wave"),
			       get_str(w, "size"));
		table_cell(&t, STYLE_PLAIN, text);
		table_number(&t, get_int(w, "members"));
		table_number(&t, get_int(w, "offers"));
		table_number(&t, get_int(w, "bytes"));
		minute_cell(&t, get_time(w, "ends"));
		table_cell(&t, STYLE_PLAIN, text_span(get_int(w, "seconds") * 1000, span));
		then_cell(&t, w);
	}
	table_print(&t, o, "");
	out_printf(o, "In all: %s bytes, at least %s.",
		   text_count(get_int(forecast, "bytes"), bytes),
		   text_span(get_int(forecast, "seconds") * 1000, span));
	out_nl(o);
	out_wrap(o, 0,
		 "That is with every word of an operator given at once, and without the time that "
		 "devices take themselves.");
	if (json_array_size(waves) < 2)
		return;
	(void)snprintf(text, sizeof(text),
		       "The next one opens when %" PRId64 " %% of a wave are through.",
		       get_int(forecast, "complete_percent"));
	out_wrap(o, 0, text);
}

/* ---- windows ---- */

static void view_sites(const struct output *o, const json_t *plan)
{
	static const char *const heads[] = {"DEVICES", "NEXT OPEN", "CLOCK OF", "WINDOWS", NULL};
	json_t *sites = json_object_get(plan, "windows"), *s;
	struct table t;
	size_t i;

	if (json_array_size(sites) == 0)
		return;
	out_heading(o, "Windows");
	table_init(&t, heads);
	t.wrap_last = true;
	json_array_foreach(sites, i, s)
	{
		const char *zone = get_str(s, "time_zone");
		table_number(&t, get_int(s, "devices"));
		minute_cell(&t, get_time(s, "opens"));
		table_cell(&t, STYLE_PLAIN, zone[0] ? zone : "UTC");
		table_cell(&t, STYLE_PLAIN, get_str(s, "windows"));
	}
	table_print(&t, o, "");
	if (get_int(plan, "windows_unlisted") > 0) {
		out_printf(o, "%" PRId64 " devices have yet other windows: not reckoned with.",
			   get_int(plan, "windows_unlisted"));
		out_nl(o);
	}
}

/* Who has none for so long is named: a wave may wait for him. */
static void view_closed(const struct output *o, const json_t *plan)
{
	const json_t *closed = json_object_get(plan, "no_window"), *name;
	const json_t *named = json_object_get(closed, "named");
	int64_t devices = get_int(closed, "devices");
	char text[2048];
	struct buf b = buf_writer(text, sizeof(text));
	size_t i;

	if (devices == 0)
		return;
	(void)snprintf(text, sizeof(text),
		       "No window in the next %" PRId64 " days: %" PRId64 " device%s, ",
		       get_int(closed, "days"), devices, devices == 1 ? "" : "s");
	b.pos = strlen(text);
	json_array_foreach(named, i, name)
	{
		buf_put_str(&b, i ? ", " : "");
		buf_put_str(&b, json_string_value(name));
	}
	buf_put_str(&b, devices > (int64_t)json_array_size(named) ? ", ..." : ".");
	out_wrap(o, 0, buf_cstr(&b));
}

/* ---- all of it ---- */

static void view_reach(const struct output *o, const json_t *plan)
{
	const char *word;
	json_t *value;

	out_printf(o,
		   "%" PRId64 " devices are selected; %" PRId64 " would be offered the release now",
		   get_int(plan, "selected"), get_int(plan, "offers"));
	if (get_int(plan, "later") > 0)
		out_printf(o, ", %" PRId64 " when their windows open", get_int(plan, "later"));
	out_text(o, ".");
	out_nl(o);
	if (get_int(plan, "elsewhere") + get_int(plan, "locked") > 0) {
		out_printf(o,
			   "In another rollout: %" PRId64 "; locked or for development: %" PRId64
			   ".",
			   get_int(plan, "elsewhere"), get_int(plan, "locked"));
		out_nl(o);
	}
	json_object_foreach(json_object_get(plan, "blocked"), word, value)
	{
		out_text(o, "  ");
		out_cell(o, STYLE_PLAIN, word, 24);
		out_printf(o, "%12" PRId64, (int64_t)json_integer_value(value));
		out_nl(o);
	}
}

void rollout_view_return(const struct output *o, const json_t *plan, const char *product)
{
	int64_t count = get_int(plan, "no_return");
	char text[512];

	if (count == 0)
		return;
	(void)snprintf(text, sizeof(text),
		       "%" PRId64 " of them would have nothing to go back to if it were aborted: "
		       "no other target, and what they run is no active release. To set one: "
		       "postbootctl product target %.64s VERSION",
		       count, product);
	out_wrap(o, 0, text);
}

static void view_airtime(const struct output *o, const json_t *forecast)
{
	static const char *const links[] = {"LINK", "ASSUMED BIT/S", "A DEVICE'S DOWNLOAD", NULL};
	struct table t;
	json_t *link;
	size_t i;
	char text[TEXT_SHORT];

	out_heading(o, "Airtime");
	table_init(&t, links);
	json_array_foreach(json_object_get(forecast, "airtime"), i, link)
	{
		table_cell(&t, STYLE_PLAIN, get_str(link, "link"));
		table_number(&t, get_int(link, "assumed_bits_per_second"));
		table_cell(&t, STYLE_PLAIN, text_span(get_int(link, "seconds") * 1000, text));
	}
	table_print(&t, o, "");
}

int rollout_plan(struct ctl *c, const struct args *a)
{
	struct url u;
	json_t *plan;
	int64_t days = 0;

	if (!ctl_number(c, a, "days", 7, &days))
		return CTL_USAGE;
	rollout_url(&u, a->pos[0], a->pos[1]);
	url_segment(&u, "plan");
	url_query_number(&u, "days", days);
	plan = ctl_get(c, &u);
	if (plan == NULL)
		return CTL_FAILED;
	if (c->out.json) {
		out_json(&c->out, plan);
	} else {
		view_reach(&c->out, plan);
		rollout_view_return(&c->out, plan, a->pos[0]);
		view_closed(&c->out, plan);
		view_sites(&c->out, plan);
		view_waves(&c->out, json_object_get(plan, "forecast"));
		view_airtime(&c->out, json_object_get(plan, "forecast"));
	}
	json_decref(plan);
	return CTL_DONE;
}
