/* SPDX-License-Identifier: Apache-2.0
 *
 * Byte rates of downloads: when may a block go out, and is it worth waiting for? Pure; times are
 * microseconds of any clock that does not jump.
 *
 * A bucket is a token bucket turned round: the time at which nothing is owed any more.
 *
 * Too early by a little, a block is held back and goes out late: to a client that is a slow link,
 * and every client that follows RFC 7252 bears one. That ends where the client's patience does:
 * after PACE_HOLD_MS, before the empty ACK of a separate response would go out at 1 s (RFC 7252
 * 5.2.2), as those need an acknowledgement of their own for each block, and before the request
 * comes again at 2 s. What would take longer is refused: 5.03 with Max-Age (RFC 7252 5.9.3.4).
 * Silence would be worse: it looks like loss, costs the device its battery, and after five tries
 * its session.
 */
#ifndef CORE_PACE_H
#define CORE_PACE_H

#include <stdint.h>

enum {
	PACE_BURST_MS = 100, /* of the rate may go at once after a rest */
	PACE_HOLD_MS = 800,
	PACE_AGE_MAX_S = 60,
};

struct bucket {
	int64_t even_us;
};

/* 0: now, else how long not; rate 0: any. */
int64_t bucket_wait_us(const struct bucket *b, int64_t rate, int64_t now_us);
void bucket_take(struct bucket *b, int64_t rate, int64_t bytes, int64_t now_us);

/* A block that has been asked for, and what is before it. Rates in bytes a second, 0: any. */
struct pace_ask {
	int64_t device_rate, all_rate;
	int64_t device_wait_us, all_wait_us; /* of the buckets */
	int64_t device_held_bytes, all_held_bytes;
	int64_t devices; /* others that have something held: each gets its turn */
	/* the same of the device's group; rate 0: none */
	int64_t group_rate, group_wait_us, group_held_bytes, group_devices;
	int64_t bytes;
};

/* How long it will be held: 0, or the longest of what the device's own rate, its group's and the
 * rate of all make it, if devices take turns. */
int64_t pace_expect_us(const struct pace_ask *ask);

/* After how many seconds to ask again; `random` spreads those who were refused together. */
int64_t pace_age_s(int64_t expect_us, uint32_t random);

/* The rate that one more device can count on; 0: any. */
int64_t pace_share(int64_t device_rate, int64_t all_rate, int64_t devices);

#endif
