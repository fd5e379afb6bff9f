/* SPDX-License-Identifier: Apache-2.0
 *
 * Hibernation on loopback: who falls asleep, what wakes it, and that a saved state is used once.
 */
#include "net_asleep.h"

static struct rig *sleepy_rig(void)
{
	struct net_conf conf = plain_conf;

	conf.hibernate_after_ms = 1;
	return rig_new(conf, "127.0.0.1", true);
}

/* Its first request shows mbedTLS that the handshake is over at the other end, too. */
static struct client *client_asleep(struct rig *r, const char *id)
{
	uint64_t before = rig_stats(r).asleep;
	struct client *c = client_up(r, id);
	uint8_t got[256];

	assert_true(client_get(c, 1, got, 4000) > 4);
	assert_true(until_asleep(r, before + 1));
	return c;
}

static void test_idle_peer_sleeps_and_wakes_for_its_next_request(void **state)
{
	struct rig *r = sleepy_rig();
	struct client *c = client_asleep(r, "dev-1");
	uint8_t got[256];

	(void)state;
	assert_null(r->peer->tls);
	assert_int_equal(r->peer->state, NET_PEER_ASLEEP);
	assert_int_equal(rig_stats(r).peers, 1);
	for (uint16_t i = 2; i < 6; i++) {
		assert_true(client_get(c, i, got, 4000) > 4);
		assert_int_equal(got[1], NET_CODE(2, 5));
		assert_true(until_asleep(r, 1));
	}
	assert_int_equal(rig_stats(r).wakes, 4);
	assert_int_equal(rig_stats(r).handshakes_ok, 1);
	assert_int_equal(r->ups, 1);
	assert_int_equal(net_peer_identity(r->peer).len, 5);
	assert_memory_equal(net_peer_identity(r->peer).ptr, "dev-1", 5);
	client_free(c);
	rig_free(r);
}

static void put(struct rig *r, const struct client *c, const uint8_t *data, size_t len)
{
	uint64_t before = rig_stats(r).datagrams_in;
	int64_t end = now_ms() + 10000;

	assert_int_equal(send(c->fd, data, len, 0), len);
	while (rig_stats(r).datagrams_in == before && now_ms() < end)
		rig_turn(r);
	assert_true(rig_stats(r).datagrams_in > before);
}

/* ---- what does not wake it ---- */

static void test_forged_and_old_records_leave_the_saved_state_alone(void **state)
{
	struct rig *r = sleepy_rig();
	struct client *c = client_asleep(r, "dev-1");
	struct kept before = kept_of(r->peer);
	uint8_t old[256], forged[256], got[256];
	size_t len = c->last_out_len;

	(void)state;
	memcpy(old, c->last_out, len);
	memcpy(forged, old, len);
	forged[10] += 5; /* its number has not been seen, its tag is wrong */
	for (unsigned i = 0; i < 3; i++) {
		put(r, c, old, len);
		put(r, c, forged, len);
	}
	assert_kept(r->peer, &before);
	assert_int_equal(rig_stats(r).wakes, 0);
	assert_int_equal(rig_stats(r).wakes_failed, 6);
	assert_int_equal(r->net->sleep.window_failed, 1); /* one context was loaded for all six */
	assert_int_equal(rig_stats(r).datagrams_out, r->net->stats.datagrams_out);
	assert_true(client_get(c, 2, got, 4000) > 4); /* though its number is below the forged */
	assert_int_equal(rig_stats(r).wakes, 1);
	assert_false(c->nonce_again);
	client_free(c);
	rig_free(r);
}

static void test_late_handshake_flight_and_clear_alert_do_not_wake_it(void **state)
{
	static const uint8_t alert[] = {21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40};
	struct rig *r = sleepy_rig();
	struct client *c = client_new(r, "dev", rig_key, MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, NULL);
	uint8_t flight[2048], got[256];

	(void)state;
	client_start(c);
	assert_int_equal(client_handshake(c), 0);
	size_t len = c->last_out_len; /* key exchange, change of cipher, Finished */
	memcpy(flight, c->last_out, len);
	assert_true(client_get(c, 1, got, 4000) > 4);
	assert_true(until_asleep(r, 1));
	struct kept before = kept_of(r->peer);

	put(r, c, flight, len);
	put(r, c, alert, sizeof(alert));
	assert_kept(r->peer, &before);
	assert_int_equal(rig_stats(r).wakes, 0);
	assert_true(client_get(c, 2, got, 4000) > 4);
	assert_int_equal(rig_stats(r).handshakes_ok, 1);
	client_free(c);
	rig_free(r);
}

