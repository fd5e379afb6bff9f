/* SPDX-License-Identifier: Apache-2.0 */
#include "net/net_seal.h"

#include <errno.h>
#include <mbedtls/gcm.h>
#include <mbedtls/hkdf.h>
#include <mbedtls/md.h>
#include <mbedtls/platform_util.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/limits.h"

struct net_seal {
	mbedtls_gcm_context gcm;
	uint8_t mac_key[32];
};

/* RFC 5869; the service's key is random already, so no salt. */
static int derive(const uint8_t key[NET_SEAL_KEY], const char *info, uint8_t dst[32])
{
	const mbedtls_md_info_t *sha256 = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);

	return mbedtls_hkdf(sha256, NULL, 0, key, NET_SEAL_KEY, (const uint8_t *)info, strlen(info),
			    dst, 32)
		       ? ERR_CRYPTO
		       : 0;
}

int net_seal_new(const uint8_t key[NET_SEAL_KEY], struct net_seal **ret_seal)
{
	struct net_seal *s = calloc(1, sizeof(*s));
	uint8_t gcm_key[32];

	if (!s)
		return ERR_NOMEM;
	mbedtls_gcm_init(&s->gcm);
	int err = derive(key, "postboot device keys 1 seal", gcm_key);
	if (!err)
		err = derive(key, "postboot device keys 1 mac", s->mac_key);
	if (!err && mbedtls_gcm_setkey(&s->gcm, MBEDTLS_CIPHER_ID_AES, gcm_key, 256))
		err = ERR_CRYPTO;
	mbedtls_platform_zeroize(gcm_key, sizeof(gcm_key));
	if (err) {
		net_seal_free(s);
		return err;
	}
	*ret_seal = s;
	return 0;
}

void net_seal_free(struct net_seal *s)
{
	if (!s)
		return;
	mbedtls_gcm_free(&s->gcm); /* wipes */
	mbedtls_platform_zeroize(s->mac_key, sizeof(s->mac_key));
	free(s);
}

int net_seal_close(struct net_seal *s, struct bytes about, struct bytes clear, uint8_t *dst,
		   size_t cap, size_t *ret_len)
{
	uint8_t *text = dst + NET_SEAL_NONCE, *tag = text + clear.len;
	ssize_t got;

	if (cap < NET_SEAL_MORE || clear.len > cap - NET_SEAL_MORE)
		return ERR_LIMIT;
	do {
		got = getrandom(dst, NET_SEAL_NONCE, 0);
	} while (got < 0 && errno == EINTR);
	if (got != NET_SEAL_NONCE ||
	    mbedtls_gcm_crypt_and_tag(&s->gcm, MBEDTLS_GCM_ENCRYPT, clear.len, dst, NET_SEAL_NONCE,
				      about.ptr, about.len, clear.ptr, text, NET_SEAL_TAG, tag))
		return ERR_CRYPTO;
	*ret_len = clear.len + NET_SEAL_MORE;
	return 0;
}

int net_seal_open(struct net_seal *s, struct bytes about, struct bytes sealed, uint8_t *dst,
		  size_t cap, size_t *ret_len)
{
	uint8_t clear[LIMIT_PSK];
	size_t len = sealed.len - NET_SEAL_MORE;

	if (sealed.len < NET_SEAL_MORE)
		return ERR_CRYPTO;
	if (len > cap || len > sizeof(clear))
		return ERR_LIMIT;
	const uint8_t *text = sealed.ptr + NET_SEAL_NONCE;
	int failed = mbedtls_gcm_auth_decrypt(&s->gcm, len, sealed.ptr, NET_SEAL_NONCE, about.ptr,
					      about.len, text + len, NET_SEAL_TAG, text, clear);
	if (!failed) {
		memcpy(dst, clear, len);
		*ret_len = len;
	}
	mbedtls_platform_zeroize(clear, sizeof(clear));
	return failed ? ERR_CRYPTO : 0;
}

int net_seal_mac(struct net_seal *s, struct bytes clear, uint8_t dst[NET_SEAL_MAC])
{
	const mbedtls_md_info_t *sha256 = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);

	return mbedtls_md_hmac(sha256, s->mac_key, sizeof(s->mac_key), clear.ptr, clear.len, dst)
		       ? ERR_CRYPTO
		       : 0;
}
