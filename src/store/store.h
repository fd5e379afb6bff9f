/* SPDX-License-Identifier: Apache-2.0
 *
 * The database: the only user of sqlite3. Products, releases, devices, attempts with their
 * diagnoses, and events as an outbox with a gap-free sequence.
 *
 * Writing: collect a write-set (store_set_*), submit it, get its result on the caller's
 * thread by store_deliver(). All sets waiting form one transaction (group commit) on the
 * store's thread, each in a SAVEPOINT of its own, so that one bad set does not take the
 * others with it. Nothing of a set is visible before its transaction has committed.
 *
 * Reading: on the caller's thread through a read-only connection (WAL); it sees what has
 * committed.
 *
 * Rows carry `rev`: a put with rev 0 inserts (ERR_EXIST if there), with rev n updates the
 * row that has rev n to n + 1 (ERR_CONFLICT if no row has it). The caller's copy must be
 * given the new rev by the caller: rev + 1 after success.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "core/attempt.h"
#include "core/diagnosis.h"
#include "core/group.h"
#include "core/rollout.h"
#include "core/signer.h"
#include "store/hook.h"
#include "store/key.h"

struct store;
struct store_set;

enum { STORE_HASH = 32 };
typedef int store_hash(const void *ptr, size_t len, uint8_t ret_hash[STORE_HASH]);

/* The last row of the audit log. seq 0: there is none, and the hash is all zeros. */
struct store_audit_head {
	uint64_t seq;
	uint8_t hash[STORE_HASH];
};

struct store_conf {
	const char *path;   /* database file, or ":memory:" (shared between connections) */
	bool inline_commit; /* tests: no thread, store_submit() commits at once and the
			     * result waits for store_deliver() */
	bool late_commit;   /* tests: with inline_commit, it is store_deliver() that commits, all
			     * that waits as one; so what is read in between is of before */
	/* called on the store's thread (with inline_commit: by store_submit) when results wait;
	 * must not call the store */
	void (*wake)(void *wake_ctx);
	void *wake_ctx;
	/* SHA-256, for the audit log; called on both threads. NULL: nothing can be audited */
	store_hash *hash;
	/* tests: called before every database operation of a write, each statement, savepoint,
	 * BEGIN and COMMIT, counted from 1 at store_open(); a non-zero return is the error of
	 * that operation (or the hook does not return). What takes a failed transaction back
	 * is not asked about. NULL: none */
	int (*fault)(void *fault_ctx, unsigned long operation);
	void *fault_ctx;
	const char *vfs; /* tests: the name of sqlite's file system to use; NULL: the usual one */
};

/* How far the consequences of a restore have come (store_set_restored). A database is taken as
 * restored when it is a backup, when the mark beside it (store/mark.h) is of a later transaction
 * or of another stream, or when the mark is missing although one was made. It then gets a new
 * stream at store_open(), which goes on numbering where the old one, in this database, ends. */
enum store_restored {
	STORE_NOT_RESTORED,
	STORE_IS_BACKUP, /* as written by store_backup(); never seen after store_open() */
	STORE_NEW_STREAM,
	STORE_TOLD, /* the event that says so is out; open attempts are to be closed */
};

/* A fixed identity of the database: `stream` names the event stream (random, made with it). */
struct store_info {
	char stream[33];	      /* 32 hex digits and NUL */
	uint64_t head;		      /* sequence of the last event, 0: none */
	uint64_t updated, failed;     /* attempts closed ever: success, charged failures */
	int64_t alive_ms;	      /* wall time of the last store_set_alive(), 0: never */
	enum store_restored restored; /* as it was when opened */
	char stream_before[33];	      /* while restored: the stream before, may be "" */
};

/* Opens or creates, migrates (schema/NNNN_*.sql by user_version). A database of a newer version
 * is left untouched: ERR_VERSION. ret_store owns two connections and a thread. */
