/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "net/net_coap.h"

enum {
	GET = 1,
	FETCH = 5,
	BUSY_S = 5, /* at least, before one comes again after 5.03 */
};

/* ---- the table of unanswered requests ---- */

static struct net_pending *pending_grow(struct net_coap *c)
{
	if (c->pending_len == NET_PENDING_MAX)
		return NULL;
	if (c->pending_len == c->pending_cap) {
		uint32_t cap = c->pending_cap ? c->pending_cap * 2 : 64;
		struct net_pending **bigger =
			realloc(c->pending, cap * sizeof(struct net_pending *));

		if (!bigger)
			return NULL;
		c->pending = bigger;
		c->pending_cap = cap;
	}

	struct net_pending *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	list_init(&p->link);
	p->slot = c->pending_len;
	c->pending[c->pending_len++] = p;
	return p;
}

static struct net_pending *pending_new(struct net_coap *c, struct net_coap_session *s)
{
	struct net_pending *p;

	if (s->pending_count == NET_PENDING_PER_SESSION)
		return NULL;
	if (!list_empty(&c->free_pending)) {
		p = LIST_ENTRY(c->free_pending.next, struct net_pending, link);
		list_remove(&p->link);
	} else {
		p = pending_grow(c);
	}
	if (!p)
		return NULL;
	p->generation++;
	if (p->generation == 0)
		p->generation = 1;
	p->session = s;
	p->acked = false;
	s->pending_count++;
	list_append(&s->pending, &p->link);
	return p;
}

static void pending_free(struct net_coap *c, struct net_pending *p)
{
	net_timer_disarm(c->timers, &p->ack_timer);
	p->session->pending_count--;
	p->session = NULL;
	list_remove(&p->link);
	list_append(&c->free_pending, &p->link);
}

static struct net_pending *pending_find(struct net_coap *c, struct net_exchange exchange)
{
	if (exchange.generation == 0 || exchange.slot >= c->pending_len)
		return NULL;
	struct net_pending *p = c->pending[exchange.slot];

	return p->session && p->generation == exchange.generation ? p : NULL;
}

static struct net_pending *pending_of_message(struct net_coap_session *s, const struct wire_coap *m)
{
	LIST_EACH(it, next, &s->pending)
	{
		struct net_pending *p = LIST_ENTRY(it, struct net_pending, link);

		if (p->question.mid == m->mid &&
		    bytes_equal(net_question_token(&p->question), m->token))
			return p;
	}
	return NULL;
}

void net_exchange_session_done(struct net_coap *c, struct net_coap_session *s)
{
	LIST_EACH(it, next, &s->pending)
	pending_free(c, LIST_ENTRY(it, struct net_pending, link));
}

/* ---- duplicates (RFC 7252 4.5) ---- */

static uint32_t token_print(const struct net_coap *c, struct bytes token)
{
	return (uint32_t)net_hash(&c->key, token.ptr, token.len);
}

static struct net_dedupe *dedupe_find(const struct net_coap *c, struct net_coap_session *s,
				      uint16_t mid, struct bytes token)
{
	return s->past ? net_past_find(s, mid, token_print(c, token), c->timers->now_ms) : NULL;
}

static struct net_dedupe *dedupe_add(const struct net_coap *c, struct net_coap_session *s,
				     const struct wire_coap *m)
{
	return net_past_add(s, m->mid, token_print(c, m->token), c->timers->now_ms);
}

static bool get_seen(struct net_coap_session *s, uint16_t mid)
{
	if (net_past_get_known(s, mid))
		return true;
	net_past_get_add(s, mid);
	return false;
}

/* ---- up ---- */

static void ack_due(struct net_timer *timer, void *ctx)
{
	struct net_coap *c = net_coap_of_timer(ctx);
	struct net_pending *p = LIST_ENTRY(timer, struct net_pending, ack_timer);

	p->acked = true; /* RFC 7252 5.2.2: the answer will be a message of its own */
	net_coap_send_empty(c, p->session, WIRE_ACK, p->question.mid);
}

