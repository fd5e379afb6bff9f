/* SPDX-License-Identifier: Apache-2.0 */
#include "sign/sign.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/sha256.h>

#include "sign/sign_inner.h"

enum { CHUNK = 8192, NAMES = 260 };

struct check {
	const struct image_file *f;
	const struct image *im;
	const struct signers *keys;
	struct sign_result *result;
};

static void conclude(struct sign_result *r, enum sign_verdict verdict, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void conclude(struct sign_result *r, enum sign_verdict verdict, const char *format, ...)
{
	va_list args;

	r->verdict = verdict;
	va_start(args, format);
	(void)vsnprintf(r->why, sizeof(r->why), format, args);
	va_end(args);
}

static void conclude_good(struct sign_result *r, unsigned key)
{
	r->verdict = SIGN_GOOD;
	r->key = key;
	r->why[0] = 0;
}

/* "ci (ecdsa-p256), old (rsa-2048)"; what has no room is counted. */
static char *names(const struct signers *keys, char dst[NAMES])
{
	size_t used = 0;

	dst[0] = 0;
	for (unsigned i = 0; i < keys->count; i++) {
		char one[LIMIT_SIGNER_NAME + 32];
		(void)snprintf(one, sizeof(one), "%s%s (%s)", i ? ", " : "", keys->list[i].name,
			       signer_kind_name(keys->list[i].kind));
		size_t len = strlen(one);
		if (used + len + 24 > NAMES) {
			(void)snprintf(dst + used, NAMES - used, " and %u more", keys->count - i);
			break;
		}
		memcpy(dst + used, one, len + 1);
		used += len;
	}
	return dst;
}

/* ---- beside the image ---- */

static int file_hash(const struct image_file *f, uint8_t ret[DIGEST_SHA256])
{
	mbedtls_sha256_context sha;
	uint8_t chunk[CHUNK];
	int err = 0, bad;

	mbedtls_sha256_init(&sha);
	bad = mbedtls_sha256_starts(&sha, 0);
	for (uint64_t at = 0; at < f->size && !bad && !err;) {
		size_t n = f->size - at < CHUNK ? (size_t)(f->size - at) : CHUNK;
		err = f->read(f->ctx, at, chunk, n);
		if (!err)
			bad = mbedtls_sha256_update(&sha, chunk, n);
		at += n;
	}
	if (!bad && !err)
		bad = mbedtls_sha256_finish(&sha, ret);
	mbedtls_sha256_free(&sha);
	return err ? err : bad ? ERR_CRYPTO : 0;
}

static int check_beside(struct check *c, const struct sign_raw *sig)
{
	uint8_t hash[DIGEST_SHA256];
	char who[NAMES];
	int err = file_hash(c->f, hash);

	if (err)
		return err;
	for (unsigned i = 0; i < c->keys->count; i++) {
		if (sign_verify(&c->keys->list[i], SIGN_PKCS1, (struct bytes){hash, sizeof(hash)},
				(struct bytes){sig->bytes, sig->len})) {
			conclude_good(c->result, i);
			return 0;
		}
	}
	if (c->keys->count == 0)
		conclude(c->result, SIGN_BAD,
			 "a signature was given, but there is no key to check it with: add its "
			 "signer first (postbootctl signer add)");
	else
		conclude(
			c->result, SIGN_BAD,
			"the signature that was given (%zu bytes) is not of this file by any of "
			"its signers; tried: %s. It is to be of the SHA-256 of the whole file: "
			"ECDSA or RSA with PKCS#1 v1.5 (openssl dgst -sha256 -sign), or Ed25519 of "
			"these 32 bytes",
			sig->len, names(c->keys, who));
	return 0;
}

/* ---- inside the image ---- */

/* What the signatures are of. The caller frees *ret_whole. */
static int signed_message(const struct check *c, struct bytes *ret, uint8_t **ret_whole)
{
	uint8_t *whole;

	if (!c->im->pure) {
		*ret = (struct bytes){c->im->hash.value, c->im->hash.len};
		return 0;
	}
	whole = malloc((size_t)c->im->signed_bytes + 1);
	if (!whole)
		return ERR_NOMEM;
	int err = c->f->read(c->f->ctx, 0, whole, (size_t)c->im->signed_bytes);
	if (err) {
		free(whole);
		return err;
	}
	*ret_whole = whole;
	*ret = (struct bytes){whole, (size_t)c->im->signed_bytes};
	return 0;
}

static bool is_named(const struct image_signature_at *at, const struct signer *key)
{
	uint8_t hash[DIGEST_SHA256];

	return at->has_key && sign_kind_fits(at->kind, key->kind) &&
	       sign_key_hash(key, at->kind, hash) && memcmp(hash, at->key, sizeof(hash)) == 0;
}

static const char *kind_word(enum image_signature kind)
{
	unsigned bit = 0;

	while (bit + 1 < IMAGE_SIGNATURE_COUNT && !((unsigned)kind & 1U << bit))
		bit++;
	return image_signature_name(bit);
}

/* One signature with every key that can have made it. */
static int check_at(struct check *c, const struct image_signature_at *at, struct bytes message)
{
	const struct signers *keys = c->keys;
	uint8_t raw[LIMIT_SIGNATURE];
	bool fits = at->len <= sizeof(raw);
	int err = fits ? c->f->read(c->f->ctx, at->offset, raw, at->len) : 0;

	if (err)
		return err;
	if (at->kind == IMAGE_SIG_ESP_V2) /* its numbers begin at the low end */
		for (size_t i = 0; fits && i < at->len / 2; i++) {
			uint8_t byte = raw[i];
			raw[i] = raw[at->len - 1 - i];
			raw[at->len - 1 - i] = byte;
		}
	for (unsigned i = 0; i < keys->count; i++) {
		const struct signer *key = &keys->list[i];
		if (c->im->pure && key->kind != SIGNER_ED25519)
			continue;
		if (fits && sign_kind_fits(at->kind, key->kind) &&
		    sign_verify(key, SIGN_PSS, message, (struct bytes){raw, at->len})) {
			if (c->result->verdict != SIGN_BAD)
				conclude_good(c->result, i);
			return 0;
		}
		if (is_named(at, key)) {
			conclude(c->result, SIGN_BAD,
				 "its %s signature names the key of %s, but is not of these bytes: "
				 "they were changed after they were signed, or the signature is "
				 "damaged; sign the image anew",
				 kind_word(at->kind), key->name);
			return 0;
		}
	}
	return 0;
}

static void conclude_strange(struct check *c)
{
	const struct image_signature_at *at = &c->im->signature[0];
	char who[NAMES], key[2 * 8 + 32] = "";

	if (at->has_key) {
		struct buf b = buf_writer(key, sizeof(key));
		buf_put_str(&b, ", by a key with the hash ");
		buf_put_hex(&b, at->key, 8);
		(void)buf_cstr(&b);
	}
	if (c->keys->count == 0)
		conclude(c->result, SIGN_STRANGE,
			 "it is signed (%s%s), but there are no signers to check that with: "
			 "postbootctl signer add",
			 kind_word(at->kind), key);
	else
		conclude(c->result, SIGN_STRANGE,
			 "it is signed (%s%s), but by none of the signers; tried: %s. Sign it with "
			 "a key of theirs, or add its signer (postbootctl signer add)",
			 kind_word(at->kind), key, names(c->keys, who));
}

/* Why the signatures cannot be checked; NULL: they can. */
static const char *no_way(const struct image *im)
{
	if (im->signature_count == 0)
		return im->facts.signatures
			       ? "its signature is of a kind that cannot be checked here: give one "
				 "of the whole file (--signature)"
			       : "it has no signature: sign it with the key of a signer, or give a "
				 "signature of the whole file (--signature)";
	if (im->facts.encrypted)
		return "it is encrypted, and its signature is of what is inside: give one of the "
		       "whole file (--signature)";
	if (im->pure && im->signed_bytes > (uint64_t)LIMIT_SIGNED_WHOLE)
		return "it is too large for a signature without a hash: give one of the whole "
		       "file (--signature)";
	if (!im->pure && im->hash.len == 0)
		return "it has no hash that its signature could be of: give one of the whole "
		       "file (--signature)";
	return NULL;
}

static int check_inside(struct check *c)
{
	const char *why = no_way(c->im);
	struct bytes message = {0};
	uint8_t *whole = NULL;

	if (why) {
		conclude(c->result, SIGN_NONE, "%s", why);
		return 0;
	}
	c->result->verdict = SIGN_NONE;
	int err = signed_message(c, &message, &whole);
	for (unsigned i = 0; i < c->im->signature_count && !err; i++)
		err = check_at(c, &c->im->signature[i], message);
	free(whole);
	if (!err && c->result->verdict == SIGN_NONE)
		conclude_strange(c);
	return err;
}

int sign_check(const struct image_file *f, const struct image *im, const struct sign_raw *beside,
	       const struct signers *keys, struct sign_result *ret)
{
	struct sign_result inside = {0}, other = {0};
	struct check c = {f, im, keys, &inside};
	int err = check_inside(&c);

	if (!err && beside->len && inside.verdict != SIGN_BAD) {
		c.result = &other;
		err = check_beside(&c, beside);
		inside = other;
	}
	if (!err)
		*ret = inside;
	return err;
}
