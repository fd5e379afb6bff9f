/* SPDX-License-Identifier: Apache-2.0
 *
 * ESP-IDF: a header, segments with headers of their own, a checksum byte at the end of a line of
 * 16, and mostly a SHA-256 of all that. An application's first segment begins with a descriptor.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "wire/image_inner.h"

#define MAGIC_DESCRIPTOR UINT32_C(0xabcd5432)

enum {
	MAGIC_HEADER = 0xe9,
	HEADER_BYTES = 24,
	SEGMENT_BYTES = 8,
	SEGMENTS = 16,
	SPI_MODES = 6, /* 0 to 5 */
	CHECKSUM_SEED = 0xef,
	SHA_BYTES = 32,
	LINE = 16,

	DESCRIPTOR_BYTES = 256,
	DESCRIPTOR_COUNTER = 4,
	DESCRIPTOR_VERSION = 16,
	DESCRIPTOR_PROJECT = 48,
	DESCRIPTOR_IDF = 112,
	DESCRIPTOR_ELF_SHA = 144,
	TEXT_BYTES = 32,

	SECTOR = 4096, /* Secure Boot V2: a signature block in a sector of its own */
	MAGIC_SIGNATURE = 0xe7,
	SIGNATURE_VERSION = 2,
	BLOCKS = 3, /* of so many keys */
	BLOCK_BYTES = 1216,
	BLOCK_DIGEST = 4,
	BLOCK_KEY = 36,	      /* the modulus; then */
	BLOCK_EXPONENT = 420, /* and numbers that follow from both; then */
	BLOCK_SIGNATURE = 812,
	RSA_BYTES = 384,
};

static const char *chip_name(unsigned id)
{
	static const struct {
		unsigned id;
		const char *name;
	} chips[] = {
		{0, "esp32"},	  {2, "esp32s2"},  {5, "esp32c3"},  {9, "esp32s3"},
		{12, "esp32c2"},  {13, "esp32c6"}, {16, "esp32h2"}, {18, "esp32p4"},
		{20, "esp32c61"}, {23, "esp32c5"},
	};

	for (size_t i = 0; i < sizeof(chips) / sizeof(chips[0]); i++)
		if (chips[i].id == id)
			return chips[i].name;
	return NULL;
}

/* One byte is not enough to tell: what else the header must be is looked at, too. */
static bool header_likely(const uint8_t raw[HEADER_BYTES])
{
	return raw[0] == MAGIC_HEADER && raw[1] >= 1 && raw[1] <= SEGMENTS &&
	       (raw[2] < SPI_MODES || raw[2] == 0xff) && chip_name(image_u16(raw + 12)) &&
	       raw[19] == 0 && raw[20] == 0 && raw[21] == 0 && raw[22] == 0 && raw[23] <= 1;
}

static bool segment_sum(struct image_in *in, uint64_t at, uint32_t len, uint8_t *sum)
{
	uint8_t chunk[4096];

	while (len) {
		size_t n = len < sizeof(chunk) ? len : sizeof(chunk);
		if (!image_get(in, at, chunk, n))
			return false;
		for (size_t i = 0; i < n; i++)
			*sum ^= chunk[i];
		at += n;
		len -= (uint32_t)n;
	}
	return true;
}

static void descriptor(struct image_in *in, uint64_t at, uint32_t len)
{
	struct image_facts *facts = &in->im->facts;
	uint8_t raw[DESCRIPTOR_BYTES];
	char idf[TEXT_BYTES + 1], elf[2 * 8 + 1];

	if (len < sizeof(raw) || !image_get(in, at, raw, sizeof(raw)) ||
	    image_u32(raw) != MAGIC_DESCRIPTOR) {
		image_tell(in, "no application descriptor");
		return;
	}
	facts->security_counter = image_u32(raw + DESCRIPTOR_COUNTER);
	image_text(facts->version, TEXT_BYTES + 1, raw + DESCRIPTOR_VERSION, TEXT_BYTES);
	image_text(facts->project, TEXT_BYTES + 1, raw + DESCRIPTOR_PROJECT, TEXT_BYTES);
	image_text(idf, sizeof(idf), raw + DESCRIPTOR_IDF, TEXT_BYTES);
	if (idf[0])
		image_tell(in, "ESP-IDF %s", idf);
	struct buf b = buf_writer(elf, sizeof(elf));
	buf_put_hex(&b, raw + DESCRIPTOR_ELF_SHA, 8);
	image_tell(in, "ELF SHA-256 %s...", buf_cstr(&b));
}

