/* SPDX-License-Identifier: Apache-2.0
 *
 * A device that asks for much does not keep another one waiting: how much is done in one turn is
 * bounded, and what waits is served in the order in which it came. Counted in turns of the loop
 * and in requests, never in time.
 */
#include "net_client.h"

#include <netinet/udp.h>

#include "net/net_internal.h"

enum { MANY = 1000, TURN_MAX = NET_DATAGRAMS_PER_EVENT };

static const struct net_conf open_conf = {.well_known = "</x>", .plain_devices = true};

static void ask(int fd, uint16_t mid)
{
	uint8_t raw[16];
	struct wire_coap_writer w =
		wire_coap_begin(raw, sizeof(raw), WIRE_CON, 1, mid, (struct bytes){NULL, 0});

	wire_coap_put_bytes(&w, WIRE_OPT_URI_PATH, (struct bytes){(const uint8_t *)"x", 1});
	assert_int_equal(send(fd, raw, w.buf.pos, 0), w.buf.pos);
}

static void ask_much(int fd)
{
	for (uint16_t mid = 0; mid < MANY; mid++)
		ask(fd, mid);
}

static bool answered(int fd)
{
	uint8_t got[256];

	return recv(fd, got, sizeof(got), 0) > 0;
}

static void test_another_socket_is_served_in_the_same_turn(void **state)
{
	struct rig *r = rig_new(open_conf, "127.0.0.1", false);
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fast = rig_socket(r);

	(void)state;
	assert_int_equal(net_listen(r->net, (struct sockaddr *)&at, false, &r->at), 0);
	int slow = rig_socket(r);

	ask_much(fast);
	ask(slow, 1);
	rig_turn(r);
	assert_true(answered(slow));
	assert_in_range(r->requests, 2, TURN_MAX + 1);
	(void)close(fast);
	(void)close(slow);
	rig_free(r);
}

static void on_timer(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

/* Timers and other handles of the loop get their turn while a flood is worked off. */
static void test_the_loop_turns_while_one_device_floods(void **state)
{
	struct rig *r = rig_new(open_conf, "127.0.0.1", false);
	int fast = rig_socket(r);
	uv_timer_t timer;
	bool fired = false;

	(void)state;
	ask_much(fast);
	rig_turn(r);
	assert_in_range(r->requests, 1, TURN_MAX);
	assert_int_equal(uv_timer_init(&r->loop, &timer), 0);
	timer.data = &fired;
	assert_int_equal(uv_timer_start(&timer, on_timer, 0, 0), 0);
	rig_turn(r);
	rig_turn(r);
	assert_true(fired);
	assert_in_range(r->requests, 1, 3 * TURN_MAX);
	uv_close((uv_handle_t *)&timer, NULL);
	(void)close(fast);
	rig_free(r);
}

/* What the kernel gives as one is not left for another turn: nobody would be called for it. */
static void test_turn_is_bounded_for_long_messages_too(void **state)
{
	enum { AT_ONCE = 32, MESSAGES = 4 * NET_UDP_MESSAGES };
	struct rig *r = rig_new(open_conf, "127.0.0.1", false);
	uint8_t pings[AT_ONCE][4] = {{0}};
	int fast = rig_socket(r), segment = sizeof(pings[0]);
	struct net_stats stats;

	(void)state;
	for (unsigned i = 0; i < AT_ONCE; i++)
		pings[i][0] = 0x40;
	assert_int_equal(setsockopt(fast, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment)), 0);
	for (unsigned i = 0; i < MESSAGES; i++)
		assert_int_equal(send(fast, pings, sizeof(pings), 0), sizeof(pings));
	rig_turn(r);
	net_stats_read(r->net, &stats);
	assert_in_range(stats.datagrams_in, 1, TURN_MAX - 1 + NET_UDP_MESSAGES * AT_ONCE);
	for (unsigned i = 0; i < 4; i++)
		rig_turn(r);
	net_stats_read(r->net, &stats);
	assert_int_equal(stats.datagrams_in, MESSAGES * AT_ONCE);
	(void)close(fast);
	rig_free(r);
}

/* On one socket a request waits for what was there before it, and for nothing that came after. */
static void test_slow_device_waits_for_no_more_than_came_before(void **state)
{
	struct rig *r = rig_new(open_conf, "127.0.0.1", false);
	int fast = rig_socket(r), slow = rig_socket(r);
	bool done = false;

	(void)state;
	ask_much(fast);
	ask(slow, 1);
	ask_much(fast);
	for (unsigned turn = 0; !done; turn++) {
		assert_true(turn <= MANY / TURN_MAX + 1);
		rig_turn(r);
		done = answered(slow);
	}
	assert_in_range(r->requests, MANY + 1, MANY + 1 + TURN_MAX);
	(void)close(fast);
	(void)close(slow);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_another_socket_is_served_in_the_same_turn),
		cmocka_unit_test(test_the_loop_turns_while_one_device_floods),
		cmocka_unit_test(test_turn_is_bounded_for_long_messages_too),
		cmocka_unit_test(test_slow_device_waits_for_no_more_than_came_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
