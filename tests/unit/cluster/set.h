#pragma once

/* Three peers on one loop, and what their lists say in few words. */

#include "daemon/rpc/rpc.h"
#include "tests/unit/cluster/asked.h"

#define SET_N 3
#define SET_NUMBERS 64 /* items have numbers below */

/* In the third peer's place: it has its identity and its port, and answers as it is told. */
typedef struct Impostor {
        Rpc *rpc;
        const char *method; /* the others are refused; NULL: all are meant */
        const void *answer;
        size_t size;
        bool is_silent;
        unsigned n_asked;
} Impostor;

typedef struct Set {
        Peer peers[SET_N];
        Impostor impostor;
} Set;

extern const FakeAnswer set_refusal; /* of Kubo: "no" */

void set_set_up(Set *set, gconstpointer data);
void set_tear_down(Set *set, gconstpointer data);
void set_set_up_impostor(Set *set, gconstpointer data);
#define SET_TEST(path, function) g_test_add(path, Set, NULL, set_set_up, function, set_tear_down)

#define SET_IMPOSTOR_TEST(path, function)                                                                   \
        g_test_add(path, Set, NULL, set_set_up_impostor, function, set_tear_down)

/* Orderly; until no other one has a link to it. */
void set_stop_third(Set *set);

/* Pin item NUMBER at the peers that AT names by their digits ("02"); "": everywhere. Until all peers have
 * it, and those have pinned it, unless their Kubo was told to do otherwise. */
void set_pin(Set *set, uint64_t number, const char *at);
void set_until_applied(Set *set, uint64_t number);
void set_until_status(
                Set *set, uint64_t number, unsigned peer, PinStatus status); /* as that peer knows it */

/* The items of LIST (taken), in the order of their numbers, as "1 0=pinned 1=remote", with the words of an
 * error in parentheses, a line each; then "error: words". To be freed by g_free(). */
char *set_told(Set *set, ClusterList *list);
void set_assert_told(char *text, const char *expected); /* frees TEXT */
/* How often PART is in TEXT. */
unsigned set_count(const char *text, const char *part);
/* Items 1 everywhere, 2 at peers 0 and 2, 3 at 1, all pinned. */
void set_pin_three(Set *set);
char *set_statuses(Set *set, unsigned peer, PinStatus filter);
/* The same of one item's status; "error: words". */
char *set_status(Set *set, unsigned peer, uint64_t number);
char *set_recover(Set *set, unsigned peer, uint64_t number);
/* Until that peer has compared its Kubo's pins with the pinset. */
void set_until_complete(Set *set, unsigned peer);
