/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/commands.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/table.h"
#include "ctl/text.h"
#include "ctl/view.h"

enum { PAGE = 500, CHANGE_MAX = 240, HASH_DIGITS = 64 };

/* ---- list ---- */

/* The newest `keep` rows, oldest first. */
static json_t *rows_get(struct ctl *c, const char *object, int64_t keep)
{
	json_t *all = json_array(), *page, *row;
	int64_t before = 0;
	size_t i, got;

	do {
		int64_t left = keep - (int64_t)json_array_size(all);
		struct url u;

		url_init(&u, "/v1/audit");
		url_query_number(&u, "before", before);
		url_query_number(&u, "limit", left < PAGE ? left : PAGE);
		url_query(&u, "object", object);
		page = ctl_get(c, &u);
		if (page == NULL) {
			json_decref(all);
			return NULL;
		}
		got = json_array_size(json_object_get(page, "audit"));
		json_array_foreach(json_object_get(page, "audit"), i, row)
		{
			(void)json_array_insert(all, 0, row);
		}
		before = get_int(page, "next");
		json_decref(page);
	} while (before > 0 && got > 0 && (int64_t)json_array_size(all) < keep);
	return all;
}

static void say(struct buf *b, const char *s)
{
	static const char cut[] = "...";

	if (b->pos + strlen(s) + sizeof(cut) <= CHANGE_MAX)
		buf_put_str(b, s);
	else if (b->pos + sizeof(cut) <= CHANGE_MAX)
		buf_put_str(b, cut), b->pos = CHANGE_MAX; /* that is the end of it */
}

static bool is_hash(const char *text)
{
	return strlen(text) == HASH_DIGITS && strspn(text, "0123456789abcdef") == HASH_DIGITS;
}

/* A list of words, or "..." where there is more to its elements than a line can say. */
static void say_list(struct buf *b, const json_t *list)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		if (!json_is_string(one)) {
			say(b, "...");
			return;
		}
		say(b, i ? " " : "");
		say(b, json_string_value(one));
	}
}

/* A fact without its quotes; what it was and is of an object is too much for a line. */
static void say_value(struct buf *b, const json_t *value)
{
	char *text, brief[16];

	if (json_is_string(value)) {
		const char *whole = json_string_value(value);
		(void)snprintf(brief, sizeof(brief), "%.12s...", whole);
		say(b, is_hash(whole) ? brief : whole);
		return;
	}
	if (json_is_array(value)) {
		say_list(b, value);
		return;
	}
	if (json_is_object(value)) {
		say(b, "...");
		return;
	}
	text = json_dumps(value, JSON_ENCODE_ANY);
	say(b, text ? text : "");
	free(text);
}

/* "target 1.0.0 -> 1.1.0, force true" of one object of facts before and after. */
static void say_change(struct buf *b, const json_t *before, const json_t *after)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)before, key, value)
	{
		const json_t *now = json_object_get(after, key);

		if (json_is_object(value)) {
			say_change(b, value, now);
			continue;
		}
		if (now != NULL && json_equal(value, (json_t *)(uintptr_t)now))
			continue;
		say(b, b->pos ? ", " : "");
		say(b, key);
		say(b, " ");
		say_value(b, value);
		say(b, " -> ");
		if (now == NULL)
			say(b, "none");
		else
			say_value(b, now);
	}
	json_object_foreach((json_t *)(uintptr_t)after, key, value)
	{
		if (json_object_get(before, key) != NULL)
			continue;
		say(b, b->pos ? ", " : "");
		say(b, key);
		say(b, " ");
		say_value(b, value);
	}
}

static void row_add(struct table *t, const json_t *row)
{
	char change[CHANGE_MAX + 1], when[32], seq[24];
	struct buf b = buf_writer(change, sizeof(change));

	say_change(&b, json_object_get(row, "before"), json_object_get(row, "after"));
	(void)snprintf(seq, sizeof(seq), "%" PRId64, get_int(row, "seq"));
	table_cell(t, STYLE_DIM, seq);
	table_cell(t, STYLE_PLAIN, out_when(get_time(row, "time"), when));
	table_cell(t, STYLE_PLAIN, get_str(row, "who"));
	table_cell(t, STYLE_BOLD, get_str(row, "act"));
	table_cell(t, STYLE_PLAIN, get_str(row, "object"));
	table_cell(t, STYLE_PLAIN, buf_cstr(&b));
}