/* "Come again after Max-Age." */
static bool is_later(uint8_t code)
{
	return code == NET_CODE(4, 29) || code == NET_CODE(5, 3);
}

static void answer_code(struct net_coap *c, struct net_coap_session *s, const struct wire_coap *m,
			size_t len, uint8_t code, unsigned wait_s)
{
	struct net_question q;
	struct net_reply reply = NET_REPLY(code);

	if (is_later(code))
		reply.max_age_s = net_quota_age_s(wait_s, net_coap_random(c));
	net_question_of(m, s->max_szx, net_coap_cap(c, s, len), &q);
	net_coap_answer(c, s, &q, &reply);
}

/* Not remembered: come again. */
static void busy(struct net_coap *c, struct net_coap_session *s, const struct wire_coap *m,
		 size_t len)
{
	answer_code(c, s, m, len, NET_CODE(5, 3), BUSY_S);
}

static bool is_safe(const struct wire_coap *m)
{
	return m->code == GET || m->code == FETCH;
}

bool net_exchange_is_repeat(const struct net_coap *c, struct net_coap_session *s,
			    const struct wire_coap *m)
{
	return is_safe(m) ? net_past_get_known(s, m->mid)
			  : dedupe_find(c, s, m->mid, m->token) || pending_of_message(s, m);
}

/* RFC 7252 4.5: what was refused stays refused for its repetitions, even if there is room again;
 * the client has been told not to count on it. */
void net_exchange_refuse(struct net_coap *c, struct net_coap_session *s, const struct wire_coap *m,
			 size_t len, uint8_t code, unsigned wait_s)
{
	struct net_dedupe *d = is_safe(m) ? NULL : dedupe_add(c, s, m);

	if (d)
		d->code = code;
	answer_code(c, s, m, len, code, wait_s);
}

static void request_of(const struct wire_coap *m, bool duplicate, struct net_request *ret)
{
	ret->method = m->code;
	ret->confirmable = m->type == WIRE_CON;
	ret->duplicate = duplicate;
	ret->path_count = m->path_count;
	for (unsigned i = 0; i < m->path_count; i++)
		ret->path[i] = m->path[i];
	ret->query_count = m->query_count;
	for (unsigned i = 0; i < m->query_count; i++)
		ret->query[i] = m->query[i];
	ret->content_format = m->content_format;
	ret->accept = m->accept;
	ret->observe = m->code == GET && m->observe >= 0 && m->observe <= 1 ? (int)m->observe : -1;
	ret->has_block2 = m->has_block2;
	ret->block2_num = m->block2.num;
	ret->block2_szx = m->block2.szx;
	ret->wants_size2 = m->has_size2;
	ret->etag_count = m->etag_count;
	for (unsigned i = 0; i < m->etag_count; i++)
		ret->etag[i] = m->etag[i];
	ret->payload = m->payload;
}

static void hand_up(struct net_coap *c, struct net_coap_session *s, const struct wire_coap *m,
		    size_t len, bool duplicate)
{
	struct net_request request;
	struct net_pending *p = pending_new(c, s);

	if (!p) {
		busy(c, s, m, len);
		return;
	}

	struct net_exchange exchange = {p->slot, p->generation};

	net_question_of(m, s->max_szx, net_coap_cap(c, s, len), &p->question);
	p->question.has_block1 = m->has_block1;
	p->question.block1 = m->block1;
	p->print = m->code == GET ? 0 : net_kept_print(c, m);
	request_of(m, duplicate, &request);
	if (request.observe == 1) /* RFC 7641 3.6 */
		net_observe_remove(c, s, m->token);
	c->ops->request(c->ctx, s, &request, exchange);
	p = pending_find(c, exchange);
	if (p && m->type == WIRE_CON)
		net_timer_arm(c->timers, &p->ack_timer, c->timers->now_ms + NET_ACK_DELAY_MS,
			      ack_due);
}

