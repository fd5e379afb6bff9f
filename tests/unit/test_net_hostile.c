/* SPDX-License-Identifier: Apache-2.0
 *
 * What somebody who wishes us ill can send, and that others do not have to suffer for it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "net_client.h"

#include <arpa/inet.h>

#include "net/net_internal.h"

/* The socket of a client at 127.x.y.z. */
static int socket_at(const struct rig *r, const char *address)
{
	struct sockaddr_in from = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(inet_pton(AF_INET, address, &from.sin_addr), 1);
	assert_int_equal(bind(fd, (const struct sockaddr *)&from, sizeof(from)), 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&r->at, sizeof(struct sockaddr_in)),
			 0);
	return fd;
}

static struct client *client_at(struct rig *r, const char *address)
{
	struct client *c =
		client_new(r, "dev-a", rig_key, MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, NULL);

	(void)close(c->fd);
	c->fd = socket_at(r, address);
	client_start(c);
	return c;
}

/* Until its ClientHello with the cookie is out; the answer is left unread. */
static struct client *half_at(struct rig *r, const char *address)
{
	struct client *c = client_at(r, address);

	(void)mbedtls_ssl_handshake(&c->ssl); /* ClientHello */
	rig_turn(r);
	(void)mbedtls_ssl_handshake(&c->ssl); /* HelloVerifyRequest, ClientHello */
	rig_turn(r);
	return c;
}

static void test_one_address_with_all_half_open_places_keeps_nobody_else_out(void **state)
{
	static struct client *c[LIMIT_HALF_OPEN];
	struct rig *r = rig_new((struct net_conf){.handshakes_per_s = 1000000}, "127.0.0.1", true);

	(void)state;
	for (unsigned i = 0; i < LIMIT_HALF_OPEN; i++)
		c[i] = half_at(r, "127.9.9.9");
	assert_int_equal(rig_stats(r).half_open, LIMIT_HALF_OPEN);

	struct client *honest = client_at(r, "127.0.0.1");

	assert_int_equal(client_handshake(honest), 0);
	assert_int_equal(rig_stats(r).peers, 1);
	assert_int_equal(rig_stats(r).half_open, LIMIT_HALF_OPEN - 1);
	client_free(honest);
	for (unsigned i = 0; i < LIMIT_HALF_OPEN; i++)
		client_free(c[i]);
	rig_free(r);
}

static void test_places_go_round_until_each_network_has_its_share(void **state)
{
	static struct client *c[LIMIT_HALF_OPEN + 8];
	struct rig *r = rig_new((struct net_conf){.handshakes_per_s = 1000000}, "127.0.0.1", true);
	unsigned n = 0;

	(void)state;
	while (n < LIMIT_HALF_OPEN - 4)
		c[n++] = half_at(r, "127.9.9.9");
	for (unsigned i = 0; i < 8; i++)
		c[n++] = half_at(r, "127.8.8.8");
	assert_int_equal(rig_stats(r).half_open, LIMIT_HALF_OPEN);
	assert_int_equal(rig_stats(r).dropped, 0);
	assert_int_equal(rig_stats(r).handshakes_failed, 4);
	while (n > 0)
		client_free(c[--n]);
	rig_free(r);
}

static void test_one_address_does_not_use_up_the_handshake_budget(void **state)
{
	enum { BUDGET = 8 };
	struct rig *r =
		rig_new((struct net_conf){.handshakes_per_s = 10 * BUDGET}, "127.0.0.1", true);
	struct client *c[2 * BUDGET];
	int64_t start = now_ms();

	(void)state;
	for (unsigned i = 0; i < 2 * BUDGET; i++)
		c[i] = half_at(r, "127.9.9.9");

	uint64_t most = rig_stats(r).half_open;
	struct client *honest = half_at(r, "127.0.0.1");

	if (now_ms() - start < NET_WINDOW_MS / 2) { /* a stalled machine proves nothing */
		assert_int_equal(most, BUDGET - BUDGET / 4);
		assert_int_equal(rig_stats(r).half_open, most + 1);
	}
	client_free(honest);
	for (unsigned i = 0; i < 2 * BUDGET; i++)
		client_free(c[i]);
	rig_free(r);
}

/* The client names the price of a handshake; the time for all of them is bounded. */
static void test_handshakes_beyond_their_time_are_dropped_and_repeated(void **state)
{
	struct rig *r = rig_new((struct net_conf){0}, "127.0.0.1", true);
	int64_t start = now_ms();

	(void)state;
	r->net->us_per_window = 1;

	struct client *first = half_at(r, "127.9.9.9"), *second = half_at(r, "127.0.0.1");

	if (now_ms() - start < NET_WINDOW_MS / 2) { /* a stalled machine proves nothing */
		assert_int_equal(rig_stats(r).half_open, 1);
		assert_int_equal(rig_stats(r).dropped, 1);
	}
	r->net->us_per_window = NET_WINDOW_LEAST_US;
	assert_int_equal(client_handshake(second), 0);
	client_free(first);
	client_free(second);
	rig_free(r);
}

