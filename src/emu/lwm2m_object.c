/* SPDX-License-Identifier: Apache-2.0
 *
 * What the device shows: objects 1 (server), 3 (device), 5 (firmware update), one instance of
 * each, and one of the vendor (--vendor-object) with what proves a boot. One row per resource.
 */
#include "emu/unit.h"

#include "base/clock.h"

#include <string.h>

enum { VENDOR = 0, LOW_BATTERY = 10, FULL_BLOCKS = 2, REBOOT_MS = 300, UPDATE_MS = 200 };
enum { ERROR_NONE = 0, ERROR_LOW_BATTERY = 1, ERROR_OUT_OF_MEMORY = 5 };
enum { READ = 1, WRITE = 2, RUN = 4 };

typedef void res_get(const struct emu_unit *unit, struct emu_lw_value *v);

struct res_row {
	uint16_t object; /* VENDOR: what the command line says */
	uint16_t resource;
	unsigned ops;
	int instances; /* 0: a resource without any */
	bool (*there)(const struct emu_unit *unit);
	res_get *get;
	unsigned (*put)(struct emu_unit *unit, const struct emu_lw_value *v);
	unsigned (*run)(struct emu_unit *unit);
};

static void as_text(struct emu_lw_value *v, const char *text)
{
	v->type = EMU_LW_STRING;
	(void)buf_copy_str(v->text, sizeof(v->text), text);
	v->len = strlen(v->text);
}

static void as_number(struct emu_lw_value *v, int64_t number)
{
	v->type = EMU_LW_INT;
	v->number = number;
}

/* ---- 1: server ---- */

static void get_short_id(const struct emu_unit *unit, struct emu_lw_value *v)
{
	(void)unit;
	as_number(v, 1);
}

static void get_lifetime(const struct emu_unit *unit, struct emu_lw_value *v)
{
	as_number(v, unit->ram.lwm2m.lifetime_s);
}

static void get_pmin(const struct emu_unit *unit, struct emu_lw_value *v)
{
	as_number(v, unit->ram.lwm2m.pmin_s);
}

static void get_pmax(const struct emu_unit *unit, struct emu_lw_value *v)
{
	as_number(v, unit->ram.lwm2m.pmax_s);
}

static void get_disable_s(const struct emu_unit *unit, struct emu_lw_value *v)
{
	as_number(v, unit->ram.lwm2m.disable_s);
}

static void get_binding(const struct emu_unit *unit, struct emu_lw_value *v)
{
	as_text(v, unit->conf->queue && strcmp(unit->conf->lwm2m_version, "1.0") == 0 ? "UQ" : "U");
}

static unsigned put_seconds(int64_t *dst, const struct emu_lw_value *v, int64_t min)
{
	int64_t number;

	if (!emu_lw_number(v, &number) || number < min || number > UINT32_MAX)
		return 400;
	*dst = number;
	return 204;
}

static unsigned put_lifetime(struct emu_unit *unit, const struct emu_lw_value *v)
{
	unsigned code = put_seconds(&unit->ram.lwm2m.lifetime_s, v, 1);

	if (code == 204) {
		unit->ram.lwm2m.links_changed = true; /* the next update tells it */
		emu_lwm2m_register(unit, true);
	}
	return code;
}

static unsigned put_pmin(struct emu_unit *unit, const struct emu_lw_value *v)
{
	return put_seconds(&unit->ram.lwm2m.pmin_s, v, 0);
}

static unsigned put_pmax(struct emu_unit *unit, const struct emu_lw_value *v)
{
	return put_seconds(&unit->ram.lwm2m.pmax_s, v, 0);
}

static unsigned put_disable_s(struct emu_unit *unit, const struct emu_lw_value *v)
{
	return put_seconds(&unit->ram.lwm2m.disable_s, v, 0);
}

static unsigned run_disable(struct emu_unit *unit)
{
	unit->ram.lwm2m.disable = true;
	return 204;
}

static unsigned run_update(struct emu_unit *unit)
{
	emu_lwm2m_register(unit, true);
	return 204;
}

/* ---- 3: device ---- */

static void get_manufacturer(const struct emu_unit *unit, struct emu_lw_value *v)
{
	(void)unit;
	as_text(v, "Postboot");
}

static void get_serial(const struct emu_unit *unit, struct emu_lw_value *v)
{
	as_text(v, unit->key->id);
}

static void get_version(const struct emu_unit *unit, struct emu_lw_value *v)
{
	as_text(v, unit->ram.lie ? unit->ram.lie_image.version : unit->ram.running.version);
}

