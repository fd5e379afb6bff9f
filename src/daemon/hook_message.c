/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/hook_message.h"

#include <inttypes.h>
#include <mbedtls/md.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/view.h"

/* ---- base64 (RFC 4648 4) ---- */

/* The last one fills up. */
static const char digits64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";

/* dst: 4 characters for each started 3 bytes, and NUL. */
static void base64_put(const uint8_t *src, size_t len, char *dst)
{
	for (size_t i = 0; i < len; i += 3) {
		uint32_t n = (uint32_t)src[i] << 16;

		n |= i + 1 < len ? (uint32_t)src[i + 1] << 8 : 0;
		n |= i + 2 < len ? src[i + 2] : 0;
		*dst++ = digits64[n >> 18];
		*dst++ = digits64[n >> 12 & 63];
		*dst++ = digits64[i + 1 < len ? n >> 6 & 63 : 64];
		*dst++ = digits64[i + 2 < len ? n & 63 : 64];
	}
	*dst = 0;
}

static int base64_get(const char *src, uint8_t *dst, size_t cap, size_t *ret_len)
{
	size_t len = strlen(src), out = 0;
	uint32_t n = 0;
	unsigned bits = 0;

	while (len > 0 && src[len - 1] == '=')
		len--;
	if (strlen(src) - len > 2 || len % 4 == 1)
		return ERR_SYNTAX;
	for (size_t i = 0; i < len; i++) {
		const char *at = strchr(digits64, src[i]);
		if (!at || !*at)
			return ERR_SYNTAX;
		n = n << 6 | (uint32_t)(at - digits64);
		bits += 6;
		if (bits < 8)
			continue;
		if (out == cap)
			return ERR_LIMIT;
		bits -= 8;
		dst[out++] = (uint8_t)(n >> bits);
		n &= (1u << bits) - 1;
	}
	*ret_len = out;
	return n ? ERR_SYNTAX : 0;
}

/* ---- the secret ---- */

static const char secret_prefix[] = "whsec_";

int hook_secret_parse(const char *text, struct psk *ret)
{
	size_t prefix = strlen(secret_prefix);
	struct psk secret = {0};
	int err = 0;

	if (strncmp(text, secret_prefix, prefix) == 0) {
		err = base64_get(text + prefix, secret.bytes, LIMIT_HOOK_SECRET, &secret.len);
	} else {
		secret.len = strlen(text);
		if (secret.len > LIMIT_HOOK_SECRET)
			err = ERR_LIMIT;
		else
			memcpy(secret.bytes, text, secret.len);
	}
	if (!err && secret.len < LIMIT_HOOK_SECRET_MIN)
		err = ERR_LIMIT;
	if (!err)
		*ret = secret;
	explicit_bzero(&secret, sizeof(secret));
	return err;
}

void hook_secret_text(const struct psk *secret, char dst[HOOK_SECRET_TEXT + 1])
{
	memcpy(dst, secret_prefix, sizeof(secret_prefix));
	base64_put(secret->bytes, secret->len, dst + strlen(secret_prefix));
}

int hook_sign(const struct psk *secret, const char *id, int64_t wall_s, struct bytes body,
	      char dst[HOOK_SIGNATURE_MAX + 1])
{
	const mbedtls_md_info_t *info = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
	char head[HOOK_ID_MAX + 32];
	uint8_t mac[32];
	mbedtls_md_context_t md;
	int len = snprintf(head, sizeof(head), "%s.%" PRId64 ".", id, wall_s);

	mbedtls_md_init(&md);
	int failed = mbedtls_md_setup(&md, info, 1);
	if (!failed)
		failed = mbedtls_md_hmac_starts(&md, secret->bytes, secret->len);
	if (!failed)
		failed = mbedtls_md_hmac_update(&md, (const uint8_t *)head, (size_t)len);
	if (!failed)
		failed = mbedtls_md_hmac_update(&md, body.ptr, body.len);
	if (!failed)
		failed = mbedtls_md_hmac_finish(&md, mac);
	mbedtls_md_free(&md);
	if (failed)
		return ERR_CRYPTO;
	memcpy(dst, "v1,", sizeof("v1,"));
	base64_put(mac, sizeof(mac), dst + 3);
	return 0;
}

/* ---- the body ---- */

void hook_message_free(struct hook_message *m)
{
	free(m->body);
	*m = (struct hook_message){0};
}

