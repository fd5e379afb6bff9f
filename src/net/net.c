/* SPDX-License-Identifier: Apache-2.0 */
#include "net/net.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/net_step.h"

void net_now(struct net *net)
{
	net->timers.now_ms = clock_read().now_ms;
}

void net_send(struct net_socket *socket, const union net_address *to, const struct net_local *from,
	      const uint8_t *data, size_t len)
{
	struct net *net = socket->net;

	net_udp_queue(socket->tx, socket->fd, to, from, data, len);
	net->stats.datagrams_out++;
	if (net_udp_queued(socket->tx) >= NET_FLUSH_EVERY)
		(void)net_udp_flush(socket->tx, socket->fd);
}

/* ---- what the layers below call ---- */

static size_t dtls_psk(struct net_peer *peer, struct net_claim *claim, uint8_t *key, size_t cap)
{
	struct net *net = peer->net;

	claim->print = net_claim_print(net, &peer->remote, claim->identity);
	return net->cb->psk(net->ctx, claim, key, cap);
}

static void dtls_send(struct net_peer *peer, struct bytes datagram)
{
	if (peer->path.unproven && !net_path_may_send(peer, datagram))
		return;
	net_send(peer->socket, &peer->remote, &peer->local, datagram.ptr, datagram.len);
}

static void dtls_timer(struct net_peer *peer)
{
	net_dtls_feed(&peer->net->dtls, (struct bytes){NULL, 0});
	if (peer->state == NET_PEER_HALF_OPEN && peer->tls->step)
		net_step_submit(peer, NULL);
	else if (peer->state == NET_PEER_HALF_OPEN)
		net_handshake_go_on(peer);
}

static const struct net_dtls_ops dtls_ops = {
	.psk = dtls_psk, .send = dtls_send, .timer = dtls_timer};

static struct net_peer *peer_of(struct net_coap_session *s)
{
	return LIST_ENTRY(s, struct net_peer, coap);
}

static void coap_send(void *ctx, struct net_coap_session *s, struct bytes datagram)
{
	struct net_peer *peer = peer_of(s);

	(void)ctx;
	if (!peer->socket->secure)
		dtls_send(peer, datagram);
	else if (peer->tls ? net_tls_write(peer->tls, datagram) : net_sleep_send(peer, datagram))
		peer->net->stats.dropped++; /* longer than the record limit of the peer */
	if (peer->path.must_ask)
		net_path_ask(peer);
}

static void coap_request(void *ctx, struct net_coap_session *s, const struct net_request *request,
			 struct net_exchange exchange)
{
	struct net *net = ctx;

	net->cb->request(net->ctx, peer_of(s), request, exchange);
}

static void coap_observe_end(void *ctx, struct net_coap_session *s, uint32_t tag)
{
	struct net *net = ctx;

	net->cb->observe_end(net->ctx, peer_of(s), tag);
}

static enum net_admission coap_admit(void *ctx, struct net_coap_session *s, enum net_work work,
				     unsigned *ret_wait_s)
{
	(void)ctx;
	return net_admit(peer_of(s), work, ret_wait_s);
}

static enum net_work coap_weigh(void *ctx, struct net_coap_session *s, uint8_t method,
				const struct bytes *path, unsigned path_count)
{
	struct net *net = ctx;

	return net->cb->weigh ? net->cb->weigh(net->ctx, peer_of(s), method, path, path_count)
			      : NET_WORK_REQUEST;
}

static bool coap_long_body(void *ctx, struct net_coap_session *s, uint8_t method,
			   const struct bytes *path, unsigned path_count)
{
	struct net *net = ctx;

	return net->cb->long_body &&
	       net->cb->long_body(net->ctx, peer_of(s), method, path, path_count);
}

static void coap_answered(void *ctx, struct net_coap_session *s, const struct net_answer *answer)
{
	struct net *net = ctx;

	if (net->cb->answered)
		net->cb->answered(net->ctx, peer_of(s), answer);
}

