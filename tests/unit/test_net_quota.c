/* SPDX-License-Identifier: Apache-2.0
 *
 * Accounts of devices and addresses, with numbers for the time; then what the exchange layer
 * makes of a refusal.
 */
#include "net_rig.h"

#include "net/net_quota.h"

enum { START_MS = 5000000, PER_S = 50, AT_ONCE = PER_S * NET_QUOTA_BURST_S };

static struct net_quota quota(unsigned per_s, unsigned all_per_s)
{
	struct net_quota q;

	assert_int_equal(net_quota_init(&q), 0);
	net_quota_set(&q, per_s, all_per_s);
	return q;
}

/* How many of `n` messages at one moment are worked on. */
static unsigned admitted(struct net_quota *q, uint64_t key, enum net_work work, unsigned n,
			 int64_t now_ms)
{
	unsigned count = 0, wait_s;

	while (n-- > 0)
		count += net_quota_take(q, key, work, now_ms, &wait_s) == NET_ADMIT;
	return count;
}

static void test_account_holds_ten_seconds_and_fills_at_its_rate(void **state)
{
	struct net_quota q = quota(PER_S, 0);
	unsigned wait_s = 0;

	(void)state;
	assert_int_equal(admitted(&q, 7, NET_WORK_REQUEST, 2 * AT_ONCE, START_MS), AT_ONCE);
	assert_int_equal(admitted(&q, 7, NET_WORK_REQUEST, AT_ONCE, START_MS + 1000), PER_S);
	assert_int_not_equal(net_quota_take(&q, 7, NET_WORK_REQUEST, START_MS + 1000, &wait_s),
			     NET_ADMIT);
	assert_int_equal(wait_s, 1);
	/* An hour holds no more than a full account. */
	assert_int_equal(admitted(&q, 7, NET_WORK_REQUEST, 2 * AT_ONCE, START_MS + 3600000),
			 AT_ONCE);
	assert_int_equal(admitted(&q, 8, NET_WORK_REQUEST, 1, START_MS + 3600000), 1);
	net_quota_done(&q);
}

static void test_slow_account_says_how_long_to_wait(void **state)
{
	struct net_quota q = quota(1, 0);
	unsigned wait_s = 0;

	(void)state;
	assert_int_equal(admitted(&q, 7, NET_WORK_REQUEST, 10, START_MS), 10);
	assert_int_equal(net_quota_take(&q, 7, NET_WORK_REQUEST, START_MS, &wait_s),
			 NET_ADMIT_TOO_MANY);
	assert_int_equal(wait_s, 1);
	net_quota_done(&q);
}

static void test_repeats_and_messages_cost_a_quarter(void **state)
{
	struct net_quota q = quota(PER_S, 0);

	(void)state;
	assert_int_equal(admitted(&q, 7, NET_WORK_REPEAT, 8 * AT_ONCE, START_MS), 4 * AT_ONCE);
	assert_int_equal(admitted(&q, 8, NET_WORK_MESSAGE, 8 * AT_ONCE, START_MS),
			 4 * (AT_ONCE - AT_ONCE / 5));
	net_quota_done(&q);
}

static void test_nonsense_leaves_a_fifth_for_what_means_something(void **state)
{
	struct net_quota q = quota(PER_S, 0);

	(void)state;
	assert_int_equal(admitted(&q, 7, NET_WORK_NOTHING, 2 * AT_ONCE, START_MS),
			 AT_ONCE - AT_ONCE / 5);
	assert_int_equal(admitted(&q, 7, NET_WORK_REQUEST, 2 * AT_ONCE, START_MS), AT_ONCE / 5);
	assert_int_equal(admitted(&q, 7, NET_WORK_NOTHING, 2 * AT_ONCE, START_MS + 1000), 0);
	assert_int_equal(admitted(&q, 7, NET_WORK_REQUEST, 2 * AT_ONCE, START_MS + 1000), PER_S);
	net_quota_done(&q);
}

