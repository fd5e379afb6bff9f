/* SPDX-License-Identifier: Apache-2.0
 *
 * Maintenance windows and time zone of one device: the ctx of OPERATOR_SITE.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/engine_act.h"

struct site_change {
	bool has_windows, has_zone;
	char windows[LIMIT_WINDOWS_TEXT + 1];
	char time_zone[LIMIT_ZONE + 1];
	engine_done *done;
	void *ctx;
};

static void change_done(void *ctx, const struct engine_result *result)
{
	struct site_change *s = ctx;

	s->done(s->ctx, result);
	free(s);
}

void engine_site_aim(struct job *job)
{
	const struct site_change *s = job->in.op.ctx;
	struct device *d = &job->u.device;

	if (s->has_windows)
		memcpy(d->windows, s->windows, sizeof(d->windows));
	if (s->has_zone)
		memcpy(d->time_zone, s->time_zone, sizeof(d->time_zone));
}

void engine_device_site(struct engine *e, const struct actor *by, const char *id,
			const char *windows, const char *time_zone, engine_done *done, void *ctx)
{
	struct site_change *s = calloc(1, sizeof(*s));

	if (!s) {
		act_answer(done, ctx, ERR_NOMEM, "out of memory");
		return;
	}
	s->has_windows = windows != NULL;
	s->has_zone = time_zone != NULL;
	if (windows)
		(void)buf_copy_str(s->windows, sizeof(s->windows), windows);
	if (time_zone)
		(void)buf_copy_str(s->time_zone, sizeof(s->time_zone), time_zone);
	s->done = done;
	s->ctx = ctx;
	act_on_device(e, by, id, OPERATOR_SITE, 0, change_done, s);
}
