/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"
#include "proto/native.h"
#include "support/native_device.h"

enum { BLOCK = 1024 };

/* The steps in their order, each one request, but for the blocks. */
static const struct {
	enum { REPORT, STATUS, BLOCKS, REBOOT, END } kind;
	enum status_state state;
	int8_t confirmed;
} steps[] = {
	{.kind = REPORT, .confirmed = 1},
	{.kind = STATUS, .state = STATUS_DOWNLOADING},
	{.kind = BLOCKS},
	{.kind = STATUS, .state = STATUS_VERIFIED},
	{.kind = STATUS, .state = STATUS_APPLYING},
	{.kind = REBOOT},
	{.kind = REPORT, .confirmed = 0},
	{.kind = REPORT, .confirmed = 1},
	{.kind = END},
};

static void life_failed(struct session *s, const char *what, unsigned code)
{
	if (s->load->n.wrong++ < 5)
		fprintf(stderr, "postboot-load: %s: step %u: %s (%u.%02u)\n", s->id, s->life.step,
			what, code >> 5, code & 31);
	s->load->life_failed = true;
}

static struct boot_id life_boot(const struct session *s)
{
	struct boot_id boot = {.len = sizeof(s->boot_id)};

	memcpy(boot.bytes, s->boot_id, sizeof(s->boot_id));
	return boot;
}

static struct bytes life_report(const struct session *s, struct buf *out)
{
	const struct load *l = s->load;
	struct report r;

	report_init(&r);
	r.boot = life_boot(s);
	(void)snprintf(r.version, sizeof(r.version), "%s",
		       s->life.rebooted ? l->conf.to : l->conf.from);
	r.running.len = DIGEST_SHA256;
	memcpy(r.running.value, s->life.rebooted ? l->file_sha256 : l->from_sha256, DIGEST_SHA256);
	r.confirmed = steps[s->life.step].confirmed;
	r.reset = s->life.rebooted ? RESET_UPDATE : RESET_POWER_ON;
	r.updates_enabled = 1;
	r.fs_free_bytes = 100000;
	r.fs_total_bytes = 262144;
	r.slot_bytes = 1048576;
	r.interval_s = 3600;
	r.uptime_s = 1;
	r.has_capabilities = true;
	r.capabilities = CAP_RESUME | CAP_FRESH | CAP_GATE | CAP_OBSERVE | CAP_REPORTS_CONFIRM;
	if (native_report_encode(WIRE_CBOR, &r, out))
		abort();
	return buf_bytes(out);
}

static struct bytes life_status(struct session *s, struct buf *out)
{
	struct status st;

	status_init(&st);
	st.attempt = s->life.attempt;
	st.state = steps[s->life.step].state;
	st.boot = life_boot(s);
	st.seq = s->life.step;
	st.has_seq = true;
	if (st.state != STATUS_DOWNLOADING)
		st.received_bytes = (int64_t)s->load->file_len;
	if (native_status_encode(WIRE_CBOR, &st, out))
		abort();
	return buf_bytes(out);
}

const char *life_post(struct session *s, struct buf *out, struct bytes *ret_payload)
{
	switch (steps[s->life.step].kind) {
	case REPORT:
		*ret_payload = life_report(s, out);
		return "/report";
	case STATUS:
		*ret_payload = life_status(s, out);
		return "/status";
	case BLOCKS:
	case REBOOT:
	case END:
		break;
	}
	return NULL;
}

void life_work(struct session *s)
{
	switch (steps[s->life.step].kind) {
	case REPORT:
	case STATUS:
		if (!s->slot[0].busy)
			session_send_new(s, 0);
		break;
	case BLOCKS:
		for (unsigned i = 0; i < s->load->conf.window; i++)
			if (!s->slot[i].busy && (size_t)s->next_num * BLOCK < s->load->file_len)
				session_send_new(s, i);
		break;
	case REBOOT:
	case END:
		break;
	}
}

