/* SPDX-License-Identifier: Apache-2.0
 *
 * Public keys and signatures, against what openssl made (sign_vectors.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <nettle/base64.h>
#include <nettle/sha2.h>

#include "sign/sign.h"
#include "unit/sign_vectors.h"

#define BYTES(array) ((struct bytes){(array), sizeof(array)})

static char why[SIGN_WHY];

static struct bytes text_bytes(const char *text)
{
	return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static void sha256(const void *ptr, size_t len, uint8_t dst[DIGEST_SHA256])
{
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, len, ptr);
	sha256_digest(&ctx, SHA256_DIGEST_SIZE, dst);
}

static struct signer key_of(const char *pem, const char *name)
{
	struct signer k = {0};

	if (sign_key_read(text_bytes(pem), &k, why))
		fail_msg("%s: %s", name, why);
	(void)snprintf(k.name, sizeof(k.name), "%s", name);
	return k;
}

/* ---- keys ---- */

static void test_key_kinds(void **state)
{
	static const struct {
		const char *pem;
		enum signer_kind kind;
	} rows[] = {
		{key_p256, SIGNER_ECDSA_P256},	     {key_ed25519, SIGNER_ED25519},
		{key_rsa2048, SIGNER_RSA2048},	     {key_rsa3072, SIGNER_RSA3072},
		{key_rsa4096, SIGNER_RSA4096},	     {key_rsa2048_pkcs1, SIGNER_RSA2048},
		{key_p256_point, SIGNER_ECDSA_P256},
	};
	char pem[LIMIT_SIGNER_PEM];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct signer k = key_of(rows[i].pem, "k"), again;
		assert_int_equal(k.kind, rows[i].kind);
		assert_int_equal(strlen(k.id), LIMIT_KEY_ID);
		again = key_of(sign_key_pem(&k, pem), "k");
		assert_memory_equal(&again, &k, sizeof(k));
	}
	/* one key has one id, however it was written */
	assert_string_equal(key_of(key_p256, "a").id, key_of(key_p256_point, "b").id);
	assert_string_equal(key_of(key_rsa2048, "a").id, key_of(key_rsa2048_pkcs1, "b").id);
	struct signer k = key_of(key_p256, "p");
	assert_string_equal(sign_key_pem(&k, pem), key_p256);
	/* with lines of another system, and text around */
	char crlf[2 * sizeof(key_p256)] = "Public-Key: (256 bit)\r\n";
	for (const char *c = key_p256; *c; c++)
		(void)snprintf(crlf + strlen(crlf), 3, *c == '\n' ? "\r\n" : "%c", *c);
	assert_string_equal(key_of(crlf, "crlf").id, k.id);
}

static void assert_refused(struct bytes pem, const char *text)
{
	struct signer k, before;

	memset(&k, 0x5a, sizeof(k));
	before = k;
	why[0] = 0;
	assert_int_equal(sign_key_read(pem, &k, why), ERR_INVAL);
	if (!strstr(why, text))
		fail_msg("\"%s\" where \"%s\" is wanted", why, text);
	assert_memory_equal(&k, &before, sizeof(k)); /* nothing of it is kept */
}

static const char *pem_of(const uint8_t *der, size_t len)
{
	static char pem[256];
	char text[BASE64_ENCODE_RAW_LENGTH(64) + 1] = "";

	assert_true(len <= 64);
	base64_encode_raw(text, len, der);
	(void)snprintf(pem, sizeof(pem),
		       "-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n", text);
	return pem;
}

static void test_sign_refuses_keys_for_which_anybody_can_sign(void **state)
{
	/* y of the points of order 1, 2, 4 and 8; the last three: 0 and 1 beyond the prime, -1 */
	static const char *const hex[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"};
	uint8_t der[44] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
	struct signer k;
	size_t len;

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(hex) / sizeof(hex[0]); i++) {
		assert_int_equal(buf_from_hex(hex[i / 2], 64, der + 12, 32, &len), 0);
		if (i % 2)
			der[43] |= 0x80;
		assert_refused(text_bytes(pem_of(der, sizeof(der))), "of small order");
		der[42] ^=
			0x10; /* another point, or none: what a signature of it is worth, it says */
		assert_int_equal(sign_key_read(text_bytes(pem_of(der, sizeof(der))), &k, why), 0);
	}
}