/* Beyond the limit nothing is loaded; the last quarter is for networks that took less. */
static void test_wakes_at_limit_one_more_is_shed(void **state)
{
	struct rig *r = sleepy_rig();
	struct client *c = client_asleep(r, "dev-1");
	struct net_sleep *z = &r->net->sleep;
	uint16_t *own = &z->window_origin_failed[net_origin(r->net, &r->peer->remote)];
	uint8_t forged[256], got[256];
	size_t len = c->last_out_len;

	(void)state;
	memcpy(forged, c->last_out, len);
	forged[10] += 5;
	z->window_at_ms = INT64_MAX / 2; /* it does not turn */
	z->window_failed = NET_WAKES_FAILED - 1;
	*own = 1;
	put(r, c, forged, len);
	assert_int_equal(rig_stats(r).wakes_shed, 1); /* as its network has taken what is left */
	*own = 0;
	put(r, c, forged, len);
	assert_int_equal(rig_stats(r).wakes_failed, 1);
	assert_int_equal(z->window_failed, NET_WAKES_FAILED);
	put(r, c, forged, len); /* the context is there already */
	assert_int_equal(rig_stats(r).wakes_failed, 2);
	assert_int_equal(rig_stats(r).wakes_shed, 1);
	struct client *d = client_asleep(r, "dev-2");
	assert_int_equal(client_get(d, 2, got, 50), 0);
	assert_int_equal(rig_stats(r).wakes_shed, 2);
	z->window_at_ms = 0;
	assert_true(client_get(d, 3, got, 4000) > 4);
	assert_true(client_get(c, 2, got, 4000) > 4);
	client_free(c);
	client_free(d);
	rig_free(r);
}

/* ---- what goes on while it sleeps ---- */

static void ring(struct rig *r, struct net_peer *peer)
{
	struct net_reply reply = NET_REPLY(NET_CODE(2, 5));

	reply.payload = (struct bytes){(const uint8_t *)"ring", 4};
	assert_int_equal(net_notify(r->net, peer, RIG_TAG, &reply), 1);
}

static void test_notification_reaches_a_sleeper_that_sleeps_on(void **state)
{
	struct rig *r = sleepy_rig();
	struct client *c = client_up(r, "dev-1");
	uint8_t got[256], ack[4] = {0x60};

	(void)state;
	assert_true(client_ask(c, 1, 1, 0, got, 4000) > 4);
	assert_true(until_asleep(r, 1));
	assert_true(r->peer->packed_len > 0);
	for (uint64_t i = 1; i <= 3; i++) {
		ring(r, r->peer);
		int len = client_read(c, got, 4000);

		assert_true(len > 4);
		assert_memory_equal(got + len - 4, "ring", 4);
		assert_int_equal(got[0] >> 4 & 3, WIRE_CON);
		assert_int_equal(rig_stats(r).asleep, 1);
		assert_true(rig_stats(r).wakes_to_send >= i);
		memcpy(ack + 2, got + 2, 2);
		assert_int_equal(mbedtls_ssl_write(&c->ssl, ack, 4), 4);
		while (rig_stats(r).wakes < i)
			turn_for(r, 5);
		assert_true(until_asleep(r, 1));
		assert_true(r->peer->packed_len > 0); /* and the observation is packed again */
	}
	assert_int_equal(r->ends, 0);
	assert_false(c->nonce_again);
	client_free(c);
	rig_free(r);
}

