/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/view.h"

#include "ctl/ctl.h"

void view_protocol(const struct output *o, const json_t *product)
{
	const char *protocol = get_str(product, "protocol"), *name;
	json_t *value;

	if (protocol[0] != '\0') {
		view_label(o, "protocol");
		out_text(o, protocol);
		out_nl(o);
	}
	json_object_foreach(json_object_get(product, "protocol_options"), name, value)
	{
		view_label(o, "option");
		out_printf(o, "%s=%s", name, json_is_string(value) ? json_string_value(value) : "");
		out_nl(o);
	}
}

void view_facts(const struct output *o, const json_t *device)
{
	const char *name;
	json_t *value;

	if (get_str(device, "protocol")[0] == '\0')
		return;
	view_label(o, "speaks");
	out_text(o, get_str(device, "protocol"));
	out_nl(o);
	json_object_foreach(json_object_get(device, "protocol_facts"), name, value)
	{
		view_label(o, name);
		out_wrap(o, VIEW_INDENT, json_is_string(value) ? json_string_value(value) : "");
	}
}
