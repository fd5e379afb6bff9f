/* SPDX-License-Identifier: Apache-2.0
 *
 * Over a restart: sessions with a certificate, which the next process judges by what it believes,
 * and sessions with a connection ID.
 */
#include "net_ids.h"
#include "net_next.h"
#include "net_roamer.h"

/* It has said something, so it can be saved. */
static struct client *certified_up(const struct world *w)
{
	struct client *c = certified(w, &w->device);
	uint8_t got[256];
	unsigned ups = w->r->ups;

	assert_int_equal(shake(c), 0);
	wait_ups(w->r, ups + 1);
	assert_true(client_get(c, 1, got, 20000) > 4);
	assert_int_equal(net_peer_judge(w->r->peer, PRODUCT), NET_REFUSED_NONE);
	return c;
}

static void test_session_with_a_certificate_goes_on(void **state)
{
	struct world w = world_new();
	struct client *c = certified_up(&w);
	struct net_x509_mark mark = *w.r->peer->mark;
	uint8_t got[256];

	(void)state;
	for (uint16_t i = 0; i < 2; i++) {
		struct net_saved saved = save(w.r, &kept);

		assert_int_equal(saved.sessions, 1);
		assert_int_equal(saved.closed, 0);
		next_net(w.r, &plain_conf);
		set_take(&w, PRODUCT);
		assert_int_equal(restore(w.r, &kept).sessions, 1);
		assert_true(net_peer_certified(w.r->peer));
		assert_memory_equal(w.r->peer->mark, &mark, sizeof(mark));
		assert_memory_equal(net_peer_identity(w.r->peer).ptr, "device-1", 8);
		assert_true(client_get(c, (uint16_t)(2 + i), got, 20000) > 4);
		assert_int_equal(rig_stats(w.r).handshakes_ok, 0);
		assert_false(c->nonce_again);
	}
	/* It ends with its CA as ever. */
	set_take(&w, PRODUCT + 1);
	while (w.r->net->live_count > 0)
		rig_turn(w.r);
	assert_int_equal(rig_stats(w.r).certificates_refused[NET_REFUSED_OTHER_PRODUCT], 1);
	client_free(c);
	world_free(&w);
}

/* Restored by a net with the given set; nobody comes back, and the reason is counted. */
static void refused_by(struct world *w, struct net_x509 *set, enum net_refused why)
{
	next_net(w->r, &plain_conf);
	assert_int_equal(net_x509_set_take(w->r->net, set), 0);
	w->r->backs = 0;
	struct net_restored back = restore(w->r, &kept);
	assert_int_equal(back.sessions, 0);
	assert_int_equal(back.refused, 1);
	assert_int_equal(w->r->backs, 0);
	assert_int_equal(rig_stats(w->r).peers, 0);
	assert_int_equal(w->r->net->mark_count, 0);
	assert_int_equal(rig_stats(w->r).certificates_refused[why], 1);
}

static struct net_x509 *set_of(const struct world *w, int64_t product)
{
	struct net_x509 *x;

	assert_int_equal(set_new(w, product, &x), 0);
	return x;
}

static void test_certificate_that_is_not_believed_any_more_is_refused(void **state)
{
	struct world w = world_new();
	struct client *c = certified_up(&w);
	uint8_t got[256];

	(void)state;
	(void)save(w.r, &kept);
	refused_by(&w, set_of(&w, PRODUCT + 1), NET_REFUSED_OTHER_PRODUCT);
	refused_by(&w, NULL, NET_REFUSED_UNKNOWN_CA);
	/* It was told so. */
	assert_int_equal(client_read(c, got, 4000), MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
	client_free(c);
	next_net(w.r, &plain_conf);
	set_take(&w, PRODUCT);
	c = certified_up(&w);
	w.r->peer->mark->until_ms = 1; /* as if it ended while nobody ran */
	(void)save(w.r, &kept);
	refused_by(&w, set_of(&w, PRODUCT), NET_REFUSED_EXPIRED);
	client_free(c);
	world_free(&w);
}

static void test_session_with_a_connection_id_goes_on_and_still_roams(void **state)
{
	struct rig *r = rig_new(with_ids, "127.0.0.1", true);
	struct device *d = device_up(r, "dev-1", 4), *e = device_up(r, "dev-2", 0);
	uint8_t old[2048];

	(void)state;
	assert_served(d, 1);
	assert_served(e, 1);
	size_t len = d->c->last_out_len;
	memcpy(old, d->c->last_out, len);
	assert_int_equal(save(r, &kept).sessions, 2);
	next_net(r, &with_ids);
	assert_int_equal(restore(r, &kept).sessions, 2);
	assert_int_equal(rig_stats(r).cid_peers, 2);

	/* What was genuine once moves nothing. */
	assert_false(answered_elsewhere(r, old, len));
	assert_int_equal(rig_stats(r).address_changes, 0);
	assert_served(d, 2);
	rebind(d);
	assert_served(d, 3);
	rebind(e); /* it sleeps since the restart */
	assert_served(e, 2);
	assert_int_equal(rig_stats(r).address_changes, 2);
	assert_int_equal(rig_stats(r).handshakes_ok, 0);
	/* And once more, from where they are now. */
	assert_int_equal(save(r, &kept).sessions, 2);
	next_net(r, &with_ids);
	assert_int_equal(restore(r, &kept).sessions, 2);
	assert_served(d, 4);
	assert_served(e, 3);
	assert_int_equal(rig_stats(r).address_changes, 0);
	assert_false(d->c->nonce_again);
	assert_false(e->c->nonce_again);
	device_free(d);
	device_free(e);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_session_with_a_certificate_goes_on),
		cmocka_unit_test(test_certificate_that_is_not_believed_any_more_is_refused),
		cmocka_unit_test(test_session_with_a_connection_id_goes_on_and_still_roams),
	};

	return cmocka_run_group_tests_name("net/save kinds", tests, NULL, NULL);
}
