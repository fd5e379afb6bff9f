/* SPDX-License-Identifier: Apache-2.0
 *
 * mbedTLS's CCM as net_ccm.c computes it: the vectors of RFC 3610, OpenSSL's for the same, and
 * what mbedTLS's own did in a long walk through the interface.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <mbedtls/ccm.h>
#include <mbedtls/error.h>
#include <nettle/sha2.h>
#include <openssl/evp.h>

#include "net/net_crypto.h"
#include "support/input.h"

#define WALKED "0c88e06dd287f1c12f4bfe7787168074930ce49714498388e4b64aa210ae6875"

enum { TEXT = 4096, DATA = 700, TAG = 16, NONCE = 13 };

/* xorshift64: the walk is the same everywhere */
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

/* All that one sealing needs. */
struct sealing {
	unsigned bits;
	size_t nonce_len, data_len, len, tag_len;
	uint8_t key[32], nonce[NONCE], data[DATA], text[TEXT];
	uint8_t sealed[TEXT], tag[TAG];
};

static void sealing_draw(struct sealing *s, uint64_t *seed)
{
	memset(s, 0, sizeof(*s));
	s->bits = 128 + 64 * (unsigned)below(seed, 3);
	s->nonce_len = 7 + below(seed, 7);
	s->data_len = below(seed, 3) ? below(seed, 40) : below(seed, DATA + 1);
	s->len = below(seed, 2) ? below(seed, 70) : below(seed, TEXT + 1);
	s->tag_len = 4 + 2 * below(seed, 7);
	fill(seed, s->key, s->bits / 8);
	fill(seed, s->nonce, s->nonce_len);
	fill(seed, s->data, s->data_len);
	fill(seed, s->text, s->len);
}

static void context_for(const struct sealing *s, mbedtls_ccm_context *ctx)
{
	mbedtls_ccm_init(ctx);
	assert_int_equal(mbedtls_ccm_setkey(ctx, MBEDTLS_CIPHER_ID_AES, s->key, s->bits), 0);
}

static int sealed_by(mbedtls_ccm_context *ctx, struct sealing *s)
{
	return mbedtls_ccm_encrypt_and_tag(ctx, s->len, s->nonce, s->nonce_len, s->data,
					   s->data_len, s->text, s->sealed, s->tag, s->tag_len);
}

static int opened_by(mbedtls_ccm_context *ctx, const struct sealing *s, uint8_t *dst)
{
	return mbedtls_ccm_auth_decrypt(ctx, s->len, s->nonce, s->nonce_len, s->data, s->data_len,
					s->sealed, dst, s->tag, s->tag_len);
}

/* ---- vectors ---- */

/* RFC 3610 8, packet vectors 1 to 4: a packet is 0, 1, 2 ..., its head the data. */
static void vectors(void **state)
{
	static const struct {
		uint8_t first; /* of the four that count in the nonce */
		size_t head, all;
		const char *sealed;
	} table[] = {
		{3, 8, 31, "588c979a61c663d2f066d0c2c0f989806d5f6b61dac38417e8d12cfdf926e0"},
		{4, 8, 32, "72c91a36e135f8cf291ca894085c87e3cc15c439c9e43a3ba091d56e10400916"},
		{5, 8, 33, "51b1e5f44a197d1da46b0f8e2d282ae871e838bb64da8596574adaa76fbd9fb0c5"},
		{6, 12, 31, "a28c6865939a9a79faaa5c4c2a9d4a91cdac8c96c861b9c9e61ef1"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct sealing s = {.bits = 128, .nonce_len = NONCE, .tag_len = 8};
		struct bytes wanted = input_hex(table[i].sealed);
		uint8_t first = table[i].first, back[64];
		mbedtls_ccm_context ctx;

		s.data_len = table[i].head;
		s.len = table[i].all - s.data_len;
		for (uint8_t n = 0; n < 16; n++)
			s.key[n] = (uint8_t)(0xc0 + n);
		for (uint8_t n = 0; n < 4; n++)
			s.nonce[3 + n] = (uint8_t)(first - n);
		for (uint8_t n = 0; n < 6; n++)
			s.nonce[7 + n] = (uint8_t)(0xa0 + n);
		for (uint8_t n = 0; n < table[i].all; n++)
			*(n < s.data_len ? &s.data[n] : &s.text[n - s.data_len]) = n;
		context_for(&s, &ctx);
		assert_int_equal(sealed_by(&ctx, &s), 0);
		assert_int_equal(wanted.len, s.len + s.tag_len);
		assert_memory_equal(s.sealed, wanted.ptr, s.len);
		assert_memory_equal(s.tag, wanted.ptr + s.len, s.tag_len);
		assert_int_equal(opened_by(&ctx, &s, back), 0);
		assert_memory_equal(back, s.text, s.len);
		mbedtls_ccm_free(&ctx);
	}
	assert_int_equal(mbedtls_ccm_self_test(0), 0); /* SP 800-38C C.3 */
}

/* ---- beside OpenSSL ---- */

static void sealed_by_openssl(const struct sealing *s, uint8_t *dst, uint8_t *tag)
{
	const EVP_CIPHER *ciphers[] = {EVP_aes_128_ccm(), EVP_aes_192_ccm(), EVP_aes_256_ccm()};
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t nothing[1];
	int n = 0;

	assert_non_null(c);
	assert_true(EVP_EncryptInit_ex(c, ciphers[(s->bits - 128) / 64], NULL, NULL, NULL));
	assert_true(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_IVLEN, (int)s->nonce_len, NULL));
	assert_true(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, (int)s->tag_len, NULL));
	assert_true(EVP_EncryptInit_ex(c, NULL, NULL, s->key, s->nonce));
	assert_true(EVP_EncryptUpdate(c, NULL, &n, NULL, (int)s->len));
	if (s->data_len)
		assert_true(EVP_EncryptUpdate(c, NULL, &n, s->data, (int)s->data_len));
	assert_true(EVP_EncryptUpdate(c, s->len ? dst : nothing, &n, s->text, (int)s->len));
	assert_true(EVP_EncryptFinal_ex(c, nothing, &n));
	assert_true(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, (int)s->tag_len, tag));
	EVP_CIPHER_CTX_free(c);
}

