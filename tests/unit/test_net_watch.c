/* SPDX-License-Identifier: Apache-2.0
 *
 * Observations of ours: RFC 7641 section 3, the client's side.
 */
#include "net_ask_rig.h"

enum { TAG = 3 };

static uint8_t token[8];

static void observe(struct rig *r, const char *path, uint32_t tag, int observe)
{
	struct net_ask ask = NET_ASK(GET, path);

	ask.tag = tag;
	ask.observe = observe;
	assert_int_equal(net_coap_ask(&r->coap, &r->session, &ask), 0);
}

/* Registered, with number 10; its token is kept. */
static struct rig *rig_observing(void)
{
	struct rig *r = rig_new(false);

	observe(r, "5/0/3", TAG, 0);
	assert_int_equal(rig_last(r)->m.observe, 0);
	memcpy(token, rig_last(r)->m.token.ptr, 8);
	rig_answer(r, (struct answer){WIRE_ACK, NET_CODE(2, 5), .observe = 11, .payload = "0"});
	assert_answer(r, 1, 0, TAG, NET_CODE(2, 5), "0");
	assert_true(r->answer.observed);
	assert_false(r->answer.notified);
	return r;
}

static void notified(struct rig *r, enum wire_coap_type type, uint16_t mid, unsigned number,
		     const char *payload)
{
	rig_answer(r, (struct answer){type, NET_CODE(2, 5), .mid = mid, .token = {token, 8},
				      .observe = number + 1, .payload = payload});
}

static void assert_notified(const struct rig *r, unsigned count, const char *payload)
{
	assert_answer(r, count, 0, TAG, NET_CODE(2, 5), payload);
	assert_true(r->answer.notified && r->answer.observed);
}

/* ---- 3.2: notifications ---- */

static void test_notifications_are_told_and_con_ones_acknowledged(void **state)
{
	struct rig *r = rig_observing();

	(void)state;
	assert_false(net_coap_session_busy(&r->session));
	notified(r, WIRE_NON, 500, 11, "1");
	assert_notified(r, 2, "1");
	assert_int_equal(r->sent_count, 1);
	notified(r, WIRE_CON, 501, 12, "2");
	assert_notified(r, 3, "2");
	assert_int_equal(r->sent_count, 2);
	assert_int_equal(rig_last(r)->m.type, WIRE_ACK);
	assert_int_equal(rig_last(r)->m.mid, 501);
	notified(r, WIRE_CON, 501, 12, "2"); /* again */
	assert_int_equal(r->sent_count, 3);
	assert_int_equal(rig_last(r)->m.type, WIRE_ACK);
	assert_int_equal(r->answers, 3);
	rig_free(r);
}

static void test_notification_while_a_request_is_outstanding(void **state)
{
	struct rig *r = rig_observing();

	(void)state;
	rig_get(r, "3/0/3", 7);
	notified(r, WIRE_CON, 501, 12, "2");
	assert_notified(r, 2, "2");
	assert_true(net_coap_session_busy(&r->session));
	rig_answer(r, (struct answer){WIRE_ACK, NET_CODE(2, 5), .payload = "1.0"});
	assert_answer(r, 3, 0, 7, NET_CODE(2, 5), "1.0");
	assert_false(r->answer.notified);
	rig_free(r);
}

static void test_server_that_does_not_observe_answers_once(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	observe(r, "5/0/3", TAG, 0);
	memcpy(token, rig_last(r)->m.token.ptr, 8);
	rig_answer(r, (struct answer){WIRE_ACK, NET_CODE(2, 5), .payload = "0"});
	assert_answer(r, 1, 0, TAG, NET_CODE(2, 5), "0");
	assert_false(r->answer.observed);
	notified(r, WIRE_CON, 501, 12, "2");
	assert_int_equal(r->answers, 1);
	assert_int_equal(rig_last(r)->m.type, WIRE_RST);
	observe(r, "5/0/3", TAG, 0);
	rig_answer(r, (struct answer){WIRE_ACK, NET_CODE(4, 4), .observe = 2});
	assert_answer(r, 2, 0, TAG, NET_CODE(4, 4), "");
	assert_false(r->answer.observed);
	assert_null(r->session.watches);
	rig_free(r);
}

/* ---- 3.4: order ---- */

