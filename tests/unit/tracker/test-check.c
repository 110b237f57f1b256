#include <sys/epoll.h>
#include <unistd.h>

#include "tests/unit/tracker/whole.h"

typedef struct Heard {
        TrackerCall *call;
        unsigned n;
        int r;
        char *error;
} Heard;

static void on_checked(TrackerCall *call, int r, const Error *error, void *userdata) {
        Heard *heard = userdata;

        heard->n++;
        heard->r = r;
        g_free(heard->error);
        heard->error = g_strdup(r < 0 ? error_message(error) : NULL);
        heard->call = tracker_call_unref(call);
}

static void check(Whole *w, Heard *heard) {
        unsigned n = heard->n;

        g_assert_cmpint(tracker_check(w->tracker, &heard->call, on_checked, heard), ==, 0);
        WHOLE_WAIT(w, heard->n > n);
}

static void store_items(Whole *w, uint32_t n, const char *type) {
        for (uint32_t i = 0; i < n; i++) {
                const Pin pin = whole_pin(i);

                whole_store(w, &pin);
                fake_kubo_pin(w->kubo, whole_text(i), type);
        }
}

static bool spool_exists(const Whole *w) {
        g_autofree char *path = g_build_filename(w->folder.path, "check.gdbm", NULL);

        return g_file_test(path, G_FILE_TEST_EXISTS);
}

static void test_finds_unpinned(Whole *w, gconstpointer data _unused_) {
        Heard heard = {};

        store_items(w, 200, "recursive");
        check(w, &heard);
        g_assert_cmpint(heard.r, ==, 0);
        g_assert_cmpuint(w->n_changed, ==, 0);

        fake_kubo_pin(w->kubo, whole_text(7), NULL);
        fake_kubo_pin(w->kubo, whole_text(8), "direct");
        check(w, &heard);
        g_assert_cmpuint(w->n_changed, ==, 2);
        whole_assert_status(w, 7, "unexpectedly_unpinned");
        whole_assert_status(w, 8, "unexpectedly_unpinned");
        whole_assert_status(w, 9, "pinned");
        whole_assert_error(w, 7, 0, "the item should be pinned but it is not");

        check(w, &heard); /* is known now */
        g_assert_cmpuint(w->n_changed, ==, 2);
        g_assert_false(spool_exists(w));
}

/* What was missing is pinned again by itself, after recover_interval. */
/* As much as a loop that always has something else to do takes. */
static int on_busy(
                sd_event_source *source _unused_,
                int fd _unused_,
                uint32_t events _unused_,
                void *userdata) {
        ++*(unsigned *) userdata;
        return 0;
}

static void test_busy_loop(Whole *w, gconstpointer data _unused_) {
        unsigned n_busy = 0;
        sd_event_source *busy;
        Heard heard = {};
        int fds[2];

        store_items(w, 200, "recursive");
        g_assert_cmpint(pipe(fds), ==, 0);
        g_assert_cmpint(sd_event_add_io(w->event, &busy, fds[1], EPOLLOUT, on_busy, &n_busy), >=, 0);
        check(w, &heard);
        g_assert_cmpint(heard.r, ==, 0);
        g_assert_cmpuint(n_busy, >, 0);
        whole_assert_status(w, 9, "pinned");
        sd_event_source_disable_unref(busy);
        (void) close(fds[0]);
        (void) close(fds[1]);
}

static void test_pins_again(Whole *w, gconstpointer data _unused_) {
        Heard heard = {};

        w->tracker->options.recover_interval_usec = USEC_PER_MSEC;
        store_items(w, 3, "recursive");
        fake_kubo_pin(w->kubo, whole_text(1), NULL);
        check(w, &heard);
        tracker_kick(w->tracker);
        WHOLE_WAIT(w, whole_is_idle(w) && whole_counts(w).unexpected == 0);
        g_assert_cmpstr(fake_kubo_pinned(w->kubo, whole_text(1)), ==, "recursive");
        whole_assert_status(w, 1, "pinned");
}

