/* SPDX-License-Identifier: Apache-2.0
 *
 * A rollout brings one release to many devices of a product, a wave at a time. Here is what it
 * may do next: pure, time is an argument, and who counts its members is the caller.
 *
 * A member has a place: a keyed hash of its id. Waves are ranges of places, and all places below
 * `reached` have been released: so a wave of any size opens by one number in one row.
 *
 * Use: rollout_act() for what an operator wants; rollout_next() whenever something was counted
 * or the time has come that it told, and rollout_do() to carry out what it says. The caller
 * stores the value after each, and only then speaks. An absent edge is refused.
 */
#ifndef CORE_ROLLOUT_H
#define CORE_ROLLOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "core/device.h"

/* X(name, word, what it means) */
#define ROLLOUT_STATE_LIST(X)                                                                      \
	X(ROLLOUT_DRAFT, "draft", "it has not been started")                                       \
	X(ROLLOUT_SCHEDULED, "scheduled", "it begins at the time shown")                           \
	X(ROLLOUT_RUNNING, "running", "it releases devices")                                       \
	X(ROLLOUT_WAITING, "waiting", "it waits for somebody's word")                              \
	X(ROLLOUT_PAUSED, "paused", "an operator has paused it: nothing new is offered")           \
	X(ROLLOUT_HALTED, "halted", "it has stopped itself: nothing new is offered")               \
	X(ROLLOUT_DONE, "done",                                                                    \
	  "it is over; whom it reached keeps the release as target until a newer one is set")      \
	X(ROLLOUT_ABORTED, "aborted", "it is over and counts for nobody any more")

/* What can happen to it. X(name, word of an operator's act or "") */
#define ROLLOUT_CAUSE_LIST(X)                                                                      \
	X(ROLLOUT_APPROVE, "approve")                                                              \
	X(ROLLOUT_START, "start")                                                                  \
	X(ROLLOUT_PAUSE, "pause")                                                                  \
	X(ROLLOUT_RESUME, "resume")                                                                \
	X(ROLLOUT_NEXT, "next")                                                                    \
	X(ROLLOUT_FINISH, "finish")                                                                \
	X(ROLLOUT_ABORT, "abort")                                                                  \
	X(ROLLOUT_DUE, "due")                                                                      \
	X(ROLLOUT_GATE, "gate")                                                                    \
	X(ROLLOUT_HALT, "halt")                                                                    \
	X(ROLLOUT_ALL, "all")

/* What it waits for. X(name, word, what it means) */
#define ROLLOUT_WAIT_LIST(X)                                                                       \
	X(WAIT_NONE, "none", "nothing")                                                            \
	X(WAIT_APPROVAL, "approval", "somebody else than its author must approve it")              \
	X(WAIT_GATE, "gate", "the next wave opens on an operator's word")

/* Why it has stopped itself. X(name, word, what it means) */
#define ROLLOUT_WHY_LIST(X)                                                                        \
	X(HALT_NONE, "none", "it has not")                                                         \
	X(HALT_FAILURES, "failures", "too many devices failed")                                    \
	X(HALT_REVERTS, "reverts", "too many devices went back to their old image")                \
	X(HALT_SILENCE, "silence", "more of the updated devices are silent than of the others")    \
	X(HALT_RELEASE, "release", "its release is not active any more")                           \
	X(HALT_EMPTY, "empty", "it selects no device that is free for it")

/* Its settings: whole numbers. The names are the SQL columns, the JSON keys and (with -
 * for _) the options of `rollout add`. X(field, min, max, default, help) */
