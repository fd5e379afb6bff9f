/* SPDX-License-Identifier: Apache-2.0
 *
 * What a directive means for this device: pending, refuse, defer, begin, go on, drop; and what
 * happens once the gate is open.
 */
#include "emu/unit.h"

#include <string.h>

enum {
	RESET_DELAY_MS = 100,
	CODE_DISABLED = -1380,
	CODE_TOO_BIG = -190,
	CODE_CRITICAL = -130,
	CODE_DIGEST = -1331,
	CODE_BUSY = -16
};

void emu_update_last(struct emu_unit *unit, enum emu_stage stage, enum emu_reason reason,
		     int64_t code, const char *detail)
{
	struct emu_last_attempt *last = &unit->nvram.last;

	last->attempt = unit->ram.directive.attempt;
	last->stage = stage;
	last->reason = reason;
	last->code = code;
	(void)buf_copy_str(last->detail, sizeof(last->detail), detail);
	emu_unit_save_nvram(unit);
}

void emu_update_fail(struct emu_unit *unit, enum emu_status_state state, enum emu_reason reason,
		     int64_t code, const char *detail)
{
	emu_unit_say(unit, true, "update %s: %s (%s)", emu_status_name(state),
		     emu_reason_name(reason), detail);
	if (state == EMU_STATUS_FAILED)
		emu_update_last(unit, EMU_STAGE_DOWNLOADING, reason, code, detail);
	unit->ram.update = EMU_UPDATE_ENDING;
	emu_status_push_end(unit, state, reason, code, detail, 0);
	emu_download_stop(&unit->ram.dl);
}

void emu_update_drop(struct emu_unit *unit, bool erase, const char *why)
{
	if (unit->ram.update == EMU_UPDATE_IDLE || unit->ram.update == EMU_UPDATE_HANDED)
		return;
	emu_unit_say(unit, true, "update withdrawn: %s", why);
	emu_download_stop(&unit->ram.dl);
	emu_status_clear(unit);
	unit->ram.update = EMU_UPDATE_IDLE;
	if (erase)
		emu_transfer_clear(unit);
	emu_unit_event(unit, EMU_EVENT_WITHDRAWN);
}

void emu_update_verify(struct emu_unit *unit)
{
	struct emu_ram *ram = &unit->ram;
	const struct emu_fault *bad = emu_unit_fault(unit, EMU_FAULT_BAD_FLASH);
	char path[EMU_PATH_CAP];
	uint8_t digest[32];
	uint64_t size = 0;
	int err;

	emu_flash_path(&unit->flash, EMU_SLOT_STAGED, path);
	err = emu_file_sha256(path, bad ? (int64_t)bad->value : -1, digest, &size);
	if (err || size != ram->directive.size ||
	    memcmp(digest, ram->directive.digest, sizeof(digest)) != 0) {
		emu_transfer_clear(unit);
		emu_update_fail(unit, EMU_STATUS_FAILED,
				err ? EMU_REASON_STORAGE_IO : EMU_REASON_BAD_DIGEST, CODE_DIGEST,
				"image does not read back as it should");
		return;
	}
	emu_unit_say(unit, true, "image verified, sha256 %02x%02x%02x%02x...", digest[0], digest[1],
		     digest[2], digest[3]);
	ram->update = EMU_UPDATE_VERIFIED;
	emu_update_last(unit, EMU_STAGE_VERIFIED, EMU_REASON_NONE, 0, "");
	emu_unit_event(unit, EMU_EVENT_VERIFIED);
	emu_status_push(unit, EMU_STATUS_VERIFIED);
}

/* The record is written and, like the real device does, nobody looks at the result. */
static void update_hand_over(struct emu_unit *unit)
{
	struct emu_record record = {.size = (uint32_t)unit->ram.directive.size};
	enum emu_fs_result result;

	emu_update_last(unit, EMU_STAGE_HANDED, EMU_REASON_NONE, 0, "");
	unit->nvram.applied = unit->ram.directive.attempt;
	emu_unit_save_nvram(unit);
	memcpy(record.digest, unit->ram.directive.digest, sizeof(record.digest));
	emu_unit_check_space(unit);
	result = emu_boot_request(&unit->fs, &record);
	if (result != EMU_FS_SAVED)
		emu_unit_say(unit, true,
			     "# file system full: the staged-update record is lost at %s, "
			     "and the device does not notice",
			     result == EMU_FS_LOST_AT_WRITE ? "write" : "close");
}

