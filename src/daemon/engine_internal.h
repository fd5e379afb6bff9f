/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files of the engine; nobody else includes it.
 *
 * struct dev is a cached device with its open attempt, as committed (plus counters that may be
 * lost). A struct job is one cause on its way: it works on a copy of the device, and only its
 * commit replaces the cached value. One job of a device is in flight, up to
 * LIMIT_DEVICE_QUEUE wait behind it.
 */
#ifndef DAEMON_ENGINE_INTERNAL_H
#define DAEMON_ENGINE_INTERNAL_H

#include <jansson.h>

#include "base/list.h"
#include "base/log.h"
#include "base/slab.h"
#include "core/admit.h"
#include "core/event.h"
#include "core/outage.h"
#include "core/pace.h"
#include "core/suspect.h"
#include "core/window.h"
#include "daemon/engine.h"
#include "daemon/engine_audit.h"
#include "daemon/key_fails.h"
#include "daemon/key_tries.h"
#include "daemon/roster.h"
#include "daemon/zones.h"
#include "proto/native.h"
#include "proto/talk.h"

enum {
	ENGINE_BUCKETS = 4096,
	ENGINE_IDLE_DEVICES = 4096,
	ENGINE_SLEEPERS = 8192, /* lists of sessions that sleep */
	ENGINE_TURNS = 8192,	/* lists of devices that wait for a download, or have one */
	DESIRED_TAG = 1,
	ENGINE_LISTENERS = 2,  /* to events: the admin API, webhooks */
	STORE_RETRY_MS = 1000, /* what we do by ourselves waits so long after a failed commit */
	STORE_GAP_MS = 5000,   /* a fault of the store shorter than this moves no deadline */
};

struct session {
	struct list link; /* in dev->sessions, else in engine->asleep */
	struct dev *dev;  /* NULL: it sleeps, and its device is not cached */
	struct net_peer *peer;
	int64_t since_ms;   /* wall; 0 for plain coap */
	int64_t key_set_ms; /* which key it proved, by its time */
	int64_t product;    /* these four of its device, while that is not cached */
	int64_t group;
	uint32_t interval_s;
	uint32_t asked; /* tag of the request of ours that is out, 0: none */
	bool applying;
	bool asleep;
	bool unproved;		/* of the process before: does what it proved still count? */
	bool ring_due;		/* the doorbell, as soon as its turn has come */
	bool talks;		/* a talk's request came on it last: it is where we ask */
	uint8_t desired_format; /* enum wire_format */
};

/* What was served of the open attempt's image; counted outside the attempt, because blocks
 * go on while a job is in flight. */
struct served {
	int64_t bytes, high;
	uint32_t repeats;
	uint8_t *units; /* a bit for each started KiB; NULL before the first block */
	int64_t unit_count;
};

/* Blocks that wait for a rate (engine_pace.c). */
struct lane; /* of one device */
struct pacer {
	uv_timer_t timer;
	struct list ring;     /* lanes, in the order of their turns */
	struct bucket pushed; /* by ourselves, while something is held */
	unsigned lanes, held;
	int64_t bytes;
	struct bucket bucket;
	bool releasing; /* this block has had its turn */
};

/* Who waits for a download, and who has one (engine_admit.c). */
struct admits {
	struct admit_gate gate;
	uint64_t carried; /* downloads from before, of which nobody was heard yet */
	int64_t carried_until_ms;
};
struct admitter {
	struct admits all;
	struct list limiters;  /* of groups */
	struct list downloads; /* with a token; who made no sign for the longest time comes first */
	struct list turns[ENGINE_TURNS];
	unsigned turn_count, turn_max; /* LIMIT_TURNS; tests set it */
	unsigned bells;		       /* that may still be rung in this tick */
	struct admit_crowd crowd;
};

/* What a group may do at most (engine_limit.c). */
struct limiter {
	struct list link;
	struct admits admits;
	int64_t rate; /* bytes of images a second, 0: any */
	struct bucket bucket, pushed;
	unsigned lanes; /* of its devices, with something held */
	int64_t bytes;	/* that is held */
	bool gone;	/* its group was removed: it goes with the last lane */
};

struct job;

/* What an agent remembers of its device, in memory. */
struct talk {
	const struct talk_proto *proto;
	int64_t at_ms; /* when it goes on by itself, as stored */
	bool dirty;    /* newer than what is stored */
	_Alignas(max_align_t) uint8_t state[];
};

