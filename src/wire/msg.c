/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/msg.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "wire/cbor.h"

static const char *const type_words[] = {
	[WIRE_UINT] = "a number",  [WIRE_NINT] = "a negative number",
	[WIRE_BYTES] = "bytes",	   [WIRE_TEXT] = "text",
	[WIRE_BOOL] = "a boolean", [WIRE_NULL] = "null",
	[WIRE_ARRAY] = "an array", [WIRE_OTHER] = "an unsupported value",
};

int wire_fault_set(struct wire_fault *fault, int err, const char *fmt, ...)
{
	va_list ap;

	if (fault->err)
		return fault->err;
	fault->err = err;
	va_start(ap, fmt);
	vsnprintf(fault->text, sizeof(fault->text), fmt, ap);
	va_end(ap);
	return err;
}

int wire_fault_at(struct wire_msg *msg, const struct wire_node *at, int err, const char *fmt, ...)
{
	char what[WIRE_FAULT_TEXT / 2];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (at->element < 0)
		return wire_fault_set(&msg->fault, err, "key %lld: %s", (long long)at->key, what);
	return wire_fault_set(&msg->fault, err, "key %lld[%d]: %s", (long long)at->key, at->element,
			      what);
}

void wire_msg_begin(struct wire_msg *msg, enum wire_format format)
{
	msg->format = format;
	msg->count = 0;
	msg->scratch_used = 0;
	msg->fault.err = 0;
	msg->fault.text[0] = 0;
}

static struct wire_node *node_append(struct wire_msg *msg, enum wire_type type)
{
	if (msg->fault.err)
		return NULL;
	if (msg->count == LIMIT_WIRE_NODES) {
		wire_fault_set(&msg->fault, ERR_LIMIT, "more than %d values", LIMIT_WIRE_NODES);
		return NULL;
	}
	struct wire_node *n = &msg->nodes[msg->count++];
	*n = (struct wire_node){.element = -1, .type = type};
	return n;
}

struct wire_node *wire_msg_member(struct wire_msg *msg, int64_t key, enum wire_type type)
{
	WIRE_EACH(n, msg)
	if (n->key == key) {
		wire_fault_at(msg, n, ERR_EXIST, "comes twice");
		return NULL;
	}
	struct wire_node *n = node_append(msg, type);
	if (n)
		n->key = key;
	return n;
}

struct wire_node *wire_msg_element(struct wire_msg *msg, struct wire_node *array,
				   enum wire_type type)
{
	struct wire_node *n = node_append(msg, type);

	if (n) {
		n->key = array->key;
		n->element = (int)array->number++;
	}
	return n;
}

