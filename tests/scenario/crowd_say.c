/* SPDX-License-Identifier: Apache-2.0
 *
 * What the devices of a crowd say, and what they are told.
 */
#include <stdlib.h>
#include <string.h>

#include "crowd.h"
#include "wire/cbor.h"

bool (*crowd_line)(struct unit *u, bool block);

static void say(struct unit *u, uint8_t method, const char *path, struct bytes payload)
{
	struct net_request q = {.method = method,
				.confirmable = true,
				.content_format = method == 1 ? -1 : 60,
				.accept = -1,
				.observe = -1,
				.payload = payload};
	const char *slash = strchr(path, '/');

	if (crowd_line && !crowd_line(u, method == 1))
		return;
	q.path[0] = (struct bytes){(const uint8_t *)path,
				   slash ? (size_t)(slash - path) : strlen(path)};
	q.path_count = 1;
	if (slash)
		q.path[q.path_count++] =
			(struct bytes){(const uint8_t *)slash + 1, strlen(slash + 1)};
	if (method == 1) {
		q.has_block2 = true;
		q.block2_num = u->offset / w.conf.block;
		q.block2_szx = 6;
	}
	u->waits = true;
	engine_net_callbacks()->request(w.engine, &u->peer, &q,
					(struct net_exchange){(uint32_t)(u - w.units) + 1, 1});
	if (u->waits)
		w.asked[w.asked_count++] = u;
	else
		engine_net_callbacks()->peer_sleeps(w.engine, &u->peer);
}

void say_report(struct unit *u)
{
	const struct digest *shown = u->shows ? &w.digest[u->shows - '0'] : NULL;
	const char version[] = {(char)u->says, 0};
	uint8_t payload[160], boot[8];
	struct buf out = buf_writer(payload, sizeof(payload));
	struct wire_writer m = wire_writer(WIRE_CBOR, &out);

	boot_of(u, boot);
	wire_put_map(&m, shown ? 5 : 4);
	wire_put_key(&m, 0);
	wire_put_bytes(&m, boot, sizeof(boot));
	wire_put_key(&m, 2);
	wire_put_text(&m, version);
	if (shown) {
		wire_put_key(&m, 3);
		wire_put_array(&m, 2);
		wire_put_uint(&m, shown->kind);
		wire_put_bytes(&m, shown->value, shown->len);
	}
	wire_put_key(&m, 15);
	wire_put_int(&m, u->interval_s);
	wire_put_key(&m, 17);
	wire_put_int(&m, CAP_RESUME);
	if (wire_writer_end(&m))
		abort();
	say(u, 2, "report", buf_bytes(&out));
}

void say_status(struct unit *u, enum status_state state, enum reason reason)
{
	uint8_t payload[128], boot[8];
	struct buf out = buf_writer(payload, sizeof(payload));
	struct wire_writer m = wire_writer(WIRE_CBOR, &out);

	boot_of(u, boot);
	wire_put_map(&m, reason != REASON_NONE ? 4 : 3);
	wire_put_key(&m, 0);
	wire_put_uint(&m, u->attempt);
	wire_put_key(&m, 1);
	wire_put_uint(&m, state);
	wire_put_key(&m, 7);
	wire_put_bytes(&m, boot, sizeof(boot));
	if (reason != REASON_NONE) {
		wire_put_key(&m, 9);
		wire_put_uint(&m, reason);
	}
	if (wire_writer_end(&m))
		abort();
	say(u, 2, "status", buf_bytes(&out));
}

void say_fetch(struct unit *u)
{
	say(u, 1, u->fw + 1, (struct bytes){0}); /* without the slash */
}

static void take_text(char *dst, size_t cap, const struct wire_node *n)
{
	size_t len = n->bytes.len < cap ? n->bytes.len : cap - 1;

	memcpy(dst, n->bytes.ptr, len);
	dst[len] = 0;
}

struct told on_directive(struct unit *u, struct bytes payload)
{
	struct told t = {.wait_s = w.conf.interval_s};
	int64_t retry_s = 0;
	struct wire_msg msg;

	if (wire_cbor_decode(payload, &msg))
		abort();
	WIRE_EACH(n, &msg)
	{
		if (n->key == 0)
			t.action = (enum directive_action)n->number;
		else if (n->key == 1)
			u->attempt = n->number;
		else if (n->key == 2)
			take_text(u->goal, sizeof(u->goal), n);
		else if (n->key == 5)
			take_text(u->fw, sizeof(u->fw), n);
		else if (n->key == 7)
			retry_s = (int64_t)n->number;
		else if (n->key == 8)
			t.wait_s = (int64_t)n->number;
	}
	t.wait_s = retry_s ? retry_s : t.wait_s;
	return t;
}
