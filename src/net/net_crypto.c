/* SPDX-License-Identifier: Apache-2.0 */
#include "net/net_crypto.h"

#include <mbedtls/cipher.h>
#include <mbedtls/md.h>
#include <stdint.h>
#include <string.h>

/* RFC 4231 4.3: HMAC-SHA-256 of "what do ya want for nothing?" with the key "Jefe" */
static bool hash_is_right(void)
{
	static const uint8_t wanted[32] = {
		0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24,
		0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27,
		0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43,
	};
	static const char key[] = "Jefe", text[] = "what do ya want for nothing?";
	uint8_t got[32];

	return mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), (const uint8_t *)key,
			       strlen(key), (const uint8_t *)text, strlen(text), got) == 0 &&
	       memcmp(got, wanted, sizeof(got)) == 0;
}

/* RFC 3610 8, packet vector 1. */
static bool sealing_is_right(void)
{
	static const uint8_t key[16] = {0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7,
					0xc8, 0xc9, 0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf},
			     nonce[13] = {0, 0, 0, 3, 2, 1, 0, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5};
	static const uint8_t sealed[31] = {
		0x58, 0x8c, 0x97, 0x9a, 0x61, 0xc6, 0x63, 0xd2, 0xf0, 0x66, 0xd0,
		0xc2, 0xc0, 0xf9, 0x89, 0x80, 0x6d, 0x5f, 0x6b, 0x61, 0xda, 0xc3,
		0x84, 0x17, 0xe8, 0xd1, 0x2c, 0xfd, 0xf9, 0x26, 0xe0,
	};
	mbedtls_cipher_context_t c;
	uint8_t packet[8 + 23], got[sizeof(sealed)];
	size_t len = 0;

	for (unsigned i = 0; i < sizeof(packet); i++)
		packet[i] = (uint8_t)i;
	mbedtls_cipher_init(&c);
	bool right =
		mbedtls_cipher_setup(
			&c, mbedtls_cipher_info_from_type(MBEDTLS_CIPHER_AES_128_CCM)) == 0 &&
		mbedtls_cipher_setkey(&c, key, 128, MBEDTLS_ENCRYPT) == 0 &&
		mbedtls_cipher_auth_encrypt_ext(&c, nonce, sizeof(nonce), packet, 8, packet + 8, 23,
						got, sizeof(got), &len, 8) == 0 &&
		len == sizeof(sealed) && memcmp(got, sealed, sizeof(sealed)) == 0;
	mbedtls_cipher_free(&c);
	return right;
}

int net_crypto_check(struct net_crypto_use *ret_use)
{
	unsigned hashes = net_sha256_begun(), seals = net_ccm_begun();

	if (!hash_is_right() || !sealing_is_right())
		return ERR_CRYPTO;
	ret_use->sha256 = net_sha256_begun() != hashes;
	ret_use->ccm = net_ccm_begun() != seals;
	return 0;
}
