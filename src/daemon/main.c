/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/certs.h"
#include "daemon/conf_load.h"
#include "daemon/heap.h"
#include "daemon/make_key.h"
#include "daemon/offline.h"
#include "daemon/service.h"
#include "daemon/service_key.h"
#include "daemon/viewers.h"

#define CONF_FILE SYSCONFDIR "/postboot/postbootd.conf"

/* Options without a letter. */
enum { OPTION_CHECK = 256, OPTION_DEEP, OPTION_RESTORE, OPTION_REKEY, OPTION_MAKE_KEY };

/* Usage, and the letters and words of getopt_long, come from here. */
static const struct {
	int letter;
	const char *word, *arg, *help;
} options[] = {
	{'c', "config", "FILE",
	 "read FILE, then conf.d/*.conf beside it\n                       [" CONF_FILE "]"},
	{'t', "test", NULL, "check the configuration and exit: 0 if it is good, else 1"},
	{'T', "print", NULL, "print the effective configuration and exit"},
	{OPTION_CHECK, "check-db", NULL, "check database and images and exit: 0 if they are good"},
	{OPTION_DEEP, "deep", NULL, "with --check-db: read all images, too"},
	{OPTION_RESTORE, "restore", "FILE", "put a backup in the place of the database and exit"},
	{OPTION_REKEY, "rekey", "FILE", "seal the keys of devices with the key in FILE, and exit"},
	{OPTION_MAKE_KEY, "make-key", "FILE",
	 "make the key of the service in FILE, unless there is one"},
	{'h', "help", NULL, "print this help and exit"},
	{'V', "version", NULL, "print the version and exit"},
};

enum { OPTIONS = sizeof(options) / sizeof(options[0]), EXIT_USAGE = 2 };

enum mode { MODE_RUN, MODE_TEST, MODE_PRINT, MODE_CHECK, MODE_RESTORE, MODE_REKEY, MODE_MAKE_KEY };

struct arguments {
	enum mode mode;
	const char *file;
	const char *new_key;
	bool file_named;
	bool deep;
	const char *backup;
	const char *key_file;
};

static void usage(FILE *to)
{
	(void)fputs("Usage: postbootd [OPTION]...\nThe Postboot update server.\n\n", to);
	for (int i = 0; i < OPTIONS; i++) {
		char left[32], letter[8] = "    ";

		if (options[i].letter < OPTION_CHECK)
			(void)snprintf(letter, sizeof(letter), "-%c, ", options[i].letter);
		(void)snprintf(left, sizeof(left), "%s--%s%s%s", letter, options[i].word,
			       options[i].arg ? "=" : "", options[i].arg ? options[i].arg : "");
		(void)fprintf(to, "  %-20s %s\n", left, options[i].help);
	}
	(void)fputs("\nIt stays in the foreground and logs to stderr. See postbootd(8) and\n"
		    "postbootd.conf(5).\n",
		    to);
}

