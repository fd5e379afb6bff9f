/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/payload.h"

#include <assert.h>
#include <cbor.h>
#include <string.h>

enum { PAYLOAD_DEPTH = 4 };

void emu_msg_init(struct emu_msg *msg)
{
	memset(msg, 0, sizeof(*msg));
}

static struct emu_item *msg_add(struct emu_msg *msg, int64_t key, enum emu_type type)
{
	struct emu_item *item;

	assert(msg->len < EMU_ITEMS_MAX);
	item = &msg->items[msg->len++];
	item->key = key;
	item->value.type = type;
	return item;
}

static struct emu_value value_int(int64_t value)
{
	struct emu_value v = {.type = EMU_UINT, .number = (uint64_t)value};

	if (value < 0) {
		v.type = EMU_NEGINT;
		v.number = (uint64_t)(-(value + 1));
	}
	return v;
}

void emu_msg_uint(struct emu_msg *msg, int64_t key, uint64_t value)
{
	msg_add(msg, key, EMU_UINT)->value.number = value;
}

void emu_msg_int(struct emu_msg *msg, int64_t key, int64_t value)
{
	msg_add(msg, key, EMU_UINT)->value = value_int(value);
}

void emu_msg_bool(struct emu_msg *msg, int64_t key, bool value)
{
	msg_add(msg, key, EMU_BOOL)->value.number = value;
}

void emu_msg_bytes(struct emu_msg *msg, int64_t key, const void *ptr, size_t len)
{
	msg_add(msg, key, EMU_BYTES)->value.bytes = (struct bytes){ptr, len};
}

void emu_msg_text(struct emu_msg *msg, int64_t key, const char *text)
{
	msg_add(msg, key, EMU_TEXT)->value.bytes =
		(struct bytes){(const uint8_t *)text, strlen(text)};
}

struct emu_item *emu_msg_array(struct emu_msg *msg, int64_t key)
{
	return msg_add(msg, key, EMU_ARRAY);
}

static struct emu_value *element_add(struct emu_item *item)
{
	assert(item->len < EMU_ELEMENTS_MAX);
	return &item->elements[item->len++];
}

void emu_element_uint(struct emu_item *item, uint64_t value)
{
	*element_add(item) = (struct emu_value){.type = EMU_UINT, .number = value};
}

void emu_element_int(struct emu_item *item, int64_t value)
{
	*element_add(item) = value_int(value);
}

void emu_element_bytes(struct emu_item *item, const void *ptr, size_t len)
{
	*element_add(item) = (struct emu_value){.type = EMU_BYTES, .bytes = {ptr, len}};
}

void emu_element_text(struct emu_item *item, const char *text)
{
	*element_add(item) = (struct emu_value){.type = EMU_TEXT,
						.bytes = {(const uint8_t *)text, strlen(text)}};
}

const struct emu_item *emu_msg_find(const struct emu_msg *msg, int64_t key)
{
	for (size_t i = 0; i < msg->len; i++)
		if (msg->items[i].key == key)
			return &msg->items[i];
	return NULL;
}

int emu_item_uint(const struct emu_msg *msg, int64_t key, uint64_t max, uint64_t *ret_value)
{
	const struct emu_item *item = emu_msg_find(msg, key);

	if (!item)
		return ERR_NOENT;
	if (item->value.type != EMU_UINT || item->value.number > max)
		return ERR_INVAL;
	*ret_value = item->value.number;
	return 0;
}

int emu_item_bytes(const struct emu_msg *msg, int64_t key, uint8_t *dst, size_t len)
{
	const struct emu_item *item = emu_msg_find(msg, key);
	uint8_t bytes[64];
	size_t got;

	if (!item)
		return ERR_NOENT;
	if (item->value.type == EMU_BYTES && item->value.bytes.len == len) {
		memcpy(dst, item->value.bytes.ptr, len);
		return 0;
	}
	if (item->value.type != EMU_TEXT || len > sizeof(bytes) ||
	    buf_from_hex((const char *)item->value.bytes.ptr, item->value.bytes.len, bytes,
			 sizeof(bytes), &got) != 0 ||
	    got != len)
		return ERR_INVAL;
	memcpy(dst, bytes, len);
	return 0;
}

