/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything that can be put into core/update, as one value, for tests that try it all.
 */
#ifndef TESTS_UNIT_CORE_INPUT_H
#define TESTS_UNIT_CORE_INPUT_H

#include "core_world.h"

enum input_kind {
	IN_REPORT,
	IN_STATUS,
	IN_BLOCK,
	IN_DEADLINE,
	IN_PASS,
	IN_SILENT,
	IN_OUTAGE,
	IN_STEP,
	IN_OPERATOR,
	IN_TARGET, /* the product's target has changed; the sweep is still on its way */
};
enum last_kind { LAST_NONE, LAST_LOADING, LAST_VERIFIED, LAST_HANDED, LAST_FAILED, LAST_FOREIGN };
enum seq_kind { SEQ_NEXT, SEQ_REPEAT, SEQ_NONE };

struct input {
	enum input_kind kind;
	enum boot_kind boot;
	/* report */
	enum image image;
	int8_t confirmed, enabled;
	enum report_mode mode;
	int64_t uptime_s;
	enum reset_reason reset;
	enum last_kind last;
	/* status */
	enum status_state state;
	enum reason reason;
	enum seq_kind seq;
	bool foreign;
	/* pass, outage, step: seconds; block: offset */
	int64_t number;
	enum operator_act act;
	int arg;
};

/* Each boot with each image, each other field by itself where it can matter, each status, each
 * act of an operator. */
enum { INPUTS_MAX = 400 };
extern struct input inputs[INPUTS_MAX];
extern unsigned input_count;
void inputs_fill(void);

struct input plain_report(enum boot_kind boot, enum image image);

/* One second later: does it to the world. */
void step(struct world *w, const struct input *in);

void print_input(const struct input *in);

#endif
