/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests of ours: RFC 7252 sections 4 and 5 from the client's side.
 */
#include "net_ask_rig.h"

/* ---- 5.2: piggybacked, separate ---- */

static void test_request_is_confirmable_and_says_all(void **state)
{
	struct rig *r = rig_new(false);
	struct net_ask ask = NET_ASK(PUT, "/5/0/1");

	(void)state;
	ask.query = "pmin=0&pmax=300";
	ask.content_format = 11542;
	ask.accept = 112;
	ask.payload = text("coaps://x");
	assert_int_equal(net_coap_ask(&r->coap, &r->session, &ask), 0);
	assert_int_equal(r->sent_count, 1);
	const struct wire_coap *m = &rig_last(r)->m;
	assert_int_equal(m->type, WIRE_CON);
	assert_int_equal(m->code, PUT);
	assert_int_equal(m->token.len, 8);
	assert_int_equal(m->path_count, 3);
	assert_true(bytes_equal(m->path[0], text("5")));
	assert_true(bytes_equal(m->path[2], text("1")));
	assert_int_equal(m->query_count, 2);
	assert_true(bytes_equal(m->query[1], text("pmax=300")));
	assert_int_equal(m->content_format, 11542);
	assert_int_equal(m->accept, 112);
	assert_true(bytes_equal(m->payload, text("coaps://x")));
	assert_false(m->has_block1 || m->has_block2 || m->observe >= 0);
	assert_true(net_coap_session_busy(&r->session));
	rig_free(r);
}

static void test_answer_in_the_ack(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	rig_get(r, "3/0/3", 7);
	rig_answer(r, (struct answer){WIRE_ACK, NET_CODE(2, 5), .payload = "1.0"});
	assert_answer(r, 1, 0, 7, NET_CODE(2, 5), "1.0");
	assert_false(r->answer.notified || r->answer.observed);
	assert_false(net_coap_session_busy(&r->session));
	rig_elapse(r, 600000);
	assert_int_equal(r->sent_count, 1);
	assert_int_equal(r->answers, 1);
	rig_free(r);
}

static void test_answer_of_its_own_is_acknowledged(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	rig_get(r, "3/0/3", 7);
	rig_empty(r, WIRE_ACK, rig_last(r)->m.mid);
	rig_elapse(r, 200000); /* no repetition any more */
	assert_int_equal(r->sent_count, 1);
	rig_answer(r, (struct answer){WIRE_CON, NET_CODE(4, 4), .mid = 900});
	assert_answer(r, 1, 0, 7, NET_CODE(4, 4), "");
	assert_int_equal(r->sent_count, 2);
	assert_int_equal(rig_last(r)->m.type, WIRE_ACK);
	assert_int_equal(rig_last(r)->m.mid, 900);
	assert_int_equal(rig_last(r)->len, 4);
	rig_free(r);
}

static void test_answer_as_non(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	rig_get(r, "3/0/3", 7);
	rig_empty(r, WIRE_ACK, rig_last(r)->m.mid);
	rig_answer(r, (struct answer){WIRE_NON, NET_CODE(2, 5), .mid = 900, .payload = "x"});
	assert_answer(r, 1, 0, 7, NET_CODE(2, 5), "x");
	assert_int_equal(r->sent_count, 1);
	rig_free(r);
}

static void test_answer_before_its_ack_counts_as_one(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	rig_get(r, "3/0/3", 7);
	uint16_t mid = rig_last(r)->m.mid;
	rig_answer(r, (struct answer){WIRE_CON, NET_CODE(2, 5), .mid = 900, .payload = "x"});
	assert_answer(r, 1, 0, 7, NET_CODE(2, 5), "x");
	rig_empty(r, WIRE_ACK, mid); /* late */
	rig_elapse(r, 600000);
	assert_int_equal(r->sent_count, 2);
	assert_int_equal(r->stats.retransmissions, 0);
	rig_free(r);
}

