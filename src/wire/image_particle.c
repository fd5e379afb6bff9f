/* SPDX-License-Identifier: Apache-2.0
 *
 * Particle modules: a header (at the beginning or behind the table of interrupts), and at the end
 * a suffix with a SHA-256 and its own length, and a CRC-32, which is what the device checks.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "wire/image_inner.h"

enum {
	HEADER_BYTES = 24,
	CRC_BYTES = 4,
	SUFFIX_BYTES = 36, /* its fixed part: 2 reserved, SHA-256, length */
	SHA_BYTES = 32,
	FLAGS_KNOWN = 0x1f,
	FLAG_COMPRESSED = 0x02,
	FLAG_COMBINED = 0x04,
	FLAG_ENCRYPTED = 0x08,
	FUNCTION_SYSTEM = 4,
	FUNCTION_USER = 5,
	FUNCTION_LAST = 9,

	EXTENSION_BYTES = 4,
	EXTENSION_PRODUCT = 1,
	PRODUCT_BYTES = 10, /* type, length, 4 of the id, 2 of the version */
	OLD_SUFFIX_BYTES =
		40, /* before extensions: 2 of the id, 2 of the version, the fixed part */
};

static const char *const functions[FUNCTION_LAST + 1] = {
	"nothing",     "resource", "boot loader", "whole firmware", "system part",
	"application", "settings", "coprocessor", "radio stack",    "asset",
};

static const char *platform_name(unsigned id)
{
	static const struct {
		unsigned id;
		const char *name;
	} names[] = {
		{0, "core"},   {6, "photon"}, {8, "p1"},	 {10, "electron"},
		{12, "argon"}, {13, "boron"}, {14, "xenon"},	 {15, "esomx"},
		{23, "bsom"},  {25, "b5som"}, {26, "tracker"},	 {28, "trackerm"},
		{32, "p2"},    {35, "msom"},  {37, "electron2"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].id == id)
			return names[i].name;
	return NULL;
}

static bool dependency_likely(const uint8_t raw[4])
{
	return raw[0] <= FUNCTION_LAST && (raw[0] || (!raw[1] && !image_u16(raw + 2)));
}

static bool header_likely(const uint8_t raw[HEADER_BYTES])
{
	uint32_t start = image_u32(raw), end = image_u32(raw + 4);

	return start < end && end - start > HEADER_BYTES + SUFFIX_BYTES &&
	       (raw[9] & ~FLAGS_KNOWN) == 0 && raw[14] >= 1 && raw[14] <= FUNCTION_LAST &&
	       platform_name(image_u16(raw + 12)) && dependency_likely(raw + 16) &&
	       dependency_likely(raw + 20) && (start & 3) == 0;
}

static bool crc(struct image_in *in, uint64_t len, uint32_t *ret_crc)
{
	uint32_t table[256], sum = UINT32_MAX;
	uint8_t chunk[4096];

	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;
		for (int bit = 0; bit < 8; bit++)
			c = c & 1 ? c >> 1 ^ UINT32_C(0xedb88320) : c >> 1;
		table[i] = c;
	}
	for (uint64_t at = 0; at < len;) {
		size_t n = len - at < sizeof(chunk) ? (size_t)(len - at) : sizeof(chunk);
		if (!image_get(in, at, chunk, n))
			return false;
		for (size_t i = 0; i < n; i++)
			sum = sum >> 8 ^ table[(sum ^ chunk[i]) & 0xff];
		at += n;
	}
	*ret_crc = ~sum;
	return true;
}

static void product(struct image_in *in, uint32_t id, uint16_t version, bool user)
{
	if (version == UINT16_MAX || !user)
		return;
	(void)snprintf(in->im->facts.version, sizeof(in->im->facts.version), "%u", version);
	if (id != UINT32_MAX && id != UINT16_MAX)
		image_tell(in, "product %" PRIu32, id);
}

