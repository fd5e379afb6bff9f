/* SPDX-License-Identifier: Apache-2.0
 *
 * Paths and values of LwM2M, the formats of one value, and all formats there and back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/input.h"
#include "support/values.h"
#include "wire/lwm2m.h"

static struct lwm2m_value values[LWM2M_VALUES];
static size_t count;
static uint8_t scratch[LWM2M_SCRATCH];
static struct wire_fault fault;

static struct bytes text_bytes(const char *text)
{
	return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static struct lwm2m_path path_of(const char *text)
{
	struct lwm2m_path path;

	assert_int_equal(lwm2m_path_parse(text_bytes(text), &path), 0);
	return path;
}

static int decode(int format, const char *path, struct bytes in)
{
	struct lwm2m_path base = path_of(path);

	return lwm2m_decode(format, in, &base, values, LWM2M_VALUES, &count, scratch, &fault);
}

static const char *decoded(int format, const char *path, struct bytes in)
{
	if (decode(format, path, in)) {
		print_message("# %s\n", fault.text);
		fail();
	}
	return values_text(values, count);
}

static void test_lwm2m_paths(void **state)
{
	(void)state;
	static const char *const good[] = {"/", "/3", "/3/0", "/3/0/3", "/65535/65535/65535/65535"};
	static const char *const bad[] = {"",		"//",  "/3/",	  "/3//0",
					  "3/",		"/03", "/-1",	  "/65536",
					  "/3/0/3/0/0", "/a",  "/3/0/x",  "/3 ",
					  " /3",	"/+3", "/3/0/3/", "/99999999999999999999"};
	struct lwm2m_path path = {.count = 2, .id = {1, 2}};
	char text[LWM2M_PATH_TEXT];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		path = path_of(good[i]);
		assert_int_equal(path.count, i);
		assert_string_equal(lwm2m_path_text(&path, text), good[i]);
		if (i) {
			path = path_of(good[i] + 1);
			assert_string_equal(lwm2m_path_text(&path, text), good[i]);
		}
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(lwm2m_path_parse(text_bytes(bad[i]), &path), ERR_SYNTAX);
	/* untouched */
	assert_int_equal(path.count, 4);
}

static void test_lwm2m_text_and_opaque(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool ok;
		int64_t number;
	} rows[] = {
		{"0", true, 0},
		{"100", true, 100},
		{"-5", true, -5},
		{"-0", true, 0},
		{"9223372036854775807", true, INT64_MAX},
		{"-9223372036854775808", true, INT64_MIN},
		{"9223372036854775808", false, 0},
		{"-9223372036854775809", false, 0},
		{"", false, 0},
		{"-", false, 0},
		{"+1", false, 0},
		{" 1", false, 0},
		{"1.0", false, 0},
		{"0x1", false, 0},
	};
	char read[8];
	struct bytes b;
	double real = 0;
	bool yes = false;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t number = 7;
		assert_int_equal(decode(LWM2M_TEXT, "/3/0/9", input_text(rows[i].text)), 0);
		assert_int_equal(lwm2m_value_int(&values[0], &number), rows[i].ok);
		assert_true(number == (rows[i].ok ? rows[i].number : 7));
	}
	assert_string_equal(decoded(LWM2M_TEXT, "/3/0/3", input_text("1.2.3-\xc3\xa4")),
			    "/3/0/3 t 1.2.3-\xc3\xa4\n");
	assert_false(lwm2m_value_text(&values[0], read, 8));
	assert_false(lwm2m_value_bytes(&values[0], &b));
	assert_string_equal(decoded(LWM2M_TEXT, "/3/0/3", input_text("1.2.3-4")),
			    "/3/0/3 t 1.2.3-4\n");
	assert_true(lwm2m_value_text(&values[0], read, 8));
	assert_string_equal(read, "1.2.3-4");
	(void)decoded(LWM2M_TEXT, "/3/0/3", input_text("a\x1b[2J"));
	assert_false(lwm2m_value_text(&values[0], read, sizeof(read)));
	(void)decoded(LWM2M_TEXT, "/3/0/3", input_text("a\xff"));
	assert_false(lwm2m_value_text(&values[0], read, sizeof(read)));
	(void)decoded(LWM2M_TEXT, "/3/0/3", input_text("-1.5e3"));
	assert_true(lwm2m_value_real(&values[0], &real));
	assert_true(real == -1500);
	(void)decoded(LWM2M_TEXT, "/3/0/3", input_text("nan"));
	assert_false(lwm2m_value_real(&values[0], &real));
	(void)decoded(LWM2M_TEXT, "/3/0/3", input_text("1e999"));
	assert_false(lwm2m_value_real(&values[0], &real));
	(void)decoded(LWM2M_TEXT, "/3/0/3", input_text("1"));
	assert_true(lwm2m_value_bool(&values[0], &yes) && yes);
	(void)decoded(LWM2M_TEXT, "/3/0/3", input_text("true"));
	assert_false(lwm2m_value_bool(&values[0], &yes));
	assert_string_equal(decoded(LWM2M_OPAQUE, "/5/0/0", input_text("\1\2")), "/5/0/0 r 0102\n");
	assert_true(lwm2m_value_bytes(&values[0], &b));
	assert_int_equal(b.len, 2);

	assert_int_equal(decode(LWM2M_TEXT, "/3/0", input_text("1")), ERR_INVAL);
	assert_string_equal(fault.text, "/3/0 is no resource");
	assert_int_equal(decode(-1, "/3/0/3", input_text("1")), ERR_UNSUPPORTED);
	assert_string_equal(fault.text, "no Content-Format");
	assert_int_equal(decode(50, "/3/0/3", input_text("1")), ERR_UNSUPPORTED);
	assert_string_equal(fault.text, "Content-Format 50");
}

