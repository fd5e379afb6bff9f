/* SPDX-License-Identifier: Apache-2.0
 *
 * The form: a head with the world and the sockets, then one record for each session, each with its
 * length before it. Behind the head and behind each record stands a SipHash that takes in the one
 * before, so that nothing can be left out, put in or changed by accident.
 */
#include "net/net_save.h"

#include <mbedtls/version.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/net_internal.h"
#include "net/net_x509.h"

static const char magic[16] = "postboot-session";
/* Against damage; who can write these bytes has our memory anyway. */
static const struct net_hash_key check_key = {0x706f7374626f6f74, 0x73657373696f6e73};

enum {
	HEAD_MAX = 1024,
	FLAG_UNHEARD = 1, /* a notification was not acknowledged */
	FLAG_SZX_KNOWN = 2,
	FLAG_CID = 4,
	FLAG_UNPROVEN = 8, /* its address, see struct net_path */
	FLAG_CERTIFIED = 16,
	FLAGS = FLAG_UNHEARD | FLAG_SZX_KNOWN | FLAG_CID | FLAG_UNPROVEN | FLAG_CERTIFIED,
	CHECK = 8, /* bytes of a SipHash */
};

/* ---- the world ---- */

void net_save_world_read(const struct net *net, struct net_save_world *ret)
{
	struct clock now = clock_read();

	(void)net;
	ret->mbedtls = mbedtls_version_get_number();
	ret->tls = net_dtls_print(&check_key);
	ret->booted_ms = now.wall_ms - clock_since_boot_ms();
	ret->monotonic_ms = now.now_ms;
}

const char *net_save_differs(const struct net_save_world *saved, const struct net_save_world *now)
{
	int64_t shift_ms = saved->booted_ms - now->booted_ms;

	if (saved->mbedtls != now->mbedtls)
		return "another version of mbedTLS saved them";
	if (saved->tls != now->tls)
		return "they were saved with another configuration of DTLS";
	if (saved->monotonic_ms > now->monotonic_ms || shift_ms > NET_SAVE_BOOT_MS ||
	    shift_ms < -NET_SAVE_BOOT_MS)
		return "the machine was started again, or its clock was set";
	return NULL;
}

/* ---- addresses ---- */

static void put_address(struct buf *w, const union net_address *a)
{
	bool v6 = a->any.sa_family == AF_INET6;

	buf_put_u8(w, v6 ? 6 : 4);
	if (v6) {
		buf_put_u16(w, ntohs(a->v6.sin6_port));
		buf_put_bytes(w, &a->v6.sin6_addr, 16);
		buf_put_u32(w, a->v6.sin6_scope_id);
	} else {
		buf_put_u16(w, ntohs(a->v4.sin_port));
		buf_put_bytes(w, &a->v4.sin_addr, 4);
	}
}

static bool get_address(struct buf *r, union net_address *ret)
{
	uint8_t family = buf_get_u8(r);
	in_port_t port = htons(buf_get_u16(r));
	struct bytes host = buf_get_bytes(r, family == 6 ? 16 : 4);

	memset(ret, 0, sizeof(*ret));
	if (!buf_ok(r) || (family != 4 && family != 6))
		return false;
	if (family == 6) {
		ret->v6.sin6_family = AF_INET6;
		ret->v6.sin6_port = port;
		memcpy(&ret->v6.sin6_addr, host.ptr, 16);
		ret->v6.sin6_scope_id = buf_get_u32(r);
	} else {
		ret->v4.sin_family = AF_INET;
		ret->v4.sin_port = port;
		memcpy(&ret->v4.sin_addr, host.ptr, 4);
	}
	return buf_ok(r);
}

static void put_local(struct buf *w, const struct net_local *l)
{
	buf_put_u8(w, l->family == AF_INET6 ? 6 : l->family == AF_INET ? 4 : 0);
	buf_put_u32(w, l->ifindex);
	buf_put_bytes(w, &l->at, sizeof(l->at));
}

static bool get_local(struct buf *r, struct net_local *ret)
{
	uint8_t family = buf_get_u8(r);
	uint32_t ifindex = buf_get_u32(r);
	struct bytes at = buf_get_bytes(r, sizeof(ret->at));

	memset(ret, 0, sizeof(*ret));
	if (!buf_ok(r) || (family != 0 && family != 4 && family != 6))
		return false;
	ret->family = family == 6 ? AF_INET6 : family == 4 ? AF_INET : 0;
	ret->ifindex = ifindex;
	memcpy(&ret->at, at.ptr, sizeof(ret->at));
	return true;
}

