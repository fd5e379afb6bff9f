/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/coap.h"

#include <assert.h>
#include <coap3/coap.h>

enum { HEADER_BYTES = 4, PAYLOAD_MARKER = 0xff, DELTA_14_BASE = 269 /* RFC 7252 3.1 */ };

/* Legal lengths of RFC 7252 table 4, RFC 7641, RFC 7959; what is not here is unknown. */
struct option_rule {
	uint16_t number;
	bool repeatable;
	uint16_t min, max;
};

static const struct option_rule *option_rule(uint32_t number)
{
	static const struct option_rule rules[] = {
		{WIRE_OPT_IF_MATCH, true, 0, 8},
		{WIRE_OPT_URI_HOST, false, 1, 255},
		{WIRE_OPT_ETAG, true, 1, 8},
		{WIRE_OPT_IF_NONE_MATCH, false, 0, 0},
		{WIRE_OPT_OBSERVE, false, 0, 3},
		{WIRE_OPT_URI_PORT, false, 0, 2},
		{WIRE_OPT_LOCATION_PATH, true, 0, 255},
		{WIRE_OPT_URI_PATH, true, 0, 255},
		{WIRE_OPT_CONTENT_FORMAT, false, 0, 2},
		{WIRE_OPT_MAX_AGE, false, 0, 4},
		{WIRE_OPT_URI_QUERY, true, 0, 255},
		{WIRE_OPT_ACCEPT, false, 0, 2},
		{WIRE_OPT_BLOCK2, false, 0, 3},
		{WIRE_OPT_BLOCK1, false, 0, 3},
		{WIRE_OPT_SIZE2, false, 0, 4},
		{WIRE_OPT_PROXY_URI, false, 1, 1034},
		{WIRE_OPT_PROXY_SCHEME, false, 1, 255},
		{WIRE_OPT_SIZE1, false, 0, 4},
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].number == number)
			return &rules[i];
	return NULL;
}

static void keep(struct bytes *list, unsigned cap, unsigned *count, struct bytes value)
{
	if (*count < cap)
		list[(*count)++] = value;
}

static struct wire_block block_of(struct bytes value)
{
	unsigned raw = coap_decode_var_bytes(value.ptr, value.len);

	return (struct wire_block){.num = raw >> 4, .more = (raw & 8) != 0, .szx = raw & 7};
}

/* One known, well-formed option. */
static void take_option(struct wire_coap *m, enum wire_coap_option number, struct bytes value)
{
	switch (number) {
	case WIRE_OPT_IF_MATCH:
		if (m->if_match_count == WIRE_IF_MATCH)
			m->bad_option = WIRE_OPT_IF_MATCH;
		keep(m->if_match, WIRE_IF_MATCH, &m->if_match_count, value);
		break;
	case WIRE_OPT_ETAG:
		keep(m->etag, WIRE_ETAGS, &m->etag_count, value);
		break;
	case WIRE_OPT_IF_NONE_MATCH:
		m->has_if_none_match = true;
		break;
	case WIRE_OPT_OBSERVE:
		m->observe = coap_decode_var_bytes(value.ptr, value.len);
		break;
	case WIRE_OPT_URI_PATH:
		m->path_too_deep = m->path_count == LIMIT_COAP_PATH;
		keep(m->path, LIMIT_COAP_PATH, &m->path_count, value);
		break;
	case WIRE_OPT_CONTENT_FORMAT:
		m->content_format = (int)coap_decode_var_bytes(value.ptr, value.len);
		break;
	case WIRE_OPT_URI_QUERY:
		if (m->query_count == WIRE_QUERIES)
			m->bad_option = WIRE_OPT_URI_QUERY;
		keep(m->query, WIRE_QUERIES, &m->query_count, value);
		break;
	case WIRE_OPT_ACCEPT:
		m->accept = (int)coap_decode_var_bytes(value.ptr, value.len);
		break;
	case WIRE_OPT_BLOCK2:
		m->has_block2 = true;
		m->block2 = block_of(value);
		break;
	case WIRE_OPT_BLOCK1:
		m->has_block1 = true;
		m->block1 = block_of(value);
		break;
	case WIRE_OPT_SIZE2:
		m->has_size2 = true;
		m->size2 = coap_decode_var_bytes(value.ptr, value.len);
		break;
	case WIRE_OPT_PROXY_URI:
	case WIRE_OPT_PROXY_SCHEME:
		m->has_proxy = true;
		break;
	case WIRE_OPT_SIZE1:
		m->size1 = coap_decode_var_bytes(value.ptr, value.len);
		break;
	case WIRE_OPT_URI_HOST: /* one server behind every name and port */
	case WIRE_OPT_URI_PORT:
	case WIRE_OPT_MAX_AGE: /* nobody here caches */
	case WIRE_OPT_LOCATION_PATH:
		break;
	}
}

static void judge_option(struct wire_coap *m, uint32_t number, bool repeated, struct bytes value)
{
	const struct option_rule *rule = option_rule(number);

	if (rule && value.len >= rule->min && value.len <= rule->max &&
	    (rule->repeatable || !repeated))
		take_option(m, (enum wire_coap_option)number, value);
	else if (number & 1 && !m->bad_option) /* RFC 7252 5.4.6: odd is critical */
		m->bad_option = (uint16_t)number;
}

