/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/url.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

void url_init(struct url *u, const char *path)
{
	/* one byte stays for the end of the string */
	u->b = buf_writer(u->space, sizeof(u->space) - 1);
	u->query = false;
	buf_put_str(&u->b, path);
}

static void escape(struct buf *b, const char *s)
{
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (isalnum(c) || strchr("-._~", c) != NULL) {
			buf_put_u8(b, c);
		} else {
			buf_put_u8(b, '%');
			buf_put_hex(b, &c, 1);
		}
	}
}

void url_segment(struct url *u, const char *segment)
{
	buf_put_u8(&u->b, '/');
	escape(&u->b, segment);
}

void url_query(struct url *u, const char *name, const char *value)
{
	if (value == NULL)
		return;
	buf_put_u8(&u->b, u->query ? '&' : '?');
	u->query = true;
	buf_put_str(&u->b, name);
	buf_put_u8(&u->b, '=');
	escape(&u->b, value);
}

void url_query_number(struct url *u, const char *name, long long value)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%lld", value);
	url_query(u, name, text);
}

const char *url_text(struct url *u)
{
	if (!buf_ok(&u->b))
		return NULL;
	u->space[u->b.pos] = '\0';
	return (const char *)u->space;
}
