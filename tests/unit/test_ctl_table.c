/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables on terminals of several widths.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/table.h"

static const char sentence[] = "release 1.2.0, author root, state draft, waves 1%,10%,100%, "
			       "open_waves 0, settings that are many";

/* An audit log of two rows, on a terminal of so many columns (0: none). */
static char *printed(unsigned columns)
{
	static const char *const heads[] = {"ROW", "TIME", "WHO", "ACT", "OBJECT", "CHANGE", NULL};
	const struct output o = {.columns = columns, .width = columns ? columns : 80};
	FILE *real = stdout;
	char *text = NULL;
	size_t len = 0;
	struct table t;

	table_init(&t, heads);
	t.wrap_last = true;
	for (unsigned i = 0; i < 2; i++) {
		table_cell(&t, STYLE_PLAIN, i ? "19" : "18");
		table_cell(&t, STYLE_PLAIN, "2026-11-23 19:00:39");
		table_cell(&t, STYLE_PLAIN, "postbootd");
		table_cell(&t, STYLE_PLAIN, "release quarantine");
		table_cell(&t, STYLE_PLAIN, "argon 1.2.0");
		table_cell(&t, STYLE_PLAIN, i ? "" : sentence);
	}
	stdout = open_memstream(&text, &len);
	assert_non_null(stdout);
	table_print(&t, &o, "none");
	(void)fclose(stdout);
	stdout = real;
	return text;
}

static size_t widest(const char *text)
{
	size_t most = 0;

	for (const char *at = text; *at; at += strcspn(at, "\n") + 1)
		if (strcspn(at, "\n") > most)
			most = strcspn(at, "\n");
	return most;
}

/* Too little room beside the others: below them, whole. */
static void test_the_last_column_has_lines_of_its_own(void **state)
{
	char *text = printed(80);

	(void)state;
	assert_string_equal(
		text, "ROW  TIME                 WHO        ACT                 OBJECT\n"
		      "18   2026-11-23 19:00:39  postbootd  release quarantine  argon 1.2.0\n"
		      "      release 1.2.0, author root, state draft, waves 1%,10%,100%, "
		      "open_waves 0,\n"
		      "      settings that are many\n"
		      "19   2026-11-23 19:00:39  postbootd  release quarantine  argon 1.2.0\n");
	free(text);
}

static void test_the_last_column_goes_on_where_it_has_room(void **state)
{
	char *text = printed(120);

	(void)state;
	assert_non_null(strstr(text, "OBJECT       CHANGE\n"));
	assert_non_null(strstr(text, "argon 1.2.0  release 1.2.0, author root, "));
	assert_non_null(
		strstr(text, "\n                                                               "));
	assert_true(widest(text) <= 120);
	free(text);
}

static void test_no_line_is_wider_than_the_terminal(void **state)
{
	(void)state;
	for (unsigned columns = 60; columns < 200; columns++) {
		char *text = printed(columns);
		if (widest(text) > columns)
			fail_msg("%zu columns of %u:\n%s", widest(text), columns, text);
		assert_non_null(strstr(text, "settings"));
		free(text);
	}
}

/* Each row is one line for a program that reads it. */
static void test_without_a_terminal_a_row_is_a_line(void **state)
{
	char *text = printed(0);

	(void)state;
	assert_non_null(strstr(text, sentence));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_last_column_has_lines_of_its_own),
		cmocka_unit_test(test_the_last_column_goes_on_where_it_has_room),
		cmocka_unit_test(test_no_line_is_wider_than_the_terminal),
		cmocka_unit_test(test_without_a_terminal_a_row_is_a_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
