/* SPDX-License-Identifier: Apache-2.0
 *
 * The exchange layer and a client made after the RFCs, on a line that loses a fifth, doubles a
 * tenth and holds datagrams up to two seconds, so that they overtake each other. The clock is a
 * number: hours pass in a moment, and a seed gives the same line again.
 *   POSTBOOT_LINE_SEEDS=5000 makes it long.
 */
#include <stdlib.h>

#include "net_rig.h"

enum {
	LOSS = 20,
	TWICE = 10,
	DELAY_MS = 2000,
	PACKETS = 256,
	WINDOW = 4,
	IMAGE = 6000,
	SZX = 4, /* 256 */
	BLOCKS = (IMAGE + 255) / 256,
	REPORTS = 6,
	RINGS = 12,
	TAG = 5,
	SLOTS = WINDOW + 2, /* blocks; report; observation */
	SLOT_REPORT = WINDOW,
	SLOT_OBSERVE,
	GIVE_UP_MS = 100000, /* after an empty ACK */
	REGISTER_MS = 120000,
	SECONDS = 1000,
};

struct packet {
	int64_t at_ms;
	bool up;
	size_t len;
	uint8_t data[LIMIT_COAP_MESSAGE];
};

/* A request of the client. */
struct slot {
	bool open, acked;
	uint16_t mid;
	uint8_t token;
	unsigned tries;
	int64_t due_ms, timeout_ms;
	uint32_t what; /* block, report */
	size_t len;
	uint8_t data[128];
};

struct world {
	struct net_timers timers;
	struct net_stats stats;
	struct net_coap coap;
	struct net_coap_session session;
	uint64_t seed;
	struct packet packets[PACKETS];
	unsigned packet_count, lost, doubled;
	/* server */
	unsigned executed[REPORTS], ends, rings, unheard;
	struct net_exchange late[64];
	int64_t late_at[64];
	uint32_t late_what[64];
	unsigned late_count;
	/* client */
	struct slot slots[SLOTS];
	uint16_t mid;
	uint8_t token;
	uint8_t image[IMAGE];
	bool have[BLOCKS];
	unsigned reported, gave_up, heard, notes;
	bool registered;
	int64_t heard_number, heard_ms, register_ms;
};

static uint8_t image[IMAGE];

static uint32_t draw(struct world *w, uint32_t below)
{
	uint64_t z = w->seed += 0x9e3779b97f4a7c15U;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return (uint32_t)((z ^ (z >> 31)) % below);
}

/* ---- the line ---- */

static void put(struct world *w, bool up, struct bytes datagram)
{
	unsigned copies = draw(w, 100) < LOSS ? 0 : draw(w, 100) < TWICE ? 2 : 1;

	w->lost += copies == 0;
	w->doubled += copies == 2;
	while (copies--) {
		assert_true(w->packet_count < PACKETS);
		struct packet *p = &w->packets[w->packet_count++];

		p->at_ms = w->timers.now_ms + 1 + draw(w, DELAY_MS);
		p->up = up;
		p->len = datagram.len;
		memcpy(p->data, datagram.ptr, datagram.len);
	}
}

/* ---- the server's side ---- */

static void server_send(void *ctx, struct net_coap_session *s, struct bytes datagram)
{
	struct world *w = ctx;
	struct wire_coap m;

	(void)s;
	assert_int_equal(wire_coap_decode(datagram.ptr, datagram.len, &m), 0);
	if (m.type == WIRE_CON && m.observe >= 0)
		w->unheard++;
	put(w, false, datagram);
}

static struct net_reply ring_reply(const struct world *w, uint8_t payload[4])
{
	struct net_reply reply = NET_REPLY(NET_CODE(2, 5));
	struct buf b = buf_writer(payload, 4);

	buf_put_u32(&b, w->rings);
	reply.payload = (struct bytes){payload, 4};
	return reply;
}

