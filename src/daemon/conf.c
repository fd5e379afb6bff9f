/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/conf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/near.h"
#include "daemon/conf_value.h"

#define KIB ((int64_t)1024)
#define SECOND ((int64_t)1000)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)

#define AT(member) offsetof(struct conf, member)

/* clang-format off */
static const struct conf_key keys[] = {
	{"state-dir", CONF_TYPE_PATH, AT(state_dir), LOCALSTATEDIR "/lib/postboot",
	 1, CONF_PATH_MAX, false,
	 "Folder of the database and the images; made if it is missing."},
	{"admin-socket", CONF_TYPE_PATH, AT(admin_socket), RUNSTATEDIR "/postboot/admin.sock",
	 1, CONF_SOCKET_MAX, false,
	 "UNIX socket of the admin API."},
	{"viewer-group", CONF_TYPE_GROUP, AT(viewer_group), "", 0, CONF_GROUP_MAX, true,
	 "Members of this group, by name or number, may read and change nothing."},
	{"key-file", CONF_TYPE_PATH, AT(key_file), "", 0, CONF_PATH_MAX, false,
	 "Key that seals the keys of devices, unless the credential postboot-key is there."},
	{"certificate", CONF_TYPE_PATH, AT(certificate), "", 0, CONF_PATH_MAX, true,
	 "PEM file of the server's certificate, for devices with certificates; empty: none."},
	{"certificate-key", CONF_TYPE_PATH, AT(certificate_key), "", 0, CONF_PATH_MAX, true,
	 "PEM file of its private key, unless the credential postboot-certificate-key is there."},
	{"crl-file", CONF_TYPE_PATH, AT(crl_file), "", 0, CONF_PATH_MAX, true,
	 "PEM file of lists of revoked certificates (CRLs) of products' CAs; empty: none."},
	{"listen", CONF_TYPE_LISTEN, 0, "coaps://0.0.0.0:5684 coaps://[::]:5684",
	 1, CONF_URI_MAX, false,
	 "Address for devices, one a line: coaps://ADDR[:PORT] or coap://ADDR[:PORT]."},
	{"metrics-listen", CONF_TYPE_TCP, AT(metrics_listen), "", 0, CONF_URI_MAX, false,
	 "TCP address ADDR:PORT of /metrics and /v1/health beside the admin socket; empty: none."},
	{"metrics-anywhere", CONF_TYPE_BOOL, AT(metrics_anywhere), "no", 1, 0, false,
	 "Allow metrics-listen on an address that others can reach."},
	{"plain-devices", CONF_TYPE_BOOL, AT(plain_devices), "no", 1, 0, false,
	 "Serve devices added with --plain on coap:// addresses."},
	{"plain-anywhere", CONF_TYPE_BOOL, AT(plain_anywhere), "no", 1, 0, false,
	 "Allow coap:// on addresses that others can reach."},
	{"device-json", CONF_TYPE_BOOL, AT(device_json), "yes", 1, 0, true,
	 "Understand JSON from devices beside CBOR."},
	{"event-prefix", CONF_TYPE_PREFIX, AT(event_prefix), "", 0, CONF_PREFIX_MAX, true,
	 "Stands before the topic of every event: spark/ gives spark/flash/status."},
	/* RFC 7959 2.2: a block number has 20 bits and a block at most 1 KiB */
	{"image-limit", CONF_TYPE_SIZE, AT(image_limit_bytes), "64M", KIB, KIB * KIB * KIB, true,
	 "Largest image that is accepted, in bytes or with K, M or G."},
	{"log-level", CONF_TYPE_LEVEL, AT(log_level), "info", 1, 0, true,
	 "What is logged: err, warn, info or debug."},
	{"hibernate-after", CONF_TYPE_DURATION, AT(hibernate_after_ms), "10s",
	 SECOND, 365 * DAY, true,
	 "An idle session gives up its memory after it; a number with s, m, h or d."},
	{"session-idle", CONF_TYPE_DURATION, AT(session_idle_ms), "1d", SECOND, 365 * DAY, true,
	 "A silent session is closed after it; a number with s, m, h or d."},
	{"connection-id", CONF_TYPE_BOOL, AT(connection_id), "yes", 1, 0, true,
	 "Let sessions of devices that can (RFC 9146) go on when their address changes."},
	{"handshakes-per-second", CONF_TYPE_COUNT, AT(handshakes_per_s), "2000",
	 1, 1000000, true,
	 "New sessions a second from all addresses together."},
	{"requests-per-second", CONF_TYPE_COUNT, AT(requests_per_s), "20000",
	 1, 1000000, true,
	 "Requests a second of all devices together, blocks of images not counted."},
	{"device-requests-per-second", CONF_TYPE_COUNT, AT(device_requests_per_s), "50",
	 1, 1000000, true,
	 "Requests a second of one device, likewise; ten times as many at once."},
	{"address-requests-per-second", CONF_TYPE_COUNT, AT(address_requests_per_s), "50",
	 1, 1000000, true,
	 "The same of one address on coap://, where nobody has proved who he is."},
	{"max-sessions", CONF_TYPE_COUNT, AT(max_sessions), "131072", 1, LIMIT_PEERS, true,
	 "Sessions at the same time."},
	/* Slower than 2 KiB a second a block of 1 KiB would be held for too long (core/pace.h). */
	{"image-rate", CONF_TYPE_RATE, AT(image_rate), "any", 2 * KIB, KIB * KIB * KIB, true,
	 "Bytes of images a second to all devices, with K, M or G, or any."},
	{"device-rate", CONF_TYPE_RATE, AT(device_rate), "any", 2 * KIB, KIB * KIB * KIB, true,
	 "Bytes of images a second to each device, with K, M or G, or any."},
	{"max-downloads", CONF_TYPE_MAX, AT(max_downloads), "any", 1, 1000000, true,
	 "Downloads at the same time; further devices wait for their turn; a number, or any."},
	{"keep-events", CONF_TYPE_KEEP, AT(keep_events_ms), "90d", HOUR, 36500 * DAY, true,
	 "Older events go; a number with s, m, h or d, or forever."},
	{"keep-attempts", CONF_TYPE_KEEP, AT(keep_attempts_ms), "365d", HOUR, 36500 * DAY, true,
	 "Attempts closed longer ago go; a number with s, m, h or d, or forever."},
	{"max-events", CONF_TYPE_MAX, AT(max_events), "10000000", 1000, 1000000000000, true,
	 "Of more events the oldest go; a number, or any."},
	{"hook-ca-file", CONF_TYPE_PATH, AT(hook_ca_file), "", 0, CONF_PATH_MAX, true,
	 "PEM file of the CAs that webhooks' receivers are believed by; empty: the system's."},
	{"hook-timeout", CONF_TYPE_DURATION, AT(hook_timeout_ms), "10s", SECOND, 60 * SECOND, true,
	 "A webhook's receiver answers within it; a number with s, m, h or d."},
	{"hook-retry-max", CONF_TYPE_DURATION, AT(hook_retry_max_ms), "5m", SECOND, DAY, true,
	 "Longest pause between two tries of a webhook; a number with s, m, h or d."},
	{"hook-tries", CONF_TYPE_COUNT, AT(hook_tries), "10", 1, 1000, true,
	 "A message that a webhook's receiver refused so often is put aside."},
	{"hook-give-up", CONF_TYPE_DURATION, AT(hook_give_up_ms), "3d", SECOND, 365 * DAY, true,
	 "A webhook whose receiver takes nothing for so long is disabled; with s, m, h or d."},
};
/* clang-format on */

