/* SPDX-License-Identifier: Apache-2.0
 *
 * Bounds of handshakes with certificates: lengths of datagrams and chains, and what waits for a
 * thread. Those of files are in tests/integration/34-certificates.bats.
 */
#include "net_ids.h"

#include "net/net_pool.h"
#include "net/net_step.h"

/* ---- datagrams ---- */

enum { MTU = 1232, MTU_SMALL = 548 };

/* The server shows a chain of 3 KiB, in more than two datagrams of any length. */
static struct world world_with_chain(char chain[4 * PEM])
{
	struct world w = world_new();
	struct buf b = buf_writer(chain, 4 * (size_t)PEM);

	buf_put_str(&b, w.server.cert);
	for (unsigned i = 0; i < 5; i++)
		buf_put_str(&b, w.ca.cert);
	assert_string_equal(buf_cstr(&b), chain);
	w.chain = chain;
	set_take(&w, PRODUCT);
	return w;
}

static void test_rfc8200_5_no_datagram_is_longer_than_1280_with_its_headers(void **state)
{
	char chain[4 * PEM];
	struct world w = world_with_chain(chain);
	struct client *c = certified(&w, &w.device);
	uint8_t answer[256];

	(void)state;
	c->lose_after = 2; /* a flight in full; sent again it is no longer */
	c->lose_in = 1;
	assert_int_equal(shake(c), 0);
	wait_ups(w.r, 1);
	assert_true(c->longest > 1000);
	assert_true(c->longest <= MTU);
	assert_true(client_get(c, 1, answer, 20000) > 0);
	client_free(c);
	world_free(&w);
}

