/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON for people and programs: the one place that knows the shapes which postboot-api(7)
 * documents. Keys stand in a fixed order; what is not known has no key. Every function
 * returns a new jansson reference, or NULL when out of memory. Pure but for memory.
 */
#ifndef DAEMON_VIEW_H
#define DAEMON_VIEW_H

#include <jansson.h>

#include "core/update.h"
#include "daemon/engine.h"
#include "daemon/health.h"
#include "store/store.h"

/* The payload of an event, merged into the stream's object (see postboot-api). `a` and `dg`
 * are NULL for events that are not about an attempt; `p` is NULL where unknown. */
json_t *view_event_payload(enum event_kind kind, const struct device *d, const struct product *p,
			   const struct attempt *a, const struct diagnoses *dg);
/* The boot has not reported: takes out what the report of the boot before says. */
void view_event_unreported(json_t *payload);

/* Adds what a device that drifted was expected to run. */
void view_event_expected(json_t **payload, const char *version);

/* The event in an envelope of CloudEvents 1.0; takes it. */
json_t *view_cloudevent(const char *stream, json_t *event);

/* One event of the stream. A stored payload that is no JSON object is left out. */
json_t *view_event(const char *stream, const struct store_event_row *e);

/* `target`: the version of the product's target, "" if it has none. */
json_t *view_product(const struct product *p, const char *target);
/* How many CAs it has and which, if any. */
void view_put_ca(json_t **o, const struct product *p);
/* What its devices may speak, and its options for that. */
void view_put_protocol(json_t **o, const struct product *p);

/* What a release asks of devices; nothing if it asks nothing. */
void view_put_requires(json_t **o, const struct requires *q);
/* `product`: its name; `target`: whether the product targets it. */
json_t *view_release(const struct release *r, const char *product, bool target);

/* dg NULL: none. `now`: its device, NULL where it is not at hand. */
json_t *view_attempt(const struct attempt *a, const char *product, const struct diagnoses *dg,
		     const struct engine_device *now);

json_t *view_rollout(const struct engine_rollout *v);
/* What the audit log says of it, and what its event tells. */
json_t *view_rollout_facts(const char *version, const struct rollout *r);
json_t *view_rollout_event(const char *product, const char *version, const struct rollout *r);
/* One that goes on by an operator's word only, in short. */
json_t *view_rollout_waits(const struct engine_rollout *v);
/* Its dry run: one page of devices, and what all of them together would cost. */
/* "5", "10%". */
const char *view_wave_size(const struct wave *w, char dst[32]);
/* One member, in lists. */
json_t *view_member(const struct engine_rollout *v, const struct device *d);

/* The last of the rows that were taken out of it. */
json_t *view_removed(const struct store_audit_head *removed);
/* A row of the audit log: `before` and `after` as objects, none where there was, is nothing. */
json_t *view_audit(const struct store_audit_row *row);

/* What a device's view is made of. */
struct view_device {
	const struct engine_device *now;
	bool has_last;
	const struct attempt *last; /* the last closed attempt, if has_last */
	const struct diagnoses *last_diagnoses;
	struct history history; /* of the last attempt's image, since the last unhold */
	struct store_tags tags;
	int64_t key_set_ms[KEY_SLOTS]; /* 0: it has none there */
	bool plain_unserved;	       /* it is a plain device, and plain devices are not served */
	const json_t *facts, *notes;   /* of its talk; NULL: none */
};
json_t *view_device(const struct view_device *v);
extern const char view_plain_warning[];
/* For lists: attempts by their ids only. */
json_t *view_device_row(const struct engine_device *now);

/* Why a device is not updated, what likely went wrong and what to do, in plain words. */
json_t *view_explain(const struct view_device *v, int64_t now_ms);

/* A webhook, without its secret; a message of one that was put aside. */
struct hook_view;
json_t *view_hook(const struct hook_view *v);
json_t *view_dead(const struct store_dead *d);

json_t *view_health(const struct health *h);

/* RFC 9457. `code` is a machine's word, err_word() where there is an error. */
json_t *view_problem(unsigned status, const char *code, const char *detail);
const char *view_status_title(unsigned status);

/* ---- parts ---- */

