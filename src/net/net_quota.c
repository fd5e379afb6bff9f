/* SPDX-License-Identifier: Apache-2.0 */
#include "net/net_quota.h"

#include <stdlib.h>

enum { SETS = 1024, WAYS = 4, BUSY_WAIT_S = 5 };

enum purse { REQUESTS, BLOCKS, EXCESS, FORGED, PURSES };

#define MS_NS ((int64_t)1000000)
#define SECOND_NS ((int64_t)1000000000)
#define BLOCK_NS (SECOND_NS / NET_QUOTA_BLOCKS_PER_S)
#define EXCESS_NS (SECOND_NS / NET_QUOTA_EXCESS_PER_S)
#define FORGED_NS (SECOND_NS / NET_QUOTA_FORGED_PER_S)

/* Beyond these an account is not heard any more. */
#define EXCESS_MOST_NS SECOND_NS
#define FORGED_MOST_NS (NET_QUOTA_FORGED_BURST * FORGED_NS)

struct net_account {
	uint64_t key;		  /* 0: free */
	int64_t until_ns[PURSES]; /* when it will be even again */
	int64_t refused_ms;	  /* the last time */
	int64_t told_ms;
	unsigned refused; /* since it was told */
	bool told;
};

/* ---- the table ---- */

static uint64_t key_of(uint64_t key)
{
	return key ? key : 1;
}

static struct net_account *set_of(const struct net_quota *q, uint64_t key)
{
	return q->accounts + key % SETS * WAYS;
}

static struct net_account *find(const struct net_quota *q, uint64_t key)
{
	struct net_account *set = set_of(q, key_of(key));

	for (int i = 0; i < WAYS; i++)
		if (set[i].key == key_of(key))
			return &set[i];
	return NULL;
}

static int64_t even_ns(const struct net_account *a)
{
	int64_t latest = a->until_ns[0];

	for (int i = 1; i < PURSES; i++)
		if (a->until_ns[i] > latest)
			latest = a->until_ns[i];
	return a->key ? latest : INT64_MIN;
}

static struct net_account *obtain(struct net_quota *q, uint64_t key)
{
	struct net_account *found = find(q, key), *set = set_of(q, key_of(key));

	if (found)
		return found;
	found = &set[0];
	for (int i = 1; i < WAYS; i++)
		if (even_ns(&set[i]) < even_ns(found))
			found = &set[i];
	*found = (struct net_account){.key = key_of(key)};
	return found;
}

/* ---- one purse ---- */

static int64_t after(int64_t until_ns, int64_t now_ns, int64_t cost_ns)
{
	return (until_ns > now_ns ? until_ns : now_ns) + cost_ns;
}

static bool affords(int64_t until_ns, int64_t now_ns, int64_t cost_ns, int64_t burst_ns)
{
	return after(until_ns, now_ns, cost_ns) - now_ns <= burst_ns;
}

static unsigned wait_s(int64_t until_ns, int64_t now_ns, int64_t cost_ns, int64_t burst_ns)
{
	int64_t ns = after(until_ns, now_ns, cost_ns) - now_ns - burst_ns;

	return ns > SECOND_NS ? (unsigned)((ns + SECOND_NS - 1) / SECOND_NS) : 1;
}

static void deaf_note(struct net_quota *q, int64_t until_ns, int64_t most_ns)
{
	if (until_ns - most_ns > q->deaf_until_ns)
		q->deaf_until_ns = until_ns - most_ns;
}

/* ---- public ---- */

int net_quota_init(struct net_quota *q)
{
	*q = (struct net_quota){0};
	q->accounts = calloc((size_t)SETS * WAYS, sizeof(*q->accounts));
	return q->accounts ? 0 : ERR_NOMEM;
}

void net_quota_done(struct net_quota *q)
{
	free(q->accounts);
	q->accounts = NULL;
}

void net_quota_set(struct net_quota *q, unsigned per_s, unsigned all_per_s)
{
	q->cost_ns = per_s ? SECOND_NS / per_s : 0;
	q->all_cost_ns = all_per_s ? SECOND_NS / all_per_s : 0;
}

static enum net_admission refuse(struct net_quota *q, struct net_account *a, int64_t now_ms,
				 enum net_admission why)
{
	int64_t now_ns = now_ms * MS_NS;
	bool answered =
		affords(a->until_ns[EXCESS], now_ns, EXCESS_NS, NET_QUOTA_ANSWERS * EXCESS_NS);

