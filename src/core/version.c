/* SPDX-License-Identifier: Apache-2.0 */
#include "core/version.h"

#include <stddef.h>
#include <string.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}

/* A part of a label: borrowed, without a NUL. */
struct part {
	const char *at;
	size_t len;
};

struct label {
	const char *numbers; /* "1.2.3", up to pre, build or the end */
	const char *pre;     /* "rc.1", NULL: none */
};

/* One part of is(c) characters; at least one. */
static const char *part_skip(const char *at, bool (*is)(char c))
{
	if (!is(*at))
		return NULL;
	while (is(*at))
		at++;
	return at;
}

static const char *parts_skip(const char *at, bool (*is)(char c))
{
	for (at = part_skip(at, is); at && *at == '.';)
		at = part_skip(at + 1, is);
	return at;
}

static bool label_read(const char *text, struct label *ret)
{
	const char *at = text + (*text == 'v' || *text == 'V');

	*ret = (struct label){.numbers = at};
	at = parts_skip(at, is_digit);
	if (at && *at == '-') {
		ret->pre = at + 1;
		at = parts_skip(at + 1, is_word);
	}
	if (at && *at == '+')
		at = parts_skip(at + 1, is_word);
	return at && !*at;
}

/* The next part and the dot behind it; false at the end. */
static bool part_next(const char **at, bool (*is)(char c), struct part *ret)
{
	*ret = (struct part){*at, 0};
	while (is((*at)[ret->len]))
		ret->len++;
	if (ret->len == 0)
		return false;
	*at += ret->len;
	*at += **at == '.' && is((*at)[1]);
	return true;
}

static int compare_size(size_t a, size_t b)
{
	return (a > b) - (a < b);
}

static int compare_numbers(struct part a, struct part b)
{
	for (; a.len && *a.at == '0'; a.at++)
		a.len--;
	for (; b.len && *b.at == '0'; b.at++)
		b.len--;
	return a.len != b.len ? compare_size(a.len, b.len) : memcmp(a.at, b.at, a.len);
}

static bool part_is_number(struct part p)
{
	for (size_t i = 0; i < p.len; i++)
		if (!is_digit(p.at[i]))
			return false;
	return true;
}

static int compare_words(struct part a, struct part b)
{
	int differs = memcmp(a.at, b.at, a.len < b.len ? a.len : b.len);

	return differs ? differs : compare_size(a.len, b.len);
}

/* SemVer 11.4: numbers as numbers, words by their bytes, a number before a word, fewer parts
 * before more. */
static int compare_pre(const char *a, const char *b)
{
	struct part x, y;
	int differs = 0;

	if (!a || !b)
		return !a - !b;
	while (!differs) {
		bool more_a = part_next(&a, is_word, &x), more_b = part_next(&b, is_word, &y);
		if (!more_a || !more_b)
			return more_a - more_b;
		bool number_a = part_is_number(x), number_b = part_is_number(y);
		if (number_a != number_b)
			differs = number_a ? -1 : 1;
		else
			differs = number_a ? compare_numbers(x, y) : compare_words(x, y);
	}
	return differs;
}

static int compare_labels(const struct label *a, const struct label *b)
{
	const char *left = a->numbers, *right = b->numbers;
	bool more = true;
	int differs = 0;

	while (more && !differs) {
		struct part x, y; /* a missing one is empty, which is 0 */
		more = part_next(&left, is_digit, &x);
		more |= part_next(&right, is_digit, &y);
		differs = compare_numbers(x, y);
	}
	return differs ? differs : compare_pre(a->pre, b->pre);
}

enum order version_order(const char *a, const char *b)
{
	struct label x, y;

	if (strcmp(a, b) == 0)
		return ORDER_SAME;
	if (!label_read(a, &x) || !label_read(b, &y))
		return ORDER_NONE;
	int differs = compare_labels(&x, &y);
	return differs < 0 ? ORDER_BEFORE : differs > 0 ? ORDER_AFTER : ORDER_SAME;
}

bool version_at_least(const char *label, const char *least)
{
	enum order order = version_order(label, least);

	return order == ORDER_SAME || order == ORDER_AFTER;
}
