/* SPDX-License-Identifier: Apache-2.0
 *
 * RFC 9146 beside hibernation: a device wakes after hours behind another port, and its session,
 * asleep as well, is found by its connection ID. What is not genuine neither wakes nor moves it.
 */
#include "net_asleep.h"
#include "net_roamer.h"

static struct rig *sleepy_rig(void)
{
	return rig_new((struct net_conf){.connection_ids = true, .hibernate_after_ms = 1},
		       "127.0.0.1", true);
}

/* mbedTLS can save it once it has said something. */
static struct device *device_asleep(struct rig *r, const char *id)
{
	uint64_t before = rig_stats(r).asleep;
	struct device *d = device_up(r, id, 4);

	assert_served(d, 1);
	assert_true(until_asleep(r, before + 1));
	return d;
}

static void test_sleeper_is_woken_by_its_id_from_a_new_address(void **state)
{
	struct rig *r = sleepy_rig();
	struct device *d = device_asleep(r, "dev-1");

	(void)state;
	for (uint16_t i = 0; i < 4; i++) {
		rebind(d);
		assert_served(d, (uint16_t)(2 + i));
		assert_int_equal(rig_stats(r).wakes, i + 1);
		assert_int_equal(rig_stats(r).address_changes, i + 1);
		assert_true(until_asleep(r, 1));
	}
	assert_int_equal(rig_stats(r).handshakes_ok, 1);
	assert_int_equal(rig_stats(r).cid_peers, 1);
	assert_int_equal(rig_stats(r).cid_refused, 0);
	device_free(d);
	rig_free(r);
}

static void test_forged_record_with_its_id_neither_wakes_nor_moves_it(void **state)
{
	struct rig *r = sleepy_rig();
	struct device *d = device_asleep(r, "dev-1");
	struct kept before = kept_of(r->peer);
	uint8_t raw[2048];
	size_t len = d->c->last_out_len;

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		memcpy(raw, d->c->last_out, len);
		raw[10] = (uint8_t)(raw[10] + 1 + i % 3); /* a new number, so the tag is wrong */
		assert_false(answered_elsewhere(r, raw, len));
	}
	assert_kept(r->peer, &before);
	assert_int_equal(rig_stats(r).wakes, 0);
	assert_int_equal(rig_stats(r).wakes_failed, 20);
	assert_int_equal(rig_stats(r).cid_refused, 20);
	assert_int_equal(rig_stats(r).address_changes, 0);
	assert_served(d, 2);
	assert_int_equal(rig_stats(r).wakes, 1);
	device_free(d);
	rig_free(r);
}

static void test_replay_from_elsewhere_neither_wakes_nor_moves_it(void **state)
{
	struct rig *r = sleepy_rig();
	struct device *d = device_asleep(r, "dev-1");
	struct kept before = kept_of(r->peer);

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		assert_false(answered_elsewhere(r, d->c->last_out, d->c->last_out_len));
	assert_kept(r->peer, &before);
	assert_int_equal(r->requests, 1);
	assert_int_equal(rig_stats(r).wakes, 0);
	assert_int_equal(rig_stats(r).address_changes, 0);
	rebind(d);
	assert_served(d, 2);
	device_free(d);
	rig_free(r);
}

/* Sent before a newer one that came from the present address, and on its way for long. */
static void test_older_record_wakes_it_and_moves_nothing(void **state)
{
	struct rig *r = sleepy_rig();
	struct device *d = device_asleep(r, "dev-1");
	uint8_t raw[2048], dst[256];
	size_t len = sealed(d, 7, raw);

	(void)state;
	rebind(d);
	assert_served(d, 8);
	assert_true(until_asleep(r, 1));
	assert_false(answered_elsewhere(r, raw, len));
	assert_int_equal(r->requests, 3);
	assert_int_equal(rig_stats(r).wakes, 2);
	assert_int_equal(rig_stats(r).address_changes, 1);
	assert_true(hear(d, dst, sizeof(dst), 4000) > 3);
	assert_int_equal(dst[3], 7);
	device_free(d);
	rig_free(r);
}

static void test_guessed_ids_load_nothing(void **state)
{
	struct rig *r = sleepy_rig();
	struct device *d = device_asleep(r, "dev-1");
	uint8_t raw[2048];
	size_t len = sealed(d, 2, raw);

	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		raw[12 + i % (NET_CID - 1)] ^= (uint8_t)(1 + i);
		assert_false(answered_elsewhere(r, raw, len));
		raw[12 + i % (NET_CID - 1)] ^= (uint8_t)(1 + i);
	}
	assert_int_equal(rig_stats(r).cid_unknown, 50);
	assert_int_equal(rig_stats(r).wakes_failed, 0);
	assert_int_equal(rig_stats(r).asleep, 1);
	device_free(d);
	rig_free(r);
}

static void test_address_is_as_unproven_after_a_sleep_as_before(void **state)
{
	static uint8_t large[1000];
	struct rig *r = sleepy_rig();
	struct device *d = device_asleep(r, "dev-1");
	uint8_t dst[1280];

	(void)state;
	r->answer = (struct bytes){large, sizeof(large)};
	rebind(d);
	d->deaf_to_ping = true;
	ask(d, 2, false);
	assert_int_equal(hear(d, dst, sizeof(dst), 50), 0);
	assert_true(until_asleep(r, 1));
	assert_true(r->peer->path.unproven);
	assert_int_equal(r->net->held_count, 0);
	ask(d, 3, false);
	assert_int_equal(hear(d, dst, sizeof(dst), 50), 0);
	assert_true(r->peer->path.unproven);
	assert_true(r->peer->path.out_bytes <= 3 * r->peer->path.in_bytes);
	d->deaf_to_ping = false;
	turn_for(r, NET_PATH_ASK_MS + 100); /* then it is asked again */
	assert_served(d, 4);
	assert_false(r->peer->path.unproven);
	device_free(d);
	rig_free(r);
}

static void test_notification_for_a_sleeper_goes_to_its_new_address(void **state)
{
	struct rig *r = sleepy_rig();
	struct device *d = device_asleep(r, "dev-1");
	struct net_reply reply = NET_REPLY(NET_CODE(2, 5));
	uint8_t dst[256];

	(void)state;
	ask(d, 2, true);
	assert_true(hear(d, dst, sizeof(dst), 4000) > 3);
	rebind(d);
	assert_served(d, 3);
	assert_true(until_asleep(r, 1));
	assert_int_equal(net_notify(r->net, r->peer, 1, &reply), 1);
	rig_turn(r);
	assert_true(hear(d, dst, sizeof(dst), 4000) > 3);
	assert_int_equal(dst[0] >> 4, 4); /* CON */
	assert_int_equal(rig_stats(r).handshakes_ok, 1);
	device_free(d);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sleeper_is_woken_by_its_id_from_a_new_address),
		cmocka_unit_test(test_forged_record_with_its_id_neither_wakes_nor_moves_it),
		cmocka_unit_test(test_replay_from_elsewhere_neither_wakes_nor_moves_it),
		cmocka_unit_test(test_older_record_wakes_it_and_moves_nothing),
		cmocka_unit_test(test_guessed_ids_load_nothing),
		cmocka_unit_test(test_address_is_as_unproven_after_a_sleep_as_before),
		cmocka_unit_test(test_notification_for_a_sleeper_goes_to_its_new_address),
	};

	return cmocka_run_group_tests_name("net/roam asleep", tests, NULL, NULL);
}
