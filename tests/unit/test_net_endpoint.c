/* SPDX-License-Identifier: Apache-2.0
 *
 * The whole room on loopback: handshakes, whose datagram it is, sessions' ends, limits.
 */
#include "net_client.h"

#include "net/net_hello.h"
#include "net/net_internal.h"

/* ---- handshakes ---- */

static void test_right_key_brings_peer_up_and_answers(void **state)
{
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	struct client *c = client_up(r, "dev-1");
	uint8_t got[256];

	(void)state;
	assert_int_equal(r->ups, 1);
	assert_string_equal(r->identity, "dev-1");
	assert_true(client_get(c, 1, got, 1000) > 4);
	assert_int_equal(got[1], NET_CODE(2, 5));
	assert_int_equal(rig_stats(r).peers, 1);
	assert_int_equal(rig_stats(r).half_open, 0);
	assert_int_equal(rig_stats(r).handshakes_ok, 1);
	client_free(c);
	rig_free(r);
}

/* From our flight to its answer; of a flight that went out twice nobody knows which was answered.
 */
static void test_handshake_tells_the_round_trip_unless_it_was_repeated(void **state)
{
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	struct net_link link;
	struct client *c =
		client_new(r, "dev-1", rig_key, MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, NULL);

	(void)state;
	c->slow_ms = 30;
	client_start(c);
	assert_int_equal(client_handshake(c), 0);
	net_peer_link(r->peer, &link);
	assert_in_range(link.rtt_ms, 29, UINT16_MAX);
	client_free(c);

	c = client_new(r, "dev-1", rig_key, MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, NULL);
	c->lose_after = 1; /* HelloVerifyRequest came; our first flight does not */
	c->lose_in = 1;
	client_start(c);
	assert_int_equal(client_handshake(c), 0);
	net_peer_link(r->peer, &link);
	assert_int_equal(link.rtt_ms, 0);
	client_free(c);
	rig_free(r);
}

/* The owner learns which key it gave to whom, and whether that was the right one. */
static void test_claim_is_told_when_it_is_proved_or_fails(void **state)
{
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	struct net_claim proved;
	struct client *c = client_new(r, "dev-1", "ffffffffffffffff",
				      MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, NULL);

	(void)state;
	client_start(c);
	assert_int_not_equal(client_handshake(c), 0);
	client_free(c);
	assert_int_equal(r->failed, 1);
	assert_int_equal(r->failed_tag, 1);
	assert_true(r->failed_print != 0);
	assert_true(r->failed_print == r->claim.print);

	uint64_t print = r->failed_print;
	c = client_up(r, "dev-1"); /* from another port */
	assert_true(r->claim.print == print);
	net_peer_claim(r->peer, &proved);
	assert_true(proved.print == print);
	assert_int_equal(proved.tag, 2);
	assert_int_equal(proved.identity.len, 5);
	client_free(c);

	c = client_up(r, "dev-2"); /* the same address, another name */
	assert_true(r->claim.print != print);
	client_free(c);

	c = client_new(r, "stranger", rig_key, MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, NULL);
	client_start(c);
	assert_int_not_equal(client_handshake(c), 0);
	client_free(c);
	assert_int_equal(r->failed, 1); /* no key was given */
	rig_free(r);
}

static void test_every_suite_of_the_list_works_others_do_not(void **state)
{
	static const struct {
		int suite;
		bool works;
	} rows[] = {
		{MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, true},
		{MBEDTLS_TLS_PSK_WITH_AES_128_CCM, true},
		{MBEDTLS_TLS_PSK_WITH_AES_128_GCM_SHA256, true},
		{MBEDTLS_TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256, true},
		{MBEDTLS_TLS_PSK_WITH_AES_128_CBC_SHA256, false},
	};
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct client *c = client_new(r, "dev", rig_key, rows[i].suite, NULL);

		client_start(c);
		assert_int_equal(client_handshake(c) == 0, rows[i].works);
		client_free(c);
	}
	rig_free(r);
}

static void test_unknown_identity_fails_exactly_like_a_wrong_key(void **state)
{
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	struct net_stats before[3];
	int ret[2];
	static const char *const ids[] = {"dev-1", "stranger"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct client *c = client_new(r, ids[i], "ffffffffffffffff",
					      MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, NULL);

		before[i] = rig_stats(r);
		client_start(c);
		ret[i] = client_handshake(c);
		client_free(c);
	}
	before[2] = rig_stats(r);
	assert_int_not_equal(ret[0], 0);
	assert_int_equal(ret[0], ret[1]);
	assert_int_equal(before[1].datagrams_out - before[0].datagrams_out,
			 before[2].datagrams_out - before[1].datagrams_out);
	assert_int_equal(before[2].handshakes_failed, 2);
	assert_int_equal(r->ups, 0);
	assert_int_equal(before[2].half_open, 0);
	rig_free(r);
}

