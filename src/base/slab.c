/* SPDX-License-Identifier: Apache-2.0 */
#include "base/slab.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* At the beginning of each page; the pieces follow. */
struct page {
	struct list link; /* in roomy, or in nothing */
	struct piece *free;
	unsigned used, count;
};

struct piece {
	struct piece *next;
};

enum {
	PAGE_HEAD = (sizeof(struct page) + SLAB_STEP - 1) / SLAB_STEP * SLAB_STEP,
	PAGE_BYTES = SLAB_PAGE - 32, /* so that malloc's own header of the next one fits, too */
};

static size_t index_of(size_t len)
{
	return (len ? len - 1 : 0) / SLAB_STEP;
}

static struct page *page_of(const void *piece)
{
	/* Pages are aligned to their size. NOLINTNEXTLINE(performance-no-int-to-ptr) */
	return (struct page *)((uintptr_t)piece & ~(uintptr_t)(SLAB_PAGE - 1));
}

void slab_init(struct slab *s)
{
	for (size_t i = 0; i < SLAB_PIECE / SLAB_STEP; i++)
		list_init(&s->roomy[i]);
	s->pages = 0;
}

void slab_done(struct slab *s)
{
	assert(s->pages == 0);
	(void)s;
}

static struct page *page_new(struct slab *s, size_t index)
{
	size_t size = (index + 1) * SLAB_STEP;
	void *memory = NULL;

	if (posix_memalign(&memory, SLAB_PAGE, PAGE_BYTES))
		return NULL;
	struct page *page = memory;

	list_init(&page->link);
	page->free = NULL;
	page->used = 0;
	page->count = (unsigned)((PAGE_BYTES - PAGE_HEAD) / size);
	for (unsigned i = page->count; i > 0; i--) {
		void *at = (uint8_t *)page + PAGE_HEAD + (i - 1) * size;
		struct piece *piece = at;

		piece->next = page->free;
		page->free = piece;
	}
	list_append(&s->roomy[index], &page->link);
	s->pages++;
	return page;
}

void *slab_take(struct slab *s, size_t len)
{
	size_t index = index_of(len);

	if (index >= SLAB_PIECE / SLAB_STEP)
		return calloc(1, len);
	struct page *page = list_empty(&s->roomy[index])
				    ? page_new(s, index)
				    : LIST_ENTRY(s->roomy[index].next, struct page, link);

	if (!page)
		return NULL;
	struct piece *piece = page->free;

	assert(piece); /* a page without room is not in the list */
	page->free = piece->next;
	if (++page->used == page->count)
		list_remove(&page->link);
	return memset(piece, 0, (index + 1) * SLAB_STEP);
}

void slab_give(struct slab *s, void *ptr, size_t len)
{
	size_t index = index_of(len);

	if (!ptr)
		return;
	explicit_bzero(ptr, len);
	if (index >= SLAB_PIECE / SLAB_STEP) {
		free(ptr);
		return;
	}
	struct page *page = page_of(ptr);
	struct piece *piece = ptr;

	if (page->used-- == page->count)
		list_append(&s->roomy[index], &page->link);
	piece->next = page->free;
	page->free = piece;
	if (page->used == 0) {
		list_remove(&page->link);
		free(page);
		s->pages--;
	}
}
