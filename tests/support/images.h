/* SPDX-License-Identifier: Apache-2.0
 *
 * Images of known formats, made byte by byte. Each function returns the length; the buffer has
 * IMAGES_CAP bytes. What a test breaks, it breaks in the bytes.
 */
#ifndef SUPPORT_IMAGES_H
#define SUPPORT_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { IMAGES_CAP = 16384, IMAGES_SIGNATURE = 600 };

struct images_mcuboot {
	unsigned header_bytes; /* 0: 32 */
	unsigned body_bytes;
	unsigned major, minor, revision, build;
	unsigned flags, load;
	int64_t counter; /* -1: none; protected */
	bool boot_record, dependency;
	unsigned bits; /* of the hash: 256, 384, 512; 0: none */
	bool pure;
	unsigned signature_type; /* TLV; 0: none */
	const uint8_t *signature;
	size_t signature_len;
};

/* *ret_signed: how many bytes hash and signature cover (may be NULL). */
size_t images_mcuboot(uint8_t *dst, const struct images_mcuboot *m, size_t *ret_signed);

struct images_esp {
	unsigned segments; /* 0: 2 */
	unsigned chip;
	const char *version, *project; /* version NULL: no descriptor */
	unsigned secure_version;
	bool hashed, secure_boot;
};
size_t images_esp(uint8_t *dst, const struct images_esp *e);

struct images_uf2 {
	unsigned blocks;
	uint32_t family; /* 0: none */
	const char *version;
	bool absolute; /* a block for RP2350's erratum before it */
};
size_t images_uf2(uint8_t *dst, const struct images_uf2 *u);

struct images_particle {
	unsigned place; /* of the header: 0, 0x200, 0x184 */
	unsigned platform, function, module_version;
	int product_version; /* -1: no such extension */
	bool old_suffix;
};
size_t images_particle(uint8_t *dst, const struct images_particle *p);
/* The CRC-32 at its end anew. */
void images_particle_seal(uint8_t *dst, size_t len);

size_t images_elf(uint8_t *dst, bool wide, bool big);

#endif
