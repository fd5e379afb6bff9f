/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/admin_windows.h"

#include <string.h>

#include "base/buf.h"
#include "daemon/admin.h"
#include "daemon/admin_args.h"

static bool windows_arg(struct request *rq, char dst[LIMIT_WINDOWS_TEXT + 1])
{
	struct schedule s;
	char fault[64] = "";
	const char *text;

	if (!body_text(rq, "windows", false, &text))
		return false;
	if (!text)
		return true;
	int err = strlen(text) > LIMIT_WINDOWS_TEXT ? ERR_LIMIT : schedule_parse(text, &s, fault);
	if (err == ERR_LIMIT)
		reply_problem(rq, 400, "limit", "windows: more than %d windows or %d characters",
			      LIMIT_WINDOWS, LIMIT_WINDOWS_TEXT);
	else if (err)
		reply_problem(
			rq, 400, "invalid",
			"windows: \"%s\" is not a window like \"Mon-Fri 01:00-05:00\"; several "
			"are joined by \"; \"",
			fault);
	else
		(void)buf_copy_str(dst, LIMIT_WINDOWS_TEXT + 1, text);
	return !err;
}

static bool zone_arg(struct request *rq, char dst[LIMIT_ZONE + 1])
{
	const char *text;

	if (!body_text(rq, "time_zone", false, &text))
		return false;
	if (!text)
		return true;
	if (strlen(text) > LIMIT_ZONE || !engine_knows_zone(rq->admin->conf.engine, text)) {
		reply_problem(rq, 400, "invalid",
			      "time_zone: \"%.80s\" is neither a time zone of this system like "
			      "Europe/Berlin nor a POSIX TZ rule like CET-1CEST,M3.5.0,M10.5.0/3",
			      text);
		return false;
	}
	(void)buf_copy_str(dst, LIMIT_ZONE + 1, text);
	return true;
}

bool body_windows(struct request *rq, char windows[LIMIT_WINDOWS_TEXT + 1],
		  char time_zone[LIMIT_ZONE + 1])
{
	return windows_arg(rq, windows) && zone_arg(rq, time_zone);
}
