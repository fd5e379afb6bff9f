/* SPDX-License-Identifier: Apache-2.0
 *
 * The exchange layer by the sections of its RFCs, where no other file of tests has them: 7252,
 * 7641, 7959, 9175.
 */
#include "net_rig.h"

enum { TAG = 5, LATE_ECHO = 252, LATE_NO_RESPONSE = 258, LATE_REQUEST_TAG = 292 };

static unsigned notify(struct rig *r, const char *payload)
{
	struct net_reply reply = NET_REPLY(NET_CODE(2, 5));

	reply.payload = text(payload);
	return net_coap_notify(&r->coap, &r->session, TAG, &reply);
}

static void observe(struct rig *r, enum wire_coap_type type, uint16_t mid)
{
	r->reply.observe = true;
	r->reply.observe_tag = TAG;
	(void)rig_ask(r, (struct ask){type, GET, mid, .token = "ob", .path = "d", .observe = 1});
}

/* ---- 4.2: messages ---- */

static void test_first_timeouts_are_spread_over_their_range(void **state)
{
	struct rig *r = rig_new(false);
	int64_t least = INT64_MAX, most = 0;

	(void)state;
	observe(r, WIRE_CON, 1);
	for (unsigned i = 0; i < 200; i++) {
		(void)notify(r, "x");
		int64_t ms = net_timers_next_ms(&r->timers) - r->timers.now_ms;

		least = ms < least ? ms : least;
		most = ms > most ? ms : most;
		rig_empty(r, WIRE_ACK, rig_last(r)->m.mid);
	}
	assert_in_range(least, 2000, 2200); /* ACK_TIMEOUT */
	assert_in_range(most, 2800, 3000);  /* * ACK_RANDOM_FACTOR */
	rig_free(r);
}

static void test_rst_with_content_resets_nothing(void **state)
{
	struct rig *r = rig_new(false);
	uint8_t raw[] = {0x70, NET_CODE(2, 5), 0, 0};

	(void)state;
	observe(r, WIRE_CON, 1);
	(void)notify(r, "x");
	raw[2] = rig_last(r)->raw[2], raw[3] = rig_last(r)->raw[3];
	net_coap_receive(&r->coap, &r->session, raw, sizeof(raw));
	assert_int_equal(r->ends, 0);
	raw[1] = 0;
	net_coap_receive(&r->coap, &r->session, raw, sizeof(raw));
	assert_int_equal(r->ends, 1);
	rig_free(r);
}

static void test_empty_message_with_more_than_a_header_is_rejected(void **state)
{
	static const uint8_t con[] = {0x41, 0, 0, 9, 't'}, non[] = {0x51, 0, 0, 9, 't'};
	struct rig *r = rig_new(false);

	(void)state;
	net_coap_receive(&r->coap, &r->session, non, sizeof(non));
	assert_int_equal(r->sent_count, 0);
	net_coap_receive(&r->coap, &r->session, con, sizeof(con));
	assert_int_equal(rig_last(r)->m.type, WIRE_RST);
	assert_int_equal(rig_last(r)->m.mid, 9);
	rig_free(r);
}

static void test_reserved_code_classes_are_rejected(void **state)
{
	static const uint8_t classes[] = {1, 6, 7};
	struct rig *r = rig_new(false);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		uint8_t raw[] = {0x40, (uint8_t)(classes[i] << 5), 0, (uint8_t)i};

		net_coap_receive(&r->coap, &r->session, raw, sizeof(raw));
		assert_int_equal(r->sent_count, i + 1);
		assert_int_equal(rig_last(r)->m.type, WIRE_RST);
	}
	assert_int_equal(r->requests, 0);
	rig_free(r);
}

/* ---- 4.4: message ids ---- */

