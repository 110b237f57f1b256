#include "daemon/metrics/swarm.h"

#include <string.h>

#include "daemon/base/list.h"
#include "daemon/base/log.h"
#include "daemon/metrics/ping.h"
#include "daemon/types/multiaddr.h"

typedef struct SwarmPeer {
        List link;
        PeerId peer;
        PeerId ipfs;
        StrList addresses;
        size_t next_address; /* to be tried in this turn */
        bool is_connected, is_given_up;
} SwarmPeer;

struct MetricsSwarm {
        sd_event *event;
        Ipfs *ipfs;
        uint64_t delay_usec;
        sd_event_source *timer;
        List peers;
        size_t n_peers;

        /* under way */
        IpfsCall *call;
        PeerId at;
};

static SwarmPeer *find(MetricsSwarm *swarm, const PeerId *peer) {
        LIST_FOREACH (entry, &swarm->peers, SwarmPeer, link)
                if (peer_id_equal(&entry->peer, peer))
                        return entry;
        return NULL;
}

static void peer_free(MetricsSwarm *swarm, SwarmPeer *entry) {
        list_remove(&entry->link);
        swarm->n_peers--;
        str_list_done(&entry->addresses);
        free(entry);
}

static void plan(MetricsSwarm *swarm) {
        int enabled = SD_EVENT_OFF;

        if (swarm->call || sd_event_source_get_enabled(swarm->timer, &enabled) < 0 ||
            enabled != SD_EVENT_OFF)
                return;
        (void) sd_event_source_set_time_relative(swarm->timer, swarm->delay_usec);
        (void) sd_event_source_set_enabled(swarm->timer, SD_EVENT_ONESHOT);
}

/* ---- connecting */

/* Answers whether a call is under way. */
static bool try_address(MetricsSwarm *swarm, SwarmPeer *entry);

/* The first who is not connected, and was not given up in this turn. */
static void connect_next(MetricsSwarm *swarm) {
        bool is_left = false;

        LIST_FOREACH (entry, &swarm->peers, SwarmPeer, link) {
                if (!entry->is_connected && !entry->is_given_up && try_address(swarm, entry))
                        return;
                is_left |= !entry->is_connected;
        }
        if (is_left)
                plan(swarm);
}

static void on_connected(IpfsCall *call _unused_, int r, const Error *error, void *userdata) {
        MetricsSwarm *swarm = userdata;
        SwarmPeer *entry = find(swarm, &swarm->at);
        char text[PEER_ID_TEXT_MAX];

        if (r < 0)
                log_debug("Kubo cannot reach that of peer %s: %s",
                          peer_id_format(&swarm->at, text),
                          error_message(error));
        swarm->call = ipfs_call_unref(swarm->call);
        if (entry && r >= 0)
                entry->is_connected = true;
        else if (entry)
                entry->next_address++;
        connect_next(swarm);
}

static bool try_address(MetricsSwarm *swarm, SwarmPeer *entry) {
        for (; entry->next_address < MIN(entry->addresses.n, (size_t) METRICS_SWARM_ADDRESSES_MAX);
             entry->next_address++) {
                _cleanup_free_ char *address = NULL;

                if (multiaddr_with_peer_id(
                                    entry->addresses.items[entry->next_address], &entry->ipfs, &address) < 0)
                        continue;
                swarm->at = entry->peer;
                if (ipfs_swarm_connect(swarm->ipfs, &swarm->call, address, on_connected, swarm) >= 0)
                        return true;
        }
        entry->is_given_up = true;
        return false;
}

static int on_timer(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        MetricsSwarm *swarm = userdata;

        LIST_FOREACH (entry, &swarm->peers, SwarmPeer, link) {
                entry->is_given_up = false;
                entry->next_address = 0;
        }
        connect_next(swarm);
        return 0;
}

/* ---- hearing */

static int take(SwarmPeer *entry, MetricsPing *ping) {
        bool is_same = peer_id_equal(&entry->ipfs, &ping->ipfs_id);
        StrList addresses = { .is_set = true };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < MIN(ping->ipfs_addresses.n, (size_t) METRICS_SWARM_ADDRESSES_MAX);
             i++) {
                char *address;

                if (multiaddr_parse(ping->ipfs_addresses.items[i], &address, NULL) == 0)
                        r = str_list_append_take(&addresses, address);
        }
        if (r < 0) {
                str_list_done(&addresses);
                return r;
        }
        entry->is_connected &= is_same;
        entry->ipfs = ping->ipfs_id;
        str_list_done(&entry->addresses);
        entry->addresses = addresses;
        return 0;
}

static SwarmPeer *get(MetricsSwarm *swarm, const PeerId *peer) {
        SwarmPeer *entry = find(swarm, peer);

        if (entry || swarm->n_peers >= METRICS_SWARM_PEERS_MAX)
                return entry;
        entry = calloc(1, sizeof(*entry));
        if (!entry)
                return NULL;
        entry->peer = *peer;
        list_append(&swarm->peers, &entry->link);
        swarm->n_peers++;
        return entry;
}

void metrics_swarm_hear(MetricsSwarm *swarm, const Metric *metric) {
        MetricsPing ping = {};
        SwarmPeer *entry;

        if (swarm->delay_usec == 0 || !metric->value ||
            json_read_text(&metrics_ping_shape, metric->value, strlen(metric->value), &ping, NULL) < 0)
                return;
        if (peer_id_is_set(&ping.ipfs_id) && ping.ipfs_addresses.n > 0 &&
            (entry = get(swarm, &metric->peer)) && take(entry, &ping) >= 0 && !entry->is_connected)
                plan(swarm);
        json_done(&metrics_ping_shape, &ping);
}

void metrics_swarm_forget(MetricsSwarm *swarm, const PeerId *peer) {
        SwarmPeer *entry = find(swarm, peer);

        if (entry)
                peer_free(swarm, entry);
}

/* ---- life */

int metrics_swarm_new(MetricsSwarm **ret, sd_event *event, Ipfs *ipfs, uint64_t delay_usec) {
        _cleanup_(metrics_swarm_freep) MetricsSwarm *swarm = NULL;
        int r;

        swarm = calloc(1, sizeof(*swarm));
        if (!swarm)
                return -ENOMEM;
        *swarm = (MetricsSwarm){ .event = sd_event_ref(event), .ipfs = ipfs, .delay_usec = delay_usec };
        list_init(&swarm->peers);
        r = sd_event_add_time(event, &swarm->timer, CLOCK_MONOTONIC, 0, 0, on_timer, swarm);
        if (r >= 0)
                r = sd_event_source_set_enabled(swarm->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(swarm);
        return 0;
}

MetricsSwarm *metrics_swarm_free(MetricsSwarm *swarm) {
        if (!swarm)
                return NULL;
        ipfs_call_unref(swarm->call);
        sd_event_source_disable_unref(swarm->timer);
        LIST_FOREACH (entry, &swarm->peers, SwarmPeer, link)
                peer_free(swarm, entry);
        sd_event_unref(swarm->event);
        free(swarm);
        return NULL;
}
