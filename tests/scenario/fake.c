/* SPDX-License-Identifier: Apache-2.0 */
#include "fake.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

struct fake_reply fake_reply;
void (*fake_on_reply)(struct net_exchange exchange, const struct net_reply *reply);
bool (*fake_on_ring)(struct net_peer *peer);
int64_t fake_wall_ms = FAKE_START_MS;
int64_t fake_now_ms = 1000000;

struct clock clock_read(void)
{
	return (struct clock){.now_ms = fake_now_ms, .wall_ms = fake_wall_ms};
}

/* Turns have no end here. */
int64_t clock_thread_us(void)
{
	return 0;
}

char *clock_format(int64_t wall_ms, char dst[25])
{
	(void)snprintf(dst, 25, "%lld", (long long)wall_ms);
	return dst;
}

void net_reply(struct net *net, struct net_exchange exchange, const struct net_reply *reply)
{
	(void)net;
	if (fake_reply.muted)
		return;
	if (fake_on_reply) {
		fake_on_reply(exchange, reply);
		return;
	}
	size_t used = strlen(fake_reply.codes);
	(void)snprintf(fake_reply.codes + used, sizeof(fake_reply.codes) - used, "%s%u.%02u",
		       used ? " " : "", (unsigned)reply->code >> 5, (unsigned)reply->code & 31u);
	fake_reply.given = true;
	fake_reply.code = reply->code;
	fake_reply.content_format = reply->content_format;
	fake_reply.size2 = reply->size2;
	fake_reply.max_age_s = reply->max_age_s;
	fake_reply.len = reply->payload.len;
	memcpy(fake_reply.payload, reply->payload.ptr ? reply->payload.ptr : (const uint8_t *)"",
	       reply->payload.len);
}

unsigned net_notify(struct net *net, struct net_peer *peer, uint32_t tag,
		    const struct net_reply *reply)
{
	(void)net;
	(void)tag;
	(void)reply;
	peer->rings++;
	return !fake_on_ring || fake_on_ring(peer);
}

unsigned net_block_szx(const struct net_peer *peer, const struct net_request *request)
{
	(void)peer;
	return request->has_block2 ? request->block2_szx : 6;
}

void net_peer_close(struct net *net, struct net_peer *peer)
{
	(void)net;
	peer->closed = true;
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
	return !peer->plain;
}

struct bytes net_peer_identity(const struct net_peer *peer)
{
	return (struct bytes){(const uint8_t *)peer->identity, strlen(peer->identity)};
}

void net_peer_claim(const struct net_peer *peer, struct net_claim *ret)
{
	*ret = (struct net_claim){
		.identity = net_peer_identity(peer), .print = 1, .tag = peer->key_tag};
}

/* Its own CA signed it, and goes on doing so. */
bool net_peer_certified(const struct net_peer *peer)
{
	return peer->certified;
}

enum net_refused net_peer_judge(struct net_peer *peer, int64_t product)
{
	(void)peer;
	(void)product;
	return NET_REFUSED_NONE;
}

void net_peer_refuse(struct net_peer *peer, enum net_refused why)
{
	peer->refused = why;
}

int64_t net_peer_since_ms(const struct net_peer *peer)
{
	return peer->since_ms;
}

char *net_peer_address(const struct net_peer *peer, char dst[64])
{
	(void)peer;
	(void)snprintf(dst, 64, "127.0.0.1:1");
	return dst;
}

void net_peer_link(const struct net_peer *peer, struct net_link *ret_link)
{
	*ret_link = peer->facts;
}

int net_ask(struct net *net, struct net_peer *peer, const struct net_ask *ask)
{
	(void)net;
	if (fake_reply.muted)
		return 0;
	peer->asked = ask->tag;
	peer->body_size = ask->body_size;
	peer->fetched = 0;
	(void)buf_copy_str(peer->ask_path, sizeof(peer->ask_path), ask->path);
	return 0;
}

void net_ask_cancel(struct net *net, struct net_peer *peer)
{
	(void)net;
	peer->asked = 0;
}

char *net_peer_local(const struct net_peer *peer, char dst[64])
{
	(void)peer;
	(void)snprintf(dst, 64, "127.0.0.1:5684");
	return dst;
}
