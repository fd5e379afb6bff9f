/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/cbor.h"

#include <cbor.h>

/* libcbor 0.9 changed the type of lengths; where size_t has 64 bits both are one type. */
#if CBOR_MAJOR_VERSION == 0 && CBOR_MINOR_VERSION < 9
typedef size_t cbor_length;
#else
typedef uint64_t cbor_length;
#endif

enum item_kind {
	ITEM_UINT,
	ITEM_NINT,
	ITEM_BYTES,
	ITEM_TEXT,
	ITEM_BYTES_OPEN, /* indefinite: pieces follow */
	ITEM_TEXT_OPEN,
	ITEM_ARRAY,
	ITEM_ARRAY_OPEN,
	ITEM_MAP,
	ITEM_MAP_OPEN,
	ITEM_TAG,
	ITEM_BOOL,
	ITEM_NULL,
	ITEM_OTHER,
	ITEM_BREAK,
};

/* One head with, for a definite string, its content. */
struct item {
	enum item_kind kind;
	uint64_t number;
	struct bytes bytes;
};

/* libcbor calls exactly one of these per cbor_stream_decode. */
#define ON_NUMBER(name, type, kind_)                                                               \
	static void name(void *item, type value)                                                   \
	{                                                                                          \
		*(struct item *)item = (struct item){.kind = (kind_), .number = value};            \
	}
#define ON_STRING(name, kind_)                                                                     \
	static void name(void *item, cbor_data ptr, cbor_length len)                               \
	{                                                                                          \
		*(struct item *)item =                                                             \
			(struct item){.kind = (kind_), .bytes = {ptr, (size_t)len}};               \
	}
#define ON_EMPTY(name, kind_)                                                                      \
	static void name(void *item)                                                               \
	{                                                                                          \
		*(struct item *)item = (struct item){.kind = (kind_)};                             \
	}
#define ON_FLOAT(name, type)                                                                       \
	static void name(void *item, type value)                                                   \
	{                                                                                          \
		(void)value;                                                                       \
		*(struct item *)item = (struct item){.kind = ITEM_OTHER};                          \
	}

ON_NUMBER(on_uint8, uint8_t, ITEM_UINT)
ON_NUMBER(on_uint16, uint16_t, ITEM_UINT)
ON_NUMBER(on_uint32, uint32_t, ITEM_UINT)
ON_NUMBER(on_uint64, uint64_t, ITEM_UINT)
ON_NUMBER(on_nint8, uint8_t, ITEM_NINT)
ON_NUMBER(on_nint16, uint16_t, ITEM_NINT)
ON_NUMBER(on_nint32, uint32_t, ITEM_NINT)
ON_NUMBER(on_nint64, uint64_t, ITEM_NINT)
ON_NUMBER(on_array, cbor_length, ITEM_ARRAY)
ON_NUMBER(on_map, cbor_length, ITEM_MAP)
ON_NUMBER(on_tag, uint64_t, ITEM_TAG)
ON_NUMBER(on_bool, bool, ITEM_BOOL)
ON_STRING(on_bytes, ITEM_BYTES)
ON_STRING(on_text, ITEM_TEXT)
ON_EMPTY(on_bytes_open, ITEM_BYTES_OPEN)
ON_EMPTY(on_text_open, ITEM_TEXT_OPEN)
ON_EMPTY(on_array_open, ITEM_ARRAY_OPEN)
ON_EMPTY(on_map_open, ITEM_MAP_OPEN)
ON_EMPTY(on_null, ITEM_NULL)
ON_EMPTY(on_undefined, ITEM_OTHER)
ON_EMPTY(on_break, ITEM_BREAK)
ON_FLOAT(on_float, float)
ON_FLOAT(on_double, double)

static const struct cbor_callbacks item_callbacks = {
	.uint8 = on_uint8,
	.uint16 = on_uint16,
	.uint32 = on_uint32,
	.uint64 = on_uint64,
	.negint8 = on_nint8,
	.negint16 = on_nint16,
	.negint32 = on_nint32,
	.negint64 = on_nint64,
	.byte_string_start = on_bytes_open,
	.byte_string = on_bytes,
	.string = on_text,
	.string_start = on_text_open,
	.indef_array_start = on_array_open,
	.array_start = on_array,
	.indef_map_start = on_map_open,
	.map_start = on_map,
	.tag = on_tag,
	.float2 = on_float,
	.float4 = on_float,
	.float8 = on_double,
	.undefined = on_undefined,
	.null = on_null,
	.boolean = on_bool,
	.indef_break = on_break,
};

