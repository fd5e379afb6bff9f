/* SPDX-License-Identifier: Apache-2.0 */
#include "core/device.h"

#include <string.h>

enum { CONFLICTS_THAT_HOLD = 2 };
static const int64_t CONFLICT_WINDOW_MS = 24LL * 3600 * 1000;

static struct boot_slot *boots_slot(struct boots *b, const struct boot_id *id)
{
	for (unsigned i = 0; i < b->count; i++)
		if (boot_id_equal(&b->slot[i].id, id))
			return &b->slot[i];
	return NULL;
}

uint32_t boots_find(const struct boots *b, const struct boot_id *id)
{
	for (unsigned i = 0; i < b->count; i++)
		if (boot_id_equal(&b->slot[i].id, id))
			return b->slot[i].seq;
	return 0;
}

/* One names a boot by id alone, the other by count alone: nothing tells them apart, and what
 * cannot be told apart is no proof of a reboot. */
static bool boot_id_comparable(const struct boot_id *a, const struct boot_id *b)
{
	return (a->len && b->len) || (a->has_count && b->has_count);
}

/* The same boot, told in more words: keep what is new in them. */
static void boots_learn(struct boot_id *known, const struct boot_id *id)
{
	if (known->len == 0 && id->len) {
		known->len = id->len;
		memcpy(known->bytes, id->bytes, sizeof(known->bytes));
	}
	if (!known->has_count && id->has_count) {
		known->has_count = true;
		known->count = id->count;
	}
}

static void boots_push(struct boots *b, const struct boot_id *id, uint32_t seq, int64_t now_ms)
{
	if (b->count)
		b->slot[0].replaced_ms = now_ms;
	if (b->count < LIMIT_BOOTS_KEPT)
		b->count++;
	memmove(&b->slot[1], &b->slot[0], (b->count - 1) * sizeof(b->slot[0]));
	b->slot[0] = (struct boot_slot){.id = *id, .seq = seq, .seen_ms = now_ms};
	b->seq = seq;
}

/* A replaced boot came again. Late datagrams are harmless; on a session made after the
 * replacement it is a unit that lives on (TRUTH 3). */
static enum boot_seen boots_replaced(struct boots *b, const struct boot_slot *slot,
				     int64_t session_ms, int64_t now_ms)
{
	if (session_ms == 0 || session_ms <= slot->replaced_ms)
		return BOOT_LATE;
	if (b->conflicts == 0 || now_ms - b->conflict_ms > CONFLICT_WINDOW_MS) {
		b->conflicts = 0;
		b->conflict_ms = now_ms;
	}
	return ++b->conflicts >= CONFLICTS_THAT_HOLD ? BOOT_CONFLICT : BOOT_LATE;
}

enum boot_seen boots_note(struct boots *b, const struct boot_id *id, bool wake_same_image,
			  int64_t session_ms, int64_t now_ms, uint32_t *ret_resets)
{
	struct boot_slot *slot = boots_slot(b, id);
	struct boot_slot before = b->count ? b->slot[0] : (struct boot_slot){0};

	*ret_resets = 0;
	if (slot == &b->slot[0] && b->count) {
		boots_learn(&slot->id, id);
		return BOOT_SAME;
	}
	if (slot)
		return boots_replaced(b, slot, session_ms, now_ms);
	if (b->count && !boot_id_comparable(&before.id, id)) {
		boots_learn(&b->slot[0].id, id);
		return BOOT_SAME;
	}
	if (wake_same_image && b->count) {
		/* Deep sleep of a device that cannot keep its boot id: the same boot under a new
		 * name. The old name is kept, or a late datagram of it would be a new boot. */
		boots_push(b, id, b->seq, now_ms);
		return BOOT_SAME;
	}
	bool counted = id->has_count && before.id.has_count;
	b->backwards = id->inferred || (id->len == 0 && counted && id->count < before.id.count);
	boots_push(b, id, b->seq + 1, now_ms);
	if (b->count == 1)
		return BOOT_FIRST;
	*ret_resets = counted && id->count > before.id.count ? id->count - before.id.count : 1;
	return BOOT_NEW;
}

int64_t device_interval_s(const struct device *d)
{
	int64_t interval_s = d->has_report && d->report.interval_s > 0 ? d->report.interval_s
								       : d->interval_learned_s;

	return interval_s < POLICY_YEAR_S ? interval_s : POLICY_YEAR_S;
}
