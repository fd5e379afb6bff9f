/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/message.h"

#include <string.h>

enum { KNOWN_FLAGS = EMU_FLAG_FRESH | EMU_FLAG_FORCE | EMU_FLAG_RESUME };

static void report_last(const struct emu_last_attempt *last, struct emu_msg *msg)
{
	struct emu_item *item = emu_msg_array(msg, 6);

	emu_element_uint(item, last->attempt);
	emu_element_uint(item, last->stage);
	emu_element_uint(item, last->reason);
	emu_element_int(item, last->code);
	emu_element_text(item, last->detail);
}

void emu_report_write(const struct emu_report *report, struct emu_msg *ret_msg)
{
	emu_msg_init(ret_msg);
	emu_msg_bytes(ret_msg, 0, report->boot_id, sizeof(report->boot_id));
	emu_msg_uint(ret_msg, 1, report->boot_count);
	emu_msg_text(ret_msg, 2, report->version);
	if (report->has_digest) {
		struct emu_item *item = emu_msg_array(ret_msg, 3);

		emu_element_uint(item, 0); /* kind file */
		emu_element_bytes(item, report->digest, sizeof(report->digest));
	}
	emu_msg_bool(ret_msg, 4, report->confirmed);
	emu_msg_uint(ret_msg, 5, report->reset);
	if (report->last.attempt != 0)
		report_last(&report->last, ret_msg);
	emu_msg_bool(ret_msg, 7, report->updates_enabled);
	emu_msg_uint(ret_msg, 8, report->fs_free);
	emu_msg_uint(ret_msg, 9, report->fs_total);
	emu_msg_uint(ret_msg, 10, report->slot_size);
	if (report->battery >= 0)
		emu_msg_int(ret_msg, 11, report->battery);
	if (report->hardware)
		emu_msg_text(ret_msg, 12, report->hardware);
	if (report->boot_loader)
		emu_msg_text(ret_msg, 13, report->boot_loader);
	if (report->has_cached)
		emu_msg_bytes(ret_msg, 14, report->cached, sizeof(report->cached));
	emu_msg_uint(ret_msg, 15, report->interval_s);
	emu_msg_uint(ret_msg, 16, 0); /* mode application */
	emu_msg_uint(ret_msg, 17, report->capabilities);
	emu_msg_uint(ret_msg, 18, report->uptime_s);
	if (report->security_counter >= 0)
		emu_msg_uint(ret_msg, 20, (uint64_t)report->security_counter);
	emu_msg_uint(ret_msg, 19, 1); /* protocol version */
}

void emu_status_write(const struct emu_status *status, struct emu_msg *ret_msg)
{
	emu_msg_init(ret_msg);
	emu_msg_uint(ret_msg, 0, status->attempt);
	emu_msg_uint(ret_msg, 1, status->state);
	if (status->code != 0)
		emu_msg_int(ret_msg, 2, status->code);
	if (status->detail[0] != '\0')
		emu_msg_text(ret_msg, 3, status->detail);
	emu_msg_uint(ret_msg, 4, status->received);
	if (status->start_offset > 0)
		emu_msg_uint(ret_msg, 5, status->start_offset);
	if (status->state == EMU_STATUS_DEFERRED)
		emu_msg_uint(ret_msg, 6, status->defer_s);
	emu_msg_bytes(ret_msg, 7, status->boot_id, sizeof(status->boot_id));
	emu_msg_uint(ret_msg, 8, status->seq);
	if (status->reason != EMU_REASON_NONE)
		emu_msg_uint(ret_msg, 9, status->reason);
}

/* 0 also when absent: *ret_value then keeps its default. */
static int optional(int err)
{
	return err == ERR_NOENT ? 0 : err;
}

static int directive_numbers(const struct emu_msg *msg, struct emu_directive *d)
{
	static const uint64_t max_attempt = (uint64_t)1 << 53;
	int err = emu_item_uint(msg, 0, UINT64_MAX, &d->action);

	if (!err)
		err = optional(emu_item_uint(msg, 1, max_attempt, &d->attempt));
	if (!err)
		err = optional(emu_item_uint(msg, 6, UINT64_MAX, &d->flags));
	if (!err)
		err = optional(emu_item_uint(msg, 7, UINT32_MAX, &d->retry_s));
	if (!err)
		err = optional(emu_item_uint(msg, 8, UINT32_MAX, &d->next_s));
	if (!err)
		err = optional(emu_item_uint(msg, 9, UINT32_MAX, &d->window));
	if (!err)
		err = optional(emu_item_uint(msg, 10, UINT32_MAX, &d->block));
	return err;
}

int emu_directive_read(const struct emu_msg *msg, struct emu_directive *ret_directive)
{
	struct emu_directive d = {0};
	int err = directive_numbers(msg, &d);

	if (err)
		return err;
	for (size_t i = 0; i < msg->len; i++)
		if (msg->items[i].key < 0)
			d.critical = true;
	if ((d.flags & ~(uint64_t)KNOWN_FLAGS) != 0 || d.action > EMU_ACTION_UPDATE)
		d.critical = true;
	err = optional(emu_item_text(msg, 2, d.version, sizeof(d.version)));
	if (d.action == EMU_ACTION_UPDATE && !d.critical) {
		if (!err)
			err = emu_item_uint(msg, 3, UINT64_MAX, &d.size);
		if (!err)
			err = emu_item_bytes(msg, 4, d.digest, sizeof(d.digest));
		if (!err)
			err = emu_item_text(msg, 5, d.path, sizeof(d.path));
		if (!err && (d.attempt == 0 || d.size == 0))
			err = ERR_INVAL;
	}
	if (err)
		return err;
	*ret_directive = d;
	return 0;
}

const char *emu_reset_name(enum emu_reset reset)
{
	switch (reset) {
	case EMU_RESET_POWER_ON:
		return "power-on";
	case EMU_RESET_PIN:
		return "pin";
	case EMU_RESET_SOFTWARE:
		return "software";
	case EMU_RESET_UPDATE:
		return "update";
	case EMU_RESET_WATCHDOG:
		return "watchdog";
	case EMU_RESET_PANIC:
		return "panic";
	case EMU_RESET_BROWN_OUT:
		return "brown-out";
	case EMU_RESET_WAKE:
		return "wake";
	case EMU_RESET_OTHER:
		return "other";
	}
	return "?";
}

const char *emu_reason_name(enum emu_reason reason)
{
	static const char *const names[] = {
		"none",	     "no-space",   "bad-digest", "bad-signature",    "wrong-hardware",
		"downgrade", "storage-io", "dependency", "unsupported",	     "boot-loader",
		"other",     "busy",	   "low-power",	 "updates-disabled", "deferred",
	};

	return (size_t)reason < sizeof(names) / sizeof(names[0]) ? names[reason] : "?";
}

const char *emu_status_name(enum emu_status_state state)
{
	switch (state) {
	case EMU_STATUS_DOWNLOADING:
		return "downloading";
	case EMU_STATUS_VERIFIED:
		return "verified";
	case EMU_STATUS_APPLYING:
		return "applying";
	case EMU_STATUS_REFUSED:
		return "refused";
	case EMU_STATUS_DEFERRED:
		return "deferred";
	case EMU_STATUS_FAILED:
		return "failed";
	}
	return "?";
}
