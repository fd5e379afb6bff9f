/* SPDX-License-Identifier: Apache-2.0
 *
 * OMA TLV (LwM2M core 1.0 to 1.2, "TLV"). A type byte: what it is (2 bits), whether the identifier
 * has 2 bytes (1), how many bytes a length behind it has (2), or else the length itself (3).
 * At most three levels: an instance of an object, a resource, an instance of that.
 */
#include <math.h>
#include <string.h>

#include "wire/lwm2m_inner.h"

/* The same as the two bits of the type byte. */
enum kind { KIND_OBJECT_INSTANCE, KIND_RESOURCE_INSTANCE, KIND_MULTIPLE, KIND_RESOURCE };

enum { LEVEL_INSTANCE = 1, LEVEL_RESOURCE = 2, LEVEL_RESOURCE_INSTANCE = 3 };

static unsigned level_of(enum kind kind)
{
	if (kind == KIND_OBJECT_INSTANCE)
		return LEVEL_INSTANCE;
	return kind == KIND_RESOURCE_INSTANCE ? LEVEL_RESOURCE_INSTANCE : LEVEL_RESOURCE;
}

struct tlv {
	enum kind kind;
	uint16_t id;
	size_t at; /* of its type byte */
	struct bytes value;
};

struct reader {
	struct buf in;
	struct lwm2m_sink *sink;
	struct lwm2m_path path; /* of what is being read; its ids above the present level hold */
	size_t instance_end;	/* of the object instance we are in; 0: none */
	size_t multiple_end;	/* of the multiple resource we are in; 0: none */
};

static int fault(const struct reader *r, size_t at, int err, const char *what)
{
	return wire_fault_set(r->sink->fault, err, "byte %zu: %s", at, what);
}

/* The head; `value` is not taken from `in` yet, as a container is entered. */
static int head_get(struct reader *r, size_t end, struct tlv *ret)
{
	struct buf *b = &r->in;
	struct tlv t = {.at = b->pos};
	uint8_t type = buf_get_u8(b);
	size_t len = type & 7;

	t.kind = (enum kind)(type >> 6);
	t.id = type & 0x20 ? buf_get_u16(b) : buf_get_u8(b);
	for (unsigned left = type >> 3 & 3, first = 1; left; left--, first = 0)
		len = (first ? 0 : len << 8) | buf_get_u8(b);
	if (!buf_ok(b) || b->pos > end || len > end - b->pos)
		return fault(r, t.at, ERR_TRUNC, "truncated");
	t.value = (struct bytes){b->ptr + b->pos, len};
	*ret = t;
	return 0;
}

/* Whether it may stand here, and the path it has. */
static int place(struct reader *r, const struct tlv *t)
{
	const struct lwm2m_path *base = r->sink->base;
	unsigned level = level_of(t->kind);

	if (r->multiple_end && level != LEVEL_RESOURCE_INSTANCE)
		return fault(r, t->at, ERR_SYNTAX, "no instance of a resource inside of one");
	if (!r->multiple_end && level == LEVEL_RESOURCE_INSTANCE && base->count <= LEVEL_RESOURCE)
		return fault(r, t->at, ERR_SYNTAX, "an instance of a resource outside of one");
	if (r->instance_end && level == LEVEL_INSTANCE)
		return fault(r, t->at, ERR_SYNTAX, "an instance of an object inside of another");
	/* An object that was read as a whole and has one instance may come without it. */
	if (!r->instance_end && level == LEVEL_RESOURCE && base->count <= LEVEL_INSTANCE)
		r->path.id[LEVEL_INSTANCE] = 0;
	if (base->count > level && base->id[level] != t->id)
		return wire_fault_set(r->sink->fault, ERR_INVAL, "byte %zu: id %u, not %u", t->at,
				      t->id, base->id[level]);
	r->path.id[level] = t->id;
	r->path.count = (uint8_t)(level + 1);
	return 0;
}

static int value_put(struct reader *r, const struct tlv *t)
{
	struct lwm2m_value v = {.path = r->path, .type = LWM2M_RAW, .bytes = t->value};

	(void)buf_get_bytes(&r->in, t->value.len);
	return lwm2m_sink_put(r->sink, &v, false);
}

static int step(struct reader *r)
{
	size_t end = r->multiple_end   ? r->multiple_end
		     : r->instance_end ? r->instance_end
				       : r->in.len;
	struct tlv t = {.kind = KIND_RESOURCE};
	int err = head_get(r, end, &t);

	if (!err)
		err = place(r, &t);
	if (err)
		return err;
	if (t.kind == KIND_OBJECT_INSTANCE)
		r->instance_end = r->in.pos + t.value.len;
	else if (t.kind == KIND_MULTIPLE)
		r->multiple_end = r->in.pos + t.value.len;
	else
		err = value_put(r, &t);
	if (r->in.pos == r->multiple_end)
		r->multiple_end = 0;
	if (r->in.pos == r->instance_end && !r->multiple_end)
		r->instance_end = 0;
	return err;
}

int lwm2m_tlv_decode(struct bytes payload, struct lwm2m_sink *sink)
{
	struct reader r = {
		.in = buf_reader(payload.ptr, payload.len), .sink = sink, .path = *sink->base};
	int err = 0;

	if (sink->base->count == 0)
		return wire_fault_set(sink->fault, ERR_UNSUPPORTED,
				      "TLV does not say which object it is of");
	while (!err && buf_left(&r.in))
		err = step(&r);
	return err;
}

/* ---- the other way ---- */

