/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/args.h"

#include <stdio.h>
#include <string.h>

#include "base/near.h"
#include "ctl/text.h"

/* "-o", "-h" and "-n" are the only short ones. */
static const char *long_name(const char *word)
{
	if (word[0] != '-' || word[1] == '\0')
		return NULL;
	if (word[1] == '-')
		return word + 2;
	if (word[2] != '\0')
		return "";
	switch (word[1]) {
	case 'o':
		return "output";
	case 'h':
		return "help";
	case 'n':
		return "limit";
	default:
		return "";
	}
}

static const struct option_row *find(const struct option_row *rows, const char *name, size_t len)
{
	for (; rows->name != NULL; rows++) {
		if (strlen(rows->name) == len && strncmp(rows->name, name, len) == 0)
			return rows;
	}
	return NULL;
}

static void unknown(const struct option_row *rows, const char *word, const char *name, char *error)
{
	const char *names[ARGS_MAX] = {NULL};
	const char *near;

	for (size_t i = 0; rows[i].name != NULL && i + 1 < ARGS_MAX; i++)
		names[i] = rows[i].name;
	near = near_word(name, names);
	if (near != NULL)
		(void)snprintf(error, 200, "unknown option %.60s (did you mean --%s?)", word, near);
	else
		(void)snprintf(error, 200, "unknown option %.60s", word);
}

/* One option, which may take the next word; the number of words used or an error. */
static int option(int argc, char *const *argv, const struct option_row *rows, struct args *a,
		  char *error)
{
	const char *name = long_name(argv[0]);
	size_t len = strcspn(name, "=");
	const struct option_row *row = find(rows, name, len);
	const char *value = name[len] == '=' ? name + len + 1 : NULL;
	int used = 1;

	if (row == NULL) {
		unknown(rows, argv[0], name, error);
		return ERR_SYNTAX;
	}
	if (row->value == NULL && value != NULL) {
		(void)snprintf(error, 200, "option --%s takes no value", row->name);
		return ERR_SYNTAX;
	}
	if (row->value != NULL && value == NULL) {
		if (argc < 2) {
			(void)snprintf(error, 200, "option --%s needs a value (%s)", row->name,
				       row->value);
			return ERR_SYNTAX;
		}
		value = argv[1];
		used = 2;
	}
	if (a->option_count == ARGS_MAX) {
		(void)snprintf(error, 200, "too many options");
		return ERR_LIMIT;
	}
	a->option[a->option_count].row = row;
	a->option[a->option_count++].value = value ? value : "";
	return used;
}

int args_parse(int argc, char *const *argv, const struct option_row *rows, bool until_word,
	       struct args *ret_args, int *ret_used, char error[200])
{
	struct args a = {0};
	bool words_only = false;
	int i = 0;

	while (i < argc) {
		if (!words_only && strcmp(argv[i], "--") == 0) {
			words_only = true;
			i++;
		} else if (!words_only && long_name(argv[i]) != NULL) {
			int used = option(argc - i, argv + i, rows, &a, error);

			if (used < 0)
				return used;
			i += used;
		} else if (until_word) {
			break;
		} else if (a.count == ARGS_MAX) {
			(void)snprintf(error, 200, "too many words");
			return ERR_LIMIT;
		} else {
			a.pos[a.count++] = argv[i++];
		}
	}
	*ret_args = a;
	*ret_used = i;
	return 0;
}

const char *args_option(const struct args *a, const char *name)
{
	for (unsigned i = a->option_count; i > 0; i--) {
		if (strcmp(a->option[i - 1].row->name, name) == 0)
			return a->option[i - 1].value;
	}
	return NULL;
}
