#include "tests/lib/fault.h"
#include "tests/unit/tracker/whole.h"

static void allocate(Pin *pin, const char *peer) {
        PeerId id;

        g_assert_cmpint(peer_id_parse(peer, &id), ==, 0);
        g_assert_cmpint(peer_id_list_append(&pin->allocations, &id), ==, 0);
        pin->replication_factor_min = pin->replication_factor_max = 1;
}

static void put_record(Whole *w, uint32_t item, PinStatus status, unsigned fifo) {
        const Cid cid = item_cid(item);
        const TrackerRecord record = { .status = status,
                                       .timestamp = time_now(),
                                       .error = (char *) "words" };

        g_assert_cmpint(tracker_queue_put(w->tracker->queue, &cid, &record, fifo, false), ==, 0);
}

/* ---- known ---- */

static void test_known(Whole *w, gconstpointer data _unused_) {
        Pin meta = whole_pin(1), remote = whole_pin(2), here = whole_pin(3), plain = whole_pin(4);
        PinInfo info;

        meta.type = PIN_TYPE_META;
        allocate(&remote, WHOLE_OTHER);
        allocate(&here, WHOLE_SELF);
        whole_store(w, &meta);
        whole_store(w, &remote);
        whole_store(w, &here);
        whole_store(w, &plain);
        whole_assert_status(w, 0, "unpinned");
        whole_assert_status(w, 1, "sharded");
        whole_assert_status(w, 2, "remote");
        whole_assert_status(w, 3, "pinned");
        whole_assert_status(w, 4, "pinned");
        g_assert_true(tracker_is_allocated(w->tracker, &here));
        g_assert_false(tracker_is_allocated(w->tracker, &remote));

        info = whole_known(w, 4);
        g_assert_cmpstr(info.peer, ==, WHOLE_SELF);
        g_assert_cmpstr(info.peername, ==, "here");
        g_assert_cmpuint(info.timestamp / USEC_PER_SEC, ==, plain.timestamp / USEC_PER_SEC);
        g_assert_true(peer_id_is_set(&info.ipfs_peer_id));
        g_assert_cmpuint(info.ipfs_peer_addresses.n, ==, 0); /* Kubo has no public one */
        json_done(&pin_info_shape, &info);
        g_assert_cmpuint(fake_kubo_requests(w->kubo)->n, ==, 0);
        peer_id_list_done(&remote.allocations);
        peer_id_list_done(&here.allocations);
}

static void test_records(Whole *w, gconstpointer data _unused_) {
        static const PinStatus statuses[] = { PIN_STATUS_PIN_ERROR,
                                              PIN_STATUS_UNPIN_ERROR,
                                              PIN_STATUS_UNEXPECTEDLY_UNPINNED };

        for (uint32_t i = 0; i < ELEMENTSOF(statuses); i++) {
                const Pin pin = whole_pin(i);

                whole_store(w, &pin);
                put_record(w, i, statuses[i], TRACKER_FIFO_DELAY);
                whole_assert_status(w, i, pin_status_to_string(statuses[i]));
                whole_assert_error(w, i, 0, "words");
        }
        g_assert_cmpuint(whole_counts(w).unexpected, ==, 1);
}

/* What was moved to others is unpinned here, and told as theirs meanwhile. */
static void test_moved_away(Whole *w, gconstpointer data _unused_) {
        Pin pin = whole_pin(1);

        whole_add(w, 1);
        WHOLE_WAIT(w, whole_is_idle(w));
        allocate(&pin, WHOLE_OTHER);
        fake_kubo_plan(w->kubo, "pin/rm", NULL, &(FakeAnswer){ .fault = FAKE_SILENCE });
        whole_track(w, &pin);
        whole_assert_status(w, 1, "remote");
        WHOLE_WAIT(w, whole_counts(w).unpinning == 1);
        whole_assert_status(w, 1, "remote");
        whole_track(w, &pin); /* again: nothing begins anew */
        whole_turns(w, 20);
        g_assert_cmpuint(fake_kubo_count(w->kubo, "pin/rm"), ==, 1);
        peer_id_list_done(&pin.allocations);
}

static void test_meta_is_nothing_to_do(Whole *w, gconstpointer data _unused_) {
        Pin pin = whole_pin(1);

        pin.type = PIN_TYPE_META;
        whole_track(w, &pin);
        g_assert_true(whole_is_idle(w));
}