/* What was written to stdout must have arrived: `postbootd -T >file` on a full disk. */
static int output_end(void)
{
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("postbootd: standard output");
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

/* -1 to go on, else the exit status. */
static int arguments_parse(int argc, char **argv, struct arguments *ret)
{
	struct option longs[OPTIONS + 1] = {0};
	char shorts[2 * OPTIONS + 1] = "";
	size_t n = 0;
	int letter;

	for (int i = 0; i < OPTIONS; i++) {
		longs[i].name = options[i].word;
		longs[i].has_arg = options[i].arg ? required_argument : no_argument;
		longs[i].val = options[i].letter;
		if (options[i].letter >= OPTION_CHECK)
			continue;
		shorts[n++] = (char)options[i].letter;
		if (options[i].arg)
			shorts[n++] = ':';
	}
	while ((letter = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		switch (letter) {
		case 'c':
			ret->file = optarg;
			ret->file_named = true;
			break;
		case 't':
			ret->mode = MODE_TEST;
			break;
		case 'T':
			ret->mode = MODE_PRINT;
			break;
		case OPTION_CHECK:
			ret->mode = MODE_CHECK;
			break;
		case OPTION_DEEP:
			ret->deep = true;
			break;
		case OPTION_RESTORE:
			ret->mode = MODE_RESTORE;
			ret->backup = optarg;
			break;
		case OPTION_REKEY:
			ret->mode = MODE_REKEY;
			ret->new_key = optarg;
			break;
		case OPTION_MAKE_KEY:
			ret->mode = MODE_MAKE_KEY;
			ret->key_file = optarg;
			break;
		case 'h':
			usage(stdout);
			return output_end();
		case 'V':
			(void)puts("postbootd " PACKAGE_VERSION);
			return output_end();
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		(void)fprintf(stderr, "postbootd: %s: there are no arguments, only options\n",
			      argv[optind]);
		usage(stderr);
		return EXIT_USAGE;
	}
	if (ret->deep && ret->mode != MODE_CHECK) {
		(void)fputs("postbootd: --deep goes with --check-db\n", stderr);
		return EXIT_USAGE;
	}
	return -1;
}

static int print_conf(const struct conf *conf)
{
	char text[CONF_PRINT_MAX];
	struct buf out = buf_writer(text, sizeof(text));

	conf_print(conf, &out);
	(void)fwrite(text, 1, buf_bytes(&out).len, stdout);
	return output_end();
}

static int new_key(const char *file)
{
	int err = make_key(file);

	if (!err)
		return EXIT_SUCCESS;
	(void)fprintf(stderr, "postbootd: %s: %s\n", file,
		      err == ERR_EXIST ? "there is a key already, and nothing else opens what was "
					 "sealed with it"
		      : errno	       ? strerror(errno)
				       : err_text(err));
	return EXIT_FAILURE;
}

/* What the configuration names has to be there, too. */
static bool conf_test(const struct conf *conf)
{
	struct viewers viewers;
	bool keys = service_key_test(conf) == 0;
	bool good = certs_test(conf) == 0 && keys;
	int err = viewers_find(conf->viewer_group, &viewers);

	if (err)
		(void)fprintf(stderr, "viewer-group = %s: %s: " VIEWERS_TODO "\n",
			      conf->viewer_group,
			      err == ERR_NOENT ? "there is no such group" : err_text(err));
	return good && !err;
}

int main(int argc, char **argv)
{
	struct arguments args = {.mode = MODE_RUN, .file = CONF_FILE};
	static struct conf_errors errors; /* 16 KiB */
	struct conf conf;
	int status = arguments_parse(argc, argv, &args);

	if (status >= 0)
		return status;
	if (args.mode == MODE_MAKE_KEY)
		return new_key(args.key_file);
	log_set_priority(!isatty(STDERR_FILENO));
	if (conf_load(args.file, args.file_named, &conf, &errors) < 0) {
		for (unsigned i = 0; i < errors.count; i++) {
			if (args.mode == MODE_RUN)
				conf_error_log(errors.text[i]);
			else
				(void)fprintf(stderr, "%s\n", errors.text[i]);
		}
		return EXIT_FAILURE;
	}
	switch (args.mode) {
	case MODE_TEST:
		return conf_test(&conf) ? EXIT_SUCCESS : EXIT_FAILURE;
	case MODE_REKEY:
		return service_key_change(&conf, args.new_key) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	case MODE_PRINT:
		return print_conf(&conf);
	case MODE_CHECK:
		return offline_check(&conf, args.deep) ? EXIT_SUCCESS : EXIT_FAILURE;
	case MODE_RESTORE:
		return offline_restore(&conf, args.backup) ? EXIT_SUCCESS : EXIT_FAILURE;
	case MODE_MAKE_KEY:
	case MODE_RUN:
		break;
	}
	heap_keep();
	return service_run(&conf, args.file, args.file_named) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