/* A loop that others keep from the processor sheds nobody for it: work is counted, not time. */
static void test_time_without_the_processor_costs_no_handshake(void **state)
{
	struct rig *r = rig_new((struct net_conf){0}, "127.0.0.1", true);
	struct client *c = client_at(r, "127.0.0.1");

	(void)state;
	r->psk_wait_ms = 2 * NET_WINDOW_LEAST_US / 1000;
	assert_int_equal(client_handshake(c), 0);
	assert_true(r->net->window_us < NET_WINDOW_LEAST_US);
	assert_int_equal(rig_stats(r).handshakes_shed, 0);
	client_free(c);
	rig_free(r);
}

static int shake_with_group(struct rig *r, uint16_t group)
{
	const uint16_t groups[] = {group, MBEDTLS_SSL_IANA_TLS_GROUP_NONE};
	struct client *c = client_new(r, "dev-a", rig_key,
				      MBEDTLS_TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256, NULL);

	mbedtls_ssl_conf_groups(&c->conf, groups);
	client_start(c);

	int ret = client_handshake(c);

	client_free(c);
	return ret;
}

static void test_only_cheap_groups_are_spoken(void **state)
{
	struct rig *r = rig_new((struct net_conf){0}, "127.0.0.1", true);

	(void)state;
	assert_int_equal(shake_with_group(r, MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1), 0);
	assert_int_equal(shake_with_group(r, MBEDTLS_SSL_IANA_TLS_GROUP_X25519), 0);
	assert_int_not_equal(shake_with_group(r, MBEDTLS_SSL_IANA_TLS_GROUP_SECP521R1), 0);
	assert_int_not_equal(shake_with_group(r, MBEDTLS_SSL_IANA_TLS_GROUP_BP512R1), 0);
	rig_free(r);
}

/* Sends what is already a record, as the next datagram. */
static int send_twice(void *ctx, const unsigned char *data, size_t len)
{
	struct client *c = ctx;

	memcpy(c->last_out + c->last_out_len, data, len);
	c->last_out_len += len;
	return (int)len;
}

static void test_empty_records_do_not_end_a_session(void **state)
{
	struct rig *r = rig_new((struct net_conf){0}, "127.0.0.1", true);
	struct client *c = client_up(r, "dev-a");
	uint8_t answer[256];

	(void)state;
	mbedtls_ssl_set_bio(&c->ssl, c, send_twice, client_receive, NULL);
	c->last_out_len = 0;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(mbedtls_ssl_write(&c->ssl, answer, 0), 0);
	assert_int_equal(send(c->fd, c->last_out, c->last_out_len, 0), c->last_out_len);
	rig_turn(r);
	mbedtls_ssl_set_bio(&c->ssl, c, client_send, client_receive, NULL);
	assert_int_equal(rig_stats(r).peers, 1);
	assert_true(client_get(c, 7, answer, 2000) > 0);
	client_free(c);
	rig_free(r);
}

static void send_plain(struct rig *r, int fd, const uint8_t *data, size_t len)
{
	assert_int_equal(send(fd, data, len, 0), (ssize_t)len);
	rig_turn(r);
}

/* At the limit and one beyond it, and many more. */
static void test_crowd_of_plain_strangers_pushes_out_only_strangers(void **state)
{
	static const uint8_t request[] = {0x40, 1, 0, 1, 0xb1, 'x'}, ping[] = {0x40, 0, 0, 2};
	const struct net_conf conf = {.plain_devices = true};
	struct rig *r = rig_new(conf, "127.0.0.1", false);
	int known = rig_socket(r);

	(void)state;
	r->adopt = true; /* as a device that has told its name */
	send_plain(r, known, request, sizeof(request));
	r->adopt = false;
	for (unsigned i = 1; i < 2 * NET_PLAIN_PEERS; i++) {
		char address[16];

		(void)snprintf(address, sizeof(address), "127.1.%u.%u", i / 256, i % 256);
		int fd = socket_at(r, address);

		send_plain(r, fd, ping, sizeof(ping));
		assert_int_equal(rig_stats(r).peers, i < NET_PLAIN_PEERS ? i + 1 : NET_PLAIN_PEERS);
		(void)close(fd);
	}
	assert_int_equal(r->gones[NET_GONE_EVICTED], 0);
	(void)close(known);
	rig_free(r);
}

