#include <string.h>

#include "daemon/cluster/add.h"
#include "daemon/cluster/internal.h"
#include "tests/unit/cluster/asked.h"

#define TYPE "multipart/form-data; boundary=B"
#define PART(name, data)                                                                                    \
        "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" name "\"\r\n\r\n" data "\r\n"
#define END "--B--\r\n"
#define CID_HELLO "bafkreicx3mxcmx3eg5ct3tsv54ijv5rgz5vxg2g56q66qvnjrdhnogif5a" /* hello cluster\n */

typedef struct Adding {
        ClusterAdd *add;
        AddOptions options;
        Pin pin;
        GString *lines;
        unsigned n_done;
        int r;
        char *words;
} Adding;

static Peer peer;

static void on_wanted(void *userdata G_GNUC_UNUSED) {
}

static int on_added(const Added *added, void *userdata) {
        Adding *adding = userdata;
        _cleanup_(str_done) Str line = {};

        g_assert_cmpint(json_write(&added_shape, added, &line), ==, 0);
        g_string_append_printf(adding->lines, "%s\n", line.data);
        return 0;
}

static void on_done(int r, const Error *error, void *userdata) {
        Adding *adding = userdata;

        adding->n_done++;
        adding->r = r;
        adding->words = g_strdup(r < 0 ? error_message(error) : NULL);
        adding->add = cluster_add_free(adding->add);
}

static const ClusterAddEvents events = { .wanted = on_wanted, .added = on_added, .done = on_done };

static void init(Adding *adding) {
        *adding = (Adding){ .lines = g_string_new(NULL) };
        g_assert_cmpint(add_options_read(&adding->options, NULL, 0, NULL), ==, 0);
}

static int begin(Adding *adding, Error *error) {
        return cluster_add_new(
                        peer.cluster,
                        &adding->add,
                        &(ClusterAddInput){
                                        .options = &adding->options,
                                        .pin = &adding->pin,
                                        .content_type = TYPE,
                        },
                        &events,
                        adding,
                        error);
}

static void done(Adding *adding) {
        cluster_add_free(adding->add);
        add_options_done(&adding->options);
        pin_done(&adding->pin);
        g_string_free(adding->lines, TRUE);
        g_free(adding->words);
}

static void run(Adding *adding, const char *body) {
        g_assert_cmpint(begin(adding, NULL), ==, 0);
        g_assert_cmpuint(cluster_add_feed(adding->add, body, strlen(body)), ==, strlen(body));
        cluster_add_finish(adding->add);
        g_assert_cmpuint(adding->n_done, ==, 0);
        PEER_UNTIL(&peer, adding->n_done > 0);
}

static uint64_t n_pins(void) {
        return state_pinset_count(consensus_pinset(peer.cluster->consensus));
}

static void get(const char *text, Pin *ret) {
        Cid cid;

        g_assert_cmpint(cid_parse(text, &cid, NULL), ==, 0);
        g_assert_cmpint(cluster_pin_get(peer.cluster, &cid, ret), ==, 1);
}

/* ---- */

static void test_pinned(void) {
        char self[PEER_ID_TEXT_MAX];
        g_autofree char *line = g_strdup_printf(
                        "{\"name\":\"a\",\"cid\":\"" CID_HELLO "\",\"size\":14,\"allocations\":[\"%s\"]}\n",
                        peer_id_format(cluster_self(peer.cluster), self));
        Adding adding;
        Pin pin = {};

        init(&adding);
        g_assert_cmpint(str_copy(&adding.pin.name, "n"), ==, 0);
        adding.pin.mode = PIN_MODE_DIRECT; /* is no matter here */
        adding.pin.max_depth = PIN_DEPTH_DIRECT;
        adding.pin.pin_update = peer_cid(1);
        run(&adding, PART("a", "hello cluster\n") END);
        g_assert_cmpint(adding.r, ==, 0);
        g_assert_cmpstr(adding.lines->str, ==, line);
        get(CID_HELLO, &pin);
        g_assert_cmpstr(pin.name, ==, "n");
        g_assert_cmpint(pin.max_depth, ==, PIN_DEPTH_RECURSIVE);
        g_assert_cmpint(pin.replication_factor_min, ==, -1);
        g_assert_false(cid_is_defined(&pin.pin_update));
        pin_done(&pin);
        done(&adding);
}

/* All that lies beside each other, not only the last. */
static void test_all_roots(void) {
        uint64_t before = n_pins();
        Adding adding;

        init(&adding);
        run(&adding, PART("a", "1") PART("b", "2") PART("c", "3") END);
        g_assert_cmpint(adding.r, ==, 0);
        g_assert_cmpuint(n_pins(), ==, before + 3);
        done(&adding);
}

static void test_no_pin(void) {
        uint64_t before = n_pins();
        Adding adding;

        init(&adding);
        adding.options.no_pin = true;
        run(&adding, PART("a", "not pinned") END);
        g_assert_cmpint(adding.r, ==, 0);
        g_assert_cmpuint(n_pins(), ==, before);
        done(&adding);
}

static void test_factors(void) {
        char self[PEER_ID_TEXT_MAX];
        Adding adding;

        peer_until_metric(&peer, "freespace");
        for (int local = 0; local < 2; local++) {
                init(&adding);
                adding.options.local = local;
                adding.pin.replication_factor_min = adding.pin.replication_factor_max = 1;
                run(&adding, PART("a", "one copy") END);
                g_assert_cmpint(adding.r, ==, 0);
                asked_assert_has(adding.lines->str, peer_id_format(cluster_self(peer.cluster), self));
                done(&adding);
        }
}

