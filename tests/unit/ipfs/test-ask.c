#include "tests/unit/ipfs/fixture.h"

#define SOME_PEER "12D3KooWFAhJxa957WdJcufKtMjs9CRCR6eRkxjNSQK1oPtUDevv"

static void on_cid(IpfsCall *call _unused_, int r, const Error *error, const Cid *cid, void *userdata) {
        Fixture *f = userdata;

        f->cid = *cid;
        fixture_heard(f, r, error);
}

static void on_repo_stat(
                IpfsCall *call _unused_,
                int r,
                const Error *error,
                uint64_t repo_size,
                uint64_t storage_max,
                void *userdata) {
        Fixture *f = userdata;

        f->repo_size = repo_size;
        f->storage_max = storage_max;
        fixture_heard(f, r, error);
}

static void on_peers(
                IpfsCall *call _unused_,
                int r,
                const Error *error,
                const PeerIdList *peers,
                void *userdata) {
        Fixture *f = userdata;

        peer_id_list_done(&f->peers);
        for (size_t i = 0; i < peers->n; i++)
                g_assert_cmpint(peer_id_list_append(&f->peers, &peers->items[i]), ==, 0);
        fixture_heard(f, r, error);
}

static void on_plain(IpfsCall *call _unused_, int r, const Error *error, void *userdata) {
        fixture_heard(userdata, r, error);
}

/* ---- id ---- */

/* An address that nobody understands never costs the id. */
static void test_id_addresses(Fixture *f, gconstpointer data _unused_) {
        fake_kubo_plan(f->kubo,
                       "id",
                       NULL,
                       &(FakeAnswer){ .body = "{\"ID\":\"" SOME_PEER
                                              "\",\"Addresses\":[\"nonsense\",\"/ip4/10.0.0.1/tcp/4001\"]}" });
        fixture_ask_id(f);
        g_assert_cmpint(f->r, ==, 0);
        g_assert_cmpuint(ipfs_last_id(f->ipfs)->addresses.n, ==, 1);
        g_assert_cmpstr(ipfs_last_id(f->ipfs)->addresses.items[0], ==, "/ip4/10.0.0.1/tcp/4001");
        g_assert_cmpstr(fake_kubo_requests(f->kubo)->items[0], ==, "id");
}

static void ask_repo_stat(Fixture *f) {
        g_assert_cmpint(ipfs_repo_stat(f->ipfs, &f->call, on_repo_stat, f), ==, 0);
}

static void ask_peers(Fixture *f) {
        g_assert_cmpint(ipfs_swarm_peers(f->ipfs, &f->call, on_peers, f), ==, 0);
}

static void ask_connect(Fixture *f) {
        g_assert_cmpint(ipfs_swarm_connect(
                                        f->ipfs, &f->call, "/ip4/1.2.3.4/tcp/1/p2p/" SOME_PEER, on_plain, f),
                        ==,
                        0);
}

static void ask_resolve(Fixture *f) {
        g_assert_cmpint(ipfs_resolve(f->ipfs, &f->call, "/ipns/a b", on_cid, f), ==, 0);
}

static void ask_id(Fixture *f) {
        g_assert_cmpint(ipfs_id(f->ipfs, &f->call, fixture_on_id, f), ==, 0);
}

/* ---- each question: what is sent, and which answers are none ---- */

static const struct {
        const char *command;
        void (*ask)(Fixture *f);
        const char *request;
        const char *bad[6];
} questions[] = {
        { "id",
          ask_id,
          "id",
          { "{}",
            "{\"ID\":7}",
            "{\"ID\":\"nobody\"}",
            "{\"ID\":\"" SOME_PEER "\",\"Addresses\":7}",
            "[]" } },
        { "repo/stat",
          ask_repo_stat,
          "repo/stat?size-only=true",
          { "{}",
            "{\"RepoSize\":1}",
            "{\"RepoSize\":\"1\",\"StorageMax\":1}",
            "{\"RepoSize\":-1,\"StorageMax\":1}" } },
        { "swarm/peers", ask_peers, "swarm/peers", { "{\"Peers\":7}", "{\"Peers\":{}}", "null" } },
        { "swarm/connect",
          ask_connect,
          "swarm/connect?arg=%2Fip4%2F1.2.3.4%2Ftcp%2F1%2Fp2p%2F" SOME_PEER,
          { "", "connected" } },
        { "resolve",
          ask_resolve,
          "resolve?arg=%2Fipns%2Fa+b",
          { "{}",
            "{\"Path\":7}",
            "{\"Path\":\"" CID_A "\"}",
            "{\"Path\":\"/ipfs/\"}",
            "{\"Path\":\"/ipns/x\"}" } },
};