static void test_blocks_have_an_account_of_their_own(void **state)
{
	struct net_quota q = quota(1, 0);
	unsigned spent;

	(void)state;
	spent = admitted(&q, 7, NET_WORK_REQUEST, 11, START_MS);
	assert_int_equal(spent, 10);
	assert_int_equal(admitted(&q, 7, NET_WORK_BLOCK, NET_QUOTA_BLOCKS_PER_S + 100, START_MS),
			 NET_QUOTA_BLOCKS_PER_S);
	assert_int_equal(admitted(&q, 7, NET_WORK_BLOCK, NET_QUOTA_BLOCKS_PER_S, START_MS + 500),
			 NET_QUOTA_BLOCKS_PER_S / 2);
	assert_int_equal(admitted(&q, 9, NET_WORK_REQUEST, 1, START_MS), 1);
	net_quota_done(&q);
}

static void test_limit_of_all_is_one_for_all_and_blocks_do_not_count(void **state)
{
	struct net_quota q = quota(1000000, 100);
	unsigned wait_s = 0;

	(void)state;
	for (uint64_t key = 1; key <= 100; key++)
		assert_int_equal(admitted(&q, key, NET_WORK_REQUEST, 1, START_MS), 1);
	assert_false(net_quota_has_room(&q, START_MS));
	assert_int_equal(net_quota_take(&q, 200, NET_WORK_REQUEST, START_MS, &wait_s),
			 NET_ADMIT_BUSY);
	assert_true(wait_s > 1);
	assert_int_equal(admitted(&q, 200, NET_WORK_BLOCK, 50, START_MS), 50);
	assert_int_equal(admitted(&q, 200, NET_WORK_REQUEST, 50, START_MS + 100), 10);
	net_quota_done(&q);
}

static void test_refusals_are_answered_then_silent_then_unread(void **state)
{
	struct net_quota q = quota(PER_S, 0);
	unsigned wait_s, answers = 0, silent = 0;

	(void)state;
	(void)admitted(&q, 7, NET_WORK_REQUEST, AT_ONCE, START_MS);
	while (!net_quota_is_deaf(&q, 7, START_MS)) {
		switch (net_quota_take(&q, 7, NET_WORK_REQUEST, START_MS, &wait_s)) {
		case NET_ADMIT_TOO_MANY:
			answers++;
			break;
		case NET_ADMIT_SILENT:
			silent++;
			break;
		case NET_ADMIT:
		case NET_ADMIT_BUSY:
			fail();
		}
	}
	assert_int_equal(answers, NET_QUOTA_ANSWERS);
	assert_int_equal(answers + silent, NET_QUOTA_EXCESS_PER_S + 1);
	assert_false(net_quota_is_deaf(&q, 8, START_MS));
	assert_true(net_quota_any_deaf(&q, START_MS));
	/* Heard again at once, and a second later answered again. */
	assert_false(net_quota_is_deaf(&q, 7, START_MS + 1));
	assert_int_equal(net_quota_take(&q, 7, NET_WORK_BLOCK, START_MS + 1, &wait_s), NET_ADMIT);
	assert_int_equal(admitted(&q, 7, NET_WORK_REQUEST, PER_S + 1, START_MS + 1001), PER_S);
	assert_int_equal(net_quota_take(&q, 7, NET_WORK_REQUEST, START_MS + 1001, &wait_s),
			 NET_ADMIT_TOO_MANY);
	net_quota_done(&q);
}

static void test_forged_datagrams_cost_nothing_before_they_are_very_many(void **state)
{
	struct net_quota q = quota(PER_S, 0);

	(void)state;
	for (unsigned i = 0; i < NET_QUOTA_FORGED_BURST; i++) {
		net_quota_forged(&q, 7, START_MS);
		assert_false(net_quota_is_deaf(&q, 7, START_MS));
	}
	assert_int_equal(admitted(&q, 7, NET_WORK_REQUEST, 2 * AT_ONCE, START_MS), AT_ONCE);
	net_quota_forged(&q, 7, START_MS);
	assert_true(net_quota_is_deaf(&q, 7, START_MS));
	assert_false(net_quota_is_deaf(&q, 8, START_MS));
	assert_false(net_quota_is_deaf(&q, 7, START_MS + 1));
	net_quota_done(&q);
}

