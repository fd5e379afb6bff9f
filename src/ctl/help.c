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

static void head_print(FILE *f, const struct command *cmd, int width)
{
	char head[40];

	(void)snprintf(head, sizeof(head), "%s%s%s", cmd->noun, cmd->verb ? " " : "",
		       cmd->verb ? cmd->verb : "");
	fprintf(f, "%-*s", width, head);
}

void help_overview(FILE *f)
{
	const char *noun = "";

	fputs("usage: postbootctl [--socket PATH] [-o table|json] [--no-color] NOUN VERB ...\n"
	      "The operator's tool of Postboot, the update server that believes only a reboot.\n",
	      f);
	for (const struct command *cmd = commands; cmd->noun != NULL; cmd++) {
		if (strcmp(cmd->noun, noun) != 0 && (cmd->verb != NULL || noun[0] != '\0'))
			fputs(cmd->verb != NULL || command_find(noun, NULL) == NULL ? "\n" : "", f);
		noun = cmd->noun;
		fputs("  ", f);
		head_print(f, cmd, 18);
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
		head_print(f, cmd, 0);
		fprintf(f, "%s%s\n", cmd->words[0] ? " " : "", cmd->words);
		if (f == stdout)
			fprintf(f, "      %s\n", cmd->help);
	}
}

void help_command(FILE *f, const struct command *cmd)
{
	fputs("usage: postbootctl ", f);
	head_print(f, cmd, 0);
	fprintf(f, "%s%s\n\n  %s\n", cmd->words[0] ? " " : "", cmd->words, cmd->help);
	if (cmd->options != NULL && cmd->options->name != NULL)
		fputc('\n', f);
	for (const struct option_row *o = cmd->options; o != NULL && o->name != NULL; o++) {
		char head[40];

		(void)snprintf(head, sizeof(head), "--%s%s%s", o->name, o->value ? " " : "",
			       o->value ? o->value : "");
		fprintf(f, "  %-22s %s\n", head, o->help);
	}
	if (cmd->more != NULL)
		fprintf(f, "\n%s\n", cmd->more);
	fputs("\nEvery command: --socket PATH, -o table|json, --no-color, --help\n", f);
}
