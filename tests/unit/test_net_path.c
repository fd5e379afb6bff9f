/* SPDX-License-Identifier: Apache-2.0
 *
 * RFC 9146 section 6: when a session follows its device to another address, what that leaves as it
 * was, and what may be sent there. Each test is named after the section it is about.
 */
#include "net_roamer.h"

/* ---- 6: the address ---- */

static void test_6_genuine_and_newer_record_moves_the_session(void **state)
{
	struct rig *r = rig_new(with_ids, "127.0.0.1", true);
	struct device *d = device_up(r, "dev-1", 4);

	(void)state;
	assert_served(d, 1);
	for (unsigned i = 0; i < 5; i++) {
		rebind(d);
		assert_served(d, (uint16_t)(2 + i));
		assert_int_equal(rig_stats(r).address_changes, i + 1);
	}
	assert_int_equal(rig_stats(r).handshakes_ok, 1);
	assert_int_equal(rig_stats(r).peers, 1);
	assert_int_equal(d->pings, 0); /* short answers need no proof */
	device_free(d);
	rig_free(r);
}

static void test_6_forged_record_with_a_sniffed_id_moves_nothing(void **state)
{
	struct rig *r = rig_new(with_ids, "127.0.0.1", true);
	struct device *d = device_up(r, "dev-1", 4);
	uint8_t raw[2048];

	(void)state;
	assert_served(d, 1);
	for (unsigned i = 0; i < 20; i++) {
		size_t len = d->c->last_out_len;

		memcpy(raw, d->c->last_out, len);
		raw[10] = (uint8_t)(raw[10] + 40 + i); /* a new number */
		assert_false(answered_elsewhere(r, raw, len));
		raw[10] = (uint8_t)(raw[10] - 40 - i + 1);
		raw[len - 1 - i] ^= 1;
		assert_false(answered_elsewhere(r, raw, len));
	}
	assert_int_equal(rig_stats(r).cid_refused, 40);
	assert_int_equal(rig_stats(r).address_changes, 0);
	assert_int_equal(r->requests, 1);
	assert_served(d, 2);
	device_free(d);
	rig_free(r);
}

static void test_6_replayed_record_moves_nothing(void **state)
{
	struct rig *r = rig_new(with_ids, "127.0.0.1", true);
	struct device *d = device_up(r, "dev-1", 4);
	uint8_t raw[2048];
	size_t len;

	(void)state;
	assert_served(d, 1);
	len = d->c->last_out_len;
	memcpy(raw, d->c->last_out, len);
	assert_false(answered_elsewhere(r, raw, len));
	for (uint16_t mid = 2; mid < 80; mid++) /* out of the window of 64 */
		assert_served(d, mid);
	assert_false(answered_elsewhere(r, raw, len));
	assert_int_equal(rig_stats(r).cid_refused, 2);
	assert_int_equal(rig_stats(r).address_changes, 0);
	assert_int_equal(r->requests, 79);
	device_free(d);
	rig_free(r);
}

/* It was delayed on the old way: it counts, but the session stays where the device is now. */
static void test_6_older_record_is_heard_and_moves_nothing(void **state)
{
	struct rig *r = rig_new(with_ids, "127.0.0.1", true);
	struct device *d = device_up(r, "dev-1", 4);
	uint8_t raw[2048], dst[256];
	size_t len = sealed(d, 7, raw);

	(void)state;
	rebind(d);
	assert_served(d, 8);
	assert_false(answered_elsewhere(r, raw, len));
	assert_int_equal(r->requests, 2);
	assert_int_equal(rig_stats(r).address_changes, 1);
	assert_int_equal(rig_stats(r).cid_refused, 0);
	assert_true(hear(d, dst, sizeof(dst), 4000) > 3); /* the answer is at the new one */
	assert_int_equal(dst[3], 7);
	device_free(d);
	rig_free(r);
}

