/* SPDX-License-Identifier: Apache-2.0
 *
 * What a server on 127.0.0.1 has to bear: floods of ClientHellos from forged addresses, held
 * handshakes, junk, forged and guessed connection IDs, and a device with a valid key that sends
 * mangled CoAP. Seeded: the same words send the same bytes.
 */
#include <arpa/inet.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <mbedtls/timing.h>
#include <poll.h>
#include <psa/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "net/net_hello.h"
#include "net/net_udp.h"
#include "wire/coap.h"

enum { HELLO_MAX = 200, DATAGRAM = 1400, READ_MS = 200, POST_METHOD = 2, GET_METHOD = 1 };

static const char usage[] =
	"usage: hostile PORT hellos N            ClientHellos without a cookie, each from "
	"elsewhere\n"
	"       hostile PORT hold N SECONDS      handshakes of one address, kept half open\n"
	"       hostile PORT junk N SEED         random and mangled records\n"
	"       hostile PORT cids N SEED ID HEX  records with the connection ID of a device, "
	"forged "
	"and\n"
	"                                        replayed from elsewhere, and with guessed ones; "
	"fails "
	"if\n"
	"                                        anything comes back, or the device has to suffer\n"
	"       hostile PORT coap N SEED ID HEX  mangled CoAP of a device; fails if the server "
	"does\n";

static uint64_t random_state = 1;

static uint32_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32);
}

static void die(const char *what)
{
	fprintf(stderr, "hostile: %s\n", what);
	exit(1);
}

static void rest(long us)
{
	const struct timespec t = {.tv_nsec = us * 1000};

	(void)nanosleep(&t, NULL);
}

static struct sockaddr_in at(const char *host, unsigned port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	if (inet_pton(AF_INET, host, &a.sin_addr) != 1)
		die("address");
	return a;
}

static int socket_from(const char *host, const struct sockaddr_in *server)
{
	struct sockaddr_in from = at(host, 0);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof(from)) ||
	    connect(fd, (const struct sockaddr *)server, sizeof(*server)))
		die("socket");
	return fd;
}

/* ---- ClientHellos ---- */

static size_t hello(uint8_t dst[HELLO_MAX], uint8_t sequence, struct bytes cookie)
{
	struct buf w = buf_writer(dst, HELLO_MAX);
	uint16_t body = (uint16_t)(2 + 32 + 1 + 1 + cookie.len + 2 + 2 + 2);

	buf_put_u8(&w, 22);
	buf_put_u16(&w, 0xfefd);
	buf_put_u16(&w, 0);
	buf_put_u16(&w, 0);
	buf_put_u16(&w, 0);
	buf_put_u16(&w, sequence);
	buf_put_u16(&w, (uint16_t)(12 + body));
	buf_put_u8(&w, 1);
	buf_put_u8(&w, 0);
	buf_put_u16(&w, body);
	buf_put_u16(&w, sequence);
	buf_put_u8(&w, 0);
	buf_put_u16(&w, 0);
	buf_put_u8(&w, 0);
	buf_put_u16(&w, body);
	buf_put_u16(&w, 0xfefd);
	for (unsigned i = 0; i < 32; i++)
		buf_put_u8(&w, (uint8_t)i);
	buf_put_u8(&w, 0);
	buf_put_u8(&w, (uint8_t)cookie.len);
	buf_put_bytes(&w, cookie.ptr, cookie.len);
	buf_put_u16(&w, 2);
	buf_put_u16(&w, 0xc0a8);
	buf_put_u8(&w, 1);
	buf_put_u8(&w, 0);
	return w.pos;
}

static void hellos(const struct sockaddr_in *server, unsigned n)
{
	struct sockaddr_in any = at("0.0.0.0", 0);
	struct net_udp_tx *tx = net_udp_tx_new();
	union net_address to = {.v4 = *server};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint8_t raw[HELLO_MAX];

	if (!tx || fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)))
		die("socket");
	for (unsigned i = 0; i < n; i++) {
		struct net_local from = {.family = AF_INET};

		from.at.v4.s_addr = htonl(0x7f010001 + random_next() % 0xfd0000);
		net_udp_queue(tx, fd, &to, &from, raw, hello(raw, 0, (struct bytes){NULL, 0}));
		if (i % NET_UDP_BATCH == 0) {
			(void)net_udp_flush(tx, fd);
			rest(2000);
		}
	}
	(void)net_udp_flush(tx, fd);
	net_udp_tx_free(tx);
	(void)close(fd);
}