static void test_identity_at_limit_reaches_lookup_longer_is_unknown(void **state)
{
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	char id[LIMIT_PSK_IDENTITY + 2];

	(void)state;
	memset(id, 'a', sizeof(id));
	memcpy(id, "dev", 3);
	id[LIMIT_PSK_IDENTITY + 1] = 0;
	struct client *c = client_new(r, id, rig_key, MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, NULL);

	client_start(c);
	assert_int_not_equal(client_handshake(c), 0);
	client_free(c);
	id[LIMIT_PSK_IDENTITY] = 0;
	c = client_up(r, id);
	assert_string_equal(r->identity, id);
	client_free(c);
	rig_free(r);
}

static void test_refused_peer_is_closed_without_peer_gone(void **state)
{
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	uint8_t got[256];

	(void)state;
	r->refuse_peers = true;
	struct client *c = client_up(r, "dev");
	assert_true(client_get(c, 1, got, 500) < 0);
	assert_int_equal(r->requests, 0);
	assert_int_equal(rig_stats(r).peers, 0);
	assert_int_equal(r->gones[NET_GONE_LOCAL], 0);
	client_free(c);
	rig_free(r);
}

static void test_record_version_fe00_is_accepted(void **state)
{
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	struct client *c = client_new(r, "dev", rig_key, MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, NULL);

	(void)state;
	c->draft_version = true;
	client_start(c);
	assert_int_equal(client_handshake(c), 0);
	client_free(c);
	rig_free(r);
}

static void test_lost_last_flight_is_sent_again(void **state)
{
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	struct client *c = client_new(r, "dev", rig_key, MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, NULL);
	uint8_t got[256];

	(void)state;
	c->lose_after = 2; /* HelloVerifyRequest and ServerHello come, Finished does not */
	c->lose_in = 1;
	client_start(c);
	assert_int_equal(client_handshake(c), 0);
	assert_true(client_get(c, 1, got, 1000) > 4);
	assert_int_equal(r->ups, 1);
	client_free(c);
	rig_free(r);
}

static void test_lost_server_hello_is_sent_again(void **state)
{
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	struct client *c = client_new(r, "dev", rig_key, MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, NULL);

	(void)state;
	c->lose_after = 1;
	c->lose_in = 1;
	client_start(c);
	assert_int_equal(client_handshake(c), 0);
	assert_int_equal(r->ups, 1);
	assert_int_equal(rig_stats(r).handshakes_failed, 0);
	client_free(c);
	rig_free(r);
}

/* ---- before there is state ---- */

/* The first ClientHello that mbedTLS would send. */
static size_t first_hello(struct rig *r, uint8_t dst[2048])
{
	struct client *c = client_new(r, "dev", rig_key, MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, NULL);
	size_t len;

	client_start(c);
	(void)mbedtls_ssl_handshake(&c->ssl);
	len = c->last_out_len;
	memcpy(dst, c->last_out, len);
	rig_turn(r);
	client_free(c);
	return len;
}

static void test_hellos_without_cookie_leave_no_state(void **state)
{
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	uint8_t hello[2048], answer[2048];
	size_t len = first_hello(r, hello);
	int fd = rig_socket(r);

	(void)state;
	for (unsigned i = 0; i < 500; i++) {
		(void)send(fd, hello, len, 0);
		if (i % 50 == 0)
			rig_turn(r);
	}
	turn_for(r, 20);
	assert_int_equal(rig_stats(r).cookies_sent, 501);
	assert_int_equal(rig_stats(r).half_open + rig_stats(r).peers, 0);
	ssize_t got = recv(fd, answer, sizeof(answer), 0);

	assert_true(got > 0 && (size_t)got <= 3 * len);
	(void)close(fd);
	rig_free(r);
}

static void test_cookie_flood_is_bounded_and_honest_ones_get_in_later(void **state)
{
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	uint8_t hello[2048];
	size_t len = first_hello(r, hello);
	int64_t start = now_ms();
	int fd = rig_socket(r);

	(void)state;
	for (unsigned i = 0; i < 10000; i++) {
		(void)send(fd, hello, len, 0);
		if (i % 60 == 0)
			rig_turn(r);
	}
	turn_for(r, 10);
	assert_in_range(rig_stats(r).cookies_sent, 2,
			((now_ms() - start) / NET_WINDOW_MS + 2) * r->net->cookies_per_window);
	struct client *c = client_up(r, "dev");

	client_free(c);
	(void)close(fd);
	rig_free(r);
}

