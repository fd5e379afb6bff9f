/* SPDX-License-Identifier: Apache-2.0
 *
 * MCUboot: a header of 32 bytes or more, the body, and one or two areas of type-length-value
 * entries behind it. The first, if there is one, is protected: hash and signature cover it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "wire/image_inner.h"

#define MAGIC_HEADER UINT32_C(0x96f3b83d)

enum {
	HEADER_BYTES = 32,
	AREA_BYTES = 4, /* magic and length of an area, itself included */
	ENTRY_BYTES = 4,
	MAGIC_AREA = 0x6907,
	MAGIC_PROTECTED = 0x6908,

	FLAG_ENCRYPTED = 0x4 | 0x8, /* with AES-128 or AES-256 */
	FLAG_NON_BOOTABLE = 0x10,
	FLAG_RAM_LOAD = 0x20,
	FLAG_COMPRESSED = 0x200 | 0x400, /* LZMA1, LZMA2 */

	TLV_KEY_HASH = 0x01,
	TLV_PUBLIC_KEY = 0x02,
	TLV_SHA256 = 0x10,
	TLV_SHA384 = 0x11,
	TLV_SHA512 = 0x12,
	TLV_RSA2048 = 0x20,
	TLV_ECDSA224 = 0x21,
	TLV_ECDSA = 0x22,
	TLV_RSA3072 = 0x23,
	TLV_ED25519 = 0x24,
	TLV_PURE = 0x25,
	TLV_DEPENDENCY = 0x40,
	TLV_COUNTER = 0x50,
	TLV_BOOT_RECORD = 0x60,
};

struct mcuboot {
	uint16_t header_bytes, protected_bytes;
	uint32_t body_bytes, flags, load;
	uint64_t end;  /* of what hash and signature cover */
	unsigned bits; /* of the hash; 0: none seen */
	uint8_t hash[LIMIT_DIGEST];
	unsigned dependencies;
	bool boot_record;
	bool has_key; /* the signature to come is of this one */
	uint8_t key[DIGEST_SHA256];
};

static enum image_signature signature_of(unsigned type)
{
	switch (type) {
	case TLV_RSA2048:
		return IMAGE_SIG_RSA2048;
	case TLV_RSA3072:
		return IMAGE_SIG_RSA3072;
	case TLV_ECDSA:
		return IMAGE_SIG_ECDSA;
	case TLV_ED25519:
		return IMAGE_SIG_ED25519;
	default:
		return IMAGE_SIG_OTHER;
	}
}

static void signature_note(struct image_in *in, struct mcuboot *m, unsigned type, uint64_t at,
			   uint16_t len)
{
	struct image *im = in->im;
	enum image_signature kind = signature_of(type);

	im->facts.signatures |= kind;
	if (kind == IMAGE_SIG_OTHER || im->signature_count == IMAGE_SIGNATURES)
		return;
	struct image_signature_at *s = &im->signature[im->signature_count++];
	*s = (struct image_signature_at){.kind = kind, .offset = at, .len = len};
	s->has_key = m->has_key;
	memcpy(s->key, m->key, sizeof(s->key));
	m->has_key = false;
}

/* Before a signature comes the hash of its key, or the key; of another hash we make nothing. */
static void key_note(struct image_in *in, struct mcuboot *m, unsigned type, uint64_t at,
		     uint16_t len)
{
	uint8_t key[LIMIT_SIGNER_KEY];
	size_t want = type == TLV_KEY_HASH ? DIGEST_SHA256 : len;

	m->has_key = len == want && len <= sizeof(key) && image_get(in, at, key, len);
	if (!m->has_key)
		return;
	if (type == TLV_KEY_HASH)
		memcpy(m->key, key, DIGEST_SHA256);
	else
		image_sha256(key, len, m->key);
}

