/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/json.h"

#include <string.h>

#include "wire/json_tree.h"

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

int wire_json_decode(struct bytes in, struct wire_msg *msg)
{
	const char *name;
	json_t *value;

	wire_msg_begin(msg, WIRE_JSON);
	json_t *root = wire_json_load(in, LIMIT_NATIVE_JSON, &msg->fault);
	if (!root)
		return msg->fault.err;
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
