#include <glib.h>
#include <string.h>

#include "daemon/base/time.h"
#include "daemon/metrics/informer.h"
#include "tests/lib/fake-kubo.h"

#define PATIENCE_USEC (20 * G_USEC_PER_SEC)
#define TTL_USEC (200 * USEC_PER_MSEC)

typedef struct Fixture {
        sd_event *event;
        HttpClient *http;
        FakeKubo *kubo;
        Ipfs *ipfs;
        MetricsInformer *informer;
        MetricsInformerOptions options;
        GPtrArray *names; /* of what was published, in order */
        Metric last;
        uint64_t n_pins, n_queued;
} Fixture;

static void on_metric(const Metric *metric, void *userdata) {
        Fixture *f = userdata;

        g_ptr_array_add(f->names, g_strdup(metric->name));
        metric_done(&f->last);
        f->last = (Metric){};
        g_assert_cmpint(metric_copy(&f->last, metric), ==, 0);
        g_assert_true(metric_is_usable(metric, time_now()));
        g_assert_true(peer_id_equal(&metric->peer, &f->options.self));
}

static uint64_t count_pins(void *userdata) {
        return ((Fixture *) userdata)->n_pins;
}

static uint64_t count_queued(void *userdata) {
        return ((Fixture *) userdata)->n_queued;
}

static void set_up(Fixture *f) {
        Error error = {};

        *f = (Fixture){ .names = g_ptr_array_new_with_free_func(g_free), .n_pins = 7, .n_queued = 25 };
        g_assert_cmpint(sd_event_new(&f->event), >=, 0);
        g_assert_cmpint(fake_kubo_new(&f->kubo, f->event), ==, 0);
        g_assert_cmpint(http_client_new(&f->http, f->event), ==, 0);
        g_assert_cmpint(ipfs_new(&f->ipfs,
                                 f->event,
                                 f->http,
                                 &(IpfsOptions){
                                                 .node_multiaddress = fake_kubo_multiaddr(f->kubo),
                                                 .request_timeout_usec = USEC_PER_SEC,
                                 },
                                 &error),
                        ==,
                        0);
        f->options = (MetricsInformerOptions){
                .peername = "tester",
                .ipfs = f->ipfs,
                .ping_interval_usec = 3600 * USEC_PER_SEC,
                .count_pins = count_pins,
                .count_queued = count_queued,
                .publish = on_metric,
                .userdata = f,
        };
        g_assert_cmpint(peer_id_parse(FAKE_KUBO_ID, &f->options.self), ==, 0);
}

static void start(Fixture *f) {
        g_assert_cmpint(metrics_informer_new(&f->informer, f->event, &f->options), ==, 0);
        g_assert_cmpint(metrics_informer_start(f->informer), ==, 0);
        g_assert_cmpuint(f->names->len, ==, 0); /* from the loop */
}

static void tear_down(Fixture *f) {
        metrics_informer_free(f->informer);
        ipfs_free(f->ipfs);
        http_client_free(f->http);
        fake_kubo_free(f->kubo);
        metric_done(&f->last);
        g_ptr_array_unref(f->names);
        sd_event_unref(f->event);
}

static guint count(const Fixture *f, const char *name) {
        guint n = 0;

        for (guint i = 0; i < f->names->len; i++)
                n += g_str_equal(f->names->pdata[i], name);
        return n;
}

static void until(Fixture *f, const char *name, guint n) {
        gint64 deadline = g_get_monotonic_time() + PATIENCE_USEC;

        while (count(f, name) < n) {
                g_assert_cmpint(g_get_monotonic_time(), <, deadline);
                g_assert_cmpint(sd_event_run(f->event, 5000), >=, 0);
        }
}