static void hash_note(struct image_in *in, struct mcuboot *m, unsigned bits, uint64_t at,
		      uint16_t len)
{
	if (len != bits / 8) {
		image_damaged(in, "its SHA-%u has %u bytes, not %u", bits, len, bits / 8);
	} else if (m->bits) {
		image_damaged(in, "it has two hashes");
	} else if (image_get(in, at, m->hash, len)) {
		m->bits = bits;
	}
}

static void counter_note(struct image_in *in, uint64_t at, uint16_t len)
{
	uint8_t raw[4];

	if (len != sizeof(raw))
		image_damaged(in, "its security counter has %u bytes, not 4", len);
	else if (image_get(in, at, raw, sizeof(raw)))
		in->im->facts.security_counter = image_u32(raw);
}

static void entry(struct image_in *in, struct mcuboot *m, unsigned type, uint64_t at, uint16_t len)
{
	switch (type) {
	case TLV_SHA256:
		hash_note(in, m, 256, at, len);
		break;
	case TLV_SHA384:
		hash_note(in, m, 384, at, len);
		break;
	case TLV_SHA512:
		hash_note(in, m, 512, at, len);
		break;
	case TLV_RSA2048:
	case TLV_ECDSA224:
	case TLV_ECDSA:
	case TLV_RSA3072:
	case TLV_ED25519:
		signature_note(in, m, type, at, len);
		break;
	case TLV_KEY_HASH:
	case TLV_PUBLIC_KEY:
		key_note(in, m, type, at, len);
		break;
	case TLV_PURE:
		in->im->pure = true;
		break;
	case TLV_COUNTER:
		counter_note(in, at, len);
		break;
	case TLV_BOOT_RECORD:
		m->boot_record = true;
		break;
	case TLV_DEPENDENCY:
		m->dependencies++;
		break;
	default:
		break; /* encryption, vendors' own */
	}
}

/* Reads the area at `at`, which is whole and of this kind, or the image is damaged. */
static uint64_t area(struct image_in *in, struct mcuboot *m, uint64_t at, uint16_t magic)
{
	const char *name = magic == MAGIC_AREA ? "unprotected" : "protected";
	uint8_t raw[AREA_BYTES];

	if (!image_get(in, at, raw, sizeof(raw))) {
		image_damaged(in, "it ends before its %s TLVs, at byte %" PRIu64, name,
			      in->f->size);
		return at;
	}
	uint64_t end = at + image_u16(raw + 2);
	if (image_u16(raw) != magic || end < at + AREA_BYTES) {
		image_damaged(in, "there are no %s TLVs at byte %" PRIu64, name, at);
		return at;
	}
	if (!image_holds(in, at, end - at)) {
		image_damaged(in, "it ends within its %s TLVs, at byte %" PRIu64, name,
			      in->f->size);
		return at;
	}
	for (at += AREA_BYTES; at < end && !in->im->fault[0];) {
		uint8_t head[ENTRY_BYTES];
		if (end - at < ENTRY_BYTES || !image_get(in, at, head, sizeof(head)) ||
		    end - at - ENTRY_BYTES < image_u16(head + 2)) {
			image_damaged(in, "a TLV at byte %" PRIu64 " goes beyond its area", at);
			break;
		}
		entry(in, m, image_u16(head), at + ENTRY_BYTES, image_u16(head + 2));
		at += ENTRY_BYTES + (uint64_t)image_u16(head + 2);
	}
	return end;
}

static void check_hash(struct image_in *in, const struct mcuboot *m)
{
	struct image *im = in->im;
	uint8_t actual[LIMIT_DIGEST];

	if (!m->bits) {
		if (!im->pure)
			image_damaged(in, "it has no hash");
		return;
	}
	/* The hash of an encrypted image is of what is inside. */
	if (!im->facts.encrypted) {
		if (!image_hash(in, m->bits, m->end, actual))
			return;
		if (memcmp(actual, m->hash, m->bits / 8) != 0) {
			image_damaged(in, "its SHA-%u is not that of its bytes", m->bits);
			return;
		}
		im->hash.len = (uint8_t)(m->bits / 8);
		im->hash.kind = DIGEST_MCUBOOT;
		memcpy(im->hash.value, m->hash, im->hash.len);
	}
	/* What runs of a compressed image is another one, with a hash of its own. */
	if (!(m->flags & FLAG_COMPRESSED))
		image_digest(in, DIGEST_MCUBOOT, m->hash, m->bits / 8);
}

