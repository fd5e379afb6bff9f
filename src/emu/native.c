/* SPDX-License-Identifier: Apache-2.0
 *
 * The native protocol as the unit sees it.
 */
#include "emu/unit.h"

static void native_lost(struct emu_unit *unit)
{
	emu_report_lost(unit);
	emu_transfer_lost(unit);
	emu_status_lost(unit);
}

static void native_tick(struct emu_unit *unit)
{
	if (unit->ram.phase != EMU_PHASE_UP)
		return;
	emu_report_tick(unit);
	if (unit->ram.phase == EMU_PHASE_UP) {
		emu_status_tick(unit);
		emu_transfer_tick(unit);
	}
}

static void native_answer(struct emu_unit *unit, const struct emu_answer *answer)
{
	if (!emu_report_answer(unit, answer) && !emu_status_answer(unit, answer))
		(void)emu_transfer_answer(unit, answer);
}

static int64_t native_next_ms(const struct emu_unit *unit)
{
	const struct emu_ram *ram = &unit->ram;
	int64_t next = ram->phase == EMU_PHASE_UP ? emu_report_next_ms(unit) : EMU_NEVER;

	if (ram->dl.fd >= 0 && ram->dl_pause_until > unit->now && ram->dl_pause_until < next)
		next = ram->dl_pause_until;
	return next;
}

const struct emu_protocol emu_protocol_native = {
	.attempts = true,
	.session = emu_report_session,
	.lost = native_lost,
	.tick = native_tick,
	.answer = native_answer,
	.next_ms = native_next_ms,
	.soon = emu_report_soon,
};
