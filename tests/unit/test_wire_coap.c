/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/coap.h"

static struct bytes text(const char *s)
{
	return (struct bytes){(const uint8_t *)s, strlen(s)};
}

static void test_coap_written_message_reads_back(void **state)
{
	uint8_t raw[128];
	struct wire_coap m;
	struct wire_coap_writer w =
		wire_coap_begin(raw, sizeof(raw), WIRE_CON, 1, 0xbeef, text("tok"));

	(void)state;
	wire_coap_put_bytes(&w, WIRE_OPT_ETAG, text("12345678"));
	wire_coap_put_uint(&w, WIRE_OPT_OBSERVE, 0);
	wire_coap_put_bytes(&w, WIRE_OPT_URI_PATH, text("fw"));
	wire_coap_put_bytes(&w, WIRE_OPT_URI_PATH, text("0123456789abcdef"));
	wire_coap_put_bytes(&w, WIRE_OPT_URI_QUERY, text("ep=a"));
	wire_coap_put_uint(&w, WIRE_OPT_ACCEPT, 60);
	wire_coap_put_block(&w, WIRE_OPT_BLOCK2, (struct wire_block){.num = 1000, .szx = 5});
	wire_coap_put_uint(&w, WIRE_OPT_SIZE2, 0);
	wire_coap_payload(&w, text("body"));
	assert_true(buf_ok(&w.buf));
	assert_int_equal(wire_coap_decode(raw, w.buf.pos, &m), 0);
	assert_int_equal(m.type, WIRE_CON);
	assert_int_equal(m.code, 1);
	assert_int_equal(m.mid, 0xbeef);
	assert_true(bytes_equal(m.token, text("tok")));
	assert_int_equal(m.etag_count, 1);
	assert_true(bytes_equal(m.etag[0], text("12345678")));
	assert_int_equal(m.observe, 0);
	assert_int_equal(m.path_count, 2);
	assert_true(bytes_equal(m.path[1], text("0123456789abcdef")));
	assert_int_equal(m.query_count, 1);
	assert_int_equal(m.accept, 60);
	assert_int_equal(m.content_format, -1);
	assert_true(m.has_block2 && m.has_size2 && !m.has_block1);
	assert_int_equal(m.block2.num, 1000);
	assert_int_equal(m.block2.szx, 5);
	assert_int_equal(m.bad_option, 0);
	assert_true(bytes_equal(m.payload, text("body")));
}

static int decode(const char *hex, struct wire_coap *m)
{
	static uint8_t raw[512]; /* what is borrowed must outlive this */
	size_t len = 0;

	assert_int_equal(buf_from_hex(hex, strlen(hex), raw, sizeof(raw), &len), 0);
	return wire_coap_decode(raw, len, m);
}

static void test_coap_short_or_foreign_is_not_ours(void **state)
{
	struct wire_coap m;

	(void)state;
	assert_int_equal(decode("", &m), ERR_TRUNC);
	assert_int_equal(decode("400100", &m), ERR_TRUNC);
	assert_int_equal(decode("00010001", &m), ERR_VERSION);
	assert_int_equal(decode("80010001", &m), ERR_VERSION);
	assert_int_equal(decode("c0010001", &m), ERR_VERSION);
}

static void test_coap_malformed_is_syntax_and_has_its_header(void **state)
{
	static const char *const bad[] = {
		"49010001010203040506070809", /* token of 9 */
		"4f010001",		      /* the same, reserved */
		"4401000101",		      /* token cut off */
		"4000000101",		      /* empty message with more behind it */
		"40010001ff",		      /* marker, no payload */
		"40010001b5617263",	      /* option value cut off */
		"40010001f0",		      /* delta 15 is reserved */
		"400100011f",		      /* length 15 is reserved */
		"40010001e0ffff",	      /* delta with nothing behind, number too large */
		"40010001d0",		      /* extended delta cut off */
		"40210001",		      /* class 1 */
		"40c00001",		      /* class 6 */
		"40e10001",		      /* class 7 */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct wire_coap m;

		assert_int_equal(decode(bad[i], &m), ERR_SYNTAX);
		assert_int_equal(m.type, WIRE_CON);
		assert_int_equal(m.mid, 1);
	}
}

static void test_coap_critical_unknown_is_named_elective_is_not(void **state)
{
	struct wire_coap m;

	(void)state;
	assert_int_equal(decode("4001000190", &m), 0); /* option 9: OSCORE, odd */
	assert_int_equal(m.bad_option, 9);
	assert_int_equal(decode("40010001a0", &m), 0); /* option 10, even */
	assert_int_equal(m.bad_option, 0);
}

