/* SPDX-License-Identifier: Apache-2.0
 *
 * The network room alone, serving a file: for trying it with other people's clients and for
 * measuring it without an engine.
 *
 *   net-server --file F --psk-list L [--bind ADDR] [--port N] [--plain-port N]
 *              [--plain-devices] [--tick MS] [--idle MS] [--max-peers N] [--hibernate MS]
 *
 * GET /fw/x is the file, cut here; GET /whole the same, cut by net; GET /desired a counter that
 * rises every tick (observable); POST /report answers 2.04, after ?delay=MS if given; POST /fail
 * 4.09; POST /bye ends the session. The psk list has lines of id:hex. Without --quota nobody counts
 * requests; with it N a second are one device's, and all devices'.
 */
#include <arpa/inet.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "net/net.h"

enum { TAG_DESIRED = 1, KEY_CAP = 32 };

struct key {
	char id[LIMIT_DEVICE_ID + 1];
	uint8_t bytes[KEY_CAP];
	size_t len;
	struct key *chain;
};

struct server {
	uv_loop_t loop;
	struct net *net;
	struct key *keys[65536];
	uint8_t *file;
	size_t file_len;
	uint32_t counter;
	struct net_peer *observers[64];
	unsigned observer_count;
	uv_timer_t tick;
	uv_signal_t term, interrupt;
};

struct delayed {
	uv_timer_t timer;
	struct server *server;
	struct net_exchange exchange;
};

static unsigned id_hash(struct bytes id)
{
	unsigned h = 5381;

	for (size_t i = 0; i < id.len; i++)
		h = h * 33 + id.ptr[i];
	return h & 0xffff;
}

static size_t on_psk(void *ctx, struct net_claim *claim, uint8_t *dst, size_t cap)
{
	struct server *s = ctx;
	struct bytes identity = claim->identity;

	for (struct key *k = s->keys[id_hash(identity)]; k; k = k->chain) {
		if (strlen(k->id) == identity.len &&
		    memcmp(k->id, identity.ptr, identity.len) == 0 && k->len <= cap) {
			memcpy(dst, k->bytes, k->len);
			return k->len;
		}
	}
	return 0;
}

static bool on_peer_up(void *ctx, struct net_peer *peer, struct bytes identity)
{
	char address[64];

	(void)ctx;
	log_debug("up id=%.*s peer=%s", (int)identity.len, (const char *)identity.ptr,
		  net_peer_address(peer, address));
	return true;
}

static void forget_observer(struct server *s, struct net_peer *peer)
{
	for (unsigned i = 0; i < s->observer_count; i++)
		if (s->observers[i] == peer)
			s->observers[i--] = s->observers[--s->observer_count];
}

static void on_peer_gone(void *ctx, struct net_peer *peer, enum net_gone why)
{
	char address[64];

	log_debug("gone peer=%s why=%d", net_peer_address(peer, address), (int)why);
	forget_observer(ctx, peer);
}

static void on_observe_end(void *ctx, struct net_peer *peer, uint32_t tag)
{
	log_info("observe-end tag=%u", tag);
	forget_observer(ctx, peer);
}

static void reply_block(struct server *s, struct net_peer *peer, const struct net_request *r,
			struct net_exchange exchange)
{
	static const uint8_t etag[] = {1, 2, 3, 4, 5, 6, 7, 8};
	struct net_reply reply = NET_REPLY(NET_CODE(2, 5));
	unsigned szx = net_block_szx(peer, r);
	size_t size = (size_t)16 << szx;
	size_t at = r->has_block2 ? (size_t)r->block2_num << (r->block2_szx + 4) : 0;

	if (at >= s->file_len) {
		reply.code = NET_CODE(4, 0);
		net_reply(s->net, exchange, &reply);
		return;
	}
	reply.is_block = true;
	reply.block2_num = (uint32_t)(at / size);
	reply.block2_szx = szx;
	reply.block2_more = s->file_len - at > size;
	reply.etag = (struct bytes){etag, sizeof(etag)};
	reply.content_format = 42;
	reply.size2 = r->wants_size2 ? (int64_t)s->file_len : -1;
	reply.payload = (struct bytes){s->file + at, reply.block2_more ? size : s->file_len - at};
	net_reply(s->net, exchange, &reply);
}