static void life_start(struct load *l)
{
	struct session *s = &l->sessions[l->life_next++];

	s->life.began_us = l->now_us;
	session_start(s);
}

static void life_reboot(struct session *s)
{
	s->life.rebooted = true;
	s->life.step++;
	(void)mbedtls_ctr_drbg_random(&s->load->random, s->boot_id, sizeof(s->boot_id));
	s->load->up_count--;
	session_start(s); /* what the old boot knew of its session is gone: no farewell */
}

static void life_end(struct session *s)
{
	struct load *l = s->load;

	histogram_add(&l->n.life_latency, l->now_us - s->life.began_us);
	l->up_count--;
	session_drop(s);
	l->life_done++;
	if (l->life_next < l->session_count)
		life_start(l);
}

static void life_step(struct session *s)
{
	s->life.step++;
	s->next_num = 0;
	if (steps[s->life.step].kind == REBOOT)
		life_reboot(s);
	else if (steps[s->life.step].kind == END)
		life_end(s);
	else
		life_work(s);
}

static void life_directive(struct session *s, struct bytes payload)
{
	struct directive d;
	char path[32];

	if (native_directive_decode(WIRE_CBOR, payload, &d, path)) {
		life_failed(s, "a directive that cannot be read", 0);
		return;
	}
	if (s->life.step > 0)
		return;
	if (d.action != DIRECTIVE_UPDATE) {
		life_failed(s, "no update is offered", 0);
		return;
	}
	s->life.attempt = d.attempt;
	memcpy(s->path, path, sizeof(path));
}

void life_answered(struct session *s, unsigned i, const struct wire_coap *m, int64_t took_us)
{
	struct load *l = s->load;

	if (m->code >> 5 != 2) {
		life_failed(s, "refused", m->code);
		return;
	}
	l->n.requests++;
	switch (steps[s->life.step].kind) {
	case REPORT:
		histogram_add(s->life.step == 0 ? &l->n.latency : &l->n.report_latency, took_us);
		life_directive(s, m->payload);
		break;
	case STATUS:
		histogram_add(&l->n.status_latency, took_us);
		break;
	case BLOCKS:
		if (!session_block_right(s, &s->slot[i], m))
			life_failed(s, "a wrong block", m->code);
		s->life.blocks++;
		if ((size_t)s->life.blocks * BLOCK < l->file_len) {
			life_work(s);
			return;
		}
		break;
	case REBOOT:
	case END:
		return;
	}
	if (!l->life_failed)
		life_step(s);
}

void life_begin(struct load *l)
{
	for (unsigned i = 0; i < l->conf.in_flight && i < l->session_count; i++)
		life_start(l);
}

void life_print(const struct load *l, double cpu_s)
{
	const struct counters *n = &l->n;
	double s = l->conf.seconds;

	printf("lifecycles=%u seconds=%.3f lifecycles_per_s=%.0f requests_per_s=%.0f "
	       "handshakes_per_s=%.0f check_in_p50_us=%.0f check_in_p99_us=%.0f "
	       "report_p50_us=%.0f report_p99_us=%.0f status_p50_us=%.0f status_p99_us=%.0f "
	       "life_p50_us=%.0f life_p99_us=%.0f retransmissions=%llu wrong=%llu failed=%llu "
	       "moves=%llu cpu_s=%.3f\n",
	       l->life_done, s, l->life_done / s, (double)n->requests / s,
	       (double)n->handshakes / s, histogram_quantile(&n->latency, 0.5),
	       histogram_quantile(&n->latency, 0.99), histogram_quantile(&n->report_latency, 0.5),
	       histogram_quantile(&n->report_latency, 0.99),
	       histogram_quantile(&n->status_latency, 0.5),
	       histogram_quantile(&n->status_latency, 0.99),
	       histogram_quantile(&n->life_latency, 0.5),
	       histogram_quantile(&n->life_latency, 0.99), (unsigned long long)n->retransmissions,
	       (unsigned long long)n->wrong, (unsigned long long)n->failed,
	       (unsigned long long)n->moves, cpu_s);
}
