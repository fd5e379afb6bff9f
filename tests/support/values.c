/* SPDX-License-Identifier: Apache-2.0 */
#include "support/values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_value(struct buf *b, const struct lwm2m_value *v)
{
	char text[LWM2M_PATH_TEXT], digits[64];

	buf_put_str(b, lwm2m_path_text(&v->path, text));
	switch (v->type) {
	case LWM2M_INT:
	case LWM2M_BOOL:
		(void)snprintf(digits, sizeof(digits), " %c %lld", v->type == LWM2M_INT ? 'i' : 'b',
			       (long long)v->number);
		buf_put_str(b, digits);
		break;
	case LWM2M_FLOAT:
		(void)snprintf(digits, sizeof(digits), " f %.9g", v->real);
		buf_put_str(b, digits);
		break;
	case LWM2M_STRING:
		buf_put_str(b, " s ");
		buf_put_bytes(b, v->bytes.ptr, v->bytes.len);
		break;
	case LWM2M_RAW:
	case LWM2M_BYTES:
		if (v->type == LWM2M_RAW && v->text_form) {
			buf_put_str(b, " t ");
			buf_put_bytes(b, v->bytes.ptr, v->bytes.len);
			break;
		}
		buf_put_str(b, v->type == LWM2M_RAW ? " r " : " x ");
		buf_put_hex(b, v->bytes.ptr, v->bytes.len);
		break;
	}
	if (v->time_s < 0 || v->time_s > 0) {
		(void)snprintf(digits, sizeof(digits), " @%.15g", v->time_s);
		buf_put_str(b, digits);
	}
	buf_put_str(b, "\n");
}

const char *values_text(const struct lwm2m_value *values, size_t count)
{
	static char all[65536];
	struct buf b = buf_writer(all, sizeof(all));

	for (size_t i = 0; i < count; i++)
		put_value(&b, &values[i]);
	if (!buf_ok(&b))
		abort();
	return buf_cstr(&b);
}

static bool within(struct bytes part, const uint8_t *ptr, size_t len)
{
	return part.len == 0 || (part.ptr >= ptr && part.ptr <= ptr + len &&
				 part.len <= (size_t)(ptr + len - part.ptr));
}

void values_check(const struct lwm2m_value *values, size_t count, const struct lwm2m_path *base,
		  struct bytes payload, const uint8_t scratch[LWM2M_SCRATCH])
{
	for (const struct lwm2m_value *v = values; v < values + count; v++) {
		char text[32];
		int64_t number;
		double real;
		bool yes = false;
		struct bytes bytes;
		if (v->path.count < 3 || v->path.count < base->count ||
		    memcmp(v->path.id, base->id, base->count * sizeof(base->id[0])) != 0)
			abort();
		if (!within(v->bytes, payload.ptr, payload.len) &&
		    !within(v->bytes, scratch, LWM2M_SCRATCH))
			abort();
		(void)lwm2m_value_int(v, &number);
		(void)lwm2m_value_real(v, &real);
		if (lwm2m_value_text(v, text, sizeof(text)) && strlen(text) != v->bytes.len)
			abort();
		if (lwm2m_value_bytes(v, &bytes) && bytes.len != v->bytes.len)
			abort();
		if (lwm2m_value_bool(v, &yes) && yes != 0 && yes != 1)
			abort();
		if (!lwm2m_value_at(values, count, v->path.id[0], v->path.id[1], v->path.id[2]))
			abort();
	}
}
