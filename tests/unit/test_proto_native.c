/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/native.h"
#include "proto/native_keys.h"
#include "support/input.h"

#define SHA_HEX "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define TEXT_32 "abcdefghijklmnopqrstuvwxyz012345"

enum { CODE_4_00 = 0x80, CODE_4_06 = 0x86, CODE_4_13 = 0x8d, CODE_4_15 = 0x8f };

static struct native_fault fault;
static struct report report;
static struct status status;

/* {0: boot id, 2: "a"} and one member more. */
static int report_with(const char *member)
{
	char text[LIMIT_NATIVE_JSON];

	fault.text[0] = 0;
	(void)snprintf(text, sizeof(text), "{\"0\":\"0011223344556677\",\"2\":\"a\"%s%s}",
		       member[0] ? "," : "", member);
	return native_report_decode(WIRE_JSON, input_text(text), &report, &fault);
}

static int status_with(const char *member)
{
	char text[LIMIT_NATIVE_JSON];

	fault.text[0] = 0;
	(void)snprintf(text, sizeof(text), "{\"0\":1,\"1\":1,\"7\":3%s%s}", member[0] ? "," : "",
		       member);
	return native_status_decode(WIRE_JSON, input_text(text), &status, &fault);
}

struct with {
	const char *member;
	int err;
	const char *text;
};

static void check(int (*decode)(const char *), const struct with *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int err = decode(rows[i].member);
		if (err != rows[i].err || strcmp(fault.text, rows[i].text) != 0)
			print_message("# %s: %d %s\n", rows[i].member, err, fault.text);
		assert_int_equal(err, rows[i].err);
		assert_string_equal(fault.text, rows[i].text);
		if (err)
			assert_int_equal(fault.code, CODE_4_00);
	}
}

static void test_report_fields_at_limit_and_beyond(void **state)
{
	(void)state;
	static const struct with rows[] = {
		{"", 0, ""},
		{"\"1\":4294967295", 0, ""},
		{"\"1\":4294967296", ERR_RANGE, "key 1: not in 0..4294967295"},
		{"\"1\":-1", ERR_RANGE, "key 1: below zero"},
		{"\"1\":1.0", ERR_INVAL, "key 1: an unsupported value, not a number"},
		{"\"3\":[0,\"" SHA_HEX "\"]", 0, ""},
		{"\"3\":[0,\"" SHA_HEX "00\"]", ERR_RANGE, "key 3[1]: not 32 bytes"},
		{"\"3\":[0,\"00112233\"]", ERR_RANGE, "key 3[1]: not 32 bytes"},
		{"\"3\":[1,\"00112233\"]", 0, ""},
		{"\"3\":[1,\"001122\"]", ERR_RANGE, "key 3[1]: shorter than 4 bytes"},
		{"\"3\":[255,\"" SHA_HEX SHA_HEX "\"]", 0, ""},
		{"\"3\":[255,\"" SHA_HEX SHA_HEX "00\"]", ERR_RANGE,
		 "key 3[1]: longer than 64 bytes"},
		{"\"3\":[256,\"" SHA_HEX "\"]", ERR_RANGE, "key 3[0]: not in 0..255"},
		{"\"3\":[1]", ERR_RANGE, "key 3: not 2 elements"},
		{"\"3\":[1,\"00112233\",0]", ERR_RANGE, "key 3: not 2 elements"},
		{"\"3\":\"00112233\"", ERR_INVAL, "key 3: text, not an array"},
		{"\"4\":1", ERR_INVAL, "key 4: a number, not a boolean"},
		{"\"4\":null", ERR_INVAL, "key 4: null, not a boolean"},
		{"\"7\":\"true\"", ERR_INVAL, "key 7: text, not a boolean"},
		{"\"5\":-1", ERR_RANGE, "key 5: below zero"},
		{"\"8\":9223372036854775807", 0, ""},
		{"\"8\":-1", ERR_RANGE, "key 8: below zero"},
		{"\"11\":100", 0, ""},
		{"\"11\":101", ERR_RANGE, "key 11: not in 0..100"},
		{"\"12\":\"" TEXT_32 "\"", 0, ""},
		{"\"12\":\"" TEXT_32 "6\"", ERR_RANGE, "key 12: longer than 32 bytes"},
		{"\"13\":\"" TEXT_32 "\"", 0, ""},
		{"\"13\":\"" TEXT_32 "6\"", ERR_RANGE, "key 13: longer than 32 bytes"},
		{"\"14\":\"" SHA_HEX "\"", 0, ""},
		{"\"14\":\"" SHA_HEX "00\"", ERR_RANGE, "key 14: not 32 bytes"},
		{"\"15\":1", 0, ""},
		{"\"15\":0", ERR_RANGE, "key 15: not in 1..2147483648"},
		{"\"15\":2147483648", 0, ""},
		{"\"15\":2147483649", ERR_RANGE, "key 15: not in 1..2147483648"},
		{"\"16\":2", 0, ""},
		{"\"16\":3", ERR_RANGE, "key 16: not in 0..2"},
		{"\"17\":-1", ERR_RANGE, "key 17: below zero"},
		{"\"18\":0", 0, ""},
		{"\"19\":1", 0, ""},
		{"\"19\":2", ERR_VERSION, "key 19: this server speaks protocol version 1"},
		{"\"19\":0", ERR_VERSION, "key 19: this server speaks protocol version 1"},
		{"\"20\":-5", ERR_RANGE, "key 20: below zero"},
		{"\"12\":\"a\\nb\"", ERR_SYNTAX, "key 12: control character in text"},
	};

	check(report_with, rows, sizeof(rows) / sizeof(rows[0]));
}