static void as_openssl_seals(void **state)
{
	static struct sealing s;
	static uint8_t wanted[TEXT], back[TEXT];
	uint64_t seed = 20261123;
	uint8_t tag[TAG];

	(void)state;
	for (unsigned round = 0; round < 1500; round++) {
		mbedtls_ccm_context ctx;

		sealing_draw(&s, &seed);
		sealed_by_openssl(&s, wanted, tag);
		context_for(&s, &ctx);
		assert_int_equal(sealed_by(&ctx, &s), 0);
		assert_memory_equal(s.sealed, wanted, s.len);
		assert_memory_equal(s.tag, tag, s.tag_len);
		assert_int_equal(opened_by(&ctx, &s, back), 0);
		assert_memory_equal(back, s.text, s.len);
		/* in its own place, and by a context that was in use before */
		memcpy(back, s.text, s.len);
		assert_int_equal(mbedtls_ccm_encrypt_and_tag(&ctx, s.len, s.nonce, s.nonce_len,
							     s.data, s.data_len, back, back, tag,
							     s.tag_len),
				 0);
		assert_memory_equal(back, wanted, s.len);
		assert_int_equal(mbedtls_ccm_auth_decrypt(&ctx, s.len, s.nonce, s.nonce_len, s.data,
							  s.data_len, back, back, tag, s.tag_len),
				 0);
		assert_memory_equal(back, s.text, s.len);
		mbedtls_ccm_free(&ctx);
	}
}

/* ---- what is not genuine ---- */

static void one_bit_is_enough(void **state)
{
	static struct sealing s;
	static uint8_t back[TEXT];
	static const uint8_t zero[TEXT];
	uint64_t seed = 7;

	(void)state;
	for (unsigned round = 0; round < 600; round++) {
		mbedtls_ccm_context ctx;

		sealing_draw(&s, &seed);
		context_for(&s, &ctx);
		assert_int_equal(sealed_by(&ctx, &s), 0);

		struct {
			uint8_t *at;
			size_t len;
		} places[] = {{s.sealed, s.len},
			      {s.tag, s.tag_len},
			      {s.data, s.data_len},
			      {s.nonce, s.nonce_len}};
		size_t which = below(&seed, 4), at;

		if (places[which].len == 0)
			which = 1;
		at = below(&seed, places[which].len);
		places[which].at[at] ^= (uint8_t)(1u << below(&seed, 8));
		memset(back, 0x5a, sizeof(back));
		assert_int_equal(opened_by(&ctx, &s, back), MBEDTLS_ERR_CCM_AUTH_FAILED);
		assert_memory_equal(back, zero, s.len); /* nothing of it is out */
		mbedtls_ccm_free(&ctx);
	}
}

static void keys_that_are_none(void **state)
{
	static const uint8_t key[32];
	struct sealing s = {.bits = 128, .nonce_len = 12, .tag_len = 8};
	mbedtls_ccm_context ctx;

	(void)state;
	mbedtls_ccm_init(&ctx);
	assert_int_equal(sealed_by(&ctx, &s), MBEDTLS_ERR_CCM_BAD_INPUT);
	for (unsigned bits = 0; bits <= 512; bits++)
		if (bits != 128 && bits != 192 && bits != 256)
			assert_int_equal(mbedtls_ccm_setkey(&ctx, MBEDTLS_CIPHER_ID_AES, key, bits),
					 MBEDTLS_ERR_CCM_BAD_INPUT);
	assert_int_equal(mbedtls_ccm_setkey(&ctx, MBEDTLS_CIPHER_ID_CAMELLIA, key, 128),
			 MBEDTLS_ERR_CCM_BAD_INPUT);
	assert_int_equal(sealed_by(&ctx, &s), MBEDTLS_ERR_CCM_BAD_INPUT);
	/* another key in the place of the first: it goes, and nothing of it stays */
	assert_int_equal(mbedtls_ccm_setkey(&ctx, MBEDTLS_CIPHER_ID_AES, key, 128), 0);
	assert_int_equal(mbedtls_ccm_setkey(&ctx, MBEDTLS_CIPHER_ID_AES, key, 256), 0);
	assert_int_equal(sealed_by(&ctx, &s), 0);
	mbedtls_ccm_free(&ctx);
	mbedtls_ccm_free(&ctx);
	mbedtls_ccm_free(NULL);
}

