/* SPDX-License-Identifier: Apache-2.0
 *
 * A sender's address is easily forged, so nobody shall make the server send more than he sends
 * himself: every answer that one can have without having proved an address is measured here.
 *
 * An address is proved by a cookie (RFC 6347 4.2.1). What is sent after it - the flights of a
 * handshake and their repetitions - goes to somebody who asked for it, and is measured only to
 * know that it ends.
 */
#include "net_client.h"

#include "base/limits.h"
#include "net/net_internal.h"

enum { FACTOR = 3, TURNS = 4, HELLO = 67 };

/* Bytes that come back for these. */
static size_t echo_of(struct rig *r, int fd, const uint8_t *data, size_t len)
{
	uint8_t raw[4096];
	size_t sum = 0;
	ssize_t got;

	assert_int_equal(send(fd, data, len, 0), (ssize_t)len);
	for (unsigned i = 0; i < TURNS; i++)
		rig_turn(r);
	while ((got = recv(fd, raw, sizeof(raw), 0)) > 0)
		sum += (size_t)got;
	return sum;
}

/* ---- DTLS ---- */

static void hello(uint8_t dst[HELLO])
{
	static const uint8_t head[] = {22, 0xfe, 0xfd, 0,  0, 0, 0, 0, 0, 0, 0, 0, 54,
				       1,  0,	 0,    42, 0, 0, 0, 0, 0, 0, 0, 42};

	memset(dst, 0, HELLO);
	memcpy(dst, head, sizeof(head));
	dst[25] = 0xfe, dst[26] = 0xfd;
	dst[62] = 2, dst[63] = 0xc0, dst[64] = 0xa8, dst[65] = 1;
}

/* The shortest that is answered is the largest lever. */
static void test_hello_verify_request_is_never_larger_than_its_hello(void **state)
{
	struct rig *r = rig_new((struct net_conf){0}, "127.0.0.1", true);
	int fd = rig_socket(r);
	uint8_t raw[HELLO];
	unsigned answered = 0;

	(void)state;
	for (size_t len = 1; len <= HELLO; len++) {
		hello(raw);
		raw[12] = (uint8_t)(len > 13 ? len - 13 : 0); /* the record ends with it */

		size_t echo = echo_of(r, fd, raw, len);

		assert_true(echo <= len);
		answered += echo > 0;
	}
	assert_true(answered > 0);
	assert_int_equal(rig_stats(r).cookies_sent, answered);
	assert_int_equal(rig_stats(r).half_open, 0);
	(void)close(fd);
	rig_free(r);
}

static void test_hello_with_a_wrong_cookie_gets_no_more_than_a_hello_verify_request(void **state)
{
	struct rig *r = rig_new((struct net_conf){0}, "127.0.0.1", true);
	int fd = rig_socket(r);
	uint8_t raw[HELLO + 255];

	(void)state;
	for (unsigned cookie = 0; cookie <= 255; cookie++) {
		size_t len = HELLO + cookie, body = len - 13;

		memset(raw, 0x5a, sizeof(raw));
		hello(raw);
		memmove(raw + 61 + cookie, raw + 61, 6);
		raw[60] = (uint8_t)cookie;
		raw[11] = (uint8_t)(body >> 8), raw[12] = (uint8_t)body;
		raw[15] = raw[23] = (uint8_t)((body - 12) >> 8);
		raw[16] = raw[24] = (uint8_t)(body - 12);
		assert_true(echo_of(r, fd, raw, len) <= len);
	}
	assert_int_equal(rig_stats(r).half_open, 0);
	(void)close(fd);
	rig_free(r);
}

static unsigned any_record(struct rig *r, int fd)
{
	static const size_t lens[] = {0, 1, 2, 12, 40, 200};
	uint8_t raw[13 + 200];
	unsigned answered = 0;

	for (unsigned type = 18; type <= 26; type++)
		for (uint8_t epoch = 0; epoch <= 2; epoch++)
			for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
				for (uint8_t first = 0; first < 24; first++) {
					memset(raw, 0, sizeof(raw));
					raw[0] = (uint8_t)type;
					raw[1] = 0xfe, raw[2] = 0xfd;
					raw[4] = epoch;
					raw[10] = first;
					raw[12] = (uint8_t)lens[i];
					raw[13] = first; /* the type of a handshake message */

					size_t len = 13 + lens[i];
					size_t echo = echo_of(r, fd, raw, len);

					assert_true(echo <= FACTOR * len);
					answered += echo > 0;
				}
	return answered;
}

