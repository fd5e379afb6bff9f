/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/lwm2m_value.h"

#include <stdio.h>
#include <string.h>

enum { TLV_INSTANCE = 0x00, TLV_PART = 0x40, TLV_MULTIPLE = 0x80, TLV_RESOURCE = 0xc0 };
enum { CBOR_UINT, CBOR_NEGATIVE, CBOR_BYTES, CBOR_TEXT, CBOR_ARRAY, CBOR_MAP, CBOR_TAG };
enum { SENML_BN = -2, SENML_N = 0, SENML_V = 2, SENML_VS = 3, SENML_VB = 4, SENML_VD = 8 };
enum { TLV_CAP = 1024 };

int emu_lw_path_parse(const char *text, struct emu_lw_path *ret_path)
{
	struct emu_lw_path path = {0};

	while (*text == '/')
		text++;
	while (*text != '\0') {
		unsigned id = 0;
		size_t digits = 0;

		for (; *text >= '0' && *text <= '9' && digits < 5; digits++)
			id = id * 10 + (unsigned)(*text++ - '0');
		if (digits == 0 || id > 65534 || path.count == EMU_LW_DEPTH ||
		    (*text != '\0' && *text != '/'))
			return ERR_SYNTAX;
		path.id[path.count++] = (uint16_t)id;
		if (*text == '/')
			text++;
	}
	*ret_path = path;
	return 0;
}

bool emu_lw_path_within(const struct emu_lw_path *outer, const struct emu_lw_path *inner)
{
	if (outer->count > inner->count)
		return false;
	for (unsigned i = 0; i < outer->count; i++)
		if (outer->id[i] != inner->id[i])
			return false;
	return true;
}

/* ---- TLV ---- */

static void tlv_put(struct buf *out, unsigned type, unsigned id, struct bytes value)
{
	unsigned head = type;

	if (id > 255)
		head |= 0x20;
	if (value.len < 8)
		head |= (unsigned)value.len;
	else
		head |= value.len < 256 ? 0x08U : 0x10U;
	buf_put_u8(out, (uint8_t)head);
	if (id > 255)
		buf_put_u16(out, (uint16_t)id);
	else
		buf_put_u8(out, (uint8_t)id);
	if (value.len >= 256)
		buf_put_u16(out, (uint16_t)value.len);
	else if (value.len >= 8)
		buf_put_u8(out, (uint8_t)value.len);
	buf_put_bytes(out, value.ptr, value.len);
}

static void tlv_value(struct buf *out, unsigned type, unsigned id, const struct emu_lw_value *v)
{
	uint8_t number[8];
	struct buf n = buf_writer(number, sizeof(number));

	if (v->type != EMU_LW_INT) {
		tlv_put(out, type, id, (struct bytes){(const uint8_t *)v->text, v->len});
		return;
	}
	if (v->number >= INT8_MIN && v->number <= INT8_MAX)
		buf_put_u8(&n, (uint8_t)v->number);
	else if (v->number >= INT16_MIN && v->number <= INT16_MAX)
		buf_put_u16(&n, (uint16_t)v->number);
	else if (v->number >= INT32_MIN && v->number <= INT32_MAX)
		buf_put_u32(&n, (uint32_t)v->number);
	else
		buf_put_u64(&n, (uint64_t)v->number);
	tlv_put(out, type, id, buf_bytes(&n));
}

static bool same_resource(const struct emu_lw_value *a, const struct emu_lw_value *b)
{
	return memcmp(a->path.id, b->path.id, 3 * sizeof(a->path.id[0])) == 0;
}

/* The resources of one instance. */
static void tlv_resources(struct buf *out, const struct emu_lw_value *values, size_t count)
{
	for (size_t i = 0; i < count;) {
		uint8_t inner[TLV_CAP];
		struct buf parts = buf_writer(inner, sizeof(inner));
		size_t first = i;

		if (values[i].path.count == 3) {
			tlv_value(out, TLV_RESOURCE, values[i].path.id[2], &values[i]);
			i++;
			continue;
		}
		for (; i < count && same_resource(&values[first], &values[i]); i++)
			tlv_value(&parts, TLV_PART, values[i].path.id[3], &values[i]);
		tlv_put(out, TLV_MULTIPLE, values[first].path.id[2], buf_bytes(&parts));
	}
}

