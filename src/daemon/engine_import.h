/* SPDX-License-Identifier: Apache-2.0
 *
 * Many devices at once, all or none, in small steps: neither the loop nor the store's thread is
 * held by them.
 *
 * First all lines are checked, and all that is wrong is told. Then what was checked is written to
 * the database beside the devices, in parts. Then one row and a row of the audit log decide: from
 * that commit on the import happens, whatever comes, and before it nothing has. Then the parts
 * become devices, each in a transaction of its own with the rows of the audit log that say so;
 * after a crash the start does the rest before anybody is served.
 *
 * While it goes on nobody may add a device, set a key or remove a release: what was checked stays
 * right.
 */
#ifndef DAEMON_ENGINE_IMPORT_H
#define DAEMON_ENGINE_IMPORT_H

#include <jansson.h>

#include "daemon/engine.h"

struct import;

struct import_conf {
	struct actor by;
	bool dry_run;		 /* only look whether it would be done */
	bool skip_existing;	 /* a device that is there is left as it is, and is no error */
	void (*wake)(void *ctx); /* import_step() has something to do again */
	void (*done)(void *ctx, const struct import *im);
	void *ctx;
};

struct import_result {
	int err; /* 0: done, or a dry run that found nothing wrong; ERR_INVAL: see `errors` */
	const char *why; /* a sentence when err != 0 */
	bool decided;	 /* it failed later, and goes on by itself */
	uint64_t devices, skipped, bad;
	const json_t *errors;	   /* [{"line": 3, "detail": "..."}]: the first ones */
	const char *skipped_lines; /* "1-5000,7" */
};

/* Takes `text` (malloc), wiped as it is read, always. ERR_BUSY: there is one already. */
int engine_import(struct engine *e, const struct import_conf *conf, char *text, size_t len,
		  struct import **ret) ERR_CHECK;
bool engine_import_runs(const struct engine *e);
/* A few ms of work. False: nothing to do until `wake`. After `done` it is gone. */
bool import_step(struct import *im);
/* Nobody waits for it any more: `done` and `wake` are not called. Unless it is decided it ends. */
void import_leave(struct import *im);
/* Only in `done`. */
struct import_result import_result(const struct import *im);

#endif
