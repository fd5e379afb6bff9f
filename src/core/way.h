/* SPDX-License-Identifier: Apache-2.0
 *
 * The way to a release that must be passed through others first: stepping stones, each with
 * stones of its own. A stone is a release of the same product that was there before those which
 * name it, so a way has no loops. Pure: who has the releases gives them.
 */
#ifndef CORE_WAY_H
#define CORE_WAY_H

#include "core/attempt.h"

struct way {
	unsigned count;
	bool broken;				/* a stone is gone, or there are too many */
	char missing[LIMIT_VERSION + 1];	/* that one, if broken; "": too many */
	const struct release *stone[LIMIT_WAY]; /* the first one first, without the goal */
};

/* The release of that product and label; NULL: none. Borrowed. */
typedef const struct release *way_release(void *ctx, int64_t product, const char *version);

void way_find(const struct release *goal, way_release *release, void *ctx, struct way *ret);

/* Where the device goes next: a stone or the goal. While an attempt is open to one of them, it is
 * that one. It has passed a stone that it runs or, by the order of labels, is beyond; and with a
 * stone all that come before it. */
const struct release *way_next(const struct way *w, const struct release *goal,
			       const struct device *d, const struct attempt *open);

#endif
