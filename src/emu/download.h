/* SPDX-License-Identifier: Apache-2.0
 *
 * The bookkeeping of one download: which blocks are asked for, which are there, in any order of
 * answers; the bytes go to the staged slot at their offset. Knows no network: the owner asks for
 * the next block number, sends the GET, and hands in what arrives.
 */
#ifndef EMU_DOWNLOAD_H
#define EMU_DOWNLOAD_H

#include "emu/file.h"

enum { EMU_WINDOW_MAX = 16, EMU_ETAG = 8 };

enum emu_block_result {
	EMU_BLOCK_MORE,
	EMU_BLOCK_DONE,	   /* every byte is there */
	EMU_BLOCK_IGNORED, /* not asked for: a duplicate, or from before a restart */
	EMU_BLOCK_CHANGED, /* another ETag: begin anew */
	EMU_BLOCK_BAD,	   /* length or number does not fit */
	EMU_BLOCK_IO,
};

struct emu_block_slot {
	bool used;
	uint32_t token;
	uint32_t num;
};

struct emu_download {
	int fd; /* -1: not running */
	uint64_t size;
	uint64_t have;	   /* contiguous bytes from the start */
	uint64_t received; /* bytes that are there, in any order */
	uint64_t start;	   /* where it began */
	unsigned szx;	   /* block size 2^(szx + 4) */
	uint32_t window;
	uint32_t next; /* next block never asked for */
	uint32_t blocks;
	uint8_t *there; /* bitmap over blocks */
	struct emu_block_slot slots[EMU_WINDOW_MAX];
	uint8_t etag[EMU_ETAG];
	size_t etag_len;
};

void emu_download_init(struct emu_download *dl);
/* Opens `path` (made if absent) and begins at `offset`, rounded down to a block. */
int emu_download_start(struct emu_download *dl, const char *path, uint64_t size, uint64_t offset,
		       unsigned szx, uint32_t window) ERR_CHECK;
void emu_download_stop(struct emu_download *dl);
/* Answers to what is in flight will not come: those blocks are asked for again. */
void emu_download_forget(struct emu_download *dl);

/* The block to ask for now under `token`; false: the window is full or nothing is left. */
bool emu_download_next(struct emu_download *dl, uint32_t token, uint32_t *ret_num);
bool emu_download_owns(const struct emu_download *dl, uint32_t token);
/* An answer without data (an error): its block is free to be asked for again. */
void emu_download_release(struct emu_download *dl, uint32_t token);
/* A smaller szx than asked for is adopted, as RFC 7959 2.4 wants it. */
enum emu_block_result emu_download_block(struct emu_download *dl, uint32_t token, uint32_t num,
					 unsigned szx, const void *ptr, size_t len,
					 const uint8_t *etag, size_t etag_len);

#endif
