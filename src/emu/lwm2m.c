/* SPDX-License-Identifier: Apache-2.0
 *
 * Registration (OMA LwM2M core 1.2, 6.2), its updates and its end; queue mode; the protocol as
 * the unit sees it.
 */
#include "emu/unit.h"

#include <string.h>

enum {
	RETRY_S = 5,
	RETRY_MAX_S = 60,
	EARLY_S = 6,
	QUIET_MS = 1000,
	QUIET_MAX_MS = 5000, /* a server that asks for ever has what it wants, too */
	LINKS_MAX = 512,
	DISABLE_S = 86400,
	AFTER_REPLY_MS = 200
};

static struct emu_lwm2m *state(struct emu_unit *unit)
{
	return &unit->ram.lwm2m;
}

void emu_lwm2m_alive(struct emu_unit *unit)
{
	struct emu_lwm2m *lw = state(unit);

	lw->heard_at = unit->now;
	if (!lw->asleep)
		return;
	lw->asleep = false;
	emu_link_sleep(unit->link, false);
	emu_unit_say(unit, false, "awake");
}

void emu_lwm2m_register(struct emu_unit *unit, bool update)
{
	struct emu_lwm2m *lw = state(unit);

	if (!update)
		lw->registration = EMU_LW_OUT;
	lw->reg_at = unit->now;
}

/* "lwm2m=1.1&ep=meter-1&b=U&lt=300&Q" */
static void register_query(const struct emu_unit *unit, char *dst, size_t cap)
{
	const struct emu_conf *conf = unit->conf;
	bool old = strcmp(conf->lwm2m_version, "1.0") == 0;
	const char *binding = conf->lwm2m->binding;
	char b[16] = "";

	if (conf->queue && old)
		binding = "UQ";
	else if (conf->queue && !binding && conf->lwm2m->root_format >= 0)
		binding = "U"; /* Zephyr tells it as soon as it is not alone */
	if (binding)
		snprintf(b, sizeof(b), "&b=%s", binding);
	snprintf(dst, cap, "lwm2m=%s&ep=%s%s%s&lt=%lld%s", conf->lwm2m_version, unit->key->id,
		 emu_unit_fault(unit, EMU_FAULT_WRONG_NAME) ? "-other" : "", b,
		 (long long)unit->ram.lwm2m.lifetime_s, conf->queue && !old ? "&Q" : "");
}

static void register_send(struct emu_unit *unit)
{
	struct emu_lwm2m *lw = state(unit);
	uint8_t links[LINKS_MAX];
	struct buf out = buf_writer(links, sizeof(links));
	char query[EMU_QUERY];
	struct emu_send send = {.method = 2,
				.path = "/rd",
				.query = query,
				.token = emu_unit_token(unit),
				.content_format = EMU_LW_LINK,
				.accept = -1,
				.block_szx = -1};

	lw->reg_update = lw->registration == EMU_LW_IN;
	if (!lw->reg_update) {
		lw->told_at = 0;
		lw->to_report = lw->reported = false;
	}
	if (lw->reg_update) {
		send.path = lw->location;
		send.content_format = -1;
		snprintf(query, sizeof(query), "lt=%lld", (long long)lw->lifetime_s);
		if (!lw->links_changed)
			send.query = NULL;
	} else {
		register_query(unit, query, sizeof(query));
		emu_lwm2m_links(unit, &out);
		send.payload = buf_bytes(&out);
	}
	emu_lwm2m_alive(unit);
	lw->reg_token = send.token;
	if (emu_session_send(&unit->session, &send) != 0)
		emu_unit_drop_session(unit, "cannot send", false);
}

static void deregister_send(struct emu_unit *unit)
{
	struct emu_send send = {.method = 4,
				.path = state(unit)->location,
				.token = emu_unit_token(unit),
				.content_format = -1,
				.accept = -1,
				.block_szx = -1};

	if (state(unit)->registration != EMU_LW_IN || !unit->session.up)
		return;
	state(unit)->registration = EMU_LW_OUT;
	emu_lwm2m_alive(unit);
	if (emu_session_send(&unit->session, &send) == 0)
		emu_unit_say(unit, false, "de-registered");
}

