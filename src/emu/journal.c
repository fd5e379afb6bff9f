/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/journal.h"

#include "base/clock.h"
#include "emu/unit.h"

#include <errno.h>
#include <string.h>

enum { LINE_CAP = 1024 };

static const char *const journal_words[] = {
#define JOURNAL_WORD(name, word, help) [EMU_EVENT_##name] = word,
	EMU_EVENT_LIST(JOURNAL_WORD)
#undef JOURNAL_WORD
};

int emu_journal_open(const char *path, FILE **ret_journal)
{
	FILE *journal;

	if (!path) {
		*ret_journal = NULL;
		return 0;
	}
	journal = fopen(path, "ae");
	if (!journal) {
		fprintf(stderr, "postboot-device: %s: %s\n", path, strerror(errno));
		return ERR_IO;
	}
	*ret_journal = journal;
	return 0;
}

static void put_key(struct buf *out, const char *key)
{
	buf_put_str(out, ",\"");
	buf_put_str(out, key);
	buf_put_str(out, "\":");
}

static void put_text(struct buf *out, const char *key, const char *value)
{
	put_key(out, key);
	buf_put_u8(out, '"');
	for (; *value != '\0'; value++) {
		if (*value == '"' || *value == '\\')
			buf_put_u8(out, '\\');
		buf_put_u8(out, (uint8_t)((unsigned char)*value < 0x20 ? '?' : *value));
	}
	buf_put_u8(out, '"');
}

static void put_hex(struct buf *out, const char *key, const void *ptr, size_t len)
{
	put_key(out, key);
	buf_put_u8(out, '"');
	buf_put_hex(out, ptr, len);
	buf_put_u8(out, '"');
}

void emu_journal_event(FILE *journal, const struct emu_unit *unit, enum emu_event event)
{
	const struct emu_ram *ram = &unit->ram;
	char line[LINE_CAP];
	struct buf out = buf_writer(line, sizeof(line));

	if (!journal)
		return;
	buf_put_str(&out, "{\"at_ms\":");
	buf_put_dec(&out, (uint64_t)clock_read().wall_ms);
	put_text(&out, "device", unit->key->id);
	if (unit->clone) {
		put_key(&out, "clone");
		buf_put_str(&out, "true");
	}
	put_text(&out, "event", journal_words[event]);
	put_key(&out, "boot");
	buf_put_dec(&out, unit->nvram.boot_count);
	if (ram->boot_at != 0) {
		put_hex(&out, "boot_id", ram->boot_id, sizeof(ram->boot_id));
		put_text(&out, "version", ram->running.version);
	}
	if (ram->running.has_digest)
		put_hex(&out, "sha256", ram->running.digest, sizeof(ram->running.digest));
	if (unit->protocol->attempts && ram->directive.attempt) {
		put_key(&out, "attempt");
		buf_put_dec(&out, ram->directive.attempt);
	}
	buf_put_str(&out, "}\n");
	if (!buf_ok(&out) || fwrite(line, 1, out.pos, journal) != out.pos || fflush(journal) != 0)
		fprintf(stderr, "postboot-device: the journal cannot be written\n");
}
