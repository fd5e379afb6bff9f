/* SPDX-License-Identifier: Apache-2.0
 *
 * device list: chosen by the server, in the order of ids; any other order is made here, and with
 * --watch it is looked at again and again. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl/commands.h"
#include "ctl/table.h"
#include "ctl/text.h"
#include "ctl/view.h"

enum { NOTE_BYTES = 160, CELL_BYTES = LIMIT_TAGS * (LIMIT_TAG + 1) + NOTE_BYTES };

static void note_add(struct buf *b, const char *before, const char *word)
{
	if (word[0] == '\0' || b->pos + strlen(before) + strlen(word) + 3 > NOTE_BYTES)
		return;
	buf_put_str(b, b->pos ? ", " : "");
	buf_put_str(b, before);
	buf_put_str(b, word);
}

/* What an operator should know at a glance. */
static const char *note(const json_t *d, char dst[NOTE_BYTES])
{
	const char *hold = get_str(json_object_get(d, "hold"), "reason");
	const char *state = get_str(d, "state"), *protocol = get_str(d, "protocol");
	const json_t *blocked = json_array_get(json_object_get(d, "blocked_by"), 0);
	const char *why = strcmp(state, "waiting") == 0 ? get_str(blocked, "name") : "";
	bool silent = strcmp(get_str(d, "offline"), "silent") == 0;
	struct buf b = buf_writer(dst, NOTE_BYTES);

	note_add(&b, "", strcmp(protocol, "native") != 0 ? protocol : "");
	note_add(&b, "", get_bool(d, "development") ? "development" : "");
	note_add(&b, "", get_str(d, "lock")[0] ? "locked" : "");
	note_add(&b, "", get_bool(d, "force") ? "forced" : "");
	note_add(&b, "held: ", hold);
	note_add(&b, "", hold[0] ? "" : why);
	note_add(&b, "", silent && strcmp(why, "offline") != 0 ? "silent" : "");
	return buf_cstr(&b);
}

bool device_list_url(struct ctl *c, const struct args *a, struct url *u)
{
	char filter[FILTER_WORDS];

	if (!filter_words(c, a, 0, filter))
		return false;
	if (args_option(a, "online") != NULL && args_option(a, "offline") != NULL) {
		(void)ctl_usage(c, "--online and --offline exclude each other");
		return false;
	}
	url_init(u, "/v1/devices");
	url_query(u, "filter", a->count > 0 ? filter : NULL);
	url_query(u, "query", args_option(a, "query"));
	url_query(u, "group", args_option(a, "group"));
	url_query(u, "tag", args_option(a, "tag"));
	url_query(u, "development", args_option(a, "development") ? "1" : NULL);
	url_query(u, "product", args_option(a, "product"));
	url_query(u, "state", args_option(a, "state"));
	url_query(u, "hold", args_option(a, "hold"));
	url_query(u, "online",
		  args_option(a, "online")    ? "1"
		  : args_option(a, "offline") ? "0"
					      : NULL);
	url_query(u, "version", args_option(a, "version"));
	url_query(u, "drifted", args_option(a, "drifted") ? "1" : NULL);
	return true;
}

/* ---- order ---- */

enum sort_kind { SORT_TEXT, SORT_VERSION, SORT_TIME };
static const struct sort_key {
	const char *name;
	enum sort_kind kind;
	const char *object, *key; /* object NULL: of the device itself */
} sort_keys[] = {
	{"id", SORT_TEXT, NULL, "id"},
	{"product", SORT_TEXT, NULL, "product"},
	{"state", SORT_TEXT, NULL, "state"},
	{"seen", SORT_TIME, NULL, "seen"},
	{"version", SORT_VERSION, "running", "version"},
	{"target", SORT_VERSION, "target", "version"},
};

struct order {
	const struct sort_key *key; /* NULL: as it comes, by id */
	bool down;
};

struct sorted {
	json_t *device;
	const char *text;
	int64_t time;
	size_t place; /* before: what is equal stays in that order */
};

