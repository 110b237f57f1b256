#include "tests/lib/fault.h"
#include "tests/unit/tracker/whole.h"

static void reopen(Whole *w) {
        w->tracker = tracker_free(w->tracker);
        whole_start(w);
}

static size_t adds(const Whole *w) {
        return fake_kubo_count(w->kubo, "pin/add");
}

/* Which item the N-th pin/add was for. */
static bool add_was_for(Whole *w, size_t n, uint32_t item) {
        const StrList *requests = fake_kubo_requests(w->kubo);

        for (size_t i = 0; i < requests->n; i++)
                if (g_str_has_prefix(requests->items[i], "pin/add") && n-- == 0)
                        return strstr(requests->items[i], whole_text(item)) != NULL;
        return false;
}

static void test_concurrency(Whole *w, gconstpointer data _unused_) {
        fake_kubo_plan(w->kubo, "pin/add", NULL, &whole_hang);
        for (uint32_t i = 0; i < 5; i++)
                whole_add(w, i);
        WHOLE_WAIT(w, adds(w) == 2);
        whole_turns(w, 50);
        g_assert_cmpuint(adds(w), ==, 2);
        g_assert_cmpuint(whole_counts(w).pinning, ==, 2);
        g_assert_cmpuint(whole_counts(w).queued, ==, 3);
        whole_assert_status(w, 0, "pinning");
        whole_assert_status(w, 4, "pin_queued");

        for (size_t n = 2; !whole_is_idle(w); n++) {
                fake_kubo_release(w->kubo);
                WHOLE_WAIT(w, adds(w) > n || whole_is_idle(w));
                g_assert_cmpuint(whole_counts(w).pinning, <=, 2);
        }
        g_assert_cmpuint(adds(w), ==, 5);
        for (uint32_t i = 0; i < 5; i++)
                whole_assert_status(w, i, "pinned");
        g_assert_cmpuint(w->n_failed, ==, 0);
}

/* Unpins go one at a time, beside the pins. */
static void test_unpins(Whole *w, gconstpointer data _unused_) {
        fake_kubo_plan(w->kubo, "pin/add", NULL, &whole_hang);
        fake_kubo_plan(w->kubo,
                       "pin/rm",
                       NULL,
                       &(FakeAnswer){ .body = "{\"Pins\":[\"x\"]}", .fault = FAKE_HANG });
        for (uint32_t i = 0; i < 2; i++)
                whole_add(w, i);
        for (uint32_t i = 10; i < 13; i++)
                whole_remove(w, i);
        WHOLE_WAIT(w, adds(w) == 2 && fake_kubo_count(w->kubo, "pin/rm") == 1);
        whole_turns(w, 50);
        g_assert_cmpuint(fake_kubo_count(w->kubo, "pin/rm"), ==, 1);
        g_assert_cmpuint(whole_counts(w).unpinning, ==, 1);
        g_assert_cmpuint(whole_counts(w).unpin_queued, ==, 2);
        whole_assert_status(w, 10, "unpinning");
        whole_assert_status(w, 12, "unpin_queued");
        while (!whole_is_idle(w)) {
                fake_kubo_release(w->kubo);
                g_assert_cmpint(sd_event_run(w->event, 20 * USEC_PER_SEC), >, 0);
        }
        whole_assert_status(w, 10, "unpinned");
}

/* Young pins first, then old ones and those that have failed often, each in the order in which they came. */
static void test_order(Whole *w, gconstpointer data _unused_) {
        Pin old = whole_pin(3);

        w->options.concurrent_pins = 1;
        reopen(w);
        fake_kubo_plan(w->kubo, "pin/add", NULL, &whole_hang);
        whole_add(w, 0);
        WHOLE_WAIT(w, adds(w) == 1);
        old.timestamp = 1;
        whole_track(w, &old);
        whole_add(w, 1);
        whole_add(w, 2);
        g_assert_true(tracker_run_is_prior(w->tracker, time_now(), 5));
        g_assert_false(tracker_run_is_prior(w->tracker, time_now(), 6));
        fake_kubo_forget_plans(w->kubo);
        fake_kubo_release(w->kubo);
        WHOLE_WAIT(w, whole_is_idle(w));
        for (uint32_t i = 0; i < 4; i++)
                g_assert_true(add_was_for(w, i, i));
}

/* ---- failing ---- */

