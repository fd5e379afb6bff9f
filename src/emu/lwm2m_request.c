/* SPDX-License-Identifier: Apache-2.0
 *
 * What the server asks (OMA LwM2M core 1.2, 6.3 to 6.4): Read, Discover, Write, Execute, Observe,
 * Write-Attributes, and blocks of a package.
 */
#include "emu/unit.h"

#include <string.h>

static void reply_code(struct emu_reply *reply, unsigned code)
{
	*reply = (struct emu_reply){.code = code, .content_format = -1, .observe = -1};
}

/* A payload of several blocks is cut where it is asked for; the whole is made afresh. */
static void reply_blocks(const struct emu_request *request, struct emu_reply *reply)
{
	unsigned szx = request->block2.have ? request->block2.szx : 6;
	size_t size = (size_t)16 << szx;
	size_t at = request->block2.num * size;

	if (!request->block2.have && reply->len <= size)
		return;
	if (at > reply->len || (at == reply->len && at > 0)) {
		reply_code(reply, 402);
		return;
	}
	reply->block2 = (struct emu_block){.have = true,
					   .num = request->block2.num,
					   .more = reply->len - at > size,
					   .szx = szx};
	reply->len = reply->block2.more ? size : reply->len - at;
	memmove(reply->payload, reply->payload + at, reply->len);
}

static void request_discover(struct emu_unit *unit, const struct emu_request *request,
			     const struct emu_lw_path *path, struct emu_reply *reply)
{
	struct buf out = buf_writer(reply->payload, sizeof(reply->payload));

	if (unit->conf->lwm2m->no_discover) {
		reply_code(reply, 501);
		return;
	}
	if (emu_lwm2m_discover(unit, path, &out) != 0)
		return;
	reply->code = 205;
	reply->content_format = EMU_LW_LINK;
	reply->len = out.pos;
	reply_blocks(request, reply);
}

/* Without Accept each client has its favourite; LwM2M 1.0 knew no SenML. */
static int read_format(const struct emu_unit *unit, const struct emu_request *request)
{
	if (request->accept >= 0)
		return request->accept;
	return strcmp(unit->conf->lwm2m_version, "1.0") == 0 ? EMU_LW_TLV
							     : unit->conf->lwm2m->format;
}

/* The server has what it judges by; REPORTED comes when it has nothing more to ask. */
static void read_version(struct emu_unit *unit, const struct emu_lw_path *path)
{
	static const struct emu_lw_path version = {3, {3, 0, 3}};

	if (!emu_lw_path_within(path, &version))
		return;
	unit->ram.lwm2m.told_at = unit->now;
	unit->ram.lwm2m.told_confirmed = unit->ram.running.confirmed;
	unit->ram.lwm2m.to_report = true;
}

static void request_read(struct emu_unit *unit, const struct emu_request *request,
			 const struct emu_lw_path *path, struct emu_reply *reply)
{
	struct emu_lw_value values[EMU_LW_VALUES];
	struct buf out = buf_writer(reply->payload, sizeof(reply->payload));
	int format = read_format(unit, request);
	size_t count;
	int err = emu_lwm2m_read(unit, path, values, &count);

	if (err) {
		reply_code(reply, err == ERR_NOENT ? 404 : 405);
		return;
	}
	if (emu_lw_encode(format, path, values, count, &out) != 0) {
		reply_code(reply, 406);
		return;
	}
	reply->code = 205;
	reply->content_format = format;
	reply->len = out.pos;
	if (request->observe == 0 && !request->block2.num) {
		emu_lwm2m_observe(unit, request, path, format, buf_bytes(&out));
		reply->observe = ++unit->ram.lwm2m.observe;
	} else if (request->observe == 1) {
		emu_lwm2m_unobserve(unit, request, path);
	}
	read_version(unit, path);
	reply_blocks(request, reply);
}

static unsigned request_write(struct emu_unit *unit, const struct emu_request *request,
			      const struct emu_lw_path *path)
{
	struct emu_lw_value values[EMU_LW_VALUES];
	int format = request->content_format < 0 ? EMU_LW_TEXT_PLAIN : request->content_format;
	size_t count;
	int err;

	if (request->block1.have && (request->block1.num > 0 || request->block1.more))
		return 413; /* only a package is that long */
	err = emu_lw_decode(format, path, request->payload, values, EMU_LW_VALUES, &count);
	if (err)
		return err == ERR_UNSUPPORTED ? 415 : 400;
	for (size_t i = 0; i < count; i++)
		if (!emu_lw_path_within(path, &values[i].path) || values[i].path.count < 3)
			return 400;
	for (size_t i = 0; i < count; i++) {
		unsigned code = emu_lwm2m_write(unit, &values[i]);

		if (code != 204)
			return code;
	}
	return count > 0 ? 204 : 400;
}

static bool is_package(const struct emu_lw_path *path)
{
	return path->count == 3 && path->id[0] == 5 && path->id[1] == 0 && path->id[2] == 0;
}

static void request_change(struct emu_unit *unit, const struct emu_request *request,
			   const struct emu_lw_path *path, struct emu_reply *reply)
{
	struct emu_lwm2m *lw = &unit->ram.lwm2m;

	if (lw->last_have && lw->last_mid == request->mid) {
		reply_code(reply, lw->last_code); /* our answer was lost: nothing is done twice */
		reply->block1 = lw->last_block1;
		return;
	}
	if (request->method == 3 && path->count > 0 && request->payload.len == 0 &&
	    request->query[0] != '\0' && request->content_format < 0)
		reply_code(reply, emu_lwm2m_attributes(unit, path, request->query));
	else if (is_package(path) && request->method == 3)
		emu_lwm2m_firmware_push(unit, request, reply);
	else if (path->count == 3 && request->method == 2)
		reply_code(reply, emu_lwm2m_execute(unit, path));
	else if (path->count == 2 || path->count == 3)
		reply_code(reply, request_write(unit, request, path));
	else
		reply_code(reply, 405); /* nothing can be created here */
	lw->last_have = true;
	lw->last_mid = request->mid;
	lw->last_code = reply->code;
	lw->last_block1 = reply->block1;
}

void emu_lwm2m_request(struct emu_unit *unit, const struct emu_request *request,
		       struct emu_reply *reply)
{
	struct emu_lw_path path;

	emu_lwm2m_alive(unit);
	if (emu_lw_path_parse(request->path, &path) != 0)
		return;
	if (path.count == 0) {
		reply_code(reply, 405);
		return;
	}
	if (request->method == 1 && request->accept == EMU_LW_LINK)
		request_discover(unit, request, &path, reply);
	else if (request->method == 1)
		request_read(unit, request, &path, reply);
	else if (request->method == 2 || request->method == 3)
		request_change(unit, request, &path, reply);
	else
		reply_code(reply, 405);
}
