/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers of object 5 in words, and as statuses of the attempt.
 */
#include <stdio.h>
#include <string.h>

#include "proto/lwm2m_agent.h"

struct result_row {
	int64_t number;
	enum reason reason;
	const char *words;
};

static const struct result_row *result_row(int64_t result)
{
	static const struct result_row rows[] = {
#define RESULT_ROW(number, reason, words) {number, reason, words},
		LWM2M_RESULT_LIST(RESULT_ROW)
#undef RESULT_ROW
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].number == result)
			return &rows[i];
	return NULL;
}

void lwm2m_result_text(int64_t result, char dst[LIMIT_DETAIL + 1])
{
	const struct result_row *row = result_row(result);

	(void)snprintf(dst, LIMIT_DETAIL + 1, "LwM2M result %lld: %s", (long long)result,
		       row ? row->words : "a number without a meaning");
}

enum reason lwm2m_result_reason(int64_t result)
{
	const struct result_row *row = result_row(result);

	return row ? row->reason : REASON_OTHER;
}

const char *lwm2m_state_word(int64_t state)
{
	static const char *const words[] = {"idle", "downloading", "downloaded", "updating"};

	return state >= 0 && state <= 3 ? words[state] : "unknown";
}

void lwm2m_state_text(int64_t state, char dst[LIMIT_DETAIL + 1])
{
	(void)snprintf(dst, LIMIT_DETAIL + 1, "LwM2M State %lld (%s)", (long long)state,
		       lwm2m_state_word(state));
}

bool lwm2m_hangs(const struct lwm2m_talk *t)
{
	return t->fw.step == FW_EXECUTED && t->fw.execute_ms && t->told.state == 3;
}

void lwm2m_say(struct lwm2m_step_ctx *c, enum status_state state, enum reason reason, int32_t code,
	       const char *detail)
{
	struct status *s = &c->out->status;

	status_init(s);
	s->attempt = c->t->fw.attempt;
	s->state = state;
	lwm2m_boot_id(c->t, &s->boot);
	s->reason = reason;
	s->code = code;
	if (detail)
		(void)buf_copy_str(s->detail, sizeof(s->detail), detail);
	c->t->telling = state;
	c->out->has_status = true;
}

void lwm2m_say_result(struct lwm2m_step_ctx *c, int64_t result)
{
	enum reason reason = lwm2m_result_reason(result);
	char detail[LIMIT_DETAIL + 1];

	lwm2m_result_text(result, detail);
	lwm2m_say(c, reason_is_soft(reason) ? STATUS_DEFERRED : STATUS_FAILED,
		  reason == REASON_NONE ? REASON_OTHER : reason, (int32_t)result, detail);
}