static void test_6_unknown_ids_cost_nothing_and_get_nothing(void **state)
{
	struct rig *r = rig_new(with_ids, "127.0.0.1", true);
	struct device *d = device_up(r, "dev-1", 4);
	uint8_t raw[2048];
	size_t len = sealed(d, 1, raw);

	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		raw[11 + i % NET_CID] ^= (uint8_t)(1 + i);
		assert_false(answered_elsewhere(r, raw, len));
		raw[11 + i % NET_CID] ^= (uint8_t)(1 + i);
	}
	assert_int_equal(rig_stats(r).cid_unknown, 50);
	assert_int_equal(rig_stats(r).cid_refused, 0);
	assert_int_equal(rig_stats(r).dropped, 50);
	assert_served(d, 2);
	device_free(d);
	rig_free(r);
}

static void test_6_id_of_a_session_that_ended_is_unknown(void **state)
{
	struct rig *r = rig_new(with_ids, "127.0.0.1", true);
	struct device *d = device_up(r, "dev-1", 4);

	(void)state;
	net_peer_close(r->net, r->peer);
	rig_turn(r);
	assert_int_equal(rig_stats(r).cid_peers, 0);
	rebind(d);
	ask(d, 1, false);
	assert_int_equal(r->requests, 0);
	assert_int_equal(rig_stats(r).cid_unknown, 1);
	device_free(d);
	rig_free(r);
}

static void test_6_close_notify_from_another_address_ends_it(void **state)
{
	struct rig *r = rig_new(with_ids, "127.0.0.1", true);
	struct device *d = device_up(r, "dev-1", 4);

	(void)state;
	rebind(d);
	(void)mbedtls_ssl_close_notify(&d->c->ssl);
	rig_turn(r);
	assert_int_equal(r->gones[NET_GONE_CLOSED], 1);
	assert_int_equal(rig_stats(r).peers, 0);
	assert_int_equal(rig_stats(r).cid_peers, 0);
	device_free(d);
	rig_free(r);
}

/* ... and a forged one does not. */
static void test_6_forged_alert_from_another_address_ends_nothing(void **state)
{
	struct rig *r = rig_new(with_ids, "127.0.0.1", true);
	struct device *d = device_up(r, "dev-1", 4);
	uint8_t raw[2048];

	(void)state;
	d->keeps = true;
	(void)mbedtls_ssl_close_notify(&d->c->ssl);
	d->keeps = false;
	memcpy(raw, d->c->last_out, d->c->last_out_len);
	raw[d->c->last_out_len - 1] ^= 1;
	assert_false(answered_elsewhere(r, raw, d->c->last_out_len));
	assert_int_equal(rig_stats(r).peers, 1);
	assert_int_equal(rig_stats(r).cid_refused, 1);
	device_free(d);
	rig_free(r);
}

static void test_6_session_moves_between_ipv4_and_ipv6(void **state)
{
	struct rig *r = rig_new(with_ids, "127.0.0.1", true);
	struct device *d = device_up(r, "dev-1", 4);
	struct sockaddr_storage any = {0};
	char address[64];

	(void)state;
	assert_int_equal(uv_ip6_addr("::1", 0, (struct sockaddr_in6 *)&any), 0);
	assert_int_equal(net_listen(r->net, (struct sockaddr *)&any, true, &r->at), 0);
	rig_turn(r);
	rebind(d);
	assert_served(d, 1);
	assert_memory_equal(net_peer_address(r->peer, address), "[::1]:", 6);
	assert_int_equal(rig_stats(r).address_changes, 1);
	device_free(d);
	rig_free(r);
}

/* ---- 6: several at one address ---- */

static void test_6_mover_and_who_sits_there_both_live(void **state)
{
	struct rig *r = rig_new(with_ids, "127.0.0.1", true);
	struct device *sitting = device_up(r, "dev-1", -1);
	struct device *mover = device_up(r, "dev-2", 4);
	int own = mover->c->fd;

	(void)state;
	mover->c->fd = sitting->c->fd;
	for (uint16_t mid = 1; mid < 4; mid++) {
		assert_served(mover, mid);
		assert_served(sitting, mid);
	}
	mover->c->fd = own; /* and away again */
	assert_served(mover, 5);
	assert_served(sitting, 5);
	assert_int_equal(rig_stats(r).peers, 2);
	assert_int_equal(rig_stats(r).address_changes, 2);
	assert_int_equal(r->gones[NET_GONE_REPLACED], 0);
	device_free(mover);
	device_free(sitting);
	rig_free(r);
}