struct dev {
	struct list link; /* in a bucket */
	struct list idle; /* in engine->idle, while nothing holds it */
	struct update u;  /* device, attempt and what core needs around them */
	struct served served;
	struct history history; /* of the attempt history_of, from history_mark on */
	uint64_t history_of, history_mark;
	struct list sessions;	       /* oldest first */
	unsigned awake;		       /* of them; the others hold nothing */
	struct link_facts link_before; /* of the sessions that are over */
	struct lane *lane;	       /* NULL: no rate was ever looked at */
	int64_t shed_ms;	       /* wall, when a block was refused for load; 0: never */
	int64_t sign_ms;	       /* its download's last sign that admission has noted */
	struct job *flight;
	struct list queue;
	unsigned queued;
	uint32_t desired;   /* the doorbell's counter */
	struct talk *talk;  /* NULL: none, or it is not loaded */
	uint64_t pushes;    /* the attempt whose image we send by ourselves */
	bool ring_talk;	    /* the doorbell is to be heard by its agent */
	bool block_waits;   /* a first block's job is on its way */
	bool seen_dirty;    /* last contact is newer than the store's */
	bool served_dirty;  /* what was served is newer than the store's */
	unsigned owes;	    /* causes of ours that failed and come again: no deadline before them */
	unsigned due_waits; /* 1 << job_kind: one found due is on its way */
	bool key_moves;	    /* its next key is becoming the current one */
	bool removed;	    /* the row is gone; goes with its last session */
};

enum job_kind {
	JOB_REPORT,
	JOB_STATUS,
	JOB_BLOCK,
	JOB_DEADLINE,
	JOB_SILENT,
	JOB_OUTAGE,
	JOB_CLOCK_STEP,
	JOB_OPERATOR,
	JOB_TALK,
	JOB_TALK_TIMER,
};

/* What a job of a talk has besides (engine_talk.c). */
struct talk_job;

struct job {
	struct list link;
	struct engine *e;
	struct dev *dev;
	enum job_kind kind;
	union {
		struct report report;
		struct status status;
		int64_t gap_ms;
		struct {
			enum operator_act act;
			int64_t arg;
			uint64_t attempt; /* cancel */
			struct actor by;
			engine_done *done;
			void *ctx;
		} op;
	} in;
	/* where the answer goes */
	struct net_exchange exchange;
	enum wire_format format;
	struct net_peer *peer; /* only compared, never followed */
	int64_t session_ms;
	struct link_facts link_facts;
	/* the work */
	struct update u;
	struct outcome out;
	struct talk_job *talk;
	const char *speaks; /* the device's protocol from now on; NULL: as before */
	bool inserts;	    /* the open attempt is new */
	bool admitted;	    /* it has taken a token */
	bool unchanged;	    /* an act that found all as wanted */
};

struct engine {
	struct engine_conf conf;
	struct net *net;
	struct list buckets[ENGINE_BUCKETS];
	struct list idle;
	unsigned idle_count, dev_count, session_count;
	unsigned idle_max; /* ENGINE_IDLE_DEVICES; scenarios set it */
	struct slab session_slab;
	struct list asleep[ENGINE_SLEEPERS]; /* by device */
	size_t ring_bucket; /* the ringing goes on from here; ENGINE_SLEEPERS: done */

	struct product **products; /* stable addresses */
	size_t product_count;
	struct engine_group **groups; /* by rising id; stable addresses */
	size_t group_count;
	struct live **rollouts; /* the same (engine_rollout.h) */
	size_t rollout_count;
	size_t rollout_turn;	/* who is looked at next */
	int64_t group_moved_ms; /* wall; when a device came into a group, the newest */
	uint64_t rollout_seed;	/* of new ones; 0: drawn. Tests set it */
	uv_timer_t rollout_timer;
	struct release **releases; /* by rising id; stable addresses */
	size_t release_count;