/* An open container. Its items are counted one by one, so a map has two per member. */
struct frame {
	enum item_kind kind; /* ITEM_ARRAY, ITEM_MAP, ITEM_BYTES, ITEM_TEXT */
	bool open;	     /* indefinite: ends with a break */
	uint64_t left;	     /* items to come, unless open */
	bool value_next;     /* of a map: the next item is a value */
};

struct decoder {
	struct wire_msg *msg;
	struct bytes in;
	size_t pos; /* of the present item */
	struct frame frames[WIRE_DEPTH];
	unsigned depth;
	bool tagged;		 /* the last item was a tag */
	int64_t key;		 /* of the outer map's present member */
	struct wire_node *array; /* the array whose elements come next, at depth 2 */
};

static int fault(struct decoder *d, int err, const char *what)
{
	return wire_fault_set(&d->msg->fault, err, "byte %zu: %s", d->pos, what);
}

static int item_read(struct decoder *d, struct item *ret_item, size_t *ret_len)
{
	struct cbor_decoder_result r = cbor_stream_decode(d->in.ptr + d->pos, d->in.len - d->pos,
							  &item_callbacks, ret_item);

	*ret_len = r.read;
	if (r.status == CBOR_DECODER_FINISHED)
		return 0;
	if (r.status == CBOR_DECODER_NEDATA)
		return fault(d, ERR_TRUNC, "truncated");
	return fault(d, ERR_SYNTAX, "not well-formed CBOR");
}

static bool kind_is_container(enum item_kind kind)
{
	return kind == ITEM_ARRAY || kind == ITEM_ARRAY_OPEN || kind == ITEM_MAP ||
	       kind == ITEM_MAP_OPEN || kind == ITEM_BYTES_OPEN || kind == ITEM_TEXT_OPEN;
}

static int frame_push(struct decoder *d, const struct item *item)
{
	struct frame f = {.kind = item->kind, .left = item->number};

	if (d->depth == WIRE_DEPTH)
		return fault(d, ERR_LIMIT, "nested too deeply");
	/* Every item takes a byte at least; this also keeps the doubling from overflowing. */
	if (f.left > d->in.len)
		return fault(d, ERR_TRUNC, "truncated");
	switch (item->kind) {
	case ITEM_MAP:
		f.left *= 2;
		break;
	case ITEM_MAP_OPEN:
		f.kind = ITEM_MAP;
		f.open = true;
		break;
	case ITEM_ARRAY_OPEN:
		f.kind = ITEM_ARRAY;
		f.open = true;
		break;
	case ITEM_BYTES_OPEN:
		f.kind = ITEM_BYTES;
		f.open = true;
		break;
	case ITEM_TEXT_OPEN:
		f.kind = ITEM_TEXT;
		f.open = true;
		break;
	case ITEM_UINT:
	case ITEM_NINT:
	case ITEM_BYTES:
	case ITEM_TEXT:
	case ITEM_ARRAY:
	case ITEM_TAG:
	case ITEM_BOOL:
	case ITEM_NULL:
	case ITEM_OTHER:
	case ITEM_BREAK:
		break;
	}
	d->frames[d->depth++] = f;
	return 0;
}

static int frame_break(struct decoder *d)
{
	struct frame *top = d->depth ? &d->frames[d->depth - 1] : NULL;

	if (!top || !top->open || top->value_next || d->tagged)
		return fault(d, ERR_SYNTAX, "unexpected break");
	d->depth--;
	return 0;
}

/* What a value becomes. `plain`: it is not tagged and not inside something ignored. */
static enum wire_type value_type(const struct item *item, bool array_allowed)
{
	switch (item->kind) {
	case ITEM_UINT:
		return WIRE_UINT;
	case ITEM_NINT:
		return WIRE_NINT;
	case ITEM_BYTES:
		return WIRE_BYTES;
	case ITEM_TEXT:
		return WIRE_TEXT;
	case ITEM_BOOL:
		return WIRE_BOOL;
	case ITEM_NULL:
		return WIRE_NULL;
	case ITEM_ARRAY:
	case ITEM_ARRAY_OPEN:
		return array_allowed ? WIRE_ARRAY : WIRE_OTHER;
	case ITEM_BYTES_OPEN:
	case ITEM_TEXT_OPEN:
	case ITEM_MAP:
	case ITEM_MAP_OPEN:
	case ITEM_TAG:
	case ITEM_OTHER:
	case ITEM_BREAK:
		break;
	}
	return WIRE_OTHER;
}

