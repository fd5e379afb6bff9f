/* SPDX-License-Identifier: Apache-2.0
 *
 * The exchange layer on a bench: datagrams in by hand, datagrams out into an array, the clock a
 * number. For the tests of net_coap.c, net_exchange.c, net_out.c and net_observe.c.
 */
#ifndef TESTS_UNIT_NET_RIG_H
#define TESTS_UNIT_NET_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/net_coap.h"

enum { RIG_SENT = 64, RIG_PAYLOAD = 16384, GET = 1, POST = 2, PUT = 3, FETCH = 5 };

struct rig_sent {
	size_t len;
	uint8_t raw[LIMIT_COAP_MESSAGE];
	struct wire_coap m;
};

struct rig {
	struct net_timers timers;
	struct net_stats stats;
	struct net_coap coap;
	struct net_coap_session session;
	struct rig_sent sent[RIG_SENT];
	unsigned sent_count;
	/* what the handler saw and does */
	unsigned requests, ends;
	uint32_t last_end;
	bool last_duplicate, defer, long_bodies, any_session;
	size_t last_body;
	uint8_t body[RIG_PAYLOAD]; /* of the last request */
	int last_observe;
	struct net_exchange last;
	struct net_exchange deferred[RIG_SENT];
	struct net_reply reply;
	/* what came of requests of ours */
	unsigned answers;
	struct net_answer answer;
	uint8_t answer_payload[RIG_PAYLOAD]; /* where the payload of the last answer is */
	const struct net_ask *next;	     /* is asked in the callback */
	unsigned body_calls, sent_calls;
	int64_t sent_to; /* so far the body has arrived */
	int body_err;
};

static inline void rig_send(void *ctx, struct net_coap_session *s, struct bytes datagram)
{
	struct rig *r = ctx;
	struct rig_sent *out = &r->sent[r->sent_count++ % RIG_SENT];

	assert_true(r->any_session || s == &r->session);
	assert_true(datagram.len <= sizeof(out->raw));
	memcpy(out->raw, datagram.ptr, datagram.len);
	out->len = datagram.len;
	assert_int_equal(wire_coap_decode(out->raw, out->len, &out->m), 0);
}

static inline void rig_request(void *ctx, struct net_coap_session *s,
			       const struct net_request *request, struct net_exchange exchange)
{
	struct rig *r = ctx;

	(void)s;
	r->last = exchange;
	r->deferred[r->requests++ % RIG_SENT] = exchange;
	r->last_duplicate = request->duplicate;
	r->last_observe = request->observe;
	r->last_body = request->payload.len;
	assert_true(r->last_body <= sizeof(r->body));
	if (r->last_body)
		memcpy(r->body, request->payload.ptr, r->last_body);
	if (!r->defer)
		net_coap_reply(&r->coap, exchange, &r->reply);
}

static inline void rig_observe_end(void *ctx, struct net_coap_session *s, uint32_t tag)
{
	struct rig *r = ctx;

	(void)s;
	r->ends++;
	r->last_end = tag;
}

static inline void rig_answered(void *ctx, struct net_coap_session *s,
				const struct net_answer *answer)
{
	struct rig *r = ctx;
	const struct net_ask *next = r->next;

	r->answers++;
	r->answer = *answer;
	assert_true(answer->payload.len <= sizeof(r->answer_payload));
	if (answer->payload.len)
		memcpy(r->answer_payload, answer->payload.ptr, answer->payload.len);
	r->answer.payload.ptr = r->answer_payload;
	r->next = NULL;
	if (next)
		assert_int_equal(net_coap_ask(&r->coap, s, next), 0);
}

/* Byte n of a body. */
static inline uint8_t rig_byte(size_t n)
{
	return (uint8_t)(n * 13 + n / 251);
}

static inline int rig_ask_body(void *ctx, struct net_coap_session *s, uint32_t tag, int64_t offset,
			       uint8_t *dst, size_t len)
{
	struct rig *r = ctx;

	(void)s;
	(void)tag;
	r->body_calls++;
	for (size_t i = 0; i < len; i++)
		dst[i] = rig_byte((size_t)offset + i);
	return r->body_err;
}

static inline void rig_ask_sent(void *ctx, struct net_coap_session *s, uint32_t tag, int64_t offset,
				size_t len)
{
	struct rig *r = ctx;

	(void)s;
	(void)tag;
	r->sent_calls++;
	r->sent_to = offset + (int64_t)len;
}

static inline bool rig_long_body(void *ctx, struct net_coap_session *s, uint8_t method,
				 const struct bytes *path, unsigned path_count)
{
	const struct rig *r = ctx;

	(void)s;
	(void)method;
	return r->long_bodies && path_count > 0 && path[0].len == 2;
}

