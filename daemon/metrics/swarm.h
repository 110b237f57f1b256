#pragma once

/*
 * MetricsSwarm: connects this peer's Kubo with those of the other peers, so that what is added at one is
 * found by the others without a search in the DHT (ipfs_connector.ipfshttp.connect_swarms_delay; best
 * effort).
 *
 * Where a Kubo is, is told by its peer's ping. Each is connected once, one after the other, some time after
 * it was heard of first, and again when another Kubo takes its place; what fails is tried again after the
 * same time.
 */

#include <systemd/sd-event.h>

#include "daemon/ipfs/ipfs.h"
#include "daemon/types/metric.h"

#define METRICS_SWARM_PEERS_MAX 1024
#define METRICS_SWARM_ADDRESSES_MAX 8 /* tried of one Kubo */

typedef struct MetricsSwarm MetricsSwarm;

int metrics_swarm_new(MetricsSwarm **ret, sd_event *event, Ipfs *ipfs, uint64_t delay_usec);
MetricsSwarm *metrics_swarm_free(MetricsSwarm *swarm);
DEFINE_CLEANUP(MetricsSwarm *, metrics_swarm_free);

/* METRIC is another peer's ping; what is wrong with its value makes it no address. */
void metrics_swarm_hear(MetricsSwarm *swarm, const Metric *metric);
void metrics_swarm_forget(MetricsSwarm *swarm, const PeerId *peer); /* it is no member any more */
