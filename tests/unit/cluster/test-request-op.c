#include <string.h>

#include "daemon/base/time.h"
#include "daemon/cluster/internal.h"
#include "daemon/cluster/request.h"
#include "tests/unit/cluster/asked.h"

static Peer peer;

/* ---- asking */

typedef struct Put {
        Asked asked;
        PinRequestId id;
        bool in_pinset, requests_only;
        size_t n_requests;
} Put;

static void on_request(
                ClusterCall *call,
                int r,
                const Error *error,
                const PinRequestId *id,
                const GlobalPinInfo *info,
                void *userdata) {
        _cleanup_(pin_done) Pin pin = {};
        Put *put = userdata;

        g_assert_cmpint(cluster_pin_get(peer.cluster, &id->cid, &pin), >=, 0);
        put->id = *id;
        put->in_pinset = cid_is_defined(&info->cid);
        put->requests_only = pin.requests_only;
        put->n_requests = info->requests.n;
        g_assert_cmpuint(info->peer_map.n, ==, 0);
        if (r >= 0)
                g_assert_cmpuint(info->created, >, 0);
        asked_on_status(call, r, error, info, &put->asked);
}

static void begin(Put *put, const Pin *pin, const PinRequestId *replaces) {
        *put = (Put){};
        g_assert_cmpint(cluster_request_put(peer.cluster, &put->asked.call, pin, replaces, on_request, put),
                        ==,
                        0);
        g_assert_cmpuint(put->asked.n, ==, 0); /* never from inside */
}

static void end(Put *put) {
        asked_wait(&peer, &put->asked);
}

static Pin named(uint64_t n, const char *name) {
        return (Pin){ .cid = peer_cid(n), .name = (char *) name };
}

/* A request for number N that is there then. */
static PinRequestId put(uint64_t n, const char *name, const PinRequestId *replaces) {
        Pin pin = named(n, name);
        Put put;

        begin(&put, &pin, replaces);
        end(&put);
        g_assert_cmpstr(put.asked.words, ==, NULL);
        g_assert_true(put.in_pinset);
        asked_done(&put.asked);
        return put.id;
}

/* One that is refused, with words that are freed. */
static void assert_refused(const Pin *pin, const PinRequestId *replaces, ErrorCode code, const char *words) {
        Put put;

        begin(&put, pin, replaces);
        end(&put);
        g_assert_cmpint(put.asked.code, ==, code);
        asked_assert_has(put.asked.words, words);
        asked_done(&put.asked);
}

static ErrorCode drop(const PinRequestId *id) {
        Put put = {};
        ErrorCode code;

        g_assert_cmpint(cluster_request_remove(peer.cluster, &put.asked.call, id, on_request, &put), ==, 0);
        end(&put);
        code = put.asked.code;
        g_assert_true(pin_request_id_equal(&put.id, id));
        g_assert_cmpint(put.in_pinset, ==, code == ERROR_NONE);
        asked_done(&put.asked);
        return code;
}

static PinRequestId plain(uint64_t n) {
        return (PinRequestId){ .cid = peer_cid(n), .is_plain = true };
}

static void unpin(uint64_t n) {
        Cid cid = peer_cid(n);
        Asked asked = {};

        g_assert_cmpint(cluster_unpin(peer.cluster, &asked.call, &cid, NULL, asked_on_pin, &asked), ==, 0);
        asked_wait(&peer, &asked);
        g_assert_cmpint(asked.r, ==, 0);
        asked_done(&asked);
}

/* What is in the pinset, as <name of the pin>(<names of requests>), in [] when something else keeps it. */
static char *told(uint64_t n) {
        GString *text = g_string_new(NULL);
        _cleanup_(pin_done) Pin pin = {};
        Cid cid = peer_cid(n);

        if (cluster_pin_get(peer.cluster, &cid, &pin) == 0)
                return g_string_free(text, FALSE);
        g_string_append_printf(text, "%s%c", pin.name ?: "", pin.requests_only ? '(' : '[');
        for (size_t i = 0; i < pin.requests.n; i++)
                g_string_append_printf(text, "%s%s", i > 0 ? "," : "", pin.requests.items[i].name ?: "");
        g_string_append_c(text, pin.requests_only ? ')' : ']');
        return g_string_free(text, FALSE);
}

static void assert_told(uint64_t n, const char *expected) {
        g_autofree char *text = told(n);

        g_assert_cmpstr(text, ==, expected);
}

