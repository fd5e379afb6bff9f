/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/text.h"
#include "emu/unit.h"

#include <string.h>

static int init_error(const char *dir, const char *what, int err)
{
	fprintf(stderr, "postboot-device: %s: %s: %s\n", dir, what, err_text(err));
	return err;
}

/* A state folder belongs to one id: two devices in one would be a riddle to debug. */
static int init_config(const struct emu_unit *unit)
{
	char path[EMU_PATH_CAP];
	char text[512];
	char id[LIMIT_DEVICE_ID + 1];
	struct buf out = buf_writer(text, sizeof(text));
	size_t len;
	int err = emu_path(path, unit->flash.dir, "config");

	if (err)
		return init_error(unit->flash.dir, "config", err);
	if (emu_file_read(path, text, sizeof(text), &len) == 0 &&
	    emu_kv_get_text(text, "id", id, sizeof(id))) {
		if (strcmp(id, unit->key->id) == 0)
			return 0;
		fprintf(stderr, "postboot-device: %s: belongs to device %s, not to %s\n",
			unit->flash.dir, id, unit->key->id);
		return ERR_CONFLICT;
	}
	emu_kv_put_text(&out, "id", unit->key->id);
	emu_kv_put_text(&out, "hardware", unit->conf->hardware);
	err = buf_ok(&out) ? emu_file_write(path, text, out.pos) : out.err;
	return err ? init_error(path, "write", err) : 0;
}

/* A fresh device: the first image is flashed, or only its version is known. */
static int init_factory(const struct emu_unit *unit)
{
	struct emu_image image = {.confirmed = true};
	char path[EMU_PATH_CAP];
	int err;

	err = emu_image_load(&unit->flash, EMU_SLOT_ACTIVE, &image);
	if (err == 0)
		return 0;
	if (err != ERR_NOENT)
		return init_error(unit->flash.dir, "slot-active.meta", err);
	(void)buf_copy_str(image.version, sizeof(image.version), unit->conf->version);
	if (unit->conf->image) {
		emu_flash_path(&unit->flash, EMU_SLOT_ACTIVE, path);
		err = emu_file_copy(unit->conf->image, path);
		if (err)
			return init_error(unit->conf->image, "cannot read the image", err);
		err = emu_file_sha256(path, -1, image.digest, &image.size);
		if (err)
			return init_error(path, "cannot read back", err);
		image.has_digest = true;
		(void)emu_slot_stamp(&unit->flash, EMU_SLOT_ACTIVE, image.version);
	}
	if (image.version[0] == '\0') {
		fprintf(stderr,
			"postboot-device: %s is a fresh device: --version (or a stamped --image) "
			"is needed\n",
			unit->flash.dir);
		return ERR_INVAL;
	}
	err = emu_image_save(&unit->flash, EMU_SLOT_ACTIVE, &image);
	return err ? init_error(unit->flash.dir, "cannot write", err) : 0;
}

static uint64_t fault_value(const struct emu_unit *unit, enum emu_fault_kind kind)
{
	const struct emu_fault *fault = emu_unit_fault(unit, kind);

	return fault ? fault->value : 0;
}

static int init_link(struct emu_unit *unit, int64_t now_ms)
{
	struct emu_link_conf conf = {
		.server = unit->conf->server,
		.loss = (uint32_t)fault_value(unit, EMU_FAULT_LOSS),
		.dup = (uint32_t)fault_value(unit, EMU_FAULT_DUP),
		.reorder = (uint32_t)fault_value(unit, EMU_FAULT_REORDER),
		.delay_ms = (uint32_t)fault_value(unit, EMU_FAULT_DELAY),
		.rebind_s = (uint32_t)fault_value(unit, EMU_FAULT_REBIND),
		.seed = emu_rng_next(&unit->rng),
	};
	int err;

	if (!conf.loss && !conf.dup && !conf.reorder && !conf.delay_ms && !conf.rebind_s &&
	    !unit->conf->queue)
		return 0;
	err = emu_link_new(&conf, now_ms, &unit->link);
	return err ? init_error(unit->key->id, "link", err) : 0;
}

/* The same seed gives each device of a fleet its own numbers. */
static uint64_t init_seed(const struct emu_conf *conf, const char *id, bool clone)
{
	uint64_t seed = conf->seed * 2 + clone;

	for (; *id != '\0'; id++)
		seed = (seed ^ (unsigned char)*id) * 0x100000001b3U;
	return seed;
}

int emu_unit_init(struct emu_unit *unit, const struct emu_conf *conf, const struct emu_key *key,
		  const char *dir, bool clone, struct emu_ctx *ctx, struct emu_console *console,
		  int64_t now_ms)
{
	int err;

	memset(unit, 0, sizeof(*unit));
	emu_download_init(&unit->ram.dl);
	unit->conf = conf;
	unit->protocol = conf->lwm2m ? &emu_protocol_lwm2m : &emu_protocol_native;
	unit->key = key;
	unit->console = console;
	unit->ctx = ctx;
	unit->clone = clone;
	unit->sleepy = emu_fault_find(&conf->faults, key->faults, EMU_FAULT_CLONE) != NULL;
	unit->rng.state = init_seed(conf, key->id, clone);
	unit->now = now_ms;
	if (!buf_copy_str(unit->flash.dir, sizeof(unit->flash.dir), dir))
		return init_error(dir, "name", ERR_LIMIT);
	err = emu_dir_make(dir);
	if (!err)
		err = emu_fs_init(&unit->fs, dir, conf->fs_blocks);
	if (err)
		return init_error(dir, "cannot make the state folder", err);
	err = init_config(unit);
	if (!err)
		err = init_factory(unit);
	if (!err)
		err = init_link(unit, now_ms);
	if (err)
		return err;
	emu_nvram_load(&unit->flash, &unit->nvram);
	unit->ram.reset_at = now_ms; /* power comes */
	unit->ram.reset_wanted = EMU_RESET_POWER_ON;
	unit->ram.crash_at = EMU_NEVER;
	unit->ram.power_loss_at = EMU_NEVER;
	unit->ram.rollback_at = EMU_NEVER;
	unit->ram.phase = EMU_PHASE_WAIT;
	unit->ram.phase_until = EMU_NEVER;
	return 0;
}
