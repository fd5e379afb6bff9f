/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/net_hello.h"

/* A ClientHello with a session id of sid bytes and a cookie of `cookie` bytes. */
static size_t hello_make(uint8_t dst[256], size_t sid, size_t cookie)
{
	struct buf w = buf_writer(dst, 256);
	uint16_t body = (uint16_t)(2 + 32 + 1 + sid + 1 + cookie + 2 + 2 + 2);

	buf_put_u8(&w, NET_RECORD_HANDSHAKE);
	buf_put_u16(&w, 0xfefd);
	buf_put_u16(&w, 0);
	buf_put_bytes(&w, "\1\2\3\4\5\6", 6);
	buf_put_u16(&w, (uint16_t)(body + 12));
	buf_put_u8(&w, 1);
	buf_put_u8(&w, 0);
	buf_put_u16(&w, body);
	buf_put_u16(&w, 0x0708); /* message_seq */
	buf_put_u8(&w, 0);
	buf_put_u16(&w, 0);
	buf_put_u8(&w, 0);
	buf_put_u16(&w, body);
	buf_put_u16(&w, 0xfefd);
	for (uint8_t i = 0; i < 32; i++)
		buf_put_u8(&w, i);
	buf_put_u8(&w, (uint8_t)sid);
	for (size_t i = 0; i < sid; i++)
		buf_put_u8(&w, 0x55);
	buf_put_u8(&w, (uint8_t)cookie);
	for (size_t i = 0; i < cookie; i++)
		buf_put_u8(&w, 0xcc);
	buf_put_u16(&w, 2);
	buf_put_u16(&w, 0xc0a8);
	buf_put_u16(&w, 0x0100);
	assert_true(buf_ok(&w));
	return w.pos;
}

static void test_hello_parses_random_and_cookie(void **state)
{
	uint8_t raw[256];
	struct net_hello hello;
	size_t len = hello_make(raw, 7, 20);

	(void)state;
	assert_true(net_hello_parse(raw, len, &hello));
	assert_int_equal(hello.random.len, 32);
	assert_int_equal(hello.random.ptr[31], 31);
	assert_int_equal(hello.cookie.len, 20);
	assert_int_equal(hello.cookie.ptr[0], 0xcc);
}

static void test_hello_cut_anywhere_before_cookie_is_none(void **state)
{
	uint8_t raw[256];
	struct net_hello hello;

	(void)state;
	(void)hello_make(raw, 0, 20);
	for (size_t len = 0; len < 13 + 12 + 2 + 32 + 1 + 1 + 20; len++)
		assert_false(net_hello_parse(raw, len, &hello));
}

static void test_hello_other_records_are_none(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} change[] = {
		{0, NET_RECORD_DATA},
		{0, NET_RECORD_ALERT},
		{1, 3},
		{4, 1},
		{13, 2},
		{21, 1},
		{25, 3},
	};
	uint8_t raw[256];
	struct net_hello hello;

	(void)state;
	for (size_t i = 0; i < sizeof(change) / sizeof(change[0]); i++) {
		size_t len = hello_make(raw, 0, 0);

		raw[change[i].at] = change[i].value;
		assert_false(net_hello_parse(raw, len, &hello));
	}
}

static void test_verify_request_is_smaller_than_three_hellos(void **state)
{
	uint8_t raw[256], out[NET_VERIFY_MAX], cookie[NET_COOKIE_MAX] = {9};
	size_t len = hello_make(raw, 0, 0);
	size_t got = net_hello_verify(raw, (struct bytes){cookie, 32}, out);

	(void)state;
	assert_int_equal(got, 13 + 12 + 3 + 32);
	assert_true(got < 3 * len);
	assert_memory_equal(out + 3, raw + 3, 8); /* epoch and record number are the client's */
	assert_memory_equal(out + 17, "\x07\x08", 2);
	assert_int_equal(out[13], 3);
	assert_int_equal(out[27], 32);
	assert_int_equal(out[12], got - 13);
	assert_int_equal(net_hello_verify(raw, (struct bytes){cookie, NET_COOKIE_MAX}, out),
			 NET_VERIFY_MAX);
}

