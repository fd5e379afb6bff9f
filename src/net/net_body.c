/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests with a body in several blocks (RFC 7959 2.3, 2.5): kept until the last one has come, and
 * handed up as one. So nothing of a body counts before all of it is there, and each session has
 * one at a time. One that is whole stays for a while, as its last block may come again.
 */
#include <stdlib.h>
#include <string.h>

#include "net/net_coap.h"

enum {
	FIRST_BYTES = 1024,
	FETCH = 5,
	BUSY_S = 5,
};

struct net_body {
	struct list link; /* in net_coap.bodies, longest without a new block first */
	struct net_timer timer;
	struct net_coap_session *session;
	uint64_t print; /* of method, path, query, format: the same in all blocks */
	int64_t since_ms, moved_ms;
	uint16_t first_mid;
	bool whole;
	size_t len, cap;
	uint8_t *data;
};

static struct net_body *body_of(const struct net_coap *c, const struct net_coap_session *s)
{
	LIST_EACH(it, next, &c->bodies)
	{
		struct net_body *b = LIST_ENTRY(it, struct net_body, link);

		if (b->session == s)
			return b;
	}
	return NULL;
}

static void body_free(struct net_coap *c, struct net_body *b)
{
	net_timer_disarm(c->timers, &b->timer);
	list_remove(&b->link);
	c->body_bytes -= b->cap;
	free(b->data);
	free(b);
}

void net_body_drop(struct net_coap *c, struct net_coap_session *s)
{
	struct net_body *b = body_of(c, s);

	if (b)
		body_free(c, b);
}

/* ---- room ---- */

/* Anybody can begin one without DTLS: that is no reason to refuse a device which has proved who it
 * is. */
static bool yields(const struct net_body *b, const struct net_body *to)
{
	return b->session->plain && !to->session->plain;
}