static void gate_lie(struct emu_unit *unit, uint64_t word)
{
	struct emu_ram *ram = &unit->ram;

	if (word == EMU_LIAR_OLD_IMAGE) {
		emu_unit_say(unit, true, "# liar: resets without handing the image over");
		unit->nvram.last = (struct emu_last_attempt){.attempt = ram->directive.attempt,
							     .stage = EMU_STAGE_HANDED};
		unit->nvram.applied = ram->directive.attempt;
		emu_unit_save_nvram(unit);
		emu_unit_reset_at(unit, EMU_RESET_UPDATE, unit->now + RESET_DELAY_MS);
		return;
	}
	emu_unit_say(unit, true, "# liar: claims %s without a reboot", ram->directive.version);
	emu_update_last(unit, EMU_STAGE_HANDED, EMU_REASON_NONE, 0, "");
	ram->lie = true;
	ram->lie_image = (struct emu_image){.has_digest = true, .confirmed = true};
	memcpy(ram->lie_image.version, ram->directive.version, sizeof(ram->lie_image.version));
	memcpy(ram->lie_image.digest, ram->directive.digest, sizeof(ram->lie_image.digest));
	emu_unit_soon(unit, 0);
}

void emu_update_open_gate(struct emu_unit *unit)
{
	struct emu_ram *ram = &unit->ram;
	const struct emu_fault *liar = emu_unit_fault(unit, EMU_FAULT_LIAR);

	ram->update = EMU_UPDATE_HANDED;
	ram->handed_attempt = ram->directive.attempt;
	emu_unit_event(unit, EMU_EVENT_APPLYING);
	if (liar) {
		gate_lie(unit, liar->value);
		return;
	}
	if (emu_unit_fire(unit, EMU_FAULT_BROWN_OUT, EMU_BROWN_OUT_BEFORE)) {
		emu_unit_say(unit, true, "brown-out before the hand-over");
		emu_unit_reset_at(unit, EMU_RESET_BROWN_OUT, unit->now);
		return;
	}
	emu_unit_say(unit, true, "applying %s: handed over to the boot loader",
		     ram->directive.version);
	update_hand_over(unit);
	if (emu_unit_fire(unit, EMU_FAULT_BROWN_OUT, EMU_BROWN_OUT_AFTER)) {
		emu_unit_say(unit, true, "brown-out after the hand-over");
		emu_unit_reset_at(unit, EMU_RESET_BROWN_OUT, unit->now);
	} else if (emu_unit_fault(unit, EMU_FAULT_NEVER_RETURN)) {
		emu_session_close(&unit->session, false);
		ram->phase = EMU_PHASE_SILENT;
		emu_unit_say(unit, true, "# the device is gone for ever");
		emu_unit_event(unit, EMU_EVENT_SILENT);
	} else if (emu_unit_fault(unit, EMU_FAULT_NEVER_REBOOT)) {
		emu_unit_say(unit, true, "reset is blocked by the application");
		emu_unit_soon(unit, 0);
	} else {
		emu_unit_reset_at(unit, EMU_RESET_UPDATE, unit->now + RESET_DELAY_MS);
	}
}

/* True when the device will not do it now; the server is told why. */
static bool offer_refused(struct emu_unit *unit, const struct emu_directive *d)
{
	const struct emu_fault *defer = emu_unit_fault(unit, EMU_FAULT_DEFER);

	if (d->critical) {
		emu_update_fail(unit, EMU_STATUS_REFUSED, EMU_REASON_UNSUPPORTED, CODE_CRITICAL,
				"critical part of the directive not understood");
		return true;
	}
	if (emu_unit_fault(unit, EMU_FAULT_UPDATES_DISABLED) && !(d->flags & EMU_FLAG_FORCE)) {
		emu_update_fail(unit, EMU_STATUS_REFUSED, EMU_REASON_UPDATES_DISABLED,
				CODE_DISABLED, "the application has disabled updates");
		return true;
	}
	if (d->size > unit->conf->slot_size) {
		emu_update_fail(unit, EMU_STATUS_REFUSED, EMU_REASON_NO_SPACE, CODE_TOO_BIG,
				"image larger than the slot");
		return true;
	}
	if (!defer)
		return false;
	if (unit->defer_until == 0)
		unit->defer_until = unit->now + (int64_t)defer->value * 1000;
	if (unit->now >= unit->defer_until)
		return false;
	emu_unit_say(unit, true, "update deferred by the application");
	unit->ram.update = EMU_UPDATE_ENDING;
	emu_status_push_end(unit, EMU_STATUS_DEFERRED, EMU_REASON_DEFERRED, CODE_BUSY,
			    "the application is busy",
			    (uint64_t)(unit->defer_until - unit->now + 999) / 1000);
	return true;
}

