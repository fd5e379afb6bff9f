/* SPDX-License-Identifier: Apache-2.0 */
#include "core/admit.h"

enum {
	HOLD_LEARN = 16,       /* downloads that the guess is an average of */
	GUESS_LEAST_MS = 5000, /* while nothing is known */
	GUESS_PER_S = 1000,    /* so many come again each second then */
	SOON_PART = 20,	       /* of a download: who comes in it is waited for */
	NEAR_PART = 8,	       /* of a download: between two questions of who is next */
	GRACE_MS = 2000,       /* a device's clock and link are not exact */
	KEPT_MOST_MS = 60000,  /* the longest that a token is kept for somebody */
};

static const int64_t AGAIN_MAX_MS = (int64_t)ADMIT_AGAIN_MAX_S * 1000;

int64_t admit_tokens(int64_t downloads, int64_t rate)
{
	int64_t fed = rate / ADMIT_RATE_LEAST;

	if (!rate)
		return downloads;
	if (fed < 1)
		fed = 1;
	return downloads && downloads < fed ? downloads : fed;
}

void admit_gate_init(struct admit_gate *g)
{
	*g = (struct admit_gate){0};
	list_init(&g->queue);
	list_init(&g->late);
}

static struct admit_gate *last_of(struct admit_gate *g)
{
	return g->above ? g->above : g;
}

static int64_t spare_of(const struct admit_gate *g)
{
	return g->tokens - g->active - g->kept;
}

/* It waits behind its own gate: a token of that is kept for it. */
static bool is_kept(const struct admit_place *p)
{
	return p->gate && p->own && p->gate == p->own->above && !p->late;
}

static struct admit_place *place_of(struct list *link)
{
	return LIST_ENTRY(link, struct admit_place, link);
}

/* ---- whose turn it is ---- */

/* How long before he is to come somebody is waited for. */
static int64_t kept_ms(const struct admit_gate *g, const struct admit_place *p, int64_t now_ms)
{
	int64_t soon_ms = g->hold_ms / SOON_PART;

	if (p->ripe_ms)
		soon_ms += (now_ms - p->ripe_ms) / 8;
	return soon_ms < KEPT_MOST_MS ? soon_ms : KEPT_MOST_MS;
}

static bool is_late(const struct admit_gate *g, const struct admit_place *p, int64_t now_ms)
{
	int64_t grace_ms = GRACE_MS + g->hold_ms / SOON_PART;

	if (grace_ms > KEPT_MOST_MS)
		grace_ms = KEPT_MOST_MS;
	return p->again_ms + grace_ms < now_ms;
}

static bool is_awaited(const struct admit_gate *g, const struct admit_place *p, int64_t now_ms)
{
	return p->again_ms <= now_ms + kept_ms(g, p, now_ms) && !is_late(g, p, now_ms);
}

bool admit_may(const struct admit_gate *g, const struct admit_place *p, int64_t now_ms)
{
	int64_t spare = spare_of(g);
	unsigned looked = 0;

	if (!g->tokens || (p && p->own == g && is_kept(p)))
		return true;
	if (p && p->late)
		return spare > 0; /* it is before all that are in the queue */
	LIST_EACH(it, next, &g->queue)
	{
		const struct admit_place *before = place_of(it);
		if (spare <= 0 || before == p || looked++ == ADMIT_LOOK)
			break;
		spare -= is_awaited(g, before, now_ms);
	}
	return spare > 0;
}

unsigned admit_ahead(const struct admit_gate *g, const struct admit_place *p)
{
	unsigned there = g->waiting - g->away;

	if (!p || p->gate != g)
		return there;
	if (p->late || list_empty(&g->queue))
		return 0;
	/* Some between have left: as many in each part of the queue, it is taken. */
	uint64_t first = place_of(g->queue.next)->number;
	uint64_t last = place_of(g->queue.prev)->number;

	return p->number <= first ? 0
				  : (unsigned)((p->number - first) * there / (last - first + 1));
}

int64_t admit_expect_ms(const struct admit_gate *g, const struct admit_place *p)
{
	if (!g->hold_ms || !g->tokens)
		return -1;
	return ((int64_t)admit_ahead(g, p) + 1) * g->hold_ms / g->tokens;
}

/* ---- when to come again ---- */

/* So many count as next. */
static int64_t near_count(const struct admit_gate *g)
{
	return g->tokens > ADMIT_NEAR ? g->tokens : ADMIT_NEAR;
}

/* Between 7/8 and 9/8 of it. */
static int64_t about(int64_t ms, uint32_t random)
{
	return ms - ms / 8 + (int64_t)(random % (uint32_t)(ms / 4 + 1));
}

int64_t admit_again_s(const struct admit_gate *g, const struct admit_place *p, uint32_t random)
{
	int64_t expect_ms = admit_expect_ms(g, p), ms;

	if (expect_ms < 0) {
		ms = (int64_t)g->waiting * 1000 / GUESS_PER_S;
		if (ms < GUESS_LEAST_MS)
			ms = GUESS_LEAST_MS;
		ms = ms / 2 + (int64_t)(random % (uint32_t)(ms + 1));
	} else if (admit_ahead(g, p) < near_count(g)) {
		ms = about(g->hold_ms / NEAR_PART, random);
	} else {
		ms = about(expect_ms < AGAIN_MAX_MS ? expect_ms * 3 / 4 : AGAIN_MAX_MS, random);
	}
	if (ms > AGAIN_MAX_MS)
		ms = AGAIN_MAX_MS - (int64_t)(random % (uint32_t)(AGAIN_MAX_MS / 8));
	return ms < 1000 ? 1 : (ms + 500) / 1000;
}

