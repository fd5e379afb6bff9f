/* SPDX-License-Identifier: Apache-2.0
 *
 * The formats that say what they hold: the first byte picks one, and how many ids the base has.
 * What was read is written as SenML, and reads as the same.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/echo.h"
#include "support/values.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int formats[] = {LWM2M_SENML_CBOR, LWM2M_SENML_JSON, LWM2M_JSON, LWM2M_CBOR,
			      LWM2M_TEXT,	LWM2M_OPAQUE,	  LWM2M_LINK, -1};

static bool same(const struct lwm2m_value *a, const struct lwm2m_value *b)
{
	if (a->path.count != b->path.count ||
	    memcmp(a->path.id, b->path.id, a->path.count * sizeof(uint16_t)) != 0)
		return false;
	switch (a->type) {
	case LWM2M_INT:
	case LWM2M_BOOL:
		return b->type == a->type && b->number == a->number;
	case LWM2M_FLOAT:
		return b->type == a->type &&
		       (b->real == a->real || (isnan(a->real) && isnan(b->real)));
	case LWM2M_STRING:
	case LWM2M_BYTES:
		return b->type == a->type && bytes_equal(a->bytes, b->bytes);
	case LWM2M_RAW:
		break;
	}
	return b->type == (a->text_form ? LWM2M_STRING : LWM2M_BYTES) &&
	       bytes_equal(a->bytes, b->bytes);
}

static void again(int format, const struct lwm2m_path *base, const struct lwm2m_value *values,
		  size_t count)
{
	static struct lwm2m_value back[LWM2M_VALUES];
	static uint8_t raw[8 * LIMIT_LWM2M_PAYLOAD], scratch[LWM2M_SCRATCH];
	struct buf out = buf_writer(raw, sizeof(raw));
	struct wire_fault fault;
	size_t n = 0;
	int err = lwm2m_encode_all(format, base, values, count, &out);

	/* There is no JSON for infinity. */
	if (format == LWM2M_SENML_JSON && err == ERR_UNSUPPORTED)
		return;
	if (err)
		abort();
	err = lwm2m_decode(format, buf_bytes(&out), base, back, LWM2M_VALUES, &n, scratch, &fault);
	if (err == ERR_LIMIT)
		return;
	if (err || n != count)
		abort();
	for (size_t i = 0; i < count; i++)
		if (!same(&values[i], &back[i]))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct lwm2m_value values[LWM2M_VALUES];
	static uint8_t scratch[LWM2M_SCRATCH];
	struct lwm2m_path base = {.id = {3, 0, 11, 1}};
	struct wire_fault fault;
	size_t count = LWM2M_VALUES + 1;
	int format = formats[size ? data[0] & 7 : 0];

	base.count = (uint8_t)(size ? data[0] >> 3 & 7 : 0);
	if (base.count > LWM2M_LEVELS)
		base.count = 3;
	struct bytes payload = {size ? data + 1 : data, size ? size - 1 : 0};
	int err =
		lwm2m_decode(format, payload, &base, values, LWM2M_VALUES, &count, scratch, &fault);
	if (err != fault.err)
		abort();
	if (err) {
		echo_check_fault(err, fault.text);
		if (count != LWM2M_VALUES + 1)
			abort();
		return 0;
	}
	if (count > LWM2M_VALUES)
		abort();
	values_check(values, count, &base, payload, scratch);
	/* Text of format 0 is taken as it is; JSON has no NUL. */
	bool has_nul = false;
	for (size_t i = 0; i < count; i++) {
		if (values[i].text_form && !wire_utf8_ok(values[i].bytes))
			return 0;
		has_nul = has_nul || (values[i].bytes.len &&
				      memchr(values[i].bytes.ptr, 0, values[i].bytes.len));
	}
	again(LWM2M_SENML_CBOR, &base, values, count);
	if (has_nul)
		return 0;
	again(LWM2M_SENML_JSON, &base, values, count);
	return 0;
}