/* Returns where the checksum's line begins, or 0. */
static uint64_t segments(struct image_in *in, unsigned count, uint8_t *sum)
{
	uint64_t at = HEADER_BYTES;

	for (unsigned i = 0; i < count; i++) {
		uint8_t raw[SEGMENT_BYTES];
		if (!image_get(in, at, raw, sizeof(raw))) {
			image_damaged(in, "it ends before segment %u of %u, at byte %" PRIu64,
				      i + 1, count, in->f->size);
			return 0;
		}
		uint32_t len = image_u32(raw + 4);
		at += sizeof(raw);
		if (!image_holds(in, at, len)) {
			image_damaged(in,
				      "segment %u of %u has %" PRIu32 " bytes, but the file ends "
				      "after %" PRIu64 " of them",
				      i + 1, count, len, in->f->size - at);
			return 0;
		}
		if (i == 0)
			descriptor(in, at, len);
		if (!segment_sum(in, at, len, sum))
			return 0;
		at += len;
	}
	return at;
}

/* Returns the end of the image with its hash, or 0. */
static uint64_t check_end(struct image_in *in, uint64_t at, uint8_t sum, bool hashed)
{
	uint8_t found[SHA_BYTES], actual[LIMIT_DIGEST];

	at = (at / LINE + 1) * LINE; /* behind the checksum, which is the last byte of its line */
	if (!image_get(in, at - 1, found, 1)) {
		image_damaged(in, "it ends before its checksum, at byte %" PRIu64, in->f->size);
		return 0;
	}
	if (found[0] != sum) {
		image_damaged(in, "its checksum is 0x%02x, that of its segments 0x%02x", found[0],
			      sum);
		return 0;
	}
	if (!hashed)
		return at;
	if (!image_get(in, at, found, sizeof(found))) {
		image_damaged(in, "it ends before its SHA-256, at byte %" PRIu64, in->f->size);
		return 0;
	}
	if (!image_hash(in, 256, at, actual))
		return 0;
	if (memcmp(found, actual, sizeof(found)) != 0) {
		image_damaged(in, "its SHA-256 is not that of its bytes");
		return 0;
	}
	image_digest(in, DIGEST_ESP_APPENDED, actual, SHA_BYTES);
	return at + SHA_BYTES;
}

/* Blocks of RSA-3072, each of the SHA-256 of all that is before their sector. */
static void signatures(struct image_in *in, uint64_t sector)
{
	struct image *im = in->im;
	uint8_t raw[BLOCK_KEY], key[RSA_BYTES + 4], actual[LIMIT_DIGEST];

	for (unsigned i = 0; i < BLOCKS; i++) {
		uint64_t at = sector + (uint64_t)i * BLOCK_BYTES;
		if (!image_get(in, at, raw, 2) || raw[0] != MAGIC_SIGNATURE ||
		    raw[1] != SIGNATURE_VERSION)
			return;
		im->facts.signatures |= IMAGE_SIG_ESP_V2;
		if (!image_holds(in, at, BLOCK_BYTES)) {
			image_damaged(in, "it ends within its signature block %u, at byte %" PRIu64,
				      i + 1, in->f->size);
			return;
		}
		if (!image_get(in, at, raw, sizeof(raw)) ||
		    !image_get(in, at + BLOCK_KEY, key, RSA_BYTES) ||
		    !image_get(in, at + BLOCK_EXPONENT, key + RSA_BYTES, 4) ||
		    (!im->hash.len && !image_hash(in, 256, sector, actual)))
			return;
		if (!im->hash.len) {
			im->hash.kind = DIGEST_FILE;
			im->hash.len = DIGEST_SHA256;
			memcpy(im->hash.value, actual, DIGEST_SHA256);
		}
		if (memcmp(im->hash.value, raw + BLOCK_DIGEST, DIGEST_SHA256) != 0) {
			image_damaged(in,
				      "the SHA-256 in its signature block %u is not that of its "
				      "bytes",
				      i + 1);
			return;
		}
		im->signed_bytes = sector;
		struct image_signature_at *s = &im->signature[im->signature_count++];
		*s = (struct image_signature_at){.kind = IMAGE_SIG_ESP_V2,
						 .offset = at + BLOCK_SIGNATURE,
						 .len = RSA_BYTES,
						 .has_key = true};
		image_sha256(key, sizeof(key), s->key);
	}
}

bool image_esp(struct image_in *in)
{
	struct image_facts *facts = &in->im->facts;
	uint8_t raw[HEADER_BYTES], sum = CHECKSUM_SEED;

	if (!image_get(in, 0, raw, sizeof(raw)) || !header_likely(raw))
		return false;
	facts->format = IMAGE_ESP_IDF;
	(void)buf_copy_str(facts->hardware, sizeof(facts->hardware),
			   chip_name(image_u16(raw + 12)));
	image_tell(in, "%u segments", raw[1]);
	uint64_t end = segments(in, raw[1], &sum);
	if (end)
		end = check_end(in, end, sum, raw[23] == 1);
	if (!end)
		return true;
	if (raw[23] == 0)
		image_tell(in, "no SHA-256 appended");
	signatures(in, (end + SECTOR - 1) / SECTOR * SECTOR);
	return true;
}
