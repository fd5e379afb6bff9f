/* SPDX-License-Identifier: Apache-2.0
 *
 * Random devices, random faults, reboots, operators, restarts of the server: what must always
 * hold is checked by lwm2m_rig.c after each step (never Execute without the gate, never a write
 * in State 1, no success that is not true, no ask to a device that sleeps), and here: each attempt
 * ends in time, and a device that is good afterwards gets its image.
 */
#include "lwm2m_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WALKS = 400, EVENTS = 60 };

static struct rig rig;
static uint64_t walk;

static bool one_in(unsigned n)
{
	return rig_random(&rig) % n == 0;
}

static int pick(const int *from, unsigned count)
{
	return from[rig_random(&rig) % count];
}

#define PICK(...) pick((const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

static void random_reads(struct rig_script *s)
{
	static const char *const versions[] = {"1.0", "1.1", "1.2"};

	s->version = versions[rig_random(&rig) % 3];
	s->lifetime_s = PICK(60, 300, 3600);
	s->format = PICK(LWM2M_TLV, LWM2M_SENML_CBOR, LWM2M_SENML_JSON);
	s->queue = one_in(3);
	s->no_links = one_in(5);
	s->root = one_in(5) && !s->no_links ? "/lwm2m" : "";
	s->refuses = one_in(4) ? (unsigned)PICK(1, 2, 3, 4, 5, 6, 7) : 0;
	s->no_instances = one_in(8);
	s->clock_restarts = one_in(3);
}

static void random_faults(struct rig_script *s)
{
	s->delivery = (enum rig_delivery)PICK(0, 0, 1, 2, 3);
	s->state_at_boot = one_in(4) ? PICK(1, 2, 3) : 0;
	s->no_reset = one_in(6);
	s->no_observe = one_in(4);
	s->lost_notifications = one_in(4);
	s->uri_code = one_in(8) ? PICK(400, 404, 405, 415, 503, 500) : 0;
	s->push_code = one_in(8) ? PICK(400, 408, 413, 405, 503, 500) : 0;
	s->fails_with = one_in(4) ? PICK(1, 2, 5, 7, 8, 9, 10, 11, 200) : 0;
	s->cached = one_in(6);
	s->stalls = one_in(8);
	s->self_applies = one_in(8);
	s->execute_code = one_in(8) ? PICK(400, 405, 500, 503) : 0;
	s->execute_lost = one_in(6) ? (unsigned)PICK(1, 2, 9) : 0;
	s->execute_unanswered = one_in(6);
	s->apply = (enum rig_apply)PICK(0, 0, 0, 0, 1, 2, 3, 4, 5, 6);
	s->registers_first = one_in(5);
	s->result_first = one_in(6) ? PICK(1, 8) : 0;
	s->state_after = one_in(5) ? PICK(1, 2, 3) : 0;
	s->result_after = one_in(3) ? PICK(RIG_NONE, 1, 8) : 0;
}

static const char *random_options(void)
{
	static const char *const rows[] = {
		"",
		"lwm2m-uptime=/33605/0/0",
		"lwm2m-boot-count=/33605/0/1\nlwm2m-digest=/33605/0/2",
		"lwm2m-uptime=/33605/0/0\nlwm2m-boot-count=/33605/0/1\nlwm2m-transfer=push",
		"lwm2m-transfer=pull\nlwm2m-uptime=/33605/0/9",
		"lwm2m-poll=20\nlwm2m-block=64\nlwm2m-listen=93",
	};

	return rows[rig_random(&rig) % (sizeof(rows) / sizeof(rows[0]))];
}

static void random_event(void)
{
	switch (rig_random(&rig) % 12) {
	case 0:
		if (rig.on)
			rig_boot(&rig);
		break;
	case 1:
		if (rig.on && rig.registered)
			rig_register(&rig); /* without a reboot */
		break;
	case 2:
		rig_restart(&rig);
		break;
	case 3:
		rig_ring(&rig);
		break;
	case 4:
		(void)rig_operator(&rig, OPERATOR_CANCEL, 0);
		break;
	case 5:
		rig.u.target = one_in(3) ? NULL : &rig.releases[RIG_TARGET];
		(void)rig_operator(&rig, OPERATOR_TARGET_CHANGED, 0);
		break;
	case 6:
		(void)rig_operator(&rig, OPERATOR_UNHOLD, (int64_t)rig.attempts_closed);
		break;
	default:
		break;
	}
	rig_run(&rig, PICK(1, 2, 5, 20, 60, 200, 1000));
}

/* No attempt lives longer than its limit, whatever the device does. */
static void check_end(void)
{
	rig_run(&rig, 8000);
	if (rig.u.has_attempt)
		assert_true(rig.u.now_ms < attempt_deadline_ms(&rig.u.attempt));
}

/* The same device with good firmware, if its old one let it live, and someone who sees to it. */
static void check_recovers(void)
{
	const struct rig_script good = {
		.version = "1.1", .root = "", .lifetime_s = 300, .format = LWM2M_TLV};

	rig.s = good;
	rig.product.policy.max_failures = rig.product.policy.max_reverts = 100;
	rig.u.target = &rig.releases[RIG_TARGET];
	if (!rig.on || rig.image == RIG_BASE)
		rig.image = RIG_BASE;
	rig_boot(&rig);
	(void)rig_operator(&rig, OPERATOR_UNHOLD, (int64_t)rig.attempts_closed);
	for (int i = 0; i < 60; i++) {
		rig_run(&rig, 1000);
		if (rig.image == RIG_TARGET && !rig.u.has_attempt)
			break;
		if (rig.u.device.hold != HOLD_NONE)
			(void)rig_operator(&rig, OPERATOR_UNHOLD, (int64_t)rig.attempts_closed);
		(void)rig_operator(&rig, OPERATOR_FORCE, 0);
	}
	assert_int_equal(rig.image, RIG_TARGET);
	assert_false(rig.u.has_attempt);
	assert_string_equal(rig.u.device.report.version, "2.0.0");
}

static void one_walk(uint64_t seed)
{
	struct rig_script s = {0};

	rig.random = seed * 7919;
	random_reads(&s);
	random_faults(&s);
	const char *options = random_options();
	uint64_t random = rig.random;
	rig_init(&rig, &s, options);
	rig.random = random;
	rig.product.policy.stall_s = PICK(30, 300, 3600);
	rig.product.policy.total_s = 7000;
	rig.product.policy.probation_s = one_in(3) ? 120 : 0;
	rig.restarts = one_in(4);
	rig_boot(&rig);
	for (unsigned i = 0; i < EVENTS; i++)
		random_event();
	check_end();
	rig.restarts = false;
	check_recovers();
}

static void test_walks(void **state)
{
	const char *only = getenv("LWM2M_WALK"), *many = getenv("LWM2M_WALKS");
	uint64_t from = only ? strtoull(only, NULL, 10) : 1;
	uint64_t count = only ? 1 : many ? strtoull(many, NULL, 10) : WALKS;

	(void)state;
	for (walk = from; walk < from + count; walk++)
		one_walk(walk);
}

static int tell_walk(void **state)
{
	(void)state;
	fprintf(stderr, "# the last walk was %llu; LWM2M_WALK=N tells one alone\n",
		(unsigned long long)walk);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(test_walks, tell_walk)};

	return cmocka_run_group_tests_name("lwm2m_walk", tests, NULL, NULL);
}
