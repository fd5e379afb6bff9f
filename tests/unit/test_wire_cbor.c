/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/input.h"
#include "wire/cbor.h"

/* clang-format off */
#define RICH                                                                                       \
	"aa"				   /* a map of ten */                                      \
	"00" "1903e8"			   /* 0: 1000 */                                           \
	"01" "3863"			   /* 1: -100 */                                           \
	"02" "4401020304"		   /* 2: h'01020304' */                                    \
	"03" "63612d62"			   /* 3: "a-b" */                                          \
	"04" "f5"			   /* 4: true */                                           \
	"05" "f6"			   /* 5: null */                                           \
	"06" "8301820203f4"		   /* 6: [1, [2, 3], false] */                             \
	"07" "a101a20203f90000f7"	   /* 7: {1: {2: 3, 0.0: undefined}} */                    \
	"1840" "c1fb4000000000000000"	   /* 64: 1(2.0) */                                        \
	"20" "7f61616162ff"		   /* -1: (_ "a", "b") */
/* clang-format on */

static struct wire_msg msg;

static int decode(const char *hex)
{
	int err = wire_cbor_decode(input_hex(hex), &msg);

	assert_int_equal(err, msg.fault.err);
	assert_true(err ? msg.fault.text[0] != 0 : msg.fault.text[0] == 0);
	return err;
}

static void test_cbor_decodes_every_kind_of_value(void **state)
{
	(void)state;
	static const enum wire_type types[] = {
		WIRE_UINT, WIRE_NINT,  WIRE_BYTES, WIRE_TEXT,  WIRE_BOOL,  WIRE_NULL, WIRE_ARRAY,
		WIRE_UINT, WIRE_OTHER, WIRE_BOOL,  WIRE_OTHER, WIRE_OTHER, WIRE_OTHER};
	assert_int_equal(decode(RICH), 0);
	assert_int_equal(msg.count, 13);
	for (unsigned i = 0; i < msg.count; i++)
		assert_int_equal(msg.nodes[i].type, types[i]);
	assert_int_equal(msg.nodes[0].number, 1000);
	assert_int_equal(wire_get_int(&msg, &msg.nodes[1], -100, 0), -100);
	assert_memory_equal(msg.nodes[2].bytes.ptr, "\1\2\3\4", 4);
	assert_memory_equal(msg.nodes[3].bytes.ptr, "a-b", 3);
	assert_int_equal(msg.nodes[6].number, 3);
	assert_int_equal(msg.nodes[8].key, 6);
	assert_int_equal(msg.nodes[8].element, 1);
	assert_int_equal(msg.nodes[11].key, 64);
	assert_int_equal(msg.nodes[12].key, -1);
	assert_int_equal(msg.nodes[12].element, -1);
}

static void test_cbor_each_visits_members_only(void **state)
{
	(void)state;
	static const int64_t keys[] = {0, 1, 2, 3, 4, 5, 6, 7, 64, -1};
	unsigned i = 0;

	assert_int_equal(decode(RICH), 0);
	WIRE_EACH(n, &msg)
	assert_int_equal(n->key, keys[i++]);
	assert_int_equal(i, 10);
}

static void test_cbor_indefinite_is_the_same(void **state)
{
	(void)state;
	assert_int_equal(decode("bf009f0102ff01bf0203ff02f5ff"), 0);
	assert_int_equal(msg.count, 5);
	assert_int_equal(msg.nodes[0].type, WIRE_ARRAY);
	assert_int_equal(msg.nodes[0].number, 2);
	assert_int_equal(msg.nodes[3].type, WIRE_OTHER);
	assert_int_equal(msg.nodes[4].type, WIRE_BOOL);
	assert_int_equal(decode("bfff"), 0);
	assert_int_equal(msg.count, 0);
	assert_int_equal(decode("a0"), 0);
	/* longer than needed */
	assert_int_equal(decode("ba000000011b00000000000000021900ff"), 0);
	assert_int_equal(msg.nodes[0].key, 2);
	assert_int_equal(msg.nodes[0].number, 255);
}

static void test_cbor_every_truncation_is_told(void **state)
{
	(void)state;
	char hex[] = RICH;

	for (size_t len = strlen(hex); len; len -= 2) {
		hex[len - 2] = 0;
		assert_int_equal(decode(hex), ERR_TRUNC);
		assert_non_null(strstr(msg.fault.text, "truncated"));
	}
	char open[] = "bf009f0102ff01bf0203ff025f4101ffff";
	for (size_t len = strlen(open); len; len -= 2) {
		open[len - 2] = 0;
		assert_int_equal(decode(open), ERR_TRUNC);
	}
}

