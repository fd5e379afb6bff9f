/* SPDX-License-Identifier: Apache-2.0
 *
 * A crowd of native devices on the real engine, store and protocol, with a fake network and clock:
 * their events in time, what they say, and their server. What they do is the program's: stampede.c
 * and fleet.c.
 */
#ifndef SCENARIO_CROWD_H
#define SCENARIO_CROWD_H

#include "daemon/engine_internal.h"
#include "fake.h"

enum { PACE_MS = 10 };

enum step { COME, FETCH, VERIFIED, APPLYING, BACK, DONE, LOST };

struct unit {
	struct net_peer peer;
	enum step step;
	bool waits; /* for an answer */
	bool listens;
	uint64_t lot;	    /* drawn once: what it is like */
	int64_t interval_s; /* as it reports */
	char runs;	    /* the release that it runs: '1' */
	char says;	    /* the one that it names */
	char shows;	    /* the one whose digest it reports; 0: none */
	uint32_t boot;
	uint64_t attempt; /* of its newest directive, as the two that follow */
	char goal[4], fw[32];
	int64_t block_ms, come_ms, admitted_ms, verified_ms;
	int64_t at_ms; /* its next event; 0: none */
	size_t heap;
	unsigned offset, polls;
};

struct crowd_conf {
	unsigned count;
	uint64_t seed;
	int64_t interval_s;    /* of their check-ins */
	int64_t check_in_s;    /* the product's; 0: their own */
	unsigned image, block; /* bytes */
	int64_t tick_ms;
	int64_t commit_ms; /* what comes in this time has one commit, and its answers after it */
	int64_t max_downloads, image_rate; /* 0: any */
	int64_t offline_s;		   /* after which they count as silent */
	bool digests;			   /* they report the digest of what they run */
};

/* All there is. */
extern struct crowd {
	struct crowd_conf conf;
	char dir[64];
	uv_loop_t loop;
	struct store *store;
	struct images *images;
	struct engine *engine;
	struct unit *units;
	struct unit **heap; /* by at_ms */
	size_t heap_count;
	int64_t product;
	struct digest digest[10]; /* of the releases "1" to "9" */
	bool act_wrong;		  /* the last act of an operator was refused */
	struct unit **asked;	  /* since the last commit */
	size_t asked_count;
	unsigned failed, told;
	int64_t slowest_us; /* of processor time, in one tick of the server */
} w;

extern const struct actor crowd_operator;

/* The same each time. */
uint64_t chance(uint64_t below);

/* One line of TAP. */
void expect(bool good, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
extern const char *expect_about;

/* Its boot's id. */
void boot_of(const struct unit *u, uint8_t id[8]);

/* What it does next, and when. */
void later(struct unit *u, enum step step, int64_t in_ms);
void heap_remove(struct unit *u);
/* Time goes on, until end_ms or `over`; each event is run(), each tick is looked at. */
void crowd_pass(int64_t end_ms, bool (*over)(void), void (*run)(struct unit *u),
		void (*look)(void));

/* A server without devices, and product "p"; and its end. */
void crowd_begin(const struct crowd_conf *conf);
void crowd_end(void);
/* The server alone; the devices sleep. */
void crowd_server_begin(void);
void crowd_server_end(void);
/* A release of one digit, and all devices as rows that run "1"; their sessions sleep. */
void crowd_release(char version);
void crowd_devices(void);
void crowd_sessions(void);
void crowd_target(const char *version); /* of the product */
void crowd_acted(void *ctx, const struct engine_result *result);
void deliver(void);

/* A report, a status, a block's request; the answer comes by fake_on_reply. */
void say_report(struct unit *u);
void say_status(struct unit *u, enum status_state state, enum reason reason);
void say_fetch(struct unit *u);
/* Of a directive; the unit is told which attempt and image it is about. */
struct told {
	enum directive_action action;
	int64_t wait_s; /* until it comes again */
};
struct told on_directive(struct unit *u, struct bytes payload);
/* Each message goes by here, if there is one: false, it has no answer. */
extern bool (*crowd_line)(struct unit *u, bool block);

#endif