static void test_keys_refused(void **state)
{
	static char big[65536];
	char cut[1024];

	(void)state;
	assert_refused(text_bytes(key_rsa1024), "an RSA key of 1024 bits; 2048, 3072 and 4096");
	assert_refused(text_bytes(key_p384), "on the curve secp384r1; ECDSA is taken on P-256");
	assert_refused(text_bytes(key_x25519), "on the curve x25519");
	assert_refused(text_bytes(key_ed448), "no public key of ECDSA, RSA or Ed25519");
	assert_refused(text_bytes(key_certificate), "it is a certificate");
	assert_refused(text_bytes("-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n"),
		       "it is a private key");
	assert_refused(text_bytes("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n"
				  "-----END EC PARAMETERS-----\n-----BEGIN EC PRIVATE KEY-----\n"),
		       "it is a private key");
	assert_refused(text_bytes("-----BEGIN OPENSSH PRIVATE KEY-----"), "it is a private key");
	(void)snprintf(cut, sizeof(cut), "%s-----BEGIN ENCRYPTED PRIVATE KEY-----\n", key_p256);
	assert_refused(text_bytes(cut), "it is a private key");
	(void)snprintf(cut, sizeof(cut), "%s%s", key_p256, key_ed25519);
	assert_refused(text_bytes(cut), "more than one key");
	assert_refused(text_bytes("ssh-ed25519 AAAA x"), "no -----BEGIN PUBLIC KEY----- line");
	assert_refused((struct bytes){NULL, 0}, "no -----BEGIN PUBLIC KEY----- line");
	assert_refused((struct bytes){(const uint8_t *)"0\0", 2}, "it is not text");
	assert_refused(text_bytes("-----BEGIN PGP PUBLIC KEY BLOCK-----"),
		       "it has \"PGP PUBLIC KEY BLOCK\"");
	assert_refused(text_bytes("-----BEGIN "), "no -----BEGIN PUBLIC KEY----- line");
	assert_refused(text_bytes("-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----\n"),
		       "not base64");
	assert_refused(text_bytes("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n"), "");
	/* cut short anywhere, never a key */
	for (size_t n = 0; n < strlen(key_p256) - 1; n++) {
		struct signer k;
		if (sign_key_read((struct bytes){(const uint8_t *)key_p256, n}, &k, why) == 0)
			fail_msg("a key of %zu bytes", n);
	}
	/* a point that is not on the curve, an exponent that is even */
	(void)snprintf(cut, sizeof(cut), "%s", key_p256);
	char *last = strstr(cut, "==\n") - 4;
	*last = *last == 'A' ? 'B' : 'A';
	assert_refused(text_bytes(cut), "no public key");
	memset(big, 'A', sizeof(big));
	assert_refused((struct bytes){(uint8_t *)big, sizeof(big)}, "longer than 4096 bytes");
	assert_refused((struct bytes){(uint8_t *)big, LIMIT_SIGNER_PEM + 1}, "longer than 4096");
	memset(big, '\n', LIMIT_SIGNER_PEM);
	memcpy(big, key_p256, strlen(key_p256));
	struct signer k;
	assert_int_equal(sign_key_read((struct bytes){(uint8_t *)big, LIMIT_SIGNER_PEM}, &k, why),
			 0);
}

/* ---- signatures as text ---- */

