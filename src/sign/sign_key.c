/* SPDX-License-Identifier: Apache-2.0
 *
 * Public keys: from text, to text, and what they verify.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/ecp.h>
#include <mbedtls/pem.h>
#include <mbedtls/pk.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/rsa.h>
#include <mbedtls/sha256.h>
#include <nettle/eddsa.h>

#include "sign/sign_inner.h"

#define BEGIN "-----BEGIN "
#define DASHES "-----"

/* SubjectPublicKeyInfo of RFC 8410: nothing in it can vary but the key. */
static const uint8_t ed25519_head[ED25519_HEAD] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
						   0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};

static int refuse(char why[SIGN_WHY], const char *text)
{
	(void)buf_copy_str(why, SIGN_WHY, text);
	return ERR_INVAL;
}

/* ---- PEM ---- */

enum { LABEL = 48 };

/* The label of the next block at or after *at, which moves behind it. */
static bool label_next(const char **at, char label[LABEL])
{
	const char *begin = strstr(*at, BEGIN);

	if (!begin)
		return false;
	begin += strlen(BEGIN);
	const char *end = strstr(begin, DASHES);
	size_t len = end ? (size_t)(end - begin) : strlen(begin);
	*at = begin + len;
	if (len >= LABEL)
		len = LABEL - 1;
	for (size_t i = 0; i < len; i++)
		label[i] = (char)(begin[i] >= ' ' && begin[i] <= '~' ? begin[i] : '?');
	label[len] = 0;
	return true;
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);

	return len >= n && strcmp(text + len - n, end) == 0;
}

/* The one public key in it; *ret_label: "PUBLIC KEY" or "RSA PUBLIC KEY". */
static int labels_check(const char *text, char ret_label[LABEL], char why[SIGN_WHY])
{
	char label[LABEL], other[LABEL] = "";
	unsigned keys = 0;

	for (const char *at = text; label_next(&at, label);) {
		if (ends_with(label, "PRIVATE KEY"))
			return refuse(why, "it is a private key, which nobody but its owner may "
					   "have, and nothing of it was kept; give its public key: "
					   "openssl pkey -in FILE -pubout");
		if (strcmp(label, "PUBLIC KEY") == 0 || strcmp(label, "RSA PUBLIC KEY") == 0) {
			keys++;
			(void)buf_copy_str(ret_label, LABEL, label);
		} else {
			(void)buf_copy_str(other, sizeof(other), label);
		}
	}
	if (keys > 1)
		return refuse(why, "it has more than one key; each is a signer of its own");
	if (keys == 1)
		return 0;
	if (ends_with(other, "CERTIFICATE"))
		return refuse(why, "it is a certificate; give the public key in it: openssl x509 "
				   "-in FILE -noout -pubkey");
	if (other[0])
		(void)snprintf(why, SIGN_WHY, "it has \"%s\"; a PUBLIC KEY is needed", other);
	else
		(void)snprintf(why, SIGN_WHY,
			       "it has no " BEGIN "PUBLIC KEY" DASHES
			       " line: a public key in PEM is needed, as openssl pkey -pubout and "
			       "imgtool getpub -e pem write it");
	return ERR_INVAL;
}

/* ---- DER ---- */

static const char *group_name(mbedtls_ecp_group_id id)
{
	const mbedtls_ecp_curve_info *info = mbedtls_ecp_curve_info_from_grp_id(id);

	return info ? info->name : "another curve";
}

