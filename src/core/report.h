/* SPDX-License-Identifier: Apache-2.0
 *
 * What a device says and what it is told, in the words of TRUTH.md: every device protocol
 * is translated into these structs and out of them.
 */
#ifndef CORE_REPORT_H
#define CORE_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "core/digest.h"

/* X(name, number in the native protocol, word) */
#define RESET_REASON_LIST(X)                                                                       \
	X(RESET_UNKNOWN, 0, "unknown")                                                             \
	X(RESET_POWER_ON, 1, "power-on")                                                           \
	X(RESET_PIN, 2, "pin")                                                                     \
	X(RESET_SOFTWARE, 3, "software")                                                           \
	X(RESET_UPDATE, 4, "update")                                                               \
	X(RESET_WATCHDOG, 5, "watchdog")                                                           \
	X(RESET_PANIC, 6, "panic")                                                                 \
	X(RESET_BROWN_OUT, 7, "brown-out")                                                         \
	X(RESET_WAKE, 8, "wake")                                                                   \
	X(RESET_OTHER, 9, "other")

/* Why a device refused or failed. soft: closes an attempt uncharged (TRUTH 4). hold: no second
 * try without an operator (TRUTH 7). X(name, number, word, soft, hold) */
#define REASON_LIST(X)                                                                             \
	X(REASON_NONE, 0, "none", 0, 0)                                                            \
	X(REASON_NO_SPACE, 1, "no-space", 0, 0)                                                    \
	X(REASON_BAD_DIGEST, 2, "bad-digest", 0, 0)                                                \
	X(REASON_BAD_SIGNATURE, 3, "bad-signature", 0, 1)                                          \
	X(REASON_WRONG_HARDWARE, 4, "wrong-hardware", 0, 1)                                        \
	X(REASON_DOWNGRADE, 5, "downgrade", 0, 0)                                                  \
	X(REASON_STORAGE_IO, 6, "storage-io", 0, 0)                                                \
	X(REASON_DEPENDENCY, 7, "dependency", 0, 0)                                                \
	X(REASON_UNSUPPORTED, 8, "unsupported", 0, 1)                                              \
	X(REASON_BOOT_LOADER, 9, "boot-loader", 0, 0)                                              \
	X(REASON_OTHER, 10, "other", 0, 0)                                                         \
	X(REASON_BUSY, 11, "busy", 1, 0)                                                           \
	X(REASON_LOW_POWER, 12, "low-power", 1, 0)                                                 \
	X(REASON_UPDATES_DISABLED, 13, "updates-disabled", 1, 0)                                   \
	X(REASON_DEFERRED, 14, "deferred", 1, 0)

#define REPORT_MODE_LIST(X)                                                                        \
	X(MODE_APPLICATION, 0, "application")                                                      \
	X(MODE_UPDATER, 1, "updater")                                                              \
	X(MODE_SAFE, 2, "safe")

/* How far the device got with its last attempt, kept over resets. */
#define LAST_STAGE_LIST(X)                                                                         \
	X(STAGE_NONE, 0, "none")                                                                   \
	X(STAGE_DOWNLOADING, 1, "downloading")                                                     \
	X(STAGE_VERIFIED, 2, "verified")                                                           \
	X(STAGE_HANDED_OVER, 3, "handed-over")                                                     \
	X(STAGE_BOOT_LOADER, 4, "boot-loader-tried")

#define STATUS_STATE_LIST(X)                                                                       \
	X(STATUS_DOWNLOADING, 1, "downloading")                                                    \
	X(STATUS_VERIFIED, 2, "verified")                                                          \
	X(STATUS_APPLYING, 3, "applying")                                                          \
	X(STATUS_REFUSED, 4, "refused")                                                            \
	X(STATUS_DEFERRED, 5, "deferred")                                                          \
	X(STATUS_FAILED, 6, "failed")

/* What a device says is wrong with it, in bits. X(name, word, what it means) */
#define TROUBLE_LIST(X)                                                                            \
	X(TROUBLE_POWER_LOW, "power-low", "its battery is low")                                    \
	X(TROUBLE_POWER_LOST, "power-lost", "its external power is off")                           \
	X(TROUBLE_MEMORY_LOW, "memory-low", "it is out of memory")                                 \
	X(TROUBLE_SIGNAL_LOW, "signal-low", "its signal is weak")                                  \
	X(TROUBLE_NETWORK, "network", "its network link fails")                                    \
	X(TROUBLE_POSITION, "position", "it cannot find its position")                             \
	X(TROUBLE_MESSAGES, "messages", "it cannot send short messages")                           \
	X(TROUBLE_PERIPHERAL, "peripheral", "a peripheral of it does not work")                    \
	X(TROUBLE_OTHER, "other", "something of its own does not work")

enum trouble_bit {
#define TROUBLE_BIT(name, word, means) name##_BIT,
	TROUBLE_LIST(TROUBLE_BIT)
#undef TROUBLE_BIT
		TROUBLE_COUNT
};
enum trouble {
#define TROUBLE_ENUM(name, word, means) name = 1 << name##_BIT,
	TROUBLE_LIST(TROUBLE_ENUM)
#undef TROUBLE_ENUM
};

