#include <glib.h>

#include "daemon/ipfs/ipfs.h"
#include "tests/lib/fake-kubo.h"

#define CID_A "QmP63DkAFEnDYNjDYBpyNDfttu1fvUw99x1brscPzpqmma"
#define CID_B "QmP63DkAFEnDYNjDYBpyNDfttu1fvUw99x1brscPzpqmmb"

typedef struct Fixture {
        sd_event *event;
        FakeKubo *kubo;
        HttpClient *client;
        Ipfs *ipfs;
        IpfsCall *call;

        int r;
        char *error;
        bool is_down;
        IpfsPinType type;
        size_t n_items, stop_at, pause_at;
        StrList items;
} Fixture;

static void open_ipfs(Fixture *f, uint64_t pin_timeout_usec, bool unpin_disable) {
        g_assert_cmpint(ipfs_new(&f->ipfs,
                                 f->event,
                                 f->client,
                                 &(IpfsOptions){
                                                 .node_multiaddress = fake_kubo_multiaddr(f->kubo),
                                                 .request_timeout_usec = 10 * USEC_PER_SEC,
                                                 .pin_timeout_usec = pin_timeout_usec,
                                                 .unpin_timeout_usec = 10 * USEC_PER_SEC,
                                                 .unpin_disable = unpin_disable,
                                 },
                                 NULL),
                        ==,
                        0);
}

static void setup(Fixture *f, const void *data _unused_) {
        g_assert_cmpint(sd_event_new(&f->event), >=, 0);
        g_assert_cmpint(fake_kubo_new(&f->kubo, f->event), ==, 0);
        g_assert_cmpint(http_client_new(&f->client, f->event), ==, 0);
        open_ipfs(f, 10 * USEC_PER_SEC, false);
}

static void teardown(Fixture *f, const void *data _unused_) {
        ipfs_call_unref(f->call);
        ipfs_free(f->ipfs);
        http_client_free(f->client);
        fake_kubo_free(f->kubo);
        sd_event_unref(f->event);
        g_free(f->error);
        str_list_done(&f->items);
}

static Cid cid(const char *text) {
        Cid c;

        g_assert_cmpint(cid_parse(text, &c, NULL), ==, 0);
        return c;
}

static void heard(Fixture *f, int r, const Error *error) {
        f->r = r;
        f->is_down = r < 0 && ipfs_call_is_down(f->call);
        g_free(f->error);
        f->error = g_strdup(r < 0 ? error_message(error) : NULL);
        f->call = ipfs_call_unref(f->call);
}

static void on_done(IpfsCall *call _unused_, int r, const Error *error, void *userdata) {
        heard(userdata, r, error);
}

static void on_type(IpfsCall *call _unused_, int r, const Error *error, IpfsPinType type, void *userdata) {
        Fixture *f = userdata;

        f->type = type;
        heard(f, r, error);
}

/* Run the loop until the call has ended; it can be run again. */
static void wait_for(Fixture *f) {
        while (f->call)
                g_assert_cmpint(sd_event_run(f->event, UINT64_MAX), >=, 0);
}

static void pin_add(Fixture *f, const char *name) {
        const Cid a = cid(CID_A);

        g_assert_cmpint(ipfs_pin_add(f->ipfs, &f->call, &a, PIN_MODE_RECURSIVE, name, on_done, f), ==, 0);
        wait_for(f);
}

static void test_add(Fixture *f, const void *data _unused_) {
        pin_add(f, "a name/ä");
        g_assert_cmpint(f->r, ==, 0);
        g_assert_cmpstr(fake_kubo_pinned(f->kubo, CID_A), ==, "recursive");
        g_assert_cmpstr(fake_kubo_requests(f->kubo)->items[0],
                        ==,
                        "pin/add?arg=" CID_A
                        "&recursive=true&progress=true&fast-provide-root=false&name=a+name%2F%C3%A4");
        g_assert_true(ipfs_is_reachable(f->ipfs));
}

static void test_add_direct(Fixture *f, const void *data _unused_) {
        const Cid a = cid(CID_A);

        g_assert_cmpint(ipfs_pin_add(f->ipfs, &f->call, &a, PIN_MODE_DIRECT, NULL, on_done, f), ==, 0);
        wait_for(f);
        g_assert_cmpint(f->r, ==, 0);
        g_assert_cmpstr(fake_kubo_pinned(f->kubo, CID_A), ==, "direct");
}