static void test_repeated_answer_is_acknowledged_again_and_told_once(void **state)
{
	struct rig *r = rig_new(false);
	struct answer a = {WIRE_CON, NET_CODE(2, 5), .mid = 900, .payload = "x"};

	(void)state;
	rig_get(r, "3/0/3", 7);
	const struct wire_coap asked = rig_last(r)->m;
	uint8_t token[8];

	memcpy(token, asked.token.ptr, 8);
	a.token = (struct bytes){token, 8};
	rig_empty(r, WIRE_ACK, asked.mid);
	for (unsigned i = 0; i < 3; i++)
		rig_answer(r, a);
	assert_int_equal(r->answers, 1);
	assert_int_equal(r->sent_count, 4);
	assert_int_equal(rig_last(r)->m.type, WIRE_ACK);
	assert_int_equal(rig_last(r)->m.mid, 900);
	rig_free(r);
}

static void test_message_id_of_an_answer_may_come_again_with_another_token(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	for (unsigned i = 1; i <= 2; i++) {
		rig_get(r, "3/0/3", 7);
		rig_empty(r, WIRE_ACK, rig_last(r)->m.mid);
		rig_answer(r, (struct answer){WIRE_CON, NET_CODE(2, 5), .mid = 900});
		assert_answer(r, i, 0, 7, NET_CODE(2, 5), "");
	}
	rig_free(r);
}

/* ---- 4.2, 4.8: repetition, rejection ---- */

static void test_request_is_sent_five_times_then_given_up(void **state)
{
	struct rig *r = rig_new(false);
	int64_t start;

	(void)state;
	rig_get(r, "3/0/3", 7);
	start = r->timers.now_ms;
	const struct rig_sent first = *rig_last(r);
	for (unsigned i = 1; i <= 4; i++) {
		while (r->sent_count == i)
			rig_elapse(r, 10);
		int64_t ms = r->timers.now_ms - start; /* 2..3 s, doubled each time */
		assert_in_range(ms, 2000 * ((1 << i) - 1), 3000 * ((1 << i) - 1) + 100);
		assert_int_equal(rig_last(r)->len, first.len);
		assert_memory_equal(rig_last(r)->raw, first.raw, first.len);
	}
	assert_int_equal(r->answers, 0);
	rig_elapse(r, 93000); /* MAX_TRANSMIT_WAIT */
	assert_int_equal(r->sent_count, 5);
	assert_answer(r, 1, ERR_TIMEOUT, 7, 0, "");
	rig_free(r);
}

static void test_rst_ends_it(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	rig_get(r, "3/0/3", 7);
	rig_empty(r, WIRE_RST, rig_last(r)->m.mid);
	assert_answer(r, 1, ERR_CLOSED, 7, 0, "");
	rig_elapse(r, 600000);
	assert_int_equal(r->sent_count, 1);
	rig_free(r);
}

static void test_wait_after_an_empty_ack_is_bounded(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	rig_get(r, "3/0/3", 7);
	rig_empty(r, WIRE_ACK, rig_last(r)->m.mid);
	rig_elapse(r, NET_ASK_WAIT_MS - 1);
	assert_int_equal(r->answers, 0);
	rig_elapse(r, 1);
	assert_answer(r, 1, ERR_TIMEOUT, 7, 0, "");
	rig_free(r);
}

/* ---- 5.3.2: whose answer is it ---- */

static void test_late_answer_gets_rst_if_confirmable(void **state)
{
	struct rig *r = rig_new(false);
	uint8_t token[8];

	(void)state;
	rig_get(r, "3/0/3", 7);
	memcpy(token, rig_last(r)->m.token.ptr, 8);
	rig_elapse(r, 600000);
	unsigned sent = r->sent_count;
	struct answer a = {WIRE_NON, NET_CODE(2, 5), .mid = 900, .token = {token, 8}};
	rig_answer(r, a);
	assert_int_equal(r->sent_count, sent);
	a.type = WIRE_CON;
	rig_answer(r, a);
	assert_int_equal(rig_last(r)->m.type, WIRE_RST);
	assert_int_equal(rig_last(r)->m.mid, 900);
	assert_int_equal(r->answers, 1);
	rig_free(r);
}

