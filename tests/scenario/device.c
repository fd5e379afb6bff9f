/* SPDX-License-Identifier: Apache-2.0
 *
 * What devices send: reports, statuses, requests for blocks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/native.h"
#include "scenario.h"
#include "wire/cbor.h"

struct unit *unit_of(struct scenario *s, const char *id)
{
	for (unsigned i = 0; i < s->unit_count; i++)
		if (strcmp(s->units[i].id, id) == 0)
			return &s->units[i];
	if (s->unit_count == SESSIONS_MAX)
		abort();
	struct unit *u = &s->units[s->unit_count++];
	(void)buf_copy_str(u->id, sizeof(u->id), id);
	return u;
}

static void request_once(struct scenario *s, struct net_peer *peer, struct net_request *q)
{
	char ep[LIMIT_DEVICE_ID + 4];

	fake_reply.given = false;
	if (peer->plain) {
		(void)snprintf(ep, sizeof(ep), "ep=%s", peer->identity);
		q->query[0] = (struct bytes){(const uint8_t *)ep, strlen(ep)};
		q->query_count = 1;
	}
	engine_net_callbacks()->request(s->engine, peer, q, (struct net_exchange){1, 1});
	settle(s);
}

/* With FAIL-EACH the device does as the protocol says: after a 5.03 it asks again. */
static void request(struct scenario *s, const char *name, uint8_t method, const char *path,
		    struct bytes payload, int64_t offset)
{
	struct net_request q = {.method = method,
				.confirmable = true,
				.content_format = 60,
				.accept = -1,
				.observe = -1,
				.payload = payload};
	const char *slash = strchr(path, '/');

	q.path[0] = (struct bytes){(const uint8_t *)path,
				   slash ? (size_t)(slash - path) : strlen(path)};
	q.path_count = 1;
	if (slash)
		q.path[q.path_count++] =
			(struct bytes){(const uint8_t *)slash + 1, strlen(slash + 1)};
	if (method == 1) {
		q.content_format = -1;
		q.has_block2 = true;
		q.block2_num = (uint32_t)(offset / 1024);
		q.block2_szx = 6;
	}
	for (unsigned i = 0; i < REQUEST_TRIES; i++) {
		struct net_peer *peer = session_find(s, name);
		if (!peer) {
			fail(s, "no session");
			return;
		}
		request_once(s, peer, &q);
		if (!s->fail_each || fake_reply.code != NET_CODE(5, 3))
			break;
	}
}

static void send_message(struct scenario *s, const char *path, struct bytes payload)
{
	memcpy(s->sent, payload.ptr, payload.len);
	s->sent_len = payload.len;
	s->sent_path = path;
	(void)buf_copy_str(s->sent_by, sizeof(s->sent_by), word(1));
	request(s, word(1), 2, path, payload, 0);
}

static unsigned put_boot(struct wire_writer *w, int64_t key, const char *boot, bool write)
{
	uint8_t id[8] = {0};

	if (!boot)
		return 0;
	if (write) {
		memcpy(id, boot, strnlen(boot, sizeof(id)));
		wire_put_key(w, key);
		wire_put_bytes(w, id, sizeof(id));
	}
	return 1;
}

static unsigned put_number(struct wire_writer *w, int64_t key, const char *name, bool write)
{
	const char *v = value_of(name);

	if (v && write) {
		wire_put_key(w, key);
		wire_put_int(w, strtoll(v, NULL, 0));
	}
	return v != NULL;
}

static unsigned put_bool(struct wire_writer *w, int64_t key, const char *name, bool write)
{
	const char *v = value_of(name);

	if (v && write) {
		wire_put_key(w, key);
		wire_put_bool(w, *v == '1');
	}
	return v != NULL;
}

static unsigned put_text(struct wire_writer *w, int64_t key, const char *name, bool write)
{
	const char *v = value_of(name);

	if (v && write) {
		wire_put_key(w, key);
		wire_put_text(w, v);
	}
	return v != NULL;
}

static unsigned put_digest(struct scenario *s, struct wire_writer *w, bool write)
{
	const char *v = value_of("digest");
	uint8_t hash[DIGEST_SHA256] = {0};
	size_t len = 0;

	if (!v || !write)
		return v != NULL;
	if (strncmp(v, "release:", 8) == 0) {
		for (size_t i = 0; i < s->engine->release_count; i++)
			if (strcmp(s->engine->releases[i]->version, v + 8) == 0)
				memcpy(hash, s->engine->releases[i]->sha256, sizeof(hash));
	} else if (buf_from_hex(v, strlen(v), hash, sizeof(hash), &len)) {
		fail(s, "digest=%s", v);
	}
	wire_put_key(w, 3);
	wire_put_array(w, 2);
	wire_put_uint(w, (uint64_t)number_of("kind", 0));
	wire_put_bytes(w, hash, sizeof(hash));
	return 1;
}

static uint64_t attempt_told(struct scenario *s)
{
	const char *v = value_of("attempt");
	struct net_peer *peer = session_find(s, word(1));

	if (v && strncmp(v, "of:", 3) == 0)
		return unit_of(s, v + 3)->attempt;
	return v ? strtoull(v, NULL, 0) : peer ? unit_of(s, peer->identity)->attempt : 0;
}

