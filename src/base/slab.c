/* SPDX-License-Identifier: Apache-2.0 */
#include "base/slab.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* So many pages of the system's, aligned to our size. */
struct region {
	struct list link; /* in spacious, or in nothing */
	uint8_t *pages;
	uint64_t free; /* a bit for each page */
	void *memory;
};

/* At the beginning of each page; the pieces follow. */
struct page {
	struct list link; /* in roomy, or in nothing */
	struct region *region;
	struct piece *free;
	unsigned used, count;
};

struct piece {
	struct piece *next;
};

enum {
	PAGE_HEAD = (sizeof(struct page) + SLAB_STEP - 1) / SLAB_STEP * SLAB_STEP,
	REGION_BYTES = (SLAB_REGION + 1) * SLAB_PAGE, /* one for the alignment, never touched */
};
static const uint64_t all_free = UINT64_MAX;
_Static_assert(SLAB_REGION == 64, "struct region has a bit for each page");

/* ---- regions ---- */

#ifdef __has_feature /* clang's way to say __SANITIZE_ADDRESS__ */
#if __has_feature(address_sanitizer)
#define SLAB_OF_HEAP
#endif
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(SLAB_OF_HEAP)
/* Where pointers to the heap are, and what is freed, is the sanitizer's to know. */
static void *region_map(void)
{
	return malloc(REGION_BYTES);
}

static void region_unmap(void *memory)
{
	free(memory);
}

static void region_empty(uint8_t *page)
{
	memset(page, 0, SLAB_PAGE);
}
#else
static void *region_map(void)
{
	void *memory = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	(void)madvise(memory, REGION_BYTES,
		      MADV_NOHUGEPAGE); /* of which one piece would hold 2 MiB */
	return memory;
}

static void region_unmap(void *memory)
{
	(void)munmap(memory, REGION_BYTES);
}

static void region_empty(uint8_t *page)
{
	(void)madvise(page, SLAB_PAGE, MADV_DONTNEED);
}
#endif

static struct region *region_new(struct slab *s)
{
	struct region *r = malloc(sizeof(*r));
	void *memory = r ? region_map() : NULL;

	if (!memory) {
		free(r);
		return NULL;
	}
	uintptr_t beyond = (uintptr_t)memory % SLAB_PAGE;

	*r = (struct region){.memory = memory, .free = all_free};
	r->pages = (uint8_t *)memory + (beyond ? SLAB_PAGE - beyond : 0);
	list_init(&r->link);
	list_append(&s->spacious, &r->link);
	s->regions++;
	return r;
}

static struct page *region_take(struct slab *s)
{
	struct page *spare = s->spare;

	if (spare) {
		s->spare = NULL;
		s->pages++;
		return spare;
	}
	struct region *r = list_empty(&s->spacious)
				   ? region_new(s)
				   : LIST_ENTRY(s->spacious.next, struct region, link);

	if (!r)
		return NULL;
	unsigned at = (unsigned)__builtin_ctzll(r->free);
	void *page = r->pages + (size_t)at * SLAB_PAGE;

	r->free &= ~(UINT64_C(1) << at);
	if (r->free == 0)
		list_remove(&r->link);
	s->pages++;
	((struct page *)page)->region = r;
	return page;
}

static void region_free(struct slab *s, struct page *page)
{
	struct region *r = page->region;
	uint8_t *at = (uint8_t *)page;

	if (r->free == 0)
		list_append(&s->spacious, &r->link);
	r->free |= UINT64_C(1) << (size_t)(at - r->pages) / SLAB_PAGE;
	if (r->free != all_free) {
		region_empty(at);
		return;
	}
	list_remove(&r->link);
	region_unmap(r->memory);
	free(r);
	s->regions--;
}

/* One stays: who takes and gives by turns does not ask the system each time. */
static void region_give(struct slab *s, struct page *page)
{
	s->pages--;
	if (s->spare)
		region_free(s, page);
	else
		s->spare = page;
}

/* ---- pages ---- */

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
	list_init(&s->spacious);
	s->spare = NULL;
	s->pages = s->regions = 0;
}

void slab_done(struct slab *s)
{
	if (s->spare)
		region_free(s, s->spare);
	s->spare = NULL;
	assert(s->pages == 0 && s->regions == 0);
}

static struct page *page_new(struct slab *s, size_t index)
{
	size_t size = (index + 1) * SLAB_STEP;
	struct page *page = region_take(s);

	if (!page)
		return NULL;
	list_init(&page->link);
	page->free = NULL;
	page->used = 0;
	page->count = (unsigned)((SLAB_PAGE - PAGE_HEAD) / size);
	for (unsigned i = page->count; i > 0; i--) {
		void *at = (uint8_t *)page + PAGE_HEAD + (i - 1) * size;
		struct piece *piece = at;

		piece->next = page->free;
		page->free = piece;
	}
	list_append(&s->roomy[index], &page->link);
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
		region_give(s, page);
	}
}
