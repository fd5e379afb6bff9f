/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ctl.h"

#include <string.h>

const struct command *command_find(const char *noun, const char *verb)
{
	for (const struct command *cmd = commands; cmd->noun != NULL; cmd++) {
		if (strcmp(cmd->noun, noun) != 0)
			continue;
		if (cmd->verb == NULL || (verb != NULL && strcmp(cmd->verb, verb) == 0))
			return cmd;
	}
	return NULL;
}

/* Returns its columns. */
static size_t head_print(FILE *f, const struct command *cmd, int width)
{
	char head[40];

	(void)snprintf(head, sizeof(head), "%s%s%s", cmd->noun, cmd->verb ? " " : "",
		       cmd->verb ? cmd->verb : "");
	return (size_t)fprintf(f, "%-*s", width, head);
}

enum { HELP_WIDTH = 79, HELP_INDENT = 8 };

/* What goes on one line with what stands before it: up to a blank before an option or a choice. */
static size_t piece_len(const char *s)
{
	size_t len = 0;
	int depth = 0;

	for (; s[len] != '\0'; len++) {
		if (s[len] == ' ' && depth == 0 && strchr("[-|", s[len + 1]) != NULL &&
		    (len == 0 || s[len - 1] != '|'))
			break;
		depth += s[len] == '[' ? 1 : s[len] == ']' ? -1 : 0;
	}
	return len;
}

void help_words(FILE *f, size_t column, const char *words)
{
	while (words[0] != '\0') {
		size_t len = piece_len(words);

		if (column + 1 + len > HELP_WIDTH) {
			fprintf(f, "\n%*s", HELP_INDENT, "");
			column = HELP_INDENT;
		} else {
			fputc(' ', f);
			column++;
		}
		fprintf(f, "%.*s", (int)len, words);
		column += len;
		words += len + (words[len] == ' ' ? 1 : 0);
	}
	fputc('\n', f);
}

/* Words, wrapped, where a line has `indent` columns already; ends the last line. */
static void help_text(FILE *f, size_t indent, const char *text)
{
	size_t column = indent;
	bool first = true;

	while (text[0] != '\0') {
		size_t len = strcspn(text, " \n");

		if (!first && column + 1 + len > HELP_WIDTH) {
			fprintf(f, "\n%*s", (int)indent, "");
			column = indent;
			first = true;
		}
		fprintf(f, "%s%.*s", first ? "" : " ", (int)len, text);
		column += len + (first ? 0 : 1);
		first = false;
		text += len + (text[len] != '\0' ? 1 : 0);
	}
	fputc('\n', f);
}

void help_overview(FILE *f)
{
	const char *noun = "";

	fputs("usage: postbootctl [--socket PATH] [-o table|json] [--no-color] NOUN VERB ...\n"
	      "The operator's tool of Postboot, the update server that believes only a reboot.\n",
	      f);
	for (const struct command *cmd = commands; cmd->noun != NULL; cmd++) {
		if (cmd->help == NULL)
			continue;
		if (strcmp(cmd->noun, noun) != 0 && (cmd->verb != NULL || noun[0] != '\0'))
			fputs(cmd->verb != NULL || command_find(noun, NULL) == NULL ? "\n" : "", f);
		noun = cmd->noun;
		fputs("  ", f);
		(void)head_print(f, cmd, 20);
		fprintf(f, "%s\n", cmd->help);
	}
	fputs("\nOptions and arguments of a command: postbootctl help NOUN [VERB]\n"
	      "Exit status: 0 done, 1 refused or failed, 2 wrong usage. See postbootctl(1).\n",
	      f);
}

void help_noun(FILE *f, const char *noun)
{
	fprintf(f, "usage:\n");
	for (const struct command *cmd = commands; cmd->noun != NULL; cmd++) {
		if (strcmp(cmd->noun, noun) != 0)
			continue;
		fputs("  postbootctl ", f);
		help_words(f, strlen("  postbootctl ") + head_print(f, cmd, 0), cmd->words);
		if (f == stdout)
			fprintf(f, "      %s\n", cmd->help);
	}
}

void help_command(FILE *f, const struct command *cmd)
{
	fputs("usage: postbootctl ", f);
	help_words(f, strlen("usage: postbootctl ") + head_print(f, cmd, 0), cmd->words);
	if (cmd->help != NULL)
		fprintf(f, "\n  %s\n", cmd->help);
	if (cmd->options != NULL && cmd->options->name != NULL)
		fputc('\n', f);
	for (const struct option_row *o = cmd->options; o != NULL && o->name != NULL; o++) {
		char head[40];

		(void)snprintf(head, sizeof(head), "--%s%s%s", o->name, o->value ? " " : "",
			       o->value ? o->value : "");
		fprintf(f, "  %-22s ", head);
		help_text(f, 25, o->help);
	}
	if (cmd->more != NULL) {
		fputc('\n', f);
		help_text(f, 0, cmd->more);
	}
	fputs("\nEvery command: --socket PATH, -o table|json, --no-color, --help\n", f);
}
