/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/heap.h"

enum { PIECE = 16 << 10 };

/* Where the heap ends with `count` pieces at its end, and where after they are gone. */
static uintptr_t grow_and_free(size_t count, uintptr_t *ret_after)
{
	void **pieces = calloc(count, sizeof(*pieces));
	uintptr_t grown;

	assert_non_null(pieces);
	for (size_t i = 0; i < count; i++) {
		pieces[i] = malloc(PIECE);
		assert_non_null(pieces[i]);
	}
	grown = (uintptr_t)sbrk(0);
	for (size_t i = count; i > 0; i--)
		free(pieces[i - 1]);
	free(pieces);
	*ret_after = (uintptr_t)sbrk(0);
	return grown;
}

/* A sanitizer's heap is elsewhere, and this one never moves. */
static void what_a_few_sessions_had_is_kept(void **state)
{
	uintptr_t after, grown;

	(void)state;
	heap_keep();
	grown = grow_and_free(HEAP_KEPT / PIECE / 2, &after);
	assert_true(after == grown);
}

static void more_than_that_is_not(void **state)
{
	uintptr_t after, grown, before = (uintptr_t)sbrk(0);

	(void)state;
	heap_keep();
	grown = grow_and_free((size_t)HEAP_KEPT / PIECE * 4, &after);
	if (grown != before) /* glibc's */
		assert_true(after <= grown - 2 * (uintptr_t)HEAP_KEPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_few_sessions_had_is_kept),
		cmocka_unit_test(more_than_that_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
