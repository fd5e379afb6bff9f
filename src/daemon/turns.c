/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/turns.h"

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
	while (i < TURN_BOUNDS && us > turn_bound_us[i])
		i++;
	t->counts[i]++;
	t->sum_us += us;
	if (us > t->longest_us)
		t->longest_us = us;
}

void turns_start(struct turns *t, uv_loop_t *loop)
{
	*t = (struct turns){.began_ns = uv_hrtime()};
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

uint64_t turn_part_begin(const struct turns *t)
{
	return t ? uv_hrtime() : 0;
}

void turn_part_end(struct turns *t, enum turn_part part, uint64_t began_ns)
{
	uint64_t us = t ? (uv_hrtime() - began_ns) / 1000 : 0;

	if (t && us > t->part_us[part])
		t->part_us[part] = us;
}

bool turn_is_over(const struct turns *t, uint64_t step_began_ns)
{
	if (!t || t->hasty || !t->prepare.data)
		return t && t->hasty;
	uint64_t now_ns = uv_hrtime();
	if ((now_ns - step_began_ns) / 1000 < TURN_LEAST_US)
		return false;
	return spent_us(t, now_ns, uv_metrics_idle_time(t->prepare.loop)) >= TURN_STEP_US;
}
