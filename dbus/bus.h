#pragma once

/*
 * Bus: the cluster on D-Bus, org.ipfs.Cluster (names.h; the members: *.xml). A translator as rest/ is: it
 * reads, asks polkit, calls cluster_*(), and answers with dictionaries that have the keys of the JSON.
 *
 * It comes and goes with the bus: when there is none, or it goes away, that is said once, and tried again
 * with back-off. Whatever was under way for its callers is dropped with the connection.
 */

#include <systemd/sd-bus.h>

#include "daemon/cluster/cluster.h"

typedef struct Bus Bus;

typedef struct BusOptions {
        Cluster *cluster;     /* must outlive the bus */
        bool is_user;         /* the session bus, not the system's */
        const char *instance; /* org.ipfs.Cluster.<instance>; NULL: org.ipfs.Cluster */

        /* Read again what can change while the peer runs. NULL: not offered. */
        int (*reload)(void *userdata, Error *reterr);
        /* Open a connection that is ready to be used, in place of that to the bus. NULL: to the bus. */
        int (*connect)(void *userdata, sd_bus **ret);
        void *userdata;
} BusOptions;

/* Connects from the loop. Errors: ERROR_INVALID (the instance), -ENOMEM. */
int bus_new(Bus **ret, sd_event *event, const BusOptions *options, Error *reterr);
Bus *bus_free(Bus *bus);
DEFINE_CLEANUP(Bus *, bus_free);
bool bus_is_idle(const Bus *bus); /* every call was answered */
