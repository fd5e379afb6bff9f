/* SPDX-License-Identifier: Apache-2.0
 *
 * The bench of net_rig.h, for requests of ours: what the other side answers.
 */
#ifndef TESTS_UNIT_NET_ASK_RIG_H
#define TESTS_UNIT_NET_ASK_RIG_H

#include "net_rig.h"

/* Zero means absent. An ACK takes message id and token of the newest request that went out, unless
 * it says otherwise; other messages its token. */
struct answer {
	enum wire_coap_type type;
	uint8_t code;
	uint16_t mid;
	struct bytes token;
	const char *payload, *etag;
	struct bytes body;	    /* in place of payload */
	unsigned observe;	    /* one more than meant */
	unsigned size2, raw_option; /* raw_option: 7..10 */
	int format;		    /* one more than meant */
	bool has_block1, has_block2;
	struct wire_block block1, block2;
};

/* The newest request; NULL: none. */
static inline const struct wire_coap *rig_asked(const struct rig *r)
{
	for (unsigned i = r->sent_count; i > 0 && r->sent_count - i < RIG_SENT; i--) {
		const struct wire_coap *m = &r->sent[(i - 1) % RIG_SENT].m;

		if (m->code > 0 && m->code < 32)
			return m;
	}
	return NULL;
}

static inline void rig_answer(struct rig *r, struct answer a)
{
	const struct wire_coap *q = rig_asked(r);
	struct bytes token = a.token.len || !q ? a.token : q->token;
	uint16_t mid = a.type == WIRE_ACK && !a.mid && q ? q->mid : a.mid;
	uint8_t raw[LIMIT_COAP_MESSAGE];
	struct wire_coap_writer w = wire_coap_begin(raw, sizeof(raw), a.type, a.code, mid, token);

	if (a.etag)
		wire_coap_put_bytes(&w, WIRE_OPT_ETAG, text(a.etag));
	if (a.observe)
		wire_coap_put_uint(&w, WIRE_OPT_OBSERVE, a.observe - 1);
	if (a.raw_option)
		wire_coap_put_uint(&w, (enum wire_coap_option)a.raw_option, 1);
	if (a.format)
		wire_coap_put_uint(&w, WIRE_OPT_CONTENT_FORMAT, (uint32_t)a.format - 1);
	if (a.has_block2)
		wire_coap_put_block(&w, WIRE_OPT_BLOCK2, a.block2);
	if (a.has_block1)
		wire_coap_put_block(&w, WIRE_OPT_BLOCK1, a.block1);
	if (a.size2)
		wire_coap_put_uint(&w, WIRE_OPT_SIZE2, a.size2);
	wire_coap_payload(&w, a.payload ? text(a.payload) : a.body);
	assert_true(buf_ok(&w.buf));
	net_coap_receive(&r->coap, &r->session, raw, w.buf.pos);
}

static inline void rig_get(struct rig *r, const char *path, uint32_t tag)
{
	struct net_ask ask = NET_ASK(GET, path);

	ask.tag = tag;
	assert_int_equal(net_coap_ask(&r->coap, &r->session, &ask), 0);
}

/* The newest answer, the `count`th of all. */
static inline void assert_answer(const struct rig *r, unsigned count, int err, uint32_t tag,
				 uint8_t code, const char *payload)
{
	assert_int_equal(r->answers, count);
	assert_int_equal(r->answer.err, err);
	assert_int_equal(r->answer.tag, tag);
	assert_int_equal(r->answer.code, code);
	assert_true(bytes_equal(r->answer.payload, text(payload)));
}

#endif
