/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/input.h"
#include "wire/json.h"

#define RICH                                                                                       \
	"{\"0\": 1000, \"1\":-100,\"2\":\"01020aFf\",\"3\":\"a-\\u20ac\",\"4\":true,\"5\":null,"   \
	"\"6\":[1,[2,3],false],\"7\":{\"x\":{}},\"64\":2.0,\"-1\":1e3}"

static struct wire_msg msg;

static int decode_bytes(const char *text, size_t len)
{
	int err = wire_json_decode(input_keep(text, len), &msg);

	/* Frees the input before the result is read: nothing points into it. */
	(void)input_keep("", 0);
	assert_int_equal(err, msg.fault.err);
	assert_true(err ? msg.fault.text[0] != 0 : msg.fault.text[0] == 0);
	return err;
}

static int decode(const char *text)
{
	return decode_bytes(text, strlen(text));
}

static void test_json_decodes_every_kind_of_value(void **state)
{
	(void)state;
	static const enum wire_type types[] = {
		WIRE_UINT, WIRE_NINT,  WIRE_TEXT, WIRE_TEXT,  WIRE_BOOL,  WIRE_NULL, WIRE_ARRAY,
		WIRE_UINT, WIRE_OTHER, WIRE_BOOL, WIRE_OTHER, WIRE_OTHER, WIRE_OTHER};
	char text[8];

	assert_int_equal(decode(RICH), 0);
	assert_int_equal(msg.count, 13);
	for (unsigned i = 0; i < msg.count; i++)
		assert_int_equal(msg.nodes[i].type, types[i]);
	assert_int_equal(wire_get_uint(&msg, &msg.nodes[0], 0, 1000), 1000);
	assert_int_equal(wire_get_int(&msg, &msg.nodes[1], -100, 0), -100);
	struct bytes b = wire_get_bytes(&msg, &msg.nodes[2], 4, 4);
	assert_memory_equal(b.ptr, "\1\2\x0a\xff", 4);
	/* asked twice, still the same bytes */
	b = wire_get_bytes(&msg, &msg.nodes[2], 4, 4);
	assert_memory_equal(b.ptr, "\1\2\x0a\xff", 4);
	wire_get_text(&msg, &msg.nodes[3], 0, 7, text);
	assert_string_equal(text, "a-\xe2\x82\xac");
	assert_true(wire_get_bool(&msg, &msg.nodes[4]));
	assert_non_null(wire_get_array(&msg, &msg.nodes[6], 3));
	assert_int_equal(msg.nodes[9].element, 2);
	assert_int_equal(msg.nodes[12].key, -1);
	assert_int_equal(msg.fault.err, 0);
}

static void test_json_every_truncation_is_told(void **state)
{
	(void)state;
	for (size_t len = 0; len < strlen(RICH); len++)
		assert_int_not_equal(decode_bytes(RICH, len), 0);
}

static void test_json_malformed_says_what_and_where(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int err;
		const char *fault;
	} rows[] = {
		{"", ERR_TRUNC, "byte 0: truncated"},
		{"{\"0\":1", ERR_TRUNC, "byte 6: truncated"},
		{"[]", ERR_SYNTAX, "byte 0: not an object"},
		{"1", ERR_SYNTAX, "byte 1: not well-formed JSON"},
		{"{\"0\":1}x", ERR_EXTRA, "byte 8: more after the end"},
		{"{\"0\":1,}", ERR_SYNTAX, "byte 8: not well-formed JSON"},
		{"{\"0\":01}", ERR_SYNTAX, "byte 6: not well-formed JSON"},
		{"{\"0\":1,\"0\":2}", ERR_EXIST, "byte 10: a key that comes twice"},
		{"{\"0\":\"\xff\"}", ERR_SYNTAX, "byte 6: text that is not UTF-8"},
		{"{\"0\":\"\\u0000\"}", ERR_SYNTAX, "byte 13: a NUL character"},
		{"{\"0\":9223372036854775808}", ERR_RANGE, "byte 24: a number beyond 64 bits"},
		{"{\"boot\":1}", ERR_SYNTAX, "a key that is not a decimal integer"},
		{"{\"\":1}", ERR_SYNTAX, "a key that is not a decimal integer"},
		{"{\"-\":1}", ERR_SYNTAX, "a key that is not a decimal integer"},
		{"{\"00\":1}", ERR_SYNTAX, "a key that is not a decimal integer"},
		{"{\"-0\":1}", ERR_SYNTAX, "a key that is not a decimal integer"},
		{"{\"+1\":1}", ERR_SYNTAX, "a key that is not a decimal integer"},
		{"{\" 1\":1}", ERR_SYNTAX, "a key that is not a decimal integer"},
		{"{\"1.0\":1}", ERR_SYNTAX, "a key that is not a decimal integer"},
		{"{\"9223372036854775808\":1}", ERR_RANGE, "a key that is not a decimal integer"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(decode(rows[i].text), rows[i].err);
		if (strcmp(msg.fault.text, rows[i].fault) != 0)
			print_message("# %s\n", rows[i].text);
		assert_string_equal(msg.fault.text, rows[i].fault);
	}
	assert_int_equal(decode_bytes("{\"0\":1\0}", 8), ERR_SYNTAX);
}

