/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/commands.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "ctl/field.h"
#include "ctl/show.h"
#include "ctl/text.h"
#include "ctl/view.h"

static void url_device(struct url *u, const char *id)
{
	url_init(u, "/v1/devices");
	url_segment(u, id);
}

/* A key file holds hex digits, in one line; returns 0 and the digits in lower case. */
static int key_read(const struct ctl *c, const char *name, char dst[LIMIT_PSK * 2 + 1])
{
	bool in = strcmp(name, "-") == 0;
	FILE *f = in ? stdin : fopen(name, "r");
	char line[LIMIT_PSK * 2 + 16] = "";
	size_t len;

	if (f == NULL)
		return ctl_fail(c, "%s: %s", name, strerror(errno));
	if (fgets(line, sizeof(line), f) == NULL)
		line[0] = '\0';
	if (!in)
		(void)fclose(f);
	len = strcspn(line, "\r\n \t");
	line[len] = '\0';
	for (size_t i = 0; i < len; i++) {
		if (!isxdigit((unsigned char)line[i]))
			return ctl_fail(c, "%s: a key is written in hex digits", name);
	}
	if (len % 2 != 0 || len / 2 < LIMIT_PSK_MIN || len / 2 > LIMIT_PSK)
		return ctl_fail(c, "%s: a key has %d to %d bytes, two hex digits each", name,
				LIMIT_PSK_MIN, LIMIT_PSK);
	memcpy(dst, line, len + 1);
	return CTL_DONE;
}

/* Where the drawn key goes, before anything is created; -1 if that cannot be. */
static int key_open(const struct ctl *c, const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		(void)ctl_fail(c, "%s: %s", name, strerror(errno));
	return fd;
}

static bool key_write(int fd, const char *key)
{
	char line[LIMIT_PSK * 2 + 2];
	int len = snprintf(line, sizeof(line), "%s\n", key);

	if (len <= 1 || (size_t)len >= sizeof(line))
		return false;
	return write(fd, line, (size_t)len) == len && fsync(fd) == 0;
}

/* What became of a drawn key: in its file, or shown. */
static void tell_key(const struct ctl *c, const char *key, const char *out)
{
	if (out != NULL)
		out_printf(&c->out, "Its key is in %s.", out);
	else if (key[0] != '\0')
		out_printf(&c->out, "Its key, shown only now: %s", key);
	else
		return;
	out_nl(&c->out);
}

static void tell_added(const struct ctl *c, const json_t *d, const char *out)
{
	out_printf(&c->out, "Device %s of product %s added.", get_str(d, "id"),
		   get_str(d, "product"));
	out_nl(&c->out);
	tell_key(c, get_str(d, "psk"), out);
	if (get_str(d, "warning")[0] != '\0') {
		out_styled(&c->out, STYLE_WARN, "Warning: ");
		out_wrap(&c->out, 9, get_str(d, "warning"));
	}
}

static void tell_next(const struct ctl *c, const json_t *d, const char *out)
{
	out_printf(&c->out, "Device %s has a next key.", get_str(d, "id"));
	out_nl(&c->out);
	tell_key(c, get_str(d, "psk"), out);
	out_wrap(&c->out, 0,
		 "Its current key works on. Give the device the next one: the first session it "
		 "makes with that retires the current one.");
}

static void tell_now(const struct ctl *c, const json_t *d, const char *out)
{
	out_printf(&c->out, "Device %s has a new key, and nothing else counts any more.",
		   get_str(d, "id"));
	out_nl(&c->out);
	tell_key(c, get_str(d, "psk"), out);
}

/* A drawn key, and what to do if it could not be kept. */
struct key_act {
	const char *out; /* --psk-out, or NULL */
	const char *lost;
	void (*tell)(const struct ctl *c, const json_t *d, const char *out);
};

static int key_finish(struct ctl *c, json_t *d, int fd, const struct key_act *act)
{
	if (fd >= 0 && !key_write(fd, get_str(d, "psk")))
		return ctl_fail(c, "%s could not be written: %s", act->out, act->lost);
	if (fd >= 0)
		(void)json_object_del(d, "psk");
	if (c->out.json)
		out_json(&c->out, d);
	else
		act->tell(c, d, fd >= 0 ? act->out : NULL);
	return CTL_DONE;
}

