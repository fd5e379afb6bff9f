/* SPDX-License-Identifier: Apache-2.0
 *
 * One emulated device. What survives a reset is in files (flash, fs) and, of the emulation
 * itself, in struct emu_unit; everything in struct emu_ram is gone at each boot.
 *
 * Parts: unit.c boots, connects and keeps time, whatever is spoken. The native protocol: native.c;
 * report.c speaks /report and /desired; update.c decides what to do with a directive and hands
 * over; transfer.c downloads; status.c speaks /status and the gate. LwM2M: see emu/lwm2m.h.
 * Inside a libcoap callback nothing resets the device: emu_unit_reset_at() notes it and the next
 * tick does it.
 */
#ifndef EMU_UNIT_H
#define EMU_UNIT_H

#include "emu/boot.h"
#include "emu/conf.h"
#include "emu/console.h"
#include "emu/download.h"
#include "emu/link.h"
#include "emu/lwm2m.h"
#include "emu/net.h"
#include "emu/rng.h"

#define EMU_NEVER INT64_MAX

enum { EMU_BELL_MAX = 32 };

enum emu_phase {
	EMU_PHASE_OFF,	   /* until phase_until: resetting */
	EMU_PHASE_WAIT,	   /* until phase_until: then connect */
	EMU_PHASE_CONNECT, /* handshake */
	EMU_PHASE_UP,
	EMU_PHASE_SILENT,
};

enum emu_update_phase {
	EMU_UPDATE_IDLE,
	EMU_UPDATE_DOWNLOAD,
	EMU_UPDATE_VERIFIED, /* the server has not answered `verified' yet */
	EMU_UPDATE_GATE,     /* asks for the gate */
	EMU_UPDATE_ENDING,   /* refused, deferred or failed: to be told */
	EMU_UPDATE_HANDED,   /* the gate opened */
};

struct emu_ram {
	enum emu_phase phase;
	int64_t phase_until;
	int64_t boot_at;
	int64_t reset_at;
	enum emu_reset reset_wanted;
	enum emu_reset reset; /* why this boot came */
	uint8_t boot_id[EMU_BOOT_ID];
	struct emu_image running;
	bool lie; /* liar:no-reboot */
	struct emu_image lie_image;
	unsigned failures; /* connections in a row */
	bool had_session;
	bool handed_before; /* the reset before this boot came after a hand-over */
	bool installed;	    /* and the image of it runs */
	uint32_t token;

	/* report.c */
	int64_t report_at;
	uint32_t report_token; /* 0: none in flight */
	bool session_reported; /* on this session */
	bool boot_reported;    /* in this boot */
	bool confirmed_sent;   /* the report in flight says confirmed */
	int64_t crash_at;
	int64_t power_loss_at;
	int64_t rollback_at;
	uint32_t bell_token;
	int64_t bell_at;
	bool bell_known;
	uint8_t bell[EMU_BELL_MAX];
	size_t bell_len;

	/* update.c, transfer.c, status.c */
	enum emu_update_phase update;
	struct emu_directive directive;
	uint64_t handed_attempt;
	struct emu_download dl;
	int64_t dl_started_at;
	int64_t dl_pause_until;
	uint64_t dl_saved;   /* bytes told to the resume record */
	unsigned dl_quarter; /* of progress told */
	unsigned dl_restarts;
	uint64_t start_offset;
	bool status_have;
	struct emu_status status;
	uint32_t status_token; /* 0: none in flight */
	bool status_next_have;
	struct emu_status status_next;
	uint64_t seq;

	struct emu_lwm2m lwm2m;
};

/* What a device speaks. */
struct emu_protocol {
	bool attempts;				/* directive.attempt is the server's number */
	void (*boot)(struct emu_unit *unit);	/* flash is loaded, nothing is connected yet */
	void (*reset)(struct emu_unit *unit);	/* before RAM is lost */
	void (*session)(struct emu_unit *unit); /* up */
	void (*lost)(struct emu_unit *unit);	/* what was in flight gets no answer */
	void (*tick)(struct emu_unit *unit);	/* in every phase but off and silent */
	void (*answer)(struct emu_unit *unit, const struct emu_answer *answer);
	void (*request)(struct emu_unit *unit, const struct emu_request *request,
			struct emu_reply *reply);
	void (*unwanted)(struct emu_unit *unit, uint16_t mid);
	int64_t (*next_ms)(const struct emu_unit *unit);
	void (*soon)(struct emu_unit *unit, int64_t in_ms); /* there is news for the server */
	void (*leave)(struct emu_unit *unit);		    /* the process ends in order */
};

extern const struct emu_protocol emu_protocol_native;
extern const struct emu_protocol emu_protocol_lwm2m;

