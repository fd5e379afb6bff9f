/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/text.h"

static bool topic_is(const char *topic, const char *name)
{
	size_t lt = strlen(topic), ln = strlen(name);

	return lt >= ln && strcmp(topic + lt - ln, name) == 0 &&
	       (lt == ln || topic[lt - ln - 1] == '/');
}

static enum style event_style(const json_t *e)
{
	const char *topic = get_str(e, "topic"), *data = get_str(e, "data");

	if (topic_is(topic, "flash/status"))
		return strcmp(data, "success") == 0  ? STYLE_GOOD
		       : strcmp(data, "failed") == 0 ? STYLE_BAD
						     : STYLE_INFO;
	if (topic_is(topic, "device/held") || topic_is(topic, "device/drift") ||
	    topic_is(topic, "updates/pending"))
		return STYLE_WARN;
	return STYLE_PLAIN;
}

/* "reverted (cached): storage-full +1" */
static void verdict(const struct output *o, const json_t *e)
{
	const json_t *diagnoses = json_object_get(e, "diagnoses");
	const char *grade = get_str(e, "grade");
	const json_t *d;

	out_printf(o, "  %s", get_str(e, "verdict"));
	if (strcmp(get_str(e, "data"), "success") == 0 && grade[0] != '\0')
		out_printf(o, ", proof %s", grade);
	if (get_bool(e, "cached"))
		out_text(o, " (cached)");
	/* the first is the likeliest; `attempt show` has them all */
	d = json_array_get(diagnoses, 0);
	if (json_is_string(d))
		out_printf(o, ": %s", json_string_value(d));
	if (json_array_size(diagnoses) > 1)
		out_printf(o, " +%zu", json_array_size(diagnoses) - 1);
}

static void details(const struct output *o, const json_t *e)
{
	const char *topic = get_str(e, "topic");
	const json_t *running = json_object_get(e, "running");
	const char *runs =
		json_is_string(running) ? json_string_value(running) : get_str(running, "version");
	char bytes[64];

	if (get_str(e, "verdict")[0] != '\0') {
		verdict(o, e);
	} else if (topic_is(topic, "flash/status")) {
		out_printf(o, "  %s %s %s%s", get_str(e, "from"), out_sign(o, SIGN_ARROW),
			   get_str(e, "version"), get_bool(e, "fresh") ? ", fresh" : "");
	} else if (topic_is(topic, "flash/progress")) {
		out_printf(o, "  %s", bytes_text(get_int(e, "received_bytes"), bytes));
		if (get_int(e, "size") > 0)
			out_printf(o, ", %" PRId64 " %%",
				   get_int(e, "received_bytes") * 100 / get_int(e, "size"));
	} else if (topic_is(topic, "device/boot")) {
		out_printf(o, "  runs %s (%s)", runs, get_str(e, "reset"));
	} else if (topic_is(topic, "device/drift")) {
		out_printf(o, "  runs %s, expected %s", runs, get_str(e, "expected"));
	} else if (get_str(e, "reason")[0] != '\0' &&
		   strcmp(get_str(e, "reason"), get_str(e, "data")) != 0) {
		out_printf(o, "  %s", get_str(e, "reason"));
	}
}

void view_event(const struct output *o, const json_t *e)
{
	int64_t at = get_time(e, "time");
	char seq[24], clock[32], what[160];

	(void)snprintf(seq, sizeof(seq), "%4" PRId64, get_int(e, "seq"));
	out_styled(o, STYLE_DIM, seq);
	out_clock(at, clock);
	clock[strcspn(clock, ".")] = '\0';
	out_printf(o, " %s  ", at > 0 ? clock : "");
	out_cell(o, STYLE_BOLD, get_str(e, "device"), 10);
	out_text(o, "  ");
	(void)snprintf(what, sizeof(what), "%s%s%s", get_str(e, "topic"),
		       get_str(e, "data")[0] ? " " : "", get_str(e, "data"));
	out_cell(o, event_style(e), what, 26);
	details(o, e);
	out_nl(o);
}
