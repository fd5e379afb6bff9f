/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/native.h"
#include "proto/native_keys.h"
#include "support/input.h"
#include "support/native_device.h"

#define SHA_HEX "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

enum { CODE_4_00 = 0x80 };

static struct native_fault fault;
static struct report report;
static struct status status;

static void copy_text(char *dst, size_t cap, const char *src)
{
	assert_true(buf_copy_str(dst, cap, src));
}

/* Every field told, and none at its limit by accident. */
static struct report report_full(void)
{
	struct report r;

	report_init(&r);
	r.boot.len = 8;
	memcpy(r.boot.bytes, "\1\2\3\4\5\6\7\x08", 8);
	r.boot.has_count = true;
	r.boot.count = 41;
	copy_text(r.version, sizeof(r.version), "1.4.2");
	r.running.kind = DIGEST_MCUBOOT;
	r.running.len = 32;
	memset(r.running.value, 0xab, 32);
	r.confirmed = 1;
	r.updates_enabled = 0;
	r.reset = RESET_UPDATE;
	r.mode = MODE_UPDATER;
	r.last.attempt = NATIVE_ATTEMPT_MAX;
	r.last.stage = STAGE_HANDED_OVER;
	r.last.reason = REASON_BOOT_LOADER;
	r.last.code = -22;
	copy_text(r.last.detail, sizeof(r.last.detail), "swap failed");
	r.fs_free_bytes = 4096;
	r.fs_total_bytes = 2097152;
	r.slot_bytes = 1048576;
	r.battery_percent = 87;
	r.interval_s = 3600;
	r.uptime_s = 12;
	r.security_counter = 3;
	r.capabilities = CAP_RESUME | CAP_GATE;
	r.has_capabilities = true;
	copy_text(r.hardware, sizeof(r.hardware), "argon-b");
	copy_text(r.boot_loader, sizeof(r.boot_loader), "mcuboot 2.1");
	memset(r.cached, 0xcd, sizeof(r.cached));
	r.has_cached = true;
	return r;
}

static struct status status_full(void)
{
	struct status s;

	status_init(&s);
	s.attempt = 4711;
	s.state = STATUS_REFUSED;
	s.boot.len = 16;
	memcpy(s.boot.bytes, "0123456789abcdef", 16);
	s.seq = 7;
	s.has_seq = true;
	s.reason = REASON_NO_SPACE;
	s.code = -28;
	copy_text(s.detail, sizeof(s.detail), "flash \"full\" \xc3\xa4");
	s.received_bytes = 1000;
	s.start_offset = 512;
	s.defer_until_s = 60;
	return s;
}

/* clang-format off */
static const char report_golden[] =
	"b4" "00480102030405060708" "011829" "0265312e342e32"
	"0382015820abababababababababababababababababababababababababababababababab"
	"04f5" "0504" "06851b001fffffffffffff0309356b73776170206661696c6564" "07f4"
	"08191000" "091a00200000" "0a1a00100000" "0b1857" "0c676172676f6e2d62"
	"0d6b6d6375626f6f7420322e31"
	"0e5820cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
	"0f190e10" "1001" "1105" "120c" "1403";

static const char report_golden_json[] =
	"{\"0\":\"0102030405060708\",\"1\":41,\"2\":\"1.4.2\","
	"\"3\":[1,\"abababababababababababababababababababababababababababababababab\"],"
	"\"4\":true,\"5\":4,\"6\":[9007199254740991,3,9,-22,\"swap failed\"],\"7\":false,"
	"\"8\":4096,\"9\":2097152,\"10\":1048576,\"11\":87,\"12\":\"argon-b\","
	"\"13\":\"mcuboot 2.1\","
	"\"14\":\"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd\","
	"\"15\":3600,\"16\":1,\"17\":5,\"18\":12,\"20\":3}";

static const char status_golden[] =
	"aa" "00191267" "0104" "02381b" "036f666c617368202266756c6c2220c3a4" "041903e8"
	"05190200" "06183c" "075030313233343536373839616263646566" "0807" "0901";

static const char status_golden_json[] =
	"{\"0\":4711,\"1\":4,\"2\":-28,\"3\":\"flash \\\"full\\\" \xc3\xa4\",\"4\":1000,\"5\":512,"
	"\"6\":60,\"7\":\"30313233343536373839616263646566\",\"8\":7,\"9\":1}";
/* clang-format on */

