/* SPDX-License-Identifier: Apache-2.0
 *
 * A bad link: a UDP relay in front of libcoap, in the same loop. libcoap talks to emu_link_addr();
 * the relay talks to the server. Each way a datagram can be lost, doubled, delayed or overtaken,
 * all drawn from one seed; a rebind closes the socket towards the server and takes a new one: a
 * new 5-tuple, as when a NAT forgets. Without a rebind the 5-tuple stays over reboots.
 */
#ifndef EMU_LINK_H
#define EMU_LINK_H

#include "emu/net.h"
#include "emu/rng.h"

enum { EMU_LINK_QUEUE = 256, EMU_LINK_MTU = 1600, EMU_LINK_OVERTAKEN_MS = 40 };

struct emu_link_conf {
	struct emu_addr server;
	uint32_t loss; /* percent, as the next two */
	uint32_t dup;
	uint32_t reorder;
	uint32_t delay_ms;
	uint32_t rebind_s; /* 0: never */
	uint64_t seed;
};

struct emu_link_packet {
	int64_t due_ms;
	uint64_t order;
	bool up; /* towards the server */
	size_t len;
	uint8_t *data;
};

struct emu_link_stats {
	uint64_t passed;
	uint64_t lost;
	uint64_t doubled;
	uint64_t overtaken;
	uint64_t rebinds;
};

struct emu_link {
	struct emu_link_conf conf;
	struct emu_addr local;	/* where libcoap sends to */
	struct emu_addr device; /* where libcoap sent from */
	int inner;		/* socket towards libcoap */
	int outer;		/* socket towards the server; changes at a rebind */
	struct emu_rng rng;
	int64_t rebind_at_ms;
	uint64_t order;
	bool asleep; /* the device's radio is off: what comes is lost */
	struct emu_link_packet queue[EMU_LINK_QUEUE];
	size_t queue_len;
	struct emu_link_stats stats;
};

int emu_link_new(const struct emu_link_conf *conf, int64_t now_ms,
		 struct emu_link **ret_link) ERR_CHECK;
void emu_link_free(struct emu_link *link);

void emu_link_sleep(struct emu_link *link, bool asleep);
/* A new 5-tuple now, as after a reset. */
void emu_link_rebind(struct emu_link *link, int64_t now_ms);

/* Reads both sockets, rebinds, sends what is due. */
void emu_link_process(struct emu_link *link, int64_t now_ms);
/* Next time it has something to do; INT64_MAX: only when a socket is readable. */
int64_t emu_link_next_ms(const struct emu_link *link);

/* What happens to one datagram, for the tests: queues it 0, 1 or 2 times. */
void emu_link_offer(struct emu_link *link, int64_t now_ms, bool up, const void *ptr, size_t len);

#endif