static void test_message_ids_start_anywhere_and_do_not_repeat(void **state)
{
	struct rig *r = rig_new(false), *other = rig_new(false);
	uint16_t first, n = 0;

	(void)state;
	net_coap_session_done(&other->coap, &other->session);
	other->coap.key.k0++;
	net_coap_session_init(&other->coap, &other->session, false, 6);
	assert_int_not_equal(r->session.next_mid, other->session.next_mid);
	first = r->session.next_mid;
	do {
		(void)rig_ask(r, (struct ask){WIRE_NON, GET, n, .path = "d"});
		assert_int_equal(rig_last(r)->m.mid, (uint16_t)(first + n));
	} while (++n);
	rig_free(other);
	rig_free(r);
}

/* ---- 4.7 ---- */

static void test_notifications_and_responses_share_one_place_in_flight(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	observe(r, WIRE_CON, 1);
	r->reply.observe = false;
	r->defer = true;
	(void)rig_ask(r, (struct ask){WIRE_CON, POST, 2, .path = "report"});
	rig_elapse(r, NET_ACK_DELAY_MS);
	assert_int_equal(r->sent_count, 2);
	(void)notify(r, "x");
	uint16_t mid = rig_last(r)->m.mid;
	net_coap_reply(&r->coap, r->last, &r->reply);
	assert_int_equal(r->sent_count, 3); /* NSTART: the response waits */
	rig_empty(r, WIRE_ACK, mid);
	assert_int_equal(r->sent_count, 4);
	assert_int_equal(rig_last(r)->m.type, WIRE_CON);
	assert_int_equal(rig_last(r)->m.token.len, 0);
	rig_free(r);
}

/* ---- 5.3.1: tokens ---- */

static void test_token_of_any_legal_length_comes_back(void **state)
{
	struct rig *r = rig_new(false);
	uint8_t raw[4 + 15] = {0, GET, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};

	(void)state;
	for (uint8_t len = 0; len <= 15; len++) {
		raw[0] = (uint8_t)(0x40 | len);
		raw[3] = len;
		net_coap_receive(&r->coap, &r->session, raw, 4 + (size_t)len);
		assert_int_equal(r->sent_count, len + 1);
		assert_int_equal(rig_last(r)->m.mid, len);
		if (len <= 8)
			assert_true(
				bytes_equal(rig_last(r)->m.token, (struct bytes){raw + 4, len}));
		else
			assert_int_equal(rig_last(r)->m.type, WIRE_RST);
	}
	assert_int_equal(r->requests, 9);
	rig_free(r);
}

/* ---- 5.4: options ---- */

static void test_unknown_critical_option_in_an_ack_rejects_it(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	observe(r, WIRE_CON, 1);
	(void)notify(r, "x");
	uint16_t mid = rig_last(r)->m.mid;
	unsigned sent = r->sent_count;

	(void)rig_ask(r, (struct ask){WIRE_ACK, NET_CODE(2, 4), mid, .raw_option = 9});
	rig_elapse(r, 3000);
	assert_int_equal(r->sent_count, sent + 1); /* was not acknowledged */
	(void)rig_ask(r, (struct ask){WIRE_ACK, NET_CODE(2, 4), mid, .raw_option = 10});
	rig_elapse(r, 300000);
	assert_int_equal(r->sent_count, sent + 1);
	assert_int_equal(r->ends, 0);
	rig_free(r);
}

static void test_unknown_critical_option_in_a_response_gets_rst(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	(void)rig_ask(r, (struct ask){WIRE_CON, NET_CODE(2, 5), 4, .token = "x", .raw_option = 9});
	assert_int_equal(rig_last(r)->m.type, WIRE_RST);
	assert_int_equal(rig_last(r)->m.mid, 4);
	assert_int_equal(rig_last(r)->len, 4);
	rig_free(r);
}

static void test_refusal_of_an_option_names_it(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	(void)rig_ask(r, (struct ask){WIRE_CON, GET, 1, .path = "d", .raw_option = 9});
	assert_code(&rig_last(r)->m, 4, 2);
	assert_true(bytes_equal(rig_last(r)->m.payload,
				text("option 9 is unknown, malformed or repeated")));
	rig_free(r);
}

