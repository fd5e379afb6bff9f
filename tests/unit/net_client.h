/* SPDX-License-Identifier: Apache-2.0
 *
 * A net on loopback sockets and mbedTLS clients in the same process and loop turn.
 */
#ifndef TESTS_UNIT_NET_CLIENT_H
#define TESTS_UNIT_NET_CLIENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/ssl.h>
#include <psa/crypto.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "net/net.h"
#include "wire/coap.h"

enum { GONE_KINDS = 5, RIG_TAG = 1 };

static const char rig_key[] = "0123456789abcdef";

struct rig {
	uv_loop_t loop;
	struct net *net;
	struct sockaddr_storage at;
	unsigned ups, gones[GONE_KINDS], requests, sleeps, ends, backs, unheard;
	char identity[140];
	struct net_peer *peer;	/* the newest */
	struct net_claim claim; /* the last one; its identity is gone */
	uint64_t tag, failed_print, failed_tag;
	unsigned failed;
	bool certified, trusted; /* the newest peer: by a certificate, for product 7 */
	unsigned szx;		 /* net_block_szx of the last request */
	struct bytes answer;	 /* of every request; none: "pong" */
	unsigned psk_wait_ms;	 /* the processor is somewhere else for so long */
	unsigned limited, refused;
	bool adopt; /* keeps a plain peer as its own */
	bool refuse_peers, close_peer, closed, last_duplicate;
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context random;
};

static inline size_t rig_psk(void *ctx, struct net_claim *claim, uint8_t *key, size_t cap)
{
	struct rig *r = ctx;
	struct bytes identity = claim->identity;

	r->claim = *claim;
	if (r->psk_wait_ms)
		(void)usleep(r->psk_wait_ms * 1000);
	claim->tag = ++r->tag;
	assert_true(cap >= sizeof(rig_key) - 1);
	if (identity.len < 3 || memcmp(identity.ptr, "dev", 3) != 0)
		return 0;
	memcpy(key, rig_key, sizeof(rig_key) - 1);
	return sizeof(rig_key) - 1;
}

static inline void rig_psk_failed(void *ctx, const struct net_claim *claim)
{
	struct rig *r = ctx;

	r->failed++;
	r->failed_print = claim->print;
	r->failed_tag = claim->tag;
}

static inline bool rig_up(void *ctx, struct net_peer *peer, struct bytes identity)
{
	struct rig *r = ctx;

	r->ups++;
	r->peer = peer;
	memcpy(r->identity, identity.ptr, identity.len);
	r->identity[identity.len] = 0;
	r->certified = net_peer_certified(peer);
	r->trusted = r->certified && net_peer_judge(peer, 7) == NET_REFUSED_NONE;
	return !r->refuse_peers;
}

static inline void rig_gone(void *ctx, struct net_peer *peer, enum net_gone why)
{
	struct rig *r = ctx;

	(void)peer;
	r->gones[why]++;
}

static inline void rig_request(void *ctx, struct net_peer *peer, const struct net_request *request,
			       struct net_exchange exchange)
{
	struct rig *r = ctx;
	struct net_reply reply = NET_REPLY(NET_CODE(2, 5));

	r->requests++;
	if (r->adopt)
		net_peer_set_user(peer, r);
	r->last_duplicate = request->duplicate;
	r->szx = net_block_szx(peer, request);
	reply.payload = r->answer.len ? r->answer : (struct bytes){(const uint8_t *)"pong", 4};
	reply.observe = request->observe == 0;
	reply.observe_tag = RIG_TAG;
	net_reply(r->net, exchange, &reply);
	if (r->close_peer)
		net_peer_close(r->net, peer);
}

static inline void rig_limited(void *ctx, struct net_peer *peer, unsigned refused)
{
	struct rig *r = ctx;

	(void)peer;
	r->limited++;
	r->refused += refused;
}

static inline void rig_observe_end(void *ctx, struct net_peer *peer, uint32_t tag)
{
	struct rig *r = ctx;

	(void)peer;
	(void)tag;
	r->ends++;
}

static inline void rig_sleeps(void *ctx, struct net_peer *peer)
{
	struct rig *r = ctx;

	(void)peer;
	r->sleeps++;
}

static inline size_t rig_note(void *ctx, struct net_peer *peer, uint8_t note[NET_NOTE])
{
	(void)ctx;
	(void)peer;
	memset(note, 0x5a, NET_NOTE);
	return NET_NOTE;
}

static inline bool rig_back(void *ctx, struct net_peer *peer, struct bytes note, bool unheard)
{
	struct rig *r = ctx;

	r->backs++;
	r->unheard += unheard;
	r->peer = peer;
	assert_int_equal(note.len, NET_NOTE);
	assert_int_equal(note.ptr[NET_NOTE - 1], 0x5a);
	return !r->refuse_peers;
}

static inline void rig_turn(struct rig *r)
{
	(void)uv_run(&r->loop, UV_RUN_NOWAIT);
}