	a->until_ns[EXCESS] = after(a->until_ns[EXCESS], now_ns, EXCESS_NS);
	deaf_note(q, a->until_ns[EXCESS], EXCESS_MOST_NS);
	a->refused++;
	a->refused_ms = now_ms;
	return answered ? why : NET_ADMIT_SILENT;
}

static enum net_admission take_block(struct net_quota *q, struct net_account *a, int64_t now_ms,
				     unsigned *ret_wait_s)
{
	int64_t now_ns = now_ms * MS_NS;

	if (!affords(a->until_ns[BLOCKS], now_ns, BLOCK_NS, SECOND_NS)) {
		*ret_wait_s = 1;
		return refuse(q, a, now_ms, NET_ADMIT_TOO_MANY);
	}
	a->until_ns[BLOCKS] = after(a->until_ns[BLOCKS], now_ns, BLOCK_NS);
	return NET_ADMIT;
}

enum net_admission net_quota_take(struct net_quota *q, uint64_t key, enum net_work work,
				  int64_t now_ms, unsigned *ret_wait_s)
{
	int64_t now_ns = now_ms * MS_NS;
	int share = work >= NET_WORK_NOTHING ? 1 : 4;
	int64_t burst_ns = NET_QUOTA_BURST_S * SECOND_NS;
	int64_t cost_ns = q->cost_ns / share, all_cost_ns = q->all_cost_ns / share;

	if (q->cost_ns == 0 && q->all_cost_ns == 0)
		return NET_ADMIT;
	struct net_account *a = obtain(q, key);

	if (work == NET_WORK_BLOCK)
		return take_block(q, a, now_ms, ret_wait_s);
	if (work == NET_WORK_NOTHING || work == NET_WORK_MESSAGE)
		burst_ns -= burst_ns / 5;
	if (!affords(a->until_ns[REQUESTS], now_ns, cost_ns, burst_ns)) {
		*ret_wait_s = wait_s(a->until_ns[REQUESTS], now_ns, cost_ns, burst_ns);
		return refuse(q, a, now_ms, NET_ADMIT_TOO_MANY);
	}
	if (!affords(q->all_until_ns, now_ns, all_cost_ns, SECOND_NS)) {
		*ret_wait_s = BUSY_WAIT_S;
		return refuse(q, a, now_ms, NET_ADMIT_BUSY);
	}
	a->until_ns[REQUESTS] = after(a->until_ns[REQUESTS], now_ns, cost_ns);
	q->all_until_ns = after(q->all_until_ns, now_ns, all_cost_ns);
	return NET_ADMIT;
}

bool net_quota_has_room(const struct net_quota *q, int64_t now_ms)
{
	return affords(q->all_until_ns, now_ms * MS_NS, q->all_cost_ns, SECOND_NS);
}

bool net_quota_is_deaf(const struct net_quota *q, uint64_t key, int64_t now_ms)
{
	int64_t now_ns = now_ms * MS_NS;
	const struct net_account *a = net_quota_any_deaf(q, now_ms) ? find(q, key) : NULL;

	return a && (a->until_ns[EXCESS] - now_ns > EXCESS_MOST_NS ||
		     a->until_ns[FORGED] - now_ns > FORGED_MOST_NS);
}

void net_quota_forged(struct net_quota *q, uint64_t key, int64_t now_ms)
{
	struct net_account *a = obtain(q, key);

	a->until_ns[FORGED] = after(a->until_ns[FORGED], now_ms * MS_NS, FORGED_NS);
	deaf_note(q, a->until_ns[FORGED], FORGED_MOST_NS);
}

bool net_quota_tell(struct net_quota *q, uint64_t key, int64_t now_ms, unsigned *ret_refused)
{
	struct net_account *a = find(q, key);

	if (!a || !a->refused || (a->told && now_ms - a->told_ms < NET_QUOTA_TELL_MS))
		return false;
	*ret_refused = a->refused;
	a->refused = 0;
	a->told = true;
	a->told_ms = now_ms;
	return true;
}

unsigned net_quota_limited(const struct net_quota *q, int64_t now_ms)
{
	unsigned count = 0;

	for (size_t i = 0; i < (size_t)SETS * WAYS; i++)
		count += q->accounts[i].key && q->accounts[i].refused_ms &&
			 now_ms - q->accounts[i].refused_ms < NET_QUOTA_SHOWN_MS;
	return count;
}

unsigned net_quota_age_s(unsigned wait_s, uint32_t random)
{
	return wait_s + random % (wait_s + 1);
}
