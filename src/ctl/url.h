/* SPDX-License-Identifier: Apache-2.0
 *
 * The path and query of a request, built piece by piece with its escapes. Too long is an
 * error kept until url_text() is asked.
 */
#ifndef CTL_URL_H
#define CTL_URL_H

#include "base/buf.h"

struct url {
	struct buf b;
	bool query; /* a '?' is there */
	uint8_t space[8192];
};

/* Begins with `path` as it is ("/v1/devices"). */
void url_init(struct url *u, const char *path);

/* Appends "/" and the segment, escaped (RFC 3986 2.1). */
void url_segment(struct url *u, const char *segment);

/* Appends a query parameter, escaped. Nothing for a NULL value. */
void url_query(struct url *u, const char *name, const char *value);
void url_query_number(struct url *u, const char *name, long long value);

/* The text, valid as long as `u`; NULL if it was too long. */
const char *url_text(struct url *u);

#endif