/* ---- a session ---- */

static void put_exchanges(struct buf *w, const struct net_coap_session *s)
{
	buf_put_u8(w, s->max_szx);
	buf_put_u16(w, s->next_mid);
	buf_put_u32(w, s->messages);
	buf_put_u32(w, s->repeats);
	buf_put_u16(w, s->rtt_ms);
}

static bool get_exchanges(struct buf *r, struct net_coap_session *s)
{
	s->max_szx = buf_get_u8(r);
	s->next_mid = buf_get_u16(r);
	s->messages = buf_get_u32(r);
	s->repeats = buf_get_u32(r);
	s->rtt_ms = buf_get_u16(r);
	return buf_ok(r) && s->max_szx <= 6;
}

/* One session, out of its record; the bytes are borrowed from it. */
struct record {
	uint8_t flags, socket;
	union net_address remote;
	struct net_local local;
	int64_t since_ms, seen_ms;
	uint64_t key_tag, newest;
	uint32_t path_in, path_out;
	uint8_t cid[NET_CID];
	struct net_x509_mark mark;
	struct net_coap_session coap; /* without its lists */
	struct bytes identity, note, saved, packed;
};

static bool get_record(struct bytes from, unsigned sockets, struct record *ret)
{
	struct buf r = buf_reader(from.ptr, from.len);

	memset(ret, 0, sizeof(*ret));
	ret->flags = buf_get_u8(&r);
	ret->socket = buf_get_u8(&r);
	if (!get_address(&r, &ret->remote) || !get_local(&r, &ret->local))
		return false;
	ret->since_ms = (int64_t)buf_get_u64(&r);
	ret->seen_ms = (int64_t)buf_get_u64(&r);
	ret->key_tag = buf_get_u64(&r);
	ret->newest = buf_get_u64(&r);
	ret->path_in = buf_get_u32(&r);
	ret->path_out = buf_get_u32(&r);
	struct bytes cid = buf_get_bytes(&r, ret->flags & FLAG_CID ? NET_CID : 0);
	if (cid.len)
		memcpy(ret->cid, cid.ptr, cid.len);
	if (ret->flags & FLAG_CERTIFIED)
		net_x509_mark_get(&r, &ret->mark);
	if (!get_exchanges(&r, &ret->coap))
		return false;
	ret->identity = buf_get_bytes(&r, buf_get_u8(&r));
	ret->note = buf_get_bytes(&r, buf_get_u8(&r));
	ret->saved = buf_get_bytes(&r, buf_get_u16(&r));
	ret->packed = buf_get_bytes(&r, buf_get_u16(&r));
	return buf_ok(&r) && buf_left(&r) == 0 && ret->flags <= FLAGS && ret->socket < sockets &&
	       ret->identity.len <= LIMIT_PSK_IDENTITY && ret->note.len <= NET_NOTE &&
	       ret->saved.len > 0 && ret->saved.len <= NET_SAVED_MAX && ret->packed.len > 0 &&
	       ret->packed.len <= NET_SESSION_PACKED;
}

static void put_record(struct buf *w, struct net_peer *peer, unsigned socket)
{
	struct net *net = peer->net;
	uint8_t note[NET_NOTE];
	size_t note_len = net->cb->peer_note ? net->cb->peer_note(net->ctx, peer, note) : 0;

	buf_put_u8(w, (uint8_t)((peer->unheard ? FLAG_UNHEARD : 0) |
				(peer->szx_known ? FLAG_SZX_KNOWN : 0) |
				(peer->has_cid ? FLAG_CID : 0) | (peer->mark ? FLAG_CERTIFIED : 0) |
				(peer->path.unproven ? FLAG_UNPROVEN : 0)));
	buf_put_u8(w, (uint8_t)socket);
	put_address(w, &peer->remote);
	put_local(w, &peer->local);
	buf_put_u64(w, (uint64_t)peer->since_ms);
	buf_put_u64(w, (uint64_t)peer->seen_ms);
	buf_put_u64(w, peer->key_tag);
	buf_put_u64(w, peer->newest);
	buf_put_u32(w, peer->path.in_bytes);
	buf_put_u32(w, peer->path.out_bytes);
	buf_put_bytes(w, peer->cid, peer->has_cid ? NET_CID : 0);
	if (peer->mark)
		net_x509_mark_put(w, peer->mark);
	put_exchanges(w, &peer->coap);
	buf_put_u8(w, peer->identity_len);
	buf_put_bytes(w, peer->identity, peer->identity_len);
	buf_put_u8(w, (uint8_t)note_len);
	buf_put_bytes(w, note, note_len);
	buf_put_u16(w, peer->saved_len);
	buf_put_bytes(w, peer->saved, peer->saved_len);
	buf_put_u16(w, peer->packed_len);
	buf_put_bytes(w, peer->saved + peer->saved_len, peer->packed_len);
}