/* Half of the lifetime, as most clients do it; --interval says otherwise. */
static void register_schedule(struct emu_unit *unit)
{
	struct emu_lwm2m *lw = state(unit);
	int64_t in_s = lw->lifetime_s / 2;

	if (unit->conf->lwm2m->early_update && lw->lifetime_s > (int64_t)2 * EARLY_S)
		in_s = lw->lifetime_s - EARLY_S;
	if (unit->conf->interval_s > 0)
		in_s = unit->conf->interval_s;
	lw->reg_at = unit->now + emu_rng_jitter(&unit->rng, (in_s > 0 ? in_s : 1) * 1000);
}

static void register_accepted(struct emu_unit *unit, const struct emu_answer *answer)
{
	struct emu_lwm2m *lw = state(unit);
	const struct emu_fault *again = emu_unit_fault(unit, EMU_FAULT_RE_REGISTER);
	bool first = !unit->ram.boot_reported;

	unit->ram.failures = 0;
	unit->ram.boot_reported = true;
	lw->reg_failures = 0;
	lw->links_changed = false;
	if (!lw->reg_update) {
		lw->forced_at = again ? unit->now + (int64_t)again->value * 1000 : EMU_NEVER;
		(void)buf_copy_str(lw->location, sizeof(lw->location), answer->location);
		emu_unit_say(unit, first, "registered as %s", lw->location);
		lw->registration = EMU_LW_IN;
		lw->links_changed = false;
	}
	register_schedule(unit);
	if (!lw->reg_update && lw->reg_again) {
		lw->reg_again = false;
		emu_unit_say(unit, true, "# and once more");
		emu_lwm2m_register(unit, false);
	}
	if (lw->reported) /* it knows all, and need not ask again */
		emu_unit_event(unit, EMU_EVENT_REPORTED);
	(void)emu_unit_confirm(unit);
}

static void register_refused(struct emu_unit *unit, const struct emu_answer *answer)
{
	struct emu_lwm2m *lw = state(unit);
	int64_t in_s = (int64_t)RETRY_S << (lw->reg_failures < 4 ? lw->reg_failures : 4);

	if (lw->reg_update && answer->code == 404) {
		emu_unit_say(unit, false, "the server does not know the registration");
		emu_lwm2m_register(unit, false);
		return;
	}
	lw->reg_failures++;
	if (in_s > RETRY_MAX_S)
		in_s = RETRY_MAX_S;
	if ((answer->code == 503 || answer->code == 429) && answer->has_max_age)
		in_s = answer->max_age_s;
	emu_unit_say(unit, true, "registration: %u.%02u %.*s", answer->code / 100,
		     answer->code % 100, (int)answer->payload.len,
		     (const char *)answer->payload.ptr);
	lw->reg_at = unit->now + 200 + emu_rng_jitter(&unit->rng, in_s * 1000);
}

static void lwm2m_answer(struct emu_unit *unit, const struct emu_answer *answer)
{
	struct emu_lwm2m *lw = state(unit);

	emu_lwm2m_alive(unit);
	if (emu_lwm2m_pull_answer(unit, answer) || lw->reg_token == 0 ||
	    answer->token != lw->reg_token)
		return;
	lw->reg_token = 0;
	if (answer->code / 100 == 2)
		register_accepted(unit, answer);
	else
		register_refused(unit, answer);
}

static void lwm2m_session(struct emu_unit *unit)
{
	emu_lwm2m_register(unit, false);
}

/* Observations end with the session that they were made on. */
static void lwm2m_lost(struct emu_unit *unit)
{
	struct emu_lwm2m *lw = state(unit);

	lw->registration = EMU_LW_OUT;
	lw->reg_token = 0;
	lw->last_have = false;
	memset(lw->observers, 0, sizeof(lw->observers));
	emu_lwm2m_pull_lost(unit);
}

static int64_t sleep_at(const struct emu_unit *unit)
{
	const struct emu_lwm2m *lw = &unit->ram.lwm2m;

	if (!unit->conf->queue || lw->asleep || lw->registration != EMU_LW_IN ||
	    lw->reg_token != 0 || lw->pull.active || lw->execute)
		return EMU_NEVER;
	return lw->heard_at + (int64_t)unit->conf->awake_s * 1000;
}

static int64_t quiet_at(const struct emu_unit *unit)
{
	const struct emu_lwm2m *lw = &unit->ram.lwm2m;
	int64_t quiet = lw->heard_at + QUIET_MS, at_most = lw->told_at + QUIET_MAX_MS;

	if (!lw->told_at)
		return EMU_NEVER;
	return quiet < at_most ? quiet : at_most;
}

