/* SPDX-License-Identifier: Apache-2.0 */
#include "net/net_x509_set.h"

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/platform.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/sha256.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

/* Every certificate of a chain. P-256 alone: a stranger chooses what we have to verify, and some
 * curves take ten times as long. */
const mbedtls_x509_crt_profile net_x509_profile = {
	.allowed_mds = MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA256) |
		       MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA384) |
		       MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA512),
	.allowed_pks =
		MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_ECKEY) | MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_ECDSA),
	.allowed_curves = MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP256R1),
	.rsa_min_bitlen = 0,
};

static const char *const refused_words[] = {
#define REFUSED_WORD(name, word, help) word,
	NET_REFUSED_LIST(REFUSED_WORD)
#undef REFUSED_WORD
};

const char *net_refused_name(enum net_refused why)
{
	return refused_words[why];
}

/* ---- making a set ---- */

static int __attribute__((format(printf, 4, 5)))
fail(struct net_x509_fault *f, enum net_x509_part part, int64_t product, const char *fmt, ...)
{
	va_list ap;

	f->part = part;
	f->product = product;
	va_start(ap, fmt);
	(void)vsnprintf(f->what, sizeof(f->what), fmt, ap);
	va_end(ap);
	return ERR_SYNTAX;
}

static int fail_mbedtls(struct net_x509_fault *f, enum net_x509_part part, int64_t product,
			const char *what, int code)
{
	char text[96];

	if (code == MBEDTLS_ERR_X509_ALLOC_FAILED) {
		(void)fail(f, part, product, "out of memory");
		return ERR_NOMEM;
	}
	mbedtls_strerror(code, text, sizeof(text));
	return fail(f, part, product, "%s: %s", what, text);
}

/* mbedTLS wants a NUL behind PEM. */
static uint8_t *with_nul(struct bytes text)
{
	uint8_t *copy = malloc(text.len + 1);

	if (!copy)
		return NULL;
	if (text.len)
		memcpy(copy, text.ptr, text.len);
	copy[text.len] = 0;
	return copy;
}

static bool is_p256(const mbedtls_x509_crt *crt)
{
	return mbedtls_pk_can_do(&crt->pk, MBEDTLS_PK_ECKEY) &&
	       mbedtls_ecp_keypair_get_group_id(mbedtls_pk_ec(crt->pk)) == MBEDTLS_ECP_DP_SECP256R1;
}

static int parse_chain(struct bytes text, mbedtls_x509_crt *chain, enum net_x509_part part,
		       int64_t product, struct net_x509_fault *f)
{
	uint8_t *copy = with_nul(text);
	int bad = copy ? mbedtls_x509_crt_parse(chain, copy, text.len + 1)
		       : MBEDTLS_ERR_X509_ALLOC_FAILED;
	unsigned count = 0;

	free(copy);
	if (bad > 0)
		return fail(f, part, product, "%d of its certificates cannot be read", bad);
	if (bad < 0)
		return fail_mbedtls(f, part, product, "no certificate", bad);
	for (const mbedtls_x509_crt *c = chain; c; c = c->next) {
		if (!is_p256(c))
			return fail(f, part, product,
				    "certificate %u has no ECDSA key on P-256 (prime256v1)",
				    count + 1);
		if (++count > LIMIT_CA_BUNDLE_CERTS)
			return fail(f, part, product, "more than %d certificates",
				    LIMIT_CA_BUNDLE_CERTS);
	}
	return 0;
}

int64_t net_x509_wall_ms(const mbedtls_x509_time *t)
{
	struct tm tm = {.tm_year = t->year - 1900,
			.tm_mon = t->mon - 1,
			.tm_mday = t->day,
			.tm_hour = t->hour,
			.tm_min = t->min,
			.tm_sec = t->sec};

	return (int64_t)timegm(&tm) * 1000;
}

static int own_take(struct net_x509 *x, const struct net_x509_conf *in, struct net_x509_fault *f)
{
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context random;
	int bad, err = parse_chain(in->certificate, &x->own, NET_X509_CERTIFICATE, 0, f);

	if (err)
		return err;
	x->info.not_before_ms = net_x509_wall_ms(&x->own.valid_from);
	x->info.not_after_ms = net_x509_wall_ms(&x->own.valid_to);
	uint8_t *copy = with_nul(in->key);
	if (!copy)
		return fail_mbedtls(f, NET_X509_KEY, 0, "", MBEDTLS_ERR_X509_ALLOC_FAILED);
	mbedtls_entropy_init(&entropy);
	mbedtls_ctr_drbg_init(&random);
	bad = mbedtls_ctr_drbg_seed(&random, mbedtls_entropy_func, &entropy, NULL, 0);
	if (!bad)
		bad = mbedtls_pk_parse_key(&x->key, copy, in->key.len + 1, NULL, 0,
					   mbedtls_ctr_drbg_random, &random);
	if (bad)
		err = fail_mbedtls(f, NET_X509_KEY, 0, "no private key", bad);
	else if (mbedtls_pk_check_pair(&x->own.pk, &x->key, mbedtls_ctr_drbg_random, &random))
		err = fail(f, NET_X509_KEY, 0, "it does not belong to the certificate");
	mbedtls_platform_zeroize(copy, in->key.len);
	free(copy);
	mbedtls_ctr_drbg_free(&random);
	mbedtls_entropy_free(&entropy);
	return err;
}

