/* SPDX-License-Identifier: Apache-2.0
 *
 * One device and its server for the tests of src/core: sends reports, statuses and everything
 * else through core/update.h as the engine does, keeps what the store would keep, and checks
 * the invariants of TRUTH.md section 9 after every step. What it expects of a success it works
 * out by itself, from what was sent; it asks nothing of the code under test.
 *
 * The product and the releases are globals (worlds are copied by the walk): change the policy
 * after world_init(), before the first step.
 */
#ifndef TESTS_UNIT_CORE_WORLD_H
#define TESTS_UNIT_CORE_WORLD_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "core/update.h"

enum image {
	IMAGE_BASE,
	IMAGE_TARGET,
	IMAGE_TARGET_LABEL, /* the target's label, other bytes */
	IMAGE_TARGET_BYTES, /* the target's bytes, another label */
	IMAGE_OTHER,
	IMAGE_BASE_BARE,   /* no digest told */
	IMAGE_TARGET_BARE, /* no digest told */
	IMAGE_TARGET_KIND, /* a digest of a kind that no release knows */
	IMAGE_COUNT
};

enum boot_kind {
	BOOT_IS_SAME,
	BOOT_IS_NEW,
	BOOT_IS_BACK,  /* new; of a count-only device with a lower count */
	BOOT_IS_WAKE,  /* another id, reset reason wake */
	BOOT_IS_LATE,  /* a replaced id, old session */
	BOOT_IS_CLONE, /* a replaced id, session made after it was replaced */
	BOOT_IS_COUNT
};

enum { RELEASE_BASE, RELEASE_TARGET, RELEASE_OTHER, RELEASE_COUNT };

extern struct product world_product;
extern struct release world_releases[RELEASE_COUNT];
extern struct outcome world_out;       /* of the last step */
extern void (*world_on_failure)(void); /* says how it came to a broken invariant, or NULL */

struct world {
	struct update u;

	/* the device */
	bool count_only, silent_about_digest;
	uint32_t boot, boot_before, boot_next, boot_low;
	uint32_t status_seq;

	/* what the test knows by itself */
	uint32_t seq, base_seq, reported_seq;
	bool fell_since_base; /* a count fell after base_seq */
	bool handed_over;
	struct report last, baseline;
	int64_t stable_since_ms;
	uint32_t unclean;
	uint64_t open_id;
	bool open_started;
	int64_t open_total_ms;
	struct history history[RELEASE_COUNT];
	unsigned failures[RELEASE_COUNT]; /* closed but not updated, since an operator acted */
	uint64_t numbers;
	uint64_t random;
};

/* An idle device (no report yet) whose target is RELEASE_TARGET. */
void world_init(struct world *w);
uint64_t world_random(struct world *w);
void world_pass(struct world *w, int64_t seconds);

/* A report of that image: confirmed, application, no uptime, reset unknown. */
struct report world_report(const struct world *w, enum image image);
/* Sends it as a report of that boot. */
void world_send(struct world *w, enum boot_kind boot, struct report *r);
void world_boot(struct world *w, enum image image);  /* a new boot */
void world_again(struct world *w, enum image image); /* the same boot */

/* A status of the open attempt with the next seq. */
struct status world_status(struct world *w, enum status_state state);
/* Sends it as of that boot (same, new, late); returns `accepted`. */
bool world_send_status(struct world *w, enum boot_kind boot, const struct status *s);
bool world_say(struct world *w, enum status_state state);
bool world_fail(struct world *w, enum status_state state, enum reason reason);

void world_block(struct world *w, int64_t offset, int64_t len);
void world_deadline(struct world *w); /* goes to the deadline and passes it */
void world_deadline_now(struct world *w);
void world_silent(struct world *w);
void world_outage(struct world *w, int64_t gap_s);
void world_clock_step(struct world *w, int64_t step_s);
/* OPERATOR_TARGET_CHANGED and OPERATOR_LOCK take the index of a release, -1 none. */
int world_operator(struct world *w, enum operator_act act, int arg);

/* A baseline report, and onwards to the state. */
void world_offer(struct world *w);
void world_go(struct world *w, enum attempt_state state);

unsigned world_events(enum event_kind kind);	/* how many, of the last step */
bool world_event(enum event_kind kind);		/* of the last step */
bool world_diagnosed(enum diagnosis_kind kind); /* of the last close */
bool world_blocked(const struct world *w, enum block block);
enum verdict world_verdict(void); /* of the last step, VERDICT_NONE if it closed nothing */

#define assert_verdict(v) assert_string_equal(verdict_name(world_verdict()), verdict_name(v))
#define assert_state(w, s)                                                                         \
	assert_string_equal((w)->u.has_attempt ? attempt_state_name((w)->u.attempt.state)          \
					       : "closed",                                         \
			    attempt_state_name(s))

#endif