/* A repeated request while the first is not answered: silence, or the ACK again. */
static bool repeat_pending(struct net_coap *c, struct net_coap_session *s,
			   const struct wire_coap *m)
{
	struct net_pending *p = pending_of_message(s, m);

	if (p && p->acked)
		net_coap_send_empty(c, s, WIRE_ACK, m->mid);
	return p != NULL;
}

void net_exchange_request(struct net_coap *c, struct net_coap_session *s, const struct wire_coap *m,
			  size_t len)
{
	bool safe = is_safe(m);

	if (!safe && m->has_block2 && m->block2.num > 0) {
		net_kept_answer(c, s, m, len);
		return;
	}

	struct net_dedupe *d = safe ? NULL : dedupe_find(c, s, m->mid, m->token);
	bool duplicate = safe ? get_seen(s, m->mid) : d || pending_of_message(s, m);

	if (duplicate) {
		s->repeats++;
		c->stats->duplicates++;
		if (repeat_pending(c, s, m))
			return;
	} else if (!safe) {
		if (s->pending_count == NET_PENDING_PER_SESSION || !dedupe_add(c, s, m)) {
			busy(c, s, m, len); /* not remembered: come again */
			return;
		}
	}
	if (d && d->code && d->code >> 5 != 2) {
		answer_code(c, s, m, len, d->code, BUSY_S);
		return;
	}
	hand_up(c, s, m, len, duplicate);
}

/* ---- down ---- */

/* Piggybacked, or RFC 7252 5.2.2, or 5.2.3. Frees p. */
static void send_response(struct net_coap *c, struct net_pending *p, const struct net_response *r,
			  int64_t observe)
{
	struct net_coap_session *s = p->session;
	const struct net_question *q = &p->question;
	bool separate = q->type == WIRE_CON && p->acked && net_out_room(s);
	bool piggyback = q->type == WIRE_CON && !p->acked;
	uint16_t mid = piggyback ? q->mid : net_coap_next_mid(s);
	enum wire_coap_type type = separate ? WIRE_CON : piggyback ? WIRE_ACK : WIRE_NON;
	size_t len = net_response_encode(r, q, type, mid, observe, c->scratch);
	struct net_out *out = separate ? net_out_new(s, NULL, c->scratch, len, mid) : NULL;

	c->stats->responses[c->scratch[1]]++;
	if (observe >= 0 && !piggyback && (out || !separate))
		net_observe_first(s, net_question_token(q), out, mid);
	pending_free(c, p);
	if (!separate)
		net_coap_send(c, s, (struct bytes){c->scratch, len});
	else if (out)
		net_out_enqueue(c, out);
}

void net_coap_reply(struct net_coap *c, struct net_exchange exchange, const struct net_reply *reply)
{
	struct net_response r;
	struct net_pending *p = pending_find(c, exchange);

	if (!p)
		return;

	struct net_coap_session *s = p->session;
	const struct net_question *q = &p->question;
	int64_t observe = -1;

	net_response_of(q, reply, &r);
	if (is_later(r.code) && r.max_age_s > 0)
		r.max_age_s = net_quota_age_s((unsigned)r.max_age_s, net_coap_random(c));
	if (q->observe_register) {
		if (reply->observe && net_response_observable(&r))
			observe = net_observe_add(c, s, q, reply->observe_tag);
		else if (!r.has_block || r.block.num == 0)
			net_observe_remove(c, s, net_question_token(q));
	}

	if (q->method != GET && q->method != FETCH) {
		struct net_dedupe *d = dedupe_find(c, s, q->mid, net_question_token(q));

		if (d)
			d->code = r.code;
		if (r.has_block && r.block.more && !reply->is_block)
			net_kept_take(c, s, p->print, reply);
	}
	send_response(c, p, &r, observe);
}