static int kind_of(const mbedtls_pk_context *pk, enum signer_kind *ret_kind, char why[SIGN_WHY])
{
	size_t bits = mbedtls_pk_get_bitlen(pk);

	if (mbedtls_pk_get_type(pk) == MBEDTLS_PK_RSA) {
		if (bits != 2048 && bits != 3072 && bits != 4096) {
			(void)snprintf(why, SIGN_WHY,
				       "it is an RSA key of %zu bits; 2048, 3072 and 4096 are "
				       "taken",
				       bits);
			return ERR_INVAL;
		}
		*ret_kind = bits == 2048   ? SIGNER_RSA2048
			    : bits == 3072 ? SIGNER_RSA3072
					   : SIGNER_RSA4096;
		return 0;
	}
	if (mbedtls_pk_get_type(pk) == MBEDTLS_PK_ECKEY) {
		mbedtls_ecp_group_id id = mbedtls_ecp_keypair_get_group_id(mbedtls_pk_ec(*pk));
		if (id == MBEDTLS_ECP_DP_SECP256R1) {
			*ret_kind = SIGNER_ECDSA_P256;
			return 0;
		}
		(void)snprintf(why, SIGN_WHY,
			       "it is a key on the curve %s; ECDSA is taken on P-256",
			       group_name(id));
		return ERR_INVAL;
	}
	return refuse(why, "it is a key of a kind that is not known here; ECDSA on P-256, RSA and "
			   "Ed25519 are");
}

/* y of all points of an order of at most 8, and the same above the prime. A signature that holds
 * for any message can be made for such a key by anybody. */
static bool is_small_order(const uint8_t key[ED25519_KEY])
{
	static const struct {
		uint8_t first, middle, last;
	} runs[] = {{0x00, 0x00, 0x00},
		    {0x01, 0x00, 0x00},
		    {0xec, 0xff, 0x7f},
		    {0xed, 0xff, 0x7f},
		    {0xee, 0xff, 0x7f}};
	static const uint8_t order8[][ED25519_KEY - 1] = {
		{0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
		 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
		 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc},
		{0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b,
		 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
		 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03}};
	static const uint8_t order8_last[] = {0x05, 0x7a};
	uint8_t last = key[ED25519_KEY - 1] & 0x7f; /* the other bit is the sign of x */

	for (size_t i = 0; i < sizeof(order8_last); i++)
		if (last == order8_last[i] && memcmp(key, order8[i], sizeof(order8[i])) == 0)
			return true;
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		size_t at = 1;
		while (at < ED25519_KEY - 1 && key[at] == runs[i].middle)
			at++;
		if (at == ED25519_KEY - 1 && key[0] == runs[i].first && last == runs[i].last)
			return true;
	}
	return false;
}

/* The key in its one form, so that it has one id however it was written. */
static int der_take(const uint8_t *der, size_t len, struct signer *key, char why[SIGN_WHY])
{
	mbedtls_pk_context pk;
	uint8_t room[LIMIT_SIGNER_KEY];

	if (len == ED25519_HEAD + ED25519_KEY && memcmp(der, ed25519_head, ED25519_HEAD) == 0) {
		if (is_small_order(der + ED25519_HEAD))
			return refuse(why, "it is an Ed25519 key of small order, for which anybody "
					   "can sign: no key generator makes it");
		key->kind = SIGNER_ED25519;
		key->key_len = len;
		memcpy(key->key, der, len);
		return 0;
	}
	mbedtls_pk_init(&pk);
	int err =
		mbedtls_pk_parse_public_key(&pk, der, len)
			? refuse(why, "what is between its lines is no public key of ECDSA, RSA or "
				      "Ed25519")
			: kind_of(&pk, &key->kind, why);
	if (!err) {
		int n = mbedtls_pk_write_pubkey_der(&pk, room, sizeof(room));
		if (n > 0) {
			key->key_len = (size_t)n;
			memcpy(key->key, room + sizeof(room) - n, (size_t)n);
		} else {
			err = refuse(why, "its exponent is larger than anybody needs");
		}
	}
	mbedtls_pk_free(&pk);
	return err;
}

