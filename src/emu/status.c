/* SPDX-License-Identifier: Apache-2.0
 *
 * /status: one message in flight, at most one waiting behind it (a newer one takes its place).
 * A status that got no answer is said again after the next report, under a new seq: the server
 * ignores a seq that it has seen, and an ignored question is not an answer to it.
 */
#include "emu/unit.h"

#include <string.h>

enum { STATUS_RETRY_S = 5 };

static void status_fill(struct emu_unit *unit, struct emu_status *status)
{
	struct emu_ram *ram = &unit->ram;

	status->attempt = ram->directive.attempt;
	status->received = ram->dl.fd >= 0 ? ram->dl.received : status->received;
	status->start_offset = ram->start_offset;
	memcpy(status->boot_id, ram->boot_id, sizeof(status->boot_id));
}

static void status_queue(struct emu_unit *unit, const struct emu_status *status)
{
	struct emu_ram *ram = &unit->ram;

	if (ram->status_token != 0) {
		ram->status_next = *status;
		ram->status_next_have = true;
		return;
	}
	ram->status = *status;
	ram->status_have = true;
}

void emu_status_push(struct emu_unit *unit, enum emu_status_state state)
{
	struct emu_status status = {.state = state};

	if (state != EMU_STATUS_DOWNLOADING)
		status.received = unit->ram.directive.size;
	status_fill(unit, &status);
	status_queue(unit, &status);
}

void emu_status_push_end(struct emu_unit *unit, enum emu_status_state state, enum emu_reason reason,
			 int64_t code, const char *detail, uint64_t defer_s)
{
	struct emu_status status = {
		.state = state, .reason = reason, .code = code, .defer_s = defer_s};

	(void)buf_copy_str(status.detail, sizeof(status.detail), detail);
	status_fill(unit, &status);
	status_queue(unit, &status);
}

void emu_status_clear(struct emu_unit *unit)
{
	unit->ram.status_have = false;
	unit->ram.status_next_have = false;
	unit->ram.status_token = 0;
}

void emu_status_lost(struct emu_unit *unit)
{
	struct emu_ram *ram = &unit->ram;

	ram->status_token = 0;
	if (ram->status_next_have) {
		ram->status = ram->status_next;
		ram->status_have = true;
		ram->status_next_have = false;
	}
}

static void status_send(struct emu_unit *unit)
{
	struct emu_ram *ram = &unit->ram;
	char query[LIMIT_DEVICE_ID + 8];
	uint8_t payload[EMU_MESSAGE_MAX];
	uint32_t token = emu_unit_token(unit);
	struct emu_msg msg;
	size_t len;

	ram->status.seq = ++ram->seq;
	emu_status_write(&ram->status, &msg);
	if (emu_payload_encode(&msg, emu_unit_format(unit), payload, sizeof(payload), &len) != 0) {
		emu_unit_say(unit, true, "# status does not fit");
		ram->status_have = false;
		return;
	}
	ram->status_token = token;
	if (emu_session_post(&unit->session, "/status", emu_unit_query(unit, query, sizeof(query)),
			     token, emu_unit_format(unit), (struct bytes){payload, len}) != 0)
		emu_unit_drop_session(unit, "cannot send", false);
}

void emu_status_tick(struct emu_unit *unit)
{
	struct emu_ram *ram = &unit->ram;

	/* On a new session the server hears the report first: what it answers decides. */
	if (ram->status_have && ram->status_token == 0 && ram->session_reported)
		status_send(unit);
}

static void status_next(struct emu_unit *unit)
{
	struct emu_ram *ram = &unit->ram;

	ram->status_have = ram->status_next_have;
	if (ram->status_next_have)
		ram->status = ram->status_next;
	ram->status_next_have = false;
}

static void status_ended(struct emu_unit *unit, enum emu_status_state state)
{
	unit->ram.update = EMU_UPDATE_IDLE;
	if (state == EMU_STATUS_REFUSED)
		emu_unit_event(unit, EMU_EVENT_REFUSED);
	else if (state == EMU_STATUS_DEFERRED)
		emu_unit_event(unit, EMU_EVENT_DEFERRED);
	else
		emu_unit_event(unit, EMU_EVENT_FAILED);
}

/* The answer to `applying' was on its way and never arrived. */
static bool status_gate_lost(struct emu_unit *unit, enum emu_status_state state)
{
	const struct emu_fault *fault = emu_unit_fault(unit, EMU_FAULT_NO_GATE_ANSWER);

	if (state != EMU_STATUS_APPLYING || !fault || unit->gate_lost >= fault->value)
		return false;
	unit->gate_lost++;
	emu_unit_say(unit, true, "# the answer to applying is lost on its way");
	emu_unit_drop_session(unit, "no answer", false);
	return true;
}

static void status_accepted(struct emu_unit *unit, enum emu_status_state state)
{
	struct emu_ram *ram = &unit->ram;

	status_next(unit);
	switch (state) {
	case EMU_STATUS_DOWNLOADING:
		return;
	case EMU_STATUS_VERIFIED:
		if (ram->update != EMU_UPDATE_VERIFIED)
			return;
		ram->update = EMU_UPDATE_GATE;
		emu_status_push(unit, EMU_STATUS_APPLYING);
		return;
	case EMU_STATUS_APPLYING:
		if (ram->update == EMU_UPDATE_GATE)
			emu_update_open_gate(unit);
		return;
	case EMU_STATUS_REFUSED:
	case EMU_STATUS_DEFERRED:
	case EMU_STATUS_FAILED:
		status_ended(unit, state);
		return;
	}
}

bool emu_status_answer(struct emu_unit *unit, const struct emu_answer *answer)
{
	struct emu_ram *ram = &unit->ram;
	enum emu_status_state state = ram->status.state;
	uint32_t in_s = STATUS_RETRY_S;

	if (ram->status_token == 0 || answer->token != ram->status_token)
		return false;
	if (status_gate_lost(unit, state))
		return true;
	ram->status_token = 0;
	if (answer->code == 204) {
		status_accepted(unit, state);
		return true;
	}
	emu_unit_say(unit, true, "%s: %u.%02u %.*s", emu_status_name(state), answer->code / 100,
		     answer->code % 100, (int)answer->payload.len,
		     (const char *)answer->payload.ptr);
	if (answer->code == 409) {
		emu_update_drop(unit, true, "not open any more");
		emu_report_soon(unit, 0);
		return true;
	}
	/* Rule 1: never discard for a 5.03; ask again at the next contact. */
	if (answer->has_max_age && (answer->code == 503 || answer->code == 429))
		in_s = answer->max_age_s;
	else if (answer->code / 100 == 4 && answer->code != 429)
		in_s = unit->conf->interval_s;
	status_next(unit);
	emu_report_soon(unit, 200 + emu_rng_jitter(&unit->rng, (int64_t)in_s * 1000));
	return true;
}