int store_open(const struct store_conf *conf, struct store **ret_store) ERR_CHECK;
/* Commits what was submitted; NULL is fine. Results not delivered by then never are: flush and
 * deliver first. */
void store_close(struct store *s);
void store_info(struct store *s, struct store_info *ret_info);
/* Of the last failed operation, for the log. Borrowed until the next call. */
const char *store_error(const struct store *s);

/* ---- write-sets ---- */

/* Result of a set: 0 or the error that undid the whole set. `first_event` is the sequence of
 * its first event (0 if none), `ids` what the store numbered, in the order of the puts with
 * rev 0 (product ids, release ids, attempt numbers). */
struct store_result {
	int err;
	uint64_t first_event;
	unsigned event_count;
	unsigned id_count;
	int64_t ids[8];
	unsigned retired;	       /* rows of store_set_retire() that went */
	bool retire_more;	       /* it has not come to its end */
	struct store_audit_head audit; /* its audit row, seq 0: none */
};
typedef void store_done(void *ctx, const struct store_result *result);

/* An event without its number and stream. */
struct store_event {
	const char *topic;  /* "flash/status" */
	const char *data;   /* "success", may be "" */
	const char *device; /* "" if none */
	uint64_t attempt;   /* 0 if none */
	const char *json;   /* payload object, without stream, seq, topic, data, time */
	int64_t at_ms;	    /* wall */
};

/* Copies all arguments. The set remembers the first error (ERR_NOMEM; ERR_LIMIT for more ids
 * than a result holds or a device id that is too long) and has it as its result. NULL if there
 * is no memory for the set itself. */
struct store_set *store_set_new(store_done *done, void *ctx);
void store_set_free(struct store_set *set); /* one that was not submitted; NULL is fine */
void store_set_product(struct store_set *set, const struct product *p);
/* The CAs of a product; "": none. The product's row, which tells of them, is put with it. */
void store_set_ca(struct store_set *set, int64_t product, const char *pem);
/* A signer of a product comes (ERR_EXIST: its name or key is there) or goes, by its name; the
 * product's row is put with it, so that two at once are a conflict. */
void store_set_signer(struct store_set *set, int64_t product, const struct signer *s);
void store_set_signer_delete(struct store_set *set, int64_t product, const struct signer *s);
/* Its rev must be the row's; ERR_EXIST if its product has another one of this name. */
void store_set_group(struct store_set *set, const struct device_group *g);
/* ERR_BUSY while devices are in it. */
void store_set_group_delete(struct store_set *set, const struct device_group *g);
/* With its waves. ERR_EXIST: its product has one of this name. */
void store_set_rollout(struct store_set *set, const struct rollout *r);
void store_set_rollout_delete(struct store_set *set, const struct rollout *r);
/* Of which rollout it is a member, and where; which one had reached it before, and the release that
 * it goes back to. No rev; no error for a device that was removed meanwhile. */
void store_set_member(struct store_set *set, const char *device, int64_t rollout, int64_t place,
		      int64_t before, int64_t goes_back);
void store_set_release(struct store_set *set, const struct release *r); /* insert only */
/* Its state and since when; ERR_CONFLICT unless `rev` is the stored one, which rises. */
void store_set_release_state(struct store_set *set, const struct release *r);
/* ERR_BUSY while it is a product's or a group's target, a device's lock or an open attempt's
 * release; ERR_NOENT if there is none. */
void store_set_release_delete(struct store_set *set, int64_t release);
void store_set_device(struct store_set *set, const struct device *d);
void store_set_device_delete(struct store_set *set, const char *device, int64_t rev);
/* Puts a key into its slot, whatever was there. ERR_EXIST if the key is in any other slot of any
 * device, ERR_NOENT if there is no such device. A device takes its keys with it. */
