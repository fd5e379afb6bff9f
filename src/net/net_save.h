/* SPDX-License-Identifier: Apache-2.0
 *
 * All sessions of a net as bytes, so that the next process goes on with them: no handshake, no new
 * registration. What is saved is secret, and may be used once (net_sleep.h says why): its keeper
 * destroys it before net_restore() is called, and never lets it survive a crash or another boot.
 *
 * It is refused as a whole when it is damaged, or when anything differs that a saved context rests
 * on. Its times are those of the monotonic clock, which another boot does not share.
 */
#ifndef NET_NET_SAVE_H
#define NET_NET_SAVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* What must be the same. */
struct net_save_world {
	uint32_t mbedtls;     /* version of the library that runs */
	uint64_t tls;	      /* of our configuration of it */
	int64_t booted_ms;    /* wall time at which the machine started */
	int64_t monotonic_ms; /* may only rise */
};

enum {
	NET_SAVE_FORMAT = 2,
	NET_SAVE_BOOT_MS = 5000, /* a clock that is set shifts the time of boot; so far it may */
	NET_SAVE_SOCKETS = 32,
	NET_SAVE_RECORD = 16384, /* bytes of one session, at most */
};

struct net;

/* NULL: the same world; else what differs, for the log. Pure. */
const char *net_save_differs(const struct net_save_world *saved, const struct net_save_world *now);
void net_save_world_read(const struct net *net, struct net_save_world *ret);

/* Whether all of it is well-formed and undamaged. ERR_CORRUPT, ERR_VERSION (of the form). Pure. */
int net_save_check(struct bytes saved, struct net_save_world *ret_world,
		   uint32_t *ret_count) ERR_CHECK;

#endif