static void test_only_newer_numbers_count(void **state)
{
	static const struct {
		unsigned number;
		bool newer;
	} rows[] = {
		{10, false},	  {9, false},	     {11, true},       {11, false},
		{0x7fffff, true}, {12, false},	     {0xfffffe, true}, {0x800000, false},
		{0, true},	  {0xffffff, false}, {0x7fffff, true}, {0x800000, true},
		{0, false},		     /* exactly half the space away */
		{0x800001, true}, {0, true}, /* more */
	};
	struct rig *r = rig_observing();
	unsigned told = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		notified(r, WIRE_NON, (uint16_t)(500 + i), rows[i].number, "n");
		told += rows[i].newer;
		if (r->answers != told)
			fail_msg("row %zu", i);
	}
	rig_free(r);
}

static void test_after_128_s_any_number_counts(void **state)
{
	struct rig *r = rig_observing();

	(void)state;
	rig_elapse(r, 128000);
	notified(r, WIRE_NON, 500, 5, "old");
	assert_int_equal(r->answers, 1);
	rig_elapse(r, 1);
	notified(r, WIRE_NON, 501, 5, "new");
	assert_notified(r, 2, "new");
	rig_free(r);
}

/* ---- 3.6: the end ---- */

static void test_forgotten_observation_is_rejected_at_its_next_notification(void **state)
{
	static const enum wire_coap_type types[] = {WIRE_CON, WIRE_NON};
	struct rig *r = rig_observing();

	(void)state;
	net_coap_observe_forget(&r->session, TAG + 1);
	notified(r, WIRE_NON, 499, 11, "1");
	assert_int_equal(r->answers, 2);
	net_coap_observe_forget(&r->session, TAG);
	for (unsigned i = 0; i < 2; i++) {
		notified(r, types[i], (uint16_t)(500 + i), 12, "2");
		assert_int_equal(rig_last(r)->m.type, WIRE_RST);
		assert_int_equal(rig_last(r)->m.mid, 500 + i);
		assert_int_equal(rig_last(r)->len, 4);
	}
	assert_int_equal(r->answers, 2);
	rig_free(r);
}

static void test_cancellation_has_the_token_of_the_registration(void **state)
{
	struct rig *r = rig_observing();

	(void)state;
	observe(r, "5/0/3", TAG, 1);
	assert_int_equal(rig_last(r)->m.observe, 1);
	assert_memory_equal(rig_last(r)->m.token.ptr, token, 8);
	notified(r, WIRE_CON, 500, 11, "crossing"); /* is not the answer */
	assert_int_equal(r->answers, 1);
	assert_int_equal(rig_last(r)->m.type, WIRE_ACK);
	rig_answer(r, (struct answer){WIRE_ACK, NET_CODE(2, 5), .payload = "0"});
	assert_answer(r, 2, 0, TAG, NET_CODE(2, 5), "0");
	assert_false(r->answer.observed || r->answer.notified);
	notified(r, WIRE_NON, 501, 12, "late");
	assert_int_equal(r->answers, 2);
	assert_int_equal(rig_last(r)->m.type, WIRE_RST);
	rig_free(r);
}

static void test_error_or_a_notification_without_a_number_ends_it(void **state)
{
	static const struct answer ends[] = {
		{WIRE_CON, NET_CODE(4, 4), .mid = 500, .token = {token, 8}, .observe = 21},
		{WIRE_NON, NET_CODE(2, 5), .mid = 500, .token = {token, 8}},
	};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct rig *r = rig_observing();

		rig_answer(r, ends[i]);
		assert_answer(r, 2, 0, TAG, ends[i].code, "");
		assert_true(r->answer.notified);
		assert_false(r->answer.observed);
		notified(r, WIRE_NON, 501, 30, "x");
		assert_int_equal(r->answers, 2);
		rig_free(r);
	}
}

/* ---- 3.1: registering again ---- */

static void test_repeated_registration_has_the_same_token(void **state)
{
	struct rig *r = rig_observing();

	(void)state;
	observe(r, "5/0/3", TAG, 0);
	assert_memory_equal(rig_last(r)->m.token.ptr, token, 8);
	rig_answer(r, (struct answer){WIRE_ACK, NET_CODE(2, 5), .observe = 2, .payload = "a"});
	assert_true(r->answer.observed);
	notified(r, WIRE_NON, 500, 2, "b"); /* its numbers begin anew */
	assert_notified(r, 3, "b");
	observe(r, "5/0/5", TAG, 0); /* of something else: another */
	assert_memory_not_equal(rig_last(r)->m.token.ptr, token, 8);
	rig_answer(r, (struct answer){WIRE_ACK, NET_CODE(2, 5), .observe = 2});
	notified(r, WIRE_NON, 501, 9, "c");
	assert_int_equal(r->answers, 4);
	assert_int_equal(rig_last(r)->m.type, WIRE_RST);
	rig_free(r);
}

