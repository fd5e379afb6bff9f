/* SPDX-License-Identifier: Apache-2.0
 *
 * The exchange layer under a device that does not keep to the rules.
 */
#include "net_rig.h"

#include <stdlib.h>

static void test_repeat_of_a_pending_post_is_known_after_many_others(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	r->defer = true;
	for (uint16_t mid = 1; mid <= LIMIT_COAP_DEDUPE + 1; mid++)
		rig_ask(r,
			(struct ask){.method = POST, .mid = mid, .token = "t", .path = "report"});
	assert_int_equal(r->requests, LIMIT_COAP_DEDUPE + 1);
	rig_ask(r, (struct ask){.method = POST, .mid = 1, .token = "t", .path = "report"});
	assert_int_equal(r->requests, LIMIT_COAP_DEDUPE + 1);
	rig_free(r);
}

static void test_separate_responses_that_nobody_acknowledges_do_not_pile_up(void **state)
{
	struct rig *r = rig_new(false);
	unsigned waiting = 0;

	(void)state;
	r->defer = true;
	for (uint16_t mid = 1; mid <= 200; mid++) {
		rig_ask(r,
			(struct ask){.method = POST, .mid = mid, .token = "t", .path = "report"});
		rig_elapse(r, NET_ACK_DELAY_MS);
		net_coap_reply(&r->coap, r->last, &NET_REPLY(NET_CODE(2, 4)));
	}
	assert_int_equal(rig_last(r)->m.type, WIRE_NON);
	assert_code(&rig_last(r)->m, 2, 4);
	LIST_EACH(it, next, &r->session.out)
	waiting++;
	assert_in_range(waiting, 1, NET_OUT_PER_SESSION);
	rig_free(r);
}

/* Delta 14 with 0xfefe is 65547, in 16 bits 11: Uri-Path. */
static void test_option_delta_beyond_65535_is_a_format_error(void **state)
{
	static const uint8_t raw[] = {0x40, GET, 0, 1, 0xe1, 0xfe, 0xfe, 'x'};
	static const uint8_t most[] = {0x40, GET, 0, 1, 0xe1, 0xfe, 0xf2, 'x'};
	struct wire_coap m;

	(void)state;
	assert_int_equal(wire_coap_decode(raw, sizeof(raw), &m), ERR_SYNTAX);
	assert_int_equal(wire_coap_decode(most, sizeof(most), &m), 0);
	assert_int_equal(m.bad_option, UINT16_MAX);
}

/* Uri-Query is critical: a request is not carried out as if some of it had not been said. */
static void test_more_queries_than_are_looked_at_are_refused(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	for (unsigned count = WIRE_QUERIES; count <= WIRE_QUERIES + 1; count++) {
		uint8_t raw[LIMIT_COAP_MESSAGE];
		struct wire_coap_writer w = wire_coap_begin(raw, sizeof(raw), WIRE_CON, POST,
							    (uint16_t)count, text("t"));

		wire_coap_put_bytes(&w, WIRE_OPT_URI_PATH, text("report"));
		for (unsigned i = 0; i < count; i++)
			wire_coap_put_bytes(&w, WIRE_OPT_URI_QUERY, text("a=b"));
		net_coap_receive(&r->coap, &r->session, raw, w.buf.pos);
		assert_int_equal(r->requests, 1);
	}
	assert_code(&rig_last(r)->m, 4, 2);
	assert_true(memmem(rig_last(r)->raw, rig_last(r)->len, "option 15 ", 10) != NULL);
	rig_free(r);
}

