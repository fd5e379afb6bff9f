/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/payload.h"

#include <string.h>

static void json_text(struct buf *out, struct bytes text)
{
	static const char digits[] = "0123456789abcdef";

	buf_put_u8(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.ptr[i];

		if (c == '"' || c == '\\') {
			buf_put_u8(out, '\\');
			buf_put_u8(out, c);
		} else if (c < 0x20) {
			buf_put_str(out, "\\u00");
			buf_put_u8(out, (uint8_t)digits[c >> 4]);
			buf_put_u8(out, (uint8_t)digits[c & 15]);
		} else {
			buf_put_u8(out, c);
		}
	}
	buf_put_u8(out, '"');
}

static void json_value(struct buf *out, const struct emu_value *value)
{
	switch (value->type) {
	case EMU_UINT:
		buf_put_dec(out, value->number);
		return;
	case EMU_NEGINT:
		buf_put_u8(out, '-');
		buf_put_dec(out, value->number + 1);
		return;
	case EMU_BOOL:
		buf_put_str(out, value->number ? "true" : "false");
		return;
	case EMU_BYTES:
		buf_put_u8(out, '"');
		buf_put_hex(out, value->bytes.ptr, value->bytes.len);
		buf_put_u8(out, '"');
		return;
	case EMU_TEXT:
		json_text(out, value->bytes);
		return;
	case EMU_ARRAY:
	case EMU_OTHER:
		out->err = ERR_INVAL;
		return;
	}
}

int emu_json_encode(const struct emu_msg *msg, struct buf *out)
{
	buf_put_u8(out, '{');
	for (size_t i = 0; i < msg->len; i++) {
		const struct emu_item *item = &msg->items[i];

		buf_put_str(out, i > 0 ? ",\"" : "\"");
		if (item->key < 0)
			buf_put_u8(out, '-');
		buf_put_dec(out, (uint64_t)(item->key < 0 ? -item->key : item->key));
		buf_put_str(out, "\":");
		if (item->value.type != EMU_ARRAY) {
			json_value(out, &item->value);
			continue;
		}
		buf_put_u8(out, '[');
		for (size_t j = 0; j < item->len; j++) {
			if (j > 0)
				buf_put_u8(out, ',');
			json_value(out, &item->elements[j]);
		}
		buf_put_u8(out, ']');
	}
	buf_put_u8(out, '}');
	return out->err;
}

static bool json_among(const char *set, uint8_t c)
{
	return c != 0 && strchr(set, c);
}

static int json_peek(struct buf *in)
{
	while (in->pos < in->len && json_among(" \t\r\n", in->ptr[in->pos]))
		in->pos++;
	if (!buf_ok(in) || in->pos == in->len)
		return -1;
	return in->ptr[in->pos];
}

static bool json_take(struct buf *in, int c)
{
	if (json_peek(in) != c)
		return false;
	in->pos++;
	return true;
}

static void json_fail(struct buf *in)
{
	if (buf_ok(in))
		in->err = in->pos >= in->len ? ERR_TRUNC : ERR_SYNTAX;
}

