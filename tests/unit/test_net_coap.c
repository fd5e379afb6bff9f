/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests and replies: RFC 7252 sections 4 and 5.
 */
#include "net_rig.h"

static void test_con_get_is_answered_in_its_ack(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	r->reply.payload = text("hello");
	(void)rig_ask(r, (struct ask){WIRE_CON, GET, 7, .token = "tk", .path = "desired"});
	assert_int_equal(r->sent_count, 1);
	const struct wire_coap *m = &rig_last(r)->m;
	assert_int_equal(m->type, WIRE_ACK);
	assert_int_equal(m->mid, 7);
	assert_code(m, 2, 5);
	assert_true(bytes_equal(m->token, text("tk")));
	assert_true(bytes_equal(m->payload, text("hello")));
	rig_free(r);
}

static void test_non_request_gets_non_response(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	(void)rig_ask(r, (struct ask){WIRE_NON, GET, 7, .token = "tk", .path = "desired"});
	assert_int_equal(rig_last(r)->m.type, WIRE_NON);
	assert_true(bytes_equal(rig_last(r)->m.token, text("tk")));
	rig_free(r);
}

static void test_ping_gets_rst(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	rig_empty(r, WIRE_CON, 99);
	assert_int_equal(rig_last(r)->m.type, WIRE_RST);
	assert_int_equal(rig_last(r)->m.mid, 99);
	assert_int_equal(rig_last(r)->len, 4);
	rig_free(r);
}

static void test_malformed_con_gets_rst_everything_else_silence(void **state)
{
	static const uint8_t con[] = {0x40, 1, 0, 1, 0xff}, non[] = {0x50, 1, 0, 1, 0xff};
	static const uint8_t ack[] = {0x60, 1, 0, 1, 0xff}, version[] = {0x80, 1, 0, 1};
	static const uint8_t cut[] = {0x40, 1, 0};
	struct rig *r = rig_new(false);

	(void)state;
	net_coap_receive(&r->coap, &r->session, non, sizeof(non));
	net_coap_receive(&r->coap, &r->session, ack, sizeof(ack));
	net_coap_receive(&r->coap, &r->session, version, sizeof(version));
	net_coap_receive(&r->coap, &r->session, cut, sizeof(cut));
	assert_int_equal(r->sent_count, 0);
	net_coap_receive(&r->coap, &r->session, con, sizeof(con));
	assert_int_equal(r->sent_count, 1);
	assert_int_equal(rig_last(r)->m.type, WIRE_RST);
	assert_int_equal(r->requests, 0);
	rig_free(r);
}

static void test_request_in_ack_or_rst_is_ignored(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	(void)rig_ask(r, (struct ask){WIRE_ACK, GET, 1, .path = "desired"});
	(void)rig_ask(r, (struct ask){WIRE_RST, GET, 1, .path = "desired"});
	rig_empty(r, WIRE_NON, 5);
	rig_empty(r, WIRE_ACK, 5);
	rig_empty(r, WIRE_RST, 5);
	assert_int_equal(r->sent_count + r->requests, 0);
	rig_free(r);
}

static void test_unasked_response_con_gets_rst_non_silence(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	(void)rig_ask(r, (struct ask){WIRE_NON, NET_CODE(2, 5), 1, .token = "x"});
	assert_int_equal(r->sent_count, 0);
	(void)rig_ask(r, (struct ask){WIRE_CON, NET_CODE(2, 5), 1, .token = "x"});
	assert_int_equal(rig_last(r)->m.type, WIRE_RST);
	rig_free(r);
}

