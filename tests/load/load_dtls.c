/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 without a context that has to be set up anew for each use. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "load_dtls.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

enum {
	HEADER = 13,
	MESSAGE_HEADER = 12,
	EXPLICIT = 8, /* the part of a nonce that is sent */
	NONCE = 12,
	SALT = 4,
	KEY = 16,
	SECRET = 48,
	VERIFY = 12,
	RANDOM = 32,
	HASH = SHA256_DIGEST_LENGTH,
	RECORD_MAX = 2048,
	DTLS_1_2 = 0xfefd,
	EMS = 0x17, /* RFC 7627 */
};

enum record_type { RECORD_CCS = 20, RECORD_ALERT, RECORD_HANDSHAKE, RECORD_DATA };

enum message_type {
	CLIENT_HELLO = 1,
	SERVER_HELLO = 2,
	HELLO_VERIFY = 3,
	SERVER_HELLO_DONE = 14,
	CLIENT_KEY_EXCHANGE = 16,
	FINISHED = 20,
};

struct hmac {
	SHA256_CTX inner, outer;
};

struct dtls {
	enum { ASKING, PROVING, UP } state; /* before and after our second flight */
	const char *identity;
	struct bytes key;
	enum dtls_suite suite;
	dtls_send *send;
	void *ctx;
	uint64_t next[2]; /* record of each epoch */
	uint16_t received;
	uint8_t random[RANDOM], server_random[RANDOM], cookie[255], cookie_len;
	bool ems;
	SHA256_CTX transcript;
	struct hmac master;
	uint8_t finished[MESSAGE_HEADER + VERIFY];
	uint8_t salt[2][SALT]; /* ours, theirs */
	EVP_CIPHER_CTX *seal, *open;
};

/* ---- keys ---- */

static void hmac_key(struct hmac *h, struct bytes key)
{
	uint8_t inner[SHA256_CBLOCK], outer[SHA256_CBLOCK];

	for (size_t i = 0; i < SHA256_CBLOCK; i++) {
		uint8_t byte = i < key.len ? key.ptr[i] : 0;

		inner[i] = byte ^ 0x36;
		outer[i] = byte ^ 0x5c;
	}
	(void)SHA256_Init(&h->inner);
	(void)SHA256_Update(&h->inner, inner, sizeof(inner));
	(void)SHA256_Init(&h->outer);
	(void)SHA256_Update(&h->outer, outer, sizeof(outer));
}

static void hmac(const struct hmac *h, struct bytes a, struct bytes b, uint8_t dst[HASH])
{
	SHA256_CTX inner = h->inner, outer = h->outer;

	(void)SHA256_Update(&inner, a.ptr, a.len);
	(void)SHA256_Update(&inner, b.ptr, b.len);
	(void)SHA256_Final(dst, &inner);
	(void)SHA256_Update(&outer, dst, HASH);
	(void)SHA256_Final(dst, &outer);
}

/* RFC 5246 5 */
static void prf(const struct hmac *secret, const char *label, struct bytes seed, uint8_t *dst,
		size_t len)
{
	uint8_t raw[128], a[HASH], out[HASH];
	struct buf w = buf_writer(raw, sizeof(raw));

	buf_put_str(&w, label);
	buf_put_bytes(&w, seed.ptr, seed.len);
	struct bytes all = buf_bytes(&w);
	hmac(secret, all, (struct bytes){NULL, 0}, a);
	while (len) {
		size_t n = len < HASH ? len : HASH;

		hmac(secret, (struct bytes){a, HASH}, all, out);
		memcpy(dst, out, n);
		dst += n;
		len -= n;
		hmac(secret, (struct bytes){a, HASH}, (struct bytes){NULL, 0}, a);
	}
}

static void transcript_hash(const struct dtls *d, uint8_t dst[HASH])
{
	SHA256_CTX copy = d->transcript;

	(void)SHA256_Final(dst, &copy);
}

static size_t tag_len(const struct dtls *d)
{
	return d->suite == DTLS_CCM8 ? 8 : 16;
}

