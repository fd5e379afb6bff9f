/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates made here, and mbedTLS clients that have them.
 */
#ifndef NET_IDS_H
#define NET_IDS_H

#include "net_client.h"

#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>

#include "net/net_internal.h"
#include "net/net_x509.h"

enum { PRODUCT = 7, PEM = 2048 };

/* A key and what a CA says of it. */
struct id {
	mbedtls_pk_context key;
	char cert[PEM], key_pem[PEM];
	mbedtls_x509_crt crt;
	bool is_ca;
};

static inline void key_make(struct rig *r, struct id *i)
{
	mbedtls_pk_init(&i->key);
	mbedtls_x509_crt_init(&i->crt);
	assert_int_equal(mbedtls_pk_setup(&i->key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)), 0);
	assert_int_equal(mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(i->key),
					     mbedtls_ctr_drbg_random, &r->random),
			 0);
	assert_int_equal(mbedtls_pk_write_key_pem(&i->key, (uint8_t *)i->key_pem, PEM), 0);
}

static inline void sign(struct rig *r, struct id *i, const char *name, const struct id *ca,
			const char *ca_name, const char *until)
{
	static uint8_t serial = 1;
	mbedtls_x509write_cert w;
	char subject[160], issuer[160];

	(void)snprintf(subject, sizeof(subject), "CN=%s", name);
	(void)snprintf(issuer, sizeof(issuer), "CN=%s", ca_name);
	serial++;
	mbedtls_x509write_crt_init(&w);
	mbedtls_x509write_crt_set_subject_key(&w, &i->key);
	mbedtls_x509write_crt_set_issuer_key(&w, (mbedtls_pk_context *)(uintptr_t)&ca->key);
	assert_int_equal(mbedtls_x509write_crt_set_subject_name(&w, subject), 0);
	assert_int_equal(mbedtls_x509write_crt_set_issuer_name(&w, issuer), 0);
	mbedtls_x509write_crt_set_md_alg(&w, MBEDTLS_MD_SHA256);
	assert_int_equal(mbedtls_x509write_crt_set_serial_raw(&w, &serial, 1), 0);
	assert_int_equal(mbedtls_x509write_crt_set_validity(&w, "20200101000000", until), 0);
	if (i == ca || i->is_ca)
		assert_int_equal(mbedtls_x509write_crt_set_basic_constraints(&w, 1, -1), 0);
	assert_int_equal(mbedtls_x509write_crt_pem(&w, (uint8_t *)i->cert, PEM,
						   mbedtls_ctr_drbg_random, &r->random),
			 0);
	mbedtls_x509write_crt_free(&w);
	assert_int_equal(
		mbedtls_x509_crt_parse(&i->crt, (const uint8_t *)i->cert, strlen(i->cert) + 1), 0);
}

static inline void id_free(struct id *i)
{
	mbedtls_pk_free(&i->key);
	mbedtls_x509_crt_free(&i->crt);
}

struct world {
	struct rig *r;
	struct id ca, server, device;
	const char *chain; /* PEM in the place of the server's certificate alone */
};

static inline struct bytes text(const char *s)
{
	return (struct bytes){(const uint8_t *)s, strlen(s)};
}

static inline int set_new(const struct world *w, int64_t product, struct net_x509 **ret)
{
	const struct net_trust trust = {product, text(w->ca.cert)};
	const char *own = w->chain ? w->chain : w->server.cert;
	const struct net_x509_conf conf = {.certificate = text(own),
					   .key = text(w->server.key_pem),
					   .trusts = &trust,
					   .trust_count = 1};
	struct net_x509_fault fault;

	return net_x509_new(&conf, ret, &fault);
}

static inline void set_take(const struct world *w, int64_t product)
{
	struct net_x509 *x;

	assert_int_equal(set_new(w, product, &x), 0);
	assert_int_equal(net_x509_set_take(w->r->net, x), 0);
}

static inline struct world world_new(void)
{
	struct world w = {.r = rig_new(plain_conf, "127.0.0.1", true)};

	key_make(w.r, &w.ca);
	key_make(w.r, &w.server);
	key_make(w.r, &w.device);
	sign(w.r, &w.ca, "CA", &w.ca, "CA", "20991231235959");
	sign(w.r, &w.server, "server", &w.ca, "CA", "20991231235959");
	sign(w.r, &w.device, "device-1", &w.ca, "CA", "20991231235959");
	set_take(&w, PRODUCT);
	return w;
}

static inline void world_free(struct world *w)
{
	id_free(&w->ca);
	id_free(&w->server);
	id_free(&w->device);
	rig_free(w->r);
}

static inline struct client *certified(const struct world *w, const struct id *who)
{
	struct client *c =
		client_new(w->r, "x", rig_key, MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8, NULL);

	mbedtls_ssl_conf_authmode(&c->conf, MBEDTLS_SSL_VERIFY_REQUIRED);
	mbedtls_ssl_conf_ca_chain(&c->conf, (mbedtls_x509_crt *)(uintptr_t)&w->ca.crt, NULL);
	assert_int_equal(mbedtls_ssl_conf_own_cert(&c->conf,
						   (mbedtls_x509_crt *)(uintptr_t)&who->crt,
						   (mbedtls_pk_context *)(uintptr_t)&who->key),
			 0);
	client_start(c);
	assert_int_equal(mbedtls_ssl_set_hostname(&c->ssl, NULL), 0);
	return c;
}

/* Threads do the work: as long as it takes, and not for ever. */
static inline int shake(struct client *c)
{
	int64_t end = now_ms() + 60000;
	int ret;

	do {
		ret = mbedtls_ssl_handshake(&c->ssl);
		rig_turn(c->rig);
		(void)usleep(500);
	} while (ret == MBEDTLS_ERR_SSL_WANT_READ && now_ms() < end);
	return ret;
}

static inline void wait_ups(struct rig *r, unsigned ups)
{
	for (int64_t end = now_ms() + 60000; r->ups < ups && now_ms() < end;) {
		rig_turn(r);
		(void)usleep(500);
	}
	assert_int_equal(r->ups, ups);
}

#endif