static void test_refused_requests_have_their_code_and_never_reach_the_handler(void **state)
{
	static const struct {
		struct ask ask;
		uint8_t code;
	} rows[] = {
		{{WIRE_CON, GET, 1, .path = "a", .raw_option = 9}, NET_CODE(4, 2)},
		{{WIRE_CON, GET, 2, .path = "a", .proxy = true}, NET_CODE(5, 5)},
		{{WIRE_CON, 8, 3, .path = "a"}, NET_CODE(4, 5)},
		{{WIRE_CON, 31, 4, .path = NULL}, NET_CODE(4, 5)},
		{{WIRE_CON, POST, 5, .path = "a", .has_block1 = true, .block.more = true},
		 NET_CODE(4, 13)},
		{{WIRE_CON, GET, 6, .path = "a", .has_block2 = true, .block.szx = 7},
		 NET_CODE(4, 0)},
		{{WIRE_CON, POST, 7, .path = "a", .none_match = true}, NET_CODE(4, 12)},
		{{WIRE_CON, POST, 8, .path = "a", .if_match = "x"}, NET_CODE(4, 12)},
		{{WIRE_CON, POST, 9, .path = ".well-known", .path2 = "core"}, NET_CODE(4, 5)},
		{{WIRE_CON, GET, 10, .path = ".well-known", .path2 = "core", .accept = 60},
		 NET_CODE(4, 6)},
	};
	struct rig *r = rig_new(false);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		(void)rig_ask(r, rows[i].ask);
		assert_int_equal(r->sent_count, i + 1);
		assert_int_equal(rig_last(r)->m.type, WIRE_ACK);
		assert_int_equal(rig_last(r)->m.code, rows[i].code);
		assert_int_equal(rig_last(r)->m.mid, rows[i].ask.mid);
	}
	assert_int_equal(r->requests, 0);
	rig_free(r);
}

static void test_too_deep_path_is_not_found(void **state)
{
	static const uint8_t deep[] = {0x40, 1, 0, 1, 0xb1, 'a', 1, 'b', 1, 'c', 1, 'd', 1, 'e'};
	struct rig *r = rig_new(false);

	(void)state;
	net_coap_receive(&r->coap, &r->session, deep, sizeof(deep) - 2);
	assert_int_equal(r->requests, 1);
	net_coap_receive(&r->coap, &r->session, deep, sizeof(deep));
	assert_code(&rig_last(r)->m, 4, 4);
	assert_int_equal(r->requests, 1);
	rig_free(r);
}

static void test_non_with_unknown_critical_option_gets_rst(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	(void)rig_ask(r, (struct ask){WIRE_NON, GET, 3, .path = "a", .raw_option = 9});
	assert_int_equal(rig_last(r)->m.type, WIRE_RST);
	assert_int_equal(rig_last(r)->m.mid, 3);
	assert_int_equal(r->requests, 0);
	rig_free(r);
}

static void test_block1_refusal_says_what_would_fit(void **state)
{
	static const uint8_t size1[] = {0xd2, 60 - 13, 0x04, 0x00}; /* Size1 = 1024 */
	struct rig *r = rig_new(false);

	(void)state;
	(void)rig_ask(r, (struct ask){WIRE_CON, POST, 5, .path = "a", .has_block1 = true,
				      .block = {.more = true, .szx = 6}});
	assert_memory_equal(rig_last(r)->raw + 4, size1, sizeof(size1));
	rig_free(r);
}

/* ---- separate responses, RFC 7252 5.2.2 ---- */

static void test_unanswered_con_gets_ack_after_a_second_then_con_response(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	r->defer = true;
	(void)rig_ask(r, (struct ask){WIRE_CON, POST, 7, .token = "tk", .path = "report"});
	rig_elapse(r, 999);
	assert_int_equal(r->sent_count, 0);
	rig_elapse(r, 1);
	assert_int_equal(r->sent_count, 1);
	assert_int_equal(rig_last(r)->m.type, WIRE_ACK);
	assert_int_equal(rig_last(r)->m.code, 0);
	assert_int_equal(rig_last(r)->m.mid, 7);
	r->reply.code = NET_CODE(2, 4);
	net_coap_reply(&r->coap, r->last, &r->reply);
	assert_int_equal(rig_last(r)->m.type, WIRE_CON);
	assert_code(&rig_last(r)->m, 2, 4);
	assert_true(bytes_equal(rig_last(r)->m.token, text("tk")));
	rig_empty(r, WIRE_ACK, rig_last(r)->m.mid);
	rig_elapse(r, 300000);
	assert_int_equal(r->sent_count, 2);
	rig_free(r);
}

