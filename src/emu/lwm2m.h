/* SPDX-License-Identifier: Apache-2.0
 *
 * The device as an OMA LwM2M client (--protocol lwm2m), in the place of the native protocol.
 *
 * Parts: lwm2m.c registers, updates, sleeps; lwm2m_request.c answers the server; lwm2m_object.c
 * has objects 1, 3 and 5 and one of the vendor; lwm2m_observe.c notifies; lwm2m_firmware.c is
 * object 5's state machine with the flash below; lwm2m_pull.c downloads by URI; lwm2m_style.c
 * knows in what the usual clients differ. What is handed over goes the native device's way:
 * emu_update_open_gate(), the boot loader, the next boot.
 */
#ifndef EMU_LWM2M_H
#define EMU_LWM2M_H

#include "emu/file.h"
#include "emu/lwm2m_value.h"
#include "emu/net.h"

struct emu_unit;
struct emu_conf;

enum { EMU_LW_OBSERVERS = 8, EMU_LW_ATTRIBUTES = 8, EMU_LW_PORT_MAX = 65535 };

enum emu_lw_state { EMU_LW_IDLE, EMU_LW_DOWNLOADING, EMU_LW_DOWNLOADED, EMU_LW_UPDATING };

enum emu_lw_result {
	EMU_LW_INITIAL = 0,
	EMU_LW_SUCCESS = 1,
	EMU_LW_NO_SPACE = 2,
	EMU_LW_OUT_OF_MEMORY = 3,
	EMU_LW_LOST = 4,
	EMU_LW_INTEGRITY = 5,
	EMU_LW_PACKAGE_TYPE = 6,
	EMU_LW_BAD_URI = 7,
	EMU_LW_FAILED = 8,
	EMU_LW_PROTOCOL = 9,
	EMU_LW_CANCELLED = 10,
	EMU_LW_DEFERRED = 11,
};

enum emu_lw_delivery { EMU_LW_PULL = 0, EMU_LW_PUSH = 1, EMU_LW_BOTH = 2 };

/* What a client says of an update after the reset that followed it. */
enum emu_lw_claim {
	EMU_LW_CLAIM_TRUE,     /* it compares what runs */
	EMU_LW_CLAIM_BELIEVED, /* success, unless the boot loader has told otherwise */
	EMU_LW_CLAIM_NONE,     /* 0, always */
};

struct emu_style {
	const char *name;
	const char *version; /* lwm2m= */
	const char *binding; /* b=; NULL: the default is not told */
	int format;	     /* of an answer without Accept */
	int root_format;     /* ct= of the root link; -1: no such link */
	bool object_versions;
	bool early_update; /* shortly before the lifetime ends, not at its half */
	bool confirmable;  /* notifications are CON */
	bool no_discover;
	enum emu_lw_delivery delivery;
	uint32_t block; /* bytes */
	bool first_block2;
	bool one_token;	  /* for all blocks */
	bool own_session; /* of a download */
	bool path_only;	  /* of a package URI: no query */
	bool resumes;
	bool etag_aborts; /* a changed ETag is result 4, not a new beginning */
	enum emu_lw_claim claim;
	enum emu_lw_state boot_state;
	uint32_t lifetime_s;
};

/* "plain" is the first; NULL: none of that name. */
const struct emu_style *emu_style_named(const char *name);

struct emu_lw_observer {
	bool used;
	uint8_t token[8];
	size_t token_len;
	struct emu_lw_path path;
	int format;
	uint16_t mid;  /* of the last notification */
	uint64_t seen; /* hash of what was told last */
	int64_t sent_at;
};

struct emu_lw_attribute {
	struct emu_lw_path path; /* count 0: free */
	uint32_t pmin_s, pmax_s;
	bool has_pmin, has_pmax;
};

enum emu_lw_registration { EMU_LW_OUT, EMU_LW_IN };

struct emu_lw_pull {
	struct emu_session session; /* its own; not open: the unit's */
	bool active;
	bool own_session;
	bool dtls;
	struct emu_addr server;
	char path[EMU_LW_TEXT];
	char query[EMU_LW_TEXT];
	uint32_t token;
	bool asked;
	unsigned szx;
	unsigned restarts;
	unsigned failures; /* sessions in a row */
	int64_t retry_at;  /* 0: at once */
};

/* What comes in, by either way, on its way to the staged slot. */
struct emu_lw_store {
	int fd; /* -1: closed */
	uint64_t have;
	uint64_t start;
	uint64_t saved;
	uint32_t size; /* 0: not told yet */
	unsigned quarter;
	int64_t started_at;
	uint8_t etag[8];
	size_t etag_len;
};

