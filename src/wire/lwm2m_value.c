/* SPDX-License-Identifier: Apache-2.0
 *
 * Paths, and what a value is.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "wire/lwm2m_inner.h"

static bool id_take(struct buf *b, uint16_t *ret_id)
{
	size_t start = b->pos;
	uint32_t id = 0;

	while (buf_left(b) && b->ptr[b->pos] >= '0' && b->ptr[b->pos] <= '9') {
		id = id * 10 + (uint32_t)(buf_get_u8(b) - '0');
		if (id > UINT16_MAX)
			return false;
	}
	size_t digits = b->pos - start;
	*ret_id = (uint16_t)id;
	return digits == 1 || (digits > 1 && b->ptr[start] != '0');
}

int lwm2m_path_parse(struct bytes text, struct lwm2m_path *ret)
{
	struct buf b = buf_reader(text.ptr, text.len);
	struct lwm2m_path path = {0};

	if (buf_left(&b) && b.ptr[0] == '/')
		(void)buf_get_u8(&b);
	else if (!buf_left(&b))
		return ERR_SYNTAX;
	while (buf_left(&b)) {
		if (path.count == LWM2M_LEVELS || !id_take(&b, &path.id[path.count++]))
			return ERR_SYNTAX;
		if (buf_left(&b) && (buf_get_u8(&b) != '/' || !buf_left(&b)))
			return ERR_SYNTAX;
	}
	*ret = path;
	return 0;
}

char *lwm2m_path_text(const struct lwm2m_path *path, char dst[LWM2M_PATH_TEXT])
{
	struct buf b = buf_writer(dst, LWM2M_PATH_TEXT);

	if (path->count == 0)
		buf_put_str(&b, "/");
	for (unsigned i = 0; i < path->count; i++) {
		buf_put_str(&b, "/");
		buf_put_dec(&b, path->id[i]);
	}
	return buf_cstr(&b);
}

/* Digits with an optional minus. */
static bool int_from_text(struct bytes text, int64_t *ret)
{
	size_t i = text.len && text.ptr[0] == '-';
	bool negative = i;
	uint64_t most = (uint64_t)INT64_MAX + negative, n = 0;

	if (i == text.len)
		return false;
	for (; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		uint64_t digit = (uint64_t)(text.ptr[i] - '0');
		if (n > (most - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	/* -1 - (n - 1), as -n may not fit before it is negative. */
	*ret = negative && n ? -1 - (int64_t)(n - 1) : (int64_t)n;
	return true;
}

/* Integers of TLV: 1, 2, 4 or 8 bytes, signed. */
static bool int_from_raw(struct bytes raw, int64_t *ret)
{
	struct buf b = buf_reader(raw.ptr, raw.len);

	switch (raw.len) {
	case 1:
		*ret = buf_get_u8(&b);
		*ret -= *ret > INT8_MAX ? UINT8_MAX + 1 : 0;
		return true;
	case 2:
		*ret = (int16_t)buf_get_u16(&b);
		return true;
	case 4:
		*ret = (int32_t)buf_get_u32(&b);
		return true;
	case 8:
		*ret = (int64_t)buf_get_u64(&b);
		return true;
	default:
		return false;
	}
}

bool lwm2m_value_int(const struct lwm2m_value *v, int64_t *ret)
{
	if (v->type == LWM2M_RAW)
		return v->text_form ? int_from_text(v->bytes, ret) : int_from_raw(v->bytes, ret);
	if (v->type == LWM2M_INT) {
		*ret = v->number;
		return true;
	}
	/* Some write whole numbers as floats; above 2^53 they are not exact any more. */
	if (v->type != LWM2M_FLOAT || !(fabs(v->real) <= 9007199254740992.0) ||
	    v->real != (double)(int64_t)v->real)
		return false;
	*ret = (int64_t)v->real;
	return true;
}

/* Digits with an optional fraction and exponent, as in JSON; no names, no hex. */
static bool real_from_text(struct bytes text, double *ret)
{
	char digits[64];
	char *end;

	if (text.len == 0 || text.len >= sizeof(digits))
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (!strchr("+-.0123456789eE", text.ptr[i]) || text.ptr[i] == 0)
			return false;
	memcpy(digits, text.ptr, text.len);
	digits[text.len] = 0;
	double real = strtod(digits, &end);
	if (*end || !isfinite(real))
		return false;
	*ret = real;
	return true;
}

static bool real_from_raw(struct bytes raw, double *ret)
{
	struct buf b = buf_reader(raw.ptr, raw.len);

	if (raw.len == sizeof(float)) {
		uint32_t bits = buf_get_u32(&b);
		float f;
		memcpy(&f, &bits, sizeof(f));
		*ret = (double)f;
	} else if (raw.len == sizeof(double)) {
		uint64_t bits = buf_get_u64(&b);
		memcpy(ret, &bits, sizeof(*ret));
	} else {
		return false;
	}
	return true;
}

bool lwm2m_value_real(const struct lwm2m_value *v, double *ret)
{
	if (v->type == LWM2M_RAW)
		return v->text_form ? real_from_text(v->bytes, ret) : real_from_raw(v->bytes, ret);
	if (v->type != LWM2M_FLOAT && v->type != LWM2M_INT)
		return false;
	*ret = v->type == LWM2M_FLOAT ? v->real : (double)v->number;
	return true;
}

bool lwm2m_value_bool(const struct lwm2m_value *v, bool *ret)
{
	int64_t number = v->number;

	if (v->type == LWM2M_RAW && (v->bytes.len != 1 || !lwm2m_value_int(v, &number)))
		return false;
	if (v->type != LWM2M_RAW && v->type != LWM2M_BOOL && v->type != LWM2M_INT)
		return false;
	if (number != 0 && number != 1)
		return false;
	*ret = number;
	return true;
}

bool lwm2m_value_text(const struct lwm2m_value *v, char *dst, size_t cap)
{
	if (v->type != LWM2M_RAW && v->type != LWM2M_STRING)
		return false;
	if (v->bytes.len >= cap || !wire_text_ok(v->bytes))
		return false;
	if (v->bytes.len)
		memcpy(dst, v->bytes.ptr, v->bytes.len);
	dst[v->bytes.len] = 0;
	return true;
}

bool lwm2m_value_bytes(const struct lwm2m_value *v, struct bytes *ret)
{
	if (v->type != LWM2M_BYTES && (v->type != LWM2M_RAW || v->text_form))
		return false;
	*ret = v->bytes;
	return true;
}

/* Times relative to now (RFC 8428 4.5.3) are later than those since 1970. */
static bool is_newer(const struct lwm2m_value *v, const struct lwm2m_value *than)
{
	const double relative = 268435456; /* 2^28 */

	if ((v->time_s < relative) != (than->time_s < relative))
		return v->time_s < relative;
	return v->time_s >= than->time_s;
}

/* The same, or below it. */
static bool is_within(const struct lwm2m_path *path, const struct lwm2m_path *of)
{
	return path->count >= of->count &&
	       memcmp(path->id, of->id, of->count * sizeof(of->id[0])) == 0;
}

const struct lwm2m_value *lwm2m_value_at(const struct lwm2m_value *values, size_t count,
					 unsigned object, unsigned instance, unsigned resource)
{
	const struct lwm2m_value *found = NULL;

	for (const struct lwm2m_value *v = values; v < values + count; v++) {
		if (v->path.count < 3 || v->path.id[0] != object || v->path.id[1] != instance ||
		    v->path.id[2] != resource)
			continue;
		if (!found || (v->path.count == found->path.count &&
			       is_within(&v->path, &found->path) && is_newer(v, found)))
			found = v;
	}
	return found;
}

struct lwm2m_sink lwm2m_sink_begin(const struct lwm2m_path *base, struct lwm2m_value *values,
				   size_t cap, uint8_t *scratch, struct wire_fault *fault)
{
	*fault = (struct wire_fault){0};
	return (struct lwm2m_sink){
		.base = base, .values = values, .cap = cap, .scratch = scratch, .fault = fault};
}

int lwm2m_sink_put(struct lwm2m_sink *sink, const struct lwm2m_value *value, bool series)
{
	const struct lwm2m_path *base = sink->base, *path = &value->path;
	char text[LWM2M_PATH_TEXT], under[LWM2M_PATH_TEXT];

	if (path->count < 3)
		return wire_fault_set(sink->fault, ERR_INVAL, "%s is no resource",
				      lwm2m_path_text(path, text));
	if (!is_within(path, base))
		return wire_fault_set(sink->fault, ERR_INVAL, "%s is not under %s",
				      lwm2m_path_text(path, text), lwm2m_path_text(base, under));
	for (size_t i = 0; !series && i < sink->count; i++)
		if (is_within(&sink->values[i].path, path) ||
		    is_within(path, &sink->values[i].path))
			return wire_fault_set(sink->fault, ERR_EXIST, "%s comes twice",
					      lwm2m_path_text(path, text));
	if (sink->count == sink->cap)
		return wire_fault_set(sink->fault, ERR_LIMIT, "more than %zu values", sink->cap);
	sink->values[sink->count++] = *value;
	return 0;
}

int lwm2m_sink_keep(struct lwm2m_sink *sink, struct bytes src)
{
	if (src.len > (size_t)LWM2M_SCRATCH - sink->used)
		return wire_fault_set(sink->fault, ERR_LIMIT, "more than %d bytes of texts",
				      LWM2M_SCRATCH);
	if (src.len)
		memcpy(sink->scratch + sink->used, src.ptr, src.len);
	sink->used += src.len;
	return 0;
}
