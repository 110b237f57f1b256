#pragma once

/*
 * ServiceJoin: the ways of a peer from one cluster to another, which lead through its start and its end.
 *
 *   start:  no log, and somebody to join ──► ask, for as long as it takes ──► open the cluster as a member
 *           no log, and others to found with ──► ask them whether they have it, for some seconds ──► open
 * it, or join it a log, and somebody to join  ──► open the cluster; it goes to join by itself when it is
 * alone end:    told to leave ──► close ──► put the log aside ──► end, or start again to join
 *
 * Whom to join say the file raft.join (an invitation), --bootstrap, and bootstrap in a service.json of 2017.
 * Where init_peerset names others, all of those found one cluster together, and only an invitation counts. A
 * peer that has lost its disk is one of them again: what it finds out is as good as an invitation.
 */

#include <systemd/sd-event.h>

#include "daemon/arguments.h"
#include "daemon/cluster/cluster.h"
#include "daemon/config/config.h"
#include "daemon/config/identity.h"
#include "daemon/join/founding.h"
#include "daemon/join/request.h"

typedef struct ServiceJoin {
        const Config *config;
        const ConfigIdentity *identity;
        const char *state_folder;
        char *raft_folder;
        StrList own_addresses;
        StrList addresses;   /* whom to join */
        PeerIdList founders; /* this peer and others; or this one alone */
        StrList known;       /* where they are */
        JoinFounding *founding;
        sd_event *event;
        JoinRequest *join;
        Joined joined; /* raft_id 0: it was not asked for */
        bool is_alone; /* it was removed: a cluster that it founds is its own */
        char *words;   /* why it takes long */

        bool is_leaving;
        int leave_status;
        bool is_cancelled; /* whoever stops the service does not want it to start again */
        void (*done)(int r, const Error *error, void *userdata);
        void *userdata;
} ServiceJoin;

/* The --bootstrap of ARGUMENTS. */
int service_join_check(const char *list, Error *reterr);
/* Answers 1 when service_join_start() has to come before the cluster, 0 when not. What is given must
 * outlive.
 */
int service_join_init(
                ServiceJoin *join,
                const Config *config,
                const ConfigIdentity *identity,
                const char *state_folder,
                const char *bootstrap,
                Error *reterr);
void service_join_deinit(ServiceJoin *join);

/* It has to listen while it asks the others of init_peerset. */
bool service_join_founds(const ServiceJoin *join);

/* DONE comes from the loop, with 0 when join->joined is there, or this peer is to found its cluster. FDS:
 * listening for other peers, lent, while service_join_founds(). */
int service_join_start(
                ServiceJoin *join,
                sd_event *event,
                const int *fds,
                size_t n_fds,
                void (*done)(int r, const Error *error, void *userdata),
                void *userdata,
                Error *reterr);
void service_join_stop(ServiceJoin *join);
/* There is a log now: the invitation is used up. */
void service_join_opened(ServiceJoin *join);

/* The cluster was closed, in order; LAST is what it was. Answers the exit status that LEAVE_STATUS leads to.
 */
int service_join_leave(ServiceJoin *join, const ClusterSummary *last);

/* It ends, and service_join_restart() will run the program again: to the service manager it never stops. */
bool service_join_goes_on(const ServiceJoin *join);
/* The process runs its program again, with the same arguments. Answers the exit status when that does not
 * work, or is for systemd to do. */
int service_join_restart(const Arguments *arguments);
