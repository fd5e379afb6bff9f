/* SPDX-License-Identifier: Apache-2.0
 *
 * The links of /.well-known/core that a query asks for (RFC 6690 section 4.1). Pure.
 */
#ifndef NET_NET_LINKS_H
#define NET_NET_LINKS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Copies those of `links` (RFC 6690 section 2) to dst that fit every query: "name=value", or
 * "name=value*" for a beginning; "href" is the target; one of several values in quotes is
 * enough, as in rt="a b". Returns the length, never more than that of `links`. */
size_t net_links_filter(struct bytes links, const struct bytes *query, unsigned query_count,
			uint8_t *dst);

#endif
