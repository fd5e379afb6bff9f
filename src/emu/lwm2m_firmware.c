/* SPDX-License-Identifier: Apache-2.0
 *
 * Object 5: State and Result, the package on its way to the staged slot, and what is left of it
 * after a reset. The record of a download shares the small file system with the user's logs, as
 * the native device's does.
 */
#include "emu/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <string.h>
#include <unistd.h>

#define RESUME_FILE "fw_transfer"

enum {
	RESUME_MAGIC = 0x50426c77,
	RESUME_MAX = 4 + 8 + 4 + 8 + 2 + EMU_LW_TEXT,
	SAVE_EVERY = 16384,
	UNKNOWN_STEP = 65536,
	NO_VERSION_BYTES = 4
};

const char *emu_lwm2m_result_text(unsigned result)
{
	static const char *const texts[] = {
		"initial",
		"updated successfully",
		"not enough flash memory",
		"out of RAM",
		"connection lost",
		"integrity check failure",
		"unsupported type",
		"invalid URI",
		"update failed",
		"unsupported protocol",
		"cancelled",
		"deferred",
	};

	return result < sizeof(texts) / sizeof(texts[0]) ? texts[result] : "?";
}

static void state_set(struct emu_unit *unit, enum emu_lw_state state, unsigned result)
{
	struct emu_lwm2m *lw = &unit->ram.lwm2m;

	if (lw->state == state && lw->result == result)
		return;
	lw->state = state;
	lw->result = result;
	emu_unit_say(unit, false, "State %u, Result %u (%s)", lw->state, lw->result,
		     emu_lwm2m_result_text(lw->result));
}

static bool stuck(const struct emu_unit *unit, enum emu_lw_state state)
{
	const struct emu_fault *fault = emu_unit_fault(unit, EMU_FAULT_STUCK_STATE);

	return fault && fault->value == (uint64_t)state;
}

/* ---- the record of a download ---- */

static bool resume_load(struct emu_unit *unit, struct emu_lw_store *store, char uri[EMU_LW_TEXT])
{
	uint8_t record[RESUME_MAX + 1];
	size_t len;
	size_t uri_len;
	struct buf in;
	struct bytes bytes;

	if (emu_fs_load(&unit->fs, RESUME_FILE, record, sizeof(record), &len) != 0)
		return false;
	in = buf_reader(record, len);
	if (buf_get_u32(&in) != RESUME_MAGIC)
		return false;
	store->have = buf_get_u64(&in);
	store->size = buf_get_u32(&in);
	bytes = buf_get_bytes(&in, sizeof(store->etag));
	if (buf_ok(&in))
		memcpy(store->etag, bytes.ptr, sizeof(store->etag));
	store->etag_len = buf_get_u8(&in);
	uri_len = buf_get_u8(&in);
	bytes = buf_get_bytes(&in, uri_len);
	if (!buf_ok(&in) || store->etag_len > sizeof(store->etag))
		return false;
	memcpy(uri, bytes.ptr, uri_len);
	uri[uri_len] = '\0';
	return true;
}

static void resume_save(struct emu_unit *unit)
{
	struct emu_lwm2m *lw = &unit->ram.lwm2m;
	uint8_t record[RESUME_MAX];
	struct buf out = buf_writer(record, sizeof(record));

	buf_put_u32(&out, RESUME_MAGIC);
	buf_put_u64(&out, lw->store.have);
	buf_put_u32(&out, lw->store.size);
	buf_put_bytes(&out, lw->store.etag, sizeof(lw->store.etag));
	buf_put_u8(&out, (uint8_t)lw->store.etag_len);
	buf_put_u8(&out, (uint8_t)strlen(lw->uri));
	buf_put_str(&out, lw->uri);
	/* A failure is not critical, says the device, and does not tell. */
	(void)emu_fs_save(&unit->fs, RESUME_FILE, record, out.pos);
	lw->store.saved = lw->store.have;
}

static bool staged_has(const struct emu_unit *unit, uint64_t have)
{
	char path[EMU_PATH_CAP];
	uint64_t there;

	emu_flash_path(&unit->flash, EMU_SLOT_STAGED, path);
	return emu_file_size(path, &there) == 0 && there >= have;
}

