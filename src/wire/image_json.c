/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/image_json.h"

static json_t *text_or_null(const char *text)
{
	return text[0] ? json_string(text) : json_null();
}

json_t *image_json(const struct image_facts *facts, const struct digest *digests, unsigned count)
{
	json_t *signatures = json_array(), *list = json_array(), *o;
	char text[160];

	for (unsigned i = 0; image_signature_name(i); i++)
		if (facts->signatures & 1U << i)
			(void)json_array_append_new(signatures,
						    json_string(image_signature_name(i)));
	for (unsigned i = 0; i < count; i++)
		(void)json_array_append_new(list, json_string(digest_text(&digests[i], text)));
	/* json_pack takes an o that is NULL for want of memory, and fails */
	o = json_pack(
		"{s:s,s:o,s:o,s:o,s:o,s:I,s:b,s:o,s:o}", "format", image_format_name(facts->format),
		"version", text_or_null(facts->version), "security_counter",
		facts->security_counter < 0 ? json_null() : json_integer(facts->security_counter),
		"hardware", text_or_null(facts->hardware), "project", text_or_null(facts->project),
		"slot_size", (json_int_t)facts->slot_bytes, "encrypted", facts->encrypted,
		"signatures", signatures, "detail", text_or_null(facts->detail));
	if (!o || !digests)
		json_decref(list);
	else
		(void)json_object_set_new(o, "digests", list);
	return o;
}