static void test_records_of_nobody_get_no_answer_at_all(void **state)
{
	struct rig *r = rig_new((struct net_conf){0}, "127.0.0.1", true);
	int fd = rig_socket(r);

	(void)state;
	assert_int_equal(any_record(r, fd), 0);
	(void)close(fd);
	rig_free(r);
}

/* Somebody else writes a device's address on his datagrams. */
static void test_forged_records_to_a_session_get_no_answer_and_do_not_end_it(void **state)
{
	struct rig *r = rig_new((struct net_conf){0}, "127.0.0.1", true);
	struct client *c = client_up(r, "dev-a");
	uint8_t answer[256];

	(void)state;
	assert_int_equal(any_record(r, c->fd), 0);
	assert_true(client_get(c, 7, answer, 2000) > 0);
	assert_int_equal(any_record(r, c->fd), 0);
	assert_int_equal(rig_stats(r).peers, 1);
	assert_true(client_get(c, 8, answer, 2000) > 0);
	client_free(c);
	rig_free(r);
}

/* Proved: but what is never answered is not repeated for ever. */
static void test_flights_of_a_handshake_that_nobody_answers_come_to_an_end(void **state)
{
	struct rig *r = rig_new((struct net_conf){0}, "127.0.0.1", true);
	struct client *c =
		client_new(r, "dev-a", rig_key, MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, NULL);
	uint8_t raw[4096];
	size_t sum = 0;
	ssize_t got;

	(void)state;
	client_start(c);
	(void)mbedtls_ssl_handshake(&c->ssl); /* ClientHello */
	rig_turn(r);
	(void)mbedtls_ssl_handshake(&c->ssl); /* the same with the cookie */
	rig_turn(r);
	assert_int_equal(rig_stats(r).half_open, 1);
	for (int64_t ms = 0; ms <= 2 * NET_HALF_OPEN_MS; ms += 500) {
		r->net->timers.now_ms += 500;
		net_timers_run(&r->net->timers);
		for (unsigned i = 0; i < TURNS; i++)
			rig_turn(r);
		while ((got = recv(c->fd, raw, sizeof(raw), 0)) > 0)
			sum += (size_t)got;
		r->net->timers.now_ms += ms; /* rig_turn() has set the clock right */
		net_timers_run(&r->net->timers);
	}
	assert_int_equal(rig_stats(r).half_open, 0);
	assert_in_range(sum, 1, 4096);
	client_free(c);
	rig_free(r);
}

/* ---- plain coap ---- */

struct plain_ask {
	enum wire_coap_type type;
	uint8_t code;
	unsigned token, option, segments;
	bool payload;
};

static size_t plain_encode(const struct plain_ask *a, uint16_t mid, uint8_t dst[512])
{
	static const char *const path[] = {".well-known", "core", "x", "y", "z"};
	static const uint8_t token[8] = {1, 2, 3, 4, 5, 6, 7, 8};
	struct wire_coap_writer w =
		wire_coap_begin(dst, 512, a->type, a->code, mid, (struct bytes){token, a->token});

	if (a->option == 1) /* unknown and critical */
		wire_coap_put_uint(&w, (enum wire_coap_option)9, 1);
	for (unsigned i = 0; i < a->segments; i++)
		wire_coap_put_bytes(&w, WIRE_OPT_URI_PATH,
				    (struct bytes){(const uint8_t *)path[i], strlen(path[i])});
	if (a->option == 2)
		wire_coap_put_uint(&w, WIRE_OPT_ACCEPT, 60);
	if (a->option >= 3 && a->option <= 10)
		wire_coap_put_block(&w, WIRE_OPT_BLOCK2, (struct wire_block){.szx = a->option - 3});
	if (a->option == 11)
		wire_coap_put_block(&w, WIRE_OPT_BLOCK1, (struct wire_block){.szx = 6});
	if (a->option == 12)
		wire_coap_put_bytes(&w, WIRE_OPT_PROXY_URI,
				    (struct bytes){(const uint8_t *)"c", 1});
	if (a->option == 13)
		wire_coap_put_uint(&w, WIRE_OPT_SIZE2, 0);
	if (a->payload)
		wire_coap_payload(&w, (struct bytes){(const uint8_t *)"p", 1});
	return w.buf.pos;
}