/* ---- places ---- */

void admit_place_init(struct admit_place *p)
{
	*p = (struct admit_place){0};
	list_init(&p->link);
}

static void queue_new(struct admit_gate *g, struct admit_place *p, int64_t now_ms)
{
	p->number = ++last_of(g)->number;
	p->since_ms = now_ms;
	list_append(&g->queue, &p->link);
}

/* Older than most, or newer: its place is near the beginning, or near the end; else not far from
 * the beginning. */
static void queue_old(struct admit_gate *g, struct admit_place *p)
{
	struct list *at = g->queue.next, *end = &g->queue;
	unsigned looked = 0;

	while (at != &g->queue && place_of(at)->number < p->number && looked++ < ADMIT_LOOK)
		at = at->next;
	if (at != &g->queue && place_of(at)->number < p->number) {
		for (looked = 0; looked++ < ADMIT_LOOK;) {
			if (place_of(end->prev)->number < p->number) {
				at = end;
				break;
			}
			end = end->prev;
		}
	}
	list_append(at, &p->link); /* before it */
}

void admit_wait(struct admit_gate *g, struct admit_place *p, int64_t again_s, int64_t now_ms)
{
	if (p->gate != g || p->late) {
		bool here = p->number && (!p->gate || last_of(p->gate) == last_of(g));
		admit_leave(p);
		if (here)
			queue_old(g, p);
		else
			queue_new(g, p, now_ms);
		p->gate = g;
		g->waiting++; /* never NULL. NOLINT(clang-analyzer-core.NullDereference) */
		if (is_kept(p))
			p->own->kept++;
	}
	if (!p->ripe_ms && g->hold_ms && admit_ahead(g, p) < near_count(g))
		p->ripe_ms = now_ms;
	p->again_ms = now_ms + again_s * 1000;
	p->deaf = false;
}

void admit_leave(struct admit_place *p)
{
	if (!p->gate)
		return;
	list_remove(&p->link);
	if (is_kept(p))
		p->own->kept--;
	p->gate->waiting--;
	p->gate->away -= p->late;
	p->gate = NULL;
	p->late = false;
	p->ripe_ms = 0;
}

struct admit_place *admit_late(struct admit_gate *g, int64_t now_ms)
{
	unsigned looked = 0;

	LIST_EACH(it, next, &g->queue)
	{
		struct admit_place *p = place_of(it);
		if (looked++ == ADMIT_LOOK)
			break;
		if (!is_late(g, p, now_ms))
			continue;
		list_remove(&p->link);
		list_append(&g->late, &p->link);
		if (is_kept(p))
			p->own->kept--;
		g->away++;
		p->late = true;
		p->ripe_ms = 0;
	}
	if (list_empty(&g->late))
		return NULL;
	struct admit_place *oldest = place_of(g->late.next);
	return oldest->again_ms + ADMIT_FORGET_MS < now_ms ? oldest : NULL;
}

struct admit_place *admit_next(const struct admit_gate *g, int64_t now_ms)
{
	int64_t spare = spare_of(g);
	struct admit_place *found = NULL;
	unsigned looked = 0;

	if (!g->tokens || spare <= 0)
		return NULL;
	LIST_EACH(it, next, &g->late)
	{
		if (found || looked++ == ADMIT_LOOK)
			break;
		found = place_of(it)->deaf ? NULL : place_of(it);
	}
	looked = 0;
	LIST_EACH(it, next, &g->queue)
	{
		struct admit_place *p = place_of(it);
		if (looked++ == ADMIT_LOOK)
			break;
		if (is_awaited(g, p, now_ms))
			spare--;
		else if (!found && !p->deaf && p->again_ms > now_ms)
			found = p;
	}
	return spare > 0 ? found : NULL;
}

void admit_called(struct admit_place *p, int64_t now_ms)
{
	if (p->late) {
		list_remove(&p->link);
		p->gate->away--;
		p->late = false;
		if (is_kept(p))
			p->own->kept++;
		queue_old(p->gate, p);
	}
	p->again_ms = now_ms;
	p->deaf = true;
}

/* ---- tokens ---- */

void admit_take(struct admit_gate *g)
{
	g->active++;
}

void admit_give(struct admit_gate *g, int64_t held_ms)
{
	if (g->active > 0)
		g->active--;
	if (held_ms < 0)
		return;
	if (g->holds < HOLD_LEARN)
		g->holds++;
	g->hold_ms += (held_ms - g->hold_ms) / (int64_t)g->holds;
	if (g->hold_ms < 1)
		g->hold_ms = 1;
}

/* ---- core/update ---- */

void admit_plan(const struct admission *a, struct plan *plan)
{
	if (!a->full || !plan->offer)
		return;
	plan->offer = false;
	plan->blocked |= 1u << BLOCK_ADMISSION;
}

/* ---- crowds ---- */

bool admit_crowd(struct admit_crowd *c, uint64_t fleet, int64_t now_ms)
{
	uint64_t most = fleet / 10 > ADMIT_CROWD ? fleet / 10 : ADMIT_CROWD;

	if (now_ms - c->start_ms >= ADMIT_CROWD_MS) {
		c->before = now_ms - c->start_ms < 2 * (int64_t)ADMIT_CROWD_MS ? c->count : 0;
		c->count = 0;
		c->start_ms = now_ms;
	}
	c->count++;
	return c->count > most || c->before > most;
}

int64_t admit_spread_s(int64_t interval_s, uint32_t random)
{
	return 1 + (int64_t)(random % (uint64_t)(interval_s + interval_s / 10));
}
