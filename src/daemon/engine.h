/* SPDX-License-Identifier: Apache-2.0
 *
 * The one place that writes state: requests, timers and operator acts become causes, core
 * decides, one write-set carries the decision to the store, and only its commit lets the
 * answer out (ARCHITECTURE 2). Everything runs on the loop's thread.
 */
#ifndef DAEMON_ENGINE_H
#define DAEMON_ENGINE_H

#include "core/update.h"
#include "daemon/images.h"
#include "daemon/key_fails.h"
#include "daemon/keys.h"
#include "daemon/turns.h"
#include "net/net.h"
#include "store/store.h"

struct engine;

struct engine_conf {
	uv_loop_t *loop;	  /* borrowed */
	struct turns *turns;	  /* borrowed; NULL: nobody counts */
	struct store *store;	  /* borrowed */
	struct images *images;	  /* borrowed */
	const struct keys *keys;  /* borrowed; NULL: keys of devices are kept in clear */
	bool plain_devices;	  /* `?ep=ID` on plain coap names a --plain device */
	bool device_json;	  /* Content-Format 50 is understood */
	const char *event_prefix; /* before every topic, "" or e.g. "spark/" */
	/* retention; 0: for ever, any number */
	int64_t keep_events_ms, keep_attempts_ms;
	uint64_t max_events;
	/* bytes of images a second: of each device, of all together; 0: any */
	int64_t device_rate, image_rate;
	int64_t max_downloads; /* at the same time; 0: any number */
};

int engine_new(const struct engine_conf *conf, struct engine **ret_engine) ERR_CHECK;
void engine_free(struct engine *e); /* NULL is fine; net must be closed */
/* Takes device_json, event_prefix (borrowed), keep_*, max_events, the rates and max_downloads, and
 * nothing else. */
void engine_conf_set(struct engine *e, const struct engine_conf *conf);
/* What stands before every topic now: "" if nothing does. */
const char *engine_event_prefix(const struct engine *e);

/* The network's callbacks and their context; then the net itself, once it exists. */
const struct net_callbacks *engine_net_callbacks(void);
const char *engine_well_known(const struct engine *e);
void engine_set_net(struct engine *e, struct net *net);

/* Timers: deadlines, silences, outage detection, retention. `start` closes the books of our
 * absence, and those of a restore: it waits for these commits, so the net comes after it. */
int engine_start(struct engine *e) ERR_CHECK;
void engine_stop(struct engine *e, void (*stopped)(void *ctx), void *ctx);

/* Called after every commit that wrote events, with the newest sequence. One for each ctx, of two
 * at most; NULL takes it out. */
void engine_on_events(struct engine *e, void (*fn)(void *ctx, uint64_t head), void *ctx);

/* Called after every commit that changed the CAs of a product. */
void engine_on_ca(struct engine *e, void (*fn)(void *ctx), void *ctx);
/* All of them in turn, with their text; those without are left out. `fn` returns an error to stop,
 * which is returned. */
int engine_cas(struct engine *e, int (*fn)(void *ctx, const struct product *p, const char *pem),
	       void *ctx) ERR_CHECK;

/* ---- operator acts ---- */

/* Who acts, from the credentials of the peer, and what he has seen: with `conditional` an act is
 * refused, ERR_STALE, unless at the moment it is applied its row has one of these revs (of a
 * release: the id; of an attempt: the rev of its device). */
struct actor {
	uint32_t uid;
	int32_t pid;
	char name[LIMIT_ACTOR + 1]; /* the user's name, or "uid N" */
	bool conditional;
	unsigned rev_count;
	int64_t revs[LIMIT_IF_MATCH];
};

struct engine_result {
	int err; /* 0 done; ERR_NOENT, ERR_EXIST, ERR_BUSY, ERR_INVAL, ERR_CONFLICT, ERR_STALE... */
	const char *why; /* a sentence for people when err != 0; borrowed until return */
	bool unchanged;	 /* all was as wanted already: nothing was stored */
};
typedef void engine_done(void *ctx, const struct engine_result *result);

/* Each takes copies and calls `done` exactly once, after the commit, possibly before it
 * returns (refusals). What is changed has a row in the audit log, in the same transaction. */