static void test_record_first_refuses_what_is_not_dtls(void **state)
{
	uint8_t raw[256];
	struct net_record record;
	size_t len = hello_make(raw, 0, 0);

	(void)state;
	assert_int_equal(net_record_first(raw, len, &record), 0);
	assert_int_equal(record.type, NET_RECORD_HANDSHAKE);
	assert_int_equal(record.epoch, 0);
	assert_int_equal(net_record_first(raw, 12, &record), ERR_TRUNC);
	raw[0] = 19;
	assert_int_equal(net_record_first(raw, len, &record), ERR_SYNTAX);
	raw[0] = 24;
	assert_int_equal(net_record_first(raw, len, &record), ERR_SYNTAX);
	raw[0] = 22, raw[1] = 3;
	assert_int_equal(net_record_first(raw, len, &record), ERR_SYNTAX);
}

static void test_record_version_fe00_is_mended_in_epoch_0_only(void **state)
{
	uint8_t raw[512];
	size_t len = hello_make(raw, 0, 0);

	(void)state;
	memcpy(raw + len, raw, len);
	memcpy(raw + 2 * len, raw, 20); /* a cut record at the end must not be read past */
	raw[2] = raw[len + 2] = raw[2 * len + 2] = 0;
	raw[len + 4] = 1; /* epoch 1: authenticated, so not ours to change */
	net_record_mend_version(raw, 2 * len + 20);
	assert_int_equal(raw[2], 0xfd);
	assert_int_equal(raw[len + 2], 0);
	assert_int_equal(raw[2 * len + 2], 0xfd);
	net_record_mend_version(raw, 0);
	net_record_mend_version(raw, 5);
}

static void test_record_whole_leaves_out_stumps(void **state)
{
	uint8_t raw[512];
	size_t len = hello_make(raw, 0, 0);

	(void)state;
	memcpy(raw + len, raw, len);
	assert_int_equal(net_record_whole(raw, 2 * len), 2 * len);
	for (size_t cut = 1; cut < len; cut++)
		assert_int_equal(net_record_whole(raw, 2 * len - cut), len);
	assert_int_equal(net_record_whole(raw, 12), 0);
	assert_int_equal(net_record_whole(raw, 0), 0);
}

/* RFC 9146 4: type, version, epoch, sequence number, connection ID, length, body. */
static size_t cid_record_make(uint8_t *dst, uint8_t epoch, uint8_t number, size_t body)
{
	struct buf w = buf_writer(dst, 256);

	buf_put_u8(&w, NET_RECORD_CID);
	buf_put_u16(&w, 0xfefd);
	buf_put_u16(&w, epoch);
	buf_put_bytes(&w, "\0\0\0\0\0", 5);
	buf_put_u8(&w, number);
	buf_put_bytes(&w, "connecti", NET_CID);
	buf_put_u16(&w, (uint16_t)body);
	for (size_t i = 0; i < body; i++)
		buf_put_u8(&w, 0xee);
	assert_true(buf_ok(&w));
	return w.pos;
}

static void test_record_with_a_connection_id_has_it_before_its_length(void **state)
{
	uint8_t raw[512];
	struct net_record record;
	size_t len = cid_record_make(raw, 1, 7, 30);

	(void)state;
	assert_int_equal(len, NET_RECORD_HEADER + NET_CID + 30);
	assert_int_equal(net_record_first(raw, len, &record), 0);
	assert_int_equal(record.type, NET_RECORD_CID);
	assert_int_equal(record.epoch, 1);
	assert_true(record.number == ((uint64_t)1 << 48 | 7));
	assert_int_equal(record.len, len);
	assert_true(bytes_equal(record.cid, (struct bytes){(const uint8_t *)"connecti", 8}));
	for (size_t cut = 0; cut < NET_RECORD_HEADER + NET_CID; cut++)
		assert_int_equal(net_record_first(raw, cut, &record), ERR_TRUNC);
	(void)cid_record_make(raw, 0, 7, 30); /* plaintext has none */
	assert_int_equal(net_record_first(raw, len, &record), ERR_SYNTAX);
}