static void test_finds_pinned(Whole *w, gconstpointer data _unused_) {
        Heard heard = {};

        fake_kubo_plan(w->kubo, "pin/add", NULL, &whole_refusal);
        whole_add(w, 1);
        WHOLE_WAIT(w, whole_counts(w).pin_error == 1);
        store_items(w, 1, NULL);
        check(w, &heard);
        whole_assert_status(w, 0, "unexpectedly_unpinned");

        fake_kubo_pin(w->kubo, whole_text(0), "recursive");
        fake_kubo_pin(w->kubo, whole_text(1), "recursive");
        check(w, &heard);
        whole_assert_status(w, 0, "pinned");
        whole_assert_status(w, 1, "pinned");
        g_assert_cmpuint(whole_counts(w).pin_error + whole_counts(w).unexpected, ==, 0);
}

/* Direct pins, pins of others and meta pins are compared as what they are. */
static void test_kinds(Whole *w, gconstpointer data _unused_) {
        Pin direct = whole_pin(1), remote = whole_pin(2), meta = whole_pin(3);
        Heard heard = {};
        PeerId other;

        direct.max_depth = PIN_DEPTH_DIRECT;
        meta.type = PIN_TYPE_META;
        g_assert_cmpint(peer_id_parse(WHOLE_OTHER, &other), ==, 0);
        g_assert_cmpint(peer_id_list_append(&remote.allocations, &other), ==, 0);
        whole_store(w, &direct);
        whole_store(w, &remote);
        whole_store(w, &meta);
        fake_kubo_pin(w->kubo, whole_text(1), "direct");
        check(w, &heard);
        g_assert_cmpuint(w->n_changed, ==, 0);
        fake_kubo_pin(w->kubo, whole_text(1), "recursive");
        check(w, &heard);
        whole_assert_status(w, 1, "unexpectedly_unpinned");
        whole_assert_status(w, 2, "remote");
        whole_assert_status(w, 3, "sharded");
        peer_id_list_done(&remote.allocations);
}

/* A list that is not whole is no list: nothing changes, the words say why, and it is made again. */
static void test_cut_list(Whole *w, gconstpointer data _unused_) {
        static const struct {
                const char *what, *list;
                FakeAnswer answer;
                const char *words;
        } cases[] = {
                { "cut", WHOLE_LIST "=true&type=recursive", { .body = "", .fault = FAKE_CUT }, "pin/ls" },
                { "trailer", WHOLE_LIST "=true&type=recursive", { .trailer = "closed" }, "closed" },
                { "the second one", WHOLE_LIST "=true&type=direct", { .trailer = "closed" }, "closed" },
                { "garbage", WHOLE_LIST "=true&type=recursive", { .body = "<html>\n" }, "cannot be used" },
                { "denied", WHOLE_LIST "=true&type=recursive", { .status = 403, .body = "no" }, "Code 403" },
        };
        Heard heard = {};

        store_items(w, 20, "recursive");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                g_test_message("%s", cases[i].what);
                fake_kubo_plan(w->kubo, "pin/ls", cases[i].list, &cases[i].answer);
                check(w, &heard);
                g_assert_cmpint(heard.r, <, 0);
                if (!strstr(heard.error, cases[i].words))
                        g_error("'%s' is not in '%s'", cases[i].words, heard.error);
                g_assert_cmpuint(w->n_changed, ==, 0);
                g_assert_false(spool_exists(w));
                g_assert_true(whole_counts(w).complete);
                fake_kubo_forget_plans(w->kubo);
        }
        g_assert_cmpuint(w->tracker->n_check_failures, ==, ELEMENTSOF(cases));
        check(w, &heard);
        g_assert_cmpint(heard.r, ==, 0);
        g_assert_cmpuint(w->tracker->n_check_failures, ==, 0);
        g_free(heard.error);
}

static void test_made_again(Whole *w, gconstpointer data _unused_) {
        Heard heard = {};

        w->tracker->options.retry_min_usec = 3 * USEC_PER_MSEC;
        store_items(w, 3, NULL);
        fake_kubo_plan(w->kubo, "pin/ls", WHOLE_LIST, &(FakeAnswer){ .trailer = "closed", .times = 3 });
        check(w, &heard);
        g_assert_cmpint(heard.r, <, 0);
        WHOLE_WAIT(w, whole_counts(w).unexpected == 3 && !w->tracker->check);
        g_assert_cmpuint(w->tracker->n_check_failures, ==, 0);
        g_free(heard.error);
}

