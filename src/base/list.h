/* SPDX-License-Identifier: Apache-2.0
 *
 * Intrusive doubly linked list. A `struct list` is both the head and the link; an
 * initialised link that is in no list may be removed again without harm.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

#define LIST_ENTRY(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

/* Safe against removal of the current element. */
#define LIST_EACH(it, next_it, head)                                                               \
	for (struct list *it = (head)->next, *next_it = it->next; it != (head);                    \
	     it = next_it, next_it = it->next)

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

static inline void list_append(struct list *head, struct list *link)
{
	link->prev = head->prev;
	link->next = head;
	head->prev->next = link;
	head->prev = link;
}

static inline void list_remove(struct list *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	list_init(link);
}

/* The first of a list that is not empty, taken out. */
static inline struct list *list_pop(struct list *head)
{
	struct list *first = head->next;

	head->next = first->next;
	first->next->prev = head;
	list_init(first);
	return first;
}

#endif
