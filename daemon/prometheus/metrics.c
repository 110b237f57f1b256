#include "daemon/prometheus/metrics.h"

#include <string.h>

#include "daemon/prometheus/text.h"
#include "daemon/types/version.h"

typedef enum Kind {
        KIND_UINT,
        KIND_SIZE,
        KIND_BOOL,
} Kind;

typedef struct Row {
        const char *name, *help;
        PrometheusType type;
        Kind kind;
        size_t offset;
} Row;

#define ROW(name_, type_, kind_, member, help_)                                                             \
        {                                                                                                   \
                .name = "ipfscluster_" name_, .help = help_, .type = PROMETHEUS_##type_,                    \
                .kind = KIND_##kind_, .offset = offsetof(ClusterCounters, member)                           \
        }

/* One number each, sorted by name. */
static const Row rows[] = {
        ROW("alerts", GAUGE, SIZE, n_alerts, "Alerts about metrics that expired"),
        ROW("calls", GAUGE, SIZE, n_calls, "Requests of clients under way that wait for something"),
        ROW("commit_failures_total", COUNTER, UINT, n_commit_failures, "Changes of the pinset that failed"),
        ROW("imports", GAUGE, SIZE, n_imports, "Imports of pins under way"),
        ROW("kubo_up", GAUGE, BOOL, summary.ipfs_is_reachable, "Whether the IPFS daemon answers"),
        ROW("lists", GAUGE, SIZE, n_lists, "Lists that are being told to clients"),
        ROW("peers", GAUGE, SIZE, summary.n_peers, "Members of the cluster"),
        ROW("pins", GAUGE, UINT, summary.n_pins, "Total number of cluster pins"),
        ROW("pins_complete",
            GAUGE,
            BOOL,
            summary.is_complete,
            "Whether all pins were compared with those of IPFS since an unclean stop"),
        ROW("pins_pin_error", GAUGE, UINT, n_pin_error, "Current number of pins in pin_error state"),
        ROW("pins_pin_queued", GAUGE, UINT, n_pin_queued, "Current number of pins queued for pinning"),
        ROW("pins_pinning", GAUGE, UINT, n_pinning, "Current number of pins currently pinning"),
        ROW("pins_unexpectedly_unpinned",
            GAUGE,
            UINT,
            n_unexpected,
            "Current number of pins that were unpinned behind the back of the peer"),
        ROW("pins_unpin_error", GAUGE, UINT, n_unpin_error, "Current number of pins in unpin_error state"),
        ROW("pins_unpin_queued", GAUGE, UINT, n_unpin_queued, "Current number of pins queued for unpinning"),
        ROW("pins_unpinning", GAUGE, UINT, n_unpinning, "Current number of pins currently unpinning"),
        ROW("raft_applied_index",
            GAUGE,
            UINT,
            summary.applied_index,
            "Index of the log up to which the pinset shows everything"),
        ROW("raft_commit_index", GAUGE, UINT, commit_index, "Index up to which the log is committed"),
        ROW("raft_last_index", GAUGE, UINT, last_index, "Index of the last entry of the log"),
        ROW("raft_leader", GAUGE, BOOL, summary.is_leader, "Whether this peer leads"),
        ROW("raft_pending", GAUGE, UINT, n_pending, "Changes of the pinset on their way through the log"),
        ROW("raft_snapshot_index", GAUGE, UINT, snapshot_index, "Index of the last snapshot"),
        ROW("raft_term", GAUGE, UINT, term, "Term of the log: it grows with each election"),
        ROW("ready", GAUGE, BOOL, summary.is_ready, "Whether the peer serves, and IPFS has answered once"),
};

static void write_row(const Row *row, const ClusterCounters *counters, Str *to) {
        const void *member = (const char *) counters + row->offset;
        uint64_t value = 0;

        switch (row->kind) {
        case KIND_UINT:
                value = *(const uint64_t *) member;
                break;
        case KIND_SIZE:
                value = *(const size_t *) member;
                break;
        case KIND_BOOL:
                value = *(const bool *) member;
                break;
        }
        prometheus_text_family(to, row->name, row->type, row->help);
        prometheus_text_uint(to, row->name, NULL, value);
}

/* ---- of the Go program, which counts requests itself */

static const ClusterKuboCounter *find_command(const ClusterCounters *counters, const char *command) {
        static const ClusterKuboCounter never;

        for (size_t i = 0; i < counters->n_kubo; i++)
                if (strcmp(counters->kubo[i].command, command) == 0)
                        return &counters->kubo[i];
        return &never;
}

static void write_commands(const ClusterCounters *counters, Str *to) {
        static const struct {
                const char *command, *requests, *requests_help, *errors, *errors_help;
        } commands[] = {
                { "block/put",
                  "ipfscluster_blocks_put",
                  "Total number of blocks/put requests (content is added by IPFS's own add)",
                  "ipfscluster_blocks_put_errors",
                  "Total number of block/put errors" },
                { "pin/add",
                  "ipfscluster_pins_pin_add",
                  "Total number of IPFS pin requests",
                  "ipfscluster_pins_pin_add_errors",
                  "Total number of failed pin requests" },
        };

        for (size_t i = 0; i < ELEMENTSOF(commands); i++) {
                const ClusterKuboCounter *counter = find_command(counters, commands[i].command);

                prometheus_text_family(
                                to, commands[i].requests, PROMETHEUS_COUNTER, commands[i].requests_help);
                prometheus_text_uint(to, commands[i].requests, NULL, histogram_count(&counter->latency));
                prometheus_text_family(to, commands[i].errors, PROMETHEUS_COUNTER, commands[i].errors_help);
                prometheus_text_uint(to, commands[i].errors, NULL, counter->n_failures);
        }
}

