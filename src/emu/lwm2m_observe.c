/* SPDX-License-Identifier: Apache-2.0
 *
 * Observations (RFC 7641) and the attributes pmin and pmax. A notification goes out when the
 * value is another one and pmin has passed, or when pmax has.
 */
#include "emu/unit.h"

#include <stdlib.h>
#include <string.h>

static uint64_t hash(struct bytes bytes)
{
	uint64_t h = 0xcbf29ce484222325U;

	for (size_t i = 0; i < bytes.len; i++)
		h = (h ^ bytes.ptr[i]) * 0x100000001b3U;
	return h;
}

static bool same_path(const struct emu_lw_path *a, const struct emu_lw_path *b)
{
	return a->count == b->count && emu_lw_path_within(a, b);
}

/* The nearest attribute of each kind wins; object 1's defaults are the last word. */
void emu_lwm2m_periods(const struct emu_unit *unit, const struct emu_lw_path *path,
		       int64_t *ret_pmin_ms, int64_t *ret_pmax_ms)
{
	const struct emu_lwm2m *lw = &unit->ram.lwm2m;
	unsigned near_min = 0;
	unsigned near_max = 0;

	*ret_pmin_ms = lw->pmin_s * 1000;
	*ret_pmax_ms = lw->pmax_s * 1000;
	for (size_t i = 0; i < EMU_LW_ATTRIBUTES; i++) {
		const struct emu_lw_attribute *a = &lw->attributes[i];

		if (a->path.count == 0 || !emu_lw_path_within(&a->path, path))
			continue;
		if (a->has_pmin && a->path.count > near_min) {
			near_min = a->path.count;
			*ret_pmin_ms = (int64_t)a->pmin_s * 1000;
		}
		if (a->has_pmax && a->path.count > near_max) {
			near_max = a->path.count;
			*ret_pmax_ms = (int64_t)a->pmax_s * 1000;
		}
	}
	if (*ret_pmax_ms > 0 && *ret_pmax_ms < *ret_pmin_ms)
		*ret_pmax_ms = *ret_pmin_ms;
}

static struct emu_lw_attribute *attribute_slot(struct emu_unit *unit,
					       const struct emu_lw_path *path)
{
	struct emu_lw_attribute *slot = NULL;

	for (size_t i = 0; i < EMU_LW_ATTRIBUTES; i++) {
		struct emu_lw_attribute *a = &unit->ram.lwm2m.attributes[i];

		if (same_path(&a->path, path))
			return a;
		if (!slot && a->path.count == 0)
			slot = a;
	}
	if (slot)
		*slot = (struct emu_lw_attribute){.path = *path};
	return slot;
}

/* "pmin=1&pmax=60"; a name alone takes it back. Others are accepted and do nothing. */
unsigned emu_lwm2m_attributes(struct emu_unit *unit, const struct emu_lw_path *path,
			      const char *query)
{
	struct emu_lw_value values[EMU_LW_VALUES];
	struct emu_lw_attribute *a;
	size_t count;

	if (emu_lwm2m_read(unit, path, values, &count) == ERR_NOENT)
		return 404;
	a = attribute_slot(unit, path);
	if (!a)
		return 500;
	while (*query != '\0') {
		size_t len = strcspn(query, "&");
		bool has = len > 5 && query[4] == '=';
		unsigned long number = has ? strtoul(query + 5, NULL, 10) : 0;

		if (number > UINT32_MAX / 1000)
			return 400;
		if (len >= 4 && memcmp(query, "pmin", 4) == 0) {
			a->has_pmin = has;
			a->pmin_s = (uint32_t)number;
		} else if (len >= 4 && memcmp(query, "pmax", 4) == 0) {
			a->has_pmax = has;
			a->pmax_s = (uint32_t)number;
		}
		query += len + (query[len] == '&');
	}
	if (!a->has_pmin && !a->has_pmax)
		a->path.count = 0;
	return 204;
}

static bool is_token(const struct emu_lw_observer *o, const struct emu_request *request)
{
	return o->used && o->token_len == request->token_len &&
	       memcmp(o->token, request->token, o->token_len) == 0;
}