static void server_request(void *ctx, struct net_coap_session *s, const struct net_request *q,
			   struct net_exchange x)
{
	struct world *w = ctx;
	struct net_reply reply = NET_REPLY(NET_CODE(2, 5));
	uint8_t payload[4];

	(void)s;
	if (q->method == POST) {
		uint32_t what = q->payload.ptr[0];

		assert_true(what < REPORTS && w->late_count < 64);
		w->executed[what]++;
		w->late[w->late_count] = x;
		w->late_what[w->late_count] = what;
		w->late_at[w->late_count++] = w->timers.now_ms + draw(w, 3000);
		return;
	}
	if (q->path_count == 2) {
		size_t at = (size_t)q->block2_num << (q->block2_szx + 4);

		assert_true(at < IMAGE);
		reply.is_block = true;
		reply.block2_num = q->block2_num;
		reply.block2_szx = q->block2_szx;
		reply.block2_more = at + 256 < IMAGE;
		reply.payload = (struct bytes){image + at, reply.block2_more ? 256 : IMAGE - at};
	} else {
		reply = ring_reply(w, payload);
		reply.observe = q->observe == 0;
		reply.observe_tag = TAG;
	}
	net_coap_reply(&w->coap, x, &reply);
}

/* RFC 7641 4.5: only what was sent five times and never acknowledged ends. */
static void server_observe_end(void *ctx, struct net_coap_session *s, uint32_t tag)
{
	struct world *w = ctx;

	(void)s;
	assert_int_equal(tag, TAG);
	assert_true(w->unheard >= 1 + NET_MAX_RETRANSMIT);
	w->unheard = 0;
	w->ends++;
}

static void server_answers_late(struct world *w)
{
	for (unsigned i = 0; i < w->late_count; i++) {
		uint8_t what = (uint8_t)w->late_what[i];
		struct net_reply reply = NET_REPLY(NET_CODE(2, 4));

		if (w->late_at[i] > w->timers.now_ms)
			continue;
		reply.payload = (struct bytes){&what, 1};
		struct net_exchange x = w->late[i];

		w->late_count--;
		w->late[i] = w->late[w->late_count];
		w->late_at[i] = w->late_at[w->late_count];
		w->late_what[i] = w->late_what[w->late_count];
		i--;
		net_coap_reply(&w->coap, x, &reply);
	}
}

/* ---- the client's side ---- */

static void slot_send(struct world *w, struct slot *s)
{
	s->due_ms = w->timers.now_ms + s->timeout_ms;
	put(w, true, (struct bytes){s->data, s->len});
}

static void slot_begin(struct world *w, unsigned index, uint32_t what)
{
	struct slot *s = &w->slots[index];
	uint8_t body = (uint8_t)what;

	s->open = true;
	s->acked = false;
	s->tries = 0;
	s->timeout_ms = 2000 + draw(w, 1001);
	s->what = what;
	s->mid = w->mid++;
	s->token = index == SLOT_OBSERVE ? 255 : w->token++ % 250;
	struct wire_coap_writer m = wire_coap_begin(s->data, sizeof(s->data), WIRE_CON,
						    index == SLOT_REPORT ? POST : GET, s->mid,
						    (struct bytes){&s->token, 1});

	if (index == SLOT_OBSERVE)
		wire_coap_put_uint(&m, WIRE_OPT_OBSERVE, 0);
	wire_coap_put_bytes(&m, WIRE_OPT_URI_PATH, text(index < WINDOW ? "fw" : "x"));
	if (index < WINDOW) {
		wire_coap_put_bytes(&m, WIRE_OPT_URI_PATH, text("i"));
		wire_coap_put_block(&m, WIRE_OPT_BLOCK2,
				    (struct wire_block){.num = what, .szx = SZX});
	}
	if (index == SLOT_REPORT)
		wire_coap_payload(&m, (struct bytes){&body, 1});
	s->len = buf_bytes(&m.buf).len;
	slot_send(w, s);
}