static struct net_reply desired(const struct server *s, char text[16])
{
	struct net_reply reply = NET_REPLY(NET_CODE(2, 5));

	(void)snprintf(text, 16, "%u", s->counter);
	reply.content_format = 0;
	reply.max_age_s = 60;
	reply.payload = (struct bytes){(const uint8_t *)text, strlen(text)};
	return reply;
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void on_delay(uv_timer_t *timer)
{
	struct delayed *d = timer->data;
	struct net_reply reply = NET_REPLY(NET_CODE(2, 4));

	reply.payload = (struct bytes){(const uint8_t *)"late", 4};
	net_reply(d->server->net, d->exchange, &reply);
	uv_close((uv_handle_t *)timer, on_timer_closed);
}

static void reply_later(struct server *s, struct net_exchange exchange, unsigned long ms)
{
	struct delayed *d = calloc(1, sizeof(*d));

	if (!d)
		abort();
	d->server = s;
	d->exchange = exchange;
	d->timer.data = d;
	(void)uv_timer_init(&s->loop, &d->timer);
	(void)uv_timer_start(&d->timer, on_delay, ms, 0);
}

static bool is(struct bytes segment, const char *text)
{
	return segment.len == strlen(text) && memcmp(segment.ptr, text, segment.len) == 0;
}

static void on_post(struct server *s, struct net_peer *peer, const struct net_request *r,
		    struct net_exchange exchange)
{
	struct net_reply reply = NET_REPLY(NET_CODE(2, 4));

	if (is(r->path[0], "report") && r->query_count && r->query[0].len > 6 &&
	    memcmp(r->query[0].ptr, "delay=", 6) == 0) {
		char text[12] = "";
		size_t len = r->query[0].len - 6;

		memcpy(text, r->query[0].ptr + 6, len < 11 ? len : 11);
		reply_later(s, exchange, strtoul(text, NULL, 10));
		return;
	}
	if (is(r->path[0], "long")) {
		static const char text[] = "an answer that is longer than one block of 16";

		reply.payload = (struct bytes){(const uint8_t *)text, sizeof(text) - 1};
	}
	if (is(r->path[0], "fail"))
		reply.code = NET_CODE(4, 9);
	net_reply(s->net, exchange, &reply);
	if (is(r->path[0], "bye"))
		net_peer_close(s->net, peer);
}

static void on_request(void *ctx, struct net_peer *peer, const struct net_request *r,
		       struct net_exchange exchange)
{
	struct server *s = ctx;
	struct net_reply reply = NET_REPLY(NET_CODE(4, 4));
	char text[16];