static void test_late_answer_within_a_second_is_still_piggybacked(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	r->defer = true;
	(void)rig_ask(r, (struct ask){WIRE_CON, POST, 7, .path = "report"});
	rig_elapse(r, 500);
	net_coap_reply(&r->coap, r->last, &r->reply);
	rig_elapse(r, 5000);
	assert_int_equal(r->sent_count, 1);
	assert_int_equal(rig_last(r)->m.type, WIRE_ACK);
	rig_free(r);
}

static void test_late_answer_to_non_is_non(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	r->defer = true;
	(void)rig_ask(r, (struct ask){WIRE_NON, POST, 7, .path = "report"});
	rig_elapse(r, 5000);
	assert_int_equal(r->sent_count, 0);
	net_coap_reply(&r->coap, r->last, &r->reply);
	assert_int_equal(rig_last(r)->m.type, WIRE_NON);
	rig_free(r);
}

/* ---- retransmission, RFC 7252 4.2 ---- */

static void test_con_is_sent_five_times_with_doubling_gaps_then_given_up(void **state)
{
	struct rig *r = rig_new(false);
	int64_t at[8] = {0};

	(void)state;
	r->defer = true;
	(void)rig_ask(r, (struct ask){WIRE_CON, POST, 7, .path = "report"});
	rig_elapse(r, 1000);
	net_coap_reply(&r->coap, r->last, &r->reply);
	at[0] = r->timers.now_ms;
	for (unsigned i = 1; i < 5; i++) {
		at[i] = net_timers_next_ms(&r->timers);
		rig_elapse(r, at[i] - r->timers.now_ms);
		assert_int_equal(r->sent_count, 2 + i);
		assert_memory_equal(rig_last(r)->raw, r->sent[1].raw, r->sent[1].len);
	}
	assert_in_range(at[1] - at[0], 2000, 3000);
	for (unsigned i = 2; i < 5; i++)
		assert_int_equal(at[i] - at[i - 1], 2 * (at[i - 1] - at[i - 2]));
	rig_elapse(r, 100000);
	assert_int_equal(r->sent_count, 6);
	assert_int_equal(r->stats.retransmissions, 4);
	assert_int_equal(net_timers_next_ms(&r->timers), -1);
	rig_free(r);
}

static void test_only_one_con_of_ours_is_in_flight(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	r->defer = true;
	for (uint16_t i = 0; i < 3; i++)
		(void)rig_ask(r, (struct ask){WIRE_CON, POST, i, .path = "report"});
	rig_elapse(r, 1000); /* three ACKs */
	for (unsigned i = 0; i < 3; i++)
		net_coap_reply(&r->coap, r->deferred[i], &r->reply);
	assert_int_equal(r->sent_count, 4);
	rig_empty(r, WIRE_ACK, (uint16_t)(rig_last(r)->m.mid + 1)); /* not the one in flight */
	assert_int_equal(r->sent_count, 4);
	rig_empty(r, WIRE_ACK, rig_last(r)->m.mid);
	assert_int_equal(r->sent_count, 5);
	rig_empty(r, WIRE_RST, rig_last(r)->m.mid);
	assert_int_equal(r->sent_count, 6);
	rig_free(r);
}

/* ---- duplicates, RFC 7252 4.5 ---- */

static void test_duplicate_of_unanswered_is_silent_then_acked_again(void **state)
{
	struct rig *r = rig_new(false);
	struct ask ask = {WIRE_CON, POST, 7, .token = "t", .path = "report"};

	(void)state;
	r->defer = true;
	(void)rig_ask(r, ask);
	(void)rig_ask(r, ask);
	assert_int_equal(r->sent_count, 0);
	rig_elapse(r, 1000);
	(void)rig_ask(r, ask);
	assert_int_equal(r->sent_count, 2);
	assert_int_equal(rig_last(r)->m.code, 0);
	assert_int_equal(r->requests, 1);
	assert_int_equal(r->stats.duplicates, 2);
	rig_free(r);
}

