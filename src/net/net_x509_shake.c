/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates in one handshake.
 */
#include <mbedtls/platform.h>

#include "base/clock.h"
#include "net/net_x509_set.h"

/* In the server's order of preference; ECDHE with P-256 or X25519. */
static const int cipher_suites[] = {
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8,
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CCM,
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	0,
};

static const uint16_t signatures[] = {
	MBEDTLS_TLS1_3_SIG_ECDSA_SECP256R1_SHA256, /* RFC 5246 7.4.1.4.1: ecdsa, sha256 */
	MBEDTLS_TLS1_3_SIG_NONE,
};

void net_x509_configure(mbedtls_ssl_config *conf)
{
	mbedtls_ssl_conf_ciphersuites(conf, cipher_suites);
	mbedtls_ssl_conf_sig_algs(conf, signatures);
	mbedtls_ssl_conf_cert_profile(conf, &net_x509_profile);
	mbedtls_ssl_conf_authmode(conf, MBEDTLS_SSL_VERIFY_REQUIRED);
	/* whose devices we serve is nobody's business */
	mbedtls_ssl_conf_cert_req_ca_list(conf, MBEDTLS_SSL_CERT_REQ_CA_LIST_DISABLED);
}

int net_x509_begin(const struct net_x509 *x, mbedtls_ssl_context *ssl)
{
	/* mbedTLS has no const here; it only reads. */
	struct net_x509 *set = (struct net_x509 *)(uintptr_t)x;

	mbedtls_ssl_set_hs_ca_chain(ssl, &set->anchors, NULL);
	return mbedtls_ssl_set_hs_own_cert(ssl, &set->own, &set->key) ? ERR_NOMEM : 0;
}

static enum net_refused why_flags(const struct net_x509 *set, uint32_t flags)
{
	if (flags & MBEDTLS_X509_BADCERT_REVOKED)
		return NET_REFUSED_REVOKED;
	if (flags & (MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_PK |
		     MBEDTLS_X509_BADCERT_BAD_KEY | MBEDTLS_X509_BADCERT_KEY_USAGE |
		     MBEDTLS_X509_BADCERT_EXT_KEY_USAGE | MBEDTLS_X509_BADCERT_NS_CERT_TYPE))
		return NET_REFUSED_UNSUPPORTED;
	if (flags & MBEDTLS_X509_BADCERT_MISSING)
		return NET_REFUSED_MISSING;
	if (flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED)
		return NET_REFUSED_UNKNOWN_CA;
	if (flags & MBEDTLS_X509_BADCERT_EXPIRED)
		return NET_REFUSED_EXPIRED;
	if (flags & MBEDTLS_X509_BADCERT_FUTURE)
		return clock_read().wall_ms < set->info.not_before_ms ? NET_REFUSED_SERVER_CLOCK
								      : NET_REFUSED_NOT_YET_VALID;
	return NET_REFUSED_MALFORMED;
}

/* From the top of the chain, which is the anchor if there is one, to the device's own. */
static int on_certificate(void *ctx, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
	struct net_x509_proof *proof = ctx;
	struct net_x509_mark *mark = &proof->mark;
	uint64_t print = net_x509_number_print(&crt->issuer_raw, &crt->serial);
	int64_t until_ms = net_x509_wall_ms(&crt->valid_to);

	if (!mark->anchor && !(*flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) &&
	    net_x509_anchor_find(proof->set, crt))
		mark->anchor = net_x509_bytes_print(&crt->raw);
	if (net_x509_is_revoked(proof->set, print))
		*flags |= MBEDTLS_X509_BADCERT_REVOKED;
	if (!mark->until_ms || until_ms < mark->until_ms)
		mark->until_ms = until_ms;
	if (depth > LIMIT_CERTIFICATE_DEPTH)
		*flags |= MBEDTLS_X509_BADCERT_NOT_TRUSTED;
	else
		mark->chain[depth] = print;
	if (depth == 0 && !net_x509_name(crt, proof->identity)) {
		if (*flags == 0)
			proof->refused = NET_REFUSED_IDENTITY;
		*flags |= MBEDTLS_X509_BADCERT_OTHER;
	}
	return 0;
}

void net_x509_watch(mbedtls_ssl_context *ssl, struct net_x509_proof *proof)
{
	mbedtls_ssl_set_verify(ssl, on_certificate, proof);
}

enum net_refused net_x509_why(const mbedtls_ssl_context *ssl, const struct net_x509_proof *proof,
			      int mbedtls_error)
{
	uint32_t flags;

	if (proof->refused != NET_REFUSED_NONE)
		return proof->refused;
	switch (mbedtls_error) {
	case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE:
		return NET_REFUSED_BY_DEVICE;
	case MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE:
		return NET_REFUSED_MISSING;
	case MBEDTLS_ERR_X509_CERT_VERIFY_FAILED:
	case MBEDTLS_ERR_SSL_BAD_CERTIFICATE:
		flags = mbedtls_ssl_get_verify_result(ssl);
		return flags == 0 || flags == UINT32_MAX ? NET_REFUSED_MALFORMED
							 : why_flags(proof->set, flags);
	default:
		return NET_REFUSED_MALFORMED;
	}
}

void net_x509_forget_peer(mbedtls_ssl_context *ssl)
{
	mbedtls_ssl_session *session = ssl->MBEDTLS_PRIVATE(session);

	if (!session || !session->MBEDTLS_PRIVATE(peer_cert))
		return;
	mbedtls_x509_crt_free(session->MBEDTLS_PRIVATE(peer_cert));
	mbedtls_free(session->MBEDTLS_PRIVATE(peer_cert));
	session->MBEDTLS_PRIVATE(peer_cert) = NULL;
}

static bool is_key_suite(unsigned suite)
{
	return suite == MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8 ||
	       suite == MBEDTLS_TLS_PSK_WITH_AES_128_CCM ||
	       suite == MBEDTLS_TLS_PSK_WITH_AES_128_GCM_SHA256 ||
	       suite == MBEDTLS_TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256;
}

bool net_x509_wanted(struct bytes suites)
{
	bool wanted = false;

	for (size_t at = 0; at + 1 < suites.len; at += 2) {
		unsigned suite = (unsigned)suites.ptr[at] << 8 | suites.ptr[at + 1];

		if (is_key_suite(suite)) /* those come first */
			return false;
		for (const int *s = cipher_suites; *s; s++)
			wanted = wanted || (int)suite == *s;
	}
	return wanted;
}