	struct {
		struct roster list;
		bool ready, runs;		  /* all are in it; its timer may be started */
		char loaded[LIMIT_DEVICE_ID + 1]; /* while it is not ready: up to this one */
		uv_timer_t timer;
	} roster;
	struct pacer pacer;
	struct admitter admitter;
	uv_timer_t tick;
	uv_timer_t more_timer; /* what a tick has had no time for */
	unsigned timers_closed;
	struct clock last_tick;
	int64_t listening_ms, deaf_ms;	  /* wall; see struct update */
	int64_t alive_at_ms, flush_at_ms; /* monotonic */
	size_t flush_bucket;		  /* the flush goes on from here; ENGINE_BUCKETS: done */
	int64_t heard_ms;		  /* monotonic, any device */
	int64_t silence_look_ms;	  /* monotonic */
	enum silence silence;		  /* the present one */
	int64_t store_retry_ms;		  /* monotonic; timers pause after a failed commit */
	int64_t store_log_ms;		  /* monotonic */
	unsigned store_failures;	  /* since they were last told of */
	int64_t store_down_ms;		  /* monotonic; since when the store fails, 0: it works */
	int64_t store_probe_ms;		  /* monotonic; when it is tried next */
	bool store_works;		  /* a probe has committed */
	bool store_full;		  /* it failed for want of space */
	struct list sweeps;
	int64_t retire_at_ms, retire_age_ms; /* monotonic */
	bool retire_waits;		     /* a step of retention is on its way */
	uint64_t retired;		     /* rows, since the last look began */
	struct import *import; /* of devices, under way (engine_import.h); NULL: none */
	bool import_step_due;  /* by the tick: nobody waits for it */
	struct {
		void (*fn)(void *ctx, uint64_t head); /* NULL: a free place */
		void *ctx;
	} on_events[ENGINE_LISTENERS];
	void (*on_ca)(void *ctx);
	void *on_ca_ctx;
	struct engine_stats stats;
	struct outcome_cell {
		int64_t release, group; /* 0: a free cell; of no group */
		uint64_t closed[VERDICT_COUNT];
	} outcomes[LIMIT_OUTCOMES];
	struct suspects suspects;
	void (*stopped)(void *ctx);
	void *stopped_ctx;
	uint64_t secret[2]; /* seeds the device hash */
	char *well_known;
	struct key_tries tries;
	struct key_fails key_fails;
	struct zones zones;
};

/* engine.c */
uint64_t engine_random(void);
/* Rings the device's doorbell on all its sessions. True if it listens. */
bool dev_ring(struct engine *e, struct dev *d);
/* The same without a new number. */
bool dev_ring_session(struct engine *e, struct dev *d, struct session *s);
/* Keyed: nobody can choose whom to share one with. */
uint64_t dev_hash(const struct engine *e, const char *id);
struct dev *dev_find(struct engine *e, const char *id);
/* Cached, else from the store. ERR_NOENT, ERR_IO, ERR_NOMEM. */
int dev_get(struct engine *e, const char *id, struct dev **ret_dev) ERR_CHECK;
/* Nothing holds it any more, perhaps: give it back to the cache or the heap. */
void dev_release(struct engine *e, struct dev *d);
/* The same, without keeping it if it has sessions that sleep. */
void dev_drop_asleep(struct engine *e, struct dev *d);
/* Something is about to work on it: it stays. */
void dev_hold(struct engine *e, struct dev *d);
void dev_reset_served(struct dev *d);
/* Fills what surrounds device and attempt from the catalogue and the history. */
int dev_context(struct engine *e, struct dev *d, struct update *u) ERR_CHECK;
/* The part of it that is about maintenance windows. */
void dev_windows(struct engine *e, struct update *u);
/* The cache and the store differ: the store is right. */
void dev_reload(struct engine *e, struct dev *d);

/* engine_session.c */
void sessions_init(struct engine *e);
struct session *session_begin(struct engine *e, struct dev *d, struct net_peer *peer);
void session_end(struct engine *e, struct session *s);
/* What the device's link is like, by this session and the earlier ones; not while its device is not
 * cached. */
struct link_facts session_link(const struct session *s);
/* It has a request: its device is loaded and held. ERR_NOENT: it has lost its device or its key,
 * and ends; ERR_IO, ERR_NOMEM. */
int session_wake(struct engine *e, struct session *s) ERR_CHECK;
/* A device comes into the cache; goes, with none awake. */
void sessions_attach(struct engine *e, struct dev *d);
void sessions_detach(struct engine *e, struct dev *d);
/* Rings the doorbell of all devices of a product (group 0), or of one of its groups: of those that
 * sleep some at each tick. */