int emu_item_text(const struct emu_msg *msg, int64_t key, char *dst, size_t cap)
{
	const struct emu_item *item = emu_msg_find(msg, key);

	if (!item)
		return ERR_NOENT;
	if (item->value.type != EMU_TEXT || item->value.bytes.len >= cap ||
	    memchr(item->value.bytes.ptr, 0, item->value.bytes.len))
		return ERR_INVAL;
	memcpy(dst, item->value.bytes.ptr, item->value.bytes.len);
	dst[item->value.bytes.len] = '\0';
	return 0;
}

/* libcbor's encoders return 0 when it does not fit. */
static void cbor_advance(struct buf *out, size_t written)
{
	if (written == 0 && out->err == 0)
		out->err = ERR_LIMIT;
	out->pos += written;
}

static void cbor_put(struct buf *out, const struct emu_value *value)
{
	unsigned char *at = out->ptr + out->pos;
	size_t room = out->len - out->pos;

	switch (value->type) {
	case EMU_UINT:
		cbor_advance(out, cbor_encode_uint(value->number, at, room));
		return;
	case EMU_NEGINT:
		cbor_advance(out, cbor_encode_negint(value->number, at, room));
		return;
	case EMU_BOOL:
		cbor_advance(out, cbor_encode_bool(value->number != 0, at, room));
		return;
	case EMU_BYTES:
		cbor_advance(out, cbor_encode_bytestring_start(value->bytes.len, at, room));
		buf_put_bytes(out, value->bytes.ptr, value->bytes.len);
		return;
	case EMU_TEXT:
		cbor_advance(out, cbor_encode_string_start(value->bytes.len, at, room));
		buf_put_bytes(out, value->bytes.ptr, value->bytes.len);
		return;
	case EMU_ARRAY:
	case EMU_OTHER:
		out->err = ERR_INVAL;
		return;
	}
}

static int cbor_write(const struct emu_msg *msg, struct buf *out)
{
	cbor_advance(out, cbor_encode_map_start(msg->len, out->ptr, out->len));
	for (size_t i = 0; i < msg->len && buf_ok(out); i++) {
		const struct emu_item *item = &msg->items[i];
		struct emu_value key = value_int(item->key);

		cbor_put(out, &key);
		if (item->value.type != EMU_ARRAY) {
			cbor_put(out, &item->value);
			continue;
		}
		cbor_advance(out, cbor_encode_array_start(item->len, out->ptr + out->pos,
							  out->len - out->pos));
		for (size_t j = 0; j < item->len; j++)
			cbor_put(out, &item->elements[j]);
	}
	return out->err;
}

int emu_payload_encode(const struct emu_msg *msg, enum emu_format format, uint8_t *dst, size_t cap,
		       size_t *ret_len)
{
	struct buf out = buf_writer(dst, cap);
	int err = format == EMU_JSON ? emu_json_encode(msg, &out) : cbor_write(msg, &out);

	if (err)
		return err;
	*ret_len = out.pos;
	return 0;
}

/* One step of the streaming decoder: which callback came, and with what. */
enum token_type { TOKEN_VALUE, TOKEN_ARRAY, TOKEN_MAP, TOKEN_TAG, TOKEN_BREAK, TOKEN_BAD };

struct token {
	enum token_type type;
	struct emu_value value;
	uint64_t len; /* arrays and maps; UINT64_MAX: indefinite */
};

/* libcbor 0.10 widened its lengths from size_t. */
#if CBOR_MAJOR_VERSION == 0 && CBOR_MINOR_VERSION < 10
typedef size_t cbor_length;
#else
typedef uint64_t cbor_length;
#endif

static void token_number(void *ctx, enum emu_type type, uint64_t number)
{
	struct token *token = ctx;

	token->type = TOKEN_VALUE;
	token->value = (struct emu_value){.type = type, .number = number};
}

static void on_uint8(void *ctx, uint8_t v)
{
	token_number(ctx, EMU_UINT, v);
}

static void on_uint16(void *ctx, uint16_t v)
{
	token_number(ctx, EMU_UINT, v);
}

static void on_uint32(void *ctx, uint32_t v)
{
	token_number(ctx, EMU_UINT, v);
}

