/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/view.h"

#include "ctl/ctl.h"

enum { FACT_WIDTH = 20 };

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

	if (json_object_size(json_object_get(device, "protocol_facts")) == 0)
		return;
	out_heading(o, "As it told when it was asked");
	json_object_foreach(json_object_get(device, "protocol_facts"), name, value)
	{
		out_text(o, "  ");
		out_cell(o, STYLE_DIM, name, FACT_WIDTH);
		out_wrap(o, FACT_WIDTH + 2, json_is_string(value) ? json_string_value(value) : "");
	}
}

void view_speaks(const struct output *o, const json_t *device)
{
	if (get_str(device, "protocol")[0] == '\0')
		return;
	view_label(o, "speaks");
	out_text(o, get_str(device, "protocol"));
	out_nl(o);
}