/* All it has, with its places in tables and lists: the owner has some 300 bytes left of 1 KiB. */
static void test_sleeper_keeps_little(void **state)
{
	struct rig *r = sleepy_rig();
	struct client *c = client_up(r, "dev-1");
	uint8_t got[256];

	(void)state;
	for (uint16_t i = 1; i <= 3; i++) /* POST */
		assert_true(client_ask(c, 2, i, -1, got, 4000) > 4);
	assert_true(client_ask(c, 1, 4, 0, got, 4000) > 4);
	assert_true(until_asleep(r, 1));
	struct kept k = kept_of(r->peer);

	assert_null(r->peer->tls);
	assert_null(r->peer->coap.past);
	assert_null(r->peer->coap.kept);
	assert_true(list_empty(&r->peer->coap.observations));
	assert_in_range(k.len + sizeof(struct net_peer) + r->peer->identity_len, 1, 720);
	ring(r, r->peer);
	assert_true(client_read(c, got, 4000) > 4);
	client_free(c);
	rig_free(r);
}

/* What nobody acknowledges is sent again, by one that never gets up. */
static void test_unanswered_notification_is_repeated_and_ends_in_sleep(void **state)
{
	struct rig *r = sleepy_rig();
	struct client *c = client_up(r, "dev-1");
	uint8_t got[256];
	unsigned copies = 0;

	(void)state;
	assert_true(client_ask(c, 1, 1, 0, got, 4000) > 4);
	assert_true(until_asleep(r, 1));
	ring(r, r->peer);
	for (; r->ends == 0; copies++) {
		assert_true(client_read(c, got, 10000) > 4);
		/* not for the time, which is tested elsewhere */
		struct net_out *out = LIST_ENTRY(r->peer->coap.out.next, struct net_out, link);
		if (copies == NET_MAX_RETRANSMIT) /* the next time-out is the last */
			out->timeout_ms = 0;
		net_timer_arm(&r->net->timers, &out->timer, 0, out->timer.fire);
		net_now(r->net);
		net_timers_run(&r->net->timers);
	}
	assert_int_equal(copies, 1 + NET_MAX_RETRANSMIT);
	assert_int_equal(rig_stats(r).wakes, 0);
	assert_int_equal(rig_stats(r).asleep, 1);
	assert_false(c->nonce_again);
	assert_int_equal(net_notify(r->net, r->peer, RIG_TAG, &NET_REPLY(NET_CODE(2, 5))), 0);
	assert_true(client_get(c, 2, got, 4000) > 4);
	client_free(c);
	rig_free(r);
}

/* RFC 7252 4.5: 247 s are longer than it is awake. */
static void test_repeated_post_is_known_after_sleep(void **state)
{
	struct rig *r = sleepy_rig();
	struct client *c = client_up(r, "dev-1");
	uint8_t got[256];

	(void)state;
	assert_true(client_ask(c, 2, 77, -1, got, 4000) > 4);
	assert_false(r->last_duplicate);
	assert_true(until_asleep(r, 1));
	assert_true(client_ask(c, 2, 77, -1, got, 4000) > 4);
	assert_true(r->last_duplicate);
	assert_true(until_asleep(r, 1));
	assert_true(client_ask(c, 2, 78, -1, got, 4000) > 4);
	assert_false(r->last_duplicate);
	client_free(c);
	rig_free(r);
}