/* Kubo refuses names of more than 255 bytes: they are cut where a character ends. */
static void test_long_name_is_cut(Fixture *f, const void *data _unused_) {
        g_autofree char *name = g_strnfill(254, 'x'), *longer = g_strconcat(name, "äää", NULL);
        g_autofree char *end = g_strconcat("&name=", name, NULL);

        pin_add(f, longer);
        g_assert_true(g_str_has_suffix(fake_kubo_requests(f->kubo)->items[0], end));
}

/* What a pin that failed looks like, in every form; none may be taken for a success. */
static const struct {
        const char *what;
        FakeAnswer answer;
        const char *words; /* a part of the error */
} failures[] = {
        { "error after progress, in the trailer",
          { .body = "{\"Progress\":1}\n", .trailer = "context deadline exceeded" },
          "context deadline exceeded" },
        { "error in the trailer beside the pins",
          { .body = "{\"Pins\":[\"" CID_A "\"]}\n", .trailer = "no space left on device" },
          "no space left on device" },
        { "nothing but the trailer", { .trailer = "pin: broken" }, "pin: broken" },
        { "ends without naming the pins",
          { .body = "{\"Progress\":5}\n" },
          "without saying that it pinned" },
        { "empty", { .body = "" }, "without saying that it pinned" },
        { "cut off after progress", { .body = "{\"Progress\":5}\n", .fault = FAKE_CUT }, "pin/add" },
        { "cut off in the middle of a line", { .body = "{\"Pro", .fault = FAKE_CUT }, "pin/add" },
        { "last line not whole", { .body = "{\"Pins\":[\"" CID_A "\"]}" }, "its last line is cut off" },
        { "garbage", { .body = "<html>\n" }, "it is no JSON object" },
        { "an array", { .body = "[]\n" }, "it is no JSON object" },
        { "wrong type", { .body = "{\"Pins\":7}\n" }, "wrong type" },
        { "refused",
          { .status = 500, .body = "{\"Message\":\"pin: no\",\"Code\":0,\"Type\":\"error\"}\n" },
          "Code: 500. Message: pin: no" },
        { "denied",
          { .status = 403, .body = "Kubo RPC Access Denied: Please\n" },
          "Code 403: Kubo RPC Access Denied: Please" },
        { "not found", { .status = 404, .body = "404 page not found" }, "Code 404" },
};

static void test_failures(Fixture *f, const void *data _unused_) {
        for (size_t i = 0; i < ELEMENTSOF(failures); i++) {
                FakeAnswer once = failures[i].answer;

                g_test_message("%s", failures[i].what);
                once.times = 1;
                fake_kubo_plan(f->kubo, "pin/add", NULL, &once);
                pin_add(f, NULL);
                g_assert_cmpint(f->r, <, 0);
                g_assert_nonnull(strstr(f->error, failures[i].words));
                g_assert_false(f->is_down);
                g_assert_null(fake_kubo_pinned(f->kubo, CID_A));
        }
        pin_add(f, NULL);
        g_assert_cmpint(f->r, ==, 0);
}

static void test_line_too_long(Fixture *f, const void *data _unused_) {
        g_autofree char *body = g_strnfill(IPFS_LINE_MAX + 1000, ' ');

        fake_kubo_plan(f->kubo, "pin/add", NULL, &(FakeAnswer){ .body = body });
        pin_add(f, NULL);
        g_assert_cmpint(f->r, <, 0);
        g_assert_nonnull(strstr(f->error, "too long"));
}

static void test_stall(Fixture *f, const void *data _unused_) {
        ipfs_free(f->ipfs);
        open_ipfs(f, 20 * USEC_PER_MSEC, false);
        fake_kubo_plan(f->kubo,
                       "pin/add",
                       NULL,
                       &(FakeAnswer){ .body = "{\"Progress\":3,\"Bytes\":7}\n{\"Progress\":3,\"Bytes\":7}\n",
                                      .fault = FAKE_HANG });
        pin_add(f, NULL);
        g_assert_cmpint(f->r, <, 0);
        g_assert_nonnull(strstr(f->error, "no progress for 20ms"));
        g_assert_nonnull(strstr(f->error, "3 blocks, 7 bytes"));
        g_assert_false(f->is_down);
}