static int block_take(const char *text, const char *label, struct signer *key, char why[SIGN_WHY])
{
	char head[LABEL + 32], foot[LABEL + 32];
	mbedtls_pem_context pem;
	size_t used, len;

	(void)snprintf(head, sizeof(head), BEGIN "%s" DASHES, label);
	(void)snprintf(foot, sizeof(foot), DASHES "END %s" DASHES, label);
	mbedtls_pem_init(&pem);
	int bad = mbedtls_pem_read_buffer(&pem, head, foot, (const unsigned char *)text, NULL, 0,
					  &used);
	int err;
	if (bad == MBEDTLS_ERR_PEM_NO_HEADER_FOOTER_PRESENT)
		err = refuse(why, "its PEM is cut short or damaged: a line that begins or ends it "
				  "is not whole");
	else if (bad)
		err = refuse(why, "what is between the lines of its PEM is not base64");
	else {
		const uint8_t *der = mbedtls_pem_get_buffer(&pem, &len);
		err = der_take(der, len, key, why);
	}
	mbedtls_pem_free(&pem);
	return err;
}

int sign_key_read(struct bytes pem, struct signer *ret_key, char why[SIGN_WHY])
{
	char text[LIMIT_SIGNER_PEM + 1], label[LABEL];
	struct signer key = {0};
	uint8_t hash[DIGEST_SHA256];

	if (pem.len > LIMIT_SIGNER_PEM) {
		(void)snprintf(why, SIGN_WHY, "it is longer than %d bytes: a public key is not",
			       LIMIT_SIGNER_PEM);
		return ERR_INVAL;
	}
	if (pem.len && memchr(pem.ptr, 0, pem.len))
		return refuse(why, "it is not text: a public key in PEM is needed (openssl pkey "
				   "-pubin -inform DER -in FILE makes it of DER)");
	if (pem.len)
		memcpy(text, pem.ptr, pem.len);
	text[pem.len] = 0;
	int err = labels_check(text, label, why);
	if (!err)
		err = block_take(text, label, &key, why);
	mbedtls_platform_zeroize(text, sizeof(text));
	if (err)
		return err;
	if (mbedtls_sha256(key.key, key.key_len, hash, 0))
		return refuse(why, "its hash could not be computed");
	struct buf b = buf_writer(key.id, sizeof(key.id));
	buf_put_hex(&b, hash, LIMIT_KEY_ID / 2);
	(void)buf_cstr(&b);
	*ret_key = key;
	return 0;
}

/* ---- what an image calls it ---- */

static bool sha256(const void *ptr, size_t len, uint8_t ret[DIGEST_SHA256])
{
	return mbedtls_sha256(ptr, len, ret, 0) == 0;
}

static void reverse(uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len / 2; i++) {
		uint8_t c = p[i];
		p[i] = p[len - 1 - i];
		p[len - 1 - i] = c;
	}
}

/* RSAPublicKey of PKCS#1, as MCUboot has it; or modulus and exponent from their low ends, as
 * ESP-IDF's signature block has them. */
static bool rsa_hash(const mbedtls_pk_context *pk, bool esp, uint8_t ret[DIGEST_SHA256])
{
	uint8_t room[LIMIT_SIGNER_KEY], *p = room + sizeof(room);

	if (!esp) {
		int n = mbedtls_pk_write_pubkey(&p, room, pk);
		return n > 0 && sha256(p, (size_t)n, ret);
	}
	if (mbedtls_rsa_export_raw(mbedtls_pk_rsa(*pk), room, 384, NULL, 0, NULL, 0, NULL, 0,
				   room + 384, 4))
		return false;
	reverse(room, 384);
	reverse(room + 384, 4);
	return sha256(room, 388, ret);
}

bool sign_key_hash(const struct signer *key, enum image_signature in_image,
		   uint8_t ret[DIGEST_SHA256])
{
	mbedtls_pk_context pk;

	if (key->kind == SIGNER_ECDSA_P256 || key->kind == SIGNER_ED25519)
		return sha256(key->key, key->key_len, ret);
	mbedtls_pk_init(&pk);
	bool ok = !mbedtls_pk_parse_public_key(&pk, key->key, key->key_len) &&
		  rsa_hash(&pk, in_image == IMAGE_SIG_ESP_V2, ret);
	mbedtls_pk_free(&pk);
	return ok;
}