static void get_battery(const struct emu_unit *unit, struct emu_lw_value *v)
{
	as_number(v, unit->conf->battery);
}

static bool has_battery(const struct emu_unit *unit)
{
	return unit->conf->battery >= 0;
}

static void get_memory(const struct emu_unit *unit, struct emu_lw_value *v)
{
	as_number(v, (int64_t)emu_fs_free(&unit->fs) * EMU_FS_BLOCK / 1024);
}

static void get_memory_total(const struct emu_unit *unit, struct emu_lw_value *v)
{
	as_number(v, (int64_t)unit->fs.blocks * EMU_FS_BLOCK / 1024);
}

static bool has_hardware(const struct emu_unit *unit)
{
	return unit->conf->hardware[0] != '\0';
}

static void get_hardware(const struct emu_unit *unit, struct emu_lw_value *v)
{
	as_text(v, unit->conf->hardware);
}

static void get_model(const struct emu_unit *unit, struct emu_lw_value *v)
{
	as_text(v, has_hardware(unit) ? unit->conf->hardware : "emulated");
}

static void get_error(const struct emu_unit *unit, struct emu_lw_value *v)
{
	if (emu_fs_free(&unit->fs) <= FULL_BLOCKS)
		as_number(v, ERROR_OUT_OF_MEMORY);
	else if (has_battery(unit) && unit->conf->battery < LOW_BATTERY)
		as_number(v, ERROR_LOW_BATTERY);
	else
		as_number(v, ERROR_NONE);
}

static void get_time(const struct emu_unit *unit, struct emu_lw_value *v)
{
	(void)unit;
	as_number(v, clock_read().wall_ms / 1000);
}

static unsigned run_reboot(struct emu_unit *unit)
{
	emu_unit_say(unit, true, "the server asks for a reboot");
	emu_unit_reset_at(unit, EMU_RESET_SOFTWARE, unit->now + REBOOT_MS);
	return 204;
}

/* ---- 5: firmware update ---- */

static void get_uri(const struct emu_unit *unit, struct emu_lw_value *v)
{
	as_text(v, unit->ram.lwm2m.uri);
}

static unsigned put_uri(struct emu_unit *unit, const struct emu_lw_value *v)
{
	if (v->type == EMU_LW_INT || memchr(v->text, '\0', v->len))
		return 400;
	return emu_lwm2m_firmware_uri(unit, v->text);
}

static void get_state(const struct emu_unit *unit, struct emu_lw_value *v)
{
	as_number(v, unit->ram.lwm2m.state);
}

static void get_result(const struct emu_unit *unit, struct emu_lw_value *v)
{
	as_number(v, unit->ram.lwm2m.result);
}

static bool has_package(const struct emu_unit *unit)
{
	return unit->ram.lwm2m.state >= EMU_LW_DOWNLOADED;
}

static void get_package_name(const struct emu_unit *unit, struct emu_lw_value *v)
{
	as_text(v, has_package(unit) ? "firmware" : "");
}

static void get_package_version(const struct emu_unit *unit, struct emu_lw_value *v)
{
	as_text(v, has_package(unit) ? unit->ram.directive.version : "");
}

static bool has_pull(const struct emu_unit *unit)
{
	return unit->conf->delivery != EMU_LW_PUSH;
}

/* Their numbers: 0 CoAP, 1 CoAPS. */
static void get_protocol(const struct emu_unit *unit, struct emu_lw_value *v)
{
	(void)unit;
	as_number(v, v->path.id[3]);
}

static void get_delivery(const struct emu_unit *unit, struct emu_lw_value *v)
{
	as_number(v, unit->conf->delivery);
}

/* ---- of the vendor ---- */

static void get_boots(const struct emu_unit *unit, struct emu_lw_value *v)
{
	as_number(v, (int64_t)unit->nvram.boot_count);
}

static void get_uptime(const struct emu_unit *unit, struct emu_lw_value *v)
{
	as_number(v, (unit->now - unit->ram.boot_at) / 1000);
}

static void get_digest(const struct emu_unit *unit, struct emu_lw_value *v)
{
	const struct emu_image *image = unit->ram.lie ? &unit->ram.lie_image : &unit->ram.running;

	v->type = EMU_LW_BYTES;
	v->len = sizeof(image->digest);
	memcpy(v->text, image->digest, v->len);
}

static bool has_digest(const struct emu_unit *unit)
{
	return unit->ram.running.has_digest;
}