/* Legal lengths; one more is as good as unknown: critical ones are refused, others ignored. */
static void test_option_longer_than_allowed_counts_as_unknown(void **state)
{
	static const uint8_t accept3[] = {0x40, GET, 0, 1, 0xd3, 17 - 13, 1, 2, 3};
	static const uint8_t format3[] = {0x40, GET, 0, 2, 0xc3, 1, 2, 3};
	static const uint8_t block4[] = {0x40, GET, 0, 3, 0xd4, 23 - 13, 1, 2, 3, 4};
	static const uint8_t observe4[] = {0x40, GET, 0, 4, 0x64, 0, 0, 0, 0};
	struct rig *r = rig_new(false);

	(void)state;
	net_coap_receive(&r->coap, &r->session, accept3, sizeof(accept3));
	assert_code(&rig_last(r)->m, 4, 2);
	net_coap_receive(&r->coap, &r->session, block4, sizeof(block4));
	assert_code(&rig_last(r)->m, 4, 2);
	assert_int_equal(r->requests, 0);
	net_coap_receive(&r->coap, &r->session, format3, sizeof(format3));
	assert_code(&rig_last(r)->m, 2, 5);
	net_coap_receive(&r->coap, &r->session, observe4, sizeof(observe4));
	assert_int_equal(r->requests, 2);
	assert_int_equal(r->last_observe, -1);
	rig_free(r);
}

static void test_repeated_critical_option_is_refused_another_ignored(void **state)
{
	static const uint8_t accept2[] = {0x40, GET, 0, 1, 0xd1, 17 - 13, 60, 0x01, 60};
	static const uint8_t format2[] = {0x40, GET, 0, 2, 0xc1, 60, 0x01, 50};
	struct rig *r = rig_new(false);

	(void)state;
	net_coap_receive(&r->coap, &r->session, accept2, sizeof(accept2));
	assert_code(&rig_last(r)->m, 4, 2);
	net_coap_receive(&r->coap, &r->session, format2, sizeof(format2));
	assert_code(&rig_last(r)->m, 2, 5);
	assert_int_equal(r->requests, 1);
	rig_free(r);
}

/* Elective and of no use here (ARCHITECTURE 6): a request with them is a request without them. */
static void test_echo_and_request_tag_are_ignored(void **state)
{
	static const unsigned options[] = {LATE_ECHO, LATE_NO_RESPONSE, LATE_REQUEST_TAG};
	struct rig *r = rig_new(false);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		(void)rig_ask(r, (struct ask){WIRE_CON, POST, (uint16_t)i, .path = "report",
					      .late_option = options[i]});
		assert_code(&rig_last(r)->m, 2, 5);
	}
	assert_int_equal(r->requests, 3);
	rig_free(r);
}

/* ---- 5.9, 5.10 ---- */

static void test_repeated_refusal_says_when_to_come_again(void **state)
{
	static const uint8_t max_age[] = {0xd1, 14 - 13};
	struct rig *r = rig_new(false);
	struct ask ask = {WIRE_CON, POST, 7, .path = "report"};

	(void)state;
	r->reply = NET_REPLY(NET_CODE(5, 3));
	r->reply.max_age_s = 9;
	(void)rig_ask(r, ask);
	(void)rig_ask(r, ask);
	assert_int_equal(r->requests, 1);
	assert_code(&rig_last(r)->m, 5, 3);
	assert_int_equal(rig_last(r)->len, 7);
	assert_memory_equal(rig_last(r)->raw + 4, max_age, 2);
	assert_in_range(rig_last(r)->raw[6], 5, 10);
	rig_free(r);
}

static void test_too_large_tells_the_limit_of_the_handler(void **state)
{
	static const uint8_t size1[] = {0xd2, 60 - 13, 0x02, 0x00};
	struct rig *r = rig_new(false);

	(void)state;
	r->reply = NET_REPLY(NET_CODE(4, 13));
	r->reply.size1 = 512;
	(void)rig_ask(r, (struct ask){WIRE_CON, POST, 7, .path = "report", .payload = "x"});
	assert_memory_equal(rig_last(r)->raw + 4, size1, sizeof(size1));
	rig_free(r);
}