static int tlv_encode(const struct emu_lw_path *base, const struct emu_lw_value *values,
		      size_t count, struct buf *out)
{
	uint8_t inner[TLV_CAP];
	struct buf resources = buf_writer(inner, sizeof(inner));

	if (base->count == 4) {
		tlv_value(out, TLV_PART, base->id[3], &values[0]);
	} else if (base->count == 1) {
		tlv_resources(&resources, values, count);
		tlv_put(out, TLV_INSTANCE, values[0].path.id[1], buf_bytes(&resources));
	} else {
		tlv_resources(out, values, count);
	}
	return buf_ok(out) && buf_ok(&resources) ? 0 : ERR_LIMIT;
}

static int value_take(struct emu_lw_value *v, enum emu_lw_type type, struct bytes bytes)
{
	if (bytes.len >= sizeof(v->text))
		return ERR_LIMIT;
	v->type = type;
	v->len = bytes.len;
	if (bytes.len > 0)
		memcpy(v->text, bytes.ptr, bytes.len);
	v->text[bytes.len] = '\0';
	return 0;
}

static int tlv_decode(const struct emu_lw_path *base, struct bytes payload,
		      struct emu_lw_value *values, size_t cap, size_t *ret_count)
{
	struct buf in = buf_reader(payload.ptr, payload.len);

	*ret_count = 0;
	while (buf_left(&in) > 0) {
		struct emu_lw_value *v = &values[*ret_count];
		unsigned head = buf_get_u8(&in);
		unsigned id = head & 0x20 ? buf_get_u16(&in) : buf_get_u8(&in);
		size_t len = head & 7;
		struct bytes bytes;

		if ((head & 0x18) == 0x08)
			len = buf_get_u8(&in);
		else if ((head & 0x18) == 0x10)
			len = buf_get_u16(&in);
		else if ((head & 0x18) == 0x18)
			return ERR_LIMIT;
		bytes = buf_get_bytes(&in, len);
		if (!buf_ok(&in))
			return ERR_TRUNC;
		if ((head & 0xc0) != TLV_RESOURCE || *ret_count == cap)
			return ERR_UNSUPPORTED;
		*v = (struct emu_lw_value){.path = {3, {base->id[0], base->id[1], (uint16_t)id}}};
		if (value_take(v, EMU_LW_BYTES, bytes) != 0)
			return ERR_LIMIT;
		(*ret_count)++;
	}
	return 0;
}

/* ---- CBOR ---- */

static void cbor_head(struct buf *out, unsigned major, uint64_t value)
{
	unsigned top = major << 5;

	if (value < 24) {
		buf_put_u8(out, (uint8_t)(top | value));
	} else if (value <= UINT8_MAX) {
		buf_put_u8(out, (uint8_t)(top | 24));
		buf_put_u8(out, (uint8_t)value);
	} else if (value <= UINT16_MAX) {
		buf_put_u8(out, (uint8_t)(top | 25));
		buf_put_u16(out, (uint16_t)value);
	} else if (value <= UINT32_MAX) {
		buf_put_u8(out, (uint8_t)(top | 26));
		buf_put_u32(out, (uint32_t)value);
	} else {
		buf_put_u8(out, (uint8_t)(top | 27));
		buf_put_u64(out, value);
	}
}

static void cbor_int(struct buf *out, int64_t value)
{
	if (value >= 0)
		cbor_head(out, CBOR_UINT, (uint64_t)value);
	else
		cbor_head(out, CBOR_NEGATIVE, (uint64_t)(-1 - value));
}

static void cbor_string(struct buf *out, unsigned major, const char *ptr, size_t len)
{
	cbor_head(out, major, len);
	buf_put_bytes(out, ptr, len);
}

