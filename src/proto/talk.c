/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/talk.h"

#include <string.h>

/* One row for each protocol. */
static const struct talk_proto *const protos[] = {NULL};

const struct talk_proto *talk_proto_at(size_t index)
{
	return index < sizeof(protos) / sizeof(protos[0]) ? protos[index] : NULL;
}

const struct talk_proto *talk_proto_named(const char *name)
{
	for (size_t i = 0; talk_proto_at(i); i++)
		if (strcmp(protos[i]->name, name) == 0)
			return protos[i];
	return NULL;
}

const struct talk_proto *talk_proto_of(uint8_t method, const struct bytes *path,
				       unsigned path_count)
{
	for (size_t i = 0; talk_proto_at(i); i++)
		if (protos[i]->owns(method, path, path_count))
			return protos[i];
	return NULL;
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
