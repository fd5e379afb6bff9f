/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates: mbedTLS clients against the endpoint, with certificates made here. What openssl
 * and gnutls-cli see is in tests/integration/34-certificates.bats.
 */
#include "net_ids.h"

#include "base/clock.h"
#include "net/net_hello.h"
#include "net/net_pool.h"

static void test_rfc7252_9_1_3_3_certificate_names_the_device(void **state)
{
	struct world w = world_new();
	struct client *c = certified(&w, &w.device);
	struct client *keyed;
	uint8_t answer[256];

	(void)state;
	assert_int_equal(shake(c), 0);
	wait_ups(w.r, 1);
	assert_string_equal(w.r->identity, "device-1");
	assert_true(w.r->certified);
	assert_true(w.r->trusted);
	assert_true(client_get(c, 1, answer, 20000) > 0);
	assert_int_equal(rig_stats(w.r).half_open, 0);
	/* beside it one with a key */
	keyed = client_up(w.r, "dev");
	assert_false(w.r->certified);
	assert_false(w.r->trusted);
	assert_true(client_get(keyed, 1, answer, 20000) > 0);
	client_free(keyed);
	client_free(c);
	world_free(&w);
}

static void test_certificate_of_another_product_is_told_apart(void **state)
{
	struct world w = world_new();
	struct client *c;

	(void)state;
	set_take(&w, PRODUCT + 1);
	c = certified(&w, &w.device);
	assert_int_equal(shake(c), 0);
	wait_ups(w.r, 1);
	assert_true(w.r->certified);
	assert_false(w.r->trusted);
	client_free(c);
	world_free(&w);
}

/* The certificate is not kept: a sleeping session costs no more than one with a key. */
static void test_session_with_certificate_sleeps_in_little_room(void **state)
{
	struct world w = world_new();
	struct client *c = certified(&w, &w.device);
	uint8_t answer[256];

	(void)state;
	assert_int_equal(shake(c), 0);
	wait_ups(w.r, 1);
	assert_true(client_get(c, 1, answer, 20000) > 0);
	assert_true(net_sleep_now(w.r->peer));
	assert_true(w.r->peer->saved_len > 0);
	assert_true(w.r->peer->saved_len < 400);
	assert_true(client_get(c, 2, answer, 20000) > 0);
	assert_int_equal(w.r->ups, 1);
	client_free(c);
	world_free(&w);
}

static void refused(struct world *w, const struct id *who, enum net_refused why)
{
	struct client *c = certified(w, who);
	uint64_t before = rig_stats(w->r).certificates_refused[why];

	(void)shake(c);
	for (int64_t end = now_ms() + 60000;
	     rig_stats(w->r).certificates_refused[why] == before && now_ms() < end;) {
		rig_turn(w->r);
		(void)usleep(500);
	}
	assert_int_equal(rig_stats(w->r).certificates_refused[why], before + 1);
	assert_int_equal(w->r->ups, 0);
	client_free(c);
}

static void test_rfc5280_6_1_what_is_wrong_is_refused_and_counted(void **state)
{
	struct world w = world_new();
	struct id other = {0}, ended = {0}, longest = {0}, too_long = {0};
	char name[LIMIT_DEVICE_ID + 2];

	(void)state;
	key_make(w.r, &other);
	sign(w.r, &other, "device-1", &other, "CA", "20991231235959");
	refused(&w, &other, NET_REFUSED_UNKNOWN_CA);
	id_free(&other);
	key_make(w.r, &ended);
	sign(w.r, &ended, "device-1", &w.ca, "CA", "20210101000000");
	refused(&w, &ended, NET_REFUSED_EXPIRED);
	id_free(&ended);
	/* X.509 itself has 64 for a common name */
	memset(name, 'x', sizeof(name));
	name[LIMIT_DEVICE_ID + 1] = 0;
	key_make(w.r, &too_long);
	sign(w.r, &too_long, name, &w.ca, "CA", "20991231235959");
	refused(&w, &too_long, NET_REFUSED_IDENTITY);
	id_free(&too_long);
	name[LIMIT_DEVICE_ID] = 0;
	key_make(w.r, &longest);
	sign(w.r, &longest, name, &w.ca, "CA", "20991231235959");
	struct client *c = certified(&w, &longest);
	assert_int_equal(shake(c), 0);
	wait_ups(w.r, 1);
	assert_string_equal(w.r->identity, name);
	id_free(&longest);
	client_free(c);
	world_free(&w);
}

