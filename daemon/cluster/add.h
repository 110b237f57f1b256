#pragma once

/*
 * ClusterAdd: content that is added to the Kubo of this peer, and then pinned by the cluster. The body of
 * the request is fed as it arrives, and what it becomes is told line by line meanwhile (adder/adder.h).
 * Peers that are to pin it get it from this Kubo, by the exchange between Kubos.
 *
 * Only when the body came whole and Kubo took it whole, its roots are pinned, each with the options that
 * were given; DONE tells that they are in the pinset. Dropping it before that pins nothing.
 *
 * Handlers come from the loop, never from inside a call, and may drop the object.
 */

#include "daemon/cluster/cluster.h"
#include "daemon/types/add-options.h"
#include "daemon/types/added.h"

#define CLUSTER_ADDS_MAX 32 /* under way: each has a connection to Kubo of its own, and some 200 KiB */

typedef struct ClusterAdd ClusterAdd;

typedef struct ClusterAddInput {
        const AddOptions *options; /* copied, as PIN: the options of the pins */
        const Pin *pin;
        const char *content_type; /* of the body; NULL: none */
} ClusterAddInput;

typedef struct ClusterAddEvents {
        void (*wanted)(void *userdata); /* cluster_add_feed() takes again */
        /* A line, borrowed. Answers 0, or 1: no more until cluster_add_resume(). */
        int (*added)(const Added *added, void *userdata);
        void (*done)(int r, const Error *error, void *userdata);
} ClusterAddEvents;

/* What only the cluster refuses (too few peers, an expiry in the past) is told by DONE, once something has
 * come. Errors: ERROR_INVALID (no form), ERROR_UNSUPPORTED (sharding), ERROR_BUSY, ERROR_REFUSED (a
 * follower). */
int cluster_add_new(
                Cluster *cluster,
                ClusterAdd **ret,
                const ClusterAddInput *input,
                const ClusterAddEvents *events,
                void *userdata,
                Error *reterr);
ClusterAdd *cluster_add_free(ClusterAdd *add);
DEFINE_CLEANUP(ClusterAdd *, cluster_add_free);

/* Answers how many of the N bytes were taken; fewer: wait for WANTED. */
size_t cluster_add_feed(ClusterAdd *add, const char *data, size_t n);
void cluster_add_finish(ClusterAdd *add); /* the body has ended */
void cluster_add_resume(ClusterAdd *add);
/* Something has come that can be added; DONE before that is about the request itself. */
bool cluster_add_has_begun(const ClusterAdd *add);