static void package_clear(struct emu_unit *unit)
{
	emu_fs_remove(&unit->fs, RESUME_FILE);
	emu_slot_erase(&unit->flash, EMU_SLOT_STAGED);
}

/* ---- the staged slot ---- */

int emu_lwm2m_store_open(struct emu_unit *unit, bool fresh)
{
	struct emu_lwm2m *lw = &unit->ram.lwm2m;
	struct emu_lw_store old = {0};
	char path[EMU_PATH_CAP];
	char uri[EMU_LW_TEXT];

	emu_lwm2m_store_close(unit);
	lw->store = (struct emu_lw_store){.fd = -1, .started_at = unit->now};
	if (!fresh && resume_load(unit, &old, uri) && strcmp(uri, lw->uri) == 0 &&
	    staged_has(unit, old.have)) {
		old.fd = -1;
		old.started_at = unit->now;
		old.start = old.saved = old.have;
		lw->store = old;
	} else {
		package_clear(unit);
	}
	emu_flash_path(&unit->flash, EMU_SLOT_STAGED, path);
	lw->store.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (lw->store.fd < 0)
		return err_from_errno(errno);
	if (ftruncate(lw->store.fd, (off_t)lw->store.have) != 0)
		return ERR_IO;
	if (lw->store.have == 0)
		resume_save(unit);
	return 0;
}

void emu_lwm2m_store_close(struct emu_unit *unit)
{
	struct emu_lw_store *store = &unit->ram.lwm2m.store;

	if (store->fd > 0)
		close(store->fd);
	store->fd = -1;
}

static void store_progress(struct emu_unit *unit)
{
	struct emu_lw_store *store = &unit->ram.lwm2m.store;
	unsigned quarter;

	if (store->have >= store->saved + SAVE_EVERY)
		resume_save(unit);
	if (store->size > 0)
		emu_console_bar(unit->console, unit->now, store->have, store->size,
				unit->now - store->started_at);
	/* Nobody has to tell the size (RFC 7959 4). */
	quarter = (unsigned)(store->size > 0 ? store->have * 4 / store->size
					     : store->have / UNKNOWN_STEP);
	if (quarter <= store->quarter)
		return;
	store->quarter = quarter;
	if (!unit->console->terminal || store->size == 0)
		emu_unit_say(unit, false, "downloaded %llu bytes", (unsigned long long)store->have);
}

int emu_lwm2m_store_append(struct emu_unit *unit, struct bytes data)
{
	struct emu_lw_store *store = &unit->ram.lwm2m.store;

	if (store->have + data.len > unit->conf->slot_size)
		return ERR_LIMIT;
	if (pwrite(store->fd, data.ptr, data.len, (off_t)store->have) != (ssize_t)data.len)
		return ERR_IO;
	store->have += data.len;
	if (emu_unit_fire(unit, EMU_FAULT_POWER_CUT, store->have)) {
		emu_unit_say(unit, true, "power cut at byte %llu", (unsigned long long)store->have);
		emu_unit_reset_at(unit, EMU_RESET_POWER_ON, unit->now);
		return ERR_CLOSED;
	}
	store_progress(unit);
	return 0;
}

/* ---- the state machine ---- */

void emu_lwm2m_firmware_fail(struct emu_unit *unit, enum emu_lw_result result, const char *why)
{
	emu_unit_say(unit, true, "update failed: Result %u, %s (%s)", (unsigned)result,
		     emu_lwm2m_result_text(result), why);
	emu_lwm2m_pull_stop(unit);
	emu_lwm2m_store_close(unit);
	package_clear(unit);
	state_set(unit, EMU_LW_IDLE, result);
	emu_unit_event(unit, EMU_EVENT_FAILED);
}