static void cbor_value(struct buf *out, const struct emu_lw_value *v)
{
	if (v->type == EMU_LW_INT)
		cbor_int(out, v->number);
	else
		cbor_string(out, v->type == EMU_LW_STRING ? CBOR_TEXT : CBOR_BYTES, v->text,
			    v->len);
}

/* "/3/0" of ids from..to. */
static size_t path_text(const struct emu_lw_path *path, unsigned from, char *dst, size_t cap)
{
	struct buf out = buf_writer(dst, cap);

	for (unsigned i = from; i < path->count; i++) {
		buf_put_u8(&out, '/');
		buf_put_dec(&out, path->id[i]);
	}
	buf_put_u8(&out, '\0');
	return buf_ok(&out) ? out.pos - 1 : 0;
}

static int senml_cbor_encode(const struct emu_lw_path *base, const struct emu_lw_value *values,
			     size_t count, struct buf *out)
{
	static const int labels[] = {
		[EMU_LW_INT] = SENML_V, [EMU_LW_STRING] = SENML_VS, [EMU_LW_BYTES] = SENML_VD};
	char text[32];

	cbor_head(out, CBOR_ARRAY, count);
	for (size_t i = 0; i < count; i++) {
		size_t name = path_text(&values[i].path, base->count, text, sizeof(text));

		cbor_head(out, CBOR_MAP, 1U + (i == 0) + (name > 0));
		if (i == 0) {
			char bn[32];

			cbor_int(out, SENML_BN);
			cbor_string(out, CBOR_TEXT, bn, path_text(base, 0, bn, sizeof(bn)));
		}
		if (name > 0) {
			cbor_int(out, SENML_N);
			cbor_string(out, CBOR_TEXT, text, name);
		}
		cbor_int(out, labels[values[i].type]);
		cbor_value(out, &values[i]);
	}
	return buf_ok(out) ? 0 : ERR_LIMIT;
}

/* Definite lengths only, but for the array around all. */
static bool cbor_get(struct buf *in, unsigned *ret_major, uint64_t *ret_value)
{
	unsigned head = buf_get_u8(in);
	unsigned extra = head & 31;

	*ret_major = head >> 5;
	*ret_value = extra;
	if (extra == 24)
		*ret_value = buf_get_u8(in);
	else if (extra == 25)
		*ret_value = buf_get_u16(in);
	else if (extra == 26)
		*ret_value = buf_get_u32(in);
	else if (extra == 27)
		*ret_value = buf_get_u64(in);
	else if (extra > 27)
		return false;
	return buf_ok(in);
}

static int cbor_take(struct buf *in, struct emu_lw_value *v)
{
	unsigned major;
	uint64_t value;

	if (!cbor_get(in, &major, &value))
		return ERR_SYNTAX;
	if (major == CBOR_BYTES || major == CBOR_TEXT) {
		struct bytes bytes = buf_get_bytes(in, value < SIZE_MAX ? (size_t)value : SIZE_MAX);

		if (!buf_ok(in))
			return ERR_TRUNC;
		return value_take(v, major == CBOR_TEXT ? EMU_LW_STRING : EMU_LW_BYTES, bytes);
	}
	if (major == CBOR_TAG)
		return ERR_UNSUPPORTED;
	v->type = EMU_LW_INT;
	v->len = 0;
	if (major == 7) /* false, true */
		v->number = value == 21;
	else
		v->number = major == CBOR_NEGATIVE ? -1 - (int64_t)value : (int64_t)value;
	return major == CBOR_ARRAY || major == CBOR_MAP ? ERR_SYNTAX : 0;
}