	if (r->method == 2 && r->path_count == 1) {
		on_post(s, peer, r, exchange);
		return;
	}
	if (r->path_count == 2 && is(r->path[0], "fw")) {
		reply_block(s, peer, r, exchange);
		return;
	}
	if (r->path_count == 1 && is(r->path[0], "whole")) {
		reply = NET_REPLY(NET_CODE(2, 5));
		reply.payload = (struct bytes){s->file, s->file_len};
	}
	if (r->path_count == 1 && is(r->path[0], "desired")) {
		reply = desired(s, text);
		reply.observe = true;
		reply.observe_tag = TAG_DESIRED;
		if (r->observe == 0 && s->observer_count < 64) {
			forget_observer(s, peer);
			s->observers[s->observer_count++] = peer;
		}
	}
	net_reply(s->net, exchange, &reply);
}

static void on_tick(uv_timer_t *timer)
{
	struct server *s = timer->data;
	char text[16];

	s->counter++;

	struct net_reply reply = desired(s, text);

	for (unsigned i = 0; i < s->observer_count; i++)
		(void)net_notify(s->net, s->observers[i], TAG_DESIRED, &reply);
}

static void on_net_closed(void *ctx)
{
	struct server *s = ctx;

	uv_close((uv_handle_t *)&s->tick, NULL);
	uv_close((uv_handle_t *)&s->term, NULL);
	uv_close((uv_handle_t *)&s->interrupt, NULL);
}

static void on_signal(uv_signal_t *signal, int number)
{
	struct server *s = signal->data;
	struct net_stats st;

	(void)number;
	(void)uv_signal_stop(&s->term);
	(void)uv_signal_stop(&s->interrupt);
	net_stats_read(s->net, &st);
	log_info("in=%llu out=%llu dropped=%llu handshakes=%llu failed=%llu requests=%llu "
		 "duplicates=%llu retransmissions=%llu peers=%llu",
		 (unsigned long long)st.datagrams_in, (unsigned long long)st.datagrams_out,
		 (unsigned long long)st.dropped, (unsigned long long)st.handshakes_ok,
		 (unsigned long long)st.handshakes_failed, (unsigned long long)st.requests,
		 (unsigned long long)st.duplicates, (unsigned long long)st.retransmissions,
		 (unsigned long long)st.peers);
	net_close(s->net, on_net_closed, s);
}

static void read_keys(struct server *s, const char *path)
{
	FILE *f = fopen(path, "re");
	char line[256];

	if (!f) {
		perror(path);
		exit(1);
	}
	while (fgets(line, sizeof(line), f)) {
		struct key *k = calloc(1, sizeof(*k));
		char *colon = strrchr(line, ':');

		line[strcspn(line, "\r\n")] = 0;
		if (!k || !colon || colon - line > LIMIT_DEVICE_ID ||
		    buf_from_hex(colon + 1, strlen(colon + 1), k->bytes, KEY_CAP, &k->len)) {
			fprintf(stderr, "%s: bad line\n", path);
			exit(1);
		}
		memcpy(k->id, line, (size_t)(colon - line));
		unsigned h = id_hash((struct bytes){(uint8_t *)k->id, strlen(k->id)});

		k->chain = s->keys[h];
		s->keys[h] = k;
	}
	(void)fclose(f);
}

static void read_file(struct server *s, const char *path)
{
	FILE *f = fopen(path, "re");
	long len = -1;

	if (f && fseek(f, 0, SEEK_END) == 0)
		len = ftell(f);
	if (len >= 0) {
		rewind(f);
		s->file = malloc((size_t)len + 1);
		s->file_len = s->file ? fread(s->file, 1, (size_t)len, f) : 0;
	}
	if (len < 0 || s->file_len != (size_t)len) {
		perror(path);
		exit(1);
	}
	(void)fclose(f);
}

static void listen_on(struct server *s, const char *address, int port, bool secure)
{
	struct sockaddr_storage at = {0}, bound;
	bool v6 = strchr(address, ':') != NULL;
	int err = v6 ? uv_ip6_addr(address, port, (struct sockaddr_in6 *)&at)
		     : uv_ip4_addr(address, port, (struct sockaddr_in *)&at);

	if (!err)
		err = net_listen(s->net, (struct sockaddr *)&at, secure, &bound);
	if (err) {
		log_err("bind=%s port=%d error=\"%s\"", address, port, err_text(err));
		exit(1);
	}
	printf("%s %u\n", secure ? "coaps" : "coap",
	       ntohs(v6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
			: ((struct sockaddr_in *)&bound)->sin_port));
	(void)fflush(stdout);
}

struct options {
	const char *file, *keys, *bind[4];
	unsigned bind_count;
	int port, plain_port, tick_ms;
	struct net_conf conf;
};

static void parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"file", required_argument, NULL, 'f'},
		{"psk-list", required_argument, NULL, 'k'},
		{"bind", required_argument, NULL, 'b'},
		{"port", required_argument, NULL, 'p'},
		{"plain-port", required_argument, NULL, 'P'},
		{"plain-devices", no_argument, NULL, 'D'},
		{"tick", required_argument, NULL, 't'},
		{"idle", required_argument, NULL, 'i'},
		{"max-peers", required_argument, NULL, 'm'},
		{"debug", no_argument, NULL, 'd'},
		{"handshakes", required_argument, NULL, 'h'},
		{"quota", required_argument, NULL, 'q'},
		{"hibernate", required_argument, NULL, 's'},
		{NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'f':
			o->file = optarg;
			break;
		case 'k':
			o->keys = optarg;
			break;
		case 'b':
			o->bind[o->bind_count++ % 4] = optarg;
			break;
		case 'p':
			o->port = atoi(optarg);
			break;
		case 'P':
			o->plain_port = atoi(optarg);
			break;
		case 'D':
			o->conf.plain_devices = true;
			break;
		case 't':
			o->tick_ms = atoi(optarg);
			break;
		case 'i':
			o->conf.session_idle_ms = atoi(optarg);
			break;
		case 'm':
			o->conf.max_peers = (unsigned)atoi(optarg);
			break;
		case 'h':
			o->conf.handshakes_per_s = (unsigned)atoi(optarg);
			break;
		case 's':
			o->conf.hibernate_after_ms = atoi(optarg);
			break;
		case 'q':
			o->conf.device_requests_per_s = (unsigned)atoi(optarg);
			o->conf.requests_per_s = o->conf.device_requests_per_s;
			break;
		case 'd':
			log_set_level(LOG_LEVEL_DEBUG);
			break;
		default:
			exit(2);
		}
	}
	if (!o->file || !o->keys) {
		fprintf(stderr, "usage: %s --file F --psk-list L [options]\n", argv[0]);
		exit(2);
	}
	if (o->bind_count == 0)
		o->bind[o->bind_count++] = "127.0.0.1";
}

