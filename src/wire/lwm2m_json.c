/* SPDX-License-Identifier: Apache-2.0
 *
 * SenML in JSON (RFC 8428 5) and LwM2M JSON of 1.0, in a file of their own as they need jansson.
 * Texts go to the scratch: jansson's tree is freed before this returns.
 */
#include <string.h>

#include "wire/json_tree.h"
#include "wire/lwm2m_senml.h"

enum { OLD_JSON = 1543 }; /* the number of LwM2M JSON before 1.0 */

/* What 1.0 calls otherwise: its "bv" is a boolean. */
static int label_get(struct senml_pack *pack, bool old, const char *name, enum senml_label *ret)
{
	static const struct {
		const char *word;
		enum senml_label label;
	} words[] = {{"bn", SENML_BN}, {"bt", SENML_BT}, {"n", SENML_N},   {"t", SENML_T},
		     {"v", SENML_V},   {"sv", SENML_VS}, {"bv", SENML_VB}, {"ov", SENML_VLO}};

	if (!old)
		return senml_label_from_text(
			pack, (struct bytes){(const uint8_t *)name, strlen(name)}, ret);
	*ret = SENML_OTHER;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i].word, name) == 0)
			*ret = words[i].label;
	return 0;
}

static int datum_get(struct senml_pack *pack, const json_t *value, bool keep,
		     struct senml_datum *ret)
{
	struct lwm2m_sink *sink = pack->sink;
	const uint8_t *at = sink->scratch + sink->used;

	*ret = (struct senml_datum){.kind = DATUM_OTHER};
	switch (json_typeof(value)) {
	case JSON_INTEGER:
		ret->kind = DATUM_INT;
		ret->number = json_integer_value(value);
		break;
	case JSON_REAL:
		ret->kind = DATUM_REAL;
		ret->real = json_real_value(value);
		break;
	case JSON_STRING:
		ret->kind = DATUM_TEXT;
		ret->bytes = (struct bytes){(const uint8_t *)json_string_value(value),
					    json_string_length(value)};
		if (!keep)
			break;
		if (lwm2m_sink_keep(sink, ret->bytes))
			return sink->fault->err;
		ret->bytes.ptr = at;
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		ret->kind = DATUM_BOOL;
		ret->number = json_is_true(value);
		break;
	case JSON_OBJECT:
	case JSON_ARRAY:
	case JSON_NULL:
		break;
	}
	return 0;
}

static int members_take(struct senml_pack *pack, json_t *record, bool old)
{
	const char *name;
	json_t *value;
	int err = 0;

	json_object_foreach(record, name, value)
	{
		enum senml_label label = SENML_OTHER;
		struct senml_datum datum;
		err = label_get(pack, old, name, &label);
		/* Names are read while the tree is there; bytes are put into the scratch decoded.
		 */
		if (!err)
			err = datum_get(pack, value, label == SENML_VS || label == SENML_VLO,
					&datum);
		if (!err)
			err = senml_field(pack, label, &datum);
		if (err)
			break;
	}
	return err;
}

static int records_take(struct senml_pack *pack, const json_t *array, bool old)
{
	int err = 0;

	for (size_t i = 0; !err && i < json_array_size(array); i++) {
		json_t *record = json_array_get(array, i);
		senml_record_begin(pack);
		if (!json_is_object(record))
			err = wire_fault_set(pack->sink->fault, ERR_SYNTAX,
					     "record %zu: not an object", i + 1);
		if (!err)
			err = members_take(pack, record, old);
		if (!err)
			err = senml_record_end(pack);
	}
	return err;
}

/* {"bn": ..., "e": [...]}: its own base fields first, wherever they stand. */
static int old_take(struct senml_pack *pack, json_t *root)
{
	json_t *entries = json_object_get(root, "e");
	int err;

	if (!json_is_object(root) || !json_is_array(entries))
		return wire_fault_set(pack->sink->fault, ERR_SYNTAX,
				      "byte 0: not an object with an array \"e\"");
	pack->seen = 0;
	err = members_take(pack, root, true);
	if (!err && pack->has_value)
		err = wire_fault_set(pack->sink->fault, ERR_SYNTAX, "a value outside of \"e\"");
	return err ? err : records_take(pack, entries, true);
}

static int decode(int format, struct bytes payload, struct lwm2m_sink *sink)
{
	struct senml_pack pack = {.sink = sink, .json = true};
	json_t *root = wire_json_load(payload, LIMIT_LWM2M_PAYLOAD, sink->fault);
	int err;

	if (!root)
		return sink->fault->err;
	if (format != LWM2M_SENML_JSON)
		err = old_take(&pack, root);
	else if (json_is_array(root))
		err = records_take(&pack, root, false);
	else
		err = wire_fault_set(sink->fault, ERR_SYNTAX, "byte 0: not an array of records");
	json_decref(root);
	return err;
}

int lwm2m_decode(int format, struct bytes payload, const struct lwm2m_path *base,
		 struct lwm2m_value *ret, size_t cap, size_t *ret_count,
		 uint8_t scratch[LWM2M_SCRATCH], struct wire_fault *ret_fault)
{
	if (format != LWM2M_SENML_JSON && format != LWM2M_JSON && format != OLD_JSON)
		return lwm2m_decode_binary(format, payload, base, ret, cap, ret_count, scratch,
					   ret_fault);
	struct lwm2m_sink sink = lwm2m_sink_begin(base, ret, cap, scratch, ret_fault);
	int err = decode(format, payload, &sink);

	if (!err)
		*ret_count = sink.count;
	return err;
}