void emu_lwm2m_unobserve(struct emu_unit *unit, const struct emu_request *request,
			 const struct emu_lw_path *path)
{
	for (size_t i = 0; i < EMU_LW_OBSERVERS; i++) {
		struct emu_lw_observer *o = &unit->ram.lwm2m.observers[i];

		if (is_token(o, request) || (o->used && same_path(&o->path, path)))
			o->used = false;
	}
}

void emu_lwm2m_observe(struct emu_unit *unit, const struct emu_request *request,
		       const struct emu_lw_path *path, int format, struct bytes told)
{
	struct emu_lw_observer *slot = NULL;

	emu_lwm2m_unobserve(unit, request, path);
	for (size_t i = 0; i < EMU_LW_OBSERVERS && !slot; i++)
		if (!unit->ram.lwm2m.observers[i].used)
			slot = &unit->ram.lwm2m.observers[i];
	if (!slot)
		return; /* it is a read, then */
	*slot = (struct emu_lw_observer){.used = true,
					 .token_len = request->token_len,
					 .path = *path,
					 .format = format,
					 .seen = hash(told),
					 .sent_at = unit->now};
	memcpy(slot->token, request->token, request->token_len);
}

void emu_lwm2m_unwanted(struct emu_unit *unit, uint16_t mid)
{
	for (size_t i = 0; i < EMU_LW_OBSERVERS; i++) {
		struct emu_lw_observer *o = &unit->ram.lwm2m.observers[i];

		if (o->used && o->mid == mid)
			o->used = false;
	}
}

static void observer_tick(struct emu_unit *unit, struct emu_lw_observer *o)
{
	struct emu_lw_value values[EMU_LW_VALUES];
	uint8_t payload[EMU_REPLY];
	struct buf out = buf_writer(payload, sizeof(payload));
	struct emu_notice notice = {.token = o->token,
				    .token_len = o->token_len,
				    .confirmable = unit->conf->lwm2m->confirmable,
				    .content_format = o->format};
	int64_t pmin_ms;
	int64_t pmax_ms;
	size_t count;

	emu_lwm2m_periods(unit, &o->path, &pmin_ms, &pmax_ms);
	if (unit->now < o->sent_at + pmin_ms ||
	    emu_lwm2m_read(unit, &o->path, values, &count) != 0 ||
	    emu_lw_encode(o->format, &o->path, values, count, &out) != 0)
		return;
	notice.payload = buf_bytes(&out);
	if (hash(notice.payload) == o->seen && (pmax_ms == 0 || unit->now < o->sent_at + pmax_ms))
		return;
	o->seen = hash(notice.payload);
	o->sent_at = unit->now;
	if (emu_unit_fault(unit, EMU_FAULT_NO_NOTIFY))
		return;
	notice.observe = ++unit->ram.lwm2m.observe;
	emu_lwm2m_alive(unit);
	if (emu_session_notify(&unit->session, &notice, &o->mid) != 0)
		emu_unit_drop_session(unit, "cannot send", false);
}

void emu_lwm2m_notify(struct emu_unit *unit)
{
	for (size_t i = 0; i < EMU_LW_OBSERVERS && unit->ram.phase == EMU_PHASE_UP; i++)
		if (unit->ram.lwm2m.observers[i].used)
			observer_tick(unit, &unit->ram.lwm2m.observers[i]);
}

/* What changes does so in a turn, so only the periods have a time of their own. */
int64_t emu_lwm2m_notify_ms(const struct emu_unit *unit)
{
	int64_t next = EMU_NEVER;

	for (size_t i = 0; i < EMU_LW_OBSERVERS; i++) {
		const struct emu_lw_observer *o = &unit->ram.lwm2m.observers[i];
		int64_t pmin_ms;
		int64_t pmax_ms;

		if (!o->used)
			continue;
		emu_lwm2m_periods(unit, &o->path, &pmin_ms, &pmax_ms);
		if (pmin_ms > 0 && o->sent_at + pmin_ms > unit->now && o->sent_at + pmin_ms < next)
			next = o->sent_at + pmin_ms;
		if (pmax_ms > 0 && o->sent_at + pmax_ms < next)
			next = o->sent_at + pmax_ms;
	}
	return next;
}
