/* SPDX-License-Identifier: Apache-2.0
 *
 * Small pure helpers for text: made safe for a terminal, measured, read and written for
 * people. Nothing here prints; what is returned as char * is the caller's to free().
 */
#ifndef CTL_TEXT_H
#define CTL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* A copy in which everything that could drive a terminal is replaced: control characters
 * (newline and tab too), broken UTF-8, characters that reverse the direction of text.
 * `utf8` false: every character beyond ASCII as well. */
char *text_safe(const char *s, bool utf8);

/* Columns on a terminal of a text that text_safe() has returned. */
size_t text_width(const char *s);

/* Cuts such a text to that many columns, the last of them a sign that something is missing. */
char *text_cut(char *s, size_t width, bool utf8);

/* "90", "90s", "15m", "2h", "7d" in seconds; ERR_SYNTAX or ERR_RANGE. */
int text_duration(const char *s, int64_t *ret_s) ERR_CHECK;

/* A whole number in decimal, perhaps with a minus; ERR_SYNTAX or ERR_RANGE. */
int text_integer(const char *s, int64_t *ret) ERR_CHECK;

/* "2026-11-22T23:51:07.123Z" as Unix time in ms; ERR_SYNTAX. */
int text_time(const char *s, int64_t *ret_ms) ERR_CHECK;

enum { TEXT_SHORT = 48 };

/* A length of time in its two largest units: "850 ms", "2.1 s", "4 min 10 s", "3 d 2 h". */
char *text_span(int64_t ms, char dst[TEXT_SHORT]);

/* A length of time in its largest unit: "4 min". */
char *text_age(int64_t ms, char dst[TEXT_SHORT]);

/* A number with its thousands apart: "245,760". */
char *text_count(int64_t n, char dst[TEXT_SHORT]);

/* Memory or exit: a command line tool has nothing to save. */
void *mem_get(size_t size);
void *mem_grow(void *ptr, size_t size);
char *mem_copy(const char *s);

#endif
