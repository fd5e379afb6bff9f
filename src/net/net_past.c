/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "net/net_coap.h"

/* What a session remembers of the requests it had (RFC 7252 4.5). */
struct net_past {
	struct net_dedupe dedupe[LIMIT_COAP_DEDUPE];
	uint16_t recent_gets[NET_RECENT_GETS];
	uint16_t recent_answers[NET_RECENT_ANSWERS];
	uint8_t recent_count, recent_next, dedupe_next, answer_count, answer_next;
};

static struct net_past *past_of(struct net_coap_session *s)
{
	if (!s->past)
		s->past = calloc(1, sizeof(*s->past));
	return s->past;
}

static bool is_young(const struct net_dedupe *d, int64_t now_ms)
{
	return d->used && now_ms - d->at_ms < NET_EXCHANGE_LIFETIME_MS;
}

struct net_dedupe *net_past_find(const struct net_coap_session *s, uint16_t mid,
				 uint32_t token_print, int64_t now_ms)
{
	for (unsigned i = 0; s->past && i < LIMIT_COAP_DEDUPE; i++) {
		struct net_dedupe *d = &s->past->dedupe[i];

		if (d->mid == mid && d->token_print == token_print && is_young(d, now_ms))
			return d;
	}
	return NULL;
}

struct net_dedupe *net_past_add(struct net_coap_session *s, uint16_t mid, uint32_t token_print,
				int64_t now_ms)
{
	struct net_past *p = past_of(s);

	if (!p)
		return NULL;
	struct net_dedupe *d = &p->dedupe[p->dedupe_next];

	*d = (struct net_dedupe){
		.at_ms = now_ms, .token_print = token_print, .mid = mid, .used = true};
	p->dedupe_next = (uint8_t)((p->dedupe_next + 1) % LIMIT_COAP_DEDUPE);
	return d;
}

bool net_past_get_known(const struct net_coap_session *s, uint16_t mid)
{
	for (unsigned i = 0; s->past && i < s->past->recent_count; i++)
		if (s->past->recent_gets[i] == mid)
			return true;
	return false;
}

void net_past_get_add(struct net_coap_session *s, uint16_t mid)
{
	struct net_past *p = past_of(s);

	if (!p)
		return;
	p->recent_gets[p->recent_next] = mid;
	p->recent_next = (uint8_t)((p->recent_next + 1) % NET_RECENT_GETS);
	if (p->recent_count < NET_RECENT_GETS)
		p->recent_count++;
}

bool net_past_answer_known(const struct net_coap_session *s, uint16_t mid)
{
	for (unsigned i = 0; s->past && i < s->past->answer_count; i++)
		if (s->past->recent_answers[i] == mid)
			return true;
	return false;
}

void net_past_answer_add(struct net_coap_session *s, uint16_t mid)
{
	struct net_past *p = past_of(s);

	if (!p)
		return;
	p->recent_answers[p->answer_next] = mid;
	p->answer_next = (uint8_t)((p->answer_next + 1) % NET_RECENT_ANSWERS);
	if (p->answer_count < NET_RECENT_ANSWERS)
		p->answer_count++;
}

void net_past_drop(struct net_coap_session *s)
{
	free(s->past);
	s->past = NULL;
}

/* ---- packed, for a peer that sleeps ---- */

void net_past_pack(const struct net_coap_session *s, int64_t now_ms, struct buf *out)
{
	static const struct net_past none;
	const struct net_past *p = s->past ? s->past : &none;
	unsigned count = 0;

	for (unsigned i = 0; i < LIMIT_COAP_DEDUPE; i++)
		count += is_young(&p->dedupe[i], now_ms);
	buf_put_u8(out, (uint8_t)count);
	for (unsigned i = 0; i < LIMIT_COAP_DEDUPE; i++) { /* the oldest first */
		const struct net_dedupe *d = &p->dedupe[(p->dedupe_next + i) % LIMIT_COAP_DEDUPE];

		if (!is_young(d, now_ms))
			continue;
		buf_put_u64(out, (uint64_t)d->at_ms);
		buf_put_u32(out, d->token_print);
		buf_put_u16(out, d->mid);
		buf_put_u8(out, d->code);
	}
	buf_put_u8(out, p->recent_count);
	for (unsigned i = 0; i < p->recent_count; i++) {
		unsigned at = (unsigned)(p->recent_next + NET_RECENT_GETS - p->recent_count) + i;

		buf_put_u16(out, p->recent_gets[at % NET_RECENT_GETS]);
	}
	buf_put_u8(out, p->answer_count);
	for (unsigned i = 0; i < p->answer_count; i++) {
		unsigned at = (unsigned)(p->answer_next + NET_RECENT_ANSWERS - p->answer_count) + i;

		buf_put_u16(out, p->recent_answers[at % NET_RECENT_ANSWERS]);
	}
}

bool net_past_unpack(struct net_coap_session *s, struct buf *in)
{
	unsigned count = buf_get_u8(in);
	struct net_past all = {.dedupe_next = (uint8_t)(count % LIMIT_COAP_DEDUPE)};

	if (count > LIMIT_COAP_DEDUPE)
		return false;
	for (unsigned i = 0; i < count; i++) {
		struct net_dedupe *d = &all.dedupe[i];

		d->at_ms = (int64_t)buf_get_u64(in);
		d->token_print = buf_get_u32(in);
		d->mid = buf_get_u16(in);
		d->code = buf_get_u8(in);
		d->used = true;
	}
	all.recent_count = buf_get_u8(in);
	if (all.recent_count > NET_RECENT_GETS)
		return false;
	for (unsigned i = 0; i < all.recent_count; i++)
		all.recent_gets[i] = buf_get_u16(in);
	all.recent_next = all.recent_count % NET_RECENT_GETS;
	all.answer_count = buf_get_u8(in);
	if (all.answer_count > NET_RECENT_ANSWERS)
		return false;
	for (unsigned i = 0; i < all.answer_count; i++)
		all.recent_answers[i] = buf_get_u16(in);
	all.answer_next = all.answer_count % NET_RECENT_ANSWERS;
	if (!buf_ok(in))
		return false;
	if ((count > 0 || all.recent_count > 0 || all.answer_count > 0) && past_of(s))
		*s->past = all;
	return true;
}
