/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/watchdog.h"

struct watchdog watchdog_init(int64_t limit_ms, int64_t now_ms)
{
	return (struct watchdog){.limit_ms = limit_ms, .moved_ms = now_ms};
}

bool watchdog_may_feed(struct watchdog *w, uint64_t waiting, uint64_t done, int64_t now_ms)
{
	if (waiting == 0 || done != w->done) {
		w->moved_ms = now_ms;
		w->done = done;
	}
	w->starving = now_ms - w->moved_ms >= w->limit_ms;
	return !w->starving;
}
