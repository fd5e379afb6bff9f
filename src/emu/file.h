/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole files of the state folder. A write goes to a temporary name and is renamed, so a
 * killed process leaves the old or the new content, as a flash page does after a power cut.
 */
#ifndef EMU_FILE_H
#define EMU_FILE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EMU_PATH_CAP = 1024 };

/* dir/name into dst[EMU_PATH_CAP]; ERR_LIMIT when it does not fit. */
int emu_path(char *dst, const char *dir, const char *name) ERR_CHECK;

/* Makes a folder (parents must exist) unless it is there; 0 or a mapped errno. */
int emu_dir_make(const char *path) ERR_CHECK;

/* Reads at most cap - 1 bytes and NUL-terminates; a longer file is ERR_LIMIT. */
int emu_file_read(const char *path, void *dst, size_t cap, size_t *ret_len) ERR_CHECK;
int emu_file_write(const char *path, const void *ptr, size_t len) ERR_CHECK;
int emu_file_copy(const char *from, const char *to) ERR_CHECK;
/* ERR_NOENT when there is none. */
int emu_file_size(const char *path, uint64_t *ret_size) ERR_CHECK;
void emu_file_remove(const char *path);

/* SHA-256 of a file. `bad_byte` >= 0: that byte reads back inverted (a worn flash cell). */
int emu_file_sha256(const char *path, int64_t bad_byte, uint8_t digest[32],
		    uint64_t *ret_size) ERR_CHECK;

#endif