/* A client that comes back with what it has kept of a session. */
static void come_back(const struct world *w, const mbedtls_ssl_session *session)
{
	struct client *c = certified(w, &w->device);
	unsigned ups = w->r->ups;

	assert_int_equal(mbedtls_ssl_set_session(&c->ssl, session), 0);
	assert_int_equal(shake(c), 0);
	wait_ups(w->r, ups + 1);
	assert_string_equal(w->r->identity, "device-1");
	assert_true(w->r->trusted);
	client_free(c);
}

static void test_rfc5077_3_1_ticket_takes_the_place_of_the_certificate(void **state)
{
	struct world w = world_new();
	struct client *c = certified(&w, &w.device);
	mbedtls_ssl_session session;
	struct id renewed = {0}, before;

	(void)state;
	mbedtls_ssl_session_init(&session);
	assert_int_equal(shake(c), 0);
	wait_ups(w.r, 1);
	assert_int_equal(mbedtls_ssl_get_session(&c->ssl, &session), 0);
	client_free(c);
	assert_int_equal(rig_stats(w.r).handshakes_resumed, 0);
	come_back(&w, &session);
	assert_int_equal(rig_stats(w.r).handshakes_resumed, 1);
	/* the same CAs in a new set, with another certificate of ours: nothing to prove anew */
	key_make(w.r, &renewed);
	sign(w.r, &renewed, "server", &w.ca, "CA", "20991231235959");
	before = w.server;
	w.server = renewed;
	set_take(&w, PRODUCT);
	come_back(&w, &session);
	assert_int_equal(rig_stats(w.r).handshakes_resumed, 2);
	/* whom we believe has changed: a whole handshake */
	set_take(&w, PRODUCT + 1);
	set_take(&w, PRODUCT);
	come_back(&w, &session);
	assert_int_equal(rig_stats(w.r).handshakes_resumed, 3);
	set_take(&w, PRODUCT + 1);
	c = certified(&w, &w.device);
	assert_int_equal(mbedtls_ssl_set_session(&c->ssl, &session), 0);
	assert_int_equal(shake(c), 0);
	wait_ups(w.r, 5);
	assert_int_equal(rig_stats(w.r).handshakes_resumed, 3);
	assert_false(w.r->trusted);
	client_free(c);
	mbedtls_ssl_session_free(&session);
	id_free(&before);
	world_free(&w);
}

/* The loop only moves datagrams: all that takes long is on the threads. The client, which has about
 * as much to compute, tells how long that is here. */
static void test_handshake_with_certificates_holds_no_loop(void **state)
{
	struct world w = world_new();
	struct client *c = certified(&w, &w.device);
	int64_t client_us = 0, longest_us = 0, start_us, end = now_ms() + 60000;

	(void)state;
	while (w.r->ups == 0 && now_ms() < end) {
		start_us = clock_thread_us();
		if (!mbedtls_ssl_is_handshake_over(&c->ssl))
			(void)mbedtls_ssl_handshake(&c->ssl);
		client_us += clock_thread_us() - start_us;
		start_us = clock_thread_us();
		rig_turn(w.r);
		int64_t turn_us = clock_thread_us() - start_us;
		longest_us = turn_us > longest_us ? turn_us : longest_us;
		(void)usleep(500);
	}
	assert_int_equal(w.r->ups, 1);
	assert_true(longest_us < client_us / 2);
	client_free(c);
	world_free(&w);
}

static void test_close_in_the_middle_of_a_handshake(void **state)
{
	(void)state;
	for (unsigned turns = 0; turns < 12; turns++) {
		struct world w = world_new();
		struct client *c = certified(&w, &w.device);

		for (unsigned i = 0; i < turns; i++) {
			(void)mbedtls_ssl_handshake(&c->ssl);
			rig_turn(w.r);
			if (turns % 2)
				(void)usleep(1000);
		}
		rig_close(w.r); /* a thread may have it, or its result may wait */
		client_free(c);
		world_free(&w);
	}
}