/* One request with options of any length and number, each sorted into its place. */
static size_t odd_request(uint32_t seed, uint16_t mid, uint8_t dst[LIMIT_COAP_MESSAGE])
{
	static const uint16_t numbers[] = {1,  3,  4,  5,  6,  7,  8,  11, 11, 12,  14,	  15,	17,
					   20, 23, 23, 27, 28, 35, 39, 60, 65, 258, 2049, 65001};
	static const uint8_t bytes[300] = {0xff, 0xff, 0xff, 0xff};
	struct net_hash_key key = {seed, mid};
	uint64_t n = 0;
	enum { NUMBERS = sizeof(numbers) / sizeof(numbers[0]) };
	struct wire_coap_writer w = wire_coap_begin(
		dst, LIMIT_COAP_MESSAGE, WIRE_CON, (uint8_t)(1 + net_hash(&key, &n, 8) % 8), mid,
		(struct bytes){bytes, net_hash(&key, &n, 8) / 8 % (WIRE_TOKEN_MAX + 1)});

	for (unsigned i = 0; i < NUMBERS; i++) {
		n++;
		uint64_t chance = net_hash(&key, &n, 8);
		size_t len = chance >> 8 & 1 ? chance >> 16 & 3 : chance >> 16 & 15;

		if (chance % 5)
			continue;
		/* a value of ones is the last block there is, of SZX 7; of one byte SZX 6 at most
		 */
		uint8_t small = (uint8_t)(chance >> 24 & 0xfe);
		struct bytes value = {chance >> 9 & 1 ? bytes : &small, len};

		if (value.ptr == &small && len > 1)
			value.len = 1;
		for (unsigned times = chance >> 32 & 7 ? 1 : 12; times > 0; times--)
			wire_coap_put_bytes(&w, (enum wire_coap_option)numbers[i], value);
	}
	if (n++, net_hash(&key, &n, 8) & 1)
		wire_coap_payload(&w, (struct bytes){bytes, 1 + (net_hash(&key, &n, 8) >> 8) % 64});
	assert_true(buf_ok(&w.buf));
	return w.buf.pos;
}

/* Whatever a device asks, it hears one answer, in its ACK and with its token, or one RST; and what
 * is made of the nonsense is bounded. */
static void test_each_odd_request_has_one_answer(void **state)
{
	uint8_t raw[LIMIT_COAP_MESSAGE];
	unsigned codes[256] = {0};
	struct wire_coap m;

	(void)state;
	for (uint32_t seed = 1; seed <= 40; seed++) {
		struct rig *r = rig_new(false);

		r->long_bodies = true;
		r->reply.payload = text("0123456789012345678901234567890123456789");
		r->reply.observe = seed & 1;
		for (uint16_t mid = 1; mid <= 250; mid++) {
			size_t len = odd_request(seed, mid, raw);
			unsigned before = r->sent_count;

			net_coap_receive(&r->coap, &r->session, raw, len);
			assert_int_equal(r->sent_count, before + 1);
			assert_int_equal(rig_last(r)->m.mid, mid);
			if (wire_coap_decode(raw, len, &m)) { /* too many options */
				assert_int_equal(rig_last(r)->m.type, WIRE_RST);
				continue;
			}
			assert_int_equal(rig_last(r)->m.type, WIRE_ACK);
			assert_true(bytes_equal(rig_last(r)->m.token, m.token));
			codes[rig_last(r)->m.code]++;
		}
		assert_in_range(r->session.observe_count, 0, LIMIT_COAP_OBSERVE);
		assert_int_equal(r->session.pending_count, 0);
		assert_in_range(r->coap.body_bytes, 0, LIMIT_COAP_BODIES);
		rig_free(r);
	}
	/* it comes this far */
	assert_true(codes[NET_CODE(2, 5)] > 0 && codes[NET_CODE(4, 0)] > 0);
	assert_true(codes[NET_CODE(4, 2)] > 0 && codes[NET_CODE(4, 12)] > 0);
	assert_true(codes[NET_CODE(5, 5)] > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rfc_test("7252 4.5", test_repeat_of_a_pending_post_is_known_after_many_others),
		rfc_test("7252 4.7",
			 test_separate_responses_that_nobody_acknowledges_do_not_pile_up),
		rfc_test("7252 3.1", test_option_delta_beyond_65535_is_a_format_error),
		rfc_test("7252 5.4.1", test_more_queries_than_are_looked_at_are_refused),
		rfc_test("7252 5.4", test_each_odd_request_has_one_answer),
	};

	return cmocka_run_group_tests_name("net/hostile-coap", tests, NULL, NULL);
}
