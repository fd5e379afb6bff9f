/* SPDX-License-Identifier: Apache-2.0
 *
 * What a rollout has come to with one of its members (core/rollout.h).
 */
#ifndef CORE_MEMBER_H
#define CORE_MEMBER_H

#include "base/err.h"

/* X(name, word, what it means) */
#define MEMBER_LIST(X)                                                                             \
	X(MEMBER_NONE, "none", "no verdict yet")                                                   \
	X(MEMBER_UPDATED, "updated", "it was updated and has proved it")                           \
	X(MEMBER_CONVERGED, "converged", "its attempt failed, and it was found on target later")   \
	X(MEMBER_EXTERNAL, "external", "it runs the release, but not by this rollout")             \
	X(MEMBER_FAILED, "failed", "its last attempt failed")                                      \
	X(MEMBER_REVERTED, "reverted", "it took the image and went back to the old one")

enum member {
#define MEMBER_ENUM(name, word, help) name,
	MEMBER_LIST(MEMBER_ENUM)
#undef MEMBER_ENUM
		MEMBER_COUNT
};

const char *member_name(enum member m);
const char *member_help(enum member m);
int member_from_name(const char *name, enum member *ret) ERR_CHECK;

#endif