static void get_confirmed(const struct emu_unit *unit, struct emu_lw_value *v)
{
	as_number(v, unit->ram.lie || unit->ram.running.confirmed);
}

/* In the order of paths. */
static const struct res_row rows[] = {
	{.object = 1, .resource = 0, .ops = READ, .get = get_short_id},
	{.object = 1, .resource = 1, .ops = READ | WRITE, .get = get_lifetime, .put = put_lifetime},
	{.object = 1, .resource = 2, .ops = READ | WRITE, .get = get_pmin, .put = put_pmin},
	{.object = 1, .resource = 3, .ops = READ | WRITE, .get = get_pmax, .put = put_pmax},
	{.object = 1, .resource = 4, .ops = RUN, .run = run_disable},
	{.object = 1,
	 .resource = 5,
	 .ops = READ | WRITE,
	 .get = get_disable_s,
	 .put = put_disable_s},
	{.object = 1, .resource = 7, .ops = READ, .get = get_binding},
	{.object = 1, .resource = 8, .ops = RUN, .run = run_update},
	{.object = 3, .resource = 0, .ops = READ, .get = get_manufacturer},
	{.object = 3, .resource = 1, .ops = READ, .get = get_model},
	{.object = 3, .resource = 2, .ops = READ, .get = get_serial},
	{.object = 3, .resource = 3, .ops = READ, .get = get_version},
	{.object = 3, .resource = 4, .ops = RUN, .run = run_reboot},
	{.object = 3, .resource = 9, .ops = READ, .there = has_battery, .get = get_battery},
	{.object = 3, .resource = 10, .ops = READ, .get = get_memory},
	{.object = 3, .resource = 11, .ops = READ, .instances = 1, .get = get_error},
	{.object = 3, .resource = 13, .ops = READ, .get = get_time},
	{.object = 3, .resource = 16, .ops = READ, .get = get_binding},
	{.object = 3, .resource = 18, .ops = READ, .there = has_hardware, .get = get_hardware},
	{.object = 3, .resource = 21, .ops = READ, .get = get_memory_total},
	{.object = 5, .resource = 0, .ops = WRITE},
	{.object = 5,
	 .resource = 1,
	 .ops = READ | WRITE,
	 .there = has_pull,
	 .get = get_uri,
	 .put = put_uri},
	{.object = 5, .resource = 2, .ops = RUN, .run = emu_lwm2m_firmware_execute},
	{.object = 5, .resource = 3, .ops = READ, .get = get_state},
	{.object = 5, .resource = 5, .ops = READ, .get = get_result},
	{.object = 5, .resource = 6, .ops = READ, .get = get_package_name},
	{.object = 5, .resource = 7, .ops = READ, .get = get_package_version},
	{.object = 5,
	 .resource = 8,
	 .ops = READ,
	 .instances = 2,
	 .there = has_pull,
	 .get = get_protocol},
	{.object = 5, .resource = 9, .ops = READ, .get = get_delivery},
	{.object = VENDOR, .resource = 0, .ops = READ, .get = get_boots},
	{.object = VENDOR, .resource = 1, .ops = READ, .get = get_uptime},
	{.object = VENDOR, .resource = 2, .ops = READ, .there = has_digest, .get = get_digest},
	{.object = VENDOR, .resource = 3, .ops = READ, .get = get_confirmed},
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

/* Its object's number, 0: it is not shown. */
static uint16_t row_object(const struct emu_unit *unit, const struct res_row *row)
{
	if (row->there && !row->there(unit))
		return 0;
	return row->object == VENDOR ? unit->conf->vendor_object : row->object;
}

static struct emu_lw_path row_path(const struct emu_unit *unit, const struct res_row *row)
{
	return (struct emu_lw_path){3, {row_object(unit, row), 0, row->resource}};
}

static bool row_within(const struct emu_unit *unit, const struct res_row *row,
		       const struct emu_lw_path *path)
{
	struct emu_lw_path outer = *path;
	struct emu_lw_path inner = row_path(unit, row);

	if (outer.count > 3)
		outer.count = 3;
	return inner.id[0] != 0 && emu_lw_path_within(&outer, &inner);
}

static const struct res_row *row_find(const struct emu_unit *unit, const struct emu_lw_path *path)
{
	for (size_t i = 0; path->count >= 3 && i < ROWS; i++)
		if (row_within(unit, &rows[i], path))
			return &rows[i];
	return NULL;
}

static size_t row_read(const struct emu_unit *unit, const struct res_row *row,
		       const struct emu_lw_path *path, struct emu_lw_value *values, size_t count)
{
	for (int i = 0; i < (row->instances ? row->instances : 1) && count < EMU_LW_VALUES; i++) {
		struct emu_lw_value *v = &values[count];

		*v = (struct emu_lw_value){.path = row_path(unit, row)};
		if (row->instances)
			v->path.id[v->path.count++] = (uint16_t)i;
		if (path->count == 4 && (!row->instances || path->id[3] != i))
			continue;
		row->get(unit, v);
		count++;
	}
	return count;
}

int emu_lwm2m_read(const struct emu_unit *unit, const struct emu_lw_path *path,
		   struct emu_lw_value values[EMU_LW_VALUES], size_t *ret_count)
{
	bool there = false;
	size_t count = 0;

	for (size_t i = 0; path->count > 0 && i < ROWS; i++) {
		if (!row_within(unit, &rows[i], path))
			continue;
		there = true;
		if (rows[i].ops & READ)
			count = row_read(unit, &rows[i], path, values, count);
	}
	*ret_count = count;
	if (!there || (count == 0 && path->count == 4))
		return ERR_NOENT;
	return count == 0 ? ERR_DENIED : 0;
}

unsigned emu_lwm2m_write(struct emu_unit *unit, const struct emu_lw_value *value)
{
	const struct res_row *row = row_find(unit, &value->path);

	if (!row)
		return 404;
	return row->put ? row->put(unit, value) : 405;
}

unsigned emu_lwm2m_execute(struct emu_unit *unit, const struct emu_lw_path *path)
{
	const struct res_row *row = row_find(unit, path);

	if (!row || path->count != 3)
		return 404;
	return row->run ? row->run(unit) : 405;
}

static void link_put(struct buf *out, const struct emu_lw_path *path, const char *more)
{
	buf_put_str(out, out->pos > 0 ? ",<" : "<");
	for (unsigned i = 0; i < path->count; i++) {
		buf_put_u8(out, '/');
		buf_put_dec(out, path->id[i]);
	}
	buf_put_u8(out, '>');
	buf_put_str(out, more);
}

void emu_lwm2m_links(const struct emu_unit *unit, struct buf *out)
{
	const struct emu_style *style = unit->conf->lwm2m;
	uint16_t last = 0;

	if (style->root_format >= 0) {
		buf_put_str(out, "</>;rt=\"oma.lwm2m\";ct=");
		buf_put_dec(out, (uint64_t)style->root_format);
	}
	for (size_t i = 0; i < ROWS; i++) {
		struct emu_lw_path path = row_path(unit, &rows[i]);

		if (path.id[0] == 0 || path.id[0] == last)
			continue;
		last = path.id[0];
		path.count = 1;
		if (style->object_versions && last <= 5)
			link_put(out, &path, last == 5 ? ";ver=1.0" : ";ver=1.1");
		path.count = 2;
		link_put(out, &path, "");
	}
}

static void attribute_text(const struct emu_unit *unit, const struct emu_lw_path *path, char *dst,
			   size_t cap)
{
	struct buf out = buf_writer(dst, cap - 1);

	for (size_t i = 0; i < EMU_LW_ATTRIBUTES; i++) {
		const struct emu_lw_attribute *a = &unit->ram.lwm2m.attributes[i];

		if (a->path.count != path->count || !emu_lw_path_within(&a->path, path))
			continue;
		if (a->has_pmin) {
			buf_put_str(&out, ";pmin=");
			buf_put_dec(&out, a->pmin_s);
		}
		if (a->has_pmax) {
			buf_put_str(&out, ";pmax=");
			buf_put_dec(&out, a->pmax_s);
		}
	}
	dst[out.pos] = '\0';
}

int emu_lwm2m_discover(const struct emu_unit *unit, const struct emu_lw_path *path, struct buf *out)
{
	unsigned told = 0; /* down to which level the links have come */

	for (size_t i = 0; i < ROWS; i++) {
		struct emu_lw_path at = row_path(unit, &rows[i]);
		unsigned first = told < path->count ? path->count : 3;
		char text[64];

		if (!row_within(unit, &rows[i], path))
			continue;
		for (unsigned level = first; level <= 3; level++) {
			at.count = level;
			attribute_text(unit, &at, text, sizeof(text));
			link_put(out, &at, text);
		}
		told = 3;
	}
	if (told == 0)
		return ERR_NOENT;
	return buf_ok(out) ? 0 : ERR_LIMIT;
}