void emu_lwm2m_reported(struct emu_unit *unit)
{
	struct emu_lwm2m *lw = state(unit);

	if (!lw->to_report)
		return;
	lw->to_report = false;
	lw->reported = true;
	emu_unit_event(unit, EMU_EVENT_REPORTED);
}

/* What the server asked for, now that its answer has left. */
static void lwm2m_asked(struct emu_unit *unit)
{
	struct emu_lwm2m *lw = state(unit);

	if (!lw->disable)
		return;
	lw->disable = false;
	emu_unit_say(unit, true, "disabled by the server for %lld s", (long long)lw->disable_s);
	deregister_send(unit);
	lw->reg_at = unit->now + lw->disable_s * 1000;
}

static void lwm2m_up(struct emu_unit *unit)
{
	struct emu_lwm2m *lw = state(unit);

	lwm2m_asked(unit);
	if (lw->reg_token == 0 && unit->now >= lw->reg_at)
		register_send(unit);
	if (unit->ram.phase != EMU_PHASE_UP)
		return;
	emu_lwm2m_notify(unit);
	if (unit->now >= quiet_at(unit)) {
		lw->told_at = 0;
		emu_lwm2m_reported(unit);
		if (lw->told_confirmed)
			emu_unit_event(unit, EMU_EVENT_CONFIRMED);
	}
	if (unit->now >= sleep_at(unit)) {
		lw->asleep = true;
		emu_link_sleep(unit->link, true);
		emu_unit_say(unit, false, "asleep");
	}
	if (unit->now >= lw->forced_at) {
		lw->forced_at = EMU_NEVER;
		emu_unit_drop_session(unit, "# a new registration without a reset", false);
	}
}

static void lwm2m_tick(struct emu_unit *unit)
{
	emu_lwm2m_firmware_tick(unit);
	if (unit->ram.phase == EMU_PHASE_UP)
		lwm2m_up(unit);
	if (unit->ram.phase != EMU_PHASE_SILENT)
		emu_lwm2m_pull_tick(unit);
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t lwm2m_next_ms(const struct emu_unit *unit)
{
	const struct emu_lwm2m *lw = &unit->ram.lwm2m;
	int64_t next = emu_lwm2m_pull_ms(unit);

	if (lw->execute || lw->disable)
		return unit->now;
	if (unit->ram.phase != EMU_PHASE_UP)
		return next;
	if (lw->reg_token == 0)
		next = sooner(next, lw->reg_at);
	next = sooner(next, emu_lwm2m_notify_ms(unit));
	next = sooner(next, quiet_at(unit));
	next = sooner(next, sleep_at(unit));
	return sooner(next, lw->forced_at);
}

static void lwm2m_boot(struct emu_unit *unit)
{
	struct emu_lwm2m *lw = state(unit);

	lw->lifetime_s = unit->conf->lifetime_s;
	lw->disable_s = DISABLE_S;
	lw->reg_again = emu_unit_fault(unit, EMU_FAULT_DOUBLE_REGISTER) != NULL;
	lw->forced_at = EMU_NEVER;
	if (unit->link)
		emu_link_sleep(unit->link, false);
	emu_lwm2m_firmware_boot(unit);
}

static void lwm2m_reset(struct emu_unit *unit)
{
	if (unit->ram.lwm2m.pull.session.coap)
		emu_session_close(&unit->ram.lwm2m.pull.session, false);
	emu_lwm2m_store_close(unit);
	if (unit->link && unit->conf->queue)
		emu_link_rebind(unit->link, unit->now);
}

static void lwm2m_soon(struct emu_unit *unit, int64_t in_ms)
{
	struct emu_lwm2m *lw = state(unit);

	if (lw->registration == EMU_LW_IN && lw->reg_at > unit->now + in_ms)
		lw->reg_at = unit->now + in_ms;
}

static void lwm2m_leave(struct emu_unit *unit)
{
	if (unit->ram.phase == EMU_PHASE_UP)
		deregister_send(unit);
	emu_lwm2m_pull_stop(unit);
	emu_lwm2m_store_close(unit);
}

const struct emu_protocol emu_protocol_lwm2m = {
	.boot = lwm2m_boot,
	.reset = lwm2m_reset,
	.session = lwm2m_session,
	.lost = lwm2m_lost,
	.tick = lwm2m_tick,
	.answer = lwm2m_answer,
	.request = emu_lwm2m_request,
	.unwanted = emu_lwm2m_unwanted,
	.next_ms = lwm2m_next_ms,
	.soon = lwm2m_soon,
	.leave = lwm2m_leave,
};
