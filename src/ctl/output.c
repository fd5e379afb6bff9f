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

void out_text(const struct output *o, const char *s)
{
	char *safe = text_safe(s, o->utf8);

	fputs(safe, stdout);
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
	(void)o;
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
		fputs(codes[style], stdout);
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
	for (; have < width; have++)
		putchar(' ');
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

/* The next word of *s, a copy; NULL at the end. */
static char *word_next(const char **s)
{
	size_t len;
	char *w;

	*s += strspn(*s, " ");
	len = strcspn(*s, " ");
	if (len == 0)
		return NULL;
	w = mem_get(len + 1);
	memcpy(w, *s, len);
	*s += len;
	return w;
}

void out_wrap(const struct output *o, size_t indent, const char *s)
{
	size_t limit = o->width > 2 ? o->width - 1 : 1;
	char *safe = text_safe(s, o->utf8);
	const char *rest = safe;
	size_t column = indent;
	bool first = true;
	char *w;

	while ((w = word_next(&rest)) != NULL) {
		size_t len = text_width(w);

		if (!first && column + 1 + len > limit) {
			putchar('\n');
			for (column = 0; column < indent; column++)
				putchar(' ');
			first = true;
		}
		if (!first) {
			putchar(' ');
			column++;
		}
		fputs(w, stdout);
		column += len;
		first = false;
		free(w);
	}
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
