/* SPDX-License-Identifier: Apache-2.0
 *
 * mbedTLS's SHA-256 as net_sha256.c computes it, beside nettle's whole, and beside one in plain C
 * on the same struct; and that TLS does come to it, and to net_ccm.c.
 */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS
#include "net_client.h"

#include <mbedtls/hkdf.h>
#include <mbedtls/md.h>
#include <mbedtls/sha256.h>
#include <nettle/sha2.h>

#include "net/net_crypto.h"

static uint64_t chance(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static size_t below(uint64_t *seed, size_t bound)
{
	return (size_t)(chance(seed) >> 20) % bound;
}

static void fill(uint64_t *seed, uint8_t *dst, size_t len)
{
	for (size_t i = 0; i < len; i++)
		dst[i] = (uint8_t)(chance(seed) >> 24);
}

static void assert_hex(const uint8_t *got, const char *wanted)
{
	char text[129] = "";

	for (size_t i = 0; i < strlen(wanted) / 2; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", got[i]);
	assert_string_equal(text, wanted);
}

/* ---- FIPS 180-4, one block at a time, as it is written there ---- */

__extension__ typedef unsigned __int128 wide;

static uint32_t rotated(uint32_t x, unsigned n)
{
	return x >> n | x << (32 - n);
}

/* 4.2.2: the first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static uint32_t constant(unsigned which)
{
	unsigned prime = 1, found = 0;

	for (; found <= which; found++) {
		bool is_prime;

		do {
			prime++;
			is_prime = true;
			for (unsigned d = 2; d * d <= prime; d++)
				is_prime = is_prime && prime % d != 0;
		} while (!is_prime);
	}
	/* the largest r with r^3 <= prime * 2^96, bit by bit */
	wide root = 0;

	for (int bit = 35; bit >= 0; bit--) {
		wide r = root | (wide)1 << bit;

		if (r * r * r <= (wide)prime << 96)
			root = r;
	}
	return (uint32_t)root;
}

static void plain_block(uint32_t state[8], const uint8_t block[64])
{
	static uint32_t k[64];
	uint32_t w[64], v[8];

	for (unsigned t = 0; t < 64; t++) {
		if (!k[63])
			for (unsigned i = 0; i < 64; i++)
				k[i] = constant(i);
		w[t] = t < 16 ? (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 |
					(uint32_t)block[4 * t + 2] << 8 | block[4 * t + 3]
			      : (rotated(w[t - 2], 17) ^ rotated(w[t - 2], 19) ^ w[t - 2] >> 10) +
					w[t - 7] +
					(rotated(w[t - 15], 7) ^ rotated(w[t - 15], 18) ^
					 w[t - 15] >> 3) +
					w[t - 16];
	}
	memcpy(v, state, sizeof(v));
	for (unsigned t = 0; t < 64; t++) {
		uint32_t t1 = v[7] + (rotated(v[4], 6) ^ rotated(v[4], 11) ^ rotated(v[4], 25)) +
			      ((v[4] & v[5]) ^ (~v[4] & v[6])) + k[t] + w[t];
		uint32_t t2 = (rotated(v[0], 2) ^ rotated(v[0], 13) ^ rotated(v[0], 22)) +
			      ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));

		memmove(v + 1, v, 7 * sizeof(v[0]));
		v[4] += t1;
		v[0] = t1 + t2;
	}
	for (unsigned i = 0; i < 8; i++)
		state[i] += v[i];
}

/* As mbedTLS updates its own struct. */
static void plain_update(mbedtls_sha256_context *ctx, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		ctx->buffer[ctx->total[0]++ % 64] = data[i];
		if (ctx->total[0] == 0)
			ctx->total[1]++;
		if (ctx->total[0] % 64 == 0)
			plain_block(ctx->state, ctx->buffer);
	}
}

/* ---- vectors ---- */