#define ROLLOUT_YEAR_S (366LL * 86400)
#define ROLLOUT_RULE_LIST(X)                                                                       \
	X(approval, 0, 1, 0, "1: somebody else than the author must approve it")                   \
	X(join, 0, 1, 0, "1: devices that match later become members, too")                        \
	X(rate, 0, 1000000, 0, "devices released in a minute; 0: a wave at once")                  \
	X(ramp_percent, 100, 1000, 100, "what the rate becomes after each ramp-s; 100: the same")  \
	X(ramp_s, 1, ROLLOUT_YEAR_S, 3600, "seconds after which the rate grows")                   \
	X(rate_max, 0, 1000000, 0, "largest rate; 0: any")                                         \
	X(complete_percent, 1, 100, 90, "share of a wave that is through before the next opens")   \
	X(soak_s, 0, ROLLOUT_YEAR_S, 3600,                                                         \
	  "seconds a complete wave is watched before the next; with one wave the default is 0")    \
	X(fail_percent, 0, 100, 5,                                                                 \
	  "halt when so many of 100 that have a verdict or are under way have failed; 0: never")   \
	X(fail_min, 1, 1000000, 3, "but not for fewer failures than these")                        \
	X(max_reverts, 0, 1000000, 0, "halt when so many devices have reverted; 0: never")         \
	X(silent_percent, 0, 100, 10,                                                              \
	  "halt when the share of silent devices is by so much larger after the update; 0: never") \
	X(silent_min, 1, 1000000, 3, "but not for fewer silent devices than these")                \
	X(silent_wait_s, 0, ROLLOUT_YEAR_S, 86400,                                                 \
	  "seconds after the last release for which it waits for silent devices")                  \
	X(halt_return, 0, 1, 0, "1: what halts it aborts it, so that devices go back")             \
	X(halt_quarantine, 0, 1, 0, "1: failures and reverts that halt it quarantine the release")

#define ROLLOUT_ENUM2(name, word) name,
#define ROLLOUT_ENUM3(name, word, help) name,
enum rollout_state { ROLLOUT_STATE_LIST(ROLLOUT_ENUM3) ROLLOUT_STATE_COUNT };
enum rollout_cause { ROLLOUT_CAUSE_LIST(ROLLOUT_ENUM2) ROLLOUT_CAUSE_COUNT };
enum rollout_wait { ROLLOUT_WAIT_LIST(ROLLOUT_ENUM3) ROLLOUT_WAIT_COUNT };
enum rollout_why { ROLLOUT_WHY_LIST(ROLLOUT_ENUM3) ROLLOUT_WHY_COUNT };
#undef ROLLOUT_ENUM2
#undef ROLLOUT_ENUM3

const char *rollout_state_name(enum rollout_state s);
const char *rollout_state_help(enum rollout_state s);
const char *rollout_cause_name(enum rollout_cause c);
const char *rollout_wait_name(enum rollout_wait w);
const char *rollout_wait_help(enum rollout_wait w);
const char *rollout_why_name(enum rollout_why w);
const char *rollout_why_help(enum rollout_why w);

struct rollout_rules {
#define ROLLOUT_RULE_FIELD(field, min, max, def, help) int64_t field;
	ROLLOUT_RULE_LIST(ROLLOUT_RULE_FIELD)
#undef ROLLOUT_RULE_FIELD
};

struct rollout_rule {
	const char *name; /* "fail_percent" */
	size_t offset;	  /* of the int64_t in struct rollout_rules */
	int64_t min, max, def;
	const char *help;
};

enum {
	ROLLOUT_RULE_COUNT = 0
#define ROLLOUT_RULE_ONE(field, min, max, def, help) +1
	ROLLOUT_RULE_LIST(ROLLOUT_RULE_ONE)
#undef ROLLOUT_RULE_ONE
};
extern const struct rollout_rule rollout_rule_rows[ROLLOUT_RULE_COUNT];

struct rollout;
void rollout_rules_init(struct rollout_rules *rules);
/* Those of one that has its waves. */
void rollout_defaults(struct rollout *r);
int64_t rollout_rule_get(const struct rollout_rules *rules, const struct rollout_rule *row);
/* ERR_RANGE outside min..max. */
int rollout_rule_set(struct rollout_rules *rules, const struct rollout_rule *row,
		     int64_t value) ERR_CHECK;
