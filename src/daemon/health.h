/* SPDX-License-Identifier: Apache-2.0
 *
 * What is wrong at present: a small table of conditions, each with the time since when, what it
 * is and what to do about it. Begun and ended with one line in the log; shown by /v1/health,
 * /v1/status, /metrics and the service manager. On the loop's thread.
 *
 * A new condition is one row of HEALTH_LIST, and one in postbootd(8).
 */
#ifndef DAEMON_HEALTH_H
#define DAEMON_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(name, word, degrades): with a failure something is refused; a warning is told only. */
#define HEALTH_LIST(X)                                                                             \
	X(HEALTH_DATABASE_WRITE, "database-write", true)                                           \
	X(HEALTH_DATABASE_READ, "database-read", true)                                             \
	X(HEALTH_DATABASE_SLOW, "database-slow", true)                                             \
	X(HEALTH_IMAGES_READ, "images-read", true)                                                 \
	X(HEALTH_IMAGES_WRITE, "images-write", true)                                               \
	X(HEALTH_LOOP_LAG, "loop-lag", true)                                                       \
	X(HEALTH_OPEN_FILES, "open-files", true)                                                   \
	X(HEALTH_FLEET_SILENT, "fleet-silent", false)                                              \
	X(HEALTH_DISK_SPACE, "disk-space", false)                                                  \
	X(HEALTH_EVENT_READER, "event-reader", false)                                              \
	X(HEALTH_CLOCK, "clock", false)                                                            \
	X(HEALTH_RECEIVE_BUFFER, "receive-buffer", false)                                          \
	X(HEALTH_SHEDDING, "shedding", false)                                                      \
	X(HEALTH_KEYS_IN_CLEAR, "keys-in-clear", false)                                            \
	X(HEALTH_CERTIFICATE, "certificate", false)                                                \
	X(HEALTH_REVOCATIONS, "revocations", false)                                                \
	X(HEALTH_HOOK, "hook", false)

enum health_id {
#define HEALTH_ENUM(name, word, degrades) name,
	HEALTH_LIST(HEALTH_ENUM)
#undef HEALTH_ENUM
		HEALTH_COUNT,
};

struct health_condition {
	bool is_set;
	int64_t since_ms; /* wall */
	int64_t at_ms;	  /* monotonic */
	char what[256];	  /* "the disk of the database is full" */
	char todo[256];	  /* "free space on its file system" */
};

struct health {
	struct health_condition list[HEALTH_COUNT];
	void (*on_change)(void *ctx); /* NULL: nobody; after a condition began or ended */
	void *ctx;
	void (*look)(void *ctx); /* NULL: nobody; before somebody is told of it */
	void *look_ctx;
};

void health_init(struct health *h);
/* Begins the condition, or brings its words up to date without a word in the log. */
void health_set(struct health *h, enum health_id id, const char *todo, const char *what_fmt, ...)
	__attribute__((format(printf, 4, 5)));
void health_clear(struct health *h, enum health_id id); /* harmless if it is not set */

bool health_is_degraded(const struct health *h);
unsigned health_count(const struct health *h);	 /* of conditions that are set */
const char *health_word(const struct health *h); /* "ok" or "degraded" */
const char *health_name(enum health_id id);
bool health_degrades(enum health_id id);

#endif
