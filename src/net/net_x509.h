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

/* What a handshake has found out about the certificate of the device. */
struct net_x509_proof {
	const struct net_x509 *set;
	const mbedtls_x509_crt *anchor; /* of the set; NULL: none signed it */
	uint64_t print;			/* of the device's certificate */
	int64_t until_ms;		/* wall; when the first certificate of the chain ends */
	enum net_refused refused;	/* what was wrong first, NET_REFUSED_NONE: nothing */
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
/* Whether the anchor of the proof stands in the bundle of that product. */
bool net_x509_trusts(const struct net_x509_proof *proof, int64_t product);
/* Which one the proof's anchor is, and back. Sets with the same print have the same numbers; the
 * print is of CAs and lists of revoked ones. */
unsigned net_x509_anchor_number(const struct net_x509_proof *proof);
const mbedtls_x509_crt *net_x509_anchor(const struct net_x509 *x, unsigned number);
struct bytes net_x509_print(const struct net_x509 *x);
bool net_x509_is_revoked(const struct net_x509 *x, uint64_t print);
/* Who the certificate says its device is: false if it names none, or several. */
bool net_x509_name(const mbedtls_x509_crt *crt, char id[LIMIT_DEVICE_ID + 1]);
/* The device's certificate is not needed any more: some 1.5 KiB. */
void net_x509_forget_peer(mbedtls_ssl_context *ssl);

/* Whether a ClientHello with these cipher suites can only be served with a certificate. */
bool net_x509_wanted(struct bytes suites);

#endif
