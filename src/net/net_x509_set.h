/* SPDX-License-Identifier: Apache-2.0
 *
 * A set of certificates from inside, for the files net_x509*.c; nobody else includes it.
 */
#ifndef NET_NET_X509_SET_H
#define NET_NET_X509_SET_H

#include "net/net_x509.h"

enum { NET_X509_PRINT = 32 };

struct net_x509_trust {
	int64_t product;
	uint64_t anchor; /* print of a certificate in its bundle */
};

struct net_x509 {
	unsigned references;
	mbedtls_x509_crt own; /* and what it was signed with */
	mbedtls_pk_context key;
	struct net_x509_info info;
	uint8_t print[NET_X509_PRINT];
	mbedtls_x509_crt anchors; /* of all products, each once */
	uint64_t *revoked;	  /* prints of certificates, rising */
	struct net_x509_trust *trusts;
	size_t trust_count;
};

/* Every certificate of a chain. */
extern const mbedtls_x509_crt_profile net_x509_profile;

/* One of the set with the same bytes; NULL. */
const mbedtls_x509_crt *net_x509_anchor_find(const struct net_x509 *x, const mbedtls_x509_crt *crt);
int64_t net_x509_wall_ms(const mbedtls_x509_time *t);
/* The same for the same bytes, and (RFC 5280 4.1.2.2) for the same issuer and serial number. Never
 * 0. */
uint64_t net_x509_bytes_print(const mbedtls_x509_buf *bytes);
uint64_t net_x509_number_print(const mbedtls_x509_buf *issuer, const mbedtls_x509_buf *serial);
int net_x509_by_print(const void *a, const void *b); /* for qsort */
bool net_x509_is_revoked(const struct net_x509 *x, uint64_t number_print);

#endif
