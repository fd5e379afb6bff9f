/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/conf.h"

#include "base/csv.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_LINE = 512, LIST_MAX = 64 << 20 };

static void key_trim(const char **text, size_t *len)
{
	while (*len > 0 && isspace((unsigned char)**text)) {
		(*text)++;
		(*len)--;
	}
	while (*len > 0 && isspace((unsigned char)(*text)[*len - 1]))
		(*len)--;
}

int emu_key_parse(const char *text, size_t len, struct emu_key *key)
{
	size_t got;
	int err;

	key_trim(&text, &len);
	err = buf_from_hex(text, len, key->psk, sizeof(key->psk), &got);
	if (err)
		return err;
	if (got < LIMIT_PSK_MIN)
		return ERR_RANGE;
	key->psk_len = got;
	return 0;
}

static const char *key_error(int err)
{
	switch (err) {
	case ERR_SYNTAX:
		return "not hexadecimal";
	case ERR_LIMIT:
		return "key longer than 64 bytes";
	case ERR_RANGE:
		return "key shorter than 16 bytes";
	default:
		return err_text(err);
	}
}

static int key_file(struct emu_conf *conf)
{
	char text[KEY_LINE];
	size_t len = 0;
	int err;

	conf->keys = calloc(1, sizeof(*conf->keys));
	if (!conf->keys)
		return ERR_NOMEM;
	conf->keys_len = 1;
	memcpy(conf->keys[0].id, conf->id, sizeof(conf->id));
	if (!conf->psk_file)
		return 0;
	err = emu_file_read(conf->psk_file, text, sizeof(text), &len);
	if (!err)
		err = emu_key_parse(text, len, &conf->keys[0]);
	if (err)
		fprintf(stderr, "postboot-device: %s: %s\n", conf->psk_file,
			err == ERR_LIMIT && len == 0 ? "too long for a key" : key_error(err));
	return err;
}

/* Index in the fleet of ID-00001, or in a list for one device of ID itself; -1: another's. */
static long key_index(const struct emu_conf *conf, const char *id, size_t len)
{
	size_t prefix = strlen(conf->id);
	char *end;
	unsigned long number;

	if (len < prefix || memcmp(id, conf->id, prefix) != 0)
		return -1;
	if (conf->count == 0)
		return len == prefix ? 0 : -1;
	if (len != prefix + 6 || id[prefix] != '-' || !isdigit((unsigned char)id[prefix + 1]))
		return -1;
	number = strtoul(id + prefix + 1, &end, 10);
	if (end != id + len || number < 1 || number > conf->count)
		return -1;
	return (long)number - 1;
}

static int key_take(struct emu_conf *conf, const char *id, size_t id_len, const char *key,
		    size_t key_len, unsigned line)
{
	long index = key_index(conf, id, id_len);
	int err = index < 0 ? 0 : emu_key_parse(key, key_len, &conf->keys[index]);

	if (err)
		fprintf(stderr, "postboot-device: %s:%u: %s\n", conf->psk_list, line,
			key_error(err));
	return err;
}

static int list_line(struct emu_conf *conf, const char *line, size_t len, unsigned number)
{
	const char *colon;

	key_trim(&line, &len);
	if (len == 0 || *line == '#')
		return 0;
	colon = memchr(line, ':', len);
	if (!colon) {
		fprintf(stderr, "postboot-device: %s:%u: expected id:hex\n", conf->psk_list,
			number);
		return ERR_SYNTAX;
	}
	return key_take(conf, line, (size_t)(colon - line), colon + 1,
			len - (size_t)(colon - line) - 1, number);
}

static int list_lines(struct emu_conf *conf, const char *text, size_t len)
{
	unsigned number = 0;
	int err = 0;

	while (len > 0 && !err) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) : len;

		err = list_line(conf, text, n, ++number);
		n += end != NULL;
		text += n;
		len -= n;
	}
	return err;
}

static int csv_column(const struct csv *csv, const char *name)
{
	for (unsigned i = 0; i < csv->count; i++)
		if (strcmp(csv->field[i], name) == 0)
			return (int)i;
	return -1;
}