/* In the fewest of 1, 2, 4 or 8 bytes. */
static size_t put_int(uint8_t dst[8], int64_t number)
{
	struct buf b = buf_writer(dst, 8);

	if (number >= INT8_MIN && number <= INT8_MAX)
		buf_put_u8(&b, (uint8_t)number);
	else if (number >= INT16_MIN && number <= INT16_MAX)
		buf_put_u16(&b, (uint16_t)number);
	else if (number >= INT32_MIN && number <= INT32_MAX)
		buf_put_u32(&b, (uint32_t)number);
	else
		buf_put_u64(&b, (uint64_t)number);
	return b.pos;
}

/* In 4 bytes where that loses nothing. */
static size_t put_float(uint8_t dst[8], double real)
{
	struct buf b = buf_writer(dst, 8);
	float f = (float)real;

	if (isnan(real) || (double)f == real) {
		uint32_t bits;
		memcpy(&bits, &f, sizeof(bits));
		buf_put_u32(&b, bits);
	} else {
		uint64_t bits;
		memcpy(&bits, &real, sizeof(bits));
		buf_put_u64(&b, bits);
	}
	return b.pos;
}

static struct bytes content(const struct lwm2m_value *v, uint8_t dst[8])
{
	switch (v->type) {
	case LWM2M_INT:
		return (struct bytes){dst, put_int(dst, v->number)};
	case LWM2M_BOOL:
		return (struct bytes){dst, put_int(dst, v->number != 0)};
	case LWM2M_FLOAT:
		return (struct bytes){dst, put_float(dst, v->real)};
	case LWM2M_RAW:
	case LWM2M_STRING:
	case LWM2M_BYTES:
		break;
	}
	return v->bytes;
}

static size_t head_size(uint16_t id, size_t len)
{
	return 1 + (id > UINT8_MAX ? 2U : 1U) +
	       (len < 8		    ? 0U
		: len <= UINT8_MAX  ? 1U
		: len <= UINT16_MAX ? 2U
				    : 3U);
}

static void put_head(struct buf *out, enum kind kind, uint16_t id, size_t len)
{
	unsigned lens = len < 8 ? 0U : len <= UINT8_MAX ? 1U : len <= UINT16_MAX ? 2U : 3U;
	unsigned small = lens ? 0 : (unsigned)len;

	if (len > 0xffffff) {
		out->err = out->err ? out->err : ERR_LIMIT;
		return;
	}
	buf_put_u8(out, (uint8_t)((unsigned)kind << 6 | (id > UINT8_MAX ? 0x20U : 0) | lens << 3 |
				  small));
	if (id > UINT8_MAX)
		buf_put_u16(out, id);
	else
		buf_put_u8(out, (uint8_t)id);
	for (unsigned i = lens; i; i--)
		buf_put_u8(out, (uint8_t)(len >> (8 * (i - 1))));
}

/* Values from `at` on that lie below its first `levels` ids. */
static size_t group(const struct lwm2m_value *values, size_t count, size_t at, unsigned levels)
{
	size_t end = at;

	while (end < count && values[end].path.count > levels &&
	       memcmp(values[end].path.id, values[at].path.id, levels * sizeof(uint16_t)) == 0)
		end++;
	return end - at;
}

static size_t value_size(const struct lwm2m_value *v, unsigned level)
{
	uint8_t raw[8];
	size_t len = content(v, raw).len;

	return head_size(v->path.id[level], len) + len;
}

/* Of a resource; if it has instances then of all of them, without the head around them. */
static size_t resource_size(const struct lwm2m_value *v, size_t count)
{
	size_t size = 0;

	if (v->path.count == 3)
		return value_size(v, LEVEL_RESOURCE);
	for (size_t i = 0; i < count; i++)
		size += value_size(&v[i], LEVEL_RESOURCE_INSTANCE);
	return size;
}

static void put_value(struct buf *out, const struct lwm2m_value *v)
{
	uint8_t raw[8];
	struct bytes value = content(v, raw);
	unsigned level = v->path.count - 1U;

	put_head(out, level == LEVEL_RESOURCE ? KIND_RESOURCE : KIND_RESOURCE_INSTANCE,
		 v->path.id[level], value.len);
	buf_put_bytes(out, value.ptr, value.len);
}

/* How many values the resource at `v` takes. */
static size_t resource_count(const struct lwm2m_value *v, size_t count)
{
	return v->path.count == 3 ? 1 : group(v, count, 0, 3);
}

static void put_resources(struct buf *out, const struct lwm2m_value *v, size_t count)
{
	size_t step;

	for (size_t i = 0; i < count; i += step) {
		step = resource_count(v + i, count - i);
		if (v[i].path.count == 4)
			put_head(out, KIND_MULTIPLE, v[i].path.id[LEVEL_RESOURCE],
				 resource_size(v + i, step));
		for (size_t k = 0; k < step; k++)
			put_value(out, v + i + k);
	}
}

static size_t instance_size(const struct lwm2m_value *v, size_t count)
{
	size_t size = 0, step;

	for (size_t i = 0; i < count; i += step) {
		step = resource_count(v + i, count - i);
		size_t part = resource_size(v + i, step);
		size += part;
		if (v[i].path.count == 4)
			size += head_size(v[i].path.id[LEVEL_RESOURCE], part);
	}
	return size;
}

int lwm2m_tlv_encode(const struct lwm2m_path *base, const struct lwm2m_value *values, size_t count,
		     struct buf *out)
{
	size_t step;

	if (base->count == 0)
		return ERR_UNSUPPORTED;
	if (base->count > 1) {
		put_resources(out, values, count);
		return out->err;
	}
	for (size_t i = 0; i < count; i += step) {
		step = group(values, count, i, 2);
		put_head(out, KIND_OBJECT_INSTANCE, values[i].path.id[LEVEL_INSTANCE],
			 instance_size(values + i, step));
		put_resources(out, values + i, step);
	}
	return out->err;
}