static void test_base64(void **state)
{
	char text[SIGN_BASE64 + 8];
	struct sign_raw raw, back;
	uint8_t file[LIMIT_SIGNATURE + 1];

	(void)state;
	assert_int_equal(sign_from_base64(text_bytes(" AQID\r\n BA== \n"), &raw), 0);
	assert_true(raw.len == 4 && memcmp(raw.bytes, "\1\2\3\4", 4) == 0);
	assert_int_equal(sign_from_base64(text_bytes("AQI"), &raw), ERR_SYNTAX);
	assert_int_equal(sign_from_base64(text_bytes("AQ=I"), &raw), ERR_SYNTAX);
	assert_int_equal(sign_from_base64(text_bytes("A*ID"), &raw), ERR_SYNTAX);
	assert_int_equal(sign_from_base64(text_bytes(" \n"), &raw), ERR_SYNTAX);
	memset(file, 0xa5, sizeof(file));
	assert_int_equal(sign_from_file((struct bytes){file, LIMIT_SIGNATURE}, &raw), 0);
	assert_int_equal(raw.len, LIMIT_SIGNATURE);
	assert_int_equal(sign_from_base64(text_bytes(sign_to_base64(&raw, text)), &back), 0);
	assert_memory_equal(back.bytes, raw.bytes, raw.len);
	assert_int_equal(sign_from_file(text_bytes(text), &back), 0);
	assert_int_equal(back.len, LIMIT_SIGNATURE);
	assert_int_equal(sign_from_file(BYTES(file), &raw), ERR_LIMIT);
	memset(text, 'A', SIGN_BASE64 + 3);
	text[SIGN_BASE64 + 3] = 0;
	assert_int_equal(sign_from_base64(text_bytes(text), &raw), ERR_LIMIT);
	text[SIGN_BASE64 - 1] = 0; /* one byte more than a signature has */
	assert_int_equal(sign_from_base64(text_bytes(text), &raw), ERR_LIMIT);
	assert_int_equal(sign_from_file((struct bytes){NULL, 0}, &raw), ERR_INVAL);
	/* a private key that was taken for a signature is not sent as one */
	assert_int_equal(sign_from_file(text_bytes("x\n-----BEGIN PRIVATE KEY-----\n"), &raw),
			 ERR_INVAL);
}

/* ---- signatures ---- */

struct world {
	uint8_t file[4096];
	size_t len, fail_at; /* reading there or behind it fails; 0: never */
	struct image im;
	struct sign_raw beside;
	struct signers keys;
	struct sign_result result;
};
static struct world w;

static int world_read(void *ctx, uint64_t offset, void *dst, size_t len)
{
	(void)ctx;
	assert_true(offset <= w.len && len <= w.len - offset);
	if (w.fail_at && offset + len > w.fail_at)
		return ERR_IO;
	memcpy(dst, w.file + offset, len);
	return 0;
}

/* The file is the message, and a plain image. */
static void world_new(void)
{
	memset(&w, 0, sizeof(w));
	w.len = strlen(vector_message);
	memcpy(w.file, vector_message, w.len);
	w.im.facts.format = IMAGE_PLAIN;
}

static void add_key(const char *pem, const char *name)
{
	w.keys.list[w.keys.count++] = key_of(pem, name);
}

static enum sign_verdict check(void)
{
	const struct image_file f = {world_read, NULL, w.len};

	memset(&w.result, 0, sizeof(w.result));
	assert_int_equal(sign_check(&f, &w.im, &w.beside, &w.keys, &w.result), 0);
	if (w.result.verdict == SIGN_GOOD)
		assert_string_equal(w.result.why, "");
	else
		assert_true(w.result.why[0]);
	return w.result.verdict;
}

static void assert_why(const char *text)
{
	if (!strstr(w.result.why, text))
		fail_msg("\"%s\" where \"%s\" is wanted", w.result.why, text);
}

static void set_beside(struct bytes sig)
{
	assert_true(sig.len <= sizeof(w.beside.bytes));
	w.beside.len = sig.len;
	memcpy(w.beside.bytes, sig.ptr, sig.len);
}

/* The image's hash is that of the message; the signature stands behind it. */
static void set_inside(enum image_signature kind, struct bytes sig)
{
	struct image_signature_at *at = &w.im.signature[w.im.signature_count++];

	w.im.facts.format = IMAGE_MCUBOOT;
	w.im.facts.signatures |= kind;
	w.im.hash.len = DIGEST_SHA256;
	w.im.signed_bytes = strlen(vector_message);
	sha256(vector_message, strlen(vector_message), w.im.hash.value);
	*at = (struct image_signature_at){.kind = kind, .offset = w.len, .len = (uint32_t)sig.len};
	memcpy(w.file + w.len, sig.ptr, sig.len);
	w.len += sig.len;
}

