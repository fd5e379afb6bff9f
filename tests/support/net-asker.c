/* SPDX-License-Identifier: Apache-2.0
 *
 * The network room alone, as a server that asks: waits for POST rd of a device, answers 2.01 with
 * rd/7, and then sends it requests, one after the other.
 *
 *   net-asker KEY DIR ASK...
 *
 * KEY is the PSK of everybody. An ASK is get:PATH, put:PATH:TEXT, post:PATH, observe:PATH,
 * cancel:PATH, push:PATH:FILE (in blocks, as they are needed), szx:N for those that follow, sleep
 * (until the device sleeps) or wait:N for notifications in all. Payloads go to DIR/1, DIR/2 and so
 * on, the body of POST rd to DIR/rd; a line of what came is printed for each.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "net/net.h"

static struct {
	uv_loop_t loop;
	uv_timer_t poll;
	uv_signal_t term;
	struct net *net;
	struct net_peer *peer;
	const char *key, *dir;
	char **asks;
	int ask_count, next;
	unsigned notes, szx;
	bool busy;
	int64_t sent;
	FILE *image;
} s;

static void keep(const char *name, struct bytes payload)
{
	char path[512];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", s.dir, name);
	f = fopen(path, "wbe");
	if (!f || (payload.len && fwrite(payload.ptr, 1, payload.len, f) != payload.len) ||
	    fclose(f) != 0)
		exit(1);
}

static size_t on_psk(void *ctx, struct net_claim *claim, uint8_t *dst, size_t cap)
{
	size_t len = strlen(s.key);

	(void)ctx;
	(void)claim;
	if (len > cap)
		exit(1);
	memcpy(dst, s.key, len);
	return len;
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
	(void)why;
	if (peer == s.peer)
		s.peer = NULL;
}

static void on_observe_end(void *ctx, struct net_peer *peer, uint32_t tag)
{
	(void)ctx;
	(void)peer;
	(void)tag;
}

static bool on_long_body(void *ctx, struct net_peer *peer, uint8_t method, const struct bytes *path,
			 unsigned path_count)
{
	(void)ctx;
	(void)peer;
	return method == 2 && path_count == 1 && path[0].len == 2;
}

static void on_request(void *ctx, struct net_peer *peer, const struct net_request *r,
		       struct net_exchange exchange)
{
	struct net_reply reply = NET_REPLY(NET_CODE(2, 1));

	(void)ctx;
	reply.location[0] = "rd";
	reply.location[1] = "7";
	keep("rd", r->payload);
	if (!r->duplicate)
		printf("rd %zu format %d\n", r->payload.len, r->content_format);
	net_reply(s.net, exchange, &reply);
	s.peer = peer;
}

static void on_answered(void *ctx, struct net_peer *peer, const struct net_answer *a)
{
	char name[16];

	(void)ctx;
	(void)peer;
	if (a->notified) {
		s.notes++;
		printf("notified %d.%02d %.*s%s\n", a->code >> 5, a->code & 31, (int)a->payload.len,
		       (const char *)a->payload.ptr, a->observed ? "" : " end");
		(void)fflush(stdout);
		return;
	}
	if (a->err)
		printf("%d %s\n", s.next, err_word(a->err));
	else
		printf("%d %d.%02d format %d length %zu sent %lld%s\n", s.next, a->code >> 5,
		       a->code & 31, a->content_format, a->payload.len, (long long)s.sent,
		       a->observed ? " observed" : "");
	(void)fflush(stdout);
	(void)snprintf(name, sizeof(name), "%d", s.next);
	keep(name, a->payload);
	s.busy = false;
}

static int on_ask_body(void *ctx, struct net_peer *peer, uint32_t tag, int64_t offset, uint8_t *dst,
		       size_t len)
{
	(void)ctx;
	(void)peer;
	(void)tag;
	return fseek(s.image, (long)offset, SEEK_SET) || fread(dst, 1, len, s.image) != len ? ERR_IO
											    : 0;
}

static void on_ask_sent(void *ctx, struct net_peer *peer, uint32_t tag, int64_t offset, size_t len)
{
	(void)ctx;
	(void)peer;
	(void)tag;
	s.sent = offset + (int64_t)len;
}

static void open_image(const char *path, struct net_ask *ask)
{
	if (s.image)
		(void)fclose(s.image);
	s.image = fopen(path, "rbe");
	if (!s.image || fseek(s.image, 0, SEEK_END))
		exit(1);
	ask->body_size = ftell(s.image);
}

/* The path's hash is the tag, so that observe and cancel of one path agree. */
static uint32_t tag_of(const char *path)
{
	uint32_t tag = 5381;

	while (*path)
		tag = tag * 33 + (uint8_t)*path++;
	return tag;
}

