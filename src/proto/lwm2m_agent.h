/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of proto/lwm2m share; nobody else includes it.
 *
 * A step (lwm2m.c) gives what happened to the part whose job it is: registration and Send
 * (lwm2m_register.c), reads (lwm2m_read.c), boots and reports (lwm2m_boot.c), object 5
 * (lwm2m_firmware.c, lwm2m_state.c). They note what is to be asked; lwm2m_ask.c sends one thing
 * at a time, when the device listens. lwm2m_save.c, lwm2m_facts.c, lwm2m_options.c.
 */
#ifndef PROTO_LWM2M_AGENT_H
#define PROTO_LWM2M_AGENT_H

#include "proto/talk.h"
#include "wire/lwm2m.h"

/* ---- a product's options ---- */

enum lwm2m_transfer { TRANSFER_AUTO, TRANSFER_PULL, TRANSFER_PUSH };

/* Resources that a product can name. */
enum lwm2m_named {
	NAMED_UPTIME,
	NAMED_BOOT_COUNT,
	NAMED_DIGEST,
	NAMED_CONFIRMED,
	NAMED_HARDWARE,
	NAMED_COUNT
};

enum { LWM2M_HOST = 64 };

struct lwm2m_options {
	enum lwm2m_transfer transfer;
	unsigned block_bytes; /* 64..1024 */
	int64_t listen_s;     /* of a device in queue mode, after its last word */
	int64_t poll_s;	      /* longest time between two looks while something is open */
	char uri_host[LWM2M_HOST];
	unsigned digest_kind;
	struct lwm2m_path named[NAMED_COUNT]; /* count 0: not named */
};

enum { LWM2M_OPTIONS = 11 };
extern const struct talk_option lwm2m_option_rows[LWM2M_OPTIONS];

/* Defaults for what is not there. ERR_INVAL and the fault. */
int lwm2m_options_parse(struct bytes text, struct lwm2m_options *ret,
			char fault[TALK_FAULT]) ERR_CHECK;

/* ---- the talk ---- */

enum { LWM2M_ROOT = 24, LWM2M_LOCATION = 9, LWM2M_TEXT_MAX = 32, LWM2M_REFUSED = 64 };

struct lwm2m_registration {
	bool registered;
	bool queue; /* queue mode */
	bool has_links;
	bool has_firmware; /* the links name /5 */
	uint8_t version;   /* 10, 11, 12 */
	char binding[8];
	char root[LWM2M_ROOT]; /* without slash at the end; "": / */
	char location[LWM2M_LOCATION];
	int64_t lifetime_s;
	int64_t since_ms; /* of the newest registration */
	uint32_t count;	  /* registrations since the beginning of the talk */
};

/* What the device has told, by reads, notifications and Send. -1, len 0, "": it did not. */
struct lwm2m_told {
	char version[LIMIT_VERSION + 1];
	char hardware[LIMIT_HARDWARE + 1];
	char package[LWM2M_TEXT_MAX + 1]; /* /5/0/7 */
	struct digest running;
	int confirmed;
	int64_t battery_percent, free_kb, total_kb;
	int64_t battery_status; /* /3/0/20 */
	int64_t supply_mv;     /* of its battery, if it says which one that is, else of the first */
	int64_t errors;	       /* bits of /3/0/11; 0: it says that there is none */
	int64_t battery_at;    /* which instance of /3/0/6 is one, or BATTERY_NONE */
	int64_t state, result; /* /5/0/3, /5/0/5 */
	int64_t delivery, protocols; /* /5/0/9; bits of /5/0/8 */
	int64_t boot_count, uptime_s, clock_s;
	int64_t began_ms;    /* the boot, by that uptime: not before */
	int64_t firmware_ms; /* when State and Result were read, 0: never */
	int64_t device_ms;   /* when the facts were read */
	uint32_t fresh;	     /* FRESH_* of this round */
	bool no_firmware;    /* /5/0, or its State, was answered 4.04 */
};

enum { BATTERY_NONE = 8, LWM2M_ERRORS = 53 };
#define LWM2M_NUMBER_MAX (INT64_C(1) << 40) /* seconds, kilobytes: more is nonsense */

