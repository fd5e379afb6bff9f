/* SPDX-License-Identifier: Apache-2.0 */
#include "support/images.h"

#include <string.h>

#include <nettle/sha2.h>

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v & 0xffff);
	put16(p + 2, v >> 16);
}

static void fill(uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 7 + (i >> 8));
}

static size_t hash(unsigned bits, const uint8_t *p, size_t len, uint8_t *dst)
{
	struct sha256_ctx small;
	struct sha512_ctx large;

	if (bits == 256) {
		sha256_init(&small);
		sha256_update(&small, len, p);
		sha256_digest(&small, 32, dst);
	} else if (bits == 384) {
		sha384_init(&large);
		sha384_update(&large, len, p);
		sha384_digest(&large, 48, dst);
	} else {
		sha512_init(&large);
		sha512_update(&large, len, p);
		sha512_digest(&large, 64, dst);
	}
	return bits / 8;
}

static size_t tlv(uint8_t *p, unsigned type, const void *value, size_t len)
{
	put16(p, type);
	put16(p + 2, (unsigned)len);
	if (len)
		memcpy(p + 4, value, len);
	return 4 + len;
}

static size_t mcuboot_protected(uint8_t *p, const struct images_mcuboot *m)
{
	uint8_t counter[4], other[12] = {1};
	size_t at = 4;

	if (m->counter < 0 && !m->boot_record && !m->dependency)
		return 0;
	if (m->counter >= 0) {
		put32(counter, (uint32_t)m->counter);
		at += tlv(p + at, 0x50, counter, 4);
	}
	if (m->boot_record)
		at += tlv(p + at, 0x60, other, 5);
	if (m->dependency)
		at += tlv(p + at, 0x40, other, 12);
	put16(p, 0x6908);
	put16(p + 2, (unsigned)at);
	return at;
}

size_t images_mcuboot(uint8_t *dst, const struct images_mcuboot *m, size_t *ret_signed)
{
	size_t head = m->header_bytes ? m->header_bytes : 32, at = head + m->body_bytes;
	uint8_t digest[64];

	memset(dst, 0, head);
	put32(dst, 0x96f3b83d);
	put32(dst + 4, m->load);
	put16(dst + 8, (unsigned)head);
	put32(dst + 12, m->body_bytes);
	put32(dst + 16, m->flags);
	dst[20] = (uint8_t)m->major;
	dst[21] = (uint8_t)m->minor;
	put16(dst + 22, m->revision);
	put32(dst + 24, m->build);
	fill(dst + head, m->body_bytes);
	size_t area = mcuboot_protected(dst + at, m);
	put16(dst + 10, (unsigned)area);
	at += area;
	if (ret_signed)
		*ret_signed = at;
	size_t begin = at;
	at += 4;
	if (m->bits) {
		size_t len = hash(m->bits, dst, begin, digest);
		at += tlv(dst + at,
			  m->bits == 256   ? 0x10
			  : m->bits == 384 ? 0x11
					   : 0x12,
			  digest, len);
	}
	if (m->pure)
		at += tlv(dst + at, 0x25, "\1", 1);
	at += tlv(dst + at, 0x01, digest, m->signature_type ? 32 : 0);
	if (m->signature_type)
		at += tlv(dst + at, m->signature_type, m->signature, m->signature_len);
	put16(dst + begin, 0x6907);
	put16(dst + begin + 2, (unsigned)(at - begin));
	return at;
}

size_t images_esp(uint8_t *dst, const struct images_esp *e)
{
	unsigned segments = e->segments ? e->segments : 2;
	size_t at = 24;
	uint8_t sum = 0xef;

	memset(dst, 0, IMAGES_CAP);
	dst[0] = 0xe9;
	dst[1] = (uint8_t)segments;
	dst[2] = 2;
	put16(dst + 12, e->chip);
	dst[23] = e->hashed;
	for (unsigned i = 0; i < segments; i++) {
		size_t len = i == 0 ? 512 : 100;
		uint8_t *data = dst + at + 8;
		put32(dst + at, 0x3f400020 + i * 0x10000);
		put32(dst + at + 4, (uint32_t)len);
		fill(data, len);
		if (i == 0 && e->version) {
			memset(data, 0, 256);
			put32(data, 0xabcd5432);
			put32(data + 4, e->secure_version);
			memcpy(data + 16, e->version, strnlen(e->version, 32));
			memcpy(data + 48, e->project, strnlen(e->project, 32));
			memcpy(data + 112, "v5.2", 4);
			fill(data + 144, 32);
		}
		for (size_t k = 0; k < len; k++)
			sum ^= data[k];
		at += 8 + len;
	}
	at = (at / 16 + 1) * 16;
	dst[at - 1] = sum;
	if (e->hashed)
		at += hash(256, dst, at, dst + at);
	if (e->secure_boot) {
		at = (at + 4095) / 4096 * 4096;
		dst[at] = 0xe7;
		dst[at + 1] = 2;
		(void)hash(256, dst, at, dst + at + 4);
		at += 4096;
	}
	return at;
}