static int coap_ask_body(void *ctx, struct net_coap_session *s, uint32_t tag, int64_t offset,
			 uint8_t *dst, size_t len)
{
	struct net *net = ctx;

	return net->cb->ask_body(net->ctx, peer_of(s), tag, offset, dst, len);
}

static void coap_ask_sent(void *ctx, struct net_coap_session *s, uint32_t tag, int64_t offset,
			  size_t len)
{
	struct net *net = ctx;

	if (net->cb->ask_sent)
		net->cb->ask_sent(net->ctx, peer_of(s), tag, offset, len);
}

static bool coap_pong(void *ctx, struct net_coap_session *s, uint16_t mid)
{
	(void)ctx;
	return net_path_answered(peer_of(s), mid);
}

static const struct net_coap_ops coap_ops = {
	.send = coap_send,
	.request = coap_request,
	.observe_end = coap_observe_end,
	.pong = coap_pong,
	.admit = coap_admit,
	.weigh = coap_weigh,
	.long_body = coap_long_body,
	.answered = coap_answered,
	.ask_body = coap_ask_body,
	.ask_sent = coap_ask_sent,
};

/* ---- the loop ---- */

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct net_socket *socket = poll->data;
	struct net *net = socket->net;
	bool more = true;

	if (status < 0) { /* libuv stops polling over an error that reading would clear */
		int error = 0;
		socklen_t len = sizeof(error);

		(void)getsockopt(socket->fd, SOL_SOCKET, SO_ERROR, &error, &len);
		(void)uv_poll_start(poll, UV_READABLE, on_readable);
		return;
	}
	if (!(events & UV_READABLE))
		return;
	net_now(net);
	for (unsigned done = 0; more && done < NET_DATAGRAMS_PER_EVENT;) {
		struct net_udp_got got;

		more = net_udp_receive(net->rx, socket->fd, &got);
		done += got.count + got.cut;
		net->stats.datagrams_in += got.count + got.cut;
		net->stats.dropped += got.cut;
		for (unsigned i = 0; i < got.count; i += NET_UDP_BATCH) {
			unsigned left = got.count - i;

			net_demux(socket, got.in + i, left < NET_UDP_BATCH ? left : NET_UDP_BATCH);
		}
	}
	(void)net_udp_flush(socket->tx, socket->fd);
}

static void on_wake(uv_timer_t *timer)
{
	struct net *net = timer->data;

	net_now(net);
	net->wake_at_ms = -1;
	net_timers_run(&net->timers);
}

/* Before the loop sleeps: what was marked, what is queued, when to wake. */
static void on_prepare(uv_prepare_t *prepare)
{
	struct net *net = prepare->data;

	net_peers_close_marked(net);
	LIST_EACH(it, next, &net->sockets)
	{
		struct net_socket *socket = LIST_ENTRY(it, struct net_socket, link);

		if (net_udp_queued(socket->tx))
			(void)net_udp_flush(socket->tx, socket->fd);
	}

	int64_t at_ms =
		list_empty(&net->closing) ? net_timers_next_ms(&net->timers) : net->timers.now_ms;

	if (at_ms == net->wake_at_ms)
		return;
	net->wake_at_ms = at_ms;
	if (at_ms < 0) {
		(void)uv_timer_stop(&net->wake);
		return;
	}
	net_now(net);
	int64_t delay = at_ms - net->timers.now_ms;

	/* libuv counts from the time of this turn, which is older than now: better late than
	 * a turn that finds nothing due. */
	uv_update_time(net->loop);
	(void)uv_timer_start(&net->wake, on_wake, delay > 0 ? (uint64_t)delay : 0, 0);
}

/* ---- life ---- */

