#include <glib/gstdio.h>

#include "daemon/ipfs/node.h"
#include "tests/lib/fault.h"
#include "tests/unit/ipfs/fixture.h"

static int open_only(Fixture *f, const char *address, const char *authorization, Error *reterr) {
        _cleanup_(ipfs_freep) Ipfs *ipfs = NULL;

        return ipfs_new(&ipfs,
                        f->event,
                        f->client,
                        &(IpfsOptions){ .node_multiaddress = address, .authorization = authorization },
                        reterr);
}

static void test_bad_addresses(Fixture *f, gconstpointer data _unused_) {
        static const char *const bad[] = {
                "", "127.0.0.1:5001", "/ip4/127.0.0.1", "/ip4/127.0.0.1/udp/5001"
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_(error_done) Error error = {};
                g_autofree char *words = g_strdup_printf(
                                "ipfs_connector.ipfshttp.node_multiaddress: '%s' is not usable, expected",
                                bad[i]);

                g_assert_cmpint(open_only(f, bad[i], NULL, &error), <, 0);
                g_assert_cmpint(error.code, ==, ERROR_INVALID);
                g_assert_true(g_str_has_prefix(error.message, words));
        }
}

static void test_good_addresses(Fixture *f, gconstpointer data _unused_) {
        static const char *const good[] = { "/ip4/127.0.0.1/tcp/5001",
                                            "/ip6/::1/tcp/5001",
                                            "/dns4/kubo.example/tcp/5001",
                                            "/dns4/kubo.example/tcp/443/https",
                                            "/dns/kubo.example/tcp/443/tls/http",
                                            "/unix/run/kubo.sock" };

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                _cleanup_(error_done) Error error = {};

                if (open_only(f, good[i], NULL, &error) < 0)
                        g_error("%s: %s", good[i], error_message(&error));
        }
}

static void test_bad_authorizations(Fixture *f, gconstpointer data _unused_) {
        static const char *const bad[] = {
                "token", "bearer:", "bearer:a\r\nX: y", "basic:user", "Basic dTpw"
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_(error_done) Error error = {};

                g_test_message("%s", bad[i]);
                g_assert_cmpint(open_only(f, "/ip4/127.0.0.1/tcp/1", bad[i], &error), <, 0);
                g_assert_cmpstr(error.message,
                                ==,
                                "ipfs_connector.ipfshttp.authorization: expected 'bearer:TOKEN' or 'basic:USER:PASSWORD'");
        }
}

static void test_authorization(Fixture *f, gconstpointer data _unused_) {
        static const struct {
                const char *setting, *header;
        } cases[] = { { NULL, NULL },
                      { "", NULL },
                      { "bearer:to:ken=", "Bearer to:ken=" },
                      { "basic:user:pass:word", "Basic dXNlcjpwYXNzOndvcmQ=" } };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                fixture_open_with(f, fake_kubo_multiaddr(f->kubo), cases[i].setting, USEC_PER_SEC);
                fixture_ask_id(f);
                g_assert_cmpint(f->r, ==, 0);
                g_assert_cmpstr(fake_kubo_authorization(f->kubo), ==, cases[i].header);
        }
}

/* Another one for the calls from now on; a bad one changes nothing. */
static void test_new_options(Fixture *f, gconstpointer data _unused_) {
        static const char *const headers[] = { "Bearer new", "Basic dTpw", NULL };
        static const char *const settings[] = { "bearer:new", "basic:u:p", "" };
        IpfsOptions options = { .request_timeout_usec = 10 * USEC_PER_SEC };

        fixture_open_with(f, fake_kubo_multiaddr(f->kubo), "bearer:old", USEC_PER_SEC);
        options.authorization = "wrong";
        g_assert_cmpint(ipfs_set_options(f->ipfs, &options, NULL), <, 0);
        fixture_ask_id(f);
        g_assert_cmpstr(fake_kubo_authorization(f->kubo), ==, "Bearer old");
        for (size_t i = 0; i < ELEMENTSOF(headers); i++) {
                options.authorization = settings[i];
                g_assert_cmpint(ipfs_set_options(f->ipfs, &options, NULL), ==, 0);
                fixture_ask_id(f);
                g_assert_cmpstr(fake_kubo_authorization(f->kubo), ==, headers[i]);
        }
        FOREACH_FAULT {
                options.authorization = "bearer:x";
                g_assert_cmpint(ipfs_set_options(f->ipfs, &options, NULL), ==, fault_fired() ? -ENOMEM : 0);
        }
}