/* ---- the head, and the chain of checks ---- */

struct head {
	struct net_save_world world;
	struct net_hash_key token_key; /* prints of tokens are made with it */
	uint64_t random_count;
	uint32_t count;
	unsigned sockets;
	union net_address socket[NET_SAVE_SOCKETS];
};

static uint64_t chain(uint64_t before, struct bytes b)
{
	const struct net_hash_key key = {check_key.k0 ^ before, check_key.k1};

	return net_hash(&key, b.ptr, b.len);
}

static void put_head(struct buf *w, const struct head *h)
{
	buf_put_bytes(w, magic, sizeof(magic));
	buf_put_u16(w, NET_SAVE_FORMAT);
	buf_put_u32(w, h->world.mbedtls);
	buf_put_u64(w, h->world.tls);
	buf_put_u64(w, (uint64_t)h->world.booted_ms);
	buf_put_u64(w, (uint64_t)h->world.monotonic_ms);
	buf_put_u64(w, h->token_key.k0);
	buf_put_u64(w, h->token_key.k1);
	buf_put_u64(w, h->random_count);
	buf_put_u32(w, h->count);
	buf_put_u8(w, (uint8_t)h->sockets);
	for (unsigned i = 0; i < h->sockets; i++)
		put_address(w, &h->socket[i]);
}

static int get_head(struct buf *r, struct head *ret)
{
	struct bytes m = buf_get_bytes(r, sizeof(magic));

	if (!bytes_equal(m, (struct bytes){(const uint8_t *)magic, sizeof(magic)}))
		return ERR_CORRUPT;
	if (buf_get_u16(r) != NET_SAVE_FORMAT)
		return buf_ok(r) ? ERR_VERSION : ERR_CORRUPT;
	memset(ret, 0, sizeof(*ret));
	ret->world.mbedtls = buf_get_u32(r);
	ret->world.tls = buf_get_u64(r);
	ret->world.booted_ms = (int64_t)buf_get_u64(r);
	ret->world.monotonic_ms = (int64_t)buf_get_u64(r);
	ret->token_key.k0 = buf_get_u64(r);
	ret->token_key.k1 = buf_get_u64(r);
	ret->random_count = buf_get_u64(r);
	ret->count = buf_get_u32(r);
	ret->sockets = buf_get_u8(r);
	if (ret->count > LIMIT_PEERS || ret->sockets > NET_SAVE_SOCKETS)
		return ERR_CORRUPT;
	for (unsigned i = 0; i < ret->sockets; i++)
		if (!get_address(r, &ret->socket[i]))
			return ERR_CORRUPT;
	return buf_ok(r) ? 0 : ERR_CORRUPT;
}

/* The check behind what was read since `start`. */
static bool check_passes(struct buf *r, size_t start, uint64_t *chained)
{
	*chained = chain(*chained, (struct bytes){r->ptr + start, r->pos - start});
	uint64_t wanted = *chained;

	return buf_get_u64(r) == wanted && buf_ok(r);
}

/* The next record and its check. */
static bool next_record(struct buf *r, const struct head *h, uint64_t *chained, struct record *ret)
{
	size_t start = r->pos;
	struct bytes body = buf_get_bytes(r, buf_get_u16(r));

	return buf_ok(r) && check_passes(r, start, chained) && get_record(body, h->sockets, ret);
}