/* ---- a long walk ---- */

static void note_code(struct sha256_ctx *notes, int code)
{
	uint8_t b[4] = {(uint8_t)(code >> 24), (uint8_t)(code >> 16), (uint8_t)(code >> 8),
			(uint8_t)code};

	sha256_update(notes, sizeof(b), b);
}

/* Calls as they may come, and some that may not. `s` is what they are about. */
static void one_walk(struct sha256_ctx *notes, mbedtls_ccm_context *ctx, const struct sealing *s,
		     uint64_t *seed)
{
	static uint8_t out[TEXT];
	bool lengths_first = below(seed, 2), wrong = below(seed, 4) == 0;
	int mode = (int)below(seed, 4);
	size_t tag_len = below(seed, 8) ? s->tag_len : below(seed, 20);
	size_t text_len = s->len + (wrong ? below(seed, 3) : 0);
	uint8_t tag[TAG + 4] = {0};
	size_t n, done;
	int code = 0;

	memset(out, 0, sizeof(out));
	for (int i = 0; i < 2 && code == 0; i++) {
		code = lengths_first == (i == 0)
			       ? mbedtls_ccm_set_lengths(ctx, s->data_len, text_len, tag_len)
			       : mbedtls_ccm_starts(ctx, mode, s->nonce, s->nonce_len);
		note_code(notes, code);
	}
	for (done = 0; code == 0 && done < s->data_len; done += n) {
		n = 1 + below(seed, s->data_len - done);
		code = mbedtls_ccm_update_ad(ctx, s->data + done, n);
		note_code(notes, code);
	}
	if (wrong && code == 0)
		note_code(notes, mbedtls_ccm_update_ad(ctx, s->data, below(seed, 3)));
	for (done = 0; code == 0 && done < s->len; done += n) {
		size_t len = 0;

		n = 1 + below(seed, s->len - done);
		code = mbedtls_ccm_update(ctx, s->text + done, n, out + done, sizeof(out) - done,
					  &len);
		note_code(notes, code);
		note_code(notes, (int)len);
	}
	if (wrong && code == 0)
		note_code(notes, mbedtls_ccm_update(ctx, s->text, 3, tag, below(seed, 4), &n));
	sha256_update(notes, sizeof(out), out);
	if (tag_len > TAG)
		return;
	note_code(notes, mbedtls_ccm_finish(ctx, tag, tag_len));
	sha256_update(notes, sizeof(tag), tag);
}

/* In parts of any size, in any order that may be, with lengths and orders that may not, in all four
 * modes. WALKED is the answer of mbedTLS 3.6.6's own ccm.c, which is in this program when it is
 * linked without libnet.a. */
static void as_mbedtls_walks(void **state)
{
	static struct sealing s;
	uint8_t digest[32];
	struct sha256_ctx notes;
	uint64_t seed = 4242;

	(void)state;
	sha256_init(&notes);
	for (unsigned round = 0; round < 3000; round++) {
		mbedtls_ccm_context ctx;

		sealing_draw(&s, &seed);
		context_for(&s, &ctx);
		one_walk(&notes, &ctx, &s, &seed);
		mbedtls_ccm_free(&ctx);
	}
	sha256_digest(&notes, sizeof(digest), digest);

	struct bytes wanted = input_hex(WALKED);

	assert_memory_equal(digest, wanted.ptr, sizeof(digest));
}

/* A counter of two bytes that comes to its end, as only a text without a tag can be so long. */
static void the_counter_ends_before_the_nonce(void **state)
{
	enum { LEN = 65600 * 16 };
	static uint8_t text[LEN], out[LEN];
	struct sealing s = {.bits = 128, .nonce_len = 13, .nonce = {[12] = 0xff}};
	mbedtls_ccm_context ctx;
	size_t len;

	(void)state;
	context_for(&s, &ctx);
	assert_int_equal(mbedtls_ccm_starts(&ctx, MBEDTLS_CCM_STAR_ENCRYPT, s.nonce, 13), 0);
	assert_int_equal(mbedtls_ccm_set_lengths(&ctx, 0, 0, 0), 0);
	assert_int_equal(mbedtls_ccm_update(&ctx, text, LEN, out, LEN, &len), 0);
	assert_int_equal(len, LEN);
	/* 65,536 blocks later the same key stream: the nonce has not moved */
	assert_memory_equal(out + 65536 * 16, out, LEN - 65536 * 16);
	mbedtls_ccm_free(&ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(as_openssl_seals),
		cmocka_unit_test(one_bit_is_enough),
		cmocka_unit_test(keys_that_are_none),
		cmocka_unit_test(as_mbedtls_walks),
		cmocka_unit_test(the_counter_ends_before_the_nonce),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
