/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the two files of the stampede: its devices, their events in time, and their server.
 */
#ifndef SCENARIO_STAMPEDE_H
#define SCENARIO_STAMPEDE_H

#include "daemon/engine_internal.h"
#include "fake.h"
#include "net/net_quota.h"

enum {
	IMAGE = 4096,
	BLOCK = 1024,
	INTERVAL_S = 600,
	ARRIVE_MS = 5000, /* all come in this time */
	TICK_MS = 200,
	PACE_MS = 10,
	REQUESTS_PER_S = 20000,
	WINDOW_MS = 10000, /* in which reports are counted */
};

/* What is tried. */
struct trial {
	const char *name;
	unsigned tokens_of;  /* one token for so many devices; 0: any number */
	int64_t rate;	     /* of images, bytes a second and device of the fleet; 0: any */
	unsigned listen;     /* so many of a hundred listen at the doorbell */
	unsigned lost;	     /* so many of a thousand never come again once turned away */
	int64_t block_ms[2]; /* a block takes from .. to */
};

enum step { COME, FETCH, VERIFIED, APPLYING, BACK, DONE, LOST };

struct unit {
	struct net_peer peer;
	enum step step;
	bool waits; /* for an answer */
	bool listens;
	uint64_t attempt;
	int64_t block_ms, come_ms, admitted_ms, verified_ms;
	int64_t at_ms; /* its next event; 0: none */
	size_t heap;
	unsigned offset, polls;
};

/* All there is; in stampede_world.c. */
extern struct stampede {
	const struct trial *trial;
	unsigned count;
	uint64_t seed;
	char dir[64];
	uv_loop_t loop;
	struct store *store;
	struct images *images;
	struct engine *engine;
	struct net_quota quota;
	struct unit *units;
	struct unit **heap; /* by at_ms */
	size_t heap_count;
	char fw[32];
	int64_t begin_ms;
	unsigned done, lost;
	/* high-water marks */
	unsigned most_turns, most_held, most_cached, most_window, window, shed;
	uint64_t most_downloads, most_waiting;
	int64_t window_ms;
	unsigned failed, told;
} w;

/* The same each time. */
uint64_t chance(uint64_t below);

/* What it does next, and when. */
void later(struct unit *u, enum step step, int64_t in_ms);
void heap_remove(struct unit *u);
/* Its boot id, which another boot follows. */
void boot_of(const struct unit *u, uint8_t id[8]);

/* A fleet of w.count devices and their release, as an outage of an hour left them; all sleep. */
void make_world(void);
void engine_end(void);
void deliver(void);

#endif