/* The version of an image without a stamp is how its digest begins. */
static bool package_header(struct emu_unit *unit)
{
	struct emu_directive *d = &unit->ram.directive;
	struct emu_image image = {.has_digest = true};
	char path[EMU_PATH_CAP];
	uint64_t random = 0;

	memset(d, 0, sizeof(*d));
	emu_flash_path(&unit->flash, EMU_SLOT_STAGED, path);
	if (emu_file_sha256(path, -1, d->digest, &d->size) != 0)
		return false;
	if (RAND_bytes((unsigned char *)&random, sizeof(random)) != 1)
		random = emu_rng_next(&unit->rng);
	d->attempt = random >> 12 | 1; /* ours alone: the boot loader needs a name for it */
	if (!emu_slot_stamp(&unit->flash, EMU_SLOT_STAGED, d->version)) {
		struct buf out = buf_writer(d->version, sizeof(d->version) - 1);

		buf_put_hex(&out, d->digest, NO_VERSION_BYTES);
	}
	image.size = d->size;
	image.attempt = d->attempt;
	memcpy(image.version, d->version, sizeof(image.version));
	memcpy(image.digest, d->digest, sizeof(image.digest));
	return emu_image_save(&unit->flash, EMU_SLOT_STAGED, &image) == 0;
}

void emu_lwm2m_firmware_done(struct emu_unit *unit)
{
	struct emu_lwm2m *lw = &unit->ram.lwm2m;
	const struct emu_fault *bad = emu_unit_fault(unit, EMU_FAULT_BAD_FLASH);
	char path[EMU_PATH_CAP];
	uint8_t digest[32];
	uint64_t size = 0;

	lw->store.size = (uint32_t)lw->store.have;
	resume_save(unit);
	emu_lwm2m_pull_stop(unit);
	emu_lwm2m_store_close(unit);
	if (stuck(unit, EMU_LW_DOWNLOADING))
		return;
	emu_flash_path(&unit->flash, EMU_SLOT_STAGED, path);
	/* What came in against what reads back: LwM2M 1.0 to 1.2 send no digest along. */
	if (!package_header(unit) ||
	    emu_file_sha256(path, bad ? (int64_t)bad->value : -1, digest, &size) != 0 ||
	    memcmp(digest, unit->ram.directive.digest, sizeof(digest)) != 0) {
		emu_lwm2m_firmware_fail(unit, EMU_LW_INTEGRITY, "it does not read back");
		return;
	}
	emu_unit_say(unit, true, "package of %llu bytes is there: %s",
		     (unsigned long long)lw->store.have, unit->ram.directive.version);
	emu_update_last(unit, EMU_STAGE_VERIFIED, EMU_REASON_NONE, 0, "");
	state_set(unit, EMU_LW_DOWNLOADED, EMU_LW_INITIAL);
	emu_unit_event(unit, EMU_EVENT_VERIFIED);
}

static void firmware_reset(struct emu_unit *unit)
{
	bool had = unit->ram.lwm2m.state != EMU_LW_IDLE;

	emu_lwm2m_pull_stop(unit);
	emu_lwm2m_store_close(unit);
	package_clear(unit);
	unit->ram.lwm2m.uri[0] = '\0';
	state_set(unit, EMU_LW_IDLE, EMU_LW_INITIAL);
	if (!had)
		return;
	emu_unit_say(unit, true, "update withdrawn by the server");
	emu_unit_event(unit, EMU_EVENT_WITHDRAWN);
}

static void firmware_begin(struct emu_unit *unit, const char *how)
{
	emu_lwm2m_reported(unit); /* or it would not have been offered */
	emu_unit_say(unit, true, "update offered by %s", how);
	state_set(unit, EMU_LW_DOWNLOADING, EMU_LW_INITIAL);
	emu_unit_event(unit, EMU_EVENT_OFFERED);
}

