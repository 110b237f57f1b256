#include <glib.h>
#include <string.h>

#include "daemon/metrics/swarm.h"
#include "tests/lib/fake-kubo.h"

#define PATIENCE_USEC (20 * G_USEC_PER_SEC)
#define IPFS_ONE "12D3KooWDpp7U7W9Q8feMZPPEpPP5FKXTUakLgnVLbavfjb9mzrT"
#define IPFS_TWO "12D3KooWFAhJxa957WdJcufKtMjs9CRCR6eRkxjNSQK1oPtUDevv"

typedef struct Fixture {
        sd_event *event;
        HttpClient *http;
        FakeKubo *kubo;
        Ipfs *ipfs;
        MetricsSwarm *swarm;
} Fixture;

static void set_up(Fixture *f, uint64_t delay_usec) {
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
                                 NULL),
                        ==,
                        0);
        g_assert_cmpint(metrics_swarm_new(&f->swarm, f->event, f->ipfs, delay_usec), ==, 0);
}

static void tear_down(Fixture *f) {
        metrics_swarm_free(f->swarm);
        ipfs_free(f->ipfs);
        http_client_free(f->http);
        fake_kubo_free(f->kubo);
        sd_event_unref(f->event);
}

static PeerId peer(uint8_t n) {
        PeerId id = { .size = 34, .bytes = { 0x12, 0x20 } };

        memset(id.bytes + 2, n, 32);
        return id;
}

static void hear(Fixture *f, uint8_t n, const char *value) {
        const Metric metric = {
                .name = (char *) "ping", .peer = peer(n), .value = (char *) value, .valid = true
        };

        metrics_swarm_hear(f->swarm, &metric);
}

static size_t n_connects(Fixture *f) {
        return fake_kubo_count(f->kubo, "swarm/connect");
}

static void until_connects(Fixture *f, size_t n) {
        gint64 deadline = g_get_monotonic_time() + PATIENCE_USEC;

        while (n_connects(f) < n) {
                g_assert_cmpint(g_get_monotonic_time(), <, deadline);
                g_assert_cmpint(sd_event_run(f->event, 10 * USEC_PER_MSEC), >=, 0);
        }
}

static void turns(Fixture *f, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                g_assert_cmpint(sd_event_run(f->event, 2 * USEC_PER_MSEC), >=, 0);
}

#define PING(ipfs, address) "{\"ipfs_id\":\"" ipfs "\",\"ipfs_addresses\":[" address "]}"

/* Each Kubo once, and again when another one has taken its place. */
static void test_once(void) {
        static const FakeAnswer good = { .body = "{\"Strings\":[\"connect success\"]}" };
        Fixture f = {};

        set_up(&f, USEC_PER_MSEC);
        fake_kubo_plan(f.kubo, "swarm/connect", NULL, &good);
        hear(&f, 1, PING(IPFS_ONE, "\"/ip4/10.0.0.1/tcp/4001\""));
        until_connects(&f, 1);
        turns(&f, 20);
        hear(&f, 1, PING(IPFS_ONE, "\"/ip4/10.0.0.1/tcp/4001\""));
        turns(&f, 20);
        g_assert_cmpuint(n_connects(&f), ==, 1);
        hear(&f, 1, PING(IPFS_TWO, "\"/ip4/10.0.0.1/tcp/4001\""));
        until_connects(&f, 2);
        tear_down(&f);
}

/* All its addresses, and all of it again later. */
static void test_fails(void) {
        static const FakeAnswer bad = { .status = 500,
                                        .body = "{\"Message\":\"no\",\"Code\":0,\"Type\":\"error\"}" };
        Fixture f = {};

        set_up(&f, USEC_PER_MSEC);
        fake_kubo_plan(f.kubo, "swarm/connect", NULL, &bad);
        hear(&f, 1, PING(IPFS_ONE, "\"/ip4/10.0.0.1/tcp/1\",\"x\",\"/ip4/10.0.0.2/tcp/2\""));
        hear(&f, 2, PING(IPFS_TWO, "\"/ip4/10.0.0.3/tcp/3\""));
        until_connects(&f, 6);
        tear_down(&f);
}

static void test_nothing_to_do(void) {
        static const char *const values[] = {
                "",
                "{",
                "{}",
                "[]",
                PING(IPFS_ONE, ""),
                "{\"ipfs_addresses\":[\"/ip4/1.2.3.4/tcp/1\"]}",
                "{\"ipfs_id\":7}",
        };
        Fixture f = {};

        set_up(&f, USEC_PER_MSEC);
        for (size_t i = 0; i < G_N_ELEMENTS(values); i++)
                hear(&f, (uint8_t) i, values[i]);
        hear(&f, 1, PING(IPFS_ONE, "\"/ip4/10.0.0.1/tcp/1\""));
        metrics_swarm_forget(f.swarm, &(PeerId){ .size = 0 });
        PeerId one = peer(1);
        metrics_swarm_forget(f.swarm, &one);
        turns(&f, 20);
        g_assert_cmpuint(n_connects(&f), ==, 0);
        tear_down(&f);
}

static void test_off(void) {
        Fixture f = {};

        set_up(&f, 0);
        hear(&f, 1, PING(IPFS_ONE, "\"/ip4/10.0.0.1/tcp/1\""));
        turns(&f, 20);
        g_assert_cmpuint(n_connects(&f), ==, 0);
        tear_down(&f);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/metrics/swarm/once", test_once);
        g_test_add_func("/metrics/swarm/fails", test_fails);
        g_test_add_func("/metrics/swarm/nothing-to-do", test_nothing_to_do);
        g_test_add_func("/metrics/swarm/off", test_off);
        return g_test_run();
}
