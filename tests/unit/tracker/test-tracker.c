#include <glib/gstdio.h>

#include "tests/lib/fault.h"
#include "tests/unit/tracker/whole.h"

/* An orderly end, and the start of the next process. */
static void restart(Whole *w) {
        whole_close(w);
        whole_start(w);
}

static bool was_discarded(Whole *w) {
        bool complete;

        g_assert_cmpint(tracker_new(&w->tracker, w->event, &w->options, NULL), ==, 0);
        complete = whole_counts(w).complete;
        w->tracker = tracker_free(w->tracker);
        return !complete;
}

static void test_new(Whole *w, gconstpointer data _unused_) {
        _cleanup_(error_done) Error error = {};
        Tracker *tracker = NULL;

        w->options.state_folder = "/nowhere/at/all";
        g_assert_cmpint(tracker_new(&tracker, w->event, &w->options, &error), <, 0);
        g_assert_cmpstr(error.message,
                        ==,
                        "Failed to open /nowhere/at/all/tracker.gdbm: No such file or directory");
}

static void test_pins_and_unpins(Whole *w, gconstpointer data _unused_) {
        whole_start(w);
        whole_add(w, 1);
        g_assert_cmpuint(w->n_changed, ==, 1);
        WHOLE_WAIT(w, whole_is_idle(w));
        whole_assert_status(w, 1, "pinned");
        g_assert_cmpuint(w->n_changed, ==, 3); /* queued, pinning, pinned */
        whole_remove(w, 1);
        WHOLE_WAIT(w, whole_is_idle(w));
        whole_assert_status(w, 1, "unpinned");
        g_assert_null(fake_kubo_pinned(w->kubo, whole_text(1)));
}

/* The front of each queue, whichever of the two for pins is older; nothing, when nothing waits. */
static void test_oldest(Whole *w, gconstpointer data _unused_) {
        uint64_t pin = 1, unpin = 1, since;

        w->options.concurrent_pins = 1;
        whole_start(w);
        g_assert_cmpint(tracker_oldest(w->tracker, &pin, &unpin), ==, 0);
        g_assert_cmpuint(pin, ==, 0);
        g_assert_cmpuint(unpin, ==, 0);

        fake_kubo_plan(w->kubo, "pin/add", NULL, &whole_hang);
        fake_kubo_plan(w->kubo, "pin/rm", NULL, &whole_hang);
        since = time_now();
        for (uint32_t n = 1; n <= 4; n++)
                whole_add(w, n);
        for (uint32_t n = 11; n <= 13; n++)
                whole_remove(w, n);
        WHOLE_WAIT(w, whole_counts(w).pinning == 1 && whole_counts(w).unpinning == 1);
        g_assert_cmpint(tracker_oldest(w->tracker, &pin, &unpin), ==, 0);
        g_assert_cmpuint(pin, >=, since);
        g_assert_cmpuint(pin, <=, time_now());
        g_assert_cmpuint(unpin, >=, pin);

        fake_kubo_forget_plans(w->kubo);
        fake_kubo_release(w->kubo);
        WHOLE_WAIT(w, whole_is_idle(w));
        g_assert_cmpint(tracker_oldest(w->tracker, &pin, &unpin), ==, 0);
        g_assert_cmpuint(pin + unpin, ==, 0);
}

/* ---- stop and start ---- */

/* A restart in order asks Kubo nothing, and knows everything that it knew. */
static void test_restart(Whole *w, gconstpointer data _unused_) {
        TrackerCounts before, after;

        whole_start(w);
        whole_add(w, 1);
        WHOLE_WAIT(w, whole_is_idle(w));
        fake_kubo_plan(w->kubo, "pin/add", NULL, &whole_refusal);
        fake_kubo_plan(w->kubo, "pin/rm", NULL, &whole_refusal);
        whole_add(w, 2);
        whole_remove(w, 3);
        WHOLE_WAIT(w, whole_is_idle(w));
        before = whole_counts(w);
        g_assert_cmpuint(before.pin_error, ==, 1);
        g_assert_cmpuint(before.unpin_error, ==, 1);

        restart(w);
        after = whole_counts(w);
        g_assert_cmpuint(after.pin_error, ==, 1);
        g_assert_cmpuint(after.unpin_error, ==, 1);
        g_assert_cmpuint(after.queued + after.unpin_queued + after.unexpected, ==, 0);
        whole_assert_status(w, 1, "pinned");
        whole_assert_status(w, 2, "pin_error");
        whole_assert_error(w, 2, 1, "no such block");
        whole_assert_status(w, 3, "unpin_error");
        whole_assert_error(w, 3, 1, "no such block");
        whole_turns(w, 20);
        g_assert_cmpuint(fake_kubo_requests(w->kubo)->n, ==, 0);
}

