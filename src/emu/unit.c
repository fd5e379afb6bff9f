/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/unit.h"

#include "emu/journal.h"
#include "emu/text.h"

#include <openssl/rand.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

enum {
	SPACE_CHECK_MS = 500,
	HANDSHAKE_TIMEOUTS = 15,
	BACKOFF_MAX_MS = 60000,
	CRASH_AFTER_MS = 100
};

void emu_unit_say(struct emu_unit *unit, bool key, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	emu_console_line(unit->console, unit->now, unit->key->id, key, "%s%s",
			 unit->clone ? "(clone) " : "", text);
}

void emu_unit_event(struct emu_unit *unit, enum emu_event event)
{
	const struct emu_until *until = &unit->conf->until[unit->until_pos];

	emu_journal_event(unit->console->journal, unit, event);
	if (unit->until_pos < unit->conf->until_len && until->is_event && until->event == event)
		unit->until_pos++;
	/* After each event that could be the last thing missing: does the version asked for run? */
	until = &unit->conf->until[unit->until_pos];
	if (event == EMU_EVENT_CONFIRMED && unit->until_pos < unit->conf->until_len &&
	    !until->is_event && strcmp(until->version, unit->ram.running.version) == 0)
		unit->until_pos++;
}

bool emu_unit_reached(const struct emu_unit *unit)
{
	return unit->clone || unit->until_pos >= unit->conf->until_len;
}

const struct emu_fault *emu_unit_fault(const struct emu_unit *unit, enum emu_fault_kind kind)
{
	return unit->clone ? NULL : emu_fault_find(&unit->conf->faults, unit->key->faults, kind);
}

bool emu_unit_fire(struct emu_unit *unit, enum emu_fault_kind kind, uint64_t value)
{
	if (unit->clone)
		return false;
	for (size_t i = 0; i < unit->conf->faults.len; i++) {
		const struct emu_fault *fault = &unit->conf->faults.list[i];

		if (fault->kind != kind || fault->value > value ||
		    ((unit->fired | ~unit->key->faults) >> i & 1) != 0)
			continue;
		unit->fired |= 1U << i;
		return true;
	}
	return false;
}

void emu_unit_save_nvram(struct emu_unit *unit)
{
	int err = emu_nvram_save(&unit->flash, &unit->nvram);

	if (err)
		emu_unit_say(unit, true, "# state folder: %s", err_text(err));
}

uint32_t emu_unit_token(struct emu_unit *unit)
{
	unit->ram.token++;
	if (unit->ram.token == 0)
		unit->ram.token++;
	return unit->ram.token;
}

const char *emu_unit_query(const struct emu_unit *unit, char *dst, size_t cap)
{
	if (unit->conf->dtls)
		return NULL; /* the session says who we are */
	snprintf(dst, cap, "ep=%s", unit->key->id);
	return dst;
}

enum emu_format emu_unit_format(const struct emu_unit *unit)
{
	return unit->conf->json ? EMU_JSON : EMU_CBOR;
}

void emu_unit_reset_at(struct emu_unit *unit, enum emu_reset reset, int64_t at_ms)
{
	if (at_ms >= unit->ram.reset_at)
		return;
	unit->ram.reset_at = at_ms;
	unit->ram.reset_wanted = reset;
}

void emu_unit_soon(struct emu_unit *unit, int64_t in_ms)
{
	unit->protocol->soon(unit, in_ms);
}

/* Rule 3: jitter, growing with each failure in a row. */
static void unit_wait(struct emu_unit *unit)
{
	unsigned shift = unit->ram.failures < 6 ? unit->ram.failures : 6;
	int64_t base = (int64_t)(unit->conf->ack_timeout_ms / 2 + 1) << shift;

	if (base > BACKOFF_MAX_MS)
		base = BACKOFF_MAX_MS;
	unit->ram.failures++;
	unit->ram.phase = EMU_PHASE_WAIT;
	unit->ram.phase_until =
		unit->now + base / 2 + (int64_t)(emu_rng_next(&unit->rng) % (uint64_t)base);
}

