/* SPDX-License-Identifier: Apache-2.0
 *
 * A progress bar on stderr, while stdout waits for the result.
 */
#ifndef CTL_BAR_H
#define CTL_BAR_H

#include <stdbool.h>
#include <stdint.h>

struct bar {
	const char *name;
	int shown; /* percent or MiB, so that it is drawn only when it changes; -1: nothing yet */
	bool utf8;
};

/* An http_progress_fn; `total` 0 or less: unknown. */
void bar_draw(int64_t done, int64_t total, void *bar);

#endif
