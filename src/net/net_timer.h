/* SPDX-License-Identifier: Apache-2.0
 *
 * Timers of the whole room in one pairing heap: a timer is embedded in its owner, so arming
 * never allocates and never fails, and a hundred thousand of them cost one uv_timer. Pure:
 * the time is a number of the caller's.
 */
#ifndef NET_NET_TIMER_H
#define NET_NET_TIMER_H

#include <stdbool.h>
#include <stdint.h>

struct net_timer {
	struct net_timer *child, *next, *prev; /* prev: elder sibling, or parent of the eldest */
	int64_t at_ms;
	void (*fire)(struct net_timer *timer, void *ctx);
	bool armed;
};

struct net_timers {
	struct net_timer *root;
	void *ctx;	/* handed to every fire() */
	int64_t now_ms; /* the present, monotonic; the owner sets it at each way in */
};

/* The owner zeroes the timer once; arming an armed one moves it. */
void net_timer_arm(struct net_timers *timers, struct net_timer *timer, int64_t at_ms,
		   void (*fire)(struct net_timer *timer, void *ctx));
/* Harmless on one that is not armed. */
void net_timer_disarm(struct net_timers *timers, struct net_timer *timer);

/* The earliest deadline, or -1 if nothing is armed. */
int64_t net_timers_next_ms(const struct net_timers *timers);
/* Fires everything due, earliest first; a timer is disarmed before its fire() runs,
 * which may arm it again for a time after now_ms. */
void net_timers_run(struct net_timers *timers);

#endif