/* What `postbootctl device import --psk-out' writes: columns id and psk, others are passed over. */
static int list_csv(struct emu_conf *conf, char *text, size_t len)
{
	struct csv csv;
	char why[120];
	int got, err = 0;

	csv_init(&csv, text, len);
	got = csv_next(&csv, why);
	int id = csv_column(&csv, "id"), psk = csv_column(&csv, "psk");
	if (got != 1 || id < 0 || psk < 0) {
		fprintf(stderr,
			"postboot-device: %s:1: neither id:hex nor CSV with columns id and psk\n",
			conf->psk_list);
		return ERR_SYNTAX;
	}
	while (!err && (got = csv_next(&csv, why)) == 1) {
		if ((unsigned)id < csv.count && (unsigned)psk < csv.count && csv.field[psk][0])
			err = key_take(conf, csv.field[id], strlen(csv.field[id]), csv.field[psk],
				       strlen(csv.field[psk]), csv.line);
	}
	if (got < 0)
		fprintf(stderr, "postboot-device: %s:%u: %s\n", conf->psk_list, csv.line, why);
	return got < 0 ? ERR_SYNTAX : err;
}

/* One more byte than *ret_len, malloc; NULL after an error was printed. */
static char *list_text(const struct emu_conf *conf, size_t *ret_len)
{
	FILE *in = fopen(conf->psk_list, "re");
	char *text = in ? malloc(LIST_MAX + 1) : NULL;
	size_t len = text ? fread(text, 1, LIST_MAX, in) : 0;

	if (!text || ferror(in) || len == LIST_MAX) {
		fprintf(stderr, "postboot-device: %s: %s\n", conf->psk_list,
			len == LIST_MAX ? "too long" : "cannot be read");
		free(text);
		text = NULL;
	}
	if (in)
		fclose(in);
	*ret_len = len;
	return text;
}

/* A line of keys has a colon, names of columns have none. */
static bool list_is_csv(const char *text, size_t len)
{
	const char *end = memchr(text, '\n', len);
	size_t first = end ? (size_t)(end - text) : len;

	key_trim(&text, &first);
	return first > 0 && *text != '#' && !memchr(text, ':', first);
}

static int list_read(struct emu_conf *conf)
{
	size_t len;
	char *text = list_text(conf, &len);
	int err;

	if (!text)
		return ERR_NOENT;
	err = list_is_csv(text, len) ? list_csv(conf, text, len) : list_lines(conf, text, len);
	explicit_bzero(text, len);
	free(text);
	return err;
}

static int list_missing(const struct emu_conf *conf)
{
	for (size_t i = 0; i < conf->keys_len; i++) {
		if (conf->keys[i].psk_len > 0 || !conf->dtls)
			continue;
		fprintf(stderr, "postboot-device: %s: no key for %s\n", conf->psk_list,
			conf->keys[i].id);
		return ERR_NOENT;
	}
	return 0;
}

static int key_list(struct emu_conf *conf)
{
	int err;

	conf->keys_len = conf->count > 0 ? conf->count : 1;
	conf->keys = calloc(conf->keys_len, sizeof(*conf->keys));
	if (!conf->keys)
		return ERR_NOMEM;
	for (size_t i = 0; i < conf->keys_len; i++) {
		if (conf->count > 0)
			snprintf(conf->keys[i].id, sizeof(conf->keys[i].id), "%.58s-%05u", conf->id,
				 (unsigned)(i + 1) % 100000);
		else
			memcpy(conf->keys[i].id, conf->id, sizeof(conf->id));
	}
	if (!conf->psk_list)
		return 0;
	err = list_read(conf);
	return err ? err : list_missing(conf);
}

/* Who has which fault. */
static int keys_deal(struct emu_conf *conf)
{
	uint32_t count = (uint32_t)conf->keys_len;
	uint32_t *order = calloc(count, sizeof(*order));

	if (!order)
		return ERR_NOMEM;
	emu_fault_order(order, count, conf->seed);
	for (uint32_t i = 0; i < count; i++)
		conf->keys[i].faults = emu_fault_deal(&conf->faults, i, order[i], count);
	free(order);
	return 0;
}

int emu_keys_load(struct emu_conf *conf)
{
	int err = conf->count > 0 || conf->psk_list ? key_list(conf) : key_file(conf);

	return err ? err : keys_deal(conf);
}
