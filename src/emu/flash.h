/* SPDX-License-Identifier: Apache-2.0
 *
 * What survives a reset besides the file system: the image slots (raw flash: an image file and
 * its header each), and a page of non-volatile memory with the boot count and the last attempt.
 * All in the state folder. An image that carries the stamp POSTBOOT-VERSION:<text>\0 in its last
 * 64 bytes tells its own version; otherwise the label given at download is believed.
 */
#ifndef EMU_FLASH_H
#define EMU_FLASH_H

#include "emu/file.h"
#include "emu/message.h"

enum { EMU_STAMP_AREA = 64 };

#define EMU_STAMP "POSTBOOT-VERSION:"

enum emu_slot { EMU_SLOT_ACTIVE, EMU_SLOT_STAGED, EMU_SLOT_PREVIOUS };

struct emu_image {
	char version[LIMIT_VERSION + 1];
	uint64_t size;
	uint64_t attempt; /* 0: flashed at the factory */
	bool has_digest;  /* false: no image file, only a version */
	uint8_t digest[32];
	bool confirmed;
};

struct emu_nvram {
	uint64_t boot_count;
	struct emu_last_attempt last;
	uint64_t crashes; /* of the running image, for crash-loop */
	bool revert;	  /* the boot loader is asked to go back */
	uint64_t applied; /* attempt whose image was handed over and not yet judged at a boot */
};

struct emu_flash {
	char dir[EMU_PATH_CAP];
};

/* Path of the image of a slot. */
void emu_flash_path(const struct emu_flash *flash, enum emu_slot slot, char dst[EMU_PATH_CAP]);

int emu_image_load(const struct emu_flash *flash, enum emu_slot slot,
		   struct emu_image *ret_image) ERR_CHECK;
int emu_image_save(const struct emu_flash *flash, enum emu_slot slot,
		   const struct emu_image *image) ERR_CHECK;
void emu_slot_erase(const struct emu_flash *flash, enum emu_slot slot);
/* Moves image and header; the old content of `to` is gone. */
int emu_slot_move(const struct emu_flash *flash, enum emu_slot from, enum emu_slot to) ERR_CHECK;
int emu_slot_copy(const struct emu_flash *flash, enum emu_slot from, enum emu_slot to) ERR_CHECK;

/* Version from the stamp of a slot's image; false when it has none. */
bool emu_slot_stamp(const struct emu_flash *flash, enum emu_slot slot,
		    char version[LIMIT_VERSION + 1]);

/* Absent or damaged: all zero, as erased flash. */
void emu_nvram_load(const struct emu_flash *flash, struct emu_nvram *ret_nvram);
int emu_nvram_save(const struct emu_flash *flash, const struct emu_nvram *nvram) ERR_CHECK;

#endif
