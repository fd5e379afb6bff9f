/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses of ours and of peers, the record limit, plain endpoints.
 */
#include "net_client.h"

#include "net/net_internal.h"

static void test_reply_leaves_from_the_address_asked(void **state)
{
	struct rig *r = rig_new(plain_conf, "0.0.0.0", true);
	uint8_t got[256];

	(void)state;
	((struct sockaddr_in *)&r->at)->sin_addr.s_addr = htonl(0x7f000005); /* 127.0.0.5 */
	struct client *c = client_up(r, "dev"); /* its socket is connected: others are refused */
	assert_true(client_get(c, 1, got, 1000) > 4);
	client_free(c);
	rig_free(r);
}

static void test_ipv6_works_and_its_socket_is_v6_only(void **state)
{
	struct rig *r = rig_new(plain_conf, "::", true);
	struct sockaddr_in v4 = {.sin_family = AF_INET,
				 .sin_port = ((struct sockaddr_in6 *)&r->at)->sin6_port};
	struct sockaddr_storage bound;
	uint8_t got[256];
	char address[64];

	(void)state;
	assert_int_equal(net_listen(r->net, (struct sockaddr *)&v4, true, &bound), 0);
	((struct sockaddr_in6 *)&r->at)->sin6_addr = in6addr_loopback;
	struct client *c = client_up(r, "dev");
	assert_true(client_get(c, 1, got, 1000) > 4);
	assert_memory_equal(net_peer_address(r->peer, address), "[::1]:", 6);
	client_free(c);
	rig_free(r);
}

static void test_address_in_use_is_an_error(void **state)
{
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	struct sockaddr_storage bound;
	struct sockaddr other = {.sa_family = AF_UNIX};

	(void)state;
	assert_int_equal(net_listen(r->net, (struct sockaddr *)&r->at, true, &bound), ERR_BUSY);
	assert_int_equal(net_listen(r->net, &other, true, &bound), ERR_UNSUPPORTED);
	rig_free(r);
}

static void test_small_record_limit_makes_small_blocks(void **state)
{
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	struct client *c = client_new(r, "dev", rig_key, MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, NULL);
	uint8_t got[256];

	(void)state;
	assert_int_equal(mbedtls_ssl_conf_max_frag_len(&c->conf, MBEDTLS_SSL_MAX_FRAG_LEN_512), 0);
	client_start(c);
	assert_int_equal(client_handshake(c), 0);
	assert_true(client_get(c, 1, got, 1000) > 4);
	assert_int_equal(r->szx, 4); /* 256 and its options in 512 */
	client_free(c);
	c = client_up(r, "dev");
	assert_true(client_get(c, 1, got, 1000) > 4);
	assert_int_equal(r->szx, 6);
	client_free(c);
	rig_free(r);
}

static void test_plain_endpoint_serves_well_known_and_little_else(void **state)
{
	static const uint8_t ask[] = {0x40, 1,	 0,   1,   0xbb, '.', 'w', 'e', 'l', 'l', '-',
				      'k',  'n', 'o', 'w', 'n',	 4,   'c', 'o', 'r', 'e'};
	struct rig *r = rig_new(plain_conf, "127.0.0.1", false);
	int fd = rig_socket(r);
	uint8_t got[256] = {0};

	(void)state;
	(void)send(fd, ask, sizeof(ask), 0);
	turn_for(r, 5);
	assert_true(recv(fd, got, sizeof(got), 0) > 4);
	assert_int_equal(got[1], NET_CODE(2, 5));
	(void)send(fd, ask, 4, 0); /* GET without a path */
	turn_for(r, 5);
	assert_true(recv(fd, got, sizeof(got), 0) >= 4);
	assert_int_equal(got[1], NET_CODE(4, 1));
	assert_int_equal(r->requests, 0);
	(void)close(fd);
	rig_free(r);
}

static void test_plain_peers_at_limit_stay_there(void **state)
{
	struct rig *r = rig_new(plain_conf, "127.0.0.1", false);
	struct sockaddr_in from = {.sin_family = AF_INET};
	static const uint8_t ping[] = {0x40, 0, 0, 1};

	(void)state;
	for (unsigned i = 0; i < NET_PLAIN_PEERS + 10; i++) {
		int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		from.sin_addr.s_addr = htonl(0x7f010000 + i);
		assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
		(void)sendto(fd, ping, sizeof(ping), 0, (struct sockaddr *)&r->at,
			     sizeof(struct sockaddr_in));
		(void)close(fd);
		if (i % 32 == 0)
			rig_turn(r);
	}
	turn_for(r, 10);
	assert_int_equal(rig_stats(r).peers, NET_PLAIN_PEERS);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reply_leaves_from_the_address_asked),
		cmocka_unit_test(test_ipv6_works_and_its_socket_is_v6_only),
		cmocka_unit_test(test_address_in_use_is_an_error),
		cmocka_unit_test(test_small_record_limit_makes_small_blocks),
		cmocka_unit_test(test_plain_endpoint_serves_well_known_and_little_else),
		cmocka_unit_test(test_plain_peers_at_limit_stay_there),
	};

	return cmocka_run_group_tests_name("net/address", tests, NULL, NULL);
}
