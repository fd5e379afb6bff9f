/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON (RFC 8259) as jansson's tree, with what jansson leaves open decided: bounded in length and
 * depth, no key twice, no NUL, and faults that do not quote the input. For the readers in wire.
 */
#ifndef WIRE_JSON_TREE_H
#define WIRE_JSON_TREE_H

#include <jansson.h>

#include "wire/msg.h"

/* NULL, and the fault: ERR_SYNTAX, ERR_TRUNC, ERR_EXTRA, ERR_EXIST (a key twice), ERR_RANGE (a
 * number beyond 64 bits), ERR_LIMIT (more than `limit` bytes, deeper than WIRE_DEPTH), ERR_NOMEM.
 * To be freed by json_decref. */
json_t *wire_json_load(struct bytes in, size_t limit, struct wire_fault *fault);

#endif