static void update_offer(struct emu_unit *unit, const struct emu_directive *d)
{
	struct emu_ram *ram = &unit->ram;

	ram->directive = *d;
	ram->start_offset = 0;
	ram->dl_restarts = 0;
	emu_status_clear(unit);
	emu_unit_say(unit, true, "update %s offered, %llu bytes%s%s",
		     d->version[0] ? d->version : "?", (unsigned long long)d->size,
		     d->flags & EMU_FLAG_FRESH ? ", fresh" : "",
		     d->flags & EMU_FLAG_FORCE ? ", forced" : "");
	emu_unit_event(unit, EMU_EVENT_OFFERED);
	if (!offer_refused(unit, d))
		emu_transfer_begin(unit);
}

/* The same attempt again: go on where we are, and ask again what got no answer. */
static void update_again(struct emu_unit *unit, const struct emu_directive *d)
{
	struct emu_ram *ram = &unit->ram;

	ram->directive.window = d->window;
	if (ram->status_have)
		return;
	if (ram->update == EMU_UPDATE_VERIFIED)
		emu_status_push(unit, EMU_STATUS_VERIFIED);
	else if (ram->update == EMU_UPDATE_GATE)
		emu_status_push(unit, EMU_STATUS_APPLYING);
	else if (ram->update == EMU_UPDATE_ENDING)
		ram->status_have = true;
}

/* After its reboot the liar goes on as if the old claims were still true. */
static bool update_lies_on(struct emu_unit *unit, const struct emu_directive *d)
{
	const struct emu_fault *liar = emu_unit_fault(unit, EMU_FAULT_LIAR);

	if (!liar || liar->value != EMU_LIAR_OLD_IMAGE || unit->nvram.last.attempt != d->attempt ||
	    unit->nvram.last.stage != EMU_STAGE_HANDED)
		return false;
	unit->ram.directive = *d;
	unit->ram.update = EMU_UPDATE_VERIFIED;
	emu_unit_say(unit, true, "# liar: claims verified and applying again");
	emu_status_push(unit, EMU_STATUS_VERIFIED);
	return true;
}

static void update_none(struct emu_unit *unit, const struct emu_directive *d)
{
	struct emu_ram *ram = &unit->ram;

	/* A status that waits for its answer will hear 4.09 itself. */
	if (ram->update != EMU_UPDATE_IDLE && ram->update != EMU_UPDATE_HANDED &&
	    ram->status_token == 0)
		emu_update_drop(unit, false, "no longer offered");
	if (d->action != EMU_ACTION_PENDING)
		return;
	emu_unit_say(unit, true, "an update%s%s is pending: the user is told",
		     d->version[0] ? " to " : "", d->version);
	emu_unit_event(unit, EMU_EVENT_PENDING);
}

void emu_update_directive(struct emu_unit *unit, const struct emu_directive *directive)
{
	struct emu_ram *ram = &unit->ram;

	if (unit->clone || ram->reset_at != EMU_NEVER)
		return;
	if (directive->critical && directive->attempt == 0) {
		emu_unit_say(unit, true,
			     "# directive with an unknown critical part is not followed");
		return;
	}
	if (!directive->critical && directive->action != EMU_ACTION_UPDATE) {
		update_none(unit, directive);
		return;
	}
	if (directive->attempt == ram->handed_attempt)
		return;
	if (ram->update != EMU_UPDATE_IDLE && directive->attempt == ram->directive.attempt) {
		update_again(unit, directive);
		return;
	}
	if (update_lies_on(unit, directive))
		return;
	if (ram->update != EMU_UPDATE_IDLE)
		emu_update_drop(unit, false, "another update is offered");
	update_offer(unit, directive);
}