static void test_error(Whole *w, gconstpointer data _unused_) {
        fake_kubo_plan(w->kubo, "pin/add", NULL, &whole_refusal);
        whole_add(w, 1);
        WHOLE_WAIT(w, whole_counts(w).pin_error == 1);
        whole_assert_status(w, 1, "pin_error");
        whole_assert_error(w, 1, 1, "Code: 500. Message: no such block");
        g_assert_true(whole_is_idle(w));

        fake_kubo_plan(w->kubo, "pin/rm", NULL, &whole_refusal);
        whole_remove(w, 2);
        WHOLE_WAIT(w, whole_counts(w).unpin_error == 1);
        whole_assert_status(w, 2, "unpin_error");
        whole_assert_error(w, 2, 1, "no such block");
}

/* By itself, again and again, until it goes well; attempts are counted. */
static void test_retries(Whole *w, gconstpointer data _unused_) {
        w->options.retry_min_usec = w->options.retry_max_usec = 2 * USEC_PER_MSEC;
        reopen(w);
        fake_kubo_plan(w->kubo, "pin/add", NULL, &(FakeAnswer){ .status = 500, .body = "no", .times = 4 });
        fake_kubo_plan(w->kubo, "pin/rm", NULL, &(FakeAnswer){ .status = 500, .body = "no", .times = 2 });
        whole_add(w, 1);
        whole_remove(w, 2);
        WHOLE_WAIT(w, adds(w) == 5 && fake_kubo_count(w->kubo, "pin/rm") == 3 && whole_is_idle(w));
        whole_assert_status(w, 1, "pinned");
        whole_assert_status(w, 2, "unpinned");
        g_assert_cmpuint(whole_counts(w).pin_error + whole_counts(w).unpin_error, ==, 0);
}

/* The delay doubles up to its bound: the FIFO says which. */
static void test_back_off(Whole *w, gconstpointer data _unused_) {
        const Cid cid = item_cid(1);

        fake_kubo_plan(w->kubo, "pin/add", NULL, &whole_refusal);
        whole_add(w, 1);
        for (uint64_t attempt = 1; attempt < 12; attempt++) {
                TrackerRecord record = {};

                WHOLE_WAIT(w, whole_counts(w).pin_error == 1);
                g_assert_cmpint(tracker_queue_get(w->tracker->queue, &cid, &record), ==, 1);
                g_assert_cmpuint(record.attempts, ==, attempt);
                g_assert_cmpuint(
                                record.queue, ==, TRACKER_FIFO_DELAY + MIN(attempt - 1, TRACKER_DELAYS - 1));
                tracker_record_done(&record);
                g_assert_cmpint(tracker_recover(w->tracker, &cid), ==, 1);
        }
}

/* An item that failed in the future is tried again now. */
static void test_clock_set_back(Whole *w, gconstpointer data _unused_) {
        const Cid cid = item_cid(1);
        const Pin pin = whole_pin(1);
        TrackerRecord record = {
                .status = PIN_STATUS_PIN_ERROR,
                .attempts = 1,
                .timestamp = time_now() + 3600 * USEC_PER_SEC,
        };

        whole_store(w, &pin);
        g_assert_cmpint(tracker_queue_put(w->tracker->queue, &cid, &record, TRACKER_FIFO_DELAY, false),
                        ==,
                        0);
        tracker_kick(w->tracker);
        WHOLE_WAIT(w, whole_status(w, 1) == PIN_STATUS_PINNED);
}

/* ---- Kubo away ---- */

