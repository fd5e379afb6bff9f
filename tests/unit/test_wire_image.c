/* SPDX-License-Identifier: Apache-2.0
 *
 * What images say of themselves: each format whole, cut after every byte, and hostile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/images.h"
#include "wire/image_inner.h"
#include "wire/image_json.h"

static uint8_t raw[IMAGES_CAP];

struct source {
	const uint8_t *ptr;
	uint64_t len;
	int err;
};

static int source_read(void *ctx, uint64_t offset, void *dst, size_t len)
{
	const struct source *s = ctx;

	if (s->err)
		return s->err;
	assert_true(offset <= s->len && len <= s->len - offset);
	memcpy(dst, s->ptr + offset, len);
	return 0;
}

static struct image parse(size_t len)
{
	struct source s = {raw, len, 0};
	const struct image_file f = {source_read, &s, len};
	struct image im;

	assert_int_equal(image_parse(&f, &im), 0);
	return im;
}

static void assert_whole(const struct image *im, enum image_format format)
{
	assert_string_equal(im->fault, "");
	assert_string_equal(image_format_name(im->facts.format), image_format_name(format));
}

/* Cut anywhere it is another format (the first bytes are gone) or damaged, never whole. */
static void assert_cuts(size_t len, enum image_format format, size_t known)
{
	for (size_t n = 0; n < len; n++) {
		struct image im = parse(n);
		if (n < known)
			assert_int_equal(im.facts.format, IMAGE_PLAIN);
		else if (im.facts.format != format || !im.fault[0])
			fail_msg("%zu of %zu bytes are a whole %s", n, len,
				 image_format_name(im.facts.format));
	}
}

static void assert_fault(size_t len, const char *text)
{
	struct image im = parse(len);

	if (!strstr(im.fault, text))
		fail_msg("\"%s\" has no \"%s\"", im.fault, text);
}

static const struct images_mcuboot mcuboot = {
	.body_bytes = 600, .major = 1, .minor = 2, .revision = 3, .counter = -1, .bits = 256};

/* ---- MCUboot ---- */

static void test_mcuboot_facts(void **state)
{
	struct images_mcuboot m = mcuboot;
	uint8_t signature[71] = {0x30};
	size_t covered;

	(void)state;
	m.header_bytes = 512;
	m.build = 4;
	m.counter = 7;
	m.boot_record = m.dependency = true;
	m.load = 0x20000000;
	m.signature_type = 0x22;
	m.signature = signature;
	m.signature_len = sizeof(signature);
	size_t len = images_mcuboot(raw, &m, &covered);
	struct image im = parse(len);

	assert_whole(&im, IMAGE_MCUBOOT);
	assert_string_equal(im.facts.version, "1.2.3+4");
	assert_true(im.facts.security_counter == 7 && im.facts.slot_bytes == (int64_t)len);
	assert_int_equal(im.facts.signatures, IMAGE_SIG_ECDSA);
	assert_int_equal(im.digest_count, 1);
	assert_int_equal(im.digest[0].kind, DIGEST_MCUBOOT);
	assert_memory_equal(im.digest[0].value, im.hash.value, 32);
	assert_true(im.signed_bytes == covered && im.signature_count == 1);
	assert_true(im.signature[0].len == 71 && raw[im.signature[0].offset] == 0x30);
	assert_string_equal(im.facts.detail,
			    "header 512 bytes, body 600 bytes, load address 0x20000000, SHA-256, "
			    "protected TLVs, boot record, dependencies: 1");
	assert_false(im.facts.encrypted || im.pure);
	/* padded to its slot */
	memset(raw + len, 0xff, 1000);
	im = parse(len + 1000);
	assert_whole(&im, IMAGE_MCUBOOT);
	assert_true(im.facts.slot_bytes == (int64_t)len);
}

static void test_mcuboot_hashes(void **state)
{
	static const unsigned bits[] = {256, 384, 512};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct images_mcuboot m = mcuboot;
		m.bits = bits[i];
		size_t len = images_mcuboot(raw, &m, NULL);
		struct image im = parse(len);
		assert_whole(&im, IMAGE_MCUBOOT);
		assert_int_equal(im.digest[0].len, bits[i] / 8);
		raw[100] ^= 1;
		assert_fault(len, "is not that of its bytes");
	}
}

