/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/turns.h"

#include "base/clock.h"

const unsigned turn_bound_us[TURN_BOUNDS] = {100,   500,   1000,   2000,   5000,
					     10000, 20000, 100000, 500000, 2000000};

#define TURN_PART_WORD(name, word) [name] = word,
const char *const turn_part_words[TURN_PARTS] = {TURN_PART_LIST(TURN_PART_WORD)};
#undef TURN_PART_WORD

/* What the loop waited since the last turn is not of this one. */
static uint64_t spent_us(const struct turns *t, uint64_t now_ns, uint64_t idle_ns)
{
	uint64_t spent_ns = now_ns - t->began_ns, waited_ns = idle_ns - t->idle_ns;

	return spent_ns > waited_ns ? (spent_ns - waited_ns) / 1000 : 0;
}

/* Just before the loop waits. */
static void turn_ends(uv_prepare_t *prepare)
{
	struct turns *t = prepare->data;
	uint64_t now_ns = uv_hrtime(), idle_ns = uv_metrics_idle_time(prepare->loop);
	uint64_t us = spent_us(t, now_ns, idle_ns);
	unsigned i = 0;

	t->began_ns = now_ns;
	t->idle_ns = idle_ns;
	t->began_us = clock_thread_us();
	while (i < TURN_BOUNDS && us > turn_bound_us[i])
		i++;
	t->counts[i]++;
	t->sum_us += us;
	if (us > t->longest_us)
		t->longest_us = us;
}

void turns_start(struct turns *t, uv_loop_t *loop)
{
	*t = (struct turns){.began_ns = uv_hrtime(), .began_us = clock_thread_us()};
	if (uv_loop_configure(loop, UV_METRICS_IDLE_TIME))
		return;
	(void)uv_prepare_init(loop, &t->prepare); /* neither can fail */
	t->prepare.data = t;
	(void)uv_prepare_start(&t->prepare, turn_ends);
	uv_unref((uv_handle_t *)&t->prepare);
}

void turns_stop(struct turns *t)
{
	if (t->prepare.data)
		uv_close((uv_handle_t *)&t->prepare, NULL);
	t->prepare.data = NULL;
}

struct turn_mark turn_part_begin(const struct turns *t)
{
	return t ? (struct turn_mark){uv_hrtime(), clock_thread_us()} : (struct turn_mark){0};
}

void turn_part_end(struct turns *t, enum turn_part part, struct turn_mark began)
{
	if (!t)
		return;
	uint64_t us = (uv_hrtime() - began.now_ns) / 1000;
	uint64_t cpu_us = (uint64_t)(clock_thread_us() - began.thread_us);
	if (us > t->part_us[part])
		t->part_us[part] = us;
	if (cpu_us > t->part_cpu_us[part])
		t->part_cpu_us[part] = cpu_us;
}

int64_t turn_step_begin(const struct turns *t)
{
	return t ? clock_thread_us() : 0;
}

bool turn_is_over_at(const struct turns *t, int64_t step_began_us, const struct turn_clock *now)
{
	return now->thread_us - step_began_us >= TURN_LEAST_US &&
	       (now->thread_us - t->began_us >= TURN_STEP_US ||
		spent_us(t, now->now_ns, now->idle_ns) >= TURN_LONG_US);
}

bool turn_is_over(const struct turns *t, int64_t step_began_us)
{
	if (!t || t->hasty || !t->prepare.data)
		return t && t->hasty;
	const struct turn_clock now = {.now_ns = uv_hrtime(),
				       .idle_ns = uv_metrics_idle_time(t->prepare.loop),
				       .thread_us = clock_thread_us()};
	return turn_is_over_at(t, step_began_us, &now);
}