static void uf2_block(uint8_t *p, uint32_t number, uint32_t count, uint32_t family)
{
	memset(p, 0, 512);
	put32(p, 0x0a324655);
	put32(p + 4, 0x9e5d5157);
	put32(p + 8, family ? 0x2000 : 0);
	put32(p + 12, 0x10000000 + number * 256);
	put32(p + 16, 256);
	put32(p + 20, number);
	put32(p + 24, count);
	put32(p + 28, family);
	fill(p + 32, 256);
	put32(p + 508, 0x0ab16f30);
}

size_t images_uf2(uint8_t *dst, const struct images_uf2 *u)
{
	size_t at = 0;

	if (u->absolute) {
		uf2_block(dst, 0, 2, 0xe48bff57);
		at += 512;
	}
	for (uint32_t i = 0; i < u->blocks; i++, at += 512)
		uf2_block(dst + at, i, u->blocks, u->family);
	if (u->version) {
		uint8_t *p = dst + at - 512; /* the last one says so */
		size_t len = strlen(u->version);
		put32(p + 8, (u->family ? 0x2000U : 0U) | 0x8000U);
		put32(p + 32 + 256, (uint32_t)(4 + len) | 0x9fc7bcU << 8);
		memcpy(p + 32 + 260, u->version, len);
	}
	return at;
}

static uint32_t crc32(const uint8_t *p, size_t len)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < len; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

void images_particle_seal(uint8_t *dst, size_t len)
{
	uint32_t crc = crc32(dst, len - 4);

	for (unsigned i = 0; i < 4; i++)
		dst[len - 4 + i] = (uint8_t)(crc >> (24 - 8 * i));
}

size_t images_particle(uint8_t *dst, const struct images_particle *p)
{
	size_t at = p->place + 24 + 1000, suffix = 36;
	uint8_t *head = dst + p->place;

	fill(dst, at);
	if (p->product_version >= 0)
		suffix = p->old_suffix ? 40 : 46;
	uint32_t end = (uint32_t)(at + suffix);
	put32(head, 0xd4000);
	put32(head + 4, 0xd4000 + end);
	head[8] = 0;
	head[9] = 0;
	put16(head + 10, p->module_version);
	put16(head + 12, p->platform);
	head[14] = (uint8_t)p->function;
	head[15] = 1;
	memset(head + 16, 0, 8);
	if (p->function == 5) {
		head[16] = 4;
		head[17] = 1;
		put16(head + 18, 4002);
	}
	memset(dst + at, 0, suffix);
	if (p->product_version >= 0 && p->old_suffix) {
		put16(dst + at, 1234);
		put16(dst + at + 2, (unsigned)p->product_version);
	} else if (p->product_version >= 0) {
		put16(dst + at, 1);
		put16(dst + at + 2, 10);
		put32(dst + at + 4, 1234);
		put16(dst + at + 8, (unsigned)p->product_version);
	}
	put16(dst + end - 2, (unsigned)suffix);
	(void)hash(256, dst, end - 34, dst + end - 34);
	images_particle_seal(dst, end + 4);
	return end + 4;
}

static void number(uint8_t *p, uint64_t v, unsigned len, bool big)
{
	for (unsigned i = 0; i < len; i++)
		p[big ? len - 1 - i : i] = (uint8_t)(v >> 8 * i);
}

size_t images_elf(uint8_t *dst, bool wide, bool big)
{
	unsigned word = wide ? 8 : 4, head = wide ? 64 : 52, row = wide ? 56 : 32;

	memset(dst, 0, head + row);
	memcpy(dst, "\177ELF", 4);
	dst[4] = wide ? 2 : 1;
	dst[5] = big ? 2 : 1;
	dst[6] = 1;
	number(dst + 16, 2, 2, big);
	number(dst + 18, wide ? 183 : 40, 2, big);
	number(dst + (wide ? 32 : 28), head, word, big);
	number(dst + (wide ? 54 : 42), row, 2, big);
	number(dst + (wide ? 56 : 44), 1, 2, big);
	uint8_t *p = dst + head;
	number(p, 1, 4, big);
	number(p + (wide ? 8 : 4), head + row, word, big);
	number(p + (wide ? 24 : 12), 0x8000, word, big);
	number(p + (wide ? 32 : 16), 300, word, big);
	fill(dst + head + row, 300);
	return head + row + 300;
}
