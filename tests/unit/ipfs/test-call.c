#include "tests/lib/fault.h"
#include "tests/unit/ipfs/fixture.h"

#define LINE_A "{\"Cid\":\"" CID_A "\",\"Type\":\"recursive\"}\n"
#define LINE_B "{\"Cid\":\"" CID_B "\",\"Type\":\"recursive\"}\n"

static void on_done(IpfsCall *call _unused_, int r, const Error *error, void *userdata) {
        fixture_heard(userdata, r, error);
}

static void on_never(
                IpfsCall *call _unused_,
                int r _unused_,
                const Error *error _unused_,
                void *userdata _unused_) {
        g_assert_not_reached();
}

static void on_type(
                IpfsCall *call _unused_,
                int r,
                const Error *error,
                IpfsPinType type _unused_,
                void *userdata) {
        fixture_heard(userdata, r, error);
}

static void ask_type(Fixture *f) {
        const Cid a = fixture_cid(CID_A);

        g_assert_cmpint(ipfs_pin_type(f->ipfs, &f->call, &a, false, on_type, f), ==, 0);
        fixture_wait(f);
}

/* ---- items ---- */

static int item_stops(
                IpfsCall *call _unused_,
                const Cid *cid _unused_,
                IpfsPinType type _unused_,
                void *userdata _unused_) {
        return -EIO;
}

/* What the taker of items says is told as it is, never as a fault of Kubo's. */
static void test_stop_is_the_askers(Fixture *f, gconstpointer data _unused_) {
        fake_kubo_pin(f->kubo, CID_A, "recursive");
        g_assert_cmpint(ipfs_pin_ls(f->ipfs, &f->call, item_stops, on_done, f), ==, 0);
        fixture_wait(f);
        g_assert_cmpint(f->r, ==, -EIO);
        g_assert_cmpstr(f->error, ==, "the answer to pin/ls was not taken: Input/output error");
        g_assert_false(f->is_down);
}

static int answer_of_item;

static int item_frees(
                IpfsCall *call _unused_,
                const Cid *cid _unused_,
                IpfsPinType type _unused_,
                void *userdata) {
        Fixture *f = userdata;

        f->call = ipfs_call_unref(f->call);
        return answer_of_item;
}

static void test_item_frees_call(Fixture *f, gconstpointer data _unused_) {
        static const int answers[] = { 0, 1, -EIO, -ENOMEM };

        fake_kubo_pin(f->kubo, CID_A, "recursive");
        fake_kubo_pin(f->kubo, CID_B, "recursive");
        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                answer_of_item = answers[i];
                g_assert_cmpint(ipfs_pin_ls(f->ipfs, &f->call, item_frees, on_never, f), ==, 0);
                fixture_wait(f);
                for (unsigned n = 0; n < 5; n++)
                        (void) sd_event_run(f->event, 0);
        }
}

static int item_pauses(IpfsCall *call _unused_, const Cid *cid, IpfsPinType type _unused_, void *userdata) {
        Fixture *f = userdata;
        char text[CID_TEXT_MAX];

        (void) str_list_append(&f->items, cid_format(cid, text));
        return 1;
}

/* While a list stands still its connection breaks off, and what is buffered is garbage: one error, the
 * first.
 */
static void test_cut_while_paused(Fixture *f, gconstpointer data _unused_) {
        fake_kubo_plan(f->kubo,
                       "pin/ls",
                       NULL,
                       &(FakeAnswer){ .body = LINE_A "garbage\n", .fault = FAKE_CUT });
        g_assert_cmpint(ipfs_pin_ls(f->ipfs, &f->call, item_pauses, on_done, f), ==, 0);
        while (f->items.n == 0)
                g_assert_cmpint(sd_event_run(f->event, UINT64_MAX), >=, 0);
        for (unsigned n = 0; n < 20; n++)
                (void) sd_event_run(f->event, 1000);
        g_assert_nonnull(f->call);
        ipfs_call_resume(f->call);
        fixture_wait(f);
        g_assert_cmpint(f->r, <, 0);
        g_assert_cmpuint(f->items.n, ==, 1);
}

/* A pause at each line, also at the last one, loses none. */
static void test_pause_at_each_line(Fixture *f, gconstpointer data _unused_) {
        fake_kubo_plan(f->kubo, "pin/ls", "recursive", &(FakeAnswer){ .body = LINE_A LINE_B "\n" LINE_A });
        g_assert_cmpint(ipfs_pin_ls(f->ipfs, &f->call, item_pauses, on_done, f), ==, 0);
        while (f->call) {
                (void) sd_event_run(f->event, 10000);
                if (f->call)
                        ipfs_call_resume(f->call);
        }
        g_assert_cmpint(f->r, ==, 0);
        g_assert_cmpuint(f->items.n, ==, 3);
        g_assert_cmpstr(f->items.items[1], ==, CID_B);
}

/* ---- what a failure says, and whether Kubo is there ---- */