static int senml_record(struct buf *in, char bn[EMU_LW_TEXT], struct emu_lw_value *v)
{
	struct emu_lw_value field;
	char name[2 * EMU_LW_TEXT];
	char n[EMU_LW_TEXT] = "";
	unsigned major;
	uint64_t pairs;
	bool found = false;

	if (!cbor_get(in, &major, &pairs) || major != CBOR_MAP)
		return ERR_SYNTAX;
	for (; pairs > 0; pairs--) {
		int64_t label;
		int err = cbor_take(in, &field);

		if (err || field.type != EMU_LW_INT)
			return ERR_SYNTAX;
		label = field.number;
		err = cbor_take(in, &field);
		if (err)
			return err;
		if (label == SENML_BN)
			memcpy(bn, field.text, sizeof(field.text));
		else if (label == SENML_N)
			memcpy(n, field.text, sizeof(field.text));
		else if (label == SENML_V || label == SENML_VS || label == SENML_VB ||
			 label == SENML_VD) {
			*v = field;
			found = true;
		}
	}
	snprintf(name, sizeof(name), "%s%s", bn, n);
	return found ? emu_lw_path_parse(name, &v->path) : ERR_SYNTAX;
}

static int senml_cbor_decode(struct bytes payload, struct emu_lw_value *values, size_t cap,
			     size_t *ret_count)
{
	struct buf in = buf_reader(payload.ptr, payload.len);
	char bn[EMU_LW_TEXT] = "";
	bool open = payload.len > 0 && payload.ptr[0] == 0x9f;
	unsigned major;
	uint64_t records = UINT64_MAX;

	*ret_count = 0;
	if (open)
		(void)buf_get_u8(&in);
	else if (!cbor_get(&in, &major, &records) || major != CBOR_ARRAY)
		return ERR_SYNTAX;
	while (*ret_count < records && buf_left(&in) > 0) {
		int err;

		if (open && in.ptr[in.pos] == 0xff)
			break;
		if (*ret_count == cap)
			return ERR_LIMIT;
		err = senml_record(&in, bn, &values[*ret_count]);
		if (err)
			return err;
		(*ret_count)++;
	}
	return open || *ret_count == records ? 0 : ERR_TRUNC;
}

/* ---- JSON and single values ---- */

static void json_text(struct buf *out, const char *text, size_t len)
{
	buf_put_u8(out, '"');
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"' || text[i] == '\\')
			buf_put_u8(out, '\\');
		buf_put_u8(out, (uint8_t)((unsigned char)text[i] < 0x20 ? '?' : text[i]));
	}
	buf_put_u8(out, '"');
}

static void put_number(struct buf *out, int64_t number)
{
	if (number < 0)
		buf_put_u8(out, '-');
	buf_put_dec(out, number < 0 ? (uint64_t)(-1 - number) + 1 : (uint64_t)number);
}

static void put_base64(struct buf *out, const char *ptr, size_t len, bool url)
{
	static const char *const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					  "0123456789";

	for (size_t i = 0; i < len; i += 3) {
		uint32_t group = 0;
		size_t n = len - i < 3 ? len - i : 3;

		for (size_t j = 0; j < 3; j++)
			group = group << 8 | (j < n ? (uint8_t)ptr[i + j] : 0U);
		for (size_t j = 0; j < 4; j++) {
			unsigned digit = group >> (18 - 6 * j) & 63;

			if (j > n)
				buf_put_str(out, url ? "" : "=");
			else if (digit < 62)
				buf_put_u8(out, (uint8_t)digits[digit]);
			else
				buf_put_u8(out, (uint8_t)(url ? "-_" : "+/")[digit - 62]);
		}
	}
}

static int senml_json_encode(const struct emu_lw_path *base, const struct emu_lw_value *values,
			     size_t count, struct buf *out)
{
	for (size_t i = 0; i < count; i++) {
		char text[32];
		size_t len;

		buf_put_str(out, i == 0 ? "[{\"bn\":" : ",{");
		if (i == 0) {
			len = path_text(base, 0, text, sizeof(text));
			json_text(out, text, len);
			buf_put_u8(out, ',');
		}
		len = path_text(&values[i].path, base->count, text, sizeof(text));
		if (len > 0) {
			buf_put_str(out, "\"n\":");
			json_text(out, text, len);
			buf_put_u8(out, ',');
		}
		if (values[i].type == EMU_LW_INT) {
			buf_put_str(out, "\"v\":");
			put_number(out, values[i].number);
		} else if (values[i].type == EMU_LW_STRING) {
			buf_put_str(out, "\"vs\":");
			json_text(out, values[i].text, values[i].len);
		} else {
			buf_put_str(out, "\"vd\":\"");
			put_base64(out, values[i].text, values[i].len, true);
			buf_put_u8(out, '"');
		}
		buf_put_u8(out, '}');
	}
	buf_put_u8(out, ']');
	return buf_ok(out) ? 0 : ERR_LIMIT;
}