static void test_mcuboot_cut(void **state)
{
	struct images_mcuboot m = mcuboot;

	(void)state;
	m.counter = 1;
	assert_cuts(images_mcuboot(raw, &m, NULL), IMAGE_MCUBOOT, 4);
}

static void test_mcuboot_signatures(void **state)
{
	static const struct {
		unsigned type;
		uint32_t kind;
	} rows[] = {{0x20, IMAGE_SIG_RSA2048},
		    {0x21, IMAGE_SIG_OTHER},
		    {0x22, IMAGE_SIG_ECDSA},
		    {0x23, IMAGE_SIG_RSA3072},
		    {0x24, IMAGE_SIG_ED25519}};
	uint8_t signature[384] = {0};

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		struct images_mcuboot m = mcuboot;
		m.signature_type = rows[i].type;
		m.signature = signature;
		m.signature_len = sizeof(signature);
		struct image im = parse(images_mcuboot(raw, &m, NULL));
		assert_whole(&im, IMAGE_MCUBOOT);
		assert_int_equal(im.facts.signatures, rows[i].kind);
		assert_int_equal(im.signature_count, rows[i].kind != IMAGE_SIG_OTHER);
	}
}

static void test_mcuboot_kinds(void **state)
{
	struct images_mcuboot m = mcuboot;
	struct image im;

	(void)state;
	m.major = m.minor = m.revision = 0;
	im = parse(images_mcuboot(raw, &m, NULL));
	assert_string_equal(im.facts.version, ""); /* nobody has set it */
	m = mcuboot;
	m.flags = 0x4; /* encrypted: its hash is of what is inside */
	size_t len = images_mcuboot(raw, &m, NULL);
	raw[100] ^= 1;
	im = parse(len);
	assert_whole(&im, IMAGE_MCUBOOT);
	assert_true(im.facts.encrypted && im.digest_count == 1 && im.hash.len == 0);
	m.flags = 0x400; /* compressed: another image runs */
	im = parse(images_mcuboot(raw, &m, NULL));
	assert_whole(&im, IMAGE_MCUBOOT);
	assert_true(im.digest_count == 0 && im.hash.len == 32);
	m = mcuboot;
	m.bits = 0;
	assert_fault(images_mcuboot(raw, &m, NULL), "it has no hash");
	m.pure = true;
	im = parse(images_mcuboot(raw, &m, NULL));
	assert_whole(&im, IMAGE_MCUBOOT);
	assert_true(im.pure && im.hash.len == 0);
}

