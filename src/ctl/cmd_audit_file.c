/* SPDX-License-Identifier: Apache-2.0
 *
 * audit export, and audit verify of what it wrote: without a server, from the file alone. Each line
 * has the texts that its hash was made of, as they are, so that nobody has to write JSON just as we
 * do (postboot-api(7)). */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mbedtls/sha256.h>

#include "base/buf.h"
#include "base/clock.h"
#include "ctl/commands.h"
#include "ctl/text.h"
#include "ctl/view.h"

enum { PAGE = 1000, HASH_BYTES = 32, HASH_DIGITS = 64, LINE_BYTES = 1 << 18, MARK_ROWS = 5000 };

static const char zeros[HASH_DIGITS + 1] =
	"0000000000000000000000000000000000000000000000000000000000000000";

/* ---- the hash ---- */

/* The same eight lines as the server's (store/audit.h). */
static bool row_hash(const char *prev, int64_t seq, int64_t at_ms, const char *const texts[5],
		     char dst[HASH_DIGITS + 1])
{
	uint8_t hash[HASH_BYTES];
	struct buf b = buf_writer(dst, HASH_DIGITS + 1);
	char *text = NULL;
	int len = asprintf(&text, "%s\n%" PRId64 "\n%" PRId64 "\n%s\n%s\n%s\n%s\n%s\n", prev, seq,
			   at_ms, texts[0], texts[1], texts[2], texts[3], texts[4]);
	bool ok = len > 0 && mbedtls_sha256((const unsigned char *)text, (size_t)len, hash, 0) == 0;

	if (len > 0)
		free(text);
	buf_put_hex(&b, hash, sizeof(hash));
	(void)buf_cstr(&b);
	return ok;
}

/* ---- export ---- */

struct export
{
	struct ctl *c;
	const char *object;
	int64_t since_ms, until_ms; /* 0: any */
	int64_t head;		    /* the last row there was when it began */
	int64_t last;		    /* the row read last, and its hash */
	char last_hash[HASH_DIGITS + 1];
	int64_t rows;
	int64_t removed; /* rows up to this one were taken out of the log; 0: none */
	bool begun, over;
};

static json_t *page_get(struct ctl *c, const char *object, int64_t after, int64_t limit)
{
	struct url u;

	url_init(&u, "/v1/audit");
	url_query_number(&u, "after", after);
	url_query_number(&u, "limit", limit);
	url_query(&u, "object", object);
	return ctl_get(c, &u);
}

/* The hash of the row before one, if it was not the last that was read. */
static bool prev_find(struct export *x, int64_t seq)
{
	json_t *page;

	if (seq - 1 == x->last)
		return true;
	page = page_get(x->c, NULL, seq - 2, 1);
	if (page == NULL)
		return false;
	(void)snprintf(x->last_hash, sizeof(x->last_hash), "%s",
		       get_str(json_array_get(json_object_get(page, "audit"), 0), "hash"));
	json_decref(page);
	return true;
}

/* Compact, as it was hashed: the server hands out what it parsed, in the same order. */
static char *facts_text(const json_t *row, const char *key)
{
	const json_t *facts = json_object_get(row, key);

	if (json_is_string(facts))
		return mem_copy(json_string_value(facts));
	return facts ? json_dumps(facts, JSON_COMPACT) : mem_copy("");
}

static bool row_out(struct export *x, const json_t *row)
{
	static const char *const keys[] = {"seq", "time", "at_ms", "who", "act", "object"};
	int64_t at_ms = get_int(row, "at_ms"), seq = get_int(row, "seq");
	bool early = x->since_ms && !x->begun && at_ms < x->since_ms;
	char *before, *after;
	json_t *o;

	if (seq > x->head || (x->until_ms && !early && at_ms >= x->until_ms)) {
		x->over = true;
		return true;
	}
	if (!early && !prev_find(x, seq))
		return false;
	if (!early) {
		x->begun = true;
		x->rows++;
		o = json_object();
		for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
			(void)json_object_set(o, keys[i], json_object_get(row, keys[i]));
		before = facts_text(row, "before");
		after = facts_text(row, "after");
		(void)json_object_set_new(o, "before", json_string(before));
		(void)json_object_set_new(o, "after", json_string(after));
		(void)json_object_set_new(o, "prev", json_string(x->last_hash));
		(void)json_object_set(o, "hash", json_object_get(row, "hash"));
		out_json_line(&x->c->out, o);
		json_decref(o);
		free(before);
		free(after);
	}
	x->last = seq;
	(void)snprintf(x->last_hash, sizeof(x->last_hash), "%s", get_str(row, "hash"));
	return true;
}

