/* SPDX-License-Identifier: Apache-2.0
 *
 * UF2: blocks of 512 bytes, each with its number, how many there are, where its payload goes, and
 * mostly the family of chips it is for.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "wire/image_inner.h"

#define MAGIC_FIRST UINT32_C(0x0a324655)
#define MAGIC_SECOND UINT32_C(0x9e5d5157)
#define MAGIC_END UINT32_C(0x0ab16f30)
/* RP2350's tools put one block of this family before the image, for an erratum (E10); it belongs
 * to no chain. */
#define FAMILY_ABSOLUTE UINT32_C(0xe48bff57)

enum {
	BLOCK = 512,
	DATA_AT = 32,
	DATA_BYTES = 476,
	FLAG_NOT_FLASH = 0x1,
	FLAG_CONTAINER = 0x1000,
	FLAG_FAMILY = 0x2000,
	FLAG_EXTENSIONS = 0x8000,
	EXTENSION_VERSION = 0x9fc7bc,
};

struct uf2 {
	uint32_t family, blocks, seen, low, flash;
	bool has_family, begun;
	uint64_t payload;
};

static const char *family_name(uint32_t family)
{
	static const struct {
		uint32_t family;
		const char *name;
	} names[] = {
		{0xe48bff56, "rp2040"},	 {0xe48bff59, "rp2350"},   {0xe48bff5a, "rp2350"},
		{0xe48bff5b, "rp2350"},	 {0xada52840, "nrf52840"}, {0x621e937a, "nrf52833"},
		{0x68ed2b88, "samd21"},	 {0x55114460, "samd51"},   {0x5ee21072, "stm32f1"},
		{0x57755a57, "stm32f4"}, {0x00ff6919, "stm32l4"},  {0x1c5f21b0, "esp32"},
		{0xbfdd4eee, "esp32s2"}, {0xc47e5767, "esp32s3"},  {0xd42ba06c, "esp32c3"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].family == family)
			return names[i].name;
	return NULL;
}

/* Extensions stand behind the payload: length, 3 bytes of type, value; each at a multiple of 4. */
static void extensions(struct image_in *in, const uint8_t *data, uint32_t payload)
{
	struct image_facts *facts = &in->im->facts;
	uint32_t at = (payload + 3) / 4 * 4;

	while (at + 4 <= DATA_BYTES && data[at] >= 4 && at + data[at] <= DATA_BYTES) {
		uint32_t type = image_u32(data + at) >> 8;
		if (type == EXTENSION_VERSION && !facts->version[0])
			image_text(facts->version, sizeof(facts->version), data + at + 4,
				   (size_t)data[at] - 4);
		at += ((uint32_t)data[at] + 3) / 4 * 4;
	}
}

static void flash(struct image_in *in, struct uf2 *u, const uint8_t *raw, uint64_t number)
{
	uint32_t address = image_u32(raw + 12), payload = image_u32(raw + 16);

	if (address > UINT32_MAX - payload) {
		image_damaged(in, "block %" PRIu64 " goes beyond the end of memory", number);
		return;
	}
	if (!u->flash || address < u->low)
		u->low = address;
	u->flash++;
	u->payload += payload;
}

static void block(struct image_in *in, struct uf2 *u, const uint8_t *raw, uint64_t number)
{
	uint32_t flags = image_u32(raw + 8), family = image_u32(raw + 28);
	uint32_t payload = image_u32(raw + 16);

	if (image_u32(raw) != MAGIC_FIRST || image_u32(raw + 4) != MAGIC_SECOND ||
	    image_u32(raw + BLOCK - 4) != MAGIC_END) {
		image_damaged(in, "block %" PRIu64 " has not the marks of a block", number);
		return;
	}
	if (payload > DATA_BYTES) {
		image_damaged(in, "block %" PRIu64 " says it has %" PRIu32 " bytes", number,
			      payload);
		return;
	}
	if ((flags & FLAG_FAMILY) && family == FAMILY_ABSOLUTE && number == 0 &&
	    image_u32(raw + 24) == 2)
		return;
	if (!u->begun) {
		u->begun = true;
		u->blocks = image_u32(raw + 24);
		u->has_family = (flags & FLAG_FAMILY) != 0;
		u->family = u->has_family ? family : 0;
	}
	if (image_u32(raw + 24) != u->blocks || image_u32(raw + 20) != u->seen) {
		image_damaged(in,
			      "block %" PRIu64 " is number %" PRIu32 " of %" PRIu32 ", not %" PRIu32
			      " of %" PRIu32,
			      number, image_u32(raw + 20), image_u32(raw + 24), u->seen, u->blocks);
		return;
	}
	u->seen++;
	if (((flags & FLAG_FAMILY) != 0) != u->has_family ||
	    (u->has_family && family != u->family)) {
		image_damaged(in, "block %" PRIu64 " is for another family of chips", number);
		return;
	}
	if (!(flags & (FLAG_NOT_FLASH | FLAG_CONTAINER)))
		flash(in, u, raw, number);
	if (flags & FLAG_EXTENSIONS)
		extensions(in, raw + DATA_AT, payload);
}

bool image_uf2(struct image_in *in)
{
	struct image_facts *facts = &in->im->facts;
	uint8_t raw[BLOCK];
	struct uf2 u = {0};

	if (!image_get(in, 0, raw, 8) || image_u32(raw) != MAGIC_FIRST ||
	    image_u32(raw + 4) != MAGIC_SECOND)
		return false;
	facts->format = IMAGE_UF2;
	if (in->f->size % BLOCK)
		image_damaged(in, "it has %" PRIu64 " bytes, which is no number of blocks of %d",
			      in->f->size, BLOCK);
	for (uint64_t i = 0; i < in->f->size / BLOCK && !in->im->fault[0]; i++) {
		if (!image_get(in, i * BLOCK, raw, sizeof(raw)))
			return true;
		block(in, &u, raw, i);
	}
	if (u.seen != u.blocks || !u.begun)
		image_damaged(in, "it ends after block %" PRIu32 " of %" PRIu32, u.seen, u.blocks);
	const char *name = u.has_family ? family_name(u.family) : NULL;
	if (name)
		(void)buf_copy_str(facts->hardware, sizeof(facts->hardware), name);
	if (u.has_family)
		image_tell(in, "family 0x%08" PRIx32, u.family);
	image_tell(in, "%" PRIu32 " blocks", u.blocks);
	image_tell(in, "payload %" PRIu64 " bytes", u.payload);
	if (u.flash) {
		image_tell(in, "at 0x%08" PRIx32, u.low);
		facts->slot_bytes = (int64_t)u.payload;
	}
	return true;
}
