/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/flash.h"

#include "emu/text.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void slot_file(const struct emu_flash *flash, enum emu_slot slot, const char *suffix,
		      char dst[EMU_PATH_CAP])
{
	static const char *const names[] = {
		[EMU_SLOT_ACTIVE] = "slot-active",
		[EMU_SLOT_STAGED] = "slot-staged",
		[EMU_SLOT_PREVIOUS] = "slot-previous",
	};
	char name[32];

	snprintf(name, sizeof(name), "%s%s", names[slot], suffix);
	if (emu_path(dst, flash->dir, name) != 0)
		dst[0] = '\0'; /* cannot be: the folder's name was checked with room to spare */
}

void emu_flash_path(const struct emu_flash *flash, enum emu_slot slot, char dst[EMU_PATH_CAP])
{
	slot_file(flash, slot, "", dst);
}

int emu_image_load(const struct emu_flash *flash, enum emu_slot slot, struct emu_image *ret_image)
{
	char path[EMU_PATH_CAP];
	char text[512];
	struct emu_image image = {0};
	uint64_t confirmed = 0;
	size_t len;
	int err;

	slot_file(flash, slot, ".meta", path);
	err = emu_file_read(path, text, sizeof(text), &len);
	if (err)
		return err;
	if (!emu_kv_get_text(text, "version", image.version, sizeof(image.version)))
		return ERR_CORRUPT;
	(void)emu_kv_get_uint(text, "size", &image.size);
	(void)emu_kv_get_uint(text, "attempt", &image.attempt);
	(void)emu_kv_get_uint(text, "confirmed", &confirmed);
	image.confirmed = confirmed != 0;
	image.has_digest = emu_kv_get_hex(text, "sha256", image.digest, sizeof(image.digest));
	*ret_image = image;
	return 0;
}

int emu_image_save(const struct emu_flash *flash, enum emu_slot slot, const struct emu_image *image)
{
	char path[EMU_PATH_CAP];
	char text[512];
	struct buf out = buf_writer(text, sizeof(text));

	emu_kv_put_text(&out, "version", image->version);
	emu_kv_put_uint(&out, "size", image->size);
	emu_kv_put_uint(&out, "attempt", image->attempt);
	emu_kv_put_uint(&out, "confirmed", image->confirmed);
	if (image->has_digest)
		emu_kv_put_hex(&out, "sha256", image->digest, sizeof(image->digest));
	slot_file(flash, slot, ".meta", path);
	return buf_ok(&out) ? emu_file_write(path, text, out.pos) : out.err;
}

void emu_slot_erase(const struct emu_flash *flash, enum emu_slot slot)
{
	char path[EMU_PATH_CAP];

	slot_file(flash, slot, ".meta", path);
	emu_file_remove(path);
	slot_file(flash, slot, "", path);
	emu_file_remove(path);
}

static int slot_rename(const struct emu_flash *flash, enum emu_slot from, enum emu_slot to,
		       const char *suffix)
{
	char a[EMU_PATH_CAP];
	char b[EMU_PATH_CAP];

	slot_file(flash, from, suffix, a);
	slot_file(flash, to, suffix, b);
	return rename(a, b) == 0 ? 0 : ERR_NOENT;
}

int emu_slot_move(const struct emu_flash *flash, enum emu_slot from, enum emu_slot to)
{
	struct emu_image image;
	int err = emu_image_load(flash, from, &image);

	if (err)
		return err; /* nothing to go back to: what runs stays */
	emu_slot_erase(flash, to);
	/* A factory image may be a version without a file. */
	(void)slot_rename(flash, from, to, "");
	return slot_rename(flash, from, to, ".meta");
}

int emu_slot_copy(const struct emu_flash *flash, enum emu_slot from, enum emu_slot to)
{
	char a[EMU_PATH_CAP];
	char b[EMU_PATH_CAP];
	int err;

	slot_file(flash, from, "", a);
	slot_file(flash, to, "", b);
	err = emu_file_copy(a, b);
	if (err)
		return err;
	slot_file(flash, from, ".meta", a);
	slot_file(flash, to, ".meta", b);
	return emu_file_copy(a, b);
}

