/* SPDX-License-Identifier: Apache-2.0 */
#include "net/net_dtls.h"

#include <mbedtls/md.h>
#include <mbedtls/platform_util.h>
#include <psa/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/list.h"
#include "base/log.h"
#include "net/net.h"
#include "net/net_crypto.h"
#include "net/net_hello.h"
#include "net/net_step.h"
#include "net/net_ticket.h"

enum {
	RETRANSMIT_FIRST_MS = 1000, /* RFC 6347 4.2.4.1 */
	RETRANSMIT_LAST_MS = 16000,
	/* Bytes of a datagram: what IPv6 brings everywhere (RFC 8200 5: 1280 less two headers), and
	 * (RFC 791) IPv4, for who wants records of 512. Sent for the third time a flight goes in
	 * pieces of 508 whoever it is for: RFC 6347 4.1.1.1, mbedTLS does that. */
	MTU = 1232,
	MTU_SMALL = 548,
	RECORD_SMALL = 512,
	/* in the place of the time of a flight */
	FLIGHT_NONE = -1,
	FLIGHT_AGAIN = -2, /* sent twice: nobody knows which of them is answered */
};

/* In the server's order of preference; those with certificates come after them (net_x509.c). */
static const int cipher_suites[] = {
	MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8,
	MBEDTLS_TLS_PSK_WITH_AES_128_CCM,
	MBEDTLS_TLS_PSK_WITH_AES_128_GCM_SHA256,
	MBEDTLS_TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256,
	0,
};

/* The cheap ones, for ECDHE: a stranger can make us use any of them as often as he likes, and
 * mbedTLS takes 20 times as long for some others. */
static const uint16_t groups[] = {
	MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
	MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
	MBEDTLS_SSL_IANA_TLS_GROUP_NONE,
};

/* ---- keys ---- */

/* RFC 4279 5.2 leaves it open what to do with an unknown identity; going on with a key that
 * nobody has makes it fail exactly like a wrong key, so identities cannot be probed. */
static size_t unknown_key(const struct net_dtls *d, struct bytes identity, uint8_t key[32])
{
	const mbedtls_md_info_t *sha256 = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);

	if (mbedtls_md_hmac(sha256, d->secret, sizeof(d->secret), identity.ptr, identity.len, key))
		return 0;
	return key[31] & 1 ? 16 : 32; /* the usual lengths; the same for the same identity */
}

static int find_psk(void *ctx, mbedtls_ssl_context *ssl, const unsigned char *id, size_t id_len)
{
	struct net_dtls *d = ctx;
	struct net_tls *tls = mbedtls_ssl_get_user_data_p(ssl);
	struct net_claim claim = {.identity = {id, id_len}};
	uint8_t key[LIMIT_PSK];
	size_t len = 0;

	free(tls->identity);
	tls->identity_len = 0;
	tls->identity = malloc(id_len ? id_len : 1);
	if (!tls->identity)
		return MBEDTLS_ERR_SSL_ALLOC_FAILED;
	if (id_len)
		memcpy(tls->identity, id, id_len);
	tls->identity_len = id_len;
	if (id_len > 0 && id_len <= LIMIT_PSK_IDENTITY)
		len = d->ops->psk(tls->peer, &claim, key, sizeof(key));
	if (len == NET_PSK_LATER) {
		tls->mute = true;
		return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
	}
	tls->key_given = len > 0;
	tls->key_tag = claim.tag;
	if (len == 0)
		len = unknown_key(d, claim.identity, key);

	int failed = len ? mbedtls_ssl_set_hs_psk(ssl, key, len) : MBEDTLS_ERR_SSL_INTERNAL_ERROR;

	mbedtls_platform_zeroize(key, sizeof(key));
	return failed;
}

/* ---- the shared part ---- */

/* Cookies are checked before there is a context (net_demux.c); mbedTLS accepts a hello that has
 * one only if it may ask. Without a writer it never starts a handshake on an established one. */