static void put32(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static void test_mcuboot_hostile(void **state)
{
	struct images_mcuboot m = mcuboot;
	size_t covered;

	(void)state;
	m.counter = 3;
	size_t len = images_mcuboot(raw, &m, &covered);
	uint8_t *area = raw + 32 + 600;

	put32(raw + 12, UINT32_MAX); /* body */
	assert_fault(len, "its header says at least 4294967339");
	put32(raw + 12, 600);
	raw[8] = 31;
	assert_fault(len, "fewer than 32");
	raw[8] = 32;
	raw[10]++; /* length of the protected area */
	assert_fault(len, "protected TLVs");
	raw[10]--;
	area[0] = 0x07;
	assert_fault(len, "no protected TLVs at byte 632");
	area[0] = 0x08;
	area[2] = 3; /* an area shorter than its head */
	assert_fault(len, "no protected TLVs at byte 632");
	area[2] = 12;
	area[6] = 5; /* entry beyond its area */
	assert_fault(len, "a TLV at byte 636 goes beyond its area");
	area[6] = 3;
	assert_fault(len, "security counter has 3 bytes");
	area[6] = 4;
	raw[covered + 2] = 0xff; /* the other area beyond the file */
	assert_fault(len, "within its unprotected TLVs");
	raw[covered + 2] = (uint8_t)(len - covered);
	raw[covered + 6] = 31; /* SHA-256 of 31 bytes */
	assert_fault(len, "SHA-256 has 31 bytes, not 32");
	raw[covered + 6] = 32;
	struct image im = parse(len);
	assert_whole(&im, IMAGE_MCUBOOT);
	/* two hashes: which one would count? */
	memcpy(raw + len, raw + covered + 4, 36);
	raw[covered + 2] = (uint8_t)(len + 36 - covered);
	assert_fault(len + 36, "two hashes");
}

/* ---- what is kept of any ---- */

static void test_texts_at_their_limits_and_one_more(void **state)
{
	struct image im = {0};
	struct image_in in = {.im = &im};
	char *detail = im.facts.detail, *project = im.facts.project;
	const uint8_t *name = (const uint8_t *)"0123456789abcdef0123456789abcdef0123456789abcdef";

	(void)state;
	image_text(project, sizeof(im.facts.project), name, LIMIT_IMAGE_TEXT);
	assert_int_equal(strlen(project), LIMIT_IMAGE_TEXT);
	image_text(project, sizeof(im.facts.project), name, LIMIT_IMAGE_TEXT + 1);
	assert_int_equal(strlen(project), LIMIT_IMAGE_TEXT);
	assert_memory_equal(project, name, LIMIT_IMAGE_TEXT);

	/* The last part fills it; one byte longer, and nothing of it is there. */
	for (int more = 0; more < 2; more++) {
		in.detail = buf_writer(detail, sizeof(im.facts.detail));
		image_tell(&in, "first");
		image_tell(&in, "%0*d", LIMIT_IMAGE_DETAIL - 7 + more, 0);
		(void)buf_cstr(&in.detail);
		assert_int_equal(strlen(detail), more ? 5 : LIMIT_IMAGE_DETAIL);
	}
	assert_string_equal(detail, "first");
}

/* ---- ESP-IDF ---- */

static void test_esp_facts(void **state)
{
	struct images_esp e = {.chip = 5,
			       .version = "1.4.0-rc1",
			       .project = "lamp",
			       .secure_version = 2,
			       .hashed = true};
	size_t len = images_esp(raw, &e);
	struct image im = parse(len);

	(void)state;
	assert_whole(&im, IMAGE_ESP_IDF);
	assert_string_equal(im.facts.version, "1.4.0-rc1");
	assert_string_equal(im.facts.project, "lamp");
	assert_string_equal(im.facts.hardware, "esp32c3");
	assert_true(im.facts.security_counter == 2 && im.digest_count == 1);
	assert_int_equal(im.digest[0].kind, DIGEST_ESP_APPENDED);
	assert_memory_equal(im.digest[0].value, raw + len - 32, 32);
	assert_string_equal(im.facts.detail,
			    "2 segments, ESP-IDF v5.2, ELF SHA-256 00070e151c232a31...");
	assert_cuts(len, IMAGE_ESP_IDF, 24);
	raw[len - 1] ^= 1;
	assert_fault(len, "its SHA-256 is not that of its bytes");
	raw[len - 1] ^= 1;
	raw[len - 33] ^= 1;
	assert_fault(len, "its checksum is");
	raw[len - 33] ^= 1;
	put32(raw + 28, UINT32_MAX);
	assert_fault(len, "segment 1 of 2 has 4294967295 bytes");
}

static void test_esp_kinds(void **state)
{
	struct images_esp e = {.chip = 0};
	size_t len = images_esp(raw, &e);
	struct image im = parse(len);

	(void)state;
	assert_whole(&im, IMAGE_ESP_IDF);
	assert_true(im.digest_count == 0 && im.facts.security_counter == -1);
	assert_string_equal(im.facts.detail,
			    "2 segments, no application descriptor, no SHA-256 appended");
	e = (struct images_esp){.chip = 9,
				.version = "12345678901234567890123456789012",
				.project = "a\tb",
				.hashed = true,
				.secure_boot = true};
	im = parse(images_esp(raw, &e));
	assert_whole(&im, IMAGE_ESP_IDF);
	assert_string_equal(im.facts.version, "12345678901234567890123456789012");
	assert_string_equal(im.facts.project, "a?b");
	assert_int_equal(im.facts.signatures, IMAGE_SIG_ESP_V2);
	assert_true(im.signature_count == 1 && im.signature[0].has_key &&
		    im.signature[0].len == 384 && im.signed_bytes == 4096 &&
		    im.signature[0].offset == 4096 + 812 && im.hash.len == DIGEST_SHA256);
	len = images_esp(raw, &e);
	raw[4096 + 4] ^= 1;
	assert_fault(4096 + 1215, "it ends within its signature block 1, at byte 5311");
	assert_fault(len, "the SHA-256 in its signature block 1 is not that of its bytes");
	/* one byte 0xe9 makes no ESP-IDF image: an unknown chip, 17 segments */
	len = images_esp(raw, &e);
	raw[12] = 0x77;
	assert_int_equal(parse(len).facts.format, IMAGE_PLAIN);
	raw[12] = 9;
	raw[1] = 17;
	assert_int_equal(parse(len).facts.format, IMAGE_PLAIN);
}

/* ---- UF2 ---- */

static void test_uf2_facts(void **state)
{
	struct images_uf2 u = {.blocks = 5, .family = 0xe48bff56, .version = "2.0.1"};
	size_t len = images_uf2(raw, &u);
	struct image im = parse(len);

	(void)state;
	assert_whole(&im, IMAGE_UF2);
	assert_string_equal(im.facts.version, "2.0.1");
	assert_string_equal(im.facts.hardware, "rp2040");
	assert_true(im.facts.slot_bytes == 5 * 256);
	assert_string_equal(im.facts.detail,
			    "family 0xe48bff56, 5 blocks, payload 1280 bytes, at 0x10000000");
	assert_cuts(len, IMAGE_UF2, 8);
	put32(raw + 512 + 20, 7);
	assert_fault(len, "block 1 is number 7 of 5, not 1 of 5");
	put32(raw + 512 + 20, 1);
	put32(raw + 512 + 16, 477);
	assert_fault(len, "block 1 says it has 477 bytes");
	put32(raw + 512 + 16, 256);
	put32(raw + 512 + 12, UINT32_MAX);
	assert_fault(len, "block 1 goes beyond the end of memory");
	put32(raw + 512 + 12, 0);
	put32(raw + 512 + 28, 1);
	assert_fault(len, "block 1 is for another family");
	put32(raw + 512 + 28, 0xe48bff56);
	raw[1023] ^= 1;
	assert_fault(len, "block 1 has not the marks");
	raw[1023] ^= 1;
	memcpy(raw + len, raw + len - 512, 512);
	assert_fault(len + 512, "block 5 is number 4 of 5, not 5 of 5");
}

static void test_uf2_absolute_block(void **state)
{
	struct images_uf2 u = {.blocks = 3, .family = 0xe48bff59, .absolute = true};
	struct image im = parse(images_uf2(raw, &u));

	(void)state;
	assert_whole(&im, IMAGE_UF2);
	assert_string_equal(im.facts.hardware, "rp2350");
	assert_string_equal(im.facts.version, "");
	u = (struct images_uf2){.blocks = 1};
	im = parse(images_uf2(raw, &u));
	assert_whole(&im, IMAGE_UF2);
	assert_string_equal(im.facts.hardware, "");
}

/* ---- Particle ---- */

static void test_particle_facts(void **state)
{
	static const unsigned places[] = {0, 0x200, 0x184};

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		struct images_particle p = {.place = places[i % 3],
					    .platform = 12,
					    .function = 5,
					    .module_version = 6,
					    .product_version = 17,
					    .old_suffix = i >= 3};
		size_t len = images_particle(raw, &p);
		struct image im = parse(len);
		assert_whole(&im, IMAGE_PARTICLE);
		assert_string_equal(im.facts.version, "17");
		assert_string_equal(im.facts.hardware, "argon");
		assert_string_equal(im.facts.project, "application 1");
		assert_string_equal(im.facts.detail,
				    "module version 6, at 0x000d4000, needs system part 1 version "
				    "4002, product 1234");
		assert_true(im.facts.slot_bytes == (int64_t)len);
		assert_cuts(len, IMAGE_PARTICLE, p.place + 24);
		raw[p.place + 100] ^= 1;
		assert_fault(len, "CRC-32");
	}
}

