/* SPDX-License-Identifier: Apache-2.0
 *
 * A man in the middle between an honest DTLS client and the endpoint: he passes, drops,
 * doubles, swaps, cuts and changes what the client sends, and puts in records of his own, so
 * that every state of a handshake is met by wrong records (plain bytes never get behind the
 * cookie). Then the client sends the rest of the input through its session, encrypted.
 * Whatever he does, only the client's identity comes up, nothing is heard outside a session, and
 * an honest handshake succeeds. The client may have a connection ID: then both may use a second
 * address.
 * The server asks in return.
 * Input: a byte, odd for a connection ID; an act for each datagram of the client with its
 * arguments, a byte ACT_END, then messages, each behind its length; a length of 255 is a change of
 * the address.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mbedtls/ssl.h>
#include <psa/crypto.h>

#include "base/log.h"
#include "net/net_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	DATAGRAM_MAX = 2048,
	RESENDS_MAX = 4,
	TURNS_MAX = 64,
	INPUTS_PER_NET = 64,
	MOVE = 255,
};
enum {
	ACT_PASS,
	ACT_DROP,
	ACT_DOUBLE,
	ACT_FLIP,
	ACT_CUT,
	ACT_INSERT,
	ACT_HEADER,
	ACT_SWAP,
	ACT_END,
	ACT_ELSEWHERE, /* from the other address, and then the genuine one, too */
	ACTS
};

static const char key[] = "0123456789abcdef", identity[] = "dev";

/* ---- the endpoint ---- */

static struct {
	uv_loop_t loop;
	struct net *net;
	struct sockaddr_in at;
	unsigned inputs, ups, requests, answers;
} server;

static void must(bool ok)
{
	if (!ok)
		abort();
}

static size_t on_psk(void *ctx, struct net_claim *claim, uint8_t *dst, size_t cap)
{
	(void)ctx;
	must(cap >= sizeof(key) - 1);
	if (!bytes_equal(claim->identity,
			 (struct bytes){(const uint8_t *)identity, sizeof(identity) - 1}))
		return 0;
	memcpy(dst, key, sizeof(key) - 1);
	return sizeof(key) - 1;
}

static bool on_up(void *ctx, struct net_peer *peer, struct bytes id)
{
	(void)ctx;
	(void)peer;
	must(bytes_equal(id, (struct bytes){(const uint8_t *)identity, sizeof(identity) - 1}));
	server.ups++;
	return true;
}

static void on_gone(void *ctx, struct net_peer *peer, enum net_gone why)
{
	(void)ctx;
	(void)peer;
	(void)why;
}

static void on_request(void *ctx, struct net_peer *peer, const struct net_request *request,
		       struct net_exchange exchange)
{
	struct net_reply reply = NET_REPLY(NET_CODE(2, 5));
	unsigned n = server.requests++ % 3;
	struct net_ask ask = NET_ASK(n == 2 ? 3 : 1, "5/0/3");

	(void)ctx;
	(void)request;
	reply.payload = (struct bytes){(const uint8_t *)"pong", 4};
	net_reply(server.net, exchange, &reply);
	ask.observe = n == 1 ? 0 : -1;
	ask.body_size = n == 2 ? 3000 : 0;
	must(net_ask(server.net, peer, &ask) == 0);
}

static bool on_long_body(void *ctx, struct net_peer *peer, uint8_t method, const struct bytes *path,
			 unsigned path_count)
{
	(void)ctx;
	(void)peer;
	(void)path;
	return method == 2 && path_count > 0;
}

static void on_answered(void *ctx, struct net_peer *peer, const struct net_answer *answer)
{
	(void)ctx;
	(void)peer;
	must(answer->err || answer->code >= 64);
	server.answers++;
}

static int on_ask_body(void *ctx, struct net_peer *peer, uint32_t tag, int64_t offset, uint8_t *dst,
		       size_t len)
{
	(void)ctx;
	(void)peer;
	(void)tag;
	must(offset >= 0 && offset + (int64_t)len <= 3000);
	memset(dst, 'b', len);
	return 0;
}

static void on_observe_end(void *ctx, struct net_peer *peer, uint32_t tag)
{
	(void)ctx;
	(void)peer;
	(void)tag;
}

static void server_down(void)
{
	if (!server.net)
		return;
	net_close(server.net, NULL, NULL);
	(void)uv_run(&server.loop, UV_RUN_DEFAULT);
	net_free(server.net);
	must(uv_loop_close(&server.loop) == 0);
	server.net = NULL;
}