static void test_lost_registration_leaves_the_old_one(void **state)
{
	struct rig *r = rig_observing();

	(void)state;
	observe(r, "5/0/3", TAG, 0);
	rig_elapse(r, 100000);
	assert_answer(r, 2, ERR_TIMEOUT, TAG, 0, "");
	notified(r, WIRE_NON, 500, 12, "x");
	assert_notified(r, 3, "x");
	rig_free(r);
}

/* ---- quotas ---- */

static enum net_admission verdict;
static enum net_work work;

static enum net_admission on_admit(void *ctx, struct net_coap_session *s, enum net_work w,
				   unsigned *ret_wait_s)
{
	(void)ctx;
	(void)s;
	*ret_wait_s = 1;
	work = w;
	return verdict;
}

static void test_notifications_count_as_requests_and_are_lost_beyond_the_quota(void **state)
{
	struct rig *r = rig_observing();
	struct net_coap_ops ops = *r->coap.ops;

	(void)state;
	ops.admit = on_admit;
	r->coap.ops = &ops;
	verdict = NET_ADMIT_TOO_MANY;
	notified(r, WIRE_CON, 500, 11, "1");
	assert_int_equal(work, NET_WORK_REQUEST);
	assert_int_equal(r->answers, 1);
	assert_int_equal(r->sent_count, 1); /* no ACK: it comes again */
	verdict = NET_ADMIT;
	notified(r, WIRE_CON, 500, 11, "1");
	assert_notified(r, 2, "1");
	notified(r, WIRE_CON, 500, 11, "1");
	assert_int_equal(work, NET_WORK_MESSAGE);
	rig_get(r, "3/0/3", 7);
	work = NET_WORK_BLOCK;
	rig_answer(r, (struct answer){WIRE_ACK, NET_CODE(2, 5), .token = {token, 8}});
	assert_int_equal(work, NET_WORK_MESSAGE); /* not its token */
	work = NET_WORK_BLOCK;
	rig_answer(r, (struct answer){WIRE_ACK, NET_CODE(2, 5), .payload = "1.0"});
	assert_answer(r, 3, 0, 7, NET_CODE(2, 5), "1.0");
	assert_int_equal(work, NET_WORK_BLOCK); /* what was asked for is free */
	rig_free(r);
}

/* ---- limits ---- */

static void test_observations_at_the_limit_and_one_more(void **state)
{
	struct rig *r = rig_new(false);
	struct net_ask ask = NET_ASK(GET, "x");

	(void)state;
	for (uint32_t tag = 1; tag <= LIMIT_COAP_WATCH; tag++) {
		observe(r, "x", tag, 0);
		rig_answer(r, (struct answer){WIRE_ACK, NET_CODE(2, 5), .observe = 2});
		assert_true(r->answer.observed);
	}
	ask.observe = 0;
	ask.tag = LIMIT_COAP_WATCH + 1;
	assert_int_equal(net_coap_ask(&r->coap, &r->session, &ask), ERR_LIMIT);
	ask.tag = 1; /* one of them again */
	assert_int_equal(net_coap_ask(&r->coap, &r->session, &ask), 0);
	rig_free(r);
}

static void test_notification_longer_than_one_message_is_told_as_such(void **state)
{
	struct rig *r = rig_observing();

	(void)state;
	rig_answer(r, (struct answer){WIRE_NON, NET_CODE(2, 5), .mid = 500, .token = {token, 8},
				      .observe = 21, .payload = "0123456789abcdef",
				      .has_block2 = true, .block2 = {.more = true}});
	assert_answer(r, 2, ERR_LIMIT, TAG, NET_CODE(2, 5), "");
	assert_true(r->answer.notified && r->answer.observed);
	rig_answer(r, (struct answer){WIRE_NON, NET_CODE(2, 5), .mid = 501, .token = {token, 8},
				      .observe = 22, .payload = "0123456789abcdef",
				      .has_block2 = true});
	assert_notified(r, 3, "0123456789abcdef");
	rig_free(r);
}