static void vectors(void **state)
{
	/* FIPS 180-2 B.1 to B.3 and its change notice; the empty text and 10,000 times 100 'a' */
	static const struct {
		const char *text, *sha256, *sha224;
	} table[] = {
		{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		 "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"},
		{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		 "d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
		 "75388b16512776cc5dba5da1fd890150b0c6455cb4f58b1952522525"},
	};
	mbedtls_sha256_context ctx;
	uint8_t got[32], many[100];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const uint8_t *text = (const uint8_t *)table[i].text;

		assert_int_equal(mbedtls_sha256(text, strlen(table[i].text), got, 0), 0);
		assert_hex(got, table[i].sha256);
		memset(got, 0x5a, sizeof(got));
		assert_int_equal(mbedtls_sha256(text, strlen(table[i].text), got, 1), 0);
		assert_hex(got, table[i].sha224);
		assert_int_equal(got[28], 0x5a); /* a shorter one */
	}
	memset(many, 'a', sizeof(many));
	mbedtls_sha256_init(&ctx);
	assert_int_equal(mbedtls_sha256_starts(&ctx, 0), 0);
	for (unsigned i = 0; i < 10000; i++)
		assert_int_equal(mbedtls_sha256_update(&ctx, many, sizeof(many)), 0);
	assert_int_equal(mbedtls_sha256_finish(&ctx, got), 0);
	assert_hex(got, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	assert_int_equal(mbedtls_sha256_self_test(0), 0);
	assert_int_equal(mbedtls_sha224_self_test(0), 0);
}

static void what_may_not_be(void **state)
{
	mbedtls_sha256_context ctx;
	uint8_t got[32];

	(void)state;
	mbedtls_sha256_init(&ctx);
	for (int kind = -2; kind < 4; kind++)
		if (kind != 0 && kind != 1) {
			assert_int_equal(mbedtls_sha256_starts(&ctx, kind),
					 MBEDTLS_ERR_SHA256_BAD_INPUT_DATA);
			assert_int_equal(mbedtls_sha256(got, 1, got, kind),
					 MBEDTLS_ERR_SHA256_BAD_INPUT_DATA);
		}
	mbedtls_sha256_free(&ctx);
	mbedtls_sha256_free(NULL);
}

/* ---- beside others ---- */

/* In parts, by a context and its copies, each part by one of two programs. */
static void in_any_parts_by_either(void **state)
{
	static uint8_t data[9000];
	uint64_t seed = 1123;

	(void)state;
	for (unsigned round = 0; round < 1500; round++) {
		size_t len = below(&seed, 2) ? below(&seed, 300) : below(&seed, sizeof(data) + 1);
		int is224 = (int)below(&seed, 2);
		uint8_t wanted[32] = {0}, got[32] = {0};
		mbedtls_sha256_context a, b, *now = &a, *then = &b, *other;
		struct sha256_ctx n;

		fill(&seed, data, len);
		is224 ? sha224_init(&n) : sha256_init(&n);
		sha256_update(&n, len, data);
		is224 ? sha224_digest(&n, 28, wanted) : sha256_digest(&n, 32, wanted);
		mbedtls_sha256_init(&a);
		mbedtls_sha256_init(&b);
		assert_int_equal(mbedtls_sha256_starts(now, is224), 0);
		for (size_t done = 0, part; done < len; done += part) {
			part = 1 + below(&seed, below(&seed, 2) ? 130 : len);
			part = part < len - done ? part : len - done;
			if (below(&seed, 3) == 0)
				plain_update(now, data + done, part);
			else
				assert_int_equal(mbedtls_sha256_update(now, data + done, part), 0);
			if (below(&seed, 4) == 0) {
				mbedtls_sha256_clone(then, now);
				mbedtls_sha256_free(now);
				other = now, now = then, then = other;
				mbedtls_sha256_init(then);
			}
		}
		assert_int_equal(mbedtls_sha256_update(now, NULL, 0), 0);
		assert_int_equal(mbedtls_sha256_finish(now, got), 0);
		assert_memory_equal(got, wanted, sizeof(got));
		mbedtls_sha256_free(&a);
		mbedtls_sha256_free(&b);
	}
}

static void one_block_from_any_state(void **state)
{
	uint64_t seed = 99;

	(void)state;
	for (unsigned round = 0; round < 500; round++) {
		mbedtls_sha256_context ctx;
		uint32_t wanted[8];
		uint8_t block[64];

		fill(&seed, (uint8_t *)&ctx, sizeof(ctx));
		fill(&seed, block, sizeof(block));
		memcpy(wanted, ctx.state, sizeof(wanted));
		plain_block(wanted, block);
		assert_int_equal(mbedtls_internal_sha256_process(&ctx, block), 0);
		assert_memory_equal(ctx.state, wanted, sizeof(wanted));
	}
}

