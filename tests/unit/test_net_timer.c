/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/list.h"
#include "net/net_hash.h"
#include "net/net_timer.h"

enum { MANY = 2000 };

struct fired {
	struct net_timers timers;
	int64_t last_ms;
	unsigned count;
	int64_t again_ms; /* the next one to fire arms itself anew for it */
};

static void on_fire(struct net_timer *timer, void *ctx)
{
	struct fired *f = ctx;

	assert_false(timer->armed);
	assert_true(timer->at_ms >= f->last_ms);
	f->last_ms = timer->at_ms;
	f->count++;
	if (f->again_ms) {
		net_timer_arm(&f->timers, timer, f->again_ms, on_fire);
		f->again_ms = 0;
	}
}

static void run(struct fired *f, int64_t now_ms)
{
	f->timers.ctx = f;
	f->timers.now_ms = now_ms;
	net_timers_run(&f->timers);
}

static void test_timer_none_armed_has_no_deadline(void **state)
{
	struct fired f = {0};

	(void)state;
	assert_int_equal(net_timers_next_ms(&f.timers), -1);
	run(&f, 1000);
	assert_int_equal(f.count, 0);
}

static void test_timer_fires_at_its_time_not_before(void **state)
{
	struct fired f = {0};
	struct net_timer t = {0};

	(void)state;
	net_timer_arm(&f.timers, &t, 10, on_fire);
	run(&f, 9);
	assert_int_equal(f.count, 0);
	run(&f, 10);
	assert_int_equal(f.count, 1);
	run(&f, 100);
	assert_int_equal(f.count, 1);
}

static void test_timer_may_arm_itself_again_while_firing(void **state)
{
	struct fired f = {.again_ms = 20};
	struct net_timer t = {0};

	(void)state;
	net_timer_arm(&f.timers, &t, 10, on_fire);
	run(&f, 15);
	assert_int_equal(f.count, 1);
	assert_int_equal(net_timers_next_ms(&f.timers), 20);
	run(&f, 20);
	assert_int_equal(f.count, 2);
}

static void test_timer_many_in_any_order_fire_in_order(void **state)
{
	static struct net_timer t[MANY];
	struct fired f = {0};
	uint32_t seed = 1;
	unsigned armed = 0;

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < MANY; i++) {
			seed = seed * 1664525 + 1013904223;
			net_timer_arm(&f.timers, &t[i], 1 + (seed >> 16) % 500, on_fire);
		}
	}
	for (unsigned i = 0; i < MANY; i++) {
		seed = seed * 1664525 + 1013904223;
		if (seed >> 31)
			net_timer_disarm(&f.timers, &t[i]);
		armed += t[i].armed;
	}
	for (int64_t now = 0; now <= 500; now += 7)
		run(&f, now);
	run(&f, 501);
	assert_int_equal(f.count, armed);
	assert_int_equal(net_timers_next_ms(&f.timers), -1);
}

/* The first test vector of the SipHash paper: key 00..0f, message 00..0e. */
static void test_hash_is_siphash_2_4(void **state)
{
	const struct net_hash_key key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
	uint8_t message[15];

	(void)state;
	for (uint8_t i = 0; i < sizeof(message); i++)
		message[i] = i;
	assert_true(net_hash(&key, message, sizeof(message)) == 0xa129ca6149be45e5);
	assert_true(net_hash(&key, message, 0) == 0x726fdb47dd0e0e31);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timer_none_armed_has_no_deadline),
		cmocka_unit_test(test_timer_fires_at_its_time_not_before),
		cmocka_unit_test(test_timer_may_arm_itself_again_while_firing),
		cmocka_unit_test(test_timer_many_in_any_order_fire_in_order),
		cmocka_unit_test(test_hash_is_siphash_2_4),
	};

	return cmocka_run_group_tests_name("net/timer", tests, NULL, NULL);
}