/* ---- asked ---- */

static void test_asks_only_when_told(Whole *w, gconstpointer data _unused_) {
        const Pin pin = whole_pin(1);

        whole_store(w, &pin);
        g_assert_cmpstr(whole_ask(w, 1, false), ==, "pinned");
        g_assert_cmpuint(fake_kubo_requests(w->kubo)->n, ==, 0);

        g_assert_cmpstr(whole_ask(w, 1, true), ==, "unexpectedly_unpinned");
        g_assert_cmpstr(w->error, ==, "the item should be pinned but it is not");
        whole_assert_status(w, 1, "unexpectedly_unpinned");
        g_assert_cmpuint(w->n_changed, ==, 1);

        fake_kubo_pin(w->kubo, whole_text(1), "direct"); /* not as it should be */
        g_assert_cmpstr(whole_ask(w, 1, true), ==, "unexpectedly_unpinned");
        fake_kubo_pin(w->kubo, whole_text(1), "recursive");
        g_assert_cmpstr(whole_ask(w, 1, true), ==, "pinned");
        g_assert_cmpuint(w->n_changed, ==, 2);

        fake_kubo_forget_requests(w->kubo);
        g_assert_cmpstr(whole_ask(w, 9, true), ==, "unpinned"); /* not ours: no question */
        g_assert_cmpuint(fake_kubo_requests(w->kubo)->n, ==, 0);
}

static void test_error_mended_by_others(Whole *w, gconstpointer data _unused_) {
        fake_kubo_plan(w->kubo, "pin/add", NULL, &whole_refusal);
        whole_add(w, 1);
        WHOLE_WAIT(w, whole_counts(w).pin_error == 1);
        g_assert_cmpstr(whole_ask(w, 1, true), ==, "pin_error");
        fake_kubo_pin(w->kubo, whole_text(1), "recursive");
        g_assert_cmpstr(whole_ask(w, 1, true), ==, "pinned");
        g_assert_cmpuint(whole_counts(w).pin_error, ==, 0);
}

/* A Kubo that cannot be asked makes the answer a cluster_error, and changes nothing. */
static void test_cluster_error(Whole *w, gconstpointer data _unused_) {
        const Pin pin = whole_pin(1);

        whole_store(w, &pin);
        fake_kubo_plan(w->kubo,
                       "pin/ls",
                       NULL,
                       &(FakeAnswer){ .status = 403, .body = "denied", .times = 1 });
        g_assert_cmpstr(whole_ask(w, 1, true), ==, "cluster_error");
        g_assert_nonnull(strstr(w->error, "Code 403: denied"));
        fake_kubo_stop(w->kubo);
        g_assert_cmpstr(whole_ask(w, 1, true), ==, "cluster_error");
        g_assert_nonnull(strstr(w->error, "Connection refused"));
        whole_assert_status(w, 1, "pinned");
        g_assert_cmpuint(w->n_changed, ==, 0);
}

/* The answer comes late: what counts is the pinset as it is then. */
static void test_changed_meanwhile(Whole *w, gconstpointer data _unused_) {
        const Pin pin = whole_pin(1);

        whole_store(w, &pin);
        whole_ask_start(w, 1, true);
        whole_remove(w, 1);
        WHOLE_WAIT(w, w->has_answer);
        g_assert_cmpint(w->r, ==, 0);
        g_assert_cmpint(w->status, !=, PIN_STATUS_UNEXPECTEDLY_UNPINNED);
        g_assert_cmpuint(whole_counts(w).unexpected, ==, 0);
}

static void test_stopped_meanwhile(Whole *w, gconstpointer data _unused_) {
        const Pin pin = whole_pin(1);

        whole_store(w, &pin);
        whole_ask_start(w, 1, true);
        tracker_stop(w->tracker);
        WHOLE_WAIT(w, w->has_answer);
        g_assert_cmpint(w->r, ==, -ESHUTDOWN);
}

static void test_cancel(Whole *w, gconstpointer data _unused_) {
        const Pin pin = whole_pin(1);

        whole_store(w, &pin);
        for (unsigned ask = 0; ask < 2; ask++)
                for (unsigned turns = 0; turns < 3; turns++) {
                        whole_ask_start(w, 1, ask);
                        if (turns > 0 && ask)
                                whole_turns(w, turns);
                        w->call = tracker_call_unref(w->call);
                        whole_turns(w, 10);
                        g_assert_false(w->has_answer);
                }
}

