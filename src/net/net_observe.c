/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "net/net_ask.h"

enum { SEQUENCE_MASK = 0xffffff }; /* RFC 7641 3.4: 24 bits */

static struct net_observation *by_token(struct net_coap_session *s, struct bytes token)
{
	LIST_EACH(it, next, &s->observations)
	{
		struct net_observation *o = LIST_ENTRY(it, struct net_observation, link);

		if (bytes_equal(net_question_token(&o->question), token))
			return o;
	}
	return NULL;
}

static struct net_observation *by_tag(struct net_coap_session *s, uint32_t tag)
{
	LIST_EACH(it, next, &s->observations)
	{
		struct net_observation *o = LIST_ENTRY(it, struct net_observation, link);

		if (o->tag == tag)
			return o;
	}
	return NULL;
}

/* Rises with every notification, and with time, so that a new registration starts above the
 * old one's (RFC 7641 4.4). */
static int64_t next_sequence(const struct net_coap *c, struct net_observation *o)
{
	int64_t now = c->timers->now_ms;

	o->sequence = o->sequence < now ? now : o->sequence + 1;
	return o->sequence & SEQUENCE_MASK;
}

static void unlink_free(struct net_coap *c, struct net_coap_session *s, struct net_observation *o)
{
	struct net_out *current = o->current;

	if (current) {
		current->observation = NULL;
		o->current = NULL;
	}
	list_remove(&o->link);
	s->observe_count--;
	free(o->newer);
	free(o);
	net_out_drop(c, current);
}

void net_observe_end(struct net_coap *c, struct net_coap_session *s, struct net_observation *o,
		     bool tell)
{
	uint32_t tag = o->tag;

	unlink_free(c, s, o);
	if (tell)
		c->ops->observe_end(c->ctx, s, tag);
}

void net_observe_remove(struct net_coap *c, struct net_coap_session *s, struct bytes token)
{
	struct net_observation *o = by_token(s, token);

	if (o)
		net_observe_end(c, s, o, true);
}

int64_t net_observe_add(struct net_coap *c, struct net_coap_session *s,
			const struct net_question *q, uint32_t tag)
{
	struct net_observation *old = by_token(s, net_question_token(q));
	struct net_observation *same_tag = by_tag(s, tag);
	int64_t floor = 0;

	/* RFC 7641 4.1: the same token replaces. A client that lost its token and asks for the
	 * same thing again replaces too, or its lost tokens would fill the table. */
	if (old && old != same_tag)
		net_observe_end(c, s, old, true);
	if (same_tag) {
		floor = same_tag->sequence;
		net_observe_end(c, s, same_tag, false);
	}
	if (s->observe_count == LIMIT_COAP_OBSERVE)
		return -1;

	struct net_observation *o = calloc(1, sizeof(*o));

	if (!o)
		return -1;
	list_init(&o->link);
	o->tag = tag;
	o->sequence = floor;
	o->first_mid = -1;
	o->question = *q;
	o->question.etag_count = o->question.if_match_count = 0;
	o->question.wants_size2 = o->question.has_block1 = false;
	list_append(&s->observations, &o->link);
	s->observe_count++;
	return next_sequence(c, o);
}

void net_observe_first(struct net_coap_session *s, struct bytes token, struct net_out *out,
		       uint16_t mid)
{
	struct net_observation *o = by_token(s, token);

	if (!o)
		return;
	if (out)
		out->observation = o;
	else
		o->first_mid = mid;
}

void net_observe_rejected(struct net_coap *c, struct net_coap_session *s, uint16_t mid)
{
	LIST_EACH(it, next, &s->observations)
	{
		struct net_observation *o = LIST_ENTRY(it, struct net_observation, link);

		if (o->first_mid == mid) {
			net_observe_end(c, s, o, true);
			return;
		}
	}
}

