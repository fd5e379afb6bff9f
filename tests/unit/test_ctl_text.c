/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/near.h"
#include "ctl/args.h"
#include "ctl/text.h"
#include "ctl/url.h"

static void assert_safe(const char *in, bool utf8, const char *want)
{
	char *got = text_safe(in, utf8);

	assert_string_equal(got, want);
	free(got);
}

static void test_text_safe_takes_the_terminal_from_strangers(void **state)
{
	(void)state;
	assert_safe("plain", true, "plain");
	assert_safe("\033[2J\r\n\ta", true, "?[2J???a");
	assert_safe("\xc2\x9b"
		    "31m",
		    true, "?31m"); /* CSI as one C1 character */
	assert_safe("a\xe2\x80\xae"
		    "b",
		    true, "a?b"); /* right-to-left override */
	assert_safe("gr\xc3\xbc\xc3\x9f", true, "gr\xc3\xbc\xc3\x9f");
	assert_safe("gr\xc3\xbc\xc3\x9f", false, "gr??");
	assert_safe("\xff\xc0\xaf\xed\xa0\x80", true, "??????"); /* broken, overlong, surrogate */
	assert_safe("cut \xe2\x82", true, "cut ??");
	assert_int_equal(text_width("gr\xc3\xbc\xc3\x9f"), 4);
}

