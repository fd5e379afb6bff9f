/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/text.h"

const char *attempt_word(const json_t *a)
{
	const char *verdict = get_str(a, "verdict");

	if (get_bool(a, "deferred"))
		return "deferred";
	return verdict[0] != '\0' && strcmp(verdict, "none") != 0 ? verdict : get_str(a, "state");
}

static bool attempt_closed(const json_t *a)
{
	return strcmp(get_str(a, "state"), "closed") == 0;
}

enum style style_attempt(const json_t *a)
{
	if (!attempt_closed(a))
		return STYLE_INFO;
	if (get_bool(a, "success"))
		return STYLE_GOOD;
	return get_bool(a, "charged") ? STYLE_BAD : STYLE_WARN;
}

void view_label(const struct output *o, const char *label)
{
	out_hang(o, VIEW_INDENT);
	out_text(o, "  ");
	out_cell(o, STYLE_DIM, label, VIEW_INDENT - 2);
}

const char *bytes_text(int64_t n, char dst[64])
{
	char count[TEXT_SHORT];

	(void)snprintf(dst, 64, "%s byte%s", text_count(n, count), n == 1 ? "" : "s");
	return dst;
}

static bool listed(const json_t *list, const char *word)
{
	size_t i;
	json_t *v;

	json_array_foreach(list, i, v)
	{
		if (json_is_string(v) && strcmp(json_string_value(v), word) == 0)
			return true;
	}
	return false;
}

static void head(const struct output *o, const json_t *a)
{
	const json_t *from = json_object_get(a, "from");
	const char *version = get_str(from, "version"), *sha = get_str(a, "sha256");
	char size[64];

	view_label(o, "update");
	out_printf(o, "%s %s %s of product %s, %s", version[0] ? version : "?",
		   out_sign(o, SIGN_ARROW), get_str(a, "version"), get_str(a, "product"),
		   bytes_text(get_int(a, "size"), size));
	out_nl(o);
	view_label(o, "image");
	out_printf(o, "sha256 %.16s%s", sha, strlen(sha) > 16 ? "..." : "");
	if (get_bool(a, "fresh"))
		out_text(o, ", asked for fresh (no cached copy)");
	if (get_bool(a, "forced"))
		out_text(o, ", forced");
	out_nl(o);
}

static void times(const struct output *o, const json_t *a)
{
	int64_t created = get_time(a, "created"), closed = get_time(a, "closed");
	int64_t deadline = get_time(a, "deadline");
	char when[32], ago[64], span[TEXT_SHORT];

	view_label(o, "offered");
	out_printf(o, "%s, %s", out_when(created, when), out_ago(o, created, ago));
	out_nl(o);
	if (attempt_closed(a)) {
		view_label(o, "closed");
		out_printf(o, "%s, after %s", out_when(closed, when),
			   text_span(get_int(a, "duration_ms"), span));
		out_nl(o);
	} else if (deadline > 0) {
		view_label(o, "deadline");
		out_printf(o, "%s, %s", out_when(deadline, when), out_ago(o, deadline, ago));
		if (get_bool(a, "cancel_requested"))
			out_text(o, "; an operator asked to cancel it");
		out_nl(o);
	}
}

/* What kind of end it was: how much the proof is worth, whom it counts against. */
static void judged(const struct output *o, const json_t *a)
{
	const char *grade = get_str(a, "grade"), *reason = get_str(a, "reason");
	const char *detail = get_str(a, "detail");

	if (!attempt_closed(a))
		return;
	view_label(o, "counts");
	if (get_bool(a, "success"))
		out_printf(o, "proof %s%s", grade[0] ? grade : "none",
			   strcmp(get_str(a, "via"), "external") == 0
				   ? "; not through us: flashed by other means"
				   : "");
	else
		out_text(o, get_bool(a, "charged") ? "as a failure of this image on this device"
						   : "against nobody");
	out_nl(o);
	if (reason[0] == '\0' && detail[0] == '\0')
		return;
	view_label(o, "device said");
	out_text(o, reason);
	if (json_object_get(a, "code") != NULL)
		out_printf(o, "%scode %" PRId64, reason[0] ? ", " : "", get_int(a, "code"));
	if (detail[0] != '\0')
		out_printf(o, " \"%s\"", detail);
	out_nl(o);
}

/* Confirmed and stable are rungs that not every attempt must climb. */
static bool rung_asked(const json_t *a, const char *rung)
{
	if (strcmp(rung, "confirmed") != 0 && strcmp(rung, "stable") != 0)
		return true;
	return listed(json_object_get(a, "required"), rung);
}

void view_rung(const struct output *o, const json_t *a, const json_t *rung)
{
	const char *word = get_str(rung, "rung");
	int64_t at = get_time(rung, "at"), since = at - get_time(a, "created");
	bool reached = at > 0, asked = rung_asked(a, word);
	char clock[32], plus[64], span[TEXT_SHORT];

	out_text(o, "  ");
	out_styled(o, reached ? STYLE_GOOD : STYLE_DIM,
		   out_sign(o, reached ? SIGN_REACHED : SIGN_OPEN));
	out_text(o, " ");
	out_cell(o, reached ? STYLE_PLAIN : STYLE_DIM, word, reached || !asked ? 16 : 0);
	if (reached)
		out_text(o, out_clock(at, clock));
	else if (!asked)
		out_styled(o, STYLE_DIM, "not asked for");
	if (reached && since > 0) {
		(void)snprintf(plus, sizeof(plus), "+%s", text_span(since, span));
		out_printf(o, "  %12s", plus);
	}
	out_nl(o);
}

