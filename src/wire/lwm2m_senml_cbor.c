/* SPDX-License-Identifier: Apache-2.0
 *
 * SenML in CBOR (RFC 8428 6), and the single value of format 60. Texts in pieces are put together
 * in the scratch; what stands under a label we do not know is stepped over.
 */
#include <math.h>

#include "wire/item.h"
#include "wire/lwm2m_senml.h"

/* RFC 8949 3.4: what is tagged with anything else is taken as if it were not. */
enum { TAG_BIGNUM = 2, TAG_NEGATIVE_BIGNUM = 3, TAG_DECIMAL = 4, TAG_BIGFLOAT = 5 };

struct reader {
	struct bytes in;
	size_t pos;
	struct lwm2m_sink *sink;
};

static int fault(struct reader *r, int err, const char *what)
{
	return wire_fault_set(r->sink->fault, err, "byte %zu: %s", r->pos, what);
}

/* Steps behind the head that it reads. */
static int next(struct reader *r, struct wire_item *ret)
{
	size_t len = 0;
	int err = wire_item_read(r->in, r->pos, ret, &len);

	if (err)
		return fault(r, err, err == ERR_TRUNC ? "truncated" : "not well-formed CBOR");
	if (ret->kind == ITEM_TEXT && !wire_utf8_ok(ret->bytes))
		return fault(r, ERR_SYNTAX, "text that is not UTF-8");
	r->pos += len;
	return 0;
}

/* An open container that is stepped over. */
struct frame {
	enum item_kind kind;
	uint64_t left; /* of a definite one; of an open map 1 while a value is due */
};

static bool frame_is_open(const struct frame *f)
{
	return f->kind != ITEM_ARRAY && f->kind != ITEM_MAP;
}

/* One item inside of a frame: whether it may be there, and what it leaves. */
static int frame_step(struct reader *r, struct frame *f, const struct wire_item *item)
{
	if ((f->kind == ITEM_TEXT_OPEN && item->kind != ITEM_TEXT) ||
	    (f->kind == ITEM_BYTES_OPEN && item->kind != ITEM_BYTES))
		return fault(r, ERR_SYNTAX, "a piece of another type");
	if (f->kind == ITEM_MAP_OPEN)
		f->left = !f->left;
	else if (!frame_is_open(f))
		f->left--;
	return 0;
}

/* The item that was read, if it holds others: a frame more. */
static int frame_push(struct reader *r, struct frame frames[WIRE_DEPTH], unsigned *depth,
		      const struct wire_item *item)
{
	struct frame f = {item->kind, 0};

	if (!wire_item_opens(item->kind))
		return 0;
	if (*depth == WIRE_DEPTH)
		return fault(r, ERR_LIMIT, "nested too deeply");
	if (!frame_is_open(&f)) {
		/* Every item takes a byte; so the doubling cannot overflow. */
		if (item->number > r->in.len)
			return fault(r, ERR_TRUNC, "truncated");
		f.left = item->kind == ITEM_MAP ? 2 * item->number : item->number;
	}
	frames[(*depth)++] = f;
	return 0;
}

static bool frame_is_full(const struct frame *f)
{
	return !frame_is_open(f) && !f->left;
}

static bool frame_may_break(const struct frame *f)
{
	return frame_is_open(f) && !f->left;
}

/* All that belongs to `item`, without recursion. */
static int skip(struct reader *r, const struct wire_item *item)
{
	struct frame frames[WIRE_DEPTH];
	struct wire_item inner = *item;
	unsigned depth = 0;
	bool tagged = item->kind == ITEM_TAG;
	int err = 0;

	if (item->kind == ITEM_BREAK)
		return fault(r, ERR_SYNTAX, "unexpected break");
	while (!(err = frame_push(r, frames, &depth, &inner))) {
		while (depth && frame_is_full(&frames[depth - 1]))
			depth--;
		if (!depth && !tagged)
			return 0;
		err = next(r, &inner);
		if (err)
			return err;
		if (inner.kind == ITEM_BREAK) {
			if (tagged || !depth || !frame_may_break(&frames[depth - 1]))
				return fault(r, ERR_SYNTAX, "unexpected break");
			depth--;
			inner.kind = ITEM_OTHER;
			continue;
		}
		tagged = inner.kind == ITEM_TAG;
		err = depth && !tagged ? frame_step(r, &frames[depth - 1], &inner) : 0;
		if (err)
			return err;
	}
	return err;
}

