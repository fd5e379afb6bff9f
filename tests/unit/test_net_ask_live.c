/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests of ours on loopback: over DTLS, to who sleeps, and over a restart.
 */
#include "net_client.h"

#include "net/net_internal.h"

enum { TAG = 3, PUT = 3 };

/* What came of requests; one rig at a time. */
static struct {
	unsigned count;
	struct net_answer answer;
	uint8_t payload[256];
	bool close;
} told;

static void answered(void *ctx, struct net_peer *peer, const struct net_answer *answer)
{
	const struct rig *r = ctx;

	told.count++;
	told.answer = *answer;
	assert_true(answer->payload.len <= sizeof(told.payload));
	if (answer->payload.len)
		memcpy(told.payload, answer->payload.ptr, answer->payload.len);
	if (told.close)
		net_peer_close(r->net, peer);
}

static void on_located(void *ctx, struct net_peer *peer, const struct net_request *request,
		       struct net_exchange exchange)
{
	const struct rig *r = ctx;
	struct net_reply reply = NET_REPLY(NET_CODE(2, 1));

	(void)peer;
	(void)request;
	reply.location[0] = "rd";
	reply.location[1] = "17";
	net_reply(r->net, exchange, &reply);
}

static struct net_callbacks callbacks;

/* A net that asks; `sleepy`: who is idle sleeps at once. */
static struct rig *asking_rig(bool sleepy)
{
	struct net_conf conf = plain_conf;
	struct rig *r;

	memset(&told, 0, sizeof(told));
	conf.hibernate_after_ms = sleepy ? 1 : 0;
	r = rig_new(conf, "127.0.0.1", true);
	callbacks = *r->net->cb;
	callbacks.answered = answered;
	r->net->cb = &callbacks;
	return r;
}

static bool until_asleep(struct rig *r, uint64_t count)
{
	int64_t end = now_ms() + 20000;

	while (rig_stats(r).asleep != count && now_ms() < end)
		turn_for(r, 10);
	return rig_stats(r).asleep == count;
}

static bool until_told(struct rig *r, unsigned count)
{
	int64_t end = now_ms() + 20000;

	while (told.count < count && now_ms() < end)
		turn_for(r, 2);
	return told.count == count;
}

static struct client *client_known(struct rig *r)
{
	struct client *c = client_up(r, "dev-1");
	uint8_t got[256];

	assert_true(client_get(c, 1, got, 10000) > 4);
	return c;
}

static void ask(struct rig *r, int observe)
{
	struct net_ask a = {.method = 1,
			    .path = "5/0/3",
			    .content_format = -1,
			    .accept = -1,
			    .observe = observe,
			    .tag = TAG};

	assert_int_equal(net_ask(r->net, r->peer, &a), 0);
}

/* The request that comes to the client. */
struct got {
	uint8_t raw[256];
	struct wire_coap m;
};

static void client_hears(struct client *c, struct got *g)
{
	int len = client_read(c, g->raw, 20000);

	assert_true(len >= 4);
	assert_int_equal(wire_coap_decode(g->raw, (size_t)len, &g->m), 0);
}

static void client_says(struct client *c, enum wire_coap_type type, uint16_t mid,
			struct bytes token, int observe, const char *payload)
{
	uint8_t raw[64];
	struct wire_coap_writer w =
		wire_coap_begin(raw, sizeof(raw), type, NET_CODE(2, 5), mid, token);

	if (observe >= 0)
		wire_coap_put_uint(&w, WIRE_OPT_OBSERVE, (uint32_t)observe);
	wire_coap_payload(&w, (struct bytes){(const uint8_t *)payload, strlen(payload)});
	assert_true(mbedtls_ssl_write(&c->ssl, raw, w.buf.pos) > 0);
}

static void assert_told(const char *payload)
{
	assert_int_equal(told.answer.err, 0);
	assert_int_equal(told.answer.tag, TAG);
	assert_int_equal(told.answer.code, NET_CODE(2, 5));
	assert_int_equal(told.answer.payload.len, strlen(payload));
	assert_memory_equal(told.payload, payload, strlen(payload));
}