static void free_all(struct server *s)
{
	for (size_t i = 0; i < 65536; i++) {
		while (s->keys[i]) {
			struct key *k = s->keys[i];

			s->keys[i] = k->chain;
			free(k);
		}
	}
	free(s->file);
	free(s);
}

int main(int argc, char **argv)
{
	static const struct net_callbacks callbacks = {
		.psk = on_psk,
		.peer_up = on_peer_up,
		.peer_gone = on_peer_gone,
		.request = on_request,
		.observe_end = on_observe_end,
	};
	struct options o = {.port = 5684, .plain_port = -1, .tick_ms = 1000};
	struct server *s = calloc(1, sizeof(*s));

	if (!s)
		return 1;
	parse(argc, argv, &o);
	read_keys(s, o.keys);
	read_file(s, o.file);
	o.conf.callbacks = &callbacks;
	o.conf.ctx = s;
	o.conf.well_known =
		"</report>;ct=\"60 50\",</desired>;obs;ct=60,</fw>,</status>;ct=\"60 50\"";
	(void)uv_loop_init(&s->loop);
	if (net_new(&s->loop, &o.conf, &s->net))
		return 1;
	for (unsigned i = 0; i < o.bind_count && i < 4; i++) {
		listen_on(s, o.bind[i], o.port, true);
		if (o.plain_port >= 0)
			listen_on(s, o.bind[i], o.plain_port, false);
	}
	(void)uv_timer_init(&s->loop, &s->tick);
	(void)uv_signal_init(&s->loop, &s->term);
	(void)uv_signal_init(&s->loop, &s->interrupt);
	s->tick.data = s->term.data = s->interrupt.data = s;
	(void)uv_timer_start(&s->tick, on_tick, (uint64_t)o.tick_ms, (uint64_t)o.tick_ms);
	(void)uv_signal_start(&s->term, on_signal, SIGTERM);
	(void)uv_signal_start(&s->interrupt, on_signal, SIGINT);
	(void)uv_run(&s->loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&s->loop);
	net_free(s->net);
	free_all(s);
	return 0;
}
