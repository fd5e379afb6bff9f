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

void table_print(struct table *t, const struct output *o, const char *none)
{
	size_t width[TABLE_COLUMNS] = {0};

	if (t->count == 0 || t->columns == 0) {
		out_styled(o, STYLE_DIM, none);
		out_nl(o);
		return;
	}
	widths(t, o, width);
	width[t->columns - 1] = 0; /* nothing follows it */
	for (unsigned i = 0; i < t->columns; i++) {
		out_cell(o, STYLE_DIM, t->heads[i], width[i]);
		out_text(o, i + 1 < t->columns ? "  " : "");
	}
	out_nl(o);
	for (size_t i = 0; i < t->count; i++) {
		unsigned column = (unsigned)(i % t->columns);
		bool last = column + 1 == t->columns;

		/* no blanks where nothing follows in the row */
		if (column + 2 == t->columns && t->cells[i + 1].text[0] == '\0')
			out_cell(o, t->cells[i].style, t->cells[i].text, 0);
		else
			out_cell(o, t->cells[i].style, t->cells[i].text, width[column]);
		if (last)
			out_nl(o);
		else if (column + 2 < t->columns || t->cells[i + 1].text[0] != '\0')
			out_text(o, "  ");
		free(t->cells[i].text);
	}
	free(t->cells);
	*t = (struct table){0};
}