/* By name, '-' and '_' alike; NULL if there is none. */
const struct rollout_rule *rollout_rule_find(const char *name);

/* ---- members and their counts ---- */

#define ROLLOUT_PLACE_END ((int64_t)1 << 53) /* places are below it */
int64_t rollout_place(uint64_t seed, const char *device);

/* What counts of a member; of a device as it is. */
struct member_facts {
	enum member result;
	bool applied; /* it was allowed to hand an image of this rollout to its boot
			 loader */
	bool silent;  /* by its own check-in interval */
	bool out;     /* locked, held, disabled, development: nothing can be expected of it */
	bool trying;  /* an attempt of it is open */
};
struct member_facts member_facts(const struct device *d, int64_t rollout);

/* Of the members in one wave. */
struct wave_counts {
	int64_t members, released;
	int64_t results[MEMBER_COUNT]; /* MEMBER_NONE included */
	/* released; through: a verdict, out, or away: silent, and nothing of it is under way */
	int64_t out, through, away;
	int64_t applied, applied_silent;
	int64_t trying; /* released: an attempt is open of one that is not silent, and
			   there was no verdict before */
	int64_t control, control_silent; /* not released, nothing against them */
};
struct rollout_counts {
	struct wave_counts waves[LIMIT_ROLLOUT_WAVES];
};
/* Adds so many members that are alike, or takes them out (-1). */
void wave_count(struct wave_counts *c, const struct member_facts *m, bool released,
		int64_t members);
struct wave_counts rollout_total(const struct rollout_counts *c, unsigned waves);
/* Those with a verdict that counts. */
int64_t wave_verdicts(const struct wave_counts *c);
int64_t wave_failures(const struct wave_counts *c);

/* ---- the rollout ---- */

/* Sizes are of all that is reached once the wave has opened, those of earlier waves
 * included. */
struct wave {
	bool percent;
	bool gate; /* it opens on an operator's word */
	int64_t size;
	int64_t cut;	     /* its members' places are below; 0: not enlisted yet */
	int64_t opened_ms;   /* wall; 0: it has not */
	int64_t complete_ms; /* wall; 0: it is not */
	/* What an operator has seen when he resumed a halted rollout: not held against it
	 * again. */
	int64_t forgiven_failed, forgiven_reverted, forgiven_silent, forgiven_verdicts;
};

struct rollout {
	int64_t id; /* 0 until stored */
	int64_t rev;
	int64_t product, release;
	char name[LIMIT_ROLLOUT_NAME + 1];
	char filter[LIMIT_FILTER_TEXT + 1]; /* "": all devices of the product */
	char author[LIMIT_ACTOR + 1];
	char approver[LIMIT_ACTOR + 1]; /* "": nobody yet */
	struct rollout_rules rules;
	int64_t start_at_ms; /* wall; not before, 0: at once */

	enum rollout_state state;
	enum rollout_state resume_to; /* of a paused or halted one */
	enum rollout_wait wait;
	enum rollout_why why;		/* of a halt that was not resumed, also once it is over */
	int64_t halted_ms;		/* wall; of that halt */
	char ended_by[LIMIT_ACTOR + 1]; /* "": it has ended by itself, or it has not */
	uint64_t seed;			/* of the places */
	bool enlisted;			/* its members are known, and where its waves end */
	bool gate_open;			/* the operator's word for the next wave */
	unsigned wave_count;
	unsigned opened; /* waves; the newest is waves[opened - 1] */
	struct wave waves[LIMIT_ROLLOUT_WAVES];
	int64_t reached;		   /* places below it have been released */
	int64_t released_ms;		   /* wall; from when on the rate is reckoned */
	int64_t ramp_ms;		   /* wall; when the first device was released */
	int64_t base_members, base_silent; /* not reached, when the newest wave opened */
	int64_t created_ms, started_ms, state_ms, ended_ms; /* wall; 0: not yet */
};