static void test_cookie_of_another_address_is_not_valid(void **state)
{
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	struct client *c = client_new(r, "dev", rig_key, MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, NULL);
	int fd = rig_socket(r);

	(void)state;
	client_start(c);
	(void)mbedtls_ssl_handshake(&c->ssl); /* ClientHello */
	turn_for(r, 5);
	(void)mbedtls_ssl_handshake(&c->ssl); /* with the cookie, from c->fd */
	turn_for(r, 5);
	assert_int_equal(rig_stats(r).half_open, 1);
	(void)send(fd, c->last_out, c->last_out_len, 0);
	turn_for(r, 5);
	assert_int_equal(rig_stats(r).half_open, 1);
	assert_int_equal(rig_stats(r).cookies_sent, 2);
	(void)close(fd);
	client_free(c);
	rig_free(r);
}

static void test_garbage_is_dropped(void **state)
{
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	struct client *c = client_up(r, "dev");
	uint8_t noise[1500], got[256];
	uint32_t seed = 7;

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		size_t len = 1 + i % (sizeof(noise) - 1);

		for (size_t k = 0; k < len; k++) {
			seed = seed * 1664525 + 1013904223;
			noise[k] = (uint8_t)(seed >> 24);
		}
		if (i % 2) { /* looks like a record of ours */
			noise[0] = (uint8_t)(20 + i / 2 % 4);
			memcpy(noise + 1, "\xfe\xfd\0", len < 4 ? len - 1 : 3);
		}
		(void)send(c->fd, noise, len, 0);
		if (i % 32 == 0)
			rig_turn(r);
	}
	turn_for(r, 20);
	assert_true(client_get(c, 1, got, 1000) > 4);
	assert_int_equal(r->ups, 1);
	client_free(c);
	rig_free(r);
}

/* mbedTLS alone would end the session with an internal error. */
static void test_stump_behind_an_ignored_record_ends_nothing(void **state)
{
	static const uint8_t stump[] = {23, 0xfe, 0xfd, 0, 9, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 2, 3};
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	struct client *c = client_up(r, "dev");
	uint8_t got[256];

	(void)state;
	(void)send(c->fd, stump, sizeof(stump), 0);
	turn_for(r, 5);
	assert_true(client_get(c, 1, got, 1000) > 4);
	assert_int_equal(r->gones[NET_GONE_CLOSED], 0);
	client_free(c);
	rig_free(r);
}

static void test_replayed_record_is_dropped(void **state)
{
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	struct client *c = client_up(r, "dev");
	uint8_t got[256];

	(void)state;
	assert_true(client_get(c, 1, got, 1000) > 4);
	(void)send(c->fd, c->last_out, c->last_out_len, 0);
	turn_for(r, 10);
	assert_int_equal(r->requests, 1);
	client_free(c);
	rig_free(r);
}

/* ---- RFC 6347 4.2.8 ---- */

static void test_old_peer_answers_until_the_new_handshake_is_over(void **state)
{
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	struct client *old = client_up(r, "dev-old");
	struct client *new =
		client_new(r, "dev-new", rig_key, MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, old);
	uint8_t got[256];

	(void)state;
	client_start(new);
	(void)mbedtls_ssl_handshake(&new->ssl);
	turn_for(r, 5);
	(void)mbedtls_ssl_handshake(&new->ssl);
	turn_for(r, 5);
	assert_int_equal(rig_stats(r).half_open, 1);
	/* the ServerHello waits in the socket; the old client would drop it */
	assert_true(client_get(old, 1, got, 1000) > 4);
	assert_int_equal(r->gones[NET_GONE_REPLACED], 0);
	mbedtls_ssl_free(&new->ssl);
	mbedtls_ssl_init(&new->ssl);
	client_start(new); /* a handshake of its own: the half-open one is given up */
	assert_int_equal(client_handshake(new), 0);
	assert_int_equal(r->gones[NET_GONE_REPLACED], 1);
	assert_string_equal(r->identity, "dev-new");
	assert_int_equal(rig_stats(r).peers, 1);
	assert_int_equal(rig_stats(r).half_open, 0);
	assert_true(client_get(new, 1, got, 1000) > 4);
	client_free(new);
	client_free(old);
	rig_free(r);
}

