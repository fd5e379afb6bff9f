/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is a member, at which place, and what counts of it.
 */
#include "core/rollout.h"

#include <string.h>

/* ---- places: SipHash-2-4 of the device's id, keyed by the seed ---- */

struct sip {
	uint64_t v[4];
};

static uint64_t turn(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_round(struct sip *s)
{
	uint64_t *v = s->v;

	v[0] += v[1];
	v[1] = turn(v[1], 13) ^ v[0];
	v[0] = turn(v[0], 32);
	v[2] += v[3];
	v[3] = turn(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = turn(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = turn(v[1], 17) ^ v[2];
	v[2] = turn(v[2], 32);
}

static void sip_word(struct sip *s, uint64_t word)
{
	s->v[3] ^= word;
	sip_round(s);
	sip_round(s);
	s->v[0] ^= word;
}

int64_t rollout_place(uint64_t seed, const char *device)
{
	struct sip s = {{0x736f6d6570736575u ^ seed, 0x646f72616e646f6du,
			 0x6c7967656e657261u ^ seed, 0x7465646279746573u}};
	size_t len = strlen(device);
	uint64_t word = 0;

	for (size_t i = 0; i < len; i++) {
		word |= (uint64_t)(uint8_t)device[i] << (8 * (i % 8));
		if (i % 8 == 7) {
			sip_word(&s, word);
			word = 0;
		}
	}
	sip_word(&s, word | (uint64_t)len << 56);
	s.v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(&s);
	return (int64_t)((s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3]) >> 11);
}

/* ---- counts ---- */

struct member_facts member_facts(const struct device *d, int64_t rollout)
{
	bool about = d->rollout_about == rollout;

	return (struct member_facts){
		.result = about ? d->rollout_result : MEMBER_NONE,
		.applied = about && d->rollout_applied,
		.silent = !d->online,
		.out = d->lock || d->hold != HOLD_NONE || d->disabled_ms || d->development,
		.trying = d->attempt != 0,
	};
}

void wave_count(struct wave_counts *c, const struct member_facts *m, bool released, int64_t members)
{
	/* One that is silent with an attempt under way has a verdict to come. */
	bool away = m->result == MEMBER_NONE && !m->out && m->silent && !m->trying;

	c->members += members;
	if (!released && !m->applied && !m->out) {
		c->control += members;
		c->control_silent += m->silent ? members : 0;
	}
	if (!released)
		return;
	c->released += members;
	c->results[m->result] += members;
	c->out += m->out ? members : 0;
	c->away += away ? members : 0;
	if (m->result != MEMBER_NONE || m->out || away)
		c->through += members;
	else if (m->trying && !m->silent)
		c->trying += members;
	if (m->applied && m->result != MEMBER_EXTERNAL) {
		c->applied += members;
		c->applied_silent += m->silent ? members : 0;
	}
}

static void wave_add(struct wave_counts *sum, const struct wave_counts *c)
{
	sum->members += c->members;
	sum->released += c->released;
	for (unsigned i = 0; i < MEMBER_COUNT; i++)
		sum->results[i] += c->results[i];
	sum->out += c->out;
	sum->through += c->through;
	sum->away += c->away;
	sum->trying += c->trying;
	sum->applied += c->applied;
	sum->applied_silent += c->applied_silent;
	sum->control += c->control;
	sum->control_silent += c->control_silent;
}

struct wave_counts rollout_total(const struct rollout_counts *c, unsigned waves)
{
	struct wave_counts sum = {0};

	for (unsigned i = 0; i < waves; i++)
		wave_add(&sum, &c->waves[i]);
	return sum;
}

int64_t wave_failures(const struct wave_counts *c)
{
	return c->results[MEMBER_FAILED] + c->results[MEMBER_REVERTED];
}

int64_t wave_verdicts(const struct wave_counts *c)
{
	return wave_failures(c) + c->results[MEMBER_UPDATED] + c->results[MEMBER_CONVERGED];
}

/* ---- waves ---- */

unsigned rollout_wave_of(const struct rollout *r, int64_t place)
{
	unsigned i = 0;

	while (i + 1 < r->wave_count && place >= r->waves[i].cut)
		i++;
	return i;
}

int64_t rollout_wave_size(const struct rollout *r, unsigned wave, int64_t members)
{
	int64_t most = 0;

	for (unsigned i = 0; i <= wave && i < r->wave_count; i++) {
		const struct wave *w = &r->waves[i];
		/* Rounded up: a wave of nobody would prove nothing. */
		int64_t size = w->percent ? (members * w->size + 99) / 100 : w->size;
		if (size > members)
			size = members;
		if (size > most)
			most = size;
	}
	return most;
}

void rollout_enlisted(struct rollout *r, const int64_t *cuts, int64_t members, int64_t silent)
{
	r->enlisted = true;
	for (unsigned i = 0; i < r->wave_count; i++)
		r->waves[i].cut = i + 1 < r->wave_count ? cuts[i] : ROLLOUT_PLACE_END;
	r->base_members = members;
	r->base_silent = silent;
}

bool rollout_is_open(const struct rollout *r)
{
	return r->state != ROLLOUT_DRAFT && r->state != ROLLOUT_DONE && r->state != ROLLOUT_ABORTED;
}

bool rollout_is_over(const struct rollout *r)
{
	return r->state == ROLLOUT_DONE || r->state == ROLLOUT_ABORTED;
}

bool rollout_is_target(const struct rollout *r)
{
	return r->reached > 0 && r->state != ROLLOUT_ABORTED;
}

bool rollout_stops(const struct rollout *r)
{
	return r->state == ROLLOUT_PAUSED || r->state == ROLLOUT_HALTED;
}

unsigned rollout_needs_word(const struct rollout *r)
{
	static const unsigned rank[ROLLOUT_STATE_COUNT] = {
		[ROLLOUT_HALTED] = 1, [ROLLOUT_WAITING] = 2, [ROLLOUT_PAUSED] = ROLLOUT_RANKS};

	return rank[r->state];
}

bool rollout_reaches(const struct rollout *r, const struct device *d)
{
	return d->rollout == r->id && rollout_is_target(r) && d->rollout_place < r->reached;
}
