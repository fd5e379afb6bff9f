/* SPDX-License-Identifier: Apache-2.0
 *
 * CBOR (RFC 8949) to struct wire_msg and the head of an item the other way. Bounded by the
 * constants of wire/msg.h; reads each byte once, does not recurse and does not allocate.
 *
 * Accepted beyond the deterministic encoding: numbers and lengths in a longer form than
 * needed, indefinite lengths of maps and arrays, keys in any order.
 */
#ifndef WIRE_CBOR_H
#define WIRE_CBOR_H

#include "wire/msg.h"

enum wire_major {
	WIRE_MAJOR_UINT = 0,
	WIRE_MAJOR_NINT = 1,
	WIRE_MAJOR_BYTES = 2,
	WIRE_MAJOR_TEXT = 3,
	WIRE_MAJOR_ARRAY = 4,
	WIRE_MAJOR_MAP = 5,
	WIRE_MAJOR_SIMPLE = 7,
};

enum { WIRE_SIMPLE_FALSE = 20, WIRE_SIMPLE_TRUE = 21, WIRE_SIMPLE_NULL = 22 };

/* 0, or the error that is in msg->fault: ERR_SYNTAX, ERR_TRUNC, ERR_EXTRA (bytes after the
 * map), ERR_EXIST (key twice), ERR_LIMIT (depth, nodes). `in` must outlive msg. */
int wire_cbor_decode(struct bytes in, struct wire_msg *msg) ERR_CHECK;

/* The initial bytes of an item in their shortest form. */
void wire_cbor_put_head(struct buf *out, enum wire_major major, uint64_t value);

#endif
