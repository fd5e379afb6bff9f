/* SPDX-License-Identifier: Apache-2.0
 *
 * The two fakes of a scenario: a network that keeps the last answer, and a clock that stands
 * still until told. Everything else is the real engine, store, proto and core.
 */
#ifndef SCENARIO_FAKE_H
#define SCENARIO_FAKE_H

#include "net/net.h"

struct net_peer {
	char identity[LIMIT_DEVICE_ID + 1];
	void *user;
	int64_t since_ms;
	char key[LIMIT_PSK]; /* what it has; "": whatever is asked for */
	uint64_t key_tag;
	bool plain;	/* coap without DTLS */
	bool certified; /* it proves who it is with a certificate */
	enum net_refused refused;
	bool closed; /* net_peer_close() was called */
	unsigned rings;
	/* what it is asked: the tag, 0: nothing */
	uint32_t asked;
	char ask_path[64];
	int64_t body_size, fetched;
	struct net_link facts;
};

/* The last answer that net_reply() was given. */
struct fake_reply {
	bool muted; /* the process is dead: nothing leaves it */
	bool given;
	char codes[256]; /* of all answers since it was last emptied, "2.04 5.03" */
	uint8_t code;
	int content_format;
	int64_t size2, max_age_s;
	uint8_t payload[LIMIT_COAP_PAYLOAD];
	size_t len;
};

extern struct fake_reply fake_reply;
/* 2023-11-14 22:13:20 UTC */
#define FAKE_START_MS 1700000000000
/* NULL, or told of each answer, and of each ring: whether the peer listens. */
extern void (*fake_on_reply)(struct net_exchange exchange, const struct net_reply *reply);
extern bool (*fake_on_ring)(struct net_peer *peer);
extern int64_t fake_wall_ms; /* both clocks; they may be set apart */
extern int64_t fake_now_ms;

#endif