static bool cipher_key(const struct dtls *d, EVP_CIPHER_CTX *c, const uint8_t key[KEY], int encrypt)
{
	static EVP_CIPHER *ciphers[2];
	bool gcm = d->suite == DTLS_GCM;

	if (!ciphers[gcm])
		ciphers[gcm] = EVP_CIPHER_fetch(NULL, gcm ? "AES-128-GCM" : "AES-128-CCM", NULL);
	return EVP_CipherInit_ex(c, ciphers[gcm], NULL, NULL, NULL, encrypt) &&
	       EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_IVLEN, NONCE, NULL) &&
	       (gcm || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, (int)tag_len(d), NULL)) &&
	       EVP_CipherInit_ex(c, NULL, NULL, key, NULL, encrypt);
}

/* RFC 4279 2, RFC 5246 8.1 and 6.3, RFC 7627 4 */
static bool derive(struct dtls *d)
{
	uint8_t raw[4 + 2 * 32], seed[2 * RANDOM], secret[SECRET], block[2 * KEY + 2 * SALT];
	const uint8_t none[32] = {0};
	struct buf w = buf_writer(raw, sizeof(raw));

	buf_put_u16(&w, (uint16_t)d->key.len);
	buf_put_bytes(&w, none, d->key.len);
	buf_put_u16(&w, (uint16_t)d->key.len);
	buf_put_bytes(&w, d->key.ptr, d->key.len);
	if (!buf_ok(&w))
		return false;
	hmac_key(&d->master, buf_bytes(&w));
	if (d->ems) {
		transcript_hash(d, seed);
		prf(&d->master, "extended master secret", (struct bytes){seed, HASH}, secret,
		    SECRET);
	} else {
		memcpy(seed, d->random, RANDOM);
		memcpy(seed + RANDOM, d->server_random, RANDOM);
		prf(&d->master, "master secret", (struct bytes){seed, sizeof(seed)}, secret,
		    SECRET);
	}
	hmac_key(&d->master, (struct bytes){secret, SECRET});
	memcpy(seed, d->server_random, RANDOM);
	memcpy(seed + RANDOM, d->random, RANDOM);
	prf(&d->master, "key expansion", (struct bytes){seed, sizeof(seed)}, block, sizeof(block));
	memcpy(d->salt, block + 2 * KEY, sizeof(d->salt));
	return cipher_key(d, d->seal, block, 1) && cipher_key(d, d->open, block + KEY, 0);
}

/* ---- records ---- */

static void put_u48(struct buf *w, uint64_t value)
{
	buf_put_u16(w, (uint16_t)(value >> 32));
	buf_put_u32(w, (uint32_t)value);
}

static void put_header(struct buf *w, enum record_type type, unsigned epoch, uint64_t number,
		       size_t len)
{
	buf_put_u8(w, (uint8_t)type);
	buf_put_u16(w, DTLS_1_2);
	buf_put_u16(w, (uint16_t)epoch);
	put_u48(w, number);
	buf_put_u16(w, (uint16_t)len);
}

static void put_plain(struct dtls *d, struct buf *w, enum record_type type, struct bytes text)
{
	put_header(w, type, 0, d->next[0]++, text.len);
	buf_put_bytes(w, text.ptr, text.len);
}

/* What is authenticated besides the text: RFC 5246 6.2.3.3. */
static void additional(const uint8_t header[HEADER], size_t len, uint8_t dst[HEADER])
{
	memcpy(dst, header + 3, 8);
	memcpy(dst + 8, header, 3);
	dst[11] = (uint8_t)(len >> 8);
	dst[12] = (uint8_t)len;
}

/* Nonce, additional data and text into the cipher. */
static bool crypt(const struct dtls *d, EVP_CIPHER_CTX *c, const uint8_t *header, int encrypt,
		  const uint8_t *explicit, const uint8_t *from, uint8_t *to, size_t len)
{
	uint8_t nonce[NONCE], more[HEADER];
	int n;

	memcpy(nonce, d->salt[!encrypt], SALT);
	memcpy(nonce + SALT, explicit, EXPLICIT);
	additional(header, len, more);
	return EVP_CipherInit_ex(c, NULL, NULL, NULL, nonce, encrypt) &&
	       (d->suite == DTLS_GCM || EVP_CipherUpdate(c, NULL, &n, NULL, (int)len)) &&
	       EVP_CipherUpdate(c, NULL, &n, more, sizeof(more)) &&
	       EVP_CipherUpdate(c, to, &n, from, (int)len) &&
	       (d->suite != DTLS_GCM || EVP_CipherFinal_ex(c, to + n, &n));
}