static void test_lwm2m_cbor_holds_one_value(void **state)
{
	(void)state;
	static const struct {
		const char *hex, *values;
		const char *fault;
	} rows[] = {
		{"1864", "/3/0/9 i 100\n", NULL},
		{"20", "/3/0/9 i -1\n", NULL},
		{"f5", "/3/0/9 b 1\n", NULL},
		{"63312e30", "/3/0/9 s 1.0\n", NULL},
		{"7f613102ff", NULL, "byte 4: a piece of another type"},
		{"7f6131612e6130ff", "/3/0/9 s 1.0\n", NULL},
		{"43010203", "/3/0/9 x 010203\n", NULL},
		{"c11a5182428f", "/3/0/9 i 1367491215\n", NULL},
		{"c0c11a5182428f", "/3/0/9 i 1367491215\n", NULL},
		{"f93c00", "/3/0/9 f 1\n", NULL},
		{"fa41b33333", "/3/0/9 f 22.3999996\n", NULL},
		{"fb4036666666666666", "/3/0/9 f 22.4\n", NULL},
		{"", NULL, "byte 0: truncated"},
		{"18", NULL, "byte 0: truncated"},
		{"c1", NULL, "byte 1: truncated"},
		{"0000", NULL, "byte 1: more after the end"},
		{"f6", NULL, "byte 0: not a number, text, bytes or a boolean"},
		{"8101", NULL, "byte 0: not a number, text, bytes or a boolean"},
		{"ff", NULL, "byte 1: unexpected break"},
		{"62c328", NULL, "byte 0: text that is not UTF-8"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].values) {
			assert_string_equal(decoded(LWM2M_CBOR, "/3/0/9", input_hex(rows[i].hex)),
					    rows[i].values);
			continue;
		}
		assert_int_not_equal(decode(LWM2M_CBOR, "/3/0/9", input_hex(rows[i].hex)), 0);
		assert_string_equal(fault.text, rows[i].fault);
	}
	assert_int_equal(decode(LWM2M_CBOR, "/3/0", input_hex("01")), ERR_INVAL);
}

