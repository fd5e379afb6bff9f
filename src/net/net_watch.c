/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "net/net_ask.h"

enum {
	FRESH_MS = 128000,    /* RFC 7641 3.4 */
	HALF_SPACE = 1 << 23, /* of the 24 bits of a number */
	PACKED_WATCH = 4,     /* beside the flags of net_observe.c */
	FLAGS_AT = 12,	      /* tag, time */
};

static struct net_watch *by_token(struct net_coap_session *s, struct bytes token)
{
	struct net_watch *w = s->watches;

	while (w && !bytes_equal((struct bytes){w->token, NET_ASK_TOKEN}, token))
		w = w->next;
	return w;
}

struct net_watch *net_watch_find(struct net_coap_session *s, uint32_t tag)
{
	struct net_watch *w = s->watches;

	while (w && w->tag != tag)
		w = w->next;
	return w;
}

bool net_watch_room(const struct net_coap_session *s)
{
	unsigned count = 0;

	for (const struct net_watch *w = s->watches; w; w = w->next)
		count++;
	return count < LIMIT_COAP_WATCH;
}

void net_watch_drop(struct net_coap_session *s, uint32_t tag)
{
	for (struct net_watch **at = &s->watches; *at; at = &(*at)->next) {
		struct net_watch *w = *at;

		if (w->tag != tag)
			continue;
		*at = w->next;
		free(w);
		return;
	}
}

bool net_watch_add(struct net_coap *c, struct net_coap_session *s, uint32_t tag, uint64_t print,
		   const uint8_t token[NET_ASK_TOKEN], uint32_t number)
{
	struct net_watch *w = net_watch_find(s, tag);

	if (!w && net_watch_room(s)) {
		w = calloc(1, sizeof(*w));
		if (w) {
			w->next = s->watches;
			s->watches = w;
		}
	}
	if (!w)
		return false;
	w->tag = tag;
	w->print = print;
	memcpy(w->token, token, NET_ASK_TOKEN);
	w->number = number;
	w->heard_ms = c->timers->now_ms;
	return true;
}

/* RFC 7641 3.4 */
static bool is_newer(const struct net_coap *c, const struct net_watch *w, uint32_t number)
{
	uint32_t v1 = w->number, v2 = number;

	return (v1 < v2 && v2 - v1 < HALF_SPACE) || (v1 > v2 && v1 - v2 > HALF_SPACE) ||
	       c->timers->now_ms > w->heard_ms + FRESH_MS;
}

static bool admitted(struct net_coap *c, struct net_coap_session *s, enum net_work work)
{
	unsigned wait_s;

	return !c->ops->admit || c->ops->admit(c->ctx, s, work, &wait_s) == NET_ADMIT;
}

/* Beyond its quota it is as if it had been lost: one that is confirmable comes again. */
bool net_watch_notified(struct net_coap *c, struct net_coap_session *s, const struct wire_coap *m)
{
	struct net_watch *w = by_token(s, m->token);

	if (!w || m->bad_option)
		return false;

	bool goes_on = m->code >> 5 == 2 && m->observe >= 0;
	bool fresh = !goes_on || is_newer(c, w, (uint32_t)m->observe);
	bool whole = !m->has_block2 || (m->block2.num == 0 && !m->block2.more);
	struct net_answer answer = {
		.err = whole ? 0 : ERR_LIMIT,
		.tag = w->tag,
		.code = m->code,
		.content_format = m->content_format,
		.notified = true,
		.observed = goes_on,
		.payload = whole ? m->payload : (struct bytes){NULL, 0},
	};

	if (!admitted(c, s, fresh ? NET_WORK_REQUEST : NET_WORK_MESSAGE))
		return true;
	if (m->type == WIRE_CON) {
		net_coap_send_empty(c, s, WIRE_ACK, m->mid);
		net_past_answer_add(s, m->mid);
	}
	if (!fresh)
		return true;
	if (goes_on) {
		w->number = (uint32_t)m->observe;
		w->heard_ms = c->timers->now_ms;
	} else { /* RFC 7641 4.2 */
		net_watch_drop(s, w->tag);
	}
	c->ops->answered(c->ctx, s, &answer);
	return true;
}

void net_coap_observe_forget(struct net_coap_session *s, uint32_t tag)
{
	net_watch_drop(s, tag);
}

void net_watch_session_done(struct net_coap_session *s)
{
	while (s->watches) {
		struct net_watch *w = s->watches;

		s->watches = w->next;
		free(w);
	}
}

/* ---- packed, for a peer that sleeps ---- */

void net_watch_pack(const struct net_coap_session *s, struct buf *out)
{
	for (const struct net_watch *w = s->watches; w; w = w->next) {
		buf_put_u32(out, w->tag);
		buf_put_u64(out, (uint64_t)w->heard_ms);
		buf_put_u8(out, PACKED_WATCH);
		buf_put_u32(out, w->number);
		buf_put_u64(out, w->print);
		buf_put_u8(out, NET_ASK_TOKEN);
		buf_put_bytes(out, w->token, NET_ASK_TOKEN);
	}
}

bool net_watch_is_packed(const struct buf *in)
{
	return buf_left(in) > FLAGS_AT && in->ptr[in->pos + FLAGS_AT] == PACKED_WATCH;
}

static bool unpack_one(struct buf *in, struct net_watch *w)
{
	w->tag = buf_get_u32(in);
	w->heard_ms = (int64_t)buf_get_u64(in);
	(void)buf_get_u8(in);
	w->number = buf_get_u32(in);
	w->print = buf_get_u64(in);
	unsigned len = buf_get_u8(in);
	struct bytes token = buf_get_bytes(in, NET_ASK_TOKEN);

	if (!buf_ok(in) || len != NET_ASK_TOKEN)
		return false;
	memcpy(w->token, token.ptr, NET_ASK_TOKEN);
	return true;
}

void net_watch_unpack(struct net_coap_session *s, struct buf *in)
{
	struct net_watch **end = &s->watches;

	while (*end)
		end = &(*end)->next;
	while (net_watch_is_packed(in) && net_watch_room(s)) {
		struct net_watch *w = calloc(1, sizeof(*w));

		if (!w)
			return;
		if (!unpack_one(in, w)) {
			free(w);
			return;
		}
		*end = w;
		end = &w->next;
	}
}