static void client_empty(struct world *w, enum wire_coap_type type, uint16_t mid)
{
	const uint8_t raw[4] = {(uint8_t)(0x40 | type << 4), 0, (uint8_t)(mid >> 8), (uint8_t)mid};

	put(w, true, (struct bytes){raw, 4});
}

/* RFC 7641 3.4 */
static bool is_newer(const struct world *w, int64_t number)
{
	int64_t v1 = w->heard_number, v2 = number;

	return !w->notes || (v1 < v2 && v2 - v1 < 1 << 23) || (v1 > v2 && v1 - v2 > 1 << 23) ||
	       w->timers.now_ms > w->heard_ms + 128000;
}

static void client_hears(struct world *w, const struct wire_coap *m)
{
	struct buf b = buf_reader(m->payload.ptr, m->payload.len);

	if (m->observe < 0 || !is_newer(w, m->observe))
		return;
	w->notes++;
	w->registered = true;
	w->heard = buf_get_u32(&b);
	w->heard_number = m->observe;
	w->heard_ms = w->timers.now_ms;
}

static void client_takes(struct world *w, unsigned index, const struct wire_coap *m)
{
	struct slot *s = &w->slots[index];

	if (index < WINDOW) {
		assert_code(m, 2, 5);
		assert_int_equal(m->block2.num, s->what);
		memcpy(w->image + (size_t)s->what * 256, m->payload.ptr, m->payload.len);
		w->have[s->what] = true;
	} else if (index == SLOT_REPORT) {
		assert_code(m, 2, 4);
		assert_int_equal(m->payload.ptr[0], s->what);
		w->reported++;
	}
	s->open = false;
}

static void client_receive(struct world *w, const uint8_t *data, size_t len)
{
	struct wire_coap m;
	unsigned index = 0;

	assert_int_equal(wire_coap_decode(data, len, &m), 0);
	if (m.code == 0) {
		assert_int_equal(m.type, WIRE_ACK); /* never a RST */
		for (; index < SLOTS; index++)
			if (w->slots[index].open && w->slots[index].mid == m.mid) {
				w->slots[index].acked = true;
				w->slots[index].due_ms = w->timers.now_ms + GIVE_UP_MS;
			}
		return;
	}
	assert_int_equal(m.token.len, 1);
	if (m.type == WIRE_CON)
		client_empty(w, WIRE_ACK, m.mid);
	if (m.token.ptr[0] == 255)
		client_hears(w, &m);
	while (index < SLOTS && (!w->slots[index].open || w->slots[index].token != m.token.ptr[0]))
		index++;
	if (index < SLOTS && (m.type != WIRE_ACK || w->slots[index].mid == m.mid))
		client_takes(w, index, &m);
}

static void client_times(struct world *w)
{
	for (unsigned i = 0; i < SLOTS; i++) {
		struct slot *s = &w->slots[i];

		if (!s->open || s->due_ms > w->timers.now_ms)
			continue;
		if (s->acked || s->tries == 4) {
			w->gave_up++;
			slot_begin(w, i, s->what); /* the same once more */
			continue;
		}
		s->tries++;
		s->timeout_ms *= 2;
		slot_send(w, s);
	}
}

static void client_works(struct world *w)
{
	for (unsigned i = 0, block = 0; i < WINDOW; i++) {
		if (w->slots[i].open)
			continue;
		for (; block < BLOCKS; block++) {
			bool asked = w->have[block];

			for (unsigned k = 0; k < WINDOW; k++)
				asked = asked || (w->slots[k].open && w->slots[k].what == block);
			if (!asked)
				break;
		}
		if (block < BLOCKS)
			slot_begin(w, i, block);
	}
	if (!w->slots[SLOT_REPORT].open && w->reported < REPORTS)
		slot_begin(w, SLOT_REPORT, w->reported);
	if (!w->slots[SLOT_OBSERVE].open && w->timers.now_ms >= w->register_ms) {
		w->register_ms = w->timers.now_ms + REGISTER_MS;
		slot_begin(w, SLOT_OBSERVE, 0);
	}
}