static void test_report_unknown_keys(void **state)
{
	(void)state;
	static const struct with rows[] = {
		{"\"21\":{\"a\":[1]}", 0, ""},
		{"\"64\":1", 0, ""},
		{"\"127\":[1,2,3]", 0, ""},
		{"\"9223372036854775807\":null", 0, ""},
		{"\"-1\":null", ERR_CRITICAL, "critical key -1 not understood"},
		{"\"-5\":0", ERR_CRITICAL, "critical key -5 not understood"},
	};

	check(report_with, rows, sizeof(rows) / sizeof(rows[0]));
}

static void test_report_required(void **state)
{
	(void)state;
	static const struct {
		const char *text, *fault;
	} rows[] = {
		{"{}", "key 0 or 1 (boot id or count) is missing"},
		{"{\"2\":\"a\"}", "key 0 or 1 (boot id or count) is missing"},
		{"{\"0\":\"0011223344556677\"}", "key 2 (version) is missing"},
		{"{\"1\":1,\"2\":\"\"}", "key 2: empty"},
		{"{\"0\":\"00112233445566\",\"2\":\"a\"}", "key 0: shorter than 8 bytes"},
		{"{\"0\":\"00112233445566778899aabbccddeeff00\",\"2\":\"a\"}",
		 "key 0: longer than 16 bytes"},
		{"{\"1\":1,\"2\":\"" TEXT_32 TEXT_32 "6\"}", "key 2: longer than 64 bytes"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(native_report_decode(WIRE_JSON, input_text(rows[i].text), &report,
						 &fault) < 0);
		assert_int_equal(fault.code, CODE_4_00);
		assert_string_equal(fault.text, rows[i].fault);
	}
	assert_int_equal(
		native_report_decode(
			WIRE_JSON,
			input_text("{\"0\":\"00112233445566778899aabbccddeeff\",\"2\":\"" TEXT_32
					   TEXT_32 "\"}"),
			&report, &fault),
		0);
	assert_int_equal(report.boot.len, 16);
	assert_int_equal(strlen(report.version), 64);
}

static void test_report_numbers_without_a_word(void **state)
{
	(void)state;
	static const struct with rows[] = {
		{"\"6\":[9007199254740992,1,0,0,\"\"]", ERR_RANGE,
		 "key 6[0]: not in 0..9007199254740991"},
		{"\"6\":[1,5,0,0,\"\"]", ERR_RANGE, "key 6[1]: not in 0..4"},
		{"\"6\":[1,1,-1,0,\"\"]", ERR_RANGE, "key 6[2]: below zero"},
		{"\"6\":[1,1,0,2147483648,\"\"]", ERR_RANGE,
		 "key 6[3]: not in -2147483648..2147483647"},
		{"\"6\":[1,1,0,-2147483648,\"\"]", 0, ""},
		{"\"6\":[1,1,0,0,\"" TEXT_32 TEXT_32 TEXT_32 TEXT_32 "\"]", 0, ""},
		{"\"6\":[1,1,0,0,\"" TEXT_32 TEXT_32 TEXT_32 TEXT_32 "6\"]", ERR_RANGE,
		 "key 6[4]: longer than 128 bytes"},
		{"\"6\":[1,1,0,0]", ERR_RANGE, "key 6: not 5 elements"},
	};

	check(report_with, rows, sizeof(rows) / sizeof(rows[0]));
	assert_int_equal(report_with("\"5\":10"), 0);
	assert_int_equal(report.reset, RESET_OTHER);
	assert_int_equal(report_with("\"6\":[1,1,14,0,\"\"]"), 0);
	assert_int_equal(report.last.reason, REASON_DEFERRED);
	assert_int_equal(report_with("\"6\":[1,1,77,0,\"\"]"), 0);
	assert_int_equal(report.last.reason, REASON_OTHER);
	assert_int_equal(report.last.code, 77);
	assert_int_equal(report_with("\"6\":[1,1,77,-3,\"\"]"), 0);
	assert_int_equal(report.last.code, -3);
	assert_int_equal(report_with("\"6\":[0,0,5,-3,\"x\"]"), 0);
	assert_int_equal(report.last.attempt, 0);
	assert_int_equal(report.last.reason, REASON_NONE);
	assert_string_equal(report.last.detail, "");
	assert_int_equal(report_with("\"17\":1099511627905"), 0);
	assert_int_equal(report.capabilities, 129);
}

static void test_status_fields_at_limit_and_beyond(void **state)
{
	(void)state;
	static const struct with rows[] = {
		{"", 0, ""},
		{"\"2\":2147483647", 0, ""},
		{"\"2\":2147483648", ERR_RANGE, "key 2: not in -2147483648..2147483647"},
		{"\"3\":\"" TEXT_32 TEXT_32 TEXT_32 TEXT_32 "\"", 0, ""},
		{"\"3\":\"" TEXT_32 TEXT_32 TEXT_32 TEXT_32 "6\"", ERR_RANGE,
		 "key 3: longer than 128 bytes"},
		{"\"4\":-1", ERR_RANGE, "key 4: below zero"},
		{"\"5\":-1", ERR_RANGE, "key 5: below zero"},
		{"\"6\":2147483648", 0, ""},
		{"\"6\":2147483649", ERR_RANGE, "key 6: not in 0..2147483648"},
		{"\"8\":4294967295", 0, ""},
		{"\"8\":4294967296", ERR_RANGE, "key 8: not in 0..4294967295"},
		{"\"9\":2147483648", ERR_RANGE, "key 9: not in 0..2147483647"},
		{"\"9\":-1", ERR_RANGE, "key 9: below zero"},
		{"\"10\":-1", 0, ""},
		{"\"-1\":1", ERR_CRITICAL, "critical key -1 not understood"},
	};

	check(status_with, rows, sizeof(rows) / sizeof(rows[0]));
	assert_int_equal(status_with("\"9\":77"), 0);
	assert_int_equal(status.reason, REASON_OTHER);
	assert_int_equal(status.code, 77);
	assert_int_equal(status_with("\"9\":77,\"2\":-3"), 0);
	assert_int_equal(status.reason, REASON_OTHER);
	assert_int_equal(status.code, -3);
}

static void test_status_required(void **state)
{
	(void)state;
	static const struct {
		const char *text, *fault;
	} rows[] = {
		{"{\"1\":1,\"7\":1}", "key 0 (attempt) is missing"},
		{"{\"0\":1,\"7\":1}", "key 1 (state) is missing"},
		{"{\"0\":1,\"1\":1}", "key 7 (boot id or count) is missing"},
		{"{\"0\":0,\"1\":1,\"7\":1}", "key 0: not in 1..9007199254740991"},
		{"{\"0\":9007199254740992,\"1\":1,\"7\":1}", "key 0: not in 1..9007199254740991"},
		{"{\"0\":1,\"1\":0,\"7\":1}", "key 1: not in 1..6"},
		{"{\"0\":1,\"1\":7,\"7\":1}", "key 1: not in 1..6"},
		{"{\"0\":1,\"1\":1,\"7\":4294967296}", "key 7: not in 0..4294967295"},
		{"{\"0\":1,\"1\":1,\"7\":-1}", "key 7: below zero"},
		{"{\"0\":1,\"1\":1,\"7\":\"00\"}", "key 7: shorter than 8 bytes"},
		{"{\"0\":1,\"1\":1,\"7\":true}", "key 7: a boolean, not bytes"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(native_status_decode(WIRE_JSON, input_text(rows[i].text), &status,
						 &fault) < 0);
		assert_int_equal(fault.code, CODE_4_00);
		assert_string_equal(fault.text, rows[i].fault);
	}
}

/* A valid message of exactly `len` bytes, filled up with a private key. */
static struct bytes padded(enum wire_format format, size_t len)
{
	uint8_t raw[2048], fill[2048] = {0};

	for (size_t pad = 0;; pad++) {
		struct buf b = buf_writer(raw, sizeof(raw));
		struct wire_writer w = wire_writer(format, &b);
		memset(fill, 'x', pad);
		wire_put_map(&w, 3);
		wire_put_key(&w, KEY_REPORT_BOOT_COUNT);
		wire_put_uint(&w, 1);
		wire_put_key(&w, KEY_REPORT_VERSION);
		wire_put_text(&w, "a");
		wire_put_key(&w, 64);
		wire_put_text_bytes(&w, (struct bytes){fill, pad});
		assert_int_equal(wire_writer_end(&w), 0);
		if (b.pos == len)
			return input_keep(raw, len);
	}
}

static void test_payload_at_limit_and_beyond(void **state)
{
	(void)state;
	assert_int_equal(native_report_decode(WIRE_CBOR, padded(WIRE_CBOR, 512), &report, &fault),
			 0);
	assert_int_equal(native_report_decode(WIRE_CBOR, padded(WIRE_CBOR, 513), &report, &fault),
			 ERR_LIMIT);
	assert_int_equal(fault.code, CODE_4_13);
	assert_string_equal(fault.text, "payload longer than 512 bytes");
	assert_int_equal(native_report_decode(WIRE_JSON, padded(WIRE_JSON, 1024), &report, &fault),
			 0);
	assert_int_equal(native_report_decode(WIRE_JSON, padded(WIRE_JSON, 1025), &report, &fault),
			 ERR_LIMIT);
	assert_int_equal(fault.code, CODE_4_13);
	assert_string_equal(fault.text, "payload longer than 1024 bytes");
}

static enum native_route route(uint8_t method, const char *a, const char *b, uint8_t digest[8])
{
	struct bytes path[2] = {{(const uint8_t *)a, a ? strlen(a) : 0},
				{(const uint8_t *)b, b ? strlen(b) : 0}};

	return native_route(method, path, b ? 2 : a ? 1 : 0, digest);
}

static void test_route(void **state)
{
	(void)state;
	enum { GET = 1, POST = 2, PUT = 3, FETCH = 5 };
	static const struct {
		uint8_t method;
		const char *a, *b;
		enum native_route route;
	} rows[] = {
		{POST, "report", NULL, NATIVE_REPORT},
		{GET, "report", NULL, NATIVE_METHOD},
		{POST, "status", NULL, NATIVE_STATUS},
		{PUT, "status", NULL, NATIVE_METHOD},
		{GET, "desired", NULL, NATIVE_DESIRED},
		{FETCH, "desired", NULL, NATIVE_METHOD},
		{GET, "fw", "0011223344556677", NATIVE_FW},
		{GET, "fw", "00112233445566FF", NATIVE_FW},
		{POST, "fw", "0011223344556677", NATIVE_METHOD},
		{GET, "fw", "001122334455667", NATIVE_NONE},
		{GET, "fw", "00112233445566778", NATIVE_NONE},
		{GET, "fw", "001122334455667x", NATIVE_NONE},
		{GET, "fw", "", NATIVE_NONE},
		{GET, "fw", NULL, NATIVE_NONE},
		{GET, "Report", NULL, NATIVE_NONE},
		{POST, "report", "", NATIVE_NONE},
		{POST, "reports", NULL, NATIVE_NONE},
		{POST, "", NULL, NATIVE_NONE},
		{GET, NULL, NULL, NATIVE_NONE},
		{GET, "firmware", "0011223344556677", NATIVE_NONE},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t digest[8] = "\7\7\7\7\7\7\7";
		assert_int_equal(route(rows[i].method, rows[i].a, rows[i].b, digest),
				 rows[i].route);
		if (rows[i].route == NATIVE_FW)
			assert_memory_equal(digest, "\0\x11\x22\x33\x44\x55\x66", 7);
		else
			assert_memory_equal(digest, "\7\7\7\7\7\7\7", 8);
	}
}

static void test_formats(void **state)
{
	(void)state;
	enum wire_format f;

	assert_int_equal(native_request_format(-1, true, &f, &fault), 0);
	assert_int_equal(f, WIRE_CBOR);
	assert_int_equal(native_request_format(60, false, &f, &fault), 0);
	assert_int_equal(f, WIRE_CBOR);
	assert_int_equal(native_request_format(50, true, &f, &fault), 0);
	assert_int_equal(f, WIRE_JSON);
	assert_int_equal(native_request_format(50, false, &f, &fault), ERR_UNSUPPORTED);
	assert_int_equal(fault.code, CODE_4_15);
	assert_string_equal(fault.text, "Content-Format is not 60");
	assert_int_equal(native_request_format(0, true, &f, &fault), ERR_UNSUPPORTED);
	assert_string_equal(fault.text, "Content-Format is not 60 or 50");

	assert_int_equal(native_accept_format(-1, WIRE_JSON, true, &f, &fault), 0);
	assert_int_equal(f, WIRE_JSON);
	assert_int_equal(native_accept_format(60, WIRE_JSON, true, &f, &fault), 0);
	assert_int_equal(f, WIRE_CBOR);
	assert_int_equal(native_accept_format(50, WIRE_CBOR, true, &f, &fault), 0);
	assert_int_equal(f, WIRE_JSON);
	assert_int_equal(native_accept_format(50, WIRE_CBOR, false, &f, &fault), ERR_UNSUPPORTED);
	assert_int_equal(fault.code, CODE_4_06);
	assert_int_equal(native_accept_format(42, WIRE_CBOR, true, &f, &fault), ERR_UNSUPPORTED);
	assert_string_equal(fault.text, "Accept is not 60 or 50");
	assert_int_equal(native_content_format(WIRE_CBOR), 60);
	assert_int_equal(native_content_format(WIRE_JSON), 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_report_fields_at_limit_and_beyond),
		cmocka_unit_test(test_report_unknown_keys),
		cmocka_unit_test(test_report_required),
		cmocka_unit_test(test_report_numbers_without_a_word),
		cmocka_unit_test(test_status_fields_at_limit_and_beyond),
		cmocka_unit_test(test_status_required),
		cmocka_unit_test(test_payload_at_limit_and_beyond),
		cmocka_unit_test(test_route),
		cmocka_unit_test(test_formats),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
