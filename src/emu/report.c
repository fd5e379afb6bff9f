/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/unit.h"

#include <string.h>

enum { BELL_SPACING_MS = 200, DEFAULT_RETRY_S = 5, DEFAULT_BELL_S = 60 };

static uint32_t report_capabilities(const struct emu_unit *unit)
{
	uint32_t caps = EMU_CAP_RESUME | EMU_CAP_FRESH | EMU_CAP_GATE | EMU_CAP_OBSERVE |
			EMU_CAP_CONFIRM | EMU_CAP_WINDOW;

	if (emu_unit_fault(unit, EMU_FAULT_CACHED))
		caps &= ~(uint32_t)EMU_CAP_FRESH;
	return caps;
}

static void report_build(struct emu_unit *unit, struct emu_report *report)
{
	const struct emu_ram *ram = &unit->ram;
	const struct emu_image *image = ram->lie ? &ram->lie_image : &ram->running;
	uint64_t size;

	*report = (struct emu_report){
		.boot_count = unit->nvram.boot_count,
		.has_digest = image->has_digest,
		.confirmed = image->confirmed,
		.reset = ram->reset,
		.last = unit->nvram.last,
		.updates_enabled = !emu_unit_fault(unit, EMU_FAULT_UPDATES_DISABLED),
		.fs_free = (uint64_t)emu_fs_free(&unit->fs) * EMU_FS_BLOCK,
		.fs_total = (uint64_t)unit->fs.blocks * EMU_FS_BLOCK,
		.slot_size = unit->conf->slot_size,
		.battery = unit->conf->battery,
		.security_counter = unit->conf->security_counter,
		.hardware = unit->conf->hardware[0] ? unit->conf->hardware : NULL,
		.boot_loader = "postboot-emu 1",
		.interval_s = unit->conf->interval_s,
		.capabilities = report_capabilities(unit),
		.uptime_s = (uint64_t)(unit->now - ram->boot_at) / 1000,
	};
	memcpy(report->boot_id, ram->boot_id, sizeof(report->boot_id));
	memcpy(report->version, image->version, sizeof(report->version));
	memcpy(report->digest, image->digest, sizeof(report->digest));
	report->has_cached = emu_transfer_cached(unit, report->cached, &size);
}

static uint32_t report_post(struct emu_unit *unit, struct bytes payload)
{
	char query[LIMIT_DEVICE_ID + 8];
	uint32_t token = emu_unit_token(unit);

	if (emu_session_post(&unit->session, "/report", emu_unit_query(unit, query, sizeof(query)),
			     token, emu_unit_format(unit), payload) != 0) {
		emu_unit_drop_session(unit, "cannot send", false);
		return 0;
	}
	return token;
}

static void report_send(struct emu_unit *unit)
{
	struct emu_report report;
	struct emu_msg msg;
	size_t len;

	report_build(unit, &report);
	emu_report_write(&report, &msg);
	if (emu_payload_encode(&msg, emu_unit_format(unit), unit->last_report,
			       sizeof(unit->last_report), &len) != 0) {
		emu_unit_say(unit, true, "# report does not fit");
		unit->ram.report_at = unit->now + (int64_t)unit->conf->interval_s * 1000;
		return;
	}
	unit->last_report_len = len;
	unit->ram.report_at = EMU_NEVER;
	unit->ram.confirmed_sent = report.confirmed;
	unit->ram.report_token = report_post(unit, (struct bytes){unit->last_report, len});
}

/* The late copy: the network kept a datagram of the boot before. */
static void report_send_old(struct emu_unit *unit)
{
	if (!emu_unit_fault(unit, EMU_FAULT_OLD_BOOT) || unit->old_report_len == 0)
		return;
	emu_unit_say(unit, true, "# a late report of the boot before is delivered");
	unit->old_token = report_post(unit, (struct bytes){unit->old_report, unit->old_report_len});
	unit->old_report_len = 0;
}

static void bell_register(struct emu_unit *unit)
{
	char query[LIMIT_DEVICE_ID + 8];
	struct emu_get get = {
		.path = "/desired",
		.query = emu_unit_query(unit, query, sizeof(query)),
		.observe = true,
		.block_szx = -1,
		.accept = emu_unit_format(unit),
	};

	/* RFC 7641 3.3.1: a registration is renewed under the same token. */
	if (unit->ram.bell_token == 0)
		unit->ram.bell_token = emu_unit_token(unit);
	get.token = unit->ram.bell_token;
	unit->ram.bell_at = EMU_NEVER;
	if (emu_session_get(&unit->session, &get) != 0)
		emu_unit_drop_session(unit, "cannot send", false);
}

void emu_report_session(struct emu_unit *unit)
{
	unit->ram.session_reported = false;
	unit->ram.bell_token = 0;
	unit->ram.bell_known = false;
	unit->ram.report_token = 0;
	unit->ram.report_at = unit->now;
	unit->ram.bell_at = unit->sleepy ? EMU_NEVER : unit->now;
}

void emu_report_lost(struct emu_unit *unit)
{
	unit->ram.report_token = 0;
	unit->ram.bell_token = 0;
	unit->ram.session_reported = false;
	unit->ram.bell_at = EMU_NEVER;
	unit->old_token = 0;
}

void emu_report_soon(struct emu_unit *unit, int64_t in_ms)
{
	int64_t at = unit->now + in_ms;

	if (unit->ram.report_at > at)
		unit->ram.report_at = at;
}

void emu_report_tick(struct emu_unit *unit)
{
	struct emu_ram *ram = &unit->ram;

	/* The bell first: a change between the two then rings. */
	if (unit->now >= ram->bell_at)
		bell_register(unit);
	if (ram->phase == EMU_PHASE_UP && ram->report_token == 0 && unit->now >= ram->report_at)
		report_send(unit);
}