void sessions_ring(struct engine *e, int64_t product, int64_t group);
void sessions_ring_step(struct engine *e);
/* Of a session whose device is not cached, and has this hash. */
bool session_asleep_id(const struct engine *e, uint64_t hash, char id[LIMIT_DEVICE_ID + 1]);
/* Adds up those whose device is not cached. */
void sessions_count_fleet(const struct engine *e, struct fleet *f);
void engine_peer_sleeps(void *ctx, struct net_peer *peer);
size_t engine_peer_note(void *ctx, struct net_peer *peer, uint8_t note[NET_NOTE]);
bool engine_peer_back(void *ctx, struct net_peer *peer, struct bytes note, bool unheard);

/* engine_count.c */
int engine_count_load(struct engine *e) ERR_CHECK;
/* Of a protocol by its name; "": not known yet. */
struct engine_protocol *engine_count_protocol(struct engine *e, const char *name);
/* A commit made `after` of `before`; NULL: the device was removed. */
void engine_count_moved(struct engine *e, const struct update *before, const struct update *after);

/* engine_suspect.c: an attempt of the device was closed. */
void engine_suspect(struct engine *e, const struct attempt *closed, const char *device);

/* engine_roster.c */
void engine_roster_step(uv_timer_t *timer);
void engine_roster_put(struct engine *e, const struct device *d);
void engine_roster_moved(struct engine *e, const struct device *before, const struct device *after);
/* It is in the store since just now. */
void engine_roster_added(struct engine *e, const char *id);
/* Its rollout and its place there were written. */
void engine_roster_member(struct engine *e, const char *id, int64_t rollout, int64_t place,
			  int64_t before, int64_t goes_back);
/* How many devices have their target from a rollout; -1: nobody knows yet. */
int64_t engine_roster_targeted(struct engine *e, const struct rollout *r);
/* How many were sure to run a release when they last came to one; -1: nobody knows yet. */
int64_t engine_roster_settled(struct engine *e, int64_t release);
/* Nobody knows what has changed: all is read again. */
void engine_roster_reset(struct engine *e);

/* engine_outcome.c */
void engine_outcome_count(struct engine *e, const struct attempt *closed, int64_t group);

/* engine_store.c */
/* Timers pause for a moment. `id` is for the log. */
void engine_store_failed(struct engine *e, const char *id, int err);
/* Each tick: while the store fails it is tried again and again; what devices could not tell us
 * meanwhile is not held against them. True while it fails. */
bool engine_store_look(struct engine *e, const struct clock *now);
/* How long a device that was refused should wait. */
int64_t engine_shed_age_s(const struct engine *e);
/* The reason for a device that was refused, a few words. */
const char *engine_shed_text(int err);

/* engine_job.c */
struct job *job_new(struct engine *e, struct dev *d, enum job_kind kind);
/* Takes the job. ERR_BUSY when the device's queue is full (the job is then freed). */
int job_submit(struct job *job) ERR_CHECK;
void job_free(struct job *job);
/* Puts what job->out says happened, but for the device's row and the open attempt's. */
int job_put(struct job *job, struct store_set *set) ERR_CHECK;
/* The same for the log and the counters, once it is committed: of one decision, after which the
 * attempt was `a` (the open one, or the one it closed); `before` it was in that state. */
void job_tell(const struct job *job, const struct outcome *out, const struct attempt *a,
	      enum attempt_state before);
/* The copy becomes the truth; NULL: nothing had to be stored. */
void job_adopt(struct job *job, const struct store_result *result);
void job_finish(struct job *job, int err);
/* Of its set: a store_done. */
void job_done(void *ctx, const struct store_result *result);

/* engine_talk.c: devices that are asked (proto/talk.h) */
bool job_is_talk(const struct job *job);
/* After job_context(). */
void talk_run(struct job *job);
void talk_adopt(struct job *job, bool stored);
void talk_answer(struct job *job, int err);
void talk_job_free(struct talk_job *t);
bool talk_job_rings(const struct job *job);
/* A request for an agent; its answer follows. */
void talk_request(struct engine *e, struct session *s, const struct net_request *q,
		  struct net_exchange x, const struct talk_proto *proto);
