/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/json.h"

#include <jansson.h>
#include <string.h>

/* jansson's own texts quote the input; what goes back to a peer and into a log does not. */
static int fault_from_jansson(struct wire_msg *msg, const json_error_t *e)
{
	enum json_error_code code = json_error_code(e);
	const char *what = "not well-formed JSON";
	int err = ERR_SYNTAX;

	if (code == json_error_out_of_memory) {
		what = "out of memory";
		err = ERR_NOMEM;
	} else if (code == json_error_premature_end_of_input) {
		what = "truncated";
		err = ERR_TRUNC;
	} else if (code == json_error_end_of_input_expected) {
		what = "more after the end of the object";
		err = ERR_EXTRA;
	} else if (code == json_error_invalid_utf8) {
		what = "text that is not UTF-8";
	} else if (code == json_error_null_character || code == json_error_null_byte_in_key) {
		what = "a NUL character";
	} else if (code == json_error_duplicate_key) {
		what = "a key that comes twice";
		err = ERR_EXIST;
	} else if (code == json_error_numeric_overflow) {
		what = "a number beyond 64 bits";
		err = ERR_RANGE;
	}
	return wire_fault_set(&msg->fault, err, "byte %d: %s", e->position, what);
}

/* One spelling per key ("0", "-1", not "00", "-0" or "+1"), so that no key comes twice. */
static int key_from_text(const char *text, int64_t *ret_key)
{
	bool negative = text[0] == '-';
	const char *digits = text + negative;
	uint64_t n = 0;

	if (!digits[0] || (digits[0] == '0' && (digits[1] || negative)))
		return ERR_SYNTAX;
	for (; *digits; digits++) {
		unsigned digit = (unsigned)*digits - '0';
		if (*digits < '0' || *digits > '9')
			return ERR_SYNTAX;
		if (n > ((uint64_t)INT64_MAX - digit) / 10)
			return ERR_RANGE;
		n = n * 10 + digit;
	}
	*ret_key = negative ? -(int64_t)n : (int64_t)n;
	return 0;
}

static enum wire_type type_of(const json_t *value, bool array_allowed)
{
	switch (json_typeof(value)) {
	case JSON_INTEGER:
		return json_integer_value(value) < 0 ? WIRE_NINT : WIRE_UINT;
	case JSON_STRING:
		return WIRE_TEXT;
	case JSON_TRUE:
	case JSON_FALSE:
		return WIRE_BOOL;
	case JSON_NULL:
		return WIRE_NULL;
	case JSON_ARRAY:
		return array_allowed ? WIRE_ARRAY : WIRE_OTHER;
	case JSON_OBJECT:
	case JSON_REAL:
		break;
	}
	return WIRE_OTHER;
}

/* A string is never longer than its spelling in the input, so the scratch holds them all. */
static struct bytes text_keep(struct wire_msg *msg, const json_t *value)
{
	uint8_t *dst = msg->scratch + msg->scratch_used;
	size_t len = json_string_length(value);

	memcpy(dst, json_string_value(value), len);
	msg->scratch_used += len;
	return (struct bytes){dst, len};
}

static void value_take(struct wire_msg *msg, struct wire_node *n, const json_t *value)
{
	if (n->type == WIRE_TEXT)
		n->bytes = text_keep(msg, value);
	else if (n->type == WIRE_UINT)
		n->number = (uint64_t)json_integer_value(value);
	else if (n->type == WIRE_NINT)
		n->number = (uint64_t)(-1 - json_integer_value(value));
	else if (n->type == WIRE_BOOL)
		n->number = json_is_true(value);
}

static int member_take(struct wire_msg *msg, int64_t key, const json_t *value)
{
	struct wire_node *n = wire_msg_member(msg, key, type_of(value, true));

	if (!n)
		return msg->fault.err;
	value_take(msg, n, value);
	for (size_t i = 0; n->type == WIRE_ARRAY && i < json_array_size(value); i++) {
		const json_t *element = json_array_get(value, i);
		struct wire_node *e = wire_msg_element(msg, n, type_of(element, false));
		if (!e)
			return msg->fault.err;
		value_take(msg, e, element);
	}
	return 0;
}

/* Containers open at once must stay within WIRE_DEPTH; returns early above it. */
static bool too_deep(struct bytes in)
{
	unsigned depth = 0;
	bool string = false;

	for (size_t i = 0; i < in.len; i++) {
		uint8_t c = in.ptr[i];
		if (string && c == '\\')
			i++;
		else if (c == '"')
			string = !string;
		else if (!string && (c == '{' || c == '['))
			depth++;
		else if (!string && (c == '}' || c == ']') && depth)
			depth--;
		if (depth > WIRE_DEPTH)
			return true;
	}
	return false;
}

int wire_json_decode(struct bytes in, struct wire_msg *msg)
{
	json_error_t e;
	const char *name;
	json_t *value;

	wire_msg_begin(msg, WIRE_JSON);
	if (in.len > LIMIT_NATIVE_JSON)
		return wire_fault_set(&msg->fault, ERR_LIMIT, "longer than %d bytes",
				      LIMIT_NATIVE_JSON);
	/* jansson 2.14 steps over a NUL that follows a number. */
	const uint8_t *nul = in.len ? memchr(in.ptr, 0, in.len) : NULL;
	if (nul)
		return wire_fault_set(&msg->fault, ERR_SYNTAX, "byte %zu: a NUL character",
				      (size_t)(nul - in.ptr));
	/* Asked before jansson sees it, as jansson recurses. */
	if (too_deep(in))
		return wire_fault_set(&msg->fault, ERR_LIMIT, "nested too deeply");
	json_t *root =
		json_loadb(in.len ? (const char *)in.ptr : "", in.len, JSON_REJECT_DUPLICATES, &e);
	if (!root)
		return fault_from_jansson(msg, &e);
	if (!json_is_object(root))
		wire_fault_set(&msg->fault, ERR_SYNTAX, "byte 0: not an object");
	json_object_foreach(root, name, value)
	{
		int64_t key = 0;
		int err = key_from_text(name, &key);
		if (err)
			wire_fault_set(&msg->fault, err, "a key that is not a decimal integer");
		if (msg->fault.err || member_take(msg, key, value))
			break;
	}
	json_decref(root);
	return msg->fault.err;
}

void wire_json_put_string(struct buf *out, struct bytes text)
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
