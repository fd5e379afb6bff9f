/* SPDX-License-Identifier: Apache-2.0
 *
 * device import and device export. Keys that are drawn are in their file, on the disk, before the
 * server hears of them: whatever happens then, no device has a key that nobody knows. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/csv.h"
#include "ctl/bar.h"
#include "ctl/commands.h"
#include "ctl/import_file.h"
#include "ctl/text.h"

/* ---- rows as text ---- */

enum { CELL = LIMIT_TAGS * (LIMIT_TAG + 1) + 1 };

/* One column of a row, "" where it says nothing; dst is for those that are put together. */
static const char *cell(const json_t *row, const char *name, char dst[CELL])
{
	const json_t *value = json_object_get(row, name), *tag;
	struct buf b = buf_writer(dst, CELL);
	size_t i;

	json_array_foreach(value, i, tag)
	{
		buf_put_str(&b, i ? " " : "");
		buf_put_str(&b, json_string_value(tag));
	}
	if (json_is_array(value))
		return buf_cstr(&b);
	return json_is_true(value) ? "true" : json_is_string(value) ? json_string_value(value) : "";
}

static void csv_line(FILE *f, const json_t *row)
{
	for (const struct import_column *c = import_columns; c->name; c++) {
		char space[CELL];
		const char *text = row ? cell(row, c->name, space) : c->name;

		if (c != import_columns)
			(void)putc(',', f);
		csv_put(f, text);
	}
	(void)putc('\n', f);
}

/* ---- the file ---- */

static char *read_all(const struct ctl *c, const char *name, size_t *ret_len)
{
	FILE *f = strcmp(name, "-") == 0 ? stdin : fopen(name, "rb");
	size_t cap = 1 << 16, len = 0;
	char *text;

	if (f == NULL) {
		(void)ctl_fail(c, "%s: %s", name, strerror(errno));
		return NULL;
	}
	text = mem_get(cap + 1);
	for (;;) {
		len += fread(text + len, 1, cap - len, f);
		if (len < cap || len > LIMIT_IMPORT_BYTES)
			break;
		char *more = mem_get(2 * cap + 1); /* no realloc: the old copy is wiped */
		memcpy(more, text, len);
		explicit_bzero(text, len);
		free(text);
		text = more;
		cap *= 2;
	}
	bool bad = ferror(f), big = len > LIMIT_IMPORT_BYTES;
	if (bad)
		(void)ctl_fail(c, "%s: %s", name, strerror(errno));
	else if (big)
		(void)ctl_fail(c, "%s: more than %d bytes", name, LIMIT_IMPORT_BYTES);
	if (f != stdin)
		(void)fclose(f);
	if (bad || big) {
		explicit_bzero(text, len);
		free(text);
		return NULL;
	}
	*ret_len = len;
	return text;
}

static int draw(uint8_t key[IMPORT_KEY_DRAWN])
{
	return getrandom(key, IMPORT_KEY_DRAWN, 0) == IMPORT_KEY_DRAWN ? 0 : ERR_CRYPTO;
}

static int tell_errors(struct ctl *c, const char *name, const struct import_file *f)
{
	size_t untold = f->error_count;
	char more[64] = "", count[TEXT_SHORT];

	for (size_t i = 0; i < f->told; i++) {
		const struct import_error *e = &f->errors[i];

		(void)snprintf(more, sizeof(more), "; and %s more %s with the same",
			       text_count((int64_t)e->more, count),
			       e->more == 1 ? "line" : "lines");
		ctl_note(c, "%s:%u: %s%s", name, e->line, e->text, e->more ? more : "");
		untold -= 1 + e->more;
	}
	if (untold > 0)
		ctl_note(c, "%zu more are not told", untold);
	return ctl_fail(c, "%s: %zu %s; nothing was imported", name, f->error_count,
			f->error_count == 1 ? "error" : "errors");
}

/* ---- the keys that were drawn ---- */