/* The protocol's, if the device speaks one of those in which we ask; else NULL. */
const struct talk_proto *talk_of(const struct device *d);
/* Its agent is told that something has changed: at once, or when the device is given back. */
void talk_ring(struct engine *e, struct dev *d);
/* That is owed: done, and the device is taken. */
bool talk_ring_owed(struct engine *e, struct dev *d);
struct job *talk_ring_job(struct engine *e, struct dev *d);
struct job *talk_timer_job(struct engine *e, struct dev *d);
/* A session ends on which we had asked something. */
void talk_session_over(struct engine *e, struct dev *d, uint32_t tag);
/* Until when its agent may still have an answer of it (talk_proto.due_ms). */
int64_t talk_due_ms(const struct dev *d);
/* Puts what is not stored yet. */
void talk_flush(struct store_set *set, struct dev *d);
void talk_drop(struct dev *d);
/* A request of ours is out. */
bool talk_is_asked(const struct dev *d);
/* Unless an attempt is open: most of what an agent has tried for it is only in memory. */
void talk_forget(struct dev *d);
void engine_answered(void *ctx, struct net_peer *peer, const struct net_answer *answer);
int engine_ask_body(void *ctx, struct net_peer *peer, uint32_t tag, int64_t offset, uint8_t *dst,
		    size_t len);
bool engine_long_body(void *ctx, struct net_peer *peer, uint8_t method, const struct bytes *path,
		      unsigned path_count);
void engine_ask_sent(void *ctx, struct net_peer *peer, uint32_t tag, int64_t offset, size_t len);

/* engine_request.c */
void job_answer(struct job *job, int err);
void reply_text(struct engine *e, struct net_exchange x, uint8_t code, const char *text);
/* A stretch of the open attempt's image went out. */
void count_block(struct engine *e, struct dev *d, int64_t offset, int64_t len, int64_t wall_ms);
/* The first block went out while another job was in flight: its own comes now, and
 * takes the device. */
bool block_begun(struct engine *e, struct dev *d);
/* It was served all that it may get; that is told to core. */
bool block_overserved(struct engine *e, struct dev *d);
/* A block of an image is asked for. */
void engine_block(struct engine *e, struct session *s, const struct net_request *q,
		  struct net_exchange x, const uint8_t digest16[NATIVE_DIGEST16], int64_t wall_ms);

/* engine_admin.c */
void job_answer_operator(struct job *job, int err);

/* engine_pace.c */
/* The block goes out later or is refused: true. Else it has been paid for, and goes out now. */
bool pace_block(struct engine *e, struct session *s, const struct net_request *q,
		struct net_exchange x, const uint8_t digest16[NATIVE_DIGEST16], int64_t bytes);
/* One that we send by ourselves: it has been paid for, and goes out now; false: not now. */
bool pace_push(struct engine *e, struct dev *d, int64_t bytes);
/* What of it waits goes nowhere. */
void pace_forget(struct engine *e, const struct session *s);
void pace_dev_free(struct dev *d);
/* Serves what may go out by now; scenarios call it with a clock of their own. */
void pace_step(struct engine *e);

/* engine_admit.c */
void admit_init(struct engine *e);
void admit_done(struct engine *e);
/* After e->conf has changed, and once the open attempts are counted. */
void admit_conf(struct engine *e);
/* What core is told of admission: of a device, and of one that reports. */
void admit_ask(struct engine *e, struct update *u);
void admit_report(struct engine *e, struct update *u);
/* After core has decided on a report, before that is stored. */
void admit_decided(struct job *job, const struct outcome *out);
/* What job->admitted stands for was not stored. */
void admit_failed(struct job *job);
/* A commit made `after` of `before`; NULL: the device was removed. */
void admit_moved(struct engine *e, const struct update *before, const struct update *after);
/* Its download goes on. */
void admit_sign(struct engine *e, struct dev *d);
/* Each tick: who makes no sign, who does not come, and whose bell is to be rung. */
void admit_step(struct engine *e);
void admit_stats(const struct engine *e, struct engine_stats *ret);
/* After admit_ask(). */
void admit_view(struct engine *e, const struct update *u, struct engine_admission *ret);
/* The bytes a second that one more device of a group can count on; 0: any. */
int64_t pace_share_now(const struct engine *e, int64_t group);
/* So many downloads are open that have not paid at this gate. */
void admit_carry(struct admits *a, uint64_t open);
/* Nobody waits at a limiter's gate any more, and nobody has a token of it. */
void admit_forget(struct engine *e, struct limiter *l);
/* Each tick, of one gate: who does not come, and whose bell is to be rung. */
void admit_gate_step(struct engine *e, struct admits *a, int64_t at_ms);