static void test_rfc8200_5_with_a_connection_id(void **state)
{
	static const uint8_t cid[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
	char chain[4 * PEM];
	struct world w = world_with_chain(chain);
	struct client *c = certified(&w, &w.device);
	uint8_t answer[256];

	(void)state;
	net_limits_set(w.r->net, &(struct net_conf){.connection_ids = true});
	assert_int_equal(
		mbedtls_ssl_conf_cid(&c->conf, sizeof(cid), MBEDTLS_SSL_UNEXPECTED_CID_IGNORE), 0);
	assert_int_equal(mbedtls_ssl_set_cid(&c->ssl, MBEDTLS_SSL_CID_ENABLED, cid, sizeof(cid)),
			 0);
	assert_int_equal(shake(c), 0);
	wait_ups(w.r, 1);
	assert_int_equal(rig_stats(w.r).cid_peers, 1);
	assert_true(c->longest > 1000);
	assert_true(c->longest <= MTU);
	assert_true(client_get(c, 1, answer, 20000) > 0);
	assert_int_equal(w.r->peer->coap.max_szx, 6); /* blocks of 1024 still fit */
	client_free(c);
	world_free(&w);
}

static void test_rfc6066_4_who_wants_small_records_gets_small_datagrams(void **state)
{
	char chain[4 * PEM];
	struct world w = world_with_chain(chain);
	struct client *c = certified(&w, &w.device);
	uint8_t answer[256];

	(void)state;
	assert_int_equal(mbedtls_ssl_conf_max_frag_len(&c->conf, MBEDTLS_SSL_MAX_FRAG_LEN_512), 0);
	mbedtls_ssl_set_mtu(&c->ssl, MTU_SMALL);
	assert_int_equal(shake(c), 0);
	wait_ups(w.r, 1);
	assert_true(c->longest > 400);
	assert_true(c->longest <= MTU_SMALL);
	assert_true(client_get(c, 1, answer, 20000) > 0);
	client_free(c);
	world_free(&w);
}

/* ---- chains ---- */

/* A device whose certificate `between` CAs have signed, one after the other; what it sends. */
static void chain_make(struct world *w, unsigned between, struct id *leaf)
{
	struct id ca[LIMIT_CERTIFICATE_DEPTH + 1];
	const struct id *signer = &w->ca;
	char name[LIMIT_CERTIFICATE_DEPTH + 1][8];
	const char *signer_name = "CA";

	assert_true(between <= LIMIT_CERTIFICATE_DEPTH + 1);
	memset(ca, 0, sizeof(ca));
	for (unsigned i = 0; i < between; i++) {
		(void)snprintf(name[i], sizeof(name[i]), "CA-%u", i);
		key_make(w->r, &ca[i]);
		ca[i].is_ca = true;
		sign(w->r, &ca[i], name[i], signer, signer_name, "20991231235959");
		signer = &ca[i];
		signer_name = name[i];
	}
	key_make(w->r, leaf);
	sign(w->r, leaf, "device-1", signer, signer_name, "20991231235959");
	for (unsigned i = between; i-- > 0;) {
		assert_int_equal(
			mbedtls_x509_crt_parse_der(&leaf->crt, ca[i].crt.raw.p, ca[i].crt.raw.len),
			0);
		id_free(&ca[i]);
	}
}

static void test_certificate_depth_at_limit_and_beyond(void **state)
{
	enum { BETWEEN = LIMIT_CERTIFICATE_DEPTH - 1 };
	struct world w = world_new();
	struct id longest = {0}, too_long = {0};
	const struct net_x509_mark *mark;

	(void)state;
	chain_make(&w, BETWEEN, &longest);
	struct client *c = certified(&w, &longest);
	assert_int_equal(shake(c), 0);
	wait_ups(w.r, 1);
	mark = w.r->peer->mark;
	for (unsigned i = 0; i <= LIMIT_CERTIFICATE_DEPTH; i++)
		assert_true(mark->chain[i] != 0);
	client_free(c);

	chain_make(&w, BETWEEN + 1, &too_long);
	c = certified(&w, &too_long);
	assert_int_not_equal(shake(c), 0);
	for (int64_t end = now_ms() + 60000;
	     !rig_stats(w.r).certificates_refused[NET_REFUSED_UNKNOWN_CA] && now_ms() < end;)
		rig_turn(w.r);
	assert_int_equal(rig_stats(w.r).certificates_refused[NET_REFUSED_UNKNOWN_CA], 1);
	assert_int_equal(w.r->ups, 1);
	client_free(c);
	id_free(&longest);
	id_free(&too_long);
	world_free(&w);
}

/* ---- what waits for a thread ---- */

struct holder {
	struct net_task work;
	uv_sem_t *gate;
};

static void holder_run(struct net_task *work)
{
	uv_sem_wait(LIST_ENTRY(work, struct holder, work)->gate);
}

static void holder_done(struct net_task *work)
{
	(void)work;
}

/* All threads are busy until the gate opens. */
static void hold_threads(struct rig *r, struct holder holders[NET_POOL_THREADS], uv_sem_t *gate)
{
	assert_int_equal(uv_sem_init(gate, 0), 0);
	for (unsigned i = 0; i < NET_POOL_THREADS; i++) {
		holders[i] = (struct holder){.gate = gate};
		holders[i].work.run = holder_run;
		holders[i].work.done = holder_done;
		net_pool_submit(r->net->pool, &holders[i].work, true);
	}
	while (net_pool_waiting(r->net->pool) > 0)
		(void)usleep(100);
}

static void let_threads(uv_sem_t *gate)
{
	for (unsigned i = 0; i < NET_POOL_THREADS; i++)
		uv_sem_post(gate);
}

static struct net_step *wait_step(struct rig *r, struct client *c)
{
	for (int64_t end = now_ms() + 60000; r->net->pool_queued == 0 && now_ms() < end;) {
		(void)mbedtls_ssl_handshake(&c->ssl);
		rig_turn(r);
	}
	assert_int_equal(r->net->pool_queued, 1);
	return LIST_ENTRY(r->net->half_open.next, struct net_peer, age)->tls->step;
}

static void test_datagrams_that_wait_for_a_thread_at_limit_and_beyond(void **state)
{
	/* a record with a piece of a message, which waits for the rest */
	static const uint8_t piece[] = {22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 13,
					11, 0,	  0,	9, 0, 1, 0, 0, 0, 0, 0, 1, 7};
	struct world w = world_new();
	struct client *c = certified(&w, &w.device);
	struct holder holders[NET_POOL_THREADS];
	uv_sem_t gate;

	(void)state;
	hold_threads(w.r, holders, &gate);
	const struct net_step *step = wait_step(w.r, c);
	uint64_t dropped = rig_stats(w.r).dropped;
	for (unsigned i = 1; i <= LIMIT_STEP_WAITING; i++) {
		assert_int_equal(send(c->fd, piece, sizeof(piece), 0), sizeof(piece));
		for (int64_t end = now_ms() + 60000; step->waiting_count < i && now_ms() < end;)
			rig_turn(w.r);
		assert_int_equal(step->waiting_count, i);
	}
	assert_int_equal(rig_stats(w.r).dropped, dropped);
	assert_int_equal(send(c->fd, piece, sizeof(piece), 0), sizeof(piece));
	for (int64_t end = now_ms() + 60000; rig_stats(w.r).dropped == dropped && now_ms() < end;)
		rig_turn(w.r);
	assert_int_equal(rig_stats(w.r).dropped, dropped + 1);
	assert_int_equal(step->waiting_count, LIMIT_STEP_WAITING);
	let_threads(&gate);
	rig_close(w.r);
	uv_sem_destroy(&gate);
	client_free(c);
	world_free(&w);
}

static void test_pool_queue_at_limit_and_beyond(void **state)
{
	struct world w = world_new();
	struct net *net = w.r->net;
	struct client *c = certified(&w, &w.device);
	struct holder holders[NET_POOL_THREADS];
	uv_sem_t gate;

	(void)state;
	/* the last place is for a network that has none yet */
	net->pool_queued = LIMIT_POOL_QUEUE - 1;
	assert_true(net_pool_share(net, 5));
	net->pool_origins[5] = 1;
	assert_false(net_pool_share(net, 5));
	net->pool_origins[5] = 0;
	net->pool_queued = LIMIT_POOL_QUEUE;
	assert_false(net_pool_share(net, 5));
	/* a handshake that finds none of it is shed, and tries again */
	for (int64_t end = now_ms() + 60000;
	     rig_stats(w.r).handshakes_shed == 0 && now_ms() < end;) {
		(void)mbedtls_ssl_handshake(&c->ssl);
		rig_turn(w.r);
	}
	assert_true(rig_stats(w.r).handshakes_shed > 0);
	assert_int_equal(net->pool_queued, LIMIT_POOL_QUEUE);
	assert_int_equal(net_pool_waiting(net->pool), 0);
	net->pool_queued = 0;
	hold_threads(w.r, holders, &gate);
	(void)wait_step(w.r, c);
	let_threads(&gate);
	assert_int_equal(shake(c), 0);
	wait_ups(w.r, 1);
	rig_close(w.r);
	uv_sem_destroy(&gate);
	client_free(c);
	world_free(&w);
}

/* ---- a crowd ---- */

static struct net_peer *first_half(const struct rig *r)
{
	return LIST_ENTRY(r->net->half_open.next, struct net_peer, age);
}

/* Our flight is out; what answers it is yet to come. */
static void shake_half(struct rig *r, struct client *c)
{
	for (int64_t end = now_ms() + 60000; now_ms() < end;) {
		if (r->net->half_open_count > 0 && first_half(r)->tls->step->begun)
			return;
		(void)mbedtls_ssl_handshake(&c->ssl);
		rig_turn(r);
	}
	fail_msg("the handshake did not begin");
}

static void test_who_has_begun_goes_on_where_newcomers_have_to_wait(void **state)
{
	struct world w = world_new();
	struct net *net = w.r->net;
	struct client *c = certified(&w, &w.device), *late = certified(&w, &w.device);

	(void)state;
	shake_half(w.r, c);
	net->pool_queued = LIMIT_POOL_QUEUE;
	for (int64_t end = now_ms() + 60000;
	     rig_stats(w.r).handshakes_shed == 0 && now_ms() < end;) {
		(void)mbedtls_ssl_handshake(&late->ssl);
		rig_turn(w.r);
	}
	assert_int_equal(rig_stats(w.r).handshakes_shed, 1);
	assert_int_equal(rig_stats(w.r).half_open, 1); /* nor does it take a place */
	assert_int_equal(shake(c), 0);
	wait_ups(w.r, 1);
	assert_int_equal(rig_stats(w.r).handshakes_shed, 1);
	assert_int_equal(net->pool_queued, LIMIT_POOL_QUEUE);
	net->pool_queued = 0;
	assert_int_equal(shake(late), 0);
	wait_ups(w.r, 2);
	client_free(late);
	client_free(c);
	world_free(&w);
}

/* Up to the ServerHello, with a key. */
static struct client *key_half(struct rig *r)
{
	struct client *c = client_new(r, "dev", rig_key, MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, NULL);

	client_start(c);
	(void)mbedtls_ssl_handshake(&c->ssl);
	rig_turn(r);
	(void)mbedtls_ssl_handshake(&c->ssl);
	rig_turn(r);
	return c;
}

static void test_who_has_begun_keeps_its_place_longer(void **state)
{
	static struct client *half[LIMIT_HALF_OPEN + 1];
	struct world w = world_new();
	struct rig *r = w.r;
	struct client *c = certified(&w, &w.device);

	(void)state;
	net_limits_set(r->net, &(struct net_conf){.handshakes_per_s = 1000000});
	shake_half(r, c);
	struct net_peer *begun = first_half(r);
	for (unsigned i = 0; i + 1 < LIMIT_HALF_OPEN; i++)
		half[i] = key_half(r);
	assert_int_equal(rig_stats(r).half_open, LIMIT_HALF_OPEN);
	/* as if the others had come just now, whatever the machine does */
	LIST_EACH(it, next, &r->net->half_open)
	{
		LIST_ENTRY(it, struct net_peer, age)->since_ms = INT64_MAX / 2;
	}
	begun->since_ms = r->net->timers.now_ms - NET_HALF_OPEN_BEGUN_MS / 2;
	half[LIMIT_HALF_OPEN - 1] = key_half(r);
	assert_int_equal(rig_stats(r).half_open_shed, 1);
	assert_ptr_equal(first_half(r), begun);
	begun->since_ms = r->net->timers.now_ms - NET_HALF_OPEN_BEGUN_MS;
	half[LIMIT_HALF_OPEN] = key_half(r);
	assert_int_equal(rig_stats(r).half_open_shed, 1);
	assert_ptr_not_equal(first_half(r), begun);
	for (unsigned i = 0; i <= LIMIT_HALF_OPEN; i++)
		client_free(half[i]);
	client_free(c);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc8200_5_no_datagram_is_longer_than_1280_with_its_headers),
		cmocka_unit_test(test_rfc8200_5_with_a_connection_id),
		cmocka_unit_test(test_rfc6066_4_who_wants_small_records_gets_small_datagrams),
		cmocka_unit_test(test_certificate_depth_at_limit_and_beyond),
		cmocka_unit_test(test_datagrams_that_wait_for_a_thread_at_limit_and_beyond),
		cmocka_unit_test(test_pool_queue_at_limit_and_beyond),
		cmocka_unit_test(test_who_has_begun_goes_on_where_newcomers_have_to_wait),
		cmocka_unit_test(test_who_has_begun_keeps_its_place_longer),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