void emu_unit_drop_session(struct emu_unit *unit, const char *why, bool graceful)
{
	emu_session_close(&unit->session, graceful);
	unit->protocol->lost(unit);
	unit_wait(unit);
	if (why)
		emu_unit_say(unit, false, "session lost: %s, again in %lld ms", why,
			     (long long)(unit->ram.phase_until - unit->now));
}

static void unit_on_up(void *arg)
{
	struct emu_unit *unit = arg;

	unit->ram.phase = EMU_PHASE_UP;
	if (unit->ram.had_session)
		emu_unit_event(unit, EMU_EVENT_RECONNECTED);
	unit->ram.had_session = true;
	emu_unit_say(unit, false, "session up");
	unit->protocol->session(unit);
}

static void unit_on_down(void *arg, const char *why)
{
	emu_unit_drop_session(arg, why, false);
}

static void unit_on_answer(void *arg, const struct emu_answer *answer)
{
	struct emu_unit *unit = arg;

	if (unit->ram.reset_at <= unit->now)
		return; /* the processor has stopped already */
	unit->protocol->answer(unit, answer);
}

static void unit_on_request(void *arg, const struct emu_request *request, struct emu_reply *reply)
{
	struct emu_unit *unit = arg;

	if (unit->protocol->request && unit->ram.reset_at > unit->now)
		unit->protocol->request(unit, request, reply);
}

static void unit_on_unwanted(void *arg, uint16_t mid)
{
	struct emu_unit *unit = arg;

	if (unit->protocol->unwanted)
		unit->protocol->unwanted(unit, mid);
}

static const struct emu_session_ops unit_ops = {
	.up = unit_on_up,
	.down = unit_on_down,
	.answer = unit_on_answer,
	.request = unit_on_request,
	.unwanted = unit_on_unwanted,
};

struct emu_session_conf emu_unit_session(const struct emu_unit *unit)
{
	return (struct emu_session_conf){
		.dtls = unit->conf->dtls,
		.identity = unit->key->id,
		.psk = unit->key->psk,
		.psk_len = unit->key->psk_len,
		.cert = unit->conf->cert,
		.cert_key = unit->conf->cert_key,
		.ca = unit->conf->ca,
		.ack_timeout_ms = unit->conf->ack_timeout_ms,
		.max_retransmit = unit->conf->max_retransmit,
		.nstart = 1,
	};
}

static void unit_connect(struct emu_unit *unit)
{
	struct emu_session_conf conf = emu_unit_session(unit);

	conf.server = unit->link ? unit->link->local : unit->conf->server;
	conf.local_port = unit->conf->local_port;
	conf.nstart = (uint16_t)(EMU_WINDOW_MAX + 4);
	unit->ram.phase = EMU_PHASE_CONNECT;
	unit->ram.phase_until =
		unit->now + (int64_t)HANDSHAKE_TIMEOUTS * unit->conf->ack_timeout_ms;
	if (emu_session_open(&unit->session, unit->ctx, &conf, &unit_ops, unit) != 0)
		emu_unit_drop_session(unit, "no socket", false);
}

/* The application's logs: at their usual size, or as greedy as the fault says. */
static void unit_logs(struct emu_unit *unit)
{
	const struct emu_fault *full = emu_unit_fault(unit, EMU_FAULT_FS_FULL);

	if (full && !unit->freed)
		emu_fs_fill(&unit->fs, (uint32_t)full->value, "fw_transfer");
	else
		emu_fs_set_logs(&unit->fs, EMU_FS_LOGS);
}

static bool unit_installed(const struct emu_unit *unit)
{
	return unit->ram.running.attempt == unit->nvram.applied;
}

