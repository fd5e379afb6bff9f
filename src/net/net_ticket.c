/* SPDX-License-Identifier: Apache-2.0 */
#include "net/net_ticket.h"

#include <mbedtls/gcm.h>
#include <mbedtls/platform_util.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "net/net_step.h"

enum {
	KEY_BYTES = 32,
	NAME_BYTES = 8,
	NONCE_BYTES = 12,
	TAG_BYTES = 16,
	MORE_BYTES = NAME_BYTES + NONCE_BYTES + TAG_BYTES,
	CLEAR_MAX = 512, /* a session without its certificate has some 120 */
	KEYS = 3,	 /* the newest, and those whose tickets may still be good */
	TICKET_S = 86400,
	KEY_MS = TICKET_S * 1000 / 2,
};

struct ticket_key {
	bool is_set;
	int64_t made_ms; /* monotonic */
	uint8_t name[NAME_BYTES], key[KEY_BYTES];
};

struct net_tickets {
	mbedtls_ctr_drbg_context *random;
	pthread_mutex_t mutex;
	struct ticket_key keys[KEYS]; /* under mutex; the newest first */
};

static _Thread_local struct net_step *current;

void net_tickets_for(struct net_step *step)
{
	current = step;
}

/* ---- keys ---- */

static void keys_forget(struct net_tickets *t, int64_t now_ms)
{
	for (unsigned i = 0; i < KEYS; i++)
		if (t->keys[i].is_set && now_ms - t->keys[i].made_ms > KEYS * (int64_t)KEY_MS)
			mbedtls_platform_zeroize(&t->keys[i], sizeof(t->keys[i]));
}

/* The newest key, made anew if it is old. */
static int key_newest(struct net_tickets *t, int64_t now_ms, struct ticket_key *ret)
{
	struct ticket_key fresh = {.is_set = true, .made_ms = now_ms};
	int err = 0;

	(void)pthread_mutex_lock(&t->mutex);
	keys_forget(t, now_ms);
	if (!t->keys[0].is_set || now_ms - t->keys[0].made_ms >= KEY_MS) {
		err = mbedtls_ctr_drbg_random(t->random, fresh.name, sizeof(fresh.name)) ||
				      mbedtls_ctr_drbg_random(t->random, fresh.key,
							      sizeof(fresh.key))
			      ? ERR_CRYPTO
			      : 0;
		if (!err) {
			memmove(&t->keys[1], &t->keys[0], (KEYS - 1) * sizeof(t->keys[0]));
			t->keys[0] = fresh;
		}
	}
	if (!err)
		*ret = t->keys[0];
	(void)pthread_mutex_unlock(&t->mutex);
	mbedtls_platform_zeroize(&fresh, sizeof(fresh));
	return err;
}

static bool key_named(struct net_tickets *t, const uint8_t name[NAME_BYTES], int64_t now_ms,
		      struct ticket_key *ret)
{
	bool found = false;

	(void)pthread_mutex_lock(&t->mutex);
	keys_forget(t, now_ms);
	for (unsigned i = 0; i < KEYS && !found; i++) {
		found = t->keys[i].is_set && memcmp(t->keys[i].name, name, NAME_BYTES) == 0;
		if (found)
			*ret = t->keys[i];
	}
	(void)pthread_mutex_unlock(&t->mutex);
	return found;
}

/* ---- tickets: name, nonce, sealed {issued, mark, id, session}, tag ---- */

static int clear_write(const struct net_step *step, const mbedtls_ssl_session *session,
		       uint8_t clear[CLEAR_MAX], size_t *ret_len)
{
	/* mbedTLS would save the certificate with it; nobody else looks at it meanwhile. */
	mbedtls_ssl_session *bare = (mbedtls_ssl_session *)(uintptr_t)session;
	mbedtls_x509_crt *certificate = bare->MBEDTLS_PRIVATE(peer_cert);
	size_t id_len = strlen(step->proof.identity), len = 0;
	struct buf w = buf_writer(clear, CLEAR_MAX);

	buf_put_u64(&w, (uint64_t)clock_read().wall_ms);
	net_x509_mark_put(&w, &step->proof.mark);
	buf_put_u8(&w, (uint8_t)id_len);
	buf_put_bytes(&w, step->proof.identity, id_len);
	bare->MBEDTLS_PRIVATE(peer_cert) = NULL;
	int bad = mbedtls_ssl_session_save(bare, clear + w.pos, CLEAR_MAX - w.pos, &len);
	bare->MBEDTLS_PRIVATE(peer_cert) = certificate;
	if (bad || !buf_ok(&w))
		return ERR_LIMIT;
	*ret_len = w.pos + len;
	return 0;
}

static int seal(struct net_tickets *t, const struct ticket_key *key, const struct net_x509 *set,
		const uint8_t *clear, size_t len, uint8_t *dst)
{
	uint8_t *nonce = dst + NAME_BYTES, *text = nonce + NONCE_BYTES;
	struct bytes about = net_x509_print(set);
	mbedtls_gcm_context gcm;
	int bad;

	mbedtls_gcm_init(&gcm);
	memcpy(dst, key->name, NAME_BYTES);
	bad = mbedtls_ctr_drbg_random(t->random, nonce, NONCE_BYTES);
	if (!bad)
		bad = mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, key->key, 8 * KEY_BYTES);
	if (!bad)
		bad = mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, len, nonce, NONCE_BYTES,
						about.ptr, about.len, clear, text, TAG_BYTES,
						text + len);
	mbedtls_gcm_free(&gcm);
	return bad;
}

