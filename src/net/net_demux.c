/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/net_hello.h"
#include "net/net_step.h"

/* RFC 7252 4.6 and what RFC 7959 blocks need besides payload (net_reply.c). */
enum { RESPONSE_ROOM = 48, SHORT_STEP_US = 100 };

/* ---- sessions ---- */

/* While a handshake can still be repeated, mbedTLS may count on smaller records; the first
 * message from the other side settles it. */
static void settle_szx(struct net_peer *peer)
{
	size_t max = net_tls_message_max(peer->tls);
	unsigned szx = 6;

	while (szx > 0 && ((size_t)16 << szx) + RESPONSE_ROOM > max)
		szx--;
	peer->coap.max_szx = (uint8_t)szx;
	peer->szx_known = true;
}

/* What is being read: one record of a datagram. */
struct arrival {
	struct net_socket *socket;
	const struct net_udp_in *in;
	struct net_record record;
};

/* Of a session that is found by its connection ID, whoever sends it. */
static bool is_from_elsewhere(const struct net_peer *peer, const struct arrival *a)
{
	return a && a->record.cid.len &&
	       (peer->socket != a->socket || !net_address_equal(&peer->remote, &a->in->from));
}

/* Reads what was fed: a record, or (no arrival) what came in one datagram with the end of the
 * handshake. Only what proves genuine may change where we answer to and from. False: the peer is
 * gone. */
static bool read_messages(struct net_peer *peer, const struct arrival *a)
{
	struct net *net = peer->net;
	size_t len = 0;
	bool elsewhere = is_from_elsewhere(peer, a), genuine = false;
	enum net_tls_result result = NET_TLS_DONE;

	while (!peer->is_closing) {
		result = net_tls_read(peer->tls, net->message, sizeof(net->message), &len);
		if (a && (result == NET_TLS_DONE || result == NET_TLS_CLOSED)) {
			net_path_genuine(peer, a->socket, a->in, &a->record);
			genuine = true;
		}
		if (result != NET_TLS_DONE)
			break;
		if (!peer->szx_known)
			settle_szx(peer);
		net_peer_seen(peer);
		net_coap_receive(&net->coap, &peer->coap, net->message, len);
		if (!net_tls_more(peer->tls))
			break;
	}
	if (elsewhere && !genuine)
		net->stats.cid_refused++;
	if (result != NET_TLS_CLOSED && result != NET_TLS_FAILED) {
		if (a && !genuine)
			net_admit_forged(peer);
		return true;
	}
	net_peer_end(peer, NET_GONE_CLOSED, true);
	return false;
}

void net_session_read(struct net_peer *peer)
{
	net_dtls_feed(&peer->net->dtls, (struct bytes){NULL, 0});
	(void)read_messages(peer, NULL);
}

/* mbedTLS gets one record at a time: so it is known which one was genuine. A record of another
 * session has no place in the datagram (as RFC 9147 4.2.1 says for DTLS 1.3). */
void net_session_datagram(struct net_peer *peer, struct net_socket *socket,
			  const struct net_udp_in *in)
{
	struct arrival a = {.socket = socket, .in = in};

	if (net_admit_is_deaf(peer))
		return;
	for (size_t at = 0; at < in->len && !peer->is_closing; at += a.record.len) {
		if (net_record_first(in->data + at, in->len - at, &a.record) ||
		    (a.record.cid.len &&
		     !bytes_equal(a.record.cid, (struct bytes){peer->cid, NET_CID}))) {
			peer->net->stats.dropped++;
			return;
		}
		net_dtls_feed(&peer->net->dtls, (struct bytes){in->data + at, a.record.len});
		if (!read_messages(peer, &a))
			return;
	}
}