bool emu_slot_stamp(const struct emu_flash *flash, enum emu_slot slot,
		    char version[LIMIT_VERSION + 1])
{
	static const size_t mark = sizeof(EMU_STAMP) - 1;
	char path[EMU_PATH_CAP];
	char tail[EMU_STAMP_AREA];
	ssize_t n = 0;
	off_t end;
	int fd;

	slot_file(flash, slot, "", path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	end = lseek(fd, 0, SEEK_END);
	if (end >= EMU_STAMP_AREA)
		n = pread(fd, tail, sizeof(tail), end - EMU_STAMP_AREA);
	close(fd);
	for (size_t i = 0; n == EMU_STAMP_AREA && i + mark + 1 < sizeof(tail); i++) {
		const char *text = tail + i + mark;
		size_t room = sizeof(tail) - i - mark;
		const char *end_mark = memchr(text, 0, room);

		if (memcmp(tail + i, EMU_STAMP, mark) != 0 || !end_mark || end_mark == text)
			continue;
		memcpy(version, text, (size_t)(end_mark - text) + 1);
		return true;
	}
	return false;
}

void emu_nvram_load(const struct emu_flash *flash, struct emu_nvram *ret_nvram)
{
	char path[EMU_PATH_CAP];
	char text[1024];
	uint64_t stage = 0;
	uint64_t reason = 0;
	uint64_t code = 0;
	uint64_t revert = 0;
	size_t len;

	memset(ret_nvram, 0, sizeof(*ret_nvram));
	if (emu_path(path, flash->dir, "nvram") != 0 ||
	    emu_file_read(path, text, sizeof(text), &len) != 0)
		return;
	(void)emu_kv_get_uint(text, "boot-count", &ret_nvram->boot_count);
	(void)emu_kv_get_uint(text, "crashes", &ret_nvram->crashes);
	(void)emu_kv_get_uint(text, "revert", &revert);
	(void)emu_kv_get_uint(text, "applied", &ret_nvram->applied);
	(void)emu_kv_get_uint(text, "last-attempt", &ret_nvram->last.attempt);
	(void)emu_kv_get_uint(text, "last-stage", &stage);
	(void)emu_kv_get_uint(text, "last-reason", &reason);
	(void)emu_kv_get_uint(text, "last-code", &code);
	(void)emu_kv_get_text(text, "last-detail", ret_nvram->last.detail,
			      sizeof(ret_nvram->last.detail));
	ret_nvram->revert = revert != 0;
	ret_nvram->last.stage = (enum emu_stage)(stage & 7);
	ret_nvram->last.reason = (enum emu_reason)(reason & 15);
	ret_nvram->last.code = -(int64_t)(code & INT32_MAX);
}

int emu_nvram_save(const struct emu_flash *flash, const struct emu_nvram *nvram)
{
	char path[EMU_PATH_CAP];
	char text[1024];
	struct buf out = buf_writer(text, sizeof(text));
	int err;

	emu_kv_put_uint(&out, "boot-count", nvram->boot_count);
	emu_kv_put_uint(&out, "crashes", nvram->crashes);
	emu_kv_put_uint(&out, "revert", nvram->revert);
	emu_kv_put_uint(&out, "applied", nvram->applied);
	emu_kv_put_uint(&out, "last-attempt", nvram->last.attempt);
	emu_kv_put_uint(&out, "last-stage", nvram->last.stage);
	emu_kv_put_uint(&out, "last-reason", nvram->last.reason);
	/* Codes of the device are zero or negative, like those of the real one. */
	emu_kv_put_uint(&out, "last-code", (uint64_t)-nvram->last.code);
	emu_kv_put_text(&out, "last-detail", nvram->last.detail);
	err = emu_path(path, flash->dir, "nvram");
	if (!err)
		err = out.err;
	return err ? err : emu_file_write(path, text, out.pos);
}