#define NAME_ENUM3(name, number, word) name = (number),
#define NAME_ENUM5(name, number, word, soft, hold) name = (number),
enum reset_reason { RESET_REASON_LIST(NAME_ENUM3) };
enum reason { REASON_LIST(NAME_ENUM5) };
enum report_mode { REPORT_MODE_LIST(NAME_ENUM3) };
enum last_stage { LAST_STAGE_LIST(NAME_ENUM3) };
enum status_state { STATUS_STATE_LIST(NAME_ENUM3) };

enum {
	CAP_RESUME = 1,
	CAP_FRESH = 2,
	CAP_GATE = 4,
	CAP_OBSERVE = 8,
	CAP_DELTA = 16,
	CAP_REPORTS_CONFIRM = 32,
	CAP_WINDOW = 64
};

/* A boot's name: random bytes, or a counter of boots where the device has no random source. */
struct boot_id {
	uint8_t len;		      /* 8..16; 0: count only */
	uint8_t bytes[LIMIT_BOOT_ID]; /* unused bytes are 0 */
	bool has_count;
	uint32_t count;
	bool inferred; /* nobody told of the boot: a new registration lets us think so (TRUTH 3) */
};

struct last_attempt {
	uint64_t attempt; /* 0: none */
	enum last_stage stage;
	enum reason reason;
	int32_t code; /* the device's own number, kept raw */
	char detail[LIMIT_DETAIL + 1];
};

/* A boot report. Numbers that a device does not tell are -1. */
struct report {
	struct boot_id boot;
	char version[LIMIT_VERSION + 1];
	struct digest running;	/* len 0: not told */
	int8_t confirmed;	/* -1 not told, 0, 1 */
	int8_t updates_enabled; /* -1 not told, 0, 1 */
	enum reset_reason reset;
	enum report_mode mode;
	struct last_attempt last;
	int64_t fs_free_bytes, fs_total_bytes, slot_bytes;
	int64_t battery_percent;
	int64_t supply_mv;  /* of its battery, or of what else it runs from */
	int64_t interval_s; /* the device's own check-in interval */
	int64_t uptime_s;
	int64_t security_counter;
	uint32_t capabilities; /* CAP_* */
	uint32_t troubles;     /* enum trouble */
	bool has_capabilities;
	char hardware[LIMIT_HARDWARE + 1];	 /* "": not told */
	char boot_loader[LIMIT_BOOT_LOADER + 1]; /* "": not told */
	uint8_t cached[DIGEST_SHA256];
	bool has_cached;
};

/* Sets every field to "not told". */
void report_init(struct report *r);

/* Progress of one attempt. */
struct status {
	uint64_t attempt;
	enum status_state state;
	struct boot_id boot;
	uint32_t seq;
	bool has_seq;
	enum reason reason;
	int32_t code;
	char detail[LIMIT_DETAIL + 1];
	int64_t received_bytes; /* -1 not told */
	int64_t start_offset;	/* -1 not told; > 0: resumed or cached */
	int64_t defer_until_s;	/* -1 not told; seconds from now */
	bool under_way;		/* applying: it does so already, and nobody can hold it up */
};

void status_init(struct status *s);

enum directive_action { DIRECTIVE_NONE = 0, DIRECTIVE_PENDING = 1, DIRECTIVE_UPDATE = 2 };
enum { DIRECTIVE_FRESH = 1, DIRECTIVE_FORCE = 2, DIRECTIVE_RESUME = 4 };

/* The answer to a report. */
struct directive {
	enum directive_action action;
	uint64_t attempt; /* 0 unless action is update */
	char version[LIMIT_VERSION + 1];
	int64_t size_bytes;
	uint8_t file_sha256[DIGEST_SHA256];
	unsigned flags;		 /* DIRECTIVE_* */
	int64_t retry_after_s;	 /* -1: none */
	int64_t next_check_in_s; /* -1: none; the caller has jittered it */
	unsigned window;	 /* GETs in flight, 0: do not say */
	unsigned block_bytes;	 /* 0: do not say */
};

const char *reset_reason_name(enum reset_reason r);
const char *reason_name(enum reason r);
bool reason_is_soft(enum reason r);
bool reason_holds(enum reason r);
const char *report_mode_name(enum report_mode m);
const char *last_stage_name(enum last_stage s);
const char *status_state_name(enum status_state s);
const char *trouble_name(unsigned bit);
const char *trouble_means(unsigned bit);
/* The reverse, for the store: ERR_INVAL for an unknown word. */
int reset_reason_from_name(const char *name, enum reset_reason *ret) ERR_CHECK;
int reason_from_name(const char *name, enum reason *ret) ERR_CHECK;
int report_mode_from_name(const char *name, enum report_mode *ret) ERR_CHECK;
int last_stage_from_name(const char *name, enum last_stage *ret) ERR_CHECK;

/* Two boots are the same boot: by id where both have one, else by count. */
bool boot_id_equal(const struct boot_id *a, const struct boot_id *b);

/* Every word of two boot ids is the same. */
bool boot_id_identical(const struct boot_id *a, const struct boot_id *b);

/* The running image is another one: another label, or another digest of the same kind. */
bool report_image_changed(const struct report *before, const struct report *now);

/* Two reports tell the same. Their uptime is left out: it always differs, and nothing rests on
 * its stored value. */
bool report_same(const struct report *a, const struct report *b);

/* A reset nobody asked for: watchdog, panic, brown-out. */
bool reset_is_unclean(enum reset_reason r);

#endif