static void test_answer_with_another_token_is_none(void **state)
{
	struct rig *r = rig_new(false);
	static const enum wire_coap_type types[] = {WIRE_ACK, WIRE_NON, WIRE_CON};
	uint8_t token[8];

	(void)state;
	rig_get(r, "3/0/3", 7);
	memcpy(token, rig_last(r)->m.token.ptr, 8);
	token[7] ^= 1;
	for (unsigned i = 0; i < 3; i++)
		rig_answer(r, (struct answer){types[i], NET_CODE(2, 5),
					      .mid = types[i] == WIRE_ACK ? r->sent[0].m.mid : 900,
					      .token = {token, 8}});
	assert_int_equal(r->answers, 0);
	assert_int_equal(r->sent_count, 2);
	assert_int_equal(rig_last(r)->m.type, WIRE_RST);
	token[7] ^= 1;
	rig_answer(r, (struct answer){WIRE_ACK, NET_CODE(2, 5), .mid = r->sent[0].m.mid + 1,
				      .token = {token, 8}}); /* and the message id must be right */
	assert_int_equal(r->answers, 0);
	rig_elapse(r, 3000);
	assert_int_equal(r->stats.retransmissions, 1);
	rig_free(r);
}

/* Of before we began, or of somebody else's server at this address: told by nobody, and ended. */
static void test_notification_with_an_unknown_token_gets_rst(void **state)
{
	static const enum wire_coap_type types[] = {WIRE_NON, WIRE_CON};
	const struct bytes tokens[] = {{(const uint8_t *)"stranger", 8}, {(const uint8_t *)"x", 1}};
	struct rig *r = rig_new(false);

	(void)state;
	rig_get(r, "3/0/3", 7); /* a request of ours waits meanwhile */
	for (unsigned i = 0; i < 4; i++) {
		uint16_t mid = (uint16_t)(900 + i);
		rig_answer(r, (struct answer){types[i % 2], NET_CODE(2, 5), .mid = mid,
					      .token = tokens[i / 2], .observe = 1 + 5,
					      .payload = "1"});
		assert_int_equal(r->sent_count, 2 + i);
		assert_int_equal(rig_last(r)->m.type, WIRE_RST);
		assert_int_equal(rig_last(r)->m.mid, mid);
		assert_int_equal(rig_last(r)->m.code, 0);
	}
	assert_int_equal(r->answers, 0);
	rig_elapse(r, 3000);
	assert_int_equal(r->stats.retransmissions, 1); /* which nothing of that has ended */
	rig_free(r);
}

static void test_tokens_do_not_repeat(void **state)
{
	struct rig *r = rig_new(false);
	uint8_t before[8] = {0};

	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		rig_get(r, "3/0/3", i);
		assert_memory_not_equal(rig_last(r)->m.token.ptr, before, 8);
		memcpy(before, rig_last(r)->m.token.ptr, 8);
		rig_answer(r, (struct answer){.type = WIRE_ACK, .code = NET_CODE(2, 5)});
	}
	assert_int_equal(r->answers, 50);
	rig_free(r);
}

static void test_unknown_critical_option_in_an_answer_ends_it(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	rig_get(r, "3/0/3", 7);
	rig_answer(r, (struct answer){WIRE_ACK, NET_CODE(2, 5), .raw_option = 9});
	assert_answer(r, 1, ERR_CRITICAL, 7, 0, "");
	rig_get(r, "3/0/3", 8);
	rig_answer(r, (struct answer){WIRE_CON, NET_CODE(2, 5), .mid = 900, .raw_option = 9});
	assert_answer(r, 2, ERR_CRITICAL, 8, 0, "");
	assert_int_equal(rig_last(r)->m.type, WIRE_RST);
	rig_elapse(r, 600000);
	assert_int_equal(r->sent_count, 3);
	rig_free(r);
}