/* What is under way at the end is begun again by the next start, first, and the attempt does not count. */
static void test_restart_under_way(Whole *w, gconstpointer data _unused_) {
        whole_start(w);
        fake_kubo_plan(w->kubo, "pin/add", NULL, &whole_hang);
        fake_kubo_plan(w->kubo, "pin/rm", NULL, &(FakeAnswer){ .fault = FAKE_SILENCE });
        for (uint32_t i = 0; i < 5; i++)
                whole_add(w, i);
        whole_remove(w, 9);
        WHOLE_WAIT(w, whole_counts(w).pinning == 2 && whole_counts(w).unpinning == 1);
        whole_close(w);

        fake_kubo_stop(w->kubo);
        g_assert_cmpint(tracker_new(&w->tracker, w->event, &w->options, NULL), ==, 0);
        g_assert_true(whole_counts(w).complete);
        g_assert_cmpuint(whole_counts(w).queued, ==, 5);
        g_assert_cmpuint(whole_counts(w).unpin_queued, ==, 1);
        for (uint32_t i = 0; i < 5; i++) {
                whole_assert_status(w, i, "pin_queued");
                whole_assert_error(w, i, 0, NULL);
        }
        w->tracker = tracker_free(w->tracker); /* nothing was written: it is as it was */

        fake_kubo_forget_plans(w->kubo);
        g_assert_cmpint(fake_kubo_start(w->kubo), ==, 0);
        whole_start(w);
        WHOLE_WAIT(w, whole_is_idle(w));
        for (uint32_t i = 0; i < 5; i++)
                whole_assert_status(w, i, "pinned");
        whole_assert_status(w, 9, "unpinned");
}

/* What ends between the two halves of the end is noted still. */
static void test_ends_while_stopping(Whole *w, gconstpointer data _unused_) {
        whole_start(w);
        fake_kubo_plan(w->kubo, "pin/add", NULL, &whole_hang);
        for (uint32_t i = 0; i < 3; i++)
                whole_add(w, i);
        WHOLE_WAIT(w, fake_kubo_count(w->kubo, "pin/add") == 2);
        tracker_stop(w->tracker);
        fake_kubo_release(w->kubo);
        WHOLE_WAIT(w, whole_counts(w).pinning == 0);
        whole_turns(w, 20);
        g_assert_cmpuint(whole_counts(w).queued, ==, 1); /* nothing was begun */
        g_assert_cmpuint(whole_counts(w).pin_error, ==, 0);
        g_assert_cmpint(tracker_close(TAKE_PTR(w->tracker)), ==, 0);

        fake_kubo_forget_plans(w->kubo);
        whole_start(w);
        WHOLE_WAIT(w, whole_is_idle(w));
        g_assert_cmpuint(fake_kubo_count(w->kubo, "pin/add"), ==, 1);
}

/* After a start without the records, all is unknown until Kubo has told its pins. */
static void test_unclean(Whole *w, gconstpointer data _unused_) {
        whole_start(w);
        tracker_queue_set_recent_max(w->tracker->queue, 0); /* so that something is written */
        whole_add(w, 1);
        whole_add(w, 2);
        WHOLE_WAIT(w, whole_is_idle(w));
        w->tracker = tracker_free(w->tracker);

        fake_kubo_pin(w->kubo, whole_text(2), NULL);
        g_assert_cmpint(tracker_new(&w->tracker, w->event, &w->options, NULL), ==, 0);
        g_assert_false(whole_counts(w).complete);
        whole_assert_status(w, 1, "pin_queued");
        g_assert_cmpstr(whole_ask(w, 1, false), ==, "pin_queued"); /* is asked, but for the one alone */
        g_assert_cmpuint(fake_kubo_count(w->kubo, "pin/ls?arg="), >, 0);
        w->tracker = tracker_free(w->tracker);

        whole_start(w);
        WHOLE_WAIT(w, whole_is_idle(w));
        whole_assert_status(w, 1, "pinned");
        whole_assert_status(w, 2, "pinned");
        g_assert_cmpuint(fake_kubo_count(w->kubo, "pin/add"), ==, 1); /* the one that was missing */
        g_assert_cmpuint(whole_counts(w).unexpected, ==, 0);
}