static void test_duplicate_get_unanswered_is_not_handed_up_twice(void **state)
{
	struct rig *r = rig_new(false);
	struct ask ask = {WIRE_CON, GET, 7, .token = "t", .path = "desired"};

	(void)state;
	r->defer = true;
	(void)rig_ask(r, ask);
	(void)rig_ask(r, ask);
	assert_int_equal(r->requests, 1);
	assert_int_equal(r->sent_count, 0);
	rig_free(r);
}

static void test_duplicate_post_that_succeeded_is_handed_up_marked(void **state)
{
	struct rig *r = rig_new(false);
	struct ask ask = {WIRE_CON, POST, 7, .token = "t", .path = "report"};

	(void)state;
	r->reply.code = NET_CODE(2, 4);
	(void)rig_ask(r, ask);
	assert_false(r->last_duplicate);
	(void)rig_ask(r, ask);
	assert_true(r->last_duplicate);
	assert_int_equal(r->requests, 2);
	assert_int_equal(r->sent_count, 2);
	assert_int_equal(rig_last(r)->m.mid, 7);
	rig_free(r);
}

static void test_duplicate_post_that_failed_gets_its_code_again(void **state)
{
	struct rig *r = rig_new(false);
	struct ask ask = {WIRE_CON, POST, 7, .token = "t", .path = "report"};

	(void)state;
	r->reply.code = NET_CODE(4, 9);
	(void)rig_ask(r, ask);
	r->reply.code = NET_CODE(2, 4);
	(void)rig_ask(r, ask);
	assert_int_equal(r->requests, 1);
	assert_code(&rig_last(r)->m, 4, 9);
	rig_free(r);
}

static void test_same_mid_other_token_is_another_request(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	(void)rig_ask(r, (struct ask){WIRE_CON, POST, 7, .token = "a", .path = "report"});
	(void)rig_ask(r, (struct ask){WIRE_CON, POST, 7, .token = "b", .path = "report"});
	assert_int_equal(r->requests, 2);
	assert_false(r->last_duplicate);
	rig_free(r);
}

static void test_same_mid_after_exchange_lifetime_is_another_request(void **state)
{
	struct rig *r = rig_new(false);
	struct ask ask = {WIRE_CON, POST, 7, .token = "t", .path = "report"};

	(void)state;
	(void)rig_ask(r, ask);
	rig_elapse(r, NET_EXCHANGE_LIFETIME_MS - 1);
	(void)rig_ask(r, ask);
	assert_true(r->last_duplicate);
	rig_elapse(r, 1);
	(void)rig_ask(r, ask);
	assert_false(r->last_duplicate);
	rig_free(r);
}

static void test_dedupe_remembers_its_limit_and_forgets_the_oldest(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	assert_int_equal(sizeof(struct net_dedupe), 16);
	for (uint16_t i = 0; i < LIMIT_COAP_DEDUPE; i++)
		(void)rig_ask(r, (struct ask){WIRE_CON, POST, i, .path = "report"});
	(void)rig_ask(r, (struct ask){WIRE_CON, POST, 0, .path = "report"});
	assert_true(r->last_duplicate);
	(void)rig_ask(r, (struct ask){WIRE_CON, POST, LIMIT_COAP_DEDUPE, .path = "report"});
	(void)rig_ask(r, (struct ask){WIRE_CON, POST, 0, .path = "report"});
	assert_false(r->last_duplicate);
	rig_free(r);
}

static void test_repeated_get_is_answered_again_and_counted(void **state)
{
	struct rig *r = rig_new(false);
	struct ask ask = {WIRE_CON, GET, 7, .token = "t", .path = "fw", .path2 = "x"};

	(void)state;
	(void)rig_ask(r, ask);
	(void)rig_ask(r, ask);
	assert_int_equal(r->sent_count, 2);
	assert_true(r->last_duplicate);
	assert_int_equal(r->session.messages, 2);
	assert_int_equal(r->session.repeats, 1);
	rig_free(r);
}