bool sign_kind_fits(enum image_signature in_image, enum signer_kind kind)
{
	switch (in_image) {
	case IMAGE_SIG_RSA2048:
		return kind == SIGNER_RSA2048;
	case IMAGE_SIG_RSA3072:
	case IMAGE_SIG_ESP_V2:
		return kind == SIGNER_RSA3072;
	case IMAGE_SIG_ECDSA:
		return kind == SIGNER_ECDSA_P256;
	case IMAGE_SIG_ED25519:
		return kind == SIGNER_ED25519;
	case IMAGE_SIG_OTHER:
		break;
	}
	return false;
}

/* ---- verification ---- */

static bool rsa_verify(mbedtls_pk_context *pk, enum sign_padding padding, struct bytes hash,
		       struct bytes sig)
{
	const mbedtls_pk_rsassa_pss_options pss = {.mgf1_hash_id = MBEDTLS_MD_SHA256,
						   .expected_salt_len = 32};

	if (hash.len != DIGEST_SHA256)
		return false;
	if (padding == SIGN_PSS)
		return !mbedtls_pk_verify_ext(MBEDTLS_PK_RSASSA_PSS, &pss, pk, MBEDTLS_MD_SHA256,
					      hash.ptr, hash.len, sig.ptr, sig.len);
	return !mbedtls_pk_verify(pk, MBEDTLS_MD_SHA256, hash.ptr, hash.len, sig.ptr, sig.len);
}

/* One of the two numbers as DER. */
static size_t integer_put(uint8_t *dst, const uint8_t *n)
{
	size_t skip = 0;

	while (skip < 31 && n[skip] == 0)
		skip++;
	bool pad = n[skip] & 0x80;
	size_t len = 32 - skip + pad;
	dst[0] = 0x02;
	dst[1] = (uint8_t)len;
	dst[2] = 0;
	memcpy(dst + 2 + pad, n + skip, 32 - skip);
	return 2 + len;
}

static bool ecdsa_verify(mbedtls_pk_context *pk, struct bytes hash, struct bytes sig)
{
	uint8_t der[2 + 2 * 35];
	size_t used;

	if (sig.len == 64 && !(sig.ptr[0] == 0x30 && sig.ptr[1] == 62)) {
		used = 2 + integer_put(der + 2, sig.ptr);
		used += integer_put(der + used, sig.ptr + 32);
		der[0] = 0x30;
		der[1] = (uint8_t)(used - 2);
		sig = (struct bytes){der, used};
	} else if (sig.len > 2 && sig.ptr[0] == 0x30 && sig.ptr[1] < 0x80) {
		/* MCUboot's tool may fill it up with zeros */
		size_t len = (size_t)sig.ptr[1] + 2, n = sig.len;
		while (n > len && sig.ptr[n - 1] == 0)
			n--;
		sig.len = n;
	}
	return !mbedtls_pk_verify(pk, MBEDTLS_MD_NONE, hash.ptr, hash.len, sig.ptr, sig.len);
}

bool sign_verify(const struct signer *key, enum sign_padding padding, struct bytes hash,
		 struct bytes signature)
{
	mbedtls_pk_context pk;

	if (key->kind == SIGNER_ED25519)
		return signature.len == ED25519_SIGNATURE &&
		       ed25519_sha512_verify(key->key + ED25519_HEAD, hash.len, hash.ptr,
					     signature.ptr) == 1;
	mbedtls_pk_init(&pk);
	bool ok = !mbedtls_pk_parse_public_key(&pk, key->key, key->key_len) &&
		  (key->kind == SIGNER_ECDSA_P256 ? ecdsa_verify(&pk, hash, signature)
						  : rsa_verify(&pk, padding, hash, signature));
	mbedtls_pk_free(&pk);
	return ok;
}