static void put_sealed(struct dtls *d, struct buf *w, enum record_type type, struct bytes text)
{
	size_t tag = tag_len(d);
	uint8_t *header = w->ptr + w->pos;

	put_header(w, type, 1, d->next[1]++, EXPLICIT + text.len + tag);
	buf_put_bytes(w, header + 3, EXPLICIT);
	uint8_t *at = w->ptr + w->pos;
	if (!buf_ok(w) || buf_left(w) < text.len + tag ||
	    !crypt(d, d->seal, header, 1, header + 3, text.ptr, at, text.len) ||
	    !EVP_CIPHER_CTX_ctrl(d->seal, EVP_CTRL_AEAD_GET_TAG, (int)tag, at + text.len))
		abort();
	w->pos += text.len + tag;
}

struct record {
	enum record_type type;
	unsigned epoch;
	const uint8_t *header;
	struct bytes text;
};

static bool record_next(struct bytes *datagram, struct record *ret)
{
	struct buf r = buf_reader(datagram->ptr, datagram->len);

	ret->header = datagram->ptr;
	ret->type = (enum record_type)buf_get_u8(&r);
	(void)buf_get_u16(&r);
	ret->epoch = buf_get_u16(&r);
	(void)buf_get_bytes(&r, 6);
	ret->text = buf_get_bytes(&r, buf_get_u16(&r));
	if (!buf_ok(&r))
		return false;
	*datagram = (struct bytes){datagram->ptr + r.pos, datagram->len - r.pos};
	return true;
}

/* -1: not genuine. */
static int record_open(struct dtls *d, const struct record *r, uint8_t *dst, size_t cap)
{
	size_t tag = tag_len(d);
	uint8_t copy[16];

	if (r->epoch != 1 || r->text.len < EXPLICIT + tag || r->text.len - EXPLICIT - tag > cap)
		return -1;
	size_t len = r->text.len - EXPLICIT - tag;
	memcpy(copy, r->text.ptr + EXPLICIT + len, tag);
	if (!EVP_CIPHER_CTX_ctrl(d->open, EVP_CTRL_AEAD_SET_TAG, (int)tag, copy) ||
	    !crypt(d, d->open, r->header, 0, r->text.ptr, r->text.ptr + EXPLICIT, dst, len))
		return -1;
	return (int)len;
}

/* ---- flights ---- */

static void message_begin(struct buf *w, enum message_type type, uint16_t number, size_t len)
{
	buf_put_u8(w, (uint8_t)type);
	buf_put_u8(w, 0);
	buf_put_u16(w, (uint16_t)len);
	buf_put_u16(w, number);
	put_u48(w, len); /* one fragment: from 0, all of it */
}

static void hello_put(const struct dtls *d, struct buf *w)
{
	static const uint16_t suites[] = {
		[DTLS_CCM8] = 0xc0a8, [DTLS_CCM] = 0xc0a4, [DTLS_GCM] = 0x00a8};

	message_begin(w, CLIENT_HELLO, d->cookie_len ? 1 : 0, 2 + RANDOM + 2 + d->cookie_len + 14);
	buf_put_u16(w, DTLS_1_2);
	buf_put_bytes(w, d->random, RANDOM);
	buf_put_u8(w, 0); /* no session */
	buf_put_u8(w, d->cookie_len);
	buf_put_bytes(w, d->cookie, d->cookie_len);
	buf_put_u16(w, 4);
	buf_put_u16(w, suites[d->suite]);
	buf_put_u16(w, 0x00ff); /* RFC 5746: no renegotiation */
	buf_put_u16(w, 1 << 8); /* no compression */
	buf_put_u16(w, 4);	/* extensions */
	buf_put_u16(w, EMS);
	buf_put_u16(w, 0);
}

static void send_hello(struct dtls *d)
{
	uint8_t raw[512], text[384];
	struct buf w = buf_writer(raw, sizeof(raw)), t = buf_writer(text, sizeof(text));

	hello_put(d, &t);
	struct bytes hello = buf_bytes(&t);
	(void)SHA256_Init(&d->transcript);
	(void)SHA256_Update(&d->transcript, hello.ptr, hello.len);
	put_plain(d, &w, RECORD_HANDSHAKE, hello);
	d->send(d->ctx, w.ptr, w.pos);
}