static bool is_pinned(uint64_t n) {
        char text[CID_TEXT_MAX];

        return fake_kubo_pinned(peer.kubo, peer_cid_text(n, text)) != NULL;
}

/* ---- put and removed */

static void test_makes_a_pin(void) {
        Pin asked = named(1, "mine");
        _cleanup_(pin_done) Pin pin = {};
        const PinRequest *request;
        uint64_t before = time_now();
        Put put;

        asked.expire_at = 1; /* no request can say these */
        asked.max_depth = PIN_DEPTH_DIRECT;
        asked.replication_factor_min = asked.replication_factor_max = 7;
        asked.shard_size = 7;
        g_assert_cmpint(str_map_set(&asked.metadata, "k", "v"), ==, 0);
        g_assert_cmpint(str_list_append(&asked.origins, "/ip4/1.2.3.4/tcp/4001"), ==, 0);
        begin(&put, &asked, NULL);
        end(&put);
        g_assert_cmpint(put.asked.r, ==, 0);
        g_assert_true(put.requests_only);
        g_assert_cmpuint(put.n_requests, ==, 1);
        g_assert_true(cid_equal(&put.id.cid, &asked.cid));
        g_assert_false(put.id.is_plain);
        g_assert_cmpuint(put.id.created, >=, before);

        g_assert_cmpint(cluster_pin_get(peer.cluster, &asked.cid, &pin), ==, 1);
        g_assert_cmpint(pin.type, ==, PIN_TYPE_DATA);
        g_assert_cmpint((int) pin.max_depth, ==, PIN_DEPTH_RECURSIVE);
        g_assert_cmpuint(pin.expire_at, ==, 0);
        g_assert_cmpint((int) pin.replication_factor_min, ==, -1);
        g_assert_cmpuint(pin.shard_size, ==, 0);
        g_assert_cmpstr(pin.name, ==, "mine");
        g_assert_true(str_map_equal(&pin.metadata, &asked.metadata));
        g_assert_true(str_list_equal(&pin.origins, &asked.origins));
        request = pin_request_list_find(&pin.requests, &put.id);
        g_assert_nonnull(request);
        g_assert_cmpstr(request->name, ==, "mine");
        g_assert_true(str_map_equal(&request->meta, &asked.metadata));
        g_assert_true(str_list_equal(&request->origins, &asked.origins));

        PEER_UNTIL(&peer, is_pinned(1));
        str_map_done(&asked.metadata);
        str_list_done(&asked.origins);
        asked_done(&put.asked);
}

/* Two ask in the same turn: they have ids of their own, in order. */
static void test_ids(void) {
        Pin pin = named(2, "a");
        Put first, second;

        begin(&first, &pin, NULL);
        begin(&second, &pin, NULL);
        end(&first);
        end(&second);
        g_assert_cmpuint(first.id.created, <, second.id.created);
        asked_done(&first.asked);
        asked_done(&second.asked);
        assert_told(2, "a(a,a)");
}

static void test_several(void) {
        PinRequestId a = put(10, "a", NULL), b;
        size_t n;

        PEER_UNTIL(&peer, is_pinned(10));
        n = fake_kubo_count(peer.kubo, "pin/");
        b = put(10, "b", NULL);
        assert_told(10, "a(a,b)");
        g_assert_cmpint(drop(&a), ==, ERROR_NONE);
        assert_told(10, "a(b)");
        g_assert_cmpint(drop(&a), ==, ERROR_NOT_FOUND);
        for (unsigned i = 0; i < 20; i++)
                g_assert_cmpint(sd_event_run(peer.event, 1000), >=, 0);
        g_assert_cmpuint(fake_kubo_count(peer.kubo, "pin/"), ==, n); /* nobody looked at it again */
        g_assert_cmpint(drop(&b), ==, ERROR_NONE);
        assert_told(10, "");
        PEER_UNTIL(&peer, !is_pinned(10));
}

/* ---- beside what others do */

