/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may make us work how much: an account for each device, or for each address that has proved
 * nothing. Pure: the time is a number of the caller's.
 *
 * An account is a few times at which it will be even again (a token bucket turned round), so one
 * that is even need not exist. The table is therefore small and of a fixed size, whatever the
 * number of devices; where it is full the account goes that will be even first, which forgives a
 * little and never punishes the wrong one. Keys are keyed hashes: nobody can choose whom to share
 * a row of the table with.
 *
 * Blocks of images have a generous account of their own, and a fifth of the other one is kept for
 * requests that mean something: a device which asks nonsense in a loop can still report, and fetch
 * the image that cures it.
 */
#ifndef NET_NET_QUOTA_H
#define NET_NET_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum {
	NET_QUOTA_BURST_S = 10,		 /* a request account holds so many seconds' worth */
	NET_QUOTA_BLOCKS_PER_S = 100000, /* of one device; and it holds one second's worth */
	NET_QUOTA_EXCESS_PER_S = 2000,	 /* messages beyond the quota that are looked at */
	NET_QUOTA_ANSWERS = 64,		 /* of them that are answered, at most at once */
	NET_QUOTA_FORGED_PER_S = 20000,	 /* datagrams to one device that turn out not genuine */
	NET_QUOTA_FORGED_BURST = 5000,
	NET_QUOTA_TELL_MS = 60000,  /* between two lines of the log about one account */
	NET_QUOTA_SHOWN_MS = 10000, /* somebody refused so long ago counts as limited now */
};

/* What a message asks of us. */
enum net_work {
	NET_WORK_MESSAGE, /* a ping, a stray, something malformed: a quarter of a request */
	NET_WORK_REPEAT,  /* a request that came before: a quarter of one, too */
	NET_WORK_NOTHING, /* a request that will be refused; like a message, not of the last fifth
			   */
	NET_WORK_REQUEST,
	NET_WORK_BLOCK, /* of the image that this device is to fetch */
};

enum net_admission {
	NET_ADMIT,
	NET_ADMIT_TOO_MANY, /* of this one: 4.29 (RFC 8516) */
	NET_ADMIT_BUSY,	    /* of all together: 5.03 */
	NET_ADMIT_SILENT,   /* it was told often enough: as if it had been lost */
};

struct net_account;

struct net_quota {
	struct net_account *accounts;
	int64_t cost_ns, all_cost_ns; /* of a request; 0: no limit */
	int64_t all_until_ns;
	int64_t deaf_until_ns; /* no account is deaf after it */
};

int net_quota_init(struct net_quota *q) ERR_CHECK;
void net_quota_done(struct net_quota *q);

/* Requests a second of one account, and of all together; 0: any number. */
void net_quota_set(struct net_quota *q, unsigned per_s, unsigned all_per_s);

/* May it be worked on? Then it has been paid for. Else ret_wait_s is how long to stay away. */
enum net_admission net_quota_take(struct net_quota *q, uint64_t key, enum net_work work,
				  int64_t now_ms, unsigned *ret_wait_s);

/* Of the limit for all together something is left. */
bool net_quota_has_room(const struct net_quota *q, int64_t now_ms);

/* Whether it is worth asking the next one: nearly never. */
static inline bool net_quota_any_deaf(const struct net_quota *q, int64_t now_ms)
{
	return now_ms * 1000000 < q->deaf_until_ns;
}

/* It sends so much beyond its quota that its datagrams are not even decrypted for a moment. */
bool net_quota_is_deaf(const struct net_quota *q, uint64_t key, int64_t now_ms);

/* A datagram in its name was not genuine. Somebody else's, so it costs the account nothing before
 * it is very many of them. */
void net_quota_forged(struct net_quota *q, uint64_t key, int64_t now_ms);

/* After a refusal: true once a period, with the number of them since it was last true. */
bool net_quota_tell(struct net_quota *q, uint64_t key, int64_t now_ms, unsigned *ret_refused);

/* Accounts that were refused something lately. */
unsigned net_quota_limited(const struct net_quota *q, int64_t now_ms);

/* Max-Age of a refusal: `wait_s` and up to as much again, so that those who were refused together
 * do not come back together. */
unsigned net_quota_age_s(unsigned wait_s, uint32_t random);

#endif
