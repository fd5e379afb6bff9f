/* SPDX-License-Identifier: Apache-2.0
 *
 * lossy PORT DROP DOUBLE SWAP SEED [DELAY [REBIND]]: a bad radio between clients and
 * 127.0.0.1:PORT. Prints the UDP port it listens on, and loses, doubles and reorders that many
 * percent of the datagrams of both directions, always the same ones for one seed. Each one takes
 * up to DELAY ms, so that they overtake each other. Whenever REBIND datagrams of a client went to
 * the server, it sees another port, as when a NAT forgets. Ends with SIGTERM, and then says on
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
#include <time.h>
#include <unistd.h>

enum { CLIENTS_MAX = 64, DATAGRAM_MAX = 65536, HOLD_MS = 30, QUEUE_MAX = 1024 };

struct way {
	uint8_t held[DATAGRAM_MAX];
	size_t held_len;
};

/* One client and the socket that stands for it at the server. */
struct client {
	struct sockaddr_in at;
	int fd;
	unsigned since_rebind;
	struct way up, down;
};

/* A datagram on its way. */
struct late {
	int64_t at_ms;
	struct client *client;
	struct way *way;
	size_t len;
	uint8_t *data;
};

static struct client *clients[CLIENTS_MAX];
static unsigned client_count;
static int listener;
static struct sockaddr_in server;
static unsigned drop, twice, swap, delay_ms, rebind;
static struct late queue[QUEUE_MAX];
static unsigned queue_len;
static uint64_t seed, passed, lost, doubled, swapped, rebound;
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

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* splitmix64: the next number below n. */
static unsigned below(unsigned n)
{
	uint64_t z = seed += 0x9e3779b97f4a7c15U;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return (unsigned)((z ^ (z >> 31)) % n);
}

static unsigned percent(void)
{
	return below(100);
}

static int socket_new(void)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0)
		die("socket");
	return fd;
}

static int socket_to_server(void)
{
	int fd = socket_new();

	if (connect(fd, (struct sockaddr *)&server, sizeof(server)) < 0)
		die("connect");
	return fd;
}

static void send_now(struct client *c, const struct way *way, const uint8_t *ptr, size_t len)
{
	if (way != &c->up) {
		(void)sendto(listener, ptr, len, 0, (struct sockaddr *)&c->at, sizeof(c->at));
		return;
	}
	if (rebind && c->since_rebind++ == rebind) {
		(void)close(c->fd);
		c->fd = socket_to_server();
		c->since_rebind = 1;
		rebound++;
	}
	(void)send(c->fd, ptr, len, 0);
}

static void put(struct client *c, struct way *way, const uint8_t *ptr, size_t len)
{
	struct late *l = &queue[queue_len];

	if (delay_ms == 0) {
		send_now(c, way, ptr, len);
		return;
	}
	if (queue_len == QUEUE_MAX) {
		lost++;
		return;
	}
	*l = (struct late){now_ms() + below(delay_ms + 1), c, way, len, malloc(len + 1)};
	if (!l->data)
		die("memory");
	memcpy(l->data, ptr, len);
	queue_len++;
}

/* Sends what is due; the ms until the next is. */
static int send_due(void)
{
	int64_t now = now_ms(), next = now + HOLD_MS;

	for (unsigned i = 0; i < queue_len; i++) {
		struct late l = queue[i];

		if (l.at_ms > now) {
			next = l.at_ms < next ? l.at_ms : next;
			continue;
		}
		queue[i--] = queue[--queue_len];
		send_now(l.client, l.way, l.data, l.len);
		free(l.data);
	}
	return (int)(next - now);
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
	c->fd = socket_to_server();
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
	int wait_ms = send_due();

	for (unsigned i = 0; i < count; i++)
		fds[i + 1] = (struct pollfd){.fd = clients[i]->fd, .events = POLLIN};
	int ready = poll(fds, count + 1, wait_ms);
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

	if (argc < 6 || argc > 8) {
		(void)fprintf(stderr, "usage: lossy PORT DROP DOUBLE SWAP SEED [DELAY [REBIND]]\n");
		return 2;
	}
	server = (struct sockaddr_in){.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				      .sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10))};
	drop = (unsigned)strtoul(argv[2], NULL, 10);
	twice = (unsigned)strtoul(argv[3], NULL, 10);
	swap = (unsigned)strtoul(argv[4], NULL, 10);
	seed = strtoull(argv[5], NULL, 10);
	delay_ms = argc > 6 ? (unsigned)strtoul(argv[6], NULL, 10) : 0;
	rebind = argc > 7 ? (unsigned)strtoul(argv[7], NULL, 10) : 0;
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
		      " rebound=%" PRIu64 "\n",
		      passed, lost, doubled, swapped, rebound);
	while (queue_len > 0)
		free(queue[--queue_len].data);
	for (unsigned i = 0; i < client_count; i++) {
		(void)close(clients[i]->fd);
		free(clients[i]);
	}
	(void)close(listener);
	return 0;
}