/* For a session that may sleep: it wakes for a genuine record only. */
static void sleeper_datagram(struct net_peer *peer, struct net_socket *socket,
			     const struct net_udp_in *in, const struct net_record *record)
{
	const struct arrival a = {.socket = socket, .in = in, .record = *record};

	if (peer->state == NET_PEER_ASLEEP && net_admit_is_deaf(peer))
		return;
	if (!peer->is_closing &&
	    (peer->state == NET_PEER_UP ||
	     net_sleep_wake(peer, &in->from, (struct bytes){in->data, in->len}))) {
		net_session_datagram(peer, socket, in);
	} else {
		peer->net->stats.dropped++;
		peer->net->stats.cid_refused += is_from_elsewhere(peer, &a);
	}
}

static void plain_datagram(struct net_socket *socket, const struct net_udp_in *in)
{
	struct net *net = socket->net;
	struct net_peer *peer = net_peer_find(net, &net->peers, socket, &in->from);

	if (!peer && !net_admit_stranger(net, &in->from))
		return;
	if (!peer)
		peer = net_peer_new_plain(socket, in);
	if (peer && net_admit_is_deaf(peer))
		return;
	if (!peer || peer->is_closing) {
		net->stats.dropped++;
		return;
	}
	peer->local = in->to;
	net_path_plain(peer, in->len);
	net_peer_seen(peer);
	net_coap_receive(&net->coap, &peer->coap, in->data, in->len);
}

/* ---- handshakes ---- */

static void tell_psk_failed(struct net_peer *peer)
{
	struct net *net = peer->net;
	const struct net_tls *tls = peer->tls;
	struct net_claim claim = {.identity = {tls->identity, tls->identity_len},
				  .tag = tls->key_tag};

	if (!tls->key_given || !net->cb->psk_failed)
		return;
	claim.print = net_claim_print(net, &peer->remote, claim.identity);
	net->cb->psk_failed(net->ctx, &claim);
}

/* For the log: the alert tells nobody, an unknown identity fails like a wrong key. */
static const char *why_failed(const struct net_tls *tls)
{
	if (tls->step)
		return net_refused_name(net_step_why(tls->step));
	if (!tls->identity)
		return "no-identity";
	if (tls->mute)
		return "later"; /* the database cannot be read */
	if (tls->peer_ended)
		return "alert"; /* of the peer */
	return tls->key_given ? "wrong-key" : "unknown-device";
}

void net_handshake_failed(struct net_peer *peer)
{
	const struct net_tls *tls = peer->tls;
	const char *named = tls->step ? tls->step->proof.identity : (const char *)tls->identity;
	size_t named_len = tls->step ? strlen(named) : named ? tls->identity_len : 0;
	char address[64], identity[LIMIT_PSK_IDENTITY + 1];

	log_peer(peer->net->timers.now_ms, "net peer=%s handshake=failed reason=%s identity=\"%s\"",
		 net_peer_address(peer, address), why_failed(tls),
		 log_quoted(identity, sizeof(identity), named, named_len));
	if (tls->step)
		peer->net->stats.certificates_refused[net_step_why(tls->step)]++;
	else
		tell_psk_failed(peer);
	net_peer_end(peer, NET_GONE_CLOSED, false); /* mbedTLS has sent its alert */
}

void net_handshake_go_on(struct net_peer *peer)
{
	switch (net_tls_handshake(peer->tls)) {
	case NET_TLS_MORE:
		break;
	case NET_TLS_DONE:
		net_peer_promote(peer);
		(void)read_messages(peer, NULL);
		break;
	case NET_TLS_CLOSED:
	case NET_TLS_FAILED:
		net_handshake_failed(peer);
		break;
	}
}

/* Cookies and handshakes have budgets of their own for each 100 ms: a flood without cookies (whose
 * senders may not exist) cannot keep those out who proved their address. */
static void window_turn(struct net *net)
{
	if (net->timers.now_ms - net->window_at_ms < NET_WINDOW_MS)
		return;
	net->window_at_ms = net->timers.now_ms;
	net->window_cookies = net->window_handshakes = 0;
	memset(net->window_origins, 0, sizeof(net->window_origins));
	net->window_us = 0;
	memset(net->window_origin_us, 0, sizeof(net->window_origin_us));
}

static bool cookie_take(struct net *net)
{
	window_turn(net);
	if (net->window_cookies >= net->cookies_per_window)
		return false;
	net->window_cookies++;
	return true;
}

