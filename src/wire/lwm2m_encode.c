/* SPDX-License-Identifier: Apache-2.0
 *
 * Values to payloads: text, opaque, CBOR, both of SenML; TLV is in wire/lwm2m_tlv.c.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "wire/cbor.h"
#include "wire/lwm2m_inner.h"

void lwm2m_put_base64(struct buf *out, struct bytes src, bool url)
{
	const char *digits =
		url ? "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		    : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < src.len; i += 3) {
		size_t left = src.len - i;
		uint32_t bits = (uint32_t)src.ptr[i] << 16;
		if (left > 1)
			bits |= (uint32_t)src.ptr[i + 1] << 8;
		if (left > 2)
			bits |= src.ptr[i + 2];
		for (size_t k = 0; k < 4; k++)
			if (k <= left)
				buf_put_u8(out, (uint8_t)digits[bits >> (18 - 6 * k) & 63]);
			else if (!url)
				buf_put_u8(out, '=');
	}
}

void lwm2m_put_real(struct buf *out, double real)
{
	char digits[40];

	/* No name for it in JSON. */
	if (!isfinite(real)) {
		out->err = out->err ? out->err : ERR_UNSUPPORTED;
		return;
	}
	snprintf(digits, sizeof(digits), "%.17g", real);
	buf_put_str(out, digits);
	/* So that it stays a float. */
	if (!strpbrk(digits, ".e"))
		buf_put_str(out, ".0");
}

static void put_digits(struct buf *out, int64_t number)
{
	if (number < 0)
		buf_put_str(out, "-");
	buf_put_dec(out, number < 0 ? (uint64_t)(-1 - number) + 1 : (uint64_t)number);
}

static int text_encode(const struct lwm2m_value *v, struct buf *out)
{
	switch (v->type) {
	case LWM2M_INT:
		put_digits(out, v->number);
		break;
	case LWM2M_BOOL:
		buf_put_str(out, v->number ? "1" : "0");
		break;
	case LWM2M_FLOAT:
		lwm2m_put_real(out, v->real);
		break;
	case LWM2M_STRING:
		buf_put_bytes(out, v->bytes.ptr, v->bytes.len);
		break;
	case LWM2M_RAW:
	case LWM2M_BYTES:
		if (v->type == LWM2M_RAW && v->text_form)
			buf_put_bytes(out, v->bytes.ptr, v->bytes.len);
		else
			lwm2m_put_base64(out, v->bytes, false);
		break;
	}
	return out->err;
}

static void put_cbor(struct buf *out, const struct lwm2m_value *v)
{
	bool text = v->type == LWM2M_STRING || (v->type == LWM2M_RAW && v->text_form);
	uint64_t bits;

	switch (v->type) {
	case LWM2M_INT:
		if (v->number < 0)
			wire_cbor_put_head(out, WIRE_MAJOR_NINT, (uint64_t)(-1 - v->number));
		else
			wire_cbor_put_head(out, WIRE_MAJOR_UINT, (uint64_t)v->number);
		break;
	case LWM2M_BOOL:
		wire_cbor_put_head(out, WIRE_MAJOR_SIMPLE,
				   v->number ? WIRE_SIMPLE_TRUE : WIRE_SIMPLE_FALSE);
		break;
	case LWM2M_FLOAT:
		memcpy(&bits, &v->real, sizeof(bits));
		buf_put_u8(out, WIRE_MAJOR_SIMPLE << 5 | 27);
		buf_put_u64(out, bits);
		break;
	case LWM2M_RAW:
	case LWM2M_STRING:
	case LWM2M_BYTES:
		wire_cbor_put_head(out, text ? WIRE_MAJOR_TEXT : WIRE_MAJOR_BYTES, v->bytes.len);
		buf_put_bytes(out, v->bytes.ptr, v->bytes.len);
		break;
	}
}

/* The label of a value, by its type (RFC 8428 6). */
enum { LABEL_BN = -2, LABEL_N = 0, LABEL_V = 2, LABEL_VS = 3, LABEL_VB = 4, LABEL_VD = 8 };

static int label_of(const struct lwm2m_value *v)
{
	switch (v->type) {
	case LWM2M_INT:
	case LWM2M_FLOAT:
		return LABEL_V;
	case LWM2M_BOOL:
		return LABEL_VB;
	case LWM2M_STRING:
		return LABEL_VS;
	case LWM2M_RAW:
		return v->text_form ? LABEL_VS : LABEL_VD;
	case LWM2M_BYTES:
		break;
	}
	return LABEL_VD;
}

static const char *word_of(int label)
{
	return label == LABEL_V ? "v" : label == LABEL_VS ? "vs" : label == LABEL_VB ? "vb" : "vd";
}

static void put_json_value(struct buf *out, const struct lwm2m_value *v)
{
	struct wire_writer w = wire_writer(WIRE_JSON, out);

	switch (v->type) {
	case LWM2M_INT:
		put_digits(out, v->number);
		break;
	case LWM2M_BOOL:
		buf_put_str(out, v->number ? "true" : "false");
		break;
	case LWM2M_FLOAT:
		lwm2m_put_real(out, v->real);
		break;
	case LWM2M_RAW:
	case LWM2M_STRING:
	case LWM2M_BYTES:
		if (label_of(v) == LABEL_VS) {
			wire_put_text_bytes(&w, v->bytes);
			break;
		}
		buf_put_str(out, "\"");
		lwm2m_put_base64(out, v->bytes, true);
		buf_put_str(out, "\"");
		break;
	}
}

