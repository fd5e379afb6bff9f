/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/import_file.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/csv.h"
#include "ctl/text.h"

const struct import_column import_columns[] = {
	{"id", COLUMN_TEXT},	      {"product", COLUMN_TEXT},	    {"psk", COLUMN_KEY},
	{"certificate", COLUMN_FLAG}, {"plain", COLUMN_FLAG},	    {"group", COLUMN_TEXT},
	{"tags", COLUMN_TAGS},	      {"development", COLUMN_FLAG}, {"windows", COLUMN_TEXT},
	{"time_zone", COLUMN_TEXT},   {"lock", COLUMN_TEXT},	    {"hold", COLUMN_FLAG},
	{"force", COLUMN_FLAG},	      {"disabled", COLUMN_FLAG},    {NULL, COLUMN_TEXT},
};

static const struct import_column *column_find(const char *name)
{
	for (const struct import_column *c = import_columns; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

/* What an export has beside: it says how things are, not how they are to be. */
static bool told_only(const char *name)
{
	static const char *const names[] = {"state", "version", "target", "online", "seen", NULL};

	for (size_t i = 0; names[i]; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* ---- errors ---- */

/* The last of those with these words, where no more of them get a place. */
static struct import_error *same_found(struct import_file *f, const char *text)
{
	struct import_error *last = NULL;
	unsigned same = 0;

	for (size_t i = 0; i < f->told; i++) {
		if (strcmp(f->errors[i].text, text) != 0)
			continue;
		last = &f->errors[i];
		same++;
	}
	return same < LIMIT_IMPORT_SAME ? NULL : last;
}

void import_file_wrong(struct import_file *f, unsigned line, size_t more, const char *text)
{
	struct import_error one = {.line = line, .more = more}, *same;
	size_t at = f->told;

	(void)snprintf(one.text, sizeof(one.text), "%s", text);
	f->error_count += 1 + more;
	same = same_found(f, one.text);
	if (same != NULL) {
		same->more += 1 + more;
		return;
	}
	while (at > 0 && f->errors[at - 1].line > line)
		at--;
	if (at == LIMIT_IMPORT_ERRORS)
		return;
	if (f->told < LIMIT_IMPORT_ERRORS)
		f->told++;
	memmove(&f->errors[at + 1], &f->errors[at], (f->told - at - 1) * sizeof(one));
	f->errors[at] = one;
}

static void wrong(struct import_file *f, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void wrong(struct import_file *f, unsigned line, const char *fmt, ...)
{
	char text[sizeof(f->errors[0].text)];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	import_file_wrong(f, line, 0, text);
}

static void unknown(struct import_file *f, unsigned line, const char *name, const char *what)
{
	char known[192] = "";

	for (const struct import_column *c = import_columns; c->name; c++)
		(void)snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s",
			       known[0] ? ", " : "", c->name);
	wrong(f, line, "\"%.60s\" is not %s; known are %s", name, what, known);
}

/* ---- keys ---- */

static int base64_digit(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c == '-' ? '+' : c == '_' ? '/' : c) : NULL;

	return at ? (int)(at - digits) : -1;
}

static int base64_read(const char *text, uint8_t *dst, size_t cap, size_t *ret_len)
{
	size_t len = strlen(text), out = 0;
	uint32_t bits = 0;
	unsigned have = 0;

	while (len && text[len - 1] == '=' && strlen(text) % 4 == 0 && strlen(text) - len < 2)
		len--;
	if (!len || len % 4 == 1)
		return ERR_SYNTAX;
	for (size_t i = 0; i < len; i++) {
		int digit = base64_digit(text[i]);
		if (digit < 0)
			return ERR_SYNTAX;
		bits = bits << 6 | (uint32_t)digit;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		if (out == cap)
			return ERR_LIMIT;
		dst[out++] = (uint8_t)(bits >> have);
	}
	*ret_len = out;
	return bits & ((1u << have) - 1) ? ERR_SYNTAX : 0;
}

int import_key(const char *text, uint8_t *dst, size_t cap, size_t *ret_len)
{
	bool hex = strncmp(text, "hex:", 4) == 0, base64 = strncmp(text, "base64:", 7) == 0;
	size_t len;

	text += hex ? 4 : base64 ? 7 : 0;
	len = strlen(text);
	/* So many hex digits are hex, whatever base64 would make of them. */
	if (hex || (!base64 && len % 2 == 0 && len >= (size_t)2 * LIMIT_PSK_MIN &&
		    strspn(text, "0123456789abcdefABCDEF") == len))
		return buf_from_hex(text, len, dst, cap, ret_len);
	return base64_read(text, dst, cap, ret_len);
}

/* ---- one row ---- */

struct reading {
	struct import_file *f;
	const struct import_options *opt;
	unsigned line;
	json_t *o;     /* what it gives */
	size_t before; /* errors */
	bool keyed;    /* a key was given, right or wrong */
	bool blind;    /* something is missing for a reason that is told already */
};

static struct reading row_begin(struct import_file *f, const struct import_options *opt,
				unsigned line)
{
	return (struct reading){
		.f = f, .opt = opt, .line = line, .o = json_object(), .before = f->error_count};
}

static void refuse(struct reading *r, const char *name, const char *why)
{
	wrong(r->f, r->line, "%s: %s", name, why);
	r->blind = true;
}

static bool put_hex(json_t *o, const uint8_t *key, size_t len)
{
	char hex[2 * LIMIT_PSK + 1];
	struct buf b = buf_writer(hex, sizeof(hex));

	buf_put_hex(&b, key, len);
	bool ok = json_object_set_new(o, "psk", json_string(buf_cstr(&b))) == 0;
	explicit_bzero(hex, sizeof(hex));
	return ok;
}

static void take_key(struct reading *r, const char *text)
{
	uint8_t key[LIMIT_PSK];
	size_t len = 0;
	int err = import_key(text, key, sizeof(key), &len);

	r->keyed = true;
	if (err == ERR_SYNTAX)
		wrong(r->f, r->line, "psk: neither hex digits nor base64");
	else if (err || len < LIMIT_PSK_MIN)
		wrong(r->f, r->line, "psk: a key has %d to %d bytes", LIMIT_PSK_MIN, LIMIT_PSK);
	else
		(void)put_hex(r->o, key, len);
	explicit_bzero(key, sizeof(key));
}

static void take_flag(struct reading *r, const char *name, const char *text)
{
	static const char *const yes[] = {"true", "yes", "1"}, *const no[] = {"false", "no", "0"};

	for (size_t i = 0; i < 3; i++) {
		if (strcasecmp(text, yes[i]) == 0) {
			(void)json_object_set_new(r->o, name, json_true());
			return;
		}
		if (strcasecmp(text, no[i]) == 0)
			return;
	}
	wrong(r->f, r->line, "%s: \"%.60s\" is neither true nor false", name, text);
}

static void take_tags(struct reading *r, const char *name, const char *text)
{
	json_t *list = json_array();

	for (; *text; text += strspn(text, " ")) {
		size_t len = strcspn(text, " ");
		if (len && json_array_append_new(list, json_stringn(text, len))) {
			refuse(r, name, "not UTF-8");
			break;
		}
		text += len;
	}
	(void)json_object_set_new(r->o, name, list);
}

/* A value of a column as text; an empty one says nothing. */
static void take(struct reading *r, const struct import_column *c, const char *text)
{
	if (!text[0])
		return;
	if (c->kind == COLUMN_KEY)
		take_key(r, text);
	else if (c->kind == COLUMN_FLAG)
		take_flag(r, c->name, text);
	else if (c->kind == COLUMN_TAGS)
		take_tags(r, c->name, text);
	else if (json_object_set_new(r->o, c->name, json_string(text)))
		refuse(r, c->name, "not UTF-8");
}

static bool has(const struct reading *r, const char *name)
{
	return json_object_get(r->o, name) != NULL;
}

static bool has_proof(const struct reading *r)
{
	return has(r, "psk") || has(r, "certificate") || has(r, "plain");
}

static void draw(struct reading *r, struct import_row *row)
{
	uint8_t key[IMPORT_KEY_DRAWN];

	if (!r->opt->draw) {
		wrong(r->f, r->line,
		      "no psk, certificate or plain: a key can be drawn if --psk-out says where it "
		      "goes");
		return;
	}
	if (r->opt->draw(key) || !put_hex(r->o, key, sizeof(key)))
		wrong(r->f, r->line, "the system gives no random bytes");
	explicit_bzero(key, sizeof(key));
	row->drawn = true;
	r->f->drawn++;
}

static void body_put(struct import_file *f, const char *text, size_t len)
{
	if (f->body_len + len + 2 > f->body_cap) {
		size_t cap = f->body_cap ? f->body_cap * 2 : 65536;
		while (cap < f->body_len + len + 2)
			cap *= 2;
		char *body = mem_get(cap); /* no realloc: what held keys is wiped */
		if (f->body) {
			memcpy(body, f->body, f->body_len);
			explicit_bzero(f->body, f->body_len);
		}
		free(f->body);
		f->body = body;
		f->body_cap = cap;
	}
	memcpy(f->body + f->body_len, text, len);
	f->body_len += len;
	f->body[f->body_len] = '\0';
}

static void row_put(struct reading *r, struct import_row *row)
{
	struct import_file *f = r->f;
	char *text = json_dumps(r->o, JSON_COMPACT);

	if (f->count == f->cap) {
		f->cap = f->cap ? f->cap * 2 : 1024;
		f->rows = mem_grow(f->rows, f->cap * sizeof(*f->rows));
	}
	row->len = text ? strlen(text) : 0;
	body_put(f, text ? text : "", row->len);
	body_put(f, "\n", 1);
	f->rows[f->count++] = *row;
	if (text)
		explicit_bzero(text, row->len);
	free(text);
}

static void row_end(struct reading *r)
{
	struct import_row row = {.line = r->line, .at = r->f->body_len};

	if (r->opt->product && !has(r, "product"))
		(void)json_object_set_new(r->o, "product", json_string(r->opt->product));
	if (!r->blind && !has(r, "id"))
		wrong(r->f, r->line, "id is missing");
	if (!r->blind && !has(r, "product"))
		wrong(r->f, r->line, "product is missing: a column, or --product");
	if (!r->blind && !r->keyed && !has_proof(r))
		draw(r, &row);
	if ((r->blind || r->f->error_count != r->before) && !has_proof(r))
		(void)json_object_set_new(r->o, "plain", json_true());
	if (has(r, "id") && has(r, "product"))
		row_put(r, &row);
	json_decref(r->o);
}

/* ---- CSV ---- */

struct csv_head {
	const struct import_column *columns[CSV_FIELDS]; /* NULL: passed over */
	unsigned count;
	bool blind;
};

static void csv_head(struct import_file *f, const struct csv *c, struct csv_head *head)
{
	head->count = c->count;
	for (unsigned i = 0; i < c->count; i++) {
		const struct import_column *column = column_find(c->field[i]);
		if (!column && !told_only(c->field[i])) {
			unknown(f, c->line, c->field[i], "the name of a column");
			head->blind = true;
		}
		for (unsigned k = 0; k < i && column; k++) {
			if (head->columns[k] != column)
				continue;
			wrong(f, c->line, "column %s is there twice", column->name);
			column = NULL;
		}
		head->columns[i] = column;
	}
}

static void csv_row(struct import_file *f, const struct import_options *opt, const struct csv *c,
		    const struct csv_head *head)
{
	struct reading r;

	if (c->count != head->count) {
		wrong(f, c->line, "%u %s where the first line names %u", c->count,
		      c->count == 1 ? "field" : "fields", head->count);
		return;
	}
	r = row_begin(f, opt, c->line);
	r.blind = head->blind;
	for (unsigned i = 0; i < c->count; i++)
		if (head->columns[i])
			take(&r, head->columns[i], c->field[i]);
	row_end(&r);
}

static void read_csv(struct import_file *f, const struct import_options *opt, char *text,
		     size_t len)
{
	struct csv_head head = {.count = 0};
	struct csv c;
	char why[120];
	int got;

	csv_init(&c, text, len);
	while ((got = csv_next(&c, why)) != 0) {
		if (got < 0)
			wrong(f, c.line, "%s", why);
		if (got < 0 && !head.count) /* nothing makes sense without its columns */
			return;
		if (got > 0 && head.count)
			csv_row(f, opt, &c, &head);
		else if (got > 0)
			csv_head(f, &c, &head);
	}
}

/* ---- JSON lines ---- */

static void json_tags(struct reading *r, const char *key, const json_t *list)
{
	const json_t *tag;
	size_t i;

	json_array_foreach(list, i, tag)
	{
		if (json_is_string(tag))
			continue;
		refuse(r, key, "not an array of texts");
		return;
	}
	if (i > 0)
		(void)json_object_set(r->o, key, (json_t *)(uintptr_t)list);
}

static void json_member(struct reading *r, const char *key, const json_t *value)
{
	const struct import_column *c = column_find(key);
	bool text = json_is_string(value);

	if (json_is_null(value) || told_only(key))
		return;
	if (!c) {
		unknown(r->f, r->line, key, "known here");
		r->blind = true;
	} else if (c->kind == COLUMN_FLAG && json_is_true(value)) {
		(void)json_object_set_new(r->o, key, json_true());
	} else if (c->kind == COLUMN_FLAG && !json_is_false(value)) {
		refuse(r, key, "not true or false");
	} else if (c->kind == COLUMN_TAGS && json_is_array(value)) {
		json_tags(r, key, value);
	} else if (c->kind != COLUMN_FLAG && !text) {
		refuse(r, key, "not a text");
	} else if (c->kind != COLUMN_FLAG) {
		take(r, c, json_string_value(value));
	}
}

static void json_row(struct import_file *f, const struct import_options *opt, unsigned line,
		     const char *text, size_t len)
{
	json_error_t where;
	json_t *given = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where), *value;
	struct reading r;
	const char *key;

	if (!json_is_object(given)) {
		wrong(f, line, "%s%s",
		      given ? "not an object" : "not JSON: ", given ? "" : where.text);
		json_decref(given);
		return;
	}
	r = row_begin(f, opt, line);
	json_object_foreach(given, key, value)
	{
		json_member(&r, key, value);
	}
	row_end(&r);
	json_decref(given);
}

static void read_json(struct import_file *f, const struct import_options *opt, const char *text,
		      size_t len)
{
	unsigned line = 1;

	for (size_t at = 0; at < len; line++) {
		const char *nl = memchr(text + at, '\n', len - at);
		size_t n = nl ? (size_t)(nl - (text + at)) : len - at;
		size_t full = n + (nl != NULL);

		while (n && strchr(" \t\r", text[at + n - 1]) && text[at + n - 1])
			n--;
		if (n)
			json_row(f, opt, line, text + at, n);
		at += full;
	}
}

/* ---- the whole ---- */

void import_file_read(struct import_file *f, const struct import_options *o, char *text, size_t len)
{
	size_t at = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	size_t first = at;

	memset(f, 0, sizeof(*f));
	text[len] = '\0';
	while (first < len && strchr(" \t\r\n", text[first]) && text[first])
		first++;
	if (first == len)
		wrong(f, 1, "the file is empty");
	else if (text[first] == '{')
		read_json(f, o, text + at, len - at);
	else
		read_csv(f, o, text, len);
	if (!f->count && !f->error_count)
		wrong(f, 1, "there is no device in it");
}

void import_file_free(struct import_file *f)
{
	if (f->body)
		explicit_bzero(f->body, f->body_len);
	free(f->body);
	free(f->rows);
	memset(f, 0, sizeof(*f));
}

json_t *import_file_row(const struct import_file *f, size_t row)
{
	return json_loadb(f->body + f->rows[row].at, f->rows[row].len, 0, NULL);
}