static int cookie_was_valid(void *ctx, const unsigned char *cookie, size_t cookie_len,
			    const unsigned char *client, size_t client_len)
{
	(void)ctx;
	(void)cookie;
	(void)cookie_len;
	(void)client;
	(void)client_len;
	return 0;
}

/* On any thread. The ClientHello has been read: RFC 6066 4, max_fragment_length, is in it. */
static int give_certificates(mbedtls_ssl_context *ssl)
{
	const struct net_tls *tls = mbedtls_ssl_get_user_data_p(ssl);

	if (mbedtls_ssl_get_max_out_record_payload(ssl) <= RECORD_SMALL)
		mbedtls_ssl_set_mtu(ssl, MTU_SMALL);
	return net_x509_begin(tls->step->set, ssl) ? MBEDTLS_ERR_SSL_ALLOC_FAILED : 0;
}

/* What holds for keys and certificates alike. */
static void configure_all(struct net_dtls *d, mbedtls_ssl_config *conf)
{
	mbedtls_ssl_conf_rng(conf, mbedtls_ctr_drbg_random, &d->random);
	mbedtls_ssl_conf_min_tls_version(conf, MBEDTLS_SSL_VERSION_TLS1_2);
	mbedtls_ssl_conf_max_tls_version(conf, MBEDTLS_SSL_VERSION_TLS1_2);
	mbedtls_ssl_conf_groups(conf, groups);
	mbedtls_ssl_conf_renegotiation(conf, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
	mbedtls_ssl_conf_dtls_anti_replay(conf, MBEDTLS_SSL_ANTI_REPLAY_ENABLED);
	mbedtls_ssl_conf_handshake_timeout(conf, RETRANSMIT_FIRST_MS, RETRANSMIT_LAST_MS);
	mbedtls_ssl_conf_dtls_cookies(conf, NULL, cookie_was_valid, NULL);
	/* Fails for a length beyond mbedTLS's maximum only. */
	(void)mbedtls_ssl_conf_cid(conf, NET_CID, MBEDTLS_SSL_UNEXPECTED_CID_IGNORE);
}

static void configure(struct net_dtls *d)
{
	configure_all(d, &d->conf);
	mbedtls_ssl_conf_ciphersuites(&d->conf, cipher_suites);
	mbedtls_ssl_conf_psk_cb(&d->conf, find_psk, d);
	mbedtls_ssl_conf_authmode(&d->conf, MBEDTLS_SSL_VERIFY_NONE);
	configure_all(d, &d->certified);
	mbedtls_ssl_conf_cert_cb(&d->certified, give_certificates);
	net_tickets_configure(d->tickets, &d->certified);
	net_x509_configure(&d->certified);
}

static bool crypto_is_right(void)
{
	struct net_crypto_use use;

	if (net_crypto_check(&use)) {
		log_err("crypto known-answers=wrong");
		return false;
	}
	log_debug("crypto sha256=%s ccm=%s", use.sha256 ? "nettle" : "mbedtls",
		  use.ccm ? "nettle" : "mbedtls");
	return true;
}

int net_dtls_init(struct net_dtls *d, const struct net_dtls_ops *ops, struct net_timers *timers)
{
	*d = (struct net_dtls){.ops = ops, .timers = timers};
	mbedtls_entropy_init(&d->entropy);
	mbedtls_ctr_drbg_init(&d->random);
	mbedtls_ssl_config_init(&d->conf);
	mbedtls_ssl_config_init(&d->certified);
	mbedtls_ssl_cookie_init(&d->cookie);
	if (psa_crypto_init() != PSA_SUCCESS || !crypto_is_right() ||
	    mbedtls_ctr_drbg_seed(&d->random, mbedtls_entropy_func, &d->entropy, NULL, 0) ||
	    mbedtls_ctr_drbg_random(&d->random, d->secret, sizeof(d->secret)) ||
	    mbedtls_ssl_config_defaults(&d->conf, MBEDTLS_SSL_IS_SERVER,
					MBEDTLS_SSL_TRANSPORT_DATAGRAM,
					MBEDTLS_SSL_PRESET_DEFAULT) ||
	    mbedtls_ssl_config_defaults(&d->certified, MBEDTLS_SSL_IS_SERVER,
					MBEDTLS_SSL_TRANSPORT_DATAGRAM,
					MBEDTLS_SSL_PRESET_DEFAULT) ||
	    mbedtls_ssl_cookie_setup(&d->cookie, mbedtls_ctr_drbg_random, &d->random) ||
	    net_tickets_new(&d->random, &d->tickets)) {
		net_dtls_done(d);
		return ERR_CRYPTO;
	}
	configure(d);
	return 0;
}

uint64_t net_dtls_print(const struct net_hash_key *key)
{
	/* The length of our connection IDs is how records are read. */
	const struct net_hash_key next = {key->k0 + NET_CID + MTU,
					  net_hash(key, groups, sizeof(groups))};

	return net_hash(&next, cipher_suites, sizeof(cipher_suites));
}

void net_dtls_done(struct net_dtls *d)
{
	mbedtls_ssl_cookie_free(&d->cookie);
	mbedtls_ssl_config_free(&d->conf);
	mbedtls_ssl_config_free(&d->certified);
	net_tickets_free(d->tickets);
	mbedtls_ctr_drbg_free(&d->random);
	mbedtls_entropy_free(&d->entropy);
	mbedtls_platform_zeroize(d->secret, sizeof(d->secret));
}

int net_dtls_random(struct net_dtls *d, void *dst, size_t len)
{
	return mbedtls_ctr_drbg_random(&d->random, dst, len) ? ERR_CRYPTO : 0;
}

bool net_dtls_cookie_valid(struct net_dtls *d, struct bytes client, struct bytes cookie)
{
	return cookie.len && mbedtls_ssl_cookie_check(&d->cookie, cookie.ptr, cookie.len,
						      client.ptr, client.len) == 0;
}

size_t net_dtls_cookie_make(struct net_dtls *d, struct bytes client, uint8_t *dst, size_t cap)
{
	unsigned char *end = dst;

	if (mbedtls_ssl_cookie_write(&d->cookie, &end, dst + cap, client.ptr, client.len))
		return 0;
	return (size_t)(end - dst);
}

/* ---- one session ---- */

static int send_record(void *ctx, const unsigned char *data, size_t len)
{
	struct net_tls *tls = ctx;

	tls->spoke = true;
	if (tls->mute)
		return (int)len;
	if (tls->step)
		return net_step_send(tls->step, data, len);
	tls->dtls->ops->send(tls->peer, (struct bytes){data, len});
	return (int)len;
}

static int receive_datagram(void *ctx, unsigned char *dst, size_t cap)
{
	struct net_tls *tls = ctx;
	struct bytes in;

	if (tls->step)
		return net_step_receive(tls->step, dst, cap);
	in = tls->dtls->in;
	if (in.len == 0)
		return MBEDTLS_ERR_SSL_WANT_READ;
	tls->dtls->in.len = 0;
	if (in.len > cap)
		return MBEDTLS_ERR_SSL_WANT_READ;
	memcpy(dst, in.ptr, in.len);
	return (int)in.len;
}

static void timer_fired(struct net_timer *timer, void *ctx)
{
	struct net_tls *tls = LIST_ENTRY(timer, struct net_tls, timer);

	(void)ctx;
	tls->dtls->ops->timer(tls->peer);
}

static int64_t now_of(const struct net_tls *tls)
{
	return tls->step ? tls->step->now_ms : tls->dtls->timers->now_ms;
}

static void timer_set(void *ctx, uint32_t intermediate_ms, uint32_t final_ms)
{
	struct net_tls *tls = ctx;
	int64_t now = now_of(tls);

	tls->timer_set = final_ms != 0;
	if (!tls->timer_set) {
		/* at its end or after it it was no answer; our last flight gets none */
		if (tls->flight_ms >= 0 && now < tls->final_ms && !tls->rtt_ms)
			tls->rtt_ms = (uint32_t)(now - tls->flight_ms);
		tls->flight_ms = FLIGHT_NONE;
		if (!tls->step)
			net_tls_timer_restore(tls);
		return;
	}
	/* set twice for each flight, and again when it is repeated: with twice the time for our own
	 * reasons, with the same for the peer's */
	if (final_ms != RETRANSMIT_FIRST_MS ||
	    (tls->flight_ms != FLIGHT_NONE && tls->flight_ms != now))
		tls->flight_ms = FLIGHT_AGAIN;
	else
		tls->flight_ms = now;
	tls->intermediate_ms = now + intermediate_ms;
	tls->final_ms = now + final_ms;
	if (!tls->step)
		net_tls_timer_restore(tls);
}

void net_tls_timer_restore(struct net_tls *tls)
{
	if (tls->timer_set)
		net_timer_arm(tls->dtls->timers, &tls->timer, tls->final_ms, timer_fired);
	else
		net_timer_disarm(tls->dtls->timers, &tls->timer);
}

static int timer_get(void *ctx)
{
	struct net_tls *tls = ctx;
	int64_t now = now_of(tls);

	if (!tls->timer_set)
		return -1;
	if (now >= tls->final_ms)
		return 2;
	return now >= tls->intermediate_ms ? 1 : 0;
}

struct net_tls *net_tls_new(struct net_dtls *d, struct net_peer *peer, bool certified)
{
	struct net_tls *tls = calloc(1, sizeof(*tls));

	if (!tls)
		return NULL;
	tls->dtls = d;
	tls->peer = peer;
	tls->flight_ms = FLIGHT_NONE;
	mbedtls_ssl_init(&tls->ssl);
	if (mbedtls_ssl_setup(&tls->ssl, certified ? &d->certified : &d->conf)) {
		net_tls_free(tls);
		return NULL;
	}
	mbedtls_ssl_set_mtu(&tls->ssl, MTU);
	mbedtls_ssl_set_user_data_p(&tls->ssl, tls);
	mbedtls_ssl_set_bio(&tls->ssl, tls, send_record, receive_datagram, NULL);
	mbedtls_ssl_set_timer_cb(&tls->ssl, tls, timer_set, timer_get);
	return tls;
}

void net_tls_free(struct net_tls *tls)
{
	if (!tls)
		return;
	net_timer_disarm(tls->dtls->timers, &tls->timer);
	if (tls->step && !net_step_free(tls->step))
		return;
	mbedtls_ssl_free(&tls->ssl);
	free(tls->identity);
	free(tls);
}

int net_tls_offer_cid(struct net_tls *tls, const uint8_t *cid)
{
	return mbedtls_ssl_set_cid(&tls->ssl, MBEDTLS_SSL_CID_ENABLED, cid, NET_CID) ? ERR_CRYPTO
										     : 0;
}

bool net_tls_has_cid(struct net_tls *tls)
{
	int enabled = MBEDTLS_SSL_CID_DISABLED;

	/* Ours is never empty: it is in use if both spoke of it, whatever the client's is. */
	return mbedtls_ssl_get_peer_cid(&tls->ssl, &enabled, NULL, NULL) == 0 &&
	       enabled == MBEDTLS_SSL_CID_ENABLED;
}

void net_dtls_feed(struct net_dtls *d, struct bytes datagram)
{
	d->in = datagram;
}

enum net_tls_result net_tls_handshake(struct net_tls *tls)
{
	net_tickets_for(tls->step);

	int ret = mbedtls_ssl_handshake(&tls->ssl);

	if (tls->step)
		tls->step->error = ret;
	if (ret == 0)
		return NET_TLS_DONE;
	tls->peer_ended = ret == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE;
	return ret == MBEDTLS_ERR_SSL_WANT_READ || ret == MBEDTLS_ERR_SSL_WANT_WRITE
		       ? NET_TLS_MORE
		       : NET_TLS_FAILED;
}

enum net_tls_result net_tls_read(struct net_tls *tls, uint8_t *dst, size_t cap, size_t *ret_len)
{
	int ret = mbedtls_ssl_read(&tls->ssl, dst, cap);

	if (ret >= 0) { /* 0: an empty record; there is no end of file on a datagram socket */
		*ret_len = (size_t)ret;
		return NET_TLS_DONE;
	}
	if (ret == MBEDTLS_ERR_SSL_WANT_READ || ret == MBEDTLS_ERR_SSL_WANT_WRITE)
		return NET_TLS_MORE;
	return ret == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY ? NET_TLS_CLOSED : NET_TLS_FAILED;
}

bool net_tls_more(const struct net_tls *tls)
{
	return tls->dtls->in.len > 0 || mbedtls_ssl_check_pending(&tls->ssl);
}

int net_tls_write(struct net_tls *tls, struct bytes message)
{
	int ret = mbedtls_ssl_write(&tls->ssl, message.ptr, message.len);

	if (ret == MBEDTLS_ERR_SSL_BAD_INPUT_DATA)
		return ERR_LIMIT;
	return ret == (int)message.len ? 0 : ERR_CRYPTO;
}

void net_tls_close_notify(struct net_tls *tls)
{
	(void)mbedtls_ssl_close_notify(&tls->ssl);
}

void net_tls_refuse(struct net_tls *tls, uint8_t alert)
{
	(void)mbedtls_ssl_send_alert_message(&tls->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL, alert);
	tls->mute = true;
}

size_t net_tls_message_max(const struct net_tls *tls)
{
	int max = mbedtls_ssl_get_max_out_record_payload(&tls->ssl);

	return max > 0 ? (size_t)max : 0;
}

/* ---- hibernation ---- */

int net_tls_saved_len(struct net_tls *tls, size_t *ret_len)
{
	size_t len = 0;

	if (mbedtls_ssl_context_save(&tls->ssl, NULL, 0, &len) != MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL)
		return ERR_BUSY;
	*ret_len = len;
	return 0;
}

int net_tls_save(struct net_tls *tls, uint8_t *dst, size_t len, bool *ret_usable)
{
	size_t written = 0;
	int ret = mbedtls_ssl_context_save(&tls->ssl, dst, len, &written);

	/* The last thing it does is to reset the context, which needs memory: dst is complete. */
	if (ret && ret != MBEDTLS_ERR_SSL_ALLOC_FAILED)
		return ERR_BUSY;
	*ret_usable = ret == 0;
	return 0;
}

int net_tls_load(struct net_tls *tls, struct bytes saved)
{
	switch (mbedtls_ssl_context_load(&tls->ssl, saved.ptr, saved.len)) {
	case 0:
		return 0;
	case MBEDTLS_ERR_SSL_ALLOC_FAILED:
		return ERR_NOMEM;
	case MBEDTLS_ERR_SSL_VERSION_MISMATCH:
		return ERR_VERSION;
	default:
		return ERR_CORRUPT;
	}
}

bool net_tls_genuine(const struct net_tls *tls, struct bytes datagram, uint8_t *scratch, size_t cap)
{
	if (datagram.len > cap)
		return false;
	memcpy(scratch, datagram.ptr, datagram.len);
	return mbedtls_ssl_check_record(&tls->ssl, scratch, datagram.len) == 0;
}

int net_tls_reset(struct net_tls *tls)
{
	return mbedtls_ssl_session_reset(&tls->ssl) ? ERR_NOMEM : 0;
}
