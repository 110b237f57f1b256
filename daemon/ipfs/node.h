#pragma once

/* Ipfs inside: where Kubo is, how it is spoken to, and whether it answers. */

#include "daemon/base/list.h"
#include "daemon/ipfs/ipfs.h"

#define IPFS_PROBE_MIN USEC_PER_SEC
#define IPFS_PROBE_MAX (30 * USEC_PER_SEC)

struct Ipfs {
        sd_event *event;
        HttpClient *client, *work;
        char *url;       /* http://host:port/api/v0/ */
        char *unix_path; /* NULL: TCP */
        char *header;    /* "Authorization: Bearer …", or NULL */
        char *userpwd;   /* Basic, or NULL */
        uint64_t request_timeout_usec, pin_timeout_usec, unpin_timeout_usec, repo_gc_timeout_usec;
        bool unpin_disable;
        void (*reachable_changed)(bool reachable, void *userdata);
        void *userdata;

        List calls;
        bool reachable, is_changing;
        uint64_t changed_usec; /* CLOCK_MONOTONIC: what began before was asked of a Kubo that has ended since
                                */
        IpfsId last_id;
        uint64_t n_failures, n_failures_told;
        IpfsCounters counters;
        uint64_t probe_usec; /* the present distance of probes */
        sd_event_source *probe_timer;
        IpfsCall *probe;
};

/* A request came to an end at Kubo (whatever it said), or never got there. */
void ipfs_node_heard(Ipfs *ipfs);
void ipfs_node_lost(Ipfs *ipfs, const Error *error);
