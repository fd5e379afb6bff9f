/* SPDX-License-Identifier: Apache-2.0 */
#include "core/report.h"

#include <string.h>

void report_init(struct report *r)
{
	*r = (struct report){
		.confirmed = -1,
		.updates_enabled = -1,
		.fs_free_bytes = -1,
		.fs_total_bytes = -1,
		.slot_bytes = -1,
		.battery_percent = -1,
		.supply_mv = -1,
		.interval_s = -1,
		.uptime_s = -1,
		.security_counter = -1,
	};
}

void status_init(struct status *s)
{
	*s = (struct status){.received_bytes = -1, .start_offset = -1, .defer_until_s = -1};
}

struct word {
	int number;
	const char *name;
};

#define WORD3(name, number, text) {number, text},
#define WORD5(name, number, text, soft, hold) {number, text},
static const struct word reset_words[] = {RESET_REASON_LIST(WORD3)};
static const struct word reason_words[] = {REASON_LIST(WORD5)};
static const struct word mode_words[] = {REPORT_MODE_LIST(WORD3)};
static const struct word stage_words[] = {LAST_STAGE_LIST(WORD3)};
static const struct word status_words[] = {STATUS_STATE_LIST(WORD3)};
#define WORDS(table) (table), sizeof(table) / sizeof((table)[0])

static const char *word_name(const struct word *words, size_t count, int number)
{
	for (size_t i = 0; i < count; i++)
		if (words[i].number == number)
			return words[i].name;
	return "unknown";
}

static int word_number(const struct word *words, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(words[i].name, name) == 0)
			return words[i].number;
	return ERR_INVAL;
}

const char *reset_reason_name(enum reset_reason r)
{
	return word_name(WORDS(reset_words), (int)r);
}

const char *reason_name(enum reason r)
{
	return word_name(WORDS(reason_words), (int)r);
}

const char *report_mode_name(enum report_mode m)
{
	return word_name(WORDS(mode_words), (int)m);
}

const char *last_stage_name(enum last_stage s)
{
	return word_name(WORDS(stage_words), (int)s);
}

const char *status_state_name(enum status_state s)
{
	return word_name(WORDS(status_words), (int)s);
}

const char *trouble_name(unsigned bit)
{
#define TROUBLE_WORD(name, word, means) word,
	static const char *const words[] = {TROUBLE_LIST(TROUBLE_WORD)};

	return bit < TROUBLE_COUNT ? words[bit] : "unknown";
}

const char *trouble_means(unsigned bit)
{
#define TROUBLE_MEANS(name, word, means) means,
	static const char *const words[] = {TROUBLE_LIST(TROUBLE_MEANS)};

	return bit < TROUBLE_COUNT ? words[bit] : "unknown";
}

#define FROM_NAME(function, type, words)                                                           \
	int function(const char *name, type *ret)                                                  \
	{                                                                                          \
		int number = word_number(WORDS(words), name);                                      \
		if (number < 0)                                                                    \
			return number;                                                             \
		*ret = (type)number;                                                               \
		return 0;                                                                          \
	}

FROM_NAME(reset_reason_from_name, enum reset_reason, reset_words)
FROM_NAME(reason_from_name, enum reason, reason_words)
FROM_NAME(report_mode_from_name, enum report_mode, mode_words)
FROM_NAME(last_stage_from_name, enum last_stage, stage_words)

#define REASON_SOFT(name, number, text, soft, hold)                                                \
	case name:                                                                                 \
		return (soft) != 0;
#define REASON_HOLD(name, number, text, soft, hold)                                                \
	case name:                                                                                 \
		return (hold) != 0;

bool reason_is_soft(enum reason r)
{
	switch (r) {
		REASON_LIST(REASON_SOFT)
	}
	return false;
}

bool reason_holds(enum reason r)
{
	switch (r) {
		REASON_LIST(REASON_HOLD)
	}
	return false;
}

bool boot_id_equal(const struct boot_id *a, const struct boot_id *b)
{
	if (a->len && b->len)
		return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
	return a->has_count && b->has_count && a->count == b->count;
}

bool boot_id_identical(const struct boot_id *a, const struct boot_id *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0 &&
	       a->has_count == b->has_count && (!a->has_count || a->count == b->count);
}

bool report_image_changed(const struct report *before, const struct report *now)
{
	if (strcmp(before->version, now->version) != 0)
		return true;
	return before->running.len && now->running.len &&
	       before->running.kind == now->running.kind &&
	       !digest_equal(&before->running, &now->running);
}

static bool running_same(const struct report *a, const struct report *b)
{
	return strcmp(a->version, b->version) == 0 && a->running.len == b->running.len &&
	       (a->running.len == 0 || digest_equal(&a->running, &b->running)) &&
	       a->confirmed == b->confirmed && a->mode == b->mode && a->reset == b->reset &&
	       boot_id_identical(&a->boot, &b->boot);
}

static bool last_attempt_same(const struct last_attempt *a, const struct last_attempt *b)
{
	return a->attempt == b->attempt && a->stage == b->stage && a->reason == b->reason &&
	       a->code == b->code && strcmp(a->detail, b->detail) == 0;
}

static bool numbers_same(const struct report *a, const struct report *b)
{
	return a->fs_free_bytes == b->fs_free_bytes && a->fs_total_bytes == b->fs_total_bytes &&
	       a->slot_bytes == b->slot_bytes && a->battery_percent == b->battery_percent &&
	       a->supply_mv == b->supply_mv && a->troubles == b->troubles &&
	       a->interval_s == b->interval_s && a->security_counter == b->security_counter &&
	       a->updates_enabled == b->updates_enabled;
}

bool report_same(const struct report *a, const struct report *b)
{
	return running_same(a, b) && last_attempt_same(&a->last, &b->last) && numbers_same(a, b) &&
	       a->has_capabilities == b->has_capabilities && a->capabilities == b->capabilities &&
	       strcmp(a->hardware, b->hardware) == 0 &&
	       strcmp(a->boot_loader, b->boot_loader) == 0 && a->has_cached == b->has_cached &&
	       (!a->has_cached || memcmp(a->cached, b->cached, sizeof(a->cached)) == 0);
}

bool reset_is_unclean(enum reset_reason r)
{
	return r == RESET_WATCHDOG || r == RESET_PANIC || r == RESET_BROWN_OUT;
}