/* Takes `value`; when it is NULL or there is no memory, *obj is freed and becomes NULL. */
void view_put(json_t **obj, const char *key, json_t *value);
void view_append(json_t **array, json_t *value);
/* A string whatever the bytes: those that are not UTF-8 become '?'. */
json_t *view_text(const char *str);
void view_put_text(json_t **obj, const char *key, const char *str); /* "": no key */
void view_put_time(json_t **obj, const char *key, int64_t wall_ms); /* 0: no key */
json_t *view_hex(const uint8_t *ptr, size_t len);
json_t *view_digest(const struct digest *d);
/* The device's own copy was used instead of our image: verified with hardly a byte served. */
bool view_attempt_cached(const struct attempt *a);
/* An operator ended it, or it was overtaken: nobody asks what went wrong. */
bool view_attempt_is_moot(const struct attempt *a);
/* The device put it off: it did not refuse it. */
bool view_attempt_deferred(const struct attempt *a);
/* It came back, and left before it told what it runs: nobody knows. */
bool view_attempt_is_untold(const struct attempt *a);
const char *view_attempt_means(const struct attempt *a); /* of a closed one */
/* Adds a fact of a talk to an object, or, without a name, a sentence to an array. */
struct view_facts {
	json_t *facts, *notes;
};
void view_facts_tell(void *facts, const char *name, const char *value);
/* "in-sync", "updating", "waiting", "held", "new" or "no-target" */
void view_put_tags(json_t **o, const struct store_tags *tags); /* if there are any */
json_t *view_query(const struct store_query *q);
json_t *view_group(const struct engine_group *g, const char *product, const char *target);
const char *view_device_state(const struct engine_device *now);
extern const char *const view_device_states[]; /* all of them; ends with NULL */
extern const char *const view_capabilities[];  /* the same */

/* ---- advice: what applies to this device as it is ---- */

enum { VIEW_SENTENCE = 512 };

/* Appends as printf does; what does not fit is cut, rather than lost. */
void view_say(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "2026-11-23 01:47 UTC" */
const char *view_when(int64_t wall_ms, char dst[32]);
/* "45 s", "12 min", "3 h 5 min", "2 d 4 h" */
const char *view_span(int64_t ms, char dst[32]);
/* "12 min ago", "just now", "never" (0) */
const char *view_ago(int64_t now_ms, int64_t at_ms, char dst[48]);
/* "until 2026-11-22 23:51 UTC (in 45 s)" */
void view_say_until(struct buf *b, int64_t at_ms, int64_t now_ms);
/* How far its open attempt has come: a sentence. */
void view_say_open(struct buf *b, const struct engine_device *now, int64_t now_ms);
/* Of a device that runs its target and has not confirmed it: what that means, what to do. */
void view_say_unconfirmed(struct buf *b, const struct engine_device *now);
void view_say_confirm(struct buf *b, const struct engine_device *now);
/* How it went offline: "silent", "good-bye", "disabled"; "": it did not, or never came. */
const char *view_offline(const struct device *d);
bool view_said_bye(const struct device *d);
void view_say_offline(struct buf *b, const struct engine_device *now, int64_t now_ms);
void view_say_silent_next(struct buf *b, const struct engine_device *now);
/* General advice with names for ID, NAME and PRODUCT, and commands begun with the program. */
void view_say_advice(struct buf *b, const char *advice, const char *id, const char *product);
/* The blocks that are news: of a held device neither waits nor that it needs no update. */
uint32_t view_blocks(const struct engine_device *now);
void view_say_clear(struct buf *b, enum block block, const struct engine_device *now);
/* Of a target that is not active any more: by where it comes from, and whether it may return. */
void view_say_release_clear(struct buf *b, const struct engine_device *now);
/* What holds up a device that waits for its turn to download. */
void view_say_admission(struct buf *b, const struct engine_device *now, int64_t now_ms);
/* Which maintenance windows hold for it, and whose they are; nothing where there are none. */
struct site view_site(const struct engine_device *now);
void view_put_maintenance(json_t **o, const struct engine_device *now);
void view_say_windows(struct buf *b, const struct engine_device *now);
/* "2026-11-24T01:00:00+01:00": a time by the clock of a place. */
enum { VIEW_THERE = 32 };
char *view_there(int64_t wall_ms, const struct zone *zone, char dst[VIEW_THERE]);
/* The facts of a block that is a rule's (core/plan_rules.h). */
void view_say_rule(struct buf *b, enum block block, const struct engine_device *now);
/* What the device says is wrong with it, where its product has no rule for that. */
void view_say_no_rule(struct buf *b, const struct engine_device *now);
/* What clears BLOCK_UNPROVABLE of a device that reports a digest; false: the general advice does.
 */
bool view_say_digest_clear(struct buf *b, const struct engine_device *now);
/* The same of its rollout, and what clears it. */
void view_say_rollout(struct buf *b, enum block block, const struct engine_device *now);
/* Where it stands and why, and what an operator can do; nothing of one that is over. */
void view_say_rollout_stands(struct buf *b, const struct engine_rollout *v);
void view_say_rollout_next(struct buf *b, const struct engine_rollout *v);
void view_say_rollout_clear(struct buf *b, enum block block, const struct engine_device *now);
/* NULL: none. `now` as for view_attempt(). */
json_t *view_diagnoses(const struct diagnoses *dg, const struct attempt *a, const char *product,
		       const struct engine_device *now);
void view_say_means(struct buf *b, const struct diagnosis *d, const struct attempt *a);
void view_say_next(struct buf *b, const struct diagnosis *d, const struct attempt *a,
		   const char *product, const struct engine_device *now);
/* A newer report tells that the cause is gone. */
bool view_diagnosis_is_over(const struct diagnosis *d, const struct attempt *a,
			    const struct engine_device *now);

#endif