/* The log begins after the rows that were taken out. */
static void removed_take(struct export *x, const json_t *page)
{
	const json_t *removed = json_object_get(page, "removed");

	if (removed == NULL || x->last > 0)
		return;
	x->removed = x->last = get_int(removed, "through");
	(void)snprintf(x->last_hash, sizeof(x->last_hash), "%s", get_str(removed, "hash"));
}

static bool pages_out(struct export *x)
{
	int64_t after = 0;
	size_t got = 1, i;
	const json_t *row;

	while (got > 0 && !x->over) {
		json_t *page = page_get(x->c, x->object, after, PAGE);
		bool ok = page != NULL;
		if (!ok)
			return false;
		removed_take(x, page);
		got = json_array_size(json_object_get(page, "audit"));
		json_array_foreach(json_object_get(page, "audit"), i, row)
		{
			if (!ok || x->over)
				break;
			ok = row_out(x, row);
			after = get_int(row, "seq");
		}
		json_decref(page);
		if (!ok)
			return false;
	}
	return true;
}

static bool head_get(struct ctl *c, int64_t *ret_seq, char hash[HASH_DIGITS + 1])
{
	const json_t *row;
	struct url u;
	json_t *page;

	url_init(&u, "/v1/audit");
	url_query_number(&u, "before", 0);
	url_query_number(&u, "limit", 1);
	page = ctl_get(c, &u);
	if (page == NULL)
		return false;
	row = json_array_get(json_object_get(page, "audit"), 0);
	*ret_seq = get_int(row, "seq");
	(void)snprintf(hash, HASH_DIGITS + 1, "%s", row ? get_str(row, "hash") : zeros);
	json_decref(page);
	return true;
}

/* A time, or so long ago. */
static bool time_option(const struct ctl *c, const struct args *a, const char *name,
			int64_t *ret_ms)
{
	const char *value = args_option(a, name);
	char whole[25];
	int64_t s = 0;

	if (value == NULL)
		return true;
	if (text_duration(value, &s) == 0) {
		*ret_ms = clock_read().wall_ms - s * 1000;
		return true;
	}
	(void)snprintf(whole, sizeof(whole), "%.19s.000Z", value);
	if (text_time(value, ret_ms) == 0 ||
	    (strlen(value) == 20 && value[19] == 'Z' && text_time(whole, ret_ms) == 0))
		return true;
	(void)ctl_usage(c,
			"--%s wants a time such as 2026-11-22T23:51:07Z, or a duration such as 24h "
			"for so long ago, not \"%s\"",
			name, value);
	return false;
}

int audit_export(struct ctl *c, const struct args *a)
{
	struct export x = {.c = c, .object = args_option(a, "object")};
	char hash[HASH_DIGITS + 1] = "", when[25];
	json_t *end;

	memcpy(x.last_hash, zeros, sizeof(zeros));
	if (!time_option(c, a, "since", &x.since_ms) || !time_option(c, a, "until", &x.until_ms))
		return CTL_USAGE;
	if (!head_get(c, &x.head, hash) || !pages_out(&x))
		return CTL_FAILED;
	end = json_pack("{s:I, s:I, s:s, s:s}", "rows", (json_int_t)x.rows, "head",
			(json_int_t)x.head, "hash", hash, "exported",
			clock_format(clock_read().wall_ms, when));
	if (x.object != NULL)
		(void)json_object_set_new(end, "of", json_string(x.object));
	if (x.removed > 0)
		(void)json_object_set_new(end, "removed", json_integer(x.removed));
	if (args_option(a, "since") != NULL)
		(void)json_object_set_new(end, "since", json_integer(x.since_ms));
	if (args_option(a, "until") != NULL)
		(void)json_object_set_new(end, "until", json_integer(x.until_ms));
	out_json_line(&c->out, end);
	json_decref(end);
	return CTL_DONE;
}

/* ---- verify ---- */

