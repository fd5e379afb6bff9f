/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "net/net_ask.h"

struct net_out *net_out_new(struct net_coap_session *s, struct net_observation *o,
			    const uint8_t *data, size_t len, uint16_t mid)
{
	struct net_out *out = calloc(1, sizeof(*out) + len);

	if (!out)
		return NULL;
	list_init(&out->link);
	out->session = s;
	out->observation = o;
	out->mid = mid;
	out->len = len;
	memcpy(out->data, data, len);
	return out;
}

static struct net_out *head_of(struct net_coap_session *s)
{
	/* What is freed was taken off the list. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
	return list_empty(&s->out) ? NULL : LIST_ENTRY(s->out.next, struct net_out, link);
}

/* Puts `fresh` in the place of `old`, which is freed. */
static void replace(struct net_coap *c, struct net_out *old, struct net_out *fresh)
{
	net_timer_disarm(c->timers, &old->timer);
	fresh->link.prev = old->link.prev;
	fresh->link.next = old->link.next;
	fresh->link.prev->next = fresh->link.next->prev = &fresh->link;
	fresh->observation->current = fresh;
	free(old);
}

static void timed_out(struct net_timer *timer, void *ctx);

static void transmit(struct net_coap *c, struct net_out *out)
{
	out->in_flight = true;
	net_timer_arm(c->timers, &out->timer, c->timers->now_ms + out->timeout_ms, timed_out);
	net_coap_send(c, out->session, (struct bytes){out->data, out->len});
}

static void transmit_head(struct net_coap *c, struct net_coap_session *s)
{
	struct net_out *out = head_of(s);

	if (!out || out->in_flight)
		return;
	/* RFC 7252 4.2: between ACK_TIMEOUT and ACK_TIMEOUT * 1.5 */
	out->timeout_ms = NET_ACK_TIMEOUT_MS + net_coap_random(c) % (NET_ACK_TIMEOUT_MS / 2 + 1);
	s->messages++;
	transmit(c, out);
}

static void timed_out(struct net_timer *timer, void *ctx)
{
	struct net_coap *c = net_coap_of_timer(ctx);
	struct net_out *out = LIST_ENTRY(timer, struct net_out, timer);
	struct net_coap_session *s = out->session;
	struct net_observation *o = out->observation;

	if (out->tries == NET_MAX_RETRANSMIT) {
		if (o) {
			net_observe_end(c, s, o, true); /* RFC 7641 4.5; drops `out` too */
			return;
		}
		bool asked = out->asking != NULL;

		net_out_drop(c, out);
		if (asked)
			net_ask_failed(c, s, ERR_TIMEOUT);
		return;
	}
	if (o && o->newer) { /* RFC 7641 4.5.2: the newest state, in the old one's schedule */
		struct net_out *newer = o->newer;

		o->newer = NULL;
		newer->tries = out->tries;
		newer->timeout_ms = out->timeout_ms;
		replace(c, out, newer);
		out = newer;
	}
	out->tries++;
	out->timeout_ms *= 2;
	s->repeats++;
	c->stats->retransmissions++;
	transmit(c, out);
}

bool net_out_room(const struct net_coap_session *s)
{
	unsigned count = 0;

	LIST_EACH(it, next, &s->out)
	count++;
	return count < NET_OUT_PER_SESSION;
}

void net_out_enqueue(struct net_coap *c, struct net_out *out)
{
	struct net_observation *o = out->observation;

	if (o && o->current && o->current->in_flight) {
		free(o->newer);
		o->newer = out;
		return;
	}
	if (o && o->current) {
		replace(c, o->current, out);
		return;
	}
	if (o)
		o->current = out;
	list_append(&out->session->out, &out->link);
	transmit_head(c, out->session);
}

static void unlink_free(struct net_coap *c, struct net_out *out)
{
	net_timer_disarm(c->timers, &out->timer);
	list_remove(&out->link);
	if (out->observation)
		out->observation->current = NULL;
	if (out->asking)
		out->asking->out = NULL;
	free(out);
}

void net_out_drop(struct net_coap *c, struct net_out *out)
{
	if (!out)
		return;
	struct net_coap_session *s = out->session;

	unlink_free(c, out);
	transmit_head(c, s);
}

/* 0 is "none", so a round trip takes 1 ms at least. */
void net_coap_round_trip(struct net_coap_session *s, int64_t took_ms)
{
	int64_t ms = took_ms < 1 ? 1 : took_ms > UINT16_MAX ? UINT16_MAX : took_ms;

	if (s->rtt_ms == 0)
		s->rtt_ms = (uint16_t)ms;
	else /* RFC 6298 2.3, rounded */
		s->rtt_ms = (uint16_t)((s->rtt_ms * INT64_C(7) + ms + 4) / 8);
}

bool net_out_acknowledged(struct net_coap *c, struct net_coap_session *s, uint16_t mid, bool reset)
{
	struct net_out *out = head_of(s);

	if (!out || !out->in_flight || out->mid != mid)
		return false;

	struct net_observation *o = out->observation;
	struct net_asking *a = out->asking;

	if (out->tries == 0)
		net_coap_round_trip(s, c->timers->now_ms - (out->timer.at_ms - out->timeout_ms));
	if (o && reset) { /* RFC 7641 3.6 */
		net_observe_end(c, s, o, true);
		return true;
	}
	unlink_free(c, out);
	if (o && o->newer) {
		struct net_out *newer = o->newer;

		o->newer = NULL;
		o->current = newer;
		list_append(&s->out, &newer->link);
	}
	transmit_head(c, s);
	if (a && reset)
		net_ask_failed(c, s, ERR_CLOSED);
	else if (a)
		net_ask_acknowledged(c, a);
	return true;
}

void net_out_session_done(struct net_coap *c, struct net_coap_session *s)
{
	LIST_EACH(it, next, &s->out)
	unlink_free(c, LIST_ENTRY(it, struct net_out, link));
}
