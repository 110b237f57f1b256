#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "daemon/base/time.h"
#include "daemon/metrics/monitor.h"
#include "tests/lib/fault.h"

static PeerId sample_peer(char letter) {
        PeerId id = { .size = 34, .bytes = { 0x12, 0x20 } };

        memset(id.bytes + 2, letter, 32);
        return id;
}

static Metric sample(const char *name, char peer, const char *value, int64_t lives_usec) {
        return (Metric){
                .name = (char *) name,
                .peer = sample_peer(peer),
                .value = (char *) value,
                .valid = true,
                .expire_nsec = ((int64_t) time_now() + lives_usec) * 1000,
        };
}

typedef struct Fixture {
        sd_event *event;
        MetricsMonitor *monitor;
        unsigned n_alerts;
        unsigned wanted;
} Fixture;

static void on_alert(const Alert *alert, void *userdata) {
        Fixture *f = userdata;

        g_assert_cmpuint(alert->triggered_at, >, 0);
        if (++f->n_alerts == f->wanted)
                sd_event_exit(f->event, 0);
}

static void setup(Fixture *f, const void *data _unused_) {
        g_assert_cmpint(sd_event_new(&f->event), >=, 0);
        g_assert_cmpint(metrics_monitor_new(&f->monitor, f->event, 1000, on_alert, f), ==, 0);
}

static void teardown(Fixture *f, const void *data _unused_) {
        metrics_monitor_free(f->monitor);
        sd_event_unref(f->event);
}

static void put(Fixture *f, Metric metric) {
        g_assert_cmpint(metrics_monitor_put(f->monitor, &metric), ==, 0);
}

static void test_latest_counts(Fixture *f, const void *data _unused_) {
        const PeerId peer = sample_peer('b');
        const Metric **found = NULL;
        size_t n;

        put(f, sample("free", 'b', "1", 10 * USEC_PER_SEC));
        put(f, sample("free", 'a', "2", 10 * USEC_PER_SEC));
        put(f, sample("ping", 'a', "3", 10 * USEC_PER_SEC));
        put(f, sample("free", 'b', "4", 10 * USEC_PER_SEC));

        g_assert_cmpint(metrics_monitor_get(f->monitor, "free", &found, &n), ==, 0);
        g_assert_cmpuint(n, ==, 2);
        g_assert_cmpstr(found[0]->value, ==, "2"); /* sorted by peer */
        g_assert_cmpstr(found[1]->value, ==, "4");
        free(found);
        g_assert_cmpstr(metrics_monitor_get_one(f->monitor, "free", &peer)->value, ==, "4");
        g_assert_null(metrics_monitor_get_one(f->monitor, "ping", &peer));
        g_assert_null(metrics_monitor_get_one(f->monitor, "none", &peer));
        put(f, sample("ping", 'b', "5", -1));
        g_assert_null(metrics_monitor_get_one(f->monitor, "ping", &peer));
        g_assert_cmpstr(metrics_monitor_get_last(f->monitor, "ping", &peer)->value, ==, "5");
        g_assert_null(metrics_monitor_get_last(f->monitor, "none", &peer));
}

static void test_names_of_usable_ones(Fixture *f, const void *data _unused_) {
        Metric invalid = sample("tag:none", 'a', "", 10 * USEC_PER_SEC);
        StrList names = {};

        invalid.valid = false;
        put(f, invalid);
        put(f, sample("old", 'a', "1", -1));
        put(f, sample("ping", 'b', "1", 10 * USEC_PER_SEC));
        put(f, sample("ping", 'a', "1", 10 * USEC_PER_SEC));
        put(f, sample("free", 'a', "1", 10 * USEC_PER_SEC));

        g_assert_cmpint(metrics_monitor_names(f->monitor, &names), ==, 0);
        g_assert_cmpuint(names.n, ==, 2);
        g_assert_cmpstr(names.items[0], ==, "free");
        g_assert_cmpstr(names.items[1], ==, "ping");
        str_list_done(&names);
}

/* One alert an expiry, newest first, and again after a fresh value has expired too. */
static void test_alerts(Fixture *f, const void *data _unused_) {
        const Alert *alerts;

        put(f, sample("ping", 'a', "1", -1));
        f->wanted = 1;
        g_assert_cmpint(sd_event_loop(f->event), ==, 0);
        g_assert_cmpuint(metrics_monitor_alerts(f->monitor, &alerts), ==, 1);
        g_assert_cmpstr(alerts[0].metric.name, ==, "ping");
        sd_event_unref(f->event);

        metrics_monitor_free(f->monitor);
        g_assert_cmpint(sd_event_new(&f->event), >=, 0);
        g_assert_cmpint(metrics_monitor_new(&f->monitor, f->event, 1000, on_alert, f), ==, 0);
        f->n_alerts = 0;
        f->wanted = 2;
        put(f, sample("ping", 'a', "1", -1));
        put(f, sample("free", 'a', "1", -1));
        g_assert_cmpint(sd_event_loop(f->event), ==, 0);
        g_assert_cmpuint(metrics_monitor_alerts(f->monitor, &alerts), ==, 2);
        g_assert_cmpuint(alerts[0].triggered_at, >=, alerts[1].triggered_at);
}

