/* SPDX-License-Identifier: Apache-2.0
 *
 * The download: blocks go to raw flash; how far it got goes to `fw_transfer' in the small file
 * system, so with a full one a device starts over after each power cut and does not say why.
 */
#include "emu/unit.h"

#include <string.h>

#define RESUME_FILE "fw_transfer"

enum {
	RESUME_MAGIC = 0x50427278,
	RESUME_SIZE = 4 + 8 + 8 + 32,
	SAVE_EVERY = 16384,
	RESTARTS_MAX = 3,
	DEFAULT_PAUSE_S = 5,
	CODE_RANGE = -1351,
	CODE_IO = -219
};

static bool resume_load(const struct emu_unit *unit, uint8_t digest[32], uint64_t *ret_size,
			uint64_t *ret_have)
{
	uint8_t record[RESUME_SIZE + 1];
	size_t len;
	struct buf in;
	struct bytes bytes;

	if (emu_fs_load(&unit->fs, RESUME_FILE, record, sizeof(record), &len) != 0 ||
	    len != RESUME_SIZE)
		return false;
	in = buf_reader(record, len);
	if (buf_get_u32(&in) != RESUME_MAGIC)
		return false;
	*ret_size = buf_get_u64(&in);
	*ret_have = buf_get_u64(&in);
	bytes = buf_get_bytes(&in, 32);
	memcpy(digest, bytes.ptr, 32);
	return *ret_have <= *ret_size;
}

static void resume_save(struct emu_unit *unit, uint64_t have)
{
	uint8_t record[RESUME_SIZE];
	struct buf out = buf_writer(record, sizeof(record));

	buf_put_u32(&out, RESUME_MAGIC);
	buf_put_u64(&out, unit->ram.directive.size);
	buf_put_u64(&out, have);
	buf_put_bytes(&out, unit->ram.directive.digest, 32);
	/* A failure is not critical, says the device, and does not tell. */
	(void)emu_fs_save(&unit->fs, RESUME_FILE, record, out.pos);
	unit->ram.dl_saved = have;
}

bool emu_transfer_cached(struct emu_unit *unit, uint8_t digest[32], uint64_t *ret_size)
{
	char path[EMU_PATH_CAP];
	uint64_t have;
	uint64_t size;

	emu_flash_path(&unit->flash, EMU_SLOT_STAGED, path);
	return resume_load(unit, digest, ret_size, &have) && have == *ret_size &&
	       emu_file_size(path, &size) == 0 && size == have;
}

void emu_transfer_clear(struct emu_unit *unit)
{
	emu_fs_remove(&unit->fs, RESUME_FILE);
	emu_slot_erase(&unit->flash, EMU_SLOT_STAGED);
}

/* Bytes of this very image that an earlier boot has left, 0 if it may not be used. */
static uint64_t transfer_resume(struct emu_unit *unit)
{
	const struct emu_directive *d = &unit->ram.directive;
	bool cached = emu_unit_fault(unit, EMU_FAULT_CACHED) != NULL;
	char path[EMU_PATH_CAP];
	uint8_t digest[32];
	uint64_t size;
	uint64_t have;
	uint64_t there;

	if (!cached && ((d->flags & EMU_FLAG_FRESH) || !(d->flags & EMU_FLAG_RESUME)))
		return 0;
	if (!resume_load(unit, digest, &size, &have) || size != d->size ||
	    memcmp(digest, d->digest, sizeof(digest)) != 0)
		return 0;
	emu_flash_path(&unit->flash, EMU_SLOT_STAGED, path);
	if (emu_file_size(path, &there) != 0 || there < have)
		return 0;
	return have;
}

static unsigned transfer_szx(const struct emu_unit *unit)
{
	uint64_t block = unit->conf->block;
	unsigned szx = 0;

	if (unit->ram.directive.block >= 16 && unit->ram.directive.block < block)
		block = unit->ram.directive.block;
	while (szx < 6 && (uint64_t)32 << szx <= block)
		szx++;
	return szx;
}

static uint32_t transfer_window(const struct emu_unit *unit)
{
	uint64_t hint = unit->ram.directive.window;

	return hint > 0 && hint < unit->conf->window ? (uint32_t)hint : unit->conf->window;
}

