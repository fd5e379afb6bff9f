/* SPDX-License-Identifier: Apache-2.0
 *
 * When a session ends because its certificate is no longer believed. What a CA's list of revoked
 * ones does is in tests/integration/34-certificates.bats.
 */
#include "net_ids.h"

#include "net/net_sleep.h"
#include "net/net_x509_set.h"

static struct client *up(const struct world *w)
{
	struct client *c = certified(w, &w->device);
	uint8_t answer[256];
	unsigned ups = w->r->ups;

	assert_int_equal(shake(c), 0);
	wait_ups(w->r, ups + 1);
	assert_true(client_get(c, 1, answer, 20000) > 0);
	return c;
}

static void wait_gone(struct rig *r, unsigned gone)
{
	for (int64_t end = now_ms() + 60000; r->gones[NET_GONE_LOCAL] < gone && now_ms() < end;)
		rig_turn(r);
	assert_int_equal(r->gones[NET_GONE_LOCAL], gone);
}

static void test_session_ends_with_the_ca_of_its_product(void **state)
{
	struct world w = world_new();
	struct client *keyed = client_up(w.r, "dev"), *c = up(&w);
	uint8_t answer[256];

	(void)state;
	assert_true(w.r->trusted);
	set_take(&w, PRODUCT); /* the same CA: it stays */
	assert_true(client_get(c, 2, answer, 20000) > 0);
	set_take(&w, PRODUCT + 1); /* now it stands for others only */
	wait_gone(w.r, 1);
	assert_int_equal(rig_stats(w.r).certificates_refused[NET_REFUSED_OTHER_PRODUCT], 1);
	assert_true(client_get(keyed, 2, answer, 20000) > 0); /* no business of its */
	client_free(c);
	client_free(keyed);
	world_free(&w);
}

static void test_session_that_sleeps_ends_with_its_ca(void **state)
{
	struct world w = world_new();
	struct client *c = up(&w);
	struct id other = {0}, before = w.ca;

	(void)state;
	assert_true(net_sleep_now(w.r->peer));
	assert_int_equal(rig_stats(w.r).asleep, 1);
	key_make(w.r, &other);
	sign(w.r, &other, "CA", &other, "CA", "20991231235959"); /* of the same name */
	w.ca = other;
	set_take(&w, PRODUCT);
	wait_gone(w.r, 1);
	assert_int_equal(rig_stats(w.r).asleep, 0);
	assert_int_equal(rig_stats(w.r).certificates_refused[NET_REFUSED_UNKNOWN_CA], 1);
	id_free(&before);
	client_free(c);
	world_free(&w);
}

static void test_session_ends_when_certificates_are_no_longer_served(void **state)
{
	struct world w = world_new();
	struct client *c = up(&w);

	(void)state;
	assert_int_equal(net_x509_set_take(w.r->net, NULL), 0);
	wait_gone(w.r, 1);
	client_free(c);
	world_free(&w);
}

static void test_session_ends_with_its_certificate(void **state)
{
	struct world w = world_new();
	struct client *c = up(&w);

	(void)state;
	net_certificates_look(w.r->net);
	assert_false(w.r->peer->is_closing);
	w.r->peer->mark->until_ms = 1; /* as if it were later */
	net_certificates_look(w.r->net);
	wait_gone(w.r, 1);
	assert_int_equal(rig_stats(w.r).certificates_refused[NET_REFUSED_EXPIRED], 1);
	client_free(c);
	world_free(&w);
}

/* More than end in one turn, as with a CA of all devices. */
static void test_more_sessions_end_than_in_one_turn(void **state)
{
	enum { COUNT = NET_CLOSED_PER_TURN + 1 };
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	const struct net_x509_mark mark = {.anchor = 1};
	struct client **c = test_calloc(COUNT, sizeof(struct client *));

	(void)state;
	for (unsigned i = 0; i < COUNT; i++) {
		c[i] = client_up(r, "dev");
		assert_true(net_peer_mark(r->peer, &mark));
	}
	net_certificates_look(r->net);
	wait_gone(r, COUNT);
	assert_int_equal(r->net->mark_count, 0);
	for (unsigned i = 0; i < COUNT; i++)
		client_free(c[i]);
	test_free(c);
	rig_free(r);
}

static void test_mark_is_judged_link_by_link(void **state)
{
	uint64_t revoked[] = {30, 40};
	struct net_x509_trust trusts[] = {{.product = 1, .anchor = 5}, {.product = 2, .anchor = 6}};
	struct net_x509 x = {.revoked = revoked, .trusts = trusts, .trust_count = 2};
	struct net_x509_mark mark = {.product = 1, .until_ms = 1000, .anchor = 5};

	(void)state;
	x.info.revoked = 2;
	assert_int_equal(net_x509_judge(&x, &mark, 1000), NET_REFUSED_NONE);
	assert_int_equal(net_x509_judge(&x, &mark, 1001), NET_REFUSED_EXPIRED);
	assert_int_equal(net_x509_judge(NULL, &mark, 1000), NET_REFUSED_UNKNOWN_CA);
	for (unsigned i = 0; i <= LIMIT_CERTIFICATE_DEPTH; i++) {
		mark.chain[i] = 40;
		assert_int_equal(net_x509_judge(&x, &mark, 1000), NET_REFUSED_REVOKED);
		mark.chain[i] = 41;
		assert_int_equal(net_x509_judge(&x, &mark, 1000), NET_REFUSED_NONE);
	}
	mark.product = 2;
	assert_int_equal(net_x509_judge(&x, &mark, 1000), NET_REFUSED_OTHER_PRODUCT);
	mark.anchor = 6;
	assert_int_equal(net_x509_judge(&x, &mark, 1000), NET_REFUSED_NONE);
	mark.product = 0; /* nobody's in particular */
	assert_int_equal(net_x509_judge(&x, &mark, 1000), NET_REFUSED_NONE);
	mark.anchor = 7;
	assert_int_equal(net_x509_judge(&x, &mark, 1000), NET_REFUSED_UNKNOWN_CA);
}

static void test_mark_comes_back_as_it_was(void **state)
{
	struct net_x509_mark mark = {.product = 1, .until_ms = -2, .anchor = UINT64_MAX}, back;
	uint8_t bytes[NET_X509_MARK];
	struct buf w = buf_writer(bytes, sizeof(bytes)), r = buf_reader(bytes, sizeof(bytes));

	(void)state;
	for (unsigned i = 0; i <= LIMIT_CERTIFICATE_DEPTH; i++)
		mark.chain[i] = 10 + i;
	net_x509_mark_put(&w, &mark);
	assert_true(buf_ok(&w));
	assert_int_equal(w.pos, sizeof(bytes));
	net_x509_mark_get(&r, &back);
	assert_true(buf_ok(&r));
	assert_memory_equal(&mark, &back, sizeof(mark));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_session_ends_with_the_ca_of_its_product),
		cmocka_unit_test(test_session_that_sleeps_ends_with_its_ca),
		cmocka_unit_test(test_session_ends_when_certificates_are_no_longer_served),
		cmocka_unit_test(test_session_ends_with_its_certificate),
		cmocka_unit_test(test_more_sessions_end_than_in_one_turn),
		cmocka_unit_test(test_mark_is_judged_link_by_link),
		cmocka_unit_test(test_mark_comes_back_as_it_was),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
