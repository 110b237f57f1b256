#include "ctl/backend/bus-call.h"
#include "daemon/types/pin-info.h"
#include "tests/lib/fault.h"
#include "tests/unit/ctl/backend/fake-bus.h"

#define ID "12D3KooWSp6MX4QYS9v1vsBFeGaYpBaJzkPGkZfM7YmWvN4iVzUr"
#define CID "QmccvEeJ1S95baJ6brLwNCKc6uq89vpVEoUGcEXc5FHhaX"
#define CID_2 "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"

#define PEER "{'id': <'" ID "'>, 'peername': <'p'>, 'addresses': <@as []>}"
#define PEER_JSON                                                                                           \
        "{\"id\":\"" ID "\",\"addresses\":[],\"cluster_peers\":null,\"cluster_peers_addresses\":null,"      \
        "\"version\":\"\",\"commit\":\"\",\"rpc_protocol_version\":\"\",\"error\":\"\","                    \
        "\"ipfs\":{\"addresses\":null,\"error\":\"\"},\"peername\":\"p\"}\n"
#define PIN "{'cid': <'" CID "'>, 'name': <'one'>, 'type': <'pin'>, 'metadata': <{'k': <'v'>}>}"
#define PIN_JSON                                                                                            \
        "{\"replication_factor_min\":0,\"replication_factor_max\":0,\"name\":\"one\","                      \
        "\"mode\":\"recursive\",\"shard_size\":0,\"user_allocations\":null,"                                \
        "\"expire_at\":\"0001-01-01T00:00:00Z\",\"metadata\":{\"k\":\"v\"},\"pin_update\":null,"            \
        "\"origins\":null,\"cid\":\"" CID "\",\"type\":\"pin\",\"allocations\":null,\"max_depth\":0,"       \
        "\"reference\":null,\"timestamp\":\"0001-01-01T00:00:00Z\"}\n"
#define STATUS(cid) "{'cid': <'" cid "'>, 'peer_map': <@a{sv} {}>}"
#define STATUS_JSON(cid)                                                                                    \
        "{\"cid\":\"" cid "\",\"name\":\"\",\"allocations\":null,\"origins\":null,"                         \
        "\"created\":\"0001-01-01T00:00:00Z\",\"metadata\":null,\"peer_map\":{}}\n"
#define METRIC "{'name': <'ping'>, 'peer': <'" ID "'>, 'value': <'1'>, 'expire': <int64 5>, 'valid': <true>}"
#define METRIC_JSON                                                                                         \
        "{\"name\":\"ping\",\"peer\":\"" ID "\",\"value\":\"1\",\"expire\":5,\"valid\":true,"               \
        "\"weight\":0,\"partitionable\":false,\"received_at\":0}"

static const Pin plain_pin = {};

/* ---- each call: what is asked, and what comes of the answer */