static void test_beside_a_pin(void) {
        Pin rest = asked_pin_of(20);
        PinRequestId a, id = plain(20);

        rest.name = (char *) "rest";
        asked_pin(&peer, 20, &rest);
        a = put(20, "a", NULL);
        assert_told(20, "rest[a]");
        g_assert_cmpint(drop(&a), ==, ERROR_NONE);
        assert_told(20, "rest[]");

        a = put(20, "a", NULL);
        g_assert_cmpint(drop(&id), ==, ERROR_NONE);
        assert_told(20, "rest(a)");
        g_assert_cmpint(drop(&id), ==, ERROR_NOT_FOUND);
        rest.name = (char *) "again";
        asked_pin(&peer, 20, &rest);
        assert_told(20, "again[a]");
        g_assert_cmpint(drop(&a), ==, ERROR_NONE);
        g_assert_cmpint(drop(&id), ==, ERROR_NONE);
        assert_told(20, "");
        g_assert_cmpint(drop(&id), ==, ERROR_NOT_FOUND);
}

static void test_unpin_is_the_last_word(void) {
        PinRequestId a = put(21, "a", NULL), b = put(21, "b", NULL);

        unpin(21);
        assert_told(21, "");
        g_assert_cmpint(drop(&a), ==, ERROR_NOT_FOUND);
        g_assert_cmpint(drop(&b), ==, ERROR_NOT_FOUND);
        (void) put(21, "c", NULL);
        assert_told(21, "c(c)");
}

/* Another pin that begins as a copy is not what was asked for. */
static void test_copies_have_none(void) {
        Pin copy = asked_pin_of(23);

        (void) put(22, "a", NULL);
        copy.pin_update = peer_cid(22);
        asked_pin(&peer, 23, &copy);
        assert_told(23, "a[]");
        assert_told(22, "a(a)");
}

static void test_direct_becomes_recursive(void) {
        Pin direct = asked_pin_of(24);
        _cleanup_(pin_done) Pin pin = {};
        char text[CID_TEXT_MAX];

        direct.mode = PIN_MODE_DIRECT;
        direct.max_depth = PIN_DEPTH_DIRECT;
        asked_pin(&peer, 24, &direct);
        PEER_UNTIL(&peer, is_pinned(24));
        g_assert_cmpstr(fake_kubo_pinned(peer.kubo, peer_cid_text(24, text)), ==, "direct");
        (void) put(24, "a", NULL);
        assert_told(24, "[a]");
        g_assert_cmpint(cluster_pin_get(peer.cluster, &direct.cid, &pin), ==, 1);
        g_assert_cmpint((int) pin.max_depth, ==, PIN_DEPTH_RECURSIVE);
        PEER_UNTIL(&peer, !g_strcmp0(fake_kubo_pinned(peer.kubo, text), "recursive"));
}

static void test_type(void) {
        Pin shard = asked_pin_of(25), pin = named(25, "a");

        shard.type = PIN_TYPE_SHARD;
        asked_pin(&peer, 25, &shard);
        assert_refused(&pin, NULL, ERROR_REFUSED, "different tracking method");
        assert_told(25, "[]");
}

/* ---- replaced */

static void test_replaced(void) {
        PinRequestId a = put(30, "a", NULL), b = put(30, "b", &a), c, rest = plain(31);

        g_assert_false(pin_request_id_equal(&a, &b));
        assert_told(30, "a(b)");
        g_assert_cmpint(drop(&a), ==, ERROR_NOT_FOUND);

        asked_pin(&peer, 31, NULL);
        c = put(31, "c", &rest);
        assert_told(31, "(c)");
        g_assert_cmpint(drop(&c), ==, ERROR_NONE);
        assert_told(31, "");
}

/* Kubo is told to make the one of the other. */
static void test_replaced_by_another_cid(void) {
        PinRequestId a = put(32, "a", NULL), b;
        _cleanup_(pin_done) Pin pin = {};

        PEER_UNTIL(&peer, is_pinned(32));
        b = put(33, "b", &a);
        g_assert_cmpint(cluster_pin_get(peer.cluster, &b.cid, &pin), ==, 1);
        g_assert_true(cid_equal(&pin.pin_update, &a.cid));
        assert_told(32, "");
        assert_told(33, "b(b)");
        PEER_UNTIL(&peer, is_pinned(33) && !is_pinned(32));

        (void) put(33, "c", NULL);
        (void) put(34, "d", &b); /* the other one stays for "c" */
        assert_told(33, "b(c)");
        assert_told(34, "d(d)");
}

