/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/lwm2m_senml.h"

#include <math.h>
#include <string.h>

enum { NAME_MAX_BYTES = 64 };

static const struct {
	const char *word;
	enum senml_label label;
} labels[] = {
	{"bver", SENML_BVER}, {"bn", SENML_BN}, {"bt", SENML_BT},   {"bv", SENML_BV},
	{"n", SENML_N},	      {"v", SENML_V},	{"vs", SENML_VS},   {"vb", SENML_VB},
	{"t", SENML_T},	      {"vd", SENML_VD}, {"vlo", SENML_VLO},
};

enum { LABELS = sizeof(labels) / sizeof(labels[0]) };

static int fault(struct senml_pack *pack, int err, const char *label, const char *what)
{
	return wire_fault_set(pack->sink->fault, err, "record %u: %s%s%s", pack->records, label,
			      label[0] ? ": " : "", what);
}

int senml_label_from_text(struct senml_pack *pack, struct bytes text, enum senml_label *ret)
{
	*ret = SENML_OTHER;
	for (size_t i = 0; i < LABELS; i++)
		if (bytes_equal(text, (struct bytes){(const uint8_t *)labels[i].word,
						     strlen(labels[i].word)}))
			*ret = labels[i].label;
	if (*ret == SENML_OTHER && text.len && text.ptr[text.len - 1] == '_')
		return fault(pack, ERR_CRITICAL, "", "a label that must be understood is not");
	return 0;
}

enum senml_label senml_label_from_number(int64_t number)
{
	for (size_t i = 0; i < LABELS; i++)
		if (labels[i].label == number && labels[i].label != SENML_VLO)
			return labels[i].label;
	return SENML_OTHER;
}

void senml_record_begin(struct senml_pack *pack)
{
	pack->records++;
	pack->seen = 0;
	pack->name = (struct bytes){NULL, 0};
	pack->time = 0;
	pack->has_value = false;
	pack->value = (struct lwm2m_value){.type = LWM2M_RAW};
}

static double real_of(const struct senml_datum *d)
{
	return d->kind == DATUM_REAL ? d->real : (double)d->number;
}

/* RFC 8428 4.4, and RFC 9100: 10, and a bit for each feature; secondary units change nothing. */
static int version_take(struct senml_pack *pack, const struct senml_datum *d)
{
	enum { PRESENT = 10, SECONDARY_UNITS = 16 };

	if (real_of(d) <= PRESENT || real_of(d) == (PRESENT | SECONDARY_UNITS))
		return 0;
	return fault(pack, ERR_VERSION, "bver", "later than version 10");
}

static int time_take(struct senml_pack *pack, const char *word, const struct senml_datum *d,
		     double *ret)
{
	if (!isfinite(real_of(d)))
		return fault(pack, ERR_RANGE, word, "not a time");
	*ret = real_of(d);
	return 0;
}

/* "66:0" */
static bool link_ok(struct bytes text)
{
	struct lwm2m_path path;
	uint8_t slashed[12];

	if (text.len > sizeof(slashed))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '/')
			return false;
		slashed[i] = text.ptr[i] == ':' ? '/' : text.ptr[i];
	}
	return !lwm2m_path_parse((struct bytes){slashed, text.len}, &path) && path.count == 2 &&
	       slashed[0] != '/';
}

static int base64_digit(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '-' || c == '+')
		return 62;
	return c == '_' || c == '/' ? 63 : -1;
}

/* RFC 8428 4.3: the alphabet for names, without padding; either alphabet and padding are taken. */
static int base64_take(struct senml_pack *pack, struct bytes text, struct bytes *ret)
{
	uint8_t *dst = pack->sink->scratch + pack->sink->used;
	uint32_t bits = 0;
	unsigned held = 0;
	size_t len = text.len, used = pack->sink->used;

	while (len && text.ptr[len - 1] == '=' && text.len - len < 2)
		len--;
	for (size_t i = 0; i < len; i++) {
		int digit = base64_digit(text.ptr[i]);
		if (digit < 0)
			return fault(pack, ERR_SYNTAX, "vd", "not in base64url");
		bits = bits << 6 | (uint32_t)digit;
		held += 6;
		if (held < 8)
			continue;
		held -= 8;
		uint8_t byte = (uint8_t)(bits >> held);
		if (lwm2m_sink_keep(pack->sink, (struct bytes){&byte, 1}))
			return pack->sink->fault->err;
	}
	if (held >= 6 || (bits & ((UINT32_C(1) << held) - 1)) ||
	    (len < text.len && text.len % 4 != 0))
		return fault(pack, ERR_SYNTAX, "vd", "not in base64url");
	*ret = (struct bytes){dst, pack->sink->used - used};
	return 0;
}

static int value_take(struct senml_pack *pack, enum senml_label label, const struct senml_datum *d)
{
	struct lwm2m_value *v = &pack->value;

	if (pack->has_value)
		return fault(pack, ERR_SYNTAX, "", "more than one value");
	pack->has_value = true;
	v->number = d->number;
	v->real = d->real;
	v->bytes = d->bytes;
	if (label == SENML_V)
		v->type = d->kind == DATUM_REAL ? LWM2M_FLOAT : LWM2M_INT;
	else if (label == SENML_VB)
		v->type = LWM2M_BOOL;
	else if (label == SENML_VD)
		v->type = LWM2M_BYTES;
	else
		v->type = LWM2M_STRING;
	if (label == SENML_VLO && !link_ok(d->bytes))
		return fault(pack, ERR_SYNTAX, "vlo", "not OBJECT:INSTANCE");
	if (label == SENML_VD && pack->json)
		return base64_take(pack, d->bytes, &v->bytes);
	return 0;
}