/* "5,1%,gate,10%,100%": sizes that rise to 100%, with "gate" before a wave that waits. On
 * failure ret_why is a sentence. */
int rollout_waves_parse(struct rollout *r, const char *text, const char **ret_why) ERR_CHECK;
/* dst: LIMIT_WAVES_TEXT + 1 bytes. */
const char *rollout_waves_text(const struct rollout *r, char *dst);

/* Neither done nor aborted, and not a draft: its members are its own. */
bool rollout_is_open(const struct rollout *r);
bool rollout_is_over(const struct rollout *r);
/* Is its release the target of members that were released? */
bool rollout_is_target(const struct rollout *r);
/* No new offers at present. */
bool rollout_stops(const struct rollout *r);
enum { ROLLOUT_RANKS = 3 };
/* It goes on by an operator's word only: the smaller, the more urgent; 0: it needs none. */
unsigned rollout_needs_word(const struct rollout *r);
/* The wave that a place belongs to. */
unsigned rollout_wave_of(const struct rollout *r, int64_t place);
/* The device is its member and was released. */
bool rollout_reaches(const struct rollout *r, const struct device *d);
/* How many are reached with a wave, of so many members in all. */
int64_t rollout_wave_size(const struct rollout *r, unsigned wave, int64_t members);
/* Thousandths of a device a minute, at a time; 0: a wave at once. */
int64_t rollout_rate(const struct rollout *r, int64_t now_ms);

/* An operator's act. ERR_BUSY: not in this state, or not by him; ret_why says so. `c` for
 * ROLLOUT_RESUME. */
int rollout_act(struct rollout *r, enum rollout_cause cause, const char *who,
		const struct rollout_counts *c, int64_t now_ms, const char **ret_why) ERR_CHECK;

/* What it does by itself. */
enum rollout_doing {
	ROLLOUT_DO_NOTHING,
	ROLLOUT_DO_BEGIN,   /* its time has come */
	ROLLOUT_DO_ENLIST,  /* the caller finds its members and calls rollout_enlisted() */
	ROLLOUT_DO_OPEN,    /* the next wave */
	ROLLOUT_DO_RELEASE, /* so many more; the caller sets `reached` */
	ROLLOUT_DO_NOTE,    /* that the wave is complete */
	ROLLOUT_DO_WAIT,    /* at a gate */
	ROLLOUT_DO_HALT,
	ROLLOUT_DO_END,
};
struct rollout_next {
	enum rollout_doing what;
	int64_t count;			 /* to release */
	enum rollout_why why;		 /* to halt */
	int64_t control, control_silent; /* when a wave opens */
	int64_t wake_ms; /* nothing else changes before, 0: by itself nothing does */
};
struct rollout_next rollout_next(const struct rollout *r, const struct rollout_counts *c,
				 int64_t now_ms);
/* Carries it out; `reached` for ROLLOUT_DO_RELEASE. */
void rollout_do(struct rollout *r, const struct rollout_next *next, int64_t reached,
		int64_t now_ms);
/* The places of the members at which waves end: cuts[i] for waves[i]. */
void rollout_enlisted(struct rollout *r, const int64_t *cuts, int64_t members, int64_t silent);
/* Wall; until when it waits for those that are away, once all are released. */
int64_t rollout_waits_until(const struct rollout *r);
/* How long the releases of one wave take at the rate from then on: ms. */
int64_t rollout_wave_ms(const struct rollout *r, int64_t devices, int64_t at_ms);

/* It has stopped for what its release did to devices, and is to quarantine it. */
bool rollout_blames_release(const struct rollout *r);
/* It was to find its members, and there are none: halted, and it looks again when it is
 * resumed. */
void rollout_found_nobody(struct rollout *r, int64_t now_ms);
/* Its release was withdrawn or quarantined: halted, wherever it is. False: it had ended.
 */
bool rollout_lost_release(struct rollout *r, int64_t now_ms);

#endif