static void test_cbor_malformed_says_what_and_where(void **state)
{
	(void)state;
	static const struct {
		const char *hex;
		int err;
		const char *text;
	} rows[] = {
		{"", ERR_TRUNC, "byte 0: truncated"},
		{"00", ERR_SYNTAX, "byte 0: not a map"},
		{"80", ERR_SYNTAX, "byte 0: not a map"},
		{"ff", ERR_SYNTAX, "byte 0: not a map"},
		{"d9d9f7a0", ERR_SYNTAX, "byte 0: not a map"},
		{"a000", ERR_EXTRA, "byte 1: more after the end of the map"},
		{"a1000000", ERR_EXTRA, "byte 3: more after the end of the map"},
		{"a11c00", ERR_SYNTAX, "byte 1: not well-formed CBOR"},
		{"a100fc", ERR_SYNTAX, "byte 2: not well-formed CBOR"},
		{"a10060", 0, ""},
		{"a16000", ERR_SYNTAX, "byte 1: a key that is not an integer"},
		{"a1f500", ERR_SYNTAX, "byte 1: a key that is not an integer"},
		{"a1c10000", ERR_SYNTAX, "byte 2: a key that is not an integer"},
		{"a11b800000000000000000", ERR_RANGE, "byte 1: a key beyond 64 bits"},
		{"a13b800000000000000000", ERR_RANGE, "byte 1: a key beyond 64 bits"},
		{"a200000000", ERR_EXIST, "key 0: comes twice"},
		{"a2200020f6", ERR_EXIST, "key -1: comes twice"},
		{"a300810100000000", ERR_EXIST, "key 0: comes twice"},
		{"a10061ff", ERR_SYNTAX, "byte 2: text that is not UTF-8"},
		{"a100ff", ERR_SYNTAX, "byte 2: unexpected break"},
		{"bf00ff", ERR_SYNTAX, "byte 2: unexpected break"},
		{"bf00c1ff", ERR_SYNTAX, "byte 3: unexpected break"},
		{"a1008101ff", ERR_EXTRA, "byte 4: more after the end of the map"},
		{"a1005f6161ff", ERR_SYNTAX, "byte 3: a piece of another type"},
		{"a1007f4161ff", ERR_SYNTAX, "byte 3: a piece of another type"},
		{"a1005f5f41ffff", ERR_SYNTAX, "byte 3: a piece of another type"},
		{"a1005fc14161ff", ERR_SYNTAX, "byte 3: a piece of another type"},
		{"a1007f61c3ff", ERR_SYNTAX, "byte 3: text that is not UTF-8"},
		{"a1009bffffffffffffffff", ERR_TRUNC, "byte 2: truncated"},
		{"bbffffffffffffffff", ERR_TRUNC, "byte 0: truncated"},
		{"a1005bffffffffffffffff00", ERR_TRUNC, "byte 2: truncated"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(decode(rows[i].hex), rows[i].err);
		assert_string_equal(msg.fault.text, rows[i].text);
	}
}

static void test_cbor_keys_reach_both_ends(void **state)
{
	(void)state;
	assert_int_equal(decode("a21b7fffffffffffffff003b7fffffffffffffff00"), 0);
	assert_true(msg.nodes[0].key == INT64_MAX);
	assert_true(msg.nodes[1].key == INT64_MIN);
}

static void test_cbor_nodes_at_limit_and_beyond(void **state)
{
	(void)state;
	uint8_t raw[512];

	for (unsigned extra = 0; extra < 2; extra++) {
		/* an array and its elements, so one node less */
		struct buf b = buf_writer(raw, sizeof(raw));
		struct wire_writer w = wire_writer(WIRE_CBOR, &b);
		wire_put_map(&w, 1);
		wire_put_key(&w, 0);
		wire_put_array(&w, LIMIT_WIRE_NODES - 1 + extra);
		for (unsigned i = 0; i < LIMIT_WIRE_NODES - 1 + extra; i++)
			wire_put_uint(&w, i);
		assert_int_equal(wire_writer_end(&w), 0);
		assert_int_equal(wire_cbor_decode(buf_bytes(&b), &msg), extra ? ERR_LIMIT : 0);

		b = buf_writer(raw, sizeof(raw));
		w = wire_writer(WIRE_CBOR, &b);
		wire_put_map(&w, LIMIT_WIRE_NODES + extra);
		for (unsigned i = 0; i < LIMIT_WIRE_NODES + extra; i++) {
			wire_put_key(&w, i);
			wire_put_null(&w);
		}
		assert_int_equal(wire_writer_end(&w), 0);
		assert_int_equal(wire_cbor_decode(buf_bytes(&b), &msg), extra ? ERR_LIMIT : 0);
	}
	assert_string_equal(msg.fault.text, "more than 64 values");
}

static void test_cbor_ignored_content_needs_no_nodes(void **state)
{
	(void)state;
	uint8_t raw[256] = {0xa1, 0x00, 0xa1, 0x00, 0x98, 200};

	assert_int_equal(wire_cbor_decode((struct bytes){raw, 206}, &msg), 0);
	assert_int_equal(msg.count, 1);
	assert_int_equal(msg.nodes[0].type, WIRE_OTHER);
}

static void test_cbor_depth_at_limit_and_beyond(void **state)
{
	(void)state;
	/* the map and seven arrays; eight arrays */
	assert_int_equal(decode("a1008181818181818100"), 0);
	assert_int_equal(decode("a100818181818181818100"), ERR_LIMIT);
	assert_string_equal(msg.fault.text, "byte 9: nested too deeply");
	assert_int_equal(decode("a1009f9f9f9f9f9f5fffffffffffffff"), 0);
	assert_int_equal(decode("a1009f9f9f9f9f9f9f5fffffffffffffffff"), ERR_LIMIT);
}

static void test_cbor_utf8(void **state)
{
	(void)state;
	static const char *const good[] = {"",
					   "a",
					   "\xc3\xa4",
					   "\xe2\x82\xac",
					   "\xf0\x9f\x93\xae",
					   "\xed\x9f\xbf",
					   "\xee\x80\x80",
					   "\xf4\x8f\xbf\xbf"};
	static const char *const bad[] = {"\x80",
					  "\xc0\xaf",
					  "\xc1\xbf",
					  "\xc3",
					  "\xc3(",
					  "\xe0\x9f\xbf",
					  "\xe2\x82",
					  "\xe2(\xac",
					  "\xed\xa0\x80",
					  "\xed\xbf\xbf",
					  "\xf0\x8f\xbf\xbf",
					  "\xf4\x90\x80\x80",
					  "\xf5\x80\x80\x80",
					  "\xff",
					  "a\xfe"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(
			wire_utf8_ok((struct bytes){(const uint8_t *)good[i], strlen(good[i])}));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(wire_utf8_ok((struct bytes){(const uint8_t *)bad[i], strlen(bad[i])}));
}

static void test_get_numbers_at_limit_and_beyond(void **state)
{
	(void)state;
	/* 0: 10, 1: -10, 2: 2^64 - 1, 3: -2^64, 4: 2^63 - 1, 5: -2^63 */
	const char *hex = "a6000a0129021bffffffffffffffff033bffffffffffffffff"
			  "041b7fffffffffffffff053b7fffffffffffffff";

	assert_int_equal(decode(hex), 0);
	assert_int_equal(wire_get_uint(&msg, &msg.nodes[0], 10, 10), 10);
	assert_int_equal(wire_get_int(&msg, &msg.nodes[0], 10, 10), 10);
	assert_int_equal(wire_get_int(&msg, &msg.nodes[1], -10, -10), -10);
	assert_true(wire_get_uint(&msg, &msg.nodes[2], 0, UINT64_MAX) == UINT64_MAX);
	assert_true(wire_get_int(&msg, &msg.nodes[4], INT64_MIN, INT64_MAX) == INT64_MAX);
	assert_true(wire_get_int(&msg, &msg.nodes[5], INT64_MIN, INT64_MAX) == INT64_MIN);
	assert_int_equal(msg.fault.err, 0);

	static const struct {
		unsigned node;
		int64_t min, max;
		const char *text;
	} rows[] = {
		{0, 11, 20, "key 0: not in 11..20"}, {0, 0, 9, "key 0: not in 0..9"},
		{1, -9, 0, "key 1: not in -9..0"},   {1, -20, -11, "key 1: not in -20..-11"},
		{2, 0, 9, "key 2: not in 0..9"},     {3, -1, 9, "key 3: not in -1..9"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(decode(hex), 0);
		assert_int_equal(
			wire_get_int(&msg, &msg.nodes[rows[i].node], rows[i].min, rows[i].max), 0);
		assert_int_equal(msg.fault.err, ERR_RANGE);
		assert_string_equal(msg.fault.text, rows[i].text);
	}
	assert_int_equal(decode(hex), 0);
	assert_int_equal(wire_get_uint(&msg, &msg.nodes[0], 0, 9), 0);
	assert_string_equal(msg.fault.text, "key 0: not in 0..9");
	assert_int_equal(decode(hex), 0);
	assert_int_equal(wire_get_uint(&msg, &msg.nodes[1], 0, 9), 0);
	assert_string_equal(msg.fault.text, "key 1: below zero");
}

static void test_get_lengths_at_limit_and_beyond(void **state)
{
	(void)state;
	const char *hex = "a4004301020301636162630240038101";
	char text[4] = "xyz";

	assert_int_equal(decode(hex), 0);
	assert_int_equal(wire_get_bytes(&msg, &msg.nodes[0], 3, 3).len, 3);
	wire_get_text(&msg, &msg.nodes[1], 1, 3, text);
	assert_string_equal(text, "abc");
	assert_int_equal(wire_get_bytes(&msg, &msg.nodes[2], 0, 3).len, 0);
	assert_ptr_equal(wire_get_array(&msg, &msg.nodes[3], 1), &msg.nodes[4]);
	assert_int_equal(msg.fault.err, 0);

	wire_get_text(&msg, &msg.nodes[1], 1, 2, text);
	assert_string_equal(text, "");
	assert_string_equal(msg.fault.text, "key 1: longer than 2 bytes");
	/* the first fault stays */
	assert_null(wire_get_bytes(&msg, &msg.nodes[0], 4, 5).ptr);
	assert_null(wire_get_array(&msg, &msg.nodes[3], 1));
	assert_string_equal(msg.fault.text, "key 1: longer than 2 bytes");

	assert_int_equal(decode(hex), 0);
	(void)wire_get_bytes(&msg, &msg.nodes[0], 4, 5);
	assert_string_equal(msg.fault.text, "key 0: shorter than 4 bytes");
	assert_int_equal(decode(hex), 0);
	(void)wire_get_bytes(&msg, &msg.nodes[0], 32, 32);
	assert_string_equal(msg.fault.text, "key 0: not 32 bytes");
	assert_int_equal(decode(hex), 0);
	(void)wire_get_bytes(&msg, &msg.nodes[2], 1, 5);
	assert_string_equal(msg.fault.text, "key 2: empty");
	assert_int_equal(decode(hex), 0);
	assert_null(wire_get_array(&msg, &msg.nodes[3], 2));
	assert_string_equal(msg.fault.text, "key 3: not 2 elements");
}

static void test_get_another_type_is_told(void **state)
{
	(void)state;
	char text[8];

	assert_int_equal(decode("a2006161018161ff"), ERR_SYNTAX);
	assert_int_equal(decode("a20061610181f5"), 0);
	(void)wire_get_uint(&msg, &msg.nodes[0], 0, 1);
	assert_int_equal(msg.fault.err, ERR_INVAL);
	assert_string_equal(msg.fault.text, "key 0: text, not a number");
	assert_int_equal(decode("a20061610181f5"), 0);
	wire_get_text(&msg, &msg.nodes[2], 0, 7, text);
	assert_string_equal(msg.fault.text, "key 1[0]: a boolean, not text");
	/* bytes are bytes in CBOR: no hex */
	assert_int_equal(decode("a100626161"), 0);
	assert_null(wire_get_bytes(&msg, &msg.nodes[0], 0, 9).ptr);
	assert_string_equal(msg.fault.text, "key 0: text, not bytes");
	assert_int_equal(decode("a1007f6161ff"), 0);
	wire_get_text(&msg, &msg.nodes[0], 0, 7, text);
	assert_string_equal(msg.fault.text, "key 0: an unsupported value, not text");
	assert_int_equal(decode("a100f6"), 0);
	assert_false(wire_get_bool(&msg, &msg.nodes[0]));
	assert_string_equal(msg.fault.text, "key 0: null, not a boolean");
}

static void test_get_text_refuses_controls(void **state)
{
	(void)state;
	/* NUL, ESC, DEL, U+009B (CSI) */
	static const char *const bad[] = {"a1006100", "a100611b", "a100617f", "a10062c29b"};
	char text[8];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(decode(bad[i]), 0);
		wire_get_text(&msg, &msg.nodes[0], 0, 7, text);
		assert_int_equal(msg.fault.err, ERR_SYNTAX);
		assert_string_equal(text, "");
	}
	assert_int_equal(decode("a10062c2a0"), 0);
	wire_get_text(&msg, &msg.nodes[0], 0, 7, text);
	assert_int_equal(msg.fault.err, 0);
}

static void test_put_heads_are_the_shortest(void **state)
{
	(void)state;
	static const struct {
		uint64_t value;
		const char *hex;
	} rows[] = {
		{0, "00"},
		{23, "17"},
		{24, "1818"},
		{255, "18ff"},
		{256, "190100"},
		{65535, "19ffff"},
		{65536, "1a00010000"},
		{UINT32_MAX, "1affffffff"},
		{1ULL << 32, "1b0000000100000000"},
		{UINT64_MAX, "1bffffffffffffffff"},
	};
	uint8_t raw[16];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b = buf_writer(raw, sizeof(raw));
		wire_cbor_put_head(&b, WIRE_MAJOR_UINT, rows[i].value);
		assert_true(bytes_equal(buf_bytes(&b), input_hex(rows[i].hex)));
	}
}

static void put_all(struct wire_writer *w)
{
	wire_put_map(w, 9);
	wire_put_key(w, 0);
	wire_put_uint(w, 1000);
	wire_put_key(w, 1);
	wire_put_int(w, -100);
	wire_put_key(w, 2);
	wire_put_bytes(w, "\1\2\3\4", 4);
	wire_put_key(w, 3);
	wire_put_text(w, "a-b");
	wire_put_key(w, 4);
	wire_put_bool(w, true);
	wire_put_key(w, 5);
	wire_put_null(w);
	wire_put_key(w, 6);
	wire_put_array(w, 3);
	wire_put_uint(w, 1);
	wire_put_array(w, 0);
	wire_put_bool(w, false);
	wire_put_key(w, 7);
	wire_put_map(w, 0);
	wire_put_key(w, -1);
	wire_put_int(w, INT64_MIN);
}

static void test_put_golden(void **state)
{
	(void)state;
	uint8_t raw[64];
	struct buf b = buf_writer(raw, sizeof(raw));
	struct wire_writer w = wire_writer(WIRE_CBOR, &b);

	put_all(&w);
	assert_int_equal(wire_writer_end(&w), 0);
	assert_true(
		bytes_equal(buf_bytes(&b),
			    input_hex("a9001903e80138630244010203040363612d6204f505f606830180f407a0"
				      "203b7fffffffffffffff")));
}

static void test_put_tells_when_it_does_not_fit(void **state)
{
	(void)state;
	uint8_t raw[64];

	for (size_t cap = 0; cap < 40; cap++) {
		struct buf b = buf_writer(raw, cap);
		struct wire_writer w = wire_writer(WIRE_CBOR, &b);
		put_all(&w);
		assert_int_equal(wire_writer_end(&w), ERR_LIMIT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cbor_decodes_every_kind_of_value),
		cmocka_unit_test(test_cbor_each_visits_members_only),
		cmocka_unit_test(test_cbor_indefinite_is_the_same),
		cmocka_unit_test(test_cbor_every_truncation_is_told),
		cmocka_unit_test(test_cbor_malformed_says_what_and_where),
		cmocka_unit_test(test_cbor_keys_reach_both_ends),
		cmocka_unit_test(test_cbor_nodes_at_limit_and_beyond),
		cmocka_unit_test(test_cbor_ignored_content_needs_no_nodes),
		cmocka_unit_test(test_cbor_depth_at_limit_and_beyond),
		cmocka_unit_test(test_cbor_utf8),
		cmocka_unit_test(test_get_numbers_at_limit_and_beyond),
		cmocka_unit_test(test_get_lengths_at_limit_and_beyond),
		cmocka_unit_test(test_get_another_type_is_told),
		cmocka_unit_test(test_get_text_refuses_controls),
		cmocka_unit_test(test_put_heads_are_the_shortest),
		cmocka_unit_test(test_put_golden),
		cmocka_unit_test(test_put_tells_when_it_does_not_fit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