static int body_put(struct hook_message *m, const char *text, size_t len)
{
	if (m->len + len > m->cap) {
		size_t cap = (m->len + len) * 2;
		char *more = realloc(m->body, cap);
		if (!more)
			return ERR_NOMEM;
		m->body = more;
		m->cap = cap;
	}
	memcpy(m->body + m->len, text, len);
	m->len += len;
	return 0;
}

struct reading {
	const struct hook *h;
	const char *stream;
	unsigned most;
	struct hook_message m;
	int err;
};

static bool is_for(const struct hook *h, const json_t *event)
{
	const char *product = json_string_value(json_object_get(event, "product"));

	return !h->products[0] || (product && hook_product_fits(h->products, product));
}

/* Takes the event. */
static int message_add(struct reading *r, const struct store_event_row *e, json_t *event)
{
	json_t *o = view_cloudevent(r->stream, event);
	char *json = o ? json_dumps(o, JSON_COMPACT) : NULL;
	struct hook_message *m = &r->m;
	int err = json ? 0 : ERR_NOMEM;

	if (!err && (m->count || m->batch))
		err = body_put(m, m->count ? "," : "[", 1);
	if (!err)
		err = body_put(m, json, strlen(json));
	free(json);
	json_decref(o);
	if (err)
		return err;
	if (m->count++ == 0) {
		m->first = e->seq;
		(void)buf_copy_str(m->topic, sizeof(m->topic), e->topic);
		(void)buf_copy_str(m->device, sizeof(m->device), e->device);
	}
	m->last = e->seq;
	return 0;
}

static bool reading_row(void *ctx, const struct store_event_row *e)
{
	struct reading *r = ctx;
	struct hook_message *m = &r->m;

	if (!hook_topic_fits(r->h->topics, e->topic)) {
		m->looked = e->seq;
		return true;
	}
	json_t *event = view_event(r->stream, e);
	if (!event) {
		r->err = ERR_NOMEM;
		return false;
	}
	if (!is_for(r->h, event)) {
		json_decref(event);
		m->looked = e->seq;
		return true;
	}
	if (m->count && m->len + 2 * strlen(e->json) + 1024 > LIMIT_HOOK_BODY) {
		json_decref(event); /* it begins the next message */
		return false;
	}
	r->err = message_add(r, e, event);
	m->looked = e->seq;
	return !r->err && m->count < r->most;
}

int hook_message_read(struct store *s, const struct hook *h, const char *stream, uint64_t after,
		      unsigned look, bool single, struct hook_message *ret)
{
	struct reading r = {.h = h,
			    .stream = stream,
			    .most = single || h->batch < 1 ? 1 : h->batch,
			    .m = {.looked = after}};
	int err;

	r.m.batch = r.most > 1;
	err = store_events(s, after, "", look, reading_row, &r);
	if (!err)
		err = r.err;
	if (!err && r.m.count && r.m.batch)
		err = body_put(&r.m, "]", 1);
	if (!err && r.m.count)
		err = body_put(&r.m, "", 1); /* a NUL, for whoever keeps it as text */
	if (err) {
		hook_message_free(&r.m);
		return err;
	}
	if (r.m.count)
		r.m.len--;
	if (r.m.batch && r.m.count)
		(void)snprintf(r.m.id, sizeof(r.m.id), "%s:%" PRIu64 "-%" PRIu64, stream, r.m.first,
			       r.m.last);
	else
		(void)snprintf(r.m.id, sizeof(r.m.id), "%s:%" PRIu64, stream, r.m.first);
	*ret = r.m;
	return 0;
}

int hook_message_ping(const struct hook *h, const char *stream, uint64_t number, int64_t wall_ms,
		      struct hook_message *ret)
{
	struct hook_message m = {.count = 1};
	json_t *o = json_object();

	(void)snprintf(m.id, sizeof(m.id), "ping-%016" PRIx64, number);
	view_put(&o, "specversion", json_string("1.0"));
	view_put(&o, "id", json_string(m.id));
	view_put(&o, "source", json_sprintf("/postboot/%s", stream));
	view_put(&o, "type", json_string("io.postboot.hook.ping"));
	view_put_time(&o, "time", wall_ms);
	view_put(&o, "datacontenttype", json_string("application/json"));
	view_put(&o, "data", json_pack("{s:s}", "hook", h->name));
	m.body = o ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	if (!m.body)
		return ERR_NOMEM;
	m.len = strlen(m.body);
	*ret = m;
	return 0;
}