static void test_registration_is_answered_in_blocks_and_stands(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	observe(r, "5/0", TAG, 0);
	memcpy(token, rig_last(r)->m.token.ptr, 8);
	rig_answer(r, (struct answer){WIRE_ACK, NET_CODE(2, 5), .observe = 11,
				      .payload = "0123456789abcdef", .has_block2 = true,
				      .block2 = {.more = true}});
	assert_int_equal(rig_last(r)->m.observe, -1); /* RFC 7959 3.4 */
	assert_memory_not_equal(rig_last(r)->m.token.ptr, token, 8);
	rig_answer(r, (struct answer){WIRE_ACK, NET_CODE(2, 5), .payload = "g", .has_block2 = true,
				      .block2 = {.num = 1}});
	assert_answer(r, 1, 0, TAG, NET_CODE(2, 5), "0123456789abcdefg");
	assert_true(r->answer.observed);
	notified(r, WIRE_NON, 500, 12, "x");
	assert_notified(r, 2, "x");
	rig_free(r);
}

/* ---- asleep ---- */

static void test_observations_are_packed_and_unpacked(void **state)
{
	struct rig *r = rig_observing();
	uint8_t packed[NET_SESSION_PACKED];
	struct buf w = buf_writer(packed, sizeof(packed));
	unsigned whole;

	(void)state;
	notified(r, WIRE_CON, 501, 12, "2");
	r->reply.observe = true;
	r->reply.observe_tag = 5;
	(void)rig_ask(r, (struct ask){WIRE_CON, GET, 1, .token = "ob", .path = "d", .observe = 1});
	for (uint32_t tag = 50; tag < 49 + LIMIT_COAP_WATCH; tag++) {
		observe(r, "x", tag, 0);
		rig_answer(r, (struct answer){WIRE_ACK, NET_CODE(2, 5), .observe = 2});
	}
	net_coap_session_pack(&r->coap, &r->session, &w);
	assert_true(buf_ok(&w));
	assert_true(net_coap_packed_observes(buf_bytes(&w)));
	net_coap_session_rest(&r->coap, &r->session);
	assert_null(r->session.watches);
	for (size_t len = 0; len < w.pos; len++) { /* bytes that are not whole */
		net_coap_session_unpack(&r->session, (struct bytes){packed, len});
		net_coap_session_rest(&r->coap, &r->session);
	}
	net_coap_session_unpack(&r->session, buf_bytes(&w));
	whole = r->answers;
	assert_int_equal(r->session.observe_count, 1);
	notified(r, WIRE_CON, 501, 12, "2"); /* repeated */
	assert_int_equal(r->answers, whole);
	assert_int_equal(rig_last(r)->m.type, WIRE_ACK);
	notified(r, WIRE_NON, 502, 13, "3");
	assert_notified(r, whole + 1, "3");
	struct net_reply reply = NET_REPLY(NET_CODE(2, 5));
	assert_int_equal(net_coap_notify(&r->coap, &r->session, 5, &reply), 1);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rfc_test("7641 3.2, 3.5", test_notifications_are_told_and_con_ones_acknowledged),
		rfc_test("7641 3.2", test_notification_while_a_request_is_outstanding),
		rfc_test("7641 3.1", test_server_that_does_not_observe_answers_once),
		rfc_test("7641 3.4", test_only_newer_numbers_count),
		rfc_test("7641 3.4", test_after_128_s_any_number_counts),
		rfc_test("7641 3.6",
			 test_forgotten_observation_is_rejected_at_its_next_notification),
		rfc_test("7641 3.6", test_cancellation_has_the_token_of_the_registration),
		rfc_test("7641 4.2", test_error_or_a_notification_without_a_number_ends_it),
		rfc_test("7641 3.1", test_repeated_registration_has_the_same_token),
		rfc_test("7641 3.1", test_lost_registration_leaves_the_old_one),
		cmocka_unit_test(
			test_notifications_count_as_requests_and_are_lost_beyond_the_quota),
		cmocka_unit_test(test_observations_at_the_limit_and_one_more),
		rfc_test("7959 2.6", test_notification_longer_than_one_message_is_told_as_such),
		rfc_test("7959 2.6, 3.4", test_registration_is_answered_in_blocks_and_stands),
		cmocka_unit_test(test_observations_are_packed_and_unpacked),
	};

	return cmocka_run_group_tests_name("net/watch", tests, NULL, NULL);
}
