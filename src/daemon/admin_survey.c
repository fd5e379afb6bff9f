/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/admin_survey.h"

#include <stdlib.h>

#include "daemon/admin_routes.h"
#include "daemon/turns.h"

struct survey *survey_new(struct request *rq, size_t size, void (*step)(struct survey *s))
{
	struct survey *s = calloc(1, size);

	if (!s) {
		reply_error(rq, ERR_NOMEM, "out of memory");
		return NULL;
	}
	list_init(&s->link);
	s->rq = rq;
	s->step = step;
	rq->survey = s;
	return s;
}

static void survey_go_on(struct admin *a)
{
	struct survey *s = LIST_ENTRY(a->surveying.next, struct survey, link);
	struct request *rq = s->rq;

	list_remove(&s->link);
	s->step(s);
	if (rq->response)
		request_resume(rq);
	else
		list_append(&a->surveying, &s->link);
}

static void survey_step(uv_idle_t *idle)
{
	struct admin *a = idle->data;

	if (list_empty(&a->surveying)) {
		(void)uv_idle_stop(idle);
		return;
	}
	struct turn_mark began = turn_part_begin(a->conf.turns);
	survey_go_on(a);
	turn_part_end(a->conf.turns, TURN_LISTS, began);
}

void survey_begin(struct survey *s)
{
	list_append(&s->rq->admin->surveying, &s->link);
	(void)uv_idle_start(&s->rq->admin->survey, survey_step);
}

void survey_free(struct survey *s)
{
	if (s)
		list_remove(&s->link);
	free(s);
}