const mbedtls_x509_crt *net_x509_anchor_find(const struct net_x509 *x, const mbedtls_x509_crt *crt)
{
	for (const mbedtls_x509_crt *a = &x->anchors; a && a->raw.p; a = a->next)
		if (a->raw.len == crt->raw.len && memcmp(a->raw.p, crt->raw.p, a->raw.len) == 0)
			return a;
	return NULL;
}

static int anchor_take(struct net_x509 *x, int64_t product, const mbedtls_x509_crt *crt,
		       struct net_x509_fault *f)
{
	struct net_x509_trust *grown =
		reallocarray(x->trusts, x->trust_count + 1, sizeof(struct net_x509_trust));
	int bad = grown ? 0 : MBEDTLS_ERR_X509_ALLOC_FAILED;

	if (grown)
		x->trusts = grown;
	if (!bad && !net_x509_anchor_find(x, crt))
		bad = mbedtls_x509_crt_parse_der(&x->anchors, crt->raw.p, crt->raw.len);
	if (bad)
		return fail_mbedtls(f, NET_X509_BUNDLE, product, "", bad);
	x->trusts[x->trust_count++] = (struct net_x509_trust){
		.product = product, .anchor = net_x509_bytes_print(&crt->raw)};
	return 0;
}

static int bundle_take(struct net_x509 *x, const struct net_trust *t, struct net_x509_fault *f)
{
	mbedtls_x509_crt chain;
	int err;

	mbedtls_x509_crt_init(&chain);
	err = parse_chain(t->bundle, &chain, NET_X509_BUNDLE, t->product, f);
	for (const mbedtls_x509_crt *c = &chain; !err && c; c = c->next)
		err = anchor_take(x, t->product, c, f);
	mbedtls_x509_crt_free(&chain);
	return err;
}

/* Once, so that no handshake has to. */
static bool crl_signed_by(const mbedtls_x509_crl *crl, const mbedtls_x509_crt *ca)
{
	mbedtls_md_type_t type = crl->MBEDTLS_PRIVATE(sig_md);
	const mbedtls_md_info_t *md = mbedtls_md_info_from_type(type);
	mbedtls_pk_context *pk = (mbedtls_pk_context *)(uintptr_t)&ca->pk; /* it only reads */
	uint8_t hash[MBEDTLS_MD_MAX_SIZE];

	return crl->issuer_raw.len == ca->subject_raw.len &&
	       memcmp(crl->issuer_raw.p, ca->subject_raw.p, ca->subject_raw.len) == 0 && md &&
	       net_x509_profile.allowed_mds & MBEDTLS_X509_ID_FLAG(type) &&
	       mbedtls_x509_crt_check_key_usage(ca, MBEDTLS_X509_KU_CRL_SIGN) == 0 &&
	       mbedtls_md(md, crl->tbs.p, crl->tbs.len, hash) == 0 &&
	       mbedtls_pk_verify(pk, type, hash, mbedtls_md_get_size(md),
				 crl->MBEDTLS_PRIVATE(sig).p, crl->MBEDTLS_PRIVATE(sig).len) == 0;
}

/* There is room for all of them. */
static void crl_judge(struct net_x509 *x, const mbedtls_x509_crl *crl)
{
	const mbedtls_x509_crt *ca = &x->anchors;
	int64_t until_ms = net_x509_wall_ms(&crl->next_update);

	while (ca && !(ca->raw.p && crl_signed_by(crl, ca)))
		ca = ca->next;
	if (!ca) {
		x->info.crls_unknown++;
		return;
	}
	x->info.crls++;
	if (crl->next_update.year && (!x->info.crl_until_ms || until_ms < x->info.crl_until_ms))
		x->info.crl_until_ms = until_ms;
	for (const mbedtls_x509_crl_entry *e = &crl->entry; e && e->raw.p; e = e->next)
		x->revoked[x->info.revoked++] = net_x509_number_print(&crl->issuer_raw, &e->serial);
}

enum { DER = 0x30 }; /* how a list begins that is no PEM */

