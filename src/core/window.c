/* SPDX-License-Identifier: Apache-2.0 */
#include "core/window.h"

#include "core/pace.h"

struct row {
	uint32_t least;
	unsigned window;
};

/* Repeated messages per thousand: a link that loses a share p of them carries no more than
 * 1.22 / sqrt(p) in flight if a TCP beside it is to live (RFC 8085 3.1.2, RFC 5681). */
static const struct row by_loss[] = {
	{400, 1}, {250, 2}, {165, 3}, {93, 4}, {41, 6}, {23, 8}, {10, 12}, {0, WINDOW_MAX},
};

/* A round trip in ms. What is in flight waits in the link's queue, which must be through before
 * the device's first time-out, or everything is sent twice: a link that is near it with one
 * message has no room for many. */
static const struct row by_round_trip[] = {
	{WINDOW_ACK_TIMEOUT_MS, 2},
	{1500, 4},
	{1000, 8},
	{0, WINDOW_MAX},
};

static unsigned look_up(const struct row *rows, uint64_t value)
{
	while (value < rows->least)
		rows++;
	return rows->window;
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* The blocks that a rate lets out while one is held back. */
static unsigned by_rate(int64_t rate, int64_t block_bytes)
{
	if (!rate || rate >= WINDOW_MAX * block_bytes * 1000 / PACE_HOLD_MS)
		return WINDOW_MAX;
	int64_t blocks = rate * PACE_HOLD_MS / 1000 / block_bytes;
	return blocks > 1 ? (unsigned)blocks : 1;
}

unsigned window_hint(const struct policy *policy, const struct link_facts *link, int64_t rate)
{
	unsigned window = least(least((unsigned)policy->window, by_rate(rate, policy->block_bytes)),
				look_up(by_round_trip, link->rtt_ms));

	/* Where an answer takes longer than the time-out, a repeated request is no lost message. */
	if (link->messages < WINDOW_MESSAGES_MIN || link->rtt_ms >= WINDOW_ACK_TIMEOUT_MS)
		return window;
	return least(window, look_up(by_loss, link->repeats * UINT64_C(1000) / link->messages));
}

struct link_facts window_link_add(const struct link_facts *before, const struct link_facts *now)
{
	struct link_facts sum = {
		.messages = before->messages / 2 + now->messages,
		.repeats = before->repeats / 2 + now->repeats,
		.rtt_ms = now->rtt_ms ? now->rtt_ms : before->rtt_ms,
	};

	if (sum.messages < now->messages || sum.repeats < now->repeats)
		return *now; /* more than a uint32_t counts: what was before does not matter */
	return sum;
}