static void test_json_numbers_reach_both_ends(void **state)
{
	(void)state;
	assert_int_equal(decode("{\"9223372036854775807\":9223372036854775807,"
				"\"-9223372036854775807\":-9223372036854775808}"),
			 0);
	assert_true(msg.nodes[0].key == INT64_MAX);
	assert_true(wire_get_int(&msg, &msg.nodes[0], INT64_MIN, INT64_MAX) == INT64_MAX);
	assert_true(wire_get_int(&msg, &msg.nodes[1], INT64_MIN, INT64_MAX) == INT64_MIN);
	assert_int_equal(msg.fault.err, 0);
}

static void test_json_length_at_limit_and_beyond(void **state)
{
	(void)state;
	char text[LIMIT_NATIVE_JSON + 2];

	memset(text, 'a', sizeof(text));
	memcpy(text, "{\"0\":\"", 6);
	memcpy(text + LIMIT_NATIVE_JSON - 2, "\"}", 3);
	assert_int_equal(decode_bytes(text, LIMIT_NATIVE_JSON), 0);
	assert_int_equal(msg.nodes[0].bytes.len, LIMIT_NATIVE_JSON - 8);
	memcpy(text + LIMIT_NATIVE_JSON - 2, "a\"}", 4);
	assert_int_equal(decode_bytes(text, LIMIT_NATIVE_JSON + 1), ERR_LIMIT);
	assert_string_equal(msg.fault.text, "longer than 1024 bytes");
}

static void test_json_nodes_at_limit_and_beyond(void **state)
{
	(void)state;
	for (unsigned extra = 0; extra < 2; extra++) {
		char text[1024];
		struct buf b = buf_writer(text, sizeof(text));
		struct wire_writer w = wire_writer(WIRE_JSON, &b);
		wire_put_map(&w, 1);
		wire_put_key(&w, 0);
		wire_put_array(&w, LIMIT_WIRE_NODES - 1 + extra);
		for (unsigned i = 0; i < LIMIT_WIRE_NODES - 1 + extra; i++)
			wire_put_uint(&w, i);
		assert_int_equal(wire_writer_end(&w), 0);
		assert_int_equal(decode(buf_cstr(&b)), extra ? ERR_LIMIT : 0);

		b = buf_writer(text, sizeof(text));
		w = wire_writer(WIRE_JSON, &b);
		wire_put_map(&w, LIMIT_WIRE_NODES + extra);
		for (unsigned i = 0; i < LIMIT_WIRE_NODES + extra; i++) {
			wire_put_key(&w, i);
			wire_put_null(&w);
		}
		assert_int_equal(wire_writer_end(&w), 0);
		assert_int_equal(decode(buf_cstr(&b)), extra ? ERR_LIMIT : 0);
	}
	assert_string_equal(msg.fault.text, "more than 64 values");
}