static void test_particle_kinds(void **state)
{
	struct images_particle p = {
		.platform = 32, .function = 4, .module_version = 4002, .product_version = -1};
	size_t len = images_particle(raw, &p);
	struct image im = parse(len);

	(void)state;
	assert_whole(&im, IMAGE_PARTICLE);
	assert_string_equal(im.facts.version, ""); /* 4002 is no label */
	assert_string_equal(im.facts.hardware, "p2");
	p.product_version = 0xffff;
	p.function = 5;
	im = parse(images_particle(raw, &p));
	assert_string_equal(im.facts.version, "");
	/* an extension that leads nowhere, and a suffix longer than the module */
	p.product_version = 3;
	len = images_particle(raw, &p);
	raw[len - 4 - 46 + 2] = 0;
	images_particle_seal(raw, len);
	im = parse(len);
	assert_whole(&im, IMAGE_PARTICLE);
	assert_string_equal(im.facts.version, "");
	assert_non_null(strstr(im.facts.detail, "SHA-256 of its suffix is not that of its bytes"));
	raw[len - 5] = 0xff;
	images_particle_seal(raw, len);
	im = parse(len);
	assert_whole(&im, IMAGE_PARTICLE);
	/* what cannot be a header is none */
	raw[14] = 10;
	assert_int_equal(parse(len).facts.format, IMAGE_PLAIN);
}