static struct bytes key_exchange(const struct dtls *d, uint8_t *dst, size_t cap)
{
	struct buf w = buf_writer(dst, cap);
	size_t len = strlen(d->identity);

	message_begin(&w, CLIENT_KEY_EXCHANGE, 2, 2 + len);
	buf_put_u16(&w, (uint16_t)len);
	buf_put_bytes(&w, d->identity, len);
	return buf_bytes(&w);
}

static void send_proof(struct dtls *d)
{
	static const uint8_t change = 1;
	uint8_t raw[512], text[256];
	struct buf w = buf_writer(raw, sizeof(raw));

	put_plain(d, &w, RECORD_HANDSHAKE, key_exchange(d, text, sizeof(text)));
	put_plain(d, &w, RECORD_CCS, (struct bytes){&change, 1});
	put_sealed(d, &w, RECORD_HANDSHAKE, (struct bytes){d->finished, sizeof(d->finished)});
	d->send(d->ctx, w.ptr, w.pos);
}

static void verify_data(const struct dtls *d, const char *label, uint8_t dst[VERIFY])
{
	uint8_t hash[HASH];

	transcript_hash(d, hash);
	prf(&d->master, label, (struct bytes){hash, HASH}, dst, VERIFY);
}

static enum dtls_result prove(struct dtls *d)
{
	uint8_t text[256], proof[VERIFY];
	struct bytes exchange = key_exchange(d, text, sizeof(text));
	struct buf w = buf_writer(d->finished, sizeof(d->finished));

	(void)SHA256_Update(&d->transcript, exchange.ptr, exchange.len);
	if (!derive(d))
		return DTLS_FAILED;
	verify_data(d, "client finished", proof);
	message_begin(&w, FINISHED, 3, VERIFY);
	buf_put_bytes(&w, proof, VERIFY);
	(void)SHA256_Update(&d->transcript, d->finished, sizeof(d->finished));
	d->state = PROVING;
	send_proof(d);
	return DTLS_MORE;
}

/* ---- what the server says ---- */

static bool hello_verify(struct dtls *d, struct buf *r)
{
	(void)buf_get_u16(r);
	uint8_t len = buf_get_u8(r);
	struct bytes cookie = buf_get_bytes(r, len);

	if (!buf_ok(r) || !len)
		return false;
	memcpy(d->cookie, cookie.ptr, len);
	d->cookie_len = len;
	send_hello(d);
	return true;
}

static bool server_hello(struct dtls *d, struct buf *r)
{
	(void)buf_get_u16(r);
	struct bytes random = buf_get_bytes(r, RANDOM);
	(void)buf_get_bytes(r, buf_get_u8(r));
	(void)buf_get_bytes(r, 2 + 1);
	if (!buf_ok(r))
		return false;
	memcpy(d->server_random, random.ptr, RANDOM);
	d->ems = false;
	if (buf_left(r))
		(void)buf_get_u16(r);
	while (buf_ok(r) && buf_left(r)) {
		d->ems |= buf_get_u16(r) == EMS;
		(void)buf_get_bytes(r, buf_get_u16(r));
	}
	return buf_ok(r);
}

/* One message, with its header. */
static enum dtls_result message(struct dtls *d, enum message_type type, uint16_t number,
				struct bytes raw)
{
	struct buf r = buf_reader(raw.ptr + MESSAGE_HEADER, raw.len - MESSAGE_HEADER);

	if (type == HELLO_VERIFY)
		return d->cookie_len || hello_verify(d, &r) ? DTLS_MORE : DTLS_FAILED;
	if (type == SERVER_HELLO ? d->received != 0 : number != d->received)
		return DTLS_MORE; /* repeated, or what is before it was lost */
	d->received = (uint16_t)(number + 1);
	(void)SHA256_Update(&d->transcript, raw.ptr, raw.len);
	if (type == SERVER_HELLO && !server_hello(d, &r))
		return DTLS_FAILED;
	return type == SERVER_HELLO_DONE ? prove(d) : DTLS_MORE;
}

static enum dtls_result messages(struct dtls *d, struct bytes text)
{
	enum dtls_result result = DTLS_MORE;

