/* SPDX-License-Identifier: Apache-2.0
 *
 * What `explain` has to tell of a release and of a rollout.
 */
#ifndef DAEMON_VIEW_RELEASE_STORY_H
#define DAEMON_VIEW_RELEASE_STORY_H

#include "daemon/engine_survey.h"
#include "daemon/view.h"

/* Findings of the lint, and what is to be known of a success. X(name, word, what it means) */
#define FINDING_LIST(X)                                                                            \
	X(FINDING_LABEL, "label-is-not-image",                                                     \
	  "the image says that it is another version: it was released so on purpose, and devices " \
	  "will not report its label")                                                             \
	X(FINDING_UNREADABLE, "image-unavailable", "the server cannot read its copy of the image") \
	X(FINDING_PLAIN, "unknown-format",                                                         \
	  "its format says nothing of itself, so nothing in it could be held against its label")   \
	X(FINDING_ENCRYPTED, "encrypted", "what is inside of it could not be looked at")           \
	X(FINDING_UNSIGNED, "unsigned-image",                                                      \
	  "the image has no signature in it: a boot loader that asks for one will not take it")    \
	X(FINDING_NO_DIGEST, "no-digest",                                                          \
	  "devices that run it report no digest: a success rests on the version label alone")      \
	X(FINDING_NO_CONFIRM, "no-confirm",                                                        \
	  "devices that run it do not report whether they have confirmed it")

enum finding {
#define FINDING_ENUM(name, word, means) name,
	FINDING_LIST(FINDING_ENUM)
#undef FINDING_ENUM
		FINDING_COUNT
};
const char *finding_name(enum finding f);
bool finding_is(enum finding f, const struct release *r);

/* The uses of a release that are told by name; the others are counted. */
struct view_uses {
	unsigned count, more;
	struct {
		enum use kind;
		char name[LIMIT_VERSION + 1];
		char state[16];
	} list[LIMIT_EXPLAIN_USES];
};
void view_uses_add(void *uses, enum use kind, const char *name, const char *state);

struct view_release {
	const struct release *release;
	const struct product *product;
	const struct engine_survey *survey;
	const struct view_uses *uses;
	uint64_t ends[VERDICT_COUNT]; /* of attempts to it, since the start */
	/* Who brought it into its state: the act of the audit log; NULL: not found. */
	const char *who;
	int64_t devices;	   /* that made the server quarantine it; 0: it did not */
	const char *rollout, *why; /* of a rollout that quarantined it; NULL: none */
	bool signer_gone;	   /* its product has no signer with its key any more */
};

/* Parts of that. */
json_t *view_findings(const struct release *r);
void view_say_signatures(struct buf *b, const struct view_release *v);
json_t *view_uses(const struct view_uses *uses);
json_t *view_asks(const struct requires *q);

/* How it stands, what was found in it, who needs it, how its devices are, what to do. */
json_t *view_explain_release(const struct view_release *v, int64_t now_ms);

/* What most of a rollout's failed members have in common, of those that were looked at. */
struct rollout_common {
	unsigned failed, count; /* 0: nobody failed */
	enum verdict verdict;
	enum reason reason;	       /* REASON_NONE: they gave none */
	enum diagnosis_kind diagnosis; /* the first of each; DIAGNOSIS_COUNT: none */
	char device[LIMIT_DEVICE_ID + 1];
};

/* Where it stands and why, what its failures have in common, what halts it, what an operator can
 * do. */
json_t *view_explain_rollout(const struct engine_rollout *v, const struct rollout_common *cause,
			     int64_t now_ms);

#endif
