/* SPDX-License-Identifier: Apache-2.0 */
#include "flood.h"

#include <errno.h>
#include <poll.h>
#include <psa/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"

enum {
	RETRIES = 4, /* RFC 7252 4.8 */
	TIMEOUT_US = 2000000,
	HANDSHAKE_US = 30000000,
	ANSWER_US = 500000,
	LINE = 256,
};

/* ---- one session ---- */

static int send_record(void *ctx, const unsigned char *data, size_t len)
{
	struct flood_session *s = ctx;

	if (len <= sizeof(s->last_out)) {
		memcpy(s->last_out, data, len);
		s->last_out_len = len;
	}
	if (send(s->fd, data, len, 0) < 0 && errno != EAGAIN && errno != ECONNREFUSED)
		flood_die("send");
	return (int)len;
}

static int receive_record(void *ctx, unsigned char *dst, size_t cap)
{
	const struct flood_session *s = ctx;
	ssize_t got = recv(s->fd, dst, cap, MSG_DONTWAIT);

	return got > 0 ? (int)got : MBEDTLS_ERR_SSL_WANT_READ;
}

static void timer_set(void *ctx, uint32_t intermediate_ms, uint32_t final_ms)
{
	struct flood_session *s = ctx;

	s->timer_set = final_ms != 0;
	s->intermediate_us = flood_now_us() + intermediate_ms * INT64_C(1000);
	s->final_us = flood_now_us() + final_ms * INT64_C(1000);
}

static int timer_get(void *ctx)
{
	const struct flood_session *s = ctx;
	int64_t now = flood_now_us();

	if (!s->timer_set)
		return -1;
	return now >= s->final_us ? 2 : now >= s->intermediate_us ? 1 : 0;
}

static void key_read(const char *keys, int line, char id[LINE], uint8_t key[LIMIT_PSK],
		     size_t *ret_len)
{
	FILE *f = fopen(keys, "re");
	char text[LINE], hex[LINE] = "";

	if (!f)
		flood_die("keys");
	for (int i = 0; fgets(text, sizeof(text), f) && (line < 0 || i <= line); i++)
		(void)sscanf(text, "%255[^:\n]:%255s", id, hex);
	(void)fclose(f);
	if (buf_from_hex(hex, strlen(hex), key, LIMIT_PSK, ret_len) || *ret_len == 0)
		flood_die("keys: lines of id:hex");
}

static void wait_for(const struct flood_session *s, int ms)
{
	struct pollfd readable = {.fd = s->fd, .events = POLLIN};

	(void)poll(&readable, 1, ms);
}

void flood_open(struct flood_session *s, const struct sockaddr_in *server, const char *keys,
		int line)
{
	uint8_t key[LIMIT_PSK];
	char id[LINE] = "";
	size_t key_len = 0;
	int64_t end = flood_now_us() + HANDSHAKE_US;
	int ret;

	*s = (struct flood_session){.suites = {MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, 0}};
	key_read(keys, line, id, key, &key_len);
	s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	mbedtls_entropy_init(&s->entropy);
	mbedtls_ctr_drbg_init(&s->random);
	mbedtls_ssl_config_init(&s->conf);
	mbedtls_ssl_init(&s->ssl);
	if (s->fd < 0 || connect(s->fd, (const struct sockaddr *)server, sizeof(*server)) ||
	    psa_crypto_init() != PSA_SUCCESS ||
	    mbedtls_ctr_drbg_seed(&s->random, mbedtls_entropy_func, &s->entropy, NULL, 0) ||
	    mbedtls_ssl_config_defaults(&s->conf, MBEDTLS_SSL_IS_CLIENT,
					MBEDTLS_SSL_TRANSPORT_DATAGRAM,
					MBEDTLS_SSL_PRESET_DEFAULT) ||
	    mbedtls_ssl_conf_psk(&s->conf, key, key_len, (const uint8_t *)id, strlen(id)))
		flood_die("session");
	mbedtls_ssl_conf_rng(&s->conf, mbedtls_ctr_drbg_random, &s->random);
	mbedtls_ssl_conf_ciphersuites(&s->conf, s->suites);
	if (mbedtls_ssl_setup(&s->ssl, &s->conf))
		flood_die("session");
	mbedtls_ssl_set_bio(&s->ssl, s, send_record, receive_record, NULL);
	mbedtls_ssl_set_timer_cb(&s->ssl, s, timer_set, timer_get);
	while ((ret = mbedtls_ssl_handshake(&s->ssl)) == MBEDTLS_ERR_SSL_WANT_READ &&
	       flood_now_us() < end)
		wait_for(s, 20);
	if (ret)
		flood_die("handshake");
}

void flood_close(struct flood_session *s)
{
	(void)mbedtls_ssl_close_notify(&s->ssl);
	(void)close(s->fd);
	mbedtls_ssl_free(&s->ssl);
	mbedtls_ssl_config_free(&s->conf);
	mbedtls_ctr_drbg_free(&s->random);
	mbedtls_entropy_free(&s->entropy);
}

