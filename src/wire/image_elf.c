/* SPDX-License-Identifier: Apache-2.0
 *
 * ELF: which machine it is for, and whether what its program headers name is there.
 */
#include <inttypes.h>
#include <string.h>

#include "wire/image_inner.h"

enum { IDENT_BYTES = 16, HEADER_BYTES = 64, PROGRAM_BYTES = 56, PT_LOAD = 1 };

struct elf {
	bool wide, big; /* 64 bits; big-endian */
};

static uint64_t number(const struct elf *e, const uint8_t *p, unsigned len)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < len; i++)
		n |= (uint64_t)p[i] << 8 * (e->big ? len - 1 - i : i);
	return n;
}

static const char *machine_name(uint64_t id)
{
	static const struct {
		uint16_t id;
		const char *name;
	} names[] = {
		{3, "x86"},	{8, "mips"},	  {20, "powerpc"}, {40, "arm"}, {62, "x86-64"},
		{94, "xtensa"}, {183, "aarch64"}, {243, "riscv"},  {93, "arc"}, {83, "avr"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].id == id)
			return names[i].name;
	return "another machine";
}

struct span {
	uint64_t low, high;
	unsigned count;
};

static void program(struct image_in *in, const struct elf *e, const uint8_t *raw, unsigned n,
		    struct span *span)
{
	unsigned word = e->wide ? 8 : 4;
	uint64_t offset = number(e, raw + (e->wide ? 8 : 4), word);
	uint64_t address = number(e, raw + (e->wide ? 24 : 12), word);
	uint64_t file = number(e, raw + (e->wide ? 32 : 16), word);

	if (number(e, raw, 4) != PT_LOAD || file == 0)
		return;
	if (!image_holds(in, offset, file)) {
		image_damaged(in, "segment %u goes beyond its end, at byte %" PRIu64, n + 1,
			      in->f->size);
		return;
	}
	if (address > UINT64_MAX - file) {
		image_damaged(in, "segment %u goes beyond the end of memory", n + 1);
		return;
	}
	if (!span->count || address < span->low)
		span->low = address;
	if (!span->count || address + file > span->high)
		span->high = address + file;
	span->count++;
}

static void programs(struct image_in *in, const struct elf *e, const uint8_t *head)
{
	uint64_t at = number(e, head + (e->wide ? 32 : 28), e->wide ? 8 : 4);
	uint64_t size = number(e, head + (e->wide ? 54 : 42), 2);
	uint64_t count = number(e, head + (e->wide ? 56 : 44), 2);
	size_t want = e->wide ? PROGRAM_BYTES : 32;
	uint8_t raw[PROGRAM_BYTES];
	struct span span = {0};

	if (count && (size < want || !image_holds(in, at, count * size))) {
		image_damaged(in, "it ends before its program headers, at byte %" PRIu64,
			      in->f->size);
		return;
	}
	for (unsigned i = 0; i < count && !in->im->fault[0]; i++)
		if (image_get(in, at + i * size, raw, want))
			program(in, e, raw, i, &span);
	image_tell(in, "%u segments to load", span.count);
	if (span.count)
		image_tell(in, "from 0x%08" PRIx64 " to 0x%08" PRIx64, span.low, span.high);
}

bool image_elf(struct image_in *in)
{
	uint8_t raw[HEADER_BYTES] = {0};
	struct elf e;

	if (!image_get(in, 0, raw, IDENT_BYTES) || memcmp(raw, "\177ELF", 4) != 0 || raw[4] < 1 ||
	    raw[4] > 2 || raw[5] < 1 || raw[5] > 2 || raw[6] != 1)
		return false;
	e.wide = raw[4] == 2;
	e.big = raw[5] == 2;
	in->im->facts.format = IMAGE_ELF;
	if (!image_get(in, 0, raw, e.wide ? HEADER_BYTES : 52)) {
		image_damaged(in, "it ends within its header, at byte %" PRIu64, in->f->size);
		return true;
	}
	image_tell(in, "for %s, %d bits", machine_name(number(&e, raw + 18, 2)), e.wide ? 64 : 32);
	programs(in, &e, raw);
	return true;
}
