/* SPDX-License-Identifier: Apache-2.0
 *
 * mbedTLS's CCM (RFC 3610, SP 800-38C) with AES, computed by nettle: see net_crypto.h. mbedTLS goes
 * through three of its layers, twice for each 16 bytes; here many blocks are one call. Only AES:
 * with other ciphers a key is refused, and no suite of ours has one.
 *
 * The struct is mbedTLS's, and the fields mean what they mean there, but for the cipher's: where
 * that keeps its state is our key.
 */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS
#include <assert.h>
#include <endian.h>
#include <mbedtls/ccm.h>
#include <mbedtls/constant_time.h>
#include <mbedtls/error.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/version.h>
#include <nettle/aes.h>
#include <nettle/cbc.h>
#include <nettle/memxor.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/net_crypto.h"

enum {
	BLOCK = 16,
	HALF = BLOCK / 2,
	CHUNK = 32 * BLOCK, /* at once; more is no faster */
	TAG_MAX = 16,
	DATA_MAX = 0xfeff, /* RFC 3610 2.2: longer data has its length in another form */
	NONCE_MIN = 7,
	NONCE_MAX = 13,
};

/* Of a context: what was called, in any order that has all of it before the end. */
enum {
	STARTED = 1,
	LENGTHS_SET = 2,
	DATA_BEGUN = 4,
	DATA_DONE = 8,
	BROKEN = 16,
};

_Static_assert(MBEDTLS_VERSION_MAJOR == 3, "mbedtls_ccm_context is that of mbedTLS 3");

struct key {
	unsigned bits;
	union {
		struct aes128_ctx k128;
		struct aes192_ctx k192;
		struct aes256_ctx k256;
	};
};

static _Thread_local unsigned begun;

unsigned net_ccm_begun(void)
{
	return begun;
}

/* ---- AES ---- */

static void encrypt(const struct key *key, size_t len, uint8_t *dst, const uint8_t *src)
{
	if (key->bits == 128)
		aes128_encrypt(&key->k128, len, dst, src);
	else if (key->bits == 192)
		aes192_encrypt(&key->k192, len, dst, src);
	else
		aes256_encrypt(&key->k256, len, dst, src);
}

/* CBC-MAC: the last block of the encryption is all that is wanted. */
static void chain(const struct key *key, uint8_t *y, size_t len, const uint8_t *src)
{
	uint8_t unused[CHUNK];

	if (key->bits == 128)
		cbc_aes128_encrypt(&key->k128, y, len, unused, src);
	else if (key->bits == 192)
		cbc_aes192_encrypt(&key->k192, y, len, unused, src);
	else
		cbc_aes256_encrypt(&key->k256, y, len, unused, src);
	mbedtls_platform_zeroize(unused, len);
}

static const struct key *key_of(const mbedtls_ccm_context *ctx)
{
	return ctx->cipher_ctx.cipher_ctx;
}

/* Counter blocks for `len` bytes, and the counter moves on. It has q bytes, 2 to 8, and never
 * touches the nonce before them. */
static void take_counters(mbedtls_ccm_context *ctx, uint8_t *dst, size_t len)
{
	const uint64_t mask = UINT64_MAX >> (64 - 8 * ctx->q);
	uint64_t word, fixed;

	memcpy(&word, ctx->ctr + HALF, HALF);
	word = be64toh(word);
	fixed = word & ~mask;
	for (size_t i = 0; i < len; i += BLOCK, word++) {
		uint64_t at = htobe64(fixed | (word & mask));

		memcpy(dst + i, ctx->ctr, HALF);
		memcpy(dst + i + HALF, &at, HALF);
	}
	word = htobe64(fixed | (word & mask));
	memcpy(ctx->ctr + HALF, &word, HALF);
}

/* ---- a context ---- */

void mbedtls_ccm_init(mbedtls_ccm_context *ctx)
{
	memset(ctx, 0, sizeof(*ctx));
}

static void drop_key(mbedtls_ccm_context *ctx)
{
	struct key *key = ctx->cipher_ctx.cipher_ctx;

	if (key)
		mbedtls_platform_zeroize(key, sizeof(*key));
	free(key);
	ctx->cipher_ctx.cipher_ctx = NULL;
}

void mbedtls_ccm_free(mbedtls_ccm_context *ctx)
{
	if (!ctx)
		return;
	drop_key(ctx);
	mbedtls_platform_zeroize(ctx, sizeof(*ctx));
}