enum { FRESH_UPTIME = 1, FRESH_COUNT = 2, FRESH_CLOCK = 4, FRESH_VERSION = 8, FRESH_STATE = 16 };

/* How a boot was seen, weakest first. */
enum lwm2m_proof { PROOF_NONE, PROOF_REGISTERED, PROOF_CLOCK, PROOF_UPTIME, PROOF_COUNT };

enum { MOMENT_LOST = -1 };

struct lwm2m_boots {
	uint8_t id[LIMIT_BOOT_ID_MIN];
	bool known;			 /* id is one */
	bool registered;		 /* a registration that no report has told of */
	enum lwm2m_proof proof;		 /* of the newest boot */
	int64_t count;			 /* the device's own, -1: unknown */
	int64_t moment_ms;		 /* when it began, by an uptime: not after; 0: unknown */
					 /* MOMENT_LOST: our clock was set back since */
	int64_t uptime_s;		 /* as told last in it, -1: unknown */
	int64_t clock_s;		 /* the device's clock, -1: unknown */
	char version[LIMIT_VERSION + 1]; /* as reported in it */
};

/* Where an attempt is. */
enum lwm2m_step {
	FW_IDLE,     /* there is none */
	FW_RESET,    /* before anything is written, State must be 0 */
	FW_WRITE,    /* the URI or the package is to be written */
	FW_WRITTEN,  /* and was */
	FW_EXECUTE,  /* the gate is passed, Execute is to be sent */
	FW_EXECUTED, /* and was taken */
	FW_PROVING,  /* it runs; core wants more proof */
	FW_DROP,     /* the attempt is over; its package is to be dropped */
	FW_STEPS
};

struct lwm2m_firmware {
	enum lwm2m_step step;
	uint64_t attempt;
	int64_t size_bytes;
	uint8_t digest16[8];
	unsigned block_bytes;
	bool fresh; /* drop a kept package first */
	bool push;
	bool fell_back; /* from pull to push */
	bool told_downloading, told_verified;
	uint8_t resets, writes, executes, waits;
	uint8_t refused_code;  /* of the write or Execute, as on the wire; 0: none */
	int64_t stale_result;  /* Result before the write */
	int64_t wrote_ms;      /* 0: not yet */
	int64_t execute_ms;    /* when Execute left, or State 3 was seen without; 0: neither */
	uint32_t registration; /* the count of registrations at that time */
	/* Of the attempt before, for the reports after its boot. */
	struct last_attempt last;
};

/* What one request of ours is for. */
enum lwm2m_ask {
	ASK_NONE,
	ASK_READ, /* an item of `todo` */
	ASK_ATTRIBUTES,
	ASK_OBSERVE_STATE,
	ASK_OBSERVE_RESULT,
	ASK_RESET,
	ASK_WRITE_URI,
	ASK_PUSH,
	ASK_EXECUTE,
	ASK_COUNT
};

/* Observations keep the tag of their request: always the same, so that one of before a restart is
 * known, and a new one takes its place. */
enum { TAG_STATE = 1, TAG_RESULT = 2, TAG_FIRST = 16 };

/* Things to read, a bit each; the order is that of asking. */
enum lwm2m_item {
	ITEM_DEVICE,   /* /3/0 */
	ITEM_FIRMWARE, /* /5/0 */
	ITEM_NAMED,    /* NAMED_COUNT of them */
	/* where an instance cannot be read as a whole */
	ITEM_VERSION = ITEM_NAMED + NAMED_COUNT,
	ITEM_BATTERY,
	ITEM_FREE,
	ITEM_TOTAL,
	ITEM_CLOCK,
	ITEM_SUPPLY,
	ITEM_ERRORS,
	ITEM_STATE,
	ITEM_RESULT,
	ITEM_DELIVERY,
	ITEM_COUNT
};
#define ITEM(item) (UINT32_C(1) << (item))

struct lwm2m_reads {
	uint32_t todo; /* ITEM bits */
	bool again;    /* State has changed meanwhile: read it once more */
	bool report;   /* report when all is read; false: look at State only */
	bool single_device, single_firmware; /* no reads of instances */
	int format;			     /* in which it answers; -1: not known yet */
	uint8_t busy;			     /* "not now", in a row */
	uint8_t tried;			     /* formats refused, bits of the list in lwm2m_read.c */
};

