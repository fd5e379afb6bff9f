/* SPDX-License-Identifier: Apache-2.0
 *
 * The boot loader, and the one record by which the application asks it to flash. The record is
 * 20 bytes inside a configuration area (a 4 KiB file `dct' of the small file system), so it
 * shares its fate with the user's logs, while images go to raw flash beside it.
 */
#ifndef EMU_BOOT_H
#define EMU_BOOT_H

#include "emu/flash.h"
#include "emu/fs.h"

enum { EMU_DCT_SIZE = 4096, EMU_RECORD_SIZE = 20 };

#define EMU_DCT "dct"

struct emu_record {
	uint32_t size;
	uint8_t digest[8]; /* start of the staged image's SHA-256 */
};

enum emu_boot_result {
	EMU_BOOT_NOTHING,     /* no record: runs what it has */
	EMU_BOOT_INSTALLED,   /* the staged image runs now */
	EMU_BOOT_REJECTED,    /* record found, image refused */
	EMU_BOOT_ROLLED_BACK, /* the previous image runs again */
};

void emu_record_encode(const struct emu_record *record, uint8_t dst[EMU_RECORD_SIZE]);
/* ERR_NOENT when the area holds no request. */
int emu_record_decode(const uint8_t src[EMU_RECORD_SIZE], struct emu_record *ret_record) ERR_CHECK;

/* Hands over. Like the real thing the device ignores what this returns. */
enum emu_fs_result emu_boot_request(const struct emu_fs *fs, const struct emu_record *record);

/* One run of the boot loader. `reject` is the fault; nvram is updated, not saved. */
enum emu_boot_result emu_boot_run(const struct emu_flash *flash, const struct emu_fs *fs,
				  bool reject, struct emu_nvram *nvram);

#endif
