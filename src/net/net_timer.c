/* SPDX-License-Identifier: Apache-2.0 */
#include "net/net_timer.h"

#include <stddef.h>

static struct net_timer *meld(struct net_timer *a, struct net_timer *b)
{
	if (!a)
		return b;
	if (!b)
		return a;
	if (b->at_ms < a->at_ms) {
		struct net_timer *swap = a;
		a = b;
		b = swap;
	}
	b->prev = a;
	b->next = a->child;
	if (b->next)
		b->next->prev = b;
	a->child = b;
	a->next = a->prev = NULL;
	return a;
}

/* The two passes of a pairing heap: meld neighbours, then all pairs from the last. */
static struct net_timer *meld_siblings(struct net_timer *first)
{
	struct net_timer *pairs = NULL;

	while (first) {
		struct net_timer *a = first, *b = a->next;

		first = b ? b->next : NULL;
		a->next = a->prev = NULL;
		if (b)
			b->next = b->prev = NULL;
		a = meld(a, b);
		a->next = pairs;
		pairs = a;
	}

	struct net_timer *root = NULL;

	while (pairs) {
		struct net_timer *rest = pairs->next;

		pairs->next = NULL;
		root = meld(root, pairs);
		pairs = rest;
	}
	return root;
}

void net_timer_disarm(struct net_timers *timers, struct net_timer *timer)
{
	if (!timer->armed)
		return;
	timer->armed = false;
	if (timers->root == timer) {
		timers->root = meld_siblings(timer->child);
	} else {
		if (timer->prev->child == timer)
			timer->prev->child = timer->next;
		else
			timer->prev->next = timer->next;
		if (timer->next)
			timer->next->prev = timer->prev;
		timers->root = meld(timers->root, meld_siblings(timer->child));
	}
	timer->child = timer->next = timer->prev = NULL;
}

void net_timer_arm(struct net_timers *timers, struct net_timer *timer, int64_t at_ms,
		   void (*fire)(struct net_timer *timer, void *ctx))
{
	net_timer_disarm(timers, timer);
	timer->at_ms = at_ms;
	timer->fire = fire;
	timer->armed = true;
	timer->child = timer->next = timer->prev = NULL;
	timers->root = meld(timers->root, timer);
}

int64_t net_timers_next_ms(const struct net_timers *timers)
{
	return timers->root ? timers->root->at_ms : -1;
}

void net_timers_run(struct net_timers *timers)
{
	while (timers->root && timers->root->at_ms <= timers->now_ms) {
		struct net_timer *due = timers->root;

		net_timer_disarm(timers, due);
		due->fire(due, timers->ctx);
	}
}