/* engine_limit.c */
/* NULL: the group has none, as group 0. */
struct limiter *limiter_of(const struct engine *e, int64_t group);
/* After its limits have changed, or were read. */
int limiter_set(struct engine *e, struct engine_group *g) ERR_CHECK;
/* With its group. */
void limiter_drop(struct engine *e, struct engine_group *g);
/* A lane of one of its devices holds something; or nothing any more, whereafter it may be gone. */
void limiter_lane(struct limiter *l, bool more);
void limits_step(struct engine *e, int64_t at_ms);
/* As engine_count_moved(), which calls it. */
void limits_count_moved(struct engine *e, const struct update *before, const struct update *after);

/* engine_audit.c: what the audit log says of an act. Facts are JSON objects of what acts are
 * about, never a key; new references, NULL without memory. */
json_t *audit_product(struct engine *e, const struct product *p);
json_t *audit_release(const struct release *r);
json_t *audit_group(struct engine *e, const struct device_group *g);
json_t *audit_device(struct engine *e, const struct device *d, const struct attempt *open);
json_t *audit_attempt(const struct attempt *a);
/* The same for an act on one device. */
bool audit_job_changes(const struct job *job);
int audit_job_put(const struct job *job, struct store_set *set) ERR_CHECK;
void audit_job_log(const struct job *job, const struct store_result *result);

/* engine_catalog.c */
int catalog_load(struct engine *e) ERR_CHECK;
void catalog_free(struct engine *e);
int catalog_add_product(struct engine *e, const struct product *p) ERR_CHECK;
int catalog_add_release(struct engine *e, const struct release *r) ERR_CHECK;
void catalog_drop_release(struct engine *e, int64_t id);
struct product *catalog_product(struct engine *e, int64_t id);
struct product *catalog_product_named(struct engine *e, const char *name);
struct release *catalog_release(struct engine *e, int64_t id);
/* The same, and whether its image can be read now. */
struct release *catalog_release_now(struct engine *e, int64_t id);
struct release *catalog_release_named(struct engine *e, int64_t product, const char *version);
/* A way_release (core/way.h); ctx is the engine. */
const struct release *catalog_stone(void *ctx, int64_t product, const char *version);
/* Nothing leads to a new release as it stands: why says so. */
bool catalog_no_way(struct engine *e, const struct product *p, const struct release *r,
		    char why[256]);
/* Whether the way to another release leads through this one. */
void catalog_leads_through(struct engine *e, const struct release *stone, struct store_use *ret);

/* engine_group.c: the catalogue's groups */
/* engine_rollout*.c */
int rollouts_load(struct engine *e) ERR_CHECK;
void rollouts_free(struct engine *e);
/* NULL: there is none. */
const struct rollout *rollout_of(struct engine *e, int64_t id);
/* When a target of the product or of one of its groups is set now; and whether a rollout that is
 * over goes before one that was set then. */
int64_t rollouts_target_ms(const struct engine *e, int64_t product, int64_t now_ms);
bool rollouts_overrule(const struct engine *e, int64_t product, int64_t target_ms);
/* As engine_count_moved(), which calls it. */
void rollouts_moved(struct engine *e, const struct update *before, const struct update *after);
/* Each tick, and a turn of it in between while there is more to do. */
void rollouts_tick(struct engine *e);
void rollouts_turn(struct engine *e);
json_t *audit_rollout(struct engine *e, const struct rollout *r);

int groups_load(struct engine *e) ERR_CHECK;
void groups_free(struct engine *e);
int group_add(struct engine *e, const struct device_group *g) ERR_CHECK;
void group_drop(struct engine *e, int64_t id);
/* NULL: there is none, as for id 0. */
struct device_group *group_of(struct engine *e, int64_t id);
struct engine_group *group_at(const struct engine *e, int64_t id);
struct device_group *group_named(struct engine *e, int64_t product, const char *name);
/* A device has come into one and left another; 0: none. */
void group_count_moved(struct engine *e, int64_t from, int64_t to);

/* engine_timer.c */
int timer_start(struct engine *e) ERR_CHECK;
void timer_stop(struct engine *e);
/* One turn of the timer; scenarios call it with a clock of their own. */
void engine_tick(struct engine *e);
/* Writes one device's last contact, before it leaves the cache. */
void timer_flush_one(struct engine *e, struct dev *d);
/* We have heard nobody for a while that ends now. */
void engine_was_deaf(struct engine *e, int64_t gap_ms);
/* A device was heard: ends a silence of the fleet. Returns the time of it. */
struct clock engine_heard(struct engine *e);

/* engine_keep.c */
/* The database is an older copy: says so and closes its open attempts, before anybody is served.
 * Waits for its commits. */