static void write_disk(const ClusterCounters *counters, Str *to) {
        static const char name[] = "ipfscluster_informer_disk";

        if (!counters->has_disk)
                return;
        prometheus_text_family(
                        to, name, PROMETHEUS_GAUGE, "The metric value weight issued by disk informer");
        prometheus_text_int(to, name, NULL, counters->disk_weight);
}

/* ---- with labels */

static void write_kubo(const ClusterCounters *counters, Str *to) {
        static const char duration[] = "ipfscluster_kubo_request_duration_seconds";
        static const char failures[] = "ipfscluster_kubo_request_failures_total";
        Str labels = {};

        prometheus_text_family(to, duration, PROMETHEUS_HISTOGRAM, "How long requests to IPFS took");
        for (size_t i = 0; i < counters->n_kubo; i++) {
                str_reset(&labels);
                prometheus_text_label(&labels, "command", counters->kubo[i].command);
                prometheus_text_histogram(to, duration, labels.data, &counters->kubo[i].latency);
        }
        prometheus_text_family(
                        to, failures, PROMETHEUS_COUNTER, "Requests that IPFS refused, or did not answer");
        for (size_t i = 0; i < counters->n_kubo; i++) {
                str_reset(&labels);
                prometheus_text_label(&labels, "command", counters->kubo[i].command);
                prometheus_text_uint(to, failures, labels.data, counters->kubo[i].n_failures);
        }
        to->failed = to->failed || labels.failed;
        str_done(&labels);
}

static void write_ages(const ClusterCounters *counters, uint64_t now_usec, Str *to) {
        static const char name[] = "ipfscluster_queue_age_seconds";
        const struct {
                const char *labels;
                uint64_t since;
        } queues[] = {
                { "queue=\"pin\"", counters->oldest_pin_usec },
                { "queue=\"unpin\"", counters->oldest_unpin_usec },
        };

        prometheus_text_family(
                        to,
                        name,
                        PROMETHEUS_GAUGE,
                        "How long the front of the queue has waited; 0: nothing waits");
        for (size_t i = 0; i < ELEMENTSOF(queues); i++) {
                bool waits = queues[i].since > 0 && queues[i].since < now_usec;

                prometheus_text_seconds(to, name, queues[i].labels, waits ? now_usec - queues[i].since : 0);
        }
}

static void write_role(const ClusterCounters *counters, Str *to) {
        static const char name[] = "ipfscluster_raft_role";
        static const char *const labels[_CLUSTER_ROLE_N] = {
                [CLUSTER_ROLE_NONE] = "role=\"none\"",
                [CLUSTER_ROLE_VOTER] = "role=\"voter\"",
                [CLUSTER_ROLE_STANDBY] = "role=\"standby\"",
                [CLUSTER_ROLE_SPARE] = "role=\"spare\"",
        };

        prometheus_text_family(to, name, PROMETHEUS_GAUGE, "1 for the role that this peer has in the log");
        for (unsigned i = 0; i < _CLUSTER_ROLE_N; i++)
                prometheus_text_uint(to, name, labels[i], counters->role == i);
}

static void write_links(const ClusterCounters *counters, Str *to) {
        static const char name[] = "ipfscluster_peer_up";
        Str labels = {};

        prometheus_text_family(
                        to, name, PROMETHEUS_GAUGE, "Whether there is a link to a member of the cluster");
        for (size_t i = 0; i < counters->n_members; i++) {
                const ClusterMember *member = &counters->members[i];
                char id[PEER_ID_TEXT_MAX];

                if (peer_id_equal(&member->id, &counters->self))
                        continue;
                str_reset(&labels);
                prometheus_text_label(&labels, "peer", peer_id_format(&member->id, id));
                prometheus_text_label(&labels, "peername", member->name);
                prometheus_text_uint(to, name, labels.data, member->is_up);
        }
        to->failed = to->failed || labels.failed;
        str_done(&labels);
}

static void write_build(Str *to) {
        static const char name[] = "ipfscluster_build_info";

        prometheus_text_family(to, name, PROMETHEUS_GAUGE, "1, with the version of the API that is spoken");
        prometheus_text_uint(to, name, "version=\"" VERSION_API "\"", 1);
}

int prometheus_metrics_write(const ClusterCounters *counters, uint64_t now_usec, Str *to) {
        static const char commits[] = "ipfscluster_commit_duration_seconds";

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                write_row(&rows[i], counters, to);
        write_commands(counters, to);
        write_disk(counters, to);
        prometheus_text_family(
                        to,
                        commits,
                        PROMETHEUS_HISTOGRAM,
                        "How long changes of the pinset took until they were durable and shown here");
        prometheus_text_histogram(to, commits, NULL, &counters->commits);
        write_kubo(counters, to);
        write_ages(counters, now_usec, to);
        write_role(counters, to);
        write_links(counters, to);
        write_build(to);
        return str_error(to);
}
