/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/admin_actor.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/admin_match.h"

enum { GROUPS_FIRST = 64 };

static bool peer(struct request *rq, int *ret_fd, struct ucred *ret_who)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(rq->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	socklen_t len = sizeof(*ret_who);

	if (!info || getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, ret_who, &len))
		return false;
	*ret_fd = info->connect_fd;
	return true;
}

/* The supplementary groups that the peer had when it connected. 0, or negative: not known. */
static int peer_groups(int fd, gid_t **ret_list, size_t *ret_count)
{
	socklen_t len = GROUPS_FIRST * sizeof(gid_t);

	for (;;) {
		gid_t *list = malloc(len ? len : 1);
		if (!list)
			return ERR_NOMEM;
		socklen_t got = len;
		if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, list, &got) == 0) {
			*ret_list = list;
			*ret_count = got / sizeof(gid_t);
			return 0;
		}
		int why = errno;
		free(list);
		if (why != ERANGE || got <= len) /* got: the room that it needs */
			return err_from_errno(why);
		len = got;
	}
}

/* What cannot be told is answered as if it were so: nobody gains a right by it. */
static bool is_viewer(int fd, const struct ucred *who, gid_t group)
{
	gid_t *list = NULL;
	size_t count = 0;

	if (who->uid == 0 || who->uid == geteuid())
		return false;
	if (who->gid == group)
		return true;
	int err = peer_groups(fd, &list, &count);
	if (err)
		log_warn("admin uid=%ld error=\"its groups cannot be read: %s\"", (long)who->uid,
			 err_text(err));
	bool viewer = err != 0;
	for (size_t i = 0; i < count; i++)
		viewer |= list[i] == group;
	free(list);
	return viewer;
}

/* A name that could be taken for something else in a log is not used. */
static bool name_is_plain(const char *name)
{
	size_t len = strlen(name);

	for (const char *c = name; *c; c++)
		if (*c <= ' ' || *c >= 0x7f || *c == '"' || *c == '\\')
			return false;
	return len > 0 && len <= LIMIT_ACTOR;
}

static void actor_name(struct actor *actor)
{
	struct passwd pw, *found = NULL;
	char text[4096];

	if (getpwuid_r(actor->uid, &pw, text, sizeof(text), &found) == 0 && found &&
	    name_is_plain(pw.pw_name))
		(void)buf_copy_str(actor->name, sizeof(actor->name), pw.pw_name);
	else
		(void)snprintf(actor->name, sizeof(actor->name), "uid %lu",
			       (unsigned long)actor->uid);
}

bool actor_take(struct request *rq)
{
	const struct admin_conf *conf = &rq->admin->conf;
	struct ucred who = {0};
	int fd = -1;

	if (!peer(rq, &fd, &who)) {
		reply_problem(rq, 403, "forbidden", "the system does not say who asks");
		return false;
	}
	rq->actor.uid = who.uid;
	rq->actor.pid = who.pid;
	actor_name(&rq->actor);
	if (conf->viewers.any && is_viewer(fd, &who, conf->viewers.group)) {
		reply_problem(
			rq, 403, "forbidden",
			"user \"%s\" is in the group of viewers (viewer-group), who may only read",
			rq->actor.name);
		return false;
	}
	return match_take(rq);
}