static void test_lwm2m_a_value_is_what_it_must_be_or_nothing(void **state)
{
	(void)state;
	struct lwm2m_value v = {.path = path_of("/3/0/9"), .type = LWM2M_FLOAT, .real = 3};
	int64_t number = 7;
	double real = 0;
	bool yes = false;
	char text[4];
	struct bytes b;

	/* whole numbers as floats, as far as they are exact */
	assert_true(lwm2m_value_int(&v, &number));
	assert_int_equal(number, 3);
	v.real = 9007199254740992.0;
	assert_true(lwm2m_value_int(&v, &number));
	v.real = 9007199254740994.0;
	assert_false(lwm2m_value_int(&v, &number));
	v.real = 3.5;
	assert_false(lwm2m_value_int(&v, &number));
	v.real = (double)(0.0F / 0.0F);
	assert_false(lwm2m_value_int(&v, &number));
	assert_false(lwm2m_value_bool(&v, &yes));
	assert_false(lwm2m_value_text(&v, text, sizeof(text)));
	assert_false(lwm2m_value_bytes(&v, &b));
	v = (struct lwm2m_value){.path = v.path, .type = LWM2M_INT, .number = 1};
	assert_true(lwm2m_value_bool(&v, &yes) && yes);
	assert_true(lwm2m_value_real(&v, &real) && real == 1);
	assert_false(lwm2m_value_text(&v, text, sizeof(text)));
	v.number = 2;
	assert_false(lwm2m_value_bool(&v, &yes));
	v = (struct lwm2m_value){.path = v.path, .type = LWM2M_STRING, .bytes = text_bytes("123")};
	assert_false(lwm2m_value_int(&v, &number));
	assert_false(lwm2m_value_bool(&v, &yes));
	assert_false(lwm2m_value_real(&v, &real));
	assert_false(lwm2m_value_bytes(&v, &b));
	assert_true(lwm2m_value_text(&v, text, sizeof(text)));
	assert_false(lwm2m_value_text(&v, text, sizeof(text) - 1));
	v = (struct lwm2m_value){.path = v.path, .type = LWM2M_BYTES, .bytes = text_bytes("123")};
	assert_true(lwm2m_value_bytes(&v, &b));
	assert_false(lwm2m_value_text(&v, text, sizeof(text)));
	assert_false(lwm2m_value_int(&v, &number));
}

static const char *encoded(int format, const struct lwm2m_value *v)
{
	static char text[512];
	uint8_t raw[200];
	struct buf out = buf_writer(raw, sizeof(raw)), b = buf_writer(text, sizeof(text));
	int err = lwm2m_encode(format, v, &out);

	if (err)
		return err_word(err);
	if (format == LWM2M_TEXT || format == LWM2M_SENML_JSON)
		buf_put_bytes(&b, raw, out.pos);
	else
		buf_put_hex(&b, raw, out.pos);
	return buf_cstr(&b);
}