static void test_down(Fixture *f, const void *data _unused_) {
        fake_kubo_stop(f->kubo);
        pin_add(f, NULL);
        g_assert_cmpint(f->r, <, 0);
        g_assert_true(f->is_down);
        g_assert_false(ipfs_is_reachable(f->ipfs));

        g_assert_cmpint(fake_kubo_start(f->kubo), ==, 0);
        pin_add(f, NULL);
        g_assert_cmpint(f->r, ==, 0);
        g_assert_true(ipfs_is_reachable(f->ipfs));
}

/* The probe finds out by itself that Kubo is back. */
static void test_probe(Fixture *f, const void *data _unused_) {
        fake_kubo_stop(f->kubo);
        pin_add(f, NULL);
        g_assert_cmpint(fake_kubo_start(f->kubo), ==, 0);
        while (!ipfs_is_reachable(f->ipfs))
                g_assert_cmpint(sd_event_run(f->event, 30 * USEC_PER_SEC), >, 0);
        g_assert_cmpuint(fake_kubo_count(f->kubo, "id"), ==, 1);
}

static void test_rm(Fixture *f, const void *data _unused_) {
        const Cid a = cid(CID_A);

        fake_kubo_pin(f->kubo, CID_A, "recursive");
        for (unsigned i = 0; i < 2; i++) { /* the second time it is not pinned: done as well */
                g_assert_cmpint(ipfs_pin_rm(f->ipfs, &f->call, &a, on_done, f), ==, 0);
                wait_for(f);
                g_assert_cmpint(f->r, ==, 0);
                g_assert_null(fake_kubo_pinned(f->kubo, CID_A));
        }
        fake_kubo_plan(f->kubo,
                       "pin/rm",
                       NULL,
                       &(FakeAnswer){ .status = 500,
                                      .body = "{\"Message\":\"broken\",\"Code\":0,\"Type\":\"error\"}" });
        g_assert_cmpint(ipfs_pin_rm(f->ipfs, &f->call, &a, on_done, f), ==, 0);
        wait_for(f);
        g_assert_cmpint(f->r, <, 0);
}

static void test_unpin_disable(Fixture *f, const void *data _unused_) {
        const Cid a = cid(CID_A);

        ipfs_free(f->ipfs);
        open_ipfs(f, USEC_PER_SEC, true);
        fake_kubo_pin(f->kubo, CID_A, "recursive");
        g_assert_cmpint(ipfs_pin_rm(f->ipfs, &f->call, &a, on_done, f), ==, 0);
        wait_for(f);
        g_assert_cmpint(f->r, <, 0);
        g_assert_nonnull(strstr(f->error, "ipfs unpinning is disallowed by configuration on this peer"));
        g_assert_cmpuint(fake_kubo_requests(f->kubo)->n, ==, 0);
}

static void test_update(Fixture *f, const void *data _unused_) {
        const Cid a = cid(CID_A), b = cid(CID_B);

        fake_kubo_pin(f->kubo, CID_A, "recursive");
        g_assert_cmpint(ipfs_pin_update(f->ipfs, &f->call, &a, &b, on_done, f), ==, 0);
        wait_for(f);
        g_assert_cmpint(f->r, ==, 0);
        g_assert_cmpstr(fake_kubo_requests(f->kubo)->items[0],
                        ==,
                        "pin/update?arg=" CID_A "&arg=" CID_B "&unpin=false&fast-provide-root=false");
        g_assert_cmpstr(fake_kubo_pinned(f->kubo, CID_A), ==, "recursive");
}

static void test_type(Fixture *f, const void *data _unused_) {
        static const struct {
                const char *pinned;
                IpfsPinType expected;
        } cases[] = { { NULL, IPFS_PIN_NONE },
                      { "direct", IPFS_PIN_DIRECT },
                      { "recursive", IPFS_PIN_RECURSIVE } };
        const Cid a = cid(CID_A);

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                fake_kubo_pin(f->kubo, CID_A, cases[i].pinned);
                g_assert_cmpint(ipfs_pin_type(f->ipfs, &f->call, &a, false, on_type, f), ==, 0);
                wait_for(f);
                g_assert_cmpint(f->r, ==, 0);
                g_assert_cmpint(f->type, ==, cases[i].expected);
        }
        fake_kubo_plan(f->kubo,
                       "pin/ls",
                       "type=direct",
                       &(FakeAnswer){ .status = 500,
                                      .body = "{\"Message\":\"broken\",\"Code\":0,\"Type\":\"error\"}" });
        fake_kubo_pin(f->kubo, CID_A, NULL);
        g_assert_cmpint(ipfs_pin_type(f->ipfs, &f->call, &a, false, on_type, f), ==, 0);
        wait_for(f);
        g_assert_cmpint(f->r, <, 0);
}