struct emu_lwm2m {
	enum emu_lw_registration registration;
	uint32_t reg_token; /* 0: nothing in flight */
	bool reg_again;	    /* double-register: another one follows */
	bool reg_update;    /* what is in flight is an update */
	bool links_changed;
	unsigned reg_failures;
	int64_t reg_at; /* the next registration or update */
	char location[EMU_LOCATION];
	int64_t lifetime_s;
	int64_t pmin_s, pmax_s; /* object 1's defaults; 0: none */
	int64_t disable_s;
	bool disable;	   /* once the reply has left */
	int64_t forced_at; /* re-register */
	int64_t heard_at;  /* last exchange: the radio stays on for a while after it */
	bool asleep;
	int64_t told_at;     /* the server has read the version; 0: not, or it is over */
	bool told_confirmed; /* of a confirmed image */
	bool to_report;	     /* and nobody was told of that yet */
	bool reported;	     /* since the last registration */

	struct emu_lw_observer observers[EMU_LW_OBSERVERS];
	struct emu_lw_attribute attributes[EMU_LW_ATTRIBUTES];
	uint32_t observe;

	/* The last request that may not be done twice, for its retransmission. */
	bool last_have;
	uint16_t last_mid;
	unsigned last_code;
	struct emu_block last_block1;

	unsigned state, result;
	char uri[EMU_LW_TEXT];
	bool execute; /* once the reply has left */
	struct emu_lw_pull pull;
	struct emu_lw_store store;
};

/* lwm2m.c */
void emu_lwm2m_alive(struct emu_unit *unit);		     /* something was sent or heard */
void emu_lwm2m_register(struct emu_unit *unit, bool update); /* at the next turn */
/* What is a report here: the server has read the version, and all else that it wanted. */
void emu_lwm2m_reported(struct emu_unit *unit);

/* lwm2m_request.c */
void emu_lwm2m_request(struct emu_unit *unit, const struct emu_request *request,
		       struct emu_reply *reply);

/* lwm2m_object.c */
/* All that is readable at or below `path`. ERR_NOENT: there is no such thing; ERR_DENIED: there is,
 * and it cannot be read. */
int emu_lwm2m_read(const struct emu_unit *unit, const struct emu_lw_path *path,
		   struct emu_lw_value values[EMU_LW_VALUES], size_t *ret_count) ERR_CHECK;
/* The code to answer. */
unsigned emu_lwm2m_write(struct emu_unit *unit, const struct emu_lw_value *value);
unsigned emu_lwm2m_execute(struct emu_unit *unit, const struct emu_lw_path *path);
/* Links of objects and instances (a registration), or of what is at or below a path. */
void emu_lwm2m_links(const struct emu_unit *unit, struct buf *out);
int emu_lwm2m_discover(const struct emu_unit *unit, const struct emu_lw_path *path,
		       struct buf *out) ERR_CHECK;

/* lwm2m_observe.c */
void emu_lwm2m_observe(struct emu_unit *unit, const struct emu_request *request,
		       const struct emu_lw_path *path, int format, struct bytes told);
void emu_lwm2m_unobserve(struct emu_unit *unit, const struct emu_request *request,
			 const struct emu_lw_path *path);
void emu_lwm2m_unwanted(struct emu_unit *unit, uint16_t mid);
unsigned emu_lwm2m_attributes(struct emu_unit *unit, const struct emu_lw_path *path,
			      const char *query);
void emu_lwm2m_notify(struct emu_unit *unit);
int64_t emu_lwm2m_notify_ms(const struct emu_unit *unit);
/* pmin, pmax of a path by the nearest attribute; 0: none. */
void emu_lwm2m_periods(const struct emu_unit *unit, const struct emu_lw_path *path,
		       int64_t *ret_pmin_ms, int64_t *ret_pmax_ms);

/* lwm2m_firmware.c */
void emu_lwm2m_firmware_boot(struct emu_unit *unit);
unsigned emu_lwm2m_firmware_uri(struct emu_unit *unit, const char *uri);
void emu_lwm2m_firmware_push(struct emu_unit *unit, const struct emu_request *request,
			     struct emu_reply *reply);
unsigned emu_lwm2m_firmware_execute(struct emu_unit *unit);
void emu_lwm2m_firmware_tick(struct emu_unit *unit);
/* For a download: opens the staged slot at what is there of this URI; what came in at `have`. */
int emu_lwm2m_store_open(struct emu_unit *unit, bool fresh) ERR_CHECK;
/* ERR_LIMIT: larger than the slot; ERR_CLOSED: power was cut. */
int emu_lwm2m_store_append(struct emu_unit *unit, struct bytes data) ERR_CHECK;
void emu_lwm2m_store_close(struct emu_unit *unit);
void emu_lwm2m_firmware_done(struct emu_unit *unit); /* all bytes are there */
void emu_lwm2m_firmware_fail(struct emu_unit *unit, enum emu_lw_result result, const char *why);
const char *emu_lwm2m_result_text(unsigned result);

/* lwm2m_pull.c */
void emu_lwm2m_pull_start(struct emu_unit *unit);
void emu_lwm2m_pull_stop(struct emu_unit *unit);
void emu_lwm2m_pull_lost(struct emu_unit *unit); /* the unit's session is gone */
void emu_lwm2m_pull_tick(struct emu_unit *unit);
bool emu_lwm2m_pull_answer(struct emu_unit *unit, const struct emu_answer *answer);
int64_t emu_lwm2m_pull_ms(const struct emu_unit *unit);

#endif