static bool half_open(int fd)
{
	uint8_t raw[HELLO_MAX], answer[DATAGRAM];
	struct pollfd readable = {.fd = fd, .events = POLLIN};

	(void)send(fd, raw, hello(raw, 0, (struct bytes){NULL, 0}), 0);
	if (poll(&readable, 1, READ_MS) != 1)
		return false;
	ssize_t got = recv(fd, answer, sizeof(answer), 0);

	if (got < 28 || answer[13] != 3 || got < 28 + answer[27])
		return false;
	(void)send(fd, raw, hello(raw, 1, (struct bytes){answer + 28, answer[27]}), 0);
	return true;
}

static void hold(const struct sockaddr_in *server, unsigned n, unsigned seconds)
{
	/* A handshake message from the future: heard, not understood. */
	static const uint8_t later[] = {22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 13,
					16, 0,	  0,	1, 0, 9, 0, 0, 0, 0, 0, 1, 0};
	int *fd = calloc(n, sizeof(*fd));
	unsigned held = 0;

	if (!fd)
		die("memory");
	for (unsigned i = 0; i < n; i++) {
		fd[i] = socket_from("127.9.9.9", server);
		held += half_open(fd[i]);
		rest(1000);
	}
	printf("held %u\n", held);
	(void)fflush(stdout);
	for (unsigned s = 0; s < seconds; s++) {
		for (unsigned i = 0; i < n; i++)
			(void)send(fd[i], later, sizeof(later), 0);
		(void)sleep(1);
	}
	for (unsigned i = 0; i < n; i++)
		(void)close(fd[i]);
	free(fd);
}

static void junk(const struct sockaddr_in *server, unsigned n)
{
	int fd = socket_from("127.0.0.1", server);
	uint8_t raw[DATAGRAM];

	for (unsigned i = 0; i < n; i++) {
		size_t len = 1 + random_next() % 300;

		for (size_t at_byte = 0; at_byte < sizeof(raw); at_byte++)
			raw[at_byte] = (uint8_t)random_next();
		if (random_next() % 4) { /* begins like something */
			uint8_t good[HELLO_MAX];
			size_t good_len = hello(good, 0, (struct bytes){raw, random_next() % 64});

			memcpy(raw, good, good_len);
			for (unsigned k = random_next() % 4; k > 0; k--)
				raw[random_next() % good_len] = (uint8_t)random_next();
			len = random_next() % 3 ? good_len : len;
		}
		(void)send(fd, raw, len, 0);
		if (i % 64 == 0)
			rest(1000);
	}
	(void)close(fd);
}

/* ---- CoAP under a valid key ---- */

struct session {
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context random;
	mbedtls_ssl_config conf;
	mbedtls_ssl_context ssl;
	mbedtls_net_context net;
	mbedtls_timing_delay_context timer;
	int suites[2];
	uint8_t sniffed[DATAGRAM]; /* the last one out */
	size_t sniffed_len;
};

static int session_send(void *ctx, const unsigned char *data, size_t len)
{
	struct session *s = ctx;

	s->sniffed_len = len < sizeof(s->sniffed) ? len : sizeof(s->sniffed);
	memcpy(s->sniffed, data, s->sniffed_len);
	return mbedtls_net_send(&s->net, data, len);
}

static int session_receive(void *ctx, unsigned char *dst, size_t cap, uint32_t timeout_ms)
{
	struct session *s = ctx;

	return mbedtls_net_recv_timeout(&s->net, dst, cap, timeout_ms);
}

