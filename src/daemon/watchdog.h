/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether the watchdog of the service manager may be fed. Asked by a timer of the loop, so the
 * loop turns; and only while the store moves: what waits for a commit longer than the limit is
 * stuck, and nobody would ever be answered. Failing is not being stuck. Pure.
 */
#ifndef DAEMON_WATCHDOG_H
#define DAEMON_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>

struct watchdog {
	int64_t limit_ms;
	int64_t moved_ms; /* when the store was last seen idle or moving */
	uint64_t done;	  /* write-sets it had finished then */
	bool starving;	  /* it is not fed */
};

struct watchdog watchdog_init(int64_t limit_ms, int64_t now_ms);
/* `waiting` write-sets are submitted and not finished, `done` were finished since the start. */
bool watchdog_may_feed(struct watchdog *w, uint64_t waiting, uint64_t done, int64_t now_ms);

#endif