static const FakeBusCase cases[] = {
        { { CTL_CALL_ID }, { "(" PEER ",)" }, "Id\n", PEER_JSON },
        { { CTL_CALL_VERSION },
          { "(<'1.1.6'>,)" },
          "Get '" BUS_INTERFACE "' 'Version'\n",
          "{\"version\":\"1.1.6\"}\n" },
        { { CTL_CALL_PEERS }, { "([" PEER ", " PEER "],)" }, "ListPeers\n", PEER_JSON PEER_JSON },
        { { CTL_CALL_PEERS }, { "(@aa{sv} [],)" }, "ListPeers\n", "" },
        { { CTL_CALL_PEER_ADD, .subject = "/ip4/1.2.3.4/tcp/1/p2p/" ID },
          { "(" PEER ",)" },
          "AddPeer '/ip4/1.2.3.4/tcp/1/p2p/" ID "'\n",
          PEER_JSON },
        { { CTL_CALL_PEER_REMOVE, .subject = ID }, {}, "RemovePeer '" ID "'\n", "" },
        { { CTL_CALL_UNPIN, .subject = "/ipfs/" CID },
          { "(" PIN ",)" },
          "Unpin '/ipfs/" CID "'\n",
          PIN_JSON },
        { { CTL_CALL_PIN, .subject = "/ipfs/" CID, .pin = &plain_pin },
          { "(" PIN ",)" },
          "Pin '/ipfs/" CID "' {'replication_factor_min': 0, 'replication_factor_max': 0, 'name': '', "
          "'mode': 'recursive', 'shard_size': 0, 'expire_at': '0001-01-01T00:00:00Z'}\n",
          PIN_JSON },
        { { CTL_CALL_ALLOCATION, .subject = CID }, { "(" PIN ",)" }, "GetPin '" CID "'\n", PIN_JSON },
        { { CTL_CALL_ALLOCATIONS, .filter = "all" },
          { .pipe = PIN_JSON PIN_JSON "{\"end\":2}\n" },
          "StreamPins 'all'\n",
          PIN_JSON PIN_JSON },
        { { CTL_CALL_STATUS, .subject = CID, .local = true },
          { "(" STATUS(CID) ",)" },
          "GetStatus '" CID "' true\n",
          STATUS_JSON(CID) },
        { { CTL_CALL_STATUS_LIST, .filter = "pinned" },
          { .pipe = STATUS_JSON(CID) "{\"end\":1}\n" },
          "StreamStatus 'pinned' false\n",
          STATUS_JSON(CID) },
        { { CTL_CALL_STATUS_LIST, .subject = CID "," CID_2, .local = true },
          { .pipe = STATUS_JSON(CID) STATUS_JSON(CID_2) "{\"end\":2}\n" },
          "StreamStatusOf ['" CID "', '" CID_2 "'] true\n",
          STATUS_JSON(CID) STATUS_JSON(CID_2) },
        { { CTL_CALL_SYNC, .subject = CID },
          { "(" STATUS(CID) ",)" },
          "Sync '" CID "'\n",
          STATUS_JSON(CID) },
        { { CTL_CALL_SYNC_ALL }, { .pipe = "{\"end\":0}\n" }, "SyncAll\n", "" },
        { { CTL_CALL_RECOVER, .subject = CID },
          { "(" STATUS(CID) ",)" },
          "Recover '" CID "' false\n",
          STATUS_JSON(CID) },
        { { CTL_CALL_RECOVER_ALL, .local = true }, { .pipe = "{\"end\":0}\n" }, "RecoverAll true\n", "" },
        { { CTL_CALL_GC, .local = true },
          { .pipe = "{\"peer_map\":{}}\n{\"end\":1}\n" },
          "StreamGarbage true\n",
          "{\"peer_map\":{}}\n" },
        { { CTL_CALL_GRAPH },
          { "({'cluster_id': <'" ID "'>},)" },
          "GetConnectGraph\n",
          "{\"cluster_id\":\"" ID "\",\"id_to_peername\":null,\"ipfs_links\":null,\"cluster_links\":null,"
          "\"cluster_trust_links\":null,\"cluster_to_ipfs\":null}\n" },
        { { CTL_CALL_ALERTS }, { "(@aa{sv} [],)" }, "ListAlerts\n", "[]\n" },
        { { CTL_CALL_BANDWIDTH }, {}, "Ping\n", "{}\n" },
        { { CTL_CALL_METRIC_NAMES },
          { "(['ping', 'free\"space'],)" },
          "ListMetrics\n",
          "[\"ping\",\"free\\\"space\"]\n" },
        { { CTL_CALL_METRIC_NAMES }, { "(@as [],)" }, "ListMetrics\n", "[]\n" },
        { { CTL_CALL_METRICS, .subject = "ping" },
          { "([" METRIC ", " METRIC "],)" },
          "GetMetrics 'ping'\n",
          "[" METRIC_JSON "," METRIC_JSON "]\n" },
};

static void test_calls(void) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                fake_bus_check(&cases[i]);
}

static void test_content_is_not_added(void) {
        fake_bus_check(&(FakeBusCase){
                        { CTL_CALL_ADD },
                        {},
                        "",
                        NULL,
                        -ENOSYS,
                        0,
                        "content is added over HTTP alone",
        });
}

static void test_update_names_the_old_pin(void) {
        FakeBusCase c = {
                { CTL_CALL_PIN, .subject = "/ipfs/" CID },
                { "(" PIN ",)" },
                "UpdatePin '" CID_2 "' '/ipfs/" CID "' {'replication_factor_min': 2, "
                "'replication_factor_max': 3, 'name': 'n', 'mode': 'direct', 'shard_size': 0, "
                "'user_allocations': ['" ID "'], 'expire_at': '1970-01-01T00:00:01Z', "
                "'metadata': {'a': '1', 'b': '2'}}\n",
                PIN_JSON,
        };
        _cleanup_(pin_done) Pin pin = {
                .replication_factor_min = 2,
                .replication_factor_max = 3,
                .mode = PIN_MODE_DIRECT,
                .expire_at = USEC_PER_SEC,
        };
        PeerId id;

        g_assert_cmpint(cid_parse(CID_2, &pin.pin_update, NULL), ==, 0);
        g_assert_cmpint(peer_id_parse(ID, &id), ==, 0);
        g_assert_cmpint(peer_id_list_append(&pin.user_allocations, &id), ==, 0);
        g_assert_cmpint(str_copy(&pin.name, "n"), ==, 0);
        g_assert_cmpint(str_map_set(&pin.metadata, "b", "2"), ==, 0);
        g_assert_cmpint(str_map_set(&pin.metadata, "a", "1"), ==, 0);
        c.request.pin = &pin;
        fake_bus_check(&c);
}

/* ---- answers that are none */

