/* SPDX-License-Identifier: Apache-2.0
 *
 * A session of the exchange layer fed with datagrams. Input: a byte of flags (1 plain, 2 plain
 * devices, 4 answers come late), then datagrams, each behind two bytes: seconds that pass before
 * it (high 4 bits) and its length (low 12 bits).
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/net_coap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { KEPT = 32, BODY = 3000, TAGS = 8 };

struct fuzz {
	struct net_timers timers;
	struct net_stats stats;
	struct net_coap coap;
	struct net_coap_session session;
	struct net_exchange kept[KEPT];
	unsigned requests;
	bool late;
	size_t request_len;
	bool answering; /* what is sent now answers request_len bytes of a stranger */
	uint8_t body[BODY];
};

/* Whatever goes out must be CoAP, and no amplifier. */
static void on_send(void *ctx, struct net_coap_session *s, struct bytes datagram)
{
	struct fuzz *f = ctx;
	struct wire_coap m;

	assert(datagram.len <= LIMIT_COAP_MESSAGE);
	assert(wire_coap_decode(datagram.ptr, datagram.len, &m) == 0);
	if (f->answering && s->plain && !f->coap.plain_devices)
		assert(datagram.len <= 3 * f->request_len);
}

static void answer(struct fuzz *f, struct net_exchange exchange, unsigned n)
{
	static const uint8_t codes[] = {NET_CODE(2, 5), NET_CODE(2, 4), NET_CODE(4, 4),
					NET_CODE(5, 3)};
	struct net_reply reply = NET_REPLY(codes[n / 3 % sizeof(codes)]);

	reply.payload = (struct bytes){f->body, n * 37 % BODY};
	reply.observe = true;
	reply.observe_tag = n % TAGS;
	net_coap_reply(&f->coap, exchange, &reply);
}

static void on_request(void *ctx, struct net_coap_session *s, const struct net_request *request,
		       struct net_exchange exchange)
{
	struct fuzz *f = ctx;
	unsigned n = f->requests++;

	(void)s;
	assert(request->path_count <= LIMIT_COAP_PATH && request->method >= 1);
	assert(request->block2_szx <= 6);
	if (f->late)
		f->kept[n % KEPT] = exchange;
	else
		answer(f, exchange, n);
}

static void on_observe_end(void *ctx, struct net_coap_session *s, uint32_t tag)
{
	(void)ctx;
	(void)s;
	assert(tag < TAGS);
}

static void elapse(struct fuzz *f, int64_t ms)
{
	f->timers.now_ms += ms;
	net_timers_run(&f->timers);
	for (unsigned i = 0; i < KEPT && f->late; i++)
		answer(f, f->kept[i], i);
	for (uint32_t tag = 0; tag < TAGS; tag += 3) {
		struct net_reply reply = NET_REPLY(NET_CODE(2, 5));

		(void)net_coap_notify(&f->coap, &f->session, tag, &reply);
	}
}

static void run(struct fuzz *f, const uint8_t *data, size_t size)
{
	struct buf b = buf_reader(data, size);

	while (buf_left(&b) >= 2) {
		uint16_t head = buf_get_u16(&b);
		size_t len = head & 0xfff;
		struct bytes d = buf_get_bytes(&b, len < buf_left(&b) ? len : buf_left(&b));
		uint8_t *exact = malloc(d.len ? d.len : 1);

		if (!exact)
			abort();
		if (head >> 12)
			elapse(f, (head >> 12) * INT64_C(1000));
		if (d.len)
			memcpy(exact, d.ptr, d.len);
		f->request_len = d.len;
		f->answering = true;
		net_coap_receive(&f->coap, &f->session, exact, d.len);
		f->answering = false;
		free(exact);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct net_coap_ops ops = {
		.send = on_send, .request = on_request, .observe_end = on_observe_end};
	struct fuzz *f = calloc(1, sizeof(*f));

	if (!f)
		abort();
	f->timers.now_ms = 1000;
	net_coap_init(&f->coap, &ops, f, &f->timers, &f->stats, (struct net_hash_key){1, 2});
	f->coap.well_known = "</report>;ct=60,</desired>;obs,</fw>,</status>;ct=60";
	f->coap.plain_devices = size && data[0] & 2;
	f->late = size && data[0] & 4;
	net_coap_session_init(&f->coap, &f->session, size && data[0] & 1, 6);
	if (size)
		run(f, data + 1, size - 1);
	elapse(f, 1000000);
	net_coap_session_done(&f->coap, &f->session);
	assert(net_timers_next_ms(&f->timers) == -1);
	net_coap_done(&f->coap);
	free(f);
	return 0;
}