static void notify_one(struct net_coap *c, struct net_coap_session *s, struct net_observation *o,
		       const struct net_reply *reply)
{
	struct net_response r;
	uint16_t mid = net_coap_next_mid(s);

	o->first_mid = -1; /* its number may come again */
	net_response_of(&o->question, reply, &r);

	bool ends = r.code >> 5 != 2; /* RFC 7641 4.2: an error ends it and has no number */
	int64_t sequence = ends ? -1 : next_sequence(c, o);
	size_t len = net_response_encode(&r, &o->question, WIRE_CON, mid, sequence, c->scratch);
	struct net_out *out = net_out_new(s, o, c->scratch, len, mid);

	c->stats->notifications++;
	if (ends) {
		if (out)
			out->observation = NULL;
		net_observe_end(c, s, o, true);
	}
	if (out) /* out of memory: the device asks again when Max-Age is over */
		net_out_enqueue(c, out);
}

unsigned net_coap_notify(struct net_coap *c, struct net_coap_session *s, uint32_t tag,
			 const struct net_reply *reply)
{
	struct net_observation *o = by_tag(s, tag); /* a tag has at most one */

	if (!o)
		return 0;
	notify_one(c, s, o, reply);
	return 1;
}

void net_observe_session_done(struct net_coap_session *s)
{
	LIST_EACH(it, next, &s->observations)
	{
		struct net_observation *o = LIST_ENTRY(it, struct net_observation, link);

		if (o->current)
			o->current->observation = NULL;
		free(o->newer);
		free(o);
	}
	list_init(&s->observations);
	s->observe_count = 0;
	net_watch_session_done(s);
}

/* ---- packed, for a peer that sleeps ---- */

enum { PACKED_CON = 1, PACKED_BLOCK2 = 2 };

void net_observe_pack(const struct net_coap_session *s, struct buf *out)
{
	LIST_EACH(it, next, &s->observations)
	{
		const struct net_observation *o = LIST_ENTRY(it, struct net_observation, link);
		const struct net_question *q = &o->question;

		buf_put_u32(out, o->tag);
		buf_put_u64(out, (uint64_t)o->sequence);
		buf_put_u8(out, (uint8_t)((q->type == WIRE_CON ? PACKED_CON : 0) |
					  (q->has_block2 ? PACKED_BLOCK2 : 0)));
		buf_put_u8(out, q->max_szx);
		buf_put_u8(out, (uint8_t)q->block2.szx);
		buf_put_u16(out, (uint16_t)q->cap);
		buf_put_u8(out, q->token_len);
		buf_put_bytes(out, q->token, q->token_len);
	}
	net_watch_pack(s, out);
}

static bool unpack_one(struct buf *in, struct net_observation *o)
{
	struct net_question *q = &o->question;

	o->tag = buf_get_u32(in);
	o->sequence = (int64_t)buf_get_u64(in);
	unsigned flags = buf_get_u8(in);
	q->max_szx = buf_get_u8(in);
	q->block2.szx = buf_get_u8(in);
	q->cap = buf_get_u16(in);
	q->token_len = buf_get_u8(in);
	struct bytes token = buf_get_bytes(in, q->token_len);

	if (!buf_ok(in) || token.len > sizeof(q->token) || flags > (PACKED_CON | PACKED_BLOCK2) ||
	    q->max_szx > 6 || q->block2.szx > 6 || q->cap > LIMIT_COAP_MESSAGE)
		return false;
	if (token.len)
		memcpy(q->token, token.ptr, token.len);
	q->type = flags & PACKED_CON ? WIRE_CON : WIRE_NON;
	q->has_block2 = flags & PACKED_BLOCK2;
	q->method = 1; /* GET */
	q->observe_register = true;
	return true;
}

void net_observe_unpack(struct net_coap_session *s, struct buf *in)
{
	while (buf_left(in) > 0 && s->observe_count < LIMIT_COAP_OBSERVE &&
	       !net_watch_is_packed(in)) {
		struct net_observation *o = calloc(1, sizeof(*o));

		if (!o)
			break;
		if (!unpack_one(in, o)) {
			free(o);
			break;
		}
		o->first_mid = -1;
		list_init(&o->link);
		list_append(&s->observations, &o->link);
		s->observe_count++;
	}
	net_watch_unpack(s, in);
}
