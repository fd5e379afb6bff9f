/* SPDX-License-Identifier: Apache-2.0
 *
 * CoRE Link Format (RFC 6690 2) as far as a registration needs it. White space around commas and
 * semicolons is taken, as the examples of LwM2M have it. Twice over the payload: the link that
 * names the root may come behind those that lie under it.
 */
#include <string.h>

#include "wire/lwm2m.h"

enum { ALTERNATE = 64, FORMAT_NONE = -1 };

struct parser {
	struct bytes in;
	size_t pos;
	struct wire_fault *fault;
};

/* One link; the attributes are as they were written, without the quotes. */
struct raw_link {
	size_t at;
	struct bytes target, rt, ct, ver;
};

static int fault(const struct parser *p, size_t at, int err, const char *what)
{
	return wire_fault_set(p->fault, err, "byte %zu: %s", at, what);
}

/* -1 at the end. */
static int peek(const struct parser *p)
{
	return p->pos < p->in.len ? p->in.ptr[p->pos] : -1;
}

static void blanks_skip(struct parser *p)
{
	while (peek(p) == ' ' || peek(p) == '\t' || peek(p) == '\r' || peek(p) == '\n')
		p->pos++;
}

static struct bytes since(const struct parser *p, size_t start)
{
	return (struct bytes){p->in.ptr + start, p->pos - start};
}

static int target_get(struct parser *p, struct bytes *ret)
{
	if (peek(p) != '<')
		return fault(p, p->pos, ERR_SYNTAX, "a link does not begin with <");
	size_t start = ++p->pos;
	while (peek(p) > ' ' && peek(p) < 0x7f && !strchr("<>\"", peek(p)))
		p->pos++;
	if (peek(p) < 0)
		return fault(p, start - 1, ERR_TRUNC, "a link without >");
	if (peek(p) != '>')
		return fault(p, p->pos, ERR_SYNTAX, "not a character of a link's target");
	*ret = since(p, start);
	p->pos++;
	return 0;
}

/* RFC 2616 2.2: a backslash stands before a character that means itself. */
static int quoted_get(struct parser *p, struct bytes *ret)
{
	size_t start = ++p->pos;

	while (peek(p) >= ' ' && peek(p) != '"' && peek(p) != 0x7f)
		p->pos += peek(p) == '\\' && p->pos + 1 < p->in.len ? 2 : 1;
	if (peek(p) < 0)
		return fault(p, start - 1, ERR_TRUNC, "a text without its closing quote");
	if (peek(p) != '"')
		return fault(p, p->pos, ERR_SYNTAX, "a control character");
	*ret = since(p, start);
	p->pos++;
	return 0;
}

/* `word` characters, at least one. */
static int token_get(struct parser *p, const char * not, const char *what, struct bytes *ret)
{
	size_t start = p->pos;

	while (peek(p) > ' ' && peek(p) < 0x7f && !strchr(not, peek(p)))
		p->pos++;
	if (p->pos == start)
		return fault(p, start, ERR_SYNTAX, what);
	*ret = since(p, start);
	return 0;
}

static bool is_word(struct bytes name, const char *word)
{
	return bytes_equal(name, (struct bytes){(const uint8_t *)word, strlen(word)});
}

static int attribute_get(struct parser *p, struct raw_link *link)
{
	struct bytes name = {NULL, 0}, value = {NULL, 0};
	int err = token_get(p, "()<>@,;:\\\"/[]?={}", "an attribute without a name", &name);

	if (!err && peek(p) == '=') {
		p->pos++;
		err = peek(p) == '"'
			      ? quoted_get(p, &value)
			      : token_get(p, "\",;\\", "an attribute without a value", &value);
	}
	if (err)
		return err;
	/* RFC 6690 3.1, 7.2.1: of one that comes twice the first counts. */
	if (is_word(name, "rt") && !link->rt.ptr)
		link->rt = value;
	else if (is_word(name, "ct") && !link->ct.ptr)
		link->ct = value;
	else if (is_word(name, "ver") && !link->ver.ptr)
		link->ver = value;
	return 0;
}

static int link_get(struct parser *p, struct raw_link *ret)
{
	int err;

	blanks_skip(p);
	*ret = (struct raw_link){.at = p->pos};
	err = target_get(p, &ret->target);
	blanks_skip(p);
	while (!err && peek(p) == ';') {
		p->pos++;
		blanks_skip(p);
		err = attribute_get(p, ret);
		blanks_skip(p);
	}
	if (!err && peek(p) >= 0 && peek(p) != ',')
		err = fault(p, p->pos, ERR_SYNTAX, "neither , nor ; behind a link");
	return err;
}

/* Whether there is one, behind the comma if it is not the first. */
static int link_next(struct parser *p, struct raw_link *ret, bool *ret_more)
{
	bool first = p->pos == 0;

	blanks_skip(p);
	*ret_more = p->pos < p->in.len;
	if (!*ret_more)
		return 0;
	if (!first)
		p->pos++; /* the comma that link_get has seen */
	return link_get(p, ret);
}

/* RFC 6690 3.1: words with spaces between. */
static bool has_word(struct bytes words, const char *word)
{
	size_t start = 0;

	for (size_t i = 0; i <= words.len; i++) {
		if (i < words.len && words.ptr[i] != ' ')
			continue;
		if (is_word((struct bytes){words.ptr + start, i - start}, word))
			return true;
		start = i + 1;
	}
	return false;
}

