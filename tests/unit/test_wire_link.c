/* SPDX-License-Identifier: Apache-2.0
 *
 * Links of a registration. The payloads named "example" are those of RFC 6690 5 and of LwM2M core
 * 1.0 to 1.2, 5.3 and 6.2 ("Register").
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/input.h"
#include "wire/lwm2m.h"

enum { CAP = 16 };

static struct lwm2m_link links[CAP];
static size_t count;
static char alternate[64];
static struct wire_fault fault;

static int parse_bytes(struct bytes in)
{
	int err = lwm2m_links(in, links, CAP, &count, alternate, &fault);

	assert_int_equal(err, fault.err);
	assert_true(err ? fault.text[0] != 0 : fault.text[0] == 0);
	return err;
}

/* "/3/0" or, with a version or a format, "/1 1.1", "/ ct=110". */
static const char *parsed(const char *text)
{
	static char all[1024];
	struct buf b = buf_writer(all, sizeof(all));
	char path[LWM2M_PATH_TEXT];

	if (parse_bytes(input_text(text))) {
		print_message("# %s: %s\n", text, fault.text);
		fail();
	}
	for (size_t i = 0; i < count; i++) {
		if (i)
			buf_put_str(&b, ", ");
		assert_int_equal(links[i].is_root, links[i].path.count == 0);
		buf_put_str(&b, lwm2m_path_text(&links[i].path, path));
		if (links[i].version[0]) {
			buf_put_str(&b, " ");
			buf_put_str(&b, links[i].version);
		}
		if (links[i].content_format >= 0) {
			buf_put_str(&b, " ct=");
			buf_put_dec(&b, (uint64_t)links[i].content_format);
		}
	}
	return buf_cstr(&b);
}

static void test_link_examples_of_lwm2m(void **state)
{
	(void)state;
	assert_string_equal(parsed("</1/0>,</1/1>,</2/0>,</2/1>,</2/2>,</2/3>,</2/4>,</3/0>,</4/0>,"
				   "</5>"),
			    "/1/0, /1/1, /2/0, /2/1, /2/2, /2/3, /2/4, /3/0, /4/0, /5");
	assert_string_equal(alternate, "");
	assert_string_equal(parsed("</>;rt=\"oma.lwm2m\";ct=11543, </1/0>, </1/1>, </3/0>"),
			    "/ ct=11543, /1/0, /1/1, /3/0");
	assert_string_equal(alternate, "/");
	assert_string_equal(parsed("</lwm2m>;rt=\"oma.lwm2m\", </lwm2m/1/0>,</lwm2m/3/0>,</5/0>"),
			    "/, /1/0, /3/0");
	assert_string_equal(alternate, "/lwm2m");
	assert_string_equal(parsed("</1>;ver=1.1,</1/0>,</3/0>,</44>;ver=\"2.2\",</44/0>"),
			    "/1 1.1, /1/0, /3/0, /44 2.2, /44/0");
	assert_string_equal(parsed("</1/0/0>;dim=8;pmin=10;pmax=60,</1/0/1>;gt=1.5;lt=-2"),
			    "/1/0/0, /1/0/1");
}

static void test_link_what_clients_send(void **state)
{
	(void)state;
	/* Anjay, Wakaama, Zephyr, Leshan's demo */
	assert_string_equal(parsed("</1>;ver=1.1,</1/1>,</2>,</3>;ver=1.0,</3/0>,</5/0>,</3303/0>"),
			    "/1 1.1, /1/1, /2, /3 1.0, /3/0, /5/0, /3303/0");
	assert_string_equal(parsed("</>;rt=\"oma.lwm2m\";ct=110,</1/0>,</3/0>,</5>;ver=1.0,</5/0>"),
			    "/ ct=110, /1/0, /3/0, /5 1.0, /5/0");
	assert_string_equal(parsed("</>;ct=112,</1/0>,</3>;ver=1.0,</3/0>,</5/0>"),
			    "/ ct=112, /1/0, /3 1.0, /3/0, /5/0");
	assert_string_equal(parsed("</>;rt=\"oma.lwm2m\";ct=\"60 110 112 1542 1543 11542 11543\","
				   "</1>;ver=1.1,</1/0>,</5/0>"),
			    "/ ct=112, /1 1.1, /1/0, /5/0");
	assert_string_equal(parsed("</>;ct=\"0 40 11542\",</5/0>"), "/ ct=11542, /5/0");
	assert_string_equal(parsed("</>;ct=0,</5/0>"), "/ ct=0, /5/0");
}