/* libcoap adds up a delta in 16 bits, so that one beyond 65535 would become a small number. */
static bool delta_wraps(const uint8_t *option, size_t used)
{
	return option[0] >> 4 == 14 && used >= 3 &&
	       (option[1] << 8 | option[2]) > UINT16_MAX - DELTA_14_BASE;
}

/* Options and payload of data[pos..len). */
static int decode_body(struct wire_coap *m, const uint8_t *data, size_t len, size_t pos)
{
	uint32_t number = 0;

	for (unsigned count = 0; pos < len && data[pos] != PAYLOAD_MARKER; count++) {
		coap_option_t option;
		size_t used = coap_opt_parse(data + pos, len - pos, &option);

		if (used == 0 || count == LIMIT_COAP_OPTIONS || delta_wraps(data + pos, used))
			return ERR_SYNTAX;
		number += option.delta;
		if (number > UINT16_MAX)
			return ERR_SYNTAX;
		judge_option(m, number, count && option.delta == 0,
			     (struct bytes){option.value, option.length});
		pos += used;
	}
	if (pos < len && pos + 1 == len) /* RFC 7252 3: a marker needs a payload */
		return ERR_SYNTAX;
	m->payload =
		pos < len ? (struct bytes){data + pos + 1, len - pos - 1} : (struct bytes){NULL, 0};
	return 0;
}

int wire_coap_decode(const uint8_t *data, size_t len, struct wire_coap *ret)
{
	if (len < HEADER_BYTES)
		return ERR_TRUNC;
	if (data[0] >> 6 != 1)
		return ERR_VERSION;
	ret->type = (enum wire_coap_type)(data[0] >> 4 & 3);
	ret->code = data[1];
	ret->mid = (uint16_t)(data[2] << 8 | data[3]);

	size_t token_len = data[0] & 15;
	unsigned class = ret->code >> 5;

	if (token_len > WIRE_TOKEN_MAX || HEADER_BYTES + token_len > len)
		return ERR_SYNTAX;
	if (ret->code == 0 && len != HEADER_BYTES) /* RFC 7252 4.1 */
		return ERR_SYNTAX;
	if (class == 1 || class > 5) /* reserved, RFC 7252 3 */
		return ERR_SYNTAX;
	ret->token = (struct bytes){data + HEADER_BYTES, token_len};
	ret->bad_option = 0;
	ret->has_if_none_match = ret->has_block1 = ret->has_block2 = false;
	ret->has_size2 = ret->has_proxy = ret->path_too_deep = false;
	ret->content_format = ret->accept = -1;
	ret->observe = ret->size1 = ret->size2 = -1;
	ret->block1 = ret->block2 = (struct wire_block){0};
	ret->path_count = ret->query_count = ret->etag_count = ret->if_match_count = 0;
	return decode_body(ret, data, len, HEADER_BYTES + token_len);
}

struct wire_coap_writer wire_coap_begin(uint8_t *dst, size_t cap, enum wire_coap_type type,
					uint8_t code, uint16_t mid, struct bytes token)
{
	struct wire_coap_writer w = {.buf = buf_writer(dst, cap)};

	assert(token.len <= WIRE_TOKEN_MAX);
	buf_put_u8(&w.buf, (uint8_t)(1 << 6 | (unsigned)type << 4 | token.len));
	buf_put_u8(&w.buf, code);
	buf_put_u16(&w.buf, mid);
	buf_put_bytes(&w.buf, token.ptr, token.len);
	return w;
}

void wire_coap_put_bytes(struct wire_coap_writer *w, enum wire_coap_option number,
			 struct bytes value)
{
	static const uint8_t none;

	assert(number >= w->last);
	if (!buf_ok(&w->buf))
		return;
	size_t used = coap_opt_encode(w->buf.ptr + w->buf.pos, buf_left(&w->buf),
				      (uint16_t)(number - w->last), value.len ? value.ptr : &none,
				      value.len);
	if (used == 0) {
		w->buf.err = ERR_LIMIT;
		return;
	}
	w->buf.pos += used;
	w->last = (uint16_t)number;
}

void wire_coap_put_uint(struct wire_coap_writer *w, enum wire_coap_option number, uint32_t value)
{
	uint8_t raw[4];
	unsigned len = coap_encode_var_safe(raw, sizeof(raw), value);

	wire_coap_put_bytes(w, number, (struct bytes){raw, len});
}

void wire_coap_put_block(struct wire_coap_writer *w, enum wire_coap_option number,
			 struct wire_block block)
{
	wire_coap_put_uint(w, number, block.num << 4 | (block.more ? 8u : 0u) | block.szx);
}

void wire_coap_payload(struct wire_coap_writer *w, struct bytes payload)
{
	if (payload.len == 0)
		return;
	buf_put_u8(&w->buf, PAYLOAD_MARKER);
	buf_put_bytes(&w->buf, payload.ptr, payload.len);
}