/* The last quarter of a budget is kept for networks that have taken less than is left of it: one
 * that asks for more than all does not get all. */
static bool share_left(unsigned budget, unsigned spent, unsigned own)
{
	unsigned left = spent < budget ? budget - spent : 0;

	return left > budget / 4 || own < left;
}

static bool time_left(struct net *net, uint16_t origin)
{
	window_turn(net);
	return share_left(net->us_per_window, net->window_us, net->window_origin_us[origin]);
}

static bool handshake_take(struct net *net, uint16_t origin)
{
	if (!time_left(net, origin) ||
	    !share_left(net->handshakes_per_window, net->window_handshakes,
			net->window_origins[origin]))
		return false;
	net->window_handshakes++;
	net->window_origins[origin]++;
	return true;
}

bool net_pool_share(const struct net *net, uint16_t origin)
{
	return share_left(LIMIT_POOL_QUEUE, net->pool_queued, net->pool_origins[origin]);
}

/* mbedTLS would put together 16 KiB of certificates of anybody. */
static void step_datagram(struct net_peer *peer, const struct net_udp_in *in)
{
	if (net_record_message_max(in->data, in->len) > LIMIT_HANDSHAKE_MESSAGE)
		peer->net->stats.dropped++;
	else
		net_step_submit(peer, in);
}

/* Work of this thread: that others have the processor is no reason to shed. To ask for it is a
 * system call, so the steps that were short by the clock on the wall are not asked about. */
static uint32_t step_us(struct net *net, int64_t began_us)
{
	int64_t wall_us = clock_now_us() - began_us, work_us = wall_us;

	if (wall_us < SHORT_STEP_US) {
		net->batch_short_us += wall_us;
	} else {
		int64_t thread_us = clock_thread_us();

		work_us = thread_us - net->batch_thread_us - net->batch_short_us;
		net->batch_thread_us = thread_us;
		net->batch_short_us = 0;
	}
	return (uint32_t)(work_us < 0 ? 0 : work_us < wall_us ? work_us : wall_us);
}

/* What a step costs is up to the client, who chooses the cipher suite; so it is measured. A
 * datagram beyond the budget counts as lost. */
static void handshake_datagram(struct net_peer *peer, const struct net_udp_in *in)
{
	struct net *net = peer->net;
	uint16_t origin = peer->origin;

	if (peer->tls->step) {
		step_datagram(peer, in);
		return;
	}
	if (!time_left(net, origin)) {
		net->stats.dropped++;
		net->stats.handshakes_shed++;
		return;
	}
	if (!peer->tls->spoke && !net_hello_fresh(&peer->tls->hello, in->data, in->len)) {
		net->stats.dropped++;
		return;
	}

	if (!net->batch_thread_us)
		net->batch_thread_us = clock_thread_us();

	int64_t began_us = clock_now_us();

	peer->local = in->to; /* not seen: nobody has proved anything, and its time runs */
	net_dtls_feed(&net->dtls, (struct bytes){in->data, in->len});
	net_handshake_go_on(peer);

	uint32_t us = step_us(net, began_us);

	net->window_us += us;
	net->window_origin_us[origin] += us;
}

/* The client as the cookie sees it: family, port, address. */
static struct bytes client_id(const union net_address *a, uint8_t dst[20])
{
	struct buf w = buf_writer(dst, 20);

	if (a->any.sa_family == AF_INET6) {
		buf_put_bytes(&w, &a->v6.sin6_port, 2);
		buf_put_bytes(&w, &a->v6.sin6_addr, 16);
	} else {
		buf_put_bytes(&w, &a->v4.sin_port, 2);
		buf_put_bytes(&w, &a->v4.sin_addr, 4);
	}
	return buf_bytes(&w);
}

static void ask_for_cookie(struct net_socket *socket, const struct net_udp_in *in,
			   struct bytes client)
{
	struct net *net = socket->net;
	uint8_t cookie[NET_COOKIE_MAX], answer[NET_VERIFY_MAX];