struct check {
	struct ctl *c;
	const char *name;
	unsigned line;
	int64_t rows, first, last, proofs;
	char last_hash[HASH_DIGITS + 1], first_prev[HASH_DIGITS + 1];
	json_t *end; /* the last line, once it was read */
	/* Every MARK_ROWS rows the row and its hash, and the last row: where a prune may stop. */
	struct mark {
		int64_t seq;
		char hash[HASH_DIGITS + 1];
	} * marks;
	size_t mark_count;
	unsigned gap_line; /* where a row does not follow the one before; 0: nowhere */
	int64_t gap;
	int64_t known; /* --head: 0: none */
	const char *known_hash;
	bool known_seen;
};

static int bad(const struct check *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int bad(const struct check *k, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return ctl_fail(k->c, "%s:%u: %s", k->name, k->line, text);
}

static bool is_hash(const char *text)
{
	return strlen(text) == HASH_DIGITS && strspn(text, "0123456789abcdef") == HASH_DIGITS;
}

static bool lines_are_one(const char *const texts[5])
{
	for (int i = 0; i < 5; i++)
		if (strpbrk(texts[i], "\n"))
			return false;
	return true;
}

/* What the hash does not hold would be believed all the same: a time for people that is another
 * one, words that nobody wrote. */
static int check_unhashed(const struct check *k, const json_t *row, int64_t seq)
{
	static const char *const keys[] = {"seq",    "time",   "at_ms", "who",	"act",
					   "object", "before", "after", "prev", "hash"};
	const size_t key_count = sizeof(keys) / sizeof(keys[0]);
	int64_t time_ms;
	size_t known = 0;

	for (size_t i = 0; i < key_count; i++)
		known += json_object_get(row, keys[i]) != NULL;
	if (known != json_object_size(row))
		return bad(k, "row %" PRId64 " was changed: it has more than a row has", seq);
	if (text_time(get_str(row, "time"), &time_ms) || time_ms != get_int(row, "at_ms"))
		return bad(k, "row %" PRId64 " was changed: its time is not that of at_ms", seq);
	return CTL_DONE;
}

static int check_known(struct check *k, int64_t seq, const char *hash)
{
	if (k->known == 0 || seq != k->known)
		return CTL_DONE;
	k->known_seen = true;
	if (strcmp(hash, k->known_hash) == 0)
		return CTL_DONE;
	return bad(k, "row %" PRId64 " has another hash than --head says: the log was written anew",
		   seq);
}

/* Of the row read last. */
static void mark(struct check *k)
{
	k->marks = mem_grow(k->marks, (k->mark_count + 1) * sizeof(*k->marks));
	k->marks[k->mark_count].seq = k->last;
	memcpy(k->marks[k->mark_count++].hash, k->last_hash, sizeof(k->last_hash));
}

static int check_row(struct check *k, const json_t *row)
{
	const char *const texts[] = {get_str(row, "who"), get_str(row, "act"),
				     get_str(row, "object"), get_str(row, "before"),
				     get_str(row, "after")};
	const char *prev = get_str(row, "prev"), *hash = get_str(row, "hash");
	int64_t seq = get_int(row, "seq");
	char want[HASH_DIGITS + 1];

	if (k->end != NULL)
		return bad(k, "more lines after the last one");
	if (seq < 1 || !is_hash(prev) || !is_hash(hash) || !lines_are_one(texts))
		return bad(k, "not a row of an export");
	if (seq == 1 && strcmp(prev, zeros) != 0)
		return bad(k, "row 1 says that something was before it");
	if (seq <= k->last)
		return bad(k, "row %" PRId64 " comes after row %" PRId64 ": the rows were moved",
			   seq, k->last);
	if (!row_hash(prev, seq, get_int(row, "at_ms"), texts, want))
		return bad(k, "out of memory");
	if (strcmp(want, hash) != 0)
		return bad(k, "row %" PRId64 " was changed: its hash does not fit", seq);
	if (check_unhashed(k, row, seq) != CTL_DONE)
		return CTL_FAILED;
	if (k->rows > 0 && seq == k->last + 1 && strcmp(prev, k->last_hash) != 0)
		return bad(k, "row %" PRId64 " is not the one that was written after row %" PRId64,
			   seq, k->last);
	if (k->rows > 0 && seq != k->last + 1 && !k->gap_line) {
		k->gap_line = k->line;
		k->gap = k->last + 1;
	}
	if (k->rows++ == 0) {
		k->first = seq;
		memcpy(k->first_prev, prev, sizeof(k->first_prev));
	}
	k->last = seq;
	memcpy(k->last_hash, hash, sizeof(k->last_hash));
	k->proofs += strcmp(texts[1], "update proved") == 0;
	if (k->rows % MARK_ROWS == 0)
		mark(k);
	return check_known(k, seq, hash);
}

static int check_line(struct check *k, const char *text, size_t len)
{
	json_error_t where;
	json_t *row = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
	int code = CTL_DONE;

	k->line++;
	if (!json_is_object(row))
		code = bad(k, "not a line of an export");
	else if (json_object_get(row, "seq") == NULL &&
		 json_is_integer(json_object_get(row, "rows")) && k->end == NULL)
		k->end = json_incref(row);
	else
		code = check_row(k, row);
	json_decref(row);
	return code;
}

static int check_lines(struct check *k, FILE *f)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;
	int code = CTL_DONE;

	while (code == CTL_DONE && (len = getline(&line, &cap, f)) >= 0) {
		if (len > LINE_BYTES)
			code = ctl_fail(k->c, "%s:%u: the line is too long", k->name, k->line + 1);
		else
			code = check_line(k, line, (size_t)len);
	}
	free(line);
	if (code == CTL_DONE && ferror(f))
		code = ctl_fail(k->c, "%s: %s", k->name, strerror(errno));
	return code;
}

