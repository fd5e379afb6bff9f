/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int link_socket(int family)
{
	return socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* Connected, so that only the server's datagrams come in. */
static int link_outer(const struct emu_addr *server)
{
	int fd = link_socket(server->u.sa.sa_family);

	if (fd < 0)
		return -1;
	if (connect(fd, &server->u.sa, server->len) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int link_inner(struct emu_addr *ret_local)
{
	struct emu_addr local = {.len = sizeof(local.u.in)};
	int fd = link_socket(AF_INET);

	local.u.in.sin_family = AF_INET;
	local.u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0)
		return -1;
	if (bind(fd, &local.u.sa, local.len) != 0 ||
	    getsockname(fd, &local.u.sa, &local.len) != 0) {
		close(fd);
		return -1;
	}
	*ret_local = local;
	return fd;
}

int emu_link_new(const struct emu_link_conf *conf, int64_t now_ms, struct emu_link **ret_link)
{
	struct emu_link *link = calloc(1, sizeof(*link));

	if (!link)
		return ERR_NOMEM;
	link->conf = *conf;
	link->rng.state = conf->seed;
	link->inner = link_inner(&link->local);
	link->outer = link_outer(&conf->server);
	link->rebind_at_ms =
		conf->rebind_s > 0 ? now_ms + (int64_t)conf->rebind_s * 1000 : INT64_MAX;
	if (link->inner < 0 || link->outer < 0) {
		emu_link_free(link);
		return ERR_IO;
	}
	*ret_link = link;
	return 0;
}

void emu_link_free(struct emu_link *link)
{
	if (!link)
		return;
	for (size_t i = 0; i < link->queue_len; i++)
		free(link->queue[i].data);
	if (link->inner >= 0)
		close(link->inner);
	if (link->outer >= 0)
		close(link->outer);
	free(link);
}

static void link_queue(struct emu_link *link, int64_t due_ms, bool up, const void *ptr, size_t len)
{
	struct emu_link_packet *packet;
	uint8_t *data;

	if (link->queue_len == EMU_LINK_QUEUE) {
		link->stats.lost++;
		return;
	}
	data = malloc(len > 0 ? len : 1);
	if (!data) {
		link->stats.lost++;
		return;
	}
	memcpy(data, ptr, len);
	packet = &link->queue[link->queue_len++];
	*packet = (struct emu_link_packet){
		.due_ms = due_ms, .order = link->order++, .up = up, .len = len, .data = data};
}

void emu_link_offer(struct emu_link *link, int64_t now_ms, bool up, const void *ptr, size_t len)
{
	int64_t due_ms = now_ms + link->conf.delay_ms;

	if (emu_rng_percent(&link->rng, link->conf.loss)) {
		link->stats.lost++;
		return;
	}
	if (emu_rng_percent(&link->rng, link->conf.reorder)) {
		link->stats.overtaken++;
		due_ms += 1 + (int64_t)(emu_rng_next(&link->rng) % EMU_LINK_OVERTAKEN_MS);
	}
	link_queue(link, due_ms, up, ptr, len);
	if (emu_rng_percent(&link->rng, link->conf.dup)) {
		link->stats.doubled++;
		link_queue(link, due_ms, up, ptr, len);
	}
}

static void link_send(struct emu_link *link, const struct emu_link_packet *packet)
{
	ssize_t n;

	if (packet->up)
		n = send(link->outer, packet->data, packet->len, 0);
	else if (link->device.len > 0)
		n = sendto(link->inner, packet->data, packet->len, 0, &link->device.u.sa,
			   link->device.len);
	else
		n = -1;
	if (n < 0)
		link->stats.lost++;
	else
		link->stats.passed++;
}

/* Sends what is due, earliest first. */
static void link_flush(struct emu_link *link, int64_t now_ms)
{
	for (;;) {
		size_t best = link->queue_len;

		for (size_t i = 0; i < link->queue_len; i++) {
			const struct emu_link_packet *a = &link->queue[i];
			const struct emu_link_packet *b = &link->queue[best];

			if (a->due_ms > now_ms)
				continue;
			if (best == link->queue_len || a->due_ms < b->due_ms ||
			    (a->due_ms == b->due_ms && a->order < b->order))
				best = i;
		}
		if (best == link->queue_len)
			return;
		link_send(link, &link->queue[best]);
		free(link->queue[best].data);
		link->queue[best] = link->queue[--link->queue_len];
	}
}

void emu_link_sleep(struct emu_link *link, bool asleep)
{
	link->asleep = asleep;
}

void emu_link_rebind(struct emu_link *link, int64_t now_ms)
{
	int fd = link_outer(&link->conf.server);

	if (link->conf.rebind_s > 0)
		link->rebind_at_ms = now_ms + (int64_t)link->conf.rebind_s * 1000;
	if (fd < 0)
		return;
	/* The old socket closes after the new one is there: they cannot share a port. The number
	 * of the descriptor stays, so whoever polls it goes on. */
	if (dup3(fd, link->outer, O_CLOEXEC) >= 0)
		link->stats.rebinds++;
	close(fd);
}

static void link_read(struct emu_link *link, int64_t now_ms, bool up)
{
	uint8_t data[EMU_LINK_MTU];

	for (int i = 0; i < 64; i++) {
		struct emu_addr from = {.len = sizeof(from.u)};
		ssize_t n = recvfrom(up ? link->inner : link->outer, data, sizeof(data), 0,
				     &from.u.sa, &from.len);

		if (n < 0 && errno == ECONNREFUSED)
			continue;
		if (n < 0)
			return;
		if (up)
			link->device = from;
		else if (link->asleep)
			continue;
		emu_link_offer(link, now_ms, up, data, (size_t)n);
	}
}

void emu_link_process(struct emu_link *link, int64_t now_ms)
{
	if (now_ms >= link->rebind_at_ms)
		emu_link_rebind(link, now_ms);
	link_read(link, now_ms, true);
	link_read(link, now_ms, false);
	link_flush(link, now_ms);
}

int64_t emu_link_next_ms(const struct emu_link *link)
{
	int64_t next = link->rebind_at_ms;

	for (size_t i = 0; i < link->queue_len; i++)
		if (link->queue[i].due_ms < next)
			next = link->queue[i].due_ms;
	return next;
}
