/* SPDX-License-Identifier: Apache-2.0
 *
 * Bounded reading and writing of bytes with a sticky error: do all the reads (or
 * writes), then ask buf_ok() once. Nothing here allocates. Multi-byte integers are
 * big-endian (network order).
 *
 * struct bytes is borrowed memory, valid until the call that was given it returns.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
	const uint8_t *ptr;
	size_t len;
};

/* One type for both directions: a reader never writes through `ptr`. */
struct buf {
	uint8_t *ptr;
	size_t len; /* readable bytes, or capacity for a writer */
	size_t pos; /* next byte to read or write */
	int err;    /* 0 or the first error; later operations do nothing */
};

/* Reader over borrowed memory (never modified) and writer into `cap` bytes. */
struct buf buf_reader(const void *ptr, size_t len);
struct buf buf_writer(void *ptr, size_t cap);

static inline bool buf_ok(const struct buf *b)
{
	return b->err == 0;
}

size_t buf_left(const struct buf *b);

/* Reads; on underrun the error is ERR_TRUNC and the result 0 or empty. */
uint8_t buf_get_u8(struct buf *b);
uint16_t buf_get_u16(struct buf *b);
uint32_t buf_get_u32(struct buf *b);
uint64_t buf_get_u64(struct buf *b);
struct bytes buf_get_bytes(struct buf *b, size_t len);

/* Writes; on overflow the error is ERR_LIMIT and nothing is written. */
void buf_put_u8(struct buf *b, uint8_t value);
void buf_put_u16(struct buf *b, uint16_t value);
void buf_put_u32(struct buf *b, uint32_t value);
void buf_put_u64(struct buf *b, uint64_t value);
void buf_put_bytes(struct buf *b, const void *ptr, size_t len);
void buf_put_str(struct buf *b, const char *str);	      /* without its NUL */
void buf_put_dec(struct buf *b, uint64_t value);	      /* decimal digits */
void buf_put_hex(struct buf *b, const void *ptr, size_t len); /* lower-case hex digits */

/* What a writer has written so far. */
struct bytes buf_bytes(const struct buf *b);

/* Terminates a writer as a C string inside its capacity, cutting the last byte if it is
 * full. Returns the string; needs a capacity of at least 1. */
char *buf_cstr(struct buf *b);

bool bytes_equal(struct bytes a, struct bytes b);

/* Copies `src` (at most cap - 1 bytes and always NUL-terminated); true if all of it fitted. */
bool buf_copy_str(char *dst, size_t cap, const char *src);

/* Parses `len` hex digits (upper or lower case) into at most cap bytes.
 * 0, ERR_SYNTAX (odd length or other characters) or ERR_LIMIT; ret_len untouched on failure. */
int buf_from_hex(const char *hex, size_t len, uint8_t *dst, size_t cap, size_t *ret_len)
	__attribute__((warn_unused_result));

#endif