/* What each label may hold. */
static const char *type_wanted(const struct senml_pack *pack, enum senml_label label,
			       const struct senml_datum *d)
{
	switch (label) {
	case SENML_BVER:
	case SENML_BT:
	case SENML_BV:
	case SENML_V:
	case SENML_T:
		return d->kind == DATUM_INT || d->kind == DATUM_REAL ? NULL : "not a number";
	case SENML_BN:
	case SENML_N:
	case SENML_VS:
	case SENML_VLO:
		return d->kind == DATUM_TEXT ? NULL : "not text";
	case SENML_VB:
		return d->kind == DATUM_BOOL ? NULL : "not a boolean";
	case SENML_VD:
		if (pack->json)
			return d->kind == DATUM_TEXT ? NULL : "not text";
		return d->kind == DATUM_BYTES ? NULL : "not bytes";
	case SENML_OTHER:
		break;
	}
	return NULL;
}

int senml_field(struct senml_pack *pack, enum senml_label label, const struct senml_datum *d)
{
	const char *word = "";
	size_t row = 0;

	if (label == SENML_OTHER)
		return 0;
	while (row < LABELS && labels[row].label != label)
		row++;
	word = labels[row].word;
	if (pack->seen & UINT32_C(1) << row)
		return fault(pack, ERR_EXIST, word, "comes twice");
	pack->seen |= UINT32_C(1) << row;
	const char *wrong = type_wanted(pack, label, d);
	if (wrong)
		return fault(pack, ERR_INVAL, word, wrong);
	switch (label) {
	case SENML_BVER:
		return version_take(pack, d);
	case SENML_BN:
		pack->base_name = d->bytes;
		return 0;
	case SENML_BT:
		return time_take(pack, word, d, &pack->base_time);
	case SENML_BV:
		pack->base_value = *d;
		return 0;
	case SENML_N:
		pack->name = d->bytes;
		return 0;
	case SENML_T:
		return time_take(pack, word, d, &pack->time);
	case SENML_V:
	case SENML_VS:
	case SENML_VB:
	case SENML_VD:
	case SENML_VLO:
	case SENML_OTHER:
		break;
	}
	return value_take(pack, label, d);
}

/* The two parts of the name behind each other; relative to what was asked for if they begin
 * without a slash (LwM2M JSON of 1.0). */
static int path_take(struct senml_pack *pack, struct lwm2m_path *ret)
{
	const struct lwm2m_path *base = pack->sink->base;
	char under[LWM2M_PATH_TEXT], name[NAME_MAX_BYTES + LWM2M_PATH_TEXT + 1];
	struct buf b = buf_writer(name, sizeof(name));
	size_t len = pack->base_name.len + pack->name.len;

	if (len > NAME_MAX_BYTES)
		return fault(pack, ERR_RANGE, "", "a name longer than 64 bytes");
	const struct bytes *first = pack->base_name.len ? &pack->base_name : &pack->name;
	if (base->count && (len == 0 || first->ptr[0] != '/')) {
		buf_put_str(&b, lwm2m_path_text(base, under));
		if (len)
			buf_put_str(&b, "/");
	}
	buf_put_bytes(&b, pack->base_name.ptr, pack->base_name.len);
	buf_put_bytes(&b, pack->name.ptr, pack->name.len);
	struct bytes all = buf_bytes(&b);
	if (all.len > 1 && all.ptr[all.len - 1] == '/')
		all.len--;
	if (lwm2m_path_parse(all, ret))
		return fault(pack, ERR_SYNTAX, "", "a name that is not /OBJECT/INSTANCE/RESOURCE");
	return 0;
}

/* RFC 8428 4.5.1: a base value is added to numbers. */
static int base_value_add(struct senml_pack *pack)
{
	const struct senml_datum *base = &pack->base_value;
	struct lwm2m_value *v = &pack->value;

	if (v->type == LWM2M_INT && base->kind == DATUM_INT) {
		if (__builtin_add_overflow(v->number, base->number, &v->number))
			return fault(pack, ERR_RANGE, "v", "a number beyond 64 bits");
	} else if (v->type == LWM2M_INT) {
		v->type = LWM2M_FLOAT;
		v->real = (double)v->number + base->real;
	} else if (v->type == LWM2M_FLOAT) {
		v->real += real_of(base);
	}
	return 0;
}

int senml_record_end(struct senml_pack *pack)
{
	struct lwm2m_value *v = &pack->value;
	int err;

	/* Only base fields, or a name without a value (as a Read of several asks). */
	if (!pack->has_value)
		return 0;
	err = path_take(pack, &v->path);
	if (!err)
		err = base_value_add(pack);
	if (err)
		return err;
	v->time_s = pack->base_time + pack->time;
	return lwm2m_sink_put(pack->sink, v, true);
}
