/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/cbor.h"

#include "wire/item.h"

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

static int item_read(struct decoder *d, struct wire_item *ret_item, size_t *ret_len)
{
	int err = wire_item_read(d->in, d->pos, ret_item, ret_len);

	if (!err)
		return 0;
	return fault(d, err, err == ERR_TRUNC ? "truncated" : "not well-formed CBOR");
}

static int frame_push(struct decoder *d, const struct wire_item *item)
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
	case ITEM_FLOAT:
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

/* What a value becomes unless it is tagged. Arrays count directly in the outer map only. */
static enum wire_type value_type(const struct wire_item *item, bool array_allowed)
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
	case ITEM_FLOAT:
	case ITEM_OTHER:
	case ITEM_BREAK:
		break;
	}
	return WIRE_OTHER;
}

static int key_take(struct decoder *d, const struct wire_item *item)
{
	if (d->tagged || (item->kind != ITEM_UINT && item->kind != ITEM_NINT))
		return fault(d, ERR_SYNTAX, "a key that is not an integer");
	if (item->number > INT64_MAX)
		return fault(d, ERR_RANGE, "a key beyond 64 bits");
	d->key = item->kind == ITEM_UINT ? (int64_t)item->number : -1 - (int64_t)item->number;
	return 0;
}

/* Puts the item where it belongs: a key, a member, an element, or nowhere. */
static int item_place(struct decoder *d, const struct wire_item *item)
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
static int item_step(struct decoder *d, const struct wire_item *item)
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
	return wire_item_opens(item->kind) ? frame_push(d, item) : 0;
}

static void frames_close(struct decoder *d)
{
	while (d->depth && !d->frames[d->depth - 1].open && d->frames[d->depth - 1].left == 0)
		d->depth--;
}

static int decode(struct decoder *d)
{
	struct wire_item item = {.kind = ITEM_OTHER};
	size_t len = 0;
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