/* A text or bytes in pieces, put together. */
static int join(struct reader *r, enum item_kind piece, struct bytes *ret)
{
	struct lwm2m_sink *sink = r->sink;
	uint8_t *dst = sink->scratch + sink->used;
	size_t used = sink->used;
	struct wire_item item;

	for (;;) {
		int err = next(r, &item);
		if (!err && item.kind == ITEM_BREAK)
			break;
		if (!err && item.kind != piece)
			err = fault(r, ERR_SYNTAX, "a piece of another type");
		if (!err)
			err = lwm2m_sink_keep(sink, item.bytes);
		if (err)
			return err;
	}
	*ret = (struct bytes){dst, sink->used - used};
	return 0;
}

static int number(struct reader *r, const struct wire_item *item, int64_t *ret)
{
	if (item->kind != ITEM_UINT && item->kind != ITEM_NINT)
		return fault(r, ERR_SYNTAX, "not an integer");
	if (item->number > INT64_MAX)
		return fault(r, ERR_RANGE, "a number beyond 64 bits");
	*ret = item->kind == ITEM_UINT ? (int64_t)item->number : -1 - (int64_t)item->number;
	return 0;
}

enum { MOST_EXPONENT = 300 };

/* RFC 8949 3.4.4: [exponent, mantissa]. */
static int decimal(struct reader *r, struct senml_datum *ret)
{
	int64_t part[2] = {0, 0};
	struct wire_item item;
	int err = next(r, &item);

	if (!err && (item.kind != ITEM_ARRAY || item.number != 2))
		err = fault(r, ERR_SYNTAX, "not a decimal fraction");
	for (int i = 0; !err && i < 2; i++) {
		err = next(r, &item);
		if (!err)
			err = number(r, &item, &part[i]);
	}
	if (err)
		return err;
	ret->real = (double)part[1];
	if (part[0] < -MOST_EXPONENT || part[0] > MOST_EXPONENT)
		return fault(r, ERR_RANGE, "a number that is too big");
	/* One division: exact where the power of ten is. */
	double power = 1;
	for (int64_t i = part[0] < 0 ? -part[0] : part[0]; i; i--)
		power *= 10;
	ret->real = part[0] < 0 ? ret->real / power : ret->real * power;
	if (!isfinite(ret->real))
		return fault(r, ERR_RANGE, "a number that is too big");
	ret->kind = DATUM_REAL;
	return 0;
}

/* The tags in front of a value: each but the known ones is as if it were not there. */
static int untag(struct reader *r, struct wire_item *item, bool *ret_decimal)
{
	int err = 0;

	*ret_decimal = false;
	while (!err && item->kind == ITEM_TAG && !*ret_decimal) {
		if (item->number == TAG_BIGNUM || item->number == TAG_NEGATIVE_BIGNUM ||
		    item->number == TAG_BIGFLOAT)
			return fault(r, ERR_RANGE, "a number beyond 64 bits");
		*ret_decimal = item->number == TAG_DECIMAL;
		if (!*ret_decimal)
			err = next(r, item);
	}
	return err;
}

/* One value; one that nobody asks for is only stepped over. */
static int datum_get(struct reader *r, bool wanted, struct senml_datum *ret)
{
	struct wire_item item;
	bool is_decimal = false;
	int err = next(r, &item);

	*ret = (struct senml_datum){.kind = DATUM_OTHER};
	if (!err && !wanted)
		return skip(r, &item);
	if (!err)
		err = untag(r, &item, &is_decimal);
	if (err)
		return err;
	if (is_decimal)
		return decimal(r, ret);
	switch (item.kind) {
	case ITEM_UINT:
	case ITEM_NINT:
		ret->kind = DATUM_INT;
		return number(r, &item, &ret->number);
	case ITEM_FLOAT:
		ret->kind = DATUM_REAL;
		ret->real = item.real;
		return 0;
	case ITEM_BOOL:
		ret->kind = DATUM_BOOL;
		ret->number = (int64_t)item.number;
		return 0;
	case ITEM_TEXT:
	case ITEM_BYTES:
		ret->kind = item.kind == ITEM_TEXT ? DATUM_TEXT : DATUM_BYTES;
		ret->bytes = item.bytes;
		return 0;
	case ITEM_TEXT_OPEN:
		ret->kind = DATUM_TEXT;
		return join(r, ITEM_TEXT, &ret->bytes);
	case ITEM_BYTES_OPEN:
		ret->kind = DATUM_BYTES;
		return join(r, ITEM_BYTES, &ret->bytes);
	case ITEM_ARRAY:
	case ITEM_ARRAY_OPEN:
	case ITEM_MAP:
	case ITEM_MAP_OPEN:
	case ITEM_TAG:
	case ITEM_NULL:
	case ITEM_OTHER:
	case ITEM_BREAK:
		break;
	}
	return skip(r, &item);
}