enum { KEYS = sizeof(keys) / sizeof(keys[0]) };

unsigned conf_key_count(void)
{
	return KEYS;
}

const struct conf_key *conf_key(unsigned index)
{
	return &keys[index];
}

const char *conf_key_name(const struct conf_key *key)
{
	return key->name;
}

const char *conf_key_help(const struct conf_key *key)
{
	return key->help;
}

bool conf_key_reloads(const struct conf_key *key)
{
	return key->reload;
}

/* ---- parsing ---- */

struct parser {
	struct conf conf;
	const struct conf_text *texts;
	unsigned text, line;
	unsigned seen[KEYS]; /* line of each key in this text, 0: none */
	struct conf_errors *errors;
};

static void __attribute__((format(printf, 6, 7)))
mistake(struct parser *p, unsigned text, unsigned line, size_t column, const char *key,
	const char *fmt, ...)
{
	struct conf_errors *e = p->errors;
	char what[320];
	va_list ap;

	if (e->count == CONF_ERRORS_MAX)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	(void)snprintf(e->text[e->count++], sizeof(e->text[0]), "%.512s:%u:%zu: %s%s%s",
		       p->texts[text].name, line, column, key, key[0] ? ": " : "", what);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_key_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

/* A control character is never meant; NUL would cut the value short. */
static size_t control_at(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == 0x7f)
			return i;
	return len;
}

static int key_find(const char *name, size_t len)
{
	for (int i = 0; i < KEYS; i++)
		if (strlen(keys[i].name) == len && memcmp(keys[i].name, name, len) == 0)
			return i;
	return -1;
}