static void session_open(struct session *s, const char *port, const char *id, const char *hex,
			 bool cid)
{
	uint8_t key[LIMIT_PSK];
	size_t key_len;

	if (buf_from_hex(hex, strlen(hex), key, sizeof(key), &key_len))
		die("key");
	s->suites[0] = MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8;
	mbedtls_entropy_init(&s->entropy);
	mbedtls_ctr_drbg_init(&s->random);
	mbedtls_ssl_config_init(&s->conf);
	mbedtls_ssl_init(&s->ssl);
	mbedtls_net_init(&s->net);
	if (psa_crypto_init() != PSA_SUCCESS ||
	    mbedtls_ctr_drbg_seed(&s->random, mbedtls_entropy_func, &s->entropy, NULL, 0) ||
	    mbedtls_ssl_config_defaults(&s->conf, MBEDTLS_SSL_IS_CLIENT,
					MBEDTLS_SSL_TRANSPORT_DATAGRAM,
					MBEDTLS_SSL_PRESET_DEFAULT) ||
	    mbedtls_ssl_conf_psk(&s->conf, key, key_len, (const uint8_t *)id, strlen(id)) ||
	    mbedtls_net_connect(&s->net, "127.0.0.1", port, MBEDTLS_NET_PROTO_UDP))
		die("session");
	mbedtls_ssl_conf_rng(&s->conf, mbedtls_ctr_drbg_random, &s->random);
	mbedtls_ssl_conf_ciphersuites(&s->conf, s->suites);
	mbedtls_ssl_conf_read_timeout(&s->conf, 1);
	if (mbedtls_ssl_setup(&s->ssl, &s->conf) ||
	    (cid && mbedtls_ssl_set_cid(&s->ssl, MBEDTLS_SSL_CID_ENABLED, NULL, 0)))
		die("session");
	mbedtls_ssl_set_timer_cb(&s->ssl, &s->timer, mbedtls_timing_set_delay,
				 mbedtls_timing_get_delay);
	mbedtls_ssl_set_bio(&s->ssl, s, session_send, NULL, session_receive);
	if (mbedtls_ssl_handshake(&s->ssl))
		die("handshake");
}

static void session_close(struct session *s)
{
	(void)mbedtls_ssl_close_notify(&s->ssl);
	mbedtls_net_free(&s->net);
	mbedtls_ssl_free(&s->ssl);
	mbedtls_ssl_config_free(&s->conf);
	mbedtls_ctr_drbg_free(&s->random);
	mbedtls_entropy_free(&s->entropy);
}

/* Reads what is there; true if an answer to `mid` was among it. */
static bool session_drain(struct session *s, uint16_t mid, unsigned tries)
{
	uint8_t raw[2048];
	bool found = false;

	while (tries > 0 && !found) {
		int got = mbedtls_ssl_read(&s->ssl, raw, sizeof(raw));
		struct wire_coap m;

		if (got == MBEDTLS_ERR_SSL_TIMEOUT || got == MBEDTLS_ERR_SSL_WANT_READ) {
			tries--;
			continue;
		}
		if (got <= 0)
			die("the server has ended the session");
		if (wire_coap_decode(raw, (size_t)got, &m))
			die("the server has sent no CoAP");
		if (m.code == (5 << 5))
			die("the server has answered 5.00");
		found = m.code && m.mid == mid;
	}
	return found;
}

/* The messages that are mangled. */
static size_t sample(unsigned which, uint16_t mid, uint8_t dst[LIMIT_COAP_MESSAGE])
{
	static const char *const path[] = {"report", "status", "desired", "fw"};
	static const char report[] = "{\"0\":\"00000000000000a1\",\"2\":\"1.0.0\",\"12\":\"a\"}";
	static const char status[] = "{\"0\":1,\"1\":2,\"7\":\"00000000000000a1\",\"8\":1}";
	const char *body = which == 0 ? report : which == 1 ? status : NULL;
	struct wire_coap_writer w =
		wire_coap_begin(dst, LIMIT_COAP_MESSAGE, which == 1 ? WIRE_NON : WIRE_CON,
				body ? POST_METHOD : GET_METHOD, mid,
				(struct bytes){(const uint8_t *)"token", which + 1});

	if (which == 2)
		wire_coap_put_uint(&w, WIRE_OPT_OBSERVE, 0);
	wire_coap_put_bytes(&w, WIRE_OPT_URI_PATH,
			    (struct bytes){(const uint8_t *)path[which], strlen(path[which])});
	if (which == 3)
		wire_coap_put_bytes(&w, WIRE_OPT_URI_PATH,
				    (struct bytes){(const uint8_t *)"0123456789abcdef", 16});
	if (body)
		wire_coap_put_uint(&w, WIRE_OPT_CONTENT_FORMAT, 50);
	wire_coap_put_uint(&w, WIRE_OPT_ACCEPT, which == 3 ? 42 : 50);
	if (which == 3)
		wire_coap_put_block(&w, WIRE_OPT_BLOCK2, (struct wire_block){.num = 3, .szx = 6});
	if (body)
		wire_coap_payload(&w, (struct bytes){(const uint8_t *)body, strlen(body)});
	return w.buf.pos;
}

/* ---- connection IDs ---- */

enum { FORGERS = 16, SLOWLY = 500 };

