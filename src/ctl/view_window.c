/* SPDX-License-Identifier: Apache-2.0
 *
 * Maintenance windows that hold for a device.
 */
#include "ctl/view.h"

#include <string.h>

#include "ctl/ctl.h"

static const char *whose(const char *from)
{
	return strcmp(from, "device") == 0 ? "its own" : from;
}

static void windows(const struct output *o, const json_t *m)
{
	const char *opens = get_str(m, "opens"), *zone = get_str(m, "time_zone");

	if (get_str(m, "windows")[0] != '\0')
		out_printf(o, "%s (%s)", get_str(m, "windows"), whose(get_str(m, "windows_from")));
	else
		out_text(o, "none: always open");
	out_printf(o, ", by the clock of %s", zone[0] != '\0' ? zone : "UTC");
	if (zone[0] != '\0')
		out_printf(o, " (%s)", whose(get_str(m, "time_zone_from")));
	if (opens[0] != '\0')
		out_printf(o, "; closed, opens at %.10s %.5s there (UTC%s)", opens, opens + 11,
			   opens + 19);
	else if (get_str(m, "windows")[0] != '\0')
		out_text(o, "; open now");
}

void view_windows(const struct output *o, const json_t *d)
{
	const json_t *m = json_object_get(d, "maintenance");

	if (m == NULL)
		return;
	view_label(o, "windows");
	windows(o, m);
	out_nl(o);
}

void view_explain_windows(const struct output *o, const json_t *e)
{
	const json_t *m = json_object_get(json_object_get(e, "status"), "maintenance");
	size_t i;
	json_t *b;

	if (get_str(m, "windows")[0] == '\0')
		return;
	json_array_foreach(json_object_get(e, "blocked_by"), i, b)
	{
		if (strcmp(get_str(b, "name"), "outside-window") == 0)
			return; /* its facts say it */
	}
	out_hang(o, 2);
	out_text(o, "Maintenance windows: ");
	windows(o, m);
	out_nl(o);
}