static const struct vector {
	const char *key, *name;
	struct bytes beside, inside;
	enum image_signature kind;
} vectors[] = {
	{key_p256,
	 "p256",
	 {sig_p256, sizeof(sig_p256)},
	 {sig_p256, sizeof(sig_p256)},
	 IMAGE_SIG_ECDSA},
	{key_rsa2048,
	 "rsa2048",
	 {sig_rsa2048_pkcs1, 256},
	 {sig_rsa2048_pss, 256},
	 IMAGE_SIG_RSA2048},
	{key_rsa3072,
	 "rsa3072",
	 {sig_rsa3072_pkcs1, 384},
	 {sig_rsa3072_pss, 384},
	 IMAGE_SIG_RSA3072},
	{key_ed25519, "ed25519", {sig_ed25519_hash, 64}, {sig_ed25519_hash, 64}, IMAGE_SIG_ED25519},
	{key_rsa4096, "rsa4096", {sig_rsa4096_pkcs1, 512}, {NULL, 0}, 0},
};
enum { VECTORS = sizeof(vectors) / sizeof(vectors[0]) };

static void all_keys(void)
{
	for (unsigned i = 0; i < VECTORS; i++)
		add_key(vectors[i].key, vectors[i].name);
	add_key(key_other, "other");
}

static void test_beside(void **state)
{
	(void)state;
	for (unsigned i = 0; i < VECTORS; i++) {
		const struct vector *v = &vectors[i];
		world_new();
		set_beside(v->beside);
		assert_int_equal(check(), SIGN_BAD);
		assert_why("there is no key to check it with");
		add_key(key_other, "other");
		assert_int_equal(check(), SIGN_BAD);
		assert_why("by any of its signers; tried: other (ecdsa-p256).");
		w.keys.count = 0;
		all_keys();
		assert_int_equal(check(), SIGN_GOOD);
		assert_int_equal(w.result.key, i);
		/* another file */
		w.file[7] ^= 1;
		assert_int_equal(check(), SIGN_BAD);
		w.file[7] ^= 1;
		/* another signature: flipped, cut, too long, padded otherwise */
		for (size_t at = 3; at < v->beside.len; at += 61) {
			w.beside.bytes[at] ^= 0x10;
			assert_int_equal(check(), SIGN_BAD);
			w.beside.bytes[at] ^= 0x10;
		}
		w.beside.len--;
		assert_int_equal(check(), SIGN_BAD);
		if (v->kind == IMAGE_SIG_RSA2048 || v->kind == IMAGE_SIG_RSA3072) {
			set_beside(v->inside);
			assert_int_equal(check(), SIGN_BAD);
		}
	}
	world_new(); /* Ed25519 is of the hash, not of the file */
	all_keys();
	set_beside(BYTES(sig_ed25519_whole));
	assert_int_equal(check(), SIGN_BAD);
	assert_why("or Ed25519 of these 32 bytes");
}

/* r and s of 32 bytes each */
static void test_beside_raw(void **state)
{
	uint8_t raw[64] = {0};
	const uint8_t *p = sig_p256 + 2;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		size_t n = p[1], skip = n > 32 ? n - 32 : 0;
		memcpy(raw + 32 * i + 32 - (n - skip), p + 2 + skip, n - skip);
		p += 2 + n;
	}
	world_new();
	all_keys();
	set_beside(BYTES(raw));
	assert_int_equal(check(), SIGN_GOOD);
	assert_int_equal(w.result.key, 0);
	w.beside.bytes[63] ^= 1;
	assert_int_equal(check(), SIGN_BAD);
	memset(w.beside.bytes, 0, 64);
	assert_int_equal(check(), SIGN_BAD);
	memset(w.beside.bytes, 0xff, 64);
	assert_int_equal(check(), SIGN_BAD);
}