/* One that is not about an expiry stands among the others. */
static void test_raised(Fixture *f, const void *data _unused_) {
        Metric metric = { .name = (char *) "pinset", .value = (char *) "entry 5" };
        const Alert *alert, *alerts;

        alert = metrics_monitor_raise(f->monitor, &metric);
        g_assert_cmpstr(alert->metric.value, ==, "entry 5");
        g_assert_cmpuint(alert->triggered_at, >, 0);
        metric.value = (char *) "entry 6";
        g_assert_nonnull(metrics_monitor_raise(f->monitor, &metric));
        g_assert_cmpuint(metrics_monitor_alerts(f->monitor, &alerts), ==, 2);
        g_assert_cmpstr(alerts[0].metric.value, ==, "entry 6");
        g_assert_cmpstr(alerts[1].metric.name, ==, "pinset");
        g_assert_cmpuint(f->n_alerts, ==, 0);
}

static void test_no_alert_twice(Fixture *f, const void *data _unused_) {
        put(f, sample("ping", 'a', "1", -1));
        for (unsigned i = 0; i < 20; i++)
                g_assert_cmpint(sd_event_run(f->event, 5 * USEC_PER_SEC), >, 0);
        g_assert_cmpuint(f->n_alerts, ==, 1);

        put(f, sample("ping", 'a', "2", -1));
        for (unsigned i = 0; i < 20; i++)
                g_assert_cmpint(sd_event_run(f->event, 5 * USEC_PER_SEC), >, 0);
        g_assert_cmpuint(f->n_alerts, ==, 2);
}

static void test_another_interval(Fixture *f, const void *data _unused_) {
        metrics_monitor_set_interval(f->monitor, 3600 * USEC_PER_SEC);
        put(f, sample("ping", 'a', "1", -1));
        for (unsigned i = 0; i < 20; i++)
                g_assert_cmpint(sd_event_run(f->event, 2000), ==, 0);
        g_assert_cmpuint(f->n_alerts, ==, 0);

        metrics_monitor_set_interval(f->monitor, 1000);
        f->wanted = 1;
        g_assert_cmpint(sd_event_loop(f->event), ==, 0);
        g_assert_cmpuint(f->n_alerts, ==, 1);
}

static void test_bounds(Fixture *f, const void *data _unused_) {
        const PeerId peer = sample_peer('a');
        Metric metric;
        char name[16];

        for (unsigned i = 0; i < METRICS_NAMES_MAX; i++) {
                (void) snprintf(name, sizeof(name), "m%u", i);
                put(f, sample(name, 'a', "1", USEC_PER_SEC));
        }
        metric = sample("one-more", 'a', "1", USEC_PER_SEC);
        g_assert_cmpint(metrics_monitor_put(f->monitor, &metric), ==, -ENOBUFS);
        put(f, sample("m1", 'a', "2", USEC_PER_SEC));

        metrics_monitor_forget(f->monitor, &peer);
        g_assert_null(metrics_monitor_get_one(f->monitor, "m1", &peer));
        g_assert_cmpint(metrics_monitor_put(f->monitor, &metric), ==, 0);
}

static void test_out_of_memory(Fixture *f, const void *data _unused_) {
        const Metric metric = sample("ping", 'a', "1", USEC_PER_SEC);

        FOREACH_FAULT {
                int r = metrics_monitor_put(f->monitor, &metric);

                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
        }
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add("/metrics/monitor/latest-counts", Fixture, NULL, setup, test_latest_counts, teardown);
        g_test_add("/metrics/monitor/names-of-usable-ones",
                   Fixture,
                   NULL,
                   setup,
                   test_names_of_usable_ones,
                   teardown);
        g_test_add("/metrics/monitor/alerts", Fixture, NULL, setup, test_alerts, teardown);
        g_test_add("/metrics/monitor/raised", Fixture, NULL, setup, test_raised, teardown);
        g_test_add("/metrics/monitor/no-alert-twice", Fixture, NULL, setup, test_no_alert_twice, teardown);
        g_test_add("/metrics/monitor/another-interval",
                   Fixture,
                   NULL,
                   setup,
                   test_another_interval,
                   teardown);
        g_test_add("/metrics/monitor/bounds", Fixture, NULL, setup, test_bounds, teardown);
        g_test_add("/metrics/monitor/out-of-memory", Fixture, NULL, setup, test_out_of_memory, teardown);
        return g_test_run();
}