/* A value that begins in `column`, for a key that may stand here. */
static void value_take(struct parser *p, int key, const char *start, size_t len, size_t column)
{
	const struct conf_key *k = &keys[key];
	struct conf_fault fault = {0};
	char value[CONF_VALUE_MAX + 1];

	if (len > CONF_VALUE_MAX) {
		mistake(p, p->text, p->line, column, k->name, "a value has at most %d bytes",
			CONF_VALUE_MAX);
		return;
	}
	if (len > 0 && start[len - 1] == '\\') {
		mistake(p, p->text, p->line, column + len - 1, k->name,
			"a value ends with its line; there are no continuation lines");
		return;
	}
	memcpy(value, start, len);
	value[len] = '\0';
	if (!conf_value_parse(k, value, &p->conf, &fault)) {
		bool comment = strstr(value, " #") || strstr(value, " ;") || strchr(value, '\t');

		mistake(p, p->text, p->line, column + fault.at, k->name, "%s%s", fault.what,
			comment ? " (a comment needs a line of its own)" : "");
		return;
	}
	if (k->type == CONF_TYPE_LISTEN || k->type == CONF_TYPE_TCP) {
		struct conf_listen *l = k->type == CONF_TYPE_TCP
						? &p->conf.metrics_listen
						: &p->conf.listen[p->conf.listen_count - 1];

		l->text = p->text;
		l->line = p->line;
		l->column = (unsigned)column;
	}
}

/* Whether this key may stand here; notes that it did. */
static bool key_take(struct parser *p, int key, size_t column)
{
	unsigned *seen = &p->seen[key];

	if (keys[key].type == CONF_TYPE_LISTEN) {
		if (*seen == 0) { /* the first one of a text replaces the list */
			p->conf.listen_count = 0;
			p->conf.listen_is_default = false;
		}
	} else if (*seen != 0) {
		mistake(p, p->text, p->line, column, keys[key].name, "is set in line %u already",
			*seen);
		return false;
	}
	*seen = p->line;
	return true;
}

static void section_parse(struct parser *p, const char *line, size_t len, size_t column)
{
	static const char name[] = "[postbootd]";

	if (len != sizeof(name) - 1 || memcmp(line, name, len) != 0)
		mistake(p, p->text, p->line, column, "",
			"the only section is [postbootd], and nothing may follow it");
}

/* As people write it who mean a key. */
static bool is_name_char(char c)
{
	return is_key_char(c) || c == '_' || (c >= 'A' && c <= 'Z');
}

/* As keys are written. */
static char plain_char(char c)
{
	if (c == '_')
		return '-';
	if (c >= 'A' && c <= 'Z')
		return "abcdefghijklmnopqrstuvwxyz"[c - 'A'];
	return c;
}

static void key_unknown(struct parser *p, const char *name, size_t len, size_t column)
{
	const char *names[KEYS + 1] = {NULL};
	char plain[65];
	size_t shown = len < sizeof(plain) ? len : sizeof(plain) - 1;

	for (int i = 0; i < KEYS; i++)
		names[i] = keys[i].name;
	for (size_t i = 0; i < shown; i++)
		plain[i] = plain_char(name[i]);
	plain[shown] = 0;
	const char *meant = near_word(plain, names);
	mistake(p, p->text, p->line, column, "",
		"%.*s: there is no such key%s%s%s (postbootd -T lists them)", (int)shown, name,
		meant ? ": did you mean " : "", meant ? meant : "", meant ? "?" : "");
}

static void line_parse(struct parser *p, const char *line, size_t len)
{
	size_t at = 0, bad = control_at(line, len);

	if (bad < len) {
		mistake(p, p->text, p->line, bad + 1, "", "a control character (0x%02x)",
			(unsigned)(unsigned char)line[bad]);
		return;
	}
	while (len > 0 && is_blank(line[len - 1]))
		len--;
	while (at < len && is_blank(line[at]))
		at++;
	if (at == len || line[at] == '#' || line[at] == ';')
		return;
	if (line[at] == '[') {
		section_parse(p, line + at, len - at, at + 1);
		return;
	}

	size_t end = at;
	while (end < len && is_name_char(line[end]))
		end++;
	size_t equals = end;
	while (equals < len && is_blank(line[equals]))
		equals++;
	if (end == at || equals == len || line[equals] != '=') {
		mistake(p, p->text, p->line, (end == at ? at : equals) + 1, "",
			end == at ? "a line is `key = value`, and keys are small letters and '-'"
				  : "a line is `key = value`: here '=' is missing");
		return;
	}
	int key = key_find(line + at, end - at);
	if (key < 0) {
		key_unknown(p, line + at, end - at, at + 1);
		return;
	}
	size_t value = equals + 1;
	while (value < len && is_blank(line[value]))
		value++;
	if (key_take(p, key, at + 1))
		value_take(p, key, line + value, len - value, value + 1);
}

