/* SPDX-License-Identifier: Apache-2.0 */
#include "core_input.h"

#include <string.h>

struct input inputs[INPUTS_MAX];
unsigned input_count;

static void add(struct input in)
{
	assert_true(input_count < INPUTS_MAX);
	inputs[input_count++] = in;
}

struct input plain_report(enum boot_kind boot, enum image image)
{
	return (struct input){.kind = IN_REPORT,
			      .boot = boot,
			      .image = image,
			      .confirmed = 1,
			      .enabled = -1,
			      .uptime_s = -1};
}

/* Every boot with every image, then each other field by itself where it can matter. */
static void add_reports(void)
{
	static const enum image images[] = {IMAGE_BASE, IMAGE_TARGET};
	static const enum boot_kind boots[] = {BOOT_IS_SAME, BOOT_IS_NEW};

	for (int b = 0; b < BOOT_IS_COUNT; b++)
		for (int i = 0; i < IMAGE_COUNT; i++)
			add(plain_report((enum boot_kind)b, (enum image)i));
	for (int k = 0; k < 4; k++) {
		struct input in = plain_report(boots[k / 2], images[k % 2]);
		struct input base = in;
		for (int c = -1; c <= 0; c++, in = base) {
			in.confirmed = (int8_t)c;
			add(in);
		}
		for (int e = 0; e <= 1; e++, in = base) {
			in.enabled = (int8_t)e;
			add(in);
		}
		for (int m = MODE_UPDATER; m <= MODE_SAFE; m++, in = base) {
			in.mode = (enum report_mode)m;
			add(in);
		}
		for (int u = 0; u < 2; u++, in = base) {
			in.uptime_s = u ? 100000 : 1;
			add(in);
		}
		for (int l = LAST_LOADING; l <= LAST_FOREIGN; l++, in = base) {
			in.last = (enum last_kind)l;
			add(in);
		}
		in.reset = RESET_WATCHDOG;
		add(in);
		in.mode = MODE_UPDATER;
		add(in);
	}
}

static void add_statuses(void)
{
	static const enum boot_kind boots[] = {BOOT_IS_SAME, BOOT_IS_NEW, BOOT_IS_LATE};
	static const enum reason reasons[] = {REASON_BUSY, REASON_NO_SPACE, REASON_BAD_SIGNATURE};
	struct input in = {.kind = IN_STATUS};

	for (int s = STATUS_DOWNLOADING; s <= STATUS_FAILED; s++) {
		in.state = (enum status_state)s;
		for (unsigned b = 0; b < 3; b++) {
			in.boot = boots[b];
			in.seq = SEQ_NEXT;
			add(in);
		}
		in.boot = BOOT_IS_SAME;
		in.seq = SEQ_REPEAT;
		add(in);
		in.seq = SEQ_NEXT;
		in.foreign = true;
		add(in);
		in.foreign = false;
		for (unsigned r = 0; r < 3 && s >= STATUS_REFUSED; r++) {
			in.reason = reasons[r];
			add(in);
		}
		in.reason = REASON_NONE;
	}
}

static void add_others(void)
{
	static const int64_t pass_s[] = {120, 100000};
	static const int64_t step_s[] = {-7200, 7200};

	add((struct input){.kind = IN_BLOCK, .number = 0});
	add((struct input){.kind = IN_BLOCK, .number = 99000});
	add((struct input){.kind = IN_DEADLINE});
	add((struct input){.kind = IN_SILENT});
	add((struct input){.kind = IN_OUTAGE, .number = 600});
	for (int i = 0; i < 2; i++) {
		add((struct input){.kind = IN_PASS, .number = pass_s[i]});
		add((struct input){.kind = IN_STEP, .number = step_s[i]});
	}
	for (int a = OPERATOR_TARGET_CHANGED; a <= OPERATOR_RESTORED; a++) {
		bool target = a == OPERATOR_TARGET_CHANGED || a == OPERATOR_LOCK;
		for (int t = target ? -1 : 0; t < (target ? (int)RELEASE_OTHER : 1); t++)
			add((struct input){
				.kind = IN_OPERATOR, .act = (enum operator_act)a, .arg = t});
	}
	for (int t = -1; t < (int)RELEASE_OTHER; t++)
		add((struct input){.kind = IN_TARGET, .arg = t});
}

static void fill_last(const struct world *w, const struct input *in, struct last_attempt *ret)
{
	static const enum last_stage stages[] = {STAGE_NONE,	    STAGE_DOWNLOADING,
						 STAGE_VERIFIED,    STAGE_HANDED_OVER,
						 STAGE_BOOT_LOADER, STAGE_DOWNLOADING};

	if (in->last == LAST_NONE)
		return;
	ret->attempt = w->open_id ? w->open_id : 1;
	if (in->last == LAST_FOREIGN)
		ret->attempt ^= 1;
	ret->stage = stages[in->last];
	if (in->last == LAST_FAILED)
		ret->reason = REASON_STORAGE_IO;
}

static void step_report(struct world *w, const struct input *in)
{
	struct report r = world_report(w, in->image);

	r.confirmed = in->confirmed;
	r.updates_enabled = in->enabled;
	r.mode = in->mode;
	r.uptime_s = in->uptime_s;
	r.reset = in->reset;
	r.interval_s = 60;
	r.capabilities = CAP_FRESH;
	r.has_capabilities = true;
	fill_last(w, in, &r.last);
	world_send(w, in->boot, &r);
}

static void step_status(struct world *w, const struct input *in)
{
	struct status s;

	if (in->seq == SEQ_REPEAT && w->status_seq)
		w->status_seq--;
	s = world_status(w, in->state);
	s.has_seq = in->seq != SEQ_NONE;
	s.reason = in->reason;
	s.received_bytes = 50000;
	if (in->state == STATUS_DEFERRED)
		s.defer_until_s = 600;
	if (in->foreign)
		s.attempt = w->u.device.last_attempt ? w->u.device.last_attempt : 3;
	world_send_status(w, in->boot, &s);
}

void step(struct world *w, const struct input *in)
{
	world_pass(w, 1);
	switch (in->kind) {
	case IN_REPORT:
		step_report(w, in);
		break;
	case IN_STATUS:
		step_status(w, in);
		break;
	case IN_BLOCK:
		if (w->u.has_attempt)
			world_block(w, in->number, 1000);
		break;
	case IN_DEADLINE:
		world_deadline(w);
		break;
	case IN_PASS:
		world_pass(w, in->number);
		world_deadline_now(w);
		break;
	case IN_SILENT:
		world_silent(w);
		break;
	case IN_OUTAGE:
		world_outage(w, in->number);
		break;
	case IN_STEP:
		world_clock_step(w, in->number);
		break;
	case IN_OPERATOR:
		world_operator(w, in->act, in->arg);
		break;
	case IN_TARGET:
		w->u.target = in->arg < 0 ? NULL : &world_releases[in->arg];
		memset(w->failures, 0, sizeof(w->failures));
		break;
	}
}

void inputs_fill(void)
{
	add_reports();
	add_statuses();
	add_others();
}

void print_input(const struct input *in)
{
	print_error("#   kind %d boot %d image %d confirmed %d enabled %d mode %d uptime %lld "
		    "reset %d last %d | state %d reason %d seq %d foreign %d | number %lld "
		    "act %d arg %d\n",
		    in->kind, in->boot, in->image, in->confirmed, in->enabled, in->mode,
		    (long long)in->uptime_s, in->reset, in->last, in->state, in->reason, in->seq,
		    in->foreign, (long long)in->number, in->act, in->arg);
}