static int label_get(struct reader *r, struct senml_pack *pack, const struct wire_item *item,
		     enum senml_label *ret)
{
	int64_t n = 0;

	if (item->kind == ITEM_TEXT)
		return senml_label_from_text(pack, item->bytes, ret);
	if (item->kind != ITEM_UINT && item->kind != ITEM_NINT)
		return fault(r, ERR_SYNTAX, "a label that is neither integer nor text");
	int err = number(r, item, &n);
	if (!err)
		*ret = senml_label_from_number(n);
	return err;
}

/* Whether a container has ended: by its count or by a break, which is in *ret_item then. */
static int more(struct reader *r, bool open, uint64_t *left, struct wire_item *ret_item,
		bool *ret_more)
{
	*ret_more = open || *left;
	if (!*ret_more)
		return 0;
	int err = next(r, ret_item);
	if (err)
		return err;
	if (open && ret_item->kind == ITEM_BREAK)
		*ret_more = false;
	else if (!open)
		--*left;
	return 0;
}

static int record_get(struct reader *r, struct senml_pack *pack, const struct wire_item *map)
{
	uint64_t left = map->number;
	bool going = true;
	int err = 0;

	if (map->kind != ITEM_MAP && map->kind != ITEM_MAP_OPEN)
		return fault(r, ERR_SYNTAX, "a record that is not a map");
	senml_record_begin(pack);
	while (!err) {
		enum senml_label label = SENML_OTHER;
		struct senml_datum datum;
		struct wire_item item;
		err = more(r, map->kind == ITEM_MAP_OPEN, &left, &item, &going);
		if (err || !going)
			break;
		err = label_get(r, pack, &item, &label);
		if (!err)
			err = datum_get(r, label != SENML_OTHER, &datum);
		if (!err)
			err = senml_field(pack, label, &datum);
	}
	return err ? err : senml_record_end(pack);
}

static int at_end(struct reader *r)
{
	return r->pos < r->in.len ? fault(r, ERR_EXTRA, "more after the end") : 0;
}

int lwm2m_senml_cbor_decode(struct bytes payload, struct lwm2m_sink *sink)
{
	struct reader r = {.in = payload, .sink = sink};
	struct senml_pack pack = {.sink = sink};
	struct wire_item array, item;
	bool going = true, decimal_array = false;
	int err = next(&r, &array);

	if (!err)
		err = untag(&r, &array, &decimal_array);
	if (err)
		return err;
	if (decimal_array || (array.kind != ITEM_ARRAY && array.kind != ITEM_ARRAY_OPEN))
		return wire_fault_set(sink->fault, ERR_SYNTAX, "byte 0: not an array of records");
	uint64_t left = array.number;
	while (!err) {
		err = more(&r, array.kind == ITEM_ARRAY_OPEN, &left, &item, &going);
		if (err || !going)
			break;
		err = record_get(&r, &pack, &item);
	}
	return err ? err : at_end(&r);
}

int lwm2m_cbor_decode(struct bytes payload, struct lwm2m_sink *sink)
{
	static const enum lwm2m_type types[] = {
		[DATUM_INT] = LWM2M_INT,     [DATUM_REAL] = LWM2M_FLOAT,
		[DATUM_TEXT] = LWM2M_STRING, [DATUM_BYTES] = LWM2M_BYTES,
		[DATUM_BOOL] = LWM2M_BOOL,
	};
	struct reader r = {.in = payload, .sink = sink};
	struct senml_datum d;
	int err = datum_get(&r, true, &d);

	if (!err)
		err = at_end(&r);
	if (!err && d.kind == DATUM_OTHER)
		err = wire_fault_set(sink->fault, ERR_SYNTAX,
				     "byte 0: not a number, text, bytes or a boolean");
	if (err)
		return err;
	struct lwm2m_value v = {.path = *sink->base,
				.type = types[d.kind],
				.number = d.number,
				.real = d.real,
				.bytes = d.bytes};
	return lwm2m_sink_put(sink, &v, false);
}
