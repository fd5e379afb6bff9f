/* SPDX-License-Identifier: Apache-2.0
 *
 * What operators do with groups, and with the place where a device stands.
 */
#include <stdlib.h>
#include <string.h>

#include "scenario.h"

/* A scenario's words have no spaces: "Tue_23:00-24:00". */
void take_windows(const char *value, char windows[LIMIT_WINDOWS_TEXT + 1])
{
	(void)buf_copy_str(windows, LIMIT_WINDOWS_TEXT + 1, value);
	for (char *c = windows; *c; c++)
		if (*c == '_')
			*c = ' ';
}

/* GROUP product name [version] | GROUP-SET product name key=value... */
static void do_group(struct scenario *s, bool add)
{
	const struct group_name which = {word(1), word(2)};
	const struct engine_group *old = engine_group_named(s->engine, word(1), word(2));

	if (add) {
		engine_group_add(s->engine, somebody(s), &which, word(3), act_done, s);
		return;
	}
	struct device_group to = old ? old->group : (struct device_group){0};
	if (value_of("windows"))
		take_windows(value_of("windows"), to.windows);
	if (value_of("time_zone"))
		(void)buf_copy_str(to.time_zone, sizeof(to.time_zone), value_of("time_zone"));
	to.max_downloads = number_of("max_downloads", to.max_downloads);
	to.image_rate = number_of("image_rate", to.image_rate);
	engine_group_set(s->engine, somebody(s), &which, &to, act_done, s);
}

/* PLACE device [windows=W] [time_zone=Z] */
static void do_place(struct scenario *s)
{
	char windows[LIMIT_WINDOWS_TEXT + 1];

	if (value_of("windows"))
		take_windows(value_of("windows"), windows);
	engine_device_site(s->engine, somebody(s), word(1), value_of("windows") ? windows : NULL,
			   value_of("time_zone"), act_done, s);
}

bool run_group(struct scenario *s, const char *verb)
{
	if (strcmp(verb, "GROUP") == 0 || strcmp(verb, "GROUP-SET") == 0)
		do_group(s, strcmp(verb, "GROUP") == 0);
	else if (strcmp(verb, "GROUP-REMOVE") == 0)
		engine_group_remove(s->engine, somebody(s), &(struct group_name){word(1), word(2)},
				    act_done, s);
	else if (strcmp(verb, "JOIN") == 0)
		engine_device_group(s->engine, somebody(s), word(1),
				    strcmp(word(2), "none") ? word(2) : "", act_done, s);
	else if (strcmp(verb, "PLACE") == 0)
		do_place(s);
	else
		return false;
	return true;
}
