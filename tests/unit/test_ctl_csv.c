/* SPDX-License-Identifier: Apache-2.0
 *
 * CSV as RFC 4180 has it, and files of devices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/csv.h"
#include "ctl/import_file.h"

#define KEY "00112233445566778899aabbccddeeff"

/* The records as "LINE:field|field;", errors as "LINE!why;". */
static void assert_csv_len(const char *in, size_t len, const char *want)
{
	char *text = malloc(len + 1), got[1024] = "", why[120];
	size_t used = 0;
	struct csv c;
	int rc;

	memcpy(text, in, len);
	csv_init(&c, text, len);
	while ((rc = csv_next(&c, why)) != 0) {
		used += (size_t)snprintf(got + used, sizeof(got) - used, "%u%s", c.line,
					 rc < 0 ? "!" : ":");
		if (rc < 0)
			used += (size_t)snprintf(got + used, sizeof(got) - used, "%s", why);
		for (unsigned i = 0; rc > 0 && i < c.count; i++)
			used += (size_t)snprintf(got + used, sizeof(got) - used, "%s%s",
						 i ? "|" : "", c.field[i]);
		used += (size_t)snprintf(got + used, sizeof(got) - used, ";");
	}
	assert_string_equal(got, want);
	free(text);
}

static void assert_csv(const char *in, const char *want)
{
	assert_csv_len(in, strlen(in), want);
}

static void test_csv_reads_records(void **state)
{
	(void)state;
	assert_csv("", "");
	assert_csv("a,b\nc,d\n", "1:a|b;2:c|d;");
	assert_csv("a,b\r\nc,d", "1:a|b;2:c|d;");
	assert_csv("a\rb\r", "1:a;2:b;");
	assert_csv("\xef\xbb\xbf"
		   "a,b",
		   "1:a|b;");
	assert_csv("a,,b,\n,\n", "1:a||b|;2:|;");
	assert_csv("\n\na\n\r\n\nb\n", "3:a;6:b;");
	assert_csv(" a , b \n", "1: a | b ;");
}

static void test_csv_reads_quotes(void **state)
{
	(void)state;
	assert_csv("\"a\",\"b,c\"\n", "1:a|b,c;");
	assert_csv("\"a\"\"b\"\n\"\"\"\"\n\"\"\n", "1:a\"b;2:\";3:;");
	assert_csv("\"one\ntwo\",x\nnext\n", "1:one\ntwo|x;3:next;");
	assert_csv("\"one\r\ntwo\",x\r\nnext\r\n", "1:one\r\ntwo|x;3:next;");
	assert_csv("\xef\xbb\xbf\"a\"", "1:a;");
}

static void test_csv_tells_what_is_wrong_and_goes_on(void **state)
{
	(void)state;
	assert_csv("a\"b,c\nd\n", "1!field 1: a quote in a field that is not in quotes;2:d;");
	assert_csv("x,\"a\"b\nd\n", "1!field 2: text after the closing quote;2:d;");
	assert_csv("a\nb,\"c\nd\n", "1:a;2!field 2: the quote that opens in line 2 never closes;");
	assert_csv_len("a\0b\nc\n", 6, "1!field 1: a NUL byte;2:c;");
}

static void test_csv_has_a_limit_of_fields(void **state)
{
	char text[3 * CSV_FIELDS + 8] = "", why[120];
	struct csv c;

	(void)state;
	for (int i = 0; i < CSV_FIELDS; i++)
		strcat(text, i ? ",x" : "x");
	csv_init(&c, text, strlen(text));
	assert_int_equal(csv_next(&c, why), 1);
	assert_int_equal(c.count, CSV_FIELDS);

	text[0] = '\0';
	for (int i = 0; i < CSV_FIELDS + 1; i++)
		strcat(text, i ? ",x" : "x");
	csv_init(&c, text, strlen(text));
	assert_int_equal(csv_next(&c, why), ERR_LIMIT);
	assert_int_equal(csv_next(&c, why), 0);
}

static void assert_put(const char *field, const char *want)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	csv_put(f, field);
	(void)fclose(f);
	assert_string_equal(text, want);
	free(text);
}

static void test_csv_quotes_what_needs_it(void **state)
{
	(void)state;
	assert_put("plain text", "plain text");
	assert_put("", "");
	assert_put("a,b", "\"a,b\"");
	assert_put("say \"x\"\n", "\"say \"\"x\"\"\n\"");
}

