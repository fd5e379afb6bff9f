/* SPDX-License-Identifier: Apache-2.0 */
#include "net/net_ask.h"

#include <stdlib.h>
#include <string.h>

enum {
	GET = 1,
	PUT = 3,
	FETCH = 5,
	IPATCH = 7,
	SZX_MAX = 6,
	BLOCK_MAX = 1024,
	BLOCKS_MAX = 1 << 20, /* RFC 7959 2.2: 20 bits of a number */
	ROOM = 48,	      /* what net_demux.c leaves beside a block */
	ANEW = 1,	      /* so often a transfer begins once more */
};

#define CONTINUE NET_CODE(2, 31)

static size_t size_of(unsigned szx)
{
	return (size_t)16 << szx;
}

static struct bytes token_of(const struct net_asking *a)
{
	return (struct bytes){a->token, NET_ASK_TOKEN};
}

static void token_fresh(struct net_coap *c, struct net_asking *a)
{
	struct buf w = buf_writer(a->token, NET_ASK_TOKEN);

	buf_put_u32(&w, net_coap_random(c));
	buf_put_u32(&w, net_coap_random(c));
}

static uint64_t print_of(const struct net_coap *c, const struct net_asking *a)
{
	uint64_t both[2] = {net_hash(&c->key, a->data, a->path_len),
			    net_hash(&c->key, a->data + a->path_len, a->query_len)};

	return net_hash(&c->key, both, sizeof(both));
}

/* ---- the end ---- */

static void fetch_drop(struct net_asking *a)
{
	free(a->fetch.data);
	a->fetch = (struct net_fetch){.data = NULL};
}

static void asking_free(struct net_coap *c, struct net_coap_session *s)
{
	struct net_asking *a = s->asking;

	s->asking = NULL;
	net_timer_disarm(c->timers, &a->timer);
	net_out_drop(c, a->out);
	fetch_drop(a);
	free(a);
}

void net_coap_ask_cancel(struct net_coap *c, struct net_coap_session *s)
{
	if (s->asking)
		asking_free(c, s);
}

/* The owner may ask again at once, so what the answer needs outlives the request. */
static void finish(struct net_coap *c, struct net_coap_session *s, struct net_answer *answer)
{
	struct net_asking *a = s->asking;
	uint8_t *fetched = a->fetch.data;

	answer->tag = a->tag;
	a->fetch.data = NULL;
	asking_free(c, s);
	c->ops->answered(c->ctx, s, answer);
	free(fetched);
}

void net_ask_failed(struct net_coap *c, struct net_coap_session *s, int err)
{
	struct net_answer answer = {.err = err, .content_format = -1};

	finish(c, s, &answer);
}

/* ---- a message ---- */

static void put_parts(struct wire_coap_writer *w, enum wire_coap_option number, const uint8_t *text,
		      size_t len, uint8_t separator)
{
	for (size_t at = 0; at < len;) {
		const uint8_t *end = memchr(text + at, separator, len - at);
		size_t part = end ? (size_t)(end - text) - at : len - at;

		if (part)
			wire_coap_put_bytes(w, number, (struct bytes){text + at, part});
		at += part + 1;
	}
}

/* `block1`: the body is one of several. Its length, 0: too long. */
static size_t encode(struct net_coap *c, const struct net_asking *a, uint16_t mid, bool block1,
		     struct bytes body)
{
	const struct net_fetch *f = &a->fetch;
	unsigned max_szx = a->session->max_szx;
	struct wire_coap_writer w = wire_coap_begin(c->scratch, sizeof(c->scratch), WIRE_CON,
						    a->method, mid, token_of(a));