static void test_json_depth_at_limit_and_beyond(void **state)
{
	(void)state;
	assert_int_equal(decode("{\"0\":[[[[[[[0]]]]]]]}"), 0);
	assert_int_equal(decode("{\"0\":[[[[[[[[0]]]]]]]]}"), ERR_LIMIT);
	assert_string_equal(msg.fault.text, "nested too deeply");
	/* brackets inside strings do not nest, one after another does not either */
	assert_int_equal(decode("{\"0\":\"[[[[[[[[[[\\\"[[\\\\\",\"1\":[[],[],[],[],[],[],[],[]]}"),
			 0);
}

static void test_json_bytes_are_hex(void **state)
{
	(void)state;
	static const char *const bad[] = {"{\"0\":\"012\"}", "{\"0\":\"0g\"}", "{\"0\":\"0 \"}"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(decode(bad[i]), 0);
		assert_null(wire_get_bytes(&msg, &msg.nodes[0], 0, 9).ptr);
		assert_int_equal(msg.fault.err, ERR_SYNTAX);
		assert_string_equal(msg.fault.text, "key 0: not hex digits");
	}
	/* lengths are those of the bytes */
	assert_int_equal(decode("{\"0\":\"010203\"}"), 0);
	assert_int_equal(wire_get_bytes(&msg, &msg.nodes[0], 3, 3).len, 3);
	assert_int_equal(decode("{\"0\":\"010203\"}"), 0);
	assert_null(wire_get_bytes(&msg, &msg.nodes[0], 0, 2).ptr);
	assert_string_equal(msg.fault.text, "key 0: longer than 2 bytes");
	assert_int_equal(decode("{\"0\":\"\"}"), 0);
	(void)wire_get_bytes(&msg, &msg.nodes[0], 1, 2);
	assert_string_equal(msg.fault.text, "key 0: empty");
	assert_int_equal(decode("{\"0\":1}"), 0);
	(void)wire_get_bytes(&msg, &msg.nodes[0], 1, 2);
	assert_string_equal(msg.fault.text, "key 0: a number, not bytes");
}

static void test_json_put_golden(void **state)
{
	(void)state;
	char text[256];
	struct buf b = buf_writer(text, sizeof(text));
	struct wire_writer w = wire_writer(WIRE_JSON, &b);

	wire_put_map(&w, 9);
	wire_put_key(&w, 0);
	wire_put_uint(&w, UINT64_MAX);
	wire_put_key(&w, 1);
	wire_put_int(&w, INT64_MIN);
	wire_put_key(&w, 2);
	wire_put_bytes(&w, "\1\2\x0a\xff", 4);
	wire_put_key(&w, 3);
	wire_put_text(&w, "\"\\\n\x1b\xe2\x82\xac");
	wire_put_key(&w, 4);
	wire_put_bool(&w, true);
	wire_put_key(&w, 5);
	wire_put_null(&w);
	wire_put_key(&w, 6);
	wire_put_array(&w, 4);
	wire_put_int(&w, 1);
	wire_put_array(&w, 0);
	wire_put_array(&w, 1);
	wire_put_text(&w, "");
	wire_put_bool(&w, false);
	wire_put_key(&w, 7);
	wire_put_map(&w, 0);
	wire_put_key(&w, -1);
	wire_put_int(&w, -1);
	assert_int_equal(wire_writer_end(&w), 0);
	assert_string_equal(buf_cstr(&b),
			    "{\"0\":18446744073709551615,\"1\":-9223372036854775808,"
			    "\"2\":\"01020aff\",\"3\":\"\\\"\\\\\\u000a\\u001b\xe2\x82\xac\","
			    "\"4\":true,\"5\":null,\"6\":[1,[],[\"\"],false],\"7\":{},\"-1\":-1}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_decodes_every_kind_of_value),
		cmocka_unit_test(test_json_every_truncation_is_told),
		cmocka_unit_test(test_json_malformed_says_what_and_where),
		cmocka_unit_test(test_json_numbers_reach_both_ends),
		cmocka_unit_test(test_json_length_at_limit_and_beyond),
		cmocka_unit_test(test_json_nodes_at_limit_and_beyond),
		cmocka_unit_test(test_json_depth_at_limit_and_beyond),
		cmocka_unit_test(test_json_bytes_are_hex),
		cmocka_unit_test(test_json_put_golden),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