static void on_uint64(void *ctx, uint64_t v)
{
	token_number(ctx, EMU_UINT, v);
}

static void on_negint8(void *ctx, uint8_t v)
{
	token_number(ctx, EMU_NEGINT, v);
}

static void on_negint16(void *ctx, uint16_t v)
{
	token_number(ctx, EMU_NEGINT, v);
}

static void on_negint32(void *ctx, uint32_t v)
{
	token_number(ctx, EMU_NEGINT, v);
}

static void on_negint64(void *ctx, uint64_t v)
{
	token_number(ctx, EMU_NEGINT, v);
}

static void on_bool(void *ctx, bool v)
{
	token_number(ctx, EMU_BOOL, v);
}

static void on_bytes(void *ctx, cbor_data ptr, cbor_length len)
{
	struct token *token = ctx;

	token_number(ctx, EMU_BYTES, 0);
	token->value.bytes = (struct bytes){ptr, (size_t)len};
}

static void on_text(void *ctx, cbor_data ptr, cbor_length len)
{
	struct token *token = ctx;

	token_number(ctx, EMU_TEXT, 0);
	token->value.bytes = (struct bytes){ptr, (size_t)len};
}

static void token_container(void *ctx, enum token_type type, uint64_t len)
{
	struct token *token = ctx;

	token->type = type;
	token->len = len;
}

static void on_array(void *ctx, cbor_length len)
{
	token_container(ctx, TOKEN_ARRAY, len);
}

static void on_map(void *ctx, cbor_length len)
{
	token_container(ctx, TOKEN_MAP, len);
}

static void on_indef_array(void *ctx)
{
	token_container(ctx, TOKEN_ARRAY, UINT64_MAX);
}

static void on_indef_map(void *ctx)
{
	token_container(ctx, TOKEN_MAP, UINT64_MAX);
}

static void on_tag(void *ctx, uint64_t tag)
{
	(void)tag;
	token_container(ctx, TOKEN_TAG, 0);
}

static void on_break(void *ctx)
{
	token_container(ctx, TOKEN_BREAK, 0);
}

static void on_simple(void *ctx)
{
	token_number(ctx, EMU_OTHER, 0);
}

static void on_float(void *ctx, float v)
{
	(void)v;
	token_number(ctx, EMU_OTHER, 0);
}

static void on_double(void *ctx, double v)
{
	(void)v;
	token_number(ctx, EMU_OTHER, 0);
}

/* Strings in chunks: nothing in the protocol needs them, so they are refused. */
static void on_chunked(void *ctx)
{
	token_container(ctx, TOKEN_BAD, 0);
}

static const struct cbor_callbacks token_callbacks = {
	.uint8 = on_uint8,
	.uint16 = on_uint16,
	.uint32 = on_uint32,
	.uint64 = on_uint64,
	.negint8 = on_negint8,
	.negint16 = on_negint16,
	.negint32 = on_negint32,
	.negint64 = on_negint64,
	.byte_string_start = on_chunked,
	.byte_string = on_bytes,
	.string = on_text,
	.string_start = on_chunked,
	.indef_array_start = on_indef_array,
	.array_start = on_array,
	.indef_map_start = on_indef_map,
	.map_start = on_map,
	.tag = on_tag,
	.float2 = on_float,
	.float4 = on_float,
	.float8 = on_double,
	.undefined = on_simple,
	.null = on_simple,
	.boolean = on_bool,
	.indef_break = on_break,
};

/* Next token, tags skipped. */
static struct token token_next(struct buf *in)
{
	struct token token = {.type = TOKEN_BAD};

	while (buf_ok(in)) {
		struct cbor_decoder_result res;

		res = cbor_stream_decode(in->ptr + in->pos, in->len - in->pos, &token_callbacks,
					 &token);
		if (res.status != CBOR_DECODER_FINISHED || token.type == TOKEN_BAD) {
			in->err = res.status == CBOR_DECODER_NEDATA ? ERR_TRUNC : ERR_SYNTAX;
			token.type = TOKEN_BAD;
			break;
		}
		in->pos += res.read;
		if (token.type != TOKEN_TAG)
			break;
		token.type = TOKEN_BAD;
	}
	return token;
}