static int open_head(struct buf *r, struct head *ret, uint64_t *ret_chained)
{
	int err = get_head(r, ret);

	*ret_chained = 0;
	if (!err && !check_passes(r, 0, ret_chained))
		err = ERR_CORRUPT;
	return err;
}

int net_save_check(struct bytes saved, struct net_save_world *ret_world, uint32_t *ret_count)
{
	struct buf r = buf_reader(saved.ptr, saved.len);
	struct record record;
	struct head head;
	uint64_t chained;
	int err = open_head(&r, &head, &chained);

	for (uint32_t i = 0; !err && i < head.count; i++)
		if (!next_record(&r, &head, &chained, &record))
			err = ERR_CORRUPT;
	if (!err && buf_left(&r) > 0)
		err = ERR_CORRUPT;
	if (err)
		return err;
	*ret_world = head.world;
	*ret_count = head.count;
	return 0;
}

/* ---- saving ---- */

/* Nothing is sent any more: what waits for an answer or an acknowledgement ends here. */
static bool settle(struct net_peer *peer)
{
	struct net_coap *c = &peer->net->coap;

	LIST_EACH(it, next, &peer->coap.out)
	{
		const struct net_out *out = LIST_ENTRY(it, struct net_out, link);
		peer->unheard = peer->unheard || out->observation;
	}
	net_exchange_session_done(c, &peer->coap);
	net_out_session_done(c, &peer->coap);
	net_coap_ask_cancel(c, &peer->coap);
	return peer->announced && !peer->is_closing &&
	       (peer->state == NET_PEER_ASLEEP ? net_sleep_pack(peer) : net_sleep_now(peer));
}

static unsigned socket_index(const struct net *net, const struct net_socket *socket)
{
	unsigned i = 0;

	LIST_EACH(it, next, &net->sockets)
	{
		if (LIST_ENTRY(it, struct net_socket, link) == socket)
			break;
		i++;
	}
	return i;
}

static int put_chained(struct buf *w, uint64_t *chained, net_save_put *put, void *ctx)
{
	*chained = chain(*chained, buf_bytes(w));
	buf_put_u64(w, *chained);
	int err = buf_ok(w) ? put(ctx, buf_bytes(w)) : ERR_LIMIT;

	explicit_bzero(w->ptr, w->pos);
	return err;
}

static int save_head(struct net *net, uint32_t count, uint64_t *chained, net_save_put *put,
		     void *ctx)
{
	uint8_t bytes[HEAD_MAX];
	struct buf w = buf_writer(bytes, sizeof(bytes));
	struct head head = {
		.token_key = net->coap.key, .random_count = net->coap.random_count, .count = count};

	net_save_world_read(net, &head.world);
	LIST_EACH(it, next, &net->sockets)
	{
		const struct net_socket *socket = LIST_ENTRY(it, struct net_socket, link);
		struct sockaddr_storage at = {0};

		if (head.sockets == NET_SAVE_SOCKETS || net_udp_bound(socket->fd, &at))
			return ERR_LIMIT;
		memcpy(&head.socket[head.sockets++], &at, sizeof(head.socket[0]));
	}
	put_head(&w, &head);
	return put_chained(&w, chained, put, ctx);
}

static int save_one(struct net_peer *peer, uint64_t *chained, net_save_put *put, void *ctx)
{
	uint8_t bytes[2 + NET_SAVE_RECORD + CHECK];
	struct buf w = buf_writer(bytes, 2 + NET_SAVE_RECORD);

	buf_put_u16(&w, 0);
	put_record(&w, peer, socket_index(peer->net, peer->socket));
	if (!buf_ok(&w))
		return ERR_LIMIT;
	bytes[0] = (uint8_t)((w.pos - 2) >> 8);
	bytes[1] = (uint8_t)(w.pos - 2);
	w.len = sizeof(bytes);
	return put_chained(&w, chained, put, ctx);
}

