/* SPDX-License-Identifier: Apache-2.0
 *
 * Observations (RFC 7641) and their confirmable notifications.
 */
#include "net_rig.h"

enum { TAG = 5 };

/* The number of the Observe option, which only responses carry; -1 if absent. */
static int64_t observe_of(const struct rig_sent *sent)
{
	return sent->m.observe;
}

static void observe(struct rig *r, uint16_t mid, const char *token)
{
	r->reply.observe = true;
	r->reply.observe_tag = TAG;
	(void)rig_ask(r, (struct ask){WIRE_CON, GET, mid, .token = token, .path = "desired",
				      .observe = 1});
}

static unsigned notify(struct rig *r, const char *payload)
{
	struct net_reply reply = NET_REPLY(NET_CODE(2, 5));

	reply.payload = text(payload);
	return net_coap_notify(&r->coap, &r->session, TAG, &reply);
}

static void test_observe_registers_and_is_notified_by_con(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	observe(r, 1, "ob");
	int64_t first = observe_of(rig_last(r));
	assert_true(first >= 0);
	assert_int_equal(notify(r, "1"), 1);
	const struct rig_sent *n = rig_last(r);
	assert_int_equal(n->m.type, WIRE_CON);
	assert_true(bytes_equal(n->m.token, text("ob")));
	assert_true(observe_of(n) > first);
	assert_true(bytes_equal(n->m.payload, text("1")));
	rig_empty(r, WIRE_ACK, n->m.mid);
	rig_elapse(r, 300000);
	assert_int_equal(r->sent_count, 2);
	assert_int_equal(r->ends, 0);
	rig_free(r);
}

/* RFC 6298 2.3 and 3 */
static void test_acknowledged_notification_tells_the_round_trip(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	observe(r, 1, "ob");
	assert_int_equal(r->session.rtt_ms, 0);
	(void)notify(r, "1");
	rig_elapse(r, 600);
	rig_empty(r, WIRE_ACK, rig_last(r)->m.mid);
	assert_int_equal(r->session.rtt_ms, 600);
	(void)notify(r, "2");
	rig_elapse(r, 200);
	rig_empty(r, WIRE_ACK, rig_last(r)->m.mid);
	assert_int_equal(r->session.rtt_ms, 550);
	(void)notify(r, "3"); /* sent twice: nobody knows which one was acknowledged */
	rig_elapse(r, 3100);
	rig_empty(r, WIRE_ACK, rig_last(r)->m.mid);
	assert_int_equal(r->session.rtt_ms, 550);
	(void)notify(r, "4"); /* at once is 1 ms: 0 is "none" */
	rig_empty(r, WIRE_ACK, rig_last(r)->m.mid);
	assert_int_equal(r->session.rtt_ms, 481);
	rig_free(r);
}

static void test_observe_without_asking_or_with_error_registers_nothing(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	r->reply.observe = true;
	r->reply.observe_tag = TAG;
	(void)rig_ask(r, (struct ask){WIRE_CON, GET, 1, .token = "a", .path = "desired"});
	assert_int_equal(observe_of(rig_last(r)), -1);
	r->reply.code = NET_CODE(4, 4);
	observe(r, 2, "b");
	assert_int_equal(observe_of(rig_last(r)), -1);
	assert_int_equal(notify(r, "x"), 0);
	rig_free(r);
}

static void test_observe_numbers_rise_even_within_a_millisecond(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	observe(r, 1, "ob");
	int64_t last = observe_of(rig_last(r));
	for (unsigned i = 0; i < 5; i++) {
		(void)notify(r, "x");
		assert_true(observe_of(rig_last(r)) > last);
		last = observe_of(rig_last(r));
		rig_empty(r, WIRE_ACK, rig_last(r)->m.mid);
	}
	observe(r, 2, "other"); /* registering anew starts above */
	assert_true(observe_of(rig_last(r)) > last);
	rig_free(r);
}

static void test_observe_number_wraps_at_24_bits(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	r->timers.now_ms = 0xffffff;
	observe(r, 1, "ob");
	assert_int_equal(observe_of(rig_last(r)), 0xffffff);
	(void)notify(r, "x");
	assert_int_equal(observe_of(rig_last(r)), 0);
	rig_free(r);
}

static void test_rst_to_notification_ends_observation(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	observe(r, 1, "ob");
	(void)notify(r, "1");
	rig_empty(r, WIRE_RST, rig_last(r)->m.mid);
	assert_int_equal(r->ends, 1);
	assert_int_equal(r->last_end, TAG);
	assert_int_equal(notify(r, "2"), 0);
	rig_elapse(r, 300000);
	assert_int_equal(r->sent_count, 2);
	rig_free(r);
}