/* Every kind of question with every kind of trouble, each as short as it can be. */
static unsigned all_questions(struct rig *r, int fd)
{
	uint8_t raw[512];
	uint16_t mid = 0;
	unsigned answered = 0;

	for (unsigned i = 0; i < 4 * 9 * 3 * 14 * 6; i++) {
		struct plain_ask a = {.type = (enum wire_coap_type)(i % 4),
				      .code = (uint8_t)(i / 4 % 9),
				      .token = i / 36 % 3 * 4,
				      .option = i / 108 % 14,
				      .segments = i / 1512 % 6,
				      .payload = i % 2};
		size_t len = plain_encode(&a, mid++, raw);
		size_t echo = echo_of(r, fd, raw, len);

		assert_true(echo <= FACTOR * len);
		answered += echo > 0;
	}
	return answered;
}

static const char long_well_known[] =
	"</report>;ct=\"60 50\";title=\"a resource with a long description, as large as it gets\","
	"</desired>;obs;ct=60;title=\"another one with a long description, as large as it gets\","
	"</fw>;title=\"and one more\",</status>;ct=\"60 50\";title=\"and the very last one\"";

static void test_plain_answers_are_at_most_three_times_their_requests(void **state)
{
	struct rig *r =
		rig_new((struct net_conf){.well_known = long_well_known}, "127.0.0.1", false);
	int fd = rig_socket(r);

	(void)state;
	assert_true(all_questions(r, fd) > 1000);
	assert_true(rig_stats(r).responses[NET_CODE(2, 5)] > 0);
	assert_true(rig_stats(r).responses[NET_CODE(4, 1)] > 0);
	assert_true(rig_stats(r).responses[NET_CODE(4, 2)] > 0);
	assert_true(rig_stats(r).responses[NET_CODE(4, 5)] > 0);
	assert_true(rig_stats(r).responses[NET_CODE(4, 6)] > 0);
	assert_true(rig_stats(r).responses[NET_CODE(5, 5)] > 0);
	(void)close(fd);
	rig_free(r);
}

static void test_plain_refusals_for_a_quota_are_no_larger_either(void **state)
{
	struct rig *r = rig_new(
		(struct net_conf){.well_known = long_well_known, .address_requests_per_s = 1},
		"127.0.0.1", false);
	int fd = rig_socket(r);

	(void)state;
	(void)all_questions(r, fd);
	assert_true(rig_stats(r).responses[NET_CODE(4, 29)] > 0);
	assert_true(rig_stats(r).shed[NET_SHED_ADDRESS] > 0);
	assert_true(rig_stats(r).shed[NET_SHED_SILENT] > 0);
	(void)close(fd);
	rig_free(r);
}

static void test_plain_junk_gets_less_than_it_sends(void **state)
{
	struct rig *r =
		rig_new((struct net_conf){.well_known = long_well_known}, "127.0.0.1", false);
	int fd = rig_socket(r);
	uint8_t raw[64];
	uint32_t x = 1;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		size_t len = 1 + i % sizeof(raw);

		for (size_t k = 0; k < len; k++)
			raw[k] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
		if (i % 2)
			raw[0] = (uint8_t)(0x40 | (raw[0] & 0x38));
		assert_true(echo_of(r, fd, raw, len) <= FACTOR * len);
	}
	(void)close(fd);
	rig_free(r);
}

/* ---- plain coap with devices on it: an address is proved by answering a ping ---- */

static size_t ask_well_known(int fd, uint16_t mid)
{
	const struct plain_ask a = {.type = WIRE_CON, .code = 1, .segments = 2};
	uint8_t raw[512];
	size_t len = plain_encode(&a, mid, raw);

	assert_int_equal(send(fd, raw, len, 0), (ssize_t)len);
	return len;
}

static size_t send_reset(int fd, uint16_t mid)
{
	const uint8_t raw[] = {0x70, 0, (uint8_t)(mid >> 8), (uint8_t)mid};

	assert_int_equal(send(fd, raw, sizeof(raw), 0), 4);
	return sizeof(raw);
}