static void json_put_utf8(struct buf *out, unsigned c)
{
	if (c < 0x80) {
		buf_put_u8(out, (uint8_t)c);
	} else if (c < 0x800) {
		buf_put_u8(out, (uint8_t)(0xc0 | c >> 6));
		buf_put_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
	} else {
		buf_put_u8(out, (uint8_t)(0xe0 | c >> 12));
		buf_put_u8(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
		buf_put_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
	}
}

static void json_escape(struct buf *in, struct buf *out)
{
	static const char from[] = "\"\\/bfnrt";
	static const char to[] = "\"\\/\b\f\n\r\t";
	uint8_t c = buf_get_u8(in);
	const char *at = memchr(from, c, sizeof(from) - 1);

	if (at) {
		buf_put_u8(out, (uint8_t)to[at - from]);
	} else if (c == 'u') {
		struct bytes hex = buf_get_bytes(in, 4);
		uint8_t pair[2];
		size_t len;

		/* Surrogate pairs never occur in what the protocol carries: refused. */
		if (hex.len != 4 ||
		    buf_from_hex((const char *)hex.ptr, 4, pair, sizeof(pair), &len) != 0 ||
		    (pair[0] & 0xf8) == 0xd8)
			json_fail(in);
		else
			json_put_utf8(out, (unsigned)pair[0] << 8 | pair[1]);
	} else {
		json_fail(in);
	}
}

static struct bytes json_string(struct buf *in, struct buf *scratch)
{
	size_t start = scratch->pos;

	if (!json_take(in, '"'))
		json_fail(in);
	while (buf_ok(in)) {
		uint8_t c = buf_get_u8(in);

		if (c == '"')
			break;
		if (c < 0x20)
			json_fail(in);
		else if (c == '\\')
			json_escape(in, scratch);
		else
			buf_put_u8(scratch, c);
	}
	if (!buf_ok(scratch) && buf_ok(in))
		in->err = ERR_LIMIT;
	return (struct bytes){scratch->ptr + start, scratch->pos - start};
}

static struct emu_value json_number(struct buf *in)
{
	struct emu_value value = {.type = EMU_UINT};
	bool negative = json_take(in, '-');
	size_t digits = 0;

	while (in->pos < in->len && in->ptr[in->pos] >= '0' && in->ptr[in->pos] <= '9') {
		if (++digits > 18) {
			json_fail(in);
			return value;
		}
		value.number = value.number * 10 + (uint64_t)(in->ptr[in->pos++] - '0');
	}
	if (digits == 0)
		json_fail(in);
	if (in->pos < in->len && json_among(".eE", in->ptr[in->pos])) {
		value.type = EMU_OTHER;
		while (in->pos < in->len && json_among("0123456789.eE+-", in->ptr[in->pos]))
			in->pos++;
	} else if (negative && value.number > 0) {
		value.type = EMU_NEGINT;
		value.number--;
	}
	return value;
}

static bool json_word(struct buf *in, const char *word)
{
	size_t len = strlen(word);

	if (buf_left(in) < len || memcmp(in->ptr + in->pos, word, len) != 0)
		return false;
	in->pos += len;
	return true;
}

static struct emu_value json_scalar(struct buf *in, struct buf *scratch)
{
	struct emu_value value = {.type = EMU_OTHER};
	int c = json_peek(in);

	if (c == '"') {
		value.type = EMU_TEXT;
		value.bytes = json_string(in, scratch);
	} else if (c == '-' || (c >= '0' && c <= '9')) {
		value = json_number(in);
	} else if (json_word(in, "true")) {
		value = (struct emu_value){.type = EMU_BOOL, .number = 1};
	} else if (json_word(in, "false")) {
		value.type = EMU_BOOL;
	} else if (!json_word(in, "null")) {
		json_fail(in);
	}
	return value;
}

static void json_array(struct buf *in, struct buf *scratch, struct emu_item *item)
{
	item->value.type = EMU_ARRAY;
	in->pos++;
	if (json_take(in, ']'))
		return;
	while (buf_ok(in)) {
		struct emu_value value = json_scalar(in, scratch);

		if (item->len < EMU_ELEMENTS_MAX)
			item->elements[item->len++] = value;
		if (json_take(in, ']'))
			return;
		if (!json_take(in, ','))
			json_fail(in);
	}
}

static int64_t json_key(struct buf *in, struct buf *scratch)
{
	struct bytes text = json_string(in, scratch);
	struct buf digits = buf_reader(text.ptr, text.len);
	struct emu_value value = {.type = EMU_OTHER};

	if (buf_ok(in))
		value = json_number(&digits);
	if (!buf_ok(&digits) || digits.pos != digits.len || value.type == EMU_OTHER)
		json_fail(in);
	return value.type == EMU_NEGINT ? -1 - (int64_t)value.number : (int64_t)value.number;
}

static void json_item(struct buf *in, struct buf *scratch, struct emu_msg *msg)
{
	int64_t key = json_key(in, scratch);
	struct emu_item *item = &msg->items[msg->len];

	if (!json_take(in, ':'))
		json_fail(in);
	if (buf_ok(in) && emu_msg_find(msg, key))
		in->err = ERR_EXIST;
	if (buf_ok(in) && msg->len == EMU_ITEMS_MAX)
		in->err = ERR_LIMIT;
	if (!buf_ok(in))
		return;
	item->key = key;
	if (json_peek(in) == '[')
		json_array(in, scratch, item);
	else
		item->value = json_scalar(in, scratch);
	msg->len++;
}

int emu_json_decode(const char *ptr, size_t len, struct emu_msg *ret_msg)
{
	struct buf in = buf_reader(ptr, len);
	struct buf scratch = buf_writer(ret_msg->scratch, sizeof(ret_msg->scratch));

	if (!json_take(&in, '{'))
		json_fail(&in);
	if (buf_ok(&in) && !json_take(&in, '}')) {
		do {
			json_item(&in, &scratch, ret_msg);
		} while (buf_ok(&in) && json_take(&in, ','));
		if (!json_take(&in, '}'))
			json_fail(&in);
	}
	if (buf_ok(&in) && json_peek(&in) >= 0)
		return ERR_EXTRA;
	return in.err;
}