	if (!cookie_take(net)) {
		net->stats.dropped++;
		net->stats.hellos_shed++;
		return;
	}
	size_t len = net_dtls_cookie_make(&net->dtls, client, cookie, sizeof(cookie));

	if (len == 0)
		return;
	net->stats.cookies_sent++;
	len = net_hello_verify(in->data, (struct bytes){cookie, len}, answer);
	net_send(socket, &in->from, &in->to, answer, len);
}

static void client_hello(struct net_socket *socket, const struct net_udp_in *in,
			 const struct net_hello *hello, struct net_peer *half)
{
	struct net *net = socket->net;
	uint8_t id[20];
	struct bytes client = client_id(&in->from, id);
	uint64_t print = net_hash(&net->key, hello->random.ptr, hello->random.len);

	if (half && hello->cookie.len && half->tls->hello_print == print) {
		handshake_datagram(half, in); /* repeated: so is our flight */
		return;
	}
	if (!net_dtls_cookie_valid(&net->dtls, client, hello->cookie)) {
		ask_for_cookie(socket, in, client);
		return;
	}
	if (!handshake_take(net, net_origin(net, &in->from))) {
		net->stats.dropped++;
		net->stats.handshakes_shed++;
		return;
	}
	bool certified = net->x509 && net_x509_wanted(hello->suites);

	/* A place for one that no thread can take up would only be missing elsewhere. */
	if (certified && !net_pool_share(net, net_origin(net, &in->from))) {
		net->stats.dropped++;
		net->stats.handshakes_shed++;
		return;
	}
	if (half) /* it began anew */
		net_peer_end(half, NET_GONE_REPLACED, false);
	half = net_peer_new_half_open(socket, in, certified);
	if (!half) {
		net->stats.dropped++;
		net->stats.half_open_shed++;
		return;
	}
	half->tls->hello_print = print;
	handshake_datagram(half, in);
}

/* Everything but application data. */
static void setup_datagram(struct net_socket *socket, struct net_udp_in *in,
			   const struct net_record *record)
{
	struct net *net = socket->net;
	struct net_peer *half = net_peer_find(net, &net->half, socket, &in->from);
	struct net_hello hello;

	net_record_mend_version(in->data, in->len);
	if (net_hello_parse(in->data, in->len, &hello)) {
		client_hello(socket, in, &hello, half);
		return;
	}
	if (half) {
		handshake_datagram(half, in);
		return;
	}
	/* The client's Finished may be in it. */
	struct bytes cid = net_record_cid(in->data, in->len);
	struct net_peer *peer = cid.len ? net_cid_find(net, cid)
					: net_peer_find(net, &net->peers, socket, &in->from);

	/* Our last flight was lost; or it is a repetition that came late: who sleeps has said
	 * something after that flight. */
	if (peer && (peer->state == NET_PEER_UP || record->epoch > 0))
		sleeper_datagram(peer, socket, in, record);
	else
		net->stats.dropped++;
}

/* ---- a batch ---- */

/* An alert under keys belongs to the session, not to a handshake beside it. */
static bool is_session_record(const struct net_record *r)
{
	return r->type == NET_RECORD_DATA || (r->type == NET_RECORD_ALERT && r->epoch > 0);
}

/* RFC 9146 3: who has a connection ID is found by it and by nothing else. */
static struct net_peer *session_of(struct net_socket *socket, const struct net_udp_in *in,
				   const struct net_record *r)
{
	struct net *net = socket->net;

	return r->cid.len ? net_cid_find(net, r->cid)
			  : net_peer_find(net, &net->peers, socket, &in->from);
}

/* The Finished of a handshake under way, in a datagram of its own. */
static bool is_of_handshake(struct net_socket *socket, const struct net_udp_in *in,
			    const struct net_record *r)
{
	struct net *net = socket->net;
	struct net_peer *half = net_peer_find(net, &net->half, socket, &in->from);

	return half && bytes_equal(r->cid, (struct bytes){half->cid, NET_CID});
}