int mbedtls_ccm_setkey(mbedtls_ccm_context *ctx, mbedtls_cipher_id_t cipher,
		       const unsigned char *key, unsigned int keybits)
{
	struct key *new;

	if (cipher != MBEDTLS_CIPHER_ID_AES || (keybits != 128 && keybits != 192 && keybits != 256))
		return MBEDTLS_ERR_CCM_BAD_INPUT;
	new = malloc(sizeof(*new));
	if (!new)
		return MBEDTLS_ERR_CIPHER_ALLOC_FAILED;
	new->bits = keybits;
	if (keybits == 128)
		aes128_set_encrypt_key(&new->k128, key);
	else if (keybits == 192)
		aes192_set_encrypt_key(&new->k192, key);
	else
		aes256_set_encrypt_key(&new->k256, key);
	drop_key(ctx);
	ctx->cipher_ctx.cipher_ctx = new;
	return 0;
}

/* ---- in parts ---- */

static int broken(mbedtls_ccm_context *ctx)
{
	ctx->state |= BROKEN;
	return MBEDTLS_ERR_CCM_BAD_INPUT;
}

/* RFC 3610 2.2: B_0, once all that is in it is known. */
static int first_block(mbedtls_ccm_context *ctx)
{
	const int both = STARTED | LENGTHS_SET;
	size_t left = ctx->plaintext_len;

	if ((ctx->state & both) != both)
		return 0;
	if (ctx->tag_len == 0) { /* only CCM* of IEEE 802.15.4 has none */
		ctx->plaintext_len = 0;
		if (ctx->mode == MBEDTLS_CCM_STAR_ENCRYPT || ctx->mode == MBEDTLS_CCM_STAR_DECRYPT)
			return 0;
		return broken(ctx);
	}
	ctx->y[0] =
		(uint8_t)((ctx->add_len ? 0x40 : 0) | (ctx->tag_len - 2) / 2 << 3 | (ctx->q - 1));
	for (unsigned i = 0; i < ctx->q; i++, left >>= 8)
		ctx->y[BLOCK - 1 - i] = (uint8_t)left;
	if (left)
		return broken(ctx);
	encrypt(key_of(ctx), BLOCK, ctx->y, ctx->y);
	return 0;
}

int mbedtls_ccm_starts(mbedtls_ccm_context *ctx, int mode, const unsigned char *iv, size_t iv_len)
{
	if (iv_len < NONCE_MIN || iv_len > NONCE_MAX || !key_of(ctx))
		return MBEDTLS_ERR_CCM_BAD_INPUT;
	begun++;
	ctx->mode = (unsigned)mode;
	ctx->q = (unsigned)(BLOCK - 1 - iv_len);
	/* 2.3: A_1 */
	memset(ctx->ctr, 0, BLOCK);
	ctx->ctr[0] = (uint8_t)(ctx->q - 1);
	memcpy(ctx->ctr + 1, iv, iv_len);
	ctx->ctr[BLOCK - 1] = 1;
	memset(ctx->y, 0, BLOCK);
	memcpy(ctx->y + 1, iv, iv_len);
	ctx->state |= STARTED;
	return first_block(ctx);
}

int mbedtls_ccm_set_lengths(mbedtls_ccm_context *ctx, size_t total_ad_len, size_t plaintext_len,
			    size_t tag_len)
{
	if (tag_len == 2 || tag_len > TAG_MAX || tag_len % 2 != 0 || total_ad_len > DATA_MAX)
		return MBEDTLS_ERR_CCM_BAD_INPUT;
	ctx->plaintext_len = plaintext_len;
	ctx->add_len = total_ad_len;
	ctx->tag_len = tag_len;
	ctx->processed = 0;
	ctx->state |= LENGTHS_SET;
	return first_block(ctx);
}

static bool is_beyond(size_t all, size_t done, size_t more)
{
	return done > all || more > all - done;
}

int mbedtls_ccm_update_ad(mbedtls_ccm_context *ctx, const unsigned char *ad, size_t ad_len)
{
	if (ctx->state & BROKEN)
		return MBEDTLS_ERR_CCM_BAD_INPUT;
	if (ad_len == 0)
		return 0;
	if (ctx->state & DATA_DONE || is_beyond(ctx->add_len, ctx->processed, ad_len))
		return MBEDTLS_ERR_CCM_BAD_INPUT;
	if (!(ctx->state & DATA_BEGUN)) {
		ctx->y[0] ^= (uint8_t)(ctx->add_len >> 8);
		ctx->y[1] ^= (uint8_t)ctx->add_len;
		ctx->state |= DATA_BEGUN;
	}
	while (ad_len > 0) {
		size_t at = (ctx->processed + 2) % BLOCK; /* behind its length */
		size_t n = BLOCK - at < ad_len ? BLOCK - at : ad_len;

		memxor(ctx->y + at, ad, n);
		ctx->processed += n;
		ad += n;
		ad_len -= n;
		if (at + n == BLOCK || ctx->processed == ctx->add_len)
			encrypt(key_of(ctx), BLOCK, ctx->y, ctx->y);
	}
	if (ctx->processed == ctx->add_len) {
		ctx->state |= DATA_DONE;
		ctx->processed = 0; /* of the text from now on */
	}
	return 0;
}

