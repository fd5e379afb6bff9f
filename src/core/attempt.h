/* SPDX-License-Identifier: Apache-2.0
 *
 * One try to bring one device to one target (TRUTH 4 and 5), and the table that says what
 * each cause does in each state. Pure: time is an argument.
 *
 * Use: classify what happened into a cause (core/update.h does), attempt_step() to look
 * it up, attempt_apply() to carry it out on the value. An absent edge changes nothing.
 */
#ifndef CORE_ATTEMPT_H
#define CORE_ATTEMPT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/device.h"

/* X(name, word) */
#define ATTEMPT_STATE_LIST(X)                                                                      \
	X(ATTEMPT_OFFERED, "offered")                                                              \
	X(ATTEMPT_TRANSFERRING, "transferring")                                                    \
	X(ATTEMPT_VERIFIED, "verified")                                                            \
	X(ATTEMPT_APPLYING, "applying")                                                            \
	X(ATTEMPT_PROBATION, "probation")                                                          \
	X(ATTEMPT_CLOSED, "closed")

/* Everything that can happen to an attempt. X(name, word) */
#define CAUSE_LIST(X)                                                                              \
	X(CAUSE_BLOCK, "block-served")                                                             \
	X(CAUSE_OVERSERVED, "served-too-often")                                                    \
	X(CAUSE_DOWNLOADING, "status-downloading")                                                 \
	X(CAUSE_PROGRESS, "progress")                                                              \
	X(CAUSE_VERIFIED, "status-verified")                                                       \
	X(CAUSE_APPLYING, "status-applying")                                                       \
	X(CAUSE_APPLYING_CANCELLED, "status-applying-cancelled")                                   \
	X(CAUSE_REFUSED_SOFT, "refused-for-now")                                                   \
	X(CAUSE_REFUSED, "refused")                                                                \
	X(CAUSE_FAILED, "failed")                                                                  \
	X(CAUSE_HEARD, "heard")                                                                    \
	X(CAUSE_BOOT_BASE, "boot-on-baseline")                                                     \
	X(CAUSE_BOOT_BASE_OFTEN, "boot-on-baseline-too-often")                                     \
	X(CAUSE_BOOT_BASE_EARLY, "boot-on-baseline-before-hand-over")                              \
	X(CAUSE_BOOT_BASE_FAILED, "boot-on-baseline-with-reason")                                  \
	X(CAUSE_BOOT_OTHER, "boot-on-other-image")                                                 \
	X(CAUSE_BOOT_DIGEST, "boot-on-other-digest")                                               \
	X(CAUSE_BOOT_LABEL, "boot-on-other-label")                                                 \
	X(CAUSE_TARGET, "on-target")                                                               \
	X(CAUSE_TARGET_LEFT, "target-left")                                                        \
	X(CAUSE_TARGET_UNSTABLE, "target-unstable")                                                \
	X(CAUSE_PROVEN, "proven")                                                                  \
	X(CAUSE_PROVEN_TOO_WEAK, "proven-too-weak")                                                \
	X(CAUSE_DEADLINE_HEARD, "deadline-heard")                                                  \
	X(CAUSE_DEADLINE_SILENT, "deadline-silent")                                                \
	X(CAUSE_DEADLINE_CONFIRM, "deadline-not-confirmed")                                        \
	X(CAUSE_DEADLINE_UNTOLD, "deadline-untold")                                                \
	X(CAUSE_DEADLINE_CANCELLED, "deadline-cancelled")                                          \
	X(CAUSE_DEADLINE_NO_IMAGE, "deadline-image-unavailable")                                   \
	X(CAUSE_DEADLINE_GATE, "deadline-gate-closed")                                             \
	X(CAUSE_CANCEL, "cancel")                                                                  \
	X(CAUSE_SUPERSEDE, "target-changed")                                                       \
	X(CAUSE_REMOVE, "device-removed")                                                          \
	X(CAUSE_DISABLE, "device-disabled")                                                        \
	X(CAUSE_CONFLICT, "identity-conflict")                                                     \
	X(CAUSE_RESTORED, "store-restored")