static void test_inside(void **state)
{
	(void)state;
	for (unsigned i = 0; i < VECTORS; i++) {
		const struct vector *v = &vectors[i];
		if (!v->inside.len)
			continue;
		world_new();
		set_inside(v->kind, v->inside);
		assert_int_equal(check(), SIGN_STRANGE);
		assert_why("but there are no signers to check that with");
		add_key(key_other, "other");
		assert_int_equal(check(), SIGN_STRANGE);
		assert_why("but by none of the signers; tried: other (ecdsa-p256). Sign it");
		w.keys.count = 0;
		all_keys();
		assert_int_equal(check(), SIGN_GOOD);
		assert_int_equal(w.result.key, i);
		/* of another hash */
		w.im.hash.value[0] ^= 1;
		assert_int_equal(check(), SIGN_STRANGE);
		w.im.hash.value[0] ^= 1;
		/* flipped, cut */
		w.file[w.len - 5] ^= 4;
		assert_int_equal(check(), SIGN_STRANGE);
		w.file[w.len - 5] ^= 4;
		w.im.signature[0].len--;
		assert_int_equal(check(), SIGN_STRANGE);
		/* longer than any */
		w.len = sizeof(w.file);
		w.im.signature[0].len = LIMIT_SIGNATURE + 1;
		assert_int_equal(check(), SIGN_STRANGE);
	}
	world_new(); /* as old tools pad it */
	all_keys();
	set_inside(IMAGE_SIG_ECDSA, BYTES(sig_p256));
	w.len += 3;
	w.im.signature[0].len += 3;
	assert_int_equal(check(), SIGN_GOOD);
	w.file[w.len - 1] = 1;
	assert_int_equal(check(), SIGN_STRANGE);
}

/* The image names the key that signed it: then a wrong signature is no stranger's. */
static void test_named(void **state)
{
	struct signer k = key_of(key_p256, "p256");

	(void)state;
	world_new();
	set_inside(IMAGE_SIG_ECDSA, BYTES(sig_p256));
	w.im.signature[0].has_key = true;
	sha256(k.key, k.key_len, w.im.signature[0].key);
	add_key(key_other, "other");
	assert_int_equal(check(), SIGN_STRANGE);
	assert_why(", by a key with the hash ");
	all_keys();
	assert_int_equal(check(), SIGN_GOOD);
	w.im.hash.value[5] ^= 1;
	assert_int_equal(check(), SIGN_BAD);
	assert_why("its ecdsa signature names the key of p256, but is not of these bytes");
	/* nothing beside it makes that good, nor another signature in it */
	set_beside(BYTES(sig_p256));
	assert_int_equal(check(), SIGN_BAD);
	w.im.hash.value[5] ^= 1;
	w.beside.len = 0;
	assert_int_equal(check(), SIGN_GOOD);
	set_inside(IMAGE_SIG_ED25519, BYTES(sig_ed25519_hash));
	w.file[w.im.signature[0].offset + 20] ^= 1;
	assert_int_equal(check(), SIGN_BAD);
	w.im.signature[0].has_key = false;
	assert_int_equal(check(), SIGN_GOOD); /* of the second one */
	assert_string_equal(w.keys.list[w.result.key].name, "ed25519");
	/* the hash of an RSA key is that of its PKCS#1 form: 24 bytes behind the other's begin */
	world_new();
	all_keys();
	set_inside(IMAGE_SIG_RSA2048, BYTES(sig_rsa2048_pss));
	k = key_of(key_rsa2048, "rsa2048");
	w.im.signature[0].has_key = true;
	sha256(k.key + 24, k.key_len - 24, w.im.signature[0].key);
	w.file[w.im.signature[0].offset] ^= 1;
	assert_int_equal(check(), SIGN_BAD);
	assert_why("names the key of rsa2048");
}