/* Kubo goes down under a check: it is made again when Kubo has come back. */
static void test_kubo_goes_down(Whole *w, gconstpointer data _unused_) {
        Heard heard = {};

        store_items(w, 3, NULL);
        fake_kubo_plan(w->kubo, "pin/ls", WHOLE_LIST, &(FakeAnswer){ .fault = FAKE_SILENCE, .times = 1 });
        g_assert_cmpint(tracker_check(w->tracker, &heard.call, on_checked, &heard), ==, 0);
        WHOLE_WAIT(w, fake_kubo_count(w->kubo, "pin/" WHOLE_LIST) == 1);
        fake_kubo_stop(w->kubo);
        WHOLE_WAIT(w, heard.n == 1);
        g_assert_cmpint(heard.r, <, 0);
        g_assert_false(ipfs_is_reachable(w->ipfs));
        g_assert_cmpint(fake_kubo_start(w->kubo), ==, 0);
        WHOLE_WAIT(w, whole_counts(w).unexpected == 3);
        g_free(heard.error);
}

/* ---- meanwhile ---- */

/* The first list stands still after what BODY says; the rest is up to the test. */
static void hold_list(Whole *w, Heard *heard, FakeAnswer *answer) {
        answer->fault = FAKE_HANG;
        answer->times = 1;
        fake_kubo_plan(w->kubo, "pin/ls", WHOLE_LIST "=true&type=recursive", answer);
        g_assert_cmpint(tracker_check(w->tracker, &heard->call, on_checked, heard), ==, 0);
        WHOLE_WAIT(w, fake_kubo_count(w->kubo, "pin/" WHOLE_LIST) == 1);
}

static void test_pinned_while_listing(Whole *w, gconstpointer data _unused_) {
        g_autofree char *line = g_strdup_printf("{\"Cid\":\"%s\",\"Type\":\"recursive\"}\n", whole_text(0));
        FakeAnswer answer = { .body = line };
        Heard heard = {};

        store_items(w, 1, "recursive");
        hold_list(w, &heard, &answer);
        whole_add(w, 1);
        WHOLE_WAIT(w, whole_is_idle(w));
        fake_kubo_release(w->kubo);
        WHOLE_WAIT(w, heard.n == 1);
        g_assert_cmpint(heard.r, ==, 0);
        whole_assert_status(w, 0, "pinned");
        whole_assert_status(w, 1, "pinned");
        g_assert_cmpuint(whole_counts(w).unexpected, ==, 0);
}

/* Pinned, unpinned and pinned again, in another mode, queued or failed: never taken for unexpected. */
static void test_changed_while_listing(Whole *w, gconstpointer data _unused_) {
        FakeAnswer answer = { .body = "" };
        Pin direct = whole_pin(2);
        Heard heard = {};

        store_items(w, 3, "recursive");
        hold_list(w, &heard, &answer);
        whole_remove(w, 0);
        direct.max_depth = PIN_DEPTH_DIRECT;
        whole_track(w, &direct);
        WHOLE_WAIT(w, whole_is_idle(w));
        fake_kubo_plan(w->kubo, "pin/add", NULL, &whole_refusal);
        whole_add(w, 3);
        WHOLE_WAIT(w, whole_counts(w).pin_error == 1);
        fake_kubo_forget_plans(w->kubo);
        fake_kubo_plan(w->kubo, "pin/add", NULL, &whole_hang);
        whole_add(w, 4);
        WHOLE_WAIT(w, whole_counts(w).pinning == 1);
        fake_kubo_release(w->kubo);
        fake_kubo_forget_plans(w->kubo);
        WHOLE_WAIT(w, heard.n == 1);
        g_assert_cmpint(heard.r, ==, 0);
        whole_assert_status(w, 0, "unpinned");
        whole_assert_status(w, 1, "unexpectedly_unpinned"); /* was really not in the list */
        whole_assert_status(w, 2, "pinned");
        whole_assert_status(w, 3, "pin_error");
        g_assert_cmpuint(whole_counts(w).unexpected, ==, 1);
}

/* While the pinset is scanned: what has left it since, or has another mode now, is not judged by the view.
 */
