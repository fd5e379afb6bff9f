/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/output.h"

#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl/text.h"

void out_init(struct output *o, bool no_color)
{
	const char *term = getenv("TERM"), *none = getenv("NO_COLOR");
	struct winsize size = {0};

	(void)setlocale(LC_CTYPE, "");
	*o = (struct output){.width = 80};
	o->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	o->tty = isatty(STDOUT_FILENO) == 1;
	o->color = o->tty && !no_color && (none == NULL || none[0] == '\0') &&
		   (term == NULL || strcmp(term, "dumb") != 0);
	if (o->tty && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		o->columns = size.ws_col;
	else if (o->tty)
		o->columns = 80;
	if (o->columns)
		o->width = o->columns < 48 ? 48 : o->columns > 100 ? 100 : o->columns;
	o->now_ms = clock_read().wall_ms;
}

/* Columns of the first `len` bytes, in which colours take none. */
static size_t word_width(const char *s, size_t len)
{
	char *plain = mem_get(len + 1);
	size_t width, n = 0;

	for (size_t i = 0; i < len; i++) {
		if (s[i] == '\033') /* only out_style() writes one, and it ends with m */
			while (i + 1 < len && s[i] != 'm')
				i++;
		else
			plain[n++] = s[i];
	}
	width = text_width(plain);
	free(plain);
	return width;
}

/* Words and the blanks between them; what would pass column `limit` goes on in the next line, at
 * column `indent`. */
static void fold(size_t column, size_t indent, size_t limit, const char *s)
{
	enum { LEAST = 4 }; /* the column of a word that has no room behind `indent` */

	while (*s) {
		size_t blanks = strspn(s, " "), len = strcspn(s + blanks, " ");
		size_t width = word_width(s + blanks, len);
		bool wide = indent + width > limit;
		size_t margin = wide && indent > LEAST ? LEAST : indent;

		if (len == 0)
			return;
		if (column + blanks + width > limit && column + blanks > margin) {
			printf("\n%*s", (int)margin, "");
			column = margin;
		} else {
			printf("%*s", (int)blanks, "");
			column += blanks;
		}
		(void)fwrite(s + blanks, 1, len, stdout);
		column += width;
		s += blanks + len;
	}
}

/* The line that is being put together, as out_hang() asks; stdout is one, and so is its line. */
static struct {
	FILE *f; /* NULL: none, text goes out as it comes */
	char *text;
	size_t len, indent;
} line;

static FILE *out_file(void)
{
	return line.f ? line.f : stdout;
}

void out_hang(const struct output *o, size_t indent)
{
	if (!o->columns || line.f != NULL)
		return;
	line.f = open_memstream(&line.text, &line.len);
	line.indent = indent;
}

/* What was put together so far goes out as it is. */
static void hang_end(void)
{
	if (line.f == NULL)
		return;
	if (fclose(line.f) == 0)
		fputs(line.text, stdout);
	free(line.text);
	line.f = NULL;
}

void out_text(const struct output *o, const char *s)
{
	char *safe = text_safe(s, o->utf8);

	fputs(safe, out_file());
	free(safe);
}

void out_printf(const struct output *o, const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	out_text(o, s);
	free(s);
}

void out_nl(const struct output *o)
{
	if (line.f != NULL) {
		if (fclose(line.f) == 0)
			fold(0, line.indent, o->columns, line.text);
		free(line.text);
		line.f = NULL;
	}
	putchar('\n');
}

void out_style(const struct output *o, enum style style)
{
	static const char *const codes[] = {
		[STYLE_PLAIN] = "\033[0m", [STYLE_BOLD] = "\033[1m", [STYLE_DIM] = "\033[2m",
		[STYLE_GOOD] = "\033[32m", [STYLE_BAD] = "\033[31m", [STYLE_WARN] = "\033[33m",
		[STYLE_INFO] = "\033[36m",
	};

	if (o->color)
		fputs(codes[style], out_file());
}

void out_styled(const struct output *o, enum style style, const char *s)
{
	out_style(o, style);
	out_text(o, s);
	if (style != STYLE_PLAIN)
		out_style(o, STYLE_PLAIN);
}

void out_cell(const struct output *o, enum style style, const char *s, size_t width)
{
	char *safe = text_safe(s, o->utf8);
	size_t have = text_width(safe);

	out_styled(o, style, safe);
	if (have < width)
		fprintf(out_file(), "%*s", (int)(width - have), "");
	free(safe);
}

const char *out_sign(const struct output *o, enum sign sign)
{
	static const struct {
		const char *utf8, *ascii;
	} signs[] = {
		[SIGN_YES] = {"✓", "+"},  [SIGN_NO] = {"✗", "-"},     [SIGN_REACHED] = {"●", "*"},
		[SIGN_OPEN] = {"○", "."}, [SIGN_ARROW] = {"→", "->"}, [SIGN_DOT] = {"·", "-"},
		[SIGN_LINE] = {"│", "|"},
	};

	return o->utf8 ? signs[sign].utf8 : signs[sign].ascii;
}

void out_wrap(const struct output *o, size_t indent, const char *s)
{
	char *safe = text_safe(s, o->utf8);

	hang_end();
	fold(indent, indent, o->width > 2 ? o->width - 1 : 1, safe + strspn(safe, " "));
	putchar('\n');
	free(safe);
}

void out_heading(const struct output *o, const char *s)
{
	out_nl(o);
	out_styled(o, STYLE_BOLD, s);
	out_nl(o);
}

/* A list of the whole fleet is millions of small pieces. */
static int json_put(const char *text, size_t len, void *f)
{
	return fwrite_unlocked(text, 1, len, f) == len ? 0 : -1;
}

static void json_print(const json_t *value, size_t flags)
{
	(void)json_dump_callback(value, json_put, stdout,
				 flags | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
	putchar('\n');
}

void out_json(const struct output *o, const json_t *value)
{
	(void)o;
	json_print(value, JSON_INDENT(2));
}

void out_json_line(const struct output *o, const json_t *value)
{
	(void)o;
	json_print(value, JSON_COMPACT);
	(void)fflush(stdout);
}

static struct tm local(int64_t ms)
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm = {0};

	(void)localtime_r(&t, &tm);
	return tm;
}

char *out_when(int64_t ms, char dst[32])
{
	struct tm tm = local(ms);

	(void)strftime(dst, 32, "%Y-%m-%d %H:%M:%S", &tm);
	return dst;
}

char *out_clock(int64_t ms, char dst[32])
{
	struct tm tm = local(ms);
	size_t len = strftime(dst, 32, "%H:%M:%S", &tm);

	(void)snprintf(dst + len, 32 - len, ".%d", (int)(ms % 1000 / 100));
	return dst;
}

char *out_ago(const struct output *o, int64_t ms, char dst[64])
{
	int64_t age = o->now_ms - ms;
	char text[TEXT_SHORT];

	if (age < 0 && age > -1000)
		age = 0;
	if (age < 0)
		(void)snprintf(dst, 64, "in %s", text_age(-age, text));
	else if (age < 1000)
		(void)snprintf(dst, 64, "just now");
	else
		(void)snprintf(dst, 64, "%s ago", text_age(age, text));
	return dst;
}

int out_flush(void)
{
	return fflush(stdout) != 0 || ferror(stdout) ? -1 : 0;
}