static void test_deregistration_ends_observation_and_is_answered(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	observe(r, 1, "ob");
	(void)rig_ask(
		r, (struct ask){WIRE_CON, GET, 2, .token = "ob", .path = "desired", .observe = 2});
	assert_int_equal(r->last_observe, 1);
	assert_int_equal(r->ends, 1);
	assert_code(&rig_last(r)->m, 2, 5);
	assert_int_equal(observe_of(rig_last(r)), -1);
	assert_int_equal(notify(r, "1"), 0);
	rig_free(r);
}

static void test_deregistration_of_unknown_token_ends_nothing(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	observe(r, 1, "ob");
	(void)rig_ask(
		r, (struct ask){WIRE_CON, GET, 2, .token = "xx", .path = "desired", .observe = 2});
	assert_int_equal(r->ends, 0);
	assert_int_equal(notify(r, "1"), 1);
	rig_free(r);
}

static void test_registering_again_replaces_without_an_end(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	observe(r, 1, "ob");
	observe(r, 2, "ob");
	observe(r, 3, "new");
	assert_int_equal(r->ends, 0);
	assert_int_equal(r->session.observe_count, 1);
	assert_int_equal(notify(r, "1"), 1);
	assert_true(bytes_equal(rig_last(r)->m.token, text("new")));
	rig_free(r);
}

static void test_same_token_for_another_tag_ends_the_first(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	observe(r, 1, "ob");
	r->reply.observe_tag = TAG + 1;
	(void)rig_ask(r, (struct ask){WIRE_CON, GET, 2, .token = "ob", .path = "x", .observe = 1});
	assert_int_equal(r->ends, 1);
	assert_int_equal(r->last_end, TAG);
	assert_int_equal(notify(r, "1"), 0);
	rig_free(r);
}

static void test_observations_at_limit_one_more_is_answered_plainly(void **state)
{
	static const char *const tokens[] = {"a", "b", "c", "d", "e"};
	struct rig *r = rig_new(false);

	(void)state;
	r->reply.observe = true;
	for (uint16_t i = 0; i < LIMIT_COAP_OBSERVE; i++) {
		r->reply.observe_tag = i;
		(void)rig_ask(r, (struct ask){WIRE_CON, GET, i, .token = tokens[i], .path = "x",
					      .observe = 1});
		assert_true(observe_of(rig_last(r)) >= 0);
	}
	r->reply.observe_tag = LIMIT_COAP_OBSERVE;
	(void)rig_ask(r, (struct ask){WIRE_CON, GET, 9, .token = tokens[LIMIT_COAP_OBSERVE],
				      .path = "x", .observe = 1});
	assert_code(&rig_last(r)->m, 2, 5);
	assert_int_equal(observe_of(rig_last(r)), -1);
	rig_free(r);
}

static void test_unacknowledged_notification_is_superseded_by_the_newest(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	observe(r, 1, "ob");
	(void)notify(r, "1");
	uint16_t first = rig_last(r)->m.mid;
	(void)notify(r, "2");
	(void)notify(r, "3");
	assert_int_equal(r->sent_count, 2); /* the others wait */
	rig_elapse(r, 3000);		    /* time-out of the first */
	assert_int_equal(r->sent_count, 3);
	assert_true(bytes_equal(rig_last(r)->m.payload, text("3")));
	assert_int_not_equal(rig_last(r)->m.mid, first);
	rig_empty(r, WIRE_ACK, first); /* too late to mean anything */
	rig_empty(r, WIRE_ACK, rig_last(r)->m.mid);
	rig_elapse(r, 300000);
	assert_int_equal(r->sent_count, 3);
	assert_int_equal(r->ends, 0);
	rig_free(r);
}

static void test_acknowledged_notification_is_followed_by_the_newest(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	observe(r, 1, "ob");
	(void)notify(r, "1");
	(void)notify(r, "2");
	(void)notify(r, "3");
	rig_empty(r, WIRE_ACK, rig_last(r)->m.mid);
	assert_int_equal(r->sent_count, 3);
	assert_true(bytes_equal(rig_last(r)->m.payload, text("3")));
	rig_free(r);
}

static void test_notification_never_acknowledged_ends_observation(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	observe(r, 1, "ob");
	(void)notify(r, "1");
	(void)notify(r, "2");
	rig_elapse(r, 200000);
	assert_int_equal(r->sent_count, 2 + NET_MAX_RETRANSMIT);
	assert_int_equal(r->ends, 1);
	assert_int_equal(notify(r, "3"), 0);
	rig_free(r);
}