	if (a->observe >= 0)
		wire_coap_put_uint(&w, WIRE_OPT_OBSERVE, (uint32_t)a->observe);
	put_parts(&w, WIRE_OPT_URI_PATH, a->data, a->path_len, '/');
	if (a->content_format >= 0 && !f->data)
		wire_coap_put_uint(&w, WIRE_OPT_CONTENT_FORMAT, (uint32_t)a->content_format);
	put_parts(&w, WIRE_OPT_URI_QUERY, a->data + a->path_len, a->query_len, '&');
	if (a->accept >= 0)
		wire_coap_put_uint(&w, WIRE_OPT_ACCEPT, (uint32_t)a->accept);
	if (f->data)
		wire_coap_put_block(&w, WIRE_OPT_BLOCK2,
				    (struct wire_block){.num = (uint32_t)(f->len >> (f->szx + 4)),
							.szx = f->szx});
	else if (max_szx < SZX_MAX) /* longer records do not arrive here */
		wire_coap_put_block(&w, WIRE_OPT_BLOCK2, (struct wire_block){.szx = max_szx});
	if (block1)
		wire_coap_put_block(
			&w, WIRE_OPT_BLOCK1,
			(struct wire_block){.num = (uint32_t)(a->body_at >> (a->szx + 4)),
					    .more = a->body_at + (int64_t)a->body_len <
						    a->body_size,
					    .szx = a->szx});
	if (block1 && a->body_at == 0 && a->body_size <= UINT32_MAX)
		wire_coap_put_uint(&w, WIRE_OPT_SIZE1, (uint32_t)a->body_size);
	wire_coap_payload(&w, body);
	return buf_ok(&w.buf) ? w.buf.pos : 0;
}

/* The block under way. */
static int body_block(struct net_coap *c, struct net_asking *a, uint8_t *block,
		      struct bytes *ret_body)
{
	size_t size = size_of(a->szx);
	int64_t left = a->body_size - a->body_at;

	if (a->body_at >> (a->szx + 4) >= BLOCKS_MAX)
		return ERR_LIMIT;
	a->body_len = left < (int64_t)size ? (size_t)left : size;
	*ret_body = (struct bytes){a->data + a->path_len + a->query_len + a->body_at, a->body_len};
	if (!a->body_called)
		return 0;
	*ret_body = (struct bytes){block, a->body_len};
	return c->ops->ask_body(c->ctx, a->session, a->tag, a->body_at, block, a->body_len);
}

static int send_message(struct net_coap *c, struct net_asking *a)
{
	uint8_t block[BLOCK_MAX];
	struct bytes body = {NULL, 0};
	bool has_body = a->body_size > 0 && !a->fetch.data;
	int err = has_body ? body_block(c, a, block, &body) : 0;

	if (err)
		return err;
	uint16_t mid = net_coap_next_mid(a->session);
	size_t len = encode(c, a, mid, has_body && a->body_size > (int64_t)size_of(a->szx), body);

	if (len == 0)
		return ERR_LIMIT;
	a->out = net_out_new(a->session, NULL, c->scratch, len, mid);
	if (!a->out)
		return ERR_NOMEM;
	a->out->asking = a;
	net_out_enqueue(c, a->out);
	return 0;
}

static int send_or_wait(struct net_coap *c, struct net_asking *a);

static void try_again(struct net_timer *timer, void *ctx)
{
	struct net_asking *a = LIST_ENTRY(timer, struct net_asking, timer);
	struct net_coap *c = net_coap_of_timer(ctx);
	struct net_coap_session *s = a->session;

	a->waits = false;
	int err = send_or_wait(c, a);

	if (err)
		net_ask_failed(c, s, err);
}

/* Or later, where its owner has no bytes now. */
static int send_or_wait(struct net_coap *c, struct net_asking *a)
{
	int err = send_message(c, a);

	if (err != ERR_BUSY)
		return err;
	a->waits = true;
	net_timer_arm(c->timers, &a->timer, c->timers->now_ms + NET_ASK_BUSY_MS, try_again);
	return 0;
}

/* The next block has the same token: some devices know a transfer by it (Zephyr, a body before 3.4,
 * an answer since). But that of an observation is for its notifications (RFC 7959 3.4). */
static void go_on(struct net_coap *c, struct net_asking *a)
{
	struct net_coap_session *s = a->session;

	if (a->observed)
		token_fresh(c, a);
	int err = send_or_wait(c, a);

	if (err)
		net_ask_failed(c, s, err);
}

static void begin_anew(struct net_coap *c, struct net_asking *a, int err)
{
	if (a->again++ == ANEW) {
		net_ask_failed(c, a->session, err);
		return;
	}
	fetch_drop(a);
	a->body_at = 0;
	token_fresh(c, a);
	go_on(c, a);
}

/* ---- asking ---- */

static int check(const struct net_ask *ask)
{
	size_t body = ask->body_size > 0 ? 0 : ask->payload.len;

	if (ask->method < GET || ask->method > IPATCH || ask->block_szx > SZX_MAX ||
	    ask->observe < -1 || ask->observe > 1 || (ask->observe >= 0 && ask->method != GET) ||
	    ask->body_size < 0)
		return ERR_INVAL;
	if (strlen(ask->path) > LIMIT_ASK_PATH ||
	    (ask->query && strlen(ask->query) > LIMIT_ASK_PATH) || body > LIMIT_ASK_PAYLOAD)
		return ERR_LIMIT;
	return 0;
}