static void secure_datagram(struct net_socket *socket, struct net_udp_in *in, bool *ret_later)
{
	struct net *net = socket->net;
	struct net_record record;

	in->len = net_record_whole(in->data, in->len);
	if (net_record_first(in->data, in->len, &record)) {
		net->stats.dropped++;
		return;
	}
	if (!record.cid.len && !is_session_record(&record)) {
		*ret_later = true;
		return;
	}
	struct net_peer *peer = session_of(socket, in, &record);

	if (peer && !peer->is_closing && peer->state == NET_PEER_ASLEEP) {
		*ret_later = true; /* after those who do not sleep */
	} else if (peer && !peer->is_closing) {
		net_session_datagram(peer, socket, in);
	} else if (!peer && record.cid.len && is_of_handshake(socket, in, &record)) {
		*ret_later = true;
	} else {
		net->stats.dropped++;
		net->stats.cid_unknown += record.cid.len != 0;
	}
}

/* What others were served before: sleepers, and handshakes. */
static void later_datagram(struct net_socket *socket, struct net_udp_in *in)
{
	struct net_record record;
	struct net_peer *peer = NULL;

	if (net_record_first(in->data, in->len, &record))
		return; /* it was looked at before */
	bool under_keys = record.cid.len || is_session_record(&record);
	if (under_keys)
		peer = session_of(socket, in, &record);
	if (peer)
		sleeper_datagram(peer, socket, in, &record);
	else if (under_keys && !record.cid.len)
		socket->net->stats.dropped++; /* its peer has just ended */
	else
		setup_datagram(socket, in, &record);
}

/* Different ones mostly differ. */
static uint32_t address_digest(const union net_address *a)
{
	uint32_t words[4];

	if (a->any.sa_family != AF_INET6)
		return a->v4.sin_addr.s_addr ^ (uint32_t)a->v4.sin_port << 16;
	memcpy(words, &a->v6.sin6_addr, sizeof(words));
	return words[0] ^ words[1] ^ words[2] ^ words[3] ^ (uint32_t)a->v6.sin6_port << 16;
}

/* Those of one sender next to each other, each sender where its first one was: so the answers to
 * one address follow each other, and the kernel is given them as one (net_udp.c). */
static void group(const struct net_udp_in *in, unsigned count, uint8_t order[NET_UDP_BATCH],
		  bool is_last[NET_UDP_BATCH])
{
	uint32_t digest[NET_UDP_BATCH];
	bool taken[NET_UDP_BATCH] = {false};
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++)
		digest[i] = address_digest(&in[i].from);
	for (unsigned i = 0; i < count; i++) {
		if (taken[i])
			continue;
		for (unsigned k = i; k < count; k++) {
			if (taken[k] || digest[k] != digest[i] ||
			    !net_address_equal(&in[i].from, &in[k].from))
				continue;
			taken[k] = true;
			order[n++] = (uint8_t)k;
		}
		is_last[n - 1] = true;
	}
}

void net_demux(struct net_socket *socket, struct net_udp_in *in, unsigned count)
{
	struct net *net = socket->net;
	unsigned later[NET_UDP_BATCH], later_count = 0;
	uint8_t order[NET_UDP_BATCH] = {0};
	bool is_last[NET_UDP_BATCH] = {false}, is_small = count <= NET_SMALL_BATCH;

	group(in, count, order, is_last);
	net->in_batch = true;
	net->batch_thread_us = net->batch_short_us = 0;
	for (unsigned n = 0; n < count; n++) {
		unsigned i = order[n];
		bool is_later = false;

		if (socket->secure)
			secure_datagram(socket, &in[i], &is_later);
		else
			plain_datagram(socket, &in[i]);
		if (is_later)
			later[later_count++] = i;
		if (is_small && is_last[n] && net_udp_queued(socket->tx))
			(void)net_udp_flush(socket->tx, socket->fd);
	}
	for (unsigned i = 0; i < later_count; i++)
		later_datagram(socket, &in[later[i]]);
	net->in_batch = false;
}