/* ---- bounds ---- */

static size_t message(uint8_t *dst, size_t len)
{
	uint8_t *p = dst;

	memset(dst, 0, 13 + 12 + 4);
	*p++ = NET_RECORD_HANDSHAKE;
	*p++ = 0xfe;
	*p++ = 0xfd;
	p += 8;
	*p++ = 0;
	*p++ = 12 + 4;
	*p++ = 11; /* Certificate */
	*p++ = (uint8_t)(len >> 16);
	*p++ = (uint8_t)(len >> 8);
	*p++ = (uint8_t)len;
	p += 2 + 3 + 2;
	*p = 4;
	return 13 + 12 + 4;
}

static void test_handshake_message_at_limit_and_beyond(void **state)
{
	uint8_t data[64];
	size_t len = message(data, LIMIT_HANDSHAKE_MESSAGE);

	(void)state;
	assert_int_equal(net_record_message_max(data, len), LIMIT_HANDSHAKE_MESSAGE);
	len = message(data, LIMIT_HANDSHAKE_MESSAGE + 1);
	assert_int_equal(net_record_message_max(data, len), LIMIT_HANDSHAKE_MESSAGE + 1);
	for (size_t cut = 0; cut < len; cut++)
		(void)net_record_message_max(data, cut);
	data[4] = 1; /* encrypted: nobody knows */
	assert_int_equal(net_record_message_max(data, len), 0);
}

static void test_too_long_a_chain_never_reaches_mbedtls(void **state)
{
	struct world w = world_new();
	struct id extra = {0};
	struct client *c = certified(&w, &w.device);

	(void)state;
	mbedtls_ssl_set_mtu(&c->ssl, 1280);
	/* mbedTLS sends what is chained to the own one */
	key_make(w.r, &extra);
	for (unsigned i = 0; i < 14; i++)
		assert_int_equal(
			mbedtls_x509_crt_parse_der(&w.device.crt, w.ca.crt.raw.p, w.ca.crt.raw.len),
			0);
	int64_t end = now_ms() + 3000;
	while (now_ms() < end && rig_stats(w.r).dropped == 0) {
		(void)mbedtls_ssl_handshake(&c->ssl);
		rig_turn(w.r);
		(void)usleep(500);
	}
	assert_true(rig_stats(w.r).dropped > 0);
	assert_int_equal(w.r->ups, 0);
	client_free(c);
	id_free(&extra);
	world_free(&w);
}

static void test_ca_bundle_at_limit_and_beyond(void **state)
{
	struct world w = world_new();
	size_t len = strlen(w.ca.cert);
	char *many = test_calloc(LIMIT_CA_BUNDLE_CERTS + 1, len + 1);
	struct net_x509_fault fault;
	unsigned count = 0;

	(void)state;
	for (unsigned i = 0; i < LIMIT_CA_BUNDLE_CERTS; i++)
		memcpy(many + i * len, w.ca.cert, len);
	assert_int_equal(net_x509_check_bundle(text(many), &count, &fault), 0);
	assert_int_equal(count, LIMIT_CA_BUNDLE_CERTS);
	memcpy(many + LIMIT_CA_BUNDLE_CERTS * len, w.ca.cert, len);
	assert_int_equal(net_x509_check_bundle(text(many), &count, &fault), ERR_SYNTAX);
	test_free(many);
	world_free(&w);
}

static void test_key_of_another_certificate_is_refused(void **state)
{
	struct world w = world_new();
	struct net_x509 *x = NULL;

	(void)state;
	memcpy(w.server.key_pem, w.device.key_pem, PEM);
	assert_int_equal(set_new(&w, PRODUCT, &x), ERR_SYNTAX);
	assert_null(x);
	world_free(&w);
}

