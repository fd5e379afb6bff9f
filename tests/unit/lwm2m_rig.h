/* SPDX-License-Identifier: Apache-2.0
 *
 * An LwM2M device as a model, the agent that speaks for it, and core behind it, in virtual time:
 * carries steps out as the engine does (proto/talk.h), and checks after each what must always
 * hold. The device does what its script says; by default it is a good one.
 */
#ifndef TESTS_UNIT_LWM2M_RIG_H
#define TESTS_UNIT_LWM2M_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/update.h"
#include "proto/lwm2m.h"
#include "proto/lwm2m_agent.h"

enum { RIG_BASE, RIG_TARGET, RIG_RELEASES };

/* After Execute. */
enum rig_apply {
	APPLY_REBOOT, /* into the new image */
	APPLY_OLD,    /* into the old one */
	APPLY_NEVER,  /* stays, State 3 */
	APPLY_IDLE,   /* stays, State 0 */
	APPLY_SILENT, /* is never heard again */
	APPLY_LIE,    /* registers anew without a reboot, and names the new image */
	APPLY_FAILS,  /* stays, State 2, Result `fails_with` */
};

enum rig_delivery { DELIVERS_BOTH, DELIVERS_PULL, DELIVERS_PUSH, DELIVERS_UNTOLD };
enum { RIG_NONE = -1 };

/* All zero: a good one. */
struct rig_script {
	/* registration */
	const char *version; /* "1.1" */
	bool queue, no_links, no_ep;
	const char *root; /* "", "/lwm2m" */
	int64_t lifetime_s;
	/* reads */
	int format;	     /* answers so without Accept */
	unsigned refuses;    /* formats answered 4.06: bits 1 CBOR, 2 TLV, 4 JSON */
	unsigned busy;	     /* so many reads of /5 are answered `busy_code` */
	int busy_code;	     /* 503 */
	bool no_instances;   /* no instance is read as a whole */
	int instance_code;   /* but answered so; 406 */
	bool senml_silent;   /* a read that asks for SenML gets no answer */
	bool no_firmware;    /* no object 5 */
	bool no_version;     /* no /3/0/3 */
	bool bare;	     /* no /33605/0: uptime, boot counter, digest */
	bool clock_restarts; /* /3/0/13 counts from 0 at a boot */
	int battery_percent; /* 0: 80 */
	int sources[2];	     /* /3/0/6, and 1; 0: none */
	int supply_mv[2];
	int errors[2];	    /* /3/0/11; 0: not told */
	int battery_status; /* /3/0/20; 0: not told */
	/* object 5 */
	int delivery; /* -1: not told */
	int state_at_boot;
	bool no_reset; /* State does not go away by a reset */
	bool no_observe, lost_notifications;
	int attributes_code; /* Write-Attributes is answered so; 0: 2.04, RIG_NONE: not at all */
	int uri_code;	     /* a Write to /5/0/1 is answered so; 0: 2.04 */
	int push_code;
	int fails_with;	   /* Result of the download, or of APPLY_FAILS */
	bool cached;	   /* State 2 without a block */
	bool stalls;	   /* State 1 for ever */
	bool unreachable;  /* what it should pull from: State 1, no block, Result 4 */
	bool self_applies; /* does not wait for Execute */
	int execute_code;
	unsigned execute_lost;	 /* so many are not answered, and not done */
	bool execute_unanswered; /* done, but the answer is lost */
	/* after Execute */
	enum rig_apply apply;
	bool registers_first; /* registers anew before it reboots */
	int result_first;     /* shows Result so before it reboots (0: not) */
	int state_after;      /* in the first boot after */
	int result_after;     /* 0: 1; RIG_NONE: 0 */
};

struct rig {
	struct rig_script s;
	char options[TALK_OPTIONS];
	struct product product;
	struct release releases[RIG_RELEASES];

	/* the server */
	struct update u;
	_Alignas(16) uint8_t talk[sizeof(struct lwm2m_talk)];
	struct outcome out; /* of core, the last */
	bool closed;	    /* `ended` is one */
	struct attempt ended;
	struct diagnoses diagnoses;
	unsigned attempts_closed, events_started, offline;
	struct talk_reply reply;
	bool replied;
	bool has_ask;
	struct talk_ask ask;
	int64_t answer_ms; /* when its answer comes */
	uint64_t random;
	char log[TALK_FAULT];
	bool gone, plain;
	unsigned commits, updates; /* that a step wanted; of the registration */
	bool restarts;		   /* the server restarts after every second commit, by chance */

	/* the device */
	bool on, registered;
	int image; /* RIG_BASE, RIG_TARGET */
	int named; /* the image whose label it names */
	int state, result;
	uint32_t boots;
	int64_t booted_ms, heard_ms, update_ms;
	uint32_t observes[2]; /* tags */
	int64_t download_ms;  /* next block, 0: none */
	int64_t offset;
	int64_t apply_ms;	/* when Execute takes effect, 0: not */
	int64_t register_ms;	/* when it registers next, 0: not */
	uint32_t boots_offered; /* boots when the attempt was offered */
	unsigned executed, written, pushed, blocks;
	unsigned attributes, observed; /* Write-Attributes and observations asked for */
	char uri[TALK_PAYLOAD + 1];
	int64_t state_read; /* as the server has read it last */
};

/* A device that has not spoken yet, an empty talk; options: "lwm2m-poll=60\n..." */
void rig_init(struct rig *r, const struct rig_script *s, const char *options);
/* So many seconds pass, or until the attempt is closed. */
void rig_run(struct rig *r, int64_t seconds);
/* Until the first attempt is closed, at most `seconds`. */
void rig_until_closed(struct rig *r, int64_t seconds);
/* The device boots now and registers. */
void rig_boot(struct rig *r);
void rig_register(struct rig *r);
/* A request of the device; its reply is in r->reply. "ep=x&lt=60" */
void rig_request(struct rig *r, uint8_t method, const char *path, const char *query,
		 int content_format, const void *payload, size_t len);
/* The same, come a second time. */
void rig_repeat(struct rig *r, uint8_t method, const char *path, const char *query,
		int content_format, const void *payload, size_t len);
void rig_ring(struct rig *r);
int rig_operator(struct rig *r, enum operator_act act, int64_t arg);
/* The server's clock jumps. */
void rig_jump(struct rig *r, int64_t seconds);
/* The server restarts: what was not saved is lost. */
void rig_restart(struct rig *r);
/* What it had saved cannot be read; the device learns it, and registers anew. */
void rig_lose(struct rig *r);
uint64_t rig_random(struct rig *r);
/* A fact for people, NULL: none such. Static. */
const char *rig_fact(struct rig *r, const char *name);

/* Sentences of `explain`. */
unsigned rig_sentences(struct rig *r);
/* Are the words in one of them? */
bool rig_says(struct rig *r, const char *words);

struct lwm2m_talk *rig_talk(struct rig *r);

#endif
