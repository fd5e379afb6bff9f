/* SPDX-License-Identifier: Apache-2.0
 *
 * mbedTLS's SHA-256 and SHA-224, computed by nettle: see net_crypto.h. The struct is mbedTLS's and
 * means the same after each call, so that a context may be begun by one and ended by the other.
 */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS
#include <assert.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/sha256.h>
#include <mbedtls/version.h>
#include <nettle/sha2.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "net/net_crypto.h"

enum {
	BLOCK = 64,
	LENGTH_AT = 56, /* FIPS 180-4 5.1.1: the last 8 bytes of the last block */
	WORDS = 8,
};

/* What this file is written for. Another struct is another mbedTLS. */
_Static_assert(MBEDTLS_VERSION_MAJOR == 3, "mbedtls_sha256_context is that of mbedTLS 3");
_Static_assert(offsetof(mbedtls_sha256_context, buffer) == 0, "buffer");
_Static_assert(offsetof(mbedtls_sha256_context, total) == BLOCK, "total");
_Static_assert(offsetof(mbedtls_sha256_context, state) == BLOCK + 8, "state");
_Static_assert(offsetof(mbedtls_sha256_context, is224) == BLOCK + 8 + 32, "is224");
_Static_assert(sizeof(mbedtls_sha256_context) == BLOCK + 8 + 32 + sizeof(int), "the whole");
_Static_assert(sizeof(((struct sha256_ctx *)0)->state) == sizeof(uint32_t) * WORDS,
	       "nettle's state");
_Static_assert(SHA256_BLOCK_SIZE == BLOCK, "nettle's block");

static const uint32_t first_state[2][WORDS] = {
	/* 5.3.3: SHA-256 */
	{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab,
	 0x5be0cd19},
	/* 5.3.2: SHA-224 */
	{0xc1059ed8, 0x367cd507, 0x3070dd17, 0xf70e5939, 0xffc00b31, 0x68581511, 0x64f98fa7,
	 0xbefa4fa4},
};

static _Thread_local unsigned begun;

unsigned net_sha256_begun(void)
{
	return begun;
}

/* nettle has no compression of its own in all versions that Debian ships; its update function does
 * whole blocks at once, straight from the input, where none waits to be filled. */
static void compress(mbedtls_sha256_context *ctx, const uint8_t *data, size_t blocks)
{
	struct sha256_ctx n; /* the rest is not looked at */

	memcpy(n.state, ctx->state, sizeof(n.state));
	n.count = 0;
	n.index = 0;
	sha256_update(&n, blocks * BLOCK, data);
	memcpy(ctx->state, n.state, sizeof(n.state));
	mbedtls_platform_zeroize(n.state, sizeof(n.state));
}

static void put_be32(uint8_t *dst, uint32_t word)
{
	dst[0] = (uint8_t)(word >> 24);
	dst[1] = (uint8_t)(word >> 16);
	dst[2] = (uint8_t)(word >> 8);
	dst[3] = (uint8_t)word;
}

void mbedtls_sha256_init(mbedtls_sha256_context *ctx)
{
	memset(ctx, 0, sizeof(*ctx));
}

void mbedtls_sha256_free(mbedtls_sha256_context *ctx)
{
	if (ctx)
		mbedtls_platform_zeroize(ctx, sizeof(*ctx));
}

void mbedtls_sha256_clone(mbedtls_sha256_context *dst, const mbedtls_sha256_context *src)
{
	*dst = *src;
}

int mbedtls_sha256_starts(mbedtls_sha256_context *ctx, int is224)
{
	if (is224 != 0 && is224 != 1)
		return MBEDTLS_ERR_SHA256_BAD_INPUT_DATA;
	memset(ctx->total, 0, sizeof(ctx->total));
	memcpy(ctx->state, first_state[is224], sizeof(ctx->state));
	ctx->is224 = is224;
	begun++;
	return 0;
}

int mbedtls_internal_sha256_process(mbedtls_sha256_context *ctx, const unsigned char data[64])
{
	compress(ctx, data, 1);
	return 0;
}

