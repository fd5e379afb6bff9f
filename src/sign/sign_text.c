/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys and signatures as base64.
 */
#include <string.h>

#include <mbedtls/base64.h>

#include "sign/sign_inner.h"

enum { LINE = 64 };

char *sign_key_pem(const struct signer *key, char dst[LIMIT_SIGNER_PEM])
{
	unsigned char text[(LIMIT_SIGNER_KEY + 2) / 3 * 4 + 1];
	struct buf b = buf_writer(dst, LIMIT_SIGNER_PEM);
	size_t len = 0;

	if (mbedtls_base64_encode(text, sizeof(text), &len, key->key, key->key_len))
		len = 0; /* there is room: never */
	buf_put_str(&b, "-----BEGIN PUBLIC KEY-----\n");
	for (size_t at = 0; at < len; at += LINE) {
		buf_put_bytes(&b, text + at, len - at < LINE ? len - at : LINE);
		buf_put_str(&b, "\n");
	}
	buf_put_str(&b, "-----END PUBLIC KEY-----\n");
	return buf_cstr(&b);
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

int sign_from_base64(struct bytes text, struct sign_raw *ret)
{
	unsigned char solid[SIGN_BASE64];
	struct sign_raw raw;
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (is_space(text.ptr[i]))
			continue;
		if (n == SIGN_BASE64 - 1)
			return ERR_LIMIT;
		solid[n++] = text.ptr[i];
	}
	if (n == 0 || n % 4 ||
	    mbedtls_base64_decode(raw.bytes, sizeof(raw.bytes), &raw.len, solid, n))
		return n == SIGN_BASE64 - 1 ? ERR_LIMIT : ERR_SYNTAX;
	*ret = raw;
	return 0;
}

/* A key that was given by mistake goes nowhere. */
static bool has_key(struct bytes content)
{
	static const char mark[] = "-----BEGIN ";
	const size_t len = sizeof(mark) - 1;

	for (size_t i = 0; i + len <= content.len; i++)
		if (memcmp(content.ptr + i, mark, len) == 0)
			return true;
	return false;
}

int sign_from_file(struct bytes content, struct sign_raw *ret)
{
	int err = sign_from_base64(content, ret);

	if (!err)
		return 0;
	if (content.len == 0 || has_key(content))
		return ERR_INVAL;
	if (content.len > LIMIT_SIGNATURE)
		return ERR_LIMIT;
	ret->len = content.len;
	memcpy(ret->bytes, content.ptr, content.len);
	return 0;
}

char *sign_to_base64(const struct sign_raw *raw, char dst[SIGN_BASE64])
{
	size_t len = 0;

	if (mbedtls_base64_encode((unsigned char *)dst, SIGN_BASE64, &len, raw->bytes, raw->len))
		dst[0] = 0; /* there is room: never */
	return dst;
}