void store_set_key(struct store_set *set, const struct store_key *k);
/* Takes it out: ERR_CONFLICT if the slot has another one, or none. */
void store_set_key_delete(struct store_set *set, const struct store_key *k);
/* Inserts when number is 0 (the store numbers it), else updates all but id, device, product,
 * release, version, size_bytes and sha256; a closed row is never changed: ERR_CONFLICT (I4). A
 * second open attempt of a device: ERR_EXIST (I3). */
void store_set_attempt(struct store_set *set, const struct attempt *a);
/* Replaces the diagnoses of an attempt. */
void store_set_diagnoses(struct store_set *set, uint64_t attempt, const struct diagnoses *d);
void store_set_event(struct store_set *set, const struct store_event *e);
/* Last contact only: no rev, no event; for reports that change nothing else. No error for a
 * device that was removed meanwhile. */
void store_set_seen(struct store_set *set, const char *device, int64_t seen_ms,
		    int64_t offline_at_ms);
/* Which protocol it speaks. ERR_CONFLICT if there is no such device. */
void store_set_protocol(struct store_set *set, const char *device, const char *protocol);
/* Its group (store_set_device() leaves it as it is), 0: none. ERR_CONFLICT if there is no such
 * device or group. */
void store_set_device_group(struct store_set *set, const char *device, int64_t group,
			    int64_t at_ms);
/* Whether it has the tag from now on; no error if it has so already. ERR_CONFLICT if there is no
 * such device. */
void store_set_tag(struct store_set *set, const char *device, const char *tag, bool on);
/* A filter under a name (core/filter.h); its rev must be the row's. */
struct store_query {
	char name[LIMIT_QUERY_NAME + 1];
	int64_t rev, created_ms;
	char filter[LIMIT_FILTER_TEXT + 1];
};
void store_set_query(struct store_set *set, const struct store_query *q);
void store_set_query_delete(struct store_set *set, const struct store_query *q);
/* Its talk (proto/talk.h; at most LIMIT_TALK_SAVED bytes, else ERR_LIMIT) and the wall time at
 * which that goes on by itself, 0: never; empty: it has none any more. ERR_CONFLICT if there is no
 * such device. A device takes its talk with it. */
void store_set_talk(struct store_set *set, const char *device, struct bytes talk, int64_t at_ms);
void store_set_alive(struct store_set *set, int64_t wall_ms);

/* Retention, one step of it: at most LIMIT_RETIRE events and LIMIT_RETIRE attempts are looked
 * at. Events go from the oldest on, so that no gap comes between the oldest kept and the head.
 * Attempts that are open, that their device's next decision needs (its last one, and charged
 * ones of an image that is still there and not forgiven by unhold), or whose verdict is younger,
 * stay. An attempt's diagnoses go with it. */
struct store_retire {
	int64_t events_before_ms;   /* wall; 0: none for their age */
	uint64_t events_max;	    /* so many are kept at most; 0: any number */
	int64_t attempts_before_ms; /* closed before; 0: none */
};
void store_set_retire(struct store_set *set, const struct store_retire *what);
void store_set_restored(struct store_set *set, enum store_restored step);
/* One row of the audit log, without its number and hash. No text has control characters or is
 * longer than LIMIT_AUDIT_TEXT: ERR_INVAL, ERR_LIMIT. */
struct store_audit {
	int64_t at_ms;		    /* wall */
	const char *who;	    /* "alice", "uid 1000" */
	const char *act;	    /* "device lock" */
	const char *object;	    /* "desk-1", "blinky 1.1.0" */
	const char *before, *after; /* JSON objects, compact; "" if there was, is nothing */
};
void store_set_audit(struct store_set *set, const struct store_audit *a);
/* Takes the rows up to this one out; what is left is verified from its hash on. ERR_NOENT: there
 * is no such row (any more); ERR_CONFLICT: it has another hash. Put the act that tells of it,
 * AUDIT_PRUNE, behind it in the same set. */