static int on_write(void *ctx, const mbedtls_ssl_session *session, unsigned char *start,
		    const unsigned char *end, size_t *ret_len, uint32_t *ret_lifetime_s)
{
	struct net_tickets *t = ctx;
	const struct net_step *step = current;
	uint8_t clear[CLEAR_MAX];
	struct ticket_key key = {.is_set = false};
	size_t len = 0;
	int bad = MBEDTLS_ERR_SSL_INTERNAL_ERROR;

	if (step->proof.mark.anchor && !clear_write(step, session, clear, &len) &&
	    (size_t)(end - start) >= len + MORE_BYTES && !key_newest(t, step->now_ms, &key))
		bad = seal(t, &key, step->set, clear, len, start);
	if (!bad) {
		*ret_len = len + MORE_BYTES;
		*ret_lifetime_s = TICKET_S;
	}
	mbedtls_platform_zeroize(clear, sizeof(clear));
	mbedtls_platform_zeroize(&key, sizeof(key));
	return bad;
}

static int open_ticket(const struct ticket_key *key, const struct net_x509 *set,
		       const uint8_t *ticket, size_t len, uint8_t *clear)
{
	const uint8_t *nonce = ticket + NAME_BYTES, *text = nonce + NONCE_BYTES;
	struct bytes about = net_x509_print(set);
	mbedtls_gcm_context gcm;
	int bad;

	mbedtls_gcm_init(&gcm);
	bad = mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, key->key, 8 * KEY_BYTES);
	if (!bad)
		bad = mbedtls_gcm_auth_decrypt(&gcm, len, nonce, NONCE_BYTES, about.ptr, about.len,
					       text + len, TAG_BYTES, text, clear);
	mbedtls_gcm_free(&gcm);
	return bad ? MBEDTLS_ERR_SSL_INVALID_MAC : 0;
}

static int clear_read(struct net_step *step, const uint8_t *clear, size_t len,
		      mbedtls_ssl_session *session)
{
	struct net_x509_proof proof = {.set = step->set};
	struct buf r = buf_reader(clear, len);
	int64_t now_ms = clock_read().wall_ms;
	int64_t issued_ms = (int64_t)buf_get_u64(&r);

	net_x509_mark_get(&r, &proof.mark);
	struct bytes id = buf_get_bytes(&r, buf_get_u8(&r));
	if (!buf_ok(&r) || id.len > LIMIT_DEVICE_ID)
		return MBEDTLS_ERR_SSL_INVALID_MAC;
	/* a clock that was set back makes none older than it is */
	if (now_ms < issued_ms || now_ms - issued_ms > TICKET_S * (int64_t)1000 ||
	    now_ms > proof.mark.until_ms)
		return MBEDTLS_ERR_SSL_SESSION_TICKET_EXPIRED;
	memcpy(proof.identity, id.ptr, id.len);
	if (mbedtls_ssl_session_load(session, clear + r.pos, len - r.pos))
		return MBEDTLS_ERR_SSL_INVALID_MAC;
	step->proof = proof;
	step->resumed = true;
	return 0;
}

/* Whatever is wrong with it: a whole handshake follows. */
static int on_parse(void *ctx, mbedtls_ssl_session *session, unsigned char *ticket, size_t len)
{
	struct net_tickets *t = ctx;
	uint8_t clear[CLEAR_MAX];
	struct ticket_key key = {.is_set = false};
	int bad = MBEDTLS_ERR_SSL_INVALID_MAC;

	if (len <= MORE_BYTES || len - MORE_BYTES > sizeof(clear))
		return bad;
	len -= MORE_BYTES;
	if (key_named(t, ticket, current->now_ms, &key))
		bad = open_ticket(&key, current->set, ticket, len, clear);
	if (!bad)
		bad = clear_read(current, clear, len, session);
	mbedtls_platform_zeroize(clear, sizeof(clear));
	mbedtls_platform_zeroize(&key, sizeof(key));
	return bad;
}

/* ---- life ---- */

int net_tickets_new(mbedtls_ctr_drbg_context *random, struct net_tickets **ret)
{
	struct net_tickets *t = calloc(1, sizeof(*t));

	if (!t)
		return ERR_NOMEM;
	t->random = random;
	(void)pthread_mutex_init(&t->mutex, NULL);
	*ret = t;
	return 0;
}

void net_tickets_free(struct net_tickets *t)
{
	if (!t)
		return;
	(void)pthread_mutex_destroy(&t->mutex);
	mbedtls_platform_zeroize(t, sizeof(*t));
	free(t);
}

void net_tickets_configure(struct net_tickets *t, mbedtls_ssl_config *conf)
{
	mbedtls_ssl_conf_session_tickets_cb(conf, on_write, on_parse, t);
}