static void test_answers_that_cannot_be_read(void) {
        static const char no_json[] = "cannot read the answer: not the JSON expected";
        static const FakeBusCase bad[] = {
                { { CTL_CALL_ID },
                  { "({'id': <int64 1>},)" },
                  "Id\n",
                  NULL,
                  -EBADMSG,
                  200,
                  "cannot read the answer: id is 1, expected a peer ID" },
                { { CTL_CALL_PEERS },
                  { "([" PEER ", {'id': <'x'>}],)" },
                  "ListPeers\n",
                  PEER_JSON,
                  -EBADMSG,
                  200,
                  "cannot read the answer: id is \"x\", expected a peer ID" },
                { { CTL_CALL_ID }, { "('id',)" }, "Id\n", NULL, -EBADMSG, 200, no_json },
                { { CTL_CALL_VERSION },
                  { "(<true>,)" },
                  "Get '" BUS_INTERFACE "' 'Version'\n",
                  NULL,
                  -EBADMSG,
                  200,
                  no_json },
                { { CTL_CALL_PEERS }, { "('',)" }, "ListPeers\n", NULL, -EBADMSG, 200, no_json },
                { { CTL_CALL_METRIC_NAMES }, { "('',)" }, "ListMetrics\n", NULL, -EBADMSG, 200, no_json },
                { { CTL_CALL_METRICS }, { "('',)" }, "GetMetrics ''\n", NULL, -EBADMSG, 200, no_json },
                { { CTL_CALL_ALLOCATIONS }, { "('',)" }, "StreamPins ''\n", NULL, -EBADMSG, 200, no_json },
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                fake_bus_check(&bad[i]);
}

static int refuse_item(void *item G_GNUC_UNUSED, void *userdata G_GNUC_UNUSED) {
        return -EIO;
}

static void test_who_takes_no_item_ends_the_call(void) {
        static const FakeReply replies[] = {
                { "([" PEER ", " PEER "],)" },
                { .pipe = PIN_JSON PIN_JSON "{\"end\":2}\n" },
                { "(@as [],)" },
        };
        static const CtlCall calls[] = { CTL_CALL_PEERS, CTL_CALL_ALLOCATIONS, CTL_CALL_METRIC_NAMES };
        CtlBackend *backend = NULL;
        CtlFailure failure = {};
        FakeBus fake;

        fake_bus_start(&fake, replies, ELEMENTSOF(replies));
        g_assert_cmpint(ctl_backend_bus_new(&backend, &(CtlBusOptions){}, NULL), ==, 0);
        for (size_t i = 0; i < ELEMENTSOF(calls); i++) {
                const CtlRequest request = { calls[i] };

                g_assert_cmpint(ctl_backend_call(backend, &request, refuse_item, NULL, &failure), ==, -EIO);
                g_assert_cmpuint(failure.code, ==, 0);
                g_assert_cmpstr(failure.message, ==, "input/output error");
        }
        ctl_failure_done(&failure);
        ctl_backend_free(backend);
        fake_bus_stop(&fake);
}

static int count_item(void *item G_GNUC_UNUSED, void *userdata) {
        ++*(unsigned *) userdata;
        return 0;
}

static void memory_short(const CtlRequest *request, const FakeReply *reply) {
        CtlFailure failure = {};
        FakeBus fake;

        fake_bus_start(&fake, reply, 1);
        FOREACH_FAULT {
                CtlBackend *backend = NULL;
                unsigned n = 0;
                int r;

                r = ctl_backend_bus_new(&backend, &(CtlBusOptions){}, NULL);
                if (r >= 0)
                        r = ctl_backend_call(backend, request, count_item, &n, &failure);
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
                g_assert_cmpuint(n, ==, fault_fired() ? 0 : 1);
                ctl_backend_free(backend);
        }
        ctl_failure_done(&failure);
        fake_bus_stop(&fake);
}

static void test_memory_short(void) {
        static const struct {
                CtlRequest request;
                FakeReply reply;
        } calls[] = {
                { { CTL_CALL_METRICS, .subject = "ping" }, { "([" METRIC "],)" } },
                { { CTL_CALL_METRIC_NAMES }, { "(['ping'],)" } },
                { { CTL_CALL_VERSION }, { "(<'1.1.6'>,)" } },
                { { CTL_CALL_PEERS }, { "([" PEER "],)" } },
                { { CTL_CALL_PIN, .subject = "/ipfs/" CID, .pin = &plain_pin }, { "(" PIN ",)" } },
                { { CTL_CALL_STATUS_LIST, .subject = CID }, { .pipe = STATUS_JSON(CID) "{\"end\":1}\n" } },
                { { CTL_CALL_ALLOCATIONS }, { .pipe = PIN_JSON "{\"end\":1}\n" } },
        };

        for (size_t i = 0; i < ELEMENTSOF(calls); i++)
                memory_short(&calls[i].request, &calls[i].reply);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/ctl/backend/bus-call/calls", test_calls);
        g_test_add_func("/ctl/backend/bus-call/content-is-not-added", test_content_is_not_added);
        g_test_add_func("/ctl/backend/bus-call/update-names-the-old-pin", test_update_names_the_old_pin);
        g_test_add_func("/ctl/backend/bus-call/answers-that-cannot-be-read",
                        test_answers_that_cannot_be_read);
        g_test_add_func("/ctl/backend/bus-call/who-takes-no-item-ends-the-call",
                        test_who_takes_no_item_ends_the_call);
        g_test_add_func("/ctl/backend/bus-call/memory-short", test_memory_short);
        return g_test_run();
}
