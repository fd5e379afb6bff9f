/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/roster.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK = 256 /* devices; half of them move when one comes between */ };

struct roster_chunk {
	unsigned count;
	struct brief list[CHUNK];
	char ids[CHUNK][LIMIT_DEVICE_ID + 1];
};

/* ---- finding ---- */

/* The last chunk that begins at or before the id; 0 if none does. */
static size_t chunk_of(const struct roster *r, const char *id)
{
	size_t low = 0, high = r->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (strcmp(r->chunks[mid]->ids[0], id) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? low - 1 : 0;
}

/* The first that is not before the id, or the chunk's end. */
static unsigned index_of(const struct roster_chunk *c, const char *id)
{
	unsigned low = 0, high = c->count;

	while (low < high) {
		unsigned mid = low + (high - low) / 2;
		if (strcmp(c->ids[mid], id) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool is_at(const struct roster_chunk *c, unsigned at, const char *id)
{
	return at < c->count && strcmp(c->ids[at], id) == 0;
}

struct brief *roster_find(struct roster *r, const char *id)
{
	struct roster_chunk *c = r->count ? r->chunks[chunk_of(r, id)] : NULL;
	unsigned at = c ? index_of(c, id) : 0;

	return c && is_at(c, at, id) ? &c->list[at] : NULL;
}

/* ---- changing ---- */

static int chunk_add(struct roster *r, size_t at)
{
	struct roster_chunk *c = calloc(1, sizeof(*c));

	if (c && r->count == r->cap) {
		size_t cap = r->cap ? 2 * r->cap : 16;
		struct roster_chunk **grown =
			reallocarray(r->chunks, cap, sizeof(struct roster_chunk *));
		if (grown) {
			r->chunks = grown;
			r->cap = cap;
		}
	}
	if (!c || r->count == r->cap) {
		free(c);
		return ERR_NOMEM;
	}
	memmove(&r->chunks[at + 1], &r->chunks[at],
		(r->count - at) * sizeof(struct roster_chunk *));
	r->chunks[at] = c;
	r->count++;
	return 0;
}

static void chunk_drop(struct roster *r, size_t at)
{
	free(r->chunks[at]);
	r->count--;
	memmove(&r->chunks[at], &r->chunks[at + 1],
		(r->count - at) * sizeof(struct roster_chunk *));
}

static void move(struct roster_chunk *to, unsigned to_at, const struct roster_chunk *from,
		 unsigned from_at, unsigned count)
{
	memmove(&to->list[to_at], &from->list[from_at], count * sizeof(to->list[0]));
	memmove(&to->ids[to_at], &from->ids[from_at], count * sizeof(to->ids[0]));
}

/* A full chunk gives its upper half to a new one, or nothing where devices come in order. */
static int chunk_split(struct roster *r, size_t at, bool in_order)
{
	int err = chunk_add(r, at + 1);

	if (err || in_order)
		return err;
	struct roster_chunk *from = r->chunks[at], *to = r->chunks[at + 1];
	to->count = CHUNK / 2;
	from->count = CHUNK - CHUNK / 2;
	move(to, 0, from, from->count, to->count);
	return 0;
}

int roster_set(struct roster *r, const char *id, const struct brief *b)
{
	size_t n = chunk_of(r, id);
	int err = r->count ? 0 : chunk_add(r, 0);

	if (err)
		return err;
	struct roster_chunk *c = r->chunks[n];
	unsigned at = index_of(c, id);
	if (is_at(c, at, id)) {
		c->list[at] = *b;
		return 0;
	}
	if (c->count == CHUNK) {
		bool in_order = at == CHUNK && n + 1 == r->count;
		err = chunk_split(r, n, in_order);
		if (err)
			return err;
		if (at > c->count || in_order) {
			at -= c->count;
			c = r->chunks[n + 1];
		}
	}
	move(c, at + 1, c, at, c->count - at);
	c->list[at] = *b;
	memset(c->ids[at], 0, sizeof(c->ids[at]));
	memcpy(c->ids[at], id, strnlen(id, LIMIT_DEVICE_ID));
	c->count++;
	r->devices++;
	return 0;
}

void roster_remove(struct roster *r, const char *id)
{
	size_t n = chunk_of(r, id);
	struct roster_chunk *c = r->count ? r->chunks[n] : NULL;
	unsigned at = c ? index_of(c, id) : 0;

	if (!c || !is_at(c, at, id))
		return;
	c->count--;
	r->devices--;
	move(c, at, c, at + 1, c->count - at);
	if (c->count == 0)
		chunk_drop(r, n);
}

void roster_clear(struct roster *r)
{
	for (size_t i = 0; i < r->count; i++)
		free(r->chunks[i]);
	free(r->chunks);
	*r = (struct roster){0};
}

/* ---- walking ---- */

struct roster_at roster_after(const struct roster *r, const char *id)
{
	struct roster_at at = {0};

	if (!r->count)
		return at;
	at.chunk = chunk_of(r, id);
	const struct roster_chunk *c = r->chunks[at.chunk];
	at.index = index_of(c, id);
	at.index += is_at(c, at.index, id);
	return at;
}

const struct brief *roster_next(const struct roster *r, struct roster_at *at, const char **ret_id)
{
	if (at->chunk < r->count && at->index == r->chunks[at->chunk]->count) {
		at->chunk++;
		at->index = 0;
	}
	if (at->chunk >= r->count)
		return NULL;
	*ret_id = r->chunks[at->chunk]->ids[at->index];
	return &r->chunks[at->chunk]->list[at->index++];
}
