#pragma once

/* Questions to a cluster, and what was answered: the handlers keep it as JSON. */

#include "daemon/cluster/repo.h"
#include "tests/lib/peer.h"

typedef struct Asked {
        ClusterCall *call;
        unsigned n; /* answers */
        int r;
        ErrorCode code;
        char *words;
        char *json; /* NULL on failure */
} Asked;

void asked_on_pin(ClusterCall *call, int r, const Error *error, const Pin *pin, void *userdata);
void asked_on_status(
                ClusterCall *call, int r, const Error *error, const GlobalPinInfo *info, void *userdata);
void asked_on_peer(ClusterCall *call, int r, const Error *error, const PeerInfo *peer, void *userdata);
void asked_on_graph(ClusterCall *call, int r, const Error *error, const ConnectGraph *graph, void *userdata);
void asked_on_gc(ClusterCall *call, int r, const Error *error, const GlobalRepoGc *gc, void *userdata);

void asked_on_repo(ClusterCall *call, int r, const Error *error, const ClusterRepo *repo, void *userdata);

void asked_done(Asked *asked); /* drops the call, too */
void asked_wait(Peer *peer, Asked *asked);
/* Pin number N; wait for the answer and drop it. */
void asked_pin(Peer *peer, uint64_t n, const Pin *options);
/* Pin options for tests: everywhere, recursive. */
Pin asked_pin_of(uint64_t n);

/* The status of number N as text; to be freed. */
char *asked_status(Peer *peer, uint64_t n);
/* All items of LIST (taken), a line each, then "error: <words>" when it failed; to be freed. */
char *asked_list(Peer *peer, ClusterList *list);

#define asked_has(text, part) (strstr((text), (part)) != NULL)
#define asked_assert_has(text, part)                                                                        \
        do {                                                                                                \
                if (!strstr((text), (part)))                                                                \
                        g_error("'%s' is not in '%s'", (part), (text));                                     \
        } while (0)