int net_save(struct net *net, net_save_put *put, void *ctx, struct net_saved *ret)
{
	uint64_t chained = 0;
	uint32_t count = 0;

	net_now(net);
	net->saving = true; /* nothing is said to who is packed, whatever its owner wants now */
	*ret = (struct net_saved){0};
	LIST_EACH(it, next, &net->live)
	{
		struct net_peer *peer = LIST_ENTRY(it, struct net_peer, age);
		if (settle(peer)) {
			count++;
		} else {
			net_peer_end(peer, NET_GONE_LOCAL, true);
			ret->closed++;
		}
	}
	int err = save_head(net, count, &chained, put, ctx);

	LIST_EACH(it, next, &net->live)
	{
		if (!err)
			err = save_one(LIST_ENTRY(it, struct net_peer, age), &chained, put, ctx);
	}
	net->saving = false;
	if (err)
		return err;
	ret->sessions = count;
	net->saved = true;
	return 0;
}

/* ---- going on ---- */

static struct net_socket *socket_bound_to(struct net *net, const union net_address *address)
{
	LIST_EACH(it, next, &net->sockets)
	{
		struct net_socket *socket = LIST_ENTRY(it, struct net_socket, link);
		struct sockaddr_storage at = {0};
		union net_address here;

		if (!socket->secure || net_udp_bound(socket->fd, &at))
			continue;
		memcpy(&here, &at, sizeof(here));
		if (net_address_equal(&here, address))
			return socket;
	}
	return NULL;
}

static void take_exchanges(struct net_coap_session *to, const struct net_coap_session *from)
{
	to->next_mid = from->next_mid;
	to->max_szx = from->max_szx;
	to->messages = from->messages;
	to->repeats = from->repeats;
	to->rtt_ms = from->rtt_ms;
}

static bool restore_one(struct net *net, const struct record *rec, struct net_socket *socket)
{
	const struct net_udp_in in = {.from = rec->remote, .to = rec->local};

	if (!socket || net->live_count >= net->max_peers ||
	    (rec->flags & FLAG_CID ? net_cid_find(net, (struct bytes){rec->cid, NET_CID})
				   : net_peer_find(net, &net->peers, socket, &rec->remote)))
		return false;
	struct net_peer *peer = net_peer_new_asleep(socket, &in, rec->saved, rec->packed);

	if (!peer)
		return false;
	peer->since_ms = rec->since_ms;
	peer->seen_ms = rec->seen_ms;
	peer->key_tag = rec->key_tag;
	peer->szx_known = rec->flags & FLAG_SZX_KNOWN;
	peer->newest = rec->newest;
	peer->path.unproven = rec->flags & FLAG_UNPROVEN;
	peer->path.in_bytes = rec->path_in;
	peer->path.out_bytes = rec->path_out;
	if (rec->flags & FLAG_CID) {
		memcpy(peer->cid, rec->cid, NET_CID);
		net_cid_add(peer);
	}
	take_exchanges(&peer->coap, &rec->coap);
	if (net_peer_name(peer, rec->identity) && net->cb->peer_back &&
	    (!(rec->flags & FLAG_CERTIFIED) || net_peer_mark_back(peer, &rec->mark)))
		peer->announced =
			net->cb->peer_back(net->ctx, peer, rec->note, rec->flags & FLAG_UNHEARD);
	if (peer->announced)
		return true;
	net_peer_end(peer, NET_GONE_LOCAL, true);
	return false;
}

int net_restore(struct net *net, struct bytes saved, struct net_restored *ret)
{
	struct buf r = buf_reader(saved.ptr, saved.len);
	struct net_socket *socket[NET_SAVE_SOCKETS] = {NULL};
	struct net_save_world now, then;
	struct record record;
	struct head head;
	uint64_t chained;
	uint32_t count;
	int err = net_save_check(saved, &then, &count);

	*ret = (struct net_restored){0};
	if (err) {
		ret->why = err == ERR_VERSION ? "another version of Postboot saved them"
					      : "what was saved is damaged";
		return err;
	}
	net_now(net);
	net_save_world_read(net, &now);
	ret->why = net_save_differs(&then, &now);
	if (ret->why)
		return ERR_STALE;
	(void)open_head(&r, &head, &chained); /* all of it has been looked at */
	for (unsigned i = 0; i < head.sockets; i++)
		socket[i] = socket_bound_to(net, &head.socket[i]);
	net->coap.key = head.token_key;
	net->coap.random_count = head.random_count;
	for (uint32_t i = 0; i < count && next_record(&r, &head, &chained, &record); i++) {
		if (restore_one(net, &record, socket[record.socket]))
			ret->sessions++;
		else
			ret->refused++;
	}
	net->stats.restored += ret->sessions;
	return 0;
}
