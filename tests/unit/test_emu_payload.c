/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/report.h"
#include "emu/message.h"
#include "proto/native.h"

/* The device's codec against its own rules, and against the server's: they share no code, so
 * what both understand the same way is likely what PROTOCOL.md says. */

static struct emu_msg msg;
static uint8_t wire[EMU_MESSAGE_MAX];
static struct native_fault fault;

static struct bytes encoded(enum emu_format format)
{
	size_t len = 0;

	assert_int_equal(emu_payload_encode(&msg, format, wire, sizeof(wire), &len), 0);
	return (struct bytes){wire, len};
}

static int decode(const void *ptr, size_t len, enum emu_format format)
{
	return emu_payload_decode(ptr, len, format, &msg);
}

static enum wire_format server_format(enum emu_format format)
{
	return format == EMU_JSON ? WIRE_JSON : WIRE_CBOR;
}

static struct emu_report report_full(void)
{
	struct emu_report r = {
		.boot_count = 41,
		.version = "1.4.2",
		.has_digest = true,
		.confirmed = true,
		.reset = EMU_RESET_UPDATE,
		.last = {4711, EMU_STAGE_TRIED, EMU_REASON_BOOT_LOADER, -3, "image rejected"},
		.fs_free = 4096,
		.fs_total = 262144,
		.slot_size = 1048576,
		.battery = 87,
		.hardware = "argon",
		.boot_loader = "b 1",
		.has_cached = true,
		.interval_s = 60,
		.capabilities = EMU_CAP_GATE | EMU_CAP_WINDOW,
		.uptime_s = 12,
	};

	memset(r.boot_id, 0xb0, sizeof(r.boot_id));
	memset(r.digest, 0xd1, sizeof(r.digest));
	memset(r.cached, 0xca, sizeof(r.cached));
	return r;
}

static void test_emu_report_is_what_the_server_reads(void **state)
{
	static const enum emu_format formats[] = {EMU_CBOR, EMU_JSON};
	struct emu_report sent = report_full();

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct report got;

		emu_report_write(&sent, &msg);
		assert_int_equal(native_report_decode(server_format(formats[i]),
						      encoded(formats[i]), &got, &fault),
				 0);
		assert_int_equal(got.boot.len, 16);
		assert_memory_equal(got.boot.bytes, sent.boot_id, 16);
		assert_int_equal(got.boot.count, 41);
		assert_string_equal(got.version, "1.4.2");
		assert_int_equal(got.running.kind, DIGEST_FILE);
		assert_memory_equal(got.running.value, sent.digest, 32);
		assert_int_equal(got.confirmed, 1);
		assert_int_equal(got.reset, RESET_UPDATE);
		assert_int_equal(got.last.attempt, 4711);
		assert_int_equal(got.last.stage, STAGE_BOOT_LOADER);
		assert_int_equal(got.last.reason, REASON_BOOT_LOADER);
		assert_int_equal(got.last.code, -3);
		assert_string_equal(got.last.detail, "image rejected");
		assert_int_equal(got.updates_enabled, 0);
		assert_int_equal(got.fs_free_bytes, 4096);
		assert_int_equal(got.battery_percent, 87);
		assert_string_equal(got.hardware, "argon");
		assert_true(got.has_cached);
		assert_memory_equal(got.cached, sent.cached, 32);
		assert_int_equal(got.interval_s, 60);
		assert_int_equal(got.capabilities, CAP_GATE | CAP_WINDOW);
		assert_int_equal(got.uptime_s, 12);
	}
}

static void test_emu_status_is_what_the_server_reads(void **state)
{
	struct emu_status sent = {
		.attempt = 4711,
		.state = EMU_STATUS_DEFERRED,
		.reason = EMU_REASON_DEFERRED,
		.code = -16,
		.detail = "busy",
		.received = 5,
		.start_offset = 3,
		.defer_s = 30,
		.seq = 9,
	};

	(void)state;
	memset(sent.boot_id, 0xb0, sizeof(sent.boot_id));
	for (int json = 0; json < 2; json++) {
		enum emu_format format = json ? EMU_JSON : EMU_CBOR;
		struct status got;

		emu_status_write(&sent, &msg);
		assert_int_equal(
			native_status_decode(server_format(format), encoded(format), &got, &fault),
			0);
		assert_int_equal(got.attempt, 4711);
		assert_int_equal(got.state, STATUS_DEFERRED);
		assert_int_equal(got.reason, REASON_DEFERRED);
		assert_int_equal(got.code, -16);
		assert_string_equal(got.detail, "busy");
		assert_int_equal(got.received_bytes, 5);
		assert_int_equal(got.start_offset, 3);
		assert_int_equal(got.defer_until_s, 30);
		assert_int_equal(got.seq, 9);
		assert_memory_equal(got.boot.bytes, sent.boot_id, 16);
	}
}

