/* SPDX-License-Identifier: Apache-2.0
 *
 * One head of CBOR (RFC 8949) at a time, by libcbor's streaming decoder: what the readers of
 * messages (wire/cbor.c) and of SenML (wire/lwm2m_senml_cbor.c) are made of. Nothing here
 * allocates, recurses or remembers.
 */
#ifndef WIRE_ITEM_H
#define WIRE_ITEM_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

enum item_kind {
	ITEM_UINT,
	ITEM_NINT,
	ITEM_BYTES,
	ITEM_TEXT,
	ITEM_BYTES_OPEN, /* indefinite: pieces follow */
	ITEM_TEXT_OPEN,
	ITEM_ARRAY,
	ITEM_ARRAY_OPEN,
	ITEM_MAP,
	ITEM_MAP_OPEN,
	ITEM_TAG,
	ITEM_BOOL,
	ITEM_NULL,
	ITEM_FLOAT,
	ITEM_OTHER,
	ITEM_BREAK,
};

/* One head with, for a definite string, its content. */
struct wire_item {
	enum item_kind kind;
	uint64_t number; /* NINT: -1 - value; containers: items; TAG: which */
	double real;	 /* FLOAT */
	struct bytes bytes;
};

/* The head at `pos`, and how many bytes it takes. ERR_TRUNC, ERR_SYNTAX. */
int wire_item_read(struct bytes in, size_t pos, struct wire_item *ret_item,
		   size_t *ret_len) ERR_CHECK;

/* Items follow that belong to it. */
bool wire_item_opens(enum item_kind kind);

#endif