void engine_product_add(struct engine *e, const struct actor *by, const struct product *p,
			engine_done *done, void *ctx);
/* A time zone's name or rule. */
bool engine_knows_zone(struct engine *e, const char *name);
/* Replaces hardware, windows and policy of the product with p->name; rev 0 in `p` means "whatever".
 */
void engine_product_set(struct engine *e, const struct actor *by, const struct product *p,
			engine_done *done, void *ctx);
/* The CAs that sign certificates of its devices: `count` of them, checked; "", 0: none. */
void engine_product_ca(struct engine *e, const struct actor *by, const char *product,
		       const char *pem, unsigned count, engine_done *done, void *ctx);
/* The name and the key are checked. */
void engine_signer_add(struct engine *e, const struct actor *by, const char *product,
		       const struct signer *s, engine_done *done, void *ctx);
void engine_signer_remove(struct engine *e, const struct actor *by, const char *product,
			  const char *name, engine_done *done, void *ctx);
/* version "": no target. */
void engine_product_target(struct engine *e, const struct actor *by, const char *product,
			   const char *version, engine_done *done, void *ctx);
struct group_name {
	const char *product, *group;
};
/* version "": no target of its own. */
void engine_group_add(struct engine *e, const struct actor *by, const struct group_name *which,
		      const char *version, engine_done *done, void *ctx);
/* Takes name, windows, time zone and limits of `to`. */
void engine_group_set(struct engine *e, const struct actor *by, const struct group_name *which,
		      const struct device_group *to, engine_done *done, void *ctx);
void engine_group_target(struct engine *e, const struct actor *by, const struct group_name *which,
			 const char *version, engine_done *done, void *ctx);
/* ERR_BUSY while devices are in it. */
void engine_group_remove(struct engine *e, const struct actor *by, const struct group_name *which,
			 engine_done *done, void *ctx);
/* The image file is in `images` already. ERR_EXIST if the label is taken. */
/* To another state; ERR_BUSY: not from the one it is in. */
void engine_release_state(struct engine *e, const struct actor *by, const char *product,
			  const char *version, enum release_state state, engine_done *done,
			  void *ctx);
void engine_release_add(struct engine *e, const struct actor *by, const struct release *r,
			engine_done *done, void *ctx);
/* ERR_BUSY while a target, lock or open attempt uses it; removes the image file if it was
 * the last release with these bytes. */
void engine_release_remove(struct engine *e, const struct actor *by, const char *product,
			   const char *version, engine_done *done, void *ctx);
/* psk NULL: a plain device or one with a certificate, as `d` says. ERR_EXIST if another device has
 * the key. */
void engine_device_add(struct engine *e, const struct actor *by, const struct device *d,
		       const struct psk *psk, engine_done *done, void *ctx);
/* The key that takes the place of the current one with the first handshake made with it; one that
 * waits already is replaced. ERR_EXIST if any device has it, this one included; ERR_BUSY for a
 * plain device. */
void engine_device_key_next(struct engine *e, const struct actor *by, const char *id,
			    const struct psk *psk, engine_done *done, void *ctx);
/* Withdraws it. */
void engine_device_key_drop(struct engine *e, const struct actor *by, const char *id,
			    engine_done *done, void *ctx);
void engine_device_remove(struct engine *e, const struct actor *by, const char *id,
			  engine_done *done, void *ctx);
/* A key that is its only proof at once: its other keys, its certificate or plain CoAP end, and all
 * its sessions. */
void engine_device_key_now(struct engine *e, const struct actor *by, const char *id,
			   const struct psk *psk, engine_done *done, void *ctx);
/* The same with a certificate, of whatever CA of its product. */
void engine_device_certificate(struct engine *e, const struct actor *by, const char *id,
			       engine_done *done, void *ctx);
/* OPERATOR_FORCE, UNFORCE, HOLD, UNHOLD, DISABLE, ENABLE. */
void engine_device_act(struct engine *e, const struct actor *by, const char *id,
		       enum operator_act act, engine_done *done, void *ctx);
/* version "": unlock. */
void engine_device_lock(struct engine *e, const struct actor *by, const char *id,
			const char *version, engine_done *done, void *ctx);
/* name "": out of its group. */
void engine_device_group(struct engine *e, const struct actor *by, const char *id, const char *name,
			 engine_done *done, void *ctx);
