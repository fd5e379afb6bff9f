/* SPDX-License-Identifier: Apache-2.0
 *
 * How long the turns of the loop take: from when it has waited for events until it waits again.
 * While a turn lasts nobody else is served. And the longest of what may take long in it.
 */
#ifndef DAEMON_TURNS_H
#define DAEMON_TURNS_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/* X(name, word) */
#define TURN_PART_LIST(X)                                                                          \
	X(TURN_COMMITS, "commits")   /* what follows from commits */                               \
	X(TURN_TICK, "tick")	     /* what the engine does by itself */                          \
	X(TURN_ROLLOUTS, "rollouts") /* rollouts, with their part of the tick */                   \
	X(TURN_ADMIN, "admin")	     /* the admin API */                                           \
	X(TURN_LISTS, "lists")	     /* its long lists */                                          \
	X(TURN_IMPORT, "import")     /* an import of devices */

enum turn_part {
#define TURN_PART_ENUM(name, word) name,
	TURN_PART_LIST(TURN_PART_ENUM) TURN_PARTS
#undef TURN_PART_ENUM
};

enum {
	TURN_BOUNDS = 10,
	/* What may be put off is, when a turn has used the processor for this long, ... */
	TURN_STEP_US = 2000,
	/* ... or has lasted this long, as it waits for a disk ... */
	TURN_LONG_US = 10000,
	TURN_LEAST_US = 250, /* ... but for this much of it, of the processor's time */
};
extern const unsigned turn_bound_us[TURN_BOUNDS];
extern const char *const turn_part_words[TURN_PARTS];

struct turns {
	uv_prepare_t prepare;
	uint64_t began_ns, idle_ns; /* as of the last turn's end, as ... */
	int64_t began_us;	    /* ... the processor time of the loop's thread */
	uint64_t counts[TURN_BOUNDS + 1];
	uint64_t sum_us, longest_us;
	uint64_t part_us[TURN_PARTS];	  /* the longest of each ... */
	uint64_t part_cpu_us[TURN_PARTS]; /* ... and its most processor time */
	bool hasty;			  /* tests: every turn is over at once */
};

/* From now on; turns_stop() closes the handle. Before the loop runs. */
void turns_start(struct turns *t, uv_loop_t *loop);
void turns_stop(struct turns *t);

/* Around a part; NULL: nobody counts. */
struct turn_mark {
	uint64_t now_ns;
	int64_t thread_us;
};
struct turn_mark turn_part_begin(const struct turns *t);
void turn_part_end(struct turns *t, enum turn_part part, struct turn_mark began);

/* Around a step of work that is done in steps, on the loop's thread: when it begins ... */
int64_t turn_step_begin(const struct turns *t);

/* ... and asked after each row of it: the step is to end, and the rest waits for another turn. So
 * it is once this turn has used TURN_STEP_US with all that was done in it, and the step a part of
 * that, lest it should never come on. It is the thread's time that counts: on a busy machine a turn
 * is long because others have the processor, and to end it sooner makes more turns, each of which
 * waits for the processor anew. NULL: never. */
bool turn_is_over(const struct turns *t, int64_t step_began_us);

/* The same with its clocks as arguments. */
struct turn_clock {
	uint64_t now_ns, idle_ns; /* monotonic, and what of it the loop has waited */
	int64_t thread_us;
};
bool turn_is_over_at(const struct turns *t, int64_t step_began_us, const struct turn_clock *now);

#endif