/* Without Kubo it stays so, and goes on when it has come. */
static void test_unclean_without_kubo(Whole *w, gconstpointer data _unused_) {
        const Pin pin = whole_pin(1);

        whole_store(w, &pin);
        fake_kubo_stop(w->kubo);
        g_assert_cmpint(tracker_new(&w->tracker, w->event, &w->options, NULL), ==, 0);
        g_assert_cmpint(tracker_start(w->tracker), ==, 0);
        WHOLE_WAIT(w, w->tracker->n_check_failures == 1);
        g_assert_false(whole_counts(w).complete);
        whole_assert_status(w, 1, "pin_queued");

        g_assert_cmpint(fake_kubo_start(w->kubo), ==, 0);
        WHOLE_WAIT(w, whole_counts(w).complete && whole_is_idle(w));
        whole_assert_status(w, 1, "pinned");
        g_assert_cmpstr(fake_kubo_pinned(w->kubo, whole_text(1)), ==, "recursive");
}

static void test_discards(Whole *w, gconstpointer data _unused_) {
        const Pin pin = whole_pin(50);

        whole_start(w);
        whole_add(w, 1);
        WHOLE_WAIT(w, whole_is_idle(w));
        whole_close(w);
        g_assert_false(was_discarded(w));

        whole_store(w, &pin); /* the pinset went on alone */
        g_assert_true(was_discarded(w));
}

/* What is tracked after the stop makes the records worthless. */
static void test_tracked_after_stop(Whole *w, gconstpointer data _unused_) {
        const Cid cid = item_cid(1);

        for (unsigned unpin = 0; unpin < 2; unpin++) {
                const Pin pin = whole_pin(1);

                whole_start(w);
                tracker_stop(w->tracker);
                g_assert_cmpint(unpin ? tracker_untrack(w->tracker, &cid) : tracker_track(w->tracker, &pin),
                                ==,
                                0);
                g_assert_cmpint(tracker_close(TAKE_PTR(w->tracker)), ==, 0);
                g_assert_true(was_discarded(w));
        }
}

/* Before the check has ended there is nothing worth keeping. */
static void test_closed_incomplete(Whole *w, gconstpointer data _unused_) {
        g_assert_cmpint(tracker_new(&w->tracker, w->event, &w->options, NULL), ==, 0);
        g_assert_cmpint(tracker_start(w->tracker), ==, 0);
        whole_close(w);
        g_assert_true(was_discarded(w));
}

/* ---- recover ---- */

static void test_recover(Whole *w, gconstpointer data _unused_) {
        const Cid a = item_cid(1), b = item_cid(2), c = item_cid(3);

        whole_start(w);
        fake_kubo_plan(w->kubo, "pin/add", NULL, &whole_refusal);
        fake_kubo_plan(w->kubo, "pin/rm", NULL, &whole_refusal);
        whole_add(w, 1);
        whole_remove(w, 2);
        WHOLE_WAIT(w, whole_is_idle(w));
        fake_kubo_forget_plans(w->kubo);
        g_assert_cmpint(tracker_recover(w->tracker, &a), ==, 1);
        g_assert_cmpint(tracker_recover(w->tracker, &a), ==, 0); /* is queued now */
        g_assert_cmpint(tracker_recover(w->tracker, &b), ==, 1);
        g_assert_cmpint(tracker_recover(w->tracker, &c), ==, 0); /* nothing is wrong with it */
        whole_assert_error(w, 1, 1, NULL);
        WHOLE_WAIT(w, whole_is_idle(w));
        whole_assert_status(w, 1, "pinned");
        whole_assert_status(w, 2, "unpinned");
        g_assert_cmpint(tracker_recover(w->tracker, &a), ==, 0);
}

/* ---- many ---- */

