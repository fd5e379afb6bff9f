/* SPDX-License-Identifier: Apache-2.0
 *
 * Datagrams of four addresses thrown at a DTLS endpoint. A ClientHello with a cookie gets the
 * right one put in, so that what lies behind it (mbedTLS, half-open peers) is reached; and a
 * record with a connection ID that begins with 0xcc the one of the handshake from there.
 * Input: datagrams, each behind two bytes: address (high 2 bits) and length (low 11 bits). All in
 * one batch, unless bit 13 of the first is set.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "net/net_hello.h"
#include "net/net_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t on_psk(void *ctx, struct net_claim *claim, uint8_t *key, size_t cap)
{
	(void)ctx;
	memset(key, 7, cap < 16 ? cap : 16);
	return claim->identity.len % 2 ? 16 : 0;
}

static bool on_up(void *ctx, struct net_peer *peer, struct bytes identity)
{
	(void)ctx;
	(void)peer;
	(void)identity;
	return true;
}

static void on_gone(void *ctx, struct net_peer *peer, enum net_gone why)
{
	(void)ctx;
	(void)peer;
	(void)why;
}

static void on_request(void *ctx, struct net_peer *peer, const struct net_request *request,
		       struct net_exchange exchange)
{
	(void)ctx;
	(void)peer;
	(void)request;
	(void)exchange;
}

static void on_observe_end(void *ctx, struct net_peer *peer, uint32_t tag)
{
	(void)ctx;
	(void)peer;
	(void)tag;
}

/* The id of a client as net_demux.c has it: port, address. */
static void right_cookie(struct net *net, struct net_udp_in *in)
{
	struct net_hello hello;
	uint8_t id[6], cookie[NET_COOKIE_MAX];

	if (!net_hello_parse(in->data, in->len, &hello) || hello.cookie.len < 32)
		return;
	memcpy(id, &in->from.v4.sin_port, 2);
	memcpy(id + 2, &in->from.v4.sin_addr, 4);
	size_t len = net_dtls_cookie_make(&net->dtls, (struct bytes){id, 6}, cookie, 64);

	if (len == hello.cookie.len)
		memcpy(in->data + (hello.cookie.ptr - in->data), cookie, len);
}

static void right_cid(struct net_socket *socket, struct net_udp_in *in)
{
	struct net *net = socket->net;
	struct net_peer *half = net_peer_find(net, &net->half, socket, &in->from);

	if (half && in->len >= 11 + NET_CID && in->data[0] == NET_RECORD_CID &&
	    in->data[11] == 0xcc)
		memcpy(in->data + 11, half->cid, NET_CID);
}

static void throw_at(struct net_socket *socket, const uint8_t *data, size_t size)
{
	struct buf b = buf_reader(data, size);
	static struct net_udp_in in[NET_UDP_BATCH];
	static uint8_t memory[NET_UDP_BATCH][NET_UDP_DATAGRAM];
	unsigned count = 0;

	while (buf_left(&b) >= 2 && count < NET_UDP_BATCH) {
		uint16_t head = buf_get_u16(&b);
		size_t len = head & 0x7ff;
		struct bytes d = buf_get_bytes(&b, len < buf_left(&b) ? len : buf_left(&b));

		if (d.len == 0)
			continue;
		memset(&in[count], 0, sizeof(in[count]));
		memcpy(memory[count], d.ptr, d.len);
		in[count].data = memory[count];
		in[count].len = d.len;
		in[count].from.v4.sin_family = AF_INET;
		in[count].from.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		in[count].from.v4.sin_port = htons((uint16_t)(1 + (head >> 14)));
		right_cookie(socket->net, &in[count]);
		if (data[0] & 0x20) { /* one by one, so that there may be a handshake */
			right_cid(socket, &in[0]);
			net_demux(socket, in, 1);
			continue;
		}
		count++;
	}
	net_demux(socket, in, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct net_callbacks callbacks = {
		.psk = on_psk,
		.peer_up = on_up,
		.peer_gone = on_gone,
		.request = on_request,
		.observe_end = on_observe_end,
	};
	const struct net_conf conf = {
		.callbacks = &callbacks, .handshakes_per_s = 1000000, .connection_ids = true};
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct net_stats st;
	struct net *net;
	uv_loop_t loop;

	log_set_level(LOG_LEVEL_ERR);
	if (uv_loop_init(&loop) || net_new(&loop, &conf, &net))
		abort();
	if (net_listen(net, (struct sockaddr *)&any, true, NULL))
		abort();
	struct net_socket *socket = LIST_ENTRY(net->sockets.next, struct net_socket, link);

	throw_at(socket, data, size);
	net_timers_run(&net->timers);
	net->timers.now_ms += 2000;
	net_timers_run(&net->timers);
	net_stats_read(net, &st);
	assert(st.half_open <= 4 && st.peers <= 4);
	net_close(net, NULL, NULL);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	net_free(net);
	(void)uv_loop_close(&loop);
	return 0;
}