static void free_memory(struct net *net)
{
	net_coap_done(&net->coap);
	net_udp_rx_free(net->rx);
	net_pool_free(net->pool);
	net_peers_done(net);
	net_dtls_done(&net->dtls);
	net_x509_unref(net->x509);
	net_quota_done(&net->devices);
	net_quota_done(&net->strangers);
	free(net);
}

static int set_up(struct net *net, const struct net_conf *conf)
{
	int err = net_dtls_init(&net->dtls, &dtls_ops, &net->timers);

	if (!err)
		err = net_dtls_random(&net->dtls, &net->key, sizeof(net->key));
	if (!err)
		err = net_peers_init(net);
	if (!err)
		err = net_quota_init(&net->devices);
	if (!err)
		err = net_quota_init(&net->strangers);
	net->rx = net_udp_rx_new();
	if (!err && !net->rx)
		err = ERR_NOMEM;
	net_coap_init(&net->coap, &coap_ops, net, &net->timers, &net->stats, net->key);
	net->coap.well_known = conf->well_known ? conf->well_known : "";
	net->coap.plain_devices = conf->plain_devices;
	return err;
}

void net_limits_set(struct net *net, const struct net_conf *conf)
{
	unsigned per_s = conf->handshakes_per_s ? conf->handshakes_per_s : NET_HANDSHAKES_PER_S;

	net_sleep_after_set(net, conf->hibernate_after_ms ? conf->hibernate_after_ms
							  : NET_SLEEP_AFTER_MS);
	net->session_idle_ms = conf->session_idle_ms ? conf->session_idle_ms : NET_SESSION_IDLE_MS;
	net->connection_ids = conf->connection_ids;
	net->max_peers = conf->max_peers ? conf->max_peers : LIMIT_PEERS;
	net_quota_set(&net->devices, conf->device_requests_per_s, conf->requests_per_s);
	net_quota_set(&net->strangers, conf->address_requests_per_s,
		      conf->address_requests_per_s ? NET_STRANGERS_PER_S : 0);
	net->handshakes_per_window = (per_s + 9) / 10;
	net->cookies_per_window = NET_COOKIES_PER_WINDOW > 2 * net->handshakes_per_window
					  ? NET_COOKIES_PER_WINDOW
					  : 2 * net->handshakes_per_window;
	net->us_per_window = net->handshakes_per_window * NET_HANDSHAKE_US;
	if (net->us_per_window < NET_WINDOW_LEAST_US)
		net->us_per_window = NET_WINDOW_LEAST_US;
}

int net_new(uv_loop_t *loop, const struct net_conf *conf, struct net **ret_net)
{
	struct net *net = calloc(1, sizeof(*net));

	if (!net)
		return ERR_NOMEM;
	net->loop = loop;
	net->cb = conf->callbacks;
	net->ctx = conf->ctx;
	net->wake_at_ms = -1;
	list_init(&net->sockets);
	net_now(net);

	int err = set_up(net, conf);

	if (err) {
		free_memory(net);
		return err;
	}
	net_limits_set(net, conf);
	(void)uv_prepare_init(loop, &net->prepare); /* these two cannot fail */
	(void)uv_timer_init(loop, &net->wake);
	net->prepare.data = net->wake.data = net;
	(void)uv_prepare_start(&net->prepare, on_prepare);
	net->handles = 2;
	*ret_net = net;
	return 0;
}

int net_listen_fd_take(struct net *net, int fd, bool secure)
{
	struct net_socket *socket = calloc(1, sizeof(*socket));
	int err = socket ? net_udp_adopt(fd) : ERR_NOMEM;

	if (!err) {
		socket->tx = net_udp_tx_new();
		err = socket->tx ? 0 : ERR_NOMEM;
	}
	if (!err && uv_poll_init(net->loop, &socket->poll, fd))
		err = ERR_IO;
	if (err) {
		if (socket)
			net_udp_tx_free(socket->tx);
		free(socket);
		return err;
	}
	int bytes = net_udp_receive_buffer(fd);
	if (!net->stats.receive_buffer_bytes || (uint64_t)bytes < net->stats.receive_buffer_bytes)
		net->stats.receive_buffer_bytes = (uint64_t)bytes;
	net->stats.receive_buffer_wanted = NET_UDP_BUFFER;
	socket->net = net;
	socket->fd = fd;
	socket->secure = secure;
	socket->poll.data = socket;
	list_append(&net->sockets, &socket->link);
	net->handles++;
	(void)uv_poll_start(&socket->poll, UV_READABLE, on_readable);
	return 0;
}

