#pragma once

/*
 * Intrusive doubly linked list: the links are a member of the element, so linking never allocates. A head or
 * a link is initialised with list_init(); an initialised link that is in no list is linked to itself.
 */

#include <stdbool.h>

#include "daemon/base/macro.h"

typedef struct List List;

struct List {
        List *next;
        List *previous;
};

static inline void list_init(List *list) {
        list->next = list->previous = list;
}

static inline bool list_is_empty(const List *head) {
        return head->next == head;
}

static inline void list_append(List *head, List *link) {
        link->next = head;
        link->previous = head->previous;
        head->previous->next = link;
        head->previous = link;
}

static inline void list_prepend(List *head, List *link) {
        list_append(head->next, link);
}

static inline void list_remove(List *link) { /* may be called again */
        link->next->previous = link->previous;
        link->previous->next = link->next;
        list_init(link);
}

/* The element that owns the first link, or NULL. */
#define LIST_FIRST(head, type, member)                                                                      \
        (list_is_empty(head) ? NULL : CONTAINER_OF((head)->next, type, member))

/* The body may remove and free the current element, no other. */
#define LIST_FOREACH(i, head, type, member)                                                                 \
        for (type *i = CONTAINER_OF((head)->next, type, member),                                            \
                  *_next_##i = CONTAINER_OF(i->member.next, type, member);                                  \
             &i->member != (head);                                                                          \
             i = _next_##i, _next_##i = CONTAINER_OF(i->member.next, type, member))
