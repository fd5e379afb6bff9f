/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/slab.h"

static bool is_zero(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i])
			return false;
	return true;
}

/* Of each size up to beyond the largest that pages hold: zeroed, aligned, apart. */
static void test_pieces_are_zeroed_aligned_and_apart(void **state)
{
	static uint8_t *piece[SLAB_PIECE + 3];
	struct slab s;

	(void)state;
	slab_init(&s);
	for (size_t len = 0; len < SLAB_PIECE + 3; len++) {
		piece[len] = slab_take(&s, len);
		assert_non_null(piece[len]);
		assert_int_equal((uintptr_t)piece[len] % 16, 0);
		assert_true(is_zero(piece[len], len));
		memset(piece[len], (int)(len % 255 + 1), len);
	}
	for (size_t len = 0; len < SLAB_PIECE + 3; len++)
		for (size_t i = 0; i < len; i++)
			assert_int_equal(piece[len][i], len % 255 + 1);
	for (size_t len = 0; len < SLAB_PIECE + 3; len++)
		slab_give(&s, piece[len], len);
	assert_int_equal(s.pages, 0);
	slab_done(&s);
}

static void test_given_piece_is_wiped_and_taken_again(void **state)
{
	struct slab s;

	(void)state;
	slab_init(&s);
	uint8_t *keep = slab_take(&s, 40), *piece = slab_take(&s, 40);

	memset(piece, 0xff, 40);
	slab_give(&s, piece, 40);
	assert_true(is_zero(piece + sizeof(void *), 40 - sizeof(void *))); /* its page is there */
	assert_ptr_equal(slab_take(&s, 48), piece);
	assert_true(is_zero(piece, 48));
	slab_give(&s, piece, 48);
	slab_give(&s, keep, 40);
	slab_give(&s, NULL, 40);
	slab_done(&s);
}

/* Whatever the order, no page stays without a piece in use, and none is full of room. */
static void test_pages_go_with_their_last_piece(void **state)
{
	enum { PIECES = 1000, LEN = 256 };
	static void *piece[PIECES];
	struct slab s;

	(void)state;
	slab_init(&s);
	for (unsigned i = 0; i < PIECES; i++)
		piece[i] = slab_take(&s, LEN);
	size_t pages = s.pages;

	assert_in_range(pages, PIECES * LEN / SLAB_PAGE, PIECES * LEN / SLAB_PAGE + 1);
	for (unsigned i = 0; i < PIECES; i += 2) {
		slab_give(&s, piece[i], LEN);
		piece[i] = NULL;
	}
	assert_int_equal(s.pages, pages);
	for (unsigned i = 0; i < PIECES; i += 2)
		piece[i] = slab_take(&s, LEN);
	assert_int_equal(s.pages, pages); /* the holes were filled */
	for (unsigned i = 0; i < PIECES; i++)
		slab_give(&s, piece[(i * 7) % PIECES], LEN);
	slab_done(&s);
}

/* The system's memory comes in regions of many pages, and goes back when none is in use. */
static void test_regions_come_and_go(void **state)
{
	enum { LEN = SLAB_PIECE, PIECES = (SLAB_REGION + 1) * (SLAB_PAGE / SLAB_PIECE) };
	static uint8_t *piece[PIECES];
	struct slab s;

	(void)state;
	slab_init(&s);
	assert_int_equal(s.regions, 0);
	for (unsigned i = 0; i < PIECES; i++) {
		piece[i] = slab_take(&s, LEN);
		assert_non_null(piece[i]);
		memset(piece[i], 0xff, LEN);
	}
	assert_int_equal(s.regions, 2);
	for (unsigned i = 1; i < PIECES; i++)
		slab_give(&s, piece[i], LEN);
	assert_int_equal(s.pages, 1);
	assert_int_equal(s.regions, 1);
	/* Pages that were given back are there again, as new. */
	for (unsigned i = 1; i < PIECES; i++) {
		piece[i] = slab_take(&s, LEN);
		assert_true(is_zero(piece[i], LEN));
	}
	assert_int_equal(s.regions, 2);
	for (unsigned i = 0; i < PIECES; i++)
		slab_give(&s, piece[i], LEN);
	assert_int_equal(s.pages, 0);
	assert_int_equal(s.regions, 1); /* with the page that stays */
	assert_non_null(s.spare);
	slab_done(&s);
	assert_int_equal(s.regions, 0);
}

/* One piece by turns: the same page each time, whatever its size, and it is as new. */
static void test_last_page_stays_for_who_comes_next(void **state)
{
	struct slab s;

	(void)state;
	slab_init(&s);
	for (unsigned len = SLAB_STEP; len <= SLAB_PIECE; len += SLAB_STEP) {
		uint8_t *piece = slab_take(&s, len);

		assert_non_null(piece);
		assert_true(is_zero(piece, len));
		assert_null(s.spare);
		assert_int_equal(s.pages, 1);
		assert_int_equal(s.regions, 1);
		memset(piece, 0xff, len);
		slab_give(&s, piece, len);
		assert_non_null(s.spare);
		assert_int_equal(s.pages, 0);
	}
	slab_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces_are_zeroed_aligned_and_apart),
		cmocka_unit_test(test_given_piece_is_wiped_and_taken_again),
		cmocka_unit_test(test_pages_go_with_their_last_piece),
		cmocka_unit_test(test_regions_come_and_go),
		cmocka_unit_test(test_last_page_stays_for_who_comes_next),
	};

	return cmocka_run_group_tests_name("base/slab", tests, NULL, NULL);
}
