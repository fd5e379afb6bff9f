/* SPDX-License-Identifier: Apache-2.0
 *
 * device history: attempts told as a story. With -o json: the attempts themselves, each with its
 * `story`. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "ctl/commands.h"
#include "ctl/text.h"
#include "ctl/view.h"

enum { STORY_BYTES = 2048 };

static void say(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct buf *b, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (b->pos + strlen(text) < STORY_BYTES)
		buf_put_str(b, text);
}

/* ---- sentences ---- */

static int64_t rung_at(const json_t *a, const char *word)
{
	const json_t *rung;
	size_t i;

	json_array_foreach(json_object_get(a, "ladder"), i, rung)
	{
		if (strcmp(get_str(rung, "rung"), word) == 0)
			return get_time(rung, "at");
	}
	return 0;
}

static void say_offer(struct buf *b, const json_t *a)
{
	const char *from = get_str(json_object_get(a, "from"), "version");
	char when[32];

	say(b, "%s: it ran %s and was offered %s", out_when(get_time(a, "created"), when),
	    from[0] ? from : "an unknown version", get_str(a, "version"));
	if (get_bool(a, "forced"))
		say(b, ", although its updates were disabled (forced)");
	if (get_bool(a, "fresh"))
		say(b, ", to be downloaded afresh");
	say(b, ".");
}

/* Each step that was reached, with the time it took from the one before. */
static void say_steps(struct buf *b, const json_t *a)
{
	static const struct {
		const char *rung, *words;
	} steps[] = {
		{"started", "began to download"}, {"transferred", "had all of it"},
		{"verified", "found it good"},	  {"applying", "took it"},
		{"rebooted", "restarted"},	  {"running-target", "ran the new image"},
		{"confirmed", "confirmed it"},	  {"stable", "was stable"},
	};
	int64_t before = get_time(a, "created");
	char span[TEXT_SHORT], words[120];
	unsigned said = 0;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		int64_t at = rung_at(a, steps[i].rung);
		if (at == 0)
			continue;
		if (at > before)
			(void)snprintf(words, sizeof(words), i ? "%s %s later" : "%s after %s",
				       steps[i].words, text_span(at - before, span));
		else
			(void)snprintf(words, sizeof(words), "%s at once", steps[i].words);
		say(b, "%s%s", said ? ", " : " It ", words);
		said++;
		before = at > before ? at : before;
	}
	if (said)
		say(b, ".");
	else
		say(b, " It never began.");
}

static void say_trouble(struct buf *b, const json_t *a)
{
	int64_t again = get_int(a, "interruptions"), served = get_int(a, "served_bytes");
	int64_t size = get_int(a, "size");

	if (get_bool(a, "cached"))
		say(b, " It used a copy that it had kept.");
	else if (rung_at(a, "started") && !rung_at(a, "transferred") && size > 0)
		say(b, " %" PRId64 " %% of the image were sent.",
		    served >= size ? (int64_t)100 : served * 100 / size);
	if (again > 0)
		say(b, " A restart interrupted it %" PRId64 " time%s.", again,
		    again == 1 ? "" : "s");
}

static void say_evidence(struct buf *b, const json_t *a)
{
	const json_t *item;
	size_t i;
	bool first = true;

	json_array_foreach(json_object_get(a, "evidence"), i, item)
	{
		if (!get_bool(item, "held"))
			continue;
		say(b, "%s%s", first ? "" : ", ", get_str(item, "item"));
		first = false;
	}
}

static void say_end(struct buf *b, const json_t *a)
{
	const char *reason = get_str(a, "reason"), *detail = get_str(a, "detail");
	char when[32], span[TEXT_SHORT];

	if (strcmp(get_str(a, "state"), "closed") != 0) {
		say(b, " It is still open: %s.", get_str(a, "state"));
		return;
	}
	say(b, " %s, after %s in all: %s", out_when(get_time(a, "closed"), when),
	    text_span(get_int(a, "duration_ms"), span), get_str(a, "verdict"));
	if (get_str(a, "means")[0])
		say(b, ", %s", get_str(a, "means"));
	if (reason[0] || detail[0])
		say(b, " (the device said: %s%s%.120s)", reason, reason[0] && detail[0] ? ", " : "",
		    detail);
	if (get_bool(a, "success")) {
		say(b, "; the proof is %s: ", get_str(a, "grade"));
		say_evidence(b, a);
	} else {
		say(b, get_bool(a, "charged") ? "; it counts as a failure"
					      : "; it counts against nobody");
	}
	say(b, ".");
}

static void say_causes(struct buf *b, const json_t *a)
{
	const json_t *d;
	size_t i;

	json_array_foreach(json_object_get(a, "diagnoses"), i, d)
	{
		say(b, " %s %s: %s.", i == 0 ? "Likely cause:" : "Or:", get_str(d, "name"),
		    get_str(d, "means"));
	}
}

static const char *story(const json_t *a, char space[STORY_BYTES + 1])
{
	struct buf b = buf_writer(space, STORY_BYTES + 1);

	say_offer(&b, a);
	say_steps(&b, a);
	say_trouble(&b, a);
	say_end(&b, a);
	say_causes(&b, a);
	return buf_cstr(&b);
}

/* ---- the command ---- */

static void print(const struct output *o, const char *id, const json_t *list)
{
	char text[STORY_BYTES + 1], number[24];
	const json_t *a;
	size_t i, n = json_array_size(list);

	if (n == 0) {
		out_printf(o, "Device %s was never offered anything.", id);
		out_nl(o);
		return;
	}
	for (i = n; i-- > 0;) {
		a = json_array_get(list, i);
		(void)snprintf(number, sizeof(number), "%" PRId64, get_int(a, "id"));
		out_style(o, STYLE_BOLD);
		out_printf(o, "Attempt %s: ", number);
		out_style(o, STYLE_PLAIN);
		out_styled(o, style_attempt(a), attempt_word(a));
		out_nl(o);
		out_text(o, "  ");
		out_wrap(o, 2, story(a, text));
	}
}

int device_history(struct ctl *c, const struct args *a)
{
	char text[STORY_BYTES + 1];
	int64_t limit = 0;
	json_t *whole, *one;
	struct url u;
	size_t i;

	if (!ctl_number(c, a, "limit", 20, &limit))
		return CTL_USAGE;
	url_init(&u, "/v1/attempts");
	url_query(&u, "device", a->pos[0]);
	whole = ctl_list(c, &u, "attempts", "before", limit);
	if (whole == NULL)
		return CTL_FAILED;
	if (c->out.json) {
		json_array_foreach(json_object_get(whole, "attempts"), i, one)
		{
			(void)json_object_set_new(one, "story", json_string(story(one, text)));
		}
		out_json(&c->out, whole);
	} else {
		print(&c->out, a->pos[0], json_object_get(whole, "attempts"));
	}
	json_decref(whole);
	return CTL_DONE;
}