/* Bytes that came; the message id of a ping among them, the length of the longest. */
static size_t collect(struct rig *r, int fd, int *ret_ping, size_t *ret_longest)
{
	uint8_t raw[4096];
	size_t sum = 0;
	ssize_t got;

	for (unsigned i = 0; i < TURNS; i++)
		rig_turn(r);
	while ((got = recv(fd, raw, sizeof(raw), 0)) > 0) {
		sum += (size_t)got;
		if (got == 4 && raw[0] == 0x40 && raw[1] == 0)
			*ret_ping = raw[2] << 8 | raw[3];
		if ((size_t)got > *ret_longest)
			*ret_longest = (size_t)got;
	}
	return sum;
}

static void test_plain_device_that_answers_the_ping_gets_everything(void **state)
{
	const struct net_conf conf = {.well_known = long_well_known, .plain_devices = true};
	struct rig *r = rig_new(conf, "127.0.0.1", false);
	int fd = rig_socket(r), ping = -1;
	size_t longest = 0;
	size_t len = ask_well_known(fd, 1);

	(void)state;
	assert_in_range(collect(r, fd, &ping, &longest), 1, FACTOR * len);
	assert_int_not_equal(ping, -1);
	assert_int_equal(longest, 4);
	(void)send_reset(fd, (uint16_t)ping);
	(void)collect(r, fd, &ping, &longest);
	assert_true(longest > sizeof(long_well_known)); /* it was held for the answer */
	longest = 0;
	(void)ask_well_known(fd, 2);
	(void)collect(r, fd, &ping, &longest);
	assert_true(longest > sizeof(long_well_known));
	(void)close(fd);
	rig_free(r);
}

static void test_plain_device_that_does_not_answer_it_gets_three_times_what_it_sent(void **state)
{
	const struct net_conf conf = {.well_known = long_well_known, .plain_devices = true};
	struct rig *r = rig_new(conf, "127.0.0.1", false);
	int fd = rig_socket(r), ping = -1;
	size_t in = 0, out = 0, longest = 0;

	(void)state;
	for (uint16_t mid = 1; mid < 2000; mid++) {
		in += ask_well_known(fd, mid);
		out += collect(r, fd, &ping, &longest);
		assert_true(out <= FACTOR * in);
	}
	(void)close(fd);
	rig_free(r);
}

/* Blindly, under the address of a victim. */
static void test_plain_ping_cannot_be_answered_by_trying_all_message_ids(void **state)
{
	const struct net_conf conf = {.well_known = long_well_known, .plain_devices = true};
	struct rig *r = rig_new(conf, "127.0.0.1", false);
	int fd = rig_socket(r), ping = -1;
	size_t in = ask_well_known(fd, 1), longest = 0;
	size_t out = collect(r, fd, &ping, &longest);

	(void)state;
	assert_int_not_equal(ping, -1);
	for (unsigned guess = 1; guess <= 20; guess++)
		in += send_reset(fd, (uint16_t)(ping + (int)guess));
	in += send_reset(fd, (uint16_t)ping);
	out += collect(r, fd, &ping, &longest);
	for (uint16_t mid = 2; mid < 50; mid++) {
		in += ask_well_known(fd, mid);
		out += collect(r, fd, &ping, &longest);
		assert_true(out <= FACTOR * in);
	}
	(void)close(fd);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hello_verify_request_is_never_larger_than_its_hello),
		cmocka_unit_test(
			test_hello_with_a_wrong_cookie_gets_no_more_than_a_hello_verify_request),
		cmocka_unit_test(test_records_of_nobody_get_no_answer_at_all),
		cmocka_unit_test(test_forged_records_to_a_session_get_no_answer_and_do_not_end_it),
		cmocka_unit_test(test_flights_of_a_handshake_that_nobody_answers_come_to_an_end),
		cmocka_unit_test(test_plain_answers_are_at_most_three_times_their_requests),
		cmocka_unit_test(test_plain_refusals_for_a_quota_are_no_larger_either),
		cmocka_unit_test(test_plain_junk_gets_less_than_it_sends),
		cmocka_unit_test(test_plain_device_that_answers_the_ping_gets_everything),
		cmocka_unit_test(
			test_plain_device_that_does_not_answer_it_gets_three_times_what_it_sent),
		cmocka_unit_test(test_plain_ping_cannot_be_answered_by_trying_all_message_ids),
	};

	return cmocka_run_group_tests_name("net/amplify", tests, NULL, NULL);
}