/* 1: a message, 0: nothing there. */
static int receive(struct flood_session *s, uint8_t raw[2048], struct wire_coap *ret)
{
	int got = mbedtls_ssl_read(&s->ssl, raw, 2048);

	if (got == MBEDTLS_ERR_SSL_WANT_READ)
		return 0;
	if (got <= 0)
		flood_die("the server has ended the session");
	if (wire_coap_decode(raw, (size_t)got, ret))
		flood_die("the server has sent no CoAP");
	return 1;
}

static void transmit(struct flood_session *s, uint16_t mid)
{
	uint8_t raw[FLOOD_MESSAGE];

	if (mbedtls_ssl_write(&s->ssl, raw, flood_request(mid, raw)) <= 0)
		flood_die("write");
}

bool flood_ask(struct flood_session *s, uint16_t mid)
{
	int64_t end = flood_now_us() + ANSWER_US;
	uint8_t raw[2048];
	struct wire_coap m;

	transmit(s, mid);
	while (flood_now_us() < end) {
		wait_for(s, 10);
		while (receive(s, raw, &m))
			if (m.mid == mid && m.code == (2 << 5 | 5))
				return true;
	}
	return false;
}

/* ---- honest devices ---- */

struct tally {
	uint64_t sent, answered, repeats, refused, lost, skipped;
};

static void answered(struct flood_session *s, const struct wire_coap *m, struct tally *t)
{
	for (unsigned i = 0; i < FLOOD_WINDOW; i++) {
		if (!s->slot[i].busy || s->slot[i].mid != m->mid || !m->code)
			continue;
		s->slot[i].busy = false;
		if (m->code >> 5 == 2)
			t->answered++;
		else
			t->refused++;
		return;
	}
}

/* Sends what is due, new ones only if `fresh`; the number of requests without an answer. */
static unsigned step(struct flood_session *s, int64_t every_us, bool fresh, struct tally *t)
{
	int64_t now = flood_now_us();
	unsigned busy = 0;
	struct flood_slot *empty = NULL;

	for (unsigned i = 0; i < FLOOD_WINDOW; i++) {
		struct flood_slot *slot = &s->slot[i];

		if (!slot->busy) {
			empty = slot;
			continue;
		}
		busy++;
		if (now < slot->again_us)
			continue;
		if (slot->tries++ == RETRIES) {
			slot->busy = false;
			t->lost++;
			continue;
		}
		slot->wait_us *= 2;
		slot->again_us = now + slot->wait_us;
		t->repeats++;
		transmit(s, slot->mid);
	}
	if (!fresh || now < s->next_us)
		return busy;
	s->next_us += every_us;
	if (!empty) {
		t->skipped++;
		return busy;
	}
	*empty = (struct flood_slot){.busy = true,
				     .mid = s->next_mid++,
				     .again_us = now + TIMEOUT_US,
				     .wait_us = TIMEOUT_US};
	t->sent++;
	transmit(s, empty->mid);
	return busy + 1;
}

int flood_honest(const struct sockaddr_in *server, const char *keys, unsigned n, double every_ms,
		 double seconds)
{
	struct flood_session *s = calloc(n, sizeof(*s));
	struct pollfd *fds = calloc(n, sizeof(*fds));
	struct tally t = {0}, measured;
	int64_t every_us = (int64_t)(every_ms * 1e3), start, end;
	unsigned waiting = 1;
	uint8_t raw[2048];
	struct wire_coap m;

	if (!s || !fds || n == 0)
		flood_die("memory");
	for (unsigned i = 0; i < n; i++) {
		flood_open(&s[i], server, keys, (int)i);
		fds[i] = (struct pollfd){.fd = s[i].fd, .events = POLLIN};
	}
	printf("up %u\n", n);
	(void)fflush(stdout);
	start = flood_now_us();
	end = start + (int64_t)(seconds * 1e6);
	for (unsigned i = 0; i < n; i++)
		s[i].next_us = start + every_us * i / n;
	measured = t;
	for (bool fresh = true; fresh || waiting > 0;) {
		if (fresh && flood_now_us() >= end) {
			fresh = false;
			measured = t;
		}
		waiting = 0;
		for (unsigned i = 0; i < n; i++)
			waiting += step(&s[i], every_us, fresh, &t);
		(void)poll(fds, n, 2);
		for (unsigned i = 0; i < n; i++)
			while ((fds[i].revents & POLLIN) && receive(&s[i], raw, &m))
				answered(&s[i], &m, &t);
	}
	printf("honest per_s=%.0f wanted_per_s=%.0f sent=%llu answered=%llu repeats=%llu "
	       "refused=%llu lost=%llu skipped=%llu\n",
	       (double)measured.answered / seconds, n * 1e3 / every_ms, (unsigned long long)t.sent,
	       (unsigned long long)t.answered, (unsigned long long)t.repeats,
	       (unsigned long long)t.refused, (unsigned long long)t.lost,
	       (unsigned long long)t.skipped);
	for (unsigned i = 0; i < n; i++)
		flood_close(&s[i]);
	free(fds);
	free(s);
	return t.lost || t.refused || t.skipped ? 1 : 0;
}
