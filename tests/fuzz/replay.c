/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzzer's corpus without libFuzzer: every file of
 * $TOP_SRCDIR/tests/fuzz/corpus/<program>, or the files named on the command
 * line. One TAP line per file; a crash ends the plan early and so fails.
 */
#include <dirent.h>
#include <libgen.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	if (!f)
		return -1;
	static uint8_t all[1 << 20];
	size_t size = fread(all, 1, sizeof(all), f);
	int failed = ferror(f);
	(void)fclose(f);
	if (failed)
		return -1;
	/* A copy of exact size, so that a sanitizer sees a read past the end. */
	uint8_t *data = malloc(size ? size : 1);
	if (!data)
		return -1;
	memcpy(data, all, size);
	(void)LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 0;
}

static int not_hidden(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static void report(int n, const char *path)
{
	/* The name first: it is what one needs when the next line is a crash. */
	printf("# %s\n", path);
	fflush(stdout);
	printf("%s %d - %s\n", replay_file(path) ? "not ok" : "ok", n, path);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		printf("1..%d\n", argc - 1);
		for (int i = 1; i < argc; i++)
			report(i, argv[i]);
		return 0;
	}
	const char *top = getenv("TOP_SRCDIR");
	char dir[4096], path[8192];
	(void)snprintf(dir, sizeof(dir), "%s/tests/fuzz/corpus/%s", top ? top : ".",
		       basename(argv[0]));
	struct dirent **names;
	int n = scandir(dir, &names, not_hidden, alphasort);
	if (n <= 0) {
		printf("1..1\nnot ok 1 - no corpus in %s\n", dir);
		return 1;
	}
	printf("1..%d\n", n);
	for (int i = 0; i < n; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
		report(i + 1, path);
		free(names[i]);
	}
	free(names);
	return 0;
}
