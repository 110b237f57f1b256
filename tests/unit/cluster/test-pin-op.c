#include <string.h>

#include "daemon/base/time.h"
#include "tests/unit/cluster/asked.h"

static Peer peer;

static void ask(Asked *asked, const Pin *pin, const char *path) {
        g_assert_cmpint(cluster_pin(peer.cluster, &asked->call, pin, path, asked_on_pin, asked), ==, 0);
        g_assert_cmpuint(asked->n, ==, 0); /* never from inside */
}

static void ask_unpin(Asked *asked, const Cid *cid, const char *path) {
        g_assert_cmpint(cluster_unpin(peer.cluster, &asked->call, cid, path, asked_on_pin, asked), ==, 0);
        g_assert_cmpuint(asked->n, ==, 0);
}

static int is_in_pinset(uint64_t n) {
        Cid cid = peer_cid(n);
        Pin pin = {};
        int r = cluster_pin_get(peer.cluster, &cid, &pin);

        pin_done(&pin);
        return r;
}

/* ---- what is refused */

static void test_factors(void) {
        static const struct {
                int64_t min, max;
                const char *words; /* NULL: allowed */
        } cases[] = {
                { 0, 0, NULL },
                { -1, -1, NULL },
                { 1, 1, NULL },
                { 1, 3, NULL },
                { 3, 1, "cluster.replication_factor_min is larger than max" },
                { 1, -1, "cluster.replication_factor_min is larger than max" },
                { 1, -2, "cluster.replication_factor_min is larger than max" },
                { 1, 0, "cluster.replication_factor_min is larger than max" },
                { -2, 1, "cluster.replication_factor_min is wrong" },
                { -2, -2, "cluster.replication_factor_min is wrong" },
                { -1, 2, "cluster.replication_factor_min and max must be -1 when one of them is" },
                { 2,
                  2,
                  "not enough peers to allocate CID. Needed at least: 2. Wanted at most: 2. Available "
                  "candidates: 1. See logs for more info." },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                Pin pin = asked_pin_of(100 + i);
                Asked asked = {};

                pin.replication_factor_min = cases[i].min;
                pin.replication_factor_max = cases[i].max;
                ask(&asked, &pin, NULL);
                asked_wait(&peer, &asked);
                g_assert_cmpstr(asked.words, ==, cases[i].words);
                g_assert_cmpint(is_in_pinset(100 + i), ==, cases[i].words ? 0 : 1);
                asked_done(&asked);
        }
}

static void test_expiry_in_the_past(void) {
        Pin pin = asked_pin_of(200);
        Asked asked = {};

        pin.expire_at = time_now() - USEC_PER_SEC;
        ask(&asked, &pin, NULL);
        asked_wait(&peer, &asked);
        g_assert_cmpint(asked.code, ==, ERROR_REFUSED);
        g_assert_cmpstr(asked.words, ==, "pin.ExpireAt set before current time");
        asked_done(&asked);
}

static void test_mode_of_a_pin_that_is_there(void) {
        Pin direct = asked_pin_of(201);
        Asked asked = {};

        direct.mode = PIN_MODE_DIRECT;
        direct.max_depth = PIN_DEPTH_DIRECT;
        asked_pin(&peer, 201, NULL);
        ask(&asked, &direct, NULL);
        asked_wait(&peer, &asked);
        g_assert_cmpint(asked.code, ==, ERROR_REFUSED);
        asked_assert_has(asked.words, "already pinned in recursive mode");
        asked_done(&asked);

        asked_pin(&peer, 202, &direct); /* the other way is allowed */
        asked_pin(&peer, 202, NULL);
}

static void test_type_of_a_pin_that_is_there(void) {
        Pin shard = asked_pin_of(203);
        Asked asked = {};

        shard.type = PIN_TYPE_SHARD;
        asked_pin(&peer, 203, NULL);
        ask(&asked, &shard, NULL);
        asked_wait(&peer, &asked);
        g_assert_cmpstr(asked.words,
                        ==,
                        "cannot repin CID with different tracking method, clear state with pin rm to "
                        "proceed. New: shard-pin. Was: pin");
        asked_done(&asked);
}

static void test_too_large(void) {
        Pin pin = asked_pin_of(204);
        Asked asked = {};

        pin.name = g_strnfill(PIN_BYTES_MAX, 'n');
        ask(&asked, &pin, NULL);
        asked_wait(&peer, &asked);
        g_assert_cmpint(asked.code, ==, ERROR_TOO_BIG);
        g_assert_cmpint(is_in_pinset(204), ==, 0);
        g_free(pin.name);
        asked_done(&asked);
}

static void test_follower(void) {
        Pin pin = asked_pin_of(205);
        Cid cid = peer_cid(205);
        Asked asked = {};

        peer.config->cluster.follower_mode = true;
        ask(&asked, &pin, NULL);
        asked_wait(&peer, &asked);
        asked_assert_has(asked.words, "follower mode");
        asked_done(&asked);
        ask_unpin(&asked, &cid, NULL);
        asked_wait(&peer, &asked);
        asked_assert_has(asked.words, "follower mode");
        asked_done(&asked);
        peer.config->cluster.follower_mode = false;
}

