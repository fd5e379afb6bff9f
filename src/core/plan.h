/* SPDX-License-Identifier: Apache-2.0
 *
 * Should this device be offered its target now, and if not, why not: every reason that
 * applies, not only the first (TRUTH 4, blocked_by). Waiting is no state: it is computed.
 */
#ifndef CORE_PLAN_H
#define CORE_PLAN_H

#include "core/attempt.h"
#include "core/group.h"
#include "core/rollout.h"
#include "core/schedule.h"

/* X(name, word, what it means, what clears it) */
#define BLOCK_LIST(X)                                                                              \
	X(BLOCK_NO_TARGET, "no-target", "no release is the target of this device",                 \
	  "product target PRODUCT VERSION, or device lock ID VERSION")                             \
	X(BLOCK_OFFLINE, "offline", "the device has not been heard from lately",                   \
	  "wait for its next check-in; check its power and network")                               \
	X(BLOCK_NO_BASELINE, "no-baseline",                                                        \
	  "no report tells yet which version its application is",                                  \
	  "wait for a report of its application")                                                  \
	X(BLOCK_IN_SYNC, "in-sync", "the device runs its target", "nothing to do")                 \
	X(BLOCK_UNPROVABLE, "unprovable",                                                          \
	  "the device could not show that it runs this image rather than the present one",         \
	  "give the release another version label, or let the device report a digest")             \
	X(BLOCK_UPDATES_DISABLED, "updates-disabled", "updates are disabled on the device",        \
	  "enable them on the device")                                                             \
	X(BLOCK_DEFERRED, "deferred-by-device", "the device has put the update off",               \
	  "wait until the time shown")                                                             \
	X(BLOCK_HARDWARE, "hardware-mismatch", "the release is for other hardware",                \
	  "add the device to the product of its hardware")                                         \
	X(BLOCK_SPACE, "preflight-space", "the device has no room for the image",                  \
	  "a smaller image, a larger slot, or more free space on the device")                      \
	X(BLOCK_POWER, "preflight-power", "the device's battery is too low for an update",         \
	  "charge it, or: product set PRODUCT min-battery-percent=N (or min-supply-mv=N)")         \
	X(BLOCK_BOOT_LOADER, "boot-loader-mismatch",                                               \
	  "the release asks for a boot loader that the device does not report",                    \
	  "another boot loader on the device, or a release without --boot-loader")                 \
	X(BLOCK_MUST_PASS, "must-pass-through",                                                    \
	  "there is no way from what the device runs to the release",                              \
	  "bring it to a version on the way: device lock ID VERSION")                              \
	X(BLOCK_ROLLBACK, "anti-rollback",                                                         \
	  "the image's security counter is below the one that the device reports",                 \
	  "a release with a higher security counter")                                              \
	X(BLOCK_WINDOW, "outside-window", "no maintenance window of the device is open",           \
	  "wait until the time shown, or: device force ID")                                        \
	X(BLOCK_DOWNGRADE, "downgrade",                                                            \
	  "the release is not newer than what the device runs, and the product refuses that",      \
	  "device lock ID VERSION, or: product set PRODUCT allow-downgrade=1")                     \
	X(BLOCK_IMAGE, "image-unavailable", "the server cannot read its copy of the image",        \
	  "put the image file back, or upload the same bytes again; see postbootctl status")       \
	X(BLOCK_RELEASE, "release-quarantined", "the release is not offered any more",             \
	  "another target, or, if it is quarantined and good after all: release activate PRODUCT " \
	  "VERSION")                                                                               \
	X(BLOCK_BACKOFF, "retry-backoff", "the last attempt failed; the next one waits",           \
	  "wait until the time shown")                                                             \
	X(BLOCK_HELD, "held", "the device is held", "device unhold ID, once the cause is removed") \
	X(BLOCK_DISABLED, "disabled", "an operator has disabled the device: it is refused",        \
	  "device enable ID")                                                                      \
	X(BLOCK_DRIFTED, "drifted", "the device left its release by itself",                       \
	  "product set PRODUCT on-drift-reapply=1")                                                \
	X(BLOCK_ROLLOUT_PAUSED, "rollout-paused",                                                  \
	  "its rollout stands still: nothing new is offered",                                      \
	  "rollout resume PRODUCT ROLLOUT, or rollout abort PRODUCT ROLLOUT")                      \
	X(BLOCK_WAVE, "wave-not-reached", "its rollout has not come to it yet",                    \
	  "wait for its wave, or: rollout next PRODUCT ROLLOUT")                                   \
	X(BLOCK_FINISHING, "attempt-finishing",                                                    \
	  "an attempt to an earlier target runs to its end first", "wait for its verdict")         \
	X(BLOCK_ADMISSION, "admission", "as many devices as may are downloading",                  \
	  "wait for its turn, or raise max-downloads or image-rate of its group or in "            \
	  "postbootd.conf")