/* ---- listed ---- */

static size_t walk(Whole *w, PinStatus filter, bool *seen, size_t n) {
        _cleanup_(tracker_cursor_freep) TrackerCursor *cursor = NULL;
        size_t found = 0;
        Cid cid;

        memset(seen, 0, n);
        g_assert_cmpint(tracker_cursor_new(&cursor, w->tracker, filter), ==, 0);
        while (tracker_cursor_next(cursor, &cid) == 1) {
                for (uint32_t i = 0; i < n; i++) {
                        const Cid other = item_cid(i);

                        if (cid_equal(&cid, &other)) {
                                g_assert_false(seen[i]);
                                seen[i] = true;
                        }
                }
                found++;
        }
        return found;
}

static void test_cursor(Whole *w, gconstpointer data _unused_) {
        bool seen[40];

        tracker_queue_set_recent_max(w->tracker->queue, 6);
        fake_kubo_plan(w->kubo, "pin/add", NULL, &whole_hang);
        fake_kubo_plan(w->kubo, "pin/rm", NULL, &(FakeAnswer){ .fault = FAKE_SILENCE });
        for (uint32_t i = 0; i < 20; i++)
                whole_add(w, i);
        for (uint32_t i = 20; i < 25; i++)
                whole_remove(w, i);
        for (uint32_t i = 25; i < 30; i++)
                put_record(w, i, PIN_STATUS_PIN_ERROR, TRACKER_FIFO_DELAY + i % 3);
        put_record(w, 30, PIN_STATUS_UNEXPECTEDLY_UNPINNED, TRACKER_FIFO_UNEXPECTED);
        WHOLE_WAIT(w, whole_counts(w).pinning == 2 && whole_counts(w).unpinning == 1);

        g_assert_cmpuint(walk(w, 0, seen, 40), ==, 31);
        g_assert_cmpuint(walk(w, PIN_STATUS_PINNING, seen, 40), ==, 2);
        g_assert_cmpuint(walk(w, PIN_STATUS_PIN_QUEUED, seen, 40), ==, 18);
        g_assert_cmpuint(walk(w, PIN_STATUS_UNPINNING | PIN_STATUS_UNPIN_QUEUED, seen, 40), ==, 5);
        g_assert_cmpuint(walk(w, PIN_STATUS_PIN_ERROR, seen, 40), ==, 5);
        g_assert_cmpuint(walk(w, PIN_STATUS_UNEXPECTEDLY_UNPINNED, seen, 40), ==, 1);
        g_assert_true(seen[30]);
        g_assert_cmpuint(walk(w, PIN_STATUS_PINNED, seen, 40), ==, 0);
}

static void test_cursor_goes_on(Whole *w, gconstpointer data _unused_) {
        TrackerPosition position = {};
        bool seen[20] = {};
        unsigned n = 0;
        int r;

        tracker_queue_set_recent_max(w->tracker->queue, 6);
        fake_kubo_plan(w->kubo, "pin/add", NULL, &whole_hang);
        for (uint32_t i = 0; i < 20; i++)
                whole_add(w, i);
        WHOLE_WAIT(w, whole_counts(w).pinning == 2);
        do { /* a cursor for each step */
                TrackerCursor *cursor;
                Cid cid;

                g_assert_cmpint(tracker_cursor_new(&cursor, w->tracker, 0), ==, 0);
                tracker_cursor_seek(cursor, &position);
                r = tracker_cursor_step(cursor, &cid);
                position = tracker_cursor_tell(cursor);
                tracker_cursor_free(cursor);
                for (uint32_t i = 0; r == 1 && i < 20; i++) {
                        const Cid other = item_cid(i);

                        if (cid_equal(&cid, &other)) {
                                g_assert_false(seen[i]);
                                seen[i] = true;
                                n++;
                        }
                }
        } while (r != 0);
        g_assert_cmpuint(n, ==, 20);
}