/* Numbers in it by their value: 1.9 comes before 1.10. */
static int version_compare(const char *a, const char *b)
{
	while (*a != '\0' && *b != '\0') {
		size_t na = strspn(a, "0123456789"), nb = strspn(b, "0123456789");
		if (na == 0 || nb == 0) {
			if (*a != *b)
				return (unsigned char)*a - (unsigned char)*b;
			a++;
			b++;
			continue;
		}
		while (na > 1 && *a == '0')
			a++, na--;
		while (nb > 1 && *b == '0')
			b++, nb--;
		int diff = na != nb ? (na < nb ? -1 : 1) : strncmp(a, b, na);
		if (diff != 0)
			return diff;
		a += na;
		b += nb;
	}
	return (*a != '\0') - (*b != '\0');
}

static int compare(const void *pa, const void *pb, void *order)
{
	const struct sorted *a = pa, *b = pb;
	const struct order *o = order;
	int diff = 0;

	if (o->key->kind == SORT_TIME)
		diff = (a->time > b->time) - (a->time < b->time);
	else if (o->key->kind == SORT_VERSION)
		diff = version_compare(a->text, b->text);
	else
		diff = strcmp(a->text, b->text);
	if (o->down)
		diff = -diff;
	return diff != 0 ? diff : (a->place > b->place) - (a->place < b->place);
}

static void sort(json_t *list, struct order o)
{
	size_t n = json_array_size(list), i;
	struct sorted *all = mem_get((n + 1) * sizeof(*all));
	json_t *d;

	json_array_foreach(list, i, d)
	{
		const json_t *of = o.key->object ? json_object_get(d, o.key->object) : d;
		all[i] = (struct sorted){
			.device = json_incref(d), .text = get_str(of, o.key->key), .place = i};
		if (o.key->kind == SORT_TIME)
			all[i].time = get_time(of, o.key->key);
	}
	qsort_r(all, n, sizeof(*all), compare, &o);
	(void)json_array_clear(list);
	for (i = 0; i < n; i++)
		(void)json_array_append_new(list, all[i].device);
	free(all);
}

/* "seen", or "-seen" for the other direction. */
static bool order_option(const struct ctl *c, const struct args *a, struct order *ret)
{
	const char *name = args_option(a, "sort");

	*ret = (struct order){.key = NULL};
	if (name == NULL)
		return true;
	ret->down = name[0] == '-';
	for (size_t i = 0; i < sizeof(sort_keys) / sizeof(sort_keys[0]); i++)
		if (strcmp(sort_keys[i].name, name + ret->down) == 0)
			ret->key = &sort_keys[i];
	if (ret->key != NULL)
		return true;
	(void)ctl_usage(c, "--sort wants id, product, state, seen, version or target, not \"%s\"",
			name);
	return false;
}

/* ---- the list ---- */

/* At most `limit` rows, unless an order needs them all; 0: all. */
static json_t *list_get(struct ctl *c, const struct url *u, struct order o, int64_t limit)
{
	json_t *list = ctl_list(c, u, "devices", "after", o.key ? 0 : limit);

	if (list != NULL && o.key != NULL)
		sort(json_object_get(list, "devices"), o);
	return list;
}

/* The names of --columns, in the order in which they stand. */
enum column {
	COL_ID,
	COL_PRODUCT,
	COL_GROUP,
	COL_STATE,
	COL_RUNS,
	COL_TARGET,
	COL_SEEN,
	COL_TAGS,
	COL_NOTE,
	COL_COUNT
};
static const struct {
	const char *name, *head;
	unsigned least; /* columns of a terminal that shows it unasked; 0: each */
} columns[COL_COUNT] = {
	[COL_ID] = {"id", "DEVICE", 0},	       [COL_PRODUCT] = {"product", "PRODUCT", 0},
	[COL_GROUP] = {"group", "GROUP", 100}, [COL_STATE] = {"state", "STATE", 0},
	[COL_RUNS] = {"runs", "RUNS", 0},      [COL_TARGET] = {"target", "TARGET", 0},
	[COL_SEEN] = {"seen", "SEEN", 0},      [COL_TAGS] = {"tags", "TAGS", 120},
	[COL_NOTE] = {"note", "NOTE", 0},
};

/* A comma between two; returns text. */
static const char *tags_text(const json_t *d, char *text, size_t cap)
{
	struct buf b = buf_writer(text, cap);
	const json_t *tag;
	size_t i;

	json_array_foreach(json_object_get(d, "tags"), i, tag)
	{
		const char *word = json_string_value(tag);
		if (b.pos + strlen(word) + 2 > cap)
			break;
		buf_put_str(&b, i ? "," : "");
		buf_put_str(&b, word);
	}
	return buf_cstr(&b);
}