static void test_closed_sleeper_is_told(void **state)
{
	struct rig *r = sleepy_rig();
	struct client *c = client_asleep(r, "dev-1");
	uint8_t got[256];

	(void)state;
	net_peer_close(r->net, r->peer);
	assert_int_equal(client_read(c, got, 4000), MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
	assert_int_equal(r->gones[NET_GONE_LOCAL], 1);
	assert_int_equal(rig_stats(r).asleep, 0);
	assert_int_equal(rig_stats(r).peers, 0);
	assert_false(c->nonce_again);
	client_free(c);
	rig_free(r);
}

static void test_new_handshake_takes_the_place_of_a_sleeper(void **state)
{
	struct rig *r = sleepy_rig();
	struct client *c = client_asleep(r, "dev-1");
	struct client *again =
		client_new(r, "dev-1", rig_key, MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, c);
	uint8_t got[256];

	(void)state;
	client_start(again);
	assert_int_equal(client_handshake(again), 0);
	assert_int_equal(r->gones[NET_GONE_REPLACED], 1);
	assert_int_equal(rig_stats(r).peers, 1);
	assert_int_equal(rig_stats(r).asleep, 0);
	assert_true(client_get(again, 1, got, 4000) > 4);
	client_free(again);
	client_free(c);
	rig_free(r);
}

/* ---- who cannot sleep ---- */

static void test_silent_since_its_finished_is_closed_in_the_end(void **state)
{
	struct rig *r = sleepy_rig();
	struct client *c = client_up(r, "dev-1");
	uint8_t got[256];

	(void)state;
	turn_for(r, 3 * NET_SLEEP_TURN_MS);
	assert_int_equal(rig_stats(r).peers, 1);
	assert_int_equal(rig_stats(r).asleep, 0);
	r->peer->since_ms -= NET_SILENT_MS;
	assert_int_equal(client_read(c, got, 10000), MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
	assert_int_equal(r->gones[NET_GONE_IDLE], 1);
	client_free(c);
	rig_free(r);
}

/* ---- many ---- */

/* Contexts are shared, each state is its own; what one keeps is below 1 KiB. */
static void test_many_sleepers_wake_in_any_order(void **state)
{
	enum { MANY = 100 };
	static struct client *c[MANY];
	struct rig *r = sleepy_rig();
	uint8_t got[256];

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		c[i] = client_up(r, "dev-with-a-longer-name");
		assert_true(client_get(c[i], 1, got, 4000) > 4);
	}
	assert_true(until_asleep(r, MANY));
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < MANY; i++)
			assert_true(client_get(c[i * 37 % MANY], (uint16_t)(10 + round), got,
					       4000) > 4);
		assert_true(until_asleep(r, MANY));
	}
	assert_int_equal(rig_stats(r).handshakes_ok, MANY);
	assert_int_equal(rig_stats(r).wakes, 2 * MANY);
	assert_in_range(r->net->sleep.spare_count, 1, NET_SPARES);
	/* Its pieces of slabs; with its place in a table, what its owner has, and a certificate's
	 * digest or two connection IDs there is still room. */
	size_t pieces = sizeof(struct net_peer) + SLAB_STEP;
	pieces += (size_t)(r->peer->saved_len + r->peer->packed_len + SLAB_STEP - 1) / SLAB_STEP *
		  SLAB_STEP;
	assert_in_range(pieces, 1, 1024 - 8 - 64 - 64);
	for (unsigned i = 0; i < MANY; i++) {
		assert_false(c[i]->nonce_again);
		client_free(c[i]);
	}
	rig_free(r);
}

static void test_longest_silent_sleeper_goes_first_when_there_are_too_many(void **state)
{
	struct net_conf conf = plain_conf;
	uint8_t got[256];

	(void)state;
	conf.hibernate_after_ms = 1;
	conf.max_peers = 2;
	struct rig *r = rig_new(conf, "127.0.0.1", true);
	struct client *a = client_asleep(r, "dev-a"), *b = client_asleep(r, "dev-b");

	assert_true(client_get(a, 2, got, 4000) > 4);
	struct client *c = client_up(r, "dev-c");
	assert_int_equal(client_read(b, got, 4000), MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
	assert_int_equal(r->gones[NET_GONE_EVICTED], 1);
	assert_true(client_get(a, 3, got, 4000) > 4);
	client_free(a);
	client_free(b);
	client_free(c);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_idle_peer_sleeps_and_wakes_for_its_next_request),
		cmocka_unit_test(test_forged_and_old_records_leave_the_saved_state_alone),
		cmocka_unit_test(test_late_handshake_flight_and_clear_alert_do_not_wake_it),
		cmocka_unit_test(test_wakes_at_limit_one_more_is_shed),
		cmocka_unit_test(test_notification_reaches_a_sleeper_that_sleeps_on),
		cmocka_unit_test(test_sleeper_keeps_little),
		cmocka_unit_test(test_unanswered_notification_is_repeated_and_ends_in_sleep),
		cmocka_unit_test(test_repeated_post_is_known_after_sleep),
		cmocka_unit_test(test_closed_sleeper_is_told),
		cmocka_unit_test(test_new_handshake_takes_the_place_of_a_sleeper),
		cmocka_unit_test(test_silent_since_its_finished_is_closed_in_the_end),
		cmocka_unit_test(test_many_sleepers_wake_in_any_order),
		cmocka_unit_test(test_longest_silent_sleeper_goes_first_when_there_are_too_many),
	};

	return cmocka_run_group_tests_name("net/sleep", tests, NULL, NULL);
}