void engine_device_development(struct engine *e, const struct actor *by, const char *id, bool on,
			       engine_done *done, void *ctx);
/* Maintenance windows and time zone of its own, checked; NULL: as they are, "": none. */
void engine_device_site(struct engine *e, const struct actor *by, const char *id,
			const char *windows, const char *time_zone, engine_done *done, void *ctx);
/* They come, or go; more than LIMIT_TAGS in the end: ERR_BUSY. */
void engine_device_tag(struct engine *e, const struct actor *by, const char *id, bool on,
		       const struct store_tags *tags, engine_done *done, void *ctx);
/* A verified attempt is cancelled at the gate: done at once, closed later. */
void engine_attempt_cancel(struct engine *e, const struct actor *by, uint64_t attempt,
			   engine_done *done, void *ctx);
/* Of a product (r->product) with name, release, filter, waves and settings; a draft. ERR_EXIST,
 * ERR_LIMIT. */
void engine_rollout_add(struct engine *e, const struct actor *by, const struct rollout *r,
			engine_done *done, void *ctx);
/* approve, start, pause, resume, next, finish, abort. ERR_BUSY: not as it is, or not by
 * him. */
void engine_rollout_act(struct engine *e, const struct actor *by, const char *product,
			const char *name, enum rollout_cause cause, engine_done *done, void *ctx);
/* ERR_BUSY while it is open, and, without `anyway`, as long as a device has its target from it. */
void engine_rollout_remove(struct engine *e, const struct actor *by, const char *product,
			   const char *name, bool anyway, engine_done *done, void *ctx);
/* Notes in the audit log that a copy of the database is handed out; before it is made. */
void engine_backup(struct engine *e, const struct actor *by, engine_done *done, void *ctx);

/* ---- what only the engine knows, for views ---- */

/* Of a device that would find no token now (core/admit.h); times are wall. */
struct engine_admission {
	bool full;
	bool own;	   /* its group is full; else all of them together are too many */
	uint64_t limit;	   /* of downloads at the same time */
	unsigned ahead;	   /* about so many are before it */
	int64_t expect_ms; /* how long it will likely take; -1: not known */
	int64_t since_ms;  /* it waits since then; 0: it has not asked yet */
	int64_t again_ms;  /* when it was told to come again */
};

/* Maintenance windows as things stand (core/site.h says whose). */
struct engine_window {
	bool open;	  /* also where there are none */
	int64_t opens_ms; /* wall, when the next one does; 0: it is open */
	struct zone zone; /* by whose clock */
};

struct engine_device {
	struct device device; /* newest committed */
	struct product product;
	bool has_group;
	struct device_group group;
	bool has_rollout; /* it is, or was, a member of */
	struct rollout rollout;
	char earlier[LIMIT_ROLLOUT_NAME + 1]; /* the one before, that its target is from; "" */
	bool has_target;
	struct release target;
	enum target_why why;
	/* Where that leads to, or the target itself; "": none. */
	char goal[LIMIT_VERSION + 1];
	enum target_why goal_why;
	bool no_way; /* a stone of the way is gone: missing, "": it has too many */
	char missing[LIMIT_VERSION + 1];
	bool has_attempt; /* the open one */
	struct attempt attempt;
	struct release release;	    /* of the open attempt */
	struct diagnoses diagnoses; /* of the open attempt as things stand */
	struct plan plan;
	struct engine_window window;
	struct engine_admission admission;
	struct key_fail key_fail; /* handshakes that failed under its name */
	unsigned sessions;	  /* live ones */
	char address[64];	  /* of the newest session, "" if none */
};
/* "" if there is none. Borrowed. */
const char *engine_product_name(struct engine *e, int64_t product);
int engine_device(struct engine *e, const char *id, struct engine_device *ret) ERR_CHECK;
/* The same for a list, of a row that was read just now. */
int engine_device_row(struct engine *e, const struct device *row,
		      struct engine_device *ret) ERR_CHECK;

