/* SPDX-License-Identifier: Apache-2.0 */
#include "net/net_coap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/net_links.h"

enum {
	GET = 1,
	IPATCH = 7, /* the last method there is, RFC 8132 */
	LINK_FORMAT = 40,
	AMPLIFICATION = 3, /* RFC 7252 11.3; the number is RFC 9000's */
};

void net_coap_init(struct net_coap *c, const struct net_coap_ops *ops, void *ctx,
		   struct net_timers *timers, struct net_stats *stats, struct net_hash_key key)
{
	*c = (struct net_coap){
		.ops = ops, .ctx = ctx, .timers = timers, .stats = stats, .key = key};
	c->well_known = "";
	list_init(&c->bodies);
	list_init(&c->free_pending);
	timers->ctx = c;
}

void net_coap_done(struct net_coap *c)
{
	for (uint32_t i = 0; i < c->pending_len; i++)
		free(c->pending[i]);
	free(c->pending);
	c->pending = NULL;
	c->pending_len = c->pending_cap = 0;
	list_init(&c->free_pending);
}

void net_coap_session_init(struct net_coap *c, struct net_coap_session *s, bool plain,
			   unsigned max_szx)
{
	memset(s, 0, sizeof(*s));
	list_init(&s->pending);
	list_init(&s->out);
	list_init(&s->observations);
	s->plain = plain;
	s->max_szx = (uint8_t)max_szx;
	s->next_mid = (uint16_t)net_coap_random(c);
}

bool net_coap_session_busy(const struct net_coap_session *s)
{
	return s->pending_count > 0 || !list_empty(&s->out) || s->asking;
}

void net_coap_session_done(struct net_coap *c, struct net_coap_session *s)
{
	net_exchange_session_done(c, s);
	net_kept_drop(c, s);
	net_body_drop(c, s);
	net_observe_session_done(s);
	net_past_drop(s);
	net_out_session_done(c, s);
	net_coap_ask_cancel(c, s);
}

void net_coap_session_pack(const struct net_coap *c, const struct net_coap_session *s,
			   struct buf *out)
{
	buf_put_u8(out, s->observe_count);
	net_past_pack(s, c->timers->now_ms, out);
	net_observe_pack(s, out);
}

void net_coap_session_rest(struct net_coap *c, struct net_coap_session *s)
{
	net_kept_drop(c, s);
	net_past_drop(s);
	net_observe_session_done(s);
}

void net_coap_session_unpack(struct net_coap_session *s, struct bytes packed)
{
	struct buf in = buf_reader(packed.ptr, packed.len);

	(void)buf_get_u8(&in); /* their number */
	if (net_past_unpack(s, &in))
		net_observe_unpack(s, &in);
}

bool net_coap_packed_observes(struct bytes packed)
{
	return packed.len > 0 && packed.ptr[0] > 0;
}

struct net_coap *net_coap_of_timer(void *timers_ctx)
{
	return timers_ctx;
}

/* Unpredictable to peers, cheap; not for keys. */
uint32_t net_coap_random(struct net_coap *c)
{
	uint64_t n = c->random_count++;

	return (uint32_t)net_hash(&c->key, &n, sizeof(n));
}

uint16_t net_coap_next_mid(struct net_coap_session *s)
{
	return s->next_mid++;
}

void net_coap_send(struct net_coap *c, struct net_coap_session *s, struct bytes datagram)
{
	c->ops->send(c->ctx, s, datagram);
}

void net_coap_send_empty(struct net_coap *c, struct net_coap_session *s, enum wire_coap_type type,
			 uint16_t mid)
{
	uint8_t raw[4];
	struct wire_coap_writer w =
		wire_coap_begin(raw, sizeof(raw), type, 0, mid, (struct bytes){NULL, 0});

	net_coap_send(c, s, buf_bytes(&w.buf));
}

size_t net_coap_cap(const struct net_coap *c, const struct net_coap_session *s, size_t len)
{
	return s->plain && !c->plain_devices ? AMPLIFICATION * len : LIMIT_COAP_MESSAGE;
}

void net_coap_answer(struct net_coap *c, struct net_coap_session *s, const struct net_question *q,
		     const struct net_reply *reply)
{
	struct net_response r;
	bool con = q->type == WIRE_CON;

	net_response_of(q, reply, &r);

	size_t len = net_response_encode(&r, q, con ? WIRE_ACK : WIRE_NON,
					 con ? q->mid : net_coap_next_mid(s), -1, c->scratch);
	c->stats->responses[c->scratch[1]]++;
	net_coap_send(c, s, (struct bytes){c->scratch, len});
}