static struct net_asking *asking_new(struct net_coap_session *s, const struct net_ask *ask)
{
	const char *query = ask->query ? ask->query : "";
	size_t path_len = strlen(ask->path), query_len = strlen(query);
	size_t kept = ask->body_size > 0 ? 0 : ask->payload.len;
	struct net_asking *a = calloc(1, sizeof(*a) + path_len + query_len + kept);

	if (!a)
		return NULL;
	a->session = s;
	a->tag = ask->tag;
	a->method = ask->method;
	a->content_format = ask->content_format;
	a->accept = ask->accept;
	a->observe = ask->observe;
	a->body_called = ask->body_size > 0;
	a->body_size = a->body_called ? ask->body_size : (int64_t)kept;
	a->path_len = path_len;
	a->query_len = query_len;
	/* No strings. NOLINTBEGIN(bugprone-not-null-terminated-result) */
	memcpy(a->data, ask->path, path_len);
	memcpy(a->data + path_len, query, query_len);
	/* NOLINTEND(bugprone-not-null-terminated-result) */
	if (kept)
		memcpy(a->data + path_len + query_len, ask->payload.ptr, kept);
	return a;
}

/* A block that fits a message beside these options, and a record of the peer. */
static void choose_szx(struct net_coap *c, struct net_asking *a, unsigned asked)
{
	unsigned max_szx = a->session->max_szx;

	a->szx = asked < max_szx ? asked : max_szx;
	a->body_len = size_of(a->szx);
	size_t options = encode(c, a, 0, true, (struct bytes){NULL, 0}) + 1;

	if (options > ROOM && max_szx < SZX_MAX && a->szx == max_szx && a->szx > 0)
		a->szx--;
	while (a->szx > 0 && options + size_of(a->szx) > LIMIT_COAP_MESSAGE)
		a->szx--;
}

/* A registration that is repeated has its old token, by which the peer knows it (RFC 7641 3.1);
 * its end, too (3.6). */
static int choose_token(struct net_coap *c, struct net_asking *a)
{
	struct net_watch *w = a->observe < 0 ? NULL : net_watch_find(a->session, a->tag);

	if (a->observe == 0 && !w && !net_watch_room(a->session))
		return ERR_LIMIT;
	if (w && w->print == print_of(c, a))
		memcpy(a->token, w->token, NET_ASK_TOKEN);
	else
		token_fresh(c, a);
	return 0;
}

int net_coap_ask(struct net_coap *c, struct net_coap_session *s, const struct net_ask *ask)
{
	int err = check(ask);
	struct net_asking *a = err ? NULL : asking_new(s, ask);

	if (!a)
		return err ? err : ERR_NOMEM;
	err = choose_token(c, a);
	choose_szx(c, a, ask->block_szx);
	if (err) {
		free(a);
		return err;
	}
	net_coap_ask_cancel(c, s);
	s->asking = a;
	err = send_or_wait(c, a);
	if (err)
		asking_free(c, s);
	else if (ask->observe == 1)
		net_watch_drop(s, ask->tag);
	return err;
}

/* ---- a body in blocks (RFC 7959 2.3, 2.5) ---- */

static void tell_sent(struct net_coap *c, const struct net_asking *a)
{
	if (c->ops->ask_sent)
		c->ops->ask_sent(c->ctx, a->session, a->tag, a->body_at, a->body_len);
}

/* RFC 7959 2.3: the block that is acknowledged. Where the device wants smaller ones, its number may
 * count either. */
static bool is_of_block(const struct net_asking *a, const struct wire_block *b)
{
	return b->num == a->body_at >> (a->szx + 4) ||
	       (int64_t)((uint64_t)b->num << (b->szx + 4)) == a->body_at;
}