/* The one final outcome. X(name, word, charged, hold, what it means) */
#define VERDICT_LIST(X)                                                                            \
	X(VERDICT_NONE, "none", 0, HOLD_NONE, "still open")                                        \
	X(VERDICT_UPDATED, "updated", 0, HOLD_NONE, "it runs the new image and has proved it")     \
	X(VERDICT_REVERTED, "reverted", 1, HOLD_NONE,                                              \
	  "it took the image, restarted, and runs the old one")                                    \
	X(VERDICT_UNEXPECTED_VERSION, "unexpected-version", 1, HOLD_UNEXPECTED_VERSION,            \
	  "it restarted into neither the old nor the new image")                                   \
	X(VERDICT_DIGEST_MISMATCH, "digest-mismatch", 1, HOLD_DIGEST_MISMATCH,                     \
	  "it reports the right version but other bytes")                                          \
	X(VERDICT_LABEL_MISMATCH, "label-mismatch", 1, HOLD_LABEL_MISMATCH,                        \
	  "it runs the right bytes but reports another version")                                   \
	X(VERDICT_ROLLED_BACK, "rolled-back", 1, HOLD_NONE,                                        \
	  "it ran the new image and left it during probation")                                     \
	X(VERDICT_UNSTABLE, "unstable", 1, HOLD_NONE, "it runs the new image but keeps resetting") \
	X(VERDICT_REFUSED, "refused", 1, HOLD_NONE, "the device refused the update")               \
	X(VERDICT_DEVICE_FAILED, "device-failed", 1, HOLD_NONE, "the device says it failed")       \
	X(VERDICT_INTERRUPTED, "interrupted", 1, HOLD_NONE, "it restarted too often meanwhile")    \
	X(VERDICT_NEVER_STARTED, "never-started", 1, HOLD_NONE, "it never began to download")      \
	X(VERDICT_TRANSFER_STALLED, "transfer-stalled", 1, HOLD_NONE, "the download stopped")      \
	X(VERDICT_NEVER_APPLIED, "never-applied", 1, HOLD_NONE,                                    \
	  "it verified the image and never asked to apply it")                                     \
	X(VERDICT_NEVER_CAME_BACK, "never-came-back", 1, HOLD_NONE, "it went silent")              \
	X(VERDICT_NEVER_REBOOTED, "never-rebooted", 1, HOLD_NONE,                                  \
	  "it was to apply the image and never restarted")                                         \
	X(VERDICT_NOT_CONFIRMED, "not-confirmed", 1, HOLD_NONE,                                    \
	  "it runs the new image but never made it permanent")                                     \
	X(VERDICT_UNPROVEN, "unproven", 1, HOLD_NONE,                                              \
	  "it may run the new image, but the proof is incomplete")                                 \
	X(VERDICT_LOST_IN_PROBATION, "lost-in-probation", 1, HOLD_NONE,                            \
	  "it ran the new image and then went silent")                                             \
	X(VERDICT_SUPERSEDED, "superseded", 0, HOLD_NONE, "its target changed")                    \
	X(VERDICT_CANCELLED, "cancelled", 0, HOLD_NONE, "an operator cancelled it")                \
	X(VERDICT_BASE_CHANGED, "base-changed", 0, HOLD_NONE,                                      \
	  "the device's image changed before the hand-over")                                       \
	X(VERDICT_IDENTITY_CONFLICT, "identity-conflict", 0, HOLD_IDENTITY_CONFLICT,               \
	  "two units use one identity")                                                            \
	X(VERDICT_STORE_RESTORED, "store-restored", 0, HOLD_NONE, "the database was restored")

/* The ladder: history for people, not what the verdict rests on. X(name, word) */
#define RUNG_LIST(X)                                                                               \
	X(RUNG_OFFERED, "offered")                                                                 \
	X(RUNG_STARTED, "started")                                                                 \
	X(RUNG_TRANSFERRED, "transferred")                                                         \
	X(RUNG_VERIFIED, "verified")                                                               \
	X(RUNG_APPLYING, "applying")                                                               \
	X(RUNG_REBOOTED, "rebooted")                                                               \
	X(RUNG_RUNNING, "running-target")                                                          \
	X(RUNG_CONFIRMED, "confirmed")                                                             \
	X(RUNG_STABLE, "stable")