static void unit_say_boot_loader(struct emu_unit *unit, enum emu_boot_result result)
{
	if (result == EMU_BOOT_ROLLED_BACK)
		emu_unit_say(unit, true, "boot loader: went back to %s", unit->ram.running.version);
	else if (result == EMU_BOOT_REJECTED && unit->nvram.applied)
		emu_unit_say(unit, true, "boot loader: staged image rejected");
	else if (result == EMU_BOOT_NOTHING && unit->nvram.applied && !unit_installed(unit))
		emu_unit_say(unit, true, "boot loader: nothing to do");
}

static void unit_judge_boot(struct emu_unit *unit)
{
	bool installed = unit_installed(unit);

	if (unit->nvram.applied == 0)
		return;
	unit->nvram.applied = 0;
	unit->ram.handed_before = true;
	unit->ram.installed = installed;
	emu_unit_event(unit, installed ? EMU_EVENT_UPDATED : EMU_EVENT_REVERTED);
}

static void unit_load_running(struct emu_unit *unit)
{
	struct emu_ram *ram = &unit->ram;
	const struct emu_fault *label = emu_unit_fault(unit, EMU_FAULT_WRONG_LABEL);
	char path[EMU_PATH_CAP];
	char stamp[LIMIT_VERSION + 1];
	int err = emu_image_load(&unit->flash, EMU_SLOT_ACTIVE, &ram->running);

	if (err)
		emu_unit_say(unit, true, "# slot-active: %s", err_text(err));
	emu_flash_path(&unit->flash, EMU_SLOT_ACTIVE, path);
	ram->running.has_digest =
		emu_file_sha256(path, -1, ram->running.digest, &ram->running.size) == 0;
	if (emu_slot_stamp(&unit->flash, EMU_SLOT_ACTIVE, stamp))
		memcpy(ram->running.version, stamp, sizeof(stamp));
	if (ram->running.attempt == 0)
		return;
	if (label)
		(void)buf_copy_str(ram->running.version, sizeof(ram->running.version), label->text);
	if (emu_unit_fault(unit, EMU_FAULT_WRONG_DIGEST))
		ram->running.digest[0] ^= 0xffU;
}

/* An image that runs needs no cached copy of itself. */
static void unit_drop_own_cache(struct emu_unit *unit)
{
	uint8_t cached[32];
	uint64_t size;

	if (unit->ram.running.has_digest && emu_transfer_cached(unit, cached, &size) &&
	    memcmp(cached, unit->ram.running.digest, sizeof(cached)) == 0)
		emu_transfer_clear(unit);
}

static void unit_boot(struct emu_unit *unit)
{
	struct emu_ram *ram = &unit->ram;
	const struct emu_fault *rollback = emu_unit_fault(unit, EMU_FAULT_ROLLBACK_AFTER);
	const struct emu_fault *loss = emu_unit_fault(unit, EMU_FAULT_POWER_LOSS);
	struct emu_image previous;
	enum emu_boot_result result;

	result = emu_boot_run(&unit->flash, &unit->fs,
			      emu_unit_fault(unit, EMU_FAULT_BOOTLOADER_REJECT) != NULL,
			      &unit->nvram);
	unit->nvram.boot_count++;
	ram->boot_at = unit->now;
	ram->report_at = EMU_NEVER;
	if (RAND_bytes(ram->boot_id, sizeof(ram->boot_id)) != 1)
		emu_unit_say(unit, true, "# no random numbers for a boot id");
	unit_load_running(unit);
	unit_drop_own_cache(unit);
	unit_logs(unit);
	unit_say_boot_loader(unit, result);
	emu_unit_say(unit, true, "boot #%llu %02x%02x%02x%02x... app %s (%s)%s",
		     (unsigned long long)unit->nvram.boot_count, ram->boot_id[0], ram->boot_id[1],
		     ram->boot_id[2], ram->boot_id[3], ram->running.version,
		     emu_reset_name(ram->reset), ram->running.confirmed ? "" : ", on trial");
	emu_unit_event(unit, EMU_EVENT_BOOT);
	unit_judge_boot(unit);
	emu_unit_save_nvram(unit);
	if (rollback && emu_image_load(&unit->flash, EMU_SLOT_PREVIOUS, &previous) == 0)
		ram->rollback_at = unit->now + (int64_t)rollback->value * 1000;
	if (loss)
		ram->power_loss_at =
			unit->now + (int64_t)(emu_rng_next(&unit->rng) % (loss->value * 2000 + 1));
	if (unit->protocol->boot)
		unit->protocol->boot(unit);
	unit_connect(unit);
}