int64_t emu_report_next_ms(const struct emu_unit *unit)
{
	int64_t next = unit->ram.bell_at;

	if (unit->ram.report_token == 0 && unit->ram.report_at < next)
		next = unit->ram.report_at;
	return next;
}

static void report_schedule(struct emu_unit *unit, const struct emu_directive *directive)
{
	uint64_t in_s = unit->conf->interval_s;

	if (directive->next_s > 0 && directive->next_s < in_s)
		in_s = directive->next_s;
	if (directive->action == EMU_ACTION_NONE && directive->retry_s > 0 &&
	    directive->retry_s < in_s)
		in_s = directive->retry_s;
	emu_report_soon(unit, emu_rng_jitter(&unit->rng, (int64_t)in_s * 1000));
}

static void report_directive(struct emu_unit *unit, const struct emu_answer *answer)
{
	enum emu_format format = answer->content_format == EMU_JSON ? EMU_JSON : EMU_CBOR;
	struct emu_directive directive = {0};
	struct emu_msg msg;
	int err = 0;

	if (answer->payload.len > 0) {
		err = emu_payload_decode(answer->payload.ptr, answer->payload.len, format, &msg);
		if (!err)
			err = emu_directive_read(&msg, &directive);
	}
	if (err) {
		emu_unit_say(unit, true, "# directive not understood: %s", err_text(err));
		memset(&directive, 0, sizeof(directive));
		report_schedule(unit, &directive);
		return;
	}
	report_schedule(unit, &directive);
	emu_update_directive(unit, &directive);
}

static void report_sleep(struct emu_unit *unit)
{
	struct emu_ram *ram = &unit->ram;

	if (!unit->sleepy || ram->update != EMU_UPDATE_IDLE || ram->report_at <= unit->now ||
	    unit->old_token != 0 || ram->reset_at != EMU_NEVER)
		return;
	emu_session_close(&unit->session, true);
	emu_report_lost(unit);
	ram->phase = EMU_PHASE_WAIT;
	ram->phase_until = ram->report_at;
}

static void report_accepted(struct emu_unit *unit, const struct emu_answer *answer)
{
	struct emu_ram *ram = &unit->ram;
	bool first = !ram->boot_reported;

	ram->failures = 0;
	ram->session_reported = true;
	ram->boot_reported = true;
	if (first)
		emu_unit_say(unit, false, "report answered");
	if (ram->report_at == EMU_NEVER)
		ram->report_at = unit->now + (int64_t)unit->conf->interval_s * 1000;
	emu_unit_event(unit, EMU_EVENT_REPORTED);
	if (ram->confirmed_sent)
		emu_unit_event(unit, EMU_EVENT_CONFIRMED);
	/* Rule 2: the new image is made permanent only after the server answered its report. */
	if (emu_unit_confirm(unit))
		emu_report_soon(unit, 0);
	report_directive(unit, answer);
	if (first)
		report_send_old(unit);
	report_sleep(unit);
}

static void report_refused(struct emu_unit *unit, const struct emu_answer *answer)
{
	bool shed = answer->code == 503 || answer->code == 429;
	uint32_t in_s = shed ? DEFAULT_RETRY_S : unit->conf->interval_s;

	if (shed && answer->has_max_age)
		in_s = answer->max_age_s;
	emu_unit_say(unit, !shed, "report: %u.%02u %.*s", answer->code / 100, answer->code % 100,
		     (int)answer->payload.len, (const char *)answer->payload.ptr);
	unit->ram.report_at = unit->now + 200 + emu_rng_jitter(&unit->rng, (int64_t)in_s * 1000);
}

static void bell_answer(struct emu_unit *unit, const struct emu_answer *answer)
{
	struct emu_ram *ram = &unit->ram;
	size_t len = answer->payload.len < EMU_BELL_MAX ? answer->payload.len : EMU_BELL_MAX;
	int64_t age_s = answer->has_max_age ? answer->max_age_s : DEFAULT_BELL_S;
	bool rings;

	if (answer->code / 100 != 2) {
		ram->bell_token = 0; /* no registration to renew */
		age_s = age_s > DEFAULT_RETRY_S ? age_s : DEFAULT_RETRY_S;
		ram->bell_at = unit->now + emu_rng_jitter(&unit->rng, age_s * 1000);
		return;
	}
	rings = ram->bell_known &&
		(len != ram->bell_len || memcmp(answer->payload.ptr, ram->bell, len) != 0);
	ram->bell_known = true;
	ram->bell_len = len;
	if (len > 0)
		memcpy(ram->bell, answer->payload.ptr, len);
	ram->bell_at = unit->now + 1000 + emu_rng_jitter(&unit->rng, age_s * 1000);
	if (rings) {
		emu_unit_say(unit, false, "the server has news");
		emu_report_soon(unit, BELL_SPACING_MS);
	}
}

bool emu_report_answer(struct emu_unit *unit, const struct emu_answer *answer)
{
	struct emu_ram *ram = &unit->ram;

	if (ram->report_token != 0 && answer->token == ram->report_token) {
		ram->report_token = 0;
		if (answer->code == 204)
			report_accepted(unit, answer);
		else
			report_refused(unit, answer);
		return true;
	}
	if (unit->old_token != 0 && answer->token == unit->old_token) {
		unit->old_token = 0;
		report_sleep(unit);
		return true;
	}
	if (ram->bell_token != 0 && answer->token == ram->bell_token) {
		bell_answer(unit, answer);
		return true;
	}
	return false;
}