unsigned emu_lwm2m_firmware_uri(struct emu_unit *unit, const char *uri)
{
	struct emu_lwm2m *lw = &unit->ram.lwm2m;

	if (lw->state == EMU_LW_UPDATING)
		return 405;
	if (*uri == '\0') {
		firmware_reset(unit);
		return 204;
	}
	if (lw->state == EMU_LW_DOWNLOADING)
		return 405;
	(void)buf_copy_str(lw->uri, sizeof(lw->uri), uri);
	firmware_begin(unit, uri);
	if (emu_unit_fault(unit, EMU_FAULT_NO_FETCH)) {
		emu_unit_say(unit, true, "# State 2, and not a byte was fetched");
		package_clear(unit);
		memset(&unit->ram.directive, 0, sizeof(unit->ram.directive));
		unit->ram.directive.attempt = 1;
		state_set(unit, EMU_LW_DOWNLOADED, EMU_LW_INITIAL);
		emu_unit_event(unit, EMU_EVENT_VERIFIED);
		return 204;
	}
	emu_lwm2m_pull_start(unit);
	return 204;
}

static void push_reply(const struct emu_request *request, struct emu_reply *reply, unsigned code,
		       unsigned szx)
{
	reply->code = code;
	reply->block1 = request->block1;
	if (reply->block1.szx > szx)
		reply->block1.szx = szx;
}

static unsigned block_szx(uint32_t block)
{
	unsigned szx = 0;

	while (szx < 6 && 32U << szx <= block)
		szx++;
	return szx;
}

/* The first block of a package opens it, whatever was there. */
static unsigned push_open(struct emu_unit *unit, const struct emu_request *request)
{
	struct emu_lwm2m *lw = &unit->ram.lwm2m;

	if (lw->state != EMU_LW_IDLE && lw->state != EMU_LW_DOWNLOADING)
		return 405;
	lw->uri[0] = '\0';
	firmware_begin(unit, "push");
	if (request->size1 > unit->conf->slot_size) {
		emu_lwm2m_firmware_fail(unit, EMU_LW_NO_SPACE, "larger than the slot");
		return 413;
	}
	if (emu_lwm2m_store_open(unit, true) != 0) {
		emu_lwm2m_firmware_fail(unit, EMU_LW_FAILED, "the slot cannot be written");
		return 500;
	}
	lw->store.size = request->size1;
	return 0;
}

static unsigned push_take(struct emu_unit *unit, const struct emu_request *request)
{
	struct emu_lwm2m *lw = &unit->ram.lwm2m;
	uint64_t at = (uint64_t)request->block1.num << (request->block1.szx + 4);
	const struct emu_fault *fail = emu_unit_fault(unit, EMU_FAULT_FAIL_DOWNLOAD);
	unsigned code = at == 0 ? push_open(unit, request) : 0;
	int err;

	if (code != 0)
		return code;
	if (lw->state != EMU_LW_DOWNLOADING || lw->store.fd < 0 || at != lw->store.have)
		return 408;
	err = emu_lwm2m_store_append(unit, request->payload);
	if (err == ERR_CLOSED)
		return 0;
	if (err == ERR_LIMIT) {
		emu_lwm2m_firmware_fail(unit, EMU_LW_NO_SPACE, "larger than the slot");
		return 413;
	}
	if (err) {
		emu_lwm2m_firmware_fail(unit, EMU_LW_FAILED, "the slot cannot be written");
		return 500;
	}
	/* Neither a URI nor its protocol is at fault in a push. */
	if (fail && fail->value != EMU_LW_BAD_URI && fail->value != EMU_LW_PROTOCOL &&
	    !request->block1.more) {
		emu_lwm2m_firmware_fail(unit, (enum emu_lw_result)fail->value, "# on purpose");
		return 500;
	}
	return request->block1.more ? 231 : 204;
}

void emu_lwm2m_firmware_push(struct emu_unit *unit, const struct emu_request *request,
			     struct emu_reply *reply)
{
	unsigned code;

	if (unit->conf->delivery == EMU_LW_PULL) {
		reply->code = 405;
		return;
	}
	if (request->payload.len == 0 && !request->block1.num) {
		firmware_reset(unit);
		reply->code = 204;
		return;
	}
	if (request->content_format >= 0 && request->content_format != EMU_LW_OPAQUE) {
		reply->code = 415;
		return;
	}
	code = push_take(unit, request);
	push_reply(request, reply, code, block_szx(unit->conf->block));
	if (code == 204)
		emu_lwm2m_firmware_done(unit);
}

