/* SPDX-License-Identifier: Apache-2.0
 *
 * Small pieces of memory that live for long, kept together by their size: among the short-lived
 * ones of the heap each would hold on to a page of it. A page whose pieces are all given back goes
 * back, too, but for one. Pages are not of the heap either: there each would hold on to parts of
 * two more.
 */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include <stddef.h>

#include "base/list.h"

enum {
	SLAB_PAGE = 16384, /* bytes, and their alignment */
	SLAB_STEP = 16,	   /* sizes are rounded up to it */
	SLAB_PIECE = 1024, /* longer ones come from the heap */
	SLAB_REGION = 64,  /* pages that are asked of the system at once; it gives them when used */
};

struct slab {
	struct list roomy[SLAB_PIECE / SLAB_STEP]; /* pages with a free piece, by size */
	struct list spacious;			   /* regions with a free page */
	struct page *spare;			   /* an empty one */
	size_t pages, regions;
};

void slab_init(struct slab *s);
/* All pieces have been given back. */
void slab_done(struct slab *s);

/* Zeroed; NULL without memory. A length of 0 is 1. */
void *slab_take(struct slab *s, size_t len);
/* Wiped: what it held may be a secret. `len` as it was taken with. NULL is fine. */
void slab_give(struct slab *s, void *piece, size_t len);

#endif