static void tell(struct image_in *in, const struct mcuboot *m)
{
	image_tell(in, "header %u bytes", m->header_bytes);
	image_tell(in, "body %" PRIu32 " bytes", m->body_bytes);
	if (m->load)
		image_tell(in, "load address 0x%08" PRIx32, m->load);
	if (m->bits)
		image_tell(in, "SHA-%u%s", m->bits,
			   in->im->facts.encrypted ? " of what is encrypted" : "");
	if (m->protected_bytes)
		image_tell(in, "protected TLVs");
	if (m->boot_record)
		image_tell(in, "boot record");
	if (m->dependencies)
		image_tell(in, "dependencies: %u", m->dependencies);
	if (m->flags & FLAG_COMPRESSED)
		image_tell(in, "compressed");
	if (m->flags & FLAG_RAM_LOAD)
		image_tell(in, "runs from RAM");
	if (m->flags & FLAG_NON_BOOTABLE)
		image_tell(in, "not bootable");
	if (in->im->pure)
		image_tell(in, "signed without a hash");
}

static void version(struct image_in *in, const uint8_t *raw)
{
	uint32_t build = image_u32(raw + 4);
	char *dst = in->im->facts.version;
	size_t cap = sizeof(in->im->facts.version);

	if (!raw[0] && !raw[1] && !image_u16(raw + 2) && !build)
		return; /* nobody has set it */
	if (build)
		(void)snprintf(dst, cap, "%u.%u.%u+%" PRIu32, raw[0], raw[1], image_u16(raw + 2),
			       build);
	else
		(void)snprintf(dst, cap, "%u.%u.%u", raw[0], raw[1], image_u16(raw + 2));
}

bool image_mcuboot(struct image_in *in)
{
	uint8_t raw[HEADER_BYTES];
	struct mcuboot m = {0};
	struct image_facts *facts = &in->im->facts;

	if (!image_get(in, 0, raw, 4) || image_u32(raw) != MAGIC_HEADER)
		return false;
	facts->format = IMAGE_MCUBOOT;
	if (!image_get(in, 0, raw, sizeof(raw))) {
		image_damaged(in, "it ends within its header, at byte %" PRIu64, in->f->size);
		return true;
	}
	m.load = image_u32(raw + 4);
	m.header_bytes = image_u16(raw + 8);
	m.protected_bytes = image_u16(raw + 10);
	m.body_bytes = image_u32(raw + 12);
	m.flags = image_u32(raw + 16);
	facts->encrypted = (m.flags & FLAG_ENCRYPTED) != 0;
	version(in, raw + 20);
	uint64_t body_end = (uint64_t)m.header_bytes + m.body_bytes;
	m.end = body_end + m.protected_bytes;
	if (m.header_bytes < HEADER_BYTES) {
		image_damaged(in, "its header has %u bytes, fewer than %d", m.header_bytes,
			      HEADER_BYTES);
		return true;
	}
	if (!image_holds(in, 0, m.end)) {
		image_damaged(in, "it has %" PRIu64 " bytes, its header says at least %" PRIu64,
			      in->f->size, m.end);
		return true;
	}
	if (m.protected_bytes && area(in, &m, body_end, MAGIC_PROTECTED) != m.end)
		image_damaged(in, "its protected TLVs have not the length that its header says");
	uint64_t end = area(in, &m, m.end, MAGIC_AREA);
	facts->slot_bytes = (int64_t)end;
	in->im->signed_bytes = m.end;
	if (!in->im->fault[0])
		check_hash(in, &m);
	tell(in, &m);
	return true;
}
