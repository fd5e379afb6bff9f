/* SPDX-License-Identifier: Apache-2.0
 *
 * Every kind of work that is done to a database, in the order of a story: each one begins with
 * what those before it have left. For the fault tests.
 */
#ifndef TESTS_FAULT_WORKS_H
#define TESTS_FAULT_WORKS_H

#include "store/store.h"

enum { WORK_PATH = 96 };

struct work {
	const char *name;
	/* Some work on an open store: one write-set ... */
	void (*fill)(struct store_set *set);
	/* ... or work of its own on the files, from opening to closing; 0 or an error. */
	int (*run)(const char *db);
	/* Another beginning than what the works before have left. */
	void (*prepare)(const char *db);
	/* A second file that the work makes is whole when it has succeeded. */
	const char *product;
	/* An error leaves no doubt: nothing was done. */
	bool sharp;
	/* Its product or a database that is made anew need not be there before. */
	bool may_be_absent;
	/* The story does not go on from what it leaves. */
	bool aside;
};

/* Instead of SHA-256. */
store_hash fault_hash;
extern const struct work works[];
extern const unsigned work_count;

/* Write-sets of the fleet, in this order: works_fleet.c. */
void add_group(struct store_set *set);
void start_rollout(struct store_set *set);
void release_wave(struct store_set *set);
void put_aside(struct store_set *set);

/* All rows are of that time, in ms; "dev" is their device. */
static const int64_t T0 = 1700000000000;
void some_event(struct store_set *set, const char *topic, const char *data, uint64_t attempt);

/* The work on files that are as it wants them; arms between the opening of a store and its
 * set, or before everything. Returns the error of the work. */
int work_do(const struct work *w, const char *db, void (*arm)(void *ctx), void *ctx,
	    void (*acknowledged)(void *ctx));

/* "<db>" in a folder of its own, and all its files. */
void files_make(char db[WORK_PATH]);
void files_copy(const char *from, const char *to);
void files_remove(const char *db);
/* A number that tells two states of them apart. */
uint64_t files_print(const char *db);

/* Of a database that is not open: what the checker says, and where it stands. */
void assert_sound(const char *db, const char *what);
bool file_is_there(const char *path);
long long number_in(const char *db, const char *sql);

#endif
