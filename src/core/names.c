/* SPDX-License-Identifier: Apache-2.0
 *
 * The words of the vocabulary, from the same lists as the enums.
 */
#include <string.h>

#include "core/attempt.h"
#include "core/diagnosis.h"
#include "core/event.h"
#include "core/filter.h"
#include "core/hook.h"
#include "core/plan.h"
#include "core/rollout.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static int word_find(const char *const *words, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(words[i], name) == 0)
			return (int)i;
	return ERR_INVAL;
}

/* name function over a table indexed by the enum */
#define NAME_OF(function, type, table)                                                             \
	const char *function(type value)                                                           \
	{                                                                                          \
		return (size_t)value < COUNT(table) ? (table)[value] : "unknown";                  \
	}
/* and its reverse */
#define FROM_NAME(function, type, table)                                                           \
	int function(const char *name, type *ret)                                                  \
	{                                                                                          \
		int i = word_find((table), COUNT(table), name);                                    \
		if (i < 0)                                                                         \
			return i;                                                                  \
		*ret = (type)i;                                                                    \
		return 0;                                                                          \
	}

#define W2(name, word) word,
#define W_HOLD(name, word, help) word,
#define H_HOLD(name, word, help) help,
#define W_VERDICT(name, word, charged, hold, help) word,
#define H_VERDICT(name, word, charged, hold, help) help,
#define HOLD_VERDICT(name, word, charged, hold, help) hold,
#define W_FOUR(name, word, means, next) word,
#define MEANS_FOUR(name, word, means, next) means,
#define NEXT_FOUR(name, word, means, next) next,
#define TOPIC(name, topic, data) topic,
#define DATA(name, topic, data) data,

static const char *const hook_state_words[] = {HOOK_STATE_LIST(W2)};
static const char *const hook_why_words[] = {HOOK_WHY_LIST(W_HOLD)};
static const char *const hook_why_helps[] = {HOOK_WHY_LIST(H_HOLD)};
static const char *const state_words[] = {ATTEMPT_STATE_LIST(W2)};
static const char *const cause_words[] = {CAUSE_LIST(W2)};
static const char *const verdict_words[] = {VERDICT_LIST(W_VERDICT)};
static const char *const verdict_helps[] = {VERDICT_LIST(H_VERDICT)};
static const enum hold verdict_holds[] = {VERDICT_LIST(HOLD_VERDICT)};
static const char *const rung_words[] = {RUNG_LIST(W2)};
static const char *const grade_words[] = {GRADE_LIST(W2)};
static const char *const via_words[] = {VIA_LIST(W2)};
static const char *const hold_words[] = {HOLD_LIST(W_HOLD)};
static const char *const hold_helps[] = {HOLD_LIST(H_HOLD)};
static const char *const diagnosis_words[] = {DIAGNOSIS_LIST(W_FOUR)};
static const char *const diagnosis_meanings[] = {DIAGNOSIS_LIST(MEANS_FOUR)};
static const char *const diagnosis_nexts[] = {DIAGNOSIS_LIST(NEXT_FOUR)};
static const char *const block_words[] = {BLOCK_LIST(W_FOUR)};
static const char *const block_meanings[] = {BLOCK_LIST(MEANS_FOUR)};
static const char *const block_clears[] = {BLOCK_LIST(NEXT_FOUR)};
static const char *const target_words[] = {TARGET_WHY_LIST(W2)};
static const char *const member_words[] = {MEMBER_LIST(W_HOLD)};
static const char *const member_helps[] = {MEMBER_LIST(H_HOLD)};
static const char *const rollout_state_words[] = {ROLLOUT_STATE_LIST(W_HOLD)};
static const char *const rollout_state_helps[] = {ROLLOUT_STATE_LIST(H_HOLD)};
static const char *const rollout_cause_words[] = {ROLLOUT_CAUSE_LIST(W2)};
static const char *const rollout_wait_words[] = {ROLLOUT_WAIT_LIST(W_HOLD)};
static const char *const rollout_wait_helps[] = {ROLLOUT_WAIT_LIST(H_HOLD)};
static const char *const rollout_why_words[] = {ROLLOUT_WHY_LIST(W_HOLD)};
static const char *const rollout_why_helps[] = {ROLLOUT_WHY_LIST(H_HOLD)};
static const char *const device_state_words[] = {DEVICE_STATE_LIST(W2)};
static const char *const filter_words[] = {FILTER_LIST(W_FOUR)};
static const char *const filter_values[] = {FILTER_LIST(MEANS_FOUR)};
static const char *const filter_helps[] = {FILTER_LIST(NEXT_FOUR)};
static const char *const event_topics[] = {EVENT_LIST(TOPIC)};
static const char *const event_datas[] = {EVENT_LIST(DATA)};

