/* SPDX-License-Identifier: Apache-2.0
 *
 * Handshakes with certificates, in steps: what has come for one is handed to a thread of the pool
 * together with its context; what it sends, its timer and its end wait until the thread gives it
 * back. Datagrams that come meanwhile wait, too, up to LIMIT_STEP_WAITING of them. A session that
 * is up has no steps: all of it is on the loop's thread.
 */
#ifndef NET_NET_STEP_H
#define NET_NET_STEP_H

#include <stdatomic.h>

#include "net/net_internal.h"
#include "net/net_pool.h"
#include "net/net_x509.h"

struct net_datagram {
	uint8_t *data;
	size_t len;
	struct net_local to;
};

struct net_step {
	struct net_task work;
	struct net_tls *tls;
	struct net_x509 *set; /* a reference */
	struct net_x509_proof proof;
	bool busy;	    /* a thread has it, or will have it */
	atomic_bool orphan; /* its peer is gone: ends with this step, or before it */
	bool resumed;	    /* by a ticket */
	bool begun;	    /* the first flight was answered: it goes before newcomers */
	uint16_t origin;
	struct net_datagram waiting[LIMIT_STEP_WAITING];
	unsigned waiting_count;
	/* with the thread */
	struct net_datagram in[LIMIT_STEP_WAITING];
	unsigned in_count, in_at;
	int64_t now_ms;
	struct buf out; /* datagrams, each after its length in two bytes */
	uint32_t us;	/* processor time */
	int error;	/* of mbedTLS */
	enum net_tls_result result;
};

/* For a new half-open peer; it is freed with `tls`. ERR_NOMEM. */
int net_step_new(struct net_tls *tls, struct net_x509 *set, uint16_t origin) ERR_CHECK;
/* False: a thread has it; it goes when that gives it back. */
bool net_step_free(struct net_step *step);
/* A datagram for its peer, or (NULL) the time to repeat the last flight. */
void net_step_submit(struct net_peer *peer, const struct net_udp_in *in);
/* Why it failed. */
enum net_refused net_step_why(const struct net_step *step);

/* What mbedTLS calls, on whatever thread. */
int net_step_send(struct net_step *step, const unsigned char *data, size_t len);
int net_step_receive(struct net_step *step, unsigned char *dst, size_t cap);

#endif