static void test_changed_while_comparing(Whole *w, gconstpointer data _unused_) {
        Heard heard = {};

        store_items(w, 600, "recursive");
        g_assert_cmpint(tracker_check(w->tracker, &heard.call, on_checked, &heard), ==, 0);
        WHOLE_WAIT(w, tracker_check_is_comparing(w->tracker));
        for (uint32_t i = 0; i < 600; i += 2) {
                Pin direct = whole_pin(i);

                direct.max_depth = PIN_DEPTH_DIRECT;
                if (i % 4 == 0)
                        whole_remove(w, i);
                else
                        whole_track(w, &direct);
        }
        WHOLE_WAIT(w, heard.n == 1 && whole_is_idle(w));
        g_assert_cmpint(heard.r, ==, 0);
        g_assert_cmpuint(whole_counts(w).unexpected, ==, 0);
        whole_assert_status(w, 4, "unpinned");
        whole_assert_status(w, 2, "pinned");
        whole_assert_status(w, 1, "pinned");
        g_assert_false(spool_exists(w));
}

/* ---- who is told ---- */

static void on_checked_ask_again(TrackerCall *call, int r, const Error *error, void *userdata) {
        Heard *heard = userdata;
        Tracker *tracker = call->tracker;

        on_checked(call, r, error, userdata);
        g_assert_cmpint(tracker_check(tracker, &heard->call, on_checked, heard), ==, 0);
}

static void test_told(Whole *w, gconstpointer data _unused_) {
        Heard a = {}, b = {}, c = {};

        g_assert_cmpint(tracker_check(w->tracker, &a.call, on_checked_ask_again, &a), ==, 0);
        g_assert_cmpint(tracker_check(w->tracker, &b.call, on_checked, &b), ==, 0);
        g_assert_cmpint(tracker_check(w->tracker, &c.call, NULL, NULL), ==, 0);
        g_assert_cmpint(tracker_check(w->tracker, NULL, NULL, NULL), ==, 0);
        WHOLE_WAIT(w, b.n == 1);
        whole_turns(w, 1);
        g_assert_cmpuint(a.n, ==, 1); /* the next one is another check */
        WHOLE_WAIT(w, a.n == 2);
        g_assert_cmpuint(fake_kubo_count(w->kubo, "pin/" WHOLE_LIST), ==, 4);
        tracker_call_unref(c.call);
}

static void test_stop(Whole *w, gconstpointer data _unused_) {
        FakeAnswer answer = { .body = "" };
        Heard heard = {};

        hold_list(w, &heard, &answer);
        tracker_stop(w->tracker);
        g_assert_false(spool_exists(w));
        g_assert_cmpint(tracker_check(w->tracker, NULL, NULL, NULL), ==, -ESHUTDOWN);
        tracker_kick(w->tracker);
        fake_kubo_release(w->kubo);
        whole_turns(w, 20);
        g_assert_null(w->tracker->check);
        g_assert_cmpuint(heard.n, ==, 0);
        tracker_call_unref(heard.call);
}

/* ---- from time to time ---- */

static void test_interval(Whole *w, gconstpointer data _unused_) {
        w->tracker = tracker_free(w->tracker);
        w->options.check_interval_usec = 2 * USEC_PER_MSEC;
        whole_start(w);
        WHOLE_WAIT(w, fake_kubo_count(w->kubo, "pin/" WHOLE_LIST) >= 6);
}

#define TEST(name, func) g_test_add("/tracker/check/" name, Whole, NULL, whole_set_up, func, whole_tear_down)

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        TEST("finds-unpinned", test_finds_unpinned);
        TEST("busy-loop", test_busy_loop);
        TEST("pins-again", test_pins_again);
        TEST("finds-pinned", test_finds_pinned);
        TEST("kinds", test_kinds);
        TEST("cut-list", test_cut_list);
        TEST("made-again", test_made_again);
        TEST("kubo-goes-down", test_kubo_goes_down);
        TEST("pinned-while-listing", test_pinned_while_listing);
        TEST("changed-while-listing", test_changed_while_listing);
        TEST("changed-while-comparing", test_changed_while_comparing);
        TEST("told", test_told);
        TEST("stop", test_stop);
        TEST("interval", test_interval);
        return g_test_run();
}