int mbedtls_sha256_update(mbedtls_sha256_context *ctx, const unsigned char *input, size_t ilen)
{
	const size_t waiting = ctx->total[0] % BLOCK;
	uint64_t total = (uint64_t)ctx->total[1] << 32 | ctx->total[0];

	if (ilen == 0)
		return 0;
	total += ilen;
	ctx->total[0] = (uint32_t)total;
	ctx->total[1] = (uint32_t)(total >> 32);
	if (waiting) {
		size_t room = BLOCK - waiting;

		if (ilen < room) {
			memcpy(ctx->buffer + waiting, input, ilen);
			return 0;
		}
		memcpy(ctx->buffer + waiting, input, room);
		compress(ctx, ctx->buffer, 1);
		input += room;
		ilen -= room;
	}
	if (ilen >= BLOCK)
		compress(ctx, input, ilen / BLOCK);
	input += ilen - ilen % BLOCK;
	ilen %= BLOCK;
	if (ilen)
		memcpy(ctx->buffer, input, ilen);
	return 0;
}

int mbedtls_sha256_finish(mbedtls_sha256_context *ctx, unsigned char *output)
{
	size_t used = ctx->total[0] % BLOCK;

	ctx->buffer[used++] = 0x80;
	memset(ctx->buffer + used, 0, BLOCK - used);
	if (used > LENGTH_AT) {
		compress(ctx, ctx->buffer, 1);
		memset(ctx->buffer, 0, LENGTH_AT);
	}
	/* in bits */
	put_be32(ctx->buffer + LENGTH_AT, ctx->total[1] << 3 | ctx->total[0] >> 29);
	put_be32(ctx->buffer + LENGTH_AT + 4, ctx->total[0] << 3);
	compress(ctx, ctx->buffer, 1);
	for (size_t i = 0; i < (ctx->is224 ? 7 : 8); i++)
		put_be32(output + 4 * i, ctx->state[i]);
	mbedtls_sha256_free(ctx);
	return 0;
}

int mbedtls_sha256(const unsigned char *input, size_t ilen, unsigned char *output, int is224)
{
	mbedtls_sha256_context ctx;

	mbedtls_sha256_init(&ctx);
	if (mbedtls_sha256_starts(&ctx, is224))
		return MBEDTLS_ERR_SHA256_BAD_INPUT_DATA;
	(void)mbedtls_sha256_update(&ctx, input, ilen);
	return mbedtls_sha256_finish(&ctx, output); /* wipes it */
}

/* ---- known answers ---- */

/* FIPS 180-2 B.2 and its change notice 2: 56 bytes, so that the padding takes a second block. */
static const char message[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
static const uint8_t digest[2][32] = {
	{0x24, 0x8d, 0x6a, 0x61, 0xd2, 0x06, 0x38, 0xb8, 0xe5, 0xc0, 0x26,
	 0x93, 0x0c, 0x3e, 0x60, 0x39, 0xa3, 0x3c, 0xe4, 0x59, 0x64, 0xff,
	 0x21, 0x67, 0xf6, 0xec, 0xed, 0xd4, 0x19, 0xdb, 0x06, 0xc1},
	{0x75, 0x38, 0x8b, 0x16, 0x51, 0x27, 0x76, 0xcc, 0x5d, 0xba, 0x5d, 0xa1, 0xfd, 0x89,
	 0x01, 0x50, 0xb0, 0xc6, 0x45, 0x5c, 0xb4, 0xf5, 0x8b, 0x19, 0x52, 0x52, 0x25, 0x25},
};

static int wrong(int is224)
{
	uint8_t got[32] = {0};

	return mbedtls_sha256((const uint8_t *)message, sizeof(message) - 1, got, is224) ||
	       memcmp(got, digest[is224], is224 ? 28 : 32) != 0;
}

/* Without these mbedTLS's archive would bring its own of all of the above, too. */
int mbedtls_sha256_self_test(int verbose)
{
	(void)verbose;
	return wrong(0);
}

int mbedtls_sha224_self_test(int verbose)
{
	(void)verbose;
	return wrong(1);
}
