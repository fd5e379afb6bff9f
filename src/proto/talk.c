/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/talk.h"

#include <string.h>

const struct talk_proto *talk_proto_at(size_t index)
{
	return talk_protos[index];
}

const struct talk_proto *talk_proto_named(const char *name)
{
	for (size_t i = 0; talk_proto_at(i); i++)
		if (strcmp(talk_protos[i]->name, name) == 0)
			return talk_protos[i];
	return NULL;
}

const struct talk_proto *talk_proto_of(uint8_t method, const struct bytes *path,
				       unsigned path_count)
{
	for (size_t i = 0; talk_proto_at(i); i++)
		if (talk_protos[i]->owns(method, path, path_count))
			return talk_protos[i];
	return NULL;
}

static bool has_option(const struct talk_proto *proto, const char *option, size_t len)
{
	for (size_t i = 0; i < proto->option_count; i++)
		if (strlen(proto->options[i].name) == len &&
		    memcmp(proto->options[i].name, option, len) == 0)
			return true;
	return false;
}

const struct talk_proto *talk_proto_with(const char *option, size_t len)
{
	for (size_t i = 0; talk_proto_at(i); i++)
		if (has_option(talk_protos[i], option, len))
			return talk_protos[i];
	return NULL;
}

struct bytes talk_options_of(const struct talk_proto *proto, const char *options,
			     char dst[TALK_OPTIONS])
{
	struct buf out = buf_writer(dst, TALK_OPTIONS - 1);

	for (const char *line = options, *next; *line; line = next) {
		size_t len = strcspn(line, "\n");
		next = line + len + (line[len] == '\n');
		if (has_option(proto, line, strcspn(line, "=\n")))
			buf_put_bytes(&out, line, (size_t)(next - line));
	}
	return buf_bytes(&out);
}

void talk_out_init(struct talk_out *out)
{
	memset(out, 0, sizeof(*out));
	out->reply.content_format = -1;
	out->ask.content_format = out->ask.accept = out->ask.observe = -1;
	out->ask.block_szx = 6;
	report_init(&out->report);
	status_init(&out->status);
}