static void test_coap_bad_length_counts_as_unknown(void **state)
{
	struct wire_coap m;

	(void)state;
	assert_int_equal(decode("40010001d40a01020304", &m), 0); /* Block2 of 4 bytes */
	assert_int_equal(m.bad_option, WIRE_OPT_BLOCK2);
	assert_false(m.has_block2);
	assert_int_equal(decode("40010001c3010203", &m), 0); /* Content-Format of 3: elective */
	assert_int_equal(m.bad_option, 0);
	assert_int_equal(m.content_format, -1);
}

static void test_coap_repeated_single_option_counts_as_unknown(void **state)
{
	struct wire_coap m;

	(void)state;
	assert_int_equal(decode("40010001d1043c013c", &m), 0); /* Accept twice */
	assert_int_equal(m.bad_option, WIRE_OPT_ACCEPT);
	assert_int_equal(decode("40010001c13c012a", &m), 0); /* Content-Format twice: the first */
	assert_int_equal(m.bad_option, 0);
	assert_int_equal(m.content_format, 60);
}

static void test_coap_path_at_limit_fits_one_more_is_too_deep(void **state)
{
	struct wire_coap m;

	(void)state;
	assert_int_equal(decode("40010001b161016101610161", &m), 0);
	assert_int_equal(m.path_count, LIMIT_COAP_PATH);
	assert_false(m.path_too_deep);
	assert_int_equal(decode("40010001b1610161016101610161", &m), 0);
	assert_int_equal(m.path_count, LIMIT_COAP_PATH);
	assert_true(m.path_too_deep);
}

static void test_coap_options_at_limit_read_one_more_is_syntax(void **state)
{
	uint8_t raw[128];
	struct wire_coap m;
	struct wire_coap_writer w = wire_coap_begin(raw, sizeof(raw), WIRE_CON, 1, 1, text(""));

	(void)state;
	for (unsigned i = 0; i < LIMIT_COAP_OPTIONS; i++)
		wire_coap_put_bytes(&w, WIRE_OPT_URI_QUERY, text("q"));
	assert_int_equal(wire_coap_decode(raw, w.buf.pos, &m), 0);
	assert_int_equal(m.query_count, WIRE_QUERIES);
	wire_coap_put_bytes(&w, WIRE_OPT_URI_QUERY, text("q"));
	assert_int_equal(wire_coap_decode(raw, w.buf.pos, &m), ERR_SYNTAX);
}

static void test_coap_host_and_port_are_accepted(void **state)
{
	struct wire_coap m;

	(void)state;
	assert_int_equal(decode("4001000132616142"
				"1633",
				&m),
			 0); /* host aa, port 0x1633 */
	assert_int_equal(m.bad_option, 0);
}

static void test_coap_if_match_third_is_critical(void **state)
{
	struct wire_coap m;

	(void)state;
	assert_int_equal(decode("40010001110101020103", &m), 0);
	assert_int_equal(m.bad_option, WIRE_OPT_IF_MATCH);
	assert_int_equal(m.if_match_count, WIRE_IF_MATCH);
}

static void test_coap_writer_overflow_is_sticky(void **state)
{
	uint8_t raw[8];
	struct wire_coap_writer w = wire_coap_begin(raw, sizeof(raw), WIRE_CON, 1, 1, text("ab"));

	(void)state;
	wire_coap_put_bytes(&w, WIRE_OPT_URI_PATH, text("report"));
	wire_coap_put_uint(&w, WIRE_OPT_ACCEPT, 0);
	assert_false(buf_ok(&w.buf));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_coap_written_message_reads_back),
		cmocka_unit_test(test_coap_short_or_foreign_is_not_ours),
		cmocka_unit_test(test_coap_malformed_is_syntax_and_has_its_header),
		cmocka_unit_test(test_coap_critical_unknown_is_named_elective_is_not),
		cmocka_unit_test(test_coap_bad_length_counts_as_unknown),
		cmocka_unit_test(test_coap_repeated_single_option_counts_as_unknown),
		cmocka_unit_test(test_coap_path_at_limit_fits_one_more_is_too_deep),
		cmocka_unit_test(test_coap_options_at_limit_read_one_more_is_syntax),
		cmocka_unit_test(test_coap_host_and_port_are_accepted),
		cmocka_unit_test(test_coap_if_match_third_is_critical),
		cmocka_unit_test(test_coap_writer_overflow_is_sticky),
	};

	return cmocka_run_group_tests_name("wire/coap", tests, NULL, NULL);
}