/* ---- RFC 7641 ---- */

static void test_rst_to_the_separate_first_response_ends_it(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	r->defer = true;
	observe(r, WIRE_CON, 1);
	rig_elapse(r, NET_ACK_DELAY_MS);
	net_coap_reply(&r->coap, r->last, &r->reply);
	assert_int_equal(rig_last(r)->m.type, WIRE_CON);
	assert_true(rig_last(r)->m.observe >= 0);
	rig_empty(r, WIRE_RST, rig_last(r)->m.mid);
	assert_int_equal(r->ends, 1);
	assert_int_equal(notify(r, "x"), 0);
	rig_elapse(r, 300000);
	assert_int_equal(r->sent_count, 2);
	rig_free(r);
}

static void test_rst_to_the_non_first_response_ends_it(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	observe(r, WIRE_NON, 1);
	uint16_t mid = rig_last(r)->m.mid;

	assert_int_equal(rig_last(r)->m.type, WIRE_NON);
	rig_empty(r, WIRE_RST, (uint16_t)(mid + 1));
	assert_int_equal(r->ends, 0);
	rig_empty(r, WIRE_RST, mid);
	assert_int_equal(r->ends, 1);
	assert_int_equal(notify(r, "x"), 0);
	rig_free(r);
}

/* What a sleeping peer keeps has no message id, not even 0. */
static void test_rst_of_another_number_ends_no_packed_observation(void **state)
{
	struct rig *r = rig_new(false);
	uint8_t packed[256];
	struct buf b = buf_writer(packed, sizeof(packed));

	(void)state;
	observe(r, WIRE_NON, 1);
	net_observe_pack(&r->session, &b);
	net_observe_session_done(&r->session);
	b = buf_reader(packed, b.pos);
	net_observe_unpack(&r->session, &b);
	assert_int_equal(r->session.observe_count, 1);
	rig_empty(r, WIRE_RST, 0);
	assert_int_equal(r->ends, 0);
	assert_int_equal(notify(r, "x"), 1);
	rig_free(r);
}

static void test_unanswered_separate_first_response_ends_it(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	r->defer = true;
	observe(r, WIRE_CON, 1);
	rig_elapse(r, NET_ACK_DELAY_MS);
	net_coap_reply(&r->coap, r->last, &r->reply);
	assert_int_equal(notify(r, "newer"), 1);
	assert_int_equal(r->sent_count, 2); /* 4.5.1: one in flight */
	rig_elapse(r, 3000);
	assert_true(bytes_equal(rig_last(r)->m.payload, text("newer")));
	rig_elapse(r, 300000);
	assert_int_equal(r->sent_count, 2 + 4);
	assert_int_equal(r->ends, 1);
	rig_free(r);
}

/* ---- RFC 7959 ---- */

static void test_body_in_its_only_block_is_taken_and_acknowledged(void **state)
{
	static const uint8_t block1[] = {0xd1, 27 - 13, 0x02};
	struct rig *r = rig_new(false);

	(void)state;
	r->reply.code = NET_CODE(2, 4);
	(void)rig_ask(r, (struct ask){WIRE_CON, POST, 1, .path = "report", .has_block1 = true,
				      .block = {.szx = 2}, .payload = "all of it"});
	assert_int_equal(r->requests, 1);
	assert_code(&rig_last(r)->m, 2, 4);
	assert_memory_equal(rig_last(r)->raw + 4, block1, sizeof(block1));
	rig_free(r);
}