/* More than memory has room for, through a restart and an end of Kubo. */
static void test_many(Whole *w, gconstpointer data _unused_) {
        enum { N = 300 };

        w->options.concurrent_pins = 10;
        whole_start(w);
        tracker_queue_set_recent_max(w->tracker->queue, 20);
        for (uint32_t i = 0; i < N; i++)
                whole_add(w, i);
        g_assert_cmpuint(whole_counts(w).queued, ==, N);
        WHOLE_WAIT(w, whole_counts(w).queued < N - 50);
        fake_kubo_stop(w->kubo);
        WHOLE_WAIT(w, !ipfs_is_reachable(w->ipfs) && whole_counts(w).pinning == 0);
        for (uint32_t i = 0; i < N; i += 3)
                whole_remove(w, i);
        whole_close(w);

        g_assert_cmpint(fake_kubo_start(w->kubo), ==, 0);
        whole_start(w);
        tracker_queue_set_recent_max(w->tracker->queue, 20);
        WHOLE_WAIT(w, whole_is_idle(w));
        for (uint32_t i = 0; i < N; i++) {
                whole_assert_status(w, i, i % 3 == 0 ? "unpinned" : "pinned");
                g_assert_cmpstr(fake_kubo_pinned(w->kubo, whole_text(i)),
                                ==,
                                i % 3 == 0 ? NULL : "recursive");
        }
        g_assert_cmpuint(w->n_failed, ==, 0);
}

/* Other limits for a tracker at work. */
static void test_new_options(Whole *w, gconstpointer data _unused_) {
        whole_start(w);
        fake_kubo_plan(w->kubo, "pin/add", NULL, &whole_hang);
        for (uint32_t i = 0; i < 20; i++)
                whole_add(w, i);
        WHOLE_WAIT(w, whole_counts(w).pinning == 2);
        w->options.concurrent_pins = 6;
        tracker_set_options(w->tracker, &w->options);
        WHOLE_WAIT(w, whole_counts(w).pinning == 6);
        fake_kubo_forget_plans(w->kubo);
        fake_kubo_release(w->kubo);
}

/* ---- short of memory ---- */

/* Tracking either says that it failed, or the item is on its way. */
static void test_fault(Whole *w, gconstpointer data _unused_) {
        uint32_t item = 0;

        whole_start(w);
        FOREACH_FAULT {
                const Cid cid = item_cid(++item);
                const Pin pin = whole_pin(item);
                int r;

                fault_arm(-1);
                whole_store(w, &pin);
                fault_arm(_n);
                r = tracker_track(w->tracker, &pin);
                if (r >= 0)
                        r = tracker_untrack(w->tracker, &cid);
                if (r >= 0)
                        r = tracker_track(w->tracker, &pin);
                fault_arm(-1);
                g_assert_true(r == 0 || r == -ENOMEM);
                if (r == 0)
                        whole_assert_status(w, item, "pin_queued");
                WHOLE_WAIT(w, whole_is_idle(w));
                if (r == 0)
                        whole_assert_status(w, item, "pinned");
        }
}

static void test_fault_new(Whole *w, gconstpointer data _unused_) {
        FOREACH_FAULT {
                _cleanup_(error_done) Error error = {};
                Tracker *tracker = NULL;
                int r;

                r = tracker_new(&tracker, w->event, &w->options, &error);
                if (r < 0)
                        g_assert_cmpint(error.code, !=, ERROR_NONE);
                tracker_free(tracker);
        }
}

#define TEST(name, func)                                                                                    \
        g_test_add("/tracker/tracker/" name, Whole, NULL, whole_set_up_only, func, whole_tear_down)

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        TEST("new", test_new);
        TEST("pins-and-unpins", test_pins_and_unpins);
        TEST("oldest", test_oldest);
        TEST("restart", test_restart);
        TEST("restart-under-way", test_restart_under_way);
        TEST("ends-while-stopping", test_ends_while_stopping);
        TEST("unclean", test_unclean);
        TEST("unclean-without-kubo", test_unclean_without_kubo);
        TEST("discards", test_discards);
        TEST("tracked-after-stop", test_tracked_after_stop);
        TEST("closed-incomplete", test_closed_incomplete);
        TEST("recover", test_recover);
        TEST("new-options", test_new_options);
        TEST("many", test_many);
        TEST("fault", test_fault);
        TEST("fault-new", test_fault_new);
        return g_test_run();
}