/* Extensions stand before the suffix's fixed part, and its length counts them. */
static void suffix(struct image_in *in, uint64_t end, bool user)
{
	uint8_t fixed[SUFFIX_BYTES], raw[PRODUCT_BYTES], actual[LIMIT_DIGEST];

	if (!image_get(in, end - SUFFIX_BYTES, fixed, sizeof(fixed)))
		return;
	uint16_t len = image_u16(fixed + SUFFIX_BYTES - 2);
	if (!image_hash(in, 256, end - SHA_BYTES - 2, actual))
		return;
	if (memcmp(actual, fixed + 2, SHA_BYTES) != 0)
		image_tell(in, "SHA-256 of its suffix is not that of its bytes");
	if (len == OLD_SUFFIX_BYTES && image_get(in, end - OLD_SUFFIX_BYTES, raw, 4)) {
		product(in, image_u16(raw), image_u16(raw + 2), user);
		return;
	}
	if (len <= SUFFIX_BYTES || len > end)
		return;
	for (uint64_t at = end - len; end - SUFFIX_BYTES - at >= EXTENSION_BYTES;) {
		if (!image_get(in, at, raw, EXTENSION_BYTES))
			return;
		uint16_t type = image_u16(raw), size = image_u16(raw + 2);
		if (size < EXTENSION_BYTES || size > end - SUFFIX_BYTES - at)
			return;
		if (type == EXTENSION_PRODUCT && size == PRODUCT_BYTES &&
		    image_get(in, at, raw, sizeof(raw)))
			product(in, image_u32(raw + 4), image_u16(raw + 8), user);
		at += size;
	}
}

static void module(struct image_in *in, const uint8_t raw[HEADER_BYTES])
{
	struct image_facts *facts = &in->im->facts;
	uint32_t start = image_u32(raw), length = image_u32(raw + 4) - start, sum;
	uint64_t whole = (uint64_t)length + CRC_BYTES;
	uint8_t found[CRC_BYTES];

	facts->format = IMAGE_PARTICLE;
	facts->encrypted = (raw[9] & FLAG_ENCRYPTED) != 0;
	(void)buf_copy_str(facts->hardware, sizeof(facts->hardware),
			   platform_name(image_u16(raw + 12)));
	(void)snprintf(facts->project, sizeof(facts->project), "%s %u", functions[raw[14]],
		       raw[15]);
	image_tell(in, "module version %u", image_u16(raw + 10));
	image_tell(in, "at 0x%08" PRIx32, start);
	for (const uint8_t *d = raw + 16; d < raw + HEADER_BYTES; d += 4)
		if (d[0])
			image_tell(in, "needs %s %u version %u", functions[d[0]], d[1],
				   image_u16(d + 2));
	if (raw[9] & FLAG_COMPRESSED)
		image_tell(in, "compressed");
	if (raw[9] & FLAG_COMBINED)
		image_tell(in, "others behind it");
	if (!image_holds(in, 0, whole)) {
		image_damaged(in, "it has %" PRIu64 " bytes, its header says %" PRIu64, in->f->size,
			      whole);
		return;
	}
	if (!crc(in, length, &sum) || !image_get(in, length, found, sizeof(found)))
		return;
	uint32_t told = (uint32_t)found[0] << 24 | (uint32_t)found[1] << 16 |
			(uint32_t)found[2] << 8 | found[3];
	if (told != sum) {
		image_damaged(in, "its CRC-32 is %08" PRIx32 ", that of its bytes %08" PRIx32, told,
			      sum);
		return;
	}
	facts->slot_bytes = (int64_t)whole;
	suffix(in, length, raw[14] == FUNCTION_USER);
}

bool image_particle(struct image_in *in)
{
	/* the beginning; behind the interrupts of nRF52840, STM32F2, STM32F1 */
	static const uint16_t places[] = {0, 0x200, 0x184, 0x10c};
	uint8_t raw[HEADER_BYTES];

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (image_get(in, places[i], raw, sizeof(raw)) && header_likely(raw)) {
			module(in, raw);
			return true;
		}
	}
	return false;
}
