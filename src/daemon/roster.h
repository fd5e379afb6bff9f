/* SPDX-License-Identifier: Apache-2.0
 *
 * All devices in memory, by rising id, with a few facts of each: which of 100,000 a filter may mean
 * is found here, and only these are read from the store. Facts only rule out; see
 * engine_roster.c. Any number of devices, some 180 bytes each.
 */
#ifndef DAEMON_ROSTER_H
#define DAEMON_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"

/* Of a device; texts by a keyed hash, 0: not told. Without gaps: two are compared as bytes. */
struct brief {
	int64_t product, group, group_ms, lock, settled, rollout, place, before, goes_back;
	uint64_t version, hardware, protocol, digest;
	uint32_t hold; /* enum hold */
	uint8_t digest_kind;
	bool online, development, drifted;
	bool has_report, has_digest, updater; /* updater: its boot loader speaks */
	bool updating, disabled;
	uint8_t unused[3];
};
_Static_assert(sizeof(struct brief) == 9 * 8 + 4 * 8 + 4 + 9 + 3, "no gaps");

struct roster_chunk;
struct roster {
	struct roster_chunk **chunks; /* none is empty; ids rise from each to the next */
	size_t count, cap;
	size_t devices;
};

/* Adds it, or replaces its facts. ERR_NOMEM: nothing has changed. */
int roster_set(struct roster *r, const char *id, const struct brief *b) ERR_CHECK;
/* No error if it is not there. */
void roster_remove(struct roster *r, const char *id);
/* NULL if it is not there. Until the next change. */
struct brief *roster_find(struct roster *r, const char *id);
void roster_clear(struct roster *r);

/* A place in it, until the next change. */
struct roster_at {
	size_t chunk;
	unsigned index;
};
struct roster_at roster_after(const struct roster *r, const char *id);
/* The device there, and on to the next; NULL at the end. */
const struct brief *roster_next(const struct roster *r, struct roster_at *at, const char **ret_id);

#endif
