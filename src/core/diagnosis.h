/* SPDX-License-Identifier: Apache-2.0
 *
 * Likely causes of what happened to an attempt, each with the facts used and what to do
 * next (TRUTH 6). Pure rules over the attempt, its device and the attempts before it.
 */
#ifndef CORE_DIAGNOSIS_H
#define CORE_DIAGNOSIS_H

#include "core/attempt.h"

/* In the order in which they are shown: what kept the image from being tried at all comes before
 * what it was made of. X(name, word, what it means, what to do next) */
#define DIAGNOSIS_LIST(X)                                                                          \
	X(DIAG_IDENTITY_CONFLICT, "identity-conflict", "two units use the same key",               \
	  "give each unit its own key: device remove and add, then provision the new key")         \
	X(DIAG_BOOT_LOADER_REJECTED, "boot-loader-rejected",                                       \
	  "the boot loader looked at the image and did not take it",                               \
	  "check the image's signature, target slot, platform and boot loader version")            \
	X(DIAG_STORAGE_FULL, "storage-full", "the device's file system is (nearly) full",          \
	  "free space on the device (logs, old files)")                                            \
	X(DIAG_LOW_POWER, "low-power", "the device has little power, or lost it",                  \
	  "charge it, or look at its supply; product set NAME min-battery-percent=N keeps "        \
	  "updates from a low battery")                                                            \
	X(DIAG_NEVER_ASKED, "verified-never-asked",                                                \
	  "the device verified the image and never asked to apply it",                             \
	  "look for a user prompt, a power check or a lost apply step on the device")              \
	X(DIAG_UNBOOTED, "claim-without-reboot",                                                   \
	  "the device names another image in the same boot, and no image changes without a "       \
	  "reboot",                                                                                \
	  "make the device report what it really runs, and show every boot as a new one")          \
	X(DIAG_BOOT_ID_CONSTANT, "boot-id-constant",                                               \
	  "its uptime shows a reboot but its boot id did not change",                              \
	  "make the device draw a new random boot id at every boot")                               \
	X(DIAG_RESET_BLOCKED, "reset-blocked",                                                     \
	  "the device stayed in the same boot after it was allowed to apply",                      \
	  "look for code that disables or delays resets")                                          \
	X(DIAG_CACHED_IMAGE, "cached-image",                                                       \
	  "the device said verified without fetching the image: it used a copy it had kept",       \
	  "make the device discard its copy; where it can be told to, the offer after a failure "  \
	  "does that")                                                                             \
	X(DIAG_REFLASH_LOOP, "re-flash-loop", "the same image was applied and reverted before",    \
	  "do not offer it again before the cause is found; see the other diagnoses")              \
	X(DIAG_DEPENDENCY_MISSING, "dependency-missing",                                           \
	  "the device runs without something the image depends on",                                \
	  "update the dependency (boot loader, modem or system part) first")                       \
	X(DIAG_LABEL_IMAGE, "label-is-not-image",                                                  \
	  "the version the device reports is not the label of the image it runs",                  \
	  "build the image with the label it is released under, or release it under its own")      \
	X(DIAG_CRASH_LOOP, "crash-loop", "unclean resets one after the other",                     \
	  "read the device's panic or watchdog log; the new image is the suspect")                 \
	X(DIAG_RESUME_LOOP, "resume-loop",                                                         \
	  "it reached the end of the image again and again "                                       \
	  "without a verified image",                                                              \
	  "check the resume logic at the end of the image, or make "                               \
	  "the device start over")                                                                 \
	X(DIAG_STUCK_BLOCK, "stuck-block", "the same part of the image was read again and again",  \
	  "suspect a bad flash page or a block the device cannot write")                           \
	X(DIAG_UPDATES_DISABLED, "updates-disabled", "updates are disabled on the device",         \
	  "enable them on the device")                                                             \
	X(DIAG_WEAK_LINK, "weak-link", "the device's link is bad",                                 \
	  "a smaller window or block size may help: product set NAME window=2 block-bytes=256")    \
	X(DIAG_SILENT, "silent-since", "nothing was heard from the device since then",             \
	  "check its power and its network; it may need a visit")

enum diagnosis_kind {
#define DIAGNOSIS_ENUM(name, word, means, next) name,
	DIAGNOSIS_LIST(DIAGNOSIS_ENUM)
#undef DIAGNOSIS_ENUM
		DIAGNOSIS_COUNT
};

struct diagnosis {
	enum diagnosis_kind kind;
	char facts[200]; /* the numbers it rests on, for people */
};

struct diagnoses {
	unsigned count;
	struct diagnosis list[LIMIT_DIAGNOSES];
};

/* What earlier closed attempts of the same device and image (file_sha256), numbered after
 * device.fail_mark, add up to; derived by query. */
struct history {
	uint32_t failures; /* charged closes */
	uint32_t reverts;  /* verdict reverted, rolled-back or device-failed after hand-over */
};

/* An attempt that has just closed joins the history of this image, if it was one of it and is
 * charged. */
void history_add(struct history *h, const struct attempt *closed,
		 const uint8_t sha256[DIGEST_SHA256]);

/* What only the transport knows. */
struct link_facts {
	uint32_t messages, repeats;
	uint32_t rtt_ms; /* a round trip, smoothed; 0: unknown */
};

const char *diagnosis_name(enum diagnosis_kind k);
const char *diagnosis_means(enum diagnosis_kind k);
const char *diagnosis_next(enum diagnosis_kind k);
int diagnosis_from_name(const char *name, enum diagnosis_kind *ret) ERR_CHECK;

/* Ranked by the order of the list. `history` does not count `a` itself. */
void diagnose(const struct attempt *a, const struct device *d, const struct policy *policy,
	      const struct history *history, const struct link_facts *link, int64_t now_ms,
	      struct diagnoses *ret_diagnoses);

#endif