static void test_owner_is_told_at_once_and_then_once_a_period(void **state)
{
	struct net_quota q = quota(PER_S, 0);
	unsigned refused = 0;

	(void)state;
	(void)admitted(&q, 7, NET_WORK_REQUEST, AT_ONCE, START_MS);
	assert_false(net_quota_tell(&q, 7, START_MS, &refused));
	assert_int_equal(net_quota_limited(&q, START_MS), 0);
	(void)admitted(&q, 7, NET_WORK_REQUEST, 1, START_MS);
	assert_true(net_quota_tell(&q, 7, START_MS, &refused));
	assert_int_equal(refused, 1);
	assert_int_equal(net_quota_limited(&q, START_MS), 1);
	assert_int_equal(net_quota_limited(&q, START_MS + NET_QUOTA_SHOWN_MS), 0);
	(void)admitted(&q, 7, NET_WORK_REQUEST, 20, START_MS);
	assert_false(net_quota_tell(&q, 7, START_MS + NET_QUOTA_TELL_MS - 1, &refused));
	assert_true(net_quota_tell(&q, 7, START_MS + NET_QUOTA_TELL_MS, &refused));
	assert_int_equal(refused, 20);
	assert_false(net_quota_tell(&q, 7, START_MS + 2 * NET_QUOTA_TELL_MS, &refused));
	net_quota_done(&q);
}

/* The table is of a fixed size: whom it forgets it forgives, and that is never who owes most. */
static void test_crowd_of_others_does_not_free_a_debtor(void **state)
{
	struct net_quota q = quota(PER_S, 0);

	(void)state;
	(void)admitted(&q, 7, NET_WORK_REQUEST, AT_ONCE, START_MS);
	for (uint64_t key = 1000; key < 101000; key++)
		assert_int_equal(
			admitted(&q, key * 0x9e3779b97f4a7c15, NET_WORK_REQUEST, 1, START_MS), 1);
	assert_int_equal(admitted(&q, 7, NET_WORK_REQUEST, 1, START_MS), 0);
	net_quota_done(&q);
}

static void test_without_limits_everything_is_admitted(void **state)
{
	struct net_quota q = quota(0, 0);

	(void)state;
	assert_int_equal(admitted(&q, 7, NET_WORK_REQUEST, 100000, START_MS), 100000);
	assert_int_equal(admitted(&q, 0, NET_WORK_BLOCK, 200000, START_MS), 200000);
	net_quota_done(&q);
}

static void test_max_age_has_jitter(void **state)
{
	bool seen[16] = {false};
	unsigned kinds = 0;

	(void)state;
	for (uint32_t random = 0; random < 1000; random++) {
		unsigned age = net_quota_age_s(5, random * 2654435761U);

		assert_in_range(age, 5, 10);
		kinds += !seen[age];
		seen[age] = true;
	}
	assert_int_equal(kinds, 6);
}

/* ---- in the exchange layer ---- */

static struct net_quota rig_quota;

static enum net_admission rig_admit(void *ctx, struct net_coap_session *s, enum net_work work,
				    unsigned *ret_wait_s)
{
	struct rig *r = ctx;

	(void)s;
	return net_quota_take(&rig_quota, 7, work, r->timers.now_ms, ret_wait_s);
}

static enum net_work rig_weigh(void *ctx, struct net_coap_session *s, uint8_t method,
			       const struct bytes *path, unsigned path_count)
{
	(void)ctx;
	(void)s;
	return method == GET && path_count == 1 && bytes_equal(path[0], text("image"))
		       ? NET_WORK_BLOCK
		       : NET_WORK_REQUEST;
}

/* With an account of `per_s` that has been emptied. */
static struct rig *rig_poor(unsigned per_s, bool plain)
{
	static const struct net_coap_ops ops = {.send = rig_send,
						.request = rig_request,
						.observe_end = rig_observe_end,
						.admit = rig_admit,
						.weigh = rig_weigh};
	struct rig *r = rig_new(plain);

	r->coap.ops = &ops;
	rig_quota = quota(per_s, 0);
	assert_int_equal(admitted(&rig_quota, 7, NET_WORK_REQUEST, per_s * NET_QUOTA_BURST_S,
				  r->timers.now_ms),
			 per_s * NET_QUOTA_BURST_S);
	return r;
}

static void rig_poor_free(struct rig *r)
{
	rig_free(r);
	net_quota_done(&rig_quota);
}

