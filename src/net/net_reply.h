/* SPDX-License-Identifier: Apache-2.0
 *
 * From a handler's answer to the response on the wire: conditions (ETag, If-Match), cutting
 * into blocks (RFC 7959 2), Size2, and the bytes. Pure.
 */
#ifndef NET_NET_REPLY_H
#define NET_NET_REPLY_H

#include "net/net.h"
#include "wire/coap.h"

struct net_tag { /* an ETag, kept */
	uint8_t len;
	uint8_t bytes[8];
};

/* What must be remembered of a request until it is answered. */
struct net_question {
	enum wire_coap_type type; /* CON or NON */
	uint8_t method;
	uint16_t mid;
	uint8_t token_len;
	uint8_t token[WIRE_TOKEN_MAX];
	bool observe_register;
	bool has_block2;
	bool has_block1; /* a body in its only block */
	bool wants_size2;
	uint8_t max_szx; /* what the record limit of the peer leaves */
	struct wire_block block1, block2;
	uint8_t etag_count, if_match_count;
	struct net_tag etag[WIRE_ETAGS], if_match[WIRE_IF_MATCH];
	size_t cap; /* largest response in bytes: LIMIT_COAP_MESSAGE, less for strangers */
};

void net_question_of(const struct wire_coap *m, uint8_t max_szx, size_t cap,
		     struct net_question *ret);
struct bytes net_question_token(const struct net_question *q);

/* The response as it will be sent. Payload and ETag are borrowed from the reply, but for an
 * ETag made here. */
struct net_response {
	uint8_t code;
	bool has_block, has_block1;
	struct wire_block block, block1;
	int content_format;
	int64_t max_age_s, size2, size1;
	struct bytes etag, payload;
	const char *const *location; /* two */
	uint8_t own_etag[8];
};

void net_response_of(const struct net_question *q, const struct net_reply *reply,
		     struct net_response *ret);

/* Whether the answer carries the beginning of a representation: only then can it register. */
bool net_response_observable(const struct net_response *r);

/* observe: -1, or the number of the Observe option. The length; it always fits LIMIT_COAP_MESSAGE
 * (what a handler made too long becomes 5.00). */
size_t net_response_encode(const struct net_response *r, const struct net_question *q,
			   enum wire_coap_type type, uint16_t mid, int64_t observe,
			   uint8_t dst[LIMIT_COAP_MESSAGE]);

#endif
