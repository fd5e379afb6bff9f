/* SPDX-License-Identifier: Apache-2.0
 *
 * The JSON twin (RFC 8259) of a CBOR message: an object whose names are the decimal keys
 * ("0", "-1"), byte strings as hex digits. For people with coap-client, so at most
 * LIMIT_NATIVE_JSON bytes. Uses jansson; the tree is freed before wire_json_decode returns.
 */
#ifndef WIRE_JSON_H
#define WIRE_JSON_H

#include "wire/msg.h"

/* 0, or the error that is in msg->fault: as wire_cbor_decode, ERR_LIMIT for an input longer
 * than LIMIT_NATIVE_JSON too, ERR_NOMEM. Nothing in msg points into `in`. */
int wire_json_decode(struct bytes in, struct wire_msg *msg) ERR_CHECK;

/* A string with its quotes, escaped (RFC 8259 7). */
void wire_json_put_string(struct buf *out, struct bytes text);

#endif
