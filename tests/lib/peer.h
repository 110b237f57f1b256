#pragma once

/*
 * Peer: a Cluster in a temporary folder beside a FakeKubo, on one event loop, for tests of what stands on
 * it.
 *
 * Between peer_init() (peer_set_init()) and peer_start() (peer_set_start()) the configuration may be
 * changed. Whoever waits, runs the loop: PEER_UNTIL(), which fails the test after PEER_PATIENCE_USEC.
 */

#include <glib.h>

#include "daemon/cluster/cluster.h"
#include "tests/lib/fake-kubo.h"

#define PEER_PATIENCE_USEC (20 * G_USEC_PER_SEC)

typedef struct Peer {
        char *folder;
        sd_event *event;
        FakeKubo *kubo;
        Config *config;
        ConfigIdentity identity;
        Cluster *cluster;
        unsigned n_ready, n_failed;
        unsigned port; /* for other peers; 0: it is alone */
        int fd;        /* listening there, until it is begun; -1 */
} Peer;

void peer_init(Peer *peer);
void peer_begin(Peer *peer);
void peer_start(Peer *peer); /* the same, until it is ready */
void peer_open(Peer *peer);  /* init and start */
void peer_stop(Peer *peer);  /* in order; peer_start() may follow */
void peer_close(Peer *peer); /* all; the folder is removed */

/* N peers of one cluster, on one loop, each with a Kubo; their names are "peer0" and so on. */
void peer_set_init(Peer *peers, size_t n);
void peer_set_start(Peer *peers, size_t n); /* until all are ready, and all are linked */
/* The same without starting them: until those that were begun are. */
void peer_set_until_linked(Peer *peers, size_t n);
void peer_set_close(Peer *peers, size_t n);

/* One turn of the loop, and no more than some milliseconds. */
void peer_turn(Peer *peer, gint64 deadline);
#define PEER_UNTIL(peer_, condition)                                                                        \
        do {                                                                                                \
                gint64 _deadline = g_get_monotonic_time() + PEER_PATIENCE_USEC;                             \
                                                                                                            \
                while (!(condition))                                                                        \
                        peer_turn((peer_), _deadline);                                                      \
        } while (0)

/* Until there is a usable metric called NAME. */
void peer_until_metric(Peer *peer, const char *name);

/* The CID of number N; always the same. Kubo gives it at once. */
Cid peer_cid(uint64_t n);
char *peer_cid_text(uint64_t n, char text[static CID_TEXT_MAX]);
/* Pin the numbers FIRST to FIRST + N - 1 in bulk, with NAME; until they are in the pinset. */
void peer_fill(Peer *peer, uint64_t first, uint64_t n, const char *name);