static void test_request_and_answer_over_dtls(void **state)
{
	struct rig *r = asking_rig(false);
	struct client *c = client_known(r);
	struct got g;

	(void)state;
	ask(r, -1);
	client_hears(c, &g);
	assert_int_equal(g.m.type, WIRE_CON);
	assert_int_equal(g.m.code, 1);
	client_says(c, WIRE_ACK, g.m.mid, g.m.token, -1, "2");
	assert_true(until_told(r, 1));
	assert_told("2");
	client_free(c);
	rig_free(r);
}

static void test_request_to_a_sleeper_wakes_it_with_its_answer(void **state)
{
	struct rig *r = asking_rig(true);
	struct client *c = client_known(r);
	struct got g;

	(void)state;
	for (unsigned i = 1; i <= 3; i++) {
		assert_true(until_asleep(r, 1));
		ask(r, -1);
		assert_int_equal(rig_stats(r).wakes, i - 1); /* it sleeps on */
		client_hears(c, &g);
		client_says(c, WIRE_ACK, g.m.mid, g.m.token, -1, "2");
		assert_true(until_told(r, i));
		assert_told("2");
		assert_int_equal(rig_stats(r).wakes, i);
	}
	assert_true(until_asleep(r, 1));
	assert_int_equal(r->ups, 1);
	assert_false(c->nonce_again);
	client_free(c);
	rig_free(r);
}

static void test_who_owes_an_answer_stays_awake(void **state)
{
	struct rig *r = asking_rig(true);
	struct client *c = client_known(r);
	struct got g;

	(void)state;
	assert_true(until_asleep(r, 1));
	ask(r, -1);
	client_hears(c, &g);
	const uint8_t ack[4] = {0x60, 0, g.raw[2], g.raw[3]};
	assert_int_equal(mbedtls_ssl_write(&c->ssl, ack, 4), 4);
	int64_t end = now_ms() + 20000;
	while (rig_stats(r).wakes == 0 && now_ms() < end)
		turn_for(r, 2);
	assert_int_equal(rig_stats(r).wakes, 1);
	turn_for(r, 300); /* three turns of putting to sleep */
	assert_int_equal(rig_stats(r).asleep, 0);
	client_says(c, WIRE_NON, 77, g.m.token, -1, "late");
	assert_true(until_told(r, 1));
	assert_told("late");
	assert_true(until_asleep(r, 1));
	client_free(c);
	rig_free(r);
}

static unsigned sleeps;

static void count_sleeps(void *ctx, struct net_peer *peer)
{
	(void)ctx;
	(void)peer;
	sleeps++;
}

/* One that never answers sleeps on; the owner may have looked at it for the end of its request. */
static void test_owner_hears_that_who_was_asked_in_vain_still_sleeps(void **state)
{
	struct rig *r = asking_rig(true);
	struct client *c = client_known(r);
	int64_t end = now_ms() + 20000;

	(void)state;
	sleeps = 0;
	callbacks.peer_sleeps = count_sleeps;
	assert_true(until_asleep(r, 1));
	assert_int_equal(sleeps, 1);
	ask(r, -1);
	net_ask_cancel(r->net, r->peer);
	while (sleeps < 2 && now_ms() < end)
		turn_for(r, 10);
	assert_int_equal(sleeps, 2);
	assert_int_equal(rig_stats(r).wakes, 0);
	client_free(c);
	rig_free(r);
}