static void server_up(void)
{
	static const struct net_callbacks callbacks = {
		.psk = on_psk,
		.peer_up = on_up,
		.peer_gone = on_gone,
		.request = on_request,
		.observe_end = on_observe_end,
		.long_body = on_long_body,
		.answered = on_answered,
		.ask_body = on_ask_body,
	};
	const struct net_conf conf = {
		.callbacks = &callbacks, .handshakes_per_s = 1000000, .connection_ids = true};
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_storage bound;

	log_set_level(LOG_LEVEL_ERR);
	must(psa_crypto_init() == PSA_SUCCESS);
	must(uv_loop_init(&server.loop) == 0);
	must(net_new(&server.loop, &conf, &server.net) == 0);
	must(net_listen(server.net, (struct sockaddr *)&any, true, &bound) == 0);
	memcpy(&server.at, &bound, sizeof(server.at));
	server.inputs = 0;
}

/* ---- the client and the man in the middle ---- */

struct client {
	mbedtls_ssl_config conf;
	mbedtls_ssl_context ssl;
	int fd, elsewhere, suites[2];
	uint32_t random;
	struct buf acts;
	bool acting, changed, waits, timer_set;
	unsigned resends;
	uint8_t held[DATAGRAM_MAX];
	size_t held_len;
	uint8_t asked[12]; /* head of the server's newest request */
};

/* The same for the same input: a finding must be found again. */
static int client_random(void *ctx, unsigned char *dst, size_t len)
{
	struct client *c = ctx;

	for (size_t i = 0; i < len; i++) {
		c->random = c->random * 1664525 + 1013904223;
		dst[i] = (unsigned char)(c->random >> 24);
	}
	return 0;
}

static void put(struct client *c, const uint8_t *ptr, size_t len)
{
	(void)send(c->fd, ptr, len, MSG_NOSIGNAL);
	(void)uv_run(&server.loop, UV_RUN_NOWAIT);
}

/* Content type, version, epoch, sequence, length; handshake type, length, message_seq,
 * fragment offset and length (RFC 6347 4.1, 4.2.2). Of a record with a connection ID: that from
 * 11 on, then the length (RFC 9146 4). */
static void change_header(struct client *c, uint8_t *d, size_t len)
{
	static const uint8_t fields[] = {0, 2, 4, 10, 12, 13, 16, 18, 21, 24, 11, 19, 20};
	size_t at = fields[buf_get_u8(&c->acts) % sizeof(fields)];
	uint8_t value = buf_get_u8(&c->acts);

	if (at >= len || d[at] == value)
		return;
	d[at] = value;
	c->changed = true;
}

/* What the man does with a datagram of the client. */
static void meddle(struct client *c, uint8_t *d, size_t len)
{
	size_t at;

	switch (buf_get_u8(&c->acts) % ACTS) {
	case ACT_PASS:
		break;
	case ACT_DROP:
		return;
	case ACT_DOUBLE:
		put(c, d, len);
		break;
	case ACT_FLIP:
		at = buf_get_u16(&c->acts) % len;
		d[at] ^= buf_get_u8(&c->acts) | 1;
		c->changed = true;
		break;
	case ACT_CUT:
		len = buf_get_u8(&c->acts) % len;
		c->changed = true;
		break;
	case ACT_INSERT: {
		struct bytes own = buf_get_bytes(&c->acts, buf_get_u8(&c->acts));

		if (buf_ok(&c->acts))
			put(c, own.ptr, own.len);
		break;
	}
	case ACT_HEADER:
		change_header(c, d, len);
		break;
	case ACT_SWAP:
		if (c->held_len == 0) {
			memcpy(c->held, d, len);
			c->held_len = len;
			return;
		}
		break;
	case ACT_ELSEWHERE:
		(void)send(c->elsewhere, d, len, MSG_NOSIGNAL);
		(void)uv_run(&server.loop, UV_RUN_NOWAIT);
		break;
	default:
		c->acting = false; /* ACT_END */
	}
	put(c, d, len);
	if (c->held_len) {
		put(c, c->held, c->held_len);
		c->held_len = 0;
	}
}

static int client_send(void *ctx, const unsigned char *data, size_t len)
{
	uint8_t copy[DATAGRAM_MAX];
	struct client *c = ctx;

	must(len > 0 && len <= sizeof(copy));
	memcpy(copy, data, len);
	if (c->acting && buf_left(&c->acts) > 0)
		meddle(c, copy, len);
	else
		put(c, copy, len);
	return (int)len;
}

static int client_receive(void *ctx, unsigned char *dst, size_t cap)
{
	struct client *c = ctx;
	ssize_t got = recv(c->fd, dst, cap, MSG_DONTWAIT);

	c->waits = got <= 0;
	return got <= 0 ? MBEDTLS_ERR_SSL_WANT_READ : (int)got;
}