static void test_rfc8516_refused_con_gets_429_in_its_ack_with_max_age(void **state)
{
	struct rig *r = rig_poor(1, false);

	(void)state;
	rig_ask(r, (struct ask){.method = GET, .mid = 17, .token = "abc", .path = "report"});
	assert_int_equal(r->requests, 0);
	assert_int_equal(r->sent_count, 1);
	assert_int_equal(rig_last(r)->m.type, WIRE_ACK);
	assert_int_equal(rig_last(r)->m.mid, 17);
	assert_code(&rig_last(r)->m, 4, 29);
	assert_true(bytes_equal(rig_last(r)->m.token, text("abc")));
	/* header 4, token 3, Max-Age: option 14, one byte */
	assert_int_equal(rig_last(r)->len, 10);
	assert_int_equal(rig_last(r)->raw[7], 0xd1);
	assert_int_equal(rig_last(r)->raw[8], 1);
	assert_in_range(rig_last(r)->raw[9], 1, 2);
	rig_poor_free(r);
}

static void test_rfc7252_refused_non_gets_429_in_a_non_of_ours(void **state)
{
	struct rig *r = rig_poor(1, false);

	(void)state;
	rig_ask(r, (struct ask){
			   .type = WIRE_NON, .method = POST, .mid = 17, .token = "a", .path = "x"});
	assert_int_equal(rig_last(r)->m.type, WIRE_NON);
	assert_code(&rig_last(r)->m, 4, 29);
	assert_true(bytes_equal(rig_last(r)->m.token, text("a")));
	rig_poor_free(r);
}

/* RFC 7252 4.5 */
static void test_refused_post_stays_refused_for_its_repetitions(void **state)
{
	struct rig *r = rig_poor(4, false);
	const struct ask post = {.method = POST, .mid = 17, .token = "a", .path = "report"};

	(void)state;
	rig_ask(r, post);
	assert_code(&rig_last(r)->m, 4, 29);
	rig_elapse(r, 2000);
	rig_ask(r, post);
	assert_int_equal(r->requests, 0);
	assert_int_equal(r->sent_count, 2);
	assert_code(&rig_last(r)->m, 4, 29);
	assert_int_equal(rig_last(r)->raw[6], 1); /* Max-Age is there again */
	rig_ask(r, (struct ask){.method = POST, .mid = 18, .token = "b", .path = "report"});
	assert_int_equal(r->requests, 1);
	rig_poor_free(r);
}

/* What was accepted must never look refused. */
static void test_repetition_of_an_accepted_post_beyond_the_quota_is_lost(void **state)
{
	struct rig *r = rig_poor(1, false);
	const struct ask post = {.method = POST, .mid = 17, .token = "a", .path = "report"};

	(void)state;
	rig_elapse(r, 1000);
	r->defer = true;
	rig_ask(r, post);
	assert_int_equal(r->requests, 1);
	rig_ask(r, post); /* not answered yet */
	assert_int_equal(r->sent_count, 0);
	net_coap_reply(&r->coap, r->last, &NET_REPLY(NET_CODE(2, 4)));
	assert_int_equal(r->sent_count, 1);
	rig_ask(r, post); /* answered */
	assert_int_equal(r->sent_count, 1);
	rig_elapse(r, 1000);
	rig_ask(r, post);
	assert_int_equal(r->requests, 2);
	assert_true(r->last_duplicate);
	rig_poor_free(r);
}

static void test_device_without_credit_still_downloads(void **state)
{
	struct rig *r = rig_poor(1, false);
	const struct wire_block block = {.num = 5, .szx = 6};

	(void)state;
	for (uint16_t mid = 1; mid <= 1000; mid++)
		rig_ask(r, (struct ask){.method = GET,
					.mid = mid,
					.path = "image",
					.has_block2 = true,
					.block = block});
	assert_int_equal(r->requests, 1000);
	rig_ask(r, (struct ask){.method = GET,
				.mid = 2000,
				.path = "other",
				.has_block2 = true,
				.block = block});
	assert_code(&rig_last(r)->m, 4, 29);
	rig_ask(r, (struct ask){.method = POST, .mid = 2001, .path = "image"});
	assert_code(&rig_last(r)->m, 4, 29);
	rig_poor_free(r);
}