static void text_parse(struct parser *p)
{
	const char *at = p->texts[p->text].ptr, *end = at + p->texts[p->text].len;

	memset(p->seen, 0, sizeof(p->seen));
	p->line = 0;
	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((stop ? stop : end) - at);

		p->line++;
		if (len > 0 && at[len - 1] == '\r') /* written elsewhere */
			len--;
		line_parse(p, at, len);
		if (!stop)
			break;
		at = stop + 1;
	}
}

static void defaults_take(struct parser *p)
{
	for (int i = 0; i < KEYS; i++) {
		const char *at = keys[i].standard;

		for (;;) {
			size_t len =
				keys[i].type == CONF_TYPE_LISTEN ? strcspn(at, " ") : strlen(at);

			value_take(p, i, at, len, 1);
			if (at[len] == '\0')
				break;
			at += len + 1;
		}
	}
	p->conf.listen_is_default = true;
}

/* What one key alone cannot say. */
static void rules_check(struct parser *p)
{
	for (unsigned i = 0; i < p->conf.listen_count; i++) {
		const struct conf_listen *l = &p->conf.listen[i];

		if (!l->secure && !conf_listen_is_loopback(l) && !p->conf.plain_anywhere)
			mistake(p, l->text, l->line, l->column, "listen",
				"coap:// is not encrypted and others can reach this address: use "
				"coaps://, a loopback address, or say plain-anywhere = yes");
	}
	const struct conf_listen *m = &p->conf.metrics_listen;
	if (m->uri[0] != '\0' && !conf_listen_is_loopback(m) && !p->conf.metrics_anywhere)
		mistake(p, m->text, m->line, m->column, "metrics-listen",
			"nobody is asked for a password there and others can reach this address: "
			"use a loopback address, or say metrics-anywhere = yes");
}

int conf_parse(const struct conf_text *texts, unsigned count, struct conf *ret_conf,
	       struct conf_errors *ret_errors)
{
	static const struct conf_text standard = {.name = "defaults", .ptr = "", .len = 0};
	struct parser p = {.texts = &standard, .errors = ret_errors};

	ret_errors->count = 0;
	defaults_take(&p);
	assert(ret_errors->count == 0);
	p.texts = texts;
	for (p.text = 0; p.text < count; p.text++)
		text_parse(&p);
	if (ret_errors->count == 0)
		rules_check(&p);
	if (ret_errors->count > 0)
		return ERR_SYNTAX;
	*ret_conf = p.conf;
	return 0;
}

/* ---- printing ---- */

static void key_print(const struct conf_key *key, const struct conf *conf, struct buf *out)
{
	unsigned count = key->type == CONF_TYPE_LISTEN ? conf->listen_count : 1;

	for (unsigned i = 0; i < count; i++) {
		buf_put_str(out, key->name);
		buf_put_str(out, " = ");
		size_t before = out->pos;
		conf_value_print(key, conf, i, out);
		if (out->pos == before) /* no space at the end of a line */
			out->pos--;
		buf_put_u8(out, '\n');
	}
}

void conf_print(const struct conf *conf, struct buf *out)
{
	for (unsigned i = 0; i < KEYS; i++)
		key_print(&keys[i], conf, out);
}

bool conf_key_same(const struct conf_key *key, const struct conf *a, const struct conf *b)
{
	char text[2][CONF_PRINT_MAX];
	struct buf out[2] = {buf_writer(text[0], sizeof(text[0])),
			     buf_writer(text[1], sizeof(text[1]))};

	key_print(key, a, &out[0]);
	key_print(key, b, &out[1]);
	return bytes_equal(buf_bytes(&out[0]), buf_bytes(&out[1]));
}

void conf_key_copy(const struct conf_key *key, struct conf *dst, const struct conf *src)
{
	struct conf_fault fault;
	char text[CONF_VALUE_MAX + 1];
	struct buf out = buf_writer(text, sizeof(text));
	bool good;

	assert(key->type != CONF_TYPE_LISTEN);
	conf_value_print(key, src, 0, &out);
	good = conf_value_parse(key, buf_cstr(&out), dst, &fault);
	assert(good); /* what is printed can be read */
	(void)good;
}
