/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/table.h"

#include <stdlib.h>

#include "ctl/text.h"

void table_init(struct table *t, const char *const *heads)
{
	*t = (struct table){0};
	for (; heads[t->columns] != NULL && t->columns < TABLE_COLUMNS; t->columns++)
		t->heads[t->columns] = heads[t->columns];
}

void table_cell(struct table *t, enum style style, const char *text)
{
	if (t->count == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 64;
		t->cells = mem_grow(t->cells, t->cap * sizeof(*t->cells));
	}
	t->cells[t->count].style = style;
	t->cells[t->count++].text = mem_copy(text);
}

void table_number(struct table *t, int64_t n)
{
	char text[TEXT_SHORT];

	table_cell(t, STYLE_PLAIN, text_count(n, text));
}

static void widths(const struct table *t, const struct output *o, size_t width[TABLE_COLUMNS])
{
	for (unsigned i = 0; i < t->columns; i++)
		width[i] = text_width(t->heads[i]);
	for (size_t i = 0; i < t->count && t->columns > 0; i++) {
		char *safe = text_safe(t->cells[i].text, o->utf8);
		size_t w = text_width(safe);

		if (w > width[i % t->columns])
			width[i % t->columns] = w;
		free(safe);
	}
}

/* What the first `columns` of them take, with the blanks between them. */
static size_t line_width(const size_t width[TABLE_COLUMNS], unsigned columns)
{
	size_t total = columns ? 2 * (size_t)(columns - 1) : 0;

	for (unsigned i = 0; i < columns; i++)
		total += width[i];
	return total;
}

/* The widest columns give way until a row fits into the terminal's line. */
static void fit(const struct output *o, size_t width[TABLE_COLUMNS], unsigned columns)
{
	enum { NARROWEST = 8 };

	while (o->columns && line_width(width, columns) > o->columns) {
		unsigned widest = 0;

		for (unsigned i = 1; i < columns; i++)
			if (width[i] > width[widest])
				widest = i;
		if (width[widest] <= NARROWEST)
			return;
		width[widest]--;
	}
}

/* Is there nothing behind this cell in its line of `columns`? */
static bool ends_line(const struct table *t, size_t i, unsigned columns)
{
	for (i++; i % t->columns != 0 && i % t->columns < columns; i++)
		if (t->cells[i].text[0] != '\0')
			return false;
	return true;
}

static void row_cell(struct table *t, const struct output *o, size_t i, size_t width,
		     unsigned columns)
{
	char *safe = text_cut(text_safe(t->cells[i].text, o->utf8), width, o->utf8);
	bool last = ends_line(t, i, columns);

	if (!last || safe[0] != '\0')
		out_cell(o, t->cells[i].style, safe, last ? 0 : width);
	out_text(o, last ? "" : "  ");
	free(safe);
}

/* A cell of the last column that does not fit, in as many lines as it needs. */
static bool last_wrapped(const struct table *t, const struct output *o, size_t i,
			 const size_t width[TABLE_COLUMNS])
{
	char *safe = text_safe(t->cells[i].text, o->utf8);
	bool wrap = t->wrap_last && (i + 1) % t->columns == 0 &&
		    text_width(safe) > width[t->columns - 1];
	struct output all = *o;

	free(safe);
	all.width = o->columns ? o->columns : o->width;
	if (wrap)
		out_wrap(&all, line_width(width, t->columns - 1) + 2, t->cells[i].text);
	return wrap;
}

/* The last column has too little room beside the others: it has lines of its own. */
static bool goes_below(const struct table *t, const struct output *o,
		       const size_t width[TABLE_COLUMNS])
{
	enum { LAST_LEAST = 40 };
	unsigned others = t->columns - 1;
	size_t least = width[others] < LAST_LEAST ? width[others] : LAST_LEAST;

	return t->wrap_last && others && o->columns &&
	       line_width(width, others) + 2 + least > o->columns;
}

static void print_below(const struct output *o, const char *text)
{
	enum { INDENT = 6 };

	if (text[0] == '\0')
		return;
	out_cell(o, STYLE_PLAIN, "", INDENT);
	out_wrap(o, INDENT, text);
}

void table_print(struct table *t, const struct output *o, const char *none)
{
	size_t width[TABLE_COLUMNS] = {0};

	if (t->count == 0 || t->columns == 0) {
		out_styled(o, STYLE_DIM, none);
		out_nl(o);
		return;
	}
	widths(t, o, width);
	unsigned columns = goes_below(t, o, width) ? t->columns - 1 : t->columns;
	fit(o, width, columns);
	for (unsigned i = 0; i < columns; i++) {
		bool last = i + 1 == columns;

		out_cell(o, STYLE_DIM, t->heads[i], last ? 0 : width[i]);
		out_text(o, last ? "" : "  ");
	}
	out_nl(o);
	for (size_t i = 0; i < t->count; i++) {
		unsigned column = (unsigned)(i % t->columns);

		if (column >= columns) {
			print_below(o, t->cells[i].text);
			continue;
		}
		if (columns == t->columns && last_wrapped(t, o, i, width))
			continue;
		row_cell(t, o, i, width[column], columns);
		if (column + 1 == columns)
			out_nl(o);
	}
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i].text);
	free(t->cells);
	*t = (struct table){0};
}