unsigned emu_lwm2m_firmware_execute(struct emu_unit *unit)
{
	struct emu_lwm2m *lw = &unit->ram.lwm2m;

	if (lw->state != EMU_LW_DOWNLOADED)
		return 405;
	if (stuck(unit, EMU_LW_DOWNLOADED))
		return 204;
	state_set(unit, EMU_LW_UPDATING, EMU_LW_INITIAL);
	lw->execute = true;
	return 204;
}

/* In the turn after Execute, so that its answer is on its way. */
void emu_lwm2m_firmware_tick(struct emu_unit *unit)
{
	struct emu_lwm2m *lw = &unit->ram.lwm2m;

	if (!lw->execute)
		return;
	lw->execute = false;
	if (emu_unit_fault(unit, EMU_FAULT_EARLY_RESULT)) {
		emu_unit_say(unit, true, "# Result 1, and no reset");
		emu_unit_event(unit, EMU_EVENT_APPLYING);
		state_set(unit, EMU_LW_IDLE, EMU_LW_SUCCESS);
		return;
	}
	if (stuck(unit, EMU_LW_UPDATING)) {
		emu_unit_say(unit, true, "# State 3, for ever");
		emu_unit_event(unit, EMU_EVENT_APPLYING);
		return;
	}
	emu_update_open_gate(unit);
	if (!unit->ram.lie)
		return;
	/* It goes all the way of a good device, but for the reset. */
	state_set(unit, EMU_LW_IDLE, EMU_LW_SUCCESS);
	emu_lwm2m_register(unit, false);
}

static unsigned boot_result(const struct emu_unit *unit)
{
	bool rejected = unit->nvram.last.stage == EMU_STAGE_TRIED &&
			unit->nvram.last.reason == EMU_REASON_BOOT_LOADER;
	const struct emu_fault *wrong = emu_unit_fault(unit, EMU_FAULT_WRONG_RESULT);

	if (!unit->ram.handed_before)
		return EMU_LW_INITIAL;
	if (wrong)
		return (unsigned)wrong->value;
	if (emu_unit_fault(unit, EMU_FAULT_LIAR))
		return EMU_LW_SUCCESS;
	switch (unit->conf->lwm2m->claim) {
	case EMU_LW_CLAIM_TRUE:
		return unit->ram.installed ? EMU_LW_SUCCESS : EMU_LW_FAILED;
	case EMU_LW_CLAIM_BELIEVED:
		return rejected ? EMU_LW_FAILED : EMU_LW_SUCCESS;
	case EMU_LW_CLAIM_NONE:
		break;
	}
	return EMU_LW_INITIAL;
}

/* A package that was complete, or half of one, of a client that goes on with it. */
static void boot_resume(struct emu_unit *unit)
{
	struct emu_lwm2m *lw = &unit->ram.lwm2m;
	struct emu_lw_store store = {0};
	char uri[EMU_LW_TEXT];

	if (!resume_load(unit, &store, uri) || !unit->conf->lwm2m->resumes ||
	    !staged_has(unit, store.have) || (uri[0] == '\0' && store.have != store.size)) {
		package_clear(unit);
		return;
	}
	memcpy(lw->uri, uri, sizeof(uri));
	if (store.size > 0 && store.have == store.size) {
		if (!package_header(unit))
			return;
		lw->store.have = store.have;
		state_set(unit, EMU_LW_DOWNLOADED, EMU_LW_INITIAL);
		return;
	}
	state_set(unit, EMU_LW_DOWNLOADING, EMU_LW_INITIAL);
	emu_lwm2m_pull_start(unit);
}

void emu_lwm2m_firmware_boot(struct emu_unit *unit)
{
	const struct emu_fault *state = emu_unit_fault(unit, EMU_FAULT_BOOT_STATE);

	unit->ram.lwm2m.store.fd = -1;
	if (unit->ram.handed_before)
		package_clear(unit);
	else
		boot_resume(unit);
	if (unit->ram.lwm2m.state == EMU_LW_IDLE)
		state_set(unit, unit->conf->lwm2m->boot_state, boot_result(unit));
	if (state)
		state_set(unit, (enum emu_lw_state)state->value, boot_result(unit));
}