int audit_list(struct ctl *c, const struct args *a)
{
	static const char *const heads[] = {"ROW", "TIME", "WHO", "ACT", "OBJECT", "CHANGE", NULL};
	int64_t keep = 0;
	json_t *rows, *row, *whole;
	struct table t;
	size_t i;

	if (!ctl_number(c, a, "limit", 50, &keep))
		return CTL_USAGE;
	rows = rows_get(c, args_option(a, "object"), keep);
	if (rows == NULL)
		return CTL_FAILED;
	if (c->out.json) {
		whole = json_pack("{s:O}", "audit", rows);
		out_json(&c->out, whole);
		json_decref(whole);
	} else {
		table_init(&t, heads);
		t.wrap_last = true; /* what was changed is what one looks for */
		json_array_foreach(rows, i, row)
		{
			row_add(&t, row);
		}
		table_print(&t, &c->out, "No acts.");
	}
	json_decref(rows);
	return CTL_DONE;
}

/* ---- verify ---- */

bool audit_known_parse(const char *text, int64_t *ret_seq, const char **ret_hash)
{
	const char *colon = strchr(text, ':');
	char number[24] = "";

	if (colon == NULL || (size_t)(colon - text) >= sizeof(number))
		return false;
	memcpy(number, text, (size_t)(colon - text));
	*ret_hash = colon + 1;
	return text_integer(number, ret_seq) == 0 && *ret_seq >= 1 &&
	       strlen(colon + 1) == HASH_DIGITS &&
	       strspn(colon + 1, "0123456789abcdef") == HASH_DIGITS;
}

static int known_check(struct ctl *c, int64_t seq, const char *hash)
{
	struct url u;
	json_t *page;
	const json_t *row, *removed;
	int code = CTL_DONE;

	url_init(&u, "/v1/audit");
	url_query_number(&u, "after", seq - 1);
	url_query_number(&u, "limit", 1);
	page = ctl_get(c, &u);
	if (page == NULL)
		return CTL_FAILED;
	row = json_array_get(json_object_get(page, "audit"), 0);
	removed = json_object_get(page, "removed");
	if (seq == get_int(removed, "through") && strcmp(get_str(removed, "hash"), hash) == 0)
		code = CTL_DONE;
	else if (seq <= get_int(removed, "through"))
		code = ctl_fail(c,
				"row %" PRId64 " was taken out of the log: look for it in an "
				"export, audit verify --file F --head N:HASH",
				seq);
	else if (get_int(row, "seq") != seq)
		code = ctl_fail(c, "row %" PRId64 " is missing: the log was cut off, or is older",
				seq);
	else if (strcmp(get_str(row, "hash"), hash) != 0)
		code = ctl_fail(c,
				"row %" PRId64 " has another hash, %s: the log was written anew, "
				"or is another one",
				seq, get_str(row, "hash"));
	json_decref(page);
	return code;
}

int audit_verify(struct ctl *c, const struct args *a)
{
	const char *known = args_option(a, "known"), *hash = NULL;
	const char *file = args_option(a, "file"), *head = args_option(a, "head");
	int64_t seq = 0;
	int code = CTL_DONE;
	struct url u;
	json_t *v;

	if (known != NULL && !audit_known_parse(known, &seq, &hash))
		return ctl_usage(c, "--known wants NUMBER:HASH, 64 small hex digits");
	if (file != NULL && known != NULL)
		return ctl_usage(c, "--known asks the server; with --file say --head");
	if (file != NULL)
		return audit_verify_file(c, file, head);
	if (head != NULL)
		return ctl_usage(c, "--head goes with --file");
	url_init(&u, "/v1/audit/verify");
	v = ctl_get(c, &u);
	if (v == NULL)
		return CTL_FAILED;
	if (c->out.json)
		out_json(&c->out, v);
	if (!get_bool(v, "ok")) {
		code = ctl_fail(c, "row %" PRId64 ": %s", get_int(v, "bad"), get_str(v, "why"));
	} else if (known != NULL) {
		code = known_check(c, seq, hash);
	}
	if (code == CTL_DONE && !c->out.json) {
		int64_t gone = get_int(json_object_get(v, "removed"), "through");
		out_printf(&c->out, "The audit log is whole: %" PRId64 " rows.",
			   get_int(v, "rows") - gone);
		out_nl(&c->out);
		if (gone > 0) {
			out_printf(&c->out, "Rows 1 to %" PRId64 " were taken out before.", gone);
			out_nl(&c->out);
		}
		view_label(&c->out, "head");
		out_printf(&c->out, "%" PRId64 ":%s", get_int(v, "rows"), get_str(v, "hash"));
		out_nl(&c->out);
	}
	json_decref(v);
	return code;
}
