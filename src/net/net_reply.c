/* SPDX-License-Identifier: Apache-2.0 */
#include "net/net_reply.h"

#include <string.h>

#include "net/net_hash.h"

/* Most bytes of a response besides token and payload: header 4, ETag 9, Observe 4,
 * Content-Format 3, Max-Age 5, Block2 5, Block1 2, Size2 6, marker 1. */
enum { RESPONSE_OVERHEAD = 39 };

static uint8_t keep_tags(const struct bytes *from, unsigned count, struct net_tag *to)
{
	for (unsigned i = 0; i < count; i++) {
		to[i].len = (uint8_t)from[i].len;
		if (from[i].len)
			memcpy(to[i].bytes, from[i].ptr, from[i].len);
	}
	return (uint8_t)count;
}

void net_question_of(const struct wire_coap *m, uint8_t max_szx, size_t cap,
		     struct net_question *ret)
{
	ret->type = m->type;
	ret->method = m->code;
	ret->mid = m->mid;
	ret->token_len = (uint8_t)m->token.len;
	if (m->token.len)
		memcpy(ret->token, m->token.ptr, m->token.len);
	ret->observe_register = m->observe == 0 && m->code == 1;
	ret->has_block2 = m->has_block2;
	ret->wants_size2 = m->has_size2;
	ret->max_szx = max_szx;
	ret->has_block1 = false; /* set by who takes the body */
	ret->block2 = m->has_block2 ? m->block2 : (struct wire_block){.szx = 6};
	ret->etag_count = keep_tags(m->etag, m->etag_count, ret->etag);
	ret->if_match_count = keep_tags(m->if_match, m->if_match_count, ret->if_match);
	ret->cap = cap;
}

struct bytes net_question_token(const struct net_question *q)
{
	return (struct bytes){q->token, q->token_len};
}

static bool tag_among(struct bytes tag, const struct net_tag *list, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (bytes_equal(tag, (struct bytes){list[i].bytes, list[i].len}))
			return true;
	return false;
}

/* RFC 7252 5.10.8.1: an empty If-Match asks only that the resource exists. */
static bool if_match_fails(const struct net_question *q, struct bytes etag)
{
	for (unsigned i = 0; i < q->if_match_count; i++)
		if (q->if_match[i].len == 0)
			return false;
	return q->if_match_count > 0 && !tag_among(etag, q->if_match, q->if_match_count);
}

static void refuse(struct net_response *r, uint8_t code, const char *why)
{
	r->code = code;
	r->has_block = false;
	r->content_format = -1;
	r->max_age_s = r->size2 = -1;
	r->etag = (struct bytes){NULL, 0};
	r->location = NULL;
	r->payload = (struct bytes){(const uint8_t *)why, strlen(why)};
}

static size_t response_max(const struct net_question *q, size_t payload)
{
	return RESPONSE_OVERHEAD + q->token_len + payload;
}

/* RFC 7959 2.4: one block of a whole representation. The position stays where the client asked
 * when the block has to be smaller. */
static void cut(struct net_response *r, const struct net_question *q)
{
	unsigned szx = q->block2.szx < q->max_szx ? q->block2.szx : q->max_szx;
	size_t whole = r->payload.len;
	uint64_t at = (uint64_t)q->block2.num << (q->block2.szx + 4);

	if (at && at >= whole) {
		refuse(r, NET_CODE(4, 0), "block beyond the end");
		return;
	}
	while (szx > 0 && response_max(q, (size_t)1 << (szx + 4)) > q->cap &&
	       response_max(q, whole) > q->cap)
		szx--;

	size_t size = (size_t)1 << (szx + 4);
	size_t left = whole - (size_t)at;

	if (!q->has_block2 && whole <= size)
		return;
	r->has_block = true;
	r->block.szx = szx;
	r->block.num = (uint32_t)(at >> (szx + 4));
	r->block.more = left > size;
	if (at > 0) /* an empty payload may be NULL */
		r->payload.ptr += at;
	r->payload.len = r->block.more ? size : left;
}

/* A representation in several blocks needs a tag that tells its versions apart. */
static void tag_if_cut(struct net_response *r, const struct net_question *q)
{
	/* Tags need no secret: they must be the same after a restart. */
	static const struct net_hash_key tag_key = {0x706f7374626f6f74, 0x65746167};
	unsigned szx = q->block2.szx < q->max_szx ? q->block2.szx : q->max_szx;

	if (r->etag.len ||
	    (r->payload.len <= (size_t)1 << (szx + 4) && response_max(q, r->payload.len) <= q->cap))
		return;
	uint64_t tag = net_hash(&tag_key, r->payload.ptr, r->payload.len);

	memcpy(r->own_etag, &tag, sizeof(tag));
	r->etag = (struct bytes){r->own_etag, sizeof(r->own_etag)};
}