/* What follows the base name in a name: "3", "6/0"; "" for the resource that was asked for. */
static char *name_of(const struct lwm2m_value *v, unsigned levels, char dst[LWM2M_PATH_TEXT])
{
	struct lwm2m_path rest = {.count = (uint8_t)(v->path.count - levels)};

	memcpy(rest.id, v->path.id + levels, rest.count * sizeof(rest.id[0]));
	lwm2m_path_text(&rest, dst);
	memmove(dst, dst + 1, strlen(dst));
	return dst;
}

/* The base name of all; it ends with a slash where names follow. */
static char *base_name(const struct lwm2m_path *base, bool alone, char dst[LWM2M_PATH_TEXT + 1])
{
	size_t len = strlen(lwm2m_path_text(base, dst));

	if (!alone && base->count)
		memcpy(dst + len, "/", 2);
	return dst;
}

static void put_cbor_text(struct buf *out, const char *text)
{
	wire_cbor_put_head(out, WIRE_MAJOR_TEXT, strlen(text));
	buf_put_str(out, text);
}

static void put_cbor_label(struct buf *out, int label)
{
	if (label < 0)
		wire_cbor_put_head(out, WIRE_MAJOR_NINT, (uint64_t)(-1 - label));
	else
		wire_cbor_put_head(out, WIRE_MAJOR_UINT, (uint64_t)label);
}

static void put_record_cbor(struct buf *out, const struct lwm2m_value *v, const char *base,
			    const char *name)
{
	wire_cbor_put_head(out, WIRE_MAJOR_MAP, 1U + (base != NULL) + (name[0] != 0));
	if (base) {
		put_cbor_label(out, LABEL_BN);
		put_cbor_text(out, base);
	}
	if (name[0]) {
		put_cbor_label(out, LABEL_N);
		put_cbor_text(out, name);
	}
	put_cbor_label(out, label_of(v));
	put_cbor(out, v);
}

static void put_record_json(struct buf *out, const struct lwm2m_value *v, const char *base,
			    const char *name)
{
	buf_put_str(out, base ? "[{\"bn\":\"" : ",{");
	if (base) {
		buf_put_str(out, base);
		buf_put_str(out, "\",");
	}
	if (name[0]) {
		buf_put_str(out, "\"n\":\"");
		buf_put_str(out, name);
		buf_put_str(out, "\",");
	}
	buf_put_str(out, "\"");
	buf_put_str(out, word_of(label_of(v)));
	buf_put_str(out, "\":");
	put_json_value(out, v);
	buf_put_str(out, "}");
}

int lwm2m_senml_encode(int format, const struct lwm2m_path *base, const struct lwm2m_value *values,
		       size_t count, struct buf *out)
{
	char first[LWM2M_PATH_TEXT + 1], name[LWM2M_PATH_TEXT];
	bool alone = count == 1 && values[0].path.count == base->count;

	base_name(base, alone, first);
	if (format == LWM2M_SENML_CBOR)
		wire_cbor_put_head(out, WIRE_MAJOR_ARRAY, count);
	else if (count == 0)
		buf_put_str(out, "[");
	for (size_t i = 0; i < count; i++) {
		name_of(&values[i], base->count, name);
		if (format == LWM2M_SENML_CBOR)
			put_record_cbor(out, &values[i], i ? NULL : first, name);
		else
			put_record_json(out, &values[i], i ? NULL : first, name);
	}
	if (format == LWM2M_SENML_JSON)
		buf_put_str(out, "]");
	return out->err;
}

static int encode_one(int format, const struct lwm2m_value *v, struct buf *out)
{
	switch (format) {
	case LWM2M_TEXT:
		return text_encode(v, out);
	case LWM2M_OPAQUE:
		if (v->type != LWM2M_RAW && v->type != LWM2M_BYTES)
			return ERR_UNSUPPORTED;
		buf_put_bytes(out, v->bytes.ptr, v->bytes.len);
		return out->err;
	case LWM2M_CBOR:
		put_cbor(out, v);
		return out->err;
	default:
		return ERR_UNSUPPORTED;
	}
}

int lwm2m_encode_all(int format, const struct lwm2m_path *base, const struct lwm2m_value *values,
		     size_t count, struct buf *out)
{
	for (const struct lwm2m_value *v = values; v < values + count; v++)
		if (v->path.count < 3 || v->path.count < base->count ||
		    memcmp(v->path.id, base->id, base->count * sizeof(base->id[0])) != 0)
			return ERR_INVAL;
	if (format == LWM2M_TLV)
		return lwm2m_tlv_encode(base, values, count, out);
	if (format == LWM2M_SENML_CBOR || format == LWM2M_SENML_JSON)
		return lwm2m_senml_encode(format, base, values, count, out);
	if (count != 1 || values[0].path.count != base->count)
		return ERR_UNSUPPORTED;
	return encode_one(format, values, out);
}

int lwm2m_encode(int format, const struct lwm2m_value *value, struct buf *out)
{
	return lwm2m_encode_all(format, &value->path, value, 1, out);
}
