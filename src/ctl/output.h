/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything that is printed goes through here: text for people on stdout (made safe for a
 * terminal, in colour where it is one) or JSON for programs. Text given to out_text() and
 * out_printf() never drives the terminal; line ends are out_nl() and colours out_style().
 */
#ifndef CTL_OUTPUT_H
#define CTL_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum style {
	STYLE_PLAIN,
	STYLE_BOLD,
	STYLE_DIM,
	STYLE_GOOD,
	STYLE_BAD,
	STYLE_WARN,
	STYLE_INFO,
};

enum sign { SIGN_YES, SIGN_NO, SIGN_REACHED, SIGN_OPEN, SIGN_ARROW, SIGN_DOT, SIGN_LINE };

struct output {
	bool json;	  /* -o json */
	bool color;	  /* stdout is a terminal that may show colours */
	bool tty;	  /* stdout is a terminal */
	bool utf8;	  /* the locale's character set is UTF-8 */
	unsigned width;	  /* columns to fill */
	unsigned columns; /* that a line has; 0: no terminal */
	int64_t now_ms;	  /* wall time, for "4 min ago" */
};

/* Looks at stdout, the environment and the locale. */
void out_init(struct output *o, bool no_color);

void out_text(const struct output *o, const char *s);
void out_printf(const struct output *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void out_nl(const struct output *o);
void out_style(const struct output *o, enum style style); /* until STYLE_PLAIN */
void out_styled(const struct output *o, enum style style, const char *s);

/* Text and blanks up to a width; longer text stays whole. */
void out_cell(const struct output *o, enum style style, const char *s, size_t width);

/* A sign as UTF-8 or ASCII, ready for out_text(). */
const char *out_sign(const struct output *o, enum sign sign);

/* Words wrapped to the width, each line after the first begun by `indent` blanks; the cursor
 * stands at column `indent` before. Ends the line. */
void out_wrap(const struct output *o, size_t indent, const char *s);

/* On a terminal, what follows until out_nl() is one fact: where it does not fit into a line, its
 * words go on at column `indent` of the next. Elsewhere a fact stays in one line. To be called at
 * the beginning of the line. */
void out_hang(const struct output *o, size_t indent);

/* A heading: a bold line at the margin after an empty one. */
void out_heading(const struct output *o, const char *s);

/* JSON in full, or as one line. Pure ASCII, so that it is safe on a terminal too. */
void out_json(const struct output *o, const json_t *value);
void out_json_line(const struct output *o, const json_t *value);

/* Local time "2026-11-22 23:51:07", and only its "23:51:07.1". */
char *out_when(int64_t ms, char dst[32]);
char *out_clock(int64_t ms, char dst[32]);
/* "4 min ago" or "in 4 min". */
char *out_ago(const struct output *o, int64_t ms, char dst[64]);

/* 0, or -1 if something could not be written. */
int out_flush(void);

#endif
