/* SPDX-License-Identifier: Apache-2.0
 *
 * Products (a device family and its policy) and releases (one image of a product).
 */
#ifndef CORE_RELEASE_H
#define CORE_RELEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "core/digest.h"
#include "core/image.h"
#include "core/requires.h"

/* Product policy: every setting is a whole number; times are in seconds. The names are the
 * SQL columns, the JSON keys and (with - for _) the words of `product set`.
 * X(field, min, max, default, help) */
#define POLICY_YEAR_S (366LL * 86400)
#define POLICY_LIST(X)                                                                             \
	X(probation_s, 0, POLICY_YEAR_S, 0, "seconds an update must stay healthy; 0: not asked")   \
	X(require_digest, -1, 1, -1, "1 always, 0 never, -1 if the device reported one before")    \
	X(require_confirm, -1, 1, -1, "1 always, 0 never, -1 if the device reported it before")    \
	X(allow_weak, 0, 1, 1, "accept a success whose proof is weak")                             \
	X(on_drift_reapply, 0, 1, 0, "update again a device that left its release by itself")      \
	X(max_reverts, 1, 100, 2, "reverts of the same image before the device is held")           \
	X(max_failures, 1, 100, 3, "charged failures of an image before the device is held")       \
	X(max_interruptions, 0, 100, 3, "restarts during one attempt before it fails")             \
	X(unstable_resets, 1, 100, 3, "unclean resets in probation that make it unstable")         \
	X(backoff_s, 0, POLICY_YEAR_S, 60, "first wait after a failure; doubles each time")        \
	X(backoff_max_s, 0, POLICY_YEAR_S, 86400, "longest wait after a failure")                  \
	X(stall_s, 1, POLICY_YEAR_S, 3600, "longest time in one state without progress")           \
	X(total_s, 1, POLICY_YEAR_S, 259200, "longest time of one attempt, never extended")        \
	X(outage_grace_s, -1, 21600, -1, "added to stalls after our outage; -1: learned")          \
	X(defer_max_s, 0, POLICY_YEAR_S, 604800, "how long a device may put an update off")        \
	X(space_margin_bytes, 0, 1LL << 40, 65536, "less free space than this is suspicious")      \
	X(rollout_approval, 0, 1, 0, "1: its rollouts need somebody else's approval")              \
	X(check_in_s, 0, POLICY_YEAR_S, 0, "check-in interval told to devices; 0: their own")      \
	X(window, 1, 16, 8, "block requests in flight suggested to devices")                       \
	X(block_bytes, 16, 1024, 1024, "block size suggested to devices")                          \
	X(allow_downgrade, 0, 1, 1, "0: nothing but a lock brings a device to an older release")   \
	X(min_battery_percent, 0, 100, 0, "less battery than this: no update")                     \
	X(min_supply_mv, 0, 1000000, 0, "less supply voltage than this: no update")                \
	X(need_file_space, 0, 1, 0, "1: the device's file system must have room for the image")    \
	X(window_download, 0, 1, 1, "1: downloads begin only in maintenance windows")              \
	X(window_apply, 0, 1, 1, "1: images are applied only in maintenance windows")              \
	X(force_after_s, 0, POLICY_YEAR_S, 0,                                                      \
	  "forced after the device was told so long; 0: never")                                    \
	X(require_signature, 0, 1, 0, "1: only releases that one of its signers has signed")       \
	X(quarantine_after, 0, 100, 0,                                                             \
	  "devices that fail with a release, none succeeding, that quarantine it; 0: never")

struct policy {
#define POLICY_FIELD(field, min, max, def, help) int64_t field;
	POLICY_LIST(POLICY_FIELD)
#undef POLICY_FIELD
};

struct policy_row {
	const char *name; /* "probation_s" */
	size_t offset;	  /* of the int64_t in struct policy */
	int64_t min, max, def;
	const char *help;
};

enum {
	POLICY_COUNT = 0
#define POLICY_ONE(field, min, max, def, help) +1
	POLICY_LIST(POLICY_ONE)
#undef POLICY_ONE
};
extern const struct policy_row policy_rows[POLICY_COUNT];