static unsigned put_last(struct scenario *s, struct wire_writer *w, bool write)
{
	const char *v = value_of("last");

	if (!v || !write)
		return v != NULL;
	wire_put_key(w, 6);
	wire_put_array(w, 5);
	wire_put_uint(w, attempt_told(s));
	wire_put_uint(w, strtoull(v, NULL, 10));
	wire_put_uint(w, strchr(v, ',') ? strtoull(strchr(v, ',') + 1, NULL, 10) : 0);
	wire_put_int(w, number_of("code", 0));
	wire_put_text(w, value_of("detail") ? value_of("detail") : "");
	return 1;
}

static unsigned put_report(struct scenario *s, struct wire_writer *w, bool write)
{
	unsigned n = put_boot(w, 0, value_of("boot"), write);

	n += put_number(w, 1, "count", write);
	n += put_text(w, 2, "version", write);
	n += put_digest(s, w, write);
	n += put_bool(w, 4, "confirmed", write);
	n += put_number(w, 5, "reset", write);
	n += put_last(s, w, write);
	n += put_bool(w, 7, "enabled", write);
	n += put_number(w, 8, "free", write);
	n += put_number(w, 9, "total", write);
	n += put_number(w, 10, "slot", write);
	n += put_number(w, 11, "battery", write);
	n += put_text(w, 12, "hardware", write);
	n += put_number(w, 15, "interval", write);
	n += put_number(w, 16, "mode", write);
	n += put_number(w, 17, "caps", write);
	n += put_number(w, 18, "uptime", write);
	return n;
}

/* As a device does: the directive's attempt is what its next status is about. */
static void note_directive(struct scenario *s)
{
	struct wire_msg msg;
	const struct bytes answer = {fake_reply.payload, fake_reply.len};
	const struct net_peer *peer;

	if (!fake_reply.given || fake_reply.code != NET_CODE(2, 4) ||
	    wire_cbor_decode(answer, &msg))
		return;
	WIRE_EACH(n, &msg)
	{
		peer = n->key == 1 ? session_find(s, word(1)) : NULL;
		if (peer)
			unit_of(s, peer->identity)->attempt = n->number;
	}
}

static void do_report(struct scenario *s)
{
	uint8_t payload[LIMIT_NATIVE_MESSAGE];
	struct buf out = buf_writer(payload, sizeof(payload));
	struct wire_writer w = wire_writer(WIRE_CBOR, &out);

	wire_put_map(&w, put_report(s, &w, false));
	(void)put_report(s, &w, true);
	if (wire_writer_end(&w))
		fail(s, "report too long");
	send_message(s, "report", buf_bytes(&out));
	note_directive(s);
}

static unsigned put_status(struct scenario *s, struct wire_writer *w, bool write)
{
	static const char *const states[] = {"",	"downloading", "verified", "applying",
					     "refused", "deferred",    "failed"};
	unsigned n = 2;
	uint64_t state = 0;

	for (unsigned i = 1; i < 7; i++)
		if (strcmp(states[i], word(2)) == 0)
			state = i;
	if (write) {
		wire_put_key(w, 0);
		wire_put_uint(w, attempt_told(s));
		wire_put_key(w, 1);
		wire_put_uint(w, state);
	}
	n += put_number(w, 2, "code", write);
	n += put_text(w, 3, "detail", write);
	n += put_number(w, 4, "received", write);
	n += put_number(w, 5, "start", write);
	n += put_number(w, 6, "defer", write);
	n += put_boot(w, 7, value_of("boot"), write);
	n += put_number(w, 7, "count", write);
	n += put_number(w, 8, "seq", write);
	n += put_number(w, 9, "reason", write);
	return n;
}

static void do_status(struct scenario *s)
{
	uint8_t payload[LIMIT_NATIVE_MESSAGE];
	struct buf out = buf_writer(payload, sizeof(payload));
	struct wire_writer w = wire_writer(WIRE_CBOR, &out);

	wire_put_map(&w, put_status(s, &w, false));
	(void)put_status(s, &w, true);
	if (wire_writer_end(&w))
		fail(s, "status too long");
	send_message(s, "status", buf_bytes(&out));
}

static void do_get(struct scenario *s)
{
	char path[32] = "fw/0000000000000000";
	uint64_t told = attempt_told(s);
	struct attempt a;

	if (told && store_attempt(s->store, told, &a) == 0) {
		struct buf b = buf_writer(path, sizeof(path));
		buf_put_str(&b, "fw/");
		buf_put_hex(&b, a.sha256, 8);
		(void)buf_cstr(&b);
	}
	request(s, word(1), 1, path, (struct bytes){0}, strtoll(word(2), NULL, 0));
}

static void do_again(struct scenario *s)
{
	request(s, s->sent_by, 2, s->sent_path, (struct bytes){s->sent, s->sent_len}, 0);
}

bool run_device(struct scenario *s, const char *verb)
{
	if (strcmp(verb, "REPORT") == 0)
		do_report(s);
	else if (strcmp(verb, "STATUS") == 0)
		do_status(s);
	else if (strcmp(verb, "GET") == 0)
		do_get(s);
	else if (strcmp(verb, "AGAIN") == 0)
		do_again(s);
	else
		return false;
	return true;
}