static inline struct rig *rig_new(struct net_conf conf, const char *address, bool secure)
{
	static const struct net_callbacks callbacks = {
		.psk = rig_psk,
		.psk_failed = rig_psk_failed,
		.peer_up = rig_up,
		.peer_gone = rig_gone,
		.request = rig_request,
		.observe_end = rig_observe_end,
		.peer_sleeps = rig_sleeps,
		.peer_note = rig_note,
		.peer_back = rig_back,
		.limited = rig_limited,
	};
	struct rig *r = test_calloc(1, sizeof(*r));
	struct sockaddr_storage at = {0};

	log_set_level(LOG_LEVEL_ERR);
	conf.callbacks = &callbacks;
	conf.ctx = r;
	assert_int_equal(uv_loop_init(&r->loop), 0);
	assert_int_equal(net_new(&r->loop, &conf, &r->net), 0);
	if (strchr(address, ':'))
		assert_int_equal(uv_ip6_addr(address, 0, (struct sockaddr_in6 *)&at), 0);
	else
		assert_int_equal(uv_ip4_addr(address, 0, (struct sockaddr_in *)&at), 0);
	assert_int_equal(net_listen(r->net, (struct sockaddr *)&at, secure, &r->at), 0);
	mbedtls_entropy_init(&r->entropy);
	mbedtls_ctr_drbg_init(&r->random);
	assert_int_equal(psa_crypto_init(), PSA_SUCCESS);
	assert_int_equal(
		mbedtls_ctr_drbg_seed(&r->random, mbedtls_entropy_func, &r->entropy, NULL, 0), 0);
	rig_turn(r);
	return r;
}

static inline void rig_closed(void *ctx)
{
	struct rig *r = ctx;

	r->closed = true;
}

static inline void rig_close(struct rig *r)
{
	net_close(r->net, rig_closed, r);
	(void)uv_run(&r->loop, UV_RUN_DEFAULT);
	assert_true(r->closed);
	net_free(r->net);
	assert_int_equal(uv_loop_close(&r->loop), 0);
	r->net = NULL;
}

static inline void rig_free(struct rig *r)
{
	if (r->net)
		rig_close(r);
	mbedtls_ctr_drbg_free(&r->random);
	mbedtls_entropy_free(&r->entropy);
	test_free(r);
}

static inline struct net_stats rig_stats(const struct rig *r)
{
	struct net_stats st;

	net_stats_read(r->net, &st);
	return st;
}

static inline int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static inline int rig_socket(const struct rig *r)
{
	int fd = socket(r->at.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&r->at,
				 r->at.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
							     : sizeof(struct sockaddr_in)),
			 0);
	return fd;
}

/* ---- a client ---- */

struct client {
	struct rig *rig;
	mbedtls_ssl_config conf;
	mbedtls_ssl_context ssl;
	int fd, suites[2];
	bool borrowed_fd, timer_set;
	int64_t intermediate_ms, final_ms;
	/* meddling */
	unsigned slow_ms;   /* what it sends takes so long */
	bool draft_version; /* write 0xfe00 into records of epoch 0 */
	unsigned lose_in;   /* drop that many incoming datagrams, once `lose_after` have come */
	unsigned lose_after, received;
	uint64_t newest; /* the highest record under keys that has come; a nonce is one number */
	bool nonce_again;
	size_t longest; /* bytes of a datagram that came */
	uint8_t last_out[2048];
	size_t last_out_len;
};

static inline int client_send(void *ctx, const unsigned char *data, size_t len)
{
	struct client *c = ctx;

	assert_true(len <= sizeof(c->last_out));
	memcpy(c->last_out, data, len);
	c->last_out_len = len;
	if (c->draft_version && data[3] == 0 && data[4] == 0)
		c->last_out[2] = 0;
	if (c->slow_ms)
		(void)usleep(c->slow_ms * 1000);
	(void)send(c->fd, c->last_out, len, 0);
	return (int)len;
}

/* Loopback keeps the order, so each number is above all before it. */
static inline void client_note_nonces(struct client *c, const uint8_t *data, size_t len)
{
	for (size_t at = 0; at + 13 <= len;
	     at += 13 + (size_t)(data[at + 11] << 8 | data[at + 12])) {
		uint64_t number = 0;

		for (unsigned i = 3; i < 11; i++)
			number = number << 8 | data[at + i];
		if (number >> 48 == 0)
			continue;
		c->nonce_again = c->nonce_again || number <= c->newest;
		c->newest = number;
	}
}

static inline int client_receive(void *ctx, unsigned char *dst, size_t cap)
{
	struct client *c = ctx;
	ssize_t got = recv(c->fd, dst, cap, 0);

	if (got > 0 && (size_t)got > c->longest)
		c->longest = (size_t)got;
	if (got <= 0)
		return MBEDTLS_ERR_SSL_WANT_READ;
	if (c->received++ >= c->lose_after && c->lose_in > 0) {
		c->lose_in--;
		return MBEDTLS_ERR_SSL_WANT_READ;
	}
	client_note_nonces(c, dst, (size_t)got);
	return (int)got;
}

