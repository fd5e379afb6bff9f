/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

void *mem_grow(void *ptr, size_t size)
{
	void *p = realloc(ptr, size ? size : 1);

	if (p == NULL) {
		fputs("postbootctl: out of memory\n", stderr);
		exit(1);
	}
	return p;
}

void *mem_get(size_t size)
{
	void *p = mem_grow(NULL, size);

	memset(p, 0, size);
	return p;
}

char *mem_copy(const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(mem_get(n), s, n);
}

/* One character of UTF-8: its bytes, 0 if it is broken (RFC 3629 4). */
static size_t utf8_take(const unsigned char *s, uint32_t *ret_cp)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t cp = s[0];
	size_t n = 1;

	if (cp >= 0x80) {
		n = cp >= 0xf0 && cp <= 0xf4 ? 4 : cp >= 0xe0 ? 3 : 2;
		if (cp < 0xc2 || cp > 0xf4)
			return 0;
		cp &= 0x7fu >> n;
		for (size_t i = 1; i < n; i++) {
			if ((s[i] & 0xc0) != 0x80)
				return 0;
			cp = cp << 6 | (s[i] & 0x3f);
		}
		if (cp < least[n] || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
			return 0;
	}
	*ret_cp = cp;
	return n;
}

static bool cp_harmless(uint32_t cp)
{
	if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
		return false;
	/* marks, overrides and isolates of direction; line and paragraph separator */
	if (cp == 0x61c || (cp >= 0x200b && cp <= 0x200f) || (cp >= 0x2028 && cp <= 0x202e))
		return false;
	return !(cp >= 0x2066 && cp <= 0x2069) && cp != 0xfeff;
}

char *text_safe(const char *s, bool utf8)
{
	const unsigned char *in = (const unsigned char *)s;
	char *out = mem_get(strlen(s) + 1);
	char *to = out;

	while (*in != '\0') {
		uint32_t cp = 0;
		size_t n = utf8_take(in, &cp);

		if (n > 0 && cp_harmless(cp) && (utf8 || cp < 0x80)) {
			memcpy(to, in, n);
			to += n;
		} else {
			*to++ = '?';
		}
		in += n ? n : 1;
	}
	*to = '\0';
	return out;
}

size_t text_width(const char *s)
{
	const unsigned char *in = (const unsigned char *)s;
	size_t width = 0;

	while (*in != '\0') {
		uint32_t cp = 0;
		size_t n = utf8_take(in, &cp);
		int w = n > 1 ? wcwidth((wchar_t)cp) : 1;

		width += w < 0 ? 1 : (size_t)w;
		in += n ? n : 1;
	}
	return width;
}

char *text_cut(char *s, size_t width, bool utf8)
{
	size_t used = 0, at = 0;

	if (width == 0 || text_width(s) <= width)
		return s;
	for (;;) {
		uint32_t cp = 0;
		size_t n = utf8_take((const unsigned char *)s + at, &cp);
		int w = n > 1 ? wcwidth((wchar_t)cp) : 1;

		used += w < 0 ? 1 : (size_t)w;
		if (used > width - 1)
			break;
		at += n ? n : 1;
	}
	const char *end = utf8 ? "…" : "~";
	char *cut = mem_get(at + strlen(end) + 1);

	memcpy(cut, s, at);
	memcpy(cut + at, end, strlen(end) + 1);
	free(s);
	return cut;
}

int text_integer(const char *s, int64_t *ret)
{
	char *end = NULL;
	long long n;

	if (!isdigit((unsigned char)s[s[0] == '-']))
		return ERR_SYNTAX;
	errno = 0;
	n = strtoll(s, &end, 10);
	if (*end != '\0')
		return ERR_SYNTAX;
	if (errno == ERANGE)
		return ERR_RANGE;
	*ret = n;
	return 0;
}

int text_duration(const char *s, int64_t *ret_s)
{
	static const struct {
		char unit;
		int64_t s;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	size_t len = strlen(s);
	int64_t factor = 1, n = 0;
	char digits[24];
	int err;

	if (len == 0 || len >= sizeof(digits))
		return ERR_SYNTAX;
	memcpy(digits, s, len + 1);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (s[len - 1] == units[i].unit) {
			factor = units[i].s;
			digits[len - 1] = '\0';
		}
	}
	err = text_integer(digits, &n);
	if (err)
		return err;
	if (n > INT64_MAX / factor || n < INT64_MIN / factor)
		return ERR_RANGE;
	*ret_s = n * factor;
	return 0;
}

/* Exactly `n` digits at *s. */
static bool digits_take(const char **s, int n, int *ret)
{
	*ret = 0;
	for (int i = 0; i < n; i++, (*s)++) {
		if (!isdigit((unsigned char)**s))
			return false;
		*ret = *ret * 10 + (**s - '0');
	}
	return true;
}

int text_time(const char *s, int64_t *ret_ms)
{
	static const char between[] = "--T::.Z";
	static const int digits[] = {4, 2, 2, 2, 2, 2, 3};
	int v[7] = {0};
	struct tm tm = {0};

	for (int i = 0; i < 7; i++) {
		if (!digits_take(&s, digits[i], &v[i]) || *s++ != between[i])
			return ERR_SYNTAX;
	}
	if (*s != '\0')
		return ERR_SYNTAX;
	tm.tm_year = v[0] - 1900;
	tm.tm_mon = v[1] - 1;
	tm.tm_mday = v[2];
	tm.tm_hour = v[3];
	tm.tm_min = v[4];
	tm.tm_sec = v[5];
	*ret_ms = (int64_t)timegm(&tm) * 1000 + v[6];
	return 0;
}

char *text_age(int64_t ms, char dst[TEXT_SHORT])
{
	static const struct {
		int64_t s;
		const char *unit;
	} units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
	int64_t s = ms / 1000;

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (s >= units[i].s || units[i].s == 1) {
			(void)snprintf(dst, TEXT_SHORT, "%" PRId64 " %s", s / units[i].s,
				       units[i].unit);
			break;
		}
	}
	return dst;
}

char *text_span(int64_t ms, char dst[TEXT_SHORT])
{
	int64_t s = ms / 1000;

	if (ms < 1000)
		(void)snprintf(dst, TEXT_SHORT, "%" PRId64 " ms", ms);
	else if (s < 60)
		(void)snprintf(dst, TEXT_SHORT, "%" PRId64 ".%" PRId64 " s", s, ms % 1000 / 100);
	else if (s < 3600)
		(void)snprintf(dst, TEXT_SHORT, "%" PRId64 " min %" PRId64 " s", s / 60, s % 60);
	else if (s < 86400)
		(void)snprintf(dst, TEXT_SHORT, "%" PRId64 " h %" PRId64 " min", s / 3600,
			       s % 3600 / 60);
	else
		(void)snprintf(dst, TEXT_SHORT, "%" PRId64 " d %" PRId64 " h", s / 86400,
			       s % 86400 / 3600);
	return dst;
}

char *text_count(int64_t n, char dst[TEXT_SHORT])
{
	char plain[24];
	char *to = dst;
	size_t len;

	(void)snprintf(plain, sizeof(plain), "%" PRId64, n);
	len = strlen(plain);
	for (size_t i = 0; i < len; i++) {
		*to++ = plain[i];
		if (plain[i] != '-' && i + 1 < len && (len - 1 - i) % 3 == 0)
			*to++ = ',';
	}
	*to = '\0';
	return dst;
}