static void test_link_examples_of_rfc6690_name_no_object(void **state)
{
	(void)state;
	static const char *const rows[] = {
		"</sensors>;ct=40;title=\"Sensor Index\",</sensors/temp>;rt=\"temperature-c\";"
		"if=\"sensor\",</sensors/light>;rt=\"light-lux\";if=\"sensor\","
		"<http://www.example.com/sensors/t123>;anchor=\"/sensors/temp\";rel=\"describedby\""
		",</t>;anchor=\"/sensors/temp\";rel=\"alternate\"",
		"</firmware/v2.1>;rt=\"firmware\";sz=262144",
		"</sensors/temp>;if=\"sensor\",\n</sensors/light>;if=\"sensor\"",
		"</a>;title=\"a \\\"quoted\\\" comma, semicolon; and <\";obs,</b>;title*=UTF-8''x",
		"</65536/0>,</01/0>,</3/0/1/2/3>,</3/x>,</3//0>,<coap://h/3/0>,<3/0>,<>",
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_string_equal(parsed(rows[i]), "");
		assert_string_equal(alternate, "");
	}
	assert_string_equal(parsed(""), "");
	assert_string_equal(parsed(" \r\n"), "");
}

static void test_link_root_may_come_last_and_with_other_words(void **state)
{
	(void)state;
	assert_string_equal(parsed("</a/3/0>,</3/1>,</a>;obs;rt=\"x oma.lwm2m y\";ct=\"110\""),
			    "/3/0, / ct=110");
	assert_string_equal(alternate, "/a");
	/* not ours: only the same beginning */
	assert_string_equal(parsed("</a>;rt=oma.lwm2m,</ab/3/0>,</a3/0>,</a/5/0>"), "/, /5/0");
	/* a slash at its end is not doubled */
	assert_string_equal(parsed("</a/>;rt=oma.lwm2m,</a/5/0>"), "/, /5/0");
	assert_string_equal(alternate, "/a");
	/* of two the first */
	assert_string_equal(parsed("</a>;rt=oma.lwm2m;rt=x,</b>;rt=oma.lwm2m,</b/1>,</a/2>"),
			    "/, /2");
	assert_string_equal(parsed("</a>;rt=\"oma.lwm2mx\",</1/0>"), "/1/0");
}