void store_set_audit_prune(struct store_set *set, const struct store_audit_head *through);
#define AUDIT_PRUNE "audit prune"

/* Webhooks. Inserts with rev 0 (then `place` and `secret` are needed, and its id is in the result),
 * else updates by rev; NULL: as they are. ERR_EXIST if the name is taken. */
void store_set_hook(struct store_set *set, const struct hook *h, const struct hook_place *place,
		    const struct store_key *secret);
/* ERR_CONFLICT if no hook has that rev. What was put aside goes with it. */
void store_set_hook_delete(struct store_set *set, int64_t hook, int64_t rev);
/* How far it is; no error for one that was removed meanwhile. */
void store_set_hook_place(struct store_set *set, int64_t hook, const struct hook_place *place);
/* A new message aside. Its id is in the result. ERR_NOENT if the hook is gone. */
void store_set_dead(struct store_set *set, const struct store_dead *d);
/* Of a hook: the one, or all with id 0. It is to be tried again; it failed again, with `error`;
 * it goes. ERR_NOENT if it names one that there is not. */
void store_set_dead_due(struct store_set *set, int64_t hook, int64_t id);
void store_set_dead_failed(struct store_set *set, int64_t hook, int64_t id, const char *error);
void store_set_dead_delete(struct store_set *set, int64_t hook, int64_t id);
/* A part of an import of devices, text of its caller's; part 0 is the decision to import the others
 * (schema/0013_imports.sql). "": it goes, ERR_NOENT if there is none. ERR_EXIST if it is there. */
void store_set_import(struct store_set *set, int64_t part, const char *rows);

/* Takes the set, always; `done` is called exactly once, by store_deliver(). */
void store_submit(struct store *s, struct store_set *set);
/* Calls the done functions of finished sets, on the caller's thread. Returns how many. */
unsigned store_deliver(struct store *s);
/* Waits until everything submitted is finished (not delivered). For shutdown and tests. */
void store_flush(struct store *s);

/* Upper bounds of the latencies counted. */
enum { STORE_LATENCIES = 11 };
extern const unsigned store_latency_us[STORE_LATENCIES];

struct store_stats {
	uint64_t sets, commits, failed_sets, operations;
	uint64_t queued;			     /* now */
	uint64_t latency_count[STORE_LATENCIES + 1]; /* commits by what they took; last: longer */
	uint64_t latency_sum_us;
};
void store_stats(struct store *s, struct store_stats *ret_stats);

/* ---- all keys at once: at start, while nothing waits to be written ---- */

/* The sealed text of the database; len 0 if its keys are in clear. */
int store_seal(struct store *s, struct store_seal *ret) ERR_CHECK;
/* The same of a file that nobody need have open; nothing is written, nor left beside it. */
int store_seal_look(const char *path, struct store_seal *ret) ERR_CHECK;
/* Every key through `fn` (which changes form, value and mac, or returns an error), and the text
 * that goes with them: one transaction. What the keys were before is still in the file then. */
typedef int store_key_fn(void *ctx, struct store_key *k);
int store_rewrap(struct store *s, store_key_fn *fn, void *ctx, const struct store_seal *seal,
		 uint64_t *ret_count) ERR_CHECK;
/* Makes the file and its WAL anew, so that they hold no more of what store_rewrap() replaced;
 * nothing to do if that was done since. Needs room for a second copy of the database. */
int store_scrub(struct store *s) ERR_CHECK;

/* ---- faults of the machine: disk full, read-only, I/O, damage, a file that was moved ----
 *
 * A commit that fails leaves nothing, and the next one is tried on a connection that was opened
 * anew where that can help. A reading connection waits for store_probe(). */

struct store_fault {
	int err; /* of the newest commit (or read) that the machine decided; 0: it works */
	uint64_t failures; /* ever */
	char what[200];	   /* the last one, for people */
};
void store_faults(struct store *s, struct store_fault *ret_write, struct store_fault *ret_read);
/* Whether its file system has room for more than the next small commit: one that just fits would
 * pass for the end of a full disk. */