static void answer_text(struct net_coap *c, struct net_coap_session *s, const struct wire_coap *m,
			size_t len, uint8_t code, const char *text)
{
	struct net_question q;
	struct net_reply reply = NET_REPLY(code);

	net_question_of(m, s->max_szx, net_coap_cap(c, s, len), &q);
	reply.payload = (struct bytes){(const uint8_t *)text, strlen(text)};
	if (code == NET_CODE(4, 13)) /* RFC 7252 5.10.9: what would be accepted */
		reply.size1 = LIMIT_COAP_PAYLOAD;
	net_coap_answer(c, s, &q, &reply);
}

static bool segment_is(struct bytes segment, const char *text)
{
	return bytes_equal(segment, (struct bytes){(const uint8_t *)text, strlen(text)});
}

static bool is_well_known(const struct wire_coap *m)
{
	return m->path_count == 2 && !m->path_too_deep && segment_is(m->path[0], ".well-known") &&
	       segment_is(m->path[1], "core");
}

static void answer_well_known(struct net_coap *c, struct net_coap_session *s,
			      const struct wire_coap *m, size_t len)
{
	uint8_t links[LIMIT_COAP_PAYLOAD];
	struct bytes all = {(const uint8_t *)c->well_known, strlen(c->well_known)};
	struct net_question q;
	struct net_reply reply = NET_REPLY(NET_CODE(2, 5));

	if (m->code != GET) {
		answer_text(c, s, m, len, NET_CODE(4, 5), "only GET");
		return;
	}
	if (m->accept >= 0 && m->accept != LINK_FORMAT) {
		answer_text(c, s, m, len, NET_CODE(4, 6), "only link-format (40)");
		return;
	}
	net_question_of(m, s->max_szx, net_coap_cap(c, s, len), &q);
	reply.content_format = LINK_FORMAT;
	reply.payload = all;
	if (m->query_count && all.len <= sizeof(links))
		reply.payload = (struct bytes){
			links, net_links_filter(all, m->query, m->query_count, links)};
	net_coap_answer(c, s, &q, &reply);
}

/* A body in its only block is whole. */
static bool is_in_blocks(const struct wire_coap *m)
{
	return m->has_block1 && (m->block1.num || m->block1.more);
}

/* What no handler has to see. Returns true if the request was dealt with. */
static bool refuse(struct net_coap *c, struct net_coap_session *s, const struct wire_coap *m,
		   size_t len)
{
	char bad[64];
	uint8_t code;
	const char *text;

	if (m->bad_option && m->type == WIRE_NON) { /* RFC 7252 5.4.1, 4.3 */
		net_coap_send_empty(c, s, WIRE_RST, m->mid);
		return true;
	}
	if (m->bad_option) {
		(void)snprintf(bad, sizeof(bad), "option %u is unknown, malformed or repeated",
			       m->bad_option);
		code = NET_CODE(4, 2), text = bad;
	} else if (m->has_proxy) {
		code = NET_CODE(5, 5), text = "no proxy";
	} else if (m->code > IPATCH) {
		code = NET_CODE(4, 5), text = "unknown method";
	} else if (s->plain && !c->plain_devices && !is_well_known(m)) {
		code = NET_CODE(4, 1), text = "use coaps";
	} else if (m->path_too_deep) {
		code = NET_CODE(4, 4), text = "";
	} else if (m->has_block1 && m->block1.szx == 7) {
		code = NET_CODE(4, 0), text = "Block1: SZX 7 is reserved";
	} else if (is_in_blocks(m) && !net_body_allowed(c, s, m)) {
		/* RFC 7959 2.9.3 */
		code = NET_CODE(4, 13), text = "one message only";
	} else if (m->has_block2 && m->block2.szx == 7) {
		code = NET_CODE(4, 0), text = "Block2: SZX 7 is reserved";
	} else if (m->has_if_none_match) { /* whatever there is to act on exists */
		code = NET_CODE(4, 12), text = "";
	} else if (m->code != GET && m->if_match_count && m->if_match[0].len) {
		code = NET_CODE(4, 12), text = "";
	} else {
		return false;
	}
	answer_text(c, s, m, len, code, text);
	return true;
}

/* ---- quotas ---- */

static bool admit_message(struct net_coap *c, struct net_coap_session *s)
{
	unsigned wait_s;

	return !c->ops->admit || c->ops->admit(c->ctx, s, NET_WORK_MESSAGE, &wait_s) == NET_ADMIT;
}