static void test_report_golden_in_both_encodings(void **state)
{
	(void)state;
	struct report want = report_full();

	memset(&report, 0xff, sizeof(report));
	assert_int_equal(native_report_decode(WIRE_CBOR, input_hex(report_golden), &report, &fault),
			 0);
	assert_memory_equal(&report.boot, &want.boot, sizeof(want.boot));
	assert_string_equal(report.version, want.version);
	assert_true(digest_equal(&report.running, &want.running));
	assert_int_equal(report.confirmed, 1);
	assert_int_equal(report.updates_enabled, 0);
	assert_int_equal(report.reset, RESET_UPDATE);
	assert_int_equal(report.mode, MODE_UPDATER);
	assert_true(report.last.attempt == NATIVE_ATTEMPT_MAX);
	assert_int_equal(report.last.stage, STAGE_HANDED_OVER);
	assert_int_equal(report.last.reason, REASON_BOOT_LOADER);
	assert_int_equal(report.last.code, -22);
	assert_string_equal(report.last.detail, "swap failed");
	assert_int_equal(report.fs_free_bytes, 4096);
	assert_int_equal(report.fs_total_bytes, 2097152);
	assert_int_equal(report.slot_bytes, 1048576);
	assert_int_equal(report.battery_percent, 87);
	assert_int_equal(report.interval_s, 3600);
	assert_int_equal(report.uptime_s, 12);
	assert_int_equal(report.security_counter, 3);
	assert_true(report.has_capabilities);
	assert_int_equal(report.capabilities, 5);
	assert_string_equal(report.hardware, "argon-b");
	assert_string_equal(report.boot_loader, "mcuboot 2.1");
	assert_true(report.has_cached);
	assert_memory_equal(report.cached, want.cached, sizeof(want.cached));

	struct report twin;
	assert_int_equal(
		native_report_decode(WIRE_JSON, input_text(report_golden_json), &twin, &fault), 0);
	uint8_t a[1024], b[1024];
	struct buf wa = buf_writer(a, sizeof(a)), wb = buf_writer(b, sizeof(b));
	assert_int_equal(native_report_encode(WIRE_CBOR, &twin, &wa), 0);
	assert_true(bytes_equal(buf_bytes(&wa), input_hex(report_golden)));
	assert_int_equal(native_report_encode(WIRE_JSON, &report, &wb), 0);
	assert_true(bytes_equal(buf_bytes(&wb), input_text(report_golden_json)));
}

static void test_report_least_leaves_the_rest_untold(void **state)
{
	(void)state;
	struct report want;

	report_init(&want);
	assert_int_equal(native_report_decode(WIRE_JSON, input_text("{\"1\":0,\"2\":\"a\"}"),
					      &report, &fault),
			 0);
	assert_int_equal(report.boot.len, 0);
	assert_true(report.boot.has_count);
	assert_int_equal(report.boot.count, 0);
	assert_int_equal(report.confirmed, -1);
	assert_int_equal(report.updates_enabled, -1);
	assert_int_equal(report.reset, RESET_UNKNOWN);
	assert_int_equal(report.mode, MODE_APPLICATION);
	assert_int_equal(report.running.len, 0);
	assert_int_equal(report.last.attempt, 0);
	assert_int_equal(report.fs_free_bytes, -1);
	assert_int_equal(report.interval_s, -1);
	assert_int_equal(report.uptime_s, -1);
	assert_false(report.has_capabilities);
	assert_false(report.has_cached);
}

static void test_status_golden_in_both_encodings(void **state)
{
	(void)state;
	struct status want = status_full();

	assert_int_equal(native_status_decode(WIRE_CBOR, input_hex(status_golden), &status, &fault),
			 0);
	assert_int_equal(status.attempt, 4711);
	assert_int_equal(status.state, STATUS_REFUSED);
	assert_memory_equal(&status.boot, &want.boot, sizeof(want.boot));
	assert_true(status.has_seq);
	assert_int_equal(status.seq, 7);
	assert_int_equal(status.reason, REASON_NO_SPACE);
	assert_int_equal(status.code, -28);
	assert_string_equal(status.detail, want.detail);
	assert_int_equal(status.received_bytes, 1000);
	assert_int_equal(status.start_offset, 512);
	assert_int_equal(status.defer_until_s, 60);

	struct status twin;
	assert_int_equal(
		native_status_decode(WIRE_JSON, input_text(status_golden_json), &twin, &fault), 0);
	uint8_t a[1024], b[1024];
	struct buf wa = buf_writer(a, sizeof(a)), wb = buf_writer(b, sizeof(b));
	assert_int_equal(native_status_encode(WIRE_CBOR, &twin, &wa), 0);
	assert_true(bytes_equal(buf_bytes(&wa), input_hex(status_golden)));
	assert_int_equal(native_status_encode(WIRE_JSON, &status, &wb), 0);
	assert_true(bytes_equal(buf_bytes(&wb), input_text(status_golden_json)));
}

