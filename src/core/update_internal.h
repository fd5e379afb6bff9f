/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files of core/update; nobody else includes it.
 */
#ifndef CORE_UPDATE_INTERNAL_H
#define CORE_UPDATE_INTERNAL_H

#include "core/evidence.h"
#include "core/update.h"

void update_emit(struct outcome *out, enum event_kind kind, enum event_about about,
		 uint64_t attempt);

/* Clears `out`; what was served of an open attempt's image is begun, whatever is told of first. */
void update_begin(struct update *u, struct outcome *out);

/* Any contact: last seen, back online. */
void update_contact(struct update *u, struct outcome *out);

/* Looks the cause up for the open attempt and carries it out; closes it if the table says so. */
void update_cause(struct update *u, enum cause cause, struct outcome *out);

/* What plan_gate() says of the open attempt. */
uint32_t update_gate(const struct update *u, int64_t *ret_clear_ms);
/* In how many seconds to ask again at a gate that is closed until then. */
int64_t update_gate_s(const struct update *u, int64_t clear_ms);

/* Puts the device on hold (once: the first reason stays) and says so. */
void update_hold(struct update *u, enum hold why, struct outcome *out);

/* Tells the device's user side whether an update waits, when that has changed. */
void update_pending(struct update *u, const struct plan *plan, struct outcome *out);

/* What the device remembers of its tries is about one target; another one starts anew. An open
 * attempt for another target is superseded where it still can be. */
void update_target(struct update *u, struct outcome *out);

/* The open attempt is of a rollout that has halted: it goes no further than the gate. */
bool update_is_halted(const struct update *u);
/* What the device's rollout has come to with it. */
void update_member(struct update *u, enum member result, struct outcome *out);

/* Notes the boot named by a report or status and everything that follows from a new one. */
enum boot_seen update_boot(struct update *u, const struct boot_id *id, const struct report *r,
			   struct outcome *out);

/* now + at most `seconds`, taking up to a tenth off or on by u->random. */
int64_t update_jitter_s(const struct update *u, int64_t seconds);

#endif