static void test_emu_report_fits_a_message(void **state)
{
	struct emu_report r = report_full();

	(void)state;
	memset(r.version, 'v', LIMIT_VERSION);
	memset(r.last.detail, 'd', LIMIT_DETAIL);
	r.hardware = "01234567890123456789012345678901";
	r.boot_loader = r.hardware;
	emu_report_write(&r, &msg);
	assert_true(encoded(EMU_CBOR).len <= LIMIT_NATIVE_MESSAGE);
	assert_true(encoded(EMU_JSON).len <= LIMIT_NATIVE_JSON);
}

static void test_emu_payload_round_trip(void **state)
{
	(void)state;
	for (int json = 0; json < 2; json++) {
		enum emu_format format = json ? EMU_JSON : EMU_CBOR;
		struct emu_item *array;
		struct bytes b;
		uint8_t digest[3];
		char text[16];

		emu_msg_init(&msg);
		emu_msg_int(&msg, -1, -1);
		emu_msg_uint(&msg, 0, 1000000);
		emu_msg_bytes(&msg, 1, "\1\2\xff", 3);
		emu_msg_text(&msg, 2, "a\"\\\n\xc3\xa4");
		emu_msg_bool(&msg, 3, true);
		array = emu_msg_array(&msg, 4);
		emu_element_int(array, -5);
		emu_element_text(array, "x");
		b = encoded(format);
		assert_int_equal(decode(b.ptr, b.len, format), 0);
		assert_int_equal(msg.len, 6);
		assert_int_equal(msg.items[0].key, -1);
		assert_int_equal(msg.items[0].value.type, EMU_NEGINT);
		assert_int_equal(emu_item_bytes(&msg, 1, digest, 3), 0);
		assert_memory_equal(digest, "\1\2\xff", 3);
		assert_int_equal(emu_item_text(&msg, 2, text, sizeof(text)), 0);
		assert_string_equal(text, "a\"\\\n\xc3\xa4");
		assert_int_equal(emu_msg_find(&msg, 4)->len, 2);
		assert_int_equal(emu_msg_find(&msg, 4)->elements[0].number, 4);
		assert_int_equal(emu_item_bytes(&msg, 1, digest, 2), ERR_INVAL);
		assert_int_equal(emu_item_text(&msg, 9, text, sizeof(text)), ERR_NOENT);
	}
}

static void test_emu_payload_every_truncation_is_refused(void **state)
{
	struct emu_report r = report_full();

	(void)state;
	for (int json = 0; json < 2; json++) {
		enum emu_format format = json ? EMU_JSON : EMU_CBOR;
		uint8_t copy[EMU_MESSAGE_MAX];
		struct bytes b;

		emu_report_write(&r, &msg);
		b = encoded(format);
		memcpy(copy, b.ptr, b.len);
		for (size_t n = 0; n < b.len; n++)
			assert_int_not_equal(decode(copy, n, format), 0);
		copy[b.len] = '0';
		assert_int_equal(decode(copy, b.len + 1, format), ERR_EXTRA);
	}
}

static void test_emu_payload_malformed_is_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {
		{"\x80", 1},					  /* no map */
		{"\xa1\x61\x61\x01", 4},			  /* a text key */
		{"\xa2\x01\x01\x01\x01", 5},			  /* a key twice */
		{"\xa1\x01\x5f\x41\x00\xff", 6},		  /* chunked */
		{"\xa1\x01\x81\x81\x81\x81\x81\x81\x81\x01", 10}, /* too deep */
		{"\xa1\x01\xff", 3},
		{"\xa1\x01\x1c", 3},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_not_equal(decode(bad[i].bytes, bad[i].len, EMU_CBOR), 0);
	assert_int_equal(decode("\xbf\x01\x02\xff", 4, EMU_CBOR), 0);
	assert_int_equal(decode("\xa1\x01\xa1\x01\x82\x01\x02", 7, EMU_CBOR), 0);
	assert_int_equal(decode("\xa1\x01\xc1\x02", 4, EMU_CBOR), 0);
}