static void unit_ram_clear(struct emu_unit *unit)
{
	emu_download_stop(&unit->ram.dl);
	memset(&unit->ram, 0, sizeof(unit->ram));
	emu_download_init(&unit->ram.dl);
	unit->ram.report_at = EMU_NEVER;
	unit->ram.reset_at = EMU_NEVER;
	unit->ram.crash_at = EMU_NEVER;
	unit->ram.power_loss_at = EMU_NEVER;
	unit->ram.rollback_at = EMU_NEVER;
	unit->ram.bell_at = EMU_NEVER;
	unit->ram.token = (uint32_t)emu_rng_next(&unit->rng);
}

static void unit_reset(struct emu_unit *unit)
{
	enum emu_reset reset = unit->ram.reset_wanted;
	bool booted = unit->ram.boot_at != 0;

	emu_session_close(&unit->session, false);
	if (unit->protocol->reset)
		unit->protocol->reset(unit);
	memcpy(unit->old_report, unit->last_report, sizeof(unit->old_report));
	unit->old_report_len = unit->last_report_len;
	unit->last_report_len = 0;
	unit_ram_clear(unit);
	unit->ram.reset = reset;
	unit->ram.phase = EMU_PHASE_OFF;
	unit->ram.phase_until = unit->now + unit->conf->boot_ms;
	if (booted) {
		emu_unit_say(unit, true, "reset (%s)", emu_reset_name(reset));
		emu_unit_event(unit, EMU_EVENT_RESET);
	}
}

static void unit_crash(struct emu_unit *unit)
{
	const struct emu_fault *loop = emu_unit_fault(unit, EMU_FAULT_CRASH_LOOP);

	unit->nvram.crashes++;
	if (loop && loop->word && unit->nvram.crashes >= loop->value)
		unit->nvram.revert = true;
	emu_unit_save_nvram(unit);
	emu_unit_say(unit, true, "panic: the new image crashed (%llu)",
		     (unsigned long long)unit->nvram.crashes);
	emu_unit_reset_at(unit, unit->nvram.crashes % 2 ? EMU_RESET_PANIC : EMU_RESET_WATCHDOG,
			  unit->now);
}

/* Things that happen to a running device by the clock. */
static void unit_fate(struct emu_unit *unit)
{
	if (unit->now >= unit->ram.crash_at) {
		unit->ram.crash_at = EMU_NEVER;
		unit_crash(unit);
	}
	if (unit->now >= unit->ram.power_loss_at) {
		unit->ram.power_loss_at = EMU_NEVER;
		emu_unit_reset_at(unit, EMU_RESET_POWER_ON, unit->now);
	}
	if (unit->now >= unit->ram.rollback_at) {
		unit->ram.rollback_at = EMU_NEVER;
		unit->nvram.revert = true;
		emu_unit_save_nvram(unit);
		emu_unit_say(unit, true, "self test fails: going back to the previous image");
		emu_unit_reset_at(unit, EMU_RESET_SOFTWARE, unit->now);
	}
	if (unit->now >= unit->space_check_at)
		emu_unit_check_space(unit);
}

