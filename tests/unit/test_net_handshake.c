/* SPDX-License-Identifier: Apache-2.0
 *
 * Handshakes as small devices and bad lines make them: in fragments, out of order, twice, with
 * an offer to resume.
 */
#include "net_client.h"

#define rfc_test(section_, test_)                                                                  \
	{                                                                                          \
		.name = "RFC " section_ ": " #test_, .test_func = (test_)                          \
	}

enum { HELD = 16, HELD_BYTES = 512, MTU = 120, JUNK = 4 };

/* Between a client and its socket. */
struct line {
	struct client *client;
	unsigned datagrams, largest;
	unsigned hold; /* so many are kept back, then sent, the last one first */
	unsigned held_count;
	bool twice, junk; /* junk: before each datagram until the ServerHello has come */
	struct {
		size_t len;
		uint8_t data[HELD_BYTES];
	} held[HELD];
};

static int line_send(void *ctx, const unsigned char *data, size_t len)
{
	struct line *l = ctx;

	l->datagrams++;
	l->largest = len > l->largest ? (unsigned)len : l->largest;
	if (l->held_count < l->hold) {
		assert_true(len <= HELD_BYTES);
		l->held[l->held_count].len = len;
		memcpy(l->held[l->held_count++].data, data, len);
		while (l->held_count == l->hold && l->hold > 0) {
			l->hold--, l->held_count--;
			(void)send(l->client->fd, l->held[l->hold].data, l->held[l->hold].len, 0);
		}
		return (int)len;
	}
	for (unsigned i = 0; l->junk && l->client->received < 2 && i < JUNK; i++) {
		/* another type, another epoch, another version, a number of long ago */
		static const uint8_t junk[JUNK][14] = {
			{21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 9, 9, 0, 1, 2},
			{22, 0xfe, 0xfd, 0, 7, 0, 0, 0, 0, 9, 9, 0, 1, 2},
			{20, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 9, 9, 0, 1, 2},
			{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2},
		};

		(void)send(l->client->fd, junk[i], sizeof(junk[i]), 0);
	}
	(void)send(l->client->fd, data, len, 0);
	if (l->twice)
		(void)send(l->client->fd, data, len, 0);
	return (int)len;
}

static int line_receive(void *ctx, unsigned char *dst, size_t cap)
{
	return client_receive(((struct line *)ctx)->client, dst, cap);
}

static struct client *small_client(struct rig *r, struct line *l, int suite)
{
	struct client *c = client_new(r, "dev-1", rig_key, suite, NULL);

	client_start(c);
	l->client = c;
	mbedtls_ssl_set_mtu(&c->ssl, MTU);
	mbedtls_ssl_set_bio(&c->ssl, l, line_send, line_receive, NULL);
	return c;
}

static void answers(struct client *c)
{
	uint8_t got[256];

	assert_true(client_get(c, 1, got, 4000) > 0);
}

static void test_handshake_in_fragments(void **state)
{
	static const int suites[] = {MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8,
				     MBEDTLS_TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256};
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct line l = {0};
		struct client *c = small_client(r, &l, suites[i]);

		assert_int_equal(client_handshake(c), 0);
		assert_in_range(l.largest, 80, MTU);
		assert_true(l.datagrams >= 4); /* two hellos in two pieces, at least */
		answers(c);
		client_free(c);
	}
	assert_int_equal(r->ups, 2);
	rig_free(r);
}

static void test_handshake_with_every_datagram_twice(void **state)
{
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	struct line l = {.twice = true};
	struct client *c = small_client(r, &l, MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8);

	(void)state;
	assert_int_equal(client_handshake(c), 0);
	answers(c);
	assert_int_equal(r->ups, 1);
	client_free(c);
	rig_free(r);
}

/* What anybody could send with the client's address. */
static void test_junk_between_the_fragments_ends_nothing(void **state)
{
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	struct line l = {.junk = true};
	struct client *c = small_client(r, &l, MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8);

	(void)state;
	assert_int_equal(client_handshake(c), 0);
	answers(c);
	assert_int_equal(r->ups, 1);
	client_free(c);
	rig_free(r);
}

/* The first hello, which only asks for a cookie, and then the one with it come in disorder: what
 * cannot be placed is lost, and repeated. */
static void test_fragments_out_of_order_are_made_up_for(void **state)
{
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);

	(void)state;
	for (unsigned hold = 2; hold <= 5; hold++) {
		struct line l = {.hold = hold};
		struct client *c = small_client(r, &l, MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8);
		int64_t end = now_ms() + 20000;
		int ret;

		mbedtls_ssl_conf_handshake_timeout(&c->conf, 100, 1000);
		do {
			ret = mbedtls_ssl_handshake(&c->ssl);
			rig_turn(r);
		} while (ret == MBEDTLS_ERR_SSL_WANT_READ && now_ms() < end);
		assert_int_equal(ret, 0);
		assert_int_equal(l.hold, 0);
		turn_for(r, 20);
		answers(c);
		client_free(c);
	}
	assert_int_equal(r->ups, 4);
	rig_free(r);
}

static void test_session_offered_again_gets_a_whole_handshake(void **state)
{
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	struct client *c = client_up(r, "dev-1");
	mbedtls_ssl_session session;

	(void)state;
	mbedtls_ssl_session_init(&session);
	assert_int_equal(mbedtls_ssl_get_session(&c->ssl, &session), 0);
	assert_int_equal(r->tag, 1);
	client_free(c);
	c = client_new(r, "dev-1", rig_key, MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, NULL);
	client_start(c);
	assert_int_equal(mbedtls_ssl_set_session(&c->ssl, &session), 0);
	assert_int_equal(client_handshake(c), 0);
	assert_int_equal(r->tag, 2); /* the key was asked for again */
	assert_int_equal(r->ups, 2);
	answers(c);
	client_free(c);
	mbedtls_ssl_session_free(&session);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rfc_test("6347 4.2.3", test_handshake_in_fragments),
		rfc_test("6347 4.2.4", test_handshake_with_every_datagram_twice),
		rfc_test("6347 4.1.2.7", test_junk_between_the_fragments_ends_nothing),
		rfc_test("6347 4.2.2", test_fragments_out_of_order_are_made_up_for),
		rfc_test("5246 7.3", test_session_offered_again_gets_a_whole_handshake),
	};

	return cmocka_run_group_tests_name("net/handshake", tests, NULL, NULL);
}
