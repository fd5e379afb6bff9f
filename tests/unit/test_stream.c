/* SPDX-License-Identifier: Apache-2.0
 *
 * A whole download in virtual time: the emulator's bookkeeping of blocks, our exchange layer, and
 * a radio between them with a delay and seeded losses in both directions. What is compared are
 * the milliseconds of that time, so it is the same on any machine.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/window.h"
#include "emu/download.h"
#include "net_rig.h"

enum {
	BLOCK = 1024,
	BLOCKS = 256,
	SIZE = BLOCKS * BLOCK - 100,
	FLYING = 256,
	ONE_WAY_MS = 300,
	ACK_TIMEOUT_MS = 2000, /* RFC 7252 4.8: of the device */
	MAX_RETRANSMIT = 4,
};

struct datagram {
	int64_t at_ms;
	size_t len;
	uint8_t raw[LIMIT_COAP_MESSAGE];
};

/* One direction: everything takes equally long, so it is a queue. */
struct way {
	unsigned first, count;
	struct datagram flying[FLYING];
};

struct question {
	bool open;
	uint32_t token, num;
	uint16_t mid;
	int64_t again_ms, timeout_ms;
	unsigned tries;
};

struct stream {
	struct net_timers timers;
	struct net_stats stats;
	struct net_coap coap;
	struct net_coap_session session;
	struct way up, down;
	uint64_t random;
	unsigned loss; /* per thousand, of each direction */
	/* the device */
	struct emu_download dl;
	struct question asked[EMU_WINDOW_MAX];
	uint32_t token;
	uint16_t mid;
	unsigned requests;
	bool done;
	int64_t began_ms;
};

static uint8_t image[SIZE];
static char path[] = "/tmp/postboot-stream-XXXXXX";

/* splitmix64 */
static uint64_t next_random(struct stream *t)
{
	uint64_t z = t->random += 0x9e3779b97f4a7c15U;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return z ^ (z >> 31);
}

static void fly(struct stream *t, struct way *way, struct bytes datagram)
{
	if (next_random(t) % 1000 < t->loss)
		return;
	assert_true(way->count < FLYING);
	struct datagram *d = &way->flying[(way->first + way->count++) % FLYING];

	d->at_ms = t->timers.now_ms + ONE_WAY_MS;
	d->len = datagram.len;
	memcpy(d->raw, datagram.ptr, datagram.len);
}

/* ---- the server ---- */

static void server_send(void *ctx, struct net_coap_session *s, struct bytes datagram)
{
	struct stream *t = ctx;

	(void)s;
	fly(t, &t->down, datagram);
}

static void server_request(void *ctx, struct net_coap_session *s, const struct net_request *q,
			   struct net_exchange exchange)
{
	struct stream *t = ctx;
	struct net_reply reply = NET_REPLY(NET_CODE(2, 5));
	size_t at = (size_t)q->block2_num * BLOCK;

	(void)s;
	assert_true(q->has_block2 && at < SIZE);
	reply.is_block = true;
	reply.block2_num = q->block2_num;
	reply.block2_szx = 6;
	reply.block2_more = SIZE - at > BLOCK;
	reply.payload = (struct bytes){image + at, reply.block2_more ? BLOCK : SIZE - at};
	net_coap_reply(&t->coap, exchange, &reply);
}

static void server_observe_end(void *ctx, struct net_coap_session *s, uint32_t tag)
{
	(void)ctx;
	(void)s;
	(void)tag;
}

/* ---- the device ---- */

static void device_send(struct stream *t, struct question *a)
{
	uint8_t raw[64], token[4];
	struct buf w = buf_writer(token, sizeof(token));

	buf_put_u32(&w, a->token);
	struct wire_coap_writer out = wire_coap_begin(raw, sizeof(raw), WIRE_CON, GET, a->mid,
						      (struct bytes){token, sizeof(token)});
	wire_coap_put_bytes(&out, WIRE_OPT_URI_PATH, text("fw"));
	wire_coap_put_block(&out, WIRE_OPT_BLOCK2, (struct wire_block){.num = a->num, .szx = 6});
	a->again_ms = t->timers.now_ms + a->timeout_ms;
	t->requests++;
	fly(t, &t->up, buf_bytes(&out.buf));
}

/* All that the window lets out. */
static void device_ask(struct stream *t)
{
	uint32_t num;

	while (emu_download_next(&t->dl, t->token + 1, &num)) {
		struct question *a = t->asked;

		while (a->open)
			a++;
		*a = (struct question){.open = true, .token = ++t->token, .num = num};
		a->mid = t->mid++;
		a->timeout_ms =
			ACK_TIMEOUT_MS + (int64_t)(next_random(t) % (ACK_TIMEOUT_MS / 2 + 1));
		device_send(t, a);
	}
}

static void device_receive(struct stream *t, const struct datagram *d)
{
	struct wire_coap m;

	assert_int_equal(wire_coap_decode(d->raw, d->len, &m), 0);
	assert_int_equal(m.type, WIRE_ACK);
	assert_int_equal(m.code, NET_CODE(2, 5));
	struct buf in = buf_reader(m.token.ptr, m.token.len);
	uint32_t token = buf_get_u32(&in);

	for (unsigned i = 0; i < EMU_WINDOW_MAX; i++)
		if (t->asked[i].open && t->asked[i].token == token)
			t->asked[i].open = false;
	enum emu_block_result result = emu_download_block(&t->dl, token, m.block2.num, m.block2.szx,
							  m.payload.ptr, m.payload.len, NULL, 0);
	t->done = result == EMU_BLOCK_DONE;
	assert_true(t->done || result == EMU_BLOCK_MORE || result == EMU_BLOCK_IGNORED);
	if (!t->done)
		device_ask(t);
}