/* ---- limits ---- */

static void test_pending_at_limit_waits_one_more_is_busy(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	r->defer = true;
	for (uint16_t i = 0; i < NET_PENDING_PER_SESSION; i++)
		(void)rig_ask(r, (struct ask){WIRE_CON, POST, i, .path = "report"});
	assert_int_equal(r->sent_count, 0);
	(void)rig_ask(r, (struct ask){WIRE_CON, POST, 100, .path = "report"});
	assert_code(&rig_last(r)->m, 5, 3);
	(void)rig_ask(r, (struct ask){WIRE_CON, GET, 101, .path = "desired"});
	assert_code(&rig_last(r)->m, 5, 3);
	assert_int_equal(r->requests, NET_PENDING_PER_SESSION);
	net_coap_reply(&r->coap, r->deferred[0], &r->reply);
	(void)rig_ask(r, (struct ask){WIRE_CON, POST, 100, .path = "report"}); /* was not kept */
	assert_int_equal(r->requests, NET_PENDING_PER_SESSION + 1);
	assert_false(r->last_duplicate);
	rig_free(r);
}

static void test_reply_twice_or_after_session_end_goes_nowhere(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	r->defer = true;
	(void)rig_ask(r, (struct ask){WIRE_CON, GET, 1, .path = "desired"});
	net_coap_reply(&r->coap, r->last, &r->reply);
	net_coap_reply(&r->coap, r->last, &r->reply);
	assert_int_equal(r->sent_count, 1);
	(void)rig_ask(r, (struct ask){WIRE_CON, GET, 2, .path = "desired"});
	net_coap_session_done(&r->coap, &r->session);
	net_coap_reply(&r->coap, r->last, &r->reply);
	net_coap_reply(&r->coap, (struct net_exchange){0, 0}, &r->reply);
	net_coap_reply(&r->coap, (struct net_exchange){1000000, 1}, &r->reply);
	assert_int_equal(r->sent_count, 1);
	rig_free(r);
}

/* ---- strangers ---- */

static void test_plain_peer_is_told_to_use_coaps(void **state)
{
	struct rig *r = rig_new(true);

	(void)state;
	(void)rig_ask(r, (struct ask){WIRE_CON, GET, 1, .path = "desired"});
	assert_code(&rig_last(r)->m, 4, 1);
	assert_int_equal(r->requests, 0);
	rig_empty(r, WIRE_CON, 2);
	assert_int_equal(rig_last(r)->m.type, WIRE_RST);
	r->coap.plain_devices = true;
	(void)rig_ask(r, (struct ask){WIRE_CON, GET, 3, .path = "desired"});
	assert_int_equal(r->requests, 1);
	rig_free(r);
}