bool store_has_room(const struct store *s);
/* Tries again to read after a failure; harmless and cheap when there was none. */
int store_probe(struct store *s) ERR_CHECK;

/* ---- reading: ERR_NOENT when there is no such row; ret untouched on failure ---- */

/* Around many reads in one turn of the loop: they see one moment, and each costs less. */
void store_reads_begin(struct store *s);
void store_reads_end(struct store *s);

int store_product(struct store *s, int64_t id, struct product *ret) ERR_CHECK;
int store_product_by_name(struct store *s, const char *name, struct product *ret) ERR_CHECK;
/* LIMIT_CA_BUNDLE + 1 bytes are enough. ERR_CORRUPT: they are not. */
int store_ca(struct store *s, int64_t product, char *dst, size_t cap) ERR_CHECK;
/* By name; none is no error. ERR_CORRUPT: more than there may be. On failure there are none. */
int store_signers(struct store *s, int64_t product, struct signers *ret) ERR_CHECK;
/* Labels of the releases that the key with this id has signed, newest first. */
typedef void store_signed_row(void *ctx, const char *version);
int store_signed(struct store *s, int64_t product, const char *key, unsigned limit,
		 store_signed_row *row, void *ctx) ERR_CHECK;
int store_release(struct store *s, int64_t id, struct release *ret) ERR_CHECK;
int store_release_by_version(struct store *s, int64_t product, const char *version,
			     struct release *ret) ERR_CHECK;
int store_device(struct store *s, const char *id, struct device *ret) ERR_CHECK;
int store_attempt(struct store *s, uint64_t id, struct attempt *ret) ERR_CHECK;
int store_diagnoses(struct store *s, uint64_t attempt, struct diagnoses *ret) ERR_CHECK;
/* The keys of a device, current before next; none is no error. */
int store_keys(struct store *s, const char *device, struct store_key ret[KEY_SLOTS],
	       unsigned *ret_count) ERR_CHECK;
/* Whose key it is. */
int store_key_by_mac(struct store *s, struct bytes mac, struct store_key *ret) ERR_CHECK;
int store_has_tag(struct store *s, const char *device, const char *tag, bool *ret) ERR_CHECK;
/* In the order of their bytes; ERR_CORRUPT: more than there may be. */
struct store_tags {
	unsigned count;
	char list[LIMIT_TAGS][LIMIT_TAG + 1];
};
int store_tags(struct store *s, const char *device, struct store_tags *ret) ERR_CHECK;
int store_query(struct store *s, const char *name, struct store_query *ret) ERR_CHECK;
/* LIMIT_TALK_SAVED bytes are enough; ERR_CORRUPT: they are not. */
int store_talk(struct store *s, const char *device, uint8_t *dst, size_t cap, size_t *ret_len,
	       int64_t *ret_at_ms) ERR_CHECK;
int store_history(struct store *s, const char *device, const uint8_t sha256[DIGEST_SHA256],
		  uint64_t after_number, struct history *ret) ERR_CHECK;

/* Rows in a fixed order, at most `limit`, starting after a key; `row` returns false to stop.
 * The row is borrowed until it returns; it must not call the store. */
typedef bool store_product_row(void *ctx, const struct product *p);
typedef bool store_group_row(void *ctx, const struct device_group *g);
typedef bool store_release_row(void *ctx, const struct release *r);
typedef bool store_device_row(void *ctx, const struct device *d);
typedef bool store_attempt_row(void *ctx, const struct attempt *a);

int store_products(struct store *s, const char *after_name, unsigned limit, store_product_row *row,
		   void *ctx) ERR_CHECK;
int store_groups(struct store *s, int64_t after_id, unsigned limit, store_group_row *row,
		 void *ctx) ERR_CHECK;