static void test_link_malformed_says_what_and_where(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int err;
		const char *fault;
	} rows[] = {
		{"x", ERR_SYNTAX, "byte 0: a link does not begin with <"},
		{",", ERR_SYNTAX, "byte 0: a link does not begin with <"},
		{"</1/0>,", ERR_SYNTAX, "byte 7: a link does not begin with <"},
		{"</1/0>,,</3/0>", ERR_SYNTAX, "byte 7: a link does not begin with <"},
		{"</1/0></3/0>", ERR_SYNTAX, "byte 6: neither , nor ; behind a link"},
		{"</1/0>x", ERR_SYNTAX, "byte 6: neither , nor ; behind a link"},
		{"</1/0", ERR_TRUNC, "byte 0: a link without >"},
		{"</3/0>,<", ERR_TRUNC, "byte 7: a link without >"},
		{"</1 /0>", ERR_SYNTAX, "byte 3: not a character of a link's target"},
		{"</1<0>", ERR_SYNTAX, "byte 3: not a character of a link's target"},
		{"</\xc3\xa4>", ERR_SYNTAX, "byte 2: not a character of a link's target"},
		{"</1>;", ERR_SYNTAX, "byte 5: an attribute without a name"},
		{"</1>;=1", ERR_SYNTAX, "byte 5: an attribute without a name"},
		{"</1>;a=", ERR_SYNTAX, "byte 7: an attribute without a value"},
		{"</1>;a=,</2>", ERR_SYNTAX, "byte 7: an attribute without a value"},
		{"</1>;a=\"x", ERR_TRUNC, "byte 7: a text without its closing quote"},
		{"</1>;a=\"x\\\"", ERR_TRUNC, "byte 7: a text without its closing quote"},
		{"</1>;a=\"x\\", ERR_TRUNC, "byte 7: a text without its closing quote"},
		{"</1>;a=\"x\ny\"", ERR_SYNTAX, "byte 9: a control character"},
		{"</1>;a=\"x\"y", ERR_SYNTAX, "byte 10: neither , nor ; behind a link"},
		{"</1>;\xff", ERR_SYNTAX, "text that is not UTF-8"},
		{"</3/0>, </1>;ver=x", ERR_SYNTAX, "byte 8: ver is no version"},
		{"</1>;ver=1.234567", ERR_SYNTAX, "byte 0: ver is no version"},
		{"</>;ct=x", ERR_SYNTAX, "byte 0: ct is no Content-Format"},
		{"</>;ct=65536", ERR_SYNTAX, "byte 0: ct is no Content-Format"},
		{"</>;ct=99999999999999999999", ERR_SYNTAX, "byte 0: ct is no Content-Format"},
		{"<a>;rt=oma.lwm2m", ERR_SYNTAX, "byte 0: a root that is no path"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		count = 77;
		int err = parse_bytes(input_text(rows[i].text));
		if (err != rows[i].err || strcmp(fault.text, rows[i].fault) != 0)
			print_message("# %s: %s\n", rows[i].text, fault.text);
		assert_int_equal(err, rows[i].err);
		assert_string_equal(fault.text, rows[i].fault);
		assert_int_equal(count, 77);
	}
	assert_int_equal(parse_bytes(input_keep("</1>\0", 5)), ERR_SYNTAX);
	assert_string_equal(fault.text, "byte 4: neither , nor ; behind a link");
}

static void test_link_limits_and_one_more(void **state)
{
	(void)state;
	char text[LIMIT_LWM2M_PAYLOAD + 2];
	struct buf b = buf_writer(text, sizeof(text));

	for (int i = 0; i < CAP; i++)
		buf_put_str(&b, i ? ",</3/0>" : "</3/0>");
	assert_int_equal(parse_bytes(input_keep(text, b.pos)), 0);
	assert_int_equal(count, CAP);
	buf_put_str(&b, ",</x>");
	assert_int_equal(parse_bytes(input_keep(text, b.pos)), 0);
	buf_put_str(&b, ",</3/0>");
	assert_int_equal(parse_bytes(input_keep(text, b.pos)), ERR_LIMIT);
	assert_string_equal(fault.text, "more than 16 links");

	memset(text, 'a', sizeof(text));
	memcpy(text, "</", 2);
	memcpy(text + 64, ">;rt=oma.lwm2m", 14);
	assert_int_equal(parse_bytes(input_keep(text, 64 + 14)), 0);
	assert_int_equal(strlen(alternate), 63);
	memcpy(text + 64, "a>;rt=oma.lwm2m", 15);
	assert_int_equal(parse_bytes(input_keep(text, 65 + 14)), ERR_LIMIT);
	assert_string_equal(fault.text, "byte 0: a root longer than 63 bytes");

	memset(text, ' ', sizeof(text));
	memcpy(text, "</3/0>", 6);
	assert_int_equal(parse_bytes(input_keep(text, LIMIT_LWM2M_PAYLOAD)), 0);
	assert_int_equal(parse_bytes(input_keep(text, LIMIT_LWM2M_PAYLOAD + 1)), ERR_LIMIT);
	assert_string_equal(fault.text, "longer than 4096 bytes");
	assert_string_equal(parsed("</3>;ver=1.23456"), "/3 1.23456");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_link_examples_of_lwm2m),
		cmocka_unit_test(test_link_what_clients_send),
		cmocka_unit_test(test_link_examples_of_rfc6690_name_no_object),
		cmocka_unit_test(test_link_root_may_come_last_and_with_other_words),
		cmocka_unit_test(test_link_malformed_says_what_and_where),
		cmocka_unit_test(test_link_limits_and_one_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
