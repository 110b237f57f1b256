#include <glib.h>
#include <string.h>

#include "daemon/prometheus/metrics.h"
#include "tests/lib/fault.h"

#define NOW (1000 * USEC_PER_SEC)

static PeerId peer_of(const char *text) {
        PeerId id;

        g_assert_cmpint(peer_id_parse(text, &id), ==, 0);
        return id;
}

static ClusterMember members[2];
static ClusterCounters counters = {
        .summary = { .is_ready = true, .n_peers = 2, .n_pins = 12345678901, .applied_index = 7 },
        .n_pin_queued = 3,
        .n_unpinning = 1,
        .oldest_pin_usec = NOW - 1500000,
        .oldest_unpin_usec = NOW + 5, /* the clock was set back */
        .role = CLUSTER_ROLE_STANDBY,
        .term = 9,
        .has_disk = true,
        .disk_weight = -5,
        .n_commit_failures = 4,
        .kubo = { { .command = "pin/add", .latency.counts = { 2, 3 }, .n_failures = 1 } },
        .n_kubo = 1,
        .members = members,
        .n_members = 2,
};

static void test_samples(void) {
        static const char *const lines[] = {
                "ipfscluster_ready 1",
                "ipfscluster_kubo_up 0",
                "ipfscluster_peers 2",
                "ipfscluster_pins 12345678901",
                "ipfscluster_pins_pin_queued 3",
                "ipfscluster_pins_pinning 0",
                "ipfscluster_pins_unpinning 1",
                "ipfscluster_raft_applied_index 7",
                "ipfscluster_raft_term 9",
                "ipfscluster_raft_role{role=\"standby\"} 1",
                "ipfscluster_raft_role{role=\"voter\"} 0",
                "ipfscluster_commit_failures_total 4",
                "ipfscluster_pins_pin_add 5",
                "ipfscluster_pins_pin_add_errors 1",
                "ipfscluster_blocks_put 0",
                "ipfscluster_informer_disk -5",
                "ipfscluster_kubo_request_duration_seconds_count{command=\"pin/add\"} 5",
                "ipfscluster_kubo_request_failures_total{command=\"pin/add\"} 1",
                "ipfscluster_queue_age_seconds{queue=\"pin\"} 1.500000",
                "ipfscluster_queue_age_seconds{queue=\"unpin\"} 0.000000",
                "ipfscluster_peer_up{peer=\"QmUZ13osndQ5uL4tPWHXe3iBgBgq9gfewcBMSCAuMBsDJ6\",peername=\"o\\\"ther\"} 1",
                "ipfscluster_build_info{version=\"1.1.6\"} 1",
        };
        Str text = {};

        g_assert_cmpint(prometheus_metrics_write(&counters, NOW, &text), ==, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
                g_autofree char *line = g_strdup_printf("\n%s\n", lines[i]);

                if (!strstr(text.data, line))
                        g_error("%s: %s", lines[i], text.data);
        }
        g_assert_null(strstr(text.data, "QmXZrtE5jQwXNqCJMfHUTQkvhQ4ZAnqMnmzFMJfLewuabc")); /* itself */
        str_done(&text);
}

/* Each family is told once, with a head, and its samples right behind. */
static void test_form(void) {
        g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_autofree char *family = g_strdup("");
        g_auto(GStrv) lines = NULL;
        Str text = {};

        g_assert_cmpint(prometheus_metrics_write(&counters, NOW, &text), ==, 0);
        lines = g_strsplit(text.data, "\n", -1);
        for (char **line = lines; **line; line++) {
                g_auto(GStrv) words = g_strsplit_set(*line, " {", 4);

                if (g_str_has_prefix(*line, "# HELP ")) {
                        g_free(family);
                        family = g_strdup(words[2]);
                        g_assert_true(g_hash_table_add(seen, g_strdup(family)));
                } else if (g_str_has_prefix(*line, "# TYPE "))
                        g_assert_cmpstr(words[2], ==, family);
                else if (!g_str_has_prefix(words[0], family))
                        g_error("%s within %s", *line, family);
        }
        str_done(&text);
}

static void test_no_disk_metric(void) {
        ClusterCounters without = counters;
        Str text = {};

        without.has_disk = false;
        g_assert_cmpint(prometheus_metrics_write(&without, NOW, &text), ==, 0);
        g_assert_null(strstr(text.data, "informer_disk"));
        str_done(&text);
}

static void test_out_of_memory(void) {
        FOREACH_FAULT {
                Str text = {};
                int r = prometheus_metrics_write(&counters, NOW, &text);

                g_assert_cmpint(r == 0 || r == -ENOMEM, ==, true);
                g_assert_cmpint(r < 0 || strstr(text.data, "build_info"), ==, true);
                str_done(&text);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        counters.self = peer_of("QmXZrtE5jQwXNqCJMfHUTQkvhQ4ZAnqMnmzFMJfLewuabc");
        members[0] = (ClusterMember){ .id = counters.self, .name = (char *) "self", .is_up = true };
        members[1] = (ClusterMember){ .id = peer_of("QmUZ13osndQ5uL4tPWHXe3iBgBgq9gfewcBMSCAuMBsDJ6"),
                                      .name = (char *) "o\"ther",
                                      .is_up = true };
        g_test_add_func("/prometheus/metrics/samples", test_samples);
        g_test_add_func("/prometheus/metrics/form", test_form);
        g_test_add_func("/prometheus/metrics/no-disk-metric", test_no_disk_metric);
        g_test_add_func("/prometheus/metrics/out-of-memory", test_out_of_memory);
        return g_test_run();
}