static void test_abandoned_handshake_leaves_the_old_peer_alone(void **state)
{
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	struct client *old = client_up(r, "dev-old");
	struct client *forger = client_new(r, "dev-old", "wrong-wrong-wron",
					   MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, old);
	uint8_t got[256];

	(void)state;
	client_start(forger);
	assert_int_not_equal(client_handshake(forger), 0);
	assert_true(client_get(old, 1, got, 1000) > 4);
	assert_int_equal(r->gones[NET_GONE_REPLACED], 0);
	client_free(forger);
	client_free(old);
	rig_free(r);
}

/* ---- how sessions end ---- */

static void test_close_notify_ends_the_peer(void **state)
{
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	struct client *c = client_up(r, "dev");

	(void)state;
	(void)mbedtls_ssl_close_notify(&c->ssl);
	turn_for(r, 5);
	assert_int_equal(r->gones[NET_GONE_CLOSED], 1);
	assert_int_equal(rig_stats(r).peers, 0);
	client_free(c);
	rig_free(r);
}

static void test_forged_alert_in_the_clear_ends_nothing(void **state)
{
	static const uint8_t fatal[] = {21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40};
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	struct client *c = client_up(r, "dev");
	uint8_t got[256];

	(void)state;
	(void)send(c->fd, fatal, sizeof(fatal), 0);
	turn_for(r, 5);
	assert_true(client_get(c, 1, got, 1000) > 4);
	client_free(c);
	rig_free(r);
}

static void test_peer_closed_in_request_gets_its_answer_first(void **state)
{
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	struct client *c = client_up(r, "dev");
	uint8_t got[256];

	(void)state;
	r->close_peer = true;
	assert_true(client_get(c, 1, got, 1000) > 4);
	assert_true(client_get(c, 2, got, 1000) < 0); /* close_notify */
	assert_int_equal(r->requests, 1);
	assert_int_equal(r->gones[NET_GONE_LOCAL], 1);
	client_free(c);
	rig_free(r);
}

static void test_silent_session_is_closed_after_its_time(void **state)
{
	struct net_conf conf = plain_conf;

	(void)state;
	conf.session_idle_ms = 100;
	struct rig *r = rig_new(conf, "127.0.0.1", true);
	struct client *c = client_up(r, "dev");

	turn_for(r, NET_SWEEP_MS + 200);
	assert_int_equal(r->gones[NET_GONE_IDLE], 1);
	client_free(c);
	rig_free(r);
}

static void test_peers_at_limit_one_more_evicts_the_longest_silent(void **state)
{
	struct net_conf conf = plain_conf;
	struct client *c[4];
	uint8_t got[256];

	(void)state;
	conf.max_peers = 3;
	struct rig *r = rig_new(conf, "127.0.0.1", true);
	for (unsigned i = 0; i < 3; i++)
		c[i] = client_up(r, "dev");
	assert_int_equal(r->gones[NET_GONE_EVICTED], 0);
	assert_true(client_get(c[0], 1, got, 1000) > 4); /* now c[1] is the longest silent */
	c[3] = client_up(r, "dev");
	assert_int_equal(r->gones[NET_GONE_EVICTED], 1);
	assert_int_equal(rig_stats(r).peers, 3);
	assert_true(client_get(c[0], 2, got, 1000) > 4);
	assert_true(client_get(c[1], 2, got, 100) < 0);
	for (unsigned i = 0; i < 4; i++)
		client_free(c[i]);
	rig_free(r);
}

static void test_limits_made_smaller_bring_the_peers_down(void **state)
{
	struct net_conf conf = plain_conf;
	struct client *c[8];

	(void)state;
	struct rig *r = rig_new(conf, "127.0.0.1", true);
	for (unsigned i = 0; i < 5; i++)
		c[i] = client_up(r, "dev");
	conf.max_peers = 3;
	net_limits_set(r->net, &conf);
	assert_int_equal(rig_stats(r).peers, 5); /* nobody is thrown out for nobody */
	c[5] = client_up(r, "dev");
	assert_int_equal(r->gones[NET_GONE_EVICTED], 2);
	c[6] = client_up(r, "dev");
	assert_int_equal(rig_stats(r).peers, 3);
	c[7] = client_up(r, "dev");
	assert_int_equal(rig_stats(r).peers, 3);
	assert_int_equal(r->gones[NET_GONE_EVICTED], 5);
	for (unsigned i = 0; i < 8; i++)
		client_free(c[i]);
	rig_free(r);
}