static void test_refused(Fixture *f, gconstpointer data _unused_) {
        fake_kubo_stop(f->kubo);
        ask_type(f);
        fixture_assert_words(f, "IPFS request failed (pin/ls): connect to 127.0.0.1:");
        fixture_assert_words(f, "Connection refused");
        g_assert_true(f->is_down);
        g_assert_false(ipfs_is_reachable(f->ipfs));
}

static void test_denied(Fixture *f, gconstpointer data _unused_) {
        fake_kubo_plan(f->kubo,
                       "pin/ls",
                       NULL,
                       &(FakeAnswer){ .status = 403,
                                      .body = "Kubo RPC Access Denied: Please provide…\r\n" });
        ask_type(f);
        g_assert_cmpstr(f->error,
                        ==,
                        "IPFS request failed (is it running?) (pin/ls). Code 403: Kubo RPC Access Denied: Please provide…");
        g_assert_false(f->is_down);
        g_assert_true(ipfs_is_reachable(f->ipfs));
}

/* What answers these is a proxy in front of Kubo. */
static void test_gateway_errors(Fixture *f, gconstpointer data _unused_) {
        static const unsigned statuses[] = { 502, 503, 504 };

        for (size_t i = 0; i < ELEMENTSOF(statuses); i++) {
                fake_kubo_plan(f->kubo,
                               "pin/ls",
                               NULL,
                               &(FakeAnswer){ .status = statuses[i], .body = "<html>", .times = 1 });
                ask_type(f);
                g_assert_cmpint(f->r, <, 0);
                g_assert_true(f->is_down);
                g_assert_false(ipfs_is_reachable(f->ipfs));

                ask_type(f);
                g_assert_cmpint(f->r, ==, 0);
                g_assert_true(ipfs_is_reachable(f->ipfs));
        }
        g_assert_cmpuint(f->n_reachable, ==, 3);
}

/* A question that takes too long says nothing about Kubo, except "id". */
static void test_timeout(Fixture *f, gconstpointer data _unused_) {
        fixture_open_with(f, fake_kubo_multiaddr(f->kubo), NULL, 30 * USEC_PER_MSEC);
        fake_kubo_plan(f->kubo, "pin/ls", NULL, &(FakeAnswer){ .fault = FAKE_SILENCE });
        ask_type(f);
        fixture_assert_words(f, "IPFS request failed (pin/ls): 127.0.0.1:");
        fixture_assert_words(f, "in time");
        g_assert_false(f->is_down);
        g_assert_cmpuint(f->n_unreachable, ==, 0);

        fixture_ask_id(f);
        g_assert_cmpint(f->r, ==, 0);
        fake_kubo_plan(f->kubo, "id", NULL, &(FakeAnswer){ .fault = FAKE_SILENCE });
        fixture_ask_id(f); /* over the connection of the one before */
        fixture_assert_words(f, "in time");
        g_assert_true(f->is_down);
        g_assert_false(ipfs_is_reachable(f->ipfs));
}

/* An answer that is no good is an answer: Kubo is there. */
static void test_too_long(Fixture *f, gconstpointer data _unused_) {
        g_autofree char *body = g_strnfill(IPFS_ANSWER_MAX + 1, ' ');

        fake_kubo_stop(f->kubo);
        fixture_ask_id(f);
        g_assert_false(ipfs_is_reachable(f->ipfs));

        g_assert_cmpint(fake_kubo_start(f->kubo), ==, 0);
        fake_kubo_plan(f->kubo, "id", NULL, &(FakeAnswer){ .body = body });
        fixture_ask_id(f);
        fixture_assert_words(f, "IPFS gave an answer to id that cannot be used: it is too long");
        g_assert_true(ipfs_is_reachable(f->ipfs));
}

/* ---- short of memory ---- */

static void test_fault(Fixture *f, gconstpointer data _unused_) {
        const Cid a = fixture_cid(CID_A);

        FOREACH_FAULT {
                IpfsCall *call = NULL;
                int r;

                r = ipfs_pin_add(f->ipfs, &call, &a, PIN_MODE_RECURSIVE, "a name", on_never, f);
                if (r < 0) {
                        g_assert_cmpint(r, ==, -ENOMEM);
                        g_assert_null(call);
                }
                ipfs_call_unref(call);
        }
}

#define TEST(name, func)                                                                                    \
        g_test_add("/ipfs/call/" name, Fixture, NULL, fixture_set_up, func, fixture_tear_down)

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        TEST("stop-is-the-askers", test_stop_is_the_askers);
        TEST("item-frees-call", test_item_frees_call);
        TEST("cut-while-paused", test_cut_while_paused);
        TEST("pause-at-each-line", test_pause_at_each_line);
        TEST("refused", test_refused);
        TEST("denied", test_denied);
        TEST("gateway-errors", test_gateway_errors);
        TEST("timeout", test_timeout);
        TEST("too-long", test_too_long);
        TEST("fault", test_fault);
        return g_test_run();
}