/* What the cluster does not pin is not taken by Kubo either. */
static void test_refused(void) {
        static const struct {
                int64_t factor;
                uint64_t expire_at;
                const char *words;
        } cases[] = {
                { 3, 0, "not enough peers to allocate CID" },
                { -2, 0, "cluster.replication_factor_min is wrong" },
                { 0, 1, "pin.ExpireAt set before current time" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                uint64_t before = n_pins();
                Adding adding;

                init(&adding);
                fake_kubo_forget_requests(peer.kubo);
                adding.pin.replication_factor_min = adding.pin.replication_factor_max = cases[i].factor;
                adding.pin.expire_at = cases[i].expire_at;
                run(&adding, PART("a", "x") END);
                g_assert_cmpint(adding.r, <, 0);
                asked_assert_has(adding.words, cases[i].words);
                g_assert_cmpuint(fake_kubo_count(peer.kubo, "add"), ==, 0);
                g_assert_cmpuint(n_pins(), ==, before);
                done(&adding);
        }
}

static void test_broken(void) {
        static const char *const bodies[] = {
                PART("a", "broken"),
                PART("a", "broken") "--B-",
                END,
                PART("a", "broken") "--B\r\nx\r\n\r\n",
        };
        uint64_t before = n_pins();

        for (size_t i = 0; i < G_N_ELEMENTS(bodies); i++) {
                Adding adding;

                init(&adding);
                run(&adding, bodies[i]);
                g_test_message("%s", bodies[i]);
                g_assert_cmpint(adding.r, ==, -EINVAL);
                g_assert_cmpuint(n_pins(), ==, before);
                done(&adding);
        }
}

static void test_kubo_fails(void) {
        uint64_t before = n_pins();
        Adding adding;

        fake_kubo_plan(peer.kubo,
                       "add",
                       NULL,
                       &(FakeAnswer){ .body = "{\"Name\":\"a\",\"Hash\":\"" CID_HELLO "\",\"Size\":\"1\"}\n",
                                      .trailer = "the disk is full",
                                      .times = 1 });
        init(&adding);
        run(&adding, PART("a", "x") END);
        g_assert_cmpstr(adding.words, ==, "the disk is full");
        g_assert_cmpuint(n_pins(), ==, before);
        done(&adding);
}

static void test_dropped(void) {
        uint64_t before = n_pins();
        Adding adding;

        init(&adding);
        g_assert_cmpint(begin(&adding, NULL), ==, 0);
        (void) cluster_add_feed(adding.add, PART("a", "dropped") END, strlen(PART("a", "dropped") END));
        cluster_add_finish(adding.add);
        adding.add = cluster_add_free(adding.add);
        for (unsigned i = 0; i < 50; i++)
                peer_turn(&peer, G_MAXINT64);
        g_assert_cmpuint(adding.n_done, ==, 0);
        g_assert_cmpuint(n_pins(), ==, before);
        done(&adding);
}

static void test_bound(void) {
        ClusterAdd *adds[CLUSTER_ADDS_MAX];
        Adding adding;

        init(&adding);
        for (size_t i = 0; i < CLUSTER_ADDS_MAX; i++) {
                g_assert_cmpint(begin(&adding, NULL), ==, 0);
                adds[i] = TAKE_PTR(adding.add);
        }
        {
                _cleanup_(error_done) Error error = {};

                g_assert_cmpint(begin(&adding, &error), ==, -EBUSY);
                g_assert_cmpstr(error_message(&error), ==, "32 uploads are under way: try again later");
        }
        for (size_t i = 0; i < CLUSTER_ADDS_MAX; i++)
                cluster_add_free(adds[i]);
        run(&adding, PART("a", "again") END);
        g_assert_cmpint(adding.r, ==, 0);
        done(&adding);
}

static void test_follower(void) {
        _cleanup_(error_done) Error error = {};
        Adding adding;

        init(&adding);
        peer.config->cluster.follower_mode = true;
        g_assert_cmpint(begin(&adding, &error), <, 0);
        g_assert_cmpstr(error_message(&error), ==, CLUSTER_IS_FOLLOWER);
        peer.config->cluster.follower_mode = false;
        done(&adding);
}

static void test_stopped(void) {
        _cleanup_(error_done) Error error = {};
        Adding adding, late;

        init(&adding);
        init(&late);
        g_assert_cmpint(begin(&adding, NULL), ==, 0);
        (void) cluster_add_feed(adding.add, PART("a", "x"), strlen(PART("a", "x")));
        cluster_stop(peer.cluster);
        PEER_UNTIL(&peer, adding.n_done > 0);
        g_assert_cmpstr(adding.words, ==, CLUSTER_IS_STOPPING);
        g_assert_cmpint(begin(&late, &error), ==, -ECANCELED);
        done(&adding);
        done(&late);
}

int main(int argc, char **argv) {
        int r;

        g_test_init(&argc, &argv, NULL);
        peer_open(&peer);
        g_test_add_func("/cluster/add/pinned", test_pinned);
        g_test_add_func("/cluster/add/all-roots", test_all_roots);
        g_test_add_func("/cluster/add/no-pin", test_no_pin);
        g_test_add_func("/cluster/add/factors", test_factors);
        g_test_add_func("/cluster/add/refused", test_refused);
        g_test_add_func("/cluster/add/broken-pins-nothing", test_broken);
        g_test_add_func("/cluster/add/kubo-fails", test_kubo_fails);
        g_test_add_func("/cluster/add/dropped", test_dropped);
        g_test_add_func("/cluster/add/bound", test_bound);
        g_test_add_func("/cluster/add/follower", test_follower);
        g_test_add_func("/cluster/add/stopped", test_stopped);
        r = g_test_run();
        peer_close(&peer);
        return r;
}
