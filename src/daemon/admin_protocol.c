/* SPDX-License-Identifier: Apache-2.0
 *
 * What a product says of the protocol of its devices.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/admin_args.h"
#include "daemon/admin_routes.h"
#include "proto/native.h"
#include "proto/talk.h"

/* "any, native" and all others' names. */
static const char *all_names(char dst[160])
{
	struct buf b = buf_writer(dst, 160);

	buf_put_str(&b, "any, " NATIVE_NAME);
	for (size_t i = 0; talk_proto_at(i); i++) {
		buf_put_str(&b, ", ");
		buf_put_str(&b, talk_proto_at(i)->name);
	}
	return buf_cstr(&b);
}

static bool set_protocol(struct request *rq, const char *name, struct product *p)
{
	char names[160];

	if (strcmp(name, "any") == 0) {
		p->protocol[0] = 0;
		return true;
	}
	if ((strcmp(name, NATIVE_NAME) == 0 || talk_proto_named(name)) &&
	    buf_copy_str(p->protocol, sizeof(p->protocol), name))
		return true;
	reply_problem(rq, 400, "invalid", "protocol: \"%.40s\" is none of: %s", name,
		      all_names(names));
	return false;
}

/* ---- options ---- */

/* Of a text of lines; empty: it is not there. */
static struct bytes option_value(const char *options, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = options; *line;) {
		size_t end = strcspn(line, "\n");
		if (end > len && memcmp(line, name, len) == 0 && line[len] == '=')
			return (struct bytes){(const uint8_t *)line + len + 1, end - len - 1};
		line += end + (line[end] == '\n');
	}
	return (struct bytes){0};
}

static bool option_known(struct request *rq, const char *key, const json_t *value)
{
	const char *text = json_string_value(value);

	if (!talk_proto_with(key, strlen(key))) {
		reply_problem(rq, 400, "invalid",
			      "protocol_options: there is no option \"%.60s\": see "
			      "postboot-lwm2m(7)",
			      key);
		return false;
	}
	if (json_is_null(value) || (text && text[0] && strlen(text) == json_string_length(value) &&
				    !strpbrk(text, "\r\n")))
		return true;
	reply_problem(rq, 400, "invalid",
		      "protocol_options: %.60s: not a text of one line, or null to take it out",
		      key);
	return false;
}

/* The options of one protocol: those of the request over those there are. */
static void put_options(const struct talk_proto *proto, const json_t *o, const char *old,
			struct buf *out)
{
	for (size_t i = 0; i < proto->option_count; i++) {
		const char *name = proto->options[i].name;
		const json_t *value = json_object_get(o, name);
		struct bytes kept = value ? (struct bytes){0} : option_value(old, name);
		const char *text = json_string_value(value);
		if (!text && !kept.len)
			continue;
		buf_put_str(out, name);
		buf_put_u8(out, '=');
		if (text)
			buf_put_str(out, text);
		else
			buf_put_bytes(out, kept.ptr, kept.len);
		buf_put_u8(out, '\n');
	}
}

static bool options_right(struct request *rq, const char *options)
{
	char text[TALK_OPTIONS], fault[TALK_FAULT];

	for (size_t i = 0; talk_proto_at(i); i++) {
		const struct talk_proto *proto = talk_proto_at(i);
		if (!proto->options_check(talk_options_of(proto, options, text), fault))
			continue;
		reply_problem(rq, 400, "invalid", "protocol_options: %s", fault);
		return false;
	}
	return true;
}

static bool set_options(struct request *rq, const json_t *o, struct product *p)
{
	char text[TALK_OPTIONS];
	struct buf out = buf_writer(text, sizeof(text) - 1);
	const char *key;
	json_t *value;

	if (!json_is_object(o)) {
		reply_problem(rq, 400, "invalid", "protocol_options: not an object");
		return false;
	}
	json_object_foreach((json_t *)(uintptr_t)o, key, value)
	{
		if (!option_known(rq, key, value))
			return false;
	}
	for (size_t i = 0; talk_proto_at(i); i++)
		put_options(talk_proto_at(i), o, p->protocol_options, &out);
	if (!buf_ok(&out)) {
		reply_problem(rq, 400, "invalid", "protocol_options: longer than %d bytes",
			      LIMIT_TALK_OPTIONS);
		return false;
	}
	text[out.pos] = 0;
	if (!options_right(rq, text))
		return false;
	memcpy(p->protocol_options, text, out.pos + 1);
	return true;
}

bool body_protocol(struct request *rq, struct product *p)
{
	const json_t *options = json_object_get(rq->json, "protocol_options");
	const char *name;

	if (!body_text(rq, "protocol", false, &name) || (name && !set_protocol(rq, name, p)))
		return false;
	return !options || set_options(rq, options, p);
}
