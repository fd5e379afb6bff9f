/* SPDX-License-Identifier: Apache-2.0
 *
 * What a rollout is made from: its settings and the text of its waves.
 */
#include "core/rollout.h"

#include <string.h>

#include "base/buf.h"

const struct rollout_rule rollout_rule_rows[ROLLOUT_RULE_COUNT] = {
#define RULE_ROW(field, min, max, def, help)                                                       \
	{#field, offsetof(struct rollout_rules, field), (min), (max), (def), (help)},
	ROLLOUT_RULE_LIST(RULE_ROW)
#undef RULE_ROW
};

void rollout_rules_init(struct rollout_rules *rules)
{
#define RULE_DEFAULT(field, min, max, def, help) rules->field = (def);
	ROLLOUT_RULE_LIST(RULE_DEFAULT)
#undef RULE_DEFAULT
}

/* What is watched before nothing need not be watched. */
void rollout_defaults(struct rollout *r)
{
	rollout_rules_init(&r->rules);
	if (r->wave_count == 1)
		r->rules.soak_s = 0;
}

int64_t rollout_rule_get(const struct rollout_rules *rules, const struct rollout_rule *row)
{
	int64_t value;

	memcpy(&value, (const char *)rules + row->offset, sizeof(value));
	return value;
}

int rollout_rule_set(struct rollout_rules *rules, const struct rollout_rule *row, int64_t value)
{
	if (value < row->min || value > row->max)
		return ERR_RANGE;
	memcpy((char *)rules + row->offset, &value, sizeof(value));
	return 0;
}

static bool name_same(const char *a, const char *b)
{
	for (; *a && *b; a++, b++)
		if (*a != *b && !(*a == '_' && *b == '-'))
			return false;
	return *a == *b;
}

const struct rollout_rule *rollout_rule_find(const char *name)
{
	for (size_t i = 0; i < ROLLOUT_RULE_COUNT; i++)
		if (name_same(rollout_rule_rows[i].name, name))
			return &rollout_rule_rows[i];
	return NULL;
}

/* ---- waves ---- */

#define WAVE_MAX 1000000

/* One size: "5", "10%". Returns what is after it, NULL if it is none. */
static const char *wave_parse(struct wave *w, const char *text)
{
	int64_t size = 0;

	if (*text < '0' || *text > '9')
		return NULL;
	for (; *text >= '0' && *text <= '9'; text++) {
		size = size * 10 + (*text - '0');
		if (size > WAVE_MAX)
			return NULL;
	}
	w->size = size;
	w->percent = *text == '%';
	if (w->percent)
		text++;
	return size < 1 || (w->percent && size > 100) || (*text && *text != ',') ? NULL : text;
}

static bool wave_is_all(const struct wave *w)
{
	return w->percent && w->size == 100;
}

/* Of the same kind they rise. */
static bool wave_rises(const struct wave *waves, unsigned count)
{
	const struct wave *w = &waves[count - 1];

	for (unsigned i = 0; i + 1 < count; i++)
		if (wave_is_all(&waves[i]) ||
		    (waves[i].percent == w->percent && waves[i].size >= w->size))
			return false;
	return true;
}

int rollout_waves_parse(struct rollout *r, const char *text, const char **ret_why)
{
	struct wave waves[LIMIT_ROLLOUT_WAVES] = {0};
	unsigned count = 0;
	bool gate = false;

	*ret_why = "a wave is a number of devices (20), a share (10%) or, before one, \"gate\"";
	for (;;) {
		if (!gate && strncmp(text, "gate,", 5) == 0) {
			gate = true;
			text += 5;
			continue;
		}
		if (count == LIMIT_ROLLOUT_WAVES) {
			*ret_why = "there are at most 16 waves";
			return ERR_LIMIT;
		}
		text = wave_parse(&waves[count], text);
		if (!text)
			return ERR_SYNTAX;
		waves[count++].gate = gate;
		gate = false;
		if (!wave_rises(waves, count)) {
			*ret_why = "each wave must be larger than the one before: sizes are of all "
				   "that is reached with it";
			return ERR_RANGE;
		}
		if (!*text)
			break;
		text++;
	}
	if (!wave_is_all(&waves[count - 1])) {
		*ret_why = "the last wave must be 100%";
		return ERR_RANGE;
	}
	memcpy(r->waves, waves, sizeof(waves));
	r->wave_count = count;
	return 0;
}

const char *rollout_waves_text(const struct rollout *r, char *dst)
{
	struct buf b = buf_writer(dst, LIMIT_WAVES_TEXT + 1);

	for (unsigned i = 0; i < r->wave_count; i++) {
		const struct wave *w = &r->waves[i];
		if (i)
			buf_put_str(&b, ",");
		if (w->gate)
			buf_put_str(&b, "gate,");
		buf_put_dec(&b, (uint64_t)w->size);
		if (w->percent)
			buf_put_str(&b, "%");
	}
	return buf_cstr(&b);
}
