/* SPDX-License-Identifier: Apache-2.0
 *
 * The admin API over its real socket, with the real engine and store on files: what comes in
 * is written byte by byte, so that clients that misbehave can be played. The daemon and its
 * client share one thread: whoever waits turns the loop.
 */
#ifndef SUPPORT_ADMIN_FIXTURE_H
#define SUPPORT_ADMIN_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/admin.h"

enum { IMAGE_LIMIT = 1 << 20, ANSWER_CAP = 4 << 20, PATIENCE_MS = 20000 };

struct fixture {
	uv_loop_t loop;
	uv_async_t wake;
	struct store *store;
	struct images *images;
	struct engine *engine;
	struct admin *admin;
	bool stopped;
	char dir[64], db[80], images_dir[80], socket[80];
	char *answer; /* of the last exchange */
};

/* cmocka's set-up and tear-down; *state is a struct fixture. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
void daemon_up(struct fixture *f);
void daemon_down(struct fixture *f);
void turn(struct fixture *f);
/* How many files a folder has; removes them, if asked. */
unsigned files_in(const char *dir, bool remove);

int client_open(struct fixture *f);
/* Writes as much as the daemon takes; how much that was. */
size_t client_send(struct fixture *f, int fd, const void *ptr, size_t len);
/* Reads into f->answer until `until` has come or the daemon closes; true if it has come.
 * NULL: until it closes. */
bool client_read(struct fixture *f, int fd, const char *until);
/* One request on a connection of its own, which it asks to be closed. Returns the status. */
int ask_raw(struct fixture *f, const char *head, const void *body, size_t len);
int ask(struct fixture *f, const char *method, const char *path, const char *json);
int ask_upload(struct fixture *f, const char *version, const void *image, size_t len);
/* Makes the product p. */
void product_p(struct fixture *f);

#define assert_says(f, text) assert_non_null(strstr((f)->answer, text))

struct bad {
	const char *method, *path, *json;
	int status;
	const char *says;
};
/* Each is answered by a problem with that status and those words. */
void assert_bad(struct fixture *f, const struct bad *bad, size_t count);

#define FIXTURE_CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

#endif