struct emu_unit {
	const struct emu_conf *conf;
	const struct emu_protocol *protocol;
	const struct emu_key *key;
	struct emu_console *console;
	struct emu_ctx *ctx;
	struct emu_link *link; /* NULL: a good link */
	struct emu_session session;
	struct emu_flash flash;
	struct emu_fs fs;
	struct emu_nvram nvram;
	struct emu_rng rng;
	uint32_t fired; /* "once" faults done, by place in the list */
	bool clone;
	bool sleepy; /* a handshake for each check-in */
	bool freed;  /* the user's logs were removed */
	int64_t now; /* of the turn */
	int64_t space_check_at;
	int64_t defer_until; /* 0: not deferred yet */
	uint64_t gate_lost;  /* answers to applying that no-gate-answer ate */
	uint8_t old_report[EMU_MESSAGE_MAX];
	size_t old_report_len; /* of the boot before */
	uint8_t last_report[EMU_MESSAGE_MAX];
	size_t last_report_len;
	uint32_t old_token;
	size_t until_pos;
	struct emu_ram ram;
};

/* Makes or opens the state folder `dir`. Errors are printed. `clone`: the second unit of the
 * fault of that name. The unit boots at its first tick. */
int emu_unit_init(struct emu_unit *unit, const struct emu_conf *conf, const struct emu_key *key,
		  const char *dir, bool clone, struct emu_ctx *ctx, struct emu_console *console,
		  int64_t now_ms) ERR_CHECK;
void emu_unit_done(struct emu_unit *unit);

void emu_unit_tick(struct emu_unit *unit, int64_t now_ms);
int64_t emu_unit_next_ms(const struct emu_unit *unit);
/* The user removes logs (SIGUSR1, fs-free-now). */
void emu_unit_free_space(struct emu_unit *unit);
bool emu_unit_reached(const struct emu_unit *unit); /* every --until was seen */

/* For the parts. */
void emu_unit_say(struct emu_unit *unit, bool key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void emu_unit_event(struct emu_unit *unit, enum emu_event event);
void emu_unit_reset_at(struct emu_unit *unit, enum emu_reset reset, int64_t at_ms);
void emu_unit_drop_session(struct emu_unit *unit, const char *why, bool graceful);
const struct emu_fault *emu_unit_fault(const struct emu_unit *unit, enum emu_fault_kind kind);
/* The first fault of a kind that has not fired and whose value is <= `value`; marks it. */
bool emu_unit_fire(struct emu_unit *unit, enum emu_fault_kind kind, uint64_t value);
/* fs-full: has somebody touched fs-free-now? Asked by the clock, and before it matters. */
void emu_unit_check_space(struct emu_unit *unit);
void emu_unit_save_nvram(struct emu_unit *unit);
uint32_t emu_unit_token(struct emu_unit *unit);
void emu_unit_soon(struct emu_unit *unit, int64_t in_ms);
/* How the unit opens any session, with its key; the caller adds where to. */
struct emu_session_conf emu_unit_session(const struct emu_unit *unit);
/* The new image is made permanent, unless a fault has other plans with it. */
bool emu_unit_confirm(struct emu_unit *unit);
const char *emu_unit_query(const struct emu_unit *unit, char *dst, size_t cap);
enum emu_format emu_unit_format(const struct emu_unit *unit);

/* report.c */
void emu_report_session(struct emu_unit *unit); /* a session came up */
void emu_report_lost(struct emu_unit *unit);	/* the session is gone */
void emu_report_tick(struct emu_unit *unit);
bool emu_report_answer(struct emu_unit *unit, const struct emu_answer *answer);
int64_t emu_report_next_ms(const struct emu_unit *unit);
void emu_report_soon(struct emu_unit *unit, int64_t in_ms);

/* update.c */
void emu_update_directive(struct emu_unit *unit, const struct emu_directive *directive);
void emu_update_verify(struct emu_unit *unit);
void emu_update_drop(struct emu_unit *unit, bool erase, const char *why);
void emu_update_fail(struct emu_unit *unit, enum emu_status_state state, enum emu_reason reason,
		     int64_t code, const char *detail);
void emu_update_open_gate(struct emu_unit *unit);
void emu_update_last(struct emu_unit *unit, enum emu_stage stage, enum emu_reason reason,
		     int64_t code, const char *detail);

/* transfer.c */
bool emu_transfer_cached(struct emu_unit *unit, uint8_t digest[32], uint64_t *ret_size);
void emu_transfer_clear(struct emu_unit *unit);
void emu_transfer_begin(struct emu_unit *unit);
void emu_transfer_tick(struct emu_unit *unit);
void emu_transfer_lost(struct emu_unit *unit);
bool emu_transfer_answer(struct emu_unit *unit, const struct emu_answer *answer);

/* status.c */
void emu_status_push(struct emu_unit *unit, enum emu_status_state state);
void emu_status_push_end(struct emu_unit *unit, enum emu_status_state state, enum emu_reason reason,
			 int64_t code, const char *detail, uint64_t defer_s);
void emu_status_tick(struct emu_unit *unit);
void emu_status_lost(struct emu_unit *unit);
void emu_status_clear(struct emu_unit *unit);
bool emu_status_answer(struct emu_unit *unit, const struct emu_answer *answer);

#endif
