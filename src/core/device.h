/* SPDX-License-Identifier: Apache-2.0
 *
 * One unit: who it is, what it last said, which boots we have seen, and what keeps it from
 * being updated. A value: copied, changed by core, stored by the caller.
 */
#ifndef CORE_DEVICE_H
#define CORE_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "core/member.h"
#include "core/release.h"
#include "core/report.h"

/* X(name, word, what it means) */
#define HOLD_LIST(X)                                                                               \
	X(HOLD_NONE, "none", "not held")                                                           \
	X(HOLD_OPERATOR, "operator", "an operator holds it")                                       \
	X(HOLD_REVERTS, "reverts", "the same image reverted too often")                            \
	X(HOLD_FAILURES, "failures", "the same image failed too often")                            \
	X(HOLD_LABEL_MISMATCH, "label-mismatch", "right image, wrong version label")               \
	X(HOLD_DIGEST_MISMATCH, "digest-mismatch", "right version label, other image")             \
	X(HOLD_UNEXPECTED_VERSION, "unexpected-version", "it runs neither the old nor the new")    \
	X(HOLD_WRONG_HARDWARE, "wrong-hardware", "the device says the image is for others")        \
	X(HOLD_BAD_SIGNATURE, "bad-signature", "the device does not accept the signature")         \
	X(HOLD_UNSUPPORTED, "unsupported", "the device cannot do what was asked")                  \
	X(HOLD_IDENTITY_CONFLICT, "identity-conflict", "two units use one identity")               \
	X(HOLD_RESTARTS, "base-changes", "its base changed under too many attempts")

enum hold {
#define HOLD_ENUM(name, word, help) name,
	HOLD_LIST(HOLD_ENUM)
#undef HOLD_ENUM
};
const char *hold_name(enum hold h);
const char *hold_help(enum hold h);
int hold_from_name(const char *name, enum hold *ret) ERR_CHECK;

/* A boot we have heard of. */
struct boot_slot {
	struct boot_id id;
	uint32_t seq;
	int64_t seen_ms;     /* wall */
	int64_t replaced_ms; /* wall; 0: current */
};

struct boots {
	uint32_t seq;	/* boot_seq of the newest boot, 0: none yet */
	unsigned count; /* slots used; slot[0] is the newest */
	struct boot_slot slot[LIMIT_BOOTS_KEPT];
	bool backwards;	     /* the newest boot was inferred, or found by a counter that fell */
	unsigned conflicts;  /* replaced ids on newer sessions, within 24 h */
	int64_t conflict_ms; /* wall, of the first of them */
};

enum boot_seen {
	BOOT_FIRST,    /* the first boot ever heard of */
	BOOT_SAME,     /* the newest boot again */
	BOOT_NEW,      /* a boot after it: boot_seq has risen */
	BOOT_LATE,     /* a replaced boot: changes nothing */
	BOOT_CONFLICT, /* a replaced boot came back, twice in 24 h: two units, one key */
};

/* Takes note of a boot id. `wake_same_image`: reset reason wake with an unchanged image, which
 * is not a new boot (TRUTH 3). session_ms: wall time at which the device's session was
 * handshaken, 0 if there is none. ret_resets: how many resets the new boot stands for (1, or
 * the gap of a boot count). */
enum boot_seen boots_note(struct boots *b, const struct boot_id *id, bool wake_same_image,
			  int64_t session_ms, int64_t now_ms, uint32_t *ret_resets);

/* The boot_seq of an id still remembered, 0 if none. */
uint32_t boots_find(const struct boots *b, const struct boot_id *id);

struct device {
	char id[LIMIT_DEVICE_ID + 1];
	int64_t rev; /* 0 until stored; rises with every stored change */
	int64_t product;
	int64_t created_ms;
	/* How it proves who it is. Neither: by a key, which is not kept here. */
	bool plain;			   /* it does not: it may speak plain coap */
	bool certified;			   /* by a certificate */
	char protocol[LIMIT_PROTOCOL + 1]; /* "native", another one's name, "": not known yet */

	/* operator */
	int64_t disabled_ms; /* wall; since when it may not come at all, 0: it may */
	int64_t lock;	     /* release id, 0: none */
	int64_t group;	     /* id, of its product, 0: none */
	int64_t group_ms;    /* wall; when it came into it, 0: with its first act */
	bool development;    /* only a lock reaches it */
	bool force;	     /* override "updates disabled", repeated at every check-in */
	/* Of the place where it stands; "": as its group or product (core/site.h). */
	char windows[LIMIT_WINDOWS_TEXT + 1];
	char time_zone[LIMIT_ZONE + 1];
	enum hold hold;
	int64_t held_ms;
	uint64_t fail_mark; /* attempts numbered up to this one no longer count (unhold) */

	/* what it says */
	bool has_report;
	/* It names another image in the boot in which it ran report.version: not believed before
	 * a reboot; claimed is the label it names. */
	bool unbooted_claim;
	char claimed[LIMIT_VERSION + 1];
	struct report report; /* the newest accepted one */
	int64_t report_ms;
	int64_t seen_ms; /* last contact of any kind */
	bool online;
	int64_t offline_at_ms;	    /* when it counts, or counted, as silent; 0: not armed, or it
				     * went offline with a good-bye */
	int64_t interval_learned_s; /* 0: unknown */
	struct boots boots;
	uint32_t resets, unclean_resets; /* since it was added */
	uint32_t unclean_row;		 /* unclean resets in a row, newest boots */

	/* update history that decides */
	uint64_t attempt;	 /* the open one, 0: none */
	uint64_t last_attempt;	 /* the last closed one, 0: none */
	int64_t planned;	 /* the target that the facts below are about */
	uint64_t failed_attempt; /* the last failed one for the present target, 0: none */
	int64_t settled;	 /* its release: last seen to run as its target; 0: unknown */
	bool drifted;		 /* left `settled` without an attempt */
	bool want_fresh;	 /* the next offer discards a cached image */
	bool pending_told;	 /* updates/pending is true for its user */
	uint32_t backoff_count;
	int64_t retry_at_ms; /* wall; 0: now */
	int64_t pending_ms;  /* wall; since when it is told that its target waits for it, 0: not */
	int64_t defer_since_ms; /* wall of the first soft refusal in a row, 0: none */
	uint32_t base_changes;	/* in a row */

	/* the rollout it is a member of (core/rollout.h) */
	int64_t rollout; /* 0: none; that one may be over or gone */
	int64_t rollout_place;
	/* The one that had reached it before that one; its release is the target until, and unless,
	 * that one does. 0: none; never an open one, and it may be gone. */
	int64_t rollout_before;
	/* The release that it ran when it became a member: its target once the rollout that had
	 * reached it is aborted, if there is no other. 0: nobody knows; it may be gone. */
	int64_t rollout_return;
	int64_t rollout_about; /* the rollout that the facts below are about */
	enum member rollout_result;
	bool rollout_applied; /* it was allowed to hand over an image of it */
};

/* The device's check-in interval as far as known: told, else learned, else 0; a year at most. */
int64_t device_interval_s(const struct device *d);

#endif
