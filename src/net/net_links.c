/* SPDX-License-Identifier: Apache-2.0 */
#include "net/net_links.h"

#include <stdbool.h>
#include <string.h>

static struct bytes part(struct bytes of, size_t from, size_t to)
{
	return (struct bytes){of.ptr + from, to - from};
}

/* Up to the next `end` that is neither in quotes nor in <>. */
static size_t until(struct bytes text, size_t at, uint8_t end)
{
	bool quoted = false, target = false;

	for (; at < text.len; at++) {
		uint8_t c = text.ptr[at];

		if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '<' || c == '>'))
			target = c == '<';
		else if (c == end && !quoted && !target)
			break;
	}
	return at;
}

static size_t index_of(struct bytes text, uint8_t c)
{
	const uint8_t *at = text.len ? memchr(text.ptr, c, text.len) : NULL;

	return at ? (size_t)(at - text.ptr) : text.len;
}

static bool value_fits(struct bytes value, struct bytes pattern)
{
	if (pattern.len && pattern.ptr[pattern.len - 1] == '*') {
		pattern.len--;
		return value.len >= pattern.len &&
		       bytes_equal(part(value, 0, pattern.len), pattern);
	}
	return bytes_equal(value, pattern);
}

/* "a b c", with its quotes: one of them. */
static bool any_value_fits(struct bytes value, struct bytes pattern)
{
	if (value.len < 2 || value.ptr[0] != '"')
		return value_fits(value, pattern);
	value = part(value, 1, value.len - 1);
	if (value_fits(value, pattern))
		return true;
	for (size_t at = 0; at < value.len;) {
		size_t len = index_of(part(value, at, value.len), ' ');

		if (len && value_fits(part(value, at, at + len), pattern))
			return true;
		at += len + 1;
	}
	return false;
}

/* One link: <target>;name=value;name */
static bool link_fits(struct bytes link, struct bytes query)
{
	size_t equals = index_of(query, '=');
	struct bytes name = part(query, 0, equals);
	bool has_value = equals < query.len;
	struct bytes pattern = has_value ? part(query, equals + 1, query.len) : name;
	size_t end = until(link, 0, ';');

	if (bytes_equal(name, (struct bytes){(const uint8_t *)"href", 4}))
		return has_value && end >= 2 && value_fits(part(link, 1, end - 1), pattern);
	while (end < link.len) {
		size_t next = until(link, end + 1, ';');
		struct bytes parameter = part(link, end + 1, next);
		size_t sign = index_of(parameter, '=');
		bool bare = sign == parameter.len;

		end = next;
		if (!bytes_equal(part(parameter, 0, sign), name))
			continue;
		if (!has_value ||
		    (!bare && any_value_fits(part(parameter, sign + 1, parameter.len), pattern)))
			return true;
	}
	return false;
}

size_t net_links_filter(struct bytes links, const struct bytes *query, unsigned query_count,
			uint8_t *dst)
{
	size_t len = 0;

	for (size_t at = 0; at < links.len;) {
		size_t end = until(links, at, ',');
		struct bytes link = part(links, at, end);
		unsigned fits = 0;

		while (fits < query_count && link_fits(link, query[fits]))
			fits++;
		at = end + 1;
		if (fits < query_count)
			continue;
		if (len)
			dst[len++] = ',';
		memcpy(dst + len, link.ptr, link.len);
		len += link.len;
	}
	return len;
}