/* Bytes of one block: its first, its last, or some between. */
static void part(mbedtls_ccm_context *ctx, bool seals, const uint8_t *src, uint8_t *dst, size_t n)
{
	size_t at = ctx->processed % BLOCK;
	bool ends = at + n == BLOCK || ctx->processed + n == ctx->plaintext_len;
	uint8_t stream[BLOCK];

	encrypt(key_of(ctx), BLOCK, stream, ctx->ctr);
	memxor(stream + at, src, n);
	memxor(ctx->y + at, seals ? src : stream + at, n);
	memcpy(dst, stream + at, n);
	if (ends) {
		encrypt(key_of(ctx), BLOCK, ctx->y, ctx->y);
		take_counters(ctx, stream, BLOCK);
	}
	mbedtls_platform_zeroize(stream, sizeof(stream));
}

/* Whole blocks. What was opened is checked before it is out of our hands. */
static void whole(mbedtls_ccm_context *ctx, bool seals, const uint8_t *src, uint8_t *dst, size_t n)
{
	uint8_t stream[CHUNK];

	take_counters(ctx, stream, n);
	encrypt(key_of(ctx), n, stream, stream);
	if (seals)
		chain(key_of(ctx), ctx->y, n, src);
	memxor(stream, src, n);
	if (!seals)
		chain(key_of(ctx), ctx->y, n, stream);
	memcpy(dst, stream, n);
	mbedtls_platform_zeroize(stream, n);
}

int mbedtls_ccm_update(mbedtls_ccm_context *ctx, const unsigned char *input, size_t input_len,
		       unsigned char *output, size_t output_size, size_t *output_len)
{
	bool seals = ctx->mode == MBEDTLS_CCM_ENCRYPT || ctx->mode == MBEDTLS_CCM_STAR_ENCRYPT;

	if (ctx->state & BROKEN || output_size < input_len)
		return MBEDTLS_ERR_CCM_BAD_INPUT;
	if (ctx->tag_len != 0 && is_beyond(ctx->plaintext_len, ctx->processed, input_len))
		return MBEDTLS_ERR_CCM_BAD_INPUT;
	*output_len = input_len;
	while (input_len > 0) {
		size_t room = BLOCK - ctx->processed % BLOCK, n;

		if (room == BLOCK && input_len >= BLOCK) {
			n = input_len < CHUNK ? input_len - input_len % BLOCK : CHUNK;
			whole(ctx, seals, input, output, n);
		} else {
			n = input_len < room ? input_len : room;
			part(ctx, seals, input, output, n);
		}
		ctx->processed += n;
		input += n;
		output += n;
		input_len -= n;
	}
	return 0;
}

int mbedtls_ccm_finish(mbedtls_ccm_context *ctx, unsigned char *tag, size_t tag_len)
{
	const int both = STARTED | LENGTHS_SET;

	if (ctx->state & BROKEN)
		return MBEDTLS_ERR_ERROR_CORRUPTION_DETECTED;
	if ((ctx->state & both) != both || (ctx->add_len > 0 && !(ctx->state & DATA_DONE)) ||
	    (ctx->plaintext_len > 0 && ctx->processed != ctx->plaintext_len) ||
	    tag_len != ctx->tag_len)
		return MBEDTLS_ERR_CCM_BAD_INPUT;
	/* 2.3: A_0 */
	memset(ctx->ctr + BLOCK - ctx->q, 0, ctx->q);
	encrypt(key_of(ctx), BLOCK, ctx->ctr, ctx->ctr);
	memxor(ctx->y, ctx->ctr, BLOCK);
	if (tag)
		memcpy(tag, ctx->y, tag_len);
	ctx->state = 0;
	memset(ctx->y, 0, BLOCK);
	memset(ctx->ctr, 0, BLOCK);
	return 0;
}

/* ---- at once ---- */

static int crypt_all(mbedtls_ccm_context *ctx, int mode, size_t length, const uint8_t *iv,
		     size_t iv_len, const uint8_t *ad, size_t ad_len, const uint8_t *src,
		     uint8_t *dst, uint8_t *tag, size_t tag_len)
{
	size_t len;
	int bad;

	ctx->state = 0;
	bad = mbedtls_ccm_starts(ctx, mode, iv, iv_len);
	if (!bad)
		bad = mbedtls_ccm_set_lengths(ctx, ad_len, length, tag_len);
	if (!bad)
		bad = mbedtls_ccm_update_ad(ctx, ad, ad_len);
	if (!bad)
		bad = mbedtls_ccm_update(ctx, src, length, dst, length, &len);
	if (!bad)
		bad = mbedtls_ccm_finish(ctx, tag, tag_len);
	return bad;
}

