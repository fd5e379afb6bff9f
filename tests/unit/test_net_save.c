/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions that go on with the next process: a second net in its place, on the same address.
 */
#include "net_next.h"

#include <mbedtls/version.h>

#include "base/clock.h"
#include "net/net_save.h"

static void acknowledge(struct client *c, const uint8_t *got)
{
	const uint8_t ack[4] = {0x60, 0, got[2], got[3]};

	assert_int_equal(mbedtls_ssl_write(&c->ssl, ack, 4), 4);
}

static void test_sessions_go_on_with_the_next_net(void **state)
{
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	struct client *c[3];
	uint8_t got[256];
	static const char *const ids[] = {"dev-1", "dev-22", "dev-333"};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		c[i] = client_up(r, ids[i]);
		assert_true(client_ask(c[i], 1, 1, 0, got, 4000) > 4);
		assert_true(client_ask(c[i], 2, 77, -1, got, 4000) > 4); /* a POST */
	}
	int64_t since_ms = net_peer_since_ms(r->peer);
	struct net_claim claim, again;
	net_peer_claim(r->peer, &claim);
	struct net_saved saved = save(r, &kept);
	assert_int_equal(saved.sessions, 3);
	assert_int_equal(saved.closed, 0);

	next_net(r, &plain_conf);
	assert_int_equal(r->gones[NET_GONE_LOCAL], 3);
	for (unsigned i = 0; i < 3; i++) /* nobody was told */
		assert_int_equal(client_read(c[i], got, 20), 0);
	struct net_restored back = restore(r, &kept);
	assert_int_equal(back.sessions, 3);
	assert_int_equal(back.refused, 0);
	assert_int_equal(r->backs, 3);
	assert_int_equal(r->unheard, 0);
	assert_int_equal(net_peer_since_ms(r->peer), since_ms);
	net_peer_claim(r->peer, &again);
	assert_int_equal(again.tag, claim.tag);
	assert_int_equal(again.identity.len, 7);
	assert_memory_equal(again.identity.ptr, "dev-333", 7);
	assert_int_equal(rig_stats(r).peers, 3);
	assert_int_equal(rig_stats(r).asleep, 3);
	assert_int_equal(rig_stats(r).restored, 3);

	/* Its observation is there, its POST is known, and requests are answered. */
	struct net_reply reply = NET_REPLY(NET_CODE(2, 5));
	reply.payload = (struct bytes){(const uint8_t *)"ring", 4};
	assert_int_equal(net_notify(r->net, r->peer, RIG_TAG, &reply), 1);
	int len = client_read(c[2], got, 4000);
	assert_true(len > 4);
	assert_memory_equal(got + len - 4, "ring", 4);
	acknowledge(c[2], got);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(client_ask(c[i], 2, 77, -1, got, 4000) > 4);
		assert_true(r->last_duplicate);
		assert_true(client_ask(c[i], 2, 78, -1, got, 4000) > 4);
		assert_false(r->last_duplicate);
	}
	assert_int_equal(rig_stats(r).handshakes_ok, 0);
	assert_int_equal(r->ups, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_false(c[i]->nonce_again);
		client_free(c[i]);
	}
	rig_free(r);
}

static void test_sleepers_and_those_with_a_message_under_way_go_on_too(void **state)
{
	struct net_conf conf = plain_conf;
	uint8_t got[256];

	(void)state;
	conf.hibernate_after_ms = 1;
	struct rig *r = rig_new(conf, "127.0.0.1", true);
	struct client *c = client_up(r, "dev-1");
	struct net_reply reply = NET_REPLY(NET_CODE(2, 5));

	assert_true(client_ask(c, 1, 1, 0, got, 4000) > 4);
	while (rig_stats(r).asleep == 0)
		turn_for(r, 5);
	assert_int_equal(net_notify(r->net, r->peer, RIG_TAG, &reply), 1);
	assert_int_equal(save(r, &kept).sessions, 1);
	next_net(r, &conf);
	assert_int_equal(restore(r, &kept).sessions, 1);
	assert_int_equal(r->unheard, 1);
	assert_int_equal(net_notify(r->net, r->peer, RIG_TAG, &reply), 1);
	assert_true(client_read(c, got, 4000) > 0); /* the one of before */
	assert_true(client_read(c, got, 4000) > 0);
	acknowledge(c, got);
	assert_true(client_get(c, 2, got, 4000) > 4);
	assert_false(c->nonce_again);
	/* and once more */
	assert_int_equal(save(r, &kept).sessions, 1);
	next_net(r, &conf);
	assert_int_equal(restore(r, &kept).sessions, 1);
	assert_true(client_get(c, 3, got, 4000) > 4);
	assert_false(c->nonce_again);
	client_free(c);
	rig_free(r);
}

