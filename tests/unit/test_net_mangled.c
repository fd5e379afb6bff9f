/* SPDX-License-Identifier: Apache-2.0
 *
 * What somebody on the way can make of a record that has not arrived yet. None of it is answered,
 * heard or remembered, for a session that is awake and for one that sleeps: the record itself is
 * as good afterwards as it was before.
 */
#include "net_asleep.h"
#include "net_roamer.h"

enum { NUMBER_END = 11, BODY_FLIPS = 24 };

struct forger {
	struct rig *rig;
	int fd;
	unsigned sent;
};

static void forge(struct forger *f, const uint8_t *data, size_t len)
{
	assert_int_equal(send(f->fd, data, len, 0), len);
	if (++f->sent % 16 == 0)
		rig_turn(f->rig);
}

static void forge_bits(struct forger *f, const uint8_t *record, size_t len, size_t header)
{
	uint8_t raw[2048];

	memcpy(raw, record, len);
	for (size_t at = 0; at < header + BODY_FLIPS; at++) {
		size_t where = at < header ? at : len - 1 - (at - header);

		for (unsigned bit = 0; bit < 8; bit++) {
			raw[where] ^= (uint8_t)(1u << bit);
			forge(f, raw, len);
			raw[where] ^= (uint8_t)(1u << bit);
		}
	}
}

static void forge_lengths(struct forger *f, const uint8_t *record, size_t len, size_t header)
{
	const size_t body = len - header;
	const size_t lengths[] = {0, 1, 7, 8, body - 1, body + 1, body * 2, 0x3fff, 0x4000, 0xffff};
	uint8_t raw[2048] = {0};

	memcpy(raw, record, len);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		raw[header - 2] = (uint8_t)(lengths[i] >> 8);
		raw[header - 1] = (uint8_t)lengths[i];
		forge(f, raw, len);	    /* says another length than it has */
		if (lengths[i] <= body * 2) /* ... or has it */
			forge(f, raw, header + lengths[i]);
	}
	for (size_t cut = 0; cut < len; cut++)
		forge(f, record, cut);
}

/* Versions and epochs that were never spoken, as every type. */
static void forge_heads(struct forger *f, const uint8_t *record, size_t len)
{
	static const uint16_t versions[] = {0xfeff, 0xfe00, 0xfefc, 0x0303, 0x0100, 0};
	static const uint16_t epochs[] = {0, 2, 0x7fff, 0xffff};
	uint8_t raw[2048];

	for (unsigned type = 19; type <= 26; type++) {
		memcpy(raw, record, len);
		raw[0] = (uint8_t)type;
		for (unsigned v = 0; v < sizeof(versions) / sizeof(versions[0]); v++) {
			raw[1] = (uint8_t)(versions[v] >> 8);
			raw[2] = (uint8_t)versions[v];
			forge(f, raw, len);
		}
		raw[1] = record[1];
		raw[2] = record[2];
		for (unsigned e = 0; e < sizeof(epochs) / sizeof(epochs[0]); e++) {
			raw[3] = (uint8_t)(epochs[e] >> 8);
			raw[4] = (uint8_t)epochs[e];
			forge(f, raw, len);
			memset(raw + 5, 0xff, 6); /* the last number there is */
			forge(f, raw, len);
			memcpy(raw + 5, record + 5, 6);
		}
	}
}

/* A connection ID of another length, with all that follows in its place. */
static void forge_ids(struct forger *f, const uint8_t *record, size_t len)
{
	uint8_t raw[2048];

	for (int more = -NET_CID; more <= 8; more++) {
		size_t id = (size_t)(NET_CID + more), rest = len - NUMBER_END - NET_CID;

		memset(raw, 0xc1, sizeof(raw));
		memcpy(raw, record, NUMBER_END + (more < 0 ? id : NET_CID));
		memcpy(raw + NUMBER_END + id, record + NUMBER_END + NET_CID, rest);
		if (more)
			forge(f, raw, NUMBER_END + id + rest);
	}
}

/* `cid_len`: as device_up(). From its own address (or from another, by its connection ID). */
static void mangle(bool asleep, int cid_len, bool from_elsewhere)
{
	struct net_conf conf = {.connection_ids = cid_len >= 0,
				.hibernate_after_ms = asleep ? 1 : 0};
	struct rig *r = rig_new(conf, "127.0.0.1", true);
	struct device *d = device_up(r, "dev-1", cid_len);
	size_t header = NET_RECORD_HEADER + (cid_len >= 0 ? NET_CID : 0), len;
	struct forger f = {.rig = r};
	struct kept before = {0};
	uint8_t record[2048], got[1280];

	assert_served(d, 1);
	if (asleep) {
		assert_true(until_asleep(r, 1));
		before = kept_of(r->peer);
	}
	d->keeps = true;
	ask(d, 2, false);
	d->keeps = false;
	len = d->c->last_out_len;
	memcpy(record, d->c->last_out, len);
	f.fd = from_elsewhere ? rig_socket(r) : d->c->fd;
	struct net_stats was = rig_stats(r);

	forge_bits(&f, record, len, header);
	forge_lengths(&f, record, len, header);
	forge_heads(&f, record, len);
	if (cid_len >= 0)
		forge_ids(&f, record, len);
	for (int64_t end = now_ms() + 20000;
	     rig_stats(r).datagrams_in < was.datagrams_in + f.sent && now_ms() < end;)
		turn_for(r, 10);
	assert_int_equal(rig_stats(r).datagrams_in, was.datagrams_in + f.sent);
	assert_int_equal(rig_stats(r).datagrams_out, was.datagrams_out);
	assert_int_equal(rig_stats(r).peers, 1);
	assert_int_equal(rig_stats(r).half_open, 0);
	assert_int_equal(rig_stats(r).address_changes, 0);
	assert_int_equal(r->requests, 1);
	if (asleep) {
		assert_kept(r->peer, &before);
		assert_int_equal(rig_stats(r).wakes, 0);
	}

	assert_int_equal(send(d->c->fd, record, len, 0), len);
	assert_true(hear(d, got, sizeof(got), 4000) > 3);
	assert_int_equal(got[1], NET_CODE(2, 5));
	assert_int_equal(r->requests, 2);
	assert_int_equal(rig_stats(r).handshakes_ok, 1);
	if (from_elsewhere)
		(void)close(f.fd);
	device_free(d);
	rig_free(r);
}

static void test_record_of_a_session_survives_what_is_made_of_it(void **state)
{
	(void)state;
	mangle(false, -1, false);
	mangle(false, 4, false);
	mangle(false, 4, true);
}

static void test_record_of_a_sleeper_survives_what_is_made_of_it(void **state)
{
	(void)state;
	mangle(true, -1, false);
	mangle(true, 4, false);
	mangle(true, 4, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record_of_a_session_survives_what_is_made_of_it),
		cmocka_unit_test(test_record_of_a_sleeper_survives_what_is_made_of_it),
	};

	return cmocka_run_group_tests_name("net/mangled", tests, NULL, NULL);
}
