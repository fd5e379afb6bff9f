/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the two files of the fleet simulation: what its devices are like, and what is looked at
 * when a rollout has come to its end.
 */
#ifndef SCENARIO_FLEET_H
#define SCENARIO_FLEET_H

#include "crowd.h"
#include "daemon/engine_rollout.h"

/* What a device does with an image. */
enum kind {
	HONEST,
	REVERTS,     /* its boot loader goes back to the old image, each time */
	DIES,	     /* it is not heard of again */
	NO_REBOOT,   /* it claims the new version in the old boot */
	OTHER_IMAGE, /* after a reboot it names the new version, but shows the old digest */
	NO_PROOF,    /* the same, but it shows no digest any more */
	FLAKY,	     /* its flash fails, the first time */
	KINDS
};
bool lies(enum kind k);
enum kind kind_for(const struct unit *u, char release);

/* Looks at the rows, the views and the devices; tells with expect(). `bad`: it was halted. */
void judge_rollout(const char *name, char release, bool bad);

#endif