static bool transfer_stage(struct emu_unit *unit)
{
	struct emu_image image = {
		.size = unit->ram.directive.size,
		.attempt = unit->ram.directive.attempt,
		.has_digest = true,
	};

	memcpy(image.version, unit->ram.directive.version, sizeof(image.version));
	memcpy(image.digest, unit->ram.directive.digest, sizeof(image.digest));
	if (image.version[0] == '\0')
		(void)buf_copy_str(image.version, sizeof(image.version), "?");
	return emu_image_save(&unit->flash, EMU_SLOT_STAGED, &image) == 0;
}

static void transfer_io(struct emu_unit *unit)
{
	emu_update_fail(unit, EMU_STATUS_FAILED, EMU_REASON_STORAGE_IO, CODE_IO,
			"the staged slot cannot be written");
}

static void transfer_open(struct emu_unit *unit, uint64_t offset)
{
	struct emu_ram *ram = &unit->ram;
	char path[EMU_PATH_CAP];
	int err;

	if (offset == 0)
		emu_transfer_clear(unit);
	emu_flash_path(&unit->flash, EMU_SLOT_STAGED, path);
	err = transfer_stage(unit) ? emu_download_start(&ram->dl, path, ram->directive.size, offset,
							transfer_szx(unit), transfer_window(unit))
				   : ERR_IO;
	if (err == ERR_RANGE) {
		emu_update_fail(unit, EMU_STATUS_REFUSED, EMU_REASON_NO_SPACE, CODE_RANGE,
				"too many blocks of this size");
		return;
	}
	if (err) {
		transfer_io(unit);
		return;
	}
	ram->update = EMU_UPDATE_DOWNLOAD;
	ram->start_offset = ram->dl.start;
	ram->dl_saved = ram->dl.have;
	ram->dl_started_at = unit->now;
	ram->dl_pause_until = 0;
	ram->dl_quarter = (unsigned)(ram->dl.have * 4 / ram->dl.size);
	if (offset == 0)
		resume_save(unit, 0);
}

void emu_transfer_begin(struct emu_unit *unit)
{
	struct emu_ram *ram = &unit->ram;
	uint64_t offset = transfer_resume(unit);

	emu_update_last(unit, EMU_STAGE_DOWNLOADING, EMU_REASON_NONE, 0, "");
	if (offset == ram->directive.size) {
		/* The bytes are hashed again, so it is an honest cache hit. The slot's header
		 * names the attempt that will have handed it over. */
		emu_unit_say(unit, true, "image is cached: nothing to download");
		emu_unit_event(unit, EMU_EVENT_CACHED);
		ram->start_offset = offset;
		if (transfer_stage(unit))
			emu_update_verify(unit);
		else
			transfer_io(unit);
		return;
	}
	transfer_open(unit, offset);
	if (ram->update != EMU_UPDATE_DOWNLOAD)
		return;
	if (ram->start_offset > 0) {
		emu_unit_say(unit, true, "download goes on at byte %llu",
			     (unsigned long long)ram->start_offset);
		emu_unit_event(unit, EMU_EVENT_RESUMED);
	}
	emu_status_push(unit, EMU_STATUS_DOWNLOADING);
}

void emu_transfer_tick(struct emu_unit *unit)
{
	struct emu_ram *ram = &unit->ram;
	struct emu_get get = {.path = ram->directive.path};
	char query[LIMIT_DEVICE_ID + 8];
	uint32_t num;

	if (ram->update != EMU_UPDATE_DOWNLOAD || ram->dl.fd < 0 || !ram->session_reported ||
	    unit->now < ram->dl_pause_until || ram->phase != EMU_PHASE_UP)
		return;
	get.query = emu_unit_query(unit, query, sizeof(query));
	get.token = emu_unit_token(unit);
	while (emu_download_next(&ram->dl, get.token, &num)) {
		get.block_num = num;
		get.block_szx = (int)ram->dl.szx;
		if (emu_session_get(&unit->session, &get) != 0) {
			emu_unit_drop_session(unit, "cannot send", false);
			return;
		}
		get.token = emu_unit_token(unit);
	}
}

void emu_transfer_lost(struct emu_unit *unit)
{
	if (unit->ram.dl.fd >= 0)
		emu_download_forget(&unit->ram.dl);
}

