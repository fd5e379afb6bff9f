/* SPDX-License-Identifier: Apache-2.0
 *
 * An import inside: between what is checked (import_check.c) and what is written
 * (engine_import.c).
 */
#ifndef DAEMON_ENGINE_IMPORT_INNER_H
#define DAEMON_ENGINE_IMPORT_INNER_H

#include "daemon/engine_import.h"
#include "daemon/engine_internal.h"

/* Hashes and the line of each; as many as there may be, no more come. */
struct import_seen {
	struct {
		uint64_t hash; /* 0: free */
		uint32_t line;
	} * slots;
	size_t mask;
};

enum import_state {
	IMPORT_BEGIN,
	IMPORT_DROP,
	IMPORT_CHECK,
	IMPORT_STAGE,
	IMPORT_DECIDE,
	IMPORT_MOVE,
	IMPORT_OVER,
};

struct import {
	struct engine *e;
	struct import_conf conf;
	enum import_state state;
	int err;
	const char *why;
	bool decided;
	bool left; /* nobody waits */
	/* checking */
	char *text;
	size_t len, at;
	bool text_done;
	uint32_t line;
	uint64_t rows, devices, skipped, bad;
	json_t *errors, *part;
	struct import_seen ids, keys;
	char *skips;
	size_t skips_len, skips_cap;
	uint32_t skip_from, skip_to; /* the open stretch; 0: none */
	char **parts;
	size_t part_count, part_cap;
	/* writing */
	unsigned in_flight;
	int set_err; /* the first of those in flight */
	size_t staged;
	int64_t next, failed_part;
	int64_t retry_ms; /* monotonic; 0: not waiting */
};

int import_check_init(struct import *im) ERR_CHECK;
/* For about so long; false when all is checked: im->err says whether anything is wrong. */
bool import_check(struct import *im, uint64_t ns);
void import_free(struct import *im);

#endif