/* Sends `body`, which it takes; the answer has the key, if one was drawn. */
static int key_call(struct ctl *c, struct url *u, json_t *body, const struct key_act *act)
{
	json_t *d;
	int fd = -1, code;

	if (act->out != NULL) {
		fd = key_open(c, act->out);
		if (fd < 0) {
			json_decref(body);
			return CTL_FAILED;
		}
	}
	d = ctl_call(c, "POST", u, body);
	code = d ? key_finish(c, d, fd, act) : CTL_FAILED;
	if (fd >= 0) {
		(void)close(fd);
		if (d == NULL)
			(void)unlink(act->out);
	}
	json_decref(d);
	return code;
}

/* What proves its identity, into `body`: exactly one of them; `other` is the third way, of a new
 * device `certificate` the fourth. */
static int key_body(struct ctl *c, const struct args *a, const char *other, json_t *body)
{
	bool certificate = args_option(a, "certificate") != NULL;
	const char *file = args_option(a, "psk-file");
	bool generate = args_option(a, "psk-generate") != NULL;
	char key[LIMIT_PSK * 2 + 1] = "";

	if ((file != NULL) + generate + certificate + (args_option(a, other) != NULL) != 1)
		return ctl_usage(c, "say one of --psk-file, --psk-generate%s and --%s",
				 strcmp(other, "plain") == 0 ? ", --certificate" : "", other);
	if (args_option(a, "psk-out") != NULL && !generate)
		return ctl_usage(c, "--psk-out goes with --psk-generate");
	if (file != NULL && key_read(c, file, key) != CTL_DONE)
		return CTL_FAILED;
	if (file != NULL)
		(void)json_object_set_new(body, "psk", json_string(key));
	else if (generate)
		(void)json_object_set_new(body, "psk_generate", json_true());
	else if (certificate)
		(void)json_object_set_new(body, "certificate", json_true());
	explicit_bzero(key, sizeof(key));
	return CTL_DONE;
}

int device_add(struct ctl *c, const struct args *a)
{
	const struct key_act act = {args_option(a, "psk-out"),
				    "the device is added, but nobody has its key: remove it and "
				    "add it again",
				    tell_added};
	const char *product = args_option(a, "product");
	json_t *body;
	struct url u;

	if (product == NULL)
		return ctl_usage(c, "say its product with --product");
	body = json_pack("{s:s,s:s}", "id", a->pos[0], "product", product);
	if (body == NULL)
		return ctl_fail(c, "the id or the product is not text");
	if (args_option(a, "group") != NULL)
		(void)json_object_set_new(body, "group", json_string(args_option(a, "group")));
	if (args_option(a, "development") != NULL)
		(void)json_object_set_new(body, "development", json_true());
	int code = key_body(c, a, "plain", body);
	if (code != CTL_DONE) {
		json_decref(body);
		return code;
	}
	if (args_option(a, "plain") != NULL)
		(void)json_object_set_new(body, "plain", json_true());
	url_init(&u, "/v1/devices");
	return key_call(c, &u, body, &act);
}

int device_show(struct ctl *c, const struct args *a)
{
	struct url u;

	url_device(&u, a->pos[0]);
	return ctl_show(c, ctl_get(c, &u), view_device);
}

/* The device after an act, in one line: `done`, or `idle` where that was so before. */
static int finish(struct ctl *c, json_t *d, const char *done, const char *idle)
{
	if (d == NULL)
		return CTL_FAILED;
	if (c->out.json) {
		out_json(&c->out, d);
	} else {
		const char *target = get_str(json_object_get(d, "target"), "version");
		const char *runs = get_str(json_object_get(d, "running"), "version");

		out_printf(&c->out, "Device %s %s. Now ", get_str(d, "id"),
			   get_bool(d, "unchanged") ? idle : done);
		out_styled(&c->out, style_device(get_str(d, "state")), get_str(d, "state"));
		out_printf(&c->out, ", runs %s, should run %s.", runs[0] ? runs : "unknown",
			   target[0] ? target : "nothing in particular");
		out_nl(&c->out);
	}
	json_decref(d);
	return CTL_DONE;
}

static int key_drop(struct ctl *c, struct url *u)
{
	json_t *d = ctl_call(c, "DELETE", u, NULL);

	if (d == NULL)
		return CTL_FAILED;
	if (c->out.json) {
		out_json(&c->out, d);
	} else {
		out_printf(&c->out, "Device %s %s next key.", get_str(d, "id"),
			   get_bool(d, "unchanged") ? "had no" : "has no longer a");
		out_nl(&c->out);
	}
	json_decref(d);
	return CTL_DONE;
}

