/* SPDX-License-Identifier: Apache-2.0
 *
 * Maintenance windows of a device: which hold, who set them, and when the next one opens.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "core/site.h"
#include "daemon/view.h"

struct site view_site(const struct engine_device *now)
{
	return site_of(&now->device, &now->product, now->has_group ? &now->group : NULL);
}

char *view_there(int64_t wall_ms, const struct zone *zone, char dst[VIEW_THERE])
{
	int offset_s = zone_offset_s(zone, wall_ms / 1000);
	int minutes = abs(offset_s) / 60;
	char text[25];

	(void)clock_format(wall_ms + (int64_t)offset_s * 1000, text);
	(void)snprintf(dst, VIEW_THERE, "%.19s%c%02d:%02d", text, offset_s < 0 ? '-' : '+',
		       minutes / 60, minutes % 60);
	return dst;
}

void view_put_maintenance(json_t **o, const struct engine_device *now)
{
	const struct site site = view_site(now);
	json_t *m;
	char when[VIEW_THERE];

	if (site.windows_from == SITE_NOWHERE && site.time_zone_from == SITE_NOWHERE)
		return;
	m = json_object();
	view_put_text(&m, "windows", site.windows);
	if (site.windows_from != SITE_NOWHERE)
		view_put(&m, "windows_from", json_string(site_from_name(site.windows_from)));
	view_put_text(&m, "time_zone", site.time_zone);
	if (site.time_zone_from != SITE_NOWHERE)
		view_put(&m, "time_zone_from", json_string(site_from_name(site.time_zone_from)));
	view_put(&m, "open", json_boolean(now->window.open));
	if (now->window.opens_ms)
		view_put(&m, "opens",
			 json_string(view_there(now->window.opens_ms, &now->window.zone, when)));
	view_put(o, "maintenance", m);
}

/* "group pilot" */
static void say_from(struct buf *b, enum site_from from, const struct engine_device *now)
{
	if (from == SITE_GROUP)
		view_say(b, "group %s", now->group.name);
	else if (from == SITE_PRODUCT)
		view_say(b, "product %s", now->product.name);
	else
		view_say(b, "the device");
}

void view_say_windows(struct buf *b, const struct engine_device *now)
{
	const struct site site = view_site(now);
	char when[32], there[VIEW_THERE];

	view_say(b, "it may be updated %s, by the clock of %s", site.windows,
		 site.time_zone[0] ? site.time_zone : "UTC");
	view_say(b, " (windows of ");
	say_from(b, site.windows_from, now);
	if (site.time_zone_from != SITE_NOWHERE) {
		view_say(b, ", clock of ");
		say_from(b, site.time_zone_from, now);
	}
	view_say(b, ")");
	if (!now->plan.clear_at_ms)
		return;
	view_say(b, "; that is next at %s", view_when(now->plan.clear_at_ms, when));
	if (zone_offset_s(&now->window.zone, now->plan.clear_at_ms / 1000))
		view_say(b, ", %.16s there",
			 view_there(now->plan.clear_at_ms, &now->window.zone, there));
}