/* Whether the row (from 0 on) is in "1-5000,7", the numbers rising; *at goes along. */
static bool is_skipped(const char **at, size_t row)
{
	while (**at) {
		char *end;
		unsigned long from = strtoul(*at, &end, 10), to = from;
		if (*end == '-')
			to = strtoul(end + 1, &end, 10);
		if (row + 1 <= to)
			return row + 1 >= from;
		*at = *end == ',' ? end + 1 : end;
		if (from == 0)
			return false;
	}
	return false;
}

static int keys_write(int fd, const struct import_file *f, const char *skipped)
{
	FILE *out = fdopen(dup(fd), "w");
	int rc;

	if (out == NULL)
		return -1;
	csv_line(out, NULL);
	for (size_t i = 0; i < f->count; i++) {
		if (is_skipped(&skipped, i) || !f->rows[i].drawn)
			continue;
		json_t *row = import_file_row(f, i);
		csv_line(out, row);
		json_decref(row);
	}
	rc = fflush(out) || ferror(out) || fsync(fd) ? -1 : 0;
	return fclose(out) || rc ? -1 : 0;
}

static int keys_open(struct ctl *c, const char *name, const struct import_file *f)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0) {
		(void)ctl_fail(c, "%s: %s", name, strerror(errno));
	} else if (keys_write(fd, f, "")) {
		(void)ctl_fail(c, "%s: %s", name, strerror(errno));
		(void)close(fd);
		(void)unlink(name);
		fd = -1;
	}
	return fd;
}

static size_t drawn_left(const struct import_file *f, const char *skipped)
{
	size_t n = 0;

	for (size_t i = 0; i < f->count; i++)
		n += !is_skipped(&skipped, i) && f->rows[i].drawn;
	return n;
}

/* Only keys that devices have stay in the file. */
static int keys_settle(struct ctl *c, const char *name, int fd, const struct import_file *f,
		       const char *skipped, bool dry_run)
{
	size_t left = dry_run ? 0 : drawn_left(f, skipped);

	if (left == 0)
		return unlink(name);
	if (left == f->drawn)
		return 0;
	if (ftruncate(fd, 0) || lseek(fd, 0, SEEK_SET) || keys_write(fd, f, skipped)) {
		ctl_note(c, "%s: %s: it may have keys of devices that were skipped", name,
			 strerror(errno));
		return -1;
	}
	return 0;
}

/* ---- import ---- */

/* What the server found wrong, with the lines of the file. */
static void take_errors(struct import_file *f, const json_t *problem)
{
	int64_t untold = get_int(problem, "wrong");
	const json_t *e;
	size_t i;

	json_array_foreach(json_object_get(problem, "errors"), i, e)
	{
		size_t row = (size_t)get_int(e, "line") - 1;
		size_t other = (size_t)get_int(e, "other_line") - 1;
		char text[200];
		if (row >= f->count)
			continue;
		if (other < f->count)
			(void)snprintf(text, sizeof(text), "%.160s, first in line %u",
				       get_str(e, "detail"), f->rows[other].line);
		else
			(void)snprintf(text, sizeof(text), "%.199s", get_str(e, "detail"));
		import_file_wrong(f, f->rows[row].line, (size_t)get_int(e, "more"), text);
		untold -= 1 + get_int(e, "more");
	}
	f->error_count += untold > 0 ? (size_t)untold : 0;
}

struct import_run {
	const char *name; /* of the file */
	const char *out;  /* of the keys, or NULL */
	int fd;		  /* its, or -1 */
	bool dry_run, skip_existing;
};

static int refused(struct ctl *c, const struct import_run *run, struct import_file *f)
{
	char why[1024];
	json_t *problem = http_problem(c->http);
	/* Without an answer, or with one of a decision that stands, devices may have these keys. */
	bool known = http_status(c->http) >= 400 && http_status(c->http) < 500;

	(void)snprintf(why, sizeof(why), "%s", http_error(c->http));
	if (json_object_get(problem, "errors"))
		take_errors(f, problem);
	json_decref(problem);
	if (run->fd >= 0 && known)
		(void)unlink(run->out);
	if (f->error_count)
		return tell_errors(c, run->name, f);
	if (run->fd >= 0 && !known)
		ctl_note(c, "%s stays: see whether the devices are there before it is removed",
			 run->out);
	return ctl_fail(c, "%s", why);
}