/* True: it is not the answer yet, or was an end. */
static bool body_step(struct net_coap *c, struct net_asking *a, const struct wire_coap *m)
{
	bool success = m->code >> 5 == 2, more = a->body_at + (int64_t)a->body_len < a->body_size;
	const struct wire_block *b = m->has_block1 ? &m->block1 : NULL;

	if (a->body_size == 0 || a->fetch.data)
		return false;
	if (b && b->szx > SZX_MAX) {
		net_ask_failed(c, a->session, ERR_SYNTAX);
		return true;
	}
	/* A success before the end is one for this block (2.3). Without Block1 the device has taken
	 * a part for the whole. */
	if (m->code == CONTINUE || (success && more)) {
		if (!more || (b ? !is_of_block(a, b) : m->code != CONTINUE)) {
			net_ask_failed(c, a->session, ERR_SYNTAX);
			return true;
		}
		tell_sent(c, a);
		a->body_at += (int64_t)a->body_len;
		if (b && b->szx < a->szx)
			a->szx = b->szx;
		go_on(c, a);
		return true;
	}
	if (m->code == NET_CODE(4, 8) && a->again < ANEW) { /* 2.9.2 */
		begin_anew(c, a, ERR_CONFLICT);
		return true;
	}
	/* 2.9.3; the smaller size cannot be had more than six times */
	if (m->code == NET_CODE(4, 13) && b && b->szx < a->szx && a->body_len > size_of(b->szx)) {
		a->szx = b->szx;
		a->body_at = 0;
		token_fresh(c, a);
		go_on(c, a);
		return true;
	}
	if (success)
		tell_sent(c, a);
	return false;
}

/* ---- an answer in blocks (RFC 7959 2.4) ---- */

static bool fetch_begin(struct net_coap *c, struct net_asking *a, const struct wire_coap *m)
{
	struct net_fetch *f = &a->fetch;

	*f = (struct net_fetch){.data = malloc(LIMIT_ASK_ANSWER),
				.szx = a->szx,
				.code = m->code,
				.content_format = m->content_format,
				.size2 = m->size2,
				.since_ms = c->timers->now_ms};
	if (m->etag_count) {
		f->etag.len = (uint8_t)m->etag[0].len;
		memcpy(f->etag.bytes, m->etag[0].ptr, m->etag[0].len);
	}
	return f->data != NULL;
}

/* 2.4: blocks of two representations must not be put together. */
static bool is_of_another(const struct net_fetch *f, const struct wire_coap *m)
{
	struct bytes kept = {f->etag.bytes, f->etag.len};
	struct bytes now = m->etag_count ? m->etag[0] : (struct bytes){NULL, 0};

	return !bytes_equal(kept, now) || m->code != f->code ||
	       (m->size2 >= 0 && f->size2 >= 0 && m->size2 != f->size2);
}

/* 0, or why this block is not the next one. */
static int fetch_take(struct net_coap *c, struct net_asking *a, const struct wire_coap *m)
{
	struct net_fetch *f = &a->fetch;
	unsigned szx = m->block2.szx;
	size_t size = size_of(szx);

	if (szx > SZX_MAX || (uint64_t)m->block2.num << (szx + 4) != f->len ||
	    m->payload.len > size || (m->block2.more && m->payload.len < size))
		return ERR_SYNTAX;
	if (f->len + m->payload.len > LIMIT_ASK_ANSWER ||
	    (m->block2.more && f->len + m->payload.len == LIMIT_ASK_ANSWER))
		return ERR_LIMIT;
	if (c->timers->now_ms - f->since_ms > NET_EXCHANGE_LIFETIME_MS)
		return ERR_TIMEOUT;
	if (m->payload.len)
		memcpy(f->data + f->len, m->payload.ptr, m->payload.len);
	f->len += m->payload.len;
	f->szx = szx < f->szx ? szx : f->szx;
	return 0;
}

static void finish_with(struct net_coap *c, struct net_asking *a, const struct wire_coap *m)
{
	struct net_answer answer = {.code = m->code,
				    .content_format = m->content_format,
				    .observed = a->observed,
				    .payload = m->payload};

	if (a->fetch.data && m->code == a->fetch.code) {
		answer.content_format = a->fetch.content_format;
		answer.payload = (struct bytes){a->fetch.data, a->fetch.len};
	}
	finish(c, a->session, &answer);
}

/* The answer has changed, or is forgotten: what may be done twice (RFC 7252 5.1) is. */
static void fetch_anew(struct net_coap *c, struct net_asking *a)
{
	if (a->method == GET || a->method == PUT || a->method == FETCH)
		begin_anew(c, a, ERR_CONFLICT);
	else
		net_ask_failed(c, a->session, ERR_CONFLICT);
}

