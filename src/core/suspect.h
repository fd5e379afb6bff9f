/* SPDX-License-Identifier: Apache-2.0
 *
 * Releases that fail although no rollout watches them: which devices have failed with each. Only
 * the newest few are kept; what is forgotten is counted anew. Devices are told by a hash.
 */
#ifndef CORE_SUSPECT_H
#define CORE_SUSPECT_H

#include <stdint.h>

enum { SUSPECTS = 16, SUSPECT_DEVICES = 100 }; /* as many as policy.quarantine_after may ask for */

struct suspect {
	int64_t release;  /* 0: a free one */
	int64_t since_ms; /* release.state_ms: one that is activated again begins anew */
	uint64_t used;	  /* the least was counted longest ago */
	unsigned count;
	uint64_t devices[SUSPECT_DEVICES];
};

struct suspects {
	uint64_t turn;
	struct suspect list[SUSPECTS];
};

/* How many different devices have failed with it now. */
unsigned suspects_count(struct suspects *s, int64_t release, int64_t since_ms, uint64_t device);
/* Somebody succeeded with it. */
void suspects_clear(struct suspects *s, int64_t release);

#endif