static void turn_until_asked(Fixture *f, const char *command, size_t n) {
        gint64 deadline = g_get_monotonic_time() + PATIENCE_USEC;

        while (fake_kubo_count(f->kubo, command) < n) {
                g_assert_cmpint(g_get_monotonic_time(), <, deadline);
                g_assert_cmpint(sd_event_run(f->event, 5000), >=, 0);
        }
}

/* ---- each kind */

static void test_ping(void) {
        static const FakeAnswer id = {
                .body = "{\"ID\":\"" FAKE_KUBO_ID "\",\"Addresses\":["
                        "\"/ip4/127.0.0.1/tcp/4001/p2p/" FAKE_KUBO_ID "\","
                        "\"/ip4/8.8.8.8/tcp/4001/p2p/" FAKE_KUBO_ID "\"]}",
        };
        Fixture f;

        set_up(&f);
        fake_kubo_plan(f.kubo, "id", NULL, &id);
        start(&f);
        until(&f, "ping", 1);
        g_assert_cmpstr(f.last.value,
                        ==,
                        "{\"peer_name\":\"tester\",\"ipfs_id\":\"" FAKE_KUBO_ID
                        "\",\"ipfs_addresses\":[\"/ip4/8.8.8.8/tcp/4001/p2p/" FAKE_KUBO_ID "\"]}");
        g_assert_false(f.last.partitionable);
        tear_down(&f);
}

/* This peer is alive, whatever its Kubo is. */
static void test_ping_without_kubo(void) {
        Fixture f;

        set_up(&f);
        fake_kubo_stop(f.kubo);
        f.options.ping_interval_usec = TTL_USEC / 2;
        start(&f);
        until(&f, "ping", 2);
        g_assert_cmpstr(f.last.value, ==, "{\"peer_name\":\"tester\"}");
        g_assert_cmpint(fake_kubo_start(f.kubo), ==, 0);
        tear_down(&f);
}

static void test_disk(void) {
        static const struct {
                const char *body;
                bool reposize;
                const char *name, *value;
                int64_t weight;
        } cases[] = {
                { "{\"RepoSize\":30,\"StorageMax\":100}", false, "freespace", "70", 70 },
                { "{\"RepoSize\":30,\"StorageMax\":100}", true, "reposize", "30", -30 },
                { "{\"RepoSize\":130,\"StorageMax\":100}", true, "reposize", "130", -130 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                Fixture f;

                set_up(&f);
                fake_kubo_plan(f.kubo, "repo/stat", NULL, &(FakeAnswer){ .body = cases[i].body });
                f.options.disk_ttl_usec = 3600 * USEC_PER_SEC;
                f.options.disk_reposize = cases[i].reposize;
                f.options.ping_interval_usec = 0;
                start(&f);
                until(&f, cases[i].name, 1);
                g_assert_cmpstr(f.last.value, ==, cases[i].value);
                g_assert_cmpint(f.last.weight, ==, cases[i].weight);
                tear_down(&f);
        }
}

/* What cannot be had is not published: the last one expires. */
static void test_disk_that_cannot_be_had(void) {
        static const FakeAnswer answers[] = {
                { .status = 500, .body = "{\"Message\":\"broken\",\"Code\":0,\"Type\":\"error\"}" },
                { .body = "garbage" },
                { .fault = FAKE_CUT },
                { .body = "{\"RepoSize\":100,\"StorageMax\":100}" }, /* full */
                { .fault = FAKE_SILENCE },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(answers); i++) {
                Fixture f;

                set_up(&f);
                fake_kubo_plan(f.kubo, "repo/stat", NULL, &answers[i]);
                f.options.disk_ttl_usec = TTL_USEC;
                start(&f);
                turn_until_asked(&f, "repo/stat", 2); /* it is asked again */
                g_assert_cmpuint(count(&f, "freespace"), ==, 0);
                fake_kubo_forget_plans(f.kubo);
                until(&f, "freespace", 1);
                tear_down(&f);
        }
}

static void test_queue_and_pins(void) {
        static const struct {
                int64_t bucket, weight;
        } cases[] = { { 0, -25 }, { 1, -25 }, { 10, -2 }, { 100, 0 } };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                Fixture f;

                set_up(&f);
                f.options.pinqueue_ttl_usec = 3600 * USEC_PER_SEC;
                f.options.pinqueue_bucket_size = cases[i].bucket;
                f.options.ping_interval_usec = 0;
                start(&f);
                until(&f, "pinqueue", 1);
                g_assert_cmpstr(f.last.value, ==, "25");
                g_assert_cmpint(f.last.weight, ==, cases[i].weight);
                tear_down(&f);
        }
}