static void test_status_boot_as_count(void **state)
{
	(void)state;
	assert_int_equal(
		native_status_decode(WIRE_CBOR, input_hex("a300010103071829"), &status, &fault), 0);
	assert_int_equal(status.boot.len, 0);
	assert_true(status.boot.has_count);
	assert_int_equal(status.boot.count, 41);
	assert_false(status.has_seq);
	assert_int_equal(status.received_bytes, -1);
}

static void test_every_truncation_is_refused(void **state)
{
	(void)state;
	struct report before;

	memset(&before, 0x5a, sizeof(before));
	report = before;
	for (size_t len = 0; len < sizeof(report_golden) - 1; len += 2) {
		char cut[sizeof(report_golden)];
		memcpy(cut, report_golden, len);
		cut[len] = 0;
		assert_int_equal(native_report_decode(WIRE_CBOR, input_hex(cut), &report, &fault),
				 ERR_TRUNC);
		assert_int_equal(fault.code, CODE_4_00);
	}
	for (size_t len = 0; len < sizeof(report_golden_json) - 1; len++)
		assert_int_not_equal(native_report_decode(WIRE_JSON,
							  input_keep(report_golden_json, len),
							  &report, &fault),
				     0);
	assert_memory_equal(&report, &before, sizeof(before));
	for (size_t len = 0; len < sizeof(status_golden) - 1; len += 2) {
		char cut[sizeof(status_golden)];
		memcpy(cut, status_golden, len);
		cut[len] = 0;
		assert_int_equal(native_status_decode(WIRE_CBOR, input_hex(cut), &status, &fault),
				 ERR_TRUNC);
	}
}

static void test_largest_messages_fit(void **state)
{
	(void)state;
	struct report r = report_full();
	struct status s = status_full();
	uint8_t raw[1024];

	memset(r.version, 'v', LIMIT_VERSION);
	memset(r.last.detail, 'd', LIMIT_DETAIL);
	memset(r.hardware, 'h', LIMIT_HARDWARE);
	memset(r.boot_loader, 'l', LIMIT_BOOT_LOADER);
	r.boot.len = 16;
	r.running.len = LIMIT_DIGEST;
	r.running.kind = 200;
	r.boot.count = UINT32_MAX;
	r.last.code = INT32_MIN;
	r.fs_free_bytes = r.fs_total_bytes = r.slot_bytes = r.uptime_s = INT64_MAX;
	r.interval_s = NATIVE_SECONDS_MAX;
	r.security_counter = INT64_MAX;
	r.capabilities = UINT32_MAX;
	struct buf b = buf_writer(raw, LIMIT_NATIVE_MESSAGE);
	assert_int_equal(native_report_encode(WIRE_CBOR, &r, &b), 0);
	assert_int_equal(native_report_decode(WIRE_CBOR, buf_bytes(&b), &report, &fault), 0);
	b = buf_writer(raw, LIMIT_NATIVE_JSON);
	assert_int_equal(native_report_encode(WIRE_JSON, &r, &b), 0);
	assert_int_equal(native_report_decode(WIRE_JSON, buf_bytes(&b), &report, &fault), 0);
	memset(s.detail, 'd', LIMIT_DETAIL);
	b = buf_writer(raw, LIMIT_NATIVE_MESSAGE);
	assert_int_equal(native_status_encode(WIRE_CBOR, &s, &b), 0);
	assert_int_equal(native_status_decode(WIRE_CBOR, buf_bytes(&b), &status, &fault), 0);
}

static struct directive directive_full(void)
{
	struct directive d = {
		.action = DIRECTIVE_UPDATE,
		.attempt = 4711,
		.version = "1.5.0",
		.size_bytes = 245760,
		.flags = DIRECTIVE_FRESH | DIRECTIVE_RESUME,
		.retry_after_s = -1,
		.next_check_in_s = 60,
		.window = 8,
		.block_bytes = 1024,
	};
	size_t len;

	assert_int_equal(buf_from_hex(SHA_HEX, 64, d.file_sha256, sizeof(d.file_sha256), &len), 0);
	return d;
}