/* One datagram of somebody who sees all of the device's. */
static void forge(const struct session *s, int fd)
{
	uint8_t raw[DATAGRAM];
	size_t len = s->sniffed_len;

	memcpy(raw, s->sniffed, len);
	switch (random_next() % 3) {
	case 0: /* whose it may be */
		for (size_t i = 12; i < 11 + NET_CID; i++)
			raw[i] = (uint8_t)random_next();
		break;
	case 1: /* a new number, and no key */
		raw[8] = (uint8_t)random_next();
		for (size_t i = NET_RECORD_HEADER + NET_CID; i < len; i++)
			raw[i] = (uint8_t)random_next();
		break;
	default: /* a replay */
		break;
	}
	(void)send(fd, raw, len, 0);
}

/* The device asks; its answer is told from those before by its message id. */
static void ask_as_device(struct session *s, uint16_t first_mid)
{
	uint8_t raw[LIMIT_COAP_MESSAGE];
	bool found = false;

	/* What was sent in one go may have been too much for the receive buffer. */
	for (uint16_t i = 0; !found && i < 20; i++) {
		uint16_t mid = (uint16_t)(first_mid + i);

		if (mbedtls_ssl_write(&s->ssl, raw, sample(3, mid, raw)) <= 0)
			die("write");
		found = session_drain(s, mid, 10 * READ_MS);
	}
	if (!found)
		die("the server does not answer the device any more");
}

static void cids(const struct sockaddr_in *server, const char *port, unsigned n, const char *id,
		 const char *hex)
{
	struct session s = {0};
	int fd[FORGERS];
	char byte;

	session_open(&s, port, id, hex, true);
	ask_as_device(&s, 0);
	if (s.sniffed[0] != NET_RECORD_CID || s.sniffed_len < NET_RECORD_HEADER + NET_CID)
		die("the server gives no connection IDs");
	for (unsigned i = 0; i < FORGERS; i++)
		fd[i] = socket_from("127.6.6.6", server);
	for (unsigned i = 0; i < n; i++) {
		forge(&s, fd[i % FORGERS]);
		if (i % 64 == 0)
			rest(1000);
		if (i % SLOWLY == SLOWLY - 1)
			ask_as_device(&s, (uint16_t)(1000 + i / SLOWLY * 20));
	}
	for (unsigned i = 0; i < FORGERS; i++) {
		if (recv(fd[i], &byte, 1, MSG_DONTWAIT) >= 0)
			die("the server has answered a forger");
		(void)close(fd[i]);
	}
	session_close(&s);
}

static void coap(const char *port, unsigned n, const char *id, const char *hex)
{
	struct session s = {0};
	uint8_t raw[LIMIT_COAP_MESSAGE];
	bool found = false;

	session_open(&s, port, id, hex, false);
	for (unsigned i = 0; i < n; i++) {
		size_t len = sample(i % 4, (uint16_t)i, raw);

		for (unsigned k = random_next() % 4; k > 0; k--)
			raw[random_next() % len] = (uint8_t)random_next();
		if (random_next() % 8 == 0)
			len = random_next() % len + 1;
		if (mbedtls_ssl_write(&s.ssl, raw, len) <= 0)
			die("write");
		if (i % 16 == 0)
			(void)session_drain(&s, 0, 1);
	}
	(void)session_drain(&s, 0, READ_MS);
	/* Beyond its quota it is not heard for a second. */
	for (uint16_t mid = UINT16_MAX; !found && mid > UINT16_MAX - 20; mid--)
		found = mbedtls_ssl_write(&s.ssl, raw, sample(0, mid, raw)) > 0 &&
			session_drain(&s, mid, READ_MS);
	if (!found)
		die("the server does not answer any more");
	session_close(&s);
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fputs(usage, stderr);
		return 2;
	}

	struct sockaddr_in server = at("127.0.0.1", (unsigned)strtoul(argv[1], NULL, 10));
	unsigned n = (unsigned)strtoul(argv[3], NULL, 10);

	if (argc > 4)
		random_state = strtoul(argv[4], NULL, 10) + 1;
	if (strcmp(argv[2], "hellos") == 0)
		hellos(&server, n);
	else if (strcmp(argv[2], "hold") == 0 && argc == 5)
		hold(&server, n, (unsigned)strtoul(argv[4], NULL, 10));
	else if (strcmp(argv[2], "junk") == 0)
		junk(&server, n);
	else if (strcmp(argv[2], "cids") == 0 && argc == 7)
		cids(&server, argv[1], n, argv[5], argv[6]);
	else if (strcmp(argv[2], "coap") == 0 && argc == 7)
		coap(argv[1], n, argv[5], argv[6]);
	else
		die("see the usage");
	return 0;
}