static void test_6_two_with_ids_behind_one_port_both_live(void **state)
{
	struct rig *r = rig_new(with_ids, "127.0.0.1", true);
	struct device *a = device_up(r, "dev-1", 3), *b = device_up(r, "dev-2", 3);

	(void)state;
	(void)close(b->c->fd);
	b->c->fd = a->c->fd;
	b->c->borrowed_fd = true;
	for (uint16_t mid = 1; mid < 4; mid++) {
		assert_served(b, mid);
		assert_served(a, mid);
	}
	assert_int_equal(rig_stats(r).peers, 2);
	device_free(b);
	device_free(a);
	rig_free(r);
}

static void test_6_handshake_from_the_same_address_leaves_others_alone(void **state)
{
	struct rig *r = rig_new(with_ids, "127.0.0.1", true);
	struct device *asleep = device_up(r, "dev-1", 4);
	struct device *fresh = device_new(r, "dev-2", -1, asleep); /* the NAT gave it the port */

	(void)state;
	(void)mbedtls_ssl_handshake(&fresh->c->ssl);
	rig_turn(r);
	(void)mbedtls_ssl_handshake(&fresh->c->ssl);
	rig_turn(r);
	assert_int_equal(rig_stats(r).half_open, 1);

	int fd = asleep->c->fd;

	asleep->c->fd = rig_socket(r);
	assert_served(asleep, 1); /* beside a handshake under way */
	assert_int_equal(client_handshake(fresh->c), 0);
	assert_served(fresh, 2);
	(void)close(asleep->c->fd);
	asleep->c->fd = fd;
	assert_served(asleep, 3);
	assert_served(fresh, 4);
	assert_int_equal(rig_stats(r).peers, 2);
	device_free(fresh);
	device_free(asleep);
	rig_free(r);
}

static void test_6_new_session_takes_no_place_of_a_sleeping_one(void **state)
{
	struct rig *r = rig_new(with_ids, "127.0.0.1", true);
	struct device *asleep = device_up(r, "dev-1", 4);
	struct device *fresh = device_new(r, "dev-2", 4, asleep);

	(void)state;
	assert_int_equal(client_handshake(fresh->c), 0);
	assert_int_equal(rig_stats(r).peers, 2);
	assert_int_equal(r->gones[NET_GONE_REPLACED], 0);
	assert_served(asleep, 1); /* even through the same port */
	assert_served(fresh, 2);
	device_free(fresh);
	device_free(asleep);
	rig_free(r);
}

/* RFC 6347 4.2.8: it has rebooted, and came back from the same port. */
static void test_6_new_handshake_of_the_same_device_replaces_its_old_one(void **state)
{
	struct rig *r = rig_new(with_ids, "127.0.0.1", true);
	struct device *before = device_up(r, "dev-1", 4);
	struct device *after = device_new(r, "dev-1", 4, before);

	(void)state;
	assert_int_equal(client_handshake(after->c), 0);
	assert_int_equal(r->gones[NET_GONE_REPLACED], 1);
	assert_int_equal(rig_stats(r).peers, 1);
	assert_int_equal(rig_stats(r).cid_peers, 1);
	assert_served(after, 1);
	device_free(after);
	device_free(before);
	rig_free(r);
}

/* ---- 6: what belongs to the session, not to the address ---- */

static void test_6_duplicate_is_known_after_a_move(void **state)
{
	struct rig *r = rig_new(with_ids, "127.0.0.1", true);
	struct device *d = device_up(r, "dev-1", 4);

	(void)state;
	assert_served(d, 1);
	rebind(d);
	assert_served(d, 1);
	assert_int_equal(rig_stats(r).duplicates, 1);
	device_free(d);
	rig_free(r);
}