/* Items of proof (TRUTH 3). X(name, bit, word) */
#define EVIDENCE_LIST(X)                                                                           \
	X(EV_NEW_BOOT, 1, "new-boot")                                                              \
	X(EV_VERSION, 2, "version")                                                                \
	X(EV_DIGEST, 4, "digest")                                                                  \
	X(EV_CONFIRMED, 8, "confirmed")                                                            \
	X(EV_STABLE, 16, "stable")

#define GRADE_LIST(X)                                                                              \
	X(GRADE_NONE, "none")                                                                      \
	X(GRADE_WEAK, "weak")                                                                      \
	X(GRADE_STANDARD, "standard")                                                              \
	X(GRADE_STRONG, "strong")

#define VIA_LIST(X)                                                                                \
	X(VIA_NONE, "none")                                                                        \
	X(VIA_OTA, "ota")                                                                          \
	X(VIA_EXTERNAL, "external")

#define NAME_ENUM2(name, word) name,
#define NAME_ENUM_V(name, word, charged, hold, help) name,
#define NAME_ENUM_BIT(name, bit, word) name = (bit),
enum attempt_state { ATTEMPT_STATE_LIST(NAME_ENUM2) ATTEMPT_STATE_COUNT };
enum cause { CAUSE_LIST(NAME_ENUM2) CAUSE_COUNT };
enum verdict { VERDICT_LIST(NAME_ENUM_V) VERDICT_COUNT };
enum rung { RUNG_LIST(NAME_ENUM2) RUNG_COUNT };
enum evidence { EVIDENCE_LIST(NAME_ENUM_BIT) EV_COUNT = 5 };
enum grade { GRADE_LIST(NAME_ENUM2) GRADE_COUNT };
enum via { VIA_LIST(NAME_ENUM2) VIA_COUNT };

const char *attempt_state_name(enum attempt_state s);
const char *cause_name(enum cause c);
const char *verdict_name(enum verdict v);
const char *verdict_help(enum verdict v);
enum hold verdict_hold(enum verdict v);
const char *rung_name(enum rung r);
const char *evidence_name(enum evidence e); /* one bit */
const char *grade_name(enum grade g);
const char *via_name(enum via v);
int attempt_state_from_name(const char *name, enum attempt_state *ret) ERR_CHECK;
int verdict_from_name(const char *name, enum verdict *ret) ERR_CHECK;
int grade_from_name(const char *name, enum grade *ret) ERR_CHECK;
int via_from_name(const char *name, enum via *ret) ERR_CHECK;

#define ATTEMPT_ID_MAX (((uint64_t)1 << 53) - 1)

struct attempt {
	uint64_t id;	 /* random, 1..ATTEMPT_ID_MAX */
	uint64_t number; /* order of creation, given by the store; 0 until stored */
	char device[LIMIT_DEVICE_ID + 1];
	int64_t product;
	int64_t release;
	int64_t rollout;		 /* that offered it, 0: none */
	char version[LIMIT_VERSION + 1]; /* of the release */
	int64_t size_bytes;
	uint8_t sha256[DIGEST_SHA256];

	enum attempt_state state;
	enum verdict verdict;
	bool charged;
	enum via via;
	enum grade grade;
	enum reason reason; /* of refused and device-failed, or named after a reboot */
	int32_t code;
	char detail[LIMIT_DETAIL + 1];

	/* baseline: the report that caused the offer */
	uint32_t base_boot; /* boot_seq; moved by statuses until applying commits */
	char base_version[LIMIT_VERSION + 1];
	struct digest base_digest; /* len 0: it told none */
	uint32_t capabilities;

	unsigned required;	       /* EV_* bits that one report must satisfy */
	unsigned evidence;	       /* EV_* bits that the newest judged report satisfies */
	int64_t evidence_ms[EV_COUNT]; /* when each was first satisfied by the newest boot, 0: no */
	int64_t rung_ms[RUNG_COUNT];   /* 0: not reached */

