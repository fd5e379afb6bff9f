/* SPDX-License-Identifier: Apache-2.0
 *
 * RFC 9146: which sessions have a connection ID, and how they are found by it. Each test is named
 * after the section it is about.
 */
#include "net_roamer.h"

/* ---- 3: negotiation ---- */

static void test_3_client_without_the_extension_is_found_by_its_address(void **state)
{
	struct rig *r = rig_new(with_ids, "127.0.0.1", true);
	struct device *d = device_up(r, "dev-1", -1);

	(void)state;
	assert_served(d, 1);
	assert_int_equal(d->c->last_out[0], NET_RECORD_DATA);
	assert_int_equal(d->type, NET_RECORD_DATA);
	assert_int_equal(rig_stats(r).cid_peers, 0);
	rebind(d); /* so it is a stranger now */
	ask(d, 2, false);
	assert_int_equal(r->requests, 1);
	assert_int_equal(rig_stats(r).address_changes, 0);
	device_free(d);
	rig_free(r);
}

static void test_3_empty_id_of_the_client_is_for_the_other_direction_only(void **state)
{
	struct rig *r = rig_new(with_ids, "127.0.0.1", true);
	struct device *d = device_up(r, "dev-1", 0);

	(void)state;
	assert_served(d, 1);
	assert_int_equal(d->c->last_out[0], NET_RECORD_CID);
	assert_memory_equal(d->c->last_out + 11, r->peer->cid, NET_CID);
	assert_int_equal(d->type, NET_RECORD_DATA);
	assert_int_equal(rig_stats(r).cid_peers, 1);
	device_free(d);
	rig_free(r);
}

static void test_3_both_sides_have_ids_of_any_length(void **state)
{
	static const int lens[] = {1, 8, 20, 32};
	struct rig *r = rig_new(with_ids, "127.0.0.1", true);

	(void)state;
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		struct device *d = device_up(r, "dev-1", lens[i]);

		assert_served(d, 1);
		assert_int_equal(d->c->last_out[0], NET_RECORD_CID);
		assert_int_equal(d->type, NET_RECORD_CID);
		device_free(d);
	}
	assert_int_equal(rig_stats(r).cid_peers, 4);
	rig_free(r);
}

static void test_3_no_id_is_given_when_the_operator_wants_none(void **state)
{
	struct rig *r = rig_new((struct net_conf){0}, "127.0.0.1", true);
	struct device *d = device_up(r, "dev-1", 4);

	(void)state;
	assert_served(d, 1);
	assert_int_equal(d->c->last_out[0], NET_RECORD_DATA);
	assert_int_equal(d->type, NET_RECORD_DATA);
	assert_int_equal(rig_stats(r).cid_peers, 0);
	device_free(d);
	rig_free(r);
}

static void test_3_record_without_id_is_invalid_where_one_was_agreed(void **state)
{
	struct rig *r = rig_new(with_ids, "127.0.0.1", true);
	struct device *d = device_up(r, "dev-1", 0);
	uint8_t raw[2048];
	size_t len = sealed(d, 1, raw);

	(void)state;
	raw[0] = NET_RECORD_DATA; /* from the right address */
	memmove(raw + 11, raw + 11 + NET_CID, len - 11 - NET_CID);
	assert_int_equal(send(d->c->fd, raw, len - NET_CID, 0), len - NET_CID);
	rig_turn(r);
	assert_int_equal(r->requests, 0);
	assert_int_equal(rig_stats(r).dropped, 1);
	assert_served(d, 2);
	device_free(d);
	rig_free(r);
}

static void test_3_ids_are_unpredictable_and_name_their_worker(void **state)
{
	enum { MANY = 2000 };
	static uint8_t cids[MANY][NET_CID];
	struct rig *r = rig_new(with_ids, "127.0.0.1", true);
	unsigned ones[8 * NET_CID] = {0};

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(net_cid_make(r->net, cids[i]), 0);
		assert_int_equal(cids[i][0], 0);
		for (unsigned bit = 0; bit < 8 * NET_CID; bit++)
			ones[bit] += cids[i][bit / 8] >> bit % 8 & 1;
	}
	for (unsigned bit = 8; bit < 8 * NET_CID; bit++)
		assert_in_range(ones[bit], MANY / 2 - 200, MANY / 2 + 200); /* 9 sigma */
	rig_free(r);
}

/* The last flight of the server is lost, and the client's next one comes in pieces. */
static void test_3_repeated_finished_is_known_by_its_id(void **state)
{
	struct rig *r = rig_new(with_ids, "127.0.0.1", true);
	struct device *d = device_new(r, "dev-1", 4, NULL);

	(void)state;
	mbedtls_ssl_conf_handshake_timeout(&d->c->conf, 50, 60000);
	d->c->lose_after = 2; /* HelloVerifyRequest, ServerHello with ServerHelloDone */
	d->c->lose_in = 1;
	assert_int_equal(client_handshake(d->c), 0);
	assert_int_equal(rig_stats(r).handshakes_ok, 1);
	assert_served(d, 1);
	device_free(d);
	rig_free(r);
}

static int send_records_apart(void *ctx, const unsigned char *data, size_t len)
{
	struct device *d = ctx;
	struct net_record record;

	for (size_t at = 0; at < len; at += record.len) {
		assert_int_equal(net_record_first(data + at, len - at, &record), 0);
		(void)client_send(d->c, data + at, record.len);
		rig_turn(d->c->rig);
	}
	return (int)len;
}