void emu_unit_check_space(struct emu_unit *unit)
{
	char path[EMU_PATH_CAP];

	if (unit->freed || !emu_unit_fault(unit, EMU_FAULT_FS_FULL))
		return;
	unit->space_check_at = unit->now + SPACE_CHECK_MS;
	if (emu_path(path, unit->flash.dir, "fs-free-now") == 0 && access(path, F_OK) == 0) {
		emu_file_remove(path);
		emu_unit_free_space(unit);
	}
}

void emu_unit_free_space(struct emu_unit *unit)
{
	unit->freed = true;
	emu_fs_set_logs(&unit->fs, EMU_FS_LOGS);
	emu_unit_say(unit, true, "user logs removed: %u of %u blocks free", emu_fs_free(&unit->fs),
		     unit->fs.blocks);
	emu_unit_soon(unit, 0);
}

/* Only after the server has answered: before, the device could not come back by itself. */
bool emu_unit_confirm(struct emu_unit *unit)
{
	struct emu_ram *ram = &unit->ram;
	const struct emu_fault *loop = emu_unit_fault(unit, EMU_FAULT_CRASH_LOOP);
	struct emu_image image;

	if (ram->running.confirmed || ram->lie)
		return false;
	if (loop && unit->nvram.crashes < loop->value) {
		ram->crash_at = unit->now + CRASH_AFTER_MS;
		return false;
	}
	if (emu_unit_fault(unit, EMU_FAULT_NO_CONFIRM))
		return false;
	if (emu_image_load(&unit->flash, EMU_SLOT_ACTIVE, &image) != 0)
		return false;
	image.confirmed = true;
	if (emu_image_save(&unit->flash, EMU_SLOT_ACTIVE, &image) != 0)
		return false;
	ram->running.confirmed = true;
	emu_unit_say(unit, true, "image %s confirmed", ram->running.version);
	return true;
}

void emu_unit_tick(struct emu_unit *unit, int64_t now_ms)
{
	struct emu_ram *ram = &unit->ram;

	unit->now = now_ms;
	if (unit->link)
		emu_link_process(unit->link, now_ms);
	if (ram->phase == EMU_PHASE_SILENT)
		return;
	if (ram->phase == EMU_PHASE_OFF) {
		if (now_ms >= ram->phase_until)
			unit_boot(unit);
	} else {
		unit_fate(unit);
	}
	if (now_ms >= ram->reset_at) {
		unit_reset(unit);
		return;
	}
	if (ram->phase == EMU_PHASE_WAIT && now_ms >= ram->phase_until)
		unit_connect(unit);
	else if (ram->phase == EMU_PHASE_CONNECT && now_ms >= ram->phase_until)
		emu_unit_drop_session(unit, "no handshake", false);
	if (ram->phase != EMU_PHASE_OFF)
		unit->protocol->tick(unit);
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t emu_unit_next_ms(const struct emu_unit *unit)
{
	const struct emu_ram *ram = &unit->ram;
	int64_t next = ram->reset_at;

	if (unit->link)
		next = sooner(next, emu_link_next_ms(unit->link));
	if (ram->phase != EMU_PHASE_SILENT) {
		next = sooner(next, ram->crash_at);
		next = sooner(next, ram->power_loss_at);
		next = sooner(next, ram->rollback_at);
	}
	if (ram->phase != EMU_PHASE_UP && ram->phase != EMU_PHASE_SILENT)
		next = sooner(next, ram->phase_until);
	if (ram->phase != EMU_PHASE_OFF && ram->phase != EMU_PHASE_SILENT)
		next = sooner(next, unit->protocol->next_ms(unit));
	if (!unit->freed && emu_unit_fault(unit, EMU_FAULT_FS_FULL))
		next = sooner(next, unit->space_check_at);
	return next;
}

void emu_unit_done(struct emu_unit *unit)
{
	if (unit->protocol && unit->protocol->leave)
		unit->protocol->leave(unit);
	emu_session_close(&unit->session, true);
	emu_download_stop(&unit->ram.dl);
	emu_link_free(unit->link);
	unit->link = NULL;
}
