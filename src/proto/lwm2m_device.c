/* SPDX-License-Identifier: Apache-2.0
 *
 * Object 3: what a device says of itself, of its power and its memory, and what is wrong with it.
 */
#include <string.h>

#include "proto/lwm2m_agent.h"

enum { SOURCE_BATTERY = 1, SOURCE_EXTERNAL_BATTERY = 2, SOURCES_MAX = 8 };
enum { STATUS_LOW_BATTERY = 4, STATUS_NOT_INSTALLED = 5 };
#define VOLTAGE_MAX 1000000

void lwm2m_take_number(const struct lwm2m_value *v, int64_t min, int64_t max, int64_t *ret)
{
	int64_t n;

	*ret = lwm2m_value_int(v, &n) && n >= min && n <= max ? n : -1;
}

void lwm2m_forget_device(struct lwm2m_told *told)
{
	told->version[0] = 0;
	told->battery_percent = told->free_kb = told->total_kb = -1;
	told->battery_status = told->supply_mv = told->errors = told->battery_at = -1;
	told->clock_s = -1;
}

/* The label has to be told byte for byte, or not at all. */
static void take_version(const struct lwm2m_value *v, struct lwm2m_told *told)
{
	if (!lwm2m_value_text(v, told->version, sizeof(told->version)))
		told->version[0] = 0;
	if (told->version[0])
		told->fresh |= FRESH_VERSION;
}

void lwm2m_take_device(const struct lwm2m_value *v, struct lwm2m_told *told)
{
	switch (v->path.id[2]) {
	case 3:
		take_version(v, told);
		break;
	case 9:
		lwm2m_take_number(v, 0, 100, &told->battery_percent);
		break;
	case 10:
		lwm2m_take_number(v, 0, LWM2M_NUMBER_MAX, &told->free_kb);
		break;
	case 13:
		lwm2m_take_number(v, 0, LWM2M_NUMBER_MAX, &told->clock_s);
		told->fresh |= told->clock_s >= 0 ? FRESH_CLOCK : 0u;
		break;
	case 20:
		lwm2m_take_number(v, 0, 6, &told->battery_status);
		break;
	case 21:
		lwm2m_take_number(v, 0, LWM2M_NUMBER_MAX, &told->total_kb);
		break;
	default:
		break;
	}
}

/* ---- resources with several instances ---- */

static bool is_list(const struct lwm2m_value *v, unsigned resource)
{
	return v->path.count >= 3 && v->path.id[0] == 3 && v->path.id[1] == 0 &&
	       v->path.id[2] == resource;
}

static unsigned instance_of(const struct lwm2m_value *v)
{
	return v->path.count > 3 ? v->path.id[3] : 0;
}

static void take_source(const struct lwm2m_value *v, struct lwm2m_told *told)
{
	int64_t kind;

	if (told->battery_at < 0)
		told->battery_at = BATTERY_NONE;
	lwm2m_take_number(v, 0, SOURCES_MAX, &kind);
	if ((kind == SOURCE_BATTERY || kind == SOURCE_EXTERNAL_BATTERY) &&
	    told->battery_at > (int64_t)instance_of(v))
		told->battery_at = instance_of(v);
}

/* Of a series in time the last one counts. */
static bool said_again(const struct lwm2m_value *values, size_t count, size_t at)
{
	for (size_t i = at + 1; i < count; i++)
		if (values[i].path.count == values[at].path.count &&
		    memcmp(values[i].path.id, values[at].path.id,
			   values[at].path.count * sizeof(values[at].path.id[0])) == 0)
			return true;
	return false;
}

static void take_error(const struct lwm2m_value *v, struct lwm2m_told *told)
{
	int64_t code;

	lwm2m_take_number(v, 0, LWM2M_ERRORS - 1, &code);
	if (code < 0)
		return;
	if (told->errors < 0)
		told->errors = 0;
	if (code > 0)
		told->errors |= INT64_C(1) << code;
}

/* Instances need not come in order, and not from 0. */
static void take_voltages(const struct lwm2m_value *values, size_t count, struct lwm2m_told *told)
{
	const struct lwm2m_value *first = NULL;

	for (size_t i = 0; i < count; i++) {
		const struct lwm2m_value *v = &values[i];
		if (!is_list(v, 7))
			continue;
		if (told->battery_at >= 0 && told->battery_at == (int64_t)instance_of(v)) {
			first = v;
			break;
		}
		if (!first || instance_of(v) < instance_of(first))
			first = v;
	}
	if (first)
		lwm2m_take_number(first, 0, VOLTAGE_MAX, &told->supply_mv);
}

void lwm2m_take_lists(const struct lwm2m_value *values, size_t count, struct lwm2m_told *told)
{
	for (size_t i = 0; i < count; i++) {
		if (is_list(&values[i], 6))
			told->battery_at = -1;
		if (is_list(&values[i], 11))
			told->errors = -1;
	}
	for (size_t i = 0; i < count; i++) {
		if (is_list(&values[i], 6))
			take_source(&values[i], told);
		if (is_list(&values[i], 11) && !said_again(values, count, i))
			take_error(&values[i], told);
	}
	take_voltages(values, count, told);
}

/* ---- as core has them ---- */

/* /3/0/9 means something only if there is a battery. */
int64_t lwm2m_battery(const struct lwm2m_told *told)
{
	return told->battery_at == BATTERY_NONE || told->battery_status == STATUS_NOT_INSTALLED
		       ? -1
		       : told->battery_percent;
}

/* By number; the others have no meaning, or one of the vendor's. */
static const struct {
	uint32_t trouble;
	const char *word;
} errors[] = {
	[1] = {TROUBLE_POWER_LOW, "low battery"},
	[2] = {TROUBLE_POWER_LOST, "external power supply off"},
	[3] = {TROUBLE_POSITION, "GPS failure"},
	[4] = {TROUBLE_SIGNAL_LOW, "weak signal"},
	[5] = {TROUBLE_MEMORY_LOW, "out of memory"},
	[6] = {TROUBLE_MESSAGES, "SMS failure"},
	[7] = {TROUBLE_NETWORK, "no IP link"},
	[8] = {TROUBLE_PERIPHERAL, "peripheral failure"},
};
enum { ERRORS_KNOWN = sizeof(errors) / sizeof(errors[0]) };

const char *lwm2m_error_word(unsigned code)
{
	return code < ERRORS_KNOWN ? errors[code].word : NULL;
}

uint32_t lwm2m_troubles(const struct lwm2m_told *told)
{
	uint32_t troubles = told->battery_status == STATUS_LOW_BATTERY ? TROUBLE_POWER_LOW : 0;

	for (unsigned code = 1; code < LWM2M_ERRORS && told->errors > 0; code++)
		if (told->errors & INT64_C(1) << code)
			troubles |= code < ERRORS_KNOWN ? errors[code].trouble : TROUBLE_OTHER;
	return troubles;
}
