/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/text.h"

enum style style_device(const char *state)
{
	if (strcmp(state, "in-sync") == 0)
		return STYLE_GOOD;
	if (strcmp(state, "updating") == 0)
		return STYLE_INFO;
	return strcmp(state, "held") == 0 || strcmp(state, "disabled") == 0 ? STYLE_BAD
									    : STYLE_WARN;
}

/* Which keys it has, and since when. */
static void keys(const struct output *o, const json_t *d)
{
	size_t i;
	json_t *k;
	char ago[64];

	if (json_array_size(json_object_get(d, "keys")) == 0)
		return;
	view_label(o, "key");
	json_array_foreach(json_object_get(d, "keys"), i, k)
	{
		const char *slot = get_str(k, "slot");

		out_printf(o, "%s%s, set %s", i > 0 ? "; " : "", slot,
			   out_ago(o, get_time(k, "set"), ago));
		if (strcmp(slot, "next") == 0)
			out_text(o, ", not used yet");
	}
	out_nl(o);
}

/* What it is and should be. */
static void versions(const struct output *o, const json_t *d)
{
	const json_t *running = json_object_get(d, "running"),
		     *target = json_object_get(d, "target");
	const json_t *confirmed = json_object_get(running, "confirmed");
	const char *version = get_str(running, "version"), *digest = get_str(running, "digest");
	const char *why = get_str(target, "why");

	view_label(o, "runs");
	if (running == NULL) {
		out_text(o, "unknown: it has not reported yet");
	} else {
		out_text(o, version);
		if (digest[0] != '\0')
			out_printf(o, "  %.21s%s", digest, strlen(digest) > 21 ? "..." : "");
		if (confirmed != NULL)
			out_text(o, json_is_true(confirmed) ? "  confirmed" : "  not confirmed");
		if (get_str(running, "claims")[0] != '\0')
			out_printf(o, "  reports %s in the same boot: not believed before a reboot",
				   get_str(running, "claims"));
	}
	out_nl(o);
	view_label(o, "should run");
	if (target == NULL)
		out_text(o, get_bool(d, "development")
				    ? "nothing in particular: a development device without a lock"
				    : "nothing in particular: neither a lock nor a product target");
	else if (get_str(target, "goal")[0] != '\0')
		out_printf(o, "%s  on the way to %s", get_str(target, "version"),
			   get_str(target, "goal"));
	else if (strcmp(why, "lock") == 0)
		out_printf(o, "%s  because it is locked to it", get_str(target, "version"));
	else
		out_printf(o, "%s  because it is the %s's target", get_str(target, "version"), why);
	out_nl(o);
}

static void revision(const struct output *o, const json_t *d)
{
	if (get_int(d, "rev") == 0)
		return;
	view_label(o, "revision");
	out_printf(o, "%" PRId64, get_int(d, "rev"));
	out_nl(o);
}

static void place(const struct output *o, const json_t *d)
{
	if (get_str(d, "group")[0] != '\0') {
		view_label(o, "group");
		out_text(o, get_str(d, "group"));
		out_nl(o);
	}
	if (json_array_size(json_object_get(d, "tags")) > 0) {
		size_t i;
		json_t *tag;

		view_label(o, "tags");
		json_array_foreach(json_object_get(d, "tags"), i, tag)
		{
			out_printf(o, "%s%s", i > 0 ? ", " : "",
				   json_is_string(tag) ? json_string_value(tag) : "");
		}
		out_nl(o);
	}
	if (get_bool(d, "development")) {
		view_label(o, "development");
		out_text(o, "only a lock reaches it");
		out_nl(o);
	}
}

static void operator_acts(const struct output *o, const json_t *d)
{
	const json_t *hold = json_object_get(d, "hold");
	int64_t since = get_time(hold, "since");
	char ago[64];

	if (get_time(d, "disabled") > 0) {
		view_label(o, "disabled");
		out_printf(o, "%s: it is refused whenever it comes",
			   out_ago(o, get_time(d, "disabled"), ago));
		out_nl(o);
	}
	if (hold != NULL) {
		view_label(o, "held");
		out_printf(o, "%s: %s", get_str(hold, "reason"), get_str(hold, "means"));
		if (since > 0)
			out_printf(o, ", %s", out_ago(o, since, ago));
		out_nl(o);
	}
	if (get_bool(d, "force")) {
		view_label(o, "forced");
		out_text(o, "it is told to update even if it has updates disabled");
		out_nl(o);
	}
	if (get_bool(d, "drifted")) {
		view_label(o, "drifted");
		out_text(o, "it left its release without being asked to");
		out_nl(o);
	}
}