static void test_directive_golden(void **state)
{
	(void)state;
	struct directive d = directive_full(), back;
	uint8_t raw[512];
	char path[32];
	struct buf b = buf_writer(raw, sizeof(raw));

	assert_int_equal(native_directive_encode(WIRE_CBOR, &d, &b), 0);
	assert_true(
		bytes_equal(buf_bytes(&b), input_hex("aa"
						     "0002"
						     "01191267"
						     "0265312e352e30"
						     "031a0003c000"
						     "045820" SHA_HEX
						     "05742f66772f30303131323233333434353536363737"
						     "0605"
						     "08183c"
						     "0908"
						     "0a190400")));
	assert_int_equal(native_directive_decode(WIRE_CBOR, buf_bytes(&b), &back, path), 0);
	assert_memory_equal(&back, &d, sizeof(d));
	assert_string_equal(path, "/fw/0011223344556677");

	b = buf_writer(raw, sizeof(raw));
	assert_int_equal(native_directive_encode(WIRE_JSON, &d, &b), 0);
	assert_true(bytes_equal(
		buf_bytes(&b),
		input_text("{\"0\":2,\"1\":4711,\"2\":\"1.5.0\",\"3\":245760,\"4\":\"" SHA_HEX
			   "\",\"5\":\"/fw/"
			   "0011223344556677\",\"6\":5,\"8\":60,\"9\":8,\"10\":1024}")));
	assert_int_equal(native_directive_decode(WIRE_JSON, buf_bytes(&b), &back, path), 0);
	assert_memory_equal(&back, &d, sizeof(d));
}

static void test_directive_says_only_what_belongs_to_its_action(void **state)
{
	(void)state;
	struct directive d = directive_full();
	char raw[512];
	struct buf b = buf_writer(raw, sizeof(raw));

	d.action = DIRECTIVE_NONE;
	assert_int_equal(native_directive_encode(WIRE_JSON, &d, &b), 0);
	assert_string_equal(buf_cstr(&b), "{\"0\":0,\"8\":60}");
	d.action = DIRECTIVE_PENDING;
	d.retry_after_s = 0;
	d.next_check_in_s = -1;
	b = buf_writer(raw, sizeof(raw));
	assert_int_equal(native_directive_encode(WIRE_JSON, &d, &b), 0);
	assert_string_equal(buf_cstr(&b), "{\"0\":1,\"2\":\"1.5.0\",\"7\":0}");
	d.action = DIRECTIVE_UPDATE;
	d.flags = d.window = d.block_bytes = 0;
	b = buf_writer(raw, sizeof(raw));
	assert_int_equal(native_directive_encode(WIRE_JSON, &d, &b), 0);
	assert_string_equal(buf_cstr(&b),
			    "{\"0\":2,\"1\":4711,\"2\":\"1.5.0\",\"3\":245760,\"4\":\"" SHA_HEX
			    "\",\"5\":\"/fw/0011223344556677\",\"7\":0}");
}

static void test_directive_that_does_not_fit_is_told(void **state)
{
	(void)state;
	struct directive d = directive_full();
	uint8_t raw[512];
	struct buf b = buf_writer(raw, sizeof(raw));

	memset(d.version, '"', LIMIT_VERSION);
	assert_int_equal(native_directive_encode(WIRE_JSON, &d, &b), 0);
	for (size_t cap = 0; cap < b.pos; cap++) {
		struct buf less = buf_writer(raw, cap);
		assert_int_equal(native_directive_encode(WIRE_JSON, &d, &less), ERR_LIMIT);
	}
}

static void test_desired_is_a_counter(void **state)
{
	(void)state;
	uint8_t raw[32];
	uint64_t counter;
	struct buf b = buf_writer(raw, sizeof(raw));

	assert_int_equal(native_desired_encode(WIRE_CBOR, 1000, &b), 0);
	assert_true(bytes_equal(buf_bytes(&b), input_hex("a1001903e8")));
	assert_int_equal(native_desired_decode(WIRE_CBOR, buf_bytes(&b), &counter), 0);
	assert_int_equal(counter, 1000);
	b = buf_writer(raw, sizeof(raw));
	assert_int_equal(native_desired_encode(WIRE_JSON, 7, &b), 0);
	assert_true(bytes_equal(buf_bytes(&b), input_text("{\"0\":7}")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_report_golden_in_both_encodings),
		cmocka_unit_test(test_report_least_leaves_the_rest_untold),
		cmocka_unit_test(test_status_golden_in_both_encodings),
		cmocka_unit_test(test_status_boot_as_count),
		cmocka_unit_test(test_every_truncation_is_refused),
		cmocka_unit_test(test_largest_messages_fit),
		cmocka_unit_test(test_directive_golden),
		cmocka_unit_test(test_directive_says_only_what_belongs_to_its_action),
		cmocka_unit_test(test_directive_that_does_not_fit_is_told),
		cmocka_unit_test(test_desired_is_a_counter),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