/* ---- what is stored */

static void test_stored(void) {
        Pin pin = asked_pin_of(300);
        Asked asked = {};
        Pin stored = {};

        pin.name = (char *) "first";
        pin.replication_factor_min = pin.replication_factor_max = 1;
        g_assert_cmpint(str_map_set(&pin.metadata, "k", "v"), ==, 0);
        ask(&asked, &pin, NULL);
        asked_wait(&peer, &asked);
        g_assert_cmpint(asked.r, ==, 0);
        asked_assert_has(asked.json, "\"name\":\"first\"");
        asked_assert_has(asked.json, "\"metadata\":{\"k\":\"v\"}");

        g_assert_cmpint(cluster_pin_get(peer.cluster, &pin.cid, &stored), ==, 1);
        g_assert_cmpstr(stored.name, ==, "first");
        g_assert_cmpuint(stored.allocations.n, ==, 1);
        g_assert_true(peer_id_equal(&stored.allocations.items[0], cluster_self(peer.cluster)));
        pin_done(&stored);
        asked_done(&asked);

        asked_pin(&peer, 300, NULL); /* each entry stands for itself */
        g_assert_cmpint(cluster_pin_get(peer.cluster, &pin.cid, &stored), ==, 1);
        g_assert_cmpstr(stored.name ? stored.name : "", ==, "");
        g_assert_cmpuint(stored.metadata.n, ==, 0);
        pin_done(&stored);
        str_map_done(&pin.metadata);
}

static void test_update(void) {
        Pin from = asked_pin_of(310), to = asked_pin_of(311);
        Asked asked = {};

        from.name = (char *) "old";
        asked_pin(&peer, 310, &from);
        to.pin_update = peer_cid(310);
        ask(&asked, &to, NULL);
        asked_wait(&peer, &asked);
        g_assert_cmpint(asked.r, ==, 0);
        asked_assert_has(asked.json, "\"name\":\"old\"");
        g_assert_cmpint(is_in_pinset(310), ==, 1);
        g_assert_cmpint(is_in_pinset(311), ==, 1);
        asked_done(&asked);

        to.pin_update = peer_cid(399);
        ask(&asked, &to, NULL);
        asked_wait(&peer, &asked);
        g_assert_cmpint(asked.code, ==, ERROR_NOT_FOUND);
        g_assert_cmpstr(asked.words, ==, "pin is not part of the pinset");
        asked_done(&asked);
}

static void test_unpin(void) {
        Cid cid = peer_cid(320);
        Asked asked = {};

        asked_pin(&peer, 320, NULL);
        ask_unpin(&asked, &cid, NULL);
        asked_wait(&peer, &asked);
        g_assert_cmpint(asked.r, ==, 0);
        g_assert_cmpint(is_in_pinset(320), ==, 0);
        asked_done(&asked);

        ask_unpin(&asked, &cid, NULL);
        asked_wait(&peer, &asked);
        g_assert_cmpint(asked.code, ==, ERROR_NOT_FOUND);
        asked_done(&asked);
}

/* ---- paths */

static void test_paths(void) {
        char text[CID_TEXT_MAX];
        _cleanup_free_ char *answer = NULL;
        _cleanup_(str_done) Str bare = {};
        Pin pin = asked_pin_of(0);
        Asked asked = {};

        pin.cid = (Cid){};
        (void) str_appendf(&bare, "/ipfs/%s/", peer_cid_text(330, text));
        fake_kubo_forget_requests(peer.kubo);
        ask(&asked, &pin, bare.data); /* a CID alone needs no Kubo */
        asked_wait(&peer, &asked);
        g_assert_cmpint(asked.r, ==, 0);
        g_assert_cmpuint(fake_kubo_count(peer.kubo, "resolve"), ==, 0);
        g_assert_cmpint(is_in_pinset(330), ==, 1);
        asked_done(&asked);

        answer = g_strdup_printf("{\"Path\":\"/ipfs/%s\"}", peer_cid_text(331, text));
        fake_kubo_plan(peer.kubo, "resolve", NULL, &(FakeAnswer){ .body = answer, .times = 2 });
        ask(&asked, &pin, "/ipns/example.org/a");
        asked_wait(&peer, &asked);
        g_assert_cmpint(asked.r, ==, 0);
        g_assert_cmpint(is_in_pinset(331), ==, 1);
        asked_done(&asked);

        ask_unpin(&asked, &(Cid){}, "/ipns/example.org/a");
        asked_wait(&peer, &asked);
        g_assert_cmpint(asked.r, ==, 0);
        g_assert_cmpint(is_in_pinset(331), ==, 0);
        asked_done(&asked);
        fake_kubo_forget_plans(peer.kubo);
}