NAME_OF(hook_state_name, enum hook_state, hook_state_words)
NAME_OF(hook_why_name, enum hook_why, hook_why_words)
NAME_OF(hook_why_help, enum hook_why, hook_why_helps)
NAME_OF(attempt_state_name, enum attempt_state, state_words)
NAME_OF(cause_name, enum cause, cause_words)
NAME_OF(verdict_name, enum verdict, verdict_words)
NAME_OF(verdict_help, enum verdict, verdict_helps)
NAME_OF(rung_name, enum rung, rung_words)
NAME_OF(grade_name, enum grade, grade_words)
NAME_OF(via_name, enum via, via_words)
NAME_OF(hold_name, enum hold, hold_words)
NAME_OF(hold_help, enum hold, hold_helps)
NAME_OF(diagnosis_name, enum diagnosis_kind, diagnosis_words)
NAME_OF(diagnosis_means, enum diagnosis_kind, diagnosis_meanings)
NAME_OF(diagnosis_next, enum diagnosis_kind, diagnosis_nexts)
NAME_OF(block_name, enum block, block_words)
NAME_OF(block_means, enum block, block_meanings)
NAME_OF(block_clear, enum block, block_clears)
NAME_OF(target_why_name, enum target_why, target_words)
NAME_OF(member_name, enum member, member_words)
NAME_OF(member_help, enum member, member_helps)
NAME_OF(rollout_state_name, enum rollout_state, rollout_state_words)
NAME_OF(rollout_state_help, enum rollout_state, rollout_state_helps)
NAME_OF(rollout_cause_name, enum rollout_cause, rollout_cause_words)
NAME_OF(rollout_wait_name, enum rollout_wait, rollout_wait_words)
NAME_OF(rollout_wait_help, enum rollout_wait, rollout_wait_helps)
NAME_OF(rollout_why_name, enum rollout_why, rollout_why_words)
NAME_OF(rollout_why_help, enum rollout_why, rollout_why_helps)
NAME_OF(device_state_name, enum device_state, device_state_words)
NAME_OF(filter_key_name, enum filter_key, filter_words)
NAME_OF(filter_key_value, enum filter_key, filter_values)
NAME_OF(filter_key_help, enum filter_key, filter_helps)
NAME_OF(event_topic, enum event_kind, event_topics)
NAME_OF(event_data, enum event_kind, event_datas)

FROM_NAME(hook_state_from_name, enum hook_state, hook_state_words)
FROM_NAME(hook_why_from_name, enum hook_why, hook_why_words)
FROM_NAME(attempt_state_from_name, enum attempt_state, state_words)
FROM_NAME(verdict_from_name, enum verdict, verdict_words)
FROM_NAME(grade_from_name, enum grade, grade_words)
FROM_NAME(via_from_name, enum via, via_words)
FROM_NAME(hold_from_name, enum hold, hold_words)
FROM_NAME(diagnosis_from_name, enum diagnosis_kind, diagnosis_words)
FROM_NAME(member_from_name, enum member, member_words)
FROM_NAME(device_state_from_name, enum device_state, device_state_words)
FROM_NAME(filter_key_from_name, enum filter_key, filter_words)
FROM_NAME(event_from_topic, enum event_kind, event_topics)

enum hold verdict_hold(enum verdict v)
{
	return (size_t)v < COUNT(verdict_holds) ? verdict_holds[v] : HOLD_NONE;
}

const char *evidence_name(enum evidence e)
{
	switch (e) {
#define EVIDENCE_CASE(name, bit, word)                                                             \
	case name:                                                                                 \
		return word;
		EVIDENCE_LIST(EVIDENCE_CASE)
#undef EVIDENCE_CASE
	case EV_COUNT:
		break;
	}
	return "unknown";
}
