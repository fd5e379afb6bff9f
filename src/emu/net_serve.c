/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/net_coap.h"

#include <string.h>

uint32_t emu_opt_uint(const coap_opt_t *opt)
{
	return coap_decode_var_bytes(coap_opt_value(opt), coap_opt_length(opt));
}

void emu_pdu_segments(const coap_pdu_t *pdu, coap_option_num_t number, struct buf *out)
{
	coap_opt_filter_t filter;
	coap_opt_iterator_t it;
	const coap_opt_t *opt;

	coap_option_filter_clear(&filter);
	coap_option_filter_set(&filter, number);
	if (!coap_option_iterator_init(pdu, &it, &filter))
		return;
	while ((opt = coap_option_next(&it)) != NULL) {
		struct bytes segment = {coap_opt_value(opt), coap_opt_length(opt)};

		if (buf_left(out) < segment.len + 1)
			return;
		buf_put_u8(out, number == COAP_OPTION_URI_QUERY ? '&' : '/');
		buf_put_bytes(out, segment.ptr, segment.len);
	}
}

bool emu_pdu_path(coap_pdu_t *pdu, const char *path)
{
	while (*path != '\0') {
		size_t len = strcspn(path += *path == '/', "/");

		if (!coap_add_option(pdu, COAP_OPTION_URI_PATH, len, (const uint8_t *)path))
			return false;
		path += len;
	}
	return true;
}

bool emu_pdu_uint(coap_pdu_t *pdu, uint16_t option, unsigned value)
{
	uint8_t buf[4];

	return coap_add_option(pdu, option, coap_encode_var_safe(buf, sizeof(buf), value), buf) > 0;
}

coap_pdu_t *emu_pdu_new(struct emu_session *session, coap_pdu_code_t code, uint32_t token)
{
	uint8_t bytes[4];
	struct buf out = buf_writer(bytes, sizeof(bytes));
	coap_pdu_t *pdu;

	if (!session->up || !session->coap)
		return NULL;
	pdu = coap_new_pdu(COAP_MESSAGE_CON, code, session->coap);
	buf_put_u32(&out, token);
	if (pdu && !coap_add_token(pdu, sizeof(bytes), bytes)) {
		coap_delete_pdu(pdu);
		return NULL;
	}
	return pdu;
}

static int net_option_int(const coap_pdu_t *pdu, coap_option_num_t number)
{
	coap_opt_iterator_t it;
	const coap_opt_t *opt = coap_check_option(pdu, number, &it);

	return opt ? (int)(emu_opt_uint(opt) & 0xffffffU) : -1;
}

static struct emu_block net_block(const coap_pdu_t *pdu, coap_option_num_t number)
{
	coap_block_t block;

	if (!coap_get_block(pdu, number, &block))
		return (struct emu_block){0};
	return (struct emu_block){
		.have = true, .num = block.num, .more = block.m, .szx = block.szx};
}

static void net_request(const coap_pdu_t *pdu, struct emu_request *request)
{
	struct buf path = buf_writer(request->path, sizeof(request->path) - 1);
	struct buf query = buf_writer(request->query, sizeof(request->query) - 1);
	coap_bin_const_t token = coap_pdu_get_token(pdu);
	const uint8_t *data;
	size_t len;

	request->method = coap_pdu_get_code(pdu);
	request->mid = (uint16_t)coap_pdu_get_mid(pdu);
	request->token_len =
		token.length < sizeof(request->token) ? token.length : sizeof(request->token);
	memcpy(request->token, token.s, request->token_len);
	emu_pdu_segments(pdu, COAP_OPTION_URI_PATH, &path);
	emu_pdu_segments(pdu, COAP_OPTION_URI_QUERY, &query);
	if (request->query[0] == '&')
		memmove(request->query, request->query + 1, sizeof(request->query) - 1);
	request->content_format = net_option_int(pdu, COAP_OPTION_CONTENT_FORMAT);
	request->accept = net_option_int(pdu, COAP_OPTION_ACCEPT);
	request->observe = net_option_int(pdu, COAP_OPTION_OBSERVE);
	request->block1 = net_block(pdu, COAP_OPTION_BLOCK1);
	request->block2 = net_block(pdu, COAP_OPTION_BLOCK2);
	len = (size_t)net_option_int(pdu, COAP_OPTION_SIZE1);
	request->size1 = len == (size_t)-1 ? 0 : (uint32_t)len;
	if (coap_get_data(pdu, &len, &data))
		request->payload = (struct bytes){data, len};
}

static uint32_t net_block_value(const struct emu_block *block)
{
	return block->num << 4 | (block->more ? 8U : 0U) | block->szx;
}

