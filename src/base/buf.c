/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <string.h>

#include "base/err.h"

struct buf buf_reader(const void *ptr, size_t len)
{
	/* One struct serves both directions; the read functions never write through it. */
	return (struct buf){.ptr = (uint8_t *)(uintptr_t)ptr, .len = len};
}

struct buf buf_writer(void *ptr, size_t cap)
{
	return (struct buf){.ptr = ptr, .len = cap};
}

size_t buf_left(const struct buf *b)
{
	return b->err ? 0 : b->len - b->pos;
}

static const uint8_t *buf_take(struct buf *b, size_t len)
{
	if (b->err)
		return NULL;
	if (len > b->len - b->pos) {
		b->err = ERR_TRUNC;
		return NULL;
	}
	const uint8_t *p = b->ptr + b->pos;
	b->pos += len;
	return p;
}

static uint64_t buf_get_uint(struct buf *b, size_t len)
{
	const uint8_t *p = buf_take(b, len);
	uint64_t v = 0;

	for (size_t i = 0; p && i < len; i++)
		v = v << 8 | p[i];
	return v;
}

uint8_t buf_get_u8(struct buf *b)
{
	return (uint8_t)buf_get_uint(b, 1);
}

uint16_t buf_get_u16(struct buf *b)
{
	return (uint16_t)buf_get_uint(b, 2);
}

uint32_t buf_get_u32(struct buf *b)
{
	return (uint32_t)buf_get_uint(b, 4);
}

uint64_t buf_get_u64(struct buf *b)
{
	return buf_get_uint(b, 8);
}

struct bytes buf_get_bytes(struct buf *b, size_t len)
{
	const uint8_t *p = buf_take(b, len);

	return p ? (struct bytes){p, len} : (struct bytes){NULL, 0};
}

void buf_put_bytes(struct buf *b, const void *ptr, size_t len)
{
	if (b->err)
		return;
	if (len > b->len - b->pos) {
		b->err = ERR_LIMIT;
		return;
	}
	if (len)
		memcpy(b->ptr + b->pos, ptr, len);
	b->pos += len;
}

static void buf_put_uint(struct buf *b, uint64_t value, size_t len)
{
	uint8_t raw[8];

	for (size_t i = 0; i < len; i++)
		raw[i] = (uint8_t)(value >> (8 * (len - 1 - i)));
	buf_put_bytes(b, raw, len);
}

void buf_put_u8(struct buf *b, uint8_t value)
{
	buf_put_uint(b, value, 1);
}

void buf_put_u16(struct buf *b, uint16_t value)
{
	buf_put_uint(b, value, 2);
}

void buf_put_u32(struct buf *b, uint32_t value)
{
	buf_put_uint(b, value, 4);
}

void buf_put_u64(struct buf *b, uint64_t value)
{
	buf_put_uint(b, value, 8);
}

void buf_put_str(struct buf *b, const char *str)
{
	buf_put_bytes(b, str, strlen(str));
}

void buf_put_dec(struct buf *b, uint64_t value)
{
	char digits[20];
	size_t n = sizeof(digits);

	do {
		digits[--n] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	buf_put_bytes(b, digits + n, sizeof(digits) - n);
}

void buf_put_hex(struct buf *b, const void *ptr, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *bytes = ptr;

	if (b->err)
		return;
	if (buf_left(b) / 2 < len) {
		b->err = ERR_LIMIT;
		return;
	}
	for (size_t i = 0; i < len; i++) {
		b->ptr[b->pos++] = (uint8_t)digits[bytes[i] >> 4];
		b->ptr[b->pos++] = (uint8_t)digits[bytes[i] & 15];
	}
}

struct bytes buf_bytes(const struct buf *b)
{
	return (struct bytes){b->ptr, b->pos};
}

char *buf_cstr(struct buf *b)
{
	if (b->pos == b->len)
		b->pos--;
	b->ptr[b->pos] = 0;
	return (char *)b->ptr;
}

bool bytes_equal(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool buf_copy_str(char *dst, size_t cap, const char *src)
{
	size_t len = strlen(src);
	bool fits = len < cap;

	if (!fits)
		len = cap - 1;
	memcpy(dst, src, len);
	dst[len] = 0;
	return fits;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int buf_from_hex(const char *hex, size_t len, uint8_t *dst, size_t cap, size_t *ret_len)
{
	if (len % 2)
		return ERR_SYNTAX;
	if (len / 2 > cap)
		return ERR_LIMIT;
	for (size_t i = 0; i < len / 2; i++) {
		int hi = hex_digit(hex[2 * i]);
		int lo = hex_digit(hex[2 * i + 1]);
		if (hi < 0 || lo < 0)
			return ERR_SYNTAX;
		dst[i] = (uint8_t)(hi << 4 | lo);
	}
	*ret_len = len / 2;
	return 0;
}