/* ---- ELF and plain ---- */

static void test_elf(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		size_t len = images_elf(raw, i & 1, i & 2);
		struct image im = parse(len);
		assert_whole(&im, IMAGE_ELF);
		assert_string_equal(im.facts.detail,
				    i & 1 ? "for aarch64, 64 bits, 1 segments to load, from "
					    "0x00008000 to 0x0000812c"
					  : "for arm, 32 bits, 1 segments to load, from "
					    "0x00008000 to 0x0000812c");
		assert_cuts(len, IMAGE_ELF, 16);
	}
	size_t len = images_elf(raw, true, false);
	memset(raw + 64 + 24, 0xff, 8); /* address */
	assert_fault(len, "segment 1 goes beyond the end of memory");
	memset(raw + 64 + 8, 0xff, 8); /* offset */
	assert_fault(len, "segment 1 goes beyond its end");
	memset(raw + 32, 0xff, 8); /* program headers */
	assert_fault(len, "it ends before its program headers");
}

static void test_plain(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(raw); i++)
		raw[i] = (uint8_t)(i * 31 + (i >> 6));
	for (size_t len = 0; len < 1100; len++) {
		struct image im = parse(len);
		assert_whole(&im, IMAGE_PLAIN);
		assert_true(im.facts.slot_bytes == (int64_t)len && im.facts.security_counter == -1);
		assert_string_equal(im.facts.version, "");
	}
}

static void test_read_error(void **state)
{
	struct source s = {raw, images_mcuboot(raw, &mcuboot, NULL), ERR_IO};
	const struct image_file f = {source_read, &s, s.len};
	struct image im = {.signed_bytes = 77};

	(void)state;
	assert_int_equal(image_parse(&f, &im), ERR_IO);
	assert_true(im.signed_bytes == 77);
}

/* ---- what is made of it ---- */