static int key_take(struct decoder *d, const struct item *item)
{
	if (d->tagged || (item->kind != ITEM_UINT && item->kind != ITEM_NINT))
		return fault(d, ERR_SYNTAX, "a key that is not an integer");
	if (item->number > INT64_MAX)
		return fault(d, ERR_RANGE, "a key beyond 64 bits");
	d->key = item->kind == ITEM_UINT ? (int64_t)item->number : -1 - (int64_t)item->number;
	return 0;
}

/* Puts the item where it belongs: a key, a member, an element, or nowhere. */
static int item_place(struct decoder *d, const struct item *item)
{
	struct frame *top = &d->frames[d->depth - 1];
	struct wire_node *n = NULL;

	if (d->depth == 1 && !top->value_next)
		return key_take(d, item);
	if (d->depth == 1) {
		enum wire_type type = d->tagged ? WIRE_OTHER : value_type(item, true);
		n = wire_msg_member(d->msg, d->key, type);
		d->array = n && type == WIRE_ARRAY ? n : NULL;
	} else if (d->depth == 2 && d->array) {
		enum wire_type type = d->tagged ? WIRE_OTHER : value_type(item, false);
		n = wire_msg_element(d->msg, d->array, type);
	} else {
		return 0;
	}
	if (!n)
		return d->msg->fault.err;
	if (n->type != WIRE_ARRAY) {
		n->number = item->number;
		n->bytes = item->bytes;
	}
	return 0;
}

/* An item inside a container. */
static int item_step(struct decoder *d, const struct item *item)
{
	struct frame *top = &d->frames[d->depth - 1];

	if (item->kind == ITEM_BREAK)
		return frame_break(d);
	if ((top->kind == ITEM_BYTES || top->kind == ITEM_TEXT) && item->kind != top->kind)
		return fault(d, ERR_SYNTAX, "a piece of another type");
	if (item->kind == ITEM_TEXT && !wire_utf8_ok(item->bytes))
		return fault(d, ERR_SYNTAX, "text that is not UTF-8");
	if (item->kind == ITEM_TAG) {
		d->tagged = true;
		return 0;
	}
	int err = item_place(d, item);
	if (err)
		return err;
	d->tagged = false;
	if (top->kind == ITEM_MAP)
		top->value_next = !top->value_next;
	if (!top->open)
		top->left--;
	return kind_is_container(item->kind) ? frame_push(d, item) : 0;
}

static void frames_close(struct decoder *d)
{
	while (d->depth && !d->frames[d->depth - 1].open && d->frames[d->depth - 1].left == 0)
		d->depth--;
}

static int decode(struct decoder *d)
{
	struct item item = {.kind = ITEM_OTHER};
	size_t len;
	int err = item_read(d, &item, &len);

	if (err)
		return err;
	if (item.kind != ITEM_MAP && item.kind != ITEM_MAP_OPEN)
		return fault(d, ERR_SYNTAX, "not a map");
	err = frame_push(d, &item);
	d->pos += len;
	frames_close(d);
	while (!err && d->depth) {
		err = item_read(d, &item, &len);
		if (!err)
			err = item_step(d, &item);
		if (!err)
			d->pos += len;
		frames_close(d);
	}
	if (!err && d->pos < d->in.len)
		err = fault(d, ERR_EXTRA, "more after the end of the map");
	return err;
}

int wire_cbor_decode(struct bytes in, struct wire_msg *msg)
{
	struct decoder d = {.msg = msg, .in = in};

	wire_msg_begin(msg, WIRE_CBOR);
	return decode(&d);
}

void wire_cbor_put_head(struct buf *out, enum wire_major major, uint64_t value)
{
	uint8_t high = (uint8_t)((unsigned)major << 5);

	if (value < 24) {
		buf_put_u8(out, (uint8_t)(high | value));
	} else if (value <= UINT8_MAX) {
		buf_put_u8(out, high | 24);
		buf_put_u8(out, (uint8_t)value);
	} else if (value <= UINT16_MAX) {
		buf_put_u8(out, high | 25);
		buf_put_u16(out, (uint16_t)value);
	} else if (value <= UINT32_MAX) {
		buf_put_u8(out, high | 26);
		buf_put_u32(out, (uint32_t)value);
	} else {
		buf_put_u8(out, high | 27);
		buf_put_u64(out, value);
	}
}