static void cell(struct ctl *c, struct table *t, enum column column, const json_t *d)
{
	const char *state = get_str(d, "state");
	char text[CELL_BYTES];
	int64_t seen = get_time(d, "seen");

	switch (column) {
	case COL_ID:
		table_cell(t, STYLE_BOLD, get_str(d, "id"));
		break;
	case COL_STATE:
		table_cell(t, style_device(state), state);
		break;
	case COL_RUNS:
		table_cell(t, STYLE_PLAIN, get_str(json_object_get(d, "running"), "version"));
		break;
	case COL_TARGET:
		table_cell(t, STYLE_PLAIN, get_str(json_object_get(d, "target"), "version"));
		break;
	case COL_SEEN:
		table_cell(t, get_bool(d, "online") ? STYLE_PLAIN : STYLE_DIM,
			   seen > 0 ? out_ago(&c->out, seen, text) : "never");
		break;
	case COL_TAGS:
		table_cell(t, STYLE_PLAIN, tags_text(d, text, sizeof(text)));
		break;
	case COL_NOTE:
		table_cell(t, STYLE_PLAIN, note(d, text));
		break;
	case COL_PRODUCT:
	case COL_GROUP:
	case COL_COUNT:
		table_cell(t, STYLE_PLAIN, get_str(d, columns[column].name));
		break;
	}
}

/* Those of --columns, a list with commas; false after a usage message. */
static bool columns_option(const struct ctl *c, const struct args *a, bool shown[COL_COUNT],
			   bool *ret_given)
{
	const char *list = args_option(a, "columns");

	*ret_given = list != NULL;
	for (const char *at = list ? list : ""; *at != '\0';) {
		size_t len = strcspn(at, ","), i = 0;

		while (i < COL_COUNT &&
		       (strlen(columns[i].name) != len || strncmp(columns[i].name, at, len) != 0))
			i++;
		if (i == COL_COUNT) {
			(void)ctl_usage(c,
					"--columns wants some of id, product, group, state, runs, "
					"target, seen, tags and note, with commas between, not "
					"\"%.*s\"",
					(int)len, at);
			return false;
		}
		shown[i] = true;
		at += len + (at[len] != '\0');
	}
	return true;
}

/* Unasked, groups and tags only where there are any, and room for them. */
static void columns_choose(const struct ctl *c, const json_t *list, bool shown[COL_COUNT])
{
	bool groups = false, tags = false;
	const json_t *d;
	size_t i;

	json_array_foreach(list, i, d)
	{
		groups |= get_str(d, "group")[0] != '\0';
		tags |= json_array_size(json_object_get(d, "tags")) > 0;
	}
	for (i = 0; i < COL_COUNT; i++)
		shown[i] = !c->out.columns || c->out.columns >= columns[i].least;
	shown[COL_GROUP] &= groups;
	shown[COL_TAGS] &= tags;
}

static void list_print(struct ctl *c, const struct args *a, const json_t *list)
{
	const json_t *devices = json_object_get(list, "devices"), *d;
	const char *heads[COL_COUNT + 1] = {NULL};
	bool shown[COL_COUNT] = {false}, given;
	unsigned count = 0;
	struct table t;
	size_t i;

	if (!columns_option(c, a, shown, &given))
		return;
	if (!given)
		columns_choose(c, devices, shown);
	for (i = 0; i < COL_COUNT; i++)
		if (shown[i])
			heads[count++] = columns[i].head;
	table_init(&t, heads);
	json_array_foreach(devices, i, d)
	{
		for (unsigned k = 0; k < COL_COUNT; k++)
			if (shown[k])
				cell(c, &t, (enum column)k, d);
	}
	table_print(&t, &c->out,
		    a->option_count + a->count > 0
			    ? "No device fits."
			    : "No devices yet: postbootctl device add ID --product P ...");
}

/* ---- watching ---- */

static volatile sig_atomic_t stopped, resized;

static void on_signal(int number)
{
	if (number == SIGWINCH)
		resized = 1;
	else
		stopped = 1;
}

static void write_all(const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, text, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			stopped = 1; /* nobody looks */
			return;
		}
		text += n;
		len -= (size_t)n;
	}
}

static unsigned screen_rows(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 3 ? size.ws_row : 24;
}

