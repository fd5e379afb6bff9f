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

/* The widest columns give way until a row fits into the terminal's line. */
static void fit(const struct table *t, const struct output *o, size_t width[TABLE_COLUMNS])
{
	enum { NARROWEST = 8 };
	size_t total = 2 * (size_t)(t->columns - 1);

	for (unsigned i = 0; i < t->columns; i++)
		total += width[i];
	while (o->columns && total > o->columns) {
		unsigned widest = 0;

		for (unsigned i = 1; i < t->columns; i++)
			if (width[i] > width[widest])
				widest = i;
		if (width[widest] <= NARROWEST)
			return;
		width[widest]--;
		total--;
	}
}

/* Is there nothing behind this cell in its row? */
static bool ends_row(const struct table *t, size_t i)
{
	for (i++; i % t->columns != 0; i++)
		if (t->cells[i].text[0] != '\0')
			return false;
	return true;
}

static void row_cell(struct table *t, const struct output *o, size_t i, size_t width)
{
	char *safe = text_cut(text_safe(t->cells[i].text, o->utf8), width, o->utf8);
	bool last = ends_row(t, i);

	if (!last || safe[0] != '\0')
		out_cell(o, t->cells[i].style, safe, last ? 0 : width);
	out_text(o, last ? "" : "  ");
	free(safe);
}

/* A cell of the last column that does not fit, in as many lines as it needs. */
static bool last_wrapped(const struct table *t, const struct output *o, size_t i,
			 const size_t width[TABLE_COLUMNS])
{
	size_t indent = 2 * (size_t)(t->columns - 1);
	char *safe = text_safe(t->cells[i].text, o->utf8);
	bool wrap = t->wrap_last && (i + 1) % t->columns == 0 &&
		    text_width(safe) > width[t->columns - 1];

	free(safe);
	for (unsigned k = 0; k + 1 < t->columns; k++)
		indent += width[k];
	if (wrap)
		out_wrap(o, indent, t->cells[i].text);
	return wrap;
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
	fit(t, o, width);
	for (unsigned i = 0; i < t->columns; i++) {
		bool last = i + 1 == t->columns;

		out_cell(o, STYLE_DIM, t->heads[i], last ? 0 : width[i]);
		out_text(o, last ? "" : "  ");
	}
	out_nl(o);
	for (size_t i = 0; i < t->count; i++) {
		if (last_wrapped(t, o, i, width))
			continue;
		row_cell(t, o, i, width[i % t->columns]);
		if ((i + 1) % t->columns == 0)
			out_nl(o);
	}
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i].text);
	free(t->cells);
	*t = (struct table){0};
}
