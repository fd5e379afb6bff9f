/* SPDX-License-Identifier: Apache-2.0 */
#include "net/net_pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { THREADS_MAX = 8, NICE = 10 };

struct net_pool {
	uv_async_t async;
	pthread_t threads[THREADS_MAX];
	unsigned count;
	pthread_mutex_t mutex;
	pthread_cond_t work;
	/* under mutex */
	struct list urgent, waiting, finished;
	unsigned waiting_count;
	bool stop;
};

static struct net_task *first(struct list *head)
{
	struct net_task *work;

	if (list_empty(head))
		return NULL;
	work = LIST_ENTRY(head->next, struct net_task, link);
	list_remove(&work->link);
	return work;
}

static void *thread_main(void *arg)
{
	struct net_pool *pool = arg;

	/* of this thread alone, as Linux has it; without it all goes on, less smoothly */
	(void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
	(void)pthread_mutex_lock(&pool->mutex);
	for (;;) {
		struct net_task *work = NULL;

		while (!pool->stop && list_empty(&pool->urgent) && list_empty(&pool->waiting))
			(void)pthread_cond_wait(&pool->work, &pool->mutex);
		if (pool->stop)
			break;
		work = first(&pool->urgent);
		if (!work)
			work = first(&pool->waiting);
		pool->waiting_count--;
		(void)pthread_mutex_unlock(&pool->mutex);
		work->run(work);
		(void)pthread_mutex_lock(&pool->mutex);
		list_append(&pool->finished, &work->link);
		(void)uv_async_send(&pool->async);
	}
	(void)pthread_mutex_unlock(&pool->mutex);
	return NULL;
}

static void deliver(struct net_pool *pool)
{
	for (;;) {
		struct net_task *work;

		(void)pthread_mutex_lock(&pool->mutex);
		work = first(&pool->finished);
		(void)pthread_mutex_unlock(&pool->mutex);
		if (!work)
			return;
		work->done(work);
	}
}

static void on_async(uv_async_t *async)
{
	deliver(async->data);
}

static void threads_end(struct net_pool *pool)
{
	(void)pthread_mutex_lock(&pool->mutex);
	pool->stop = true;
	(void)pthread_cond_broadcast(&pool->work);
	(void)pthread_mutex_unlock(&pool->mutex);
	for (unsigned i = 0; i < pool->count; i++)
		(void)pthread_join(pool->threads[i], NULL);
	pool->count = 0;
}

int net_pool_new(uv_loop_t *loop, unsigned threads, struct net_pool **ret_pool)
{
	struct net_pool *pool = calloc(1, sizeof(*pool));
	sigset_t all, before;

	if (!pool)
		return ERR_NOMEM;
	(void)pthread_mutex_init(&pool->mutex, NULL);
	(void)pthread_cond_init(&pool->work, NULL);
	list_init(&pool->urgent);
	list_init(&pool->waiting);
	list_init(&pool->finished);
	if (uv_async_init(loop, &pool->async, on_async)) {
		net_pool_free(pool);
		return ERR_NOMEM;
	}
	pool->async.data = pool;
	(void)sigfillset(&all); /* signals are the loop's */
	(void)pthread_sigmask(SIG_BLOCK, &all, &before);
	for (unsigned i = 0; i < threads && i < THREADS_MAX; i++)
		if (pthread_create(&pool->threads[pool->count], NULL, thread_main, pool) == 0)
			pool->count++;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	*ret_pool = pool; /* with too few threads, or none, it is only slow */
	return 0;
}

void net_pool_submit(struct net_pool *pool, struct net_task *work, bool urgent)
{
	if (pool->count == 0) {
		work->run(work);
		(void)pthread_mutex_lock(&pool->mutex);
		list_append(&pool->finished, &work->link);
		(void)pthread_mutex_unlock(&pool->mutex);
		(void)uv_async_send(&pool->async);
		return;
	}
	(void)pthread_mutex_lock(&pool->mutex);
	list_append(urgent ? &pool->urgent : &pool->waiting, &work->link);
	pool->waiting_count++;
	(void)pthread_cond_signal(&pool->work);
	(void)pthread_mutex_unlock(&pool->mutex);
}

unsigned net_pool_waiting(struct net_pool *pool)
{
	unsigned count;

	(void)pthread_mutex_lock(&pool->mutex);
	count = pool->waiting_count;
	(void)pthread_mutex_unlock(&pool->mutex);
	return count;
}

void net_pool_stop(struct net_pool *pool, uv_close_cb closed, void *data)
{
	struct net_task *work;

	threads_end(pool);
	deliver(pool);
	while ((work = first(&pool->urgent)) || (work = first(&pool->waiting)))
		work->done(work);
	pool->async.data = data;
	uv_close((uv_handle_t *)&pool->async, closed);
}

void net_pool_free(struct net_pool *pool)
{
	if (!pool)
		return;
	(void)pthread_cond_destroy(&pool->work);
	(void)pthread_mutex_destroy(&pool->mutex);
	free(pool);
}
