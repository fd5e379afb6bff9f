/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates (X.509, RFC 5280): the server's own, whom those of devices are believed from, and
 * what one of a device says. A set of them never changes once it is made: a handshake holds a
 * reference to the one it began with, so that another set can take its place at any time.
 *
 * References are counted on the loop's thread. All else here only reads the set, and may run on
 * the threads of the pool.
 */
#ifndef NET_NET_X509_H
#define NET_NET_X509_H

#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crl.h>
#include <mbedtls/x509_crt.h>

#include "net/net.h"

/* What a session with a certificate rests on. It is kept with the session, awake or not, and goes
 * with it to the next process, so that both can judge again whether it is still to be believed. */
struct net_x509_mark {
	int64_t product;  /* in whose bundle the anchor stood; 0: nobody has asked */
	int64_t until_ms; /* wall; when the first certificate of the chain ends */
	uint64_t anchor;  /* print of its bytes; 0: none signed it */
	/* prints of issuer and number: the device's own, then who signed it; 0: no more */
	uint64_t chain[LIMIT_CERTIFICATE_DEPTH + 1];
};
enum { NET_X509_MARK = 8 * (3 + LIMIT_CERTIFICATE_DEPTH + 1) }; /* bytes, put */

/* What the set says of it now: NET_REFUSED_NONE, or REVOKED, UNKNOWN_CA (also without a set),
 * OTHER_PRODUCT, EXPIRED. */
enum net_refused net_x509_judge(const struct net_x509 *x, const struct net_x509_mark *mark,
				int64_t wall_ms);
void net_x509_mark_put(struct buf *w, const struct net_x509_mark *mark);
void net_x509_mark_get(struct buf *r, struct net_x509_mark *ret);

/* What a handshake has found out about the certificate of the device. */
struct net_x509_proof {
	const struct net_x509 *set;
	struct net_x509_mark mark;
	enum net_refused refused; /* what was wrong first, NET_REFUSED_NONE: nothing */
	char identity[LIMIT_DEVICE_ID + 1];
};

struct net_x509 *net_x509_ref(struct net_x509 *x); /* NULL is fine */
void net_x509_unref(struct net_x509 *x);	   /* NULL is fine */

/* Settings of the configuration that certificate handshakes share; besides those of all. */
void net_x509_configure(mbedtls_ssl_config *conf);
/* For the handshake of `ssl`: own certificate, anchors, and the proof that it fills. */
int net_x509_begin(const struct net_x509 *x, mbedtls_ssl_context *ssl) ERR_CHECK;
void net_x509_watch(mbedtls_ssl_context *ssl, struct net_x509_proof *proof);
/* Why it failed, from what was found and what mbedTLS says. */
enum net_refused net_x509_why(const mbedtls_ssl_context *ssl, const struct net_x509_proof *proof,
			      int mbedtls_error);
/* The same for the same CAs and lists of revoked ones. */
struct bytes net_x509_print(const struct net_x509 *x);
/* Who the certificate says its device is: false if it names none, or several. */
bool net_x509_name(const mbedtls_x509_crt *crt, char id[LIMIT_DEVICE_ID + 1]);
/* The device's certificate is not needed any more: some 1.5 KiB. */
void net_x509_forget_peer(mbedtls_ssl_context *ssl);

/* Whether a ClientHello with these cipher suites can only be served with a certificate. */
bool net_x509_wanted(struct bytes suites);

#endif
