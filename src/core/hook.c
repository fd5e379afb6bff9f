/* SPDX-License-Identifier: Apache-2.0 */
#include "core/hook.h"

#include <string.h>

#include "core/event.h"

enum { PAUSE_MS = 1000 };

/* ---- what is for it ---- */

#define TOPIC(name, topic, data) topic,
static const char *const topics_known[] = {EVENT_LIST(TOPIC)};
#undef TOPIC
enum { TOPICS = sizeof(topics_known) / sizeof(topics_known[0]) };

const char *hook_topic_bare(const char *topic)
{
	size_t len = strlen(topic);

	for (size_t i = 0; i < TOPICS; i++) {
		size_t n = strlen(topics_known[i]);
		if (len >= n && strcmp(topic + len - n, topics_known[i]) == 0 &&
		    (len == n || topic[len - n - 1] == '/'))
			return topic + len - n;
	}
	return topic;
}

static bool word_begins(const char *word, size_t len, const char *topic)
{
	return strncmp(word, topic, len) == 0 &&
	       (topic[len] == 0 || topic[len] == '/' || (len > 0 && word[len - 1] == '/'));
}

bool hook_topic_fits(const char *topics, const char *topic)
{
	const char *bare = hook_topic_bare(topic);

	if (!*topics)
		return true;
	for (const char *at = topics; *at;) {
		size_t len = strcspn(at, " ");
		if (len && word_begins(at, len, bare))
			return true;
		at += len + strspn(at + len, " ");
	}
	return false;
}

bool hook_product_fits(const char *products, const char *name)
{
	size_t n = strlen(name);

	if (!*products)
		return true;
	for (const char *at = products; *at;) {
		size_t len = strcspn(at, " ");
		if (len && len == n && memcmp(at, name, len) == 0)
			return true;
		at += len + strspn(at + len, " ");
	}
	return false;
}

bool hook_topic_is_known(const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; len && i < TOPICS; i++)
		if (word_begins(word, len, topics_known[i]))
			return true;
	return false;
}

/* ---- what an answer means ---- */

enum hook_outcome hook_outcome(long status, bool sent)
{
	switch (status) {
	case 0:
		/* A message that makes its receiver fall over must not stop all others for ever. */
		return sent ? HOOK_REFUSED : HOOK_LATER;
	case 410:
		return HOOK_ENDED;
	case 408: /* what these say of is the receiver, or what stands before it */
	case 429:
	case 502:
	case 503:
	case 504:
		return HOOK_LATER;
	default:
		return status >= 200 && status < 300 ? HOOK_TAKEN : HOOK_REFUSED;
	}
}

int64_t hook_pause_ms(uint32_t failures, int64_t max_ms, uint64_t chance)
{
	int64_t pause = PAUSE_MS;

	for (uint32_t i = 1; i < failures && pause < max_ms; i++)
		pause *= 2;
	if (pause > max_ms)
		pause = max_ms;
	return pause - (int64_t)(chance % (uint64_t)(pause / 2 + 1));
}

enum hook_next hook_answered(struct hook_place *place, const struct hook_rules *rules,
			     enum hook_outcome outcome, int64_t after_s, int64_t wall_ms,
			     uint64_t chance, enum hook_why *ret_why)
{
	if (outcome == HOOK_TAKEN) {
		place->tries = place->failures = 0;
		place->retry_ms = place->failing_ms = 0;
		place->taken_ms = wall_ms;
		place->error[0] = 0;
		return HOOK_GO_ON;
	}
	if (outcome == HOOK_ENDED) {
		*ret_why = HOOK_GONE;
		return HOOK_STOP;
	}
	if (!place->failing_ms || place->failing_ms > wall_ms)
		place->failing_ms = wall_ms;
	if (wall_ms - place->failing_ms >= rules->give_up_ms) {
		*ret_why = HOOK_FAILING;
		return HOOK_STOP;
	}
	if (place->failures < UINT32_MAX)
		place->failures++;
	int64_t pause = hook_pause_ms(place->failures, rules->retry_max_ms, chance);
	if (after_s > 0 && after_s * 1000 > pause)
		pause = after_s * 1000 < rules->retry_max_ms ? after_s * 1000 : rules->retry_max_ms;
	place->retry_ms = wall_ms + pause;
	if (outcome == HOOK_LATER || ++place->tries < rules->tries)
		return HOOK_WAIT;
	place->tries = 0;
	return HOOK_PUT_ASIDE;
}