static void test_nothing_to_replace(void) {
        PinRequestId a = put(35, "a", NULL), nowhere = a, rest = plain(35);
        Pin other = named(36, "b"), same = named(35, "b");

        nowhere.cid = peer_cid(36);
        assert_refused(&other, &nowhere, ERROR_NOT_FOUND, "is not there");
        assert_refused(&same, &rest, ERROR_NOT_FOUND, "is not there");
        nowhere = a;
        nowhere.random++;
        assert_refused(&same, &nowhere, ERROR_NOT_FOUND, "is not there");
        assert_told(35, "a(a)");
        assert_told(36, "");
}

/* Both looked at it, one was first. */
static void test_replaced_twice(void) {
        PinRequestId a = put(37, "a", NULL);
        Pin b = named(37, "b"), c = named(38, "c");
        Put first, second;

        begin(&first, &b, &a);
        begin(&second, &c, &a);
        end(&first);
        end(&second);
        g_assert_cmpint(first.asked.code, ==, ERROR_NONE);
        g_assert_cmpint(second.asked.code, ==, ERROR_NOT_FOUND);
        asked_done(&first.asked);
        asked_done(&second.asked);
        assert_told(37, "a(b)");
        assert_told(38, "");
}

/* ---- no room */

/* As an import brings it. */
static void fill(uint64_t n, size_t n_requests, size_t size) {
        g_autofree char *name = g_strnfill(size, 'n');
        _cleanup_(pin_done) Pin pin = asked_pin_of(n);
        _cleanup_(str_done) Str body = {};
        ConsensusOp op;

        for (size_t i = 0; i < n_requests; i++) {
                PinRequest request = { .created = i + 1, .name = g_strdup(name) };

                g_assert_cmpint(pin_request_list_take(&pin.requests, &request), ==, 0);
        }
        pin.requests_only = true;
        pin.timestamp = USEC_PER_SEC;
        g_assert_cmpint(pin_write(&pin, &body), ==, 0);
        op = (ConsensusOp){ CONSENSUS_PIN, body.data, body.len };
        g_assert_cmpint(consensus_submit(peer.cluster->consensus, NULL, &op, 1, NULL, NULL, NULL), ==, 0);
        PEER_UNTIL(&peer, state_pinset_has(consensus_pinset(peer.cluster->consensus), &pin.cid) > 0);
}

static void test_full(void) {
        PinRequestId first = { .cid = peer_cid(40), .created = 1 }, last;
        Pin pin = named(40, "x");
        Put one, two;

        fill(40, PIN_REQUESTS_MAX - 1, 1);
        begin(&one, &pin, NULL); /* both see room for one */
        begin(&two, &pin, NULL);
        end(&one);
        end(&two);
        g_assert_cmpint(one.asked.code, ==, ERROR_NONE);
        g_assert_cmpint(two.asked.code, ==, ERROR_REFUSED);
        g_assert_cmpstr(two.asked.words, ==, "the CID has 256 pinning requests already");
        last = one.id;
        asked_done(&one.asked);
        asked_done(&two.asked);

        assert_refused(&pin, NULL, ERROR_REFUSED, "the CID has 256 pinning requests already");
        last = put(40, "y", &last); /* instead of another one there is room */
        (void) put(40, "z", &first);
}

static void test_too_many_bytes(void) {
        Pin pin = named(41, NULL);

        fill(41, 4, PIN_REQUESTS_BYTES_MAX / 5);
        pin.name = g_strnfill(PIN_REQUESTS_BYTES_MAX / 5, 'n');
        assert_refused(&pin, NULL, ERROR_REFUSED, "would have more than 65536 bytes");
        g_free(pin.name);
        pin.name = g_strnfill(PIN_REQUESTS_BYTES_MAX, 'n');
        pin.cid = peer_cid(42);
        assert_refused(&pin, NULL, ERROR_TOO_BIG, "is larger than 65536 bytes");
        assert_told(42, "");
        g_free(pin.name);
}

/* ---- who may */

static void test_follower(void) {
        Pin pin = named(50, "a");
        PinRequestId id = put(51, "a", NULL);

        peer.config->cluster.follower_mode = true;
        assert_refused(&pin, NULL, ERROR_REFUSED, "follower mode");
        g_assert_cmpint(drop(&id), ==, ERROR_REFUSED);
        peer.config->cluster.follower_mode = false;
        assert_told(51, "a(a)");
}

/* ---- dropped */

