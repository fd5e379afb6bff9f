/* SPDX-License-Identifier: Apache-2.0
 *
 * The daemon's objects for people: postbootctl(1) shows examples. Objects are as in
 * postboot-api(7); a member that is absent is left out.
 */
#ifndef CTL_VIEW_H
#define CTL_VIEW_H

#include "ctl/output.h"

/* The head of an attempt, its ladder, its proof, its transfer and its diagnoses. */
void view_attempt(const struct output *o, const json_t *attempt);
/* One rung that has been reached, as `attempt watch` prints it. */
void view_rung(const struct output *o, const json_t *attempt, const json_t *rung);
/* The verdict in one or two lines, and the diagnoses. */
void view_verdict(const struct output *o, const json_t *attempt);
void view_diagnoses(const struct output *o, const json_t *diagnoses, bool next);

/* What an image says of itself. */
void view_image(const struct output *o, const json_t *image);
void view_device(const struct output *o, const json_t *device);
/* The maintenance windows of a device; and those that its explanation does not tell already. */
void view_windows(const struct output *o, const json_t *device);
void view_explain_windows(const struct output *o, const json_t *explain);
void view_explain(const struct output *o, const json_t *explain);
/* Why nothing is offered. */
/* What devices of a product speak, and its options for that; what is known of a device that is
 * asked; and what a device speaks. */
void view_protocol(const struct output *o, const json_t *product);
void view_facts(const struct output *o, const json_t *device);
void view_speaks(const struct output *o, const json_t *device);
void view_blocked(const struct output *o, const json_t *blocked);

/* An event in one line. */
void view_event(const struct output *o, const json_t *event);

/* How a verdict, an attempt's state or a device's state is coloured. */
enum style style_attempt(const json_t *attempt);
enum style style_device(const char *state);
/* "reverted", or its state while it is open. */
const char *attempt_word(const json_t *attempt);

/* "  label     " of a field, aligned; the value follows, and wraps on a terminal. */
void view_label(const struct output *o, const char *label);
enum { VIEW_INDENT = 14 };

/* "245,760 bytes". */
const char *bytes_text(int64_t n, char dst[64]);

#endif