static void test_6_notification_goes_to_the_new_address(void **state)
{
	struct rig *r = rig_new(with_ids, "127.0.0.1", true);
	struct device *d = device_up(r, "dev-1", 4);
	struct net_reply reply = NET_REPLY(NET_CODE(2, 5));
	uint8_t dst[256];

	(void)state;
	ask(d, 1, true);
	assert_true(hear(d, dst, sizeof(dst), 4000) > 3);
	rebind(d);
	assert_served(d, 2);
	assert_int_equal(net_notify(r->net, r->peer, 1, &reply), 1);
	rig_turn(r);
	assert_true(hear(d, dst, sizeof(dst), 4000) > 3);
	assert_int_equal(dst[0] >> 4, 4); /* CON */
	assert_int_equal(dst[1], NET_CODE(2, 5));
	device_free(d);
	rig_free(r);
}

/* ---- 6: a new address that has not proved that it hears us ---- */

static uint8_t large[1000];

static struct rig *rig_large(void)
{
	struct rig *r = rig_new(with_ids, "127.0.0.1", true);

	r->answer = (struct bytes){large, sizeof(large)};
	return r;
}

static void test_6_large_answer_waits_for_a_pong(void **state)
{
	struct rig *r = rig_large();
	struct device *d = device_up(r, "dev-1", 4);

	(void)state;
	assert_served(d, 1);
	assert_int_equal(d->pings, 0);
	rebind(d);
	assert_served(d, 2); /* no repetition needed */
	assert_int_equal(d->pings, 1);
	assert_int_equal(r->requests, 2);
	assert_served(d, 3);
	assert_int_equal(d->pings, 1);
	assert_int_equal(r->net->held_count, 0);
	device_free(d);
	rig_free(r);
}

static void test_6_an_ack_is_as_good_as_a_pong(void **state)
{
	struct rig *r = rig_large();
	struct device *d = device_up(r, "dev-1", 4);

	(void)state;
	d->acks_ping = true;
	assert_served(d, 1);
	rebind(d);
	assert_served(d, 2);
	assert_int_equal(d->pings, 1);
	assert_false(r->peer->path.unproven);
	device_free(d);
	rig_free(r);
}

/* Whoever sees genuine records can send them under a victim's address before they arrive. */
static void test_6_and_9_no_more_than_three_times_goes_to_a_victim(void **state)
{
	struct rig *r = rig_large();
	struct device *d = device_up(r, "dev-1", 4);
	int victim = rig_socket(r);
	uint8_t raw[2048];
	size_t in = 0, out = 0;

	(void)state;
	for (uint16_t mid = 1; mid <= 50; mid++) {
		size_t len = sealed(d, mid, raw);

		assert_int_equal(send(victim, raw, len, 0), len);
		in += len;
		rig_turn(r);
		for (ssize_t got = 0; got >= 0; out += got > 0 ? (size_t)got : 0)
			got = recv(victim, raw, sizeof(raw), MSG_DONTWAIT);
		assert_true(out <= 3 * in);
	}
	assert_int_equal(r->requests, 50);
	assert_true(out > 0);
	assert_int_equal(r->net->held_count, LIMIT_PATH_HELD);
	assert_served(d, 60); /* the device takes its session back */
	assert_int_equal(rig_stats(r).address_changes, 2);
	assert_int_equal(r->net->held_count, 0);
	(void)close(victim);
	device_free(d);
	rig_free(r);
}

static void pong(struct device *d, uint16_t mid)
{
	const uint8_t reset[4] = {0x70, 0, (uint8_t)(mid >> 8), (uint8_t)mid};

	assert_int_equal(mbedtls_ssl_write(&d->c->ssl, reset, sizeof(reset)), 4);
	rig_turn(d->c->rig);
}

