/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs scenario files on the real engine, store, proto and core, with a fake network and a
 * fake clock. A file is a list of lines; '#' begins a comment; words are separated by blanks,
 * settings are key=value:
 *
 *   PRODUCT name [policy=value]...        SET product policy=value...
 *   RELEASE product version bytes [no-digest] [no-confirm]
 *   DEVICE id product [plain|certificate] TARGET product version|none
 *   SESSION name id [plain|certificate]   (a handshake; the first session of a device may be
 *                                          left out: its name is then the device's id)
 *   GONE session                          LINK session messages repeats [rtt]
 *   AS session id                         (a plain session names another device from now on)
 *   REPORT session boot=X version=V [digest=release:V|hex [kind=N]] [confirmed=0|1] [caps=N]
 * [count=N] [reset=N] [mode=N] [uptime=N] [enabled=0|1] [free=N] [total=N] [interval=N] [slot=N]
 *          [hardware=H] [last=stage,reason [code=N] [detail=T]]
 *   STATUS session state [boot=X|count=N] [seq=N] [reason=N] [code=N] [detail=T] [received=N]
 *          [start=N] [defer=N]
 *   GET session offset                    (one 1 KiB block of the attempt's image)
 *                                         (each about the attempt of the device's last directive,
 *                                          or attempt=N, or attempt=of:ID another device's)
 *   AGAIN                                 (the last message, byte for byte)
 *   TOY session POST|DELETE [boot=N|word] [duplicate]   (toy.c: a device that is asked)
 *   ANSWER session code [payload] | ANSWER session timeout
 *   FETCH session [blocks]                (takes the image that is sent to it)
 *   NOTIFY session payload
 *   LOCK id version | UNLOCK id | FORCE id | UNFORCE id | HOLD id | UNHOLD id | REMOVE id |
 *   DISABLE id | ENABLE id | CERTIFICATE id | CANCEL id | REMOVE-RELEASE product version |
 *   ROLLOUT product name version waves [setting=value]...  (100P is 100 percent)
 *   ROLL product name approve|start|pause|resume|next|finish|abort|remove [by=NAME]
 *   GROUP product name [version] | GROUP-SET product name [windows=W] [time_zone=Z]
 *         [max_downloads=N] [image_rate=N] | GROUP-REMOVE product name
 *   JOIN id group|none                    PLACE id [windows=W] [time_zone=Z]
 *   GROUP-TARGET product name version|none
 *   STATE product version active|quarantined|withdrawn
 *   LOSE-IMAGE product version | FIND-IMAGE product version
 *   ELAPSE seconds | CLOCK-STEP seconds | RESTART seconds | CRASH seconds
 *   HASTE                                 (from now on a step ends after its first row)
 *   BACKUP | RESTORE                      (of the last one, after a crash)
 *   KEEP [events=SECONDS] [max=N]         (retention of events)
 *   RATES device all                      (bytes a second, 0 any; a restart forgets it)
 *   PACE ms                               (time passes for blocks that are held back)
 *   STORE-FAIL n                          (the next n operations of the database)
 *   DELIVER off|on                        (commits happen, what follows them waits)
 *   REPEAT n ... END                      ('%' between them is the round)
 *   CRASH-EACH | RESTART-EACH             (from here on after each line that does something)
 *   FAIL-EACH                             (the file runs again and again, with operation 1, 2, ...
 *                                          of the database failing; who gets 5.03 repeats)
 *   EXPECT code | EXPECT-ANSWERS code...  (all since DELIVER or the last EXPECT-ANSWERS)
 *   EXPECT-ACT 0|unchanged|err-word      EXPECT-AUDIT rows
 *   EXPECT-DIRECTIVE none|pending|update [fresh=0|1] [force=0|1] [version=V] [soon=0|1]
 *                                         [window=N]
 *   EXPECT-EVENTS topic[:data]...         (exactly these since the last EXPECT-EVENTS;
 *                                          device/online and device/offline are left out)
 *   EXPECT-COUNT topic[:data] n           (of all events)
 *   EXPECT-ATTEMPT id key=value...        (the open attempt, else the last one)
 *   EXPECT-TOLD id key=value...           (the attempt of the last directive)
 *   EXPECT-DEVICE id key=value...         EXPECT-NO-DEVICE id
 *   EXPECT-GROUP product name [limit=N] [active=N] [waiting=N]   (of its downloads)
 *   EXPECT-OPENS id seconds [device|group|product|none [the same of its clock]]
 *                                         (its next maintenance window; 0: one is open)
 *   EXPECT-DIAGNOSES id word...           EXPECT-BLOCKED id word...
 *   EXPECT-ASK session path|none          EXPECT-FACTS id name=value...
 *   EXPECT-ROLLOUT product name key=value...   EXPECT-TARGET id [version=V|none] [why=W]
 *   EXPECT-RINGS session n                EXPECT-CLOSED session 0|1
 *
 * What a line of a scenario does is checked where it is said; anything unknown fails. I1, I2
 * and I5 are checked at the end of each, and the audit log against what the acts left.
 */
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scenario.h"

enum { SCRIPT_LINES = 400, LINE_BYTES = 400, FAIL_MAX = 3000 };

static char *words[WORDS_MAX];
static unsigned word_count;
static char
	template_dir[100]; /* with a new database: making one takes longer than most scenarios */

void fail(struct scenario *s, const char *fmt, ...)
{
	va_list ap;

	s->failed++;
	printf("# %s:%u: ", s->file, s->line);
	if (s->fail_at)
		printf("(operation %lu failed) ", s->fail_at);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

const char *value_of(const char *key)
{
	size_t len = strlen(key);

	for (unsigned i = 1; i < word_count; i++)
		if (strncmp(words[i], key, len) == 0 && words[i][len] == '=')
			return words[i] + len + 1;
	return NULL;
}

int64_t number_of(const char *key, int64_t otherwise)
{
	const char *v = value_of(key);

	return v ? strtoll(v, NULL, 0) : otherwise;
}

char *word(unsigned i)
{
	static char none[1];

	return i < word_count ? words[i] : none;
}

unsigned word_total(void)
{
	return word_count;
}

/* ---- lines ---- */

struct script {
	unsigned count;
	char line[SCRIPT_LINES][LINE_BYTES];
};

static void split(char *line)
{
	char *save = NULL;

	word_count = 0;
	line[strcspn(line, "#\n")] = 0;
	for (char *w = strtok_r(line, " \t", &save); w && word_count < WORDS_MAX;
	     w = strtok_r(NULL, " \t", &save))
		words[word_count++] = w;
}

static bool run_option(struct scenario *s, const char *verb)
{
	if (strcmp(verb, "CRASH-EACH") == 0)
		s->crash_each = true;
	else if (strcmp(verb, "RESTART-EACH") == 0)
		s->restart_each = true;
	else if (strcmp(verb, "FAIL-EACH") == 0)
		s->fail_each = true;
	else
		return false;
	return true;
}

static void run_words(struct scenario *s)
{
	const char *verb = word(0);

	if (word_count == 0 || run_option(s, verb) || run_expect(s, verb) ||
	    run_expect_talk(s, verb))
		return;
	if (!run_device(s, verb) && !run_talk(s, verb) && !run_world(s, verb) &&
	    !run_operator(s, verb))
		fail(s, "unknown line: %s", verb);
	else if (s->crash_each)
		world_again(s, false, 1);
	else if (s->restart_each)
		world_again(s, true, 1);
}

/* One line, with '%' replaced by the round of its REPEAT. */
static void run_line(struct scenario *s, const char *line, unsigned round)
{
	static char copy[LINE_BYTES * 2];
	size_t used = 0;

	for (const char *c = line; *c && used + 16 < sizeof(copy); c++) {
		if (*c == '%')
			used += (size_t)snprintf(copy + used, 12, "%u", round);
		else
			copy[used++] = *c;
	}
	copy[used] = 0;
	split(copy);
	run_words(s);
}

static void run_script(struct scenario *s, const struct script *script)
{
	unsigned rounds = 1, begin = 0, round = 1;

	for (unsigned i = 0; i < script->count; i++) {
		s->line = i + 1;
		if (strncmp(script->line[i], "REPEAT ", 7) == 0) {
			rounds = (unsigned)strtoul(script->line[i] + 7, NULL, 10);
			begin = i;
			round = 1;
		} else if (strncmp(script->line[i], "END", 3) == 0) {
			if (round < rounds) {
				round++;
				i = begin;
			}
		} else {
			run_line(s, script->line[i], round);
		}
	}
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static void remove_dir(const char *dir)
{
	if (nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS))
		printf("# could not remove %s\n", dir);
}

static void make_dir(char *dst, size_t cap)
{
	const char *tmp = getenv("TMPDIR");

	if (!tmp) /* hundreds of databases, and no disk is to be tested */
		tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	(void)snprintf(dst, cap, "%s/postboot-scenario-XXXXXX", tmp);
	if (!mkdtemp(dst))
		abort();
}

/* Runs the script in a new world whose operation `fail_at` fails (0: none). False: it failed. */
static bool run_world_of(struct scenario *s, const char *file, const struct script *script,
			 unsigned long fail_at)
{
	memset(s, 0, sizeof(*s));
	fake_reply = (struct fake_reply){0};
	fake_wall_ms = FAKE_START_MS; /* windows are times of a day */
	s->file = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
	s->fail_at = fail_at;
	make_dir(s->dir, sizeof(s->dir));
	world_copy(s, template_dir);
	s->max_downloads = 1000; /* more than there are: they are only counted */
	world_start(s);
	run_script(s, script);
	expect_invariants(s);
	world_stop(s, true);
	remove_dir(s->dir);
	return s->failed == 0;
}

static bool run_file(const char *file)
{
	static struct scenario s;
	static struct script script;
	FILE *in = fopen(file, "r");

	if (!in) {
		printf("# cannot open %s\n", file);
		return false;
	}
	script.count = 0;
	while (script.count < SCRIPT_LINES && fgets(script.line[script.count], LINE_BYTES, in))
		script.count++;
	bool whole = feof(in) != 0;
	(void)fclose(in);
	if (!whole) {
		printf("# %s is too long\n", file);
		return false;
	}
	bool ok = run_world_of(&s, file, &script, 0);
	/* The same again with operation 1, 2, ... failing, until a run gets by without. Sanitizers
	 * see the same code in a third of them. */
	const char *sanitized = getenv("SANITIZED");
	unsigned long step = sanitized && strcmp(sanitized, "yes") == 0 ? 3 : 1;
	for (unsigned long at = 1; ok && s.fail_each && at <= FAIL_MAX; at += step) {
		ok = run_world_of(&s, file, &script, at);
		if (s.operations < at)
			break;
	}
	return ok;
}

int main(int argc, char **argv)
{
	int failed = 0;
	const char *level = getenv("SCENARIO_LOG");

	/* A failing database is told of as an error: in a scenario it is meant. */
	log_set_level(level ? LOG_LEVEL_DEBUG : (enum log_level)2);
	make_dir(template_dir, sizeof(template_dir));
	world_template(template_dir);
	printf("1..%d\n", argc - 1);
	for (int i = 1; i < argc; i++) {
		bool ok = run_file(argv[i]);
		const char *name = strrchr(argv[i], '/');
		printf("%sok %d - scenario %s\n", ok ? "" : "not ", i, name ? name + 1 : argv[i]);
		failed += !ok;
	}
	remove_dir(template_dir);
	return failed != 0;
}