static void transfer_restart(struct emu_unit *unit)
{
	if (++unit->ram.dl_restarts > RESTARTS_MAX) {
		emu_update_fail(unit, EMU_STATUS_FAILED, EMU_REASON_BAD_DIGEST, CODE_RANGE,
				"the image keeps changing under the download");
		return;
	}
	emu_unit_say(unit, true, "the image changed: download begins anew");
	transfer_open(unit, 0);
}

static void transfer_progress(struct emu_unit *unit, bool done)
{
	struct emu_ram *ram = &unit->ram;
	unsigned quarter = (unsigned)(ram->dl.received * 4 / ram->dl.size);

	emu_console_bar(unit->console, unit->now, ram->dl.received, ram->dl.size,
			unit->now - ram->dl_started_at);
	if (done || ram->dl.have >= ram->dl_saved + SAVE_EVERY)
		resume_save(unit, ram->dl.have);
	if (quarter > ram->dl_quarter && !done) {
		ram->dl_quarter = quarter;
		if (!unit->console->terminal)
			emu_unit_say(unit, false, "downloaded %llu of %llu bytes",
				     (unsigned long long)ram->dl.received,
				     (unsigned long long)ram->dl.size);
		emu_status_push(unit, EMU_STATUS_DOWNLOADING);
	}
}

static void transfer_stored(struct emu_unit *unit, bool done)
{
	struct emu_ram *ram = &unit->ram;

	if (emu_unit_fire(unit, EMU_FAULT_POWER_CUT, ram->dl.received)) {
		emu_unit_say(unit, true, "power cut at byte %llu",
			     (unsigned long long)ram->dl.received);
		emu_unit_reset_at(unit, EMU_RESET_POWER_ON, unit->now);
		return;
	}
	transfer_progress(unit, done);
	if (!done) {
		emu_transfer_tick(unit);
		return;
	}
	emu_unit_say(unit, true, "download complete: %llu bytes in %lld ms",
		     (unsigned long long)(ram->dl.size - ram->dl.start),
		     (long long)(unit->now - ram->dl_started_at));
	emu_download_stop(&ram->dl);
	emu_update_verify(unit);
}

static void transfer_refused(struct emu_unit *unit, const struct emu_answer *answer)
{
	struct emu_ram *ram = &unit->ram;
	uint32_t in_s = answer->has_max_age ? answer->max_age_s : DEFAULT_PAUSE_S;

	emu_download_release(&ram->dl, answer->token);
	if (answer->code == 503 || answer->code == 429) {
		ram->dl_pause_until =
			unit->now + 200 + emu_rng_jitter(&unit->rng, (int64_t)in_s * 1000);
		return;
	}
	emu_unit_say(unit, true, "block: %u.%02u %.*s", answer->code / 100, answer->code % 100,
		     (int)answer->payload.len, (const char *)answer->payload.ptr);
	if (answer->code / 100 == 4) {
		emu_update_drop(unit, true, "the image is not for us");
		emu_report_soon(unit, 0);
		return;
	}
	ram->dl_pause_until = unit->now + (int64_t)DEFAULT_PAUSE_S * 1000;
}

bool emu_transfer_answer(struct emu_unit *unit, const struct emu_answer *answer)
{
	struct emu_ram *ram = &unit->ram;
	enum emu_block_result result;

	if (ram->dl.fd < 0 || !emu_download_owns(&ram->dl, answer->token))
		return false;
	if (answer->code != 205) {
		transfer_refused(unit, answer);
		return true;
	}
	result = emu_download_block(
		&ram->dl, answer->token, answer->has_block ? answer->block_num : 0,
		answer->has_block ? answer->block_szx : ram->dl.szx, answer->payload.ptr,
		answer->payload.len, answer->etag, answer->etag_len);
	switch (result) {
	case EMU_BLOCK_MORE:
	case EMU_BLOCK_DONE:
		transfer_stored(unit, result == EMU_BLOCK_DONE);
		break;
	case EMU_BLOCK_IGNORED:
		emu_transfer_tick(unit);
		break;
	case EMU_BLOCK_CHANGED:
		transfer_restart(unit);
		break;
	case EMU_BLOCK_BAD:
		emu_update_fail(unit, EMU_STATUS_FAILED, EMU_REASON_OTHER, CODE_RANGE,
				"a block does not fit the image");
		break;
	case EMU_BLOCK_IO:
		transfer_io(unit);
		break;
	}
	return true;
}
