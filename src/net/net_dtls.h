/* SPDX-License-Identifier: Apache-2.0
 *
 * mbedTLS: one shared configuration, a context per session, cookies, PSK lookup. Records come
 * and go through memory; sockets are elsewhere. Everything runs on the loop's thread, but for
 * handshakes with certificates (net_step.h).
 */
#ifndef NET_NET_DTLS_H
#define NET_NET_DTLS_H

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_cookie.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "net/net.h"
#include "net/net_hash.h"
#include "net/net_hello.h"
#include "net/net_timer.h"

struct net_dtls {
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context random;
	mbedtls_ssl_config conf;      /* with keys */
	mbedtls_ssl_config certified; /* with certificates: net_x509.h */
	struct net_tickets *tickets;
	mbedtls_ssl_cookie_ctx cookie;
	uint8_t secret[32]; /* keys of unknown identities */
	struct bytes in;    /* the datagram that the next receive call gets */
	const struct net_dtls_ops *ops;
	struct net_timers *timers;
};

/* What DTLS needs from the peer it belongs to. */
struct net_dtls_ops {
	size_t (*psk)(struct net_peer *peer, struct net_claim *claim, uint8_t *key, size_t cap);
	void (*send)(struct net_peer *peer, struct bytes datagram);
	void (*timer)(struct net_peer *peer); /* time to retransmit a handshake flight */
};

/* The DTLS state of one live session; one that hibernates has none (net_sleep.h). */
struct net_tls {
	mbedtls_ssl_context ssl;
	struct net_dtls *dtls;
	struct net_peer *peer;
	struct net_timer timer;
	int64_t intermediate_ms; /* mbedTLS's first deadline; the timer has the final one */
	bool timer_set;
	int64_t flight_ms; /* when our flight went out; negative: see net_dtls.c */
	uint32_t rtt_ms;   /* what its answer took; 0: unknown */
	bool spoke;	   /* the ClientHello is whole */
	struct net_hello_window hello;
	uint64_t hello_print; /* of the ClientHello random, to know its repetition */
	bool mute;	      /* sends nothing any more, not even an alert */
	bool peer_ended;      /* by its alert */
	uint8_t *identity;    /* offered; proven once the handshake is over */
	size_t identity_len;
	bool key_given; /* a real one */
	uint64_t key_tag;
	int64_t final_ms;      /* of the timer */
	struct net_step *step; /* of a handshake with certificates; NULL: all is on the loop */
};

enum net_tls_result {
	NET_TLS_MORE,	/* wants another datagram */
	NET_TLS_DONE,	/* handshake over, or a message read */
	NET_TLS_CLOSED, /* close_notify */
	NET_TLS_FAILED,
};

int net_dtls_init(struct net_dtls *d, const struct net_dtls_ops *ops,
		  struct net_timers *timers) ERR_CHECK;
void net_dtls_done(struct net_dtls *d);
/* Of all that a saved session rests on beside mbedTLS itself. */
uint64_t net_dtls_print(const struct net_hash_key *key);
int net_dtls_random(struct net_dtls *d, void *dst, size_t len) ERR_CHECK;

/* Stateless cookies over whatever identifies the client (its address). */
bool net_dtls_cookie_valid(struct net_dtls *d, struct bytes client, struct bytes cookie);
size_t net_dtls_cookie_make(struct net_dtls *d, struct bytes client, uint8_t *dst, size_t cap);

struct net_tls *net_tls_new(struct net_dtls *d, struct net_peer *peer, bool certified);
/* One that a thread has goes when that gives it back. */
void net_tls_free(struct net_tls *tls);
/* What a step has set takes effect. */
void net_tls_timer_restore(struct net_tls *tls);
/* A fatal alert; nothing is sent after it. */
void net_tls_refuse(struct net_tls *tls, uint8_t alert);
/* Before the handshake: the connection ID (NET_CID bytes) for a client that can have one. */
int net_tls_offer_cid(struct net_tls *tls, const uint8_t *cid) ERR_CHECK;
/* After it: the client took it. */
bool net_tls_has_cid(struct net_tls *tls);

/* The datagram that the following calls consume; copied by them, so borrowed until then. */
void net_dtls_feed(struct net_dtls *d, struct bytes datagram);
enum net_tls_result net_tls_handshake(struct net_tls *tls);
enum net_tls_result net_tls_read(struct net_tls *tls, uint8_t *dst, size_t cap, size_t *ret_len);
/* Whether reading again could bring anything: saves a round through mbedTLS per message. */
bool net_tls_more(const struct net_tls *tls);
int net_tls_write(struct net_tls *tls, struct bytes message) ERR_CHECK;
void net_tls_close_notify(struct net_tls *tls);

/* ---- hibernation ---- */

/* How long its saved state will be; ERR_BUSY: it cannot be saved now, as a flight of the handshake
 * may still have to be repeated. */
int net_tls_saved_len(struct net_tls *tls, size_t *ret_len) ERR_CHECK;
/* The session is in `dst` afterwards, and no longer in the context, which is as new; ret_usable
 * false: it can only be freed. On failure the session is where it was. */
int net_tls_save(struct net_tls *tls, uint8_t *dst, size_t len, bool *ret_usable) ERR_CHECK;
/* Into a context as new. On failure it can only be freed. */
int net_tls_load(struct net_tls *tls, struct bytes saved) ERR_CHECK;
/* Whether the first record of the datagram comes from the other side and was not seen before.
 * Changes nothing; `scratch` is wiped. */
bool net_tls_genuine(const struct net_tls *tls, struct bytes datagram, uint8_t *scratch,
		     size_t cap);
/* Makes it as new. On failure it can only be freed. */
int net_tls_reset(struct net_tls *tls) ERR_CHECK;

/* Largest message that fits one record, after the handshake. */
size_t net_tls_message_max(const struct net_tls *tls);

#endif