/* ---- keys ---- */

static void assert_key(const char *text, int want, size_t len, int first)
{
	uint8_t key[64];
	size_t got = 0;

	assert_int_equal(import_key(text, key, sizeof(key), &got), want);
	if (want)
		return;
	assert_int_equal(got, len);
	assert_int_equal(key[0], first);
}

static void test_keys_are_hex_or_base64(void **state)
{
	char hex[2 * 65 + 1], b64[100];

	(void)state;
	assert_key(KEY, 0, 16, 0);
	assert_key("FFeeDDccbbaa99887766554433221100", 0, 16, 0xff);
	assert_key("hex:ff", 0, 1, 0xff);
	assert_key("AAECAwQFBgcICQoLDA0ODw==", 0, 16, 0);
	assert_key("AAECAwQFBgcICQoLDA0ODw", 0, 16, 0);
	assert_key("/-__AwQFBgcICQoLDA0ODw==", 0, 16, 0xff);
	/* digits that both have: hex, unless it is said */
	assert_key("base64:" KEY, 0, 24, 0xd3);
	assert_key("AAECAwQFBgcICQoLDA0ODx==", ERR_SYNTAX, 0, 0); /* bits left over */
	assert_key("AAECAwQFBgcICQoLDA0ODw=", ERR_SYNTAX, 0, 0);
	assert_key("AAECA", ERR_SYNTAX, 0, 0);
	assert_key("key!", ERR_SYNTAX, 0, 0);
	assert_key("", ERR_SYNTAX, 0, 0);
	assert_key("====", ERR_SYNTAX, 0, 0);
	memset(hex, 'a', sizeof(hex));
	hex[128] = '\0';
	assert_key(hex, 0, 64, 0xaa);
	hex[128] = 'a';
	hex[130] = '\0';
	assert_key(hex, ERR_LIMIT, 0, 0);
	memset(b64, 'Z', sizeof(b64));
	b64[88] = '\0';
	assert_key(b64, ERR_LIMIT, 0, 0); /* 66 bytes */
}

/* ---- files ---- */

static int draw(uint8_t key[IMPORT_KEY_DRAWN])
{
	memset(key, 0x5a, IMPORT_KEY_DRAWN);
	return 0;
}

static struct import_file file;

static void read_file(const char *in, const struct import_options *o)
{
	char *text = malloc(strlen(in) + 1);

	memcpy(text, in, strlen(in));
	import_file_free(&file);
	import_file_read(&file, o, text, strlen(in));
	free(text);
}

static void assert_file(const char *in, const struct import_options *o, const char *want)
{
	read_file(in, o);
	assert_int_equal(file.error_count, 0);
	assert_string_equal(file.body, want);
}

/* One wrong line; `count` are left for the server to look at. */
static void assert_wrong(const char *in, const struct import_options *o, size_t count,
			 unsigned line, const char *words)
{
	read_file(in, o);
	if (file.error_count != 1 || !strstr(file.errors[0].text, words))
		print_message("%zu errors, the first: line %u: %s\n", file.error_count,
			      file.errors[0].line, file.errors[0].text);
	assert_int_equal(file.error_count, 1);
	assert_int_equal(file.errors[0].line, line);
	assert_non_null(strstr(file.errors[0].text, words));
	assert_int_equal(file.count, count);
}

