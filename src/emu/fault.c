/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/fault.h"

#include "base/buf.h"
#include "emu/rng.h"
#include "emu/text.h"

#include <string.h>

enum arg_kind {
	ARG_NONE,
	ARG_UINT,
	ARG_OPT_UINT,
	ARG_PERCENT,
	ARG_WORD,
	ARG_UINT_WORD,
	ARG_OPT_TEXT,
	ARG_STATE, /* of LwM2M's object 5, as the next one */
	ARG_RESULT
};

enum { STATE_MAX = 3, RESULT_MAX = 11 };

static const struct fault_row {
	const char *word;
	unsigned of;
	enum arg_kind arg;
	const char *arg_name;
	const char *help;
} fault_rows[] = {
#define EMU_FAULT_ROW(name, of, word, arg, argname, help)                                          \
	[EMU_FAULT_##name] = {word, EMU_FAULT_OF_##of, ARG_##arg, argname, help},
	EMU_FAULT_LIST(EMU_FAULT_ROW)
#undef EMU_FAULT_ROW
};

static const struct fault_row *fault_row(const char *spec, size_t len,
					 enum emu_fault_kind *ret_kind)
{
	for (int i = 0; i < EMU_FAULT_COUNT; i++) {
		const char *word = fault_rows[i].word;

		if (strlen(word) == len && memcmp(word, spec, len) == 0) {
			*ret_kind = (enum emu_fault_kind)i;
			return &fault_rows[i];
		}
	}
	return NULL;
}

/* Index of `arg` in "a|b", or -1. */
static int fault_word(const char *words, const char *arg)
{
	size_t len = strlen(arg);

	for (int i = 0; *words != '\0'; i++) {
		size_t n = strcspn(words, "|");

		if (n == len && memcmp(words, arg, n) == 0)
			return i;
		words += n;
		if (*words == '|')
			words++;
	}
	return -1;
}

static int fault_uint_word(struct emu_fault *fault, const char *arg)
{
	char number[24];
	size_t n = strcspn(arg, ",");

	if (n >= sizeof(number))
		return ERR_INVAL;
	memcpy(number, arg, n);
	number[n] = '\0';
	if (arg[n] == ',') {
		if (strcmp(arg + n + 1, "revert") != 0)
			return ERR_INVAL;
		fault->word = 1;
	}
	return emu_parse_uint(number, UINT32_MAX, &fault->value);
}

static int uint_arg(struct emu_fault *fault, const char *arg, uint64_t max)
{
	return arg ? emu_parse_uint(arg, max, &fault->value) : ERR_INVAL;
}

static int fault_arg(struct emu_fault *fault, const struct fault_row *row, const char *arg)
{
	int word;

	switch (row->arg) {
	case ARG_NONE:
		return arg ? ERR_INVAL : 0;
	case ARG_OPT_UINT:
		fault->value = 1;
		return arg ? emu_parse_uint(arg, UINT32_MAX, &fault->value) : 0;
	case ARG_UINT:
		return uint_arg(fault, arg, UINT32_MAX);
	case ARG_PERCENT:
		return uint_arg(fault, arg, 100);
	case ARG_WORD:
		word = arg ? fault_word(row->arg_name, arg) : -1;
		if (word < 0)
			return ERR_INVAL;
		fault->value = (uint64_t)word;
		return 0;
	case ARG_UINT_WORD:
		return arg ? fault_uint_word(fault, arg) : ERR_INVAL;
	case ARG_OPT_TEXT:
		if (!arg)
			arg = "mislabelled";
		if (*arg == '\0' || strlen(arg) >= sizeof(fault->text))
			return ERR_INVAL;
		memcpy(fault->text, arg, strlen(arg) + 1);
		return 0;
	case ARG_STATE:
		return uint_arg(fault, arg, STATE_MAX) || fault->value == 0 ? ERR_INVAL : 0;
	case ARG_RESULT:
		return uint_arg(fault, arg, RESULT_MAX);
	}
	return ERR_INVAL;
}

/* "7", "1-20", "3%": false if it is none of these. */
static bool fault_who(struct emu_fault *fault, const char *who)
{
	char text[16];
	size_t len = strlen(who), first = strcspn(who, "-%");
	uint64_t from, to;

	if (len >= sizeof(text))
		return false;
	memcpy(text, who, len + 1);
	text[first] = '\0';
	if (emu_parse_uint(text, UINT32_MAX, &from) || from == 0)
		return false;
	if (who[first] == '%') {
		fault->percent = (uint32_t)from;
		return from <= 100 && first + 1 == len;
	}
	to = from;
	if (who[first] == '-' && emu_parse_uint(text + first + 1, UINT32_MAX, &to))
		return false;
	fault->from = (uint32_t)from;
	fault->to = (uint32_t)to;
	return from <= to;
}

int emu_fault_add(struct emu_faults *faults, const char *spec)
{
	size_t len = strcspn(spec, ":@");
	struct emu_fault fault = {0};
	const struct fault_row *row = fault_row(spec, len, &fault.kind);
	char rest[128], *at;

	if (!row)
		return ERR_NOENT;
	if (faults->len == EMU_FAULTS_MAX)
		return ERR_LIMIT;
	if (!buf_copy_str(rest, sizeof(rest), spec + len))
		return ERR_INVAL;
	at = strrchr(rest, '@');
	if (at && fault_who(&fault, at + 1))
		*at = '\0';
	else if (at && row->arg != ARG_OPT_TEXT)
		return ERR_INVAL;
	if (rest[0] == '@' || fault_arg(&fault, row, rest[0] == ':' ? rest + 1 : NULL))
		return ERR_INVAL;
	faults->list[faults->len++] = fault;
	return 0;
}

void emu_fault_order(uint32_t *order, uint32_t count, uint64_t seed)
{
	struct emu_rng rng = {seed};

	for (uint32_t i = 0; i < count; i++) {
		uint32_t other = (uint32_t)(emu_rng_next(&rng) % (i + 1));

		order[i] = order[other];
		order[other] = i;
	}
}

uint32_t emu_fault_deal(const struct emu_faults *faults, uint32_t index, uint32_t place,
			uint32_t count)
{
	uint32_t mask = 0, dealt = 0;

	for (size_t i = 0; i < faults->len; i++) {
		const struct emu_fault *fault = &faults->list[i];
		uint32_t share = (uint32_t)(((uint64_t)count * fault->percent + 50) / 100);
		bool hit = !fault->percent && !fault->from;

		if (fault->from)
			hit = index + 1 >= fault->from && index + 1 <= fault->to;
		if (fault->percent && share == 0)
			share = 1;
		if (fault->percent) {
			hit = (place + count - dealt % count) % count < share;
			dealt += share;
		}
		mask |= (uint32_t)hit << i;
	}
	return mask;
}

const struct emu_fault *emu_fault_find(const struct emu_faults *faults, uint32_t mask,
				       enum emu_fault_kind kind)
{
	for (size_t i = 0; i < faults->len; i++)
		if (faults->list[i].kind == kind && (mask >> i & 1) != 0)
			return &faults->list[i];
	return NULL;
}

unsigned emu_fault_of(enum emu_fault_kind kind)
{
	return fault_rows[kind].of;
}

const char *emu_fault_name(enum emu_fault_kind kind)
{
	return fault_rows[kind].word;
}

static void fault_form(const struct fault_row *row, char *dst, size_t cap)
{
	bool optional = row->arg == ARG_OPT_UINT || row->arg == ARG_OPT_TEXT;

	if (row->arg == ARG_NONE)
		snprintf(dst, cap, "%s", row->word);
	else
		snprintf(dst, cap, optional ? "%s[:%s]" : "%s:%s", row->word, row->arg_name);
}

const char *emu_fault_usage(const char *spec, char *dst, size_t cap)
{
	enum emu_fault_kind kind;
	const struct fault_row *row = fault_row(spec, strcspn(spec, ":@"), &kind);

	if (!row)
		return NULL;
	fault_form(row, dst, cap);
	return dst;
}

enum { TEXT_INDENT = 8, TEXT_WIDTH = 79 };

/* Words, wrapped. */
static void fault_text(FILE *out, const char *text)
{
	size_t column = 0;

	while (*text != '\0') {
		size_t n = strcspn(text, " \n");

		if (column > 0 && column + 1 + n > TEXT_WIDTH) {
			fputc('\n', out);
			column = 0;
		}
		fprintf(out, "%*s%.*s", column > 0 ? 1 : TEXT_INDENT, "", (int)n, text);
		column += (column > 0 ? 1 : TEXT_INDENT) + n;
		text += n + (text[n] != '\0' ? 1 : 0);
	}
	fputc('\n', out);
}

void emu_fault_help(FILE *out)
{
	static const char *const fault_of[] = {[EMU_FAULT_OF_NATIVE] = "  (native)",
					       [EMU_FAULT_OF_LWM2M] = "  (lwm2m)",
					       [EMU_FAULT_OF_BOTH] = ""};
	char form[64];

	for (int i = 0; i < EMU_FAULT_COUNT; i++) {
		fault_form(&fault_rows[i], form, sizeof(form));
		fprintf(out, "  %s%s\n", form, fault_of[fault_rows[i].of]);
		fault_text(out, fault_rows[i].help);
	}
}