/* ---- 4.7: one at a time ---- */

static void test_a_new_request_takes_the_place_of_the_old(void **state)
{
	struct rig *r = rig_new(false);
	uint8_t token[8];

	(void)state;
	rig_get(r, "3/0/3", 7);
	memcpy(token, rig_last(r)->m.token.ptr, 8);
	uint16_t mid = rig_last(r)->m.mid;
	rig_get(r, "3/0/4", 8);
	assert_int_equal(r->sent_count, 2);
	rig_answer(r, (struct answer){WIRE_ACK, NET_CODE(2, 5), .mid = mid, .token = {token, 8}});
	assert_int_equal(r->answers, 0);
	rig_answer(r, (struct answer){WIRE_ACK, NET_CODE(2, 5), .payload = "x"});
	assert_answer(r, 1, 0, 8, NET_CODE(2, 5), "x");
	rig_free(r);
}

static void test_cancelled_request_tells_nothing(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	net_coap_ask_cancel(&r->coap, &r->session);
	rig_get(r, "3/0/3", 7);
	net_coap_ask_cancel(&r->coap, &r->session);
	assert_false(net_coap_session_busy(&r->session));
	rig_answer(r, (struct answer){.type = WIRE_ACK, .code = NET_CODE(2, 5)});
	rig_elapse(r, 600000);
	assert_int_equal(r->answers, 0);
	assert_int_equal(r->sent_count, 1);
	rig_free(r);
}

static void test_requests_and_notifications_share_one_place_in_flight(void **state)
{
	struct rig *r = rig_new(false);
	struct net_reply reply = NET_REPLY(NET_CODE(2, 5));

	(void)state;
	r->reply.observe = true;
	r->reply.observe_tag = 5;
	(void)rig_ask(r, (struct ask){WIRE_CON, GET, 1, .token = "ob", .path = "d", .observe = 1});
	assert_int_equal(net_coap_notify(&r->coap, &r->session, 5, &reply), 1);
	uint16_t mid = rig_last(r)->m.mid;
	rig_get(r, "3/0/3", 7);
	assert_int_equal(r->sent_count, 2); /* waits */
	rig_empty(r, WIRE_ACK, mid);
	assert_int_equal(r->sent_count, 3);
	assert_int_equal(net_coap_notify(&r->coap, &r->session, 5, &reply), 1);
	assert_int_equal(r->sent_count, 3); /* and the other way round */
	rig_empty(r, WIRE_ACK, rig_last(r)->m.mid);
	assert_int_equal(r->sent_count, 4);
	assert_true(rig_last(r)->m.observe >= 0);
	net_coap_session_done(&r->coap, &r->session);
	assert_int_equal(r->sent_count, 4);
	net_coap_session_init(&r->coap, &r->session, false, 6);
	rig_free(r);
}

static void test_the_callback_may_ask_again(void **state)
{
	struct rig *r = rig_new(false);
	struct net_ask next = NET_ASK(GET, "5/0/3");

	(void)state;
	next.tag = 8;
	r->next = &next;
	rig_get(r, "3/0/3", 7);
	rig_answer(r, (struct answer){WIRE_ACK, NET_CODE(2, 5), .payload = "one"});
	assert_answer(r, 1, 0, 7, NET_CODE(2, 5), "one");
	assert_int_equal(r->sent_count, 2);
	rig_answer(r, (struct answer){WIRE_ACK, NET_CODE(2, 5), .payload = "two"});
	assert_answer(r, 2, 0, 8, NET_CODE(2, 5), "two");
	r->next = &next;
	rig_get(r, "3/0/3", 7);
	rig_elapse(r, 100000); /* after a failure, too */
	assert_int_equal(r->answers, 3);
	assert_true(net_coap_session_busy(&r->session));
	rig_free(r);
}

/* ---- what cannot be asked ---- */