static void ladder(const struct output *o, const json_t *a)
{
	size_t i;
	json_t *rung;

	out_heading(o, "Ladder");
	json_array_foreach(json_object_get(a, "ladder"), i, rung)
	{
		view_rung(o, a, rung);
	}
}

static void proof(const struct output *o, const json_t *a)
{
	size_t i;
	json_t *item;
	char clock[32];

	out_heading(o, "Proof asked for, all in one report");
	json_array_foreach(json_object_get(a, "evidence"), i, item)
	{
		bool held = get_bool(item, "held");
		int64_t at = get_time(item, "at");

		out_text(o, "  ");
		out_styled(o, held ? STYLE_GOOD : STYLE_BAD,
			   out_sign(o, held ? SIGN_YES : SIGN_NO));
		out_text(o, " ");
		out_cell(o, STYLE_PLAIN, get_str(item, "item"), 16);
		out_text(o, held ? "held" : "missing");
		if (held && at > 0)
			out_printf(o, " since %s", out_clock(at, clock));
		out_nl(o);
	}
}

static void transfer(const struct output *o, const json_t *a)
{
	int64_t size = get_int(a, "size"), served = get_int(a, "served_bytes");
	int64_t again = get_int(a, "interruptions"), offset = get_int(a, "start_offset");
	int64_t received = get_int(a, "received_bytes");
	char one[64], two[TEXT_SHORT], three[64];

	out_heading(o, "Transfer");
	view_label(o, "served");
	out_printf(o, "%s of %s", bytes_text(served, one), text_count(size, two));
	if (get_bool(a, "cached"))
		out_styled(o, STYLE_WARN, ": the device used a copy it had kept");
	out_nl(o);
	if (get_bool(a, "served_out")) {
		view_label(o, "");
		out_style(o, STYLE_WARN);
		out_wrap(o, VIEW_INDENT,
			 attempt_closed(a)
				 ? "the device was served all that one attempt may get"
				 : "the device was served all that one attempt may get: further "
				   "blocks are refused with 4.03 until the attempt ends");
		out_style(o, STYLE_PLAIN);
	}
	if (received > 0 || offset > 0) { /* one that is asked does not tell */
		view_label(o, "received");
		out_printf(o, "%s of %s, as the device tells", bytes_text(received, one),
			   text_count(size, two));
		if (offset > 0)
			out_printf(o, "; begun at %s", bytes_text(offset, three));
		out_nl(o);
	}
	if (again > 0) {
		view_label(o, "interrupted");
		out_printf(o, "%" PRId64 " time%s by a restart", again, again == 1 ? "" : "s");
		out_nl(o);
	}
}

void view_diagnoses(const struct output *o, const json_t *list, bool next)
{
	size_t i;
	json_t *d;

	json_array_foreach(list, i, d)
	{
		const char *facts = get_str(d, "facts"), *then = get_str(d, "next");

		out_text(o, "  ");
		out_styled(o, STYLE_WARN, get_str(d, "name"));
		out_nl(o);
		out_text(o, "      ");
		out_wrap(o, 6, get_str(d, "means"));
		if (facts[0] != '\0') {
			out_cell(o, STYLE_DIM, "      facts", 13);
			out_wrap(o, 13, facts);
		}
		if (next && then[0] != '\0') {
			out_cell(o, STYLE_DIM, "      next", 13);
			out_wrap(o, 13, then);
		}
	}
}

void view_verdict(const struct output *o, const json_t *a)
{
	char span[TEXT_SHORT];

	out_hang(o, 2);
	out_styled(o, style_attempt(a),
		   get_bool(a, "success")   ? "success"
		   : get_bool(a, "charged") ? "failed"
					    : "not updated");
	out_printf(o, ": %s, %s (after %s)", attempt_word(a), get_str(a, "means"),
		   text_span(get_int(a, "duration_ms"), span));
	out_nl(o);
	view_diagnoses(o, json_object_get(a, "diagnoses"), true);
}

void view_attempt(const struct output *o, const json_t *a)
{
	const json_t *diagnoses = json_object_get(a, "diagnoses");
	const char *means = get_str(a, "means");

	out_hang(o, 2);
	out_style(o, STYLE_BOLD);
	out_printf(o, "Attempt %" PRId64 " of %s: ", get_int(a, "id"), get_str(a, "device"));
	out_style(o, STYLE_PLAIN);
	out_styled(o, style_attempt(a), attempt_word(a));
	out_nl(o);
	if (means[0] != '\0' && attempt_closed(a)) {
		out_text(o, "  ");
		out_wrap(o, 2, means);
	}
	out_nl(o);
	head(o, a);
	times(o, a);
	judged(o, a);
	ladder(o, a);
	proof(o, a);
	transfer(o, a);
	if (json_array_size(diagnoses) > 0) {
		out_heading(o, "Likely causes");
		view_diagnoses(o, diagnoses, true);
	}
}