static void timer_set(void *ctx, uint32_t intermediate, uint32_t final)
{
	struct client *c = ctx;

	(void)intermediate;
	c->timer_set = final != 0;
	c->waits = false;
}

/* Time passes only when nothing comes. */
static int timer_get(void *ctx)
{
	struct client *c = ctx;

	if (!c->timer_set)
		return -1;
	if (!c->waits || c->resends == RESENDS_MAX)
		return 0;
	c->resends++;
	return 2;
}

/* An answer gets what only we know: message id and token of our newest request. */
static void complete(const struct client *c, uint8_t *d, size_t len)
{
	if (len < 12 || (d[0] & 15) != 8 || d[1] < 64)
		return;
	if ((d[0] >> 4 & 3) == 2)
		memcpy(d + 2, c->asked + 2, 2);
	memcpy(d + 4, c->asked + 4, 8);
}

static void client_run(struct client *c)
{
	uint8_t dst[DATAGRAM_MAX], message[255];
	int ret = MBEDTLS_ERR_SSL_WANT_READ;

	for (unsigned i = 0; i < TURNS_MAX && ret == MBEDTLS_ERR_SSL_WANT_READ; i++) {
		ret = mbedtls_ssl_handshake(&c->ssl);
		(void)uv_run(&server.loop, UV_RUN_NOWAIT);
		if (c->resends == RESENDS_MAX && c->waits)
			break;
	}
	if (ret)
		return;
	while (buf_ok(&c->acts) && buf_left(&c->acts) > 1) {
		uint8_t message_len = buf_get_u8(&c->acts);

		if (message_len == MOVE) {
			int fd = c->fd;

			c->fd = c->elsewhere;
			c->elsewhere = fd;
			continue;
		}
		struct bytes m = buf_get_bytes(&c->acts, message_len);

		if (!buf_ok(&c->acts))
			break;
		if (m.len)
			memcpy(message, m.ptr, m.len);
		complete(c, message, m.len);
		if (mbedtls_ssl_write(&c->ssl, message, m.len) < 0)
			break;
		do {
			ret = mbedtls_ssl_read(&c->ssl, dst, sizeof(dst));
			if (ret >= 12 && (dst[0] & 15) == 8 && dst[1] < 32)
				memcpy(c->asked, dst, 12);
		} while (ret > 0);
		if (ret == 0)
			break;
	}
}

static int client_socket(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	must(fd >= 0 && !connect(fd, (struct sockaddr *)&server.at, sizeof(server.at)));
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct client c;
	struct net_stats st;

	if (server.net && server.inputs >= INPUTS_PER_NET)
		server_down();
	if (!server.net)
		server_up();
	server.inputs++;
	server.ups = server.requests = 0;
	c = (struct client){.acts = buf_reader(data, size), .acting = true};
	c.suites[0] = MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8;
	c.fd = client_socket();
	c.elsewhere = client_socket();
	bool with_cid = buf_left(&c.acts) && buf_get_u8(&c.acts) & 1;
	mbedtls_ssl_config_init(&c.conf);
	mbedtls_ssl_init(&c.ssl);
	must(!mbedtls_ssl_config_defaults(&c.conf, MBEDTLS_SSL_IS_CLIENT,
					  MBEDTLS_SSL_TRANSPORT_DATAGRAM,
					  MBEDTLS_SSL_PRESET_DEFAULT));
	mbedtls_ssl_conf_rng(&c.conf, client_random, &c);
	mbedtls_ssl_conf_ciphersuites(&c.conf, c.suites);
	must(!mbedtls_ssl_conf_psk(&c.conf, (const uint8_t *)key, sizeof(key) - 1,
				   (const uint8_t *)identity, sizeof(identity) - 1));
	must(!mbedtls_ssl_setup(&c.ssl, &c.conf));
	must(!with_cid || !mbedtls_ssl_set_cid(&c.ssl, MBEDTLS_SSL_CID_ENABLED, NULL, 0));
	mbedtls_ssl_set_bio(&c.ssl, &c, client_send, client_receive, NULL);
	mbedtls_ssl_set_timer_cb(&c.ssl, &c, timer_set, timer_get);
	client_run(&c);
	must(server.ups <= 1 && (server.ups == 1 || server.requests == 0));
	if (!c.changed && size <= 1)
		must(server.ups == 1);
	net_stats_read(server.net, &st);
	must(st.half_open <= 2 * server.inputs && st.peers <= server.inputs);
	must(st.cid_peers <= st.peers);
	(void)close(c.fd);
	(void)close(c.elsewhere);
	mbedtls_ssl_free(&c.ssl);
	mbedtls_ssl_config_free(&c.conf);
	return 0;
}
