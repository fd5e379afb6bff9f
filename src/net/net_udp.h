/* SPDX-License-Identifier: Apache-2.0
 *
 * UDP sockets: made, read and written in batches; the kernel gives and takes several datagrams of
 * one peer as one message, where it can (UDP_GRO, UDP_SEGMENT). A reply leaves from the address its
 * request came to (IP_PKTINFO). Knows nothing of what the datagrams hold.
 */
#ifndef NET_NET_UDP_H
#define NET_NET_UDP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

enum {
	NET_UDP_BATCH = 64,    /* datagrams that are handled, or sent, together */
	NET_UDP_MESSAGES = 16, /* of the kernel's, read together: each one datagram or more */
	NET_UDP_GOT = NET_UDP_MESSAGES * 128, /* datagrams: the kernel puts no more into one */
	NET_UDP_DATAGRAM = 2048,	      /* longer ones are dropped */
	NET_UDP_MERGE = 16,		      /* datagrams that the kernel is given as one */
	NET_UDP_BUFFER = 4 * 1024 * 1024,
};

union net_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* The address of ours that a datagram came to. */
struct net_local {
	uint8_t family; /* 0: unknown, the kernel chooses */
	uint32_t ifindex;
	union {
		struct in_addr v4;
		struct in6_addr v6;
	} at;
};

struct net_udp_in {
	uint8_t *data;
	size_t len;
	union net_address from;
	struct net_local to;
};

/* Datagrams that came, those of one message next to each other. */
struct net_udp_got {
	struct net_udp_in *in;
	unsigned count;
	unsigned cut; /* others: empty, or longer than NET_UDP_DATAGRAM */
};

/* Receive buffers of one loop. */
struct net_udp_rx;
/* Outgoing datagrams that have not been handed to the kernel yet, all of one socket. */
struct net_udp_tx;

socklen_t net_address_len(const union net_address *a);

/* A bound, non-blocking socket; net_udp_adopt() does the rest. */
int net_udp_open(const struct sockaddr *addr, int *ret_fd) ERR_CHECK;
/* Large buffers, and on a wildcard address the destination of each datagram; datagrams of one peer
 * that follow each other come as one message. Makes ours a socket that somebody else bound, too. */
int net_udp_adopt(int fd) ERR_CHECK;
/* Bytes of datagrams that the kernel keeps for us. */
int net_udp_receive_buffer(int fd);
int net_udp_bound(int fd, struct sockaddr_storage *ret) ERR_CHECK;

struct net_udp_rx *net_udp_rx_new(void);
void net_udp_rx_free(struct net_udp_rx *rx);
/* What there is, borrowed until the next call. True: there may be more. */
bool net_udp_receive(struct net_udp_rx *rx, int fd, struct net_udp_got *ret);

struct net_udp_tx *net_udp_tx_new(void);
void net_udp_tx_free(struct net_udp_tx *tx);
/* Copies; a datagram longer than NET_UDP_DATAGRAM is dropped. Flushes first if full. */
void net_udp_queue(struct net_udp_tx *tx, int fd, const union net_address *to,
		   const struct net_local *from, const uint8_t *data, size_t len);
unsigned net_udp_queued(const struct net_udp_tx *tx);
/* What the kernel does not take at once is lost, as on any network. Returns the number sent. */
unsigned net_udp_flush(struct net_udp_tx *tx, int fd);

#endif