static void device_time(struct stream *t)
{
	for (unsigned i = 0; i < EMU_WINDOW_MAX; i++) {
		struct question *a = &t->asked[i];

		if (!a->open || a->again_ms > t->timers.now_ms)
			continue;
		if (a->tries++ == MAX_RETRANSMIT) { /* asked for anew, after the others */
			a->open = false;
			emu_download_release(&t->dl, a->token);
			continue;
		}
		a->timeout_ms *= 2;
		device_send(t, a);
	}
	device_ask(t);
}

/* ---- the radio ---- */

static int64_t next_ms(const struct stream *t)
{
	int64_t at = net_timers_next_ms(&t->timers);

	for (unsigned i = 0; i < EMU_WINDOW_MAX; i++)
		if (t->asked[i].open && (at < 0 || t->asked[i].again_ms < at))
			at = t->asked[i].again_ms;
	if (t->up.count && (at < 0 || t->up.flying[t->up.first].at_ms < at))
		at = t->up.flying[t->up.first].at_ms;
	if (t->down.count && (at < 0 || t->down.flying[t->down.first].at_ms < at))
		at = t->down.flying[t->down.first].at_ms;
	return at;
}

static bool land(const struct stream *t, struct way *way, struct datagram *ret)
{
	if (!way->count || way->flying[way->first].at_ms > t->timers.now_ms)
		return false;
	*ret = way->flying[way->first];
	way->first = (way->first + 1) % FLYING;
	way->count--;
	return true;
}

static void turn(struct stream *t)
{
	struct datagram d;
	int64_t at = next_ms(t);

	assert_true(at >= 0); /* else it stands still for ever */
	if (at > t->timers.now_ms)
		t->timers.now_ms = at;
	net_timers_run(&t->timers);
	while (land(t, &t->up, &d))
		net_coap_receive(&t->coap, &t->session, d.raw, d.len);
	while (!t->done && land(t, &t->down, &d))
		device_receive(t, &d);
	if (!t->done)
		device_time(t);
}

static struct stream *stream_new(unsigned loss, uint64_t seed)
{
	static const struct net_coap_ops ops = {
		.send = server_send, .request = server_request, .observe_end = server_observe_end};
	struct stream *t = test_calloc(1, sizeof(*t));

	assert_non_null(t);
	t->timers.now_ms = 1000000;
	t->loss = loss;
	t->random = seed;
	net_coap_init(&t->coap, &ops, t, &t->timers, &t->stats, (struct net_hash_key){1, 2});
	net_coap_session_init(&t->coap, &t->session, false, 6);
	emu_download_init(&t->dl);
	return t;
}

static void stream_free(struct stream *t)
{
	net_coap_session_done(&t->coap, &t->session);
	net_coap_done(&t->coap);
	emu_download_stop(&t->dl);
	test_free(t);
}

/* The milliseconds that a download takes; every byte is compared. */
static int64_t download(struct stream *t, unsigned window)
{
	static uint8_t got[SIZE + 1];

	assert_int_equal(emu_download_start(&t->dl, path, SIZE, 0, 6, window), 0);
	t->began_ms = t->timers.now_ms;
	t->done = false;
	device_ask(t);
	while (!t->done)
		turn(t);
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	assert_int_equal(fread(got, 1, sizeof(got), f), SIZE);
	(void)fclose(f);
	assert_memory_equal(got, image, SIZE);
	return t->timers.now_ms - t->began_ms;
}

static unsigned hint_of(const struct stream *t)
{
	struct link_facts link = {t->session.messages, t->session.repeats, 2 * ONE_WAY_MS};
	struct policy p;

	policy_init(&p);
	return window_hint(&p, &link, 0);
}

static void test_stream_without_loss_takes_a_round_trip_for_each_window(void **state)
{
	static const unsigned windows[] = {1, 2, 4, 8, 16};

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		struct stream *t = stream_new(0, 1);

		assert_int_equal(download(t, windows[i]), BLOCKS / windows[i] * 2 * ONE_WAY_MS);
		assert_int_equal(t->requests, BLOCKS);
		stream_free(t);
	}
}

/* Issue 3 of 5: a link of 600 ms and 1 %. */
static void test_stream_window_8_is_6_times_as_fast_as_stop_and_wait(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct stream *one = stream_new(10, seed), *eight = stream_new(10, seed);
		int64_t one_ms = download(one, 1), eight_ms = download(eight, 8);

		assert_true(one_ms >= 6 * eight_ms);
		assert_in_range(hint_of(one), 8, 8); /* and so it is told */
		assert_in_range(hint_of(eight), 8, 8);
		stream_free(one);
		stream_free(eight);
	}
}

/* The server's own count of repetitions brings the window down on a bad link, and the download
 * gets through with any. */
static void test_stream_bad_link_is_told_a_smaller_window(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct stream *t = stream_new(150, seed);

		(void)download(t, 8);
		assert_true(t->session.repeats > 0);
		unsigned hint = hint_of(t);
		assert_in_range(hint, 2, 6);
		(void)download(t, hint);
		stream_free(t);
	}
}

static int group_setup(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	for (size_t i = 0; i < SIZE; i++)
		image[i] = (uint8_t)(i * 31 ^ i >> 8);
	return fd < 0 || close(fd);
}

static int group_teardown(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stream_without_loss_takes_a_round_trip_for_each_window),
		cmocka_unit_test(test_stream_window_8_is_6_times_as_fast_as_stop_and_wait),
		cmocka_unit_test(test_stream_bad_link_is_told_a_smaller_window),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
