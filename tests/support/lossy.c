/* SPDX-License-Identifier: Apache-2.0
 *
 * lossy PORT DROP DOUBLE SWAP SEED: a bad radio between clients and 127.0.0.1:PORT. Prints the
 * UDP port it listens on, and loses, doubles and reorders that many percent of the datagrams of
 * both directions, always the same ones for one seed. Ends with SIGTERM, and then says on
 * standard error how many went through and how many did not.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS_MAX = 64, DATAGRAM_MAX = 65536, HOLD_MS = 30 };

struct way {
	uint8_t held[DATAGRAM_MAX];
	size_t held_len;
};

/* One client and the socket that stands for it at the server. */
struct client {
	struct sockaddr_in at;
	int fd;
	struct way up, down;
};

static struct client *clients[CLIENTS_MAX];
static unsigned client_count;
static int listener;
static struct sockaddr_in server;
static unsigned drop, twice, swap;
static uint64_t seed, passed, lost, doubled, swapped;
static volatile sig_atomic_t stop;

static void on_stop(int number)
{
	(void)number;
	stop = 1;
}

static void die(const char *what)
{
	(void)fprintf(stderr, "lossy: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* splitmix64: the next number below 100. */
static unsigned percent(void)
{
	uint64_t z = seed += 0x9e3779b97f4a7c15U;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return (unsigned)((z ^ (z >> 31)) % 100);
}

static void put(struct client *c, struct way *way, const uint8_t *ptr, size_t len)
{
	if (way == &c->up)
		(void)send(c->fd, ptr, len, 0);
	else
		(void)sendto(listener, ptr, len, 0, (struct sockaddr *)&c->at, sizeof(c->at));
}

static void let_go(struct client *c, struct way *way)
{
	if (way->held_len > 0)
		put(c, way, way->held, way->held_len);
	way->held_len = 0;
}

static void carry(struct client *c, struct way *way, const uint8_t *ptr, size_t len)
{
	if (percent() < drop) {
		lost++;
		return;
	}
	passed++;
	if (way->held_len == 0 && percent() < swap) {
		memcpy(way->held, ptr, len);
		way->held_len = len;
		swapped++;
		return;
	}
	put(c, way, ptr, len);
	if (percent() < twice) {
		put(c, way, ptr, len);
		doubled++;
	}
	let_go(c, way);
}

static int socket_new(void)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0)
		die("socket");
	return fd;
}

static struct client *client_of(const struct sockaddr_in *from)
{
	for (unsigned i = 0; i < client_count; i++)
		if (clients[i]->at.sin_port == from->sin_port)
			return clients[i];
	if (client_count == CLIENTS_MAX)
		return NULL;
	struct client *c = calloc(1, sizeof(*c));
	if (!c)
		die("memory");
	c->at = *from;
	c->fd = socket_new();
	if (connect(c->fd, (struct sockaddr *)&server, sizeof(server)) < 0)
		die("connect");
	return clients[client_count++] = c;
}

static void from_clients(void)
{
	static uint8_t datagram[DATAGRAM_MAX];
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	ssize_t n;

	while ((n = recvfrom(listener, datagram, sizeof(datagram), 0, (struct sockaddr *)&from,
			     &from_len)) >= 0) {
		struct client *c = client_of(&from);

		if (c)
			carry(c, &c->up, datagram, (size_t)n);
		from_len = sizeof(from);
	}
}

static void from_server(struct client *c)
{
	static uint8_t datagram[DATAGRAM_MAX];
	ssize_t n;

	while ((n = recv(c->fd, datagram, sizeof(datagram), 0)) >= 0)
		carry(c, &c->down, datagram, (size_t)n);
}

static void turn(void)
{
	struct pollfd fds[CLIENTS_MAX + 1] = {{.fd = listener, .events = POLLIN}};
	unsigned count = client_count;

	for (unsigned i = 0; i < count; i++)
		fds[i + 1] = (struct pollfd){.fd = clients[i]->fd, .events = POLLIN};
	int ready = poll(fds, count + 1, HOLD_MS);
	if (ready == 0)
		for (unsigned i = 0; i < count; i++) {
			let_go(clients[i], &clients[i]->up);
			let_go(clients[i], &clients[i]->down);
		}
	if (ready <= 0)
		return;
	if (fds[0].revents)
		from_clients();
	for (unsigned i = 0; i < count; i++)
		if (fds[i + 1].revents)
			from_server(clients[i]);
}

int main(int argc, char **argv)
{
	const struct sigaction act = {.sa_handler = on_stop};
	struct sockaddr_in bound;
	socklen_t len = sizeof(bound);

	if (argc != 6) {
		(void)fprintf(stderr, "usage: lossy PORT DROP DOUBLE SWAP SEED (percent)\n");
		return 2;
	}
	server = (struct sockaddr_in){.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				      .sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10))};
	drop = (unsigned)strtoul(argv[2], NULL, 10);
	twice = (unsigned)strtoul(argv[3], NULL, 10);
	swap = (unsigned)strtoul(argv[4], NULL, 10);
	seed = strtoull(argv[5], NULL, 10);
	listener = socket_new();
	if (getsockname(listener, (struct sockaddr *)&bound, &len) < 0)
		die("getsockname");
	(void)sigaction(SIGTERM, &act, NULL);
	(void)sigaction(SIGINT, &act, NULL);
	(void)printf("%u\n", ntohs(bound.sin_port));
	(void)fflush(stdout);
	while (!stop)
		turn();
	(void)fprintf(stderr,
		      "passed=%" PRIu64 " lost=%" PRIu64 " doubled=%" PRIu64 " swapped=%" PRIu64
		      "\n",
		      passed, lost, doubled, swapped);
	for (unsigned i = 0; i < client_count; i++) {
		(void)close(clients[i]->fd);
		free(clients[i]);
	}
	(void)close(listener);
	return 0;
}