static void test_drop_at_every_turn(void) {
        bool committed = false;

        for (unsigned turns = 1; !committed; turns++) {
                Pin pin = named(1000 + turns, "a");
                Put put;

                begin(&put, &pin, NULL);
                for (unsigned i = 0; i < turns && put.asked.n == 0; i++)
                        g_assert_cmpint(sd_event_run(peer.event, 1000), >=, 0);
                committed = put.asked.n > 0;
                asked_done(&put.asked);
                g_assert_cmpuint(turns, <, 1000);
        }
}

/* ---- addresses */

#define OTHER_ID "QmXZrtE5jQwXNqCJMfHUTQkvhQ4ZAnqMnmzFMJfLewuabc"

static void test_addresses(void) {
        const PeerIdList all = {};
        PeerIdList self = {}, nobody = {};
        Metric metric = {
                .name = (char *) "ping",
                .peer = *cluster_self(peer.cluster),
                .value = (char *) "{\"ipfs_id\":\"" FAKE_KUBO_ID
                                  "\",\"ipfs_addresses\":[\"/ip4/1.2.3.4/tcp/4001\","
                                  "\"nonsense\",\"/ip4/1.2.3.4/tcp/4001/p2p/" FAKE_KUBO_ID
                                  "\",\"/dns4/a.example/tcp/1\"]}",
                .valid = true,
        };
        StrList addresses;
        PeerId other;

        g_assert_cmpint(metrics_monitor_put(peer.cluster->monitor, &metric), ==, 0);
        g_assert_cmpint(peer_id_parse(OTHER_ID, &other), ==, 0);
        g_assert_cmpint(peer_id_list_append(&self, cluster_self(peer.cluster)), ==, 0);
        g_assert_cmpint(peer_id_list_append(&nobody, &other), ==, 0);
        for (unsigned i = 0; i < 2; i++) {
                g_assert_cmpint(cluster_ipfs_addresses(peer.cluster, i ? &self : &all, &addresses), ==, 0);
                g_assert_cmpuint(addresses.n, ==, 2);
                g_assert_cmpstr(addresses.items[0], ==, "/ip4/1.2.3.4/tcp/4001/p2p/" FAKE_KUBO_ID);
                g_assert_cmpstr(addresses.items[1], ==, "/dns4/a.example/tcp/1/p2p/" FAKE_KUBO_ID);
                str_list_done(&addresses);
        }
        g_assert_cmpint(cluster_ipfs_addresses(peer.cluster, &nobody, &addresses), ==, 0);
        g_assert_cmpuint(addresses.n, ==, 0);
        str_list_done(&addresses);
        peer_id_list_done(&self);
        peer_id_list_done(&nobody);
}

int main(int argc, char **argv) {
        int r;

        g_test_init(&argc, &argv, NULL);
        peer_init(&peer);
        peer_start(&peer);
        peer_until_metric(&peer, "freespace");
        peer_until_metric(&peer, "tag:group");

        g_test_add_func("/cluster/request-op/makes-a-pin", test_makes_a_pin);
        g_test_add_func("/cluster/request-op/ids", test_ids);
        g_test_add_func("/cluster/request-op/several", test_several);
        g_test_add_func("/cluster/request-op/beside-a-pin", test_beside_a_pin);
        g_test_add_func("/cluster/request-op/unpin-is-the-last-word", test_unpin_is_the_last_word);
        g_test_add_func("/cluster/request-op/copies-have-none", test_copies_have_none);
        g_test_add_func("/cluster/request-op/direct-becomes-recursive", test_direct_becomes_recursive);
        g_test_add_func("/cluster/request-op/type", test_type);
        g_test_add_func("/cluster/request-op/replaced", test_replaced);
        g_test_add_func("/cluster/request-op/replaced-by-another-cid", test_replaced_by_another_cid);
        g_test_add_func("/cluster/request-op/nothing-to-replace", test_nothing_to_replace);
        g_test_add_func("/cluster/request-op/replaced-twice", test_replaced_twice);
        g_test_add_func("/cluster/request-op/full", test_full);
        g_test_add_func("/cluster/request-op/too-many-bytes", test_too_many_bytes);
        g_test_add_func("/cluster/request-op/follower", test_follower);
        g_test_add_func("/cluster/request-op/drop-at-every-turn", test_drop_at_every_turn);
        g_test_add_func("/cluster/request-op/addresses", test_addresses);
        r = g_test_run();
        peer_close(&peer);
        return r;
}
