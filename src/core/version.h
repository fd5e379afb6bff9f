/* SPDX-License-Identifier: Apache-2.0
 *
 * An order of version labels: is this release older than that one? Only where an order is needed
 * (minimum versions, stepping stones, downgrades). Never for proof: that a device runs a release
 * is a matter of equal bytes (TRUTH 3).
 *
 * A label has a place in the order if it is made like Semantic Versioning 2.0.0, a little wider:
 * a `v` or none, one or more numbers with dots, then perhaps `-` and a pre-release, then perhaps
 * `+` and a build, which does not count. Numbers are compared as numbers of any length, missing
 * ones are 0 (1.2 is 1.2.0), a pre-release goes before its release, and its parts are compared as
 * SemVer 11 says. Any other label has no order with any but itself.
 */
#ifndef CORE_VERSION_H
#define CORE_VERSION_H

#include <stdbool.h>

enum order { ORDER_BEFORE, ORDER_SAME, ORDER_AFTER, ORDER_NONE };

/* Where `a` is as seen from `b`. */
enum order version_order(const char *a, const char *b);

/* It is `least`, or behind it. Without an order: no. */
bool version_at_least(const char *label, const char *least);

#endif