static int crl_take(struct net_x509 *x, struct bytes text, struct net_x509_fault *f)
{
	/* mbedTLS takes an empty line behind the last list for another one */
	while (text.len && text.ptr[0] != DER && strchr(" \t\r\n", text.ptr[text.len - 1]))
		text.len--;

	uint8_t *copy = with_nul(text);
	mbedtls_x509_crl crl;
	size_t count = 0;
	int bad = MBEDTLS_ERR_X509_ALLOC_FAILED;

	mbedtls_x509_crl_init(&crl);
	if (copy)
		bad = mbedtls_x509_crl_parse(&crl, copy, text.len + 1);
	free(copy);
	for (const mbedtls_x509_crl *c = &crl; !bad && c; c = c->next)
		for (const mbedtls_x509_crl_entry *e = &c->entry; e && e->raw.p; e = e->next)
			count++;
	x->revoked = calloc(count + 1, sizeof(*x->revoked));
	if (!bad && !x->revoked)
		bad = MBEDTLS_ERR_X509_ALLOC_FAILED;
	for (const mbedtls_x509_crl *c = &crl; !bad && c; c = c->next)
		crl_judge(x, c);
	if (!bad)
		qsort(x->revoked, x->info.revoked, sizeof(*x->revoked), net_x509_by_print);
	mbedtls_x509_crl_free(&crl);
	return bad ? fail_mbedtls(f, NET_X509_CRL, 0, "no list of revoked certificates", bad) : 0;
}

/* Of all that decides whom we believe. */
static int print_make(struct net_x509 *x, const struct net_x509_conf *in)
{
	mbedtls_sha256_context sha;
	int bad;

	mbedtls_sha256_init(&sha);
	bad = mbedtls_sha256_starts(&sha, 0);
	for (unsigned i = 0; !bad && i < in->trust_count; i++) {
		const struct net_trust *t = &in->trusts[i];
		uint64_t head[2] = {(uint64_t)t->product, t->bundle.len};

		bad = mbedtls_sha256_update(&sha, (const uint8_t *)head, sizeof(head));
		if (!bad)
			bad = mbedtls_sha256_update(&sha, t->bundle.ptr, t->bundle.len);
	}
	if (!bad && in->crl.len)
		bad = mbedtls_sha256_update(&sha, in->crl.ptr, in->crl.len);
	if (!bad)
		bad = mbedtls_sha256_finish(&sha, x->print);
	mbedtls_sha256_free(&sha);
	return bad ? ERR_CRYPTO : 0;
}

int net_x509_new(const struct net_x509_conf *in, struct net_x509 **ret_x,
		 struct net_x509_fault *ret_fault)
{
	struct net_x509 *x = calloc(1, sizeof(*x));
	int err;

	if (!x)
		return fail_mbedtls(ret_fault, NET_X509_CERTIFICATE, 0, "",
				    MBEDTLS_ERR_X509_ALLOC_FAILED);
	x->references = 1;
	mbedtls_x509_crt_init(&x->own);
	mbedtls_x509_crt_init(&x->anchors);
	mbedtls_pk_init(&x->key);
	err = print_make(x, in);
	if (err)
		(void)fail(ret_fault, NET_X509_CERTIFICATE, 0, "no hash could be computed");
	else
		err = own_take(x, in, ret_fault);
	for (unsigned i = 0; !err && i < in->trust_count; i++)
		err = bundle_take(x, &in->trusts[i], ret_fault);
	if (!err && in->crl.len)
		err = crl_take(x, in->crl, ret_fault); /* after those who sign it */
	if (err) {
		net_x509_unref(x);
		return err;
	}
	*ret_x = x;
	return 0;
}

int net_x509_check_bundle(struct bytes bundle, unsigned *ret_count,
			  struct net_x509_fault *ret_fault)
{
	mbedtls_x509_crt chain;
	unsigned count = 0;
	int err;

	mbedtls_x509_crt_init(&chain);
	err = parse_chain(bundle, &chain, NET_X509_BUNDLE, 0, ret_fault);
	for (const mbedtls_x509_crt *c = &chain; !err && c; c = c->next)
		count++;
	mbedtls_x509_crt_free(&chain);
	if (!err)
		*ret_count = count;
	return err;
}

void net_x509_info(const struct net_x509 *x, struct net_x509_info *ret)
{
	*ret = x->info;
}

struct net_x509 *net_x509_ref(struct net_x509 *x)
{
	if (x)
		x->references++;
	return x;
}

void net_x509_unref(struct net_x509 *x)
{
	if (!x || --x->references > 0)
		return;
	mbedtls_x509_crt_free(&x->own);
	mbedtls_x509_crt_free(&x->anchors);
	free(x->revoked);
	mbedtls_pk_free(&x->key);
	free(x->trusts);
	free(x);
}

void net_x509_free(struct net_x509 *x)
{
	net_x509_unref(x);
}

struct bytes net_x509_print(const struct net_x509 *x)
{
	return (struct bytes){x->print, sizeof(x->print)};
}