/* Kubo's last words were failures: they are taken back, older ones are not. */
static void test_forgiven(Whole *w, gconstpointer data _unused_) {
        fake_kubo_plan(w->kubo, "pin/add", NULL, &whole_refusal);
        fake_kubo_plan(w->kubo, "pin/rm", NULL, &whole_refusal);
        whole_add(w, 1);
        WHOLE_WAIT(w, whole_counts(w).pin_error == 1);
        w->tracker->failures[0].when -= 10 * USEC_PER_SEC;
        for (uint32_t i = 2; i < 2 + TRACKER_FAILURES_MAX; i++)
                whole_add(w, i);
        WHOLE_WAIT(w, whole_counts(w).pin_error == 1 + TRACKER_FAILURES_MAX);
        whole_remove(w, 500);
        WHOLE_WAIT(w, whole_counts(w).unpin_error == 1);
        fake_kubo_forget_plans(w->kubo);
        ipfs_hint(w->ipfs, IPFS_HINT_CHANGING);
        tracker_forgive(w->tracker, 5 * USEC_PER_SEC);
        g_assert_cmpuint(whole_counts(w).unpin_queued, ==, 1);
        g_assert_cmpuint(
                        whole_counts(w).queued,
                        >=,
                        TRACKER_FAILURES_MAX - 2); /* the ring has forgotten the rest */
        whole_assert_status(w, 1, "pin_error");
        whole_assert_error(w, 1, 1, "no such block");
        whole_assert_status(w, 1 + TRACKER_FAILURES_MAX, "pin_queued");
        whole_assert_error(w, 1 + TRACKER_FAILURES_MAX, 0, NULL);
        tracker_forgive(w->tracker, 5 * USEC_PER_SEC); /* once */
        whole_assert_error(w, 1 + TRACKER_FAILURES_MAX, 0, NULL);
        ipfs_hint(w->ipfs, IPFS_HINT_THERE);
        WHOLE_WAIT(w, whole_counts(w).queued + whole_counts(w).pinning + whole_counts(w).unpin_queued == 0);
        whole_assert_status(w, 1 + TRACKER_FAILURES_MAX, "pinned");
}

static void test_down_counts_nothing(Whole *w, gconstpointer data _unused_) {
        fake_kubo_stop(w->kubo);
        for (uint32_t i = 0; i < 4; i++)
                whole_add(w, i);
        whole_remove(w, 9);
        WHOLE_WAIT(w,
                   !ipfs_is_reachable(w->ipfs) && whole_counts(w).pinning + whole_counts(w).unpinning == 0);
        for (uint32_t i = 0; i < 4; i++) {
                whole_assert_status(w, i, "pin_queued");
                whole_assert_error(w, i, 0, NULL);
        }
        whole_assert_status(w, 9, "unpin_queued");
        g_assert_cmpuint(whole_counts(w).queued, ==, 4);
        g_assert_cmpuint(whole_counts(w).unpin_queued, ==, 1);

        g_assert_cmpint(fake_kubo_start(w->kubo), ==, 0);
        WHOLE_WAIT(w, whole_is_idle(w)); /* the probe finds it, tracker_kick() goes on */
        for (uint32_t i = 0; i < 4; i++)
                whole_assert_status(w, i, "pinned");
        g_assert_true(add_was_for(w, 0, 0) || add_was_for(w, 0, 1));
}

/* ---- opposites and repeats ---- */

static void test_opposites(Whole *w, gconstpointer data _unused_) {
        fake_kubo_plan(w->kubo, "pin/add", NULL, &whole_hang);
        whole_add(w, 1);
        WHOLE_WAIT(w, adds(w) == 1);
        whole_remove(w, 1);
        g_assert_cmpuint(whole_counts(w).pinning, ==, 0);
        whole_assert_status(w, 1, "unpin_queued");
        whole_assert_error(w, 1, 0, NULL);
        WHOLE_WAIT(w, whole_is_idle(w));
        whole_assert_status(w, 1, "unpinned");

        fake_kubo_forget_plans(w->kubo);
        fake_kubo_plan(w->kubo, "pin/rm", NULL, &(FakeAnswer){ .fault = FAKE_SILENCE });
        whole_remove(w, 2);
        WHOLE_WAIT(w, fake_kubo_count(w->kubo, "pin/rm") == 2);
        whole_add(w, 2);
        g_assert_cmpuint(whole_counts(w).unpinning, ==, 0);
        whole_assert_error(w, 2, 0, NULL);
        WHOLE_WAIT(w, whole_is_idle(w));
        whole_assert_status(w, 2, "pinned");
}

static void test_opposite_of_error(Whole *w, gconstpointer data _unused_) {
        fake_kubo_plan(w->kubo, "pin/add", NULL, &whole_refusal);
        whole_add(w, 1);
        WHOLE_WAIT(w, whole_counts(w).pin_error == 1);
        whole_remove(w, 1);
        whole_assert_error(w, 1, 0, NULL);
        g_assert_cmpuint(whole_counts(w).pin_error, ==, 0);
        WHOLE_WAIT(w, whole_is_idle(w));
        whole_assert_status(w, 1, "unpinned");
}

/* The same pin again changes nothing; with another name or mode it begins anew; while it waits it keeps its
 * place. */
