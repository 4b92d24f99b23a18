/* SPDX-License-Identifier: MIT */
/* Intrusive doubly linked list. A node is in at most one list; list_remove of an unlinked node does
 * nothing. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/memory.h"

struct list {
	struct list *previous, *next;
};

static inline void list_init(struct list *node)
{
	node->previous = node->next = node;
}

static inline bool list_is_empty(const struct list *head)
{
	return head->next == head || !head->next;
}

static inline void list_append(struct list *head, struct list *node)
{
	node->previous = head->previous;
	node->next = head;
	head->previous->next = node;
	head->previous = node;
}

static inline void list_remove(struct list *node)
{
	if (!node->next)
		return;
	node->previous->next = node->next;
	node->next->previous = node->previous;
	list_init(node);
}

#define list_entry(node, type, member) container_of(node, type, member)
#define list_for_each(node, head) \
	for (struct list *node = (head)->next; node != (head); node = node->next)
/* The present node may be removed (and freed) in the body. */
#define list_for_each_safe(node, head)                                                    \
	for (struct list *node = (head)->next, *node##_next = node->next; node != (head); \
	     node = node##_next, node##_next = node->next)

#endif