/* A socket of somebody else's may be a connected one, which hears of unreachable ports. */
static void test_icmp_error_on_a_socket_does_not_make_it_deaf(void **state)
{
	struct rig *r = rig_new((struct net_conf){0}, "127.0.0.1", true);
	struct sockaddr_in ours = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
	struct sockaddr_in theirs = ours;
	socklen_t len = sizeof(ours);
	int other = socket_at(r, "127.0.0.1");
	int fd = socket_at(r, "127.0.0.1");
	uint64_t before = rig_stats(r).datagrams_in;

	(void)state;
	assert_int_equal(getsockname(other, (struct sockaddr *)&theirs, &len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ours, &len), 0);
	(void)close(other);
	assert_int_equal(connect(fd, (struct sockaddr *)&theirs, sizeof(theirs)), 0);
	assert_int_equal(net_listen_fd_take(r->net, fd, true), 0);
	assert_int_equal(send(fd, "x", 1, 0), 1); /* nobody is there */
	for (unsigned i = 0; i < 5; i++)
		rig_turn(r);
	other = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(other, (struct sockaddr *)&theirs, sizeof(theirs)), 0);
	assert_int_equal(sendto(other, "y", 1, 0, (struct sockaddr *)&ours, sizeof(ours)), 1);
	for (unsigned i = 0; i < 5; i++)
		rig_turn(r);
	assert_int_equal(rig_stats(r).datagrams_in, before + 1);
	(void)close(other);
	rig_free(r);
}

/* What the budget of cookies is spent on costs those nothing who have theirs. */
static void test_cookies_at_their_budget_one_more_is_not_sent(void **state)
{
	struct rig *r = rig_new((struct net_conf){.handshakes_per_s = 1000}, "127.0.0.1", true);
	struct client *c = client_at(r, "127.0.0.1"), *flood = client_at(r, "127.9.9.9");

	(void)state;
	(void)mbedtls_ssl_handshake(&c->ssl); /* ClientHello */
	turn_for(r, 5);
	(void)mbedtls_ssl_handshake(&flood->ssl);
	turn_for(r, 5);
	assert_int_equal(rig_stats(r).cookies_sent, 2);
	r->net->window_at_ms = INT64_MAX / 2; /* it does not turn */
	r->net->window_cookies = r->net->cookies_per_window - 1;
	for (unsigned i = 0; i < 3; i++)
		(void)send(flood->fd, flood->last_out, flood->last_out_len, 0);
	turn_for(r, 5);
	assert_int_equal(rig_stats(r).cookies_sent, 3);
	assert_int_equal(rig_stats(r).hellos_shed, 2);
	assert_int_equal(client_handshake(c), 0);
	client_free(flood);
	client_free(c);
	rig_free(r);
}

/* A ClientHello that came first is answered last: to one address, so that the order is seen. */
static void test_sessions_of_a_batch_are_served_before_handshakes(void **state)
{
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	struct client *c = client_up(r, "dev-a");
	struct client *again =
		client_new(r, "dev-a", rig_key, MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, c);
	uint8_t got[2048];

	(void)state;
	assert_true(client_get(c, 1, got, 4000) > 4);
	for (unsigned i = 0; i < 5; i++) {
		uint64_t before = rig_stats(r).datagrams_out;
		int fd = c->fd;

		c->fd = -1; /* it stays in last_out */
		(void)client_get(c, (uint16_t)(2 + i), got, 0);
		c->fd = fd;
		client_start(again);
		(void)mbedtls_ssl_handshake(&again->ssl);
		assert_int_equal(send(fd, c->last_out, c->last_out_len, 0), c->last_out_len);
		for (int64_t end = now_ms() + 4000;
		     rig_stats(r).datagrams_out < before + 2 && now_ms() < end;)
			rig_turn(r);
		assert_true(recv(fd, got, sizeof(got), 0) > 0);
		assert_int_equal(got[0], NET_RECORD_DATA);
		assert_true(recv(fd, got, sizeof(got), 0) > 0);
		assert_int_equal(got[0], NET_RECORD_HANDSHAKE);
		mbedtls_ssl_free(&again->ssl);
		mbedtls_ssl_init(&again->ssl);
	}
	client_free(again);
	client_free(c);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_address_with_all_half_open_places_keeps_nobody_else_out),
		cmocka_unit_test(test_places_go_round_until_each_network_has_its_share),
		cmocka_unit_test(test_one_address_does_not_use_up_the_handshake_budget),
		cmocka_unit_test(test_handshakes_beyond_their_time_are_dropped_and_repeated),
		cmocka_unit_test(test_time_without_the_processor_costs_no_handshake),
		cmocka_unit_test(test_cookies_at_their_budget_one_more_is_not_sent),
		cmocka_unit_test(test_sessions_of_a_batch_are_served_before_handshakes),
		cmocka_unit_test(test_only_cheap_groups_are_spoken),
		cmocka_unit_test(test_empty_records_do_not_end_a_session),
		cmocka_unit_test(test_crowd_of_plain_strangers_pushes_out_only_strangers),
		cmocka_unit_test(test_icmp_error_on_a_socket_does_not_make_it_deaf),
	};

	return cmocka_run_group_tests_name("net/hostile", tests, NULL, NULL);
}
