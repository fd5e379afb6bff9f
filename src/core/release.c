/* SPDX-License-Identifier: Apache-2.0 */
#include "core/release.h"

#include <string.h>

const struct policy_row policy_rows[POLICY_COUNT] = {
#define POLICY_ROW(field, min, max, def, help)                                                     \
	{#field, offsetof(struct policy, field), (min), (max), (def), (help)},
	POLICY_LIST(POLICY_ROW)
#undef POLICY_ROW
};

void policy_init(struct policy *p)
{
#define POLICY_DEFAULT(field, min, max, def, help) p->field = (def);
	POLICY_LIST(POLICY_DEFAULT)
#undef POLICY_DEFAULT
}

int64_t policy_get(const struct policy *p, const struct policy_row *row)
{
	int64_t value;

	memcpy(&value, (const char *)p + row->offset, sizeof(value));
	return value;
}

int policy_set(struct policy *p, const struct policy_row *row, int64_t value)
{
	if (value < row->min || value > row->max)
		return ERR_RANGE;
	if (row->offset == offsetof(struct policy, block_bytes) && (value & (value - 1)) != 0)
		return ERR_RANGE;
	memcpy((char *)p + row->offset, &value, sizeof(value));
	return 0;
}

const char *release_state_name(enum release_state state)
{
#define RELEASE_STATE_WORD(name, word) word,
	static const char *const words[] = {RELEASE_STATE_LIST(RELEASE_STATE_WORD)};
#undef RELEASE_STATE_WORD

	return (size_t)state < sizeof(words) / sizeof(words[0]) ? words[state] : "unknown";
}

bool release_state_follows(enum release_state from, enum release_state to)
{
	switch (to) {
	case RELEASE_ACTIVE:
		return from == RELEASE_DRAFT || from == RELEASE_QUARANTINED;
	case RELEASE_QUARANTINED:
		return from == RELEASE_ACTIVE;
	case RELEASE_WITHDRAWN:
		return from != RELEASE_WITHDRAWN;
	case RELEASE_DRAFT:
		break;
	}
	return false;
}

static bool name_same(const char *a, const char *b)
{
	for (; *a && *b; a++, b++)
		if (*a != *b && !(*a == '_' && *b == '-'))
			return false;
	return *a == *b;
}

const struct policy_row *policy_find(const char *name)
{
	for (size_t i = 0; i < POLICY_COUNT; i++)
		if (name_same(policy_rows[i].name, name))
			return &policy_rows[i];
	return NULL;
}

static bool word_valid(const char *word, size_t max)
{
	size_t len = strnlen(word, max + 1);

	if (len == 0 || len > max)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = word[i];
		if (c <= ' ' || c > '~' || c == '"' || c == '\'' || c == '/' || c == '\\')
			return false;
	}
	return true;
}

bool name_valid(const char *name, size_t max)
{
	return word_valid(name, max) && name[0] != '-' && name[0] != '.';
}

bool version_valid(const char *version)
{
	return word_valid(version, LIMIT_VERSION);
}

const struct digest *release_digest(const struct release *r, unsigned kind)
{
	for (unsigned i = 0; i < r->running_count; i++)
		if (r->running[i].kind == kind)
			return &r->running[i];
	return NULL;
}

int release_add_digest(struct release *r, const struct digest *d)
{
	const struct digest *old = release_digest(r, d->kind);

	if (old)
		return digest_equal(old, d) ? 0 : ERR_EXIST;
	if (r->running_count == LIMIT_DIGEST_KINDS)
		return ERR_LIMIT;
	r->running[r->running_count++] = *d;
	return 0;
}

int64_t release_slot_bytes(const struct release *r)
{
	return r->image.slot_bytes > 0 ? r->image.slot_bytes : r->size_bytes;
}
