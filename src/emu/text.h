/* SPDX-License-Identifier: Apache-2.0
 *
 * Small text: numbers, and "key=value" lines as the emulator's files keep them.
 * A value never holds a newline; emu_kv_put_text() replaces control characters by '?'.
 */
#ifndef EMU_TEXT_H
#define EMU_TEXT_H

#include "base/buf.h"
#include "base/err.h"

/* Whole decimal number <= max; ERR_INVAL otherwise, *ret_value then untouched. */
int emu_parse_uint(const char *text, uint64_t max, uint64_t *ret_value) ERR_CHECK;

void emu_kv_put_text(struct buf *out, const char *key, const char *value);
void emu_kv_put_uint(struct buf *out, const char *key, uint64_t value);
void emu_kv_put_hex(struct buf *out, const char *key, const void *ptr, size_t len);

/* Reads from NUL-terminated text. Absent or malformed: false, and the target is untouched. */
bool emu_kv_get_text(const char *text, const char *key, char *dst, size_t cap);
bool emu_kv_get_uint(const char *text, const char *key, uint64_t *ret_value);
bool emu_kv_get_hex(const char *text, const char *key, uint8_t *dst, size_t len);

#endif