static inline struct rig *rig_new(bool plain)
{
	static const struct net_coap_ops ops = {.send = rig_send,
						.request = rig_request,
						.observe_end = rig_observe_end,
						.long_body = rig_long_body,
						.answered = rig_answered,
						.ask_body = rig_ask_body,
						.ask_sent = rig_ask_sent};
	struct rig *r = test_calloc(1, sizeof(*r));

	assert_non_null(r);
	r->timers.now_ms = 1000000;
	net_coap_init(&r->coap, &ops, r, &r->timers, &r->stats, (struct net_hash_key){1, 2});
	r->coap.well_known = "</report>;ct=60,</desired>;obs,</fw>,</status>;ct=60";
	net_coap_session_init(&r->coap, &r->session, plain, 6);
	r->reply = NET_REPLY(NET_CODE(2, 5));
	return r;
}

static inline void rig_free(struct rig *r)
{
	net_coap_session_done(&r->coap, &r->session);
	net_coap_done(&r->coap);
	assert_int_equal(net_timers_next_ms(&r->timers), -1);
	test_free(r);
}

static inline struct bytes text(const char *s)
{
	return (struct bytes){(const uint8_t *)s, strlen(s)};
}

/* What a request is made of; zero means absent (observe and block are one more than meant). */
struct ask {
	enum wire_coap_type type;
	uint8_t method;
	uint16_t mid;
	const char *token, *path, *path2, *query, *if_match, *etag, *payload;
	unsigned observe, accept, raw_option; /* raw_option: 7..10 */
	unsigned late_option;		      /* 252 and up: as raw_option, behind the others */
	bool has_block2, has_block1, size2, proxy, none_match;
	struct wire_block block;
};

static inline struct bytes ask_encode(const struct ask *a, uint8_t dst[LIMIT_COAP_MESSAGE])
{
	struct wire_coap_writer w = wire_coap_begin(dst, LIMIT_COAP_MESSAGE, a->type, a->method,
						    a->mid, text(a->token ? a->token : ""));

	if (a->if_match)
		wire_coap_put_bytes(&w, WIRE_OPT_IF_MATCH, text(a->if_match));
	if (a->etag)
		wire_coap_put_bytes(&w, WIRE_OPT_ETAG, text(a->etag));
	if (a->none_match)
		wire_coap_put_uint(&w, WIRE_OPT_IF_NONE_MATCH, 0);
	if (a->observe)
		wire_coap_put_uint(&w, WIRE_OPT_OBSERVE, a->observe - 1);
	if (a->raw_option)
		wire_coap_put_uint(&w, (enum wire_coap_option)a->raw_option, 1);
	if (a->path)
		wire_coap_put_bytes(&w, WIRE_OPT_URI_PATH, text(a->path));
	if (a->path2)
		wire_coap_put_bytes(&w, WIRE_OPT_URI_PATH, text(a->path2));
	if (a->query)
		wire_coap_put_bytes(&w, WIRE_OPT_URI_QUERY, text(a->query));
	if (a->accept)
		wire_coap_put_uint(&w, WIRE_OPT_ACCEPT, a->accept);
	if (a->has_block2)
		wire_coap_put_block(&w, WIRE_OPT_BLOCK2, a->block);
	if (a->has_block1)
		wire_coap_put_block(&w, WIRE_OPT_BLOCK1, a->block);
	if (a->size2)
		wire_coap_put_uint(&w, WIRE_OPT_SIZE2, 0);
	if (a->proxy)
		wire_coap_put_bytes(&w, WIRE_OPT_PROXY_URI, text("coap://elsewhere/"));
	if (a->late_option)
		wire_coap_put_uint(&w, (enum wire_coap_option)a->late_option, 1);
	if (a->payload)
		wire_coap_payload(&w, text(a->payload));
	assert_true(buf_ok(&w.buf));
	return buf_bytes(&w.buf);
}

static inline size_t rig_ask(struct rig *r, struct ask a)
{
	uint8_t raw[LIMIT_COAP_MESSAGE];
	struct bytes datagram = ask_encode(&a, raw);

	net_coap_receive(&r->coap, &r->session, datagram.ptr, datagram.len);
	return datagram.len;
}

static inline void rig_empty(struct rig *r, enum wire_coap_type type, uint16_t mid)
{
	const uint8_t raw[4] = {(uint8_t)(0x40 | type << 4), 0, (uint8_t)(mid >> 8), (uint8_t)mid};

	net_coap_receive(&r->coap, &r->session, raw, sizeof(raw));
}

/* The newest datagram that went out. */
static inline const struct rig_sent *rig_last(const struct rig *r)
{
	assert_true(r->sent_count > 0);
	return &r->sent[(r->sent_count - 1) % RIG_SENT];
}

static inline void rig_elapse(struct rig *r, int64_t ms)
{
	int64_t end = r->timers.now_ms + ms;

	for (;;) {
		int64_t next = net_timers_next_ms(&r->timers);

		if (next < 0 || next > end)
			break;
		r->timers.now_ms = next > r->timers.now_ms ? next : r->timers.now_ms;
		net_timers_run(&r->timers);
	}
	r->timers.now_ms = end;
}

/* A test by the rule it is about: "RFC 7252 4.2: test_what". */
#define rfc_test(section_, test_)                                                                  \
	{                                                                                          \
		.name = "RFC " section_ ": " #test_, .test_func = (test_)                          \
	}

#define assert_code(m_, class_, detail_) assert_int_equal((m_)->code, NET_CODE(class_, detail_))

#endif