static void test_bad_paths(void) {
        static const char *const paths[] = {
                "", "/", "/ipfs", "/ipfs/", "/ipfs/junk", "/ipns/", "/other/x"
        };
        Pin pin = asked_pin_of(0);

        pin.cid = (Cid){};
        for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
                Asked asked = {};

                ask(&asked, &pin, paths[i]);
                asked_wait(&peer, &asked);
                g_assert_cmpint(asked.code, ==, ERROR_INVALID);
                asked_assert_has(asked.words, "error parsing path: invalid path");
                asked_done(&asked);
        }
}

static void test_resolve_fails(void) {
        static const FakeAnswer answers[] = {
                { .status = 500, .body = "{\"Message\":\"no link named a\",\"Code\":0,\"Type\":\"error\"}" },
                { .body = "{\"Path\":\"/ipfs/junk\"}" },
                { .body = "garbage" },
                { .body = "{\"Pa", .fault = FAKE_CUT },
                { .fault = FAKE_HANG }, /* until the time-out */
        };
        Pin pin = asked_pin_of(0);

        pin.cid = (Cid){};
        for (size_t i = 0; i < G_N_ELEMENTS(answers); i++) {
                Asked asked = {};

                fake_kubo_plan(peer.kubo, "resolve", NULL, &answers[i]);
                ask(&asked, &pin, "/ipns/example.org/a");
                asked_wait(&peer, &asked);
                g_assert_cmpint(asked.r, <, 0);
                g_assert_cmpint(asked.code, !=, ERROR_NONE);
                asked_done(&asked);
                fake_kubo_forget_plans(peer.kubo);
        }
}

/* ---- dropped */

static void test_drop_while_resolving(void) {
        Pin pin = asked_pin_of(0);
        Asked asked = {};

        pin.cid = (Cid){};
        fake_kubo_plan(peer.kubo, "resolve", NULL, &(FakeAnswer){ .fault = FAKE_HANG });
        fake_kubo_forget_requests(peer.kubo);
        ask(&asked, &pin, "/ipns/example.org/a");
        PEER_UNTIL(&peer, fake_kubo_count(peer.kubo, "resolve") > 0);
        asked_done(&asked);
        fake_kubo_forget_plans(peer.kubo);
}

static void test_drop_before_the_first_turn(void) {
        Pin pin = asked_pin_of(340);
        Asked asked = {};

        ask(&asked, &pin, NULL);
        asked_done(&asked);
        asked_pin(&peer, 341, NULL);
        g_assert_cmpint(is_in_pinset(340), ==, 0);
}

/* Turn by turn, so that each state of the flow is dropped in; what is in the log is carried out. */
static void test_drop_at_every_turn(void) {
        bool committed = false;

        for (unsigned turns = 1; !committed; turns++) {
                Pin pin = asked_pin_of(1000 + turns);
                Asked asked = {};

                ask(&asked, &pin, NULL);
                for (unsigned i = 0; i < turns && asked.n == 0; i++)
                        g_assert_cmpint(sd_event_run(peer.event, 1000), >=, 0);
                committed = asked.n > 0;
                asked_done(&asked);
                g_assert_cmpuint(turns, <, 1000);
        }
        asked_pin(&peer, 342, NULL);
}

int main(int argc, char **argv) {
        int r;

        g_test_init(&argc, &argv, NULL);
        peer_init(&peer);
        peer.config->ipfs.ipfs_request_timeout = USEC_PER_SEC;
        peer_start(&peer);
        peer_until_metric(&peer, "freespace");
        peer_until_metric(&peer, "tag:group");

        g_test_add_func("/cluster/pin-op/factors", test_factors);
        g_test_add_func("/cluster/pin-op/expiry-in-the-past", test_expiry_in_the_past);
        g_test_add_func("/cluster/pin-op/mode-of-a-pin-that-is-there", test_mode_of_a_pin_that_is_there);
        g_test_add_func("/cluster/pin-op/type-of-a-pin-that-is-there", test_type_of_a_pin_that_is_there);
        g_test_add_func("/cluster/pin-op/too-large", test_too_large);
        g_test_add_func("/cluster/pin-op/follower", test_follower);
        g_test_add_func("/cluster/pin-op/stored", test_stored);
        g_test_add_func("/cluster/pin-op/update", test_update);
        g_test_add_func("/cluster/pin-op/unpin", test_unpin);
        g_test_add_func("/cluster/pin-op/paths", test_paths);
        g_test_add_func("/cluster/pin-op/bad-paths", test_bad_paths);
        g_test_add_func("/cluster/pin-op/resolve-fails", test_resolve_fails);
        g_test_add_func("/cluster/pin-op/drop-while-resolving", test_drop_while_resolving);
        g_test_add_func("/cluster/pin-op/drop-before-the-first-turn", test_drop_before_the_first_turn);
        g_test_add_func("/cluster/pin-op/drop-at-every-turn", test_drop_at_every_turn);
        r = g_test_run();
        peer_close(&peer);
        return r;
}