static void test_6_pong_from_elsewhere_proves_nothing(void **state)
{
	struct rig *r = rig_large();
	struct device *d = device_up(r, "dev-1", 4);
	uint8_t dst[64];
	int before;

	(void)state;
	assert_served(d, 1);
	before = d->c->fd;
	d->c->fd = rig_socket(r);
	d->deaf_to_ping = true;
	ask(d, 2, false);
	assert_int_equal(hear(d, dst, sizeof(dst), 100), 0);
	assert_int_equal(d->pings, 1);
	assert_true(r->peer->path.unproven);
	pong(d, (uint16_t)(r->peer->path.ping + 1));
	assert_true(r->peer->path.unproven);
	/* The right one comes from the old address: the session goes back there, unproven. */
	(void)close(d->c->fd);
	d->c->fd = before;
	pong(d, r->peer->path.ping);
	assert_int_equal(rig_stats(r).address_changes, 2);
	assert_true(r->peer->path.unproven);
	assert_int_equal(r->net->held_count, 0);
	d->deaf_to_ping = false;
	assert_served(d, 3);
	assert_false(r->peer->path.unproven);
	device_free(d);
	rig_free(r);
}

static void test_6_old_pong_from_elsewhere_proves_nothing(void **state)
{
	struct rig *r = rig_large();
	struct device *d = device_up(r, "dev-1", 4);
	uint8_t raw[2048];
	size_t len;

	(void)state;
	rebind(d);
	ask(d, 1, false);
	d->keeps = true;
	pong(d, r->peer->path.ping);
	d->keeps = false;
	len = d->c->last_out_len;
	memcpy(raw, d->c->last_out, len);
	ask(d, 2, false);
	assert_false(answered_elsewhere(r, raw, len)); /* genuine, but older, and not from there */
	assert_int_equal(rig_stats(r).address_changes, 1);
	assert_true(r->peer->path.unproven);
	pong(d, r->peer->path.ping);
	assert_false(r->peer->path.unproven);
	device_free(d);
	rig_free(r);
}

/* A device that wants its answers to go to a victim. */
static void test_6_guessing_at_the_ping_ends_the_session(void **state)
{
	struct rig *r = rig_large();
	struct device *d = device_up(r, "dev-1", 4);

	(void)state;
	for (unsigned round = 0; round < 2; round++) { /* what is right clears what was wrong */
		rebind(d);
		ask(d, (uint16_t)(10 + round), false);
		for (uint16_t i = 1; i < NET_PATH_GUESSES; i++)
			pong(d, (uint16_t)(r->peer->path.ping + i));
		pong(d, r->peer->path.ping);
		assert_false(r->peer->path.unproven);
	}
	for (uint16_t i = 0; i < NET_PATH_GUESSES; i++) {
		assert_int_equal(rig_stats(r).peers, 1);
		rebind(d); /* another address is no new start */
		ask(d, (uint16_t)(20 + i), false);
		pong(d, (uint16_t)(r->peer->path.ping + 1));
	}
	rig_turn(r);
	assert_int_equal(rig_stats(r).peers, 0);
	assert_int_equal(r->gones[NET_GONE_LOCAL], 1);
	device_free(d);
	rig_free(r);
}

static void test_6_at_most_eight_answers_are_held_and_all_of_them_sent(void **state)
{
	struct rig *r = rig_large();
	struct device *d = device_up(r, "dev-1", 4);
	uint8_t dst[1280];
	uint16_t mid = 0;
	uint64_t seen = 0;

	(void)state;
	rebind(d);
	while (rig_stats(r).dropped == 0 && mid < 60)
		ask(d, ++mid, false);
	assert_int_equal(r->peer->path.held_count, LIMIT_PATH_HELD);
	for (uint16_t i = 1; i < mid; i++) { /* all but the last one */
		assert_true(hear(d, dst, sizeof(dst), 4000) > 1000);
		seen |= UINT64_C(1) << dst[3];
	}
	assert_int_equal(seen, (UINT64_C(1) << mid) - 2);
	assert_int_equal(d->pings, 1);
	assert_int_equal(r->net->held_count, 0);
	assert_served(d, mid); /* as it would ask again */
	device_free(d);
	rig_free(r);
}

