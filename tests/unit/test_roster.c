/* SPDX-License-Identifier: Apache-2.0
 *
 * The roster against a plain sorted array, with devices that come and go, also between two pages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/roster.h"

enum { NAMES = 3000, STEPS = 40000 };

static struct roster r;
static int64_t there[NAMES]; /* product of its brief; 0: not there */
static size_t count;

static uint32_t chance(void)
{
	static uint32_t x = 2463534242;

	x ^= x << 13;
	x ^= x >> 17;
	return x ^= x << 5;
}

static const char *name_of(unsigned i)
{
	static char name[16];

	(void)snprintf(name, sizeof(name), "d-%05u", i);
	return name;
}

static bool put(unsigned i, int64_t product)
{
	struct brief b = {.product = product};

	count += !there[i];
	there[i] = product;
	return roster_set(&r, name_of(i), &b) == 0;
}

static void drop(unsigned i)
{
	count -= there[i] != 0;
	there[i] = 0;
	roster_remove(&r, name_of(i));
}

/* From behind a device on, so many steps: each device that is there, in order. */
static bool walk_is_right(int after, unsigned steps)
{
	struct roster_at at = roster_after(&r, after < 0 ? "" : name_of((unsigned)after));
	const char *id = NULL;

	for (unsigned i = (unsigned)(after + 1); i < NAMES && steps; i++) {
		if (!there[i])
			continue;
		const struct brief *b = roster_next(&r, &at, &id);
		if (!b || strcmp(id, name_of(i)) != 0 || b->product != there[i])
			return false;
		steps--;
	}
	return !steps || !roster_next(&r, &at, &id);
}

static bool comes_and_goes(void)
{
	bool right = true;

	for (unsigned step = 0; step < STEPS && right; step++) {
		unsigned i = chance() % NAMES;
		if (chance() % 5 < (step / 8000 % 2 ? 1 : 3)) /* it grows, shrinks, grows */
			right = put(i, 1 + (int64_t)(chance() % 1000));
		else
			drop(i);
		i = chance() % NAMES;
		const struct brief *b = roster_find(&r, name_of(i));
		right = right && (b ? b->product : 0) == there[i] && r.devices == count;
		if (step % 100 == 0)
			right = right && walk_is_right((int)(chance() % NAMES), 300);
	}
	return right && walk_is_right(-1, NAMES);
}

/* Pages of 100, and between them devices before, at and behind the boundary come and go: those that
 * stay are seen once each. */
static bool pages_are_whole(void)
{
	char last[16] = "";
	unsigned seen = 0, stays = 0;

	for (unsigned i = 0; i < NAMES; i++) {
		if (!put(i, i % 2 ? 1 : 2))
			return false;
		stays += i % 2;
	}
	for (unsigned page = 0; page < NAMES; page++) {
		struct roster_at at = roster_after(&r, last);
		const struct brief *b = NULL;
		const char *id = NULL;
		for (unsigned n = 0; n < 100 && (b = roster_next(&r, &at, &id)); n++) {
			seen += b->product == 1;
			(void)snprintf(last, sizeof(last), "%s", id);
		}
		if (!b)
			break;
		unsigned edge = (unsigned)strtoul(last + 2, NULL, 10) / 2 * 2;
		for (unsigned i = edge < 200 ? 0 : edge - 200; i < edge + 200 && i < NAMES;
		     i += 2) {
			if (there[i])
				drop(i);
			else if (!put(i, 2))
				return false;
		}
	}
	return seen == stays;
}

static void test_an_empty_one_has_nobody(void **state)
{
	struct roster_at at = roster_after(&r, "");
	const char *id = NULL;

	(void)state;
	assert_null(roster_next(&r, &at, &id));
	assert_null(roster_find(&r, "a"));
	roster_remove(&r, "a");
	assert_int_equal(r.devices, 0);
}

static void test_in_order_they_fill_their_places(void **state)
{
	(void)state;
	for (unsigned i = 0; i < NAMES; i++)
		assert_true(put(i, 7));
	assert_true(walk_is_right(-1, NAMES));
	assert_true(walk_is_right(255, NAMES));
	assert_int_equal(r.count, (NAMES + 255) / 256);
}

static void test_devices_come_and_go(void **state)
{
	(void)state;
	assert_true(comes_and_goes());
	for (unsigned i = 0; i < NAMES; i++)
		drop(i);
	assert_int_equal(r.count, 0);
	assert_int_equal(r.devices, 0);
}

static void test_who_stays_is_seen_once_whoever_comes_between_pages(void **state)
{
	(void)state;
	assert_true(pages_are_whole());
	roster_clear(&r);
	assert_int_equal(r.devices, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_empty_one_has_nobody),
		cmocka_unit_test(test_in_order_they_fill_their_places),
		cmocka_unit_test(test_devices_come_and_go),
		cmocka_unit_test(test_who_stays_is_seen_once_whoever_comes_between_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
