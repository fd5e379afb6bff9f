/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/boot.h"

#include "base/buf.h"

#include <stdio.h>
#include <string.h>

enum { RECORD_MAGIC = 0x50426f74, RECORD_AT = 64, BOOT_CODE_IMAGE = -3 };

void emu_record_encode(const struct emu_record *record, uint8_t dst[EMU_RECORD_SIZE])
{
	struct buf out = buf_writer(dst, EMU_RECORD_SIZE);

	buf_put_u32(&out, RECORD_MAGIC);
	buf_put_u32(&out, record->size);
	buf_put_bytes(&out, record->digest, sizeof(record->digest));
	buf_put_u32(&out, RECORD_MAGIC ^ record->size);
}

int emu_record_decode(const uint8_t src[EMU_RECORD_SIZE], struct emu_record *ret_record)
{
	struct buf in = buf_reader(src, EMU_RECORD_SIZE);
	uint32_t magic = buf_get_u32(&in);
	uint32_t size = buf_get_u32(&in);
	struct bytes digest = buf_get_bytes(&in, sizeof(ret_record->digest));

	if (magic != RECORD_MAGIC || buf_get_u32(&in) != (RECORD_MAGIC ^ size))
		return ERR_NOENT;
	ret_record->size = size;
	memcpy(ret_record->digest, digest.ptr, digest.len);
	return 0;
}

enum emu_fs_result emu_boot_request(const struct emu_fs *fs, const struct emu_record *record)
{
	uint8_t area[EMU_DCT_SIZE];

	memset(area, 0xff, sizeof(area));
	emu_record_encode(record, area + RECORD_AT);
	return emu_fs_save(fs, EMU_DCT, area, sizeof(area));
}

/* The boot loader erases a request in place, and the factory made the area: neither needs a
 * new block. */
static void dct_erase(const struct emu_fs *fs)
{
	uint8_t area[EMU_DCT_SIZE];

	memset(area, 0xff, sizeof(area));
	emu_fs_force(fs, EMU_DCT, area, sizeof(area));
}

static bool boot_image_good(const struct emu_flash *flash, const struct emu_record *record)
{
	char path[EMU_PATH_CAP];
	uint8_t digest[32];
	uint64_t size;

	emu_flash_path(flash, EMU_SLOT_STAGED, path);
	return emu_file_sha256(path, -1, digest, &size) == 0 && size == record->size &&
	       memcmp(digest, record->digest, sizeof(record->digest)) == 0;
}

static enum emu_boot_result boot_install(const struct emu_flash *flash, struct emu_nvram *nvram)
{
	struct emu_image image;

	emu_slot_erase(flash, EMU_SLOT_PREVIOUS);
	if (emu_slot_copy(flash, EMU_SLOT_ACTIVE, EMU_SLOT_PREVIOUS) != 0) {
		/* The factory image may be a version without a file. */
		if (emu_image_load(flash, EMU_SLOT_ACTIVE, &image) != 0 ||
		    emu_image_save(flash, EMU_SLOT_PREVIOUS, &image) != 0)
			return EMU_BOOT_REJECTED;
	}
	if (emu_slot_copy(flash, EMU_SLOT_STAGED, EMU_SLOT_ACTIVE) != 0 ||
	    emu_image_load(flash, EMU_SLOT_ACTIVE, &image) != 0)
		return EMU_BOOT_REJECTED;
	image.confirmed = false;
	if (emu_image_save(flash, EMU_SLOT_ACTIVE, &image) != 0)
		return EMU_BOOT_REJECTED;
	nvram->crashes = 0;
	return EMU_BOOT_INSTALLED;
}

static void boot_last(struct emu_nvram *nvram, enum emu_reason reason, int64_t code,
		      const char *detail)
{
	nvram->last.stage = EMU_STAGE_TRIED;
	nvram->last.reason = reason;
	nvram->last.code = code;
	snprintf(nvram->last.detail, sizeof(nvram->last.detail), "%s", detail);
}

enum emu_boot_result emu_boot_run(const struct emu_flash *flash, const struct emu_fs *fs,
				  bool reject, struct emu_nvram *nvram)
{
	uint8_t area[EMU_DCT_SIZE + 1];
	struct emu_record record;
	enum emu_boot_result result;
	size_t len;

	if (nvram->revert) {
		nvram->revert = false;
		return emu_slot_move(flash, EMU_SLOT_PREVIOUS, EMU_SLOT_ACTIVE) == 0
			       ? EMU_BOOT_ROLLED_BACK
			       : EMU_BOOT_NOTHING;
	}
	if (emu_fs_load(fs, EMU_DCT, area, sizeof(area), &len) != 0 || len != EMU_DCT_SIZE) {
		dct_erase(fs);
		return EMU_BOOT_NOTHING;
	}
	if (emu_record_decode(area + RECORD_AT, &record) != 0)
		return EMU_BOOT_NOTHING;
	result = EMU_BOOT_REJECTED;
	if (!reject && boot_image_good(flash, &record))
		result = boot_install(flash, nvram);
	if (result == EMU_BOOT_INSTALLED)
		boot_last(nvram, EMU_REASON_NONE, 0, "");
	else
		boot_last(nvram, EMU_REASON_BOOT_LOADER, BOOT_CODE_IMAGE, "image rejected");
	dct_erase(fs);
	return result;
}