int net_listen(struct net *net, const struct sockaddr *addr, bool secure,
	       struct sockaddr_storage *ret_bound)
{
	int fd = -1;
	int err = net_udp_open(addr, &fd);

	if (!err)
		err = net_listen_fd_take(net, fd, secure);
	if (!err && ret_bound)
		err = net_udp_bound(fd, ret_bound);
	else if (err && fd >= 0)
		(void)close(fd);
	return err;
}

static void handle_closed(struct net *net)
{
	if (--net->handles == 0 && net->closed)
		net->closed(net->closed_ctx);
}

static void on_closed(uv_handle_t *handle)
{
	handle_closed(handle->data);
}

static void on_socket_closed(uv_handle_t *handle)
{
	struct net_socket *socket = handle->data;
	struct net *net = socket->net;

	(void)close(socket->fd);
	net_udp_tx_free(socket->tx);
	free(socket);
	handle_closed(net);
}

void net_close(struct net *net, void (*closed)(void *ctx), void *ctx)
{
	assert(!net->is_closing);
	net->is_closing = true;
	net->closed = closed;
	net->closed_ctx = ctx;
	net_now(net);
	net_peers_end(net);
	net_timer_disarm(&net->timers, &net->sweep);
	net_timer_disarm(&net->timers, &net->sleep.turn);
	LIST_EACH(it, next, &net->sockets)
	{
		struct net_socket *socket = LIST_ENTRY(it, struct net_socket, link);

		(void)net_udp_flush(socket->tx, socket->fd);
		list_remove(&socket->link);
		uv_close((uv_handle_t *)&socket->poll, on_socket_closed);
	}
	if (net->pool) /* after the peers: what it has is freed as it comes back */
		net_pool_stop(net->pool, on_closed, net);
	uv_close((uv_handle_t *)&net->prepare, on_closed);
	uv_close((uv_handle_t *)&net->wake, on_closed);
}

void net_free(struct net *net)
{
	if (!net)
		return;
	assert(net->handles == 0);
	free_memory(net);
}

/* ---- requests and peers ---- */

void net_reply(struct net *net, struct net_exchange exchange, const struct net_reply *reply)
{
	if (!net->in_batch)
		net_now(net);
	net_coap_reply(&net->coap, exchange, reply);
}

unsigned net_notify(struct net *net, struct net_peer *peer, uint32_t tag,
		    const struct net_reply *reply)
{
	if (peer->is_closing || net->saving || net->saved)
		return 0;
	if (!net->in_batch)
		net_now(net);
	if (peer->state == NET_PEER_ASLEEP && !net_sleep_unpack(peer))
		return 0;
	return net_coap_notify(&net->coap, &peer->coap, tag, reply);
}

/* That of a sleeping peer is packed away. False: no memory. */
static bool session_at_hand(struct net_peer *peer)
{
	return peer->state != NET_PEER_ASLEEP || net_sleep_loosen(peer);
}

int net_ask(struct net *net, struct net_peer *peer, const struct net_ask *ask)
{
	if (peer->is_closing || peer->state == NET_PEER_HALF_OPEN || net->saving || net->saved)
		return ERR_CLOSED;
	if (ask->body_size > 0 && !net->cb->ask_body)
		return ERR_INVAL;
	if (!net->in_batch)
		net_now(net);
	if (!session_at_hand(peer))
		return ERR_NOMEM;
	return net_coap_ask(&net->coap, &peer->coap, ask);
}