int keep_restored(struct engine *e) ERR_CHECK;
/* Retention: one step, if it is time for one. */
void keep_step(struct engine *e, const struct clock *now);
/* The clock was set, or we have just started: ages are not believed for a while. */
void keep_clock_set(struct engine *e);

/* engine_proof.c */
/* The row of the audit log for an attempt that was closed as a success; nothing for others. */
int proof_put(const struct job *job, struct store_set *set) ERR_CHECK;

/* engine_import.c */
/* One that was decided before we stopped is done, rubbish of one that was not goes. Waits for its
 * commits. */
int import_resume(struct engine *e) ERR_CHECK;
void import_tick(struct engine *e, int64_t now_ms);
/* Why what it has checked may not be changed now; NULL: it may. */
const char *import_bars(const struct engine *e);

/* engine_sweep.c: walks over many devices in steps that never hold the loop, running a job of
 * the kind on each that is concerned. */
/* JOB_OPERATOR: all devices of a product (group 0), or of one of its groups, whose target has
 * changed. */
void sweep_target(struct engine *e, int64_t product, int64_t group);
/* Open attempts to it. */
void sweep_release(struct engine *e, int64_t release);
/* JOB_OUTAGE, JOB_CLOCK_STEP: all devices with an open attempt. */
void sweep_outage(struct engine *e, enum job_kind kind, int64_t gap_ms);
/* A job of a sweep has failed: it comes again. */
void sweep_again(const struct job *job, int err);
/* At each tick; and in the turns until the next one, for what had no time in this: true while there
 * is more. */
bool sweeps_tick(struct engine *e);
bool sweeps_step(struct engine *e);
/* Deadlines are moving: none may be judged now. */
bool sweeps_move_deadlines(const struct engine *e);
void sweeps_free(struct engine *e);
/* Submits a job of ours; its failure is told to sweep_again(). */
void sweep_job(struct engine *e, struct dev *d, enum job_kind kind, int64_t gap_ms);

/* engine_key.c */
/* Whether what this session proved still counts. ERR_NOENT: it does not. */
int engine_proof_still(struct engine *e, struct dev *d, const struct session *s) ERR_CHECK;
/* A new session: may the device have it? Logs why not, where it has said who it is; false if its
 * key was withdrawn meanwhile. */
bool engine_proved(struct engine *e, struct dev *d, struct session *s);
/* engine_site.c: of a job with OPERATOR_SITE, what the device is to be. */
void engine_site_aim(struct job *job);

/* engine_tag.c: the same of a job with OPERATOR_TAG as below with OPERATOR_KEY */
void engine_tag_decide(struct job *job);
void engine_tag_store(const struct job *job, struct store_set *set);
json_t *engine_tag_facts(const struct job *job, bool after);
const char *engine_tag_act(const struct job *job);

/* Of a job with OPERATOR_KEY: what it comes to, its rows, and who had which keys since when. */
void engine_key_decide(struct job *job);
void engine_key_store(const struct job *job, struct store_set *set);
json_t *engine_key_facts(const struct job *job, bool after);
const char *engine_key_act(const struct job *job); /* its name in the audit log */
bool engine_key_shuts_out(const struct job *job);  /* what was proved before counts no more */
/* What an error of the store means for keys; NULL: nothing else than for other rows. */
const char *engine_key_why(int err);
/* A wrapped row for a key that no device has, else ERR_EXIST; ret_why is set on failure. */
int engine_key_make(struct engine *e, const char *id, enum key_slot slot, int64_t set_ms,
		    const struct psk *psk, struct store_key *ret, const char **ret_why) ERR_CHECK;

/* engine_key.c and engine_request.c: callbacks for net */
size_t engine_psk(void *ctx, struct net_claim *claim, uint8_t *key, size_t cap);
void engine_psk_failed(void *ctx, const struct net_claim *claim);
bool engine_peer_up(void *ctx, struct net_peer *peer, struct bytes identity);
void engine_peer_gone(void *ctx, struct net_peer *peer, enum net_gone why);
void engine_request(void *ctx, struct net_peer *peer, const struct net_request *request,
		    struct net_exchange exchange);
enum net_work engine_weigh(void *ctx, struct net_peer *peer, uint8_t method,
			   const struct bytes *path, unsigned path_count);
void engine_limited(void *ctx, struct net_peer *peer, unsigned refused);

#endif