/* What the last line says must be there. Where a row is missing comes before how many there are. */
static int check_end(struct check *k)
{
	bool some = json_object_get(k->end, "of") != NULL;
	int64_t head = get_int(k->end, "head"), rows = get_int(k->end, "rows");

	if (k->end == NULL)
		return bad(k, "the end is missing: the file was cut off");
	if (k->gap_line && !some) {
		k->line = k->gap_line;
		return bad(k, "row %" PRId64 " is missing", k->gap);
	}
	if (!some && !json_object_get(k->end, "since") && k->rows > 0 &&
	    k->first != get_int(k->end, "removed") + 1)
		return ctl_fail(k->c, "%s: rows 1 to %" PRId64 " are missing", k->name,
				k->first - 1);
	if (!some && !json_object_get(k->end, "until") && !json_object_get(k->end, "since") &&
	    k->last != head)
		return bad(k, "rows %" PRId64 " to %" PRId64 " are missing", k->last + 1, head);
	if (rows != k->rows)
		return bad(k, "the last line counts %" PRId64 " rows, there are %" PRId64, rows,
			   k->rows);
	if (k->rows > 0 && k->last == head && strcmp(k->last_hash, get_str(k->end, "hash")) != 0)
		return bad(k, "row %" PRId64 " is not the one that was the last", head);
	if (k->known == 0 || k->known_seen)
		return CTL_DONE;
	if (k->rows > 0 && k->known == k->first - 1 && strcmp(k->first_prev, k->known_hash) == 0)
		return CTL_DONE;
	return bad(k, "row %" PRId64 " of --head is not in it", k->known);
}

static void tell(const struct check *k)
{
	struct ctl *c = k->c;

	if (c->out.json) {
		json_t *o = json_pack("{s:b, s:I, s:I, s:I, s:I, s:s, s:b}", "ok", 1, "rows",
				      (json_int_t)k->rows, "first", (json_int_t)k->first, "last",
				      (json_int_t)k->last, "proofs", (json_int_t)k->proofs, "hash",
				      k->rows ? k->last_hash : zeros, "known", k->known != 0);
		out_json(&c->out, o);
		json_decref(o);
		return;
	}
	out_printf(&c->out, "The export is whole: %" PRId64 " rows, %" PRId64 " of them proofs.",
		   k->rows, k->proofs);
	out_nl(&c->out);
	if (k->rows > 0) {
		view_label(&c->out, "head");
		out_printf(&c->out, "%" PRId64 ":%s", k->last, k->last_hash);
		out_nl(&c->out);
	}
	if (k->rows > 0 && k->first > 1 && get_int(k->end, "removed") + 1 == k->first) {
		out_printf(&c->out,
			   "Rows 1 to %" PRId64 " were taken out; the file that has them ends with",
			   k->first - 1);
		out_nl(&c->out);
		view_label(&c->out, "head");
		out_printf(&c->out, "%" PRId64 ":%s", k->first - 1, k->first_prev);
		out_nl(&c->out);
	}
	if (k->known == 0) {
		out_wrap(&c->out, 0,
			 "Who can write the whole file can make one that fits. Hold it against the "
			 "journal, or against an earlier head: --head N:HASH.");
	}
}

