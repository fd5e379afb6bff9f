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
	    topic_is(topic, "updates/pending") || topic_is(topic, "store/restored"))
		return STYLE_WARN;
	return STYLE_PLAIN;
}

enum { DETAILS_MAX = 512 };

/* "reverted (cached): storage-full +1"; of a success how well it is proved. */
static void verdict(const json_t *e, char dst[DETAILS_MAX])
{
	const json_t *diagnoses = json_object_get(e, "diagnoses");
	const char *likeliest = json_string_value(json_array_get(diagnoses, 0));
	size_t more = json_array_size(diagnoses);
	int len = snprintf(dst, DETAILS_MAX, "%.64s%s", get_str(e, "verdict"),
			   get_bool(e, "cached") ? " (cached)" : "");

	if (strcmp(get_str(e, "data"), "success") == 0) {
		(void)snprintf(dst + len, DETAILS_MAX - (size_t)len, ", proof %.64s",
			       get_str(e, "grade"));
		return;
	}
	/* the first is the likeliest; `attempt show` has them all */
	if (likeliest != NULL)
		len += snprintf(dst + len, DETAILS_MAX - (size_t)len, ": %.64s", likeliest);
	if (more > 1)
		(void)snprintf(dst + len, DETAILS_MAX - (size_t)len, " +%zu", more - 1);
}

static void progress(const json_t *e, char dst[DETAILS_MAX])
{
	int64_t size = get_int(e, "size"), got = get_int(e, "received_bytes");
	char bytes[64];
	int len = snprintf(dst, DETAILS_MAX, "%s", bytes_text(got, bytes));

	if (size > 0)
		(void)snprintf(dst + len, DETAILS_MAX - (size_t)len, ", %" PRId64 " %%",
			       got * 100 / size);
}

/* "runs 1.0.0 (watchdog)"; a device need not know why it was reset. */
static void boot(const json_t *e, const char *runs, char dst[DETAILS_MAX])
{
	const char *reset = get_str(e, "reset");
	bool known = reset[0] != '\0' && strcmp(reset, "unknown") != 0;

	(void)snprintf(dst, DETAILS_MAX, "runs %.64s%s%.64s%s", runs, known ? " (" : "",
		       known ? reset : "", known ? ")" : "");
}

static void details(const struct output *o, const json_t *e, char dst[DETAILS_MAX])
{
	const char *topic = get_str(e, "topic");
	const json_t *running = json_object_get(e, "running");
	const char *runs =
		json_is_string(running) ? json_string_value(running) : get_str(running, "version");

	dst[0] = '\0';
	if (get_str(e, "verdict")[0] != '\0')
		verdict(e, dst);
	else if (topic_is(topic, "flash/status"))
		(void)snprintf(dst, DETAILS_MAX, "%.64s %s %.64s%s", get_str(e, "from"),
			       out_sign(o, SIGN_ARROW), get_str(e, "version"),
			       get_bool(e, "fresh") ? ", fresh" : "");
	else if (topic_is(topic, "flash/progress"))
		progress(e, dst);
	else if (topic_is(topic, "device/boot"))
		boot(e, runs, dst);
	else if (topic_is(topic, "device/drift"))
		(void)snprintf(dst, DETAILS_MAX, "runs %.64s, expected %.64s", runs,
			       get_str(e, "expected"));
	else if (topic_is(topic, "release/quarantined"))
		(void)snprintf(dst, DETAILS_MAX, "release %.64s of product %.64s is %.32s",
			       get_str(e, "version"), get_str(e, "product"), get_str(e, "state"));
	else if (topic_is(topic, "rollout/state"))
		(void)snprintf(dst, DETAILS_MAX, "%.64s of product %.64s: %.32s%s%.32s%s%.32s",
			       get_str(e, "rollout"), get_str(e, "product"), get_str(e, "state"),
			       get_str(e, "why")[0] != '\0' ? ", " : "", get_str(e, "why"),
			       get_str(e, "ended_by")[0] != '\0' ? " by " : "",
			       get_str(e, "ended_by"));
	else if (topic_is(topic, "store/restored"))
		(void)snprintf(dst, DETAILS_MAX, "new stream, before %.64s",
			       get_str(e, "stream_before"));
	else if (strcmp(get_str(e, "reason"), get_str(e, "data")) != 0)
		(void)snprintf(dst, DETAILS_MAX, "%.64s", get_str(e, "reason"));
}

enum { EVENT_INDENT = 33 }; /* where its topic stands */

void view_event(const struct output *o, const json_t *e)
{
	int64_t at = get_time(e, "time");
	char seq[24], when[32], what[160], more[DETAILS_MAX];

	out_hang(o, EVENT_INDENT);
	(void)snprintf(seq, sizeof(seq), "%4" PRId64, get_int(e, "seq"));
	out_styled(o, STYLE_DIM, seq);
	(void)out_when(at, when); /* the year would cost what the line has to tell */
	out_printf(o, " %s  ", at > 0 ? when + strlen("2026-") : "");
	out_cell(o, STYLE_BOLD, get_str(e, "device"), 10);
	out_text(o, "  ");
	(void)snprintf(what, sizeof(what), "%s%s%s", get_str(e, "topic"),
		       get_str(e, "data")[0] ? " " : "", get_str(e, "data"));
	details(o, e, more);
	out_cell(o, event_style(e), what, more[0] ? 26 : 0);
	if (more[0] != '\0')
		out_printf(o, "  %s", more);
	out_nl(o);
}