/* libcoap sends what it has become: piggy-backed, or NON to a NON. */
static void net_on_request(coap_resource_t *resource, coap_session_t *coap, const coap_pdu_t *pdu,
			   const coap_string_t *query, coap_pdu_t *response)
{
	struct emu_session *session = emu_net_session(coap);
	struct emu_request request = {0};
	struct emu_reply reply = {.code = 404, .content_format = -1, .observe = -1};
	bool ok = true;

	(void)resource;
	(void)query;
	if (session && session->ops->request) {
		net_request(pdu, &request);
		session->ops->request(session->arg, &request, &reply);
	}
	if (reply.code == 0)
		return;
	coap_pdu_set_code(response, (coap_pdu_code_t)(reply.code / 100 << 5 | reply.code % 100));
	if (reply.observe >= 0)
		ok = emu_pdu_uint(response, COAP_OPTION_OBSERVE, (unsigned)reply.observe);
	if (ok && reply.content_format >= 0)
		ok = emu_pdu_uint(response, COAP_OPTION_CONTENT_FORMAT,
				  (unsigned)reply.content_format);
	if (ok && reply.block2.have)
		ok = emu_pdu_uint(response, COAP_OPTION_BLOCK2, net_block_value(&reply.block2));
	if (ok && reply.block1.have)
		ok = emu_pdu_uint(response, COAP_OPTION_BLOCK1, net_block_value(&reply.block1));
	if (ok && reply.len > 0)
		ok = coap_add_data(response, reply.len, reply.payload);
	if (!ok)
		coap_pdu_set_code(response, COAP_RESPONSE_CODE(500));
}

/* Every path is the owner's: libcoap's own resources would answer blocks and observations. */
bool emu_net_serve(coap_context_t *coap)
{
	static const coap_request_t methods[] = {COAP_REQUEST_GET, COAP_REQUEST_POST,
						 COAP_REQUEST_PUT, COAP_REQUEST_DELETE};
	coap_resource_t *all = coap_resource_unknown_init(net_on_request);

	if (!all)
		return false;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		coap_register_request_handler(all, methods[i], net_on_request);
	coap_add_resource(coap, all);
	return true;
}

static bool pdu_queries(coap_pdu_t *pdu, const char *query)
{
	while (query && *query != '\0') {
		size_t len = strcspn(query, "&");

		if (!coap_add_option(pdu, COAP_OPTION_URI_QUERY, len, (const uint8_t *)query))
			return false;
		query += len + (query[len] == '&');
	}
	return true;
}

int emu_session_send(struct emu_session *session, const struct emu_send *send)
{
	coap_pdu_t *pdu = emu_pdu_new(session, (coap_pdu_code_t)send->method, send->token);
	bool ok = pdu && emu_pdu_path(pdu, send->path);

	if (ok && send->content_format >= 0)
		ok = emu_pdu_uint(pdu, COAP_OPTION_CONTENT_FORMAT, (unsigned)send->content_format);
	ok = ok && pdu_queries(pdu, send->query);
	if (ok && send->accept >= 0)
		ok = emu_pdu_uint(pdu, COAP_OPTION_ACCEPT, (unsigned)send->accept);
	if (ok && send->block_szx >= 0)
		ok = emu_pdu_uint(pdu, COAP_OPTION_BLOCK2,
				  send->block_num << 4 | (unsigned)send->block_szx);
	if (ok && send->size2)
		ok = coap_add_option(pdu, COAP_OPTION_SIZE2, 0, NULL) > 0;
	if (ok && send->payload.len > 0)
		ok = coap_add_data(pdu, send->payload.len, send->payload.ptr);
	if (!ok) {
		if (pdu)
			coap_delete_pdu(pdu);
		return ERR_CLOSED;
	}
	return coap_send(session->coap, pdu) == COAP_INVALID_MID ? ERR_IO : 0;
}

int emu_session_notify(struct emu_session *session, const struct emu_notice *notice,
		       uint16_t *ret_mid)
{
	coap_pdu_t *pdu;
	coap_mid_t mid;
	bool ok;

	if (!session->up || !session->coap)
		return ERR_CLOSED;
	pdu = coap_new_pdu(notice->confirmable ? COAP_MESSAGE_CON : COAP_MESSAGE_NON,
			   COAP_RESPONSE_CODE_CONTENT, session->coap);
	ok = pdu && coap_add_token(pdu, notice->token_len, notice->token) &&
	     emu_pdu_uint(pdu, COAP_OPTION_OBSERVE, notice->observe & 0xffffffU) &&
	     emu_pdu_uint(pdu, COAP_OPTION_CONTENT_FORMAT, (unsigned)notice->content_format) &&
	     coap_add_data(pdu, notice->payload.len, notice->payload.ptr);
	if (!ok) {
		if (pdu)
			coap_delete_pdu(pdu);
		return ERR_NOMEM;
	}
	mid = coap_send(session->coap, pdu);
	if (mid == COAP_INVALID_MID)
		return ERR_IO;
	*ret_mid = (uint16_t)mid;
	return 0;
}