enum block {
#define BLOCK_ENUM(name, word, means, clear) name,
	BLOCK_LIST(BLOCK_ENUM)
#undef BLOCK_ENUM
		BLOCK_COUNT
};

const char *block_name(enum block b);
const char *block_means(enum block b);
const char *block_clear(enum block b);

/* Where a target comes from, up to the product in the order of precedence. */
#define TARGET_WHY_LIST(X)                                                                         \
	X(TARGET_NONE, "none")                                                                     \
	X(TARGET_LOCK, "lock")                                                                     \
	X(TARGET_ROLLOUT, "rollout")                                                               \
	X(TARGET_GROUP, "group")                                                                   \
	X(TARGET_PRODUCT, "product")                                                               \
	X(TARGET_STONE, "stepping-stone")                                                          \
	X(TARGET_EARLIER, "earlier-rollout")                                                       \
	X(TARGET_RETURN, "return")

enum target_why {
#define TARGET_ENUM(name, word) name,
	TARGET_WHY_LIST(TARGET_ENUM)
#undef TARGET_ENUM
};
const char *target_why_name(enum target_why w);

/* The release id a device should run: lock > a rollout that has reached it > the one that had
 * reached it before > group target > product target (TRUTH 2); 0 if none. A rollout that is done
 * comes after a target that was set later. Where none of them names one, whom an aborted rollout
 * had reached goes back to what it ran before. Only a lock reaches a development device. `g`, `r`,
 * `before`: the device's, NULL: none. */
int64_t plan_target(const struct device *d, const struct product *p, const struct device_group *g,
		    const struct rollout *r, const struct rollout *before,
		    enum target_why *ret_why);
/* Whether a change of what this source says may change the device's target: no other goes
 * before it. */
bool plan_target_concerns(const struct device *d, const struct product *p,
			  const struct device_group *g, const struct rollout *r,
			  const struct rollout *before, enum target_why source);
/* What device.rollout_before is to be when it leaves its rollout, which is over (`r`, NULL: it is
 * gone), for another one. */
int64_t plan_rollout_before(const struct device *d, const struct rollout *r);
/* What device.rollout_return is to be when it becomes a member of a rollout of `release`: `r` is
 * the one that it leaves, `runs` the release of its product that has the label it reports; NULL:
 * none.
 */
int64_t plan_rollout_return(const struct device *d, const struct rollout *r,
			    const struct release *runs, int64_t release);

/* What a report says about a release. */
enum tri { TRI_NO, TRI_YES, TRI_UNKNOWN };
struct match {
	enum tri version; /* same label, byte for byte */
	enum tri digest;  /* unknown: not reported, or a kind the release does not know */
	bool on_target;	  /* comparable digests decide, else the version (TRUTH 3) */
};
struct match match_release(const char *version, const struct digest *digest,
			   const struct release *r);

struct plan {
	bool offer;		   /* nothing blocks and no attempt is open: offer now */
	bool on_target;		   /* the newest report shows the target */
	bool pending;		   /* the device should tell its user that an update waits */
	uint32_t blocked;	   /* 1 << enum block, all that apply */
	bool fresh, force, resume; /* flags of an offer */
	int64_t clear_at_ms;	   /* wall, when a timed block ends; 0: none */
};

/* What else is known around the device. */
struct plan_around {
	bool no_way; /* a release that must be passed through is gone */
	/* When it may be updated, by which clock; NULL: always. */
	const struct schedule *schedule;
	const struct zone *zone;
};

/* What keeps an image that is there from being applied now; 1 << enum block each, and until when
 * (wall, 0: nobody knows). */
uint32_t plan_gate(const struct device *d, const struct product *p, const struct release *target,
		   const struct plan_around *around, int64_t now_ms, int64_t *ret_clear_ms);

/* `target` NULL: none. `open` NULL: no open attempt. Offline does not block (devices come to
 * us); it is shown. `around` NULL: nothing. */
struct plan plan_device(const struct device *d, const struct product *p,
			const struct release *target, const struct attempt *open,
			const struct plan_around *around, int64_t now_ms);

/* The blocks that are news: of a held device neither waits nor that it needs no update. */
uint32_t plan_news(const struct plan *plan);

/* What the device's rollout adds to that; NULL: none. */
void plan_rollout(struct plan *plan, const struct device *d, const struct rollout *r,
		  enum target_why why, const struct attempt *open);

#endif
