/* SPDX-License-Identifier: Apache-2.0
 *
 * What an image says of itself: read from its bytes at upload (wire/image.h) and kept with its
 * release. An image of a format that says nothing is `plain`.
 */
#ifndef CORE_IMAGE_H
#define CORE_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/digest.h"

/* X(name, word, text for people) */
#define IMAGE_FORMAT_LIST(X)                                                                       \
	X(IMAGE_PLAIN, "plain", "no format that is known here")                                    \
	X(IMAGE_MCUBOOT, "mcuboot", "MCUboot image")                                               \
	X(IMAGE_ESP_IDF, "esp-idf", "ESP-IDF application")                                         \
	X(IMAGE_UF2, "uf2", "UF2 file")                                                            \
	X(IMAGE_PARTICLE, "particle", "Particle module")                                           \
	X(IMAGE_ELF, "elf", "ELF file")

enum image_format {
#define IMAGE_FORMAT_ENUM(name, word, text) name,
	IMAGE_FORMAT_LIST(IMAGE_FORMAT_ENUM)
#undef IMAGE_FORMAT_ENUM
};

/* Kinds of signatures in the image itself, as bits. X(name, word) */
#define IMAGE_SIGNATURE_LIST(X)                                                                    \
	X(IMAGE_SIG_RSA2048, "rsa-2048")                                                           \
	X(IMAGE_SIG_RSA3072, "rsa-3072")                                                           \
	X(IMAGE_SIG_ECDSA, "ecdsa")                                                                \
	X(IMAGE_SIG_ED25519, "ed25519")                                                            \
	X(IMAGE_SIG_ESP_V2, "esp-secure-boot-v2")                                                  \
	X(IMAGE_SIG_OTHER, "other")

enum image_signature_bit {
#define IMAGE_SIGNATURE_BIT(name, word) name##_BIT,
	IMAGE_SIGNATURE_LIST(IMAGE_SIGNATURE_BIT)
#undef IMAGE_SIGNATURE_BIT
		IMAGE_SIGNATURE_COUNT
};
enum image_signature {
#define IMAGE_SIGNATURE_ENUM(name, word) name = 1 << name##_BIT,
	IMAGE_SIGNATURE_LIST(IMAGE_SIGNATURE_ENUM)
#undef IMAGE_SIGNATURE_ENUM
};

struct image_facts {
	enum image_format format;
	bool encrypted;
	uint32_t signatures;		     /* enum image_signature */
	int64_t security_counter;	     /* -1: it has none */
	int64_t slot_bytes;		     /* what it takes where it runs; 0: not known */
	char version[LIMIT_VERSION + 1];     /* what it will report, "": it does not say */
	char hardware[LIMIT_HARDWARE + 1];   /* chip or board it is built for, "": does not say */
	char project[LIMIT_IMAGE_TEXT + 1];  /* its name, "": none */
	char detail[LIMIT_IMAGE_DETAIL + 1]; /* what else there is to say, for people */
};

const char *image_format_name(enum image_format format);
const char *image_format_text(enum image_format format);
int image_format_from_name(const char *name, enum image_format *ret_format) ERR_CHECK;

/* The word of one bit; NULL if there is none. */
const char *image_signature_name(unsigned bit);
/* All words with a space between them; 128 bytes are enough. Returns dst. */
char *image_signatures_text(uint32_t signatures, char dst[128]);
int image_signatures_from_text(const char *text, uint32_t *ret_signatures) ERR_CHECK;

/* Would a device that runs the image report this label? True where the image does not say. The
 * numbers of MCUboot count by value, with or without a "v"; text counts byte for byte. */
bool image_label_fits(const struct image_facts *facts, const char *label);

/* May hardware of this name run it? Only a name that has the word of another chip or board of the
 * same kind in it ("esp32s3-rev2" for an image of esp32c3) says no. */
bool image_hardware_fits(const struct image_facts *facts, const char *hardware);

#endif
