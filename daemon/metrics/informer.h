#pragma once

/*
 * MetricsInformer: produces this peer's own metrics, each every half of its time to live (every quarter
 * after a failure): ping, freespace or reposize, numpin, pinqueue, tag:<name>.
 *
 * The values that others know are asked by callbacks; the disk metric is asked of Kubo. A metric that cannot
 * be had is not published: the last one stands until it expires, which is an alert.
 */

#include <systemd/sd-event.h>

#include "daemon/ipfs/ipfs.h"
#include "daemon/types/metric.h"

typedef struct MetricsInformer MetricsInformer;

typedef struct MetricsInformerOptions {
        PeerId self;
        const char *peername;
        Ipfs *ipfs;
        uint64_t ping_interval_usec;  /* time to live is twice that */
        uint64_t disk_ttl_usec;       /* 0: off */
        bool disk_reposize;           /* else freespace */
        uint64_t pinqueue_ttl_usec;   /* 0: off */
        int64_t pinqueue_bucket_size; /* weight = -(queued / bucket); 0: the number itself */
        uint64_t tags_ttl_usec;       /* 0: off */
        const StrMap *tags;
        uint64_t numpin_ttl_usec; /* 0: off */
        uint64_t (*count_pins)(void *userdata);
        uint64_t (*count_queued)(void *userdata);
        void (*publish)(const Metric *metric, void *userdata); /* from the loop; METRIC is borrowed */
        void *userdata;
} MetricsInformerOptions;

int metrics_informer_new(MetricsInformer **ret, sd_event *event, const MetricsInformerOptions *options);
MetricsInformer *metrics_informer_free(MetricsInformer *informer);
DEFINE_CLEANUP(MetricsInformer *, metrics_informer_free);

int metrics_informer_start(MetricsInformer *informer); /* all at once, then by their times */
void metrics_informer_trigger(
                MetricsInformer *informer); /* publish everything again now (informer_trigger_interval) */
