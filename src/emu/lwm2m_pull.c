/* SPDX-License-Identifier: Apache-2.0
 *
 * The download of a Package URI, block by block in order, over the session to the server or over
 * one of its own. A session that is lost is opened again and goes on where it was.
 */
#include "emu/unit.h"

#include <string.h>

enum { SESSIONS_MAX = 8, RESTARTS_MAX = 3, RETRY_MS = 1000, BUSY_S = 5 };

static struct emu_session *pull_session(struct emu_unit *unit)
{
	struct emu_lw_pull *pull = &unit->ram.lwm2m.pull;

	return pull->own_session ? &pull->session : &unit->session;
}

static void pull_retry(struct emu_unit *unit, int64_t in_ms)
{
	struct emu_lw_pull *pull = &unit->ram.lwm2m.pull;

	pull->asked = false;
	pull->retry_at = unit->now + in_ms;
}

static void pull_on_up(void *arg)
{
	struct emu_unit *unit = arg;

	unit->ram.lwm2m.pull.retry_at = 0;
}

static void pull_on_down(void *arg, const char *why)
{
	struct emu_unit *unit = arg;
	struct emu_lw_pull *pull = &unit->ram.lwm2m.pull;

	emu_unit_say(unit, false, "download: session lost, %s", why);
	pull_retry(unit, emu_rng_jitter(&unit->rng, RETRY_MS << (pull->failures / 2)));
	if (++pull->failures > SESSIONS_MAX)
		emu_lwm2m_firmware_fail(unit, EMU_LW_LOST, why);
}

static void pull_on_answer(void *arg, const struct emu_answer *answer)
{
	struct emu_unit *unit = arg;

	if (unit->ram.reset_at > unit->now)
		(void)emu_lwm2m_pull_answer(unit, answer);
}

static const struct emu_session_ops pull_ops = {
	.up = pull_on_up,
	.down = pull_on_down,
	.answer = pull_on_answer,
};

static void pull_connect(struct emu_unit *unit)
{
	struct emu_lw_pull *pull = &unit->ram.lwm2m.pull;
	struct emu_session_conf conf = emu_unit_session(unit);

	conf.server = pull->server;
	conf.dtls = pull->dtls;
	if (emu_session_open(&pull->session, unit->ctx, &conf, &pull_ops, unit) != 0)
		pull_on_down(unit, "no socket");
}

static bool pull_uri(struct emu_unit *unit)
{
	struct emu_lwm2m *lw = &unit->ram.lwm2m;
	struct emu_lw_pull *pull = &lw->pull;
	const char *rest;
	size_t len;
	int err = emu_uri_parse(lw->uri, &pull->dtls, &pull->server, &rest);

	if (err) {
		bool other = strstr(lw->uri, "://") && strncmp(lw->uri, "coap", 4) != 0;

		emu_lwm2m_firmware_fail(unit, other ? EMU_LW_PROTOCOL : EMU_LW_BAD_URI, lw->uri);
		return false;
	}
	len = strcspn(rest, "?");
	memcpy(pull->path, rest, len);
	pull->path[len] = '\0';
	if (rest[len] == '?' && !unit->conf->lwm2m->path_only)
		(void)buf_copy_str(pull->query, sizeof(pull->query), rest + len + 1);
	return true;
}

static unsigned pull_szx(const struct emu_unit *unit)
{
	unsigned szx = 0;

	while (szx < 6 && 32U << szx <= unit->conf->block)
		szx++;
	return szx;
}

void emu_lwm2m_pull_start(struct emu_unit *unit)
{
	struct emu_lwm2m *lw = &unit->ram.lwm2m;

	emu_lwm2m_pull_stop(unit);
	lw->pull = (struct emu_lw_pull){.szx = pull_szx(unit)};
	if (!pull_uri(unit))
		return;
	if (emu_lwm2m_store_open(unit, !unit->conf->lwm2m->resumes) != 0) {
		emu_lwm2m_firmware_fail(unit, EMU_LW_FAILED, "the slot cannot be written");
		return;
	}
	emu_update_last(unit, EMU_STAGE_DOWNLOADING, EMU_REASON_NONE, 0, "");
	/* Behind a relay there is one session: the relay knows one address of ours. */
	lw->pull.own_session = unit->conf->own_session && !unit->link;
	lw->pull.active = true;
	lw->pull.token = emu_unit_token(unit);
	if (lw->store.have > 0) {
		emu_unit_say(unit, true, "download goes on at byte %llu",
			     (unsigned long long)lw->store.have);
		emu_unit_event(unit, EMU_EVENT_RESUMED);
	}
}

void emu_lwm2m_pull_stop(struct emu_unit *unit)
{
	struct emu_lw_pull *pull = &unit->ram.lwm2m.pull;

	if (pull->session.coap)
		emu_session_close(&pull->session, true);
	pull->active = false;
}

void emu_lwm2m_pull_lost(struct emu_unit *unit)
{
	struct emu_lw_pull *pull = &unit->ram.lwm2m.pull;

	if (pull->active && !pull->own_session)
		pull->asked = false;
}

static void pull_ask(struct emu_unit *unit)
{
	struct emu_lwm2m *lw = &unit->ram.lwm2m;
	struct emu_lw_pull *pull = &lw->pull;
	const struct emu_style *style = unit->conf->lwm2m;
	bool first = lw->store.have == 0;
	struct emu_send send = {
		.method = 1,
		.path = pull->path,
		.query = pull->query,
		.content_format = -1,
		.accept = -1,
		.block_szx = first && !style->first_block2 ? -1 : (int)pull->szx,
		.block_num = (uint32_t)(lw->store.have >> (pull->szx + 4)),
		.size2 = first && style->first_block2,
	};

	if (!style->one_token)
		pull->token = emu_unit_token(unit);
	send.token = pull->token;
	pull->asked = true;
	if (!pull->own_session)
		emu_lwm2m_alive(unit);
	if (emu_session_send(pull_session(unit), &send) == 0)
		return;
	if (pull->own_session)
		pull_on_down(unit, "cannot send");
	else
		emu_unit_drop_session(unit, "cannot send", false);
}

