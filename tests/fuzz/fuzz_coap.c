/* SPDX-License-Identifier: Apache-2.0
 *
 * A session of the exchange layer fed with datagrams. Input: a byte of flags (1 plain, 2 plain
 * devices, 4 answers come late, 8 we ask, too), then datagrams, each behind two bytes: seconds that
 * pass before it (high 4 bits), 2048 for an answer, and its length (low 11 bits). An answer gets
 * the message id (if it is an ACK) and the token of our newest request, or, if its token begins
 * with w, that of an observation.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/net_coap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { KEPT = 32, BODY = 3000, TAGS = 8, TOKEN = 8, WATCHES = 4, ANSWER = 0x800, LONG = 5000 };

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
	/* what we ask */
	bool asks;
	unsigned asked, answers;
	uint16_t mid;
	uint8_t token[TOKEN], watch[WATCHES][TOKEN];
	unsigned watches;
};

static void note_request(struct fuzz *f, const struct wire_coap *m)
{
	assert(m->token.len == TOKEN && m->type == WIRE_CON && !m->bad_option);
	f->mid = m->mid;
	memcpy(f->token, m->token.ptr, TOKEN);
	if (m->observe == 0)
		memcpy(f->watch[f->watches++ % WATCHES], m->token.ptr, TOKEN);
}