static void tell_imported(const struct ctl *c, const struct import_run *run, const json_t *r,
			  size_t drawn)
{
	char count[TEXT_SHORT];

	out_printf(&c->out, "%s %s %s", text_count(get_int(r, "devices"), count),
		   get_int(r, "devices") == 1 ? "device" : "devices",
		   run->dry_run ? "would be imported." : "imported.");
	if (get_int(r, "skipped") > 0)
		out_printf(&c->out, " %s skipped: there already.",
			   text_count(get_int(r, "skipped"), count));
	if (drawn > 0)
		out_printf(&c->out, " %s drawn, in %s.", drawn == 1 ? "One key was" : "Keys were",
			   run->out);
	out_nl(&c->out);
}

/* The file is wrong; what the server alone knows to be wrong is told in the same breath. */
static void ask_rest(struct ctl *c, const struct import_run *run, struct import_file *f)
{
	json_t *r = NULL, *problem;
	struct url u;

	if (f->count == 0)
		return;
	url_init(&u, "/v1/imports");
	url_query(&u, "dry_run", "1");
	url_query(&u, "skip_existing", run->skip_existing ? "1" : NULL);
	if (http_post(c->http, url_text(&u), "application/x-ndjson", f->body, f->body_len, NULL,
		      NULL, &r)) {
		problem = http_problem(c->http);
		if (json_object_get(problem, "errors"))
			take_errors(f, problem);
		else
			ctl_note(c, "what only the server can tell is not among these: %s",
				 http_error(c->http));
		json_decref(problem);
	}
	json_decref(r);
}

static int send_rows(struct ctl *c, const struct import_run *run, struct import_file *f)
{
	bool draws = isatty(STDERR_FILENO) == 1 && !c->out.json;
	struct bar bar = {.name = "devices", .shown = -1, .utf8 = c->out.utf8};
	json_t *r = NULL;
	struct url u;
	size_t drawn;

	url_init(&u, "/v1/imports");
	url_query(&u, "dry_run", run->dry_run ? "1" : NULL);
	url_query(&u, "skip_existing", run->skip_existing ? "1" : NULL);
	int err = http_post(c->http, url_text(&u), "application/x-ndjson", f->body, f->body_len,
			    draws ? bar_draw : NULL, &bar, &r);
	if (draws && bar.shown >= 0)
		fputs("\r\033[K", stderr);
	if (err)
		return refused(c, run, f);
	drawn = run->dry_run ? 0 : drawn_left(f, get_str(r, "skipped_lines"));
	if (run->fd >= 0)
		(void)keys_settle(c, run->out, run->fd, f, get_str(r, "skipped_lines"),
				  run->dry_run);
	if (c->out.json) {
		(void)json_object_del(r, "skipped_lines");
		if (drawn)
			(void)json_object_set_new(r, "drawn", json_integer((json_int_t)drawn));
		out_json(&c->out, r);
	} else {
		tell_imported(c, run, r, drawn);
	}
	json_decref(r);
	return CTL_DONE;
}

static int import(struct ctl *c, struct import_run *run, struct import_file *f)
{
	int code;

	if (f->error_count) {
		ask_rest(c, run, f);
		return tell_errors(c, run->name, f);
	}
	if (run->out != NULL && f->drawn > 0) {
		run->fd = keys_open(c, run->out, f);
		if (run->fd < 0)
			return CTL_FAILED;
	}
	code = send_rows(c, run, f);
	if (run->fd >= 0)
		(void)close(run->fd);
	return code;
}

