/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/bar.h"

#include <stdio.h>

void bar_draw(int64_t done, int64_t total, void *arg)
{
	enum { WIDTH = 32 };
	struct bar *b = arg;
	int percent = total > 0 ? (int)(done * 100 / total) : (int)(done >> 20);
	int full = total > 0 ? percent * WIDTH / 100 : 0;

	if (percent == b->shown)
		return;
	b->shown = percent;
	if (total <= 0) {
		fprintf(stderr, "\r\033[K%s  %d MiB", b->name, percent);
		return;
	}
	fprintf(stderr, "\r\033[K%s  ", b->name);
	for (int i = 0; i < WIDTH; i++)
		fputs(i < full ? (b->utf8 ? "█" : "#") : (b->utf8 ? "░" : "."), stderr);
	fprintf(stderr, " %3d %%", percent);
}