void net_response_of(const struct net_question *q, const struct net_reply *reply,
		     struct net_response *ret)
{
	struct net_response *r = ret;
	bool content = reply->code == NET_CODE(2, 5);

	r->code = reply->code;
	r->has_block = reply->is_block;
	r->block = (struct wire_block){
		.num = reply->block2_num, .more = reply->block2_more, .szx = reply->block2_szx};
	r->content_format = reply->content_format;
	r->max_age_s = reply->max_age_s;
	r->has_block1 = q->has_block1; /* RFC 7959 2.3: the body has come */
	r->block1 = q->block1;
	r->size1 = reply->size1;
	r->size2 = reply->size2;
	r->etag = reply->etag;
	r->location = reply->location;
	r->payload = reply->payload;
	if (content && !reply->is_block)
		tag_if_cut(r, q);
	if (content && if_match_fails(q, r->etag)) {
		refuse(r, NET_CODE(4, 12), "");
		return;
	}
	if (reply->is_block || reply->code >> 5 != 2)
		return;
	if (q->wants_size2 && r->size2 < 0)
		r->size2 = (int64_t)r->payload.len;
	if (content && r->etag.len && tag_among(r->etag, q->etag, q->etag_count)) {
		r->code = NET_CODE(2, 3); /* RFC 7252 5.9.1.3: no payload */
		r->content_format = -1;
		r->payload.len = 0;
		r->size2 = -1;
		return;
	}
	cut(r, q);
}

bool net_response_observable(const struct net_response *r)
{
	return r->code >> 5 == 2 && (!r->has_block || r->block.num == 0);
}

static bool encode(const struct net_response *r, const struct net_question *q,
		   enum wire_coap_type type, uint16_t mid, int64_t observe, uint8_t *dst,
		   size_t cap, size_t *ret_len)
{
	struct wire_coap_writer w =
		wire_coap_begin(dst, cap, type, r->code, mid, net_question_token(q));

	if (r->etag.len)
		wire_coap_put_bytes(&w, WIRE_OPT_ETAG, r->etag);
	if (observe >= 0)
		wire_coap_put_uint(&w, WIRE_OPT_OBSERVE, (uint32_t)observe);
	for (unsigned i = 0; r->location && i < 2 && r->location[i]; i++)
		wire_coap_put_bytes(
			&w, WIRE_OPT_LOCATION_PATH,
			(struct bytes){(const uint8_t *)r->location[i], strlen(r->location[i])});
	if (r->content_format >= 0)
		wire_coap_put_uint(&w, WIRE_OPT_CONTENT_FORMAT, (uint32_t)r->content_format);
	if (r->max_age_s >= 0)
		wire_coap_put_uint(&w, WIRE_OPT_MAX_AGE,
				   r->max_age_s > UINT32_MAX ? UINT32_MAX : (uint32_t)r->max_age_s);
	if (r->has_block)
		wire_coap_put_block(&w, WIRE_OPT_BLOCK2, r->block);
	if (r->has_block1)
		wire_coap_put_block(&w, WIRE_OPT_BLOCK1, r->block1);
	if (r->size2 >= 0 && r->size2 <= UINT32_MAX)
		wire_coap_put_uint(&w, WIRE_OPT_SIZE2, (uint32_t)r->size2);
	if (r->size1 >= 0)
		wire_coap_put_uint(&w, WIRE_OPT_SIZE1, (uint32_t)r->size1);
	wire_coap_payload(&w, r->payload);
	*ret_len = w.buf.pos;
	return buf_ok(&w.buf);
}

size_t net_response_encode(const struct net_response *r, const struct net_question *q,
			   enum wire_coap_type type, uint16_t mid, int64_t observe,
			   uint8_t dst[LIMIT_COAP_MESSAGE])
{
	size_t len = 0;
	size_t cap = q->cap < LIMIT_COAP_MESSAGE ? q->cap : LIMIT_COAP_MESSAGE;
	struct net_response bare = {
		.code = r->code, .content_format = -1, .max_age_s = -1, .size2 = -1, .size1 = -1};

	if (encode(r, q, type, mid, observe, dst, cap, &len))
		return len;
	if (r->code >> 5 == 2) /* a handler's mistake, not the peer's */
		bare.code = NET_CODE(5, 0);
	(void)encode(&bare, q, type, mid, -1, dst, LIMIT_COAP_MESSAGE, &len);
	return len;
}