/* What list_print() prints, as text. */
static char *list_text(struct ctl *c, const struct args *a, const json_t *list)
{
	FILE *real = stdout;
	char *text = NULL;
	size_t len = 0;
	FILE *mem = open_memstream(&text, &len);

	if (mem == NULL)
		return mem_copy("");
	stdout = mem;
	if (c->out.json)
		out_json_line(&c->out, list);
	else
		list_print(c, a, list);
	stdout = real;
	(void)fclose(mem);
	return text;
}

/* One frame in one write: each line over the one before, so that nothing flickers. */
static void frame(const char *text, unsigned rows)
{
	struct buf b;
	size_t cap = 2 * strlen(text) + 8 * (size_t)rows + 64;
	char *out = mem_get(cap);
	unsigned row = 0;

	b = buf_writer(out, cap);
	buf_put_str(&b, "\033[H");
	while (*text != '\0' && row + 1 < rows) {
		size_t len = strcspn(text, "\n");
		buf_put_bytes(&b, text, len);
		buf_put_str(&b, "\033[K\r\n");
		text += len + (text[len] == '\n');
		row++;
	}
	buf_put_str(&b, *text != '\0' ? "...\033[K\033[J" : "\033[J");
	write_all(out, b.pos);
	free(out);
}

static void screen(bool on)
{
	const char *text = on ? "\033[?1049h\033[?25l\033[H\033[J" : "\033[?25h\033[?1049l";

	write_all(text, strlen(text));
}

/* Looks again after a second, later if a look costs the server much. */
static void wait_turn(int64_t took_ms)
{
	int64_t ms = 10 * took_ms < 1000 ? 1000 : 10 * took_ms;
	const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	if (!stopped && !resized)
		(void)nanosleep(&pause, NULL);
}

static int watch_once(struct ctl *c, const struct args *a, const struct url *u, struct order o,
		      bool tty, char **last)
{
	unsigned rows = tty ? screen_rows() : 0;
	json_t *list = list_get(c, u, o, tty ? rows : 0);
	char *text;

	if (list == NULL && tty) { /* the reason is for the screen that stays */
		screen(false);
		list = list_get(c, u, o, rows);
		if (list != NULL)
			screen(true);
	}
	if (list == NULL)
		return CTL_FAILED;
	c->out.now_ms = clock_read().wall_ms;
	text = list_text(c, a, list);
	json_decref(list);
	if (tty)
		frame(text, rows);
	else if (*last == NULL || strcmp(*last, text) != 0) {
		if (*last != NULL && !c->out.json)
			write_all("\n", 1);
		write_all(text, strlen(text));
	}
	free(*last);
	*last = text;
	return CTL_DONE;
}

static int watch(struct ctl *c, const struct args *a, const struct url *u, struct order o)
{
	struct sigaction on = {.sa_handler = on_signal}; /* no SA_RESTART: sleep ends */
	bool tty = c->out.tty && !c->out.json;
	char *last = NULL;
	int code = CTL_DONE;

	(void)sigaction(SIGINT, &on, NULL);
	(void)sigaction(SIGTERM, &on, NULL);
	(void)sigaction(SIGWINCH, &on, NULL);
	if (tty)
		screen(true);
	while (!stopped && code == CTL_DONE) {
		int64_t start = clock_read().now_ms;
		if (resized) {
			bool color = c->out.color, json = c->out.json;
			resized = 0;
			out_init(&c->out, !color);
			c->out.json = json;
		}
		code = watch_once(c, a, u, o, tty, &last);
		if (code == CTL_DONE)
			wait_turn(clock_read().now_ms - start);
	}
	if (tty && code == CTL_DONE)
		screen(false);
	if (tty && code == CTL_DONE && last != NULL)
		write_all(last, strlen(last));
	free(last);
	return code;
}

int device_list(struct ctl *c, const struct args *a)
{
	struct order o;
	struct url u;
	json_t *list;

	bool shown[COL_COUNT], given;

	if (!device_list_url(c, a, &u) || !order_option(c, a, &o) ||
	    !columns_option(c, a, shown, &given))
		return CTL_USAGE;
	if (args_option(a, "watch") != NULL)
		return watch(c, a, &u, o);
	list = list_get(c, &u, o, 0);
	if (list == NULL)
		return CTL_FAILED;
	if (c->out.json)
		out_json(&c->out, list);
	else
		list_print(c, a, list);
	json_decref(list);
	return CTL_DONE;
}