/* The length in bits has 64 of them: a context that has seen much, by both. */
static void a_long_text(void **state)
{
	static const uint8_t text[100] = {1, 2, 3};
	uint8_t got[32], block[64] = {0};
	mbedtls_sha256_context ctx;

	(void)state;
	mbedtls_sha256_init(&ctx);
	assert_int_equal(mbedtls_sha256_starts(&ctx, 0), 0);
	ctx.total[0] = UINT32_MAX - 63; /* as after 4 GiB - 64, whatever they were */
	assert_int_equal(mbedtls_sha256_update(&ctx, text, sizeof(text)), 0);
	assert_int_equal(ctx.total[0], 36);
	assert_int_equal(ctx.total[1], 1);

	uint32_t words[8];

	assert_int_equal(mbedtls_sha256_starts(&ctx, 0), 0);
	memcpy(words, ctx.state, sizeof(words));
	plain_block(words, text);
	memcpy(block, text + 64, 36);
	block[36] = 0x80;
	block[59] = 8; /* (2^32 + 36) * 8 */
	block[62] = 1;
	block[63] = 0x20;
	plain_block(words, block);
	ctx.total[0] = UINT32_MAX - 63;
	assert_int_equal(mbedtls_sha256_update(&ctx, text, sizeof(text)), 0);
	assert_int_equal(mbedtls_sha256_finish(&ctx, got), 0);
	for (size_t i = 0; i < 8; i++) {
		uint8_t be[4] = {(uint8_t)(words[i] >> 24), (uint8_t)(words[i] >> 16),
				 (uint8_t)(words[i] >> 8), (uint8_t)words[i]};

		assert_memory_equal(got + 4 * i, be, 4);
	}
}

/* ---- through mbedTLS ---- */

static void hmac_and_hkdf(void **state)
{
	const mbedtls_md_info_t *info = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
	uint8_t key[131], got[82], salt[13], about[10];
	static const char text[] = "Test Using Larger Than Block-Size Key - Hash Key First";

	(void)state;
	/* RFC 4231 4.7 */
	memset(key, 0xaa, sizeof(key));
	assert_int_equal(
		mbedtls_md_hmac(info, key, sizeof(key), (const uint8_t *)text, strlen(text), got),
		0);
	assert_hex(got, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	/* RFC 5869 A.1 */
	memset(key, 0x0b, 22);
	for (uint8_t i = 0; i < sizeof(salt); i++)
		salt[i] = i;
	for (uint8_t i = 0; i < sizeof(about); i++)
		about[i] = (uint8_t)(0xf0 + i);
	assert_int_equal(
		mbedtls_hkdf(info, salt, sizeof(salt), key, 22, about, sizeof(about), got, 42), 0);
	assert_hex(got, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
			"34007208d5b887185865");
}

/* On Debian 12 by the linker, on Debian 13 by the loader. There is no third way that is supported,
 * so this is never passed over. */
static void mbedtls_comes_here(void **state)
{
	struct net_crypto_use use = {0};

	(void)state;
	assert_int_equal(net_crypto_check(&use), 0);
	assert_true(use.sha256);
	assert_true(use.ccm);
}

static void a_handshake_comes_here(void **state)
{
	unsigned hashes = net_sha256_begun(), seals = net_ccm_begun();
	struct rig *r = rig_new((struct net_conf){0}, "127.0.0.1", true);
	struct client *c = client_up(r, "dev-1");
	uint8_t got[256];

	(void)state;
	/* Both sides, on one thread: four key derivations of two HMACs or more for 32 bytes each,
	 * and the cookie. Then two Finished, a request and its answer, sealed and opened. */
	assert_true(net_sha256_begun() - hashes > 40);
	assert_true(client_get(c, 7, got, 5000) > 0);
	assert_true(net_ccm_begun() - seals >= 8);
	client_free(c);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(what_may_not_be),
		cmocka_unit_test(in_any_parts_by_either),
		cmocka_unit_test(one_block_from_any_state),
		cmocka_unit_test(a_long_text),
		cmocka_unit_test(hmac_and_hkdf),
		cmocka_unit_test(mbedtls_comes_here),
		cmocka_unit_test(a_handshake_comes_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