/* Another peer may send any position. */
static void test_cursor_position(Whole *w, gconstpointer data _unused_) {
        static const uint64_t values[] = {
                0, 1, 2, 5, 12, 13, 14, UINT32_MAX, UINT64_C(1) << 32, UINT64_MAX
        };

        fake_kubo_plan(w->kubo, "pin/add", NULL, &whole_hang);
        for (uint32_t i = 0; i < 20; i++)
                whole_add(w, i);
        for (size_t i = 0; i < ELEMENTSOF(values); i++)
                for (size_t k = 0; k < ELEMENTSOF(values); k++) {
                        _cleanup_(tracker_cursor_freep) TrackerCursor *cursor = NULL;
                        unsigned n = 0;
                        Cid cid;

                        g_assert_cmpint(tracker_cursor_new(&cursor, w->tracker, 0), ==, 0);
                        tracker_cursor_seek(cursor, &(TrackerPosition){ values[i], values[k] });
                        while (tracker_cursor_next(cursor, &cid) == 1)
                                n++;
                        g_assert_cmpuint(n, <=, 20);
                }
}

/* Recover while walking, as a recovery of all does: each is met, and it ends. */
static void test_cursor_while_recovering(Whole *w, gconstpointer data _unused_) {
        _cleanup_(tracker_cursor_freep) TrackerCursor *cursor = NULL;
        unsigned n = 0;
        Cid cid;

        tracker_queue_set_recent_max(w->tracker->queue, 6);
        for (uint32_t i = 0; i < 30; i++) {
                const Pin pin = whole_pin(i);

                whole_store(w, &pin);
                put_record(w, i, PIN_STATUS_PIN_ERROR, TRACKER_FIFO_DELAY + i % 3);
        }
        g_assert_cmpint(tracker_cursor_new(&cursor, w->tracker, PIN_STATUS_PIN_ERROR), ==, 0);
        while (tracker_cursor_next(cursor, &cid) == 1) {
                g_assert_cmpint(tracker_recover(w->tracker, &cid), ==, 1);
                g_assert_cmpint(tracker_recover(w->tracker, &cid), ==, 0);
                n++;
        }
        g_assert_cmpuint(n, ==, 30);
        g_assert_cmpuint(whole_counts(w).queued, ==, 30);
        WHOLE_WAIT(w, whole_is_idle(w));
        g_assert_cmpuint(whole_counts(w).pin_error, ==, 0);
}

/* ---- short of memory ---- */

static void test_fault(Whole *w, gconstpointer data _unused_) {
        const Cid cid = item_cid(1);
        const Pin pin = whole_pin(1);

        whole_store(w, &pin);
        put_record(w, 1, PIN_STATUS_PIN_ERROR, TRACKER_FIFO_DELAY);
        FOREACH_FAULT {
                TrackerCursor *cursor = NULL;
                TrackerCall *call = NULL;
                PinInfo info = {};
                int r;

                r = tracker_status_known(w->tracker, &cid, &pin, &info);
                g_assert_true(r == 0 || r == -ENOMEM);
                if (r == 0)
                        g_assert_cmpint(info.status, ==, PIN_STATUS_PIN_ERROR);
                json_done(&pin_info_shape, &info);
                r = tracker_status(w->tracker, &call, &cid, true, whole_on_status, w);
                g_assert_true(r == 0 || r == -ENOMEM);
                tracker_call_unref(call);
                r = tracker_cursor_new(&cursor, w->tracker, 0);
                g_assert_true(r == 0 || r == -ENOMEM);
                tracker_cursor_free(cursor);
        }
        whole_assert_status(w, 1, "pin_error");
}

#define TEST(name, func)                                                                                    \
        g_test_add("/tracker/status/" name, Whole, NULL, whole_set_up, func, whole_tear_down)

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        TEST("known", test_known);
        TEST("records", test_records);
        TEST("moved-away", test_moved_away);
        TEST("meta-is-nothing-to-do", test_meta_is_nothing_to_do);
        TEST("asks-only-when-told", test_asks_only_when_told);
        TEST("error-mended-by-others", test_error_mended_by_others);
        TEST("cluster-error", test_cluster_error);
        TEST("changed-meanwhile", test_changed_meanwhile);
        TEST("stopped-meanwhile", test_stopped_meanwhile);
        TEST("cancel", test_cancel);
        TEST("cursor", test_cursor);
        TEST("cursor-goes-on-where-another-was", test_cursor_goes_on);
        TEST("cursor-at-any-position", test_cursor_position);
        TEST("cursor-while-recovering", test_cursor_while_recovering);
        TEST("fault", test_fault);
        return g_test_run();
}