static void test_a_file_becomes_lines(void **state)
{
	static const struct import_options none = {NULL, NULL};
	static const struct import_options all = {"argon", draw};

	(void)state;
	assert_file("product,id,psk,hold\nargon,a," KEY ",yes\nargon,b," KEY ",no\n", &none,
		    "{\"product\":\"argon\",\"id\":\"a\",\"psk\":\"" KEY "\",\"hold\":true}\n"
		    "{\"product\":\"argon\",\"id\":\"b\",\"psk\":\"" KEY "\"}\n");
	assert_file("id,certificate,plain,lock,state\r\na,1,,,new\r\nb,,TRUE,1.0.0,\r\n", &all,
		    "{\"id\":\"a\",\"certificate\":true,\"product\":\"argon\"}\n"
		    "{\"id\":\"b\",\"plain\":true,\"lock\":\"1.0.0\",\"product\":\"argon\"}\n");
	assert_int_equal(file.drawn, 0);
	assert_file("id\na\n", &all,
		    "{\"id\":\"a\",\"product\":\"argon\",\"psk\":"
		    "\"5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a\"}\n");
	assert_int_equal(file.drawn, 1);
	assert_true(file.rows[0].drawn);
	assert_file("\xef\xbb\xbf{\"id\":\"a\",\"psk\":\"" KEY "\",\"seen\":5}\r\n\n"
		    "  {\"id\":\"b\",\"plain\":true,\"hold\":false,\"lock\":null}",
		    &all,
		    "{\"id\":\"a\",\"psk\":\"" KEY "\",\"product\":\"argon\"}\n"
		    "{\"id\":\"b\",\"plain\":true,\"product\":\"argon\"}\n");
	assert_int_equal(file.rows[1].line, 3);
	assert_file(
		"id,group,tags,development,force,disabled,plain\n"
		"a,g,one  site=b ,1,yes,true,1\nb,,,,,,1\n",
		&all,
		"{\"id\":\"a\",\"group\":\"g\",\"tags\":[\"one\",\"site=b\"],\"development\":true,"
		"\"force\":true,\"disabled\":true,\"plain\":true,\"product\":\"argon\"}\n"
		"{\"id\":\"b\",\"plain\":true,\"product\":\"argon\"}\n");
	assert_file(
		"{\"id\":\"a\",\"plain\":true,\"tags\":[\"one\",\"two\"]}\n"
		"{\"id\":\"b\",\"plain\":true,\"tags\":\"one two\"}\n"
		"{\"id\":\"c\",\"plain\":true,\"tags\":[]}\n",
		&all,
		"{\"id\":\"a\",\"plain\":true,\"tags\":[\"one\",\"two\"],\"product\":\"argon\"}\n"
		"{\"id\":\"b\",\"plain\":true,\"tags\":[\"one\",\"two\"],\"product\":\"argon\"}\n"
		"{\"id\":\"c\",\"plain\":true,\"product\":\"argon\"}\n");
}

static void test_what_is_wrong_is_told_with_its_line(void **state)
{
	static const struct import_options none = {NULL, NULL};
	static const struct import_options all = {"argon", draw};

	(void)state;
	assert_wrong("", &all, 0, 1, "the file is empty");
	assert_wrong("id,psk\n", &all, 0, 1, "there is no device in it");
	assert_wrong(
		"id,colour\na,b\n", &all, 1, 1,
		"\"colour\" is not the name of a column; known are id, product, psk, "
		"certificate, plain, group, tags, development, windows, time_zone, lock, hold, "
		"force, disabled");
	assert_wrong("id,psk,id\na,,b\n", &all, 1, 1, "column id is there twice");
	assert_wrong("id,psk\n\"a\nb\",\nc,,\nd,\n", &all, 2, 4,
		     "3 fields where the first line names 2");
	assert_wrong("id,psk\na,\nb,zz\n", &all, 2, 3, "neither hex digits nor base64");
	assert_wrong("id,psk\na,AAAA\n", &all, 1, 2, "16 to 64 bytes");
	assert_wrong("id,hold\na,maybe\n", &all, 1, 2, "hold: \"maybe\" is neither");
	assert_wrong("product\nargon\n", &all, 0, 2, "id is missing");
	assert_wrong("id\na\n", &(struct import_options){NULL, draw}, 0, 2, "product is missing");
	assert_wrong("id,product\na,argon\n", &none, 1, 2, "--psk-out");
	assert_wrong("id\na\nb\"c\nd\n", &all, 2, 3, "a quote in a field");
	assert_wrong("id\n\xff\n", &all, 0, 2, "not UTF-8");
	assert_wrong("id,tags\na,b \xff\n", &all, 1, 2, "tags: not UTF-8");
	assert_wrong("{\"id\":\"a\"}\n{\"id\":\n", &all, 1, 2, "not JSON");
	assert_wrong("{\"id\":\"a\"}\n[]\n", &all, 1, 2, "not an object");
	assert_wrong("{\"id\":\"a\",\"x\":1}\n", &all, 1, 1, "\"x\" is not known here");
	assert_wrong("{\"id\":7}\n", &all, 0, 1, "id: not a text");
	assert_wrong("{\"id\":\"a\",\"hold\":\"yes\"}\n", &all, 1, 1, "not true or false");
	assert_wrong("{\"id\":\"a\",\"tags\":[1]}\n", &all, 1, 1, "not an array of texts");
	assert_wrong("{\"id\":\"a\",\"id\":\"b\"}\n", &all, 0, 1, "not JSON");
}