int device_import(struct ctl *c, const struct args *a)
{
	struct import_run run = {.name = a->pos[0],
				 .out = args_option(a, "psk-out"),
				 .fd = -1,
				 .dry_run = args_option(a, "dry-run") != NULL,
				 .skip_existing = args_option(a, "skip-existing") != NULL};
	const struct import_options o = {.product = args_option(a, "product"),
					 .draw = run.out ? draw : NULL};
	struct import_file *f;
	size_t len = 0;
	char *text = read_all(c, run.name, &len);
	int code;

	if (text == NULL)
		return CTL_FAILED;
	if (run.dry_run)
		run.out = NULL;
	f = mem_get(sizeof(*f));
	import_file_read(f, &o, text, len);
	explicit_bzero(text, len);
	free(text);
	if (strcmp(run.name, "-") == 0)
		run.name = "standard input";
	code = import(c, &run, f);
	import_file_free(f);
	free(f);
	return code;
}

/* ---- export ---- */

/* Of windows and clock what was set for the device itself. */
static void export_site(json_t *o, const json_t *maintenance)
{
	static const char *const keys[][2] = {{"windows", "windows_from"},
					      {"time_zone", "time_zone_from"}};

	for (size_t i = 0; i < 2; i++)
		if (strcmp(get_str(maintenance, keys[i][1]), "device") == 0)
			(void)json_object_set(o, keys[i][0],
					      json_object_get(maintenance, keys[i][0]));
}

/* What a device would be imported as. */
static json_t *export_row(const json_t *d)
{
	static const char *const flags[] = {"certificate", "plain", "development", "force", NULL};
	static const char *const as_is[] = {"group", "tags", "lock", NULL};
	const char *hold = get_str(json_object_get(d, "hold"), "reason");
	json_t *o =
		json_pack("{s:s, s:s}", "id", get_str(d, "id"), "product", get_str(d, "product"));

	for (size_t i = 0; flags[i] != NULL; i++)
		if (get_bool(d, flags[i]))
			(void)json_object_set_new(o, flags[i], json_true());
	for (size_t i = 0; as_is[i] != NULL; i++)
		if (json_object_get(d, as_is[i]) != NULL)
			(void)json_object_set(o, as_is[i], json_object_get(d, as_is[i]));
	export_site(o, json_object_get(d, "maintenance"));
	if (strcmp(hold, "operator") == 0)
		(void)json_object_set_new(o, "hold", json_true());
	if (json_object_get(d, "disabled") != NULL)
		(void)json_object_set_new(o, "disabled", json_true());
	return o;
}

static void export_page(const json_t *page, bool csv)
{
	const json_t *d;
	size_t i;

	json_array_foreach(json_object_get(page, "devices"), i, d)
	{
		json_t *row = export_row(d);
		if (csv)
			csv_line(stdout, row);
		else
			(void)json_dumpf(row, stdout, JSON_COMPACT);
		if (!csv)
			(void)fputc('\n', stdout);
		json_decref(row);
	}
}

int device_export(struct ctl *c, const struct args *a)
{
	const char *format = args_option(a, "format");
	bool csv = format == NULL ? !c->out.json : strcmp(format, "csv") == 0;
	char next[160] = "";
	struct url base;

	if (format != NULL && !csv && strcmp(format, "jsonl") != 0)
		return ctl_usage(c, "the format is csv or jsonl, not \"%s\"", format);
	if (!device_list_url(c, a, &base))
		return CTL_USAGE;
	if (csv)
		csv_line(stdout, NULL);
	do {
		struct url u = base;
		json_t *page;

		u.b.ptr = u.space;
		url_query_number(&u, "limit", 500);
		url_query(&u, "after", next[0] ? next : NULL);
		page = ctl_get(c, &u);
		if (page == NULL)
			return CTL_FAILED;
		export_page(page, csv);
		(void)snprintf(next, sizeof(next), "%s", get_str(page, "next"));
		json_decref(page);
	} while (next[0]);
	return CTL_DONE;
}
