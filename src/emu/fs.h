/* SPDX-License-Identifier: Apache-2.0
 *
 * The device's small file system: a folder of real files with a budget in blocks, shared by
 * the application's logs and by the update machinery. It behaves like the copy-on-write file
 * systems of small devices: a file up to EMU_FS_INLINE bytes sits in one metadata block and is
 * rewritten in place; a larger one needs its data blocks afresh at write and one more block
 * when it is closed. Nobody downstream looks at the result of either; emu_fs_save() returns it
 * so that the console of the *emulator* can tell a human what the device does not know.
 */
#ifndef EMU_FS_H
#define EMU_FS_H

#include "base/err.h"
#include "emu/file.h"

enum { EMU_FS_BLOCK = 4096, EMU_FS_BLOCKS = 64, EMU_FS_INLINE = 512, EMU_FS_LOGS = 4 };

#define EMU_FS_LOG "user.log"

enum emu_fs_result { EMU_FS_SAVED, EMU_FS_LOST_AT_WRITE, EMU_FS_LOST_AT_CLOSE };

struct emu_fs {
	char dir[EMU_PATH_CAP];
	uint32_t blocks; /* the whole budget */
};

/* Makes <state>/fs. */
int emu_fs_init(struct emu_fs *fs, const char *state_dir, uint32_t blocks) ERR_CHECK;

uint32_t emu_fs_free(const struct emu_fs *fs); /* blocks */

/* Sets the logs to a number of blocks, as far as the budget goes. */
void emu_fs_set_logs(const struct emu_fs *fs, uint32_t blocks);
/* Sizes the logs so that `leave` blocks are free beside what `except` (a file, may be NULL)
 * takes: what the update machinery has already saved stays saved. */
void emu_fs_fill(const struct emu_fs *fs, uint32_t leave, const char *except);

enum emu_fs_result emu_fs_save(const struct emu_fs *fs, const char *name, const void *ptr,
			       size_t len);
/* Writes whatever the budget says: below the file system. */
void emu_fs_force(const struct emu_fs *fs, const char *name, const void *ptr, size_t len);
int emu_fs_load(const struct emu_fs *fs, const char *name, void *dst, size_t cap,
		size_t *ret_len) ERR_CHECK;
void emu_fs_remove(const struct emu_fs *fs, const char *name);

#endif
