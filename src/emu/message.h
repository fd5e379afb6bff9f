/* SPDX-License-Identifier: Apache-2.0
 *
 * The three messages of the native protocol (PROTOCOL.md) as structs: report and status are
 * written, a directive is read. Pure.
 */
#ifndef EMU_MESSAGE_H
#define EMU_MESSAGE_H

#include "base/limits.h"
#include "emu/payload.h"

enum { EMU_MESSAGE_MAX = 1024, EMU_BOOT_ID = 16, EMU_PATH_MAX = 128 };

enum emu_reset {
	EMU_RESET_POWER_ON = 1,
	EMU_RESET_PIN = 2,
	EMU_RESET_SOFTWARE = 3,
	EMU_RESET_UPDATE = 4,
	EMU_RESET_WATCHDOG = 5,
	EMU_RESET_PANIC = 6,
	EMU_RESET_BROWN_OUT = 7,
	EMU_RESET_WAKE = 8,
	EMU_RESET_OTHER = 9
};

enum emu_reason {
	EMU_REASON_NONE = 0,
	EMU_REASON_NO_SPACE = 1,
	EMU_REASON_BAD_DIGEST = 2,
	EMU_REASON_BAD_SIGNATURE = 3,
	EMU_REASON_WRONG_HARDWARE = 4,
	EMU_REASON_DOWNGRADE = 5,
	EMU_REASON_STORAGE_IO = 6,
	EMU_REASON_DEPENDENCY = 7,
	EMU_REASON_UNSUPPORTED = 8,
	EMU_REASON_BOOT_LOADER = 9,
	EMU_REASON_OTHER = 10,
	EMU_REASON_BUSY = 11,
	EMU_REASON_LOW_POWER = 12,
	EMU_REASON_UPDATES_DISABLED = 13,
	EMU_REASON_DEFERRED = 14
};

enum emu_stage { EMU_STAGE_DOWNLOADING = 1, EMU_STAGE_VERIFIED, EMU_STAGE_HANDED, EMU_STAGE_TRIED };

struct emu_last_attempt {
	uint64_t attempt; /* 0: none */
	enum emu_stage stage;
	enum emu_reason reason;
	int64_t code;
	char detail[LIMIT_DETAIL + 1];
};

enum {
	EMU_CAP_RESUME = 1,
	EMU_CAP_FRESH = 2,
	EMU_CAP_GATE = 4,
	EMU_CAP_OBSERVE = 8,
	EMU_CAP_CONFIRM = 32,
	EMU_CAP_WINDOW = 64
};

struct emu_report {
	uint8_t boot_id[EMU_BOOT_ID];
	uint64_t boot_count;
	char version[LIMIT_VERSION + 1];
	bool has_digest;
	uint8_t digest[32];
	bool confirmed;
	enum emu_reset reset;
	struct emu_last_attempt last;
	bool updates_enabled;
	uint64_t fs_free;
	uint64_t fs_total;
	uint64_t slot_size;
	int battery;		  /* percent; negative: on mains, not told */
	int64_t security_counter; /* negative: not told */
	const char *hardware;	  /* NULL: not told */
	const char *boot_loader;
	bool has_cached;
	uint8_t cached[32];
	uint32_t interval_s;
	uint32_t capabilities;
	uint64_t uptime_s;
};

enum emu_status_state {
	EMU_STATUS_DOWNLOADING = 1,
	EMU_STATUS_VERIFIED,
	EMU_STATUS_APPLYING,
	EMU_STATUS_REFUSED,
	EMU_STATUS_DEFERRED,
	EMU_STATUS_FAILED
};

struct emu_status {
	uint64_t attempt;
	enum emu_status_state state;
	enum emu_reason reason;
	int64_t code;
	char detail[LIMIT_DETAIL + 1];
	uint64_t received;
	uint64_t start_offset;
	uint64_t defer_s;
	uint8_t boot_id[EMU_BOOT_ID];
	uint64_t seq;
};

enum emu_action { EMU_ACTION_NONE = 0, EMU_ACTION_PENDING = 1, EMU_ACTION_UPDATE = 2 };

enum { EMU_FLAG_FRESH = 1, EMU_FLAG_FORCE = 2, EMU_FLAG_RESUME = 4 };

struct emu_directive {
	uint64_t action;
	uint64_t attempt;
	char version[LIMIT_VERSION + 1];
	uint64_t size;
	uint8_t digest[32];
	char path[EMU_PATH_MAX];
	uint64_t flags;
	uint64_t retry_s; /* 0: not told, as the next three */
	uint64_t next_s;
	uint64_t window;
	uint64_t block;
	bool critical; /* holds a negative key, flag bit or action that is not understood */
};

void emu_report_write(const struct emu_report *report, struct emu_msg *ret_msg);
void emu_status_write(const struct emu_status *status, struct emu_msg *ret_msg);

/* 0, or ERR_INVAL (a field of the wrong kind), ERR_NOENT (an update without what it needs). A
 * critical directive is read as far as it goes: attempt is what a refusal needs. */
int emu_directive_read(const struct emu_msg *msg, struct emu_directive *ret_directive) ERR_CHECK;

const char *emu_reset_name(enum emu_reset reset);
const char *emu_reason_name(enum emu_reason reason);
const char *emu_status_name(enum emu_status_state state);

#endif
