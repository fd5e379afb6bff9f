/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/item.h"

#include <cbor.h>

/* libcbor 0.9 changed the type of lengths; where size_t has 64 bits both are one type. */
#if CBOR_MAJOR_VERSION == 0 && CBOR_MINOR_VERSION < 9
typedef size_t cbor_length;
#else
typedef uint64_t cbor_length;
#endif

/* libcbor calls exactly one of these per cbor_stream_decode. */
#define ON_NUMBER(name, type, kind_)                                                               \
	static void name(void *item, type value)                                                   \
	{                                                                                          \
		*(struct wire_item *)item = (struct wire_item){.kind = (kind_), .number = value};  \
	}
#define ON_STRING(name, kind_)                                                                     \
	static void name(void *item, cbor_data ptr, cbor_length len)                               \
	{                                                                                          \
		*(struct wire_item *)item =                                                        \
			(struct wire_item){.kind = (kind_), .bytes = {ptr, (size_t)len}};          \
	}
#define ON_EMPTY(name, kind_)                                                                      \
	static void name(void *item)                                                               \
	{                                                                                          \
		*(struct wire_item *)item = (struct wire_item){.kind = (kind_)};                   \
	}
#define ON_FLOAT(name, type)                                                                       \
	static void name(void *item, type value)                                                   \
	{                                                                                          \
		*(struct wire_item *)item = (struct wire_item){.kind = ITEM_FLOAT, .real = value}; \
	}

ON_NUMBER(on_uint8, uint8_t, ITEM_UINT)
ON_NUMBER(on_uint16, uint16_t, ITEM_UINT)
ON_NUMBER(on_uint32, uint32_t, ITEM_UINT)
ON_NUMBER(on_uint64, uint64_t, ITEM_UINT)
ON_NUMBER(on_nint8, uint8_t, ITEM_NINT)
ON_NUMBER(on_nint16, uint16_t, ITEM_NINT)
ON_NUMBER(on_nint32, uint32_t, ITEM_NINT)
ON_NUMBER(on_nint64, uint64_t, ITEM_NINT)
ON_NUMBER(on_array, cbor_length, ITEM_ARRAY)
ON_NUMBER(on_map, cbor_length, ITEM_MAP)
ON_NUMBER(on_tag, uint64_t, ITEM_TAG)
ON_NUMBER(on_bool, bool, ITEM_BOOL)
ON_STRING(on_bytes, ITEM_BYTES)
ON_STRING(on_text, ITEM_TEXT)
ON_EMPTY(on_bytes_open, ITEM_BYTES_OPEN)
ON_EMPTY(on_text_open, ITEM_TEXT_OPEN)
ON_EMPTY(on_array_open, ITEM_ARRAY_OPEN)
ON_EMPTY(on_map_open, ITEM_MAP_OPEN)
ON_EMPTY(on_null, ITEM_NULL)
ON_EMPTY(on_undefined, ITEM_OTHER)
ON_EMPTY(on_break, ITEM_BREAK)
ON_FLOAT(on_float, float)
ON_FLOAT(on_double, double)

static const struct cbor_callbacks item_callbacks = {
	.uint8 = on_uint8,
	.uint16 = on_uint16,
	.uint32 = on_uint32,
	.uint64 = on_uint64,
	.negint8 = on_nint8,
	.negint16 = on_nint16,
	.negint32 = on_nint32,
	.negint64 = on_nint64,
	.byte_string_start = on_bytes_open,
	.byte_string = on_bytes,
	.string = on_text,
	.string_start = on_text_open,
	.indef_array_start = on_array_open,
	.array_start = on_array,
	.indef_map_start = on_map_open,
	.map_start = on_map,
	.tag = on_tag,
	.float2 = on_float,
	.float4 = on_float,
	.float8 = on_double,
	.undefined = on_undefined,
	.null = on_null,
	.boolean = on_bool,
	.indef_break = on_break,
};

int wire_item_read(struct bytes in, size_t pos, struct wire_item *ret_item, size_t *ret_len)
{
	struct wire_item item = {.kind = ITEM_OTHER};
	struct cbor_decoder_result r =
		cbor_stream_decode(in.ptr + pos, in.len - pos, &item_callbacks, &item);

	if (r.status == CBOR_DECODER_NEDATA)
		return ERR_TRUNC;
	if (r.status != CBOR_DECODER_FINISHED)
		return ERR_SYNTAX;
	*ret_item = item;
	*ret_len = r.read;
	return 0;
}

bool wire_item_opens(enum item_kind kind)
{
	return kind == ITEM_ARRAY || kind == ITEM_ARRAY_OPEN || kind == ITEM_MAP ||
	       kind == ITEM_MAP_OPEN || kind == ITEM_BYTES_OPEN || kind == ITEM_TEXT_OPEN;
}