static void test_suites_decide_which_kind_of_handshake_it_is(void **state)
{
	static const uint8_t both[] = {0xc0, 0xae, 0xc0, 0xa8}, ecdsa[] = {0x13, 0x01, 0xc0, 0x2b},
			     none[] = {0xc0, 0x2c};

	(void)state;
	assert_false(net_x509_wanted((struct bytes){both, sizeof(both)})); /* keys come first */
	assert_true(net_x509_wanted((struct bytes){ecdsa, sizeof(ecdsa)}));
	assert_false(net_x509_wanted((struct bytes){none, sizeof(none)}));
	assert_false(net_x509_wanted((struct bytes){ecdsa, 3}));
}

/* ---- the pool ---- */

struct piece {
	struct net_task work;
	unsigned *order, place;
	bool ran, done;
	uv_sem_t *gate;
};

static unsigned ran_count;

static void piece_run(struct net_task *work)
{
	struct piece *p = LIST_ENTRY(work, struct piece, work);

	if (p->gate)
		uv_sem_wait(p->gate);
	p->place = __atomic_add_fetch(&ran_count, 1, __ATOMIC_SEQ_CST);
	p->ran = true;
}

static void piece_done(struct net_task *work)
{
	LIST_ENTRY(work, struct piece, work)->done = true;
}

static void pool_closed(uv_handle_t *handle)
{
	*(bool *)handle->data = true;
}

static void test_pool_takes_urgent_work_first_and_gives_all_back(void **state)
{
	enum { COUNT = 5 };
	struct piece list[COUNT] = {0};
	struct net_pool *pool;
	bool closed = false;
	uv_loop_t loop;
	uv_sem_t gate;

	(void)state;
	ran_count = 0;
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(uv_sem_init(&gate, 0), 0);
	assert_int_equal(net_pool_new(&loop, 1, &pool), 0);
	list[0].gate = &gate; /* holds the only thread */
	for (unsigned i = 0; i < COUNT - 1; i++) {
		list[i].work.run = piece_run;
		list[i].work.done = piece_done;
		net_pool_submit(pool, &list[i].work, i == 3);
		while (i == 0 && net_pool_waiting(pool) > 0)
			(void)usleep(100);
	}
	assert_int_equal(net_pool_waiting(pool), 3);
	uv_sem_post(&gate);
	for (int64_t end = now_ms() + 60000; !list[2].done && now_ms() < end;)
		(void)uv_run(&loop, UV_RUN_NOWAIT);
	assert_int_equal(list[3].place, 2);
	assert_int_equal(list[1].place, 3);
	assert_int_equal(list[2].place, 4);
	for (unsigned i = 0; i < COUNT - 1; i++)
		assert_true(list[i].done);
	/* what waits when it ends comes back, too */
	list[4].work.run = piece_run;
	list[4].work.done = piece_done;
	net_pool_submit(pool, &list[4].work, false);
	net_pool_stop(pool, pool_closed, &closed);
	assert_true(list[4].done);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	assert_true(closed);
	net_pool_free(pool);
	uv_sem_destroy(&gate);
	assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc7252_9_1_3_3_certificate_names_the_device),
		cmocka_unit_test(test_certificate_of_another_product_is_told_apart),
		cmocka_unit_test(test_session_with_certificate_sleeps_in_little_room),
		cmocka_unit_test(test_rfc5280_6_1_what_is_wrong_is_refused_and_counted),
		cmocka_unit_test(test_rfc5077_3_1_ticket_takes_the_place_of_the_certificate),
		cmocka_unit_test(test_handshake_with_certificates_holds_no_loop),
		cmocka_unit_test(test_close_in_the_middle_of_a_handshake),
		cmocka_unit_test(test_handshake_message_at_limit_and_beyond),
		cmocka_unit_test(test_too_long_a_chain_never_reaches_mbedtls),
		cmocka_unit_test(test_ca_bundle_at_limit_and_beyond),
		cmocka_unit_test(test_key_of_another_certificate_is_refused),
		cmocka_unit_test(test_suites_decide_which_kind_of_handshake_it_is),
		cmocka_unit_test(test_pool_takes_urgent_work_first_and_gives_all_back),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