void policy_init(struct policy *p);
int64_t policy_get(const struct policy *p, const struct policy_row *row);
/* ERR_RANGE outside min..max; block_bytes must be a power of two. */
int policy_set(struct policy *p, const struct policy_row *row, int64_t value) ERR_CHECK;
/* By name, '-' and '_' alike; NULL if there is none. */
const struct policy_row *policy_find(const char *name);

struct product {
	int64_t id; /* 0 until stored */
	int64_t rev;
	char name[LIMIT_PRODUCT_NAME + 1];
	char hardware[LIMIT_HARDWARE + 1];    /* "": any */
	char windows[LIMIT_WINDOWS_TEXT + 1]; /* schedule_parse(); "": always */
	char time_zone[LIMIT_ZONE + 1];	      /* a name or a POSIX TZ rule; "": UTC */
	int64_t target;			      /* release id, 0: none */
	int64_t target_ms;		      /* wall; when it was set, 0: nobody knows */
	struct policy policy;
	int64_t created_ms;
	uint32_t ca_count; /* CAs that sign certificates of its devices; their text is not kept here
			    */
	uint8_t ca_sha256[DIGEST_SHA256];	       /* of that text; zeros: none */
	char protocol[LIMIT_PROTOCOL + 1];	       /* that its devices may speak, "": any */
	char protocol_options[LIMIT_TALK_OPTIONS + 1]; /* lines of name=value */
};

/* Only an active release may become a target; one that is neither active nor a draft has been one
 * and is offered no more. X(name, word) */
#define RELEASE_STATE_LIST(X)                                                                      \
	X(RELEASE_ACTIVE, "active")                                                                \
	X(RELEASE_DRAFT, "draft")                                                                  \
	X(RELEASE_QUARANTINED, "quarantined")                                                      \
	X(RELEASE_WITHDRAWN, "withdrawn")

enum release_state {
#define RELEASE_STATE_ENUM(name, word) name,
	RELEASE_STATE_LIST(RELEASE_STATE_ENUM)
#undef RELEASE_STATE_ENUM
};
const char *release_state_name(enum release_state state);
/* May a release go from one to the other? A draft is activated or withdrawn, an active one
 * quarantined or withdrawn, a quarantined one activated again or withdrawn; withdrawn is the end.
 */
bool release_state_follows(enum release_state from, enum release_state to);

struct release {
	int64_t id; /* 0 until stored */
	int64_t rev;
	int64_t product;
	char version[LIMIT_VERSION + 1];
	int64_t size_bytes;
	uint8_t sha256[DIGEST_SHA256];
	unsigned running_count; /* what a device running it will report; `file` is always there */
	struct digest running[LIMIT_DIGEST_KINDS];
	struct requires requires;
	bool no_digest;	 /* devices running it cannot report a digest */
	bool no_confirm; /* devices running it cannot report a confirmation */
	int64_t created_ms;
	enum release_state state;
	int64_t state_ms;		       /* since when; 0: from the beginning */
	struct image_facts image;	       /* what it says of itself */
	char signed_by[LIMIT_SIGNER_NAME + 1]; /* name of the signer that signed it, "": none */
	char signed_key[LIMIT_KEY_ID + 1];     /* id of its key: the name may get another one */
	bool label_anyway; /* its label differs from what it says, and was meant to */
	bool unavailable;  /* our copy of the image cannot be read at present; never stored */
};

/* Names and version labels: 1..max bytes of printable ASCII without spaces, quotes, slashes
 * and backslashes; a device id or product name does not begin with '-' or '.'. */
bool name_valid(const char *name, size_t max);
bool version_valid(const char *version);

/* The running digest of that kind, or NULL if the release does not know the kind. */
const struct digest *release_digest(const struct release *r, unsigned kind);

/* What the image takes in a device's slot: a container may be twice as large. Its size where it
 * does not say. */
int64_t release_slot_bytes(const struct release *r);

/* Adds or replaces by kind; ERR_LIMIT when full, ERR_EXIST when another value is there. */
int release_add_digest(struct release *r, const struct digest *d) ERR_CHECK;

#endif