/* Skips the rest of a container just opened. */
static void token_skip(struct buf *in, struct token open)
{
	uint64_t left[PAYLOAD_DEPTH];
	size_t depth = 0;

	while (buf_ok(in)) {
		if (open.type == TOKEN_ARRAY || open.type == TOKEN_MAP) {
			if (depth == PAYLOAD_DEPTH ||
			    (open.len != UINT64_MAX && open.len > in->len)) {
				in->err = ERR_LIMIT;
				return;
			}
			left[depth] = open.len;
			if (open.type == TOKEN_MAP && open.len != UINT64_MAX)
				left[depth] = open.len * 2;
			depth++;
		} else if (open.type == TOKEN_BREAK) {
			if (left[depth - 1] != UINT64_MAX) {
				in->err = ERR_SYNTAX;
				return;
			}
			depth--;
		}
		while (depth > 0 && left[depth - 1] == 0)
			depth--;
		if (depth == 0)
			return;
		if (left[depth - 1] != UINT64_MAX)
			left[depth - 1]--;
		open = token_next(in);
	}
}

/* Scalars of an array; a container among them counts as EMU_OTHER. */
static void array_read(struct buf *in, struct token open, struct emu_item *item)
{
	item->value.type = EMU_ARRAY;
	for (uint64_t i = 0; i < open.len && buf_ok(in); i++) {
		struct token token = token_next(in);
		struct emu_value value = token.value;

		if (token.type == TOKEN_BREAK && open.len == UINT64_MAX)
			return;
		if (token.type == TOKEN_ARRAY || token.type == TOKEN_MAP) {
			token_skip(in, token);
			value = (struct emu_value){.type = EMU_OTHER};
		} else if (token.type != TOKEN_VALUE) {
			in->err = in->err ? in->err : ERR_SYNTAX;
			return;
		}
		if (item->len < EMU_ELEMENTS_MAX)
			item->elements[item->len++] = value;
	}
}

static int key_of(const struct emu_value *value, int64_t *ret_key)
{
	if (value->number > INT64_MAX)
		return ERR_RANGE;
	if (value->type == EMU_UINT)
		*ret_key = (int64_t)value->number;
	else if (value->type == EMU_NEGINT)
		*ret_key = -1 - (int64_t)value->number;
	else
		return ERR_SYNTAX;
	return 0;
}

static void item_read(struct buf *in, struct token key, struct emu_msg *msg)
{
	struct emu_item *item = &msg->items[msg->len];
	struct token token;
	int64_t number;

	if (key.type != TOKEN_VALUE || key_of(&key.value, &number) != 0) {
		in->err = in->err ? in->err : ERR_SYNTAX;
		return;
	}
	if (emu_msg_find(msg, number)) {
		in->err = ERR_EXIST;
		return;
	}
	if (msg->len == EMU_ITEMS_MAX) {
		in->err = ERR_LIMIT;
		return;
	}
	item->key = number;
	token = token_next(in);
	if (token.type == TOKEN_VALUE) {
		item->value = token.value;
	} else if (token.type == TOKEN_ARRAY) {
		array_read(in, token, item);
	} else if (token.type == TOKEN_MAP) {
		item->value.type = EMU_OTHER;
		token_skip(in, token);
	} else if (buf_ok(in)) {
		in->err = ERR_SYNTAX;
	}
	msg->len++;
}

static int cbor_read(const void *ptr, size_t len, struct emu_msg *msg)
{
	struct buf in = buf_reader(ptr, len);
	struct token map = token_next(&in);

	if (buf_ok(&in) && map.type != TOKEN_MAP)
		return ERR_SYNTAX;
	for (uint64_t i = 0; i < map.len && buf_ok(&in); i++) {
		struct token key = token_next(&in);

		if (key.type == TOKEN_BREAK && map.len == UINT64_MAX)
			break;
		item_read(&in, key, msg);
	}
	if (buf_ok(&in) && in.pos != in.len)
		return ERR_EXTRA;
	return in.err;
}

int emu_payload_decode(const void *ptr, size_t len, enum emu_format format, struct emu_msg *ret_msg)
{
	emu_msg_init(ret_msg);
	return format == EMU_JSON ? emu_json_decode(ptr, len, ret_msg)
				  : cbor_read(ptr, len, ret_msg);
}