static void test_questions(Fixture *f, gconstpointer data _unused_) {
        for (size_t i = 0; i < ELEMENTSOF(questions); i++) {
                g_test_message("%s", questions[i].command);
                fake_kubo_forget_requests(f->kubo);
                questions[i].ask(f);
                fixture_wait(f);
                g_assert_cmpstr(f->error, ==, NULL);
                g_assert_cmpstr(fake_kubo_requests(f->kubo)->items[0], ==, questions[i].request);

                for (size_t k = 0; k < ELEMENTSOF(questions[i].bad) && questions[i].bad[k]; k++) {
                        g_autofree char *words = g_strdup_printf(
                                        "IPFS gave an answer to %s that cannot be used: ",
                                        questions[i].command);

                        g_test_message("'%s'", questions[i].bad[k]);
                        fake_kubo_plan(f->kubo,
                                       questions[i].command,
                                       NULL,
                                       &(FakeAnswer){ .body = questions[i].bad[k], .times = 1 });
                        questions[i].ask(f);
                        fixture_wait(f);
                        fixture_assert_words(f, words);
                        g_assert_true(ipfs_is_reachable(f->ipfs));
                }
        }
}

/* Each question x {Kubo says no, cut off, down}. */
static void test_failures(Fixture *f, gconstpointer data _unused_) {
        for (size_t i = 0; i < ELEMENTSOF(questions); i++) {
                const char *command = questions[i].command;

                g_test_message("%s", command);
                fake_kubo_plan(f->kubo,
                               command,
                               NULL,
                               &(FakeAnswer){ .status = 500,
                                              .body = "{\"Message\":\"no\",\"Code\":0,\"Type\":\"error\"}",
                                              .times = 1 });
                questions[i].ask(f);
                fixture_wait(f);
                fixture_assert_words(f, "Code: 500. Message: no");

                fake_kubo_plan(f->kubo,
                               command,
                               NULL,
                               &(FakeAnswer){ .body = "{", .fault = FAKE_CUT, .times = 1 });
                questions[i].ask(f);
                fixture_wait(f);
                fixture_assert_words(f, command);

                fake_kubo_stop(f->kubo);
                questions[i].ask(f);
                fixture_wait(f);
                fixture_assert_words(f, "Connection refused");
                g_assert_true(f->is_down);
                g_assert_cmpint(fake_kubo_start(f->kubo), ==, 0);
        }
}

/* ---- answers ---- */

static void test_answers(Fixture *f, gconstpointer data _unused_) {
        ask_repo_stat(f);
        fixture_wait(f);
        g_assert_cmpuint(f->repo_size, ==, 1000);
        g_assert_cmpuint(f->storage_max, ==, 10000);

        fake_kubo_plan(f->kubo,
                       "repo/stat",
                       NULL,
                       &(FakeAnswer){ .body = "{\"RepoSize\":0,\"StorageMax\":18446744073709551615}" });
        ask_repo_stat(f);
        fixture_wait(f);
        g_assert_cmpuint(f->storage_max, ==, UINT64_MAX);
}