static void test_net_close_ends_all_peers_with_notice(void **state)
{
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	struct client *c = client_up(r, "dev");
	uint8_t got[256];

	(void)state;
	rig_close(r);
	assert_int_equal(r->gones[NET_GONE_LOCAL], 1);
	assert_int_equal(mbedtls_ssl_read(&c->ssl, got, sizeof(got)),
			 MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
	client_free(c);
	rig_free(r);
}

/* ---- limits of handshakes ---- */

/* Up to the ServerHello, then silence. */
static struct client *client_half(struct rig *r)
{
	struct client *c = client_new(r, "dev", rig_key, MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, NULL);

	client_start(c);
	(void)mbedtls_ssl_handshake(&c->ssl);
	rig_turn(r);
	(void)mbedtls_ssl_handshake(&c->ssl);
	rig_turn(r);
	return c;
}

static void test_half_open_at_limit_one_more_waits_for_a_stale_one(void **state)
{
	static struct client *c[LIMIT_HALF_OPEN + 1];
	struct net_conf conf = plain_conf;

	(void)state;
	conf.handshakes_per_s = 1000000;
	struct rig *r = rig_new(conf, "127.0.0.1", true);
	for (unsigned i = 0; i < LIMIT_HALF_OPEN; i++)
		c[i] = client_half(r);
	assert_int_equal(rig_stats(r).half_open, LIMIT_HALF_OPEN);
	assert_int_equal(rig_stats(r).dropped, 0);
	c[LIMIT_HALF_OPEN] = client_half(r);
	assert_int_equal(rig_stats(r).half_open, LIMIT_HALF_OPEN);
	assert_int_equal(rig_stats(r).dropped, 1);
	for (unsigned i = 0; i <= LIMIT_HALF_OPEN; i++)
		client_free(c[i]);
	rig_free(r);
}

static void test_handshakes_beyond_the_budget_are_dropped(void **state)
{
	struct net_conf conf = plain_conf;
	struct client *c[4];
	int64_t start = now_ms();

	(void)state;
	conf.handshakes_per_s = 20; /* two in 100 ms */
	struct rig *r = rig_new(conf, "127.0.0.1", true);
	for (unsigned i = 0; i < 4; i++)
		c[i] = client_half(r);
	if (now_ms() - start < NET_WINDOW_MS / 2) /* a stalled machine proves nothing */
		assert_in_range(rig_stats(r).dropped, 1, 2);
	assert_int_equal(rig_stats(r).half_open + rig_stats(r).dropped, 4);
	for (unsigned i = 0; i < 4; i++)
		client_free(c[i]);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right_key_brings_peer_up_and_answers),
		cmocka_unit_test(test_handshake_tells_the_round_trip_unless_it_was_repeated),
		cmocka_unit_test(test_claim_is_told_when_it_is_proved_or_fails),
		cmocka_unit_test(test_every_suite_of_the_list_works_others_do_not),
		cmocka_unit_test(test_unknown_identity_fails_exactly_like_a_wrong_key),
		cmocka_unit_test(test_identity_at_limit_reaches_lookup_longer_is_unknown),
		cmocka_unit_test(test_refused_peer_is_closed_without_peer_gone),
		cmocka_unit_test(test_record_version_fe00_is_accepted),
		cmocka_unit_test(test_lost_last_flight_is_sent_again),
		cmocka_unit_test(test_lost_server_hello_is_sent_again),
		cmocka_unit_test(test_hellos_without_cookie_leave_no_state),
		cmocka_unit_test(test_cookie_flood_is_bounded_and_honest_ones_get_in_later),
		cmocka_unit_test(test_cookie_of_another_address_is_not_valid),
		cmocka_unit_test(test_garbage_is_dropped),
		cmocka_unit_test(test_stump_behind_an_ignored_record_ends_nothing),
		cmocka_unit_test(test_replayed_record_is_dropped),
		cmocka_unit_test(test_old_peer_answers_until_the_new_handshake_is_over),
		cmocka_unit_test(test_abandoned_handshake_leaves_the_old_peer_alone),
		cmocka_unit_test(test_close_notify_ends_the_peer),
		cmocka_unit_test(test_forged_alert_in_the_clear_ends_nothing),
		cmocka_unit_test(test_peer_closed_in_request_gets_its_answer_first),
		cmocka_unit_test(test_silent_session_is_closed_after_its_time),
		cmocka_unit_test(test_peers_at_limit_one_more_evicts_the_longest_silent),
		cmocka_unit_test(test_limits_made_smaller_bring_the_peers_down),
		cmocka_unit_test(test_net_close_ends_all_peers_with_notice),
		cmocka_unit_test(test_half_open_at_limit_one_more_waits_for_a_stale_one),
		cmocka_unit_test(test_handshakes_beyond_the_budget_are_dropped),
	};

	return cmocka_run_group_tests_name("net/endpoint", tests, NULL, NULL);
}
