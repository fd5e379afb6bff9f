/* SPDX-License-Identifier: Apache-2.0
 *
 * Saved sessions, as a damaged memory or somebody with our rights could make them: as they are, and
 * once more with all checks mended, so that what is inside is looked at. Whatever is taken comes
 * back as a peer that sleeps, with observations that can be unpacked, and all memory is given back.
 * Input: the length of the head in two bytes, the head, then records with their length; no checks.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/net_internal.h"
#include "net/net_save.h"
#include "net/net_x509_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Where things stand in the head. */
enum { WORLD_AT = 18, COUNT_AT = 70, SOCKETS_AT = 74, SAVED_MAX = 65536 };

static struct {
	uv_loop_t loop;
	struct net *net;
	struct sockaddr_storage bound;
	unsigned backs;
} rig;

static void must(bool ok)
{
	if (!ok)
		abort();
}

static bool on_back(void *ctx, struct net_peer *peer, struct bytes note, bool unheard)
{
	(void)ctx;
	(void)unheard;
	must(note.len <= NET_NOTE);
	must(net_peer_identity(peer).len <= LIMIT_PSK_IDENTITY);
	rig.backs++;
	return note.len != 1; /* one byte is an owner that refuses */
}

static void on_gone(void *ctx, struct net_peer *peer, enum net_gone why)
{
	(void)ctx;
	(void)peer;
	(void)why;
}

static void on_observe_end(void *ctx, struct net_peer *peer, uint32_t tag)
{
	(void)ctx;
	(void)peer;
	(void)tag;
}

static void net_up(void)
{
	/* as much of a set as judges what a session rests on */
	static uint64_t revoked[] = {40};
	static struct net_x509_trust trust = {.product = 1, .anchor = 5};
	static struct net_x509 set = {.references = 1,
				      .info.revoked = 1,
				      .revoked = revoked,
				      .trusts = &trust,
				      .trust_count = 1};
	static const struct net_callbacks callbacks = {
		.peer_gone = on_gone, .observe_end = on_observe_end, .peer_back = on_back};
	const struct net_conf conf = {.callbacks = &callbacks, .connection_ids = true};
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	if (rig.net)
		return;
	log_set_level(LOG_LEVEL_ERR);
	must(uv_loop_init(&rig.loop) == 0);
	must(net_new(&rig.loop, &conf, &rig.net) == 0);
	must(net_listen(rig.net, (struct sockaddr *)&any, true, &rig.bound) == 0);
	rig.net->x509 = &set;
}

static void put_check(struct buf *w, size_t start, uint64_t *chained)
{
	const struct net_hash_key key = {0x706f7374626f6f74 ^ *chained, 0x73657373696f6e73};

	*chained = net_hash(&key, w->ptr + start, w->pos - start);
	buf_put_u64(w, *chained);
}

/* Of this process, of this address, with all of its records. */
static void mend_head(uint8_t *head, size_t len, uint32_t count)
{
	const struct sockaddr_in *at = (const struct sockaddr_in *)&rig.bound;
	struct net_save_world world;
	struct buf w = buf_writer(head, len);

	if (len <= SOCKETS_AT)
		return;
	net_save_world_read(rig.net, &world);
	w.pos = WORLD_AT;
	buf_put_u32(&w, world.mbedtls);
	buf_put_u64(&w, world.tls);
	buf_put_u64(&w, (uint64_t)world.booted_ms);
	buf_put_u64(&w, (uint64_t)world.monotonic_ms);
	w.pos = COUNT_AT;
	buf_put_u32(&w, count);
	if (head[SOCKETS_AT] == 0)
		return;
	w.pos = SOCKETS_AT + 1;
	buf_put_u8(&w, 4);
	buf_put_u16(&w, ntohs(at->sin_port));
	buf_put_bytes(&w, &at->sin_addr, 4);
}

static struct bytes mended(const uint8_t *data, size_t size, uint8_t dst[SAVED_MAX])
{
	struct buf r = buf_reader(data, size), w = buf_writer(dst, SAVED_MAX);
	struct bytes head = buf_get_bytes(&r, buf_get_u16(&r));
	uint64_t chained = 0;
	uint32_t count = 0;

	for (struct buf at = r; buf_ok(&at) && buf_left(&at) > 0; count += buf_ok(&at))
		(void)buf_get_bytes(&at, buf_get_u16(&at));
	buf_put_bytes(&w, head.ptr, head.len);
	mend_head(dst, w.pos, count);
	put_check(&w, 0, &chained);
	for (uint32_t i = 0; i < count; i++) {
		uint16_t len = buf_get_u16(&r);
		struct bytes body = buf_get_bytes(&r, len);
		size_t start = w.pos;

		buf_put_u16(&w, len);
		buf_put_bytes(&w, body.ptr, body.len);
		put_check(&w, start, &chained);
	}
	return buf_ok(&w) ? buf_bytes(&w) : (struct bytes){data, size};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t saved[SAVED_MAX];
	struct net_save_world world;
	struct net_restored back;
	uint32_t count;

	if (size > SAVED_MAX / 2)
		return 0;
	net_up();
	must(net_save_check((struct bytes){data, size}, &world, &count) != 0);
	struct bytes whole = mended(data, size, saved);

	rig.backs = 0;
	if (net_restore(rig.net, whole, &back) == 0) {
		must(back.sessions + back.refused <= LIMIT_PEERS);
		must(rig.net->live_count == back.sessions);
		must(rig.net->sleep.asleep_count == back.sessions);
		LIST_EACH(it, next, &rig.net->live)
		{
			struct net_peer *peer = LIST_ENTRY(it, struct net_peer, age);
			(void)net_sleep_unpack(peer);
			must(peer->coap.observe_count <= LIMIT_COAP_OBSERVE);
		}
	} else {
		must(back.why && back.sessions == 0 && rig.backs == 0);
	}
	rig.net->saved = true; /* nobody is told */
	net_peers_end(rig.net);
	rig.net->saved = false;
	must(rig.net->live_count == 0 && rig.net->mark_count == 0);
	must(rig.net->sleep.slab.pages == 0);
	return 0;
}
