/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/download.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void emu_download_init(struct emu_download *dl)
{
	memset(dl, 0, sizeof(*dl));
	dl->fd = -1;
}

static uint64_t block_bytes(const struct emu_download *dl)
{
	return (uint64_t)16 << dl->szx;
}

static bool is_there(const struct emu_download *dl, uint32_t num)
{
	return dl->there[num / 8] >> (num % 8) & 1;
}

static uint64_t block_len(const struct emu_download *dl, uint32_t num)
{
	uint64_t at = (uint64_t)num * block_bytes(dl);

	return dl->size - at < block_bytes(dl) ? dl->size - at : block_bytes(dl);
}

/* Lays out the bitmap for the current block size; what is contiguous is kept. */
static int download_layout(struct emu_download *dl, uint64_t offset)
{
	uint64_t bytes = block_bytes(dl);
	uint64_t blocks = (dl->size + bytes - 1) / bytes;
	uint8_t *there;

	if (blocks == 0 || blocks > (1U << 20)) /* RFC 7959 2.2: NUM has 20 bits */
		return ERR_RANGE;
	there = calloc(1, (size_t)(blocks / 8 + 1));
	if (!there)
		return ERR_NOMEM;
	free(dl->there);
	dl->there = there;
	dl->blocks = (uint32_t)blocks;
	dl->next = (uint32_t)(offset / bytes);
	if (offset >= dl->size)
		dl->next = dl->blocks;
	for (uint32_t i = 0; i < dl->next; i++)
		there[i / 8] |= (uint8_t)(1U << (i % 8));
	dl->have = offset >= dl->size ? dl->size : dl->next * bytes;
	dl->received = dl->have;
	memset(dl->slots, 0, sizeof(dl->slots));
	return 0;
}

int emu_download_start(struct emu_download *dl, const char *path, uint64_t size, uint64_t offset,
		       unsigned szx, uint32_t window)
{
	int err;

	emu_download_stop(dl);
	dl->size = size;
	dl->szx = szx;
	dl->window = window < 1 ? 1 : window > EMU_WINDOW_MAX ? EMU_WINDOW_MAX : window;
	err = download_layout(dl, offset);
	if (err)
		return err;
	dl->start = dl->have;
	dl->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	return dl->fd < 0 ? err_from_errno(errno) : 0;
}

void emu_download_stop(struct emu_download *dl)
{
	if (dl->fd >= 0)
		close(dl->fd);
	free(dl->there);
	emu_download_init(dl);
}

void emu_download_forget(struct emu_download *dl)
{
	for (size_t i = 0; i < EMU_WINDOW_MAX; i++)
		if (dl->slots[i].used && dl->slots[i].num < dl->next)
			dl->next = dl->slots[i].num;
	memset(dl->slots, 0, sizeof(dl->slots));
}

static bool in_flight(const struct emu_download *dl, uint32_t num)
{
	for (size_t i = 0; i < EMU_WINDOW_MAX; i++)
		if (dl->slots[i].used && dl->slots[i].num == num)
			return true;
	return false;
}

bool emu_download_next(struct emu_download *dl, uint32_t token, uint32_t *ret_num)
{
	if (dl->fd < 0)
		return false;
	while (dl->next < dl->blocks && (is_there(dl, dl->next) || in_flight(dl, dl->next)))
		dl->next++;
	if (dl->next == dl->blocks)
		return false;
	for (size_t i = 0; i < dl->window; i++) {
		if (dl->slots[i].used)
			continue;
		dl->slots[i] = (struct emu_block_slot){true, token, dl->next};
		*ret_num = dl->next++;
		return true;
	}
	return false;
}

static struct emu_block_slot *slot_find(struct emu_download *dl, uint32_t token)
{
	for (size_t i = 0; i < EMU_WINDOW_MAX; i++)
		if (dl->slots[i].used && dl->slots[i].token == token)
			return &dl->slots[i];
	return NULL;
}

bool emu_download_owns(const struct emu_download *dl, uint32_t token)
{
	for (size_t i = 0; i < EMU_WINDOW_MAX; i++)
		if (dl->slots[i].used && dl->slots[i].token == token)
			return true;
	return false;
}

void emu_download_release(struct emu_download *dl, uint32_t token)
{
	struct emu_block_slot *slot = slot_find(dl, token);

	if (!slot)
		return;
	slot->used = false;
	if (slot->num < dl->next)
		dl->next = slot->num;
}

static enum emu_block_result download_store(struct emu_download *dl, uint32_t num, const void *ptr,
					    size_t len)
{
	uint64_t at = (uint64_t)num * block_bytes(dl);

	if (num >= dl->blocks || len != block_len(dl, num))
		return EMU_BLOCK_BAD;
	if (is_there(dl, num))
		return EMU_BLOCK_IGNORED;
	if (pwrite(dl->fd, ptr, len, (off_t)at) != (ssize_t)len)
		return EMU_BLOCK_IO;
	dl->there[num / 8] |= (uint8_t)(1U << (num % 8));
	dl->received += len;
	while (dl->have < dl->size && is_there(dl, (uint32_t)(dl->have / block_bytes(dl))))
		dl->have += block_len(dl, (uint32_t)(dl->have / block_bytes(dl)));
	return dl->have == dl->size ? EMU_BLOCK_DONE : EMU_BLOCK_MORE;
}

static enum emu_block_result download_adopt(struct emu_download *dl,
					    const struct emu_block_slot *asked, uint32_t num,
					    unsigned szx, const void *ptr, size_t len)
{
	uint64_t offset = (uint64_t)asked->num * block_bytes(dl);

	dl->szx = szx;
	if (num * block_bytes(dl) != offset || download_layout(dl, dl->have) != 0)
		return EMU_BLOCK_BAD;
	return download_store(dl, num, ptr, len);
}

enum emu_block_result emu_download_block(struct emu_download *dl, uint32_t token, uint32_t num,
					 unsigned szx, const void *ptr, size_t len,
					 const uint8_t *etag, size_t etag_len)
{
	struct emu_block_slot *slot = slot_find(dl, token);
	struct emu_block_slot asked;

	if (!slot || dl->fd < 0)
		return EMU_BLOCK_IGNORED;
	asked = *slot;
	slot->used = false;
	if (etag_len > 0 && etag_len <= EMU_ETAG) {
		if (dl->etag_len > 0 &&
		    (dl->etag_len != etag_len || memcmp(dl->etag, etag, etag_len) != 0))
			return EMU_BLOCK_CHANGED;
		memcpy(dl->etag, etag, etag_len);
		dl->etag_len = etag_len;
	}
	if (szx < dl->szx)
		return download_adopt(dl, &asked, num, szx, ptr, len);
	if (szx > dl->szx || num != asked.num)
		return EMU_BLOCK_BAD;
	return download_store(dl, num, ptr, len);
}