static void test_peers(Fixture *f, gconstpointer data _unused_) {
        static const struct {
                const char *body;
                size_t n;
        } cases[] = {
                { "{\"Peers\":null}", 0 },
                { "{}", 0 },
                { "{\"Peers\":[]}", 0 },
                { "{\"Peers\":[{\"Peer\":null},{},7,null,{\"Peer\":\"x\"},{\"Peer\":7}]}", 0 },
                { "{\"Peers\":[{\"Peer\":\"" SOME_PEER "\"},{\"Peer\":\"" FAKE_KUBO_ID "\"}]}", 2 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                g_test_message("%s", cases[i].body);
                fake_kubo_plan(f->kubo,
                               "swarm/peers",
                               NULL,
                               &(FakeAnswer){ .body = cases[i].body, .times = 1 });
                ask_peers(f);
                fixture_wait(f);
                g_assert_cmpstr(f->error, ==, NULL);
                g_assert_cmpuint(f->peers.n, ==, cases[i].n);
        }
}

static void test_resolve(Fixture *f, gconstpointer data _unused_) {
        static const char *const bodies[] = { "{\"Path\":\"/ipfs/" CID_B "\"}",
                                              "{\"Path\":\"/ipld/" CID_B "\"}",
                                              "{\"Path\":\"/ipfs/" CID_B "/rest/of it\"}" };
        const Cid b = fixture_cid(CID_B);

        for (size_t i = 0; i < ELEMENTSOF(bodies); i++) {
                fake_kubo_plan(f->kubo, "resolve", NULL, &(FakeAnswer){ .body = bodies[i], .times = 1 });
                ask_resolve(f);
                fixture_wait(f);
                g_assert_cmpstr(f->error, ==, NULL);
                g_assert_true(cid_equal(&f->cid, &b));
        }
}

/* ---- repo/gc ---- */

static void on_gc(IpfsCall *call _unused_, const Cid *cid, const char *error, void *userdata) {
        Fixture *f = userdata;
        char text[CID_TEXT_MAX];

        (void) str_list_append(&f->items, error ? error : cid_format(cid, text));
}

static void test_gc(Fixture *f, gconstpointer data _unused_) {
        g_assert_cmpint(ipfs_repo_gc(f->ipfs, &f->call, on_gc, on_plain, f), ==, 0);
        fixture_wait(f);
        g_assert_cmpint(f->r, ==, 0);
        g_assert_cmpuint(f->items.n, ==, 2);
        g_assert_cmpstr(f->items.items[0], ==, "QmP63DkAFEnDYNjDYBpyNDfttu1fvUw99x1brscPzpqmmq");
        g_assert_cmpstr(f->items.items[1], ==, "no link by that name");
        g_assert_cmpstr(fake_kubo_requests(f->kubo)->items[0], ==, "repo/gc?stream-errors=true");
}

static void on_gc_frees(
                IpfsCall *call, const Cid *cid _unused_, const char *error _unused_, void *userdata) {
        Fixture *f = userdata;

        g_assert_true(call == f->call);
        f->call = ipfs_call_unref(f->call);
}

static void test_gc_frees_call(Fixture *f, gconstpointer data _unused_) {
        g_assert_cmpint(ipfs_repo_gc(f->ipfs, &f->call, on_gc_frees, on_plain, f), ==, 0);
        fixture_wait(f);
        for (unsigned i = 0; i < 5; i++)
                (void) sd_event_run(f->event, 0);
        g_assert_cmpstr(f->error, ==, NULL);
}

static void test_gc_fails(Fixture *f, gconstpointer data _unused_) {
        fake_kubo_plan(f->kubo,
                       "repo/gc",
                       NULL,
                       &(FakeAnswer){ .body = "{\"Key\":{\"/\":\"" CID_A "\"}}\n",
                                      .trailer = "lock is held" });
        g_assert_cmpint(ipfs_repo_gc(f->ipfs, &f->call, on_gc, on_plain, f), ==, 0);
        fixture_wait(f);
        fixture_assert_words(f, "lock is held");
        g_assert_cmpuint(f->items.n, ==, 1);
}

#define TEST(name, func)                                                                                    \
        g_test_add("/ipfs/ask/" name, Fixture, NULL, fixture_set_up, func, fixture_tear_down)

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        TEST("id-addresses", test_id_addresses);
        TEST("questions", test_questions);
        TEST("failures", test_failures);
        TEST("answers", test_answers);
        TEST("peers", test_peers);
        TEST("resolve", test_resolve);
        TEST("gc", test_gc);
        TEST("gc-frees-call", test_gc_frees_call);
        TEST("gc-fails", test_gc_fails);
        return g_test_run();
}