static int single_encode(int format, const struct emu_lw_value *v, struct buf *out)
{
	if (format == EMU_LW_CBOR)
		cbor_value(out, v);
	else if (format == EMU_LW_OPAQUE && v->type == EMU_LW_BYTES)
		buf_put_bytes(out, v->text, v->len);
	else if (format != EMU_LW_TEXT_PLAIN)
		return ERR_UNSUPPORTED;
	else if (v->type == EMU_LW_INT)
		put_number(out, v->number);
	else if (v->type == EMU_LW_STRING)
		buf_put_bytes(out, v->text, v->len);
	else
		put_base64(out, v->text, v->len, false);
	return buf_ok(out) ? 0 : ERR_LIMIT;
}

int emu_lw_encode(int format, const struct emu_lw_path *base, const struct emu_lw_value *values,
		  size_t count, struct buf *out)
{
	if (count == 0)
		return ERR_UNSUPPORTED;
	if (format == EMU_LW_TLV)
		return tlv_encode(base, values, count, out);
	if (format == EMU_LW_SENML_CBOR)
		return senml_cbor_encode(base, values, count, out);
	if (format == EMU_LW_SENML_JSON)
		return senml_json_encode(base, values, count, out);
	if (count > 1 || base->count < values[0].path.count)
		return ERR_UNSUPPORTED;
	return single_encode(format, &values[0], out);
}

int emu_lw_decode(int format, const struct emu_lw_path *base, struct bytes payload,
		  struct emu_lw_value *ret_values, size_t cap, size_t *ret_count)
{
	struct buf in = buf_reader(payload.ptr, payload.len);
	int err;

	if (format == EMU_LW_TLV)
		return tlv_decode(base, payload, ret_values, cap, ret_count);
	if (format == EMU_LW_SENML_CBOR)
		return senml_cbor_decode(payload, ret_values, cap, ret_count);
	if (base->count < 3)
		return ERR_UNSUPPORTED;
	ret_values[0] = (struct emu_lw_value){.path = *base};
	*ret_count = 1;
	if (format == EMU_LW_CBOR) {
		err = cbor_take(&in, &ret_values[0]);
		ret_values[0].path = *base;
		return err;
	}
	if (format == EMU_LW_TEXT_PLAIN)
		return value_take(&ret_values[0], EMU_LW_STRING, payload);
	if (format == EMU_LW_OPAQUE)
		return value_take(&ret_values[0], EMU_LW_BYTES, payload);
	return ERR_UNSUPPORTED;
}

bool emu_lw_number(const struct emu_lw_value *value, int64_t *ret_number)
{
	int64_t number = 0;

	if (value->type == EMU_LW_INT) {
		*ret_number = value->number;
		return true;
	}
	if (value->len == 0)
		return false;
	if (value->type == EMU_LW_STRING) {
		size_t i = value->text[0] == '-';

		for (; i < value->len; i++) {
			if (value->text[i] < '0' || value->text[i] > '9' || i > 18)
				return false;
			number = number * 10 + (value->text[i] - '0');
		}
		*ret_number = value->text[0] == '-' ? -number : number;
		return true;
	}
	if (value->len != 1 && value->len != 2 && value->len != 4 && value->len != 8)
		return false;
	number = (uint8_t)value->text[0];
	if (number > INT8_MAX)
		number -= UINT8_MAX + 1;
	for (size_t i = 1; i < value->len; i++)
		number = (int64_t)((uint64_t)number << 8 | (uint8_t)value->text[i]);
	*ret_number = number;
	return true;
}