static void test_plain_answers_never_exceed_three_times_the_request(void **state)
{
	struct rig *r = rig_new(true);
	struct ask asks[] = {
		{WIRE_CON, GET, 1, .path = "a"},
		{WIRE_CON, GET, 2, .path = NULL},
		{WIRE_CON, 9, 3, .path = NULL},
		{WIRE_CON, GET, 4, .path = "x", .raw_option = 9},
		{WIRE_CON, POST, 5, .has_block1 = true, .block.more = true},
		{WIRE_CON, GET, 6, .path = ".well-known", .path2 = "core"},
		{WIRE_NON, GET, 7, .path = ".well-known", .path2 = "core", .token = "12345678"},
		{WIRE_CON, GET, 8, .path = ".well-known", .path2 = "core", .size2 = true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
		size_t len = rig_ask(r, asks[i]);

		assert_int_equal(r->sent_count, i + 1);
		assert_true(rig_last(r)->len <= 3 * len);
	}
	rig_free(r);
}

static void test_well_known_core_is_whole_when_read_in_blocks(void **state)
{
	struct rig *r = rig_new(true);
	char all[256] = "";
	size_t len = 0;
	struct wire_block block = {.szx = 6};
	struct bytes etag = {NULL, 0};
	uint8_t kept[8];

	(void)state;
	for (uint16_t mid = 0; mid < 32; mid++) {
		(void)rig_ask(r, (struct ask){WIRE_CON, GET, mid, .path = ".well-known",
					      .path2 = "core", .has_block2 = true, .block = block});
		const struct wire_coap *m = &rig_last(r)->m;

		assert_code(m, 2, 5);
		assert_int_equal(m->content_format, 40);
		assert_int_equal(m->etag_count, 1);
		if (etag.len)
			assert_true(bytes_equal(m->etag[0], etag));
		memcpy(kept, m->etag[0].ptr, m->etag[0].len);
		etag = (struct bytes){kept, m->etag[0].len};
		memcpy(all + len, m->payload.ptr, m->payload.len);
		len += m->payload.len;
		block.szx = m->block2.szx;
		block.num = m->block2.num + 1;
		if (!m->block2.more)
			break;
	}
	assert_string_equal(all, r->coap.well_known);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rfc_test("7252 5.2.1", test_con_get_is_answered_in_its_ack),
		rfc_test("7252 5.2.3", test_non_request_gets_non_response),
		rfc_test("7252 4.3", test_ping_gets_rst),
		rfc_test("7252 4.2", test_malformed_con_gets_rst_everything_else_silence),
		rfc_test("7252 4.2", test_request_in_ack_or_rst_is_ignored),
		rfc_test("7252 5.3.2", test_unasked_response_con_gets_rst_non_silence),
		rfc_test("7252 5.9.2",
			 test_refused_requests_have_their_code_and_never_reach_the_handler),
		rfc_test("7252 5.9.2.5", test_too_deep_path_is_not_found),
		rfc_test("7252 5.4.1", test_non_with_unknown_critical_option_gets_rst),
		rfc_test("7959 2.9.3", test_block1_refusal_says_what_would_fit),
		rfc_test("7252 5.2.2",
			 test_unanswered_con_gets_ack_after_a_second_then_con_response),
		rfc_test("7252 5.2.1", test_late_answer_within_a_second_is_still_piggybacked),
		rfc_test("7252 5.2.3", test_late_answer_to_non_is_non),
		rfc_test("7252 4.2", test_con_is_sent_five_times_with_doubling_gaps_then_given_up),
		rfc_test("7252 4.7", test_only_one_con_of_ours_is_in_flight),
		rfc_test("7252 4.5", test_duplicate_of_unanswered_is_silent_then_acked_again),
		rfc_test("7252 4.5", test_duplicate_get_unanswered_is_not_handed_up_twice),
		rfc_test("7252 4.5", test_duplicate_post_that_succeeded_is_handed_up_marked),
		rfc_test("7252 4.5", test_duplicate_post_that_failed_gets_its_code_again),
		rfc_test("7252 4.5", test_same_mid_other_token_is_another_request),
		rfc_test("7252 4.5", test_same_mid_after_exchange_lifetime_is_another_request),
		rfc_test("7252 4.5", test_dedupe_remembers_its_limit_and_forgets_the_oldest),
		rfc_test("7252 4.5", test_repeated_get_is_answered_again_and_counted),
		rfc_test("7252 5.9.3.4", test_pending_at_limit_waits_one_more_is_busy),
		rfc_test("7252 4.4", test_reply_twice_or_after_session_end_goes_nowhere),
		rfc_test("7252 9", test_plain_peer_is_told_to_use_coaps),
		rfc_test("7252 11.3", test_plain_answers_never_exceed_three_times_the_request),
		rfc_test("7252 7.2", test_well_known_core_is_whole_when_read_in_blocks),
	};

	return cmocka_run_group_tests_name("net/coap", tests, NULL, NULL);
}
