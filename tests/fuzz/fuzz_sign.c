/* SPDX-License-Identifier: Apache-2.0
 *
 * Public keys and signatures that somebody gives. First byte: 0 text of a key, 1 DER of a key, 2 a
 * file of a signature, 3 an image, with the signatures in it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sign/sign.h"
#include "unit/sign_vectors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BODY = 1 << 16 };

static void check_key(struct bytes text)
{
	char why[SIGN_WHY] = "", pem[LIMIT_SIGNER_PEM];
	struct signer key, again;

	if (sign_key_read(text, &key, why)) {
		if (!why[0] || !memchr(why, 0, sizeof(why)))
			abort();
		return;
	}
	(void)sign_key_pem(&key, pem);
	if (sign_key_read((struct bytes){(const uint8_t *)pem, strlen(pem)}, &again, why) ||
	    memcmp(&key, &again, sizeof(key)) != 0)
		abort();
}

static void check_der(const uint8_t *data, size_t size)
{
	char text[LIMIT_SIGNER_PEM];
	struct sign_raw raw = {.len = size < LIMIT_SIGNATURE ? size : LIMIT_SIGNATURE};
	char base64[SIGN_BASE64];

	memcpy(raw.bytes, data, raw.len);
	(void)snprintf(text, sizeof(text),
		       "-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n",
		       sign_to_base64(&raw, base64));
	check_key((struct bytes){(const uint8_t *)text, strlen(text)});
}

struct source {
	const uint8_t *data;
	size_t size;
};

static int source_read(void *ctx, uint64_t offset, void *dst, size_t len)
{
	const struct source *s = ctx;

	if (offset > s->size || len > s->size - offset)
		abort();
	memcpy(dst, s->data + offset, len);
	return 0;
}

static const struct signers *all_keys(void)
{
	static const char *const pems[] = {key_p256, key_rsa2048, key_rsa3072, key_rsa4096,
					   key_ed25519};
	static struct signers keys;
	char why[SIGN_WHY];

	for (; keys.count < sizeof(pems) / sizeof(pems[0]); keys.count++) {
		struct signer *key = &keys.list[keys.count];
		const char *pem = pems[keys.count];
		if (sign_key_read((struct bytes){(const uint8_t *)pem, strlen(pem)}, key, why))
			abort();
		(void)snprintf(key->name, sizeof(key->name), "key%u", keys.count);
	}
	return &keys;
}

static void check_image(const uint8_t *data, size_t size, const struct sign_raw *beside)
{
	struct source s = {data, size};
	const struct image_file f = {source_read, &s, size};
	struct sign_result r;
	struct image im;

	if (image_parse(&f, &im))
		abort();
	if (im.fault[0])
		return;
	if (sign_check(&f, &im, beside, all_keys(), &r))
		abort();
	if (r.verdict == SIGN_GOOD ? r.why[0] || r.key >= all_keys()->count : !r.why[0])
		abort();
	if (!memchr(r.why, 0, sizeof(r.why)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sign_raw raw = {0};
	uint8_t kind;

	if (size == 0 || size > BODY)
		return 0;
	kind = *data++ % 4;
	size--;
	if (kind == 0)
		check_key((struct bytes){data, size});
	else if (kind == 1)
		check_der(data, size);
	else if (kind == 3)
		check_image(data, size, &raw);
	else if (sign_from_file((struct bytes){data, size}, &raw) == 0)
		check_image((const uint8_t *)vector_message, strlen(vector_message), &raw);
	return 0;
}