typedef bool store_rollout_row(void *ctx, const struct rollout *r);
int store_rollouts(struct store *s, int64_t after_id, unsigned limit, store_rollout_row *row,
		   void *ctx) ERR_CHECK;
/* What a rollout that is over keeps of members that it has lost: of each kind how many. */
typedef void store_left_row(void *ctx, unsigned wave, bool released, const struct member_facts *m,
			    int64_t members);
int store_rollout_left(struct store *s, int64_t rollout, store_left_row *row, void *ctx) ERR_CHECK;
/* Members with places in [from, to), in their order. */
int store_members(struct store *s, int64_t rollout, int64_t from_place, int64_t to_place,
		  unsigned limit, store_device_row *row, void *ctx) ERR_CHECK;
typedef bool store_query_row(void *ctx, const struct store_query *q);
int store_queries(struct store *s, const char *after_name, unsigned limit, store_query_row *row,
		  void *ctx) ERR_CHECK;
int store_releases(struct store *s, int64_t product /* 0: all */, int64_t after_id, unsigned limit,
		   store_release_row *row, void *ctx) ERR_CHECK;
int store_devices(struct store *s, int64_t product /* 0: all */, const char *after_id,
		  unsigned limit, store_device_row *row, void *ctx) ERR_CHECK;
int store_devices_in_group(struct store *s, int64_t group, const char *after_id, unsigned limit,
			   store_device_row *row, void *ctx) ERR_CHECK;
int store_devices_tagged(struct store *s, const char *tag, const char *after_id, unsigned limit,
			 store_device_row *row, void *ctx) ERR_CHECK;
int store_devices_development(struct store *s, const char *after_id, unsigned limit,
			      store_device_row *row, void *ctx) ERR_CHECK;
/* Newest first, before a number (0: from the newest); device "" and open_only false: all. */
int store_attempts(struct store *s, const char *device, bool open_only, uint64_t before_number,
		   unsigned limit, store_attempt_row *row, void *ctx) ERR_CHECK;
/* Open attempts whose deadline has passed, earliest first. */
int store_attempts_due(struct store *s, int64_t now_ms, unsigned limit, store_attempt_row *row,
		       void *ctx) ERR_CHECK;
/* Devices that are online and whose offline_at has passed. */
int store_devices_silent(struct store *s, int64_t now_ms, unsigned limit, store_device_row *row,
			 void *ctx) ERR_CHECK;

/* Devices whose talk goes on by itself by then, earliest first; row as above. */
typedef bool store_talk_row(void *ctx, const char *device);
int store_talks_due(struct store *s, int64_t now_ms, unsigned limit, store_talk_row *row,
		    void *ctx) ERR_CHECK;

/* Webhooks by name, after one; row as above. */
typedef bool store_hook_row(void *ctx, const struct store_hook *h);
int store_hooks(struct store *s, const char *after_name, unsigned limit, store_hook_row *row,
		void *ctx) ERR_CHECK;
/* What was put aside of one, by rising id, after an id; only those to be tried again with `due`. */
typedef bool store_dead_row(void *ctx, const struct store_dead *d);
int store_deads(struct store *s, int64_t hook, bool due, int64_t after_id, unsigned limit,
		store_dead_row *row, void *ctx) ERR_CHECK;
/* How many, and how many of them are to be tried again. */
int store_dead_count(struct store *s, int64_t hook, uint64_t *ret_count,
		     uint64_t *ret_due) ERR_CHECK;
/* Devices whose talk goes on by itself, but not yet, by id from the one after `after` on. */
int store_talks_ahead(struct store *s, const char *after, int64_t now_ms, unsigned limit,
		      store_talk_row *row, void *ctx) ERR_CHECK;