/* Silence is another thing than a good-bye. */
static const char *offline_text(const json_t *d)
{
	const char *how = get_str(d, "offline");

	if (get_bool(d, "online"))
		return "online";
	if (strcmp(how, "silent") == 0)
		return "silent since: it should have come again by now";
	return strcmp(how, "good-bye") == 0 ? "offline: it said good-bye" : "offline";
}

static void contact(const struct output *o, const json_t *d)
{
	const json_t *boot = json_object_get(d, "boot"), *report = json_object_get(d, "report");
	int64_t seen = get_time(d, "seen"), since = get_time(boot, "since");
	const char *address = get_str(d, "address"), *reset = get_str(report, "reset");
	char ago[64];

	view_label(o, "seen");
	if (seen > 0)
		out_printf(o, "%s, %s", out_ago(o, seen, ago), offline_text(d));
	else
		out_text(o, "never");
	if (address[0] != '\0')
		out_printf(o, ", %s", address);
	out_nl(o);
	if (get_str(d, "warning")[0] != '\0') {
		view_label(o, "warning");
		out_style(o, STYLE_WARN);
		out_wrap(o, VIEW_INDENT, get_str(d, "warning"));
		out_style(o, STYLE_PLAIN);
	}
	if (boot == NULL)
		return;
	view_label(o, "boot");
	out_printf(o, "number %" PRId64 " seen by the server", get_int(boot, "seq"));
	if (since > 0)
		out_printf(o, ", %s", out_ago(o, since, ago));
	if (reset[0] != '\0' && strcmp(reset, "unknown") != 0)
		out_printf(o, ", after %s", reset);
	out_printf(o, "; resets %" PRId64 ", unclean %" PRId64, get_int(d, "resets"),
		   get_int(d, "unclean_resets"));
	out_nl(o);
}

static void capabilities(const struct output *o, const json_t *list)
{
	size_t i;
	json_t *v;

	if (json_array_size(list) == 0)
		return;
	view_label(o, "can");
	json_array_foreach(list, i, v)
	{
		out_printf(o, "%s%s", i > 0 ? ", " : "",
			   json_is_string(v) ? json_string_value(v) : "?");
	}
	out_nl(o);
}

static void troubles(const struct output *o, const json_t *list)
{
	size_t i;
	json_t *v;

	if (json_array_size(list) == 0)
		return;
	view_label(o, "troubles");
	out_style(o, STYLE_WARN);
	json_array_foreach(list, i, v)
	{
		out_printf(o, "%s%s", i > 0 ? ", " : "",
			   json_is_string(v) ? json_string_value(v) : "?");
	}
	out_style(o, STYLE_PLAIN);
	out_nl(o);
}

static void reported(const struct output *o, const json_t *r)
{
	const json_t *enabled = json_object_get(r, "updates_enabled");
	const json_t *last = json_object_get(r, "last_attempt");
	const char *mode = get_str(r, "mode"), *detail = get_str(last, "detail");
	char one[64], two[64];

	if (json_object_get(r, "fs_free") != NULL) {
		view_label(o, "file system");
		out_printf(o, "%s free", bytes_text(get_int(r, "fs_free"), one));
		if (get_int(r, "fs_total") > 0)
			out_printf(o, " of %s", text_count(get_int(r, "fs_total"), two));
		out_nl(o);
	}
	if (json_is_false(enabled)) {
		view_label(o, "updates");
		out_styled(o, STYLE_WARN, "disabled on the device");
		out_nl(o);
	}
	if (mode[0] != '\0' && strcmp(mode, "application") != 0) {
		view_label(o, "mode");
		out_styled(o, STYLE_WARN, mode);
		out_nl(o);
	}
	if (get_int(r, "battery") > 0) {
		view_label(o, "battery");
		out_printf(o, "%" PRId64 " %%", get_int(r, "battery"));
		out_nl(o);
	}
	if (get_int(r, "supply_mv") > 0) {
		view_label(o, "supply");
		out_printf(o, "%" PRId64 " mV", get_int(r, "supply_mv"));
		out_nl(o);
	}
	troubles(o, json_object_get(r, "troubles"));
	if (last != NULL) {
		view_label(o, "remembers");
		out_printf(o, "that attempt %" PRId64 " came to: %s", get_int(last, "attempt"),
			   get_str(last, "stage"));
		if (get_str(last, "reason")[0] != '\0' &&
		    strcmp(get_str(last, "reason"), "none") != 0)
			out_printf(o, ", %s", get_str(last, "reason"));
		if (detail[0] != '\0')
			out_printf(o, " \"%s\"", detail);
		out_nl(o);
	}
	capabilities(o, json_object_get(r, "capabilities"));
}

