/* SPDX-License-Identifier: Apache-2.0
 *
 * The DTLS of a session: that of load_dtls.c, which is cheap, or mbedTLS's for all it cannot do.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

enum { FLIGHT_US = 1000000 };

static void die(const char *what)
{
	fprintf(stderr, "postboot-load: %s\n", what);
	exit(1);
}

static void send_datagram(void *ctx, const uint8_t *data, size_t len)
{
	struct session *s = ctx;

	net_udp_queue(s->load->tx[s->socket], s->load->fd[s->socket], &s->remote, &s->source, data,
		      len);
}

/* ---- mbedTLS ---- */

static int bio_send(void *ctx, const unsigned char *data, size_t len)
{
	send_datagram(ctx, data, len);
	return (int)len;
}

static int bio_receive(void *ctx, unsigned char *dst, size_t cap)
{
	struct session *s = ctx;
	size_t len = s->in.len;

	if (len == 0 || len > cap)
		return MBEDTLS_ERR_SSL_WANT_READ;
	memcpy(dst, s->in.ptr, len);
	s->in.len = 0;
	return (int)len;
}

static void timer_set(void *ctx, uint32_t intermediate_ms, uint32_t final_ms)
{
	struct session *s = ctx;

	s->timer_set = final_ms != 0;
	s->intermediate_us = s->load->now_us + intermediate_ms * INT64_C(1000);
	s->final_us = s->load->now_us + final_ms * INT64_C(1000);
}

static int timer_get(void *ctx)
{
	const struct session *s = ctx;

	if (!s->timer_set)
		return -1;
	if (s->load->now_us >= s->final_us)
		return 2;
	return s->load->now_us >= s->intermediate_us ? 1 : 0;
}

static void set_up(struct session *s)
{
	mbedtls_ssl_config_init(&s->tls);
	mbedtls_ssl_init(&s->ssl);
	if (mbedtls_ssl_config_defaults(&s->tls, MBEDTLS_SSL_IS_CLIENT,
					MBEDTLS_SSL_TRANSPORT_DATAGRAM,
					MBEDTLS_SSL_PRESET_DEFAULT) ||
	    mbedtls_ssl_conf_psk(&s->tls, s->key, s->key_len, (const uint8_t *)s->id,
				 strlen(s->id)))
		die("no session");
	mbedtls_ssl_conf_rng(&s->tls, mbedtls_ctr_drbg_random, &s->load->random);
	mbedtls_ssl_conf_ciphersuites(&s->tls, s->load->suites);
	mbedtls_ssl_conf_max_tls_version(&s->tls, MBEDTLS_SSL_VERSION_TLS1_2);
	if (mbedtls_ssl_setup(&s->ssl, &s->tls) ||
	    (s->load->conf.cid && /* for the server's direction only, as a device would */
	     mbedtls_ssl_set_cid(&s->ssl, MBEDTLS_SSL_CID_ENABLED, NULL, 0)))
		die("no session");
	mbedtls_ssl_set_bio(&s->ssl, s, bio_send, bio_receive, NULL);
	mbedtls_ssl_set_timer_cb(&s->ssl, s, timer_set, timer_get);
}

static enum link_result result_of(int ret)
{
	if (ret >= 0)
		return LINK_DONE;
	return ret == MBEDTLS_ERR_SSL_WANT_READ || ret == MBEDTLS_ERR_SSL_WANT_WRITE ? LINK_MORE
										     : LINK_OVER;
}

/* ---- either ---- */

static bool is_short(const struct load *l, enum dtls_suite *ret)
{
	switch (l->suites[0]) {
	case MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8:
		*ret = DTLS_CCM8;
		break;
	case MBEDTLS_TLS_PSK_WITH_AES_128_CCM:
		*ret = DTLS_CCM;
		break;
	case MBEDTLS_TLS_PSK_WITH_AES_128_GCM_SHA256:
		*ret = DTLS_GCM;
		break;
	default:
		return false;
	}
	return !l->conf.cid && !l->conf.mbedtls;
}

void link_start(struct session *s)
{
	enum dtls_suite suite;

	if (is_short(s->load, &suite)) {
		if (!s->started)
			s->dtls = dtls_new(s->id, (struct bytes){s->key, s->key_len}, suite,
					   send_datagram, s);
		if (!s->dtls)
			die("no session");
		s->final_us = s->load->now_us + FLIGHT_US;
		dtls_start(s->dtls);
	} else {
		if (s->started)
			(void)mbedtls_ssl_session_reset(&s->ssl);
		else
			set_up(s);
		(void)mbedtls_ssl_handshake(&s->ssl);
	}
	s->started = true;
}

enum link_result link_shake(struct session *s)
{
	if (!s->dtls)
		return result_of(mbedtls_ssl_handshake(&s->ssl));
	s->final_us = s->load->now_us + FLIGHT_US;
	switch (dtls_shake(s->dtls, s->in)) {
	case DTLS_MORE:
		return LINK_MORE;
	case DTLS_UP:
		s->in.len = 0;
		return LINK_DONE;
	case DTLS_FAILED:
		break;
	}
	return LINK_OVER;
}

bool link_due(const struct session *s)
{
	return (s->dtls || s->timer_set) && s->load->now_us >= s->final_us;
}

enum link_result link_again(struct session *s)
{
	if (!s->dtls)
		return link_shake(s);
	s->final_us = s->load->now_us + FLIGHT_US;
	dtls_again(s->dtls);
	return LINK_MORE;
}

void link_write(struct session *s, const uint8_t *data, size_t len)
{
	if (s->dtls)
		dtls_write(s->dtls, data, len);
	else
		(void)mbedtls_ssl_write(&s->ssl, data, len);
}

enum link_result link_read(struct session *s, uint8_t *dst, size_t cap, size_t *ret_len)
{
	int got = s->dtls ? dtls_read(s->dtls, &s->in, dst, cap)
			  : mbedtls_ssl_read(&s->ssl, dst, cap);

	if (got > 0) {
		*ret_len = (size_t)got;
		return LINK_DONE;
	}
	if (s->dtls)
		return got ? LINK_OVER : LINK_MORE;
	return got ? result_of(got) : LINK_OVER;
}

void link_close(struct session *s)
{
	if (s->dtls)
		dtls_close(s->dtls);
	else
		(void)mbedtls_ssl_close_notify(&s->ssl);
}

void link_free(struct session *s)
{
	if (s->started && !s->dtls) {
		mbedtls_ssl_free(&s->ssl);
		mbedtls_ssl_config_free(&s->tls);
	}
	dtls_free(s->dtls);
	s->dtls = NULL;
	s->started = false;
}