/* ---- a run ---- */

static void deliver(struct world *w)
{
	for (unsigned i = 0; i < w->packet_count; i++) {
		struct packet p = w->packets[i];
		struct wire_coap m;

		if (p.at_ms > w->timers.now_ms)
			continue;
		w->packets[i--] = w->packets[--w->packet_count];
		if (!p.up) {
			client_receive(w, p.data, p.len);
			continue;
		}
		assert_int_equal(wire_coap_decode(p.data, p.len, &m), 0);
		if (m.type == WIRE_ACK)
			w->unheard = 0;
		net_coap_receive(&w->coap, &w->session, p.data, p.len);
	}
}

static void run(struct world *w)
{
	static const struct net_coap_ops ops = {
		.send = server_send, .request = server_request, .observe_end = server_observe_end};
	uint8_t payload[4];

	w->timers.now_ms = 1000000;
	net_coap_init(&w->coap, &ops, w, &w->timers, &w->stats, (struct net_hash_key){w->seed, 2});
	net_coap_session_init(&w->coap, &w->session, false, 6);
	for (unsigned tick = 0; tick < SECONDS * 100; tick++) {
		w->timers.now_ms += 10;
		net_timers_run(&w->timers);
		deliver(w);
		server_answers_late(w);
		client_times(w);
		client_works(w);
		if (tick % 6100 == 6099 && w->rings < RINGS) {
			w->rings++;
			struct net_reply reply = ring_reply(w, payload);

			(void)net_coap_notify(&w->coap, &w->session, TAG, &reply);
		}
	}
}

static void judge(struct world *w, uint64_t seed)
{
	char what[96];

	(void)snprintf(what, sizeof(what), "seed %llu: lost %u, doubled %u, gave up %u, ends %u",
		       (unsigned long long)seed, w->lost, w->doubled, w->gave_up, w->ends);
	if (memcmp(w->image, image, IMAGE) != 0)
		fail_msg("%s: the image differs", what);
	if (w->reported != REPORTS)
		fail_msg("%s: %u reports answered", what, w->reported);
	for (unsigned i = 0; i < REPORTS; i++)
		if (w->executed[i] == 0)
			fail_msg("%s: report %u was never executed", what, i);
	if (w->heard != w->rings || w->rings != RINGS)
		fail_msg("%s: heard %u of %u", what, w->heard, w->rings);
	if (w->late_count || !list_empty(&w->session.pending) || !list_empty(&w->session.out))
		fail_msg("%s: something is left over", what);
}

static void test_every_seed_ends_well(void **state)
{
	const char *wanted = getenv("POSTBOOT_LINE_SEEDS");
	uint64_t seeds = wanted ? strtoull(wanted, NULL, 10) : 40;
	unsigned lost = 0, doubled = 0, gave_up = 0;

	(void)state;
	for (size_t i = 0; i < IMAGE; i++)
		image[i] = (uint8_t)(i * 13 + i / 251);
	for (uint64_t seed = 1; seed <= seeds; seed++) {
		struct world *w = test_calloc(1, sizeof(*w));

		w->seed = seed;
		run(w);
		judge(w, seed);
		lost += w->lost;
		doubled += w->doubled;
		gave_up += w->gave_up;
		net_coap_session_done(&w->coap, &w->session);
		net_coap_done(&w->coap);
		assert_int_equal(net_timers_next_ms(&w->timers), -1);
		test_free(w);
	}
	assert_true(lost > 20 * seeds && doubled > 10 * seeds);
	print_message("# %llu seeds: lost %u, doubled %u, gave up %u\n", (unsigned long long)seeds,
		      lost, doubled, gave_up);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rfc_test("7252 4, 7641 4.5, 7959 2.4", test_every_seed_ends_well),
	};

	return cmocka_run_group_tests_name("net/line", tests, NULL, NULL);
}