int device_key(struct ctl *c, const struct args *a)
{
	bool now = args_option(a, "now") != NULL;
	const struct key_act act = {
		args_option(a, "psk-out"),
		now ? "the device has a key that nobody knows: set another"
		    : "the device has a next key that nobody knows: set another, or take it away "
		      "with --drop-next",
		now ? tell_now : tell_next};
	json_t *body = json_object();
	int code = key_body(c, a, "drop-next", body);
	struct url u;

	if (code == CTL_DONE && now && args_option(a, "drop-next") != NULL)
		code = ctl_usage(c, "--now and --drop-next exclude each other");
	if (now)
		(void)json_object_set_new(body, "now", json_true());

	url_device(&u, a->pos[0]);
	url_segment(&u, "key");
	if (code == CTL_DONE && args_option(a, "drop-next") == NULL)
		return key_call(c, &u, body, &act);
	json_decref(body);
	return code == CTL_DONE ? key_drop(c, &u) : code;
}

int device_lock(struct ctl *c, const struct args *a)
{
	struct url u;
	char done[120];

	url_device(&u, a->pos[0]);
	url_segment(&u, "lock");
	(void)snprintf(done, sizeof(done), "is locked to %.64s", a->pos[1]);
	return finish(c, ctl_call(c, "POST", &u, json_pack("{s:s}", "version", a->pos[1])), done,
		      done);
}

int device_set(struct ctl *c, const struct args *a)
{
	static const struct field fields[] = {
		{"windows", FIELD_TEXT}, {"time_zone", FIELD_TEXT}, {NULL, FIELD_TEXT}};
	json_t *body = field_take(c, a, 1, fields);
	struct url u;

	if (body == NULL)
		return CTL_USAGE;
	url_device(&u, a->pos[0]);
	return finish(c, ctl_call(c, "PATCH", &u, body), "changed", "is as it was");
}

int device_group(struct ctl *c, const struct args *a)
{
	bool none = strcmp(a->pos[1], "none") == 0;
	struct url u;
	char done[120];

	url_device(&u, a->pos[0]);
	url_segment(&u, "group");
	if (none)
		(void)snprintf(done, sizeof(done), "is in no group");
	else
		(void)snprintf(done, sizeof(done), "is in group %.64s", a->pos[1]);
	return finish(
		c,
		ctl_call(c, "POST", &u,
			 json_pack("{s:o}", "group", none ? json_null() : json_string(a->pos[1]))),
		done, done);
}

int device_tag(struct ctl *c, const struct args *a)
{
	bool on = strcmp(c->command->verb, "tag") == 0;
	json_t *tags = json_array();
	struct url u;
	json_t *d;

	for (unsigned i = 1; i < a->count; i++)
		(void)json_array_append_new(tags, json_string(a->pos[i]));
	url_device(&u, a->pos[0]);
	url_segment(&u, c->command->verb);
	d = ctl_call(c, "POST", &u, json_pack("{s:o}", "tags", tags));
	return finish(c, d, on ? "is tagged" : "is no longer tagged so",
		      on ? "had these tags already" : "had none of these tags");
}

int device_act(struct ctl *c, const struct args *a)
{
	static const struct {
		const char *verb, *done, *idle;
	} acts[] = {
		{"development", "is a development device", "was a development device already"},
		{"production", "is no longer a development device", "was no development device"},
		{"unlock", "is no longer locked", "was not locked"},
		{"force", "is forced", "is forced"},
		{"unforce", "is no longer forced", "was not forced"},
		{"hold", "is held", "was held already"},
		{"unhold", "is no longer held", "was not held"},
		{"disable", "is disabled", "was disabled already"},
		{"enable", "may come again", "was not disabled"},
		{"certificate", "proves itself with a certificate", "had a certificate already"},
	};
	const char *verb = c->command->verb, *done = verb, *idle = verb;
	struct url u;

	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		if (strcmp(acts[i].verb, verb) == 0)
			done = acts[i].done, idle = acts[i].idle;
	}
	url_device(&u, a->pos[0]);
	url_segment(&u, verb);
	return finish(c, ctl_call(c, "POST", &u, NULL), done, idle);
}

int device_remove(struct ctl *c, const struct args *a)
{
	struct url u;

	url_device(&u, a->pos[0]);
	return ctl_remove(c, &u, "Device", "device", a->pos[0], NULL);
}

int device_explain(struct ctl *c, const struct args *a)
{
	struct url u;

	url_device(&u, a->pos[0]);
	url_segment(&u, "explain");
	return ctl_show(c, ctl_get(c, &u), view_explain);
}
