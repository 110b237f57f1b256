#include <string.h>

#include "daemon/base/time.h"
#include "daemon/peers/internal.h"

#define NSEC_PER_USEC 1000
#define METRIC_TTL_MAX (INT64_C(24) * 3600 * 1000 * 1000 * 1000) /* nanoseconds */
#define METRIC_NAME_MAX 128
#define METRIC_VALUE_MAX (16 * 1024)

static int64_t now_nsec(void) {
        return (int64_t) time_now() * NSEC_PER_USEC;
}

/* ---- out */

static int metric_note(Peers *peers, const Metric *metric, Str *to) {
        Metric left = *metric; /* borrows */
        int r;

        left.expire_nsec = MAX(metric->expire_nsec - now_nsec(), INT64_C(0));
        r = peers_note_begin(to, PEERS_NOTE_METRICS, consensus_cluster_id(peers->consensus));
        return r < 0 ? r : json_write(&metric_shape, &left, to);
}

void peers_publish(Peers *peers, const Metric *metric, const PeerId *to) {
        const ConsensusMembers *members;
        _cleanup_(str_done) Str note = {};

        if (!peers->consensus)
                return;
        members = consensus_member_table(peers->consensus);
        if (members->n < 2 || metric_note(peers, metric, &note) < 0)
                return;
        for (size_t i = 0; i < members->n; i++)
                if (!peer_id_equal(&members->items[i].peer, &peers->self) &&
                    (!to || peer_id_equal(&members->items[i].peer, to)))
                        (void) rpc_note(peers->rpc, &members->items[i].peer, note.data, note.len);
}

/* ---- in */

static const char *metric_problem(const Metric *metric, const PeerId *from) {
        if (!peer_id_equal(&metric->peer, from))
                return "a metric of another peer";
        if (str_is_empty(metric->name) || strlen(metric->name) > METRIC_NAME_MAX)
                return "a metric without a name, or with one that is too long";
        if (metric->value && strlen(metric->value) > METRIC_VALUE_MAX)
                return "a metric whose value is too long";
        return NULL;
}

/* Clocks differ between hosts: what is left counts, from now on. */
void peers_metrics_receive(Peers *peers, const PeerId *from, const void *bytes, size_t size) {
        const char *problem;
        Metric metric = {};

        if (json_read_text(&metric_shape, bytes, size, &metric, NULL) < 0)
                problem = "a metric that cannot be read";
        else
                problem = metric_problem(&metric, from);
        if (problem)
                peers_refuse(peers, from, problem);
        else {
                metric.received_at_nsec = now_nsec();
                metric.expire_nsec = metric.received_at_nsec +
                                     MIN(MAX(metric.expire_nsec, INT64_C(0)), METRIC_TTL_MAX);
                peers->options.events->metric(&metric, peers->options.userdata);
        }
        metric_done(&metric);
}