	bool fresh;   /* offered with "discard any cached image" */
	bool forced;  /* offered while force was set */
	bool started; /* flash/status started is out */
	bool cancel_requested;
	bool boot_weak; /* NEW_BOOT was inferred, or rests on a counter that fell */

	int64_t created_ms, closed_ms; /* wall */
	int64_t state_ms;	       /* wall, when the state was entered */
	int64_t stall_at_ms;	       /* wall; 0 when closed */
	int64_t total_at_ms;	       /* wall; 0 when closed */
	int64_t extended_ms;	       /* how much our outages have added to stall_at_ms */
	bool heard;		       /* from the device, since the state was entered */

	uint32_t interruptions;
	uint32_t judged_boot; /* newest boot_seq whose reset was counted already */
	uint32_t status_boot; /* boot_seq of the last accepted status */
	uint32_t status_seq;

	int64_t received_bytes;	 /* highest the device told; 0: nothing */
	int64_t start_offset;	 /* as told at its first status; -1: not told */
	int64_t served_bytes;	 /* image bytes we sent, repeats included */
	int64_t served_high;	 /* highest offset we sent */
	uint32_t served_repeats; /* blocks sent more than once */

	uint32_t target_boot;  /* newest boot_seq seen on target, 0: none */
	int64_t target_ms;     /* wall, first report on target */
	uint32_t unclean;      /* unclean resets since then */
	bool boot_id_constant; /* an uptime proves a reboot that the boot id does not show */
};

/* What an edge asks for. */
enum {
	ACT_START = 1,	    /* emit flash/status started, unless out already */
	ACT_CLOSE = 2,	    /* closed: emit flash/status success or failed, or attempt/closed */
	ACT_ARM = 4,	    /* a new stall deadline */
	ACT_HEARD = 8,	    /* the device is alive in this state */
	ACT_INTERRUPT = 16, /* count an interruption */
	ACT_UNCHARGED = 32, /* the close does not count, whatever its verdict */
};

struct attempt_step {
	bool known; /* false: no such edge, nothing changes */
	enum attempt_state next;
	enum verdict verdict; /* VERDICT_NONE unless next is closed */
	unsigned actions;     /* ACT_* */
};

/* The table. Both arguments in range. */
struct attempt_step attempt_step(enum attempt_state state, enum cause cause);

/* Carries a known step out on `a`: state, verdict, times, deadlines, interruptions. The
 * stall deadline of probation is probation + 2 check-in intervals, or + stall_s if longer. */
void attempt_apply(struct attempt *a, const struct attempt_step *step, const struct policy *policy,
		   int64_t interval_s, int64_t now_ms);

/* The one armed deadline (I5): the earlier of stall and total; 0 when closed. */
int64_t attempt_deadline_ms(const struct attempt *a);

/* Our outage of gap_ms: the stall deadline moves by gap + grace, at most 6 h in all (TRUTH 7). */
void attempt_extend(struct attempt *a, int64_t gap_ms, int64_t grace_ms);

/* The stall deadline does not pass before `at_ms`; the total limit stays (TRUTH 7). */
void attempt_wait_until(struct attempt *a, int64_t at_ms);

/* The wall clock jumped by step_ms: stored deadlines keep their moment in real time. */
void attempt_rebase(struct attempt *a, int64_t step_ms);

/* What an attempt may cost: ATTEMPT_SERVE_FACTOR times its image, or the image and
 * ATTEMPT_SERVE_FLOOR bytes if that is more, as of a tiny image a few retransmissions are much. */
enum { ATTEMPT_SERVE_FACTOR = 3, ATTEMPT_SERVE_FLOOR = 65536 };
int64_t attempt_serve_max(const struct attempt *a);
/* More was served than that. */
bool attempt_overserved(const struct attempt *a);

/* Notes a rung's first time. */
void attempt_rung(struct attempt *a, enum rung r, int64_t now_ms);

/* Of one that is applying: the device came back as after a restart, and what it runs is still to be
 * told. A report of the boot of the hand-over takes it back. */
bool attempt_returned(const struct attempt *a);

/* Of a closed one: the device took the image and did not keep it. */
bool attempt_came_back(const struct attempt *a);

#endif