static void test_body_in_blocks_is_too_large_at_any_of_them(void **state)
{
	struct rig *r = rig_new(false);
	static const struct wire_block blocks[] = {{0, true, 0}, {1, true, 6}, {3, false, 6}};

	(void)state;
	for (uint16_t i = 0; i < 3; i++) {
		(void)rig_ask(r,
			      (struct ask){WIRE_CON, POST, i, .path = "report", .has_block1 = true,
					   .block = blocks[i], .payload = "x"});
		assert_code(&rig_last(r)->m, 4, 13);
		assert_false(rig_last(r)->m.has_block1);
	}
	(void)rig_ask(r, (struct ask){WIRE_CON, POST, 9, .path = "report", .has_block1 = true,
				      .block = {.szx = 7}, .payload = "x"});
	assert_code(&rig_last(r)->m, 4, 0);
	assert_int_equal(r->requests, 0);
	rig_free(r);
}

static const char directive[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/";

/* The first block by POST with a body, the others without; any size. */
static void test_answer_to_post_is_fetched_in_blocks(void **state)
{
	struct rig *r = rig_new(false);
	uint16_t mid = 0;

	(void)state;
	r->reply = NET_REPLY(NET_CODE(2, 4));
	r->reply.content_format = 50;
	r->reply.payload = text(directive);
	for (unsigned szx = 0; szx < 2; szx++) {
		char got[sizeof(directive)] = "";
		size_t len = 0;
		struct ask ask = {WIRE_CON,
				  POST,
				  0,
				  .token = "t",
				  .path = "report",
				  .has_block2 = true,
				  .block = {.szx = szx},
				  .payload = "body"};
		const struct wire_coap *m;

		do {
			ask.mid = mid++;
			(void)rig_ask(r, ask);
			m = &rig_last(r)->m;
			assert_code(m, 2, 4);
			assert_int_equal(m->content_format, 50);
			assert_int_equal(m->block2.num, ask.block.num);
			assert_int_equal(m->payload.len, 16u << szx);
			memcpy(got + len, m->payload.ptr, m->payload.len);
			len += m->payload.len;
			ask.block.num++;
			ask.payload = NULL;
		} while (m->block2.more);
		assert_string_equal(got, directive);
		assert_int_equal(r->requests, szx + 1);
	}
	rig_free(r);
}

static void test_further_block_of_another_or_old_post_is_incomplete(void **state)
{
	struct rig *r = rig_new(false);
	struct ask first = {WIRE_CON,	      POST, 1, .path = "report", .has_block2 = true,
			    .payload = "body"};
	struct ask more = {WIRE_CON,	       POST, 2, .path = "report", .has_block2 = true,
			   .block = {.num = 1}};

	(void)state;
	r->reply = NET_REPLY(NET_CODE(2, 4));
	r->reply.payload = text(directive);
	(void)rig_ask(r, more);
	assert_code(&rig_last(r)->m, 4, 8);
	(void)rig_ask(r, first);
	more.path = "status", more.mid++;
	(void)rig_ask(r, more);
	assert_code(&rig_last(r)->m, 4, 8);
	more.path = "report", more.query = "q", more.mid++;
	(void)rig_ask(r, more);
	assert_code(&rig_last(r)->m, 4, 8);
	more.query = NULL, more.mid++;
	rig_elapse(r, NET_EXCHANGE_LIFETIME_MS - 1);
	(void)rig_ask(r, more);
	assert_code(&rig_last(r)->m, 2, 4);
	more.block.num = 4, more.mid++;
	(void)rig_ask(r, more);
	assert_code(&rig_last(r)->m, 4, 0); /* beyond the end */
	rig_elapse(r, 1);
	more.block.num = 1, more.mid++;
	(void)rig_ask(r, more);
	assert_code(&rig_last(r)->m, 4, 8);
	assert_int_equal(r->requests, 1);
	first.mid = more.mid + 1;
	(void)rig_ask(r, first); /* kept, and goes with the session */
	rig_free(r);
}

/* One answer is kept per session: the newest. */
static void test_newer_answer_to_post_takes_the_place_of_the_older(void **state)
{
	struct rig *r = rig_new(false);
	struct ask ask = {WIRE_CON, POST, 1, .path = "report", .has_block2 = true, .payload = "b"};

	(void)state;
	r->reply = NET_REPLY(NET_CODE(2, 4));
	r->reply.payload = text(directive);
	(void)rig_ask(r, ask);
	ask.mid++, ask.path = "status";
	(void)rig_ask(r, ask);
	ask.mid++, ask.block.num = 1, ask.payload = NULL;
	(void)rig_ask(r, ask);
	assert_code(&rig_last(r)->m, 2, 4);
	ask.mid++, ask.path = "report";
	(void)rig_ask(r, ask);
	assert_code(&rig_last(r)->m, 4, 8);
	rig_free(r);
}

/* 2.4: the client begins large and goes on small: the place counts, not the number. */
static void test_client_may_take_smaller_blocks_later(void **state)
{
	static uint8_t body[3000];
	struct rig *r = rig_new(false);
	const struct wire_coap *m = &r->sent[0].m;

	(void)state;
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i * 11 + i / 200);
	r->reply.payload = (struct bytes){body, sizeof(body)};
	(void)rig_ask(r, (struct ask){WIRE_CON, GET, 1, .path = "x"});
	assert_true(m->has_block2 && m->block2.more);
	size_t at = m->payload.len;

	assert_int_equal(at, 1024);
	for (uint16_t mid = 2; at < sizeof(body); mid++) {
		struct wire_block block = {.num = (uint32_t)(at / 64), .szx = 2};

		(void)rig_ask(r, (struct ask){WIRE_CON, GET, mid, .path = "x", .has_block2 = true,
					      .block = block});
		m = &rig_last(r)->m;
		assert_int_equal(m->block2.num, block.num);
		assert_memory_equal(m->payload.ptr, body + at, m->payload.len);
		at += m->payload.len;
	}
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rfc_test("7252 4.2", test_first_timeouts_are_spread_over_their_range),
		rfc_test("7252 4.2", test_rst_with_content_resets_nothing),
		rfc_test("7252 4.1", test_empty_message_with_more_than_a_header_is_rejected),
		rfc_test("7252 4.2", test_reserved_code_classes_are_rejected),
		rfc_test("7252 4.4", test_message_ids_start_anywhere_and_do_not_repeat),
		rfc_test("7252 4.7", test_notifications_and_responses_share_one_place_in_flight),
		rfc_test("7252 5.3.1", test_token_of_any_legal_length_comes_back),
		rfc_test("7252 5.4.1", test_unknown_critical_option_in_an_ack_rejects_it),
		rfc_test("7252 5.4.1", test_unknown_critical_option_in_a_response_gets_rst),
		rfc_test("7252 5.4.1", test_refusal_of_an_option_names_it),
		rfc_test("7252 5.4.3", test_option_longer_than_allowed_counts_as_unknown),
		rfc_test("7252 5.4.5", test_repeated_critical_option_is_refused_another_ignored),
		rfc_test("9175 2.2, 3.2", test_echo_and_request_tag_are_ignored),
		rfc_test("7252 5.9.3.4", test_repeated_refusal_says_when_to_come_again),
		rfc_test("7252 5.9.2.9", test_too_large_tells_the_limit_of_the_handler),
		rfc_test("7641 3.6", test_rst_to_the_separate_first_response_ends_it),
		rfc_test("7641 3.6", test_rst_to_the_non_first_response_ends_it),
		rfc_test("7641 3.6", test_rst_of_another_number_ends_no_packed_observation),
		rfc_test("7641 4.5", test_unanswered_separate_first_response_ends_it),
		rfc_test("7959 2.3", test_body_in_its_only_block_is_taken_and_acknowledged),
		rfc_test("7959 2.9.3", test_body_in_blocks_is_too_large_at_any_of_them),
		rfc_test("7959 3.3", test_answer_to_post_is_fetched_in_blocks),
		rfc_test("7959 2.9.2", test_further_block_of_another_or_old_post_is_incomplete),
		rfc_test("7959 2.7", test_newer_answer_to_post_takes_the_place_of_the_older),
		rfc_test("7959 2.4", test_client_may_take_smaller_blocks_later),
	};

	return cmocka_run_group_tests_name("net/rfc", tests, NULL, NULL);
}
