/* SPDX-License-Identifier: Apache-2.0
 *
 * For the tests of the store: a store, rows with every byte set, and write-sets of one put.
 */
#ifndef TESTS_STORE_ROWS_H
#define TESTS_STORE_ROWS_H

#include <semaphore.h>

#include "store/store.h"

/* cmocka wants these first; the tests include cmocka.h after this header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS_SEEDS = 8 };

/* Every field gets a value of its own that differs by seed (0..ROWS_SEEDS-1); what must be in
 * range is. References (product, lock, target) are 0 or as given. */
void rows_product(unsigned seed, struct product *ret);
void rows_release(unsigned seed, int64_t product, struct release *ret);
void rows_device(unsigned seed, int64_t product, struct device *ret);
void rows_group(unsigned seed, int64_t product, struct device_group *ret);
void rows_rollout(unsigned seed, int64_t product, struct rollout *ret);
void rows_attempt(unsigned seed, const char *device, struct attempt *ret); /* open, number 0 */

/* The same in all but padding: not more bytes differ than a struct of that name has of it, and
 * rows_*() set those bytes to what no reader does. So a field that is not stored is found. */
#define rows_assert_equal(name, got, want)                                                         \
	rows_assert_bytes(got, want, sizeof(struct name), rows_packed_##name)
void rows_assert_bytes(const void *got, const void *want, size_t size, size_t packed);
extern const size_t rows_packed_product, rows_packed_release, rows_packed_device_group,
	rows_packed_device, rows_packed_attempt, rows_packed_rollout;

/* A store on ":memory:" with inline commits, and how to end with it. */
struct store *rows_store(void);
int rows_setup(void **state);
int rows_teardown(void **state);

/* A set whose result goes to ret; submitting and delivering it, the result's error. */
struct store_set *rows_set(struct store_result *ret);
int rows_commit(struct store *s, struct store_set *set, const struct store_result *result);

/* One put each; the error. `ret_id`: what the store numbered, may be NULL. */
int rows_put_product(struct store *s, const struct product *p, int64_t *ret_id);
int rows_put_release(struct store *s, const struct release *r, int64_t *ret_id);
int rows_put_group(struct store *s, const struct device_group *g, int64_t *ret_id);
int rows_put_rollout(struct store *s, const struct rollout *r, int64_t *ret_id);
int rows_put_device(struct store *s, const struct device *d);
int rows_put_attempt(struct store *s, const struct attempt *a, int64_t *ret_number);

/* The same, sure to work. */
int64_t rows_add_product(struct store *s, unsigned seed);
void rows_add_device(struct store *s, unsigned seed, int64_t product, const char *id);
void rows_add_event(struct store_set *set, const char *device, const char *json);

void rows_add_audit(struct store_set *set, const char *object);
/* A hash that is none, but tells texts apart; the stores here have it. */
store_hash rows_hash;
/* The audit log verifies, in steps of a few rows; how many there are. */
uint64_t rows_assert_audit(struct store *s);

/* A store_device_row: into char names[ROWS_NAMES], "d1 d2 ". */
enum { ROWS_NAMES = 200 };
bool rows_name_device(void *names, const struct device *d);

/* What a statement gives, asked by SQLite alone. */
long long rows_number(const char *path, const char *sql);

/* For the fault hook. Fails (or ends the process at) one operation; or waits at the first. */
struct rows_hook {
	unsigned long at; /* 0: never */
	int err;	  /* 0: _exit(0), as kill -9 would */
	sem_t *gate;	  /* posted when the first operation may go on */
	sem_t *entered;	  /* posted when it waits */
};

/* A store with that hook; `h` is borrowed. */
struct store *rows_open(const char *path, bool inline_commit, struct rows_hook *h);

/* The events are 1..head and nothing else; the head. */
uint64_t rows_assert_no_gaps(struct store *s);

/* A set of a few events. */
struct store_set *rows_event_set(struct store_result *result, unsigned events);

/* A file with a product (1), releases (1, 2), a device "dev" (rev 1) with an open attempt (1),
 * and two events. */
void rows_make_base(const char *path);

/* A fresh file name in a fresh folder, and its removal. */
void rows_tmp(char path[64]);
void rows_tmp_remove(const char *path);

#endif