static void test_text_duration_knows_its_units(void **state)
{
	static const struct {
		const char *text;
		int err;
		int64_t s;
	} cases[] = {
		{"0", 0, 0},
		{"90", 0, 90},
		{"90s", 0, 90},
		{"15m", 0, 900},
		{"2h", 0, 7200},
		{"7d", 0, 604800},
		{"-1", 0, -1},
		{"", ERR_SYNTAX, 0},
		{"s", ERR_SYNTAX, 0},
		{"1.5h", ERR_SYNTAX, 0},
		{" 1", ERR_SYNTAX, 0},
		{"1 m", ERR_SYNTAX, 0},
		{"0x10", ERR_SYNTAX, 0},
		{"2x", ERR_SYNTAX, 0},
		{"9223372036854775807", 0, INT64_MAX},
		{"9223372036854775808", ERR_RANGE, 0},
		{"106751991167301d", ERR_RANGE, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t s = 0;

		assert_int_equal(text_duration(cases[i].text, &s), cases[i].err);
		assert_int_equal(s, cases[i].s);
	}
}

static void test_text_time_reads_what_the_server_writes(void **state)
{
	int64_t ms = 0;

	(void)state;
	assert_int_equal(text_time("1970-01-01T00:00:01.002Z", &ms), 0);
	assert_int_equal(ms, 1002);
	assert_int_equal(text_time("2026-11-22T23:51:07.123Z", &ms), 0);
	assert_int_equal(ms, 1795391467123);
	assert_int_equal(text_time("", &ms), ERR_SYNTAX);
	assert_int_equal(text_time("2026-11-22T23:51:07Z", &ms), ERR_SYNTAX);
	assert_int_equal(text_time("2026-11-22T23:51:07.123Zx", &ms), ERR_SYNTAX);
}

static void test_text_for_people(void **state)
{
	char s[TEXT_SHORT];

	(void)state;
	assert_string_equal(text_span(850, s), "850 ms");
	assert_string_equal(text_span(2150, s), "2.1 s");
	assert_string_equal(text_span(250000, s), "4 min 10 s");
	assert_string_equal(text_span(93600000, s), "1 d 2 h");
	assert_string_equal(text_age(59999, s), "59 s");
	assert_string_equal(text_age(7200000, s), "2 h");
	assert_string_equal(text_count(0, s), "0");
	assert_string_equal(text_count(245760, s), "245,760");
	assert_string_equal(text_count(-1000, s), "-1,000");
	char *t = text_cut(mem_copy("h\xc3\xa9llo world"), 6, true);
	assert_string_equal(t, "h\xc3\xa9llo\xe2\x80\xa6");
	t = text_cut(text_cut(t, 6, true), 4, false);
	assert_string_equal(t, "h\xc3\xa9l~");
	free(t);
}

static void test_text_nearest_guesses_but_not_wildly(void **state)
{
	static const char *const words[] = {"lock", "unlock", "list", "show", NULL};

	(void)state;
	assert_string_equal(near_word("lok", words), "lock");
	assert_string_equal(near_word("unl", words), "unlock");
	assert_string_equal(near_word("listt", words), "list");
	assert_null(near_word("remove", words));
	assert_null(near_word("", words));
}

static const struct option_row rows[] = {
	{"device", "ID", ""}, {"open", NULL, ""}, {"output", "FORMAT", ""}, {NULL, NULL, NULL}};

static int parse(const char *const *words, struct args *a, char error[200])
{
	char *argv[8] = {NULL};
	int argc = 0, used = 0, err;

	for (; words[argc] != NULL; argc++)
		argv[argc] = strdup(words[argc]);
	err = args_parse(argc, argv, rows, false, a, &used, error);
	/* values point into argv: compare the ones that matter before they go */
	if (err == 0 && args_option(a, "device") != NULL)
		assert_string_equal(args_option(a, "device"), "x");
	for (int i = 0; i < argc; i++)
		free(argv[i]);
	return err;
}

static void test_args_take_options_anywhere(void **state)
{
	struct args a = {0};
	char error[200] = "";

	(void)state;
	assert_int_equal(
		parse((const char *const[]){"p", "--device", "x", "--open", "q", NULL}, &a, error),
		0);
	assert_int_equal(a.count, 2);
	assert_int_equal(a.option_count, 2);
	assert_int_equal(parse((const char *const[]){"--device=x", "-o", "json", NULL}, &a, error),
			 0);
	assert_int_equal(a.count, 0);
	assert_int_equal(parse((const char *const[]){"--", "--open", "-", NULL}, &a, error), 0);
	assert_int_equal(a.count, 2);
}

static void test_args_say_what_is_wrong(void **state)
{
	struct args a = {0};
	char error[200] = "";

	(void)state;
	assert_int_equal(parse((const char *const[]){"--devise", "x", NULL}, &a, error),
			 ERR_SYNTAX);
	assert_string_equal(error, "unknown option --devise (did you mean --device?)");
	assert_int_equal(parse((const char *const[]){"--device", NULL}, &a, error), ERR_SYNTAX);
	assert_int_equal(parse((const char *const[]){"--open=1", NULL}, &a, error), ERR_SYNTAX);
	assert_int_equal(parse((const char *const[]){"-x", NULL}, &a, error), ERR_SYNTAX);
}

static void test_url_escapes_and_is_bounded(void **state)
{
	static struct url u;
	char *longest = malloc(sizeof(u.space) + 1);

	(void)state;
	url_init(&u, "/v1/devices");
	url_segment(&u, "a b/..%?\xc3\xbc");
	url_query(&u, "none", NULL);
	url_query(&u, "after", "s:1&x");
	url_query_number(&u, "limit", 5);
	assert_string_equal(url_text(&u),
			    "/v1/devices/a%20b%2f..%25%3f%c3%bc?after=s%3a1%26x&limit=5");
	assert_non_null(longest);
	memset(longest, 'a', sizeof(u.space));
	longest[sizeof(u.space)] = '\0';
	url_init(&u, "/v1/devices");
	url_segment(&u, longest);
	assert_null(url_text(&u));
	free(longest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_safe_takes_the_terminal_from_strangers),
		cmocka_unit_test(test_text_duration_knows_its_units),
		cmocka_unit_test(test_text_time_reads_what_the_server_writes),
		cmocka_unit_test(test_text_for_people),
		cmocka_unit_test(test_text_nearest_guesses_but_not_wildly),
		cmocka_unit_test(test_args_take_options_anywhere),
		cmocka_unit_test(test_args_say_what_is_wrong),
		cmocka_unit_test(test_url_escapes_and_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