static void test_lwm2m_encode_golden(void **state)
{
	(void)state;
	const struct lwm2m_path path = path_of("/5/0/1");
	const struct lwm2m_value uri = {
		.path = path, .type = LWM2M_STRING, .bytes = text_bytes("coaps://h/\"x\"")};
	const struct lwm2m_value number = {.path = path, .type = LWM2M_INT, .number = -129};
	const struct lwm2m_value half = {.path = path, .type = LWM2M_FLOAT, .real = 0.5};
	const struct lwm2m_value two = {.path = path, .type = LWM2M_FLOAT, .real = 2};
	const struct lwm2m_value nan = {
		.path = path, .type = LWM2M_FLOAT, .real = (double)(0.0F / 0.0F)};
	const struct lwm2m_value yes = {.path = path, .type = LWM2M_BOOL, .number = 1};
	const struct lwm2m_value raw = {
		.path = path, .type = LWM2M_RAW, .bytes = text_bytes("\xfb\xff\x01\x02")};
	const struct lwm2m_value bytes = {
		.path = path, .type = LWM2M_BYTES, .bytes = text_bytes("\xfb\xff\x01")};
	const struct lwm2m_value plain = {
		.path = path, .type = LWM2M_RAW, .text_form = true, .bytes = text_bytes("1")};
	const struct {
		int format;
		const struct lwm2m_value *v;
		const char *out;
	} rows[] = {
		{LWM2M_TEXT, &uri, "coaps://h/\"x\""},
		{LWM2M_TEXT, &number, "-129"},
		{LWM2M_TEXT, &half, "0.5"},
		{LWM2M_TEXT, &two, "2.0"},
		{LWM2M_TEXT, &nan, "unsupported"},
		{LWM2M_TEXT, &yes, "1"},
		{LWM2M_TEXT, &raw, "+/8BAg=="},
		{LWM2M_TEXT, &bytes, "+/8B"},
		{LWM2M_TEXT, &plain, "1"},
		{LWM2M_OPAQUE, &bytes, "fbff01"},
		{LWM2M_OPAQUE, &raw, "fbff0102"},
		{LWM2M_OPAQUE, &uri, "unsupported"},
		{LWM2M_CBOR, &uri, "6d636f6170733a2f2f682f227822"},
		{LWM2M_CBOR, &number, "3880"},
		{LWM2M_CBOR, &half, "fb3fe0000000000000"},
		{LWM2M_CBOR, &yes, "f5"},
		{LWM2M_CBOR, &bytes, "43fbff01"},
		{LWM2M_CBOR, &plain, "6131"},
		{LWM2M_SENML_CBOR, &uri, "81a221662f352f302f31036d636f6170733a2f2f682f227822"},
		{LWM2M_SENML_CBOR, &number, "81a221662f352f302f31023880"},
		{LWM2M_SENML_CBOR, &yes, "81a221662f352f302f3104f5"},
		{LWM2M_SENML_CBOR, &raw, "81a221662f352f302f310844fbff0102"},
		{LWM2M_SENML_JSON, &uri, "[{\"bn\":\"/5/0/1\",\"vs\":\"coaps://h/\\\"x\\\"\"}]"},
		{LWM2M_SENML_JSON, &number, "[{\"bn\":\"/5/0/1\",\"v\":-129}]"},
		{LWM2M_SENML_JSON, &two, "[{\"bn\":\"/5/0/1\",\"v\":2.0}]"},
		{LWM2M_SENML_JSON, &nan, "unsupported"},
		{LWM2M_SENML_JSON, &yes, "[{\"bn\":\"/5/0/1\",\"vb\":true}]"},
		{LWM2M_SENML_JSON, &raw, "[{\"bn\":\"/5/0/1\",\"vd\":\"-_8BAg\"}]"},
		{LWM2M_TLV, &number, "c201ff7f"},
		{LWM2M_TLV, &uri, "c8010d636f6170733a2f2f682f227822"},
		{LWM2M_JSON, &number, "unsupported"},
		{LWM2M_LINK, &number, "unsupported"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(encoded(rows[i].format, rows[i].v), rows[i].out);
}

static void test_lwm2m_encode_all_needs_a_format_for_it(void **state)
{
	(void)state;
	struct lwm2m_value two[2] = {{.path = path_of("/5/0/3"), .type = LWM2M_INT},
				     {.path = path_of("/5/0/5"), .type = LWM2M_INT}};
	uint8_t raw[64];
	struct buf out = buf_writer(raw, sizeof(raw));
	struct lwm2m_path base = path_of("/5/0");

	assert_int_equal(lwm2m_encode_all(LWM2M_TEXT, &base, two, 2, &out), ERR_UNSUPPORTED);
	assert_int_equal(lwm2m_encode_all(LWM2M_TEXT, &base, two, 1, &out), ERR_UNSUPPORTED);
	assert_int_equal(lwm2m_encode_all(LWM2M_CBOR, &base, two, 1, &out), ERR_UNSUPPORTED);
	assert_int_equal(out.pos, 0);
	assert_int_equal(lwm2m_encode_all(LWM2M_SENML_JSON, &base, two, 2, &out), 0);
	assert_memory_equal(raw, "[{\"bn\":\"/5/0/\",\"n\":\"3\",\"v\":0},{\"n\":\"5\",\"v\":0}]",
			    out.pos);
	out = buf_writer(raw, 20);
	assert_int_equal(lwm2m_encode_all(LWM2M_SENML_JSON, &base, two, 2, &out), ERR_LIMIT);
	out = buf_writer(raw, sizeof(raw));
	assert_int_equal(lwm2m_encode_all(LWM2M_SENML_JSON, &base, two, 0, &out), 0);
	assert_memory_equal(raw, "[]", out.pos);
}

/* ---- there and back ---- */

static uint64_t seed;

static unsigned rnd(unsigned below)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(seed >> 33) % below;
}

/* Values in the order that encode_all wants, with some of all types. */
static size_t random_values(struct lwm2m_value *dst, unsigned base_count,
			    uint8_t texts[LWM2M_VALUES][300])
{
	size_t n = 1 + rnd(20);
	struct lwm2m_path path = {.count = 3, .id = {(uint16_t)rnd(65536), 0, 0, 0}};

	for (size_t i = 0; i < n; i++) {
		struct lwm2m_value *v = &dst[i];
		size_t len = rnd(3) ? rnd(10) : rnd(300);
		for (size_t k = 0; k < len; k++)
			texts[i][k] = (uint8_t)(' ' + rnd(95));
		if (path.count == 4 && rnd(3))
			path.id[3] = (uint16_t)(path.id[3] + 1 + rnd(300));
		else if (base_count == 1 && rnd(5) == 0 && path.id[1] < 60000)
			path = (struct lwm2m_path){
				.count = 3,
				.id = {path.id[0], (uint16_t)(path.id[1] + 1 + rnd(300))}};
		else
			path = (struct lwm2m_path){.count = rnd(3) ? 3 : 4,
						   .id = {path.id[0], path.id[1],
							  (uint16_t)(path.id[2] + 1 + rnd(300))}};
		*v = (struct lwm2m_value){.path = path, .type = (enum lwm2m_type)(1 + rnd(5))};
		if (v->type == LWM2M_INT)
			v->number = (int64_t)(seed >> rnd(64)) * (rnd(2) ? 1 : -1);
		else if (v->type == LWM2M_BOOL)
			v->number = rnd(2);
		else if (v->type == LWM2M_FLOAT)
			v->real = (double)((int64_t)seed >> rnd(64)) / (rnd(2) ? 1 : 3);
		else
			v->bytes = (struct bytes){texts[i], len};
	}
	return n;
}

static void same(const struct lwm2m_value *a, const struct lwm2m_value *b)
{
	int64_t number = 0;
	double real = 0;
	struct bytes bytes;
	char text[512], wanted[512];

	assert_int_equal(a->path.count, b->path.count);
	assert_memory_equal(a->path.id, b->path.id, 2U * a->path.count);
	switch (a->type) {
	case LWM2M_INT:
	case LWM2M_BOOL:
		assert_true(b->type == LWM2M_BOOL || lwm2m_value_int(b, &number));
		assert_true(a->number == (b->type == LWM2M_BOOL ? b->number : number));
		break;
	case LWM2M_FLOAT:
		assert_true(lwm2m_value_real(b, &real));
		assert_true(a->real == real);
		break;
	case LWM2M_STRING:
		assert_true(lwm2m_value_text(b, text, sizeof(text)));
		assert_true(lwm2m_value_text(a, wanted, sizeof(wanted)));
		assert_string_equal(text, wanted);
		break;
	case LWM2M_RAW:
	case LWM2M_BYTES:
		assert_true(lwm2m_value_bytes(b, &bytes));
		assert_true(bytes_equal(a->bytes, bytes));
		break;
	}
}

static void test_lwm2m_what_is_written_is_read(void **state)
{
	(void)state;
	static const int formats[] = {LWM2M_TLV, LWM2M_SENML_CBOR, LWM2M_SENML_JSON};
	static uint8_t texts[LWM2M_VALUES][300];
	static struct lwm2m_value in[LWM2M_VALUES];
	uint8_t raw[LIMIT_LWM2M_PAYLOAD];
	unsigned read = 0;

	for (seed = 1; seed; seed = read < 3000 ? seed : 0) {
		unsigned base_count = 1 + rnd(2);
		size_t n = random_values(in, base_count, texts);
		struct lwm2m_path base = in[0].path;
		base.count = (uint8_t)base_count;
		for (size_t f = 0; f < 3; f++) {
			struct buf out = buf_writer(raw, sizeof(raw));
			if (lwm2m_encode_all(formats[f], &base, in, n, &out))
				continue; /* too long */
			int err = lwm2m_decode(formats[f], buf_bytes(&out), &base, values,
					       LWM2M_VALUES, &count, scratch, &fault);
			if (err == ERR_LIMIT)
				continue; /* more texts than the scratch */
			assert_int_equal(err, 0);
			assert_int_equal(count, n);
			for (size_t i = 0; i < n; i++)
				same(&in[i], &values[i]);
			read++;
		}
	}
	/* one value, as a Write has it */
	static const int single[] = {LWM2M_CBOR, LWM2M_TLV, LWM2M_SENML_CBOR, LWM2M_SENML_JSON,
				     LWM2M_TEXT};
	seed = 2;
	for (int i = 0; i < 2000; i++) {
		(void)random_values(in, 2, texts);
		for (size_t f = 0; f < sizeof(single) / sizeof(single[0]); f++) {
			struct buf out = buf_writer(raw, sizeof(raw));
			if (single[f] == LWM2M_TEXT && in[0].type == LWM2M_BYTES)
				continue;
			assert_int_equal(lwm2m_encode(single[f], &in[0], &out), 0);
			assert_int_equal(lwm2m_decode(single[f], buf_bytes(&out), &in[0].path,
						      values, LWM2M_VALUES, &count, scratch,
						      &fault),
					 0);
			assert_int_equal(count, 1);
			same(&in[0], &values[0]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lwm2m_paths),
		cmocka_unit_test(test_lwm2m_text_and_opaque),
		cmocka_unit_test(test_lwm2m_cbor_holds_one_value),
		cmocka_unit_test(test_lwm2m_a_value_is_what_it_must_be_or_nothing),
		cmocka_unit_test(test_lwm2m_encode_golden),
		cmocka_unit_test(test_lwm2m_encode_all_needs_a_format_for_it),
		cmocka_unit_test(test_lwm2m_what_is_written_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
