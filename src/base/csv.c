/* SPDX-License-Identifier: Apache-2.0 */
#include "base/csv.h"

#include <stdio.h>
#include <string.h>

void csv_init(struct csv *c, char *text, size_t len)
{
	static const char bom[] = "\xef\xbb\xbf";

	*c = (struct csv){.text = text, .len = len, .next_line = 1};
	if (len >= 3 && memcmp(text, bom, 3) == 0)
		c->at = 3;
}

static bool at_line_end(const struct csv *c)
{
	return c->at == c->len || c->text[c->at] == '\n' || c->text[c->at] == '\r';
}

/* Past a line end, if there is one. */
static void skip_line_end(struct csv *c)
{
	if (c->at < c->len && c->text[c->at] == '\r') {
		c->at++;
		c->next_line++;
		if (c->at < c->len && c->text[c->at] == '\n')
			c->at++;
	} else if (c->at < c->len && c->text[c->at] == '\n') {
		c->at++;
		c->next_line++;
	}
}

static void skip_line(struct csv *c)
{
	while (!at_line_end(c))
		c->at++;
	skip_line_end(c);
}

static int wrong(struct csv *c, char why[120], const char *what)
{
	(void)snprintf(why, 120, "field %u: %s", c->count + 1, what);
	skip_line(c);
	return ERR_SYNTAX;
}

/* After the opening quote: what it holds goes to its place without quotes. */
static int quoted(struct csv *c, size_t *end, char why[120])
{
	unsigned opened = c->next_line;

	for (;; c->at++) {
		if (c->at == c->len) {
			(void)snprintf(why, 120,
				       "field %u: the quote that opens in line %u never closes",
				       c->count + 1, opened);
			return ERR_SYNTAX;
		}
		char ch = c->text[c->at];
		if (!ch)
			return wrong(c, why, "a NUL byte");
		if (ch == '"' && (c->at + 1 == c->len || c->text[c->at + 1] != '"'))
			break;
		if (ch == '"')
			c->at++;
		if (ch == '\n' ||
		    (ch == '\r' && (c->at + 1 == c->len || c->text[c->at + 1] != '\n')))
			c->next_line++;
		c->text[(*end)++] = ch;
	}
	c->at++;
	if (!at_line_end(c) && c->text[c->at] != ',')
		return wrong(c, why, "text after the closing quote");
	return 0;
}

static int bare(struct csv *c, size_t *end, char why[120])
{
	for (; !at_line_end(c) && c->text[c->at] != ','; c->at++) {
		char ch = c->text[c->at];
		if (!ch)
			return wrong(c, why, "a NUL byte");
		if (ch == '"')
			return wrong(c, why, "a quote in a field that is not in quotes");
		c->text[(*end)++] = ch;
	}
	return 0;
}

/* One field; it ends at a comma, which is passed, or at the end of the line. */
static int field(struct csv *c, bool *ret_more, char why[120])
{
	size_t start = c->at, end = start;
	int err;

	if (c->count == CSV_FIELDS) {
		(void)snprintf(why, 120, "more than %d fields", CSV_FIELDS);
		skip_line(c);
		return ERR_LIMIT;
	}
	if (c->at < c->len && c->text[c->at] == '"') {
		c->at++;
		err = quoted(c, &end, why);
	} else {
		err = bare(c, &end, why);
	}
	if (err)
		return err;
	*ret_more = c->at < c->len && c->text[c->at] == ',';
	if (*ret_more)
		c->at++;
	else
		skip_line_end(c);
	c->text[end] = '\0'; /* what stood there has been read */
	c->field[c->count++] = c->text + start;
	return 0;
}

int csv_next(struct csv *c, char why[120])
{
	bool more = true;
	int err = 0;

	while (c->at < c->len && at_line_end(c))
		skip_line_end(c);
	c->line = c->next_line;
	c->count = 0;
	if (c->at == c->len)
		return 0;
	while (more && !err)
		err = field(c, &more, why);
	return err ? err : 1;
}

void csv_put(FILE *f, const char *field)
{
	if (!strpbrk(field, ",\"\r\n")) {
		(void)fputs(field, f);
		return;
	}
	(void)putc('"', f);
	for (; *field; field++) {
		if (*field == '"')
			(void)putc('"', f);
		(void)putc(*field, f);
	}
	(void)putc('"', f);
}