	while (text.len && result == DTLS_MORE) {
		struct buf r = buf_reader(text.ptr, text.len);
		enum message_type type = (enum message_type)buf_get_u8(&r);
		size_t len = (size_t)buf_get_u8(&r) << 16;
		len |= buf_get_u16(&r);
		uint16_t number = buf_get_u16(&r);
		uint64_t fragment = (uint64_t)buf_get_u16(&r) << 32;
		fragment |= buf_get_u32(&r);
		(void)buf_get_bytes(&r, len);
		if (!buf_ok(&r) || fragment != len)
			return DTLS_FAILED;
		if (d->state == ASKING)
			result = message(d, type, number, (struct bytes){text.ptr, r.pos});
		text = (struct bytes){text.ptr + r.pos, text.len - r.pos};
	}
	return result;
}

static enum dtls_result finished(struct dtls *d, const struct record *r)
{
	uint8_t text[64], proof[VERIFY];

	if (d->state != PROVING ||
	    record_open(d, r, text, sizeof(text)) != MESSAGE_HEADER + VERIFY || text[0] != FINISHED)
		return DTLS_MORE;
	verify_data(d, "server finished", proof);
	if (memcmp(proof, text + MESSAGE_HEADER, VERIFY) != 0)
		return DTLS_FAILED;
	d->state = UP;
	return DTLS_UP;
}

/* ---- public ---- */

struct dtls *dtls_new(const char *identity, struct bytes key, enum dtls_suite suite,
		      dtls_send *send, void *ctx)
{
	struct dtls *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->identity = identity;
	d->key = key;
	d->suite = suite;
	d->send = send;
	d->ctx = ctx;
	d->seal = EVP_CIPHER_CTX_new();
	d->open = EVP_CIPHER_CTX_new();
	if (!d->seal || !d->open) {
		dtls_free(d);
		return NULL;
	}
	return d;
}

void dtls_free(struct dtls *d)
{
	if (!d)
		return;
	EVP_CIPHER_CTX_free(d->seal);
	EVP_CIPHER_CTX_free(d->open);
	free(d);
}

void dtls_start(struct dtls *d)
{
	d->state = ASKING;
	d->next[0] = d->next[1] = 0;
	d->received = 0;
	d->cookie_len = 0;
	(void)RAND_bytes(d->random, RANDOM);
	send_hello(d);
}

void dtls_again(struct dtls *d)
{
	if (d->state == PROVING) {
		send_proof(d);
	} else if (d->state == ASKING) {
		d->received = 0;
		send_hello(d);
	}
}

enum dtls_result dtls_shake(struct dtls *d, struct bytes datagram)
{
	enum dtls_result result = DTLS_MORE;
	struct record r;

	while (result == DTLS_MORE && record_next(&datagram, &r)) {
		if (r.type == RECORD_HANDSHAKE && r.epoch == 0)
			result = messages(d, r.text);
		else if (r.type == RECORD_HANDSHAKE)
			result = finished(d, &r);
		else if (r.type == RECORD_ALERT && r.epoch == 0)
			result = DTLS_FAILED;
	}
	return result;
}

static void send_sealed(struct dtls *d, enum record_type type, struct bytes text)
{
	uint8_t raw[RECORD_MAX];
	struct buf w = buf_writer(raw, sizeof(raw));

	put_sealed(d, &w, type, text);
	d->send(d->ctx, w.ptr, w.pos);
}

void dtls_write(struct dtls *d, const uint8_t *data, size_t len)
{
	send_sealed(d, RECORD_DATA, (struct bytes){data, len});
}

int dtls_read(struct dtls *d, struct bytes *datagram, uint8_t *dst, size_t cap)
{
	struct record r;

	while (record_next(datagram, &r)) {
		int len = record_open(d, &r, dst, cap);

		if (len >= 0 && r.type == RECORD_ALERT)
			return -1;
		if (len > 0 && r.type == RECORD_DATA)
			return len;
	}
	return 0;
}

void dtls_close(struct dtls *d)
{
	static const uint8_t text[] = {1, 0}; /* warning, close_notify */

	if (d->state == UP)
		send_sealed(d, RECORD_ALERT, (struct bytes){text, sizeof(text)});
}