/* What makes room for another: one that yields or is whole, else one that does not move. */
static bool evict(struct net_coap *c, const struct net_body *keep)
{
	struct net_body *stuck = NULL;

	/* body_free() takes it off the list. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
	LIST_EACH(it, next, &c->bodies)
	{
		struct net_body *b = LIST_ENTRY(it, struct net_body, link);

		if (b == keep)
			continue;
		if (b->whole || yields(b, keep)) {
			body_free(c, b);
			return true;
		}
		if (!stuck && c->timers->now_ms - b->moved_ms >= NET_BODY_STUCK_MS)
			stuck = b;
	}
	if (stuck)
		body_free(c, stuck);
	return stuck != NULL;
}

static bool grow(struct net_coap *c, struct net_body *b, size_t len)
{
	size_t cap = b->cap ? b->cap : FIRST_BYTES;

	while (cap < len)
		cap *= 2;
	if (cap == b->cap)
		return true;
	while (c->body_bytes + cap - b->cap > LIMIT_COAP_BODIES)
		if (!evict(c, b))
			return false;
	uint8_t *data = realloc(b->data, cap);

	if (!data)
		return false;
	c->body_bytes += cap - b->cap;
	b->data = data;
	b->cap = cap;
	return true;
}

static void too_old(struct net_timer *timer, void *ctx)
{
	body_free(net_coap_of_timer(ctx), LIST_ENTRY(timer, struct net_body, timer));
}

/* It has got on: the next block may take its time, but all of them have theirs. */
static void moved(struct net_coap *c, struct net_body *b)
{
	int64_t now_ms = c->timers->now_ms, end_ms = b->since_ms + NET_BODY_MS;
	int64_t at_ms = now_ms + NET_BODY_BLOCK_MS;

	b->moved_ms = now_ms;
	list_remove(&b->link);
	list_append(&c->bodies, &b->link);
	if (b->whole)
		at_ms = now_ms + NET_EXCHANGE_LIFETIME_MS;
	else if (at_ms > end_ms)
		at_ms = end_ms;
	net_timer_arm(c->timers, &b->timer, at_ms, too_old);
}

static struct net_body *body_new(struct net_coap *c, struct net_coap_session *s,
				 const struct wire_coap *m, uint64_t print)
{
	struct net_body *b = calloc(1, sizeof(*b));

	net_body_drop(c, s);
	if (!b)
		return NULL;
	b->session = s;
	b->print = print;
	b->first_mid = m->mid;
	b->since_ms = c->timers->now_ms;
	list_init(&b->link);
	moved(c, b);
	return b;
}

/* ---- answers ---- */

static void answer(struct net_coap *c, struct net_coap_session *s, const struct wire_coap *m,
		   size_t len, uint8_t code, const char *text)
{
	struct net_question q;
	struct net_reply reply = NET_REPLY(code);

	net_question_of(m, s->max_szx, net_coap_cap(c, s, len), &q);
	q.has_block1 = code == NET_CODE(2, 31);
	q.block1 = m->block1;
	reply.payload = (struct bytes){(const uint8_t *)text, strlen(text)};
	if (code == NET_CODE(4, 13))
		reply.size1 = LIMIT_COAP_BODY;
	net_coap_answer(c, s, &q, &reply);
}

static bool incomplete(struct net_coap *c, struct net_coap_session *s, const struct wire_coap *m,
		       size_t len)
{
	answer(c, s, m, len, NET_CODE(4, 8), "begin anew");
	return false;
}

static bool too_long(struct net_coap *c, struct net_coap_session *s, const struct wire_coap *m,
		     size_t len)
{
	net_body_drop(c, s);
	answer(c, s, m, len, NET_CODE(4, 13), "body too long");
	return false;
}

/* ---- blocks ---- */

static uint64_t print_of(const struct net_coap *c, const struct wire_coap *m)
{
	uint64_t both[2] = {net_kept_print(c, m), (uint64_t)(int64_t)m->content_format};

	return net_hash(&c->key, both, sizeof(both));
}

/* One that is there already, with the same bytes. */
static bool is_there(const struct net_body *b, size_t at, const struct wire_coap *m)
{
	return at + m->payload.len <= b->len &&
	       memcmp(b->data + at, m->payload.ptr, m->payload.len) == 0 &&
	       (m->block1.more || (b->whole && at + m->payload.len == b->len));
}

/* The next one. False: it was answered, and the body may be gone. */
static bool append(struct net_coap *c, struct net_body *b, const struct wire_coap *m, size_t len)
{
	struct net_coap_session *s = b->session;

	if (b->len + m->payload.len > LIMIT_COAP_BODY)
		return too_long(c, s, m, len);
	if (!grow(c, b, b->len + m->payload.len)) {
		body_free(c, b);
		net_exchange_refuse(c, s, m, len, NET_CODE(5, 3), BUSY_S);
		return false;
	}
	memcpy(b->data + b->len, m->payload.ptr, m->payload.len);
	b->len += m->payload.len;
	b->whole = !m->block1.more;
	moved(c, b);
	return true;
}

bool net_body_take(struct net_coap *c, struct net_coap_session *s, const struct wire_coap *m,
		   size_t len, struct bytes *ret_whole)
{
	size_t size = (size_t)16 << m->block1.szx;
	size_t at = (size_t)m->block1.num << (m->block1.szx + 4);
	uint64_t print = print_of(c, m);
	struct net_body *b = body_of(c, s);

	if (m->payload.len == 0 || m->payload.len > size ||
	    (m->block1.more && m->payload.len < size)) {
		answer(c, s, m, len, NET_CODE(4, 0), "Block1: the payload is not one block");
		return false;
	}
	if (m->size1 > LIMIT_COAP_BODY)
		return too_long(c, s, m, len);
	bool begins = at == 0 && !(b && b->print == print && b->first_mid == m->mid);

	if (begins)
		b = body_new(c, s, m, print);
	if (!b && begins) {
		net_exchange_refuse(c, s, m, len, NET_CODE(5, 3), BUSY_S);
		return false;
	}
	if (!b || b->print != print || at > b->len || (b->whole && at == b->len))
		return incomplete(c, s, m, len);
	if (at < b->len) {
		if (!is_there(b, at, m))
			return incomplete(c, s, m, len);
		s->repeats++;
		c->stats->duplicates++;
	} else if (!append(c, b, m, len)) {
		return false;
	}
	if (m->block1.more) {
		answer(c, s, m, len, NET_CODE(2, 31), "");
		return false;
	}
	*ret_whole = (struct bytes){b->data, b->len};
	return true;
}

bool net_body_allowed(struct net_coap *c, struct net_coap_session *s, const struct wire_coap *m)
{
	return m->code > 1 && m->code != FETCH && !m->path_too_deep && c->ops->long_body &&
	       c->ops->long_body(c->ctx, s, m->code, m->path, m->path_count);
}
