/* SPDX-License-Identifier: Apache-2.0
 *
 * Is a session with a certificate still to be believed?
 */
#include <mbedtls/sha256.h>
#include <stdlib.h>
#include <string.h>

#include "net/net_x509_set.h"

static uint64_t print_of(const mbedtls_x509_buf *one, const mbedtls_x509_buf *two)
{
	mbedtls_sha256_context sha;
	uint8_t hash[32] = {0};
	uint64_t print;

	mbedtls_sha256_init(&sha); /* in memory it does not fail */
	if (mbedtls_sha256_starts(&sha, 0) == 0 &&
	    mbedtls_sha256_update(&sha, one->p, one->len) == 0 &&
	    (!two || mbedtls_sha256_update(&sha, two->p, two->len) == 0))
		(void)mbedtls_sha256_finish(&sha, hash);
	mbedtls_sha256_free(&sha);
	memcpy(&print, hash, sizeof(print));
	return print ? print : 1;
}

uint64_t net_x509_bytes_print(const mbedtls_x509_buf *bytes)
{
	return print_of(bytes, NULL);
}

uint64_t net_x509_number_print(const mbedtls_x509_buf *issuer, const mbedtls_x509_buf *serial)
{
	return print_of(issuer, serial);
}

int net_x509_by_print(const void *a, const void *b)
{
	uint64_t one = *(const uint64_t *)a, two = *(const uint64_t *)b;

	return one < two ? -1 : one > two;
}

bool net_x509_is_revoked(const struct net_x509 *x, uint64_t number_print)
{
	return x->info.revoked > 0 && bsearch(&number_print, x->revoked, x->info.revoked,
					      sizeof(number_print), net_x509_by_print) != NULL;
}

enum net_refused net_x509_judge(const struct net_x509 *x, const struct net_x509_mark *mark,
				int64_t wall_ms)
{
	enum net_refused why = NET_REFUSED_UNKNOWN_CA;

	for (unsigned i = 0; x && i <= LIMIT_CERTIFICATE_DEPTH; i++)
		if (mark->chain[i] && net_x509_is_revoked(x, mark->chain[i]))
			return NET_REFUSED_REVOKED;
	for (size_t i = 0; x && i < x->trust_count; i++) {
		if (x->trusts[i].anchor != mark->anchor)
			continue;
		if (!mark->product || x->trusts[i].product == mark->product)
			return wall_ms > mark->until_ms ? NET_REFUSED_EXPIRED : NET_REFUSED_NONE;
		why = NET_REFUSED_OTHER_PRODUCT;
	}
	return why;
}

void net_x509_mark_put(struct buf *w, const struct net_x509_mark *mark)
{
	buf_put_u64(w, (uint64_t)mark->product);
	buf_put_u64(w, (uint64_t)mark->until_ms);
	buf_put_u64(w, mark->anchor);
	for (unsigned i = 0; i <= LIMIT_CERTIFICATE_DEPTH; i++)
		buf_put_u64(w, mark->chain[i]);
}

void net_x509_mark_get(struct buf *r, struct net_x509_mark *ret)
{
	ret->product = (int64_t)buf_get_u64(r);
	ret->until_ms = (int64_t)buf_get_u64(r);
	ret->anchor = buf_get_u64(r);
	for (unsigned i = 0; i <= LIMIT_CERTIFICATE_DEPTH; i++)
		ret->chain[i] = buf_get_u64(r);
}
