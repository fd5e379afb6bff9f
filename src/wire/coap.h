/* SPDX-License-Identifier: Apache-2.0
 *
 * CoAP messages (RFC 7252 section 3) between bytes and structs. Pure: no sockets, no clock, no
 * allocation. The four header bytes and the token are ours, options go through libcoap's public
 * functions. It knows which options exist and what a well-formed one looks like; it does not
 * know what a server answers to them (net/net_coap.c does).
 *
 * Reading: wire_coap_decode() once per datagram; everything in the result is borrowed from it.
 * Writing: wire_coap_begin(), options in rising order of their numbers, wire_coap_payload(),
 * then buf_ok(&w.buf) once.
 */
#ifndef WIRE_COAP_H
#define WIRE_COAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"

enum wire_coap_type { WIRE_CON = 0, WIRE_NON = 1, WIRE_ACK = 2, WIRE_RST = 3 };

enum {
	WIRE_TOKEN_MAX = 8,
	WIRE_ETAGS = 4,	   /* kept of one request; further ones are ignored */
	WIRE_QUERIES = 8,  /* kept of one request; one more makes it unacceptable */
	WIRE_IF_MATCH = 2, /* the same */
};

enum wire_coap_option {
	WIRE_OPT_IF_MATCH = 1,
	WIRE_OPT_URI_HOST = 3,
	WIRE_OPT_ETAG = 4,
	WIRE_OPT_IF_NONE_MATCH = 5,
	WIRE_OPT_OBSERVE = 6,
	WIRE_OPT_URI_PORT = 7,
	WIRE_OPT_LOCATION_PATH = 8,
	WIRE_OPT_URI_PATH = 11,
	WIRE_OPT_CONTENT_FORMAT = 12,
	WIRE_OPT_MAX_AGE = 14,
	WIRE_OPT_URI_QUERY = 15,
	WIRE_OPT_ACCEPT = 17,
	WIRE_OPT_BLOCK2 = 23,
	WIRE_OPT_BLOCK1 = 27,
	WIRE_OPT_SIZE2 = 28,
	WIRE_OPT_PROXY_URI = 35,
	WIRE_OPT_PROXY_SCHEME = 39,
	WIRE_OPT_SIZE1 = 60,
};

/* RFC 7959 2.2 */
struct wire_block {
	uint32_t num;
	bool more;
	unsigned szx; /* 7 is reserved */
};

struct wire_coap {
	enum wire_coap_type type;
	uint8_t code;
	uint16_t mid;
	struct bytes token;
	/* The first critical option that is unknown, of a bad length or repeated where it must
	 * not be (RFC 7252 5.4.1, 5.4.3, 5.4.5); 0: none. */
	uint16_t bad_option;
	bool has_if_none_match, has_block1, has_block2, has_size2, has_proxy;
	bool path_too_deep;   /* more than LIMIT_COAP_PATH segments; path_count stays at it */
	int content_format;   /* -1: none */
	int accept;	      /* -1: none */
	int64_t observe;      /* -1: none */
	int64_t size1, size2; /* -1: none */
	struct wire_block block1, block2;
	unsigned path_count, query_count, etag_count, if_match_count;
	struct bytes path[LIMIT_COAP_PATH];
	struct bytes query[WIRE_QUERIES];
	struct bytes etag[WIRE_ETAGS];
	struct bytes if_match[WIRE_IF_MATCH];
	struct bytes payload;
};

/* 0: the whole of *ret is set.
 * ERR_TRUNC, ERR_VERSION: no CoAP message of ours, *ret untouched (to be ignored silently).
 * ERR_SYNTAX: only type, code, mid are set (RFC 7252 4.2, 4.3: reject). */
int wire_coap_decode(const uint8_t *data, size_t len, struct wire_coap *ret) ERR_CHECK;

struct wire_coap_writer {
	struct buf buf;
	uint16_t last; /* number of the option before */
};

/* Header and token into `dst`. An empty message (ping, ACK, RST) is code 0, no token. */
struct wire_coap_writer wire_coap_begin(uint8_t *dst, size_t cap, enum wire_coap_type type,
					uint8_t code, uint16_t mid, struct bytes token);
void wire_coap_put_bytes(struct wire_coap_writer *w, enum wire_coap_option number,
			 struct bytes value);
void wire_coap_put_uint(struct wire_coap_writer *w, enum wire_coap_option number, uint32_t value);
void wire_coap_put_block(struct wire_coap_writer *w, enum wire_coap_option number,
			 struct wire_block block);
/* Marker and payload; nothing for an empty one. */
void wire_coap_payload(struct wire_coap_writer *w, struct bytes payload);

#endif