static void test_superseding_does_not_prolong_the_schedule(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	observe(r, 1, "ob");
	(void)notify(r, "0");
	for (unsigned i = 0; i < 200; i++) { /* a change a second, an absent client */
		rig_elapse(r, 1000);
		(void)notify(r, "x");
	}
	assert_int_equal(r->ends, 1);
	assert_int_equal(r->sent_count, 2 + NET_MAX_RETRANSMIT);
	rig_free(r);
}

static void test_notification_behind_a_separate_response_is_replaced_in_the_queue(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	observe(r, 1, "ob");
	r->defer = true;
	(void)rig_ask(r, (struct ask){WIRE_CON, POST, 2, .token = "p", .path = "report"});
	rig_elapse(r, 1000);
	net_coap_reply(&r->coap, r->last, &r->reply);
	unsigned before = r->sent_count;
	(void)notify(r, "1");
	(void)notify(r, "2");
	assert_int_equal(r->sent_count, before); /* NSTART 1 */
	rig_empty(r, WIRE_ACK, rig_last(r)->m.mid);
	assert_int_equal(r->sent_count, before + 1);
	assert_true(bytes_equal(rig_last(r)->m.payload, text("2")));
	rig_free(r);
}

static void test_error_notification_is_sent_and_ends_observation(void **state)
{
	struct rig *r = rig_new(false);
	struct net_reply gone = NET_REPLY(NET_CODE(4, 4));

	(void)state;
	observe(r, 1, "ob");
	assert_int_equal(net_coap_notify(&r->coap, &r->session, TAG, &gone), 1);
	assert_code(&rig_last(r)->m, 4, 4);
	assert_int_equal(observe_of(rig_last(r)), -1);
	assert_int_equal(r->ends, 1);
	rig_elapse(r, 3000);
	assert_int_equal(r->stats.retransmissions, 1); /* it still has to arrive */
	rig_free(r);
}

static void test_long_notification_is_its_first_block(void **state)
{
	static char body[3000];
	struct rig *r = rig_new(false);

	(void)state;
	memset(body, 'a', sizeof(body) - 1);
	observe(r, 1, "ob");
	(void)notify(r, body);
	const struct wire_coap *m = &rig_last(r)->m;
	assert_true(m->has_block2 && m->block2.more);
	assert_int_equal(m->block2.num, 0);
	assert_int_equal(m->payload.len, 1024);
	assert_int_equal(m->etag_count, 1);
	rig_free(r);
}

static void test_session_end_forgets_everything_silently(void **state)
{
	struct rig *r = rig_new(false);

	(void)state;
	observe(r, 1, "ob");
	(void)notify(r, "1");
	(void)notify(r, "2");
	net_coap_session_done(&r->coap, &r->session);
	assert_int_equal(net_timers_next_ms(&r->timers), -1);
	assert_int_equal(r->ends, 0);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rfc_test("7641 3.1", test_observe_registers_and_is_notified_by_con),
		rfc_test("7252 4.2", test_acknowledged_notification_tells_the_round_trip),
		rfc_test("7641 4.1", test_observe_without_asking_or_with_error_registers_nothing),
		rfc_test("7641 4.4", test_observe_numbers_rise_even_within_a_millisecond),
		rfc_test("7641 3.4", test_observe_number_wraps_at_24_bits),
		rfc_test("7641 3.6", test_rst_to_notification_ends_observation),
		rfc_test("7641 3.6", test_deregistration_ends_observation_and_is_answered),
		rfc_test("7641 3.6", test_deregistration_of_unknown_token_ends_nothing),
		rfc_test("7641 4.1", test_registering_again_replaces_without_an_end),
		rfc_test("7641 4.1", test_same_token_for_another_tag_ends_the_first),
		rfc_test("7641 4.1", test_observations_at_limit_one_more_is_answered_plainly),
		rfc_test("7641 4.5.2",
			 test_unacknowledged_notification_is_superseded_by_the_newest),
		rfc_test("7641 4.5.2", test_acknowledged_notification_is_followed_by_the_newest),
		rfc_test("7641 4.5", test_notification_never_acknowledged_ends_observation),
		rfc_test("7641 4.5.2", test_superseding_does_not_prolong_the_schedule),
		rfc_test("7641 4.5.2",
			 test_notification_behind_a_separate_response_is_replaced_in_the_queue),
		rfc_test("7641 4.2", test_error_notification_is_sent_and_ends_observation),
		rfc_test("7959 2.6", test_long_notification_is_its_first_block),
		rfc_test("7641 4.1", test_session_end_forgets_everything_silently),
	};

	return cmocka_run_group_tests_name("net/observe", tests, NULL, NULL);
}