static void fetch_step(struct net_coap *c, struct net_asking *a, const struct wire_coap *m)
{
	bool success = m->code >> 5 == 2, fetching = a->fetch.data != NULL;
	int err = 0;

	if (fetching && m->code == NET_CODE(4, 8)) {
		fetch_anew(c, a);
		return;
	}
	if (!success || (!fetching && (!m->has_block2 || (!m->block2.more && !m->block2.num)))) {
		finish_with(c, a, m);
		return;
	}
	if (!m->has_block2)
		err = ERR_SYNTAX;
	else if (!fetching && !fetch_begin(c, a, m))
		err = ERR_NOMEM;
	if (!err && fetching && is_of_another(&a->fetch, m)) {
		fetch_anew(c, a);
		return;
	}
	if (!err)
		err = fetch_take(c, a, m);
	if (err)
		net_ask_failed(c, a->session, err);
	else if (m->block2.more)
		go_on(c, a);
	else
		finish_with(c, a, m);
}

/* ---- what comes ---- */

/* RFC 7641 3.1, 3.6: the first answer tells what became of the observation. */
static void settle_observation(struct net_coap *c, struct net_asking *a, const struct wire_coap *m)
{
	if (a->observe == 0 && m->code >> 5 == 2 && m->observe >= 0)
		a->observed = net_watch_add(c, a->session, a->tag, print_of(c, a), a->token,
					    (uint32_t)m->observe);
	else if (a->observe == 0)
		net_watch_drop(a->session, a->tag);
	a->observe = -1;
}

static void take(struct net_coap *c, struct net_asking *a, const struct wire_coap *m)
{
	net_timer_disarm(c->timers, &a->timer);
	if (m->bad_option) {
		net_ask_failed(c, a->session, ERR_CRITICAL);
		return;
	}
	if (body_step(c, a, m))
		return;
	settle_observation(c, a, m);
	fetch_step(c, a, m);
}

static void too_late(struct net_timer *timer, void *ctx)
{
	struct net_asking *a = LIST_ENTRY(timer, struct net_asking, timer);

	net_ask_failed(net_coap_of_timer(ctx), a->session, ERR_TIMEOUT);
}

void net_ask_acknowledged(struct net_coap *c, struct net_asking *a)
{
	net_timer_arm(c->timers, &a->timer, c->timers->now_ms + NET_ASK_WAIT_MS, too_late);
}

bool net_ask_piggybacked(struct net_coap *c, struct net_coap_session *s, const struct wire_coap *m)
{
	struct net_asking *a = s->asking;
	unsigned wait_s;

	if (!a || !a->out || !a->out->in_flight || a->out->mid != m->mid)
		return false;
	if (!bytes_equal(m->token, token_of(a))) { /* RFC 7252 5.3.2 */
		if (c->ops->admit)
			(void)c->ops->admit(c->ctx, s, NET_WORK_MESSAGE, &wait_s);
		return true;
	}
	(void)net_out_acknowledged(c, s, m->mid, false);
	take(c, a, m);
	return true;
}

/* Something with its token was answered before. The first answer to a new token is new, whatever
 * its message ID: a device that has restarted may use one again. */
static bool goes_on(const struct net_asking *a)
{
	return a->body_at > 0 || a->fetch.data || a->again || a->observe >= 0;
}

/* Of a block before: the message was repeated, or answered twice. */
static bool is_past(const struct net_coap_session *s, const struct net_asking *a,
		    const struct wire_coap *m)
{
	uint64_t sent = (uint64_t)m->block1.num << (m->block1.szx + 4);
	uint64_t got = (uint64_t)m->block2.num << (m->block2.szx + 4);

	if (a->waits || (goes_on(a) && net_past_answer_known(s, m->mid)))
		return true;
	return a->fetch.data ? m->has_block2 && got < a->fetch.len
			     : m->has_block1 && sent < (uint64_t)a->body_at &&
				       !is_of_block(a, &m->block1);
}

bool net_ask_separate(struct net_coap *c, struct net_coap_session *s, const struct wire_coap *m)
{
	struct net_asking *a = s->asking;

	if (!a || (a->out && !a->out->in_flight) || !bytes_equal(m->token, token_of(a)))
		return net_watch_notified(c, s, m);
	bool past = is_past(s, a, m);

	if (m->type == WIRE_CON)
		net_coap_send_empty(c, s, m->bad_option ? WIRE_RST : WIRE_ACK, m->mid);
	if (past || (a->observe == 1 && m->observe >= 0))
		return true; /* or a notification that met the request for its end */
	net_past_answer_add(s, m->mid);
	net_out_drop(c, a->out); /* RFC 7252 5.2.2: its ACK was lost */
	take(c, a, m);
	return true;
}