static void test_a_wrong_row_is_still_looked_at(void **state)
{
	static const struct import_options none = {NULL, NULL};

	(void)state;
	/* Everything in it is told, and the server sees the rest of it. */
	read_file("id,product,psk,hold,group\na,argon,zz,maybe,g\nb,argon,,,\n", &none);
	assert_int_equal(file.error_count, 3);
	assert_int_equal(file.errors[1].line, 2);
	assert_int_equal(file.errors[2].line, 3);
	assert_string_equal(file.body,
			    "{\"id\":\"a\",\"product\":\"argon\",\"group\":\"g\",\"plain\":true}\n"
			    "{\"id\":\"b\",\"product\":\"argon\",\"plain\":true}\n");
	/* A name that is not known may be the one that is missing. */
	read_file("id,article\na,argon\n", &none);
	assert_int_equal(file.error_count, 1);
	assert_string_equal(file.body ? file.body : "", "");
}

static void test_errors_stand_in_the_order_of_lines(void **state)
{
	static const struct import_options all = {"argon", draw};
	static const unsigned lines[] = {2, 2, 3, 4, 5};
	char text[16];

	(void)state;
	read_file("id\nb\"\nc\nd\"\n", &all);
	import_file_wrong(&file, 5, 0, "e");
	import_file_wrong(&file, 3, 0, "c");
	import_file_wrong(&file, 2, 0, "after what was there");
	assert_int_equal(file.error_count, 5);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(file.errors[i].line, lines[i]);
	assert_string_equal(file.errors[1].text, "after what was there");
	/* The last ones go when there are too many. */
	for (unsigned i = 0; i < 2 * LIMIT_IMPORT_ERRORS; i++) {
		(void)snprintf(text, sizeof(text), "%u", 1000 - i);
		import_file_wrong(&file, 1000 - i, 0, text);
	}
	assert_int_equal(file.error_count, 5 + 2 * LIMIT_IMPORT_ERRORS);
	assert_int_equal(file.errors[5].line, 1001 - 2 * LIMIT_IMPORT_ERRORS);
	assert_int_equal(file.errors[LIMIT_IMPORT_ERRORS - 1].line,
			 1001 - 2 * LIMIT_IMPORT_ERRORS + LIMIT_IMPORT_ERRORS - 6);
}

static void test_errors_are_told_up_to_a_limit(void **state)
{
	static const struct import_options all = {"argon", draw};
	char *many = malloc(4 + 3 * (LIMIT_IMPORT_ERRORS + 1));

	(void)state;
	strcpy(many, "id\n");
	for (int i = 0; i < LIMIT_IMPORT_ERRORS + 1; i++)
		strcat(many, "a\"\n");
	read_file(many, &all);
	free(many);
	assert_int_equal(file.error_count, LIMIT_IMPORT_ERRORS + 1);
	/* The same words have few places, of which the last tells how many there are besides. */
	assert_int_equal(file.told, LIMIT_IMPORT_SAME);
	assert_int_equal(file.errors[LIMIT_IMPORT_SAME - 1].line, LIMIT_IMPORT_SAME + 1);
	assert_int_equal(file.errors[LIMIT_IMPORT_SAME - 1].more,
			 LIMIT_IMPORT_ERRORS + 1 - LIMIT_IMPORT_SAME);
	import_file_wrong(&file, 1, 6, "other words");
	assert_int_equal(file.error_count, LIMIT_IMPORT_ERRORS + 8);
	assert_int_equal(file.errors[0].more, 6);
	import_file_free(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_csv_reads_records),
		cmocka_unit_test(test_csv_reads_quotes),
		cmocka_unit_test(test_csv_tells_what_is_wrong_and_goes_on),
		cmocka_unit_test(test_csv_has_a_limit_of_fields),
		cmocka_unit_test(test_csv_quotes_what_needs_it),
		cmocka_unit_test(test_keys_are_hex_or_base64),
		cmocka_unit_test(test_a_file_becomes_lines),
		cmocka_unit_test(test_what_is_wrong_is_told_with_its_line),
		cmocka_unit_test(test_a_wrong_row_is_still_looked_at),
		cmocka_unit_test(test_errors_stand_in_the_order_of_lines),
		cmocka_unit_test(test_errors_are_told_up_to_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