static void test_observation_outlives_sleep(void **state)
{
	struct rig *r = asking_rig(true);
	struct client *c = client_known(r);
	struct got g;

	(void)state;
	ask(r, 0);
	client_hears(c, &g);
	client_says(c, WIRE_ACK, g.m.mid, g.m.token, 5, "0");
	assert_true(until_told(r, 1));
	assert_true(told.answer.observed);
	for (unsigned i = 1; i <= 3; i++) {
		assert_true(until_asleep(r, 1));
		client_says(c, WIRE_NON, (uint16_t)(500 + i), g.m.token, (int)(5 + i), "1");
		assert_true(until_told(r, 1 + i));
		assert_told("1");
		assert_true(told.answer.notified && told.answer.observed);
	}
	assert_true(until_asleep(r, 1));
	net_observe_forget(r->net, r->peer, TAG);
	client_says(c, WIRE_NON, 600, g.m.token, 20, "2");
	client_hears(c, &g);
	assert_int_equal(g.m.type, WIRE_RST);
	assert_int_equal(g.m.mid, 600);
	assert_int_equal(told.count, 4);
	client_free(c);
	rig_free(r);
}

/* ---- over a restart ---- */

struct kept {
	size_t len;
	uint8_t bytes[16384];
};

static int keep(void *ctx, struct bytes piece)
{
	struct kept *k = ctx;

	assert_true(piece.len <= sizeof(k->bytes) - k->len);
	memcpy(k->bytes + k->len, piece.ptr, piece.len);
	k->len += piece.len;
	return 0;
}

static void restart(struct rig *r)
{
	static struct kept k;
	struct net_conf conf = plain_conf;
	struct net_saved saved;
	struct net_restored restored;

	k.len = 0;
	assert_int_equal(net_save(r->net, keep, &k, &saved), 0);
	assert_int_equal(saved.sessions, 1);
	rig_close(r);
	conf.callbacks = &callbacks;
	conf.ctx = r;
	r->closed = false;
	assert_int_equal(uv_loop_init(&r->loop), 0);
	assert_int_equal(net_new(&r->loop, &conf, &r->net), 0);
	assert_int_equal(net_listen(r->net, (struct sockaddr *)&r->at, true, NULL), 0);
	assert_int_equal(net_restore(r->net, (struct bytes){k.bytes, k.len}, &restored), 0);
	assert_int_equal(restored.sessions, 1);
}

static void test_observation_outlives_a_restart_and_a_request_ends_in_silence(void **state)
{
	struct rig *r = asking_rig(false);
	struct client *c = client_known(r);
	struct got watch, g;

	(void)state;
	ask(r, 0);
	client_hears(c, &watch);
	client_says(c, WIRE_ACK, watch.m.mid, watch.m.token, 5, "0");
	assert_true(until_told(r, 1));
	ask(r, -1);
	client_hears(c, &g);
	restart(r);
	assert_int_equal(r->backs, 1);
	client_says(c, WIRE_NON, 501, watch.m.token, 6, "1");
	assert_true(until_told(r, 2));
	assert_told("1");
	assert_true(told.answer.notified);
	uint8_t token[8];
	memcpy(token, g.m.token.ptr, 8);
	client_says(c, WIRE_CON, 502, (struct bytes){token, 8}, -1, "late");
	client_hears(c, &g);
	assert_int_equal(g.m.type, WIRE_RST);
	assert_int_equal(told.count, 2);
	ask(r, -1); /* with a token that was not used before */
	client_hears(c, &g);
	assert_memory_not_equal(g.m.token.ptr, token, 8);
	assert_false(c->nonce_again);
	client_free(c);
	rig_free(r);
}

static int asked_at_last;
static unsigned notified_at_last;

static void asks_at_last(void *ctx, struct net_peer *peer)
{
	const struct rig *r = ctx;
	struct net_ask a = {.method = 1, .path = "x", .observe = -1};
	struct net_reply reply = NET_REPLY(NET_CODE(2, 5));

	asked_at_last = net_ask(r->net, peer, &a);
	notified_at_last = net_notify(r->net, peer, TAG, &reply);
}

static int keep_nothing(void *ctx, struct bytes piece)
{
	(void)ctx;
	(void)piece;
	return ERR_IO;
}