/* The next code point, or -1. RFC 3629 4 */
static int32_t utf8_next(struct buf *b)
{
	static const int32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint8_t lead = buf_get_u8(b);

	if (lead < 0x80)
		return lead;
	if (lead < 0xc2 || lead > 0xf4)
		return -1;
	size_t len = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	int32_t point = lead & (0x7f >> len);
	for (size_t i = 1; i < len; i++) {
		uint8_t next = buf_get_u8(b);
		if (!buf_ok(b) || (next & 0xc0) != 0x80)
			return -1;
		point = point << 6 | (next & 0x3f);
	}
	if (point < least[len] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
		return -1;
	return point;
}

bool wire_utf8_ok(struct bytes text)
{
	struct buf b = buf_reader(text.ptr, text.len);

	while (buf_left(&b))
		if (utf8_next(&b) < 0)
			return false;
	return true;
}

bool wire_text_ok(struct bytes text)
{
	struct buf b = buf_reader(text.ptr, text.len);

	while (buf_left(&b)) {
		int32_t point = utf8_next(&b);
		if (point < 0x20 || (point >= 0x7f && point < 0xa0))
			return false;
	}
	return true;
}

static bool node_is(struct wire_msg *msg, const struct wire_node *n, enum wire_type type)
{
	if (msg->fault.err)
		return false;
	if (n->type != type)
		wire_fault_at(msg, n, ERR_INVAL, "%s, not %s", type_words[n->type],
			      type_words[type]);
	return n->type == type;
}

uint64_t wire_get_uint(struct wire_msg *msg, struct wire_node *n, uint64_t min, uint64_t max)
{
	if (n->type == WIRE_NINT)
		wire_fault_at(msg, n, ERR_RANGE, "below zero");
	if (!node_is(msg, n, WIRE_UINT))
		return 0;
	if (n->number < min || n->number > max) {
		wire_fault_at(msg, n, ERR_RANGE, "not in %llu..%llu", (unsigned long long)min,
			      (unsigned long long)max);
		return 0;
	}
	return n->number;
}

int64_t wire_get_int(struct wire_msg *msg, struct wire_node *n, int64_t min, int64_t max)
{
	if (msg->fault.err)
		return 0;
	if (n->type != WIRE_NINT && !node_is(msg, n, WIRE_UINT))
		return 0;
	/* Both halves fit int64_t up to INT64_MAX: -1 - INT64_MAX is INT64_MIN. */
	int64_t value = n->type == WIRE_NINT ? -1 - (int64_t)(n->number & INT64_MAX)
					     : (int64_t)(n->number & INT64_MAX);
	if (n->number > INT64_MAX || value < min || value > max) {
		wire_fault_at(msg, n, ERR_RANGE, "not in %lld..%lld", (long long)min,
			      (long long)max);
		return 0;
	}
	return value;
}

bool wire_get_bool(struct wire_msg *msg, struct wire_node *n)
{
	return node_is(msg, n, WIRE_BOOL) && n->number;
}

static bool length_ok(struct wire_msg *msg, const struct wire_node *n, size_t min, size_t max)
{
	size_t len = n->bytes.len;

	if (len >= min && len <= max)
		return true;
	if (min == max)
		wire_fault_at(msg, n, ERR_RANGE, "not %zu bytes", max);
	else if (len > max)
		wire_fault_at(msg, n, ERR_RANGE, "longer than %zu bytes", max);
	else if (len == 0)
		wire_fault_at(msg, n, ERR_RANGE, "empty");
	else
		wire_fault_at(msg, n, ERR_RANGE, "shorter than %zu bytes", min);
	return false;
}

/* In place: the text lies in msg->scratch and its bytes need half the room. */
static bool bytes_from_hex(struct wire_msg *msg, struct wire_node *n)
{
	size_t offset = (size_t)(n->bytes.ptr - msg->scratch);
	size_t len;

	if (buf_from_hex((const char *)n->bytes.ptr, n->bytes.len, msg->scratch + offset,
			 n->bytes.len, &len)) {
		wire_fault_at(msg, n, ERR_SYNTAX, "not hex digits");
		return false;
	}
	n->type = WIRE_BYTES;
	n->bytes.len = len;
	return true;
}

struct bytes wire_get_bytes(struct wire_msg *msg, struct wire_node *n, size_t min, size_t max)
{
	const struct bytes none = {NULL, 0};

	if (msg->format == WIRE_JSON && n->type == WIRE_TEXT && !msg->fault.err &&
	    !bytes_from_hex(msg, n))
		return none;
	if (!node_is(msg, n, WIRE_BYTES) || !length_ok(msg, n, min, max))
		return none;
	return n->bytes;
}

void wire_get_text(struct wire_msg *msg, struct wire_node *n, size_t min, size_t max, char *dst)
{
	dst[0] = 0;
	if (!node_is(msg, n, WIRE_TEXT) || !length_ok(msg, n, min, max))
		return;
	if (!wire_text_ok(n->bytes)) {
		wire_fault_at(msg, n, ERR_SYNTAX, "control character in text");
		return;
	}
	if (n->bytes.len)
		memcpy(dst, n->bytes.ptr, n->bytes.len);
	dst[n->bytes.len] = 0;
}

struct wire_node *wire_get_array(struct wire_msg *msg, struct wire_node *n, unsigned count)
{
	if (!node_is(msg, n, WIRE_ARRAY))
		return NULL;
	if (n->number != count) {
		wire_fault_at(msg, n, ERR_RANGE, "not %u elements", count);
		return NULL;
	}
	return n + 1;
}

struct wire_writer wire_writer(enum wire_format format, struct buf *out)
{
	return (struct wire_writer){.out = out, .format = format};
}

/* Before every value: what separates it from the one before. */
static void value_begin(struct wire_writer *w)
{
	if (w->depth == 0)
		return;
	assert(w->level[w->depth - 1].left > 0);
	assert(w->level[w->depth - 1].keyed == w->level[w->depth - 1].map);
	if (w->format == WIRE_JSON && !w->level[w->depth - 1].map && !w->level[w->depth - 1].first)
		buf_put_str(w->out, ",");
}

/* After every value: closes what is complete. */
static void value_end(struct wire_writer *w)
{
	while (w->depth > 0) {
		unsigned top = w->depth - 1;
		w->level[top].first = false;
		w->level[top].keyed = false;
		if (--w->level[top].left > 0)
			return;
		if (w->format == WIRE_JSON)
			buf_put_str(w->out, w->level[top].map ? "}" : "]");
		w->depth = top;
	}
}

static void container_begin(struct wire_writer *w, bool map, unsigned count)
{
	value_begin(w);
	if (w->format == WIRE_CBOR)
		wire_cbor_put_head(w->out, map ? WIRE_MAJOR_MAP : WIRE_MAJOR_ARRAY, count);
	else
		buf_put_str(w->out, count ? (map ? "{" : "[") : (map ? "{}" : "[]"));
	if (count == 0) {
		value_end(w);
		return;
	}
	assert(w->depth < WIRE_WRITE_DEPTH);
	w->level[w->depth].left = count;
	w->level[w->depth].map = map;
	w->level[w->depth].first = true;
	w->level[w->depth].keyed = false;
	w->depth++;
}

void wire_put_map(struct wire_writer *w, unsigned members)
{
	container_begin(w, true, members);
}

void wire_put_array(struct wire_writer *w, unsigned elements)
{
	container_begin(w, false, elements);
}

static void put_number(struct wire_writer *w, int64_t value)
{
	/* -1 - value cannot overflow, -value can. */
	uint64_t below = value < 0 ? (uint64_t)(-1 - value) : 0;

	if (w->format == WIRE_CBOR) {
		if (value < 0)
			wire_cbor_put_head(w->out, WIRE_MAJOR_NINT, below);
		else
			wire_cbor_put_head(w->out, WIRE_MAJOR_UINT, (uint64_t)value);
		return;
	}
	if (value < 0)
		buf_put_str(w->out, "-");
	buf_put_dec(w->out, value < 0 ? below + 1 : (uint64_t)value);
}

void wire_put_key(struct wire_writer *w, int64_t key)
{
	assert(w->depth > 0 && w->level[w->depth - 1].map && !w->level[w->depth - 1].keyed);
	if (w->format == WIRE_JSON)
		buf_put_str(w->out, w->level[w->depth - 1].first ? "\"" : ",\"");
	put_number(w, key);
	if (w->format == WIRE_JSON)
		buf_put_str(w->out, "\":");
	w->level[w->depth - 1].keyed = true;
}

void wire_put_uint(struct wire_writer *w, uint64_t value)
{
	value_begin(w);
	if (w->format == WIRE_CBOR)
		wire_cbor_put_head(w->out, WIRE_MAJOR_UINT, value);
	else
		buf_put_dec(w->out, value);
	value_end(w);
}

void wire_put_int(struct wire_writer *w, int64_t value)
{
	value_begin(w);
	put_number(w, value);
	value_end(w);
}

void wire_put_bytes(struct wire_writer *w, const void *ptr, size_t len)
{
	value_begin(w);
	if (w->format == WIRE_CBOR) {
		wire_cbor_put_head(w->out, WIRE_MAJOR_BYTES, len);
		buf_put_bytes(w->out, ptr, len);
	} else {
		buf_put_str(w->out, "\"");
		buf_put_hex(w->out, ptr, len);
		buf_put_str(w->out, "\"");
	}
	value_end(w);
}

void wire_put_text(struct wire_writer *w, const char *text)
{
	wire_put_text_bytes(w, (struct bytes){(const uint8_t *)text, strlen(text)});
}

/* RFC 8259 7. Here and not in json.c, so that who only speaks CBOR needs no jansson. */
static void put_json_string(struct buf *out, struct bytes text)
{
	buf_put_u8(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.ptr[i];
		if (c == '"' || c == '\\') {
			buf_put_u8(out, '\\');
			buf_put_u8(out, c);
		} else if (c < 0x20) {
			buf_put_str(out, "\\u00");
			buf_put_hex(out, &c, 1);
		} else {
			buf_put_u8(out, c);
		}
	}
	buf_put_u8(out, '"');
}

void wire_put_text_bytes(struct wire_writer *w, struct bytes text)
{
	value_begin(w);
	if (w->format == WIRE_CBOR) {
		wire_cbor_put_head(w->out, WIRE_MAJOR_TEXT, text.len);
		buf_put_bytes(w->out, text.ptr, text.len);
	} else {
		put_json_string(w->out, text);
	}
	value_end(w);
}

static void put_simple(struct wire_writer *w, unsigned cbor, const char *json)
{
	value_begin(w);
	if (w->format == WIRE_CBOR)
		wire_cbor_put_head(w->out, WIRE_MAJOR_SIMPLE, cbor);
	else
		buf_put_str(w->out, json);
	value_end(w);
}

void wire_put_bool(struct wire_writer *w, bool value)
{
	put_simple(w, value ? WIRE_SIMPLE_TRUE : WIRE_SIMPLE_FALSE, value ? "true" : "false");
}

void wire_put_null(struct wire_writer *w)
{
	put_simple(w, WIRE_SIMPLE_NULL, "null");
}

int wire_writer_end(const struct wire_writer *w)
{
	assert(w->depth == 0);
	return w->out->err;
}