/* ---- the whole list ---- */

static int on_item(IpfsCall *call, const Cid *c, IpfsPinType type, void *userdata) {
        Fixture *f = userdata;
        char text[CID_TEXT_MAX];

        f->n_items++;
        (void) str_list_append_take(&f->items, g_strdup_printf("%s %d", cid_format(c, text), type));
        if (f->stop_at == f->n_items)
                return -ECANCELED;
        if (f->pause_at == f->n_items) {
                ipfs_call_resume(call); /* nothing is paused yet: no effect */
                return 1;
        }
        return 0;
}

static void test_ls_both_types(Fixture *f, const void *data _unused_) {
        fake_kubo_pin(f->kubo, CID_A, "direct");
        fake_kubo_pin(f->kubo, CID_B, "recursive");
        g_assert_cmpint(ipfs_pin_ls(f->ipfs, &f->call, on_item, on_done, f), ==, 0);
        wait_for(f);
        g_assert_cmpint(f->r, ==, 0);
        g_assert_cmpuint(f->items.n, ==, 2);
        g_assert_cmpstr(f->items.items[0], ==, CID_B " 2");
        g_assert_cmpstr(f->items.items[1], ==, CID_A " 1");
        g_assert_cmpstr(fake_kubo_requests(f->kubo)->items[1], ==, "pin/ls?stream=true&type=direct");
}

static void test_ls_cut_is_no_list(Fixture *f, const void *data _unused_) {
        fake_kubo_plan(f->kubo,
                       "pin/ls",
                       "type=direct",
                       &(FakeAnswer){ .body = "{\"Cid\":\"" CID_A "\",\"Type\":\"direct\"}\n",
                                      .trailer = "datastore closed" });
        g_assert_cmpint(ipfs_pin_ls(f->ipfs, &f->call, on_item, on_done, f), ==, 0);
        wait_for(f);
        g_assert_cmpint(f->r, <, 0);
        g_assert_nonnull(strstr(f->error, "datastore closed"));
}

static void test_ls_stops(Fixture *f, const void *data _unused_) {
        fake_kubo_pin(f->kubo, CID_A, "recursive");
        fake_kubo_pin(f->kubo, CID_B, "recursive");
        f->stop_at = 1;
        g_assert_cmpint(ipfs_pin_ls(f->ipfs, &f->call, on_item, on_done, f), ==, 0);
        wait_for(f);
        g_assert_cmpint(f->r, ==, -ECANCELED);
        g_assert_cmpuint(f->n_items, ==, 1);
}

static int on_resume_time(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        Fixture *f = userdata;

        g_assert_cmpuint(f->n_items, ==, f->pause_at);
        ipfs_call_resume(f->call);
        return 0;
}

static void test_ls_pauses(Fixture *f, const void *data _unused_) {
        fake_kubo_pin(f->kubo, CID_A, "recursive");
        fake_kubo_pin(f->kubo, CID_B, "recursive");
        f->pause_at = 1;
        g_assert_cmpint(ipfs_pin_ls(f->ipfs, &f->call, on_item, on_done, f), ==, 0);
        while (f->n_items < 1)
                g_assert_cmpint(sd_event_run(f->event, UINT64_MAX), >=, 0);
        g_assert_cmpint(sd_event_add_time_relative(
                                        f->event,
                                        NULL,
                                        CLOCK_MONOTONIC,
                                        20 * USEC_PER_MSEC,
                                        0,
                                        on_resume_time,
                                        f),
                        >=,
                        0);
        wait_for(f);
        g_assert_cmpint(f->r, ==, 0);
        g_assert_cmpuint(f->n_items, ==, 2);
}

/* ---- cancelling ---- */

static void on_never(
                IpfsCall *call _unused_,
                int r _unused_,
                const Error *error _unused_,
                void *userdata _unused_) {
        g_assert_not_reached();
}

