/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/text.h"

#include <string.h>

int emu_parse_uint(const char *text, uint64_t max, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (*text == '\0')
		return ERR_INVAL;
	for (; *text != '\0'; text++) {
		uint64_t digit;

		if (*text < '0' || *text > '9')
			return ERR_INVAL;
		digit = (uint64_t)(*text - '0');
		if (value > max / 10 || value * 10 > max - (digit > max ? max : digit))
			return ERR_INVAL;
		value = value * 10 + digit;
	}
	if (value > max)
		return ERR_INVAL;
	*ret_value = value;
	return 0;
}

void emu_kv_put_text(struct buf *out, const char *key, const char *value)
{
	buf_put_str(out, key);
	buf_put_u8(out, '=');
	for (; *value != '\0'; value++)
		buf_put_u8(out, (uint8_t)((unsigned char)*value < 0x20 ? '?' : *value));
	buf_put_u8(out, '\n');
}

void emu_kv_put_uint(struct buf *out, const char *key, uint64_t value)
{
	buf_put_str(out, key);
	buf_put_u8(out, '=');
	buf_put_dec(out, value);
	buf_put_u8(out, '\n');
}

void emu_kv_put_hex(struct buf *out, const char *key, const void *ptr, size_t len)
{
	buf_put_str(out, key);
	buf_put_u8(out, '=');
	buf_put_hex(out, ptr, len);
	buf_put_u8(out, '\n');
}

static const char *kv_find(const char *text, const char *key, size_t *ret_len)
{
	size_t key_len = strlen(key);

	while (*text != '\0') {
		size_t n = strcspn(text, "\n");

		if (n > key_len && text[key_len] == '=' && memcmp(text, key, key_len) == 0) {
			*ret_len = n - key_len - 1;
			return text + key_len + 1;
		}
		text += n;
		if (*text == '\n')
			text++;
	}
	return NULL;
}

bool emu_kv_get_text(const char *text, const char *key, char *dst, size_t cap)
{
	size_t len;
	const char *value = kv_find(text, key, &len);

	if (!value || len >= cap)
		return false;
	memcpy(dst, value, len);
	dst[len] = '\0';
	return true;
}

bool emu_kv_get_uint(const char *text, const char *key, uint64_t *ret_value)
{
	char number[24];

	return emu_kv_get_text(text, key, number, sizeof(number)) &&
	       emu_parse_uint(number, UINT64_MAX, ret_value) == 0;
}

bool emu_kv_get_hex(const char *text, const char *key, uint8_t *dst, size_t len)
{
	uint8_t bytes[64];
	size_t got;
	size_t hex_len;
	const char *value = kv_find(text, key, &hex_len);

	if (!value || len > sizeof(bytes))
		return false;
	if (buf_from_hex(value, hex_len, bytes, sizeof(bytes), &got) != 0 || got != len)
		return false;
	memcpy(dst, bytes, len);
	return true;
}