static void test_esp(void **state)
{
	uint8_t sig[384], block[388];
	struct signer k = key_of(key_rsa3072, "rsa3072");

	(void)state;
	for (size_t i = 0; i < sizeof(sig); i++)
		sig[i] = sig_rsa3072_pss[sizeof(sig) - 1 - i];
	world_new();
	all_keys();
	set_inside(IMAGE_SIG_ESP_V2, BYTES(sig));
	assert_int_equal(check(), SIGN_GOOD);
	/* the modulus is 384 bytes, 5 before the end; then 02 03 and the exponent */
	for (size_t i = 0; i < 384; i++)
		block[i] = k.key[k.key_len - 6 - i];
	memcpy(block + 384, "\1\0\1\0", 4);
	w.im.signature[0].has_key = true;
	sha256(block, sizeof(block), w.im.signature[0].key);
	assert_int_equal(check(), SIGN_GOOD);
	w.im.hash.value[0] ^= 1;
	assert_int_equal(check(), SIGN_BAD);
	assert_why("its esp-secure-boot-v2 signature names the key of rsa3072");
}

static void test_pure(void **state)
{
	(void)state;
	world_new();
	all_keys();
	set_inside(IMAGE_SIG_ED25519, BYTES(sig_ed25519_whole));
	assert_int_equal(check(), SIGN_STRANGE);
	w.im.pure = true;
	w.im.hash.len = 0;
	assert_int_equal(check(), SIGN_GOOD);
	w.file[0] ^= 1;
	assert_int_equal(check(), SIGN_STRANGE);
	w.file[0] ^= 1;
	w.im.signed_bytes = (uint64_t)LIMIT_SIGNED_WHOLE + 1;
	assert_int_equal(check(), SIGN_NONE);
	assert_why("too large for a signature without a hash");
}

static void test_no_way(void **state)
{
	(void)state;
	world_new();
	all_keys();
	assert_int_equal(check(), SIGN_NONE);
	assert_why("it has no signature: sign it with the key of a signer");
	w.im.facts.signatures = IMAGE_SIG_OTHER;
	assert_int_equal(check(), SIGN_NONE);
	assert_why("of a kind that cannot be checked here");
	set_inside(IMAGE_SIG_ECDSA, BYTES(sig_p256));
	w.im.facts.encrypted = true;
	assert_int_equal(check(), SIGN_NONE);
	assert_why("it is encrypted");
	w.im.facts.encrypted = false;
	w.im.hash.len = 0;
	assert_int_equal(check(), SIGN_NONE);
	assert_why("it has no hash");
}

static void test_reading_fails(void **state)
{
	const struct image_file f = {world_read, NULL,
				     sizeof(vector_message) - 1 + sizeof(sig_p256)};

	(void)state;
	world_new();
	all_keys();
	set_inside(IMAGE_SIG_ECDSA, BYTES(sig_p256));
	w.fail_at = w.len - 1;
	assert_int_equal(sign_check(&f, &w.im, &w.beside, &w.keys, &w.result), ERR_IO);
	w.im.signature_count = 0;
	set_beside(BYTES(sig_p256));
	assert_int_equal(sign_check(&f, &w.im, &w.beside, &w.keys, &w.result), ERR_IO);
	w.im.pure = true;
	w.im.signature_count = 1;
	w.fail_at = 1;
	assert_int_equal(sign_check(&f, &w.im, &w.beside, &w.keys, &w.result), ERR_IO);
}

/* As many keys as there may be, with the longest names: all in one bounded sentence. */
static void test_many(void **state)
{
	(void)state;
	world_new();
	for (unsigned i = 0; i < LIMIT_SIGNERS; i++) {
		add_key(key_other, "");
		memset(w.keys.list[i].name, 'n', LIMIT_SIGNER_NAME);
	}
	set_beside(BYTES(sig_p256));
	assert_int_equal(check(), SIGN_BAD);
	assert_why(" and 13 more. It is to be of the SHA-256");
	assert_why("or Ed25519 of these 32 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_key_kinds),
		cmocka_unit_test(test_keys_refused),
		cmocka_unit_test(test_sign_refuses_keys_for_which_anybody_can_sign),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_beside),
		cmocka_unit_test(test_beside_raw),
		cmocka_unit_test(test_inside),
		cmocka_unit_test(test_named),
		cmocka_unit_test(test_esp),
		cmocka_unit_test(test_pure),
		cmocka_unit_test(test_no_way),
		cmocka_unit_test(test_reading_fails),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests_name("sign", tests, NULL, NULL);
}
