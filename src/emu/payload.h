/* SPDX-License-Identifier: Apache-2.0
 *
 * Maps with small integer keys, as the native protocol carries them, in CBOR (Content-Format
 * 60, on libcbor's encoder and streaming decoder) and as the JSON twin (50). A second
 * implementation of PROTOCOL.md on purpose: it shares no code with the server's.
 *
 * A message is a flat list of items. Byte strings and texts of a decoded CBOR message point
 * into the input; those of JSON into `scratch`. In JSON a byte string is lower-case hex text:
 * it decodes as EMU_TEXT and the reader of the field knows better (emu_item_bytes()).
 */
#ifndef EMU_PAYLOAD_H
#define EMU_PAYLOAD_H

#include "base/buf.h"
#include "base/err.h"

enum { EMU_ITEMS_MAX = 32, EMU_ELEMENTS_MAX = 8, EMU_SCRATCH = 1024 };

enum emu_format { EMU_JSON = 50, EMU_CBOR = 60 };

enum emu_type { EMU_UINT, EMU_NEGINT, EMU_BOOL, EMU_BYTES, EMU_TEXT, EMU_ARRAY, EMU_OTHER };

struct emu_value {
	enum emu_type type;
	uint64_t number; /* EMU_UINT; EMU_NEGINT holds -1 - value; EMU_BOOL 0 or 1 */
	struct bytes bytes;
};

struct emu_item {
	int64_t key;
	struct emu_value value;
	struct emu_value elements[EMU_ELEMENTS_MAX]; /* EMU_ARRAY */
	size_t len;				     /* EMU_ARRAY */
};

struct emu_msg {
	struct emu_item items[EMU_ITEMS_MAX];
	size_t len;
	char scratch[EMU_SCRATCH];
};

/* Building: keys in rising order; too many items are an assert. */
void emu_msg_init(struct emu_msg *msg);
void emu_msg_uint(struct emu_msg *msg, int64_t key, uint64_t value);
void emu_msg_int(struct emu_msg *msg, int64_t key, int64_t value);
void emu_msg_bool(struct emu_msg *msg, int64_t key, bool value);
void emu_msg_bytes(struct emu_msg *msg, int64_t key, const void *ptr, size_t len);
void emu_msg_text(struct emu_msg *msg, int64_t key, const char *text);
/* An array whose elements the caller fills with emu_value_*(). */
struct emu_item *emu_msg_array(struct emu_msg *msg, int64_t key);
void emu_element_uint(struct emu_item *item, uint64_t value);
void emu_element_int(struct emu_item *item, int64_t value);
void emu_element_bytes(struct emu_item *item, const void *ptr, size_t len);
void emu_element_text(struct emu_item *item, const char *text);

/* The first item of that key, or NULL. */
const struct emu_item *emu_msg_find(const struct emu_msg *msg, int64_t key);
/* An unsigned item into *ret_value, a byte string (or JSON's hex) into exactly `len` bytes, a
 * text. ERR_NOENT when absent, ERR_INVAL for another type or length. */
int emu_item_uint(const struct emu_msg *msg, int64_t key, uint64_t max,
		  uint64_t *ret_value) ERR_CHECK;
int emu_item_bytes(const struct emu_msg *msg, int64_t key, uint8_t *dst, size_t len) ERR_CHECK;
int emu_item_text(const struct emu_msg *msg, int64_t key, char *dst, size_t cap) ERR_CHECK;

int emu_payload_encode(const struct emu_msg *msg, enum emu_format format, uint8_t *dst, size_t cap,
		       size_t *ret_len) ERR_CHECK;
/* ERR_SYNTAX, ERR_TRUNC, ERR_EXTRA, ERR_LIMIT, ERR_EXIST (a key twice). */
int emu_payload_decode(const void *ptr, size_t len, enum emu_format format,
		       struct emu_msg *ret_msg) ERR_CHECK;

/* The JSON half (payload_json.c). */
int emu_json_encode(const struct emu_msg *msg, struct buf *out) ERR_CHECK;
int emu_json_decode(const char *ptr, size_t len, struct emu_msg *ret_msg) ERR_CHECK;

#endif
