/* SPDX-License-Identifier: Apache-2.0
 *
 * A device that waits for its turn to download, in plain words.
 */
#include <stdio.h>

#include "daemon/view.h"

void view_say_admission(struct buf *b, const struct engine_device *now, int64_t now_ms)
{
	const struct engine_admission *a = &now->admission;
	char text[32], when[32];

	view_say(b, "%llu download%s at a time", (unsigned long long)a->limit,
		 a->limit == 1 ? "" : "s");
	if (a->own)
		view_say(b, " of devices of group %s", now->group.name);
	if (!a->since_ms)
		view_say(b, "; it has not asked for its turn yet, and about %u wait already",
			 a->ahead);
	else if (a->ahead)
		view_say(b, "; it has waited for %s, and about %u wait before it",
			 view_span(now_ms - a->since_ms, text), a->ahead);
	else
		view_say(b, "; it has waited for %s, and is the next one",
			 view_span(now_ms - a->since_ms, text));
	if (a->expect_ms >= 0)
		view_say(b, ": some %s more, as downloads go now", view_span(a->expect_ms, text));
	if (a->again_ms > now_ms)
		view_say(b, "; it was told to ask again at %s", view_when(a->again_ms, when));
	else if (a->again_ms)
		view_say(b, "; it was to ask again %s ago", view_span(now_ms - a->again_ms, text));
	view_say(b, "; its place is kept, and nothing is counted against it");
}