static int check_file(struct check *k, FILE *f)
{
	int code = check_lines(k, f);

	return code == CTL_DONE ? check_end(k) : code;
}

static void check_done(struct check *k)
{
	json_decref(k->end);
	free(k->marks);
}

int audit_verify_file(struct ctl *c, const char *name, const char *head)
{
	struct check k = {.c = c, .name = name};
	FILE *f;
	int code;

	if (head != NULL && !audit_known_parse(head, &k.known, &k.known_hash))
		return ctl_usage(c, "--head wants NUMBER:HASH, 64 small hex digits");
	f = strcmp(name, "-") == 0 ? stdin : fopen(name, "r");
	if (f == NULL)
		return ctl_fail(c, "%s: %s", name, strerror(errno));
	code = check_file(&k, f);
	if (code == CTL_DONE)
		tell(&k);
	check_done(&k);
	if (f != stdin)
		(void)fclose(f);
	return code;
}

/* ---- prune ---- */

/* Up to which row the log was taken out so far; < 0: it was said why not. */
static int64_t removed_get(struct ctl *c)
{
	json_t *page = page_get(c, NULL, 0, 1);
	int64_t through = page ? get_int(json_object_get(page, "removed"), "through") : -1;

	json_decref(page);
	return through;
}

static int prune_step(struct ctl *c, const struct mark *m)
{
	json_t *body = json_pack("{s:I, s:s}", "through", (json_int_t)m->seq, "hash", m->hash);
	struct url u;
	json_t *r;

	url_init(&u, "/v1/audit/prune");
	r = ctl_call(c, "POST", &u, body);
	json_decref(r);
	return r ? CTL_DONE : CTL_FAILED;
}

/* The file is whole and on the disk. */
static int prune_through(struct check *k)
{
	struct ctl *c = k->c;
	int64_t removed = removed_get(c);
	int code = removed < 0 ? CTL_FAILED : CTL_DONE;

	if (code == CTL_DONE && k->first > removed + 1)
		return ctl_fail(c, "%s: rows %" PRId64 " to %" PRId64 " of the log are not in it",
				k->name, removed + 1, k->first - 1);
	for (size_t i = 0; i < k->mark_count && code == CTL_DONE; i++)
		if (k->marks[i].seq > removed)
			code = prune_step(c, &k->marks[i]);
	if (code != CTL_DONE)
		return code;
	if (c->out.json) {
		json_t *o = json_pack("{s:I, s:s}", "through", (json_int_t)k->last, "hash",
				      k->last_hash);
		out_json(&c->out, o);
		json_decref(o);
		return code;
	}
	out_printf(&c->out, "Rows up to %" PRId64 " are out of the log. Keep %s, and its", k->last,
		   k->name);
	out_nl(&c->out);
	view_label(&c->out, "head");
	out_printf(&c->out, "%" PRId64 ":%s", k->last, k->last_hash);
	out_nl(&c->out);
	return code;
}

int audit_prune(struct ctl *c, const struct args *a)
{
	struct check k = {.c = c, .name = a->pos[0]};
	FILE *f = fopen(k.name, "r");
	int code;

	if (f == NULL)
		return ctl_fail(c, "%s: %s", k.name, strerror(errno));
	code = check_file(&k, f);
	if (code == CTL_DONE && (json_object_get(k.end, "of") != NULL || k.rows == 0))
		code = ctl_fail(c, "%s: %s", k.name,
				k.rows ? "it has not all acts, but those on one object"
				       : "it has no rows");
	/* What is removed must be nowhere but here, so it must be here to stay. */
	if (code == CTL_DONE && fsync(fileno(f)))
		code = ctl_fail(c, "%s: %s", k.name, strerror(errno));
	if (code == CTL_DONE && k.rows % MARK_ROWS != 0)
		mark(&k);
	if (code == CTL_DONE)
		code = prune_through(&k);
	check_done(&k);
	(void)fclose(f);
	return code;
}