static void test_who_cannot_be_saved_is_told(void **state)
{
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	struct client *c = client_up(r, "dev-1"); /* and says nothing */
	uint8_t got[256];

	(void)state;
	struct net_saved saved = save(r, &kept);
	assert_int_equal(saved.sessions, 0);
	assert_int_equal(saved.closed, 1);
	rig_close(r);
	assert_int_equal(mbedtls_ssl_read(&c->ssl, got, sizeof(got)),
			 MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
	client_free(c);
	rig_free(r);
}

/* What was not written is still ours: it ends as it does without saving. */
static void test_failure_to_write_closes_sessions(void **state)
{
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	struct client *c = client_up(r, "dev-1");
	struct net_saved saved;
	uint8_t got[256];

	(void)state;
	assert_true(client_get(c, 1, got, 4000) > 4);
	memset(&kept, 0, sizeof(kept));
	kept.fail_at = 2;
	assert_int_equal(net_save(r->net, keep, &kept, &saved), ERR_FULL);
	rig_close(r);
	assert_int_equal(mbedtls_ssl_read(&c->ssl, got, sizeof(got)),
			 MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
	assert_false(c->nonce_again);
	client_free(c);
	rig_free(r);
}

static void test_refused_or_too_many_are_left_out(void **state)
{
	struct net_conf conf = plain_conf;
	struct rig *r = rig_new(conf, "127.0.0.1", true);
	struct client *c[2];
	uint8_t got[256];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		c[i] = client_up(r, "dev");
		assert_true(client_get(c[i], 1, got, 4000) > 4);
	}
	(void)save(r, &kept);
	conf.max_peers = 1;
	next_net(r, &conf);
	struct net_restored back = restore(r, &kept);
	assert_int_equal(back.sessions, 1);
	assert_int_equal(back.refused, 1);
	(void)save(r, &kept);
	next_net(r, &conf);
	r->refuse_peers = true; /* the owner does not want it */
	back = restore(r, &kept);
	assert_int_equal(back.sessions, 0);
	assert_int_equal(back.refused, 1);
	assert_int_equal(rig_stats(r).peers, 0);
	for (unsigned i = 0; i < 2; i++)
		client_free(c[i]);
	rig_free(r);
}

/* Any byte changed, any end cut off, anything behind: nothing is restored, nothing crashes. */
static void test_damage_is_refused_as_a_whole(void **state)
{
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	struct client *c = client_up(r, "dev-1");
	struct net_restored back;
	struct net_save_world world;
	uint32_t count;
	uint8_t got[256];

	(void)state;
	assert_true(client_ask(c, 1, 1, 0, got, 4000) > 4);
	(void)save(r, &kept);
	next_net(r, &plain_conf);
	for (size_t i = 0; i < kept.len; i++) {
		kept.bytes[i] ^= 1;
		assert_true(net_save_check(all(&kept), &world, &count) != 0);
		kept.bytes[i] ^= 1;
		assert_int_equal(net_save_check((struct bytes){kept.bytes, i}, &world, &count),
				 ERR_CORRUPT);
	}
	kept.len++;
	assert_int_equal(net_restore(r->net, all(&kept), &back), ERR_CORRUPT);
	assert_string_equal(back.why, "what was saved is damaged");
	assert_int_equal(rig_stats(r).peers, 0);
	kept.len--;
	kept.bytes[17]++; /* the form */
	assert_int_equal(net_restore(r->net, all(&kept), &back), ERR_VERSION);
	kept.bytes[17]--;
	assert_int_equal(net_save_check(all(&kept), &world, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(restore(r, &kept).sessions, 1);
	client_free(c);
	rig_free(r);
}

static void test_another_world_is_refused(void **state)
{
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	struct net_save_world now, then;

	(void)state;
	net_save_world_read(r->net, &now);
	assert_int_equal(now.mbedtls, mbedtls_version_get_number());
	assert_in_range(now.booted_ms, 1, clock_read().wall_ms);
	then = now;
	assert_null(net_save_differs(&then, &now));
	then.mbedtls++;
	assert_non_null(strstr(net_save_differs(&then, &now), "mbedTLS"));
	then = now;
	then.tls++;
	assert_non_null(strstr(net_save_differs(&then, &now), "configuration"));
	then = now;
	then.booted_ms += NET_SAVE_BOOT_MS;
	assert_null(net_save_differs(&then, &now)); /* so far a clock may be set */
	then.booted_ms++;
	assert_non_null(strstr(net_save_differs(&then, &now), "started again"));
	then.booted_ms = now.booted_ms - NET_SAVE_BOOT_MS - 1;
	assert_non_null(strstr(net_save_differs(&then, &now), "started again"));
	then = now;
	then.monotonic_ms++; /* a machine without a clock starts in the same second each time */
	assert_non_null(strstr(net_save_differs(&then, &now), "started again"));
	rig_free(r);
}

/* The checks of what was changed on purpose: as net_save.c has them. */
static void check_anew(struct kept *k, size_t head_len)
{
	const struct net_hash_key key = {0x706f7374626f6f74, 0x73657373696f6e73};
	uint64_t chained = 0;

	for (size_t at = 0, len = head_len; at < k->len;) {
		const struct net_hash_key linked = {key.k0 ^ chained, key.k1};

		chained = net_hash(&linked, k->bytes + at, len);
		for (unsigned i = 0; i < 8; i++)
			k->bytes[at + len + i] = (uint8_t)(chained >> (56 - 8 * i));
		at += len + 8;
		if (at + 2 <= k->len)
			len = 2u + (size_t)(k->bytes[at] << 8 | k->bytes[at + 1]);
	}
}

/* Whole, but of another world: not one session of it goes on. */
static void test_sessions_of_another_world_do_not_go_on(void **state)
{
	enum { MBEDTLS_AT = 18, TLS_AT = 22, BOOTED_AT = 30, MONOTONIC_AT = 38, HEAD = 75 + 7 };
	static const struct {
		size_t at;
		const char *why;
	} changes[] = {
		{MBEDTLS_AT + 3, "another version of mbedTLS saved them"},
		{TLS_AT + 7, "they were saved with another configuration of DTLS"},
		{BOOTED_AT + 5, "the machine was started again, or its clock was set"},
		{MONOTONIC_AT, "the machine was started again, or its clock was set"},
	};
	struct rig *r = rig_new(plain_conf, "127.0.0.1", true);
	struct client *c = client_up(r, "dev-1");
	struct net_restored back;
	uint8_t got[256];

	(void)state;
	assert_true(client_get(c, 1, got, 4000) > 4);
	assert_int_equal(save(r, &kept).sessions, 1);
	next_net(r, &plain_conf);
	for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		kept.bytes[changes[i].at] ^= 1;
		check_anew(&kept, HEAD);
		assert_int_equal(net_restore(r->net, all(&kept), &back), ERR_STALE);
		assert_string_equal(back.why, changes[i].why);
		assert_int_equal(back.sessions, 0);
		assert_int_equal(rig_stats(r).peers, 0);
		kept.bytes[changes[i].at] ^= 1;
	}
	check_anew(&kept, HEAD);
	assert_int_equal(restore(r, &kept).sessions, 1); /* nothing else was wrong with it */
	client_free(c);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sessions_go_on_with_the_next_net),
		cmocka_unit_test(test_sleepers_and_those_with_a_message_under_way_go_on_too),
		cmocka_unit_test(test_who_cannot_be_saved_is_told),
		cmocka_unit_test(test_failure_to_write_closes_sessions),
		cmocka_unit_test(test_refused_or_too_many_are_left_out),
		cmocka_unit_test(test_damage_is_refused_as_a_whole),
		cmocka_unit_test(test_another_world_is_refused),
		cmocka_unit_test(test_sessions_of_another_world_do_not_go_on),
	};

	return cmocka_run_group_tests_name("net/save", tests, NULL, NULL);
}