struct store_event_row {
	uint64_t seq;
	int64_t at_ms;
	const char *topic, *data, *device, *json;
	uint64_t attempt;
};
typedef bool store_event_fn(void *ctx, const struct store_event_row *e);
/* Events with seq > after, ascending; device "" is all. */
int store_events(struct store *s, uint64_t after, const char *device, unsigned limit,
		 store_event_fn *fn, void *ctx) ERR_CHECK;

/* Sequence of the oldest event there is; head + 1 if there is none. */
int store_events_first(struct store *s, uint64_t *ret_seq) ERR_CHECK;
/* ---- audit log: store/audit.h says what a row's hash is ---- */

struct store_audit_row {
	uint64_t seq;
	struct store_audit what;
	uint8_t hash[STORE_HASH];
};
typedef bool store_audit_fn(void *ctx, const struct store_audit_row *row);
/* Rows with seq > after, ascending; object "" is all. */
int store_audits(struct store *s, const char *object, uint64_t after, unsigned limit,
		 store_audit_fn *fn, void *ctx) ERR_CHECK;
/* Rows with seq < before (0: from the newest), descending. */
int store_audits_before(struct store *s, const char *object, uint64_t before, unsigned limit,
			store_audit_fn *fn, void *ctx) ERR_CHECK;

/* The last row of those that were taken out, seq 0: none (store_set_audit_prune). */
int store_audit_removed(struct store *s, struct store_audit_head *ret_removed) ERR_CHECK;

/* A walk over the whole log that recomputes each hash; zero to begin with. `at` is the last row
 * found right. When done, `bad` is 0, or the first row that is wrong and `why` says how. */
struct store_audit_check {
	struct store_audit_head at;
	struct store_audit_head removed; /* the log begins after this one; seq 0: with row 1 */
	uint8_t told[STORE_HASH];	 /* what the newest act says that took rows out */
	uint64_t wanted;		 /* a head seen before: all rows up to it must be there */
	bool done;
	uint64_t bad;
	char why[200];
};
/* The next rows, at most `limit`; acts may be committed in between. An error is one of reading
 * and the same step can be tried again. */
int store_audit_check(struct store *s, unsigned limit, struct store_audit_check *c) ERR_CHECK;

/* A part of an import (store_set_import), which the caller frees; and the last there is, ERR_NOENT
 * if none. */
int store_import(struct store *s, int64_t part, char **ret_rows) ERR_CHECK;
int store_import_last(struct store *s, int64_t *ret_part) ERR_CHECK;

/* Who uses a release: target of a product or a group, lock of a device, open attempt (first found).
 */
struct store_use {
	bool used;
	char by[160]; /* "product blinky targets it" */
};
int store_release_use(struct store *s, int64_t release, struct store_use *ret) ERR_CHECK;
/* Whether another release has the same bytes (then the image file stays). */
int store_image_used(struct store *s, const uint8_t sha256[DIGEST_SHA256],
		     bool *ret_used) ERR_CHECK;

struct store_counts {
	uint64_t products, releases, devices, online, held, disabled, open_attempts;
	uint64_t updated, failed; /* attempts closed ever: success, charged failures */
};
int store_counts(struct store *s, struct store_counts *ret) ERR_CHECK;
/* Devices by protocol, "" those of which it is not known; looks at all of them. */
typedef void store_protocol_row(void *ctx, const char *protocol, uint64_t devices);
int store_protocols(struct store *s, store_protocol_row *row, void *ctx) ERR_CHECK;
/* Devices by group; looks at all that are in one. */
typedef void store_group_count(void *ctx, int64_t group, uint64_t devices);
int store_group_counts(struct store *s, store_group_count *row, void *ctx) ERR_CHECK;
/* The same of those that are offered an image or download it; looks at all open attempts. */
int store_group_downloads(struct store *s, store_group_count *row, void *ctx) ERR_CHECK;
/* Open attempts by state; looks at all of them. */
int store_open_states(struct store *s, uint64_t ret_counts[ATTEMPT_STATE_COUNT]) ERR_CHECK;

#endif