static void test_3_finished_in_a_datagram_of_its_own(void **state)
{
	struct rig *r = rig_new(with_ids, "127.0.0.1", true);
	struct device *d = device_new(r, "dev-1", 4, NULL);

	(void)state;
	mbedtls_ssl_set_bio(&d->c->ssl, d, send_records_apart, device_receive, NULL);
	assert_int_equal(client_handshake(d->c), 0);
	assert_int_equal(rig_stats(r).cid_peers, 1);
	assert_int_equal(rig_stats(r).cid_unknown, 0);
	assert_served(d, 1);
	device_free(d);
	rig_free(r);
}

/* ---- 4: records ---- */

static void test_4_cut_record_is_nothing(void **state)
{
	struct rig *r = rig_new(with_ids, "127.0.0.1", true);
	struct device *d = device_up(r, "dev-1", 0);
	uint8_t raw[2048];
	size_t len = sealed(d, 1, raw);

	(void)state;
	for (size_t cut = 1; cut < len; cut++) {
		assert_int_equal(send(d->c->fd, raw, cut, 0), cut);
		assert_false(answered_elsewhere(r, raw, cut));
	}
	for (unsigned i = 0; i < 8; i++)
		rig_turn(r);
	assert_int_equal(r->requests, 0);
	assert_int_equal(rig_stats(r).dropped, 2 * (len - 1));
	assert_int_equal(send(d->c->fd, raw, len, 0), len); /* none of that has spoilt it */
	rig_turn(r);
	assert_int_equal(r->requests, 1);
	device_free(d);
	rig_free(r);
}

static void test_4_no_id_in_epoch_0(void **state)
{
	struct rig *r = rig_new(with_ids, "127.0.0.1", true);
	struct device *d = device_up(r, "dev-1", 0);
	uint8_t raw[2048];
	size_t len = sealed(d, 1, raw);

	(void)state;
	raw[4] = 0;
	assert_int_equal(send(d->c->fd, raw, len, 0), len);
	rig_turn(r);
	assert_int_equal(rig_stats(r).dropped, 1);
	assert_int_equal(rig_stats(r).peers, 1);
	assert_served(d, 2);
	device_free(d);
	rig_free(r);
}

static void test_4_records_of_one_session_share_a_datagram(void **state)
{
	struct rig *r = rig_new(with_ids, "127.0.0.1", true);
	struct device *d = device_up(r, "dev-1", 0), *other = device_up(r, "dev-2", 0);
	uint8_t raw[3 * 2048];
	size_t len = sealed(d, 1, raw), all;

	(void)state;
	len += sealed(d, 2, raw + len);
	all = len + sealed(other, 3, raw + len);
	assert_int_equal(send(d->c->fd, raw, all, 0), all);
	rig_turn(r);
	assert_int_equal(r->requests, 2); /* not the third: a datagram is of one session */
	assert_int_equal(rig_stats(r).dropped, 1);
	assert_int_equal(rig_stats(r).address_changes, 0);
	assert_served(other, 4);
	device_free(d);
	device_free(other);
	rig_free(r);
}

/* ---- the table ---- */

static void test_table_finds_thousands_and_forgets_each(void **state)
{
	enum { MANY = 3000 };
	struct rig *r = rig_new(with_ids, "127.0.0.1", true);
	static struct net_peer peers[MANY];

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		peers[i].net = r->net;
		assert_int_equal(net_cid_make(r->net, peers[i].cid), 0);
		net_cid_add(&peers[i]);
	}
	for (unsigned i = 0; i < MANY; i++) {
		struct bytes cid = {peers[i].cid, NET_CID};

		assert_ptr_equal(net_cid_find(r->net, cid), &peers[i]);
		assert_null(net_cid_find(r->net, (struct bytes){peers[i].cid, NET_CID - 1}));
		if (i % 2)
			net_cid_remove(&peers[i]);
		assert_ptr_equal(net_cid_find(r->net, cid), i % 2 ? NULL : &peers[i]);
	}
	for (unsigned i = 0; i < MANY; i++)
		net_cid_remove(&peers[i]); /* also those that have none any more */
	assert_int_equal(rig_stats(r).cid_peers, 0);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_3_client_without_the_extension_is_found_by_its_address),
		cmocka_unit_test(test_3_empty_id_of_the_client_is_for_the_other_direction_only),
		cmocka_unit_test(test_3_both_sides_have_ids_of_any_length),
		cmocka_unit_test(test_3_no_id_is_given_when_the_operator_wants_none),
		cmocka_unit_test(test_3_record_without_id_is_invalid_where_one_was_agreed),
		cmocka_unit_test(test_3_ids_are_unpredictable_and_name_their_worker),
		cmocka_unit_test(test_3_repeated_finished_is_known_by_its_id),
		cmocka_unit_test(test_3_finished_in_a_datagram_of_its_own),
		cmocka_unit_test(test_4_cut_record_is_nothing),
		cmocka_unit_test(test_4_no_id_in_epoch_0),
		cmocka_unit_test(test_4_records_of_one_session_share_a_datagram),
		cmocka_unit_test(test_table_finds_thousands_and_forgets_each),
	};

	return cmocka_run_group_tests_name("net/cid", tests, NULL, NULL);
}