static void test_unix(Fixture *f, gconstpointer data _unused_) {
        g_autofree char *folder = g_dir_make_tmp("ipfs-XXXXXX", NULL);
        g_autofree char *path = g_build_filename(folder, "api", NULL);

        g_assert_cmpint(fake_kubo_move_to_unix(f->kubo, path), ==, 0);
        fixture_open_with(f, fake_kubo_multiaddr(f->kubo), "bearer:x", USEC_PER_SEC);
        fixture_ask_id(f);
        g_assert_cmpint(f->r, ==, 0);
        g_assert_cmpstr(fake_kubo_authorization(f->kubo), ==, "Bearer x");

        fake_kubo_stop(f->kubo);
        (void) g_unlink(path);
        fixture_ask_id(f);
        fixture_assert_words(f, path);
        fixture_assert_words(f, "No such file or directory");
        g_assert_true(f->is_down);
        g_assert_cmpint(g_rmdir(folder), ==, 0);
}

/* TLS is really spoken: a server that does not speak it is no Kubo. */
static void test_https(Fixture *f, gconstpointer data _unused_) {
        g_autofree char *address = g_strconcat(fake_kubo_multiaddr(f->kubo), "/https", NULL);

        fixture_open_with(f, address, "bearer:secret", USEC_PER_SEC);
        fixture_ask_id(f);
        fixture_assert_words(f, "IPFS request failed (id): 127.0.0.1:");
        g_assert_true(f->is_down);
        g_assert_cmpuint(fake_kubo_requests(f->kubo)->n, ==, 0);
}

static void test_not_reachable_at_first(Fixture *f, gconstpointer data _unused_) {
        g_assert_false(ipfs_is_reachable(f->ipfs));
        g_assert_false(peer_id_is_set(&ipfs_last_id(f->ipfs)->id));
        fixture_ask_id(f);
        g_assert_true(ipfs_is_reachable(f->ipfs));
        g_assert_true(peer_id_is_set(&ipfs_last_id(f->ipfs)->id));
        g_assert_cmpuint(f->n_reachable, ==, 1);
        g_assert_cmpuint(f->n_unreachable, ==, 0);
}

/* The last good answer is kept while Kubo is away, and each change is told once. */
static void test_goes_and_comes(Fixture *f, gconstpointer data _unused_) {
        fixture_ask_id(f);
        f->ipfs->probe_usec = USEC_PER_MSEC;
        fake_kubo_stop(f->kubo);
        for (unsigned i = 0; i < 3; i++)
                fixture_ask_id(f);
        g_assert_true(peer_id_is_set(&ipfs_last_id(f->ipfs)->id));
        g_assert_cmpuint(f->n_unreachable, ==, 1);
        g_assert_cmpint(fake_kubo_start(f->kubo), ==, 0);
        while (!ipfs_is_reachable(f->ipfs))
                g_assert_cmpint(sd_event_run(f->event, UINT64_MAX), >=, 0);
        g_assert_cmpuint(f->n_reachable, ==, 2);
}

/* A probe that is answered with nonsense has found Kubo; one that fails for any reason is made again. */
static void test_probe_goes_on(Fixture *f, gconstpointer data _unused_) {
        f->ipfs->probe_usec = USEC_PER_MSEC;
        fake_kubo_plan(f->kubo, "id", NULL, &(FakeAnswer){ .status = 502, .times = 4 });
        fixture_ask_id(f);
        g_assert_false(ipfs_is_reachable(f->ipfs));
        while (fake_kubo_count(f->kubo, "id") < 5)
                g_assert_cmpint(sd_event_run(f->event, UINT64_MAX), >=, 0);
        while (!ipfs_is_reachable(f->ipfs))
                g_assert_cmpint(sd_event_run(f->event, UINT64_MAX), >=, 0);
}

