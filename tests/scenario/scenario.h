/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files of the scenario runner. scenario.c reads the lines and says what they
 * mean; each file offers run_*(), which returns false for a verb that is not its own.
 */
#ifndef SCENARIO_SCENARIO_H
#define SCENARIO_SCENARIO_H

#include "daemon/engine_internal.h"
#include "fake.h"

enum {
	WORDS_MAX = 40,
	SESSIONS_MAX = 256,
	IMAGE_MAX = 1 << 20,
	REQUEST_TRIES = 3,
	HANDSHAKES = 40, /* a coin that never falls right 38 times in a row */
	KEY_BYTES = 40
};

/* A device's own memory: what it would send with its next status. */
struct unit {
	char id[LIMIT_DEVICE_ID + 1];
	uint64_t attempt; /* of its last directive */
};

struct scenario {
	const char *file;
	unsigned line;
	unsigned failed;
	char dir[64];
	uv_loop_t loop;
	struct store *store;
	struct images *images;
	struct engine *engine;
	struct {
		char name[32];
		struct net_peer peer;
		bool known, up;
	} sessions[SESSIONS_MAX];
	struct unit units[SESSIONS_MAX];
	unsigned unit_count;
	int act_err;
	bool act_unchanged;
	unsigned acts, acts_told, acts_done; /* begun, answered, of these with a change */
	uint64_t events_seen;
	uint64_t backup_head;
	int64_t keep_events_s, keep_events_max; /* retention; 0: all */
	int64_t max_downloads;
	struct turns turns; /* hasty: a step of the engine ends after each row */
	char events[4096];

	bool deliver_off;	  /* commits happen, their results wait */
	bool crash_each;	  /* a crash after each step */
	bool restart_each;	  /* an orderly restart after each step */
	bool fail_each;		  /* run again and again, each time one operation fails */
	bool dead;		  /* nothing reaches the database any more */
	unsigned long operations; /* of the database, in this run */
	unsigned long fail_at;	  /* the one that fails, 0: none */
	unsigned fail_left;	  /* so many of the next ones fail */

	uint8_t sent[LIMIT_NATIVE_MESSAGE]; /* the last message of a device, for AGAIN */
	size_t sent_len;
	const char *sent_path;
	char sent_by[32];
};

__attribute__((format(printf, 2, 3))) void fail(struct scenario *s, const char *fmt, ...);

/* The words of the present line. */
unsigned word_total(void);
char *word(unsigned i); /* "" beyond the last */
const char *value_of(const char *key);
int64_t number_of(const char *key, int64_t otherwise);

/* world.c */
/* Makes a new database in `dir`; puts a copy of it where world_start() opens its own. */
void world_template(const char *dir);
void world_copy(const struct scenario *s, const char *template_dir);
void world_start(struct scenario *s);
/* orderly: as SIGTERM does; else as if killed, without a last word to the store. */
void world_stop(struct scenario *s, bool orderly);
/* Stops, and starts so many seconds later. */
void world_again(struct scenario *s, bool orderly, int64_t seconds);
/* Delivers what the store has finished, and ends the sessions that the engine closed. */
void settle(struct scenario *s);
void elapse(struct scenario *s, int64_t seconds);
/* The session of that name; it is made anew after a crash, or if it is called as its device. */
struct net_peer *session_find(struct scenario *s, const char *name);
/* As it was, if it has ended. */
const struct net_peer *session_peek(struct scenario *s, const char *name);
struct net_peer *session_new(struct scenario *s, const char *name, const char *id, bool plain);
bool run_world(struct scenario *s, const char *verb);

/* device.c */
struct unit *unit_of(struct scenario *s, const char *id);
bool run_device(struct scenario *s, const char *verb);

/* talk.c: devices that are asked */
bool run_talk(struct scenario *s, const char *verb);
bool run_expect_talk(struct scenario *s, const char *verb);

/* operator.c */
bool run_operator(struct scenario *s, const char *verb);
bool run_group(struct scenario *s, const char *verb);
/* Who begins one act more, and what is done with its end. */
const struct actor *somebody(struct scenario *s);
void act_done(void *ctx, const struct engine_result *result);
void take_windows(const char *value, char windows[LIMIT_WINDOWS_TEXT + 1]);

/* rollout.c */
bool run_rollout(struct scenario *s, const char *verb);
void expect_rollout(struct scenario *s);
void expect_target(struct scenario *s);
void expect_recount(struct scenario *s);

/* expect.c */
bool run_expect(struct scenario *s, const char *verb);
struct expected {
	const char *key;
	const char *text; /* NULL: the number */
	int64_t number;
};
/* The words from `first` on, key=value, are so. */
void expect_values(struct scenario *s, const struct expected *list, unsigned count, unsigned first);
/* What holds at the end of every scenario: I2, I3 and I5 over all rows and events. */
void expect_invariants(struct scenario *s);

/* audit.c: the audit log is whole, and what it tells is what the acts left behind. */
void expect_audit(struct scenario *s);
/* Verified; how many. */
uint64_t audit_rows(struct scenario *s);

#endif