static void test_pin_again(Whole *w, gconstpointer data _unused_) {
        Pin pin = whole_pin(1);

        fake_kubo_plan(w->kubo, "pin/add", NULL, &whole_hang);
        whole_track(w, &pin);
        WHOLE_WAIT(w, adds(w) == 1);
        whole_track(w, &pin);
        whole_turns(w, 30);
        g_assert_cmpuint(adds(w), ==, 1);

        pin.name = (char *) "another";
        whole_track(w, &pin);
        WHOLE_WAIT(w, adds(w) == 2);
        g_assert_nonnull(
                        strstr(fake_kubo_requests(w->kubo)->items[fake_kubo_requests(w->kubo)->n - 1],
                               "name=another"));
        pin.max_depth = PIN_DEPTH_DIRECT;
        whole_track(w, &pin);
        WHOLE_WAIT(w, adds(w) == 3);
        g_assert_nonnull(
                        strstr(fake_kubo_requests(w->kubo)->items[fake_kubo_requests(w->kubo)->n - 1],
                               "recursive=false"));
        g_assert_cmpuint(whole_counts(w).pinning, ==, 1);

        whole_add(w, 2);
        whole_add(w, 3);
        whole_add(w, 4);
        whole_add(w, 3);
        fake_kubo_forget_plans(w->kubo);
        fake_kubo_release(w->kubo);
        WHOLE_WAIT(w, whole_is_idle(w));
        g_assert_true(add_was_for(w, 4, 3));
        g_assert_true(add_was_for(w, 5, 4));
        g_assert_cmpuint(adds(w), ==, 6);
}

/* ---- a full queue ---- */

static void test_full(Whole *w, gconstpointer data _unused_) {
        Pin again = whole_pin(0);

        w->options.max_pin_queue_size = 3;
        w->options.retry_min_usec = w->options.retry_max_usec = 1;
        reopen(w);
        fake_kubo_plan(w->kubo, "pin/add", NULL, &whole_hang);
        for (uint32_t i = 0; i < 6; i++)
                whole_add(w, i);
        WHOLE_WAIT(w, adds(w) == 2);
        for (uint32_t i = 3; i < 6; i++) {
                whole_assert_status(w, i, "pin_error");
                whole_assert_error(
                                w,
                                i,
                                0,
                                "pin/unpin operation queue is full. Try increasing max_pin_queue_size");
        }

        /* They wait for room without a turn of the loop, though their time has come. */
        w->n_changed = 0;
        whole_turns(w, 50);
        g_assert_cmpuint(w->n_changed, ==, 0);

        again.name = (char *) "another"; /* what is in the queue has its place */
        whole_track(w, &again);
        g_assert_cmpuint(whole_counts(w).pin_error, ==, 3);

        fake_kubo_forget_plans(w->kubo);
        fake_kubo_release(w->kubo);
        WHOLE_WAIT(w, whole_is_idle(w) && whole_counts(w).pin_error == 0);
        for (uint32_t i = 0; i < 6; i++)
                whole_assert_status(w, i, "pinned");
}

/* ---- short of memory ---- */

/* Whichever allocation fails while an item is begun: it is begun later. */
static void test_fault(Whole *w, gconstpointer data _unused_) {
        uint32_t item = 0;

        FOREACH_FAULT {
                fault_arm(-1);
                whole_add(w, ++item);
                fault_arm(_n);
                (void) sd_event_run(w->event, 0);
                fault_arm(-1);
                g_assert_cmpuint(whole_counts(w).queued + whole_counts(w).pinning, ==, 1);
                g_assert_cmpuint(w->n_failed, ==, 0);
                tracker_kick(w->tracker);
                WHOLE_WAIT(w, whole_is_idle(w));
                whole_assert_status(w, item, "pinned");
                whole_assert_error(w, item, 0, NULL);
        }
}

#define TEST(name, func) g_test_add("/tracker/run/" name, Whole, NULL, whole_set_up, func, whole_tear_down)

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        TEST("concurrency", test_concurrency);
        TEST("unpins", test_unpins);
        TEST("order", test_order);
        TEST("error", test_error);
        TEST("retries", test_retries);
        TEST("back-off", test_back_off);
        TEST("clock-set-back", test_clock_set_back);
        TEST("down-counts-nothing", test_down_counts_nothing);
        TEST("forgiven", test_forgiven);
        TEST("opposites", test_opposites);
        TEST("opposite-of-error", test_opposite_of_error);
        TEST("pin-again", test_pin_again);
        TEST("full", test_full);
        TEST("fault", test_fault);
        return g_test_run();
}