void view_blocked(const struct output *o, const json_t *blocked)
{
	size_t i;
	json_t *b;

	json_array_foreach(blocked, i, b)
	{
		const char *facts = get_str(b, "facts"), *clear = get_str(b, "clear");

		out_text(o, "  ");
		out_styled(o, STYLE_WARN, get_str(b, "name"));
		out_nl(o);
		out_text(o, "      ");
		out_wrap(o, 6, get_str(b, "means"));
		if (facts[0] != '\0') {
			out_cell(o, STYLE_DIM, "      facts", 13);
			out_wrap(o, 13, facts);
		}
		if (clear[0] != '\0') {
			out_cell(o, STYLE_DIM, "      clear", 13);
			out_wrap(o, 13, clear);
		}
	}
}

/* A device that runs its target is not "blocked" for people. */
static bool worth_telling(const json_t *blocked)
{
	const json_t *first = json_array_get(blocked, 0);

	return json_array_size(blocked) > 1 ||
	       (first != NULL && strcmp(get_str(first, "name"), "in-sync") != 0);
}

void view_device(const struct output *o, const json_t *d)
{
	const json_t *blocked = json_object_get(d, "blocked_by"),
		     *a = json_object_get(d, "attempt");
	int64_t clear = get_time(d, "clear_at");
	char when[32], ago[64];

	out_hang(o, 2);
	out_style(o, STYLE_BOLD);
	out_printf(o, "Device %s of product %s: ", get_str(d, "id"), get_str(d, "product"));
	out_style(o, STYLE_PLAIN);
	out_styled(o, style_device(get_str(d, "state")), get_str(d, "state"));
	out_nl(o);
	out_nl(o);
	versions(o, d);
	place(o, d);
	view_windows(o, d);
	revision(o, d);
	operator_acts(o, d);
	contact(o, d);
	view_speaks(o, d);
	keys(o, d);
	reported(o, json_object_get(d, "report"));
	view_facts(o, d);
	if (a == NULL && worth_telling(blocked)) {
		out_heading(o, "Not updated now because");
		view_blocked(o, blocked);
		if (clear > 0) {
			out_hang(o, 4);
			out_printf(o, "  Next try %s, at %s", out_ago(o, clear, ago),
				   out_when(clear, when));
			out_nl(o);
		}
	}
	if (a == NULL)
		a = json_object_get(d, "last_attempt");
	if (a != NULL) {
		out_nl(o);
		view_attempt(o, a);
	}
}

void view_explain(const struct output *o, const json_t *e)
{
	const json_t *blocked = json_object_get(e, "blocked_by");
	const json_t *diagnoses = json_object_get(e, "diagnoses");
	const json_t *steps = json_object_get(e, "next_steps");
	size_t i;
	json_t *step;

	out_wrap(o, 0, get_str(e, "summary"));
	view_explain_windows(o, e);
	json_array_foreach(json_object_get(e, "protocol_notes"), i, step)
	{
		out_text(o, "  ");
		out_wrap(o, 2, json_is_string(step) ? json_string_value(step) : "");
	}
	if (worth_telling(blocked)) {
		out_heading(o, "What keeps it from being updated");
		view_blocked(o, blocked);
	}
	if (json_array_size(diagnoses) > 0) {
		out_heading(o, "What likely happened");
		view_diagnoses(o, diagnoses, json_array_size(steps) == 0);
	}
	if (json_array_size(steps) == 0)
		return;
	out_heading(o, "What to do");
	json_array_foreach(steps, i, step)
	{
		out_printf(o, "  %zu. ", i + 1);
		out_wrap(o, 5, json_is_string(step) ? json_string_value(step) : "");
	}
}