/* What is asked while sessions are saved would be in what is saved, and sent twice. */
static void test_nothing_is_asked_of_who_is_being_saved(void **state)
{
	struct rig *r = asking_rig(false);
	struct client *c = client_known(r);
	struct net_saved saved;
	struct got g;

	(void)state;
	asked_at_last = 0;
	notified_at_last = 1;
	callbacks.peer_sleeps = asks_at_last;
	assert_int_equal(net_save(r->net, keep_nothing, NULL, &saved), ERR_IO);
	assert_int_equal(asked_at_last, ERR_CLOSED);
	assert_int_equal(notified_at_last, 0);
	ask(r, -1); /* it was not saved */
	client_hears(c, &g);
	assert_int_equal(g.m.code, 1);
	client_free(c);
	rig_free(r);
}

/* ---- the end of a session ---- */

static void test_peer_that_ends_takes_its_request_along(void **state)
{
	struct rig *r = asking_rig(false);
	struct client *c = client_known(r);
	struct net_ask a = {.method = 1, .path = "x", .observe = -1};
	struct got g;

	(void)state;
	ask(r, -1);
	client_hears(c, &g);
	net_peer_close(r->net, r->peer);
	assert_int_equal(net_ask(r->net, r->peer, &a), ERR_CLOSED);
	turn_for(r, 20);
	assert_int_equal(r->gones[NET_GONE_LOCAL], 1);
	assert_int_equal(told.count, 0);
	client_free(c);
	c = client_known(r); /* and the callback may close its peer */
	told.close = true;
	ask(r, -1);
	client_hears(c, &g);
	client_says(c, WIRE_ACK, g.m.mid, g.m.token, -1, "2");
	assert_true(until_told(r, 1));
	turn_for(r, 20);
	assert_int_equal(r->gones[NET_GONE_LOCAL], 2);
	client_free(c);
	rig_free(r);
}

/* ---- what a registration needs besides ---- */

static void test_reply_has_a_location(void **state)
{
	static const uint8_t location[] = {0x82, 'r', 'd', 0x02, '1', '7'}; /* option 8, twice */
	struct rig *r = asking_rig(false);
	struct client *c = client_up(r, "dev-1");
	uint8_t got[256];

	(void)state;
	callbacks.request = on_located;
	int len = client_ask(c, 2, 1, -1, got, 10000);
	assert_int_equal(len, 4 + sizeof(location));
	assert_int_equal(got[1], NET_CODE(2, 1));
	assert_memory_equal(got + 4, location, sizeof(location));
	client_free(c);
	rig_free(r);
}

static void test_our_address_as_the_peer_sees_it(void **state)
{
	static const char *const binds[] = {"127.0.0.1", "0.0.0.0", "::1", "::"};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct rig *r = rig_new(plain_conf, binds[i], true);
		bool v6 = r->at.ss_family == AF_INET6;
		struct sockaddr_in6 *at6 = (struct sockaddr_in6 *)&r->at;
		struct sockaddr_in *at4 = (struct sockaddr_in *)&r->at;
		unsigned port = ntohs(v6 ? at6->sin6_port : at4->sin_port);
		char wanted[64], got[64];

		if (v6)
			at6->sin6_addr = in6addr_loopback;
		else
			at4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		struct client *c = client_known(r);
		(void)snprintf(wanted, sizeof(wanted), v6 ? "[::1]:%u" : "127.0.0.1:%u", port);
		assert_string_equal(net_peer_local(r->peer, got), wanted);
		client_free(c);
		rig_free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request_and_answer_over_dtls),
		cmocka_unit_test(test_request_to_a_sleeper_wakes_it_with_its_answer),
		cmocka_unit_test(test_who_owes_an_answer_stays_awake),
		cmocka_unit_test(test_owner_hears_that_who_was_asked_in_vain_still_sleeps),
		cmocka_unit_test(test_observation_outlives_sleep),
		cmocka_unit_test(test_observation_outlives_a_restart_and_a_request_ends_in_silence),
		cmocka_unit_test(test_nothing_is_asked_of_who_is_being_saved),
		cmocka_unit_test(test_peer_that_ends_takes_its_request_along),
		cmocka_unit_test(test_reply_has_a_location),
		cmocka_unit_test(test_our_address_as_the_peer_sees_it),
	};

	return cmocka_run_group_tests_name("net/ask live", tests, NULL, NULL);
}
