/* SPDX-License-Identifier: Apache-2.0
 *
 * Which reader a format has; text and opaque, which need none.
 */
#include "wire/lwm2m_inner.h"

/* Clients of LwM2M before 1.0 had numbers of the experimental range. */
enum { OLD_TLV = 1542 };

/* The whole payload is the value of the resource that was asked for. */
static int whole(struct bytes payload, bool text_form, struct lwm2m_sink *sink)
{
	struct lwm2m_value v = {
		.path = *sink->base, .type = LWM2M_RAW, .text_form = text_form, .bytes = payload};

	return lwm2m_sink_put(sink, &v, false);
}

static int decode(int format, struct bytes payload, struct lwm2m_sink *sink)
{
	if (payload.len > LIMIT_LWM2M_PAYLOAD)
		return wire_fault_set(sink->fault, ERR_LIMIT, "longer than %d bytes",
				      LIMIT_LWM2M_PAYLOAD);
	switch (format) {
	case LWM2M_TEXT:
	case LWM2M_OPAQUE:
		return whole(payload, format == LWM2M_TEXT, sink);
	case LWM2M_CBOR:
		return lwm2m_cbor_decode(payload, sink);
	case LWM2M_SENML_CBOR:
		return lwm2m_senml_cbor_decode(payload, sink);
	case LWM2M_TLV:
	case OLD_TLV:
		return lwm2m_tlv_decode(payload, sink);
	default:
		break;
	}
	if (format < 0)
		return wire_fault_set(sink->fault, ERR_UNSUPPORTED, "no Content-Format");
	return wire_fault_set(sink->fault, ERR_UNSUPPORTED, "Content-Format %d", format);
}

int lwm2m_decode_binary(int format, struct bytes payload, const struct lwm2m_path *base,
			struct lwm2m_value *ret, size_t cap, size_t *ret_count,
			uint8_t scratch[LWM2M_SCRATCH], struct wire_fault *ret_fault)
{
	struct lwm2m_sink sink = lwm2m_sink_begin(base, ret, cap, scratch, ret_fault);
	int err = decode(format, payload, &sink);

	if (!err)
		*ret_count = sink.count;
	return err;
}