/* Whatever goes out must be CoAP, and no amplifier. */
static void on_send(void *ctx, struct net_coap_session *s, struct bytes datagram)
{
	struct fuzz *f = ctx;
	struct wire_coap m;

	assert(datagram.len <= LIMIT_COAP_MESSAGE);
	assert(wire_coap_decode(datagram.ptr, datagram.len, &m) == 0);
	if (m.code > 0 && m.code < 32)
		note_request(f, &m);
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

/* ---- asking ---- */

static void ask(struct fuzz *f)
{
	static const struct {
		uint8_t method;
		const char *path, *query;
		int observe;
		unsigned szx;
		size_t payload;
		int64_t body;
	} rows[] = {
		{1, "3/0/3", NULL, -1, 6, 0, 0},       {1, "5/0/3", NULL, 0, 6, 0, 0},
		{3, "5/0/0", NULL, -1, 2, 0, LONG},    {1, "/", "a=1&b", 0, 0, 0, 0},
		{3, "5/0/1", "x", -1, 6, 40, 0},       {1, "5/0/3", NULL, 1, 6, 0, 0},
		{2, "", NULL, -1, 0, 1000, 0},	       {1, "5/0/5", NULL, 0, 6, 0, 0},
		{3, "5/0/0", NULL, -1, 6, 0, 1 << 30}, {1, "9", NULL, 0, 3, 0, 0},
	};
	unsigned n = f->asked++;
	struct net_ask a = {.method = rows[n % 10].method,
			    .path = rows[n % 10].path,
			    .query = rows[n % 10].query,
			    .content_format = (int)(n % 3) - 1,
			    .accept = (int)(n % 5) - 1,
			    .observe = rows[n % 10].observe,
			    .tag = n % 10,
			    .block_szx = rows[n % 10].szx,
			    .payload = {f->body, rows[n % 10].payload},
			    .body_size = rows[n % 10].body};
	int err = net_coap_ask(&f->coap, &f->session, &a);

	assert(!err || err == ERR_LIMIT || err == ERR_IO);
}

static void on_answered(void *ctx, struct net_coap_session *s, const struct net_answer *answer)
{
	struct fuzz *f = ctx;
	unsigned sum = 0;

	(void)s;
	assert(answer->payload.len <= LIMIT_ASK_ANSWER);
	for (size_t i = 0; i < answer->payload.len; i++)
		sum += answer->payload.ptr[i];
	assert(!answer->err || (answer->payload.len == 0 && sum == 0));
	assert(answer->err || answer->code >> 5 >= 2);
	if (f->asks && f->answers++ % 3 == 0)
		ask(f);
}

static int on_ask_body(void *ctx, struct net_coap_session *s, uint32_t tag, int64_t offset,
		       uint8_t *dst, size_t len)
{
	(void)ctx;
	(void)s;
	(void)tag;
	assert(offset >= 0 && len > 0 && len <= 1024);
	memset(dst, 'b', len);
	return offset / 100000 % 7 == 6 ? ERR_IO : 0;
}

static void on_ask_sent(void *ctx, struct net_coap_session *s, uint32_t tag, int64_t offset,
			size_t len)
{
	(void)ctx;
	(void)s;
	(void)tag;
	assert(offset >= 0 && len > 0 && len <= 1024);
}

static bool on_long_body(void *ctx, struct net_coap_session *s, uint8_t method,
			 const struct bytes *path, unsigned path_count)
{
	const struct fuzz *f = ctx;

	(void)s;
	(void)path;
	assert(method > 1);
	return f->asks && path_count > 0;
}

/* Puts what only we know into an answer. */
static void complete(const struct fuzz *f, uint8_t *d, size_t len)
{
	if (len < 4 + TOKEN || (d[0] & 15) != TOKEN || d[1] < 64)
		return;
	if ((d[0] >> 4 & 3) == WIRE_ACK) {
		d[2] = (uint8_t)(f->mid >> 8);
		d[3] = (uint8_t)f->mid;
	}
	memcpy(d + 4, d[4] == 'w' ? f->watch[d[5] % WATCHES] : f->token, TOKEN);
}

static void sleep_and_wake(struct fuzz *f)
{
	uint8_t packed[NET_SESSION_PACKED];
	struct buf w = buf_writer(packed, sizeof(packed));

	if (net_coap_session_busy(&f->session))
		return;
	net_coap_session_pack(&f->coap, &f->session, &w);
	assert(buf_ok(&w));
	net_coap_session_rest(&f->coap, &f->session);
	net_coap_session_unpack(&f->session, buf_bytes(&w));
}

static void elapse(struct fuzz *f, int64_t ms)
{
	f->timers.now_ms += ms;
	net_timers_run(&f->timers);
	sleep_and_wake(f);
	if (f->asks && f->asked % 16 == 11)
		net_coap_observe_forget(&f->session, f->asked % 10);
	if (f->asks && f->asked % 16 == 13)
		net_coap_ask_cancel(&f->coap, &f->session);
	if (f->asks && (ms > 9000 || !f->session.asking))
		ask(f);
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
		size_t len = head & 0x7ff;
		struct bytes d = buf_get_bytes(&b, len < buf_left(&b) ? len : buf_left(&b));
		uint8_t *exact = malloc(d.len ? d.len : 1);

		if (!exact)
			abort();
		if (head >> 12)
			elapse(f, (head >> 12) * INT64_C(1000));
		if (d.len)
			memcpy(exact, d.ptr, d.len);
		if (head & ANSWER)
			complete(f, exact, d.len);
		f->request_len = d.len;
		f->answering = true;
		net_coap_receive(&f->coap, &f->session, exact, d.len);
		f->answering = false;
		free(exact);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct net_coap_ops ops = {.send = on_send,
						.request = on_request,
						.observe_end = on_observe_end,
						.answered = on_answered,
						.ask_body = on_ask_body,
						.ask_sent = on_ask_sent,
						.long_body = on_long_body};
	struct fuzz *f = calloc(1, sizeof(*f));

	if (!f)
		abort();
	f->timers.now_ms = 1000;
	net_coap_init(&f->coap, &ops, f, &f->timers, &f->stats, (struct net_hash_key){1, 2});
	f->coap.well_known = "</report>;ct=60,</desired>;obs,</fw>,</status>;ct=60";
	f->coap.plain_devices = size && data[0] & 2;
	f->late = size && data[0] & 4;
	net_coap_session_init(&f->coap, &f->session, size && data[0] & 1, 6);
	/* strangers on plain coap are never known to an owner */
	f->asks = size && data[0] & 8 && (f->coap.plain_devices || !f->session.plain);
	if (f->asks)
		ask(f);
	if (size)
		run(f, data + 1, size - 1);
	f->asks = false;
	elapse(f, 1000000);
	net_coap_session_done(&f->coap, &f->session);
	assert(net_timers_next_ms(&f->timers) == -1);
	net_coap_done(&f->coap);
	free(f);
	return 0;
}