/* A repetition beyond the quota is lost and not refused: the client may have been, or be about to
 * be, answered otherwise. */
static bool admit_request(struct net_coap *c, struct net_coap_session *s, const struct wire_coap *m,
			  size_t len)
{
	bool repeat = net_exchange_is_repeat(c, s, m);
	enum net_work work = NET_WORK_REQUEST;
	unsigned wait_s = 0;

	if (!c->ops->admit)
		return true;
	if (c->ops->weigh)
		work = c->ops->weigh(c->ctx, s, m->code, m->path, m->path_count);
	if (repeat && work != NET_WORK_BLOCK)
		work = NET_WORK_REPEAT;

	enum net_admission admission = c->ops->admit(c->ctx, s, work, &wait_s);

	if (admission == NET_ADMIT)
		return true;
	if (admission == NET_ADMIT_SILENT || repeat)
		return false;
	net_exchange_refuse(c, s, m, len,
			    admission == NET_ADMIT_BUSY ? NET_CODE(5, 3) : NET_CODE(4, 29), wait_s);
	return false;
}

/* ---- in ---- */

static void receive_body(struct net_coap *c, struct net_coap_session *s, const struct wire_coap *m,
			 size_t len)
{
	struct wire_coap all = *m;

	if (net_body_take(c, s, m, len, &all.payload))
		net_exchange_request(c, s, &all, len);
}

static void receive_request(struct net_coap *c, struct net_coap_session *s,
			    const struct wire_coap *m, size_t len)
{
	if (m->type != WIRE_CON && m->type != WIRE_NON) {
		(void)admit_message(c, s);
		return; /* RFC 7252 4.2, table 1: an ACK or RST carries no request */
	}
	s->messages++;
	c->stats->requests++;
	if (!admit_request(c, s, m, len))
		return;
	if (refuse(c, s, m, len))
		return;
	if (is_well_known(m))
		answer_well_known(c, s, m, len);
	else if (is_in_blocks(m))
		receive_body(c, s, m, len);
	else
		net_exchange_request(c, s, m, len);
}

/* One that belongs to something of ours is free. A RST is empty (RFC 7252 4.2). An ACK with an
 * unknown critical option is rejected, that is, ignored (5.4.1). */
static void receive_verdict(struct net_coap *c, struct net_coap_session *s,
			    const struct wire_coap *m)
{
	bool reset = m->type == WIRE_RST;

	if (!reset && m->code && net_ask_piggybacked(c, s, m))
		return;
	if (reset ? m->code != 0 : m->bad_option != 0) {
		(void)admit_message(c, s);
		return;
	}
	if (c->ops->pong && c->ops->pong(c->ctx, s, m->mid))
		return;
	if (net_out_acknowledged(c, s, m->mid, reset))
		return;
	if (reset)
		net_observe_rejected(c, s, m->mid);
	(void)admit_message(c, s);
}

/* One that nobody waits for. RST ends an observation of which we know nothing (RFC 7641 3.6). */
static void receive_stray(struct net_coap *c, struct net_coap_session *s, const struct wire_coap *m)
{
	bool con = m->type == WIRE_CON;

	if (!admit_message(c, s))
		return;
	if (con && m->code && net_past_answer_known(s, m->mid))
		net_coap_send_empty(c, s, WIRE_ACK, m->mid); /* that was lost */
	else if (con || (m->code >> 5 == 2 && m->observe >= 0 && !m->bad_option))
		net_coap_send_empty(c, s, WIRE_RST, m->mid);
}

void net_coap_receive(struct net_coap *c, struct net_coap_session *s, const uint8_t *data,
		      size_t len)
{
	struct wire_coap m;
	int err = wire_coap_decode(data, len, &m);

	if (err) {
		c->stats->dropped++;
		if (admit_message(c, s) && err == ERR_SYNTAX && m.type == WIRE_CON)
			net_coap_send_empty(c, s, WIRE_RST, m.mid);
		return;
	}
	if (m.code > 0 && m.code < 32) {
		receive_request(c, s, &m, len);
		return;
	}
	switch (m.type) {
	case WIRE_ACK: /* of a ping, too: some devices answer it so, and it proves as much */
	case WIRE_RST:
		receive_verdict(c, s, &m);
		break;
	case WIRE_CON: /* a ping, or a response */
	case WIRE_NON:
		if (!m.code || !net_ask_separate(c, s, &m))
			receive_stray(c, s, &m);
		break;
	}
}
