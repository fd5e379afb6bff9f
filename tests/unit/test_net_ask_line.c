/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests of ours on the line of test_net_line.c: two exchange layers ask each other, at the same
 * time and both ways, while a fifth is lost, a tenth doubled and all of it held up to two seconds.
 *   POSTBOOT_LINE_SEEDS=5000 makes it long.
 */
#include <stdlib.h>

#include "net_rig.h"

enum {
	LOSS = 20,
	TWICE = 10,
	DELAY_MS = 2000,
	PACKETS = 256,
	BODY = 700, /* in blocks of 64 */
	BODY_SZX = 2,
	CONTENT = 500, /* in blocks of 32 */
	RINGS = 8,
	RING_MS = 61000,
	SECONDS = 1400,
	OBSERVED = 5, /* the tag of the resource */
	TAG_PUT = 1,
	TAG_GET,
	TAG_WATCH,
	KINDS, /* of requests, tags from 1 */
	ROUNDS = 3,
};

struct packet {
	int64_t at_ms;
	unsigned to; /* end */
	size_t len;
	uint8_t data[LIMIT_COAP_MESSAGE];
};

struct world;

/* One of the two: asks and serves. */
struct end {
	struct world *world;
	unsigned self;
	struct net_stats stats;
	struct net_coap coap;
	struct net_coap_session session;
	/* asks */
	unsigned done[KINDS], failed;
	uint32_t tag; /* that is outstanding, 0: none */
	int64_t watch_ms;
	uint32_t heard;
	/* serves */
	unsigned puts;
	uint32_t rings;
	bool observed;
};

struct world {
	struct net_timers timers[2];
	uint64_t seed;
	struct packet packets[PACKETS];
	unsigned packet_count, lost, doubled;
	struct end ends[2];
};

static uint8_t bytes_of[BODY];

static uint32_t draw(struct world *w, uint32_t below)
{
	uint64_t z = w->seed += 0x9e3779b97f4a7c15U;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return (uint32_t)((z ^ (z >> 31)) % below);
}

static void on_send(void *ctx, struct net_coap_session *s, struct bytes datagram)
{
	const struct end *e = ctx;
	struct world *w = e->world;
	unsigned copies = draw(w, 100) < LOSS ? 0 : draw(w, 100) < TWICE ? 2 : 1;

	(void)s;
	w->lost += copies == 0;
	w->doubled += copies == 2;
	while (copies--) {
		assert_true(w->packet_count < PACKETS);
		struct packet *p = &w->packets[w->packet_count++];

		p->at_ms = w->timers[0].now_ms + 1 + draw(w, DELAY_MS);
		p->to = 1 - e->self;
		p->len = datagram.len;
		memcpy(p->data, datagram.ptr, datagram.len);
	}
}

/* ---- serving ---- */

static struct net_reply ring_reply(const struct end *e, uint8_t payload[4])
{
	struct net_reply reply = NET_REPLY(NET_CODE(2, 5));
	struct buf b = buf_writer(payload, 4);

	buf_put_u32(&b, e->rings);
	reply.payload = (struct bytes){payload, 4};
	return reply;
}

static void on_request(void *ctx, struct net_coap_session *s, const struct net_request *q,
		       struct net_exchange x)
{
	struct end *e = ctx;
	struct net_reply reply = NET_REPLY(NET_CODE(2, 5));
	uint8_t payload[4];

	(void)s;
	if (q->method == PUT) {
		assert_int_equal(q->payload.len, BODY);
		assert_memory_equal(q->payload.ptr, bytes_of, BODY);
		e->puts++;
		reply.code = NET_CODE(2, 4);
	} else if (q->path_count == 2) {
		reply.payload = (struct bytes){bytes_of, CONTENT};
	} else {
		reply = ring_reply(e, payload);
		reply.observe = q->observe == 0;
		reply.observe_tag = OBSERVED;
	}
	net_coap_reply(&e->coap, x, &reply);
}

static bool on_long_body(void *ctx, struct net_coap_session *s, uint8_t method,
			 const struct bytes *path, unsigned path_count)
{
	(void)ctx;
	(void)s;
	(void)path;
	(void)path_count;
	return method == PUT;
}

/* Nobody was there for so long, or the other side has forgotten; it observes anew some time. */
static void on_observe_end(void *ctx, struct net_coap_session *s, uint32_t tag)
{
	(void)ctx;
	(void)s;
	assert_int_equal(tag, OBSERVED);
}

/* ---- asking ---- */

static void on_answered(void *ctx, struct net_coap_session *s, const struct net_answer *a)
{
	struct end *e = ctx;

	(void)s;
	if (a->err) {
		assert_false(a->notified);
		assert_int_equal(a->tag, e->tag);
		/* what a line can do; a late block from before may have begun a body anew */
		assert_true(a->err == ERR_TIMEOUT || a->err == ERR_CONFLICT);
		e->failed++;
		e->tag = 0;
		return;
	}
	if (a->tag == TAG_WATCH) {
		struct buf b = buf_reader(a->payload.ptr, a->payload.len);

		assert_int_equal(a->code, NET_CODE(2, 5));
		e->heard = buf_get_u32(&b);
		e->observed = a->observed;
	}
	if (a->notified)
		return;
	assert_int_equal(a->tag, e->tag);
	e->tag = 0;
	if (a->tag == TAG_PUT && a->code != NET_CODE(2, 4)) {
		assert_int_equal(a->code, NET_CODE(4, 8));
		e->failed++;
		return;
	}
	if (a->tag == TAG_GET) {
		assert_int_equal(a->code, NET_CODE(2, 5));
		assert_int_equal(a->payload.len, CONTENT);
		assert_memory_equal(a->payload.ptr, bytes_of, CONTENT);
	}
	e->done[a->tag]++;
}