struct lwm2m_asking {
	enum lwm2m_ask ask;   /* outstanding */
	enum lwm2m_item item; /* of ASK_READ */
	enum lwm2m_ask next;  /* to be sent, after all reads */
	uint32_t tag, newest_tag;
	int64_t sent_ms;
	uint8_t failures; /* in a row, without an answer */
	bool deaf;	  /* it did not answer: until it is heard, or retry_ms */
	int64_t retry_ms;
	bool attributes_set;
	bool observe_tried[2]; /* State, Result */
};

struct lwm2m_talk {
	struct lwm2m_registration reg;
	struct lwm2m_told told;
	struct lwm2m_boots boots;
	struct lwm2m_firmware fw;
	struct lwm2m_reads reads;
	struct lwm2m_asking ask;
	enum status_state telling;   /* the status that waits for TALK_ACCEPTED */
	bool reporting;		     /* a report waits for TALK_DIRECTIVE */
	int64_t heard_ms;	     /* its last word */
	int64_t window_ms;	     /* in queue mode it listens until then; 0: always */
	char refused[LWM2M_REFUSED]; /* why the newest registration was, "": it was taken */
	int64_t refused_ms;
	uint8_t named;	      /* resources that the product names, 1 << enum lwm2m_named */
	bool gate_waits;      /* the gate was closed: the device's facts are read before it is
			       * asked again */
	bool resume;	      /* loaded: everything is to be read again */
	int64_t check_ms;     /* when to look again, 0: when it speaks */
	int64_t check_set_ms; /* when that was decided */
	int64_t poll_s;	      /* the present pause between two looks */
	int64_t due_ms;	      /* after Execute: until when its silence means nothing, 0: it does */
};

/* One step: what all functions get. */
struct lwm2m_step_ctx {
	struct lwm2m_talk *t;
	const struct talk_in *in;
	struct talk_out *out;
	struct lwm2m_options opt;
	int64_t told_ms; /* what the device says now it has not said before */
};

/* ---- registration and Send ---- */

void lwm2m_request(struct lwm2m_step_ctx *c);
bool lwm2m_owns(uint8_t method, const struct bytes *path, unsigned path_count);
uint8_t lwm2m_nobody(uint8_t method, const struct bytes *path, unsigned path_count);

/* ---- reads ---- */

/* Everything a report needs, or State and Result only. A round under way becomes the larger. */
void lwm2m_round(struct lwm2m_step_ctx *c, bool report);
/* The request for the first item of todo. */
void lwm2m_read_ask(const struct lwm2m_step_ctx *c, struct talk_ask *ask, enum lwm2m_item *ret);
/* Its answer. */
void lwm2m_read_answer(struct lwm2m_step_ctx *c, enum lwm2m_item item,
		       const struct talk_answer *answer);
/* Takes values in; false: not decodable, and the fault. `base` count 0: Send. */
bool lwm2m_take(struct lwm2m_step_ctx *c, int format, struct bytes payload,
		const struct lwm2m_path *base, struct wire_fault *ret_fault);
void lwm2m_told_init(struct lwm2m_told *told);
/* What the device has told by a resource that the product names. */
void lwm2m_forget_named(struct lwm2m_told *told, enum lwm2m_named named);

/* ---- object 3 ---- */

/* -1 where it is none, or out of bounds. */
void lwm2m_take_number(const struct lwm2m_value *v, int64_t min, int64_t max, int64_t *ret);
void lwm2m_take_device(const struct lwm2m_value *v, struct lwm2m_told *told);
/* Resources with several instances: all of what was told at once. */
void lwm2m_take_lists(const struct lwm2m_value *values, size_t count, struct lwm2m_told *told);
void lwm2m_forget_device(struct lwm2m_told *told);
/* As core has them. */
int64_t lwm2m_battery(const struct lwm2m_told *told);
uint32_t lwm2m_troubles(const struct lwm2m_told *told);
/* "low battery", NULL: a number without a word. */
const char *lwm2m_error_word(unsigned code);

/* ---- boots and reports ---- */

/* Decides which boot it is and puts a report out. Nothing without a version. */
void lwm2m_report(struct lwm2m_step_ctx *c);
/* It was told to apply the image a moment ago. That it still answers does not mean that it has come
 * back (TRUTH 5: never-rebooted, never-came-back): no report, and no contact. */
