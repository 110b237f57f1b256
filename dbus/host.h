#pragma once

/* What the bus tells of this host (host.c): that it goes down, that Kubo's unit is stopped or started. */

#include "daemon/cluster/host.h"
#include "dbus/bus.h"

#define BUS_HOST_HAND_OVER_USEC (3 * USEC_PER_SEC) /* below InhibitDelayMaxSec=, which is 5 s */

typedef struct BusHost {
        int lock_fd;              /* delays a shutdown while it is open; -1: there is none */
        ClusterWatch watch;       /* of the leader, while the host goes down */
        sd_event_source *release; /* the latest time to let it go down */
        bool is_going_down;
        ClusterIpfsUnit ipfs;   /* as the cluster was told */
        char *logind, *systemd; /* their unique names: anybody may send us a signal that looks like theirs */
} BusHost;

void bus_host_init(Bus *bus);
int bus_host_add(Bus *bus); /* on a new connection */
void bus_host_disconnect(Bus *bus);
void bus_host_deinit(Bus *bus);