static void test_emu_json_malformed_is_refused(void **state)
{
	static const char spaced[] = " { \"1\" : null , \"2\":[ ] } ";
	static const char *const bad[] = {
		"",
		"[]",
		"{\"a\":1}",
		"{\"1\":1,\"1\":2}",
		"{1:2}",
		"{\"1\":}",
		"{\"1\":\"\\x\"}",
		"{\"1\":\"\\ud800\"}",
		"{\"1\":[1,}",
		"{\"1\":1234567890123456789012}",
		"{\"1\":yes}",
		"{\"1\":1}x",
		"{\"1\":\"\n\"}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_not_equal(decode(bad[i], strlen(bad[i]), EMU_JSON), 0);
	assert_int_equal(decode(spaced, strlen(spaced), EMU_JSON), 0);
}

static struct directive directive_full(void)
{
	struct directive d = {
		.action = DIRECTIVE_UPDATE,
		.retry_after_s = -1,
		.attempt = 4711,
		.version = "1.5.0",
		.size_bytes = 245760,
		.flags = DIRECTIVE_FRESH | DIRECTIVE_RESUME,
		.next_check_in_s = 60,
		.window = 8,
		.block_bytes = 512,
	};

	memset(d.file_sha256, 0x5a, sizeof(d.file_sha256));
	return d;
}

static void test_emu_directive_is_what_the_server_wrote(void **state)
{
	struct directive sent = directive_full();

	(void)state;
	for (int json = 0; json < 2; json++) {
		enum emu_format format = json ? EMU_JSON : EMU_CBOR;
		struct buf out = buf_writer(wire, sizeof(wire));
		struct emu_directive got;

		assert_int_equal(native_directive_encode(server_format(format), &sent, &out), 0);
		assert_int_equal(decode(wire, out.pos, format), 0);
		assert_int_equal(emu_directive_read(&msg, &got), 0);
		assert_int_equal(got.action, EMU_ACTION_UPDATE);
		assert_int_equal(got.attempt, 4711);
		assert_string_equal(got.version, "1.5.0");
		assert_int_equal(got.size, 245760);
		assert_memory_equal(got.digest, sent.file_sha256, 32);
		assert_string_equal(got.path, "/fw/5a5a5a5a5a5a5a5a");
		assert_int_equal(got.flags, EMU_FLAG_FRESH | EMU_FLAG_RESUME);
		assert_int_equal(got.next_s, 60);
		assert_int_equal(got.window, 8);
		assert_int_equal(got.block, 512);
		assert_false(got.critical);
	}
}

static void test_emu_directive_critical_parts_are_seen(void **state)
{
	static const char *const critical[] = {
		"{\"0\":2,\"1\":5,\"-1\":0}",
		"{\"0\":2,\"1\":5,\"6\":8}",
		"{\"0\":3,\"1\":5}",
	};
	struct emu_directive got;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(decode(critical[i], strlen(critical[i]), EMU_JSON), 0);
		assert_int_equal(emu_directive_read(&msg, &got), 0);
		assert_true(got.critical);
		assert_int_equal(got.attempt, 5);
	}
	assert_int_equal(decode("{\"0\":0,\"99\":[1]}", 16, EMU_JSON), 0);
	assert_int_equal(emu_directive_read(&msg, &got), 0);
	assert_false(got.critical);
}

static void test_emu_directive_incomplete_update_is_refused(void **state)
{
	static const char *const bad[] = {
		"{\"1\":5}",
		"{\"0\":\"x\"}",
		"{\"0\":2,\"1\":5}",
		"{\"0\":2,\"1\":5,\"3\":10,\"4\":\"00\",\"5\":\"/fw/x\"}",
	};
	struct emu_directive got = {.attempt = 77};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(decode(bad[i], strlen(bad[i]), EMU_JSON), 0);
		assert_int_not_equal(emu_directive_read(&msg, &got), 0);
	}
	assert_int_equal(got.attempt, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_emu_report_is_what_the_server_reads),
		cmocka_unit_test(test_emu_status_is_what_the_server_reads),
		cmocka_unit_test(test_emu_report_fits_a_message),
		cmocka_unit_test(test_emu_payload_round_trip),
		cmocka_unit_test(test_emu_payload_every_truncation_is_refused),
		cmocka_unit_test(test_emu_payload_malformed_is_refused),
		cmocka_unit_test(test_emu_json_malformed_is_refused),
		cmocka_unit_test(test_emu_directive_is_what_the_server_wrote),
		cmocka_unit_test(test_emu_directive_critical_parts_are_seen),
		cmocka_unit_test(test_emu_directive_incomplete_update_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