static void test_6_all_peers_together_hold_no_more_than_their_limit(void **state)
{
	struct rig *r = rig_large();
	struct device *d = device_up(r, "dev-1", 4);

	(void)state;
	r->net->held_count = LIMIT_PATHS_HELD - 1;
	rebind(d);
	ask(d, 1, false);
	assert_int_equal(r->peer->path.held_count, 1);
	ask(d, 2, false);
	assert_int_equal(r->peer->path.held_count, 1);
	assert_int_equal(rig_stats(r).dropped, 1);
	r->net->held_count -= LIMIT_PATHS_HELD - 1;
	device_free(d);
	rig_free(r);
}

static void test_6_what_is_held_too_long_is_dropped(void **state)
{
	struct rig *r = rig_large();
	struct device *d = device_up(r, "dev-1", 4), *other = device_up(r, "dev-2", 4);

	(void)state;
	rebind(d);
	rebind(other);
	ask(d, 1, false);
	ask(other, 2, false);
	ask(d, 3, false);
	assert_int_equal(r->net->held_count, 3);
	r->net->timers.now_ms += NET_PATH_HOLD_MS - 5000;
	net_path_sweep(r->net);
	assert_int_equal(r->net->held_count, 3);
	r->net->timers.now_ms += 5000;
	net_path_sweep(r->net);
	assert_int_equal(r->net->held_count, 0);
	assert_int_equal(rig_stats(r).dropped, 3);
	assert_served(d, 4); /* it answers only now */
	assert_int_equal(d->pings, 1);
	device_free(d);
	device_free(other);
	rig_free(r);
}

static void test_6_held_answers_go_with_their_session(void **state)
{
	struct rig *r = rig_large();
	struct device *d = device_up(r, "dev-1", 4);

	(void)state;
	rebind(d);
	ask(d, 1, false);
	assert_int_equal(r->net->held_count, 1);
	net_peer_close(r->net, r->peer);
	rig_turn(r);
	assert_int_equal(r->net->held_count, 0);
	assert_true(list_empty(&r->net->held));
	device_free(d);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_6_genuine_and_newer_record_moves_the_session),
		cmocka_unit_test(test_6_forged_record_with_a_sniffed_id_moves_nothing),
		cmocka_unit_test(test_6_replayed_record_moves_nothing),
		cmocka_unit_test(test_6_older_record_is_heard_and_moves_nothing),
		cmocka_unit_test(test_6_unknown_ids_cost_nothing_and_get_nothing),
		cmocka_unit_test(test_6_id_of_a_session_that_ended_is_unknown),
		cmocka_unit_test(test_6_close_notify_from_another_address_ends_it),
		cmocka_unit_test(test_6_forged_alert_from_another_address_ends_nothing),
		cmocka_unit_test(test_6_session_moves_between_ipv4_and_ipv6),
		cmocka_unit_test(test_6_mover_and_who_sits_there_both_live),
		cmocka_unit_test(test_6_two_with_ids_behind_one_port_both_live),
		cmocka_unit_test(test_6_handshake_from_the_same_address_leaves_others_alone),
		cmocka_unit_test(test_6_new_session_takes_no_place_of_a_sleeping_one),
		cmocka_unit_test(test_6_new_handshake_of_the_same_device_replaces_its_old_one),
		cmocka_unit_test(test_6_duplicate_is_known_after_a_move),
		cmocka_unit_test(test_6_notification_goes_to_the_new_address),
		cmocka_unit_test(test_6_large_answer_waits_for_a_pong),
		cmocka_unit_test(test_6_an_ack_is_as_good_as_a_pong),
		cmocka_unit_test(test_6_and_9_no_more_than_three_times_goes_to_a_victim),
		cmocka_unit_test(test_6_pong_from_elsewhere_proves_nothing),
		cmocka_unit_test(test_6_old_pong_from_elsewhere_proves_nothing),
		cmocka_unit_test(test_6_guessing_at_the_ping_ends_the_session),
		cmocka_unit_test(test_6_at_most_eight_answers_are_held_and_all_of_them_sent),
		cmocka_unit_test(test_6_all_peers_together_hold_no_more_than_their_limit),
		cmocka_unit_test(test_6_what_is_held_too_long_is_dropped),
		cmocka_unit_test(test_6_held_answers_go_with_their_session),
	};

	return cmocka_run_group_tests_name("net/path", tests, NULL, NULL);
}