static inline void client_timer_set(void *ctx, uint32_t intermediate, uint32_t final)
{
	struct client *c = ctx;

	c->timer_set = final != 0;
	c->intermediate_ms = now_ms() + intermediate;
	c->final_ms = now_ms() + final;
}

static inline int client_timer_get(void *ctx)
{
	const struct client *c = ctx;

	if (!c->timer_set)
		return -1;
	return now_ms() >= c->final_ms ? 2 : now_ms() >= c->intermediate_ms ? 1 : 0;
}

/* On a socket of its own, or (same address) on that of another client. */
static inline struct client *client_new(struct rig *r, const char *id, const char *key, int suite,
					const struct client *same)
{
	struct client *c = test_calloc(1, sizeof(*c));

	c->rig = r;
	c->borrowed_fd = same != NULL;
	c->fd = same ? same->fd : rig_socket(r);
	c->suites[0] = suite;
	mbedtls_ssl_config_init(&c->conf);
	mbedtls_ssl_init(&c->ssl);
	assert_int_equal(mbedtls_ssl_config_defaults(&c->conf, MBEDTLS_SSL_IS_CLIENT,
						     MBEDTLS_SSL_TRANSPORT_DATAGRAM,
						     MBEDTLS_SSL_PRESET_DEFAULT),
			 0);
	mbedtls_ssl_conf_rng(&c->conf, mbedtls_ctr_drbg_random, &r->random);
	mbedtls_ssl_conf_ciphersuites(&c->conf, c->suites);
	assert_int_equal(mbedtls_ssl_conf_psk(&c->conf, (const uint8_t *)key, strlen(key),
					      (const uint8_t *)id, strlen(id)),
			 0);
	return c;
}

static inline void client_start(struct client *c)
{
	assert_int_equal(mbedtls_ssl_setup(&c->ssl, &c->conf), 0);
	mbedtls_ssl_set_bio(&c->ssl, c, client_send, client_receive, NULL);
	mbedtls_ssl_set_timer_cb(&c->ssl, c, client_timer_set, client_timer_get);
}

/* 0, or mbedTLS's error; gives up after 4 s. */
static inline int client_handshake(struct client *c)
{
	int64_t end = now_ms() + 4000;
	int ret;

	do {
		ret = mbedtls_ssl_handshake(&c->ssl);
		if (ret != MBEDTLS_ERR_SSL_WANT_READ)
			break;
		rig_turn(c->rig);
	} while (now_ms() < end);
	rig_turn(c->rig);
	return ret;
}

static inline struct client *client_up(struct rig *r, const char *id)
{
	struct client *c = client_new(r, id, rig_key, MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, NULL);

	client_start(c);
	assert_int_equal(client_handshake(c), 0);
	return c;
}

/* The next message; its length, 0 if nothing came within `ms`, negative if closed. */
static inline int client_read(struct client *c, uint8_t dst[256], int64_t ms)
{
	int64_t end = now_ms() + ms;

	do {
		rig_turn(c->rig);
		int got = mbedtls_ssl_read(&c->ssl, dst, 256);

		if (got != MBEDTLS_ERR_SSL_WANT_READ)
			return got;
	} while (now_ms() < end);
	return 0;
}

/* One CoAP request; as client_read(). `observe`: -1, or the number of the option. */
static inline int client_ask(struct client *c, uint8_t method, uint16_t mid, int observe,
			     uint8_t dst[256], int64_t ms)
{
	uint8_t raw[64];
	struct wire_coap_writer w =
		wire_coap_begin(raw, sizeof(raw), WIRE_CON, method, mid, (struct bytes){NULL, 0});

	if (observe >= 0)
		wire_coap_put_uint(&w, WIRE_OPT_OBSERVE, (uint32_t)observe);
	wire_coap_put_bytes(&w, WIRE_OPT_URI_PATH, (struct bytes){(const uint8_t *)"x", 1});
	assert_true(mbedtls_ssl_write(&c->ssl, raw, w.buf.pos) > 0);
	return client_read(c, dst, ms);
}

/* One CoAP GET. */
static inline int client_get(struct client *c, uint16_t mid, uint8_t dst[256], int64_t ms)
{
	return client_ask(c, 1, mid, -1, dst, ms);
}

static inline void client_free(struct client *c)
{
	if (!c->borrowed_fd)
		(void)close(c->fd);
	mbedtls_ssl_free(&c->ssl);
	mbedtls_ssl_config_free(&c->conf);
	test_free(c);
}

static const struct net_conf plain_conf = {.well_known = "</x>"};

static inline void turn_for(struct rig *r, int64_t ms)
{
	int64_t end = now_ms() + ms;

	do {
		rig_turn(r);
		(void)usleep(2000);
	} while (now_ms() < end);
}

#endif