static void until_reachable(Fixture *f) {
        while (!ipfs_is_reachable(f->ipfs))
                g_assert_cmpint(sd_event_run(f->event, UINT64_MAX), >=, 0);
}

/* It is said to change: what it answers meanwhile does not count, and what it refuses is no failure. */
static void test_hints(Fixture *f, gconstpointer data _unused_) {
        fixture_ask_id(f);
        ipfs_hint(f->ipfs, IPFS_HINT_CHANGING);
        g_assert_false(ipfs_is_reachable(f->ipfs));
        g_assert_cmpuint(f->n_unreachable, ==, 1);
        fixture_ask_id(f);
        g_assert_cmpint(f->r, ==, 0);
        g_assert_false(ipfs_is_reachable(f->ipfs));
        fake_kubo_plan(f->kubo,
                       "id",
                       NULL,
                       &(FakeAnswer){ .status = 500,
                                      .body = "{\"Message\":\"context canceled\"}",
                                      .times = 1 });
        fixture_ask_id(f);
        g_assert_cmpint(f->r, <, 0);
        g_assert_true(f->is_down);

        ipfs_hint(f->ipfs, IPFS_HINT_THERE); /* is asked at once */
        until_reachable(f);
        ipfs_hint(f->ipfs, IPFS_HINT_THERE);
        g_assert_cmpuint(f->n_reachable, ==, 2);

        /* What began before, and is told only now. */
        fake_kubo_plan(f->kubo,
                       "id",
                       NULL,
                       &(FakeAnswer){ .status = 500, .body = "{\"Message\":\"late\"}", .times = 1 });
        g_assert_cmpint(ipfs_id(f->ipfs, &f->call, fixture_on_id, f), ==, 0);
        ipfs_hint(f->ipfs, IPFS_HINT_CHANGING);
        ipfs_hint(f->ipfs, IPFS_HINT_THERE);
        fixture_wait(f);
        g_assert_true(f->is_down);
        until_reachable(f);
        g_assert_cmpuint(f->n_reachable, ==, 3);

        ipfs_hint(f->ipfs, IPFS_HINT_AWAY); /* until something answers */
        g_assert_false(ipfs_is_reachable(f->ipfs));
        fixture_ask_id(f);
        g_assert_true(ipfs_is_reachable(f->ipfs));

        ipfs_hint(f->ipfs, IPFS_HINT_CHANGING);
        ipfs_hint(f->ipfs, IPFS_HINT_NONE); /* nobody knows any more */
        until_reachable(f);
        g_assert_cmpuint(f->n_reachable, ==, 5);
        g_assert_cmpuint(f->n_unreachable, ==, 4);
}

static void test_fault(Fixture *f, gconstpointer data _unused_) {
        FOREACH_FAULT {
                _cleanup_(error_done) Error error = {};
                int r;

                r = open_only(f, "/dns4/a.example/tcp/1/https", "basic:user:password", &error);
                if (r < 0) {
                        g_assert_cmpint(r, ==, -ENOMEM);
                        g_assert_cmpint(error.code, ==, ERROR_NO_MEMORY);
                }
        }
}

#define TEST(name, func)                                                                                    \
        g_test_add("/ipfs/node/" name, Fixture, NULL, fixture_set_up, func, fixture_tear_down)

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        TEST("bad-addresses", test_bad_addresses);
        TEST("good-addresses", test_good_addresses);
        TEST("bad-authorizations", test_bad_authorizations);
        TEST("authorization", test_authorization);
        TEST("new-options", test_new_options);
        TEST("unix", test_unix);
        TEST("https", test_https);
        TEST("not-reachable-at-first", test_not_reachable_at_first);
        TEST("goes-and-comes", test_goes_and_comes);
        TEST("probe-goes-on", test_probe_goes_on);
        TEST("hints", test_hints);
        TEST("fault", test_fault);
        return g_test_run();
}
