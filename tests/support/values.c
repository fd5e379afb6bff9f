/* SPDX-License-Identifier: Apache-2.0 */
#include "support/values.h"

#include <stdio.h>
#include <stdlib.h>

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