static void ask(char *text)
{
	char *verb = text, *path = strchr(text, ':'), *rest = NULL;

	if (!path)
		exit(2);
	*path++ = 0;
	rest = strchr(path, ':');
	if (rest)
		*rest++ = 0;
	struct net_ask a = NET_ASK(1, path);

	a.tag = tag_of(path);
	a.block_szx = s.szx;
	if (strcmp(verb, "put") == 0 || strcmp(verb, "push") == 0)
		a.method = 3;
	else if (strcmp(verb, "post") == 0)
		a.method = 2;
	else if (strcmp(verb, "observe") == 0)
		a.observe = 0;
	else if (strcmp(verb, "cancel") == 0)
		a.observe = 1;
	if (strcmp(verb, "push") == 0)
		open_image(rest ? rest : "", &a);
	else if (rest)
		a.payload = (struct bytes){(const uint8_t *)rest, strlen(rest)};
	s.sent = 0;
	s.busy = true;
	int err = net_ask(s.net, s.peer, &a);
	if (err) {
		printf("%d not asked: %s\n", s.next, err_word(err));
		s.busy = false;
	}
}

static void on_closed(void *ctx)
{
	(void)ctx;
	uv_close((uv_handle_t *)&s.poll, NULL);
	uv_close((uv_handle_t *)&s.term, NULL);
}

static void finish(void)
{
	(void)uv_timer_stop(&s.poll);
	(void)uv_signal_stop(&s.term);
	printf("done\n");
	(void)fflush(stdout);
	net_close(s.net, on_closed, NULL);
}

static void on_term(uv_signal_t *signal, int number)
{
	(void)signal;
	(void)number;
	finish();
}

/* The next one, when the one before is done. */
static void on_poll(uv_timer_t *timer)
{
	(void)timer;
	if (!s.peer || s.busy)
		return;
	if (s.next == s.ask_count) {
		finish();
		return;
	}
	char *text = s.asks[s.next];

	if (strncmp(text, "wait:", 5) == 0) {
		s.next += s.notes >= (unsigned)atoi(text + 5);
	} else if (strncmp(text, "szx:", 4) == 0) {
		s.szx = (unsigned)atoi(text + 4);
		s.next++;
	} else if (strcmp(text, "sleep") == 0) {
		struct net_stats st;

		net_stats_read(s.net, &st);
		if (st.asleep) {
			printf("asleep\n");
			s.next++;
		}
	} else {
		s.next++;
		ask(text);
	}
}

int main(int argc, char **argv)
{
	static const struct net_callbacks callbacks = {
		.psk = on_psk,
		.peer_up = on_up,
		.peer_gone = on_gone,
		.request = on_request,
		.observe_end = on_observe_end,
		.long_body = on_long_body,
		.answered = on_answered,
		.ask_body = on_ask_body,
		.ask_sent = on_ask_sent,
	};
	struct net_conf conf = {.callbacks = &callbacks, .hibernate_after_ms = 500};
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_storage bound = {0};

	if (argc < 3) {
		fprintf(stderr, "usage: %s KEY DIR ASK...\n", argv[0]);
		return 2;
	}
	s.key = argv[1];
	s.dir = argv[2];
	s.asks = argv + 3;
	s.ask_count = argc - 3;
	s.szx = 6;
	(void)uv_loop_init(&s.loop);
	if (net_new(&s.loop, &conf, &s.net) ||
	    net_listen(s.net, (struct sockaddr *)&at, true, &bound))
		return 1;
	printf("coaps %u\n", ntohs(((struct sockaddr_in *)&bound)->sin_port));
	(void)fflush(stdout);
	(void)uv_timer_init(&s.loop, &s.poll);
	(void)uv_signal_init(&s.loop, &s.term);
	(void)uv_timer_start(&s.poll, on_poll, 5, 5);
	(void)uv_signal_start(&s.term, on_term, SIGTERM);
	(void)uv_run(&s.loop, UV_RUN_DEFAULT);
	net_free(s.net);
	if (s.image)
		(void)fclose(s.image);
	return uv_loop_close(&s.loop) ? 1 : 0;
}