bool lwm2m_about_to_restart(const struct lwm2m_step_ctx *c);
/* It is asked at the end of that time, whatever else was to come when: it is not called silent
 * before it had the time to answer. */
void lwm2m_look_after_execute(struct lwm2m_step_ctx *c);
/* A registration has come, and nothing shows yet that it is of the boot before Execute. */
bool lwm2m_has_returned(const struct lwm2m_step_ctx *c);
void lwm2m_boot_id(const struct lwm2m_talk *t, struct boot_id *ret);

/* ---- object 5 ---- */

void lwm2m_directive(struct lwm2m_step_ctx *c);
void lwm2m_accepted(struct lwm2m_step_ctx *c);
/* State and Result are known anew: what follows. */
void lwm2m_drive(struct lwm2m_step_ctx *c);
/* The answer to ASK_ATTRIBUTES ... ASK_EXECUTE. */
void lwm2m_firmware_answer(struct lwm2m_step_ctx *c, enum lwm2m_ask ask,
			   const struct talk_answer *answer);
/* The open attempt is another one, or none. */
void lwm2m_attempt_gone(struct lwm2m_step_ctx *c);

/* A status in the device's name. */
void lwm2m_say(struct lwm2m_step_ctx *c, enum status_state state, enum reason reason, int32_t code,
	       const char *detail);
/* The same for a Result of the device. */
void lwm2m_say_result(struct lwm2m_step_ctx *c, int64_t result);

/* X(number, reason, words) */
#define LWM2M_RESULT_LIST(X)                                                                       \
	X(0, REASON_NONE, "initial value")                                                         \
	X(1, REASON_NONE, "firmware updated successfully")                                         \
	X(2, REASON_NO_SPACE, "not enough flash memory for the package")                           \
	X(3, REASON_OTHER, "out of RAM while downloading")                                         \
	X(4, REASON_OTHER, "connection lost while downloading")                                    \
	X(5, REASON_BAD_DIGEST, "integrity check failed")                                          \
	X(6, REASON_UNSUPPORTED, "unsupported package type")                                       \
	X(7, REASON_OTHER, "invalid URI")                                                          \
	X(8, REASON_OTHER, "firmware update failed")                                               \
	X(9, REASON_UNSUPPORTED, "unsupported protocol")                                           \
	X(10, REASON_DEFERRED, "firmware update cancelled on the device")                          \
	X(11, REASON_DEFERRED, "firmware update deferred by the device")

/* "LwM2M result 5: integrity check failed" */
void lwm2m_result_text(int64_t result, char dst[LIMIT_DETAIL + 1]);
enum reason lwm2m_result_reason(int64_t result);
const char *lwm2m_state_word(int64_t state);
/* "LwM2M State 3 (updating)" */
void lwm2m_state_text(int64_t state, char dst[LIMIT_DETAIL + 1]);
/* It was told to apply the image, says that it does, and no boot has followed. */
bool lwm2m_hangs(const struct lwm2m_talk *t);

/* ---- asking ---- */

/* Whether the device would hear us now. */
bool lwm2m_listens(const struct lwm2m_step_ctx *c);
/* Sends what is next, if it listens. */
void lwm2m_pump(struct lwm2m_step_ctx *c);
/* Looks again in at most so many seconds. */
void lwm2m_check_in(struct lwm2m_step_ctx *c, int64_t seconds);
/* The pause between two looks: short at first, then longer. */
void lwm2m_poll_soon(struct lwm2m_step_ctx *c);
void lwm2m_poll(struct lwm2m_step_ctx *c);

/* ---- for people, and for the store ---- */

void lwm2m_facts(const void *talk, int64_t now_ms,
		 void (*tell)(void *ctx, const char *name, const char *value), void *ctx);
void lwm2m_init(void *talk);
int lwm2m_load(void *talk, struct bytes saved);
int lwm2m_save(const void *talk, struct buf *out);
/* What must not get lost, as bytes that can be compared: the first part of what is saved. */
int lwm2m_save_lasting(const struct lwm2m_talk *t, struct buf *out) ERR_CHECK;

#endif