struct engine_rollout {
	struct rollout rollout;
	char product[LIMIT_PRODUCT_NAME + 1];
	char version[LIMIT_VERSION + 1];  /* "": its release is gone */
	enum release_state release_state; /* of it, unless it is gone */
	int64_t release_bytes;
	int64_t members;
	int64_t left; /* of them: gone to a later rollout, or removed, after its end */
	bool counted; /* else they are being found, or read */
	struct rollout_counts counts;
};
int engine_rollout(struct engine *e, const char *product, const char *name,
		   struct engine_rollout *ret) ERR_CHECK;
/* In a fixed order; false beyond the last. */
bool engine_rollout_at(struct engine *e, size_t index, struct engine_rollout *ret);
/* The next open one from *index on, which then is behind it: at most LIMIT_ROLLOUTS_OPEN. */
bool engine_rollout_open(struct engine *e, size_t *index, struct engine_rollout *ret);

struct limiter;
struct engine_group {
	struct device_group group;
	uint64_t devices;	 /* in it */
	uint64_t downloads;	 /* of them, with an open attempt that is not verified yet */
	struct limiter *limiter; /* the engine's; NULL: it never had limits */
};
/* How its limits are made use of. */
struct engine_group_load {
	uint64_t limit; /* of downloads at the same time; 0: none of its own */
	uint64_t downloads, waiting;
};
void engine_group_load(const struct engine_group *g, struct engine_group_load *ret);
/* In a fixed order (of their ids); NULL beyond the last. */
const struct engine_group *engine_group_at(const struct engine *e, size_t index);
const struct engine_group *engine_group_named(struct engine *e, const char *product,
					      const char *name);

/* When the keys were set, by slot; 0: there is none. */
int engine_device_keys(struct engine *e, const char *id, int64_t ret_set_ms[KEY_SLOTS]) ERR_CHECK;

/* Facts of a device's talk for people, as talk_proto.facts tells them; none is no error. */
int engine_device_facts(struct engine *e, const char *id,
			void (*tell)(void *ctx, const char *name, const char *value),
			void *ctx) ERR_CHECK;

/* By what devices speak: "" while it is not known. */
enum { ENGINE_PROTOCOLS = 6 };
struct engine_protocol {
	const char *name;
	uint64_t devices, requests, asks;
	uint64_t closed[VERDICT_COUNT];
};

/* Upper bounds of the times to a proved update that are counted. */
enum { ENGINE_CONFIRMS = 12 };
extern const unsigned engine_confirm_s[ENGINE_CONFIRMS];

struct engine_stats {
	uint64_t confirms[ENGINE_CONFIRMS + 1]; /* updates by what they took; last: longer */
	uint64_t confirms_sum_s;
	struct engine_protocol protocols[ENGINE_PROTOCOLS];
	unsigned protocol_count;
	uint64_t reports, statuses, blocks, bytes, causes_absent, shed;
	uint64_t blocks_held, blocks_refused; /* for the rates */
	/* admission: offers that were not made for want of a token; of them those of devices that
	 * got no place, as too many wait */
	uint64_t turned_away, turned_away_unnamed;
	uint64_t downloads_limit; /* 0: none */
	uint64_t downloads;	  /* that count for it */
	uint64_t downloads_waiting;
	int64_t downloads_oldest_wait_ms;
	unsigned cached_devices, sessions;
	/* counted since the start, so that nothing has to be looked up */
	uint64_t closed[VERDICT_COUNT]; /* attempts by verdict */
	uint64_t products, releases, devices, online, held, disabled;
	uint64_t open[ATTEMPT_STATE_COUNT];
	/* how it goes */
	bool store_down;       /* commits fail, or did just now */
	bool fleet_silent;     /* devices are not judged by their silence */
	int64_t clock_step_s;  /* the last one */
	int64_t clock_step_at; /* monotonic, 0: never */
};
void engine_stats(const struct engine *e, struct engine_stats *ret_stats);
/* How attempts of a release ended, of the devices of a group ("": of none), since the start. Index
 * from 0 on; false beyond the last. `closed` NULL: nothing there. Borrowed. */
struct engine_outcome {
	const char *product, *release, *group;
	const uint64_t *closed; /* by verdict */
};
bool engine_outcome_at(const struct engine *e, unsigned index, struct engine_outcome *ret);
/* Releases of the catalogue, in a fixed order; NULL beyond the last. */
const struct release *engine_release_at(const struct engine *e, size_t index);

#endif