static void test_pings_strays_and_malformed_ones_count(void **state)
{
	static const uint8_t malformed[] = {0x40, GET, 0, 1, 0xff};
	struct rig *r = rig_poor(1, false);
	/* One request's worth beyond the last fifth: four of them. */
	int64_t most = r->timers.now_ms + (NET_QUOTA_BURST_S / 5 + 1) * 1000;

	(void)state;
	rig_empty(r, WIRE_CON, 1);
	net_coap_receive(&r->coap, &r->session, malformed, sizeof(malformed));
	rig_empty(r, WIRE_RST, 2);
	rig_empty(r, WIRE_ACK, 3);
	rig_empty(r, WIRE_NON, 4);
	assert_int_equal(r->sent_count, 0);
	r->timers.now_ms = most;
	rig_empty(r, WIRE_CON, 1);
	assert_int_equal(rig_last(r)->m.type, WIRE_RST);
	net_coap_receive(&r->coap, &r->session, malformed, sizeof(malformed));
	assert_int_equal(r->sent_count, 2);
	rig_empty(r, WIRE_RST, 2);
	rig_empty(r, WIRE_ACK, 3);
	rig_empty(r, WIRE_CON, 5);
	assert_int_equal(r->sent_count, 2);
	rig_poor_free(r);
}

static void test_ack_of_a_message_of_ours_is_free(void **state)
{
	struct rig *r = rig_poor(1, false);

	(void)state;
	rig_elapse(r, 1000);
	r->defer = true;
	rig_ask(r, (struct ask){.method = GET, .mid = 1, .token = "a", .path = "desired"});
	rig_elapse(r, NET_ACK_DELAY_MS);
	assert_int_equal(r->sent_count, 1); /* the empty ACK */
	net_coap_reply(&r->coap, r->last, &r->reply);
	assert_int_equal(rig_last(r)->m.type, WIRE_CON);
	rig_empty(r, WIRE_ACK, rig_last(r)->m.mid);
	rig_elapse(r, NET_QUOTA_BURST_S / 5 * 1000);
	/* Four messages' worth beyond the last fifth; the ACK was none of them. */
	for (unsigned i = 0; i < 5; i++)
		rig_empty(r, WIRE_CON, (uint16_t)(100 + i));
	assert_int_equal(r->sent_count, 2 + 4);
	rig_poor_free(r);
}

/* RFC 7252 11.3: the refusal is no lever either. */
static void test_refusal_of_a_stranger_is_no_larger_than_three_times_its_request(void **state)
{
	struct rig *r = rig_poor(1, true);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		static const char *const tokens[] = {NULL, "ab", "12345678"};
		size_t len = rig_ask(
			r,
			(struct ask){.method = GET, .mid = (uint16_t)(i + 1), .token = tokens[i]});

		assert_code(&rig_last(r)->m, 4, 29);
		assert_true(rig_last(r)->len <= 3 * len);
	}
	rig_poor_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_account_holds_ten_seconds_and_fills_at_its_rate),
		cmocka_unit_test(test_slow_account_says_how_long_to_wait),
		cmocka_unit_test(test_repeats_and_messages_cost_a_quarter),
		cmocka_unit_test(test_nonsense_leaves_a_fifth_for_what_means_something),
		cmocka_unit_test(test_blocks_have_an_account_of_their_own),
		cmocka_unit_test(test_limit_of_all_is_one_for_all_and_blocks_do_not_count),
		cmocka_unit_test(test_refusals_are_answered_then_silent_then_unread),
		cmocka_unit_test(test_forged_datagrams_cost_nothing_before_they_are_very_many),
		cmocka_unit_test(test_owner_is_told_at_once_and_then_once_a_period),
		cmocka_unit_test(test_crowd_of_others_does_not_free_a_debtor),
		cmocka_unit_test(test_without_limits_everything_is_admitted),
		cmocka_unit_test(test_max_age_has_jitter),
		cmocka_unit_test(test_rfc8516_refused_con_gets_429_in_its_ack_with_max_age),
		cmocka_unit_test(test_rfc7252_refused_non_gets_429_in_a_non_of_ours),
		cmocka_unit_test(test_refused_post_stays_refused_for_its_repetitions),
		cmocka_unit_test(test_repetition_of_an_accepted_post_beyond_the_quota_is_lost),
		cmocka_unit_test(test_device_without_credit_still_downloads),
		cmocka_unit_test(test_pings_strays_and_malformed_ones_count),
		cmocka_unit_test(test_ack_of_a_message_of_ours_is_free),
		cmocka_unit_test(
			test_refusal_of_a_stranger_is_no_larger_than_three_times_its_request),
	};

	return cmocka_run_group_tests_name("net/quota", tests, NULL, NULL);
}
