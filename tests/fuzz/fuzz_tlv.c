/* SPDX-License-Identifier: Apache-2.0
 *
 * OMA TLV. The first byte is how many ids the base has (1 to 4); they are those that the first
 * entries of the corpus use. What was read is written again, and reads as the same.
 */
#include <stdlib.h>
#include <string.h>

#include "support/echo.h"
#include "support/values.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t scratch[LWM2M_SCRATCH];

static void again(const struct lwm2m_path *base, const struct lwm2m_value *values, size_t count)
{
	static struct lwm2m_value back[LWM2M_VALUES];
	static uint8_t raw[2 * LIMIT_LWM2M_PAYLOAD];
	struct buf out = buf_writer(raw, sizeof(raw));
	struct wire_fault fault;
	size_t n = 0;

	if (lwm2m_encode_all(LWM2M_TLV, base, values, count, &out))
		abort();
	if (out.pos > LIMIT_LWM2M_PAYLOAD)
		return;
	if (lwm2m_decode(LWM2M_TLV, buf_bytes(&out), base, back, LWM2M_VALUES, &n, scratch,
			 &fault) ||
	    n != count)
		abort();
	for (size_t i = 0; i < count; i++)
		if (back[i].path.count != values[i].path.count ||
		    memcmp(back[i].path.id, values[i].path.id,
			   back[i].path.count * sizeof(uint16_t)) != 0 ||
		    !bytes_equal(back[i].bytes, values[i].bytes))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct lwm2m_value values[LWM2M_VALUES];
	struct lwm2m_path base = {.count = 1, .id = {3, 0, 11, 1}};
	struct wire_fault fault;
	size_t count = LWM2M_VALUES + 1;

	if (size)
		base.count = (uint8_t)(1 + (data[0] & 3));
	struct bytes payload = {size ? data + 1 : data, size ? size - 1 : 0};
	int err = lwm2m_decode(LWM2M_TLV, payload, &base, values, LWM2M_VALUES, &count, scratch,
			       &fault);
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
	again(&base, values, count);
	return 0;
}