static void test_labels(void **state)
{
	static const struct {
		enum image_format format;
		const char *version, *label;
		bool fits;
	} rows[] = {
		{IMAGE_MCUBOOT, "1.2.3", "1.2.3", true},
		{IMAGE_MCUBOOT, "1.2.3", "v1.2.3", true},
		{IMAGE_MCUBOOT, "1.2.3", "1.2.3+0", true},
		{IMAGE_MCUBOOT, "1.2.3", "1.2.3.0", true},
		{IMAGE_MCUBOOT, "1.2.3+4", "1.2.3.4", true},
		{IMAGE_MCUBOOT, "1.2.3+4", "1.2.3+4", true},
		{IMAGE_MCUBOOT, "1.2.3+4", "1.2.3", false},
		{IMAGE_MCUBOOT, "1.2.3", "1.2.4", false},
		{IMAGE_MCUBOOT, "1.2.3", "1.2", false},
		{IMAGE_MCUBOOT, "1.2.3", "1.2.3-rc1", false},
		{IMAGE_MCUBOOT, "1.2.3", "1+2+3", false},
		{IMAGE_MCUBOOT, "1.2.3", "1.2.4294967299", false},
		{IMAGE_MCUBOOT, "1.2.3", "1.2.99999999999999999999", false},
		{IMAGE_MCUBOOT, "", "anything", true},
		{IMAGE_ESP_IDF, "1.2.3", "1.2.3", true},
		{IMAGE_ESP_IDF, "1.2.3", "v1.2.3", false},
		{IMAGE_PARTICLE, "17", "17", true},
		{IMAGE_PARTICLE, "17", "18", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct image_facts facts = {.format = rows[i].format};
		(void)snprintf(facts.version, sizeof(facts.version), "%s", rows[i].version);
		if (image_label_fits(&facts, rows[i].label) != rows[i].fits)
			fail_msg("%s and %s", rows[i].version, rows[i].label);
	}
}

static void test_hardware(void **state)
{
	static const struct {
		const char *image, *product;
		bool fits;
	} rows[] = {
		{"esp32c3", "esp32c3", true},
		{"esp32c3", "esp32s3", false},
		{"esp32c3", "ESP32-S3-rev2", false},
		{"esp32c3", "ESP32-C3-DevKit", true},
		{"esp32c3", "esp32", false},
		{"esp32", "esp32-wroom", true},
		{"esp32c3", "rev-b", true},
		{"esp32c3", "", true},
		{"esp32c3", "argon", true},
		{"argon", "boron", false},
		{"argon", "argon_v2", true},
		{"rp2040", "nrf52840", false},
		{"rp2040", "pico", true},
		{"", "esp32", true},
		{"esp32c3", "---", true},
		{"esp32c3", "a-very-long-name-of-hardware-esp32s3-and-more", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct image_facts facts = {.format = IMAGE_ESP_IDF};
		(void)snprintf(facts.hardware, sizeof(facts.hardware), "%s", rows[i].image);
		if (image_hardware_fits(&facts, rows[i].product) != rows[i].fits)
			fail_msg("%s and %s", rows[i].image, rows[i].product);
	}
}

static void test_words(void **state)
{
	enum image_format format;
	uint32_t bits = 0;
	char text[128];

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(image_format_from_name(image_format_name(i), &format), 0);
		assert_int_equal(format, i);
	}
	assert_int_equal(image_format_from_name("", &format), ERR_INVAL);
	assert_string_equal(image_signatures_text(0, text), "");
	for (uint32_t all = 0; all < 1U << IMAGE_SIGNATURE_COUNT; all++) {
		assert_int_equal(
			image_signatures_from_text(image_signatures_text(all, text), &bits), 0);
		assert_int_equal(bits, all);
	}
	assert_int_equal(image_signatures_from_text("ecdsa rsa", &bits), ERR_INVAL);
}

static void test_json(void **state)
{
	struct images_mcuboot m = mcuboot;
	struct image im = parse(images_mcuboot(raw, &m, NULL));
	json_t *o = image_json(&im.facts, im.digest, im.digest_count);

	(void)state;
	assert_non_null(o);
	assert_string_equal(json_string_value(json_object_get(o, "format")), "mcuboot");
	assert_true(json_is_null(json_object_get(o, "security_counter")));
	assert_int_equal(json_array_size(json_object_get(o, "digests")), 1);
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts_at_their_limits_and_one_more),
		cmocka_unit_test(test_mcuboot_facts),
		cmocka_unit_test(test_mcuboot_hashes),
		cmocka_unit_test(test_mcuboot_cut),
		cmocka_unit_test(test_mcuboot_signatures),
		cmocka_unit_test(test_mcuboot_kinds),
		cmocka_unit_test(test_mcuboot_hostile),
		cmocka_unit_test(test_esp_facts),
		cmocka_unit_test(test_esp_kinds),
		cmocka_unit_test(test_uf2_facts),
		cmocka_unit_test(test_uf2_absolute_block),
		cmocka_unit_test(test_particle_facts),
		cmocka_unit_test(test_particle_kinds),
		cmocka_unit_test(test_elf),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_read_error),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_hardware),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
