/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/conf.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_LINE = 512 };

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

static int list_line(struct emu_conf *conf, const char *line, size_t len, unsigned number)
{
	const char *colon;
	long index;
	int err;

	key_trim(&line, &len);
	if (len == 0 || *line == '#')
		return 0;
	colon = memchr(line, ':', len);
	if (!colon) {
		fprintf(stderr, "postboot-device: %s:%u: expected id:hex\n", conf->psk_list,
			number);
		return ERR_SYNTAX;
	}
	index = key_index(conf, line, (size_t)(colon - line));
	if (index < 0)
		return 0;
	err = emu_key_parse(colon + 1, len - (size_t)(colon - line) - 1, &conf->keys[index]);
	if (err)
		fprintf(stderr, "postboot-device: %s:%u: %s\n", conf->psk_list, number,
			key_error(err));
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
	char line[KEY_LINE];
	unsigned number = 0;
	int err = 0;
	FILE *in;

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
	in = fopen(conf->psk_list, "re");
	if (!in) {
		fprintf(stderr, "postboot-device: %s: cannot be read\n", conf->psk_list);
		return ERR_NOENT;
	}
	while (!err && fgets(line, sizeof(line), in))
		err = list_line(conf, line, strlen(line), ++number);
	fclose(in);
	return err ? err : list_missing(conf);
}

int emu_keys_load(struct emu_conf *conf)
{
	return conf->count > 0 || conf->psk_list ? key_list(conf) : key_file(conf);
}