static void test_record_number_is_newer_by_epoch_then_sequence(void **state)
{
	static const uint8_t order[][2] = {{1, 0}, {1, 1}, {1, 255}, {2, 0}, {2, 1}};
	uint8_t raw[256];
	struct net_record record;
	uint64_t before = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		size_t len = cid_record_make(raw, order[i][0], order[i][1], 3);

		assert_int_equal(net_record_first(raw, len, &record), 0);
		assert_true(record.number > before);
		before = record.number;
	}
}

static void test_record_whole_counts_the_connection_id(void **state)
{
	uint8_t raw[1024];
	size_t first = hello_make(raw, 0, 0);
	size_t second = cid_record_make(raw + first, 1, 0, 20);
	size_t all = first + second + cid_record_make(raw + first + second, 1, 1, 5);
	struct bytes cid = net_record_cid(raw, all);

	(void)state;
	assert_int_equal(net_record_whole(raw, all), all);
	for (size_t cut = 1; cut < 26; cut++)
		assert_int_equal(net_record_whole(raw, all - cut), first + second);
	assert_ptr_equal(cid.ptr, raw + first + 11);
	assert_int_equal(cid.len, NET_CID);
	assert_int_equal(net_record_cid(raw, first).len, 0);
	assert_int_equal(net_record_cid(raw, 0).len, 0);
	(void)cid_record_make(raw + first, 0, 0, 20);
	assert_int_equal(net_record_whole(raw, all), first);
}

static void test_hello_window_takes_each_record_once(void **state)
{
	uint8_t record[14] = {NET_RECORD_HANDSHAKE, 0xfe, 0xfd, 0, 0, 0, 0, 0, 1, 0, 200, 0, 1, 1};
	struct net_hello_window w = {0};

	(void)state;
	assert_true(net_hello_fresh(&w, record, sizeof(record)));
	assert_false(net_hello_fresh(&w, record, sizeof(record)));
	record[10] = 202; /* 201 overtaken */
	assert_true(net_hello_fresh(&w, record, sizeof(record)));
	record[10] = 201;
	assert_true(net_hello_fresh(&w, record, sizeof(record)));
	assert_false(net_hello_fresh(&w, record, sizeof(record)));
	record[10] = 199; /* of before */
	assert_false(net_hello_fresh(&w, record, sizeof(record)));
	record[9] = 1, record[10] = 200 + 63 - 256;
	assert_true(net_hello_fresh(&w, record, sizeof(record)));
	record[10]++;
	assert_false(net_hello_fresh(&w, record, sizeof(record)));
	record[9] = 0, record[10] = 203, record[4] = 1;
	assert_false(net_hello_fresh(&w, record, sizeof(record)));
	record[4] = 0, record[0] = NET_RECORD_ALERT;
	assert_false(net_hello_fresh(&w, record, sizeof(record)));
	record[0] = NET_RECORD_HANDSHAKE;
	assert_false(net_hello_fresh(&w, record, 10));
	assert_true(net_hello_fresh(&w, record, 11));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hello_parses_random_and_cookie),
		cmocka_unit_test(test_hello_cut_anywhere_before_cookie_is_none),
		cmocka_unit_test(test_hello_other_records_are_none),
		cmocka_unit_test(test_hello_window_takes_each_record_once),
		cmocka_unit_test(test_verify_request_is_smaller_than_three_hellos),
		cmocka_unit_test(test_record_first_refuses_what_is_not_dtls),
		cmocka_unit_test(test_record_whole_leaves_out_stumps),
		cmocka_unit_test(test_record_with_a_connection_id_has_it_before_its_length),
		cmocka_unit_test(test_record_number_is_newer_by_epoch_then_sequence),
		cmocka_unit_test(test_record_whole_counts_the_connection_id),
		cmocka_unit_test(test_record_version_fe00_is_mended_in_epoch_0_only),
	};

	return cmocka_run_group_tests_name("net/hello", tests, NULL, NULL);
}