static void on_never_type(
                IpfsCall *call _unused_,
                int r _unused_,
                const Error *error _unused_,
                IpfsPinType type _unused_,
                void *userdata _unused_) {
        g_assert_not_reached();
}

static void test_cancel(Fixture *f, const void *data _unused_) {
        static const FakeFault faults[] = { FAKE_HANG, FAKE_SILENCE, FAKE_NONE };
        const Cid a = cid(CID_A);

        for (size_t i = 0; i < ELEMENTSOF(faults); i++)
                for (unsigned turns = 0; turns < 8; turns++) {
                        fake_kubo_plan(f->kubo,
                                       "pin/add",
                                       NULL,
                                       &(FakeAnswer){ .body = "{}\n", .fault = faults[i], .times = 1 });
                        g_assert_cmpint(ipfs_pin_add(f->ipfs,
                                                     &f->call,
                                                     &a,
                                                     PIN_MODE_RECURSIVE,
                                                     NULL,
                                                     on_never,
                                                     f),
                                        ==,
                                        0);
                        for (unsigned n = 0; n < turns && f->call; n++)
                                if (faults[i] != FAKE_NONE || n < 2)
                                        (void) sd_event_run(f->event, 1000);
                        f->call = ipfs_call_unref(f->call);
                        for (unsigned n = 0; n < 10; n++)
                                (void) sd_event_run(f->event, 0);
                        fake_kubo_forget_plans(f->kubo);
                        fake_kubo_forget_requests(f->kubo);
                }
}

/* ---- work beside questions ---- */

static void test_work_goes_on(Fixture *f, const void *data _unused_) {
        IpfsCall *questions[HTTP_CONNECTIONS_MAX + 1] = {};
        HttpClient *work = NULL;
        const Cid a = cid(CID_A), b = cid(CID_B);

        ipfs_free(f->ipfs);
        g_assert_cmpint(http_client_new(&work, f->event), ==, 0);
        g_assert_cmpint(ipfs_new(&f->ipfs,
                                 f->event,
                                 f->client,
                                 &(IpfsOptions){
                                                 .node_multiaddress = fake_kubo_multiaddr(f->kubo),
                                                 .request_timeout_usec = 30 * USEC_PER_SEC,
                                                 .pin_timeout_usec = 30 * USEC_PER_SEC,
                                                 .work = work,
                                 },
                                 NULL),
                        ==,
                        0);
        fake_kubo_plan(f->kubo, "pin/ls", CID_B, &(FakeAnswer){ .fault = FAKE_SILENCE });
        for (size_t i = 0; i < ELEMENTSOF(questions); i++)
                g_assert_cmpint(ipfs_pin_type(f->ipfs, &questions[i], &b, false, on_never_type, f), ==, 0);
        while (fake_kubo_count(f->kubo, "pin/ls") < HTTP_CONNECTIONS_MAX)
                g_assert_cmpint(sd_event_run(f->event, UINT64_MAX), >=, 0);

        g_assert_cmpint(ipfs_pin_type(f->ipfs, &f->call, &a, true, on_type, f), ==, 0);
        wait_for(f);
        g_assert_cmpint(f->r, ==, 0);
        pin_add(f, NULL);
        g_assert_cmpint(f->r, ==, 0);

        for (size_t i = 0; i < ELEMENTSOF(questions); i++)
                ipfs_call_unref(questions[i]);
        f->ipfs = ipfs_free(f->ipfs);
        http_client_free(work);
}

#define TEST(name, func) g_test_add("/ipfs/pin/" name, Fixture, NULL, setup, func, teardown)

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        TEST("add", test_add);
        TEST("add-direct", test_add_direct);
        TEST("long-name-is-cut", test_long_name_is_cut);
        TEST("failures", test_failures);
        TEST("line-too-long", test_line_too_long);
        TEST("stall", test_stall);
        TEST("down", test_down);
        TEST("probe", test_probe);
        TEST("rm", test_rm);
        TEST("unpin-disable", test_unpin_disable);
        TEST("update", test_update);
        TEST("type", test_type);
        TEST("ls-both-types", test_ls_both_types);
        TEST("ls-cut-is-no-list", test_ls_cut_is_no_list);
        TEST("ls-stops", test_ls_stops);
        TEST("ls-pauses", test_ls_pauses);
        TEST("cancel", test_cancel);
        TEST("work-goes-on", test_work_goes_on);
        return g_test_run();
}
