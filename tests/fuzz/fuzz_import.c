/* SPDX-License-Identifier: Apache-2.0
 *
 * A file of devices: whatever it is, each line that comes out is a JSON object of known members
 * that names its device and, one way or another, what proves it. */
#include <stdlib.h>
#include <string.h>

#include "base/csv.h"
#include "ctl/import_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int draw(uint8_t key[IMPORT_KEY_DRAWN])
{
	memset(key, 0x5a, IMPORT_KEY_DRAWN);
	return 0;
}

static void check_row(const struct import_file *f, size_t i)
{
	json_t *row = import_file_row(f, i), *value;
	const char *key;

	if (!json_is_object(row) || !json_is_string(json_object_get(row, "id")) ||
	    !json_is_string(json_object_get(row, "product")) ||
	    memchr(f->body + f->rows[i].at, '\n', f->rows[i].len) || f->rows[i].line == 0 ||
	    !(json_object_get(row, "psk") || json_object_get(row, "certificate") ||
	      json_object_get(row, "plain")))
		abort();
	json_object_foreach(row, key, value)
	{
		if (!json_is_string(value) && !json_is_true(value) && !json_is_array(value))
			abort();
	}
	json_decref(row);
}

/* What is written is read as it was. */
static void check_quote(const struct csv *c)
{
	char dst[256], why[120];
	struct csv again;

	for (unsigned i = 0; i < c->count; i++) {
		if (strlen(c->field[i]) > 100 || c->field[i][0] == '\0')
			continue;
		FILE *f = fmemopen(dst, sizeof(dst), "w");
		if (!f)
			abort();
		csv_put(f, c->field[i]);
		(void)fclose(f); /* ends it with a NUL */
		if (strncmp(dst, "\xef\xbb\xbf", 3) == 0)
			continue;
		csv_init(&again, dst, strlen(dst));
		if (csv_next(&again, why) != 1 || again.count != 1 ||
		    strcmp(again.field[0], c->field[i]) != 0)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct import_file f;
	const struct import_options o = {.product = size % 2 ? "argon" : NULL,
					 .draw = size % 3 ? draw : NULL};
	char *text = malloc(size + 1), why[120];
	unsigned line = 0;
	struct csv c;
	int got;

	if (!text)
		return 0;
	memcpy(text, data, size);
	import_file_read(&f, &o, text, size);
	if (!f.count && !f.error_count)
		abort();
	for (size_t i = 0; i < f.count; i++) {
		check_row(&f, i);
		if (f.rows[i].line < line)
			abort();
		line = f.rows[i].line;
	}
	import_file_free(&f);

	memcpy(text, data, size);
	csv_init(&c, text, size);
	while ((got = csv_next(&c, why)) != 0)
		if (got > 0)
			check_quote(&c);
	free(text);
	return 0;
}
