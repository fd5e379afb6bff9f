/* SPDX-License-Identifier: Apache-2.0
 *
 * Text of a metrics page: the Prometheus format 0.0.4, or OpenMetrics 1.0.0. Label values are
 * words of ours, never of a peer.
 */
#ifndef DAEMON_METRICS_H
#define DAEMON_METRICS_H

#include "base/buf.h"

struct metrics {
	struct buf out;
	bool open_metrics;
	const char *name; /* of the present family */
};

enum metrics_type { METRICS_COUNTER, METRICS_GAUGE, METRICS_HISTOGRAM };

/* Begins a family. A counter's name ends with _total. */
void metrics_family(struct metrics *m, enum metrics_type type, const char *name, const char *help);
/* One sample of it; `label` NULL: none. */
void metrics_count(struct metrics *m, const char *label, const char *word, uint64_t value);
void metrics_count2(struct metrics *m, const char *label, const char *word, const char *label2,
		    const char *word2, uint64_t value);
/* With pairs of a label and its word, up to a NULL; the words are escaped. */
void metrics_labels(struct metrics *m, const char *const *pairs, uint64_t value);
/* As below, with bounds in whole seconds. */
void metrics_histogram_s(struct metrics *m, const unsigned *bounds_s, unsigned bounds,
			 const uint64_t *counts, uint64_t sum_s);
void metrics_seconds(struct metrics *m, double value);
void metrics_seconds_of(struct metrics *m, const char *label, const char *word, double value);
/* A family with one sample. */
void metrics_one(struct metrics *m, enum metrics_type type, const char *name, const char *help,
		 uint64_t value);
/* `counts` has one more than `bounds_us`, for what is longer; not cumulative. */
void metrics_histogram(struct metrics *m, const unsigned *bounds_us, unsigned bounds,
		       const uint64_t *counts, uint64_t sum_us);
void metrics_end(struct metrics *m);

#endif