/* Without slashes at its end, but for that of "/". */
static size_t root_length(struct bytes target)
{
	size_t len = target.len;

	while (len > 1 && target.ptr[len - 1] == '/')
		len--;
	return len;
}

static int root_find(struct parser p, char alternate[ALTERNATE])
{
	struct raw_link link;
	bool more = true;
	int err = 0;

	alternate[0] = 0;
	while (!err && more) {
		err = link_next(&p, &link, &more);
		if (err || !more || alternate[0])
			continue;
		if (!link.rt.ptr ? !is_word(link.target, "/") : !has_word(link.rt, "oma.lwm2m"))
			continue;
		if (link.target.len == 0 || link.target.ptr[0] != '/')
			return fault(&p, link.at, ERR_SYNTAX, "a root that is no path");
		if (link.target.len >= ALTERNATE)
			return fault(&p, link.at, ERR_LIMIT, "a root longer than 63 bytes");
		memcpy(alternate, link.target.ptr, link.target.len);
		alternate[root_length(link.target)] = 0;
	}
	return err;
}

/* The less the better. */
static unsigned format_rank(int format)
{
	static const int liked[] = {LWM2M_SENML_CBOR, LWM2M_TLV, LWM2M_SENML_JSON, LWM2M_JSON};
	unsigned rank = 0;

	while (rank < sizeof(liked) / sizeof(liked[0]) && liked[rank] != format)
		rank++;
	return rank;
}

static int formats_take(const struct parser *p, const struct raw_link *link, int *ret)
{
	int format = FORMAT_NONE, best = FORMAT_NONE;

	for (size_t i = 0; i <= link->ct.len; i++) {
		int c = i < link->ct.len ? link->ct.ptr[i] : ' ';
		if (c >= '0' && c <= '9')
			format = (format < 0 ? 0 : format * 10) + (c - '0');
		if ((c != ' ' && (c < '0' || c > '9')) || format > UINT16_MAX)
			return fault(p, link->at, ERR_SYNTAX, "ct is no Content-Format");
		if (c != ' ' || format < 0)
			continue;
		if (best < 0 || format_rank(format) < format_rank(best))
			best = format;
		format = FORMAT_NONE;
	}
	*ret = best;
	return 0;
}

static int version_take(const struct parser *p, const struct raw_link *link, char dst[8])
{
	if (link->ver.len >= 8)
		return fault(p, link->at, ERR_SYNTAX, "ver is no version");
	for (size_t i = 0; i < link->ver.len; i++)
		if (link->ver.ptr[i] != '.' && (link->ver.ptr[i] < '0' || link->ver.ptr[i] > '9'))
			return fault(p, link->at, ERR_SYNTAX, "ver is no version");
	if (link->ver.len)
		memcpy(dst, link->ver.ptr, link->ver.len);
	dst[link->ver.len] = 0;
	return 0;
}

/* What is under the root; false: nothing of LwM2M. */
static bool path_under(struct bytes target, const char *alternate, struct lwm2m_path *ret)
{
	size_t len = strlen(alternate);

	if (len && alternate[len - 1] == '/')
		len--;
	if (target.len <= len || (len && memcmp(target.ptr, alternate, len) != 0) ||
	    target.ptr[len] != '/')
		return false;
	return !lwm2m_path_parse((struct bytes){target.ptr + len, target.len - len}, ret) &&
	       ret->count > 0;
}

static int link_take(const struct parser *p, const struct raw_link *raw, const char *alternate,
		     struct lwm2m_link *ret, bool *ret_taken)
{
	*ret = (struct lwm2m_link){.content_format = FORMAT_NONE};
	ret->is_root =
		alternate[0] &&
		is_word((struct bytes){raw->target.ptr, root_length(raw->target)}, alternate);
	*ret_taken = ret->is_root || path_under(raw->target, alternate, &ret->path);
	if (ret->is_root)
		return formats_take(p, raw, &ret->content_format);
	return *ret_taken ? version_take(p, raw, ret->version) : 0;
}

int lwm2m_links(struct bytes payload, struct lwm2m_link *ret, size_t cap, size_t *ret_count,
		char alternate[ALTERNATE], struct wire_fault *ret_fault)
{
	struct parser p = {.in = payload, .fault = ret_fault};
	struct raw_link raw;
	size_t count = 0;
	bool more = true, taken = false;
	int err;

	*ret_fault = (struct wire_fault){0};
	alternate[0] = 0;
	if (payload.len > LIMIT_LWM2M_PAYLOAD)
		return wire_fault_set(ret_fault, ERR_LIMIT, "longer than %d bytes",
				      LIMIT_LWM2M_PAYLOAD);
	if (!wire_utf8_ok(payload))
		return wire_fault_set(ret_fault, ERR_SYNTAX, "text that is not UTF-8");
	err = root_find(p, alternate);
	while (!err && more) {
		struct lwm2m_link link;
		err = link_next(&p, &raw, &more);
		if (err || !more)
			break;
		err = link_take(&p, &raw, alternate, &link, &taken);
		if (err || !taken)
			continue;
		if (count == cap)
			err = wire_fault_set(ret_fault, ERR_LIMIT, "more than %zu links", cap);
		else
			ret[count++] = link;
	}
	if (!err)
		*ret_count = count;
	return err;
}