void net_ask_cancel(struct net *net, struct net_peer *peer)
{
	if (!net->in_batch)
		net_now(net);
	net_coap_ask_cancel(&net->coap, &peer->coap);
}

void net_observe_forget(struct net *net, struct net_peer *peer, uint32_t tag)
{
	(void)net;
	if (session_at_hand(peer))
		net_coap_observe_forget(&peer->coap, tag);
}

unsigned net_block_szx(const struct net_peer *peer, const struct net_request *request)
{
	unsigned szx = request->has_block2 ? request->block2_szx : 6;

	return szx < peer->coap.max_szx ? szx : peer->coap.max_szx;
}

void net_peer_close(struct net *net, struct net_peer *peer)
{
	if (peer->is_closing)
		return;
	peer->is_closing = true;
	list_append(&net->closing, &peer->closing);
}

void net_peer_set_user(struct net_peer *peer, void *user)
{
	peer->user = user;
}

void *net_peer_user(const struct net_peer *peer)
{
	return peer->user;
}

bool net_peer_secure(const struct net_peer *peer)
{
	return peer->socket->secure;
}

struct bytes net_peer_identity(const struct net_peer *peer)
{
	return (struct bytes){peer->identity, peer->identity_len};
}

void net_peer_claim(const struct net_peer *peer, struct net_claim *ret)
{
	struct bytes identity = net_peer_identity(peer);

	*ret = (struct net_claim){.identity = identity,
				  .print = net_claim_print(peer->net, &peer->remote, identity),
				  .tag = peer->key_tag};
}

int64_t net_peer_since_ms(const struct net_peer *peer)
{
	return peer->since_ms;
}

static char *address_text(const union net_address *a, char dst[64])
{
	char host[INET6_ADDRSTRLEN] = "";

	if (a->any.sa_family == AF_INET6) {
		(void)inet_ntop(AF_INET6, &a->v6.sin6_addr, host, sizeof(host));
		(void)snprintf(dst, 64, "[%s]:%u", host, ntohs(a->v6.sin6_port));
	} else {
		(void)inet_ntop(AF_INET, &a->v4.sin_addr, host, sizeof(host));
		(void)snprintf(dst, 64, "%s:%u", host, ntohs(a->v4.sin_port));
	}
	return dst;
}

char *net_peer_address(const struct net_peer *peer, char dst[64])
{
	return address_text(&peer->remote, dst);
}

/* The socket knows the port, and the address unless it is bound to all. */
char *net_peer_local(const struct net_peer *peer, char dst[64])
{
	struct sockaddr_storage bound = {0};
	union net_address a = {0};

	if (!net_udp_bound(peer->socket->fd, &bound))
		memcpy(&a, &bound, sizeof(a));
	if (a.any.sa_family == AF_INET6 && peer->local.family == AF_INET6)
		a.v6.sin6_addr = peer->local.at.v6;
	else if (a.any.sa_family == AF_INET && peer->local.family == AF_INET)
		a.v4.sin_addr = peer->local.at.v4;
	return address_text(&a, dst);
}

void net_peer_link(const struct net_peer *peer, struct net_link *ret_link)
{
	*ret_link = (struct net_link){.messages = peer->coap.messages,
				      .repeats = peer->coap.repeats,
				      .rtt_ms = peer->coap.rtt_ms};
}

void net_stats_read(const struct net *net, struct net_stats *ret_stats)
{
	*ret_stats = net->stats;
	ret_stats->peers = net->live_count + net->plain_count;
	ret_stats->half_open = net->half_open_count;
	ret_stats->asleep = net->sleep.asleep_count;
	ret_stats->limited = net_quota_limited(&net->devices, net->timers.now_ms) +
			     net_quota_limited(&net->strangers, net->timers.now_ms);
	ret_stats->cid_peers = net->by_cid.count;
}