static int on_ask_body(void *ctx, struct net_coap_session *s, uint32_t tag, int64_t offset,
		       uint8_t *dst, size_t len)
{
	(void)ctx;
	(void)s;
	assert_int_equal(tag, TAG_PUT);
	assert_true(offset + (int64_t)len <= BODY);
	memcpy(dst, bytes_of + offset, len);
	return 0;
}

static void works(struct end *e)
{
	struct net_ask ask = NET_ASK(GET, "d");
	int64_t now_ms = e->coap.timers->now_ms;

	if (e->tag)
		return;
	if (now_ms >= e->watch_ms) {
		e->watch_ms = now_ms + 120000;
		ask.observe = 0;
		ask.tag = TAG_WATCH;
	} else if (e->done[TAG_PUT] < ROUNDS) {
		ask.method = PUT;
		ask.path = "rd";
		ask.body_size = BODY;
		ask.block_szx = BODY_SZX;
		ask.tag = TAG_PUT;
	} else if (e->done[TAG_GET] < ROUNDS) {
		ask.path = "long/x";
		ask.block_szx = 1;
		ask.tag = TAG_GET;
	} else {
		return;
	}
	e->tag = ask.tag;
	assert_int_equal(net_coap_ask(&e->coap, &e->session, &ask), 0);
}

/* ---- a run ---- */

static void deliver(struct world *w)
{
	for (unsigned i = 0; i < w->packet_count; i++) {
		struct packet p = w->packets[i];
		struct end *e = &w->ends[p.to];

		if (p.at_ms > w->timers[0].now_ms)
			continue;
		w->packets[i--] = w->packets[--w->packet_count];
		net_coap_receive(&e->coap, &e->session, p.data, p.len);
	}
}

static void run(struct world *w)
{
	static const struct net_coap_ops ops = {.send = on_send,
						.request = on_request,
						.observe_end = on_observe_end,
						.long_body = on_long_body,
						.answered = on_answered,
						.ask_body = on_ask_body};

	for (unsigned i = 0; i < 2; i++) {
		struct end *e = &w->ends[i];

		w->timers[i].now_ms = 1000000;
		e->world = w;
		e->self = i;
		net_coap_init(&e->coap, &ops, e, &w->timers[i], &e->stats,
			      (struct net_hash_key){w->seed, i});
		net_coap_session_init(&e->coap, &e->session, false, 6);
	}
	for (unsigned tick = 0; tick < SECONDS * 50; tick++) {
		for (unsigned i = 0; i < 2; i++) {
			w->timers[i].now_ms += 20;
			net_timers_run(&w->timers[i]);
		}
		deliver(w);
		for (unsigned i = 0; i < 2; i++) {
			struct end *e = &w->ends[i];
			uint8_t payload[4];

			works(e);
			if (tick % (RING_MS / 20) != RING_MS / 20 - 1 || e->rings == RINGS)
				continue;
			e->rings++;
			struct net_reply reply = ring_reply(e, payload);
			(void)net_coap_notify(&e->coap, &e->session, OBSERVED, &reply);
		}
	}
}

static void judge(const struct world *w, uint64_t seed)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct end *e = &w->ends[i], *other = &w->ends[1 - i];
		char what[120];

		(void)snprintf(what, sizeof(what),
			       "seed %llu: put %u, got %u, watched %u, failed %u, lost %u",
			       (unsigned long long)seed, e->done[TAG_PUT], e->done[TAG_GET],
			       e->done[TAG_WATCH], e->failed, w->lost);
		if (e->done[TAG_PUT] < ROUNDS || e->done[TAG_GET] < ROUNDS)
			fail_msg("%s: not all was done", what);
		if (other->puts < ROUNDS)
			fail_msg("%s: %u bodies came", what, other->puts);
		if (e->heard != RINGS || other->rings != RINGS)
			fail_msg("%s: heard %u", what, e->heard);
	}
}

static void test_every_seed_ends_well(void **state)
{
	const char *wanted = getenv("POSTBOOT_LINE_SEEDS");
	uint64_t seeds = wanted ? strtoull(wanted, NULL, 10) : 20;
	unsigned lost = 0, doubled = 0, failed = 0;

	(void)state;
	for (size_t i = 0; i < BODY; i++)
		bytes_of[i] = rig_byte(i);
	for (uint64_t seed = 1; seed <= seeds; seed++) {
		struct world *w = test_calloc(1, sizeof(*w));

		w->seed = seed;
		run(w);
		judge(w, seed);
		lost += w->lost;
		doubled += w->doubled;
		for (unsigned i = 0; i < 2; i++) {
			struct end *e = &w->ends[i];

			failed += e->failed;
			net_coap_session_done(&e->coap, &e->session);
			assert_int_equal(e->coap.body_bytes, 0);
			net_coap_done(&e->coap);
			assert_int_equal(net_timers_next_ms(&w->timers[i]), -1);
		}
		test_free(w);
	}
	assert_true(lost > 20 * seeds && doubled > 10 * seeds);
	print_message("# %llu seeds: lost %u, doubled %u, failed %u\n", (unsigned long long)seeds,
		      lost, doubled, failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rfc_test("7252 4, 5, 7641 3, 7959 2", test_every_seed_ends_well),
	};

	return cmocka_run_group_tests_name("net/ask line", tests, NULL, NULL);
}