static int open_all(mbedtls_ccm_context *ctx, int mode, size_t length, const uint8_t *iv,
		    size_t iv_len, const uint8_t *ad, size_t ad_len, const uint8_t *src,
		    uint8_t *dst, const uint8_t *tag, size_t tag_len)
{
	uint8_t wanted[TAG_MAX];
	int bad = crypt_all(ctx, mode, length, iv, iv_len, ad, ad_len, src, dst, wanted, tag_len);

	if (!bad && mbedtls_ct_memcmp(wanted, tag, tag_len)) {
		mbedtls_platform_zeroize(dst, length);
		bad = MBEDTLS_ERR_CCM_AUTH_FAILED;
	}
	mbedtls_platform_zeroize(wanted, sizeof(wanted));
	return bad;
}

int mbedtls_ccm_encrypt_and_tag(mbedtls_ccm_context *ctx, size_t length, const unsigned char *iv,
				size_t iv_len, const unsigned char *ad, size_t ad_len,
				const unsigned char *input, unsigned char *output,
				unsigned char *tag, size_t tag_len)
{
	return crypt_all(ctx, MBEDTLS_CCM_ENCRYPT, length, iv, iv_len, ad, ad_len, input, output,
			 tag, tag_len);
}

int mbedtls_ccm_star_encrypt_and_tag(mbedtls_ccm_context *ctx, size_t length,
				     const unsigned char *iv, size_t iv_len,
				     const unsigned char *ad, size_t ad_len,
				     const unsigned char *input, unsigned char *output,
				     unsigned char *tag, size_t tag_len)
{
	return crypt_all(ctx, MBEDTLS_CCM_STAR_ENCRYPT, length, iv, iv_len, ad, ad_len, input,
			 output, tag, tag_len);
}

int mbedtls_ccm_auth_decrypt(mbedtls_ccm_context *ctx, size_t length, const unsigned char *iv,
			     size_t iv_len, const unsigned char *ad, size_t ad_len,
			     const unsigned char *input, unsigned char *output,
			     const unsigned char *tag, size_t tag_len)
{
	return open_all(ctx, MBEDTLS_CCM_DECRYPT, length, iv, iv_len, ad, ad_len, input, output,
			tag, tag_len);
}

int mbedtls_ccm_star_auth_decrypt(mbedtls_ccm_context *ctx, size_t length, const unsigned char *iv,
				  size_t iv_len, const unsigned char *ad, size_t ad_len,
				  const unsigned char *input, unsigned char *output,
				  const unsigned char *tag, size_t tag_len)
{
	return open_all(ctx, MBEDTLS_CCM_STAR_DECRYPT, length, iv, iv_len, ad, ad_len, input,
			output, tag, tag_len);
}

/* ---- known answers ---- */

/* SP 800-38C C.3. */
int mbedtls_ccm_self_test(int verbose)
{
	static const uint8_t sealed[24 + 8] = {
		0xe3, 0xb2, 0x01, 0xa9, 0xf5, 0xb7, 0x1a, 0x7a, 0x9b, 0x1c, 0xea,
		0xec, 0xcd, 0x97, 0xe7, 0x0b, 0x61, 0x76, 0xaa, 0xd9, 0xa4, 0x42,
		0x8a, 0xa5, 0x48, 0x43, 0x92, 0xfb, 0xc1, 0xb0, 0x99, 0x51,
	};
	uint8_t key[16], nonce[12], ad[20], text[24], got[24 + 8], back[24];
	mbedtls_ccm_context ctx;

	(void)verbose;
	for (unsigned i = 0; i < sizeof(text); i++) {
		text[i] = (uint8_t)(0x20 + i);
		if (i < sizeof(ad))
			ad[i] = (uint8_t)i;
		if (i < sizeof(key))
			key[i] = (uint8_t)(0x40 + i);
		if (i < sizeof(nonce))
			nonce[i] = (uint8_t)(0x10 + i);
	}
	mbedtls_ccm_init(&ctx);
	bool right =
		mbedtls_ccm_setkey(&ctx, MBEDTLS_CIPHER_ID_AES, key, 128) == 0 &&
		mbedtls_ccm_encrypt_and_tag(&ctx, sizeof(text), nonce, sizeof(nonce), ad,
					    sizeof(ad), text, got, got + sizeof(text), 8) == 0 &&
		memcmp(got, sealed, sizeof(sealed)) == 0 &&
		mbedtls_ccm_auth_decrypt(&ctx, sizeof(text), nonce, sizeof(nonce), ad, sizeof(ad),
					 got, back, got + sizeof(text), 8) == 0 &&
		memcmp(back, text, sizeof(text)) == 0;
	mbedtls_ccm_free(&ctx);
	return right ? 0 : 1;
}