static void test_limits(void **state)
{
	struct rig *r = rig_new(false);
	struct net_ask ask = NET_ASK(PUT, "");
	char path[LIMIT_ASK_PATH + 2];
	uint8_t payload[LIMIT_ASK_PAYLOAD + 1] = {0};

	(void)state;
	memset(path, 'a', sizeof(path));
	path[LIMIT_ASK_PATH + 1] = 0;
	ask.payload = (struct bytes){payload, LIMIT_ASK_PAYLOAD + 1};
	assert_int_equal(net_coap_ask(&r->coap, &r->session, &ask), ERR_LIMIT);
	ask.payload.len--;
	assert_int_equal(net_coap_ask(&r->coap, &r->session, &ask), 0);
	assert_int_equal(rig_last(r)->m.payload.len, LIMIT_ASK_PAYLOAD);
	ask.path = ask.query = path;
	assert_int_equal(net_coap_ask(&r->coap, &r->session, &ask), ERR_LIMIT);
	path[LIMIT_ASK_PATH] = 0;
	assert_int_equal(net_coap_ask(&r->coap, &r->session, &ask), 0);
	assert_int_equal(rig_last(r)->m.path[0].len, LIMIT_ASK_PATH);
	assert_int_equal(rig_last(r)->m.query[0].len, LIMIT_ASK_PATH);
	assert_int_equal(rig_last(r)->m.payload.len, 512); /* beside such options */
	assert_true(rig_last(r)->m.has_block1 && rig_last(r)->m.block1.more);
	assert_int_equal(r->sent_count, 2);
	rig_free(r);
}

static void test_nonsense_is_refused(void **state)
{
	struct rig *r = rig_new(false);
	struct net_ask rows[] = {NET_ASK(0, "x"),   NET_ASK(8, "x"),   NET_ASK(GET, "x"),
				 NET_ASK(GET, "x"), NET_ASK(PUT, "x"), NET_ASK(PUT, "x")};

	(void)state;
	rows[2].block_szx = 7;
	rows[3].observe = 2;
	rows[4].observe = 0;
	rows[5].body_size = -1;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(net_coap_ask(&r->coap, &r->session, &rows[i]), ERR_INVAL);
	assert_int_equal(r->sent_count, 0);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rfc_test("7252 5.1", test_request_is_confirmable_and_says_all),
		rfc_test("7252 5.2.1", test_answer_in_the_ack),
		rfc_test("7252 5.2.2", test_answer_of_its_own_is_acknowledged),
		rfc_test("7252 5.2.2", test_answer_as_non),
		rfc_test("7252 5.2.2", test_answer_before_its_ack_counts_as_one),
		rfc_test("7252 4.2", test_repeated_answer_is_acknowledged_again_and_told_once),
		rfc_test("7252 4.2",
			 test_message_id_of_an_answer_may_come_again_with_another_token),
		rfc_test("7252 4.2, 4.8", test_request_is_sent_five_times_then_given_up),
		rfc_test("7252 4.2", test_rst_ends_it),
		rfc_test("7252 5.2.2", test_wait_after_an_empty_ack_is_bounded),
		rfc_test("7252 4.2", test_late_answer_gets_rst_if_confirmable),
		rfc_test("7252 5.3.2", test_answer_with_another_token_is_none),
		rfc_test("7641 3.6", test_notification_with_an_unknown_token_gets_rst),
		rfc_test("7252 5.3.1", test_tokens_do_not_repeat),
		rfc_test("7252 5.4.1", test_unknown_critical_option_in_an_answer_ends_it),
		cmocka_unit_test(test_a_new_request_takes_the_place_of_the_old),
		cmocka_unit_test(test_cancelled_request_tells_nothing),
		rfc_test("7252 4.7", test_requests_and_notifications_share_one_place_in_flight),
		cmocka_unit_test(test_the_callback_may_ask_again),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_nonsense_is_refused),
	};

	return cmocka_run_group_tests_name("net/ask", tests, NULL, NULL);
}