void emu_lwm2m_pull_tick(struct emu_unit *unit)
{
	struct emu_lwm2m *lw = &unit->ram.lwm2m;
	struct emu_lw_pull *pull = &lw->pull;

	if (!pull->active || pull->asked || unit->now < pull->retry_at)
		return;
	if (pull->own_session && !pull->session.coap)
		pull_connect(unit);
	else if (pull_session(unit)->up && (pull->own_session || lw->registration == EMU_LW_IN))
		pull_ask(unit);
}

int64_t emu_lwm2m_pull_ms(const struct emu_unit *unit)
{
	const struct emu_lw_pull *pull = &unit->ram.lwm2m.pull;

	if (!pull->active || pull->asked)
		return EMU_NEVER;
	if (pull->retry_at > unit->now)
		return pull->retry_at;
	if (pull->own_session)
		return pull->session.coap && !pull->session.up ? EMU_NEVER : unit->now;
	return unit->session.up && unit->ram.lwm2m.registration == EMU_LW_IN ? unit->now
									     : EMU_NEVER;
}

/* Another image under the same URI. */
static void pull_changed(struct emu_unit *unit)
{
	struct emu_lw_pull *pull = &unit->ram.lwm2m.pull;

	if (unit->conf->lwm2m->etag_aborts || ++pull->restarts > RESTARTS_MAX) {
		emu_lwm2m_firmware_fail(unit, EMU_LW_LOST, "the image changed");
		return;
	}
	emu_unit_say(unit, true, "the image changed: download begins anew");
	if (emu_lwm2m_store_open(unit, true) != 0)
		emu_lwm2m_firmware_fail(unit, EMU_LW_FAILED, "the slot cannot be written");
}

/* False: another ETag than before. */
static bool pull_etag(struct emu_lw_store *store, const struct emu_answer *answer)
{
	if (answer->etag_len == 0)
		return true;
	if (store->etag_len > 0 && (store->etag_len != answer->etag_len ||
				    memcmp(store->etag, answer->etag, answer->etag_len) != 0))
		return false;
	store->etag_len = answer->etag_len;
	memcpy(store->etag, answer->etag, answer->etag_len);
	return true;
}

static void pull_refused(struct emu_unit *unit, const struct emu_answer *answer)
{
	uint32_t in_s = answer->has_max_age ? answer->max_age_s : BUSY_S;

	emu_unit_say(unit, true, "block: %u.%02u %.*s", answer->code / 100, answer->code % 100,
		     (int)answer->payload.len, (const char *)answer->payload.ptr);
	if (answer->code == 503 || answer->code == 429)
		pull_retry(unit, 200 + emu_rng_jitter(&unit->rng, (int64_t)in_s * 1000));
	else
		emu_lwm2m_firmware_fail(unit, answer->code == 404 ? EMU_LW_BAD_URI : EMU_LW_LOST,
					"the server refuses it");
}

/* Half of it, or all, is there when the fault strikes. */
static bool pull_fails(struct emu_unit *unit, bool more)
{
	const struct emu_fault *fail = emu_unit_fault(unit, EMU_FAULT_FAIL_DOWNLOAD);
	const struct emu_lw_store *store = &unit->ram.lwm2m.store;

	if (!fail || (more && store->have * 2 < store->size))
		return false;
	emu_lwm2m_firmware_fail(unit, (enum emu_lw_result)fail->value, "# on purpose");
	return true;
}

static void pull_block(struct emu_unit *unit, const struct emu_answer *answer)
{
	struct emu_lwm2m *lw = &unit->ram.lwm2m;
	struct emu_lw_pull *pull = &lw->pull;
	uint64_t at =
		answer->has_block ? (uint64_t)answer->block_num << (answer->block_szx + 4) : 0;
	bool more = answer->has_block && answer->block_more;
	int err;

	if (at != lw->store.have || (more && answer->payload.len != 16U << answer->block_szx)) {
		emu_lwm2m_firmware_fail(unit, EMU_LW_LOST, "a block does not fit");
		return;
	}
	if (answer->has_block && answer->block_szx < pull->szx)
		pull->szx = answer->block_szx;
	if (answer->size2 > 0)
		lw->store.size = answer->size2;
	err = lw->store.size > unit->conf->slot_size
		      ? ERR_LIMIT
		      : emu_lwm2m_store_append(unit, answer->payload);
	if (err == ERR_CLOSED)
		return;
	if (err == ERR_LIMIT)
		emu_lwm2m_firmware_fail(unit, EMU_LW_NO_SPACE, "larger than the slot");
	else if (err)
		emu_lwm2m_firmware_fail(unit, EMU_LW_FAILED, "the slot cannot be written");
	else if (pull_fails(unit, more))
		return;
	else if (!more)
		emu_lwm2m_firmware_done(unit);
	else
		emu_lwm2m_pull_tick(unit);
}

bool emu_lwm2m_pull_answer(struct emu_unit *unit, const struct emu_answer *answer)
{
	struct emu_lwm2m *lw = &unit->ram.lwm2m;
	struct emu_lw_pull *pull = &lw->pull;

	if (!pull->active || !pull->asked || answer->token != pull->token)
		return false;
	pull->asked = false;
	pull->failures = 0;
	if (answer->code != 205)
		pull_refused(unit, answer);
	else if (!pull_etag(&lw->store, answer))
		pull_changed(unit);
	else
		pull_block(unit, answer);
	return true;
}