static void test_numpin(void) {
        Fixture f;

        set_up(&f);
        f.options.numpin_ttl_usec = 3600 * USEC_PER_SEC;
        f.options.ping_interval_usec = 0;
        start(&f);
        until(&f, "numpin", 1);
        g_assert_cmpstr(f.last.value, ==, "7");
        g_assert_cmpint(f.last.weight, ==, 0);
        tear_down(&f);
}

static void test_tags(void) {
        StrMap tags = {};
        Fixture f;

        set_up(&f);
        g_assert_cmpint(str_map_set(&tags, "region", "north"), ==, 0);
        g_assert_cmpint(str_map_set(&tags, "rack", "5"), ==, 0);
        f.options.tags = &tags;
        f.options.tags_ttl_usec = 3600 * USEC_PER_SEC;
        f.options.ping_interval_usec = 0;
        start(&f);
        str_map_done(&tags); /* copied */
        until(&f, "tag:region", 1);
        g_assert_cmpuint(count(&f, "tag:rack"), ==, 1);
        g_assert_cmpstr(f.last.value, ==, "north");
        g_assert_true(f.last.partitionable);
        tear_down(&f);
}

/* ---- when */

static void test_again_and_again(void) {
        Fixture f;

        set_up(&f);
        f.options.numpin_ttl_usec = TTL_USEC;
        start(&f);
        until(&f, "numpin", 3);
        g_assert_cmpuint(count(&f, "ping"), ==, 1);
        tear_down(&f);
}

static void test_trigger(void) {
        Fixture f;

        set_up(&f);
        f.options.numpin_ttl_usec = 3600 * USEC_PER_SEC;
        start(&f);
        until(&f, "numpin", 1);
        until(&f, "ping", 1);
        metrics_informer_trigger(f.informer);
        until(&f, "numpin", 2);
        until(&f, "ping", 2);
        tear_down(&f);
}

static void test_dropped_while_kubo_is_asked(void) {
        Fixture f;

        set_up(&f);
        fake_kubo_plan(f.kubo, "id", NULL, &(FakeAnswer){ .fault = FAKE_SILENCE });
        fake_kubo_plan(f.kubo, "repo/stat", NULL, &(FakeAnswer){ .fault = FAKE_SILENCE });
        f.options.disk_ttl_usec = TTL_USEC;
        start(&f);
        turn_until_asked(&f, "repo/stat", 1);
        tear_down(&f);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/metrics/informer/ping", test_ping);
        g_test_add_func("/metrics/informer/ping-without-kubo", test_ping_without_kubo);
        g_test_add_func("/metrics/informer/disk", test_disk);
        g_test_add_func("/metrics/informer/disk-that-cannot-be-had", test_disk_that_cannot_be_had);
        g_test_add_func("/metrics/informer/queue-and-pins", test_queue_and_pins);
        g_test_add_func("/metrics/informer/numpin", test_numpin);
        g_test_add_func("/metrics/informer/tags", test_tags);
        g_test_add_func("/metrics/informer/again-and-again", test_again_and_again);
        g_test_add_func("/metrics/informer/trigger", test_trigger);
        g_test_add_func("/metrics/informer/dropped-while-kubo-is-asked", test_dropped_while_kubo_is_asked);
        return g_test_run();
}
